//! What drafts occupy: heads and logs, and the rows in them that nobody sees any more.

use std::collections::HashMap;

use catalog::{DraftTableId, quote_identifier};
use tokio_postgres::GenericClient;

use crate::Error;

/// Head and log of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    /// Schema of the table that is drafted.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// Bytes of the head with its indexes.
    pub head_bytes: i64,
    /// Bytes of the log with its index.
    pub log_bytes: i64,
    /// Rows of both, as PostgreSQL's statistics have them.
    pub rows: i64,
    /// Rows of both that are gone and take space until the next VACUUM.
    pub dead_rows: i64,
    /// When both had been vacuumed last; `None` = one of them never was.
    pub vacuumed_at: Option<String>,
}

/// What drafts occupy, table by table.
///
/// # Errors
/// [`Error::Database`].
pub async fn list(client: &impl GenericClient) -> Result<Vec<Space>, Error> {
    let rows = client
        .query(
            "SELECT t.schema_name, t.table_name, pg_total_relation_size(h.oid), pg_total_relation_size(l.oid),
                    pg_stat_get_live_tuples(h.oid) + pg_stat_get_live_tuples(l.oid),
                    pg_stat_get_dead_tuples(h.oid) + pg_stat_get_dead_tuples(l.oid),
                    (SELECT CASE WHEN count(v.at) = 2 THEN min(v.at) END::text FROM (VALUES
                        (greatest(pg_stat_get_last_vacuum_time(h.oid), pg_stat_get_last_autovacuum_time(h.oid))),
                        (greatest(pg_stat_get_last_vacuum_time(l.oid), pg_stat_get_last_autovacuum_time(l.oid)))) v(at))
             FROM pgdraft.tables t
             JOIN pg_class h ON h.relname = 'd' || t.id AND h.relnamespace = 'pgdraft'::regnamespace
             JOIN pg_class l ON l.relname = 'd' || t.id || '_log' AND l.relnamespace = 'pgdraft'::regnamespace
             ORDER BY 1, 2",
            &[],
        )
        .await?;
    rows.iter()
        .map(|row| {
            // a table that is dropped in this moment has no size any more
            let bytes = |at| Ok::<_, Error>(row.try_get::<_, Option<i64>>(at)?.unwrap_or(0));
            Ok(Space {
                schema: row.try_get(0)?,
                table: row.try_get(1)?,
                head_bytes: bytes(2)?,
                log_bytes: bytes(3)?,
                rows: row.try_get(4)?,
                dead_rows: row.try_get(5)?,
                vacuumed_at: row.try_get(6)?,
            })
        })
        .collect()
}

/// How often each head and its log were written to, as PostgreSQL's statistics have it, and how often
/// sessions have begun and ended: what a measure of theirs depends on.
///
/// # Errors
/// [`Error::Database`].
pub async fn writes(client: &impl GenericClient) -> Result<HashMap<DraftTableId, i64>, Error> {
    let written = |alias: &str| {
        ["inserted", "updated", "deleted"]
            .map(|what| format!("pg_stat_get_tuples_{what}({alias}.oid)"))
            .join(" + ")
    };
    let text = format!(
        "SELECT t.id, {} + {} + (SELECT count(*) FROM pgdraft.sessions WHERE ended_at IS NOT NULL)
         FROM pgdraft.tables t
         JOIN pg_class h ON h.relname = 'd' || t.id AND h.relnamespace = 'pgdraft'::regnamespace
         JOIN pg_class l ON l.relname = 'd' || t.id || '_log' AND l.relnamespace = 'pgdraft'::regnamespace",
        written("h"),
        written("l")
    );
    let rows = client.query_typed(&text, &[]).await?;
    rows.iter()
        .map(|row| Ok((DraftTableId(row.try_get(0)?), row.try_get(1)?)))
        .collect()
}

/// Bytes that the live sessions of each agent have in one table's head and log: of the values as they
/// are stored, and 64 for each row.
///
/// # Errors
/// [`Error::Database`].
pub async fn agent_bytes(
    client: &impl GenericClient,
    id: DraftTableId,
    columns: &[&str],
) -> Result<Vec<(String, u64)>, Error> {
    let size: String = columns
        .iter()
        .map(|name| {
            format!(
                " + coalesce(pg_column_size(r.{}), 0)",
                quote_identifier(name)
            )
        })
        .collect();
    let of = |table: String| {
        format!(
            "SELECT s.agent, sum(64{size}) AS bytes FROM pgdraft.sessions s JOIN pgdraft.{table} r ON r.pgdraft_sid = s.sid WHERE s.ended_at IS NULL GROUP BY s.agent"
        )
    };
    let text = format!(
        "SELECT q.agent, sum(q.bytes)::bigint FROM ({} UNION ALL {}) q GROUP BY q.agent",
        of(format!("d{}", id.0)),
        of(format!("d{}_log", id.0))
    );
    let rows = client.query_typed(&text, &[]).await?;
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get::<_, i64>(1)?.unsigned_abs())))
        .collect()
}
