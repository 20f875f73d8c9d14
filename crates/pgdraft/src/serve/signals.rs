//! SIGTERM and SIGINT, which end the process, and SIGHUP, at which the configuration is read again.

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;
use crate::process::Process;

/// Waits for a signal that ends the process.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    reloads: Option<Arc<Process>>,
}

impl Signals {
    /// Takes the signals over from their default, which would end the process at once.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn install() -> Result<Self, Failure> {
        let take = |kind| {
            signal(kind).map_err(|e| {
                Failure::unexpected(format!("could not handle signals: {e}"), "try again")
            })
        };
        Ok(Self {
            terminate: take(SignalKind::terminate())?,
            interrupt: take(SignalKind::interrupt())?,
            hang_up: take(SignalKind::hangup())?,
            reloads: None,
        })
    }

    /// The next one, by name.
    pub(crate) async fn next(&mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hang_up.recv() => match &self.reloads {
                    Some(process) => {
                        if let Err(report) = process.reload() {
                            tracing::error!(%report, "the old configuration holds");
                        }
                    }
                    None => return "SIGHUP",
                },
            }
        }
    }

    /// From now on the process reads its configuration again at SIGHUP.
    pub(crate) fn reload(&mut self, process: Arc<Process>) {
        self.reloads = Some(process);
    }
}
