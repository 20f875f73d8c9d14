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

/// What `pg_dump` forbids itself, lest a view runs a function: views and foreign tables. A draft's rows
/// are found through a view of ours, so the client's setting is one of ours too.
pub(crate) const RESTRICT: &str = "restrict_nonsystem_relation_kind";

/// SET and RESET of it; `None` for another setting, and for a value that PostgreSQL refuses.
pub(crate) fn set(statement: &Statement, setting: &Setting) -> Option<Plan> {
    if setting.name == RESTRICT && !setting.all {
        return restrict(statement, setting);
    }
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

fn restrict(statement: &Statement, setting: &Setting) -> Option<Plan> {
    if statement.tokens.get(0).is_some_and(|t| t.is(Kind::Reset)) {
        return Some(instead(format!("RESET pgdraft.{RESTRICT}")));
    }
    let scope = if setting.local { "LOCAL " } else { "" };
    let value = setting.value.as_deref().unwrap_or_default();
    let mut kinds = value.split(',').map(str::trim);
    // PostgreSQL says what is wrong with any other
    kinds
        .all(|kind| ["", "view", "foreign-table"].contains(&kind.to_ascii_lowercase().as_str()))
        .then(|| instead(format!("SET {scope}pgdraft.{RESTRICT} TO '{value}'")))
}

/// SHOW of it.
pub(crate) fn show() -> Plan {
    instead(format!("SHOW {OURS}"))
}

/// Whether a setting stands for one of the client's.
pub(crate) fn is_ours(name: &str) -> bool {
    name == OURS || name.strip_prefix("pgdraft.") == Some(RESTRICT)
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
