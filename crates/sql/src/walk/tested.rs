//! Conditions that compare columns with constants and parameters: they can be asked of other images of
//! a row too. What they call are PostgreSQL's own comparisons, so asking them cannot fail or do anything.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    AExpr, AExprKind, BoolExprType, BoolTestType, Node, NullTestType, TypeName,
};

use super::bindable::COMPARISONS;
use super::expression::string_fields;
use super::{Walker, byte};
use crate::facts::{Block, Piece, Test};

impl Walker {
    /// Notes what a WHERE or an ON asks of columns, each condition that has to hold by itself.
    pub(super) fn note_tests(&mut self, node: &Node) {
        let block = self.block();
        if let Some(block) = self.facts.blocks.get_mut(block) {
            gather(node, block);
        }
    }

    /// A row that fails the block's conditions can be in its result: an outer join's, or a MERGE's.
    pub(super) fn joins_outside(&mut self) {
        let block = self.block();
        if let Some(block) = self.facts.blocks.get_mut(block) {
            block.outer = true;
        }
    }
}

fn gather(node: &Node, block: &mut Block) {
    match node.node.as_ref() {
        Some(NodeEnum::BoolExpr(both)) if both.boolop == BoolExprType::AndExpr as i32 => {
            both.args.iter().for_each(|arg| gather(arg, block));
        }
        _ => match test(node) {
            Some(test) => block.tests.push(test),
            None => block.asks_more = true,
        },
    }
}

/// A condition all of whose parts can be asked.
fn test(node: &Node) -> Option<Test> {
    match node.node.as_ref()? {
        NodeEnum::BoolExpr(expression) => {
            let tests = expression.args.iter().map(test);
            let tests = tests.collect::<Option<Vec<Test>>>()?;
            let (before, between) = match BoolExprType::try_from(expression.boolop) {
                Ok(BoolExprType::AndExpr) => ("(", " AND "),
                Ok(BoolExprType::OrExpr) => ("(", " OR "),
                Ok(BoolExprType::NotExpr) => ("(NOT ", ""),
                _ => return None,
            };
            Some(list(before, tests, between))
        }
        NodeEnum::NullTest(test) => {
            let what = match NullTestType::try_from(test.nulltesttype) {
                Ok(NullTestType::IsNull) => " IS NULL",
                Ok(NullTestType::IsNotNull) => " IS NOT NULL",
                _ => return None,
            };
            Some(vec![column(test.arg.as_deref()?)?, ours(what)])
        }
        NodeEnum::BooleanTest(test) => {
            let what = match BoolTestType::try_from(test.booltesttype) {
                Ok(BoolTestType::IsTrue) => " IS TRUE",
                Ok(BoolTestType::IsNotTrue) => " IS NOT TRUE",
                Ok(BoolTestType::IsFalse) => " IS FALSE",
                Ok(BoolTestType::IsNotFalse) => " IS NOT FALSE",
                Ok(BoolTestType::IsUnknown) => " IS UNKNOWN",
                Ok(BoolTestType::IsNotUnknown) => " IS NOT UNKNOWN",
                _ => return None,
            };
            Some(vec![column(test.arg.as_deref()?)?, ours(what)])
        }
        NodeEnum::ColumnRef(_) => Some(vec![column(node)?]),
        NodeEnum::AExpr(expression) => compared(expression),
        _ => None,
    }
}

