//! What the tests stand on: a throwaway PostgreSQL, a wire client of our own, a running pgdraft,
//! and the runner that gives one script to plain PostgreSQL and to a draft and compares replies.
//!
//! Dev only: nothing here is shipped. It must not use any other crate of the workspace, so that a
//! mistake in the proxy's own framing or encoding cannot hide itself in its tests.
//!
//! Start at [`Cluster`], [`Proxy`], [`wire::Connection`] and [`differential`].
//!
//! Environment: `PGDRAFT_TEST_PG_BIN` (folder of `initdb`), `PGDRAFT_TEST_BIN` (the `pgdraft`
//! binary), `PGDRAFT_TEST_PLAIN=1` (run the differential with plain PostgreSQL on both sides, to
//! check the scripts themselves), `CASE`, `SEED`, `N`, `SAVE` (see the runners in `tests/`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    reason = "a test harness stops at the first surprise, and reads its own environment"
)]

pub mod cluster;
pub mod compatibility;
pub mod differential;
mod dump;
pub mod harness;
pub mod ports;
pub mod proxy;
pub mod random;
pub mod wire;
pub mod witness;
pub mod workload;

pub use cluster::{Cluster, Database};
pub use proxy::Proxy;
pub use wire::{Connection, Login};

/// The value of an environment variable, if it is set and not empty.
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.is_empty())
}

/// The workspace's root folder.
pub fn root() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the workspace exists")
}
