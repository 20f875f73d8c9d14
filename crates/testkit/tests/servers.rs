//! Server connections over their life: how old they get, what is done with dead ones, who gets one,
//! what holds one, and what happens while PostgreSQL is not there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use testkit::Cluster;
use testkit::cluster::Database;
use testkit::proxy::{AGENTS, Proxy, Settings, over_with};
use testkit::wire::{Body, Connection, Failure, Format};

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'base')";

fn settings(config: &str) -> Settings {
    Settings {
        config: format!("pool_mode = \"transaction\"\n{config}"),
        ..Settings::default()
    }
}

fn with(config: &str) -> (Database, Proxy) {
    over_with(TABLE, &settings(config))
}

/// Process ids of the backends that serve agents.
fn backends(database: &Database) -> String {
    database.connect().value(
        "SELECT coalesce(string_agg(pid::text, ' ' ORDER BY pid), '') FROM pg_stat_activity \
         WHERE datname = current_database() AND usename LIKE 'pgdraft_agent%'",
    )
}

#[track_caller]
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::yield_now();
    }
}

/// The end of a connection that waited in vain.
fn fatal(agent: &mut Connection) -> Failure {
    agent.send(b'Q', Body::new().text("SELECT 1")).unwrap();
    let (messages, ended) = agent.drain();
    assert!(ended, "the connection ends");
    let told = messages.iter().find(|message| message.tag == b'E');
    Failure::parse(&told.expect("it is told why").body)
}

fn metric(proxy: &Proxy, name: &str) -> u64 {
    let mut stream = TcpStream::connect(("127.0.0.1", proxy.metrics_port())).unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0, |count| count.trim().parse().unwrap())
}

#[test]
fn an_old_connection_is_closed_once_it_is_idle() {
    let (database, mut proxy) = with("server_lifetime_ms = 1\n");
    let mut agent = proxy.connect("s");
    agent.run("BEGIN; UPDATE t SET v = 'mine'");
    let first = backends(&database);
    assert_ne!(first, "");
    assert_eq!(agent.value("SELECT v FROM t"), "mine");
    assert_eq!(backends(&database), first, "not within a transaction");
    agent.run("COMMIT");
    wait_until("it is closed", || backends(&database).is_empty());
    assert_eq!(agent.value("SELECT v FROM t"), "mine");
    proxy.assert_sound();
}

#[test]
fn an_idle_connection_is_closed() {
    let (database, mut proxy) = with("server_idle_timeout_ms = 1\n");
    let mut agent = proxy.connect("s");
    assert_eq!(agent.value("SELECT v FROM t"), "base");
    wait_until("it is closed", || backends(&database).is_empty());
    assert_eq!(agent.value("SELECT v FROM t"), "base");
    proxy.assert_sound();
}

#[test]
fn a_connection_that_does_not_answer_is_replaced() {
    let (database, mut proxy) = with("pool_size = 1\nserver_check_ms = 1\n");
    let mut agent = proxy.connect("s");
    assert_eq!(agent.value("SELECT v FROM t"), "base");
    let stuck = backends(&database);
    let signal = |name: &str| {
        let told = Command::new("kill").args([name, &stuck]).status().unwrap();
        assert!(told.success());
    };
    // it is there, and its connection is open: only a question shows it
    signal("-STOP");
    wait_until("it is given up", || {
        proxy.log().contains("an idle server connection is dead")
    });
    assert_eq!(agent.value("SELECT v FROM t"), "base");
    signal("-CONT");
    assert_ne!(backends(&database), "");
    proxy.assert_sound();
}

