//! `pgdraft.sessions` and `pgdraft.operations` as types.

use std::time::Duration;

use catalog::SessionId;
use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Row};

use crate::Error;

/// State of a session, as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionState {
    /// Takes writes.
    Open,
    /// Its agent says it is done: it waits for review and takes no writes until it is reopened.
    Proposed,
    /// Merged into production.
    Committed,
    /// Thrown away.
    Discarded,
    /// Merged into production, and undone by the commit of another session.
    Reverted,
    /// Thrown away because nobody went on with it for too long.
    Expired,
}

impl SessionState {
    /// `open`, `proposed`, `committed`, `discarded`, `reverted` or `expired`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Proposed => "proposed",
            Self::Committed => "committed",
            Self::Discarded => "discarded",
            Self::Reverted => "reverted",
            Self::Expired => "expired",
        }
    }

    /// It has a draft that can still be committed.
    pub fn is_live(self) -> bool {
        match self {
            Self::Open | Self::Proposed => true,
            Self::Committed | Self::Discarded | Self::Reverted | Self::Expired => false,
        }
    }

    /// Its changes went to production.
    pub fn was_committed(self) -> bool {
        match self {
            Self::Committed | Self::Reverted => true,
            Self::Open | Self::Proposed | Self::Discarded | Self::Expired => false,
        }
    }

    fn parse(text: &str) -> Result<Self, Error> {
        match text {
            "open" => Ok(Self::Open),
            "proposed" => Ok(Self::Proposed),
            "committed" => Ok(Self::Committed),
            "discarded" => Ok(Self::Discarded),
            "reverted" => Ok(Self::Reverted),
            "expired" => Ok(Self::Expired),
            other => Err(Error::Unexpected(format!("session state {other:?}"))),
        }
    }
}

/// One row of `pgdraft.sessions`. Times are texts as PostgreSQL prints them.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its numeric key.
    pub sid: SessionId,
    /// Its id, any text of 1 to 200 characters.
    pub name: String,
    /// The agent it belongs to.
    pub agent: String,
    /// Where it stands.
    pub state: SessionState,
    /// When it began.
    pub created_at: String,
    /// When it was committed or discarded.
    pub ended_at: Option<String>,
    /// Who committed or discarded it.
    pub ended_by: Option<String>,
    /// Tables with changes, of an ended session.
    pub ended_tables: Option<i64>,
    /// Changed rows, of an ended session.
    pub ended_rows: Option<i64>,
    /// What its commit did, table by table.
    pub applied: Option<serde_json::Value>,
    /// The committed sessions that it undoes.
    pub reverts: Vec<i64>,
    /// Its rows are still there: the draft of a live session, the history of a committed one.
    pub has_rows: bool,
}

const COLUMNS: &str = "sid, name, agent, state, created_at::text, ended_at::text, ended_by, ended_tables, ended_rows, \
     applied, reverts, coalesce(forget_at > now(), ended_at IS NULL) AND forgotten_at IS NULL";

fn session(row: &Row) -> Result<Session, Error> {
    Ok(Session {
        sid: SessionId(row.try_get(0)?),
        name: row.try_get(1)?,
        agent: row.try_get(2)?,
        state: SessionState::parse(row.try_get(3)?)?,
        created_at: row.try_get(4)?,
        ended_at: row.try_get(5)?,
        ended_by: row.try_get(6)?,
        ended_tables: row.try_get(7)?,
        ended_rows: row.try_get(8)?,
        applied: row.try_get(9)?,
        reverts: row.try_get(10)?,
        has_rows: row.try_get(11)?,
    })
}

/// The session of that name.
///
/// # Errors
/// [`Error::Database`].
pub async fn find(client: &impl GenericClient, name: &str) -> Result<Option<Session>, Error> {
    let text = format!("SELECT {COLUMNS} FROM pgdraft.sessions WHERE name = $1");
    let row = client
        .query_typed_opt(&text, &[(&name, Type::TEXT)])
        .await?;
    row.as_ref().map(session).transpose()
}

/// The session of that name, locked until the end of the transaction.
///
/// # Errors
/// [`Error::Database`].
pub async fn find_for_update(
    client: &impl GenericClient,
    name: &str,
) -> Result<Option<Session>, Error> {
    let text = format!("SELECT {COLUMNS} FROM pgdraft.sessions WHERE name = $1 FOR UPDATE");
    let row = client
        .query_typed_opt(&text, &[(&name, Type::TEXT)])
        .await?;
    row.as_ref().map(session).transpose()
}

