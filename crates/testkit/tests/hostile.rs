//! Input that no driver sends: a clear error or a closed connection, never a panic or a hang, and
//! other connections do not notice.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::too_many_lines,
    reason = "a test stops at the first surprise; tables of cases are long"
)]

use std::io::ErrorKind;
use std::time::Duration;

use testkit::environment;
use testkit::proxy::{PASSWORD, Proxy, Settings, over, over_with};
use testkit::random::Random;
use testkit::wire::{Body, Connection, Failure, Login, Message, cancel};

const SETUP: &str = "\
CREATE TABLE t (id int PRIMARY KEY, v text);
INSERT INTO t SELECT n, 'v' || n FROM generate_series(1, 10) n;
";
/// A server that has not answered or closed after this long hangs.
const PATIENCE: Duration = Duration::from_secs(15);

/// A connection that was there before the attack and must not notice it.
struct Witness(Connection);

impl Witness {
    fn new(proxy: &Proxy) -> Self {
        let mut connection = proxy.connect("witness");
        connection.run("BEGIN; UPDATE t SET v = 'witness' WHERE id = 1");
        Self(connection)
    }

    #[track_caller]
    fn check(&mut self, proxy: &mut Proxy) {
        assert_eq!(self.0.status, b'T');
        assert_eq!(self.0.value("SELECT v FROM t WHERE id = 1"), "witness");
        let mut fresh = proxy.connect("fresh");
        assert_eq!(fresh.value("SELECT count(*) FROM t"), "10");
        proxy.assert_sound();
    }
}

fn socket(proxy: &Proxy) -> Connection {
    Connection::socket(proxy.port(), PATIENCE).unwrap()
}

fn logged_in(proxy: &Proxy) -> Connection {
    let mut login = proxy.agent("hostile");
    login.patience = PATIENCE;
    Connection::open(&login).unwrap()
}

/// Sends bytes and a Sync, and expects an ErrorResponse or the end of the connection.
#[track_caller]
fn must_fail(connection: &mut Connection, what: &str, bytes: &[u8]) -> Option<Failure> {
    let _ = connection.send_raw(bytes);
    let _ = connection.send_raw(&Body::new().tagged(b'S'));
    connection.shut_write();
    let (messages, closed) = connection.drain();
    assert!(
        closed,
        "{what}: the connection stays open without an answer"
    );
    let failure = first_error(&messages);
    if let Some(failure) = &failure {
        assert!(!failure.code().is_empty() && !failure.message().is_empty());
    }
    assert!(
        failure.is_some() || !messages.iter().any(|m| m.tag == b'C'),
        "{what}: was run: {messages:?}"
    );
    failure
}

fn first_error(messages: &[Message]) -> Option<Failure> {
    messages
        .iter()
        .find(|m| m.tag == b'E')
        .map(|m| Failure::parse(&m.body))
}

/// A message whose length field says something else than its body is.
fn lying(tag: u8, length: i32, body: &[u8]) -> Vec<u8> {
    let mut message = vec![tag];
    message.extend(length.to_be_bytes());
    message.extend(body);
    message
}

