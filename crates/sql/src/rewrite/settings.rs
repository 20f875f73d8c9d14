//! `set_config` of a name that only the server knows, or that means a setting of ours:
//! `pgdraft.set_config` looks at it there.

use report::Report;

use crate::facts::Call;
use crate::parse::Statement;
use crate::splice::Edit;

use super::{lost, security};

/// Whether a call sets a setting whose name the text does not tell, or one that is ours instead.
fn is_computed(call: &Call) -> bool {
    call.name == "set_config"
        && call
            .first_constant
            .as_deref()
            .is_none_or(|name| name.eq_ignore_ascii_case(security::RESTRICT))
        && matches!(call.schema.as_deref(), None | Some("pg_catalog"))
}

/// Whether a statement calls one of them.
pub(crate) fn computed(statement: &Statement) -> bool {
    statement.facts.calls.iter().any(is_computed)
}

/// Their names, in schema `pgdraft`.
pub(crate) fn edits(statement: &Statement) -> Result<Vec<Edit>, Box<Report>> {
    let calls = statement.facts.calls.iter().filter(|c| is_computed(c));
    calls
        .map(|call| {
            let (name, _) = statement.tokens.name_at(call.location).ok_or_else(lost)?;
            Ok(Edit::new(name, "pgdraft.set_config"))
        })
        .collect()
}
