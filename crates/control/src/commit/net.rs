//! Applying net changes, set by set.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use catalog::{Command, Relation, RelationId};
use draft::apply::{Hold, Which};
use draft::{Draft, Own, apply, conflict, places, rekey};
use tokio_postgres::Row;

use super::look::Look;
use super::order::{Kind, Plan, Planner, Step};
use super::{Applied, Committed, Work, busy, is_locked};
use crate::ControlError;
use crate::sessions::count;

/// Above so many different sets of changed columns a table is updated in all of them at once.
const SETS_MAX: usize = 8;

/// The planner's own choice.
pub(super) const ANY_JOIN: &str = "SET LOCAL enable_hashjoin TO DEFAULT; SET LOCAL enable_mergejoin TO DEFAULT; SET LOCAL enable_nestloop TO DEFAULT; \
     SET LOCAL enable_seqscan TO DEFAULT; SET LOCAL enable_bitmapscan TO DEFAULT; SET LOCAL enable_sort TO DEFAULT";

/// Both sides in the order of the key.
const MERGE_JOIN: &str = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = on; SET LOCAL enable_nestloop = off; \
     SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off";

/// The draft in the order of the key, production's rows looked up.
pub(super) const NESTED_LOOP: &str = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_nestloop = on; \
     SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off";

/// Which columns updates change.
enum Columns {
    /// For each stored column, in how many rows.
    Known(Vec<u64>),
    /// These in every row, as it is in those that were looked at. If it is not so the update finds
    /// fewer rows than there are, and all are looked at.
    Alike(Vec<String>),
}

/// So few rows are looked up one by one, whatever the table has.
const FEW_ROWS_MAX: u64 = 100;

/// Most rows that are looked at on either end of a draft for the columns that its updates change.
const SOME_ROWS_MAX: u64 = 250;

/// How far one plan came.
#[derive(Default)]
pub(super) struct Way {
    /// The steps that had something to do.
    pub(super) there: BTreeSet<Step>,
    /// What was tried.
    pub(super) plan: Option<Plan>,
    /// The step under way.
    pub(super) at: Option<Step>,
}

/// What there is to do in one table.
pub(super) struct Todo<'a> {
    pub(super) own: &'a Own<'a>,
    pub(super) inserts: u64,
    pub(super) updates: u64,
    pub(super) deletes: u64,
    /// Rows with another key that are updated all the same.
    rekeys: u64,
    /// What the updates change.
    changed: Columns,
    /// How the planner is told to join.
    join: &'static str,
    /// A condition on production's rows that narrows down where they are.
    within: String,
    pub(super) applied: Applied,
}

