//! What a session changed, row by row.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;

use catalog::{Catalog, RelationId};
use draft::Draft;
use futures::StreamExt;
use store::sessions;
use store::tables;
use tokio_postgres::{Row, RowStream};

use crate::pool::Pooled;
use crate::sessions::existing;
use crate::{Control, ControlError};

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiffType {
    /// The draft made it.
    Added,
    /// The draft changed it.
    Modified,
    /// The draft removed it.
    Removed,
}

impl DiffType {
    /// `added`, `modified` or `removed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Modified => "modified",
            Self::Removed => "removed",
        }
    }
}

/// One changed row, net of all operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiffRow {
    /// The last operation that changed it.
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
    /// The changed rows of a session, of one table where it is given; in order of schema,
    /// table and key. Rows that ended as they were do not appear.
    ///
    /// # Errors
    /// [`ControlError::NoSuchSession`], [`ControlError::Ended`] where its rows are gone,
    /// [`ControlError::SchemaMoved`], and what PostgreSQL says.
    pub async fn diff(
        &self,
        session: &str,
        only: Option<RelationId>,
    ) -> Result<Diff, ControlError> {
        let catalog = self.refresh_catalog().await?;
        let client = self.client().await?;
        // One snapshot for all tables. A connection that is not brought back by `next` is closed,
        // not reused.
        let mut diff = Diff {
            client: Some(client),
            todo: VecDeque::new(),
            reading: None,
        };
        let client = diff.client()?;
        client
            .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await?;
        let session = existing(sessions::find(client, session).await?, session)?;
        if !session.has_rows {
            return Err(ControlError::Ended(Box::new(session)));
        }
        let touched = tables::touched(client, session.sid).await?;
        let heads = head_numbers(&catalog);
        let mut todo = Vec::new();
        for (_, relation) in touched {
            if only.is_some_and(|id| id != relation) {
                continue;
            }
            let draft = drafted(&catalog, &heads, relation)?;
            todo.push((
                draft.relation.schema.clone(),
                draft.relation.name.clone(),
                draft::diff::rows(&draft, session.sid),
            ));
        }
        todo.sort();
        diff.todo = todo.into();
        Ok(diff)
    }
}

impl Diff {
    /// The next row; `None` at the end.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub async fn next(&mut self) -> Result<Option<DiffRow>, ControlError> {
        loop {
            if let Some((schema, table, stream)) = &mut self.reading {
                if let Some(row) = stream.next().await {
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
        diff_type: match row.try_get("diff_type")? {
            "added" => DiffType::Added,
            "removed" => DiffType::Removed,
            _ => DiffType::Modified,
        },
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
        (None, _) => Err(ControlError::NoSuchRelation(relation)),
    }
}
