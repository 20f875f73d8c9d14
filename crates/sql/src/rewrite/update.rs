//! UPDATE: the rows found in the merged read are written to the head with their new values.

use std::ops::Range;

use catalog::{Column, Generated, Identity, quote_literal};
use pg_query::NodeEnum;
use pg_query::protobuf::{Node, ResTarget, Token as Kind, UpdateStmt};
use report::Report;

use crate::classify::unsupported;
use crate::parse::Statement;
use crate::plan::{Context, Plan, Verb};
use crate::rewrite::change::{Begun, Changed, Work, list, mismatch};
use crate::rewrite::returning::Returning;
use crate::splice::{Edit, Splice};

pub(crate) fn plan(
    statement: &Statement,
    tree: &UpdateStmt,
    context: &Context<'_>,
) -> Result<Plan, Box<Report>> {
    let verb = (Kind::Update, Kind::From);
    let work = match Work::begin(statement, context, tree.relation.as_ref(), verb)? {
        Begun::Work(work) => work,
        Begun::Instead(plan) => return Ok(plan),
    };
    let has_from = !tree.from_clause.is_empty();
    let has_returning = tree.returning_clause.is_some();
    if !work.agrees(has_from, tree.where_clause.is_some(), has_returning) {
        return Err(mismatch());
    }
    let assignments = assignments(&work, tree)?;
    let changed = &work.changed;
    if let Some(key) = assignments.iter().find(|a| changed.is_key(&a.column)) {
        return Err(Box::new(
            unsupported(&format!("changing primary key column \"{}\"", key.column))
                .hint("insert the row under its new key and delete the old one"),
        ));
    }
    let returning = Returning::find(&work, tree.returning_clause.as_ref(), &tree.from_clause)?;
    let mut splice = Splice::new(&statement.text);
    work.source(&mut splice, |splice| {
        splice.ours(&returning.lifted());
        for (i, assignment) in assignments.iter().enumerate() {
            splice.ours(", ");
            assignment.value.write(splice, &work.edits.list);
            splice.ours(&format!(" AS n{i}"));
        }
    })?;
    splice.ours(&changed.log('U'));
    splice.ours(returning.open());
    splice.ours(&images(changed, &assignments));
    returning.close(&work, &mut splice)?;
    let cascades = assignments.iter().any(|a| changed.is_referenced(&a.column));
    Ok(work.finish(splice, Verb::Update, cascades))
}

/// One `column = value` of SET, multi-column forms taken apart.
struct Assignment {
    column: String,
    value: Value,
}

enum Value {
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
}

impl Value {
    fn write(&self, splice: &mut Splice<'_>, edits: &[Edit]) {
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
        }
    }
}

fn assignments(work: &Work<'_>, tree: &UpdateStmt) -> Result<Vec<Assignment>, Box<Report>> {
    let tokens = &work.statement.tokens;
    let set = work.clauses.set.ok_or_else(mismatch)?;
    let items = tokens.split_commas(work.clauses.content(set), 0);
    let targets: Vec<&ResTarget> = tree
        .target_list
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
            .find(item.clone(), 0, |_, t| t.is(Kind::Ascii61))
            .ok_or_else(mismatch)?;
        let value = equals + 1..item.end;
        let [first, ..] = remaining else {
            return Err(mismatch());
        };
        let count = match value_node(first) {
            Some(NodeEnum::MultiAssignRef(multi)) => {
                let count = usize::try_from(multi.ncolumns).unwrap_or(1);
                let group = remaining.get(..count).ok_or_else(mismatch)?;
                out.extend(several(work, group, multi.source.as_deref(), value)?);
                count
            }
            node => {
                let range = tokens.bytes(value).ok_or_else(mismatch)?;
                out.extend(single(first, node, range, &work.changed)?);
                1
            }
        };
        remaining = remaining.get(count..).unwrap_or(&[]);
    }
    if remaining.is_empty() {
        Ok(out)
    } else {
        Err(mismatch())
    }
}

fn value_node(target: &ResTarget) -> Option<&NodeEnum> {
    target.val.as_deref().and_then(|v| v.node.as_ref())
}

