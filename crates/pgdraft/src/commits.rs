//! How far commits are, for the client that waits and for the metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use control::{Progress, Step};
use prometheus::{IntGauge, Registry};
use report::{Report, Severity};
use tokio::sync::mpsc::Sender;

/// The large commits that run.
#[derive(Debug, Clone)]
pub(crate) struct Commits {
    running: IntGauge,
    rows_left: IntGauge,
}

/// One command; when it is over nothing of it is left in the metrics.
pub(crate) struct Watched {
    commits: Commits,
    left: Arc<AtomicI64>,
}

impl Commits {
    /// Registers its metrics.
    ///
    /// # Errors
    /// They are registered already.
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        Ok(Self {
            running: gauge(
                "pgdraft_commits_running",
                "Large commits and rehearsals that are writing.",
            )?,
            rows_left: gauge(
                "pgdraft_commit_rows_left",
                "Rows that they have still to write.",
            )?,
        })
    }

    /// Follows one command.
    pub(crate) fn watch(&self, client: &Sender<Report>) -> (Progress, Watched) {
        let watched = Watched {
            commits: self.clone(),
            left: Arc::new(AtomicI64::new(-1)),
        };
        let (commits, left, client) = (self.clone(), Arc::clone(&watched.left), client.clone());
        let progress = Progress::new(move |step: &Step| {
            let now = i64::try_from(step.total.saturating_sub(step.rows)).unwrap_or(i64::MAX);
            let before = left.swap(now, Ordering::Relaxed);
            if before < 0 {
                commits.running.inc();
            }
            commits.rows_left.add(now - before.max(0));
            let notice = Report {
                severity: Severity::Notice,
                ..Report::error("00000", step.to_string())
            };
            // a client that reads slowly misses some
            drop(client.try_send(notice));
        });
        (progress, watched)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let left = self.left.load(Ordering::Relaxed);
        if left >= 0 {
            self.commits.running.dec();
            self.commits.rows_left.sub(left);
        }
    }
}
