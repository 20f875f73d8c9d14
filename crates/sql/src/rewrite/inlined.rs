//! Calls of functions in SQL. One that only reads is a query with parameters: where the session has
//! changed what it reads, the call is written out, as PostgreSQL itself does where it can, with the
//! changed tables merged. Elsewhere it is sent as it stands.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::Range;

use catalog::{Function, FunctionBody, Gives, Relation, quote_identifier as q};
use pg_query::protobuf::Token as Kind;
use report::Report;

use crate::facts::{Call, Source};
use crate::functions::{self, Verdict};
use crate::parse::{Body, Statement, parse};
use crate::plan::Context;
use crate::resolve::{self, Resolved};
use crate::splice::{Edit, Splice};

use super::{Edits, advisory, lost, sequences};

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
        let brackets = arguments(statement, call).ok_or_else(lost)?;
        // no such function, as PostgreSQL says itself
        if brackets.list.len() != body.parameters.len() {
            continue;
        }
        let none = BTreeSet::new();
        let context = inside(context, body, &none);
        let Some(text) = substituted(&context, function, body) else {
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
        let Some(reads) = Edits::of_reads(inner, &context)? else {
            return Ok(false);
        };
        if reads.list.is_empty() {
            continue;
        }
        let mut splice = Splice::new(&inner.text);
        splice.copy_edited(0..inner.text.len(), &reads.list);
        let query = splice.finish().0;
        let what = (call, &brackets, body.as_ref());
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

/// The body with columns of `pgdraft_f` for its parameters; `None` where a name may mean a column.
fn substituted(context: &Context<'_>, function: &Function, body: &FunctionBody) -> Option<String> {
    let text = statement_text(body);
    let script = parse(&text).ok()?;
    let [inner] = script.statements.as_slice() else {
        return None;
    };
    let mut edits = Vec::new();
    for (_, token) in inner.tokens.iter().filter(|(_, t)| t.is(Kind::Param)) {
        let number = inner.text.get(token.start + 1..token.end)?;
        edits.push(Edit::new(
            token.start..token.end,
            format!("pgdraft_f.p{number}"),
        ));
    }
    let named = |name: &String| body.parameters.iter().position(|(n, _)| n == name);
    for column in &inner.facts.columns {
        let place = match column.fields.as_slice() {
            [name] => named(name).filter(|_| !in_block(inner, context, column.block, name)),
            [label, name] if *label == function.name => named(name),
            [label, ..] if named(label).is_some() && !is_label(inner, label) => return None,
            _ => None,
        };
        let Some(place) = place else { continue };
        let clear = match column.fields.as_slice() {
            [name] => is_no_column(inner, context, name),
            _ => !is_label(inner, &function.name),
        };
        if !clear {
            return None;
        }
        let (range, _) = inner.tokens.name_at(column.location)?;
        edits.push(Edit::new(range, format!("pgdraft_f.p{}", place + 1)));
    }
    edits.sort_by_key(|e| e.range.start);
    let mut splice = Splice::new(&inner.text);
    splice.copy_edited(0..inner.text.len(), &edits);
    Some(splice.finish().0)
}

/// The query of RETURN or BEGIN ATOMIC, or the text as it is.
fn statement_text(body: &FunctionBody) -> String {
    let text = body.text.trim();
    if !body.qualified {
        return text.to_owned();
    }
    if let Some(value) = text.strip_prefix("RETURN ") {
        return format!("SELECT {value}");
    }
    let inner = text.strip_prefix("BEGIN ATOMIC");
    let inner = inner.and_then(|t| t.strip_suffix("END"));
    inner.unwrap_or(text).to_owned()
}

fn is_label(inner: &Statement, label: &str) -> bool {
    inner.facts.relations.iter().any(|r| r.label() == label)
}

/// Whether a table of that block has such a column: it comes first then.
fn in_block(inner: &Statement, context: &Context<'_>, block: usize, name: &str) -> bool {
    let mut own = inner.facts.relations.iter().filter(|r| r.block == block);
    own.any(|r| {
        matches!(resolve::resolve(context, r.schema.as_deref(), &r.name),
            Ok(Resolved::Known(relation)) if relation.column(name).is_some())
    })
}

/// Whether no table of the body has such a column, nor anything else that could.
fn is_no_column(inner: &Statement, context: &Context<'_>, name: &str) -> bool {
    let facts = &inner.facts;
    facts.ctes.is_empty()
        && !facts.blocks.iter().any(|b| b.derived)
        && facts.relations.iter().all(|r| {
            matches!(resolve::resolve(context, r.schema.as_deref(), &r.name),
                Ok(Resolved::Known(relation)) if relation.column(name).is_none())
        })
}

/// The arguments of a call.
struct Brackets {
    /// The whole call.
    bytes: Range<usize>,
    /// The tokens of each argument.
    list: Vec<Range<usize>>,
}

fn arguments(statement: &Statement, call: &Call) -> Option<Brackets> {
    let tokens = &statement.tokens;
    let (name, open) = tokens.name_at(call.location)?;
    let depth = tokens.get(open).filter(|t| t.is(Kind::Ascii40))?.depth;
    let close = tokens.find(open + 1..tokens.len(), depth, |_, t| t.is(Kind::Ascii41))?;
    Some(Brackets {
        bytes: name.start..tokens.get(close)?.end,
        list: match close == open + 1 {
            true => Vec::new(),
            false => tokens.split_commas(open + 1..close, depth + 1),
        },
    })
}

/// What stands in the place of a call; `None` where it cannot be written so.
fn call_edit(
    statement: &Statement,
    (call, brackets, body): (&Call, &Brackets, &FunctionBody),
    query: &str,
    edits: &Edits,
) -> Option<Edit> {
    // an aggregate of the call's own query cannot stand in a FROM
    let mut calls = statement.facts.calls.iter();
    let inside = |c: &Call| c.location > call.location && brackets.bytes.contains(&c.location);
    if !call.plain || statement.facts.locking > 0 || calls.any(inside) {
        return None;
    }
    let mut splice = Splice::new(&statement.text);
    let given = |splice: &mut Splice<'_>| {
        parameters(splice, (statement, &brackets.list), body, edits).ok_or_else(lost)
    };
    match (&body.gives, &call.source) {
        (Gives::Value(kind), None) => {
            splice.ours("(SELECT (SELECT CAST(pgdraft_b.v AS ");
            splice.ours(&format!(
                "{kind}) FROM ({query}) AS pgdraft_b(v) LIMIT 1) FROM "
            ));
            given(&mut splice).ok()?;
            splice.ours(")");
            if call.bare {
                splice.ours(&format!(" AS {}", q(&call.name)));
            }
        }
        (Gives::Rows(columns), Some(source)) if source.plain => {
            let label = source.alias.as_deref().unwrap_or(&call.name);
            splice.ours(&rows(statement, (label, source), columns)?);
            given(&mut splice).ok()?;
            // behind the parameters, so that it can name them
            let names: Vec<String> = (0..columns.len()).map(|i| format!("c{i}")).collect();
            let names = names.join(", ");
            splice.ours(&format!(
                " CROSS JOIN LATERAL ({query}) AS pgdraft_b({names}) OFFSET 0)"
            ));
            if source.alias.is_none() {
                splice.ours(&format!(" AS {}", q(label)));
            }
        }
        _ => return None,
    }
    Some(Edit::built(brackets.bytes.clone(), splice))
}

/// `(SELECT CAST(… AS type) AS name, … FROM `.
fn rows(
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

/// `(SELECT CAST((…) AS type) AS p1, …) AS pgdraft_f`: each argument is evaluated once.
fn parameters(
    splice: &mut Splice<'_>,
    (statement, arguments): (&Statement, &[Range<usize>]),
    body: &FunctionBody,
    edits: &Edits,
) -> Option<()> {
    splice.ours("(SELECT * FROM (SELECT ");
    for (i, (argument, (_, kind))) in arguments.iter().zip(&body.parameters).enumerate() {
        splice.ours(if i > 0 { ", CAST((" } else { "CAST((" });
        let bytes = statement.tokens.bytes(argument.clone())?;
        splice.copy_edited(bytes, &edits.list);
        splice.ours(&format!(") AS {kind}) AS p{}", i + 1));
    }
    let given: Vec<String> = (1..=arguments.len())
        .filter(|_| body.strict)
        .map(|i| format!("p.p{i} IS NOT NULL"))
        .collect();
    let given = match given.is_empty() {
        true => String::new(),
        false => format!(" WHERE {}", given.join(" AND ")),
    };
    splice.ours(&format!(") p{given}) AS pgdraft_f"));
    Some(())
}