#[test]
fn malformed_messages_after_login() {
    let (database, mut proxy) = over(SETUP);
    let before = database.dump();
    let mut witness = Witness::new(&proxy);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        (
            "query without its zero",
            Body::new().raw(b"SELECT 1").tagged(b'Q'),
        ),
        ("query without a body", Body::new().tagged(b'Q')),
        (
            "query with a zero inside",
            Body::new().raw(b"SELECT 1\0DELETE FROM t\0").tagged(b'Q'),
        ),
        (
            "query hidden behind a zero",
            Body::new()
                .raw(b"SELECT 1\0Q\0\0\0\x12DELETE FROM t\0")
                .tagged(b'Q'),
        ),
        (
            "query in broken UTF-8",
            Body::new().raw(b"SELECT '\xff\xfe'\0").tagged(b'Q'),
        ),
        ("length below four", lying(b'Q', 3, b"SELECT 1\0")),
        ("length zero", lying(b'Q', 0, b"SELECT 1\0")),
        ("negative length", lying(b'Q', -1, b"SELECT 1\0")),
        ("least length", lying(b'Q', i32::MIN, b"SELECT 1\0")),
        ("length of a gigabyte", lying(b'Q', 1 << 30, b"SELECT 1\0")),
        ("greatest length", lying(b'P', i32::MAX, b"x")),
        ("length one too long", lying(b'Q', 14, b"SELECT 1\0")),
        ("length one too short", lying(b'Q', 12, b"SELECT 1\0")),
        ("parse without a body", Body::new().tagged(b'P')),
        ("parse with a name only", Body::new().text("a").tagged(b'P')),
        (
            "parse without types",
            Body::new().text("").text("SELECT 1").tagged(b'P'),
        ),
        (
            "parse claiming 1000 types",
            Body::new()
                .text("")
                .text("SELECT 1")
                .int16(1000)
                .tagged(b'P'),
        ),
        (
            "parse claiming -1 types",
            Body::new().text("").text("SELECT 1").int16(-1).tagged(b'P'),
        ),
        (
            "parse with trailing bytes",
            Body::new()
                .text("")
                .text("SELECT 1")
                .int16(0)
                .raw(b"more")
                .tagged(b'P'),
        ),
        (
            "parse of two statements",
            Body::new()
                .text("")
                .text("SELECT 1; DELETE FROM t")
                .int16(0)
                .tagged(b'P'),
        ),
        ("bind without a body", Body::new().tagged(b'B')),
        (
            "bind claiming 30000 formats",
            Body::new().text("").text("").int16(30000).tagged(b'B'),
        ),
        (
            "bind with a value that is too long",
            Body::new()
                .text("")
                .text("")
                .int16(0)
                .int16(1)
                .int32(1000)
                .raw(b"x")
                .int16(0)
                .tagged(b'B'),
        ),
        (
            "bind with a value of length -5",
            Body::new()
                .text("")
                .text("")
                .int16(0)
                .int16(1)
                .int32(-5)
                .int16(0)
                .tagged(b'B'),
        ),
        (
            "bind of what is not there",
            Body::new()
                .text("")
                .text("nope")
                .int16(0)
                .int16(0)
                .int16(0)
                .tagged(b'B'),
        ),
        (
            "bind with a bad format",
            Body::new()
                .text("")
                .text("")
                .int16(1)
                .int16(7)
                .int16(0)
                .int16(0)
                .tagged(b'B'),
        ),
        ("describe without a body", Body::new().tagged(b'D')),
        (
            "describe of an unknown kind",
            Body::new().byte(b'X').text("").tagged(b'D'),
        ),
        (
            "describe of what is not there",
            Body::new().byte(b'S').text("nope").tagged(b'D'),
        ),
        ("execute without a body", Body::new().tagged(b'E')),
        (
            "execute of what is not there",
            Body::new().text("nope").int32(0).tagged(b'E'),
        ),
        (
            "execute with a short number",
            Body::new().text("").raw(&[0, 0]).tagged(b'E'),
        ),
        ("close without a body", Body::new().tagged(b'C')),
        (
            "close of an unknown kind",
            Body::new().byte(b'Q').text("").tagged(b'C'),
        ),
        (
            "function call",
            Body::new()
                .int32(1598)
                .int16(0)
                .int16(0)
                .int16(0)
                .tagged(b'F'),
        ),
        ("function call without a body", Body::new().tagged(b'F')),
        (
            "large object by function call",
            Body::new()
                .int32(957)
                .int16(1)
                .int16(1)
                .int16(1)
                .int32(4)
                .int32(0)
                .int16(1)
                .tagged(b'F'),
        ),
        ("sync with a body", Body::new().raw(b"body").tagged(b'S')),
        ("flush with a body", Body::new().raw(b"body").tagged(b'H')),
        ("unknown type", Body::new().raw(b"body").tagged(b'y')),
        ("type zero", Body::new().raw(b"body").tagged(0)),
        ("type 255", Body::new().raw(b"body").tagged(255)),
        (
            "a second startup",
            Login::new(1, "agent", "x").startup_packet(),
        ),
        (
            "a startup of TLS in the middle",
            Body::new().int32(80_877_103).untagged(),
        ),
        ("backend message DataRow", Body::new().int16(1).tagged(b'T')),
    ];
    for (what, bytes) in &cases {
        let mut connection = logged_in(&proxy);
        must_fail(&mut connection, what, bytes);
        if what.contains("trailing") || what.contains("without its zero") {
            witness.check(&mut proxy);
        }
    }
    witness.check(&mut proxy);
    assert_eq!(before, database.dump());
}

