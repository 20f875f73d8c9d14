//! Log lines to standard error, and traces to a collector where the build has them.
//!
//! Redaction is by construction: only events of our own crates are written below `warn`, so that
//! no library can print a query or a URL; secrets are of types without `Display`, and our own
//! events carry names, numbers and codes, never SQL or row values.

use std::io::IsTerminal as _;

use tracing::Level;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::settings::LogSettings;
use crate::settings::values::LogFormat;

/// The crates whose events may be written at any level.
const OURS: [&str; 10] = [
    "pgdraft", "session", "wire", "upstream", "control", "store", "console", "web", "sql", "draft",
];

/// Installs the subscriber, once a process.
pub(crate) fn install(settings: LogSettings, collector: &str) {
    let level = settings.level;
    // By whole crate names: a prefix, as `Targets` takes it, would let `sqlparser` in with `sql`.
    let filter = filter_fn(move |event| {
        let name = event.target().split("::").next().unwrap_or_default();
        let most = match name {
            _ if OURS.contains(&name) => level,
            // it warns of each client that says why it closes its connection
            "rustls" => level.min(Level::ERROR),
            _ => level.min(Level::WARN),
        };
        *event.level() <= most
    })
    .with_max_level_hint(level);
    let registry = tracing_subscriber::registry();
    #[cfg(feature = "otel")]
    let (traces, fault) = match crate::traces::layer(collector) {
        Ok(traces) => (traces, None),
        Err(error) => (None, Some(error)),
    };
    #[cfg(feature = "otel")]
    let registry = registry.with(traces);
    // a build without traces takes no collector
    #[cfg(not(feature = "otel"))]
    debug_assert!(collector.is_empty());
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    std::panic::set_hook(Box::new(|panic| {
        // Where, never what: the message of a panic can quote a statement.
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panicked; this is a fault of pgdraft");
    }));
    // A second install (tests in one process) is not an error worth stopping for.
    let _ = match settings.format {
        LogFormat::Text => {
            let layer = layer.with_ansi(std::io::stderr().is_terminal());
            registry.with(layer.with_filter(filter)).try_init()
        }
        LogFormat::Json => {
            let layer = layer.json().flatten_event(true).with_ansi(false);
            registry.with(layer.with_filter(filter)).try_init()
        }
    };
    #[cfg(feature = "otel")]
    if let Some(error) = fault {
        tracing::error!(%error, "traces are not sent");
    }
}
