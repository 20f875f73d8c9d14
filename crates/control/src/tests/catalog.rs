//! The snapshot against a database with a bit of everything.

use ::catalog::{Generated, Identity, ReferentialAction, RelationKind, Volatility};
use store::{InstallOptions, catalog_mark, install, load_catalog};

use super::cluster::Database;
use crate::drafting::draftable;

const SCHEMA: &str = r#"
CREATE SCHEMA app;
CREATE COLLATION app.ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE DOMAIN app.inner_score AS numeric(6,2) NOT NULL;
CREATE DOMAIN app.score AS app.inner_score CHECK (VALUE >= 0);
CREATE FUNCTION app.danger() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN 1; END';
CREATE FUNCTION app.same(int, int) RETURNS boolean LANGUAGE sql AS 'SELECT $1 = $2';
CREATE OPERATOR app.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = app.same);
CREATE TABLE app."Dept" (id serial PRIMARY KEY, "Name" varchar(20) COLLATE app.ci NOT NULL UNIQUE,
    gone int, score app.score DEFAULT 1, danger int DEFAULT app.danger() + 1, CHECK (id > 0), CHECK (app.danger() > 0));
ALTER TABLE app."Dept" DROP COLUMN gone;
CREATE TABLE app.emp (a int, b bigint GENERATED ALWAYS AS IDENTITY, dept int REFERENCES app."Dept" ON DELETE CASCADE ON UPDATE SET NULL,
    twice int GENERATED ALWAYS AS (a * 2) STORED, doc jsonb, PRIMARY KEY (b, a));
CREATE INDEX ON app.emp (dept, a); CREATE INDEX ON app.emp ((a + 1)); CREATE INDEX ON app.emp USING gin (doc);
CREATE UNIQUE INDEX partial ON app.emp (a) WHERE dept IS NULL;
CREATE VIEW app.v1 AS SELECT id FROM app."Dept" WHERE app.danger() = 1;
CREATE VIEW app.v2 AS SELECT v1.id FROM app.v1 JOIN app.emp ON emp.dept OPERATOR(app.===) v1.id;
CREATE TABLE app.part (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE app.part1 PARTITION OF app.part FOR VALUES FROM (0) TO (9);
CREATE TABLE app.setter (id int PRIMARY KEY, x int, y int);
CREATE TABLE app.ex (id int PRIMARY KEY, r int4range, EXCLUDE USING gist (r WITH &&));
ALTER TABLE app.ex ENABLE ROW LEVEL SECURITY;
"#;

#[tokio::test]
async fn everything_is_read() {
    let database = Database::new("snapshot").await;
    let client = database.superuser().await;
    client.batch_execute(SCHEMA).await.unwrap();
    install(&client, &InstallOptions::default()).await.unwrap();
    let catalog = load_catalog(&client, 7, draftable).await.unwrap();
    assert_eq!((catalog.epoch, catalog.heads.len()), (7, 0));
    assert!(catalog.server_version >= 130_000);

    let dept = catalog.relation("app", "Dept").unwrap();
    let names: Vec<_> = dept.columns.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["id", "Name", "score", "danger"]);
    let id = dept.column("id").unwrap();
    assert_eq!(id.sequence.as_deref(), Some("app.\"Dept_id_seq\""));
    assert_eq!(
        id.default.as_deref(),
        Some("nextval('app.\"Dept_id_seq\"'::regclass)")
    );
    let name = dept.column("Name").unwrap();
    assert_eq!(name.collation.as_deref(), Some("app.ci"));
    assert_eq!(
        (name.declared.as_str(), name.type_name.as_str()),
        ("character varying(20)", "character varying")
    );
    let score = dept.column("score").unwrap();
    assert_eq!(score.base_type.as_deref(), Some("numeric(6,2)"));
    assert_eq!(score.declared, "app.score");
    assert!(dept.column("danger").unwrap().definer_default && !id.definer_default);
    assert_eq!(
        dept.checks.iter().map(|c| c.definer).collect::<Vec<_>>(),
        [true, false]
    );
    assert_eq!(dept.unique[0].columns, ["Name"]);
    assert!(!dept.unique[0].special);
    assert_eq!(dept.unique[0].operators, ["pg_catalog.="]);
    assert_eq!(dept.referenced_by.len(), 1);

    let emp = catalog.relation("app", "emp").unwrap();
    assert_eq!(emp.primary_key.as_ref().unwrap().columns, ["b", "a"]);
    assert_eq!(emp.column("twice").unwrap().generated, Generated::Stored);
    assert_eq!(emp.column("b").unwrap().identity, Identity::Always);
    assert_eq!(
        emp.column("b").unwrap().sequence.as_deref(),
        Some("app.emp_b_seq")
    );
    assert_eq!(emp.indexes.len(), 1);
    assert_eq!(emp.indexes[0].columns, ["dept", "a"]);
    assert!(emp.unique.iter().all(|k| k.name == "partial" && k.special));
    let key = &emp.foreign_keys[0];
    assert_eq!(
        (key.on_delete, key.on_update),
        (ReferentialAction::Cascade, ReferentialAction::SetNull)
    );

    let view = catalog.relation("app", "v2").unwrap().view.clone().unwrap();
    let mut read = view.relations;
    read.sort();
    let mut want = vec![dept.id, emp.id];
    want.sort();
    assert_eq!(read, want);
    let mut called: Vec<_> = view.functions.iter().map(|f| f.name.as_str()).collect();
    called.sort_unstable();
    assert_eq!(called, ["danger", "same"]);
    assert_eq!(
        catalog.relation("app", "part").unwrap().kind,
        RelationKind::Partitioned
    );
    assert!(catalog.relation("app", "part1").unwrap().inherits);
    let ex = catalog.relation("app", "ex").unwrap();
    assert!(!ex.exclusions.is_empty() && ex.row_security && !ex.inherits);
    assert_eq!(catalog.operators["==="][0].name, "same");
    assert!(catalog.functions["danger"][0].security_definer);
    assert!(
        catalog.functions["lower"]
            .iter()
            .all(|f| f.volatility == Volatility::Immutable)
    );
}

