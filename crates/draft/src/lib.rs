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

use catalog::{Catalog, DraftTableId, Relation, RelationId};

pub mod apply;
mod checks;
pub mod conflict;
pub mod depend;
pub mod diff;
pub mod head;
mod inlet;
mod limits;
pub mod replay;
pub mod split;
mod text;
pub mod trigger;

pub use limits::{Refusal, check};

#[cfg(test)]
mod tests;

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

    /// `pgdraft.d7_log`.
    pub fn log(&self) -> String {
        text::log_table(self.id)
    }
}
