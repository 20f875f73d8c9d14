//! Where tools that keep drafts in other ways go wrong, as tests of what is right: T1 to T13, then
//! drafts (2c) and commits (2d). A comment says what the other tool (agent-cow 0.1.7: views with
//! INSTEAD OF triggers) was seen to do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use testkit::cluster::Database;
use testkit::proxy::{Proxy, Settings, over_with};
use testkit::wire::Connection;

const SHOP: &str = "\
CREATE TABLE users (id serial PRIMARY KEY, name text NOT NULL, email text UNIQUE, nick text, balance numeric NOT NULL DEFAULT 0 CHECK (balance >= 0),
    qty int NOT NULL DEFAULT 7, status text DEFAULT 'new', seen int NOT NULL DEFAULT 0);
CREATE TABLE orders (id int PRIMARY KEY, user_id int REFERENCES users ON DELETE CASCADE, n int);
CREATE TABLE always (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v int, twice int GENERATED ALWAYS AS (v * 2) STORED);
CREATE TABLE heads (id int PRIMARY KEY, tail int);
CREATE TABLE tails (id int PRIMARY KEY, head int REFERENCES heads);
ALTER TABLE heads ADD FOREIGN KEY (tail) REFERENCES tails;
INSERT INTO users (name, email, nick, balance, status) SELECT 'u' || n, 'e' || n, 'nick' || n, n * 10, 'old' FROM generate_series(1, 5) n;
INSERT INTO orders VALUES (1, 1, 1), (2, 1, 2), (3, 2, 3);
";

struct Shop {
    database: Database,
    proxy: Proxy,
    agent: Connection,
    production: Connection,
    before: String,
}

fn shop() -> Shop {
    shop_with("")
}

fn shop_with(more: &str) -> Shop {
    shop_as(more, "")
}

fn shop_as(more: &str, config: &str) -> Shop {
    let settings = Settings {
        config: config.to_owned(),
        ..Settings::default()
    };
    let (database, proxy) = over_with(&format!("{SHOP}{more}"), &settings);
    Shop {
        agent: proxy.connect("s"),
        production: database.connect(),
        before: database.dump(),
        database,
        proxy,
    }
}

impl Shop {
    /// The agent sees that, and production has not moved.
    #[track_caller]
    fn drafted(&mut self, query: &str, expected: &[&str]) {
        assert_eq!(self.agent.run(query).table(), expected);
        assert_eq!(self.database.dump(), self.before);
    }

    #[track_caller]
    fn refused(&mut self, text: &str, code: &str) {
        let failure = self.agent.fail(text);
        assert_eq!(failure.code(), code, "{text}: {failure}");
    }

    #[track_caller]
    fn committed(&mut self, query: &str, expected: &[&str]) {
        self.proxy.review("COMMIT SESSION 's'");
        assert_eq!(self.production.run(query).table(), expected);
        self.proxy.assert_sound();
    }

    /// The commit stops with these conflicts, and production is as it was.
    #[track_caller]
    fn conflicts(&mut self, kinds: &[&str]) {
        let before = self.database.dump();
        let mut reviewer = Connection::open(&self.proxy.reviewer()).unwrap();
        assert_eq!(reviewer.fail("COMMIT SESSION 's'").code(), "ZD001");
        let shown = reviewer.run("SHOW CONFLICTS IN SESSION 's'");
        let found: Vec<String> = (0..shown.rows.len())
            .filter_map(|row| shown.value(row, 2))
            .collect();
        assert_eq!(found, kinds);
        assert_eq!(self.database.dump(), before);
        self.proxy.assert_sound();
    }
}

const USERS: &str = "SELECT id, name, balance FROM users WHERE id < 3 ORDER BY id";

/// It overwrote production's row, without an error: its view is in production's way.
#[test]
fn t01_duplicate_key_in_production() {
    let mut shop = shop();
    shop.agent.run("UPDATE users SET name = 'x' WHERE id = 1");
    let text = "INSERT INTO users (id, name) VALUES (1, 'twice')";
    assert_eq!(shop.production.fail(text).code(), "23505");
    let kind = "SELECT relkind FROM pg_class WHERE oid = 'users'::regclass";
    assert_eq!(shop.production.value(kind), "r");
}

