//! Applying the net changes of a draft to its base tables, set by set.
//!
//! These texts presume that [`crate::conflict`] has found nothing and that the base rows are
//! locked, so that every base row still is what it was when the draft first touched it.

use catalog::{Relation, RelationId, SessionId, quote_identifier, quote_literal};

use crate::Draft;
use crate::diff::{changed_at_all, differs, first};
use crate::text::{column, columns, key_columns, same_base, same_key, writable};

/// How many rows there are to insert and to delete: two bigint columns.
pub fn counts(draft: &Draft<'_>, sid: SessionId) -> String {
    format!(
        "SELECT count(*) FILTER (WHERE h.pgdraft_live AND {new}), count(*) FILTER (WHERE NOT h.pgdraft_live AND NOT {new}) FROM {} h WHERE h.pgdraft_sid = {}",
        draft.table(),
        sid.0,
        new = new(draft, sid),
    )
}

/// Which columns updates change: text[] of names in column order, and the number of rows, one row
/// for each set of columns.
pub fn update_sets(draft: &Draft<'_>, sid: SessionId) -> String {
    format!(
        "WITH f AS ({}) SELECT {} AS changed, count(*) FROM {} h JOIN f ON {} WHERE {} GROUP BY 1 ORDER BY 1",
        first(draft, sid),
        changed_array(draft),
        draft.table(),
        same_key(draft.relation, "f", "h"),
        updated(draft, sid)
    )
}

/// Updates the rows of one set of columns (`exact`), or every row in the columns of all sets.
pub fn update(draft: &Draft<'_>, sid: SessionId, set: &[String], exact: bool) -> String {
    let assignments = crate::text::join(", ", set, |name| {
        format!("{} = {}", quote_identifier(name), column("h", name))
    });
    let which = if exact {
        let names: Vec<String> = set.iter().map(|n| quote_literal(n)).collect();
        format!(
            " AND {} = ARRAY[{}]::text[]",
            changed_array(draft),
            names.join(", ")
        )
    } else {
        String::new()
    };
    format!(
        "WITH f AS ({}) UPDATE {} b SET {assignments} FROM {} h JOIN f ON {} WHERE {} AND {}{which}",
        first(draft, sid),
        draft.relation.qualified(),
        draft.table(),
        same_key(draft.relation, "f", "h"),
        same_base(draft.relation, "b", "h"),
        updated(draft, sid)
    )
}

/// Inserts the new rows in the order they were made; `later` columns are left NULL for
/// [`fill_later`].
pub fn insert(draft: &Draft<'_>, sid: SessionId, later: &[String]) -> String {
    let names = writable(draft.relation);
    let values = crate::text::join(", ", &names, |name| {
        if later.iter().any(|l| l == name) {
            "NULL".to_owned()
        } else {
            column("h", name)
        }
    });
    format!(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {values} FROM {} h WHERE h.pgdraft_sid = {} AND h.pgdraft_live AND {} ORDER BY h.pgdraft_op, {}",
        draft.relation.qualified(),
        columns("", &names),
        draft.table(),
        sid.0,
        new(draft, sid),
        columns("h", key_columns(draft.relation))
    )
}

/// Gives inserted rows the columns that [`insert`] left out.
pub fn fill_later(draft: &Draft<'_>, sid: SessionId, later: &[String]) -> String {
    let assignments = crate::text::join(", ", later, |name| {
        format!("{} = {}", quote_identifier(name), column("h", name))
    });
    let any: Vec<String> = later
        .iter()
        .map(|name| format!("{} IS NOT NULL", column("h", name)))
        .collect();
    format!(
        "UPDATE {} b SET {assignments} FROM {} h WHERE {} AND h.pgdraft_sid = {} AND h.pgdraft_live AND {} AND ({})",
        draft.relation.qualified(),
        draft.table(),
        same_base(draft.relation, "b", "h"),
        sid.0,
        new(draft, sid),
        any.join(" OR ")
    )
}

