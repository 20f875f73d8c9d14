//! What one agent can do to another, or to production, short of changing their data: locks that
//! others wait for, backends that others use, what others see of it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use testkit::proxy::{agent_role, over, token};
use testkit::wire::Connection;

const SETUP: &str = "\
CREATE TABLE users (id int PRIMARY KEY, name text);
CREATE TABLE later (id int PRIMARY KEY, name text);
CREATE SEQUENCE counter;
INSERT INTO users SELECT n, 'base-' || n FROM generate_series(1, 5) n;
INSERT INTO later VALUES (1, 'x');
SELECT lo_from_bytea(4711, 'large object');
";

/// Keys that a program of ours or of production might lock.
const KEYS: &[&str] = &[
    "42",
    "4, 2",
    "hashtextextended('pgdraft session', 1)",
    "hashtextextended('pgdraft session', 2)",
    "hashtextextended('pgdraft session', 3)",
    "hashtextextended('pgdraft heads', 0)",
    "hashtextextended('pgdraft process', 0)",
    "hashtextextended('pgdraft history', 0)",
    "(hashtextextended('pgdraft session', 1) >> 32)::int, (hashtextextended('pgdraft session', 1) & 2147483647)::int",
];

/// Ways to call for a lock.
const WAYS: &[&str] = &[
    "SELECT pg_advisory_lock({})",
    "SELECT pg_catalog.pg_try_advisory_lock({})",
    "SELECT \"pg_catalog\" . \"pg_advisory_xact_lock\" ({})",
    "SELECT * FROM pg_try_advisory_xact_lock({})",
    "SELECT 1 FROM users WHERE pg_try_advisory_lock({}) AND id = 1",
    "WITH a AS MATERIALIZED (SELECT pg_try_advisory_lock({})) SELECT * FROM a",
    "INSERT INTO users SELECT 100 + count(*), 'x' FROM (SELECT pg_try_advisory_lock({})) s",
    "EXPLAIN ANALYZE SELECT pg_try_advisory_lock({})",
    "PREPARE p AS SELECT pg_try_advisory_lock({}); EXECUTE p",
    "DECLARE c CURSOR FOR SELECT pg_try_advisory_lock({}); FETCH c",
    "CREATE TEMP TABLE t AS SELECT pg_try_advisory_lock({})",
    "CREATE TEMP TABLE t (a text DEFAULT pg_try_advisory_lock({})); INSERT INTO t DEFAULT VALUES",
    "COPY (SELECT pg_try_advisory_lock({})) TO STDOUT",
];

#[test]
fn no_agent_holds_what_others_wait_for() {
    let (database, mut proxy) = over(SETUP);
    let mut victim = proxy.connect("victim");
    victim.run("UPDATE users SET name = 'mine' WHERE id = 1");
    let mut held = Vec::new();
    for (n, way) in WAYS.iter().enumerate() {
        let own = format!("attacker-{n}");
        let mut attacker = Connection::open(&proxy.agent_named("other", &own)).unwrap();
        for key in KEYS {
            for statement in ["BEGIN", &way.replace("{}", key), "COMMIT"] {
                attacker.simple(statement).unwrap();
            }
        }
        // what ends with a transaction is held by this one
        attacker.simple("BEGIN").unwrap();
        for key in KEYS {
            attacker.simple("SAVEPOINT s").unwrap();
            let exchange = attacker.simple(&way.replace("{}", key)).unwrap();
            if exchange.error().is_some() {
                attacker.simple("ROLLBACK TO s").unwrap();
            }
        }
        held.push(attacker);
    }
    for (n, statement) in [
        "SELECT * FROM users FOR UPDATE",
        "SELECT * FROM users FOR SHARE",
        "LOCK TABLE users",
        "UPDATE users SET name = 'theirs'",
        "DELETE FROM users",
        "TRUNCATE users",
    ]
    .into_iter()
    .enumerate()
    {
        let own = format!("writer-{n}");
        let mut attacker = Connection::open(&proxy.agent_named("other", &own)).unwrap();
        attacker.simple("BEGIN").unwrap();
        attacker.simple(statement).unwrap();
        held.push(attacker);
    }

    // Production has its locks, its tables and their shape to itself.
    database.run(
        "SET lock_timeout = '5s';
         SELECT pg_advisory_lock(42), pg_advisory_lock(4, 2);
         UPDATE users SET name = 'new' WHERE id = 5;
         SELECT * FROM users FOR UPDATE",
    );
    // The other agent writes, has a new table drafted, and is committed.
    victim.run("SET statement_timeout = '20s'");
    victim.run("UPDATE users SET name = 'mine too' WHERE id = 2");
    victim.run("UPDATE later SET name = 'mine'");
    let told = proxy
        .connect_reviewer()
        .run("SET lock_timeout = '20s'; COMMIT SESSION 'victim'");
    assert_eq!(told.tag.as_deref(), Some("COMMIT SESSION"));
    drop(held);
    let mut direct = database.connect();
    assert_eq!(direct.value("SELECT name FROM later"), "mine");
    proxy.assert_sound();
}