/// It showed the old value, and its commit wrote NULL.
#[test]
fn t02_a_value_becomes_null() {
    let mut shop = shop();
    shop.agent.run("UPDATE users SET nick = NULL WHERE id < 4");
    shop.drafted(
        "SELECT count(*), count(nick) FROM users WHERE id < 4",
        &["3|0"],
    );
    shop.drafted("SELECT count(*) FROM users WHERE nick IS NULL", &["3"]);
    shop.committed("SELECT count(*) FROM users WHERE nick IS NULL", &["3"]);
}

/// It stored the default instead of NULL, where NULL was allowed too.
#[test]
fn t03_null_is_not_the_default() {
    let mut shop = shop();
    shop.refused("UPDATE users SET qty = NULL WHERE id = 1", "23502");
    shop.agent
        .run("UPDATE users SET status = NULL WHERE id = 1");
    shop.drafted(
        "SELECT status IS NULL, qty FROM users WHERE id = 1",
        &["t|7"],
    );
    shop.committed("SELECT status IS NULL FROM users WHERE id = 1", &["t"]);
}

/// It made two rows of one.
#[test]
fn t04_a_primary_key_moves() {
    let mut shop = shop();
    shop.agent.run("UPDATE users SET id = 99 WHERE id = 3");
    shop.drafted(
        "SELECT id FROM users ORDER BY id",
        &["1", "2", "4", "5", "99"],
    );
    shop.refused("UPDATE users SET id = 1 WHERE id = 99", "23505");
    shop.committed("SELECT id, name FROM users WHERE id IN (3, 99)", &["99|u3"]);
}

/// It took it, and failed at the commit.
#[test]
fn t05_a_duplicate_unique_value() {
    let mut shop = shop();
    shop.refused("UPDATE users SET email = 'e2' WHERE id = 1", "23505");
    shop.refused(
        "INSERT INTO users (name, email) VALUES ('x', 'e2')",
        "23505",
    );
}

/// It took both, and failed at the commit.
#[test]
fn t06_orphans_and_checks() {
    let mut shop = shop();
    shop.refused("INSERT INTO orders VALUES (9, 77, 1)", "23503");
    shop.refused("UPDATE users SET balance = -1 WHERE id = 1", "23514");
}

/// It returned NULL, which breaks every ORM.
#[test]
fn t07_returning_a_generated_key() {
    let mut shop = shop();
    let id = shop
        .agent
        .value("INSERT INTO users (name) VALUES ('new') RETURNING id");
    assert_eq!(id, "6");
    shop.agent
        .run(&format!("INSERT INTO orders VALUES (9, {id}, 1)"));
    shop.committed("SELECT id, name FROM users WHERE id > 5", &["6|new"]);
}

/// It failed with "no unique or exclusion constraint", or overwrote the row.
#[test]
fn t08_upsert() {
    let mut shop = shop();
    shop.agent.run("INSERT INTO users (id, name) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = excluded.name || users.name");
    shop.agent
        .run("INSERT INTO users (id, name) VALUES (2, 'y') ON CONFLICT DO NOTHING");
    shop.drafted(USERS, &["1|xu1|10", "2|u2|20"]);
    shop.refused("INSERT INTO users (id, name) VALUES (2, 'y')", "23505");
    shop.committed(USERS, &["1|xu1|10", "2|u2|20"]);
}

/// It overwrote the whole row: what a person had written was lost.
#[test]
fn t09_production_changed_the_same_value() {
    let mut shop = shop();
    shop.agent
        .run("UPDATE users SET name = 'agent' WHERE id = 1");
    shop.production
        .run("UPDATE users SET name = 'person' WHERE id = 1");
    shop.conflicts(&["both modified"]);
}

