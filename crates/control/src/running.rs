//! What a command runs in the database, so that it can be stopped.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::{Control, ControlError, connector};

/// Between two cancels of a command that has not ended: one that comes between two of its statements
/// stops neither.
const AGAIN: Duration = Duration::from_millis(100);

/// The backends that work for one command.
#[derive(Debug, Clone, Default)]
pub(crate) struct Running(Arc<Mutex<Backends>>);

#[derive(Debug, Default)]
struct Backends {
    pids: Vec<i32>,
    /// A cancel may be on its way to them.
    stopped: bool,
}

impl Running {
    /// A backend works for it.
    pub(crate) fn begins(&self, pid: i32) {
        self.lock().pids.push(pid);
    }

    /// It does so no more; whether it may work for another command.
    pub(crate) fn ended(&self, pid: i32) -> bool {
        let mut backends = self.lock();
        if let Some(place) = backends.pids.iter().position(|known| *known == pid) {
            backends.pids.swap_remove(place);
        }
        !backends.stopped
    }

    /// Those that are to be cancelled. From here on none of them works for anybody else.
    fn stop(&self) -> Vec<i32> {
        let mut backends = self.lock();
        backends.stopped = true;
        backends.pids.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Backends> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Control {
    /// The same control plane for one command, which can be stopped ([`Control::unless`]).
    #[must_use]
    pub fn stoppable(&self) -> Self {
        Self {
            running: Running::default(),
            ..self.clone()
        }
    }

    /// Waits for a command that a [`Control::stoppable`] control plane does. Where `stop` comes before
    /// its end, its statements in the database are cancelled: the command is rolled back and fails with
    /// 57014, or it had been committed and says so.
    pub async fn unless<T>(
        &self,
        stop: impl Future<Output = ()>,
        work: impl Future<Output = T>,
    ) -> T {
        let mut work = pin!(work);
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = stop => {}
        }
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                Err(error) = self.cancel() => {
                    tracing::warn!(%error, "a command could not be cancelled");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    /// Cancels what is run, again and again.
    async fn cancel(&self) -> Result<Infallible, ControlError> {
        // as the user that the backends are of
        let client = connector::connect(&self.inner.target).await?;
        loop {
            for pid in self.running.stop() {
                client
                    .execute("SELECT pg_catalog.pg_cancel_backend($1)", &[&pid])
                    .await?;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}