#[tokio::test]
async fn the_mark_moves_with_the_schema_only() {
    let database = Database::new("mark").await;
    let client = database.superuser().await;
    client
        .batch_execute(
            "CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE u (id int PRIMARY KEY)",
        )
        .await
        .unwrap();
    install(&client, &InstallOptions::default()).await.unwrap();
    let mut mark = catalog_mark(&client).await.unwrap();
    let first = load_catalog(&client, 1, draftable).await.unwrap();
    assert_eq!(first.mark, mark);
    for quiet in [
        "INSERT INTO public.t SELECT g FROM generate_series(1, 1000) g",
        "ANALYZE public.t",
        "VACUUM public.t",
        "CREATE TEMP TABLE x (id int)",
        "INSERT INTO pgdraft.sessions (name, agent) VALUES ('a', 'b')",
    ] {
        client.batch_execute(quiet).await.unwrap();
        assert_eq!(mark, catalog_mark(&client).await.unwrap(), "{quiet}");
    }
    for loud in [
        "ALTER TABLE public.t ADD c int",
        "ALTER TABLE public.t ALTER c SET DEFAULT 3",
        "ALTER TABLE public.t ADD CHECK (c > 0)",
        "CREATE INDEX ON public.t (c)",
        "ALTER TABLE public.t ADD FOREIGN KEY (c) REFERENCES public.u",
        "CREATE VIEW public.v AS SELECT 1 AS one",
        "CREATE OR REPLACE VIEW public.v AS SELECT 2 AS one",
        "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DROP FUNCTION public.f()",
        "CREATE TYPE public.mood AS ENUM ('a')",
        "ALTER SCHEMA public RENAME TO publik",
        "ALTER TABLE publik.t RENAME v TO w",
        "DROP TABLE publik.t",
    ] {
        client.batch_execute(loud).await.unwrap();
        let moved = catalog_mark(&client).await.unwrap();
        assert_ne!(mark, moved, "{loud}");
        mark = moved;
    }
    let last = load_catalog(&client, 2, draftable).await.unwrap();
    let print = |c: &::catalog::Catalog, s| c.relation(s, "u").unwrap().fingerprint.clone();
    assert_ne!(print(&first, "public"), print(&last, "publik"));
    let again = load_catalog(&client, 3, draftable).await.unwrap();
    assert_eq!(print(&again, "publik"), print(&last, "publik"));
}
