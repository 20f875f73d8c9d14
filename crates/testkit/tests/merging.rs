//! Drafts that meet production: conflicts by column, rebase, rehearsal, undo, rewind and fork, over
//! the wire. The names of the rows are those of the tables of failures that this project set out from.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use testkit::proxy::{Settings, over, over_with};
use testkit::wire::Connection;

const SETUP: &str = "\
CREATE TABLE account (id int PRIMARY KEY, name text NOT NULL, balance numeric NOT NULL, note json, spot point, email text UNIQUE,
    lo int NOT NULL DEFAULT 0, hi int NOT NULL DEFAULT 9, CHECK (lo < hi));
CREATE TABLE item (id int PRIMARY KEY, account_id int REFERENCES account ON DELETE CASCADE, n int NOT NULL DEFAULT 0);
INSERT INTO account SELECT g, 'n' || g, g, '{\"a\": 1}', point(0, 0), 'e' || g || '@x' FROM generate_series(1, 9) g;
INSERT INTO item SELECT g, g, 0 FROM generate_series(1, 9) g;
";

fn rows(connection: &mut Connection, text: &str) -> Vec<String> {
    connection.run(text).table()
}

fn base(production: &mut Connection) -> Vec<String> {
    let mut all = rows(production, "SELECT * FROM account ORDER BY id");
    all.extend(rows(production, "SELECT * FROM item ORDER BY id"));
    all
}

/// 2d: production changed balance, draft changed name; two sessions, different columns; a draft that
/// changes nothing.
#[test]
fn other_columns_of_a_row_merge() {
    let (database, mut proxy) = over(SETUP);
    let mut production = database.connect();
    let mut rita = proxy.connect_reviewer();
    let (mut a, mut b, mut c) = (proxy.connect("a"), proxy.connect("b"), proxy.connect("c"));
    a.run("UPDATE account SET name = 'A' WHERE id = 1");
    b.run("UPDATE account SET note = '{\"b\": 2}' WHERE id = 1");
    c.run("UPDATE account SET name = name WHERE id < 4");
    production.run("UPDATE account SET balance = 100.0 WHERE id = 1");
    assert!(rows(&mut rita, "SHOW CONFLICTS IN SESSION 'a'").is_empty());
    for session in ["a", "b", "c"] {
        rita.run(&format!("COMMIT SESSION '{session}'"));
    }
    assert_eq!(
        rows(
            &mut production,
            "SELECT name, balance, note FROM account WHERE id = 1"
        ),
        ["A|100.0|{\"b\": 2}"]
    );
    proxy.assert_sound();
}

/// Every type by identity: 1.0 is not 1.00, -0 is not 0, one space more is another JSON text.
#[test]
fn values_that_are_equal_and_not_the_same_are_conflicts() {
    let (database, mut proxy) = over(SETUP);
    let mut production = database.connect();
    let mut rita = proxy.connect_reviewer();
    let mut agent = proxy.connect("s");
    agent.run("UPDATE account SET balance = 7, note = '{}', spot = point(1, 1) WHERE id = 1");
    production.run("UPDATE account SET balance = 1.00, note = '{\"a\":  1}', spot = point('-0', 0) WHERE id = 1");
    let failure = rita.fail("COMMIT SESSION 's'");
    assert_eq!(failure.code(), "ZD001", "{failure}");
    let found = rows(&mut rita, "SHOW CONFLICTS IN SESSION 's'");
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(
        found[0].contains("both modified|balance|1|7|1.00"),
        "{found:?}"
    );
    proxy.assert_sound();
}

