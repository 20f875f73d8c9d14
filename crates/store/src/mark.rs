//! Noticing that production's schema moved.

use catalog::Mark;
use tokio_postgres::GenericClient;

use crate::Error;

/// What a connection runs once so that [`prepared_mark`] needs no plan: planning it takes longer than
/// running it.
pub const PREPARE_MARK: &str = concat!(
    "PREPARE pgdraft_mark AS ",
    include_str!("../queries/mark.sql")
);

/// A cheap fingerprint of the user's schemas and of the list of heads: it changes when a relation,
/// column, constraint, index, view, trigger, function, type or operator is made, changed or
/// dropped, and when a table gets its head. Reading it takes milliseconds; it is polled.
///
/// # Errors
/// [`Error::Database`].
pub async fn catalog_mark(client: &impl GenericClient) -> Result<Mark, Error> {
    mark(client, include_str!("../queries/mark.sql")).await
}

/// The same, on a connection that has run [`PREPARE_MARK`].
///
/// # Errors
/// [`Error::Database`].
pub async fn prepared_mark(client: &impl GenericClient) -> Result<Mark, Error> {
    mark(client, "EXECUTE pgdraft_mark").await
}

async fn mark(client: &impl GenericClient, text: &str) -> Result<Mark, Error> {
    let row = client.query_typed_one(text, &[]).await?;
    Ok(Mark {
        schema: row.try_get("schema")?,
        heads: row.try_get("heads")?,
    })
}
