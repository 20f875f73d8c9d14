//! Operations that need each other; committing and discarding some of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::collections::BTreeSet;

use testkit::cluster::{Cluster, Database};
use testkit::proxy::{Proxy, over};
use testkit::random::Random;
use testkit::wire::{Connection, Reply};

const SETUP: &str = "\
CREATE TABLE parents (id int PRIMARY KEY, code text UNIQUE, n int NOT NULL DEFAULT 0, note text);
CREATE TABLE children (a int, b int, parent int REFERENCES parents ON DELETE CASCADE, tag text UNIQUE, PRIMARY KEY (a, b));
CREATE TABLE regions (x int, y int, name text, PRIMARY KEY (x, y));
CREATE TABLE cities (id int PRIMARY KEY, x int, y int, FOREIGN KEY (y, x) REFERENCES regions (y, x));
";

/// The foreign key of `cities` needs a key in the other order.
const KEY: &str = "CREATE UNIQUE INDEX regions_yx ON regions (y, x);";

const ROWS: &str = "\
INSERT INTO parents SELECT i, 'p' || i, 0, 'note' FROM generate_series(1, 5) i;
INSERT INTO children SELECT i, 0, i, 't' || i FROM generate_series(1, 5) i;
INSERT INTO regions VALUES (1, 1, 'one'), (1, 2, 'two'), (2, 1, 'three');
INSERT INTO cities VALUES (1, 1, 1), (2, 1, 2);
";

fn setup() -> String {
    let (before, after) = SETUP.split_once("CREATE TABLE cities").unwrap();
    format!("{before}{KEY}\nCREATE TABLE cities{after}{ROWS}")
}

fn start() -> (Database, Proxy) {
    over(&setup())
}

fn column(reply: &Reply, name: &str) -> Vec<String> {
    let columns = reply.columns.as_ref().expect("a row description");
    let at = columns.iter().position(|c| c.name == name).unwrap();
    (0..reply.rows.len())
        .map(|row| reply.value(row, at).unwrap_or_default())
        .collect()
}

/// One operation of a session.
fn operation(proxy: &Proxy, session: &str, name: &str, statements: &str) {
    let mut agent = proxy.connect(session);
    agent.run(&format!(
        "BEGIN; SET LOCAL pgdraft.operation = '{name}'; {statements}; COMMIT"
    ));
}

/// `b needs a (same row)`.
fn edges(proxy: &Proxy, session: &str) -> Vec<String> {
    let reply = proxy.review(&format!("SHOW DEPENDENCIES IN SESSION '{session}'"));
    let (a, b, kind) = (
        column(&reply, "operation"),
        column(&reply, "depends_on"),
        column(&reply, "kind"),
    );
    let mut all: Vec<String> = (0..a.len())
        .map(|i| format!("{} needs {} ({})", a[i], b[i], kind[i]))
        .collect();
    all.sort();
    all
}

fn refused(proxy: &Proxy, statement: &str) -> testkit::wire::Failure {
    proxy.connect_reviewer().fail(statement)
}

/// A name, operations with their statements, and what they need.
type Case = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
);

