//! How a statement is to be run: its text parsed, its plan made, and what the plan needs fetched.
//!
//! Everything that planning depends on is fetched before, so that planning itself is a pure function.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use report::Report;
use sql::{Effect, Locks, ParseFailure, Plan};
use tokio::io::AsyncWrite;

use crate::admin::good_operation;
use crate::conn::Failure;
use crate::extended::not_reserved;
use crate::fix::{command_name, not_in_read_only};
use crate::lane::Bound;
use crate::limits::no_session;
use crate::own::OwnStatement;
use crate::planner::{Piece, Script, Stamp};
use crate::prepared::Undo;
use crate::request::Requests;

/// Less is no pause: a client that works without one pays nothing for looking.
const PAUSE: Duration = Duration::from_millis(1);
/// Texts longer than this are parsed elsewhere, so that other connections go on meanwhile.
const PARSED_HERE_BYTES_MAX: usize = 8 << 10;

/// Whether the transaction is read-only: takes no snapshot.
static READ_ONLY: OwnStatement = OwnStatement {
    name: "pgdraft_read_only",
    text: "SHOW transaction_read_only",
    types: &[],
};

/// Whether the transaction is read-only, and its isolation level.
static CHARACTERISTICS: OwnStatement = OwnStatement {
    name: "pgdraft_characteristics",
    text: "SELECT ARRAY[pg_catalog.current_setting('transaction_read_only'), \
           pg_catalog.current_setting('transaction_isolation')]",
    types: &[],
};

