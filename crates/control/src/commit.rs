//! Merging a draft into production: one transaction, all or nothing.
//!
//! 1. The session's write lock and its row, so that nobody writes to it and it is open.
//! 2. The base tables are locked against changes of their shape, and the catalog snapshot is
//!    proved to be the present one.
//! 3. Base rows are locked in key order; every one must still be what it was when the draft first
//!    touched it ([`draft::conflict`]).
//! 4. The net changes are applied set by set ([`net`]); where that breaks a key that the draft
//!    itself kept, in another order, and at last operation by operation ([`replay`]).
//! 5. The session is committed. Its rows stay as its history ([`crate::life`]).

use std::collections::HashMap;

use catalog::{Catalog, DraftTableId, Relation, RelationId, SessionId};
use draft::{Draft, conflict};
use store::sessions::{self, Ending, Session, SessionState};
use store::tables;
use tokio_postgres::Transaction;

use crate::diff::{bound, drafted, head_numbers};
use crate::error::{CONFLICT_ROWS_MAX, ConflictRow};
use crate::sessions::existing;
use crate::{Control, ControlError};

mod net;
mod replay;

/// How often a commit is begun again because the schema moved under it.
pub(crate) const ATTEMPTS: usize = 5;

/// What a commit did to one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// Rows inserted.
    pub inserted: u64,
    /// Rows updated.
    pub updated: u64,
    /// Rows deleted.
    pub deleted: u64,
}

/// What a commit did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Tables that changed, by schema and name.
    pub tables: Vec<Applied>,
}

impl Committed {
    /// Rows of all tables.
    pub fn rows(&self) -> u64 {
        let sum = |t: &Applied| t.inserted + t.updated + t.deleted;
        self.tables.iter().map(sum).sum()
    }

    /// As it is kept with the session.
    fn record(&self) -> serde_json::Value {
        let table = |t: &Applied| {
            serde_json::json!({
                "schema": t.schema, "table": t.table,
                "inserted": t.inserted, "updated": t.updated, "deleted": t.deleted,
            })
        };
        self.tables.iter().map(table).collect()
    }

    /// What was kept.
    fn recorded(applied: Option<&serde_json::Value>) -> Self {
        let table = |value: &serde_json::Value| {
            let text = |key: &str| value.get(key)?.as_str().map(str::to_owned);
            let number = |key: &str| value.get(key)?.as_u64();
            Some(Applied {
                schema: text("schema")?,
                table: text("table")?,
                inserted: number("inserted")?,
                updated: number("updated")?,
                deleted: number("deleted")?,
            })
        };
        let all = applied.and_then(serde_json::Value::as_array);
        Self {
            tables: all.into_iter().flatten().filter_map(table).collect(),
        }
    }
}

impl Control {
    /// Applies a session's draft to production and ends the session. One transaction: when it
    /// fails, production and the session are as before. Triggers of production can read who and
    /// what from the settings `pgdraft.committed_by` and `pgdraft.session`.
    ///
    /// When the connection breaks during the last step, the outcome is unknown; asking again gives
    /// the answer that was lost.
    ///
    /// # Errors
    /// [`ControlError::Conflict`] where production changed rows of the draft,
    /// [`ControlError::NoSuchSession`], [`ControlError::Ended`], [`ControlError::Busy`],
    /// [`ControlError::SchemaMoved`], and what PostgreSQL says.
    pub async fn commit(&self, session: &str, who: &str) -> Result<Committed, ControlError> {
        self.commit_bound(session, who, None).await
    }

    /// The same, if the draft still is the one with this fingerprint ([`crate::Diff::fingerprint`]).
    ///
    /// # Errors
    /// [`ControlError::Moved`] where it is not, and as [`Control::commit`].
    pub async fn commit_bound(
        &self,
        session: &str,
        who: &str,
        fingerprint: Option<&str>,
    ) -> Result<Committed, ControlError> {
        for _ in 0..ATTEMPTS {
            let catalog = self.refresh_catalog().await?;
            if let Some(done) = self.try_commit(&catalog, session, who, fingerprint).await? {
                tracing::info!(
                    rows = done.rows(),
                    tables = done.tables.len(),
                    "session committed"
                );
                return Ok(done);
            }
        }
        Err(ControlError::Busy(
            "production's schema kept changing".into(),
        ))
    }

