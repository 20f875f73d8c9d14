//! Noticing that production's schema moved.

use catalog::Mark;
use tokio_postgres::GenericClient;

use crate::Error;

/// A cheap fingerprint of the user's schemas and of the list of heads: it changes when a relation,
/// column, constraint, index, view, trigger, function, type or operator is made, changed or
/// dropped, and when a table gets its head. Reading it takes milliseconds; it is polled.
///
/// # Errors
/// [`Error::Database`].
pub async fn catalog_mark(client: &impl GenericClient) -> Result<Mark, Error> {
    let row = client
        .query_one(include_str!("../queries/mark.sql"), &[])
        .await?;
    Ok(Mark {
        schema: row.try_get("schema")?,
        heads: row.try_get("heads")?,
    })
}
