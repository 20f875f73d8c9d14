//! One throwaway PostgreSQL for all tests of this crate, one database a test.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use tokio_postgres::{Client, Config, NoTls};

/// A running server. A shell holds it: when this process ends, however it ends, the shell reads
/// the end of its input, stops the server and removes the folder.
struct Cluster {
    port: u16,
    folder: PathBuf,
    _keeper: Mutex<Child>,
}

static CLUSTER: OnceLock<Cluster> = OnceLock::new();
static NUMBER: AtomicU32 = AtomicU32::new(0);

fn bin() -> PathBuf {
    std::env::var_os("PGDRAFT_TEST_PG_BIN").map_or_else(
        || PathBuf::from("/usr/lib/postgresql/15/bin"),
        PathBuf::from,
    )
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.starts_with(b"0\n")
}

/// A command that runs as the user who may own a server.
fn command(root: bool, program: &str) -> Command {
    let path = bin().join(program);
    if root {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(path);
        command
    } else {
        Command::new(path)
    }
}

fn start() -> Cluster {
    let root = is_root();
    let port = testkit::ports::free_port();
    let folder = std::env::temp_dir().join(format!("pgdraft-control-{port}"));
    fs::create_dir_all(&folder).unwrap();
    if root {
        let status = Command::new("chown").arg("postgres").arg(&folder).status();
        assert!(status.unwrap().success());
    }
    let data = folder.join("data");
    let made = command(root, "initdb")
        .args([
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-locale",
            "--no-sync",
            "-D",
        ])
        .arg(&data)
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    // Everybody but the two users of the tests proves a password, so the agent role's is tried too.
    fs::write(
        data.join("pg_hba.conf"),
        "host all postgres,owner 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n",
    )
    .unwrap();
    let mut server = command(root, "postgres");
    server
        .arg("-D")
        .arg(&data)
        .args([
            "-p",
            &port.to_string(),
            "-h",
            "127.0.0.1",
            "-c",
            "fsync=off",
        ])
        .args([
            "-c",
            "max_connections=200",
            "-c",
            "deadlock_timeout=200ms",
            "-k",
        ])
        .arg(&folder);
    let words: Vec<String> = std::iter::once(server.get_program())
        .chain(server.get_args())
        .map(|w| format!("'{}'", w.to_string_lossy()))
        .collect();
    let log = folder.join("log");
    let script = format!(
        "cd '{}'; exec 2>'{}'; {} </dev/null >&2 & pid=$!; read -r _; kill -INT $(head -n 1 data/postmaster.pid); wait $pid; cd /; rm -rf '{}'",
        folder.display(),
        log.display(),
        words.join(" "),
        folder.display()
    );
    let keeper = Command::new("sh")
        .arg("-c")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until_up(port, &log);
    Cluster {
        port,
        folder,
        _keeper: Mutex::new(keeper),
    }
}

fn wait_until_up(port: u16, log: &std::path::Path) {
    let begun = Instant::now();
    loop {
        let ready = Command::new(bin().join("pg_isready"))
            .args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()])
            .status()
            .unwrap();
        if ready.success() {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "no server: {}",
            fs::read_to_string(log).unwrap_or_default()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn cluster() -> &'static Cluster {
    CLUSTER.get_or_init(start)
}

/// One database of the cluster.
pub(crate) struct Database {
    /// Its name.
    pub(crate) name: String,
}

impl Database {
    /// A new, empty database, owned by the superuser.
    pub(crate) async fn new(label: &str) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let database = Self {
            name: format!("{label}_{number}"),
        };
        let admin = Self {
            name: "postgres".into(),
        };
        let admin = admin.superuser().await;
        let quoted = catalog::quote_identifier(&database.name);
        admin
            .batch_execute(&format!("CREATE DATABASE {quoted} TEMPLATE template0"))
            .await
            .unwrap();
        database
    }

    /// How to reach it as that user.
    pub(crate) fn config(&self, user: &str) -> Config {
        let mut config = Config::new();
        config
            .host("127.0.0.1")
            .port(cluster().port)
            .dbname(&self.name)
            .user(user);
        config
    }

    /// A superuser's connection.
    pub(crate) async fn superuser(&self) -> Client {
        connect(&self.config("postgres")).await.unwrap()
    }

    /// What `pg_dump` says, without the lines that differ between two runs.
    pub(crate) fn dump(&self, arguments: &[&str]) -> String {
        let out = Command::new(bin().join("pg_dump"))
            .args(["-h", "127.0.0.1", "-U", "postgres", "-p"])
            .arg(cluster().port.to_string())
            .args(arguments)
            .arg(&self.name)
            .output()
            .unwrap();
        assert!(
            out.status.success(),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
        let text = String::from_utf8(out.stdout).unwrap();
        text.lines()
            .filter(|l| !l.starts_with("\\restrict") && !l.starts_with("\\unrestrict"))
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Runs a script with psql; returns its output.
    pub(crate) fn psql(&self, script: &str) -> String {
        let file = cluster()
            .folder
            .join(format!("script-{}", NUMBER.fetch_add(1, Ordering::Relaxed)));
        let mut out = fs::File::create(&file).unwrap();
        out.write_all(script.as_bytes()).unwrap();
        let out = Command::new(bin().join("psql"))
            .args([
                "-X",
                "-v",
                "ON_ERROR_STOP=1",
                "-h",
                "127.0.0.1",
                "-U",
                "postgres",
                "-p",
            ])
            .arg(cluster().port.to_string())
            .args(["-d", &self.name, "-f"])
            .arg(&file)
            .output()
            .unwrap();
        assert!(
            out.status.success(),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
        String::from_utf8(out.stdout).unwrap()
    }
}

/// Connects; the connection's task ends with the client.
pub(crate) async fn connect(config: &Config) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
