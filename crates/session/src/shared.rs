//! What all connections of one process have in common.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Instant;

use catalog::{LARGE_DRAFT, RelationId, SessionId};
use dashmap::DashMap;
use sql::{DraftView, FunctionPolicy};
use tokio::sync::watch;

use crate::api::{ControlPlane, Identity};
use crate::cancel::{CancelKey, CancelSlot};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::planner::{Planner, Plans, SqlPlanner};
use crate::presence::Presence;
use crate::servers::{PoolSettings, Servers};

/// Finds an identity by its name in the configuration.
pub type Identities = Arc<dyn Fn(&str) -> Option<Identity> + Send + Sync>;

/// What [`Shared::new`] needs.
pub struct Setup {
    /// The control plane.
    pub control: Arc<dyn ControlPlane>,
    /// Who an authenticated name is.
    pub identities: Identities,
    /// The upstream for agents: their role, its password, the database.
    pub upstream: upstream::Target,
    /// The database that is served, as clients name it.
    pub database: String,
    /// Bounds.
    pub limits: Limits,
    /// How server connections are shared.
    pub pool: PoolSettings,
    /// Functions an agent may call besides the safe ones.
    pub functions: FunctionPolicy,
    /// Where the data plane's metrics are registered.
    pub registry: prometheus::Registry,
    /// True from the moment the process drains.
    pub drain: watch::Receiver<bool>,
}

/// What all connections have in common.
pub struct Shared {
    pub(crate) control: Arc<dyn ControlPlane>,
    pub(crate) identities: Identities,
    pub(crate) upstream: upstream::Target,
    pub(crate) servers: Arc<Servers>,
    pub(crate) database: String,
    /// Shared with the clients that came under them.
    limits: RwLock<Arc<Limits>>,
    pub(crate) functions: FunctionPolicy,
    pub(crate) plans: Plans,
    pub(crate) metrics: Metrics,
    pub(crate) drain: watch::Receiver<bool>,
    pub(crate) cancels: DashMap<CancelKey, Arc<CancelSlot>>,
    pub(crate) next_pid: AtomicI32,
    next_number: AtomicU64,
    pub(crate) clients: DashMap<u64, Weak<Presence>>,
    /// Clients by agent.
    pub(crate) agents: DashMap<String, usize>,
    /// Where the clock of [`Presence`] begins.
    pub(crate) started: Instant,
    drafts: DashMap<SessionId, Arc<SessionDraft>>,
}

impl Shared {
    /// Makes the shared state and registers the metrics.
    ///
    /// # Errors
    /// A metric of that name is registered already.
    pub fn new(setup: Setup) -> Result<Arc<Self>, prometheus::Error> {
        Self::with_planner(setup, Box::new(SqlPlanner))
    }

    pub(crate) fn with_planner(
        setup: Setup,
        planner: Box<dyn Planner>,
    ) -> Result<Arc<Self>, prometheus::Error> {
        let metrics = Metrics::new(&setup.registry)?;
        let servers = Servers::new(setup.upstream.clone(), setup.pool, metrics.clone());
        Ok(Arc::new(Self {
            control: setup.control,
            identities: setup.identities,
            upstream: setup.upstream,
            servers,
            database: setup.database,
            limits: RwLock::new(Arc::new(setup.limits)),
            functions: setup.functions,
            plans: Plans::new(planner),
            metrics,
            drain: setup.drain,
            cancels: DashMap::new(),
            // so that keys of several processes differ already in this
            next_pid: AtomicI32::new(first_pid()),
            next_number: AtomicU64::new(1),
            clients: DashMap::new(),
            agents: DashMap::new(),
            started: Instant::now(),
            drafts: DashMap::new(),
        }))
    }

    /// A number that nothing else of this process has.
    pub(crate) fn number(&self) -> u64 {
        self.next_number.fetch_add(1, Ordering::Relaxed)
    }

