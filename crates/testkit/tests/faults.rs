//! PostgreSQL or the proxy dies at the worst moment: a clear error, the base wholly as before or
//! wholly changed, and the session usable afterwards.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a test stops at the first surprise; tables of cases are long"
)]

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use testkit::cluster::Database;
use testkit::proxy::{Proxy, over};
use testkit::wire::{Body, Connection, Exchange};
use testkit::{Cluster, proxy};

const SETUP: &str = "\
CREATE TABLE t (id int PRIMARY KEY, v text, n int NOT NULL DEFAULT 0);
CREATE TABLE c (id int PRIMARY KEY, t_id int REFERENCES t ON DELETE CASCADE);
INSERT INTO t SELECT n, 'base' FROM generate_series(1, 2000) n;
INSERT INTO c SELECT n, n FROM generate_series(1, 500) n;
";

/// Backends of the agents' upstream role in this database.
fn agent_backends(database: &Database) -> String {
    format!(
        "SELECT pid FROM pg_stat_activity WHERE datname = '{}' AND usename LIKE 'pgdraft\\_agent%'",
        database.name()
    )
}

fn terminate_agents(database: &Database) {
    database.run(&format!(
        "SELECT pg_terminate_backend(pid) FROM ({}) x",
        agent_backends(database)
    ));
}

/// Waits until a query of the superuser is true.
#[track_caller]
fn wait_for(database: &Database, what: &str, condition: &str) {
    let begun = Instant::now();
    let mut connection = database.connect();
    while connection.value(condition) != "t" {
        assert!(begun.elapsed() < Duration::from_secs(30), "never: {what}");
        connection.run("SELECT pg_sleep(0.01)");
    }
}

/// The error that a client is told when its upstream connection has gone.
#[track_caller]
fn assert_lost(outcome: std::io::Result<Exchange>) {
    match outcome {
        Ok(exchange) => {
            let failure = exchange.error().unwrap_or_else(|| panic!("{exchange:?}"));
            assert!(
                failure.code().starts_with("57P") || failure.code().starts_with("08"),
                "{failure}"
            );
        }
        Err(e) => assert_ne!(e.kind(), ErrorKind::TimedOut, "hangs"),
    }
}

#[test]
fn the_backend_is_terminated_within_a_statement() {
    let (database, mut proxy) = over(SETUP);
    let before = database.dump();
    let mut bystander = proxy.connect("bystander");
    bystander.run("UPDATE t SET v = 'bystander' WHERE id = 1");
    bystander.run("SELECT 1");
    drop(bystander);
    for text in [
        "SELECT pg_sleep(60)",
        "UPDATE t SET v = 'lost' WHERE id < 100 AND pg_sleep(1) IS NOT NULL",
    ] {
        let mut agent = proxy.connect("s");
        agent.run("UPDATE t SET v = 'kept' WHERE id = 5");
        agent.send(b'Q', Body::new().text(text)).unwrap();
        wait_for(
            &database,
            "the statement runs",
            &format!(
                "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = '{}' AND usename LIKE 'pgdraft\\_agent%'",
                database.name()
            ),
        );
        terminate_agents(&database);
        assert_lost(agent.collect(None));
        assert_eq!(before, database.dump());
        // The same session by a new connection: what was done stays, what was cut off is not there.
        let mut again = proxy.connect("s");
        assert_eq!(again.value("SELECT v FROM t WHERE id = 5"), "kept");
        assert_eq!(again.value("SELECT count(*) FROM t WHERE v = 'lost'"), "0");
        again.run("UPDATE t SET n = n + 1 WHERE id = 5");
    }
    proxy.review("COMMIT SESSION 's'");
    assert_eq!(
        database
            .connect()
            .run("SELECT v, n FROM t WHERE id = 5")
            .table(),
        ["kept|2"]
    );
    proxy.assert_sound();
}

