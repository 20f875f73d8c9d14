//! UPDATE, DELETE and MERGE of a table that others inherit from: each of them is changed in its own head, by
//! a part of its own, and the parts stand in one statement.
//!
//! A child is changed as if it were a view of it with the parent's columns: no other name of its own
//! may be found by the client's expressions, and RETURNING gives the parent's row.

use std::sync::Arc;

use catalog::{Relation, View, quote_identifier as q, quote_literal};
use report::Report;

use crate::classify::unsupported;
use crate::facts::{Change, Under};
use crate::merge::Member;
use crate::plan::{Context, Plan};
use crate::resolve;
use crate::rewrite::assign::default_of;
use crate::rewrite::change::{Changed, Headed, head_of, list, mismatch};
use crate::rewrite::merging;
use crate::rewrite::through::Through;
use crate::rewrite::work::{Work, Written};
use crate::shadowed;
use crate::volatile;

/// What a change of a table changes besides it.
pub(crate) enum Children {
    All(Vec<Changed>),
    /// This plan first.
    Instead(Plan),
}

/// The tables that inherit from the target, each as a target.
pub(crate) fn children(context: &Context<'_>, parent: &Changed) -> Result<Children, Box<Report>> {
    resolve::one_security(context, &parent.relation)?;
    let mut all = Vec::new();
    let mut undrafted = Vec::new();
    for id in &parent.relation.children {
        let child = context.catalog.relations.get(id).ok_or_else(mismatch)?;
        let child = resolve::drafted(
            shadowed::relation(child, context.temporary),
            Some(parent.command),
        )?;
        let head = match head_of(context, &child)? {
            Headed::Head(head) => head,
            Headed::Instead(Plan::NeedsDraft(tables)) => {
                undrafted.extend(tables);
                continue;
            }
            Headed::Instead(plan) => return Ok(Children::Instead(plan)),
        };
        let seen = as_parent(context, &parent.relation, &child);
        let way = parent.through.as_deref();
        all.push(Changed {
            through: Some(Arc::new(Through::of_child(context, way, &seen)?)),
            with_children: false,
            drafted: Arc::clone(&child),
            relation: child,
            head,
            ..parent.clone()
        });
    }
    if undrafted.is_empty() {
        return Ok(Children::All(all));
    }
    Ok(Children::Instead(Plan::NeedsDraft(undrafted)))
}

/// A MERGE adds rows to the table that it names, where none of the tree has them.
pub(crate) fn rivals(context: &Context<'_>, parent: &mut Changed, children: &[Changed]) {
    let member = |changed: &Changed| Member {
        relation: Arc::clone(&changed.relation),
        head: Some(Arc::clone(&changed.head)),
        truncated: context.draft.truncated.contains(&changed.relation.id),
    };
    let members = std::iter::once(member(parent)).chain(children.iter().map(member));
    parent.rivals = members.collect();
    if let Some(through) = &mut parent.through {
        Arc::make_mut(through).tells_own = true;
    }
}

/// The parent's columns of a child as a view. What a column is set to by DEFAULT is the parent's.
fn as_parent(context: &Context<'_>, parent: &Relation, child: &Relation) -> Arc<Relation> {
    let mut seen = parent.clone();
    for column in &mut seen.columns {
        column.default = Some(default_of(context.catalog, parent, column));
    }
    let columns = parent.columns.iter().map(|c| format!("c.{}", q(&c.name)));
    seen.view = Some(View {
        definition: format!("SELECT {} FROM {} c", list(columns), child.qualified()),
        ..View::default()
    });
    Arc::new(seen)
}

