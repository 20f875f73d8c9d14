//! What can go wrong here, in PostgreSQL's fields.

use report::Report;
use tokio_postgres::error::SqlState;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// PostgreSQL refused, or the connection broke.
    #[error("{}", .0.as_db_error().map_or_else(|| .0.to_string(), |e| e.message().to_owned()))]
    Database(#[from] tokio_postgres::Error),
    /// The schema `pgdraft` is not there.
    #[error("pgdraft is not installed in this database")]
    NotInstalled,
    /// A later pgdraft has been here; its version is told.
    #[error("this database was set up by a newer pgdraft")]
    Newer(i32),
    /// The user may not install; what is missing, one sentence each.
    #[error("the upstream user may not install pgdraft")]
    Privileges(Vec<String>),
    /// A schema `pgdraft` that this program did not make.
    #[error("a schema \"pgdraft\" exists that pgdraft did not make")]
    ForeignSchema,
    /// [`crate::uninstall()`] was interrupted: drafts are gone, the rest is not.
    #[error("pgdraft was removed from this database in part")]
    HalfRemoved,
    /// The agent role exists and can do more than it must.
    #[error("role \"{role}\" exists and is not safe for agents")]
    UnsafeAgentRole {
        /// The role.
        role: String,
        /// Why.
        reason: String,
    },
    /// Agents are connected, so their role cannot be dropped.
    #[error("{0} agent connections are open")]
    AgentsConnected(i64),
    /// The catalog kept changing while it was read.
    #[error("the schema kept changing while it was read")]
    Moving,
    /// A row of the catalog or of our own tables that makes no sense.
    #[error("unexpected catalog content: {0}")]
    Unexpected(String),
}

impl Error {
    /// The same, ready to be told to a client.
    pub fn report(&self) -> Report {
        let message = self.to_string();
        match self {
            Self::Database(error) => database_report(error),
            Self::NotInstalled => Report::error(report::code::NOT_INITIALISED, message)
                .hint("Run: pgdraft init --upstream-url <url>."),
            Self::Newer(version) => Report::error(report::code::NOT_INITIALISED, message)
                .detail(format!(
                    "The schema is at version {version}, this program knows up to {}.",
                    crate::VERSION
                ))
                .hint("Run the newer pgdraft against this database."),
            Self::Privileges(missing) => Report::error("42501", message)
                .detail(missing.join(" "))
                .hint("Run pgdraft init as a superuser, or as the database owner with CREATEROLE."),
            Self::ForeignSchema => {
                Report::error("42P06", message).hint("Rename that schema, or use another database.")
            }
            Self::HalfRemoved => Report::error("55000", message)
                .detail("An uninstall was interrupted after it had ended the drafts.")
                .hint("Run pgdraft uninstall once more, then pgdraft init."),
            Self::UnsafeAgentRole { reason, .. } => Report::error("42501", message)
                .detail(reason.clone())
                .hint("Drop the role or take these rights away, then run pgdraft init again."),
            Self::AgentsConnected(_) => Report::error("55006", message).hint(
                "Stop pgdraft first, or run pgdraft uninstall --force to end these connections.",
            ),
            Self::Moving => Report::error("55P03", message).hint("Try again."),
            Self::Unexpected(_) => Report::error("XX000", message)
                .hint("This is a fault of pgdraft; please report it with the log."),
        }
    }
}

impl From<&Error> for Report {
    fn from(error: &Error) -> Self {
        error.report()
    }
}

/// An error of PostgreSQL with all the fields that a [`Report`] has; a broken connection is ZD008.
pub fn database_report(error: &tokio_postgres::Error) -> Report {
    let Some(db) = error.as_db_error() else {
        return Report::error(
            report::code::CONTROL_UNAVAILABLE,
            "the control connection to PostgreSQL failed",
        )
        .detail(format!("{}.", chain(error)))
        .hint("Try again when PostgreSQL is up; nothing of an unfinished commit stays.");
    };
    // it was the control plane's connection: a client that read 57P01 would take its own for lost
    if db.code().code().starts_with("57P") {
        return Report::error(
            report::code::CONTROL_UNAVAILABLE,
            "the control connection to PostgreSQL was lost",
        )
        .detail(format!("PostgreSQL said: {}.", db.message()))
        .hint("Ask again: what was asked is done wholly or not at all, and what is done already is answered again.");
    }
    let mut report = Report::error(db.code().code(), db.message());
    report.detail = db.detail().map(str::to_owned);
    report.hint = db.hint().map(str::to_owned);
    if db.message() == "out of shared memory" {
        report.detail = Some(
            "PostgreSQL has no room for another lock; what asked for it was rolled back.".into(),
        );
        report.hint = Some("Raise max_locks_per_transaction of PostgreSQL and restart it, or commit or discard the draft a few operations at a time.".into());
    }
    if *db.code() == SqlState::QUERY_CANCELED {
        report.detail = Some("All of the command was rolled back: production and the drafts are as they were before.".into());
        report.hint = Some("Give the command again where it is to be done.".into());
    }
    report.schema = db.schema().map(str::to_owned);
    report.table = db.table().map(str::to_owned);
    report.constraint = db.constraint().map(str::to_owned);
    report
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}
