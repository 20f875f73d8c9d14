//! What a reviewer can do with a session, where it is not usual: tables without a key, operations
//! committed apart, commands asked twice or not to their end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use testkit::proxy::{Proxy, over};
use testkit::wire::{Failure, Reply};

const SETUP: &str = "\
CREATE TABLE notes (at int, what json);
INSERT INTO notes VALUES (1, '{}'), (1, '{}'), (2, NULL);
CREATE TABLE stock (id int PRIMARY KEY, a int, b int, place int UNIQUE CHECK (place < 1000));
INSERT INTO stock SELECT n, n, n, n FROM generate_series(1, 6) n;
";

fn rows(reply: &Reply) -> Vec<Vec<String>> {
    (0..reply.rows.len())
        .map(|row| {
            let cells = reply.rows[row].len();
            (0..cells)
                .map(|at| reply.value(row, at).unwrap_or_default())
                .collect()
        })
        .collect()
}

fn operation(proxy: &Proxy, session: &str, name: &str, statements: &str) {
    let mut agent = proxy.connect(session);
    agent.run(&format!(
        "BEGIN; SET LOCAL pgdraft.operation = '{name}'; {statements}; COMMIT"
    ));
}

/// What the console says to a command that it refuses.
fn refused(proxy: &Proxy, command: &str) -> Failure {
    proxy.connect_reviewer().fail(command)
}

#[test]
fn a_truncation_without_a_key_is_undone() {
    let (database, proxy) = over(SETUP);
    let notes = "SELECT at, what::text FROM notes ORDER BY 1, 2";
    let before = rows(&database.connect().run(notes));
    proxy
        .connect("s")
        .run("TRUNCATE notes; UPDATE stock SET a = 0 WHERE id = 1");
    proxy.review("COMMIT SESSION 's'");
    assert!(rows(&database.connect().run(notes)).is_empty());
    let diff = rows(&proxy.review("SHOW DIFF IN SESSION 's' TABLE notes"));
    assert_eq!(diff.len(), 3);
    assert!(diff.iter().all(|row| row[2] == "removed"), "{diff:?}");
    proxy.review("REVERT SESSION 's' AS 'undo'");
    proxy.review("COMMIT SESSION 'undo'");
    assert_eq!(rows(&database.connect().run(notes)), before);
    assert_eq!(
        database.connect().value("SELECT a FROM stock WHERE id = 1"),
        "1"
    );
    // the other way the rows cannot be told apart
    let error = refused(&proxy, "REVERT SESSION 'undo'");
    assert_eq!(error.code(), "0A000");
    assert!(
        error.message().contains("table \"notes\" has no key"),
        "{error:?}"
    );
    assert!(
        !rows(&proxy.review("SHOW SESSIONS"))
            .iter()
            .any(|s| s[0].starts_with("revert"))
    );
}

#[test]
fn several_truncations_without_a_key_are_undone_together() {
    let (database, proxy) = over(SETUP);
    proxy.connect("one").run("TRUNCATE notes");
    proxy.review("COMMIT SESSION 'one'");
    database.run("INSERT INTO notes VALUES (7, '[7]'), (8, '[8]')");
    proxy.connect("two").run("TRUNCATE notes");
    proxy.review("COMMIT SESSION 'two'");
    proxy.review("REVERT AGENT 'agent' SINCE '2000-01-01' AS 'undo'");
    proxy.review("COMMIT SESSION 'undo'");
    let found = rows(&database.connect().run("SELECT at FROM notes ORDER BY 1"));
    assert_eq!(found.concat(), ["1", "1", "2", "7", "8"]);
}