/// Makes a session unless the name is taken; returns whichever is there now.
///
/// # Errors
/// [`Error::Database`].
pub async fn create(
    client: &impl GenericClient,
    name: &str,
    agent: &str,
) -> Result<Session, Error> {
    loop {
        let text = format!(
            "INSERT INTO pgdraft.sessions (name, agent) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING RETURNING {COLUMNS}"
        );
        if let Some(row) = client.query_opt(&text, &[&name, &agent]).await? {
            return session(&row);
        }
        if let Some(found) = find(client, name).await? {
            return Ok(found);
        }
    }
}

/// Live sessions of an agent; nobody else makes one of it before the end of the transaction.
///
/// # Errors
/// [`Error::Database`].
pub async fn count_live(client: &impl GenericClient, agent: &str) -> Result<u64, Error> {
    let lock = "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('pgdraft agent ' || $1, 0))";
    client.execute(lock, &[&agent]).await?;
    let text =
        "SELECT count(*) FROM pgdraft.sessions WHERE agent = $1 AND state IN ('open', 'proposed')";
    let count: i64 = client.query_one(text, &[&agent]).await?.try_get(0)?;
    Ok(count.unsigned_abs())
}

/// All sessions, oldest first.
///
/// # Errors
/// [`Error::Database`].
pub async fn list(client: &impl GenericClient) -> Result<Vec<Session>, Error> {
    let text = format!("SELECT {COLUMNS} FROM pgdraft.sessions ORDER BY sid");
    let rows = client.query_typed(&text, &[]).await?;
    rows.iter().map(session).collect()
}

/// How many operations each session has.
///
/// # Errors
/// [`Error::Database`].
pub async fn operation_counts(
    client: &impl GenericClient,
) -> Result<std::collections::HashMap<SessionId, i64>, Error> {
    let rows = client
        .query_typed(
            "SELECT sid, count(*) FROM pgdraft.operations GROUP BY sid",
            &[],
        )
        .await?;
    rows.iter()
        .map(|row| Ok((SessionId(row.try_get(0)?), row.try_get(1)?)))
        .collect()
}

/// Takes the session's write lock until the end of the transaction; a statement of its own, so
/// that what follows has a snapshot taken under it.
///
/// # Errors
/// [`Error::Database`]; 55P03 after `lock_timeout`.
pub async fn lock(client: &impl GenericClient, name: &str) -> Result<(), Error> {
    client
        .execute_typed(
            "SELECT FROM pgdraft.locks WHERE sid = (SELECT s.sid FROM pgdraft.sessions s WHERE s.name = $1) FOR UPDATE",
            &[(&name, Type::TEXT)],
        )
        .await?;
    Ok(())
}

/// How a session ended.
#[derive(Debug, Clone)]
pub struct Ending<'a> {
    /// Committed, discarded or expired.
    pub state: SessionState,
    /// Who.
    pub who: &'a str,
    /// Tables with changes.
    pub tables: i64,
    /// Changed rows.
    pub rows: i64,
    /// What a commit did, table by table.
    pub applied: Option<serde_json::Value>,
    /// How long its rows are kept: a history to look at and to undo the commit from.
    pub keep: Duration,
}

/// Marks a session as ended. Its rows stay until [`crate::history`] removes them; the agents' role
/// does not see them any more.
///
/// # Errors
/// [`Error::Database`].
pub async fn end(
    client: &impl GenericClient,
    sid: SessionId,
    ending: &Ending<'_>,
) -> Result<(), Error> {
    client
        .execute_typed(
            "UPDATE pgdraft.sessions SET state = $2, ended_at = now(), ended_by = $3, ended_tables = $4, ended_rows = $5,
                    applied = $6, forget_at = now() + make_interval(secs => $7)
             WHERE sid = $1",
            &[
                (&sid.0, Type::INT8),
                (&ending.state.as_str(), Type::TEXT),
                (&ending.who, Type::TEXT),
                (&ending.tables, Type::INT8),
                (&ending.rows, Type::INT8),
                (&ending.applied, Type::JSONB),
                (&ending.keep.as_secs_f64(), Type::FLOAT8),
            ],
        )
        .await?;
    Ok(())
}

