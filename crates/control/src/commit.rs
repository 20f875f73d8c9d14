//! Merging a draft into production: one transaction, all or nothing.
//!
//! 1. The session's write lock and its row, so that nobody writes to it and it is open.
//! 2. The base tables are locked against changes of their shape, and the catalog snapshot is
//!    proved to be the present one.
//! 3. The net changes are applied set by set in the order of keys ([`net`]), each bound to what the
//!    draft saw of the row.
//! 4. Where that does not write every row, or breaks a key: the rows are locked, the conflicts are
//!    listed ([`draft::conflict`]), and if there are none, the draft is brought onto today's base
//!    and applied in another order, at last operation by operation ([`replay`]).
//! 5. The session is committed. Its rows stay as its history ([`crate::life`]).

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use catalog::{Catalog, DraftTableId, Mark, Relation, RelationId, SessionId, quote_literal};
use draft::{Draft, Own, apply, conflict};
use store::keeper;
use store::sessions::{self, Ending, Session, SessionState};
use store::tables;
use tokio_postgres::{GenericClient, Transaction};

use crate::diff::{bound, drafted, head_numbers};
use crate::error::{CONFLICT_ROWS_MAX, ConflictRow};
use crate::sessions::{count, existing};
use crate::{Control, ControlError, Progress};

mod around;
mod attempts;
mod done;
mod look;
mod net;
mod order;
mod parts;
mod replay;
mod rounds;
mod taken_back;

