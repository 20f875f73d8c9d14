//! DELETE: the rows found in the merged read become tombstones with their full image.

use pg_query::protobuf::DeleteStmt;
use report::Report;

use crate::rewrite::change::{list, mismatch};
use crate::rewrite::plain;
use crate::rewrite::returning::{Does, Returning};
use crate::rewrite::work::{Work, Written};

pub(crate) fn write<'a>(work: &Work<'a>, tree: &DeleteStmt) -> Result<Written<'a>, Box<Report>> {
    work.needs_key()?;
    let has_from = !tree.using_clause.is_empty();
    let has_returning = tree.returning_clause.is_some();
    if !work.agrees(has_from, tree.where_clause.is_some(), has_returning) {
        return Err(mismatch());
    }
    let returning = Returning::find(
        work,
        tree.returning_clause.as_ref(),
        (Does::Delete, &tree.using_clause),
    )?;
    work.finds_all(work.reads_target(None))?;
    let mut out = work.written();
    out.cascades = true;
    work.source(out.cte(), &returning.rows(), |splice| {
        splice.ours(&returning.lifted());
        splice.ours(plain::deletes(work));
    })?;
    work.log(&mut out, 'D', "");
    let mut insert = work.splice();
    insert.ours(&tombstones(work));
    returning.close(work, &mut out, &insert, false)?;
    Ok(out)
}

fn tombstones(work: &Work<'_>) -> String {
    let changed = &work.changed;
    let images = list((0..changed.writable().len()).map(|i| format!("o{i}")));
    format!(
        "INSERT INTO {} AS {}({}, pgdraft_live, pgdraft_new) SELECT {images}, false, pgdraft_new FROM {}{}",
        changed.head.table(),
        changed.alias(),
        changed.writable_list(),
        work.src(),
        changed.upsert(false),
    )
}
