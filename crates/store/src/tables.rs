//! `pgdraft.tables` and `pgdraft.touched`: which tables have a head, and who wrote to them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use catalog::{Catalog, DraftTableId, Head, ReferentialAction, RelationId, SessionId};
use tokio_postgres::GenericClient;

use crate::Error;

/// Every head, with the tables that a write to it can reach by ON DELETE / ON UPDATE actions.
pub(crate) async fn heads(
    client: &impl GenericClient,
    catalog: &Catalog,
) -> Result<HashMap<RelationId, Arc<Head>>, Error> {
    let rows = list(client).await?;
    let present: BTreeSet<RelationId> = rows.iter().map(|t| t.relation).collect();
    Ok(rows
        .into_iter()
        .map(|table| {
            let mut cascades = cascades(catalog, table.relation);
            cascades.retain(|id| present.contains(id));
            let head = Head {
                id: table.id,
                relation: table.relation,
                fingerprint: table.fingerprint,
                constraints: table.constraints,
                cascades,
            };
            (table.relation, Arc::new(head))
        })
        .collect())
}

/// Tables that a change of `relation` can reach by ON DELETE / ON UPDATE CASCADE, SET NULL and
/// SET DEFAULT, transitively, itself left out; in oid order.
pub fn cascades(catalog: &Catalog, relation: RelationId) -> Vec<RelationId> {
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
    /// [`catalog::Relation::fingerprint`] the triggers were made for.
    pub fingerprint: String,
    /// What the head's columns and indexes were made for.
    pub shape: String,
    /// Head index name → base index or constraint name.
    pub constraints: HashMap<String, String>,
}

/// All drafted tables in the order of their numbers.
///
/// # Errors
/// [`Error::Database`].
pub async fn list(client: &impl GenericClient) -> Result<Vec<DraftTable>, Error> {
    let rows = client
        .query(
            "SELECT id, relid, fingerprint, shape, constraints FROM pgdraft.tables ORDER BY id",
            &[],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let constraints: serde_json::Value = row.try_get(4)?;
            Ok(DraftTable {
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
            "UPDATE pgdraft.tables SET schema_name = $2, table_name = $3, fingerprint = $4, shape = $5, constraints = $6
             WHERE id = $1",
            &[
                &table.id.0,
                &relation.schema,
                &relation.name,
                &table.fingerprint,
                &table.shape,
                &constraints,
            ],
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
    let rows = client
        .query(
            "SELECT t.id, t.relid FROM pgdraft.touched x JOIN pgdraft.tables t ON t.id = x.table_id
             WHERE x.sid = $1 ORDER BY t.id",
            &[&sid.0],
        )
        .await?;
    rows.iter()
        .map(|row| Ok((DraftTableId(row.try_get(0)?), RelationId(row.try_get(1)?))))
        .collect()
}
