//! UPDATE: the rows found in the merged read are written to the head with their new values.

use std::ops::Range;

use catalog::{Column, Generated, Identity, quote_literal};
use pg_query::NodeEnum;
use pg_query::protobuf::{Node, ResTarget, Token as Kind, UpdateStmt};
use report::Report;

use crate::classify::unsupported;
use crate::parse::Statement;
use crate::plan::{Context, Plan, Verb};
use crate::rewrite::change::{
    self, Changed, Clauses, Found, Parts, all_edits, list, mismatch, open_with,
};
use crate::rewrite::delete::risky;
use crate::rewrite::returning::{self, Lifted};
use crate::splice::{Edit, Splice};

pub(crate) fn plan(
    statement: &Statement,
    tree: &UpdateStmt,
    context: &Context<'_>,
) -> Result<Plan, Box<Report>> {
    let changed = match change::target(context, tree.relation.as_ref())? {
        Found::Changed(changed) => changed,
        Found::Instead(plan) => return Ok(plan),
    };
    let clauses = Clauses::find(statement, Kind::Update, Kind::From).ok_or_else(mismatch)?;
    let agree = clauses.set.is_some()
        && clauses.from.is_some() == !tree.from_clause.is_empty()
        && clauses.filter.is_some() == tree.where_clause.is_some()
        && clauses.returning.is_some() == tree.returning_clause.is_some();
    if !agree {
        return Err(mismatch());
    }
    let Some(edits) = all_edits(statement, context, &changed)? else {
        return Ok(Plan::NeedsCatalog);
    };
    let assignments = assignments(statement, tree, &clauses, &changed)?;
    if let Some(key) = assignments.iter().find(|a| changed.is_key(&a.column)) {
        return Err(Box::new(
            unsupported(&format!("changing primary key column \"{}\"", key.column))
                .hint("insert the row under its new key and delete the old one"),
        ));
    }
    let tokens = &statement.tokens;
    let lifted = Lifted::find(
        statement,
        tree.returning_clause.as_ref(),
        &changed,
        &tree.from_clause,
        context,
    )?;
    let source = changed
        .source(context, risky(statement), clauses.filter.is_none())
        .ok_or_else(mismatch)?;
    let mut splice = Splice::new(&statement.text);
    open_with(statement, &clauses, &mut splice, &edits);
    splice.ours(&format!(
        "pgdraft_src AS MATERIALIZED (SELECT {}{}{}",
        changed.distinct(clauses.from.is_some()),
        changed.images(),
        lifted.columns(),
    ));
    for (i, assignment) in assignments.iter().enumerate() {
        splice.ours(", ");
        assignment.value.write(&mut splice, &edits.list);
        splice.ours(&format!(" AS n{i}"));
    }
    splice.ours(&format!(" FROM {source} AS {}", changed.alias()));
    if let Some(from) = clauses.from {
        splice.ours(", ");
        splice.copy_edited(
            tokens.bytes(clauses.content(from)).ok_or_else(mismatch)?,
            &edits.list,
        );
    }
    if let Some(filter) = clauses.filter {
        splice.ours(" WHERE ");
        splice.copy_edited(
            tokens.bytes(clauses.content(filter)).ok_or_else(mismatch)?,
            &edits.list,
        );
    }
    splice.ours("), ");
    splice.ours(&changed.log('U'));
    splice.ours(&lifted.open());
    splice.ours(&images(&changed, &assignments));
    returning::finish(
        statement,
        &clauses,
        tree.returning_clause.as_ref(),
        &changed,
        &lifted,
        &mut splice,
        &edits.list,
    )?;
    Ok(changed.write(
        statement,
        splice,
        Parts {
            verb: Verb::Update,
            returning: tree.returning_clause.is_some(),
            merged: edits.merged,
            cascades: assignments.iter().any(|a| changed.is_referenced(&a.column)),
        },
    ))
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

fn assignments(
    statement: &Statement,
    tree: &UpdateStmt,
    clauses: &Clauses,
    changed: &Changed,
) -> Result<Vec<Assignment>, Box<Report>> {
    let tokens = &statement.tokens;
    let set = clauses.set.ok_or_else(mismatch)?;
    let items = tokens.split_commas(clauses.content(set), 0);
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
                out.extend(several(
                    statement,
                    group,
                    multi.source.as_deref(),
                    value,
                    changed,
                )?);
                count
            }
            node => {
                let range = tokens.bytes(value).ok_or_else(mismatch)?;
                out.extend(single(first, node, range, changed)?);
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
    statement: &Statement,
    group: &[&ResTarget],
    source: Option<&Node>,
    value: Range<usize>,
    changed: &Changed,
) -> Result<Vec<Assignment>, Box<Report>> {
    let tokens = &statement.tokens;
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
