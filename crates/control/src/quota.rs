//! Bytes of an agent's drafts, and the bound on them.
//!
//! They are measured in the background and not where rows are written, so that a write pays nothing for
//! them: an agent that has too many is refused its next write, seconds later. Only tables that were
//! written to since the last time are read again, and never for more than a twentieth of the time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use catalog::DraftTableId;
use store::space;

use crate::control::Inner;
use crate::{Control, ControlError};

/// Between two measures, at least.
const EVERY: Duration = Duration::from_secs(2);

/// The pause after a measure is so many times as long as it took.
const REST: u32 = 19;

/// How often a table had been written to, and the bytes of each agent in it.
type Measured = (i64, Vec<(String, u64)>);

/// What agents have, as it was measured last.
#[derive(Debug, Default)]
pub(crate) struct Quota {
    /// Most bytes of one agent; 0 = no bound.
    most: AtomicU64,
    agents: Mutex<HashMap<String, u64>>,
    tables: Mutex<HashMap<DraftTableId, Measured>>,
}

impl Quota {
    pub(crate) fn new(most: u64) -> Self {
        Self {
            most: AtomicU64::new(most),
            ..Self::default()
        }
    }
}

impl Control {
    /// Most bytes of one agent's open drafts from now on; 0 = no bound.
    pub fn bound_bytes(&self, per_agent: u64) {
        self.inner.quota.most.store(per_agent, Ordering::Relaxed);
    }

    /// Bytes that each agent's open drafts have, where they are bounded.
    pub fn agent_bytes(&self) -> HashMap<String, u64> {
        let agents = &self.inner.quota.agents;
        agents
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Refuses a write of an agent whose drafts are too large.
    ///
    /// # Errors
    /// [`ControlError::TooManyBytes`].
    pub fn room_for_rows(&self, agent: &str) -> Result<(), ControlError> {
        let quota = &self.inner.quota;
        let limit = quota.most.load(Ordering::Relaxed);
        if limit == 0 {
            return Ok(());
        }
        let agents = quota.agents.lock().unwrap_or_else(PoisonError::into_inner);
        match agents.get(agent) {
            Some(&bytes) if bytes > limit => Err(ControlError::TooManyBytes {
                agent: agent.to_owned(),
                bytes,
                limit,
            }),
            _ => Ok(()),
        }
    }

    async fn measure(&self) -> Result<(), ControlError> {
        let catalog = self.catalog();
        let client = self.client().await?;
        let writes = space::writes(&*client).await?;
        let mut known = HashMap::new();
        for (relation, head) in &catalog.heads {
            let (Some(relation), Some(now)) =
                (catalog.relations.get(relation), writes.get(&head.id))
            else {
                continue;
            };
            let before = self.known(head.id).filter(|(then, _)| then == now);
            let bytes = match before {
                Some((_, bytes)) => bytes,
                None => {
                    let columns: Vec<&str> = relation.writable().map(|c| c.name.as_str()).collect();
                    space::agent_bytes(&*client, head.id, &columns).await?
                }
            };
            known.insert(head.id, (*now, bytes));
        }
        let mut agents: HashMap<String, u64> = HashMap::new();
        for (agent, bytes) in known.values().flat_map(|(_, bytes)| bytes) {
            *agents.entry(agent.clone()).or_default() += bytes;
        }
        let quota = &self.inner.quota;
        *quota.tables.lock().unwrap_or_else(PoisonError::into_inner) = known;
        *quota.agents.lock().unwrap_or_else(PoisonError::into_inner) = agents;
        Ok(())
    }

    fn known(&self, id: DraftTableId) -> Option<Measured> {
        let tables = &self.inner.quota.tables;
        let tables = tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.get(&id).cloned()
    }
}

/// Measures again and again until the control plane is gone.
pub(crate) async fn watch(inner: Weak<Inner>) {
    let mut pause = EVERY;
    loop {
        tokio::time::sleep(pause).await;
        let Some(inner) = inner.upgrade() else { return };
        let control = Control::of(inner);
        if control.inner.quota.most.load(Ordering::Relaxed) == 0 {
            control
                .inner
                .quota
                .agents
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clear();
            continue;
        }
        let begun = Instant::now();
        if let Err(error) = control.measure().await {
            tracing::debug!(%error, "the bytes of drafts cannot be measured");
        }
        pause = EVERY.max(begun.elapsed() * REST);
    }
}
