//! Going back: a session to an earlier operation, a copy of it, and a new session that undoes what
//! was committed.

use std::collections::HashMap;

use catalog::{Catalog, DraftTableId, RelationId};
use draft::undo::{self, Undo};
use draft::{Draft, rewind};
use store::sessions::{self, Session};
use store::{keeper, parts, tables};
use tokio_postgres::Transaction;

use crate::change::{Changed, Undone};
use crate::commit::drafts;
use crate::diff::{drafted, head_numbers};
use crate::sessions::{count, existing, named};
use crate::{Control, ControlError, Step};

const UNREAD_TIME: &str = "Give a time as PostgreSQL reads it: SINCE '2026-01-31 14:00', '2026-01-31T14:00:00Z', 'today' or 'yesterday'.";

impl Control {
    /// Takes a session back to what it was after an operation: those after it are gone. Returns how
    /// many.
    ///
    /// # Errors
    /// [`ControlError::NoSuchSession`], [`ControlError::Ended`], [`ControlError::Busy`],
    /// [`ControlError::NoSuchOperations`], and what PostgreSQL says.
    pub async fn rewind(&self, session: &str, operation: &str) -> Result<u64, ControlError> {
        let catalog = self.refresh_catalog().await?;
        let heads = head_numbers(&catalog);
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let found = self.locked(&transaction, session).await?;
        let drafts = drafts(&transaction, &catalog, &heads, found.sid).await?;
        let gone = back(&transaction, &found, operation, &drafts).await?;
        transaction.commit().await?;
        Ok(gone)
    }

    /// Copies a live session to a new one of the same agent, up to an operation if one is given: it
    /// is what the agent saw then.
    ///
    /// # Errors
    /// As of [`Control::rewind`]; [`ControlError::NameTaken`], [`ControlError::BadId`].
    pub async fn fork(
        &self,
        session: &str,
        name: &str,
        operation: Option<&str>,
    ) -> Result<Changed, ControlError> {
        let catalog = self.refresh_catalog().await?;
        let heads = head_numbers(&catalog);
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let found = self.locked(&transaction, session).await?;
        let origin = match operation {
            Some(operation) => format!("FORK {} AT {operation}", found.sid.0),
            None => format!("FORK {}", found.sid.0),
        };
        if let Some(before) = sessions::made_by(&transaction, Some(name), (&[], &origin)).await? {
            return self.made(&transaction, before).await;
        }
        self.room_for_session(&transaction, &found.agent).await?;
        let made = new_session(&transaction, name, &found.agent, (&[], &origin)).await?;
        sessions::copy_operations(&transaction, found.sid, made.sid).await?;
        let drafts = drafts(&transaction, &catalog, &heads, found.sid).await?;
        for draft in &drafts {
            let text = rewind::copy(draft, found.sid, made.sid);
            keeper::run(&transaction, &text, None).await?;
        }
        if let Some(operation) = operation {
            let copied = back(&transaction, &made, operation, &drafts).await;
            copied.map_err(|error| match error {
                // the copy has none that was committed or discarded
                ControlError::NoSuchOperations { operations, .. } => {
                    let session = found.name.clone();
                    ControlError::NoSuchOperations {
                        session,
                        operations,
                    }
                }
                error => error,
            })?;
        }
        let made = self.made(&transaction, made).await?;
        transaction.commit().await?;
        Ok(made)
    }

    /// A session that was made, now or when it was asked for before.
    async fn made(
        &self,
        transaction: &Transaction<'_>,
        session: Session,
    ) -> Result<Changed, ControlError> {
        let mut rows = 0;
        for (id, _) in tables::touched(transaction, session.sid).await? {
            rows += count(tables::changed_rows(transaction, id, session.sid).await?);
        }
        Ok(Changed::Made {
            session: session.name,
            rows,
        })
    }

    /// Makes a session whose draft undoes a commit, or several. It is reviewed and committed as any
    /// other: what production changed since is a conflict.
    ///
    /// # Errors
    /// [`ControlError::NotCommitted`] where there is nothing to undo or the history is gone,
    /// [`ControlError::Gap`] where others wrote between several commits, [`ControlError::NameTaken`],
    /// and what PostgreSQL says.
    pub async fn revert(
        &self,
        undone: &Undone,
        who: &str,
        name: Option<&str>,
    ) -> Result<Changed, ControlError> {
        let catalog = self.refresh_catalog().await?;
        let heads = head_numbers(&catalog);
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        transaction.batch_execute(&self.lock_timeout()).await?;
        let sources = sources(&transaction, undone).await?;
        let Some((first, _)) = sources.first() else {
            return Err(ControlError::NotCommitted(undone.shown()));
        };
        let whole: Vec<i64> = match undone {
            Undone::Operation { .. } => Vec::new(),
            Undone::Session(_) | Undone::Agent { .. } => {
                sources.iter().map(|(s, _)| s.sid.0).collect()
            }
        };
        let origin = format!("REVERT {}", undone.shown());
        if let Some(before) = sessions::made_by(&transaction, name, (&whole, &origin)).await? {
            return self.made(&transaction, before).await;
        }
        let name = match name {
            Some(name) => name.to_owned(),
            None => free_name(&transaction, &format!("revert {}", undone.shown())).await?,
        };
        let made = new_session(&transaction, &name, &first.agent, (&whole, &origin)).await?;
        let way = (&transaction, catalog.as_ref(), &heads);
        self.go_back(way, &sources, &made, (who, &origin)).await?;
        let made = self.made(&transaction, made).await?;
        transaction.commit().await?;
        Ok(made)
    }