/// The first one won, as both had the transaction's time.
#[test]
fn t10_two_operations_of_one_transaction() {
    let mut shop = shop();
    shop.agent.run(
        "BEGIN; SET LOCAL pgdraft.operation = 'one'; UPDATE users SET name = 'first' WHERE id = 1",
    );
    shop.agent
        .run("SET LOCAL pgdraft.operation = 'two'; UPDATE users SET name = 'second' WHERE id = 1");
    shop.agent.run("DELETE FROM users WHERE id = 5; COMMIT");
    shop.drafted("SELECT name FROM users WHERE id IN (1, 5)", &["second"]);
    let edges = shop
        .proxy
        .review("SHOW DEPENDENCIES IN SESSION 's'")
        .table();
    assert_eq!(edges.len(), 1, "{edges:?}");
    assert!(edges[0].starts_with("two|one|same row"), "{edges:?}");
    shop.committed("SELECT name FROM users WHERE id IN (1, 5)", &["second"]);
}

/// It wrote production: the session was a setting that the agent could change.
#[test]
fn t11_no_setting_leaves_the_draft() {
    let mut shop = shop();
    for text in [
        "SET LOCAL app.session_id = ''",
        "SET pgdraft.session = ''",
        "SET pgdraft.session = 'another'",
        "SELECT set_config('pgdraft.session', '', false)",
        "RESET ALL",
        "DISCARD ALL",
        "SET SESSION AUTHORIZATION DEFAULT",
        "SET ROLE postgres",
    ] {
        let _ = shop.agent.simple(text).unwrap();
        let _ = shop
            .agent
            .simple("UPDATE users SET name = 'escaped'")
            .unwrap();
        assert_eq!(shop.database.dump(), shop.before, "{text}");
    }
    shop.proxy.assert_sound();
}

/// Both failed, as on any view.
#[test]
fn t12_truncate_and_merge() {
    let mut shop = shop();
    shop.agent.run("TRUNCATE orders");
    shop.drafted("SELECT count(*) FROM orders", &["0"]);
    shop.agent.run("MERGE INTO users u USING (VALUES (1, 'm'), (50, 'n')) v (id, name) ON u.id = v.id \
        WHEN MATCHED THEN UPDATE SET name = v.name WHEN NOT MATCHED THEN INSERT (id, name) VALUES (v.id, v.name)");
    shop.drafted(
        "SELECT id, name FROM users WHERE id IN (1, 50) ORDER BY id",
        &["1|m", "50|n"],
    );
    shop.committed("SELECT count(*) FROM orders", &["0"]);
}

/// It showed the child, and its commit removed it without anybody having seen that.
#[test]
fn t13_a_parent_takes_its_children_along() {
    let mut shop = shop();
    shop.agent.run("DELETE FROM users WHERE id = 1");
    shop.drafted("SELECT id FROM orders ORDER BY id", &["3"]);
    let diff = shop
        .proxy
        .review("SHOW DIFF IN SESSION 's' TABLE orders")
        .table();
    assert_eq!(diff.len(), 2, "{diff:?}");
    shop.committed("SELECT id FROM orders ORDER BY id", &["3"]);
}

/// 2c. A later commit of the transaction that began first lost, although it wrote last.
#[test]
fn c_the_last_write_holds_not_the_last_begin() {
    let mut shop = shop();
    let mut other = shop.proxy.connect("s");
    shop.agent.run("BEGIN; SELECT 1");
    other.run("UPDATE users SET name = 'early' WHERE id = 1");
    shop.agent
        .run("UPDATE users SET name = 'late' WHERE id = 1; COMMIT");
    shop.drafted("SELECT name FROM users WHERE id = 1", &["late"]);
}

/// 2c. An update and a removal in one transaction: the row survived the commit.
#[test]
fn c_update_then_delete_in_one_transaction() {
    let mut shop = shop();
    shop.agent.run(
        "BEGIN; UPDATE users SET name = 'x' WHERE id = 5; DELETE FROM users WHERE id = 5; COMMIT",
    );
    shop.drafted("SELECT count(*) FROM users WHERE id = 5", &["0"]);
    shop.committed("SELECT count(*) FROM users WHERE id = 5", &["0"]);
}

