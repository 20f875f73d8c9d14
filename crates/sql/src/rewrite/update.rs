//! UPDATE: the rows found in the merged read are written to the head with their new values.

use catalog::Column;
use pg_query::protobuf::{Token as Kind, UpdateStmt};
use report::Report;

use crate::parse::Statement;
use crate::plan::{Context, Plan, Verb};
use crate::rewrite::assign::{Assignment, assignments};
use crate::rewrite::change::{Begun, Changed, Work, list, mismatch};
use crate::rewrite::moving;
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
    let cascades = assignments.iter().any(|a| changed.is_referenced(&a.column));
    if assignments.iter().any(|a| changed.is_key(&a.column)) {
        moving::finish(&work, &assignments, &returning, &mut splice)?;
        return Ok(work.finish_counted(splice, Verb::Update, cascades));
    }
    splice.ours(&changed.log('U'));
    splice.ours(returning.open());
    splice.ours(&images(changed, &assignments));
    returning.close(&work, &mut splice)?;
    Ok(work.finish(splice, Verb::Update, cascades))
}

/// The source's column with the new value of the `i`th writable column.
pub(crate) fn image(writable: &[&Column], assignments: &[Assignment], i: usize) -> String {
    let assigned = writable
        .get(i)
        .and_then(|column| assignments.iter().position(|a| a.column == column.name));
    match assigned {
        Some(n) => format!("n{n}"),
        None => format!("o{i}"),
    }
}

/// INSERT of the new images into the head.
fn images(changed: &Changed, assignments: &[Assignment]) -> String {
    let writable = changed.writable();
    let values = (0..writable.len()).map(|i| image(&writable, assignments, i));
    format!(
        " INSERT INTO {} AS {}({}, pgdraft_live, pgdraft_new) SELECT {}, true, pgdraft_new FROM pgdraft_src{}",
        changed.head.table(),
        changed.alias(),
        changed.writable_list(),
        list(values),
        changed.upsert(true),
    )
}
