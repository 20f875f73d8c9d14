//! A running `pgdraft serve` over one database.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::cluster::Database;
use crate::environment;
use crate::ports::free_port;
use crate::wire::{Connection, Login};

/// Agents of every proxy; the password of each is [`PASSWORD`].
pub const AGENTS: [&str; 2] = ["agent", "other"];
/// The reviewer of every proxy; the password is [`PASSWORD`].
pub const REVIEWER: &str = "reviewer";
/// Password of all agents and reviewers.
pub const PASSWORD: &str = "correct horse battery";

/// A `pgdraft serve` process; killed when dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    metrics_port: u16,
    database: String,
    folder: PathBuf,
    arguments: Vec<String>,
    process: Child,
}

/// What to start.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Lines added to the end of the configuration file.
    pub config: String,
    /// Further arguments of `pgdraft serve`.
    pub arguments: Vec<String>,
}

impl Proxy {
    /// Runs `pgdraft init` on the database and starts `pgdraft serve` over it.
    ///
    /// # Panics
    /// Where one of them fails; the message holds what it printed.
    pub fn start(database: &Database) -> Self {
        Self::start_with(database, &Settings::default())
    }

    /// As [`Proxy::start`] with settings.
    ///
    /// # Panics
    /// As [`Proxy::start`].
    pub fn start_with(database: &Database, settings: &Settings) -> Self {
        Self::start_at(&database.url(), database.name(), settings)
    }

