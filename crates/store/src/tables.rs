//! `pgdraft.tables` and `pgdraft.touched`: which tables have a head, and who wrote to them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use catalog::{
    Catalog, DraftTableId, Head, LARGE_DRAFT, ReferentialAction, Relation, RelationId, SessionId,
};
use tokio_postgres::GenericClient;

use crate::{Error, kept};

/// Whether a table can have a head.
pub type Draftable = fn(&Relation) -> bool;

/// Every head, with the tables that a write to it can reach by ON DELETE / ON UPDATE actions, as far as
/// they can have one.
pub(crate) async fn heads(
    client: &impl GenericClient,
    catalog: &Catalog,
    draftable: Draftable,
) -> Result<HashMap<RelationId, Arc<Head>>, Error> {
    let rows = list(client).await?;
    Ok(rows
        .into_iter()
        .map(|table| {
            let mut cascades = cascades(catalog, table.relation);
            cascades.retain(|id| catalog.relations.get(id).is_some_and(|r| draftable(r)));
            let head = Head {
                id: table.id,
                relation: table.relation,
                name: table.name,
                fingerprint: table.fingerprint,
                constraints: table.constraints,
                stuck: table.stuck,
                cascades,
            };
            (table.relation, Arc::new(head))
        })
        .collect())
}

/// Tables that a change of `relation` can reach by ON DELETE / ON UPDATE CASCADE, SET NULL and
/// SET DEFAULT, transitively, itself left out; in oid order.
fn cascades(catalog: &Catalog, relation: RelationId) -> Vec<RelationId> {
    let mut found = BTreeSet::from([relation]);
    let mut todo = vec![relation];
    while let Some(id) = todo.pop() {
        let Some(parent) = catalog.relations.get(&id) else {
            continue;
        };
        for key in &parent.referenced_by {
            if (acts(key.on_delete) || acts(key.on_update)) && found.insert(key.child) {
                todo.push(key.child);
            }
        }
    }
    found.remove(&relation);
    found.into_iter().collect()
}

fn acts(action: ReferentialAction) -> bool {
    match action {
        ReferentialAction::NoAction | ReferentialAction::Restrict => false,
        ReferentialAction::Cascade | ReferentialAction::SetNull | ReferentialAction::SetDefault => {
            true
        }
    }
}

/// One row of `pgdraft.tables`.
#[derive(Debug, Clone)]
pub struct DraftTable {
    /// Its number.
    pub id: DraftTableId,
    /// The base table.
    pub relation: RelationId,
    /// Its schema and name when the head was made or followed it last.
    pub name: (String, String),
    /// [`catalog::Relation::fingerprint`] the triggers were made for.
    pub fingerprint: String,
    /// What the head's columns and indexes were made for.
    pub shape: String,
    /// Head index name → base index or constraint name.
    pub constraints: HashMap<String, String>,
    /// The base's stored columns when the head was made: number, name, declared type.
    pub columns: Vec<(i16, String, String)>,
    /// Why the head could not follow its table.
    pub stuck: Option<String>,
}

/// All drafted tables in the order of their numbers.
///
/// # Errors
/// [`Error::Database`].
pub async fn list(client: &impl GenericClient) -> Result<Vec<DraftTable>, Error> {
    let rows = client
        .query(
            "SELECT t.id, t.relid, CASE WHEN w.gave_way THEN '' ELSE t.fingerprint END, CASE WHEN w.gave_way THEN '' ELSE t.shape END,
                    t.constraints, t.columns, t.stuck, t.schema_name, t.table_name
             FROM pgdraft.tables t
             CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM pg_catalog.pg_constraint k
                 WHERE k.conname = 'pgdraft_gave_way' AND k.conrelid = pg_catalog.to_regclass('pgdraft.d' || t.id))) w (gave_way)
             ORDER BY t.id",
            &[],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let constraints: serde_json::Value = row.try_get(4)?;
            let columns: serde_json::Value = row.try_get(5)?;
            Ok(DraftTable {
                columns: serde_json::from_value(columns)
                    .map_err(|error| Error::Unexpected(format!("columns of a head: {error}")))?,
                stuck: row.try_get(6)?,
                name: (row.try_get(7)?, row.try_get(8)?),
                id: DraftTableId(row.try_get(0)?),
                relation: RelationId(row.try_get(1)?),
                fingerprint: row.try_get(2)?,
                shape: row.try_get(3)?,
                constraints: constraints
                    .as_object()
                    .into_iter()
                    .flatten()
                    .filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())))
                    .collect(),
            })
        })
        .collect()
}

