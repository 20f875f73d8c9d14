//! Each limit is told with its SQLSTATE and what to do, leaves the connection usable, is counted,
//! and a client that does not read or does not stop costs no memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use testkit::cluster::Database;
use testkit::proxy::{AGENTS, Proxy, Settings, over_with};
use testkit::wire::{Body, Connection, Failure};

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, v text);
    INSERT INTO t SELECT n, 'base' FROM generate_series(1, 100) n";

fn with(config: &str) -> (Database, Proxy) {
    let settings = Settings {
        config: config.to_owned(),
        ..Settings::default()
    };
    over_with(TABLE, &settings)
}

/// A counter of `/metrics`, 0 where it is not there yet.
fn counted(proxy: &Proxy, limit: &str) -> u64 {
    let mut stream = TcpStream::connect(("127.0.0.1", proxy.metrics_port())).unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let name = format!("pgdraft_limits_total{{limit=\"{limit}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.map_or(0, |count| count.parse().unwrap())
}

/// Kilobytes that the proxy holds.
fn resident(proxy: &Proxy) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.unwrap().split_whitespace().next().unwrap().to_owned();
    number.parse().unwrap()
}

#[track_caller]
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::yield_now();
    }
}

#[test]
fn connections_and_sessions_of_an_agent() {
    let (_database, mut proxy) =
        with("[limits]\nconnections_per_agent = 2\nsessions_per_agent = 3\n");
    let refused = |proxy: &Proxy, session: &str| {
        let outcome = Connection::try_open(&proxy.agent(session)).unwrap();
        outcome.expect_err("it is refused")
    };
    let first = proxy.connect("a");
    let mut second = proxy.connect("b");
    let failure = refused(&proxy, "c");
    assert_eq!(failure.code(), "53300");
    assert!(failure.field('H').contains("limits.connections_per_agent"));
    assert_eq!(counted(&proxy, "connections_per_agent"), 1);
    // another agent has its own
    Connection::open(&proxy.agent_named(AGENTS[1], "other")).unwrap();
    drop(first);
    wait_until("the place is free", || {
        Connection::try_open(&proxy.agent("c")).unwrap().is_ok()
    });
    let mut refusal = None;
    wait_until("the place is free again", || {
        let failure = refused(&proxy, "d");
        let code = failure.code().to_owned();
        refusal = Some(failure);
        code != "53300"
    });
    let failure = refusal.unwrap();
    assert_eq!(failure.code(), "53400");
    assert!(failure.field('H').contains("discard one"), "{failure}");
    assert_eq!(second.fail("FORK SESSION 'b' AS 'e'").code(), "53400");
    second.run("DISCARD SESSION 'b'");
    wait_until("a session may be made", || {
        Connection::try_open(&proxy.agent("d")).unwrap().is_ok()
    });
    assert!(counted(&proxy, "sessions_per_agent") > 0);
    proxy.assert_sound();
}

#[test]
fn rows_of_a_statement() {
    let (_database, mut proxy) = with("[limits]\nrows_per_statement = 50\n");
    let mut agent = proxy.connect("s");
    assert_eq!(agent.run("SELECT * FROM t WHERE id <= 50").rows.len(), 50);
    for text in [
        // ended before it could be stopped
        "SELECT * FROM t WHERE id <= 51",
        // stopped
        "SELECT repeat('x', 10000) FROM generate_series(1, 100000)",
        "COPY (SELECT repeat('x', 10000) FROM generate_series(1, 100000)) TO STDOUT",
    ] {
        let exchange = agent.simple(text).unwrap();
        let failure = exchange.error().expect("it is refused");
        assert_eq!(failure.code(), "54000", "{text}");
        assert!(failure.field('H').contains("limits.rows_per_statement"));
        let exchange = agent.extended(text, &[]).unwrap();
        assert_eq!(
            exchange.error().expect("it is refused").code(),
            "54000",
            "{text}"
        );
        assert_eq!(agent.value("SELECT 1"), "1");
    }
    assert_eq!(counted(&proxy, "rows_per_statement"), 6);
    // the transaction has failed, whether or not the server knew
    agent.run("BEGIN");
    agent.run("UPDATE t SET v = 'lost' WHERE id = 1");
    assert_eq!(agent.fail("SELECT * FROM t").code(), "54000");
    assert_eq!(agent.fail("SELECT 1").code(), "25P02");
    assert_eq!(agent.run("COMMIT").tag.as_deref(), Some("ROLLBACK"));
    assert_eq!(agent.value("SELECT v FROM t WHERE id = 1"), "base");
    // in parts
    agent.run("BEGIN");
    agent.run("DECLARE c CURSOR FOR SELECT * FROM t");
    assert_eq!(agent.run("FETCH 50 FROM c").rows.len(), 50);
    assert_eq!(agent.run("FETCH 50 FROM c").rows.len(), 50);
    agent.run("COMMIT");
    proxy.assert_sound();
}

