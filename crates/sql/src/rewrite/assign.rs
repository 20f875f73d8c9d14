//! `SET column = value` lists, of UPDATE and of ON CONFLICT DO UPDATE.

use std::ops::Range;

use catalog::{Column, Generated, Relation};
use pg_query::NodeEnum;
use pg_query::protobuf::{Node, ResTarget, Token as Kind};
use report::Report;

use crate::classify::unsupported;
use crate::rewrite::change::{Changed, list, mismatch};
use crate::rewrite::parts::{self, Edited, Part};
use crate::rewrite::work::Work;
use crate::splice::{Edit, Splice};

/// One `column = value` of SET, multi-column forms taken apart.
#[derive(Debug)]
pub(crate) struct Assignment {
    pub(crate) column: String,
    pub(crate) value: Value,
}

/// What is assigned.
#[derive(Debug)]
pub(crate) enum Value {
    /// The client's expression, cast to that type where it is a bare constant or parameter.
    Text {
        range: Range<usize>,
        cast: Option<String>,
    },
    /// Column of a sub-select that gives several.
    Part {
        range: Range<usize>,
        index: usize,
        count: usize,
    },
    /// Our own expression (DEFAULT).
    Ours(String),
    /// Some parts of the value get new ones, in this order.
    Parts(Vec<Part>),
}

impl Value {
    /// Appends it as an expression.
    pub(crate) fn write(&self, splice: &mut Splice<'_>, edits: &[Edit]) {
        match self {
            Self::Text { range, cast } => {
                splice.ours(if cast.is_some() { "CAST((" } else { "(" });
                splice.copy_edited(range.clone(), edits);
                match cast {
                    Some(type_name) => splice.ours(&format!(") AS {type_name})")),
                    None => splice.ours(")"),
                }
            }
            Self::Part {
                range,
                index,
                count,
            } => {
                let names = list((0..*count).map(|i| format!("c{i}")));
                splice.ours(&format!("(SELECT pgdraft_m.c{index} FROM "));
                splice.copy_edited(range.clone(), edits);
                splice.ours(&format!(" AS pgdraft_m({names}))"));
            }
            Self::Ours(text) => splice.ours(text),
            // written out when all of them are known
            Self::Parts(_) => {}
        }
    }

    /// It as an expression.
    fn text(&self, (work, edits): Edited<'_>) -> String {
        let mut splice = work.splice();
        self.write(&mut splice, edits);
        splice.finish().0
    }
}

/// The assignments of a SET list that lies in that range of tokens.
pub(crate) fn assignments(
    (work, edits): Edited<'_>,
    targets: &[Node],
    content: Range<usize>,
) -> Result<Vec<Assignment>, Box<Report>> {
    let tokens = &work.statement.tokens;
    let depth = work.place.depth;
    let items = tokens.split_commas(content, depth);
    let targets: Vec<&ResTarget> = targets
        .iter()
        .filter_map(|n| match n.node.as_ref() {
            Some(NodeEnum::ResTarget(target)) => Some(target.as_ref()),
            _ => None,
        })
        .collect();
    let mut out = Vec::with_capacity(targets.len());
    let mut remaining = targets.as_slice();
    for item in items {
        let equals = tokens
            .find(item.clone(), depth, |_, t| t.is(Kind::Ascii61))
            .ok_or_else(mismatch)?;
        let value = equals + 1..item.end;
        let names = item.start..equals;
        let [first, ..] = remaining else {
            return Err(mismatch());
        };
        let count = match value_node(first) {
            Some(NodeEnum::MultiAssignRef(multi)) => {
                let count = usize::try_from(multi.ncolumns).unwrap_or(1);
                let group = remaining.get(..count).ok_or_else(mismatch)?;
                let names =
                    tokens.split_commas(names.start + 1..names.end.saturating_sub(1), depth + 1);
                let group: Vec<Goal<'_>> = group.iter().copied().zip(names).collect();
                out.extend(several(
                    (work, edits),
                    &group,
                    multi.source.as_deref(),
                    value,
                )?);
                count
            }
            node => {
                out.extend(single((work, edits), (*first, names), node, value)?);
                1
            }
        };
        remaining = remaining.get(count..).unwrap_or(&[]);
    }
    if remaining.is_empty() {
        together(work, out)
    } else {
        Err(mismatch())
    }
}

/// All parts of one column as one assignment.
fn together(work: &Work<'_>, list: Vec<Assignment>) -> Result<Vec<Assignment>, Box<Report>> {
    let mut out: Vec<Assignment> = Vec::with_capacity(list.len());
    for assignment in list {
        let known = out.iter_mut().find(|a| a.column == assignment.column);
        match (known.map(|a| &mut a.value), assignment.value) {
            (Some(Value::Parts(parts)), Value::Parts(more)) => parts.extend(more),
            (_, value) => out.push(Assignment {
                value,
                ..assignment
            }),
        }
    }
    let writable = work.changed.writable();
    for assignment in &mut out {
        if let Value::Parts(parts) = &assignment.value {
            let i = writable.iter().position(|c| c.name == assignment.column);
            let i = i.ok_or_else(mismatch)?;
            let column = writable.get(i).ok_or_else(mismatch)?;
            let old = work.changed.old(i, &column.name);
            let text = parts::assign(work.context.catalog, column, &old, parts)?;
            assignment.value = Value::Ours(text);
        }
    }
    Ok(out)
}

