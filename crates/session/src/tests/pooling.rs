//! Clients that share server connections: nothing of one is seen by another.

use std::time::Duration;

use crate::servers::{PoolMode, PoolSettings};
use crate::testing::{Frames, Server, field, summary};

/// All clients on so many server connections.
fn shared(database: &str, size: usize) -> Server {
    waiting(database, size, Duration::from_secs(60))
}

fn waiting(database: &str, size: usize, wait_timeout: Duration) -> Server {
    Server::pooled(
        database,
        PoolSettings {
            mode: PoolMode::Transaction,
            size,
            wait_timeout,
            statements_max: 3,
            ..PoolSettings::default()
        },
    )
}

fn client(server: &Server, options: &str) -> Frames {
    Frames::connect(
        server.address,
        &[
            ("user", "bob"),
            ("database", server.database.as_str()),
            ("options", options),
        ],
    )
}

#[test]
fn settings_follow_their_client() {
    let server = shared("pool_settings", 1);
    let (mut a, mut b) = (client(&server, ""), client(&server, ""));
    assert_eq!(a.query("SET work_mem = '7MB'"), "C=SET Z=I");
    assert_eq!(b.query("SHOW work_mem"), "T D(4MB) C=SHOW Z=I");
    assert_eq!(a.query("SHOW work_mem"), "T D(7MB) C=SHOW Z=I");
    assert_eq!(
        b.query("SELECT set_config('app.tenant', 'it''s \"b\"', false)"),
        "T D(it's \"b\") C=SELECT 1 Z=I"
    );
    assert_eq!(
        a.query("SELECT coalesce(current_setting('app.tenant', true), '')"),
        "T D() C=SELECT 1 Z=I"
    );
    assert_eq!(b.query("SHOW app.tenant"), "T D(it's \"b\") C=SHOW Z=I");
    // a setting that is taken back is not replayed
    a.query("BEGIN");
    a.query("SET work_mem = '9MB'");
    a.query("ROLLBACK");
    assert_eq!(b.query("SHOW work_mem"), "T D(4MB) C=SHOW Z=I");
    assert_eq!(a.query("SHOW work_mem"), "T D(7MB) C=SHOW Z=I");
    a.query("RESET work_mem");
    b.query("SELECT 1");
    assert_eq!(a.query("SHOW work_mem"), "T D(4MB) C=SHOW Z=I");
    a.query("SET search_path = pg_catalog");
    b.query("SELECT 1");
    assert_eq!(a.query("SHOW search_path"), "T D(pg_catalog) C=SHOW Z=I");
    // what the client is told of its settings fits what holds
    assert_eq!(a.query("SET TimeZone = 'Asia/Tokyo'"), "C=SET S Z=I");
    assert_eq!(b.query("SHOW TimeZone"), a_zone(&mut client(&server, "")));
    assert_eq!(a.query("SHOW TimeZone"), "T D(Asia/Tokyo) C=SHOW Z=I");
}

/// An answer from its first row on: what the client was told of its settings comes at any time.
fn row(answer: &str) -> &str {
    answer
        .find("D(")
        .and_then(|at| answer.get(at..))
        .unwrap_or(answer)
}

fn a_zone(c: &mut Frames) -> String {
    c.query("SHOW TimeZone")
}

#[test]
fn names_and_options_are_the_clients() {
    let server = shared("pool_names", 2);
    let named = |name| {
        Frames::connect(
            server.address,
            &[
                ("user", "bob"),
                ("application_name", name),
                ("options", "-c work_mem=5MB"),
            ],
        )
    };
    let (mut a, mut b) = (named("a"), named("b"));
    let mut other = client(&server, "-c work_mem=6MB");
    for _ in 0..3 {
        assert_eq!(a.query("SHOW application_name"), "T D(a) C=SHOW Z=I");
        assert_eq!(b.query("SHOW application_name"), "T D(b) C=SHOW Z=I");
        assert_eq!(other.query("SHOW work_mem"), "T D(6MB) C=SHOW Z=I");
        for reset in [
            "RESET application_name",
            "SET application_name TO DEFAULT",
            "RESET ALL",
        ] {
            a.query("SET application_name = 'another'");
            b.query("SELECT 1");
            assert_eq!(a.query("SHOW application_name"), "T D(another) C=SHOW Z=I");
            a.query(reset);
            b.query("SELECT 1");
            assert_eq!(
                row(&a.query("SHOW application_name")),
                "D(a) C=SHOW Z=I",
                "{reset}"
            );
            b.query("SELECT 1");
            assert_eq!(
                row(&a.query("SHOW application_name")),
                "D(a) C=SHOW Z=I",
                "{reset}"
            );
        }
        a.query("SET work_mem = '8MB'");
        a.query("RESET work_mem");
        assert_eq!(a.query("SHOW work_mem"), "T D(5MB) C=SHOW Z=I");
    }
    assert!(
        a.parameters
            .contains(&("application_name".into(), "a".into()))
    );
}

