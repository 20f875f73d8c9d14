//! Nothing reaches production before commit, and no session sees another's changes: not through
//! the proxy, and not with the rewriting bypassed, by raw SQL as the agents' upstream role.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a test stops at the first surprise; tables of cases are long"
)]

use testkit::Cluster;
use testkit::proxy::{agent_role, initialise, over, token};
use testkit::wire::Connection;

const SETUP: &str = "\
CREATE TABLE users (id int PRIMARY KEY, name text, n int NOT NULL DEFAULT 0);
CREATE TABLE nokey (a int);
CREATE SEQUENCE counter;
CREATE SCHEMA other;
CREATE TABLE other.things (id serial PRIMARY KEY, v text);
CREATE MATERIALIZED VIEW mv AS SELECT count(*) FROM users;
CREATE VIEW simple AS SELECT id, name FROM users;
INSERT INTO users SELECT n, 'base-' || n FROM generate_series(1, 5) n;
INSERT INTO nokey VALUES (1);
SELECT lo_from_bytea(4711, 'large object');
";

/// Raw SQL that must end with 42501 when the agents' role sends it to PostgreSQL itself.
const WRITES: &[&str] = &[
    "INSERT INTO users VALUES (9, 'x')",
    "INSERT INTO users SELECT 9 WHERE false",
    "UPDATE users SET name = 'x'",
    "UPDATE users SET name = 'x' WHERE false",
    "DELETE FROM users",
    "DELETE FROM other.things",
    "INSERT INTO other.things (v) VALUES ('x')",
    "INSERT INTO simple VALUES (9, 'x')",
    "UPDATE simple SET name = 'x'",
    "INSERT INTO users VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = 'x'",
    "MERGE INTO users USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE",
    "WITH x AS (DELETE FROM users RETURNING *) SELECT * FROM x",
    "EXPLAIN ANALYZE DELETE FROM users",
    "PREPARE p AS DELETE FROM users; EXECUTE p",
    "COPY (DELETE FROM users RETURNING *) TO STDOUT",
    "DO $$ BEGIN DELETE FROM users; END $$",
    "TRUNCATE users",
    "TRUNCATE nokey, users",
    "COPY users FROM STDIN",
    "COPY users TO '/tmp/pgdraft-stolen'",
    "COPY users TO PROGRAM 'cat'",
    "COPY users FROM PROGRAM 'true'",
    "SELECT * FROM users FOR UPDATE",
    "SELECT * FROM users FOR SHARE",
    "BEGIN; LOCK TABLE users IN ROW EXCLUSIVE MODE",
    "BEGIN; LOCK TABLE users",
    "ALTER TABLE users ADD COLUMN x int",
    "ALTER TABLE users DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE users OWNER TO CURRENT_USER",
    "ALTER SCHEMA other RENAME TO mine",
    "ALTER SEQUENCE counter RESTART",
    "ALTER SYSTEM SET work_mem = '1GB'",
    "ALTER ROLE postgres PASSWORD 'x'",
    "ALTER DATABASE postgres SET work_mem = '1GB'",
    "DROP TABLE users",
    "DROP SCHEMA other CASCADE",
    "DROP VIEW simple",
    "CREATE TABLE public.mine (id int)",
    "CREATE TABLE other.mine (id int)",
    "CREATE TABLE public.mine AS SELECT * FROM users",
    "SELECT * INTO public.mine FROM users",
    "CREATE SCHEMA mine",
    "CREATE INDEX ON users (name)",
    "CREATE VIEW public.mine AS SELECT 1",
    "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TRIGGER t BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE RULE r AS ON SELECT TO users DO INSTEAD SELECT 1, 'x', 2",
    "CREATE POLICY p ON users",
    "CREATE ROLE mine",
    "CREATE DATABASE mine",
    "CREATE EXTENSION file_fdw",
    "CREATE PUBLICATION mine FOR TABLE users",
    "CREATE EVENT TRIGGER mine ON ddl_command_start EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "GRANT pg_write_all_data TO CURRENT_USER",
    "COMMENT ON TABLE users IS 'x'",
    "REFRESH MATERIALIZED VIEW mv",
    "REINDEX TABLE users",
    "CLUSTER users USING users_pkey",
    "SELECT setval('counter', 99)",
    "SELECT lo_put(4711, 0, 'overwritten')",
    "SELECT lo_unlink(4711)",
    "SELECT lowrite(lo_open(4711, 131072), 'overwritten')",
    "SELECT lo_export(4711, '/tmp/pgdraft-stolen')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_ls_dir('/')",
    "SELECT pg_reload_conf()",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres' AND pid <> pg_backend_pid()",
    "SET ROLE postgres",
    "SET SESSION AUTHORIZATION postgres",
    "SET session_replication_role = replica",
    "UPDATE pg_catalog.pg_class SET relname = 'x'",
    "SELECT key FROM pgdraft.secret",
    "UPDATE pgdraft.sessions SET agent = 'x'",
    "INSERT INTO pgdraft.sessions DEFAULT VALUES",
    "DELETE FROM pgdraft.sessions",
    "DELETE FROM pgdraft.operations",
    "CREATE TABLE pgdraft.mine (id int)",
    "DROP TABLE pgdraft.sessions",
    "DROP SCHEMA pgdraft CASCADE",
    "CREATE OR REPLACE FUNCTION pgdraft.sid() RETURNS bigint LANGUAGE sql AS 'SELECT 1'",
];

