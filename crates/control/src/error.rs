//! What can go wrong here, in PostgreSQL's fields.

use catalog::RelationId;
use report::{Report, code};
use store::sessions::{Session, SessionState};

use crate::Dependency;

/// How many rows a conflict names.
pub(crate) const CONFLICT_ROWS_MAX: usize = 20;

/// What stops a commit: a row, or a column of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictRow {
    /// Its schema.
    pub schema: String,
    /// Its table.
    pub table: String,
    /// `(id)=(1)`.
    pub key: String,
    /// JSON object of the key columns.
    pub primary_key: String,
    /// `both modified`, `deleted by us`, `deleted by them`, `both added`, `truncated by us`, `unique`,
    /// `exclusion`, `foreign key` or `check`; us = the draft.
    pub kind: String,
    /// The column, or the constraint.
    pub name: Option<String>,
    /// What the draft began with, as JSON: a value, or a row.
    pub base: Option<String>,
    /// What the draft has.
    pub ours: Option<String>,
    /// What production has.
    pub theirs: Option<String>,
    /// Whose commit made production what it is, where that is known.
    pub changed_by: Option<String>,
}

impl ConflictRow {
    /// Reads a row of [`draft::conflict`].
    pub(crate) fn read(
        relation: &catalog::Relation,
        row: &tokio_postgres::Row,
    ) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            schema: relation.schema.clone(),
            table: relation.name.clone(),
            key: row.try_get("key")?,
            primary_key: row.try_get("primary_key")?,
            kind: row.try_get("kind")?,
            name: row.try_get("name")?,
            base: row.try_get("base")?,
            ours: row.try_get("ours")?,
            theirs: row.try_get("theirs")?,
            changed_by: row.try_get("changed_by")?,
        })
    }

    /// What happened, for a sentence.
    pub fn what(&self) -> String {
        let name = self.name.as_deref().unwrap_or_default();
        match self.kind.as_str() {
            "both modified" => format!("column \"{name}\" was changed in production too"),
            "deleted by us" => "the row was changed in production and the draft removes it".into(),
            "deleted by them" => {
                "the row was removed in production and the draft changes it".into()
            }
            "both added" => "a row with this key appeared in production".into(),
            "truncated by us" => "the row appeared or changed since the table was truncated".into(),
            "unique" | "exclusion" if self.theirs.is_none() => {
                format!(
                    "merged with production's changes another row of the draft is in its way by \"{name}\""
                )
            }
            "exclusion" => {
                format!("a row that \"{name}\" does not allow beside it appeared in production")
            }
            "unique" => format!("a row with the same values of \"{name}\" appeared in production"),
            "foreign key" if self.theirs.is_some() => format!(
                "the row appeared in production and refers to one that the draft removes or changes (\"{name}\"): TAKE THEIRS leaves that one as production has it, or remove or change this one in the draft too"
            ),
            "foreign key" => {
                format!("the row that it refers to by \"{name}\" was removed in production")
            }
            "not null" => {
                format!("production takes no row without a value in column \"{name}\" any more")
            }
            "partition" => {
                format!("production has no partition of \"{name}\" for the row any more")
            }
            "check" if self.base == self.theirs => {
                format!("production has the check \"{name}\" now, which the row violates")
            }
            _ => format!("merged with production's changes the row violates check \"{name}\""),
        }
    }
}