/// 2c. A cursor's row could not be changed.
#[test]
fn c_where_current_of() {
    let mut shop = shop();
    shop.agent.run(
        "BEGIN; DECLARE c CURSOR FOR SELECT id FROM users WHERE id = 4 FOR UPDATE; FETCH c;
         UPDATE users SET name = 'x' WHERE CURRENT OF c; COMMIT",
    );
    shop.drafted("SELECT name FROM users WHERE id = 4", &["x"]);
    shop.committed("SELECT id FROM users WHERE name = 'x'", &["4"]);
}

/// 2c. What a trigger adds was seen by nobody before the commit; sequences are production's own.
#[test]
fn c_the_rehearsal_shows_triggers_and_sequences_go_on() {
    let mut shop = shop_with(
        "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.seen := NEW.seen + 1; RETURN NEW; END';
         CREATE TRIGGER stamp BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION stamp();",
    );
    shop.agent.run("UPDATE users SET name = 'x' WHERE id = 1");
    let shown = shop.proxy.review("REHEARSE SESSION 's'").table();
    assert!(
        shown
            .iter()
            .any(|l| l.starts_with("side effect|public.users|")),
        "{shown:?}"
    );
    assert_eq!(shop.database.dump(), shop.before);
    // A sequence moves as it does for a transaction that is rolled back: no id is given twice.
    let drafted = shop
        .agent
        .value("INSERT INTO users (name) VALUES ('a') RETURNING id");
    let direct = shop
        .production
        .value("INSERT INTO users (name) VALUES ('p') RETURNING id");
    assert_ne!(drafted, direct);
    shop.committed("SELECT seen FROM users WHERE id = 1", &["1"]);
}

/// 2c. A BEFORE trigger's value was not to be seen in the draft.
#[test]
fn c_a_before_trigger_in_the_draft() {
    let mut shop = shop_as(
        "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.seen := 1; RETURN NEW; END';
         CREATE TRIGGER stamp BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION stamp();",
        "[triggers]\ndraft = [\"public.users.stamp\"]\n",
    );
    shop.agent.run("UPDATE users SET name = 'x' WHERE id = 1");
    shop.drafted("SELECT name, seen FROM users WHERE id = 1", &["x|1"]);
    shop.committed("SELECT name, seen FROM users WHERE id = 1", &["x|1"]);
}

/// 2c. The draft kept a stale row when production changed another column of it; here it takes that in
/// when it is asked to, and loses it at no time.
#[test]
fn c_production_changes_another_column() {
    let mut shop = shop();
    shop.agent.run("UPDATE users SET name = 'x' WHERE id = 1");
    shop.production
        .run("UPDATE users SET balance = 55 WHERE id = 1");
    shop.agent.run("REBASE SESSION 's'");
    let seen = shop.agent.run(USERS).table();
    assert_eq!(seen, ["1|x|55", "2|u2|20"]);
    shop.committed(USERS, &["1|x|55", "2|u2|20"]);
}

/// 2c. A draft set production's sequence back.
#[test]
fn c_setval_is_the_drafts_own() {
    let mut shop = shop();
    shop.agent.run("SELECT setval('users_id_seq', 100)");
    assert_eq!(shop.agent.value("SELECT nextval('users_id_seq')"), "101");
    let next = "SELECT nextval('users_id_seq')";
    assert_eq!(shop.production.value(next), "6");
}

/// 2c. Each of these wrote production, or another agent's draft.
#[test]
fn c_ways_out() {
    let mut shop = shop();
    shop.agent
        .run("UPDATE users SET name = 'mine' WHERE id = 1");
    let mut other = Connection::open(&shop.proxy.agent_named("other", "t")).unwrap();
    for text in [
        "UPDATE pgdraft.sessions SET state = 'committed'",
        "DELETE FROM pgdraft.operations",
        "ALTER SEQUENCE users_id_seq RESTART",
        "ALTER TABLE users ADD COLUMN x int",
        "DROP TABLE users",
        "CREATE VIEW v AS SELECT 1",
        "COMMIT SESSION 's'",
    ] {
        assert!(other.simple(text).unwrap().error().is_some(), "{text}");
    }
    other.run("BEGIN; UPDATE users SET name = 'theirs' WHERE id = 1; COMMIT");
    other.run("UPDATE users SET name = 'after commit' WHERE id = 2");
    shop.refused("COMMIT SESSION 's'", "42501");
    shop.drafted(USERS, &["1|mine|10", "2|u2|20"]);
}

