//! Texts on which parsers disagree, sent as attacks: whatever becomes of each, the base stays as
//! it was and a row that the draft has replaced or removed is never shown.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a test stops at the first surprise; tables of cases are long"
)]

use testkit::proxy::over;
use testkit::wire::{Connection, Exchange};

const SETUP: &str = "\
CREATE TABLE users (id int PRIMARY KEY, name text, interval int);
CREATE TABLE t (a int PRIMARY KEY, b text);
INSERT INTO users SELECT n, 'base-secret-' || n, n FROM generate_series(1, 5) n;
INSERT INTO t VALUES (1, 'one');
CREATE TABLE nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn (id int PRIMARY KEY, name text);
INSERT INTO nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn VALUES (1, 'base-secret-n');
CREATE VIEW users_view AS SELECT * FROM users;
CREATE FUNCTION reads() RETURNS SETOF users LANGUAGE sql STABLE AS 'SELECT * FROM public.users';
";

/// The draft replaces or removes every row that must not be seen.
const DRAFT: &str = "\
UPDATE users SET name = 'draft-' || id;
DELETE FROM users WHERE id = 5;
UPDATE nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn SET name = 'draft';
";

const TRICKS: &[&str] = &[
    // The end of a statement is not where it seems.
    "SELECT 1 END; DELETE FROM users",
    "SELECT id END FROM users",
    "COPY t FROM STDIN; DELETE FROM users",
    "COPY users FROM STDIN; DELETE FROM users",
    "SELECT E'a'\n'\\''; DELETE FROM users; --'",
    "SELECT E'a' -- comment\n'\\''; DELETE FROM users; --'",
    "SELECT '\\''; DELETE FROM users; --'",
    "SELECT '\\'' ; UPDATE users SET name = 'hit'; --'",
    "SET standard_conforming_strings = off; SELECT '\\''; DELETE FROM users; --'",
    "SELECT set_config('standard_conforming_strings', 'off', false); SELECT '\\'; DELETE FROM users; --'",
    "SELECT X'\\'; DELETE FROM users; --'",
    "SELECT U&'\\0027; DELETE FROM users; --'",
    "SELECT \"\\\"\"; DELETE FROM users; --\"",
    "SELECT $a$ $b$; DELETE FROM users; --$b$ $a$",
    "SELECT $😀$; DELETE FROM users; --$😀$",
    "SELECT 1 /* /* */; DELETE FROM users; -- */ */",
    "SELECT 1 --\r; DELETE FROM users",
    "SELECT 1 --\u{2028}; DELETE FROM users",
    "SELECT 1\u{a0}; DELETE FROM users",
    // A table is made, or written to, by what looks like a read.
    "SELECT id AND INTO newt FROM users",
    "SELECT interval INTO newt FROM users",
    "SELECT INTO newt FROM users",
    "SELECT * INTO TEMP newt FROM users",
    "CREATE TABLE newt AS TABLE users",
    "EXPLAIN (ANALYZE) DELETE FROM users",
    "EXPLAIN (ANALYZE 1) DELETE FROM users",
    "EXPLAIN (\"analyze\") DELETE FROM users",
    "EXPLAIN (ANALYZE true, VERBOSE) UPDATE users SET name = 'hit'",
    "EXPLAIN ANALYZE VERBOSE DELETE FROM users",
    "EXPLAIN ANALYZE SELECT name FROM users",
    "COPY (DELETE FROM users RETURNING *) TO STDOUT",
    "COPY (SELECT * FROM users) TO '/tmp/pgdraft-stolen'",
    "COPY users TO PROGRAM 'cat'",
    "PREPARE p AS DELETE FROM users; EXECUTE p",
    "PREPARE r AS SELECT * FROM users; EXECUTE r",
    "WITH x AS (DELETE FROM users RETURNING *) SELECT * FROM x",
    "WITH x AS (UPDATE users SET name = name RETURNING *) SELECT * FROM x",
    "DO $$ BEGIN DELETE FROM users; END $$",
    "CREATE RULE r AS ON SELECT TO t DO INSTEAD DELETE FROM users",
    "DECLARE c CURSOR FOR SELECT * FROM users",
    "BEGIN; DECLARE c CURSOR FOR SELECT * FROM users; FETCH ALL FROM c; COMMIT",
    "SELECT query_to_xml('SELECT * FROM users', true, true, '')",
    "SELECT table_to_xml('users', true, true, '')",
    "SELECT * FROM reads()",
    "SELECT reads()",
    "SELECT ts_stat('SELECT name::tsvector FROM users')",
    "SELECT pg_catalog.query_to_xmlschema('SELECT * FROM users', true, true, '')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT dblink('', 'DELETE FROM users')",
    // A table is not seen by the parser.
    "SELECT id AND FROM users",
    "SELECT name OR FROM users",
    "SELECT name LIKE FROM users",
    "SELECT name ILIKE FROM users",
    "SELECT name COLLATE FROM users",
    "SELECT name XOR FROM users",
    "SELECT name RLIKE FROM users",
    "SELECT name REGEXP FROM users",
    "SELECT interval FROM users",
    "SELECT interval, name FROM users",
    "SELECT * FROM ONLY users",
    "SELECT * FROM ONLY (users)",
    "SELECT * FROM users *",
    "DELETE FROM ONLY users RETURNING *",
    "UPDATE ONLY users SET name = name RETURNING *",
    "TABLE users",
    "TABLE ONLY users",
    "SELECT NULL::int, NULL::text, 0 UNION TABLE users",
    "SELECT NULL::int, NULL::text, 0 UNION ALL (TABLE users)",
    "WITH x AS (TABLE users) SELECT * FROM x",
    "SELECT * FROM (TABLE users) x",
    "SELECT ARRAY(TABLE nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn)",
    "DELETE FROM t OUTPUT USING users RETURNING users.*",
    "SELECT * FROM t SEMI JOIN users ON true",
    "SELECT * FROM t ANTI JOIN users ON true",
    "SELECT * FROM t GLOBAL JOIN users ON true",
    "SELECT id FROM users MINUS SELECT 1",
    "SELECT * FROM nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnXYZ",
    "SELECT * FROM 'users'",
    "SELECT * FROM \"users\"",
    "SELECT * FROM U&\"\\0075sers\"",
    "SELECT * FROM U&\"!0075sers\" UESCAPE '!'",
    "SELECT * FROM USERS",
    "SELECT * FROM public.users, users_view",
    "SELECT * FROM users_view",
    "SELECT * FROM postgres.public.users",
    "SELECT * FROM users TABLESAMPLE SYSTEM (100)",
    "SELECT * FROM users TABLESAMPLE BERNOULLI (100) REPEATABLE (1)",
    "SELECT * FROM users FOR UPDATE",
    "SELECT * FROM users FOR NO KEY UPDATE SKIP LOCKED",
    "SELECT * FROM users AS OF SYSTEM TIME '2020-01-01'",
    "SELECT * FROM LATERAL (SELECT * FROM users) x",
    "SELECT * FROM ROWS FROM (reads()) AS x",
    "SELECT x.* FROM t, LATERAL (SELECT * FROM users WHERE a = id) x",
    "SELECT (SELECT string_agg(name, ',') FROM users)",
    "WITH users AS (SELECT * FROM users) SELECT * FROM users",
    "WITH users AS (SELECT 1) SELECT * FROM public.users",
    "WITH RECURSIVE users AS (SELECT 1 AS id UNION ALL SELECT id + 1 FROM public.users WHERE false) SELECT * FROM users",
    "SELECT * FROM users u (a, b) JOIN t ON t.a = u.a",
    "SELECT ctid, xmin, tableoid::regclass, * FROM users",
    "SELECT users FROM users",
    "SELECT users.*::text FROM users",
    "SELECT row_to_json(u) FROM users u",
    "VALUES ((SELECT name FROM users WHERE id = 5))",
    "SELECT CASE WHEN name LIKE 'base%' THEN 1/0 END FROM users",
    "SELECT name::int FROM users WHERE name LIKE 'base%'",
    "SELECT * FROM users WHERE id = 5",
    "INSERT INTO t SELECT id + 10, name FROM users RETURNING *",
    "INSERT INTO t VALUES (77, (SELECT name FROM users WHERE id = 5)) RETURNING *",
    "UPDATE t SET b = users.name FROM users WHERE users.id = 5 RETURNING *",
    "MERGE INTO t USING users ON t.a = users.id WHEN MATCHED THEN UPDATE SET b = users.name",
    "INSERT INTO t VALUES (1, 'x') ON CONFLICT (a) DO UPDATE SET b = (SELECT name FROM users WHERE id = 1) RETURNING *",
    "EXPLAIN (ANALYZE, FORMAT json) INSERT INTO users VALUES (50)",
    "VACUUM users",
    "ANALYZE users",
    "REINDEX TABLE users",
    "CLUSTER users",
    "NOTIFY users",
    "LISTEN users",
    "LOAD 'x'",
    "CHECKPOINT",
    "ALTER ROLE CURRENT_USER SET standard_conforming_strings = off",
    "ALTER ROLE CURRENT_USER SET search_path = pg_temp",
    "CREATE TEMP TABLE users (id int, name text)",
    "CREATE TEMP VIEW v AS SELECT * FROM users",
    "SET search_path = pg_temp, public; SELECT * FROM users",
    "SELECT set_config('search_path', 'public, pg_temp', false), name FROM users",
    "SET ROLE NONE; DELETE FROM users",
    "RESET ALL; SELECT name FROM users",
    "DISCARD ALL",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "PREPARE TRANSACTION 'x'",
    "BEGIN; DELETE FROM users; PREPARE TRANSACTION 'x'",
    "COMMIT PREPARED 'x'",
    "DELETE FROM users WHERE CURRENT OF c",
    "BEGIN; DECLARE c CURSOR FOR SELECT * FROM users; FETCH c; DELETE FROM users WHERE CURRENT OF c",
];

