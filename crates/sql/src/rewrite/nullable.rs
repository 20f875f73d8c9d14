//! FOR UPDATE over an outer join.
//!
//! PostgreSQL locks no rows of the side that may be missing, and says so as it plans. A locking clause is
//! taken out of a rewritten text, so it is said here, of the joins that the conditions leave outer ones.

use report::Report;

use crate::facts::{Join, Joined, Locking, Side, TableRef};
use crate::parse::{Statement, parse};
use crate::plan::{Context, Temporary};
use crate::resolve::{self, Resolved};

/// Refuses what PostgreSQL refuses.
///
/// # Errors
/// 0A000 where a locking clause means the nullable side of an outer join.
pub(crate) fn check(statement: &Statement, context: &Context<'_>) -> Result<(), Report> {
    let facts = &statement.facts;
    for locking in &facts.lockings {
        let of = (!locking.of.is_empty()).then_some(locking.of.as_slice());
        let joined = facts.joined.iter().any(|joined| {
            let of = of.filter(|_| joined.block == locking.block);
            is_over(statement, locking, joined.block) && at_nullable(statement, context, joined, of)
        });
        let over = facts.relations.iter().filter(|r| facts.locks(r));
        let mut views = over.filter(|r| is_over(statement, locking, r.block));
        if joined || views.any(|view| hides_nullable(context, view)) {
            return Err(refused(locking));
        }
    }
    Ok(())
}

/// Whether a locking clause means that query, or one that it stands under in FROM.
fn is_over(statement: &Statement, locking: &Locking, block: usize) -> bool {
    let mut outwards = statement.facts.outwards(block);
    block == locking.block || locking.of.is_empty() && outwards.any(|at| at == locking.block)
}

/// Whether it is a view that has an outer join itself.
fn hides_nullable(context: &Context<'_>, reference: &TableRef) -> bool {
    let found = resolve::resolve(context, reference.schema.as_deref(), &reference.name);
    let Ok(Resolved::Known(relation)) = found else {
        return false;
    };
    let view = relation.view.as_ref().map(|v| parse(&v.definition));
    let Some(Ok(script)) = view else {
        return false;
    };
    let none = Temporary::new();
    let inside = context.qualified(&none);
    script.statements.iter().any(|statement| {
        let facts = &statement.facts;
        let queried = |block: usize| facts.outwards(block).any(|at| at == 0);
        let mut joined = facts.joined.iter().filter(|j| queried(j.block));
        let mut views = facts.relations.iter().filter(|r| queried(r.block));
        joined.any(|j| at_nullable(statement, &inside, j, None))
            || views.any(|view| hides_nullable(&inside, view))
    })
}

/// Whether a locked item of that FROM may be missing; `of`: the names that are locked, or all.
fn at_nullable(
    statement: &Statement,
    context: &Context<'_>,
    joined: &Joined,
    of: Option<&[String]>,
) -> bool {
    let look = Look {
        statement,
        context,
        joined,
        of,
    };
    let sure = look.tables_of(&joined.sure);
    joined.from.iter().any(|item| look.is_nullable(item, &sure))
}

fn refused(locking: &Locking) -> Report {
    let clause = locking.command.trim_start_matches("SELECT ");
    let message = format!("{clause} cannot be applied to the nullable side of an outer join");
    Report::error("0A000", message)
}

struct Look<'a> {
    statement: &'a Statement,
    context: &'a Context<'a>,
    joined: &'a Joined,
    /// The names after OF.
    of: Option<&'a [String]>,
}

impl Look<'_> {
    /// Whether an outer join is left in an item of FROM, one of whose missing sides is locked; `sure`:
    /// tables whose rows are not missing in what comes of it.
    fn is_nullable(&self, item: &Join, sure: &[String]) -> bool {
        let Join::Pair(pair) = item else {
            return false;
        };
        let is_sure = |item: &Join| self.labels(item).iter().any(|label| sure.contains(label));
        // a row that is not missing on one side is not made up for the other
        let mut missing = pair.missing.clone();
        missing.retain(|side| !is_sure(pair.side(*side)));
        if missing.iter().any(|side| self.is_locked(pair.side(*side))) {
            return true;
        }
        let own = self.tables_of(&pair.sure);
        let both = [sure, &own].concat();
        [Side::Left, Side::Right].into_iter().any(|side| {
            let other = missing.iter().any(|m| *m != side);
            let known: &[String] = match (missing.contains(&side), other) {
                (false, false) => &both,
                (false, true) => sure,
                (true, false) => &own,
                (true, true) => &[],
            };
            self.is_nullable(pair.side(side), known)
        })
    }

    /// Names of the tables and queries that an item is made of.
    fn labels(&self, item: &Join) -> Vec<String> {
        match item {
            Join::Table(at) => self
                .table(*at)
                .map(|t| t.label().to_owned())
                .into_iter()
                .collect(),
            Join::Query(label, _) => vec![label.clone()],
            Join::Pair(pair) => [self.labels(&pair.left), self.labels(&pair.right)].concat(),
            Join::Rest => Vec::new(),
        }
    }

    fn is_locked(&self, item: &Join) -> bool {
        let named = |label: &str| self.of.is_none_or(|of| of.iter().any(|name| name == label));
        match item {
            Join::Table(at) => self.table(*at).is_some_and(|t| named(t.label())),
            Join::Query(label, tables) => {
                named(label) && tables.iter().any(|at| self.table(*at).is_some())
            }
            Join::Pair(pair) => self.is_locked(&pair.left) || self.is_locked(&pair.right),
            Join::Rest => false,
        }
    }

    fn table(&self, location: usize) -> Option<&TableRef> {
        let mut tables = self.statement.facts.relations.iter();
        tables.find(|t| t.location == location)
    }

    /// Whose columns these are.
    fn tables_of(&self, columns: &[Vec<String>]) -> Vec<String> {
        let table = |fields: &Vec<String>| match fields.as_slice() {
            [.., table, _] => Some(table.clone()),
            [column] => self.only_with(column),
            [] => None,
        };
        columns.iter().filter_map(table).collect()
    }

    /// The one table of the block that has a column of that name.
    fn only_with(&self, column: &str) -> Option<String> {
        let tables = self.statement.facts.relations.iter();
        let mut with = tables.filter(|t| {
            t.block == self.joined.block
                && match resolve::resolve(self.context, t.schema.as_deref(), &t.name) {
                    Ok(Resolved::Known(relation)) => relation.column(column).is_some(),
                    _ => false,
                }
        });
        let first = with.next()?;
        with.next().is_none().then(|| first.label().to_owned())
    }
}
