//! Operations and diffs as a reviewer sees them: parts of a diff, summaries, fingerprints, relations.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use testkit::proxy::{Proxy, over};
use testkit::wire::Reply;

const SETUP: &str = "\
CREATE TABLE orders (id int PRIMARY KEY, status text NOT NULL, qty int, note text);
CREATE TABLE lines (order_id int REFERENCES orders ON DELETE CASCADE, no int, sku text UNIQUE, PRIMARY KEY (order_id, no));
INSERT INTO orders SELECT i, 'todo', 10, 'note ' || i FROM generate_series(1, 300) i;
INSERT INTO lines SELECT i, 1, 'sku-' || i FROM generate_series(1, 20) i;
";

fn column(reply: &Reply, name: &str) -> Vec<String> {
    let columns = reply.columns.as_ref().expect("a row description");
    let at = columns
        .iter()
        .position(|c| c.name == name)
        .unwrap_or_else(|| panic!("no column {name}: {columns:?}"));
    (0..reply.rows.len())
        .map(|row| reply.value(row, at).unwrap_or_default())
        .collect()
}

/// Chosen columns of every row, put together with blanks.
fn lines(reply: &Reply, names: &[&str]) -> Vec<String> {
    let columns: Vec<Vec<String>> = names.iter().map(|name| column(reply, name)).collect();
    (0..reply.rows.len())
        .map(|row| {
            let values: Vec<&str> = columns.iter().map(|c| c[row].as_str()).collect();
            values.join(" ")
        })
        .collect()
}

/// One operation of a session.
fn operation(proxy: &Proxy, session: &str, name: &str, statements: &str) {
    let mut agent = proxy.connect(session);
    agent.run(&format!(
        "BEGIN; SET LOCAL pgdraft.operation = '{name}'; {statements}; COMMIT"
    ));
}

#[test]
fn parts_of_a_diff() {
    let (_database, mut proxy) = over(SETUP);
    operation(
        &proxy,
        "s",
        "close",
        "UPDATE orders SET status = 'done' WHERE id <= 3",
    );
    operation(
        &proxy,
        "s",
        "count",
        "UPDATE orders SET qty = 9 WHERE id = 3",
    );
    operation(
        &proxy,
        "s",
        "swap",
        "DELETE FROM orders WHERE id = 1; INSERT INTO orders VALUES (301, 'new', 1, repeat('x', 2000))",
    );
    operation(
        &proxy,
        "s",
        "undo",
        "UPDATE orders SET status = 'todo' WHERE id = 2",
    );
    let show = |rest: &str| proxy.review(&format!("SHOW DIFF IN SESSION 's' {rest}"));
    let keys = |rest: &str| {
        lines(
            &show(rest),
            &["operation", "table", "diff_type", "primary_key"],
        )
    };

    // Net: what went back to what it was is not there.
    assert_eq!(
        keys(""),
        [
            "swap public.lines removed {\"no\": 1, \"order_id\": 1}",
            "swap public.orders removed {\"id\": 1}",
            "count public.orders modified {\"id\": 3}",
            "swap public.orders added {\"id\": 301}",
        ]
    );
    assert_eq!(
        keys("TABLE orders STEP BY STEP KEY (2)"),
        [
            "close public.orders modified {\"id\": 2}",
            "undo public.orders modified {\"id\": 2}"
        ]
    );
    assert_eq!(keys("OPERATION 'close'").len(), 3);
    assert_eq!(keys("OPERATION 'close' KIND removed").len(), 0);
    assert_eq!(
        keys("KIND removed TABLE orders"),
        ["swap public.orders removed {\"id\": 1}"]
    );
    assert_eq!(keys("TABLE lines KEY ('1', 1)").len(), 1);
    assert_eq!(keys("LIMIT 2").len(), 2);
    assert_eq!(keys("LIMIT 0").len(), 0);

    // The images of an operation, not of the end.
    let close = show("OPERATION 'close' TABLE orders KEY (3)");
    assert!(column(&close, "to")[0].contains("\"qty\": 10"), "{close:?}");
    assert_eq!(column(&close, "changed_columns"), ["{status}"]);

    let short = column(&show("KIND added"), "to");
    assert!(
        short[0].contains("… (2000 characters)") && short[0].len() < 500,
        "{short:?}"
    );
    let whole = column(&show("KIND added FULL"), "to");
    assert!(whole[0].contains(&"x".repeat(2000)));
    proxy.assert_sound();
}