/// T9, and 2d: a row deleted or inserted in production, a removal of a row that was edited since;
/// uniqueness, foreign keys and checks that only the moved base violates; all at once.
#[test]
fn every_kind_of_conflict_is_listed_at_once() {
    let (database, mut proxy) = over(SETUP);
    let mut production = database.connect();
    let mut rita = proxy.connect_reviewer();
    let mut agent = proxy.connect("s");
    agent.run("UPDATE account SET name = 'ours' WHERE id IN (1, 2)");
    agent.run("DELETE FROM item WHERE id = 3");
    agent.run("INSERT INTO item VALUES (50, 5, 5)");
    agent.run("UPDATE account SET email = 'mine@x' WHERE id = 4");
    agent.run("UPDATE item SET account_id = 8 WHERE id = 7");
    agent.run("UPDATE account SET lo = 8 WHERE id = 6");
    production.run(
        "UPDATE account SET name = 'theirs' WHERE id = 1; DELETE FROM account WHERE id IN (2, 8)",
    );
    production.run("UPDATE item SET n = 1 WHERE id = 3; INSERT INTO item VALUES (50, 1, 1)");
    production.run("INSERT INTO account (id, name, balance, email) VALUES (60, 'x', 0, 'mine@x')");
    production.run("UPDATE account SET hi = 5 WHERE id = 6");
    let before = base(&mut production);
    let failure = rita.fail("COMMIT SESSION 's'");
    assert_eq!(failure.code(), "ZD001", "{failure}");
    assert_eq!(base(&mut production), before);
    let kinds: Vec<String> = rows(&mut rita, "SHOW CONFLICTS IN SESSION 's'")
        .iter()
        .map(|line| {
            let parts: Vec<&str> = line.split('|').collect();
            format!("{} {} {}", parts[0], parts[1], parts[2])
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "public.account {\"id\": 1} both modified",
            "public.account {\"id\": 2} deleted by them",
            "public.account {\"id\": 4} unique",
            "public.account {\"id\": 6} check",
            "public.item {\"id\": 3} deleted by us",
            "public.item {\"id\": 50} both added",
            "public.item {\"id\": 7} foreign key",
        ]
    );
    // An agent sees the conflicts of its own session and resolves none.
    assert_eq!(rows(&mut agent, "SHOW CONFLICTS").len(), 7);
    assert_eq!(agent.fail("RESOLVE CONFLICT TAKE OURS").code(), "42501");
    proxy.assert_sound();
}

/// What only production's rows of today forbid gets another value, or leaves the draft.
#[test]
fn a_forbidden_row_gets_another_value_or_leaves() {
    let (database, mut proxy) = over(SETUP);
    let mut production = database.connect();
    let mut rita = proxy.connect_reviewer();
    let mut agent = proxy.connect("s");
    agent.run("UPDATE account SET email = 'mine@x' WHERE id = 4");
    agent.run("INSERT INTO account (id, name, balance, email) VALUES (70, 'n', 1, 'new@x')");
    agent.run("UPDATE item SET account_id = 8 WHERE id = 7");
    agent.run("UPDATE account SET lo = 8 WHERE id = 6");
    production.run("DELETE FROM account WHERE id = 8; UPDATE account SET hi = 5 WHERE id = 6");
    production.run(
        "INSERT INTO account (id, name, balance, email) VALUES (60, 'x', 0, 'mine@x'), (61, 'x', 0, 'new@x')",
    );
    assert_eq!(rows(&mut rita, "SHOW CONFLICTS IN SESSION 's'").len(), 4);
    rita.run("REBASE SESSION 's'");
    assert_eq!(rows(&mut rita, "SHOW CONFLICTS IN SESSION 's'").len(), 4);
    rita.run(
        "RESOLVE CONFLICT IN SESSION 's' TABLE account KEY (70) COLUMN email TAKE VALUE 'other@x'",
    );
    rita.run("RESOLVE CONFLICT IN SESSION 's' TABLE item KEY (7) COLUMN account_id TAKE VALUE '9'");
    rita.run("RESOLVE CONFLICT IN SESSION 's' TABLE account KEY (6) COLUMN lo TAKE VALUE '4'");
    rita.run("RESOLVE CONFLICT IN SESSION 's' TABLE account KEY (4) TAKE THEIRS");
    assert!(rows(&mut rita, "SHOW CONFLICTS IN SESSION 's'").is_empty());
    // a row without a conflict is not written to
    rita.run("RESOLVE CONFLICT IN SESSION 's' TABLE account KEY (70) COLUMN name TAKE VALUE 'no'");
    rita.run("COMMIT SESSION 's'");
    assert_eq!(
        rows(
            &mut production,
            "SELECT id, email FROM account WHERE id IN (4, 60, 61, 70) ORDER BY id"
        ),
        ["4|e4@x", "60|mine@x", "61|new@x", "70|other@x"]
    );
    assert_eq!(
        production.value("SELECT name FROM account WHERE id = 70"),
        "n"
    );
    assert_eq!(
        production.value("SELECT account_id FROM item WHERE id = 7"),
        "9"
    );
    assert_eq!(production.value("SELECT lo FROM account WHERE id = 6"), "4");
    proxy.assert_sound();
}