#[test]
fn an_operation_that_was_committed_apart_is_undone() {
    let (database, proxy) = over(SETUP);
    operation(
        &proxy,
        "s",
        "first",
        "UPDATE stock SET a = 100 WHERE id = 1",
    );
    operation(
        &proxy,
        "s",
        "second",
        "UPDATE stock SET a = 200 WHERE id = 2",
    );
    proxy.review("COMMIT OPERATIONS 'first' IN SESSION 's'");
    proxy.review("REVERT OPERATION 'first' IN SESSION 's' AS 'undo'");
    assert_eq!(rows(&proxy.review("SHOW DIFF IN SESSION 'undo'")).len(), 1);
    proxy.review("COMMIT SESSION 'undo'");
    assert_eq!(
        database.connect().value("SELECT a FROM stock WHERE id = 1"),
        "1"
    );
    let error = refused(&proxy, "REVERT OPERATION 'second' IN SESSION 's'");
    assert_eq!(error.code(), "ZD030");
    // nor is one undone that ended with its session
    proxy.review("COMMIT SESSION 's'");
    proxy.review("REVERT OPERATION 'second' IN SESSION 's' AS 'undo 2'");
    assert_eq!(
        rows(&proxy.review("SHOW DIFF IN SESSION 'undo 2'")).len(),
        1
    );
}

#[test]
fn a_column_settled_twice_is_one_operation() {
    let (database, proxy) = over(SETUP);
    proxy
        .connect("s")
        .run("UPDATE stock SET a = 10, b = 10 WHERE id = 1");
    database.run("UPDATE stock SET a = 5, b = 5 WHERE id = 1");
    for _ in 0..2 {
        proxy.review("RESOLVE CONFLICT IN SESSION 's' TABLE stock COLUMN a TAKE THEIRS");
    }
    let operations = rows(&proxy.review("SHOW OPERATIONS IN SESSION 's'"));
    let names: Vec<&str> = operations.iter().map(|o| o[0].as_str()).collect();
    assert_eq!(names, ["op-1", "resolve"]);
    proxy.review("RESOLVE CONFLICT IN SESSION 's' TABLE stock COLUMN b TAKE VALUE '7'");
    proxy.review("COMMIT SESSION 's'");
    let row = database
        .connect()
        .value("SELECT a || ' ' || b FROM stock WHERE id = 1");
    assert_eq!(row, "5 7");
}

#[test]
fn a_rehearsal_tells_only_rows_that_a_commit_would_not_take() {
    let (database, proxy) = over(SETUP);
    proxy.connect("s").run(
        "BEGIN; UPDATE stock SET place = 60 WHERE id = 6; UPDATE stock SET place = 6 WHERE id = 5;
         UPDATE stock SET place = 5 WHERE id = 4; UPDATE stock SET place = 4 WHERE id = 3;
         UPDATE stock SET place = 0 WHERE id = 1; UPDATE stock SET place = 1 WHERE id = 2;
         UPDATE stock SET place = 2 WHERE id = 1; COMMIT",
    );
    database.run(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF NEW.id = 6 THEN RAISE 'not this one'; END IF; RETURN NEW; END $$;
         CREATE TRIGGER no BEFORE UPDATE ON stock FOR EACH ROW EXECUTE FUNCTION no()",
    );
    let told = rows(&proxy.review("REHEARSE SESSION 's'"));
    let errors: Vec<(&str, &str)> = told
        .iter()
        .filter(|row| row[0] == "error")
        .map(|row| (row[2].as_str(), row[5].as_str()))
        .collect();
    // 5 waits for 6, which does not leave its place; 3 and 4 follow, 1 and 2 exchange theirs
    assert_eq!(errors.len(), 2, "{told:?}");
    for (at, what) in [('6', "not this one"), ('5', "23505")] {
        let found = errors
            .iter()
            .any(|(key, error)| key.contains(at) && error.contains(what));
        assert!(found, "{told:?}");
    }
}

