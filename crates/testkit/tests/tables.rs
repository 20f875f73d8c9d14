//! Tables of special kinds: what the configuration and production say about them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use testkit::cluster::Cluster;
use testkit::proxy::{Settings, over_with};

const READINGS: &str = "\
CREATE TABLE readings (sensor text, at int, value numeric, note text);
CREATE TABLE doubled (a int, b int);
CREATE TABLE missing (a int, b int);
CREATE TABLE marked (a int NOT NULL, b text NOT NULL, c int);
CREATE UNIQUE INDEX marked_c ON marked (c);
CREATE UNIQUE INDEX marked_b ON marked (b);
CREATE UNIQUE INDEX marked_a ON marked (a);
ALTER TABLE marked REPLICA IDENTITY USING INDEX marked_a;
INSERT INTO readings SELECT 's' || i % 3, i, i, 'n' FROM generate_series(1, 30) i;
INSERT INTO doubled VALUES (1, 1), (1, 1);
INSERT INTO missing VALUES (1, NULL);
INSERT INTO marked VALUES (1, 'one', 1), (2, 'two', 2);
";

fn keys() -> Settings {
    Settings {
        config: "[tables]\nkey = [\"public.readings.sensor\", \"public.readings.at\", \"public.doubled.a\", \"public.doubled.b\", \"public.missing.a\", \"public.missing.b\"]\n".into(),
        ..Settings::default()
    }
}

#[test]
fn a_key_that_the_configuration_names() {
    let (database, mut proxy) = over_with(READINGS, &keys());
    let mut agent = proxy.connect("s");
    agent.run("UPDATE readings SET value = value + 100 WHERE at <= 2");
    agent.run("DELETE FROM readings WHERE sensor = 's0' AND at = 3");
    agent.run("UPDATE readings SET at = 300 WHERE at = 30");
    agent.run("INSERT INTO readings VALUES ('s9', 1, 1, NULL)");
    assert_eq!(agent.value("SELECT count(*) FROM readings"), "30");
    assert_eq!(
        agent.value(
            "SELECT string_agg(value::text, ',' ORDER BY at, sensor) FROM readings WHERE at <= 4"
        ),
        "101,1,102,4"
    );
    for statement in [
        "INSERT INTO readings VALUES ('s1', 1, 5, 'twice')",
        "INSERT INTO readings VALUES ('s9', 1, 5, 'twice')",
        "INSERT INTO readings VALUES ('t', 1), ('t', 1)",
        "INSERT INTO readings VALUES ('s1', NULL)",
        "UPDATE readings SET sensor = NULL WHERE at = 5",
        "UPDATE doubled SET b = 2",
        "DELETE FROM missing",
    ] {
        let failure = agent.fail(statement);
        assert_eq!(failure.code(), "0A000", "{statement}");
    }
    // Two rows that production makes equal afterwards.
    let mut owner = database.connect();
    owner.run("INSERT INTO readings VALUES ('s1', 7, 0, 'again')");
    assert_eq!(
        agent
            .fail("DELETE FROM readings WHERE note = 'again'")
            .code(),
        "0A000"
    );
    proxy.review("COMMIT SESSION 's'");
    assert_eq!(
        owner.value("SELECT count(*) || ' ' || sum(value) FROM readings"),
        "31 663"
    );
    proxy.assert_sound();
}

#[test]
fn a_replica_identity_tells_rows_apart() {
    let (database, mut proxy) = over_with(READINGS, &keys());
    let mut agent = proxy.connect("s");
    agent.run(
        "UPDATE marked SET c = 7, b = 'seven' WHERE a = 1; DELETE FROM marked WHERE b = 'two'",
    );
    let diff = proxy.review("SHOW DIFF IN SESSION 's'");
    assert_eq!(diff.rows.len(), 2);
    proxy.review("COMMIT SESSION 's'");
    assert_eq!(
        database
            .connect()
            .value("SELECT string_agg(m::text, ' ') FROM marked m"),
        "(1,seven,7)"
    );
    proxy.assert_sound();
}

