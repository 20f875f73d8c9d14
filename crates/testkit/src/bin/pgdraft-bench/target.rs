//! What statements are sent to: PostgreSQL itself, pgbouncer, pgdraft.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use testkit::ports::free_port;
use testkit::proxy::{AGENTS, PASSWORD, Settings};
use testkit::wire::{Connection, Login};
use testkit::{Database, Proxy};

/// Server connections of the poolers in transaction mode.
const POOL: usize = 8;
/// Role of the direct connections: like an agent it logs in with a password, by SCRAM.
const ROLE: &str = "bench";
const PGBOUNCER: &str = "/usr/sbin/pgbouncer";

/// Where a load goes.
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) login: Login,
    /// The process in between, if there is one.
    pub(crate) pid: Option<u32>,
    /// What it refuses is no surprise: it is told and left out.
    pub(crate) may_refuse: bool,
}

/// All targets, and the processes that they need.
pub(crate) struct Targets {
    pub(crate) all: Vec<Target>,
    _bouncers: Vec<Bouncer>,
    _proxies: Vec<Proxy>,
}

impl Targets {
    /// Starts everything. The dirty session has changed 1000 rows of each large table.
    pub(crate) fn start(database: &Database, rows: usize) -> Self {
        let port = database.cluster().port();
        database.run(&format!(
            "DROP ROLE IF EXISTS {ROLE}; CREATE ROLE {ROLE} LOGIN SUPERUSER PASSWORD '{PASSWORD}'"
        ));
        let direct = Login::new(port, ROLE, database.name()).password(PASSWORD);
        let verifier = database.connect().value(&format!(
            "SELECT rolpassword FROM pg_authid WHERE rolname = '{ROLE}'"
        ));
        let mut all = vec![target("direct", direct.clone(), None)];
        let mut bouncers = Vec::new();
        if Path::new(PGBOUNCER).exists() {
            for mode in ["session", "transaction"] {
                let bouncer = Bouncer::start(&direct, &verifier, mode);
                let mut login = direct.clone();
                login.port = bouncer.port;
                all.push(Target {
                    may_refuse: true,
                    ..target(
                        &format!("pgbouncer {mode}"),
                        login,
                        Some(bouncer.process.id()),
                    )
                });
                bouncers.push(bouncer);
            }
        } else {
            println!("pgbouncer is left out: {PGBOUNCER} is missing (apt-get install pgbouncer)");
        }
        let mut proxies = Vec::new();
        for (mode, pool) in [("session", 40), ("transaction", POOL)] {
            let config = format!("pool_mode = \"{mode}\"\npool_size = {pool}\n");
            let settings = Settings {
                config,
                ..Settings::default()
            };
            let proxy = Proxy::start_with(database, &settings);
            // No session named: each client is in a fresh one.
            let login = Login::new(proxy.port(), AGENTS[0], database.name()).password(PASSWORD);
            all.push(target(&format!("pgdraft {mode}"), login, Some(proxy.pid())));
            proxies.push(proxy);
        }
        let every = (rows / 1000).max(1);
        proxies[0].connect("dirty").run(&format!(
            "UPDATE pgbench_accounts SET filler = 'draft' WHERE aid % {every} = 0;
             UPDATE big SET n = n + 1 WHERE id % {every} = 0"
        ));
        all.push(target(
            "pgdraft dirty",
            proxies[0].agent("dirty"),
            Some(proxies[0].pid()),
        ));
        Self {
            all,
            _bouncers: bouncers,
            _proxies: proxies,
        }
    }
}

fn target(name: &str, login: Login, pid: Option<u32>) -> Target {
    Target {
        name: name.to_owned(),
        login,
        pid,
        may_refuse: false,
    }
}

/// A pgbouncer over the same database; killed when dropped.
struct Bouncer {
    port: u16,
    folder: PathBuf,
    process: Child,
}

impl Bouncer {
    fn start(direct: &Login, verifier: &str, mode: &str) -> Self {
        let port = free_port();
        let folder = std::env::temp_dir().join(format!("pgdraft-bouncer-{port}"));
        std::fs::create_dir_all(&folder).unwrap();
        let users = folder.join("users");
        std::fs::write(&users, format!("\"{ROLE}\" \"{verifier}\"\n")).unwrap();
        let pool = if mode == "session" { 40 } else { POOL };
        let config = folder.join("pgbouncer.ini");
        std::fs::write(
            &config,
            format!(
                "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
                 listen_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\n\
                 auth_file = {}\npool_mode = {mode}\ndefault_pool_size = {pool}\nmax_client_conn = 200\n\
                 log_connections = 0\nlog_disconnections = 0\n",
                direct.port,
                users.display()
            ),
        )
        .unwrap();
        let mut command = Command::new(PGBOUNCER);
        // It refuses to stay root.
        if std::fs::metadata(&folder).is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0) {
            command.args(["-u", "postgres"]);
        }
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let process = command
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let bouncer = Self {
            port,
            folder,
            process,
        };
        let mut login = direct.clone();
        login.port = port;
        let begun = Instant::now();
        while let Err(error) = Connection::open(&login) {
            assert!(
                begun.elapsed() < Duration::from_secs(10),
                "pgbouncer takes no connections: {error}\n{}",
                std::fs::read_to_string(bouncer.folder.join("log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        bouncer
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