#[test]
fn tricks_change_nothing_and_show_nothing() {
    let (database, mut proxy) = over(SETUP);
    let before = database.dump();
    let mut seen = Vec::new();
    for (number, trick) in TRICKS.iter().enumerate() {
        for extended in [false, true] {
            // A session of its own for each: one trick must not spoil the next one's draft.
            let session = format!("trick-{number}-{extended}");
            let mut connection = proxy.connect(&session);
            connection.run(DRAFT);
            let exchange = if extended {
                connection.extended(trick, &[])
            } else {
                connection.simple_with(trick, Some(b"99\tx\n"))
            };
            let Ok(exchange) = exchange else {
                continue; // closed: nothing was shown
            };
            if shows_base(&exchange) {
                seen.push(format!("{trick:?} (extended: {extended}): {exchange:?}"));
            }
            // What it left behind on the connection must not open a way either.
            if let Ok(after) = connection.simple("ROLLBACK; SELECT * FROM users ORDER BY id")
                && shows_base(&after)
            {
                seen.push(format!("after {trick:?} (extended: {extended}): {after:?}"));
            }
        }
        let now = database.dump();
        assert!(
            now == before,
            "the base has changed by {trick:?}:\n{}",
            now.lines()
                .filter(|l| !before.contains(*l))
                .collect::<Vec<_>>()
                .join("\n")
        );
    }
    assert!(
        seen.is_empty(),
        "{} tricks read around the draft:\n{}",
        seen.len(),
        seen.join("\n")
    );
    proxy.assert_sound();
}

