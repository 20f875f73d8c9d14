//! An agent's connection as the data plane makes it, with rewritten statements in the shapes of
//! the contract.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ::catalog::{Relation, SessionId, quote_identifier, quote_literal};
use tokio_postgres::Client;

use super::cluster::{Database, connect};
use crate::{Control, ControlError, Options, Target};

/// A database with pgdraft in it.
pub(crate) struct Setup {
    pub(crate) database: Database,
    pub(crate) control: Control,
    /// A superuser's connection: production.
    pub(crate) production: Client,
}

/// Makes a database from a script and installs pgdraft.
pub(crate) async fn setup(label: &str, script: &str) -> Setup {
    let database = Database::new(label).await;
    let production = database.superuser().await;
    production.batch_execute(script).await.unwrap();
    store::install(&production, &store::InstallOptions::default())
        .await
        .unwrap();
    let control = Control::connect(target(&database), options())
        .await
        .unwrap();
    Setup {
        database,
        control,
        production,
    }
}

pub(crate) fn target(database: &Database) -> Target {
    Target::parse(&format!(
        "postgres://postgres@127.0.0.1:{}/{}?sslmode=disable",
        database.config("postgres").get_ports()[0],
        database.name
    ))
    .unwrap()
}

pub(crate) fn options() -> Options {
    Options {
        lock_timeout: std::time::Duration::from_millis(500),
        history: std::time::Duration::ZERO,
        ..Options::default()
    }
}

/// SQLSTATE and the fields of an error that clients look at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) detail: Option<String>,
    pub(crate) constraint: Option<String>,
    pub(crate) table: Option<String>,
    pub(crate) schema: Option<String>,
}

/// What PostgreSQL says, field by field.
pub(crate) fn told(error: &tokio_postgres::Error) -> Told {
    let error = error.as_db_error().unwrap();
    Told {
        code: error.code().code().into(),
        message: error.message().into(),
        detail: error.detail().map(Into::into),
        constraint: error.constraint().map(Into::into),
        table: error.table().map(Into::into),
        schema: error.schema().map(Into::into),
    }
}

pub(crate) struct Agent {
    pub(crate) client: Client,
    pub(crate) sid: SessionId,
    control: Control,
    /// In a transaction of the test's own.
    inside: AtomicBool,
}

impl Setup {
    pub(crate) fn relation(&self, name: &str) -> Arc<Relation> {
        let catalog = self.control.catalog();
        let (schema, name) = name.split_once('.').unwrap_or(("app", name));
        Arc::clone(catalog.relation(schema, name).unwrap())
    }

    pub(crate) async fn draft(&self, tables: &[&str]) -> Result<(), ControlError> {
        let ids: Vec<_> = tables.iter().map(|t| self.relation(t).id).collect();
        let catalog = self.control.draft_tables(&ids).await?;
        let reached: BTreeSet<_> = catalog
            .heads
            .values()
            .flat_map(|h| h.cascades.clone())
            .collect();
        let reached: Vec<_> = reached.into_iter().collect();
        self.control.draft_tables(&reached).await.map(|_| ())
    }

    /// A connection of that session, opened by an agent named `robot`.
    pub(crate) async fn agent(&self, session: &str) -> Agent {
        let opened = self.control.open_session(session, "robot", true).await;
        let sid = opened.unwrap().unwrap().sid;
        let client = self.raw_agent().await;
        let pid: i32 = client
            .query_one("SELECT pg_backend_pid()", &[])
            .await
            .unwrap()
            .get(0);
        let token = self.control.token(sid, pid);
        client
            .execute("SELECT pgdraft.bind($1)", &[&token])
            .await
            .unwrap();
        Agent {
            client,
            sid,
            control: self.control.clone(),
            inside: AtomicBool::new(false),
        }
    }

    /// The agent role without a session.
    pub(crate) async fn raw_agent(&self) -> Client {
        let target = self.control.agent_target();
        let secret = store::Secret::load(&self.production).await.unwrap();
        let mut config = self.database.config(target.user());
        config.password(secret.agent_password());
        connect(&config).await.unwrap()
    }