#[test]
fn the_lock_of_a_session_is_out_of_reach_of_the_agents_role() {
    // Without the proxy: raw SQL as the agents' role, bound to a session of its own.
    let (database, mut proxy) = over(SETUP);
    let mut victim = proxy.connect("victim");
    victim.run("UPDATE users SET name = 'mine' WHERE id = 1");
    proxy
        .connect("own")
        .run("UPDATE users SET name = 'own' WHERE id = 1");
    let mut superuser = database.connect();
    let sid = superuser.value("SELECT sid FROM pgdraft.sessions WHERE name = 'own'");
    let mut raw = Connection::open(&agent_role(&database)).unwrap();
    let pid: i32 = raw.value("SELECT pg_backend_pid()").parse().unwrap();
    raw.run(&format!(
        "SELECT pgdraft.bind('{}')",
        token(&database, &sid, pid)
    ));
    for statement in [
        "SELECT FROM pgdraft.locks FOR UPDATE",
        "SELECT FROM pgdraft.locks FOR KEY SHARE",
        "LOCK TABLE pgdraft.locks IN ROW EXCLUSIVE MODE",
        "LOCK TABLE pgdraft.migrations IN ROW EXCLUSIVE MODE",
        "SELECT pgdraft.advisory_key('1')",
    ] {
        raw.run("BEGIN");
        assert_eq!(raw.fail(statement).code(), "42501", "{statement}");
        raw.run("ROLLBACK");
    }
    raw.run("BEGIN; SELECT pgdraft.lock_session(NULL); SELECT pgdraft.lock_rows(NULL)");
    for n in 1..4 {
        raw.run(&format!(
            "SELECT pg_advisory_lock(hashtextextended('pgdraft session', {n}))"
        ));
    }
    raw.run("SELECT pg_advisory_lock(hashtextextended('pgdraft heads', 0))");
    victim.run("SET statement_timeout = '20s'; UPDATE later SET name = 'mine'");
    proxy.review("COMMIT SESSION 'victim'");
    proxy.assert_sound();
}

#[test]
fn advisory_locks_are_the_sessions_own() {
    let (database, mut proxy) = over(SETUP);
    let mut one = proxy.connect("s");
    let mut two = proxy.connect("s");
    let mut stranger = proxy.connect("t");
    let mut production = database.connect();
    let lock = "SELECT pg_try_advisory_lock(7)";
    one.run("SELECT pg_advisory_lock(7)");
    assert_eq!(two.value(lock), "f");
    assert_eq!(two.value("SELECT pg_try_advisory_lock_shared(7)"), "f");
    assert_eq!(stranger.value(lock), "t");
    assert_eq!(production.value(lock), "t");
    // one number and two numbers are different keys
    assert_eq!(two.value("SELECT pg_try_advisory_lock(0, 7)"), "t");
    assert_eq!(one.value("SELECT pg_advisory_unlock(7)"), "t");
    assert_eq!(two.value(lock), "t");
    two.run("SELECT pg_advisory_unlock_all()");
    one.run("BEGIN; SELECT pg_advisory_xact_lock_shared(7)");
    two.run("BEGIN");
    assert_eq!(two.value("SELECT pg_try_advisory_xact_lock_shared(7)"), "t");
    assert_eq!(two.value("SELECT pg_try_advisory_xact_lock(7)"), "f");
    one.run("COMMIT");
    assert_eq!(two.value("SELECT pg_try_advisory_xact_lock(7)"), "t");
    two.run("COMMIT");
    // The server's table of locks is everybody's.
    let many = "SELECT count(pg_advisory_lock(n)) FROM generate_series(1, 100000) n";
    assert_eq!(one.fail(many).code(), "53400");
    proxy.assert_sound();
}

