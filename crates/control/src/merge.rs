//! Conflicts of a draft with production: listed, resolved by a person, or merged away by bringing the
//! draft onto today's base.

use catalog::RelationId;
use draft::rebase::{self, Leaving, Take, Target};
use draft::{Draft, Own, appeared, conflict, settle};
use store::keeper;
use store::sessions::{self, Session};
use tokio_postgres::Transaction;

use crate::commit::drafts;
use crate::diff::{head_numbers, readable};
use crate::error::ConflictRow;
use crate::sessions::existing;
use crate::{Changed, Control, ControlError, Value, Which};

/// Rows of one table that a list names.
const LISTED_ROWS_MAX: usize = 1_000;

/// What a rebase brought: one column of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseChange {
    /// Its schema.
    pub schema: String,
    /// Its table.
    pub table: String,
    /// JSON object of the key columns.
    pub primary_key: String,
    /// The column; `None` where the row is gone.
    pub column: Option<String>,
    /// What the draft began with, as JSON.
    pub was: Option<String>,
    /// What production has now.
    pub now: Option<String>,
    /// The draft changed it too: it is left as it is, and is a conflict.
    pub conflict: bool,
}

/// The statement of an operation that settles conflicts. No agent's is like it.
pub(crate) const RESOLVE: &str = "RESOLVE CONFLICT";

impl Control {
    /// What would stop the commit of a live session.
    ///
    /// # Errors
    /// [`ControlError::NoSuchSession`], [`ControlError::Ended`], [`ControlError::SchemaMoved`], and
    /// what PostgreSQL says.
    pub async fn conflicts(&self, session: &str) -> Result<Vec<ConflictRow>, ControlError> {
        let catalog = self.refresh_catalog().await?;
        let heads = head_numbers(&catalog);
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let found = existing(sessions::find(&transaction, session).await?, session)?;
        if !found.state.is_live() {
            return Err(ControlError::Ended(Box::new(found)));
        }
        let drafts = drafts(&transaction, &catalog, &heads, found.sid).await?;
        self.listed(&transaction, &drafts, &found).await
    }

