//! Why a command ends, as the person at the terminal reads it, and its exit code.

use std::process::ExitCode;

use report::Report;

use crate::settings::ConfigError;

/// The exit codes; documented in `--help` and `docs/troubleshooting.md`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  unexpected failure (I/O, a bug)
  2  wrong usage of the command line
  3  wrong configuration
  4  upstream PostgreSQL unreachable, or it refused the login
  5  database not initialised (run `pgdraft init`), or by another version of pgdraft
  6  address or port taken
  7  command refused or failed (conflict, no such session, …)";

/// A command that did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Nothing that a user can be told to change.
    #[error("{message}")]
    Unexpected {
        /// What failed.
        message: String,
        /// The next step.
        hint: String,
    },
    /// The command line asks for something that does not go together.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// The right way.
        hint: String,
    },
    /// The configuration.
    #[error(transparent)]
    Config(#[from] Box<ConfigError>),
    /// The PostgreSQL behind us.
    #[error("{message}")]
    Upstream {
        /// What failed.
        message: String,
        /// The next step.
        hint: String,
    },
    /// No schema `pgdraft`, or another version's.
    #[error("{message}")]
    NotInitialised {
        /// What was found.
        message: String,
        /// The next step.
        hint: String,
    },
    /// An address that cannot be listened on.
    #[error("{message}")]
    PortTaken {
        /// Which, and why.
        message: String,
        /// The next step.
        hint: String,
    },
    /// Refused or failed, with PostgreSQL's fields.
    #[error("{} (SQLSTATE {})", .0.message, .0.code)]
    Refused(Box<Report>),
}

impl Failure {
    /// An I/O failure or the like, with the next step.
    pub(crate) fn unexpected(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Unexpected {
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// The process's exit code.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }

    fn code(&self) -> u8 {
        match self {
            Self::Unexpected { .. } => 1,
            Self::Usage { .. } => 2,
            Self::Config(_) => 3,
            Self::Upstream { .. } => 4,
            Self::NotInitialised { .. } => 5,
            Self::PortTaken { .. } => 6,
            Self::Refused(_) => 7,
        }
    }

    fn detail(&self) -> Option<&str> {
        match self {
            Self::Refused(report) => report.detail.as_deref(),
            Self::Unexpected { .. }
            | Self::Usage { .. }
            | Self::Config(_)
            | Self::Upstream { .. }
            | Self::NotInitialised { .. }
            | Self::PortTaken { .. } => None,
        }
    }

    fn hint(&self) -> Option<&str> {
        match self {
            Self::Refused(report) => report.hint.as_deref(),
            Self::Config(error) => Some(&error.expected),
            Self::Unexpected { hint, .. }
            | Self::Usage { hint, .. }
            | Self::Upstream { hint, .. }
            | Self::NotInitialised { hint, .. }
            | Self::PortTaken { hint, .. } => Some(hint),
        }
    }

    /// The lines for standard error.
    pub(crate) fn lines(&self) -> String {
        let mut out = format!("pgdraft: error: {self}");
        for (label, text) in [("detail", self.detail()), ("hint", self.hint())] {
            if let Some(text) = text.filter(|t| !t.is_empty()) {
                out.push_str(&format!(
                    "\n  {label}: {}",
                    text.replace('\n', "\n          ")
                ));
            }
        }
        out
    }
}

impl From<Report> for Failure {
    fn from(report: Report) -> Self {
        match report.code.as_str() {
            report::code::NOT_INITIALISED => Self::NotInitialised {
                hint: report.hint.unwrap_or_else(|| "run `pgdraft init`".into()),
                message: report.message,
            },
            report::code::CONTROL_UNAVAILABLE => Self::Upstream {
                hint: report
                    .hint
                    .unwrap_or_else(|| "check that the database of --upstream-url is up".into()),
                message: report.message,
            },
            _ => Self::Refused(Box::new(report)),
        }
    }
}