#[test]
fn a_key_that_cannot_be_stops_the_start() {
    let database = Cluster::shared().create_database("keys");
    database.run(READINGS);
    testkit::proxy::initialise(&database.url());
    for (key, said) in [
        (
            "public.nothing.a",
            "public.nothing: the table does not exist",
        ),
        ("public.readings.none", "column \"none\" does not exist"),
    ] {
        let config = format!("[tables]\nkey = [\"{key}\"]\n");
        let file = std::env::temp_dir().join(format!("pgdraft-keys-{}.toml", std::process::id()));
        std::fs::write(&file, testkit::proxy::configuration(&config)).unwrap();
        let output = std::process::Command::new(testkit::proxy::binary())
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--metrics-listen",
                "off",
                "--config",
            ])
            .arg(&file)
            .args(["--upstream-url", &database.url()])
            .output()
            .unwrap();
        std::fs::remove_file(&file).unwrap();
        assert!(!output.status.success());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(said), "{text}");
    }
}

/// What production's owner does to a table while drafts of it are open works at once, and the draft
/// goes on from there.
#[test]
fn production_moves_while_a_draft_is_open() {
    let (database, mut proxy) = over_with(
        "CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE FUNCTION fine(x int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT x > 0';
CREATE DOMAIN small AS int CHECK (VALUE < 1000);
CREATE TABLE t (id serial PRIMARY KEY, n int CONSTRAINT t_fine CHECK (fine(n)), m mood, s small, gone text DEFAULT 'x');
CREATE INDEX t_fine_index ON t (n) WHERE fine(n);
INSERT INTO t (n, m, s) SELECT i, 'sad', i FROM generate_series(1, 10) i;",
        &Settings {
            // nothing is found out by looking from time to time
            config: "catalog_poll_ms = 600000\n".into(),
            ..Settings::default()
        },
    );
    let mut agent = proxy.connect("s");
    agent.run("UPDATE t SET n = n + 1, m = 'happy' WHERE id <= 3; INSERT INTO t (n) VALUES (77); DELETE FROM t WHERE id = 9");
    let mut owner = database.connect();
    // A new column can be named at once, by reads and by changes.
    owner.run("ALTER TABLE t ADD COLUMN added int DEFAULT 5");
    assert_eq!(agent.value("SELECT sum(added) FROM t"), "50");
    owner.run("ALTER TABLE t ADD COLUMN second int");
    agent.run("UPDATE t SET second = 2 WHERE id = 1");
    owner.run("ALTER TABLE t ADD COLUMN third int");
    agent.run("INSERT INTO t (n, third) VALUES (78, 3)");
    owner.run("ALTER TABLE t ADD COLUMN fourth int");
    assert_eq!(agent.value("SELECT count(t.fourth) FROM t"), "0");
    // What a head cannot depend on is not there to be in the way.
    for ddl in [
        "ALTER TYPE mood ADD VALUE 'angry'",
        "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'",
        "ALTER TYPE mood RENAME TO feeling",
        "ALTER FUNCTION fine(int) RENAME TO well",
        "CREATE OR REPLACE FUNCTION well(x int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT x > -1'",
        "ALTER TABLE t ALTER COLUMN s TYPE bigint",
        "ALTER TABLE t DROP COLUMN gone",
        "ALTER TABLE t ALTER COLUMN n SET NOT NULL",
        "ALTER TABLE t ADD CONSTRAINT t_more CHECK (n < 100000)",
        "ALTER TABLE t DROP CONSTRAINT t_more",
        "ALTER SEQUENCE t_id_seq INCREMENT 1",
    ] {
        owner.run(ddl);
    }
    proxy.review("SHOW DIFF IN SESSION 's'");
    assert_eq!(
        agent.value("SELECT count(*) || ' ' || sum(n) FROM t"),
        "11 204"
    );
    proxy.review("COMMIT SESSION 's'");
    assert_eq!(
        owner.value("SELECT count(*) || ' ' || sum(n) FROM t"),
        "11 204"
    );
    proxy.assert_sound();
}

