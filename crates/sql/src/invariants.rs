//! The last look at a plan before it leaves this crate: no base table is the target of a write.
//!
//! The finished text is parsed again by PostgreSQL's grammar; every INSERT in it must go to schema
//! `pgdraft`, and no other kind of change may be in it anywhere.

use pg_query::NodeEnum;
use pg_query::protobuf::{CallStmt, Node, RangeVar, WithClause};
use report::Report;

use crate::nested;
use crate::plan::{Plan, Verb};
use crate::rewrite::{lock, security};
use crate::walk::string_fields;

/// Checks one plan.
///
/// # Errors
/// XX000: pgdraft made a text it must not send.
pub(crate) fn check(plan: &Plan) -> Result<(), Box<Report>> {
    let (text, verb) = match plan {
        Plan::Read(read) => (&read.text, None),
        Plan::Write(write) => (&write.rewritten.text, Some(write.verb)),
        _ => return Ok(()),
    };
    holds(text, verb).map_err(|why| {
        Box::new(
            Report::error(
                "XX000",
                "pgdraft rewrote this statement in a way it does not trust",
            )
            .detail(why)
            .hint("the statement was not run; please report its form as a defect of pgdraft"),
        )
    })
}

fn holds(text: &str, verb: Option<Verb>) -> Result<(), String> {
    let parsed = pg_query::parse(text, 0).map_err(|e| format!("It does not parse: {e}."))?;
    let mut statements = parsed.protobuf.stmts.into_iter();
    let (Some(only), None) = (statements.next(), statements.next()) else {
        return Err("It is not exactly one statement.".to_owned());
    };
    let node = only.stmt.and_then(|n| n.node);
    match (node, verb) {
        (Some(NodeEnum::CopyStmt(copy)), _) => match (&copy.relation, copy.is_from) {
            (Some(table), true) if ["pgdraft", "pg_temp"].contains(&table.schemaname.as_str()) => {
                Ok(())
            }
            (_, false) => match (copy.query.as_deref().and_then(|q| q.node.as_ref()), verb) {
                (Some(node), Some(_)) => writes_heads_only(node),
                _ => read_only(copy.query.as_deref()),
            },
            _ => Err("It copies into a base table.".to_owned()),
        },
        (Some(node), None) => read_only(Some(&Node { node: Some(node) })),
        (Some(NodeEnum::ExplainStmt(explain)), Some(_)) => {
            let inner = explain.query.and_then(|n| n.node);
            inner.map_or(Ok(()), |node| writes_heads_only(&node))
        }
        (Some(node), Some(_)) => writes_heads_only(&node),
        (None, _) => Err("It is empty.".to_owned()),
    }
}

fn read_only(node: Option<&Node>) -> Result<(), String> {
    match node.and_then(|n| n.node.as_ref()) {
        Some(NodeEnum::SelectStmt(select)) => only_reads(select.with_clause.as_ref()),
        Some(NodeEnum::ExplainStmt(explain)) => {
            let inner = explain.query.as_deref();
            match inner.and_then(|n| n.node.as_ref()) {
                // without ANALYZE nothing is run
                Some(node) if !nested::analyzes(explain) && writes_heads_only(node).is_ok() => {
                    Ok(())
                }
                _ => read_only(inner),
            }
        }
        // It looks whether something is there.
        Some(NodeEnum::CallStmt(call)) if calls_ours(call) => Ok(()),
        // as a SELECT locks
        Some(NodeEnum::LockStmt(lock)) if lock.mode == lock::ACCESS_SHARE => Ok(()),
        Some(NodeEnum::DeclareCursorStmt(cursor)) => read_only(cursor.query.as_deref()),
        // The client's row_security, under our name.
        Some(NodeEnum::VariableSetStmt(set)) if security::is_ours(&set.name) => Ok(()),
        Some(NodeEnum::VariableShowStmt(show)) if show.name == security::OURS => Ok(()),
        // Names triggers of heads; it reads and writes nothing.
        Some(NodeEnum::ConstraintsSetStmt(_) | NodeEnum::ExecuteStmt(_)) | None => Ok(()),
        Some(other) if temporary_only(other) => Ok(()),
        _ => Err("A read became something else.".to_owned()),
    }
}

fn calls_ours(call: &CallStmt) -> bool {
    let name = call.funccall.as_ref().map(|f| string_fields(&f.funcname));
    name.is_some_and(|name| name == ["pgdraft", "already"])
}

