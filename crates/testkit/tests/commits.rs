//! Commits as those who run them meet them: progress, an answer that was lost, others in the way.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use testkit::proxy::{Proxy, over};
use testkit::wire::{Body, Connection, Failure};

const SETUP: &str = "\
CREATE TABLE account (id int PRIMARY KEY, name text NOT NULL, balance int NOT NULL DEFAULT 0);
CREATE TABLE item (id int PRIMARY KEY, account_id int REFERENCES account, n int NOT NULL DEFAULT 0);
INSERT INTO account SELECT g, 'n' || g FROM generate_series(1, 6000) g;
INSERT INTO item SELECT g, g FROM generate_series(1, 6000) g;
";

/// What a command says beside its rows.
fn told(connection: &mut Connection, text: &str) -> Vec<String> {
    let exchange = connection.simple(text).unwrap();
    assert!(exchange.error().is_none(), "{text}: {exchange:?}");
    let notices = exchange.last().notices.iter();
    notices.map(|n| n.message().to_owned()).collect()
}

/// Waits until a backend of this database waits for a lock.
fn someone_waits(watcher: &mut Connection) {
    // in this database: other tests wait in theirs
    let text = "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND l.locktype = 'transactionid' AND a.datname = current_database()";
    while watcher.value(text) == "0" {
        std::thread::yield_now();
    }
}

/// A notice comes while the commit runs: it waits for a row that production has locked.
#[test]
fn a_large_commit_tells_how_far_it_is() {
    let (database, mut proxy) = over(SETUP);
    let mut agent = proxy.connect("s");
    agent.run("UPDATE account SET balance = 1");
    agent.run("UPDATE item SET n = 1");
    let mut production = database.connect();
    production.run("BEGIN; SELECT FROM item WHERE id = 3000 FOR UPDATE");
    let mut rita = proxy.connect_reviewer();
    rita.send(b'Q', Body::new().text("COMMIT SESSION 's'"))
        .unwrap();
    let mut steps = Vec::new();
    while steps.len() < 2 {
        let message = rita.receive().unwrap();
        assert_eq!(message.tag, b'N', "{message:?}");
        steps.push(Failure::parse(&message.body).message().to_owned());
    }
    assert_eq!(
        steps,
        [
            "session \"s\": 0 of 12000 rows written, updating public.account",
            "session \"s\": 6000 of 12000 rows written, updating public.item"
        ]
    );
    // while one step takes long: which one it is, and since when
    let again = Failure::parse(&rita.receive().unwrap().body);
    assert_eq!(again.message(), steps[1]);
    assert!(again.field('D').contains("this step for"), "{again:?}");
    let metrics = web(&proxy);
    assert!(metrics.contains("pgdraft_commits_running 1"), "{metrics}");
    assert!(
        metrics.contains("pgdraft_commit_rows_left 6000"),
        "{metrics}"
    );
    production.run("COMMIT");
    let done = rita.collect(None).unwrap();
    assert!(done.error().is_none(), "{done:?}");
    let metrics = web(&proxy);
    assert!(metrics.contains("pgdraft_commits_running 0"), "{metrics}");
    assert!(metrics.contains("pgdraft_commit_rows_left 0"), "{metrics}");
    assert_eq!(production.value("SELECT sum(n) FROM item"), "6000");
    // a small one says what it did and no more
    let mut agent = proxy.connect("t");
    agent.run("UPDATE item SET n = 2 WHERE id = 1");
    assert_eq!(told(&mut rita, "COMMIT SESSION 't'").len(), 1);
    proxy.assert_sound();
}