    /// All rows of a base table as production has them.
    pub(crate) async fn base(&self, table: &str) -> Vec<String> {
        rows(&self.production, &self.relation(table).qualified()).await
    }
}

/// All rows of a FROM item, sorted.
pub(crate) async fn rows(client: &Client, from: &str) -> Vec<String> {
    let text = format!("SELECT t::text FROM {from} AS t ORDER BY 1");
    let rows = client.query(&text, &[]).await.unwrap();
    rows.iter().map(|r| r.get(0)).collect()
}

/// Shapes of rewritten statements.
impl Agent {
    fn find(&self, table: &str) -> (Arc<Relation>, String) {
        let catalog = self.control.catalog();
        let (schema, name) = table.split_once('.').unwrap_or(("app", table));
        let relation = catalog.relation(schema, name).unwrap();
        let head = catalog.head(relation.id).unwrap();
        (Arc::clone(relation), head.table())
    }

    /// The merged read, form F; the last key column is copied.
    pub(crate) fn merged(&self, table: &str) -> String {
        let (relation, head) = self.find(table);
        let sid = self.sid.0;
        let list = |alias: &str| {
            let names = relation
                .columns
                .iter()
                .map(|c| format!("{alias}.{}", quote_identifier(&c.name)));
            names.collect::<Vec<_>>().join(", ")
        };
        let key = &relation.primary_key.as_ref().unwrap().columns;
        let (last, first) = key.split_last().unwrap();
        let last = quote_identifier(last);
        let mut same: Vec<String> = first
            .iter()
            .map(|c| format!("s.{0} = m.{0}", quote_identifier(c)))
            .collect();
        same.push(format!("s.{last} = m.pgdraft_key"));
        format!(
            "(SELECT {}, m.pgdraft_new FROM (SELECT {}, {sid}::bigint AS pgdraft_sid, true AS pgdraft_live, false AS pgdraft_new, CASE WHEN b.{last} IS NOT NULL THEN b.{last} END AS pgdraft_key FROM {} b UNION ALL SELECT {}, h.pgdraft_sid, h.pgdraft_live, h.pgdraft_new, NULL FROM {head} h) m WHERE m.pgdraft_sid = {sid} AND m.pgdraft_live AND NOT EXISTS (SELECT 1 FROM {head} s WHERE s.pgdraft_sid = {sid} AND {}))",
            list("m"),
            list("b"),
            relation.qualified(),
            list("h"),
            same.join(" AND ")
        )
    }

    /// What the session sees of a table, sorted, without our columns.
    pub(crate) async fn sees(&self, table: &str) -> Vec<String> {
        let (relation, _) = self.find(table);
        let names: Vec<String> = relation
            .columns
            .iter()
            .map(|c| quote_identifier(&c.name))
            .collect();
        rows(
            &self.client,
            &format!(
                "(SELECT {} FROM {} q)",
                names.join(", "),
                self.merged(table)
            ),
        )
        .await
    }

    /// Opens a write on a table and those it cascades to.
    pub(crate) async fn begin_write(
        &self,
        operation: Option<&str>,
        statement: &str,
        table: &str,
    ) -> Result<i64, tokio_postgres::Error> {
        let catalog = self.control.catalog();
        let (relation, _) = self.find(table);
        let head = catalog.head(relation.id).unwrap();
        let mut tables = vec![head.id.0];
        tables.extend(head.cascades.iter().map(|id| catalog.heads[id].id.0));
        let row = self
            .client
            .query_one(
                "SELECT pgdraft.begin_write($1, $2, $3)",
                &[&operation, &statement, &tables],
            )
            .await?;
        row.try_get(0)
    }

    /// BEGIN, and later COMMIT or ROLLBACK.
    pub(crate) async fn transaction(&self, word: &str) {
        self.inside.store(word == "BEGIN", Ordering::Relaxed);
        self.client.batch_execute(word).await.unwrap();
    }

    /// One rewritten statement in a transaction of its own.
    async fn run(
        &self,
        text: &str,
        original: &str,
        table: &str,
    ) -> Result<u64, tokio_postgres::Error> {
        let alone = !self.inside.load(Ordering::Relaxed);
        if alone {
            self.client.batch_execute("BEGIN").await?;
        }
        let outcome = async {
            self.begin_write(None, original, table).await?;
            self.client.execute(text, &[]).await
        }
        .await;
        if alone {
            let end = if outcome.is_ok() {
                "COMMIT"
            } else {
                "ROLLBACK"
            };
            self.client.batch_execute(end).await?;
        }
        outcome
    }

