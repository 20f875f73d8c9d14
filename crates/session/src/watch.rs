//! Clients that take too long: a statement, an open transaction, no statement at all.
//!
//! One look at all of them now and then, instead of a timer for each statement: what a client does,
//! and since when, is one number ([`Shared::mark`]). What is to happen is left to the client's own
//! connection, which does it only if the client still does the same.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::limits::Limits;
use crate::presence::{Order, PoolState, Presence};
use crate::shared::Shared;

/// Between looks where nothing is bounded.
const NOTHING: Duration = Duration::from_secs(1);
/// Longest and shortest time between looks where something is.
const LOOKS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));
/// PostgreSQL's own timeout of the same length comes first; it is not lifted by a client that sets
/// another.
const GRACE: Duration = Duration::from_millis(200);

/// What a client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Something that is not bounded: pgdraft works for it, or it waits for a server connection.
    Other,
    /// A statement of it runs.
    Statement,
    /// Nothing, outside a transaction.
    Idle,
    /// Nothing, and a transaction is open.
    InTransaction,
}

/// What a client does, since when, and a number that is another for each statement.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    /// Milliseconds since the start of the process, four times, and [`Doing`].
    now: AtomicU64,
    statement: AtomicU64,
    /// Milliseconds since the start of the process when its statement was to be stopped last.
    asked: AtomicU64,
}

/// A statement that does not stop is asked again: a cancel request may come too early.
const AGAIN: Duration = Duration::from_secs(1);

impl Activity {
    /// From now on it does this.
    fn set(&self, doing: Doing, statement: u64, at: Duration) {
        if self.statement.swap(statement, Ordering::Relaxed) == statement && self.get().0 == doing {
            return;
        }
        let ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX >> 2);
        let code = match doing {
            Doing::Other => 0,
            Doing::Statement => 1,
            Doing::Idle => 2,
            Doing::InTransaction => 3,
        };
        self.now.store(ms << 2 | code, Ordering::Relaxed);
    }

    fn get(&self) -> (Doing, Duration) {
        let now = self.now.load(Ordering::Relaxed);
        let doing = match now & 3 {
            1 => Doing::Statement,
            2 => Doing::Idle,
            3 => Doing::InTransaction,
            _ => Doing::Other,
        };
        (doing, Duration::from_millis(now >> 2))
    }
}

impl Shared {
    /// Notes what a client does from now on.
    pub(crate) fn mark(&self, presence: &Presence, doing: Doing, statement: u64) {
        presence
            .activity
            .set(doing, statement, self.started.elapsed());
    }

    /// Tells the metrics what is there.
    fn gauge(&self) {
        let (pools, idle, _, _) = self.servers.look();
        let sum = |part: fn(&PoolState) -> usize| {
            let sum: usize = pools.iter().map(part).sum();
            i64::try_from(sum).unwrap_or(i64::MAX)
        };
        let gauges = &self.metrics.gauges;
        let servers = |state: &str| gauges.servers.with_label_values(&[state]);
        servers("active").set(sum(|pool| pool.active));
        servers("idle").set(i64::try_from(idle.len()).unwrap_or(i64::MAX));
        let sessions = i64::try_from(self.drafts_in_use()).unwrap_or(i64::MAX);
        gauges.sessions.set(sessions);
    }

    /// What is to be done about a client that does the same for so long.
    fn judge(&self, presence: &Presence, limits: &Limits) -> Option<Order> {
        let (doing, since) = presence.activity.get();
        let lasts = self.started.elapsed().saturating_sub(since);
        let over = |limit: Option<Duration>| limit.filter(|limit| lasts > *limit);
        match doing {
            Doing::Other => None,
            Doing::Idle => over(limits.client_idle_timeout).map(|_| Order::EndIdle(since)),
            Doing::InTransaction => {
                over(limits.idle_transaction_timeout).map(|_| Order::EndTransaction(since))
            }
            Doing::Statement => {
                let limit = limits.statement_timeout?;
                if lasts > limit * 2 + GRACE * 10 {
                    // stopped already, but its client does not take what it has asked for
                    return Some(Order::Abandon);
                }
                let asked = Duration::from_millis(presence.activity.asked.load(Ordering::Relaxed));
                let stop =
                    lasts > limit + GRACE && self.started.elapsed() > asked.max(since) + AGAIN;
                stop.then(|| {
                    let now = self.started.elapsed().as_millis();
                    let now = u64::try_from(now).unwrap_or_default();
                    presence.activity.asked.store(now, Ordering::Relaxed);
                    Order::Stop(since)
                })
            }
        }
    }
}

impl Presence {
    /// It still does what it did since then.
    pub(crate) fn still(&self, since: Duration) -> bool {
        self.activity.get().1 == since
    }
}

/// Looks after all clients. Never ends.
pub(crate) async fn watch(shared: &Shared) {
    loop {
        shared.gauge();
        let limits = shared.limits();
        let bounds = [
            limits.statement_timeout,
            limits.idle_transaction_timeout,
            limits.client_idle_timeout,
        ];
        let Some(shortest) = bounds.into_iter().flatten().min() else {
            tokio::time::sleep(NOTHING).await;
            continue;
        };
        tokio::time::sleep((shortest / 4).clamp(LOOKS.0, LOOKS.1)).await;
        for entry in &shared.clients {
            if let Some(presence) = entry.value().upgrade()
                && let Some(order) = shared.judge(&presence, &limits)
            {
                presence.order(order);
            }
        }
    }
}