pub(crate) use attempts::Attempts;
pub use done::{Applied, Committed};
use look::Look;
pub(crate) use net::as_told;
use order::Planner;
pub(crate) use order::{Kind, Plan, Step};
use taken_back::{COMMIT, TakenBack};

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
        let mut attempts = Attempts::default();
        let done = loop {
            let catalog = attempts.snapshot(self).await?;
            let tried = self.try_commit(&catalog, session, who, fingerprint).await;
            let tried = attempts.stale(self, &catalog, tried).await?;
            if let Some(done) = attempts.judge(tried)? {
                break done;
            }
        };
        tracing::info!(
            rows = done.rows(),
            tables = done.tables.len(),
            "session committed"
        );
        Ok(done)
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
        let session = match self.locked(&transaction, name).await {
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
        let touched = touched(transaction, catalog, &heads, session.sid).await?;
        let Some(work) = self.begin(transaction, catalog, session, &touched).await? else {
            return Ok(None);
        };
        let done = work.run(session, who).await?;
        work.keep_images().await?;
        let ending = Ending {
            state: SessionState::Committed,
            who,
            tables: i64::try_from(done.tables.len()).unwrap_or(i64::MAX),
            rows: i64::try_from(done.rows()).unwrap_or(i64::MAX),
            applied: Some(done.record()),
            keep: self.inner.options.history,
        };
        let (moved, ended) = tokio::join!(
            biased;
            store::sequences::take_over(transaction, session.sid),
            sessions::end(transaction, session.sid, &ending),
        );
        moved.map_err(|e| busy(e.into(), "a sequence that is to be restarted is in use"))?;
        ended?;
        sessions::reverted(transaction, &session.reverts).await?;
        Ok(Some(done))
    }

    /// Locks the tables of a draft and looks at what it has. `None` where the snapshot is not the
    /// present one.
    pub(crate) async fn begin<'a>(
        &'a self,
        transaction: &'a Transaction<'a>,
        catalog: &Catalog,
        session: &Session,
        touched: &'a Touched<'a>,
    ) -> Result<Option<Work<'a>>, ControlError> {
        if locked_at(transaction, touched).await? != catalog.mark {
            return Ok(None);
        }
        let Touched { drafts, truncated } = touched;
        unfold(transaction, session.sid, drafts, truncated).await?;
        let mut own = Vec::with_capacity(drafts.len());
        let mut looks = HashMap::with_capacity(drafts.len());
        for draft in drafts {
            let look = Look::at(transaction, draft, session.sid).await?;
            own.push(self.own_as(transaction, draft, session.sid, &look).await?);
            looks.insert(draft.id, look);
        }
        let emptied = drafts
            .iter()
            .filter(|d| d.relation.key().is_none() && truncated.contains(&d.relation.id));
        let work = Work {
            transaction,
            sid: session.sid,
            own,
            looks,
            emptied: emptied.collect(),
            session: session.name.clone(),
            progress: self.progress.clone(),
            guessing: AtomicBool::new(true),
            guessed: AtomicBool::new(false),
            total: AtomicU64::new(0),
            written: AtomicU64::new(0),
            taken_back: TakenBack::default(),
        };
        Ok(Some(work))
    }

    /// Locks a session for a change of its state, in a transaction that has just begun: nobody else
    /// writes, commits or discards it now, and it has not ended.
    pub(crate) async fn locked(
        &self,
        transaction: &Transaction<'_>,
        name: &str,
    ) -> Result<Session, ControlError> {
        let timeout = self.lock_timeout();
        let (timed, locked, found) = tokio::join!(
            biased;
            transaction.batch_execute(&timeout),
            sessions::lock(transaction, name),
            sessions::find_for_update(transaction, name),
        );
        // by an agent's transaction, which is nobody's to wait for
        let busy = |error: store::Error| match ControlError::from(error) {
            error if error.sqlstate() == Some("55P03") => ControlError::InUse(name.to_owned()),
            error => error,
        };
        timed?;
        locked.map_err(busy)?;
        let session = existing(found.map_err(busy)?, name)?;
        if session.state.is_live() {
            Ok(session)
        } else {
            Err(ControlError::Ended(Box::new(session)))
        }
    }

    /// A session's draft of one table, ready for queries over all of it.
    pub(crate) async fn own<'a>(
        &'a self,
        client: &impl GenericClient,
        draft: &'a Draft<'a>,
        sid: SessionId,
    ) -> Result<Own<'a>, ControlError> {
        let look = Look::at(client, draft, sid).await?;
        let own = self.own_as(client, draft, sid, &look).await?;
        match look.is_small() {
            true => Ok(own),
            false => prepared(client, own).await,
        }
    }

    async fn own_as<'a>(
        &'a self,
        client: &impl GenericClient,
        draft: &'a Draft<'a>,
        sid: SessionId,
        look: &Look,
    ) -> Result<Own<'a>, ControlError> {
        let own = Own {
            only: look.only,
            ..self.all_of(draft, sid)
        };
        match look.only.is_none() && !look.is_small() {
            true => prepared(client, own).await,
            false => Ok(own),
        }
    }
}

/// The same draft with its work table ([`Own::prepare`]).
async fn prepared<'a>(client: &impl GenericClient, own: Own<'a>) -> Result<Own<'a>, ControlError> {
    if !own.prepared {
        keeper::run(client, &own.prepare(), None).await?;
    }
    Ok(Own {
        prepared: true,
        ..own
    })
}

/// A lock that was not free in time, in words.
pub(crate) fn busy(error: ControlError, what: &str) -> ControlError {
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

/// The drafted tables of a session, and which of them are truncated.
pub(crate) struct Touched<'a> {
    pub(crate) drafts: Vec<Draft<'a>>,
    truncated: Vec<RelationId>,
}

/// What a session touched, to be committed.
pub(crate) async fn touched<'a>(
    transaction: &Transaction<'_>,
    catalog: &'a Catalog,
    heads: &'a HashMap<RelationId, DraftTableId>,
    sid: SessionId,
) -> Result<Touched<'a>, ControlError> {
    let truncated = async { Ok(tables::truncated(transaction, sid).await?) };
    let drafts = drafts(transaction, catalog, heads, sid);
    let (drafts, truncated) = tokio::try_join!(biased; drafts, truncated)?;
    Ok(Touched { drafts, truncated })
}

