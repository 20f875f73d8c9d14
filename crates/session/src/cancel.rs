//! Cancel requests: clients know a process id and key of ours, never upstream's.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ring::rand::{SecureRandom as _, SystemRandom};

use crate::shared::Shared;

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
    let target = shared
        .cancels
        .get(&CancelKey { pid, key })
        .map(|target| target.clone());
    let Some(target) = target else {
        shared.metrics.cancels.with_label_values(&["unknown"]).inc();
        tracing::info!(pid, "cancel request with a wrong key");
        return;
    };
    shared.metrics.cancels.with_label_values(&["sent"]).inc();
    upstream_cancel(&shared, &target).await;
}

/// Stops what this upstream connection runs.
pub(crate) async fn upstream_cancel(shared: &Shared, target: &CancelTarget) {
    if let Err(error) = upstream::cancel(&shared.upstream, target.pid, &target.key).await {
        shared.metrics.upstream_errors.inc();
        tracing::warn!(%error, "cancel request could not be passed on");
    }
}
