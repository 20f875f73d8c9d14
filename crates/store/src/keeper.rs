//! Statements that write heads, with the rights of the role that owns them.

use tokio_postgres::GenericClient;
use tokio_postgres::types::Type;

use crate::Error;

/// Runs statements as the keeper role: whatever production's own expressions call in them can change
/// nothing but drafts. `operations` is their `$1`. Returns the rows of the last statement.
///
/// # Errors
/// [`Error::Database`].
pub async fn run(
    client: &impl GenericClient,
    statements: &str,
    operations: Option<&[i64]>,
) -> Result<u64, Error> {
    let row = client
        .query_typed_one(
            "SELECT pgdraft.run($1, $2)",
            &[(&statements, Type::TEXT), (&operations, Type::INT8_ARRAY)],
        )
        .await?;
    Ok(row.try_get::<_, i64>(0)?.unsigned_abs())
}
