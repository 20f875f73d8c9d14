//! Rows that wait for one another within one operation: each is written when it is free.

use draft::apply;
use draft::places::{self, Free};

use super::net::{ANY_JOIN, Todo, complete, finished};
use super::{Committed, Work};
use crate::ControlError;
use crate::sessions::count;

/// The columns of a table that its updates change, and those that are filled when all rows are there.
struct Columns {
    set: Vec<String>,
    later: Vec<String>,
}

/// Rows without a key wait for nobody, and nobody waits for them.
fn is_keyed(todo: &Todo<'_>) -> bool {
    todo.own.draft.relation.key().is_some()
}

impl Work<'_> {
    /// Writes the rows that are free, again and again until none is left. Where none is free any more,
    /// rows first leave the unique values and the parents that others wait for.
    pub(super) async fn rounds(&self) -> Result<Committed, ControlError> {
        self.transaction
            .batch_execute("SET LOCAL search_path TO DEFAULT")
            .await?;
        let mut todo = Vec::new();
        for own in self.parents_first() {
            todo.push(self.todo(own).await?);
        }
        for todo in &mut todo {
            self.rekey(todo).await?;
        }
        let order: Vec<_> = todo.iter().map(|t| t.own.draft.relation.id).collect();
        let columns = |(place, todo): (usize, &Todo<'_>)| {
            let after = order.get(place + 1..).unwrap_or(&[]);
            Columns {
                set: todo.columns(),
                later: apply::back_columns(todo.own.draft.relation, after),
            }
        };
        let columns: Vec<Columns> = todo.iter().enumerate().map(columns).collect();
        let mut left = false;
        while let Some(waiting) = self.round(&mut todo, &columns).await? {
            if std::mem::replace(&mut left, true) {
                return Err(waiting);
            }
            for todo in &todo {
                for text in places::leave(todo.own) {
                    self.write(ANY_JOIN, &text, todo.own.draft).await?;
                }
            }
            self.leave(&todo).await?;
        }
        self.rest(&mut todo, &columns).await?;
        self.settle(&todo).await?;
        self.still_there(&todo).await?;
        self.transaction
            .batch_execute("SET LOCAL search_path TO ''")
            .await?;
        Ok(finished(todo.into_iter().map(|t| t.applied).collect()))
    }

    /// Goes round until nothing is free any more; what is left then, as an error.
    async fn round(
        &self,
        all: &mut [Todo<'_>],
        columns: &[Columns],
    ) -> Result<Option<ControlError>, ControlError> {
        loop {
            let mut written = 0;
            let keyed = all.iter_mut().zip(columns).filter(|(t, _)| is_keyed(t));
            for (todo, Columns { set, later }) in keyed {
                let free = Free::of(todo.own, set);
                let rows = self
                    .write(ANY_JOIN, &free.insert(later), todo.own.draft)
                    .await?;
                todo.applied.inserted += rows;
                written += rows;
                if !set.is_empty() {
                    written += self.write(ANY_JOIN, &free.update(), todo.own.draft).await?;
                }
            }
            let gone = all.iter().zip(columns).rev().filter(|(t, _)| t.deletes > 0);
            for (todo, columns) in gone {
                let text = Free::of(todo.own, &columns.set).delete();
                written += self.write(ANY_JOIN, &text, todo.own.draft).await?;
            }
            self.told(written);
            if written == 0 {
                return self.waiting(all, columns).await;
            }
        }
    }

    /// Why rows are left, if some are.
    async fn waiting(
        &self,
        all: &[Todo<'_>],
        columns: &[Columns],
    ) -> Result<Option<ControlError>, ControlError> {
        for (todo, columns) in all.iter().zip(columns).filter(|(t, _)| is_keyed(t)) {
            for (left, free) in Free::of(todo.own, &columns.set).left() {
                if self.number(&left).await? == 0 {
                    continue;
                }
                // a trigger or a rule kept them
                complete(todo.own.draft, self.number(&free).await?, 0)?;
                let name = todo.own.draft.relation.name.clone();
                return Ok(Some(ControlError::Circle(name)));
            }
        }
        Ok(None)
    }

    async fn number(&self, text: &str) -> Result<u64, ControlError> {
        let row = self.transaction.query_one(text, &[]).await?;
        Ok(count(row.try_get(0)?))
    }

    /// What comes when all others are there.
    async fn rest(&self, all: &mut [Todo<'_>], columns: &[Columns]) -> Result<(), ControlError> {
        for (todo, Columns { later, .. }) in all.iter_mut().zip(columns) {
            let own = todo.own;
            if !is_keyed(todo) {
                let text = apply::insert(own, &[]);
                todo.applied.inserted = self.write(ANY_JOIN, &text, own.draft).await?;
            } else if !later.is_empty() {
                let text = apply::fill_later(own, later);
                self.write(ANY_JOIN, &text, own.draft).await?;
            }
            complete(own.draft, todo.inserts, todo.applied.inserted)?;
            todo.applied.updated += todo.updates;
            todo.applied.deleted = todo.deletes;
        }
        Ok(())
    }
}