/// What production asks of its rows since a draft began holds for what is written from then on; the rows
/// that do not fulfil it are in nobody's way, and the review tells which they are.
#[test]
fn a_draft_goes_on_with_rows_that_a_new_constraint_forbids() {
    let (database, mut proxy) = over_with(
        "CREATE TABLE t (id int PRIMARY KEY, n int, m int);
CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY LIST (id);
CREATE TABLE part_1 PARTITION OF parts FOR VALUES IN (1, 2);
CREATE TABLE part_3 PARTITION OF parts FOR VALUES IN (3, 4);
INSERT INTO t VALUES (100, 1, 1);",
        &Settings::default(),
    );
    let (mut one, mut other) = (proxy.connect("one"), proxy.connect("other"));
    one.run("INSERT INTO t VALUES (1, -1, 1), (2, NULL, 2); INSERT INTO parts VALUES (1), (3)");
    other.run("INSERT INTO t VALUES (3, 3, 3)");
    database.connect().run(
        "ALTER TABLE t ADD CONSTRAINT positive CHECK (n > 0), ALTER n SET NOT NULL; ALTER TABLE parts DETACH PARTITION part_3",
    );
    assert_eq!(
        one.value("SELECT count(*) FROM t WHERE n IS NULL OR n < 0"),
        "2"
    );
    assert_eq!(
        one.value("SELECT string_agg(id::text, ' ' ORDER BY id) FROM parts"),
        "1 3"
    );
    assert_eq!(one.fail("INSERT INTO t VALUES (4, -4, 4)").code(), "23514");
    assert_eq!(one.fail("UPDATE t SET m = 5 WHERE id = 2").code(), "23502");
    assert_eq!(other.fail("INSERT INTO parts VALUES (4)").code(), "23514");
    other.run("UPDATE t SET n = 4 WHERE id = 3");
    proxy.review("COMMIT SESSION 'other'");
    let told = proxy.review("REHEARSE SESSION 'one'");
    let told: Vec<String> = (0..told.rows.len())
        .map(|row| {
            [2, 5]
                .map(|column| told.value(row, column).unwrap())
                .join(" ")
        })
        .collect();
    assert_eq!(
        told,
        [
            "{\"id\": 1} production has the check \"positive\" now, which the row violates",
            "{\"id\": 2} production takes no row without a value in column \"n\" any more",
            "{\"id\": 3} production has no partition of \"parts\" for the row any more",
        ]
    );
    one.run("UPDATE t SET n = 1 WHERE id = 1; DELETE FROM t WHERE id = 2; DELETE FROM parts WHERE id = 3");
    proxy.review("COMMIT SESSION 'one'");
    let rows = "SELECT string_agg(t::text, ' ' ORDER BY id) FROM t";
    assert_eq!(database.connect().value(rows), "(1,1,1) (3,4,3) (100,1,1)");
    proxy.assert_sound();
}

/// A value that has no place in its column's new type keeps others from the table until its session has
/// ended; the error does not tell it.
#[test]
fn a_value_that_does_not_fit_is_in_the_way_of_others() {
    let (database, mut proxy) = over_with(
        "CREATE TABLE t (id int PRIMARY KEY, v text)",
        &Settings::default(),
    );
    let (mut one, mut other) = (proxy.connect("one"), proxy.connect("other"));
    one.run("INSERT INTO t VALUES (1, 'secret')");
    other.run("INSERT INTO t VALUES (2, '2')");
    let mut owner = database.connect();
    owner.run("ALTER TABLE t ALTER v TYPE int USING v::int");
    let told = other.fail("INSERT INTO t VALUES (3, 3)");
    assert_eq!(told.code(), "ZD006");
    assert!(!format!("{told:?}").contains("secret"), "{told:?}");
    proxy.review("DISCARD SESSION 'one'");
    assert_eq!(other.value("SELECT sum(v) FROM t"), "2");
    other.run("INSERT INTO t VALUES (3, 3)");
    proxy.review("COMMIT SESSION 'other'");
    assert_eq!(owner.value("SELECT sum(v) FROM t"), "5");
    proxy.assert_sound();
}

