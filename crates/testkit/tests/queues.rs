//! Workers of one session over a queue: SKIP LOCKED and NOWAIT, row by row.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a test stops at the first surprise; tables of cases are long"
)]

use std::collections::BTreeSet;
use std::sync::Mutex;

use testkit::proxy::over;

const SETUP: &str = "\
CREATE TABLE queues (name text PRIMARY KEY, open bool NOT NULL DEFAULT true);
CREATE TABLE jobs (id int PRIMARY KEY, queue text REFERENCES queues, state text NOT NULL DEFAULT 'new', worker int);
CREATE TABLE parts (a int, b text, done bool NOT NULL DEFAULT false, PRIMARY KEY (a, b));
INSERT INTO queues VALUES ('mail'), ('print');
INSERT INTO jobs SELECT n, CASE n % 2 WHEN 0 THEN 'mail' ELSE 'print' END FROM generate_series(1, 40) n;
INSERT INTO parts SELECT n / 2, 'p' || n FROM generate_series(1, 8) n;
";

const TAKE: &str =
    "SELECT id FROM jobs WHERE state = 'new' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED";

#[test]
fn two_workers_in_one_thread_get_different_jobs() {
    let (database, mut proxy) = over(SETUP);
    let before = database.dump();
    let mut one = proxy.connect("s");
    let mut two = proxy.connect("s");
    // the table is clean, and the session has no row yet
    one.run("BEGIN");
    two.run("BEGIN");
    assert_eq!(one.value(TAKE), "1");
    assert_eq!(two.value(TAKE), "2");
    // again in the same transaction: its own row
    assert_eq!(one.value(TAKE), "1");
    one.run("UPDATE jobs SET state = 'done', worker = 1 WHERE id = 1");
    assert_eq!(one.value(TAKE), "3");
    // while the first has written, the second still finds what is free
    assert_eq!(
        two.run(&TAKE.replace("LIMIT 1", "LIMIT 3")).table(),
        ["2", "4", "5"]
    );
    one.run("COMMIT");
    two.run("UPDATE jobs SET state = 'done', worker = 2 WHERE id = 2");
    two.run("COMMIT");
    one.run("BEGIN");
    assert_eq!(one.value(TAKE), "3");
    two.run("BEGIN");
    assert_eq!(two.value(TAKE), "4");
    // what is rolled back is free again
    one.run("ROLLBACK");
    assert_eq!(
        two.run(&TAKE.replace("LIMIT 1", "LIMIT 2")).table(),
        ["3", "4"]
    );
    two.run("ROLLBACK");
    assert_eq!(before, database.dump());
    assert_eq!(
        one.run("SELECT id, worker FROM jobs WHERE state = 'done' ORDER BY id")
            .table(),
        ["1|1", "2|2"]
    );
    proxy.assert_sound();
}

