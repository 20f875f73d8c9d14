//! `WHERE CURRENT OF`: the key of the row that a cursor is on (decision 24).
//!
//! A cursor over tables says in a comment of its own declaration which of its columns are their
//! keys, and PostgreSQL keeps that text. A change at its position asks the server for the row once
//! more, which FETCH RELATIVE 0 gives without a move, and takes the key from it. So nothing is kept
//! here, and what the client fetches is what it asked for.

use std::ops::Range;

use catalog::{Relation, RelationKind, quote_literal};
use pg_query::protobuf::Token as Kind;
use report::Report;

use crate::facts::{Cursor, TableRef};
use crate::merge::equals;
use crate::parse::Statement;
use crate::plan::Context;
use crate::resolve::{self, Resolved};
use crate::rewrite::change::{list, mismatch};
use crate::rewrite::storing::cast_type;
use crate::rewrite::work::Work;
use crate::splice::Edit;

/// What makes a DECLARE tell of its keys, and its rows be given again: SCROLL costs a cursor over
/// one table nothing, which PostgreSQL can read backwards anyhow.
pub(crate) fn edits(
    statement: &Statement,
    context: &Context<'_>,
) -> Result<Vec<Edit>, Box<Report>> {
    let tokens = &statement.tokens;
    let facts = &statement.facts;
    let Some(cursor) = facts.cursor.as_ref().filter(|c| c.rows) else {
        return Ok(Vec::new());
    };
    let word = tokens.find(2..tokens.len(), 0, |_, t| t.is(Kind::Cursor));
    let word = word.ok_or_else(mismatch)?;
    let is = |i: usize, kind: Kind| tokens.get(i).is_some_and(|t| t.is(kind));
    let scroll = (2..word).find(|i| is(*i, Kind::Scroll));
    let tables = tables(statement, context, cursor)?;
    if tables.is_empty() {
        return Ok(Vec::new());
    }
    let locks = if facts.lockings.is_empty() {
        ""
    } else {
        "update "
    };
    let add = if scroll.is_some() { "" } else { "SCROLL " };
    let text = format!("/*pgdraft:{locks}{} */ {add}", tables.join(" "));
    let place = tokens.bytes(word..word + 1).ok_or_else(mismatch)?.start;
    Ok(vec![Edit::new(place..place, text)])
}

/// `oid:1,3` for every table whose row a row of the cursor is: where its key stands. `oid:-` where
/// the cursor does not give the key.
fn tables(
    statement: &Statement,
    context: &Context<'_>,
    cursor: &Cursor,
) -> Result<Vec<String>, Box<Report>> {
    let facts = &statement.facts;
    // the query has no WITH, so its own block is the first
    let own = 0;
    let alone = facts.blocks.first().and_then(|b| b.tables) == Some(1);
    let locking: Vec<_> = facts.lockings.iter().filter(|l| l.block == own).collect();
    if !alone && locking.is_empty() {
        return Ok(Vec::new());
    }
    let mut out = Vec::new();
    let references: Vec<&TableRef> = facts.relations.iter().filter(|r| r.block == own).collect();
    for reference in &references {
        let locked = |name: &str| {
            locking
                .iter()
                .any(|l| l.of.is_empty() || l.of.iter().any(|of| of == name))
        };
        if !locking.is_empty() && !locked(reference.label()) {
            continue;
        }
        let found = resolve::resolve(context, reference.schema.as_deref(), &reference.name)?;
        let Resolved::Known(relation) = found else {
            continue;
        };
        if !matches!(
            relation.kind,
            RelationKind::Table | RelationKind::Partitioned
        ) {
            continue;
        }
        let id = context.catalog.drafted_as(relation.id).0;
        let places = places(cursor, reference, &relation, references.len() == 1);
        out.push(match places {
            Some(places) => format!("{id}:{}", list_of(&places)),
            None => format!("{id}:-"),
        });
    }
    Ok(out)
}

fn list_of(places: &[usize]) -> String {
    let places: Vec<String> = places.iter().map(usize::to_string).collect();
    places.join(",")
}

