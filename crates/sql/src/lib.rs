//! Turns one client text into the plan that runs it inside a draft.
//!
//! Pure: the same text, catalog and draft always give the same [`Plan`].

pub use bound::Bound;
pub use functions::check_parameters;
pub use leaves::{Leaves, READ_UNREPORTED};
pub use mask::{Mask, mask};
pub use parse::{ParseFailure, Script, Statement, names_one_snapshot, parse};
pub use pattern::{Filling, Pattern};
pub use plan::*;
pub use readings::{Asked, Reading, readings};
pub use rewrite::plan;
pub use rewrite::redact;
pub use rewrite::security::boolean;
mod bound;
mod classify;
mod facts;
mod functions;
mod invariants;
mod leaves;
mod mask;
mod merge;
mod nested;
mod parse;
mod pattern;
mod plan;
mod policies;
mod readings;
mod resolve;
mod rewrite;
mod second;
mod shadowed;
mod skipped;
mod sought;
mod splice;
mod temporary;
mod tokens;
mod volatile;
mod walk;

#[cfg(test)]
mod tests;