/// The commits of these sessions are undone. What they had undone themselves is in production again, and
/// so on down.
///
/// # Errors
/// [`Error::Database`].
pub async fn reverted(client: &impl GenericClient, sids: &[i64]) -> Result<(), Error> {
    let text = "UPDATE pgdraft.sessions s SET state = CASE WHEN EXISTS (SELECT FROM pgdraft.sessions r WHERE r.state = 'committed' AND s.sid = ANY (r.reverts)) THEN 'reverted' ELSE 'committed' END
         WHERE s.sid = ANY ($1) AND s.state IN ('committed', 'reverted') RETURNING s.reverts";
    let mut below = sids.to_vec();
    while !below.is_empty() {
        let rows = client
            .query_typed(text, &[(&below, Type::INT8_ARRAY)])
            .await?;
        below.clear();
        for row in rows {
            below.extend(row.try_get::<_, Vec<i64>>(0)?);
        }
    }
    Ok(())
}

/// Makes a session that is not there yet; `None` where the name is taken.
///
/// # Errors
/// [`Error::Database`].
pub async fn insert(
    client: &impl GenericClient,
    name: &str,
    agent: &str,
    (reverts, origin): (&[i64], &str),
) -> Result<Option<Session>, Error> {
    let text = format!(
        "INSERT INTO pgdraft.sessions (name, agent, reverts, origin) VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO NOTHING RETURNING {COLUMNS}"
    );
    let row = client
        .query_opt(&text, &[&name, &agent, &reverts, &origin])
        .await?;
    row.as_ref().map(session).transpose()
}

/// A live session that this command has made before, of that name if one is given.
///
/// # Errors
/// [`Error::Database`].
pub async fn made_by(
    client: &impl GenericClient,
    name: Option<&str>,
    (reverts, origin): (&[i64], &str),
) -> Result<Option<Session>, Error> {
    let text = format!(
        "SELECT {COLUMNS} FROM pgdraft.sessions
         WHERE origin = $1 AND reverts = $2 AND name = coalesce($3, name) AND ended_at IS NULL ORDER BY sid DESC LIMIT 1"
    );
    let row = client.query_opt(&text, &[&origin, &reverts, &name]).await?;
    row.as_ref().map(session).transpose()
}

/// An agent's committed sessions since a time, the last one first, locked until the transaction
/// ends.
///
/// # Errors
/// [`Error::Database`], also where the time is none.
pub async fn committed_since(
    client: &impl GenericClient,
    agent: &str,
    since: &str,
) -> Result<Vec<Session>, Error> {
    let text = format!(
        "SELECT {COLUMNS} FROM pgdraft.sessions WHERE agent = $1 AND state = 'committed' AND ended_at >= $2::text::timestamptz
         ORDER BY ended_at DESC, sid DESC FOR UPDATE"
    );
    let rows = client.query(&text, &[&agent, &since]).await?;
    rows.iter().map(session).collect()
}

/// Adds an operation that a person or the control plane makes, not an agent's statement; its number.
///
/// # Errors
/// [`Error::Database`].
pub async fn add_operation(
    client: &impl GenericClient,
    sid: SessionId,
    name: &str,
    who: &str,
    statement: &str,
) -> Result<i64, Error> {
    let row = client
        .query_one(
            "WITH n AS (SELECT coalesce(max(op), 0) + 1 AS op, count(*) FILTER (WHERE requested = $2) + 1 AS repeat
                        FROM pgdraft.operations WHERE sid = $1)
             INSERT INTO pgdraft.operations (sid, op, name, requested, repeat, xid, agent, statement)
             SELECT $1, n.op, $2 || CASE WHEN n.repeat = 1 AND NOT EXISTS (SELECT FROM pgdraft.operations o WHERE o.sid = $1 AND o.name = $2)
                                         THEN '' ELSE '#' || n.op END,
                    $2, n.repeat, pg_current_xact_id(), $3, $4 FROM n
             RETURNING op",
            &[&sid.0, &name, &who, &statement],
        )
        .await?;
    Ok(row.try_get(0)?)
}

/// The number of a session's operation.
///
/// # Errors
/// [`Error::Database`].
pub async fn operation_number(
    client: &impl GenericClient,
    sid: SessionId,
    name: &str,
) -> Result<Option<i64>, Error> {
    let row = client
        .query_opt(
            "SELECT op FROM pgdraft.operations WHERE sid = $1 AND name = $2",
            &[&sid.0, &name],
        )
        .await?;
    Ok(row.map(|r| r.try_get(0)).transpose()?)
}

