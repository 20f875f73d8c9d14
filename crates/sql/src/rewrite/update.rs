//! UPDATE: the rows found in the merged read are written to the head with their new values.

use catalog::{Column, Command};
use pg_query::protobuf::UpdateStmt;
use report::Report;

use crate::rewrite::assign::{Assignment, assignments};
use crate::rewrite::before::Fires;
use crate::rewrite::change::{list, mismatch};
use crate::rewrite::moving::{self, Rows};
use crate::rewrite::plain;
use crate::rewrite::returning::{Does, Returning};
use crate::rewrite::storing::assigned;
use crate::rewrite::work::{Work, Written};

pub(crate) fn write<'a>(work: &Work<'a>, tree: &UpdateStmt) -> Result<Written<'a>, Box<Report>> {
    work.needs_key()?;
    let has_from = !tree.from_clause.is_empty();
    let has_returning = tree.returning_clause.is_some();
    if !work.agrees(has_from, tree.where_clause.is_some(), has_returning) {
        return Err(mismatch());
    }
    let set = work.clauses.set.ok_or_else(mismatch)?;
    let assignments = assignments(
        (work, &work.edits),
        &tree.target_list,
        work.clauses.content(set),
    )?;
    let changed = &work.changed;
    let returning = Returning::find(
        work,
        tree.returning_clause.as_ref(),
        (Does::Update, &tree.from_clause),
    )?;
    // new images stand beside old ones then, as values of one type
    let fires = Fires::of_update(changed, &assignments);
    let reads = work.reads_target(None);
    work.finds_all(reads)?;
    let moves = fires.is_some() || assignments.iter().any(|a| changed.is_key(&a.column));
    let typed = moves || changed.relation.row_security;
    let mut out = work.written();
    let source = match fires {
        Some(_) => work.name("raw"),
        None => work.src(),
    };
    work.source_as(&source, out.cte(), &returning.rows(), |splice| {
        splice.ours(&returning.lifted());
        splice.ours(plain::updates(work, &assignments));
        splice.ours(&fires.as_ref().map_or_else(String::new, Fires::generated));
        for (i, assignment) in assignments.iter().enumerate() {
            let column = changed.relation.column(&assignment.column);
            let (open, close) = match column.filter(|_| typed && !assignment.value.is_typed()) {
                Some(column) => assigned(work.context.catalog, &column.declared),
                None => Default::default(),
            };
            splice.ours(&format!(", {open}"));
            assignment.value.write(splice, &work.edits);
            splice.ours(&format!("{close} AS n{i}"));
        }
    })?;
    out.cascades = assignments.iter().any(|a| changed.is_referenced(&a.column));
    if let Some(fires) = fires {
        let writable = changed.writable();
        out.cascades |= !changed.drafted.referenced_by.is_empty();
        let fired = fires.updated(|i, _| image(&writable, &assignments, i));
        out.cte().ours(&format!(
            "{} AS MATERIALIZED ({})",
            work.src(),
            fires.source(&source, &fired)
        ));
        let new = |i: usize| format!("pgdraft_w{i}");
        moving::finish(work, Rows::Updated, new, &returning, &mut out)?;
        return Ok(out);
    }
    if moves {
        let writable = changed.writable();
        let new = |i: usize| image(&writable, &assignments, i);
        moving::finish(work, Rows::Updated, new, &returning, &mut out)?;
        return Ok(out);
    }
    work.log(&mut out, 'U', "");
    let mut insert = work.splice();
    insert.ours(&images(work, &assignments, reads));
    returning.close(work, &mut out, &insert, true)?;
    Ok(out)
}

/// The source's column with the new value of the `i`th writable column.
fn image(writable: &[&Column], assignments: &[Assignment], i: usize) -> String {
    let assigned = writable
        .get(i)
        .and_then(|column| assignments.iter().position(|a| a.column == column.name));
    match assigned {
        Some(n) => format!("n{n}"),
        None => format!("o{i}"),
    }
}

/// INSERT of the new images into the head.
fn images(work: &Work<'_>, assignments: &[Assignment], reads: bool) -> String {
    let changed = &work.changed;
    let writable = changed.writable();
    let values = (0..writable.len()).map(|i| image(&writable, assignments, i));
    let checks = work.new_images(Command::Update, reads, |i| image(&writable, assignments, i));
    let checked = match checks.is_empty() {
        true => String::new(),
        false => format!(" WHERE {}", checks.join(" AND ")),
    };
    format!(
        "INSERT INTO {} AS {}({}, pgdraft_live, pgdraft_new) SELECT {}, true, pgdraft_new FROM {}{checked}{}",
        changed.head.table(),
        changed.alias(),
        changed.writable_list(),
        list(values),
        work.src(),
        changed.upsert(true),
    )
}