impl Work<'_> {
    /// The drafts of the tables, those that others refer to first.
    pub(crate) fn parents_first(&self) -> Vec<&Own<'_>> {
        let relations: Vec<&Relation> = self.own.iter().map(|o| o.draft.relation).collect();
        apply::parents_first(&relations)
            .into_iter()
            .filter_map(|r| self.own.iter().find(|o| o.draft.relation.id == r.id))
            .collect()
    }

    /// The net changes, as the planner has it. Rows that are `held` are locked, and the draft has been
    /// brought onto them.
    pub(super) async fn apply_net(
        &self,
        planner: &Planner,
        held: bool,
        way: &mut Way,
    ) -> Result<Committed, ControlError> {
        let mut todo = Vec::with_capacity(self.own.len());
        for own in self.parents_first() {
            todo.push(self.todo(own).await?);
        }
        self.total.store(
            todo.iter()
                .map(|t| t.inserts + t.updates + t.deletes + t.rekeys)
                .sum(),
            Ordering::Relaxed,
        );
        self.written.store(0, Ordering::Relaxed);
        way.there = parts(&todo);
        let plan = planner.plan(&way.there);
        way.plan = Some(plan.clone());
        if plan.leave {
            self.leave(&todo).await?;
        }
        let order: Vec<RelationId> = todo.iter().map(|t| t.own.draft.relation.id).collect();
        let last = plan.steps.iter().rposition(|s| s.kind == Kind::Insert);
        let mut fills = Vec::new();
        for (number, step) in plan.steps.iter().enumerate() {
            way.at = Some(*step);
            let Some(todo) = todo.get_mut(step.table) else {
                continue;
            };
            match step.kind {
                Kind::Insert => {
                    let after = order.get(step.table + 1..).unwrap_or(&[]);
                    fills.extend(self.insert(todo, after).await?);
                }
                Kind::Update => {
                    self.rekey(todo).await?;
                    self.update(todo, held).await?;
                }
                Kind::Delete => self.delete(todo, held).await?,
            }
            if Some(number) == last {
                for (draft, text) in std::mem::take(&mut fills) {
                    self.write(ANY_JOIN, &text, draft).await?;
                }
            }
        }
        way.at = None;
        if held {
            self.settle(&todo).await?;
        }
        self.still_there(&todo).await?;
        Ok(finished(todo.into_iter().map(|t| t.applied).collect()))
    }

    /// No removed parent took a row along that the draft keeps.
    pub(super) async fn still_there(&self, todo: &[Todo<'_>]) -> Result<(), ControlError> {
        let takes = |t: &Todo<'_>| t.deletes > 0 && conflict::followed(t.own.draft.relation);
        if !todo.iter().any(takes) {
            return Ok(());
        }
        for todo in todo.iter().filter(|t| t.own.draft.relation.key().is_some()) {
            let row = self
                .transaction
                .query_typed_one(&apply::kept(todo.own), &[])
                .await?;
            let (kept, there) = (count(row.try_get(0)?), count(row.try_get(1)?));
            complete(todo.own.draft, kept, there)?;
        }
        Ok(())
    }

    pub(super) async fn todo<'o>(&self, own: &'o Own<'o>) -> Result<Todo<'o>, ControlError> {
        let (inserts, updates, deletes, changed) = match self.guess(own).await? {
            Some(guess) => guess,
            None => {
                let text = apply::summary(own);
                let row = self.joined(self.side_by_side(own), &text);
                let row = row.await?.pop().ok_or_else(nothing_said)?;
                let columns: Vec<i64> = row.try_get(3)?;
                let columns = columns.into_iter().map(count).collect();
                let number = |at| row.try_get(at).map(count);
                (number(0)?, number(1)?, number(2)?, Columns::Known(columns))
            }
        };
        // those of a table without a key are gone already: `Work::empty`
        let deletes = match own.draft.relation.key() {
            Some(_) => deletes,
            None => 0,
        };
        let (join, within) = self.join(own, updates + deletes).await?;
        let rekeys = match rekey::count(own).filter(|_| deletes > 0) {
            Some(text) => count(
                self.transaction
                    .query_typed_one(&text, &[])
                    .await?
                    .try_get(0)?,
            ),
            None => 0,
        };
        let todo = Todo {
            own,
            inserts: inserts.saturating_sub(rekeys),
            updates,
            deletes: deletes.saturating_sub(rekeys),
            rekeys,
            changed,
            join,
            within,
            applied: nothing(own.draft.relation),
        };
        for (kind, _) in todo.kinds().into_iter().filter(|(_, rows)| *rows > 0) {
            as_told(own.draft.relation, kind)?;
        }
        Ok(todo)
    }

    /// A large head and its log are joined in the order of the key: by statistics that do not know the
    /// session yet, the planner would go through the log for each row.
    fn side_by_side(&self, own: &Own<'_>) -> &'static str {
        match self.is_large(own) {
            true => MERGE_JOIN,
            false => ANY_JOIN,
        }
    }

    /// What a query says when it is told how to join.
    async fn joined(&self, join: &str, text: &str) -> Result<Vec<Row>, ControlError> {
        let rows = async { Ok(self.transaction.query_typed(text, &[]).await?) };
        let (_, rows, _) = tokio::try_join!(biased; self.sends(join), rows, self.sends(ANY_JOIN))?;
        Ok(rows)
    }

    /// What there is to do, as the head tells without the images that it began with: comparing the
    /// rows twice, here and in the update, would be a third of the commit.
    async fn guess(&self, own: &Own<'_>) -> Result<Option<(u64, u64, u64, Columns)>, ControlError> {
        let guessing = self.guessing.load(Ordering::Relaxed) && !apply::replaces(own);
        let look = self.looks.get(&own.draft.id).filter(|_| guessing);
        // of a few rows, or where the first images have to be looked for, all are compared as soon
        let simple = own.only.is_some() || own.prepared;
        let Some(look) = look.filter(|look| simple && look.rows > FEW_ROWS_MAX) else {
            return Ok(None);
        };
        let (inserts, updates, deletes) = look.kinds;
        let columns = match updates {
            0 => Vec::new(),
            _ => {
                let text = apply::some_sets(own, (updates / 32).clamp(1, SOME_ROWS_MAX));
                let sets = self.joined(NESTED_LOOP, &text).await?;
                match sets.as_slice() {
                    [one] => one.try_get(0)?,
                    _ => return Ok(None),
                }
            }
        };
        if updates > 0 && columns.is_empty() {
            return Ok(None);
        }
        self.guessed.fetch_or(updates > 0, Ordering::Relaxed);
        Ok(Some((inserts, updates, deletes, Columns::Alike(columns))))
    }

    /// Heads have no statistics on sessions, so the planner does not know how large a draft is. Both
    /// ways take the rows in the order of the key: side by side where the draft is a good part of
    /// the table, or of a range of it, else one by one. Production's triggers plan their own statements meanwhile, so where
    /// there are any, the rows are locked in order before and the planner is left alone.
    async fn join(&self, own: &Own<'_>, rows: u64) -> Result<(&'static str, String), ControlError> {
        let relation = own.draft.relation;
        if rows == 0 || relation.key().is_none() {
            return Ok((ANY_JOIN, String::new()));
        }
        if relation.triggers {
            self.lock(own, false).await?;
            return Ok((ANY_JOIN, String::new()));
        }
        if rows <= FEW_ROWS_MAX {
            return Ok((NESTED_LOOP, String::new()));
        }
        let look = self.looks.get(&own.draft.id);
        let within = look.and_then(|look| look.range.as_ref());
        let within = within.map(|(from, to)| apply::within(relation, from, to));
        let within = within.unwrap_or_default();
        let span = look.filter(|_| apply::numbered(relation));
        let dense = |rows_there: u64| rows.saturating_mul(8) > rows_there;
        let side_by_side = span.and_then(Look::span).is_some_and(dense)
            || dense(self.expected(relation, &within).await?);
        Ok(match side_by_side {
            true => (MERGE_JOIN, within),
            false => (NESTED_LOOP, String::new()),
        })
    }

    /// How many rows the planner expects there.
    async fn expected(&self, relation: &Relation, within: &str) -> Result<u64, ControlError> {
        let text = format!(
            "EXPLAIN (FORMAT JSON) SELECT FROM {} b WHERE true{within}",
            relation.only()
        );
        let row = self.transaction.query_typed_one(&text, &[]).await?;
        let plan: serde_json::Value = row.try_get(0)?;
        let rows = plan.pointer("/0/Plan/Plan Rows");
        Ok(rows.and_then(serde_json::Value::as_u64).unwrap_or(u64::MAX))
    }

    /// Children leave the parents that go.
    pub(super) async fn leave(&self, todo: &[Todo<'_>]) -> Result<(), ControlError> {
        for parent in todo.iter().filter(|t| t.deletes > 0) {
            for child in todo {
                for text in places::leave_parents(child.own, parent.own) {
                    self.write(ANY_JOIN, &text, child.own.draft).await?;
                }
            }
        }
        Ok(())
    }

    /// Rows that foreign key actions of this commit changed become what the draft made of them.
    pub(super) async fn settle(&self, todo: &[Todo<'_>]) -> Result<(), ControlError> {
        for todo in todo {
            if let Some(text) = places::settle(todo.own) {
                self.write(ANY_JOIN, &text, todo.own.draft).await?;
            }
        }
        Ok(())
    }

    /// Inserts; what gives the rows the columns that refer to tables that come `after`.
    async fn insert<'o>(
        &self,
        todo: &mut Todo<'o>,
        after: &[RelationId],
    ) -> Result<Option<(&'o Draft<'o>, String)>, ControlError> {
        let later = apply::back_columns(todo.own.draft.relation, after);
        let text = |own: &Own<'_>| apply::insert(own, &later);
        let what = ("inserting into", todo.inserts);
        todo.applied.inserted = self.write_parts(ANY_JOIN, todo.own, what, text).await?;
        complete(todo.own.draft, todo.inserts, todo.applied.inserted)?;
        let fill = || (todo.own.draft, apply::fill_later(todo.own, &later));
        Ok((!later.is_empty()).then(fill))
    }

    /// Updates rows that get another key.
    pub(super) async fn rekey(&self, todo: &mut Todo<'_>) -> Result<(), ControlError> {
        if let Some(text) = rekey::update(todo.own).filter(|_| todo.rekeys > 0) {
            self.tell("updating", todo.own.draft.relation);
            let written = self.write(ANY_JOIN, &text, todo.own.draft).await?;
            self.told(written);
            complete(todo.own.draft, todo.rekeys, written)?;
            todo.applied.updated += written;
        }
        Ok(())
    }

    async fn update(&self, todo: &mut Todo<'_>, held: bool) -> Result<(), ControlError> {
        for (set, which, expected) in self.sets(todo).await? {
            let text = |own: &Own<'_>| apply::update(own, &set, which, todo.hold(held));
            let what = ("updating", expected);
            let written = self.write_parts(todo.join, todo.own, what, text).await?;
            complete(todo.own.draft, expected, written)?;
            todo.applied.updated += written;
        }
        Ok(())
    }

    /// Which columns are updated in which rows, and in how many.
    async fn sets(&self, todo: &Todo<'_>) -> Result<Vec<(Vec<String>, Which, u64)>, ControlError> {
        if todo.updates == 0 {
            return Ok(Vec::new());
        }
        let changed: Vec<(String, u64)> = match &todo.changed {
            Columns::Alike(set) => return Ok(vec![(set.clone(), Which::Alike, todo.updates)]),
            Columns::Known(rows) => changed(todo.own, rows).collect(),
        };
        let names = || changed.iter().map(|(name, _)| name.clone()).collect();
        if changed.iter().all(|(_, rows)| *rows == todo.updates) {
            return Ok(vec![(names(), Which::All, todo.updates)]);
        }
        let text = apply::update_sets(todo.own);
        let rows = self.joined(self.side_by_side(todo.own), &text).await?;
        if rows.len() > SETS_MAX {
            return Ok(vec![(names(), Which::Union, todo.updates)]);
        }
        rows.iter()
            .map(|row| Ok((row.try_get(0)?, Which::Exact, count(row.try_get(1)?))))
            .collect()
    }

    async fn delete(&self, todo: &mut Todo<'_>, held: bool) -> Result<(), ControlError> {
        let text = |own: &Own<'_>| apply::delete(own, todo.hold(held));
        let what = ("deleting from", todo.deletes);
        let written = self.write_parts(todo.join, todo.own, what, text).await?;
        if written != todo.deletes && held {
            // In a circle of foreign keys a parent's removal took some of them along.
            let text = apply::not_deleted(todo.own);
            let left = self.transaction.query_typed_one(&text, &[]).await?;
            complete(
                todo.own.draft,
                todo.deletes,
                todo.deletes - count(left.try_get(0)?).min(todo.deletes),
            )?;
        } else {
            // or others removed them as well, which is theirs
            complete(todo.own.draft, todo.deletes, written)?;
        }
        todo.applied.deleted = todo.deletes;
        Ok(())
    }

    pub(super) fn tell(&self, doing: &'static str, relation: &Relation) {
        self.progress.tell(&crate::Step {
            session: self.session.clone(),
            doing,
            table: format!("{}.{}", relation.schema, relation.name),
            rows: self.written.load(Ordering::Relaxed),
            total: self.total.load(Ordering::Relaxed),
        });
    }

    pub(super) fn told(&self, written: u64) {
        self.written.fetch_add(written, Ordering::Relaxed);
    }

    /// Runs one statement that writes to production.
    pub(super) async fn write(
        &self,
        join: &str,
        text: &str,
        draft: &Draft<'_>,
    ) -> Result<u64, ControlError> {
        let (joins, written) = tokio::join!(
            biased;
            self.sends(join),
            self.transaction.execute_typed(text, &[]),
        );
        joins?;
        written.map_err(|e| busy(e.into(), &is_locked(draft.relation)))
    }
}

impl Todo<'_> {
    /// How many rows each kind of change has.
    fn kinds(&self) -> [(Kind, u64); 3] {
        [
            (Kind::Insert, self.inserts),
            (Kind::Update, self.updates + self.rekeys),
            (Kind::Delete, self.deletes),
        ]
    }

    /// The columns that its updates change.
    pub(super) fn columns(&self) -> Vec<String> {
        match &self.changed {
            Columns::Alike(set) => set.clone(),
            Columns::Known(rows) => changed(self.own, rows).map(|(name, _)| name).collect(),
        }
    }

    fn hold(&self, held: bool) -> Hold<'_> {
        match held {
            true => Hold::Locked,
            false => Hold::Seen(&self.within),
        }
    }
}

