//! A test runner for cases that are found at run time: prints as `cargo test` does.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

/// One named case.
pub struct Trial {
    /// What is printed, and what filters look at.
    pub name: String,
    /// Panics or returns text where it fails.
    pub run: Box<dyn FnOnce() -> Result<(), String> + Send>,
}

impl std::fmt::Debug for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trial").field("name", &self.name).finish()
    }
}

impl Trial {
    /// A case of that name.
    pub fn new(
        name: impl Into<String>,
        run: impl FnOnce() -> Result<(), String> + Send + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            run: Box::new(run),
        }
    }
}

/// Runs the cases whose name contains one of the command line's words (and `CASE`, if set),
/// on as many threads as there are processors, and prints a `test result:` line.
pub fn main(trials: Vec<Trial>) -> ExitCode {
    let mut filters: Vec<String> = Vec::new();
    let mut exact = false;
    let mut list = false;
    let mut skip_next = false;
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            _ if skip_next => skip_next = false,
            "--test-threads" | "--format" | "--color" | "--skip" => skip_next = true,
            "--exact" => exact = true,
            "--list" => list = true,
            other if other.starts_with('-') => {}
            other => filters.push(other.to_owned()),
        }
    }
    if let Some(case) = crate::environment("CASE") {
        filters.extend(case.split(',').map(str::to_owned));
    }
    let total = trials.len();
    let chosen: VecDeque<Trial> = trials
        .into_iter()
        .filter(|t| {
            filters.is_empty()
                || filters.iter().any(|f| {
                    if exact {
                        t.name == *f
                    } else {
                        t.name.contains(f.as_str())
                    }
                })
        })
        .collect();
    if list {
        for trial in &chosen {
            println!("{}: test", trial.name);
        }
        return ExitCode::SUCCESS;
    }
    let filtered = total - chosen.len();
    println!("\nrunning {} tests", chosen.len());
    run_all(chosen, filtered)
}

fn run_all(chosen: VecDeque<Trial>, filtered: usize) -> ExitCode {
    // What failed is told at the end; a backtrace for each of many cases hides it.
    std::panic::set_hook(Box::new(|_| {}));
    let begun = Instant::now();
    let total = chosen.len();
    let queue = Mutex::new(chosen);
    let failures: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(total) {
            scope.spawn(|| {
                loop {
                    let Some(trial) = queue.lock().unwrap().pop_front() else {
                        return;
                    };
                    let result = catch_unwind(AssertUnwindSafe(trial.run))
                        .unwrap_or_else(|cause| Err(panic_text(cause.as_ref())));
                    match result {
                        Ok(()) => println!("test {} ... ok", trial.name),
                        Err(why) => {
                            println!("test {} ... FAILED", trial.name);
                            failures.lock().unwrap().push((trial.name, why));
                        }
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    for (name, why) in &failures {
        println!("\n---- {name} ----\n{why}");
    }
    let failed = failures.len();
    println!(
        "\ntest result: {}. {} passed; {failed} failed; 0 ignored; 0 measured; {filtered} filtered out; finished in {:.2}s\n",
        if failed == 0 { "ok" } else { "FAILED" },
        total - failed,
        begun.elapsed().as_secs_f64()
    );
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn panic_text(cause: &(dyn std::any::Any + Send)) -> String {
    cause
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| cause.downcast_ref::<&str>().map(|s| (*s).to_owned()))
        .unwrap_or_else(|| "panicked".to_owned())
}
