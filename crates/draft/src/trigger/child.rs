//! Stage `references`, child side: a row that refers to something refers to a row that is there.

use catalog::{ForeignKey, Relation, RelationId, quote_literal};

use super::keys::{first_of, in_table, same_head_row};
use super::{Event, Raise, Step, acts};
use crate::Draft;
use crate::text::{
    NOT_IDENTICAL, column, columns, equal, filled, head_table, key_columns, key_detail, record,
    reference_operators, referring, truncated,
};

pub(super) fn checks(draft: &Draft<'_>, event: Event) -> Vec<Step> {
    let mut steps = Vec::new();
    for key in draft.relation.foreign_keys.iter().filter(|k| !k.deferrable) {
        steps.extend(of_key(draft, event, key));
    }
    steps
}

/// The checks of one foreign key.
pub(super) fn of_key(draft: &Draft<'_>, event: Event, key: &ForeignKey) -> Vec<Step> {
    let mut steps = Vec::new();
    if key.match_full && key.child_columns.len() > 1 {
        steps.push(whole(draft, event, key));
    }
    if let Some(parent) = draft.relation(key.parent) {
        steps.push(present(draft, event, key, parent));
    }
    steps
}

/// The rows whose reference is new or changed: an unchanged one is not checked again, as in
/// PostgreSQL.
fn changed(draft: &Draft<'_>, event: Event, key: &ForeignKey, which: &str) -> String {
    let differs: Vec<String> = key
        .child_columns
        .iter()
        .map(|name| {
            format!(
                "{} {NOT_IDENTICAL} {}",
                record(&[column("o", name)]),
                record(&[column("n", name)])
            )
        })
        .collect();
    format!(
        "SELECT n.pgdraft_sid, {}{} FROM {} WHERE n.pgdraft_live AND {which} AND ({} OR {}){}",
        columns("n", &key.child_columns),
        draft.image("n"),
        draft.pairs(event),
        Draft::fresh(event),
        differs.join(" OR "),
        as_it_was(draft, key)
    )
}

/// Where an action that this statement began can come back to the table: a reference that it has
/// changed since was looked at then.
fn as_it_was(draft: &Draft<'_>, key: &ForeignKey) -> String {
    if !comes_back(draft) {
        return String::new();
    }
    let values = |alias: &str| {
        let values = key.child_columns.iter().map(|name| column(alias, name));
        record(&values.collect::<Vec<_>>())
    };
    format!(
        " AND EXISTS (SELECT FROM {} h WHERE {} AND h.pgdraft_live AND NOT ({} {NOT_IDENTICAL} {}))",
        draft.table(),
        same_head_row(draft, "h", "n"),
        values("h"),
        values("n")
    )
}

/// Whether the table is among those that a change of it reaches by actions.
fn comes_back(draft: &Draft<'_>) -> bool {
    let mut seen: Vec<RelationId> = Vec::new();
    let mut todo = vec![draft.relation.id];
    while let Some(parent) = todo.pop().and_then(|id| draft.relation(id)) {
        for key in &parent.referenced_by {
            if !(acts(key.on_delete) || acts(key.on_update)) {
                continue;
            }
            if key.child == draft.relation.id {
                return true;
            }
            if !seen.contains(&key.child) {
                seen.push(key.child);
                todo.push(key.child);
            }
        }
    }
    false
}

