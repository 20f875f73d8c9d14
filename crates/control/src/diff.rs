//! What a session changed, row by row.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;

use catalog::{Catalog, Relation, RelationId, SessionId};
use draft::Draft;
pub use draft::diff::Kind as DiffType;
use draft::diff::{self, Filter};
use futures::StreamExt;
use store::sessions::{self, Session};
use store::tables;
use tokio_postgres::{GenericClient, IsolationLevel, Row, RowStream, Transaction};

use crate::pool::Pooled;
use crate::sessions::existing;
use crate::{Control, ControlError};

/// Which part of a diff, and how.
#[derive(Debug, Clone, Default)]
pub struct DiffFilter {
    /// One table.
    pub table: Option<RelationId>,
    /// What one operation did.
    pub operation: Option<String>,
    /// What each operation did.
    pub steps: bool,
    /// Rows of one kind.
    pub kind: Option<DiffType>,
    /// The row with this primary key, a text for each of its columns; needs a table.
    pub key: Vec<String>,
    /// At most so many rows.
    pub rows_max: Option<u32>,
    /// Long values too are shown whole.
    pub whole: bool,
}

/// One changed row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiffRow {
    /// The operation that changed it; of a net diff the last one.
    pub operation: String,
    /// Schema of its table.
    pub schema: String,
    /// Its table.
    pub table: String,
    /// What happened to it.
    pub diff_type: DiffType,
    /// JSON object of the key columns.
    pub primary_key: String,
    /// JSON object of the stored columns before; `None` for an added row.
    pub from: Option<String>,
    /// JSON object of the stored columns after; `None` for a removed row.
    pub to: Option<String>,
    /// Columns that differ; all stored columns of an added or removed row.
    pub changed_columns: Vec<String>,
}

/// The rows of a diff as PostgreSQL sends them, by table and key; all of one moment.
pub struct Diff {
    client: Option<Pooled>,
    fingerprint: String,
    /// Rows that may still come.
    left: u32,
    /// Tables still to be read: schema, name, query.
    todo: VecDeque<(String, String, String)>,
    reading: Option<(String, String, Pin<Box<RowStream>>)>,
}

impl std::fmt::Debug for Diff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Diff")
            .field("todo", &self.todo.len())
            .finish_non_exhaustive()
    }
}

impl Control {
    /// The changed rows of a session, in order of schema, table and key. Rows that ended as
    /// they were do not appear.
    ///
    /// # Errors
    /// [`ControlError::NoSuchSession`], [`ControlError::Ended`] where its rows are gone,
    /// [`ControlError::NoSuchOperations`], [`ControlError::BadKey`], [`ControlError::SchemaMoved`],
    /// and what PostgreSQL says.
    pub async fn diff(&self, session: &str, asked: &DiffFilter) -> Result<Diff, ControlError> {
        let catalog = self.refresh_catalog().await?;
        let mut diff = Diff {
            client: Some(self.client().await?),
            fingerprint: String::new(),
            left: asked.rows_max.unwrap_or(u32::MAX),
            todo: VecDeque::new(),
            reading: None,
        };
        let client = diff.client()?;
        let heads = head_numbers(&catalog);
        // A connection that is not brought back by `next` is closed, not reused.
        client
            .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await?;
        let view = View::of(client, &catalog, &heads, session).await?;
        let filter = view.filter(client, asked).await?;
        let mut todo = Vec::new();
        for draft in view.tables(asked.table) {
            check_key(draft, asked)?;
            readable(client, draft.relation, &asked.key).await?;
            todo.push((
                draft.relation.schema.clone(),
                draft.relation.name.clone(),
                diff::rows(draft, view.session.sid, &filter),
            ));
        }
        let fingerprint = fingerprint(client, view.session.sid, &view.drafts).await?;
        diff.todo = todo.into();
        diff.fingerprint = fingerprint;
        Ok(diff)
    }
}

/// One moment of a session.
pub(crate) struct View<'a> {
    pub(crate) session: Session,
    /// By schema and name.
    pub(crate) drafts: Vec<Draft<'a>>,
}

