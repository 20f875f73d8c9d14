//! Production's own expressions (checks, domains, generated columns, expression indexes, defaults)
//! run in a draft, and what they call must not write to production before a commit, whoever makes
//! them run: the agent, a reviewer's command, or the server by itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a test stops at the first surprise; one draft goes through every command"
)]

use testkit::proxy::{Proxy, Settings, over, over_with};

/// `noted` writes wherever it may and says nothing where it may not; `lying` is marked immutable.
const SETUP: &str = "\
CREATE TABLE witness (who text, value text);
CREATE FUNCTION noted(x text) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO public.witness VALUES (current_user, x);
    RETURN true;
EXCEPTION WHEN insufficient_privilege OR read_only_sql_transaction THEN
    RETURN true;
END $$;
CREATE FUNCTION freed(x text) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RESET ROLE;
    INSERT INTO public.witness VALUES (current_user, x);
    RETURN true;
EXCEPTION WHEN OTHERS THEN
    RETURN true;
END $$;
CREATE FUNCTION lying(x text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    PERFORM public.noted(x);
    RETURN lower(x);
END $$;
CREATE FUNCTION filled() RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM public.noted('default');
    RETURN 'filled';
END $$;
CREATE DOMAIN watched AS text CHECK (public.noted(VALUE));
CREATE TABLE t (
    id int PRIMARY KEY,
    v text CHECK (noted(v)) CHECK (freed(v)),
    w watched,
    g text GENERATED ALWAYS AS (lying(v)) STORED,
    d text DEFAULT filled(),
    n int
);
CREATE INDEX ON t (lying(v)) WHERE lying(v) <> 'none';
CREATE UNIQUE INDEX ON t (lying(v || id::text));
INSERT INTO t (id, v, w, n) SELECT i, 'v' || i, 'w' || i, i FROM generate_series(1, 20) i;
TRUNCATE witness;
";

fn step(proxy: &Proxy, session: &str, name: &str, statements: &str) {
    let mut agent = proxy.connect(session);
    agent.run(&format!(
        "BEGIN; SET LOCAL pgdraft.operation = '{name}'; {statements}; COMMIT"
    ));
}

/// Without a word of the operator's such a table is not changed at all.
fn refused_unless_allowed() {
    let (_database, proxy) = over(SETUP);
    let mut agent = proxy.connect("s");
    let text = "INSERT INTO t (id, v, w) VALUES (31, 'new', 'y')";
    let answer = agent.simple(text).unwrap();
    assert_eq!(answer.error().map(|e| e.code()), Some("0A000"));
}

#[test]
fn what_a_draft_evaluates_writes_nothing() {
    refused_unless_allowed();
    let settings = Settings {
        config: "[functions]\nallow = [\"public.noted\", \"public.freed\", \"public.lying\", \"public.filled\"]\n".into(),
        ..Settings::default()
    };
    let (database, mut proxy) = over_with(SETUP, &settings);
    let mut owner = database.connect();
    let quiet = |what: &str| {
        let mut owner = database.connect();
        let seen =
            owner.value("SELECT coalesce(string_agg(who || ': ' || value, ', '), '') FROM witness");
        assert_eq!(seen, "", "{what}");
    };
    step(
        &proxy,
        "s",
        "one",
        "UPDATE t SET v = v || 'a', w = 'x' WHERE id <= 5; INSERT INTO t (id, v, w) VALUES (31, 'new', 'y')",
    );
    step(
        &proxy,
        "s",
        "two",
        "UPDATE t SET n = n + 1 WHERE id <= 8; DELETE FROM t WHERE id = 9",
    );
    step(
        &proxy,
        "s",
        "three",
        "UPDATE t SET v = 'c' || id WHERE id IN (2, 10)",
    );
    quiet("changes");
    let mut agent = proxy.connect("s");
    agent
        .simple_with("COPY t (id, v, w) FROM STDIN", Some(b"41\tcopied\tz\n"))
        .unwrap();
    quiet("COPY");
    step(
        &proxy,
        "e",
        "one",
        "INSERT INTO t (id, v, w) VALUES (50, 'e', 'e'); TRUNCATE t",
    );
    quiet("TRUNCATE");

    proxy.review("SHOW DIFF IN SESSION 's'");
    proxy.review("SHOW CONFLICTS IN SESSION 's'");
    agent.run("SELECT * FROM pgdraft.diff_t('s')");
    quiet("SHOW DIFF");
    proxy.review("FORK SESSION 's' AS 'f'");
    proxy.review("FORK SESSION 's' AS 'g' AT OPERATION 'two'");
    quiet("FORK");
    proxy.review("REWIND SESSION 'f' TO OPERATION 'two'");
    quiet("REWIND");
    proxy.review("DISCARD OPERATIONS 'three' IN SESSION 's' CASCADE");
    quiet("DISCARD OPERATIONS");

    // What production does by itself is production's.
    owner.run("UPDATE t SET n = 100, w = 'theirs' WHERE id = 3; UPDATE t SET v = 'moved' WHERE id = 4; TRUNCATE witness");
    proxy.review("REBASE SESSION 'g'");
    quiet("REBASE");
    proxy.review("RESOLVE CONFLICT IN SESSION 'g' TABLE t KEY (4) COLUMN v TAKE VALUE 'mine'");
    proxy.review("RESOLVE CONFLICT IN SESSION 'g' TAKE OURS");
    quiet("RESOLVE");

    owner.run("ALTER TABLE t ADD COLUMN more text; ALTER TABLE t RENAME COLUMN n TO number; TRUNCATE witness");
    proxy.review("SHOW DIFF IN SESSION 's'");
    assert_eq!(
        agent.value("SELECT count(*) FROM t WHERE more IS NULL"),
        "20"
    );
    quiet("a head that follows its table");
    // As autovacuum does.
    owner.run("ANALYZE");
    owner.run("DELETE FROM witness WHERE who = 'postgres'");
    quiet("ANALYZE");

    proxy.review("COMMIT SESSION 'g'");
    assert_ne!(owner.value("SELECT count(*) FROM witness"), "0");
    owner.run("TRUNCATE witness");
    proxy.review("REVERT SESSION 'g' AS 'back'");
    quiet("REVERT");
    proxy.assert_sound();
}

const TRIGGERS: &str = "\
CREATE TABLE witness (who text);
CREATE TABLE t (id int PRIMARY KEY, v text);
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.v := NEW.v || '!';
    BEGIN
        INSERT INTO public.witness VALUES (current_user);
    EXCEPTION WHEN insufficient_privilege THEN
        BEGIN
            RESET ROLE;
            INSERT INTO public.witness VALUES (current_user);
        EXCEPTION WHEN OTHERS THEN
            NULL;
        END;
    END;
    RETURN NEW;
END $$;
CREATE FUNCTION owned() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO public.witness VALUES (current_user);
    NEW.v := NEW.v || '?';
    RETURN NEW;
END $$;
CREATE TRIGGER noted BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION noted();
CREATE TRIGGER owned BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION owned();
ALTER TABLE t DISABLE TRIGGER USER;
INSERT INTO t VALUES (1, 'a'), (2, 'b');
ALTER TABLE t ENABLE TRIGGER USER;
";

#[test]
fn triggers_that_run_in_a_draft_write_nothing() {
    let settings = Settings {
        config: "[triggers]\ndraft = [\"*.*.*\"]\n".into(),
        ..Settings::default()
    };
    let (database, proxy) = over_with(TRIGGERS, &settings);
    let mut agent = proxy.connect("s");
    agent.run("INSERT INTO t VALUES (3, 'c'); UPDATE t SET v = v || id WHERE id = 1; INSERT INTO t VALUES (2, 'd') ON CONFLICT (id) DO UPDATE SET v = excluded.v");
    let seen = "SELECT string_agg(v, ',' ORDER BY id) FROM t";
    assert_eq!(agent.value(seen), "a1!,d!!,c!");
    let mut owner = database.connect();
    assert_eq!(owner.value("SELECT count(*) FROM witness"), "0");
    // a row that an agent's role leaves where a trigger fires is nobody's
    let mut direct = database.connect();
    direct.run("INSERT INTO pgdraft.d1_update VALUES (1, 'left')");
    agent.run("UPDATE t SET v = 'e' WHERE id = 1");
    assert_eq!(agent.value(seen), "e!,d!!,c!");
}