#[test]
fn messages_out_of_place_after_login() {
    let (_database, mut proxy) = over(SETUP);
    let mut witness = Witness::new(&proxy);
    // PostgreSQL ignores these or answers an error; the connection may live on.
    for (what, bytes) in [
        (
            "copy data outside of a copy",
            Body::new().raw(b"1\t2\n").tagged(b'd'),
        ),
        ("copy done outside of a copy", Body::new().tagged(b'c')),
        (
            "copy fail outside of a copy",
            Body::new().text("x").tagged(b'f'),
        ),
        ("a password after login", Body::new().text("x").tagged(b'p')),
    ] {
        let mut connection = logged_in(&proxy);
        connection.send_raw(&bytes).unwrap();
        connection
            .send_raw(&Body::new().text("SELECT 1").tagged(b'Q'))
            .unwrap();
        connection.shut_write();
        let (_, closed) = connection.drain();
        assert!(closed, "{what}: hangs");
    }
    // After an error everything up to Sync is skipped, then the connection works.
    let mut connection = logged_in(&proxy);
    let mut flight = Body::new()
        .text("")
        .text("SELECT nope")
        .int16(0)
        .tagged(b'P');
    flight.extend(
        Body::new()
            .text("")
            .text("")
            .int16(0)
            .int16(0)
            .int16(0)
            .tagged(b'B'),
    );
    flight.extend(Body::new().text("").int32(0).tagged(b'E'));
    flight.extend(Body::new().text("DELETE FROM t").tagged(b'Q'));
    flight.extend(Body::new().tagged(b'S'));
    connection.send_raw(&flight).unwrap();
    let exchange = connection.collect(None).unwrap();
    assert_eq!(exchange.replies.len(), 1);
    assert_eq!(exchange.last().code(), "42703");
    assert_eq!(connection.value("SELECT count(*) FROM t"), "10");
    // A function call refused in turn leaves the order of replies intact.
    let mut connection = logged_in(&proxy);
    connection
        .send_raw(&Body::new().text("SELECT 1").tagged(b'Q'))
        .unwrap();
    connection
        .send_raw(
            &Body::new()
                .int32(1598)
                .int16(0)
                .int16(0)
                .int16(0)
                .tagged(b'F'),
        )
        .unwrap();
    assert_eq!(
        connection
            .collect(None)
            .unwrap()
            .last()
            .value(0, 0)
            .as_deref(),
        Some("1")
    );
    match connection.collect(None) {
        Ok(exchange) => assert!(exchange.error().is_some(), "{exchange:?}"),
        Err(e) => assert_ne!(e.kind(), ErrorKind::TimedOut),
    }
    witness.check(&mut proxy);
}

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
fn a_cancel_with_a_wrong_key_cancels_nothing() {
    let (_database, mut proxy) = over(SETUP);
    let mut witness = Witness::new(&proxy);
    let mut sleeper = logged_in(&proxy);
    let (port, pid, secret) = sleeper.cancel_key();
    let mut wrong = secret.clone();
    wrong[0] ^= 1;
    sleeper
        .send_raw(
            &Body::new()
                .text("SELECT pg_sleep(0.5), 'slept'")
                .tagged(b'Q'),
        )
        .unwrap();
    for (pid, key) in [
        (pid, wrong.as_slice()),
        (pid + 1, &secret),
        (0, &[0, 0, 0, 0]),
        (-1, &[255; 4]),
        (pid, &[]),
        (pid, &secret[..2]),
        (pid, &[7; 256]),
        (pid, &[7; 5000]),
    ] {
        cancel(port, pid, key).unwrap();
    }
    let slept = sleeper.collect(None).unwrap();
    assert_eq!(slept.last().value(0, 1).as_deref(), Some("slept"));
    // The right key does, and the connection goes on.
    sleeper
        .send_raw(&Body::new().text("SELECT pg_sleep(30)").tagged(b'Q'))
        .unwrap();
    let stop = std::thread::spawn(move || {
        // Sent until it finds the statement running.
        for _ in 0..200 {
            let _ = cancel(port, pid, &secret);
            std::thread::sleep(Duration::from_millis(50));
            if std::thread::panicking() {
                break;
            }
        }
    });
    let exchange = sleeper.collect(None).unwrap();
    assert_eq!(exchange.last().code(), "57014");
    drop(stop);
    witness.check(&mut proxy);
}