#[test]
fn prepared_statements_follow_their_client() {
    let server = shared("pool_prepared", 1);
    let (mut a, mut b) = (client(&server, ""), client(&server, ""));
    let prepare = |c: &mut Frames, name: &str, text: &str| {
        c.parse(name, text).sync();
        c.send();
        c.shown(1)
    };
    assert_eq!(prepare(&mut a, "s", "SELECT 'a' || $1"), "1 Z=I");
    assert_eq!(prepare(&mut b, "s", "SELECT 'b' || $1"), "1 Z=I");
    let run = |c: &mut Frames, name: &str, param: &str| {
        c.bind("", name, &[Some(param)]).execute("", 0).sync();
        c.send();
        c.shown(1)
    };
    for turn in 0..3 {
        assert_eq!(run(&mut a, "s", "1"), "2 D(a1) C=SELECT 1 Z=I");
        assert_eq!(run(&mut b, "s", "2"), "2 D(b2) C=SELECT 1 Z=I");
        // more than a server connection keeps
        for text in ["SELECT 1, $1", "SELECT 2, $1", "SELECT 3, $1"] {
            assert_eq!(prepare(&mut a, &format!("{text}{turn}"), text), "1 Z=I");
        }
    }
    assert_eq!(prepare(&mut a, "s", "SELECT 1"), "E=42P05 Z=I");
    // a long value is streamed behind the name
    let long = "x".repeat(200_000);
    assert_eq!(
        run(&mut a, "s", &long),
        format!("2 D(a{long}) C=SELECT 1 Z=I")
    );
    // the unnamed statement lives over transactions, too
    assert_eq!(prepare(&mut a, "", "SELECT 'u' || $1"), "1 Z=I");
    assert_eq!(run(&mut b, "s", "3"), "2 D(b3) C=SELECT 1 Z=I");
    assert_eq!(prepare(&mut b, "", "SELECT 'v' || $1"), "1 Z=I");
    assert_eq!(run(&mut a, "", "4"), "2 D(u4) C=SELECT 1 Z=I");
    // by SQL
    assert_eq!(a.query("DEALLOCATE s"), "C=DEALLOCATE Z=I");
    assert_eq!(run(&mut a, "s", "5"), "E=26000 Z=I");
    assert_eq!(run(&mut b, "s", "5"), "2 D(b5) C=SELECT 1 Z=I");
    assert_eq!(b.query("EXECUTE s('6')"), "T D(b6) C=SELECT 1 Z=I");
}

#[test]
fn what_cannot_move_keeps_its_connection() {
    let server = waiting("pool_pins", 2, Duration::from_millis(300));
    let (mut a, mut b) = (client(&server, ""), client(&server, ""));
    assert_eq!(a.query("LISTEN news"), "C=LISTEN Z=I");
    assert_eq!(
        b.query("SELECT count(*) FROM pg_listening_channels()"),
        "T D(0) C=SELECT 1 Z=I"
    );
    server
        .cluster
        .psql(&server.database, "SELECT pg_notify('news', 'x')");
    assert_eq!(summary(&a.read_until(b'A', 1)), "A");
    // the one that is left serves everybody else
    assert_eq!(
        b.query("SELECT pg_advisory_lock(7)"),
        "T D() C=SELECT 1 Z=I"
    );
    let mut c = client(&server, "");
    let told = c.error("SELECT 1");
    assert!(told.contains(&('C', "53300".to_owned())), "{told:?}");
    assert!(told.iter().any(|(code, _)| *code == 'H'), "{told:?}");
    assert_eq!(b.query("DISCARD ALL"), "C=DISCARD ALL Z=I");
    let mut c = client(&server, "");
    assert_eq!(
        c.query("SELECT pg_try_advisory_xact_lock(7)"),
        "T D(t) C=SELECT 1 Z=I"
    );
}

#[test]
fn who_is_gone_waits_no_more() {
    let server = shared("pool_gone", 1);
    let waiting = || server.shared.metrics.gauges.waiting.get();
    let until = |count: i64| {
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while waiting() != count {
            assert!(std::time::Instant::now() < deadline, "{} wait", waiting());
            std::thread::yield_now();
        }
    };
    let (mut a, mut b, mut c) = (
        client(&server, ""),
        client(&server, ""),
        client(&server, ""),
    );
    assert_eq!(a.query("BEGIN"), "C=BEGIN Z=T");
    for waits in [&mut b, &mut c] {
        wire::encode::query(&mut waits.out, "SELECT 7");
        waits.send();
    }
    until(2);
    // what it sends while it waits is not lost, and not taken for its end
    wire::encode::query(&mut c.out, "SELECT 8");
    c.send();
    b.vanish();
    until(1);
    assert_eq!(a.query("COMMIT"), "C=COMMIT Z=I");
    assert_eq!(c.shown(2), "T D(7) C=SELECT 1 Z=I T D(8) C=SELECT 1 Z=I");
    until(0);
}