const CASES: &[Case] = &[
    (
        "same row",
        &[
            ("a", "UPDATE parents SET n = 1 WHERE id = 1"),
            ("b", "UPDATE parents SET note = 'x' WHERE id = 1"),
            ("c", "UPDATE parents SET n = 3 WHERE id IN (1, 2)"),
        ],
        &["b needs a (same row)", "c needs b (same row)"],
    ),
    (
        "nothing in common",
        &[
            ("a", "UPDATE parents SET n = 1 WHERE id = 1"),
            ("b", "UPDATE parents SET n = 1 WHERE id = 2"),
            ("c", "INSERT INTO children VALUES (9, 9, 3, 'x')"),
        ],
        &[],
    ),
    (
        "a child on an inserted parent",
        &[
            ("a", "INSERT INTO parents VALUES (10, 'p10')"),
            ("b", "INSERT INTO children VALUES (10, 1, 10, 'x')"),
            ("c", "UPDATE children SET parent = 10 WHERE a = 1"),
        ],
        &["b needs a (foreign key)", "c needs a (foreign key)"],
    ),
    (
        "a parent goes after its children moved or went",
        &[
            ("a", "UPDATE children SET parent = 2 WHERE a = 1"),
            ("b", "DELETE FROM children WHERE a = 3"),
            ("c", "DELETE FROM parents WHERE id IN (1, 3)"),
        ],
        &["c needs a (foreign key)", "c needs b (foreign key)"],
    ),
    (
        "a cascade belongs to its operation",
        &[
            ("a", "UPDATE children SET tag = 'x' WHERE a = 4"),
            ("b", "DELETE FROM parents WHERE id = 4"),
        ],
        &["b needs a (same row)"],
    ),
    (
        "composite keys, in another order",
        &[
            ("a", "INSERT INTO regions VALUES (7, 8, 'new')"),
            ("b", "INSERT INTO cities VALUES (7, 7, 8)"),
            ("c", "INSERT INTO regions VALUES (8, 7, 'other')"),
            ("d", "UPDATE cities SET x = 2, y = 1 WHERE id = 1"),
            ("e", "DELETE FROM regions WHERE x = 1 AND y = 1"),
        ],
        &["b needs a (foreign key)", "e needs d (foreign key)"],
    ),
    (
        "unique values",
        &[
            ("a", "DELETE FROM children WHERE a = 5"),
            ("b", "UPDATE parents SET code = 'was 1' WHERE id = 1"),
            ("c", "INSERT INTO children VALUES (6, 0, 2, 't5')"),
            ("d", "UPDATE parents SET code = 'p1' WHERE id = 2"),
            ("e", "INSERT INTO parents VALUES (11, 'p2')"),
        ],
        &[
            "c needs a (unique key)",
            "d needs b (unique key)",
            "e needs d (unique key)",
        ],
    ),
    (
        "a changed primary key",
        &[
            ("a", "UPDATE regions SET x = 5 WHERE x = 2"),
            ("b", "UPDATE regions SET name = 'x' WHERE x = 5"),
            ("c", "INSERT INTO regions VALUES (2, 1, 'again')"),
            ("d", "INSERT INTO cities VALUES (9, 5, 1)"),
        ],
        &[
            "b needs a (same row)",
            "c needs a (same row)",
            "d needs a (foreign key)",
        ],
    ),
    (
        "removed and made again",
        &[
            ("a", "DELETE FROM parents WHERE id = 5"),
            ("b", "INSERT INTO parents VALUES (5, 'p5')"),
            ("c", "INSERT INTO children VALUES (5, 1, 5, 'y')"),
        ],
        &["b needs a (same row)", "c needs b (foreign key)"],
    ),
    (
        "nothing left of it",
        &[
            ("a", "INSERT INTO parents VALUES (20, 'p20')"),
            ("b", "DELETE FROM parents WHERE id = 20"),
        ],
        &["b needs a (same row)"],
    ),
    (
        "rows that were read",
        &[
            ("a", "UPDATE parents SET n = 5 WHERE id = 1"),
            (
                "b",
                "INSERT INTO regions SELECT 100 + id, n, note FROM parents WHERE id = 1",
            ),
            (
                "c",
                "UPDATE children SET tag = p.note || p.id FROM parents p WHERE p.id = parent",
            ),
            ("d", "UPDATE cities SET x = 1, y = 2 WHERE id = 1"),
            (
                "e",
                "DELETE FROM cities WHERE x = (SELECT max(x) FROM regions) - 100",
            ),
        ],
        &[
            "b needs a (read)",
            "c needs a (read)",
            "e needs b (read)",
            "e needs d (same row)",
        ],
    ),
    (
        "rows that a condition names",
        &[
            ("a", "UPDATE parents SET n = 1 WHERE id = 1"),
            ("b", "UPDATE parents SET n = 2 WHERE id = 2"),
            (
                "c",
                "INSERT INTO regions SELECT 100 + id, n, note FROM parents WHERE id = 2",
            ),
            (
                "d",
                "UPDATE cities SET x = 1, y = 1 FROM parents p WHERE p.id = 1 AND cities.id = p.id",
            ),
            (
                "e",
                "INSERT INTO regions SELECT id, n, note FROM parents WHERE n BETWEEN 5 AND 7 OR note IS NULL",
            ),
            ("f", "DELETE FROM parents WHERE id = 5"),
            (
                "g",
                "INSERT INTO regions SELECT 200, count(*), '' FROM parents AS p WHERE p.id IN (3, 5)",
            ),
            (
                "h",
                "INSERT INTO regions SELECT 300, count(*), '' FROM parents WHERE n = 0 AND id < 3",
            ),
            (
                "i",
                "INSERT INTO regions SELECT 400, count(p.id), '' FROM cities c LEFT JOIN parents p ON p.id = 7",
            ),
        ],
        &[
            "c needs b (read)",
            "d needs a (read)",
            "g needs f (read)",
            "h needs a (read)",
            "h needs b (read)",
            "i needs a (read)",
            "i needs b (read)",
            "i needs d (read)",
            "i needs f (read)",
        ],
    ),
    (
        "rows that a change did not find any more",
        &[
            ("a", "UPDATE parents SET n = 1 WHERE id = 1"),
            ("b", "UPDATE parents SET note = 'x' WHERE n = 0"),
            ("c", "DELETE FROM children WHERE a = 2"),
            ("d", "UPDATE children SET tag = NULL WHERE parent >= 4"),
            (
                "e",
                "UPDATE children SET tag = 'y' WHERE parent = 2 OR a = 1",
            ),
        ],
        &["b needs a (read)", "e needs c (read)"],
    ),
    (
        "rows named by their key that were not there any more",
        &[
            ("a", "DELETE FROM cities WHERE id = 1"),
            ("b", "UPDATE parents SET n = 7 WHERE id IN (1, 2)"),
            ("c", "INSERT INTO parents VALUES (9, 'p9', 9)"),
            (
                "d",
                "UPDATE cities SET x = 2, y = 1 WHERE id = 1; UPDATE children SET tag = 'd' WHERE a = 3",
            ),
            (
                "e",
                "DELETE FROM parents WHERE id = 2 AND n = 0; UPDATE children SET tag = 'e' WHERE a = 4",
            ),
            (
                "f",
                "UPDATE parents SET note = 'f' WHERE id = 9 AND n = 9 AND note IS NULL; UPDATE parents SET note = 'f' WHERE id = 8",
            ),
        ],
        &[
            "d needs a (read)",
            "e needs b (read)",
            "f needs c (same row)",
        ],
    ),
    (
        "a row that was there already",
        &[
            ("a", "INSERT INTO parents VALUES (9, 'p9', 9)"),
            ("b", "UPDATE parents SET code = 'new' WHERE id = 1"),
            (
                "c",
                "INSERT INTO parents VALUES (9, 'c', 1), (20, 'p20', 2) ON CONFLICT (id) DO NOTHING",
            ),
            (
                "d",
                "INSERT INTO parents VALUES (21, 'new', 1) ON CONFLICT DO NOTHING; UPDATE children SET tag = 'd' WHERE a = 3",
            ),
            (
                "e",
                "INSERT INTO parents VALUES (9, 'e', 1) ON CONFLICT (id) DO UPDATE SET n = 1 WHERE parents.n > 100; UPDATE children SET tag = 'e' WHERE a = 4",
            ),
            (
                "f",
                "INSERT INTO parents VALUES (2, 'f', 1), (22, 'f', 1) ON CONFLICT (id) DO NOTHING",
            ),
        ],
        &["c needs a (read)", "d needs b (read)", "e needs a (read)"],
    ),
    (
        "a row that was met before another operation changed it",
        &[
            ("a", "UPDATE parents SET note = 'a' WHERE id = 1"),
            (
                "b",
                "INSERT INTO parents VALUES (1, 'b', 1), (20, 'p20', 2) ON CONFLICT (id) DO NOTHING",
            ),
            ("c", "UPDATE parents SET code = 'moved' WHERE id = 2"),
            ("d", "UPDATE parents SET n = 5 WHERE id = 2"),
            (
                "e",
                "INSERT INTO parents VALUES (30, 'moved', 1), (4, 'p30', 1) ON CONFLICT DO NOTHING; UPDATE children SET tag = 'e' WHERE a = 3",
            ),
        ],
        &["d needs c (same row)", "e needs c (read)"],
    ),
    (
        "a row that a MERGE met",
        &[
            ("a", "INSERT INTO parents VALUES (9, 'p9', 9)"),
            (
                "b",
                "MERGE INTO parents p USING (VALUES (9), (23)) v (id) ON p.id = v.id WHEN NOT MATCHED THEN INSERT VALUES (v.id, 'm' || v.id)",
            ),
        ],
        &["b needs a (read)"],
    ),
    (
        "rows that a truncation took away",
        &[
            ("a", "TRUNCATE cities"),
            (
                "b",
                "UPDATE cities SET x = 2, y = 1 WHERE id = 1; UPDATE children SET tag = 'b' WHERE a = 3",
            ),
            (
                "c",
                "DELETE FROM cities WHERE x = 1; UPDATE children SET tag = 'c' WHERE a = 4",
            ),
        ],
        &["b needs a (read)", "c needs a (read)"],
    ),
    (
        "truncate",
        &[
            ("a", "UPDATE cities SET x = 1, y = 1"),
            ("b", "TRUNCATE cities"),
            ("c", "INSERT INTO cities VALUES (1, 1, 1)"),
            ("d", "UPDATE parents SET n = 1"),
        ],
        &[
            "b needs a (same row)",
            "b needs a (truncate)",
            "c needs b (same row)",
            "c needs b (truncate)",
        ],
    ),
];

