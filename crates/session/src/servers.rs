//! The server connections that clients share.
//!
//! A client gets a [`Lease`] on one and gives it back: after each transaction in transaction mode,
//! at its end in session mode. Connections differ by the startup parameters they were opened with,
//! so that RESET leads where the client expects; one without a use makes room for another.
//!
//! Whoever waits stands in a queue that serves agents in turn ([`queue`]), so that a flood from one
//! does not starve another.
//!
//! Invariant: a connection is in the idle list only while its backend is outside a transaction,
//! nothing is in flight, and no cancel request for it is on its way.

mod held;
mod queue;
mod upkeep;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use prometheus::IntGauge;
use report::Report;
use tokio::sync::oneshot;

use crate::metrics::Metrics;
use crate::presence::{IdleServer, PoolState};
use crate::shared::lock;

pub(crate) use held::Held;
use queue::Waiting;

/// When a client holds a server connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PoolMode {
    /// From its first statement to its end.
    #[default]
    Session,
    /// From the first statement of a transaction to the transaction's end.
    Transaction,
}

impl PoolMode {
    /// As in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Transaction => "transaction",
        }
    }
}

/// How server connections are shared.
#[derive(Debug, Clone)]
pub struct PoolSettings {
    /// When a client holds one.
    pub mode: PoolMode,
    /// Most of them in all.
    pub size: usize,
    /// Most that one agent's clients hold at a time; 0 for no limit of its own.
    pub size_per_agent: usize,
    /// How long a client waits for one.
    pub wait_timeout: Duration,
    /// Age at which one is closed once it is idle.
    pub lifetime: Duration,
    /// Idle time after which one is closed.
    pub idle_timeout: Duration,
    /// Idle time after which the server is asked whether it is still there.
    pub check_after: Duration,
    /// Most prepared statements kept on one.
    pub statements_max: usize,
    /// Times that a text comes as a simple query over a draft until it is kept prepared; 0 for never.
    pub prepare_after: u32,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            mode: PoolMode::Session,
            size: 200,
            size_per_agent: 0,
            wait_timeout: Duration::from_secs(30),
            lifetime: Duration::from_secs(3600),
            idle_timeout: Duration::from_secs(600),
            check_after: Duration::from_secs(30),
            statements_max: 500,
            prepare_after: 2,
        }
    }
}

/// Startup parameters that a connection was opened with.
pub(crate) type Key = Arc<[(String, String)]>;

/// What ParameterStatus said, in its order.
pub(crate) type Reported = Arc<[(String, String)]>;

/// Who wants a connection.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    /// Its agent.
    pub(crate) agent: Arc<str>,
    /// Startup parameters.
    pub(crate) key: Key,
    /// The client's number.
    pub(crate) client: u64,
    /// The thread that serves the client.
    pub(crate) home: ThreadId,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Server {
    /// Its bytes; taken while a client is relayed.
    pub(crate) stream: Option<upstream::UpstreamStream>,
    /// Process id of the backend.
    pub(crate) pid: i32,
    /// Its cancel key.
    pub(crate) secret: Vec<u8>,
    /// Bytes that came after the handshake.
    pub(crate) read_ahead: BytesMut,
    /// Notices of the handshake.
    pub(crate) notices: Vec<u8>,
    /// What the server told at the start.
    pub(crate) reported: Reported,
    /// What it has from its last client.
    pub(crate) held: Held,
    key: Key,
    /// The thread whose run time watches its socket.
    home: ThreadId,
    opened: Instant,
    used: Instant,
    checked: Instant,
}

impl Server {
    /// Its bytes, watched by this thread.
    pub(crate) fn take_stream(&mut self) -> Option<upstream::UpstreamStream> {
        let mut stream = self.stream.take()?;
        let here = thread::current().id();
        if self.home != here && stream.move_here().is_ok() {
            self.home = here;
        }
        Some(stream)
    }
}

/// All of them.
pub(crate) struct Servers {
    target: upstream::Target,
    state: Mutex<State>,
    metrics: Metrics,
}

