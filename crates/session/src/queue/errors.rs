//! What becomes of an error of upstream: told as it is, mended, replaced, or not told at all.

use report::Report;

use super::{Event, Names, Replies, Stop, TIMED_OUT, Verdict, Want};
use crate::fix::Positions;
use crate::limits::{self, Bound};

impl Replies {
    /// An ErrorResponse: told (mended, replaced or not at all), and what upstream skips is dropped.
    /// `None` where the connection was to change hands and did not.
    pub(super) fn error(
        &mut self,
        body: &[u8],
        out: &mut Vec<u8>,
        events: &mut Vec<Event>,
        names: Names<'_>,
    ) -> Option<Verdict> {
        let Ok(mut fields) = wire::frame::backend::error_fields(body) else {
            return Some(Verdict::Keep);
        };
        let field = |code: u8| {
            let found = fields.iter().find(|(c, _)| *c == code);
            found.map_or(&[][..], |(_, value)| value.as_slice())
        };
        let fatal = matches!(field(b'V'), b"FATAL" | b"PANIC");
        let aborted = field(b'C') == b"25P02";
        let mut code = String::from_utf8_lossy(field(b'C')).into_owned();
        let mut verdict = Verdict::Keep;
        let mut refused = false;
        let keep = Positions::Keep;
        let head = self.queue.front();
        let fix = head.and_then(|entry| entry.fix.as_ref());
        if fix.is_some_and(|fix| fix.hands_over) && !fatal {
            return None;
        }
        let positions = fix.map_or(&keep, |fix| &fix.positions);
        let private = fix.is_some_and(|fix| fix.private) && !fatal;
        let poison = fix.and_then(|fix| fix.poison.as_ref());
        let renamed = fix.and_then(|fix| fix.statement.as_deref());
        let renamed = renamed.is_some_and(|names| crate::fix::lead_statement(&mut fields, names));
        if private {
            // a Query of ours fails the transaction by intent: the client knows
            if head.is_some_and(|entry| entry.want != Want::Query) {
                self.unsaid.clone_from(&fields);
            }
            verdict = Verdict::Replace;
            code.clear();
        } else if aborted && !self.unsaid.is_empty() {
            let unsaid = std::mem::take(&mut self.unsaid);
            wire::encode::error_fields(out, b'E', &unsaid);
            verdict = Verdict::Replace;
        } else if let Some(report) = poison.filter(|_| !fatal && !aborted) {
            wire::encode::error(out, report);
            verdict = Verdict::Replace;
            code.clone_from(&report.code);
            refused = true;
        } else if let Some(report) = self.stopped(&fields, fatal) {
            if !matches!(self.stop, Stop::Rows | Stop::Shape) {
                events.push(Event::Met(Bound::StatementTimeout));
            }
            wire::encode::error(out, &report);
            verdict = Verdict::Replace;
            code = report.code;
            refused = true;
        } else if let Some(report) = moved(&fields, positions) {
            wire::encode::error(out, &report);
            verdict = Verdict::Replace;
            code = report.code;
            refused = true;
        } else if renamed | crate::fix::mend(&mut fields, positions, &names()) {
            wire::encode::error_fields(out, b'E', &fields);
            verdict = Verdict::Replace;
        }
        events.extend(limits::kept_below(&fields).map(Event::Met));
        if fatal {
            events.push(Event::Fatal);
        }
        let undo = self.skip();
        events.push(Event::Failed {
            code,
            refused,
            undo,
        });
        Some(verdict)
    }

    /// What the client is told instead, where a bound of ours ended the statement.
    fn stopped(&self, fields: &[(u8, Vec<u8>)], fatal: bool) -> Option<Report> {
        let is = |code: u8, value: &[u8]| fields.iter().any(|(c, v)| *c == code && v == value);
        if fatal || !is(b'C', b"57014") {
            return None;
        }
        match self.stop {
            Stop::Rows => Some(limits::too_many_rows(self.limits.rows)),
            Stop::Shape => Some(shape_moved()),
            Stop::No | Stop::Told if !is(b'M', TIMED_OUT) => None,
            Stop::No | Stop::Told | Stop::Time => self.limits.time.map(limits::too_slow),
        }
    }
}