/// What is assigned to, with the tokens it is named by.
type Goal<'t> = (&'t ResTarget, Range<usize>);

fn value_node(target: &ResTarget) -> Option<&NodeEnum> {
    target.val.as_deref().and_then(|v| v.node.as_ref())
}

fn single(
    (work, edits): Edited<'_>,
    (target, names): Goal<'_>,
    node: Option<&NodeEnum>,
    tokens: Range<usize>,
) -> Result<Option<Assignment>, Box<Report>> {
    let changed = &work.changed;
    let column = changed.assigned(&target.name, ("update", crate::walk::byte(target.location)))?;
    let value = match node {
        Some(NodeEnum::SetToDefault(_)) if !target.indirection.is_empty() => {
            return Err(no_default());
        }
        // the head computes generated columns itself
        Some(NodeEnum::SetToDefault(_)) if column.generated != Generated::No => return Ok(None),
        Some(NodeEnum::SetToDefault(_)) => Value::Ours(default(changed, &target.name, column)),
        Some(node) => {
            let range = work.bytes(tokens.clone())?;
            let whole = target.indirection.is_empty();
            match node {
                NodeEnum::RowExpr(row) if whole => {
                    match parts::row_value((work, edits), column, row, tokens)? {
                        Some(text) => Value::Ours(text),
                        None => Value::Text {
                            range,
                            cast: Some(cast_type(column)),
                        },
                    }
                }
                node => Value::Text {
                    range,
                    cast: (whole && is_untyped(node)).then(|| cast_type(column)),
                },
            }
        }
        None => return Err(mismatch()),
    };
    assignment((work, edits), (target, names), column, value).map(Some)
}

/// The value goes to the column, or to the part of it that the target names.
fn assignment(
    (work, edits): Edited<'_>,
    (target, names): Goal<'_>,
    column: &Column,
    value: Value,
) -> Result<Assignment, Box<Report>> {
    let value = if target.indirection.is_empty() {
        value
    } else {
        Value::Parts(vec![Part {
            steps: parts::steps(
                (work, edits),
                &target.indirection,
                names.start + 1..names.end,
            )?,
            value: value.text((work, edits)),
            column: (target.name.clone(), crate::walk::byte(target.location)),
        }])
    };
    Ok(Assignment {
        column: column.name.clone(),
        value,
    })
}

fn no_default() -> Box<Report> {
    Box::new(
        Report::error("0A000", "cannot set a part of a value to DEFAULT")
            .hint("assign the whole value, or a value to the part"),
    )
}

