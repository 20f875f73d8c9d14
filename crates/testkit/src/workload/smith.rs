//! Queries and changes from sqlsmith, a generator that knows nothing of us: it reads the catalog of
//! a database and combines its tables, functions and operators at random
//! (<https://github.com/anse1/sqlsmith>; Debian's package `sqlsmith`).

use std::process::Command;

use crate::differential::{Case, Errors, Expect, Order, Step};

/// Parts of the names of functions whose answers differ from one connection or moment to the next or
/// that act on the server, and of types that nothing can be called with.
const MOODY: [&str; 26] = [
    "anymultirange",
    "random",
    "uuid",
    "clock_timestamp",
    "timeofday",
    "txid",
    "pg_current_xact_id",
    "pg_current_snapshot",
    "backend_pid",
    "inet_client",
    "inet_server",
    "pg_stat",
    "pg_backend",
    "temp_schema",
    "lastval",
    "nextval",
    "wal",
    "replication",
    "recovery",
    "pg_sleep",
    "lock",
    "call_handler",
    "pg_rotate",
    "pg_reload",
    "lo_",
    "_privilege",
];

/// Appends about `count` statements to a case, each in a transaction of its own that is rolled back.
///
/// # Errors
/// Where sqlsmith is not installed or gives nothing.
pub fn append(case: &mut Case, url: &str, seed: u64, count: usize) -> Result<(), String> {
    let output = Command::new("sqlsmith")
        .arg(format!("--target={url}"))
        .args(["--dry-run", "--exclude-catalog"])
        .arg(format!("--seed={seed}"))
        .arg(format!("--max-queries={count}"))
        .output()
        .map_err(|e| format!("sqlsmith: {e}; tests/setup.sh installs it"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let statements: Vec<String> = text
        .split(";\n")
        .map(repeatable)
        .filter(|s| !s.is_empty() && !MOODY.iter().any(|word| s.contains(word)))
        .collect();
    if statements.is_empty() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    case.steps
        .push(Step::new(0, "SET statement_timeout = '20s'"));
    for statement in statements {
        case.steps.push(Step::new(0, "BEGIN"));
        let mut step = Step::new(0, &statement);
        step.expect = Expect::AnyOrRefusal;
        step.errors = Errors::Data;
        // The ORDER BY of a subquery is none of the result.
        step.order = Order::Unordered;
        // Where the order of rows decides what a window, a number or a moment is.
        step.values = ![" over ", "current_", "now(", "_timestamp(", "ctid"]
            .iter()
            .any(|word| statement.contains(word));
        case.steps.push(step);
        case.steps.push(Step::new(0, "ROLLBACK"));
    }
    Ok(())
}

/// The statement in one line, without samples; a row taken by its number is taken in an order, and no
/// other LIMIT cuts rows off.
fn repeatable(statement: &str) -> String {
    let mut words = statement.split_whitespace().peekable();
    let mut out = String::with_capacity(statement.len());
    while let Some(word) = words.next() {
        let kept = match word {
            "tablesample" => {
                words.next();
                let size = words.next().unwrap_or_default();
                size.split_once(')').map_or("", |(_, rest)| rest).to_owned()
            }
            "limit" => {
                let number = words.next().unwrap_or_default();
                if words.peek() == Some(&"offset") {
                    format!("order by 1 limit {number}")
                } else {
                    number
                        .trim_start_matches(|c: char| c.is_ascii_digit())
                        .to_owned()
                }
            }
            other => other.to_owned(),
        };
        if !kept.is_empty() {
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(&kept);
        }
    }
    out
}
