//! Schema changes under a draft, broken connections, defaults that must not run.

use std::time::Duration;

use store::{InstallOptions, UninstallOptions};

use super::agent::{options, rows, setup, target, told};
use super::drafting::SHOP;
use crate::{Control, DiffFilter, Options};

#[tokio::test]
async fn production_changes_its_schema_as_before() {
    let setup = setup("ddl", SHOP).await;
    setup.draft(&["dept", "badge"]).await.unwrap();
    let agent = setup.agent("s").await;
    agent
        .update("dept", &[("budget", "1")], "id = 1")
        .await
        .unwrap();
    // What a view or a dependency of ours would block.
    for text in [
        "ALTER TABLE app.emp ALTER name TYPE varchar(12)",
        "ALTER TABLE app.emp DROP COLUMN email",
        "ALTER TABLE app.badge ADD COLUMN extra text DEFAULT 'x'",
        "ALTER TABLE app.badge RENAME TO badges",
        "CREATE INDEX ON app.badges (n)",
        "ALTER TABLE app.badges DROP CONSTRAINT badge_emp_id_fkey",
        "DROP TABLE app.emp",
        "TRUNCATE app.badges",
    ] {
        setup.production.batch_execute(text).await.unwrap();
    }
    let catalog = setup.control.refresh_catalog().await.unwrap();
    // Heads without draft rows follow at once; of a dropped table nothing is left.
    assert!(catalog.relation("app", "emp").is_none());
    assert!(
        catalog
            .head(catalog.relation("app", "badges").unwrap().id)
            .is_some()
    );
    assert_eq!(catalog.heads.len(), 2);
    // The head of dept has rows; only its triggers are made anew.
    assert!(catalog.head(setup.relation("dept").id).is_some());
    agent
        .insert("badges", "emp_id, label", "VALUES (5000, 'x')")
        .await
        .unwrap();
    let got = agent
        .insert("dept", "name", "VALUES ('d2')")
        .await
        .unwrap_err();
    assert_eq!(told(&got).code, "23505");
    setup.control.commit("s", "alice").await.unwrap();
    assert_eq!(setup.base("badges").await, ["(5000,x,1,x)"]);
}

/// A statement that was planned before goes to no head whose table is gone.
#[tokio::test]
async fn no_write_begins_on_a_table_that_was_just_dropped() {
    let setup = setup("gone", SHOP).await;
    setup.draft(&["badge", "dept"]).await.unwrap();
    let agent = setup.agent("s").await;
    for text in [
        "DROP TABLE app.badge",
        "CREATE TABLE app.badge (n int PRIMARY KEY)",
    ] {
        setup.production.batch_execute(text).await.unwrap();
    }
    let refused = |got: &tokio_postgres::Error| {
        assert_eq!(told(got).code, "ZD006");
        assert_eq!(told(got).message, "table app.badge was dropped just now");
    };
    refused(&agent.begin_write(None, "", "badge").await.unwrap_err());
    // nor as a later statement of an operation
    agent.transaction("BEGIN").await;
    agent.begin_write(None, "", "dept").await.unwrap();
    refused(&agent.begin_write(None, "", "badge").await.unwrap_err());
    agent.transaction("ROLLBACK").await;
}

#[tokio::test]
async fn a_draft_of_an_older_shape_follows() {
    let setup = setup("moved", SHOP).await;
    setup.draft(&["dept"]).await.unwrap();
    let agent = setup.agent("s").await;
    agent
        .update("dept", &[("budget", "1")], "id = 1")
        .await
        .unwrap();
    setup
        .production
        .batch_execute("ALTER TABLE app.dept ADD COLUMN extra int")
        .await
        .unwrap();
    // The rows of the open draft are in the new shape, and are committed in it.
    let diff = setup.control.diff("s", &DiffFilter::default()).await;
    assert!(diff.is_ok(), "{:?}", diff.err());
    setup.control.commit("s", "alice").await.unwrap();
    assert!(
        setup
            .base("dept")
            .await
            .contains(&"(1,d1,1.00,)".to_owned())
    );
    setup.draft(&["dept"]).await.unwrap();
    let agent = setup.agent("t").await;
    agent
        .update("dept", &[("extra", "1")], "id = 1")
        .await
        .unwrap();
    setup.control.commit("t", "alice").await.unwrap();
    assert!(
        setup
            .base("dept")
            .await
            .contains(&"(1,d1,1.00,1)".to_owned())
    );
}