/// Locks the tables one after the other; the mark of the catalog once no table changes any more.
async fn locked_at(
    transaction: &Transaction<'_>,
    touched: &Touched<'_>,
) -> Result<Mark, ControlError> {
    let lock = |relation| lock_table(transaction, relation, &touched.truncated);
    let mark = async { Ok(store::prepared_mark(transaction).await?) };
    let Some((last, before)) = touched.drafts.split_last() else {
        return mark.await;
    };
    for draft in before {
        lock(draft.relation).await?;
    }
    let (_, mark) = tokio::try_join!(biased; lock(last.relation), mark)?;
    Ok(mark)
}

/// Takes the lock that the writes will take anyway, so that no table changes its shape from here on.
async fn lock_table(
    transaction: &Transaction<'_>,
    relation: &Relation,
    truncated: &[RelationId],
) -> Result<(), ControlError> {
    // nobody may add a row that a truncation would take along unseen
    let mode = if truncated.contains(&relation.id) {
        "SHARE ROW EXCLUSIVE"
    } else {
        "ROW EXCLUSIVE"
    };
    let text = format!("LOCK TABLE {} IN {mode} MODE", relation.only());
    let locked = transaction.batch_execute(&text).await;
    locked.map_err(|e| busy(e.into(), &is_locked(relation)))
}

/// A truncation becomes a draft that removes every row, unless rows came since. Without a key there
/// is no such draft: [`Work::empty`].
async fn unfold(
    transaction: &Transaction<'_>,
    sid: SessionId,
    drafts: &[Draft<'_>],
    truncated: &[RelationId],
) -> Result<(), ControlError> {
    let hidden = || drafts.iter().filter(|d| truncated.contains(&d.relation.id));
    let mut found = Found::default();
    for draft in hidden() {
        let text = conflict::appeared(draft, sid, CONFLICT_ROWS_MAX);
        found.collect(transaction, draft.relation, &text).await?;
    }
    found.none()?;
    for draft in hidden().filter(|d| d.relation.key().is_some()) {
        keeper::run(transaction, &apply::unfold(draft, sid), None).await?;
    }
    Ok(())
}

/// One commit under way.
pub(crate) struct Work<'a> {
    transaction: &'a Transaction<'a>,
    sid: SessionId,
    own: Vec<Own<'a>>,
    looks: HashMap<DraftTableId, Look>,
    /// Truncated tables without a key.
    emptied: Vec<&'a Draft<'a>>,
    session: String,
    progress: Progress,
    /// Columns that updates change may be judged from some of the rows: see [`net`].
    guessing: AtomicBool,
    /// They were, in some table.
    guessed: AtomicBool,
    /// Rows to be written, and written, of the order that is tried.
    total: AtomicU64,
    written: AtomicU64,
    /// What a rehearsal must not count.
    taken_back: TakenBack,
}