#[test]
fn places_are_counted_in_all_and_by_agent() {
    let (_database, mut proxy) =
        with("pool_size = 2\npool_size_per_agent = 1\npool_wait_timeout_ms = 200\n");
    let mut first = proxy.connect("a");
    let mut second = proxy.connect("b");
    first.run("BEGIN; SELECT v FROM t");
    let told = fatal(&mut second);
    assert_eq!(told.code(), "53300");
    let own = "Agent \"agent\" holds 1 of 1 server connections; waited 200 ms.";
    assert_eq!(told.field('D'), own);
    assert!(told.field('H').contains("pool_size_per_agent"), "{told}");
    // another agent has the other place
    let mut other = Connection::open(&proxy.agent_named(AGENTS[1], "c")).unwrap();
    other.run("BEGIN; SELECT v FROM t");
    first.run("COMMIT");
    let mut second = proxy.connect("b");
    assert_eq!(second.value("SELECT v FROM t"), "base");
    proxy.assert_sound();
}

#[test]
fn who_waits_too_long_is_told_and_who_waits_is_served() {
    let (_database, proxy) = with("pool_size = 1\npool_wait_timeout_ms = 200\n");
    let mut first = proxy.connect("a");
    let mut second = proxy.connect("b");
    first.run("BEGIN; SELECT v FROM t");
    let told = fatal(&mut second);
    assert_eq!(told.code(), "53300");
    let all = "1 of 1 server connections are in use; waited 200 ms.";
    assert_eq!(told.field('D'), all);
    assert!(told.field('H').contains("pool_size"), "{told}");
    first.run("COMMIT");

    let (_database, mut proxy) = with("pool_size = 1\n");
    let mut first = proxy.connect("a");
    let mut second = proxy.connect("b");
    first.run("BEGIN; SELECT v FROM t");
    let waits = "pgdraft_clients_waiting ";
    second
        .send(b'Q', Body::new().text("SELECT v FROM t"))
        .unwrap();
    wait_until("it waits", || metric(&proxy, waits) == 1);
    first.run("COMMIT");
    let served = second.collect(None).unwrap();
    assert_eq!(served.replies[0].value(0, 0).as_deref(), Some("base"));
    wait_until("nobody waits", || metric(&proxy, waits) == 0);
    proxy.assert_sound();
}

/// What only lives on one server connection: how it is made, and whether it is there.
const PINS: &[(&str, &str, &str)] = &[
    (
        "LISTEN news",
        "SELECT count(*) FROM pg_listening_channels()",
        "1",
    ),
    (
        "CREATE TEMP TABLE mine (n int)",
        "SELECT count(*) FROM mine",
        "0",
    ),
    (
        "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
        "FETCH 1 FROM c",
        "1",
    ),
    (
        "SELECT pg_advisory_lock(5)",
        "SELECT pg_advisory_unlock(5)",
        "t",
    ),
];

#[test]
fn what_lives_on_a_connection_holds_it_until_it_is_discarded() {
    let (_database, mut proxy) = with("pool_size = 2\n");
    let mut reviewer = proxy.connect_reviewer();
    let mut other = proxy.connect("other");
    for (makes, asks, answer) in PINS {
        let mut agent = proxy.connect("s");
        let mut linked = |who: &str| {
            let clients = reviewer.run("SHOW CLIENTS");
            let column = |name: &str| {
                let columns = clients.columns.as_ref().unwrap();
                columns.iter().position(|c| c.name == name).unwrap()
            };
            let (session, link) = (column("session"), column("link"));
            (0..clients.rows.len())
                .filter(|row| clients.value(*row, session).as_deref() == Some(who))
                .any(|row| {
                    clients
                        .value(row, link)
                        .is_some_and(|link| !link.is_empty())
                })
        };
        agent.run("SELECT 1");
        wait_until("nothing holds it", || !linked("s"));
        agent.run(makes);
        for _ in 0..3 {
            other.run("SELECT 1");
        }
        assert!(linked("s"), "{makes}");
        assert_eq!(agent.value(asks), *answer, "{makes}");
        agent.run("DISCARD ALL");
        wait_until("it is let go", || !linked("s"));
        assert!(!linked("other"));
    }
    proxy.assert_sound();
}

