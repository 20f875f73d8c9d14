//! What processes that serve the same database tell each other.

use tokio_postgres::{Client, GenericClient};

use crate::Error;

/// Key of the advisory lock that every process holds in shared mode.
const LOCK: &str = "pg_catalog.hashtextextended('pgdraft process', 0)";

/// Key of the advisory lock that a process holds in shared mode while it waits for that.
const DOOR: &str = "pg_catalog.hashtextextended('pgdraft process at the door', 0)";

/// Waits for the shared lock.
///
/// # Errors
/// What PostgreSQL says.
pub async fn join(client: &Client) -> Result<(), Error> {
    let text = format!(
        "SELECT pg_catalog.pg_advisory_lock_shared({DOOR});
         SELECT pg_catalog.pg_advisory_lock_shared({LOCK});
         SELECT pg_catalog.pg_advisory_unlock_shared({DOOR})"
    );
    Ok(client.batch_execute(&text).await?)
}

/// Whether another process waits for the lock, as far as it says so: versions before this one do not.
/// A hundredth of the cost of [`is_waited_for`], which looks through all locks of the server.
///
/// # Errors
/// What PostgreSQL says.
pub async fn is_somebody_at_the_door(client: &Client) -> Result<bool, Error> {
    let text = format!(
        "SELECT CASE WHEN pg_catalog.pg_try_advisory_lock({DOOR})
                THEN NOT pg_catalog.pg_advisory_unlock({DOOR}) ELSE true END"
    );
    one(client, &text).await
}

/// Takes the lock in exclusive mode too; false where another process holds it.
///
/// # Errors
/// What PostgreSQL says.
pub async fn try_alone(client: &Client) -> Result<bool, Error> {
    let text = format!("SELECT pg_catalog.pg_try_advisory_lock({LOCK})");
    one(client, &text).await
}

/// The one value that a statement gives, in one round trip.
async fn one(client: &Client, text: &str) -> Result<bool, Error> {
    let rows = client.query_typed(text, &[]).await?;
    rows.first().map_or(Ok(false), |row| Ok(row.try_get(0)?))
}

/// Whether another process waits for the lock.
///
/// # Errors
/// What PostgreSQL says.
pub async fn is_waited_for(client: &Client) -> Result<bool, Error> {
    let text = format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_locks l
                        WHERE l.locktype = 'advisory' AND NOT l.granted AND l.objsubid = 1
                          AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
                          AND (l.classid::pg_catalog.int8 << 32 | l.objid::pg_catalog.int8) = {LOCK})"
    );
    one(client, &text).await
}

/// Gives the exclusive lock back; the shared one stays.
///
/// # Errors
/// What PostgreSQL says.
pub async fn yield_alone(client: &Client) -> Result<(), Error> {
    let text = format!("SELECT pg_catalog.pg_advisory_unlock({LOCK})");
    Ok(client.batch_execute(&text).await?)
}

/// Leaves a cancel request; old ones go.
///
/// # Errors
/// What PostgreSQL says.
pub async fn leave_cancel(
    client: &impl GenericClient,
    pid: i32,
    digest: &[u8],
) -> Result<(), Error> {
    client
        .execute(
            "WITH old AS (DELETE FROM pgdraft.cancels WHERE asked_at < now() - interval '10 seconds')
             INSERT INTO pgdraft.cancels (pid, digest) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            &[&pid, &digest],
        )
        .await?;
    Ok(())
}

/// Cancel requests of the last seconds.
///
/// # Errors
/// What PostgreSQL says.
pub async fn cancels(client: &impl GenericClient) -> Result<Vec<(i32, Vec<u8>)>, Error> {
    let rows = client
        .query_typed(
            "SELECT pid, digest FROM pgdraft.cancels WHERE asked_at > now() - interval '10 seconds'", &[])
        .await?;
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect()
}

/// Removes a cancel request that was taken.
///
/// # Errors
/// What PostgreSQL says.
pub async fn take_cancel(
    client: &impl GenericClient,
    pid: i32,
    digest: &[u8],
) -> Result<(), Error> {
    let text = "DELETE FROM pgdraft.cancels WHERE pid = $1 AND digest = $2";
    client.execute(text, &[&pid, &digest]).await?;
    Ok(())
}
