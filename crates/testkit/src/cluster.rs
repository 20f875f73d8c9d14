//! A throwaway PostgreSQL cluster, and a database for each test in it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::environment;
use crate::ports::free_port;
use crate::wire::{Connection, Login};

/// Name of the superuser; it logs in over TCP without a password, all others need SCRAM.
pub const SUPERUSER: &str = "postgres";

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A PostgreSQL server of our own; dropping it stops the server and removes its folder.
///
/// A watchdog process does the stopping when its standard input closes, so that nothing stays
/// behind when a test panics or is killed.
#[derive(Debug)]
pub struct Cluster {
    port: u16,
    folder: PathBuf,
    bin: PathBuf,
    watchdog: Child,
}

impl Cluster {
    /// The cluster shared by all tests of this process; started on first use.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Starts a cluster on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// Where PostgreSQL is not installed or does not start; the message holds its log.
    pub fn start() -> Self {
        let bin = binaries();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("pgdraft-test-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        if is_root() {
            run(Command::new("chown").arg(SUPERUSER).arg(&folder));
        }
        let data = folder.join("data");
        run(as_postgres(&bin.join("initdb"))
            .args(["-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--no-sync"])
            .args(["--locale", "C.UTF-8", "-D"])
            .arg(&data));
        std::fs::write(
            data.join("pg_hba.conf"),
            format!(
                "local all all trust\nhost all {SUPERUSER} 127.0.0.1/32 trust\n\
                 host all all 127.0.0.1/32 scram-sha-256\n"
            ),
        )
        .unwrap();
        let port = free_port();
        let mut config = std::fs::OpenOptions::new()
            .append(true)
            .open(data.join("postgresql.conf"))
            .unwrap();
        write!(
            config,
            "\nport = {port}\nlisten_addresses = '127.0.0.1'\n\
             unix_socket_directories = '{}'\nfsync = off\n\
             full_page_writes = off\nmax_connections = 200\nshared_buffers = '128MB'\n\
             timezone = 'UTC'\nlog_statement = 'none'\nmax_prepared_transactions = 4\n",
            folder.display()
        )
        .unwrap();
        let watchdog = watchdog(&bin, &folder);
        let cluster = Self {
            port,
            folder,
            bin,
            watchdog,
        };
        cluster.launch();
        cluster
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its folder, which is removed with it.
    pub fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    /// The superuser's URL of a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{SUPERUSER}@127.0.0.1:{}/{database}", self.port)
    }

    /// The superuser's login for a database.
    pub fn login(&self, database: &str) -> Login {
        Login::new(self.port, SUPERUSER, database)
    }

    /// Connects as the superuser.
    pub fn connect(&self, database: &str) -> Connection {
        Connection::open(&self.login(database)).expect("the superuser can connect")
    }

    /// An empty database of a unique name that begins with `prefix`.
    pub fn create_database(&'static self, prefix: &str) -> Database {
        self.copy_database("template0", prefix)
    }

    /// A copy of a database; nobody may be connected to the template.
    pub fn copy_database(&'static self, template: &str, prefix: &str) -> Database {
        let name = format!(
            "{prefix}_{}_{}",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        );
        self.connect("postgres")
            .run(&format!("CREATE DATABASE {name} TEMPLATE {template}"));
        Database {
            cluster: self,
            name,
        }
    }

    /// Stops the server as a crash would, and starts it again.
    pub fn crash_and_restart(&self) {
        self.crash();
        self.launch();
    }

    /// Stops the server as a crash would.
    pub fn crash(&self) {
        run(as_postgres(&self.bin.join("pg_ctl"))
            .args(["stop", "-w", "-m", "immediate", "-D"])
            .arg(self.folder.join("data")));
    }

    /// Starts the server and waits until it takes connections.
    ///
    /// # Panics
    /// Where it does not start; the message holds its log.
    pub fn launch(&self) {
        let log = self.folder.join("log");
        let done = as_postgres(&self.bin.join("pg_ctl"))
            .args(["start", "-w", "-t", "120", "-s", "-D"])
            .arg(self.folder.join("data"))
            .arg("-l")
            .arg(&log)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(
            done.success(),
            "PostgreSQL did not start:\n{}",
            std::fs::read_to_string(&log).unwrap_or_default()
        );
    }

