//! Random workloads: after every statement and at the end the draft equals a plain copy.
//!
//! `SEED` runs one seed, `N` sets the statements of a workload (120), `TRIALS` the number of
//! workloads (84) from seed `FIRST` (1) on. `SAVE=name` writes a failing one as
//! `tests/differential/name.sql`, after leaving out all that the failure does not need.
//! What pgdraft refused is counted by its message and printed with an example.

#![allow(clippy::indexing_slicing, reason = "a remainder is in its range")]

use std::process::ExitCode;

use testkit::differential::{Case, Mode, check, refusals};
use testkit::harness::{Trial, main as run};
use testkit::workload::workload;
use testkit::{environment, root};

fn main() -> ExitCode {
    let number = |name: &str, default: u64| {
        environment(name)
            .and_then(|v| v.parse().ok())
            .unwrap_or(default)
    };
    let length = usize::try_from(number("N", 120)).unwrap_or(120);
    let first = number("FIRST", 1);
    let seeds: Vec<u64> = match environment("SEED").and_then(|v| v.parse().ok()) {
        Some(seed) => vec![seed],
        None => (first..first + number("TRIALS", 84)).collect(),
    };
    let code = run(seeds.into_iter().map(|seed| trial(seed, length)).collect());
    for (message, count, example) in refusals() {
        println!("refused {count} times: {message}: {example}");
    }
    code
}

fn trial(seed: u64, length: usize) -> Trial {
    Trial::new(format!("random::seed_{seed}"), move || {
        let case = workload(seed, length);
        // Four modes, each with both endings.
        let turn = usize::try_from(seed).unwrap_or(0);
        let mode = Mode::ALL[turn % Mode::ALL.len()];
        let commit = (turn / Mode::ALL.len()).is_multiple_of(2);
        let run = |case: &Case| {
            if commit {
                check(case, &[], &[mode])
            } else {
                check(case, &[mode], &[])
            }
        };
        run(&case).map_err(|why| {
            let mut report = format!("SEED={seed} N={length}\n{why}");
            if let Some(name) = environment("SAVE") {
                let (small, why) = shrink(case, why, &run);
                let path = root().join(format!("tests/differential/{name}.sql"));
                let _ = std::fs::write(&path, small.print());
                report = format!("{report}\nthe least of it is in {}:\n{why}", path.display());
            }
            report
        })
    })
}

/// Leaves out steps as long as what remains still fails.
fn shrink(
    mut case: Case,
    mut why: String,
    run: &dyn Fn(&Case) -> Result<(), String>,
) -> (Case, String) {
    let mut size = case.steps.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < case.steps.len() {
            let mut smaller = case.clone();
            smaller.steps.drain(at..(at + size).min(case.steps.len()));
            match run(&smaller) {
                Err(still) if !still.contains("connection") => {
                    case = smaller;
                    why = still;
                }
                _ => at += size,
            }
        }
        size /= 2;
    }
    (case, why)
}
