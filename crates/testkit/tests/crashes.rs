//! kill -9 of pgdraft and of PostgreSQL at each step of a commit, and a reviewer who cancels it or goes
//! away: production is wholly before or wholly after, and the commit asked for again gives the right
//! answer.
//!
//! A commit is made to stand still by a lock of production on what the step needs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::process::Command;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use testkit::cluster::Database;
use testkit::proxy::Proxy;
use testkit::wire::{Connection, Exchange};
use testkit::{Cluster, proxy};

const SETUP: &str = "\
CREATE TABLE t (id int PRIMARY KEY, v text);
CREATE TABLE c (id int PRIMARY KEY, t_id int REFERENCES t);
INSERT INTO t SELECT n, 'base' FROM generate_series(1, 200) n;
INSERT INTO c SELECT n, n FROM generate_series(1, 50) n;
CREATE FUNCTION at_the_end() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_advisory_xact_lock_shared(77); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER at_the_end AFTER UPDATE ON c DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION at_the_end();
";

/// The steps of a commit, and what stops each.
const STEPS: [(&str, &str); 6] = [
    (
        "the session is taken",
        "SELECT FROM pgdraft.sessions FOR UPDATE",
    ),
    ("the tables are taken", "LOCK TABLE t IN SHARE MODE"),
    (
        "the first table is written",
        "SELECT FROM t WHERE id = 90 FOR UPDATE",
    ),
    (
        "the second table is written",
        "SELECT FROM c WHERE id = 10 FOR UPDATE",
    ),
    (
        "rows are removed",
        "SELECT FROM t WHERE id = 200 FOR UPDATE",
    ),
    ("deferred triggers fire", "SELECT pg_advisory_lock(77)"),
];

fn draft(proxy: &Proxy) {
    let mut agent = proxy.connect("s");
    agent.run("UPDATE t SET v = 'committed' WHERE id <= 100");
    agent.run("DELETE FROM t WHERE id > 190");
    agent.run("INSERT INTO t SELECT n, 'committed' FROM generate_series(501, 550) n");
    agent.run("UPDATE c SET t_id = 501 WHERE id <= 10");
}

/// Neither before nor after would be half a commit.
#[track_caller]
fn is_committed(database: &Database) -> bool {
    let state = database
        .connect()
        .run(
            "SELECT (SELECT count(*) FROM t WHERE v = 'committed'), \
             (SELECT count(*) FROM t WHERE id BETWEEN 191 AND 200), (SELECT count(*) FROM c WHERE t_id = 501)",
        )
        .table();
    match state[0].as_str() {
        "0|10|0" => false,
        "150|0|10" => true,
        other => panic!("the base is half changed: {other}"),
    }
}

fn commit(proxy: &Proxy) -> JoinHandle<std::io::Result<Exchange>> {
    commit_by(proxy.connect_reviewer())
}

fn commit_by(mut reviewer: Connection) -> JoinHandle<std::io::Result<Exchange>> {
    std::thread::spawn(move || reviewer.simple("COMMIT SESSION 's'"))
}