/// 2c. Two transactions of one session that add one: one was lost.
#[test]
fn c_two_connections_of_one_session() {
    let mut shop = shop();
    let adding: Vec<_> = (0..2)
        .map(|_| {
            let mut agent = shop.proxy.connect("s");
            std::thread::spawn(move || {
                for _ in 0..10 {
                    agent.run("UPDATE users SET balance = balance + 1 WHERE id = 1");
                }
            })
        })
        .collect();
    adding.into_iter().for_each(|a| a.join().unwrap());
    shop.drafted("SELECT balance FROM users WHERE id = 1", &["30"]);
}

/// 2d. Production's value was silently put back, by a draft that changed nothing too; the second of
/// two sessions wiped the first.
#[test]
fn d_other_columns_are_left_alone() {
    let mut shop = shop();
    let mut second = shop.proxy.connect("t");
    shop.agent
        .run("UPDATE users SET name = 'a' WHERE id = 1; UPDATE users SET name = name WHERE id = 2");
    second.run("UPDATE users SET nick = 'b' WHERE id = 1");
    shop.production
        .run("UPDATE users SET balance = 55 WHERE id < 3");
    shop.proxy.review("COMMIT SESSION 't'");
    shop.committed(USERS, &["1|a|55", "2|u2|55"]);
    assert_eq!(
        shop.production.value("SELECT nick FROM users WHERE id = 1"),
        "b"
    );
}

/// 2d. A row removed by production came back, one it had made was overwritten, one it had edited was
/// removed.
#[test]
fn d_rows_that_came_went_and_changed() {
    let mut shop = shop();
    shop.agent.run("UPDATE users SET name = 'x' WHERE id = 3");
    shop.agent
        .run("INSERT INTO users (id, name) VALUES (60, 'ours')");
    shop.agent.run("DELETE FROM users WHERE id = 5");
    shop.production.run("DELETE FROM users WHERE id = 3; INSERT INTO users (id, name) VALUES (60, 'theirs'); UPDATE users SET nick = 'n' WHERE id = 5");
    shop.conflicts(&["deleted by them", "deleted by us", "both added"]);
}

/// 2d. The value of an operation that was not chosen reached production.
#[test]
fn d_only_the_chosen_operation() {
    let mut shop = shop();
    shop.agent
        .run("SET pgdraft.operation = 'one'; UPDATE users SET name = 'one' WHERE id = 1");
    shop.agent
        .run("SET pgdraft.operation = 'two'; UPDATE users SET nick = 'two' WHERE id = 1");
    let mut reviewer = Connection::open(&shop.proxy.reviewer()).unwrap();
    let failure = reviewer.fail("COMMIT OPERATIONS 'two' IN SESSION 's'");
    assert_eq!(failure.code(), "ZD022", "{failure}");
    shop.agent.run("DISCARD OPERATIONS 'one' CASCADE");
    shop.committed("SELECT name, nick FROM users WHERE id = 1", &["u1|nick1"]);
}

/// 2d. Unique values that change places or owner failed; a row made and removed again fired triggers.
#[test]
fn d_unique_values_change_places() {
    let mut shop = shop();
    shop.agent.run("DELETE FROM users WHERE id = 5; INSERT INTO users (id, name, email) VALUES (70, 'n', 'e5')");
    for text in [
        "'tmp' WHERE id = 1",
        "'e1' WHERE id = 2",
        "'e2' WHERE id = 1",
    ] {
        shop.agent.run(&format!("UPDATE users SET email = {text}"));
    }
    shop.agent
        .run("INSERT INTO users (id, name) VALUES (80, 'gone'); DELETE FROM users WHERE id = 80");
    shop.production
        .run("INSERT INTO users (id, name) VALUES (80, 'production')");
    shop.committed(
        "SELECT id, email FROM users WHERE id IN (1, 2, 5, 70) ORDER BY id",
        &["1|e2", "2|e1", "70|e5"],
    );
    assert_eq!(
        shop.production
            .value("SELECT name FROM users WHERE id = 80"),
        "production"
    );
}

