//! Counters of the data plane.

use crate::limits::Bound;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

/// The handles; prometheus makes them cheap to count with.
#[derive(Clone)]
pub(crate) struct Metrics {
    /// Client connections open now.
    pub(crate) connections: IntGauge,
    /// Client connections since the start, by how they ended: `closed`, `refused`, `lost`, `drained`.
    pub(crate) connections_ended: IntCounterVec,
    /// Statements by kind.
    pub(crate) statements: Statements,
    /// pgdraft's own refusals by SQLSTATE.
    pub(crate) refused: IntCounterVec,
    /// Errors that PostgreSQL gave, by SQLSTATE class.
    pub(crate) errors: IntCounterVec,
    /// Upstream connections that failed or broke.
    pub(crate) upstream_errors: IntCounter,
    /// Bytes read from clients.
    pub(crate) from_client: IntCounter,
    /// Bytes written to clients.
    pub(crate) to_client: IntCounter,
    /// Plans found in the cache.
    pub(crate) plan_hit: IntCounter,
    /// Plans made.
    pub(crate) plan_miss: IntCounter,
    /// Clients that waited for a server connection in vain.
    pub(crate) wait_timeouts: IntCounter,
    /// Cancel requests: `sent`, `idle`, `unknown`.
    pub(crate) cancels: IntCounterVec,
    /// Bounds that clients met, by [`Bound`].
    bounds: IntCounterVec,
    /// Seconds of a phase.
    pub(crate) parse: Histogram,
    /// As `parse`.
    pub(crate) plan: Histogram,
    /// As `parse`.
    pub(crate) describe: Histogram,
    /// As `parse`.
    pub(crate) draft: Histogram,
    /// As `parse`.
    pub(crate) connect: Histogram,
    /// As `parse`.
    pub(crate) wait: Histogram,
    /// As `parse`.
    pub(crate) upstream: Histogram,
    /// As `parse`.
    pub(crate) relay: Histogram,
    /// What is there.
    pub(crate) gauges: Gauges,
}

/// How many of what there are; brought up to date now and then.
#[derive(Clone)]
pub(crate) struct Gauges {
    /// Server connections by state.
    pub(crate) servers: IntGaugeVec,
    /// Clients that wait for a server connection, as it is.
    pub(crate) waiting: IntGauge,
    /// Sessions that clients are connected to.
    pub(crate) sessions: IntGauge,
}

impl Gauges {
    fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let opts = Opts::new("pgdraft_server_connections", "Server connections by state");
        let servers = IntGaugeVec::new(opts, &["state"])?;
        registry.register(Box::new(servers.clone()))?;
        let waiting = "Clients that wait for a server connection";
        let sessions = "Sessions that clients are connected to";
        Ok(Self {
            servers,
            waiting: gauge(registry, "pgdraft_clients_waiting", waiting)?,
            sessions: gauge(registry, "pgdraft_sessions", sessions)?,
        })
    }
}

fn gauge(registry: &Registry, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
    let gauge = IntGauge::new(name, help)?;
    registry.register(Box::new(gauge.clone()))?;
    Ok(gauge)
}

fn counter(registry: &Registry, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
    let counter = IntCounter::new(name, help)?;
    registry.register(Box::new(counter.clone()))?;
    Ok(counter)
}

fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    label: &str,
) -> Result<IntCounterVec, prometheus::Error> {
    let counters = IntCounterVec::new(Opts::new(name, help), &[label])?;
    registry.register(Box::new(counters.clone()))?;
    Ok(counters)
}

fn phases(registry: &Registry) -> Result<HistogramVec, prometheus::Error> {
    let phases = HistogramVec::new(
        HistogramOpts::new(
            "pgdraft_phase_seconds",
            "Time a statement spends in a phase of its way",
        )
        .buckets(prometheus::exponential_buckets(0.000_005, 4.0, 12)?),
        &["phase"],
    )?;
    registry.register(Box::new(phases.clone()))?;
    Ok(phases)
}

/// Counters of statements, found once: they are counted with each statement.
#[derive(Clone)]
pub(crate) struct Statements([(&'static str, IntCounter); 7]);

impl Statements {
    fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let name = "pgdraft_statements_total";
        let counters = counters(registry, name, "Statements by kind", "kind")?;
        let kinds = [
            "relay", "read", "write", "admin", "setting", "refused", "syntax",
        ];
        let found = kinds.map(|kind| (kind, counters.with_label_values(&[kind])));
        Ok(Self(found))
    }

    /// Counts one.
    pub(crate) fn count(&self, kind: &str) {
        if let Some((_, counter)) = self.0.iter().find(|(known, _)| *known == kind) {
            counter.inc();
        }
    }

    /// All of them.
    pub(crate) fn taken(&self) -> u64 {
        self.0.iter().map(|(_, counter)| counter.get()).sum()
    }
}

impl Metrics {
    /// Makes and registers them.
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = |name, help, label| counters(registry, name, help, label);
        let counter = |name, help| counter(registry, name, help);
        let phases = phases(registry)?;
        let connections = gauge(
            registry,
            "pgdraft_connections",
            "Client connections open now",
        )?;
        let bytes = counters(
            "pgdraft_bytes_total",
            "Bytes relayed, by direction",
            "direction",
        )?;
        let plans = counters(
            "pgdraft_plan_cache_total",
            "Look-ups in the plan cache",
            "result",
        )?;
        Ok(Self {
            connections,
            connections_ended: counters(
                "pgdraft_connections_ended_total",
                "Client connections by how they ended",
                "how",
            )?,
            statements: Statements::new(registry)?,
            refused: counters(
                "pgdraft_refused_total",
                "Statements refused by pgdraft, by SQLSTATE",
                "sqlstate",
            )?,
            errors: counters(
                "pgdraft_errors_total",
                "Errors that PostgreSQL gave, by class of SQLSTATE",
                "class",
            )?,
            upstream_errors: counter(
                "pgdraft_upstream_errors_total",
                "Upstream connections that could not be opened or broke",
            )?,
            wait_timeouts: counter(
                "pgdraft_pool_wait_timeouts_total",
                "Clients that waited for a server connection in vain",
            )?,
            from_client: bytes.with_label_values(&["from_client"]),
            to_client: bytes.with_label_values(&["to_client"]),
            plan_hit: plans.with_label_values(&["hit"]),
            plan_miss: plans.with_label_values(&["miss"]),
            cancels: counters(
                "pgdraft_cancels_total",
                "Cancel requests by result",
                "result",
            )?,
            bounds: counters(
                "pgdraft_limits_total",
                "Limits that clients met, by limit",
                "limit",
            )?,
            parse: phases.with_label_values(&["parse"]),
            plan: phases.with_label_values(&["plan"]),
            describe: phases.with_label_values(&["describe"]),
            draft: phases.with_label_values(&["draft"]),
            connect: phases.with_label_values(&["connect"]),
            wait: phases.with_label_values(&["wait"]),
            upstream: phases.with_label_values(&["upstream"]),
            relay: phases.with_label_values(&["relay"]),
            gauges: Gauges::new(registry)?,
        })
    }

    /// Counts a client that met a bound.
    pub(crate) fn bound(&self, bound: Bound) {
        self.bounds.with_label_values(&[bound.as_str()]).inc();
    }

    /// Counts an error that a client was told.
    pub(crate) fn error(&self, sqlstate: &str, refused: bool) {
        if refused {
            self.refused.with_label_values(&[sqlstate]).inc();
        } else {
            let class: String = sqlstate.chars().take(2).collect();
            self.errors.with_label_values(&[class.as_str()]).inc();
        }
    }
}