/// What production's schema forbids since is settled as what its rows forbid.
#[test]
fn a_row_that_a_new_constraint_forbids_is_a_conflict() {
    let (database, mut proxy) = over(
        "CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p VALUES (1);
         CREATE TABLE t (id int PRIMARY KEY, n int, w text, p int) PARTITION BY RANGE (id);
         CREATE TABLE t_low PARTITION OF t FOR VALUES FROM (0) TO (100); CREATE TABLE t_high PARTITION OF t DEFAULT;
         INSERT INTO t SELECT g, g, 'w', 1 FROM generate_series(1, 9) g;",
    );
    let mut production = database.connect();
    let mut rita = proxy.connect_reviewer();
    let mut agent = proxy.connect("s");
    agent.run("UPDATE t SET n = NULL WHERE id IN (1, 2)");
    agent.run("UPDATE t SET w = NULL WHERE id = 3");
    agent.run("INSERT INTO t VALUES (10, NULL, 'w', 1), (11, -1, 'w', 1), (12, 12, 'w', 7), (113, NULL, NULL, 1)");
    agent.run("UPDATE t SET n = 90 WHERE id = 9");
    production.run(
        "ALTER TABLE t ALTER n SET NOT NULL, ADD CONSTRAINT positive CHECK (n > 0), ADD CONSTRAINT of_p FOREIGN KEY (p) REFERENCES p;
         ALTER TABLE t_low ALTER w SET NOT NULL",
    );
    let listed = "SHOW CONFLICTS IN SESSION 's'";
    let told: Vec<String> = rows(&mut rita, listed)
        .iter()
        .map(|row| row.split('|').skip(1).take(3).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        told,
        [
            "{\"id\": 12} foreign key of_p",
            "{\"id\": 1} not null n",
            "{\"id\": 2} not null n",
            "{\"id\": 3} not null w",
            "{\"id\": 10} not null n",
            "{\"id\": 11} check positive",
            "{\"id\": 113} not null n",
        ]
    );
    assert_eq!(rita.fail("COMMIT SESSION 's'").code(), "ZD001");
    for settle in [
        "KEY (1) TAKE THEIRS",
        "KEY (2) COLUMN n TAKE VALUE '22'",
        "KEY (3) COLUMN w TAKE VALUE 'v'",
        "KEY (10) COLUMN n TAKE VALUE '10'",
        "KEY (11) TAKE THEIRS",
        "KEY (12) COLUMN p TAKE VALUE '1'",
        "KEY (113) COLUMN n TAKE VALUE '113'",
    ] {
        rita.run(&format!("RESOLVE CONFLICT IN SESSION 's' TABLE t {settle}"));
    }
    assert!(rows(&mut rita, listed).is_empty());
    rita.run("COMMIT SESSION 's'");
    assert_eq!(
        rows(
            &mut production,
            "SELECT id, n, w, p FROM t WHERE id < 4 OR id > 8 ORDER BY id"
        ),
        [
            "1|1|w|1",
            "2|22|w|1",
            "3|3|v|1",
            "9|90|w|1",
            "10|10|w|1",
            "12|12|w|1",
            "113|113|∅|1"
        ]
    );
    proxy.assert_sound();
}

