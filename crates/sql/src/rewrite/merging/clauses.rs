//! The WHEN clauses of a MERGE, taken apart.

use std::ops::Range;

use catalog::{Command, Generated, Identity};
use pg_query::NodeEnum;
use pg_query::protobuf::{
    CmdType, MergeMatchKind, MergeStmt, MergeWhenClause, Node, OverridingKind, Token as Kind,
};
use report::Report;

use super::Source;
use crate::classify::unsupported;
use crate::rewrite::assign::{Assignment, assignments};
use crate::rewrite::change::mismatch;
use crate::rewrite::insert;
use crate::rewrite::parts;
use crate::rewrite::through::Verb;
use crate::rewrite::work::Work;
use crate::walk::string_fields;

/// One WHEN clause.
pub(super) struct Clause {
    pub(super) on: MergeMatchKind,
    /// Tokens of its condition.
    pub(super) condition: Option<Range<usize>>,
    pub(super) action: Action,
}

pub(super) enum Action {
    Update(Vec<Assignment>),
    Delete,
    /// What each column named gets, whole or in parts.
    Insert(Vec<(insert::Given, Given)>),
    Nothing,
}

/// One value of an INSERT.
pub(super) enum Given {
    Default,
    /// Tokens of the client's expression.
    Text(Range<usize>),
    /// `ROW(…)` with every field as it is assigned, and its tokens.
    Row(String, Range<usize>),
    /// A column that a star stands for.
    Ours(String),
}

/// The clauses of a MERGE, with the tokens of its source and of the join condition.
pub(super) struct Found {
    pub(super) source: Range<usize>,
    pub(super) on: Range<usize>,
    pub(super) clauses: Vec<Clause>,
}

/// Finds them. A child of the table that is named gets no new rows.
pub(super) fn find(work: &Work<'_>, tree: &MergeStmt, side: &Source) -> Result<Found, Box<Report>> {
    let tokens = &work.statement.tokens;
    let using = work.clauses.from.ok_or_else(mismatch)?;
    let end = work.clauses.returning.unwrap_or(work.clauses.end);
    let whens = whens(work, using..end);
    let first = whens.first().copied().ok_or_else(mismatch)?;
    let on = (using..first).rev().find(|&i| {
        let token = tokens.get(i);
        token.is_some_and(|t| t.depth == work.place.depth && t.is(Kind::On))
    });
    let on = on.ok_or_else(mismatch)?;
    if whens.len() != tree.merge_when_clauses.len() {
        return Err(mismatch());
    }
    let mut clauses = Vec::with_capacity(whens.len());
    for (n, node) in tree.merge_when_clauses.iter().enumerate() {
        let Some(NodeEnum::MergeWhenClause(clause)) = node.node.as_ref() else {
            return Err(mismatch());
        };
        let from = whens.get(n).copied().unwrap_or(end);
        let to = whens.get(n + 1).copied().unwrap_or(end);
        let clause = self::clause(work, clause, from..to, side)?;
        if work.place.child == 0 || clause.on != MergeMatchKind::MergeWhenNotMatchedByTarget {
            clauses.push(clause);
        }
    }
    Ok(Found {
        source: using + 1..on,
        on: on + 1..first,
        clauses,
    })
}

/// What a MERGE does, for what is said of a view that it cannot go through.
pub(crate) fn verb(tree: &MergeStmt) -> Verb {
    let mut commands = tree
        .merge_when_clauses
        .iter()
        .filter_map(|n| match n.node.as_ref() {
            Some(NodeEnum::MergeWhenClause(clause)) => CmdType::try_from(clause.command_type).ok(),
            _ => None,
        });
    let adds = commands.clone().any(|c| c == CmdType::CmdInsert);
    let first = commands.find(|c| *c != CmdType::CmdNothing);
    Verb::Merge {
        adds,
        first: match first {
            Some(CmdType::CmdUpdate) => Command::Update,
            Some(CmdType::CmdDelete) => Command::Delete,
            _ => Command::Insert,
        },
    }
}

/// The WHEN tokens of the clauses, not those of CASE.
fn whens(work: &Work<'_>, range: Range<usize>) -> Vec<usize> {
    outside_case(work, range)
        .filter(|(_, kind)| *kind == Kind::When as i32)
        .map(|(i, _)| i)
        .collect()
}

/// Tokens at the change's own level that are not inside CASE … END.
fn outside_case<'a>(
    work: &'a Work<'_>,
    range: Range<usize>,
) -> impl Iterator<Item = (usize, i32)> + 'a {
    let mut open = 0usize;
    range.filter_map(move |i| {
        let token = work.statement.tokens.get(i)?;
        if token.depth != work.place.depth {
            return None;
        }
        if token.is(Kind::Case) {
            open += 1;
        } else if token.is(Kind::EndP) {
            open = open.saturating_sub(1);
        }
        (open == 0).then_some((i, token.kind))
    })
}