/// One statement out of those of each table.
pub(crate) fn together<'a>(
    change: &Change,
    parts: Vec<(Work<'a>, Written<'a>)>,
    keyless: &[Work<'a>],
) -> Result<(Work<'a>, Written<'a>), Box<Report>> {
    let (mut all, mut arms) = (None, Vec::new());
    for (work, part) in parts {
        let arm = work.name("part");
        let (_, out) = all.get_or_insert_with(|| {
            let out = work.written();
            (work, out)
        });
        if !part.ctes.is_empty() {
            out.cte().append(&part.ctes);
        }
        out.cascades |= part.cascades;
        out.counted = !part.returning;
        let cte = out.cte();
        cte.ours(&format!("{arm} AS ("));
        cte.append(&part.body);
        if !part.returning && !part.counted {
            cte.ours(" RETURNING 1");
        }
        cte.ours(")");
        arms.push(arm);
    }
    let Some((work, mut out)) = all else {
        let Some(named) = keyless.first() else {
            return Err(mismatch());
        };
        named.needs_key()?;
        return Err(mismatch());
    };
    let mut condition = String::new();
    for work in keyless {
        let refusal = refuse_rows(change, work, &mut out)?;
        let word = if condition.is_empty() { "WHERE" } else { "AND" };
        condition.push_str(&format!(
            " {word} (SELECT pg_catalog.count(*) FROM {refusal}) = 0"
        ));
    }
    let list = if out.returning { "*" } else { "" };
    let arms: Vec<String> = arms
        .iter()
        .map(|arm| format!("SELECT {list} FROM {arm}"))
        .collect();
    let (first, others) = arms.split_first().ok_or_else(mismatch)?;
    out.body.ours(&format!("{first}{condition}"));
    for arm in others {
        out.body.ours(&format!(" UNION ALL {arm}"));
    }
    Ok((work, out))
}

/// Rows of a table without a key cannot be told apart: a change that comes to one of them is refused
/// when it runs. Gives the name of the CTE that does it.
fn refuse_rows(
    change: &Change,
    work: &Work<'_>,
    out: &mut Written<'_>,
) -> Result<String, Box<Report>> {
    let relation = &work.changed.relation;
    let name = work.name("refused");
    match change {
        Change::Merge(tree) => merging::rows(work, tree, out.cte())?,
        _ => work.source(out.cte(), "", |_| {})?,
    }
    out.cte().ours(&format!(
        "{name} AS (SELECT pgdraft.not_told_apart({}, {}) FROM {})",
        quote_literal(&relation.schema),
        quote_literal(&relation.name),
        work.src()
    ));
    Ok(name)
}

/// What is said of no single row of a tree.
pub(crate) fn refuse_position(works: &[Work<'_>]) -> Result<(), Box<Report>> {
    let positioned = works.iter().any(Work::is_positioned);
    if positioned && works.len() > 1 {
        return Err(Box::new(
            unsupported("WHERE CURRENT OF a cursor over a table that others inherit from")
                .hint("name the row by its key, or the one table after ONLY"),
        ));
    }
    Ok(())
}

/// What stands beside the tables of a tree is evaluated once for each of them: a volatile function would be
/// called more often than PostgreSQL calls it. Rows of WITH are made once.
pub(crate) fn refuse_repeated(works: &[Work<'_>]) -> Result<(), Box<Report>> {
    let [first, _, ..] = works else {
        return Ok(());
    };
    let facts = &first.statement.facts;
    let own = first.place.block;
    let repeated = |block: usize, in_from: bool| {
        let mut outwards = facts.outwards(block);
        if outwards.any(|at| at == own) {
            return block != own || in_from;
        }
        let outermost = facts.outwards(block).last();
        let outermost = outermost.and_then(|at| facts.blocks.get(at));
        outermost.is_none_or(|b| b.under != Under::With)
    };
    let calls = facts.calls.iter();
    let calls = calls.filter(|c| repeated(c.block, c.source.is_some()));
    let relations = facts.relations.iter().filter(|r| repeated(r.block, true));
    match volatile::find(first.context, calls, relations) {
        Some(name) => Err(Box::new(
            unsupported(&format!(
                "{name}() beside a table that others inherit from, in FROM, USING or a subquery of its change"
            ))
            .detail("It would be called once for each table of the tree, where PostgreSQL calls it once.")
            .hint("put the query that calls it under WITH, or name one table after ONLY"),
        )),
        None => Ok(()),
    }
}
