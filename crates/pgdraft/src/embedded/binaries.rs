//! Finding the folder with `initdb`, `postgres` and `pg_ctl`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;

const PROGRAMS: [&str; 3] = ["initdb", "postgres", "pg_ctl"];

/// Folders of distributions that keep several versions side by side.
const VERSIONED: [(&str, &str, &str); 4] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/opt/homebrew/opt", "postgresql@", "bin"),
    ("/usr/local/opt", "postgresql@", "bin"),
];

/// The folder named, else the first that has them all: PATH, `pg_config`, the distributions'
/// folders. A cluster that is there already is started by its own version.
pub(super) fn find(named: Option<&Path>, version_file: &Path) -> Result<PathBuf, Failure> {
    if let Some(dir) = named {
        return has_all(dir)
            .then(|| dir.to_owned())
            .ok_or_else(|| Failure::Usage {
                message: format!("{} has no initdb, postgres and pg_ctl", dir.display()),
                hint: "name the folder that holds them; on Debian /usr/lib/postgresql/15/bin"
                    .into(),
            });
    }
    let wanted = std::fs::read_to_string(version_file)
        .ok()
        .map(|v| v.trim().to_owned());
    let installed = from_path().into_iter().chain(from_pg_config()).chain(
        VERSIONED
            .iter()
            .flat_map(|(root, prefix, sub)| versions(root, prefix, sub)),
    );
    let mut usable = installed.filter(|dir| has_all(dir));
    let found = match &wanted {
        None => usable.next(),
        Some(version) => usable.find(|dir| major_version(dir).as_ref() == Some(version)),
    };
    found.ok_or_else(|| {
        let what = wanted.map_or("PostgreSQL".into(), |v| format!("PostgreSQL {v}"));
        Failure::unexpected(
            format!("{what} is not installed here: initdb, postgres and pg_ctl are missing"),
            "install it (Debian: apt-get install postgresql), or name the folder with --pg-bin",
        )
    })
}

fn has_all(dir: &Path) -> bool {
    PROGRAMS.iter().all(|program| dir.join(program).is_file())
}

fn from_path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).collect()
}

fn from_pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(text.trim()))
}

/// `root/prefixN/sub`, newest first.
fn versions(root: &str, prefix: &str, sub: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(root) else {
        return Vec::new();
    };
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            let number = name.strip_prefix(prefix)?.parse().ok()?;
            Some((number, entry.path().join(sub)))
        })
        .collect();
    found.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    found.into_iter().map(|(_, path)| path).collect()
}

/// The major version of the binaries in a folder.
fn major_version(dir: &Path) -> Option<String> {
    let output = Command::new(dir.join("postgres"))
        .arg("--version")
        .output()
        .ok()?;
    // postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)
    let text = String::from_utf8(output.stdout).ok()?;
    let number = text.split(')').nth(1)?.trim();
    let end = number
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(number.len());
    number.get(..end).map(str::to_owned)
}
