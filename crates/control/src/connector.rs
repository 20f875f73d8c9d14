//! The one place that opens control connections.

use store::Roles;
use tokio_postgres::Client;
pub use upstream::Target;

use crate::ControlError;

/// Settings every control connection has: nothing of the user's or the database's own settings
/// may change what our statements mean or how values are printed.
const SETTINGS: &str = "
SET search_path = '';
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET default_transaction_isolation = 'read committed';
SET default_transaction_read_only = off;
SET client_min_messages = warning;
SET DateStyle = 'ISO, MDY';
SET IntervalStyle = 'postgres';
SET extra_float_digits = 1;
SET bytea_output = 'hex';
SET max_parallel_workers_per_gather = 0;
SET jit = off;
SET pgdraft.giving_way = on;
SET application_name = 'pgdraft control';
";

/// A connection as the configured user.
pub(crate) async fn connect(target: &Target) -> Result<Client, ControlError> {
    let (client, connection) = upstream::control(target).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::warn!(%error, "a control connection ended");
        }
    });
    Ok(client)
}

/// A connection with the control role and our settings.
pub(crate) async fn connect_as_control(
    target: &Target,
    roles: &Roles,
) -> Result<Client, ControlError> {
    let client = connect(target).await?;
    let text = format!("SET ROLE {};{SETTINGS}", roles.control_quoted());
    client.batch_execute(&text).await?;
    client.batch_execute(store::KEEP).await?;
    Ok(client)
}
