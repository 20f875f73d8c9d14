//! Statements that a control connection keeps prepared: what every commit asks, and planning takes
//! longer than running.

use tokio_postgres::{GenericClient, Row};

use crate::Error;

/// What a control connection runs once, before anything else of this crate. They only read: preparing what
/// writes takes its locks, and would wait for whoever has the table.
pub const KEEP: &str = concat!(
    "PREPARE pgdraft_mark AS ",
    include_str!("../queries/mark.sql"),
    ";",
    include_str!("../queries/kept.sql")
);

/// Runs one of them. `arguments` are constants of SQL.
pub(crate) async fn execute(
    client: &impl GenericClient,
    name: &str,
    arguments: &[String],
) -> Result<Vec<Row>, Error> {
    let text = match arguments {
        [] => format!("EXECUTE {name}"),
        some => format!("EXECUTE {name} ({})", some.join(", ")),
    };
    Ok(client.query_typed(&text, &[]).await?)
}
