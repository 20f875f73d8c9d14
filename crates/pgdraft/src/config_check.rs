//! `pgdraft config check`: what `serve` would run with, without starting anything.

use crate::cli::ServeFlags;
use crate::failure::Failure;
use crate::settings::values::TlsMode;
use crate::settings::{Member, Settings, no_upstream};

/// Runs the command.
pub(crate) fn run(flags: &ServeFlags) -> Result<(), Failure> {
    let settings = Settings::load(flags)?;
    if settings.upstream_url.is_none() && !settings.embedded.enabled {
        return Err(no_upstream().into());
    }
    crate::serve::tls_config(&settings.tls)?;
    let file = settings.file.as_ref();
    println!(
        "file      {}",
        file.map_or("none".into(), |f| f.display().to_string())
    );
    println!("listen    {}", settings.listen);
    println!(
        "tls       {}",
        match settings.tls.mode {
            TlsMode::Off => "off",
            TlsMode::Allow => "allow",
            TlsMode::Require => "require",
        }
    );
    println!(
        "metrics   {}",
        settings
            .metrics_listen
            .map_or("off".into(), |a| a.to_string())
    );
    println!("agents    {}", names(&settings.agents));
    println!("reviewers {}", names(&settings.reviewers));
    println!("the configuration is good");
    Ok(())
}

fn names(members: &[Member]) -> String {
    if members.is_empty() {
        return "none".to_owned();
    }
    let names: Vec<&str> = members.iter().map(|m| m.name.as_str()).collect();
    names.join(", ")
}
