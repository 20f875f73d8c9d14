//! The control plane's state: connections, secret, catalog snapshot.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use catalog::{Catalog, SessionId};
use store::{Roles, Secret, Status};
use tokio::sync::Mutex;

use crate::drafting::draftable;
use crate::peers::{self, Peers};
use crate::pool::{Pool, Pooled};
use crate::quota::Quota;
use crate::running::Running;
use crate::{ControlError, Keeping, Progress, Target, connector};

/// How the control plane works.
#[derive(Debug, Clone)]
pub struct Options {
    /// How often production's schema is looked at for changes.
    pub catalog_poll: Duration,
    /// Connections to the upstream, at most.
    pub connections_max: usize,
    /// How long a commit, a discard or a schema change of ours waits for a lock.
    pub lock_timeout: Duration,
    /// How long the rows of a committed session are kept, to look at and to undo it.
    pub history: Duration,
    /// Live sessions that nobody went on with for so long expire; `None` = they never do.
    pub session_ttl: Option<Duration>,
    /// How often the background work looks for something to do; `None` = this program leaves it
    /// to another.
    pub clean_every: Option<Duration>,
    /// Counters, whose changes add up: schema, table, column.
    pub merge_delta: Arc<[[String; 3]]>,
    /// How statements are kept with their constants and parameters.
    pub keeping: Keeping,
    /// An operation id that an earlier transaction of the session used is refused.
    pub refuse_reuse: bool,
    /// Most live sessions of one agent; 0 = no bound.
    pub sessions_per_agent: u64,
    /// Most bytes of one agent's live drafts; 0 = no bound.
    pub bytes_per_agent: u64,
    /// Columns that tell the rows of tables without a key apart: schema, table, column; `None`
    /// leaves what is noted in the database.
    pub keys: Option<Arc<[[String; 3]]>>,
    /// BEFORE triggers that run in drafts: schema, table, trigger, each of which may be `*`; `None`
    /// leaves what is noted in the database.
    pub triggers: Option<Arc<[[String; 3]]>>,
    /// Agents whose reads of production are recorded; `*` = all.
    pub record_reads: Arc<[String]>,
    /// It serves clients, perhaps beside other processes that do.
    pub peers: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            catalog_poll: Duration::from_secs(2),
            connections_max: 4,
            lock_timeout: Duration::from_secs(5),
            peers: false,
            history: Duration::from_hours(7 * 24),
            session_ttl: None,
            clean_every: None,
            merge_delta: Arc::new([]),
            keeping: Keeping::Redacted,
            refuse_reuse: false,
            record_reads: Arc::new([]),
            sessions_per_agent: 0,
            bytes_per_agent: 0,
            keys: None,
            triggers: None,
        }
    }
}

/// The control plane of one upstream database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Control {
    pub(crate) inner: Arc<Inner>,
    pub(crate) progress: Progress,
    pub(crate) running: Running,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) target: Target,
    pub(crate) peers: Peers,
    pub(crate) roles: Roles,
    secret: Secret,
    pool: Arc<Pool>,
    snapshot: ArcSwap<Catalog>,
    /// Held while the catalog is read again, so that this is done once for many callers.
    refreshing: Mutex<()>,
    looked: Looked,
    pub(crate) options: Options,
    /// Most live sessions of one agent, as it is now.
    pub(crate) sessions_per_agent: AtomicU64,
    pub(crate) quota: Quota,
    pub(crate) deltas: Vec<Delta>,
}

/// What looking at the catalog for clients that paused has cost, and costs.
#[derive(Debug, Default)]
struct Looked(std::sync::Mutex<Looks>);

#[derive(Debug, Default)]
struct Looks {
    /// When the last one began, and its length.
    last: Option<(Instant, Duration)>,
    /// What they took and time has not made good.
    debt: Duration,
}

impl Looked {
    /// A second of looking is made good by so many seconds.
    const PART: u32 = 40;
    /// More debt than that is not made: a client by itself never comes to it, many at work do.
    const DEBT_MAX: Duration = Duration::from_millis(500);

    fn note(&self, begun: Instant) {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let length = begun.elapsed();
        looks.debt = looks.debt_at(begun) + length;
        looks.last = Some((begun, length));
    }

    /// Whether another look costs too much for a client that paused so long.
    fn too_dear(&self, pause: Duration) -> bool {
        let looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let long = looks.last.is_some_and(|(_, length)| length / 2 > pause);
        long || looks.debt_at(Instant::now()) > Self::DEBT_MAX
    }
}

