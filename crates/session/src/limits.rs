//! Bounds on what one client may ask for, and what it is told at each of them.

use std::sync::Arc;
use std::time::Duration;

use report::Report;

use crate::shared::Shared;

/// Bounds on what one client may ask for. Zero and `None` stand for no bound.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest text of a Query or Parse, in bytes.
    pub statement_bytes_max: usize,
    /// Most statements in the text of one Query.
    pub statements_per_query_max: usize,
    /// Most prepared statements a connection may hold.
    pub prepared_statements_max: usize,
    /// Most requests a connection may have in flight.
    pub requests_in_flight_max: usize,
    /// Most bytes that are kept for one connection: statements, and answers it has not taken.
    pub connection_bytes_max: usize,
    /// Most clients of one agent at a time.
    pub connections_per_agent: usize,
    /// Most rows that one statement returns.
    pub rows_per_statement: u64,
    /// Most rows that one session changes; the database counts them.
    pub changes_per_session: u64,
    /// Longest time of one statement.
    pub statement_timeout: Option<Duration>,
    /// Longest wait for another connection of the session that has written in an open transaction.
    pub writer_wait: Option<Duration>,
    /// Longest time that a client leaves a transaction open without a statement.
    pub idle_transaction_timeout: Option<Duration>,
    /// Longest time without a statement.
    pub client_idle_timeout: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            statement_bytes_max: 16 << 20,
            statements_per_query_max: 1000,
            prepared_statements_max: 10_000,
            requests_in_flight_max: 1_000_000,
            connection_bytes_max: 256 << 20,
            connections_per_agent: 0,
            rows_per_statement: 0,
            changes_per_session: 0,
            statement_timeout: None,
            writer_wait: Some(Duration::from_secs(60)),
            idle_transaction_timeout: None,
            client_idle_timeout: None,
        }
    }
}

/// A bound that was met, for the metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    StatementBytes,
    StatementsPerQuery,
    PreparedStatements,
    RequestsInFlight,
    ConnectionBytes,
    ConnectionsPerAgent,
    SessionsPerAgent,
    ChangesPerSession,
    BytesPerAgent,
    RowsPerStatement,
    StatementTimeout,
    WriterWait,
    IdleTransactionTimeout,
    ClientIdleTimeout,
}

impl Bound {
    /// The label.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::StatementBytes => "statement_bytes",
            Self::StatementsPerQuery => "statements_per_query",
            Self::PreparedStatements => "prepared_statements",
            Self::RequestsInFlight => "requests_in_flight",
            Self::ConnectionBytes => "connection_bytes",
            Self::ConnectionsPerAgent => "connections_per_agent",
            Self::SessionsPerAgent => "sessions_per_agent",
            Self::ChangesPerSession => "changes_per_session",
            Self::BytesPerAgent => "bytes_per_agent",
            Self::RowsPerStatement => "rows_per_statement",
            Self::StatementTimeout => "statement_timeout",
            Self::WriterWait => "writer_wait",
            Self::IdleTransactionTimeout => "idle_transaction_timeout",
            Self::ClientIdleTimeout => "client_idle_timeout",
        }
    }
}

pub(crate) fn too_long(bytes: usize, limit: usize) -> Report {
    Report::error("54000", "statement is too long")
        .detail(format!("It has {bytes} bytes; at most {limit} are taken."))
        .hint("Send large data as parameters or by COPY, or split the statement.")
}

pub(crate) fn too_many_statements(statements: usize, limit: usize) -> Report {
    Report::error("54000", "too many statements in one query")
        .detail(format!("It has {statements}; at most {limit} are taken."))
        .hint("Send the statements in several queries.")
}

pub(crate) fn too_many_prepared(limit: usize) -> Report {
    Report::error("54000", "too many prepared statements")
        .detail(format!("A connection may hold {limit}."))
        .hint("Close statements that are not needed any more, or send DEALLOCATE ALL.")
}

pub(crate) fn too_many_requests(limit: usize) -> Report {
    Report::fatal("54000", "too many requests in flight")
        .detail(format!("At most {limit} may wait for their answers."))
        .hint("Read the answers, and send a Sync now and then.")
}

pub(crate) fn too_many_bytes(limit: usize) -> Report {
    Report::fatal("54000", "the connection needs too much memory")
        .detail(format!(
            "Its prepared statements and the requests that wait for their answers need more than {limit} bytes."
        ))
        .hint("Read the answers before sending more, and close prepared statements that are not needed any more.")
}

pub(crate) fn too_many_connections(agent: &str, limit: usize) -> Report {
    Report::fatal("53300", format!("too many connections for agent \"{agent}\""))
        .detail(format!("An agent may have {limit} at a time."))
        .hint("Close connections that are not used, or ask the administrator to raise limits.connections_per_agent.")
}

