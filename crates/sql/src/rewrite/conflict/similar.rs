//! Whether an expression of the client is an expression of an index. PostgreSQL compares them after
//! analysis, which writes out the casts that the client left to it; so casts are looked at apart: those
//! that the client wrote must be the index's too.

use pg_query::NodeEnum;
use pg_query::protobuf::{AExpr, AExprKind, BoolExprType, Node, TypeCast, a_const::Val};

use crate::walk::string_fields;

/// An expression in one way of writing, without casts.
pub(super) struct Form {
    /// `None`: it holds something that is not compared.
    text: Option<String>,
    casts: Vec<String>,
}

impl Form {
    pub(super) fn of(node: &Node) -> Self {
        let mut casts = Vec::new();
        let text = form(node, &mut casts);
        Self { text, casts }
    }

    /// The expression that a text is.
    pub(super) fn parse(text: &str) -> Option<Node> {
        let parsed = pg_query::parse(&format!("SELECT ({text})"), 0).ok()?;
        let statement = parsed.protobuf.stmts.into_iter().next()?.stmt?.node?;
        let NodeEnum::SelectStmt(select) = statement else {
            return None;
        };
        match select.target_list.into_iter().next()?.node? {
            NodeEnum::ResTarget(target) => target.val.map(|v| *v),
            _ => None,
        }
    }

    /// Whether the client's is the index's; `None`: only the server can say.
    fn is(&self, index: &Self) -> Option<bool> {
        let (Some(own), Some(other)) = (&self.text, &index.text) else {
            return None;
        };
        if own != other {
            return Some(false);
        }
        self.casts
            .iter()
            .all(|c| index.casts.contains(c))
            .then_some(true)
    }

    /// Whether two lists have the same expressions, in any order.
    pub(super) fn same_sets(client: &[Self], index: &[Self]) -> Option<bool> {
        let mut unclear = false;
        let mut within = |from: &[Self], to: &[Self], turned: bool| {
            from.iter().all(|a| {
                let answers: Vec<Option<bool>> = to
                    .iter()
                    .map(|b| if turned { b.is(a) } else { a.is(b) })
                    .collect();
                let maybe = answers.contains(&None);
                unclear |= maybe && !answers.contains(&Some(true));
                maybe || answers.contains(&Some(true))
            })
        };
        let same = within(client, index, false) && within(index, client, true);
        match (same, unclear) {
            (false, _) => Some(false),
            (true, true) => None,
            (true, false) => Some(true),
        }
    }
}

/// Whether an index's condition follows from the client's, as far as it is a list of the same
/// conditions, or of comparisons of numbers with constants; `None`: only the server can say.
pub(super) fn implied(
    predicate: &str,
    condition: &Node,
    is_number: &dyn Fn(&str) -> bool,
) -> Option<bool> {
    let wanted = Form::parse(predicate)?;
    let given = conjuncts(condition);
    let follows = conjuncts(&wanted).into_iter().all(|part| {
        let form = Form::of(part);
        given.iter().any(|g| {
            Form::of(g).is(&form) == Some(true) || super::bounds::follows(part, g, is_number)
        })
    });
    follows.then_some(true)
}

fn conjuncts(node: &Node) -> Vec<&Node> {
    match node.node.as_ref() {
        Some(NodeEnum::BoolExpr(e)) if e.boolop == BoolExprType::AndExpr as i32 => {
            e.args.iter().flat_map(conjuncts).collect()
        }
        _ => vec![node],
    }
}

fn forms(nodes: &[Node], casts: &mut Vec<String>) -> Option<String> {
    let parts: Option<Vec<String>> = nodes.iter().map(|n| form(n, casts)).collect();
    Some(parts?.join(","))
}

fn part(node: Option<&Node>, casts: &mut Vec<String>) -> Option<String> {
    form(node?, casts)
}

fn form(node: &Node, casts: &mut Vec<String>) -> Option<String> {
    Some(match node.node.as_ref()? {
        NodeEnum::ColumnRef(column) => format!("column {}", string_fields(&column.fields).pop()?),
        NodeEnum::AConst(constant) => match constant.val.as_ref() {
            None => "null".to_owned(),
            Some(Val::Ival(i)) => format!("'{}'", i.ival),
            Some(Val::Fval(f)) => format!("'{}'", f.fval),
            Some(Val::Sval(s)) => format!("'{}'", s.sval),
            Some(Val::Boolval(b)) => format!("{}", b.boolval),
            Some(Val::Bsval(_)) => return None,
        },
        NodeEnum::TypeCast(cast) => return self::cast(cast, casts),
        NodeEnum::FuncCall(call) if call.over.is_none() && call.agg_order.is_empty() => {
            format!(
                "{}({})",
                string_fields(&call.funcname).pop()?,
                forms(&call.args, casts)?
            )
        }
        NodeEnum::AExpr(e) => operator(e, casts)?,
        NodeEnum::BoolExpr(e) => format!("bool{}({})", e.boolop, forms(&e.args, casts)?),
        NodeEnum::NullTest(e) => {
            format!("null{}({})", e.nulltesttype, part(e.arg.as_deref(), casts)?)
        }
        NodeEnum::BooleanTest(e) => {
            format!("test{}({})", e.booltesttype, part(e.arg.as_deref(), casts)?)
        }
        NodeEnum::CoalesceExpr(e) => format!("coalesce({})", forms(&e.args, casts)?),
        NodeEnum::MinMaxExpr(e) => format!("minmax{}({})", e.op, forms(&e.args, casts)?),
        NodeEnum::AArrayExpr(e) => format!("array({})", forms(&e.elements, casts)?),
        NodeEnum::CollateClause(e) => format!(
            "collate {}({})",
            string_fields(&e.collname).pop()?,
            part(e.arg.as_deref(), casts)?
        ),
        _ => return None,
    })
}