#[test]
fn a_command_that_is_not_finished_is_told_how_it_goes_on() {
    let (_database, proxy) = over(SETUP);
    for (begun, form) in [
        ("SHOW DRAFT", "SHOW DRAFT TABLES"),
        ("show draft;", "SHOW DRAFT TABLES"),
        ("FORK", "FORK SESSION 'name' AS"),
        ("revert", "REVERT AGENT 'agent' SINCE 'time'"),
        ("KILL", "KILL CLIENT 'id'"),
        ("SHOW", "SHOW PGDRAFT COMMANDS"),
    ] {
        let error = refused(&proxy, begun);
        assert_eq!(error.code(), "42601", "{begun}");
        let hint = error.field('H');
        assert!(hint.contains(form), "{begun}: {hint}");
    }
    let error = proxy.connect("s").fail("SHOW DRAFT TABLES");
    assert_eq!(error.code(), "42501");
}

#[test]
fn a_comment_before_a_command_changes_nothing() {
    let (_database, proxy) = over(SETUP);
    let mut agent = proxy.connect("s");
    operation(&proxy, "s", "one", "UPDATE stock SET a = 9 WHERE id = 1");
    agent.run("BEGIN");
    let error = agent.fail("/* tidy */ DISCARD SESSION 's'");
    assert_eq!(error.code(), "25001");
    agent.run("ROLLBACK");
    agent.run("-- tidy\nDISCARD OPERATIONS 'one'");
    assert_eq!(agent.value("SELECT a FROM stock WHERE id = 1"), "1");
}

/// Values that a key calls equal and that are not the same: an undo brings the old ones back.
#[test]
fn equal_keys_go_back_to_what_they_were() {
    let (database, proxy) = over(
        "CREATE TABLE document (body jsonb PRIMARY KEY, n int); INSERT INTO document VALUES ('{\"a\": 1}', 1), ('2', 2);
         CREATE TABLE price (value numeric PRIMARY KEY, note text); INSERT INTO price VALUES (1.0, 'x');",
    );
    let (mut production, mut rita) = (database.connect(), proxy.connect_reviewer());
    let all = "SELECT body::text, n FROM document UNION ALL SELECT value::text, length(note) FROM price ORDER BY 1";
    let before = rows(&production.run(all));
    let mut agent = proxy.connect("s");
    agent.run("UPDATE document SET body = '{\"a\": 1.0}' WHERE n = 1");
    agent.run("UPDATE price SET value = 1.00, note = 'longer'");
    rita.run("COMMIT SESSION 's'");
    assert_eq!(rows(&production.run(all))[0][0], "1.00");
    rita.run("REVERT SESSION 's' AS 'back'");
    rita.run("COMMIT SESSION 'back'");
    assert_eq!(rows(&production.run(all)), before);
}

/// A composite key with a NULL in it is a key like others; of several commits that touched a row the one
/// that changed the column is named.
#[test]
fn a_conflict_is_one_and_names_who_made_it() {
    let (database, proxy) = over(
        "CREATE TYPE pair AS (a int, b text); CREATE TABLE paired (key pair PRIMARY KEY, n int, m int);
         INSERT INTO paired VALUES ((1, NULL), 1, 1), ((2, 'x'), 2, 2);",
    );
    let (mut production, mut rita) = (database.connect(), proxy.connect_reviewer());
    for (session, set) in [("late", "n = 10"), ("first", "n = 5"), ("second", "m = 6")] {
        proxy
            .connect(session)
            .run(&format!("UPDATE paired SET {set}"));
    }
    assert!(rows(&rita.run("SHOW CONFLICTS IN SESSION 'late'")).is_empty());
    rita.run("COMMIT SESSION 'first'");
    rita.run("COMMIT SESSION 'second'");
    let found = rows(&rita.run("SHOW CONFLICTS IN SESSION 'late'"));
    assert_eq!(found.len(), 2, "{found:?}");
    for row in &found {
        assert_eq!(row[2..4], ["both modified", "n"], "{row:?}");
        assert!(row[7].starts_with("session \"first\""), "{row:?}");
    }
    rita.run("RESOLVE CONFLICT IN SESSION 'late' TAKE OURS");
    rita.run("COMMIT SESSION 'late'");
    let now = rows(&production.run("SELECT n, m FROM paired ORDER BY key"));
    assert_eq!(now, [["10", "6"], ["10", "6"]]);
}

