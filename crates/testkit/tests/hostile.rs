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
use testkit::proxy::over;
use testkit::random::Random;
use testkit::wire::{Body, Connection, Failure, Login, Message, cancel};
use testkit::witness::{SETUP, Witness, logged_in, lying, socket};

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

fn parse(name: &str, text: &str) -> Vec<u8> {
    Body::new().text(name).text(text).int16(0).tagged(b'P')
}

#[test]
fn something_else_while_a_copy_waits_for_data() {
    let (database, mut proxy) = over(SETUP);
    let mut witness = Witness::new(&proxy);
    let sync = Body::new().tagged(b'S');
    let copies = || {
        let mut flight = parse("", "COPY t FROM STDIN");
        let bind = Body::new().text("").text("").int16(0).int16(0).int16(0);
        flight.extend(bind.tagged(b'B'));
        flight.extend(Body::new().text("").int32(0).tagged(b'E'));
        flight
    };
    for (what, synced, then) in [
        ("Parse", false, parse("", "UPDATE t SET v = 'x'")),
        ("Parse", true, parse("", "UPDATE t SET v = 'x'")),
        ("Query", false, Body::new().text("SELECT 1").tagged(b'Q')),
        ("Query", true, Body::new().text("SELECT 1").tagged(b'Q')),
        ("Terminate", false, Body::new().tagged(b'X')),
        ("Terminate", true, Body::new().tagged(b'X')),
    ] {
        let mut connection = logged_in(&proxy);
        let mut flight = copies();
        if synced {
            flight.extend(&sync);
        }
        connection.send_raw(&flight).unwrap();
        connection.send_raw(&then).unwrap();
        let (messages, closed) = connection.drain();
        assert!(closed, "{what}: hangs");
        let failure = first_error(&messages).map(|f| f.code().to_owned());
        assert!(
            what == "Terminate" || failure.as_deref() == Some("08P01"),
            "{what}: {messages:?}"
        );
    }
    // No server connection is left behind with its COPY.
    let left = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND state = 'active' \
                AND datname = current_database()";
    let mut connection = database.connect();
    let since = std::time::Instant::now();
    while connection.value(left) != "0" {
        assert!(since.elapsed().as_secs() < 10, "a COPY runs for ever");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    witness.check(&mut proxy);
}

#[test]
fn prepared_statements_that_execute_each_other() {
    let (_database, mut proxy) = over(SETUP);
    let mut witness = Witness::new(&proxy);
    let rounds: [&[(&str, &str)]; 3] = [
        &[("a", "EXECUTE a(1)")],
        &[("a", "EXPLAIN EXECUTE b"), ("b", "EXECUTE a")],
        &[
            ("a", "EXECUTE b"),
            ("b", "CREATE TEMP TABLE made AS EXECUTE a"),
        ],
    ];
    for statements in rounds {
        let mut connection = logged_in(&proxy);
        let mut flight = Vec::new();
        for (name, text) in statements {
            flight.extend(parse(name, text));
        }
        let bind = Body::new().text("").text("a").int16(0).int16(0).int16(0);
        flight.extend(bind.tagged(b'B'));
        flight.extend(Body::new().text("").int32(0).tagged(b'E'));
        flight.extend(Body::new().tagged(b'S'));
        connection.send_raw(&flight).unwrap();
        let exchange = connection.collect(None).unwrap();
        assert_eq!(exchange.last().code(), "0A000", "{statements:?}");
        let again = connection.fail("EXECUTE a(1)");
        assert_eq!(again.code(), "0A000", "{statements:?}");
        assert_eq!(connection.value("SELECT count(*) FROM t"), "10");
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
    let inserts: String = (0..999)
        .map(|n| format!("INSERT INTO t VALUES ({}, 'x');", 9000 + n))
        .collect();
    let exchange = connection.simple(&format!("{inserts}SELECT 1/0")).unwrap();
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