/// Statements that must be refused by the proxy itself.
const REFUSED: &[&str] = &[
    // other backends: all agents are one role
    "SELECT pg_cancel_backend(1)",
    "SELECT pg_catalog.pg_terminate_backend(1)",
    "SELECT PG_TERMINATE_BACKEND(pid) FROM (SELECT 1 AS pid) s",
    "SELECT U&\"pg\\005fterminate_backend\"(1)",
    "SELECT 1 WHERE EXISTS (SELECT pg_terminate_backend(1, 10))",
    "SELECT * FROM ROWS FROM (pg_terminate_backend(1)) t",
    "CREATE TEMP TABLE t (a bool DEFAULT pg_cancel_backend(1))",
    "SELECT pg_log_backend_memory_contexts(1)",
    // what they run
    "SELECT a FROM pg_stat_activity a",
    "SELECT * FROM ONLY pg_stat_activity",
    "SELECT * FROM pg_stat_activity TABLESAMPLE SYSTEM (100)",
    "SELECT query FROM pg_stat_activity FOR UPDATE",
    "SELECT xmin, * FROM pg_stat_activity",
    "SELECT * FROM pg_stat_get_activity(NULL)",
    "SELECT pg_stat_get_backend_activity(1)",
    // the server's files, programs and settings
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_read_binary_file('/etc/passwd')",
    "SELECT pg_ls_dir('.')",
    "SELECT * FROM pg_ls_logdir()",
    "SELECT * FROM pg_ls_tmpdir()",
    "SELECT pg_stat_file('.')",
    "COPY users TO PROGRAM 'cat'",
    "COPY users FROM PROGRAM 'cat'",
    "COPY users TO '/tmp/pgdraft-stolen'",
    "COPY (SELECT 1) TO PROGRAM 'cat'",
    "SELECT pg_reload_conf()",
    "SELECT pg_rotate_logfile()",
    "SELECT pg_switch_wal()",
    "SELECT pg_create_restore_point('x')",
    "SELECT pg_stat_reset()",
    "SELECT pg_promote()",
    "SELECT pg_create_physical_replication_slot('x')",
    "SELECT pg_logical_emit_message(false, 'x', 'y')",
    "SELECT pg_export_snapshot()",
    "ALTER ROLE CURRENT_USER SET statement_timeout = 1",
    "ALTER ROLE CURRENT_USER PASSWORD 'x'",
    "ALTER SYSTEM SET work_mem = '1GB'",
    "ALTER DATABASE postgres SET work_mem = '1GB'",
    "SET ROLE postgres",
    "SET LOCAL ROLE postgres",
    "SET SESSION AUTHORIZATION postgres",
    "SELECT set_config('role', 'postgres', false)",
    "SELECT set_config('ro' || 'le', 'postgres', false)",
    "RESET ROLE; SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE; SET ROLE NONE; SET ROLE postgres",
    // what is not in a transaction's hands
    "SELECT lo_create(0)",
    "SELECT lo_creat(-1)",
    "SELECT lo_put(4711, 0, 'x')",
    "SELECT lo_unlink(4711)",
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT lowrite(lo_open(4711, 131072), 'x')",
    "SELECT lo_truncate(0, 0)",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export(4711, '/tmp/pgdraft-stolen')",
    "ALTER SEQUENCE counter RESTART",
    "NOTIFY channel, 'x'",
    "SELECT pg_notify('channel', 'x')",
    "SELECT pg_notify('channel', n::text) FROM generate_series(1, 1000000) n",
    // code of the agent's own
    "DO $$ BEGIN PERFORM 1; END $$",
    "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE OR REPLACE PROCEDURE pg_temp.f() LANGUAGE sql AS 'SELECT 1'",
    "CREATE OPERATOR pg_temp.= (FUNCTION = int4eq, LEFTARG = int, RIGHTARG = int)",
    "CREATE CAST (int AS text) WITH INOUT AS IMPLICIT",
    "CREATE AGGREGATE pg_temp.a(int) (SFUNC = int4pl, STYPE = int)",
    "CREATE TYPE pg_temp.int4 AS (a int)",
    "CREATE DOMAIN pg_temp.text AS pg_catalog.text",
    "CREATE TRIGGER t BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION f()",
    "CREATE RULE r AS ON SELECT TO users DO INSTEAD SELECT 1",
    "CREATE EXTENSION dblink",
    "SELECT dblink_exec('dbname=x', 'DELETE FROM users')",
    "CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw",
    "LOAD 'plpgsql'",
    "CALL f()",
    "PREPARE TRANSACTION 'x'",
    "COMMIT PREPARED 'x'",
    "VACUUM users",
    "ANALYZE users",
    "REINDEX TABLE users",
    "CHECKPOINT",
    "SECURITY LABEL ON TABLE users IS 'x'",
    "COMMENT ON TABLE users IS 'x'",
];

