//! Applying a draft operation by operation.

use std::collections::BTreeSet;

use draft::apply::parents_first;
use draft::{Draft, replay};

use super::net::{Order, complete, finished, nothing};
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
        let before = done.to_vec();
        let mut last = Ok(());
        for order in Order::ALL {
            self.transaction
                .batch_execute("SAVEPOINT pgdraft_replay")
                .await?;
            last = self.replay_in(order, drafts, operation, done).await;
            let Err(error) = &last else { break };
            if !another_way(error) {
                break;
            }
            self.transaction
                .batch_execute("ROLLBACK TO SAVEPOINT pgdraft_replay")
                .await?;
            done.clone_from_slice(&before);
        }
        last?;
        self.transaction
            .batch_execute("RELEASE SAVEPOINT pgdraft_replay")
            .await?;
        Ok(())
    }

    async fn replay_in(
        &self,
        order: Order,
        drafts: &[&Draft<'_>],
        operation: i64,
        done: &mut [Applied],
    ) -> Result<(), ControlError> {
        let steps = match order {
            Order::Inserts => [Step::Insert, Step::Update, Step::Delete],
            Order::Updates => [Step::Update, Step::Delete, Step::Insert],
            Order::Deletes | Order::Places => [Step::Delete, Step::Update, Step::Insert],
        };
        for step in steps {
            let mut places: Vec<usize> = (0..drafts.len()).collect();
            if step == Step::Delete {
                places.reverse();
            }
            for place in places {
                if let (Some(draft), Some(applied)) = (drafts.get(place), done.get_mut(place)) {
                    self.step(step, draft, operation, applied).await?;
                }
            }
        }
        Ok(())
    }

    async fn step(
        &self,
        step: Step,
        draft: &Draft<'_>,
        operation: i64,
        applied: &mut Applied,
    ) -> Result<(), ControlError> {
        let text = replay::counts(draft, self.sid);
        let row = self.transaction.query_one(&text, &[&operation]).await?;
        let (place, text, total) = match step {
            Step::Insert => (
                0,
                Some(replay::insert(draft, self.sid)),
                &mut applied.inserted,
            ),
            Step::Update => (1, replay::update(draft, self.sid), &mut applied.updated),
            Step::Delete => (
                2,
                Some(replay::delete(draft, self.sid)),
                &mut applied.deleted,
            ),
        };
        let expected = count(row.try_get(place)?);
        let (Some(text), true) = (text, expected > 0) else {
            return Ok(());
        };
        let written = self.transaction.execute(&text, &[&operation]).await?;
        complete(draft, expected, written)?;
        *total += written;
        Ok(())
    }
}

/// One kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Insert,
    Update,
    Delete,
}