#[test]
fn the_backend_is_terminated_within_a_transaction() {
    let (database, mut proxy) = over(SETUP);
    let before = database.dump();
    let mut agent = proxy.connect("s");
    agent.run("UPDATE t SET v = 'earlier' WHERE id = 1");
    agent.run("BEGIN; UPDATE t SET v = 'lost' WHERE id = 1; DELETE FROM t WHERE id = 2");
    terminate_agents(&database);
    assert_lost(agent.simple("UPDATE t SET v = 'lost too' WHERE id = 3"));
    // Whatever becomes of this connection, a COMMIT on it must not look as if it had worked.
    if let Ok(exchange) = agent.simple("COMMIT")
        && exchange.error().is_none()
    {
        assert_ne!(exchange.last().tag.as_deref(), Some("COMMIT"));
    }
    let mut again = proxy.connect("s");
    assert_eq!(
        again
            .run("SELECT id, v FROM t WHERE id < 4 ORDER BY id")
            .table(),
        ["1|earlier", "2|base", "3|base"]
    );
    assert_eq!(before, database.dump());
    // Prepared statements of the lost connection are gone with it, quietly used again after.
    let prepared = again
        .prepare("p", "UPDATE t SET n = n + 1 WHERE id = $1")
        .unwrap()
        .unwrap();
    let run =
        |c: &mut Connection| c.execute(&prepared, &[Some("1".into())], testkit::wire::Format::Text);
    assert!(run(&mut again).unwrap().error().is_none());
    proxy.review("DISCARD SESSION 's'");
    assert_eq!(before, database.dump());
    proxy.assert_sound();
}

/// Makes a draft whose commit takes a while.
fn large_draft(proxy: &Proxy, session: &str) {
    let mut agent = proxy.connect(session);
    agent.run("UPDATE t SET v = 'committed', n = n + 1 WHERE id <= 1500");
    agent.run("DELETE FROM t WHERE id > 1990");
    agent.run("INSERT INTO t SELECT n, 'committed' FROM generate_series(5001, 5500) n");
    agent.run("UPDATE c SET t_id = 5001 WHERE id <= 100");
}

/// Starts to commit a session.
fn commit(proxy: &Proxy, session: &str) -> std::thread::JoinHandle<std::io::Result<Exchange>> {
    let login = proxy.reviewer();
    let statement = format!("COMMIT SESSION '{session}'");
    std::thread::spawn(move || Connection::open(&login)?.simple(&statement))
}

/// What the base looks like: neither of the two, unless a commit is half done.
#[track_caller]
fn whole(database: &Database) -> bool {
    let mut superuser = database.connect();
    let state = superuser
        .run(
            "SELECT (SELECT count(*) FROM t WHERE v = 'committed'), \
             (SELECT count(*) FROM t WHERE id BETWEEN 1991 AND 2000), \
             (SELECT count(*) FROM c WHERE t_id = 5001)",
        )
        .table()
        .join(";");
    match state.as_str() {
        "0|10|0" => false,
        "2000|0|100" => true,
        other => panic!("the base is half changed: {other}"),
    }
}

#[test]
fn the_backend_is_terminated_within_a_commit() {
    let (database, mut proxy) = over(SETUP);
    let before = database.dump();
    // A lock that stops the commit in its middle: it has begun and cannot end.
    large_draft(&proxy, "s");
    let mut blocker = database.connect();
    blocker.run("BEGIN; LOCK TABLE c IN SHARE ROW EXCLUSIVE MODE");
    let commit = commit(&proxy, "s");
    wait_for(
        &database,
        "the commit waits for a lock",
        &format!(
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = '{}' AND wait_event_type = 'Lock'",
            database.name()
        ),
    );
    blocker.run(&format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}' AND wait_event_type = 'Lock'",
        database.name()
    ));
    let outcome = commit.join().unwrap();
    match outcome {
        Ok(exchange) => assert!(exchange.error().is_some(), "{exchange:?}"),
        Err(e) => assert_ne!(e.kind(), ErrorKind::TimedOut),
    }
    blocker.run("ROLLBACK");
    assert!(!whole(&database));
    assert_eq!(before, database.dump());
    // The draft is whole, can be worked on, and is committed at the second try.
    let mut agent = proxy.connect("s");
    assert_eq!(
        agent.value("SELECT count(*) FROM t WHERE v = 'committed'"),
        "2000"
    );
    agent.run("UPDATE t SET n = 77 WHERE id = 1600");
    proxy.review("COMMIT SESSION 's'");
    assert!(whole(&database));
    assert_eq!(
        database.connect().value("SELECT n FROM t WHERE id = 1600"),
        "77"
    );
    proxy.assert_sound();
}

