//! The way of one statement in the simple protocol, from its text to messages upstream.
//!
//! 1. An admin command is answered by the control plane ([`crate::admin`]).
//! 2. The text is parsed, once for the whole process ([`Requests::parse`]).
//! 3. Each statement is planned; what planning asks for is fetched first ([`Requests::decide`]).
//! 4. A text in which nothing needs anything goes upstream as it came.
//! 5. Otherwise each statement becomes messages of the extended protocol, all in one flight: the
//!    client's own text first, never executed, so that PostgreSQL finds its errors and describes
//!    its columns; for a write `begin_write`; then the rewritten text ([`Requests::run_statement`]).
//! 6. What is refused is sent as a statement that must fail, and the error is replaced on its way
//!    back: it arrives in its place, and the transaction is as after any error.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use report::Report;
use sql::{Effect, ParseFailure, Plan};
use tokio::io::AsyncWrite;

use crate::api::Statement;
use crate::conn::Failure;
use crate::copy::{Rest, copies_in};
use crate::fix::Positions;
use crate::keeping::Binding;
use crate::limits::room;
use crate::own::silent;
use crate::planner::{Piece, Script};
use crate::prepared::Note;
use crate::queue::{Fix, Rows, Want};
use crate::reads::Values;
use crate::refuse::told_by_server;
use crate::request::Requests;

/// A statement that must fail, but only after the check for an aborted transaction, whose error
/// then stands.
pub(crate) const POISON: &str = "SELECT pgdraft_refused";