/// What the client is told where production's schema is not the one any more that the statement was rewritten by.
fn moved(fields: &[(u8, Vec<u8>)], positions: &Positions) -> Option<Report> {
    match positions {
        _ if head_is_gone(fields) => Some(table_is_gone()),
        Positions::Bound(..) if has_moved(fields) => Some(shape_moved()),
        _ if columns_are_others(fields, positions) => Some(shape_moved()),
        _ => None,
    }
}

/// PostgreSQL kept a statement of ours prepared that would have other columns by now.
fn has_moved(fields: &[(u8, Vec<u8>)]) -> bool {
    let is = |code: u8, value: &[u8]| fields.iter().any(|(c, v)| *c == code && v == value);
    is(b'C', b"0A000") && is(b'R', b"RevalidateCachedQuery")
}

/// What we wrote beside the client's words does not fit the tables: a column has another name or type since. That
/// PostgreSQL took the client's own text it has said before.
fn columns_are_others(fields: &[(u8, Vec<u8>)], positions: &Positions) -> bool {
    let of = |code: u8| fields.iter().find(|(c, _)| *c == code).map(|(_, v)| &v[..]);
    let rewritten = matches!(
        positions.of_text(),
        Positions::Read(..) | Positions::Write(..)
    );
    // 42703 undefined column, 42804 types that do not match; neither from within a function
    if !rewritten || !matches!(of(b'C'), Some(b"42703" | b"42804")) || of(b'W').is_some() {
        return false;
    }
    let position = of(b'P').and_then(|p| std::str::from_utf8(p).ok()?.parse().ok());
    position.is_some_and(|position| positions.lead(position).is_none())
}

/// A table was dropped since the catalog was read, and its head with it.
fn head_is_gone(fields: &[(u8, Vec<u8>)]) -> bool {
    let of = |code: u8| fields.iter().find(|(c, _)| *c == code);
    let names = |text: &[u8]| {
        let name = text.strip_prefix(b"relation \"pgdraft.d");
        name.is_some_and(|name| name.first().is_some_and(u8::is_ascii_digit))
    };
    of(b'C').is_some_and(|(_, code)| code == b"42P01")
        && of(b'M').is_some_and(|(_, text)| names(text))
}

fn table_is_gone() -> Report {
    Report::error(
        report::code::SCHEMA_MOVED,
        "a table of the statement was dropped just now",
    )
    .hint("Run the statement again.")
}

/// PostgreSQL described the client's text by a table that has other columns since the catalog was
/// read, by which the text was rewritten.
pub(super) fn shape_moved() -> Report {
    Report::error(
        report::code::SCHEMA_MOVED,
        "a table of the statement has just been changed",
    )
    .detail("Its columns are others than when the statement was prepared.")
    .hint("Run the statement again.")
}

#[cfg(test)]
mod tests {
    use super::head_is_gone;

    #[test]
    fn a_head_that_is_gone_is_told_from_a_name_of_the_client() {
        let told = |code: &str, text: &str| {
            let fields = [(b'C', code), (b'M', text)];
            head_is_gone(&fields.map(|(c, v)| (c, v.as_bytes().to_vec())))
        };
        assert!(told("42P01", "relation \"pgdraft.d84_log\" does not exist"));
        assert!(told("42P01", "relation \"pgdraft.d3\" does not exist"));
        assert!(!told("42P01", "relation \"pgdraft.drafts\" does not exist"));
        assert!(!told("42P01", "relation \"d3\" does not exist"));
        assert!(!told("42703", "relation \"pgdraft.d3\" does not exist"));
    }
}