    /// The bounds of clients that come now.
    pub(crate) fn limits(&self) -> Arc<Limits> {
        Arc::clone(&self.limits.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on these bounds hold: timeouts for all clients, the others for those that come.
    pub fn set_limits(&self, limits: Limits) {
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(limits);
    }

    /// Why no agent can be served at all: a pooler stands between.
    pub async fn unfit_upstream(&self) -> Option<report::Report> {
        let pooler = self.servers.behind_pooler().await;
        pooler.then(crate::servers::pooler_between)
    }

    /// Looks after server connections that nobody uses, and clients that take too long. Never ends.
    pub async fn upkeep(self: Arc<Self>) {
        let servers = Arc::clone(&self.servers).upkeep();
        tokio::join!(servers, crate::watch::watch(&self));
    }

    /// The draft of a session as all its connections see it.
    pub(crate) fn draft(&self, sid: SessionId) -> Arc<SessionDraft> {
        Arc::clone(&self.drafts.entry(sid).or_default())
    }

    /// Sessions that clients are connected to.
    pub(crate) fn drafts_in_use(&self) -> usize {
        self.drafts.len()
    }

    /// A connection of the session is gone; with the last one what is known of its draft goes too,
    /// the control plane has it for the next.
    pub(crate) fn leave_draft(&self, sid: SessionId) {
        self.drafts
            .remove_if(&sid, |_, draft| Arc::strong_count(draft) == 1);
    }

    /// A session ended or lost operations: what is known of its draft is replaced by this.
    /// Connections plan anew with their next statement.
    pub(crate) fn replace_draft(&self, sid: SessionId, draft: DraftView) {
        self.draft(sid).replace(draft);
    }

    /// Client connections of agents at this moment.
    pub fn connections(&self) -> usize {
        self.cancels.len()
    }
}

/// Where process ids begin.
fn first_pid() -> i32 {
    crate::cancel::random::<4>().map_or(1, |bytes| i32::from_be_bytes(bytes) & (i32::MAX >> 1)) | 1
}

/// The tables a session has changed, shared by all its connections.
#[derive(Debug, Default)]
pub(crate) struct SessionDraft(Mutex<(Version, Arc<DraftView>)>);

/// What plans know of a draft, as a number: the same for all sessions that have changed the same, 0 for
/// those that have changed nothing.
pub(crate) type Version = u128;

/// Under keys of this process that nobody knows, so that no two drafts can be made to meet.
fn version(view: &DraftView) -> Version {
    static KEYS: LazyLock<[RandomState; 2]> = LazyLock::new(Default::default);
    if *view == DraftView::default() {
        return 0;
    }
    let dirty: BTreeSet<_> = view
        .dirty
        .iter()
        .map(|(relation, rows)| (relation, *rows >= LARGE_DRAFT))
        .collect();
    let truncated: BTreeSet<_> = view.truncated.iter().collect();
    let [high, low] = KEYS
        .each_ref()
        .map(|key| key.hash_one((&dirty, &truncated, view.sequences)));
    Version::from(high) << 64 | Version::from(low) | 1
}

/// Locks, and goes on where another thread panicked while it held the lock: the data behind our
/// locks is valid after every single step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SessionDraft {
    /// The draft, and the version that plans over it are made for.
    pub(crate) fn view(&self) -> (Version, Arc<DraftView>) {
        let seen = lock(&self.0);
        (seen.0, Arc::clone(&seen.1))
    }

    /// These tables are about to be changed by a plan for that version; true if the plan is not for the
    /// draft as it is then, to which another connection may have come first. A truncation that is rolled
    /// back leaves its mark here: the merged read looks at what really is.
    pub(crate) fn mark(&self, write: &sql::Write, planned: Version) -> bool {
        self.change(|view| {
            let count = |view: &DraftView| (view.dirty.len(), view.truncated.len(), view.sequences);
            let before = count(view);
            view.sequences |= write.sequences;
            for relation in &write.changes {
                view.dirty.entry(*relation).or_insert(0);
                if write.verb == sql::Verb::Truncate {
                    view.truncated.insert(*relation);
                }
            }
            count(view) != before
        });
        self.view().0 != planned
    }

    /// So many rows were written, to the first of these tables; the others are cascades, of which
    /// the count is not known.
    pub(crate) fn grow(&self, relations: &[RelationId], rows: u64) {
        let Some(first) = relations.first() else {
            return;
        };
        self.change(|view| {
            let estimate = view.dirty.entry(*first).or_insert(0);
            let before = *estimate;
            *estimate = estimate.saturating_add(rows);
            before < LARGE_DRAFT && *estimate >= LARGE_DRAFT
        });
    }

    fn replace(&self, new: DraftView) {
        self.change(|view| {
            *view = new;
            true
        });
    }

    /// What is known at connect: never makes a table clean that another connection changed.
    pub(crate) fn learn(&self, known: &DraftView) {
        self.change(|view| {
            view.truncated.extend(&known.truncated);
            view.sequences |= known.sequences;
            for (relation, rows) in &known.dirty {
                let estimate = view.dirty.entry(*relation).or_insert(0);
                *estimate = (*estimate).max(*rows);
            }
            true
        });
    }

    /// Changes the estimates; says whether plans may depend on the change.
    fn change(&self, change: impl FnOnce(&mut DraftView) -> bool) {
        let mut seen = lock(&self.0);
        if change(Arc::make_mut(&mut seen.1)) {
            seen.0 = version(&seen.1);
        }
    }
}
