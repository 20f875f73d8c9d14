//! Installing, upgrading, uninstalling.

use store::{Error, InstallOptions, Status, UninstallOptions, install, status, uninstall};

use super::cluster::{Database, connect};

/// A database with everything whose dump could be changed by grants.
const RICH: &str = r#"
CREATE ROLE reader_{db}; CREATE ROLE "Other owner {db}";
CREATE SCHEMA app; CREATE SCHEMA "Odd ""name"; CREATE SCHEMA theirs AUTHORIZATION "Other owner {db}";
CREATE TYPE app.mood AS ENUM ('sad', 'happy');
CREATE DOMAIN app.score AS int CHECK (VALUE >= 0);
CREATE TABLE app.a (id serial PRIMARY KEY, m app.mood, s app.score DEFAULT 1);
CREATE TABLE app.b (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int REFERENCES app.a ON DELETE CASCADE);
CREATE TABLE "Odd ""name"."T ""x" ("Id" int PRIMARY KEY);
CREATE TABLE theirs.t (id int PRIMARY KEY); ALTER TABLE theirs.t OWNER TO "Other owner {db}";
CREATE TABLE public.p (id int PRIMARY KEY, v text);
CREATE VIEW app.v AS SELECT a.id, b.id AS b_id FROM app.a JOIN app.b ON b.a = a.id;
CREATE MATERIALIZED VIEW app.mv AS SELECT count(*) FROM app.a;
CREATE SEQUENCE app.lonely;
CREATE FUNCTION app.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION app.tf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER tg BEFORE INSERT ON app.a FOR EACH ROW EXECUTE FUNCTION app.tf();
REVOKE ALL ON FUNCTION app.f() FROM PUBLIC;
GRANT SELECT ON app.a TO reader_{db}; GRANT SELECT (id), UPDATE (a) ON app.b TO reader_{db};
GRANT USAGE ON SCHEMA app TO reader_{db}; GRANT USAGE ON SEQUENCE app.lonely TO reader_{db};
ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO reader_{db};
ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO reader_{db};
ALTER DEFAULT PRIVILEGES FOR ROLE "Other owner {db}" REVOKE ALL ON TABLES FROM "Other owner {db}";
"#;

async fn rich(label: &str) -> Database {
    let database = Database::new(label).await;
    let client = database.superuser().await;
    client
        .batch_execute(&RICH.replace("{db}", &database.name))
        .await
        .unwrap();
    database
}

#[tokio::test]
async fn uninstall_leaves_the_dump_as_it_was() {
    let database = rich("rich").await;
    let before = database.dump(&["--schema-only"]);
    let client = database.superuser().await;
    let first = install(&client, &InstallOptions::default()).await.unwrap();
    assert_eq!(first.before, Status::NotInstalled);
    assert!(first.missing.is_empty(), "{:?}", first.missing);
    assert!(first.warnings.is_empty(), "{:?}", first.warnings);
    assert_eq!(
        status(&client).await.unwrap(),
        Status::Version(store::VERSION)
    );
    assert_ne!(before, database.dump(&["--schema-only"]));

    // A second run harms nothing and finds tables made in the meantime.
    let once = database.dump(&["--schema-only"]);
    install(&client, &InstallOptions::default()).await.unwrap();
    assert_eq!(once, database.dump(&["--schema-only"]));

    uninstall(&client, &UninstallOptions::default())
        .await
        .unwrap();
    assert_eq!(before, database.dump(&["--schema-only"]));
    assert_eq!(status(&client).await.unwrap(), Status::NotInstalled);
    let script = uninstall(&client, &UninstallOptions::default())
        .await
        .unwrap();
    assert_eq!(script, "");
}

#[tokio::test]
async fn dry_run_is_the_script_that_psql_can_run() {
    let database = rich("dry").await;
    let client = database.superuser().await;
    let before = database.dump(&[]);
    let report = install(
        &client,
        &InstallOptions {
            dry_run: true,
            ..InstallOptions::default()
        },
    )
    .await
    .unwrap();
    assert_eq!(before, database.dump(&[]));
    assert_eq!(status(&client).await.unwrap(), Status::NotInstalled);
    database.psql(&report.script);
    assert_eq!(
        status(&client).await.unwrap(),
        Status::Version(store::VERSION)
    );
    // The password is right although no script ever held it.
    let secret = store::Secret::load(&client).await.unwrap();
    let mut config = database.config(&report.roles.agent);
    config.password(secret.agent_password());
    connect(&config).await.unwrap();
    assert!(!report.script.contains(&secret.agent_password()));
}

