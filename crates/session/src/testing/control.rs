//! A control plane for one hand-made head.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use catalog::{
    Catalog, Column, DraftTableId, Generated, Head, Identity as ColumnIdentity, Key, Relation,
    RelationId, RelationKind, SessionId,
};
use report::Report;

use super::cluster::{Cluster, psql};
use crate::api::{
    AdminCommand, Answer, AnswerColumn, ControlPlane, Identity, OpenedSession, SessionState,
};
use crate::shared::lock;

/// A plain table of text columns, the first of which is an integer key.
pub(crate) fn relation(id: u32, schema: &str, name: &str, columns: &[&str]) -> Relation {
    let type_of = |name: &str| {
        if matches!(name, "id" | "qty") {
            (23, "integer")
        } else {
            (25, "text")
        }
    };
    let column = |(index, name): (usize, &&str)| Column {
        number: i16::try_from(index + 1).unwrap(),
        name: (*name).to_owned(),
        type_id: type_of(name).0,
        type_modifier: -1,
        type_name: type_of(name).1.to_owned(),
        declared: type_of(name).1.to_owned(),
        collation: None,
        not_null: index == 0,
        default: None,
        generated: Generated::No,
        identity: ColumnIdentity::No,
        sequence: None,
        base_type: None,
        definer_default: false,
    };
    Relation {
        id: RelationId(id),
        schema: schema.to_owned(),
        name: name.to_owned(),
        kind: RelationKind::Table,
        columns: columns.iter().enumerate().map(column).collect(),
        primary_key: Some(Key {
            name: format!("{name}_pkey"),
            columns: vec!["id".to_owned()],
            special: false,
            operators: vec!["pg_catalog.=".to_owned()],
            ..Key::default()
        }),
        fingerprint: "f".to_owned(),
        ..Relation::default()
    }
}

/// The control plane.
pub(crate) struct FakeControl {
    port: u16,
    database: String,
    catalog: Mutex<Arc<Catalog>>,
    /// Commands that ran.
    pub(crate) ran: Mutex<Vec<String>>,
}

const ORDERS: [&str; 3] = ["id", "name", "qty"];

impl FakeControl {
    /// For a database with the contents of `draft.sql`; `orders` has no head in the catalog yet.
    pub(crate) fn new(cluster: &Cluster, database: &str) -> Self {
        let number = |name: &str| {
            let sql = format!("SELECT '{name}'::regclass::oid");
            cluster.psql(database, &sql).trim().parse::<u32>().unwrap()
        };
        let mut catalog = Catalog {
            epoch: 1,
            server_version: 150_018,
            ..Catalog::default()
        };
        for relation in [
            relation(number("orders"), "public", "orders", &ORDERS),
            relation(number("plain"), "public", "plain", &["id", "v"]),
        ] {
            let names = catalog.names.entry("public".to_owned()).or_default();
            names.insert(relation.name.clone(), relation.id);
            catalog.relations.insert(relation.id, Arc::new(relation));
        }
        for name in [
            "generate_series",
            "pg_backend_pid",
            "set_config",
            "pg_sleep",
            "count",
            "current_setting",
        ] {
            let function = catalog::Function {
                schema: "pg_catalog".to_owned(),
                name: name.to_owned(),
                volatility: catalog::Volatility::Immutable,
                security_definer: false,
                language: "internal".to_owned(),
                extension: false,
                aggregate: false,
                rows: false,
                source: None,
                body: None,
                types: Vec::new(),
            };
            catalog.functions.insert(name.to_owned(), vec![function]);
        }
        let database = database.to_owned();
        let catalog = Mutex::new(Arc::new(catalog));
        Self {
            port: cluster.port,
            database,
            catalog,
            ran: Mutex::default(),
        }
    }
}

