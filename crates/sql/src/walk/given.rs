//! The columns that a CTE gives, as far as its text alone says.

use pg_query::NodeEnum;
use pg_query::protobuf::{CommonTableExpr, Node, SelectStmt};

use crate::walk::string_fields;

/// Their names; `None` where a star or a name that PostgreSQL makes up is among them.
pub(super) fn columns(cte: &CommonTableExpr) -> Option<Vec<String>> {
    if cte.search_clause.is_some() || cte.cycle_clause.is_some() {
        return None;
    }
    let query = match cte.ctequery.as_deref()?.node.as_ref()? {
        NodeEnum::SelectStmt(select) => of_select(select)?,
        NodeEnum::InsertStmt(insert) => of_targets(&insert.returning_clause.as_ref()?.exprs)?,
        NodeEnum::UpdateStmt(update) => of_targets(&update.returning_clause.as_ref()?.exprs)?,
        NodeEnum::DeleteStmt(delete) => of_targets(&delete.returning_clause.as_ref()?.exprs)?,
        _ => return None,
    };
    let mut names = string_fields(&cte.aliascolnames);
    names.extend(query.into_iter().skip(names.len()));
    Some(names)
}

fn of_select(mut select: &SelectStmt) -> Option<Vec<String>> {
    while let Some(left) = &select.larg {
        select = left;
    }
    match select.values_lists.first().map(|row| row.node.as_ref()) {
        None => of_targets(&select.target_list),
        Some(Some(NodeEnum::List(row))) => Some(
            (1..=row.items.len())
                .map(|n| format!("column{n}"))
                .collect(),
        ),
        Some(_) => None,
    }
}

fn of_targets(targets: &[Node]) -> Option<Vec<String>> {
    let name = |target: &Node| {
        let NodeEnum::ResTarget(target) = target.node.as_ref()? else {
            return None;
        };
        if !target.name.is_empty() {
            return Some(target.name.clone());
        }
        match target.val.as_deref()?.node.as_ref()? {
            NodeEnum::ColumnRef(column) => string_fields(&column.fields).pop(),
            NodeEnum::FuncCall(call) => string_fields(&call.funcname).pop(),
            NodeEnum::AConst(_) | NodeEnum::AExpr(_) => Some("?column?".to_owned()),
            _ => None,
        }
        .filter(|name| name != "*")
    };
    targets.iter().map(name).collect()
}