#[test]
fn changes_of_a_session() {
    let (_database, mut proxy) = with("[limits]\nchanges_per_session = 10\n");
    let mut agent = proxy.connect("s");
    agent.run("UPDATE t SET v = 'a' WHERE id <= 6");
    let failure = agent.fail("UPDATE t SET v = 'b' WHERE id <= 6");
    assert_eq!(failure.code(), "53400");
    assert!(failure.field('D').contains("12 changes"), "{failure}");
    assert!(failure.field('H').contains("limits.changes_per_session"));
    assert_eq!(agent.value("SELECT v FROM t WHERE id = 1"), "a");
    agent.run("BEGIN");
    agent.run("INSERT INTO t VALUES (1001), (1002)");
    agent.run("ROLLBACK");
    agent.run("INSERT INTO t VALUES (1001), (1002)");
    agent.run("DELETE FROM t WHERE id IN (20, 21)");
    assert_eq!(agent.fail("DELETE FROM t WHERE id = 22").code(), "53400");
    let failure = agent.fail("INSERT INTO t SELECT n FROM generate_series(2000, 90000) n");
    assert_eq!(failure.code(), "53400");
    assert!(counted(&proxy, "changes_per_session") >= 3);
    // operations that go make room
    let operations = agent.run("SHOW OPERATIONS").rows.len();
    assert_eq!(operations, 3);
    agent.run("DISCARD OPERATIONS 'op-1'");
    agent.run("UPDATE t SET v = 'c' WHERE id BETWEEN 30 AND 35");
    assert_eq!(agent.fail("DELETE FROM t WHERE id = 22").code(), "53400");
    // the session may be committed
    proxy.review("COMMIT SESSION 's'");
    let mut next = proxy.connect("t");
    next.run("DELETE FROM t WHERE id = 22");
    proxy.assert_sound();
}

#[test]
fn time_of_a_statement() {
    for mode in ["session", "transaction"] {
        let config = format!("pool_mode = \"{mode}\"\n[limits]\nstatement_timeout_ms = 300\n");
        let (_database, mut proxy) = with(&config);
        let mut agent = proxy.connect("s");
        assert_eq!(agent.value("SHOW statement_timeout"), "300ms");
        for set in ["SELECT 1", "SET statement_timeout = 0"] {
            agent.run(set);
            agent.run("BEGIN");
            let failure = agent.fail("SELECT pg_sleep(60)");
            assert_eq!(failure.code(), "57014", "{set}");
            assert_eq!(
                failure.message(),
                "canceling statement due to statement timeout"
            );
            assert!(
                failure.field('H').contains("limits.statement_timeout_ms"),
                "{failure}"
            );
            agent.run("ROLLBACK");
            let exchange = agent.extended("SELECT pg_sleep(60)", &[]).unwrap();
            assert_eq!(exchange.error().unwrap().code(), "57014");
            assert_eq!(agent.value("SELECT 1"), "1");
        }
        assert_eq!(counted(&proxy, "statement_timeout"), 4);
        // a shorter one of its own is its own
        agent.run("SET statement_timeout = '50ms'");
        assert_eq!(agent.fail("SELECT pg_sleep(60)").code(), "57014");
        proxy.assert_sound();
    }
}

