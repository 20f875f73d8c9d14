//! `SET column = value` lists, of UPDATE and of ON CONFLICT DO UPDATE.

use std::ops::Range;

use catalog::{Catalog, Column, Generated, Relation};
use pg_query::NodeEnum;
use pg_query::protobuf::{Node, ResTarget, Token as Kind};
use report::Report;

use crate::classify::unsupported;
use crate::rewrite::change::{list, mismatch};
use crate::rewrite::parts::{self, Edited, Part, Step};
use crate::rewrite::storing::{cast_type, fitted};
use crate::rewrite::work::Work;
use crate::splice::{Edit, Splice};
use crate::volatile;

/// One `column = value` of SET, multi-column forms taken apart.
#[derive(Debug)]
pub(crate) struct Assignment {
    pub(crate) column: String,
    pub(crate) value: Value,
}

/// What is assigned.
#[derive(Debug)]
pub(crate) enum Value {
    /// The client's expression, and what makes a value of the column's type of it.
    Text {
        range: Range<usize>,
        cast: Option<(String, String)>,
    },
    /// Column of a sub-select that gives several; `row`: of its select list alone.
    Part {
        range: Range<usize>,
        row: bool,
        index: usize,
        count: usize,
    },
    /// Our own expression (DEFAULT).
    Ours(String),
    /// Some parts of the value get new ones, in this order.
    Parts(Vec<Part>),
}

impl Value {
    /// Whether it is a value of the column's type already, lengths apart.
    pub(crate) fn is_typed(&self) -> bool {
        match self {
            Self::Text { cast, .. } => cast.is_some(),
            Self::Part { .. } => false,
            Self::Ours(_) | Self::Parts(_) => true,
        }
    }

