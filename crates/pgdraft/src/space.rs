//! What drafts occupy in the database, for the metrics.

use std::time::Duration;

use control::Control;
use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(15);

/// The gauges, of all drafted tables together.
#[derive(Debug)]
pub(crate) struct Space {
    bytes: IntGaugeVec,
    dead_rows: IntGauge,
    agents: IntGaugeVec,
}

impl Space {
    /// Registers its metrics.
    ///
    /// # Errors
    /// They are registered already.
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let bytes = Opts::new(
            "pgdraft_draft_bytes",
            "Bytes of drafts in the database, indexes with them, by part",
        );
        let bytes = IntGaugeVec::new(bytes, &["part"])?;
        registry.register(Box::new(bytes.clone()))?;
        let dead_rows = IntGauge::new(
            "pgdraft_draft_dead_rows",
            "Rows of drafts that are gone and take space until the next VACUUM",
        )?;
        registry.register(Box::new(dead_rows.clone()))?;
        let agents = Opts::new(
            "pgdraft_agent_draft_bytes",
            "Bytes of an agent's open drafts, where limits.bytes_per_agent bounds them",
        );
        let agents = IntGaugeVec::new(agents, &["agent"])?;
        registry.register(Box::new(agents.clone()))?;
        Ok(Self {
            bytes,
            dead_rows,
            agents,
        })
    }

    /// Looks again and again. A database that does not answer is somebody else's to report.
    pub(crate) async fn watch(self, control: Control) {
        loop {
            if let Ok(tables) = control.space().await {
                let sum = |part: fn(&control::Space) -> i64| tables.iter().map(part).sum();
                let bytes = |part: &str| self.bytes.with_label_values(&[part]);
                bytes("head").set(sum(|t| t.head_bytes));
                bytes("log").set(sum(|t| t.log_bytes));
                self.dead_rows.set(sum(|t| t.dead_rows));
            }
            self.agents.reset();
            for (agent, bytes) in control.agent_bytes() {
                let gauge = self.agents.with_label_values(&[&agent]);
                gauge.set(i64::try_from(bytes).unwrap_or(i64::MAX));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