#[test]
fn forms_of_the_statement() {
    let (_database, mut proxy) = over(SETUP);
    let mut one = proxy.connect("s");
    let mut two = proxy.connect("s");
    one.run("UPDATE jobs SET queue = 'print' WHERE id = 2");
    one.run("BEGIN");
    one.run("SELECT * FROM jobs WHERE id IN (1, 4) FOR UPDATE SKIP LOCKED");
    one.run("SELECT * FROM parts WHERE a = 1 FOR UPDATE SKIP LOCKED");
    for (statement, expected) in [
        (
            "SELECT id FROM jobs ORDER BY id FETCH FIRST 2 ROWS ONLY FOR UPDATE SKIP LOCKED",
            "2 3",
        ),
        (
            "SELECT id FROM jobs ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 2 OFFSET 1",
            "3 5",
        ),
        (
            "SELECT j.id FROM jobs AS j JOIN queues q ON q.name = j.queue WHERE q.open ORDER BY 1 LIMIT 2 FOR UPDATE OF j SKIP LOCKED",
            "2 3",
        ),
        (
            "SELECT id AS n FROM public.jobs WHERE public.jobs.id < 6 ORDER BY n DESC FOR NO KEY UPDATE SKIP LOCKED",
            "5 3 2",
        ),
        (
            "SELECT id FROM jobs j WHERE queue = (SELECT max(name) FROM queues) -- the last\n ORDER BY id LIMIT 2 FOR SHARE SKIP LOCKED",
            "2 3",
        ),
        (
            "SELECT b FROM parts ORDER BY a, b LIMIT 3 FOR UPDATE SKIP LOCKED",
            "p1 p4 p5",
        ),
        (
            "WITH next AS (SELECT id FROM jobs ORDER BY id LIMIT 2 FOR UPDATE SKIP LOCKED) SELECT * FROM next ORDER BY id",
            "2 3",
        ),
        (
            "SELECT id FROM (SELECT id FROM jobs ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) s",
            "2",
        ),
    ] {
        two.run("BEGIN");
        let rows = two.run(statement).table().join(" ");
        assert_eq!(rows, expected, "{statement}");
        let sent = two.extended(statement, &[]).unwrap();
        assert_eq!(
            sent.last().table().join(" "),
            expected,
            "extended: {statement}"
        );
        two.run("ROLLBACK");
    }
    two.run("BEGIN");
    let limited =
        "SELECT id FROM jobs WHERE state = $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED";
    let sent = two
        .extended(limited, &[Some("new".into()), Some("3".into())])
        .unwrap();
    assert_eq!(sent.last().table(), ["2", "3", "5"]);
    for (statement, code) in [
        (
            "SELECT id FROM jobs WHERE id = 1 FOR UPDATE NOWAIT",
            "55P03",
        ),
        (
            "SELECT id FROM jobs WHERE id < 3 FOR UPDATE NOWAIT",
            "55P03",
        ),
    ] {
        two.run("SAVEPOINT s");
        let failure = two.fail(statement);
        assert_eq!(failure.code(), code, "{statement}");
        assert_eq!(
            failure.message(),
            "could not obtain lock on row in relation \"jobs\""
        );
        two.run("ROLLBACK TO s");
    }
    assert_eq!(
        two.value("SELECT id FROM jobs WHERE id = 2 FOR UPDATE NOWAIT"),
        "2"
    );
    two.run("ROLLBACK");
    one.run("ROLLBACK");
    proxy.assert_sound();
}

/// Workers take jobs until there is none; no job is done twice and none is left.
fn work(
    session: &str,
    take: impl Fn(&mut testkit::wire::Connection, usize) -> Option<String> + Sync,
) {
    let (database, mut proxy) = over(SETUP);
    let before = database.dump();
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let (proxy, done, take) = (&proxy, &done, &take);
            scope.spawn(move || {
                let mut connection = proxy.connect(session);
                while let Some(job) = take(&mut connection, worker) {
                    done.lock().unwrap().push(job);
                }
            });
        }
    });
    let done = done.into_inner().unwrap();
    assert_eq!(done.len(), 40, "{done:?}");
    assert_eq!(done.iter().collect::<BTreeSet<_>>().len(), 40, "{done:?}");
    let mut reader = proxy.connect(session);
    assert_eq!(
        reader.value("SELECT count(*) FROM jobs WHERE state = 'done'"),
        "40"
    );
    assert_eq!(before, database.dump());
    proxy.review(&format!("COMMIT SESSION '{session}'"));
    proxy.assert_sound();
}

#[test]
fn workers_with_transactions() {
    work("transactions", |connection, worker| {
        connection.run("BEGIN");
        let job = connection.run(TAKE).table().first().cloned();
        if let Some(job) = &job {
            connection.run(&format!(
                "UPDATE jobs SET state = 'done', worker = {worker} WHERE id = {job} AND state = 'new'"
            ));
        }
        connection.run("COMMIT");
        job
    });
}

#[test]
fn workers_with_one_statement() {
    work("statements", |connection, worker| {
        let take = format!(
            "UPDATE jobs SET state = 'done', worker = {worker} WHERE id = ({TAKE}) RETURNING id"
        );
        connection.run(&take).table().first().cloned()
    });
}