    /// `pg_dump` of all schemas but pgdraft's, without the lines that only say how far sequences
    /// have moved: a draft takes its ids from the base's sequences, as a rolled back transaction
    /// does in PostgreSQL. Where the server came without `pg_dump`, the same by SQL.
    pub fn dump(&self, database: &str) -> String {
        if !self.bin.join("pg_dump").exists() {
            return crate::dump::by_sql(&mut self.connect(database));
        }
        let output = Command::new(self.bin.join("pg_dump"))
            .args(["-h", "127.0.0.1", "-U", SUPERUSER, "-N", "pgdraft", "-p"])
            .arg(self.port.to_string())
            .arg(database)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "pg_dump failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter(|l| {
                !l.starts_with("SELECT pg_catalog.setval(")
                    && !l.starts_with("\\restrict")
                    && !l.starts_with("\\unrestrict")
            })
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Its major version.
    pub fn version(&self) -> u32 {
        static VERSION: OnceLock<u32> = OnceLock::new();
        *VERSION.get_or_init(|| {
            let number = self.connect("postgres").value("SHOW server_version_num");
            number.parse::<u32>().expect("a number") / 10_000
        })
    }

    /// Path of a program of this PostgreSQL, for example `psql`.
    pub fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}

/// One database of a cluster; dropped with its connections when it goes out of scope.
#[derive(Debug)]
pub struct Database {
    cluster: &'static Cluster,
    name: String,
}

impl Database {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The cluster it is in.
    pub fn cluster(&self) -> &'static Cluster {
        self.cluster
    }

    /// Connects as the superuser.
    pub fn connect(&self) -> Connection {
        self.cluster.connect(&self.name)
    }

    /// Runs a script as the superuser.
    ///
    /// # Panics
    /// Where a statement fails.
    pub fn run(&self, script: &str) {
        self.connect().run(script);
    }

    /// The dump that must not change; see [`Cluster::dump`].
    pub fn dump(&self) -> String {
        self.cluster.dump(&self.name)
    }

    /// The superuser's URL.
    pub fn url(&self) -> String {
        self.cluster.url(&self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if std::thread::panicking() && environment("KEEP").is_some() {
            return;
        }
        if let Ok(mut connection) = Connection::open(&self.cluster.login("postgres")) {
            let name = &self.name;
            let _ = connection.simple(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
            // Roles are of the whole cluster: those that `pgdraft init` made go with the database.
            for role in [
                format!("pgdraft_agent_{name}"),
                format!("pgdraft_control_{name}"),
                format!("pgdraft_keeper_{name}"),
            ] {
                let _ = connection.simple(&format!("DROP ROLE IF EXISTS {role}"));
            }
        }
    }
}

/// Folder of the newest PostgreSQL found, or of `PGDRAFT_TEST_PG_BIN`.
fn binaries() -> PathBuf {
    if let Some(folder) = environment("PGDRAFT_TEST_PG_BIN") {
        return PathBuf::from(folder);
    }
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|e| {
            let version = e.file_name().to_string_lossy().parse().ok()?;
            let bin = e.path().join("bin");
            bin.join("initdb").exists().then_some((version, bin))
        })
        .collect();
    found.sort();
    found
        .pop()
        .expect("PostgreSQL is installed (tests/setup.sh does it) or PGDRAFT_TEST_PG_BIN is set")
        .1
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout.trim_ascii() == b"0"
}

/// PostgreSQL refuses to run as root, so root runs it as user postgres.
fn as_postgres(program: &Path) -> Command {
    let mut command = if is_root() {
        let mut c = Command::new("runuser");
        c.args(["-u", SUPERUSER, "--"]).arg(program);
        c
    } else {
        Command::new(program)
    };
    command.current_dir("/").env("LC_ALL", "C.UTF-8");
    command
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn watchdog(bin: &Path, folder: &Path) -> Child {
    let prefix = if is_root() {
        "runuser -u postgres -- "
    } else {
        ""
    };
    let script = format!(
        "cat >/dev/null; {prefix}{}/pg_ctl stop -m immediate -D {}/data; rm -rf {}",
        bin.display(),
        folder.display(),
        folder.display()
    );
    Command::new("setsid")
        .args(["sh", "-c", &script])
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}
