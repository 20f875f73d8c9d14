//! The rows of ended sessions: kept for a while, then removed in small steps.

use catalog::{DraftTableId, SessionId};
use tokio_postgres::GenericClient;

use crate::{Error, tables};

/// One process at a time does the background work of a database.
///
/// # Errors
/// [`Error::Database`].
pub async fn try_lock(client: &impl GenericClient) -> Result<bool, Error> {
    let row = client
        .query_typed_one(
            "SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended('pgdraft history', 0))", &[])
        .await?;
    Ok(row.try_get(0)?)
}

/// Gives the lock back.
///
/// # Errors
/// [`Error::Database`].
pub async fn unlock(client: &impl GenericClient) -> Result<(), Error> {
    client
        .execute_typed(
            "SELECT pg_catalog.pg_advisory_unlock(pg_catalog.hashtextextended('pgdraft history', 0))", &[])
        .await?;
    Ok(())
}

/// An ended session whose rows are not needed any more.
///
/// # Errors
/// [`Error::Database`].
pub async fn due(client: &impl GenericClient) -> Result<Option<SessionId>, Error> {
    let row = client
        .query_typed_opt(
            "SELECT sid FROM pgdraft.sessions WHERE forgotten_at IS NULL AND forget_at <= now() ORDER BY forget_at LIMIT 1", &[])
        .await?;
    Ok(row.map(|r| r.try_get(0)).transpose()?.map(SessionId))
}

/// Live sessions of which nobody has heard for `seconds`, by name.
///
/// # Errors
/// [`Error::Database`].
pub async fn idle(client: &impl GenericClient, seconds: f64) -> Result<Vec<String>, Error> {
    let rows = client
        .query(
            "SELECT s.name FROM pgdraft.sessions s
             LEFT JOIN LATERAL (SELECT o.started_at FROM pgdraft.operations o WHERE o.sid = s.sid ORDER BY o.op DESC LIMIT 1) o ON true
             WHERE s.ended_at IS NULL
               AND greatest(s.created_at, o.started_at) < now() - make_interval(secs => $1)
             ORDER BY s.sid",
            &[&seconds],
        )
        .await?;
    rows.iter().map(|r| Ok(r.try_get(0)?)).collect()
}

/// Removes at most `rows_max` rows of a session from one head and as many from its log; how many
/// went.
///
/// # Errors
/// [`Error::Database`].
pub async fn remove_some(
    client: &impl GenericClient,
    id: DraftTableId,
    sid: SessionId,
    rows_max: i64,
) -> Result<u64, Error> {
    let mut removed = 0;
    for table in [
        format!("pgdraft.d{}_log", id.0),
        format!("pgdraft.d{}", id.0),
    ] {
        let text = format!(
            "DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table} WHERE pgdraft_sid = $1 LIMIT $2))"
        );
        removed += client.execute(&text, &[&sid.0, &rows_max]).await?;
    }
    Ok(removed)
}

/// Keeps the counts of the session's operations, which are counted in the logs until then.
///
/// # Errors
/// [`Error::Database`].
pub async fn keep_counts(client: &impl GenericClient, sid: SessionId) -> Result<(), Error> {
    let row = client
        .query_one(
            "SELECT EXISTS (SELECT FROM pgdraft.operations WHERE sid = $1 AND inserted IS NULL)",
            &[&sid.0],
        )
        .await?;
    if row.try_get(0)? {
        tables::keep_operation_rows(client, sid, None).await?;
    }
    Ok(())
}

/// All rows of an ended session are gone.
///
/// # Errors
/// [`Error::Database`].
pub async fn forgotten(client: &impl GenericClient, sid: SessionId) -> Result<(), Error> {
    client
        .execute(
            "WITH t AS (DELETE FROM pgdraft.touched WHERE sid = $1),
                  x AS (DELETE FROM pgdraft.truncations WHERE sid = $1),
                  q AS (DELETE FROM pgdraft.sequences WHERE sid = $1),
                  k AS (DELETE FROM pgdraft.statements WHERE sid = $1),
                  r AS (DELETE FROM pgdraft.read_sets WHERE sid = $1)
             UPDATE pgdraft.sessions SET forgotten_at = now() WHERE sid = $1",
            &[&sid.0],
        )
        .await?;
    Ok(())
}

/// A head goes away, and with it a part of the history of every ended session that wrote to it: a
/// part is of no use, so the rest may go as well.
///
/// # Errors
/// [`Error::Database`].
pub async fn head_goes(client: &impl GenericClient, id: DraftTableId) -> Result<(), Error> {
    client
        .execute(
            "UPDATE pgdraft.sessions s SET forget_at = least(s.forget_at, now())
             FROM pgdraft.touched t
             WHERE t.sid = s.sid AND t.table_id = $1 AND s.ended_at IS NOT NULL AND s.forgotten_at IS NULL",
            &[&id.0],
        )
        .await?;
    Ok(())
}

/// Removes what a head and its log hold of ended sessions, as [`head_goes`].
///
/// # Errors
/// [`Error::Database`].
pub async fn leaves_head(client: &impl GenericClient, id: DraftTableId) -> Result<(), Error> {
    head_goes(client, id).await?;
    for table in [
        format!("pgdraft.d{}_log", id.0),
        format!("pgdraft.d{}", id.0),
    ] {
        let text = format!(
            "DELETE FROM {table} h WHERE NOT EXISTS (SELECT FROM pgdraft.sessions s WHERE s.sid = h.pgdraft_sid AND s.ended_at IS NULL)"
        );
        client.execute(&text, &[]).await?;
    }
    Ok(())
}