/// Errors of the control plane.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Of PostgreSQL, with all its fields, or of the schema `pgdraft`.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// No connection to the upstream.
    #[error(transparent)]
    Upstream(#[from] upstream::UpstreamError),
    /// What PostgreSQL said of the changes of a draft when none of their orders was left.
    #[error("{0}")]
    NoOrder(Box<ControlError>),
    /// PostgreSQL cannot read a value that a command gave: and which it could.
    #[error("{0}")]
    Unread(Box<ControlError>, String),
    /// The program is stopping.
    #[error("pgdraft is stopping")]
    Stopped,
    /// The agents' role could change these tables by itself.
    #[error("the agents' role \"{role}\" can change {} of production", if .tables.len() == 1 { "a table" } else { "tables" })]
    Exposed {
        /// The role.
        role: String,
        /// `schema.table`.
        tables: Vec<String>,
    },
    /// A session id with a bad number of characters.
    #[error("session id has {0} characters")]
    BadId(usize),
    /// No session of that name.
    #[error("session \"{0}\" does not exist")]
    NoSuchSession(String),
    /// The session is another agent's.
    #[error("session \"{0}\" belongs to another agent")]
    NotYourSession(String),
    /// The agent has as many live sessions as it may.
    #[error("too many sessions of agent \"{agent}\"")]
    TooManySessions {
        /// The agent.
        agent: String,
        /// How many it may have.
        limit: u64,
    },
    /// The agent's drafts are as large as they may be.
    #[error("the drafts of agent \"{agent}\" are too large")]
    TooManyBytes {
        /// The agent.
        agent: String,
        /// Bytes they had when they were measured.
        bytes: u64,
        /// Bytes they may have.
        limit: u64,
    },
    /// The session was committed or discarded.
    #[error("session is already {}", .0.state.as_str())]
    Ended(Box<Session>),
    /// The session is being written to, or a row of it is locked by production.
    #[error("{0}")]
    Busy(String),
    /// A table cannot be drafted.
    #[error("{0}")]
    Refused(Box<draft::Refusal>),
    /// A relation that the database does not have.
    #[error("relation with oid {} does not exist", .0.0)]
    NoSuchRelation(RelationId),
    /// A table that the draft changed is not there any more: schema and name.
    #[error("table \"{}.{}\", which the draft changed, was dropped", .0.0, .0.1)]
    TableDropped((String, String)),
    /// A table changed its shape after the draft was made.
    #[error("table \"{0}\" changed its shape after the draft was made")]
    SchemaMoved(String),
    /// The same, where values of an open draft do not fit it any more.
    #[error("table \"{table}\" changed its shape after the draft was made")]
    Misfit {
        /// The table.
        table: String,
        /// Without the values of any session's rows: everybody who drafts the table may read it.
        why: String,
    },
    /// Production changed what the draft changes.
    #[error("the draft has {count} conflict{} with production", if *.count == 1 { "" } else { "s" })]
    Conflict {
        /// How many.
        count: i64,
        /// The first of them.
        rows: Vec<ConflictRow>,
    },
    /// The session has no such operations, or they were committed or discarded before.
    #[error("session \"{session}\" has no open operation {}", quoted(.operations))]
    NoSuchOperations {
        /// The session.
        session: String,
        /// Their names.
        operations: Vec<String>,
    },
    /// A primary key with another number of values, or without its table.
    #[error("{}", match .table {
        Some(table) if .columns.is_empty() => format!("table \"{table}\" has no primary key"),
        Some(table) => format!("the primary key of table \"{table}\" has {} columns, not {}", .columns.len(), .values),
        None => "a key was given without its table".to_owned(),
    })]
    BadKey {
        /// How many were given.
        values: usize,
        /// The table, if one was named.
        table: Option<String>,
        /// Columns of its primary key.
        columns: Vec<String>,
    },
    /// Keys that the configuration names for tables and that cannot be.
    #[error("tables.key cannot be: {}", .0.join("; "))]
    BadTableKeys(Vec<String>),
    /// Triggers that the configuration names for drafts and that cannot run there.
    #[error("triggers.draft cannot be: {}", .0.join("; "))]
    BadTriggers(Vec<String>),
    /// The draft is not what was reviewed.
    #[error("the draft of session \"{session}\" has moved since it was reviewed")]
    Moved {
        /// The session.
        session: String,
        /// Its fingerprint now.
        fingerprint: String,
    },
    /// A choice of operations that cannot be separated from others.
    #[error("operations {} cannot be {what} without {}", quoted(.chosen), quoted(.missing))]
    NotClosed {
        /// `committed` or `discarded`.
        what: &'static str,
        /// The operations chosen.
        chosen: Vec<String>,
        /// What has to go with them.
        missing: Vec<String>,
        /// Why.
        because: Vec<Dependency>,
    },
    /// A column that a table does not have.
    #[error("column \"{column}\" of relation \"{table}\" does not exist")]
    NoSuchColumn {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A session of that name is there already.
    #[error("session \"{0}\" already exists")]
    NameTaken(String),
    /// There is no commit to undo, or its rows are not kept any more.
    #[error("\"{0}\" has no commit that can be undone")]
    NotCommitted(String),
    /// Somebody else wrote between two commits that are to be undone together.
    #[error("{rows} rows of table \"{table}\" were changed by others between these commits")]
    Gap {
        /// The table.
        table: String,
        /// How many.
        rows: u64,
    },
    /// Rows of a table without a key cannot be found again.
    #[error(
        "table \"{table}\" has no key, so rows that the commit made there cannot be found again"
    )]
    NoKey {
        /// The table.
        table: String,
        /// How many it made.
        rows: u64,
    },
    /// A transaction works in the session.
    #[error("session \"{0}\" is busy")]
    InUse(String),
    /// Production's transactions and the commit waited for each other, again and again.
    #[error("the commit met other transactions in its way {0} times")]
    Crossed(usize, String),
    /// Kept statements that cannot be opened.
    #[error("the statements of session \"{0}\" cannot be opened")]
    Sealed(String),
    /// Rows wait for one another's unique values or parents, which can be missing in none of them.
    #[error("rows of table \"{0}\" cannot exchange their values in one operation")]
    Circle(String),
    /// A rule of production does something else.
    #[error("a rule of table \"{table}\" does something else instead of {command}")]
    Instead {
        /// The table.
        table: String,
        /// The command that the draft's rows need.
        command: &'static str,
    },
    /// Fewer or more rows were written than the draft has.
    #[error("{written} of {expected} rows of table \"{table}\" were written")]
    Incomplete {
        /// The table.
        table: String,
        /// Rows the draft has.
        expected: u64,
        /// Rows PostgreSQL wrote.
        written: u64,
    },
}