#[test]
fn drafts_stay_apart_on_one_connection() {
    let server = shared("pool_drafts", 1);
    let mut a = client(&server, "-c pgdraft.session=a");
    let mut b = client(&server, "-c pgdraft.session=b");
    for turn in 1..4 {
        for (c, name) in [(&mut a, "a"), (&mut b, "b")] {
            let text = format!("UPDATE orders SET name = '{name}{turn}' WHERE id = 1");
            assert_eq!(c.query(&text), "C=UPDATE 1 Z=I");
        }
        for (c, name) in [(&mut a, "a"), (&mut b, "b")] {
            assert_eq!(
                c.query("SELECT name FROM orders WHERE id = 1"),
                format!("T D({name}{turn}) C=SELECT 1 Z=I")
            );
        }
    }
}

#[test]
fn a_connection_whose_token_was_not_set_writes_nothing() {
    let server = shared("pool_token", 1);
    let mut a = client(&server, "-c pgdraft.session=a");
    assert_eq!(
        a.query("UPDATE orders SET name = 'a' WHERE id = 1"),
        "C=UPDATE 1 Z=I"
    );
    let before = server
        .cluster
        .psql(&server.database, "SELECT count(*) FROM pgdraft.operations");
    // the hand-over fails: what stands in it may not be called any more
    let revoke =
        "REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM PUBLIC";
    server.cluster.psql(&server.database, revoke);
    let mut b = client(&server, "-c pgdraft.session=b");
    let told = b.error("UPDATE orders SET name = 'b' WHERE id = 1");
    assert!(told.contains(&('C', "08006".to_owned())), "{told:?}");
    let after = server
        .cluster
        .psql(&server.database, "SELECT count(*) FROM pgdraft.operations");
    assert_eq!(before, after);
}

#[test]
fn a_late_cancel_stops_nobody_else() {
    let server = shared("pool_cancel", 1);
    let (mut a, mut b) = (client(&server, ""), client(&server, ""));
    a.query("SELECT 1");
    wire::encode::query(&mut b.out, "SELECT pg_sleep(0.2)");
    b.send();
    // the server connection is b's now
    let mut out = Vec::new();
    wire::encode::cancel_request(&mut out, a.pid, &a.key.clone());
    let mut socket = std::net::TcpStream::connect(server.address).unwrap();
    std::io::Write::write_all(&mut socket, &out).unwrap();
    drop(std::io::Read::read(&mut socket, &mut [0; 1]));
    assert_eq!(summary(&b.read_until(b'Z', 1)), "T D() C=SELECT 1 Z=I");
}

#[test]
fn many_clients_on_two_connections() {
    let server = shared("pool_many", 2);
    let workers: Vec<_> = (0..12)
        .map(|n| {
            let mut c = client(&server, &format!("-c pgdraft.session=m{n}"));
            std::thread::spawn(move || {
                for turn in 0..20 {
                    assert_eq!(c.query("BEGIN"), "C=BEGIN Z=T");
                    let text = format!("UPDATE orders SET name = '{n}.{turn}' WHERE id = 1");
                    assert_eq!(c.query(&text), "C=UPDATE 1 Z=T");
                    assert_eq!(
                        c.query("SELECT name FROM orders WHERE id = 1"),
                        format!("T D({n}.{turn}) C=SELECT 1 Z=T")
                    );
                    assert_eq!(c.query("COMMIT"), "C=COMMIT Z=I");
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
    assert_eq!(server.panics(), 0);
}

#[test]
fn a_dead_connection_is_not_given_to_anybody() {
    let server = shared("pool_dead", 1);
    let mut a = client(&server, "");
    a.query("SELECT 1");
    let kill = format!(
        "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname = '{}' AND usename = 'agent'",
        server.database
    );
    assert_eq!(server.cluster.psql("postgres", &kill).trim(), "1");
    assert_eq!(a.query("SELECT 1"), "T D(1) C=SELECT 1 Z=I");
    let told = a.error("SELECT 1/0");
    assert_eq!(field_of(&told, 'C'), "22012");
}

fn field_of(told: &[(char, String)], code: char) -> String {
    let found = told.iter().find(|(known, _)| *known == code);
    found.map(|(_, value)| value.clone()).unwrap_or_default()
}

#[test]
fn greetings_carry_errors_of_the_startup() {
    let server = shared("pool_startup", 1);
    let refused = Frames::try_connect(
        server.address,
        &[("user", "bob"), ("options", "-c nosuch=1")],
    );
    let body = refused.err().unwrap();
    assert_eq!(field(&body, b'C').as_deref(), Some("42704"));
}
