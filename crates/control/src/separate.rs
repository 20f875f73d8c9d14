//! Committing or discarding some operations of a session, while it goes on with the others.
//!
//! What is committed is split off as a session of its own and committed as every session is; so it
//! has a diff, a history and can be undone like one. What is left is what the other operations alone
//! would have made ([`draft::split`]).

use std::collections::BTreeSet;

use catalog::Catalog;
use draft::{Draft, split};
use store::sessions::{Session, SessionState};
use store::{keeper, parts, tables};
use tokio_postgres::Transaction;

use crate::commit::Attempts;
use crate::dependencies::{Graph, Way, planned_as_usual, planned_for_many};
use crate::diff::{bound, head_numbers, session_drafts};
use crate::sessions::count;
use crate::{Committed, Control, ControlError};

/// Operations of a session.
#[derive(Debug, Clone, Copy)]
pub struct Chosen<'a> {
    /// The session.
    pub session: &'a str,
    /// Names of the operations.
    pub operations: &'a [String],
    /// Take along what belongs to them.
    pub cascade: bool,
    /// Only if the draft of the session still has this fingerprint.
    pub fingerprint: Option<&'a str>,
}

/// What was committed or discarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Separated {
    /// The operations, those taken along too, in their order.
    pub operations: Vec<String>,
    /// The session that they were committed as.
    pub part: Option<String>,
    /// Rows written to production, or changes of the draft thrown away.
    pub rows: u64,
    /// In so many tables.
    pub tables: usize,
}

impl Control {
    /// Applies some operations of a session to production, in one transaction; the session stays
    /// open with the others. Asked for again it gives the same answer.
    ///
    /// # Errors
    /// [`ControlError::NoSuchOperations`], [`ControlError::NotClosed`] where they need others and
    /// `cascade` was not said, and as [`Control::commit`].
    pub async fn commit_operations(
        &self,
        chosen: &Chosen<'_>,
        who: &str,
    ) -> Result<Separated, ControlError> {
        let mut attempts = Attempts::default();
        let done = loop {
            let catalog = self.refresh_catalog().await?;
            let tried = self.try_commit_operations(&catalog, chosen, who).await;
            if let Some(done) = attempts.judge(tried)? {
                break done;
            }
        };
        tracing::info!(rows = done.rows, "operations committed");
        Ok(done)
    }

    async fn try_commit_operations(
        &self,
        catalog: &Catalog,
        chosen: &Chosen<'_>,
        who: &str,
    ) -> Result<Option<Separated>, ControlError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let session = match self
            .going_on(&transaction, chosen, SessionState::Committed)
            .await?
        {
            Begun::Live(session) => session,
            Begun::Before(done) => return Ok(Some(done)),
        };
        bound(&transaction, catalog, &session, chosen.fingerprint).await?;
        let heads = head_numbers(catalog);
        let drafts = session_drafts(&transaction, catalog, &heads, session.sid).await?;
        let graph = Graph::of(&transaction, session.sid, &drafts).await?;
        let (ops, operations) = choose(&graph, chosen, Way::Needed)?;
        tables::keep_operation_rows(&transaction, session.sid, Some(&ops)).await?;
        let part = parts::split_off(&transaction, &session, &ops).await?;
        planned_for_many(&transaction).await?;
        for draft in &drafts {
            for text in split::take(draft, session.sid, part.sid) {
                keeper::run(&transaction, &text, Some(&ops)).await?;
            }
            parts::touch(&transaction, part.sid, draft.id).await?;
        }
        planned_as_usual(&transaction).await?;
        store::sequences::split(&transaction, (session.sid, part.sid), &ops).await?;
        let Some(done) = self.commit_in(&transaction, catalog, &part, who).await? else {
            return Ok(None);
        };
        for draft in &drafts {
            let own = self.all_of(draft, session.sid);
            if let Some(text) = split::follow(&own, part.sid) {
                keeper::run(&transaction, &text, None).await?;
            }
        }
        parts::end_operations(&transaction, session.sid, &ops, SessionState::Committed).await?;
        transaction.commit().await?;
        Ok(Some(Separated {
            operations,
            part: Some(part.name),
            rows: done.rows(),
            tables: done.tables.len(),
        }))
    }

    /// Throws some operations of a session away; the session stays open with the others.
    ///
    /// # Errors
    /// [`ControlError::NoSuchOperations`], [`ControlError::NotClosed`] where others need them and
    /// `cascade` was not said, [`ControlError::NoSuchSession`], [`ControlError::Ended`],
    /// [`ControlError::Busy`], [`ControlError::SchemaMoved`], and what PostgreSQL says.
    pub async fn discard_operations(&self, chosen: &Chosen<'_>) -> Result<Separated, ControlError> {
        let catalog = self.refresh_catalog().await?;
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let session = match self
            .going_on(&transaction, chosen, SessionState::Discarded)
            .await?
        {
            Begun::Live(session) => session,
            Begun::Before(done) => return Ok(done),
        };
        bound(&transaction, &catalog, &session, chosen.fingerprint).await?;
        let heads = head_numbers(&catalog);
        let drafts = session_drafts(&transaction, &catalog, &heads, session.sid).await?;
        let graph = Graph::of(&transaction, session.sid, &drafts).await?;
        let (ops, operations) = choose(&graph, chosen, Way::Needing)?;
        tables::keep_operation_rows(&transaction, session.sid, Some(&ops)).await?;
        planned_for_many(&transaction).await?;
        let (mut rows, mut changed) = (0, BTreeSet::new());
        for draft in &drafts {
            let thrown = throw(&transaction, draft, session.sid, &ops).await?;
            rows += thrown;
            if thrown > 0 {
                changed.insert(draft.relation.id);
            }
        }
        store::sequences::discard(&transaction, session.sid, &ops).await?;
        parts::end_operations(&transaction, session.sid, &ops, SessionState::Discarded).await?;
        transaction.commit().await?;
        tracing::info!(rows, "operations discarded");
        Ok(Separated {
            operations,
            part: None,
            rows,
            tables: changed.len(),
        })
    }
}