/// Keys over expressions, of some rows, DEFERRABLE ones, exclusion constraints, and checks of tables with
/// generated columns: what only the moved base violates is listed with all else, and can be settled.
#[test]
fn every_kind_of_key_is_listed() {
    let (database, proxy) = over(
        "CREATE TABLE person (id int PRIMARY KEY, email text, place int UNIQUE DEFERRABLE, active bool NOT NULL DEFAULT true, code int,
            stay int4range, EXCLUDE USING gist (stay WITH &&), a int NOT NULL DEFAULT 1, b int NOT NULL DEFAULT 1,
            total int GENERATED ALWAYS AS (a + b) STORED, CHECK (a + b < 100), CONSTRAINT even CHECK (total <> 13));
         CREATE UNIQUE INDEX by_email ON person (lower(email)); CREATE UNIQUE INDEX by_code ON person (code) WHERE active;
         INSERT INTO person (id) SELECT g FROM generate_series(1, 4) g;",
    );
    let (mut production, mut rita) = (database.connect(), proxy.connect_reviewer());
    let mut agent = proxy.connect("s");
    agent
        .run("INSERT INTO person (id, email, place, code, stay) VALUES (10, 'A@x', 7, 7, '[1,5)')");
    agent.run("UPDATE person SET a = 60 WHERE id = 1");
    agent.run("UPDATE person SET a = 6 WHERE id = 2");
    agent.run("UPDATE person SET email = 'both@x' WHERE id = 3");
    agent.run("UPDATE person SET a = 2 WHERE id = 4");
    production.run("INSERT INTO person (id, email) VALUES (20, 'a@X'); INSERT INTO person (id, place) VALUES (21, 7);
        INSERT INTO person (id, code) VALUES (22, 7); INSERT INTO person (id, code, active) VALUES (23, 7, false);
        INSERT INTO person (id, stay) VALUES (24, '[4,9)'); UPDATE person SET b = 50 WHERE id = 1; UPDATE person SET b = 7 WHERE id = 2;
        UPDATE person SET email = 'BOTH@x' WHERE id = 4");
    let failure = refused(&proxy, "COMMIT SESSION 's'");
    assert_eq!(failure.code(), "ZD001", "{failure}");
    let found = rows(&rita.run("SHOW CONFLICTS IN SESSION 's'"));
    let mut short: Vec<String> = found
        .iter()
        .map(|r| format!("{} {} {}", r[1], r[2], r[3]))
        .collect();
    short.sort();
    assert_eq!(
        short,
        [
            "{\"id\": 10} exclusion person_stay_excl",
            "{\"id\": 10} unique by_code",
            "{\"id\": 10} unique by_email",
            "{\"id\": 10} unique person_place_key",
            "{\"id\": 1} check person_check",
            "{\"id\": 2} check even",
            "{\"id\": 3} unique by_email",
        ],
        "{found:?}"
    );
    rita.run("RESOLVE CONFLICT IN SESSION 's' KEY (1) TABLE person COLUMN a TAKE VALUE '3'");
    rita.run(
        "RESOLVE CONFLICT IN SESSION 's' KEY (3) TABLE person COLUMN email TAKE VALUE 'other@x'",
    );
    rita.run("RESOLVE CONFLICT IN SESSION 's' TAKE THEIRS");
    assert!(rows(&rita.run("SHOW CONFLICTS IN SESSION 's'")).is_empty());
    rita.run("COMMIT SESSION 's'");
    let now = rows(&production.run("SELECT a, b, email FROM person WHERE id < 10 ORDER BY id"));
    assert_eq!(now[0][..2], ["3", "50"]);
    assert_eq!(now[1][..2], ["1", "7"]);
    assert_eq!(now[2][2], "other@x");
    assert_eq!(now[3], ["2", "1", "BOTH@x"]);
}