/// The rows of ended sessions follow their table too.
#[test]
fn a_commit_is_taken_back_after_its_table_has_changed() {
    let (database, mut proxy) = over_with(
        "CREATE TABLE t (id int PRIMARY KEY, n int, gone int DEFAULT 7);
INSERT INTO t VALUES (1, 1), (2, 2), (3, 3);",
        &Settings::default(),
    );
    let mut agent = proxy.connect("s");
    agent.run(
        "UPDATE t SET n = 10 WHERE id = 1; DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (4, 4)",
    );
    proxy.review("COMMIT SESSION 's'");
    let mut owner = database.connect();
    owner.run("ALTER TABLE t ADD COLUMN added text DEFAULT 'a', DROP COLUMN gone; ALTER TABLE t RENAME n TO number");
    assert_eq!(
        proxy.connect("later").value("SELECT count(added) FROM t"),
        "3"
    );
    proxy.review("REVERT SESSION 's' AS 'undo'");
    proxy.review("COMMIT SESSION 'undo'");
    let rows = "SELECT string_agg(t::text, ' ' ORDER BY id) FROM t";
    assert_eq!(owner.value(rows), "(1,1,a) (2,2,a) (3,3,a)");
    proxy.assert_sound();
}

/// The catalog is not polled here: a client that paused looks by itself, and one that met an error of
/// a table that has changed does so at its next statement.
#[test]
fn production_changes_between_two_statements() {
    let settings = Settings {
        config: "catalog_poll_ms = 3600000\n".into(),
        ..Settings::default()
    };
    let setup = "CREATE TABLE items (id int PRIMARY KEY, n int, name text);
        INSERT INTO items SELECT i, i, 'item ' || i FROM generate_series(1, 9) i";
    let (database, mut proxy) = over_with(setup, &settings);
    let mut owner = database.connect();
    let mut agent = proxy.connect("s");
    agent.run("UPDATE items SET n = 100 WHERE id = 1");
    for (change, expected) in [
        ("ALTER TABLE items ADD more int DEFAULT 7", "1 100 item 1 7"),
        ("ALTER TABLE items DROP more", "1 100 item 1"),
        ("ALTER TABLE items RENAME name TO title", "1 100 item 1"),
        ("ALTER TABLE items ALTER n TYPE text", "1 100 item 1"),
        (
            "ALTER TABLE items RENAME TO was; CREATE TABLE items (id int PRIMARY KEY, m text); INSERT INTO items VALUES (1, 'other')",
            "1 other",
        ),
        (
            "ALTER TABLE items RENAME TO new; ALTER TABLE was RENAME TO items",
            "1 100 item 1",
        ),
        (
            "DROP TABLE items; CREATE TABLE items (id int PRIMARY KEY, n int); INSERT INTO items VALUES (1, 1)",
            "1 1",
        ),
    ] {
        owner.run(change);
        let mut told = String::new();
        for _ in 0..50 {
            let exchange = agent.simple("SELECT * FROM items WHERE id = 1").unwrap();
            told = match exchange.error() {
                Some(failure) => failure.to_string(),
                None => {
                    let reply = exchange.replies.last().unwrap();
                    let columns = 0..reply.rows[0].len();
                    let values: Vec<String> = columns.filter_map(|c| reply.value(0, c)).collect();
                    values.join(" ")
                }
            };
            if told == expected {
                break;
            }
            agent.fail("SELECT FROM of_nothing");
        }
        assert_eq!(told, expected, "{change}");
    }
    // a head of its own for the table that has the name now
    agent.run("UPDATE items SET n = 5");
    assert_eq!(agent.value("SELECT n FROM items"), "5");
    assert_eq!(owner.value("SELECT n FROM items"), "1");
    proxy.assert_sound();
}

