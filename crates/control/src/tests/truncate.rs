//! TRUNCATE in a draft: what a commit takes along, and what stops it.

use super::agent::{Agent, Setup, setup};
use crate::{Control, ControlError, DiffFilter, DiffType};

const SCRIPT: &str = "CREATE SCHEMA app;
    CREATE TABLE app.p (id int PRIMARY KEY, v text);
    CREATE TABLE app.c (id int PRIMARY KEY, p int REFERENCES app.p ON DELETE CASCADE);
    ALTER TABLE app.p ADD c int REFERENCES app.c;
    INSERT INTO app.p SELECT n, 'v' FROM generate_series(1, 5) n;
    INSERT INTO app.c SELECT n, n FROM generate_series(1, 5) n;
    UPDATE app.p SET c = id";

/// Two tables that refer to one another, truncated.
async fn truncated(label: &str) -> (Setup, Agent) {
    let setup = setup(label, SCRIPT).await;
    setup.draft(&["p", "c"]).await.unwrap();
    let agent = setup.agent("s").await;
    agent
        .update("p", &[("v", "'mine'")], "id = 2")
        .await
        .unwrap();
    agent.transaction("BEGIN").await;
    agent.begin_write(None, "TRUNCATE p, c", "p").await.unwrap();
    let sql = "SELECT pgdraft.truncate(ARRAY(SELECT h.id FROM unnest($1::int[]) h(id)), '{}')";
    let heads: Vec<i32> = setup
        .control
        .catalog()
        .heads
        .values()
        .map(|h| h.id.0)
        .collect();
    agent.client.execute(sql, &[&heads]).await.unwrap();
    agent.transaction("COMMIT").await;
    (setup, agent)
}

async fn kept(control: &Control, session: &str) -> Vec<(DiffType, String)> {
    let rows = control
        .diff(session, &DiffFilter::default())
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    let mut kept: Vec<_> = rows
        .into_iter()
        .map(|r| (r.diff_type, format!("{} {}", r.table, r.primary_key)))
        .collect();
    kept.sort_by(|a, b| a.1.cmp(&b.1));
    kept
}

#[tokio::test]
async fn a_truncation_is_shown_and_committed_whole() {
    let (setup, agent) = truncated("truncate").await;
    agent
        .insert("p", "id, v", "VALUES (2, 'back'), (9, 'new')")
        .await
        .unwrap();
    let diff = kept(&setup.control, "s").await;
    assert_eq!(diff.len(), 11);
    assert!(diff.contains(&(DiffType::Removed, "c {\"id\": 1}".into())));
    assert!(diff.contains(&(DiffType::Modified, "p {\"id\": 2}".into())));
    assert!(diff.contains(&(DiffType::Added, "p {\"id\": 9}".into())));
    let done = setup.control.commit("s", "alice").await.unwrap();
    let counts: Vec<_> = done
        .tables
        .iter()
        .map(|t| (t.table.as_str(), t.inserted, t.updated, t.deleted))
        .collect();
    assert_eq!(counts, [("c", 0, 0, 5), ("p", 1, 1, 4)]);
    assert_eq!(setup.base("p").await.len(), 2);
    assert!(setup.base("c").await.is_empty());
}

#[tokio::test]
async fn rows_that_came_or_changed_since_stop_the_commit() {
    let (setup, _agent) = truncated("truncate_conflict").await;
    let before = setup.base("c").await;
    setup.production.batch_execute("INSERT INTO app.c VALUES (6, 1); UPDATE app.c SET p = 2 WHERE id = 3; DELETE FROM app.p WHERE id = 5 AND false").await.unwrap();
    let error = setup.control.commit("s", "alice").await.unwrap_err();
    let ControlError::Conflict { count, rows } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(*count, 2);
    let keys: Vec<_> = rows.iter().map(|r| r.key.as_str()).collect();
    assert_eq!(keys, ["(id)=(3)", "(id)=(6)"]);
    assert_eq!(setup.base("c").await.len(), before.len() + 1);
    setup.control.discard("s", "alice").await.unwrap();
    setup.control.clean().await.unwrap();
    let left = setup
        .production
        .query("SELECT FROM pgdraft.truncations", &[])
        .await
        .unwrap();
    assert!(left.is_empty());
}

#[tokio::test]
async fn a_row_of_a_transaction_that_was_running_is_a_conflict() {
    let setup = setup("truncate_running", SCRIPT).await;
    setup.draft(&["p", "c"]).await.unwrap();
    let agent = setup.agent("s").await;
    // its subtransaction has a number of its own, which no snapshot tells
    let production = &setup.production;
    production
        .batch_execute("BEGIN; SELECT txid_current(); SAVEPOINT a; INSERT INTO app.c VALUES (7, 1)")
        .await
        .unwrap();
    let other = setup.database.superuser().await;
    other
        .batch_execute("INSERT INTO app.c VALUES (8, 1)")
        .await
        .unwrap();
    agent.transaction("BEGIN").await;
    agent.begin_write(None, "TRUNCATE p, c", "p").await.unwrap();
    let heads: Vec<i32> = setup
        .control
        .catalog()
        .heads
        .values()
        .map(|h| h.id.0)
        .collect();
    agent
        .client
        .execute("SELECT pgdraft.truncate($1, '{}')", &[&heads])
        .await
        .unwrap();
    agent.transaction("COMMIT").await;
    production.batch_execute("COMMIT").await.unwrap();
    let error = setup.control.commit("s", "alice").await.unwrap_err();
    let ControlError::Conflict { rows, .. } = &error else {
        panic!("{error:?}")
    };
    let keys: Vec<_> = rows.iter().map(|r| r.key.as_str()).collect();
    assert_eq!(keys, ["(id)=(7)"]);
}