#[test]
fn questions_without_an_answer() {
    let (_database, mut proxy) = over(SETUP);
    operation(
        &proxy,
        "s",
        "a",
        "UPDATE orders SET qty = 1; DELETE FROM lines",
    );
    let mut reviewer = proxy.connect_reviewer();
    for (statement, code) in [
        ("SHOW DIFF IN SESSION 's' OPERATION 'none'", "ZD020"),
        ("SHOW DIFF IN SESSION 's' KEY (1)", "42601"),
        ("SHOW DIFF IN SESSION 's' TABLE lines KEY (1)", "42601"),
        ("SHOW DIFF IN SESSION 's' TABLE orders KEY ('x')", "22P02"),
        ("SHOW DIFF IN SESSION 's' TABLE nowhere", "42P01"),
        (
            "RESOLVE CONFLICT IN SESSION 's' TABLE orders KEY ('x') TAKE OURS",
            "22P02",
        ),
        ("REVERT AGENT 'agent' SINCE 'bad date'", "22007"),
    ] {
        let failure = reviewer.fail(statement);
        assert_eq!(failure.code(), code, "{statement}: {failure}");
        if code.starts_with("22") {
            let hint = failure.field('H');
            let told = hint.contains("id integer") || hint.contains("SINCE '2026-01-31 14:00'");
            assert!(told, "{statement}: {hint}");
        }
    }
    proxy.assert_sound();
}

#[test]
fn a_summary_tells_clusters_and_outliers() {
    let (_database, mut proxy) = over(SETUP);
    operation(
        &proxy,
        "s",
        "close",
        "UPDATE orders SET status = 'done', note = id::text WHERE id <= 200",
    );
    operation(
        &proxy,
        "s",
        "wrong",
        "UPDATE orders SET status = 'lost' WHERE id IN (7, 299)",
    );
    operation(
        &proxy,
        "s",
        "ship",
        "UPDATE orders SET qty = qty - 1; INSERT INTO orders SELECT i, 'new', i, NULL FROM generate_series(301, 340) i",
    );
    let summary = proxy.review("SHOW DIFF IN SESSION 's' SUMMARY");
    let told = lines(
        &summary,
        &[
            "diff_type",
            "what",
            "column",
            "from",
            "to",
            "difference",
            "rows",
        ],
    );
    for line in [
        "added rows     40",
        "modified rows     300",
        "modified cluster status todo done  199",
        "modified outlier status todo lost  2",
        "modified cluster qty 10 9  300",
        "modified others note note 1 … note 99 1 … 99  200",
        "added cluster status  new  40",
    ] {
        assert!(told.iter().any(|l| l == line), "{line}: {told:#?}");
    }
    assert_eq!(told.len(), 7, "{told:#?}");
    let one = proxy.review("SHOW DIFF IN SESSION 's' OPERATION 'wrong' SUMMARY");
    assert_eq!(
        lines(&one, &["what", "from", "to", "rows"]),
        ["rows   2", "cluster done lost 1", "cluster todo lost 1"]
    );
    proxy.assert_sound();
}

/// Where every row got a value of its own one line says from where to where.
#[test]
fn a_summary_tells_how_far_values_that_all_differ_go() {
    let (_database, mut proxy) = over(
        "CREATE TABLE goods (id int PRIMARY KEY, price numeric(12, 2), weight float8, at date, big numeric);
         INSERT INTO goods SELECT i, i, i, date '2026-01-01' + i, 10 ^ 150 + i FROM generate_series(2, 2000) i;",
    );
    proxy.connect("s").run("UPDATE goods SET price = price * 1.1, weight = weight - id * 0.5, at = at + id, big = big * id");
    let summary = proxy.review("SHOW DIFF IN SESSION 's' SUMMARY");
    let told = lines(
        &summary,
        &["what", "column", "from", "to", "difference", "rows"],
    );
    for line in [
        "rows     1999",
        "others price 2.00 … 2000.00 2.20 … 2200.00 +0.20 … +200.00 1999",
        "others weight 2 … 2000 1 … 1000 -1000 … -1 1999",
        "others at 2026-01-03 … 2031-06-24 2026-01-05 … 2036-12-14  1999",
    ] {
        assert!(told.iter().any(|l| l == line), "{line}: {told:#?}");
    }
    assert_eq!(told.len(), 5, "{told:#?}");
    let changes = column(&summary, "changes");
    assert_eq!(changes[1..], ["1999"; 4]);
    proxy.assert_sound();
}

