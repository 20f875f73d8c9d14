//! Expressions: which functions and columns they use, and whether they can fail on a row.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    AExpr, AExprKind, FuncCall, JsonBehavior, JsonTable, JsonValueExpr, Node, RangeTableFunc,
    SubLink, SubLinkType, TypeCast, TypeName,
};

use super::{Walker, byte, unknown};
use crate::facts::{ColumnUse, Under, Unknown};

/// What matters of an expression for the fence around hidden rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    /// It reads columns.
    pub(crate) columns: bool,
    /// It can raise an error, a notice or a leak when evaluated on a row that should not be seen.
    pub(crate) fallible: bool,
}

impl Shape {
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            columns: self.columns || other.columns,
            fallible: self.fallible || other.fallible,
        }
    }

    fn failing_on_columns(self) -> Self {
        Self {
            fallible: self.fallible || self.columns,
            ..self
        }
    }
}

/// Operators that never fail on any value of the built-in types.
const SAFE_OPERATORS: [&str; 18] = [
    "=", "<>", "!=", "<", ">", "<=", ">=", "~~", "!~~", "~~*", "!~~*", "->", "->>", "@>", "<@",
    "?", "?|", "&&",
];

/// Functions that never fail on any value; aggregates are evaluated above the merge anyway.
const SAFE_FUNCTIONS: [&str; 33] = [
    "lower",
    "upper",
    "length",
    "char_length",
    "character_length",
    "octet_length",
    "btrim",
    "ltrim",
    "rtrim",
    "concat",
    "md5",
    "reverse",
    "starts_with",
    "count",
    "sum",
    "min",
    "max",
    "avg",
    "bool_and",
    "bool_or",
    "every",
    "array_agg",
    "string_agg",
    "json_agg",
    "jsonb_agg",
    "row_number",
    "rank",
    "dense_rank",
    "lag",
    "lead",
    "array_length",
    "cardinality",
    "jsonb_typeof",
];

/// Types whose constants name nothing in the catalog.
const PLAIN_TYPES: [&str; 19] = [
    "bool",
    "bytea",
    "date",
    "float4",
    "float8",
    "inet",
    "int2",
    "int4",
    "int8",
    "interval",
    "json",
    "jsonb",
    "numeric",
    "text",
    "time",
    "timestamp",
    "timestamptz",
    "uuid",
    "varchar",
];

pub(super) fn is_plain(name: &TypeName) -> bool {
    name.typmods.is_empty()
        && !name.setof
        && !name.pct_type
        && match string_fields(&name.names).as_slice() {
            [name] => PLAIN_TYPES.contains(&name.as_str()),
            [schema, name] => schema == "pg_catalog" && PLAIN_TYPES.contains(&name.as_str()),
            _ => false,
        }
}

/// The unquoted strings of a name list; `*` for a star.
pub(crate) fn string_fields(nodes: &[Node]) -> Vec<String> {
    nodes
        .iter()
        .filter_map(|n| match n.node.as_ref()? {
            NodeEnum::String(s) => Some(s.sval.clone()),
            NodeEnum::AStar(_) => Some("*".to_owned()),
            _ => None,
        })
        .collect()
}

type Shaped = Result<Shape, Unknown>;

impl Walker {
    pub(crate) fn expressions(&mut self, nodes: &[Node]) -> Shaped {
        nodes.iter().try_fold(Shape::default(), |shape, n| {
            Ok(shape.and(self.expression(n)?))
        })
    }

    /// As `expressions`, where a constant is but a value.
    pub(crate) fn values(&mut self, nodes: &[Node]) -> Shaped {
        nodes.iter().for_each(|node| self.constant(Some(node)));
        self.arguments(nodes)
    }

