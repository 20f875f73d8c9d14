//! Applying net changes, set by set.

use std::collections::HashMap;

use catalog::{Relation, RelationId};
use draft::{Draft, apply};

use super::{Applied, Committed, Work};
use crate::ControlError;
use crate::sessions::count;

/// Above so many different sets of changed columns a table is updated in all of them at once.
const SETS_MAX: usize = 8;

/// What comes first. Inserts first can only break a unique key, and PostgreSQL says so. Deletes
/// first free such keys, but a parent's removal can take children along that the draft gave
/// another parent; the counts find that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Inserts parents first, updates, deletes children first.
    Inserts,
    /// Updates, deletes children first, inserts parents first: children have left their parents
    /// before these go.
    Updates,
    /// Deletes children first, updates, inserts parents first.
    Deletes,
}

impl Order {
    /// The last that is tried.
    pub(super) const LAST: Self = Self::Deletes;
    /// All, in the order they are tried.
    pub(super) const ALL: [Self; 3] = [Self::Inserts, Self::Updates, Self::Deletes];
}

impl Work<'_> {
    /// Removes what production has of the truncated tables; rows removed, by table.
    pub(super) async fn truncate(&self) -> Result<HashMap<RelationId, u64>, ControlError> {
        let drafts: Vec<&Draft<'_>> = self
            .drafts
            .iter()
            .filter(|d| self.truncated.contains(&d.relation.id))
            .collect();
        let mut gone = HashMap::new();
        if drafts.is_empty() {
            return Ok(gone);
        }
        let row = self
            .transaction
            .query_one(&apply::truncate(&drafts), &[])
            .await?;
        for (i, draft) in drafts.into_iter().enumerate() {
            let removed = count(row.try_get(i)?);
            let left = self.transaction.query_one(&apply::left(draft), &[]).await?;
            let left = count(left.try_get(0)?);
            complete(draft, removed + left, removed)?;
            gone.insert(draft.relation.id, removed);
        }
        Ok(gone)
    }

    /// Applies all but truncations, which have taken `gone` rows of each table.
    pub(super) async fn apply_net(
        &self,
        order: Order,
        gone: &HashMap<RelationId, u64>,
    ) -> Result<Committed, ControlError> {
        let relations: Vec<&Relation> = self.drafts.iter().map(|d| d.relation).collect();
        let parents_first = apply::parents_first(&relations);
        let drafts: Vec<&Draft<'_>> = parents_first
            .iter()
            .filter_map(|r| self.drafts.iter().find(|d| d.relation.id == r.id))
            .collect();
        let mut done: Vec<Applied> = drafts
            .iter()
            .map(|d| Applied {
                deleted: gone.get(&d.relation.id).copied().unwrap_or(0),
                ..nothing(d.relation)
            })
            .collect();
        match order {
            Order::Inserts => {
                self.inserts(&drafts, &mut done).await?;
                self.updates(&drafts, &mut done).await?;
                self.deletes(&drafts, &mut done).await?;
            }
            Order::Updates => {
                self.updates(&drafts, &mut done).await?;
                self.deletes(&drafts, &mut done).await?;
                self.inserts(&drafts, &mut done).await?;
            }
            Order::Deletes => {
                self.deletes(&drafts, &mut done).await?;
                self.updates(&drafts, &mut done).await?;
                self.inserts(&drafts, &mut done).await?;
            }
        }
        Ok(finished(done))
    }

    async fn inserts(
        &self,
        drafts: &[&Draft<'_>],
        done: &mut [Applied],
    ) -> Result<(), ControlError> {
        let order: Vec<RelationId> = drafts.iter().map(|d| d.relation.id).collect();
        let mut fills = Vec::new();
        for (place, (draft, applied)) in drafts.iter().zip(&mut *done).enumerate() {
            let expected = self.counts(draft).await?.0;
            if expected == 0 {
                continue;
            }
            let after = order.get(place + 1..).unwrap_or(&[]);
            let later = apply::back_columns(draft.relation, after);
            let text = apply::insert(draft, self.sid, &later);
            applied.inserted = self.transaction.execute(&text, &[]).await?;
            complete(draft, expected, applied.inserted)?;
            if !later.is_empty() {
                fills.push(apply::fill_later(draft, self.sid, &later));
            }
        }
        for text in fills {
            self.transaction.execute(&text, &[]).await?;
        }
        Ok(())
    }

    async fn updates(
        &self,
        drafts: &[&Draft<'_>],
        done: &mut [Applied],
    ) -> Result<(), ControlError> {
        for (draft, applied) in drafts.iter().zip(done) {
            let text = apply::update_sets(draft, self.sid);
            let mut sets: Vec<(Vec<String>, u64)> = Vec::new();
            for row in self.transaction.query(&text, &[]).await? {
                sets.push((row.try_get(0)?, count(row.try_get(1)?)));
            }
            let exact = sets.len() <= SETS_MAX;
            if !exact {
                sets = vec![union(draft.relation, &sets)];
            }
            for (set, expected) in sets {
                let text = apply::update(draft, self.sid, &set, exact);
                let written = self.transaction.execute(&text, &[]).await?;
                complete(draft, expected, written)?;
                applied.updated += written;
            }
        }
        Ok(())
    }

    async fn deletes(
        &self,
        drafts: &[&Draft<'_>],
        done: &mut [Applied],
    ) -> Result<(), ControlError> {
        for (draft, applied) in drafts.iter().zip(done).rev() {
            let expected = self.counts(draft).await?.1;
            if expected == 0 {
                continue;
            }
            let text = apply::delete(draft, self.sid);
            let written = self.transaction.execute(&text, &[]).await?;
            if written != expected {
                // In a circle of foreign keys a parent's removal took some of them along.
                let text = apply::not_deleted(draft, self.sid);
                let left = self.transaction.query_one(&text, &[]).await?;
                complete(draft, expected, expected - count(left.try_get(0)?))?;
            }
            applied.deleted += expected;
        }
        Ok(())
    }

    /// Rows to insert and to delete.
    async fn counts(&self, draft: &Draft<'_>) -> Result<(u64, u64), ControlError> {
        let text = apply::counts(draft, self.sid);
        let row = self.transaction.query_one(&text, &[]).await?;
        Ok((count(row.try_get(0)?), count(row.try_get(1)?)))
    }
}

/// Every row of the draft has been written: a trigger or a rule of production can keep some from
/// it, and then production would not be what was reviewed.
pub(super) fn complete(draft: &Draft<'_>, expected: u64, written: u64) -> Result<(), ControlError> {
    if expected == written {
        return Ok(());
    }
    Err(ControlError::Incomplete {
        table: draft.relation.name.clone(),
        expected,
        written,
    })
}

fn union(relation: &Relation, sets: &[(Vec<String>, u64)]) -> (Vec<String>, u64) {
    let names = relation
        .writable()
        .map(|c| &c.name)
        .filter(|name| sets.iter().any(|(set, _)| set.contains(name)))
        .cloned()
        .collect();
    (names, sets.iter().map(|(_, rows)| rows).sum())
}

pub(super) fn nothing(relation: &Relation) -> Applied {
    Applied {
        schema: relation.schema.clone(),
        table: relation.name.clone(),
        inserted: 0,
        updated: 0,
        deleted: 0,
    }
}

/// Tables without changes are left out.
pub(super) fn finished(mut done: Vec<Applied>) -> Committed {
    done.retain(|t| t.inserted + t.updated + t.deleted > 0);
    done.sort_by(|a, b| (&a.schema, &a.table).cmp(&(&b.schema, &b.table)));
    Committed { tables: done }
}