struct State {
    settings: PoolSettings,
    idle: Vec<Server>,
    /// Leased, being opened and idle.
    open: usize,
    /// Leases by agent.
    used: HashMap<Arc<str>, usize>,
    waiting: Waiting,
    paused: bool,
    /// What servers with these startup parameters tell at the start.
    known: HashMap<Key, Reported>,
    /// The server could not be reached so often in a row.
    failures: u32,
    /// Nobody waits for a connection to be opened before that.
    retry_at: Instant,
    /// A pooler stands between, which gives its clients process ids of its own and may give a
    /// transaction to any backend; not known before the first connection.
    behind_pooler: Option<bool>,
    /// Connections opened before this generation are closed once they are idle.
    generation: Instant,
}

/// Longest wait between attempts to reach the server.
const BACK_OFF_MAX: Duration = Duration::from_secs(5);
const BACK_OFF_FIRST: Duration = Duration::from_millis(50);
/// Sets of startup parameters whose greeting is kept.
const KNOWN_MAX: usize = 1000;

/// A place in the pool, with a connection in it once there is one. Dropped, it closes its
/// connection and gives the place back.
pub(crate) struct Lease {
    servers: Arc<Servers>,
    agent: Arc<str>,
    /// Behind a pointer: most clients have none most of the time.
    server: Option<Box<Server>>,
    /// Its place was given back already.
    returned: bool,
}

impl Lease {
    /// The connection.
    pub(crate) fn server(&mut self) -> Option<&mut Server> {
        self.server.as_deref_mut()
    }

    /// Gives the connection back for others.
    pub(crate) fn release(mut self) {
        let Some(mut server) = self.server.take().filter(|server| server.stream.is_some()) else {
            return;
        };
        let now = Instant::now();
        server.used = now;
        server.checked = now;
        let mut state = self.servers.state();
        self.returned = true;
        state.give_back(&self.agent);
        if state.keeps(&server, now) {
            state.idle.push(*server);
        } else {
            state.open -= 1;
        }
        state.dispatch(&self.servers);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.returned {
            return;
        }
        self.server = None;
        let mut state = self.servers.state();
        state.give_back(&self.agent);
        state.open -= 1;
        state.dispatch(&self.servers);
    }
}

/// Counts a client for as long as it waits.
struct Counted<'a>(&'a IntGauge);

