//! TRUNCATE: the base is hidden from the session by a mark, and its own rows become tombstones, so
//! the cost is the draft's and not the table's.

use std::sync::Arc;

use catalog::{Command, Relation, RelationId, RelationKind, quote_literal};
use pg_query::NodeEnum;
use pg_query::protobuf::{DropBehavior, RangeVar, TruncateStmt};
use report::Report;

use crate::parse::Statement;
use crate::plan::{Context, Effect, Locks, Plan, Rewritten, Verb, Write};
use crate::resolve;
use crate::rewrite::change::{Changed, Found, list, redact, target};

mod partition;

pub(crate) fn plan(
    statement: &Statement,
    tree: &TruncateStmt,
    context: &Context<'_>,
) -> Result<Plan, Box<Report>> {
    let (mut tables, partitions) = match named(tree, context)? {
        Ok(named) => named,
        Err(first) => return Ok(first),
    };
    if let Some(changed) = partitions.first() {
        if !tables.is_empty() {
            return Err(partition::refused(&changed.relation, "beside other tables"));
        }
        return partition::plan(statement, tree, &partitions, context);
    }
    let mut told = Vec::new();
    if tree.behavior == DropBehavior::DropCascade as i32 {
        add_children(context, &mut tables, &mut told);
    } else {
        no_children(context, &tables)?;
    }
    let ids: Vec<RelationId> = tables.iter().map(|t| t.id).collect();
    let missing = resolve::without_head(context.catalog, &ids);
    if !missing.is_empty() {
        return Ok(Plan::NeedsDraft(missing));
    }
    let text = call(context, &ids, &told, tree.restart_seqs);
    Ok(Plan::Write(Arc::new(Write {
        rewritten: Rewritten {
            text,
            positions: crate::plan::PositionMap::default(),
            merged: Vec::new(),
            effect: Effect::None,
            locks: Locks::No,
        },
        changes: ids,
        reads: Vec::new(),
        verb: Verb::Truncate,
        redacted: redact(&statement.text),
        returning: false,
        doubled: crate::plan::Doubled::Same,
        counted: true,
        sequences: tree.restart_seqs,
    })))
}

/// Tables with what inherits from them, and partitions that stand there by their names.
type Named = (Vec<Arc<Relation>>, Vec<Box<Changed>>);

/// What the statement names, or the plan that comes first: all that have no head get theirs at once.
fn named(tree: &TruncateStmt, context: &Context<'_>) -> Result<Result<Named, Plan>, Box<Report>> {
    let mut tables: Vec<Arc<Relation>> = Vec::new();
    let mut partitions = Vec::new();
    let mut undrafted: Vec<RelationId> = Vec::new();
    for node in &tree.relations {
        let Some(NodeEnum::RangeVar(name)) = node.node.as_ref() else {
            continue;
        };
        is_table(context, name)?;
        // TRUNCATE is not analysed before it runs, so its errors have no position
        let found = target(context, Some(name), None).map_err(|mut report| {
            report.position = None;
            report
        });
        let found = found?;
        if let Found::Changed(changed) = &found {
            not_only_partitioned(&changed.relation, name)?;
        }
        let relation = match found {
            Found::Changed(changed) if changed.relation.partition.is_some() => {
                partitions.push(changed);
                continue;
            }
            Found::Changed(changed) => changed.relation,
            Found::Instead(Plan::NeedsDraft(more)) => {
                undrafted.extend(more);
                continue;
            }
            Found::Instead(plan) => return Ok(Err(plan)),
        };
        for id in context.catalog.members(relation.id, !name.inh) {
            let member = context.catalog.relations.get(&id);
            let member = resolve::drafted(
                Arc::clone(member.unwrap_or(&relation)),
                Some(Command::Delete),
            )?;
            if !tables.iter().any(|t| t.id == id) {
                tables.push(member);
            }
        }
    }
    if !undrafted.is_empty() {
        undrafted.sort_unstable();
        undrafted.dedup();
        return Ok(Err(Plan::NeedsDraft(undrafted)));
    }
    Ok(Ok((tables, partitions)))
}