/// What there is to do, as steps.
fn parts(todo: &[Todo<'_>]) -> BTreeSet<Step> {
    let all = todo.iter().enumerate().flat_map(|(table, todo)| {
        let there = todo.kinds().into_iter().filter(|(_, rows)| *rows > 0);
        there.map(move |(kind, _)| Step { table, kind })
    });
    all.collect()
}

/// The columns that some rows change, and how many.
fn changed(own: &Own<'_>, rows: &[u64]) -> impl Iterator<Item = (String, u64)> {
    let stored = own.draft.relation.writable().zip(rows);
    stored
        .filter(|(_, rows)| **rows > 0)
        .map(|(column, rows)| (column.name.clone(), *rows))
}

/// No rule of production does something else than such a change.
pub(crate) fn as_told(relation: &Relation, kind: Kind) -> Result<(), ControlError> {
    let (command, name) = match kind {
        Kind::Insert => (Command::Insert, "INSERT"),
        Kind::Update => (Command::Update, "UPDATE"),
        Kind::Delete => (Command::Delete, "DELETE"),
    };
    match relation.instead.contains(&command) {
        false => Ok(()),
        true => Err(ControlError::Instead {
            table: relation.name.clone(),
            command: name,
        }),
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

pub(super) fn nothing(relation: &Relation) -> Applied {
    Applied {
        schema: relation.schema.clone(),
        table: relation.name.clone(),
        inserted: 0,
        updated: 0,
        deleted: 0,
    }
}

fn nothing_said() -> ControlError {
    store::Error::Unexpected("a summary of no row".to_owned()).into()
}

/// Tables without changes are left out.
pub(super) fn finished(mut done: Vec<Applied>) -> Committed {
    done.retain(|t| t.inserted + t.updated + t.deleted > 0);
    done.sort_by(|a, b| (&a.schema, &a.table).cmp(&(&b.schema, &b.table)));
    Committed { tables: done }
}
