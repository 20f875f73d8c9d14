//! What production did to the rows of a draft since the draft first touched them.

use catalog::{ForeignKey, ReferentialAction, SessionId};

use crate::Draft;
use crate::diff::first;
use crate::text::{
    NOT_IDENTICAL, column, columns, equal, head_table, image, key_columns, record,
    reference_operators, same_base, same_key, shown_key, truncated,
};

/// Locks the base rows of a draft in key order until the transaction ends; one count comes back.
/// Rows that other tables follow by CASCADE, SET NULL or SET DEFAULT are locked so that nobody can
/// refer to them any more.
pub fn lock(draft: &Draft<'_>, sid: SessionId) -> String {
    let followed = draft
        .relation
        .referenced_by
        .iter()
        .any(|key| acts(key.on_delete) || acts(key.on_update));
    let strength = if followed { "UPDATE" } else { "NO KEY UPDATE" };
    format!(
        "SELECT count(*) FROM (SELECT FROM {} b JOIN {} h ON h.pgdraft_sid = {} AND NOT h.pgdraft_new AND {} ORDER BY {} FOR {strength} OF b) q",
        draft.relation.qualified(),
        draft.table(),
        sid.0,
        same_base(draft.relation, "b", "h"),
        columns("h", key_columns(draft.relation)),
    )
}

/// Conflicts of one table in key order, at most `rows_max`: rows whose image in the base is not the
/// draft's first one. Columns: `key` text, `what` text, `total` bigint.
pub fn rows(draft: &Draft<'_>, sid: SessionId, rows_max: usize) -> String {
    let key = key_columns(draft.relation);
    let mark = draft.relation.columns.first();
    let mark = shown_key(draft.relation)
        .first()
        .or(mark.map(|c| &c.name))
        .map_or_else(|| "NULL".to_owned(), |c| column("b", c));
    format!(
        "WITH f AS ({first})
SELECT {text} AS key, x.what, count(*) OVER () AS total
FROM {head} h
LEFT JOIN f ON {first_same}
LEFT JOIN {base} b ON {base_same}
CROSS JOIN LATERAL (SELECT CASE
    WHEN h.pgdraft_new AND NOT h.pgdraft_live THEN NULL
    WHEN h.pgdraft_new AND {mark} IS NOT NULL AND NOT {truncated} THEN 'a row with this key appeared'
    WHEN h.pgdraft_new THEN NULL
    WHEN {mark} IS NULL THEN 'the row was removed'
    WHEN f.pgdraft_kind IS NULL THEN 'the row before the draft is not known'
    WHEN {now} {NOT_IDENTICAL} {then} THEN 'the row was changed'
    END AS what) x
WHERE h.pgdraft_sid = {sid} AND x.what IS NOT NULL
ORDER BY {order} LIMIT {rows_max}",
        first = first(draft, sid),
        text = key_text("h", key),
        truncated = truncated(draft.id, &sid.0.to_string()),
        head = draft.table(),
        first_same = same_key(draft.relation, "f", "h"),
        base = draft.relation.qualified(),
        base_same = same_base(draft.relation, "b", "h"),
        now = image("b", draft.relation.writable(), true),
        then = image("f", draft.relation.writable(), false),
        sid = sid.0,
        order = columns("h", key),
    )
}

/// Rows of a truncated table that the truncation did not know: they appeared or changed since.
/// Columns as of [`rows`].
pub fn appeared(draft: &Draft<'_>, sid: SessionId, rows_max: usize) -> String {
    let all: Vec<String> = draft
        .relation
        .columns
        .iter()
        .map(|c| c.name.clone())
        .collect();
    let (key, order) = match shown_key(draft.relation) {
        // Rows without a key are told by all of their columns, in no order.
        [] => (all.as_slice(), "1".to_owned()),
        key => (key, columns("b", key)),
    };
    format!(
        "SELECT {} AS key, 'the row appeared or changed since the table was truncated'::text AS what, count(*) OVER () AS total
FROM (SELECT x.horizon, x.running FROM pgdraft.truncations x WHERE x.sid = {sid} AND x.table_id = {} ORDER BY x.op LIMIT 1) x
JOIN {} b ON pgdraft.appeared(b.xmin, x.horizon, x.running)
WHERE NOT EXISTS (SELECT FROM {} h WHERE h.pgdraft_sid = {sid} AND NOT h.pgdraft_new AND {})
ORDER BY {} LIMIT {rows_max}",
        key_text("b", key),
        draft.id.0,
        Draft::base(draft.relation),
        draft.table(),
        same_base(draft.relation, "h", "b"),
        order,
        sid = sid.0,
    )
}