impl Work<'_> {
    /// Everything but the end of the session.
    pub(crate) async fn run(
        &self,
        session: &Session,
        who: &str,
    ) -> Result<Committed, ControlError> {
        self.no_followers().await?;
        let (_, emptied) = tokio::try_join!(
            biased;
            self.tells_triggers(&session.name, who),
            self.empties_and_defers(),
        )?;
        let first = self.planner();
        let mut done = self.apply(&first, false, &mut net::Way::default()).await;
        let guessed = self.guessed.load(Ordering::Relaxed);
        self.guessing.store(false, Ordering::Relaxed);
        if guessed && matches!(done, Err(ControlError::Incomplete { .. })) {
            self.back_to(COMMIT).await?;
            done = self.apply(&first, false, &mut net::Way::default()).await;
        }
        if done.as_ref().is_err_and(another_way) {
            self.back_to(COMMIT).await?;
            let round = self.another_way().await;
            done = round.map_err(ControlError::in_every_order);
        }
        let done = done?;
        for own in self.own.iter().filter(|o| o.prepared) {
            keeper::run(self.transaction, &own.finish(), None).await?;
        }
        Ok(done.with(emptied))
    }

    async fn tells_triggers(&self, session: &str, who: &str) -> Result<(), ControlError> {
        let (session, who) = (quote_literal(session), quote_literal(who));
        let text = format!(
            "SET LOCAL pgdraft.session = {session}; SET LOCAL pgdraft.committed_by = {who}"
        );
        self.sends(&text).await
    }

    /// What can be checked at the end is checked there, once the truncated tables are empty: a circle may
    /// be open in between.
    async fn empties_and_defers(&self) -> Result<Vec<Applied>, ControlError> {
        let emptied = self.empty().await?;
        tokio::try_join!(
            biased;
            self.sends("SET CONSTRAINTS ALL DEFERRED"),
            self.savepoint(COMMIT),
        )?;
        Ok(emptied)
    }

    /// Runs commands that return nothing.
    async fn sends(&self, text: &str) -> Result<(), ControlError> {
        Ok(self.transaction.batch_execute(text).await?)
    }

    /// Removes all rows of truncated tables without a key.
    async fn empty(&self) -> Result<Vec<Applied>, ControlError> {
        let mut emptied = Vec::with_capacity(self.emptied.len());
        for draft in &self.emptied {
            keeper::run(
                self.transaction,
                &apply::keep_emptied(draft, self.sid),
                None,
            )
            .await?;
            net::as_told(draft.relation, Kind::Delete)?;
            let [there, remove, mark] = apply::empty(draft, self.sid);
            let row = self.transaction.query_typed_one(&there, &[]).await?;
            let deleted = self.transaction.execute_typed(&remove, &[]).await?;
            net::complete(draft, count(row.try_get(0)?), deleted)?;
            self.transaction.execute_typed(&mark, &[]).await?;
            let done = net::nothing(draft.relation);
            emptied.push(Applied { deleted, ..done });
        }
        Ok(emptied)
    }

    /// Production's rows that would be taken along unseen, found under a lock that keeps others from
    /// coming. Where there are some, every other conflict is told too.
    async fn no_followers(&self) -> Result<(), ControlError> {
        let mut found = Found::default();
        for own in &self.own {
            let relation = own.draft.relation;
            if !conflict::followed(relation) {
                continue;
            }
            let removed_only = !conflict::followed_on_update(relation);
            if removed_only && !self.removes(own).await? {
                continue;
            }
            self.lock(own, removed_only).await?;
            let all = self.for_any_join(own).await?;
            for query in conflict::followers(&all, CONFLICT_ROWS_MAX, true) {
                let told = found.collect(self.transaction, query.relation, &query.text);
                told.await
                    .map_err(|e| busy(e, &is_locked(query.relation)))?;
            }
            self.finish_beside(own, &all).await?;
        }
        if found.count > 0 {
            found = conflicts(self.transaction, &self.all_for_any_join().await?).await?;
        }
        found.none()
    }

    fn is_large(&self, own: &Own<'_>) -> bool {
        let look = self.looks.get(&own.draft.id);
        look.is_some_and(|look| !look.is_small())
    }

    /// The same draft, so that the planner knows how large it is.
    pub(super) async fn for_any_join<'o>(&self, own: &Own<'o>) -> Result<Own<'o>, ControlError> {
        match self.is_large(own) {
            true => prepared(self.transaction, *own).await,
            false => Ok(*own),
        }
    }

    pub(super) async fn all_for_any_join(&self) -> Result<Vec<Own<'_>>, ControlError> {
        let mut all = Vec::with_capacity(self.own.len());
        for own in &self.own {
            all.push(self.for_any_join(own).await?);
        }
        Ok(all)
    }

    /// Takes back what [`Work::for_any_join`] made.
    pub(super) async fn finish_beside(
        &self,
        own: &Own<'_>,
        beside: &Own<'_>,
    ) -> Result<(), ControlError> {
        if beside.prepared && !own.prepared {
            keeper::run(self.transaction, &beside.finish(), None).await?;
        }
        Ok(())
    }

    async fn removes(&self, own: &Own<'_>) -> Result<bool, ControlError> {
        let text = apply::removes(own);
        let row = self.transaction.query_typed_one(&text, &[]).await?;
        Ok(row.try_get(0)?)
    }

    async fn lock(&self, own: &Own<'_>, removed_only: bool) -> Result<(), ControlError> {
        let text = conflict::lock(own, removed_only);
        let locked = self.transaction.execute_typed(&text, &[]).await;
        locked.map_err(|e| busy(e.into(), &is_locked(own.draft.relation)))?;
        Ok(())
    }

    /// The net changes in that order, with production's own search path for its triggers.
    async fn apply(
        &self,
        planner: &Planner,
        held: bool,
        way: &mut net::Way,
    ) -> Result<Committed, ControlError> {
        let (_, done) = tokio::try_join!(
            biased;
            self.sends("SET LOCAL search_path TO DEFAULT"),
            self.apply_net(planner, held, way),
        )?;
        // checks now what would be checked at COMMIT
        let usual = format!(
            "SET CONSTRAINTS ALL IMMEDIATE; {}; SET LOCAL search_path TO ''",
            net::ANY_JOIN
        );
        self.sends(&usual).await?;
        Ok(done)
    }

    /// Checks now what would be checked at COMMIT.
    async fn kept<T>(&self, applied: Result<T, ControlError>) -> Result<T, ControlError> {
        let done = applied?;
        self.transaction
            .batch_execute("SET CONSTRAINTS ALL IMMEDIATE")
            .await?;
        Ok(done)
    }

    /// Where production's triggers had a say, what they left is what an undo starts from.
    async fn keep_images(&self) -> Result<(), ControlError> {
        for own in self.own.iter().filter(|o| o.draft.relation.triggers) {
            keeper::run(self.transaction, &apply::keep_images(own), None).await?;
        }
        Ok(())
    }
}

