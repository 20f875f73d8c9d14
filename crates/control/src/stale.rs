//! What a session read from production and production has changed since.

use std::collections::BTreeSet;

use catalog::RelationId;
use draft::stale as text;
use store::{reads, sessions};

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
    /// Keys of changed and removed rows: a JSON array of arrays.
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
        let transaction = reading(&mut client).await?;
        let found = existing(sessions::find(&transaction, session).await?, session)?;
        if !found.state.is_live() {
            return Err(ControlError::Ended(Box::new(found)));
        }
        let mut all = Vec::new();
        for read in reads::list(&transaction, found.sid).await? {
            // a table that is gone has no rows that could be looked at
            let Some(relation) = catalog.relations.get(&RelationId(read.relid)) else {
                continue;
            };
            let known = read.keys.is_some() && relation.key().is_some();
            let row = if known {
                let query = text::rows(relation);
                transaction
                    .query_one(&query, &[&read.keys, &read.marks])
                    .await?
            } else {
                let query = text::table(relation);
                transaction
                    .query_one(&query, &[&read.horizon, &read.running])
                    .await?
            };
            let (changed, removed) = (count(row.try_get(0)?), count(row.try_get(1)?));
            if changed + removed == 0 {
                continue;
            }
            all.push(StaleRead {
                operation: read.operation,
                schema: relation.schema.clone(),
                table: relation.name.clone(),
                read: read.keys.filter(|_| known).map(|keys| keys.len() as u64),
                changed,
                removed,
                keys: row.try_get(2)?,
                read_at: read.read_at,
                statement: read.statement,
            });
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
