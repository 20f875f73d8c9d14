//! Constants in whose place a parameter of their type means the same to PostgreSQL.
//!
//! Beside a column nothing is computed while a statement is planned, and no other part of it has to
//! be equal to this one, as an item of a select list has to be to one of GROUP BY.

use pg_query::NodeEnum;
use pg_query::protobuf::{AExpr, AExprKind, Node, SelectStmt, UpdateStmt};

use super::expression::{is_plain, string_fields};
use super::{Walker, byte};

/// Comparisons.
pub(super) const COMPARISONS: [&str; 7] = ["=", "<>", "!=", "<", "<=", ">", ">="];
/// What an assigned value is often made by, of a column and a number.
const SUMS: [&str; 2] = ["+", "-"];

impl Walker {
    /// What a WHERE or an ON compares with columns.
    pub(super) fn bind_compared(&mut self, condition: Option<&Node>) {
        match condition.and_then(|node| node.node.as_ref()) {
            Some(NodeEnum::BoolExpr(parts)) => {
                parts
                    .args
                    .iter()
                    .for_each(|part| self.bind_compared(Some(part)));
            }
            Some(NodeEnum::AExpr(expression)) if compares(expression) => {
                self.bind_beside_column(expression);
            }
            _ => {}
        }
    }

    /// The rows of INSERT … VALUES.
    pub(super) fn bind_inserted(&mut self, select: &SelectStmt) {
        for row in &select.values_lists {
            self.bind(Some(row));
        }
    }

    /// What UPDATE assigns. With a FROM a column of it may be a constant.
    pub(super) fn bind_assigned(&mut self, update: &UpdateStmt) {
        for target in &update.target_list {
            let Some(NodeEnum::ResTarget(target)) = target.node.as_ref() else {
                continue;
            };
            self.bind(target.val.as_deref());
            if let Some(NodeEnum::AExpr(sum)) = target.val.as_ref().and_then(|v| v.node.as_ref())
                && update.from_clause.is_empty()
                && is_operator(sum, &SUMS)
            {
                self.bind_beside_column(sum);
            }
        }
    }

    fn bind_beside_column(&mut self, expression: &AExpr) {
        let sides = [&expression.lexpr, &expression.rexpr].map(Option::as_deref);
        match sides {
            [Some(column), value] if is_column(column) => self.bind(value),
            [value, Some(column)] if is_column(column) => self.bind(value),
            _ => {}
        }
    }

    /// A constant, one with a cast behind it, or those of a list.
    fn bind(&mut self, node: Option<&Node>) {
        match node.and_then(|node| node.node.as_ref()) {
            Some(NodeEnum::AConst(constant)) => {
                self.facts.bindable.push(byte(constant.location));
            }
            Some(NodeEnum::TypeCast(cast)) if cast.type_name.as_ref().is_some_and(is_plain) => {
                // `date '…'` and CAST(…) stand before the constant; the first takes no parameter
                if let Some(NodeEnum::AConst(constant)) =
                    cast.arg.as_ref().and_then(|arg| arg.node.as_ref())
                    && cast.location > constant.location
                {
                    self.facts.bindable.push(byte(constant.location));
                }
            }
            Some(NodeEnum::List(list)) => {
                list.items.iter().for_each(|item| self.bind(Some(item)));
            }
            _ => {}
        }
    }
}

fn is_column(node: &Node) -> bool {
    matches!(node.node, Some(NodeEnum::ColumnRef(_)))
}

fn is_operator(expression: &AExpr, names: &[&str]) -> bool {
    let name = string_fields(&expression.name);
    expression.kind == AExprKind::AexprOp as i32
        && matches!(name.as_slice(), [name] if names.contains(&name.as_str()))
}

fn compares(expression: &AExpr) -> bool {
    is_operator(expression, &COMPARISONS)
        || [
            AExprKind::AexprIn as i32,
            AExprKind::AexprBetween as i32,
            AExprKind::AexprNotBetween as i32,
        ]
        .contains(&expression.kind)
}