    /// As [`Proxy::start`] for any superuser URL.
    ///
    /// # Panics
    /// As [`Proxy::start`].
    pub fn start_at(url: &str, database: &str, settings: &Settings) -> Self {
        initialise(url);
        let port = free_port();
        let metrics_port = free_port();
        let folder =
            std::env::temp_dir().join(format!("pgdraft-proxy-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let config = folder.join("pgdraft.toml");
        std::fs::write(&config, configuration(&settings.config)).unwrap();
        let mut arguments: Vec<String> = vec![
            "serve".into(),
            "--config".into(),
            config.display().to_string(),
            "--listen".into(),
            format!("127.0.0.1:{port}"),
            "--upstream-url".into(),
            url.into(),
            "--metrics-listen".into(),
            format!("127.0.0.1:{metrics_port}"),
        ];
        arguments.extend(settings.arguments.iter().cloned());
        let process = spawn(&arguments, &folder);
        let mut proxy = Self {
            port,
            metrics_port,
            database: database.to_owned(),
            folder,
            arguments,
            process,
        };
        proxy.wait_until_ready();
        proxy
    }

    fn wait_until_ready(&mut self) {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                panic!("pgdraft serve ended with {status}:\n{}", self.log());
            }
            // Only a finished login proves readiness: the port of a server that is going down may
            // still take connections.
            match Connection::try_open(&self.reviewer()) {
                Ok(Ok(_)) => return,
                // one that takes TLS alone, which this client does not speak
                Ok(Err(refused)) if refused.message().contains("without TLS") => return,
                Ok(Err(_)) | Err(_) => {}
            }
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "pgdraft serve takes no connections:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// The port agents connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port of `/metrics`.
    pub fn metrics_port(&self) -> u16 {
        self.metrics_port
    }

    /// Process id of `pgdraft serve`.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Login of the first agent in a session.
    pub fn agent(&self, session: &str) -> Login {
        self.agent_named(AGENTS[0], session)
    }

    /// Login of an agent in a session.
    pub fn agent_named(&self, agent: &str, session: &str) -> Login {
        Login::new(self.port, agent, &self.database)
            .password(PASSWORD)
            .session(session)
    }

    /// Login of the reviewer.
    pub fn reviewer(&self) -> Login {
        Login::new(self.port, REVIEWER, &self.database).password(PASSWORD)
    }

    /// An agent's URL for drivers, with the session in `options`.
    pub fn url(&self, session: &str) -> String {
        format!(
            "postgres://{}:{}@127.0.0.1:{}/{}?options=-c%20pgdraft.session%3D{session}",
            AGENTS[0],
            PASSWORD.replace(' ', "%20"),
            self.port,
            self.database
        )
    }

    /// The reviewer's URL for drivers.
    pub fn reviewer_url(&self) -> String {
        format!(
            "postgres://{REVIEWER}:{}@127.0.0.1:{}/{}",
            PASSWORD.replace(' ', "%20"),
            self.port,
            self.database
        )
    }

    /// Connects as the first agent in a session.
    ///
    /// # Panics
    /// Where that is refused.
    #[track_caller]
    pub fn connect(&self, session: &str) -> Connection {
        Connection::open(&self.agent(session)).expect("the agent can connect")
    }

    /// Connects as the reviewer.
    ///
    /// # Panics
    /// Where that is refused.
    #[track_caller]
    pub fn connect_reviewer(&self) -> Connection {
        Connection::open(&self.reviewer()).expect("the reviewer can connect")
    }

    /// Runs one admin statement as the reviewer.
    ///
    /// # Panics
    /// Where it fails.
    #[track_caller]
    pub fn review(&self, statement: &str) -> crate::wire::Reply {
        self.connect_reviewer().run(statement)
    }

    /// All that the process has printed.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Where it prints.
    pub fn log_path(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Whether the process still runs.
    pub fn alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Kills the process as a crash would, and starts it again.
    pub fn crash_and_restart(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        self.process = spawn(&self.arguments, &self.folder);
        self.wait_until_ready();
    }

    /// Starts a second process with the same arguments, which must share the ports, and tells the first
    /// to end once the second takes clients: the first, which may still have some.
    ///
    /// # Panics
    /// Where the second does not start.
    pub fn replace(&mut self) -> Child {
        let greetings = |log: &str| log.matches("pgdraft listens on").count();
        let before = greetings(&self.log());
        let next = spawn(&self.arguments, &self.folder);
        let begun = Instant::now();
        while greetings(&self.log()) == before {
            assert!(begun.elapsed() < Duration::from_secs(60), "{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        let first = std::mem::replace(&mut self.process, next);
        let told = Command::new("kill").arg(first.id().to_string()).status();
        assert!(told.unwrap().success());
        first
    }

    /// Checks that it lives, has not panicked and logged no password.
    ///
    /// # Panics
    /// Where one of it is not so.
    pub fn assert_sound(&mut self) {
        let log = self.log();
        assert!(self.alive(), "pgdraft serve has died:\n{}", tail(&log));
        assert!(
            !log.contains("panicked"),
            "pgdraft serve has panicked:\n{}",
            log.lines()
                .filter(|l| l.contains("panicked"))
                .collect::<Vec<_>>()
                .join("\n")
        );
        assert!(!log.contains(PASSWORD), "a password stands in the log");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            println!("log of pgdraft serve:\n{}", tail(&self.log()));
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Runs `pgdraft init` on a database.
///
/// # Panics
/// Where it fails.
pub fn initialise(url: &str) {
    let output = Command::new(binary())
        .args(["init", "--upstream-url", url])
        .output()
        .expect("pgdraft can be started");
    assert!(
        output.status.success(),
        "pgdraft init failed ({}):\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The `pgdraft` binary: `PGDRAFT_TEST_BIN`, or the one in this build's target folder.
///
/// # Panics
/// Where there is none.
pub fn binary() -> PathBuf {
    if let Some(path) = environment("PGDRAFT_TEST_BIN") {
        return PathBuf::from(path);
    }
    let own = std::env::current_exe().unwrap();
    let found = own
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join("pgdraft"))
        .find(|p| p.is_file());
    found
        .expect("the pgdraft binary is built (cargo build --workspace), or PGDRAFT_TEST_BIN is set")
}

/// The configuration file of a proxy for tests.
pub fn configuration(more: &str) -> String {
    let verifier = verifier();
    let mut text = String::new();
    for agent in AGENTS {
        let _ = writeln!(
            text,
            "[[agents]]\nname = \"{agent}\"\nverifier = \"{verifier}\"\n"
        );
    }
    let _ = writeln!(
        text,
        "[[reviewers]]\nname = \"{REVIEWER}\"\nverifier = \"{verifier}\"\n"
    );
    // Keys of the top level must stand before the first table in TOML.
    format!("{}{}{more}\n{text}", pool_mode(more), prepare_after(more))
}

/// `POOL_MODE=transaction` runs any test over few shared server connections.
fn pool_mode(more: &str) -> String {
    match environment("POOL_MODE") {
        Some(mode) if !more.contains("pool_mode") => {
            format!("pool_mode = \"{mode}\"\npool_size = 12\n")
        }
        _ => String::new(),
    }
}

/// `PREPARE_AFTER=2` runs any test as users do; else simple queries are kept prepared from the first on.
fn prepare_after(more: &str) -> String {
    if more.contains("prepare_after") {
        return String::new();
    }
    let after = environment("PREPARE_AFTER").unwrap_or_else(|| "1".to_owned());
    format!("prepare_after = {after}\n")
}

/// Verifier of [`PASSWORD`], made once by `pgdraft hash-password`.
fn verifier() -> &'static str {
    static VERIFIER: OnceLock<String> = OnceLock::new();
    VERIFIER.get_or_init(|| {
        let mut child = Command::new(binary())
            .arg("hash-password")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("pgdraft can be started");
        child
            .stdin
            .take()
            .unwrap()
            .write_all(format!("{PASSWORD}\n").as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "pgdraft hash-password failed");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    })
}

fn spawn(arguments: &[String], folder: &std::path::Path) -> Child {
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("log"))
        .unwrap();
    Command::new(binary())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .expect("pgdraft can be started")
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// A new database with this content, and a pgdraft over it.
pub fn over(setup: &str) -> (Database, Proxy) {
    over_with(setup, &Settings::default())
}

/// As [`over`] with settings.
pub fn over_with(setup: &str, settings: &Settings) -> (Database, Proxy) {
    let database = crate::Cluster::shared().create_database("test");
    database.run(setup);
    let proxy = Proxy::start_with(&database, settings);
    (database, proxy)
}

/// Login to PostgreSQL itself as the role that agents' upstream connections use, with the
/// password that only pgdraft derives: what an attacker would have who got round the proxy.
pub fn agent_role(database: &Database) -> Login {
    let key = secret(database);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key);
    let password = hex(ring::hmac::sign(&key, b"agent role password").as_ref());
    Login::new(
        database.cluster().port(),
        &format!("pgdraft_agent_{}", database.name()),
        database.name(),
    )
    .password(&password)
}

/// The token that binds a backend of PostgreSQL to a session.
pub fn token(database: &Database, sid: &str, pid: i32) -> String {
    use ring::digest::{SHA256, digest};
    let key = secret(database);
    let bound = format!("{sid}.{pid}");
    let inner = digest(&SHA256, &[key.as_slice(), bound.as_bytes()].concat());
    let outer = digest(&SHA256, &[key.as_slice(), inner.as_ref()].concat());
    format!("{bound}.{}", hex(outer.as_ref()))
}

/// `pgdraft.secret.key`, read as the superuser.
fn secret(database: &Database) -> Vec<u8> {
    let key = database
        .connect()
        .value("SELECT encode(key, 'hex') FROM pgdraft.secret");
    (0..key.len() / 2)
        .map(|n| u8::from_str_radix(&key[2 * n..2 * n + 2], 16).unwrap())
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
