//! Sessions and their operations.

use std::sync::atomic::Ordering;

use catalog::{RelationId, SessionId};
use store::sessions::{self, Session, SessionState};
use store::tables;
use tokio_postgres::GenericClient;

use crate::{Control, ControlError};

/// Characters of an id, at most.
const ID_CHARACTERS_MAX: usize = 200;

/// A session as the data plane needs it.
#[derive(Debug, Clone)]
pub struct OpenedSession {
    /// Its numeric id.
    pub sid: SessionId,
    /// Where it stands.
    pub state: SessionState,
    /// Tables it has changed, with the rows in its head as far as plans depend on them ([`tables::opened`]).
    pub touched: Vec<(RelationId, u64)>,
    /// Those of them that it has truncated.
    pub truncated: Vec<RelationId>,
    /// It has sequences of its own: what it restarted or set.
    pub sequences: bool,
}

/// A session as a list shows it. Times are texts as PostgreSQL prints them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSummary {
    /// Its id.
    pub name: String,
    /// The agent it belongs to.
    pub agent: String,
    /// Where it stands.
    pub state: SessionState,
    /// When it began.
    pub created_at: String,
    /// When it was committed or discarded.
    pub ended_at: Option<String>,
    /// By whom.
    pub ended_by: Option<String>,
    /// Tables it has written to.
    pub tables: u64,
    /// Its operations.
    pub operations: u64,
    /// Rows in its draft; of an ended session, rows applied or thrown away.
    pub rows: u64,
}

/// An operation as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationSummary {
    /// Its id.
    pub name: String,
    /// Where it stands: as its session, or committed or discarded before it.
    pub state: SessionState,
    /// The agent.
    pub agent: String,
    /// Where the agent's client connected from, if known.
    pub client_address: Option<String>,
    /// When its first write began.
    pub started_at: String,
    /// Milliseconds from there to its last change; `None` where it changed no row.
    pub duration_ms: Option<i64>,
    /// Its statements, constants replaced, as far as they fit in 8192 characters.
    pub statement: String,
    /// Rows it inserted.
    pub inserted: u64,
    /// Rows it updated.
    pub updated: u64,
    /// Rows it deleted.
    pub deleted: u64,
    /// `schema.table` of each table it changed.
    pub tables: Vec<String>,
}

impl Control {
    /// Finds the session of that name, or makes it for this agent if `create`.
    ///
    /// # Errors
    /// [`ControlError::BadId`], [`ControlError::NotYourSession`], and what PostgreSQL says.
    pub async fn open_session(
        &self,
        name: &str,
        agent: &str,
        create: bool,
    ) -> Result<Option<OpenedSession>, ControlError> {
        named(name)?;
        let mut client = self.client().await?;
        let found = match sessions::find(&*client, name).await? {
            None if create => {
                let transaction = client.transaction().await?;
                self.room_for_session(&transaction, agent).await?;
                let made = sessions::create(&transaction, name, agent).await?;
                transaction.commit().await?;
                Some(made)
            }
            found => found,
        };
        let Some(session) = found else {
            return Ok(None);
        };
        if session.agent != agent {
            return Err(ControlError::NotYourSession(name.to_owned()));
        }
        // in one flight
        let (touched, truncated, sequences) = tokio::try_join!(
            tables::opened(&*client, session.sid),
            tables::truncated(&*client, session.sid),
            store::sequences::any(&*client, session.sid),
        )?;
        Ok(Some(OpenedSession {
            sid: session.sid,
            state: session.state,
            touched,
            truncated,
            sequences,
        }))
    }

    /// Most live sessions of one agent from now on; 0 = no bound.
    pub fn bound_sessions(&self, per_agent: u64) {
        let bound = &self.inner.sessions_per_agent;
        bound.store(per_agent, Ordering::Relaxed);
    }

    /// Refuses one more live session where the agent has as many as it may.
    pub(crate) async fn room_for_session(
        &self,
        client: &impl GenericClient,
        agent: &str,
    ) -> Result<(), ControlError> {
        let limit = self.inner.sessions_per_agent.load(Ordering::Relaxed);
        if limit == 0 || sessions::count_live(client, agent).await? < limit {
            return Ok(());
        }
        Err(ControlError::TooManySessions {
            agent: agent.to_owned(),
            limit,
        })
    }

    /// The agent a session belongs to.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub async fn session_owner(&self, name: &str) -> Result<Option<String>, ControlError> {
        let client = self.client().await?;
        let found = sessions::find(&*client, name).await?;
        Ok(found.map(|session| session.agent))
    }

    /// All sessions, oldest first.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub async fn sessions(&self) -> Result<Vec<SessionSummary>, ControlError> {
        let client = self.client().await?;
        let operations = sessions::operation_counts(&*client).await?;
        let rows = tables::row_counts(&*client).await?;
        let all = sessions::list(&*client).await?;
        Ok(all
            .into_iter()
            .map(|session| {
                let (tables, changed) = rows.get(&session.sid).copied().unwrap_or_default();
                SessionSummary {
                    tables: count(session.ended_tables.unwrap_or(tables)),
                    rows: count(session.ended_rows.unwrap_or(changed)),
                    operations: count(operations.get(&session.sid).copied().unwrap_or(0)),
                    name: session.name,
                    agent: session.agent,
                    state: session.state,
                    created_at: session.created_at,
                    ended_at: session.ended_at,
                    ended_by: session.ended_by,
                }
            })
            .collect())
    }

    /// The operations of a session in their order.
    ///
    /// # Errors
    /// [`ControlError::NoSuchSession`], and what PostgreSQL says.
    pub async fn operations(&self, session: &str) -> Result<Vec<OperationSummary>, ControlError> {
        let client = self.client().await?;
        let session = existing(sessions::find(&*client, session).await?, session)?;
        let counts = tables::operation_rows(&*client, session.sid).await?;
        let all = sessions::operations(&*client, session.sid).await?;
        Ok(all
            .into_iter()
            .map(|operation| {
                let now = counts.get(&operation.op).cloned().unwrap_or_default();
                OperationSummary {
                    inserted: count(operation.inserted.unwrap_or(now.inserted)),
                    updated: count(operation.updated.unwrap_or(now.updated)),
                    deleted: count(operation.deleted.unwrap_or(now.deleted)),
                    tables: operation.tables.unwrap_or(now.tables),
                    duration_ms: operation.duration_ms.or(now.duration_ms),
                    state: operation.state,
                    name: operation.name,
                    agent: operation.agent,
                    client_address: operation.client_address,
                    started_at: operation.started_at,
                    statement: operation.statement,
                }
            })
            .collect())
    }
}

/// Demands a name that a session can have.
pub(crate) fn named(name: &str) -> Result<(), ControlError> {
    let length = name.chars().count();
    // PostgreSQL cannot store a zero character.
    if length == 0 || length > ID_CHARACTERS_MAX || name.contains('\0') {
        return Err(ControlError::BadId(length));
    }
    Ok(())
}

/// The session, or the error that there is none.
pub(crate) fn existing(found: Option<Session>, name: &str) -> Result<Session, ControlError> {
    found.ok_or_else(|| ControlError::NoSuchSession(name.to_owned()))
}

/// Counts are never negative; PostgreSQL's type is.
pub(crate) fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
