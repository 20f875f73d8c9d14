//! What administrators see of the clients and server connections, and may do to them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;

use crate::cancel::CancelSlot;
use crate::servers::PoolSettings;
use crate::shared::{Shared, lock};
use crate::watch::Activity;

/// One client.
#[derive(Debug)]
pub struct Presence {
    /// Its number in this process.
    pub number: u64,
    /// Its agent.
    pub agent: String,
    /// Its session.
    pub session: String,
    /// Its address.
    pub peer: SocketAddr,
    /// When it came.
    pub since: SystemTime,
    /// Statements taken.
    pub(crate) statements: AtomicU64,
    /// Backend of its server connection, 0 while it has none.
    pub(crate) server: AtomicI32,
    /// What it does.
    pub(crate) activity: Activity,
    /// What is to be done about it.
    order: Mutex<Option<Order>>,
    /// There is an order.
    pub(crate) ordered: Notify,
    /// Its server connection, for those who want to cancel.
    pub(crate) slot: Arc<CancelSlot>,
}

/// What is to be done about a client; all but the last two only if it still does what it did since then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Its statement is stopped.
    Stop(Duration),
    /// It leaves a transaction open for too long, and goes.
    EndTransaction(Duration),
    /// It did nothing for too long, and goes.
    EndIdle(Duration),
    /// Its statement cannot be stopped, or it does not take what it has asked for: it goes.
    Abandon,
    /// An administrator sends it away.
    Kill,
}

impl Presence {
    /// Statements taken from it.
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// Leaves an order.
    pub(crate) fn order(&self, order: Order) {
        let mut left = lock(&self.order);
        if *left != Some(Order::Kill) {
            *left = Some(order);
        }
        self.ordered.notify_one();
    }

    /// The order, unless the client does something else by now.
    pub(crate) fn take_order(&self) -> Option<Order> {
        let order = lock(&self.order).take()?;
        match order {
            Order::Stop(since) | Order::EndTransaction(since) | Order::EndIdle(since) => {
                self.still(since).then_some(order)
            }
            Order::Abandon | Order::Kill => Some(order),
        }
    }

    /// Process id of the backend that it has now.
    pub fn server(&self) -> Option<i32> {
        let pid = self.server.load(Ordering::Relaxed);
        (pid != 0).then_some(pid)
    }
}

/// Clients of one agent and the server connections they hold or wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolState {
    /// The agent.
    pub agent: String,
    /// Clients that hold a server connection.
    pub active: usize,
    /// Clients that wait for one.
    pub waiting: usize,
}

/// An idle server connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdleServer {
    /// Process id of its backend.
    pub pid: i32,
    /// Seconds since it was opened.
    pub age_s: u64,
    /// The client that had it last; 0 for none.
    pub client: u64,
    /// Prepared statements of clients on it.
    pub statements: usize,
}

/// Sums since the start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sums {
    /// Statements.
    pub statements: u64,
    /// Bytes from clients.
    pub received: u64,
    /// Bytes to clients.
    pub sent: u64,
    /// Seconds that clients waited for server connections.
    pub waited_s: f64,
    /// Plans found in the cache.
    pub hits: u64,
    /// Plans made.
    pub misses: u64,
    /// Errors told.
    pub errors: u64,
}

impl Shared {
    pub(crate) fn enter(&self, agent: &str, session: &str, peer: SocketAddr) -> Arc<Presence> {
        let presence = Arc::new(Presence {
            number: self.number(),
            agent: agent.to_owned(),
            session: session.to_owned(),
            peer,
            since: SystemTime::now(),
            statements: AtomicU64::new(0),
            server: AtomicI32::new(0),
            activity: Activity::default(),
            order: Mutex::new(None),
            ordered: Notify::new(),
            slot: Arc::default(),
        });
        self.clients
            .insert(presence.number, Arc::downgrade(&presence));
        presence
    }

    /// The clients, by number.
    pub fn clients(&self) -> Vec<Arc<Presence>> {
        self.clients.retain(|_, client| client.strong_count() > 0);
        let mut all: Vec<_> = self
            .clients
            .iter()
            .filter_map(|entry| Weak::upgrade(entry.value()))
            .collect();
        all.sort_by_key(|client| client.number);
        all
    }

    /// Disconnects a client; false where there is none of this number.
    pub fn kill(&self, number: u64) -> bool {
        let client = self
            .clients
            .get(&number)
            .and_then(|client| client.upgrade());
        if let Some(client) = &client {
            client.order(Order::Kill);
        }
        client.is_some()
    }

    /// No client gets a server connection any more, or they do again.
    pub fn pause(&self, paused: bool) {
        self.servers.pause(paused);
    }

    /// From now on server connections are shared like this; clients keep their mode.
    pub fn set_pool(&self, settings: PoolSettings) {
        self.servers.set(settings);
    }

    /// Agents with clients that hold or wait for server connections; the idle ones; whether the
    /// pool is paused; and how they are shared.
    pub fn pool_state(&self) -> (Vec<PoolState>, Vec<IdleServer>, bool, PoolSettings) {
        self.servers.look()
    }

    /// Sums since the start.
    pub fn sums(&self) -> Sums {
        let metrics = &self.metrics;
        Sums {
            statements: metrics.statements.taken(),
            received: metrics.from_client.get(),
            sent: metrics.to_client.get(),
            waited_s: metrics.wait.get_sample_sum(),
            hits: metrics.plan_hit.get(),
            misses: metrics.plan_miss.get(),
            errors: metrics.upstream_errors.get(),
        }
    }
}