#[async_trait]
impl ControlPlane for FakeControl {
    fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&lock(&self.catalog))
    }

    async fn refresh_catalog(&self) -> Result<Arc<Catalog>, Report> {
        Ok(self.catalog())
    }

    async fn open_session(
        &self,
        name: &str,
        agent: &str,
        create: bool,
    ) -> Result<Option<OpenedSession>, Report> {
        if create {
            let sql = format!(
                "INSERT INTO pgdraft.sessions (name, agent) VALUES ('{name}', '{agent}') ON CONFLICT DO NOTHING"
            );
            psql(self.port, &self.database, &sql);
        }
        let sql = format!(
            "SELECT sid, state, (SELECT count(*) FROM pgdraft.d7 h WHERE h.pgdraft_sid = s.sid) \
             FROM pgdraft.sessions s WHERE name = '{name}'"
        );
        let row = psql(self.port, &self.database, &sql);
        let Some((sid, rest)) = row.trim().split_once('|') else {
            return Ok(None);
        };
        let (state, rows) = rest.split_once('|').unwrap();
        let rows: u64 = rows.parse().unwrap();
        let orders = self.catalog().relation("public", "orders").unwrap().id;
        Ok(Some(OpenedSession {
            sid: SessionId(sid.parse().unwrap()),
            state: if state == "open" {
                SessionState::Open
            } else {
                SessionState::Discarded
            },
            touched: if rows > 0 {
                vec![(orders, rows)]
            } else {
                Vec::new()
            },
            truncated: Vec::new(),
            sequences: false,
        }))
    }

    async fn draft_tables(&self, tables: &[RelationId]) -> Result<Arc<Catalog>, Report> {
        let mut catalog = lock(&self.catalog);
        let mut new = catalog.as_ref().clone();
        for table in tables {
            let relation = Arc::clone(new.relations.get(table).unwrap());
            if relation.name != "orders" {
                return Err(
                    Report::error("0A000", "this table cannot be drafted").hint("take orders")
                );
            }
            let head = Head {
                stuck: None,
                id: DraftTableId(7),
                relation: *table,
                name: ("public".to_owned(), "orders".to_owned()),
                fingerprint: "f".to_owned(),
                constraints: HashMap::from([("d7_pkey".to_owned(), "orders_pkey".to_owned())]),
                cascades: Vec::new(),
            };
            new.heads.insert(*table, Arc::new(head));
        }
        new.epoch += 1;
        *catalog = Arc::new(new);
        Ok(Arc::clone(&catalog))
    }

    fn token(&self, sid: SessionId, upstream_pid: i32) -> String {
        format!("{}.{upstream_pid}.mac", sid.0)
    }

    fn recognise(&self, text: &str) -> Option<AdminCommand> {
        let text = text.trim().trim_end_matches(';');
        let upper = text.to_ascii_uppercase();
        let column = |name: &str, type_id| AnswerColumn {
            name: name.to_owned(),
            type_id,
        };
        let columns = match upper.split(' ').take(2).collect::<Vec<_>>().as_slice() {
            ["SHOW", "SESSIONS"] => vec![column("session", 25), column("changes", 20)],
            ["DISCARD" | "COMMIT", "SESSION"] => Vec::new(),
            _ => return None,
        };
        Some(AdminCommand {
            text: text.to_owned(),
            columns,
            changes: !upper.starts_with("SHOW"),
        })
    }

    async fn admin(
        &self,
        who: &Identity,
        own_session: Option<&str>,
        command: &AdminCommand,
        (progress, _): (&tokio::sync::mpsc::Sender<Report>, &tokio::sync::Notify),
    ) -> Result<Answer, Report> {
        let told = Report::error("00000", "half of it is done");
        progress.try_send(told).unwrap_or_default();
        lock(&self.ran).push(command.text.clone());
        if command.text.to_ascii_uppercase().starts_with("SHOW") {
            let name = own_session.unwrap_or(&who.name).to_owned();
            return Ok(Answer {
                columns: command.columns.clone(),
                rows: vec![vec![Some(name), Some("3".to_owned())]],
                tag: "SHOW".to_owned(),
                notices: Vec::new(),
            });
        }
        if command.text.to_ascii_uppercase().starts_with("COMMIT") {
            return Err(Report::error("42501", "an agent may not commit").hint("Ask a reviewer."));
        }
        let name = own_session.unwrap_or_default();
        let sql = format!(
            "UPDATE pgdraft.sessions SET state = 'discarded' WHERE name = '{name}';
             DELETE FROM pgdraft.d7 WHERE pgdraft_sid = (SELECT sid FROM pgdraft.sessions WHERE name = '{name}')"
        );
        psql(self.port, &self.database, &sql);
        Ok(Answer {
            tag: "DISCARD SESSION".to_owned(),
            ..Answer::default()
        })
    }
}