    /// `None` where the snapshot is not the present one.
    async fn try_commit(
        &self,
        catalog: &Catalog,
        name: &str,
        who: &str,
        fingerprint: Option<&str>,
    ) -> Result<Option<Committed>, ControlError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        transaction.batch_execute(&self.lock_timeout()).await?;
        let session = match live_session(&transaction, name).await {
            Err(ControlError::Ended(session)) if session.state.was_committed() => {
                return Ok(Some(Committed::recorded(session.applied.as_ref())));
            }
            found => found?,
        };
        bound(&transaction, catalog, &session, fingerprint).await?;
        let Some(done) = self.commit_in(&transaction, catalog, &session, who).await? else {
            return Ok(None);
        };
        transaction.commit().await?;
        Ok(Some(done))
    }

    /// Applies a locked session's draft and ends it, in a transaction of the caller. `None` where
    /// the snapshot is not the present one.
    pub(crate) async fn commit_in(
        &self,
        transaction: &Transaction<'_>,
        catalog: &Catalog,
        session: &Session,
        who: &str,
    ) -> Result<Option<Committed>, ControlError> {
        let heads = head_numbers(catalog);
        let work = Work {
            transaction,
            sid: session.sid,
            truncated: tables::truncated(transaction, session.sid).await?,
            drafts: drafts(transaction, catalog, &heads, session.sid).await?,
        };
        work.lock_tables().await?;
        if store::catalog_mark(transaction).await? != catalog.mark {
            return Ok(None);
        }
        work.no_conflicts().await?;
        transaction
            .execute(
                "SELECT set_config('pgdraft.session', $1, true), set_config('pgdraft.committed_by', $2, true)",
                &[&session.name, &who],
            )
            .await?;
        // the base's triggers find their tables as they do for everybody else
        transaction
            .batch_execute("SET LOCAL search_path TO DEFAULT")
            .await?;
        let done = work.apply().await?;
        let ending = Ending {
            state: SessionState::Committed,
            who,
            tables: i64::try_from(done.tables.len()).unwrap_or(i64::MAX),
            rows: i64::try_from(done.rows()).unwrap_or(i64::MAX),
            applied: Some(done.record()),
            keep: self.inner.options.history,
        };
        sessions::end(transaction, session.sid, &ending).await?;
        Ok(Some(done))
    }
}

/// Locks a session for a change of its state: nobody else writes, commits or discards it now, and
/// it has not ended.
pub(crate) async fn live_session(
    transaction: &Transaction<'_>,
    name: &str,
) -> Result<Session, ControlError> {
    let found = existing(sessions::find(transaction, name).await?, name)?;
    let busy = |error: store::Error| busy(error.into(), &format!("session \"{name}\" is busy"));
    sessions::lock(transaction, found.sid).await.map_err(busy)?;
    let locked = sessions::find_for_update(transaction, name)
        .await
        .map_err(busy)?;
    let session = existing(locked, name)?;
    if session.state.is_live() {
        Ok(session)
    } else {
        Err(ControlError::Ended(Box::new(session)))
    }
}

/// A lock that was not free in time, in words.
fn busy(error: ControlError, what: &str) -> ControlError {
    if error.sqlstate() == Some("55P03") {
        ControlError::Busy(what.to_owned())
    } else {
        error
    }
}

/// The drafted tables of a session, in the order of their oids: the order of all our locks.
pub(crate) async fn drafts<'a>(
    transaction: &Transaction<'_>,
    catalog: &'a Catalog,
    heads: &'a HashMap<RelationId, DraftTableId>,
    sid: SessionId,
) -> Result<Vec<Draft<'a>>, ControlError> {
    let touched = tables::touched(transaction, sid).await?;
    let mut relations: Vec<RelationId> = touched.into_iter().map(|(_, id)| id).collect();
    relations.sort_unstable();
    relations
        .into_iter()
        .map(|id| drafted(catalog, heads, id))
        .collect()
}

/// One commit under way.
struct Work<'a> {
    transaction: &'a Transaction<'a>,
    sid: SessionId,
    drafts: Vec<Draft<'a>>,
    /// Tables whose base the draft has truncated away.
    truncated: Vec<RelationId>,
}