/// Within one operation a row waits for another one that an exclusion constraint or a key over an
/// expression keeps it from.
#[test]
fn rows_wait_for_what_excludes_them() {
    let (database, proxy) = over(
        "CREATE TABLE stay (id int PRIMARY KEY, during int4range NOT NULL, name text NOT NULL, EXCLUDE USING gist (during WITH &&));
         CREATE UNIQUE INDEX by_name ON stay (lower(name));
         INSERT INTO stay VALUES (1, '[1,5)', 'a'), (2, '[5,9)', 'b');",
    );
    let (mut production, mut rita) = (database.connect(), proxy.connect_reviewer());
    let before = rows(&production.run("SELECT * FROM stay ORDER BY id"));
    let mut agent = proxy.connect("s");
    agent.run("BEGIN; UPDATE stay SET during = '[9,12)', name = 'c' WHERE id = 1; UPDATE stay SET during = '[1,5)', name = 'A' WHERE id = 2; COMMIT");
    rita.run("COMMIT SESSION 's'");
    let moved = rows(&production.run("SELECT during::text, name FROM stay ORDER BY id"));
    assert_eq!(moved, [["[9,12)", "c"], ["[1,5)", "A"]]);
    rita.run("REVERT SESSION 's' AS 'back'");
    let told = rows(&rita.run("REHEARSE SESSION 'back'"));
    assert_eq!(told[0][0], "commit", "{told:?}");
    rita.run("COMMIT SESSION 'back'");
    assert_eq!(
        rows(&production.run("SELECT * FROM stay ORDER BY id")),
        before
    );
}

/// Rows that appeared in a truncated table: they go too, or stay. A rebase counts every conflict that is left.
#[test]
fn what_a_truncation_did_not_know_is_settled() {
    let (database, proxy) = over(SETUP);
    let (mut production, mut rita) = (database.connect(), proxy.connect_reviewer());
    let mut agent = proxy.connect("s");
    agent.run("TRUNCATE stock, notes");
    agent.run("INSERT INTO stock VALUES (1, 10, 10, 10), (50, 5, 5, 5)");
    agent.run("INSERT INTO notes VALUES (9, '9')");
    production.run(
        "UPDATE stock SET a = 100 WHERE id IN (1, 2); INSERT INTO stock VALUES (70, 7, 7, 70), (71, 7, 7, 71);
         DELETE FROM stock WHERE id = 3; INSERT INTO notes VALUES (7, '7')",
    );
    let mut settle = |command: &str| {
        let reply = rita.run(&format!("{command} IN SESSION 's'"));
        rows(&reply).len()
    };
    assert_eq!(settle("SHOW CONFLICTS"), 5);
    let told = |command: &str| {
        let reply = proxy.connect_reviewer().run(command);
        reply
            .notices
            .iter()
            .map(|n| n.message().to_owned())
            .collect::<Vec<_>>()
            .join("|")
    };
    let rebased = told("REBASE SESSION 's'");
    assert!(
        rebased.ends_with("0 values came, 5 conflicts are left"),
        "{rebased}"
    );
    let left = told("RESOLVE CONFLICT IN SESSION 's' TABLE stock KEY (70) TAKE THEIRS");
    assert_eq!(left, "4 conflicts are left");
    let left = told("RESOLVE CONFLICT IN SESSION 's' TABLE notes TAKE THEIRS");
    assert_eq!(left, "3 conflicts are left");
    let notes = "SELECT at, what FROM notes ORDER BY at";
    assert_eq!(rows(&agent.run(notes)), [["7", "7"], ["9", "9"]]);
    told("RESOLVE CONFLICT IN SESSION 's' TABLE stock KEY (2) TAKE THEIRS");
    told("RESOLVE CONFLICT IN SESSION 's' TAKE OURS");
    assert_eq!(settle("SHOW CONFLICTS"), 0);
    let all = "SELECT id, a FROM stock ORDER BY id";
    let seen = rows(&agent.run(all));
    assert_eq!(seen, [["1", "10"], ["2", "100"], ["50", "5"], ["70", "7"]]);
    // what was settled moves again
    production.run("UPDATE stock SET b = 9 WHERE id = 71; INSERT INTO notes VALUES (8, '8')");
    assert_eq!(settle("SHOW CONFLICTS"), 2);
    told("RESOLVE CONFLICT IN SESSION 's' TAKE OURS");
    rita.run("COMMIT SESSION 's'");
    assert_eq!(rows(&production.run(all)), seen);
    assert_eq!(
        rows(&production.run("SELECT at FROM notes ORDER BY at")),
        [["7"], ["9"]]
    );
}

