//! What a function's own text says that it may do.
//!
//! A function in SQL or PL/pgSQL can do what the words of its text can say. One that has no word for
//! writing, nothing that is put together as it runs, no name of a table that the session has changed, and
//! calls only what may be called, gives in a draft what it gives without one. The text is not understood:
//! any doubt is a no.

use std::collections::{HashMap, HashSet};

use catalog::{Catalog, Function, Relation, RelationId};

use crate::functions;
use crate::plan::Context;
use crate::resolve;

/// Words that write, that change the connection, or whose meaning is only known as the function runs.
const ACTS: [&str; 34] = [
    "temp",
    "temporary",
    "insert",
    "update",
    "delete",
    "merge",
    "truncate",
    "copy",
    "create",
    "alter",
    "drop",
    "grant",
    "revoke",
    "execute",
    "prepare",
    "call",
    "do",
    "lock",
    "notify",
    "listen",
    "unlisten",
    "set",
    "reset",
    "discard",
    "import",
    "refresh",
    "reindex",
    "cluster",
    "vacuum",
    "analyze",
    "comment",
    "security",
    "nextval",
    "setval",
];

/// Functions that are the session's own in a draft, or change the connection.
const OWN: [&str; 5] = ["currval", "lastval", "set_config", "dblink", "refcursor"];

/// Functions called by functions, so deep.
const DEPTH_MAX: usize = 8;

/// Whether a function reads nothing that the session has changed, and writes nothing.
pub(crate) fn is_quiet(context: &Context<'_>, function: &Function) -> bool {
    let mut known = Known::new();
    quiet(context, function, (DEPTH_MAX, &mut known))
}

/// Whether a function that may be IMMUTABLE by its own word alone, or one that it calls, names what the session has
/// changed.
pub(crate) fn is_lying(context: &Context<'_>, function: &Function) -> bool {
    let mut seen = HashSet::new();
    let mut todo = vec![function];
    while let Some(function) = todo.pop() {
        let Some(source) = &function.source else {
            continue;
        };
        if !seen.insert(std::ptr::from_ref(function)) {
            continue;
        }
        let text = source.to_lowercase();
        // a table is read behind one of these words; elsewhere its name is a type's or a parameter's
        let reads = words(&text).any(|word| matches!(word, "from" | "table"));
        if reads && names_changed(context, &text) {
            return true;
        }
        let called = words(&text).filter_map(|word| context.catalog.functions.get(word));
        todo.extend(called.flatten());
    }
    false
}

/// What was found of each function at each depth: functions that call each other would be looked at along
/// every way from one to another.
type Known = HashMap<(*const Function, usize), bool>;

fn quiet(context: &Context<'_>, function: &Function, (depth, known): (usize, &mut Known)) -> bool {
    let place = (std::ptr::from_ref(function), depth);
    if let Some(found) = known.get(&place) {
        return *found;
    }
    let found = depth > 0 && says_nothing(context, function, (depth, known));
    known.insert(place, found);
    found
}

fn says_nothing(
    context: &Context<'_>,
    function: &Function,
    (depth, known): (usize, &mut Known),
) -> bool {
    let Some(source) = &function.source else {
        return false;
    };
    let text = source.to_lowercase();
    let types = functions::check_text(context, &text);
    if text.contains("u&") || types.is_err() || names_changed(context, &text) {
        return false;
    }
    let runs = |f: &Function| runs(context, f);
    let mut operators = context.catalog.operators.iter();
    if operators.any(|(symbol, all)| text.contains(symbol.as_str()) && !all.iter().all(runs)) {
        return false;
    }
    words(&text).all(|word| {
        !ACTS.contains(&word)
            && !OWN.contains(&word)
            && !word.starts_with("pg_advisory")
            && !word.starts_with("pg_try_advisory")
            && !is_system(context.catalog, word)
            && calls(context, (function, word), (depth, known))
    })
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let apart = |c: char| !c.is_alphanumeric() && c != '_' && c != '$';
    text.split(apart).filter(|word| !word.is_empty())
}

/// A system catalog, which shows what is pgdraft's own.
fn is_system(catalog: &Catalog, word: &str) -> bool {
    let known = word == "pg_catalog" || catalog.functions.contains_key(word);
    word == "information_schema" || word == "pgdraft" || word.starts_with("pg_") && !known
}

/// All functions of that name may be called, if there are any.
fn calls(
    context: &Context<'_>,
    (from, word): (&Function, &str),
    (depth, known): (usize, &mut Known),
) -> bool {
    let named = context.catalog.functions.get(word);
    let mut named = named.into_iter().flatten();
    named.all(|called| {
        called.source.is_some() && called.source == from.source
            || functions::is_allowed(context.functions, called)
            || functions::is_harmless(called) && !is_lying(context, called)
            || quiet(context, called, (depth - 1, known))
    })
}

fn runs(context: &Context<'_>, function: &Function) -> bool {
    functions::is_harmless(function) || functions::is_allowed(context.functions, function)
}

/// Whether the text may name a table that the session has changed, or a view over one, or what asks such
/// a table or calls an unknown function when it is read.
fn names_changed(context: &Context<'_>, text: &str) -> bool {
    let mut relations = context.catalog.relations.values();
    relations.any(|relation| changes(context, relation) && names(text, &relation.name))
}

fn changes(context: &Context<'_>, relation: &Relation) -> bool {
    let dirty = |id: &RelationId| !resolve::dirty_members(context, *id, false).is_empty();
    let asks = relation.policies.iter();
    let asks = asks.flat_map(|policy| &policy.reads).any(&dirty);
    let behind = relation.view.iter();
    asks || dirty(&relation.id)
        || behind.into_iter().any(|view| {
            view.relations.iter().any(&dirty) || !view.functions.iter().all(|f| runs(context, f))
        })
}

fn names(text: &str, name: &str) -> bool {
    let name = name.to_lowercase();
    match name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        true => words(text).any(|word| word == name),
        false => text.contains(&name.replace('"', "\"\"")),
    }
}
