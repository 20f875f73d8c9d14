//! TLS towards clients as libpq sees it: channel binding and client certificates.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::cluster::Database;
use testkit::proxy::{PASSWORD, Proxy, Settings, over_with};

/// Keys and certificates in a folder that is removed when dropped.
struct Files(PathBuf);

impl Files {
    fn make(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("pgdraft-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let files = Self(folder);
        files.run(
            &[
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            ],
            "ca",
            "/CN=authority",
        );
        files.run(
            &[
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-sha384",
            ],
            "server",
            "/CN=localhost",
        );
        files
    }

    fn run(&self, begin: &[&str], name: &str, subject: &str) {
        let made = Command::new("openssl")
            .args(begin)
            .args(["-subj", subject, "-keyout"])
            .arg(self.key(name))
            .arg("-out")
            .arg(self.certificate(name))
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
    }

    /// A client's certificate of our authority.
    fn client(&self, name: &str, subject: &str, alternative: &str) {
        let extension = format!("subjectAltName={alternative}");
        let request = [
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ];
        let mut begin = request.to_vec();
        let (authority, key) = (self.certificate("ca"), self.key("ca"));
        begin.extend([
            "-CA",
            authority.to_str().unwrap(),
            "-CAkey",
            key.to_str().unwrap(),
        ]);
        begin.extend([
            "-addext",
            &extension,
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ]);
        self.run(&begin, name, subject);
    }

    fn certificate(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.crt"))
    }

    fn key(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.key"))
    }

    fn over(&self, more: &str) -> (Database, Proxy) {
        let (certificate, key) = (self.certificate("server"), self.key("server"));
        let settings = Settings {
            config: format!(
                "tls = \"require\"\ntls_cert = {certificate:?}\ntls_key = {key:?}\n{more}"
            ),
            arguments: Vec::new(),
        };
        over_with("CREATE TABLE t (id int PRIMARY KEY)", &settings)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What psql prints, or the error it was told.
fn psql(proxy: &Proxy, database: &Database, more: &str, password: &str) -> Result<String, String> {
    let target = format!(
        "host=127.0.0.1 port={} user=agent dbname={} sslmode=require {more}",
        proxy.port(),
        database.name()
    );
    let output = Command::new("psql")
        .args(["-XAtd", &target, "-c", "SELECT count(*) FROM t"])
        .env("PGPASSWORD", password)
        .env("PGCONNECT_TIMEOUT", "20")
        .output()
        .unwrap();
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

fn named(files: &Files, name: &str) -> String {
    let readable = |path: &Path| path.to_str().unwrap().to_owned();
    let (certificate, key) = (files.certificate(name), files.key(name));
    format!(
        "sslcert={} sslkey={}",
        readable(&certificate),
        readable(&key)
    )
}

#[test]
fn passwords_are_bound_to_the_connection() {
    let files = Files::make("binding");
    let (database, mut proxy) = files.over("");
    for binding in ["disable", "prefer", "require"] {
        let more = format!("channel_binding={binding}");
        assert_eq!(
            psql(&proxy, &database, &more, PASSWORD).unwrap(),
            "0",
            "{binding}"
        );
        let error = psql(&proxy, &database, &more, "wrong").unwrap_err();
        assert!(error.contains("password authentication failed"), "{error}");
    }
    proxy.assert_sound();
}

#[test]
fn certificates_of_clients() {
    let files = Files::make("clients");
    files.client("agent", "/CN=agent", "DNS:elsewhere");
    files.client("named", "/CN=somebody", "email:agent@example.org,DNS:agent");
    files.client("other", "/CN=other", "DNS:elsewhere");
    files.run(
        &[
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ],
        "foreign",
        "/CN=agent",
    );
    let authorities = files.certificate("ca");
    for (mode, other, without_password) in [
        ("verify-ca", true, false),
        ("verify-full", false, false),
        ("cert", false, true),
    ] {
        let config = format!("tls_client_ca = {authorities:?}\ntls_client_auth = \"{mode}\"\n");
        let (database, mut proxy) = files.over(&config);
        let run = |more: &str, password: &str| psql(&proxy, &database, more, password);
        let error = run("sslcert=/none sslkey=/none", PASSWORD).unwrap_err();
        assert!(
            error.contains("connection requires a valid client certificate"),
            "{error}"
        );
        for name in ["agent", "named"] {
            assert_eq!(
                run(&named(&files, name), PASSWORD).unwrap(),
                "0",
                "{mode} {name}"
            );
        }
        let outcome = run(&named(&files, "other"), PASSWORD);
        assert_eq!(outcome.is_ok(), other, "{mode}: {outcome:?}");
        if let Err(error) = outcome {
            assert!(
                error.contains("certificate authentication failed for user \"agent\""),
                "{error}"
            );
        }
        let outcome = run(&named(&files, "agent"), "wrong");
        assert_eq!(outcome.is_ok(), without_password, "{mode}: {outcome:?}");
        // of no authority of ours: the handshake fails
        assert!(run(&named(&files, "foreign"), PASSWORD).is_err());
        proxy.assert_sound();
    }
}
