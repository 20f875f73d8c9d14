//! Calls of functions in SQL. One that only reads is a query with parameters: where the session has
//! changed what it reads, the call is written out, as PostgreSQL itself does where it can, with the
//! changed tables merged. Elsewhere it is sent as it stands.

use catalog::{
    Function, FunctionBody, Gives, Relation, RelationId, Volatility, quote_identifier as q,
};
use report::Report;

use crate::classify::unsupported;
use crate::facts::{Call, Source};
use crate::functions::{self, Verdict};
use crate::parse::{Body, Statement, parse};
use crate::plan::{Context, Temporary};
use crate::resolve::{self, Resolved};
use crate::splice::{Edit, Splice};
use crate::volatile;

use super::{Edits, advisory, lost, sequences};

mod arguments;
mod body;

use arguments::Arguments;

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
    let calls: Vec<(&Call, &Function, Box<Report>)> = calls
        .filter_map(|call| {
            let function = function(context, call)?;
            let refusal = functions::permit(context, function).err()?;
            Some((call, function, Box::new(refusal)))
        })
        .collect();
    for (call, function, refusal) in calls {
        let Some(body) = &function.body else { continue };
        // else no such function, as PostgreSQL says itself
        let Some(given) = arguments::of(statement, call, body).ok_or_else(lost)? else {
            continue;
        };
        let none = Temporary::new();
        let outer = *context;
        let context = inside(context, body, &none);
        let Some(text) = body::substituted(&context, function, body) else {
            return Err(refusal);
        };
        let script = parse(&text).map_err(|_| refusal.clone())?;
        let [inner] = script.statements.as_slice() else {
            return Err(refusal);
        };
        let astray = !same_names(inner, body, &context);
        if astray || !only_reads(inner) || volatile::unread(&context, &inner.facts.calls) {
            return Err(refusal);
        }
        if functions::check(&context, &inner.facts, true)? == Verdict::Unknown {
            return Ok(false);
        }
        arguments::check_defaults(&context, &given).ok_or_else(|| refusal.clone())?;
        let Some(mut reads) = Edits::of_reads(inner, &context)? else {
            return Ok(false);
        };
        if reads.list.is_empty() {
            continue;
        }
        edits.note(&reads.merged);
        edits.fresh.append(&mut reads.fresh);
        if function.volatility == Volatility::Volatile {
            let read = read(inner, &context, &reads)?;
            let name = |id| (call.name.clone(), id);
            edits.fresh.extend(read.into_iter().map(name));
        }
        qualify(inner, &context, &mut reads)?;
        let mut splice = Splice::new(&inner.text);
        splice.copy_edited(0..inner.text.len(), &reads.list);
        let query = splice.finish().0;
        if !stands_deeper(statement, (&outer, call, &given)) {
            return Err(refusal);
        }
        let call = (call, &given, body.as_ref());
        edits
            .list
            .extend(call_edits(statement, call, &query).ok_or(refusal)?);
    }
    edits.list.sort_by_key(|e| (e.range.start, e.range.end));
    Ok(true)
}

/// What a written out query reads: the changed tables, and `None` for a temporary one.
fn read(
    inner: &Statement,
    context: &Context<'_>,
    reads: &Edits,
) -> Result<Vec<Option<RelationId>>, Box<Report>> {
    let mut read: Vec<Option<RelationId>> = reads.merged.iter().copied().map(Some).collect();
    for r in &inner.facts.relations {
        let found = resolve::resolve(context, r.schema.as_deref(), &r.name)?;
        read.extend(matches!(found, Resolved::Temporary).then_some(None));
    }
    Ok(read)
}