#[test]
fn idle_clients_and_transactions() {
    for mode in ["session", "transaction"] {
        let config = format!(
            "pool_mode = \"{mode}\"\nclient_idle_timeout_ms = 1500\nidle_transaction_timeout_ms = 200\n"
        );
        let (_database, mut proxy) = with(&config);
        let mut idle = proxy.connect("idle");
        let mut open = proxy.connect("open");
        open.run("BEGIN");
        open.run("UPDATE t SET v = 'lost' WHERE id = 1");
        let (messages, closed) = open.drain();
        assert!(closed);
        let failure = Failure::parse(&messages[0].body);
        assert_eq!(failure.code(), "25P03");
        // one that works is left alone
        idle.run("SELECT pg_sleep(2)");
        let (_, closed) = idle.drain();
        assert!(closed);
        assert_eq!(counted(&proxy, "idle_transaction_timeout"), 1);
        assert_eq!(counted(&proxy, "client_idle_timeout"), 1);
        assert_eq!(
            proxy.connect("open").value("SELECT v FROM t WHERE id = 1"),
            "base"
        );
        proxy.assert_sound();
    }
}

#[test]
fn who_waits_for_another_writer_of_its_session_does_not_wait_for_ever() {
    for mode in ["session", "transaction"] {
        let (_database, mut proxy) = with(&format!(
            "pool_mode = \"{mode}\"\n[limits]\nwriter_wait_ms = 300\n"
        ));
        let mut one = proxy.connect("s");
        let mut two = proxy.connect("s");
        one.run("BEGIN");
        one.run("UPDATE t SET v = 'one' WHERE id = 1");
        for statement in [
            "UPDATE t SET v = 'two' WHERE id = 2",
            "SELECT * FROM t FOR UPDATE",
            "SELECT * FROM t FOR UPDATE SKIP LOCKED",
            "LOCK TABLE t",
        ] {
            two.run("BEGIN");
            let failure = two.fail(statement);
            assert_eq!(failure.code(), "55P03", "{statement}");
            assert_eq!(
                failure.message(),
                "another connection of the session has a transaction open that has written"
            );
            assert!(failure.field('H').contains("COMMIT or ROLLBACK there"));
            two.run("ROLLBACK");
        }
        two.run("BEGIN ISOLATION LEVEL SERIALIZABLE");
        let failure = two.fail("DELETE FROM t WHERE id = 2");
        assert_eq!(failure.code(), "55P03");
        two.run("ROLLBACK");
        assert_eq!(counted(&proxy, "writer_wait"), 5);
        // a shorter time is the client's own
        two.run("SET lock_timeout = '100ms'");
        let failure = two.fail("UPDATE t SET v = 'two' WHERE id = 2");
        assert_eq!(failure.message(), "canceling statement due to lock timeout");
        two.run("SET lock_timeout = '10s'");
        let waiting = std::thread::spawn(move || {
            two.run("BEGIN");
            two.run("UPDATE t SET v = 'two' WHERE id = 2");
            assert_eq!(two.value("SHOW lock_timeout"), "10s");
            two.run("COMMIT");
            assert_eq!(two.value("SHOW lock_timeout"), "10s");
            two
        });
        std::thread::sleep(Duration::from_millis(100));
        one.run("COMMIT");
        let mut two = waiting.join().unwrap();
        assert_eq!(
            two.value("SELECT string_agg(v, ' ' ORDER BY id) FROM t WHERE id < 3"),
            "one two"
        );
        // other sessions do not wait at all
        one.run("BEGIN");
        one.run("UPDATE t SET v = 'three' WHERE id = 1");
        proxy
            .connect("other")
            .run("UPDATE t SET v = 'mine' WHERE id = 1");
        one.run("ROLLBACK");
        proxy.assert_sound();
    }
}