impl<'a> View<'a> {
    /// As a transaction with one snapshot for all sees it.
    pub(crate) async fn of(
        client: &impl GenericClient,
        catalog: &'a Catalog,
        heads: &'a HashMap<RelationId, catalog::DraftTableId>,
        name: &str,
    ) -> Result<Self, ControlError> {
        let session = existing(sessions::find(client, name).await?, name)?;
        if !session.has_rows {
            return Err(ControlError::Ended(Box::new(session)));
        }
        let drafts = session_drafts(client, catalog, heads, session.sid).await?;
        Ok(Self { session, drafts })
    }

    pub(crate) fn tables(&self, only: Option<RelationId>) -> impl Iterator<Item = &Draft<'a>> {
        self.drafts
            .iter()
            .filter(move |d| only.is_none_or(|id| id == d.relation.id))
    }

    /// With the number of the operation.
    pub(crate) async fn filter(
        &self,
        client: &impl GenericClient,
        asked: &DiffFilter,
    ) -> Result<Filter, ControlError> {
        let mut operation = None;
        if let Some(name) = &asked.operation {
            let all = sessions::operations(client, self.session.sid).await?;
            let found = all.into_iter().find(|o| o.name == *name);
            operation = match found {
                Some(found) => Some(found.op),
                None => {
                    return Err(ControlError::NoSuchOperations {
                        session: self.session.name.clone(),
                        operations: vec![name.clone()],
                    });
                }
            };
        }
        Ok(Filter {
            operation,
            steps: asked.steps,
            kind: asked.kind,
            key: asked.key.clone(),
            rows_max: asked.rows_max,
            whole: asked.whole,
        })
    }
}

/// Only with a table, and with as many values as its key has columns.
fn check_key(draft: &Draft<'_>, asked: &DiffFilter) -> Result<(), ControlError> {
    let key = draft.relation.key();
    let columns: &[String] = key.map_or(&[], |k| &k.columns);
    if asked.key.is_empty() || (asked.table.is_some() && columns.len() == asked.key.len()) {
        return Ok(());
    }
    Err(ControlError::BadKey {
        values: asked.key.len(),
        table: asked.table.map(|_| draft.relation.name.clone()),
        columns: columns.to_vec(),
    })
}

/// Each value of a key is one of its column.
pub(crate) async fn readable(
    client: &impl GenericClient,
    relation: &Relation,
    key: &[String],
) -> Result<(), ControlError> {
    if key.is_empty() {
        return Ok(());
    }
    let read = client
        .query_typed(&diff::key_values(relation, key), &[])
        .await;
    read.map_err(|error| {
        let columns = relation.key().map_or(&[][..], |primary| &primary.columns);
        let columns = columns.iter().filter_map(|name| relation.column(name));
        let columns: Vec<String> = columns
            .map(|c| format!("{} {}", c.name, c.type_name))
            .collect();
        ControlError::from(error).unread(|| {
            let columns = columns.join(", ");
            format!("KEY takes one value for each of ({columns}), in this order; a text in quotes is read as the column's type reads it.")
        })
    })?;
    Ok(())
}

/// A transaction that only reads, all at one moment.
pub(crate) async fn reading(client: &mut Pooled) -> Result<Transaction<'_>, ControlError> {
    let begin = client.build_transaction();
    let begin = begin
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true);
    Ok(begin.start().await?)
}

/// Demands that a draft still is what was reviewed.
pub(crate) async fn bound(
    client: &impl GenericClient,
    catalog: &Catalog,
    session: &Session,
    wanted: Option<&str>,
) -> Result<(), ControlError> {
    let Some(wanted) = wanted else { return Ok(()) };
    let heads = head_numbers(catalog);
    let drafts = session_drafts(client, catalog, &heads, session.sid).await?;
    let now = fingerprint(client, session.sid, &drafts).await?;
    if now == wanted {
        return Ok(());
    }
    Err(ControlError::Moved {
        session: session.name.clone(),
        fingerprint: now,
    })
}