pub(crate) fn too_many_rows(limit: u64) -> Report {
    Report::error("54000", "the statement returns too many rows")
        .detail(format!("A statement may return {limit}."))
        .hint("Add conditions or a LIMIT, fetch in parts with a cursor, or ask the administrator to raise limits.rows_per_statement.")
}

pub(crate) fn too_slow(limit: Duration) -> Report {
    let report = Report::error("57014", "canceling statement due to statement timeout");
    with_time(report, limit)
}

/// What is added to PostgreSQL's own error at the end of that time: detail and hint.
pub(crate) fn with_time(report: Report, limit: Duration) -> Report {
    report
        .detail(format!("A statement may run for {} ms.", limit.as_millis()))
        .hint("Make the statement do less at a time, or ask the administrator to raise limits.statement_timeout_ms.")
}

impl Limits {
    /// Most changed rows, as a backend is told; empty where nothing bounds them.
    pub(crate) fn changes_max(&self) -> String {
        match self.changes_per_session {
            0 => String::new(),
            most => most.to_string(),
        }
    }

    /// Longest wait for another writer in milliseconds, as a backend is told; 0 where nothing bounds it.
    pub(crate) fn writer_wait_ms(&self) -> String {
        // PostgreSQL takes no longer lock_timeout
        let ms = self.writer_wait.unwrap_or_default().as_millis();
        ms.min(i32::MAX as u128).to_string()
    }

    /// What a client is told whose statement does not stop.
    pub(crate) fn abandoned(&self) -> Report {
        let report = Report::fatal("57014", "the statement could not be stopped in time");
        with_time(report, self.statement_timeout.unwrap_or_default())
    }
}

pub(crate) fn idle_transaction() -> Report {
    Report::fatal(
        "25P03",
        "terminating connection due to idle-in-transaction timeout",
    )
    .detail("The transaction is rolled back: its writes are not in the draft.")
    .hint("Connect again and end transactions sooner, or ask the administrator to raise idle_transaction_timeout_ms.")
}

pub(crate) fn idle_client() -> Report {
    Report::fatal(
        "57P05",
        "terminating connection due to idle-session timeout",
    )
    .hint("Connect again: the draft keeps everything that was committed in its session.")
}

/// The bound that the database itself keeps, where this is its error: of `pgdraft.count_changes` or `pgdraft.wait_for_writer`.
pub(crate) fn kept_below(fields: &[(u8, Vec<u8>)]) -> Option<Bound> {
    let is = |code: u8, value: &[u8]| fields.iter().any(|(c, v)| *c == code && v == value);
    if is(b'C', b"53400") && is(b'M', b"the session changes too many rows") {
        return Some(Bound::ChangesPerSession);
    }
    (is(b'C', b"55P03") && is(b'M', OTHER_WRITER)).then_some(Bound::WriterWait)
}

/// The message of `pgdraft.wait_for_writer`.
const OTHER_WRITER: &[u8] =
    b"another connection of the session has a transaction open that has written";

/// Whether a plan is a write that its agent has no room for.
pub(crate) fn room(shared: &Shared, agent: &str, plan: &sql::Plan) -> Result<(), Box<Report>> {
    if !matches!(plan, sql::Plan::Write(_)) {
        return Ok(());
    }
    match shared.control.no_room(agent) {
        None => Ok(()),
        Some(report) => {
            shared.metrics.bound(Bound::BytesPerAgent);
            Err(Box::new(report))
        }
    }
}

/// The session could not be had: counts where that is because the agent has too many.
pub(crate) fn no_session(shared: &Shared, report: Report) -> Report {
    if report.code == "53400" {
        shared.metrics.bound(Bound::SessionsPerAgent);
    }
    report
}

/// The place of one client among those of its agent.
pub(crate) struct Place {
    shared: Arc<Shared>,
    agent: String,
}

impl Place {
    /// For one more client of this agent.
    ///
    /// # Errors
    /// 53300 where it has as many as it may.
    pub(crate) fn take(shared: &Arc<Shared>, agent: &str) -> Result<Self, Report> {
        let limit = shared.limits().connections_per_agent;
        let mut count = shared.agents.entry(agent.to_owned()).or_insert(0);
        if limit > 0 && *count >= limit {
            drop(count);
            shared.metrics.bound(Bound::ConnectionsPerAgent);
            return Err(too_many_connections(agent, limit));
        }
        *count += 1;
        Ok(Self {
            shared: Arc::clone(shared),
            agent: agent.to_owned(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(mut count) = self.shared.agents.get_mut(&self.agent) {
            *count -= 1;
        }
        self.shared
            .agents
            .remove_if(&self.agent, |_, count| *count == 0);
    }
}
