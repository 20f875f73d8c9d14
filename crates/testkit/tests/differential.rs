//! Every script of `tests/differential`, on plain PostgreSQL and in a draft.
//!
//! `CASE=name` picks scripts by a part of their name, `MODE=simple,text,binary,prepared` the ways,
//! `ALL=1` commits in every way (otherwise in one, which one depends on the script),
//! `ENDING=none` leaves the drafts as they are, `ORIGIN=0` does not compare the tables that columns come from.
#![allow(
    clippy::disallowed_methods,
    reason = "a test reads its own environment"
)]

use std::process::ExitCode;

use testkit::differential::{Mode, cases, check};
use testkit::harness::{Trial, main as run};
use testkit::{Cluster, environment};

fn main() -> ExitCode {
    let chosen = environment("MODE");
    let modes: Vec<Mode> = Mode::ALL
        .into_iter()
        .filter(|m| {
            chosen
                .as_ref()
                .is_none_or(|c| c.split(',').any(|name| name == m.name()))
        })
        .collect();
    let all = environment("ALL").is_some();
    let version = Cluster::shared().version();
    let trials = cases()
        .into_iter()
        .filter(|case| case.needs <= version)
        .map(|case| {
            let discarded = modes.clone();
            let committed = if all {
                modes.clone()
            } else {
                let turn: usize = case.name.bytes().map(usize::from).sum();
                modes.get(turn % modes.len()).copied().into_iter().collect()
            };
            Trial::new(format!("differential::{}", case.name), move || {
                check(&case, &discarded, &committed)
            })
        })
        .collect();
    run(trials)
}