#[test]
fn what_a_client_was_told_of_its_settings_holds() {
    let (_database, mut proxy) = with("pool_size = 1\n");
    let mut agents: Vec<_> = (0..3).map(|n| proxy.connect(&format!("s{n}"))).collect();
    let begun = agents[0].reported.clone();
    let names = ["DateStyle", "TimeZone", "IntervalStyle", "application_name"];
    let agree = |agents: &mut Vec<Connection>| {
        for agent in agents.iter_mut() {
            for name in names {
                let holds = agent.value(&format!("SHOW {name}"));
                assert_eq!(agent.reported.get(name), Some(&holds), "{name}");
            }
        }
    };
    for step in [
        "SET DateStyle = 'German'; SET TimeZone = 'Asia/Tokyo'",
        "BEGIN; SET LOCAL IntervalStyle = 'sql_standard'; SET application_name = 'x'; ROLLBACK",
        "SELECT set_config('application_name', 'y', false)",
        "RESET TimeZone",
        "BEGIN; SET DateStyle = 'SQL'; SAVEPOINT a; SET DateStyle = 'ISO'; ROLLBACK TO a; COMMIT",
    ] {
        agents[1].run(step);
        agree(&mut agents);
    }
    agents[2].run("SET IntervalStyle = 'iso_8601'");
    assert_eq!(agents[1].value("SHOW DateStyle"), "SQL, DMY");
    for agent in &mut agents[1..] {
        agent.run("DISCARD ALL");
    }
    agree(&mut agents);
    for agent in &agents {
        for name in names {
            assert_eq!(agent.reported.get(name), begun.get(name), "{name}");
        }
    }
    proxy.assert_sound();
}

#[test]
fn postgresql_may_be_away_at_the_start_and_later() {
    // A server of its own: others must not lose theirs.
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start()));
    let database = cluster.create_database("away");
    database.run(TABLE);
    let config = "upstream_wait_ms = 60000\n";
    let mut proxy = Proxy::start_with(&database, &settings(config));
    let mut agent = proxy.connect("s");
    agent.run("UPDATE t SET v = 'mine'");

    // Later: who is connected waits, who comes is told.
    cluster.crash();
    let before = metric(&proxy, "pgdraft_upstream_errors_total ");
    agent
        .send(b'Q', Body::new().text("SELECT v FROM t"))
        .unwrap();
    wait_until("it is tried more than once", || {
        metric(&proxy, "pgdraft_upstream_errors_total ") > before + 2
    });
    let refused = Connection::try_open(&proxy.agent("new")).unwrap();
    let refused = refused.expect_err("there is nothing to connect to");
    let told = |class: &&str| refused.code().starts_with(class);
    assert!(["08", "57", "ZD"].iter().any(told), "{refused}");
    cluster.launch();
    let served = agent.collect(None).unwrap();
    assert_eq!(served.replies[0].value(0, 0).as_deref(), Some("mine"));

    // At the start.
    cluster.crash();
    let log = proxy.log_path();
    let launch = std::thread::spawn(move || {
        let away = || std::fs::read_to_string(&log).unwrap_or_default();
        wait_until("it is tried more than once", || {
            away().matches("the database is not there yet").count() > 2
        });
        cluster.launch();
    });
    proxy.crash_and_restart();
    launch.join().unwrap();
    let mut agent = proxy.connect("s");
    assert_eq!(agent.value("SELECT v FROM t"), "mine");
    proxy.assert_sound();
    drop(proxy);
    drop(database);
    cluster.crash();
}

