//! Statements that are kept with their constants and parameters.

use catalog::SessionId;
use tokio_postgres::GenericClient;

use crate::Error;

/// One of them.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Its operation.
    pub op: i64,
    /// It was sealed.
    pub sealed: bool,
    /// What was kept.
    pub content: Vec<u8>,
}

/// The kept statements of a session, in their order.
///
/// # Errors
/// [`Error::Database`].
pub async fn list(client: &impl GenericClient, sid: SessionId) -> Result<Vec<Kept>, Error> {
    let text =
        "SELECT op, sealed, content FROM pgdraft.statements WHERE sid = $1 ORDER BY op, number";
    let rows = client.query(text, &[&sid.0]).await?;
    rows.iter()
        .map(|row| {
            Ok(Kept {
                op: row.try_get(0)?,
                sealed: row.try_get(1)?,
                content: row.try_get(2)?,
            })
        })
        .collect()
}

/// Gives the operations of another session, which has copies of them, what is kept of them too.
///
/// # Errors
/// [`Error::Database`].
pub async fn copy(
    client: &impl GenericClient,
    from: SessionId,
    to: SessionId,
) -> Result<(), Error> {
    client
        .execute(
            "INSERT INTO pgdraft.statements (sid, op, number, sealed, content)
             SELECT $2, x.op, x.number, x.sealed, x.content FROM pgdraft.statements x
             JOIN pgdraft.operations o ON o.sid = $2 AND o.op = x.op WHERE x.sid = $1",
            &[&from.0, &to.0],
        )
        .await?;
    Ok(())
}