/// One clause between its WHEN and the next.
fn clause(
    work: &Work<'_>,
    tree: &MergeWhenClause,
    range: Range<usize>,
    side: &Source,
) -> Result<Clause, Box<Report>> {
    let find = |kind: Kind| {
        outside_case(work, range.clone())
            .find(|(_, k)| *k == kind as i32)
            .map(|(i, _)| i)
    };
    let then = find(Kind::Then).ok_or_else(mismatch)?;
    let condition = match (&tree.condition, find(Kind::And)) {
        (None, _) => None,
        (Some(_), Some(and)) => Some(and + 1..then),
        (Some(_), None) => return Err(mismatch()),
    };
    let action = match CmdType::try_from(tree.command_type) {
        Ok(CmdType::CmdUpdate) => {
            let set = find(Kind::Set).ok_or_else(mismatch)?;
            Action::Update(assignments(
                (work, &work.edits),
                &tree.target_list,
                set + 1..range.end,
            )?)
        }
        Ok(CmdType::CmdDelete) => Action::Delete,
        Ok(CmdType::CmdInsert) => Action::Insert(given(work, tree, then..range.end, side)?),
        Ok(CmdType::CmdNothing) => Action::Nothing,
        _ => return Err(mismatch()),
    };
    Ok(Clause {
        on: MergeMatchKind::try_from(tree.match_kind).map_err(|_| mismatch())?,
        condition,
        action,
    })
}

/// What an INSERT clause gives each column it names.
fn given(
    work: &Work<'_>,
    tree: &MergeWhenClause,
    range: Range<usize>,
    side: &Source,
) -> Result<Vec<(insert::Given, Given)>, Box<Report>> {
    if tree.values.is_empty() {
        return Ok(Vec::new());
    }
    let (tokens, depth) = (&work.statement.tokens, work.place.depth);
    let changed = &work.changed;
    let names = if tree.target_list.is_empty() {
        insert::all_columns(changed.shown())
    } else {
        let list = tokens.find(range.clone(), depth, |_, t| t.is(Kind::Ascii40));
        let list = list.ok_or_else(mismatch)?;
        let end = tokens.find(list..range.end, depth, |_, t| t.is(Kind::Ascii41));
        let items = tokens.split_commas(list + 1..end.ok_or_else(mismatch)?, depth + 1);
        insert::targets(work, &tree.target_list, items)?
    };
    let open = tokens
        .find(range.clone(), depth, |before, t| {
            t.is(Kind::Ascii40) && before.is_some_and(|b| b.is(Kind::Values))
        })
        .ok_or_else(mismatch)?;
    let close = tokens
        .find(open..range.end, depth, |_, t| t.is(Kind::Ascii41))
        .ok_or_else(mismatch)?;
    let items = tokens.split_commas(open + 1..close, depth + 1);
    if items.len() != tree.values.len() {
        return Err(mismatch());
    }
    let mut names = names.into_iter();
    let user = tree.r#override == OverridingKind::OverridingUserValue as i32;
    let mut out = Vec::with_capacity(items.len());
    for (item, node) in items.into_iter().zip(&tree.values) {
        if let Some(stars) = star(node, side)? {
            for text in stars {
                let mut target = names.next().ok_or_else(mismatch)?;
                let column = changed.assigned(&target.name, ("insert into", target.at))?;
                target.name.clone_from(&column.name);
                if column.generated == Generated::No {
                    out.push((target, Given::Ours(text)));
                }
            }
            continue;
        }
        let mut target = names.next().ok_or_else(mismatch)?;
        let column = changed.assigned(&target.name, ("insert into", target.at))?;
        target.name.clone_from(&column.name);
        let value = match node.node.as_ref() {
            Some(NodeEnum::SetToDefault(_)) => Given::Default,
            _ if user && column.identity != Identity::No => Given::Default,
            Some(NodeEnum::RowExpr(row)) => {
                let declared = parts::leaf(work.context.catalog, column, &target.steps)?;
                match parts::row_value((work, &work.edits), &declared, row, item.clone())? {
                    Some(text) => Given::Row(text, item),
                    None => Given::Text(item),
                }
            }
            _ => Given::Text(item),
        };
        if column.generated == Generated::No {
            out.push((target, value));
        }
    }
    Ok(out)
}

/// The columns that a star among the values stands for; `None` where the value is no star.
fn star(node: &Node, side: &Source) -> Result<Option<Vec<String>>, Box<Report>> {
    let Some(NodeEnum::ColumnRef(column)) = node.node.as_ref() else {
        return Ok(None);
    };
    let Some(NodeEnum::AStar(_)) = column.fields.last().and_then(|f| f.node.as_ref()) else {
        return Ok(None);
    };
    let fields = string_fields(&column.fields);
    let columns = match fields.as_slice() {
        [.., label, _] => side.star(label),
        _ => None,
    };
    let columns = columns.ok_or_else(|| {
        unsupported("this star among the values of MERGE").hint("name the columns")
    })?;
    Ok(Some(columns))
}
