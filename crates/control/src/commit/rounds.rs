//! Rows that wait for one another within one operation: each is written when it is free.

use std::sync::atomic::Ordering;

use draft::places::{self, Free};
use draft::{Own, apply, replay};

use super::net::{ANY_JOIN, Todo, complete, finished};
use super::taken_back::TOGETHER;
use super::{Committed, Work, another_way};
use crate::ControlError;
use crate::sessions::count;

/// The columns of a table that its updates change, and those that are filled when all rows are there.
struct Columns {
    set: Vec<String>,
    later: Vec<String>,
}

const LEAVING: &str = "pgdraft_leaving";

/// The column has no place for it.
fn is_no_value(error: &ControlError) -> bool {
    matches!(error.sqlstate(), Some("22001" | "22003" | "22008"))
}

/// Rows without a key wait for nobody, and nobody waits for them.
fn is_keyed(todo: &Todo<'_>) -> bool {
    todo.own.draft.relation.key().is_some()
}

impl Work<'_> {
    /// Writes the rows that are free, again and again until none is left. Where none is free any more,
    /// rows first leave the unique values and the parents that others wait for, and what is left then is
    /// written together.
    pub(super) async fn rounds(&self) -> Result<Committed, ControlError> {
        self.transaction
            .batch_execute("SET LOCAL search_path TO DEFAULT")
            .await?;
        let mut todo = Vec::new();
        for own in self.parents_first() {
            todo.push(self.todo(own).await?);
        }
        self.written.store(0, Ordering::Relaxed);
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
        for stuck in 0.. {
            let Some(waiting) = self.round(&mut todo, &columns).await? else {
                break;
            };
            match stuck {
                0 => self.leave_values(&todo).await?,
                1 if self.together(&mut todo, &columns).await? => {}
                _ => return Err(waiting),
            }
        }
        self.rest(&mut todo, &columns).await?;
        self.settle(&todo).await?;
        self.still_there(&todo).await?;
        self.transaction
            .batch_execute("SET LOCAL search_path TO ''")
            .await?;
        Ok(finished(todo.into_iter().map(|t| t.applied).collect()))
    }

    /// Rows leave the unique values and the parents that others wait for. What they would have meanwhile
    /// may be none that the table takes; then they stay.
    async fn leave_values(&self, all: &[Todo<'_>]) -> Result<(), ControlError> {
        for todo in all {
            for text in places::leave(todo.own) {
                self.savepoint(LEAVING).await?;
                match self.write(ANY_JOIN, &text, todo.own.draft).await {
                    Err(error) if another_way(&error) || is_no_value(&error) => {
                        self.back_to(LEAVING).await?;
                    }
                    other => drop(other?),
                }
            }
        }
        self.leave(all).await
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
                let rows = self.insert_free(todo.own, &free, later).await?;
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
            // what a trigger changes is never as it is to be
            let total = self.total.load(Ordering::Relaxed);
            let all_twice = self.written.load(Ordering::Relaxed) > total.saturating_mul(2);
            if written == 0 || all_twice {
                return self.waiting(all, columns).await;
            }
        }
    }

    /// Inserts rows that are free: all, or where a table has rules so many that the next round follows.
    async fn insert_free(
        &self,
        own: &Own<'_>,
        free: &Free<'_, '_>,
        later: &[String],
    ) -> Result<u64, ControlError> {
        if !own.draft.relation.rules {
            let text = free.insert(later);
            return self.write(ANY_JOIN, &text, own.draft).await;
        }
        let text = free.insertable(later);
        let row = self.transaction.query_typed_one(&text, &[]).await?;
        let Some(places) = row.try_get::<_, Option<&str>>(0)? else {
            return Ok(0);
        };
        let slice = Some(places);
        let text = apply::insert(&Own { slice, ..*own }, later);
        self.write(ANY_JOIN, &text, own.draft).await
    }

    /// What is left in one statement, at whose end foreign keys are checked: rows that require each
    /// other. False where no order of its parts keeps every other key.
    async fn together(
        &self,
        all: &mut [Todo<'_>],
        columns: &[Columns],
    ) -> Result<bool, ControlError> {
        const ORDERS: [[usize; 3]; 4] = [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1]];
        let mut parts: [Vec<(usize, String)>; 3] = Default::default();
        // PostgreSQL takes none of these there
        if all.iter().any(|t| t.own.draft.relation.rules) {
            return Ok(false);
        }
        for (table, (todo, Columns { set, .. })) in all.iter().zip(columns).enumerate() {
            if !is_keyed(todo) {
                continue;
            }
            let there = [todo.inserts > 0, !set.is_empty(), todo.deletes > 0];
            let texts = Free::of(todo.own, set).rest().into_iter();
            for ((part, text), _) in parts.iter_mut().zip(texts).zip(there).filter(|p| p.1) {
                part.push((table, text));
            }
        }
        for order in ORDERS {
            let parts: Vec<(usize, usize, String)> = order
                .into_iter()
                .filter_map(|kind| Some((kind, parts.get(kind)?)))
                .flat_map(|(kind, part)| part.iter().map(move |(t, text)| (kind, *t, text.clone())))
                .collect();
            let texts: Vec<String> = parts.iter().map(|(_, _, text)| text.clone()).collect();
            if texts.is_empty() {
                return Ok(false);
            }
            self.savepoint(TOGETHER).await?;
            let text = replay::together(&texts);
            let written = self.transaction.query_typed_one(&text, &[]).await;
            match written.map_err(ControlError::from) {
                Ok(row) => {
                    for (place, (kind, table, _)) in parts.iter().enumerate() {
                        let rows = count(row.try_get(place)?);
                        self.told(rows);
                        if let Some(todo) = all.get_mut(*table).filter(|_| *kind == 0) {
                            todo.applied.inserted += rows;
                        }
                    }
                    return Ok(true);
                }
                Err(error) if another_way(&error) => {
                    self.back_to(TOGETHER).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(false)
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
        let row = self.transaction.query_typed_one(text, &[]).await?;
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
