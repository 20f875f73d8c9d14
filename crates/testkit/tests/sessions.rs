//! Session and operation ids, and the admin statements, over both protocols.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use testkit::proxy::over;
use testkit::wire::{Connection, Format, Login, Reply};

const SETUP: &str = "\
CREATE TABLE items (id serial PRIMARY KEY, name text NOT NULL, n int NOT NULL DEFAULT 0);
CREATE TABLE parts (item_id int REFERENCES items ON DELETE CASCADE, no int, PRIMARY KEY (item_id, no));
INSERT INTO items (name) VALUES ('one'), ('two'), ('three');
INSERT INTO parts VALUES (1, 1), (1, 2), (2, 1);
";

fn column(reply: &Reply, name: &str) -> Vec<Option<String>> {
    let columns = reply.columns.as_ref().expect("a row description");
    let at = columns
        .iter()
        .position(|c| c.name == name)
        .unwrap_or_else(|| panic!("no column {name}: {columns:?}"));
    (0..reply.rows.len())
        .map(|row| reply.value(row, at))
        .collect()
}

#[test]
fn ids_by_every_way() {
    let (_database, mut proxy) = over(SETUP);
    let bare = || {
        let mut login = proxy.agent("x");
        login.parameters.clear();
        login
    };
    let session = |login: &Login| {
        let mut connection = Connection::open(login).unwrap();
        connection.value("SHOW pgdraft.session")
    };
    assert_eq!(
        session(&bare().option("pgdraft.session", "by options")),
        "by options"
    );
    assert_eq!(
        session(&bare().parameter("pgdraft.session", "by parameter")),
        "by parameter"
    );
    let mut suffix = bare();
    suffix.user.push_str("+by-suffix");
    assert_eq!(session(&suffix), "by-suffix");
    let both = bare()
        .parameter("pgdraft.session", "parameter")
        .option("pgdraft.session", "options");
    assert_eq!(session(&both), "options");
    let odd = "ünï 'quoted\" \\ ; -- $1 \u{1F600}";
    assert_eq!(session(&bare().option("pgdraft.session", odd)), odd);
    let mut strange = Connection::open(&bare().option("pgdraft.session", odd)).unwrap();
    strange.run("UPDATE items SET name = 'odd' WHERE id = 1");
    assert_eq!(strange.run("SHOW DIFF").rows.len(), 1);

    // Without an id each connection has a session of its own.
    let mut first = Connection::open(&bare()).unwrap();
    let mut second = Connection::open(&bare()).unwrap();
    let names = [&mut first, &mut second].map(|c| c.value("SHOW pgdraft.session"));
    assert_ne!(names[0], names[1]);
    first.run("DELETE FROM items WHERE id = 3");
    assert_eq!(first.value("SELECT count(*) FROM items"), "2");
    assert_eq!(second.value("SELECT count(*) FROM items"), "3");
    // Come back to it by its name.
    let mut again = Connection::open(&bare().session(&names[0])).unwrap();
    assert_eq!(again.value("SELECT count(*) FROM items"), "2");

    let longest = "ä".repeat(200);
    assert_eq!(
        session(&bare().parameter("pgdraft.session", &longest)),
        longest
    );
    for (name, value) in [
        ("pgdraft.session", ""),
        ("pgdraft.session", &"ä".repeat(201)),
        ("pgdraft.operation", ""),
        ("pgdraft.operation", &"x".repeat(201)),
    ] {
        let failure = Connection::try_open(&bare().parameter(name, value))
            .unwrap()
            .expect_err("a bad id is refused");
        assert_eq!(failure.code(), "ZD005", "{failure}");
        assert!(!failure.field('H').is_empty(), "{failure}");
    }
    let mut running = Connection::open(&bare().session("running")).unwrap();
    for statement in [
        "SET pgdraft.operation = ''".to_owned(),
        format!("SET pgdraft.operation = '{}'", "x".repeat(201)),
    ] {
        assert_eq!(running.fail(&statement).code(), "ZD005", "{statement}");
    }
    proxy.assert_sound();
}

