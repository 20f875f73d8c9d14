//! `docs/COMPATIBILITY.md` from the scripts that prove it.
//!
//! A script says before `-- script` what it shows (`-- shows: group: this, that`) and in what a
//! draft differs there (`-- differs: what | in a draft | why`). What is refused is read from its
//! statements under `-- expect refused`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::differential::{Case, Expect};

const OPENING: &str = "\
# Compatibility

<!-- Generated from tests/differential: REWRITE=1 cargo test --workspace --test compatibility -->

The differential suite runs the same statements on plain PostgreSQL and in a draft, over the simple
and the extended protocol, in text and binary, on PostgreSQL 14 to 18. It compares rows, column names
and types, origins, command tags, notices and errors, and what is committed with a plain copy. Random
workloads (`crates/testkit/src/workload`) do the same with statements nobody wrote.

Every name below is a script in `tests/differential`: what stands here is what it proves.
";

/// The whole document.
pub fn document(cases: &[Case]) -> String {
    let mut text = OPENING.to_owned();
    same(cases, &mut text);
    differs(cases, &mut text);
    refused(cases, &mut text);
    text
}

fn same(cases: &[Case], text: &mut String) {
    let mut groups: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for case in cases {
        for line in tags(case, "shows") {
            let (group, what) = line.split_once(": ").unwrap_or(("other", line));
            groups.entry(group).or_default().push((what, &case.name));
        }
        let silent = tags(case, "shows")
            .chain(tags(case, "differs"))
            .next()
            .is_none();
        if silent
            && case
                .steps
                .iter()
                .any(|s| !matches!(s.expect, Expect::Refusal(_)))
        {
            groups
                .entry("other")
                .or_default()
                .push((&case.name, &case.name));
        }
    }
    text.push_str("\n## The same as PostgreSQL\n\n| | what | shown by |\n|---|---|---|\n");
    for (group, rows) in groups {
        for (what, name) in rows {
            let _ = writeln!(text, "| {group} | {what} | {name} |");
        }
    }
}

fn differs(cases: &[Case], text: &mut String) {
    text.push_str("\n## Different\n\n| what | in a draft | why | shown by |\n|---|---|---|---|\n");
    for case in cases {
        for line in tags(case, "differs") {
            let _ = writeln!(text, "| {line} | {} |", case.name);
        }
    }
}

fn refused(cases: &[Case], text: &mut String) {
    text.push_str(
        "\n## Refused\n\nWith this SQLSTATE and a hint, before anything runs.\n\n| statement, for example | SQLSTATE | shown by |\n|---|---|---|\n",
    );
    for case in cases {
        for step in &case.steps {
            let Expect::Refusal(code) = &step.expect else {
                continue;
            };
            let line = step.text.split_whitespace().collect::<Vec<_>>().join(" ");
            let mut short: String = line.chars().take(100).collect();
            if short.len() < line.len() {
                short.push('…');
            }
            let _ = writeln!(
                text,
                "| `{}` | {code} | {} |",
                short.replace('|', "\\|"),
                case.name
            );
        }
    }
}

/// What a script says of itself under this word.
fn tags<'a>(case: &'a Case, word: &str) -> impl Iterator<Item = &'a str> {
    let begin = format!("-- {word}: ");
    case.setup
        .lines()
        .filter_map(move |line| line.strip_prefix(&begin).map(str::trim))
}
