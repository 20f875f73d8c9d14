//! Turns one client text into the plan that runs it inside a draft.
//!
//! Pure: the same text, catalog and draft always give the same [`Plan`].

pub use plan::*;
mod plan;
