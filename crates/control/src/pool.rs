//! A few control connections, opened as needed and opened again when the upstream went away.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use store::Roles;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::Client;

use crate::running::Running;
use crate::{ControlError, Target, connector};

/// The pool. Waiting callers are served in order.
#[derive(Debug)]
pub(crate) struct Pool {
    target: Target,
    roles: Roles,
    slots: Arc<Semaphore>,
    idle: Mutex<Vec<Connected>>,
}

/// A connection, and the process id of its backend.
#[derive(Debug)]
struct Connected {
    client: Client,
    pid: i32,
}

/// A connection out of the pool; it goes back when dropped. A transaction that was not committed
/// is rolled back before the next user's first statement, because tokio-postgres sends that
/// ROLLBACK first.
#[derive(Debug)]
pub(crate) struct Pooled {
    client: Option<Connected>,
    running: Running,
    pool: Arc<Pool>,
    _slot: OwnedSemaphorePermit,
}

impl Pool {
    pub(crate) fn new(target: Target, roles: Roles, size: usize) -> Arc<Self> {
        Arc::new(Self {
            target,
            roles,
            slots: Arc::new(Semaphore::new(size.max(1))),
            idle: Mutex::new(Vec::new()),
        })
    }

    /// A connection with the control role.
    ///
    /// # Errors
    /// [`ControlError::Upstream`] where none can be opened.
    pub(crate) async fn get(self: &Arc<Self>) -> Result<Pooled, ControlError> {
        self.get_for(&Running::default()).await
    }

    /// The same for a command.
    ///
    /// # Errors
    /// As [`Pool::get`].
    pub(crate) async fn get_for(
        self: &Arc<Self>,
        running: &Running,
    ) -> Result<Pooled, ControlError> {
        let slot = Arc::clone(&self.slots)
            .acquire_owned()
            .await
            .map_err(|_| ControlError::Stopped)?;
        let kept = loop {
            let client = self.idle().pop();
            match client {
                // a backend that was terminated is only noticed when it is asked something
                Some(kept) if kept.client.simple_query("").await.is_err() => {}
                other => break other,
            }
        };
        let client = match kept {
            Some(client) => client,
            None => self.connect().await?,
        };
        running.begins(client.pid);
        Ok(Pooled {
            client: Some(client),
            running: running.clone(),
            pool: Arc::clone(self),
            _slot: slot,
        })
    }

    async fn connect(&self) -> Result<Connected, ControlError> {
        let client = connector::connect_as_control(&self.target, &self.roles).await?;
        let row = client
            .query_typed_one("SELECT pg_catalog.pg_backend_pid()", &[])
            .await?;
        let pid = row.try_get(0)?;
        Ok(Connected { client, pid })
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connected>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pooled {
    /// Closes the connection instead of giving it back.
    pub(crate) fn discard(mut self) {
        if let Some(kept) = self.client.take() {
            self.running.ended(kept.pid);
        }
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        let Some(kept) = self.client.take() else {
            return;
        };
        if self.running.ended(kept.pid) && !kept.client.is_closed() {
            self.pool.idle().push(kept);
        }
    }
}

#[allow(
    clippy::expect_used,
    reason = "the client is there until drop or discard"
)]
impl Deref for Pooled {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self
            .client
            .as_ref()
            .expect("a pooled client is there")
            .client
    }
}

#[allow(
    clippy::expect_used,
    reason = "the client is there until drop or discard"
)]
impl DerefMut for Pooled {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self
            .client
            .as_mut()
            .expect("a pooled client is there")
            .client
    }
}
