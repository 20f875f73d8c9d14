//! Against our own listener: both sides of the handshake in one process.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use wire::encode;
use wire::startup::{Acceptor, Arrival, Client, TIMEOUT_DEFAULT, Verifier, Verifiers};
use wire::startup::{accept, refuse, welcome};

use crate::{Target, UpstreamError, cancel, connect};

struct Known;

impl Verifiers for Known {
    fn verifier(&self, user: &str) -> Option<Verifier> {
        (user == "agent").then(|| Verifier::from_password("right", 4096).unwrap())
    }
}

/// A self-signed certificate as `openssl req -x509` makes it: an authority's, for a server.
struct SelfSigned(PathBuf);

impl SelfSigned {
    fn make() -> Self {
        let name = format!("pgdraft-ours-{}", std::process::id());
        let files = Self(std::env::temp_dir().join(name));
        std::fs::create_dir_all(&files.0).unwrap();
        let made = Command::new("openssl")
            .args([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            ])
            .args([
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=DNS:localhost",
            ])
            .arg("-keyout")
            .arg(files.0.join("key.pem"))
            .arg("-out")
            .arg(files.0.join("cert.pem"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        files
    }
}

impl Drop for SelfSigned {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Takes in one connection; gives where, and what arrived.
async fn serve(acceptor: Acceptor) -> (u16, JoinHandle<Option<Arrival>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut arrival = accept(socket, &acceptor).await.ok().flatten();
        if let Some(Arrival::Client(client)) = &mut arrival {
            greet(client).await;
        }
        arrival
    });
    (port, server)
}

async fn greet(client: &mut Client) {
    if client.user_session.is_some() {
        let down = report::Report::error("08001", "down")
            .detail("D.")
            .hint("H.");
        return refuse(client, &down).await;
    }
    let mut greeting = Vec::new();
    encode::parameter_status(&mut greeting, "a", "b");
    encode::backend_key(&mut greeting, 7, &[1, 2, 3, 4]);
    encode::ready(&mut greeting, b'I');
    welcome(client, &greeting).await.unwrap();
}

fn plain() -> Acceptor {
    Acceptor {
        tls: None,
        tls_required: false,
        verifiers: Arc::new(Known),
        timeout: TIMEOUT_DEFAULT,
    }
}

fn target(user: &str, password: &str, port: u16, parameters: &str) -> Target {
    let url = format!("postgres://{user}:{password}@localhost:{port}/shop?{parameters}");
    Target::parse(&url).unwrap()
}

#[tokio::test]
async fn we_come_in_at_our_own_door() {
    let (port, server) = serve(plain()).await;
    let connection = connect(&target("agent", "right", port, ""), &[])
        .await
        .unwrap();
    assert_eq!(connection.parameters, [("a".to_owned(), "b".to_owned())]);
    assert_eq!((connection.pid, connection.key), (7, vec![1, 2, 3, 4]));
    let Some(Arrival::Client(client)) = server.await.unwrap() else {
        panic!("no client");
    };
    assert_eq!(
        client.parameters,
        [("database".to_owned(), "shop".to_owned())]
    );

    let (port, server) = serve(plain()).await;
    let target = target("agent", "", port, "");
    let arrives = async {
        let arrival = server.await.unwrap();
        assert!(matches!(arrival, Some(Arrival::Cancel { pid: 9, key, .. }) if key == [5; 32]));
    };
    // it waits for the end of its connection
    let (sent, ()) = tokio::join!(cancel(&target, 9, &[5; 32]), arrives);
    sent.unwrap();
}

#[tokio::test]
async fn we_are_refused_as_anyone() {
    for (user, password, code) in [
        ("agent", "wrong", "28P01"),
        ("nobody", "right", "28P01"),
        ("agent%2Bs", "right", "08001"),
    ] {
        let (port, _server) = serve(plain()).await;
        let error = connect(&target(user, password, port, "sslmode=disable"), &[])
            .await
            .unwrap_err();
        let report = error.report();
        assert_eq!(report.code, code);
        assert_eq!(report.severity, report::Severity::Fatal);
    }
}

#[tokio::test]
async fn a_self_signed_certificate_is_its_own_root() {
    let files = SelfSigned::make();
    let (cert, key) = (files.0.join("cert.pem"), files.0.join("key.pem"));
    let tls = Some(wire::tls::server_config(&cert, &key, None).unwrap());
    let root = format!("sslrootcert={}", cert.display());
    for (mode, host, good) in [
        ("verify-full", "localhost", true),
        ("verify-ca", "127.0.0.1", true),
        ("verify-full", "127.0.0.1", false),
    ] {
        let (port, _server) = serve(Acceptor {
            tls: tls.clone(),
            tls_required: true,
            ..plain()
        })
        .await;
        let parameters = format!("sslmode={mode}&{root}&host={host}");
        match connect(&target("agent", "right", port, &parameters), &[]).await {
            Ok(_) => assert!(good, "{mode} {host}"),
            Err(error @ UpstreamError::Tls { .. }) => assert!(!good, "{mode} {host}: {error}"),
            Err(other) => panic!("{other}"),
        }
    }
}
