//! Real clients with scripts and asserts of their own, each in a draft over a database of its own.
//!
//! `tests/setup.sh` installs the drivers. After each script production must be byte-equal to what
//! it was, and after the commit it must hold the row by which the client left its name.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test stops at the first surprise, and finds its interpreters in the environment"
)]

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use testkit::cluster::Database;
use testkit::harness::{Trial, main as run};
use testkit::proxy::{AGENTS, PASSWORD, Proxy};
use testkit::{Cluster, environment, root};

#[path = "../../../tests/clients/tokio_postgres_client.rs"]
mod tokio_postgres_client;

const SESSION: &str = "client";

fn main() -> ExitCode {
    let python = |name: &'static str, script: &'static str| {
        Trial::new(format!("clients::{name}"), move || {
            let interpreter = installed("venv/bin/python")?;
            let file = root().join("tests/clients").join(script);
            draft(name, Command::new(interpreter).arg(file))
        })
    };
    run(vec![
        Trial::new("clients::psql", || {
            let script = root().join("tests/clients/psql.sh");
            draft("psql", Command::new("bash").arg(script))
        }),
        python("psycopg", "psycopg_client.py"),
        python("asyncpg", "asyncpg_client.py"),
        python("sqlalchemy", "sqlalchemy_client.py"),
        Trial::new("clients::node_postgres", || {
            let folder = installed("node")?;
            let script = root().join("tests/clients/node/client.mjs");
            draft(
                "node",
                Command::new("node").arg(script).env("NODE_FOLDER", folder),
            )
        }),
        Trial::new("clients::tokio_postgres", || {
            let (database, mut proxy) = prepare();
            let before = database.dump();
            tokio_postgres_client::main(&proxy.agent(SESSION), &database.url())?;
            finish(&database, &mut proxy, &before, "tokio-postgres")
        }),
    ])
}

/// Runs a client's script in a draft.
fn draft(name: &str, command: &mut Command) -> Result<(), String> {
    let (database, mut proxy) = prepare();
    let before = database.dump();
    let output = command
        .env("PGDRAFT_HOST", "127.0.0.1")
        .env("PGDRAFT_PORT", proxy.port().to_string())
        .env("PGDRAFT_DATABASE", database.name())
        .env("PGDRAFT_USER", AGENTS[0])
        .env("PGDRAFT_PASSWORD", PASSWORD)
        .env("PGDRAFT_SESSION", SESSION)
        .env("PGDRAFT_URL", proxy.url(SESSION))
        .env("PGDRAFT_REVIEWER_URL", proxy.reviewer_url())
        .env("BASE_URL", database.url())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .map_err(|e| format!("{command:?}: {e}"))?;
    if !output.status.success() {
        return Err(format!(
            "{}{}\nlog of pgdraft:\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
            proxy
                .log()
                .lines()
                .filter(|l| l.contains("WARN") || l.contains("ERROR") || l.contains("panicked"))
                .collect::<Vec<_>>()
                .join("\n")
        ));
    }
    finish(&database, &mut proxy, &before, name)
}

fn prepare() -> (Database, Proxy) {
    let schema = std::fs::read_to_string(root().join("tests/clients/schema.sql")).unwrap();
    let database = Cluster::shared().create_database("clients");
    database.run(&schema);
    let proxy = Proxy::start(&database);
    (database, proxy)
}

fn finish(database: &Database, proxy: &mut Proxy, before: &str, name: &str) -> Result<(), String> {
    if database.dump() != before {
        return Err("the client's work has changed production".to_owned());
    }
    proxy.review(&format!("COMMIT SESSION '{SESSION}'"));
    let there = database.connect().value(&format!(
        "SELECT count(*) FROM customers WHERE name = 'from {name}'"
    ));
    if there != "1" {
        return Err(format!("the commit brought {there} rows 'from {name}'"));
    }
    proxy.assert_sound();
    Ok(())
}

/// A path below the folder where `tests/setup.sh` puts the drivers.
fn installed(path: &str) -> Result<PathBuf, String> {
    let target =
        environment("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let found = target.join("clients").join(path);
    if found.exists() {
        Ok(found)
    } else {
        Err(format!(
            "{} is missing: run tests/setup.sh first",
            found.display()
        ))
    }
}
