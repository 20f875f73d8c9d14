//! The SQL of drafts: heads, logs and their triggers; what a session changed; how it is applied.
//!
//! Pure: a catalog snapshot goes in, SQL text comes out. Nothing here connects to anything, and
//! the same snapshot always gives the same text, so every rule is tested by the text files under
//! `tests/cases/`; what the text does is tested against PostgreSQL in `control`.
//!
//! Invariant: only [`apply`] and [`replay`] name a base table as the target of a write.
//!
//! Start at [`head::ddl`] and [`Draft`].

use std::collections::HashMap;

use catalog::{Catalog, DraftTableId, Relation, RelationId, SessionId};

pub mod appeared;
pub mod apply;
pub mod before;
pub mod conflict;
pub mod depend;
pub mod diff;
pub mod follow;
pub mod head;
mod inlet;
mod keys;
mod limits;
pub mod part;
pub mod places;
pub mod rebase;
pub mod rehearse;
pub mod rekey;
pub mod replay;
pub mod rewind;
pub mod settle;
pub mod split;
pub mod stale;
mod text;
pub mod trigger;
pub mod undo;

pub use limits::{Refusal, check, doubts};

#[cfg(test)]
mod tests;

/// What one session changed in one table.
#[derive(Debug, Clone, Copy)]
pub struct Own<'a> {
    /// The table.
    pub draft: &'a Draft<'a>,
    /// The session.
    pub sid: SessionId,
    /// The only operation that has written to the table, if there was but one: each row has one
    /// log row then, and nobody has to look for the first.
    pub only: Option<i64>,
    /// [`Own::prepare`] has run.
    pub prepared: bool,
    /// Columns that merge as differences.
    pub delta: &'a [String],
    /// Only these rows of the head: places (`ctid`) with commas between them.
    pub slice: Option<&'a str>,
    /// Only rows of this part.
    pub part: Option<&'a part::Part>,
}

impl Own<'_> {
    /// The first log row of each changed row: the base's image when the draft began with it, or
    /// kind `I` for a row that the draft made.
    pub(crate) fn first(&self) -> String {
        match self.only {
            _ if self.prepared => {
                format!(
                    "SELECT l.* FROM {} l WHERE true{}",
                    self.work(),
                    self.within("l")
                )
            }
            Some(op) => format!(
                "SELECT l.* FROM {} l WHERE l.pgdraft_sid = {} AND l.pgdraft_op = {op}{}",
                self.draft.log(),
                self.sid.0,
                self.within("l")
            ),
            None => self.draft.first(self.sid),
        }
    }

    /// The rows of the head that are meant.
    pub(crate) fn head(&self) -> String {
        match (self.slice, self.part) {
            (None, None) => self.draft.table(),
            (Some(places), _) => format!(
                "(SELECT * FROM {} WHERE ctid = ANY ('{{{places}}}'::tid[]))",
                self.draft.table()
            ),
            (None, Some(_)) => format!(
                "(SELECT * FROM {} z WHERE true{})",
                self.draft.table(),
                self.within("z")
            ),
        }
    }

    /// ` AND …`: a row of the base, the log or the head is in the part that is meant.
    pub(crate) fn within(&self, alias: &str) -> String {
        self.part.map_or_else(String::new, |part| {
            part.condition(self.draft.relation, alias)
        })
    }

    /// Makes a work table of the first images, with an index and statistics: a head has none on
    /// sessions, so that a large draft would be joined as a small one (measured: 100,000 rows never
    /// ended). It lives for the length of the transaction, in the schema `pgdraft`, because a
    /// temporary table would need a right on the database.
    pub fn prepare(&self) -> String {
        format!(
            "CREATE TABLE {work} AS {first}; ALTER TABLE {work} ADD PRIMARY KEY ({key}); ANALYZE {work}",
            work = self.work(),
            first = self.draft.first(self.sid),
            key = text::columns("", text::key_columns(self.draft.relation)),
        )
    }

    /// Removes the work table.
    pub fn finish(&self) -> String {
        format!("DROP TABLE {}", self.work())
    }

    fn work(&self) -> String {
        format!("{}_first_{}", self.draft.table(), self.sid.0)
    }

    fn is_delta(&self, column: &str) -> bool {
        self.delta.iter().any(|name| name == column)
    }
}

/// One drafted table with what its texts depend on.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    /// The snapshot; the neighbours by foreign key are found in it.
    pub catalog: &'a Catalog,
    /// The base table.
    pub relation: &'a Relation,
    /// Number of its head.
    pub id: DraftTableId,
    /// Every table that has a head, this one too. A neighbour that is not here has no draft rows.
    pub heads: &'a HashMap<RelationId, DraftTableId>,
}

impl Draft<'_> {
    /// `pgdraft.d7`.
    pub fn table(&self) -> String {
        text::head_table(self.id)
    }

    /// The first log row of each row of a session: the base's image when the draft began with it,
    /// or kind `I` for a row that the draft made.
    pub(crate) fn first(&self, sid: SessionId) -> String {
        let key = text::columns("l", text::key_columns(self.relation));
        format!(
            "SELECT DISTINCT ON ({key}) l.* FROM {} l WHERE l.pgdraft_sid = {} ORDER BY {key}, l.pgdraft_op",
            self.log(),
            sid.0
        )
    }

    /// `pgdraft.d7_log`.
    pub fn log(&self) -> String {
        text::log_table(self.id)
    }
}
