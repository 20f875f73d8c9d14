//! Diff, commit and discard against the same statements on a plain copy.

use super::agent::{Agent, Setup, setup, told};
use super::cluster::Database;
use super::drafting::SHOP;
use crate::{Committed, ControlError, DiffFilter, DiffRow, DiffType};

/// A statement in the draft's shape and in its own.
pub(super) enum Op {
    Insert(&'static str, &'static str, &'static str),
    Update(
        &'static str,
        &'static [(&'static str, &'static str)],
        &'static str,
    ),
    Delete(&'static str, &'static str),
}
use Op::{Delete, Insert, Update};

impl Op {
    async fn draft(&self, agent: &Agent) -> Result<u64, tokio_postgres::Error> {
        match self {
            Self::Insert(table, columns, source) => agent.insert(table, columns, source).await,
            Self::Update(table, sets, condition) => agent.update(table, sets, condition).await,
            Self::Delete(table, condition) => agent.delete(table, condition).await,
        }
    }

    fn direct(&self) -> String {
        match self {
            Self::Insert(table, columns, source) => {
                let list = if columns.is_empty() {
                    String::new()
                } else {
                    format!("({columns})")
                };
                format!("INSERT INTO app.{} {list} {source}", quoted(table))
            }
            Self::Update(table, sets, condition) => {
                let sets: Vec<_> = sets
                    .iter()
                    .map(|(c, e)| format!("{} = {e}", ::catalog::quote_identifier(c)))
                    .collect();
                format!(
                    "UPDATE app.{} a SET {} WHERE {condition}",
                    quoted(table),
                    sets.join(", ")
                )
            }
            Self::Delete(table, condition) => {
                format!("DELETE FROM app.{} a WHERE {condition}", quoted(table))
            }
        }
    }
}

fn quoted(name: &str) -> String {
    ::catalog::quote_identifier(name)
}

/// Everything in a database but pgdraft, lines sorted: rows have no order.
fn content(database: &Database) -> Vec<String> {
    let dump = database.dump(&["-N", "pgdraft", "--no-privileges"]);
    let mut lines: Vec<String> = dump.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// A plain copy.
async fn plain(script: &str) -> Database {
    let copy = Database::new("plain").await;
    copy.superuser().await.batch_execute(script).await.unwrap();
    copy
}

/// Runs statements in a draft and on a plain copy; they must agree on counts and SQLSTATEs, on
/// what the session sees at the end, and after the commit on everything.
async fn same(label: &str, script: &str, ops: &[Op]) -> (Setup, Committed) {
    let setup = setup(label, script).await;
    let copy = plain(script).await;
    let direct = copy.superuser().await;
    let before = content(&setup.database);
    let mut tables: Vec<&str> = ops
        .iter()
        .map(|op| match op {
            Insert(t, ..) | Update(t, ..) | Delete(t, ..) => *t,
        })
        .collect();
    tables.sort_unstable();
    tables.dedup();
    setup.draft(&tables).await.unwrap();
    let agent = setup.agent("s").await;
    for op in ops {
        let text = op.direct();
        let got = op.draft(&agent).await;
        let want = direct.execute(&text, &[]).await;
        match (got, want) {
            // A changed key writes two rows of a head.
            (Ok(got), Ok(want)) => assert!(got == want || got == 2 * want, "{text}: {got}, {want}"),
            (Err(got), Err(want)) => {
                let (mut got, want) = (told(&got), told(&want));
                // The data plane maps a head's index names back.
                let name = got.constraint.unwrap_or_default();
                let catalog = setup.control.catalog();
                let mapped = catalog
                    .heads
                    .values()
                    .find_map(|h| h.constraints.get(&name))
                    .cloned();
                got.constraint = mapped.or(Some(name)).filter(|n| !n.is_empty());
                assert_eq!(
                    (got.code, got.constraint),
                    (want.code, want.constraint),
                    "{text}"
                );
            }
            (got, want) => panic!("{text}: {got:?} but PostgreSQL says {want:?}"),
        }
    }
    let catalog = setup.control.catalog();
    for id in catalog.heads.keys() {
        let relation = &catalog.relations[id];
        let names: Vec<String> = relation
            .columns
            .iter()
            .map(|c| ::catalog::quote_identifier(&c.name))
            .collect();
        let from = format!(
            "(SELECT {} FROM {} q)",
            names.join(", "),
            relation.qualified()
        );
        assert_eq!(
            agent.sees(&relation.name).await,
            super::agent::rows(&direct, &from).await,
            "{}",
            relation.name
        );
    }
    assert_eq!(
        before
            .iter()
            .filter(|l| !l.contains("setval"))
            .collect::<Vec<_>>(),
        content(&setup.database)
            .iter()
            .filter(|l| !l.contains("setval"))
            .collect::<Vec<_>>()
    );
    let done = setup.control.commit("s", "alice").await.unwrap();
    assert_eq!(content(&setup.database), content(&copy));
    assert_no_rows(&setup).await;
    (setup, done)
}

/// Nothing of an ended session is left in heads and logs once they have been cleaned.
async fn assert_no_rows(setup: &Setup) {
    setup.control.clean().await.unwrap();
    for head in setup.control.catalog().heads.values() {
        for table in [head.table(), head.log()] {
            let text = format!("SELECT count(*) FROM {table}");
            let left: i64 = setup.production.query_one(&text, &[]).await.unwrap().get(0);
            assert_eq!(left, 0, "{table}");
        }
    }
}

#[tokio::test]
async fn a_commit_equals_direct_execution() {
    let (setup, done) = same(
        "commit",
        SHOP,
        &[
            Update("emp", &[("sal", "a.sal + 1")], "id < 5"),
            Insert("dept", "name", "VALUES ('new'), ('newer')"),
            Insert("emp", "name, dept_id", "VALUES ('kid', 6), ('kid2', 7)"),
            Insert(
                "emp",
                "id, name, boss",
                "VALUES (500, 'x', 501), (501, 'y', 500)",
            ),
            Update("dept", &[("name", "'d3x'")], "id = 3"),
            Update("dept", &[("name", "'d3'")], "id = 5"),
            Insert("emp", "name", "VALUES ('far too long a name')"),
            Insert("emp", "sal", "VALUES (-1)"),
            Insert("emp", "name", "VALUES (NULL)"),
            Delete("emp", "id = 4"),
            Delete("badge", "emp_id IN (1, 2)"),
            Delete("emp", "id = 2"),
            Insert("emp", "id, name, email", "VALUES (2, 'two', 'e2@x')"),
            Delete(
                "badge",
                "emp_id IN (SELECT id FROM app.emp WHERE dept_id = 4)",
            ),
            Delete("dept", "id = 4"),
            Update("badge", &[("label", "a.label || 'q'")], "emp_id > 7"),
            Update(
                "emp",
                &[("email", "'moved@x'"), ("boss", "NULL")],
                "id = 20",
            ),
            Insert(
                "emp",
                "name",
                "SELECT 'n' || g FROM generate_series(1, 5) g",
            ),
            Delete("emp", "name = 'n3'"),
            Update("emp", &[("sal", "a.sal")], "id = 30"),
        ],
    )
    .await;
    assert_eq!(
        done.tables
            .iter()
            .map(|t| t.table.as_str())
            .collect::<Vec<_>>(),
        ["badge", "dept", "emp"]
    );
    // Again: the same answer, and nothing is done.
    assert_eq!(setup.control.commit("s", "bob").await.unwrap(), done);
    assert_eq!(
        setup
            .control
            .discard("s", "bob")
            .await
            .unwrap_err()
            .report()
            .code,
        "ZD002"
    );
    let agent = setup.agent("s").await;
    let late = agent
        .insert("dept", "name", "VALUES ('late')")
        .await
        .unwrap_err();
    let late = late.as_db_error().unwrap();
    assert_eq!(late.code().code(), "ZD002");
    assert!(late.hint().is_some());
    let list = setup.control.sessions().await.unwrap();
    assert_eq!(
        (list[0].tables, list[0].rows, list[0].ended_by.as_deref()),
        (3, done.rows(), Some("alice"))
    );
    let operations = setup.control.operations("s").await.unwrap();
    assert_eq!(operations.len(), 16);
    assert_eq!(
        (
            operations[0].inserted,
            operations[0].updated,
            operations[0].deleted
        ),
        (0, 4, 0)
    );
    assert_eq!(operations[1].tables, ["app.dept"]);
}

#[tokio::test]
async fn odd_names_types_and_keys() {
    const ODD: &str = "Odd \"t'x\\y";
    let script = r#"
        CREATE SCHEMA app; CREATE SCHEMA ty; CREATE EXTENSION citext SCHEMA ty;
        CREATE COLLATION ty.ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        CREATE TYPE ty.mood AS ENUM ('sad', 'ok'); CREATE TYPE ty.pair AS (a int, b text);
        CREATE DOMAIN ty.pos AS int NOT NULL CHECK (VALUE > 0);
        CREATE TABLE app."Odd ""t'x\y" ("Id one" uuid, "b'" timestamptz, "c\" text COLLATE ty.ci UNIQUE, n ty.pos DEFAULT 3,
            j json, x xml, f float8, m ty.mood DEFAULT 'ok', p ty.pair, a int[], ch char(4), v varchar(5) COLLATE "C",
            bits bit varying(9), r int4range, k ty.citext UNIQUE, d date DEFAULT '2020-01-01', g int GENERATED ALWAYS AS (n * 2) STORED,
            "select" int, "Order" numeric, PRIMARY KEY ("Id one", "b'"));
        ALTER TABLE app."Odd ""t'x\y" ADD CONSTRAINT "Chk ""x'" CHECK ("select" IS NULL OR "select" > 0);
        INSERT INTO app."Odd ""t'x\y" ("Id one", "b'", "c\", j, f, k, ch, p, a, r)
        SELECT md5(g::text)::uuid, '2024-01-01 00:00+00'::timestamptz + g * interval '1 hour', 'C' || g, '{"a" : 1}', -0.0, 'K' || g, 'x', ROW(g, 'x')::ty.pair, ARRAY[g, NULL], int4range(g, g + 2) FROM generate_series(1, 9) g;
    "#;
    let (_, done) = same(
        "odd",
        script,
        &[
            Update(ODD, &[("f", "0.0")], "a.n = 3"),
            Update(ODD, &[("c\\", "lower(a.\"c\\\")")], "true"),
            Update(
                ODD,
                &[("j", "'{\"a\":1}'"), ("k", "lower(a.k::text)")],
                "a.a[1] = 2",
            ),
            Update(
                ODD,
                &[("n", "7"), ("ch", "'yy'"), ("p", "ROW(1, 'z')")],
                "a.a[1] = 3",
            ),
            Insert(
                ODD,
                "\"Id one\", \"b'\", k, \"select\", \"Order\"",
                "SELECT md5('x')::uuid, '2025-01-01 00:00+00', 'new', 5, 1.50",
            ),
            Insert(
                ODD,
                "\"Id one\", \"b'\", k",
                "SELECT md5('y')::uuid, '2025-01-01 00:00+00', 'NEW'",
            ),
            Insert(
                ODD,
                "\"Id one\", \"b'\", k",
                "SELECT md5('y')::uuid, '2025-01-01 00:00+00', 'k4'",
            ),
            Insert(
                ODD,
                "\"Id one\", \"b'\", \"c\\\"",
                "SELECT md5('y')::uuid, '2025-01-01 00:00+00', 'c5'",
            ),
            Insert(
                ODD,
                "\"Id one\", \"b'\", \"select\"",
                "SELECT md5('y')::uuid, '2025-01-01 00:00+00', 0",
            ),
            Insert(
                ODD,
                "\"Id one\", \"b'\", n",
                "SELECT md5('y')::uuid, '2025-01-01 00:00+00', -1",
            ),
            Insert(
                ODD,
                "\"Id one\", \"b'\"",
                "SELECT md5('1')::uuid, '2024-01-01 01:00+00'",
            ),
            Delete(ODD, "a.a[1] = 6"),
            Insert(
                ODD,
                "\"Id one\", \"b'\", k",
                "SELECT md5('6')::uuid, '2024-01-01 06:00+00', 'k6'",
            ),
        ],
    )
    .await;
    assert_eq!(done.rows(), 10);
}

const ACTIONS: &str = r#"
CREATE SCHEMA app;
CREATE TABLE app.p (id int PRIMARY KEY, code text UNIQUE, x int);
CREATE TABLE app.cas (id int PRIMARY KEY, p int DEFAULT 1 REFERENCES app.p ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE app.nul (id int PRIMARY KEY, p int REFERENCES app.p ON DELETE SET NULL ON UPDATE SET NULL, c text REFERENCES app.p (code) ON UPDATE CASCADE ON DELETE SET NULL);
CREATE TABLE app.def (id int PRIMARY KEY, p int DEFAULT 1 REFERENCES app.p ON DELETE SET DEFAULT ON UPDATE SET DEFAULT);
CREATE TABLE app.part (p int REFERENCES app.p ON UPDATE CASCADE ON DELETE CASCADE, n int, v text, PRIMARY KEY (p, n));
CREATE TABLE app.leaf (id int PRIMARY KEY, p int, n int, FOREIGN KEY (p, n) REFERENCES app.part ON UPDATE CASCADE ON DELETE CASCADE);
CREATE TABLE app.tree (id int PRIMARY KEY, up int REFERENCES app.tree ON DELETE CASCADE);
CREATE TABLE app.full (id int PRIMARY KEY, p int, n int, FOREIGN KEY (p, n) REFERENCES app.part MATCH FULL ON DELETE SET NULL ON UPDATE CASCADE);
CREATE TABLE app.res (id int PRIMARY KEY, p int REFERENCES app.p ON DELETE RESTRICT ON UPDATE RESTRICT);
INSERT INTO app.p SELECT g, 'c' || g, g FROM generate_series(1, 9) g;
INSERT INTO app.cas SELECT g, g FROM generate_series(1, 9) g;
INSERT INTO app.nul SELECT g, g, 'c' || (10 - g) FROM generate_series(1, 9) g;
INSERT INTO app.def SELECT g, g FROM generate_series(1, 9) g;
INSERT INTO app.part SELECT g, h, 'v' FROM generate_series(1, 9) g, generate_series(1, 2) h;
INSERT INTO app.leaf SELECT g * 10 + h, g, h FROM generate_series(1, 9) g, generate_series(1, 2) h;
INSERT INTO app.tree SELECT g, CASE WHEN g > 1 THEN g / 2 END FROM generate_series(1, 20) g;
INSERT INTO app.full SELECT g, g, 1 FROM generate_series(1, 5) g;
INSERT INTO app.res VALUES (1, 9);
"#;

#[tokio::test]
async fn actions_of_foreign_keys() {
    same(
        "actions",
        ACTIONS,
        &[
            Delete("p", "id = 2"),
            Update("p", &[("id", "33"), ("code", "'c33'")], "id = 3"),
            Update("p", &[("code", "'c4x'")], "id = 4"),
            Update("p", &[("code", "'c5x'"), ("id", "55")], "id = 5"),
            Insert("cas", "id, p", "VALUES (100, 33)"),
            Insert("cas", "id, p", "VALUES (101, 3)"),
            Update("p", &[("id", "333"), ("code", "'c3'")], "id = 33"),
            Delete("tree", "id = 3"),
            Delete("tree", "id IN (4, 8)"),
            Insert("full", "id, p, n", "VALUES (50, 6, NULL)"),
            Insert("full", "id, p, n", "VALUES (51, NULL, NULL)"),
            Insert("full", "id, p, n", "VALUES (52, 6, 7)"),
            Delete("p", "id = 9"),
            Update("p", &[("id", "99"), ("code", "'c99'")], "id = 9"),
            Update("p", &[("x", "0")], "id = 9"),
            Delete("p", "id = 1"),
            Delete("part", "p = 6"),
            Delete("p", "id IN (6, 7)"),
        ],
    )
    .await;
}

#[tokio::test]
async fn several_keys_at_once_are_refused_where_others_follow() {
    let setup = setup("several", ACTIONS).await;
    setup.draft(&["p"]).await.unwrap();
    let agent = setup.agent("s").await;
    let got = agent
        .update("p", &[("id", "a.id + 100")], "id IN (3, 4)")
        .await
        .unwrap_err();
    assert_eq!(told(&got).code, "0A000");
    assert!(got.as_db_error().unwrap().hint().is_some());
    let got = agent
        .update("p", &[("id", "33")], "id = 3")
        .await
        .unwrap_err();
    assert_eq!(
        told(&got).detail.unwrap(),
        "Key (id)=(3) is followed by table \"cas\", and \"p_code_key\" stays the same."
    );
    agent.delete("p", "id IN (3, 4)").await.unwrap();
}

#[tokio::test]
async fn orders_that_need_another_way() {
    let script = r#"
        CREATE SCHEMA app;
        CREATE TABLE app.a (id int PRIMARY KEY, u text UNIQUE);
        CREATE TABLE app.b (id int PRIMARY KEY, a int REFERENCES app.a ON DELETE CASCADE);
        CREATE TABLE app.x (id int PRIMARY KEY, y int);
        CREATE TABLE app.y (id int PRIMARY KEY, x int REFERENCES app.x);
        ALTER TABLE app.x ADD FOREIGN KEY (y) REFERENCES app.y;
        INSERT INTO app.a VALUES (1, 'one'), (2, 'two'), (3, 'three'); INSERT INTO app.b VALUES (1, 1), (2, 1);
    "#;
    // Two rows swap a unique value; a value is freed and used again; a child is saved from a
    // CASCADE; two tables refer to one another.
    same(
        "ways",
        script,
        &[
            Update("a", &[("u", "'tmp'")], "id = 2"),
            Update("a", &[("u", "'two'")], "id = 3"),
            Update("a", &[("u", "'three'")], "id = 2"),
        ],
    )
    .await;
    same(
        "ways",
        script,
        &[
            Insert("a", "id, u", "VALUES (9, 'nine')"),
            Update("b", &[("a", "9")], "id = 1"),
            Delete("a", "id = 1"),
            Insert("a", "id, u", "VALUES (10, 'one')"),
        ],
    )
    .await;
    same(
        "ways",
        script,
        &[
            Insert("x", "id", "VALUES (1)"),
            Insert("y", "id, x", "VALUES (1, 1)"),
            Update("x", &[("y", "1")], "id = 1"),
            Insert("x", "id, y", "VALUES (2, 1)"),
        ],
    )
    .await;
    same(
        "ways",
        script,
        &[
            Delete("a", "id = 2"),
            Insert("a", "id, u", "VALUES (20, 'two')"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_diff_is_net() {
    let setup = setup("diff", SHOP).await;
    setup.draft(&["dept", "badge"]).await.unwrap();
    let agent = setup.agent("s").await;
    let before = content(&setup.database);
    agent
        .update("dept", &[("budget", "5"), ("name", "'x'")], "id = 1")
        .await
        .unwrap();
    agent
        .update("dept", &[("name", "'d1'")], "id = 1")
        .await
        .unwrap();
    agent
        .update("dept", &[("name", "'y'")], "id = 2")
        .await
        .unwrap();
    agent
        .update("dept", &[("name", "'d2'")], "id = 2")
        .await
        .unwrap();
    agent
        .insert("dept", "id, name", "VALUES (50, 'gone'), (51, 'stays')")
        .await
        .unwrap();
    agent.delete("dept", "id = 50").await.unwrap();
    agent.delete("badge", "emp_id = 1").await.unwrap();
    agent.delete("badge", "emp_id = 2").await.unwrap();
    agent
        .insert("badge", "emp_id, label", "VALUES (2, 'l0')")
        .await
        .unwrap();
    let rows = setup
        .control
        .diff("s", &DiffFilter::default())
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    let row = |operation: &str,
               table: &str,
               diff_type,
               key: &str,
               from: Option<&str>,
               to: Option<&str>,
               changed: &[&str]| DiffRow {
        operation: operation.into(),
        schema: "app".into(),
        table: table.into(),
        diff_type,
        primary_key: key.into(),
        from: from.map(Into::into),
        to: to.map(Into::into),
        changed_columns: changed.iter().map(|c| (*c).into()).collect(),
    };
    assert_eq!(
        rows,
        [
            row(
                "op-7",
                "badge",
                DiffType::Removed,
                r#"{"label": "l1", "emp_id": 1}"#,
                Some(r#"{"n": 1, "label": "l1", "emp_id": 1}"#),
                None,
                &["emp_id", "label", "n"]
            ),
            row(
                "op-2",
                "dept",
                DiffType::Modified,
                r#"{"id": 1}"#,
                Some(r#"{"id": 1, "name": "d1", "budget": 1000.00}"#),
                Some(r#"{"id": 1, "name": "d1", "budget": 5.00}"#),
                &["budget"]
            ),
            row(
                "op-5",
                "dept",
                DiffType::Added,
                r#"{"id": 51}"#,
                None,
                Some(r#"{"id": 51, "name": "stays", "budget": 1000.00}"#),
                &["id", "name", "budget"]
            ),
        ]
    );
    let only = setup
        .control
        .diff(
            "s",
            &DiffFilter {
                table: Some(setup.relation("badge").id),
                ..DiffFilter::default()
            },
        )
        .await
        .unwrap();
    assert_eq!(only.collect().await.unwrap().len(), 1);
    // Dropped half-way it harms nobody.
    let mut half = setup
        .control
        .diff("s", &DiffFilter::default())
        .await
        .unwrap();
    half.next().await.unwrap().unwrap();
    drop(half);
    let summary = &setup.control.sessions().await.unwrap()[0];
    assert_eq!(
        (summary.tables, summary.rows, summary.operations),
        (2, 5, 9)
    );
    let discarded = setup.control.discard("s", "robot").await.unwrap();
    assert_eq!((discarded.rows, discarded.tables), (5, 2));
    assert_eq!(before, content(&setup.database));
    assert_no_rows(&setup).await;
    let got = setup
        .control
        .diff("s", &DiffFilter::default())
        .await
        .unwrap_err()
        .report();
    assert_eq!(
        (got.code.as_str(), got.message.as_str()),
        ("ZD002", "session is already discarded")
    );
    assert_eq!(
        setup
            .control
            .commit("s", "x")
            .await
            .unwrap_err()
            .report()
            .code,
        "ZD002"
    );
    assert_eq!(
        setup
            .control
            .commit("t", "x")
            .await
            .unwrap_err()
            .report()
            .code,
        "ZD003"
    );
}

#[tokio::test]
async fn rows_that_production_changed_stop_a_commit() {
    let setup = setup("conflict", SHOP).await;
    setup.draft(&["dept", "emp", "badge"]).await.unwrap();
    let agent = setup.agent("s").await;
    agent
        .update("dept", &[("budget", "5")], "id IN (1, 2)")
        .await
        .unwrap();
    agent
        .insert("dept", "id, name", "VALUES (70, 'mine')")
        .await
        .unwrap();
    agent.delete("badge", "emp_id IN (1, 2, 3)").await.unwrap();
    agent.delete("badge", "true").await.unwrap();
    agent.delete("dept", "id = 5").await.unwrap();
    setup
        .production
        .batch_execute(
            "
        UPDATE app.dept SET name = 'D1' WHERE id = 1; INSERT INTO app.dept VALUES (70, 'theirs');
        UPDATE app.dept SET budget = budget WHERE id = 2;
        DELETE FROM app.badge WHERE emp_id = 2; UPDATE app.badge SET n = 7 WHERE emp_id = 3;
        INSERT INTO app.emp (id, name, dept_id) VALUES (900, 'late', 5)",
        )
        .await
        .unwrap();
    let before = content(&setup.database);
    let error = setup.control.commit("s", "alice").await.unwrap_err();
    let ControlError::Conflict { count, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(*count, 3);
    let report = error.report();
    assert_eq!(
        (report.code.as_str(), report.message.as_str()),
        ("ZD001", "the draft has 3 conflicts with production")
    );
    let lines: Vec<String> = report.detail.unwrap().lines().map(str::to_owned).collect();
    assert_eq!(
        lines,
        [
            // Another column of row 1 is no conflict, nor is a row that both removed.
            "app.dept (id)=(70): a row with this key appeared in production.",
            "app.emp (id)=(900): the row appeared in production and refers to one that the draft removes or changes (\"emp_dept_id_fkey\"): TAKE THEIRS leaves that one as production has it, or remove or change this one in the draft too.",
            "app.badge (emp_id, label)=(3, l1): the row was changed in production and the draft removes it.",
        ]
    );
    assert!(report.hint.is_some());
    assert_eq!(before, content(&setup.database));
    // The session is as before and can go on.
    setup.production.batch_execute("
        UPDATE app.dept SET name = 'd1' WHERE id = 1; DELETE FROM app.dept WHERE id = 70; DELETE FROM app.emp WHERE id = 900;
        INSERT INTO app.badge VALUES (2, 'l0', 1); UPDATE app.badge SET n = 1 WHERE emp_id = 3").await.unwrap();
    let done = setup.control.commit("s", "alice").await.unwrap();
    assert_eq!(done.rows(), 2 + 1 + 10 + 1 + 8);
}

#[tokio::test]
async fn many_conflicts_are_counted_and_some_are_named() {
    let setup = setup("conflicts", "CREATE SCHEMA app; CREATE TABLE app.t (id int PRIMARY KEY, v int); INSERT INTO app.t SELECT g, g FROM generate_series(1, 100) g").await;
    setup.draft(&["t"]).await.unwrap();
    let agent = setup.agent("s").await;
    agent.update("t", &[("v", "0")], "true").await.unwrap();
    setup
        .production
        .batch_execute("UPDATE app.t SET v = -1")
        .await
        .unwrap();
    let report = setup
        .control
        .commit("s", "alice")
        .await
        .unwrap_err()
        .report();
    assert_eq!(
        report.message,
        "the draft has 100 conflicts with production"
    );
    let detail = report.detail.unwrap();
    assert_eq!(detail.lines().count(), 21);
    assert!(detail.ends_with("And 80 more."));
}

#[tokio::test]
async fn triggers_of_production_fire_at_commit_and_know_who() {
    let script = "
        CREATE SCHEMA app; CREATE TABLE app.t (id serial PRIMARY KEY, v int, w int, seen text);
        CREATE TABLE app.audit (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text, who text, session text);
        CREATE FUNCTION app.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO app.audit (what, who, session) VALUES (TG_OP || ' ' || TG_NAME || ' ' || coalesce(NEW.id, OLD.id), current_setting('pgdraft.committed_by', true), current_setting('pgdraft.session', true));
            RETURN NULL; END $$;
        CREATE FUNCTION app.seen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.seen := 'seen'; RETURN NEW; END $$;
        CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON app.t FOR EACH ROW EXECUTE FUNCTION app.note();
        CREATE TRIGGER of_w AFTER UPDATE OF w ON app.t FOR EACH ROW EXECUTE FUNCTION app.note();
        CREATE TRIGGER seen BEFORE INSERT OR UPDATE ON app.t FOR EACH ROW EXECUTE FUNCTION app.seen();
        ALTER TABLE app.t DISABLE TRIGGER note; ALTER TABLE app.t DISABLE TRIGGER of_w;
        INSERT INTO app.t (v, w) SELECT g, g FROM generate_series(1, 4) g;
        ALTER TABLE app.t ENABLE TRIGGER note; ALTER TABLE app.t ENABLE TRIGGER of_w";
    let setup = setup("triggers", script).await;
    setup.draft(&["t"]).await.unwrap();
    let agent = setup.agent("s").await;
    agent.update("t", &[("v", "0")], "id = 1").await.unwrap();
    agent.update("t", &[("w", "0")], "id = 2").await.unwrap();
    agent.delete("t", "id = 3").await.unwrap();
    agent.insert("t", "v", "VALUES (9)").await.unwrap();
    assert_eq!(setup.base("audit").await.len(), 0);
    setup.control.commit("s", "alice").await.unwrap();
    let audit: Vec<String> = setup
        .base("audit")
        .await
        .iter()
        .map(|r| r.split_once(',').unwrap().1.to_owned())
        .collect();
    assert_eq!(
        audit,
        [
            "\"INSERT note 5\",alice,s)",
            "\"UPDATE note 1\",alice,s)",
            "\"UPDATE note 2\",alice,s)",
            "\"UPDATE of_w 2\",alice,s)",
            "\"DELETE note 3\",alice,s)",
        ]
        .map(str::to_owned)
    );
    assert!(setup.base("t").await.contains(&"(5,9,,seen)".to_owned()));
}

#[tokio::test]
async fn a_trigger_that_keeps_rows_away_stops_the_commit() {
    let setup = setup("kept", "
        CREATE SCHEMA app; CREATE TABLE app.t (id int PRIMARY KEY, v int); INSERT INTO app.t VALUES (1, 1), (2, 2);
        CREATE FUNCTION app.no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER no BEFORE UPDATE ON app.t FOR EACH ROW WHEN (NEW.id = 1) EXECUTE FUNCTION app.no();
        CREATE FUNCTION app.boom() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not you' USING ERRCODE = 'P0009', DETAIL = 'd', HINT = 'h'; END $$;
        CREATE TRIGGER boom BEFORE DELETE ON app.t FOR EACH ROW EXECUTE FUNCTION app.boom();").await;
    setup.draft(&["t"]).await.unwrap();
    let agent = setup.agent("s").await;
    agent.update("t", &[("v", "0")], "true").await.unwrap();
    let report = setup
        .control
        .commit("s", "alice")
        .await
        .unwrap_err()
        .report();
    assert_eq!(
        (report.code.as_str(), report.message.as_str()),
        ("09000", "1 of 2 rows of table \"t\" were written")
    );
    setup.control.discard("s", "alice").await.unwrap();
    let agent = setup.agent("s2").await;
    agent.delete("t", "true").await.unwrap();
    let report = setup
        .control
        .commit("s2", "alice")
        .await
        .unwrap_err()
        .report();
    assert_eq!(
        (report.code.as_str(), report.message.as_str()),
        ("P0009", "not you")
    );
    assert_eq!(
        (report.detail.as_deref(), report.hint.as_deref()),
        (Some("d"), Some("h"))
    );
    assert_eq!(setup.base("t").await, ["(1,1)", "(2,2)"]);
}

#[tokio::test]
async fn locks_that_are_not_free_are_told() {
    let setup = setup("locked", SHOP).await;
    setup.draft(&["dept"]).await.unwrap();
    let agent = setup.agent("s").await;
    agent.transaction("BEGIN").await;
    agent
        .update("dept", &[("budget", "5")], "id = 1")
        .await
        .unwrap();
    for got in [
        setup.control.commit("s", "a").await.unwrap_err(),
        setup.control.discard("s", "a").await.unwrap_err(),
    ] {
        assert_eq!(
            (got.report().code.as_str(), got.report().message.as_str()),
            ("55P03", "session \"s\" is busy")
        );
    }
    agent.transaction("COMMIT").await;
    setup
        .production
        .batch_execute("BEGIN; UPDATE app.dept SET name = name WHERE id = 1")
        .await
        .unwrap();
    let got = setup.control.commit("s", "a").await.unwrap_err().report();
    assert_eq!(
        (got.code.as_str(), got.message.as_str()),
        (
            "55P03",
            "rows of table \"dept\" are locked by another transaction (3 attempts)"
        )
    );
    setup.production.batch_execute("ROLLBACK").await.unwrap();
    setup.control.commit("s", "a").await.unwrap();
}

#[tokio::test]
async fn a_hundred_thousand_rows() {
    let script = "
        CREATE SCHEMA app; CREATE TABLE app.p (id int PRIMARY KEY);
        CREATE TABLE app.t (id int PRIMARY KEY, u int UNIQUE, p int REFERENCES app.p, v text);
        CREATE TABLE app.c (id int PRIMARY KEY, t int REFERENCES app.t ON DELETE CASCADE); CREATE INDEX ON app.c (t);
        INSERT INTO app.p SELECT generate_series(1, 1000);
        INSERT INTO app.t SELECT g, g, 1 + g % 1000, 'v' FROM generate_series(1, 100000) g;
        INSERT INTO app.c SELECT g, g FROM generate_series(1, 100000) g; ANALYZE app.t; ANALYZE app.c;";
    let (_, done) = same(
        "large",
        script,
        &[
            Update("t", &[("v", "'w'")], "id = 1"),
            Update(
                "t",
                &[("u", "a.u + 1000000"), ("v", "a.v || a.id::text")],
                "true",
            ),
            Update("t", &[("p", "1 + (a.p + 1) % 1000")], "true"),
            Delete("t", "id > 50000"),
            Insert(
                "t",
                "id, u, p",
                "SELECT g, g, 1 FROM generate_series(200001, 300000) g",
            ),
        ],
    )
    .await;
    assert_eq!(done.rows(), 100_000 + 50_000 + 100_000);
}

/// What updates change is judged from rows at both ends of a draft; here those between are other ones.
#[tokio::test]
async fn rows_in_the_middle_change_other_columns() {
    let script = "CREATE SCHEMA app; CREATE TABLE app.t (a int, b text, v text, w int DEFAULT 0, PRIMARY KEY (b, a));
        INSERT INTO app.t SELECT g, 'k' || g % 3, 'v' FROM generate_series(1, 3000) g; ANALYZE app.t;";
    let (_, done) = same(
        "middle",
        script,
        &[
            Update("t", &[("v", "a.v || '!'")], "a < 2999"),
            Update("t", &[("v", "'v'"), ("w", "7")], "a % 1000 = 500"),
            Update("t", &[("v", "'v'")], "a % 1000 = 600"),
        ],
    )
    .await;
    assert_eq!(done.rows(), 2998 - 3);
}
