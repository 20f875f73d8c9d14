//! The event trigger by which heads give way to production's DDL.

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::Error;

/// What may drop or alter something that a head needs.
const TAGS: &str = "'ALTER DOMAIN', 'ALTER EXTENSION', 'ALTER FOREIGN TABLE', 'ALTER OPERATOR FAMILY', 'ALTER TABLE', 'ALTER TYPE', \
    'DROP AGGREGATE', 'DROP CAST', 'DROP COLLATION', 'DROP DOMAIN', 'DROP EXTENSION', 'DROP FOREIGN TABLE', 'DROP FUNCTION', \
    'DROP LANGUAGE', 'DROP MATERIALIZED VIEW', 'DROP OPERATOR', 'DROP OPERATOR CLASS', 'DROP OPERATOR FAMILY', 'DROP OWNED', \
    'DROP PROCEDURE', 'DROP ROUTINE', 'DROP SCHEMA', 'DROP TABLE', 'DROP TEXT SEARCH CONFIGURATION', \
    'DROP TEXT SEARCH DICTIONARY', 'DROP TYPE', 'DROP VIEW'";

/// Makes the event trigger once heads need something of production's own, such as an enum; a database
/// whose heads do not stays without it. Tells whether it is there, or not needed: PostgreSQL lets only
/// superusers make one.
///
/// # Errors
/// [`Error::Database`].
pub async fn give_way(client: &Client) -> Result<bool, Error> {
    let row = client
        .query_one(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_event_trigger WHERE evtname = 'pgdraft_give_way')
                    OR NOT EXISTS (SELECT FROM pgdraft.needs())",
            &[],
        )
        .await?;
    if row.try_get(0)? {
        return Ok(true);
    }
    // As the user of the connection: the control role makes no event triggers.
    let text = format!(
        "BEGIN; SET LOCAL ROLE NONE; CREATE EVENT TRIGGER pgdraft_give_way ON ddl_command_start WHEN TAG IN ({TAGS}) EXECUTE FUNCTION pgdraft.give_way(); COMMIT"
    );
    let Err(error) = client.batch_execute(&text).await else {
        return Ok(true);
    };
    client.batch_execute("ROLLBACK").await?;
    match error.code() {
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Ok(false),
        // another process was faster
        Some(&SqlState::DUPLICATE_OBJECT | &SqlState::UNIQUE_VIOLATION) => Ok(true),
        _ => Err(error.into()),
    }
}
