//! DELETE: the rows found in the merged read become tombstones with their full image.

use pg_query::protobuf::{DeleteStmt, Token as Kind};
use report::Report;

use crate::parse::Statement;
use crate::plan::{Context, Plan, Verb};
use crate::rewrite::change::{
    self, Changed, Clauses, Found, Parts, all_edits, list, mismatch, open_with,
};
use crate::rewrite::returning::{self, Lifted};
use crate::splice::Splice;

pub(crate) fn plan(
    statement: &Statement,
    tree: &DeleteStmt,
    context: &Context<'_>,
) -> Result<Plan, Box<Report>> {
    let changed = match change::target(context, tree.relation.as_ref())? {
        Found::Changed(changed) => changed,
        Found::Instead(plan) => return Ok(plan),
    };
    let clauses = Clauses::find(statement, Kind::DeleteP, Kind::Using).ok_or_else(mismatch)?;
    let agree = clauses.from.is_some() == !tree.using_clause.is_empty()
        && clauses.filter.is_some() == tree.where_clause.is_some()
        && clauses.returning.is_some() == tree.returning_clause.is_some();
    if !agree {
        return Err(mismatch());
    }
    let Some(edits) = all_edits(statement, context, &changed)? else {
        return Ok(Plan::NeedsCatalog);
    };
    let tokens = &statement.tokens;
    let lifted = Lifted::find(
        statement,
        tree.returning_clause.as_ref(),
        &changed,
        &tree.using_clause,
        context,
    )?;
    let source = changed
        .source(context, risky(statement), clauses.filter.is_none())
        .ok_or_else(mismatch)?;
    let mut splice = Splice::new(&statement.text);
    open_with(statement, &clauses, &mut splice, &edits);
    splice.ours(&format!(
        "pgdraft_src AS MATERIALIZED (SELECT {}{}{} FROM {source} AS {}",
        changed.distinct(clauses.from.is_some()),
        changed.images(),
        lifted.columns(),
        changed.alias(),
    ));
    if let Some(from) = clauses.from {
        splice.ours(", ");
        splice.copy_edited(
            tokens.bytes(clauses.content(from)).ok_or_else(mismatch)?,
            &edits.list,
        );
    }
    if let Some(filter) = clauses.filter {
        splice.ours(" WHERE ");
        splice.copy_edited(
            tokens.bytes(clauses.content(filter)).ok_or_else(mismatch)?,
            &edits.list,
        );
    }
    splice.ours("), ");
    splice.ours(&changed.log('D'));
    splice.ours(&lifted.open());
    splice.ours(&tombstones(&changed));
    returning::finish(
        statement,
        &clauses,
        tree.returning_clause.as_ref(),
        &changed,
        &lifted,
        &mut splice,
        &edits.list,
    )?;
    Ok(changed.write(
        statement,
        splice,
        Parts {
            verb: Verb::Delete,
            returning: tree.returning_clause.is_some(),
            merged: edits.merged,
            cascades: true,
        },
    ))
}

/// Whether the change's own WHERE holds an expression that can fail on a hidden row.
pub(crate) fn risky(statement: &Statement) -> bool {
    let own = statement
        .facts
        .own_block
        .and_then(|i| statement.facts.blocks.get(i));
    own.is_some_and(|b| b.risky)
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
