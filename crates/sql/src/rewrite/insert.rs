//! INSERT: the client's own text with the table replaced by its head, which has the same columns,
//! defaults and constraints.

use std::ops::Range;

use catalog::{Column, Identity, Relation, quote_identifier as q};
use pg_query::NodeEnum;
use pg_query::protobuf::{InsertStmt, Node, OverridingKind, SelectStmt, Token as Kind};
use report::Report;

use crate::classify::unsupported;
use crate::parse::Statement;
use crate::rewrite::before::Fires;
use crate::rewrite::change::{list, mismatch};
use crate::rewrite::conflict;
use crate::rewrite::parts::{Step, steps};
use crate::rewrite::returning::{Does, Returning};
use crate::rewrite::width;
use crate::rewrite::work::{Work, Written};
use crate::splice::Edit;

pub(crate) fn write<'a>(work: &Work<'a>, tree: &InsertStmt) -> Result<Written<'a>, Box<Report>> {
    if work.clauses.returning.is_some() != tree.returning_clause.is_some() {
        return Err(mismatch());
    }
    if let Some(clause) = tree.on_conflict_clause.as_deref() {
        return conflict::write(work, tree, clause);
    }
    known_columns(work, tree)?;
    let fires = Fires::of_insert(&work.changed).is_some();
    let secured = work.changed.relation.row_security;
    if fires || secured || takes_view_default(work, tree)? || overrides_query(work, tree)? {
        return conflict::rows(work, tree);
    }
    let tokens = &work.statement.tokens;
    let name = tree
        .relation
        .as_ref()
        .map_or(0, |r| crate::walk::byte(r.location));
    let (name_range, _) = tokens.name_at(name).ok_or_else(mismatch)?;
    let after = work.clauses.target_end;
    let mut edits = work.edits.clone();
    let has_alias = tokens.get(after).is_some_and(|t| t.is(Kind::As));
    let alias = if has_alias {
        String::new()
    } else {
        format!(" AS {}", work.changed.alias())
    };
    let head = work.changed.head.table();
    edits.push(Edit::new(name_range, format!("{head}{alias}")));
    edits.extend(view_columns(work, tree)?);
    edits.extend(partition_columns(work, tree)?);
    let untaken = user_values(work, tree)?;
    edits.retain(|e| !untaken.iter().any(|value| value.covers(e)));
    edits.extend(untaken);
    edits.extend(overriding(work.statement, tree, after));
    edits.sort_by_key(|e| (e.range.start, e.range.end));
    let body_end = work.clauses.returning.unwrap_or(work.clauses.end);
    let body = work.bytes(work.clauses.verb..body_end)?;
    let returning = Returning::find(work, tree.returning_clause.as_ref(), (Does::Insert, &[]))?;
    let mut insert = work.splice();
    insert.copy_edited(body, &edits);
    insert.ours(&work.changed.guard());
    let mut out = work.written();
    out.twice = work.key_name();
    returning.close(work, &mut out, &insert, true)?;
    Ok(out)
}

/// A column that the snapshot does not know may just have been added; one that does not exist at all is
/// PostgreSQL's to report, on the client's own text.
fn known_columns(work: &Work<'_>, tree: &InsertStmt) -> Result<(), Box<Report>> {
    if work.context.fresh {
        return Ok(());
    }
    let names = tree
        .cols
        .iter()
        .filter_map(|target| match target.node.as_ref() {
            Some(NodeEnum::ResTarget(target)) => Some((target.name.as_str(), 0)),
            _ => None,
        });
    let names: Vec<(&str, usize)> = names.collect();
    work.changed.all_assigned(&names, "insert into")
}

/// Into a partition: its columns named, because the head has those of the root in the root's order.
fn partition_columns(work: &Work<'_>, tree: &InsertStmt) -> Result<Option<Edit>, Box<Report>> {
    let (relation, root) = (&work.changed.relation, &work.changed.drafted);
    if relation.id == root.id {
        return Ok(None);
    }
    let select = match tree.select_stmt.as_deref().and_then(|n| n.node.as_ref()) {
        Some(NodeEnum::SelectStmt(select)) => Some(select.as_ref()),
        _ => None,
    };
    let other = |c: &Column| {
        let of_root = root.column(&c.name);
        of_root.is_none_or(|r| (&r.default, r.identity) != (&c.default, c.identity))
    };
    let ordered = relation.columns.iter().map(|c| &c.name);
    let ordered = ordered.eq(root.columns.iter().map(|c| &c.name));
    if ordered && !relation.columns.iter().any(other) {
        return Ok(None);
    }
    let given = given_columns(work, tree, select)?;
    let differs =
        |c: &&Column| other(c) && (says_default(select) || !given.iter().any(|g| g.name == c.name));
    if let Some(column) = relation.columns.iter().find(differs) {
        return Err(Box::new(
            unsupported(&format!(
                "INSERT that takes the default of column \"{}\" of partition \"{}\"",
                column.name, relation.name
            ))
            .detail("It is another one than that of the partitioned table.")
            .hint("give the column a value"),
        ));
    }
    named(work, tree, select, &given)
}

