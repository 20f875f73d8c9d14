//! Conditions by which an index finds rows.

use pg_query::NodeEnum;
use pg_query::protobuf::{AExpr, AExprKind, BoolExprType, Node};

use super::expression::string_fields;
use super::{Walked, Walker};
use crate::facts::Sought;

impl Walker {
    /// A WHERE.
    pub(super) fn filter(&mut self, node: Option<&Node>) -> Walked {
        if node.is_some() {
            self.selects();
        }
        self.condition(node)
    }

    /// The block need not read its tables whole.
    pub(super) fn selects(&mut self) {
        let block = self.block();
        if let Some(block) = self.facts.blocks.get_mut(block) {
            block.selective = true;
        }
    }

    /// A WHERE or an ON.
    pub(super) fn condition(&mut self, node: Option<&Node>) -> Walked {
        let mut sought = Vec::new();
        if let Some(node) = node {
            gather(node, &mut sought);
        }
        self.seek(sought);
        self.pushed(node)
    }

    /// `JOIN … USING (names)`.
    pub(super) fn joined_by(&mut self, names: &[Node]) {
        let names = string_fields(names).into_iter();
        let equal = names.map(|name| Sought {
            column: vec![name.clone()],
            by: Some(vec![name]),
        });
        self.seek(equal.collect());
    }

    fn seek(&mut self, sought: Vec<Sought>) {
        let block = self.block();
        if let Some(block) = self.facts.blocks.get_mut(block) {
            block.sought.extend(sought);
        }
    }
}

/// What holds together with other conditions, or alone.
fn gather(node: &Node, sought: &mut Vec<Sought>) {
    match node.node.as_ref() {
        Some(NodeEnum::BoolExpr(both)) if both.boolop == BoolExprType::AndExpr as i32 => {
            both.args.iter().for_each(|arg| gather(arg, sought));
        }
        Some(NodeEnum::AExpr(expression)) => compared(expression, sought),
        _ => {}
    }
}

fn compared(expression: &AExpr, sought: &mut Vec<Sought>) {
    let (Some(left), Some(right)) = (expression.lexpr.as_deref(), expression.rexpr.as_deref())
    else {
        return;
    };
    let is_equality = string_fields(&expression.name) == ["="];
    let sides = match AExprKind::try_from(expression.kind) {
        Ok(AExprKind::AexprOp) if is_equality => [(left, right), (right, left)].as_slice().to_vec(),
        Ok(AExprKind::AexprIn | AExprKind::AexprOpAny) if is_equality => vec![(left, right)],
        Ok(AExprKind::AexprBetween) => vec![(left, right)],
        _ => return,
    };
    for (column, value) in sides {
        if let (Some(column), Some(by)) = (column_of(column), value_of(value)) {
            sought.push(Sought { column, by });
        }
    }
}

fn column_of(node: &Node) -> Option<Vec<String>> {
    match node.node.as_ref()? {
        NodeEnum::ColumnRef(column) => Some(string_fields(&column.fields)),
        _ => None,
    }
}

/// The column that a value is; `Some(None)` where it is made of constants and parameters.
fn value_of(node: &Node) -> Option<Option<Vec<String>>> {
    let all_constant = |nodes: &[Node]| {
        let constant = |node| value_of(node) == Some(None);
        nodes.iter().all(constant).then_some(None)
    };
    match node.node.as_ref()? {
        NodeEnum::AConst(_) | NodeEnum::ParamRef(_) => Some(None),
        NodeEnum::TypeCast(cast) => value_of(cast.arg.as_deref()?),
        NodeEnum::List(list) => all_constant(&list.items),
        NodeEnum::AArrayExpr(array) => all_constant(&array.elements),
        NodeEnum::ColumnRef(_) => column_of(node).map(Some),
        _ => None,
    }
}