#[test]
fn a_resolved_conflict_stays_resolved_until_the_base_moves() {
    let (database, mut proxy) = over(SETUP);
    let mut production = database.connect();
    let mut rita = proxy.connect_reviewer();
    let mut agent = proxy.connect("s");
    agent.run("UPDATE account SET name = 'ours', balance = 50 WHERE id < 4");
    agent.run("DELETE FROM item WHERE id IN (1, 2)");
    agent.run("INSERT INTO item VALUES (70, 5, 5), (71, 5, 5)");
    production.run("UPDATE account SET name = 'theirs', balance = 60 WHERE id < 4");
    production.run(
        "UPDATE item SET n = 1 WHERE id IN (1, 2); INSERT INTO item VALUES (70, 1, 1), (71, 1, 1)",
    );
    rita.run("RESOLVE CONFLICT IN SESSION 's' TABLE account KEY (1) TAKE OURS");
    rita.run("RESOLVE CONFLICT IN SESSION 's' TABLE account KEY (2) TAKE THEIRS");
    rita.run("RESOLVE CONFLICT IN SESSION 's' TABLE account KEY (3) COLUMN name TAKE VALUE 'both'");
    rita.run("RESOLVE CONFLICT IN SESSION 's' TABLE account KEY (3) COLUMN balance TAKE OURS");
    rita.run("RESOLVE CONFLICT IN SESSION 's' TABLE item KEY (1) TAKE OURS");
    rita.run("RESOLVE CONFLICT IN SESSION 's' TABLE item KEY (2) TAKE THEIRS");
    rita.run("RESOLVE CONFLICT IN SESSION 's' TABLE item KEY (70) TAKE OURS");
    assert_eq!(rows(&mut rita, "SHOW CONFLICTS IN SESSION 's'").len(), 1);
    rita.run("RESOLVE CONFLICT IN SESSION 's' TAKE THEIRS");
    assert!(rows(&mut rita, "SHOW CONFLICTS IN SESSION 's'").is_empty());
    // The agent sees what was decided.
    assert_eq!(
        rows(
            &mut agent,
            "SELECT id, name, balance FROM account WHERE id < 4 ORDER BY id"
        ),
        ["1|ours|50", "2|theirs|60", "3|both|50"]
    );
    production.run("UPDATE account SET name = 'again' WHERE id = 1");
    assert_eq!(rows(&mut rita, "SHOW CONFLICTS IN SESSION 's'").len(), 1);
    rita.run("RESOLVE CONFLICT IN SESSION 's' TAKE OURS");
    rita.run("COMMIT SESSION 's'");
    assert_eq!(
        rows(
            &mut production,
            "SELECT id, name, balance FROM account WHERE id < 4 ORDER BY id"
        ),
        ["1|ours|50", "2|theirs|60", "3|both|50"]
    );
    assert_eq!(
        rows(
            &mut production,
            "SELECT id, n FROM item WHERE id IN (1, 2, 70, 71) ORDER BY id"
        ),
        ["2|1", "70|5", "71|1"]
    );
    proxy.assert_sound();
}

#[test]
fn rebase_then_commit_is_commit() {
    let (database, mut proxy) = over(SETUP);
    let mut production = database.connect();
    let mut rita = proxy.connect_reviewer();
    let mut agent = proxy.connect("s");
    agent.run("UPDATE account SET name = 'ours' WHERE id < 5");
    agent.run("DELETE FROM item WHERE id = 9");
    production.run("UPDATE account SET balance = balance + 1000; DELETE FROM item WHERE id = 9");
    let came = rows(&mut rita, "REBASE SESSION 's'");
    assert!(
        came.iter().any(|l| l.contains("balance|1|1001|merged")),
        "{came:?}"
    );
    assert_eq!(
        rows(&mut agent, "SELECT name, balance FROM account WHERE id = 1"),
        ["ours|1001"]
    );
    rita.run("COMMIT SESSION 's'");
    assert_eq!(
        rows(
            &mut production,
            "SELECT count(*) FROM account WHERE name = 'ours' AND balance > 1000"
        ),
        ["4"]
    );
    proxy.assert_sound();
}

