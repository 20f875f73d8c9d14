//! Rows of a truncated table that the truncation did not know, settled by a person: the draft removes
//! them too, or they stay.
//!
//! The heads' triggers do not see these statements, because no operation is set.

use catalog::{ROW_COLUMN, quote_identifier};

use crate::Own;
use crate::rebase::Target;
use crate::text::{columns, join, key_columns, same_base, same_key, writable};

/// What `pgdraft.appeared` says of the row `b` and the mark `x`, in words that whoever writes heads may use.
const APPEARED: &str = "(SELECT CASE WHEN r.low < 3 THEN false WHEN r.low = ANY (x.running) THEN true WHEN r.low + r.epoch < r.next THEN r.low + r.epoch >= x.horizon ELSE r.low + r.epoch - 4294967296 >= x.horizon END
    FROM (SELECT b.xmin::text::bigint AS low, n.next, n.next / 4294967296 * 4294967296 AS epoch FROM (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next) n) r)";

/// `x`, the session's first truncation of the table, and `m`, the rows of the base that it did not know,
/// as parts of WITH.
fn unknown(own: &Own<'_>, target: &Target<'_>) -> String {
    let (draft, relation) = (own.draft, own.draft.relation);
    format!(
        "x AS MATERIALIZED (SELECT t.op, t.horizon, t.running FROM pgdraft.truncations t WHERE t.sid = {sid} AND t.table_id = {id} ORDER BY t.op LIMIT 1),
m AS MATERIALIZED (SELECT {list}, x.op AS pgdraft_op FROM x JOIN {base} b ON {APPEARED} WHERE NOT EXISTS (SELECT FROM {head} h WHERE h.pgdraft_sid = {sid} AND NOT h.pgdraft_new AND {same}){rows})",
        sid = own.sid.0,
        id = draft.id.0,
        list = columns("b", writable(relation)),
        base = relation.only(),
        head = draft.table(),
        same = same_base(relation, "h", "b"),
        rows = target.rows_of(relation, "b"),
    )
}

/// The draft removes them too. One row, without columns, for each. Of a table without a key all of them
/// go, or none.
pub fn remove(own: &Own<'_>, target: &Target<'_>) -> Option<String> {
    if own.draft.relation.key().is_some() {
        return Some(settled(own, target, false));
    }
    let whole = target.key.is_none();
    whole.then(|| {
        format!(
            "WITH {}, {}\nSELECT FROM m",
            unknown(own, target),
            known(own)
        )
    })
}

/// They stay as production has them, and the session sees them. One row, without columns, for each. Of a
/// table without a key they become rows of the draft, which a commit writes anew.
pub fn keep(own: &Own<'_>, target: &Target<'_>) -> Option<String> {
    let (draft, relation) = (own.draft, own.draft.relation);
    if relation.key().is_some() {
        return Some(settled(own, target, true));
    }
    target.key.is_none().then(|| {
        let names = writable(relation);
        format!(
            "WITH {unknown}, {known},
n AS MATERIALIZED (SELECT m.*, (SELECT coalesce(max(l.{ROW_COLUMN}), x.op << 32) FROM {log} l WHERE l.pgdraft_sid = {sid} AND l.pgdraft_op = x.op) + row_number() OVER () AS {ROW_COLUMN} FROM m CROSS JOIN x),
lg AS (INSERT INTO {log} (pgdraft_sid, pgdraft_op, pgdraft_kind, {ROW_COLUMN}) SELECT {sid}, n.pgdraft_op, 'I', n.{ROW_COLUMN} FROM n),
hw AS (INSERT INTO {head} ({list}, pgdraft_sid, pgdraft_op, {ROW_COLUMN}) SELECT {values}, {sid}, n.pgdraft_op, n.{ROW_COLUMN} FROM n)
SELECT FROM m",
            unknown = unknown(own, target),
            known = known(own),
            log = draft.log(),
            sid = own.sid.0,
            head = draft.table(),
            list = columns("", &names),
            values = columns("n", &names),
        )
    })
}

/// The truncation is of today, as a part of WITH behind [`unknown`].
fn known(own: &Own<'_>) -> String {
    format!(
        "u AS (UPDATE pgdraft.truncations t SET horizon = pg_snapshot_xmax(s.now)::text::bigint, running = ARRAY(
    SELECT i.number::text::bigint % 4294967296 FROM pg_snapshot_xip(s.now) i (number)
    UNION SELECT l.transactionid::text::bigint FROM pg_locks l
    WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid())
    FROM (SELECT pg_current_snapshot() AS now) s WHERE t.sid = {} AND t.table_id = {} AND EXISTS (SELECT FROM m))",
        own.sid.0, own.draft.id.0
    )
}

/// They are the truncation's, as rows that it removed or left.
fn settled(own: &Own<'_>, target: &Target<'_>, stay: bool) -> String {
    let (draft, relation) = (own.draft, own.draft.relation);
    let names = writable(relation);
    let images = join(", ", &names, |name| {
        format!("{0} = EXCLUDED.{0}", quote_identifier(name))
    });
    // a row that the session had made with the key is the draft's, or gives way
    let (kind, forgotten, again) = match stay {
        false => ("D", String::new(), "pgdraft_new = false".to_owned()),
        true => (
            "U",
            format!(
                "\nfo AS (DELETE FROM {} l USING m WHERE l.pgdraft_sid = {} AND l.pgdraft_op <> m.pgdraft_op AND {}),",
                draft.log(),
                own.sid.0,
                same_key(relation, "l", "m")
            ),
            format!(
                "pgdraft_new = false, pgdraft_live = true, pgdraft_moved = false, pgdraft_op = EXCLUDED.pgdraft_op, {images}"
            ),
        ),
    };
    format!(
        "WITH {unknown},{forgotten}
lg AS (INSERT INTO {log} (pgdraft_sid, pgdraft_op, pgdraft_kind, {list}) SELECT {sid}, m.pgdraft_op, '{kind}', {values} FROM m
    ON CONFLICT (pgdraft_sid, pgdraft_op, {key}) DO UPDATE SET pgdraft_kind = EXCLUDED.pgdraft_kind, {images}),
hw AS (INSERT INTO {head} ({list}, pgdraft_sid, pgdraft_op, pgdraft_live, pgdraft_new) SELECT {values}, {sid}, m.pgdraft_op, {stay}, false FROM m
    ON CONFLICT (pgdraft_sid, {key}) DO UPDATE SET {again})
SELECT FROM m",
        unknown = unknown(own, target),
        log = draft.log(),
        list = columns("", &names),
        values = columns("m", &names),
        sid = own.sid.0,
        key = columns("", key_columns(relation)),
        head = draft.table(),
    )
}
