//! Giving tables their heads, and keeping heads in step with their tables.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use catalog::{Catalog, DraftTableId, Relation, RelationId};
use draft::follow::{self, Casts, OldColumn};
use draft::{Draft, before, diff, head, trigger};
use store::tables::{self, DraftTable};
use store::{history, keeper};
use tokio_postgres::Transaction;
use tokio_postgres::error::SqlState;

use crate::{Control, ControlError};

/// One process at a time makes or changes heads. A lock on a table that agents have no right on:
/// an advisory lock is anybody's to take.
const LOCK: &str = "LOCK TABLE pgdraft.migrations IN EXCLUSIVE MODE";

/// A head as it was before an attempt to make it anew, and the way back to it.
const BEFORE: &str = "SAVEPOINT pgdraft_follow";
const BACK: &str = "ROLLBACK TO pgdraft_follow";

impl Control {
    /// Makes heads for these tables. Idempotent, and safe against other processes. Returns a snapshot that
    /// knows the heads.
    ///
    /// # Errors
    /// [`ControlError::Refused`] where a table cannot be drafted, [`ControlError::SchemaMoved`]
    /// where a draft of an older shape of the table is in the way.
    pub async fn draft_tables(&self, tables: &[RelationId]) -> Result<Arc<Catalog>, ControlError> {
        match self.make_missing(tables).await {
            // gone since the statement was planned: there may be another table of this name
            Ok(()) | Err(ControlError::NoSuchRelation(_)) => {}
            Err(error) => return Err(error),
        }
        self.reload().await?;
        Ok(self.catalog())
    }

    async fn make_missing(&self, tables: &[RelationId]) -> Result<(), ControlError> {
        let mut catalog = self.catalog();
        if !tables.iter().all(|id| catalog.relations.contains_key(id)) {
            catalog = self.refresh_catalog().await?;
        }
        let wanted = wanted(&catalog, tables)?;
        if wanted.iter().all(|id| catalog.head(*id).is_some()) {
            return Ok(());
        }
        self.make(&wanted).await
    }

    /// Makes the heads that are missing or out of date, in one transaction.
    async fn make(&self, wanted: &BTreeSet<RelationId>) -> Result<(), ControlError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        transaction.batch_execute(&self.lock_timeout()).await?;
        transaction.batch_execute(LOCK).await?;
        let catalog = self.in_transaction(&transaction).await?;
        let agent = self.inner.roles.agent_quoted();
        let mut work = Work::begin(&transaction, &catalog, &agent).await?;
        for id in wanted {
            let Some(relation) = catalog.relations.get(id) else {
                return Err(ControlError::NoSuchRelation(*id));
            };
            draft::check(relation)?;
            if work
                .present
                .get(id)
                .is_none_or(|t| t.fingerprint != relation.fingerprint)
            {
                told_apart(&transaction, relation).await?;
            }
            work.table(relation).await?;
        }
        work.triggers().await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The catalog as this transaction sees it: the snapshot where it still holds, which spares
    /// reading a large schema for each table. What another process has just made is seen all the
    /// same: [`Work::begin`] reads the list of heads under the lock.
    async fn in_transaction(
        &self,
        transaction: &Transaction<'_>,
    ) -> Result<Arc<Catalog>, ControlError> {
        let catalog = self.catalog();
        if store::prepared_mark(transaction).await?.schema == catalog.mark.schema {
            return Ok(catalog);
        }
        Ok(Arc::new(
            store::load_catalog(transaction, 0, draftable).await?,
        ))
    }

