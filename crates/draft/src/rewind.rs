//! Taking a draft back to what it was after an operation, and copying one.
//!
//! The heads' triggers do not see these statements, because no operation is set.

use catalog::{SessionId, quote_identifier};

use crate::Draft;
use crate::text::{column, columns, join, key_columns, same_key, writable};

/// Takes one table's draft back to what it was after operation `op`. Three statements.
pub fn to(draft: &Draft<'_>, sid: SessionId, op: i64) -> String {
    let relation = draft.relation;
    let key = columns("l", key_columns(relation));
    let images = join(", ", writable(relation), |name| {
        // A removed row that came back later is logged by its key alone: the tombstone keeps the
        // image it has, which nobody looks at.
        format!(
            "{} = CASE WHEN x.pgdraft_kind = 'I' THEN {} ELSE {} END",
            quote_identifier(name),
            column("h", name),
            column("x", name)
        )
    });
    format!(
        "DELETE FROM {head} h WHERE h.pgdraft_sid = {sid} AND NOT EXISTS (SELECT FROM {log} l WHERE l.pgdraft_sid = {sid} AND l.pgdraft_op <= {op} AND {lh})
    AND EXISTS (SELECT FROM {log} l WHERE l.pgdraft_sid = {sid} AND l.pgdraft_op > {op} AND {lh});
UPDATE {head} h SET pgdraft_live = x.pgdraft_kind <> 'I', pgdraft_moved = false, pgdraft_op = e.pgdraft_op, {images}
FROM (SELECT DISTINCT ON ({key}) l.* FROM {log} l WHERE l.pgdraft_sid = {sid} AND l.pgdraft_op > {op} ORDER BY {key}, l.pgdraft_op) x
JOIN (SELECT {key}, max(l.pgdraft_op) AS pgdraft_op FROM {log} l WHERE l.pgdraft_sid = {sid} AND l.pgdraft_op <= {op} GROUP BY {key}) e ON {ex}
WHERE h.pgdraft_sid = {sid} AND {hx};
DELETE FROM {log} l WHERE l.pgdraft_sid = {sid} AND l.pgdraft_op > {op};
DELETE FROM pgdraft.truncations x WHERE x.sid = {sid} AND x.table_id = {id} AND x.op > {op}",
        head = draft.table(),
        log = draft.log(),
        sid = sid.0,
        lh = same_key(relation, "l", "h"),
        ex = same_key(relation, "e", "x"),
        hx = same_key(relation, "h", "x"),
        id = draft.id.0,
    )
}

/// Copies one table's draft of a session to another that has none. Two statements.
pub fn copy(draft: &Draft<'_>, from: SessionId, to: SessionId) -> String {
    let mut names = writable(draft.relation);
    if draft.relation.key().is_none() {
        names.push(catalog::ROW_COLUMN);
    }
    let list = columns("", names);
    format!(
        "INSERT INTO {head} ({list}, pgdraft_sid, pgdraft_op, pgdraft_live, pgdraft_new, pgdraft_moved)
SELECT {list}, {to}, pgdraft_op, pgdraft_live, pgdraft_new, pgdraft_moved FROM {head} WHERE pgdraft_sid = {from};
INSERT INTO {log} ({list}, pgdraft_sid, pgdraft_op, pgdraft_kind, pgdraft_at)
SELECT {list}, {to}, pgdraft_op, pgdraft_kind, pgdraft_at FROM {log} WHERE pgdraft_sid = {from}",
        head = draft.table(),
        log = draft.log(),
        from = from.0,
        to = to.0,
    )
}