/// Rows that production's trigger keeps away are named as those that meet an error are.
#[test]
fn a_rehearsal_names_rows_that_a_trigger_keeps_away() {
    let (database, proxy) = over(
        "CREATE TABLE kept (id int PRIMARY KEY, v int); INSERT INTO kept SELECT g, g FROM generate_series(1, 8) g;
         CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF TG_OP = 'DELETE' THEN RETURN CASE WHEN OLD.v = 7 THEN NULL ELSE OLD END; END IF;
            IF NEW.v > 100 THEN RETURN NULL; ELSIF NEW.v < 0 THEN RAISE EXCEPTION 'below zero'; END IF;
            NEW.v := NEW.v + 1; RETURN NEW; END $$;
         CREATE TRIGGER keep BEFORE INSERT OR UPDATE OR DELETE ON kept FOR EACH ROW EXECUTE FUNCTION keep();",
    );
    let mut production = database.connect();
    let mut agent = proxy.connect("s");
    agent
        .run("UPDATE kept SET v = CASE id WHEN 1 THEN 200 WHEN 2 THEN -1 ELSE 50 END WHERE id < 5");
    agent.run("INSERT INTO kept VALUES (20, 20), (21, 300), (22, 22)");
    agent.run("DELETE FROM kept WHERE id > 5 AND id < 9");
    let told = rows(&proxy.connect_reviewer().run("REHEARSE SESSION 's'"));
    let mut short: Vec<String> = told
        .iter()
        .map(|r| format!("{} {} {}", r[0], r[2], &r[5].split(':').next().unwrap()))
        .collect();
    short.sort();
    assert_eq!(
        short,
        [
            "error {\"id\": 1} 09000",
            "error {\"id\": 21} 09000",
            "error {\"id\": 2} P0001",
            "error {\"id\": 7} 09000"
        ],
        "{told:?}"
    );
    assert_eq!(rows(&production.run("SELECT count(*) FROM kept")), [["8"]]);
}

/// Several commits undone together: the answer counts the rows of the draft, now and when it is asked for again.
#[test]
fn an_undo_of_several_commits_counts_its_rows() {
    let (_database, proxy) = over(SETUP);
    let mut rita = proxy.connect_reviewer();
    for (session, statement) in [
        ("one", "UPDATE stock SET a = 10 WHERE id < 3"),
        ("two", "UPDATE stock SET a = 11 WHERE id = 1"),
    ] {
        proxy.connect(session).run(statement);
        rita.run(&format!("COMMIT SESSION '{session}'"));
    }
    for _ in 0..2 {
        let reply = rita.run("REVERT AGENT 'agent' SINCE '2020-01-01' AS 'back'");
        assert_eq!(
            reply.notices[0].message(),
            "session \"back\" made with 2 rows"
        );
    }
}