    pub(crate) async fn insert(
        &self,
        table: &str,
        columns: &str,
        source: &str,
    ) -> Result<u64, tokio_postgres::Error> {
        let (relation, head) = self.find(table);
        let key = relation.primary_key.as_ref().unwrap();
        let names: Vec<String> = key.columns.iter().map(|c| quote_identifier(c)).collect();
        let values: Vec<String> = names.iter().map(|c| format!("h.{c}")).collect();
        let detail = format!(
            "concat({}, {}, ') already exists.')",
            quote_literal(&format!("Key ({})=(", key.columns.join(", "))),
            values.join(", ', ', ")
        );
        let updates: String = relation
            .writable()
            .filter(|c| !key.columns.contains(&c.name))
            .map(|c| format!(", {0} = EXCLUDED.{0}", quote_identifier(&c.name)))
            .collect();
        let columns = if columns.is_empty() {
            String::new()
        } else {
            format!("({columns})")
        };
        let text = format!(
            "INSERT INTO {head} AS h {columns} {source} ON CONFLICT (pgdraft_sid, {}) DO UPDATE SET pgdraft_op = EXCLUDED.pgdraft_op, pgdraft_live = pgdraft.dup_guard(h.pgdraft_live, {}, {}, {}, {detail}){updates}",
            names.join(", "),
            quote_literal(&relation.schema),
            quote_literal(&relation.name),
            quote_literal(&key.name),
        );
        self.run(
            &text,
            &format!("INSERT INTO {table} {columns} {source}"),
            table,
        )
        .await
    }

    pub(crate) async fn update(
        &self,
        table: &str,
        sets: &[(&str, &str)],
        condition: &str,
    ) -> Result<u64, tokio_postgres::Error> {
        let (relation, head) = self.find(table);
        let key = relation.primary_key.as_ref().unwrap();
        if sets.iter().any(|(c, _)| key.columns.iter().any(|k| k == c)) {
            return self.move_keys(table, sets, condition).await;
        }
        let q = |c: &::catalog::Column| quote_identifier(&c.name);
        let writable: Vec<_> = relation.writable().collect();
        let list = writable.iter().map(|c| q(c)).collect::<Vec<_>>().join(", ");
        let olds = (0..writable.len())
            .map(|i| format!("o_{i}"))
            .collect::<Vec<_>>()
            .join(", ");
        let select = writable
            .iter()
            .enumerate()
            .map(|(i, c)| {
                let new = sets
                    .iter()
                    .find(|(n, _)| *n == c.name)
                    .map_or(format!("a.{}", q(c)), |(_, e)| {
                        format!("({e})::{}", c.type_name)
                    });
                format!("a.{} AS o_{i}, {new} AS n_{i}", q(c))
            })
            .collect::<Vec<_>>()
            .join(", ");
        let news = (0..writable.len())
            .map(|i| format!("n_{i}"))
            .collect::<Vec<_>>()
            .join(", ");
        let updates: String = writable
            .iter()
            .filter(|c| !key.columns.contains(&c.name))
            .map(|c| format!(", {0} = EXCLUDED.{0}", q(c)))
            .collect();
        let keys = key
            .columns
            .iter()
            .map(|c| quote_identifier(c))
            .collect::<Vec<_>>()
            .join(", ");
        let text = format!(
            "WITH src AS MATERIALIZED (SELECT {select}, a.pgdraft_new FROM {} AS a WHERE {condition}), lg AS (INSERT INTO {log}(pgdraft_kind, {list}) SELECT 'U', {olds} FROM src ON CONFLICT DO NOTHING) INSERT INTO {head} AS h ({list}, pgdraft_live, pgdraft_new) SELECT {news}, true, pgdraft_new FROM src ON CONFLICT (pgdraft_sid, {keys}) DO UPDATE SET pgdraft_op = EXCLUDED.pgdraft_op, pgdraft_moved = false, pgdraft_live = true{updates}",
            self.merged(table),
            log = format_args!("{head}_log"),
        );
        self.run(&text, &format!("UPDATE {table} … WHERE {condition}"), table)
            .await
    }