impl Work<'_> {
    /// Takes the locks that the writes will take anyway, so that no table changes its shape from
    /// here on.
    async fn lock_tables(&self) -> Result<(), ControlError> {
        for draft in &self.drafts {
            // nobody may add a row that a truncation would take along unseen
            let mode = if self.truncated.contains(&draft.relation.id) {
                "SHARE ROW EXCLUSIVE"
            } else {
                "ROW EXCLUSIVE"
            };
            let text = format!("LOCK TABLE {} IN {mode} MODE", draft.relation.qualified());
            let locked = self.transaction.batch_execute(&text).await;
            locked.map_err(|e| busy(e.into(), &is_locked(draft.relation)))?;
        }
        Ok(())
    }

    async fn no_conflicts(&self) -> Result<(), ControlError> {
        for draft in &self.drafts {
            let text = conflict::lock(draft, self.sid);
            let locked = self.transaction.execute(&text, &[]).await;
            locked.map_err(|e| busy(e.into(), &is_locked(draft.relation)))?;
        }
        let mut found = Found::default();
        for draft in &self.drafts {
            let text = conflict::rows(draft, self.sid, CONFLICT_ROWS_MAX);
            self.collect(&mut found, draft.relation, &text).await?;
            if self.truncated.contains(&draft.relation.id) {
                let text = conflict::appeared(draft, self.sid, CONFLICT_ROWS_MAX);
                self.collect(&mut found, draft.relation, &text).await?;
            }
            for (child, text) in conflict::followers(draft, self.sid, CONFLICT_ROWS_MAX) {
                self.collect(&mut found, child, &text).await?;
            }
        }
        if found.count == 0 {
            return Ok(());
        }
        Err(ControlError::Conflict {
            count: found.count,
            rows: found.rows,
        })
    }

    async fn collect(
        &self,
        found: &mut Found,
        relation: &Relation,
        text: &str,
    ) -> Result<(), ControlError> {
        let rows = self.transaction.query(text, &[]).await?;
        for (number, row) in rows.iter().enumerate() {
            if number == 0 {
                found.count += row.try_get::<_, i64>("total")?;
            }
            if found.rows.len() < CONFLICT_ROWS_MAX {
                found.rows.push(ConflictRow {
                    table: display(relation),
                    key: row.try_get("key")?,
                    what: row.try_get("what")?,
                });
            }
        }
        Ok(())
    }

    /// Applies the draft, in the first way that keeps every key.
    async fn apply(&self) -> Result<Committed, ControlError> {
        // What production lets wait may be broken on the way; it is looked at when all is there.
        self.transaction
            .batch_execute("SET CONSTRAINTS ALL DEFERRED")
            .await?;
        let gone = self.truncate().await?;
        for order in net::Order::ALL {
            self.transaction
                .batch_execute("SAVEPOINT pgdraft_apply")
                .await?;
            let applied = self.apply_net(order, &gone).await;
            match self.kept(applied).await {
                Ok(done) => return Ok(done),
                // operations before a truncation cannot be done again after it
                Err(error) if order == net::Order::LAST && !gone.is_empty() => return Err(error),
                Err(error) if another_way(&error) => {
                    tracing::debug!(?order, %error, "a draft is applied in another way");
                    self.transaction
                        .batch_execute("ROLLBACK TO SAVEPOINT pgdraft_apply")
                        .await?;
                }
                Err(error) => return Err(error),
            }
        }
        let applied = self.replay().await;
        self.kept(applied).await
    }

    /// Checks now what would be checked at COMMIT.
    async fn kept<T>(&self, applied: Result<T, ControlError>) -> Result<T, ControlError> {
        let done = applied?;
        self.transaction
            .batch_execute("SET CONSTRAINTS ALL IMMEDIATE")
            .await?;
        Ok(done)
    }
}

/// Conflicts so far.
#[derive(Default)]
struct Found {
    count: i64,
    rows: Vec<ConflictRow>,
}

/// The draft kept its keys in every state that an agent saw, so another order can help.
fn another_way(error: &ControlError) -> bool {
    matches!(error, ControlError::Incomplete { .. })
        || matches!(
            error.sqlstate(),
            Some("23505" | "23503" | "23001" | "23502" | "23P01")
        )
}

fn is_locked(relation: &Relation) -> String {
    format!(
        "rows of table \"{}\" are locked by another transaction",
        relation.name
    )
}

/// `schema.table`, as a person writes it.
fn display(relation: &Relation) -> String {
    format!("{}.{}", relation.schema, relation.name)
}
