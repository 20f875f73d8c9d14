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

use crate::Draft;
use crate::text::{NOT_IDENTICAL, column, columns, join, key_columns, record, same_key, writable};

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

/// After the other session was committed: what is left begins with the rows as they are in
/// production now (its triggers, or others' columns, may have made them other than the draft had
/// them). A column that an image still had as it was then follows. Run in this order.
pub fn follow(draft: &Draft<'_>, from: SessionId, committed: SessionId) -> Vec<String> {
    if draft.relation.key().is_none() {
        // Nobody can change a row of the base.
        return Vec::new();
    }
    let (head, log) = (draft.table(), draft.log());
    let list: Vec<&Column> = draft.relation.writable().collect();
    let values = |alias: &str| {
        record(
            &list
                .iter()
                .map(|c| column(alias, &c.name))
                .collect::<Vec<_>>(),
        )
    };
    let plain = |alias: &str, c: &Column| match &c.base_type {
        Some(base) => format!("{}::{base}", column(alias, &c.name)),
        None => column(alias, &c.name),
    };
    let base = record(&list.iter().map(|c| plain("b", c)).collect::<Vec<_>>());
    let moved = format!(
        "({first}) f JOIN {head} c ON c.pgdraft_sid = {committed} AND {c_same} JOIN {base_table} b ON {b_same}",
        first = draft.first(from),
        committed = committed.0,
        c_same = same_key(draft.relation, "c", "f"),
        base_table = draft.relation.only(),
        b_same = same_key(draft.relation, "b", "f"),
    );
    let which = format!(
        "f.pgdraft_kind <> 'I' AND {base} {NOT_IDENTICAL} {}",
        values("f")
    );
    let set = |alias: &str, own: &dyn Fn(&Column) -> String| {
        list.iter()
            .map(|c| {
                format!(
                    "{} = CASE WHEN {} {NOT_IDENTICAL} {} THEN {} ELSE {} END",
                    quote_identifier(&c.name),
                    record(&[own(c)]),
                    record(&[column("f", &c.name)]),
                    column(alias, &c.name),
                    column("b", &c.name)
                )
            })
            .collect::<Vec<_>>()
            .join(", ")
    };
    vec![
        format!(
            "UPDATE {head} h SET {} FROM {moved} WHERE h.pgdraft_sid = {} AND {} AND {which}",
            set("h", &|c| plain("h", c)),
            from.0,
            same_key(draft.relation, "h", "f"),
        ),
        format!(
            "UPDATE {log} l SET {} FROM {moved} WHERE l.pgdraft_sid = {} AND {} AND l.pgdraft_kind <> 'I' AND {which}",
            set("l", &|c| column("l", &c.name)),
            from.0,
            same_key(draft.relation, "l", "f"),
        ),
    ]
}
