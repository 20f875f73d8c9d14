//! The caches of texts and plans without a connection around them, for `tests/bench/phases`.

use std::sync::Arc;

use catalog::Catalog;
use sql::{DraftView, FunctionPolicy, Plan};

use crate::planner::{Plans, SqlPlanner, Stamp};

/// Caches as a process has them, and one session that plans with them.
pub struct Cached<'a> {
    plans: Plans,
    stamp: Stamp,
    catalog: &'a Catalog,
    draft: &'a DraftView,
    functions: FunctionPolicy,
}

impl<'a> Cached<'a> {
    /// Empty caches, and a session that has changed what `draft` says.
    #[must_use]
    pub fn new(catalog: &'a Catalog, draft: &'a DraftView) -> Self {
        let stamp = Stamp {
            epoch: catalog.epoch,
            path: Arc::from(["public".to_owned()]),
            temporary: Arc::default(),
            shapes: 0,
            draft: 1,
        };
        Self {
            plans: Plans::new(Box::new(SqlPlanner)),
            stamp,
            catalog,
            draft,
            functions: FunctionPolicy::default(),
        }
    }

    /// Whether the text, or another of its shape, has been read before.
    #[must_use]
    pub fn knows(&self, text: &str) -> bool {
        self.plans.parsed(text).is_some()
    }

    /// The plan of a text of one statement: parsed and planned, or found. `None` if it is refused.
    #[must_use]
    pub fn run(&self, text: &str) -> Option<Arc<Plan>> {
        let script = match self.plans.parsed(text) {
            Some(script) => script,
            None => self.plans.parse(text).ok()?,
        };
        let piece = script.first()?;
        if let Some(plan) = self.plans.planned(piece, &self.stamp) {
            return Some(plan);
        }
        let from = (self.catalog, self.draft, false);
        let plan = self.plans.plan(piece, &self.stamp, from, &self.functions);
        plan.ok()
    }
}