/// The parent is live in the head, or in the base and not replaced or removed by the session.
fn present(draft: &Draft<'_>, event: Event, key: &ForeignKey, parent: &Relation) -> Step {
    let matches = refers(draft, key, parent, ("p", "c"));
    let filled: Vec<String> = key
        .child_columns
        .iter()
        .map(|name| filled(&column("n", name)))
        .collect();
    let in_head = draft
        .heads
        .get(&parent.id)
        .map(|id| {
            format!(
                " AND NOT EXISTS (SELECT FROM {} p WHERE p.pgdraft_sid = c.pgdraft_sid AND p.pgdraft_live AND {matches})",
                head_table(*id)
            )
        })
        .unwrap_or_default();
    let values: Vec<String> = key.child_columns.iter().map(|c| column("c", c)).collect();
    let after = format!(" is not present in table {}.", plain_quotes(&parent.name));
    let query = format!(
        "WITH c AS MATERIALIZED ({}) SELECT {} FROM c WHERE NOT EXISTS (SELECT FROM {} p WHERE {matches}{}){in_head}",
        changed(draft, event, key, &filled.join(" AND ")),
        first_of(&draft.told(
            &key_detail(&key.child_columns, &values, "Key ", &after),
            "c.pgdraft_image"
        )),
        parent.only(),
        draft.not_shadowed(parent, "p", "c"),
    );
    let doubt = format!(
        "{} AND NOT {}",
        filled.join(" AND "),
        surely_there(draft, key, parent)
    );
    refusal(draft, key, query).where_in_doubt(event, doubt)
}

/// The row `child` refers to the row `to` of its parent by this key.
fn refers(
    draft: &Draft<'_>,
    key: &ForeignKey,
    parent: &Relation,
    (to, child): (&str, &str),
) -> String {
    let columns = key.parent_columns.iter().zip(&key.child_columns);
    let operators = reference_operators(Some(parent), key);
    let parts: Vec<String> = columns
        .zip(operators)
        .map(|((p, c), op)| {
            let child = referring((parent, p), (draft.relation, c), child);
            equal(op, &column(to, p), &child)
        })
        .collect();
    parts.join(" AND ")
}

/// What a new row `n` refers to is there. Of a parent that the session has changed, by another key than
/// the one that tells its rows apart, it may be there all the same.
fn surely_there(draft: &Draft<'_>, key: &ForeignKey, parent: &Relation) -> String {
    let matches = refers(draft, key, parent, ("b", "n"));
    let Some(id) = draft.heads.get(&parent.id) else {
        return in_table(&parent.only(), &matches);
    };
    let own = key_columns(parent);
    let by_own = parent.key().is_some()
        && own.len() == key.parent_columns.len()
        && own.iter().all(|name| key.parent_columns.contains(name));
    if !by_own {
        let shown = matches + &draft.not_shadowed(parent, "b", "n");
        return in_table(&parent.only(), &shown);
    }
    format!(
        "coalesce((SELECT b.pgdraft_live FROM {} b WHERE b.pgdraft_sid = n.pgdraft_sid AND {matches} LIMIT 1), {} AND NOT {})",
        head_table(*id),
        in_table(&parent.only(), &matches),
        truncated(*id, "n.pgdraft_sid")
    )
}

/// MATCH FULL: all columns or none.
fn whole(draft: &Draft<'_>, event: Event, key: &ForeignKey) -> Step {
    let row = format!("pg_catalog.num_nulls({})", columns("n", &key.child_columns));
    let which = format!("{row} > 0 AND {row} < {}", key.child_columns.len());
    let query = format!(
        "SELECT {} FROM ({}) c",
        first_of(&draft.told(
            &format!(
                "{}::pg_catalog.text",
                quote_literal("MATCH FULL does not allow mixing of null and nonnull key values.")
            ),
            "c.pgdraft_image"
        )),
        changed(draft, event, key, &which)
    );
    refusal(draft, key, query).where_in_doubt(event, which)
}

fn refusal(draft: &Draft<'_>, key: &ForeignKey, query: String) -> Step {
    let (table, name) = draft.message_names(&draft.relation.name, &key.name);
    // A partition has two copies of a tree's key to itself, as child and as parent; as child it keeps the name.
    let reference = Some(key.id).filter(|_| key.parent != key.child);
    Step::Refuse {
        query,
        error: Raise {
            code: "23503",
            message: format!(
                "insert or update on table {} violates foreign key constraint {}",
                plain_quotes(&table),
                plain_quotes(&name)
            ),
            hint: None,
            constraint: key.name.clone(),
            schema: draft.relation.schema.clone(),
            table: draft.relation.name.clone(),
            placed: draft.placed(reference, true),
        },
    }
}

/// A name in PostgreSQL's messages: in quotes, but nothing doubled.
pub(super) fn plain_quotes(name: &str) -> String {
    format!("\"{name}\"")
}
