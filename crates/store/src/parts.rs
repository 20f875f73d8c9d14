//! Sessions that are split off another one, and operations that end before their session.

use catalog::{DraftTableId, SessionId};
use tokio_postgres::GenericClient;

use crate::Error;
use crate::sessions::{Session, SessionState, find};

/// Characters of a session's name, at most.
const NAME_CHARACTERS_MAX: usize = 200;

/// Makes the session that some operations of `whole` are committed as: `s#1`, `s#2`, …, with copies
/// of these operations.
///
/// # Errors
/// [`Error::Database`].
pub async fn split_off(
    client: &impl GenericClient,
    whole: &Session,
    ops: &[i64],
) -> Result<Session, Error> {
    let row = client
        .query_one(
            "SELECT count(*) FROM pgdraft.sessions WHERE part_of = $1",
            &[&whole.sid.0],
        )
        .await?;
    let mut number: i64 = row.try_get(0)?;
    let part = loop {
        number += 1;
        let end = format!("#{number}");
        let room = NAME_CHARACTERS_MAX - end.chars().count();
        let name: String = whole.name.chars().take(room).chain(end.chars()).collect();
        let made = client
            .execute(
                "INSERT INTO pgdraft.sessions (name, agent, part_of) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING",
                &[&name, &whole.agent, &whole.sid.0],
            )
            .await?;
        if made == 1
            && let Some(part) = find(client, &name).await?
        {
            break part;
        }
    };
    client
        .execute(
            "INSERT INTO pgdraft.operations (sid, op, name, requested, repeat, xid, agent, client_address, statement, started_at,
                    inserted, updated, deleted, tables, last_at)
             SELECT $2, op, name, requested, repeat, xid, agent, client_address, statement, started_at,
                    inserted, updated, deleted, tables, last_at
             FROM pgdraft.operations WHERE sid = $1 AND op = ANY ($3)",
            &[&whole.sid.0, &part.sid.0, &ops],
        )
        .await?;
    crate::statements::copy(client, whole.sid, part.sid).await?;
    Ok(part)
}

/// The session that an operation of another one was committed as, if it was committed apart.
///
/// # Errors
/// [`Error::Database`].
pub async fn holding(
    client: &impl GenericClient,
    whole: SessionId,
    op: i64,
) -> Result<Option<Session>, Error> {
    let row = client
        .query_opt(
            "SELECT s.name FROM pgdraft.sessions s JOIN pgdraft.operations o ON o.sid = s.sid
             WHERE s.part_of = $1 AND o.op = $2 ORDER BY s.sid DESC LIMIT 1",
            &[&whole.0, &op],
        )
        .await?;
    match row {
        Some(row) => crate::sessions::find_for_update(client, row.try_get(0)?).await,
        None => Ok(None),
    }
}

/// Notes that a session has changes in a table, if it has.
///
/// # Errors
/// [`Error::Database`].
pub async fn touch(
    client: &impl GenericClient,
    sid: SessionId,
    id: DraftTableId,
) -> Result<(), Error> {
    let text = format!(
        "INSERT INTO pgdraft.touched (sid, table_id)
         SELECT $1, $2 WHERE EXISTS (SELECT FROM pgdraft.d{0}_log l WHERE l.pgdraft_sid = $1)
             OR EXISTS (SELECT FROM pgdraft.truncations x WHERE x.sid = $1 AND x.table_id = $2)",
        id.0
    );
    client.execute(&text, &[&sid.0, &id.0]).await?;
    Ok(())
}

/// Marks operations of a session that goes on.
///
/// # Errors
/// [`Error::Database`].
pub async fn end_operations(
    client: &impl GenericClient,
    sid: SessionId,
    ops: &[i64],
    state: SessionState,
) -> Result<(), Error> {
    client
        .execute(
            "UPDATE pgdraft.operations SET state = $3, batch = (SELECT min(n) FROM unnest($2) n) WHERE sid = $1 AND op = ANY ($2)",
            &[&sid.0, &ops, &state.as_str()],
        )
        .await?;
    Ok(())
}

/// Operations that ended together, before their session.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Their names, in their order.
    pub operations: Vec<String>,
    /// Changes of rows that they were.
    pub changes: i64,
    /// In so many tables.
    pub tables: i64,
    /// The session that they were committed as, and what its commit did.
    pub part: Option<(String, Option<serde_json::Value>)>,
}

/// The operations that ended together with all of these; `None` where one of them has not ended so.
///
/// # Errors
/// [`Error::Database`].
pub async fn ended_together(
    client: &impl GenericClient,
    sid: SessionId,
    names: &[String],
    state: SessionState,
) -> Result<Option<Batch>, Error> {
    let row = client
        .query_opt(
            "SELECT array_agg(o.name ORDER BY o.op), sum(coalesce(o.inserted, 0) + coalesce(o.updated, 0) + coalesce(o.deleted, 0))::bigint,
                    (SELECT count(DISTINCT t) FROM pgdraft.operations u, unnest(u.tables) t WHERE u.sid = $1 AND u.batch = o.batch),
                    p.name, p.applied
             FROM pgdraft.operations o
             LEFT JOIN LATERAL (
                 SELECT s.name, s.applied FROM pgdraft.sessions s JOIN pgdraft.operations x ON x.sid = s.sid AND x.op = o.batch
                 WHERE s.part_of = $1) p ON true
             WHERE o.sid = $1 AND o.state = $3
             GROUP BY o.batch, p.name, p.applied
             HAVING array_agg(o.name) @> $2::text[]",
            &[&sid.0, &names, &state.as_str()],
        )
        .await?;
    row.map(|row| {
        let part: Option<String> = row.try_get(3)?;
        Ok(Batch {
            operations: row.try_get(0)?,
            changes: row.try_get(1)?,
            tables: row.try_get(2)?,
            part: match part {
                Some(name) => Some((name, row.try_get(4)?)),
                None => None,
            },
        })
    })
    .transpose()
}
