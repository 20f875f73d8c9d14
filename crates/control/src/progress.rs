//! How far a large commit is, told while it runs.

use std::sync::Arc;

use crate::Control;

/// Below so many rows a commit is over before anybody has read that it began.
const ROWS_MIN: u64 = 10_000;

/// How far a commit is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The session.
    pub session: String,
    /// What is done next: `inserting into`, `updating`, `deleting from`.
    pub doing: &'static str,
    /// `schema.table` of where.
    pub table: String,
    /// Rows written.
    pub rows: u64,
    /// Rows that there are to write.
    pub total: u64,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "session \"{}\": {} of {} rows written, {} {}",
            self.session, self.rows, self.total, self.doing, self.table
        )
    }
}

type Tell = dyn Fn(&Step) + Send + Sync;

/// Who is told; nobody by default.
#[derive(Clone, Default)]
pub struct Progress(Option<Arc<Tell>>);

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Progress({})", self.0.is_some())
    }
}

impl Progress {
    /// This function is called before each statement that writes a part of a large draft.
    pub fn new(tell: impl Fn(&Step) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tell)))
    }

    pub(crate) fn tell(&self, step: &Step) {
        if let Some(tell) = self.0.as_ref().filter(|_| step.total >= ROWS_MIN) {
            tell(step);
        }
    }
}

impl Control {
    /// The same control plane, which tells how far its commits are.
    #[must_use]
    pub fn telling(&self, progress: Progress) -> Self {
        Self {
            progress,
            ..self.clone()
        }
    }
}