#[test]
fn postgresql_crashes_at_each_step() {
    // A server of its own: others must not lose theirs.
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start()));
    let database = cluster.create_database("crash");
    database.run(SETUP);
    let mut proxy = Proxy::start(&database);
    let before = database.dump();
    let mut agent = proxy.connect("s");
    agent.run("UPDATE t SET v = 'kept' WHERE id = 1600");

    // In the middle of a statement.
    agent
        .send(b'Q', Body::new().text("SELECT pg_sleep(60)"))
        .unwrap();
    cluster.crash();
    assert_lost(agent.collect(None));
    // While it is down: refused at once with the reason.
    match Connection::try_open(&proxy.agent("s")) {
        Ok(Err(failure)) => assert!(
            failure.code().starts_with("08")
                || failure.code().starts_with("57")
                || failure.code().starts_with("ZD"),
            "{failure}"
        ),
        Ok(Ok(mut connection)) => assert_lost(connection.simple("SELECT count(*) FROM t")),
        Err(e) => assert_ne!(e.kind(), ErrorKind::TimedOut),
    }
    assert!(proxy.alive());
    cluster.launch();
    let mut agent = usable(&proxy, "s");
    assert_eq!(agent.value("SELECT v FROM t WHERE id = 1600"), "kept");
    assert_eq!(before, database.dump());

    // In the middle of a transaction.
    agent.run("BEGIN; UPDATE t SET v = 'lost' WHERE id = 1600");
    cluster.crash_and_restart();
    assert_lost(agent.simple("COMMIT"));
    let mut agent = usable(&proxy, "s");
    assert_eq!(agent.value("SELECT v FROM t WHERE id = 1600"), "kept");
    assert_eq!(before, database.dump());
    drop(agent);

    // In the middle of commits, at several moments.
    for (round, delay) in [0, 5, 20, 60, 150].into_iter().enumerate() {
        let session = format!("commit-{round}");
        let was = whole(&database);
        large_draft(&proxy, &session);
        let commit = commit(&proxy, &session);
        std::thread::sleep(Duration::from_millis(delay));
        cluster.crash_and_restart();
        let outcome = commit.join().unwrap();
        let told = matches!(&outcome, Ok(exchange) if exchange.error().is_none());
        let done = whole(&database);
        // fsync is off, but a crash of the processes alone loses nothing that was committed.
        assert!(!told || done, "told as committed and is not: {outcome:?}");
        if done && !was {
            break;
        }
        let mut agent = usable(&proxy, &session);
        assert_eq!(
            agent.value("SELECT count(*) FROM t WHERE v = 'committed'"),
            "2000"
        );
        drop(agent);
        proxy.review(&format!("DISCARD SESSION '{session}'"));
    }
    proxy.assert_sound();
    drop(proxy);
    drop(database);
    cluster.crash();
}