/// A large table is written in parts of its key, which are told; one with triggers in one statement each,
/// as its triggers are to see it.
#[test]
fn a_large_table_tells_how_many_of_its_rows_are_done() {
    let (database, mut proxy) = over(
        "CREATE TABLE pair (a int, b int, n int NOT NULL, PRIMARY KEY (a, b));
         INSERT INTO pair SELECT n / 3, n % 3, n FROM generate_series(1, 45000) n;
         CREATE TABLE seen (n bigint);
         CREATE TABLE heard (id int PRIMARY KEY, n int NOT NULL);
         INSERT INTO heard SELECT n, n FROM generate_series(1, 45000) n;
         CREATE FUNCTION hear() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN INSERT INTO seen SELECT count(*) FROM made; RETURN NULL; END $$;
         CREATE TRIGGER hear AFTER UPDATE ON heard REFERENCING NEW TABLE AS made
            FOR EACH STATEMENT EXECUTE FUNCTION hear();",
    );
    let mut rita = proxy.connect_reviewer();
    let mut base = database.connect();
    let steps = |rita: &mut Connection, name: &str| -> Vec<String> {
        let all = told(rita, &format!("COMMIT SESSION '{name}'"));
        let rows = |said: &String| said.split(' ').nth(2).map(ToOwned::to_owned);
        all.iter()
            .filter(|said| said.contains("rows written"))
            .filter_map(rows)
            .collect()
    };
    proxy.connect("u").run("UPDATE pair SET n = -n");
    assert_eq!(steps(&mut rita, "u"), ["0", "20003", "40004"]);
    assert_eq!(base.value("SELECT sum(n) FROM pair"), "-1012522500");
    // beside rows of production's own, in another column of other rows, and rows that come and go
    let mut agent = proxy.connect("v");
    agent.run("DELETE FROM pair WHERE a < 14000");
    agent.run("INSERT INTO pair SELECT n, -1, n FROM generate_series(1, 41000) n");
    base.run("INSERT INTO pair VALUES (7, 7, 7)");
    let counted = steps(&mut rita, "v");
    assert_eq!(counted.first().map(String::as_str), Some("0"));
    assert!(counted.len() > 5, "{counted:?}");
    assert_eq!(
        base.value("SELECT concat_ws(' ', count(*), sum(a::bigint), sum(n::bigint)) FROM pair"),
        base.value(
            "SELECT concat_ws(' ', count(*), sum(a), sum(n)) FROM (
                SELECT n / 3 AS a, -n AS n FROM generate_series(1, 45000) n WHERE n / 3 >= 14000
                UNION ALL SELECT n, n FROM generate_series(1, 41000) n UNION ALL SELECT 7, 7) x"
        )
    );
    proxy.connect("w").run("UPDATE heard SET n = 0");
    assert_eq!(steps(&mut rita, "w"), ["0"]);
    assert_eq!(
        base.value("SELECT string_agg(n::text, ' ') FROM seen"),
        "45000"
    );
    proxy.assert_sound();
}

fn web(proxy: &Proxy) -> String {
    use std::io::{Read as _, Write as _};
    let mut socket = std::net::TcpStream::connect(("127.0.0.1", proxy.metrics_port())).unwrap();
    socket
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    text
}