/// Ways to ask who does what: each tells of the asking connection alone.
const ACTIVITY: [&str; 8] = [
    "SELECT pid FROM pg_stat_activity",
    "SELECT pid FROM pg_catalog.\"pg_stat_activity\"",
    "SELECT pid FROM (TABLE pg_stat_activity) s",
    "WITH a AS (SELECT * FROM pg_stat_activity) SELECT max(pid) FROM a HAVING count(*) = 1",
    "SELECT pid FROM users JOIN pg_stat_activity ON true WHERE id = 1",
    "INSERT INTO users SELECT 900 + row_number() OVER (), query FROM pg_stat_activity RETURNING pg_backend_pid()",
    "UPDATE users SET name = query FROM pg_stat_activity WHERE id = 1 RETURNING pid",
    "CREATE TEMPORARY TABLE seen AS SELECT pid FROM pg_stat_activity",
];

#[test]
fn activity_is_that_of_the_own_connection() {
    let (_database, mut proxy) = over(SETUP);
    let mut other = proxy.connect("other");
    other.run("SELECT 'a secret'");
    let mut agent = proxy.connect("s");
    let own = agent.value("SELECT pg_backend_pid()");
    for statement in ACTIVITY {
        agent.run(statement);
    }
    for statement in ACTIVITY.iter().filter(|s| !s.starts_with("CREATE")) {
        let statement = statement.replace("900", "950");
        assert_eq!(agent.value(&statement), own, "{statement}");
    }
    assert_eq!(
        agent.value("SELECT count(*) || ' ' || max(pid) FROM seen"),
        format!("1 {own}")
    );
    agent.run("PREPARE p AS SELECT pid FROM pg_stat_activity");
    assert_eq!(agent.value("EXECUTE p"), own);
    assert_eq!(
        agent.value("SELECT query FROM pg_stat_activity"),
        "SELECT query FROM pg_stat_activity"
    );
    proxy.assert_sound();
}