/// Undo: revert after commit = base as before, of a session, of one operation, of an agent.
#[test]
fn revert_after_commit_is_the_base_as_before() {
    let (database, mut proxy) = over(SETUP);
    let mut production = database.connect();
    let mut rita = proxy.connect_reviewer();
    let before = base(&mut production);
    let mut agent = proxy.connect("s");
    agent.run(
        "SET pgdraft.operation = 'one'; UPDATE account SET name = 'x', balance = 0 WHERE id < 4",
    );
    agent.run("SET pgdraft.operation = 'two'; DELETE FROM account WHERE id IN (3, 5)");
    agent.run("SET pgdraft.operation = 'three'; INSERT INTO account (id, name, balance) VALUES (20, 'new', 1); UPDATE item SET n = 7 WHERE id = 8");
    rita.run("COMMIT SESSION 's'");
    let after = base(&mut production);
    // Asked again, a commit answers the same.
    rita.run("COMMIT SESSION 's'");
    assert!(!rows(&mut rita, "SHOW DIFF IN SESSION 's'").is_empty());
    rita.run("REVERT SESSION 's' AS 'undo'");
    assert_eq!(base(&mut production), after);
    rita.run("COMMIT SESSION 'undo'");
    assert_eq!(base(&mut production), before);
    let states = rows(&mut rita, "SHOW SESSIONS");
    assert!(
        states
            .iter()
            .any(|l| l.starts_with("s|") && l.contains("|reverted|")),
        "{states:?}"
    );
    // The undo is a commit as any other, and can be undone.
    rita.run("REVERT SESSION 'undo' AS 'redo'");
    rita.run("COMMIT SESSION 'redo'");
    assert_eq!(base(&mut production), after);
    rita.run("REVERT OPERATION 'three' IN SESSION 's' AS 'part'");
    rita.run("COMMIT SESSION 'part'");
    assert_eq!(
        rows(
            &mut production,
            "SELECT count(*) FILTER (WHERE id = 20), count(*) FILTER (WHERE name = 'x') FROM account"
        ),
        ["0|2"]
    );
    assert_eq!(rita.fail("REVERT SESSION 'nobody'").code(), "ZD003");
    assert_eq!(agent.fail("REVERT SESSION 's'").code(), "42501");
    proxy.assert_sound();
}

#[test]
fn a_revert_that_meets_a_later_change_is_a_conflict() {
    let (database, mut proxy) = over(SETUP);
    let mut production = database.connect();
    let mut rita = proxy.connect_reviewer();
    let mut agent = proxy.connect("s");
    agent.run("UPDATE account SET name = 'x' WHERE id < 3");
    rita.run("COMMIT SESSION 's'");
    production.run("UPDATE account SET name = 'later' WHERE id = 1; UPDATE account SET balance = 9 WHERE id = 2");
    let bot = proxy.agent("s").user;
    rita.run(&format!(
        "REVERT AGENT '{bot}' SINCE '2020-01-01' AS 'undo'"
    ));
    let found = rows(&mut rita, "SHOW CONFLICTS IN SESSION 'undo'");
    assert_eq!(found.len(), 1, "{found:?}");
    rita.run("RESOLVE CONFLICT IN SESSION 'undo' TAKE THEIRS");
    rita.run("COMMIT SESSION 'undo'");
    assert_eq!(
        rows(
            &mut production,
            "SELECT name, balance FROM account WHERE id < 3 ORDER BY id"
        ),
        ["later|1", "n2|9"]
    );
    proxy.assert_sound();
}

#[test]
fn rewind_and_fork() {
    let (database, mut proxy) = over(SETUP);
    let mut agent = proxy.connect("s");
    let see = "SELECT (SELECT count(*) FROM account), (SELECT string_agg(name, ',' ORDER BY id) FROM account WHERE id < 4), (SELECT count(*) FROM item)";
    let mut seen = vec![rows(&mut agent, see)];
    for (number, text) in [
        "UPDATE account SET name = 'a' WHERE id IN (1, 2)",
        "DELETE FROM account WHERE id IN (1, 3)",
        "INSERT INTO account (id, name, balance) VALUES (1, 'back', 0), (30, 'new', 0)",
        "UPDATE account SET name = 'last'; DELETE FROM item",
    ]
    .iter()
    .enumerate()
    {
        agent.run(&format!(
            "BEGIN; SET LOCAL pgdraft.operation = 'op{}'; {text}; COMMIT",
            number + 1
        ));
        seen.push(rows(&mut agent, see));
    }
    for number in (1..=4).rev() {
        agent.run(&format!(
            "FORK SESSION 's' AS 'at {number}' AT OPERATION 'op{number}'"
        ));
        let mut then = proxy.connect(&format!("at {number}"));
        assert_eq!(rows(&mut then, see), seen[number], "fork at {number}");
    }
    let mut owner = database.connect();
    // a fork's operations took as long as those it was made from, and so do those of a head that is made anew
    let times = "SELECT count(DISTINCT pgdraft_at), max(pgdraft_at) - min(pgdraft_at) FROM pgdraft.d1_log WHERE pgdraft_sid = ";
    let first = rows(&mut owner, &format!("{times} 1"));
    owner.run("ALTER TABLE account ADD COLUMN more text");
    assert_eq!(rows(&mut agent, "SELECT count(more) FROM account"), ["0"]);
    assert_eq!(rows(&mut owner, &format!("{times} 1")), first);
    agent.run("FORK SESSION 's' AS 'twin'");
    let newest = "(SELECT max(sid) FROM pgdraft.sessions)";
    assert_eq!(rows(&mut owner, &format!("{times} {newest}")), first);
    assert_eq!(rows(&mut proxy.connect("twin"), see), seen[4]);
    for number in (1..=3).rev() {
        agent.run(&format!("REWIND SESSION 's' TO OPERATION 'op{number}'"));
        assert_eq!(rows(&mut agent, see), seen[number], "rewound to {number}");
    }
    assert_eq!(
        agent.fail("REWIND SESSION 's' TO OPERATION 'op4'").code(),
        "ZD020"
    );
    assert_eq!(agent.fail("FORK SESSION 's' AS 'at 1'").code(), "ZD005");
    agent.run("UPDATE account SET name = 'on' WHERE id = 1");
    assert_eq!(
        rows(&mut agent, "SELECT name FROM account WHERE id = 1"),
        ["on"]
    );
    proxy.assert_sound();
}