/// Where the columns of a table's key stand among the columns of the cursor, from 1.
fn places(
    cursor: &Cursor,
    reference: &TableRef,
    relation: &Relation,
    alone: bool,
) -> Option<Vec<usize>> {
    let mut names: Vec<Option<&str>> = Vec::new();
    for item in &cursor.items {
        let (table, name) = match item.as_slice() {
            [name] => (None, name),
            [.., table, name] => (Some(table), name),
            [] => {
                names.push(None);
                continue;
            }
        };
        let own = table.map_or(alone, |t| t == reference.label());
        if name != "*" {
            names.push(own.then_some(name));
        } else if own {
            names.extend(relation.columns.iter().map(|c| Some(c.name.as_str())));
        } else {
            // how many columns another table has is not looked up: what stands behind is not found
            break;
        }
    }
    let alone = reference.only || relation.children.is_empty();
    let key = relation.key().filter(|_| alone)?;
    let place = |column: &String| {
        let plain = relation
            .column(column)
            .is_some_and(|c| !c.declared.ends_with("[]"));
        let place = names.iter().position(|n| *n == Some(column.as_str()));
        place.filter(|_| plain).map(|p| p + 1)
    };
    key.columns.iter().map(place).collect()
}

/// The CTE with the key of the row that a cursor is on, and the condition that the target's key is
/// that one. `name` are the tokens of the cursor's name.
pub(crate) fn position(
    work: &Work<'_>,
    name: Range<usize>,
) -> Result<(String, String), Box<Report>> {
    let text = &work.statement.text;
    let name = work.bytes(name)?;
    let name = text.get(name).ok_or_else(mismatch)?;
    let changed = &work.changed;
    let key = changed.relation.key().ok_or_else(mismatch)?;
    let images = changed.key_images();
    let at = work.name("at");
    let (mut values, mut same) = (Vec::new(), Vec::new());
    let (mut left, mut taken) = (Vec::new(), Vec::new());
    for (i, column) in key.columns.iter().enumerate() {
        let own = changed.relation.column(column).ok_or_else(mismatch)?;
        let kind = cast_type(work.context.catalog, own);
        let value = format!("CAST(p.k[{}] AS {kind})", i + 1);
        let image = images.get(i).map_or("", String::as_str);
        let equals = equals(key, i);
        same.push(format!("{image} {equals} (SELECT k{i} FROM {at})"));
        let column = catalog::quote_identifier(column);
        left.push(format!("h.{column} {equals} {value}"));
        taken.push(format!("l.{column} {equals} {value}"));
        values.push(format!("{value} AS k{i}"));
    }
    let cte = format!(
        "{at} AS MATERIALIZED (SELECT {values}, CASE WHEN EXISTS (SELECT FROM {head} h WHERE {left} AND h.pgdraft_moved AND NOT h.pgdraft_live) THEN pgdraft.key_left({name}) \
         WHEN EXISTS (SELECT FROM {head} h JOIN {log} l ON {taken} WHERE {left} AND h.pgdraft_live AND l.pgdraft_kind = 'D' AND l.pgdraft_op = pgdraft.op()) THEN pgdraft.key_taken({name}) END FROM (SELECT pgdraft.current_of({name}, {id}, {table}) AS k OFFSET 0) AS p)",
        values = list(values),
        head = changed.head.table(),
        log = changed.head.log(),
        taken = taken.join(" AND "),
        left = left.join(" AND "),
        name = quote_literal(&folded(name)),
        id = changed.drafted.id.0,
        table = quote_literal(&changed.relation.name),
    );
    Ok((cte, same.join(" AND ")))
}

/// A name as PostgreSQL stores it.
fn folded(name: &str) -> String {
    let stored = match name.strip_prefix('"').and_then(|n| n.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => name.to_ascii_lowercase(),
    };
    let mut end = stored.len().min(63);
    while !stored.is_char_boundary(end) {
        end -= 1;
    }
    stored.get(..end).unwrap_or(&stored).to_owned()
}
