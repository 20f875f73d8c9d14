//! Commands of a reviewer that are cut off: the control connection is lost while they work, or the
//! reviewer interrupts. Whatever they were to do is done wholly or not at all, and can be asked for again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::thread;
use std::time::{Duration, Instant};

use testkit::Database;
use testkit::proxy::{Proxy, over};
use testkit::wire::{Connection, Failure};

const SETUP: &str = "\
CREATE TABLE stock (id int PRIMARY KEY, n int NOT NULL);
INSERT INTO stock SELECT n, 10 FROM generate_series(1, 10) n;
";

/// A session in two operations, one that is committed, and a conflict.
fn started() -> (Database, Proxy) {
    let (database, proxy) = over(SETUP);
    proxy
        .connect("old")
        .run("UPDATE stock SET n = 99 WHERE id = 10");
    proxy.review("COMMIT SESSION 'old'");
    for (name, id) in [("one", 1), ("two", 2)] {
        proxy.connect("s").run(&format!(
            "BEGIN; SET LOCAL pgdraft.operation = '{name}'; UPDATE stock SET n = n + 1 WHERE id = {id}; COMMIT"
        ));
    }
    (database, proxy)
}

/// Everything that a command may change.
fn state(database: &Database) -> String {
    database.connect().value(
        "SELECT concat_ws(' ', (SELECT sum(n * id) FROM stock),
            (SELECT string_agg(name || ':' || state, ',' ORDER BY name) FROM pgdraft.sessions),
            (SELECT string_agg(sid || ':' || name || ':' || state, ',' ORDER BY sid, op) FROM pgdraft.operations),
            (SELECT sum(hashtext(h::text)) FROM pgdraft.d1 h), (SELECT sum(hashtext(l::text)) FROM pgdraft.d1_log l))",
    )
}

const WAITING: &str = "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'pgdraft control' AND wait_event_type = 'Lock'";

/// In an order in which each can be done.
const COMMANDS: [&str; 12] = [
    "PROPOSE SESSION 's'",
    "REOPEN SESSION 's'",
    "REVERT SESSION 'old' AS 'undo'",
    "FORK SESSION 's' AS 'fork'",
    "FORK SESSION 's' AS 'part' AT OPERATION 'one'",
    "REWIND SESSION 'fork' TO OPERATION 'one'",
    "REBASE SESSION 's'",
    "REHEARSE SESSION 's'",
    "COMMIT OPERATIONS 'one' IN SESSION 's'",
    "DISCARD OPERATIONS 'one' IN SESSION 'part'",
    "DISCARD SESSION 'fork'",
    "COMMIT SESSION 's'",
];

/// What the command says whose work stands still at a lock when `then` happens.
fn cut_off(
    database: &Database,
    proxy: &Proxy,
    command: &str,
    then: impl FnOnce(&mut Connection),
) -> testkit::wire::Exchange {
    let mut blocker = database.connect();
    blocker.run("BEGIN; LOCK TABLE pgdraft.sessions IN EXCLUSIVE MODE");
    let mut rita = proxy.connect_reviewer();
    let text = command.to_owned();
    let asked = thread::spawn(move || rita.simple(&text).unwrap());
    let mut watcher = database.connect();
    while watcher.value(&format!("SELECT count(*) {WAITING}")) == "0" {
        assert!(!asked.is_finished(), "{command} did not wait");
        thread::yield_now();
    }
    then(&mut watcher);
    blocker.run("ROLLBACK");
    asked.join().unwrap()
}

#[test]
fn a_lost_control_connection() {
    let (database, mut proxy) = started();
    for command in COMMANDS {
        let before = state(&database);
        let exchange = cut_off(&database, &proxy, command, |watcher| {
            watcher.run(&format!("SELECT pg_terminate_backend(pid) {WAITING}"));
        });
        let error = exchange
            .error()
            .unwrap_or_else(|| panic!("{command} was done: {exchange:?}"));
        assert!(!error.field('H').is_empty(), "{command}: {error}");
        assert_eq!(state(&database), before, "{command}: {error}");
        proxy.review(command);
    }
    assert_eq!(
        database.connect().value("SELECT n FROM stock WHERE id = 2"),
        "11"
    );
    proxy.assert_sound();
}

/// What a command says that waits for a lock, and is cancelled.
fn cancelled(database: &Database, mut client: Connection, command: &str) -> Failure {
    let mut blocker = database.connect();
    blocker.run("BEGIN; LOCK TABLE pgdraft.sessions IN EXCLUSIVE MODE");
    let (port, pid, secret) = client.cancel_key();
    let text = command.to_owned();
    let asked = thread::spawn(move || client.simple(&text).unwrap());
    while !asked.is_finished() {
        testkit::wire::cancel(port, pid, &secret).unwrap();
        thread::sleep(Duration::from_millis(10));
    }
    blocker.run("ROLLBACK");
    let exchange = asked.join().unwrap();
    let failure = exchange.error().cloned();
    failure.unwrap_or_else(|| panic!("{command} was done: {exchange:?}"))
}