/// A cast of a constant only says its type, and the index has it always.
fn cast(cast: &TypeCast, casts: &mut Vec<String>) -> Option<String> {
    let inner = part(cast.arg.as_deref(), casts)?;
    let name = cast.type_name.as_ref()?;
    if !name.typmods.is_empty() {
        return None;
    }
    let array = if name.array_bounds.is_empty() {
        ""
    } else {
        "[]"
    };
    casts.push(format!(
        "{inner}::{}{array}",
        string_fields(&name.names).pop()?
    ));
    Some(inner)
}

fn operator(e: &AExpr, casts: &mut Vec<String>) -> Option<String> {
    let name = string_fields(&e.name).pop()?;
    let kind = AExprKind::try_from(e.kind).ok()?;
    let left = match e.lexpr.as_deref() {
        Some(left) => form(left, casts)?,
        None => String::new(),
    };
    Some(match kind {
        AExprKind::AexprOp | AExprKind::AexprLike | AExprKind::AexprIlike => {
            let right = part(e.rexpr.as_deref(), casts)?;
            match (name.as_str(), right.as_str()) {
                // PostgreSQL makes both the column itself
                ("=", "true") => left,
                ("=", "false") => format!("bool{}({left})", BoolExprType::NotExpr as i32),
                _ => format!("({left} {name} {right})"),
            }
        }
        AExprKind::AexprDistinct | AExprKind::AexprNotDistinct | AExprKind::AexprNullif => {
            format!("{kind:?}({left},{})", part(e.rexpr.as_deref(), casts)?)
        }
        AExprKind::AexprOpAny => format!("any {name}({left},{})", part(e.rexpr.as_deref(), casts)?),
        AExprKind::AexprIn if name == "=" => match e.rexpr.as_deref()?.node.as_ref()? {
            NodeEnum::List(items) => {
                format!("any =({left},array({}))", forms(&items.items, casts)?)
            }
            _ => return None,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(client: &str, index: &str) -> Option<bool> {
        let of = |text| Form::of(&Form::parse(text).unwrap());
        of(client).is(&of(index))
    }

    #[test]
    fn casts_of_the_index_are_not_asked_for() {
        assert_eq!(is("lower(a)", "lower(a)"), Some(true));
        assert_eq!(is("lower(a)", "lower((a)::text)"), Some(true));
        assert_eq!(is("lower(a::varchar)", "lower(a)"), None);
        assert_eq!(is("upper(a)", "lower(a)"), Some(false));
        assert_eq!(is("a || 'x'", "(a || 'x'::text)"), Some(true));
        assert_eq!(is("live = true", "live"), Some(true));
        assert_eq!(
            is(
                "s IN ('a', 'b')",
                "((s)::text = ANY (ARRAY['a'::text, 'b'::text]))"
            ),
            Some(true)
        );
    }

    #[test]
    fn a_condition_holds_where_all_of_it_is_given() {
        let follows = |predicate, condition| {
            implied(predicate, &Form::parse(condition).unwrap(), &|name| {
                name == "n"
            })
        };
        assert_eq!(
            follows("(live AND (n > 5))", "n > 5 AND x AND live"),
            Some(true)
        );
        assert_eq!(follows("live", "n > 5"), None);
        assert_eq!(follows("(gone IS NULL)", "gone IS NULL"), Some(true));
        assert_eq!(follows("(n > 5)", "n > 5 AND live"), Some(true));
        assert_eq!(follows("(n > 5)", "7 <= n"), Some(true));
        assert_eq!(follows("(n > 5)", "n >= 5"), None);
        assert_eq!(follows("(n > 5)", "n IN (6, 7)"), Some(true));
        assert_eq!(follows("(n > 5)", "n IN (5, 6)"), None);
        assert_eq!(follows("(n > '-1'::integer)", "n = 0"), Some(true));
        assert_eq!(
            follows("((n > 5) AND (n IS NOT NULL))", "n = 6"),
            Some(true)
        );
        assert_eq!(follows("(n <> 5)", "n < 5"), Some(true));
        assert_eq!(follows("(s > 5)", "s > 6"), None);
        assert_eq!(follows("(n = ANY (ARRAY[1, 2]))", "n = 2"), Some(true));
        assert_eq!(follows("(s IS NOT NULL)", "s = 'x'"), Some(true));
    }
}
