//! UPDATE: the rows found in the merged read are written to the head with their new values.

use pg_query::protobuf::{Token as Kind, UpdateStmt};
use report::Report;

use crate::classify::unsupported;
use crate::parse::Statement;
use crate::plan::{Context, Plan, Verb};
use crate::rewrite::assign::{Assignment, assignments};
use crate::rewrite::change::{Begun, Changed, Work, list, mismatch};
use crate::rewrite::returning::Returning;
use crate::splice::Splice;

pub(crate) fn plan(
    statement: &Statement,
    tree: &UpdateStmt,
    context: &Context<'_>,
) -> Result<Plan, Box<Report>> {
    let verb = (Kind::Update, Kind::From);
    let work = match Work::begin(statement, context, tree.relation.as_ref(), verb)? {
        Begun::Work(work) => work,
        Begun::Instead(plan) => return Ok(plan),
    };
    let has_from = !tree.from_clause.is_empty();
    let has_returning = tree.returning_clause.is_some();
    if !work.agrees(has_from, tree.where_clause.is_some(), has_returning) {
        return Err(mismatch());
    }
    let set = work.clauses.set.ok_or_else(mismatch)?;
    let assignments = assignments(&work, &tree.target_list, work.clauses.content(set))?;
    let changed = &work.changed;
    if let Some(key) = assignments.iter().find(|a| changed.is_key(&a.column)) {
        return Err(Box::new(
            unsupported(&format!("changing primary key column \"{}\"", key.column))
                .hint("insert the row under its new key and delete the old one"),
        ));
    }
    let returning = Returning::find(&work, tree.returning_clause.as_ref(), &tree.from_clause)?;
    let mut splice = Splice::new(&statement.text);
    work.source(&mut splice, |splice| {
        splice.ours(&returning.lifted());
        for (i, assignment) in assignments.iter().enumerate() {
            splice.ours(", ");
            assignment.value.write(splice, &work.edits.list);
            splice.ours(&format!(" AS n{i}"));
        }
    })?;
    splice.ours(&changed.log('U'));
    splice.ours(returning.open());
    splice.ours(&images(changed, &assignments));
    returning.close(&work, &mut splice)?;
    let cascades = assignments.iter().any(|a| changed.is_referenced(&a.column));
    Ok(work.finish(splice, Verb::Update, cascades))
}

/// INSERT of the new images into the head.
fn images(changed: &Changed, assignments: &[Assignment]) -> String {
    let writable = changed.writable();
    let values = writable.iter().enumerate().map(|(i, column)| {
        // a later assignment to the same column is PostgreSQL's error, not ours to judge
        match assignments.iter().position(|a| a.column == column.name) {
            Some(n) => format!("n{n}"),
            None => format!("o{i}"),
        }
    });
    format!(
        " INSERT INTO {} AS {}({}, pgdraft_live, pgdraft_new) SELECT {}, true, pgdraft_new FROM pgdraft_src{}",
        changed.head.table(),
        changed.alias(),
        changed.writable_list(),
        list(values),
        changed.upsert(true),
    )
}
