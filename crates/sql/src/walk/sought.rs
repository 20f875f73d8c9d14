//! Conditions by which an index finds rows.

use pg_query::NodeEnum;
use pg_query::protobuf::{AExpr, AExprKind, BoolExprType, Node, SelectStmt};

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
        let (mut sought, mut bounds) = (Vec::new(), Vec::new());
        if let Some(node) = node {
            gather(node, &mut sought, &mut bounds);
            self.note_tests(node);
        }
        for (column, upper) in &bounds {
            // both ends of a range
            if *upper && bounds.contains(&(column.clone(), false)) {
                sought.push(Sought {
                    column: column.clone(),
                    by: None,
                });
            }
        }
        self.seek(sought);
        self.bind_compared(node);
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

    /// The first rows of one table in the order of a column, or the ends of one: an index that begins with
    /// it finds them.
    pub(super) fn first_of(&mut self, select: &SelectStmt) {
        let of_one_table = matches!(select.from_clause.as_slice(), [table]
            if matches!(table.node.as_ref(), Some(NodeEnum::RangeVar(_))));
        let reads_all = !select.group_clause.is_empty()
            || !select.distinct_clause.is_empty()
            || !select.window_clause.is_empty()
            || select.having_clause.is_some();
        if !of_one_table || reads_all {
            return;
        }
        let sort = select.sort_clause.first().and_then(|s| s.node.as_ref());
        let column = match sort {
            Some(NodeEnum::SortBy(sort)) if select.limit_count.is_some() => {
                sort.node.as_deref().and_then(column_of)
            }
            _ => ends_of(&select.target_list),
        };
        let block = self.block();
        if let Some(block) = self.facts.blocks.get_mut(block) {
            block.ordered = column;
        }
    }

    fn seek(&mut self, sought: Vec<Sought>) {
        let block = self.block();
        if let Some(block) = self.facts.blocks.get_mut(block) {
            block.sought.extend(sought);
        }
    }
}

/// The column of which nothing but the least and the greatest value is asked for.
fn ends_of(targets: &[Node]) -> Option<Vec<String>> {
    let mut columns = targets.iter().map(|target| {
        let Some(NodeEnum::ResTarget(target)) = target.node.as_ref() else {
            return None;
        };
        let Some(NodeEnum::FuncCall(call)) = target.val.as_ref()?.node.as_ref() else {
            return None;
        };
        let name = string_fields(&call.funcname);
        let is_end = matches!(name.last().map(String::as_str), Some("min" | "max"));
        match call.args.as_slice() {
            [column] if is_end && call.over.is_none() => column_of(column),
            _ => None,
        }
    });
    let first = columns.next()??;
    let same = |other: Option<Vec<String>>| other.is_some_and(|o| o.last() == first.last());
    columns.all(same).then_some(first)
}

/// A column that is bounded by constants, and whether from above.
type Bound = (Vec<String>, bool);

/// What holds together with other conditions, or alone.
fn gather(node: &Node, sought: &mut Vec<Sought>, bounds: &mut Vec<Bound>) {
    match node.node.as_ref() {
        Some(NodeEnum::BoolExpr(both)) if both.boolop == BoolExprType::AndExpr as i32 => {
            both.args.iter().for_each(|arg| gather(arg, sought, bounds));
        }
        Some(NodeEnum::AExpr(expression)) => {
            compared(expression, sought);
            bounds.extend(bounded(expression));
        }
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

/// `column < …` and the like, either way round.
fn bounded(expression: &AExpr) -> Option<Bound> {
    if expression.kind != AExprKind::AexprOp as i32 {
        return None;
    }
    let [left, right] = [&expression.lexpr, &expression.rexpr].map(|side| side.as_deref());
    let below = match string_fields(&expression.name).as_slice() {
        [sign] if sign == "<" || sign == "<=" => true,
        [sign] if sign == ">" || sign == ">=" => false,
        _ => return None,
    };
    let (left, right) = (left?, right?);
    let constant = |node| value_of(node) == Some(None);
    match (column_of(left), column_of(right)) {
        (Some(column), None) if constant(right) => Some((column, below)),
        (None, Some(column)) if constant(left) => Some((column, !below)),
        _ => None,
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
        NodeEnum::AExpr(e) if e.kind == AExprKind::AexprOp as i32 => {
            let mut sides = [&e.lexpr, &e.rexpr].into_iter().flatten();
            sides
                .all(|side| value_of(side) == Some(None))
                .then_some(None)
        }
        NodeEnum::ColumnRef(_) => column_of(node).map(Some),
        _ => None,
    }
}