/// A storm of cancel requests stops statements, and nothing else: the connection goes on, whatever of
/// ours ran just then.
#[test]
fn cancels_at_any_moment_end_no_connection() {
    for mode in ["session", "transaction"] {
        let pooled = Settings {
            config: format!("pool_mode = \"{mode}\"\npool_size = 2\n"),
            ..Settings::default()
        };
        let (_database, mut proxy) = over_with(TABLE, &pooled);
        // with two others at work the server connection changes hands for nearly every statement
        let names: &[&str] = match mode {
            "transaction" => &["other", "another"],
            _ => &[],
        };
        let mut others: Vec<Connection> = names.iter().map(|name| proxy.connect(name)).collect();
        let mut stopped = 0;
        for round in 0..8 {
            let mut agent = proxy.connect(&format!("s{round}"));
            let (port, pid, secret) = agent.cancel_key();
            stopped += std::thread::scope(|scope| {
                // the storm ends with this, also where an assertion fails
                let (_calm, ended) = std::sync::mpsc::channel::<()>();
                scope.spawn(move || {
                    while ended.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                        testkit::wire::cancel(port, pid, &secret).unwrap();
                    }
                });
                let is_stopped = |turn: &usize| {
                    for other in &mut others {
                        other.run("SELECT 1");
                    }
                    let told = agent.simple(match turn % 3 {
                        0 => "SELECT pg_sleep(0.03)",
                        1 => "SET work_mem = '5MB'; SELECT v FROM t",
                        _ => "UPDATE t SET v = v || '.' WHERE id = 1",
                    });
                    let told = told.unwrap();
                    if let Some(failure) = told.error() {
                        assert_eq!(failure.code(), "57014", "{mode}: {failure}");
                    }
                    told.error().is_some()
                };
                (0..25).filter(is_stopped).count()
            });
            assert_eq!(agent.value("SELECT 1"), "1");
        }
        assert!(stopped > 0, "{mode}: no statement was stopped");
        drop(others);
        proxy.assert_sound();
    }
}

/// Statements of one text that mean other tables: clients of several search paths, and one that changes
/// its own, on the same server connection.
#[test]
fn a_text_means_what_each_clients_search_path_says() {
    let (_database, mut proxy) = over_with(
        "CREATE SCHEMA a; CREATE TABLE a.t (id int, v text); INSERT INTO a.t VALUES (1, 'a');
         CREATE SCHEMA b; CREATE TABLE b.t (id int, n int, v varchar(5)); INSERT INTO b.t VALUES (1, 2, 'b');
         CREATE SCHEMA c; CREATE TABLE c.t (id int, v text); INSERT INTO c.t VALUES (1, 'c')",
        &settings("pool_size = 1\n"),
    );
    let text = "SELECT * FROM t WHERE id = $1";
    let one = [Some("1".to_owned())];
    let mut clients = ["a", "b", "c"].map(|path| {
        let mut client = proxy.connect(path);
        client.run(&format!("SET search_path = {path}"));
        client
    });
    let prepared = clients
        .each_mut()
        .map(|client| client.prepare("s", text).unwrap().unwrap());
    let last = |client: &mut Connection, number: usize| {
        let exchange = client
            .execute(&prepared[number], &one, Format::Text)
            .unwrap();
        let told = exchange.error().map(|e| e.message().to_owned());
        told.unwrap_or_else(|| {
            let row = &exchange.last().rows[0];
            String::from_utf8_lossy(row.last().unwrap().as_ref().unwrap()).into_owned()
        })
    };
    for _ in 0..3 {
        let found = [0, 1, 2].map(|n| last(&mut clients[n], n));
        assert_eq!(found, ["a", "b", "c"]);
    }
    // as PostgreSQL: the same columns may come from elsewhere, others may not
    clients[0].run("SET search_path = c");
    assert_eq!(last(&mut clients[0], 0), "c");
    clients[0].run("SET search_path = b");
    let moved = "cached plan must not change result type";
    assert_eq!(last(&mut clients[0], 0), moved);
    assert_eq!(last(&mut clients[1], 1), "b");
    assert_eq!(last(&mut clients[0], 0), moved);
    clients[0].run("SET search_path = a");
    assert_eq!(last(&mut clients[0], 0), "a");
    clients[1].run("SET search_path = a");
    assert_eq!(last(&mut clients[1], 1), moved);
    assert_eq!(last(&mut clients[2], 2), "c");
    proxy.assert_sound();
}