impl Looks {
    fn debt_at(&self, now: Instant) -> Duration {
        let since = self.last.map_or(Duration::ZERO, |(begun, _)| {
            now.saturating_duration_since(begun)
        });
        self.debt.saturating_sub(since / Looked::PART)
    }
}

/// The counters of one table.
#[derive(Debug)]
pub(crate) struct Delta {
    pub(crate) schema: String,
    pub(crate) table: String,
    pub(crate) columns: Vec<String>,
}

fn deltas(columns: &[[String; 3]]) -> Vec<Delta> {
    let mut all: Vec<Delta> = Vec::new();
    for [schema, table, column] in columns {
        match all
            .iter_mut()
            .find(|d| d.schema == *schema && d.table == *table)
        {
            Some(found) => found.columns.push(column.clone()),
            None => all.push(Delta {
                schema: schema.clone(),
                table: table.clone(),
                columns: vec![column.clone()],
            }),
        }
    }
    all
}

/// Notes in the database what the configuration says of production's tables.
async fn note(client: &tokio_postgres::Client, options: &Options) -> Result<(), ControlError> {
    if let Some(columns) = &options.keys {
        store::keys::note(client, columns).await?;
        let troubles = store::keys::troubles(client).await?;
        if !troubles.is_empty() {
            return Err(ControlError::BadTableKeys(troubles));
        }
    }
    if let Some(names) = &options.triggers {
        store::before::note(client, names).await?;
        let troubles = store::before::troubles(client).await?;
        if !troubles.is_empty() {
            return Err(ControlError::BadTriggers(troubles));
        }
    }
    Ok(())
}

impl Control {
    /// Connects, reads the secret and the catalog, and keeps looking for schema changes in the
    /// background until the last clone is dropped.
    ///
    /// # Errors
    /// [`ControlError::Upstream`]; [`ControlError::Store`] where pgdraft is not installed in this
    /// database or in another version; [`ControlError::Exposed`] where the database would let agents
    /// write production.
    pub async fn connect(target: Target, options: Options) -> Result<Self, ControlError> {
        let client = connector::connect(&target).await?;
        match store::status(&client).await? {
            Status::Version(store::VERSION) => {}
            Status::Newer(version) => return Err(store::Error::Newer(version).into()),
            Status::NotInstalled | Status::Version(_) => {
                return Err(store::Error::NotInstalled.into());
            }
        }
        let database: String = client
            .query_typed_one("SELECT current_database()::text", &[])
            .await?
            .try_get(0)?;
        drop(client);
        let roles = Roles::of(&database);
        let pool = Pool::new(target.clone(), roles.clone(), options.connections_max);
        let client = pool.get().await?;
        let tables = store::exposed_tables(&*client, &roles.agent).await?;
        if !tables.is_empty() {
            let role = roles.agent;
            return Err(ControlError::Exposed { role, tables });
        }
        note(&client, &options).await?;
        let secret = Secret::load(&*client).await?;
        let catalog = store::load_catalog(&*client, 1, draftable).await?;
        drop(client);
        let (peers, meeting) = match options.peers {
            true => {
                let (peers, client) = Peers::join(&target, &roles).await?;
                (peers, Some(client))
            }
            false => (Peers::none(), None),
        };
        let inner = Arc::new(Inner {
            target,
            peers,
            roles,
            secret,
            pool,
            snapshot: ArcSwap::from_pointee(catalog),
            refreshing: Mutex::new(()),
            looked: Looked::default(),
            deltas: deltas(&options.merge_delta),
            sessions_per_agent: AtomicU64::new(options.sessions_per_agent),
            quota: Quota::new(options.bytes_per_agent),
            options,
        });
        let control = Self::of(inner);
        control.repair_heads().await?;
        let options = &control.inner.options;
        tokio::spawn(watch(Arc::downgrade(&control.inner), options.catalog_poll));
        if let Some(client) = meeting {
            tokio::spawn(peers::watch(Arc::downgrade(&control.inner), client));
        }
        if let Some(every) = options.clean_every {
            tokio::spawn(crate::quota::watch(Arc::downgrade(&control.inner)));
            tokio::spawn(crate::life::keep_clean(
                Arc::downgrade(&control.inner),
                every,
            ));
        }
        Ok(control)
    }

    pub(crate) fn of(inner: Arc<Inner>) -> Self {
        Self {
            inner,
            progress: Progress::default(),
            running: Running::default(),
        }
    }

