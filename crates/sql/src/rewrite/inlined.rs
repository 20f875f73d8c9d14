//! Calls of functions in SQL. One that only reads is a query with parameters: where the session has
//! changed what it reads, the call is written out, as PostgreSQL itself does where it can, with the
//! changed tables merged. Elsewhere it is sent as it stands.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use catalog::{Function, FunctionBody, Gives, Relation, quote_identifier as q};
use report::Report;

use crate::facts::{Call, Source};
use crate::functions::{self, Verdict};
use crate::parse::{Body, Statement, parse};
use crate::plan::Context;
use crate::resolve::{self, Resolved};
use crate::splice::{Edit, Splice};

use super::{Edits, advisory, lost, sequences};

mod arguments;
mod body;

use arguments::{Argument, Arguments};

/// Functions that call functions, so deep.
const DEPTH_MAX: usize = 8;

/// The function that a call means, where its body is known and no other one can be meant.
pub(crate) fn function<'c>(context: &Context<'c>, call: &Call) -> Option<&'c Function> {
    let named = context.catalog.functions.get(&call.name)?.iter();
    let mut reachable = named.filter(|f| match &call.schema {
        Some(schema) => f.schema == *schema,
        None => f.schema == "pg_catalog" || context.search_path.contains(&f.schema),
    });
    let only = reachable.next()?;
    let one = reachable.next().is_none() && functions::permit_types(context, only).is_ok();
    (one && only.body.is_some() && context.expanded < DEPTH_MAX).then_some(only)
}

/// Writes out the calls that have to be; false: refresh the catalog.
///
/// # Errors
/// What [`functions::permit`] says of a function that is not understood.
pub(crate) fn write_out(
    statement: &Statement,
    context: &Context<'_>,
    edits: &mut Edits,
) -> Result<bool, Box<Report>> {
    let calls = statement.facts.calls.iter();
    let mut calls: Vec<(&Call, &Function, Box<Report>)> = calls
        .filter_map(|call| {
            let function = function(context, call)?;
            let refusal = functions::permit(context, function).err()?;
            Some((call, function, Box::new(refusal)))
        })
        .collect();
    // arguments may hold other calls
    calls.sort_by_key(|(call, ..)| Reverse(call.location));
    for (call, function, refusal) in calls {
        let Some(body) = &function.body else { continue };
        // else no such function, as PostgreSQL says itself
        let Some(given) = arguments::of(statement, call, body).ok_or_else(lost)? else {
            continue;
        };
        let none = BTreeSet::new();
        let context = inside(context, body, &none);
        let Some(text) = body::substituted(&context, function, body) else {
            return Err(refusal);
        };
        let script = parse(&text).map_err(|_| refusal.clone())?;
        let [inner] = script.statements.as_slice() else {
            return Err(refusal);
        };
        if !only_reads(inner) {
            return Err(refusal);
        }
        if functions::check(&context, &inner.facts, true)? == Verdict::Unknown {
            return Ok(false);
        }
        arguments::check_defaults(&context, &given).ok_or_else(|| refusal.clone())?;
        let Some(reads) = Edits::of_reads(inner, &context)? else {
            return Ok(false);
        };
        if reads.list.is_empty() {
            continue;
        }
        let mut splice = Splice::new(&inner.text);
        splice.copy_edited(0..inner.text.len(), &reads.list);
        let query = splice.finish().0;
        let what = (call, &given, body.as_ref());
        let edit = call_edit(statement, what, &query, edits).ok_or(refusal)?;
        edits.list.retain(|other| {
            other.range.start < edit.range.start || other.range.end > edit.range.end
        });
        edits.list.push(edit);
        edits.list.sort_by_key(|e| (e.range.start, e.range.end));
        edits.note(&reads.merged);
    }
    Ok(true)
}

/// That each function which a view calls, and which may not run as it is, is called by its name in the view's
/// text or in that of a view behind it: an operator or a cast would call it unseen.
///
/// # Errors
/// What [`functions::permit`] says of one that is not.
pub(crate) fn all_named(
    text: &Statement,
    view: &Relation,
    inside: &Context<'_>,
) -> Result<(), Report> {
    let calls = view.view.iter().flat_map(|v| &v.functions);
    for called in calls {
        let Err(refusal) = functions::permit(inside, called) else {
            continue;
        };
        let mut named = text.facts.calls.iter();
        if named.any(|call| function(inside, call) == Some(called)) {
            continue;
        }
        let mut behind = text.facts.relations.iter();
        let behind = behind.any(|r| {
            let found = resolve::resolve(inside, r.schema.as_deref(), &r.name);
            matches!(found, Ok(Resolved::Known(next))
                if next.view.as_ref().is_some_and(|v| v.functions.contains(called)))
        });
        if !behind {
            return Err(refusal);
        }
    }
    Ok(())
}

fn inside<'c>(
    context: &Context<'c>,
    body: &FunctionBody,
    none: &'c BTreeSet<String>,
) -> Context<'c> {
    let inside = Context {
        expanded: context.expanded + 1,
        in_view: false,
        ..*context
    };
    match (body.qualified, context.client) {
        (true, _) => inside.qualified(none),
        (false, Some((search_path, temporary))) => Context {
            search_path,
            temporary,
            client: None,
            ..inside
        },
        (false, None) => inside,
    }
}

/// A query without an effect on the connection.
fn only_reads(inner: &Statement) -> bool {
    let facts = &inner.facts;
    matches!(inner.body, Body::Query)
        && facts.parts.is_empty()
        && facts.locking == 0
        && facts.cursor.is_none()
        && !facts.into
        && !sequences::sets(inner)
        && !advisory::locks(inner)
        && !facts.calls.iter().any(|c| c.name == "set_config")
}

