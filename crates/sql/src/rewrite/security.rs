//! `row_security`: `pg_dump` turns it off, and then every read of a draft would fail, because drafts
//! are kept apart by row-level security. So the client's setting is one of ours, which SET, RESET and
//! SHOW mean instead, and the server's stays on.

use std::sync::Arc;

use pg_query::protobuf::Token as Kind;

use crate::parse::{Setting, Statement};
use crate::plan::{Effect, Locks, Plan, PositionMap, Rewritten};

/// The client's name for it.
pub(crate) const NAME: &str = "row_security";

/// Ours.
pub(crate) const OURS: &str = "pgdraft.row_security";

/// SET and RESET of it; `None` for another setting, and for a value that PostgreSQL refuses.
pub(crate) fn set(statement: &Statement, setting: &Setting) -> Option<Plan> {
    if setting.name != NAME {
        return None;
    }
    if statement.tokens.get(0).is_some_and(|t| t.is(Kind::Reset)) {
        return Some(instead(format!("RESET {OURS}")));
    }
    let scope = if setting.local { "LOCAL " } else { "" };
    let value = match &setting.value {
        None => "DEFAULT",
        Some(value) if boolean(value)? => "on",
        Some(_) => "off",
    };
    Some(instead(format!("SET {scope}{OURS} TO {value}")))
}

/// SHOW of it.
pub(crate) fn show() -> Plan {
    instead(format!("SHOW {OURS}"))
}

fn instead(text: String) -> Plan {
    Plan::Read(Arc::new(Rewritten {
        text,
        positions: PositionMap::default(),
        merged: Vec::new(),
        effect: Effect::None,
        locks: Locks::No,
    }))
}

/// As PostgreSQL reads a boolean: any prefix that is no prefix of the opposite.
pub fn boolean(value: &str) -> Option<bool> {
    let value = value.to_ascii_lowercase();
    let is = |word: &str, least: usize| value.len() >= least && word.starts_with(&value);
    if is("true", 1) || is("yes", 1) || is("on", 2) || value == "1" {
        Some(true)
    } else if is("false", 1) || is("no", 1) || is("off", 2) || value == "0" {
        Some(false)
    } else {
        None
    }
}
