//! What the commands ask of the control plane; a trait, so that they are tested without one.

use async_trait::async_trait;
use report::Report;

use crate::grammar::TableName;

/// A session as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Name.
    pub name: String,
    /// The agent that owns it.
    pub agent: String,
    /// `open`, `committed` or `discarded`.
    pub state: String,
    /// Number of its operations.
    pub operations: i64,
    /// Rows that differ from the base.
    pub changed_rows: i64,
    /// PostgreSQL's text form of a `timestamptz`, as in the other times here.
    pub created_at: String,
    /// When it was committed or discarded.
    pub ended_at: Option<String>,
    /// Who did that.
    pub ended_by: Option<String>,
}

/// An operation as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationRow {
    /// Name.
    pub name: String,
    /// Who ran it.
    pub agent: String,
    /// When its first write began.
    pub started_at: String,
    /// Rows it changed.
    pub changed_rows: i64,
    /// Its first statement, constants replaced.
    pub statement: Option<String>,
}

/// One changed row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiffRow {
    /// The last operation that changed it.
    pub operation: String,
    /// `schema.table`.
    pub table: String,
    /// `added`, `modified` or `removed`.
    pub diff_type: String,
    /// JSON object of the key columns.
    pub primary_key: String,
    /// JSON object of the row before; `None` for an added row.
    pub from: Option<String>,
    /// JSON object of the row after; `None` for a removed row.
    pub to: Option<String>,
    /// Names of the columns that differ.
    pub changed_columns: Vec<String>,
}

/// What ending a session did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Rows applied to production, or rows of the draft thrown away.
    pub rows: u64,
    /// In so many tables.
    pub tables: usize,
}

/// The control plane as the commands need it. Errors are ready for the client.
#[async_trait]
pub trait Drafts: Send + Sync {
    /// The agent that owns a session; `None` where there is no such session.
    async fn owner(&self, session: &str) -> Result<Option<String>, Report>;

    /// All sessions, or one agent's, newest first.
    async fn sessions(&self, agent: Option<&str>) -> Result<Vec<SessionRow>, Report>;

    /// Operations of a session in their order.
    async fn operations(&self, session: &str) -> Result<Vec<OperationRow>, Report>;

    /// Changed rows of a session, of one table if it is given.
    async fn diff(&self, session: &str, table: Option<&TableName>) -> Result<Vec<DiffRow>, Report>;

    /// Applies a draft to production.
    async fn commit(&self, session: &str, by: &str) -> Result<Ended, Report>;

    /// Throws a draft away.
    async fn discard(&self, session: &str, by: &str) -> Result<Ended, Report>;
}
