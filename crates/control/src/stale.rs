//! What a session read from production and production has changed since.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use catalog::{Relation, RelationId};
use draft::stale as text;
use store::reads::{self, Read};
use store::sessions;
use tokio_postgres::Transaction;
use tokio_postgres::types::ToSql;

use crate::diff::reading;
use crate::sessions::{count, existing};
use crate::{Control, ControlError};

/// One statement's read of one table that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleRead {
    /// The operation that it was read in, or before which it was read; `None` = none came after it.
    pub operation: Option<String>,
    /// Its schema.
    pub schema: String,
    /// Its table.
    pub table: String,
    /// Rows that were read; `None` where only the table is known.
    pub read: Option<u64>,
    /// Rows that have changed since; of a table also those that came.
    pub changed: u64,
    /// Rows that are gone; of a table they are not known.
    pub removed: u64,
    /// Rows that the read may find today and did not then; `None` where its condition is not kept, and of a
    /// table, where they count as changed.
    pub came: Option<u64>,
    /// Keys of these rows, of those that came the first thousand: a JSON array of arrays.
    pub keys: Option<String>,
    /// When.
    pub read_at: String,
    /// The statement, constants replaced.
    pub statement: String,
}

impl Control {
    /// Whether what an agent reads from production is recorded.
    pub fn records_reads(&self, agent: &str) -> bool {
        let recorded = &self.inner.options.record_reads;
        recorded.iter().any(|name| name == agent || name == "*")
    }

    /// The recorded reads of a live session that production has changed since.
    ///
    /// # Errors
    /// [`ControlError::NoSuchSession`], [`ControlError::Ended`], and what PostgreSQL says.
    pub async fn stale_reads(&self, session: &str) -> Result<Vec<StaleRead>, ControlError> {
        let catalog = self.refresh_catalog().await?;
        let mut client = self.client().await?;
        let mut transaction = reading(&mut client).await?;
        let found = existing(sessions::find(&transaction, session).await?, session)?;
        if !found.state.is_live() {
            return Err(ControlError::Ended(Box::new(found)));
        }
        let mut all = Vec::new();
        let mut moved = Moved::new();
        for read in reads::list(&transaction, found.sid).await? {
            // a table that is gone has no rows that could be looked at
            let Some(relation) = catalog.relations.get(&RelationId(read.relid)) else {
                continue;
            };
            all.extend(look(&mut transaction, relation, read, &mut moved).await?);
        }
        transaction.commit().await?;
        Ok(all)
    }

    /// The same in a sentence; `None` where nothing changed, or nothing is recorded.
    ///
    /// # Errors
    /// As of [`Control::stale_reads`].
    pub async fn stale(&self, session: &str) -> Result<Option<String>, ControlError> {
        let client = self.client().await?;
        let found = existing(sessions::find(&*client, session).await?, session)?;
        let recorded = found.state.is_live() && reads::any(&*client, found.sid).await?;
        drop(client);
        if !recorded {
            return Ok(None);
        }
        let all = self.stale_reads(session).await?;
        let mut rows = BTreeSet::new();
        let mut tables = BTreeSet::new();
        for read in &all {
            let table = (&read.schema, &read.table);
            match &read.keys {
                None => drop(tables.insert(table)),
                Some(keys) => {
                    let keys: Vec<serde_json::Value> =
                        serde_json::from_str(keys).unwrap_or_default();
                    rows.extend(keys.iter().map(|key| (table, key.to_string())));
                }
            }
        }
        tables.retain(|table| !rows.iter().any(|(of, _)| of == table));
        let said: Vec<String> = [(rows.len(), "row"), (tables.len(), "table")]
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, what)| format!("{number} {what}{}", if number == 1 { "" } else { "s" }))
            .collect();
        if said.is_empty() {
            return Ok(None);
        }
        let have = if rows.len() + tables.len() == 1 {
            "has"
        } else {
            "have"
        };
        Ok(Some(format!(
            "{} this decision read {have} changed since",
            said.join(" and ")
        )))
    }
}

/// Tables by whether rows came to them, or changed, since the first read whose condition is asked.
type Moved = BTreeMap<RelationId, bool>;

/// What became of one read; `None` where it is what it was.
async fn look(
    transaction: &mut Transaction<'_>,
    relation: &Relation,
    read: Read,
    moved: &mut Moved,
) -> Result<Option<StaleRead>, ControlError> {
    let known = (read.keys.as_ref()).filter(|_| relation.key().is_some());
    let (changed, removed, mut came, mut keys) = match known {
        Some(of) => {
            let query = text::rows(relation);
            let row = transaction.query_one(&query, &[of, &read.marks]).await?;
            let keys: String = row.try_get(2)?;
            (
                count(row.try_get(0)?),
                count(row.try_get(1)?),
                None,
                Some(keys),
            )
        }
        None => (since(transaction, relation, &read).await?, 0, None, None),
    };
    // not asked of a table with row-level security: the agent is told the answer too
    let asked = read.asked.as_deref().filter(|_| !relation.row_security);
    if let (Some(all), Some(asked)) = (&mut keys, asked) {
        let something = match moved.entry(relation.id) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(first) => *first.insert(since(transaction, relation, &read).await? > 0),
        };
        came = Some(match something {
            true => found_today(transaction, relation, (&read, asked), all).await?,
            false => 0,
        });
    }
    let stale = changed + removed + came.unwrap_or(0) > 0;
    Ok(stale.then(|| StaleRead {
        operation: read.operation.clone(),
        schema: relation.schema.clone(),
        table: relation.name.clone(),
        read: known.map(|keys| keys.len() as u64),
        changed,
        removed,
        came,
        keys,
        read_at: read.read_at.clone(),
        statement: read.statement.clone(),
    }))
}

/// How many rows came since that meet the condition of a read; their keys go to the others.
async fn found_today(
    transaction: &mut Transaction<'_>,
    relation: &Relation,
    (read, asked): (&Read, &[Option<String>]),
    all: &mut String,
) -> Result<u64, ControlError> {
    let keys = read.keys.as_deref().unwrap_or_default();
    // a value that its column has no place for any more, or a column that is gone: any row may be one
    let condition = text::condition(relation, asked).unwrap_or_default();
    for condition in [condition.as_str(), ""] {
        let attempt = transaction.savepoint("pgdraft_asked").await?;
        let text = text::came(relation, condition);
        let values: [&(dyn ToSql + Sync); 4] = [&read.horizon, &read.running, &keys, &all.as_str()];
        match attempt.query_one(&text, &values).await {
            Ok(row) => {
                let number = count(row.try_get(0)?);
                *all = row.try_get(1)?;
                attempt.commit().await?;
                return Ok(number);
            }
            Err(error) if condition.is_empty() => return Err(error.into()),
            Err(_) => attempt.rollback().await?,
        }
    }
    Ok(0)
}

/// How many rows of the table came or changed since a read.
async fn since(
    transaction: &Transaction<'_>,
    relation: &Relation,
    read: &Read,
) -> Result<u64, ControlError> {
    let query = text::table(relation);
    let values: [&(dyn ToSql + Sync); 2] = [&read.horizon, &read.running];
    Ok(count(
        transaction.query_one(&query, &values).await?.try_get(0)?,
    ))
}
