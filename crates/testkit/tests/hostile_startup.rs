//! Input that no driver sends, before the login is done: a clear error or a closed connection, never
//! a panic or a hang, and other connections do not notice.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::too_many_lines,
    reason = "a test stops at the first surprise; tables of cases are long"
)]

use testkit::proxy::{PASSWORD, Settings, over, over_with};
use testkit::wire::{Body, Connection};
use testkit::witness::{SETUP, Witness, lying, socket};

#[test]
fn startup_of_every_wrong_kind() {
    let (_database, mut proxy) = over(SETUP);
    let mut witness = Witness::new(&proxy);
    let database = proxy.agent("x").database;
    let startup = |version: i32, pairs: &[(&str, &str)]| {
        let mut body = Body::new().int32(version);
        for (name, value) in pairs {
            body = body.text(name).text(value);
        }
        body.byte(0).untagged()
    };
    let agent = [("user", "agent"), ("database", database.as_str())];
    let with = |more: &[(&'static str, &'static str)]| {
        let mut pairs = agent.to_vec();
        pairs.extend(more);
        startup(196_608, &pairs)
    };
    let refused: Vec<(&str, Vec<u8>)> = vec![
        (
            "without a user",
            startup(196_608, &[("database", &database)]),
        ),
        (
            "with an empty user",
            startup(196_608, &[("user", ""), ("database", &database)]),
        ),
        ("without any parameter", startup(196_608, &[])),
        ("version 2.0", startup(131_072, &agent)),
        ("version 4.0", startup(262_144, &agent)),
        ("version 0", startup(0, &agent)),
        ("replication", with(&[("replication", "true")])),
        ("logical replication", with(&[("replication", "database")])),
        ("replication 1", with(&[("replication", "1")])),
        ("length three", vec![0, 0, 0, 3]),
        ("length zero", vec![0; 8]),
        ("negative length", vec![255; 64]),
        (
            "length of a gigabyte",
            [&[64, 0, 0, 0][..], &[0; 64]].concat(),
        ),
        (
            "no last zero",
            Body::new()
                .int32(196_608)
                .text("user")
                .raw(b"agent")
                .untagged(),
        ),
        (
            "a name without a value",
            Body::new().int32(196_608).raw(b"user\0").untagged(),
        ),
        (
            "an HTTP request",
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        ),
        ("a TLS hello", vec![22, 3, 1, 0, 5, 1, 0, 0, 1, 0]),
        (
            "100 kB of parameters",
            with(&[(
                "application_name",
                Box::leak("x".repeat(100_000).into_boxed_str()),
            )]),
        ),
    ];
    for (what, bytes) in &refused {
        let mut connection = socket(&proxy);
        connection.send_raw(bytes).unwrap();
        connection.shut_write();
        let (messages, closed) = connection.drain();
        assert!(closed, "{what}: hangs");
        assert!(
            !messages.iter().any(|m| m.tag == b'Z'),
            "{what}: was let in: {messages:?}"
        );
    }
    // TLS is off: the request for it is denied, and the startup goes on in plain text.
    for request in [80_877_103, 80_877_104] {
        let mut connection = socket(&proxy);
        connection
            .send_raw(&Body::new().int32(request).untagged())
            .unwrap();
        assert_eq!(connection.receive_byte().unwrap(), b'N');
        connection.send_raw(&with(&[])).unwrap();
        assert_eq!(connection.receive().unwrap().tag, b'R');
    }
    // Asked again and again it must end.
    let mut connection = socket(&proxy);
    for _ in 0..50 {
        if connection
            .send_raw(&Body::new().int32(80_877_103).untagged())
            .is_err()
        {
            break;
        }
    }
    connection.shut_write();
    assert!(connection.drain().1);
    witness.check(&mut proxy);
}

