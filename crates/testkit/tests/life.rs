//! The life of sessions beside commit and discard, over the wire: idle ones expire, histories go, counters
//! merge, and what drafts occupy is known and bounded.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::time::{Duration, Instant};

use testkit::proxy::{Proxy, Settings, over, over_with};
use testkit::wire::Connection;

const SETUP: &str = "\
CREATE TABLE stock (id int PRIMARY KEY, name text NOT NULL, quantity int NOT NULL CHECK (quantity >= 0));
INSERT INTO stock SELECT g, 'n' || g, 10 FROM generate_series(1, 9) g;
";

fn rows(connection: &mut Connection, text: &str) -> Vec<String> {
    connection.run(text).table()
}

fn configured(lines: &str) -> Settings {
    Settings {
        config: lines.to_owned(),
        ..Settings::default()
    }
}

/// Asks until the answer is this one.
fn until(connection: &mut Connection, text: &str, wanted: &str) {
    let begun = Instant::now();
    loop {
        let found = connection.value(text);
        if found == wanted {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{text}: {found}, not {wanted}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A session that nobody goes on with expires; its agent is told so and what to do, production is as
/// before, and its rows go.
#[test]
fn an_idle_session_expires() {
    let settings = configured("sessions.ttl_ms = 700\nsessions.clean_ms = 50");
    let (database, mut proxy) = over_with(SETUP, &settings);
    let mut production = database.connect();
    let mut rita = proxy.connect_reviewer();
    let mut agent = proxy.connect("idle");
    agent.run("UPDATE stock SET quantity = 3 WHERE id < 4");
    until(
        &mut production,
        "SELECT state FROM pgdraft.sessions WHERE name = 'idle'",
        "expired",
    );
    let told = agent.fail("UPDATE stock SET quantity = 4 WHERE id = 1");
    assert_eq!(told.code(), "ZD002", "{}", told.message());
    assert!(told.message().contains("expired"), "{}", told.message());
    assert!(!told.field('H').is_empty(), "{told:?}");
    let refused = rita.fail("COMMIT SESSION 'idle'");
    assert!(
        refused.message().contains("expired"),
        "{}",
        refused.message()
    );
    let listed = rows(&mut rita, "SHOW SESSIONS");
    assert!(
        listed
            .iter()
            .any(|l| l.starts_with("idle|agent|expired|") && l.ends_with("|pgdraft")),
        "{listed:?}"
    );
    until(
        &mut production,
        "SELECT forgotten_at IS NOT NULL FROM pgdraft.sessions WHERE name = 'idle'",
        "t",
    );
    let head = production.value("SELECT 'd' || id FROM pgdraft.tables");
    for table in [head.clone(), format!("{head}_log")] {
        let left = production.value(&format!("SELECT count(*) FROM pgdraft.{table}"));
        assert_eq!(left, "0", "{table}");
    }
    assert_eq!(production.value("SELECT sum(quantity) FROM stock"), "90");
    proxy.assert_sound();
}

/// The rows of a committed session are there for the time that is configured, then they are gone, and
/// with them what REVERT needs; what the session did is still listed.
#[test]
fn history_goes_after_its_time() {
    let settings = configured("sessions.history_ms = 2000\nsessions.clean_ms = 50");
    let (database, mut proxy) = over_with(SETUP, &settings);
    let mut production = database.connect();
    let mut rita = proxy.connect_reviewer();
    let mut agent = proxy.connect("s");
    agent.run("UPDATE stock SET quantity = 3 WHERE id < 4");
    rita.run("COMMIT SESSION 's'");
    until(
        &mut production,
        "SELECT forgotten_at IS NOT NULL FROM pgdraft.sessions WHERE name = 's'",
        "t",
    );
    assert_eq!(
        production.value(
            "SELECT forgotten_at >= ended_at + interval '2 s' FROM pgdraft.sessions WHERE name = 's'"
        ),
        "t"
    );
    let head = production.value("SELECT 'd' || id FROM pgdraft.tables");
    for table in [head.clone(), format!("{head}_log")] {
        let left = production.value(&format!("SELECT count(*) FROM pgdraft.{table}"));
        assert_eq!(left, "0", "{table}");
    }
    let refused = rita.fail("REVERT SESSION 's'");
    assert_eq!(refused.code(), "ZD030", "{}", refused.message());
    let operations = rows(&mut rita, "SHOW OPERATIONS IN SESSION 's'");
    assert_eq!(operations.len(), 1);
    assert!(operations[0].contains("|0|3|0|"), "{operations:?}");
    assert_eq!(production.value("SELECT sum(quantity) FROM stock"), "69");
    proxy.assert_sound();
}

/// Counters merge as differences; where the sum breaks a check it is a conflict, and nothing is
/// committed until somebody decides.
#[test]
fn counters_merge_as_differences() {
    let settings = configured("merge.delta = [\"public.stock.quantity\"]");
    let (database, mut proxy) = over_with(SETUP, &settings);
    let mut production = database.connect();
    let mut rita = proxy.connect_reviewer();
    let mut agent = proxy.connect("s");
    agent.run("UPDATE stock SET quantity = quantity - 4 WHERE id IN (1, 2)");
    agent.run("UPDATE stock SET name = 'ours' WHERE id = 3");
    production.run("UPDATE stock SET quantity = quantity - 3 WHERE id IN (1, 3)");
    assert!(rows(&mut rita, "SHOW CONFLICTS IN SESSION 's'").is_empty());
    rita.run("COMMIT SESSION 's'");
    assert_eq!(
        rows(
            &mut production,
            "SELECT id, name, quantity FROM stock WHERE id < 4 ORDER BY id"
        ),
        ["1|n1|3", "2|n2|6", "3|ours|7"]
    );

    let mut agent = proxy.connect("t");
    agent.run("UPDATE stock SET quantity = quantity - 6, name = 'less' WHERE id = 5");
    production.run("UPDATE stock SET quantity = quantity - 6 WHERE id = 5");
    let found = rows(&mut rita, "SHOW CONFLICTS IN SESSION 't'");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("stock_quantity_check"), "{found:?}");
    rita.fail("COMMIT SESSION 't'");
    assert_eq!(
        rows(
            &mut production,
            "SELECT name, quantity FROM stock WHERE id = 5"
        ),
        ["n5|4"]
    );
    production.run("UPDATE stock SET quantity = 7 WHERE id = 5");
    rita.run("COMMIT SESSION 't'");
    assert_eq!(
        rows(
            &mut production,
            "SELECT name, quantity FROM stock WHERE id = 5"
        ),
        ["less|1"]
    );
    proxy.assert_sound();
}

/// RESOLVE CONFLICT asked again finds nothing to settle and is no operation.
#[test]
fn a_resolved_conflict_that_is_resolved_again() {
    let (database, mut proxy) = over(SETUP);
    let mut production = database.connect();
    let mut rita = proxy.connect_reviewer();
    let mut agent = proxy.connect("s");
    agent.run("UPDATE stock SET quantity = 1 WHERE id IN (1, 2)");
    agent.run("DELETE FROM stock WHERE id = 3");
    production.run("UPDATE stock SET quantity = 2 WHERE id < 4");
    for command in [
        "RESOLVE CONFLICT IN SESSION 's' TABLE stock KEY (1) TAKE THEIRS",
        "RESOLVE CONFLICT IN SESSION 's' TABLE stock KEY (3) TAKE OURS",
        "RESOLVE CONFLICT IN SESSION 's' TAKE OURS",
    ] {
        rita.run(command);
        let once = rows(&mut rita, "SHOW OPERATIONS IN SESSION 's'");
        rita.run(command);
        assert_eq!(
            rows(&mut rita, "SHOW OPERATIONS IN SESSION 's'"),
            once,
            "{command}"
        );
    }
    // The base moves: it is a conflict anew, and settling it an operation.
    production.run("UPDATE stock SET quantity = 5 WHERE id = 2");
    assert_eq!(rows(&mut rita, "SHOW CONFLICTS IN SESSION 's'").len(), 1);
    let before = rows(&mut rita, "SHOW OPERATIONS IN SESSION 's'").len();
    rita.run("RESOLVE CONFLICT IN SESSION 's' TAKE THEIRS");
    assert_eq!(
        rows(&mut rita, "SHOW OPERATIONS IN SESSION 's'").len(),
        before + 1
    );
    assert!(rows(&mut rita, "SHOW CONFLICTS IN SESSION 's'").is_empty());
    proxy.assert_sound();
}

/// What drafts occupy is shown, is in the metrics, and does not grow with the drafts that there have
/// been.
#[test]
fn drafts_that_are_gone_leave_their_space() {
    let settings = configured("sessions.clean_ms = 50");
    let (database, mut proxy) = over_with(SETUP, &settings);
    let mut production = database.connect();
    let mut rita = proxy.connect_reviewer();
    let mut first = 0;
    for round in 0..8 {
        let mut agent = proxy.connect(&format!("s{round}"));
        agent.run("INSERT INTO stock SELECT g, 'new', 1 FROM generate_series(100, 2000) g");
        rita.run(&format!("DISCARD SESSION 's{round}'"));
        until(
            &mut production,
            "SELECT count(*) FROM pgdraft.sessions WHERE forgotten_at IS NULL",
            "0",
        );
        let head = production.value("SELECT 'pgdraft.d' || id FROM pgdraft.tables");
        // as autovacuum does
        production.run(&format!("VACUUM {head}"));
        production.run(&format!("VACUUM {head}_log"));
        let shown = rita.run("SHOW DRAFT TABLES");
        assert_eq!(shown.value(0, 0).as_deref(), Some("public.stock"));
        let bytes: u64 = (1..3)
            .map(|at| shown.value(0, at).unwrap().parse::<u64>().unwrap())
            .sum();
        assert!(bytes > 0);
        assert!(shown.value(0, 5).is_some(), "it was vacuumed");
        first = if round == 0 { bytes } else { first };
        // an index page that has become empty is used again after the next VACUUM but one
        assert!(bytes <= first * 3, "{bytes} bytes, {first} at first");
    }
    assert_eq!(
        production.value(
            "SELECT count(*) FROM pg_class c WHERE c.relname ~ '^d[0-9]+(_log)?$' AND c.relkind = 'r'
               AND c.relnamespace = 'pgdraft'::regnamespace
               AND c.reloptions @> ARRAY['autovacuum_vacuum_scale_factor=0.02', 'autovacuum_vacuum_threshold=1000']"
        ),
        "2"
    );
    // a process looks at once when it starts
    proxy.crash_and_restart();
    let begun = Instant::now();
    let measured = |text: &str| {
        text.lines().any(|line| {
            let of_head = line.strip_prefix("pgdraft_draft_bytes{part=\"head\"} ");
            of_head.is_some_and(|n| n.parse::<u64>().unwrap() > 0)
        })
    };
    while !measured(&metrics(&proxy)) {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{}",
            metrics(&proxy)
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(metrics(&proxy).contains("pgdraft_draft_dead_rows "));
    let mut agent = proxy.connect("reader");
    assert_eq!(agent.fail("SHOW DRAFT TABLES").code(), "42501");
    proxy.assert_sound();
}

fn metrics(proxy: &Proxy) -> String {
    use std::io::{Read as _, Write as _};
    let mut socket = std::net::TcpStream::connect(("127.0.0.1", proxy.metrics_port())).unwrap();
    socket
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    text
}