#[test]
fn operations_as_they_are_named() {
    let (_database, mut proxy) = over(SETUP);
    let mut agent = proxy.connect("s");
    // Not named: one a transaction.
    agent.run("UPDATE items SET n = 1 WHERE id = 1");
    agent.run(
        "BEGIN; UPDATE items SET n = 2 WHERE id = 2; DELETE FROM parts WHERE item_id = 2; COMMIT",
    );
    agent.run("BEGIN; UPDATE items SET n = 9; ROLLBACK");
    agent.run("UPDATE items SET n = 1 WHERE id = 4711");
    // Named.
    agent.run("SET pgdraft.operation = 'restock'");
    assert_eq!(agent.value("SHOW pgdraft.operation"), "restock");
    agent.run("INSERT INTO items (name) VALUES ('four')");
    agent.run("BEGIN; SET LOCAL pgdraft.operation = 'local'; INSERT INTO items (name) VALUES ('five'); COMMIT");
    assert_eq!(agent.value("SHOW pgdraft.operation"), "restock");
    agent.run("RESET pgdraft.operation");
    agent.run("DELETE FROM items WHERE name = 'three'");
    let mut named =
        Connection::open(&proxy.agent("s").option("pgdraft.operation", "at startup")).unwrap();
    let exchange = named
        .extended("UPDATE items SET n = $1 WHERE id = 1", &[Some("5".into())])
        .unwrap();
    assert!(exchange.error().is_none(), "{exchange:?}");

    let operations = agent.run("SHOW OPERATIONS");
    let names: Vec<String> = column(&operations, "operation")
        .into_iter()
        .flatten()
        .collect();
    assert_eq!(
        names.iter().filter(|n| n.starts_with("op-")).count() + 3,
        names.len(),
        "{names:?}"
    );
    for name in ["restock", "local", "at startup"] {
        assert!(names.iter().any(|n| n == name), "{name} in {names:?}");
    }
    // Constants are not told: they may be secrets.
    let statements = format!("{:?}", column(&operations, "statement"));
    assert!(!statements.contains("four"), "{statements}");

    let diff = agent.run("SHOW DIFF IN SESSION 's'");
    let kinds = column(&diff, "diff_type");
    let count = |kind: &str| kinds.iter().filter(|k| k.as_deref() == Some(kind)).count();
    // items 1 and 2 modified, 3 removed, two added; one part removed.
    assert_eq!(
        (count("modified"), count("added"), count("removed")),
        (2, 2, 2),
        "{diff:?}"
    );
    let first = column(&diff, "primary_key")
        .iter()
        .position(|k| k.as_deref() == Some("{\"id\": 1}"))
        .expect("item 1 is in the diff");
    assert_eq!(
        column(&diff, "operation")[first].as_deref(),
        Some("at startup")
    );
    assert_eq!(
        column(&diff, "changed_columns")[first].as_deref(),
        Some("{n}")
    );
    let to = column(&diff, "to")[first].clone().unwrap();
    assert!(
        to.contains("\"n\": 5") && to.contains("\"name\": \"one\""),
        "{to}"
    );
    let from = column(&diff, "from")[first].clone().unwrap();
    assert!(from.contains("\"n\": 0"), "{from}");
    let parts = agent.run("SHOW DIFF TABLE parts");
    assert_eq!(parts.rows.len(), 1);
    proxy.assert_sound();
}