    /// Places where a star is spread over several items.
    pub(crate) fn spread<'n>(&mut self, items: impl IntoIterator<Item = &'n Node>) {
        for item in items {
            if let Some(NodeEnum::ColumnRef(column)) = item.node.as_ref() {
                self.facts.spread.push(byte(column.location));
            }
        }
    }

    /// Expressions that are computed and handed on.
    fn arguments(&mut self, nodes: &[Node]) -> Shaped {
        nodes.iter().for_each(|node| self.argument(node));
        self.expressions(nodes)
    }

    pub(super) fn argument(&mut self, node: &Node) {
        if let Some(NodeEnum::ColumnRef(column)) = node.node.as_ref() {
            self.facts.arguments.push(byte(column.location));
        }
    }

    /// Notes a constant, or a list of them, in a place where its value decides nothing.
    pub(crate) fn constant(&mut self, node: Option<&Node>) {
        match node.and_then(|n| n.node.as_ref()) {
            Some(NodeEnum::AConst(constant)) => {
                self.facts.constants.push(byte(constant.location));
            }
            Some(NodeEnum::TypeCast(cast)) if cast.type_name.as_ref().is_some_and(is_plain) => {
                self.constant(cast.arg.as_deref());
            }
            Some(NodeEnum::List(list)) => {
                list.items.iter().for_each(|item| self.constant(Some(item)));
            }
            _ => {}
        }
    }

    pub(crate) fn optional(&mut self, node: Option<&Node>) -> Shaped {
        node.map_or(Ok(Shape::default()), |n| self.expression(n))
    }

    /// Walks one expression.
    pub(crate) fn expression(&mut self, node: &Node) -> Shaped {
        let Some(node) = node.node.as_ref() else {
            return Ok(Shape::default());
        };
        match node {
            NodeEnum::ColumnRef(column) => {
                self.facts.columns.push(ColumnUse {
                    block: self.stack.last().copied().unwrap_or(0),
                    fields: string_fields(&column.fields),
                    location: byte(column.location),
                    bare: false,
                });
                Ok(Shape {
                    columns: true,
                    fallible: false,
                })
            }
            NodeEnum::ParamRef(parameter) => {
                self.facts.parameters = self.facts.parameters.max(parameter.number);
                Ok(Shape::default())
            }
            NodeEnum::AConst(_)
            | NodeEnum::SetToDefault(_)
            | NodeEnum::SqlvalueFunction(_)
            | NodeEnum::AStar(_)
            | NodeEnum::String(_)
            | NodeEnum::Integer(_)
            | NodeEnum::Float(_)
            | NodeEnum::Boolean(_)
            | NodeEnum::BitString(_) => Ok(Shape::default()),
            NodeEnum::AExpr(e) => self.operator(e),
            NodeEnum::FuncCall(call) => self.function(call),
            NodeEnum::SubLink(link) => self.sublink(link),
            NodeEnum::TypeCast(cast) => self.cast(cast),
            NodeEnum::ResTarget(target) => {
                let inner = self.expressions(&target.indirection)?;
                self.constant(target.val.as_deref());
                self.spread(target.val.as_deref());
                let shape = inner.and(self.optional(target.val.as_deref())?);
                let value = target.val.as_deref().and_then(|v| v.node.as_ref());
                if target.name.is_empty()
                    && matches!(value, Some(NodeEnum::ColumnRef(_)))
                    && let Some(column) = self.facts.columns.last_mut()
                {
                    column.bare = true;
                }
                if let (true, Some(NodeEnum::FuncCall(call))) = (target.name.is_empty(), value) {
                    let at = byte(call.location);
                    let mut calls = self.facts.calls.iter_mut();
                    if let Some(call) = calls.find(|c| c.location == at) {
                        call.bare = true;
                    }
                }
                Ok(shape)
            }
            NodeEnum::List(list) => self.expressions(&list.items),
            other => self.composed(other),
        }
    }

    /// Nodes that are only as fallible as their parts.
    fn composed(&mut self, node: &NodeEnum) -> Shaped {
        match node {
            NodeEnum::BoolExpr(e) => self.expressions(&e.args),
            NodeEnum::NullTest(e) => self.optional(e.arg.as_deref()),
            NodeEnum::BooleanTest(e) => self.optional(e.arg.as_deref()),
            NodeEnum::CaseExpr(e) => {
                self.constant(e.defresult.as_deref());
                e.defresult.iter().for_each(|node| self.argument(node));
                let shape = self.optional(e.arg.as_deref())?;
                let shape = shape.and(self.expressions(&e.args)?);
                Ok(shape.and(self.optional(e.defresult.as_deref())?))
            }
            NodeEnum::CaseWhen(e) => {
                self.constant(e.result.as_deref());
                e.result.iter().for_each(|node| self.argument(node));
                let shape = self.optional(e.expr.as_deref())?;
                Ok(shape.and(self.optional(e.result.as_deref())?))
            }
            NodeEnum::CoalesceExpr(e) => self.values(&e.args),
            NodeEnum::MinMaxExpr(e) => self.values(&e.args),
            NodeEnum::RowExpr(e) => {
                self.spread(&e.args);
                self.values(&e.args)
            }
            NodeEnum::AArrayExpr(e) => self.values(&e.elements),
            NodeEnum::AIndirection(e) => {
                self.facts.fields.extend(string_fields(&e.indirection));
                let shape = self.optional(e.arg.as_deref())?;
                Ok(shape.and(self.expressions(&e.indirection)?))
            }
            NodeEnum::AIndices(e) => {
                let shape = self.optional(e.lidx.as_deref())?;
                Ok(shape.and(self.optional(e.uidx.as_deref())?))
            }
            NodeEnum::CollateClause(e) => self.optional(e.arg.as_deref()),
            NodeEnum::GroupingFunc(e) => self.expressions(&e.args),
            NodeEnum::GroupingSet(e) => self.expressions(&e.content),
            NodeEnum::NamedArgExpr(e) => self.optional(e.arg.as_deref()),
            NodeEnum::SortBy(e) => {
                self.facts.operators.extend(string_fields(&e.use_op).pop());
                self.optional(e.node.as_deref())
            }
            NodeEnum::MergeSupportFunc(e) => {
                self.facts.merge_actions.push(byte(e.location));
                Ok(Shape::default())
            }
            NodeEnum::MultiAssignRef(e) => self.optional(e.source.as_deref()),
            other => self.markup(other),
        }
    }

    fn operator(&mut self, e: &AExpr) -> Shaped {
        let name = string_fields(&e.name).pop().unwrap_or_default();
        self.constant(e.lexpr.as_deref());
        self.constant(e.rexpr.as_deref());
        // its items are of one type with what is looked for
        if e.kind == AExprKind::AexprIn as i32 {
            e.lexpr.iter().for_each(|node| self.argument(node));
            if let Some(NodeEnum::List(list)) = e.rexpr.as_deref().and_then(|l| l.node.as_ref()) {
                list.items.iter().for_each(|item| self.argument(item));
            }
        }
        let inner = self.optional(e.lexpr.as_deref())?;
        let inner = inner.and(self.optional(e.rexpr.as_deref())?);
        let safe = SAFE_OPERATORS.contains(&name.as_str())
            || [
                AExprKind::AexprBetween as i32,
                AExprKind::AexprNotBetween as i32,
                AExprKind::AexprBetweenSym as i32,
                AExprKind::AexprNotBetweenSym as i32,
            ]
            .contains(&e.kind);
        self.facts.operators.push(name);
        Ok(if safe {
            inner
        } else {
            inner.failing_on_columns()
        })
    }

    fn function(&mut self, call: &FuncCall) -> Shaped {
        self.call(call);
        let name = string_fields(&call.funcname).pop().unwrap_or_default();
        let safe = SAFE_FUNCTIONS.contains(&name.as_str());
        let mut shape = if safe {
            self.values(&call.args)?
        } else {
            self.arguments(&call.args)?
        };
        shape = shape.and(self.expressions(&call.agg_order)?);
        shape = shape.and(self.optional(call.agg_filter.as_deref())?);
        if let Some(window) = call.over.as_deref() {
            self.window(window)?;
        }
        Ok(if safe {
            shape
        } else {
            shape.failing_on_columns()
        })
    }

    fn cast(&mut self, cast: &TypeCast) -> Shaped {
        if let Some(argument) = cast.arg.as_deref() {
            self.argument(argument);
        }
        let shape = self.optional(cast.arg.as_deref())?;
        let harmless = cast.type_name.as_ref().is_some_and(|t| {
            t.typmods.is_empty()
                && t.array_bounds.is_empty()
                && string_fields(&t.names).last().map(String::as_str) == Some("text")
        });
        if let Some(type_name) = &cast.type_name {
            self.type_name(type_name)?;
        }
        Ok(if harmless {
            shape
        } else {
            shape.failing_on_columns()
        })
    }

    fn type_name(&mut self, name: &TypeName) -> Result<(), Unknown> {
        self.expressions(&name.typmods).map(|_| ())
    }

    fn sublink(&mut self, link: &SubLink) -> Shaped {
        if let Some(operator) = string_fields(&link.oper_name).pop() {
            self.facts.operators.push(operator);
        }
        let test = self.optional(link.testexpr.as_deref())?;
        let first_column = self.facts.columns.len();
        let first_relation = self.facts.relations.len();
        // PostgreSQL may have to find the subquery again in a GROUP BY, where two parameters are not one
        let bindable = self.facts.bindable.len();
        let inner = match link.subselect.as_deref().and_then(|n| n.node.as_ref()) {
            Some(NodeEnum::SelectStmt(select)) => {
                let mut shape = self.select_under(Under::Nothing, select)?;
                let one_row = select.limit_count.is_some()
                    || (select.group_clause.is_empty()
                        && select.target_list.iter().all(is_plain_aggregate));
                if link.sub_link_type == SubLinkType::ExprSublink as i32
                    && !one_row
                    && self.correlated(first_column, first_relation)
                {
                    shape.fallible = true;
                }
                shape
            }
            _ => return Err(unknown("this kind of subquery")),
        };
        self.facts.bindable.truncate(bindable);
        Ok(test.and(inner).and(Shape {
            columns: true,
            fallible: false,
        }))
    }

    /// Whether columns used since a mark are qualified by something outside the relations since.
    fn correlated(&self, first_column: usize, first_relation: usize) -> bool {
        let inner: Vec<&str> = self
            .facts
            .relations
            .iter()
            .skip(first_relation)
            .map(|r| r.label())
            .collect();
        self.facts.columns.iter().skip(first_column).any(|c| {
            c.fields.len() > 1
                && c.fields
                    .len()
                    .checked_sub(2)
                    .and_then(|i| c.fields.get(i))
                    .is_some_and(|q| !inner.contains(&q.as_str()))
        })
    }

    /// XML and SQL/JSON: they fail on bad input.
    fn markup(&mut self, node: &NodeEnum) -> Shaped {
        let shape = match node {
            NodeEnum::XmlExpr(e) => {
                let shape = self.expressions(&e.named_args)?;
                shape.and(self.expressions(&e.args)?)
            }
            NodeEnum::XmlSerialize(e) => self.optional(e.expr.as_deref())?,
            NodeEnum::JsonFuncExpr(e) => {
                let shape = self.json_value(e.context_item.as_deref())?;
                let shape = shape.and(self.optional(e.pathspec.as_deref())?);
                let shape = shape.and(self.expressions(&e.passing)?);
                let shape = shape.and(self.json_behavior(e.on_empty.as_deref())?);
                shape.and(self.json_behavior(e.on_error.as_deref())?)
            }
            NodeEnum::JsonValueExpr(e) => self.json_value(Some(e))?,
            NodeEnum::JsonArgument(e) => self.json_value(e.val.as_deref())?,
            NodeEnum::JsonObjectConstructor(e) => self.expressions(&e.exprs)?,
            NodeEnum::JsonArrayConstructor(e) => self.expressions(&e.exprs)?,
            NodeEnum::JsonKeyValue(e) => {
                let shape = self.optional(e.key.as_deref())?;
                shape.and(self.json_value(e.value.as_deref())?)
            }
            NodeEnum::JsonArrayQueryConstructor(e) => {
                match e.query.as_deref().and_then(|n| n.node.as_ref()) {
                    Some(NodeEnum::SelectStmt(select)) => {
                        self.select_under(Under::Nothing, select)?
                    }
                    _ => return Err(unknown("this kind of JSON_ARRAY query")),
                }
            }
            NodeEnum::JsonObjectAgg(e) => {
                let constructor = e.constructor.as_deref();
                let shape = self.json_aggregate(constructor)?;
                match e.arg.as_deref() {
                    Some(pair) => {
                        let shape = shape.and(self.optional(pair.key.as_deref())?);
                        shape.and(self.json_value(pair.value.as_deref())?)
                    }
                    None => shape,
                }
            }
            NodeEnum::JsonArrayAgg(e) => {
                let constructor = e.constructor.as_deref();
                let shape = self.json_aggregate(constructor)?;
                shape.and(self.json_value(e.arg.as_deref())?)
            }
            NodeEnum::JsonParseExpr(e) => self.json_value(e.expr.as_deref())?,
            NodeEnum::JsonScalarExpr(e) => self.optional(e.expr.as_deref())?,
            NodeEnum::JsonSerializeExpr(e) => self.json_value(e.expr.as_deref())?,
            NodeEnum::JsonIsPredicate(e) => self.optional(e.expr.as_deref())?,
            other => return Err(unknown(describe(other))),
        };
        Ok(shape.failing_on_columns())
    }

    fn json_aggregate(
        &mut self,
        constructor: Option<&pg_query::protobuf::JsonAggConstructor>,
    ) -> Shaped {
        let Some(c) = constructor else {
            return Ok(Shape::default());
        };
        if let Some(window) = c.over.as_deref() {
            self.window(window)?;
        }
        let shape = self.optional(c.agg_filter.as_deref())?;
        Ok(shape.and(self.expressions(&c.agg_order)?))
    }

    fn json_value(&mut self, value: Option<&JsonValueExpr>) -> Shaped {
        let Some(value) = value else {
            return Ok(Shape::default());
        };
        let shape = self.optional(value.raw_expr.as_deref())?;
        Ok(shape.and(self.optional(value.formatted_expr.as_deref())?))
    }

    fn json_behavior(&mut self, behavior: Option<&JsonBehavior>) -> Shaped {
        self.optional(behavior.and_then(|b| b.expr.as_deref()))
    }

    pub(crate) fn json_table(&mut self, table: &JsonTable) -> Result<(), Unknown> {
        let shape = self.json_value(table.context_item.as_deref())?;
        let shape = shape.and(self.expressions(&table.passing)?);
        let shape = shape.and(self.json_behavior(table.on_error.as_deref())?);
        self.mark_risky(shape.failing_on_columns());
        self.json_columns(&table.columns)
    }

    fn json_columns(&mut self, columns: &[Node]) -> Result<(), Unknown> {
        for column in columns {
            let Some(NodeEnum::JsonTableColumn(column)) = column.node.as_ref() else {
                return Err(unknown("this JSON_TABLE column"));
            };
            for behavior in [&column.on_empty, &column.on_error] {
                self.json_behavior(behavior.as_deref())?;
            }
            self.json_columns(&column.columns)?;
        }
        Ok(())
    }

    pub(crate) fn xml_table(&mut self, table: &RangeTableFunc) -> Result<(), Unknown> {
        let mut shape = self.optional(table.docexpr.as_deref())?;
        shape = shape.and(self.optional(table.rowexpr.as_deref())?);
        shape = shape.and(self.expressions(&table.namespaces)?);
        for column in &table.columns {
            let Some(NodeEnum::RangeTableFuncCol(column)) = column.node.as_ref() else {
                return Err(unknown("this XMLTABLE column"));
            };
            shape = shape.and(self.optional(column.colexpr.as_deref())?);
            shape = shape.and(self.optional(column.coldefexpr.as_deref())?);
        }
        self.mark_risky(shape.failing_on_columns());
        Ok(())
    }
}

