//! A connection of the operator to the database.

use upstream::{Target, UpstreamError};

use crate::failure::Failure;
use crate::settings::{ConfigError, Secret};

/// A connection, and where it leads.
pub(crate) struct Database {
    /// Runs statements; lives as long as this.
    pub(crate) client: tokio_postgres::Client,
    /// Where it leads.
    pub(crate) target: Target,
}

impl Database {
    /// Connects; the task that carries the bytes ends with the client.
    ///
    /// # Errors
    /// [`Failure::Upstream`], with the next step.
    pub(crate) async fn connect(target: &Target) -> Result<Self, Failure> {
        let (client, connection) = upstream::control(target).await.map_err(|e| failure(&e))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(code = ?error.code(), "a control connection ended");
            }
        });
        Ok(Self {
            client,
            target: target.clone(),
        })
    }
}

/// Connects to the database of a URL.
///
/// # Errors
/// As [`parse`] and [`Database::connect`].
pub(crate) async fn connect(url: &Secret) -> Result<Database, Failure> {
    Database::connect(&parse(url)?).await
}

/// Reads a URL.
///
/// # Errors
/// What is wrong with it; the URL itself is never shown.
pub(crate) fn parse(url: &Secret) -> Result<Target, Failure> {
    Target::parse(url.reveal()).map_err(|error| {
        let report = error.report();
        ConfigError::setting(
            "upstream_url",
            report.message,
            report.hint.unwrap_or_default(),
        )
        .into()
    })
}

/// No connection to the database, whatever the reason.
pub(crate) fn failure(error: &UpstreamError) -> Failure {
    let report = error.report();
    let detail = report.detail.map_or(String::new(), |d| format!(" {d}"));
    Failure::Upstream {
        message: report.message,
        hint: format!(
            "{}{detail}",
            report
                .hint
                .unwrap_or_else(|| "check --upstream-url and that the database is up".into())
        ),
    }
}