    /// The present catalog snapshot; cheap.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.inner.snapshot.load_full()
    }

    /// Reads the catalog again if the schema moved; returns the present snapshot.
    ///
    /// # Errors
    /// [`ControlError::Store`], [`ControlError::Upstream`].
    pub async fn refresh_catalog(&self) -> Result<Arc<Catalog>, ControlError> {
        self.reload().await?;
        // Also where nothing moved since: a writer may have been in the way the last time.
        self.repair_heads().await?;
        Ok(self.catalog())
    }

    /// The same for a client that paused so long; not where a look takes longer than twice that, where the
    /// looks have cost too much lately, or where one is under way.
    ///
    /// # Errors
    /// As [`Control::refresh_catalog`].
    pub async fn catch_up(&self, pause: Duration) -> Result<(), ControlError> {
        if self.inner.looked.too_dear(pause) {
            return Ok(());
        }
        let Ok(one) = self.inner.refreshing.try_lock() else {
            return Ok(());
        };
        let moved = self.look().await?;
        drop(one);
        match moved {
            true => self.repair_heads().await,
            false => Ok(()),
        }
    }

    /// Reads the catalog again if the schema moved; tells whether it did.
    pub(crate) async fn reload(&self) -> Result<bool, ControlError> {
        let _one = self.inner.refreshing.lock().await;
        self.look().await
    }

    /// As [`Control::reload`], by who holds the lock.
    async fn look(&self) -> Result<bool, ControlError> {
        let client = self.client().await?;
        let old = self.catalog();
        let begun = Instant::now();
        let mark = store::prepared_mark(&*client).await?;
        self.inner.looked.note(begun);
        if mark == old.mark {
            return Ok(false);
        }
        let catalog = match mark.schema == old.mark.schema {
            true => store::load_heads(&*client, &old, mark, draftable).await?,
            false => store::load_catalog(&*client, old.epoch + 1, draftable).await?,
        };
        tracing::debug!(
            epoch = catalog.epoch,
            relations = catalog.relations.len(),
            "catalog read"
        );
        self.inner.snapshot.store(Arc::new(catalog));
        Ok(true)
    }

    /// The token that binds an upstream backend to a session, for `pgdraft.bind`.
    pub fn token(&self, sid: SessionId, upstream_pid: i32) -> String {
        self.inner.secret.token(sid, upstream_pid)
    }

    /// Where agents' upstream connections go: the agent role with its derived password.
    pub fn agent_target(&self) -> Target {
        let password = self.inner.secret.agent_password();
        self.inner
            .target
            .with_user(&self.inner.roles.agent, &password)
    }

    /// Whether an operation id that an earlier transaction of the session used is refused.
    pub fn refuses_reuse(&self) -> bool {
        self.inner.options.refuse_reuse
    }

    /// The roles of this database.
    pub fn roles(&self) -> &Roles {
        &self.inner.roles
    }

    pub(crate) async fn client(&self) -> Result<Pooled, ControlError> {
        self.inner.pool.get_for(&self.running).await
    }

    /// `SET LOCAL lock_timeout` for a transaction of ours.
    pub(crate) fn lock_timeout(&self) -> String {
        let milliseconds = self.inner.options.lock_timeout.as_millis().max(1);
        format!("SET LOCAL lock_timeout = {milliseconds}")
    }
}

/// Looks for schema changes until the control plane is gone.
async fn watch(inner: Weak<Inner>, every: Duration) {
    let mut failing = false;
    loop {
        tokio::time::sleep(every).await;
        let Some(inner) = inner.upgrade() else { return };
        match Control::of(inner).refresh_catalog().await {
            Ok(_) if failing => {
                failing = false;
                tracing::info!("the catalog is read again");
            }
            Ok(_) => {}
            // Said once, not every two seconds.
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(%error, "the catalog cannot be read");
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Instant, Looks};

    #[test]
    fn what_looks_have_cost_is_made_good_by_time() {
        let begun = Instant::now();
        let millis = Duration::from_millis;
        let looks = Looks {
            last: Some((begun, millis(3))),
            debt: millis(100),
        };
        assert_eq!(looks.debt_at(begun), millis(100));
        assert_eq!(looks.debt_at(begun + millis(400)), millis(90));
        assert_eq!(looks.debt_at(begun + millis(9000)), Duration::ZERO);
        assert_eq!(Looks::default().debt_at(begun), Duration::ZERO);
    }
}
