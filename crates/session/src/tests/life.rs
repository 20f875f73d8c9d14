//! How connections begin and end, limits, cancel, and peers that go away.

use std::time::Duration;

use crate::testing::{Frames, Server, field, summary};

fn plain(server: &Server) -> Frames {
    let parameters = [("user", "bob"), ("database", server.database.as_str())];
    Frames::connect(server.address, &parameters)
}

#[test]
fn startup_is_judged() {
    let server = Server::start("life_startup");
    let refused = |parameters: &[(&str, &str)]| {
        let body = Frames::try_connect(server.address, parameters)
            .err()
            .unwrap();
        assert!(field(&body, b'H').is_some(), "a hint");
        assert_eq!(field(&body, b'S').as_deref(), Some("FATAL"));
        field(&body, b'C').unwrap()
    };
    let database = server.database.as_str();
    assert_eq!(refused(&[("user", "bob"), ("database", "nosuch")]), "3D000");
    let options = |options| {
        [
            ("user", "bob"),
            ("database", database),
            ("options", options),
        ]
    };
    assert_eq!(refused(&options("-c pgdraft.session=")), "ZD005");
    assert_eq!(refused(&options("-c pgdraft.nosuch=1")), "42704");
    assert_eq!(refused(&options("-c role=postgres")), "0A000");
    assert_eq!(refused(&options("-c nosuch=1")), "42704");
    let mut c = Frames::connect(
        server.address,
        &[
            ("user", "bob"),
            (
                "options",
                "-c work_mem=7MB -c search_path=pg_catalog,\\ public",
            ),
            ("application_name", "tests"),
            ("client_encoding", "'utf-8'"),
        ],
    );
    assert_eq!(c.query("SHOW work_mem"), "T D(7MB) C=SHOW Z=I");
    assert_eq!(
        c.query("SHOW search_path"),
        "T D(pg_catalog, public) C=SHOW Z=I"
    );
    assert_eq!(c.query("SHOW application_name"), "T D(tests) C=SHOW Z=I");
    assert!(
        c.parameters
            .contains(&("client_encoding".to_owned(), "UTF8".to_owned()))
    );
}

#[test]
fn limits_and_what_is_never_forwarded() {
    let server = Server::start("life_limits");
    let mut c = plain(&server);
    let long = format!("SELECT '{}'", "x".repeat(3 << 20));
    assert_eq!(c.query(&long), "E=54000 Z=I");
    assert_eq!(c.query("SELECT 1"), "T D(1) C=SELECT 1 Z=I");
    assert_eq!(c.extended(&long, &[]), "E=54000 Z=I");
    assert_eq!(c.query(&"SELECT 1;".repeat(1001)), "E=54000 Z=I");
    let all = c.query(&"SELECT 1;".repeat(999));
    assert_eq!(all.matches("C=SELECT 1").count(), 999);
    c.raw(b'F', &[0, 0, 6, 62, 0, 0, 0, 0, 0, 0]);
    assert_eq!(c.shown(1), "E=0A000 Z=I");
    for name in ["P", "S"] {
        match name {
            "P" => c.parse("pgdraft_begin_write", "select 1"),
            _ => c.describe(b'S', "pgdraft_path"),
        };
        c.sync();
        assert_eq!(c.shown(1), "E=42602 Z=I");
    }
    c.raw(b'Q', b"select '\xff'\0");
    assert_eq!(c.shown(1), "E=22021 Z=I");
    assert_eq!(c.query("SELECT 1"), "T D(1) C=SELECT 1 Z=I");
    // a Bind that is too long to be looked at whole
    let large = "y".repeat(5 << 20);
    assert_eq!(
        c.extended("SELECT length($1::text)", &[Some(&large)]),
        format!("1 2 T D({}) C=SELECT 1 Z=I", 5 << 20)
    );
}

#[test]
fn cancel_reaches_the_statement() {
    let server = Server::start("life_cancel");
    let mut c = plain(&server);
    wire::encode::query(&mut c.out, "SELECT pg_sleep(60)");
    c.send();
    let ask = |pid: i32, key: &[u8]| {
        let mut out = Vec::new();
        wire::encode::cancel_request(&mut out, pid, key);
        let mut socket = std::net::TcpStream::connect(server.address).unwrap();
        std::io::Write::write_all(&mut socket, &out).unwrap();
        drop(std::io::Read::read(&mut socket, &mut [0; 1]));
    };
    ask(c.pid, &[0, 0, 0, 0]);
    assert_eq!(
        summary(&c.read_for(b'Z', 1, Duration::from_millis(300))),
        "TIMEOUT"
    );
    ask(c.pid, &c.key.clone());
    assert_eq!(summary(&c.read_until(b'Z', 1)), "T E=57014 Z=I");
}