    /// Writes the way back from each commit into the session that was made for it.
    async fn go_back(
        &self,
        (transaction, catalog, heads): (
            &Transaction<'_>,
            &Catalog,
            &HashMap<RelationId, DraftTableId>,
        ),
        sources: &[(Session, Undo)],
        made: &Session,
        (who, origin): (&str, &str),
    ) -> Result<(), ControlError> {
        let (mut rows, mut total) = (0, 0);
        for (source, _) in sources {
            for (id, _) in tables::touched(transaction, source.sid).await? {
                total += count(tables::changed_rows(transaction, id, source.sid).await?);
            }
        }
        for (source, what) in sources {
            let op = sessions::add_operation(transaction, made.sid, "revert", who, origin).await?;
            for (_, relation) in tables::touched(transaction, source.sid).await? {
                let draft = drafted(catalog, heads, relation)?;
                self.progress.tell(&Step {
                    session: made.name.clone(),
                    doing: "going back in",
                    table: format!("{}.{}", draft.relation.schema, draft.relation.name),
                    rows,
                    total,
                });
                rows += write_back(transaction, &draft, (source, *what), (made, op)).await?;
            }
        }
        Ok(())
    }
}

impl Undone {
    /// As it stands in a sentence.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Session(session) => session.clone(),
            Self::Operation { session, operation } => format!("{operation} of {session}"),
            Self::Agent { agent, since } => format!("{agent} since {since}"),
        }
    }
}

/// The way back of one table.
async fn write_back(
    transaction: &Transaction<'_>,
    draft: &Draft<'_>,
    (source, what): (&Session, Undo),
    (made, op): (&Session, i64),
) -> Result<u64, ControlError> {
    let text = match draft.relation.key() {
        Some(_) => undo::gaps(draft, source.sid, what, made.sid),
        // rows that came back are new ones; those that the commit made are nowhere to be found
        None => undo::left(draft, source.sid, what),
    };
    let rows: i64 = transaction.query_typed_one(&text, &[]).await?.try_get(0)?;
    if rows > 0 {
        let (table, rows) = (draft.relation.name.clone(), count(rows));
        return Err(match draft.relation.key() {
            Some(_) => ControlError::Gap { table, rows },
            None => ControlError::NoKey { table, rows },
        });
    }
    let text = undo::write(draft, source.sid, what, made.sid, op);
    let written = keeper::run(transaction, &text, None).await?;
    if written > 0 {
        tables::touch(transaction, made.sid, draft.id).await?;
    }
    Ok(written)
}

/// The commits that are undone, the last one first.
async fn sources(
    transaction: &Transaction<'_>,
    undone: &Undone,
) -> Result<Vec<(Session, Undo)>, ControlError> {
    let committed = |session: Session| {
        if session.state.was_committed() && session.has_rows {
            Ok(session)
        } else {
            Err(ControlError::NotCommitted(session.name))
        }
    };
    match undone {
        Undone::Session(name) => {
            let found = existing(sessions::find_for_update(transaction, name).await?, name)?;
            Ok(vec![(committed(found)?, Undo::Session)])
        }
        Undone::Operation { session, operation } => {
            let found = existing(
                sessions::find_for_update(transaction, session).await?,
                session,
            )?;
            let op = number(transaction, &found, operation).await?;
            // committed apart from its session it is in a session of its own
            let part = parts::holding(transaction, found.sid, op).await?;
            Ok(vec![(
                committed(part.unwrap_or(found))?,
                Undo::Operation(op),
            )])
        }
        Undone::Agent { agent, since } => {
            let all = sessions::committed_since(transaction, agent, since).await;
            let all = all.map_err(|e| ControlError::from(e).unread(|| UNREAD_TIME.to_owned()))?;
            all.into_iter()
                .map(|found| Ok((committed(found)?, Undo::Session)))
                .collect()
        }
    }
}

async fn number(
    transaction: &Transaction<'_>,
    session: &Session,
    operation: &str,
) -> Result<i64, ControlError> {
    sessions::operation_number(transaction, session.sid, operation)
        .await?
        .ok_or_else(|| ControlError::NoSuchOperations {
            session: session.name.clone(),
            operations: vec![operation.to_owned()],
        })
}

/// Takes a session back; how many operations are gone.
async fn back(
    transaction: &Transaction<'_>,
    session: &Session,
    operation: &str,
    drafts: &[Draft<'_>],
) -> Result<u64, ControlError> {
    let op = number(transaction, session, operation).await?;
    for draft in drafts {
        let text = rewind::to(draft, session.sid, op);
        keeper::run(transaction, &text, None).await?;
    }
    store::sequences::rewind(transaction, session.sid, op).await?;
    Ok(sessions::forget_operations(transaction, session.sid, op).await?)
}

/// A session that is not there yet.
async fn new_session(
    transaction: &Transaction<'_>,
    name: &str,
    agent: &str,
    made: (&[i64], &str),
) -> Result<Session, ControlError> {
    named(name)?;
    sessions::insert(transaction, name, agent, made)
        .await?
        .ok_or_else(|| ControlError::NameTaken(name.to_owned()))
}

/// The name, or with a number behind it.
async fn free_name(transaction: &Transaction<'_>, name: &str) -> Result<String, ControlError> {
    let short: String = name.chars().take(190).collect();
    let mut candidate = short.clone();
    let mut next = 2;
    while sessions::find(transaction, &candidate).await?.is_some() {
        candidate = format!("{short}#{next}");
        next += 1;
    }
    Ok(candidate)
}
