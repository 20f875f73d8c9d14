//! Against servers that are none, that lie, or that say nothing.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::{Target, UpstreamError, cancel, connect, control};

/// A server that answers each packet with the next of these, then closes.
async fn server(answers: Vec<Vec<u8>>, parameters: &str) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            for answer in &answers {
                take(&mut socket).await;
                let _ = socket.write_all(answer).await;
            }
        }
    });
    let url = format!("postgres://u:secret@127.0.0.1:{port}/d?{parameters}");
    Target::parse(&url).unwrap()
}

async fn take(socket: &mut TcpStream) {
    let mut packet = vec![0; 4096];
    let _ = socket.read(&mut packet).await;
}

/// How [`connect`] ends where the server answers the startup packet, and what follows, so.
async fn outcome(answers: Vec<Vec<u8>>) -> UpstreamError {
    let target = server(answers, "sslmode=disable").await;
    let error = connect(&target, &[]).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret"));
    assert!(error.report().hint.is_some());
    error
}

fn authentication(kind: i32, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    wire::encode::authentication(&mut out, kind, data);
    out
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let target = Target::parse(&format!("postgres://u@127.0.0.1:{port}/d")).unwrap();
    for error in [
        connect(&target, &[]).await.unwrap_err(),
        cancel(&target, 1, &[0; 4]).await.unwrap_err(),
        control(&target).await.map(|_| ()).unwrap_err(),
    ] {
        assert!(
            matches!(error, UpstreamError::Unreachable { .. }),
            "{error}"
        );
        let report = error.report();
        assert_eq!(report.code, "08001");
        assert!(report.hint.unwrap().contains(&format!("127.0.0.1:{port}")));
    }
    let target = Target::parse("postgres://u@/d?host=/nowhere").unwrap();
    let error = connect(&target, &[]).await.unwrap_err();
    assert!(error.report().message.contains("/nowhere/.s.PGSQL.5432"));
    // A label longer than DNS has: no name service is asked for it.
    let target = Target::parse(&format!("postgres://u@{}.invalid/d", "x".repeat(64))).unwrap();
    let error = connect(&target, &[]).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Unresolved { .. }), "{error}");
}

#[tokio::test]
async fn nobody_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let target = Target::parse(&format!("postgres://u@127.0.0.1:{port}/d"))
        .unwrap()
        .with_timeout(Duration::from_millis(50));
    for error in [
        connect(&target, &[]).await.unwrap_err(),
        cancel(&target, 1, &[0; 4]).await.unwrap_err(),
        control(&target).await.map(|_| ()).unwrap_err(),
    ] {
        assert!(matches!(error, UpstreamError::Timeout { .. }), "{error}");
        assert_eq!(error.report().code, "08001");
    }
}

#[tokio::test]
async fn tls_is_not_there() {
    for mode in ["require", "verify-full"] {
        let target = server(vec![b"N".to_vec()], &format!("sslmode={mode}")).await;
        for error in [
            connect(&target, &[]).await.unwrap_err(),
            control(&target).await.map(|_| ()).unwrap_err(),
        ] {
            assert!(matches!(error, UpstreamError::NoTls { .. }), "{error}");
            assert!(error.to_string().contains(mode));
        }
    }
}

#[tokio::test]
async fn plaintext_behind_the_answer_is_not_taken_for_tls() {
    let mut answer = b"S".to_vec();
    answer.extend_from_slice(&authentication(0, &[]));
    answer.extend_from_slice(b"Z\0\0\0\x05I");
    let target = server(vec![answer], "sslmode=require").await;
    let error = connect(&target, &[]).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Tls { .. }), "{error}");
}

#[tokio::test]
async fn what_is_no_postgresql() {
    let error = outcome(vec![]).await;
    assert!(matches!(error, UpstreamError::Lost { .. }), "{error}");
    let error = outcome(vec![b"Z\0\0\0\x03".to_vec()]).await;
    assert!(matches!(error, UpstreamError::Malformed(_)), "{error}");
    let error = outcome(vec![b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()]).await;
    assert!(matches!(error, UpstreamError::Malformed(_)), "{error}");
    let error = outcome(vec![b"D\0\0\0\x06\0\0".to_vec()]).await;
    assert!(matches!(error, UpstreamError::Unexpected(b'D')), "{error}");
    let error = outcome(vec![b"K\0\0\0\x08\0\0\0\0".to_vec()]).await;
    assert!(matches!(error, UpstreamError::Malformed(_)), "{error}");
    let target = server(vec![b"HTTP/1.1".to_vec()], "").await;
    let error = connect(&target, &[]).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Unexpected(b'H')), "{error}");
}

#[tokio::test]
async fn passwords_are_not_given_to_liars() {
    let offer = || authentication(10, b"SCRAM-SHA-256\0\0");
    let cases = [
        // Skips its proof.
        vec![offer(), authentication(0, &[])],
        vec![offer(), authentication(11, b"r=notours,s=AAAA,i=4096")],
        vec![offer(), authentication(11, b"\xff")],
        vec![offer(), authentication(12, b"v=AAAA")],
        vec![authentication(11, b"r=x,s=AAAA,i=1")],
    ];
    for answers in cases {
        let error = outcome(answers).await;
        assert!(matches!(error, UpstreamError::Scram(_)), "{error}");
    }
    for (answer, method) in [
        (
            authentication(10, b"SCRAM-SHA-256-PLUS\0OAUTHBEARER\0\0"),
            "SASL",
        ),
        (authentication(7, &[]), "GSSAPI"),
        (authentication(99, &[]), "number 99"),
    ] {
        let error = outcome(vec![answer]).await;
        assert!(matches!(error, UpstreamError::Method(_)), "{error}");
        assert!(error.to_string().contains(method), "{error}");
    }
    let error = outcome(vec![authentication(5, b"abc")]).await;
    assert!(matches!(error, UpstreamError::Malformed(_)), "{error}");
    let error = outcome(vec![b"R\0\0\0\x04".to_vec()]).await;
    assert!(matches!(error, UpstreamError::Malformed(_)), "{error}");
}

#[tokio::test]
async fn notices_and_bytes_read_ahead_are_kept() {
    let mut answer = b"N\0\0\0\x09Mhi\0\0".to_vec();
    let notice = answer.clone();
    answer.extend_from_slice(&authentication(0, &[]));
    answer.extend_from_slice(b"K\0\0\0\x0c\0\0\0\x07\x01\x02\x03\x04Z\0\0\0\x05I");
    answer.extend_from_slice(b"A\0");
    let target = server(vec![answer], "sslmode=disable").await;
    let connection = connect(&target, &[]).await.unwrap();
    assert_eq!(connection.notices, notice);
    assert_eq!((connection.pid, connection.key), (7, vec![1, 2, 3, 4]));
    assert_eq!(&connection.read_ahead[..], b"A\0");
}
