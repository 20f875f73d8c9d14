//! INSERT: the client's own text with the table replaced by its head, which has the same columns,
//! defaults and constraints.

use pg_query::protobuf::{InsertStmt, OverridingKind, Token as Kind};
use report::Report;

use crate::classify::unsupported;
use crate::parse::Statement;
use crate::plan::Verb;
use crate::rewrite::change::mismatch;
use crate::rewrite::conflict;
use crate::rewrite::returning::Returning;
use crate::rewrite::work::{Work, Written};
use crate::splice::Edit;

pub(crate) fn write<'a>(work: &Work<'a>, tree: &InsertStmt) -> Result<Written<'a>, Box<Report>> {
    if tree.r#override == OverridingKind::OverridingUserValue as i32 {
        return Err(Box::new(unsupported("OVERRIDING USER VALUE")));
    }
    if work.clauses.returning.is_some() != tree.returning_clause.is_some() {
        return Err(mismatch());
    }
    if let Some(clause) = tree.on_conflict_clause.as_deref() {
        return conflict::write(work, tree, clause);
    }
    let tokens = &work.statement.tokens;
    let name = tree
        .relation
        .as_ref()
        .map_or(0, |r| crate::walk::byte(r.location));
    let (name_range, _) = tokens.name_at(name).ok_or_else(mismatch)?;
    let after = work.clauses.target_end;
    let mut edits = work.edits.clone();
    let has_alias = tokens.get(after).is_some_and(|t| t.is(Kind::As));
    let alias = if has_alias {
        String::new()
    } else {
        format!(" AS {}", work.changed.alias())
    };
    let head = work.changed.head.table();
    edits.push(Edit::new(name_range, format!("{head}{alias}")));
    edits.extend(overriding(work.statement, tree, after));
    edits.sort_by_key(|e| (e.range.start, e.range.end));
    let body_end = work.clauses.returning.unwrap_or(work.clauses.end);
    let body = work.bytes(work.clauses.verb..body_end)?;
    let returning = Returning::find(work, tree.returning_clause.as_ref(), &[])?;
    let mut insert = work.splice();
    insert.copy_edited(body, &edits);
    insert.ours(&work.changed.guard());
    let mut out = work.written(Verb::Insert);
    out.twice = work.key_name();
    returning.close(work, &mut out, &insert)?;
    Ok(out)
}

/// A head's identity columns are plain columns: OVERRIDING SYSTEM VALUE goes.
fn overriding(statement: &Statement, tree: &InsertStmt, from: usize) -> Option<Edit> {
    if tree.r#override != OverridingKind::OverridingSystemValue as i32 {
        return None;
    }
    let tokens = &statement.tokens;
    let word = tokens.find(from..tokens.len(), 0, |_, t| t.is(Kind::Overriding))?;
    Some(Edit::new(tokens.bytes(word..word + 3)?, String::new()))
}