/// Waits until the commit stands still; the process that works for it.
#[track_caller]
fn standing_still(database: &Database, step: &str) -> String {
    let begun = Instant::now();
    let mut watcher = database.connect();
    loop {
        let found = watcher.run(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        );
        if let Some(pid) = found.table().first() {
            return pid.clone();
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {step}");
        watcher.run("SELECT pg_sleep(0.01)");
    }
}

/// Asks for the commit again until it is answered, and checks the answer.
#[track_caller]
fn again(proxy: &Proxy, database: &Database, step: &str) {
    let begun = Instant::now();
    loop {
        let asked = Connection::try_open(&proxy.reviewer())
            .map_err(|e| e.to_string())
            .and_then(|opened| opened.map_err(|f| f.to_string()))
            .and_then(|mut c| c.simple("COMMIT SESSION 's'").map_err(|e| e.to_string()));
        let told = match asked {
            Ok(exchange) => match exchange.error() {
                None => {
                    let said = exchange.last().notices[0].message().to_owned();
                    assert!(said.contains("170 rows in 2 tables"), "{step}: {said}");
                    break;
                }
                Some(failure) => failure.to_string(),
            },
            Err(why) => why,
        };
        assert!(begun.elapsed() < Duration::from_secs(60), "{step}: {told}");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(is_committed(database), "{step}");
}

#[test]
fn pgdraft_is_killed() {
    for (step, block) in STEPS {
        let (database, mut proxy) = proxy::over(SETUP);
        draft(&proxy);
        let mut blocker = database.connect();
        blocker.run("BEGIN");
        blocker.run(block);
        let commit = commit(&proxy);
        standing_still(&database, step);
        proxy.crash_and_restart();
        let told = matches!(&commit.join().unwrap(), Ok(e) if e.error().is_none());
        assert!(!told, "{step}: a commit that was cut off was told as done");
        // What PostgreSQL had been told to do it may still do, or not: never a part of it.
        blocker.run("ROLLBACK; SELECT pg_advisory_unlock_all()");
        is_committed(&database);
        again(&proxy, &database, step);
        again(&proxy, &database, step);
        proxy.assert_sound();
    }
}

/// Waits until PostgreSQL has ended all of its processes and takes connections again.
#[track_caller]
fn recovered(blocker: &mut Connection, database: &Database) {
    while blocker.simple("SELECT 1").is_ok_and(|e| e.status != 0) {}
    let begun = Instant::now();
    let login = database.cluster().login(database.name());
    while !Connection::try_open(&login).is_ok_and(|c| c.is_ok()) {
        assert!(begun.elapsed() < Duration::from_secs(60), "no recovery");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn postgresql_is_killed() {
    // A server of its own: others must not lose theirs.
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start()));
    for (number, (step, block)) in STEPS.iter().enumerate() {
        let database = cluster.create_database(&format!("crash{number}"));
        database.run(SETUP);
        let mut proxy = Proxy::start(&database);
        draft(&proxy);
        let mut blocker = database.connect();
        blocker.run("BEGIN");
        blocker.run(block);
        let commit = commit(&proxy);
        let pid = standing_still(&database, step);
        // One process killed so, and PostgreSQL ends all others and recovers from its log.
        let killed = Command::new("kill").args(["-9", &pid]).status().unwrap();
        assert!(killed.success());
        if let Ok(exchange) = commit.join().unwrap() {
            assert!(exchange.error().is_some(), "{step}: {exchange:?}");
        }
        recovered(&mut blocker, &database);
        assert!(!is_committed(&database), "{step}");
        again(&proxy, &database, step);
        again(&proxy, &database, step);
        proxy.assert_sound();
    }
}

/// Waits until nobody stands still any more.
#[track_caller]
fn let_go(database: &Database, step: &str) {
    let begun = Instant::now();
    let mut watcher = database.connect();
    while watcher.value(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    ) != "0"
    {
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {step}");
        watcher.run("SELECT pg_sleep(0.01)");
    }
}

/// What the agent sees of its draft.
fn drafted(proxy: &Proxy) -> Vec<String> {
    proxy
        .connect("s")
        .run("SELECT id, v FROM t UNION ALL SELECT id, t_id::text FROM c ORDER BY 1, 2")
        .table()
}

/// psql's Ctrl-C, and a client that is gone: while the commit still stands at its step it is taken back.
#[test]
fn a_reviewer_cancels_or_goes_away() {
    let (database, mut proxy) = proxy::over(SETUP);
    draft(&proxy);
    let before = drafted(&proxy);
    for (number, (step, block)) in STEPS.iter().enumerate() {
        let mut blocker = database.connect();
        blocker.run("BEGIN");
        blocker.run(block);
        let mut rita = proxy.connect_reviewer();
        let (port, pid, secret) = rita.cancel_key();
        if number % 2 == 0 {
            let asked = std::thread::spawn(move || rita.simple("COMMIT SESSION 's'").unwrap());
            standing_still(&database, step);
            testkit::wire::cancel(port, pid, &secret).unwrap();
            let exchange = asked.join().unwrap();
            let failure = exchange.error().expect(step);
            assert_eq!(failure.code(), "57014", "{step}: {failure}");
            assert!(!failure.field('H').is_empty(), "{step}: {failure}");
        } else {
            let text = testkit::wire::Body::new().text("COMMIT SESSION 's'");
            rita.send(b'Q', text).unwrap();
            standing_still(&database, step);
            drop(rita);
        }
        let_go(&database, step);
        blocker.run("ROLLBACK; SELECT pg_advisory_unlock_all()");
        assert!(!is_committed(&database), "{step}");
        assert!(
            before == drafted(&proxy),
            "{step}: the draft is another one"
        );
    }
    again(&proxy, &database, "at last");
    proxy.assert_sound();
}

/// A cancel that comes when the commit is done in the database finds it done: here it waits for a standby,
/// as production's own trigger demands.
#[test]
fn a_cancel_after_the_commit_point() {
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start()));
    let database = cluster.create_database("late");
    let mut owner = database.connect();
    owner.run("ALTER SYSTEM SET synchronous_commit = local");
    owner.run("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    owner.run("SELECT pg_reload_conf()");
    database.run(SETUP);
    database.run(
        "CREATE FUNCTION waits() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM set_config('synchronous_commit', 'on', true); RETURN NULL; END $$;
         CREATE TRIGGER waits AFTER INSERT ON t EXECUTE FUNCTION waits();",
    );
    let mut proxy = Proxy::start(&database);
    draft(&proxy);
    let rita = proxy.connect_reviewer();
    let (port, pid, secret) = rita.cancel_key();
    let commit = commit_by(rita);
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    while owner.value(waits) == "0" {
        assert!(!commit.is_finished(), "{:?}", commit.join());
        owner.run("SELECT pg_sleep(0.01)");
    }
    testkit::wire::cancel(port, pid, &secret).unwrap();
    let exchange = commit.join().unwrap().unwrap();
    assert!(exchange.error().is_none(), "{exchange:?}");
    assert!(is_committed(&database));
    proxy.assert_sound();
}

/// Ctrl-C on the command line.
#[test]
fn the_command_line_is_interrupted() {
    let (database, mut proxy) = proxy::over(SETUP);
    draft(&proxy);
    let before = drafted(&proxy);
    let (step, block) = STEPS[3];
    let mut blocker = database.connect();
    blocker.run("BEGIN");
    blocker.run(block);
    let program = Command::new(proxy::binary())
        .args(["commit", "s", "--config", "none", "--upstream-url"])
        .arg(database.url())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    standing_still(&database, step);
    let signalled = Command::new("kill")
        .args(["-INT", &program.id().to_string()])
        .status();
    assert!(signalled.unwrap().success());
    let output = program.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    assert!(
        said.contains("canceling statement due to user request"),
        "{said}"
    );
    let_go(&database, step);
    blocker.run("ROLLBACK");
    assert!(!is_committed(&database));
    assert!(before == drafted(&proxy));
    again(&proxy, &database, step);
    proxy.assert_sound();
}

/// Commands besides the commit of a session; what goes before them, and what they are.
const COMMANDS: [(&str, &str); 4] = [
    ("", "COMMIT OPERATIONS 'one' IN SESSION 's' CASCADE"),
    ("", "DISCARD OPERATIONS 'two' IN SESSION 's' CASCADE"),
    ("COMMIT SESSION 's'", "REVERT SESSION 's' AS 'undo'"),
    ("", "REBASE SESSION 's'"),
];

/// A command stands still at its first write to each of these.
const WRITTEN: [&str; 6] = [
    "pgdraft.sessions",
    "pgdraft.operations",
    "pgdraft.touched",
    "pgdraft.d1",
    "pgdraft.d1_log",
    "t",
];

fn world(cluster: &'static Cluster, name: &str, first: &str) -> (Database, Proxy) {
    let database = cluster.create_database(name);
    database.run(SETUP);
    let proxy = Proxy::start(&database);
    let mut agent = proxy.connect("s");
    agent.run("SET pgdraft.operation = 'one'; UPDATE t SET v = 'one' WHERE id <= 20");
    agent.run("SET pgdraft.operation = 'two'; UPDATE t SET v = 'two' WHERE id BETWEEN 30 AND 60; DELETE FROM t WHERE id > 190");
    agent.run("SET pgdraft.operation = 'three'; UPDATE c SET t_id = 1 WHERE id <= 10; INSERT INTO t VALUES (700, 'three')");
    database
        .connect()
        .run("INSERT INTO t VALUES (800, 'theirs')");
    if first.is_empty() {
        database
            .connect()
            .run("UPDATE c SET t_id = 1 WHERE id = 5; UPDATE t SET v = 'one' WHERE id = 7");
    } else {
        proxy.review(first);
    }
    (database, proxy)
}

/// Production, what the sessions are and what they hold.
fn state(database: &Database, proxy: &Proxy) -> Vec<String> {
    let mut all = database
        .connect()
        .run("SELECT 't', id, v FROM t UNION ALL SELECT 'c', id, t_id::text FROM c ORDER BY 1, 2")
        .table();
    let sessions = proxy.review("SHOW SESSIONS");
    for row in 0..sessions.rows.len() {
        let (name, told) = (sessions.value(row, 0).unwrap(), sessions.value(row, 2));
        all.push(format!("{name} {told:?}"));
        // neither times nor what moves with them
        for (shown, columns) in [("OPERATIONS", &[0, 5][..]), ("DIFF", &[0, 1, 2, 3, 4, 5])] {
            let text = format!("SHOW {shown} IN SESSION '{name}'");
            let answer = proxy.connect_reviewer().simple(&text).unwrap();
            let reply = answer.last();
            for row in 0..reply.rows.len() {
                let cells = columns.iter().map(|column| reply.value(row, *column));
                all.push(format!("{shown} {:?}", cells.collect::<Vec<_>>()));
            }
        }
    }
    all
}

type Kill = fn(&mut Proxy, &str);
type Recover = fn(&mut Connection, &Database);

/// Where a command is cut off at each table that it writes, all is as before or as after, and the
/// command asked for again does what it had done undisturbed.
fn cut_off(cluster: &'static Cluster, kill: Kill, recover: Recover) {
    for (number, (first, command)) in COMMANDS.iter().enumerate() {
        let (database, proxy) = world(cluster, &format!("whole{number}"), first);
        proxy.review(command);
        let after = state(&database, &proxy);
        drop(proxy);
        for (step, table) in WRITTEN.iter().enumerate() {
            let told = format!("{command} at {table}");
            let (database, mut proxy) = world(cluster, &format!("cut{number}_{step}"), first);
            let before = state(&database, &proxy);
            let mut blocker = database.connect();
            blocker.run(&format!("BEGIN; LOCK TABLE {table} IN SHARE MODE"));
            let mut reviewer = proxy.connect_reviewer();
            let asked = std::thread::spawn(move || reviewer.simple(command));
            let Some(pid) = stands_still(&database, &asked) else {
                // it does not write that table
                asked.join().unwrap().unwrap();
                continue;
            };
            kill(&mut proxy, &pid);
            let done = matches!(asked.join().unwrap(), Ok(e) if e.error().is_none());
            assert!(!done, "{told}: what was cut off was told as done");
            recover(&mut blocker, &database);
            let found = eventually(|| state_if_up(&database, &proxy));
            assert!(found == before || found == after, "{told}: {found:#?}");
            eventually(|| {
                let opened = Connection::try_open(&proxy.reviewer()).ok()?.ok();
                let answer = opened?.simple(command).ok()?;
                answer.error().is_none().then_some(())
            });
            assert_eq!(state(&database, &proxy), after, "{told}");
            proxy.assert_sound();
        }
    }
}

/// The process that waits, unless the command is done without.
fn stands_still(
    database: &Database,
    asked: &JoinHandle<std::io::Result<Exchange>>,
) -> Option<String> {
    let mut watcher = database.connect();
    while !asked.is_finished() {
        let found = watcher.run(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        );
        if let Some(pid) = found.table().first() {
            return Some(pid.clone());
        }
        watcher.run("SELECT pg_sleep(0.01)");
    }
    None
}

fn state_if_up(database: &Database, proxy: &Proxy) -> Option<Vec<String>> {
    let up = Connection::try_open(&proxy.reviewer()).ok()?.ok();
    up?.simple("SHOW SESSIONS")
        .ok()?
        .error()
        .is_none()
        .then(|| state(database, proxy))
}

fn eventually<T>(ask: impl Fn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "never");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn pgdraft_is_killed_within_other_commands() {
    // A server of its own: the names of the databases are.
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start()));
    cut_off(
        cluster,
        |proxy, _| proxy.crash_and_restart(),
        |blocker, _| {
            blocker.run("ROLLBACK");
        },
    );
}

#[test]
fn postgresql_is_killed_within_other_commands() {
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start()));
    cut_off(
        cluster,
        |_, pid| {
            let killed = Command::new("kill").args(["-9", pid]).status().unwrap();
            assert!(killed.success());
        },
        recovered,
    );
}
