//! Statements of another generator than ours: what sqlsmith makes up does the same in a draft.
//!
//! `SEED` runs one seed, `N` sets the statements of a run (150), `TRIALS` the number of runs (4) from
//! seed `FIRST` (1) on.

#![allow(clippy::indexing_slicing, reason = "a remainder is in its range")]

use std::process::ExitCode;

use testkit::cluster::Cluster;
use testkit::differential::{Case, Mode, check, refusals};
use testkit::harness::{Trial, main as run};
use testkit::workload::smith;
use testkit::{environment, root};

fn main() -> ExitCode {
    let number = |name: &str, default: u64| {
        environment(name)
            .and_then(|v| v.parse().ok())
            .unwrap_or(default)
    };
    let count = usize::try_from(number("N", 150)).unwrap_or(150);
    let first = number("FIRST", 1);
    let seeds = match environment("SEED").and_then(|v| v.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => first..first + number("TRIALS", 4),
    };
    let code = run(seeds.map(|seed| trial(seed, count)).collect());
    for (message, count, example) in refusals() {
        println!("refused {count} times: {message}: {example:.200}");
    }
    code
}

fn trial(seed: u64, count: usize) -> Trial {
    Trial::new(format!("smith::seed_{seed}"), move || {
        let file = root().join("tests/fuzz/smith.sql");
        let text = std::fs::read_to_string(file).map_err(|e| e.to_string())?;
        let mut case = Case::parse(&format!("smith_{seed}"), &text);
        // sqlsmith looks at the tables as they are before the draft.
        let tables = Cluster::shared().create_database("smith");
        tables.run(&case.setup);
        smith::append(&mut case, &tables.url(), seed, count)?;
        let turn = usize::try_from(seed).unwrap_or(0);
        check(&case, &[Mode::ALL[turn % Mode::ALL.len()]], &[])
            .map_err(|why| format!("SEED={seed} N={count}\n{why}"))
    })
}
