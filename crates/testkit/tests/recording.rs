//! What is recorded of operations: their statements with or without constants and parameters, an id
//! used again, what a decision read.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use testkit::Database;
use testkit::proxy::{Proxy, Settings, over_with};
use testkit::wire::{Connection, Format, Reply};

const SETUP: &str = "\
CREATE DOMAIN shout AS text CHECK (value = upper(value));
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TABLE orders (id int PRIMARY KEY, status text NOT NULL, qty int, price numeric, loud shout, mood mood);
INSERT INTO orders SELECT i, 'todo', 10, 1.50 FROM generate_series(1, 10) i;
";

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";

fn recording(config: &str) -> (Database, Proxy) {
    let settings = Settings {
        config: config.to_owned(),
        ..Settings::default()
    };
    over_with(SETUP, &settings)
}

fn column(reply: &Reply, name: &str) -> Vec<String> {
    let columns = reply.columns.as_ref().expect("a row description");
    let at = columns.iter().position(|c| c.name == name).expect(name);
    (0..reply.rows.len())
        .map(|row| reply.value(row, at).unwrap_or_default())
        .collect()
}

/// Constants of every kind, parameters as text and in binary form, and NULL.
fn work(proxy: &Proxy) {
    let mut agent = proxy.connect("s");
    agent.run("UPDATE orders SET status = 'hush-1' WHERE id = 1");
    agent.run(
        "UPDATE orders SET status = $$hush-2$$ || E'\\x41' || U&'hush-3', qty = -471147114 WHERE id = 2",
    );
    let values = |texts: &[Option<&str>]| -> Vec<Option<String>> {
        texts.iter().map(|t| t.map(str::to_owned)).collect()
    };
    agent
        .extended(
            "UPDATE orders SET status = $1, price = $2 WHERE id = $3",
            &values(&[Some("it's"), None, Some("3")]),
        )
        .unwrap();
    let prepared = agent
        .prepare("p", "UPDATE orders SET qty = $1, price = $2, loud = $3, mood = $4, status = $5 WHERE id = $6")
        .unwrap()
        .unwrap();
    let sent = values(&[
        Some("815081508"),
        Some("12.340"),
        Some("AH"),
        Some("happy"),
        Some("x"),
        Some("4"),
    ]);
    let done = agent.execute(&prepared, &sent, Format::Binary).unwrap();
    assert!(done.error().is_none(), "{done:?}");
    agent.run("PREPARE up (int, text) AS UPDATE orders SET status = $2 WHERE id = $1");
    agent.run("EXECUTE up (5, 'hush-5')");
    let long = values(&[Some(&"z".repeat(70_000))]);
    agent
        .extended("UPDATE orders SET status = $1 WHERE id = 6", &long)
        .unwrap();
}

const SECRETS: [&str; 6] = ["hush", "471147114", "it''s", "815081508", "12.340", "happy"];

/// No text of the schema holds what nobody is to read.
fn stored(database: &Database) -> String {
    let mut base = database.connect();
    let operations = base.run("SELECT statement FROM pgdraft.operations").table();
    let kept = base
        .run("SELECT encode(content, 'escape') FROM pgdraft.statements")
        .table();
    [operations, kept].concat().join("\n")
}

#[test]
fn statements_are_redacted_by_default() {
    let (database, proxy) = recording("");
    work(&proxy);
    let shown = column(&proxy.review("SHOW OPERATIONS IN SESSION 's'"), "statement");
    assert_eq!(shown[0], "UPDATE orders SET status = $1 WHERE id = $2");
    let full = proxy.review("SHOW OPERATIONS IN SESSION 's' FULL");
    assert_eq!(column(&full, "statement"), shown);
    let stored = stored(&database);
    for secret in SECRETS {
        assert!(!stored.contains(secret), "{secret}: {stored}");
    }
}