#[test]
fn admin_statements_over_the_extended_protocol() {
    let (database, mut proxy) = over(SETUP);
    let mut agent = proxy.connect("s");
    agent.run("UPDATE items SET n = 1 WHERE id = 1");
    let mut reviewer = proxy.connect_reviewer();
    for statement in [
        "SHOW SESSIONS",
        "SHOW DIFF IN SESSION 's'",
        "SHOW OPERATIONS IN SESSION 's';",
    ] {
        let simple = reviewer.run(statement);
        let unnamed = reviewer.extended(statement, &[]).unwrap();
        assert_eq!(unnamed.last().rows, simple.rows, "{statement}");
        let prepared = reviewer.prepare("p", statement).unwrap().unwrap();
        let described = |columns: &Option<Vec<testkit::wire::Column>>| {
            columns
                .iter()
                .flatten()
                .map(|c| (c.name.clone(), c.type_id))
                .collect::<Vec<_>>()
        };
        assert_eq!(described(&prepared.columns), described(&simple.columns));
        for _ in 0..2 {
            let binary = reviewer.execute(&prepared, &[], Format::Binary).unwrap();
            assert!(binary.error().is_none(), "{binary:?}");
            assert_eq!(binary.last().rows.len(), simple.rows.len());
            assert_eq!(binary.last().tag, simple.tag);
        }
        let closed = testkit::wire::Body::new().byte(b'S').text("p");
        reviewer.send(b'C', closed).unwrap();
        reviewer.send(b'S', testkit::wire::Body::new()).unwrap();
        reviewer.collect(None).unwrap();
    }
    // A reviewer has no draft and runs no SQL on production.
    let exchange = reviewer.simple("UPDATE items SET n = 7").unwrap();
    assert!(exchange.error().is_some());
    // What drivers say by themselves must not fail.
    for statement in [
        "SET extra_float_digits = 3",
        "SET application_name = 'x'",
        "SELECT version()",
        "BEGIN",
        "COMMIT",
        "select pg_catalog.version()",
        "show standard_conforming_strings",
        "ROLLBACK",
        "",
    ] {
        let exchange = reviewer.simple(statement).unwrap();
        assert!(exchange.error().is_none(), "{statement}: {exchange:?}");
    }
    let failure = reviewer.fail("SHOW DIFF IN SESSION 'missing'");
    assert_eq!(failure.code(), "ZD003", "{failure}");
    let failure = reviewer.fail("SHOW DIFF IN SESION 's'");
    assert_eq!(failure.code(), "42601", "{failure}");
    assert!(!failure.field('P').is_empty(), "{failure}");
    let exchange = reviewer.extended("COMMIT SESSION 's'", &[]).unwrap();
    assert_eq!(
        exchange.last().tag.as_deref(),
        Some("COMMIT SESSION"),
        "{exchange:?}"
    );
    assert_eq!(
        database.connect().value("SELECT n FROM items WHERE id = 1"),
        "1"
    );
    let states = column(&reviewer.run("SHOW SESSIONS"), "state");
    assert_eq!(states, [Some("committed".to_owned())]);
    proxy.assert_sound();
}

#[test]
fn metrics_are_served() {
    use std::io::{Read, Write};
    let (_database, mut proxy) = over(SETUP);
    let mut agent = proxy.connect("secret-session-name");
    agent.run("UPDATE items SET name = 'secret-value' WHERE id = 1");
    let mut socket = std::net::TcpStream::connect(("127.0.0.1", proxy.metrics_port())).unwrap();
    socket
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("# TYPE pgdraft_"), "{answer}");
    assert!(!answer.contains("secret"), "{answer}");
    assert!(!proxy.log().contains("secret-value"));
    proxy.assert_sound();
}

#[test]
fn a_session_stays_bound_whatever_the_client_resets() {
    let (_database, mut proxy) = over(SETUP);
    let mut agent = proxy.connect("s");
    agent.run("UPDATE items SET name = 'draft' WHERE id = 1");
    let read = "SELECT name FROM items WHERE id = 1";
    for reset in ["DISCARD SEQUENCES", "DISCARD ALL", "RESET ALL"] {
        agent.run(reset);
        assert_eq!(agent.value(read), "draft", "{reset}");
    }
    agent.run("BEGIN READ ONLY; RESET ALL");
    assert_eq!(agent.value(read), "draft");
    agent.run("COMMIT");
    // A client that only reads by default.
    let login = proxy
        .agent("s")
        .option("default_transaction_read_only", "on");
    let mut reader = Connection::open(&login).unwrap();
    assert_eq!(reader.value(read), "draft");
    assert_eq!(
        reader.fail("DELETE FROM items WHERE id = 1").code(),
        "25006"
    );
    // Of the client's own sequences nothing is known.
    assert_eq!(reader.fail("SELECT lastval()").code(), "55000");
    proxy.assert_sound();
}

#[test]
fn statements_of_one_transaction_are_one_operation() {
    let (database, mut proxy) = over(SETUP);
    let mut agent = proxy.connect("s");
    let rename = "UPDATE items SET name = 'x' WHERE id = 1";
    agent.run("BEGIN");
    agent.run("SAVEPOINT a");
    agent.run(rename);
    // takes the operation with it
    agent.run("ROLLBACK TO a");
    agent.run(rename);
    agent.run("DELETE FROM parts WHERE no = 2");
    agent.run(rename);
    agent.run("COMMIT");
    agent.run(rename);
    let mut superuser = database.connect();
    let kept = "SELECT name, replace(statement, E'\\n', ' ') FROM pgdraft.operations ORDER BY op";
    let redacted = "UPDATE items SET name = $1 WHERE id = $2";
    assert_eq!(
        superuser.run(kept).table(),
        [
            format!("op-1|{redacted}; DELETE FROM parts WHERE no = $1"),
            format!("op-2|{redacted}")
        ]
    );
    let logged = "SELECT count(*) FROM pgdraft.operations o WHERE NOT EXISTS \
        (SELECT FROM pgdraft.d1_log l WHERE l.pgdraft_op = o.op)";
    assert_eq!(superuser.value(logged), "0");
    proxy.assert_sound();
}