/// An undo that is undone brings back the state of what it had undone, however often.
#[test]
fn an_undo_that_is_undone_undoes_nothing() {
    let (_database, proxy) = over(SETUP);
    let mut rita = proxy.connect_reviewer();
    proxy
        .connect("s")
        .run("UPDATE stock SET a = 10 WHERE id = 1");
    rita.run("COMMIT SESSION 's'");
    let mut last = "s".to_owned();
    let mut states = Vec::new();
    for made in ["r1", "r2", "r3"] {
        rita.run(&format!("REVERT SESSION '{last}' AS '{made}'"));
        rita.run(&format!("COMMIT SESSION '{made}'"));
        let all = rows(&rita.run("SHOW SESSIONS"));
        let state = |name: &str| {
            let found = all.iter().find(|row| row[0] == name);
            found.map_or_else(String::new, |row| row[2].chars().take(1).collect())
        };
        states.push(["s", "r1", "r2", "r3"].map(state).concat());
        made.clone_into(&mut last);
    }
    assert_eq!(states, ["rc", "crc", "rcrc"]);
}

/// A row that appeared and refers to one that the draft removes or changes: production's word leaves that
/// one as it is, named by the row that appeared, though the draft does not have its table.
#[test]
fn what_rows_that_appeared_refer_to_is_left() {
    let (database, proxy) = over(
        "CREATE TABLE firm (id int PRIMARY KEY, code text UNIQUE, note text);
         CREATE TABLE person (a int, b int, firm int REFERENCES firm ON DELETE CASCADE, PRIMARY KEY (a, b));
         CREATE TABLE bill (no int PRIMARY KEY, code text REFERENCES firm (code));
         CREATE TABLE memo (firm int REFERENCES firm, said text);
         INSERT INTO firm SELECT i, 'c' || i, 'n' FROM generate_series(1, 8) i; INSERT INTO person VALUES (1, 1, 1)",
    );
    let (mut production, mut rita) = (database.connect(), proxy.connect_reviewer());
    let mut agent = proxy.connect("s");
    agent.run("DELETE FROM firm WHERE id IN (1, 2, 4, 7)");
    agent.run("UPDATE firm SET code = 'new', note = 'changed' WHERE id = 3");
    agent.run("UPDATE firm SET id = 60 WHERE id = 6");
    agent.run("UPDATE firm SET note = 'kept' WHERE id = 5");
    production.run(
        "INSERT INTO person VALUES (2, 1, 1), (2, 2, 2); INSERT INTO bill VALUES (3, 'c3'), (7, 'c7'); INSERT INTO memo VALUES (4, 'x'), (6, 'y')",
    );
    let mut settle = |which: &str| {
        let reply = rita.run(&format!("RESOLVE CONFLICT IN SESSION 's' {which}"));
        reply.notices[0].message().to_owned()
    };
    assert_eq!(
        settle("TABLE person KEY (9, 9) TAKE THEIRS"),
        "nothing was settled by this: 6 conflicts are left"
    );
    assert_eq!(
        settle("TABLE person KEY (2, 1) TAKE THEIRS"),
        "5 conflicts are left"
    );
    assert_eq!(settle("TABLE bill TAKE THEIRS"), "3 conflicts are left");
    // the one that went on under another key would be there twice
    assert_eq!(settle("TAKE THEIRS"), "1 conflict is left");
    let seen = rows(&agent.run("SELECT id, code, note FROM firm ORDER BY id"));
    let told: Vec<String> = seen.iter().map(|row| row.join(" ")).collect();
    assert_eq!(
        told,
        [
            "1 c1 n",
            "2 c2 n",
            "3 c3 n",
            "4 c4 n",
            "5 c5 kept",
            "7 c7 n",
            "8 c8 n",
            "60 c6 n"
        ]
    );
}