/// The drafted tables of a session, by schema and name.
pub(crate) async fn session_drafts<'a>(
    client: &impl GenericClient,
    catalog: &'a Catalog,
    heads: &'a HashMap<RelationId, catalog::DraftTableId>,
    sid: SessionId,
) -> Result<Vec<Draft<'a>>, ControlError> {
    let touched = tables::touched(client, sid).await?;
    let mut drafts = touched
        .into_iter()
        .map(|(_, relation)| drafted(catalog, heads, relation))
        .collect::<Result<Vec<_>, _>>()?;
    drafts.sort_by_key(|d| (&d.relation.schema, &d.relation.name));
    Ok(drafts)
}

/// What stands for everything that a commit of the session, or of some operations of it, would apply.
pub(crate) async fn fingerprint(
    client: &impl GenericClient,
    sid: SessionId,
    drafts: &[Draft<'_>],
) -> Result<String, ControlError> {
    let mut parts = Vec::new();
    for draft in drafts {
        let row = client
            .query_typed_one(&diff::fingerprint(draft, sid), &[])
            .await?;
        let hash: String = row.try_get(0)?;
        parts.push(format!("{} {hash}", draft.relation.qualified()));
    }
    parts.sort();
    parts.extend(store::sequences::states(client, sid).await?);
    Ok(store::short_hash(&parts.join("\n")))
}

impl Diff {
    /// The same as long as the draft does not move; a commit can be bound to it.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The next row; `None` at the end.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub async fn next(&mut self) -> Result<Option<DiffRow>, ControlError> {
        loop {
            if let Some((schema, table, stream)) = &mut self.reading {
                if self.left == 0 {
                    self.todo.clear();
                } else if let Some(row) = stream.next().await {
                    self.left -= u32::from(self.left < u32::MAX);
                    return Ok(Some(diff_row(&row?, schema, table)?));
                }
                self.reading = None;
            }
            let Some((schema, table, text)) = self.todo.pop_front() else {
                let Some(client) = self.client.take() else {
                    return Ok(None);
                };
                if let Err(error) = client.batch_execute("COMMIT").await {
                    client.discard();
                    return Err(error.into());
                }
                return Ok(None);
            };
            let none: [&(dyn tokio_postgres::types::ToSql + Sync); 0] = [];
            let stream = self.client()?.query_raw(&text, none).await?;
            self.reading = Some((schema, table, Box::pin(stream)));
        }
    }

    /// All rows that are left.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub async fn collect(mut self) -> Result<Vec<DiffRow>, ControlError> {
        let mut rows = Vec::new();
        while let Some(row) = self.next().await? {
            rows.push(row);
        }
        Ok(rows)
    }

    fn client(&self) -> Result<&tokio_postgres::Client, ControlError> {
        self.client.as_deref().ok_or(ControlError::Stopped)
    }
}

impl Drop for Diff {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            client.discard();
        }
    }
}

fn diff_row(row: &Row, schema: &str, table: &str) -> Result<DiffRow, ControlError> {
    Ok(DiffRow {
        operation: row.try_get("operation")?,
        schema: schema.to_owned(),
        table: table.to_owned(),
        diff_type: DiffType::named(row.try_get("diff_type")?),
        primary_key: row.try_get("primary_key")?,
        from: row.try_get("from_row")?,
        to: row.try_get("to_row")?,
        changed_columns: row.try_get("changed_columns")?,
    })
}

/// Numbers of all heads.
pub(crate) fn head_numbers(catalog: &Catalog) -> HashMap<RelationId, catalog::DraftTableId> {
    catalog
        .heads
        .iter()
        .map(|(relation, head)| (*relation, head.id))
        .collect()
}

/// A drafted table whose head fits it.
pub(crate) fn drafted<'a>(
    catalog: &'a Catalog,
    heads: &'a HashMap<RelationId, catalog::DraftTableId>,
    relation: RelationId,
) -> Result<Draft<'a>, ControlError> {
    let found = catalog.relations.get(&relation);
    match (found, catalog.head(relation)) {
        (Some(relation), Some(head)) => Ok(Draft {
            catalog,
            relation,
            id: head.id,
            heads,
        }),
        (Some(relation), None) => Err(ControlError::SchemaMoved(relation.name.clone())),
        (None, _) => Err(match catalog.heads.get(&relation) {
            Some(head) => ControlError::TableDropped(head.name.clone()),
            None => ControlError::NoSuchRelation(relation),
        }),
    }
}