/// Where a command on operations begins.
enum Begun {
    /// With this session, locked.
    Live(Box<Session>),
    /// Nowhere: it was done before, and this was its answer.
    Before(Separated),
}

impl Control {
    /// Locks the session, unless all of it has been done before: an answer may have been lost.
    async fn going_on(
        &self,
        transaction: &Transaction<'_>,
        chosen: &Chosen<'_>,
        state: SessionState,
    ) -> Result<Begun, ControlError> {
        let found = self.locked(transaction, chosen.session).await;
        let sid = match &found {
            Ok(session) => session.sid,
            Err(ControlError::Ended(session)) => session.sid,
            Err(_) => return Ok(Begun::Live(Box::new(found?))),
        };
        let batch = parts::ended_together(transaction, sid, chosen.operations, state).await?;
        let Some(batch) = batch else {
            return Ok(Begun::Live(Box::new(found?)));
        };
        let (rows, tables) = match &batch.part {
            Some((_, applied)) => {
                let done = Committed::recorded(applied.as_ref());
                (done.rows(), done.tables.len())
            }
            None => (
                count(batch.changes),
                usize::try_from(batch.tables).unwrap_or(0),
            ),
        };
        Ok(Begun::Before(Separated {
            operations: batch.operations,
            part: batch.part.map(|(name, _)| name),
            rows,
            tables,
        }))
    }
}

/// The chosen operations with all that belongs to them, by number and by name.
fn choose(
    graph: &Graph,
    chosen: &Chosen<'_>,
    way: Way,
) -> Result<(Vec<i64>, Vec<String>), ControlError> {
    let named = graph.find(chosen.session, chosen.operations)?;
    let (mut all, because) = graph.closed(&named, way);
    if all.len() > named.len() && !chosen.cascade {
        all.retain(|op| !named.contains(op));
        return Err(ControlError::NotClosed {
            what: match way {
                Way::Needed => "committed",
                Way::Needing => "discarded",
            },
            chosen: chosen.operations.to_vec(),
            missing: graph.names(&all),
            because,
        });
    }
    let names = graph.names(&all);
    Ok((all.into_iter().collect(), names))
}

/// Takes the operations out of one table; how many changes of rows they were.
async fn throw(
    transaction: &Transaction<'_>,
    draft: &Draft<'_>,
    sid: catalog::SessionId,
    ops: &[i64],
) -> Result<u64, ControlError> {
    let rows = count(tables::logged_rows(transaction, draft.id, sid, ops).await?);
    for text in split::drop(draft, sid) {
        keeper::run(transaction, &text, Some(ops)).await?;
    }
    Ok(rows)
}