#[test]
fn each_reason() {
    let (_database, mut proxy) = start();
    for (name, operations, expected) in CASES {
        for (operation_name, statements) in *operations {
            operation(&proxy, name, operation_name, statements);
        }
        assert_eq!(edges(&proxy, name), *expected, "{name}");
    }
    proxy.assert_sound();
}

#[test]
fn a_choice_has_to_be_closed() {
    let (database, mut proxy) = start();
    operation(
        &proxy,
        "s",
        "parent",
        "INSERT INTO parents VALUES (10, 'p10')",
    );
    operation(
        &proxy,
        "s",
        "child",
        "INSERT INTO children VALUES (10, 1, 10, 'x')",
    );
    operation(
        &proxy,
        "s",
        "alone",
        "UPDATE parents SET n = 7 WHERE id = 2",
    );
    let failure = refused(&proxy, "COMMIT OPERATIONS 'child' IN SESSION 's'");
    assert_eq!(failure.code(), "ZD022", "{failure}");
    assert!(failure.field('M').contains("\"parent\""), "{failure}");
    assert!(
        failure
            .field('D')
            .contains("\"child\" depends on \"parent\""),
        "{failure}"
    );
    assert!(failure.field('H').contains("CASCADE"), "{failure}");
    let failure = refused(&proxy, "DISCARD OPERATIONS 'parent' IN SESSION 's'");
    assert_eq!(failure.code(), "ZD022", "{failure}");
    let failure = refused(&proxy, "COMMIT OPERATIONS 'none', 'alone' IN SESSION 's'");
    assert_eq!(failure.code(), "ZD020", "{failure}");
    // Whatever was refused changed nothing.
    assert_eq!(proxy.review("SHOW DIFF IN SESSION 's'").rows.len(), 3);

    proxy.review("COMMIT OPERATIONS 'alone' IN SESSION 's'");
    let mut owner = database.connect();
    assert_eq!(owner.value("SELECT n FROM parents WHERE id = 2"), "7");
    assert_eq!(owner.value("SELECT count(*) FROM parents"), "5");
    assert_eq!(proxy.review("SHOW DIFF IN SESSION 's'").rows.len(), 2);
    // Asked again it answers the same and does nothing twice.
    owner.run("UPDATE parents SET n = 8 WHERE id = 2");
    proxy.review("COMMIT OPERATIONS 'alone' IN SESSION 's'");
    assert_eq!(owner.value("SELECT n FROM parents WHERE id = 2"), "8");
    // What was committed is a session of its own.
    let operations = proxy.review("SHOW OPERATIONS IN SESSION 's#1'");
    assert_eq!(column(&operations, "operation"), ["alone"]);
    assert_eq!(proxy.review("SHOW DIFF IN SESSION 's#1'").rows.len(), 1);
    let states = proxy.review("SHOW OPERATIONS IN SESSION 's'");
    assert_eq!(column(&states, "state"), ["open", "open", "committed"]);
    assert_eq!(column(&states, "updated"), ["0", "0", "1"]);

    // The session goes on, with names that are free.
    operation(
        &proxy,
        "s",
        "alone",
        "UPDATE parents SET n = 8 WHERE id = 2",
    );
    let names = column(&proxy.review("SHOW OPERATIONS IN SESSION 's'"), "operation");
    assert_eq!(names, ["parent", "child", "alone", "alone#2"]);
    proxy.review("COMMIT OPERATIONS 'child' IN SESSION 's' CASCADE");
    assert_eq!(
        owner.value("SELECT count(*) FROM children WHERE parent = 10"),
        "1"
    );
    proxy.review("COMMIT SESSION 's'");
    assert_eq!(owner.value("SELECT n FROM parents WHERE id = 2"), "8");
    proxy.assert_sound();
}