    /// Brings heads in step with tables that changed, as far as no draft is in the way, and drops
    /// heads of tables that are gone. What cannot be repaired is left: planning refuses it.
    pub(crate) async fn repair_heads(&self) -> Result<(), ControlError> {
        let catalog = self.catalog();
        let mut changed = false;
        for (id, head) in &catalog.heads {
            let outcome = match catalog.relations.get(id) {
                None => self.drop_head(head.id).await,
                Some(_) if catalog.head(*id).is_some() => continue,
                Some(relation) if draft::check(relation).is_err() => self.drop_head(head.id).await,
                Some(_) => self.make(&BTreeSet::from([*id])).await,
            };
            match outcome {
                Ok(()) => changed = true,
                Err(error) => {
                    let why = why_stuck(&error);
                    tracing::warn!(table = head.id.0, %why, "a head is out of date");
                    let client = self.client().await?;
                    tables::stuck(&*client, head.id, &why).await?;
                    changed = true;
                }
            }
        }
        if changed {
            self.reload().await?;
        }
        Ok(())
    }

    /// Drops a head unless a session has rows in it.
    async fn drop_head(&self, id: DraftTableId) -> Result<(), ControlError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        transaction.batch_execute(&self.lock_timeout()).await?;
        transaction.batch_execute(LOCK).await?;
        if rows(&transaction, id).await? == Rows::Live {
            return Ok(());
        }
        history::head_goes(&transaction, id).await?;
        let text = head::drop(id) + &diff::drop_functions(id);
        keeper::run(&transaction, &text, None).await?;
        transaction
            .execute("DELETE FROM pgdraft.tables WHERE id = $1", &[&id.0])
            .await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// The key that the configuration names for a table tells its rows apart; production does not see
/// to that.
async fn told_apart(
    transaction: &Transaction<'_>,
    relation: &Relation,
) -> Result<(), ControlError> {
    for (text, detail) in draft::doubts(relation) {
        if keeper::run(transaction, &text, None).await? > 0 {
            return Err(draft::Refusal {
                schema: relation.schema.clone(),
                table: relation.name.clone(),
                detail,
                hint:
                    "Name other columns in tables.key of pgdraft's configuration, or mend the rows."
                        .into(),
            }
            .into());
        }
    }
    Ok(())
}

/// What stops a head, without the values of any session's rows: everybody who drafts the table may
/// read it.
fn why_stuck(error: &ControlError) -> String {
    if let ControlError::Misfit { why, .. } = error {
        return why.clone();
    }
    let Some(said) = error.database() else {
        return match error {
            ControlError::SchemaMoved(_) => {
                "Rows of open drafts are told apart by another key than the table's rows now."
                    .to_owned()
            }
            other => format!("The head is out of date: {}.", other.report().code),
        };
    };
    let of = |what: &str, name: Option<&str>| {
        name.map_or_else(String::new, |name| format!(", {what} \"{name}\""))
    };
    format!(
        "Rows of open drafts do not fit the table as it is now: SQLSTATE {}{}{}.",
        said.code().code(),
        of("constraint", said.constraint()),
        of("column", said.column())
    )
}

/// Whether it is the rows that an error is about: values, constraints, types; or how they are told apart.
fn misfit(error: &ControlError) -> bool {
    let of_rows = |code: &str| {
        ["22", "23", "42"]
            .iter()
            .any(|class| code.starts_with(class))
    };
    let said = error.database();
    matches!(error, ControlError::SchemaMoved(_))
        || said.is_some_and(|said| of_rows(said.code().code()))
}

/// The tables, each once.
fn wanted(catalog: &Catalog, asked: &[RelationId]) -> Result<BTreeSet<RelationId>, ControlError> {
    let each = asked.iter().map(|id| {
        let relation = catalog.relations.get(id);
        draft::check(relation.ok_or(ControlError::NoSuchRelation(*id))?)?;
        Ok(*id)
    });
    each.collect()
}

/// Whether a table can have a head.
pub(crate) fn draftable(relation: &Relation) -> bool {
    draft::check(relation).is_ok()
}

/// Whose rows a head holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rows {
    /// Of sessions that go on.
    Live,
    /// Of sessions that have ended: what is committed can be taken back by them.
    History,
    None,
}