#[tokio::test]
async fn new_tables_are_granted_and_agents_cannot_write() {
    let database = rich("grants").await;
    let client = database.superuser().await;
    client
        .batch_execute(
            "CREATE TABLE app.open_to_all (id int); GRANT INSERT ON app.open_to_all TO PUBLIC",
        )
        .await
        .unwrap();
    let report = install(&client, &InstallOptions::default()).await.unwrap();
    assert_eq!(report.warnings.len(), 1, "{:?}", report.warnings);
    client
        .batch_execute("CREATE TABLE app.later (id serial PRIMARY KEY); CREATE SCHEMA fresh; CREATE TABLE fresh.t (id int)")
        .await
        .unwrap();
    let secret = store::Secret::load(&client).await.unwrap();
    let mut config = database.config(&report.roles.agent);
    config.password(secret.agent_password());
    let agent = connect(&config).await.unwrap();
    for table in [
        "app.a",
        "app.later",
        "fresh.t",
        "theirs.t",
        "\"Odd \"\"name\".\"T \"\"x\"",
    ] {
        agent
            .batch_execute(&format!("SELECT * FROM {table}"))
            .await
            .unwrap();
        for write in ["DELETE FROM", "TRUNCATE", "INSERT INTO"] {
            let rest = if write == "INSERT INTO" {
                "DEFAULT VALUES"
            } else {
                ""
            };
            let error = agent
                .batch_execute(&format!("{write} {table} {rest}"))
                .await
                .unwrap_err();
            assert_eq!(error.code().unwrap().code(), "42501", "{write} {table}");
        }
    }
    for text in [
        "SELECT * FROM pgdraft.secret",
        "SELECT * FROM pgdraft.sessions",
        "UPDATE pgdraft.sessions SET state = 'open'",
        "SELECT pgdraft.advisory_key('1')",
        "CREATE TABLE app.mine (id int)",
        "CREATE TABLE public.mine (id int)",
        "CREATE TABLE pgdraft.mine (id int)",
        "SELECT setval('app.lonely', 5)",
    ] {
        let error = agent.batch_execute(text).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "42501", "{text}");
    }
    agent
        .batch_execute("SELECT nextval('app.later_id_seq')")
        .await
        .unwrap();
}

#[tokio::test]
async fn connected_agents_stop_an_uninstall() {
    let database = rich("busy").await;
    let client = database.superuser().await;
    let report = install(&client, &InstallOptions::default()).await.unwrap();
    let secret = store::Secret::load(&client).await.unwrap();
    let mut config = database.config(&report.roles.agent);
    config.password(secret.agent_password());
    let agent = connect(&config).await.unwrap();
    agent.batch_execute("SELECT 1").await.unwrap();
    let refused = uninstall(&client, &UninstallOptions::default()).await;
    assert!(matches!(refused, Err(Error::AgentsConnected(1))));
    let force = UninstallOptions {
        terminate: true,
        ..UninstallOptions::default()
    };
    uninstall(&client, &force).await.unwrap();
    assert!(agent.batch_execute("SELECT 1").await.is_err());
}

#[tokio::test]
async fn a_database_owner_with_createrole_can_install() {
    let database = Database::new("owned").await;
    let client = database.superuser().await;
    let name = &database.name;
    client
        .batch_execute(&format!(
            "DO $$ BEGIN CREATE ROLE owner LOGIN CREATEROLE; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
             ALTER DATABASE {name} OWNER TO owner; CREATE SCHEMA app AUTHORIZATION owner;
             CREATE TABLE public.alien (id int PRIMARY KEY);
             SET ROLE owner; CREATE TABLE app.t (id serial PRIMARY KEY); RESET ROLE"
        ))
        .await
        .unwrap();
    let before = database.dump(&["--schema-only"]);
    let owner = connect(&database.config("owner")).await.unwrap();
    let report = install(&owner, &InstallOptions::default()).await.unwrap();
    assert!(
        report.missing.iter().any(|m| m.contains("\"alien\"")),
        "{:?}",
        report.missing
    );
    install(&owner, &InstallOptions::default()).await.unwrap();
    let secret = store::Secret::load(&owner).await.unwrap();
    let mut config = database.config(&report.roles.agent);
    config.password(secret.agent_password());
    let agent = connect(&config).await.unwrap();
    agent.batch_execute("SELECT * FROM app.t").await.unwrap();
    drop(agent);
    let force = UninstallOptions {
        terminate: true,
        ..UninstallOptions::default()
    };
    uninstall(&owner, &force).await.unwrap();
    assert_eq!(before, database.dump(&["--schema-only"]));
}

#[tokio::test]
async fn a_user_without_rights_is_told_what_is_missing() {
    let database = Database::new("poor").await;
    let client = database.superuser().await;
    let role = format!("poor_{}", database.name);
    client
        .batch_execute(&format!("CREATE ROLE {role}; SET ROLE {role}"))
        .await
        .unwrap();
    let Err(error) = install(&client, &InstallOptions::default()).await else {
        panic!("installed without rights");
    };
    let report = error.report();
    assert_eq!(report.code, "42501");
    assert!(report.detail.unwrap().contains("CREATEROLE"));
}

#[tokio::test]
async fn a_foreign_schema_is_left_alone() {
    let database = Database::new("foreign").await;
    let client = database.superuser().await;
    client.batch_execute("CREATE SCHEMA pgdraft").await.unwrap();
    let refused = install(&client, &InstallOptions::default()).await;
    assert!(matches!(refused, Err(Error::ForeignSchema)));
    let refused = uninstall(&client, &UninstallOptions::default()).await;
    assert!(matches!(refused, Err(Error::ForeignSchema)));
}
