//! Applying a draft operation by operation.

use std::collections::{BTreeMap, BTreeSet};

use draft::apply::parents_first;
use draft::{Draft, replay};

use super::net::{complete, finished, nothing};
use super::order::{Kind, Planner, Step};
use super::{Applied, Committed, Work, another_way};
use crate::ControlError;
use crate::sessions::count;

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
            for row in self.transaction.query(&text, &[]).await? {
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
            self.transaction
                .batch_execute("SAVEPOINT pgdraft_replay")
                .await?;
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
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
            self.transaction
                .batch_execute("ROLLBACK TO SAVEPOINT pgdraft_replay")
                .await?;
        }
        self.transaction
            .batch_execute("RELEASE SAVEPOINT pgdraft_replay")
            .await?;
        Ok(())
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
        let (text, total) = match kind {
            Kind::Insert => (Some(replay::insert(draft, self.sid)), &mut applied.inserted),
            Kind::Update => (replay::update(draft, self.sid), &mut applied.updated),
            Kind::Delete => (Some(replay::delete(draft, self.sid)), &mut applied.deleted),
        };
        let Some(text) = text else { return Ok(()) };
        let mut written = self.transaction.execute(&text, &[&operation]).await?;
        if kind == Kind::Delete && written < expected {
            // a foreign key took the others along
            let text = replay::not_deleted(draft, self.sid);
            let row = self.transaction.query_one(&text, &[&operation]).await?;
            written = expected.saturating_sub(count(row.try_get(0)?));
        }
        complete(draft, expected, written)?;
        *total += written;
        Ok(())
    }
}
