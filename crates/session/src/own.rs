//! Statements of our own on the client's upstream connection. The client sees none of them.
//!
//! They use names beginning with `pgdraft_`, which clients may not use, so that the client's
//! unnamed statement and portal stay as they are.

use std::sync::Arc;

use catalog::RelationId;
use report::{Report, code};
use sql::{Locks, TableLock};
use tokio::io::AsyncWrite;
use tokio::sync::oneshot;

use crate::api::Statement;
use crate::conn::Failure;
use crate::fix::{Positions, command_name};
use crate::lane::Bound;
use crate::planner::Piece;
use crate::prepared::Undo;
use crate::queue::{Capture, Captured, Fix, Want};
use crate::request::Requests;

/// Names of statements and portals that clients may not use begin like this.
pub(crate) const RESERVED: &[u8] = b"pgdraft_";

/// One of our statements.
#[derive(Debug)]
pub(crate) struct OwnStatement {
    pub(crate) name: &'static str,
    pub(crate) text: &'static str,
    pub(crate) types: &'static [u32],
}

/// The effective search path.
static PATH: OwnStatement = OwnStatement {
    name: "pgdraft_path",
    text: "SELECT pg_catalog.current_schemas(false)",
    types: &[],
};

/// The connection's temporary relations, after a number that stands for them and their columns.
static TEMPORARY: OwnStatement = OwnStatement {
    name: "pgdraft_temporary",
    text: "SELECT pg_catalog.array_prepend(pg_catalog.hashtextextended(pg_catalog.array_agg( \
             ROW(c.oid, ARRAY(SELECT ROW(a.attnum, a.attname, a.atttypid, a.atttypmod) \
               FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid \
               ORDER BY a.attnum)) ORDER BY c.oid)::pg_catalog.text, 0)::pg_catalog.text, \
             pg_catalog.array_agg(pg_catalog.concat((SELECT pg_catalog.count(*) \
               FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid \
               AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped), ' ', c.relname))) \
           FROM pg_catalog.pg_class c \
           WHERE c.relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()",
    types: &[],
};

/// Binds this backend to the session.
pub(crate) static TOKEN: OwnStatement = OwnStatement {
    name: "pgdraft_token",
    text: "SELECT pg_catalog.set_config('pgdraft.sid', pgdraft.bind($1)::pg_catalog.text, false), \
           pg_catalog.set_config('pgdraft.client_address', $2, false), \
           pg_catalog.set_config('pgdraft.session', $3, false), \
           pg_catalog.set_config('pgdraft.changes_max', $4, false), \
           pg_catalog.set_config('pgdraft.writer_wait_ms', $5, false)",
    types: &[25, 25, 25, 25, 25],
};

/// Lets an own transaction write where the client's default is not to: binding writes a sequence.
pub(crate) static READ_WRITE: OwnStatement = OwnStatement {
    name: "pgdraft_read_write",
    text: "SET transaction_read_only = off",
    types: &[],
};

/// Begins a write, on a connection that is bound to this session and to no other.
static BEGIN_WRITE: OwnStatement = OwnStatement {
    name: "pgdraft_begin_write",
    text: "SELECT CASE pgdraft.sid() \
           WHEN $4 THEN pgdraft.begin_write($1, $2, $3::pg_catalog.int4[]) \
           ELSE pgdraft.other_session() END",
    types: &[25, 25, 1007, 20],
};

/// Notes which changed tables a write reads; after [`BEGIN_WRITE`].
static NOTE_READS: OwnStatement = OwnStatement {
    name: "pgdraft_note_reads",
    text: "SELECT pgdraft.note_reads($1::pg_catalog.int4[])",
    types: &[1007],
};

/// Records that the session read a table.
pub(crate) static NOTE_READ: OwnStatement = OwnStatement {
    name: "pgdraft_note_read",
    text: "SELECT pgdraft.note_read($1, $2, NULL, NULL)",
    types: &[26, 25],
};