/// The schema before each name of a relation that is read as it stands: where the query comes to stand, a CTE may
/// have that name.
fn qualify(inner: &Statement, context: &Context<'_>, reads: &mut Edits) -> Result<(), Box<Report>> {
    for r in inner.facts.relations.iter().filter(|r| r.schema.is_none()) {
        let schema = match resolve::resolve(context, None, &r.name)? {
            Resolved::Known(relation) => q(&relation.schema),
            Resolved::Temporary => "pg_temp".to_owned(),
            // the client's path may find what the function's does not
            Resolved::Unknown if context.search_path != context.outermost => {
                let message = format!("relation \"{}\" does not exist", r.name);
                return Err(Box::new(Report::error("42P01", message)));
            }
            Resolved::System | Resolved::Unknown => continue,
        };
        if !reads.list.iter().any(|e| e.range.start == r.location) {
            let at = r.location..r.location;
            reads.list.push(Edit::new(at, format!("{schema}.")));
        }
    }
    reads.list.sort_by_key(|e| (e.range.start, e.range.end));
    Ok(())
}

/// Whether the arguments mean the same in a subquery of the place of the call: an aggregate there is one of the
/// query that its columns are of; a set of rows, or a value that is another one for each row, is not.
fn stands_deeper(
    statement: &Statement,
    (context, call, given): (&Context<'_>, &Call, &Arguments),
) -> bool {
    let facts = &statement.facts;
    let mut inside = facts.calls.iter().filter(|c| {
        c.location > call.location
            && given.bytes.contains(&c.location)
            && (c.block == call.block || c.source.is_some())
    });
    inside.all(|c| {
        let meant: Vec<&Function> = functions::candidates(context, c).collect();
        let aggregate = meant.iter().any(|f| f.aggregate);
        let of_columns = || {
            let bytes = arguments::brackets(statement, c).map(|b| b.bytes);
            let mut columns = facts.columns.iter();
            bytes.is_some_and(|bytes| {
                columns.any(|u| u.block == call.block && bytes.contains(&u.location))
            })
        };
        c.plain
            && c.source.is_none()
            && !meant.is_empty()
            && !meant.iter().any(|f| f.rows)
            && !volatile::unread(context, std::slice::from_ref(c))
            && (!aggregate || call.source.is_none() && of_columns())
    })
}

/// Refuses what volatile functions read, where the statement changes it.
///
/// # Errors
/// 0A000 with the name of one.
pub(crate) fn refuse_fresh(
    edits: &Edits,
    changes: impl Fn(Option<RelationId>) -> bool,
) -> Result<(), Box<Report>> {
    let Some((name, _)) = edits.fresh.iter().find(|(_, id)| changes(*id)) else {
        return Ok(());
    };
    Err(Box::new(
        unsupported(&format!("{name}() in a change of what it reads"))
            .detail("It is volatile: each call would have to see what the statement has written before it.")
            .hint("ask for the function to be STABLE; or call it in a query of its own first"),
    ))
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

fn inside<'c>(context: &Context<'c>, body: &'c FunctionBody, none: &'c Temporary) -> Context<'c> {
    let inside = Context {
        expanded: context.expanded + 1,
        in_view: false,
        ..*context
    };
    let (path, temporary) = context
        .client
        .unwrap_or((context.search_path, context.temporary));
    let own = (body.path.as_deref().unwrap_or(path), temporary);
    match body.qualified {
        true => Context {
            client: Some(own),
            ..inside.qualified(none)
        },
        false => Context {
            search_path: own.0,
            temporary,
            client: None,
            ..inside
        },
    }
}

/// Whether the names of a text that its function's own path finds mean the same where the client's path does: both
/// are one, or it is empty, and the client's finds nothing else.
fn same_names(inner: &Statement, body: &FunctionBody, inside: &Context<'_>) -> bool {
    let outermost = inside.outermost;
    let places = looked_in(inside.search_path);
    if body.qualified || places == looked_in(outermost) {
        return true;
    }
    let shows = |f: &Function| f.schema != "pg_catalog" && outermost.contains(&f.schema);
    let unqualified = inner.facts.calls.iter().filter(|c| c.schema.is_none());
    let mut functions = unqualified.filter_map(|c| inside.catalog.functions.get(&c.name));
    let operators = inner.facts.operators.iter();
    let mut operators = operators.filter_map(|o| inside.catalog.operators.get(o));
    let text = inner.text.to_lowercase();
    places.is_empty()
        && !functions.any(|all| all.iter().any(shows))
        && !operators.any(|all| all.iter().any(shows))
        && !["search_path", "current_schema"]
            .iter()
            .any(|word| text.contains(word))
}

