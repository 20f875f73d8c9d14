//! What pgdraft says when it refuses, in PostgreSQL's own fields.
//!
//! Every crate has one error enum; each variant chooses SQLSTATE, detail and hint and becomes a
//! [`Report`]. Only `wire` turns a report into bytes.
//!
//! Source: <https://www.postgresql.org/docs/current/protocol-error-fields.html>.

/// How bad it is, as the `S`/`V` fields of an ErrorResponse or NoticeResponse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The statement failed; the connection goes on.
    Error,
    /// The connection ends.
    Fatal,
    /// Only told.
    Notice,
}

/// SQLSTATEs of pgdraft's own class `ZD`; PostgreSQL's are written where they are used.
pub mod code {
    /// The draft and production changed the same row.
    pub const DRAFT_CONFLICT: &str = "ZD001";
    /// The session is committed or discarded: it takes no more writes.
    pub const SESSION_ENDED: &str = "ZD002";
    /// No session of that name.
    pub const NO_SUCH_SESSION: &str = "ZD003";
    /// The session belongs to another agent.
    pub const NOT_YOUR_SESSION: &str = "ZD004";
    /// A session or operation id is empty or too long.
    pub const BAD_ID: &str = "ZD005";
    /// The table changed its shape after the draft was made.
    pub const SCHEMA_MOVED: &str = "ZD006";
    /// pgdraft is not installed in this database, or in another version.
    pub const NOT_INITIALISED: &str = "ZD007";
    /// The control plane could not be reached.
    pub const CONTROL_UNAVAILABLE: &str = "ZD008";
    /// There is no commit to undo, or its rows are not kept any more.
    pub const NO_HISTORY: &str = "ZD030";
    /// A session has no operation of that name, or it was committed or discarded before.
    pub const NO_SUCH_OPERATION: &str = "ZD020";
    /// The draft is not the one whose fingerprint was given.
    pub const DRAFT_MOVED: &str = "ZD021";
    /// Other operations depend on the chosen ones, or they on others.
    pub const NOT_CLOSED: &str = "ZD022";
    /// An operation id that an earlier transaction of the session has used.
    pub const OPERATION_ENDED: &str = "ZD023";
}

/// One error or notice, ready to be told to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How bad it is.
    pub severity: Severity,
    /// SQLSTATE, five characters.
    pub code: String,
    /// What failed: lower case, no full stop.
    pub message: String,
    /// Facts, full sentences.
    pub detail: Option<String>,
    /// The next step; every refusal has one.
    pub hint: Option<String>,
    /// Character position in the client's statement, from 1.
    pub position: Option<usize>,
    /// Schema the error is about.
    pub schema: Option<String>,
    /// Table the error is about.
    pub table: Option<String>,
    /// Constraint the error is about.
    pub constraint: Option<String>,
}

impl Report {
    /// An error with SQLSTATE and message; detail, hint and position are added by the builders.
    pub fn error(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code: code.into(),
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
            schema: None,
            table: None,
            constraint: None,
        }
    }

    /// The same as [`Report::error`], and the connection ends after it.
    pub fn fatal(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Fatal,
            ..Self::error(code, message)
        }
    }

    /// Adds the facts.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds the next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the character position in the client's text, from 1.
    #[must_use]
    pub fn position(mut self, position: usize) -> Self {
        self.position = Some(position);
        self
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for Report {}