/// Keeps the statement itself; after [`BEGIN_WRITE`].
static KEEP_STATEMENT: OwnStatement = OwnStatement {
    name: "pgdraft_keep_statement",
    text: "SELECT pgdraft.keep_statement($1, $2)",
    types: &[16, 17],
};

/// Refuses an operation id that was used before; after [`BEGIN_WRITE`].
static REFUSE_REUSE: OwnStatement = OwnStatement {
    name: "pgdraft_refuse_reuse",
    text: "SELECT pgdraft.refuse_reuse()",
    types: &[],
};

/// Takes the session's lock for a read that asked for row locks.
static LOCK_SESSION: OwnStatement = OwnStatement {
    name: "pgdraft_lock_session",
    text: "SELECT pgdraft.lock_session($1)",
    types: &[25],
};

/// The same for one that locks its rows one by one.
static LOCK_ROWS: OwnStatement = OwnStatement {
    name: "pgdraft_lock_rows",
    text: "SELECT pgdraft.lock_rows($1)",
    types: &[25],
};

/// Keeps other connections of the session from tables, as LOCK TABLE would.
static LOCK_TABLES: OwnStatement = OwnStatement {
    name: "pgdraft_lock_tables",
    text: "SELECT pgdraft.lock_tables($1::pg_catalog.regclass[], $2::pg_catalog.regclass[], $3, $4)",
    types: &[2210, 2210, 23, 16],
};

/// What the session has changed, by whatever process.
static DRAFT_MARK: OwnStatement = OwnStatement {
    name: "pgdraft_mark",
    text: "SELECT pgdraft.draft_mark()",
    types: &[],
};

const PORTAL: &[u8] = b"pgdraft_own";

/// query_canceled.
const CANCELED: &str = "57014";

/// What begin_write has done in the transaction that is open.
#[derive(Debug)]
pub(crate) struct Begun {
    /// The last Sync group that it is known to hold in.
    group: u64,
    /// [`Lane::ended`](crate::lane::Lane::ended) when it was sent.
    ended: u64,
    operation: Option<String>,
    /// What it was told of.
    told: Vec<Told>,
}

/// One statement that a transaction was told of.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    statement: String,
    heads: Vec<i32>,
    reads: Vec<String>,
}

/// Statements remembered of a transaction.
const TOLD_MAX: usize = 64;

/// A fix that says nothing of success.
pub(crate) fn silent() -> Fix {
    Fix {
        swallow: true,
        positions: Positions::Drop,
        ..Fix::default()
    }
}

/// A fix for what hands a connection over: its failure ends the connection.
fn take_over() -> Fix {
    Fix {
        private: true,
        hands_over: true,
        ..silent()
    }
}

/// A capture and where it arrives.
pub(crate) fn capture() -> (Capture, oneshot::Receiver<Vec<Captured>>) {
    let (to, from) = oneshot::channel();
    let got = Vec::new();
    (Capture { to, got }, from)
}