/// The same within one operation: a circle, and a chain where no value can be missing.
#[test]
fn d_unique_values_change_places_at_once() {
    let mut shop = shop_with(
        "CREATE TABLE slots (id int PRIMARY KEY, place text NOT NULL UNIQUE);
         INSERT INTO slots SELECT n, 'p' || n FROM generate_series(1, 5) n;",
    );
    shop.agent.run(
        "BEGIN;
         UPDATE users SET email = 'tmp' WHERE id = 1;
         UPDATE users SET email = 'e1', nick = 'x' WHERE id = 2;
         UPDATE users SET email = 'e2' WHERE id = 1;
         UPDATE slots SET place = 'p0' WHERE id = 1;
         UPDATE slots SET place = 'p1' WHERE id = 2;
         UPDATE slots SET place = 'p2' WHERE id = 3;
         UPDATE slots SET place = 'p9' WHERE id = 5;
         UPDATE slots SET place = 'p5' WHERE id = 4;
         COMMIT",
    );
    shop.committed(
        "SELECT u.id, email, nick, place FROM users u JOIN slots USING (id) ORDER BY 1",
        &[
            "1|e2|nick1|p0",
            "2|e1|x|p1",
            "3|e3|nick3|p2",
            "4|e4|nick4|p5",
            "5|e5|nick5|p9",
        ],
    );
}

/// Where no value can be missing, one that nobody has stands for it meanwhile.
#[test]
fn d_required_values_change_places_at_once() {
    let mut shop = shop_with(
        "CREATE TABLE slots (id int PRIMARY KEY, place text NOT NULL UNIQUE, n int NOT NULL UNIQUE CHECK (n > 0), u uuid NOT NULL UNIQUE,
             small smallint NOT NULL, v varchar(20) NOT NULL, UNIQUE (small, v));
         CREATE TABLE plugs (id int PRIMARY KEY, place text REFERENCES slots (place) ON UPDATE CASCADE);
         INSERT INTO slots SELECT n, 'p' || n, n, md5(n::text)::uuid, 32760 + n, 'v' FROM generate_series(1, 3) n;
         INSERT INTO plugs SELECT n, 'p' || n FROM generate_series(1, 3) n;",
    );
    shop.agent.run(
        "BEGIN;
         UPDATE slots SET place = 'tmp', n = 100, u = md5('t')::uuid, small = 0 WHERE id = 1;
         UPDATE slots SET place = 'p1', n = 1, u = md5('1')::uuid, small = 32761 WHERE id = 2;
         UPDATE slots SET place = 'p2', n = 2, u = md5('2')::uuid, small = 32762 WHERE id = 1;
         COMMIT",
    );
    shop.committed(
        "SELECT s.id, s.place, n, u = md5((3 - s.id)::text)::uuid, small, string_agg(p.id::text, ',') FROM slots s JOIN plugs p USING (place) WHERE s.id < 3 GROUP BY s.id ORDER BY 1",
        &["1|p2|2|t|32762|1", "2|p1|1|t|32761|2"],
    );
}

/// Where there is no such value, a circle is not committed, and the answer says what to do.
#[test]
fn d_a_circle_of_required_values_is_refused() {
    let mut shop = shop_with(
        "CREATE TABLE slots (id int PRIMARY KEY, place text NOT NULL UNIQUE CHECK (place IN ('p1', 'p2', 'tmp')));
         INSERT INTO slots SELECT n, 'p' || n FROM generate_series(1, 2) n;",
    );
    shop.agent.run(
        "BEGIN;
         UPDATE slots SET place = 'tmp' WHERE id = 1;
         UPDATE slots SET place = 'p1' WHERE id = 2;
         UPDATE slots SET place = 'p2' WHERE id = 1;
         COMMIT",
    );
    let mut reviewer = Connection::open(&shop.proxy.reviewer()).unwrap();
    let failure = reviewer.fail("COMMIT SESSION 's'");
    assert_eq!(failure.code(), "23505");
    assert!(failure.to_string().contains("exchange"), "{failure}");
    assert_eq!(shop.database.dump(), shop.before);
}

