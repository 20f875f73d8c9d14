//! `pgdraft serve` and the operator's commands as a user runs them, over a real PostgreSQL.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use testkit::Cluster;
use testkit::cluster::Database;
use testkit::ports::free_port;
use testkit::proxy::{AGENTS, PASSWORD, REVIEWER, binary, configuration, initialise};
use testkit::wire::{Connection, Login};

const SETUP: &str = "\
CREATE TABLE items (id int PRIMARY KEY, name text NOT NULL, price numeric(30, 10) NOT NULL);
INSERT INTO items VALUES (1, 'one', 1), (2, 'two', 12345678901234567890.0123456789);";

/// A `pgdraft serve` of this test's own, so that its end can be waited for.
struct Serve {
    process: Child,
    port: u16,
    metrics_port: u16,
    database: String,
    folder: PathBuf,
}

impl Serve {
    fn start(database: &Database, flags: &[&str]) -> Self {
        initialise(&database.url());
        let (port, metrics_port) = (free_port(), free_port());
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("serve-{port}"));
        std::fs::create_dir_all(&folder).unwrap();
        let config = folder.join("pgdraft.toml");
        std::fs::write(&config, configuration("")).unwrap();
        let process = Command::new(binary())
            .arg("serve")
            .arg("--config")
            .arg(&config)
            .args(["--upstream-url", &database.url()])
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .args(["--metrics-listen", &format!("127.0.0.1:{metrics_port}")])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut serve = Self {
            process,
            port,
            metrics_port,
            database: database.name().to_owned(),
            folder,
        };
        let patience = Instant::now();
        while !matches!(Connection::try_open(&serve.login(REVIEWER)), Ok(Ok(_))) {
            assert!(
                serve.process.try_wait().unwrap().is_none(),
                "{}",
                serve.log()
            );
            assert!(
                patience.elapsed() < Duration::from_secs(30),
                "{}",
                serve.log()
            );
            std::thread::sleep(Duration::from_millis(30));
        }
        serve
    }

    fn login(&self, user: &str) -> Login {
        Login::new(self.port, user, &self.database).password(PASSWORD)
    }

    fn agent(&self, session: &str) -> Connection {
        Connection::open(&self.login(AGENTS[0]).session(session)).unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn get(&self, path: &str) -> String {
        let mut socket = TcpStream::connect(("127.0.0.1", self.metrics_port)).unwrap();
        write!(socket, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    }

    fn signal(&self) {
        signal(&self.process);
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn signal(process: &Child) {
    let status = Command::new("kill")
        .args(["-TERM", &process.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

fn database() -> Database {
    let database = Cluster::shared().create_database("serve");
    database.run(SETUP);
    database
}

fn operator(database: &Database, words: &[&str]) -> Output {
    Command::new(binary())
        .args(words)
        .env("PGDRAFT_UPSTREAM_URL", database.url())
        .env("PGDRAFT_CONFIG", "none")
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_database_that_is_not_initialised_is_5() {
    let database = database();
    let agent = format!("bot={}", env!("CARGO_MANIFEST_DIR"));
    for words in [&["sessions"][..], &["diff", "s"], &["commit", "s"]] {
        let output = operator(&database, words);
        assert_eq!(output.status.code(), Some(5), "{}", text(&output));
        assert!(text(&output).contains("pgdraft init"), "{}", text(&output));
    }
    let output = operator(&database, &["serve", "--agent", &agent]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
}

#[test]
fn a_shutdown_waits_for_transactions_and_ends_with_0() {
    let database = database();
    let mut serve = Serve::start(&database, &[]);
    let mut busy = serve.agent("s");
    let mut idle = serve.agent("s");
    idle.run("SELECT 1");
    busy.run("BEGIN; INSERT INTO items VALUES (3, 'three', 3)");
    serve.signal();
    // The idle client is told; until then the listener may still be open.
    let told = idle.receive().unwrap();
    assert_eq!(told.tag, b'E');
    busy.run("INSERT INTO items VALUES (4, 'four', 4)");
    busy.run("COMMIT");
    assert_eq!(
        serve.process.wait().unwrap().code(),
        Some(0),
        "{}",
        serve.log()
    );
    let rows = operator(&database, &["diff", "s", "--json"]);
    assert!(
        text(&rows).contains("\"three\"") && text(&rows).contains("\"four\""),
        "{}",
        text(&rows)
    );
}

#[test]
fn a_shutdown_does_not_wait_for_ever() {
    let database = database();
    let mut serve = Serve::start(&database, &["--drain-timeout-ms", "200"]);
    let mut busy = serve.agent("s");
    busy.run("BEGIN; INSERT INTO items VALUES (3, 'three', 3)");
    serve.signal();
    assert_eq!(
        serve.process.wait().unwrap().code(),
        Some(0),
        "{}",
        serve.log()
    );
    let rows = operator(&database, &["diff", "s"]);
    assert!(!text(&rows).contains("three"), "{}", text(&rows));
}

#[test]
fn one_client_too_many_is_told() {
    let database = database();
    let serve = Serve::start(&database, &["--connections-max", "1"]);
    let first = serve.agent("s");
    let refused = Connection::try_open(&serve.login(AGENTS[0])).unwrap();
    let failure = refused.expect_err("the second client is refused");
    assert_eq!(failure.code(), "53300");
    drop(first);
    let patience = Instant::now();
    while !matches!(Connection::try_open(&serve.login(AGENTS[0])), Ok(Ok(_))) {
        assert!(patience.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn metrics_tell_numbers_and_no_secrets() {
    let database = database();
    let serve = Serve::start(&database, &["--log-format", "json", "--log-level", "trace"]);
    serve
        .agent("s")
        .run("UPDATE items SET name = 'topsecret' WHERE id = 1");
    let metrics = serve.get("/metrics");
    assert!(
        metrics.contains("pgdraft_statements_total{kind=\"write\"} 1"),
        "{metrics}"
    );
    assert!(
        metrics.contains("pgdraft_client_panics_total 0"),
        "{metrics}"
    );
    assert!(serve.get("/readyz").starts_with("HTTP/1.1 200 "));
    assert!(serve.get("/healthz").ends_with("ok\n"));
    let log = serve.log();
    for line in log.lines() {
        assert!(line.starts_with('{'), "{line}");
    }
    for secret in ["topsecret", PASSWORD, &database.url()] {
        assert!(!metrics.contains(secret), "{metrics}");
        assert!(!log.contains(secret), "{secret} stands in the log");
    }
}

#[test]
fn the_operator_reads_commits_and_discards() {
    let database = database();
    let serve = Serve::start(&database, &[]);
    serve
        .agent("good")
        .run("UPDATE items SET price = price + 1; DELETE FROM items WHERE id = 1");
    serve.agent("bad").run("DELETE FROM items");
    let sessions = text(&operator(&database, &["sessions", "--json"]));
    for piece in [
        "\"session\": \"good\"",
        "\"session\": \"bad\"",
        "\"state\": \"open\"",
    ] {
        assert!(sessions.contains(piece), "{sessions}");
    }
    let diff = text(&operator(&database, &["diff", "good"]));
    let expected = "\
public.items
  - id=1  (op-1)
      id=1 name=\"one\" price=1.0000000000
  ~ id=2  (op-1)
      price  12345678901234567890.0123456789 → 12345678901234567891.0123456789
  1 modified, 1 removed
";
    let (rows, fingerprint) = diff.split_once("fingerprint ").unwrap();
    assert_eq!(rows, expected);
    assert_eq!(fingerprint.trim_end().len(), 32, "{fingerprint}");
    let json = text(&operator(
        &database,
        &["diff", "good", "--json", "--table", "items"],
    ));
    assert!(json.contains("12345678901234567891.0123456789"), "{json}");
    let discarded = operator(&database, &["discard", "bad"]);
    assert_eq!(
        text(&discarded),
        "session \"bad\" discarded: 2 rows in 1 table\n"
    );
    let committed = operator(&database, &["commit", "good", "--json"]);
    assert_eq!(
        text(&committed),
        "{\"session\": \"good\", \"state\": \"committed\", \"rows\": 2, \"tables\": 1}\n"
    );
    let mut base = database.connect();
    assert_eq!(base.value("SELECT count(*) FROM items"), "1");
    for (words, code) in [
        (&["discard", "good"][..], "ZD002"),
        (&["commit", "none"], "ZD003"),
        (&["operations", "none"], "ZD003"),
        (&["diff", "none"], "ZD003"),
    ] {
        let output = operator(&database, words);
        assert_eq!(output.status.code(), Some(7), "{words:?} {}", text(&output));
        assert!(text(&output).contains(code), "{words:?} {}", text(&output));
        assert!(
            text(&output).contains("hint:"),
            "{words:?} {}",
            text(&output)
        );
    }
}

#[test]
fn an_embedded_postgresql_comes_and_goes_and_keeps_its_rows() {
    let folder = std::env::temp_dir().join(format!("pgdraft-embedded-{}", free_port()));
    for round in 0..2 {
        let port = free_port();
        let log = std::fs::File::create(
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("embedded-{port}.log")),
        )
        .unwrap();
        let mut process = Command::new(binary())
            .args([
                "serve",
                "--config",
                "none",
                "--embedded",
                "--metrics-listen",
                "off",
            ])
            .args(["--listen", &format!("127.0.0.1:{port}"), "--data-dir"])
            .arg(&folder)
            .env_remove("PGDRAFT_UPSTREAM_URL")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut stdout = process.stdout.take().unwrap();
        let mut byte = [0];
        while !said.contains("DATABASE_URL=") {
            assert_eq!(stdout.read(&mut byte).unwrap(), 1, "{said}");
            said.push(char::from(byte[0]));
        }
        let password = |role: &str| {
            let line = format!("{role} \"{role}\" has the password ");
            let (_, after) = said.split_once(&line).unwrap();
            after.lines().next().unwrap().to_owned()
        };
        let login = |role: &str| Login::new(port, role, "app").password(&password(role));
        let mut agent = Connection::open(&login("agent").session("s")).unwrap();
        assert_eq!(agent.value("SELECT current_database()"), "app");
        let mut reviewer = Connection::open(&login("reviewer")).unwrap();
        reviewer.run("SHOW SESSIONS");
        signal(&process);
        assert_eq!(
            process.wait().unwrap().code(),
            Some(0),
            "round {round}: {said}"
        );
        assert!(!folder.join("data/postmaster.pid").exists());
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
