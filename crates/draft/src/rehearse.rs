//! What production itself added to a commit, seen from inside its transaction.

use catalog::{Relation, SessionId};

use crate::apply::{Hold, Which, count_made, count_modified, count_removed, updated};
use crate::text::{column, columns, differ, key_columns, object, same_base, shown_key};
use crate::{Draft, Own};

/// Tables of production that the transaction has written to: oid, rows deleted (bigint).
pub const CHANGED_TABLES: &str = "SELECT relid, n_tup_del FROM pg_catalog.pg_stat_xact_user_tables WHERE schemaname <> 'pgdraft' AND n_tup_ins + n_tup_upd + n_tup_del > 0 ORDER BY schemaname, relname";

/// Rows that the transaction made or changed and that are not as the draft has them: `primary_key`,
/// `drafted`, `result` (JSON objects as text). In a transaction with one snapshot no row is newer
/// than the transaction but its own.
pub fn effects(
    relation: &Relation,
    draft: Option<&Draft<'_>>,
    sid: SessionId,
    rows_max: usize,
) -> String {
    let key = match shown_key(relation) {
        [] => "NULL::text".to_owned(),
        key => format!("{}::text", object("b", key)),
    };
    let row = |alias| object(alias, relation.columns.iter().map(|c| &c.name));
    if let (None, Some(draft)) = (relation.key(), draft) {
        return effects_without_key(draft, sid, &row("b"), rows_max);
    }
    let (drafted, join, unlike) = match draft {
        Some(draft) => {
            let any: Vec<String> = relation
                .columns
                .iter()
                .map(|c| differ(c, &column("h", &c.name), &column("b", &c.name)))
                .collect();
            (
                format!("CASE WHEN h.pgdraft_live THEN {} END::text", row("h")),
                format!(
                    " LEFT JOIN {} h ON h.pgdraft_sid = {} AND {}",
                    draft.table(),
                    sid.0,
                    same_base(relation, "h", "b")
                ),
                format!(" AND (h.pgdraft_sid IS NULL OR {})", any.join(" OR ")),
            )
        }
        None => ("NULL::text".to_owned(), String::new(), String::new()),
    };
    format!(
        "SELECT {key}, {drafted}, {}::text FROM {} b{join} WHERE pg_catalog.age(b.xmin) <= 0{unlike} LIMIT {rows_max}",
        row("b"),
        relation.only()
    )
}

/// The same of a table without a key: as many of equal rows are the draft's as it has.
fn effects_without_key(draft: &Draft<'_>, sid: SessionId, row: &str, rows_max: usize) -> String {
    let names: Vec<&String> = draft.relation.columns.iter().map(|c| &c.name).collect();
    let text = |alias: &str| {
        let values: Vec<String> = names.iter().map(|name| column(alias, name)).collect();
        format!("ROW({})::text", values.join(", "))
    };
    format!(
        "SELECT NULL::text, NULL::text, {row}::text FROM (SELECT b.*, row_number() OVER (PARTITION BY {base}) AS pgdraft_number FROM {table} b WHERE pg_catalog.age(b.xmin) <= 0) b
WHERE b.pgdraft_number > (SELECT count(*) FROM {head} h WHERE h.pgdraft_sid = {sid} AND h.pgdraft_live AND {drafted} = {base}) LIMIT {rows_max}",
        base = text("b"),
        drafted = text("h"),
        table = draft.relation.only(),
        head = draft.table(),
        sid = sid.0,
    )
}

/// The rows of a session's draft of one table, in the order of their keys: place in the head, and key as
/// JSON.
pub fn places(draft: &Draft<'_>, sid: SessionId, rows_max: usize) -> String {
    let names = key_columns(draft.relation);
    let key = match shown_key(draft.relation) {
        [] => "NULL::text".to_owned(),
        key => format!("{}::text", object("h", key)),
    };
    format!(
        "SELECT h.ctid::text, {key} FROM {} h WHERE h.pgdraft_sid = {} ORDER BY {} LIMIT {rows_max}",
        draft.table(),
        sid.0,
        columns("h", names)
    )
}

/// How many rows an insert writes where nobody keeps one away: one bigint column.
pub fn inserts(own: &Own<'_>) -> String {
    count_made(own, "")
}

/// How many rows an update of these columns writes.
pub fn updates(own: &Own<'_>, set: &[String]) -> String {
    count_modified(own) + &updated(own, set, Which::Union, Hold::Seen(""))
}

/// How many rows a delete removes.
pub fn deletes(own: &Own<'_>) -> String {
    count_removed(own, Hold::Seen(""))
}