/// Sends without reading until nothing more is taken.
fn flood(connection: &mut Connection, message: &[u8], bytes: usize) {
    connection.set_patience(Duration::from_millis(300));
    let mut sent = 0;
    while sent < bytes && connection.send_raw(message).is_ok() {
        sent += message.len();
    }
}

#[test]
fn a_client_that_does_not_read() {
    let (_database, mut proxy) = with("");
    proxy.connect("warm").run("SELECT count(*) FROM t");
    let before = resident(&proxy);
    // a gigabyte for each of these, which they do not take
    let mut stuck: Vec<Connection> = (0..2).map(|n| proxy.connect(&format!("s{n}"))).collect();
    let text = "SELECT repeat('x', 1000000) FROM generate_series(1, 1000)";
    for connection in &mut stuck {
        connection.send(b'Q', Body::new().text(text)).unwrap();
    }
    // and one that asks for more and more
    let mut asking = proxy.connect("asking");
    let query = Body::new().text("SELECT repeat('x', 100000)").tagged(b'Q');
    flood(&mut asking, &query, 4 << 20);
    let mut other = proxy.connect("other");
    for _ in 0..50 {
        other.run("SELECT count(*) FROM t");
    }
    let grown = resident(&proxy).saturating_sub(before);
    assert!(grown < 64 << 10, "{grown} kB more");
    // an administrator gets rid of them
    let clients = proxy.review("SHOW CLIENTS");
    let column = |name: &str| {
        let columns = clients.columns.as_ref().unwrap();
        columns.iter().position(|c| c.name == name).unwrap()
    };
    for row in 0..clients.rows.len() {
        if clients.value(row, column("session")).unwrap() != "other" {
            let id = clients.value(row, column("id")).unwrap();
            proxy.review(&format!("KILL CLIENT '{id}'"));
        }
    }
    wait_until("the stuck ones are gone", || {
        proxy.review("SHOW CLIENTS").rows.len() == 1
    });
    other.run("SELECT 1");
    proxy.assert_sound();
}

#[test]
fn a_stuck_client_is_sent_away_in_time() {
    let (_database, mut proxy) = with("[limits]\nstatement_timeout_ms = 100\n");
    let mut stuck = proxy.connect("s");
    let text = "SELECT repeat('x', 1000000) FROM generate_series(1, 1000)";
    stuck.send(b'Q', Body::new().text(text)).unwrap();
    wait_until("it is gone", || {
        proxy.review("SHOW CLIENTS").rows.is_empty()
    });
    proxy.assert_sound();
}

#[test]
fn a_message_without_end() {
    let (_database, mut proxy) = with("");
    proxy.connect("warm").run("SELECT count(*) FROM t");
    let before = resident(&proxy);
    let part = vec![b'x'; 1 << 20];
    for kind in [b'Q', b'P', b'B', b'd'] {
        let mut connection = proxy.connect("s");
        let mut header = vec![kind];
        header.extend_from_slice(&(1_000_000_000_u32).to_be_bytes());
        connection.send_raw(&header).unwrap();
        let begin = vec![0_u8; 2];
        connection.send_raw(&begin).unwrap();
        connection.set_patience(Duration::from_secs(2));
        for _ in 0..80 {
            if connection.send_raw(&part).is_err() {
                break;
            }
        }
        let grown = resident(&proxy).saturating_sub(before);
        assert!(
            grown < 64 << 10,
            "{grown} kB more after {:?}",
            char::from(kind)
        );
    }
    proxy.connect("s").run("SELECT 1");
    proxy.assert_sound();
}

#[test]
fn memory_of_a_connection() {
    let (_database, mut proxy) = with("[limits]\nconnection_bytes = 1048576\n");
    let mut agent = proxy.connect("s");
    let text = format!("SELECT '{}'", "x".repeat(100_000));
    let refused = (0..20).find_map(|n| {
        let prepared = agent.prepare(&format!("s{n}"), &text).map(drop);
        prepared
            .and_then(|()| agent.simple("SELECT 1").map(drop))
            .err()
    });
    assert!(refused.is_some());
    assert_eq!(counted(&proxy, "connection_bytes"), 1);
    proxy.connect("s").run("SELECT 1");
    proxy.assert_sound();
}

