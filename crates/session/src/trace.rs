//! Spans of statements and their phases, for a subscriber that filters by [`TRACES`].
//!
//! What a client sends until it waits for us is one span, `exchange`, up to the answer's last byte;
//! in it lie the statements and what is done for them: `wait` for a server connection, `parse`, `plan`,
//! `draft`, `describe`, and `upstream` while PostgreSQL works. Each names session and operation.
//! Where nobody subscribes a span costs the look at a static.

use tokio::io::AsyncWrite;
use tracing::Span;

use crate::conn::Conn;
use crate::lane::Lane;
use crate::request::Requests;

/// The target of all spans here, and of nothing else.
pub const TRACES: &str = "pgdraft_trace";

/// The spans of what the client waits for.
#[derive(Debug)]
pub(crate) struct Trace {
    session: String,
    operation: Option<String>,
    exchange: Span,
    /// The statement that was sent last.
    statement: Span,
    /// PostgreSQL works.
    upstream: Span,
}

/// A span within the exchange.
macro_rules! within {
    ($trace:expr, $name:expr $(, $($field:tt)*)?) => {
        tracing::info_span!(
            target: TRACES,
            parent: &$trace.exchange,
            "phase",
            otel.name = $name,
            pgdraft.session = $trace.session,
            pgdraft.operation = $trace.operation,
            $($($field)*)?
        )
    };
}

fn wanted() -> bool {
    tracing::enabled!(target: TRACES, tracing::Level::INFO)
}

impl Conn {
    /// A phase of what the client waits for, until it is dropped.
    pub(crate) fn phase(&self, name: &'static str) -> Span {
        if !wanted() {
            return Span::none();
        }
        let lane = self.lane();
        lane.trace
            .as_ref()
            .map_or_else(Span::none, |trace| within!(trace, name))
    }
}

impl Lane {
    /// Something was sent to PostgreSQL.
    pub(crate) fn upstream_works(&mut self) {
        if let Some(trace) = &mut self.trace
            && trace.upstream.is_none()
        {
            trace.upstream = within!(trace, "upstream");
        }
    }

    /// PostgreSQL has answered; the client has all that it waited for where it sends nothing more.
    pub(crate) fn upstream_rests(&mut self) {
        if let Some(trace) = &mut self.trace {
            trace.upstream = Span::none();
        }
        self.end_exchange();
    }

    /// Ends the exchange where nothing is left to do for the client.
    pub(crate) fn end_exchange(&mut self) {
        if self.resting && self.replies.idle() {
            self.trace = None;
        }
    }
}

impl<W: AsyncWrite + Unpin> Requests<'_, W> {
    /// The client has sent something.
    pub(crate) fn trace(&self) {
        if !wanted() {
            return;
        }
        let mut lane = self.conn.lane();
        if lane.trace.is_some() {
            return;
        }
        let (session, operation) = (self.session.name.clone(), lane.operation.current.clone());
        let exchange = tracing::info_span!(
            target: TRACES,
            parent: None,
            "exchange",
            otel.kind = "server",
            db.system.name = "postgresql",
            pgdraft.session = session,
            pgdraft.operation = operation,
            pgdraft.agent = self.conn.identity.name,
            pgdraft.client = self.conn.number,
        );
        lane.trace = Some(Box::new(Trace {
            session,
            operation,
            exchange,
            statement: Span::none(),
            upstream: Span::none(),
        }));
    }

    /// Counts a statement of this kind; its text goes into the trace without its constants.
    pub(crate) fn count_statement(&self, kind: &'static str, text: &str) {
        self.count(kind);
        if !wanted() {
            return;
        }
        let mut lane = self.conn.lane();
        let operation = lane.operation.current.clone();
        if let Some(trace) = &mut lane.trace {
            let text = sql::redact(text);
            trace.operation = operation;
            trace.statement = within!(
                trace,
                "statement",
                db.query.text = text,
                pgdraft.kind = kind
            );
        }
    }
}