#[test]
fn a_rehearsal_shows_what_production_adds_and_leaves_nothing() {
    let script = format!(
        "{SETUP} CREATE TABLE audit (id serial PRIMARY KEY, what text);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO audit (what) VALUES (NEW.name); NEW.note := '{{\"seen\": 1}}'; RETURN NEW; END $$;
        CREATE TRIGGER note BEFORE UPDATE ON account FOR EACH ROW EXECUTE FUNCTION note();"
    );
    let (database, mut proxy) = over(&script);
    let mut production = database.connect();
    let mut rita = proxy.connect_reviewer();
    let mut agent = proxy.connect("s");
    agent.run("UPDATE account SET name = 'x' WHERE id = 1");
    let before = base(&mut production);
    let shown = rows(&mut rita, "REHEARSE SESSION 's'");
    assert!(
        shown
            .iter()
            .any(|l| l.starts_with("commit|public.account|")),
        "{shown:?}"
    );
    let effects: Vec<&String> = shown
        .iter()
        .filter(|l| l.starts_with("side effect|"))
        .collect();
    assert_eq!(effects.len(), 2, "{shown:?}");
    assert!(
        effects
            .iter()
            .any(|l| l.contains("public.audit") && l.contains("\"what\": \"x\"")),
        "{shown:?}"
    );
    assert_eq!(base(&mut production), before);
    assert_eq!(rows(&mut production, "SELECT count(*) FROM audit"), ["0"]);
    // What would stop the commit is told.
    production.run("UPDATE account SET name = 'y' WHERE id = 1; DELETE FROM audit");
    let shown = rows(&mut rita, "REHEARSE SESSION 's'");
    assert!(
        shown[0].starts_with("conflict|public.account|"),
        "{shown:?}"
    );
    assert_eq!(agent.fail("REHEARSE SESSION 's'").code(), "42501");
    proxy.assert_sound();
}