#[test]
fn deep_and_wide_texts_are_refused_or_run() {
    let (database, mut proxy) = over(SETUP);
    let before = database.dump();
    let mut other = proxy.connect("other");
    let repeat = |text: &str, n: usize| text.repeat(n);
    let texts = [
        format!("SELECT {}1{}", repeat("(", 20_000), repeat(")", 20_000)),
        format!("SELECT 1{}", repeat(" + 1", 50_000)),
        format!("SELECT 1{}", repeat(" UNION ALL SELECT 1", 20_000)),
        format!("SELECT {}1", repeat("- ", 50_000)),
        format!("SELECT {} true", repeat("NOT ", 50_000)),
        format!("SELECT '{{}}'::int{}", repeat("[]", 20_000)),
        format!("SELECT 1{}", repeat("::int", 20_000)),
        format!(
            "{}SELECT 1{}",
            repeat("SELECT (", 5_000),
            repeat(")", 5_000)
        ),
        format!("SELECT 1 {}", repeat("/*", 30_000)),
        format!(
            "SELECT * FROM users WHERE id IN (1{})",
            repeat(", 1", 100_000)
        ),
        format!("SELECT 1 WHERE true{}", repeat(" OR true", 50_000)),
        format!("SELECT f{}1{}", repeat("(f", 5_000), repeat(")", 5_000)),
        format!(
            "SELECT * FROM users{}",
            repeat(" NATURAL JOIN users", 3_000)
        ),
        repeat(";", 200_000),
        format!("{}SELECT 1", repeat("WITH a AS (SELECT 1) ", 2_000)),
        format!(
            "SELECT CASE{} END",
            repeat(" WHEN true THEN CASE WHEN true THEN 1 END", 3_000)
        ),
        format!("SELECT {}", repeat("ARRAY[", 10_000)),
        format!("SELECT {}'", repeat("'a' || ", 50_000)),
    ];
    for text in &texts {
        let shown: String = text.chars().take(40).collect();
        for extended in [false, true] {
            let mut connection = proxy.connect("deep");
            let outcome = if extended {
                connection.extended(text, &[])
            } else {
                connection.simple(text)
            };
            if let Err(e) = outcome {
                assert!(
                    e.kind() != std::io::ErrorKind::TimedOut,
                    "{shown}… (extended: {extended}) hangs"
                );
            }
            assert!(proxy.alive(), "{shown}… (extended: {extended}) killed it");
            assert_eq!(other.value("SELECT 1"), "1");
        }
    }
    assert_eq!(before, database.dump());
    proxy.assert_sound();
}