/// The schemas of a path but those in which temporary relations and PostgreSQL's own names are found in any case.
fn looked_in(path: &[String]) -> Vec<&String> {
    let places = path.iter().enumerate();
    let places =
        places.filter(|(i, s)| s.as_str() != "pg_temp" && !(*i == 0 && s.as_str() == "pg_catalog"));
    places.map(|(_, s)| s).collect()
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

/// What a call becomes, its arguments staying where they are; `None` where it cannot be written so.
fn call_edits(
    statement: &Statement,
    (call, given, body): (&Call, &Arguments, &FunctionBody),
    query: &str,
) -> Option<Vec<Edit>> {
    if !call.plain || statement.facts.locking > 0 {
        return None;
    }
    let (before, after) = match &call.source {
        Some(source) if source.plain => {
            let label = source.alias.as_deref().unwrap_or(&call.name);
            let head = head(statement, (label, source), &body.gives.columns)?;
            // one that gives no row gives a row of NULLs where it must give one
            let (open, close) = match body.gives.rows {
                true => ("", ""),
                false => (
                    "(VALUES (1)) AS pgdraft_o LEFT JOIN LATERAL (SELECT pgdraft_b.* FROM ",
                    " LIMIT 1) AS pgdraft_b ON true",
                ),
            };
            let name = match source.alias {
                Some(_) => String::new(),
                None => format!(" AS {}", q(label)),
            };
            (format!("{head}{open}"), format!("{close} OFFSET 0){name}"))
        }
        Some(_) => return None,
        None => {
            let value = value(&body.gives)?;
            let (open, close) = match body.gives.rows {
                true => ("pg_catalog.unnest(ARRAY(SELECT ", "))"),
                false => ("(SELECT ", " LIMIT 1)"),
            };
            (format!("{open}{value} FROM "), close.to_owned())
        }
    };
    let (first, last) = rows(body, query);
    let around = (format!("{before}{first}"), format!("{last}{after}"));
    let mut edits = arguments::around(statement, given, body, around)?;
    if call.bare {
        edits.push(Edit::named(&statement.tokens, &given.bytes, &q(&call.name)));
    }
    Some(edits)
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
    if (!own || source.ordinality) && statement.facts.columns.iter().any(whole) {
        return None;
    }
    let items = columns.iter().enumerate().map(|(i, (name, kind))| {
        let name = if name.is_empty() { label } else { name };
        format!("CAST(pgdraft_b.c{i} AS {kind}) AS {}", q(name))
    });
    let mut items: Vec<String> = items.collect();
    if source.ordinality {
        items.push("pg_catalog.row_number() OVER () AS ordinality".to_owned());
    }
    let lateral = if source.lateral { "" } else { "LATERAL " };
    Some(format!("{lateral}(SELECT {} FROM ", items.join(", ")))
}

/// What stands before and behind the parameters, so that the rows that the function gives are those of `pgdraft_b`.
fn rows(body: &FunctionBody, query: &str) -> (String, String) {
    let names = (0..body.gives.columns.len()).map(|i| format!("c{i}"));
    let names: Vec<String> = names.collect();
    let there = (0..body.parameters.len())
        .filter(|_| body.strict)
        .map(|i| format!("p.{} IS NOT NULL", body::column(body, i)));
    let there: Vec<String> = there.collect();
    let there = match there.is_empty() {
        true => String::new(),
        false => format!(" WHERE {}", there.join(" AND ")),
    };
    (
        "(SELECT * FROM (SELECT ".to_owned(),
        format!(
            ") p{there}) AS pgdraft_f CROSS JOIN LATERAL ({query}) AS pgdraft_b({})",
            names.join(", ")
        ),
    )
}