    /// The conflicts of these tables; the transaction only reads from here on.
    async fn listed(
        &self,
        transaction: &Transaction<'_>,
        drafts: &[Draft<'_>],
        session: &Session,
    ) -> Result<Vec<ConflictRow>, ControlError> {
        let all = self.owned(transaction, drafts, session).await?;
        // A check may call functions of production, which must not write before the commit.
        transaction
            .batch_execute("SET TRANSACTION READ ONLY")
            .await?;
        let mut rows = Vec::new();
        for own in &all {
            let mut queries = conflict::all(own, LISTED_ROWS_MAX);
            queries.push(conflict::Query {
                relation: own.draft.relation,
                text: conflict::appeared(own.draft, session.sid, LISTED_ROWS_MAX),
            });
            for query in queries {
                for row in transaction.query_typed(&query.text, &[]).await? {
                    rows.push(ConflictRow::read(query.relation, &row)?);
                }
            }
        }
        Ok(rows)
    }

    /// Brings a draft onto today's base; what production changed is returned. Conflicts stay.
    ///
    /// # Errors
    /// As of [`Control::conflicts`], and [`ControlError::Busy`].
    pub async fn rebase(&self, session: &str) -> Result<Changed, ControlError> {
        let catalog = self.refresh_catalog().await?;
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let found = self.locked(&transaction, session).await?;
        let heads = head_numbers(&catalog);
        let drafts = drafts(&transaction, &catalog, &heads, found.sid).await?;
        let mut changes = Vec::new();
        for own in self.owned(&transaction, &drafts, &found).await? {
            for row in transaction
                .query_typed(&rebase::changes(&own, LISTED_ROWS_MAX), &[])
                .await?
            {
                changes.push(BaseChange {
                    schema: own.draft.relation.schema.clone(),
                    table: own.draft.relation.name.clone(),
                    primary_key: row.try_get(0)?,
                    column: row.try_get(1)?,
                    was: row.try_get(2)?,
                    now: row.try_get(3)?,
                    conflict: row.try_get(4)?,
                });
            }
            for text in [
                rebase::forget(&own, &Target::ALL, Leaving::Gone),
                rebase::merge(&own, &Target::ALL, Take::Nothing, None),
            ] {
                keeper::run(&transaction, &text, None).await?;
            }
            finish(&transaction, &own).await?;
        }
        let left = self.left(&transaction, &drafts, &found).await?;
        transaction.commit().await?;
        Ok(Changed::Rebased { changes, left })
    }

    /// Resolves conflicts: all of a session, of one table, of one row or of one of its columns. A
    /// resolved one is none any more until production changes the row again.
    ///
    /// # Errors
    /// As of [`Control::rebase`]; what PostgreSQL says of a value that the column cannot have.
    pub async fn resolve(
        &self,
        session: &str,
        who: &str,
        which: &Which,
        value: &Value,
    ) -> Result<Changed, ControlError> {
        let catalog = self.refresh_catalog().await?;
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let found = self.locked(&transaction, session).await?;
        let heads = head_numbers(&catalog);
        let drafts = drafts(&transaction, &catalog, &heads, found.sid).await?;
        let op = sessions::add_operation(&transaction, found.sid, "resolve", who, RESOLVE).await?;
        let table = which.table.and_then(|id| catalog.relations.get(&id));
        if let Some(relation) = table {
            which.fits(relation)?;
            readable(&transaction, relation, &which.key).await?;
        }
        let named = |d: &&Draft<'_>| which.table.is_none_or(|id| id == d.relation.id);
        let chosen: Vec<Draft<'_>> = drafts.iter().filter(named).copied().collect();
        let target = Target {
            key: Some(which.key.as_slice()).filter(|key| !key.is_empty()),
            column: which.column.as_deref(),
        };
        let mut settled = 0;
        for own in self.owned(&transaction, &chosen, &found).await? {
            which.fits(own.draft.relation)?;
            for text in statements(&own, &target, value, op) {
                let done = keeper::run(&transaction, &text, None).await;
                settled += done.map_err(|e| not_a_value(e.into(), value, own.draft, which))?;
            }
            finish(&transaction, &own).await?;
        }
        if *value == Value::Theirs && which.column.is_none() {
            settled += self
                .leave_followed(&transaction, (&drafts, &found), (which.table, &target))
                .await?;
        }
        let left = self.left(&transaction, &drafts, &found).await?;
        // asked again it is no operation
        match settled {
            0 => transaction.rollback().await?,
            _ => transaction.commit().await?,
        }
        Ok(Changed::Left { left, settled })
    }

    /// Rows leave the draft to which rows refer that appeared in production: these are listed, and named
    /// by a person, and may be of a table that the draft does not have.
    async fn leave_followed(
        &self,
        transaction: &Transaction<'_>,
        (drafts, session): (&[Draft<'_>], &Session),
        (table, target): (Option<RelationId>, &Target<'_>),
    ) -> Result<u64, ControlError> {
        let mut settled = 0;
        for own in self.owned(transaction, drafts, session).await? {
            if let Some(text) = settle::leave_followed(&own, table, target) {
                settled += keeper::run(transaction, &text, None).await?;
            }
            finish(transaction, &own).await?;
        }
        Ok(settled)
    }

    /// How many conflicts are left, before anybody else can end the session.
    async fn left(
        &self,
        transaction: &Transaction<'_>,
        drafts: &[Draft<'_>],
        session: &Session,
    ) -> Result<usize, ControlError> {
        transaction
            .batch_execute("SAVEPOINT pgdraft_listed")
            .await?;
        let left = self.listed(transaction, drafts, session).await?.len();
        transaction
            .batch_execute("ROLLBACK TO SAVEPOINT pgdraft_listed")
            .await?;
        Ok(left)
    }

    async fn owned<'a>(
        &'a self,
        transaction: &Transaction<'_>,
        drafts: &'a [Draft<'a>],
        session: &Session,
    ) -> Result<Vec<Own<'a>>, ControlError> {
        let mut all = Vec::with_capacity(drafts.len());
        for draft in drafts {
            all.push(self.own(transaction, draft, session.sid).await?);
        }
        Ok(all)
    }
}

/// The same, where a value that was given may be none of its column.
fn not_a_value(
    error: ControlError,
    value: &Value,
    draft: &Draft<'_>,
    which: &Which,
) -> ControlError {
    let column = which
        .column
        .as_ref()
        .and_then(|name| draft.relation.column(name));
    match (value, column) {
        (Value::Given(_), Some(column)) => error.unread(|| {
            format!(
                "TAKE VALUE takes the text of a value of column \"{}\", which is of type {}.",
                column.name, column.type_name
            )
        }),
        _ => error,
    }
}

async fn finish(transaction: &Transaction<'_>, own: &Own<'_>) -> Result<(), ControlError> {
    if own.prepared {
        keeper::run(transaction, &own.finish(), None).await?;
    }
    Ok(())
}

/// What resolves the conflicts of one table. Conflicts of whole rows are not of one column.
fn statements(own: &Own<'_>, target: &Target<'_>, value: &Value, op: i64) -> Vec<String> {
    let whole = target.column.is_none();
    let take = match value {
        Value::Ours => Take::Ours,
        Value::Theirs => Take::Theirs,
        Value::Given(text) => Take::Value(text),
    };
    let mut texts = Vec::new();
    match value {
        Value::Ours if whole => {
            texts.push(rebase::remove_still(own, target));
            texts.push(rebase::make_again(own, target));
            texts.push(rebase::change_instead(own, target));
            texts.extend(appeared::remove(own, target));
        }
        Value::Theirs if whole => {
            texts.push(rebase::forget(own, target, Leaving::Theirs));
            texts.extend(appeared::keep(own, target));
        }
        _ => {}
    }
    let column = target
        .column
        .and_then(|name| own.draft.relation.column(name));
    match (value, column) {
        (Value::Theirs, None) => texts.extend(settle::leave(own, target)),
        (Value::Given(text), Some(column)) => {
            texts.extend(settle::give(own, target, (column, text), op));
        }
        _ => {}
    }
    texts.push(rebase::merge(own, target, take, Some(op)));
    texts
}
