//! A large draft of a table in parts, in the order of its key.
//!
//! One statement and several over ranges of the key write the same rows in the same order. Production
//! can tell them apart by its triggers and rules, and by foreign keys of the table to itself, which
//! are checked at the end of a statement: such tables are written whole.

use std::fmt::Write as _;

use catalog::{Relation, quote_literal};

use crate::Own;
use crate::apply::first_key;
use crate::text::column;

/// Rows of which the first key column is in a range, its ends as text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Part {
    /// Above this; from the lowest on where there is none.
    pub above: Option<String>,
    /// Up to this; to the highest where there is none.
    pub up_to: Option<String>,
}

impl Part {
    /// ` AND …` for rows `alias`; without an alias where it is empty.
    pub(crate) fn condition(&self, relation: &Relation, alias: &str) -> String {
        let mut out = String::new();
        let Some(first) = first_key(relation) else {
            return out;
        };
        let value = column(alias, &first.name);
        for (end, operator) in [(&self.above, ">"), (&self.up_to, "<=")] {
            if let Some(end) = end {
                let end = quote_literal(end);
                let _ = write!(out, " AND {value} OPERATOR(pg_catalog.{operator}) {end}");
            }
        }
        out
    }
}

/// Whether production cannot tell parts from the whole.
pub fn divides(relation: &Relation) -> bool {
    let to_itself = relation
        .foreign_keys
        .iter()
        .any(|k| k.parent == relation.id);
    first_key(relation).is_some() && !relation.triggers && !to_itself
}

/// Where the part that begins `above` ends so that it has about so many rows: text, no row where the
/// rest is less.
pub fn end(own: &Own<'_>, above: Option<&str>, rows: u64) -> Option<String> {
    let name = column("h", &first_key(own.draft.relation)?.name);
    let part = Part {
        above: above.map(ToOwned::to_owned),
        up_to: None,
    };
    Some(format!(
        "SELECT {name}::text FROM {} h WHERE h.pgdraft_sid = {}{} ORDER BY {name} OFFSET {rows} LIMIT 1",
        own.draft.table(),
        own.sid.0,
        part.condition(own.draft.relation, "h"),
    ))
}
