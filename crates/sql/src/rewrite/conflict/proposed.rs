//! The rows that an INSERT … ON CONFLICT proposes, as PostgreSQL looks at them before it looks for a
//! conflict: every column stored as its type stores it, and NOT NULL and CHECK hold.

use std::ops::Range;

use catalog::{Catalog, Column, Command, Generated, Identity, Relation, quote_identifier as q};
use pg_query::NodeEnum;
use pg_query::protobuf::{InsertStmt, Node, OverridingKind, SelectStmt, Token as Kind};
use report::Report;

use super::Places;
use super::arbiter::Arbiter;
use crate::rewrite::before::Fires;
use crate::rewrite::change::{list, mismatch};
use crate::rewrite::insert::{Given, given_columns};
use crate::rewrite::parts::{self, Part};
use crate::rewrite::storing::{assigned, stored};
use crate::rewrite::work::Work;
use crate::splice::Splice;

/// The columns of a proposed row in the order of their names `pgdraft_i0, pgdraft_i1, …`: the
/// generated ones last.
pub(super) fn columns(relation: &Relation) -> impl Iterator<Item = &Column> {
    relation.writable().chain(generated(relation))
}

fn generated(relation: &Relation) -> impl Iterator<Item = &Column> {
    let columns = relation.columns.iter();
    columns.filter(|c| c.generated != Generated::No)
}