/// Deletes the removed rows.
pub fn delete(draft: &Draft<'_>, sid: SessionId) -> String {
    format!(
        "DELETE FROM {} b USING {} h WHERE {} AND h.pgdraft_sid = {} AND NOT h.pgdraft_live AND NOT {}",
        draft.relation.qualified(),
        draft.table(),
        same_base(draft.relation, "b", "h"),
        sid.0,
        new(draft, sid)
    )
}

/// How many of the removed rows are still there: one bigint column.
pub fn not_deleted(draft: &Draft<'_>, sid: SessionId) -> String {
    format!(
        "SELECT count(*) FROM {} b JOIN {} h ON {} WHERE h.pgdraft_sid = {} AND NOT h.pgdraft_live AND NOT h.pgdraft_new",
        draft.relation.qualified(),
        draft.table(),
        same_base(draft.relation, "b", "h"),
        sid.0
    )
}

/// Tables in an order in which parents come before their children. In a circle of foreign keys
/// somebody has to be first; the columns that refer to tables after it are [`back_columns`].
pub fn parents_first<'a>(relations: &[&'a Relation]) -> Vec<&'a Relation> {
    let mut left: Vec<&Relation> = relations.to_vec();
    left.sort_by(|a, b| (&a.schema, &a.name).cmp(&(&b.schema, &b.name)));
    let mut order: Vec<&Relation> = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let free = left.iter().position(|relation| {
            let mut parents = relation.foreign_keys.iter().map(|k| k.parent);
            parents.all(|p| p == relation.id || !left.iter().any(|other| other.id == p))
        });
        order.push(left.remove(free.unwrap_or(0)));
    }
    order
}

/// Columns of `relation` that can be NULL and refer to one of the tables that come `after` it.
pub fn back_columns(relation: &Relation, after: &[RelationId]) -> Vec<String> {
    let mut found = Vec::new();
    for key in &relation.foreign_keys {
        if !after.contains(&key.parent) {
            continue;
        }
        for name in &key.child_columns {
            let free = relation.column(name).is_some_and(|c| !c.not_null);
            if free && !key_columns(relation).contains(name) && !found.contains(name) {
                found.push(name.clone());
            }
        }
    }
    found
}

/// Removes what is left of truncated tables, all in one statement: they may refer to one another.
/// One bigint column for each.
pub fn truncate(drafts: &[&Draft<'_>]) -> String {
    let gone = drafts.iter().enumerate().map(|(i, draft)| {
        let base = Draft::base(draft.relation);
        format!("t{i} AS (DELETE FROM {base} RETURNING 1)")
    });
    let counts = (0..drafts.len()).map(|i| format!("(SELECT count(*) FROM t{i})"));
    format!(
        "WITH {} SELECT {}",
        gone.collect::<Vec<_>>().join(", "),
        counts.collect::<Vec<_>>().join(", ")
    )
}

/// How many rows the base has: one bigint column.
pub fn left(draft: &Draft<'_>) -> String {
    format!("SELECT count(*) FROM {}", Draft::base(draft.relation))
}

/// The row `h` is not in the base, or will not be when the truncation of its table has been done.
fn new(draft: &Draft<'_>, sid: SessionId) -> String {
    let truncated = crate::text::truncated(draft.id, &sid.0.to_string());
    format!("(h.pgdraft_new OR {truncated})")
}

/// Rows of the draft that exist in the base and are changed by it.
fn updated(draft: &Draft<'_>, sid: SessionId) -> String {
    format!(
        "h.pgdraft_sid = {} AND h.pgdraft_live AND NOT {} AND {}",
        sid.0,
        new(draft, sid),
        changed_at_all(draft)
    )
}

fn changed_array(draft: &Draft<'_>) -> String {
    let parts: Vec<String> = draft
        .relation
        .writable()
        .map(|c| {
            format!(
                "CASE WHEN {} THEN {} END",
                differs(Some(c)),
                quote_literal(&c.name)
            )
        })
        .collect();
    format!("array_remove(ARRAY[{}]::text[], NULL)", parts.join(", "))
}