/// Every command whose answer can be lost gives it again, and does nothing a second time.
#[test]
fn an_answer_that_was_lost_is_given_again() {
    let (database, mut proxy) = over(SETUP);
    let mut production = database.connect();
    let mut rita = proxy.connect_reviewer();
    let mut agent = proxy.connect("s");
    for (name, statement) in [
        ("a", "UPDATE account SET balance = 1 WHERE id = 1"),
        ("b", "UPDATE account SET name = 'B' WHERE id <= 2"),
        ("c", "DELETE FROM item WHERE id = 3"),
        ("d", "INSERT INTO item VALUES (7001, 1, 1)"),
        ("e", "UPDATE item SET n = 5 WHERE id = 7001"),
    ] {
        agent.run(&format!("SET pgdraft.operation = '{name}'"));
        agent.run(statement);
    }
    let mut twice = |text: &str| {
        let first = told(&mut rita, text);
        let base = production.run("SELECT * FROM item UNION ALL SELECT id, balance, n FROM (SELECT id, balance, length(name) AS n FROM account) x ORDER BY 1, 2, 3").table();
        let again = told(&mut rita, text);
        assert_eq!(first, again, "{text}");
        assert!(base == production.run("SELECT * FROM item UNION ALL SELECT id, balance, n FROM (SELECT id, balance, length(name) AS n FROM account) x ORDER BY 1, 2, 3").table(), "{text} did something again");
        first
    };
    twice("FORK SESSION 's' AS 'f'");
    twice("FORK SESSION 's' AS 'f3' AT OPERATION 'c'");
    let committed = twice("COMMIT OPERATIONS 'b' IN SESSION 's' CASCADE");
    assert!(committed[0].contains("\"a\", \"b\""), "{committed:?}");
    let discarded = twice("DISCARD OPERATIONS 'd' IN SESSION 's' CASCADE");
    assert!(discarded[0].contains("\"d\", \"e\""), "{discarded:?}");
    twice("COMMIT SESSION 's'");
    // also once the session has ended
    twice("COMMIT OPERATIONS 'b' IN SESSION 's' CASCADE");
    twice("DISCARD OPERATIONS 'd' IN SESSION 's' CASCADE");
    let made = twice("REVERT SESSION 's'");
    assert!(made[0].contains("\"revert s\""), "{made:?}");
    twice("REVERT SESSION 's' AS 'back'");
    twice("REVERT OPERATION 'a' IN SESSION 's#1' AS 'a back'");
    twice("DISCARD SESSION 'back'");
    // what is not the same command is refused as before
    for refused in [
        "FORK SESSION 'f' AS 'f3'",
        "FORK SESSION 'f3' AS 'f'",
        "REVERT SESSION 's#1' AS 'a back'",
        "REVERT SESSION 's' AS 'back'",
    ] {
        assert_eq!(rita.fail(refused).code(), "ZD005", "{refused}");
    }
    assert_eq!(rita.fail("DISCARD SESSION 's'").code(), "ZD002");
    assert_eq!(
        rita.fail("DISCARD OPERATIONS 'c' IN SESSION 's'").code(),
        "ZD002"
    );
    assert_eq!(rita.fail("COMMIT SESSION 'back'").code(), "ZD002");
    proxy.assert_sound();
}

/// Production holds an item and wants its account; the commit has the account and wants the item.
#[test]
fn a_commit_that_a_deadlock_ended_is_done_again() {
    let (database, mut proxy) = over(SETUP);
    let mut agent = proxy.connect("s");
    agent.run("UPDATE account SET name = 'S' WHERE id = 1");
    agent.run("UPDATE item SET n = 1 WHERE id = 1");
    let mut production = database.connect();
    let mut watcher = database.connect();
    // the commit finds the deadlock, not production
    production.run(&format!(
        "ALTER DATABASE {} SET deadlock_timeout = '2s'",
        database.name()
    ));
    proxy.crash_and_restart();
    production.run("SET deadlock_timeout = '10min'");
    production.run("BEGIN; UPDATE item SET account_id = 1 WHERE id = 1");
    let mut rita = proxy.connect_reviewer();
    rita.send(b'Q', Body::new().text("COMMIT SESSION 's'"))
        .unwrap();
    someone_waits(&mut watcher);
    production.run("UPDATE account SET balance = 7 WHERE id = 1");
    production.run("COMMIT");
    let done = rita.collect(None).unwrap();
    assert!(done.error().is_none(), "{done:?}");
    assert_eq!(
        production.run(
            "SELECT a.name, a.balance, i.n FROM account a JOIN item i ON i.id = a.id WHERE a.id = 1"
        ).table(),
        ["S|7|1"]
    );
    assert!(proxy.log().contains(" a commit: once more"));
    proxy.assert_sound();
}