/// What stands in the place of a call; `None` where it cannot be written so.
fn call_edit(
    statement: &Statement,
    (call, given, body): (&Call, &Arguments, &FunctionBody),
    query: &str,
    edits: &Edits,
) -> Option<Edit> {
    // an aggregate of the call's own query cannot stand in a FROM
    let mut calls = statement.facts.calls.iter();
    let inside = |c: &Call| c.location > call.location && given.bytes.contains(&c.location);
    if !call.plain || statement.facts.locking > 0 || calls.any(inside) {
        return None;
    }
    let mut splice = Splice::new(&statement.text);
    match &call.source {
        Some(source) if source.plain => {
            let label = source.alias.as_deref().unwrap_or(&call.name);
            splice.ours(&head(statement, (label, source), &body.gives.columns)?);
            // one that gives no row gives a row of NULLs where it must give one
            if !body.gives.rows {
                splice
                    .ours("(VALUES (1)) AS pgdraft_o LEFT JOIN LATERAL (SELECT pgdraft_b.* FROM ");
            }
            rows(&mut splice, (statement, given, body), query, edits)?;
            if !body.gives.rows {
                splice.ours(" LIMIT 1) AS pgdraft_b ON true");
            }
            splice.ours(" OFFSET 0)");
            if source.alias.is_none() {
                splice.ours(&format!(" AS {}", q(label)));
            }
        }
        Some(_) => return None,
        None => {
            let value = value(&body.gives)?;
            splice.ours(if body.gives.rows {
                "pg_catalog.unnest(ARRAY(SELECT "
            } else {
                "(SELECT "
            });
            splice.ours(&format!("{value} FROM "));
            rows(&mut splice, (statement, given, body), query, edits)?;
            splice.ours(if body.gives.rows { "))" } else { " LIMIT 1)" });
            if call.bare {
                splice.ours(&format!(" AS {}", q(&call.name)));
            }
        }
    }
    Some(Edit::built(given.bytes.clone(), splice))
}

/// What a row of `pgdraft_b` is as a value; `None` where it is none by itself.
fn value(gives: &Gives) -> Option<String> {
    let kind = gives.kind.as_ref()?;
    if gives.composite {
        let columns = gives.columns.iter().enumerate();
        let columns: Vec<String> = columns
            .map(|(i, (_, kind))| format!("CAST(pgdraft_b.c{i} AS {kind})"))
            .collect();
        return Some(format!("CAST(ROW({}) AS {kind})", columns.join(", ")));
    }
    // an array of arrays is one array
    let is_set_of_arrays = gives.rows && kind.ends_with(']');
    (!is_set_of_arrays).then(|| format!("CAST(pgdraft_b.c0 AS {kind})"))
}

/// `(SELECT CAST(… AS type) AS name, … FROM `.
fn head(
    statement: &Statement,
    (label, source): (&str, &Source),
    columns: &[(String, String)],
) -> Option<String> {
    let own = columns.iter().any(|(name, _)| name.is_empty());
    let whole = |c: &crate::facts::ColumnUse| c.fields.as_slice() == [label];
    // the whole row would be some record
    if !own && statement.facts.columns.iter().any(whole) {
        return None;
    }
    let items = columns.iter().enumerate().map(|(i, (name, kind))| {
        let name = if name.is_empty() { label } else { name };
        format!("CAST(pgdraft_b.c{i} AS {kind}) AS {}", q(name))
    });
    let items: Vec<String> = items.collect();
    let lateral = if source.lateral { "" } else { "LATERAL " };
    Some(format!("{lateral}(SELECT {} FROM ", items.join(", ")))
}

/// The rows that the function gives, `pgdraft_b`, behind its parameters, so that its query can name them.
fn rows(
    splice: &mut Splice<'_>,
    (statement, given, body): (&Statement, &Arguments, &FunctionBody),
    query: &str,
    edits: &Edits,
) -> Option<()> {
    parameters(splice, (statement, given, body), edits)?;
    let names: Vec<String> = (0..body.gives.columns.len())
        .map(|i| format!("c{i}"))
        .collect();
    let names = names.join(", ");
    splice.ours(&format!(
        " CROSS JOIN LATERAL ({query}) AS pgdraft_b({names})"
    ));
    Some(())
}

/// `(SELECT CAST((…) AS type) AS name, …) AS pgdraft_f`: each argument is evaluated once.
fn parameters(
    splice: &mut Splice<'_>,
    (statement, given, body): (&Statement, &Arguments, &FunctionBody),
    edits: &Edits,
) -> Option<()> {
    splice.ours("(SELECT * FROM (SELECT ");
    for (i, (argument, (_, kind))) in given.list.iter().zip(&body.parameters).enumerate() {
        splice.ours(if i > 0 { ", CAST((" } else { "CAST((" });
        match argument {
            Argument::Given(tokens) => {
                let bytes = statement.tokens.bytes(tokens.clone())?;
                splice.copy_edited(bytes, &edits.list);
            }
            Argument::Default(text) => splice.ours(text),
        }
        splice.ours(&format!(") AS {kind}) AS {}", body::column(body, i)));
    }
    let there: Vec<String> = (0..given.list.len())
        .filter(|_| body.strict)
        .map(|i| format!("p.{} IS NOT NULL", body::column(body, i)))
        .collect();
    let there = match there.is_empty() {
        true => String::new(),
        false => format!(" WHERE {}", there.join(" AND ")),
    };
    splice.ours(&format!(") p{there}) AS pgdraft_f"));
    Some(())
}