fn shown_in_full(proxy: &Proxy) {
    let full = column(
        &proxy.review("SHOW OPERATIONS IN SESSION 's' FULL"),
        "statement",
    );
    assert_eq!(full[0], "UPDATE orders SET status = 'hush-1' WHERE id = 1");
    assert_eq!(
        full[1],
        "UPDATE orders SET status = $$hush-2$$ || E'\\x41' || U&'hush-3', qty = -471147114 WHERE id = 2"
    );
    assert_eq!(
        full[2],
        "UPDATE orders SET status = $1, price = $2 WHERE id = $3 /* parameters: $1 = 'it''s', $2 = NULL, $3 = '3' */"
    );
    assert!(
        full[3].ends_with(
            "/* parameters: $1 = '815081508', $2 = '12.340', $3 = 'AH', $4 = 'happy', $5 = 'x', $6 = '4' */"
        ),
        "{}",
        full[3]
    );
    assert_eq!(
        full[4],
        "EXECUTE up (5, 'hush-5') /* UPDATE orders SET status = $2 WHERE id = $1 */"
    );
    assert!(
        full[5].ends_with("/* parameters: too long to be kept */"),
        "{}",
        full[5]
    );
    // without FULL they stay redacted
    let short = column(&proxy.review("SHOW OPERATIONS IN SESSION 's'"), "statement");
    assert!(short.iter().all(|s| !s.contains("hush")), "{short:?}");
}

#[test]
fn statements_are_kept_in_full() {
    let (_database, mut proxy) = recording("[operations]\nparameters = \"full\"\n");
    work(&proxy);
    shown_in_full(&proxy);
    // An agent does not see them, and a copy of the operations has them too.
    let mut agent = proxy.connect("s");
    assert_eq!(
        agent.fail("SHOW OPERATIONS IN SESSION 's' FULL").code(),
        "42501"
    );
    assert_eq!(
        agent.fail("SELECT * FROM pgdraft.statements").code(),
        "42501"
    );
    agent.run("FORK SESSION 's' AS 't'");
    let forked = proxy.review("SHOW OPERATIONS IN SESSION 't' FULL");
    assert!(column(&forked, "statement")[0].contains("hush-1"));
    let taken = agent.run("DISCARD OPERATIONS 'op-1' IN SESSION 's'");
    assert!(taken.error.is_none());
    agent.run("REWIND SESSION 's' TO OPERATION 'op-2'");
    let left = proxy.review("SHOW OPERATIONS IN SESSION 's' FULL");
    assert_eq!(column(&left, "operation"), ["op-1", "op-2"]);
    proxy.assert_sound();
}

#[test]
fn statements_are_sealed() {
    let config = format!("[operations]\nparameters = \"encrypted\"\nkey = \"{KEY}\"\n");
    let (database, mut proxy) = recording(&config);
    work(&proxy);
    shown_in_full(&proxy);
    let stored = stored(&database);
    for secret in SECRETS {
        assert!(!stored.contains(secret), "{secret}: {stored}");
    }
    let shown = proxy.review("SHOW CONFIG").table().join("\n");
    assert!(!shown.contains("0011"), "{shown}");
    proxy.assert_sound();
    assert!(!proxy.log().contains("hush"));

    // Another process without the key: told, not guessed.
    let other = Proxy::start(&database);
    let refused = other
        .connect_reviewer()
        .fail("SHOW OPERATIONS IN SESSION 's' FULL");
    assert_eq!(refused.code(), "55000");
}