fn shows_base(exchange: &Exchange) -> bool {
    let needle = b"base-secret";
    let holds = |bytes: &[u8]| bytes.windows(needle.len()).any(|w| w == needle);
    exchange.replies.iter().any(|reply| {
        reply
            .rows
            .iter()
            .flatten()
            .flatten()
            .any(|value| holds(value))
            || reply.copied.as_deref().is_some_and(holds)
            || reply
                .error
                .iter()
                .chain(&reply.notices)
                .any(|f| f.0.values().any(|text| holds(text.as_bytes())))
    })
}

#[test]
fn a_refused_text_leaves_the_connection_usable() {
    let (_database, mut proxy) = over(SETUP);
    let mut connection: Connection = proxy.connect("s");
    for text in [
        "ALTER TABLE users ADD note text",
        "DO $$ BEGIN END $$",
        "COPY users FROM PROGRAM 'true'",
    ] {
        let failure = connection.fail(text);
        assert!(!failure.code().is_empty());
        assert_eq!(connection.status, b'I');
        assert_eq!(connection.value("SELECT count(*) FROM users"), "5");
    }
    // In a transaction a refusal fails it, as any error does.
    connection.run("BEGIN; UPDATE users SET name = 'x' WHERE id = 1");
    connection.fail("ALTER TABLE users ADD note text");
    assert_eq!(connection.status, b'E');
    assert_eq!(connection.fail("SELECT 1").code(), "25P02");
    assert_eq!(connection.run("COMMIT").tag.as_deref(), Some("ROLLBACK"));
    assert_eq!(
        connection.value("SELECT count(*) FROM users WHERE name = 'x'"),
        "0"
    );
    proxy.assert_sound();
}
