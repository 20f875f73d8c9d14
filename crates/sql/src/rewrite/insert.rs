//! INSERT: the client's own text with the table replaced by its head, which has the same columns,
//! defaults and constraints.

use pg_query::protobuf::{InsertStmt, OverridingKind, Token as Kind};
use report::Report;

use crate::classify::unsupported;
use crate::parse::Statement;
use crate::plan::{Context, Plan};
use crate::rewrite::change::{Begun, Work, mismatch};
use crate::rewrite::conflict;
use crate::rewrite::returning::Returning;
use crate::splice::{Edit, Splice};

pub(crate) fn plan(
    statement: &Statement,
    tree: &InsertStmt,
    context: &Context<'_>,
) -> Result<Plan, Box<Report>> {
    if tree.r#override == OverridingKind::OverridingUserValue as i32 {
        return Err(Box::new(unsupported("OVERRIDING USER VALUE")));
    }
    let verb = (Kind::Insert, Kind::Using);
    let work = match Work::begin(statement, context, tree.relation.as_ref(), verb)? {
        Begun::Work(work) => work,
        Begun::Instead(plan) => return Ok(plan),
    };
    if work.clauses.returning.is_some() != tree.returning_clause.is_some() {
        return Err(mismatch());
    }
    if let Some(clause) = tree.on_conflict_clause.as_deref() {
        return conflict::plan(&work, tree, clause);
    }
    let tokens = &statement.tokens;
    let name = tree
        .relation
        .as_ref()
        .map_or(0, |r| crate::walk::byte(r.location));
    let (name_range, after) = tokens.name_at(name).ok_or_else(mismatch)?;
    let mut edits = work.edits.list.clone();
    let has_alias = tokens.get(after).is_some_and(|t| t.is(Kind::As));
    let alias = if has_alias {
        String::new()
    } else {
        format!(" AS {}", work.changed.alias())
    };
    edits.push(Edit {
        range: name_range,
        text: format!("{}{alias}", work.changed.head.table()),
    });
    edits.extend(overriding(statement, tree, after));
    edits.sort_by_key(|e| (e.range.start, e.range.end));
    let body_end = work.clauses.returning.unwrap_or(work.clauses.end);
    let body = tokens.bytes(0..body_end).ok_or_else(mismatch)?;
    let returning = Returning::find(&work, tree.returning_clause.as_ref(), &[])?;
    let mut splice = Splice::new(&statement.text);
    splice.copy_edited(body, &edits);
    splice.ours(&work.changed.guard());
    returning.close(&work, &mut splice)?;
    Ok(work.finish_insert(splice))
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