/// A rejected operation's value does not travel with a later one's row.
#[test]
fn only_what_was_chosen_is_applied() {
    let (database, mut proxy) = start();
    operation(
        &proxy,
        "s",
        "name",
        "UPDATE parents SET code = 'renamed' WHERE id = 1",
    );
    operation(
        &proxy,
        "s",
        "note",
        "UPDATE parents SET note = 'noted' WHERE id = 1",
    );
    proxy.review("DISCARD OPERATIONS 'name', 'note' IN SESSION 's'");
    assert_eq!(proxy.review("SHOW DIFF IN SESSION 's'").rows.len(), 0);
    operation(
        &proxy,
        "s",
        "note again",
        "UPDATE parents SET note = 'noted' WHERE id = 1",
    );
    operation(
        &proxy,
        "s",
        "name again",
        "UPDATE parents SET code = 'renamed' WHERE id = 1",
    );
    proxy.review("DISCARD OPERATIONS 'name again' IN SESSION 's'");
    let mut agent = proxy.connect("s");
    assert_eq!(
        agent.value("SELECT code || note FROM parents WHERE id = 1"),
        "p1noted"
    );
    proxy.review("COMMIT SESSION 's'");
    let mut owner = database.connect();
    assert_eq!(
        owner.value("SELECT code || note FROM parents WHERE id = 1"),
        "p1noted"
    );
    proxy.assert_sound();
}

