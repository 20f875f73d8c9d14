//! Recorded reads of production.

use catalog::SessionId;
use tokio_postgres::GenericClient;

use crate::Error;

/// One of them.
#[derive(Debug, Clone)]
pub struct Read {
    /// Its operation, or the next one.
    pub operation: Option<String>,
    /// Oid of the table.
    pub relid: u32,
    /// The statement, constants replaced.
    pub statement: String,
    /// When, as PostgreSQL prints it.
    pub read_at: String,
    /// Keys of the rows, where they are told apart.
    pub keys: Option<Vec<serde_json::Value>>,
    /// Hashes of the rows, as the keys.
    pub marks: Option<Vec<Vec<u8>>>,
    /// The condition in pieces, each with its kind in front (`o`, `c`, `v`; `None` is the value NULL).
    pub asked: Option<Vec<Option<String>>>,
    /// What the table held: rows of transactions before it …
    pub horizon: i64,
    /// … that are not among these.
    pub running: Vec<i64>,
}

/// Whether a session has any.
///
/// # Errors
/// [`Error::Database`].
pub async fn any(client: &impl GenericClient, sid: SessionId) -> Result<bool, Error> {
    let text = "SELECT EXISTS (SELECT FROM pgdraft.read_sets WHERE sid = $1)";
    Ok(client.query_one(text, &[&sid.0]).await?.try_get(0)?)
}

/// Those of a session, in their order.
///
/// # Errors
/// [`Error::Database`].
pub async fn list(client: &impl GenericClient, sid: SessionId) -> Result<Vec<Read>, Error> {
    let rows = client
        .query(
            "SELECT coalesce(o.name, n.name), r.relid, r.statement, r.read_at::text, r.keys, r.marks, r.horizon, r.running, r.asked
             FROM pgdraft.read_sets r
             LEFT JOIN pgdraft.operations o ON o.sid = r.sid AND o.op = r.op
             LEFT JOIN LATERAL (
                 SELECT x.name FROM pgdraft.operations x WHERE r.op IS NULL AND x.sid = r.sid AND x.started_at >= r.read_at
                 ORDER BY x.op LIMIT 1) n ON true
             WHERE r.sid = $1 ORDER BY r.read_at",
            &[&sid.0],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Read {
                operation: row.try_get(0)?,
                relid: row.try_get(1)?,
                statement: row.try_get(2)?,
                read_at: row.try_get(3)?,
                keys: row.try_get(4)?,
                marks: row.try_get(5)?,
                horizon: row.try_get(6)?,
                running: row.try_get(7)?,
                asked: row.try_get(8)?,
            })
        })
        .collect()
}
