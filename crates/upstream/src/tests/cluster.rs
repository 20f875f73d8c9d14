//! A throwaway PostgreSQL with TLS and a user for each way to log in.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Target;

const ROLES: &str = "
    SET password_encryption = 'scram-sha-256';
    CREATE ROLE scram LOGIN PASSWORD 'right';
    CREATE ROLE clear LOGIN PASSWORD 'right';
    CREATE ROLE tls_only LOGIN PASSWORD 'right';
    CREATE ROLE plain_only LOGIN PASSWORD 'right';
    CREATE ROLE trusted LOGIN;
    SET password_encryption = 'md5';
    CREATE ROLE hashed LOGIN PASSWORD 'right';
";

const HBA: &str = "
    local     all all               trust
    hostssl   all tls_only all      scram-sha-256
    hostnossl all tls_only all      reject
    hostssl   all plain_only all    reject
    hostnossl all plain_only all    scram-sha-256
    host      all hashed all        md5
    host      all clear all         password
    host      all trusted all       trust
    host      all all all           scram-sha-256
";

/// Stopped and removed when dropped.
pub(super) struct Cluster {
    folder: PathBuf,
    port: u16,
}

/// PostgreSQL refuses to run as root, so everything is done as the user of its package then.
fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let uid = Command::new("id").arg("-u").output().unwrap().stdout;
    if uid == b"0\n" {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

fn run(command: &mut Command) {
    let done = command.stdin(Stdio::null()).output().unwrap();
    assert!(done.status.success(), "{command:?}: {done:?}");
}

/// The newest installed server.
fn binary(name: &str) -> PathBuf {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .filter(|(_, path)| path.join("bin/initdb").exists())
        .collect();
    versions.sort();
    match versions.pop() {
        Some((_, path)) => path.join("bin").join(name),
        None => PathBuf::from(name),
    }
}

impl Cluster {
    pub(super) fn start() -> Self {
        let port = testkit::ports::free_port();
        let name = format!("pgdraft-upstream-{}-{port}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        run(command("mkdir").arg(&folder));
        let cluster = Self { folder, port };
        let data = cluster.data();
        run(command(binary("initdb"))
            .args(["-A", "trust", "-U", "postgres", "-D"])
            .arg(&data));
        cluster.certificates();
        cluster.serve();
        cluster.psql(ROLES);
        cluster.write("data/pg_hba.conf", HBA);
        cluster.psql("SELECT pg_reload_conf()");
        cluster
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// A file of the cluster, owned by its user.
    fn write(&self, name: &str, text: &str) {
        let script = "printf %s \"$2\" > \"$1\"";
        run(command("sh")
            .args(["-c", script, "sh"])
            .arg(self.folder.join(name))
            .arg(text));
    }

    /// `root.crt`, which signed the server's certificate for `localhost`, and `other.crt`.
    fn certificates(&self) {
        self.write("server.ext", "subjectAltName=DNS:localhost");
        let script = "set -e; cd \"$1\"
            ec='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
            openssl req -x509 $ec -days 2 -subj /CN=root -keyout root.key -out root.crt
            openssl req -x509 $ec -days 2 -subj /CN=other -keyout other.key -out other.crt
            openssl req $ec -subj /CN=localhost -keyout data/server.key -out server.csr
            openssl x509 -req -days 2 -in server.csr -CA root.crt -CAkey root.key \
                -CAcreateserial -extfile server.ext -out data/server.crt
            chmod 600 data/server.key; chmod 644 root.crt other.crt; chmod 755 .";
        run(command("sh").args(["-c", script, "sh"]).arg(&self.folder));
    }

    fn serve(&self) {
        let options = format!(
            "-c fsync=off -c ssl=on -c port={} -c listen_addresses=localhost \
             -c unix_socket_directories={}",
            self.port,
            self.folder.display()
        );
        // Without pipes: the server would keep them open.
        let started = command(binary("pg_ctl"))
            .args(["start", "-w", "-D"])
            .arg(self.data())
            .args(["-o", &options, "-l"])
            .arg(self.folder.join("log"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(started.success());
    }

    pub(super) fn psql(&self, sql: &str) {
        let port = self.port.to_string();
        run(command(binary("psql"))
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres"])
            .args(["-p", &port, "-c", sql, "-h"])
            .arg(&self.folder));
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// `user`, whose password is `right`, over TCP with more parameters.
    pub(super) fn target(&self, user: &str, host: &str, parameters: &str) -> Target {
        let port = self.port;
        let url = format!("postgres://{user}:right@{host}:{port}/postgres?{parameters}");
        Target::parse(&url).unwrap()
    }

    /// `sslrootcert=` this file of the cluster.
    pub(super) fn root(&self, name: &str) -> String {
        format!("sslrootcert={}", self.folder.join(name).display())
    }

    /// Over the Unix socket.
    pub(super) fn local(&self) -> Target {
        let url = format!(
            "postgresql:///postgres?user=trusted&host={}&port={}",
            self.folder.display(),
            self.port
        );
        Target::parse(&url).unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = command(binary("pg_ctl"))
            .args(["stop", "-m", "immediate", "-D"])
            .arg(self.data())
            .output();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
