//! `pgdraft init` and `pgdraft uninstall`.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use store::{InstallOptions, InstallReport, Status, UninstallOptions};

use crate::cli::{Init, Uninstall, UpstreamFlag};
use crate::database::{self, Database};
use crate::failure::Failure;
use crate::operator::print;
use crate::settings;

/// Runs `pgdraft init`.
pub(crate) async fn init(arguments: &Init) -> Result<(), Failure> {
    let database = connect(&arguments.upstream).await?;
    let options = InstallOptions {
        dry_run: arguments.dry_run,
        event_trigger: arguments.event_trigger,
    };
    let report = store::install(&database.client, &options)
        .await
        .map_err(|e| e.report())?;
    for sentence in &report.missing {
        eprintln!("pgdraft: not granted: {sentence}");
    }
    for sentence in &report.warnings {
        eprintln!("pgdraft: warning: {sentence}");
    }
    if arguments.dry_run {
        print(&report.script)
    } else {
        print(&done(&report, &database))
    }
}

fn done(report: &InstallReport, database: &Database) -> String {
    let name = database.target.database();
    let what = match report.before {
        Status::NotInstalled => "is ready for pgdraft".to_owned(),
        Status::Version(version) if version == store::VERSION => {
            "was ready for pgdraft; grants are up to date".to_owned()
        }
        Status::Version(version) | Status::Newer(version) => {
            format!("was brought from version {version} to {}", store::VERSION)
        }
    };
    format!(
        "database \"{name}\" {what}\n  schema  pgdraft\n  roles   {} (agents), {} (owns the schema), {} (owns the drafts)\nnext: pgdraft serve",
        report.roles.agent, report.roles.control, report.roles.keeper
    )
}

/// Runs `pgdraft uninstall`.
pub(crate) async fn uninstall(arguments: &Uninstall) -> Result<(), Failure> {
    let database = connect(&arguments.upstream).await?;
    let name = database.target.database();
    if !arguments.yes && !arguments.dry_run {
        ask(name, database.target.host())?;
    }
    let options = UninstallOptions {
        terminate: arguments.force,
        dry_run: arguments.dry_run,
    };
    let script = store::uninstall(&database.client, &options)
        .await
        .map_err(|e| e.report())?;
    if arguments.dry_run {
        print(&script)
    } else if script.is_empty() {
        print(&format!("database \"{name}\" had nothing of pgdraft"))
    } else {
        print(&format!(
            "database \"{name}\" has nothing of pgdraft any more"
        ))
    }
}

/// Drafts are lost: a person says the database's name, a script says `--yes`.
fn ask(database: &str, host: &str) -> Result<(), Failure> {
    let hint = "say --yes to do it without asking; --dry-run shows what would run";
    if !io::stdin().is_terminal() {
        return Err(Failure::Usage {
            message: "uninstall removes every draft, and there is no terminal to ask on".into(),
            hint: hint.into(),
        });
    }
    eprint!(
        "This removes pgdraft and every draft from \"{database}\" on {host}.\nName of the database: "
    );
    let _ = io::stderr().flush();
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    if read.is_err() || answer.trim() != database {
        return Err(Failure::Usage {
            message: "nothing was removed: that is not its name".into(),
            hint: hint.into(),
        });
    }
    Ok(())
}

async fn connect(flag: &UpstreamFlag) -> Result<Database, Failure> {
    let url = settings::upstream_url(&flag.config, flag.upstream_url.as_ref())?;
    database::connect(&url).await
}
