//! Production's schema moves while drafts are open: nothing of ours is in its way, and heads follow.

use super::agent::{Setup, setup};

const ITEMS: &str = r#"
CREATE SCHEMA app;
CREATE TYPE app.size AS ENUM ('s', 'm');
CREATE TABLE app.maker (id int PRIMARY KEY);
CREATE TABLE app.item (id int PRIMARY KEY, name varchar(10) NOT NULL, price int DEFAULT 1, old int, size app.size);
INSERT INTO app.maker SELECT g FROM generate_series(1, 9) g;
INSERT INTO app.item SELECT g, 'n' || g, g, g FROM generate_series(1, 6) g;
"#;

/// A session that changed row 1, removed row 2 and added row 9; its connection stays open.
async fn drafted(label: &str) -> (Setup, super::agent::Agent) {
    let setup = setup(label, ITEMS).await;
    setup.draft(&["item"]).await.unwrap();
    let agent = setup.agent("s").await;
    agent
        .update("item", &[("price", "100")], "id = 1")
        .await
        .unwrap();
    agent.delete("item", "id = 2").await.unwrap();
    agent
        .insert("item", "id, name, price", "VALUES (9, 'own', 9)")
        .await
        .unwrap();
    (setup, agent)
}

#[tokio::test]
async fn heads_follow_every_alter_table() {
    let (setup, agent) = drafted("drift").await;
    for statement in [
        "ALTER TABLE app.item ADD COLUMN extra text NOT NULL DEFAULT 'new'",
        "ALTER TABLE app.item RENAME COLUMN name TO title",
        "ALTER TABLE app.item DROP COLUMN old",
        "ALTER TABLE app.item ALTER COLUMN price TYPE numeric(12,2)",
        "ALTER TABLE app.item ALTER COLUMN title TYPE text",
        "ALTER TABLE app.item ALTER COLUMN price SET DEFAULT 5",
        "ALTER TABLE app.item ALTER COLUMN price DROP DEFAULT",
        "ALTER TABLE app.item ALTER COLUMN price SET NOT NULL",
        "ALTER TABLE app.item ALTER COLUMN price DROP NOT NULL",
        "ALTER TABLE app.item ADD CONSTRAINT dear CHECK (price < 1000)",
        "ALTER TABLE app.item ADD CONSTRAINT titled UNIQUE (title)",
        "CREATE INDEX by_price ON app.item (price)",
        "DROP INDEX app.by_price",
        "ALTER TABLE app.item DROP CONSTRAINT titled",
        "ALTER TABLE app.item RENAME CONSTRAINT dear TO cheap",
        "ALTER TABLE app.item DROP CONSTRAINT cheap",
        "ALTER TABLE app.item ADD COLUMN maker int REFERENCES app.maker",
        "ALTER TABLE app.item DROP COLUMN maker",
        "ALTER TABLE app.item ADD COLUMN twice numeric GENERATED ALWAYS AS (price * 2) STORED",
        "ALTER TABLE app.item ALTER COLUMN extra SET STORAGE EXTERNAL",
        "ALTER TABLE app.item ALTER COLUMN price SET STATISTICS 10",
        "ALTER TABLE app.item SET (fillfactor = 70)",
        "ALTER TABLE app.item CLUSTER ON item_pkey",
        "ALTER TABLE app.item SET UNLOGGED",
        "ALTER TABLE app.item SET LOGGED",
        "ALTER TABLE app.item REPLICA IDENTITY FULL",
        "ALTER TABLE app.item DROP COLUMN size",
        "DROP TYPE app.size",
        "ALTER TABLE app.item RENAME TO goods",
        "CREATE SCHEMA other",
        "ALTER TABLE app.goods SET SCHEMA other",
    ] {
        // At once: nothing of an idle agent's is in the way.
        let text = format!("SET lock_timeout = '100ms'; {statement}");
        setup.production.batch_execute(&text).await.unwrap();
        let catalog = setup.control.refresh_catalog().await.unwrap();
        let (id, head) = catalog.heads.iter().next().unwrap();
        assert!(catalog.head(*id).is_some(), "{statement}: {:?}", head.stuck);
    }
    drop(agent);
    let diff = setup
        .control
        .diff("s", &crate::DiffFilter::default())
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    let kinds: Vec<_> = diff.iter().map(|row| row.diff_type.as_str()).collect();
    assert_eq!(kinds, ["modified", "removed", "added"]);
    assert_eq!(diff[0].changed_columns, ["price"]);
    assert!(diff[2].to.as_ref().unwrap().contains("\"extra\": \"new\""));
    setup.control.commit("s", "rita").await.unwrap();
    let rows = setup.base("other.goods").await;
    assert_eq!(
        rows,
        [
            "(1,n1,100.00,new,200.00)",
            "(3,n3,3.00,new,6.00)",
            "(4,n4,4.00,new,8.00)",
            "(5,n5,5.00,new,10.00)",
            "(6,n6,6.00,new,12.00)",
            "(9,own,9.00,new,18.00)"
        ]
    );
}

#[tokio::test]
async fn a_head_that_cannot_follow_says_why_and_follows_later() {
    let (setup, agent) = drafted("stuck").await;
    setup
        .production
        .batch_execute("ALTER TABLE app.item ALTER COLUMN name TYPE varchar(2)")
        .await
        .unwrap();
    let catalog = setup.control.refresh_catalog().await.unwrap();
    let (id, head) = catalog.heads.iter().next().unwrap();
    assert!(catalog.head(*id).is_none());
    let why = head.stuck.clone().unwrap();
    assert!(why.contains("22001"), "{why}");
    assert!(!why.contains("own"), "no session's values: {why}");
    drop(agent);
    setup
        .production
        .batch_execute("ALTER TABLE app.item ALTER COLUMN name TYPE text")
        .await
        .unwrap();
    let catalog = setup.control.refresh_catalog().await.unwrap();
    assert!(catalog.head(*id).is_some());
    assert_eq!(
        setup
            .control
            .commit("s", "rita")
            .await
            .unwrap()
            .tables
            .len(),
        1
    );
}
