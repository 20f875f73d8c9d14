//! Sequences. A draft draws from production's own, so that its rows keep their numbers at the commit.
//! A session that restarted or set one has its own in its place (`pgdraft.sequences`), and its calls
//! go to functions of schema `pgdraft` that know which.

use catalog::{RelationKind, quote_literal};
use pg_query::protobuf::Token as Kind;
use report::Report;

use crate::classify::unsupported;
use crate::facts::Call;
use crate::parse::{Body, Statement};
use crate::plan::{Context, Doubled, Plan, Rewritten, Verb, Write};
use crate::resolve::{self, Resolved};
use crate::splice::Edit;

use super::{change, lost, table_edit};

fn is_call(call: &Call, names: &[&str]) -> bool {
    names.contains(&call.name.as_str())
        && matches!(call.schema.as_deref(), None | Some("pg_catalog"))
}

/// Whether a call sets a sequence.
pub(crate) fn is_setval(call: &Call) -> bool {
    is_call(call, &["setval"])
}

/// Whether a statement sets a sequence.
pub(crate) fn sets(statement: &Statement) -> bool {
    statement.facts.calls.iter().any(is_setval)
}

/// Whether it draws from one, or asks what was drawn.
fn draws(statement: &Statement) -> bool {
    let drawing = ["nextval", "currval", "lastval", "setval"];
    let calls = &statement.facts.calls;
    calls.iter().any(|call| is_call(call, &drawing))
}

/// The names of its calls, in schema `pgdraft`, and the sequences that it reads as tables.
pub(crate) fn edits(
    statement: &Statement,
    context: &Context<'_>,
) -> Result<Vec<Edit>, Box<Report>> {
    let own = context.draft.sequences;
    let names: &[&str] = if own {
        &["nextval", "currval", "lastval", "setval"]
    } else {
        &["setval"]
    };
    let calls = statement.facts.calls.iter().filter(|c| is_call(c, names));
    let mut edits = calls
        .map(|call| {
            let (name, _) = statement.tokens.name_at(call.location).ok_or_else(lost)?;
            Ok(Edit::new(name, format!("pgdraft.{}", call.name)))
        })
        .collect::<Result<Vec<_>, Box<Report>>>()?;
    let read = statement.facts.relations.iter().filter(|_| own);
    for reference in read {
        let found = resolve::resolve(context, reference.schema.as_deref(), &reference.name)?;
        let Resolved::Known(relation) = found else {
            continue;
        };
        if relation.kind == RelationKind::Sequence {
            let name = quote_literal(&relation.qualified());
            let body = format!("(SELECT * FROM pgdraft.sequence({name}))");
            edits.push(table_edit(statement, reference, &body)?);
        }
    }
    Ok(edits)
}

/// A query that sets a sequence changes the draft.
pub(crate) fn set(statement: &Statement, plan: Plan) -> Result<Plan, Box<Report>> {
    let rewritten = match plan {
        Plan::Read(read) => Rewritten::clone(&read),
        other => return Ok(other),
    };
    let facts = &statement.facts;
    let explained = statement.tokens.get(0).is_some_and(|t| t.is(Kind::Explain));
    if explained || facts.cursor.is_some() || facts.into || facts.locking > 0 {
        return Err(refused());
    }
    Ok(Plan::Write(std::sync::Arc::new(Write {
        reads: rewritten.merged.clone(),
        rewritten,
        changes: Vec::new(),
        verb: Verb::Select,
        redacted: change::redact(&statement.text),
        returning: true,
        doubled: Doubled::Same,
        counted: false,
        sequences: true,
    })))
}

/// Refuses calls where they cannot be given another name.
pub(crate) fn check(statement: &Statement, context: &Context<'_>) -> Result<(), Box<Report>> {
    match statement.body {
        Body::Execute(_) if context.draft.sequences && draws(statement) => Err(Box::new(
            unsupported("a sequence among the parameters of EXECUTE")
                .detail("This session has restarted or set sequences, which are its own now.")
                .hint("draw from it by a statement of its own"),
        )),
        Body::Query | Body::Change(_) | Body::Prepare(_) | Body::Explain(_) | Body::Copied(_) => {
            Ok(())
        }
        _ if sets(statement) => Err(refused()),
        _ => Ok(()),
    }
}

fn refused() -> Box<Report> {
    Box::new(
        unsupported("setval in such a statement")
            .detail("A draft sets a sequence of its own, by a statement that changes it.")
            .hint("call setval in a SELECT of its own"),
    )
}
