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

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::OnceLock;

use testkit::cluster::Database;
use testkit::harness::{Trial, main as run};
use testkit::proxy::{AGENTS, PASSWORD, Proxy, Settings};
use testkit::{Cluster, environment, root};

#[path = "../../../tests/clients/tokio_postgres_client.rs"]
mod tokio_postgres_client;

const SESSION: &str = "client";

/// A client: its name, and the command that runs its script; none where it is part of this test.
type Client = (&'static str, fn() -> Result<Command, String>);

const CLIENTS: [Client; 12] = [
    ("psql", || script("bash", "psql.sh")),
    ("psycopg", || python("psycopg_client.py")),
    ("psycopg2", || python("psycopg2_client.py")),
    ("asyncpg", || python("asyncpg_client.py")),
    ("pg8000", || python("pg8000_client.py")),
    ("sqlalchemy", || python("sqlalchemy_client.py")),
    ("django_psycopg", || {
        with(python("django_client.py"), "psycopg")
    }),
    ("django_psycopg2", || {
        with(python("django_client.py"), "psycopg2")
    }),
    ("node_postgres", || node("client.mjs")),
    ("postgres_js", || node("postgres_js.mjs")),
    ("pgjdbc", || {
        let mut java = Command::new("java");
        java.arg("-XX:TieredStopAtLevel=1")
            .arg("-cp")
            .arg(installed("java/postgresql.jar")?)
            .arg(root().join("tests/clients/java/Client.java"));
        Ok(java)
    }),
    ("tokio_postgres", || Err(String::new())),
];

/// Each client with a server connection of its own, in clear text, and with a few shared ones,
/// where pgdraft offers TLS.
fn main() -> ExitCode {
    let mut trials = Vec::new();
    for (name, command) in CLIENTS {
        for mode in ["session", "transaction"] {
            trials.push(Trial::new(format!("clients::{name}::{mode}"), move || {
                if name == "tokio_postgres" {
                    tokio_postgres(mode)
                } else {
                    draft(name, mode, command()?)
                }
            }));
        }
    }
    run(trials)
}

fn script(interpreter: impl AsRef<OsStr>, file: &str) -> Result<Command, String> {
    let mut command = Command::new(interpreter);
    command.arg(root().join("tests/clients").join(file));
    Ok(command)
}

fn python(file: &str) -> Result<Command, String> {
    script(installed("venv/bin/python")?, file)
}

fn node(file: &str) -> Result<Command, String> {
    let mut command = script("node", &format!("node/{file}"))?;
    command.env("NODE_FOLDER", installed("node")?);
    Ok(command)
}

fn with(command: Result<Command, String>, argument: &str) -> Result<Command, String> {
    command.map(|mut c| {
        c.arg(argument);
        c
    })
}

/// Runs a client's script in a draft.
fn draft(name: &str, mode: &str, mut command: Command) -> Result<(), String> {
    let (database, mut proxy) = prepare(mode);
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
        .env("PGDRAFT_TLS", if has_tls(mode) { "1" } else { "" })
        .env("BASE_URL", database.url())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .map_err(|e| format!("{command:?}: {e}"))?;
    if !output.status.success() {
        return Err(format!(
            "{}{}\nlog of pgdraft:\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
            warnings(&proxy)
        ));
    }
    finish(&database, &mut proxy, &before, name)
}

fn tokio_postgres(mode: &str) -> Result<(), String> {
    let (database, mut proxy) = prepare(mode);
    let before = database.dump();
    tokio_postgres_client::main(&proxy.agent(SESSION), &database.url())?;
    finish(&database, &mut proxy, &before, "tokio_postgres")
}

fn has_tls(mode: &str) -> bool {
    mode == "transaction"
}

fn prepare(mode: &str) -> (Database, Proxy) {
    let schema = std::fs::read_to_string(root().join("tests/clients/schema.sql")).unwrap();
    let database = Cluster::shared().create_database("clients");
    database.run(&schema);
    let mut config = format!("pool_mode = \"{mode}\"\npool_size = 8\n");
    if has_tls(mode) {
        let (cert, key) = certificate();
        config += &format!("tls = \"allow\"\ntls_cert = {cert:?}\ntls_key = {key:?}\n");
    }
    let settings = Settings {
        config,
        arguments: Vec::new(),
    };
    let proxy = Proxy::start_with(&database, &settings);
    (database, proxy)
}

/// A self-signed certificate and its key, made once.
fn certificate() -> &'static (PathBuf, PathBuf) {
    static FILES: OnceLock<(PathBuf, PathBuf)> = OnceLock::new();
    FILES.get_or_init(|| {
        let folder = Cluster::shared().folder();
        let (cert, key) = (folder.join("client.crt"), folder.join("client.key"));
        let made = Command::new("openssl")
            .args("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost".split(' '))
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&cert)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        (cert, key)
    })
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
    match warnings(proxy) {
        none if none.is_empty() => Ok(()),
        some => Err(format!("a well-behaved client has made it warn:\n{some}")),
    }
}

fn warnings(proxy: &Proxy) -> String {
    let bad = |line: &&str| {
        ["WARN", "ERROR", "panicked"]
            .iter()
            .any(|w| line.contains(w))
    };
    proxy
        .log()
        .lines()
        .filter(bad)
        .collect::<Vec<_>>()
        .join("\n")
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