#[test]
fn the_upstream_role_cannot_write_the_base() {
    // No proxy at all: what init has made must hold by itself.
    let database = Cluster::shared().create_database("test");
    database.run(SETUP);
    initialise(&database.url());
    // A table that came after init is no exception.
    database.run("CREATE TABLE later (id int PRIMARY KEY); INSERT INTO later VALUES (1)");
    let before = database.dump();
    // Somebody whose backend could be terminated.
    let _other = database.connect();
    let mut connection = Connection::open(&agent_role(&database)).unwrap();
    let mut wrong = Vec::new();
    let later = ["UPDATE later SET id = 2", "DELETE FROM later"];
    for statement in WRITES.iter().chain(&later) {
        let exchange = connection.simple(statement).unwrap();
        let failure = exchange.error().map(ToString::to_string);
        if !failure.as_ref().is_some_and(|f| f.starts_with("42501")) {
            wrong.push(format!("{statement}: {failure:?}"));
        }
        connection.run("ROLLBACK");
    }
    assert_eq!(connection.value("SELECT count(*) FROM later"), "1");
    assert_eq!(connection.value("SELECT count(*) FROM other.things"), "0");
    assert!(wrong.is_empty(), "not 42501:\n{}", wrong.join("\n"));
    assert_eq!(before, database.dump());
    assert_eq!(
        database.connect().value("SELECT lo_get(4711)"),
        "\\x6c61726765206f626a656374"
    );
}

#[test]
fn a_token_gives_no_right_on_the_base() {
    let (database, mut proxy) = over(SETUP);
    let before = database.dump();
    proxy.connect("s").run("UPDATE users SET name = 'draft'");
    let sid = database
        .connect()
        .value("SELECT sid FROM pgdraft.sessions WHERE name = 's'");
    let mut connection = Connection::open(&agent_role(&database)).unwrap();
    let pid: i32 = connection.value("SELECT pg_backend_pid()").parse().unwrap();
    connection.run(&format!(
        "SELECT pgdraft.bind('{}')",
        token(&database, &sid, pid)
    ));
    assert_eq!(
        connection.fail("UPDATE users SET name = 'x'").code(),
        "42501"
    );
    assert_eq!(before, database.dump());
    proxy.assert_sound();
}