#[tokio::test]
async fn the_watcher_sees_schema_changes() {
    let setup = setup("watch", SHOP).await;
    let options = Options {
        catalog_poll: Duration::from_millis(20),
        ..options()
    };
    let control = Control::connect(target(&setup.database), options)
        .await
        .unwrap();
    setup
        .production
        .batch_execute("CREATE TABLE app.fresh (id int PRIMARY KEY)")
        .await
        .unwrap();
    while control.catalog().relation("app", "fresh").is_none() {
        tokio::task::yield_now().await;
    }
    assert!(control.catalog().epoch > 1);
}

#[tokio::test]
async fn defaults_that_could_write_do_not_run() {
    let setup = setup("defaults", "
        CREATE SCHEMA app; CREATE TABLE app.log (id int);
        CREATE FUNCTION app.danger() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN INSERT INTO app.log VALUES (1); RETURN 1; END $$;
        CREATE FUNCTION app.plain() RETURNS int LANGUAGE plpgsql AS $$ BEGIN INSERT INTO app.log VALUES (1); RETURN 1; END $$;
        CREATE FUNCTION app.checks(int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN INSERT INTO app.log VALUES (1); RETURN true; END $$;
        CREATE TABLE app.t (id int PRIMARY KEY, a int DEFAULT app.danger(), b int DEFAULT 5);
        CREATE TABLE app.u (id int PRIMARY KEY, b int DEFAULT app.plain());
        CREATE TABLE app.c (id int PRIMARY KEY, t int REFERENCES app.t ON DELETE SET NULL);
        INSERT INTO app.t VALUES (1, 1, 1); INSERT INTO app.c VALUES (1, 1);
        ALTER TABLE app.c ADD CHECK (app.checks(id)) NOT VALID;").await;
    setup.draft(&["t", "u"]).await.unwrap();
    let agent = setup.agent("s").await;
    let got = agent.insert("t", "id", "VALUES (2)").await.unwrap_err();
    assert_eq!(
        (told(&got).code.as_str(), told(&got).message.as_str()),
        ("0A000", "default of column \"a\" cannot run in a draft")
    );
    agent.insert("t", "id, a", "VALUES (2, 2)").await.unwrap();
    let got = agent.insert("u", "id", "VALUES (2)").await.unwrap_err();
    assert_eq!(told(&got).code, "42501");
    // A check of a table that an action reaches runs with the agent's rights, not the control role's.
    let got = agent.delete("t", "id = 1").await.unwrap_err();
    assert_eq!(told(&got).code, "42501");
    assert_eq!(rows(&setup.production, "app.log").await.len(), 0);
}

#[tokio::test]
async fn a_broken_connection_leaves_all_or_nothing() {
    let setup = setup(
        "broken",
        &format!(
            "{SHOP}
        CREATE FUNCTION app.slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            PERFORM pg_advisory_lock(99); PERFORM pg_advisory_unlock(99); RETURN NULL; END $$;
        CREATE TRIGGER slow AFTER UPDATE ON app.dept FOR EACH ROW EXECUTE FUNCTION app.slow();"
        ),
    )
    .await;
    setup.draft(&["dept"]).await.unwrap();
    let agent = setup.agent("s").await;
    agent
        .update("dept", &[("budget", "1")], "true")
        .await
        .unwrap();
    let before = setup.base("dept").await;
    setup
        .production
        .batch_execute("SELECT pg_advisory_lock(99)")
        .await
        .unwrap();
    let options = Options {
        lock_timeout: Duration::from_secs(60),
        ..options()
    };
    let control = Control::connect(target(&setup.database), options)
        .await
        .unwrap();
    let second = control.clone();
    let commit = tokio::spawn(async move { second.commit("s", "alice").await });
    // Killed in the middle of the apply.
    loop {
        let killed = setup.production.query("SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE d.datname = current_database() AND l.locktype = 'advisory' AND NOT l.granted", &[]).await.unwrap();
        if !killed.is_empty() {
            break;
        }
        tokio::task::yield_now().await;
    }
    let error = commit.await.unwrap().unwrap_err();
    assert!(
        matches!(error.report().code.as_str(), "57P01" | "ZD008"),
        "{error:?}"
    );
    setup
        .production
        .batch_execute("SELECT pg_advisory_unlock(99)")
        .await
        .unwrap();
    assert_eq!(setup.base("dept").await, before);
    // The control plane connects again, the session is usable, the commit can be asked again.
    agent
        .update("dept", &[("budget", "2")], "id = 2")
        .await
        .unwrap();
    let done = control.commit("s", "alice").await.unwrap();
    assert_ne!(setup.base("dept").await, before);
    assert_eq!(control.commit("s", "alice").await.unwrap(), done);
}

#[tokio::test]
async fn uninstall_removes_heads_and_drafts() {
    let setup = setup("gone", SHOP).await;
    let before = setup.database.dump(&["-N", "pgdraft", "--no-privileges"]);
    setup.draft(&["dept", "badge"]).await.unwrap();
    let agent = setup.agent("s").await;
    agent
        .update("dept", &[("budget", "1")], "true")
        .await
        .unwrap();
    drop(agent);
    let force = UninstallOptions {
        terminate: true,
        ..UninstallOptions::default()
    };
    // One that was interrupted after a few heads is run again.
    let dry = UninstallOptions {
        dry_run: true,
        ..force
    };
    let script = store::uninstall(&setup.production, &dry).await.unwrap();
    let begun: String = script.split_inclusive("COMMIT;\n").take(2).collect();
    assert!(begun.contains("pgdraft.d1_log") && begun.len() < script.len());
    setup.production.batch_execute(&begun).await.unwrap();
    setup.control.commit("s", "alice").await.unwrap_err();
    store::uninstall(&setup.production, &force).await.unwrap();
    assert_eq!(before, setup.database.dump(&[]));
    let gone = setup.control.refresh_catalog().await.unwrap_err();
    assert!(gone.report().hint.is_some() || gone.database().is_some());
    let again = Control::connect(target(&setup.database), options())
        .await
        .unwrap_err();
    assert_eq!(again.report().code, "ZD007");
    store::install(&setup.production, &InstallOptions::default())
        .await
        .unwrap();
    Control::connect(target(&setup.database), options())
        .await
        .unwrap();
}

#[tokio::test]
async fn keys_that_trade_places() {
    let setup = setup("trade", "
        CREATE SCHEMA app; CREATE TABLE app.p (id int PRIMARY KEY, v text); CREATE TABLE app.c (id int PRIMARY KEY, p int REFERENCES app.p ON UPDATE CASCADE);
        CREATE TABLE app.d (id int PRIMARY KEY, v text);
        INSERT INTO app.p VALUES (1, 'a'), (2, 'b'), (3, 'c'); INSERT INTO app.c VALUES (1, 1); INSERT INTO app.d VALUES (1, 'a'), (2, 'b');").await;
    setup.draft(&["p", "d"]).await.unwrap();
    let agent = setup.agent("s").await;
    // The rewriter marks a key that was left and taken in one statement as not new.
    let swap = |head: &str| {
        format!(
            "WITH src AS MATERIALIZED (SELECT id AS o, 3 - id AS n, v FROM {{}} a WHERE id < 3), lg AS (INSERT INTO {head}_log (pgdraft_kind, id, v) SELECT 'D', o, v FROM src) INSERT INTO {head} (id, v, pgdraft_new) SELECT n, v, false FROM src"
        )
    };
    let catalog = setup.control.catalog();
    for (table, works) in [("d", true), ("p", false)] {
        let head = catalog.head(setup.relation(table).id).unwrap().table();
        agent.client.batch_execute("BEGIN").await.unwrap();
        agent.begin_write(None, "", table).await.unwrap();
        let text = swap(&head).replace("{}", &agent.merged(table));
        match agent.client.execute(&text, &[]).await {
            Ok(_) => assert!(works, "{table}"),
            Err(error) => {
                assert!(!works, "{table}: {error:?}");
                assert_eq!(told(&error).code, "0A000");
            }
        }
        agent
            .client
            .batch_execute(if works { "COMMIT" } else { "ROLLBACK" })
            .await
            .unwrap();
    }
    setup.control.commit("s", "alice").await.unwrap();
    assert_eq!(setup.base("d").await, ["(1,b)", "(2,a)"]);
}

#[tokio::test]
async fn an_open_table_keeps_pgdraft_from_starting() {
    let setup = setup("open", SHOP).await;
    setup
        .production
        .batch_execute("GRANT UPDATE (budget) ON app.dept TO PUBLIC")
        .await
        .unwrap();
    let refused = Control::connect(target(&setup.database), options()).await;
    let report = refused.err().unwrap().report();
    assert_eq!(report.code, "42501");
    assert!(report.detail.unwrap().contains("app.dept"));
    setup
        .production
        .batch_execute("REVOKE UPDATE (budget) ON app.dept FROM PUBLIC")
        .await
        .unwrap();
    assert!(
        Control::connect(target(&setup.database), options())
            .await
            .is_ok()
    );
}
