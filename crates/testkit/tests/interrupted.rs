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

use testkit::Database;
use testkit::proxy::{Proxy, over};
use testkit::wire::Connection;

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

const WAITING: &str =
    "FROM pg_stat_activity WHERE application_name = 'pgdraft control' AND wait_event_type = 'Lock'";

/// What the command says whose work stands still at a lock when `then` happens.
fn cut_off(
    database: &Database,
    proxy: &Proxy,
    command: &str,
    then: impl FnOnce(&mut Connection, (u16, i32, &[u8])),
) -> testkit::wire::Exchange {
    let mut blocker = database.connect();
    blocker.run("BEGIN; LOCK TABLE pgdraft.sessions IN EXCLUSIVE MODE");
    let mut rita = proxy.connect_reviewer();
    let (port, pid, secret) = rita.cancel_key();
    let text = command.to_owned();
    let asked = thread::spawn(move || rita.simple(&text).unwrap());
    let mut watcher = database.connect();
    while watcher.value(&format!("SELECT count(*) {WAITING}")) == "0" {
        assert!(!asked.is_finished(), "{command} did not wait");
        thread::yield_now();
    }
    then(&mut watcher, (port, pid, &secret));
    blocker.run("ROLLBACK");
    asked.join().unwrap()
}

#[test]
fn a_lost_control_connection() {
    let (database, mut proxy) = started();
    for command in [
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
    ] {
        let before = state(&database);
        let exchange = cut_off(&database, &proxy, command, |watcher, _| {
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

/// A command that is interrupted goes on to its end, and its answer comes.
#[test]
fn an_interrupted_command_is_done() {
    let (database, mut proxy) = started();
    let exchange = cut_off(
        &database,
        &proxy,
        "COMMIT SESSION 's'",
        |_, (port, pid, secret)| {
            testkit::wire::cancel(port, pid, secret).unwrap();
        },
    );
    assert!(exchange.error().is_none(), "{exchange:?}");
    assert_eq!(
        database.connect().value("SELECT n FROM stock WHERE id = 2"),
        "11"
    );
    proxy.assert_sound();
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