/// Connects as soon as the session is usable again.
#[track_caller]
fn usable(proxy: &Proxy, session: &str) -> Connection {
    let begun = Instant::now();
    loop {
        let told = match Connection::try_open(&proxy.agent(session)) {
            Err(e) => e.to_string(),
            Ok(Err(failure)) => failure.to_string(),
            Ok(Ok(mut connection)) => match connection.simple("SELECT count(*) FROM t") {
                Err(e) => e.to_string(),
                Ok(exchange) => match exchange.error() {
                    None => return connection,
                    Some(failure) => failure.to_string(),
                },
            },
        };
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "the session does not come back: {told}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_proxy_is_killed_at_each_step() {
    let (database, mut proxy) = over(SETUP);
    let before = database.dump();
    let mut agent = proxy.connect("s");
    agent.run("UPDATE t SET v = 'kept' WHERE id = 1600");
    agent.run("BEGIN; UPDATE t SET v = 'lost' WHERE id = 1600");
    proxy.crash_and_restart();
    assert!(agent.simple("COMMIT").is_err());
    let mut agent = proxy.connect("s");
    assert_eq!(agent.value("SELECT v FROM t WHERE id = 1600"), "kept");
    assert_eq!(before, database.dump());
    drop(agent);
    for (round, delay) in [0, 5, 20, 60].into_iter().enumerate() {
        let session = format!("commit-{round}");
        large_draft(&proxy, &session);
        let commit = commit(&proxy, &session);
        std::thread::sleep(Duration::from_millis(delay));
        proxy.crash_and_restart();
        let outcome = commit.join().unwrap();
        let told = matches!(&outcome, Ok(exchange) if exchange.error().is_none());
        // The server may need a moment to see that its client is gone.
        wait_for(
            &database,
            "the commit ends",
            &format!(
                "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = '{}' AND xact_start IS NOT NULL AND pid <> pg_backend_pid() AND query LIKE '%pgdraft%'",
                database.name()
            ),
        );
        let done = whole(&database);
        assert!(!told || done);
        if done {
            break;
        }
        proxy.review(&format!("DISCARD SESSION '{session}'"));
    }
    proxy.assert_sound();
}

#[test]
fn a_client_that_vanishes_leaves_nothing_open() {
    let (database, mut proxy) = over(SETUP);
    let before = database.dump();
    {
        let mut agent = proxy.connect("s");
        agent.run("UPDATE t SET v = 'kept' WHERE id = 1");
        agent.run("BEGIN; UPDATE t SET v = 'lost' WHERE id = 1");
        let mut sleeper = proxy.connect("s");
        sleeper
            .send(b'Q', Body::new().text("SELECT pg_sleep(0.5)"))
            .unwrap();
    }
    wait_for(
        &database,
        "all upstream transactions end",
        &format!(
            "SELECT count(*) = 0 FROM ({}) x JOIN pg_stat_activity a USING (pid) WHERE a.xact_start IS NOT NULL",
            agent_backends(&database)
        ),
    );
    let mut again = proxy.connect("s");
    again.run("SET lock_timeout = '5s'");
    assert_eq!(
        again.value("UPDATE t SET n = 1 WHERE id = 1 RETURNING v"),
        "kept"
    );
    assert_eq!(before, database.dump());
    proxy.assert_sound();
}

#[test]
fn init_runs_twice_and_uninstall_leaves_no_trace() {
    let database = Cluster::shared().create_database("install");
    database.run(SETUP);
    let before = full_dump(&database);
    proxy::initialise(&database.url());
    proxy::initialise(&database.url());
    let mut server = Proxy::start(&database);
    server
        .connect("s")
        .run("UPDATE t SET v = 'draft' WHERE id = 1; DELETE FROM c WHERE id = 1");
    server.assert_sound();
    drop(server);
    let output = std::process::Command::new(proxy::binary())
        .args(["uninstall", "--yes", "--upstream-url", &database.url()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(before, full_dump(&database));
    let roles = database.connect().value(&format!(
        "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'pgdraft%{}'",
        database.name()
    ));
    assert_eq!(roles, "0");
}

/// Schema and data with everything, pgdraft's schema and the sequences' values too.
fn full_dump(database: &Database) -> String {
    let output = std::process::Command::new(Cluster::shared().program("pg_dump"))
        .args(["-h", "127.0.0.1", "-U", "postgres", "-p"])
        .arg(Cluster::shared().port().to_string())
        .arg(database.name())
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|l| !l.starts_with("\\restrict") && !l.starts_with("\\unrestrict"))
        .collect::<Vec<_>>()
        .join("\n")
}