/// Not the first error alone: each row that production's triggers would not take, of every table.
#[test]
fn a_rehearsal_lists_every_error() {
    let (database, mut proxy) = over(SETUP);
    let mut production = database.connect();
    production.run(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP = 'DELETE' THEN
            IF OLD.id = 17 THEN RAISE EXCEPTION 'item 17 stays' USING ERRCODE = 'P0017'; END IF;
            RETURN OLD;
        END IF;
        IF NEW.id % 2000 = 0 THEN RAISE EXCEPTION 'not %', NEW.id; END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER no BEFORE INSERT OR UPDATE ON account FOR EACH ROW EXECUTE FUNCTION no();
    CREATE TRIGGER no BEFORE INSERT OR DELETE ON item FOR EACH ROW EXECUTE FUNCTION no()",
    );
    let mut agent = proxy.connect("s");
    agent.run("UPDATE account SET balance = 5");
    agent.run("DELETE FROM item WHERE id BETWEEN 10 AND 30");
    agent.run("INSERT INTO item SELECT g, 1 FROM generate_series(7999, 8001) g");
    let mut rita = proxy.connect_reviewer();
    let before = production.run(
        "SELECT sum(balance), count(*) FROM account UNION ALL SELECT sum(n), count(*) FROM item",
    ).table();
    let rehearsed = rita.run("REHEARSE SESSION 's'");
    assert_eq!(
        rehearsed.table(),
        [
            "error|public.item|{\"id\": 8000}|∅|∅|P0001: not 8000",
            "error|public.account|{\"id\": 2000}|∅|∅|P0001: not 2000",
            "error|public.account|{\"id\": 4000}|∅|∅|P0001: not 4000",
            "error|public.account|{\"id\": 6000}|∅|∅|P0001: not 6000",
            "error|public.item|{\"id\": 17}|∅|∅|P0017: item 17 stays",
        ]
    );
    assert_eq!(rita.fail("COMMIT SESSION 's'").code(), "P0001");
    // the errors are no more than what they say
    production.run("DROP TRIGGER no ON account; DROP TRIGGER no ON item");
    let again = rita.run("REHEARSE SESSION 's'").table();
    assert!(
        again.iter().all(|line| line.starts_with("commit|")),
        "{again:?}"
    );
    assert_eq!(
        before,
        production.run(
            "SELECT sum(balance), count(*) FROM account UNION ALL SELECT sum(n), count(*) FROM item"
        ).table()
    );
    rita.run("COMMIT SESSION 's'");
    assert_eq!(
        production.value("SELECT sum(balance) FROM account"),
        "30000"
    );
    proxy.assert_sound();
}

/// Rows change places within one operation, and production's trigger makes another value of each. What
/// takes it back can never come to the values that were there: its commit ends, and nothing of it stays.
#[test]
fn rows_that_a_trigger_changes_do_not_go_round_for_ever() {
    let (database, mut proxy) = over(
        "CREATE TABLE places (id int PRIMARY KEY, name text NOT NULL UNIQUE);
         INSERT INTO places VALUES (1, 'a'), (2, 'b');
         CREATE FUNCTION loud() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.name := upper(NEW.name); RETURN NEW; END';
         CREATE TRIGGER loud BEFORE INSERT OR UPDATE ON places FOR EACH ROW EXECUTE FUNCTION loud();",
    );
    let mut agent = proxy.connect("s");
    agent.run(
        "BEGIN; UPDATE places SET name = 'tmp' WHERE id = 1; UPDATE places SET name = 'a' WHERE id = 2;
         UPDATE places SET name = 'b' WHERE id = 1; COMMIT",
    );
    proxy.review("COMMIT SESSION 's'");
    let see = "SELECT string_agg(id || name, ',' ORDER BY id) FROM places";
    let mut owner = database.connect();
    assert_eq!(owner.value(see), "1B,2A");
    proxy.review("REVERT SESSION 's' AS 'undo'");
    let failure = proxy.connect_reviewer().fail("COMMIT SESSION 'undo'");
    assert_eq!(failure.code(), "23505", "{failure}");
    assert!(failure.field('H').contains("in every order"), "{failure}");
    assert_eq!(owner.value(see), "1B,2A");
    proxy.assert_sound();
}
