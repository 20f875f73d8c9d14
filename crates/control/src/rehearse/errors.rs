//! Every error that a commit would meet, not only the first: where a statement fails its rows are
//! divided in two, again and again, until single rows are left. All of it is taken back.

use std::collections::BTreeSet;

use draft::apply::{self, Hold, Which};
use draft::places::{self, Free};
use draft::{Own, rehearse as text};
use tokio_postgres::{Row, Transaction};

use super::Failed;
use crate::ControlError;
use crate::commit::{Kind, Plan, Step, Work, as_told};
use crate::sessions::count;

/// So many are named.
const ERRORS_MAX: usize = 100;
/// Above so many rows of a table its rows are not told apart.
const ROWS_MAX: usize = 10_000;
/// Ways that are gone, at most.
const WAYS_MAX: usize = 12;
/// Statements of one way, at most.
const ATTEMPTS_MAX: usize = 2_000;

/// A row of a head: its place, and its key as JSON.
type Place = (String, Option<String>);

/// What one way of applying a draft meets.
struct Way<'a> {
    transaction: &'a Transaction<'a>,
    found: Vec<Failed>,
    attempts: usize,
}

impl Work<'_> {
    /// What the rows of the draft meet, in the order of tables that meets least.
    pub(super) async fn every_error(
        &self,
        transaction: &Transaction<'_>,
    ) -> Result<Vec<Failed>, ControlError> {
        let mut least: Option<Vec<Failed>> = None;
        let tables = self.parents_first();
        let there = there(transaction, &tables).await?;
        let mut planner = self.planner();
        for _ in 0..WAYS_MAX {
            let plan = planner.plan(&there);
            transaction
                .batch_execute("SAVEPOINT pgdraft_way; SET LOCAL search_path TO DEFAULT; SET CONSTRAINTS ALL DEFERRED")
                .await?;
            let mut way = Way {
                transaction,
                found: Vec::new(),
                attempts: 0,
            };
            let failed = way.go(&tables, &plan).await?;
            transaction
                .batch_execute("ROLLBACK TO SAVEPOINT pgdraft_way")
                .await?;
            if least.as_ref().is_none_or(|l| way.found.len() < l.len()) {
                least = Some(way.found);
            }
            let (step, state) = failed.unzip();
            if least.as_ref().is_some_and(Vec::is_empty)
                || !planner.another(plan, step, state.as_deref(), &there)
            {
                break;
            }
        }
        Ok(least.unwrap_or_default())
    }
}