/// A row goes back to the primary key that it had, with the rows that refer to it by another one.
#[test]
fn a_key_that_changed_beside_a_referred_one_goes_back() {
    for action in [
        "ON UPDATE CASCADE",
        "ON DELETE RESTRICT",
        "ON DELETE CASCADE",
    ] {
        let (database, proxy) = over(&format!(
            "CREATE TABLE place (id int PRIMARY KEY, pos int NOT NULL UNIQUE, note text);
             CREATE TABLE thing (id int PRIMARY KEY, pos int REFERENCES place (pos) {action});
             INSERT INTO place SELECT i, i * 10, 'n' FROM generate_series(1, 4) i; INSERT INTO thing VALUES (1, 10), (2, 20)",
        ));
        let (mut production, mut rita) = (database.connect(), proxy.connect_reviewer());
        let all = "SELECT id, pos, note FROM place UNION ALL SELECT id, pos, 'thing' FROM thing ORDER BY 3, 1";
        let before = rows(&production.run(all));
        operation(
            &proxy,
            "s",
            "a",
            "UPDATE place SET id = 9 WHERE id = 1; UPDATE place SET note = 'm' WHERE id = 2",
        );
        operation(
            &proxy,
            "s",
            "b",
            "UPDATE place SET id = 12, note = 'two' WHERE id = 2; DELETE FROM place WHERE id = 3",
        );
        rita.run("COMMIT SESSION 's'");
        let after = rows(&production.run(all));
        rita.run("REVERT SESSION 's' AS 'back'");
        assert_eq!(
            rows(&rita.run("SHOW CONFLICTS IN SESSION 'back'")),
            [[""; 0]; 0],
            "{action}"
        );
        rita.run("COMMIT SESSION 'back'");
        assert_eq!(rows(&production.run(all)), before, "{action}");
        rita.run("REVERT SESSION 'back' AS 'again'");
        rita.run("COMMIT SESSION 'again'");
        assert_eq!(rows(&production.run(all)), after, "{action}");
    }
}

/// An operation that was discarded is none of a copy, and the session that is named in the answer is there.
#[test]
fn a_copy_at_an_operation_that_was_discarded() {
    let (_database, proxy) = over(SETUP);
    for name in ["a", "b", "c"] {
        let statement = format!("UPDATE stock SET a = 9 WHERE id = {}", name.len());
        operation(&proxy, "s", name, &statement);
    }
    proxy.review("DISCARD OPERATIONS 'c' IN SESSION 's'");
    let error = refused(&proxy, "FORK SESSION 's' AS 'f' AT OPERATION 'c'");
    assert!(error.message().starts_with("session \"s\""), "{error}");
    let reply = proxy.review("REWIND SESSION 's' TO OPERATION 'a'");
    assert_eq!(
        reply.notices[0].message(),
        "session \"s\" rewound: 1 operation is gone"
    );
}

/// What an operation wrote is settled by another one: it does not go to production by itself.
#[test]
fn a_settled_value_is_not_left_behind() {
    let (database, proxy) = over(SETUP);
    operation(&proxy, "s", "first", "UPDATE stock SET a = 10 WHERE id = 1");
    operation(&proxy, "s", "other", "UPDATE stock SET b = 20 WHERE id = 1");
    operation(&proxy, "s", "away", "UPDATE stock SET a = 30 WHERE id = 2");
    let mut production = database.connect();
    production.run("UPDATE stock SET a = 77 WHERE id = 1");
    proxy.review("RESOLVE CONFLICT IN SESSION 's' TABLE stock KEY (1) COLUMN a TAKE VALUE '50'");
    let failure = refused(&proxy, "COMMIT OPERATIONS 'first' IN SESSION 's'");
    assert_eq!(failure.code(), "ZD022");
    assert!(format!("{failure:?}").contains("resolve"), "{failure:?}");
    refused(&proxy, "DISCARD OPERATIONS 'resolve' IN SESSION 's'");
    proxy.review("COMMIT OPERATIONS 'away' IN SESSION 's'");
    proxy.review("COMMIT OPERATIONS 'first' IN SESSION 's' CASCADE");
    let now = rows(&production.run("SELECT a, b FROM stock WHERE id < 3 ORDER BY id"));
    assert_eq!(now[0][0], "50");
    assert_eq!(now[1][0], "30");
    proxy.review("COMMIT SESSION 's'");
    let now = rows(&production.run("SELECT a, b FROM stock WHERE id = 1"));
    assert_eq!(now[0], ["50", "20"]);
}