impl<W: AsyncWrite + Unpin> Requests<'_, W> {
    /// A Query message.
    pub(crate) async fn query(&mut self, body: &[u8]) -> Result<(), Failure> {
        let unsynced = self.conn.lane().unsynced;
        if unsynced {
            // if something before it failed, upstream throws this away up to the next Sync
            self.settle().await?;
        }
        if self.conn.lane().replies.skipping() {
            return Ok(());
        }
        let text = match wire::frame::frontend::query(body) {
            Ok(text) => text,
            Err(error) => {
                self.poison_query(&as_error(error.report()));
                return Ok(());
            }
        };
        match self.run_query(text, unsynced).await {
            Err(Failure::Refused(report)) => {
                self.end_asking(unsynced);
                self.poison_query(&report);
                Ok(())
            }
            // upstream refused what planning asked it, and waits for the Sync
            Err(Failure::Told) => {
                self.end_script();
                Ok(())
            }
            other => other,
        }
    }

    async fn run_query(&mut self, text: &str, unsynced: bool) -> Result<(), Failure> {
        self.in_limits(text.len())?;
        if let Some(command) = self.conn.shared.control.recognise(text) {
            return self.admin_query(&command).await;
        }
        self.fit()?;
        let script = match self.parse(text).await? {
            Ok(script) => script,
            Err(ParseFailure::Refused(report)) => return Err(report.into()),
            Err(ParseFailure::Syntax(_)) => {
                self.let_server_refuse(text, &[]);
                if self.expect(Want::Sync, None) {
                    wire::encode::sync(&mut self.out);
                }
                return Ok(());
            }
        };
        self.in_number(script.len())?;
        // whose tables are new is known when it is planned
        if let Some(effects) = self.plain(text, &script).await?
            && !script.iter().any(|piece| self.reads(piece))
        {
            self.end_asking(unsynced);
            self.relay_query(text, effects.as_ref());
            return Ok(());
        }
        self.run_script(text.into(), script, 0).await
    }

    /// The effects of a text that can go upstream as it is; `None` where a statement of it cannot.
    async fn plain(&mut self, text: &str, script: &Script) -> Result<Option<Vec<Effect>>, Failure> {
        let mut effects = Vec::new();
        for piece in script.iter() {
            let plan = match self.decide_text(piece).await {
                Ok((plan, _)) => plan,
                Err(Failure::Refused(_)) if script.len() > 1 => return Ok(None),
                Err(Failure::Refused(report)) => {
                    let before = text.get(..piece.range.start).unwrap_or_default();
                    let shift = before.chars().count();
                    if !told_by_server(&report) {
                        return Err(shifted(*report, shift).into());
                    }
                    self.refuse_planned((&piece.text, &[]), shift, *report);
                    return Err(Failure::Told);
                }
                Err(failure) => return Err(failure),
            };
            match plan.as_ref() {
                Plan::Relay(relay) => match &relay.effect {
                    Effect::None => {}
                    // what follows depends on it
                    Effect::Settings
                    | Effect::Reset
                    | Effect::Discard
                    | Effect::Temporary
                    | Effect::Unbind
                    | Effect::Deallocate(_)
                        if script.len() > 1 =>
                    {
                        return Ok(None);
                    }
                    Effect::Prepare(_) => return Ok(None),
                    effect => effects.push(effect.clone()),
                },
                _ => return Ok(None),
            }
        }
        Ok(Some(effects))
    }

    /// Ends what planning has asked upstream with a Sync, where nothing of the client's was open before: from
    /// PostgreSQL 18 on a Query is a part of the implicit transaction that messages before it have begun.
    fn end_asking(&mut self, unsynced: bool) {
        if !unsynced && self.conn.lane().unsynced && self.expect(Want::Sync, Some(silent())) {
            wire::encode::sync(&mut self.out);
        }
    }

    /// Sends a Query upstream as it came.
    fn relay_query(&mut self, text: &str, effects: &[Effect]) {
        self.count_statement("relay", text);
        let mut fix = Fix::default();
        for effect in effects {
            if *effect == Effect::Transaction {
                fix.note = Some(Note::Transaction);
            }
            fix.undo.extend(self.take_effect(effect));
        }
        let fix = (!effects.is_empty()).then_some(fix);
        self.forget_unnamed();
        if self.expect(Want::Query, fix) {
            wire::encode::query(&mut self.out, text);
        }
    }

    /// A simple query takes the unnamed statement and portal with it.
    fn forget_unnamed(&self) {
        let mut lane = self.conn.lane();
        lane.install(b"", None);
        lane.open(b"", None);
        lane.held.unnamed = 0;
    }

    /// Runs statements of a Query from the `next`th on, up to the Sync or to a COPY.
    pub(crate) async fn run_script(
        &mut self,
        text: Arc<str>,
        script: Script,
        next: usize,
    ) -> Result<(), Failure> {
        self.forget_unnamed();
        let (mut byte, mut shift) = (0, 0);
        for (index, piece) in script.iter().enumerate().skip(next) {
            let between = text.get(byte..piece.range.start).unwrap_or_default();
            (byte, shift) = (piece.range.start, shift + between.chars().count());
            let decided = match script.len() {
                1 => self.decide_alone(piece).await,
                _ => self.decide(piece).await,
            };
            let (plan, stamp) = match decided {
                Ok(decided) => decided,
                Err(Failure::Refused(report)) => {
                    self.refuse_planned((&piece.text, &[]), shift, *report);
                    break;
                }
                Err(Failure::Told) => break,
                Err(failure) => return Err(failure),
            };
            let room = room(&self.conn.shared, &self.conn.identity.name, &plan);
            if let Err(report) = room.and_then(|()| fits_in_block(&script, &plan)) {
                self.poison(&report);
                break;
            }
            let copies = copies_in(&plan);
            let none = Values {
                types: &[],
                given: Some(&[]),
            };
            match self.record_reads(piece, none).await {
                Err(Failure::Told) => break,
                other => other?,
            }
            let kept = self.kept((&text, &script), (piece, shift), (&plan, &stamp));
            let kept = match kept.await {
                Err(Failure::Told) => break,
                other => other?,
            };
            self.last_of_query = index + 1 == script.len();
            self.run_statement(piece, &plan, (shift, kept));
            self.last_of_query = false;
            if let Some((name, inner)) = piece.prepares() {
                match self.note_prepared(name, &text, &inner).await {
                    Err(Failure::Told) => break,
                    other => other?,
                }
            }
            if is_transaction(&plan) && self.conn.lane().operation.is_local() {
                // whether the transaction ended, and how, decides which operation comes next
                self.settle().await?;
            }
            if copies {
                // nothing but its data may follow a COPY until it is over
                let mut lane = self.conn.lane();
                lane.copy_waits = true;
                lane.copy_over = false;
                drop(lane);
                self.rest = Some(Box::new(Rest {
                    text: Arc::clone(&text),
                    script: Arc::clone(&script),
                    next: index + 1,
                }));
                return Ok(());
            }
        }
        self.end_script();
        Ok(())
    }

    pub(crate) fn end_script(&mut self) {
        if self.expect(Want::Close, Some(silent())) {
            wire::encode::close_statement(&mut self.out, b"");
        }
        if self.expect(Want::Close, Some(silent())) {
            wire::encode::close_portal(&mut self.out, b"");
        }
        if self.expect(Want::Sync, None) {
            wire::encode::sync(&mut self.out);
        }
    }

    /// Sends one statement of a Query by messages of the extended protocol.
    fn run_statement(
        &mut self,
        piece: &Piece,
        plan: &Arc<Plan>,
        (shift, kept): (usize, Option<Binding>),
    ) {
        match plan.as_ref() {
            Plan::Read(_) | Plan::Write(_) if piece.executes().is_some() => {
                self.run_prepared(piece, plan, shift);
            }
            Plan::Read(read) => {
                self.count_statement("read", &piece.text);
                let fix = Fix {
                    undo: self.take_effect(&read.effect),
                    verb: read.effect.verb(),
                    ..Fix::default()
                };
                if let Some(kept) = kept {
                    self.describe_kept(&kept, shift);
                    return self.run_kept(&kept, shift, fix);
                }
                self.describe_original(piece, shift);
                let positions = Positions::Read(Arc::clone(read), shift);
                self.run_rewritten(&read.text, &positions, fix);
            }
            Plan::Write(write) => {
                self.count_statement("write", &piece.text);
                match &kept {
                    Some(kept) => self.describe_kept(kept, shift),
                    None => self.describe_original(piece, shift),
                }
                let tables = self.head_numbers(&write.changes);
                self.begin_write(write, &tables, &Statement::whole(&piece.text));
                let fix = self.written(write);
                if let Some(kept) = kept {
                    return self.run_kept(&kept, shift, fix);
                }
                let positions = Positions::Write(Arc::clone(write), shift);
                self.run_rewritten(&write.rewritten.text, &positions, fix);
            }
            Plan::SetOperation { value, local } => {
                self.count("setting");
                let (undo, local) = self.set_operation(value.as_deref(), *local);
                let undo = vec![undo];
                let fix = Fix {
                    local,
                    undo,
                    ..Fix::default()
                };
                self.expect(Want::Local, Some(fix));
            }
            Plan::ShowOwn { name } => {
                self.count("setting");
                let mut local = Vec::new();
                let answer = self.show_own(name);
                crate::answer::describe(&mut local, &answer.columns, &[]);
                // text format cannot fail
                drop(crate::answer::rows(&mut local, &answer, &[]));
                self.expect(
                    Want::Local,
                    Some(Fix {
                        local,
                        ..Fix::default()
                    }),
                );
            }
            Plan::Relay(relay) => self.relay_statement(piece, &relay.effect, shift),
            Plan::NeedsDraft(_) | Plan::NeedsCatalog => {
                self.relay_statement(piece, &Effect::None, shift);
            }
        }
    }

    /// A statement among others of which one is rewritten.
    fn relay_statement(&mut self, piece: &Piece, effect: &Effect, shift: usize) {
        self.count_statement("relay", &piece.text);
        let positions = Positions::Shift(shift);
        let fix = |rows| Fix {
            rows,
            positions: positions.clone(),
            ..Fix::default()
        };
        let quiet = || Fix {
            swallow: true,
            ..fix(Rows::AsIs)
        };
        if self.expect(Want::Parse, Some(quiet())) {
            wire::encode::parse(&mut self.out, b"", &piece.text, &[]);
        }
        if self.expect(Want::Bind, Some(quiet())) {
            wire::encode::bind_text(&mut self.out, b"", b"", &[]);
        }
        if self.expect(Want::Describe, Some(fix(Rows::NoNoData))) {
            wire::encode::describe_portal(&mut self.out, b"");
        }
        let undo = self.take_effect(effect);
        let note = match effect {
            Effect::Transaction => Some(Note::Transaction),
            Effect::CopyIn | Effect::CopyOut => Some(Note::CopyOver),
            Effect::None
            | Effect::Skip(_)
            | Effect::Settings
            | Effect::Reset
            | Effect::Temporary
            | Effect::Prepare(_)
            | Effect::Discard
            | Effect::Unbind
            | Effect::Deallocate(_) => None,
        };
        let execute = Fix {
            undo,
            note,
            ..fix(Rows::AsIs)
        };
        if self.expect(Want::Execute, Some(execute)) {
            wire::encode::execute(&mut self.out, b"", 0);
        }
    }

    /// PostgreSQL analyses the client's own text: its errors, and the columns it would return.
    fn describe_original(&mut self, piece: &Piece, shift: usize) {
        let parse = Fix {
            swallow: true,
            positions: Positions::Shift(shift),
            ..Fix::default()
        };
        if self.expect(Want::Parse, Some(parse)) {
            wire::encode::parse(&mut self.out, b"", &piece.text, &[]);
        }
        let rows = Rows::Keep;
        if self.expect(Want::Describe, Some(Fix { rows, ..silent() })) {
            wire::encode::describe_statement(&mut self.out, b"");
        }
    }

    /// The rewritten text; the columns kept are told when PostgreSQL would: of a read when it begins to
    /// run, of a change when it has run.
    fn run_rewritten(&mut self, text: &str, positions: &Positions, execute: Fix) {
        let changes = execute.note.is_some();
        let fix = |tell_rows| Fix {
            swallow: true,
            tell_rows,
            positions: positions.clone(),
            ..Fix::default()
        };
        if self.expect(Want::Parse, Some(fix(false))) {
            wire::encode::parse(&mut self.out, b"", text, &[]);
        }
        if self.expect(Want::Bind, Some(fix(!changes))) {
            wire::encode::bind_text(&mut self.out, b"", b"", &[]);
        }
        let execute = Fix {
            positions: positions.clone(),
            tell_rows: changes,
            ..execute
        };
        if self.expect(Want::Execute, Some(execute)) {
            wire::encode::execute(&mut self.out, b"", 0);
        }
    }

    /// What is done with the end of a write.
    pub(crate) fn written(&self, write: &sql::Write) -> Fix {
        Fix {
            // COPY is told as PostgreSQL tells it, whatever it copies
            verb: (write.rewritten.effect != Effect::CopyOut).then_some(write.verb),
            drop_rows: write.counted,
            note: Some(Note::Wrote {
                draft: Arc::clone(&self.session.draft),
                relations: write.changes.clone(),
            }),
            ..Fix::default()
        }
    }

    /// Counts a statement.
    pub(crate) fn count(&self, kind: &str) {
        self.conn
            .presence
            .statements
            .fetch_add(1, Ordering::Relaxed);
        let metrics = &self.conn.shared.metrics;
        metrics.statements.count(kind);
    }
}

/// A FATAL report of a framing fault as the ERROR that PostgreSQL gives for one message.
pub(crate) fn as_error(report: Report) -> Report {
    Report {
        severity: report::Severity::Error,
        ..report
    }
}

/// A refusal of a statement that begins after so many characters of the client's text.
pub(crate) fn shifted(report: Report, by: usize) -> Report {
    let position = report.position.map(|position| position + by);
    Report { position, ..report }
}

/// Several statements of a Query are a transaction block to PostgreSQL, in which DISCARD ALL has no place.
fn fits_in_block(script: &Script, plan: &Plan) -> Result<(), Box<Report>> {
    match plan {
        Plan::Relay(relay) if relay.effect == Effect::Discard && script.len() > 1 => {
            let message = "DISCARD ALL cannot run inside a transaction block";
            Err(Box::new(Report::error("25001", message)))
        }
        _ => Ok(()),
    }
}

fn is_transaction(plan: &Plan) -> bool {
    matches!(plan, Plan::Relay(relay) if relay.effect == Effect::Transaction)
}