/// Rows that refer to a unique key do not mind that another column, the primary key, changes.
#[test]
fn d_a_key_changes_beside_the_one_that_is_referred_to() {
    let mut shop = shop_with(
        "CREATE TABLE codes (id int PRIMARY KEY, code text UNIQUE, note text);
         CREATE TABLE uses (n int PRIMARY KEY, code text REFERENCES codes (code) ON UPDATE CASCADE);
         INSERT INTO codes VALUES (1, 'a', 'x'), (2, 'b', 'y');
         INSERT INTO uses VALUES (1, 'a'), (2, 'b');",
    );
    shop.agent
        .run("UPDATE codes SET id = 7 WHERE id = 1; UPDATE codes SET note = 'z' WHERE id = 7");
    shop.production.run("INSERT INTO uses VALUES (3, 'a')");
    shop.committed(
        "SELECT id, code, note, count(n) FROM codes LEFT JOIN uses USING (code) GROUP BY id ORDER BY id",
        &["2|b|y|1", "7|a|z|2"],
    );
}

/// 2d. It missed a unique value used again and a child removed before its parent.
#[test]
fn d_dependencies() {
    let mut shop = shop();
    for (name, text) in [
        ("frees", "UPDATE users SET email = 'x' WHERE id = 4"),
        ("uses", "UPDATE users SET email = 'e4' WHERE id = 5"),
        ("child", "DELETE FROM orders WHERE id = 3"),
        ("parent", "DELETE FROM users WHERE id = 2"),
    ] {
        shop.agent.run(&format!(
            "BEGIN; SET LOCAL pgdraft.operation = '{name}'; {text}; COMMIT"
        ));
    }
    let edges = shop
        .proxy
        .review("SHOW DEPENDENCIES IN SESSION 's'")
        .table();
    for edge in ["uses|frees|unique key", "parent|child|foreign key"] {
        assert!(
            edges.iter().any(|e| e.starts_with(edge)),
            "{edge}: {edges:?}"
        );
    }
}

/// 2d. What the first tables had been given stayed when the second one failed.
#[test]
fn d_a_commit_is_whole() {
    let mut shop = shop_with(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no' USING ERRCODE = 'P0001'; END $$;
         CREATE TRIGGER no BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION no();",
    );
    shop.agent
        .run("UPDATE users SET name = 'x' WHERE id = 1; INSERT INTO orders VALUES (50, 1, 1)");
    let mut reviewer = Connection::open(&shop.proxy.reviewer()).unwrap();
    assert_eq!(reviewer.fail("COMMIT SESSION 's'").code(), "P0001");
    shop.drafted("SELECT name FROM users WHERE id = 1", &["x"]);
}

/// 2d. A commit takes the rows that it writes, and waits for nobody who has others.
#[test]
fn d_a_commit_locks_its_rows_only() {
    let mut shop = shop();
    shop.agent.run("UPDATE users SET name = 'x' WHERE id = 1");
    shop.production
        .run("BEGIN; SELECT FROM users WHERE id <> 1 FOR UPDATE; LOCK TABLE orders");
    shop.committed("SELECT name FROM users WHERE id = 1", &["x"]);
}

/// 2d. What the agent wrote during the commit was thrown away by its clean-up, never applied.
#[test]
fn d_nothing_written_during_a_commit_is_lost() {
    let mut shop = shop();
    shop.agent.run("UPDATE users SET qty = 0 WHERE id = 1");
    let login = shop.proxy.reviewer();
    let committing =
        std::thread::spawn(move || Connection::open(&login).unwrap().run("COMMIT SESSION 's'"));
    let mut written = 0;
    loop {
        let text = format!("UPDATE users SET qty = {} WHERE id = 1", written + 1);
        match shop.agent.simple(&text).unwrap().error().cloned() {
            None => written += 1,
            Some(failure) => {
                assert_eq!(failure.code(), "ZD002", "{failure}");
                break;
            }
        }
    }
    committing.join().unwrap();
    let held = shop.production.value("SELECT qty FROM users WHERE id = 1");
    assert_eq!(held, written.to_string());
}

