//! Random workloads: after every statement and at the end the draft equals a plain copy.
//!
//! `SEED` runs one seed, `N` sets the statements of a workload (60), `TRIALS` the number of
//! workloads (8); `SAVE=name` writes a failing one as `tests/differential/name.sql`.

use std::process::ExitCode;

use testkit::differential::{Mode, check};
use testkit::harness::{Trial, main as run};
use testkit::sample::workload;
use testkit::{environment, root};

fn main() -> ExitCode {
    let number = |name: &str, default: u64| {
        environment(name)
            .and_then(|v| v.parse().ok())
            .unwrap_or(default)
    };
    let length = usize::try_from(number("N", 60)).unwrap_or(60);
    let seeds: Vec<u64> = match environment("SEED").and_then(|v| v.parse().ok()) {
        Some(seed) => vec![seed],
        None => (1..=number("TRIALS", 8)).collect(),
    };
    run(seeds.into_iter().map(|seed| trial(seed, length)).collect())
}

fn trial(seed: u64, length: usize) -> Trial {
    Trial::new(format!("random::seed_{seed}"), move || {
        let case = workload(seed, length);
        let turn = usize::try_from(seed).unwrap_or(0) % Mode::ALL.len();
        let mode: Vec<Mode> = Mode::ALL.get(turn).copied().into_iter().collect();
        check(&case, &mode, &mode).map_err(|why| {
            if let Some(name) = environment("SAVE") {
                let path = root().join(format!("tests/differential/{name}.sql"));
                let _ = std::fs::write(path, case.print());
            }
            format!(
                "SEED={seed} N={length}\n{why}\nthe whole workload:\n{}",
                case.print()
            )
        })
    })
}
