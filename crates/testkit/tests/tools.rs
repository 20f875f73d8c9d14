//! psql's commands and `pg_dump` in a draft with changes: what they print is what they print on a plain
//! database where the same statements ran.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test stops at the first surprise, and needs the programs of the cluster"
)]

use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU32, Ordering};

use testkit::cluster::Database;
use testkit::harness::{Trial, main as run};
use testkit::proxy::{AGENTS, PASSWORD, Proxy, Settings};
use testkit::{Cluster, root};

const SESSION: &str = "tools";

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for mode in ["session", "transaction"] {
        trials.push(Trial::new(format!("tools::{mode}"), move || same(mode)));
    }
    run(trials)
}

/// `pg_dump`'s ways of telling a database; privileges and owners differ, because pgdraft grants.
const DUMPS: [&[&str]; 6] = [
    &[],
    &["--schema-only"],
    &["--data-only", "--inserts"],
    &["--table=orders"],
    &["--schema=app", "--column-inserts"],
    &["--format=custom"],
];

fn same(mode: &str) -> Result<(), String> {
    let file = |name: &str| std::fs::read_to_string(root().join("tests/tools").join(name)).unwrap();
    let (plain, base) = (
        Cluster::shared().create_database("tools"),
        Cluster::shared().create_database("tools"),
    );
    for database in [&plain, &base] {
        database.run(&file("schema.sql"));
    }
    let settings = Settings {
        config: format!("pool_mode = \"{mode}\"\n"),
        arguments: Vec::new(),
    };
    let mut proxy = Proxy::start_with(&base, &settings);
    let before = base.dump();
    plain.run(&file("work.sql"));
    let ways = [
        Way::new(Cluster::shared().port(), "postgres", &plain),
        Way::new(proxy.port(), AGENTS[0], &base),
    ];
    let commands = root().join("tests/tools/commands.psql");
    let work = root().join("tests/tools/work.sql");
    ways[1].run(
        "psql",
        &["-X", "-v", "ON_ERROR_STOP=1", "-f", work.to_str().unwrap()],
    )?;
    for dump in DUMPS {
        compare(
            &format!("pg_dump {dump:?}"),
            [ways[0].dump(dump)?, ways[1].dump(dump)?],
        )?;
    }
    let psql = ["-X", "-a", "-f", commands.to_str().unwrap()];
    compare(
        "psql",
        [ways[0].run("psql", &psql)?, ways[1].run("psql", &psql)?],
    )?;
    if base.dump() != before {
        return Err("the tools have changed production".to_owned());
    }
    proxy.assert_sound();
    Ok(())
}

fn compare(what: &str, [plain, draft]: [String; 2]) -> Result<(), String> {
    if plain == draft {
        return Ok(());
    }
    let different: Vec<String> = plain
        .lines()
        .zip(draft.lines())
        .filter(|(a, b)| a != b)
        .take(20)
        .map(|(a, b)| format!("- {a}\n+ {b}"))
        .collect();
    let (lines, of_draft) = (plain.lines().count(), draft.lines().count());
    Err(format!(
        "{what} differs ({lines} lines on plain PostgreSQL, {of_draft} in the draft):\n{}",
        different.join("\n")
    ))
}

/// How the programs connect.
struct Way {
    port: String,
    user: &'static str,
    database: String,
}

impl Way {
    fn new(port: u16, user: &'static str, database: &Database) -> Self {
        Self {
            port: port.to_string(),
            user,
            database: database.name().to_owned(),
        }
    }

    /// What a program prints, with the database's name taken out.
    fn run(&self, program: &str, arguments: &[&str]) -> Result<String, String> {
        let options = match self.user {
            "postgres" => String::new(),
            _ => format!("-c pgdraft.session={SESSION}"),
        };
        let output = Command::new(Cluster::shared().program(program))
            .args(arguments)
            .args([
                "-h",
                "127.0.0.1",
                "-p",
                &self.port,
                "-U",
                self.user,
                &self.database,
            ])
            .env("PGPASSWORD", PASSWORD)
            .env("PGOPTIONS", options)
            .output()
            .map_err(|e| format!("{program}: {e}"))?;
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            return Err(format!(
                "{program} {arguments:?} as {}: {errors}",
                self.user
            ));
        }
        // where an error was raised is the server's own business
        let lines = told.lines().chain(errors.lines());
        let lines = lines.filter(|line| !line.starts_with("LOCATION:"));
        Ok(lines.collect::<Vec<_>>().join("\n"))
    }

    fn dump(&self, options: &[&str]) -> Result<String, String> {
        let always = ["--no-owner", "--no-privileges"];
        let arguments = [options, &always].concat();
        let archive = options.contains(&"--format=custom");
        if !archive {
            return Ok(without_key(&self.run("pg_dump", &arguments)?));
        }
        // both modes dump plain PostgreSQL at the same time
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let file = Cluster::shared().folder().join(format!("{number}.dump"));
        let to = format!("--file={}", file.display());
        self.run("pg_dump", &[arguments.as_slice(), &[&to]].concat())?;
        let output = Command::new(Cluster::shared().program("pg_restore"))
            .arg("--file=-")
            .arg(&file)
            .output()
            .map_err(|e| format!("pg_restore: {e}"))?;
        Ok(without_key(&String::from_utf8_lossy(&output.stdout)))
    }
}

/// `\restrict` has a key of its own in each dump, and an archive the name of its database and its time.
fn without_key(dump: &str) -> String {
    let own = ["\\restrict", "\\unrestrict"];
    dump.lines()
        .filter(|line| !own.iter().any(|word| line.starts_with(word)))
        .collect::<Vec<_>>()
        .join("\n")
}
