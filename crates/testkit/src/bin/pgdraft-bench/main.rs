//! Measures what pgdraft costs, each thing direct and through pgdraft in turns in one run.
//!
//! Four parts, all of them or those named as arguments: `statements` (one connection, one
//! statement at a time), `merged` (PostgreSQL's time for reads and changes of four changed tables),
//! `load` (1 to 32 clients, beside pgbouncer), `drafts` (commit, discard, diff). `tests/bench/run` builds it in release mode and runs it; docs/PERFORMANCE.md says what
//! each row means.
//!
//! Sizes by environment: `ROWS` of the tables (1000000), `SECONDS_EACH` (turns of one second that
//! each target has for each row of `load`, 1), `CLIENTS` ("1 8 32"), `DRAFTS` (changed rows of the
//! drafts of `statements`, "0 1000 100000"), `CHANGES` (changed rows of `drafts`, "1000 100000 1000000"),
//! `REPEAT` (rounds of a cheap statement, 200), `SLOW` (rounds of an expensive one, 3), `ONLY` (rows of
//! `merged` and `load` whose name has this in it).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a bench stops at the first surprise"
)]

mod drafts;
mod load;
mod merged;
mod statements;
mod target;

use std::process::Command;

use testkit::{Cluster, Database, environment};

fn main() {
    let parts: Vec<String> = std::env::args().skip(1).collect();
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|p| p == part);
    let rows = number("ROWS", 1_000_000);
    let database = create(rows);
    if wanted("statements") {
        statements::report(&database, rows);
    }
    if wanted("merged") {
        merged::report(&database, rows);
    }
    if wanted("load") {
        load::report(&database, rows);
    }
    if wanted("drafts") {
        drafts::report(&database, rows);
    }
}

/// A database with tables of our own and those of pgbench, `rows` in the large ones.
fn create(rows: usize) -> Database {
    let database = Cluster::shared().create_database("bench");
    eprintln!("loading {rows} rows");
    database.run(&format!(
        "CREATE TABLE big (id bigint PRIMARY KEY, k int NOT NULL, v text NOT NULL, n numeric(12,2) NOT NULL);
         INSERT INTO big SELECT n, n % 1000, 'value ' || n, n FROM generate_series(1, {rows}) n;
         CREATE INDEX big_k ON big (k);
         CREATE TABLE other (id int PRIMARY KEY, k int NOT NULL, big_id bigint NOT NULL);
         INSERT INTO other SELECT n, n % 1000, 1 + n * 7919 % {rows} FROM generate_series(1, 10000) n;
         CREATE INDEX other_k ON other (k);
         CREATE SEQUENCE bench_ids START {};",
        rows + 10_000_000
    ));
    let scale = (rows / 100_000).max(1).to_string();
    let cluster = database.cluster();
    let port = cluster.port().to_string();
    let made = Command::new(cluster.program("pgbench"))
        .args(["-i", "-q", "-I", "dtgp", "-s", &scale])
        .args(["-h", "127.0.0.1", "-p", &port, "-U", "postgres"])
        .arg(database.name())
        .output()
        .expect("pgbench is installed with PostgreSQL");
    assert!(
        made.status.success(),
        "pgbench -i: {}",
        String::from_utf8_lossy(&made.stderr)
    );
    database.run("VACUUM ANALYZE");
    database
}

/// Whether a row is among those that are asked for: its name has what `ONLY` says in it.
fn is_wanted(row: &str) -> bool {
    environment("ONLY").is_none_or(|part| row.contains(&part))
}

fn number(name: &str, default: usize) -> usize {
    environment(name)
        .and_then(|v| v.parse().ok())
        .unwrap_or(default)
}

fn numbers(name: &str, default: &str) -> Vec<usize> {
    environment(name)
        .unwrap_or_else(|| default.to_owned())
        .split_whitespace()
        .filter_map(|n| n.parse().ok())
        .collect()
}

/// The time that `part` of the measured ones do not exceed; 0.5 is the median.
fn percentile(times: &mut [f64], part: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    times[((times.len() - 1) as f64 * part).round() as usize]
}
