//! Cancel requests: clients know a process id and key of ours, never upstream's.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::Notify;

use crate::shared::{Shared, lock};

/// What a client was given to cancel with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct CancelKey {
    pub(crate) pid: i32,
    pub(crate) key: Vec<u8>,
}

/// What it stands for upstream.
#[derive(Debug, Clone)]
pub(crate) struct CancelTarget {
    pub(crate) pid: i32,
    pub(crate) key: Vec<u8>,
}

/// The server connection that a client has at this moment, for those who want to cancel.
///
/// A connection is given to another client only once no cancel for it is on its way ([`Self::clear`]),
/// so that a cancel that comes late stops nobody else's statement.
#[derive(Debug, Default)]
pub(crate) struct CancelSlot {
    state: Mutex<(Option<CancelTarget>, usize)>,
    done: Notify,
}

impl CancelSlot {
    /// The client has this connection now.
    pub(crate) fn set(&self, target: CancelTarget) {
        lock(&self.state).0 = Some(target);
    }

    /// The client has none any more; waits for cancels that are on their way.
    pub(crate) async fn clear(&self) {
        lock(&self.state).0 = None;
        loop {
            let done = self.done.notified();
            if lock(&self.state).1 == 0 {
                return;
            }
            done.await;
        }
    }

    /// The client has a server connection.
    fn is_set(&self) -> bool {
        lock(&self.state).0.is_some()
    }

    /// What the client runs on, held while a cancel for it is on its way.
    fn aim(&self) -> Option<Aim<'_>> {
        let mut state = lock(&self.state);
        let target = state.0.clone()?;
        state.1 += 1;
        Some(Aim { slot: self, target })
    }
}

/// A cancel on its way; it has arrived, or was given up, when this is dropped.
struct Aim<'s> {
    slot: &'s CancelSlot,
    target: CancelTarget,
}

impl Drop for Aim<'_> {
    fn drop(&mut self) {
        lock(&self.slot.state).1 -= 1;
        self.slot.done.notify_waiters();
    }
}

/// Random bytes; `None` where the system gives none.
pub(crate) fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(bytes)
}

impl CancelKey {
    /// A key nobody can guess, as long as the protocol allows: 4 bytes in 3.0, 32 from 3.2 on.
    pub(crate) fn new(shared: &Shared, protocol_minor: u16) -> Option<Self> {
        let key = match protocol_minor {
            0 | 1 => random::<4>()?.to_vec(),
            _ => random::<32>()?.to_vec(),
        };
        // a counter, kept positive: drivers print it as a process id
        let pid = shared.next_pid.fetch_add(1, Ordering::Relaxed) & i32::MAX;
        Some(Self { pid, key })
    }
}

/// Stops what the client of this (process id, key) runs. A wrong key does nothing, and nobody is
/// told, as in PostgreSQL.
pub async fn cancel(shared: Arc<Shared>, pid: i32, key: Vec<u8>) {
    let digest = digest(&key);
    let slot = shared
        .cancels
        .get(&CancelKey { pid, key })
        .map(|slot| Arc::clone(&slot));
    let Some(slot) = slot else {
        shared.metrics.cancels.with_label_values(&["unknown"]).inc();
        tracing::info!(pid, "cancel request with a key that was not given here");
        if !shared.control.is_alone() {
            shared.control.forward_cancel(pid, &digest).await;
        }
        return;
    };
    aimed(&shared, &slot).await;
}

fn digest(key: &[u8]) -> Vec<u8> {
    let digest = ring::digest::digest(&ring::digest::SHA256, key);
    digest.as_ref().to_vec()
}

/// Stops what the client runs whose key has this SHA-256; false where no client here has it.
pub async fn cancel_forwarded(shared: &Shared, pid: i32, wanted: &[u8]) -> bool {
    let found = shared.cancels.iter().find_map(|entry| {
        let matches = entry.key().pid == pid && digest(&entry.key().key) == wanted;
        matches.then(|| Arc::clone(entry.value()))
    });
    match found {
        Some(slot) => {
            aimed(shared, &slot).await;
            true
        }
        None => false,
    }
}

async fn aimed(shared: &Shared, slot: &CancelSlot) {
    let result = if slot.is_set() { "sent" } else { "idle" };
    shared.metrics.cancels.with_label_values(&[result]).inc();
    stop(shared, slot).await;
}

/// Stops what the client of this slot runs, if it runs anything.
pub(crate) async fn stop(shared: &Shared, slot: &CancelSlot) {
    if let Some(aim) = slot.aim() {
        upstream_cancel(shared, &aim.target).await;
    }
}

/// Stops what this upstream connection runs.
pub(crate) async fn upstream_cancel(shared: &Shared, target: &CancelTarget) {
    if let Err(error) = upstream::cancel(&shared.upstream, target.pid, &target.key).await {
        shared.metrics.upstream_errors.inc();
        tracing::warn!(%error, "cancel request could not be passed on");
    }
}
