//! SET CONSTRAINTS: what it says of a base's constraints holds for the triggers of heads that check
//! them in the draft.

use std::collections::BTreeSet;

use catalog::{Relation, RelationId, deferrable_trigger, quote_identifier as q};
use pg_query::protobuf::{RangeVar, Token as Kind};
use report::Report;

use crate::parse::Statement;
use crate::plan::{Context, Effect, Locks, Plan, Relay};
use crate::rewrite::change::mismatch;
use crate::rewrite::edited;
use crate::splice::Edit;

/// The client's own text with the heads' triggers named as well. Tables are drafted first, because a
/// trigger that comes later would not know.
pub(crate) fn plan(
    statement: &Statement,
    names: &[RangeVar],
    context: &Context<'_>,
) -> Result<Plan, Box<Report>> {
    let found: Vec<Found> = names.iter().flat_map(|name| find(context, name)).collect();
    let tables: BTreeSet<RelationId> = found.iter().flat_map(|f| f.tables.clone()).collect();
    let missing: Vec<RelationId> = tables
        .into_iter()
        .filter(|id| context.catalog.head(*id).is_none())
        .collect();
    if !missing.is_empty() {
        return Ok(Plan::NeedsDraft(missing));
    }
    let triggers: BTreeSet<String> = found
        .iter()
        .map(|f| format!(", pgdraft.{}", q(&deferrable_trigger(f.constraint))))
        .collect();
    if triggers.is_empty() {
        return Ok(Plan::Relay(Relay {
            effect: Effect::None,
        }));
    }
    let tokens = &statement.tokens;
    let last = tokens
        .find(0..tokens.len(), 0, |_, t| {
            t.is(Kind::Deferred) || t.is(Kind::Immediate)
        })
        .and_then(|word| tokens.get(word.checked_sub(1)?))
        .ok_or_else(mismatch)?;
    let names: String = triggers.into_iter().collect();
    let edit = Edit::new(last.end..last.end, names);
    Ok(edited(statement, edit, Locks::No))
}

/// A constraint of that name, with the tables whose heads check it.
struct Found {
    constraint: u32,
    tables: Vec<RelationId>,
}

/// All deferrable constraints of a name in the first schema that has one, as PostgreSQL looks for
/// them. Tables that cannot be drafted have no rows to check.
fn find(context: &Context<'_>, name: &RangeVar) -> Vec<Found> {
    let path: Vec<&str> = if name.schemaname.is_empty() {
        context.search_path.iter().map(String::as_str).collect()
    } else {
        vec![name.schemaname.as_str()]
    };
    path.into_iter()
        .map(|schema| in_schema(context, schema, &name.relname))
        .find(|found| !found.is_empty())
        .unwrap_or_default()
}

fn in_schema(context: &Context<'_>, schema: &str, name: &str) -> Vec<Found> {
    let ids = context.catalog.names.get(schema).into_iter().flatten();
    let relations = ids.filter_map(|(_, id)| context.catalog.relations.get(id));
    relations
        .filter(|r| crate::resolve::refusal(r).is_none() && r.partition.is_none())
        .flat_map(|relation| of_relation(context, relation, name))
        .collect()
}

fn of_relation(context: &Context<'_>, relation: &Relation, name: &str) -> Vec<Found> {
    // the key that tells rows apart is looked at at once, by no trigger
    let own = relation.key().map(|key| &key.name);
    let keys = relation.primary_key.iter().chain(&relation.unique);
    let keys = keys.chain(&relation.exclusions);
    let keys = keys.filter(|k| k.name == name && Some(&k.name) != own);
    let keys = keys.filter_map(|key| {
        Some(Found {
            constraint: key.deferrable?,
            tables: vec![relation.id],
        })
    });
    let parent = |id: &RelationId| {
        let parent = context.catalog.relations.get(id);
        parent.is_some_and(|p| crate::resolve::refusal(p).is_none())
    };
    let references = relation.foreign_keys.iter().filter(|k| k.name == name);
    let references = references.filter(|key| key.deferrable).map(|key| Found {
        constraint: key.id,
        tables: [key.child, key.parent]
            .into_iter()
            .filter(|id| parent(id))
            .collect(),
    });
    keys.chain(references).collect()
}