impl<'a> Counted<'a> {
    fn new(gauge: &'a IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Servers {
    pub(crate) fn new(
        target: upstream::Target,
        settings: PoolSettings,
        metrics: Metrics,
    ) -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Self {
            target,
            metrics,
            state: Mutex::new(State {
                settings,
                idle: Vec::new(),
                open: 0,
                used: HashMap::new(),
                waiting: Waiting::default(),
                paused: false,
                known: HashMap::new(),
                failures: 0,
                retry_at: now,
                behind_pooler: None,
                generation: now,
            }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The settings now.
    pub(crate) fn settings(&self) -> PoolSettings {
        self.state().settings.clone()
    }

    /// Nobody gets a connection any more, or they do again.
    pub(crate) fn pause(self: &Arc<Self>, paused: bool) {
        let mut state = self.state();
        state.paused = paused;
        state.dispatch(self);
    }

    /// From now on they are shared like this.
    pub(crate) fn set(self: &Arc<Self>, settings: PoolSettings) {
        let mut state = self.state();
        state.settings = settings;
        state.dispatch(self);
    }

    /// What is there.
    pub(crate) fn look(&self) -> (Vec<PoolState>, Vec<IdleServer>, bool, PoolSettings) {
        let state = self.state();
        let mut pools: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for (agent, used) in &state.used {
            pools.entry(agent).or_default().0 = *used;
        }
        for (agent, waiting) in state.waiting.counts() {
            pools.entry(agent).or_default().1 = waiting;
        }
        let pools = pools
            .into_iter()
            .map(|(agent, (active, waiting))| PoolState {
                agent: agent.to_owned(),
                active,
                waiting,
            });
        let idle = state.idle.iter().map(|server| IdleServer {
            pid: server.pid,
            age_s: server.opened.elapsed().as_secs(),
            client: server.held.client,
            statements: server.held.len(),
        });
        (
            pools.collect(),
            idle.collect(),
            state.paused,
            state.settings.clone(),
        )
    }

    /// What a server with these startup parameters told at the start, if there was one, and the
    /// parameters as all clients that have them share them.
    pub(crate) fn known(&self, key: &Key) -> Option<(Key, Reported)> {
        let state = self.state();
        let (key, reported) = state.known.get_key_value(key)?;
        Some((Arc::clone(key), Arc::clone(reported)))
    }

    /// Whether a pooler stands between: tries one connection, and keeps none. Says no where there is
    /// none to be had: clients will be told why.
    pub(crate) async fn behind_pooler(self: &Arc<Self>) -> bool {
        let wish = Wish {
            agent: Arc::from(""),
            key: Key::from([]),
            client: 0,
            home: thread::current().id(),
        };
        drop(self.acquire(&wish, false).await);
        self.state().behind_pooler == Some(true)
    }

    /// A connection for this client; waits for its turn. `patient`: where the server cannot be
    /// reached it is tried again until the time to wait is over.
    ///
    /// # Errors
    /// FATAL 53300 where none became free in time; what the server says; that it cannot be reached.
    pub(crate) async fn acquire(
        self: &Arc<Self>,
        wish: &Wish,
        patient: bool,
    ) -> Result<Lease, Box<Report>> {
        let deadline = Instant::now() + self.settings().wait_timeout;
        let timer = self.metrics.wait.start_timer();
        let lease = loop {
            let mut lease = self.turn(wish, deadline).await?;
            let Some(server) = &mut lease.server else {
                lease.server = Some(self.open(&wish.key, deadline, patient).await?);
                break lease;
            };
            if server.is_alive() {
                break lease;
            }
            // its place is given back, and another one is asked for
            self.metrics.upstream_errors.inc();
        };
        timer.observe_duration();
        Ok(lease)
    }

    /// Waits for a place; there is a connection in it, or one may be opened.
    async fn turn(self: &Arc<Self>, wish: &Wish, deadline: Instant) -> Result<Lease, Box<Report>> {
        let waiter = {
            let mut state = self.state();
            if state.waiting.is_empty()
                && let Some(lease) = state.serve(self, wish)
            {
                return Ok(lease);
            }
            let (sender, receiver) = oneshot::channel();
            state.waiting.push(wish.clone(), sender);
            state.dispatch(self);
            receiver
        };
        let _counted = Counted::new(&self.metrics.gauges.waiting);
        match tokio::time::timeout_at(deadline.into(), waiter).await {
            Ok(Ok(lease)) => Ok(lease),
            Ok(Err(_)) | Err(_) => Err(self.no_place(wish)),
        }
    }

    fn no_place(&self, wish: &Wish) -> Box<Report> {
        self.metrics.wait_timeouts.inc();
        let state = self.state();
        let own = state.used.get(&wish.agent).copied().unwrap_or(0);
        let waited = state.settings.wait_timeout.as_millis();
        let report = Report::fatal("53300", "no server connection became free in time");
        if state.paused {
            return Box::new(
                report
                    .detail(format!("The pool is paused; waited {waited} ms."))
                    .hint("Try again once an administrator has sent RESUME."),
            );
        }
        let limit = state.settings.size_per_agent;
        if limit > 0 && own >= limit {
            return Box::new(
                report
                    .detail(format!("Agent \"{}\" holds {own} of {limit} server connections; waited {waited} ms.", wish.agent))
                    .hint("End transactions sooner, open fewer connections at a time, or ask the administrator to raise pool_size_per_agent."),
            );
        }
        Box::new(
            report
                .detail(format!("{} of {} server connections are in use; waited {waited} ms.", state.open - state.idle.len(), state.settings.size))
                .hint("End transactions sooner, or ask the administrator to raise pool_size or to set pool_mode = \"transaction\"."),
        )
    }

    /// Opens a connection, again and again for a patient client.
    async fn open(
        &self,
        key: &Key,
        deadline: Instant,
        patient: bool,
    ) -> Result<Box<Server>, Box<Report>> {
        loop {
            let retry_at = self.state().retry_at;
            if patient && retry_at > Instant::now() {
                tokio::time::sleep_until(retry_at.min(deadline).into()).await;
            }
            let timer = self.metrics.connect.start_timer();
            let error = match upstream::connect(&self.target, key).await {
                Ok(connection) => {
                    timer.observe_duration();
                    return self.opened(key, connection).await;
                }
                Err(error) => error,
            };
            self.metrics.upstream_errors.inc();
            let passing = error.may_pass();
            let wait = {
                let mut state = self.state();
                if passing {
                    state.failures = state.failures.saturating_add(1);
                    let doubled = BACK_OFF_FIRST * (1 << state.failures.min(8));
                    state.retry_at = Instant::now() + doubled.min(BACK_OFF_MAX);
                }
                state.retry_at
            };
            if !patient || !passing || wait >= deadline {
                tracing::warn!(%error, "upstream refused a connection");
                return Err(Box::new(error.report()));
            }
        }
    }

    async fn opened(
        &self,
        key: &Key,
        connection: upstream::Connection,
    ) -> Result<Box<Server>, Box<Report>> {
        let mut server = self.made(key, connection);
        let asks = self.state().behind_pooler != Some(false);
        if asks {
            let backend = server.backend().await.map_err(|error| {
                Report::fatal("08006", "the server connection does not answer")
                    .detail(error.to_string())
                    .hint("Try again.")
            })?;
            let pooler = backend != server.pid;
            self.state().behind_pooler = Some(pooler);
            if pooler {
                return Err(Box::new(pooler_between()));
            }
        }
        Ok(server)
    }

    fn made(&self, key: &Key, connection: upstream::Connection) -> Box<Server> {
        let reported: Reported = connection.parameters.into();
        let mut state = self.state();
        state.failures = 0;
        if state.known.len() >= KNOWN_MAX {
            state.known.clear();
        }
        state.known.insert(Arc::clone(key), Arc::clone(&reported));
        drop(state);
        let now = Instant::now();
        Box::new(Server {
            stream: Some(connection.stream),
            pid: connection.pid,
            secret: connection.key,
            read_ahead: connection.read_ahead,
            notices: connection.notices,
            reported,
            held: Held::default(),
            key: Arc::clone(key),
            home: thread::current().id(),
            opened: now,
            used: now,
            checked: now,
        })
    }
}

/// What is told where the server connection leads to a pooler.
pub(crate) fn pooler_between() -> Report {
    Report::fatal("08006", "a pooler stands between pgdraft and PostgreSQL")
        .detail("A connection is bound to its session by its backend's process id, and the one that was given is not the backend's.")
        .hint("Let upstream_url lead to PostgreSQL itself: pgdraft pools connections, see pool_mode.")
}

impl State {
    fn give_back(&mut self, agent: &Arc<str>) {
        if let Some(used) = self.used.get_mut(agent) {
            *used -= 1;
            if *used == 0 {
                self.used.remove(agent);
            }
        }
    }

    /// Whether a connection that is given back stays open.
    fn keeps(&self, server: &Server, now: Instant) -> bool {
        self.open <= self.settings.size
            && server.opened >= self.generation
            && now.duration_since(server.opened) < self.settings.lifetime
    }

    fn has_room(&self, agent: &Arc<str>) -> bool {
        let limit = self.settings.size_per_agent;
        limit == 0 || self.used.get(agent).is_none_or(|used| *used < limit)
    }

    /// A place for this client, if there is one now.
    fn serve(&mut self, servers: &Arc<Servers>, wish: &Wish) -> Option<Lease> {
        if self.paused || !self.has_room(&wish.agent) {
            return None;
        }
        let fits = |server: &Server| server.key == wish.key;
        // its last one needs nothing set anew
        let own = |server: &Server| fits(server) && server.held.client == wish.client;
        let found = self.idle.iter().rposition(own);
        let near = |server: &Server| fits(server) && server.home == wish.home;
        let found = found.or_else(|| self.idle.iter().rposition(near));
        let found = found.or_else(|| self.idle.iter().rposition(fits));
        let server = match found {
            Some(index) => Some(Box::new(self.idle.remove(index))),
            None if self.open < self.settings.size => {
                self.open += 1;
                None
            }
            // one with other startup parameters makes room
            None if !self.idle.is_empty() => {
                drop(self.idle.remove(0));
                None
            }
            None => return None,
        };
        *self.used.entry(Arc::clone(&wish.agent)).or_insert(0) += 1;
        Some(Lease {
            servers: Arc::clone(servers),
            agent: Arc::clone(&wish.agent),
            server,
            returned: false,
        })
    }

    /// Serves those who wait, agents in turn.
    fn dispatch(&mut self, servers: &Arc<Servers>) {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.serve(
            self,
            |state, wish| state.serve(servers, wish),
            Self::unserve,
        );
        self.waiting = waiting;
    }

    /// Takes a lease back that nobody waits for any more.
    fn unserve(&mut self, mut lease: Lease) {
        lease.returned = true;
        self.give_back(&lease.agent);
        match lease.server.take() {
            Some(server) => self.idle.push(*server),
            None => self.open -= 1,
        }
    }
}