/// Takes the head for itself first, so that the answer stays true until the transaction ends.
async fn rows(transaction: &Transaction<'_>, id: DraftTableId) -> Result<Rows, ControlError> {
    let text = format!(
        "LOCK TABLE pgdraft.d{0}, pgdraft.d{0}_log IN ACCESS EXCLUSIVE MODE",
        id.0
    );
    transaction.batch_execute(&text).await?;
    let row = transaction
        .query_typed_one(
            &format!(
                "SELECT EXISTS (SELECT FROM pgdraft.sessions s JOIN pgdraft.d{0} h ON h.pgdraft_sid = s.sid WHERE s.ended_at IS NULL),
                        EXISTS (SELECT FROM pgdraft.d{0})",
                id.0
            ), &[])
        .await?;
    Ok(match (row.try_get(0)?, row.try_get(1)?) {
        (true, _) => Rows::Live,
        (false, true) => Rows::History,
        (false, false) => Rows::None,
    })
}

/// One transaction's worth of head making.
struct Work<'a> {
    transaction: &'a Transaction<'a>,
    catalog: &'a Catalog,
    agent: &'a str,
    present: HashMap<RelationId, DraftTable>,
    /// Every head, those being made too.
    heads: HashMap<RelationId, DraftTableId>,
    /// Heads that get their triggers anew.
    made: BTreeMap<RelationId, DraftTable>,
}

impl<'a> Work<'a> {
    async fn begin(
        transaction: &'a Transaction<'a>,
        catalog: &'a Catalog,
        agent: &'a str,
    ) -> Result<Self, ControlError> {
        let list = tables::list(transaction).await?;
        let heads = list.iter().map(|t| (t.relation, t.id)).collect();
        Ok(Self {
            transaction,
            catalog,
            agent,
            present: list.into_iter().map(|t| (t.relation, t)).collect(),
            heads,
            made: BTreeMap::new(),
        })
    }

    /// Makes the head of one table, or makes it again where it is out of date.
    async fn table(&mut self, relation: &Relation) -> Result<(), ControlError> {
        let id = match self.present.get(&relation.id) {
            Some(table) if table.fingerprint == relation.fingerprint => return Ok(()),
            Some(table) => {
                let (id, shape) = (table.id, table.shape.clone());
                let ddl = head::ddl(relation, id, self.agent);
                if store::shape(&ddl) == shape {
                    // Only what the triggers check has changed: the rows can stay.
                    let draft = self.draft(relation, id);
                    self.run(&trigger::drop(&draft)).await?;
                } else {
                    if !self.follow(relation, id).await? {
                        history::head_goes(self.transaction, id).await?;
                        self.run(&head::drop(id)).await?;
                        let draft = self.draft(relation, id);
                        self.run(&trigger::drop(&draft)).await?;
                        self.run(&ddl).await?;
                    }
                }
                id
            }
            None => {
                let id = tables::insert(self.transaction, relation).await?;
                let ddl = head::ddl(relation, id, self.agent);
                self.run(&ddl).await?;
                id
            }
        };
        let table = DraftTable {
            id,
            relation: relation.id,
            name: (relation.schema.clone(), relation.name.clone()),
            fingerprint: relation.fingerprint.clone(),
            shape: store::shape(&head::ddl(relation, id, self.agent)),
            constraints: head::constraints(relation, id).into_iter().collect(),
            columns: follow::noted(relation)
                .into_iter()
                .map(|c| (c.number, c.name, c.declared))
                .collect(),
            stuck: None,
        };
        tables::update(self.transaction, relation, &table).await?;
        self.heads.insert(relation.id, id);
        self.made.insert(relation.id, table);
        Ok(())
    }

    /// Makes a head anew and brings its rows along; `false`: there are none to bring, or history alone,
    /// which does not fit. Beside rows that go on such history goes.
    async fn follow(&self, relation: &Relation, id: DraftTableId) -> Result<bool, ControlError> {
        let whose = rows(self.transaction, id).await?;
        if whose == Rows::None {
            return Ok(false);
        }
        self.transaction.batch_execute(BEFORE).await?;
        let mut done = self.bring(relation, id).await;
        if done.as_ref().is_err_and(misfit) {
            self.transaction.batch_execute(BACK).await?;
            if whose == Rows::History {
                return Ok(false);
            }
            history::leaves_head(self.transaction, id).await?;
            self.transaction.batch_execute(BEFORE).await?;
            done = self.bring(relation, id).await;
        }
        match done {
            Ok(()) => Ok(true),
            Err(error) if misfit(&error) => Err(ControlError::Misfit {
                table: relation.name.clone(),
                why: why_stuck(&error),
            }),
            Err(error) => Err(error),
        }
    }

