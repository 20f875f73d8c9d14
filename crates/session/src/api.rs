//! What the data plane asks of the control plane, and nothing else.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use catalog::{Catalog, RelationId, SessionId};
use report::Report;
use tokio::sync::Notify;
use tokio::sync::mpsc::Sender;

/// Who is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Name as in the configuration.
    pub name: String,
    /// What it may do.
    pub role: Role,
}

/// What an identity may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Works in sessions of its own; may see and discard them.
    Agent,
    /// Sees, commits and discards every session; runs no SQL on the base.
    Reviewer,
}

/// State of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionState {
    /// Takes writes.
    Open,
    /// Merged into production.
    Committed,
    /// Thrown away.
    Discarded,
}

/// A session as the data plane needs it.
#[derive(Debug, Clone)]
pub struct OpenedSession {
    /// Its numeric id.
    pub sid: SessionId,
    /// Its state.
    pub state: SessionState,
    /// Tables it has changed, with the rows in its head as far as plans depend on them (see [`catalog::LARGE_DRAFT`]).
    pub touched: Vec<(RelationId, u64)>,
    /// Those of them that it has truncated.
    pub truncated: Vec<RelationId>,
    /// It has sequences of its own.
    pub sequences: bool,
}

/// What is recorded of operations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recording {
    /// An operation id that an earlier transaction used is refused.
    pub refuse_reuse: bool,
    /// Statements are kept with their constants and parameters.
    pub statements: bool,
    /// What reads asked for is kept too, as it is: nothing that is kept is sealed.
    pub conditions: bool,
}

/// A statement as it is kept.
#[derive(Debug, Clone, Copy)]
pub struct Statement<'a> {
    /// The client's own text.
    pub text: &'a str,
    /// Its parameters; `None` where there were too many bytes of them.
    pub parameters: Option<&'a [Parameter<'a>]>,
}

impl<'a> Statement<'a> {
    /// One without parameters.
    pub fn whole(text: &'a str) -> Self {
        Self {
            text,
            parameters: Some(&[]),
        }
    }
}

/// The value of a parameter.
#[derive(Debug, Clone, Copy)]
pub struct Parameter<'a> {
    /// Its type.
    pub type_id: u32,
    /// In the type's binary form, else as text.
    pub binary: bool,
    /// What the client sent; `None` = NULL.
    pub value: Option<&'a [u8]>,
}

/// A statement ready to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Only the key of the configuration opens it.
    pub sealed: bool,
    /// What is kept.
    pub content: Vec<u8>,
}

/// Answer of an admin command: a result set in text, or only a tag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Columns; empty where the command returns no rows.
    pub columns: Vec<AnswerColumn>,
    /// Rows, values in PostgreSQL's text form.
    pub rows: Vec<Vec<Option<String>>>,
    /// Command tag, for example `SHOW` or `COMMIT SESSION`.
    pub tag: String,
    /// Told before the result.
    pub notices: Vec<Report>,
}

/// A column of an [`Answer`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerColumn {
    /// Name.
    pub name: String,
    /// Type: 25 text, 20 int8, 16 bool, 3802 jsonb, 1184 timestamptz, 1009 text[].
    pub type_id: u32,
}

/// What the console found at the beginning of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminCommand {
    /// The client's text without trailing semicolon.
    pub text: String,
    /// Columns of its result, known without running it (Describe needs them).
    pub columns: Vec<AnswerColumn>,
    /// It ends a session or changes its draft, and needs the session for itself.
    pub changes: bool,
}

/// The control plane as seen by a client connection.
#[async_trait]
pub trait ControlPlane: Send + Sync + 'static {
    /// The present snapshot; cheap.
    fn catalog(&self) -> Arc<Catalog>;

    /// Reads the catalog again if production's schema moved; returns the snapshot then.
    async fn refresh_catalog(&self) -> Result<Arc<Catalog>, Report>;

    /// Looks whether production's schema has moved, for a client that paused so long, in which time
    /// anything may have happened. Not where that costs too much beside the pause, or lately.
    async fn catch_up(&self, pause: Duration) {
        let _ = pause;
    }

    /// Finds the session of that name, or makes it for this agent if `create`.
    ///
    /// # Errors
    /// ZD004 where it belongs to another agent; ZD005 for a bad id.
    async fn open_session(
        &self,
        name: &str,
        agent: &str,
        create: bool,
    ) -> Result<Option<OpenedSession>, Report>;

    /// Makes heads for these tables (and for those they cascade to). Idempotent.
    ///
    /// # Errors
    /// 0A000 with a hint where a table cannot be drafted (no key, partitioned, …).
    async fn draft_tables(&self, tables: &[RelationId]) -> Result<Arc<Catalog>, Report>;

    /// The token that binds an upstream backend to a session; given to `pgdraft.bind`.
    fn token(&self, sid: SessionId, upstream_pid: i32) -> String;

    /// Whether no other process serves the database, so that nobody else changes its sessions.
    fn is_alone(&self) -> bool {
        true
    }

    /// What is recorded of operations.
    fn recording(&self) -> Recording {
        Recording::default()
    }

    /// Whether what this agent reads from production is recorded.
    fn records_reads(&self, agent: &str) -> bool {
        let _ = agent;
        false
    }

    /// A statement as it is kept; `None` where it cannot be.
    fn keep(&self, statement: &Statement<'_>) -> Option<Kept> {
        let _ = statement;
        None
    }

    /// A cancel request whose key another process may have given: its process id, and SHA-256 of
    /// the key.
    async fn forward_cancel(&self, pid: i32, digest: &[u8]) {
        let _ = (pid, digest);
    }

    /// Whether a text is an admin command (it is never valid PostgreSQL).
    fn recognise(&self, text: &str) -> Option<AdminCommand>;

    /// Why an agent may write no more rows into its drafts; cheap.
    fn no_room(&self, agent: &str) -> Option<Report> {
        let _ = agent;
        None
    }

    /// What to say to a text that begins as an admin command and ends too early.
    fn unfinished(&self, text: &str) -> Option<Report> {
        let _ = text;
        None
    }

    /// Runs an admin command for this identity; `own_session` is the default of IN SESSION. What is
    /// to be told while it runs goes to `progress`, as far as there is room. Where it is notified by
    /// `stop`, it is rolled back (57014), if it is not done by then.
    async fn admin(
        &self,
        who: &Identity,
        own_session: Option<&str>,
        command: &AdminCommand,
        (progress, stop): (&Sender<Report>, &Notify),
    ) -> Result<Answer, Report>;
}
