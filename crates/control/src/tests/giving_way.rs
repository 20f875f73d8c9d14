//! Production drops and alters what only heads still need: types, functions, operators, collations.

use std::time::Duration;

use super::agent::{Setup, setup};
use crate::{Control, Options};

const SCHEMA: &str = r#"
CREATE SCHEMA app;
CREATE SCHEMA lib;
CREATE TYPE app.mood AS ENUM ('sad', 'ok');
CREATE TYPE app.addr AS (street text, no int);
CREATE DOMAIN app.pos AS int CHECK (VALUE > 0);
CREATE DOMAIN app.label AS app.mood;
CREATE TABLE app.shape (a int, b text);
CREATE FUNCTION lib.start() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 7; END';
CREATE FUNCTION lib.good(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 > 0; END';
CREATE FUNCTION lib.twice(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 * 2; END';
CREATE FUNCTION lib.less(int, int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 < $2; END';
CREATE OPERATOR lib.<<< (LEFTARG = int, RIGHTARG = int, FUNCTION = lib.less);
CREATE COLLATION lib.loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE app.item (id int PRIMARY KEY, mood app.mood DEFAULT 'ok', moods app.mood[], label app.label, addr app.addr,
    pos app.pos, shape app.shape, start int DEFAULT lib.start(), n int, twice int GENERATED ALWAYS AS (lib.twice(n)) STORED,
    name text COLLATE lib.loose, CONSTRAINT good CHECK (lib.good(n)), CONSTRAINT less CHECK (n OPERATOR(lib.<<<) 100),
    CONSTRAINT mood_ok CHECK (mood <> 'sad'::app.mood));
CREATE FUNCTION lib.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.start := 8; RETURN NEW; END';
CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON app.item FOR EACH ROW WHEN (NEW.mood = 'sad'::app.mood) EXECUTE FUNCTION lib.touch();
CREATE INDEX by_twice ON app.item (lib.twice(n));
INSERT INTO app.item (id, mood, moods, label, addr, pos, shape, n, name)
SELECT g, 'ok', '{ok,sad}', 'sad', ROW('s', g)::app.addr, g, ROW(g, 'b')::app.shape, g, 'n' || g FROM generate_series(1, 4) g;
"#;

/// Each one transaction, as a migration is.
const MIGRATIONS: [&str; 15] = [
    "DROP TRIGGER touch ON app.item; DROP FUNCTION lib.touch()",
    "DROP INDEX app.by_twice; ALTER TABLE app.item DROP COLUMN twice; DROP FUNCTION lib.twice(int)",
    "ALTER TABLE app.item ALTER start SET DEFAULT 1; DROP FUNCTION lib.start()",
    "ALTER TABLE app.item DROP CONSTRAINT good; DROP FUNCTION lib.good(int)",
    "ALTER TABLE app.item DROP CONSTRAINT less; DROP OPERATOR lib.<<< (int, int); DROP FUNCTION lib.less(int, int)",
    "ALTER TABLE app.item ALTER name TYPE text COLLATE \"default\"; DROP COLLATION lib.loose",
    "ALTER TABLE app.item ALTER label TYPE app.mood; DROP DOMAIN app.label",
    "ALTER TYPE app.mood RENAME TO mood_old; CREATE TYPE app.mood AS ENUM ('sad', 'ok', 'fine');
     ALTER TABLE app.item ALTER mood DROP DEFAULT, DROP CONSTRAINT mood_ok;
     ALTER TABLE app.item ALTER mood TYPE app.mood USING mood::text::app.mood,
        ALTER label TYPE app.mood USING label::text::app.mood, ALTER moods TYPE app.mood[] USING moods::text[]::app.mood[];
     DROP TYPE app.mood_old",
    "ALTER TABLE app.item DROP COLUMN addr; ALTER TYPE app.addr ALTER ATTRIBUTE no TYPE bigint; DROP TYPE app.addr",
    "ALTER TABLE app.item DROP COLUMN shape; ALTER TABLE app.shape ALTER a TYPE bigint; DROP TABLE app.shape",
    "ALTER DOMAIN app.pos ADD CONSTRAINT small CHECK (VALUE < 1000)",
    "ALTER DOMAIN app.pos SET NOT NULL",
    "ALTER TABLE app.item ALTER pos TYPE int; DROP DOMAIN app.pos",
    "ALTER TABLE app.item DROP COLUMN mood, DROP COLUMN moods, DROP COLUMN label; DROP TYPE app.mood",
    "DROP SCHEMA lib",
];

/// Its control plane looks at the catalog when it is told to.
async fn drafted(label: &str) -> (Setup, super::agent::Agent) {
    let mut setup = setup(label, SCHEMA).await;
    let options = store::InstallOptions {
        event_trigger: true,
        ..store::InstallOptions::default()
    };
    store::install(&setup.production, &options).await.unwrap();
    let options = Options {
        catalog_poll: Duration::from_hours(1),
        triggers: Some([["*"; 3].map(str::to_owned)].into()),
        ..super::agent::options()
    };
    let target = super::agent::target(&setup.database);
    setup.control = Control::connect(target, options).await.unwrap();
    setup.draft(&["item"]).await.unwrap();
    let agent = setup.agent("s").await;
    let set = [("n", "50"), ("pos", "20")];
    agent.update("item", &set, "id = 1").await.unwrap();
    agent.delete("item", "id = 2").await.unwrap();
    let values = "VALUES (9, 'ok', '{ok}', 'ok', 9, 9, 'own')";
    let columns = "id, mood, moods, label, pos, n, name";
    agent.insert("item", columns, values).await.unwrap();
    (setup, agent)
}

#[tokio::test]
async fn no_migration_is_stopped_by_heads() {
    let (setup, agent) = drafted("giving_way").await;
    for migration in MIGRATIONS {
        let text = format!("SET lock_timeout = '100ms'; BEGIN; {migration}; COMMIT");
        let done = setup.production.batch_execute(&text).await;
        assert!(done.is_ok(), "{migration}: {done:?}");
        let catalog = setup.control.refresh_catalog().await.unwrap();
        let (id, head) = catalog.heads.iter().next().unwrap();
        assert!(catalog.head(*id).is_some(), "{migration}: {:?}", head.stuck);
        assert_eq!(agent.sees("item").await.len(), 4, "{migration}");
    }
    setup.control.commit("s", "rita").await.unwrap();
    assert_eq!(
        setup.base("item").await,
        [
            "(1,20,7,50,n1)",
            "(3,3,7,3,n3)",
            "(4,4,7,4,n4)",
            "(9,9,7,9,own)"
        ]
    );
}

#[tokio::test]
async fn many_migrations_before_anybody_looks() {
    let (setup, _agent) = drafted("giving_way_late").await;
    for migration in MIGRATIONS {
        let text = format!("SET lock_timeout = '100ms'; {migration}");
        let done = setup.production.batch_execute(&text).await;
        assert!(done.is_ok(), "{migration}: {done:?}");
    }
    let catalog = setup.control.refresh_catalog().await.unwrap();
    let (id, head) = catalog.heads.iter().next().unwrap();
    assert!(catalog.head(*id).is_some(), "{:?}", head.stuck);
    setup.control.commit("s", "rita").await.unwrap();
    assert_eq!(setup.base("item").await.len(), 4);
}

#[tokio::test]
async fn a_domain_that_a_draft_does_not_fit() {
    let (setup, agent) = drafted("giving_way_domain").await;
    let narrow = "ALTER DOMAIN app.pos ADD CONSTRAINT small CHECK (VALUE < 10)";
    setup.production.batch_execute(narrow).await.unwrap();
    // Nothing is written to a head that has lost its conditions.
    let refused = agent.update("item", &[("n", "60")], "id = 1").await;
    assert!(refused.is_err());
    let catalog = setup.control.refresh_catalog().await.unwrap();
    let (id, head) = catalog.heads.iter().next().unwrap();
    assert!(catalog.head(*id).is_none());
    let why = head.stuck.clone().unwrap();
    assert!(why.contains("23514"), "{why}");
    let wide = "ALTER DOMAIN app.pos DROP CONSTRAINT small";
    setup.production.batch_execute(wide).await.unwrap();
    let catalog = setup.control.refresh_catalog().await.unwrap();
    assert!(catalog.head(*id).is_some());
    agent
        .update("item", &[("n", "60")], "id = 1")
        .await
        .unwrap();
    let refused = agent.update("item", &[("pos", "-1")], "id = 1").await;
    assert_eq!(refused.unwrap_err().code().unwrap().code(), "23514");
}

#[tokio::test]
async fn production_goes_before_an_open_transaction_of_an_agent() {
    let (setup, agent) = drafted("giving_way_open").await;
    let indexed = "DROP INDEX app.by_twice; ALTER TABLE app.item DROP COLUMN twice";
    setup.production.batch_execute(indexed).await.unwrap();
    setup.control.refresh_catalog().await.unwrap();
    let first = "ALTER TABLE app.item DROP CONSTRAINT good";
    setup.production.batch_execute(first).await.unwrap();
    agent.transaction("BEGIN").await;
    agent
        .update("item", &[("n", "60")], "id = 1")
        .await
        .unwrap();
    let then = "DROP FUNCTION lib.good(int)";
    setup.production.batch_execute(then).await.unwrap();
    assert!(agent.client.batch_execute("COMMIT").await.is_err());
    // Nothing is written to a head that has lost its conditions.
    let early = setup.agent("s").await;
    let refused = early.update("item", &[("n", "70")], "id = 1").await;
    assert_eq!(refused.unwrap_err().code().unwrap().code(), "ZD006");
    setup.control.refresh_catalog().await.unwrap();
    let agent = setup.agent("s").await;
    let seen = agent.sees("item").await;
    assert!(seen[0].contains(",50,"), "{seen:?}");
}
