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
            "UPDATE pgdraft.operations SET state = $3 WHERE sid = $1 AND op = ANY ($2)",
            &[&sid.0, &ops, &state.as_str()],
        )
        .await?;
    Ok(())
}
