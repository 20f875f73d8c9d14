//! LOCK TABLE. Production's table is locked as a SELECT locks it; what a stronger lock keeps out are
//! other connections of the session, and those meet in schema `pgdraft`.

use catalog::quote_identifier as q;
use pg_query::NodeEnum;
use pg_query::protobuf::{LockStmt, RangeVar, Token as Kind};
use report::Report;

use crate::parse::Statement;
use crate::plan::{Context, Effect, Locks, Plan, Relay, TableLock};
use crate::resolve;
use crate::rewrite::change::mismatch;
use crate::rewrite::edited;
use crate::splice::Edit;

/// `AccessShareLock` of PostgreSQL's `lockdefs.h`: no other connection of the session minds it.
pub(crate) const ACCESS_SHARE: i32 = 1;

fn tables(lock: &LockStmt) -> impl Iterator<Item = &RangeVar> {
    lock.relations.iter().filter_map(|n| match n.node.as_ref() {
        Some(NodeEnum::RangeVar(table)) => Some(table),
        _ => None,
    })
}

/// What the session's own lock is about; `None` where the server's says it all.
pub(crate) fn wanted(lock: &LockStmt) -> Option<TableLock> {
    let named = |only: bool| {
        let found = tables(lock).filter(|t| t.inh != only);
        let names = found.map(|t| match t.schemaname.as_str() {
            "" => q(&t.relname),
            schema => format!("{}.{}", q(schema), q(&t.relname)),
        });
        names.collect()
    };
    (lock.mode != ACCESS_SHARE).then(|| TableLock {
        tables: named(false),
        only: named(true),
        mode: lock.mode,
        nowait: lock.nowait,
    })
}

/// The client's text with ACCESS SHARE for its mode.
pub(crate) fn plan(
    statement: &Statement,
    lock: &LockStmt,
    context: &Context<'_>,
) -> Result<Plan, Box<Report>> {
    for table in tables(lock) {
        let schema = (!table.schemaname.is_empty()).then_some(table.schemaname.as_str());
        resolve::resolve(context, schema, &table.relname)?;
    }
    if wanted(lock).is_none() {
        return Ok(Plan::Relay(Relay {
            effect: Effect::None,
        }));
    }
    let tokens = &statement.tokens;
    let last = tokens.len().checked_sub(1).and_then(|i| tokens.get(i));
    let end = last.ok_or_else(mismatch)?.end;
    let mode = tokens.find(0..tokens.len(), 0, |_, t| t.is(Kind::InP));
    let (range, before) = match mode.and_then(|i| tokens.get(i)) {
        Some(word) => (word.start..end, ""),
        None if lock.nowait => (last.ok_or_else(mismatch)?.start..end, ""),
        None => (end..end, " "),
    };
    let nowait = if lock.nowait { " NOWAIT" } else { "" };
    let edit = Edit::new(range, format!("{before}IN ACCESS SHARE MODE{nowait}"));
    Ok(edited(statement, edit, Locks::Tables))
}
