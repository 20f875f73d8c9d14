//! Cancel requests: clients know a process id and key of ours, never upstream's.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::io::AsyncRead;
use tokio::sync::Notify;

use crate::pool;
use crate::shared::{Shared, lock};

/// How long a client's cancel waits until its server connection has changed hands.
const HANDOVER: Duration = Duration::from_secs(5);

/// Most that is kept of what a client sends while its admin command runs; then it has to wait.
const SENT_BYTES_MAX: usize = 1 << 20;

/// What a client was given to cancel with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct CancelKey {
    pub(crate) pid: i32,
    pub(crate) key: Vec<u8>,
}

/// A key by which a client can be cancelled as long as this is kept.
pub(crate) struct Given {
    shared: Arc<Shared>,
    pub(crate) key: CancelKey,
}

impl Given {
    /// A key for this slot; `None` where the system gives no random bytes.
    pub(crate) fn new(shared: &Arc<Shared>, slot: Arc<CancelSlot>, minor: u16) -> Option<Self> {
        let key = CancelKey::new(shared, minor)?;
        shared.cancels.insert(key.clone(), slot);
        let shared = Arc::clone(shared);
        Some(Self { shared, key })
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        self.shared.cancels.remove(&self.key);
    }
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
/// so that a cancel that comes late stops nobody else's statement. One that comes early waits until the
/// connection has changed hands ([`Self::taken_over`]), so that it stops the client's statement and not
/// ours, whose failure would end the connection.
#[derive(Debug, Default)]
pub(crate) struct CancelSlot {
    state: Mutex<State>,
    changed: Notify,
    /// Stops the admin command that runs.
    command: Mutex<Option<Arc<Notify>>>,
}

#[derive(Debug, Default)]
struct State {
    target: Option<CancelTarget>,
    taken_over: bool,
    on_their_way: usize,
}

/// An admin command that runs; until this is dropped a cancel is meant for it.
pub(crate) struct Command<'s> {
    slot: &'s CancelSlot,
    pub(crate) stop: Arc<Notify>,
}

impl Drop for Command<'_> {
    fn drop(&mut self) {
        *lock(&self.slot.command) = None;
    }
}

impl CancelSlot {
    /// The client has this connection now, and is about to take it over.
    pub(crate) fn set(&self, target: CancelTarget) {
        let mut state = lock(&self.state);
        state.target = Some(target);
        state.taken_over = false;
    }

    /// What runs on the connection from now on is the client's.
    pub(crate) fn taken_over(&self) {
        lock(&self.state).taken_over = true;
        self.changed.notify_waiters();
    }

    /// The client has none any more; waits for cancels that are on their way.
    pub(crate) async fn clear(&self) {
        lock(&self.state).target = None;
        self.changed.notify_waiters();
        self.until(|state| state.on_their_way == 0).await;
    }

    /// The connection has changed hands, or the client has none.
    async fn settled(&self) {
        self.until(|state| state.taken_over || state.target.is_none())
            .await;
    }

    async fn until(&self, holds: impl Fn(&State) -> bool) {
        loop {
            let changed = self.changed.notified();
            if holds(&lock(&self.state)) {
                return;
            }
            changed.await;
        }
    }

    /// The client runs an admin command from here on.
    pub(crate) fn command(&self) -> Command<'_> {
        let stop = Arc::new(Notify::new());
        *lock(&self.command) = Some(Arc::clone(&stop));
        self.changed.notify_waiters();
        Command { slot: self, stop }
    }

    /// Stops the admin command that runs when the client is gone; keeps what it sends meanwhile. Never
    /// ends by itself: a command has an answer also then.
    pub(crate) async fn stopped_without<R: AsyncRead + Unpin>(
        &self,
        client: &mut R,
        sent: &mut Vec<u8>,
    ) {
        loop {
            let changed = self.changed.notified();
            if lock(&self.command).is_some() {
                break;
            }
            changed.await;
        }
        while sent.len() < SENT_BYTES_MAX {
            match pool::read(client).await {
                Ok(chunk) if !chunk.is_empty() => sent.extend_from_slice(&chunk),
                Ok(_) | Err(_) => {
                    self.stop_command();
                    break;
                }
            }
        }
        std::future::pending().await
    }

    /// Stops the admin command that runs, if there is one.
    fn stop_command(&self) -> bool {
        let command = lock(&self.command);
        command.as_ref().inspect(|stop| stop.notify_one()).is_some()
    }

    /// The client has a server connection.
    fn is_set(&self) -> bool {
        lock(&self.state).target.is_some()
    }

    /// What the client runs on, held while a cancel for it is on its way.
    fn aim(&self) -> Option<Aim<'_>> {
        let mut state = lock(&self.state);
        let target = state.target.clone()?;
        state.on_their_way += 1;
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
        lock(&self.slot.state).on_their_way -= 1;
        self.slot.changed.notify_waiters();
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
    fn new(shared: &Shared, protocol_minor: u16) -> Option<Self> {
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
    let is_command = slot.stop_command();
    let result = if is_command || slot.is_set() {
        "sent"
    } else {
        "idle"
    };
    shared.metrics.cancels.with_label_values(&[result]).inc();
    if is_command {
        return;
    }
    // a connection that does not change hands within that is not waited for: it is about to end
    drop(tokio::time::timeout(HANDOVER, slot.settled()).await);
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

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn a_cancel_waits_for_the_handover() {
        let slot = CancelSlot::default();
        let mut cx = Context::from_waker(Waker::noop());
        let target = CancelTarget {
            pid: 1,
            key: Vec::new(),
        };
        // nothing to wait for
        assert_eq!(pin!(slot.settled()).poll(&mut cx), Poll::Ready(()));

        slot.set(target.clone());
        let mut early = pin!(slot.settled());
        assert_eq!(early.as_mut().poll(&mut cx), Poll::Pending);
        slot.taken_over();
        assert_eq!(early.poll(&mut cx), Poll::Ready(()));
        let aim = slot.aim().unwrap();

        // on its way: the connection is kept from others
        let mut cleared = pin!(slot.clear());
        assert_eq!(cleared.as_mut().poll(&mut cx), Poll::Pending);
        drop(aim);
        assert_eq!(cleared.poll(&mut cx), Poll::Ready(()));
        assert!(slot.aim().is_none());

        // the next one is another's until it is taken over; a handover that fails releases who waits
        slot.set(target);
        let mut early = pin!(slot.settled());
        assert_eq!(early.as_mut().poll(&mut cx), Poll::Pending);
        assert_eq!(pin!(slot.clear()).poll(&mut cx), Poll::Ready(()));
        assert_eq!(early.poll(&mut cx), Poll::Ready(()));
    }
}