#[test]
fn wrong_passwords_and_broken_authentication() {
    let (_database, mut proxy) = over(SETUP);
    let mut witness = Witness::new(&proxy);
    let login = proxy.agent("x");
    let mut told = Vec::new();
    for (user, password) in [
        ("agent", "wrong"),
        ("agent", ""),
        ("nobody", PASSWORD),
        ("postgres", ""),
        ("reviewer", "wrong"),
        ("AGENT", PASSWORD),
    ] {
        let mut wrong = login.clone().password(password);
        user.clone_into(&mut wrong.user);
        let failure = Connection::try_open(&wrong)
            .unwrap()
            .expect_err("a wrong password is refused");
        assert_eq!(failure.code(), "28P01", "{user}: {failure}");
        told.push(failure.message().replace(user, "X"));
    }
    told.dedup();
    assert_eq!(told.len(), 1, "an unknown user can be told apart: {told:?}");
    let role = format!("pgdraft_agent_{}", login.database);
    let mut upstream = login.clone();
    upstream.user = role;
    assert!(Connection::try_open(&upstream).unwrap().is_err());

    let first = b"n,,n=,r=abcdefghijklmnopqrstuvwx";
    let broken: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Body::new().tagged(b'p')),
        ("length three", lying(b'p', 3, b"")),
        ("length of a gigabyte", lying(b'p', 1 << 30, b"x")),
        (
            "unknown mechanism",
            Body::new().text("PLAIN").int32(3).raw(b"abc").tagged(b'p'),
        ),
        (
            "channel binding without TLS",
            Body::new()
                .text("SCRAM-SHA-256-PLUS")
                .int32(32)
                .raw(first)
                .tagged(b'p'),
        ),
        (
            "response longer than the message",
            Body::new()
                .text("SCRAM-SHA-256")
                .int32(5000)
                .raw(first)
                .tagged(b'p'),
        ),
        (
            "response of length -2",
            Body::new()
                .text("SCRAM-SHA-256")
                .int32(-2)
                .raw(first)
                .tagged(b'p'),
        ),
        (
            "no response",
            Body::new().text("SCRAM-SHA-256").int32(-1).tagged(b'p'),
        ),
        (
            "nonsense",
            Body::new()
                .text("SCRAM-SHA-256")
                .int32(4)
                .raw(b"\xff\xfe\0,")
                .tagged(b'p'),
        ),
        ("a plain password", Body::new().text(PASSWORD).tagged(b'p')),
        ("a query instead", Body::new().text("SELECT 1").tagged(b'Q')),
        (
            "a huge nonce",
            Body::new()
                .text("SCRAM-SHA-256")
                .int32(200_008)
                .raw(&[b"n,,n=,r=".as_slice(), &[b'a'; 200_000]].concat())
                .tagged(b'p'),
        ),
    ];
    for (what, bytes) in &broken {
        let mut connection = socket(&proxy);
        connection.send_raw(&login.startup_packet()).unwrap();
        assert_eq!(connection.receive().unwrap().tag, b'R');
        let _ = connection.send_raw(bytes);
        connection.shut_write();
        let (messages, closed) = connection.drain();
        assert!(closed, "{what}: hangs");
        assert!(!messages.iter().any(|m| m.tag == b'Z'), "{what}: let in");
    }
    // The last step forged.
    for proof in ["", "p=", "c=biws,r=x,p=AAAA", "c=biws", &"x".repeat(70_000)] {
        let mut connection = socket(&proxy);
        connection.send_raw(&login.startup_packet()).unwrap();
        connection.receive().unwrap();
        let initial = Body::new()
            .text("SCRAM-SHA-256")
            .int32(first.len() as i32)
            .raw(first);
        connection.send_raw(&initial.tagged(b'p')).unwrap();
        assert_eq!(connection.receive().unwrap().tag, b'R');
        let _ = connection.send_raw(&Body::new().raw(proof.as_bytes()).tagged(b'p'));
        connection.shut_write();
        let (messages, closed) = connection.drain();
        assert!(
            closed && !messages.iter().any(|m| m.tag == b'Z'),
            "{proof:.20}"
        );
    }
    witness.check(&mut proxy);
}

#[test]
fn plain_text_smuggled_before_tls_is_not_read() {
    let folder = std::env::temp_dir().join(format!("pgdraft-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let made = std::process::Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args(["-subj", "/CN=localhost", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output()
        .unwrap();
    assert!(made.status.success());
    let settings = Settings {
        config: format!(
            "tls = \"allow\"\ntls_cert = {:?}\ntls_key = {:?}\n",
            cert.display(),
            key.display()
        ),
        arguments: Vec::new(),
    };
    let (_database, mut proxy) = over_with(SETUP, &settings);
    let mut witness = Witness::new(&proxy);
    let request = Body::new().int32(80_877_103).untagged();
    let mut connection = socket(&proxy);
    connection.send_raw(&request).unwrap();
    assert_eq!(connection.receive_byte().unwrap(), b'S');
    // A startup in the same packet as the request: whoever sits between could have put it there.
    let smuggled = [request, proxy.agent("smuggled").startup_packet()].concat();
    let mut connection = socket(&proxy);
    connection.send_raw(&smuggled).unwrap();
    connection.shut_write();
    let (messages, closed) = connection.drain();
    assert!(closed, "hangs");
    assert!(
        messages.iter().all(|m| m.tag != b'R' && m.tag != b'Z'),
        "{messages:?}"
    );
    // What libpq makes of it works.
    let psql = testkit::Cluster::shared().program("psql");
    let output = std::process::Command::new(psql)
        .args(["-XAtc", "SELECT count(*) FROM t"])
        .arg(format!("{}&sslmode=require", proxy.url("over_tls")))
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "10",
        "{output:?}"
    );
    witness.check(&mut proxy);
    let _ = std::fs::remove_dir_all(&folder);
}
