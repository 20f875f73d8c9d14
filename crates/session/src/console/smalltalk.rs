//! What drivers and tools ask on every connection, answered without a server.

use std::sync::Arc;

use crate::api::{Answer, AnswerColumn};
use crate::shared::Shared;

use super::Asked;

/// Settings reported at connect and by SHOW.
pub(super) fn settings(shared: &Shared) -> [(&'static str, String); 8] {
    [
        ("server_version", server_version(shared)),
        ("server_encoding", "UTF8".to_owned()),
        ("client_encoding", "UTF8".to_owned()),
        ("standard_conforming_strings", "on".to_owned()),
        ("DateStyle", "ISO, MDY".to_owned()),
        ("TimeZone", "UTC".to_owned()),
        ("integer_datetimes", "on".to_owned()),
        ("is_superuser", "off".to_owned()),
    ]
}

/// `15.18` for 150018.
fn server_version(shared: &Shared) -> String {
    let number = shared.control.catalog().server_version;
    format!("{}.{}", number / 10_000, number % 10_000)
}

/// The statements of a text; no string or comment of what is understood here has a semicolon in it.
pub(super) fn split(text: &str) -> Vec<String> {
    text.split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(ToOwned::to_owned)
        .collect()
}

/// The answer to small talk; `None` for everything else.
pub(super) fn asked(text: &str, shared: &Shared, session: Option<&str>) -> Option<Asked> {
    let text = text.trim().trim_end_matches(';').trim_end();
    if text.contains(';') {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    Some(match words.as_slice() {
        [] => Asked::Empty,
        ["begin", ..] | ["start", "transaction", ..] => Asked::Begin,
        ["commit" | "end"] | ["commit" | "end", "work" | "transaction"] => Asked::End("COMMIT"),
        ["rollback" | "abort"] | ["rollback" | "abort", "work" | "transaction"] => {
            Asked::End("ROLLBACK")
        }
        ["set", ..] => tag("SET"),
        ["reset", ..] => tag("RESET"),
        ["discard", "all"] => tag("DISCARD ALL"),
        ["deallocate", "all"] => tag("DEALLOCATE ALL"),
        ["show", "transaction", "isolation", "level"] => {
            row("transaction_isolation", "read committed", "SHOW", 25)
        }
        ["show", name] => show(name, shared, session)?,
        ["select", "1"] => row("?column?", "1", "SELECT 1", 23),
        ["select", "version()" | "pg_catalog.version()"] => {
            let version = format!(
                "PostgreSQL {} (pgdraft admin console)",
                server_version(shared)
            );
            row("version", &version, "SELECT 1", 25)
        }
        ["select", "current_schema()"] => row("current_schema", "public", "SELECT 1", 25),
        [
            "select",
            "current_database()" | "pg_catalog.current_database()",
        ] => row(
            "current_database",
            crate::ids::CONSOLE_DATABASE,
            "SELECT 1",
            25,
        ),
        _ => return None,
    })
}

fn show(name: &str, shared: &Shared, session: Option<&str>) -> Option<Asked> {
    if name == "pgdraft.session" {
        return Some(row(name, session.unwrap_or_default(), "SHOW", 25));
    }
    let (known, value) = settings(shared)
        .into_iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some(row(known, &value, "SHOW", 25))
}

fn tag(tag: &str) -> Asked {
    Asked::Small(Arc::new(Answer {
        tag: tag.to_owned(),
        ..Answer::default()
    }))
}

fn row(name: &str, value: &str, tag: &str, type_id: u32) -> Asked {
    Asked::Small(Arc::new(Answer {
        columns: vec![AnswerColumn {
            name: name.to_owned(),
            type_id,
        }],
        rows: vec![vec![Some(value.to_owned())]],
        tag: tag.to_owned(),
        notices: Vec::new(),
    }))
}
