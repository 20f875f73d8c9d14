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
        "UPDATE orders SET status = $$hush-2$$ || E'\\x41' || U&'hush-3', qty = -4711 WHERE id = 2",
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
        Some("815"),
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

const SECRETS: [&str; 6] = ["hush", "4711", "it''s", "815", "12.340", "happy"];

/// No text of the schema holds what nobody is to read.
fn stored(database: &Database) -> String {
    let mut base = database.connect();
    let operations = base.run("SELECT * FROM pgdraft.operations").table();
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
        "UPDATE orders SET status = $$hush-2$$ || E'\\x41' || U&'hush-3', qty = -4711 WHERE id = 2"
    );
    assert_eq!(
        full[2],
        "UPDATE orders SET status = $1, price = $2 WHERE id = $3 /* parameters: $1 = 'it''s', $2 = NULL, $3 = '3' */"
    );
    assert!(
        full[3].ends_with(
            "/* parameters: $1 = '815', $2 = '12.340', $3 = 'AH', $4 = 'happy', $5 = 'x', $6 = '4' */"
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
    let refused = Connection::open(&other.reviewer())
        .unwrap()
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
    // another session may use it
    let mut other = proxy.connect("t");
    other.run("SET pgdraft.operation = 'close'");
    other.run("UPDATE orders SET qty = 1 WHERE id = 1");
}