#[test]
fn a_commit_is_bound_to_what_was_reviewed() {
    let (database, mut proxy) = over(SETUP);
    operation(&proxy, "s", "a", "UPDATE orders SET qty = 1 WHERE id = 1");
    let fingerprint =
        || column(&proxy.review("SHOW DIFF IN SESSION 's'"), "fingerprint")[0].clone();
    let reviewed = fingerprint();
    assert_eq!(reviewed, fingerprint(), "it moves with the draft alone");
    let summary = proxy.review("SHOW DIFF IN SESSION 's' SUMMARY");
    assert_eq!(column(&summary, "fingerprint")[0], reviewed);
    operation(&proxy, "s", "b", "UPDATE orders SET qty = 2 WHERE id = 1");
    let moved = fingerprint();
    assert_ne!(reviewed, moved);
    let mut reviewer = proxy.connect_reviewer();
    let failure = reviewer.fail(&format!("COMMIT SESSION 's' FINGERPRINT '{reviewed}'"));
    assert_eq!(failure.code(), "ZD021", "{failure}");
    assert!(failure.field('D').contains(&moved), "{failure}");
    let production = |column: &str| {
        database
            .connect()
            .value(&format!("SELECT {column} FROM orders WHERE id = 1"))
    };
    assert_eq!(production("qty"), "10");
    reviewer.run(&format!("COMMIT SESSION 's' FINGERPRINT '{moved}'"));
    assert_eq!(production("qty"), "2");
    proxy.assert_sound();
}

/// What remains of a row after a part was committed is another change of it, and an operation of the same
/// name that made the row in another way is another one: neither is what was reviewed.
#[test]
fn a_fingerprint_is_of_what_the_diff_says() {
    let (_database, mut proxy) = over(SETUP);
    let fingerprint = |session: &str| {
        let reply = proxy.review(&format!("SHOW DIFF IN SESSION '{session}'"));
        column(&reply, "fingerprint")[0].clone()
    };
    operation(&proxy, "s", "a", "UPDATE orders SET qty = 1 WHERE id = 1");
    operation(
        &proxy,
        "s",
        "b",
        "UPDATE orders SET note = 'b' WHERE id = 1",
    );
    let whole = fingerprint("s");
    proxy.review("COMMIT OPERATIONS 'a' IN SESSION 's'");
    let mut reviewer = proxy.connect_reviewer();
    let failure = reviewer.fail(&format!("COMMIT SESSION 's' FINGERPRINT '{whole}'"));
    assert_eq!(failure.code(), "ZD021", "{failure}");
    assert_ne!(fingerprint("s"), whole);

    operation(&proxy, "t", "first", "UPDATE orders SET qty = 3");
    operation(&proxy, "t", "a", "UPDATE orders SET qty = 4 WHERE id = 2");
    operation(&proxy, "t", "b", "UPDATE orders SET qty = 5 WHERE id = 2");
    let reviewed = fingerprint("t");
    proxy.review("REWIND SESSION 't' TO OPERATION 'first'");
    operation(&proxy, "t", "a", "UPDATE orders SET qty = 666 WHERE id = 2");
    operation(&proxy, "t", "b", "UPDATE orders SET qty = 5 WHERE id = 2");
    let failure = reviewer.fail(&format!(
        "COMMIT OPERATIONS 'a' IN SESSION 't' CASCADE FINGERPRINT '{reviewed}'"
    ));
    assert_eq!(failure.code(), "ZD021", "{failure}");
    // nor where operations have changed their names
    proxy.review("REWIND SESSION 't' TO OPERATION 'first'");
    operation(&proxy, "t", "b", "UPDATE orders SET qty = 4 WHERE id = 2");
    operation(&proxy, "t", "a", "UPDATE orders SET qty = 5 WHERE id = 2");
    assert_ne!(fingerprint("t"), reviewed);
    proxy.review("REWIND SESSION 't' TO OPERATION 'first'");
    operation(&proxy, "t", "a", "UPDATE orders SET qty = 4 WHERE id = 2");
    operation(&proxy, "t", "b", "UPDATE orders SET qty = 5 WHERE id = 2");
    assert_eq!(fingerprint("t"), reviewed, "the same again");
    proxy.assert_sound();
}