/// Tables without a key, partitioned ones, and keys that are more than columns.
#[test]
fn tables_of_every_kind() {
    let (database, mut proxy) = over(
        "CREATE TABLE notes (text text);
CREATE TABLE days (day date, n int, PRIMARY KEY (day, n)) PARTITION BY RANGE (day);
CREATE TABLE days_old PARTITION OF days FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE days_new PARTITION OF days FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
CREATE TABLE users (id int PRIMARY KEY, mail text);
CREATE UNIQUE INDEX ON users (lower(mail));
INSERT INTO notes VALUES ('a');
INSERT INTO days VALUES ('2020-02-02', 1);
INSERT INTO users VALUES (1, 'Ann');",
    );
    operation(&proxy, "s", "a", "INSERT INTO notes VALUES ('b'), ('b')");
    operation(&proxy, "s", "b", "INSERT INTO notes VALUES ('c')");
    operation(
        &proxy,
        "s",
        "c",
        "UPDATE days SET day = '2021-02-02' WHERE n = 1",
    );
    operation(
        &proxy,
        "s",
        "d",
        "INSERT INTO days VALUES ('2020-02-02', 1)",
    );
    operation(
        &proxy,
        "s",
        "e",
        "UPDATE users SET mail = 'Bob' WHERE id = 1",
    );
    operation(&proxy, "s", "f", "INSERT INTO users VALUES (2, 'ANN')");
    assert_eq!(
        edges(&proxy, "s"),
        ["d needs c (same row)", "f needs e (unique key)"]
    );
    proxy.review("COMMIT OPERATIONS 'b', 'c' IN SESSION 's'");
    proxy.review("DISCARD OPERATIONS 'e' IN SESSION 's' CASCADE");
    let mut owner = database.connect();
    let seen = "SELECT (SELECT string_agg(text, '' ORDER BY text) FROM notes) || (SELECT string_agg(day || ' ' || n, ',' ORDER BY day) FROM days) || (SELECT string_agg(mail, ',') FROM users)";
    assert_eq!(owner.value(seen), "ac2021-02-02 1Ann");
    let all = "abbc2020-02-02 1,2021-02-02 1Ann";
    assert_eq!(proxy.connect("s").value(seen), all);
    proxy.review("COMMIT SESSION 's'");
    assert_eq!(owner.value(seen), all);
    operation(&proxy, "t", "a", "INSERT INTO notes VALUES ('d')");
    operation(&proxy, "t", "b", "TRUNCATE notes");
    operation(&proxy, "t", "c", "INSERT INTO notes VALUES ('e')");
    proxy.review("COMMIT OPERATIONS 'a' IN SESSION 't'");
    let failure = refused(&proxy, "COMMIT OPERATIONS 'c' IN SESSION 't'");
    assert_eq!(failure.code(), "ZD022", "{failure}");
    proxy.review("DISCARD OPERATIONS 'b' IN SESSION 't' CASCADE");
    assert_eq!(proxy.connect("t").value("SELECT count(*) FROM notes"), "5");
    proxy.assert_sound();
}

