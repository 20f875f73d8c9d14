//! DELETE: the rows found in the merged read become tombstones with their full image.

use pg_query::protobuf::{DeleteStmt, Token as Kind};
use report::Report;

use crate::parse::Statement;
use crate::plan::{Context, Plan, Verb};
use crate::rewrite::change::{Begun, Changed, Work, list, mismatch};
use crate::rewrite::returning::Returning;
use crate::splice::Splice;

pub(crate) fn plan(
    statement: &Statement,
    tree: &DeleteStmt,
    context: &Context<'_>,
) -> Result<Plan, Box<Report>> {
    let verb = (Kind::DeleteP, Kind::Using);
    let work = match Work::begin(statement, context, tree.relation.as_ref(), verb)? {
        Begun::Work(work) => work,
        Begun::Instead(plan) => return Ok(plan),
    };
    let has_from = !tree.using_clause.is_empty();
    let has_returning = tree.returning_clause.is_some();
    if !work.agrees(has_from, tree.where_clause.is_some(), has_returning) {
        return Err(mismatch());
    }
    let returning = Returning::find(&work, tree.returning_clause.as_ref(), &tree.using_clause)?;
    let mut splice = Splice::new(&statement.text);
    work.source(&mut splice, |splice| splice.ours(&returning.lifted()))?;
    splice.ours(&work.changed.log('D'));
    splice.ours(returning.open());
    splice.ours(&tombstones(&work.changed));
    returning.close(&work, &mut splice)?;
    Ok(work.finish(splice, Verb::Delete, true))
}

fn tombstones(changed: &Changed) -> String {
    let images = list((0..changed.writable().len()).map(|i| format!("o{i}")));
    format!(
        " INSERT INTO {} AS {}({}, pgdraft_live, pgdraft_new) SELECT {images}, false, pgdraft_new FROM pgdraft_src{}",
        changed.head.table(),
        changed.alias(),
        changed.writable_list(),
        changed.upsert(false),
    )
}