#[test]
fn a_thousand_statements_in_one_query() {
    let (_database, mut proxy) = over(SETUP);
    let mut witness = Witness::new(&proxy);
    let mut connection = logged_in(&proxy);
    let exchange = connection.simple(&"SELECT 1;".repeat(1000)).unwrap();
    assert_eq!(exchange.replies.len(), 1000);
    assert!(exchange.error().is_none(), "{:?}", exchange.error());
    let inserts: String = (0..1000)
        .map(|n| format!("INSERT INTO t VALUES ({}, 'x');", 1000 + n))
        .collect();
    let exchange = connection.simple(&inserts).unwrap();
    assert!(exchange.error().is_none(), "{:?}", exchange.error());
    assert_eq!(exchange.replies.len(), 1000);
    assert!(
        exchange
            .replies
            .iter()
            .all(|r| r.tag.as_deref() == Some("INSERT 0 1"))
    );
    assert_eq!(connection.value("SELECT count(*) FROM t"), "1010");
    // The last one fails: none of them was.
    let exchange = connection
        .simple(&format!("{}SELECT 1/0", inserts.replace("(1", "(9")))
        .unwrap();
    assert_eq!(exchange.error().map(Failure::code), Some("22012"));
    assert_eq!(connection.value("SELECT count(*) FROM t"), "1010");
    witness.check(&mut proxy);
}

#[test]
fn texts_and_values_of_20_megabytes() {
    let (database, mut proxy) = over(SETUP);
    let before = database.dump();
    let mut witness = Witness::new(&proxy);
    let long = "x".repeat(20 * 1024 * 1024);
    for text in [
        format!("SELECT length('{long}')"),
        format!("INSERT INTO t VALUES (50, '{long}')"),
        format!("SELECT 1 -- {long}"),
    ] {
        let mut connection = logged_in(&proxy);
        match connection.simple(&text) {
            Ok(exchange) => {
                if let Some(failure) = exchange.error() {
                    assert!(!failure.field('H').is_empty(), "{failure}");
                }
            }
            Err(e) => assert_ne!(e.kind(), ErrorKind::TimedOut, "hangs"),
        }
        let mut connection = logged_in(&proxy);
        match connection.extended(&text, &[]) {
            Ok(_) => {}
            Err(e) => assert_ne!(e.kind(), ErrorKind::TimedOut, "hangs"),
        }
    }
    // A value is no text to be parsed: it goes through.
    let mut connection = logged_in(&proxy);
    let exchange = connection
        .extended("SELECT length($1)", &[Some(long.clone())])
        .unwrap();
    assert_eq!(exchange.last().value(0, 0), Some(long.len().to_string()));
    let exchange = connection
        .extended("UPDATE t SET v = $1 WHERE id = 2", &[Some(long.clone())])
        .unwrap();
    assert!(exchange.error().is_none(), "{:?}", exchange.error());
    assert_eq!(
        connection.value("SELECT length(v) FROM t WHERE id = 2"),
        long.len().to_string()
    );
    assert_eq!(before, database.dump());
    witness.check(&mut proxy);
}