impl<W: AsyncWrite + Unpin> Requests<'_, W> {
    /// What a fresh connection needs before its first statement.
    pub(crate) async fn prepare(&mut self) -> Result<(), Failure> {
        let mut prepared = self.fresh_settings().await;
        if prepared.is_ok() && self.session.sid != 0 {
            prepared = self.bind_session().await;
        }
        match prepared {
            // the first statement that needs it tries again and is told
            Err(Failure::Refused(report)) => {
                tracing::warn!(%report, "connection not prepared");
                Ok(())
            }
            other => other,
        }
    }

    /// Sends one of our statements; what its Execute brings goes to `capture`. A private one is a
    /// transaction of its own.
    pub(crate) fn run_own(
        &mut self,
        own: &'static OwnStatement,
        params: &[Option<&str>],
        private: bool,
        (capture, undo): (Option<Capture>, Vec<Undo>),
    ) {
        let fix = || Fix {
            private,
            ..silent()
        };
        self.send_own(own, params, &fix, (capture, undo));
        if private && self.expect(Want::Sync, Some(fix())) {
            wire::encode::sync(&mut self.out);
        }
    }

    /// One of the statements by which a connection changes hands.
    pub(crate) fn run_in_take_over(&mut self, own: &'static OwnStatement, params: &[Option<&str>]) {
        self.send_own(own, params, &take_over, (None, Vec::new()));
    }

    /// The end of their transaction.
    pub(crate) fn end_take_over(&mut self) {
        if self.expect(Want::Sync, Some(take_over())) {
            wire::encode::sync(&mut self.out);
        }
    }

    fn send_own(
        &mut self,
        own: &'static OwnStatement,
        params: &[Option<&str>],
        fix: &dyn Fn() -> Fix,
        (capture, undo): (Option<Capture>, Vec<Undo>),
    ) {
        let name = own.name.as_bytes();
        if !self.conn.lane().held.own.contains(own.name) {
            if self.expect(Want::Close, Some(fix())) {
                wire::encode::close_statement(&mut self.out, name);
            }
            let lost = vec![Undo::Own(own.name)];
            if self.expect(
                Want::Parse,
                Some(Fix {
                    undo: lost,
                    ..fix()
                }),
            ) {
                wire::encode::parse(&mut self.out, name, own.text, own.types);
                self.conn.lane().held.own.insert(own.name);
            }
        }
        let bind = Fix { undo, ..fix() };
        if self.expect(Want::Bind, Some(bind)) {
            wire::encode::bind_text(&mut self.out, PORTAL, name, params);
        }
        if self.expect(Want::Execute, Some(Fix { capture, ..fix() })) {
            wire::encode::execute(&mut self.out, PORTAL, 0);
        }
        if self.expect(Want::Close, Some(fix())) {
            wire::encode::close_portal(&mut self.out, PORTAL);
        }
    }

    /// Runs one of our statements and waits for its first value. `None` where the client was told that
    /// it failed, or it could not be run because the transaction has failed.
    ///
    /// # Errors
    /// It failed, by a cancel mostly: the client's statement is to be refused with that.
    pub(crate) async fn ask(
        &mut self,
        own: &'static OwnStatement,
        params: &[Option<&str>],
        undo: Vec<Undo>,
    ) -> Result<Option<String>, Failure> {
        self.settle().await?;
        let (status, unsynced, skipping, read_only) = {
            let lane = self.conn.lane();
            let skipping = lane.replies.skipping();
            (lane.status, lane.unsynced, skipping, lane.read_only)
        };
        if skipping || status == b'E' {
            return Ok(None);
        }
        if read_only && !unsynced && status == b'I' {
            let fix = || Fix {
                private: true,
                ..silent()
            };
            self.send_own(&READ_WRITE, &[], &fix, (None, Vec::new()));
        }
        let (capture, answer) = capture();
        self.run_own(own, params, !unsynced, (Some(capture), undo));
        if unsynced {
            wire::encode::flush(&mut self.out);
        }
        let answer = self.answer(answer).await?;
        if answer.is_none() {
            let mut lane = self.conn.lane();
            let failed = lane.status == b'E';
            if let Some(report) = lane.replies.unsaid(failed) {
                return Err(report.into());
            }
        }
        let row = answer.and_then(|got| got.into_iter().find(|message| message.tag == b'D'));
        let value = row.and_then(|row| {
            let values = wire::frame::backend::data_row(&row.body).ok()?;
            let value = values.into_iter().next()??;
            String::from_utf8(value.to_vec()).ok()
        });
        Ok(value)
    }

    /// Sends, and waits for a capture; `None` where it failed or was skipped.
    pub(crate) async fn answer(
        &mut self,
        answer: oneshot::Receiver<Vec<Captured>>,
    ) -> Result<Option<Vec<Captured>>, Failure> {
        self.send().await?;
        let answer = answer.await.ok();
        // what follows a private statement up to its Sync comes in the same breath
        if !self.conn.lane().unsynced {
            self.wait(|lane| lane.replies.idle()).await?;
        }
        Ok(answer)
    }

    /// Reads the search path again if it may have changed.
    pub(crate) async fn fresh_settings(&mut self) -> Result<(), Failure> {
        let catalog = self.conn.shared.control.catalog();
        let schemas = (catalog.epoch, catalog.names.len());
        if self.schemas.0 != schemas.0 {
            if self.schemas.1 != schemas.1 {
                self.conn.lane().settings_stale = true;
            }
            self.schemas = schemas;
        }
        if !std::mem::take(&mut self.conn.lane().settings_stale) {
            return Ok(());
        }
        let path = self.ask(&PATH, &[], Vec::new()).await;
        let known = path.as_ref().ok().and_then(Option::as_deref);
        match known.and_then(crate::answer::elements) {
            Some(path) => self.path = path.into_iter().flatten().collect(),
            None => self.conn.lane().settings_stale = true,
        }
        path.map(|_| ())
    }

    /// Looks at temporary relations again if they may have changed.
    pub(crate) async fn fresh_temporary(&mut self) -> Result<(), Failure> {
        if !std::mem::take(&mut self.conn.lane().temporary.stale) {
            return Ok(());
        }
        let names = self.ask(&TEMPORARY, &[], Vec::new()).await;
        if names.is_err() || self.conn.lane().status == b'E' || self.conn.lane().replies.skipping()
        {
            self.conn.lane().temporary.stale = true;
            return names.map(|_| ());
        }
        let names = names?.and_then(|names| crate::answer::elements(&names));
        let mut told = names.into_iter().flatten();
        let shapes = told.next().flatten();
        self.shapes = shapes.and_then(|number| number.parse().ok()).unwrap_or(0);
        let told = told.flatten();
        let told = told.filter_map(|told| {
            let (columns, name) = told.split_once(' ')?;
            Some((name.to_owned(), columns.parse().ok()?))
        });
        self.temporary = Arc::new(told.collect());
        Ok(())
    }

    /// The parameters of [`TOKEN`]: what proves the session, and what the session knows of the client.
    pub(crate) fn binding(&self) -> [String; 5] {
        let sid = catalog::SessionId(self.session.sid);
        [
            self.conn.shared.control.token(sid, self.upstream_pid),
            self.conn.presence.peer.ip().to_string(),
            self.session.name.clone(),
            self.conn.limits.changes_max(),
            self.conn.limits.writer_wait_ms(),
        ]
    }

    /// Makes the upstream connection the session's, so that it sees and writes the session's rows.
    pub(crate) async fn bind_session(&mut self) -> Result<(), Failure> {
        if self.session.sid == 0 || self.conn.lane().bound != Bound::No {
            return Ok(());
        }
        self.settle().await?;
        {
            let mut lane = self.conn.lane();
            let next = lane.replies.group() + 1;
            lane.bound = match lane.status {
                b'I' if !lane.unsynced => Bound::Yes,
                _ => Bound::In(next),
            };
        }
        let binding = self.binding();
        let params = binding.each_ref().map(|value| Some(value.as_str()));
        let bound = self.ask(&TOKEN, &params, vec![Undo::Unbind]).await;
        if matches!(bound, Ok(Some(_))) {
            return Ok(());
        }
        let mut lane = self.conn.lane();
        lane.bound = Bound::No;
        if lane.replies.skipping() {
            return Err(Failure::Told);
        }
        if lane.status == b'E' {
            // or upstream will say that the transaction is aborted
            return bound.map(|_| ());
        }
        drop(lane);
        match bound {
            Err(Failure::Refused(report)) if report.code != CANCELED => {}
            Err(failure) => return Err(failure),
            Ok(_) => {}
        }
        Err(Report::error(
            code::CONTROL_UNAVAILABLE,
            "the connection could not be bound to its session",
        )
        .hint("Try again; if it stays, connect again.")
        .into())
    }

    /// Announces a write: the session's lock, its state, the operation. In the write's own flight,
    /// and once a transaction for each statement and operation: lock and operation hold to its end.
    pub(crate) fn begin_write(
        &mut self,
        write: &sql::Write,
        tables: &[i32],
        statement: &Statement<'_>,
    ) {
        let recording = self.conn.shared.control.recording();
        let lane = self.conn.lane();
        let group = lane.replies.group() + 1;
        let begun = self.begun.take().filter(|begun| {
            let goes_on = lane.in_transaction() && begun.ended == lane.ended;
            begun.operation == lane.operation.current
                && (goes_on || lane.unsynced && begun.group == group)
        });
        let mut begun = begun.unwrap_or_else(|| {
            Box::new(Begun {
                group,
                ended: lane.ended,
                operation: lane.operation.current.clone(),
                told: Vec::new(),
            })
        });
        drop(lane);
        begun.group = group;
        let told = Told {
            statement: write.redacted.clone(),
            heads: tables.to_vec(),
            reads: self.read_numbers(&write.reads),
        };
        if !begun.told.contains(&told) {
            let numbers: Vec<String> = tables.iter().map(ToString::to_string).collect();
            let numbers = format!("{{{}}}", numbers.join(","));
            let operation = begun.operation.clone();
            let sid = self.session.sid.to_string();
            let params = [
                operation.as_deref(),
                Some(write.redacted.as_str()),
                Some(numbers.as_str()),
                Some(sid.as_str()),
            ];
            if write.rewritten.locks == Locks::Rows {
                self.run_own(&LOCK_ROWS, &[None], false, (None, Vec::new()));
            }
            let fix = || Fix {
                positions: Positions::Announce(command_name(write.verb)),
                ..silent()
            };
            self.send_own(&BEGIN_WRITE, &params, &fix, (None, Vec::new()));
            if !told.reads.is_empty() {
                let reads = format!("{{{}}}", told.reads.join(","));
                self.run_own(&NOTE_READS, &[Some(&reads)], false, (None, Vec::new()));
            }
            if recording.refuse_reuse && operation.is_some() {
                self.run_own(&REFUSE_REUSE, &[], false, (None, Vec::new()));
            }
            if begun.told.len() < TOLD_MAX {
                begun.told.push(told);
            }
        }
        self.begun = Some(begun);
        if recording.statements {
            self.keep_statement(statement);
        }
    }

    /// Keeps the statement with its constants and parameters.
    fn keep_statement(&mut self, statement: &Statement<'_>) {
        let Some(kept) = self.conn.shared.control.keep(statement) else {
            return;
        };
        let content: String = kept.content.iter().map(|b| format!("{b:02x}")).collect();
        let content = format!("\\x{content}");
        let sealed = if kept.sealed { "t" } else { "f" };
        let params = [Some(sealed), Some(content.as_str())];
        self.run_own(&KEEP_STATEMENT, &params, false, (None, Vec::new()));
    }

    /// Takes the session's lock for a SELECT … FOR UPDATE, and waits for it: what is read under it
    /// depends on what others of the session wrote before.
    /// Where it must not wait for a lock on `now`, another writer is an error.
    pub(crate) async fn lock_session(
        &mut self,
        locks: Locks,
        (command, now): (&'static str, Option<&str>),
    ) -> Result<(), Failure> {
        let own = match locks {
            Locks::Rows => &LOCK_ROWS,
            Locks::Writers | Locks::Own | Locks::Tables | Locks::No => &LOCK_SESSION,
        };
        self.wait_for(own, &[now], Some(command)).await
    }

    /// Fails as PostgreSQL does where a LOCK TABLE stands alone, outside of a transaction: from 18 on what we
    /// send before it makes one for it.
    pub(crate) async fn locks_in_transaction(&mut self, piece: &Piece) -> Result<(), Failure> {
        let lock = piece.parsed.as_ref().and_then(|s| s.table_lock());
        if lock.is_none() || self.conn.lane().executing {
            return Ok(());
        }
        self.settle().await?;
        if self.conn.lane().status != b'I' {
            return Ok(());
        }
        let message = "LOCK TABLE can only be used in transaction blocks";
        Err(Report::error("25P01", message).into())
    }

    /// Takes the session's part of a LOCK TABLE, and waits for it.
    pub(crate) async fn lock_tables(&mut self, lock: Option<TableLock>) -> Result<(), Failure> {
        let Some(lock) = lock else {
            return Ok(());
        };
        let list = |names: &[String]| {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            catalog::array_text(&names)
        };
        let (tables, only, mode) = (list(&lock.tables), list(&lock.only), lock.mode.to_string());
        let nowait = if lock.nowait { "t" } else { "f" };
        let params = [tables.as_str(), &only, &mode, nowait].map(Some);
        self.wait_for(&LOCK_TABLES, &params, None).await
    }

    /// Waits for a lock; what it fails with is the client's error. `command` is what PostgreSQL would
    /// call a statement that may not run in a read-only transaction.
    async fn wait_for(
        &mut self,
        own: &'static OwnStatement,
        params: &[Option<&str>],
        command: Option<&'static str>,
    ) -> Result<(), Failure> {
        let (capture, answer) = capture();
        let fix = || Fix {
            positions: Positions::Announce(command),
            ..silent()
        };
        self.send_own(own, params, &fix, (Some(capture), Vec::new()));
        wire::encode::flush(&mut self.out);
        match self.answer(answer).await? {
            Some(_) => Ok(()),
            None => Err(Failure::Told),
        }
    }

    /// Where other processes serve the database the session may be used through one of them: learns
    /// what it changed there, before a statement is planned.
    pub(crate) async fn see_others(&mut self) -> Result<(), Failure> {
        if self.session.sid == 0 || self.conn.shared.control.is_alone() {
            return Ok(());
        }
        self.bind_session().await?;
        let mark = self.ask(&DRAFT_MARK, &[], Vec::new()).await?;
        if mark.is_none() || mark == self.draft_mark {
            return Ok(());
        }
        let (name, agent) = (&self.session.name, &self.conn.identity.name);
        let control = &self.conn.shared.control;
        let opened = control.open_session(name, agent, false).await?;
        let known = crate::client::open_draft(opened.as_ref());
        let catalog = control.catalog();
        // a table that was drafted there for the first time
        if known.dirty.keys().any(|id| catalog.head(*id).is_none()) {
            control.refresh_catalog().await?;
        }
        // what this transaction changed is not in it yet, so nothing becomes clean
        self.session.draft.learn(&known);
        self.draft_mark = mark;
        Ok(())
    }

    /// Heads of what a statement read, views expanded.
    fn read_numbers(&self, merged: &[RelationId]) -> Vec<String> {
        let catalog = self.conn.shared.control.catalog();
        let mut read = Vec::new();
        for id in merged {
            let view = catalog.relations.get(id).and_then(|r| r.view.as_ref());
            read.extend(view.map_or(std::slice::from_ref(id), |v| v.relations.as_slice()));
        }
        let drafted: Vec<RelationId> = read.iter().map(|id| catalog.drafted_as(*id)).collect();
        self.head_numbers(&drafted)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    /// Numbers of the heads of these tables.
    pub(crate) fn head_numbers(&self, relations: &[RelationId]) -> Vec<i32> {
        let catalog = self.conn.shared.control.catalog();
        let head = |id: &RelationId| catalog.head(*id).map(|head| head.id.0);
        relations.iter().filter_map(head).collect()
    }
}
