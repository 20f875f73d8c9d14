//! `pgdraft serve`: listen, check, serve, drain.

use std::path::Path;
use std::sync::Arc;

use crate::failure::Failure;
use crate::settings::ConfigError;

/// The TLS side of the listener.
pub(crate) fn tls_config(cert: &Path, key: &Path) -> Result<Arc<rustls::ServerConfig>, Failure> {
    wire::tls::server_config(cert, key).map_err(|error| {
        let report = error.report();
        ConfigError::setting("tls", report.message, report.hint.unwrap_or_default()).into()
    })
}