#[test]
fn one_session_cannot_touch_another_by_raw_sql() {
    let (database, mut proxy) = over(SETUP);
    for (session, name) in [("one", "draft-one"), ("two", "draft-two")] {
        let mut agent = proxy.connect(session);
        agent.run(&format!("UPDATE users SET name = '{name}' WHERE id < 4"));
        agent.run(&format!("INSERT INTO users VALUES (100, '{name}')"));
    }
    let mut superuser = database.connect();
    let number = superuser.value("SELECT id FROM pgdraft.tables WHERE table_name = 'users'");
    let (head, log) = (
        format!("pgdraft.d{number}"),
        format!("pgdraft.d{number}_log"),
    );
    let sid = |superuser: &mut Connection, name: &str| {
        superuser.value(&format!(
            "SELECT sid FROM pgdraft.sessions WHERE name = '{name}'"
        ))
    };
    let (one, two) = (sid(&mut superuser, "one"), sid(&mut superuser, "two"));
    let both = superuser.value(&format!("SELECT count(*) FROM {head}"));
    assert_eq!(both, "8");

    let role = agent_role(&database);
    let mut connection = Connection::open(&role).unwrap();
    // Without a token there is no session: nothing is seen, nothing is written.
    let update = format!("UPDATE {head} SET name = 'stolen'");
    let read = |table: &str| format!("SELECT count(*) FROM {table}");
    for statement in [read(&head), read(&log), update] {
        assert_eq!(connection.fail(&statement).code(), "55000");
    }
    let insert = |sid: &str| {
        format!(
            "INSERT INTO {head} (id, name, pgdraft_sid, pgdraft_op) VALUES (777, 'stolen', {sid}, 1)"
        )
    };
    assert_eq!(connection.fail(&insert(&two)).code(), "55000");
    // What binds a backend is not the agent's to set.
    for statement in [
        format!("SELECT setval('pgdraft.bound', {two})"),
        "SELECT nextval('pgdraft.bound')".to_owned(),
        format!("ALTER SEQUENCE pgdraft.bound RESTART {two}"),
    ] {
        assert_eq!(connection.fail(&statement).code(), "42501", "{statement}");
    }

    // With the token of session one only its rows are there.
    let pid: i32 = connection.value("SELECT pg_backend_pid()").parse().unwrap();
    let bind = |token: &str| format!("SELECT pgdraft.bind('{token}')");
    connection.run(&bind(&token(&database, &one, pid)));
    let names = connection.run(&format!("SELECT DISTINCT name FROM {head}"));
    assert_eq!(names.table(), ["draft-one"]);
    assert_eq!(
        connection.value(&format!("SELECT count(DISTINCT pgdraft_sid) FROM {log}")),
        "1"
    );
    assert_eq!(connection.fail(&insert(&two)).code(), "42501");
    assert_eq!(
        connection
            .fail(&format!("UPDATE {head} SET pgdraft_sid = {two}"))
            .code(),
        "42501"
    );
    assert_eq!(
        connection.fail(&format!("DELETE FROM {head}")).code(),
        "42501"
    );

    // Forged tokens: another session with one's own signature, another backend, no signature.
    let own = token(&database, &one, pid);
    let signature = own.rsplit('.').next().unwrap().to_owned();
    for forged in [
        format!("{two}.{pid}.{signature}"),
        token(&database, &two, pid + 1),
        format!("{two}.{pid}."),
        format!("{two}.{pid}.{}", "0".repeat(64)),
        "nonsense".to_owned(),
        format!("{two}.{pid}"),
    ] {
        let failure = connection.fail(&bind(&forged));
        assert_eq!(failure.code(), "28000", "{forged}: {failure}");
        // and the session stays what it was
        let names = connection.run(&format!("SELECT DISTINCT name FROM {head}"));
        assert_eq!(names.table(), ["draft-one"]);
    }
    // Bound to none, nothing is there; and DISCARD leaves no session behind.
    connection.run(&bind(""));
    assert_eq!(connection.value(&read(&head)), "0");
    connection.run(&bind(&own));
    connection.run("DISCARD SEQUENCES");
    assert_eq!(connection.fail(&read(&head)).code(), "55000");
    let untouched = superuser.run(&format!(
        "SELECT DISTINCT name FROM {head} WHERE pgdraft_sid = {two}"
    ));
    assert_eq!(untouched.table(), ["draft-two"]);
    proxy.assert_sound();
}

#[test]
fn two_agents_in_two_sessions_do_not_see_each_other() {
    let (database, mut proxy) = over(SETUP);
    let before = database.dump();
    let mut one = proxy.connect("one");
    let mut two = Connection::open(&proxy.agent_named("other", "two")).unwrap();
    one.run("UPDATE users SET name = 'one' WHERE id = 1; DELETE FROM users WHERE id = 2");
    two.run("UPDATE users SET name = 'two' WHERE id = 1; INSERT INTO users VALUES (9, 'two')");
    // Both may make a row with the same key.
    one.run("INSERT INTO users VALUES (9, 'one')");
    let all = "SELECT id, name FROM users WHERE id IN (1, 2, 9) ORDER BY id";
    assert_eq!(one.run(all).table(), ["1|one", "9|one"]);
    assert_eq!(two.run(all).table(), ["1|two", "2|base-2", "9|two"]);
    // Open transactions do not wait for one another, nor does production.
    one.run("BEGIN; UPDATE users SET n = 1 WHERE id = 3");
    two.run("BEGIN; UPDATE users SET n = 2 WHERE id = 3");
    database.run("SET lock_timeout = '2s'; UPDATE users SET n = 3 WHERE id = 3");
    one.run("COMMIT");
    two.run("COMMIT");
    database.run("UPDATE users SET n = 0 WHERE id = 3");
    assert_eq!(before.lines().count(), database.dump().lines().count());

    let stranger = Connection::try_open(&proxy.agent_named("other", "one")).unwrap();
    match stranger {
        Err(failure) => assert_eq!(failure.code(), "ZD004", "{failure}"),
        Ok(mut connection) => {
            assert_eq!(connection.fail("SELECT 1").code(), "ZD004");
        }
    }
    for statement in [
        "SHOW DIFF IN SESSION 'one'",
        "SHOW OPERATIONS IN SESSION 'one'",
        "DISCARD SESSION 'one'",
        "COMMIT SESSION 'one'",
        "COMMIT SESSION 'two'",
    ] {
        let failure = two.fail(statement);
        assert!(
            ["42501", "ZD003", "ZD004"].contains(&failure.code()) && !failure.field('H').is_empty(),
            "{statement}: {failure}"
        );
    }
    assert_eq!(one.run(all).table(), ["1|one", "9|one"]);
    proxy.assert_sound();
}