#[test]
fn a_flood_of_one_agent_does_not_starve_another() {
    let (_database, mut proxy) = with("pool_mode = \"transaction\"\npool_size = 2\n");
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicUsize::new(0));
    let flood: Vec<_> = (0..12)
        .map(|n| {
            let mut connection = proxy.connect(&format!("flood{n}"));
            let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    connection.run("SELECT count(*) FROM generate_series(1, 1000)");
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let mut other = Connection::open(&proxy.agent_named(AGENTS[1], "other")).unwrap();
    wait_until("the flood is there", || done.load(Ordering::Relaxed) > 20);
    // In turn it waits for one statement of the flood or two, not for the twelve before it. A busy
    // machine may let this thread wait as well, so the best of some rounds counts: out of turn none is good.
    let rounds = (0..10).map(|_| {
        let before = done.load(Ordering::Relaxed);
        for _ in 0..20 {
            other.run("SELECT 1");
        }
        done.load(Ordering::Relaxed) - before
    });
    let fair = rounds.into_iter().any(|meanwhile| meanwhile < 20 * 8);
    stop.store(true, Ordering::Relaxed);
    for thread in flood {
        thread.join().unwrap();
    }
    assert!(fair, "160 statements of the flood and more to 20");
    proxy.assert_sound();
}

/// Bytes are measured in the background: the write after the one that goes beyond is refused.
#[test]
fn bytes_of_an_agent() {
    let (_database, mut proxy) = with("[limits]\nbytes_per_agent = 20000\n");
    let mut agent = proxy.connect("s");
    agent.run("UPDATE t SET v = repeat('x', 10) WHERE id = 1");
    agent.run("UPDATE t SET v = md5(id::text) || repeat(md5(v), 30) WHERE id <= 40");
    let mut other = proxy.connect("other");
    let refused = (0..200).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        let exchange = other.simple("INSERT INTO t VALUES (3000)").unwrap();
        other.simple("DELETE FROM t WHERE id = 3000").unwrap();
        exchange.replies.into_iter().find_map(|reply| reply.error)
    });
    let failure = refused.expect("a refusal");
    assert_eq!(failure.code(), "53400");
    assert!(
        failure.field('H').contains("limits.bytes_per_agent"),
        "{failure}"
    );
    assert_eq!(other.value("SELECT count(*) FROM t WHERE id = 1"), "1");
    assert!(counted(&proxy, "bytes_per_agent") >= 1);
    agent.run("DISCARD SESSION 's'");
    let taken = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        let exchange = other.simple("UPDATE t SET v = 'a' WHERE id = 2").unwrap();
        exchange.replies.iter().all(|reply| reply.error.is_none())
    });
    assert!(taken);
    proxy.assert_sound();
}

/// A sequence of the session's own is an entry in production's catalog.
#[test]
fn sequences_of_a_session() {
    let (database, mut proxy) = with("");
    let mut owner = database.connect();
    owner.run("CREATE TABLE drawn (id serial PRIMARY KEY)");
    let mut agent = proxy.connect("s");
    agent.run("TRUNCATE drawn RESTART IDENTITY");
    owner.run(
        "INSERT INTO pgdraft.sequences (sid, base, number, own, op, restarted)
         SELECT sid, base, n, 0, op, true FROM pgdraft.sequences, generate_series(2, 999) n",
    );
    agent.run("TRUNCATE drawn RESTART IDENTITY");
    let failure = agent.fail("TRUNCATE drawn RESTART IDENTITY");
    assert_eq!(failure.code(), "53400", "{failure}");
    agent.run("TRUNCATE drawn; INSERT INTO drawn DEFAULT VALUES");
    proxy.assert_sound();
}