/// The statement; `told` are the tables that PostgreSQL tells of.
fn call(context: &Context<'_>, ids: &[RelationId], told: &[String], restarts: bool) -> String {
    let heads = ids.iter().filter_map(|id| context.catalog.head(*id));
    let heads = list(heads.map(|h| h.id.0.to_string()));
    let heads = format!("ARRAY[{heads}]::pg_catalog.int4[]");
    let restart = match restarts {
        true => format!(", pgdraft.restart({heads})"),
        false => String::new(),
    };
    format!(
        "SELECT pgdraft.truncate({heads}, ARRAY[{}]::pg_catalog.text[]){restart}",
        list(told.iter().map(|name| quote_literal(name))),
    )
}

/// PostgreSQL's error for ONLY of a table that has no rows of its own.
fn not_only_partitioned(relation: &Relation, name: &RangeVar) -> Result<(), Box<Report>> {
    if relation.kind != RelationKind::Partitioned || name.inh {
        return Ok(());
    }
    let hint = "Do not specify the ONLY keyword, or use TRUNCATE ONLY on the partitions directly.";
    let report = Report::error("42809", "cannot truncate only a partitioned table");
    Err(Box::new(report.hint(hint)))
}

/// PostgreSQL's error for what is no table at all.
fn is_table(context: &Context<'_>, name: &RangeVar) -> Result<(), Box<Report>> {
    let schema = (!name.schemaname.is_empty()).then_some(name.schemaname.as_str());
    let found = resolve::resolve(context, schema, &name.relname)?;
    let resolve::Resolved::Known(relation) = found else {
        return Ok(());
    };
    match relation.kind {
        RelationKind::Table | RelationKind::Partitioned | RelationKind::Foreign => Ok(()),
        RelationKind::View
        | RelationKind::MaterializedView
        | RelationKind::Sequence
        | RelationKind::Other => Err(Box::new(
            Report::error("42809", format!("\"{}\" is not a table", relation.name))
                .hint("truncate the tables behind it"),
        )),
    }
}

/// Tables that refer to one of `tables` and are not among them, in the order of their oids.
fn children(context: &Context<'_>, tables: &[Arc<Relation>]) -> Vec<(Arc<Relation>, String)> {
    let mut found: Vec<(Arc<Relation>, String)> = Vec::new();
    for parent in tables {
        for key in &parent.referenced_by {
            let among = tables.iter().any(|t| t.id == key.child);
            let known = found.iter().any(|(t, _)| t.id == key.child);
            if let Some(child) = context.catalog.relations.get(&key.child)
                && !among
                && !known
            {
                found.push((Arc::clone(child), parent.name.clone()));
            }
        }
    }
    found.sort_by_key(|(child, _)| child.id);
    found
}

/// Adds them, those that refer to them, and so on; `told` gets the names that PostgreSQL tells of:
/// partitions have foreign keys of their own.
fn add_children(context: &Context<'_>, tables: &mut Vec<Arc<Relation>>, told: &mut Vec<String>) {
    loop {
        let more = children(context, tables);
        if more.is_empty() {
            return;
        }
        let catalog = context.catalog;
        let all = catalog.relations.values();
        let mut found: Vec<_> = all
            .filter(|r| more.iter().any(|(t, _)| t.id == catalog.drafted_as(r.id)))
            .collect();
        found.sort_by_key(|r| r.id);
        told.extend(found.into_iter().map(|r| r.name.clone()));
        tables.extend(more.into_iter().map(|(child, _)| child));
    }
}

fn no_children(context: &Context<'_>, tables: &[Arc<Relation>]) -> Result<(), Box<Report>> {
    let Some((child, parent)) = children(context, tables).into_iter().next() else {
        return Ok(());
    };
    Err(referenced(&child.name, &parent))
}

fn referenced(child: &str, parent: &str) -> Box<Report> {
    Box::new(
        Report::error(
            "0A000",
            "cannot truncate a table referenced in a foreign key constraint",
        )
        .detail(format!("Table \"{child}\" references \"{parent}\"."))
        .hint(format!(
            "Truncate table \"{child}\" at the same time, or use TRUNCATE ... CASCADE."
        )),
    )
}