/// Of rows that nothing tells apart, as many are the draft's as it has.
#[test]
fn a_rehearsal_knows_rows_without_a_key() {
    let (_database, mut proxy) = over("CREATE TABLE heap (x int, y json);
        CREATE FUNCTION more() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO heap VALUES (NEW.x, NEW.y); RETURN NULL; END $$;
        CREATE TRIGGER more AFTER INSERT ON heap FOR EACH ROW WHEN (pg_trigger_depth() = 0 AND NEW.x = 2) EXECUTE FUNCTION more();
        INSERT INTO heap VALUES (1, '{}')");
    let mut agent = proxy.connect("s");
    agent.run("INSERT INTO heap VALUES (1, '{}'), (1, '{}'), (2, NULL), (2, NULL), (2, '{}')");
    let mut shown = rows(&mut proxy.connect_reviewer(), "REHEARSE SESSION 's'");
    shown.retain(|line| line.starts_with("side effect|"));
    assert_eq!(shown.len(), 3, "{shown:?}");
    assert!(
        shown.iter().all(|line| line.contains("\"x\": 2")),
        "{shown:?}"
    );
    proxy.assert_sound();
}

#[test]
fn a_proposed_session_waits() {
    let (_database, mut proxy) = over(SETUP);
    let mut rita = proxy.connect_reviewer();
    let mut agent = proxy.connect("s");
    agent.run("UPDATE account SET name = 'x' WHERE id = 1");
    agent.run("PROPOSE SESSION 's'");
    let failure = agent.fail("UPDATE account SET name = 'y' WHERE id = 1");
    assert_eq!(failure.code(), "ZD002", "{failure}");
    assert!(
        failure.field('H').contains("REOPEN SESSION 's'"),
        "{failure}"
    );
    assert_eq!(
        rows(&mut agent, "SELECT name FROM account WHERE id = 1"),
        ["x"]
    );
    let states = rows(&mut rita, "SHOW SESSIONS");
    assert!(states[0].contains("|proposed|"), "{states:?}");
    agent.run("REOPEN SESSION 's'");
    agent.run("UPDATE account SET name = 'y' WHERE id = 1");
    agent.run("PROPOSE SESSION 's'");
    rita.run("COMMIT SESSION 's'");
    assert_eq!(
        rows(&mut agent, "SELECT name FROM account WHERE id = 1"),
        ["y"]
    );
    proxy.assert_sound();
}

/// An open connection of an ended session sees production, not the rows that are kept of the draft.
#[test]
fn an_ended_session_sees_production() {
    let (database, mut proxy) = over(SETUP);
    let mut production = database.connect();
    let mut rita = proxy.connect_reviewer();
    let (mut kept, mut gone) = (proxy.connect("kept"), proxy.connect("gone"));
    kept.run("UPDATE account SET name = 'kept' WHERE id = 1");
    gone.run("UPDATE account SET name = 'gone' WHERE id = 2");
    rita.run("COMMIT SESSION 'kept'");
    rita.run("DISCARD SESSION 'gone'");
    production.run("UPDATE account SET name = 'today' WHERE id IN (1, 2)");
    for agent in [&mut kept, &mut gone] {
        assert_eq!(
            rows(agent, "SELECT name FROM account WHERE id < 3 ORDER BY id"),
            ["today", "today"]
        );
        assert_eq!(agent.fail("UPDATE account SET name = 'z'").code(), "ZD002");
    }
    proxy.assert_sound();
}

/// A table without a key is emptied by the commit, but not of a row that came meanwhile; asked again
/// the commit says the same.
#[test]
fn a_truncated_table_without_a_key() {
    let (database, mut proxy) =
        over("CREATE TABLE notes (t text); INSERT INTO notes VALUES ('a'), ('a'), (NULL)");
    let mut production = database.connect();
    let mut rita = proxy.connect_reviewer();
    for session in ["late", "s"] {
        let mut agent = proxy.connect(session);
        agent.run("TRUNCATE notes");
        agent.run("INSERT INTO notes VALUES ('mine')");
    }
    production.run("INSERT INTO notes VALUES ('new')");
    assert_eq!(rita.fail("COMMIT SESSION 'late'").code(), "ZD001");
    assert_eq!(rows(&mut rita, "SHOW CONFLICTS IN SESSION 'late'").len(), 1);
    assert_eq!(production.value("SELECT count(*) FROM notes"), "4");
    production.run("DELETE FROM notes WHERE t = 'new'");
    let effects = rows(&mut rita, "REHEARSE SESSION 's'");
    assert_eq!(
        production.value("SELECT count(*) FROM notes"),
        "3",
        "{effects:?}"
    );
    let done = rita.run("COMMIT SESSION 's'").table();
    assert_eq!(rows(&mut production, "SELECT t FROM notes"), ["mine"]);
    assert_eq!(rita.run("COMMIT SESSION 's'").table(), done);
    proxy.assert_sound();
}

/// What the agent wrote to a partitioned table is its own, whichever partition has the row.
#[test]
fn a_rehearsal_knows_partitions() {
    let (_database, proxy) = over(
        "CREATE TABLE log (id int, at date, n int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
         CREATE TABLE log_old PARTITION OF log FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
         CREATE TABLE log_new PARTITION OF log DEFAULT;
         CREATE FUNCTION also() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO log VALUES (NEW.id + 100, '2020-12-12', NEW.n); DELETE FROM log WHERE id = 9; RETURN NULL; END $$;
         CREATE TRIGGER also AFTER INSERT ON log_new FOR EACH ROW WHEN (NEW.n = 77) EXECUTE FUNCTION also();
         INSERT INTO log SELECT g, '2020-02-02', g FROM generate_series(1, 9) g;",
    );
    let mut agent = proxy.connect("s");
    agent.run("UPDATE log SET n = n + 1 WHERE id < 4");
    agent.run("UPDATE log SET at = '2022-02-02' WHERE id = 4");
    agent.run("DELETE FROM log WHERE id = 5");
    let effects = || {
        let mut shown = rows(&mut proxy.connect_reviewer(), "REHEARSE SESSION 's'");
        shown.retain(|line| !line.starts_with("commit|"));
        shown
    };
    assert_eq!(effects(), Vec::<String>::new());
    assert_eq!(
        effects(),
        Vec::<String>::new(),
        "what ran before does not count"
    );
    agent.run("INSERT INTO log VALUES (20, '2023-01-01', 77)");
    assert_eq!(
        effects(),
        [
            "side effect|public.log|{\"at\": \"2020-12-12\", \"id\": 120}|∅|{\"n\": 77, \"at\": \"2020-12-12\", \"id\": 120}|written by the database, not by the agent",
            "side effect|public.log|∅|∅|∅|1 row removed by the database, not by the agent",
        ]
    );
}

/// What remains after a part was committed keeps the difference of a counter, and is a conflict where a
/// CHECK forbids what production's values would make of it.
#[test]
fn a_part_leaves_differences_and_checks_to_the_rest() {
    let (database, proxy) = over_with(
        "CREATE TABLE stock (id int PRIMARY KEY, q int CHECK (q >= 0), a int, b int, c text, CHECK (a + b < 100));
         INSERT INTO stock SELECT i, 100, 1, 1, 'x' FROM generate_series(1, 5) i;",
        &Settings {
            config: "[merge]\ndelta = [\"public.stock.q\"]\n".to_owned(),
            ..Settings::default()
        },
    );
    let (mut production, mut rita) = (database.connect(), proxy.connect_reviewer());
    for (name, statement) in [
        ("one", "UPDATE stock SET q = q - 10, c = 'one' WHERE id < 4"),
        (
            "two",
            "UPDATE stock SET q = q - 5 WHERE id = 1; UPDATE stock SET q = q - 85 WHERE id = 2; UPDATE stock SET a = 60 WHERE id = 3",
        ),
        ("three", "UPDATE stock SET q = q - 1 WHERE id = 1"),
    ] {
        let mut agent = proxy.connect("s");
        agent.run(&format!(
            "BEGIN; SET LOCAL pgdraft.operation = '{name}'; {statement}; COMMIT"
        ));
    }
    production.run("UPDATE stock SET q = q + 1000 WHERE id = 1; UPDATE stock SET q = q - 20 WHERE id = 2; UPDATE stock SET b = 50 WHERE id = 3");
    rita.run("COMMIT OPERATIONS 'one' IN SESSION 's'");
    let all = "SELECT id || ' ' || q || ' ' || a || ' ' || b || ' ' || c FROM stock WHERE id < 4 ORDER BY id";
    assert_eq!(
        rows(&mut production, all),
        ["1 1090 1 1 one", "2 70 1 1 one", "3 90 1 50 one"]
    );
    let steps = "SELECT concat_ws(' ', operation, from_q, to_q) FROM pgdraft.diff_stock('s') WHERE from_id = 1";
    assert_eq!(rows(&mut production, steps), ["three 1090 1084"]);
    let found = rows(&mut rita, "SHOW CONFLICTS IN SESSION 's'");
    assert_eq!(found.len(), 2, "{found:?}");
    rita.run("DISCARD OPERATIONS 'three' IN SESSION 's'");
    rita.run("RESOLVE CONFLICT IN SESSION 's' TAKE THEIRS");
    rita.run("COMMIT SESSION 's'");
    assert_eq!(
        rows(&mut production, all),
        ["1 1085 1 1 one", "2 70 1 1 one", "3 90 1 50 one"]
    );
}