#[test]
fn no_update_is_lost_between_connections_of_one_session() {
    let (database, mut proxy) = over(SETUP);
    let before = database.dump();
    let workers = 4;
    let each = 25;
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let proxy = &proxy;
            scope.spawn(move || {
                let mut connection = proxy.connect("shared");
                for turn in 0..each {
                    if worker % 2 == 0 {
                        connection.run("UPDATE users SET n = n + 1 WHERE id = 1");
                    } else {
                        let add = "UPDATE users SET n = n + 1 WHERE id = $1 RETURNING n";
                        connection.run("BEGIN");
                        let exchange = connection.extended(add, &[Some("1".into())]).unwrap();
                        assert!(exchange.error().is_none(), "{exchange:?}");
                        connection.run(&format!(
                            "INSERT INTO users (id, name) VALUES ({}, 'x'); COMMIT",
                            1000 + worker * 100 + turn
                        ));
                    }
                }
            });
        }
    });
    let mut reader = proxy.connect("shared");
    assert_eq!(
        reader.value("SELECT n FROM users WHERE id = 1"),
        (workers * each).to_string()
    );
    assert_eq!(
        reader.value("SELECT count(*) FROM users WHERE id >= 1000"),
        (workers / 2 * each).to_string()
    );
    assert_eq!(before, database.dump());
    proxy.review("COMMIT SESSION 'shared'");
    assert_eq!(
        database.connect().value("SELECT n FROM users WHERE id = 1"),
        (workers * each).to_string()
    );
    proxy.assert_sound();
}

#[test]
fn changes_of_one_row_by_two_transactions_both_stay() {
    let (_database, proxy) = over(SETUP);
    let mut one = proxy.connect("s");
    let mut two = proxy.connect("s");
    one.run("BEGIN; UPDATE users SET name = 'by one' WHERE id = 1");
    let waiting = std::thread::spawn(move || {
        two.run("UPDATE users SET n = 5 WHERE id = 1");
        two
    });
    // Whether the other one waits already or comes later, the outcome is the same.
    one.run("SELECT pg_sleep(0.2)");
    one.run("COMMIT");
    let mut two = waiting.join().unwrap();
    let row = "SELECT name, n FROM users WHERE id = 1";
    assert_eq!(two.run(row).table(), ["by one|5"]);
    assert_eq!(one.run(row).table(), ["by one|5"]);
}

#[test]
fn a_session_that_has_ended_takes_no_more_writes() {
    let (database, mut proxy) = over(SETUP);
    for (ending, name) in [("DISCARD", "gone"), ("COMMIT", "done")] {
        let mut agent = proxy.connect(name);
        agent.run("UPDATE users SET n = 1 WHERE id = 2");
        proxy.review(&format!("{ending} SESSION '{name}'"));
        let failure = agent.fail("UPDATE users SET n = 2 WHERE id = 2");
        assert_eq!(failure.code(), "ZD002", "{failure}");
        assert!(!failure.field('H').is_empty(), "{failure}");
        let mut reviewer = proxy.connect_reviewer();
        // What was lost on its way may be asked again; nothing else ends a session twice.
        for again in ["COMMIT", "DISCARD"] {
            if ending == again {
                let told = reviewer.run(&format!("{again} SESSION '{name}'"));
                assert_eq!(told.tag, Some(format!("{again} SESSION")));
                continue;
            }
            let failure = reviewer.fail(&format!("{again} SESSION '{name}'"));
            assert!(failure.code().starts_with("ZD"), "{failure}");
        }
    }
    assert_eq!(
        database.connect().value("SELECT n FROM users WHERE id = 2"),
        "1"
    );
    let mut reviewer = proxy.connect_reviewer();
    let failure = reviewer.fail("COMMIT SESSION 'never seen'");
    assert_eq!(failure.code(), "ZD003", "{failure}");
    proxy.assert_sound();
}