/// An agent discards operations of its own session, and never commits one.
#[test]
fn who_may() {
    let (_database, mut proxy) = start();
    operation(&proxy, "s", "a", "UPDATE parents SET n = 1 WHERE id = 1");
    let mut agent = proxy.connect("s");
    assert_eq!(
        agent.fail("COMMIT OPERATIONS 'a' IN SESSION 's'").code(),
        "42501"
    );
    let mut other = Connection::open(&proxy.agent_named("other", "t")).unwrap();
    for statement in [
        "DISCARD OPERATIONS 'a' IN SESSION 's'",
        "SHOW DEPENDENCIES IN SESSION 's'",
    ] {
        assert_eq!(other.fail(statement).code(), "ZD003", "{statement}");
    }
    agent.run("DISCARD OPERATIONS 'a'");
    assert_eq!(agent.value("SELECT n FROM parents WHERE id = 1"), "0");
    proxy.assert_sound();
}

/// Production's triggers change what is committed; what is left of the draft follows.
#[test]
fn the_rest_follows_production() {
    let (database, mut proxy) = over(&format!(
        "{}
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.n := NEW.n + 100; RETURN NEW; END';
CREATE TRIGGER stamp BEFORE UPDATE ON parents FOR EACH ROW EXECUTE FUNCTION stamp();",
        setup()
    ));
    operation(
        &proxy,
        "s",
        "a",
        "UPDATE parents SET note = 'a' WHERE id IN (1, 2)",
    );
    operation(
        &proxy,
        "s",
        "b",
        "UPDATE parents SET code = 'b' WHERE id = 1",
    );
    operation(&proxy, "s", "c", "UPDATE parents SET n = 7 WHERE id = 2");
    proxy.review("COMMIT OPERATIONS 'a' IN SESSION 's'");
    let mut agent = proxy.connect("s");
    let seen = "SELECT id || code || n || note FROM parents WHERE id < 3 ORDER BY id";
    assert_eq!(
        column(&agent.run(&seen.replace("note ", "note AS v ")), "v"),
        ["1b100a", "2p27a"]
    );
    proxy.review("COMMIT SESSION 's'");
    let mut owner = database.connect();
    assert_eq!(
        column(&owner.run(&seen.replace("note ", "note AS v ")), "v"),
        ["1b200a", "2p2107a"]
    );
    proxy.assert_sound();
}

