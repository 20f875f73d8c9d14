//! Sequences that sessions have restarted or set.

use catalog::SessionId;
use tokio_postgres::GenericClient;
use tokio_postgres::types::Type;

use crate::{Error, kept};

/// Whether a session has any.
///
/// # Errors
/// [`Error::Database`].
pub async fn any(client: &impl GenericClient, sid: SessionId) -> Result<bool, Error> {
    let text = "SELECT EXISTS (SELECT FROM pgdraft.sequences WHERE sid = $1)";
    let rows = client.query_typed(text, &[(&sid.0, Type::INT8)]).await?;
    Ok(rows.first().map_or(Ok(false), |row| row.try_get(0))?)
}

/// What a commit would take over of each, as a text.
///
/// # Errors
/// [`Error::Database`].
pub async fn states(client: &impl GenericClient, sid: SessionId) -> Result<Vec<String>, Error> {
    let text =
        "SELECT concat_ws(' ', base, restarted, last, called) FROM pgdraft.sequence_states($1)";
    let rows = client.query_typed(text, &[(&sid.0, Type::INT8)]).await?;
    let states = rows.iter().map(|row| row.try_get(0));
    Ok(states.collect::<Result<_, _>>()?)
}

/// Production's sequences take over where the session's stand: what it restarted begins anew, what it
/// set goes on from there, and never back. The last step of a commit, because the second is not taken
/// back with it.
///
/// # Errors
/// [`Error::Database`]; 55P03 where production is using one that is to be restarted.
pub async fn take_over(client: &impl GenericClient, sid: SessionId) -> Result<(), Error> {
    kept::execute(client, "pgdraft_take_over", &[sid.0.to_string()]).await?;
    Ok(())
}

/// Gives a session that has none sequences that stand where those of another do.
///
/// # Errors
/// [`Error::Database`].
pub async fn copy(
    client: &impl GenericClient,
    from: SessionId,
    to: SessionId,
) -> Result<(), Error> {
    let text = "SELECT pgdraft.copy_sequences($1, $2)";
    client.execute(text, &[&from.0, &to.0]).await?;
    Ok(())
}

/// Takes those of some operations into another session.
///
/// # Errors
/// [`Error::Database`].
pub async fn split(
    client: &impl GenericClient,
    (from, to): (SessionId, SessionId),
    operations: &[i64],
) -> Result<(), Error> {
    let text = "UPDATE pgdraft.sequences SET sid = $2 WHERE sid = $1 AND op = ANY ($3)";
    client.execute(text, &[&from.0, &to.0, &operations]).await?;
    Ok(())
}

/// Forgets those of some operations.
///
/// # Errors
/// [`Error::Database`].
pub async fn discard(
    client: &impl GenericClient,
    sid: SessionId,
    operations: &[i64],
) -> Result<(), Error> {
    let text = "DELETE FROM pgdraft.sequences WHERE sid = $1 AND op = ANY ($2)";
    client.execute(text, &[&sid.0, &operations]).await?;
    Ok(())
}

/// Forgets those of operations after one.
///
/// # Errors
/// [`Error::Database`].
pub async fn rewind(client: &impl GenericClient, sid: SessionId, after: i64) -> Result<(), Error> {
    let text = "DELETE FROM pgdraft.sequences WHERE sid = $1 AND op > $2";
    client.execute(text, &[&sid.0, &after]).await?;
    Ok(())
}
