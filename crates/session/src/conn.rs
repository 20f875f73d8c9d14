//! What the two directions of one connection have in common, and how each can end.

use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, MutexGuard};

use report::Report;
use tokio::sync::Notify;

use crate::api::Identity;
use crate::lane::Lane;
use crate::limits::{self, Bound, Limits};
use crate::presence::{Order, Presence};
use crate::servers::PoolMode;
use crate::shared::{Shared, lock};

/// One client connection.
pub(crate) struct Conn {
    pub(crate) shared: Arc<Shared>,
    pub(crate) identity: Identity,
    /// Its number in this process.
    pub(crate) number: u64,
    /// Its bounds.
    pub(crate) limits: Arc<Limits>,
    /// It holds a server connection for its transactions only.
    pub(crate) pooled: bool,
    /// Most prepared statements on one server connection.
    pub(crate) statements_max: usize,
    /// Times that a text comes as a simple query over a draft until it is kept prepared; 0 for never.
    pub(crate) prepare_after: u32,
    /// What administrators see of it.
    pub(crate) presence: Arc<Presence>,
    lane: Mutex<Lane>,
    /// There is something to tell the client that no message of upstream will bring.
    pub(crate) to_reply: Notify,
    /// The numeric session, 0 while it has no row.
    pub(crate) sid: AtomicI64,
    /// Replies came in.
    pub(crate) to_request: Notify,
}

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The client said goodbye.
    Closed,
    /// The client is gone without a word.
    Lost,
    /// Upstream ended it.
    Upstream,
    /// The client was told why.
    Told,
    /// The process drains.
    Drained,
    /// Its transaction is over and it does not need its server connection.
    Free,
}

/// Why a request cannot go on.
#[derive(Debug)]
pub(crate) enum Failure {
    /// This statement is refused.
    Refused(Box<Report>),
    /// The connection ends with this FATAL error.
    Fatal(Box<Report>),
    /// The client was told an error by upstream, in order: nothing more to do.
    Told,
    /// One of the peers is gone.
    Gone(End),
}

impl From<Box<Report>> for Failure {
    fn from(report: Box<Report>) -> Self {
        Self::Refused(report)
    }
}

impl From<Report> for Failure {
    fn from(report: Report) -> Self {
        Self::Refused(Box::new(report))
    }
}

impl Conn {
    pub(crate) fn new(
        shared: Arc<Shared>,
        identity: Identity,
        presence: Arc<Presence>,
        lane: Lane,
    ) -> Self {
        let settings = shared.servers.settings();
        Self {
            limits: shared.limits(),
            shared,
            identity,
            number: presence.number,
            presence,
            pooled: settings.mode == PoolMode::Transaction,
            statements_max: settings.statements_max,
            prepare_after: settings.prepare_after,
            lane: Mutex::new(lane),
            sid: AtomicI64::new(0),
            to_reply: Notify::new(),
            to_request: Notify::new(),
        }
    }

    /// Notes what the client does.
    pub(crate) fn mark(&self, lane: &Lane) {
        let (doing, statement) = (lane.doing(), lane.replies.ended());
        self.shared.mark(&self.presence, doing, statement);
    }

    pub(crate) fn lane(&self) -> MutexGuard<'_, Lane> {
        lock(&self.lane)
    }

    /// The client is waited for.
    pub(crate) fn rests(&self) {
        let mut lane = self.lane();
        lane.resting = true;
        lane.end_exchange();
        self.mark(&lane);
    }

    /// Something came from the client.
    pub(crate) fn works(&self) {
        let mut lane = self.lane();
        lane.resting = false;
        self.mark(&lane);
    }

    /// Does what was ordered.
    pub(crate) async fn obey(&self) {
        let (bound, report) = match self.presence.take_order() {
            None => return,
            Some(Order::Stop(_)) => {
                self.lane().replies.stop();
                return self.stop().await;
            }
            Some(Order::Kill) => return self.say_last(&crate::reply::killed()),
            Some(Order::Abandon) => (Bound::StatementTimeout, self.limits.abandoned()),
            Some(Order::EndIdle(_)) => (Bound::ClientIdleTimeout, limits::idle_client()),
            Some(Order::EndTransaction(_)) => {
                (Bound::IdleTransactionTimeout, limits::idle_transaction())
            }
        };
        self.shared.metrics.bound(bound);
        tracing::info!(
            agent = self.identity.name,
            sqlstate = report.code,
            "connection ended"
        );
        self.say_last(&report);
    }

    /// Stops what the client runs. Nothing is relayed meanwhile: the client does not see the end of
    /// its statement, so it sends no other that could be stopped instead.
    pub(crate) async fn stop(&self) {
        crate::cancel::stop(&self.shared, &self.presence.slot).await;
    }

    /// Ends the connection with this error, after what is being written now.
    pub(crate) fn say_last(&self, report: &Report) {
        let mut words = Vec::new();
        wire::encode::error(&mut words, report);
        self.lane().last_words = Some(words);
        self.to_reply.notify_one();
    }
}