/// A statement of a random history. They name their rows by key or by what they are like, and their
/// values by constants, so that running some of them in another order means the same.
fn statement(random: &mut Random) -> String {
    let id = 1 + random.below(8);
    let other = 1 + random.below(8);
    let (x, y) = (1 + random.below(3), 1 + random.below(3));
    let text = random.below(12);
    match random.below(22) {
        0 => format!("INSERT INTO parents VALUES ({id}, 'p{text}', {text}, NULL)"),
        1 => format!("DELETE FROM parents WHERE id = {id}"),
        2 => format!("UPDATE parents SET n = n + {text} WHERE id = {id}"),
        3 => format!("UPDATE parents SET code = 'p{text}' WHERE id = {id}"),
        4 => format!("UPDATE parents SET note = 'n{text}', n = {other} WHERE id = {id}"),
        5 => format!("INSERT INTO children VALUES ({id}, {x}, {other}, 't{text}')"),
        6 => format!("DELETE FROM children WHERE a = {id} AND b = 0"),
        7 => format!("UPDATE children SET parent = {other} WHERE a = {id} AND b = 0"),
        8 => format!("UPDATE children SET tag = 't{text}' WHERE a = {id} AND b = 0"),
        9 => format!("UPDATE children SET parent = NULL, tag = NULL WHERE a = {id} AND b = {x}"),
        10 => format!("INSERT INTO regions VALUES ({x}, {y}, 'r{text}')"),
        11 => format!("DELETE FROM regions WHERE x = {x} AND y = {y}"),
        12 => format!("UPDATE cities SET x = {x}, y = {y} WHERE id = {id}"),
        13 => format!("INSERT INTO cities VALUES ({id}, {x}, {y})"),
        14 => format!("UPDATE children SET b = {y} WHERE a = {id} AND b = {x}"),
        15 => format!("UPDATE parents SET note = 'm{text}' WHERE n = {other} OR n IS NULL"),
        16 => format!("UPDATE parents SET n = {text} WHERE note = 'note' AND n < {id}"),
        17 => format!("DELETE FROM children WHERE tag = 't{text}'"),
        18 => format!(
            "INSERT INTO children SELECT id, 10 + {text}, id FROM parents WHERE n BETWEEN {x} AND {other}"
        ),
        19 => format!(
            "UPDATE children SET tag = p.note || p.id || b FROM parents p WHERE p.id = parent AND p.n > {text}"
        ),
        20 => format!(
            "INSERT INTO regions SELECT 10 + {text}, count(*), 'r' FROM cities WHERE x = {x} AND y <> {y}"
        ),
        _ => format!("DELETE FROM cities WHERE id = {id}"),
    }
}

const TABLES: [&str; 4] = ["parents", "children", "regions", "cities"];

fn rows(connection: &mut Connection) -> Vec<String> {
    TABLES
        .iter()
        .flat_map(|table| {
            let reply = connection.run(&format!(
                "SELECT '{table} ' || t::text AS row FROM {table} t ORDER BY 1"
            ));
            column(&reply, "row")
        })
        .collect()
}

/// Runs operations on a plain copy of the database.
fn replay(
    copy: &Database,
    history: &[(String, Vec<String>)],
    which: &BTreeSet<String>,
) -> Vec<String> {
    let mut plain = copy.connect();
    plain.run(&format!(
        "DROP TABLE IF EXISTS {}; {}",
        TABLES.iter().rev().copied().collect::<Vec<_>>().join(", "),
        setup()
    ));
    for (name, statements) in history.iter().filter(|(name, _)| which.contains(name)) {
        for statement in statements {
            let exchange = plain.simple(statement).unwrap();
            assert!(
                exchange.error().is_none(),
                "{name}: {statement}: {exchange:?}"
            );
        }
    }
    rows(&mut plain)
}

fn names_in_state(proxy: &Proxy, state: &str) -> BTreeSet<String> {
    let operations = proxy.review("SHOW OPERATIONS IN SESSION 's'");
    let states = column(&operations, "state");
    column(&operations, "operation")
        .into_iter()
        .zip(states)
        .filter(|(_, s)| s == state)
        .map(|(name, _)| name)
        .collect()
}

/// What remains after a partial commit or discard is what the remaining operations alone give, what
/// is committed is what the committed ones alone give.
#[test]
fn random_histories() {
    let number = |name: &str, usual: u64| {
        testkit::environment(name).map_or(usual, |value| value.parse().unwrap())
    };
    let (seed, rounds) = (number("SEED", 20_261), number("N", 6));
    let copy = Cluster::shared().create_database("copy");
    for round in 0..rounds {
        one_history(seed + round, &copy);
    }
}

