//! Comparisons of a column with a constant that follow from one another: the part of PostgreSQL's
//! proof (`predtest.c`) that conditions of partial indexes are made of. What PostgreSQL does not
//! prove is not proved here either: `n > 5` does not give `n >= 6`.

use pg_query::NodeEnum;
use pg_query::protobuf::{AExprKind, Node, NullTestType, a_const::Val};

use crate::walk::string_fields;

/// `column operator value`.
struct Bound {
    column: String,
    operator: String,
    /// The constant where it is a whole number.
    value: Option<i64>,
}

/// Whether `wanted` holds wherever `given` does.
pub(super) fn follows(wanted: &Node, given: &Node, is_number: &dyn Fn(&str) -> bool) -> bool {
    if let Some(NodeEnum::NullTest(test)) = wanted.node.as_ref()
        && test.nulltesttype == NullTestType::IsNotNull as i32
    {
        let tested = test.arg.as_deref().and_then(column);
        return any_of(given).iter().all(|bounds| {
            bounds
                .as_ref()
                .is_some_and(|b| Some(&b.column) == tested.as_ref())
        });
    }
    let (wanted, given) = (any_of(wanted), any_of(given));
    given.iter().all(|given| {
        wanted.iter().any(|wanted| match (given, wanted) {
            (Some(given), Some(wanted)) => {
                given.column == wanted.column && is_number(&given.column) && gives(given, wanted)
            }
            _ => false,
        })
    })
}

/// PostgreSQL's table of what a comparison says about another one.
fn gives(given: &Bound, wanted: &Bound) -> bool {
    let (Some(c), Some(p)) = (given.value, wanted.value) else {
        return false;
    };
    match (given.operator.as_str(), wanted.operator.as_str()) {
        ("<", "<" | "<=" | "<>") | ("<=" | "=", "<=") => p >= c,
        ("<=" | "=", "<") | ("<=", "<>") => p > c,
        ("=", "=") | ("<>", "<>") => p == c,
        ("=", "<>") => p != c,
        ("=" | ">=", ">=") | (">", ">=" | ">" | "<>") => p <= c,
        ("=" | ">=", ">") | (">=", "<>") => p < c,
        _ => false,
    }
}

/// The comparisons of which one holds: one, or those of IN. `None` is another condition.
fn any_of(node: &Node) -> Vec<Option<Bound>> {
    let Some(NodeEnum::AExpr(e)) = node.node.as_ref() else {
        return vec![None];
    };
    let (Some(left), Some(right)) = (e.lexpr.as_deref(), e.rexpr.as_deref()) else {
        return vec![None];
    };
    let Some(operator) = string_fields(&e.name).pop() else {
        return vec![None];
    };
    let items = match (AExprKind::try_from(e.kind), right.node.as_ref()) {
        (Ok(AExprKind::AexprOp), _) => return vec![bound(left, operator, right)],
        (Ok(AExprKind::AexprIn), Some(NodeEnum::List(list))) if operator == "=" => &list.items,
        (Ok(AExprKind::AexprOpAny), Some(NodeEnum::AArrayExpr(list))) if operator == "=" => {
            &list.elements
        }
        _ => return vec![None],
    };
    items
        .iter()
        .map(|item| bound(left, operator.clone(), item))
        .collect()
}

fn bound(left: &Node, operator: String, right: &Node) -> Option<Bound> {
    const TURNED: [(&str, &str); 6] = [
        ("<", ">"),
        ("<=", ">="),
        ("=", "="),
        ("<>", "<>"),
        (">=", "<="),
        (">", "<"),
    ];
    let (_, turned) = TURNED.iter().find(|(o, _)| *o == operator)?;
    if let (Some(column), Some(value)) = (column(left), constant(right)) {
        return Some(Bound {
            column,
            operator,
            value,
        });
    }
    Some(Bound {
        column: column(right)?,
        operator: (*turned).to_owned(),
        value: constant(left)?,
    })
}

fn column(node: &Node) -> Option<String> {
    match node.node.as_ref()? {
        NodeEnum::ColumnRef(column) => string_fields(&column.fields).pop(),
        _ => None,
    }
}

/// A constant that is not NULL, as a whole number where it is one.
fn constant(node: &Node) -> Option<Option<i64>> {
    match node.node.as_ref()? {
        NodeEnum::TypeCast(cast) => constant(cast.arg.as_deref()?),
        NodeEnum::AConst(constant) => Some(match constant.val.as_ref()? {
            Val::Ival(i) => Some(i64::from(i.ival)),
            Val::Fval(f) => f.fval.parse().ok(),
            Val::Sval(s) => s.sval.parse().ok(),
            Val::Boolval(_) | Val::Bsval(_) => None,
        }),
        NodeEnum::AExpr(e) if e.lexpr.is_none() && string_fields(&e.name) == ["-"] => {
            let value = constant(e.rexpr.as_deref()?)?;
            Some(value.and_then(i64::checked_neg))
        }
        _ => None,
    }
}
