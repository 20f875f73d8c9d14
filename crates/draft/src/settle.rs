//! Rows that a constraint forbids beside production's of today: a unique value that appeared, a parent
//! that went, a CHECK over other columns that production changed. A person gives them another value, or
//! they leave the draft.
//!
//! The heads' triggers do not see these statements, because no operation is set.

use catalog::{Column, RelationId, quote_identifier, quote_literal};

use crate::Own;
use crate::conflict::{followed_by, forbidden, unchecked};
use crate::rebase::Target;
use crate::text::{columns, differ, key_columns, object, same_key};

/// More such rows of one table are settled in several turns.
const ROWS_MAX: usize = 10_000;

/// ` AND …`: a row `h` of the draft that is one of them. `None` where nothing can forbid one.
fn held(own: &Own<'_>, target: &Target<'_>) -> Option<String> {
    Some(format!(
        "h.pgdraft_sid = {} AND h.pgdraft_live{} AND {}",
        own.sid.0,
        target.rows(own),
        among(own, &forbidden(own, ROWS_MAX))?
    ))
}

/// ` AND …`: the row `h` as production's values would make it keeps NOT NULL and every CHECK, also the head's
/// own.
pub(crate) fn checked(own: &Own<'_>) -> String {
    among(own, unchecked(own, ROWS_MAX).as_slice())
        .map_or_else(String::new, |found| format!(" AND NOT ({found})"))
}

/// The row `h` is one of those that one of these queries finds.
fn among(own: &Own<'_>, texts: &[String]) -> Option<String> {
    let keys: Vec<String> = texts
        .iter()
        .map(|text| format!("SELECT q.primary_key::jsonb FROM ({text}) q"))
        .collect();
    let key = object("h", key_columns(own.draft.relation));
    (!keys.is_empty()).then(|| format!("{key} IN ({})", keys.join(" UNION ALL ")))
}

/// Gives them a value of one column, as text; `op` is the operation that it belongs to. One row,
/// without columns, for each.
pub fn give(
    own: &Own<'_>,
    target: &Target<'_>,
    (of, value): (&Column, &str),
    op: i64,
) -> Option<String> {
    let relation = own.draft.relation;
    let value = format!("{}::{}", quote_literal(value), of.declared);
    let names: Vec<&str> = relation.writable().map(|c| c.name.as_str()).collect();
    Some(format!(
        "WITH m AS MATERIALIZED (SELECT {keys} FROM {head} h WHERE {held} AND {differ}),
lg AS (INSERT INTO {log} (pgdraft_sid, pgdraft_op, pgdraft_kind, {list}) SELECT h.pgdraft_sid, {op}, 'U', {values} FROM m JOIN {head} h ON h.pgdraft_sid = {sid} AND {hm}),
hw AS (UPDATE {head} h SET {column} = {value}, pgdraft_op = {op} FROM m WHERE h.pgdraft_sid = {sid} AND {hm})
SELECT FROM m",
        keys = columns("h", key_columns(relation)),
        head = own.draft.table(),
        held = held(own, target)?,
        differ = differ(of, &crate::text::column("h", &of.name), &value),
        log = own.draft.log(),
        list = columns("", &names),
        values = columns("h", &names),
        sid = own.sid.0,
        hm = same_key(relation, "h", "m"),
        column = quote_identifier(&of.name),
    ))
}

/// They leave the draft: as production has them is how the session sees them. One row, without columns,
/// for each.
pub fn leave(own: &Own<'_>, target: &Target<'_>) -> Option<String> {
    Some(gone(own, &held(own, target)?))
}

/// The same of rows that the draft removes or changes and that rows of production refer to which appeared
/// since: those of `table`, if one is named, and of the target. A row that went on under another key
/// stays, because that one would be left.
pub fn leave_followed(
    own: &Own<'_>,
    table: Option<RelationId>,
    target: &Target<'_>,
) -> Option<String> {
    let followed = followed_by(own, ROWS_MAX, (table, target));
    let key = object("h", key_columns(own.draft.relation));
    (!followed.is_empty()).then(|| {
        let which = format!(
            "h.pgdraft_sid = {} AND NOT (h.pgdraft_moved AND NOT h.pgdraft_live) AND {key} IN ({})",
            own.sid.0,
            followed.join(" UNION ALL ")
        );
        gone(own, &which)
    })
}

/// Such rows `h` leave the draft.
fn gone(own: &Own<'_>, which: &str) -> String {
    let relation = own.draft.relation;
    format!(
        "WITH m AS MATERIALIZED (SELECT {keys} FROM {head} h WHERE {which}),
hw AS (DELETE FROM {head} h USING m WHERE h.pgdraft_sid = {sid} AND {hm}),
lg AS (DELETE FROM {log} l USING m WHERE l.pgdraft_sid = {sid} AND {lm})
SELECT FROM m",
        keys = columns("h", key_columns(relation)),
        head = own.draft.table(),
        sid = own.sid.0,
        hm = same_key(relation, "h", "m"),
        log = own.draft.log(),
        lm = same_key(relation, "l", "m"),
    )
}