/// A truncation and a sequence that stands elsewhere are no rows, and are committed as well.
#[test]
fn a_fingerprint_is_of_truncations_and_sequences() {
    let (_database, mut proxy) = over(
        "CREATE TABLE counted (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, v int); INSERT INTO counted (v) VALUES (1), (2);
         CREATE TABLE empty (id int PRIMARY KEY)",
    );
    let fingerprint = || {
        let reply = proxy.review("SHOW DIFF IN SESSION 's'");
        column(&reply, "fingerprint")[0].clone()
    };
    let mut seen = Vec::new();
    for statement in [
        "UPDATE counted SET v = 9 WHERE id = 1",
        "TRUNCATE empty",
        "SELECT setval('counted_id_seq', 500)",
        "SELECT setval('counted_id_seq', 900)",
    ] {
        proxy.connect("s").run(statement);
        seen.push(fingerprint());
    }
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), all);
    proxy.assert_sound();
}

/// Whoever writes a head behind the proxy's back, without an operation, moves the fingerprint too.
#[test]
fn a_fingerprint_is_of_the_rows() {
    let (database, mut proxy) = over(SETUP);
    operation(&proxy, "s", "a", "UPDATE orders SET qty = 1 WHERE id = 1");
    let before = column(&proxy.review("SHOW DIFF IN SESSION 's'"), "fingerprint");
    let mut owner = database.connect();
    let head =
        owner.value("SELECT 'pgdraft.d' || id FROM pgdraft.tables WHERE table_name = 'orders'");
    owner.run(&format!("UPDATE {head} SET note = 'slipped in'"));
    let after = column(&proxy.review("SHOW DIFF IN SESSION 's'"), "fingerprint");
    assert_ne!(before, after);
    proxy.assert_sound();
}

#[test]
fn a_diff_is_a_relation() {
    let (database, mut proxy) = over(SETUP);
    operation(
        &proxy,
        "s",
        "close",
        "UPDATE orders SET status = 'done', qty = qty + id WHERE id <= 3; DELETE FROM lines WHERE order_id = 9",
    );
    operation(
        &proxy,
        "t",
        "other",
        "UPDATE orders SET status = 'secret' WHERE id = 5",
    );
    let mut agent = proxy.connect("s");
    assert_eq!(agent.value("SELECT count(*) FROM pgdraft.diff('s')"), "4");
    let typed = agent.run(
        "SELECT d.from_id, d.to_qty - d.from_qty AS more, l.sku FROM pgdraft.diff_orders('s') d JOIN lines l ON l.order_id = d.from_id WHERE d.from_status = 'todo' ORDER BY 1",
    );
    assert_eq!(
        lines(&typed, &["from_id", "more", "sku"]),
        ["1 1 sku-1", "2 2 sku-2", "3 3 sku-3"]
    );
    let exchange = agent
        .extended(
            "SELECT \"to\" ->> 'status' AS status FROM pgdraft.diff($1) WHERE primary_key = $2",
            &[Some("s".into()), Some("{\"id\": 2}".into())],
        )
        .unwrap();
    assert_eq!(lines(exchange.last(), &["status"]), ["done"]);
    // Of its own session alone.
    for statement in [
        "SELECT * FROM pgdraft.diff('t')",
        "SELECT * FROM pgdraft.diff_orders('t')",
        "SELECT * FROM pgdraft.diff('none')",
    ] {
        assert_eq!(agent.fail(statement).code(), "ZD003", "{statement}");
    }
    for statement in [
        "SELECT pgdraft.readable('t')",
        "SELECT * FROM pgdraft.d1_diff(2)",
    ] {
        assert_eq!(agent.fail(statement).code(), "42501", "{statement}");
    }
    // The operator sees all; the agents' role without a token nothing, whatever it calls.
    let mut owner = database.connect();
    assert_eq!(
        owner.value("SELECT \"to\" ->> 'status' FROM pgdraft.diff('t')"),
        "secret"
    );
    let role = owner.value("SELECT rolname FROM pg_roles WHERE rolname LIKE 'pgdraft_agent_%' AND rolname LIKE '%' || current_database()");
    owner.run(&format!("SET SESSION AUTHORIZATION \"{role}\""));
    for statement in [
        "SELECT * FROM pgdraft.diff('t')",
        "SELECT * FROM pgdraft.diff_orders('t')",
        "SELECT pgdraft.readable('t')",
        "SELECT * FROM pgdraft.d1_diff(1)",
    ] {
        assert_eq!(owner.fail(statement).code(), "42501", "{statement}");
    }
    proxy.assert_sound();
}

