//! INSERT: the client's own text with the table replaced by its head, which has the same columns,
//! defaults and constraints.

use pg_query::protobuf::{InsertStmt, OverridingKind, Token as Kind};
use report::Report;

use crate::classify::unsupported;
use crate::parse::Statement;
use crate::plan::{Context, Plan, Verb};
use crate::rewrite::change::{self, Clauses, Found, Parts, all_edits, mismatch};
use crate::rewrite::returning;
use crate::splice::{Edit, Splice};

pub(crate) fn plan(
    statement: &Statement,
    tree: &InsertStmt,
    context: &Context<'_>,
) -> Result<Plan, Box<Report>> {
    if tree.r#override == OverridingKind::OverridingUserValue as i32 {
        return Err(Box::new(unsupported("OVERRIDING USER VALUE")));
    }
    let changed = match change::target(context, tree.relation.as_ref())? {
        Found::Changed(changed) => changed,
        Found::Instead(plan) => return Ok(plan),
    };
    let clauses = Clauses::find(statement, Kind::Insert, Kind::Using).ok_or_else(mismatch)?;
    if clauses.returning.is_some() != tree.returning_clause.is_some() {
        return Err(mismatch());
    }
    let Some(edits) = all_edits(statement, context, &changed)? else {
        return Ok(Plan::NeedsCatalog);
    };
    let tokens = &statement.tokens;
    let name = tree
        .relation
        .as_ref()
        .map_or(0, |r| crate::walk::byte(r.location));
    let (name_range, after) = tokens.name_at(name).ok_or_else(mismatch)?;
    let mut list = edits.list.clone();
    let has_alias = tokens.get(after).is_some_and(|t| t.is(Kind::As));
    let alias = if has_alias {
        String::new()
    } else {
        format!(" AS {}", changed.alias())
    };
    list.push(Edit {
        range: name_range,
        text: format!("{}{alias}", changed.head.table()),
    });
    if let Some(overriding) = overriding(statement, tree, after) {
        list.push(overriding);
    }
    list.sort_by_key(|e| (e.range.start, e.range.end));
    let body_end = clauses.returning.unwrap_or(clauses.end);
    let body = tokens.bytes(0..body_end).ok_or_else(mismatch)?;
    let mut splice = Splice::new(&statement.text);
    splice.copy_edited(body, &list);
    splice.ours(&changed.guard());
    returning::simple(
        statement,
        &clauses,
        tree.returning_clause.as_ref(),
        &changed,
        &mut splice,
        &list,
    )?;
    Ok(changed.write(
        statement,
        splice,
        Parts {
            verb: Verb::Insert,
            returning: tree.returning_clause.is_some(),
            merged: edits.merged,
            cascades: false,
        },
    ))
}

/// A head's identity columns are plain columns: OVERRIDING SYSTEM VALUE goes.
fn overriding(statement: &Statement, tree: &InsertStmt, from: usize) -> Option<Edit> {
    if tree.r#override != OverridingKind::OverridingSystemValue as i32 {
        return None;
    }
    let tokens = &statement.tokens;
    let word = tokens.find(from..tokens.len(), 0, |_, t| t.is(Kind::Overriding))?;
    Some(Edit {
        range: tokens.bytes(word..word + 3)?,
        text: String::new(),
    })
}
