//! A throwaway PostgreSQL, shared by the tests that run at the same time.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, Weak};

static RUNNING: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());

/// Stopped and removed when dropped.
pub(crate) struct Cluster {
    folder: PathBuf,
    pub(crate) port: u16,
}

/// PostgreSQL refuses to run as root, so everything is done as the user of its package then.
fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let uid = Command::new("id").arg("-u").output().unwrap().stdout;
    let mut command = Command::new("runuser");
    if uid == b"0\n" {
        command.args(["-u", "postgres", "--"]).arg(program);
    } else {
        command = Command::new(program);
    }
    command.stdin(Stdio::null()).current_dir("/");
    command
}

fn run(command: &mut Command) -> String {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{command:?}: {done:?}");
    String::from_utf8(done.stdout).unwrap()
}

fn binary(name: &str) -> PathBuf {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .filter(|(_, path)| path.join("bin/initdb").exists())
        .collect();
    versions.sort();
    versions.pop().map_or_else(
        || PathBuf::from(name),
        |(_, path)| path.join("bin").join(name),
    )
}

/// Runs SQL as superuser; unaligned rows.
pub(crate) fn psql(port: u16, database: &str, sql: &str) -> String {
    let port = port.to_string();
    run(command(binary("psql"))
        .args(["-X", "-qAt", "-v", "ON_ERROR_STOP=1", "-U", "postgres"])
        .args(["-h", "127.0.0.1", "-p", &port, "-d", database, "-c", sql]))
}

impl Cluster {
    /// The one that runs, or a new one.
    pub(crate) fn get() -> Arc<Self> {
        let mut running = RUNNING.lock().unwrap_or_else(|error| error.into_inner());
        if let Some(cluster) = running.upgrade() {
            return cluster;
        }
        let cluster = Arc::new(Self::start());
        cluster.psql("postgres", "CREATE ROLE agent LOGIN");
        *running = Arc::downgrade(&cluster);
        cluster
    }

    fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let name = format!("pgdraft-session-{}-{port}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        run(command("mkdir").arg(&folder));
        let data = folder.join("data");
        let init = ["-A", "trust", "-U", "postgres", "-E", "UTF8", "-D"];
        run(command(binary("initdb")).args(init).arg(&data));
        let options = format!(
            "-c fsync=off -c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={}",
            folder.display()
        );
        // without pipes: the server would keep them open
        let started = command(binary("pg_ctl"))
            .args(["start", "-w", "-D"])
            .arg(&data)
            .args(["-o", &options, "-l"])
            .arg(folder.join("log"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(started.success());
        Self { folder, port }
    }

    /// Runs SQL as superuser; unaligned rows.
    pub(crate) fn psql(&self, database: &str, sql: &str) -> String {
        psql(self.port, database, sql)
    }

    /// A new database with these contents.
    pub(crate) fn database(&self, name: &str, sql: &str) {
        // the template may be copied once at a time
        static COPYING: Mutex<()> = Mutex::new(());
        let copying = COPYING.lock();
        self.psql("postgres", &format!("CREATE DATABASE {name}"));
        drop(copying);
        self.psql(name, sql);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let mut stop = command(binary("pg_ctl"));
        stop.args(["stop", "-m", "immediate", "-D"]);
        drop(stop.arg(self.folder.join("data")).output());
        drop(std::fs::remove_dir_all(&self.folder));
    }
}
