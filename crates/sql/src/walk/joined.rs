//! Outer joins under a locking clause: which side of them may be missing, as PostgreSQL's planner sees it.
//!
//! A condition that cannot be true of a missing row makes an outer join an inner one
//! (`reduce_outer_joins` of PostgreSQL's `prepjointree.c`): what is sure to be no NULL where it holds is
//! noted here, by column; whose columns these are is for the catalog to say.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    AExprKind, BoolExprType, BoolTestType, JoinExpr, JoinType, Node, NullTestType, SelectStmt,
};

use super::expression::string_fields;
use super::{Walker, byte};
use crate::facts::{Join, Joined, Pair, Side};

/// Columns as written.
type Sure = Vec<Vec<String>>;

/// Functions that give NULL for NULL.
const STRICT: [&str; 16] = [
    "abs",
    "btrim",
    "ceil",
    "char_length",
    "date_part",
    "date_trunc",
    "extract",
    "floor",
    "length",
    "like_escape",
    "lower",
    "ltrim",
    "round",
    "rtrim",
    "substring",
    "upper",
];

impl Walker {
    /// Notes the joins of a query that has an outer one.
    pub(super) fn note_joins(&mut self, block: usize, select: &SelectStmt) {
        if !self.facts.blocks.get(block).is_some_and(|b| b.outer) {
            return;
        }
        let from = select.from_clause.iter().map(join).collect();
        let sure = condition(select.where_clause.as_deref());
        self.facts.joined.push(Joined { block, from, sure });
    }
}

fn join(item: &Node) -> Join {
    match item.node.as_ref() {
        Some(NodeEnum::RangeVar(table)) => Join::Table(byte(table.location)),
        Some(NodeEnum::RangeTableSample(sample)) => {
            sample.relation.as_deref().map_or(Join::Rest, join)
        }
        Some(NodeEnum::RangeSubselect(sub)) => {
            let alias = sub.alias.as_ref();
            let mut tables = Vec::new();
            if let Some(query) = sub.subquery.as_deref() {
                under(query, &mut tables);
            }
            Join::Query(
                alias.map_or_else(String::new, |a| a.aliasname.clone()),
                tables,
            )
        }
        Some(NodeEnum::JoinExpr(pair)) => Join::Pair(Box::new(joined(pair))),
        _ => Join::Rest,
    }
}

fn joined(pair: &JoinExpr) -> Pair {
    let side = |node: Option<&Node>| node.map_or(Join::Rest, join);
    let missing: &[Side] = match JoinType::try_from(pair.jointype) {
        Ok(JoinType::JoinLeft) => &[Side::Right],
        Ok(JoinType::JoinRight) => &[Side::Left],
        Ok(JoinType::JoinFull) => &[Side::Left, Side::Right],
        _ => &[],
    };
    Pair {
        left: side(pair.larg.as_deref()),
        right: side(pair.rarg.as_deref()),
        missing: missing.to_vec(),
        sure: condition(pair.quals.as_deref()),
    }
}

/// Where the tables stand whose rows a subquery in FROM gives.
fn under(item: &Node, tables: &mut Vec<usize>) {
    match item.node.as_ref() {
        Some(NodeEnum::RangeVar(table)) => tables.push(byte(table.location)),
        Some(NodeEnum::JoinExpr(pair)) => {
            let sides = [&pair.larg, &pair.rarg];
            sides.into_iter().flatten().for_each(|s| under(s, tables));
        }
        Some(NodeEnum::RangeSubselect(sub)) => {
            sub.subquery.iter().for_each(|q| under(q, tables));
        }
        Some(NodeEnum::RangeTableSample(sample)) => {
            sample.relation.iter().for_each(|r| under(r, tables));
        }
        Some(NodeEnum::SelectStmt(select)) => {
            select.from_clause.iter().for_each(|f| under(f, tables));
        }
        _ => {}
    }
}

/// What is no NULL where a condition is true.
fn condition(node: Option<&Node>) -> Sure {
    node.map_or_else(Vec::new, |node| sure(node, true))
}

/// What is no NULL where an expression is true (`of_truth`), or is no NULL itself.
fn sure(node: &Node, of_truth: bool) -> Sure {
    let arg = |arg: &Option<Box<Node>>, of_truth| {
        arg.as_deref()
            .map_or_else(Vec::new, |node| sure(node, of_truth))
    };
    match node.node.as_ref() {
        Some(NodeEnum::ColumnRef(column)) => vec![string_fields(&column.fields)],
        Some(NodeEnum::TypeCast(cast)) => arg(&cast.arg, of_truth),
        Some(NodeEnum::CollateClause(collate)) => arg(&collate.arg, of_truth),
        Some(NodeEnum::AExpr(expression)) => {
            let left = arg(&expression.lexpr, false);
            let both = || [left.clone(), arg(&expression.rexpr, false)].concat();
            match AExprKind::try_from(expression.kind) {
                Ok(AExprKind::AexprOp) if is_strict(&expression.name) => both(),
                Ok(AExprKind::AexprLike | AExprKind::AexprIlike | AExprKind::AexprSimilar) => {
                    both()
                }
                Ok(AExprKind::AexprIn | AExprKind::AexprBetween | AExprKind::AexprBetweenSym) => {
                    left
                }
                Ok(AExprKind::AexprOpAny) if of_truth && is_strict(&expression.name) => left,
                _ => Vec::new(),
            }
        }
        Some(NodeEnum::BoolExpr(expression)) => {
            let every = BoolExprType::try_from(expression.boolop);
            let inside = of_truth && every != Ok(BoolExprType::NotExpr);
            let mut args = expression.args.iter().map(|a| sure(a, inside));
            match every {
                Ok(BoolExprType::AndExpr) if of_truth => args.flatten().collect(),
                _ => {
                    let first = args.next().unwrap_or_default();
                    args.fold(first, in_both)
                }
            }
        }
        Some(NodeEnum::NullTest(test)) if of_truth && !test.argisrow => {
            match NullTestType::try_from(test.nulltesttype) {
                Ok(NullTestType::IsNotNull) => arg(&test.arg, false),
                _ => Vec::new(),
            }
        }
        Some(NodeEnum::BooleanTest(test)) if of_truth => {
            match BoolTestType::try_from(test.booltesttype) {
                Ok(BoolTestType::IsTrue) => arg(&test.arg, true),
                Ok(BoolTestType::IsFalse | BoolTestType::IsNotUnknown) => arg(&test.arg, false),
                _ => Vec::new(),
            }
        }
        Some(NodeEnum::FuncCall(call)) => {
            let name = string_fields(&call.funcname);
            let strict = name.last().is_some_and(|n| STRICT.contains(&n.as_str()));
            let args = call.args.iter().filter(|_| strict);
            args.flat_map(|a| sure(a, false)).collect()
        }
        _ => Vec::new(),
    }
}

/// All operators of PostgreSQL are strict but those that put things together.
fn is_strict(name: &[Node]) -> bool {
    match string_fields(name).as_slice() {
        [name] => name != "||",
        _ => false,
    }
}

/// Columns of tables that both name columns of: one of each table says as much as all.
fn in_both(a: Sure, b: Sure) -> Sure {
    let table = |fields: &[String]| match fields {
        [.., table, _] => Some(table.clone()),
        _ => None,
    };
    let named = |column: &Vec<String>| {
        b.iter().any(|other| match table(column) {
            Some(name) => table(other) == Some(name),
            None => other == column,
        })
    };
    a.into_iter().filter(named).collect()
}