#[test]
fn an_operation_id_is_refused_the_second_time() {
    let (_database, proxy) = recording("[operations]\nreuse = \"refuse\"\n");
    let mut agent = proxy.connect("s");
    agent.run("SET pgdraft.operation = 'close'");
    agent.run("BEGIN; UPDATE orders SET qty = 1 WHERE id = 1; UPDATE orders SET qty = 2 WHERE id = 2; COMMIT");
    let refused = agent.fail("UPDATE orders SET qty = 3 WHERE id = 3");
    assert_eq!(refused.code(), "ZD023");
    assert_eq!(refused.message(), "operation \"close\" has ended");
    assert!(
        refused
            .field('D')
            .starts_with("An earlier transaction of session \"s\" used this id, at 20"),
        "{refused:?}"
    );
    assert!(
        refused
            .field('H')
            .starts_with("Set pgdraft.operation to an id that is new"),
        "{refused:?}"
    );
    // within a transaction it fails as any statement would
    agent.run("BEGIN");
    assert_eq!(
        agent.fail("UPDATE orders SET qty = 3 WHERE id = 3").code(),
        "ZD023"
    );
    assert_eq!(agent.fail("SELECT 1").code(), "25P02");
    agent.run("ROLLBACK");
    agent.run("SET pgdraft.operation = 'open'");
    agent.run("UPDATE orders SET qty = 3 WHERE id = 3");
    agent.run("RESET pgdraft.operation");
    agent.run("UPDATE orders SET qty = 4 WHERE id = 4");
    agent.run("UPDATE orders SET qty = 5 WHERE id = 5");
    let shown = proxy.review("SHOW OPERATIONS IN SESSION 's'");
    assert_eq!(
        column(&shown, "operation"),
        ["close", "open", "op-1", "op-2"]
    );
    assert_eq!(column(&shown, "updated"), ["2", "1", "1", "1"]);
    assert_eq!(column(&shown, "agent"), ["agent"; 4]);
    assert_eq!(column(&shown, "client_address"), ["127.0.0.1"; 4]);
    assert_eq!(column(&shown, "tables"), ["{public.orders}"; 4]);
    let took = column(&shown, "duration_ms");
    assert!(took.iter().all(|ms| ms.parse::<u64>().is_ok()), "{took:?}");
    assert!(column(&shown, "started_at").is_sorted());
    // another session may use it
    let mut other = proxy.connect("t");
    other.run("SET pgdraft.operation = 'close'");
    other.run("UPDATE orders SET qty = 1 WHERE id = 1");
}

fn rows(reply: &Reply) -> Vec<String> {
    let wanted = [
        "operation",
        "table",
        "rows_read",
        "changed",
        "removed",
        "primary_keys",
    ];
    let columns: Vec<Vec<String>> = wanted.iter().map(|name| column(reply, name)).collect();
    (0..reply.rows.len())
        .map(|row| {
            let values: Vec<&str> = columns.iter().map(|c| c[row].as_str()).collect();
            values.join(" ")
        })
        .collect()
}

fn notices(connection: &mut Connection, text: &str) -> Vec<String> {
    let exchange = connection.simple(text).unwrap();
    assert!(exchange.error().is_none(), "{text}: {exchange:?}");
    let said = exchange.last().notices.iter();
    said.map(|n| n.message().to_owned()).collect()
}

/// Reads over every protocol, then changes: the operations `close` and `order`.
fn decide(agent: &mut Connection) {
    let told = |values: &[&str]| -> Vec<Option<String>> {
        values.iter().map(|v| Some((*v).to_owned())).collect()
    };

    // the same answers as ever
    assert_eq!(
        agent.value("SELECT sum(qty) FROM orders WHERE id <= 3"),
        "30"
    );
    let reply = agent
        .extended(
            "SELECT n FROM stock s WHERE s.a = $1 AND b = $2",
            &told(&["7", "x7"]),
        )
        .unwrap();
    assert_eq!(reply.last().value(0, 0).as_deref(), Some("7"));
    // where the server cannot know the type of a parameter from the condition alone, the table counts
    for (name, text, values) in [
        (
            "q",
            "SELECT a FROM stock WHERE a BETWEEN $1 AND $2 ORDER BY a LIMIT 1",
            ["20", "21"],
        ),
        (
            "r",
            "SELECT a, $2::text FROM stock WHERE a = $1",
            ["8", "hush"],
        ),
    ] {
        let prepared = agent.prepare(name, text).unwrap().unwrap();
        let reply = agent
            .execute(&prepared, &told(&values), Format::Binary)
            .unwrap();
        assert!(reply.error().is_none(), "{reply:?}");
    }
    agent.run("SET pgdraft.operation = 'close'");
    agent.run("UPDATE orders SET status = 'done' WHERE id = 1");
    // another decision: a join, and more rows than are told apart
    agent.run("SET pgdraft.operation = 'order'");
    agent.run("BEGIN; INSERT INTO orders (id, status) SELECT a + 100, b FROM stock WHERE a = 3; SELECT count(*) FROM stock; COMMIT");
    // what fails fails as ever, and what only reads is left alone
    assert_eq!(
        agent.fail("SELECT 1 / (id - 1) FROM orders").code(),
        "22012"
    );
    agent.run("BEGIN READ ONLY; SELECT * FROM stock WHERE a = 9; COMMIT");
    agent.run("SELECT * FROM stock WHERE a = 10 AND b = 'x11'");
    agent.run("EXPLAIN SELECT * FROM stock");
}