    /// An UPDATE that changes the primary key: tombstones for the old keys, rows for the new.
    async fn move_keys(
        &self,
        table: &str,
        sets: &[(&str, &str)],
        condition: &str,
    ) -> Result<u64, tokio_postgres::Error> {
        let (relation, head) = self.find(table);
        let key = relation.primary_key.as_ref().unwrap();
        let q = |c: &::catalog::Column| quote_identifier(&c.name);
        let writable: Vec<_> = relation.writable().collect();
        let list = writable.iter().map(|c| q(c)).collect::<Vec<_>>().join(", ");
        let numbered = |p: &str| {
            (0..writable.len())
                .map(|i| format!("{p}_{i}"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let select = writable
            .iter()
            .enumerate()
            .map(|(i, c)| {
                let new = sets
                    .iter()
                    .find(|(n, _)| *n == c.name)
                    .map_or(format!("a.{}", q(c)), |(_, e)| {
                        format!("({e})::{}", c.type_name)
                    });
                format!("a.{} AS o_{i}, {new} AS n_{i}", q(c))
            })
            .collect::<Vec<_>>()
            .join(", ");
        let updates: String = writable
            .iter()
            .filter(|c| !key.columns.contains(&c.name))
            .map(|c| format!(", {0} = EXCLUDED.{0}", q(c)))
            .collect();
        let keys = key
            .columns
            .iter()
            .map(|c| quote_identifier(c))
            .collect::<Vec<_>>()
            .join(", ");
        let text = format!(
            "WITH src AS MATERIALIZED (SELECT {select}, a.pgdraft_new FROM {} AS a WHERE {condition}), lg AS (INSERT INTO {head}_log(pgdraft_kind, {list}) SELECT 'D', {} FROM src ON CONFLICT DO NOTHING), ev AS (SELECT DISTINCT ON ({keys}) * FROM (SELECT {}, true, false, true FROM src UNION ALL SELECT {}, false, true, pgdraft_new FROM src) e ({list}, lv, mv, nw) ORDER BY {keys}, lv DESC) INSERT INTO {head} AS h ({list}, pgdraft_live, pgdraft_moved, pgdraft_new) SELECT {list}, lv, mv, nw FROM ev ON CONFLICT (pgdraft_sid, {keys}) DO UPDATE SET pgdraft_op = EXCLUDED.pgdraft_op, pgdraft_live = EXCLUDED.pgdraft_live, pgdraft_moved = EXCLUDED.pgdraft_moved{updates}",
            self.merged(table),
            numbered("o"),
            numbered("n"),
            numbered("o")
        );
        self.run(&text, &format!("UPDATE {table} … WHERE {condition}"), table)
            .await
    }

    pub(crate) async fn delete(
        &self,
        table: &str,
        condition: &str,
    ) -> Result<u64, tokio_postgres::Error> {
        let (relation, head) = self.find(table);
        let key = relation.primary_key.as_ref().unwrap();
        let list = relation
            .writable()
            .map(|c| quote_identifier(&c.name))
            .collect::<Vec<_>>()
            .join(", ");
        let keys = key
            .columns
            .iter()
            .map(|c| quote_identifier(c))
            .collect::<Vec<_>>()
            .join(", ");
        let text = format!(
            "WITH src AS MATERIALIZED (SELECT a.* FROM {} AS a WHERE {condition}), lg AS (INSERT INTO {head}_log(pgdraft_kind, {list}) SELECT 'D', {list} FROM src ON CONFLICT DO NOTHING) INSERT INTO {head} ({list}, pgdraft_live, pgdraft_new) SELECT {list}, false, pgdraft_new FROM src ON CONFLICT (pgdraft_sid, {keys}) DO UPDATE SET pgdraft_op = EXCLUDED.pgdraft_op, pgdraft_live = false, pgdraft_moved = false",
            self.merged(table)
        );
        self.run(
            &text,
            &format!("DELETE FROM {table} WHERE {condition}"),
            table,
        )
        .await
    }
}
