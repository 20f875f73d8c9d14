//! Taking some operations out of a draft.
//!
//! A choice is closed where nothing outside of it is needed (to commit it), or needs it (to discard
//! it). Operations that changed the same row need each other in their order, so of every row a
//! closed choice has the first operations, or the last ones: no row is ever cut but between two of
//! its images, and what is left is what the other operations alone would have made.
//!
//! The heads' triggers do not see these statements, because no operation is set. `$1` is the choice,
//! bigint[].

use catalog::{Column, SessionId, quote_identifier};

use crate::conflict::moved;
use crate::settle::checked;
use crate::text::{
    column, columns, differ, join, key_columns, plain, same_base, same_key, writable,
};
use crate::{Draft, Own};

/// Moves one table's share of the chosen operations to another session, which has no rows yet.
/// Run in this order.
pub fn take(draft: &Draft<'_>, from: SessionId, to: SessionId) -> [String; 5] {
    let (head, log) = (draft.table(), draft.log());
    let (from, to) = (from.0, to.0);
    let of_key = same_key(draft.relation, "l", "h");
    let rest = format!(
        "EXISTS (SELECT FROM {log} l WHERE l.pgdraft_sid = {from} AND l.pgdraft_op <> ALL ($1::bigint[]) AND {of_key})"
    );
    let chosen = format!(
        "EXISTS (SELECT FROM {log} l WHERE l.pgdraft_sid = {from} AND l.pgdraft_op = ANY ($1::bigint[]) AND {of_key})"
    );
    let whole = format!(
        "UPDATE {head} h SET pgdraft_sid = {to} WHERE h.pgdraft_sid = {from} AND {chosen} AND NOT {rest}"
    );
    let logged = format!(
        "UPDATE {log} l SET pgdraft_sid = {to} WHERE l.pgdraft_sid = {from} AND l.pgdraft_op = ANY ($1::bigint[])"
    );
    let began = format!(
        "UPDATE {head} h SET pgdraft_new = f.pgdraft_kind = 'I' FROM ({}) f WHERE h.pgdraft_sid = {from} AND {} AND h.pgdraft_new <> (f.pgdraft_kind = 'I') AND $1::bigint[] IS NOT NULL",
        draft.first(SessionId(from)),
        same_key(draft.relation, "f", "h")
    );
    let marks = format!(
        "UPDATE pgdraft.truncations x SET sid = {to} WHERE x.sid = {from} AND x.table_id = {} AND x.op = ANY ($1::bigint[])",
        draft.id.0
    );
    [cut(draft, from, to), whole, logged, began, marks]
}

/// Gives the other session the rows that both have: as they were after its last operation. The image
/// is the one before the next operation; of a row that was not there then, the last one it had.
fn cut(draft: &Draft<'_>, from: i64, to: i64) -> String {
    let log = draft.log();
    let key = columns("l", key_columns(draft.relation));
    let names = writable(draft.relation);
    let images = join(", ", &names, |name| {
        format!(
            "CASE WHEN n.pgdraft_kind <> 'I' THEN {} ELSE {} END",
            column("n", name),
            column("w", name)
        )
    });
    // Where the base has no key, its number in the draft is a row's identity.
    let number = key_columns(draft.relation)
        .iter()
        .map(String::as_str)
        .filter(|_| draft.relation.key().is_none());
    let images = number
        .clone()
        .fold(images, |all, name| format!("{all}, {}", column("c", name)));
    let logs = |which: &str, order: &str| {
        format!(
            "SELECT DISTINCT ON ({key}) l.* FROM {log} l WHERE l.pgdraft_sid = {from} AND {which} ORDER BY {key}, l.pgdraft_op{order}"
        )
    };
    format!(
        "INSERT INTO {head} ({list}, pgdraft_sid, pgdraft_op, pgdraft_live, pgdraft_new)
SELECT {images}, {to}, c.pgdraft_op, n.pgdraft_kind <> 'I', f.pgdraft_kind = 'I'
FROM ({last}) c
JOIN ({next}) n ON {next_same}
JOIN ({first}) f ON {first_same}
LEFT JOIN ({was}) w ON {was_same}
WHERE n.pgdraft_kind <> 'I' OR w.pgdraft_kind IS NOT NULL",
        head = draft.table(),
        list = columns("", names.iter().copied().chain(number.clone())),
        last = logs("l.pgdraft_op = ANY ($1::bigint[])", " DESC"),
        next = logs("l.pgdraft_op <> ALL ($1::bigint[])", ""),
        first = logs("l.pgdraft_op = ANY ($1::bigint[])", ""),
        was = logs(
            "l.pgdraft_op = ANY ($1::bigint[]) AND l.pgdraft_kind <> 'I'",
            " DESC"
        ),
        next_same = same_key(draft.relation, "n", "c"),
        first_same = same_key(draft.relation, "f", "c"),
        was_same = same_key(draft.relation, "w", "c"),
    )
}

