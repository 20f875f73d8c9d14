//! The merged read: base rows the session has not touched, plus its own live rows.
//!
//! Why exactly these shapes: a WHERE inside an arm keeps PostgreSQL from flattening the UNION ALL
//! (up to 14,000 times slower); the key copied as an expression keeps Merge Append; the form for
//! large drafts probes the head per row instead of hashing the whole session.

use catalog::{Head, Key, Relation, quote_identifier as q};

/// Rows in a draft above which probing beats hashing.
const LARGE_DRAFT: u64 = 10_000;

/// How a relation is to be merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Rows this session has in the head.
    pub(crate) rows: u64,
    /// The planner must not push the client's expressions below the merge.
    pub(crate) fenced: bool,
    /// The block only counts rows.
    pub(crate) bare_count: bool,
    /// The block scans the table whole (no WHERE, no LIMIT).
    pub(crate) whole: bool,
    /// Also output `pgdraft_new`.
    pub(crate) with_new: bool,
}

/// `a = b` by the key's own equality.
pub(crate) fn key_equality(key: &Key, left: &str, right: &str) -> String {
    key.columns
        .iter()
        .enumerate()
        .map(|(i, c)| format!("{left}.{c} {} {right}.{c}", equals(key, i), c = q(c)))
        .collect::<Vec<_>>()
        .join(" AND ")
}

fn equals(key: &Key, index: usize) -> String {
    match key.operators.get(index) {
        Some(operator) if !operator.is_empty() => format!("OPERATOR({operator})"),
        _ => "=".to_owned(),
    }
}

/// The derived table, in brackets, without an alias.
pub(crate) fn merged(relation: &Relation, head: &Head, sid: i64, wanted: Wanted) -> Option<String> {
    let key = relation.primary_key.as_ref()?;
    let last = key.columns.last()?;
    let list = |alias: &str| {
        relation
            .columns
            .iter()
            .map(|c| format!("{alias}.{}", q(&c.name)))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let base = relation.qualified();
    let table = head.table();
    let fence = if wanted.fenced { " OFFSET 0" } else { "" };
    let (new_out, new_base, new_head) = if wanted.with_new {
        (
            ", m.pgdraft_new",
            ", false AS pgdraft_new",
            ", h.pgdraft_new",
        )
    } else {
        ("", "", "")
    };
    if wanted.bare_count {
        let shadow = key_equality(key, "s", "b");
        return Some(format!(
            "(SELECT {b} FROM {base} b WHERE NOT EXISTS (SELECT 1 FROM {table} s WHERE s.pgdraft_sid = {sid} AND {shadow}) \
             UNION ALL SELECT {h} FROM {table} h WHERE h.pgdraft_sid = {sid} AND h.pgdraft_live)",
            b = list("b"),
            h = list("h"),
        ));
    }
    let probe = wanted.rows >= LARGE_DRAFT && !wanted.whole;
    let (mark_base, mark_head, hidden) = if probe {
        let shadow = key_equality(key, "s", "m");
        (
            "true AS pgdraft_base".to_owned(),
            "false",
            format!(
                "(NOT m.pgdraft_base OR NULLIF(EXISTS (SELECT 1 FROM {table} s WHERE s.pgdraft_sid = {sid} AND {shadow} OFFSET 0), true) IS NOT NULL)"
            ),
        )
    } else {
        let mut shadow: Vec<String> = key
            .columns
            .iter()
            .enumerate()
            .take(key.columns.len() - 1)
            .map(|(i, c)| format!("s.{c} {} m.{c}", equals(key, i), c = q(c)))
            .collect();
        shadow.push(format!(
            "s.{} {} m.pgdraft_key",
            q(last),
            equals(key, key.columns.len() - 1)
        ));
        (
            format!(
                "CASE WHEN b.{k} IS NOT NULL THEN b.{k} END AS pgdraft_key",
                k = q(last)
            ),
            "NULL",
            format!(
                "NOT EXISTS (SELECT 1 FROM {table} s WHERE s.pgdraft_sid = {sid} AND {})",
                shadow.join(" AND ")
            ),
        )
    };
    Some(format!(
        "(SELECT {m}{new_out} FROM (SELECT {b}, {sid}::bigint AS pgdraft_sid, true AS pgdraft_live, {mark_base}{new_base} FROM {base} b \
         UNION ALL SELECT {h}, h.pgdraft_sid, h.pgdraft_live, {mark_head}{new_head} FROM {table} h) m \
         WHERE m.pgdraft_sid = {sid} AND m.pgdraft_live AND {hidden}{fence})",
        m = list("m"),
        b = list("b"),
        h = list("h"),
    ))
}

/// A table the session has not changed, in the shape a write's source needs.
pub(crate) fn untouched(relation: &Relation) -> String {
    let columns = relation
        .columns
        .iter()
        .map(|c| format!("b.{}", q(&c.name)))
        .collect::<Vec<_>>()
        .join(", ");
    format!(
        "(SELECT {columns}, false AS pgdraft_new FROM {} b)",
        relation.qualified()
    )
}