/// Rows of production that a removal or key change of this draft would take along by CASCADE, SET
/// NULL or SET DEFAULT, and that the draft does not know: they appeared since. One query a foreign
/// key, with the child it is about; columns as of [`rows`].
pub fn followers<'a>(
    draft: &Draft<'a>,
    sid: SessionId,
    rows_max: usize,
) -> Vec<(&'a catalog::Relation, String)> {
    draft
        .relation
        .referenced_by
        .iter()
        .filter_map(|key| {
            let child = draft.relation(key.child)?;
            Some((child, followers_by(draft, sid, rows_max, key, child)?))
        })
        .collect()
}

fn followers_by(
    draft: &Draft<'_>,
    sid: SessionId,
    rows_max: usize,
    key: &ForeignKey,
    child: &catalog::Relation,
) -> Option<String> {
    let gone = match (acts(key.on_delete), acts(key.on_update)) {
        (false, false) => return None,
        (true, false) => "NOT h.pgdraft_live".to_owned(),
        (_, true) => {
            let row = |alias| record(&[columns(alias, &key.parent_columns)]);
            let parent: Vec<_> = key
                .parent_columns
                .iter()
                .filter_map(|name| draft.relation.column(name))
                .collect();
            let own = image("h", parent, true);
            format!("(NOT h.pgdraft_live OR {own} {NOT_IDENTICAL} {})", row("f"))
        }
    };
    let refers: Vec<String> = reference_operators(Some(draft.relation), key)
        .iter()
        .zip(key.parent_columns.iter().zip(&key.child_columns))
        .map(|(op, (p, c))| equal(op, &column("f", p), &column("c", c)))
        .collect();
    let known = draft
        .heads
        .get(&child.id)
        .map(|id| {
            format!(
                " AND NOT EXISTS (SELECT FROM {} z WHERE z.pgdraft_sid = {} AND {}) AND NOT {}",
                head_table(*id),
                sid.0,
                same_base(child, "z", "c"),
                truncated(*id, &sid.0.to_string())
            )
        })
        .unwrap_or_default();
    let shown = match shown_key(child) {
        [] => key.child_columns.as_slice(),
        primary => primary,
    };
    Some(format!(
        "WITH f AS ({})
SELECT {} AS key, 'the row appeared and refers to one that the draft removes or changes'::text AS what, count(*) OVER () AS total
FROM {} h JOIN f ON {} JOIN {} c ON {}
WHERE h.pgdraft_sid = {} AND NOT h.pgdraft_new AND {gone}{known}
ORDER BY {} LIMIT {rows_max}",
        first(draft, sid),
        key_text("c", shown),
        draft.table(),
        same_key(draft.relation, "f", "h"),
        Draft::base(child),
        refers.join(" AND "),
        sid.0,
        columns("c", shown),
    ))
}

/// `(a, b)=(1, x)`.
fn key_text(alias: &str, names: &[String]) -> String {
    let values: Vec<String> = names.iter().map(|c| column(alias, c)).collect();
    crate::text::key_detail(names, &values, "", "")
}

fn acts(action: ReferentialAction) -> bool {
    match action {
        ReferentialAction::NoAction | ReferentialAction::Restrict => false,
        ReferentialAction::Cascade | ReferentialAction::SetNull | ReferentialAction::SetDefault => {
            true
        }
    }
}