/// Constants of a prepared text are read as it is prepared, under the settings of that moment: not under
/// those of another client with whom the server connection is shared.
#[test]
fn constants_are_read_under_each_clients_settings() {
    let (_database, mut proxy) = with("pool_size = 1\n");
    let text = "SELECT extract(epoch FROM timestamptz '2024-06-01 00:00')::int || ' ' || date '01/02/2024', date '01/02/2024' - date '2024-01-01'";
    let mut clients = [
        ("Asia/Tokyo", "ISO, MDY"),
        ("UTC", "ISO, MDY"),
        ("UTC", "ISO, DMY"),
        ("UTC", "ISO, MDY"),
    ]
    .map(|(zone, style)| {
        let mut client = proxy.connect(zone);
        client.run(&format!("SET TimeZone = '{zone}'"));
        client.run(&format!("SET DateStyle = '{style}'"));
        client
    });
    let prepared = clients
        .each_mut()
        .map(|client| client.prepare("s", text).unwrap().unwrap());
    let told = |client: &mut Connection, number: usize| {
        let exchange = client
            .execute(&prepared[number], &[], Format::Text)
            .unwrap();
        let row = &exchange.last().rows[0];
        let texts = row
            .iter()
            .map(|v| String::from_utf8_lossy(v.as_ref().unwrap()).into_owned());
        texts.collect::<Vec<_>>().join(" ")
    };
    let before = "1717167600 2024-01-02 1";
    for _ in 0..3 {
        let found = [0, 1, 2, 3].map(|n| told(&mut clients[n], n));
        let expected = [
            before,
            "1717200000 2024-01-02 1",
            "1717200000 2024-02-01 31",
            "1717200000 2024-01-02 1",
        ];
        assert_eq!(found, expected);
    }
    // PostgreSQL keeps what it has read; who prepares it now reads it anew
    clients[0].run("SET TimeZone = 'UTC'");
    assert_eq!(told(&mut clients[0], 0), before);
    clients[1].run("SET TimeZone = 'Asia/Tokyo'");
    let other = clients[1].prepare("other", text).unwrap().unwrap();
    let exchange = clients[1].execute(&other, &[], Format::Text).unwrap();
    let first = exchange.last().rows[0][0].clone().unwrap();
    assert_eq!(first, b"1717167600 2024-01-02");
    proxy.assert_sound();
}

/// The same for settings that PostgreSQL does not report: who has set one has statements of its own.
#[test]
fn constants_are_read_under_settings_that_nobody_is_told() {
    let (_database, mut proxy) = with("pool_size = 1\n");
    let text = "SELECT ('{NULL}'::text[])[1] IS NULL";
    let mut clients = ["plain", "other", "local"].map(|session| proxy.connect(session));
    clients[1].run("SET array_nulls = off");
    clients[2].run("BEGIN");
    clients[2].run("SET LOCAL array_nulls = off");
    let mut prepared = vec![clients[2].prepare("s", text).unwrap().unwrap()];
    clients[2].run("COMMIT");
    for client in &mut clients[..2] {
        prepared.insert(0, client.prepare("s", text).unwrap().unwrap());
    }
    prepared.swap(0, 1);
    for _ in 0..3 {
        let told = [0, 1, 2].map(|n| {
            let exchange = clients[n].execute(&prepared[n], &[], Format::Text).unwrap();
            String::from_utf8(exchange.last().rows[0][0].clone().unwrap()).unwrap()
        });
        assert_eq!(told, ["t", "f", "f"]);
    }
    proxy.assert_sound();
}

/// `date 'today'` and its like are the day on which the text was prepared, by this client and no other.
#[test]
fn the_moment_of_preparing_is_each_clients_own() {
    let (_database, mut proxy) = with("pool_size = 1\n");
    let text = "SELECT timestamptz 'now' = $1::timestamptz, timestamptz 'now'::text";
    let mut first = proxy.connect("a");
    let mut second = proxy.connect("b");
    let moment = |client: &mut Connection, prepared| {
        let exchange = client.execute(prepared, &[None], Format::Text).unwrap();
        exchange.last().rows[0][1].clone().unwrap()
    };
    let of_first = first.prepare("s", text).unwrap().unwrap();
    let begun = moment(&mut first, &of_first);
    let of_second = second.prepare("s", text).unwrap().unwrap();
    assert_ne!(moment(&mut second, &of_second), begun);
    assert_eq!(moment(&mut first, &of_first), begun);
    proxy.assert_sound();
}
