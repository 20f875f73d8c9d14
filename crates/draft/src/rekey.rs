//! Rows whose primary key changes while a unique key that other tables refer to stays as it is. The
//! draft has them as a removed row and a new one; production updates them, because the rows that
//! refer to them stay, and could not be without them in between.

use catalog::{ForeignKey, Identity, Relation, quote_identifier};

use crate::Own;
use crate::apply::stays;
use crate::text::{column, equal, join, key_columns, reference_operators, same_base, same_key};

/// The foreign key whose referenced columns tell which row became which.
pub(crate) fn staying(relation: &Relation) -> Option<&ForeignKey> {
    let primary = key_columns(relation);
    let fixed = |name: &String| {
        let column = relation.column(name);
        column.is_none_or(|c| c.identity == Identity::Always)
    };
    if primary.is_empty() || primary.iter().any(fixed) {
        return None;
    }
    relation
        .referenced_by
        .iter()
        .map(|key| &**key)
        .find(|key| !key.parent_columns.iter().any(|c| primary.contains(c)))
}

/// The referenced columns of the rows `left` and `right` are equal.
pub(crate) fn same(relation: &Relation, key: &ForeignKey, left: &str, right: &str) -> String {
    let parts: Vec<String> = reference_operators(Some(relation), key)
        .iter()
        .zip(&key.parent_columns)
        .map(|(op, name)| equal(op, &column(left, name), &column(right, name)))
        .collect();
    parts.join(" AND ")
}

fn left(own: &Own<'_>, alias: &str) -> String {
    format!(
        "{alias}.pgdraft_sid = {} AND NOT {alias}.pgdraft_live AND NOT {alias}.pgdraft_new AND {alias}.pgdraft_moved",
        own.sid.0
    )
}

fn arrived(own: &Own<'_>, alias: &str) -> String {
    format!(
        "{alias}.pgdraft_sid = {} AND {alias}.pgdraft_live AND {alias}.pgdraft_new",
        own.sid.0
    )
}

/// ` AND NOT (…)`: the removed row `h`, first seen as `f`, does not go on under another key.
pub(crate) fn goes(own: &Own<'_>) -> String {
    let relation = own.draft.relation;
    staying(relation).map_or_else(String::new, |key| {
        format!(
            " AND NOT (h.pgdraft_moved AND NOT h.pgdraft_live AND EXISTS (SELECT FROM {} y WHERE {} AND {}))",
            own.draft.table(),
            arrived(own, "y"),
            same(relation, key, "y", "f")
        )
    })
}

/// The same for rows that refer to it by `by`, where that is the key by which it is known.
pub(crate) fn goes_for(own: &Own<'_>, by: &ForeignKey) -> String {
    match staying(own.draft.relation) {
        Some(key) if key.parent_columns == by.parent_columns => goes(own),
        _ => String::new(),
    }
}

/// ` AND NOT …`: the new row `h` is not one that had another key.
pub(crate) fn came(own: &Own<'_>) -> String {
    let relation = own.draft.relation;
    staying(relation).map_or_else(String::new, |key| {
        format!(
            " AND NOT EXISTS (SELECT FROM {} y JOIN ({}) z ON {} WHERE {} AND {})",
            own.draft.table(),
            own.first(),
            same_key(relation, "z", "y"),
            left(own, "y"),
            same(relation, key, "h", "z")
        )
    })
}

/// Such rows, from `h` (removed), `f` (first seen) and `n` (new).
fn pairs(own: &Own<'_>) -> Option<String> {
    let relation = own.draft.relation;
    let key = staying(relation)?;
    Some(format!(
        "{} h JOIN ({}) f ON {} JOIN {} n ON {} AND {}",
        own.draft.table(),
        own.first(),
        same_key(relation, "f", "h"),
        own.draft.table(),
        arrived(own, "n"),
        same(relation, key, "n", "f")
    ))
}

/// How many there are: one bigint.
pub fn count(own: &Own<'_>) -> Option<String> {
    Some(format!(
        "SELECT count(*) FROM {} WHERE {}",
        pairs(own)?,
        left(own, "h")
    ))
}

/// Updates those that are as the draft saw them.
pub fn update(own: &Own<'_>) -> Option<String> {
    let relation = own.draft.relation;
    let stored = || relation.writable();
    let set = stored().filter(|c| c.identity != Identity::Always);
    let assignments = join(", ", set.map(|c| &c.name), |name| {
        format!("{} = {}", quote_identifier(name), column("n", name))
    });
    let unmoved: String = stored().map(|c| format!(" AND {}", stays(c))).collect();
    Some(format!(
        "UPDATE {} b SET {assignments} FROM {} WHERE {} AND {}{unmoved}",
        relation.only(),
        pairs(own)?,
        same_base(relation, "b", "h"),
        left(own, "h")
    ))
}
