//! Noticing that production's schema moved.

use catalog::Mark;
use tokio_postgres::{GenericClient, Row};

use crate::{Error, kept};

/// A cheap fingerprint of the user's schemas and of the list of heads: it changes when a relation,
/// column, constraint, index, view, trigger, function, type or operator is made, changed or
/// dropped, and when a table gets its head. Reading it takes milliseconds; it is polled.
///
/// # Errors
/// [`Error::Database`].
pub async fn catalog_mark(client: &impl GenericClient) -> Result<Mark, Error> {
    let text = include_str!("../queries/mark.sql");
    read(&client.query_typed_one(text, &[]).await?)
}

/// The same, on a connection that has run [`crate::KEEP`].
///
/// # Errors
/// [`Error::Database`].
pub async fn prepared_mark(client: &impl GenericClient) -> Result<Mark, Error> {
    let rows = kept::execute(client, "pgdraft_mark", &[]).await?;
    match rows.first() {
        Some(row) => read(row),
        None => Err(Error::Unexpected("no mark".to_owned())),
    }
}

fn read(row: &Row) -> Result<Mark, Error> {
    Ok(Mark {
        schema: row.try_get("schema")?,
        heads: row.try_get("heads")?,
    })
}