/// Throws one table's share of the chosen operations away. Run in this order.
pub fn drop(draft: &Draft<'_>, sid: SessionId) -> [String; 4] {
    let (head, log, sid) = (draft.table(), draft.log(), sid.0);
    let key = columns("l", key_columns(draft.relation));
    let images: String = writable(draft.relation)
        .iter()
        .map(|name| {
            // A row that was not there before the first of them keeps an image that nobody sees.
            format!(
                ", {} = CASE WHEN n.pgdraft_kind <> 'I' THEN {} ELSE {} END",
                quote_identifier(name),
                column("n", name),
                column("h", name)
            )
        })
        .collect();
    let back = format!(
        "UPDATE {head} h SET pgdraft_op = c.pgdraft_op, pgdraft_live = n.pgdraft_kind <> 'I', pgdraft_moved = false{images}
FROM (SELECT DISTINCT ON ({key}) l.* FROM {log} l WHERE l.pgdraft_sid = {sid} AND l.pgdraft_op <> ALL ($1::bigint[]) ORDER BY {key}, l.pgdraft_op DESC) c
JOIN (SELECT DISTINCT ON ({key}) l.* FROM {log} l WHERE l.pgdraft_sid = {sid} AND l.pgdraft_op = ANY ($1::bigint[]) ORDER BY {key}, l.pgdraft_op) n ON {}
WHERE h.pgdraft_sid = {sid} AND {}",
        same_key(draft.relation, "n", "c"),
        same_key(draft.relation, "h", "c"),
    );
    let of_key = same_key(draft.relation, "l", "h");
    let gone = format!(
        "DELETE FROM {head} h WHERE h.pgdraft_sid = {sid}
    AND EXISTS (SELECT FROM {log} l WHERE l.pgdraft_sid = {sid} AND l.pgdraft_op = ANY ($1::bigint[]) AND {of_key})
    AND NOT EXISTS (SELECT FROM {log} l WHERE l.pgdraft_sid = {sid} AND l.pgdraft_op <> ALL ($1::bigint[]) AND {of_key})"
    );
    let logged = format!(
        "DELETE FROM {log} l WHERE l.pgdraft_sid = {sid} AND l.pgdraft_op = ANY ($1::bigint[])"
    );
    let marks = format!(
        "DELETE FROM pgdraft.truncations x WHERE x.sid = {sid} AND x.table_id = {} AND x.op = ANY ($1::bigint[])",
        draft.id.0
    );
    [back, gone, logged, marks]
}

/// After the other session was committed: what is left of `own` begins with the rows as they are in
/// production now (its triggers, or others' columns, may have made them other than the draft had
/// them). A column that an image still had as it was then follows, and one that merges as a difference
/// keeps its difference. A row that a CHECK would then forbid stays as it is, which is a conflict.
pub fn follow(own: &Own<'_>, committed: SessionId) -> Option<String> {
    // Nobody can change a row of a base without a key.
    own.draft.relation.key()?;
    let (draft, relation, sid) = (own.draft, own.draft.relation, own.sid.0);
    let set = |alias: &str, mine: &dyn Fn(&Column) -> String| {
        let assign = |c: &Column| {
            let (value, then) = (column(alias, &c.name), column("f", &c.name));
            let (name, now) = (quote_identifier(&c.name), column("b", &c.name));
            let kept = match own.is_delta(&c.name) {
                true => format!("coalesce({now} + ({value} - {then}), {value})"),
                false => value,
            };
            let changed = differ(c, &mine(c), &then);
            format!("{name} = CASE WHEN {changed} THEN {kept} ELSE {now} END")
        };
        let parts: Vec<String> = relation.writable().map(assign).collect();
        parts.join(", ")
    };
    Some(format!(
        "WITH f AS MATERIALIZED ({first}),
m AS MATERIALIZED (SELECT {keys} FROM f JOIN {head} c ON c.pgdraft_sid = {committed} AND {fc} JOIN {head} h ON h.pgdraft_sid = {sid} AND {fh} JOIN {base} b ON {bh} WHERE f.pgdraft_kind <> 'I' AND {moved}{checked}),
hw AS (UPDATE {head} h SET {head_values} FROM m JOIN f ON {fm} JOIN {base} b ON {bm} WHERE h.pgdraft_sid = {sid} AND {hm}),
lg AS (UPDATE {log} l SET {log_values} FROM m JOIN f ON {fm} JOIN {base} b ON {bm} WHERE l.pgdraft_sid = {sid} AND l.pgdraft_kind <> 'I' AND {lm})
SELECT FROM m",
        first = draft.first(own.sid),
        keys = columns("f", key_columns(relation)),
        head = draft.table(),
        committed = committed.0,
        fc = same_key(relation, "f", "c"),
        fh = same_key(relation, "f", "h"),
        base = relation.only(),
        bh = same_base(relation, "b", "h"),
        moved = moved(own),
        checked = checked(own),
        head_values = set("h", &|c| plain("h", c)),
        fm = same_key(relation, "f", "m"),
        bm = same_base(relation, "b", "m"),
        hm = same_key(relation, "h", "m"),
        log = draft.log(),
        log_values = set("l", &|c| column("l", &c.name)),
        lm = same_key(relation, "l", "m"),
    ))
}