    /// Appends it as an expression.
    pub(crate) fn write(&self, splice: &mut Splice<'_>, edits: &[Edit]) {
        match self {
            Self::Text { range, cast } => {
                splice.ours(
                    &cast
                        .as_ref()
                        .map_or("(".to_owned(), |c| format!("{}(", c.0)),
                );
                splice.copy_edited(range.clone(), edits);
                match cast {
                    Some((_, close)) => splice.ours(&format!("){close}")),
                    None => splice.ours(")"),
                }
            }
            Self::Part {
                range,
                row,
                index,
                count,
            } => {
                let names = list((0..*count).map(|i| format!("c{i}")));
                let (open, close) = if *row { ("(SELECT ", ")") } else { ("", "") };
                splice.ours(&format!("(SELECT pgdraft_m.c{index} FROM {open}"));
                splice.copy_edited(range.clone(), edits);
                splice.ours(&format!("{close} AS pgdraft_m({names}))"));
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
    let place = |target: &&ResTarget| crate::walk::byte(target.location);
    let named = targets.iter().map(|t| (t.name.as_str(), place(t)));
    let named: Vec<(&str, usize)> = named.collect();
    work.changed.all_assigned(&named, "update")?;
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
        Some(NodeEnum::SetToDefault(_)) => Value::Ours(default(work, &target.name, column)),
        Some(node) => {
            let range = work.bytes(tokens.clone())?;
            let whole = target.indirection.is_empty();
            match node {
                NodeEnum::RowExpr(row) => {
                    let steps = named_steps((work, edits), (target, names.clone()))?;
                    let declared = parts::leaf(work.context.catalog, column, &steps)?;
                    match parts::row_value((work, edits), &declared, row, tokens)? {
                        Some(text) => Value::Ours(text),
                        None => Value::Text {
                            range,
                            cast: whole.then(|| fitted(work.context.catalog, column)),
                        },
                    }
                }
                _ => Value::Text {
                    range,
                    cast: whole.then(|| fitted(work.context.catalog, column)),
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
            steps: named_steps((work, edits), (target, names))?,
            value: value.text((work, edits)),
            column: (target.name.clone(), crate::walk::byte(target.location)),
        }])
    };
    Ok(Assignment {
        column: column.name.clone(),
        value,
    })
}

/// The way from the column to what the target names.
fn named_steps(edited: Edited<'_>, (target, names): Goal<'_>) -> Result<Vec<Step>, Box<Report>> {
    parts::steps(edited, &target.indirection, names.start + 1..names.end)
}

fn no_default() -> Box<Report> {
    Box::new(
        Report::error("0A000", "cannot set a part of a value to DEFAULT")
            .hint("assign the whole value, or a value to the part"),
    )
}

/// `(a, b) = (1, 2)`, `(a, b) = ROW(1, 2)`, `(a, b) = ROW(v.*)`, `(a, b) = (SELECT …)`.
fn several(
    (work, edits): Edited<'_>,
    group: &[Goal<'_>],
    source: Option<&Node>,
    value: Range<usize>,
) -> Result<Vec<Assignment>, Box<Report>> {
    let (tokens, depth) = (&work.statement.tokens, work.place.depth);
    let node = source.and_then(|n| n.node.as_ref());
    let inside = || {
        let open = tokens.find(value.clone(), depth, |_, t| t.is(Kind::Ascii40));
        let open = open.ok_or_else(mismatch)?;
        Ok::<_, Box<Report>>(open + 1..value.end - 1)
    };
    match node {
        Some(NodeEnum::RowExpr(row)) if row.args.iter().any(is_star) => {
            if row
                .args
                .iter()
                .filter_map(|n| n.node.as_ref())
                .any(is_untyped)
            {
                return Err(Box::new(
                    unsupported("a constant beside a star in a multi-column SET")
                        .hint("name the columns instead of the star"),
                ));
            }
            parted((work, edits), group, (work.bytes(inside()?)?, true))
        }
        Some(NodeEnum::RowExpr(row)) => {
            let pieces = tokens.split_commas(inside()?, depth + 1);
            if row.args.len() != group.len() {
                let message = "number of columns does not match number of values";
                let at = crate::walk::byte(row.location) + 1;
                return Err(Box::new(Report::error("42601", message).position(at)));
            }
            if pieces.len() != group.len() {
                return Err(mismatch());
            }
            let mut out = Vec::new();
            for ((goal, node), piece) in group.iter().zip(&row.args).zip(pieces) {
                let node = node.node.as_ref();
                out.extend(single((work, edits), goal.clone(), node, piece)?);
            }
            Ok(out)
        }
        Some(NodeEnum::SubLink(_)) => parted((work, edits), group, (work.bytes(value)?, false)),
        _ => {
            let message =
                "source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression";
            let range = work.bytes(value)?;
            let text = work.statement.text.get(range.clone()).unwrap_or_default();
            let bare = text.trim_start_matches(|c: char| c == '(' || c.is_whitespace());
            let at = range.start + text.len() - bare.len() + 1;
            Err(Box::new(Report::error("0A000", message).position(at)))
        }
    }
}

fn is_star(node: &Node) -> bool {
    matches!(&node.node, Some(NodeEnum::ColumnRef(column))
        if matches!(column.fields.last().and_then(|f| f.node.as_ref()), Some(NodeEnum::AStar(_))))
}

/// Each target takes its column of a sub-select, or of a row as a select list.
fn parted(
    (work, edits): Edited<'_>,
    group: &[Goal<'_>],
    (range, row): (Range<usize>, bool),
) -> Result<Vec<Assignment>, Box<Report>> {
    if group.len() > 1 {
        refuse_repeated(work, &range)?;
    }
    let goals = group.iter().enumerate();
    let goals = goals.map(|(index, (target, names))| {
        let at = crate::walk::byte(target.location);
        let column = work.changed.assigned(&target.name, ("update", at))?;
        let value = Value::Part {
            range: range.clone(),
            row,
            index,
            count: group.len(),
        };
        assignment((work, edits), (target, names.clone()), column, value)
    });
    goals.collect()
}

/// The sub-select is evaluated for each of its columns: a volatile function would give each of them another
/// value.
fn refuse_repeated(work: &Work<'_>, range: &Range<usize>) -> Result<(), Box<Report>> {
    let facts = &work.statement.facts;
    let calls = facts.calls.iter().filter(|c| range.contains(&c.location));
    let relations = facts.relations.iter();
    let relations = relations.filter(|r| range.contains(&r.location));
    match volatile::find(work.context, calls, relations) {
        Some(name) => Err(Box::new(
            unsupported(&format!("{name}() in what a multi-column SET takes"))
                .detail("It would be called once for each column, where PostgreSQL calls it once.")
                .hint("set each column by itself, or call it under WITH or in FROM"),
        )),
        None => Ok(()),
    }
}

/// Constants, parameters and rows take the type of the column they are assigned to.
pub(crate) fn is_untyped(node: &NodeEnum) -> bool {
    matches!(
        node,
        NodeEnum::AConst(_) | NodeEnum::ParamRef(_) | NodeEnum::RowExpr(_)
    )
}

/// What DEFAULT means for a column the client names.
fn default(work: &Work<'_>, name: &str, column: &Column) -> String {
    let catalog = work.context.catalog;
    let Some(through) = &work.changed.through else {
        return default_of(catalog, &work.changed.relation, column);
    };
    // An UPDATE of a view takes the view's own default, and NULL where there is none: what lies
    // below is not asked, as it is for an INSERT.
    let default = through.own_default(name).unwrap_or("NULL");
    format!("CAST({default} AS {})", cast_type(catalog, column))
}

/// The column's DEFAULT as an expression of its type, as the head has it.
pub(crate) fn default_of(catalog: &Catalog, relation: &Relation, column: &Column) -> String {
    let default = relation.draft_default(column);
    format!(
        "CAST({} AS {})",
        default.as_deref().unwrap_or("NULL"),
        cast_type(catalog, column)
    )
}