/// Takes a number for a new head.
///
/// # Errors
/// [`Error::Database`].
pub async fn insert(
    client: &impl GenericClient,
    relation: &catalog::Relation,
) -> Result<DraftTableId, Error> {
    let row = client
        .query_one(
            "INSERT INTO pgdraft.tables (relid, schema_name, table_name, fingerprint, shape)
             VALUES ($1, $2, $3, '', '') RETURNING id",
            &[&relation.id.0, &relation.schema, &relation.name],
        )
        .await?;
    Ok(DraftTableId(row.try_get(0)?))
}

/// Notes what a head was made for.
///
/// # Errors
/// [`Error::Database`].
pub async fn update(
    client: &impl GenericClient,
    relation: &catalog::Relation,
    table: &DraftTable,
) -> Result<(), Error> {
    let constraints = serde_json::Value::from_iter(
        table
            .constraints
            .iter()
            .map(|(k, v)| (k.clone(), serde_json::Value::from(v.clone()))),
    );
    client
        .execute(
            "UPDATE pgdraft.tables SET schema_name = $2, table_name = $3, fingerprint = $4, shape = $5, constraints = $6,
                    columns = $7, stuck = NULL
             WHERE id = $1",
            &[
                &table.id.0,
                &relation.schema,
                &relation.name,
                &table.fingerprint,
                &table.shape,
                &constraints,
                &serde_json::json!(table.columns),
            ],
        )
        .await?;
    Ok(())
}

/// Notes why a head cannot follow its table.
///
/// # Errors
/// [`Error::Database`].
pub async fn stuck(client: &impl GenericClient, id: DraftTableId, why: &str) -> Result<(), Error> {
    client
        .execute(
            "UPDATE pgdraft.tables SET stuck = $2 WHERE id = $1 AND stuck IS DISTINCT FROM $2",
            &[&id.0, &why],
        )
        .await?;
    Ok(())
}

/// Tables that a session has written to, in the order of their numbers.
///
/// # Errors
/// [`Error::Database`].
pub async fn touched(
    client: &impl GenericClient,
    sid: SessionId,
) -> Result<Vec<(DraftTableId, RelationId)>, Error> {
    let rows = kept::execute(client, "pgdraft_touched", &[sid.0.to_string()]).await?;
    rows.iter()
        .map(|row| Ok((DraftTableId(row.try_get(0)?), RelationId(row.try_get(1)?))))
        .collect()
}

/// Tables whose base a session has truncated away.
///
/// # Errors
/// [`Error::Database`].
pub async fn truncated(
    client: &impl GenericClient,
    sid: SessionId,
) -> Result<Vec<RelationId>, Error> {
    let rows = kept::execute(client, "pgdraft_truncated", &[sid.0.to_string()]).await?;
    rows.iter()
        .map(|row| Ok(RelationId(row.try_get(0)?)))
        .collect()
}

/// Bytes that a row of a head takes at least, its place on the page with it.
const ROW_BYTES: u64 = 40;

