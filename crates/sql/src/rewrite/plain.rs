//! Changes that no key, foreign key or exclusion constraint is about: they tell the head's triggers, which
//! then look at no row of them.

use catalog::{Generated, Key};

use crate::rewrite::assign::Assignment;
use crate::rewrite::work::Work;

/// Once a statement, by a subselect; the statement's own time tells it from the next one. An agent can say
/// the same of any statement, as it can of a truncation: what a draft checks, its commit checks again.
const SAID: &str = ", (SELECT pg_catalog.set_config('pgdraft.plain', \
     pg_catalog.statement_timestamp()::pg_catalog.text, true)) AS pgdraft_plain";

/// A column of the rows found that says so of an UPDATE; empty where it cannot be said.
pub(crate) fn updates(work: &Work<'_>, assignments: &[Assignment]) -> &'static str {
    let relation = &work.changed.relation;
    let keys = || relation.unique.iter().chain(&relation.exclusions);
    let references = || {
        let own = relation.foreign_keys.iter().map(|f| &f.child_columns);
        own.chain(relation.referenced_by.iter().map(|f| &f.parent_columns))
    };
    let concerns = |column: &String| {
        work.changed.is_key(column)
            || keys().any(|key| key.columns.contains(column))
            || references().any(|columns| columns.contains(column))
    };
    // what an expression or a condition is about is not taken apart
    let of_columns =
        |key: &Key| key.elements.is_empty() && key.predicate.is_none() && !key.columns.is_empty();
    let computed = relation
        .columns
        .iter()
        .any(|c| c.generated != Generated::No);
    said(
        is_alone(work)
            && !computed
            && keys().all(of_columns)
            && !assignments.iter().any(|a| concerns(&a.column)),
    )
}

/// The same of a DELETE: no row may have gone that another refers to.
pub(crate) fn deletes(work: &Work<'_>) -> &'static str {
    said(is_alone(work) && work.changed.relation.referenced_by.is_empty())
}

fn said(plain: bool) -> &'static str {
    if plain { SAID } else { "" }
}

/// It is all that its statement changes, of one table with a key that production enforces, and there is
/// something that triggers would look at.
fn is_alone(work: &Work<'_>) -> bool {
    let changed = &work.changed;
    let relation = &changed.relation;
    let mut others = relation.unique.iter().chain(&relation.exclusions);
    let looked_at = !relation.foreign_keys.is_empty()
        || !relation.referenced_by.is_empty()
        || others.any(|key| relation.key().is_none_or(|own| own.name != key.name));
    looked_at
        && work.statement.facts.parts.is_empty()
        && !changed.with_children
        && changed.through.is_none()
        && changed.drafted.id == relation.id
        && changed.drafted.before.is_empty()
        && relation.key().is_some_and(Key::is_declared)
}
