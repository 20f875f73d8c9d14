//! Sequences that a draft restarted or set: what commands on sessions and operations make of them.

use super::agent::{Agent, Setup, setup};
use crate::Chosen;

const SCRIPT: &str = "CREATE SCHEMA app;
    CREATE TABLE app.t (id serial PRIMARY KEY, v text);
    INSERT INTO app.t (v) SELECT 'v' FROM generate_series(1, 5) n";

/// Runs a call as an operation of its own.
async fn operation(agent: &Agent, name: &str, call: &str) {
    agent.transaction("BEGIN").await;
    agent.begin_write(Some(name), name, "t").await.unwrap();
    agent.client.execute(call, &[]).await.unwrap();
    agent.transaction("COMMIT").await;
}

/// A session whose operations are called `first` (a row), `restart` and `set`.
async fn moved(label: &str) -> (Setup, Agent) {
    let setup = setup(label, SCRIPT).await;
    setup.draft(&["t"]).await.unwrap();
    let agent = setup.agent("s").await;
    let insert = "INSERT INTO pgdraft.d1 (v) VALUES ('new')";
    operation(&agent, "first", insert).await;
    operation(
        &agent,
        "restart",
        "SELECT pgdraft.truncate(ARRAY[1], '{}'), pgdraft.restart(ARRAY[1])",
    )
    .await;
    assert_eq!(next(&agent).await, 1);
    operation(
        &agent,
        "set",
        "SELECT pgdraft.setval('app.t_id_seq'::regclass, 40)",
    )
    .await;
    (setup, agent)
}

async fn next(agent: &Agent) -> i64 {
    let text = "SELECT pgdraft.nextval('app.t_id_seq')";
    agent.client.query_one(text, &[]).await.unwrap().get(0)
}

/// Where production's sequence stands, and the sequences of sessions that there are.
async fn state(setup: &Setup) -> (i64, i64) {
    let text = "SELECT last_value, (SELECT count(*) FROM pg_class WHERE relkind = 'S'
        AND relnamespace = 'pgdraft'::regnamespace AND relname ~ '^s[0-9]') FROM app.t_id_seq";
    let row = setup.production.query_one(text, &[]).await.unwrap();
    (row.get(0), row.get(1))
}

#[tokio::test]
async fn a_commit_restarts_production_where_the_draft_stands() {
    let (setup, agent) = moved("sequences_commit").await;
    assert_eq!(next(&agent).await, 41);
    setup.control.commit("s", "alice").await.unwrap();
    assert_eq!(state(&setup).await, (41, 1));
    setup.control.clean().await.unwrap();
}

#[tokio::test]
async fn a_rehearsal_and_a_discard_leave_it_alone() {
    let (setup, agent) = moved("sequences_discard").await;
    setup.control.rehearse("s", "alice").await.unwrap();
    assert_eq!(state(&setup).await, (6, 1));
    assert_eq!(next(&agent).await, 41);
    setup.control.discard("s", "alice").await.unwrap();
    setup.control.clean().await.unwrap();
    assert_eq!(state(&setup).await, (6, 0));
}

#[tokio::test]
async fn a_copy_has_its_own_and_a_rewind_comes_back_to_productions() {
    let (setup, agent) = moved("sequences_undo").await;
    setup.control.fork("s", "copy", None).await.unwrap();
    let copy = setup.agent("copy").await;
    assert_eq!(next(&copy).await, 41);
    assert_eq!(next(&copy).await, 42);
    assert_eq!(next(&agent).await, 41);
    setup.control.rewind("s", "first").await.unwrap();
    assert_eq!(next(&agent).await, 7);
    assert_eq!(state(&setup).await, (7, 1));
    assert_eq!(next(&copy).await, 43);
}

#[tokio::test]
async fn operations_take_theirs_along() {
    let (setup, agent) = moved("sequences_apart").await;
    let chosen = Chosen {
        session: "s",
        operations: &["restart".to_owned()],
        cascade: true,
        fingerprint: None,
    };
    let done = setup.control.commit_operations(&chosen, "alice").await;
    assert_eq!(done.unwrap().operations, ["first", "restart"]);
    // where it stood, and on from there for both
    assert_eq!(state(&setup).await.0, 40);
    assert_eq!(next(&agent).await, 41);
}
