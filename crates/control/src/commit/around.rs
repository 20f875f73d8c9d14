//! The ways round, where the net changes could not be applied as they are.

use catalog::Relation;
use draft::Own;
use draft::rebase::{self, Take, Target};
use store::keeper;

use super::order::Planner;
use super::taken_back::COMMIT;
use super::{Committed, Work, another_way, conflicts, net};
use crate::ControlError;

impl Work<'_> {
    /// Where the net changes could not be applied: says what stands in the way; else goes the way
    /// round, first in other orders, then operation by operation, at last row by row. Where none of them
    /// leads there, others may have come in between: what they wrote is looked at once more.
    pub(super) async fn another_way(&self) -> Result<Committed, ControlError> {
        match self.around().await {
            Err(error) if another_way(&error) || matches!(error, ControlError::Circle(_)) => {
                self.back_to(COMMIT).await?;
                let all = self.all_for_any_join().await?;
                conflicts(self.transaction, &all).await?.none()?;
                Err(error)
            }
            done => done,
        }
    }

    async fn around(&self) -> Result<Committed, ControlError> {
        tracing::debug!("a draft is applied in another way");
        for own in &self.own {
            self.lock(own, false).await?;
        }
        let all = self.all_for_any_join().await?;
        conflicts(self.transaction, &all).await?.none()?;
        for (own, beside) in self.own.iter().zip(&all) {
            self.rebase(beside).await?;
            self.finish_beside(own, beside).await?;
            self.prepare_again(own).await?;
        }
        self.savepoint(COMMIT).await?;
        let last = match self.planned(self.planner()).await {
            Err(error) if another_way(&error) => Err(error),
            done => return done,
        };
        self.transaction
            .batch_execute("SET LOCAL search_path TO DEFAULT")
            .await?;
        let done = self.replay().await;
        match self.kept(done).await {
            Ok(done) => Ok(done),
            Err(error) if another_way(&error) => {
                tracing::debug!(%error, "nor operation by operation");
                self.back_to(COMMIT).await?;
                let done = self.rounds().await;
                // what the net changes met says more than what the long way round did
                match self.kept(done).await {
                    Err(error) if another_way(&error) => last,
                    done => done,
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Goes one way after the other, as the planner has it.
    async fn planned(&self, mut planner: Planner) -> Result<Committed, ControlError> {
        loop {
            let mut way = net::Way::default();
            match self.apply(&planner, true, &mut way).await {
                Err(error) if another_way(&error) => {
                    tracing::debug!(%error, step = ?way.at, plan = ?way.plan, "not this way");
                    self.back_to(COMMIT).await?;
                    let plan = way.plan.unwrap_or_else(|| planner.plan(&way.there));
                    if !planner.another(plan, way.at, error.sqlstate(), &way.there) {
                        return Err(error);
                    }
                }
                done => return done,
            }
        }
    }

    pub(crate) fn planner(&self) -> Planner {
        let tables = self.parents_first();
        let relations: Vec<&Relation> = tables.into_iter().map(|o| o.draft.relation).collect();
        Planner::new(&relations)
    }

    /// Brings a draft without conflicts onto the base as it is now.
    async fn rebase(&self, own: &Own<'_>) -> Result<(), ControlError> {
        for text in [
            rebase::forget(own, &Target::ALL, rebase::Leaving::Gone),
            rebase::merge(own, &Target::ALL, Take::Nothing, None),
        ] {
            keeper::run(self.transaction, &text, None).await?;
        }
        Ok(())
    }

    async fn prepare_again(&self, own: &Own<'_>) -> Result<(), ControlError> {
        if own.prepared {
            keeper::run(self.transaction, &own.finish(), None).await?;
            keeper::run(self.transaction, &own.prepare(), None).await?;
        }
        Ok(())
    }
}
