//! A client's advisory locks are its session's own: `pg_advisory_lock(1)` becomes
//! `pgdraft.pg_advisory_lock(1)`, which locks a key that only this session can have. So no agent
//! can take a lock that production, another agent or pgdraft waits for.

use report::Report;

use crate::facts::Call;
use crate::parse::Statement;
use crate::splice::Edit;

use super::lost;

/// Whether a call takes or gives back one advisory lock.
fn is_lock(call: &Call) -> bool {
    let name = call.name.strip_prefix("pg_").unwrap_or_default();
    let name = name.strip_prefix("try_").unwrap_or(name);
    name.starts_with("advisory_")
        && name != "advisory_unlock_all"
        && matches!(call.schema.as_deref(), None | Some("pg_catalog"))
}

/// Whether a statement calls one of them.
pub(crate) fn locks(statement: &Statement) -> bool {
    statement.facts.calls.iter().any(is_lock)
}

/// Their names, in schema `pgdraft`.
pub(crate) fn edits(statement: &Statement) -> Result<Vec<Edit>, Box<Report>> {
    let calls = statement.facts.calls.iter().filter(|call| is_lock(call));
    calls
        .map(|call| {
            let (name, _) = statement.tokens.name_at(call.location).ok_or_else(lost)?;
            Ok(Edit::new(name, format!("pgdraft.{}", call.name)))
        })
        .collect()
}