/// `pgdraft_in AS MATERIALIZED (SELECT number, pgdraft_i0, … FROM (source))`. Names that
/// conditions and generated columns use are bare, so the row has its own in brackets, where each
/// value is computed once.
pub(super) fn write(
    work: &Work<'_>,
    tree: &InsertStmt,
    (places, arbiters): (&Places, &[Arbiter<'_>]),
    splice: &mut Splice<'_>,
) -> Result<(), Box<Report>> {
    let select = match tree.select_stmt.as_deref().and_then(|n| n.node.as_ref()) {
        Some(NodeEnum::SelectStmt(select)) => Some(select.as_ref()),
        _ => None,
    };
    let relation = &work.changed.relation;
    let given = given(work, tree, select)?;
    let fires = Fires::of_insert(&work.changed);
    let mut row = Vec::with_capacity(relation.columns.len());
    let mut proposed = Vec::with_capacity(relation.columns.len());
    for column in relation.writable() {
        let value = stored(
            work.context.catalog,
            &value_of(work, &given, column)?,
            column,
        );
        let name = q(&column.name);
        row.push(match fires {
            Some(_) => format!("(b.pgdraft_f).{name} AS {name}"),
            None => format!("{value} AS {name}"),
        });
        proposed.push(value);
    }
    let value = |i: usize, _: &Column| proposed.get(i).cloned().unwrap_or_default();
    let fired = fires.map(|fires| fires.inserted(value));
    splice.ours(&format!(
        "{} AS MATERIALIZED (SELECT row_number() OVER () AS pgdraft_n, {}{}{} FROM ({}SELECT {} FROM (",
        work.name("in"),
        named(relation),
        arbiters.iter().map(Arbiter::computed).collect::<String>(),
        checked(work, tree),
        computed(work.context.catalog, relation),
        row.join(", "),
    ));
    if let Some(fired) = &fired {
        splice.ours(&format!("SELECT {fired} AS pgdraft_f FROM ("));
    }
    match select {
        None => splice.ours("SELECT 1"),
        Some(select) if !select.values_lists.is_empty() => {
            values(work, select, &given, places, splice)?;
        }
        Some(_) if !tree.cols.is_empty() || given.len() == work.changed.shown().columns.len() => {
            splice.copy_edited(work.bytes(places.source.clone())?, &work.edits);
        }
        Some(_) => {
            // a table that a star stands for may just have got another column: then this fails
            splice.ours("(");
            splice.copy_edited(work.bytes(places.source.clone())?, &work.edits);
            let nothing = list(given.iter().map(|_| "NULL".to_owned()));
            splice.ours(&format!(") UNION ALL SELECT {nothing} WHERE false"));
        }
    }
    let names = list((0..given.len()).map(|n| format!("v{n}")));
    splice.ours(&if names.is_empty() {
        ") AS v".to_owned()
    } else {
        format!(") AS v({names})")
    });
    if fired.is_some() {
        splice.ours(" OFFSET 0) AS b WHERE b.pgdraft_f IS DISTINCT FROM NULL");
    }
    let end = generated(relation).next().map_or("", |_| " OFFSET 0) AS g");
    splice.ours(&format!("{end} OFFSET 0) AS r)"));
    Ok(())
}

/// One column of the source.
struct Value {
    target: Given,
    /// The table's column behind it.
    column: String,
    /// OVERRIDING USER VALUE: what is given for an identity column is not taken.
    overridden: bool,
}

fn given(
    work: &Work<'_>,
    tree: &InsertStmt,
    select: Option<&SelectStmt>,
) -> Result<Vec<Value>, Box<Report>> {
    let user = tree.r#override == OverridingKind::OverridingUserValue as i32;
    let given = given_columns(work, tree, select)?.into_iter();
    given
        .map(|target| {
            let column = work
                .changed
                .assigned(&target.name, ("insert into", target.at))?;
            Ok(Value {
                overridden: user && column.identity != Identity::No,
                column: column.name.clone(),
                target,
            })
        })
        .collect()
}

/// A column's value from the source `v`: a whole one, one made of parts, or its default.
fn value_of(work: &Work<'_>, given: &[Value], column: &Column) -> Result<String, Box<Report>> {
    let own = given.iter().enumerate();
    let own = own.filter(|(_, g)| g.column == column.name && !g.overridden);
    let parts: Vec<Part> = own
        .map(|(n, g)| Part {
            column: (column.name.clone(), g.target.at),
            steps: g.target.steps.clone(),
            value: format!("v.v{n}"),
        })
        .collect();
    match parts.as_slice() {
        [] => Ok(work.changed.default(work.context.catalog, column)),
        [whole] if whole.steps.is_empty() => Ok(whole.value.clone()),
        parts => parts::of_nothing(work.context.catalog, column, parts),
    }
}

fn named(relation: &Relation) -> String {
    let names = columns(relation).enumerate();
    list(names.map(|(i, c)| format!("r.{} AS pgdraft_i{i}", q(&c.name))))
}

/// Policies, NOT NULL and CHECK, each true or PostgreSQL's error.
fn checked(work: &Work<'_>, tree: &InsertStmt) -> String {
    let relation = &work.changed.relation;
    let reads = work.reads_target(tree.on_conflict_clause.as_deref());
    let mut conditions = work.new_row(Command::Insert, reads, |name| format!("r.{}", q(name)));
    conditions.extend(relation.conditions().map(|c| format!("({})", c.whole())));
    if conditions.is_empty() {
        return String::new();
    }
    format!(", {} AS pgdraft_holds", conditions.join(" AND "))
}

/// Opens the brackets in which generated columns are computed, where there are any.
fn computed(catalog: &Catalog, relation: &Relation) -> String {
    let columns: Vec<String> = generated(relation)
        .map(|c| {
            let expression = c.default.as_deref().unwrap_or("NULL");
            let value = stored(catalog, &format!("({expression})"), c);
            format!(", {value} AS {}", q(&c.name))
        })
        .collect();
    if columns.is_empty() {
        return String::new();
    }
    format!("SELECT g.*{} FROM (", columns.concat())
}

/// VALUES with every bare constant cast to its column and every DEFAULT written out.
fn values(
    work: &Work<'_>,
    select: &SelectStmt,
    given: &[Value],
    places: &Places,
    splice: &mut Splice<'_>,
) -> Result<(), Box<Report>> {
    let tokens = &work.statement.tokens;
    let start = tokens
        .find(places.source.clone(), work.place.depth, |_, t| {
            t.is(Kind::Values)
        })
        .ok_or_else(mismatch)?;
    let rows = tokens.split_commas(start + 1..places.source.end, work.place.depth);
    if rows.len() != select.values_lists.len() {
        return Err(mismatch());
    }
    splice.ours("VALUES ");
    for (r, (row, tree)) in rows.into_iter().zip(&select.values_lists).enumerate() {
        let Some(NodeEnum::List(tree)) = tree.node.as_ref() else {
            return Err(mismatch());
        };
        let items = tokens.split_commas(
            row.start + 1..row.end.saturating_sub(1),
            work.place.depth + 1,
        );
        if items.len() != tree.items.len() || items.len() != given.len() {
            return Err(mismatch());
        }
        splice.ours(if r == 0 { "(" } else { ", (" });
        for (n, (item, node)) in items.into_iter().zip(&tree.items).enumerate() {
            splice.ours(if n == 0 { "" } else { ", " });
            value(work, node, given.get(n).ok_or_else(mismatch)?, item, splice)?;
        }
        splice.ours(")");
    }
    Ok(())
}

fn value(
    work: &Work<'_>,
    node: &Node,
    given: &Value,
    item: Range<usize>,
    splice: &mut Splice<'_>,
) -> Result<(), Box<Report>> {
    let (column, target) = (&given.column, &given.target);
    let column = work.changed.relation.column(column);
    let column = column.ok_or_else(mismatch)?;
    let range = work.bytes(item.clone())?;
    match node.node.as_ref() {
        Some(NodeEnum::SetToDefault(_)) if column.generated != Generated::No => {
            splice.ours("NULL");
        }
        _ if given.overridden => splice.ours("NULL"),
        Some(NodeEnum::SetToDefault(_)) => {
            splice.ours(&work.changed.default(work.context.catalog, column))
        }
        node => {
            let declared = parts::leaf(work.context.catalog, column, &target.steps)?;
            if let Some(NodeEnum::RowExpr(row)) = node
                && let Some(text) = parts::row_value((work, &work.edits), &declared, row, item)?
            {
                splice.ours(&text);
                return Ok(());
            }
            // rows of different types are told apart by their columns, too
            let (open, close) = assigned(work.context.catalog, &declared);
            splice.ours(&format!("{open}("));
            splice.copy_edited(range, &work.edits);
            splice.ours(&format!("){close}"));
        }
    }
    Ok(())
}
