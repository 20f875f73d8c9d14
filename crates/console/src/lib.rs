//! The admin language: SQL statements of pgdraft's own, on the same port as the agents'.
//!
//! Must not know how they travel (simple or extended protocol) nor how drafts are stored: text
//! and caller in, rows out, through the [`Drafts`] trait. Nothing here is valid PostgreSQL, so no
//! statement of PostgreSQL is shadowed; what begins like a command and is none is answered with
//! 42601 and the right form, as far as it cannot be PostgreSQL's.
//!
//! Start at [`recognise`] and [`run`]; the commands stand in [`COMMANDS`].

mod changes;
mod commands;
mod drafts;
mod edits;
mod grammar;
mod handlers;
mod process;
mod spec;
mod tokens;

pub use catalog::shown_table;
pub use commands::{COMMANDS, Column, ColumnType, Piece, Privilege, Spec};
pub use drafts::{Asked, Drafts, Ended, find_table};
pub use edits::edits;
pub use grammar::{Recognised, Request, TableName, recognise, unfinished};
pub use process::{Order, Process, Shown};

use report::Report;

/// Who runs a command.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// Name as in the configuration.
    pub name: &'a str,
    /// A reviewer, not an agent.
    pub reviewer: bool,
    /// The session that this connection works in: the default of `IN SESSION`.
    pub own_session: Option<&'a str>,
    /// The process that serves clients, where there is one.
    pub process: Option<&'a dyn Process>,
}

/// A result: values in PostgreSQL's text form, and what is told before them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// One value for each column of the command.
    pub rows: Vec<Vec<Option<String>>>,
    /// Notices.
    pub notices: Vec<Report>,
    /// What the notices say, for programs.
    pub facts: Vec<(&'static str, Fact)>,
}

/// One thing that a command did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// How many.
    Number(u64),
    /// A name or a word.
    Text(String),
    /// Names.
    Texts(Vec<String>),
    /// Whether.
    Truth(bool),
}

impl Rows {
    /// Adds what a program is told.
    #[must_use]
    pub(crate) fn fact(mut self, name: &'static str, fact: impl Into<Fact>) -> Self {
        self.facts.push((name, fact.into()));
        self
    }
}

impl From<&str> for Fact {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u64> for Fact {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<usize> for Fact {
    fn from(number: usize) -> Self {
        Self::Number(u64::try_from(number).unwrap_or(u64::MAX))
    }
}

impl FromIterator<Vec<Option<String>>> for Rows {
    fn from_iter<T: IntoIterator<Item = Vec<Option<String>>>>(rows: T) -> Self {
        Self {
            rows: rows.into_iter().collect(),
            ..Self::default()
        }
    }
}

/// Runs a command for a caller.
///
/// # Errors
/// 42501 where the caller may not, ZD003 for a session that does not exist or is another
/// agent's, and whatever the control plane refuses.
pub async fn run(
    drafts: &dyn Drafts,
    caller: &Caller<'_>,
    request: &Request,
) -> Result<Rows, Report> {
    handlers::run(drafts, caller, request).await
}

#[cfg(test)]
mod tests;
