//! BEFORE triggers that the configuration lets run in drafts.

use catalog::{Before, RelationId};
use tokio_postgres::GenericClient;

use crate::Error;

/// Notes them for every process: schema, table and trigger, each of which may be `*`.
///
/// # Errors
/// [`Error::Database`].
pub async fn note(client: &impl GenericClient, names: &[[String; 3]]) -> Result<(), Error> {
    let with = "SELECT DISTINCT u.* FROM unnest($1::text[], $2::text[], $3::text[]) u";
    let changes = [
        "DELETE FROM pgdraft.triggers t WHERE (t.schema_name, t.table_name, t.trigger_name) NOT IN (TABLE w)",
        "INSERT INTO pgdraft.triggers (schema_name, table_name, trigger_name) TABLE w ON CONFLICT DO NOTHING",
    ];
    crate::keys::note_as(client, names, (with, changes)).await
}

/// What is wrong with those that are named in full.
///
/// # Errors
/// [`Error::Database`].
pub async fn troubles(client: &impl GenericClient) -> Result<Vec<String>, Error> {
    let rows = client
        .query_typed(include_str!("../queries/trigger_troubles.sql"), &[])
        .await?;
    let texts = rows.iter().map(|row| Ok(row.try_get("trouble")?));
    texts.collect()
}

/// Those that run, by table, in the order in which they fire.
pub(crate) async fn load(client: &impl GenericClient) -> Result<Vec<(RelationId, Before)>, Error> {
    let rows = client
        .query_typed(include_str!("../queries/before.sql"), &[])
        .await?;
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        let trigger = Before {
            name: row.try_get("name")?,
            insert: row.try_get("of_insert")?,
            update: row.try_get("of_update")?,
            columns: row.try_get("columns")?,
            rest: row.try_get("rest")?,
        };
        all.push((RelationId(row.try_get("relation")?), trigger));
    }
    Ok(all)
}