/// Two tables of one name, a name too long for `from_`, a table of another schema.
#[test]
fn relations_of_odd_tables() {
    let long = "c".repeat(63);
    let (database, mut proxy) = over(&format!(
        "CREATE SCHEMA shop;
CREATE TABLE items (id int PRIMARY KEY, \"{long}\" text, \"Odd \"\"Name\" numeric(5, 2));
CREATE TABLE shop.items (id int PRIMARY KEY, n int);
CREATE TABLE {name} (id int PRIMARY KEY);
INSERT INTO items VALUES (1, 'a', 1.5);
INSERT INTO shop.items VALUES (1, 1);",
        name = "t".repeat(63)
    ));
    operation(
        &proxy,
        "s",
        "a",
        &format!(
            "UPDATE items SET \"{long}\" = 'b'; UPDATE shop.items SET n = 2; INSERT INTO {} VALUES (7)",
            "t".repeat(63)
        ),
    );
    let mut agent = proxy.connect("s");
    assert_eq!(
        agent.value("SELECT \"from_Odd \"\"Name\" FROM pgdraft.diff_items('s')"),
        "1.50"
    );
    assert_eq!(agent.value("SELECT to_2 FROM pgdraft.diff_items('s')"), "b");
    assert_eq!(
        agent.value("SELECT to_n FROM pgdraft.diff_shop_items('s')"),
        "2"
    );
    assert_eq!(agent.value("SELECT count(*) FROM pgdraft.diff('s')"), "3");
    // They follow the table.
    let mut owner = database.connect();
    proxy.review("DISCARD SESSION 's'");
    // A look at a diff is a look at the schema.
    operation(&proxy, "u", "a", "DELETE FROM shop.items WHERE id = 99");
    owner.run("ALTER TABLE items RENAME id TO number");
    assert!(proxy.review("SHOW DIFF IN SESSION 'u'").rows.is_empty());
    operation(&proxy, "t", "a", "UPDATE items SET \"Odd \"\"Name\" = 2");
    let mut agent = proxy.connect("t");
    assert_eq!(
        agent.value("SELECT to_number FROM pgdraft.diff('t') x, pgdraft.diff_public_items('t')"),
        "1"
    );
    proxy.assert_sound();
}

#[test]
fn a_negative_zero_is_told_from_zero() {
    let (_database, mut proxy) = over(
        "CREATE DOMAIN share AS float4;
CREATE TABLE points (id int PRIMARY KEY, x float8, y share, n numeric);
INSERT INTO points VALUES (1, 0, '-0', 0), (2, 1, NULL, 1);",
    );
    operation(
        &proxy,
        "s",
        "a",
        "UPDATE points SET x = '-0', y = 0 WHERE id = 1; UPDATE points SET x = 'Infinity' WHERE id = 2",
    );
    let shown = ["from", "to", "changed_columns"];
    assert_eq!(
        lines(&proxy.review("SHOW DIFF IN SESSION 's'"), &shown),
        [
            r#"{"n": 0, "x": 0, "y": "-0", "id": 1} {"n": 0, "x": "-0", "y": 0, "id": 1} {x,y}"#,
            r#"{"n": 1, "x": 1, "y": null, "id": 2} {"n": 1, "x": "Infinity", "y": null, "id": 2} {x}"#,
        ]
    );
    let mut agent = proxy.connect("s");
    assert_eq!(
        agent.value(
            "SELECT string_agg(\"to\" ->> 'x', ' ' ORDER BY primary_key) FROM pgdraft.diff('s')"
        ),
        "-0 Infinity"
    );
    proxy.assert_sound();
}