/// What a decision was made on, over every protocol, and what production did to it afterwards.
#[test]
fn reads_that_went_stale_are_told() {
    let (database, mut proxy) = recording("[operations]\nreads = [\"agent\"]\n");
    let mut production = database.connect();
    production.run("CREATE TABLE stock (a int, b text, n numeric, PRIMARY KEY (a, b)); INSERT INTO stock SELECT g, 'x' || g, g FROM generate_series(1, 1200) g; GRANT SELECT ON stock TO PUBLIC");
    let mut rita = proxy.connect_reviewer();
    let mut agent = proxy.connect("s");
    decide(&mut agent);

    assert!(rows(&rita.run("SHOW STALE READS IN SESSION 's'")).is_empty());
    let before = notices(&mut rita, "SHOW DIFF IN SESSION 's'");
    assert_eq!(before.len(), 1, "{before:?}");

    production.run("UPDATE orders SET qty = 11 WHERE id IN (2, 9)");
    production.run("UPDATE orders SET qty = qty WHERE id = 3");
    production.run("DELETE FROM stock WHERE a IN (7, 20)");
    production.run("UPDATE stock SET n = 0 WHERE a = 9");
    assert_eq!(
        rows(&agent.run("SHOW STALE READS")),
        [
            "close public.orders 3 1 0 [[2]]",
            "close public.stock 1 0 1 [[7, \"x7\"]]",
            "close public.stock 2 0 1 [[20, \"x20\"]]",
            "close public.stock  1  ",
            "order public.stock  1  ",
            "order public.stock  1  ",
        ]
    );
    let sentence = "3 rows this decision read have changed since";
    assert_eq!(notices(&mut rita, "SHOW DIFF IN SESSION 's'")[1], sentence);
    assert_eq!(
        notices(&mut rita, "SHOW DIFF IN SESSION 's' SUMMARY"),
        [sentence]
    );

    // neither constants nor parameters are in what is kept
    let kept = database
        .connect()
        .run("SELECT * FROM pgdraft.read_sets")
        .table()
        .join("\n");
    assert!(
        !kept.contains("hush") && kept.contains("s.a = $1"),
        "{kept}"
    );
    // the other agent's reads are not recorded
    let mut other = Connection::open(&proxy.agent_named("other", "o")).unwrap();
    other.run("SELECT * FROM stock WHERE a = 1");
    other.run("UPDATE orders SET qty = 0 WHERE id = 5");
    assert_eq!(
        production.value("SELECT count(DISTINCT sid) FROM pgdraft.read_sets"),
        "1"
    );
    assert_eq!(
        other.fail("SHOW STALE READS IN SESSION 's'").code(),
        "ZD003"
    );
    assert_eq!(
        agent.fail("SELECT * FROM pgdraft.read_sets").code(),
        "42501"
    );
    rita.run("DISCARD SESSION 's'");
    assert_eq!(rita.fail("SHOW STALE READS IN SESSION 's'").code(), "ZD002");
    proxy.assert_sound();
}

