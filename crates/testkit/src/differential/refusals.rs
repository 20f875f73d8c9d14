//! What pgdraft refused of statements that it may refuse, by message.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::case::Step;
use super::lane::Outcome;

static SEEN: Mutex<BTreeMap<String, (usize, String)>> = Mutex::new(BTreeMap::new());

/// Whether the first answer is a refusal; it is counted then.
pub(super) fn note(step: &Step, outcome: &Outcome) -> bool {
    let Some(failure) = outcome.0.iter().find_map(|e| e.error()) else {
        return false;
    };
    // PostgreSQL itself says 0A000 too; every refusal of pgdraft's own has a hint.
    if failure.code() != "0A000" || failure.field('H').is_empty() {
        return false;
    }
    if let Ok(mut seen) = SEEN.lock() {
        let example = || (0, step.text.chars().take(300).collect());
        seen.entry(without_names(failure.message()))
            .or_insert_with(example)
            .0 += 1;
    }
    true
}

/// All refusals so far with their number and the first statement, the most frequent first.
pub fn told() -> Vec<(String, usize, String)> {
    let seen = SEEN.lock().map(|s| s.clone()).unwrap_or_default();
    let mut all: Vec<_> = seen
        .into_iter()
        .map(|(message, (count, example))| (message, count, example))
        .collect();
    all.sort_by_key(|(message, count, _)| (std::cmp::Reverse(*count), message.clone()));
    all
}

/// What stands in quotes is of one statement only.
fn without_names(message: &str) -> String {
    message
        .split('"')
        .enumerate()
        .map(|(n, part)| if n % 2 == 0 { part } else { "…" })
        .collect::<Vec<_>>()
        .join("\"")
}
