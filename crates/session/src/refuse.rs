//! Refusals: never an answer out of turn, always a request upstream that must fail.
//!
//! So the error comes in its place among the replies, and the transaction is as after any error.

use report::Report;
use tokio::io::AsyncWrite;
use wire::frame::frontend as tag;

use crate::conn::Failure;
use crate::fix::Positions;
use crate::limits::{Bound, too_long, too_many_statements};
use crate::own::silent;
use crate::pipeline::{POISON, shifted};
use crate::queue::{Fix, Want};
use crate::request::Requests;

/// The name of statements that must not come to be.
const NEVER: &[u8] = b"pgdraft_never";

impl<W: AsyncWrite + Unpin> Requests<'_, W> {
    /// Refuses in the extended protocol: upstream then skips to the next Sync.
    pub(crate) fn poison(&mut self, report: &Report) {
        self.count("refused");
        self.poison_parse(report);
    }

    /// Refuses a Query.
    pub(crate) fn poison_query(&mut self, report: &Report) {
        self.count("refused");
        let poison = Some(Box::new(report.clone()));
        let fix = Fix {
            poison,
            ..Fix::default()
        };
        if self.expect(Want::Query, Some(fix)) {
            wire::encode::query(&mut self.out, POISON);
        }
    }

    /// A text that PostgreSQL's grammar rejects is parsed upstream, never executed, so that the
    /// client gets the server's own error. Should the server take it, it is refused.
    pub(crate) fn let_server_refuse(&mut self, text: &str, types: &[u32]) {
        self.count("syntax");
        let report = Report::error("0A000", "the statement is not understood by pgdraft")
            .detail("The server would take it, but pgdraft cannot tell what it does.")
            .hint("Write it in a simpler form, or as several statements.");
        self.analysed((text, types), 0);
        self.poison_parse(&report);
    }

    /// A statement, which begins after so many characters of the client's text, that planning
    /// refuses. What PostgreSQL would say itself it says: of several errors it has its own first one.
    pub(crate) fn refuse_planned(&mut self, text: (&str, &[u32]), shift: usize, report: Report) {
        self.count("refused");
        if told_by_server(&report) {
            self.analysed(text, shift);
        }
        self.poison_parse(&shifted(report, shift));
    }

    /// PostgreSQL analyses a text that must not run; the client gets its error, if there is one.
    fn analysed(&mut self, (text, types): (&str, &[u32]), shift: usize) {
        if self.expect(Want::Close, Some(silent())) {
            wire::encode::close_statement(&mut self.out, NEVER);
        }
        let fix = Fix {
            swallow: true,
            positions: Positions::Shift(shift),
            ..Fix::default()
        };
        if self.expect(Want::Parse, Some(fix)) {
            wire::encode::parse(&mut self.out, NEVER, text, types);
        }
    }

    fn poison_parse(&mut self, report: &Report) {
        let poison = Some(Box::new(report.clone()));
        if self.expect(Want::Parse, Some(Fix { poison, ..silent() })) {
            wire::encode::parse(&mut self.out, NEVER, POISON, &[]);
        }
    }

    /// Refuses a text that is too long.
    pub(crate) fn in_limits(&self, bytes: usize) -> Result<(), Failure> {
        let limit = self.conn.limits.statement_bytes_max;
        if bytes <= limit {
            return Ok(());
        }
        self.conn.shared.metrics.bound(Bound::StatementBytes);
        Err(too_long(bytes, limit).into())
    }

    /// Refuses too many statements in one text.
    pub(crate) fn in_number(&self, statements: usize) -> Result<(), Failure> {
        let limit = self.conn.limits.statements_per_query_max;
        if statements <= limit {
            return Ok(());
        }
        self.conn.shared.metrics.bound(Bound::StatementsPerQuery);
        Err(too_many_statements(statements, limit).into())
    }

    /// A statement over the limit whose bytes are still coming, and are thrown away.
    pub(crate) async fn statement_too_long(
        &mut self,
        kind: u8,
        bytes: usize,
    ) -> Result<(), Failure> {
        if self.rest.is_some() {
            self.end_copy_early().await?;
        }
        self.conn.shared.metrics.bound(Bound::StatementBytes);
        let report = too_long(bytes, self.conn.limits.statement_bytes_max);
        if kind == tag::QUERY {
            if self.conn.lane().unsynced {
                self.settle().await?;
            }
            self.poison_query(&report);
        } else {
            self.poison(&report);
        }
        Ok(())
    }

    /// Refuses everything while texts cannot be read as they are meant.
    pub(crate) fn fit(&self) -> Result<(), Failure> {
        let lane = self.conn.lane();
        let Some((name, value)) = lane.unfit.iter().next() else {
            return Ok(());
        };
        Err(Report::error(
            "0A000",
            format!("statements are refused while {name} is \"{value}\""),
        )
        .detail("pgdraft reads statements as UTF-8 with standard_conforming_strings on.")
        .hint("Connect again and leave client_encoding at UTF8 and standard_conforming_strings on.")
        .into())
    }
}

/// Whether an error that planning found is PostgreSQL's own: what pgdraft refuses itself has a hint.
pub(crate) fn told_by_server(report: &Report) -> bool {
    report.hint.is_none() && (report.code.starts_with("42") || report.code == "0A000")
}