impl From<tokio_postgres::Error> for ControlError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Store(store::Error::Database(error))
    }
}

impl From<draft::Refusal> for ControlError {
    fn from(refusal: draft::Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl ControlError {
    /// PostgreSQL's own error, where it is one; it has fields that a [`Report`] has not, as the
    /// constraint's name.
    pub fn database(&self) -> Option<&tokio_postgres::error::DbError> {
        match self {
            Self::Store(store::Error::Database(error)) => error.as_db_error(),
            Self::NoOrder(error) | Self::Unread(error, _) => error.database(),
            _ => None,
        }
    }

    /// The same, ready to be told to a client.
    pub fn report(&self) -> Report {
        let message = self.to_string();
        match self {
            Self::Store(error) => error.report(),
            Self::NoOrder(error) => no_order(error.report()),
            Self::Unread(error, hint) => error.report().hint(hint),
            Self::Upstream(error) => Report::error(code::CONTROL_UNAVAILABLE, message)
                .detail(error.report().detail.unwrap_or_else(|| {
                    "The control connection to PostgreSQL could not be opened.".into()
                }))
                .hint("Try again when PostgreSQL is up."),
            Self::Stopped => Report::error("57P01", message).hint("Connect again later."),
            Self::Exposed { tables, .. } => exposed(tables, message),
            Self::BadTableKeys(_) => Report::error("F0000", message)
                .hint("Name columns of an ordinary table without a primary key: [\"public.readings.sensor\", \"public.readings.at\"]."),
            Self::BadTriggers(_) => Report::error("F0000", message)
                .hint("Name BEFORE INSERT or UPDATE triggers, FOR EACH ROW: [\"public.articles.set_slug\", \"*.*.set_updated_at\"]."),
            Self::BadId(_) => Report::error(code::BAD_ID, message)
                .detail("An id has 1 to 200 characters.")
                .hint("Give an id of that length with options=-c pgdraft.session=<id>."),
            Self::NoSuchSession(_) => Report::error(code::NO_SUCH_SESSION, message)
                .hint("SHOW SESSIONS lists the sessions there are."),
            Self::NotYourSession(_) => Report::error(code::NOT_YOUR_SESSION, message)
                .hint("Choose another session id."),
            Self::TooManySessions { limit, .. } => Report::error("53400", message)
                .detail(format!("An agent may have {limit} sessions that are open or proposed."))
                .hint("Go on in a session there is, discard one that is not needed, or ask the administrator to raise limits.sessions_per_agent."),
            Self::TooManyBytes { bytes, limit, .. } => too_large(*bytes, *limit, message),
            Self::Ended(session) => ended(session, message),
            Self::Busy(_) | Self::InUse(_) => Report::error("55P03", message)
                .detail("A lock was not free within the time allowed.")
                .hint("Try again when the other transaction has ended: SHOW CLIENTS tells who is in one, and KILL CLIENT ends it."),
            Self::Refused(refusal) => refusal.report(),
            Self::NoSuchRelation(_) => Report::error("42P01", message)
                .hint("The table was dropped; run the statement again."),
            Self::TableDropped(_) | Self::SchemaMoved(_) => Report::error(code::SCHEMA_MOVED, message)
                .detail("The draft's rows no longer have the table, or its columns.")
                .hint("Discard the session and do its work again in a new one."),
            Self::Misfit { why, .. } => misfit(why, message),
            Self::Conflict { count, rows } => conflict(*count, rows, message),
            Self::NoSuchOperations { .. } => Report::error(code::NO_SUCH_OPERATION, message)
                .hint("SHOW OPERATIONS lists the operations of a session and their states."),
            Self::BadKey { table, columns, .. } => bad_key(table.is_some(), columns, message),
            Self::Moved { fingerprint, .. } => Report::error(code::DRAFT_MOVED, message)
                .detail(format!("Its fingerprint is {fingerprint} now."))
                .hint("Look at SHOW DIFF again; every diff carries its fingerprint."),
            Self::NotClosed { because, .. } => not_closed(because, message),
            Self::NoSuchColumn { .. } => Report::error("42703", message)
                .hint("SHOW CONFLICTS names the columns."),
            Self::NameTaken(_) => Report::error(code::BAD_ID, message)
                .detail("A name is not used again, also when its session has ended.")
                .hint("Choose another name: AS 'name'."),
            Self::NotCommitted(_) => Report::error(code::NO_HISTORY, message)
                .detail("The rows of a commit are kept for the time of the setting sessions.history_ms, and no longer than their tables.")
                .hint("SHOW SESSIONS lists the committed sessions."),
            Self::Gap { .. } => Report::error(code::DRAFT_CONFLICT, message)
                .detail("Undoing them together would take the others' changes back too.")
                .hint("Revert the sessions one by one, the last one first."),
            Self::NoKey { table, rows } => no_key(table, *rows, message),
            Self::Crossed(_, cause) => Report::error("40P01", message)
                .detail(format!("The last time: {cause}. Nothing was committed."))
                .hint("Commit again when production's other transactions on these rows have ended."),
            Self::Sealed(_) => sealed(message),
            Self::Circle(_) => circle(message),
            Self::Instead { .. } => instead(message),
            Self::Incomplete { .. } => incomplete(message),
        }
    }

    /// A lock that was not free in time, or a deadlock: doing it again may help.
    pub(crate) fn others_in_the_way(&self) -> bool {
        matches!(self, Self::Busy(_)) || matches!(self.sqlstate(), Some("40P01" | "40001"))
    }

    /// The same of a draft that was tried in every order.
    pub(crate) fn in_every_order(self) -> Self {
        match self.sqlstate() {
            Some(_) => Self::NoOrder(Box::new(self)),
            None => self,
        }
    }

    /// The same where a value of the command may be what cannot be read (class 22).
    pub(crate) fn unread(self, hint: impl FnOnce() -> String) -> Self {
        match self.sqlstate() {
            Some(code) if code.starts_with("22") => Self::Unread(Box::new(self), hint()),
            _ => self,
        }
    }

    /// The same, after so many attempts.
    pub(crate) fn after(self, attempts: usize) -> Self {
        match self {
            Self::Busy(what) => Self::Busy(format!("{what} ({attempts} attempts)")),
            other => Self::Crossed(attempts, other.to_string()),
        }
    }

    /// The SQLSTATE of PostgreSQL's error, where it is one.
    pub(crate) fn sqlstate(&self) -> Option<&str> {
        self.database().map(|e| e.code().code())
    }
}

impl From<ControlError> for Report {
    fn from(error: ControlError) -> Self {
        error.report()
    }
}

fn sealed(message: String) -> Report {
    Report::error("55000", message)
        .detail("They were sealed with a key that this process does not have.")
        .hint("Set operations.parameters = \"encrypted\" and operations.key as they were, or use SHOW OPERATIONS without FULL.")
}

fn incomplete(message: String) -> Report {
    Report::error("09000", message)
        .detail(
            "A trigger or rule of production kept rows from being written; nothing was committed.",
        )
        .hint("Look at the triggers of that table, or discard the session.")
}

fn instead(message: String) -> Report {
    Report::error("0A000", message)
        .detail("What would be written are not the rows that were reviewed; nothing was committed.")
        .hint("Have the rule dropped or disabled, or discard the session.")
}

fn no_order(report: Report) -> Report {
    match report.hint {
        Some(_) => report,
        None => report.hint("Its changes were tried in every order, also one row at a time. REHEARSE SESSION lists the rows; a trigger of production may give them other values than the draft has."),
    }
}

fn circle(message: String) -> Report {
    Report::error("23505", message)
                .detail("Each of them waits for a unique value that another one still has, or for a parent that comes after it, and no column of that key can be NULL in between.")
                .hint("Let the agent exchange them over a temporary value, each step in a transaction of its own.")
}

fn ended(session: &Session, message: String) -> Report {
    Report::error(code::SESSION_ENDED, message)
        .detail(format!(
            "Session \"{}\" was {} at {} by {}.",
            session.name,
            match session.state {
                SessionState::Reverted => "committed",
                state => state.as_str(),
            },
            session.ended_at.as_deref().unwrap_or("an unknown time"),
            session.ended_by.as_deref().unwrap_or("an unknown person"),
        ))
        .hint("Use another session id to start a new draft.")
}

fn too_large(bytes: u64, limit: u64, message: String) -> Report {
    Report::error("53400", message)
        .detail(format!("Its open and proposed sessions have {bytes} bytes; an agent may have {limit}."))
        .hint("Have a session committed, discard one that is not needed, or ask the administrator to raise limits.bytes_per_agent.")
}

fn no_key(table: &str, rows: u64, message: String) -> Report {
    Report::error("0A000", message)
        .detail(format!("Number of such rows: {rows}. A row is found again by its primary key, by a unique key over columns that are not null, or by the columns that tables.key names."))
        .hint(format!("SHOW DIFF IN SESSION … TABLE {table} lists them; REVERT OPERATION undoes the operations that did not write there."))
}

fn bad_key(table: bool, columns: &[String], message: String) -> Report {
    if table && columns.is_empty() {
        Report::error("42601", message)
            .detail("Nothing tells the rows of this table apart.")
            .hint("Leave KEY out: TABLE table shows all its changed rows.")
    } else if table {
        Report::error("42601", message)
            .detail(format!("Its primary key is ({}).", columns.join(", ")))
            .hint("Give one value for each column, in this order: KEY (value, …).")
    } else {
        Report::error("42601", message)
            .detail("A key belongs to a table.")
            .hint("Name the table too: TABLE table KEY (value, …).")
    }
}

/// `"a", "b"`.
fn quoted(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|n| format!("\"{n}\"")).collect();
    quoted.join(", ")
}

fn exposed(tables: &[String], message: String) -> Report {
    let some: Vec<&str> = tables.iter().take(20).map(String::as_str).collect();
    Report::error("42501", message)
        .detail(format!(
            "INSERT, UPDATE, DELETE or TRUNCATE is granted to PUBLIC or to that role on {} of them, for example {}.",
            tables.len(),
            some.join(", ")
        ))
        .hint("REVOKE those rights, so that the database itself keeps agents away from production, and start pgdraft again.")
}

fn misfit(why: &str, message: String) -> Report {
    let report = Report::error(code::SCHEMA_MOVED, message).detail(why);
    report.hint("Ask a reviewer to commit or discard the sessions in the way, then run the statement again.")
}

fn not_closed(because: &[Dependency], message: String) -> Report {
    let lines: Vec<String> = because
        .iter()
        .take(CONFLICT_ROWS_MAX)
        .map(|d| {
            format!(
                "\"{}\" depends on \"{}\": {}.",
                d.operation, d.depends_on, d.reason
            )
        })
        .collect();
    Report::error(code::NOT_CLOSED, message)
        .detail(lines.join("\n"))
        .hint("Choose them too, or say CASCADE to take along what belongs to them.")
}

fn conflict(count: i64, rows: &[ConflictRow], message: String) -> Report {
    let mut lines: Vec<String> = rows
        .iter()
        .map(|row| format!("{}.{} {}: {}.", row.schema, row.table, row.key, row.what()))
        .collect();
    let more = usize::try_from(count)
        .unwrap_or(usize::MAX)
        .saturating_sub(rows.len());
    if more > 0 {
        lines.push(format!("And {more} more."));
    }
    Report::error(code::DRAFT_CONFLICT, message)
        .detail(lines.join("\n"))
        .hint("SHOW CONFLICTS lists them with the three values of each. RESOLVE CONFLICT … TAKE OURS | THEIRS | VALUE settles them, then COMMIT SESSION again.")
}
