//! TRUNCATE of partitions: all their rows are removed. Their base is not hidden as a whole, because
//! the head and the mark are those of the whole tree.

use std::sync::Arc;

use catalog::{Identity, Relation};
use pg_query::protobuf::{DropBehavior, TruncateStmt};
use report::Report;

use crate::classify::unsupported;
use crate::parse::{Statement, parse};
use crate::plan::{Context, Plan, Verb, Write};
use crate::rewrite::change::{Changed, list, mismatch, redact};

pub(super) fn plan(
    statement: &Statement,
    tree: &TruncateStmt,
    partitions: &[Box<Changed>],
    context: &Context<'_>,
) -> Result<Plan, Box<Report>> {
    for changed in partitions {
        check(tree, changed, context)?;
    }
    let mut deletes: Vec<String> = partitions
        .iter()
        .map(|changed| format!("DELETE FROM {}", changed.relation.qualified()))
        .collect();
    let last = deletes.pop().ok_or_else(mismatch)?;
    let others = deletes.iter().enumerate();
    let others = list(others.map(|(i, delete)| format!("part{i} AS ({delete})")));
    let text = match deletes.is_empty() {
        true => last,
        false => format!("WITH {others} {last}"),
    };
    let script = parse(&text).map_err(|_| mismatch())?;
    let [delete] = script.statements.as_slice() else {
        return Err(mismatch());
    };
    Ok(match crate::rewrite::choose(delete, context)? {
        Plan::Write(write) => Plan::Write(Arc::new(Write {
            verb: Verb::Truncate,
            redacted: redact(&statement.text),
            ..write.as_ref().clone()
        })),
        plan => plan,
    })
}

fn check(tree: &TruncateStmt, changed: &Changed, context: &Context<'_>) -> Result<(), Box<Report>> {
    let (partition, root) = (&changed.relation, &changed.drafted);
    let mut columns = partition.columns.iter();
    if tree.restart_seqs && columns.any(|c| c.identity != Identity::No || c.sequence.is_some()) {
        return Err(refused(partition, "with RESTART IDENTITY"));
    }
    let child = root.referenced_by.iter().map(|key| key.child).min();
    let Some(child) = child.and_then(|id| context.catalog.relations.get(&id)) else {
        return Ok(());
    };
    if tree.behavior == DropBehavior::DropCascade as i32 {
        return Err(refused(
            partition,
            "with CASCADE, to which other tables refer,",
        ));
    }
    Err(super::referenced(&child.name, &partition.name))
}

pub(super) fn refused(partition: &Relation, what: &str) -> Box<Report> {
    let what = format!("TRUNCATE of partition \"{}\" {what}", partition.name);
    Box::new(
        unsupported(&what)
            .detail("A draft keeps the rows of all partitions together.")
            .hint("DELETE its rows, or truncate the partitioned table"),
    )
}