/// Whether a column gets the default that a view has for it.
fn takes_view_default(work: &Work<'_>, tree: &InsertStmt) -> Result<bool, Box<Report>> {
    let Some(through) = &work.changed.through else {
        return Ok(false);
    };
    let default = |name: &str| through.default(name).is_some();
    let select = source(tree);
    let given = given_columns(work, tree, select)?;
    let missing = |name: &str| !given.iter().any(|g| g.name == name);
    let columns = &through.view.columns;
    Ok(columns.iter().any(|c| default(&c.name) && missing(&c.name))
        || (says_default(select) && given.iter().any(|g| default(&g.name))))
}

/// The query or the VALUES of an INSERT.
fn source(tree: &InsertStmt) -> Option<&SelectStmt> {
    match tree.select_stmt.as_deref().and_then(|n| n.node.as_ref()) {
        Some(NodeEnum::SelectStmt(select)) => Some(select.as_ref()),
        _ => None,
    }
}

/// Through a view: the columns named by the table's names.
fn view_columns(work: &Work<'_>, tree: &InsertStmt) -> Result<Option<Edit>, Box<Report>> {
    let changed = &work.changed;
    if changed.through.is_none() {
        return Ok(None);
    }
    let select = match tree.select_stmt.as_deref().and_then(|n| n.node.as_ref()) {
        Some(NodeEnum::SelectStmt(select)) => Some(select.as_ref()),
        _ => None,
    };
    let given = given_columns(work, tree, select)?;
    named(work, tree, select, &given)
}

/// The column list, for a source of these columns.
fn named(
    work: &Work<'_>,
    tree: &InsertStmt,
    select: Option<&SelectStmt>,
    given: &[Given],
) -> Result<Option<Edit>, Box<Report>> {
    let tokens = &work.statement.tokens;
    let mut names = Vec::with_capacity(given.len());
    for target in given {
        let name = q(&work
            .changed
            .assigned(&target.name, ("insert into", 0))?
            .name);
        names.push(if target.steps.is_empty() {
            name
        } else {
            format!("{name}{}", work.text(target.part.clone(), &work.edits)?)
        });
    }
    if select.is_none() {
        return Ok(None);
    }
    let range = if tree.cols.is_empty() {
        let alias = tokens.get(work.clauses.target_end);
        let alias = alias.is_some_and(|t| t.is(Kind::As));
        let next = work.clauses.target_end + if alias { 2 } else { 0 };
        let behind = tokens.get(next.saturating_sub(1)).map_or(0, |t| t.end);
        behind..behind
    } else {
        let (open, close) = column_list(work).ok_or_else(mismatch)?;
        work.bytes(open..close + 1)?
    };
    // behind the alias that the table's name gets
    Ok(Some(Edit::new(range, format!("({})", list(names)))))
}

/// Whether DEFAULT stands among the values.
fn says_default(select: Option<&SelectStmt>) -> bool {
    select.is_some_and(|s| {
        s.values_lists.iter().any(|row| {
            matches!(row.node.as_ref(), Some(NodeEnum::List(row))
                if row.items.iter().any(|i| matches!(i.node.as_ref(), Some(NodeEnum::SetToDefault(_)))))
        })
    })
}

/// What the source gives a value.
pub(crate) struct Given {
    /// The column as the client names it.
    pub(crate) name: String,
    /// The part of it, if not the whole.
    pub(crate) steps: Vec<Step>,
    /// Where it stands.
    pub(crate) at: usize,
    /// The tokens that say which part.
    part: Range<usize>,
}

/// The columns that the source gives, in its order.
pub(crate) fn given_columns(
    work: &Work<'_>,
    tree: &InsertStmt,
    select: Option<&SelectStmt>,
) -> Result<Vec<Given>, Box<Report>> {
    let given = named_columns(work, tree, select)?;
    let conflict = tree.on_conflict_clause.iter().flat_map(|c| &c.target_list);
    let set = conflict.filter_map(|target| match target.node.as_ref() {
        Some(NodeEnum::ResTarget(target)) => {
            Some((target.name.as_str(), crate::walk::byte(target.location)))
        }
        _ => None,
    });
    let names = given.iter().map(|g| (g.name.as_str(), 0));
    let names: Vec<(&str, usize)> = names.chain(set).collect();
    work.changed.all_assigned(&names, "insert into")?;
    Ok(given)
}