/// A statement that was planned before a table was changed is planned anew by the next connection of the
/// session, although that one learns of all changed tables at once.
#[test]
fn a_session_that_comes_back_sees_all_that_it_changed() {
    let (_database, mut proxy) = over(
        "CREATE TABLE a (id int PRIMARY KEY, v int); CREATE TABLE b (id int PRIMARY KEY, v int);
         INSERT INTO a VALUES (1, 1); INSERT INTO b VALUES (1, 1), (2, 1);",
    );
    let read = "SELECT sum(v) FROM b";
    let write = "UPDATE b SET v = v + 1 WHERE id = 1";
    let mut agent = proxy.connect("back");
    agent.run("UPDATE a SET v = 2 WHERE id = 1");
    assert_eq!(agent.value(read), "2");
    agent.run(write);
    assert_eq!(agent.value(read), "3");
    drop(agent);
    // the process forgets the session with its last connection
    let begun = std::time::Instant::now();
    while proxy
        .review("SHOW CLIENTS")
        .table()
        .iter()
        .any(|c| c.contains("agent"))
    {
        assert!(begun.elapsed() < std::time::Duration::from_secs(30));
    }
    let mut agent = proxy.connect("back");
    assert_eq!(agent.value(read), "3");
    agent.run(write);
    assert_eq!(agent.value(read), "4");
    proxy.assert_sound();
}

/// A session without a name gets its row at its first change: a transaction of one snapshot must know of it.
#[test]
fn a_first_change_in_a_transaction_of_one_snapshot() {
    let (_database, mut proxy) = over(SETUP);
    let nameless = || {
        let mut login = proxy.agent("x");
        login.parameters.clear();
        login
    };
    let change = "INSERT INTO items (name) VALUES ('late')";
    let begins = [
        vec!["BEGIN ISOLATION LEVEL SERIALIZABLE"],
        vec!["BEGIN", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"],
        vec![
            "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            "SELECT 1",
            "BEGIN",
        ],
        vec![
            "SET default_transaction_isolation = 'repeatable read'",
            "BEGIN",
        ],
    ];
    for begin in begins {
        let mut connection = Connection::open(&nameless()).unwrap();
        for statement in begin {
            connection.run(statement);
        }
        connection.run("SELECT count(*) FROM parts");
        connection.run(change);
        assert_eq!(connection.value("SELECT count(*) FROM items"), "4");
        connection.run("COMMIT");
    }
    // no change of a table: one that was not bound before stays so
    for begin in [
        "BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY",
        "BEGIN READ ONLY; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    ] {
        let mut connection = Connection::open(&nameless()).unwrap();
        connection.run("CREATE TEMP TABLE own (a int)");
        for statement in begin.split("; ") {
            connection.run(statement);
        }
        connection.run("INSERT INTO own VALUES (1)");
        connection.value("SELECT count(*) FROM pg_class");
        connection.run("COMMIT");
    }
    let by_startup = nameless().option("default_transaction_isolation", "serializable");
    let mut connection = Connection::open(&by_startup).unwrap();
    connection.run("BEGIN");
    connection.run("SELECT 1");
    connection.run(change);
    connection.run("COMMIT");
    // what nobody can see coming is an error that is tried again
    let mut connection = Connection::open(&nameless()).unwrap();
    connection
        .run("SELECT set_config('default_transaction_isolation', 'serial' || 'izable', false)");
    connection.run("BEGIN");
    connection.run("SELECT 1");
    assert_eq!(connection.fail(change).code(), "40001");
    connection.run("ROLLBACK");
    connection.run("BEGIN");
    connection.run(change);
    connection.run("COMMIT");
    proxy.assert_sound();
}
