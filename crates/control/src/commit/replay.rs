//! Applying a draft operation by operation.

use std::collections::{BTreeMap, BTreeSet};

use draft::apply::parents_first;
use draft::{Draft, replay};

use super::net::{as_told, complete, finished, nothing};
use super::order::{Kind, Planner, Step};
use super::taken_back::OPERATION;
use super::{Applied, Committed, Work, another_way};
use crate::ControlError;
use crate::sessions::count;

/// An operation: its tables, its number, and how many rows each of its steps has.
type Operation<'a> = (&'a [&'a Draft<'a>], i64, &'a BTreeMap<Step, u64>);

impl Applied {
    fn of(&mut self, kind: Kind) -> &mut u64 {
        match kind {
            Kind::Insert => &mut self.inserted,
            Kind::Update => &mut self.updated,
            Kind::Delete => &mut self.deleted,
        }
    }
}

impl Work<'_> {
    pub(super) async fn replay(&self) -> Result<Committed, ControlError> {
        let relations: Vec<_> = self.own.iter().map(|o| o.draft.relation).collect();
        let drafts: Vec<&Draft<'_>> = parents_first(&relations)
            .iter()
            .filter_map(|r| {
                self.own
                    .iter()
                    .map(|o| o.draft)
                    .find(|d| d.relation.id == r.id)
            })
            .collect();
        let mut operations = BTreeSet::new();
        for draft in &drafts {
            let text = replay::prepare(draft, self.sid);
            self.transaction.batch_execute(&text).await?;
            let text = replay::operations(draft, self.sid);
            for row in self.transaction.query_typed(&text, &[]).await? {
                operations.insert(row.try_get::<_, i64>(0)?);
            }
        }
        let mut done: Vec<Applied> = drafts.iter().map(|d| nothing(d.relation)).collect();
        for operation in operations {
            self.replay_one(&drafts, operation, &mut done).await?;
        }
        for draft in &drafts {
            let text = replay::finish(draft, self.sid);
            self.transaction.batch_execute(&text).await?;
        }
        Ok(finished(done))
    }

    /// One operation, in the first order that keeps every key.
    async fn replay_one(
        &self,
        drafts: &[&Draft<'_>],
        operation: i64,
        done: &mut [Applied],
    ) -> Result<(), ControlError> {
        let relations: Vec<_> = drafts.iter().map(|d| d.relation).collect();
        let rows = self.rows(drafts, operation).await?;
        let there = rows.keys().copied().collect();
        let mut planner = Planner::new(&relations);
        loop {
            self.savepoint(OPERATION).await?;
            let plan = planner.plan(&there);
            let (mut written, mut at) = (done.to_vec(), None);
            let mut tried = Ok(());
            for step in &plan.steps {
                at = Some(*step);
                if let (Some(draft), Some(applied)) =
                    (drafts.get(step.table), written.get_mut(step.table))
                {
                    let expected = rows.get(step).copied().unwrap_or(0);
                    tried = self
                        .step((step.kind, expected), draft, operation, applied)
                        .await;
                }
                if tried.is_err() {
                    break;
                }
            }
            match tried {
                Ok(()) => {
                    done.clone_from_slice(&written);
                    break;
                }
                Err(error) if another_way(&error) => {
                    if !planner.another(plan, at, error.sqlstate(), &there) {
                        let of = (drafts, operation, &rows);
                        self.replay_together(of, done).await?.ok_or(error)?;
                        break;
                    }
                }
                Err(error) => return Err(error),
            }
            self.back_to(OPERATION).await?;
        }
        let text = format!("RELEASE SAVEPOINT {OPERATION}");
        self.transaction.batch_execute(&text).await?;
        Ok(())
    }

    /// One operation in one statement, at whose end PostgreSQL checks foreign keys: rows of several
    /// tables can require each other. `None` where no order of its parts keeps every other key.
    async fn replay_together(
        &self,
        (drafts, operation, rows): Operation<'_>,
        done: &mut [Applied],
    ) -> Result<Option<()>, ControlError> {
        let relations: Vec<_> = drafts.iter().map(|d| d.relation).collect();
        // PostgreSQL takes no table with rules there
        if rows.len() < 2 || relations.iter().any(|r| r.rules) {
            return Ok(None);
        }
        let there = rows.keys().copied().collect();
        let mut planner = Planner::new(&relations);
        loop {
            self.back_to(OPERATION).await?;
            let plan = planner.plan(&there);
            let texts = plan.steps.iter().filter_map(|step| {
                let draft = drafts.get(step.table)?;
                Some((*step, self.replayed(step.kind, draft)?))
            });
            let (steps, texts): (Vec<Step>, Vec<String>) = texts.unzip();
            match self
                .transaction
                .query_one(&replay::together(&texts), &[&operation])
                .await
                .map_err(ControlError::from)
            {
                Ok(row) => {
                    for (place, step) in steps.iter().enumerate() {
                        let (Some(draft), Some(applied)) =
                            (drafts.get(step.table), done.get_mut(step.table))
                        else {
                            continue;
                        };
                        let written = count(row.try_get(place)?);
                        complete(draft, rows.get(step).copied().unwrap_or(0), written)?;
                        *applied.of(step.kind) += written;
                    }
                    return Ok(Some(()));
                }
                Err(error) if another_way(&error) => {
                    if !planner.another(plan, None, None, &there) {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn replayed(&self, kind: Kind, draft: &Draft<'_>) -> Option<String> {
        match kind {
            Kind::Insert => Some(replay::insert(draft, self.sid)),
            Kind::Update => replay::update(draft, self.sid),
            Kind::Delete => Some(replay::delete(draft, self.sid)),
        }
    }

    /// How many rows each step of an operation has.
    async fn rows(
        &self,
        drafts: &[&Draft<'_>],
        operation: i64,
    ) -> Result<BTreeMap<Step, u64>, ControlError> {
        let mut rows = BTreeMap::new();
        for (table, draft) in drafts.iter().enumerate() {
            let text = replay::counts(draft, self.sid);
            let row = self.transaction.query_one(&text, &[&operation]).await?;
            for (place, kind) in Kind::ALL.into_iter().enumerate() {
                let number = count(row.try_get(place)?);
                if number > 0 {
                    rows.insert(Step { table, kind }, number);
                }
            }
        }
        Ok(rows)
    }

    /// One kind of change of one operation in one table, of so many rows.
    async fn step(
        &self,
        (kind, expected): (Kind, u64),
        draft: &Draft<'_>,
        operation: i64,
        applied: &mut Applied,
    ) -> Result<(), ControlError> {
        let Some(text) = self.replayed(kind, draft) else {
            return Ok(());
        };
        as_told(draft.relation, kind)?;
        let mut written = self.transaction.execute(&text, &[&operation]).await?;
        if kind == Kind::Delete && written < expected {
            // a foreign key took the others along
            let text = replay::not_deleted(draft, self.sid);
            let row = self.transaction.query_one(&text, &[&operation]).await?;
            written = expected.saturating_sub(count(row.try_get(0)?));
        }
        complete(draft, expected, written)?;
        *applied.of(kind) += written;
        Ok(())
    }
}
