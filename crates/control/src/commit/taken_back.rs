//! Attempts of a commit that were taken back. PostgreSQL counts the rows that they removed as the
//! transaction's, so a rehearsal, which tells by these counts what the database itself removed, has to
//! leave them out.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use draft::rehearse::CHANGED_TABLES;

use super::Work;
use crate::ControlError;
use crate::sessions::count;

/// Before the draft is applied.
pub(super) const COMMIT: &str = "pgdraft_commit";
/// Before an operation is.
pub(super) const OPERATION: &str = "pgdraft_operation";
/// Before rows that require each other are.
pub(super) const TOGETHER: &str = "pgdraft_together";

/// Rows removed from each table, by its oid.
type Removed = BTreeMap<u32, u64>;

/// What was removed and came back; nothing where nobody counts.
#[derive(Default)]
pub(super) struct TakenBack(Mutex<Option<Counts>>);

#[derive(Clone, Default)]
struct Counts {
    /// Since the beginning.
    removed: Removed,
    /// At each savepoint: what was counted, and what of it had come back.
    marks: HashMap<&'static str, (Removed, Removed)>,
}

impl TakenBack {
    fn with<T>(&self, then: impl FnOnce(&mut Option<Counts>) -> T) -> T {
        then(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Work<'_> {
    /// Counts from now on.
    pub(crate) fn count_taken_back(&self) {
        self.taken_back
            .with(|counts| *counts = Some(Counts::default()));
    }

    /// Rows that were removed and came back.
    pub(crate) fn taken_back(&self) -> BTreeMap<u32, u64> {
        self.taken_back
            .with(|counts| counts.clone().unwrap_or_default().removed)
    }

    pub(super) async fn savepoint(&self, name: &'static str) -> Result<(), ControlError> {
        let text = format!("SAVEPOINT {name}");
        self.transaction.batch_execute(&text).await?;
        if let Some(now) = self.counted().await? {
            self.taken_back.with(|counts| {
                if let Some(counts) = counts {
                    counts.marks.insert(name, (now, counts.removed.clone()));
                }
            });
        }
        Ok(())
    }

    pub(super) async fn back_to(&self, name: &'static str) -> Result<(), ControlError> {
        let text = format!("ROLLBACK TO SAVEPOINT {name}");
        self.transaction.batch_execute(&text).await?;
        if let Some(now) = self.counted().await? {
            self.taken_back.with(|counts| {
                let Some(counts) = counts else { return };
                let Some((then, known)) = counts.marks.get(name) else {
                    return;
                };
                counts.removed = known.clone();
                for (table, rows) in now {
                    let before = then.get(&table).copied().unwrap_or(0);
                    *counts.removed.entry(table).or_default() += rows.saturating_sub(before);
                }
            });
        }
        Ok(())
    }

    async fn counted(&self) -> Result<Option<Removed>, ControlError> {
        if self.taken_back.with(|counts| counts.is_none()) {
            return Ok(None);
        }
        let mut removed = Removed::new();
        for row in self.transaction.query_typed(CHANGED_TABLES, &[]).await? {
            removed.insert(row.try_get(0)?, count(row.try_get(1)?));
        }
        Ok(Some(removed))
    }
}
