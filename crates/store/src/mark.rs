//! Noticing that production's schema moved.

use tokio_postgres::GenericClient;

use crate::Error;

/// A cheap fingerprint of the user's schemas and of the list of heads: it changes when a relation,
/// column, constraint, index, view, trigger, function, type or operator is made, changed or
/// dropped, and when a table gets its head. Reading it takes milliseconds; it is polled.
///
/// # Errors
/// [`Error::Database`].
pub async fn catalog_mark(client: &impl GenericClient) -> Result<String, Error> {
    let row = client
        .query_one(include_str!("../queries/mark.sql"), &[])
        .await?;
    Ok(row.try_get(0)?)
}