/// A command that is interrupted is taken back, and the draft is as it was; a reviewer's and an agent's.
#[test]
fn an_interrupted_command_is_taken_back() {
    let (database, mut proxy) = started();
    for command in COMMANDS {
        let before = state(&database);
        let failure = cancelled(&database, proxy.connect_reviewer(), command);
        assert_eq!(failure.code(), "57014", "{command}: {failure}");
        assert!(!failure.field('H').is_empty(), "{command}: {failure}");
        assert_eq!(state(&database), before, "{command}: {failure}");
        proxy.review(command);
    }
    let mut agent = proxy.connect("t");
    agent.run("UPDATE stock SET n = 0 WHERE id = 5");
    let failure = cancelled(&database, agent, "DISCARD SESSION 't'");
    assert_eq!(failure.code(), "57014", "{failure}");
    let mut agent = proxy.connect("t");
    assert_eq!(agent.value("SELECT n FROM stock WHERE id = 5"), "0");
    proxy.assert_sound();
}

/// Waits until a command waits for a lock, or none does any more.
fn until(watcher: &mut Connection, waits: bool) {
    let begun = Instant::now();
    while (watcher.value(&format!("SELECT count(*) {WAITING}")) != "0") != waits {
        assert!(begun.elapsed() < Duration::from_secs(60), "{waits}");
        thread::yield_now();
    }
}

/// An agent that is gone: what its command runs is stopped while others still hold the lock it waits for.
#[test]
fn an_agent_that_goes_away_takes_its_command_along() {
    let (database, mut proxy) = started();
    let mut watcher = database.connect();
    for command in ["SHOW DIFF", "SHOW DEPENDENCIES", "DISCARD SESSION 's'"] {
        let before = state(&database);
        let mut blocker = database.connect();
        let mut agent = proxy.connect("s");
        agent.run("SELECT 1");
        blocker.run(
            "BEGIN; LOCK TABLE pgdraft.d1, pgdraft.d1_log, pgdraft.locks IN ACCESS EXCLUSIVE MODE",
        );
        let text = testkit::wire::Body::new().text(command);
        agent.send(b'Q', text).unwrap();
        until(&mut watcher, true);
        drop(agent);
        until(&mut watcher, false);
        blocker.run("ROLLBACK");
        assert_eq!(state(&database), before, "{command}");
    }
    proxy.assert_sound();
}

/// What an agent sends while its command runs is answered afterwards.
#[test]
fn an_agent_sends_on_while_its_command_runs() {
    let (database, proxy) = started();
    let mut agent = proxy.connect("s");
    agent.run("SELECT 1");
    let mut blocker = database.connect();
    blocker.run("BEGIN; LOCK TABLE pgdraft.d1 IN ACCESS EXCLUSIVE MODE");
    let ask = |text: &str| testkit::wire::Body::new().text(text);
    agent.send(b'Q', ask("SHOW DIFF")).unwrap();
    until(&mut database.connect(), true);
    agent
        .send(b'Q', ask("SELECT n FROM stock WHERE id = 1"))
        .unwrap();
    agent.send(b'Q', ask("SHOW pgdraft.session")).unwrap();
    blocker.run("ROLLBACK");
    let diff = agent.collect(None).unwrap();
    assert_eq!(diff.last().rows.len(), 2, "{diff:?}");
    for answer in ["11", "s"] {
        let exchange = agent.collect(None).unwrap();
        assert_eq!(exchange.last().value(0, 0).unwrap(), answer);
    }
}

/// What changes nothing may come several at a time.
#[test]
fn several_commands_at_once() {
    let (_database, proxy) = started();
    let mut rita = proxy.connect_reviewer();
    let exchange = rita.simple("SHOW SESSIONS; SHOW POOLS; SELECT 1").unwrap();
    assert_eq!(exchange.replies.len(), 3, "{exchange:?}");
    assert!(exchange.error().is_none(), "{exchange:?}");
    for text in [
        "SHOW SESSIONS; COMMIT SESSION 's'",
        "DISCARD SESSION 's'; SHOW SESSIONS",
    ] {
        assert_eq!(rita.fail(text).code(), "42601", "{text}");
    }
    let failure = proxy.connect("s").fail("SHOW SESSIONS; SHOW OPERATIONS");
    assert_eq!(failure.code(), "42601", "{failure}");
}
