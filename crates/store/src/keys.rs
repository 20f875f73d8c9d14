//! Keys that the configuration names for tables without one.

use std::collections::HashMap;

use catalog::{Key, RelationId};
use tokio_postgres::GenericClient;

use crate::Error;

/// Notes them for every process: schema, table and column, in the key's order.
///
/// # Errors
/// [`Error::Database`].
pub async fn note(client: &impl GenericClient, columns: &[[String; 3]]) -> Result<(), Error> {
    let with = "SELECT u.schema_name, u.table_name, u.column_name, u.place::integer
                 FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY u (schema_name, table_name, column_name, place)";
    let changes = [
        "DELETE FROM pgdraft.keys k WHERE NOT EXISTS (
             SELECT FROM w WHERE (w.schema_name, w.table_name, w.column_name, w.place)
                 = (k.schema_name, k.table_name, k.column_name, k.place))",
        "INSERT INTO pgdraft.keys (schema_name, table_name, column_name, place)
         SELECT w.schema_name, w.table_name, w.column_name, w.place FROM w ON CONFLICT DO NOTHING",
    ];
    note_as(client, columns, (with, changes)).await
}

/// Makes a table say what the configuration names, which is `w` to the two changes. What stays is left
/// alone: a new row would make every process read the catalog again.
pub(crate) async fn note_as(
    client: &impl GenericClient,
    names: &[[String; 3]],
    (with, changes): (&str, [&str; 2]),
) -> Result<(), Error> {
    let part = |n: usize| -> Vec<&str> {
        let parts = names.iter().filter_map(|c| c.get(n));
        parts.map(String::as_str).collect()
    };
    for change in changes {
        let text = format!("WITH w AS ({with}) {change}");
        client
            .execute(&text, &[&part(0), &part(1), &part(2)])
            .await?;
    }
    Ok(())
}

/// What is wrong with them, one sentence each.
///
/// # Errors
/// [`Error::Database`].
pub async fn troubles(client: &impl GenericClient) -> Result<Vec<String>, Error> {
    let rows = client
        .query_typed(include_str!("../queries/keys.sql"), &[])
        .await?;
    let mut all = Vec::new();
    for row in rows {
        if let Some(trouble) = row.try_get::<_, Option<String>>("trouble")? {
            let (schema, table): (String, String) =
                (row.try_get("schema_name")?, row.try_get("table_name")?);
            all.push(format!(
                "{}: {trouble}",
                catalog::shown_table(&schema, &table)
            ));
        }
    }
    Ok(all)
}

/// Those that hold, by table.
pub(crate) async fn load(client: &impl GenericClient) -> Result<HashMap<RelationId, Key>, Error> {
    let rows = client
        .query_typed(include_str!("../queries/keys.sql"), &[])
        .await?;
    let mut keys = HashMap::new();
    for row in rows {
        let relation: Option<u32> = row.try_get("relation")?;
        let trouble: Option<String> = row.try_get("trouble")?;
        if let (Some(relation), None) = (relation, trouble) {
            let columns: Vec<String> = row.try_get("columns")?;
            let key = Key {
                label: columns.join(", "),
                columns,
                operators: row.try_get("operators")?,
                ..Key::default()
            };
            keys.insert(RelationId(relation), key);
        }
    }
    Ok(keys)
}
