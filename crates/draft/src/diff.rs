//! What a session changed: one row a changed row, before and after, net of all its operations.

use catalog::{Column, SessionId, quote_identifier, quote_literal};

use crate::Draft;
use crate::text::{
    NOT_IDENTICAL, aliased, column, columns, image, join, key_columns, record, same_key, truncated,
};

/// The diff of one table in key order. Columns: `operation` text (the last one that changed the
/// row), `diff_type` text (`added`, `modified`, `removed`), `primary_key`, `from_row`, `to_row`
/// (JSON objects as text; the last two may be NULL), `changed_columns` text[].
///
/// A truncated table's rows are read from the base and appear as removed; a key that the draft gave
/// a new row appears twice then. Rows that ended as they were, or were added and removed again, do not appear. A row of the head
/// without a log row (which no statement of ours leaves) appears, so that nothing that a commit
/// would apply is hidden.
pub fn rows(draft: &Draft<'_>, sid: SessionId) -> String {
    let stored: Vec<&Column> = draft.relation.writable().collect();
    let names = stored.iter().map(|c| quote_literal(&c.name));
    let all = names.collect::<Vec<_>>().join(", ");
    let changed = join(", ", stored.iter().map(|c| &c.name), |name| {
        let of = draft.relation.column(name);
        format!("CASE WHEN {} THEN {} END", differs(of), quote_literal(name))
    });
    let key = key_columns(draft.relation);
    let sort_key = |alias| aliased(alias, key, "pgdraft_k");
    format!(
        "WITH f AS ({first})
SELECT coalesce(p.name, h.pgdraft_op::text) AS operation,
    CASE WHEN x.added THEN 'added' WHEN h.pgdraft_live THEN 'modified' ELSE 'removed' END AS diff_type,
    {primary}::text AS primary_key,
    CASE WHEN NOT x.added THEN {before} END::text AS from_row,
    CASE WHEN h.pgdraft_live THEN {after} END::text AS to_row,
    CASE WHEN h.pgdraft_live AND NOT x.added THEN array_remove(ARRAY[{changed}]::text[], NULL) ELSE ARRAY[{all}]::text[] END AS changed_columns,
    {head_key}
FROM {head} h
LEFT JOIN f ON {same}
LEFT JOIN pgdraft.operations p ON p.sid = h.pgdraft_sid AND p.op = h.pgdraft_op
CROSS JOIN LATERAL (SELECT coalesce(f.pgdraft_kind = 'I', h.pgdraft_new) AS added) x
WHERE h.pgdraft_sid = {sid}
    AND CASE WHEN x.added THEN h.pgdraft_live ELSE NOT h.pgdraft_live OR f.pgdraft_kind IS NULL OR {any} END
UNION ALL
SELECT coalesce(p.name, x.op::text), 'removed', {base_primary}::text, {base_row}::text, NULL, ARRAY[{all}]::text[], {base_key}
FROM {base} b
CROSS JOIN (SELECT min(x.op) AS op FROM pgdraft.truncations x WHERE x.sid = {sid} AND x.table_id = {id}) x
LEFT JOIN pgdraft.operations p ON p.sid = {sid} AND p.op = x.op
WHERE {truncated} AND NOT EXISTS (SELECT FROM {head} h WHERE h.pgdraft_sid = {sid} AND NOT h.pgdraft_new AND {base_same})
ORDER BY {order}",
        first = first(draft, sid),
        primary = json("h", key),
        before = json("f", stored.iter().map(|c| &c.name)),
        after = json("h", stored.iter().map(|c| &c.name)),
        head = draft.table(),
        same = same_key(draft.relation, "f", "h"),
        sid = sid.0,
        any = changed_at_all(draft),
        order = (1..=key.len())
            .map(|i| format!("pgdraft_k{i}"))
            .collect::<Vec<_>>()
            .join(", "),
        head_key = sort_key("h"),
        base_key = sort_key("b"),
        base = draft.relation.qualified(),
        base_primary = json("b", key),
        base_row = json("b", stored.iter().map(|c| &c.name)),
        base_same = same_key(draft.relation, "h", "b"),
        id = draft.id.0,
        truncated = truncated(draft.id, &sid.0.to_string()),
    )
}

/// The first log row of each row of a session: the base's image when the draft began with it, or
/// kind `I` for a row that the draft made.
pub(crate) fn first(draft: &Draft<'_>, sid: SessionId) -> String {
    let key = columns("l", key_columns(draft.relation));
    format!(
        "SELECT DISTINCT ON ({key}) l.* FROM {} l WHERE l.pgdraft_sid = {} ORDER BY {key}, l.pgdraft_op",
        draft.log(),
        sid.0
    )
}

/// The head's image `h` is not the first image `f`.
pub(crate) fn changed_at_all(draft: &Draft<'_>) -> String {
    format!(
        "{} {NOT_IDENTICAL} {}",
        image("h", draft.relation.writable(), true),
        image("f", draft.relation.writable(), false)
    )
}

/// The same for one column.
pub(crate) fn differs(column: Option<&Column>) -> String {
    let own = image("h", column, true);
    let first: Vec<String> = column
        .iter()
        .map(|c| crate::text::column("f", &c.name))
        .collect();
    format!("{own} {NOT_IDENTICAL} {}", record(&first))
}

/// A JSON object of columns; a subselect, because functions take 100 arguments at most.
fn json<S: AsRef<str>>(alias: &str, names: impl IntoIterator<Item = S>) -> String {
    let list = join(", ", names, |name| {
        format!("{} AS {}", column(alias, name), quote_identifier(name))
    });
    format!("(SELECT to_jsonb(pgdraft_row) FROM (SELECT {list}) pgdraft_row)")
}