/// An aggregate call in the target list: without GROUP BY the query gives exactly one row.
fn is_plain_aggregate(target: &Node) -> bool {
    let Some(NodeEnum::ResTarget(target)) = target.node.as_ref() else {
        return false;
    };
    match target.val.as_deref().and_then(|v| v.node.as_ref()) {
        Some(NodeEnum::FuncCall(call)) => {
            let name = string_fields(&call.funcname).pop().unwrap_or_default();
            ["count", "sum", "min", "max", "avg", "bool_and", "bool_or"].contains(&name.as_str())
                && call.over.is_none()
        }
        Some(NodeEnum::CoalesceExpr(e)) => e.args.first().is_some_and(|first| {
            matches!(first.node.as_ref(), Some(NodeEnum::FuncCall(c))
                if ["count", "sum", "min", "max", "avg"].contains(&string_fields(&c.funcname).pop().unwrap_or_default().as_str()) && c.over.is_none())
        }),
        _ => false,
    }
}

/// A node's name for the reader of a refusal.
fn describe(node: &NodeEnum) -> String {
    let text = format!("{node:?}");
    let name: String = text
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect();
    match name.as_str() {
        "CurrentOfExpr" => "WHERE CURRENT OF".to_owned(),
        other => format!("the expression {other}"),
    }
}
