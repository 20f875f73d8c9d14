//! Whether the agents' role really cannot write production.
//!
//! The role is granted nothing but reading, but it is a member of PUBLIC as every role is: a table
//! that PUBLIC may write would be open to it, and the database would no longer be the last line of
//! defence.

use tokio_postgres::GenericClient;

use crate::Error;

/// Base tables that the agents' role may change, as `schema.table`; empty is what is wanted.
///
/// # Errors
/// [`Error::Database`].
pub async fn exposed_tables(
    client: &impl GenericClient,
    agent_role: &str,
) -> Result<Vec<String>, Error> {
    let rows = client
        .query(include_str!("../queries/exposed.sql"), &[&agent_role])
        .await?;
    rows.iter()
        .map(|row| row.try_get(0).map_err(Error::from))
        .collect()
}