#[test]
fn a_client_that_vanishes_leaves_nothing_running() {
    let server = Server::start("life_vanish");
    let mut c = plain(&server);
    wire::encode::query(&mut c.out, "SELECT pg_sleep(60)");
    c.vanish();
    let running = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND usename = 'agent'",
        server.database
    );
    for _ in 0..200 {
        if server.cluster.psql("postgres", &running).trim() == "0"
            && server.shared.connections() == 0
        {
            return;
        }
    }
    panic!("the statement still runs");
}

#[test]
fn upstream_that_dies_is_told() {
    let server = Server::start("life_dies");
    let mut c = plain(&server);
    c.query("BEGIN");
    wire::encode::query(&mut c.out, "SELECT pg_sleep(60)");
    c.send();
    let kill = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}' AND query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()",
        server.database
    );
    while server.cluster.psql("postgres", &kill).trim() != "t" {}
    let told = summary(&c.read_until(b'!', 1));
    assert!(told.ends_with("E=57P01 EOF"), "{told}");
    assert_eq!(plain(&server).query("SELECT 1"), "T D(1) C=SELECT 1 Z=I");
}

#[test]
fn draining_ends_connections_when_they_are_idle() {
    let server = Server::start("life_drain");
    let (mut idle, mut busy) = (plain(&server), plain(&server));
    assert_eq!(idle.query("SELECT 1"), "T D(1) C=SELECT 1 Z=I");
    assert_eq!(busy.query("BEGIN"), "C=BEGIN Z=T");
    server.drain.send(true).unwrap();
    assert_eq!(summary(&idle.read_until(b'!', 1)), "E=57P01 EOF");
    assert_eq!(busy.query("SELECT 1"), "T D(1) C=SELECT 1 Z=T");
    wire::encode::query(&mut busy.out, "COMMIT");
    assert_eq!(
        summary(&busy.send().read_until(b'!', 1)),
        "C=COMMIT Z=I E=57P01 EOF"
    );
}

#[test]
fn the_console_answers_any_driver() {
    let server = Server::start("life_console");
    for parameters in [
        [("user", "reviewer"), ("database", server.database.as_str())],
        [("user", "bob"), ("database", "pgdraft")],
    ] {
        let mut c = Frames::connect(server.address, &parameters);
        assert!(
            c.parameters
                .contains(&("server_version".to_owned(), "15.18".to_owned()))
        );
        assert!(c.query("SHOW SESSIONS").ends_with("C=SHOW Z=I"));
        assert!(c.extended("SHOW SESSIONS", &[]).starts_with("1 2 T D("));
        assert_eq!(c.query("SET extra_float_digits = 3"), "C=SET Z=I");
        assert_eq!(c.query("select 1"), "T D(1) C=SELECT 1 Z=I");
        assert_eq!(c.query("BEGIN"), "C=BEGIN Z=T");
        assert_eq!(c.query("SELECT * FROM orders"), "E=0A000 Z=E");
        assert_eq!(c.query("SHOW SESSIONS"), "E=25P02 Z=E");
        assert_eq!(c.query("COMMIT"), "C=ROLLBACK Z=I");
        assert_eq!(c.query(""), "I Z=I");
        c.parse("", "DROP TABLE orders")
            .bind("", "", &[])
            .execute("", 0)
            .sync();
        assert_eq!(c.shown(1), "E=0A000 Z=I");
        c.raw(b'Q', b"short");
        assert_eq!(c.shown(1), "E=08P01 Z=I");
    }
}

#[test]
fn a_large_result_and_a_slow_client() {
    let server = Server::start("life_bulk");
    let mut c = plain(&server);
    wire::encode::query(
        &mut c.out,
        "SELECT generate_series(1, 300000), repeat('x', 50)",
    );
    c.send();
    // another client is served meanwhile
    assert_eq!(plain(&server).query("SELECT 1"), "T D(1) C=SELECT 1 Z=I");
    let messages = c.read_until(b'Z', 1);
    assert_eq!(messages.len(), 300_003);
    // a pipeline that is written before anything is read
    for _ in 0..5000 {
        c.parse("", "SELECT 1")
            .bind("", "", &[])
            .execute("", 0)
            .sync();
    }
    let all = c.shown(5000);
    assert_eq!(all.matches("1 2 D(1) C=SELECT 1 Z=I").count(), 5000);
}