/// With `operations.parameters = "full"` a read is kept with its condition, and rows that it would find today
/// are told: those that came, those that changed into it, and the one that was looked for and not there.
#[test]
fn rows_that_a_read_would_find_today_are_told() {
    let (database, mut proxy) =
        recording("[operations]\nreads = [\"agent\"]\nparameters = \"full\"\n");
    let mut production = database.connect();
    production.run(
        "CREATE TYPE temper AS ENUM ('good', 'bad');
         CREATE TABLE s (a int PRIMARY KEY, b text, n numeric, at timestamptz, m temper, f boolean);
         INSERT INTO s SELECT g, 'x' || g % 3, g, '2026-01-01', 'good', true FROM generate_series(1, 20) g;
         CREATE TABLE other (id int PRIMARY KEY); CREATE TABLE private (id int PRIMARY KEY);
         ALTER TABLE private ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON private USING (true);
         GRANT SELECT ON s, other, private TO PUBLIC",
    );
    let mut agent = proxy.connect("s");
    for read in [
        "SELECT n FROM s WHERE b = 'x1' AND n < 10.5",
        "SELECT * FROM s WHERE a = 99",
        "SELECT count(*) FROM s x WHERE x.at >= '2026-02-01 00:00+00' OR x.a IN (-1, NULL)",
        "SELECT a FROM s WHERE b = E'it\\'s' AND NOT f",
        "SELECT a FROM s WHERE m = 'bad' AND a BETWEEN 90 AND 100",
        "SELECT a FROM s WHERE upper(b) = 'X1' AND a < 0",
        "SELECT * FROM other",
        "SELECT * FROM private WHERE id = 1",
    ] {
        agent.run(read);
    }
    for (text, values) in [
        (
            "SELECT a FROM s WHERE n > $1 AND b <> ALL ($2)",
            ["1000", "{x9}"],
        ),
        ("SELECT a FROM s WHERE b = $1 AND a = $2", ["it's", "5"]),
    ] {
        let values: Vec<Option<String>> = values.iter().map(|v| Some((*v).to_owned())).collect();
        agent.extended(text, &values).unwrap();
    }
    agent.run("UPDATE orders SET status = 'done' WHERE id = 1");
    let stale = |agent: &mut Connection| {
        let all = agent.run("SHOW STALE READS");
        let short =
            |row: usize| [3, 4, 5, 6].map(|column| all.value(row, column).unwrap_or_default());
        (0..all.rows.len())
            .map(|row| short(row).join(" "))
            .collect::<Vec<_>>()
    };
    assert!(stale(&mut agent).is_empty());
    production.run(
        "INSERT INTO s VALUES (99, 'x1', 3, '2026-03-01', 'bad', true), (98, 'it''s', 2000, '2025-01-01', 'good', false);
         UPDATE s SET n = 1 WHERE a = 19; UPDATE s SET n = n WHERE a = 1; INSERT INTO other VALUES (1); INSERT INTO private VALUES (1)",
    );
    let expected = [
        "0 0 2 [[19], [99]]",
        "0 0 1 [[99]]",
        "0 0 1 [[99]]",
        "0 0 1 [[98]]",
        // a type of the user's, a function: whatever meets the rest of the condition may be found
        "0 0 2 [[98], [99]]",
        "0 0 1 [[1]]",
        "0 0 1 [[98]]",
    ];
    assert_eq!(stale(&mut agent), expected);
    // a column that is gone, or cannot be compared any more: whatever came
    production.run("ALTER TABLE s DROP COLUMN n, ALTER b TYPE int USING 5");
    let first = stale(&mut agent).remove(0);
    assert!(first.starts_with("4 0 18 [[1], [4], "), "{first}");
    // who notes what is no condition notes a read without one
    production.run("UPDATE pgdraft.read_sets SET asked = ARRAY['o; SELECT 1']");
    assert!(!stale(&mut agent).is_empty());
    proxy.assert_sound();
}
