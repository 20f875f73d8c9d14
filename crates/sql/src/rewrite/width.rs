//! How many columns a query gives, as far as its text and the catalog say.

use std::cell::Cell;

use catalog::Function;
use pg_query::NodeEnum;
use pg_query::protobuf::{
    CommonTableExpr, FuncCall, InsertStmt, JoinExpr, Node, RangeFunction, RangeVar, SelectStmt,
    WithClause,
};

use crate::plan::Context;
use crate::resolve::{self, Resolved};
use crate::rewrite::work::Work;
use crate::walk::{byte, string_fields};

/// Functions of `pg_catalog` that give one column in a FROM.
const OF_ONE_COLUMN: [&str; 9] = [
    "generate_series",
    "generate_subscripts",
    "json_array_elements",
    "json_array_elements_text",
    "jsonb_array_elements",
    "jsonb_array_elements_text",
    "regexp_split_to_table",
    "regexp_matches",
    "string_to_table",
];

/// Functions of `pg_catalog` that give rows of their first argument's type.
const OF_ROW_GIVEN: [&str; 4] = [
    "json_populate_record",
    "json_populate_recordset",
    "jsonb_populate_record",
    "jsonb_populate_recordset",
];

/// Types of `pg_catalog` without a word of the grammar.
const PLAIN_TYPES: [&str; 7] = [
    "text",
    "uuid",
    "date",
    "jsonb",
    "json",
    "bytea",
    "timestamptz",
];

/// Most queries that are looked at: what each of many names twice, which all name the next, would take for ever.
const STEPS_MAX: usize = 10_000;

/// The width of the query of an INSERT.
pub(crate) fn of_source(work: &Work<'_>, tree: &InsertStmt, select: &SelectStmt) -> Option<usize> {
    let facts = &work.statement.facts;
    let read = facts.relations.iter().map(|r| r.location);
    let changed = facts.parts.iter().filter_map(|part| part.change.relation());
    let changed = changed.map(|target| byte(target.location));
    let widths = Widths {
        context: work.context,
        relations: read.chain(changed).collect(),
        steps: Cell::new(STEPS_MAX),
    };
    widths.query(select, &within(&[], tree.with_clause.as_ref()))
}

/// What the text's names mean.
struct Widths<'a> {
    context: &'a Context<'a>,
    /// Where names of relations stand: other names in a FROM are those of CTEs.
    relations: Vec<usize>,
    /// Queries that may still be looked at.
    steps: Cell<usize>,
}

/// The CTEs that can be named, the nearest last.
type Ctes<'t> = Vec<&'t CommonTableExpr>;

fn within<'t>(outer: &[&'t CommonTableExpr], with: Option<&'t WithClause>) -> Ctes<'t> {
    let own = with.iter().flat_map(|with| &with.ctes);
    let own = own.filter_map(|cte| match cte.node.as_ref() {
        Some(NodeEnum::CommonTableExpr(cte)) => Some(cte.as_ref()),
        _ => None,
    });
    outer.iter().copied().chain(own).collect()
}