/// A table is dropped and another one of its name made, as a migration that loads it anew does, while
/// drafts hold rows of the first.
#[test]
fn a_table_is_made_anew_while_a_draft_is_open() {
    let made = "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'base'), (2, 'base')";
    let polls = Settings {
        config: "catalog_poll_ms = 600000\n".into(),
        ..Settings::default()
    };
    let (database, mut proxy) = over_with(made, &polls);
    let mut old = proxy.connect("old");
    old.run("UPDATE t SET v = 'of the first' WHERE id = 1");
    let mut fresh = proxy.connect("fresh");
    let mut owner = database.connect();
    owner.run("DROP TABLE t");
    owner.run(made);
    fresh.run("UPDATE t SET v = 'of the second' WHERE id = 1");
    for agent in [&mut old, &mut fresh] {
        agent.run("INSERT INTO t VALUES (3, 'new')");
        assert_eq!(agent.value("SELECT count(*) FROM t"), "3");
    }
    assert_eq!(old.value("SELECT v FROM t WHERE id = 1"), "base");
    assert_eq!(fresh.value("SELECT v FROM t WHERE id = 1"), "of the second");
    proxy.review("SHOW DIFF IN SESSION 'fresh'");
    proxy.review("COMMIT SESSION 'fresh'");
    let told = proxy.connect_reviewer().fail("COMMIT SESSION 'old'");
    assert_eq!(told.code(), "ZD006");
    assert_eq!(
        told.message(),
        "table \"public.t\", which the draft changed, was dropped"
    );
    proxy.review("DISCARD SESSION 'old'");
    assert_eq!(
        owner.value("SELECT string_agg(v, ' ' ORDER BY id) FROM t"),
        "of the second base new"
    );
    proxy.assert_sound();
}

/// The same while the agent sends one statement after another and never pauses, so that nobody looks: what
/// PostgreSQL plans anew tells that the name means another table.
#[test]
fn a_table_is_made_anew_under_an_agent_without_pauses() {
    let made = "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT i, 0 FROM generate_series(1, 3) i; CREATE TABLE k (id int, n int)";
    let polls = Settings {
        config: "catalog_poll_ms = 3600000\n".into(),
        ..Settings::default()
    };
    let (database, mut proxy) = over_with(made, &polls);
    for statement in [
        "UPDATE t SET n = n + 1 WHERE id = 1 RETURNING n",
        "SELECT sum(n) FROM t",
        "INSERT INTO t VALUES (%, 0)",
        "INSERT INTO k VALUES (%, 0)",
        "COPY t FROM STDIN",
        "COPY k FROM STDIN",
    ] {
        let session = statement.replace([' ', '%'], "");
        let mut agent = proxy.connect(&session);
        agent.run("UPDATE t SET n = 1000 WHERE id = 1; INSERT INTO k VALUES (4, 0)");
        let (warm, anew) = (AtomicBool::new(false), AtomicBool::new(false));
        let mut done = 0;
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut owner = database.connect();
                while !warm.load(Ordering::SeqCst) {
                    thread::yield_now();
                }
                owner.run(&format!("BEGIN; DROP TABLE t, k; {made}; COMMIT"));
                anew.store(true, Ordering::SeqCst);
            });
            for n in 10.. {
                warm.store(n > 60, Ordering::SeqCst);
                let after = anew.load(Ordering::SeqCst);
                let text = statement.replace('%', &n.to_string());
                let rows = format!("{n}\t0\n");
                let exchange = agent.simple_with(&text, Some(rows.as_bytes())).unwrap();
                if let Some(error) = exchange.error() {
                    assert_eq!(error.code(), "ZD006", "{text}: {}", error.message());
                    continue;
                }
                let reply = exchange.replies.last().unwrap();
                let value = reply.rows.first().and_then(|_| reply.value(0, 0));
                let value: i64 = value.map_or(0, |v| v.parse().unwrap());
                assert!(!after || value < 1000, "{text} gave {value}");
                done += i64::from(after);
                if done > 3 {
                    break;
                }
            }
        });
        // one may have come between the two of production
        let table = if statement.contains(" k ") { "k" } else { "t" };
        let rows = agent.value(&format!("SELECT count(*) FROM {table} WHERE id > 9"));
        let rows: i64 = rows.parse().unwrap();
        let adds = statement.starts_with("INSERT") || statement.starts_with("COPY");
        let inserted = if adds { done } else { 0 };
        assert!(
            (inserted..=inserted + 1).contains(&rows),
            "{statement}: {rows} of {inserted}"
        );
        proxy.review(&format!("DISCARD SESSION '{session}'"));
    }
    proxy.assert_sound();
}