impl Way<'_> {
    /// The first step that met an error, and its SQLSTATE.
    async fn go(
        &mut self,
        tables: &[&Own<'_>],
        plan: &Plan,
    ) -> Result<Option<(Step, String)>, ControlError> {
        let mut failed = None;
        for step in &plan.steps {
            let Some(own) = tables.get(step.table) else {
                continue;
            };
            let before = self.found.len();
            self.table(own, step.kind).await?;
            if failed.is_none() {
                failed = self.found.get(before).map(|f| (*step, f.code.clone()));
            }
        }
        let checked = self.attempt("SET CONSTRAINTS ALL IMMEDIATE").await?;
        if let Some(error) = checked {
            self.found.push(Failed::of(None, None, &error));
        }
        Ok(failed)
    }

    async fn table(&mut self, own: &Own<'_>, step: Kind) -> Result<(), ControlError> {
        let row = self
            .transaction
            .query_typed_one(&apply::summary(own), &[])
            .await?;
        let Some(statement) = writing(own, step, &row)? else {
            return Ok(());
        };
        if let Err(error) = as_told(own.draft.relation, step) {
            self.found.push(Failed::of(Some(own), None, &error));
            return Ok(());
        }
        let rows = self
            .transaction
            .query_typed(&text::places(own.draft, own.sid, ROWS_MAX + 1), &[])
            .await?;
        let found = rows
            .iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
            .collect::<Result<Vec<Place>, tokio_postgres::Error>>()?;
        if found.len() > ROWS_MAX {
            if let Some(error) = self.writes(own, &statement).await? {
                self.found.push(Failed::of(Some(own), None, &error));
            }
            return Ok(());
        }
        let mut left = vec![found.as_slice()];
        let mut waiting = Vec::new();
        while let Some(part) = left.pop() {
            if self.found.len() >= ERRORS_MAX || self.attempts >= ATTEMPTS_MAX {
                return Ok(());
            }
            let slice = slice(part);
            let Some(error) = self.writes(&some(own, &slice), &statement).await? else {
                continue;
            };
            match part {
                [one] if step == Kind::Update && is_taken(&error) => {
                    waiting.push((one, error));
                }
                [(_, key)] => self.found.push(Failed::of(Some(own), key.clone(), &error)),
                several => {
                    let (first, second) = several.split_at(several.len() / 2);
                    left.extend([second, first]);
                }
            }
        }
        self.exchange(own, (&statement, &changed(own, &row)?), waiting)
            .await
    }

    /// Rows whose unique values others have still: each comes when its value is free, as in a commit,
    /// and those in a circle leave theirs first. What is left is told.
    async fn exchange(
        &mut self,
        own: &Own<'_>,
        (statement, set): (&Statement, &[String]),
        mut waiting: Vec<(&Place, ControlError)>,
    ) -> Result<(), ControlError> {
        let mut before = usize::MAX;
        while waiting.len() < before {
            before = waiting.len();
            let mut left = Vec::new();
            for (place, _) in waiting {
                let slice = slice(std::slice::from_ref(place));
                let some = some(own, &slice);
                if let Some(error) = self.writes(&some, statement).await? {
                    left.push((place, error));
                }
            }
            waiting = left;
        }
        for (place, _) in &waiting {
            for text in places::leave(&some(own, &slice(std::slice::from_ref(*place)))) {
                self.attempt(&text).await?;
            }
        }
        let mut before = usize::MAX;
        while waiting.len() < before {
            before = waiting.len();
            let mut left = Vec::new();
            for (place, error) in waiting {
                let slice = slice(std::slice::from_ref(place));
                let some = some(own, &slice);
                if !self.placed(&Free::of(&some, set).update()).await? {
                    left.push((place, error));
                }
            }
            waiting = left;
        }
        for ((_, key), error) in waiting {
            self.found.push(Failed::of(Some(own), key.clone(), &error));
        }
        Ok(())
    }

    /// Whether a statement writes a row.
    async fn placed(&mut self, statement: &str) -> Result<bool, ControlError> {
        self.attempts += 1;
        self.transaction
            .batch_execute("SAVEPOINT pgdraft_try")
            .await?;
        let written = self.transaction.execute_typed(statement, &[]).await;
        if written.is_err() {
            self.transaction
                .batch_execute("ROLLBACK TO SAVEPOINT pgdraft_try")
                .await?;
        }
        self.transaction
            .batch_execute("RELEASE SAVEPOINT pgdraft_try")
            .await?;
        Ok(written.is_ok_and(|rows| rows > 0))
    }

    /// Writes these rows; the error that one of them meets, or that production's triggers kept one away.
    async fn writes(
        &mut self,
        own: &Own<'_>,
        statement: &Statement,
    ) -> Result<Option<ControlError>, ControlError> {
        let expected = match own.draft.relation.triggers {
            false => 0,
            true => {
                let counted = self
                    .transaction
                    .query_typed_one(&(statement.count)(own), &[])
                    .await?;
                count(counted.try_get(0)?)
            }
        };
        let text = (statement.write)(own);
        self.attempt_of(&text, (&own.draft.relation.name, expected))
            .await
    }

    /// The error of a statement, after which everything is as before it.
    async fn attempt(&mut self, statement: &str) -> Result<Option<ControlError>, ControlError> {
        self.attempt_of(statement, ("", 0)).await
    }

    /// The same of one that writes so many rows of a table.
    async fn attempt_of(
        &mut self,
        statement: &str,
        (table, expected): (&str, u64),
    ) -> Result<Option<ControlError>, ControlError> {
        self.attempts += 1;
        self.transaction
            .batch_execute("SAVEPOINT pgdraft_try")
            .await?;
        let error = match self.transaction.execute_typed(statement, &[]).await {
            Ok(written) if written < expected => Some(ControlError::Incomplete {
                table: table.to_owned(),
                expected,
                written,
            }),
            Ok(_) => None,
            Err(error) => Some(ControlError::from(error)),
        };
        let end = match &error {
            None => "RELEASE SAVEPOINT pgdraft_try",
            Some(_) => "ROLLBACK TO SAVEPOINT pgdraft_try; RELEASE SAVEPOINT pgdraft_try",
        };
        self.transaction.batch_execute(end).await?;
        match error {
            // these are not the draft's
            Some(error)
                if error.others_in_the_way()
                    || matches!(error.sqlstate(), Some("55P03" | "57014")) =>
            {
                Err(error)
            }
            other => Ok(other),
        }
    }
}

