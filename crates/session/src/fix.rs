//! What is changed in upstream's replies so that the client sees its own statement and tables.
//!
//! Pure. A rewritten write comes back as `INSERT 0 n` into `d7`; the client sent an UPDATE of
//! `orders`. Nothing of the draft's storage may show: names of heads, their columns, positions in
//! text that pgdraft made.

mod mend;
mod secured;
mod waiting;

use std::sync::Arc;

use wire::frame::backend::Field;

pub(crate) use mend::{lead_statement, mend};

/// Where the character position of an error leads.
#[derive(Debug, Clone, Default)]
pub(crate) enum Positions {
    /// The client's own text went upstream.
    #[default]
    Keep,
    /// A part of it, which begins after so many characters.
    Shift(usize),
    /// A rewritten text; then as `Shift`.
    Read(Arc<sql::Rewritten>, usize),
    /// A rewritten text; then as `Shift`.
    Write(Arc<sql::Write>, usize),
    /// A text with parameters in place of the client's constants, whose own positions lead to it; then as
    /// `Shift`.
    Bound(Box<Positions>, Arc<sql::Bound>, usize),
    /// A text of pgdraft's own.
    Drop,
    /// The announcement of a command that PostgreSQL calls so where it must not run.
    Announce(Option<&'static str>),
}

impl Positions {
    /// The client's position (from 1) for upstream's.
    pub(crate) fn lead(&self, position: usize) -> Option<usize> {
        match self {
            Self::Keep => Some(position),
            Self::Shift(by) => Some(position + by),
            Self::Read(read, by) => read.positions.to_client(position).map(|p| p + by),
            Self::Write(write, by) => write
                .rewritten
                .positions
                .to_client(position)
                .map(|p| p + by),
            Self::Bound(inner, bound, by) => inner
                .lead(position)
                .and_then(|position| bound.to_client(position))
                .map(|position| position + by),
            Self::Drop | Self::Announce(_) => None,
        }
    }

    /// What text they are of, with parameters or without.
    pub(crate) fn of_text(&self) -> &Self {
        match self {
            Self::Bound(inner, ..) => inner,
            other => other,
        }
    }
}

/// What PostgreSQL says of a client's own text: its parameters and its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Described {
    /// Parameter types.
    pub(crate) parameters: Vec<u32>,
    /// Columns; `None` where it returns no rows.
    pub(crate) fields: Option<Vec<Field>>,
}

impl Described {
    /// Rows of the one are read as rows of the other: as many columns, of the same names and types.
    pub(crate) fn has_columns_of(&self, other: &Self) -> bool {
        let column = |f: &Field| (f.name.clone(), f.type_id, f.type_modifier);
        match (&self.fields, &other.fields) {
            (Some(own), Some(others)) => own.iter().map(column).eq(others.iter().map(column)),
            (own, others) => own.is_none() && others.is_none(),
        }
    }

    /// RowDescription or NoData of the statement.
    pub(crate) fn statement(&self, out: &mut Vec<u8>) {
        match &self.fields {
            Some(fields) => wire::encode::row_description(out, fields),
            None => wire::encode::no_data(out),
        }
    }

    /// RowDescription or NoData of a portal: `tag` and `body` are what upstream says of the
    /// rewritten one, whose formats count.
    pub(crate) fn portal(&self, tag: u8, body: &[u8], out: &mut Vec<u8>) {
        let Some(fields) = &self.fields else {
            return wire::encode::no_data(out);
        };
        let mut fields = fields.clone();
        if tag == b'T'
            && let Ok(theirs) = wire::frame::backend::row_description(body)
        {
            for (field, their) in fields.iter_mut().zip(theirs) {
                field.format = their.format;
            }
        }
        wire::encode::row_description(out, &fields);
    }
}

/// The command tag of a change: the verb of the client's statement with upstream's row count.
pub(crate) fn command_tag(verb: sql::Verb, upstream: &str) -> String {
    let rows = rows_of(upstream);
    let words = match verb {
        sql::Verb::Truncate => return "TRUNCATE TABLE".to_owned(),
        sql::Verb::Explain => return "EXPLAIN".to_owned(),
        sql::Verb::Other(tag) => return tag.to_owned(),
        sql::Verb::Insert => "INSERT 0",
        sql::Verb::Update => "UPDATE",
        sql::Verb::Delete => "DELETE",
        sql::Verb::Merge => "MERGE",
        sql::Verb::Copy => "COPY",
        sql::Verb::Select => "SELECT",
    };
    format!("{words} {rows}")
}

/// What PostgreSQL calls such a change where it must not run; none where it may.
pub(crate) fn command_name(verb: sql::Verb) -> Option<&'static str> {
    match verb {
        sql::Verb::Truncate => Some("TRUNCATE TABLE"),
        sql::Verb::Insert => Some("INSERT"),
        sql::Verb::Update => Some("UPDATE"),
        sql::Verb::Delete => Some("DELETE"),
        sql::Verb::Merge => Some("MERGE"),
        sql::Verb::Copy => Some("COPY FROM"),
        sql::Verb::Select => Some("SELECT"),
        sql::Verb::Explain | sql::Verb::Other(_) => None,
    }
}

pub(crate) fn not_in_read_only(name: &str) -> String {
    format!("cannot execute {name} in a read-only transaction")
}

/// The row count at the end of a command tag, 0 where there is none.
pub(crate) fn rows_of(tag: &str) -> u64 {
    let last = tag.rsplit(' ').next();
    last.and_then(|n| n.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