fn compared(expression: &AExpr) -> Option<Test> {
    let (left, right) = (expression.lexpr.as_deref()?, expression.rexpr.as_deref()?);
    let names = string_fields(&expression.name);
    let sign = names.last()?.as_str();
    let own = names.len() == 1 && COMPARISONS.contains(&sign);
    let kind = AExprKind::try_from(expression.kind).ok()?;
    let between = |keyword: &str| {
        let Some(NodeEnum::List(ends)) = right.node.as_ref() else {
            return None;
        };
        let [low, high] = ends.items.as_slice() else {
            return None;
        };
        let mut out = vec![column(left)?, ours(&format!(" {keyword} "))];
        out.extend(value(low)?);
        out.push(ours(" AND "));
        out.extend(value(high)?);
        Some(out)
    };
    match kind {
        AExprKind::AexprOp if own => {
            let mut out = operand(left)?;
            out.push(ours(&format!(" {sign} ")));
            out.extend(operand(right)?);
            Some(out)
        }
        AExprKind::AexprDistinct | AExprKind::AexprNotDistinct if sign == "=" => {
            let not = if kind == AExprKind::AexprDistinct {
                ""
            } else {
                "NOT "
            };
            let mut out = operand(left)?;
            out.push(ours(&format!(" IS {not}DISTINCT FROM ")));
            out.extend(operand(right)?);
            Some(out)
        }
        AExprKind::AexprIn => {
            let Some(NodeEnum::List(items)) = right.node.as_ref() else {
                return None;
            };
            let keyword = if sign == "=" { "IN" } else { "NOT IN" };
            let values = items.items.iter().map(value);
            let mut out = vec![column(left)?, ours(&format!(" {keyword} "))];
            out.extend(list("(", values.collect::<Option<Vec<_>>>()?, ", "));
            Some(out)
        }
        AExprKind::AexprOpAny | AExprKind::AexprOpAll if own => {
            let any = if kind == AExprKind::AexprOpAny {
                "ANY"
            } else {
                "ALL"
            };
            let mut out = vec![column(left)?, ours(&format!(" {sign} {any} ("))];
            out.extend(elements(right)?);
            out.push(ours(")"));
            Some(out)
        }
        AExprKind::AexprBetween => between("BETWEEN"),
        AExprKind::AexprNotBetween => between("NOT BETWEEN"),
        AExprKind::AexprBetweenSym => between("BETWEEN SYMMETRIC"),
        AExprKind::AexprNotBetweenSym => between("NOT BETWEEN SYMMETRIC"),
        _ => None,
    }
}

fn operand(node: &Node) -> Option<Test> {
    column(node)
        .map(|column| vec![column])
        .or_else(|| value(node))
}

fn column(node: &Node) -> Option<Piece> {
    match node.node.as_ref()? {
        NodeEnum::ColumnRef(column) => Some(Piece::Column(string_fields(&column.fields))),
        _ => None,
    }
}

/// An array of constants, or a constant that is one.
fn elements(node: &Node) -> Option<Test> {
    match node.node.as_ref()? {
        NodeEnum::AArrayExpr(array) => {
            let values = array.elements.iter().map(value);
            let mut out = list("ARRAY[", values.collect::<Option<Vec<_>>>()?, ", ");
            *out.last_mut()? = ours("]");
            Some(out)
        }
        NodeEnum::TypeCast(cast) => {
            let mut out = elements(cast.arg.as_deref()?)?;
            out.push(ours(&format!("::{}", type_of(cast.type_name.as_ref()?)?)));
            Some(out)
        }
        _ => value(node),
    }
}

fn value(node: &Node) -> Option<Test> {
    match node.node.as_ref()? {
        NodeEnum::AConst(constant) => Some(vec![Piece::Constant(byte(constant.location))]),
        NodeEnum::ParamRef(parameter) => Some(vec![Piece::Constant(byte(parameter.location))]),
        NodeEnum::TypeCast(cast) => {
            let mut out = value(cast.arg.as_deref()?)?;
            out.push(ours(&format!("::{}", type_of(cast.type_name.as_ref()?)?)));
            Some(out)
        }
        _ => None,
    }
}

/// A type without modifiers.
fn type_of(name: &TypeName) -> Option<String> {
    let plain = name.typmods.is_empty() && !name.setof && !name.pct_type;
    let names = string_fields(&name.names);
    let quoted: Vec<String> = names.iter().map(|n| catalog::quote_identifier(n)).collect();
    let array = "[]".repeat(name.array_bounds.len());
    (plain && !quoted.is_empty()).then(|| quoted.join(".") + &array)
}

fn ours(text: &str) -> Piece {
    Piece::Ours(text.to_owned())
}

fn list(before: &str, items: Vec<Test>, between: &str) -> Test {
    let mut out = vec![ours(before)];
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(ours(between));
        }
        out.extend(item);
    }
    out.push(ours(")"));
    out
}