/// The steps that have something to do.
async fn there(
    transaction: &Transaction<'_>,
    tables: &[&Own<'_>],
) -> Result<BTreeSet<Step>, ControlError> {
    let mut there = BTreeSet::new();
    for (table, own) in tables.iter().enumerate() {
        let row = transaction
            .query_typed_one(&apply::summary(own), &[])
            .await?;
        for (place, kind) in Kind::ALL.into_iter().enumerate() {
            if row.try_get::<_, i64>(place)? > 0 {
                there.insert(Step { table, kind });
            }
        }
    }
    Ok(there)
}

/// Places, with commas between them.
fn slice(part: &[Place]) -> String {
    let places: Vec<String> = part.iter().map(|(at, _)| format!("\"{at}\"")).collect();
    places.join(",")
}

/// Only these rows of a draft.
fn some<'a>(own: &Own<'a>, places: &'a str) -> Own<'a> {
    Own {
        slice: Some(places),
        ..*own
    }
}

/// The columns that updates change.
fn changed(own: &Own<'_>, summary: &Row) -> Result<Vec<String>, ControlError> {
    let rows: Vec<i64> = summary.try_get(3)?;
    let stored = own.draft.relation.writable().zip(rows);
    Ok(stored
        .filter(|(_, rows)| *rows > 0)
        .map(|(column, _)| column.name.clone())
        .collect())
}

type Text = Box<dyn Fn(&Own<'_>) -> String + Send + Sync>;

/// What a step does to some rows of a draft.
struct Statement {
    /// The statement.
    write: Text,
    /// A query that counts the rows it is to write: one bigint column.
    count: Text,
}

/// The statement of a step, for some rows of a draft; `None` where there is nothing to do.
fn writing(own: &Own<'_>, step: Kind, summary: &Row) -> Result<Option<Statement>, ControlError> {
    let place = match step {
        Kind::Insert => 0,
        Kind::Update => 1,
        Kind::Delete => 2,
    };
    if summary.try_get::<_, i64>(place)? == 0 {
        return Ok(None);
    }
    let names = changed(own, summary)?;
    let counted = names.clone();
    let (write, count): (Text, Text) = match step {
        Kind::Insert => (
            Box::new(|own| apply::insert(own, &[])),
            Box::new(text::inserts),
        ),
        Kind::Update => (
            Box::new(move |own| apply::update(own, &names, Which::Union, Hold::Seen(""))),
            Box::new(move |own| text::updates(own, &counted)),
        ),
        Kind::Delete => (
            Box::new(|own| apply::delete(own, Hold::Seen(""))),
            Box::new(text::deletes),
        ),
    };
    Ok(Some(Statement { write, count }))
}

/// Another row has what the row is to have, maybe only until it is written too.
fn is_taken(error: &ControlError) -> bool {
    matches!(error.sqlstate(), Some("23505" | "23P01"))
}