impl Widths<'_> {
    fn query(&self, select: &SelectStmt, outer: &[&CommonTableExpr]) -> Option<usize> {
        self.steps.set(self.steps.get().checked_sub(1)?);
        let ctes = within(outer, select.with_clause.as_ref());
        if let Some(left) = &select.larg {
            return self.query(left, &ctes);
        }
        if let Some(row) = select.values_lists.first() {
            return match row.node.as_ref() {
                Some(NodeEnum::List(row)) => Some(row.items.len()),
                _ => None,
            };
        }
        self.targets(&select.target_list, &select.from_clause, &ctes)
    }

    fn targets(&self, targets: &[Node], from: &[Node], ctes: &[&CommonTableExpr]) -> Option<usize> {
        let widths = targets.iter().map(|target| {
            let NodeEnum::ResTarget(target) = target.node.as_ref()? else {
                return None;
            };
            match target.val.as_deref()?.node.as_ref()? {
                NodeEnum::ColumnRef(column) => match string_fields(&column.fields).as_slice() {
                    [star] if star == "*" => self.all(from, ctes),
                    [.., label, star] if star == "*" => from
                        .iter()
                        .find_map(|item| self.labelled(item, label, ctes)),
                    _ => Some(1),
                },
                NodeEnum::AIndirection(parts) => match parts.indirection.last()?.node.as_ref()? {
                    NodeEnum::AStar(_) if parts.indirection.len() == 1 => {
                        self.spread(parts.arg.as_deref()?)
                    }
                    NodeEnum::AStar(_) => None,
                    _ => Some(1),
                },
                _ => Some(1),
            }
        });
        widths.sum()
    }

    fn all(&self, from: &[Node], ctes: &[&CommonTableExpr]) -> Option<usize> {
        from.iter().map(|item| self.item(item, ctes)).sum()
    }

    /// An item of a FROM.
    fn item(&self, item: &Node, ctes: &[&CommonTableExpr]) -> Option<usize> {
        match item.node.as_ref()? {
            NodeEnum::RangeVar(table) => self.named(table, ctes),
            NodeEnum::RangeSubselect(sub) => match sub.subquery.as_deref()?.node.as_ref()? {
                NodeEnum::SelectStmt(select) => self.query(select, ctes),
                _ => None,
            },
            NodeEnum::RangeFunction(function) => self.function(function),
            NodeEnum::RangeTableSample(sample) => self.item(sample.relation.as_deref()?, ctes),
            NodeEnum::RangeTableFunc(table) => Some(table.columns.len()),
            NodeEnum::JoinExpr(join) => self.join(join, ctes),
            _ => None,
        }
    }

    fn join(&self, join: &JoinExpr, ctes: &[&CommonTableExpr]) -> Option<usize> {
        if join.is_natural {
            return Some(self.names_of_join(join)?.len());
        }
        let left = self.item(join.larg.as_deref()?, ctes)?;
        let right = self.item(join.rarg.as_deref()?, ctes)?;
        (left + right).checked_sub(join.using_clause.len())
    }

    /// The names of a join's columns: those that its sides share come once, before all others.
    fn names_of_join(&self, join: &JoinExpr) -> Option<Vec<String>> {
        let left = self.names(join.larg.as_deref()?)?;
        let right = self.names(join.rarg.as_deref()?)?;
        let mut names = match join.is_natural {
            true => left.iter().filter(|n| right.contains(n)).cloned().collect(),
            false => string_fields(&join.using_clause),
        };
        let shared = names.clone();
        let others = left.into_iter().chain(right);
        names.extend(others.filter(|n| !shared.contains(n)));
        Some(names)
    }

    /// The names of the columns of a table, or of a join of tables.
    fn names(&self, item: &Node) -> Option<Vec<String>> {
        let (alias, names) = match item.node.as_ref()? {
            NodeEnum::RangeVar(table) if self.relations.contains(&byte(table.location)) => {
                let schema = (!table.schemaname.is_empty()).then_some(table.schemaname.as_str());
                let found = resolve::resolve(self.context, schema, &table.relname).ok()?;
                let Resolved::Known(relation) = found else {
                    return None;
                };
                let names = relation.columns.iter().map(|c| c.name.clone());
                (&table.alias, names.collect::<Vec<_>>())
            }
            NodeEnum::RangeTableSample(sample) => {
                return self.names(sample.relation.as_deref()?);
            }
            NodeEnum::JoinExpr(join) => (&join.alias, self.names_of_join(join)?),
            _ => return None,
        };
        let renamed = alias.as_ref().map(|a| string_fields(&a.colnames));
        let renamed = renamed.unwrap_or_default();
        let kept = names.into_iter().skip(renamed.len()).collect::<Vec<_>>();
        Some(renamed.into_iter().chain(kept).collect())
    }

    /// The item of that name, if it is this one or stands in it.
    fn labelled(&self, item: &Node, label: &str, ctes: &[&CommonTableExpr]) -> Option<usize> {
        let (alias, name) = match item.node.as_ref()? {
            NodeEnum::RangeVar(table) => (&table.alias, table.relname.as_str()),
            NodeEnum::RangeSubselect(sub) => (&sub.alias, ""),
            NodeEnum::RangeFunction(function) => (&function.alias, ""),
            NodeEnum::RangeTableFunc(table) => (&table.alias, ""),
            NodeEnum::RangeTableSample(sample) => {
                return self.labelled(sample.relation.as_deref()?, label, ctes);
            }
            NodeEnum::JoinExpr(join) if join.alias.is_none() && join.join_using_alias.is_none() => {
                let sides = [join.larg.as_deref(), join.rarg.as_deref()];
                let mut sides = sides.into_iter().flatten();
                return sides.find_map(|side| self.labelled(side, label, ctes));
            }
            _ => return None,
        };
        let own = alias.as_ref().map_or(name, |alias| &alias.aliasname);
        (own == label).then(|| self.item(item, ctes)).flatten()
    }

    fn named(&self, table: &RangeVar, ctes: &[&CommonTableExpr]) -> Option<usize> {
        if self.relations.contains(&byte(table.location)) {
            let schema = (!table.schemaname.is_empty()).then_some(table.schemaname.as_str());
            return match resolve::resolve(self.context, schema, &table.relname).ok()? {
                Resolved::Known(relation) => Some(relation.columns.len()),
                Resolved::Temporary => self.context.temporary.get(&table.relname).copied(),
                _ => None,
            };
        }
        let place = ctes.iter().rposition(|cte| cte.ctename == table.relname)?;
        let cte = ctes.get(place)?;
        if cte.search_clause.is_some() || cte.cycle_clause.is_some() {
            return None;
        }
        // it may name itself and those before it
        let before = ctes.get(..place)?;
        let (target, returning, from): (_, _, &[Node]) =
            match cte.ctequery.as_deref()?.node.as_ref()? {
                NodeEnum::SelectStmt(select) => return self.query(select, before),
                NodeEnum::InsertStmt(change) => (&change.relation, &change.returning_clause, &[]),
                NodeEnum::UpdateStmt(change) => (
                    &change.relation,
                    &change.returning_clause,
                    &change.from_clause,
                ),
                NodeEnum::DeleteStmt(change) => (
                    &change.relation,
                    &change.returning_clause,
                    &change.using_clause,
                ),
                _ => return None,
            };
        let target = NodeEnum::RangeVar(target.clone()?);
        let target = Node { node: Some(target) };
        let from: Vec<Node> = std::iter::once(target)
            .chain(from.iter().cloned())
            .collect();
        self.targets(&returning.as_ref()?.exprs, &from, before)
    }

    fn function(&self, function: &RangeFunction) -> Option<usize> {
        let ordinality = usize::from(function.ordinality);
        if !function.coldeflist.is_empty() {
            return Some(function.coldeflist.len() + ordinality);
        }
        let widths = function.functions.iter().map(|function| {
            let NodeEnum::List(list) = function.node.as_ref()? else {
                return None;
            };
            match list.items.get(1).and_then(|columns| columns.node.as_ref()) {
                Some(NodeEnum::List(columns)) if !columns.items.is_empty() => {
                    Some(columns.items.len())
                }
                _ => self.spread(list.items.first()?),
            }
        });
        Some(widths.sum::<Option<usize>>()? + ordinality)
    }

    /// A function's row.
    fn spread(&self, value: &Node) -> Option<usize> {
        let NodeEnum::FuncCall(call) = value.node.as_ref()? else {
            return None;
        };
        let name = string_fields(&call.funcname);
        let name = match name.as_slice() {
            [name] => name.as_str(),
            [schema, name] if schema == "pg_catalog" => name.as_str(),
            _ => return None,
        };
        let functions = &self.context.catalog.functions;
        let own = |f: &Function| f.schema != "pg_catalog";
        if functions.get(name).is_some_and(|all| all.iter().any(own)) {
            return None;
        }
        match name {
            "unnest" => call
                .args
                .iter()
                .all(is_plain_array)
                .then_some(call.args.len()),
            name if OF_ONE_COLUMN.contains(&name) => Some(1),
            name if OF_ROW_GIVEN.contains(&name) => self.row_given(call),
            _ => None,
        }
    }

    /// The columns of `NULL::table`.
    fn row_given(&self, call: &FuncCall) -> Option<usize> {
        let NodeEnum::TypeCast(cast) = call.args.first()?.node.as_ref()? else {
            return None;
        };
        let names = string_fields(&cast.type_name.as_ref()?.names);
        let (schema, name) = match names.as_slice() {
            [name] => (None, name),
            [schema, name] => (Some(schema.as_str()), name),
            _ => return None,
        };
        match resolve::resolve(self.context, schema, name).ok()? {
            Resolved::Known(relation) => Some(relation.columns.len()),
            _ => None,
        }
    }
}

/// An array of constants, or of a type that the grammar has a word for, or of a usual one: not of rows.
fn is_plain_array(value: &Node) -> bool {
    let cast = match value.node.as_ref() {
        Some(NodeEnum::AArrayExpr(array)) => {
            let constant = |e: &Node| matches!(e.node.as_ref(), Some(NodeEnum::AConst(_)));
            return !array.elements.is_empty() && array.elements.iter().all(constant);
        }
        Some(NodeEnum::TypeCast(cast)) => cast,
        _ => return false,
    };
    let Some(kind) = &cast.type_name else {
        return false;
    };
    !kind.array_bounds.is_empty()
        && match string_fields(&kind.names).as_slice() {
            [schema, _] => schema == "pg_catalog",
            [name] => PLAIN_TYPES.contains(&name.as_str()),
            _ => false,
        }
}