/// Every conflict of a draft.
async fn conflicts(client: &impl GenericClient, all: &[Own<'_>]) -> Result<Found, ControlError> {
    let mut found = Found::default();
    for own in all {
        for query in conflict::all(own, CONFLICT_ROWS_MAX) {
            found.collect(client, query.relation, &query.text).await?;
        }
    }
    Ok(found)
}

/// Conflicts so far.
#[derive(Default)]
struct Found {
    count: i64,
    rows: Vec<ConflictRow>,
}

impl Found {
    async fn collect(
        &mut self,
        client: &impl GenericClient,
        relation: &Relation,
        text: &str,
    ) -> Result<(), ControlError> {
        let rows = client.query_typed(text, &[]).await?;
        for (number, row) in rows.iter().enumerate() {
            if number == 0 {
                self.count += row.try_get::<_, i64>("total")?;
            }
            if self.rows.len() < CONFLICT_ROWS_MAX {
                self.rows.push(ConflictRow::read(relation, row)?);
            }
        }
        Ok(())
    }

    fn none(self) -> Result<(), ControlError> {
        if self.count == 0 {
            return Ok(());
        }
        Err(ControlError::Conflict {
            count: self.count,
            rows: self.rows,
        })
    }
}

/// The draft kept its keys in every state that an agent saw, so another order can help.
fn another_way(error: &ControlError) -> bool {
    matches!(error, ControlError::Incomplete { .. })
        || matches!(
            error.sqlstate(),
            Some("23505" | "23503" | "23001" | "23502" | "23514" | "23P01")
        )
}

fn is_locked(relation: &Relation) -> String {
    format!(
        "rows of table \"{}\" are locked by another transaction",
        relation.name
    )
}