/// 2d. Tables in a circle of foreign keys could not be committed, nor generated columns and identities.
#[test]
fn d_circles_and_generated_columns() {
    let mut shop = shop();
    shop.agent.run("INSERT INTO heads VALUES (1, NULL); INSERT INTO tails VALUES (1, 1); UPDATE heads SET tail = 1");
    shop.agent
        .run("INSERT INTO always (v) VALUES (4), (5); UPDATE always SET v = 6 WHERE v = 5");
    shop.drafted(
        "SELECT id, v, twice FROM always ORDER BY id",
        &["1|4|8", "2|6|12"],
    );
    shop.committed(
        "SELECT id, v, twice FROM always ORDER BY id",
        &["1|4|8", "2|6|12"],
    );
    assert_eq!(shop.production.value("SELECT tail FROM heads"), "1");
}

/// 2d. It knew nothing of reads, and saw dependencies between rows of a composite foreign key that had
/// nothing to do with each other.
#[test]
fn d_dependencies_of_reads_and_composite_keys() {
    let mut shop = shop_with(
        "CREATE TABLE places (x int, y int, PRIMARY KEY (x, y));
         CREATE TABLE things (id int PRIMARY KEY, x int, y int, FOREIGN KEY (x, y) REFERENCES places);",
    );
    for (name, text) in [
        ("one", "INSERT INTO places VALUES (1, 2)"),
        ("other", "INSERT INTO places VALUES (2, 1), (1, 1), (2, 2)"),
        ("child", "INSERT INTO things VALUES (1, 1, 2)"),
        ("name", "UPDATE users SET name = 'named' WHERE id = 4"),
        (
            "copy",
            "INSERT INTO users (name) SELECT name FROM users WHERE id = 4",
        ),
        (
            "beside",
            "INSERT INTO users (name) SELECT name FROM users WHERE id = 5",
        ),
    ] {
        shop.agent.run(&format!(
            "BEGIN; SET LOCAL pgdraft.operation = '{name}'; {text}; COMMIT"
        ));
    }
    let mut edges = shop
        .proxy
        .review("SHOW DEPENDENCIES IN SESSION 's'")
        .table();
    edges.sort();
    assert_eq!(edges.len(), 2, "{edges:?}");
    assert!(edges[0].starts_with("child|one|foreign key"), "{edges:?}");
    assert!(edges[1].starts_with("copy|name|read"), "{edges:?}");
}

/// 2d. Rows that refer to their own table, in an order that no key gives.
#[test]
fn d_self_references() {
    let mut shop = shop_with(
        "CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree);
         INSERT INTO tree VALUES (5, NULL), (4, 5), (3, 4);",
    );
    shop.agent.run("INSERT INTO tree VALUES (9, NULL), (2, 9), (1, 2); UPDATE tree SET up = 1 WHERE id = 3; DELETE FROM tree WHERE id IN (4, 5)");
    shop.committed(
        "SELECT id, up FROM tree ORDER BY id",
        &["1|2", "2|9", "3|1", "9|∅"],
    );
}

/// 2d. Two commits of the same rows at once: one is first, the other one meets what it wrote.
#[test]
fn d_two_commits_of_the_same_rows() {
    let mut shop = shop();
    let mut second = shop.proxy.connect("t");
    shop.agent.run("UPDATE users SET name = 'a'");
    second.run("UPDATE users SET nick = 'b'; UPDATE users SET name = 'b' WHERE id = 3");
    let asked = ["s", "t"].map(|session| {
        let mut reviewer = shop.proxy.connect_reviewer();
        std::thread::spawn(move || {
            let text = format!("COMMIT SESSION '{session}'");
            let exchange = reviewer.simple(&text).unwrap();
            exchange.error().map(|failure| failure.code().to_owned())
        })
    });
    let mut answers = asked.map(|thread| thread.join().unwrap());
    answers.sort();
    assert_eq!(answers, [None, Some("ZD001".to_owned())]);
    let held = "SELECT DISTINCT name, nick = 'b' FROM users WHERE id <> 3";
    let held = shop.production.run(held).table().len();
    assert!(held == 1 || held == 4, "neither a part of one nor of both");
}