    /// One attempt of it, within [`BEFORE`].
    async fn bring(&self, relation: &Relation, id: DraftTableId) -> Result<(), ControlError> {
        let draft = self.draft(relation, id);
        let present = self.present.get(&relation.id);
        let noted = present.into_iter().flat_map(|table| &table.columns);
        let mut old: Vec<OldColumn> = noted
            .map(|(number, name, declared)| OldColumn {
                number: *number,
                name: name.clone(),
                declared: declared.clone(),
            })
            .collect();
        if old.is_empty() {
            // Made by a pgdraft that noted nothing, and rebuilt for its sake.
            old = follow::noted(relation);
        }
        let make = follow::keep(id)
            + &trigger::drop(&draft)
            + &head::drop(id)
            + &head::unchecked_ddl(relation, id, self.agent);
        let run = async |casts| {
            let restore = follow::restore(&draft, &old, casts);
            let restore =
                restore.ok_or_else(|| ControlError::SchemaMoved(relation.name.clone()))?;
            let text = make.clone() + &restore + &head::late_checks(relation, id);
            self.run(&text).await
        };
        let no_cast = |error: &ControlError| {
            let said = error.database();
            said.is_some_and(|said| *said.code() == SqlState::CANNOT_COERCE)
        };
        match run(Casts::Direct).await {
            Err(error) if no_cast(&error) => {
                self.transaction.batch_execute(BACK).await?;
                run(Casts::ByText).await
            }
            other => other,
        }
    }

    /// Triggers of what was made, and new trigger functions for the neighbours, which from now on
    /// have to look at the new heads as well.
    async fn triggers(&self) -> Result<(), ControlError> {
        let mut neighbours = BTreeSet::new();
        for (relation, table) in &self.made {
            let Some(relation) = self.catalog.relations.get(relation) else {
                continue;
            };
            let draft = self.draft(relation, table.id);
            let text = trigger::functions(&draft)
                + &trigger::triggers(&draft)
                + &before::ddl(&draft, self.agent)
                + &head::comments(relation, table.id)
                + &diff::drop_functions(table.id)
                + &diff::functions(&draft, self.agent);
            self.run(&text).await?;
            neighbours.extend(trigger::neighbours(relation));
        }
        let before = self.present.iter();
        let before: HashMap<_, _> = before.map(|(id, table)| (*id, table.id)).collect();
        for neighbour in neighbours {
            let (Some(table), Some(relation)) = (
                self.present.get(&neighbour),
                self.catalog.relations.get(&neighbour),
            ) else {
                continue;
            };
            // One that is out of date itself is made anew by its own repair.
            if self.made.contains_key(&neighbour) || table.fingerprint != relation.fingerprint {
                continue;
            }
            let draft = self.draft(relation, table.id);
            let before = Draft {
                heads: &before,
                ..draft
            };
            let triggers = trigger::triggers(&draft);
            let text = if triggers == trigger::triggers(&before) {
                trigger::functions(&draft)
            } else {
                trigger::drop(&draft) + &trigger::functions(&draft) + &triggers
            };
            self.run(&text).await?;
        }
        Ok(())
    }

    /// As the keeper: what production's expressions call is no part of a draft's rights.
    async fn run(&self, text: &str) -> Result<(), ControlError> {
        keeper::run(self.transaction, text, None).await?;
        Ok(())
    }

    fn draft<'b>(&'b self, relation: &'b Relation, id: DraftTableId) -> Draft<'b> {
        Draft {
            catalog: self.catalog,
            relation,
            id,
            heads: &self.heads,
        }
    }
}