fn one_history(seed: u64, copy: &Database) {
    let mut random = Random::new(seed);
    let (database, mut proxy) = start();
    let mut history: Vec<(String, Vec<String>)> = Vec::new();
    let mut agent = proxy.connect("s");
    for number in 0..14 {
        let name = format!("o{number}");
        let mut statements = Vec::new();
        agent.run(&format!("BEGIN; SET LOCAL pgdraft.operation = '{name}'"));
        for _ in 0..=random.below(3) {
            let text = statement(&mut random);
            agent.run("SAVEPOINT s");
            let exchange = agent.simple(&text).unwrap();
            // One that found nothing might find something in another order.
            let tag = exchange.last().tag.clone().unwrap_or_default();
            if exchange.error().is_some() || tag.ends_with(" 0") {
                agent.run("ROLLBACK TO s");
            } else {
                statements.push(text);
            }
        }
        agent.run("COMMIT");
        history.push((name, statements));
    }
    let told = format!("seed {seed}: {history:#?}\n{:#?}", edges(&proxy, "s"));
    for _ in 0..3 {
        let open: Vec<String> = names_in_state(&proxy, "open").into_iter().collect();
        if open.is_empty() {
            break;
        }
        let name = random.pick(&open).clone();
        let verb = if random.percent(50) {
            "COMMIT"
        } else {
            "DISCARD"
        };
        proxy.review(&format!(
            "{verb} OPERATIONS '{name}' IN SESSION 's' CASCADE"
        ));
        let committed = names_in_state(&proxy, "committed");
        let mut both = names_in_state(&proxy, "open");
        assert_eq!(
            rows(&mut database.connect()),
            replay(copy, &history, &committed),
            "{verb} {name}: production: {told}"
        );
        both.extend(committed);
        assert_eq!(
            rows(&mut agent),
            replay(copy, &history, &both),
            "{verb} {name}: draft: {told}"
        );
    }
    let all: BTreeSet<String> = names_in_state(&proxy, "open")
        .into_iter()
        .chain(names_in_state(&proxy, "committed"))
        .collect();
    proxy.review("COMMIT SESSION 's'");
    assert_eq!(
        rows(&mut database.connect()),
        replay(copy, &history, &all),
        "the rest: {told}"
    );
    proxy.assert_sound();
}

/// What a statement read is told by rows: of each the last operation that had changed it.
#[test]
fn a_read_names_the_rows_that_had_changed() {
    let (_database, proxy) = start();
    operation(
        &proxy,
        "s",
        "one",
        "UPDATE parents SET n = 1 WHERE id IN (1, 2, 3)",
    );
    operation(&proxy, "s", "two", "UPDATE parents SET n = 2 WHERE id = 1");
    operation(
        &proxy,
        "s",
        "copy",
        "INSERT INTO regions SELECT 100 + id, n, note FROM parents",
    );
    operation(
        &proxy,
        "s",
        "later",
        "UPDATE parents SET n = 3 WHERE id IN (2, 5)",
    );
    operation(
        &proxy,
        "s",
        "again",
        "UPDATE cities c SET x = 1, y = 1 FROM parents p WHERE p.id = c.id AND p.n = 3",
    );
    let reply = proxy.review("SHOW DEPENDENCIES IN SESSION 's'");
    let names = ["operation", "depends_on", "kind", "reason"];
    let cells = names.map(|name| column(&reply, name));
    let reads: Vec<String> = (0..cells[0].len())
        .filter(|&row| cells[2][row] == "read")
        .map(|row| format!("{} of {}: {}", cells[0][row], cells[1][row], cells[3][row]))
        .collect();
    let told = |needs: &str, row: &str| {
        format!("{needs}: it read the table, in which row {row} had changed")
    };
    assert_eq!(
        reads,
        [
            told("copy of one", "(id)=(2) and 1 more"),
            told("copy of two", "(id)=(1)"),
            told("again of later", "(id)=(2) and 1 more"),
        ]
    );
    // one needs what it read by way of the rows that both changed
    let failure = refused(&proxy, "COMMIT OPERATIONS 'copy' IN SESSION 's'");
    assert_eq!(failure.code(), "ZD022");
    proxy.review("COMMIT OPERATIONS 'one', 'two', 'copy' IN SESSION 's'");
}