/// Whether all that it changes is named as a temporary relation, under its WITH too. What is read in it
/// is not looked at again: it cannot hold a change, which only WITH can.
fn temporary_only(node: &NodeEnum) -> bool {
    let own = |r: Option<&RangeVar>| r.is_some_and(|r| r.schemaname == "pg_temp");
    let made = |r: Option<&RangeVar>| r.is_some_and(|r| r.relpersistence == "t") || own(r);
    let reads = |with: Option<&WithClause>| only_reads(with).is_ok();
    match node {
        NodeEnum::InsertStmt(s) => own(s.relation.as_ref()) && reads(s.with_clause.as_ref()),
        NodeEnum::UpdateStmt(s) => own(s.relation.as_ref()) && reads(s.with_clause.as_ref()),
        NodeEnum::DeleteStmt(s) => own(s.relation.as_ref()) && reads(s.with_clause.as_ref()),
        NodeEnum::MergeStmt(s) => own(s.relation.as_ref()) && reads(s.with_clause.as_ref()),
        NodeEnum::TruncateStmt(s) => s.relations.iter().all(|n| match n.node.as_ref() {
            Some(NodeEnum::RangeVar(relation)) => own(Some(relation)),
            _ => false,
        }),
        NodeEnum::CreateTableAsStmt(s) => {
            made(s.into.as_ref().and_then(|i| i.rel.as_ref()))
                && read_only(s.query.as_deref()).is_ok()
        }
        NodeEnum::CreateStmt(s) => {
            let parents = s.inh_relations.iter().all(|n| match n.node.as_ref() {
                Some(NodeEnum::RangeVar(parent)) => own(Some(parent)),
                _ => false,
            });
            made(s.relation.as_ref()) && parents
        }
        NodeEnum::ViewStmt(s) => made(s.view.as_ref()) && read_only(s.query.as_deref()).is_ok(),
        NodeEnum::IndexStmt(s) => own(s.relation.as_ref()),
        NodeEnum::AlterTableStmt(s) => own(s.relation.as_ref()),
        NodeEnum::RenameStmt(s) => own(s.relation.as_ref()),
        NodeEnum::VacuumStmt(s) => s.rels.iter().all(|n| match n.node.as_ref() {
            Some(NodeEnum::VacuumRelation(rel)) => own(rel.relation.as_ref()),
            _ => false,
        }),
        NodeEnum::DropStmt(s) => s.objects.iter().all(|n| match n.node.as_ref() {
            Some(NodeEnum::List(list)) => {
                string_fields(&list.items).first().map(String::as_str) == Some("pg_temp")
            }
            _ => false,
        }),
        _ => false,
    }
}

fn ctes(with: Option<&WithClause>) -> impl Iterator<Item = Option<&NodeEnum>> {
    with.into_iter()
        .flat_map(|w| &w.ctes)
        .map(|cte| match cte.node.as_ref() {
            Some(NodeEnum::CommonTableExpr(c)) => {
                c.ctequery.as_deref().and_then(|n| n.node.as_ref())
            }
            _ => None,
        })
}

fn only_reads(with: Option<&WithClause>) -> Result<(), String> {
    ctes(with).try_for_each(|cte| match cte {
        Some(NodeEnum::SelectStmt(_)) => Ok(()),
        Some(change) if temporary_only(change) => Ok(()),
        _ => Err("A read holds a change.".to_owned()),
    })
}

/// Heads, and what is named as a temporary relation.
fn writes_heads_only(node: &NodeEnum) -> Result<(), String> {
    let (relation, with) = match node {
        NodeEnum::SelectStmt(select) => {
            return ctes(select.with_clause.as_ref()).try_for_each(cte_is_safe);
        }
        NodeEnum::InsertStmt(s) => (s.relation.as_ref(), s.with_clause.as_ref()),
        NodeEnum::UpdateStmt(s) => (s.relation.as_ref(), s.with_clause.as_ref()),
        NodeEnum::DeleteStmt(s) => (s.relation.as_ref(), s.with_clause.as_ref()),
        NodeEnum::MergeStmt(s) => (s.relation.as_ref(), s.with_clause.as_ref()),
        _ => return Err("It is a change of another kind.".to_owned()),
    };
    match relation.map(|r| r.schemaname.as_str()) {
        Some("pg_temp") => {}
        Some("pgdraft") if matches!(node, NodeEnum::InsertStmt(_)) => {}
        Some("pgdraft") => return Err("It is a change of another kind.".to_owned()),
        _ => return Err("It inserts into a base table.".to_owned()),
    }
    ctes(with).try_for_each(cte_is_safe)
}

fn cte_is_safe(cte: Option<&NodeEnum>) -> Result<(), String> {
    match cte {
        Some(NodeEnum::SelectStmt(_)) => Ok(()),
        Some(node) => writes_heads_only(node),
        None => Err("A part of it is a change of another kind.".to_owned()),
    }
}
