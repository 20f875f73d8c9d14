//! The last look at a plan before it leaves this crate: no base table is the target of a write.
//!
//! The finished text is parsed again by PostgreSQL's grammar; every INSERT in it must go to schema
//! `pgdraft`, and no other kind of change may be in it anywhere.

use pg_query::NodeEnum;
use pg_query::protobuf::{Node, WithClause};
use report::Report;

use crate::plan::{Plan, Verb};

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
            (Some(table), true) if table.schemaname == "pgdraft" => Ok(()),
            (_, false) => read_only(copy.query.as_deref()),
            _ => Err("It copies into a base table.".to_owned()),
        },
        (Some(node), None) => read_only(Some(&Node { node: Some(node) })),
        (Some(node), Some(_)) => writes_heads_only(&node),
        (None, _) => Err("It is empty.".to_owned()),
    }
}

fn read_only(node: Option<&Node>) -> Result<(), String> {
    match node.and_then(|n| n.node.as_ref()) {
        Some(NodeEnum::SelectStmt(select)) => only_reads(select.with_clause.as_ref()),
        Some(NodeEnum::ExplainStmt(explain)) => read_only(explain.query.as_deref()),
        Some(NodeEnum::DeclareCursorStmt(cursor)) => read_only(cursor.query.as_deref()),
        // Names triggers of heads; it reads and writes nothing.
        Some(NodeEnum::ConstraintsSetStmt(_)) | None => Ok(()),
        _ => Err("A read became something else.".to_owned()),
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
        _ => Err("A read holds a change.".to_owned()),
    })
}

fn writes_heads_only(node: &NodeEnum) -> Result<(), String> {
    match node {
        NodeEnum::InsertStmt(insert) => {
            let to_head = insert
                .relation
                .as_ref()
                .is_some_and(|r| r.schemaname == "pgdraft");
            if !to_head {
                return Err("It inserts into a base table.".to_owned());
            }
            ctes(insert.with_clause.as_ref()).try_for_each(cte_is_safe)
        }
        NodeEnum::SelectStmt(select) => ctes(select.with_clause.as_ref()).try_for_each(cte_is_safe),
        _ => Err("It is a change of another kind.".to_owned()),
    }
}

fn cte_is_safe(cte: Option<&NodeEnum>) -> Result<(), String> {
    match cte {
        Some(NodeEnum::SelectStmt(_)) => Ok(()),
        Some(node @ NodeEnum::InsertStmt(_)) => writes_heads_only(node),
        _ => Err("A part of it is a change of another kind.".to_owned()),
    }
}