/// `(a, b) = (1, 2)`, `(a, b) = ROW(1, 2)`, `(a, b) = (SELECT …)`.
fn several(
    (work, edits): Edited<'_>,
    group: &[Goal<'_>],
    source: Option<&Node>,
    value: Range<usize>,
) -> Result<Vec<Assignment>, Box<Report>> {
    let (tokens, changed) = (&work.statement.tokens, &work.changed);
    let depth = work.place.depth;
    let mut out = Vec::new();
    match source.and_then(|n| n.node.as_ref()) {
        Some(NodeEnum::RowExpr(row)) if row.args.len() == group.len() => {
            let open = tokens
                .find(value.clone(), depth, |_, t| t.is(Kind::Ascii40))
                .ok_or_else(mismatch)?;
            let inside = tokens.split_commas(open + 1..value.end - 1, depth + 1);
            if inside.len() != group.len() {
                return Err(mismatch());
            }
            for ((goal, node), piece) in group.iter().zip(&row.args).zip(inside) {
                out.extend(single(
                    (work, edits),
                    goal.clone(),
                    node.node.as_ref(),
                    piece,
                )?);
            }
        }
        Some(NodeEnum::SubLink(_)) => {
            let range = work.bytes(value)?;
            for (index, (target, names)) in group.iter().enumerate() {
                let at = crate::walk::byte(target.location);
                let column = changed.assigned(&target.name, ("update", at))?;
                let value = Value::Part {
                    range: range.clone(),
                    index,
                    count: group.len(),
                };
                out.push(assignment(
                    (work, edits),
                    (target, names.clone()),
                    column,
                    value,
                )?);
            }
        }
        _ => return Err(Box::new(unsupported("this form of multi-column SET"))),
    }
    Ok(out)
}

/// Constants, parameters and rows take the type of the column they are assigned to.
pub(crate) fn is_untyped(node: &NodeEnum) -> bool {
    matches!(
        node,
        NodeEnum::AConst(_) | NodeEnum::ParamRef(_) | NodeEnum::RowExpr(_)
    )
}

/// The column's type without its modifier: a cast with the modifier would cut a long string
/// instead of raising 22001. So would one to a domain over such a type.
pub(crate) fn cast_type(column: &Column) -> String {
    if let Some(length) = column.base_type.as_deref().and_then(Length::of) {
        let array = if length.array { "[]" } else { "" };
        return format!("pg_catalog.{}{array}", length.function);
    }
    match column.type_id {
        1042 => "pg_catalog.bpchar".to_owned(),
        1014 => "pg_catalog.bpchar[]".to_owned(),
        1560 => "pg_catalog.\"bit\"".to_owned(),
        1561 => "pg_catalog.\"bit\"[]".to_owned(),
        18 => "pg_catalog.\"char\"".to_owned(),
        _ => qualified(&column.type_name),
    }
}

/// Types that the grammar itself knows, by their first word.
const IN_GRAMMAR: [&str; 12] = [
    "bigint",
    "bit",
    "boolean",
    "character",
    "double",
    "integer",
    "interval",
    "numeric",
    "real",
    "smallint",
    "time",
    "timestamp",
];

/// `text` is `pg_catalog.text`: a bare name may mean the type of a temporary table of that name.
fn qualified(type_name: &str) -> String {
    let word = type_name.split(['(', '[', ' ']).next().unwrap_or_default();
    if word.contains('.') || IN_GRAMMAR.contains(&word) {
        return type_name.to_owned();
    }
    format!("pg_catalog.{type_name}")
}

/// The column's type without its modifier; of a domain the type below it.
pub(crate) fn plain_type(column: &Column) -> String {
    let Some(base) = column.base_type.as_deref() else {
        return cast_type(column);
    };
    if Length::of(base).is_some() {
        return cast_type(column);
    }
    let modifier = |text: &str| text.chars().all(|c| c.is_ascii_digit() || c == ',');
    match base.split_once('(') {
        Some((name, rest)) if !name.contains('"') => match rest.split_once(')') {
            Some((inside, after)) if modifier(inside) => qualified(&format!("{name}{after}")),
            _ => qualified(base),
        },
        _ => qualified(base),
    }
}

/// What DEFAULT means for a column the client names.
fn default(changed: &Changed, name: &str, column: &Column) -> String {
    let Some(through) = &changed.through else {
        return default_of(&changed.relation, column);
    };
    // An UPDATE of a view takes the view's own default, and NULL where there is none: what lies
    // below is not asked, as it is for an INSERT.
    let default = through.own_default(name).unwrap_or("NULL");
    format!("CAST({default} AS {})", cast_type(column))
}

/// The column's DEFAULT as an expression of its type, as the head has it.
pub(crate) fn default_of(relation: &Relation, column: &Column) -> String {
    let default = relation.draft_default(column);
    format!(
        "CAST({} AS {})",
        default.as_deref().unwrap_or("NULL"),
        cast_type(column)
    )
}

/// A value as its column stores it: what an assignment does, where CAST with a length would cut a
/// long string instead of raising 22001.
pub(crate) fn stored(value: &str, column: &Column) -> String {
    let plain = cast_type(column);
    let name = &column.type_name;
    let declared = column.base_type.as_ref().unwrap_or(&column.declared);
    let fitted = match Length::of(declared) {
        Some(length) => length.fit(value),
        None => format!("CAST({value} AS {plain})"),
    };
    let cast = if column.base_type.is_some() {
        format!("CAST({fitted} AS {name})")
    } else if *declared != column.type_name {
        format!("CAST({fitted} AS {})", qualified(declared))
    } else {
        fitted
    };
    match &column.collation {
        Some(collation) => format!("{cast} COLLATE {collation}"),
        None => cast,
    }
}

/// A type that has a length, by the function that PostgreSQL assigns values of it with.
struct Length {
    function: &'static str,
    modifier: u32,
    array: bool,
}

impl Length {
    fn of(declared: &str) -> Option<Self> {
        let (element, array) = match declared.strip_suffix("[]") {
            Some(element) => (element, true),
            None => (declared, false),
        };
        let (name, length) = element.strip_suffix(')')?.split_once('(')?;
        let length: u32 = length.parse().ok()?;
        let (function, modifier) = match name {
            "character varying" => ("varchar", length + 4),
            "character" => ("bpchar", length + 4),
            "bit" => ("\"bit\"", length),
            "bit varying" => ("varbit", length),
            _ => return None,
        };
        Some(Self {
            function,
            modifier,
            array,
        })
    }

    fn fit(&self, value: &str) -> String {
        let Self {
            function,
            modifier,
            array,
        } = self;
        if !array {
            return format!(
                "pg_catalog.{function}(CAST({value} AS pg_catalog.{function}), {modifier}, false)"
            );
        }
        format!(
            "(SELECT CASE WHEN (SELECT pg_catalog.count(pg_catalog.{function}(e, {modifier}, false)) FROM pg_catalog.unnest(a.a) AS u(e)) >= 0 THEN a.a END FROM (SELECT CAST({value} AS pg_catalog.{function}[]) AS a OFFSET 0) AS a)"
        )
    }
}
