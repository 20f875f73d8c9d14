//! Rows that change places in a unique key: each is updated when the value that it gets is free. In a
//! circle none ever is; there the rows leave their values first, where these can be NULL.

use catalog::{ForeignKey, Key, Relation, quote_identifier};

use crate::Own;
use crate::apply::{agrees, merged, ours, update_modified};
use crate::text::{
    column, equal, join, key_columns, operator, reference_operators, same_base, same_key,
};

/// Unique keys over plain columns besides the primary key.
fn keys(relation: &Relation) -> impl Iterator<Item = &Key> {
    let own = key_columns(relation);
    relation
        .unique
        .iter()
        .filter(move |key| !key.columns.is_empty() && key.columns != own && !key.special)
}

fn same(key: &Key, left: &str, right: &str) -> String {
    let parts: Vec<String> = key
        .columns
        .iter()
        .enumerate()
        .map(|(i, name)| equal(operator(key, i), &column(left, name), &column(right, name)))
        .collect();
    parts.join(" AND ")
}

/// Updates the changed rows, in the columns of `set`, that are not as they are to be and whose unique
/// values nobody has. For a draft that has been brought onto the base of today, with its rows locked.
pub fn update_free(own: &Own<'_>, set: &[String]) -> String {
    let relation = own.draft.relation;
    let stored = || set.iter().filter_map(|name| relation.column(name));
    let assignments: Vec<String> = stored()
        .map(|c| {
            format!(
                "{} = CASE WHEN {} THEN {} ELSE {} END",
                quote_identifier(&c.name),
                ours(c),
                merged(own, c),
                column("b", &c.name)
            )
        })
        .collect();
    let open: Vec<String> = stored()
        .map(|c| format!("({} AND NOT ({}))", ours(c), agrees(c)))
        .collect();
    let free: String = keys(relation)
        .map(|key| {
            format!(
                " AND NOT EXISTS (SELECT FROM {} o WHERE {} AND NOT ({}))",
                relation.qualified(),
                same(key, "o", "h"),
                same_base(relation, "o", "h")
            )
        })
        .collect();
    format!(
        "{} AND ({}){free}",
        update_modified(own, &assignments.join(", ")),
        open.join(" OR "),
    )
}

/// Takes from the rows that are still to be updated the unique values that others wait for: a
/// statement for each key with a column that can be NULL.
pub fn leave(own: &Own<'_>) -> Vec<String> {
    let relation = own.draft.relation;
    keys(relation)
        .filter_map(|key| {
            let mut columns = key.columns.iter().filter_map(|name| relation.column(name));
            let free = columns.find(|c| !c.not_null)?;
            let changes: Vec<String> = key
                .columns
                .iter()
                .filter_map(|name| relation.column(name))
                .map(|c| format!("({} AND NOT ({}))", ours(c), agrees(c)))
                .collect();
            Some(format!(
                "{} AND ({}) AND EXISTS (SELECT FROM {} w WHERE w.pgdraft_sid = {} AND w.pgdraft_live AND {} AND NOT ({}))",
                update_modified(own, &format!("{} = NULL", quote_identifier(&free.name))),
                changes.join(" OR "),
                own.draft.table(),
                own.sid.0,
                same(key, "w", "b"),
                same_key(relation, "w", "h"),
            ))
        })
        .collect()
}

/// The columns of a foreign key that can be NULL while its row has no parent.
pub fn leaving<'a>(child: &Relation, key: &'a ForeignKey) -> Vec<&'a str> {
    let own = key_columns(child);
    let free = |name: &&String| {
        let column = child.writable().find(|c| c.name == **name);
        column.is_some_and(|c| !c.not_null) && !own.contains(name)
    };
    key.child_columns
        .iter()
        .filter(free)
        .map(String::as_str)
        .collect()
}

/// Takes the rows that the draft keeps from the parents that it removes: a statement for each foreign
/// key to `parent` that can be without one. They get their parents when the rows are updated, or from
/// [`settle`].
pub fn leave_parents(own: &Own<'_>, parent: &Own<'_>) -> Vec<String> {
    let (relation, above) = (own.draft.relation, parent.draft.relation);
    let keys = relation
        .foreign_keys
        .iter()
        .filter(|k| k.parent == above.id && !leaving(relation, k).is_empty());
    keys.map(|key| {
        let set = join(", ", leaving(relation, key), |name| {
            format!("{} = NULL", quote_identifier(name))
        });
        let refers: Vec<String> = reference_operators(Some(above), key)
            .iter()
            .zip(key.parent_columns.iter().zip(&key.child_columns))
            .map(|(op, (up, down))| equal(op, &column("p", up), &column("b", down)))
            .collect();
        format!(
            "{} AND EXISTS (SELECT FROM {} p JOIN {} x ON {} WHERE x.pgdraft_sid = {} AND NOT x.pgdraft_live AND NOT x.pgdraft_new AND {})",
            update_modified(own, &set),
            above.qualified(),
            parent.draft.table(),
            same_base(above, "p", "x"),
            own.sid.0,
            refers.join(" AND "),
        )
    })
    .collect()
}

/// Gives the rows that the draft keeps the parents that it gave them, where foreign key actions of the
/// commit itself changed these. For a draft that has been brought onto the base of today, with its
/// rows locked. `None` where no foreign key could have.
pub fn settle(own: &Own<'_>) -> Option<String> {
    let relation = own.draft.relation;
    let refers = |name: &String| {
        let mut keys = relation.foreign_keys.iter();
        keys.any(|key| key.child_columns.contains(name)) && !key_columns(relation).contains(name)
    };
    let stored = || relation.writable().filter(|c| refers(&c.name));
    let open: Vec<String> = stored().map(|c| format!("NOT ({})", agrees(c))).collect();
    if open.is_empty() {
        return None;
    }
    let set = join(", ", stored().map(|c| &c.name), |name| {
        format!("{} = {}", quote_identifier(name), column("h", name))
    });
    Some(format!(
        "{} AND ({})",
        update_modified(own, &set),
        open.join(" OR "),
    ))
}
