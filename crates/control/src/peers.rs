//! Whether other processes serve the same database.
//!
//! What a session has changed is remembered by each process; a process that is alone need not ask.
//! Each holds an advisory lock in shared mode, and the one that is alone in exclusive mode as well.
//! A process that starts waits for the shared lock, and so until the one that was alone knows.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use store::Roles;
use tokio_postgres::Client;

use crate::control::Inner;
use crate::{Control, ControlError, Target, connector};

/// Between looks at whether another process waits.
const EVERY: Duration = Duration::from_millis(250);

/// So many looks are at the door alone; then one is at all locks of the server, for processes of a version
/// that does not stand there.
const LOOKS_AT_DOOR: u32 = 16;

/// Whether this process is alone; only true while its lock says so.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    alone: Arc<AtomicBool>,
}

impl Peers {
    /// Nobody else is there.
    pub(crate) fn is_alone(&self) -> bool {
        self.alone.load(Ordering::Acquire)
    }

    /// A process that is not one of several: it only looks, or is the only one by its use.
    pub(crate) fn none() -> Self {
        let peers = Self::default();
        peers.alone.store(true, Ordering::Release);
        peers
    }

    /// Takes the locks, which waits until the others know.
    pub(crate) async fn join(
        target: &Target,
        roles: &Roles,
    ) -> Result<(Self, Client), ControlError> {
        let peers = Self::default();
        let client = connector::connect_as_control(target, roles).await?;
        store::peers::join(&client).await?;
        peers.look(&client, 0).await?;
        Ok((peers, client))
    }

    /// Becomes alone where nobody else is there, and stops being it where somebody waits.
    async fn look(&self, client: &Client, turn: u32) -> Result<(), ControlError> {
        if !self.is_alone() {
            if store::peers::try_alone(client).await? {
                self.alone.store(true, Ordering::Release);
            }
        } else if store::peers::is_somebody_at_the_door(client).await?
            || turn.is_multiple_of(LOOKS_AT_DOOR) && store::peers::is_waited_for(client).await?
        {
            self.alone.store(false, Ordering::Release);
            store::peers::yield_alone(client).await?;
            tracing::info!("another pgdraft serves this database");
        }
        Ok(())
    }
}

/// Looks again and again until the control plane is gone. Without its connection, and so without
/// its locks, a process is not alone.
pub(crate) async fn watch(inner: Weak<Inner>, mut client: Client) {
    for turn in (0..=u32::MAX).cycle() {
        tokio::time::sleep(EVERY).await;
        let Some(inner) = inner.upgrade() else { return };
        let control = Control::of(inner);
        let peers = &control.inner.peers;
        if let Err(error) = peers.look(&client, turn).await {
            peers.alone.store(false, Ordering::Release);
            tracing::debug!(%error, "the connection to the other processes is lost");
            let (target, roles) = (&control.inner.target, &control.inner.roles);
            if let Ok(fresh) = connector::connect_as_control(target, roles).await
                && store::peers::join(&fresh).await.is_ok()
            {
                client = fresh;
            }
        }
    }
}

impl Control {
    /// Whether no other process serves the database.
    pub fn is_alone(&self) -> bool {
        self.inner.peers.is_alone()
    }

    /// Leaves a cancel request for the process that gave the key.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub async fn forward_cancel(&self, pid: i32, digest: &[u8]) -> Result<(), ControlError> {
        let client = self.client().await?;
        Ok(store::peers::leave_cancel(&*client, pid, digest).await?)
    }

    /// Cancel requests that were left in the last seconds: process id and digest of the key.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub async fn forwarded_cancels(&self) -> Result<Vec<(i32, Vec<u8>)>, ControlError> {
        let client = self.client().await?;
        Ok(store::peers::cancels(&*client).await?)
    }

    /// A cancel request that was left is taken by this process.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub async fn take_cancel(&self, pid: i32, digest: &[u8]) -> Result<(), ControlError> {
        let client = self.client().await?;
        Ok(store::peers::take_cancel(&*client, pid, digest).await?)
    }
}