#[test]
fn random_bytes_at_every_stage() {
    let (database, mut proxy) = over(SETUP);
    let before = database.dump();
    let mut witness = Witness::new(&proxy);
    let seed = environment("SEED")
        .and_then(|v| v.parse().ok())
        .unwrap_or(1);
    let mut random = Random::new(seed);
    let tags = b"QPBDECHSFdcfXpyzRZ\0";
    for round in 0..300 {
        let stage = round % 4;
        let mut connection = if stage < 2 {
            socket(&proxy)
        } else {
            logged_in(&proxy)
        };
        if stage == 1 {
            connection
                .send_raw(&proxy.agent("x").startup_packet())
                .unwrap();
        }
        let length = random.below(200) as usize;
        let mut bytes = random.bytes(length);
        if stage == 3 {
            // Well framed, with a body of noise.
            bytes = Body::new().raw(&bytes).tagged(*random.pick(tags));
        }
        let _ = connection.send_raw(&bytes);
        connection.shut_write();
        let (_, closed) = connection.drain();
        assert!(
            closed,
            "SEED={seed}, round {round}: hangs after {bytes:02x?}"
        );
        assert!(
            proxy.alive(),
            "SEED={seed}, round {round}: died of {bytes:02x?}"
        );
    }
    witness.check(&mut proxy);
    assert_eq!(before, database.dump());
}

#[test]
fn connections_cut_at_every_byte() {
    let (database, mut proxy) = over(SETUP);
    let before = database.dump();
    let mut witness = Witness::new(&proxy);
    let startup = proxy.agent("x").startup_packet();
    for cut in 0..startup.len() {
        let mut connection = socket(&proxy);
        connection.send_raw(&startup[..cut]).unwrap();
        // Dropped here: half a startup, then the end.
    }
    let mut flight = Body::new()
        .text("s")
        .text("UPDATE t SET v = $1 WHERE id = 3")
        .int16(0)
        .tagged(b'P');
    flight.extend(
        Body::new()
            .text("")
            .text("s")
            .int16(0)
            .int16(1)
            .int32(4)
            .raw(b"half")
            .int16(0)
            .tagged(b'B'),
    );
    flight.extend(Body::new().text("").int32(0).tagged(b'E'));
    flight.extend(Body::new().tagged(b'S'));
    flight.extend(
        Body::new()
            .text("INSERT INTO t VALUES (99, 'x')")
            .tagged(b'Q'),
    );
    for cut in (0..flight.len()).step_by(3) {
        let mut connection = logged_in(&proxy);
        connection.run("BEGIN; UPDATE t SET v = 'cut' WHERE id = 4");
        connection.send_raw(&flight[..cut]).unwrap();
    }
    // The transactions of those that vanished are rolled back, and hold no lock.
    let mut connection = logged_in(&proxy);
    connection.run("SET lock_timeout = '10s'");
    connection.run("UPDATE t SET v = 'after' WHERE id = 4");
    assert_eq!(
        connection.value("SELECT count(*) FROM t WHERE v = 'cut'"),
        "0"
    );
    // The same bytes one by one are a correct flight.
    let mut connection = logged_in(&proxy);
    for byte in &flight {
        connection.send_raw(&[*byte]).unwrap();
    }
    let first = connection.collect(None).unwrap();
    assert!(first.error().is_none(), "{first:?}");
    assert_eq!(first.last().tag.as_deref(), Some("UPDATE 1"));
    let second = connection.collect(None).unwrap();
    assert_eq!(second.last().tag.as_deref(), Some("INSERT 0 1"));
    witness.check(&mut proxy);
    assert_eq!(before, database.dump());
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