#[test]
fn statements_that_reach_beyond_the_draft_are_refused() {
    let (database, mut proxy) = over(SETUP);
    let before = database.dump();
    let mut agent = proxy.connect("s");
    agent.run("UPDATE users SET name = 'draft' WHERE id = 1");
    let mut wrong = Vec::new();
    for statement in REFUSED {
        let exchange = agent.simple(statement).unwrap();
        match exchange.error() {
            // 42883: the function does not exist here, 42601: not in this server's grammar
            Some(failure) if ["0A000", "42501", "42883", "42601"].contains(&failure.code()) => {}
            other => wrong.push(format!("{statement}: {other:?}")),
        }
        agent.simple("ROLLBACK").unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(before, database.dump());
    let mut direct = database.connect();
    assert_eq!(direct.value("SELECT last_value FROM counter"), "1");
    assert_eq!(
        direct.value("SELECT count(*) FROM pg_largeobject_metadata"),
        "1"
    );
    proxy.assert_sound();
}

#[test]
fn temporary_names_do_not_shadow_what_rewritten_texts_use() {
    // Types of temporary tables are found before pg_catalog's: nothing of ours may go by bare names.
    let (_database, mut proxy) = over(
        "CREATE TABLE parent (id bigint PRIMARY KEY, name text CHECK (length(name) > 0), at timestamptz DEFAULT now());
         CREATE TABLE child (id int PRIMARY KEY, parent bigint REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE,
                             doc jsonb, price numeric(8, 2), ok bool, tags text[], code varchar(3));
         INSERT INTO parent SELECT n, 'p' || n FROM generate_series(1, 3) n;
         INSERT INTO child SELECT n, n, '{}', n, true, '{a}', 'c' FROM generate_series(1, 3) n;",
    );
    let mut agent = proxy.connect("s");
    for name in [
        "text",
        "int4",
        "int8",
        "bool",
        "jsonb",
        "json",
        "oid",
        "name",
        "regclass",
        "record",
        "numeric",
        "varchar",
        "timestamptz",
        "tid",
        "point",
        "pg_class",
        "pg_attribute",
        "unnest",
        "sessions",
        "operations",
        "truncations",
        "src",
        "hw",
        "lg",
        "d1",
        "d2",
    ] {
        agent.run(&format!("CREATE TEMP TABLE \"{name}\" (a integer)"));
    }
    for statement in [
        "UPDATE parent SET name = name || '!' WHERE id = 1 RETURNING *",
        "INSERT INTO parent VALUES (9, 'nine') ON CONFLICT (id) DO UPDATE SET name = excluded.name",
        "INSERT INTO parent VALUES (9, 'neun') ON CONFLICT (id) DO UPDATE SET name = excluded.name",
        "INSERT INTO child SELECT 10 + id, id, doc, price, ok, tags, code FROM child",
        "UPDATE parent SET id = 20 WHERE id = 2",
        "DELETE FROM parent WHERE id = 3",
        "MERGE INTO parent p USING (VALUES (1), (50)) v(i) ON p.id = v.i WHEN MATCHED THEN UPDATE SET name = 'm' WHEN NOT MATCHED THEN INSERT VALUES (i, 'new')",
        "UPDATE child SET doc = doc || '{\"a\": 1}', tags = tags || '{b}', code = 'abc', price = price * 2",
        "SELECT p.ctid, p.xmin, p.* FROM parent p WHERE id > 0 ORDER BY id",
        "SELECT count(*) FROM child",
    ] {
        agent.run(statement);
    }
    assert_eq!(
        agent.run("SELECT id, name FROM parent ORDER BY id").table(),
        ["1|m", "9|neun", "20|p2", "50|new"]
    );
    assert_eq!(
        agent
            .run("SELECT id, parent, tags FROM child ORDER BY id")
            .table(),
        ["1|1|{a,b}", "2|20|{a,b}", "11|1|{a,b}", "12|20|{a,b}"]
    );
    agent.run("TRUNCATE child");
    assert_eq!(agent.value("SELECT count(*) FROM child"), "0");
    proxy.assert_sound();
}

#[test]
fn a_view_that_agents_may_not_read_is_not_written_out_for_them() {
    let (database, mut proxy) = over(
        "CREATE TABLE users (id int PRIMARY KEY, name text);
         INSERT INTO users VALUES (1, 'a'), (2, 'b');
         CREATE VIEW hidden AS SELECT id, name FROM users;
         CREATE VIEW shown AS SELECT id FROM hidden",
    );
    database.connect().run(
        "DO $$ BEGIN EXECUTE format('REVOKE SELECT ON hidden FROM %I', 'pgdraft_agent_' || current_database()); END $$",
    );
    let mut agent = proxy.connect("s");
    agent.run("UPDATE users SET name = 'draft' WHERE id = 1");
    for statement in [
        "SELECT * FROM hidden",
        "SELECT count(*) FROM users JOIN hidden USING (id)",
        "UPDATE hidden SET name = name RETURNING *",
        "DELETE FROM hidden WHERE name = 'a'",
        "MERGE INTO users u USING hidden h ON h.id = u.id WHEN MATCHED THEN DELETE",
    ] {
        let exchange = agent.simple(statement).unwrap();
        let code = exchange.error().map(|e| e.code().to_owned());
        assert_eq!(code.as_deref(), Some("42501"), "{statement}");
    }
    // what a view reads, its owner may
    assert_eq!(agent.value("SELECT count(*) FROM shown"), "2");
    proxy.assert_sound();
}