/// Tables that a session has written to, with its rows in the head as far as plans depend on them: up to
/// [`LARGE_DRAFT`], and 0 where the head cannot hold as many, whosever they are.
///
/// # Errors
/// [`Error::Database`].
pub async fn opened(
    client: &impl GenericClient,
    sid: SessionId,
) -> Result<Vec<(RelationId, u64)>, Error> {
    let (mut opened, mut counts) = (Vec::new(), Vec::new());
    for row in kept::execute(client, "pgdraft_opened", &[sid.0.to_string()]).await? {
        let (id, relation, bytes): (i32, u32, i64) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        if bytes.unsigned_abs() >= LARGE_DRAFT * ROW_BYTES {
            counts.push(format!(
                "SELECT {}, count(*) FROM (SELECT FROM pgdraft.d{id} WHERE pgdraft_sid = {} LIMIT {LARGE_DRAFT}) r",
                opened.len(), sid.0
            ));
        }
        opened.push((RelationId(relation), 0));
    }
    if counts.is_empty() {
        return Ok(opened);
    }
    for row in client.query_typed(&counts.join(" UNION ALL "), &[]).await? {
        let (place, rows): (i32, i64) = (row.try_get(0)?, row.try_get(1)?);
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        if let Some(table) = opened.get_mut(place) {
            table.1 = rows.unsigned_abs();
        }
    }
    Ok(opened)
}

/// Number of tables and rows that each session has in its draft; a row that was inserted and
/// removed again does not count.
///
/// # Errors
/// [`Error::Database`].
pub async fn row_counts(
    client: &impl GenericClient,
) -> Result<HashMap<SessionId, (i64, i64)>, Error> {
    let mut counts: HashMap<SessionId, (i64, i64)> = HashMap::new();
    for table in list(client).await? {
        let text = format!(
            "SELECT h.pgdraft_sid, count(*) FROM pgdraft.sessions s JOIN pgdraft.d{} h ON h.pgdraft_sid = s.sid
             WHERE s.ended_at IS NULL AND (h.pgdraft_live OR NOT h.pgdraft_new) GROUP BY h.pgdraft_sid",
            table.id.0
        );
        for row in client.query_typed(&text, &[]).await? {
            let entry = counts.entry(SessionId(row.try_get(0)?)).or_default();
            entry.0 += 1;
            entry.1 += row.try_get::<_, i64>(1)?;
        }
    }
    Ok(counts)
}

/// What an operation did, counted in the logs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OperationRows {
    /// Rows inserted.
    pub inserted: i64,
    /// Rows updated.
    pub updated: i64,
    /// Rows deleted.
    pub deleted: i64,
    /// `schema.table` of each table changed, in the order they were first drafted.
    pub tables: Vec<String>,
    /// Milliseconds from its beginning to its last change.
    pub duration_ms: Option<i64>,
}

/// Counts of each operation of a session, by number.
///
/// # Errors
/// [`Error::Database`].
pub async fn operation_rows(
    client: &impl GenericClient,
    sid: SessionId,
) -> Result<HashMap<i64, OperationRows>, Error> {
    let mut all: HashMap<i64, OperationRows> = HashMap::new();
    let names = client
        .query(
            "SELECT t.id, t.schema_name || '.' || t.table_name FROM pgdraft.touched x
             JOIN pgdraft.tables t ON t.id = x.table_id WHERE x.sid = $1 ORDER BY t.id",
            &[&sid.0],
        )
        .await?;
    for table in names {
        let (id, name): (i32, String) = (table.try_get(0)?, table.try_get(1)?);
        let text = format!(
            "SELECT l.op, l.i, l.u, l.d, (ceil(extract(epoch FROM l.last_at - o.started_at) * 1000))::bigint
             FROM (SELECT pgdraft_op, count(*) FILTER (WHERE pgdraft_kind = 'I'), count(*) FILTER (WHERE pgdraft_kind = 'U'),
                          count(*) FILTER (WHERE pgdraft_kind = 'D'), max(pgdraft_at)
                   FROM pgdraft.d{id}_log WHERE pgdraft_sid = $1 GROUP BY pgdraft_op) l (op, i, u, d, last_at)
             LEFT JOIN pgdraft.operations o ON o.sid = $1 AND o.op = l.op"
        );
        for row in client.query(&text, &[&sid.0]).await? {
            let entry = all.entry(row.try_get(0)?).or_default();
            entry.inserted += row.try_get::<_, i64>(1)?;
            entry.updated += row.try_get::<_, i64>(2)?;
            entry.deleted += row.try_get::<_, i64>(3)?;
            entry.tables.push(name.clone());
            entry.duration_ms = entry.duration_ms.max(row.try_get(4)?);
        }
    }
    Ok(all)
}