impl<W: AsyncWrite + Unpin> Requests<'_, W> {
    /// The statements of a text.
    pub(crate) async fn parse(
        &mut self,
        text: &str,
    ) -> Result<Result<Script, ParseFailure>, Failure> {
        let shared = &self.conn.shared;
        if let Some(script) = shared.plans.parsed(text) {
            return Ok(Ok(script));
        }
        let timer = shared.metrics.parse.start_timer();
        let _phase = self.conn.phase("parse");
        let parsed = if text.len() <= PARSED_HERE_BYTES_MAX {
            shared.plans.parse(text)
        } else {
            let plans = &shared.plans;
            let parsing = plans.parse_long(text);
            self.send().await?;
            parsing.await
        };
        timer.observe_duration();
        Ok(parsed)
    }

    /// Plans a statement that is about to run. Afterwards what the plan needs is there: heads, the
    /// session's row, the session bound to the upstream connection.
    ///
    /// A table is marked as changed before the write to it is planned: another connection of the
    /// session may write it first, and then the plan must read what that one wrote.
    pub(crate) async fn decide(&mut self, piece: &Piece) -> Result<(Arc<Plan>, Stamp), Failure> {
        if let Some(name) = piece.executes() {
            return Box::pin(self.decide_execute(piece, name)).await;
        }
        let mut locked = false;
        let parsed = piece.parsed.as_ref();
        let command = parsed.map_or("SELECT FOR UPDATE", |s| s.locking_command());
        loop {
            let (plan, stamp) = self.decide_text(piece).await?;
            let locks = match plan.as_ref() {
                Plan::Read(read) => read.locks,
                _ => Locks::No,
            };
            match plan.as_ref() {
                Plan::Write(write) if self.session.sid == 0 => {
                    self.open_for_change(command_name(write.verb)).await?;
                }
                // connections of a session meet at its row
                Plan::Read(_) if locks != Locks::No && self.session.sid == 0 => {
                    let writes = ![Locks::Own, Locks::Tables].contains(&locks);
                    self.open_for_change(writes.then_some(command)).await?;
                }
                Plan::Read(_) if locks == Locks::Tables && !locked => {
                    self.bind_session().await?;
                    self.lock_tables(parsed.and_then(|s| s.table_lock()))
                        .await?;
                    locked = true;
                }
                Plan::Read(_) if [Locks::Writers, Locks::Rows].contains(&locks) && !locked => {
                    // what others of the session changed while we waited is in the next plan
                    self.bind_session().await?;
                    let now = piece.parsed.as_ref().and_then(|s| s.locks_now());
                    self.lock_session(locks, (command, now)).await?;
                    locked = true;
                }
                Plan::Write(write) if self.session.draft.mark(write, stamp.draft) => {}
                Plan::Write(_) | Plan::Read(_) => {
                    self.bind_session().await?;
                    self.show_texts(piece);
                    return Ok((plan, stamp));
                }
                _ => return Ok((plan, stamp)),
            }
        }
    }

    /// The same for a statement that no other one of its Query may have made a transaction for.
    pub(crate) async fn decide_alone(
        &mut self,
        piece: &Piece,
    ) -> Result<(Arc<Plan>, Stamp), Failure> {
        self.locks_in_transaction(piece).await?;
        self.decide(piece).await
    }

    /// Plans a statement and fetches what planning asks for, but nothing that only running needs.
    pub(crate) async fn decide_text(
        &mut self,
        piece: &Piece,
    ) -> Result<(Arc<Plan>, Stamp), Failure> {
        match piece.executes() {
            Some(name) => Box::pin(self.decide_execute(piece, name)).await,
            None => self.decide_own(piece).await,
        }
    }

    /// The same for what stands in the text itself, not for what an EXECUTE runs.
    pub(crate) async fn decide_own(
        &mut self,
        piece: &Piece,
    ) -> Result<(Arc<Plan>, Stamp), Failure> {
        self.name_again().await?;
        if !piece.names_nothing() {
            self.see_others().await?;
        } else if self.session.sid == 0 && piece.parsed.as_ref().is_some_and(|s| s.keeps_snapshot())
        {
            self.open_before_snapshot().await?;
        }
        let (mut refreshed, mut looked) = (false, false);
        // each turn fetches one thing; a catalog that moves all the time must end too
        for _ in 0..8 {
            let (plan, stamp) = self.plan(piece, refreshed).await?;
            if let Some(statement) = &piece.parsed {
                self.note_leaves(&statement.leaves);
                self.note_cursor(piece);
            }
            let of_draft = stamp.draft != 0 || !matches!(plan.as_ref(), Plan::Relay(_));
            if of_draft && !piece.names_nothing() && !looked && self.catches_up().await? {
                looked = true;
                if self.conn.shared.control.catalog().epoch != stamp.epoch {
                    continue;
                }
            }
            match plan.as_ref() {
                Plan::NeedsCatalog if !refreshed => {
                    refreshed = true;
                    self.send().await?;
                    self.conn.shared.control.refresh_catalog().await?;
                }
                Plan::NeedsCatalog => {
                    let effect = Effect::None;
                    return Ok((Arc::new(Plan::Relay(sql::Relay { effect })), stamp));
                }
                Plan::NeedsDraft(tables) => {
                    self.send().await?;
                    let timer = self.conn.shared.metrics.draft.start_timer();
                    let _phase = self.conn.phase("draft");
                    self.conn.shared.control.draft_tables(tables).await?;
                    timer.observe_duration();
                }
                Plan::SetOperation { value, .. } => {
                    good_operation(value.as_deref())?;
                    return Ok((plan, stamp));
                }
                Plan::Relay(relay) => {
                    if let Effect::Prepare(name) = &relay.effect {
                        not_reserved(name.as_bytes())?;
                        self.room_for(name.as_bytes())?;
                    }
                    return Ok((plan, stamp));
                }
                Plan::Read(_) | Plan::Write(_) | Plan::ShowOwn { .. } => {
                    return Ok((plan, stamp));
                }
            }
        }
        Err(Report::error(
            "55006",
            "the catalog changes too fast to plan the statement",
        )
        .hint("Try again when production's schema changes are done.")
        .into())
    }

    /// Looks at production's schema where the client let so much time go by that it may have been
    /// changed on its behalf, or where a statement has just failed as one does whose tables changed.
    /// What PostgreSQL reads for itself it knows; a draft follows by looking.
    async fn catches_up(&mut self) -> Result<bool, Failure> {
        let (moved, pause) = {
            let mut lane = self.conn.lane();
            let last = lane.rested.replace(Instant::now());
            let pause = last.map_or(Duration::MAX, |at| at.elapsed());
            (std::mem::take(&mut lane.moved), pause)
        };
        if !moved && pause < PAUSE {
            return Ok(false);
        }
        self.send().await?;
        let control = &self.conn.shared.control;
        if moved {
            // where the database does not answer the statement will tell
            drop(control.refresh_catalog().await);
        } else {
            control.catch_up(pause).await;
        }
        Ok(true)
    }

    /// Plans a statement under the present conditions, without fetching anything for it.
    /// `fresh`: the catalog was read again for it.
    pub(crate) async fn plan(
        &mut self,
        piece: &Piece,
        fresh: bool,
    ) -> Result<(Arc<Plan>, Stamp), Failure> {
        if !piece.names_nothing() {
            self.fresh_settings().await?;
            self.fresh_temporary().await?;
        }
        let shared = &self.conn.shared;
        let catalog = shared.control.catalog();
        let (version, view) = self.session.draft.view();
        let stamp = Stamp {
            epoch: catalog.epoch,
            path: Arc::clone(&self.path),
            temporary: Arc::clone(&self.temporary),
            shapes: self.shapes,
            draft: version,
        };
        if let Some(plan) = shared.plans.planned(piece, &stamp) {
            shared.metrics.plan_hit.inc();
            return Ok((plan, stamp));
        }
        shared.metrics.plan_miss.inc();
        let timer = shared.metrics.plan.start_timer();
        let _phase = self.conn.phase("plan");
        let plan = shared
            .plans
            .plan(piece, &stamp, (&catalog, &view, fresh), &shared.functions);
        timer.observe_duration();
        Ok((plan?, stamp))
    }

    /// Makes the session before a transaction takes its snapshot, which would not know of its row. A
    /// connection that was never bound cannot be in a read-only one.
    async fn open_before_snapshot(&mut self) -> Result<(), Failure> {
        self.settle().await?;
        let begun = {
            let lane = self.conn.lane();
            lane.status != b'I' || lane.unsynced
        };
        if begun && self.ask(&READ_ONLY, &[], Vec::new()).await?.as_deref() != Some("off") {
            return Ok(());
        }
        match self.open_session().await {
            Ok(()) if begun => Ok(()),
            Ok(()) => self.bind_session().await,
            // the write will say so
            Err(Failure::Refused(_)) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Makes the session for its first change. Fails as PostgreSQL does where the open transaction is
    /// read-only and `command` is not for such a one, and where its snapshot is older than the session.
    pub(crate) async fn open_for_change(&mut self, command: Option<&str>) -> Result<(), Failure> {
        self.settle().await?;
        let within = self.conn.lane().status == b'T';
        let said = match within {
            true => self.ask(&CHARACTERISTICS, &[], Vec::new()).await?,
            false => None,
        };
        let said = said.unwrap_or_default();
        if let Some(command) = command
            && said.starts_with("{on,")
        {
            return Err(Report::error("25006", not_in_read_only(command)).into());
        }
        self.open_session().await?;
        if sql::names_one_snapshot(&said) {
            let told =
                "could not serialize access: the session is newer than the transaction's snapshot";
            return Err(Report::error("40001", told)
                .hint("Run the transaction again.")
                .into());
        }
        Ok(())
    }

    /// The session gets its row, at its first write.
    pub(crate) async fn open_session(&mut self) -> Result<(), Failure> {
        self.send().await?;
        let (name, agent) = (&self.session.name, &self.conn.identity.name);
        let control = &self.conn.shared.control;
        let opened = control.open_session(name, agent, true).await;
        let opened = opened.map_err(|report| no_session(&self.conn.shared, report))?;
        let Some(opened) = opened else {
            return Err(Report::error(
                report::code::NO_SUCH_SESSION,
                "the session could not be made",
            )
            .hint("Try again.")
            .into());
        };
        self.session.sid = opened.sid.0;
        self.conn.sid.store(opened.sid.0, Ordering::Relaxed);
        self.session.draft = self.conn.shared.draft(opened.sid);
        self.session
            .draft
            .learn(&crate::client::open_draft(Some(&opened)));
        tracing::info!(session = name, agent, sid = opened.sid.0, "session made");
        Ok(())
    }

    /// Notes what a relayed statement does to the connection; returned is what takes it back.
    pub(crate) fn take_effect(&mut self, effect: &Effect) -> Vec<Undo> {
        if let Effect::Deallocate(Some(name)) = effect {
            self.lend_name(name);
        }
        let mut lane = self.conn.lane();
        let group = lane.replies.group() + 1;
        match effect {
            Effect::None | Effect::CopyIn | Effect::CopyOut | Effect::Skip(_) => Vec::new(),
            Effect::Temporary => {
                lane.temporary.changes(group);
                Vec::new()
            }
            Effect::Transaction => {
                self.begun = None;
                lane.temporary.ends();
                lane.settings_stale |= lane.set_in.is_some();
                if matches!(lane.bound, Bound::In(_)) {
                    lane.bound = Bound::No;
                }
                Vec::new()
            }
            Effect::Settings | Effect::Reset | Effect::Discard => {
                // RESET ALL takes the number of the operation with it
                self.begun = None;
                lane.settings_stale = true;
                lane.set_in = Some(group);
                if *effect == Effect::Settings {
                    return Vec::new();
                }
                lane.bound = Bound::No;
                lane.reset = true;
                lane.temporary.ends();
                let before = lane.operation.clone();
                lane.operation.set(None, false, group);
                let mut undo = vec![Undo::Operation(before)];
                if *effect == Effect::Discard {
                    lane.held.deallocate_all();
                    undo.push(lane.forget_statements());
                    undo.push(Undo::Pin(lane.pinned.take()));
                }
                undo
            }
            // noted when it has been done, with the types it has
            Effect::Prepare(_) => Vec::new(),
            Effect::Unbind => {
                self.begun = None;
                lane.bound = Bound::No;
                Vec::new()
            }
            Effect::Deallocate(Some(name)) => {
                lane.held.own.retain(|own| own != name);
                vec![lane.install(name.as_bytes(), None)]
            }
            Effect::Deallocate(None) => {
                lane.held.deallocate_all();
                vec![lane.forget_statements()]
            }
        }
    }
}