/// Forgets a session's operations after one; how many.
///
/// # Errors
/// [`Error::Database`].
pub async fn forget_operations(
    client: &impl GenericClient,
    sid: SessionId,
    after: i64,
) -> Result<u64, Error> {
    let text = "DELETE FROM pgdraft.operations WHERE sid = $1 AND op > $2 AND state = 'open'";
    Ok(client.execute(text, &[&sid.0, &after]).await?)
}

/// Copies the operations of a session, and which tables it touched, truncated and read, to another that
/// has none.
///
/// # Errors
/// [`Error::Database`].
pub async fn copy_operations(
    client: &impl GenericClient,
    from: SessionId,
    to: SessionId,
) -> Result<(), Error> {
    for text in [
        "INSERT INTO pgdraft.operations (sid, op, name, requested, repeat, xid, agent, client_address, statement, started_at)
         SELECT $2, op, name, requested, repeat, xid, agent, client_address, statement, started_at
         FROM pgdraft.operations WHERE sid = $1 AND state = 'open'",
        "INSERT INTO pgdraft.touched (sid, table_id) SELECT $2, table_id FROM pgdraft.touched WHERE sid = $1",
        "INSERT INTO pgdraft.truncations (sid, table_id, op, horizon, running)
         SELECT $2, table_id, op, horizon, running FROM pgdraft.truncations WHERE sid = $1",
        "INSERT INTO pgdraft.reads (sid, op, table_id) SELECT $2, op, table_id FROM pgdraft.reads WHERE sid = $1",
        "INSERT INTO pgdraft.read_rows (sid, op, table_id, needs, keys, rows, sought)
         SELECT $2, op, table_id, needs, keys, rows, sought FROM pgdraft.read_rows WHERE sid = $1",
    ] {
        client.execute(text, &[&from.0, &to.0]).await?;
    }
    crate::sequences::copy(client, from, to).await?;
    crate::statements::copy(client, from, to).await
}

/// Lets an agent's session wait for review, or go on. What is recorded is who did it and when.
///
/// # Errors
/// [`Error::Database`].
pub async fn set_state(
    client: &impl GenericClient,
    sid: SessionId,
    state: SessionState,
) -> Result<(), Error> {
    client
        .execute(
            "UPDATE pgdraft.sessions SET state = $2 WHERE sid = $1",
            &[&sid.0, &state.as_str()],
        )
        .await?;
    Ok(())
}

/// One row of `pgdraft.operations`.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Its number; grows within a session.
    pub op: i64,
    /// Its id.
    pub name: String,
    /// Where it stands: as its session, or ended before it.
    pub state: SessionState,
    /// The agent.
    pub agent: String,
    /// Where the agent's client connected from, if known.
    pub client_address: Option<String>,
    /// When its first statement began, as PostgreSQL prints it.
    pub started_at: String,
    /// Milliseconds from there to its last change, where that is kept.
    pub duration_ms: Option<i64>,
    /// Its statements, as far as they fit in 8192 characters.
    pub statement: String,
    /// Rows inserted, of one that has ended.
    pub inserted: Option<i64>,
    /// Rows updated, of one that has ended.
    pub updated: Option<i64>,
    /// Rows deleted, of one that has ended.
    pub deleted: Option<i64>,
    /// `schema.table`s, of one that has ended.
    pub tables: Option<Vec<String>>,
}

/// A session's operations in order.
///
/// # Errors
/// [`Error::Database`].
pub async fn operations(
    client: &impl GenericClient,
    sid: SessionId,
) -> Result<Vec<Operation>, Error> {
    let rows = client
        .query(
            "SELECT o.op, o.name, CASE WHEN o.state = 'open' THEN s.state ELSE o.state END, o.agent, o.client_address,
                    o.started_at::text, (ceil(extract(epoch FROM o.last_at - o.started_at) * 1000))::bigint,
                    o.statement, o.inserted, o.updated, o.deleted, o.tables
             FROM pgdraft.operations o JOIN pgdraft.sessions s ON s.sid = o.sid WHERE o.sid = $1 ORDER BY o.op",
            &[&sid.0],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Operation {
                op: row.try_get(0)?,
                name: row.try_get(1)?,
                state: SessionState::parse(row.try_get(2)?)?,
                agent: row.try_get(3)?,
                client_address: row.try_get(4)?,
                started_at: row.try_get(5)?,
                duration_ms: row.try_get(6)?,
                statement: row.try_get(7)?,
                inserted: row.try_get(8)?,
                updated: row.try_get(9)?,
                deleted: row.try_get(10)?,
                tables: row.try_get(11)?,
            })
        })
        .collect()
}