/// How many changes of rows some operations have in a log.
///
/// # Errors
/// [`Error::Database`].
pub async fn logged_rows(
    client: &impl GenericClient,
    id: DraftTableId,
    sid: SessionId,
    ops: &[i64],
) -> Result<i64, Error> {
    let text = format!(
        "SELECT count(*) FROM pgdraft.d{}_log WHERE pgdraft_sid = $1 AND pgdraft_op = ANY ($2)",
        id.0
    );
    Ok(client.query_one(&text, &[&sid.0, &ops]).await?.try_get(0)?)
}

/// Keeps the counts of each operation, or of some, before its log rows go.
///
/// # Errors
/// [`Error::Database`].
pub async fn keep_operation_rows(
    client: &impl GenericClient,
    sid: SessionId,
    only: Option<&[i64]>,
) -> Result<(), Error> {
    let all = operation_rows(client, sid).await?;
    let mut ops = Vec::new();
    let mut counts = [Vec::new(), Vec::new(), Vec::new()];
    let mut names = Vec::new();
    let mut durations = Vec::new();
    for (op, rows) in all {
        ops.push(op);
        durations.push(rows.duration_ms);
        for (list, value) in counts
            .iter_mut()
            .zip([rows.inserted, rows.updated, rows.deleted])
        {
            list.push(value);
        }
        // Arrays of arrays must be rectangular in SQL; JSON need not be.
        names.push(serde_json::Value::from(rows.tables));
    }
    let [inserted, updated, deleted] = counts;
    client
        .execute(
            "UPDATE pgdraft.operations o SET inserted = v.i, updated = v.u, deleted = v.d,
                    tables = ARRAY(SELECT jsonb_array_elements_text(v.t)), last_at = o.started_at + v.ms * interval '1 millisecond'
             FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::jsonb[], $7::bigint[]) AS v (op, i, u, d, t, ms)
             WHERE o.sid = $1 AND o.op = v.op AND o.state = 'open' AND ($8::bigint[] IS NULL OR o.op = ANY ($8))",
            &[&sid.0, &ops, &inserted, &updated, &deleted, &names, &durations, &only],
        )
        .await?;
    client
        .execute(
            "UPDATE pgdraft.operations SET inserted = 0, updated = 0, deleted = 0, tables = '{}'
             WHERE sid = $1 AND inserted IS NULL AND ($2::bigint[] IS NULL OR op = ANY ($2))",
            &[&sid.0, &only],
        )
        .await?;
    Ok(())
}

/// A session has rows in a head.
///
/// # Errors
/// [`Error::Database`].
pub async fn touch(
    client: &impl GenericClient,
    sid: SessionId,
    id: DraftTableId,
) -> Result<(), Error> {
    client
        .execute(
            "INSERT INTO pgdraft.touched (sid, table_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            &[&sid.0, &id.0],
        )
        .await?;
    Ok(())
}

/// Rows of a session's draft in one head, without those that were inserted and removed again.
///
/// # Errors
/// [`Error::Database`].
pub async fn changed_rows(
    client: &impl GenericClient,
    id: DraftTableId,
    sid: SessionId,
) -> Result<i64, Error> {
    let text = format!(
        "SELECT count(*) FROM pgdraft.d{} WHERE pgdraft_sid = $1 AND (pgdraft_live OR NOT pgdraft_new)",
        id.0
    );
    Ok(client.query_one(&text, &[&sid.0]).await?.try_get(0)?)
}

/// A short text that stands for a head's DDL in `pgdraft.tables.shape`.
pub fn shape(ddl: &str) -> String {
    short_hash(ddl)
}

/// 32 hexadecimal digits that stand for a text.
pub fn short_hash(text: &str) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    crate::secret::hex(hash.as_ref()).chars().take(32).collect()
}
