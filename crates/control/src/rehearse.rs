//! A commit that is taken back: everything fires, and what production itself adds is looked at.
//!
//! Its limits: sequences move, what a trigger does outside the database is done, and rows that a
//! trigger removes are counted, not named.

use catalog::{Catalog, Relation, RelationId, SessionId};
use draft::rehearse as text;
use draft::{Draft, Own};

use crate::commit::{Committed, touched};
use crate::diff::head_numbers;
use crate::error::ConflictRow;
use crate::pool::Pooled;
use crate::sessions::count;
use crate::{Control, ControlError};

mod errors;

/// Rows of one table that are named.
const EFFECTS_MAX: usize = 1_000;

/// A row that production added or changed by itself: the agent did not write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// Its schema.
    pub schema: String,
    /// Its table.
    pub table: String,
    /// JSON object of the key columns, where the table has a key.
    pub primary_key: Option<String>,
    /// What the draft has of the row; `None` where it does not know it.
    pub drafted: Option<String>,
    /// What production would have.
    pub result: Option<String>,
    /// Rows that production would remove by itself; the other fields are empty then.
    pub removed: u64,
}

/// What a commit would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rehearsal {
    /// Its answer, if it would succeed.
    pub committed: Option<Committed>,
    /// What production itself would add.
    pub effects: Vec<Effect>,
    /// What would stop it: conflicts.
    pub conflicts: Vec<ConflictRow>,
    /// What would stop it.
    pub errors: Vec<Failed>,
}

/// A row that production would not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Schema and table, where one of them is to blame.
    pub table: Option<(String, String)>,
    /// JSON object of the key columns, where it is one row.
    pub primary_key: Option<String>,
    /// SQLSTATE.
    pub code: String,
    /// Message.
    pub message: String,
}

/// The catalog is read again so often where it has moved.
const LOOKS_MAX: usize = 3;

impl Failed {
    fn of(own: Option<&Own<'_>>, primary_key: Option<String>, error: &ControlError) -> Self {
        let report = error.report();
        let relation = own.map(|own| own.draft.relation);
        Self {
            table: relation.map(|r| (r.schema.clone(), r.name.clone())),
            primary_key,
            code: report.code,
            message: report.message,
        }
    }
}

impl Control {
    /// Runs the commit of a session in a transaction and rolls it back.
    ///
    /// # Errors
    /// [`ControlError::NoSuchSession`], [`ControlError::Ended`], [`ControlError::Busy`],
    /// [`ControlError::SchemaMoved`]. What would stop the commit itself is in the answer.
    pub async fn rehearse(&self, session: &str, who: &str) -> Result<Rehearsal, ControlError> {
        let catalog = self.refresh_catalog().await?;
        let mut client = self.client().await?;
        // One snapshot: a row that is newer than it is ours.
        let transaction = client
            .build_transaction()
            .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
            .start()
            .await?;
        let found = self.locked(&transaction, session).await?;
        // a backend also counts what its last transactions wrote, up to a second long
        let mut before = changed_tables(&transaction, &catalog).await?;
        let heads = head_numbers(&catalog);
        let touched = touched(&transaction, &catalog, &heads, found.sid).await?;
        let mut rehearsal = Rehearsal::default();
        let tried = match self.begin(&transaction, &catalog, &found, &touched).await {
            Ok(Some(work)) => {
                work.count_taken_back();
                let done = work.run(&found, who).await;
                for (table, rows) in work.taken_back() {
                    before.push((catalog.drafted_as(RelationId(table)), rows));
                }
                done
            }
            Ok(None) => return Err(ControlError::Busy("production's schema is changing".into())),
            Err(error) => Err(error),
        };
        match tried {
            Ok(done) => {
                for (relation, deleted) in changed_tables(&transaction, &catalog).await? {
                    let others = before.iter().filter(|(id, _)| *id == relation);
                    let others: u64 = others.map(|(_, rows)| *rows).sum();
                    let deleted = deleted.saturating_sub(others);
                    let Some(relation) = catalog.relations.get(&relation) else {
                        continue;
                    };
                    let effects =
                        effects(&transaction, &touched.drafts, found.sid, relation).await?;
                    rehearsal.effects.extend(effects);
                    // a row that changes its partition changes its key: the commit itself removes it
                    let ours = done.deleted_from(&relation.schema, &relation.name);
                    let removed = deleted.saturating_sub(ours);
                    if removed > 0 {
                        rehearsal.effects.push(Effect {
                            schema: relation.schema.clone(),
                            table: relation.name.clone(),
                            primary_key: None,
                            drafted: None,
                            result: None,
                            removed,
                        });
                    }
                }
                rehearsal.committed = Some(done);
            }
            Err(ControlError::Conflict { .. }) => {
                transaction.rollback().await?;
                drop(client);
                rehearsal.conflicts = self.conflicts(session).await?;
            }
            Err(error) => {
                transaction.rollback().await?;
                rehearsal.errors = self.errors(&mut client, session).await?;
                if rehearsal.errors.is_empty() {
                    // of the statements together, not of any row
                    rehearsal.errors.push(Failed::of(None, None, &error));
                }
            }
        }
        Ok(rehearsal)
    }

    /// All that stops the commit of a draft without conflicts.
    async fn errors(
        &self,
        client: &mut Pooled,
        session: &str,
    ) -> Result<Vec<Failed>, ControlError> {
        for _ in 0..LOOKS_MAX {
            let catalog = self.refresh_catalog().await?;
            let transaction = client.transaction().await?;
            let found = self.locked(&transaction, session).await?;
            let heads = head_numbers(&catalog);
            let touched = touched(&transaction, &catalog, &heads, found.sid).await?;
            if let Some(work) = self.begin(&transaction, &catalog, &found, &touched).await? {
                return work.every_error(&transaction).await;
            }
        }
        Err(ControlError::Busy("production's schema is changing".into()))
    }
}

/// Tables that this transaction has written to, partitions as the table whose they are, and how many rows
/// it has removed from each.
async fn changed_tables(
    client: &tokio_postgres::Transaction<'_>,
    catalog: &Catalog,
) -> Result<Vec<(RelationId, u64)>, ControlError> {
    let mut tables: Vec<(RelationId, u64)> = Vec::new();
    for row in client.query_typed(text::CHANGED_TABLES, &[]).await? {
        let table = catalog.drafted_as(RelationId(row.try_get(0)?));
        let deleted = count(row.try_get(1)?);
        match tables.iter_mut().find(|(id, _)| *id == table) {
            Some((_, rows)) => *rows += deleted,
            None => tables.push((table, deleted)),
        }
    }
    Ok(tables)
}

async fn effects(
    client: &tokio_postgres::Transaction<'_>,
    drafts: &[Draft<'_>],
    sid: SessionId,
    relation: &Relation,
) -> Result<Vec<Effect>, ControlError> {
    let draft = drafts.iter().find(|d| d.relation.id == relation.id);
    let query = text::effects(relation, draft, sid, EFFECTS_MAX);
    let rows = client.query_typed(&query, &[]).await?;
    rows.iter()
        .map(|row| {
            Ok(Effect {
                schema: relation.schema.clone(),
                table: relation.name.clone(),
                primary_key: row.try_get(0)?,
                drafted: row.try_get(1)?,
                result: row.try_get(2)?,
                removed: 0,
            })
        })
        .collect()
}