fn single(
    target: &ResTarget,
    node: Option<&NodeEnum>,
    range: Range<usize>,
    changed: &Changed,
) -> Result<Option<Assignment>, Box<Report>> {
    if !target.indirection.is_empty() {
        return Err(Box::new(
            unsupported("assigning to an array element or a field")
                .hint("assign the whole array or row value"),
        ));
    }
    // a column that does not exist is PostgreSQL's to report, on the original statement
    let column = changed.relation.column(&target.name).ok_or_else(|| {
        Box::new(
            Report::error(
                "42703",
                format!(
                    "column \"{}\" of relation \"{}\" does not exist",
                    target.name, changed.relation.name
                ),
            )
            .position(crate::walk::byte(target.location) + 1)
            .hint("check the column's name"),
        )
    })?;
    let value = match node {
        // the head computes generated columns itself
        Some(NodeEnum::SetToDefault(_)) if column.generated != Generated::No => return Ok(None),
        Some(NodeEnum::SetToDefault(_)) => Value::Ours(default_of(column)),
        Some(node) => Value::Text {
            range,
            cast: is_untyped(node).then(|| cast_type(column)),
        },
        None => return Err(mismatch()),
    };
    Ok(Some(Assignment {
        column: column.name.clone(),
        value,
    }))
}

/// `(a, b) = (1, 2)`, `(a, b) = ROW(1, 2)`, `(a, b) = (SELECT …)`.
fn several(
    work: &Work<'_>,
    group: &[&ResTarget],
    source: Option<&Node>,
    value: Range<usize>,
) -> Result<Vec<Assignment>, Box<Report>> {
    let (tokens, changed) = (&work.statement.tokens, &work.changed);
    let mut out = Vec::new();
    match source.and_then(|n| n.node.as_ref()) {
        Some(NodeEnum::RowExpr(row)) if row.args.len() == group.len() => {
            let open = tokens
                .find(value.clone(), 0, |_, t| t.is(Kind::Ascii40))
                .ok_or_else(mismatch)?;
            let inside = tokens.split_commas(open + 1..value.end - 1, 1);
            if inside.len() != group.len() {
                return Err(mismatch());
            }
            for ((target, node), piece) in group.iter().zip(&row.args).zip(inside) {
                let range = tokens.bytes(piece).ok_or_else(mismatch)?;
                out.extend(single(target, node.node.as_ref(), range, changed)?);
            }
        }
        Some(NodeEnum::SubLink(_)) => {
            let range = tokens.bytes(value).ok_or_else(mismatch)?;
            for (index, target) in group.iter().enumerate() {
                let plain = single(
                    target,
                    source.and_then(|n| n.node.as_ref()),
                    range.clone(),
                    changed,
                )?;
                out.extend(plain.map(|a| Assignment {
                    column: a.column,
                    value: Value::Part {
                        range: range.clone(),
                        index,
                        count: group.len(),
                    },
                }));
            }
        }
        _ => return Err(Box::new(unsupported("this form of multi-column SET"))),
    }
    Ok(out)
}

/// Constants and parameters take the type of the column they are assigned to.
fn is_untyped(node: &NodeEnum) -> bool {
    matches!(node, NodeEnum::AConst(_) | NodeEnum::ParamRef(_))
}

/// The column's type without its modifier: a cast with the modifier would cut a long string
/// instead of raising 22001.
fn cast_type(column: &Column) -> String {
    match column.type_id {
        1042 => "pg_catalog.bpchar".to_owned(),
        1014 => "pg_catalog.bpchar[]".to_owned(),
        1560 => "pg_catalog.\"bit\"".to_owned(),
        1561 => "pg_catalog.\"bit\"[]".to_owned(),
        18 => "pg_catalog.\"char\"".to_owned(),
        _ => column.type_name.clone(),
    }
}

fn default_of(column: &Column) -> String {
    let sequence = column.sequence.as_ref().map(|s| {
        format!(
            "pg_catalog.nextval({}::pg_catalog.regclass)",
            quote_literal(s)
        )
    });
    match (&column.default, sequence, column.identity) {
        (_, Some(next), Identity::Always | Identity::ByDefault) => {
            format!("CAST({next} AS {})", cast_type(column))
        }
        (Some(default), _, _) => format!("({default})"),
        (None, Some(next), Identity::No) => format!("CAST({next} AS {})", cast_type(column)),
        (None, None, _) => format!("CAST(NULL AS {})", cast_type(column)),
    }
}

/// INSERT of the new images into the head.
fn images(changed: &Changed, assignments: &[Assignment]) -> String {
    let writable = changed.writable();
    let values = writable.iter().enumerate().map(|(i, column)| {
        // a later assignment to the same column is PostgreSQL's error, not ours to judge
        match assignments.iter().position(|a| a.column == column.name) {
            Some(n) => format!("n{n}"),
            None => format!("o{i}"),
        }
    });
    format!(
        " INSERT INTO {} AS {}({}, pgdraft_live, pgdraft_new) SELECT {}, true, pgdraft_new FROM pgdraft_src{}",
        changed.head.table(),
        changed.alias(),
        changed.writable_list(),
        list(values),
        changed.upsert(true),
    )
}