#[test]
fn a_row_that_production_changed_stops_the_commit() {
    let (database, mut proxy) = over(SETUP);
    let mut agent = proxy.connect("s");
    agent.run("UPDATE users SET name = 'draft' WHERE id IN (1, 2); DELETE FROM users WHERE id = 3");
    database.run("UPDATE users SET name = 'production' WHERE id = 1");
    let before = database.dump();
    let mut reviewer = proxy.connect_reviewer();
    let failure = reviewer.fail("COMMIT SESSION 's'");
    assert_eq!(failure.code(), "ZD001", "{failure}");
    assert_eq!(before, database.dump());
    // Still the agent's, and still to be thrown away.
    assert_eq!(agent.value("SELECT name FROM users WHERE id = 2"), "draft");
    reviewer.run("DISCARD SESSION 's'");
    assert_eq!(before, database.dump());
    proxy.assert_sound();
}

#[test]
fn an_agent_cannot_reach_the_machinery() {
    let (database, mut proxy) = over(SETUP);
    let before = database.dump();
    let mut other = proxy.connect("other-session");
    other.run("UPDATE users SET name = 'other-secret' WHERE id = 1");
    let mut agent = proxy.connect("s");
    agent.run("UPDATE users SET name = 'mine' WHERE id = 1");
    let number = database
        .connect()
        .value("SELECT id FROM pgdraft.tables WHERE table_name = 'users'");
    let mut taken = Vec::new();
    for statement in [
        "SELECT pgdraft.bind('')",
        "SELECT pgdraft.bind('1.1.x')",
        "SELECT pgdraft.sid()",
        "SELECT setval('pgdraft.bound', 1)",
        "SELECT pgdraft.setval('pgdraft.bound', 1)",
        "SELECT pgdraft.make_sequence(1, 1, 'pgdraft.bound'::regclass, true)",
        "SELECT pgdraft.copy_sequences(1, 2)",
        "SELECT setval(('pgdraft' || '.bound')::regclass, 1)",
        "SET pgdraft.op = '1'",
        "SELECT set_config('pgdraft.op', '1', false)",
        "SET ROLE postgres",
        "SET SESSION AUTHORIZATION postgres",
        "SET standard_conforming_strings = off",
        "SELECT set_config('standard_conforming_strings', 'off', false)",
        "SELECT pgdraft.begin_write(NULL, 'x', '{1}')",
        "SELECT key FROM pgdraft.secret",
        "DELETE FROM pgdraft.sessions",
        "UPDATE pgdraft.sessions SET agent = 'agent'",
        &format!("UPDATE pgdraft.d{number} SET name = 'direct'"),
        &format!("DELETE FROM pgdraft.d{number}"),
        &format!("INSERT INTO pgdraft.d{number} (id) VALUES (5)"),
        &format!("DELETE FROM pgdraft.d{number}_log"),
    ] {
        let exchange = agent.simple(statement).unwrap();
        if exchange.error().is_none() {
            taken.push(statement.to_owned());
        }
    }
    assert!(taken.is_empty(), "taken:\n{}", taken.join("\n"));
    for statement in [
        format!("SELECT * FROM pgdraft.d{number}"),
        format!("TABLE pgdraft.d{number}"),
        "SELECT query FROM pg_stat_activity".to_owned(),
        "SELECT statement FROM pgdraft.operations".to_owned(),
    ] {
        let shown = format!("{:?}", agent.simple(&statement).unwrap());
        assert!(
            !shown.contains("other-secret") && !shown.contains(&hex("other-secret")),
            "{statement} shows another session: {shown}"
        );
    }
    assert_eq!(agent.value("SELECT name FROM users WHERE id = 1"), "mine");
    assert_eq!(
        other.value("SELECT name FROM users WHERE id = 1"),
        "other-secret"
    );
    assert_eq!(before, database.dump());
    proxy.assert_sound();
}

/// How bytes look in a debug print of a reply.
fn hex(text: &str) -> String {
    format!("{:?}", text.as_bytes())
        .trim_matches(['[', ']'])
        .to_owned()
}