fn named_columns(
    work: &Work<'_>,
    tree: &InsertStmt,
    select: Option<&SelectStmt>,
) -> Result<Vec<Given>, Box<Report>> {
    let Some(select) = select else {
        return Ok(Vec::new());
    };
    if tree.cols.is_empty() {
        let width = width::of_source(work, tree, select).ok_or_else(|| {
            Box::new(
                unsupported("this INSERT … SELECT without a column list")
                    .hint("name the columns after the table"),
            )
        })?;
        let mut all = all_columns(work.changed.shown());
        all.truncate(width);
        return Ok(all);
    }
    let tokens = &work.statement.tokens;
    let (open, close) = column_list(work).ok_or_else(mismatch)?;
    targets(
        work,
        &tree.cols,
        tokens.split_commas(open + 1..close, work.place.depth + 1),
    )
}

/// What an INSERT without a column list gives.
pub(crate) fn all_columns(relation: &Relation) -> Vec<Given> {
    let columns = relation.columns.iter();
    columns
        .map(|c| Given {
            name: c.name.clone(),
            steps: Vec::new(),
            at: 0,
            part: 0..0,
        })
        .collect()
}

/// The columns of a list with these tokens.
pub(crate) fn targets(
    work: &Work<'_>,
    columns: &[Node],
    tokens: Vec<Range<usize>>,
) -> Result<Vec<Given>, Box<Report>> {
    if tokens.len() != columns.len() {
        return Err(mismatch());
    }
    let pairs = columns.iter().zip(tokens);
    pairs
        .map(|(target, tokens)| match target.node.as_ref() {
            Some(NodeEnum::ResTarget(t)) => {
                let part = tokens.start + 1..tokens.end;
                Ok(Given {
                    name: t.name.clone(),
                    steps: steps((work, &work.edits), &t.indirection, part.clone())?,
                    at: crate::walk::byte(t.location),
                    part,
                })
            }
            _ => Err(mismatch()),
        })
        .collect()
}

/// The brackets of the column list behind the target.
fn column_list(work: &Work<'_>) -> Option<(usize, usize)> {
    let tokens = &work.statement.tokens;
    let mut at = work.clauses.target_end;
    if tokens.get(at).is_some_and(|t| t.is(Kind::As)) {
        at += 2;
    }
    let close = tokens.find(at + 1..work.clauses.end, work.place.depth, |_, t| {
        t.is(Kind::Ascii41)
    })?;
    Some((at, close))
}

/// Of each column given, whether OVERRIDING USER VALUE takes its value away.
fn overridden(work: &Work<'_>, tree: &InsertStmt) -> Result<Vec<bool>, Box<Report>> {
    if tree.r#override != OverridingKind::OverridingUserValue as i32 {
        return Ok(Vec::new());
    }
    let given = given_columns(work, tree, source(tree))?.into_iter();
    given
        .map(|target| {
            let column = work
                .changed
                .assigned(&target.name, ("insert into", target.at))?;
            Ok(column.identity != Identity::No)
        })
        .collect()
}

/// Whether it does so with a column of a query.
fn overrides_query(work: &Work<'_>, tree: &InsertStmt) -> Result<bool, Box<Report>> {
    let query = source(tree).is_some_and(|s| s.values_lists.is_empty());
    let rewritten = query || work.changed.through.is_some();
    Ok(rewritten && overridden(work, tree)?.contains(&true))
}

/// OVERRIDING USER VALUE: what is given for an identity column is not taken. Its expression is not
/// evaluated either, as in PostgreSQL; a query's is, so it stays as a column that goes nowhere.
fn user_values(work: &Work<'_>, tree: &InsertStmt) -> Result<Vec<Edit>, Box<Report>> {
    let identity = overridden(work, tree)?;
    if !identity.contains(&true) {
        return Ok(Vec::new());
    }
    let (tokens, depth) = (&work.statement.tokens, work.place.depth);
    let end = work.clauses.returning.unwrap_or(work.clauses.end);
    let start = tokens
        .find(work.clauses.target_end..end, depth, |_, t| {
            t.is(Kind::Values)
        })
        .ok_or_else(mismatch)?;
    let mut edits = Vec::new();
    // the VALUE of OVERRIDING USER VALUE is another word
    for row in tokens.split_commas(start + 1..end, depth) {
        let items = tokens.split_commas(row.start + 1..row.end.saturating_sub(1), depth + 1);
        if items.len() != identity.len() {
            return Err(mismatch());
        }
        for (item, identity) in items.into_iter().zip(&identity) {
            if *identity {
                edits.push(Edit::new(work.bytes(item)?, "DEFAULT"));
            }
        }
    }
    Ok(edits)
}

/// A head's identity columns are plain columns: OVERRIDING … VALUE goes.
fn overriding(statement: &Statement, tree: &InsertStmt, from: usize) -> Option<Edit> {
    let written = [
        OverridingKind::OverridingSystemValue as i32,
        OverridingKind::OverridingUserValue as i32,
    ];
    if !written.contains(&tree.r#override) {
        return None;
    }
    let tokens = &statement.tokens;
    let word = tokens.find(from..tokens.len(), 0, |_, t| t.is(Kind::Overriding))?;
    Some(Edit::new(tokens.bytes(word..word + 3)?, String::new()))
}