/// A column gets another name or type while the agent sends one statement after another: each is made by the table
/// as it was or as it is, or fails with a hint; what pgdraft wrote into it is in no error.
#[test]
fn a_column_is_altered_under_an_agent_without_pauses() {
    let polls = Settings {
        config: "catalog_poll_ms = 3600000\n".into(),
        ..Settings::default()
    };
    let made = "CREATE TABLE t (id int PRIMARY KEY, n int, v varchar(20)); INSERT INTO t SELECT i, 0, 'v' FROM generate_series(1, 3) i";
    let (database, mut proxy) = over_with(made, &polls);
    let mut moved = 0;
    for statement in [
        "SELECT * FROM t ORDER BY 1",
        "UPDATE t SET n = 5 WHERE id = 1 RETURNING id",
        "DELETE FROM t WHERE id = 99",
    ] {
        let session = statement.get(..6).unwrap();
        let mut agent = proxy.connect(session);
        agent.run("UPDATE t SET n = 1000 WHERE id = 1");
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut owner = database.connect();
                for _ in 0..6 {
                    owner.run("ALTER TABLE t RENAME COLUMN v TO w; ALTER TABLE t ALTER COLUMN w TYPE xml USING NULL");
                    thread::sleep(std::time::Duration::from_millis(100));
                    owner.run("ALTER TABLE t ALTER COLUMN w TYPE varchar(20); ALTER TABLE t RENAME COLUMN w TO v");
                    thread::sleep(std::time::Duration::from_millis(100));
                }
                done.store(true, Ordering::SeqCst);
            });
            while !done.load(Ordering::SeqCst) {
                let exchange = agent.simple_with(statement, None).unwrap();
                if let Some(error) = exchange.error() {
                    assert_eq!(error.code(), "ZD006", "{statement}: {}", error.message());
                    moved += 1;
                }
            }
        });
        proxy.review(&format!("DISCARD SESSION '{session}'"));
    }
    assert!(moved > 0, "no statement met the change");
    proxy.assert_sound();
}

#[test]
fn triggers_that_the_configuration_names() {
    let setup = "\
CREATE TABLE t (id int PRIMARY KEY, v text, at text);
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.at := TG_OP; RETURN NEW; END';
CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION stamp();
ALTER TABLE t DISABLE TRIGGER stamp;
INSERT INTO t VALUES (1, 'a', 'before');
ALTER TABLE t ENABLE TRIGGER stamp;
";
    let (database, proxy) = over_with(setup, &Settings::default());
    let mut agent = proxy.connect("s");
    agent.run("UPDATE t SET v = 'b'; INSERT INTO t VALUES (2, 'c', 'given')");
    let seen = "SELECT string_agg(v || at, ',' ORDER BY id) FROM t";
    assert_eq!(agent.value(seen), "bbefore,cgiven");
    drop(agent);
    // a head that has rows gets its triggers as well
    drop(proxy);
    let named = |name: &str| Settings {
        config: format!("[triggers]\ndraft = [\"{name}\"]\n"),
        ..Settings::default()
    };
    let proxy = testkit::proxy::Proxy::start_with(&database, &named("public.*.stamp"));
    let mut agent = proxy.connect("s");
    agent.run("UPDATE t SET v = 'd' WHERE id = 1; INSERT INTO t VALUES (3, 'e')");
    assert_eq!(agent.value(seen), "dUPDATE,cgiven,eINSERT");
    // one that is gone no longer fires
    let mut owner = database.connect();
    owner.run("ALTER TABLE t DISABLE TRIGGER stamp");
    drop(agent);
    drop(proxy);
    let proxy = testkit::proxy::Proxy::start_with(&database, &named("public.t.stamp"));
    let mut agent = proxy.connect("s");
    agent.run("UPDATE t SET v = 'f', at = 'plain' WHERE id = 1");
    assert_eq!(agent.value(seen), "fplain,cgiven,eINSERT");
    owner.run("ALTER TABLE t ENABLE TRIGGER stamp");
    proxy.review("COMMIT SESSION 's'");
    assert_eq!(owner.value(seen), "fUPDATE,cINSERT,eINSERT");
}
