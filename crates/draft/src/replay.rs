//! Applying a draft operation by operation, where its net changes cannot be applied at once: two
//! rows that swap a unique value, a key that is freed and used again across tables. Every state
//! between two operations was legal in the draft, so it is in production.

use catalog::{ROW_COLUMN, SessionId, quote_identifier};

use crate::Draft;
use crate::text::{column, columns, key_columns, same_base, same_key, writable};

/// Makes a work table with what each operation did to each row: `pgdraft_op`, `pgdraft_act`
/// (`I`, `U`, `D`), and the row's stored columns as they were after it. It lives in the schema
/// `pgdraft` for the length of the transaction, because a temporary table would need a right on
/// the database. The after-image of an operation is the before-image of the next one on the row,
/// or else the head.
pub fn prepare(draft: &Draft<'_>, sid: SessionId) -> String {
    let work = work_table(draft, sid);
    let key = columns("l", key_columns(draft.relation));
    let mut values = crate::text::join(", ", writable(draft.relation), |name| {
        format!(
            "CASE WHEN l.pgdraft_last THEN {} ELSE {} END AS {}",
            plain("h", draft, name),
            column("n", name),
            quote_identifier(name)
        )
    });
    if draft.relation.key().is_none() {
        values.push_str(&format!(", h.{ROW_COLUMN}"));
    }
    format!(
        "CREATE TABLE {work} AS
SELECT l.pgdraft_op, CASE
        WHEN x.before AND x.after THEN 'U' WHEN x.after THEN 'I' WHEN x.before THEN 'D' END AS pgdraft_act,
    {values}
FROM (SELECT l.*, lead(l.pgdraft_op) OVER w AS pgdraft_next, lead(l.pgdraft_op) OVER w IS NULL AS pgdraft_last
      FROM {log} l WHERE l.pgdraft_sid = {sid} WINDOW w AS (PARTITION BY {key} ORDER BY l.pgdraft_op)) l
JOIN {head} h ON h.pgdraft_sid = l.pgdraft_sid AND {head_same}
LEFT JOIN {log} n ON n.pgdraft_sid = l.pgdraft_sid AND n.pgdraft_op = l.pgdraft_next AND {next_same}
CROSS JOIN LATERAL (SELECT l.pgdraft_kind <> 'I' AS before,
    CASE WHEN l.pgdraft_last THEN h.pgdraft_live ELSE n.pgdraft_kind <> 'I' END AS after) x
WHERE x.before OR x.after;
CREATE INDEX ON {work} (pgdraft_op);
ANALYZE {work}",
        log = draft.log(),
        sid = sid.0,
        head = draft.table(),
        head_same = same_key(draft.relation, "h", "l"),
        next_same = same_key(draft.relation, "n", "l"),
    )
}

/// Removes the work table.
pub fn finish(draft: &Draft<'_>, sid: SessionId) -> String {
    format!("DROP TABLE {}", work_table(draft, sid))
}

/// Operations of the work table: bigint.
pub fn operations(draft: &Draft<'_>, sid: SessionId) -> String {
    format!(
        "SELECT DISTINCT pgdraft_op FROM {} ORDER BY 1",
        work_table(draft, sid)
    )
}

/// What one operation (`$1`) inserted.
pub fn insert(draft: &Draft<'_>, sid: SessionId) -> String {
    let names = writable(draft.relation);
    format!(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} w WHERE w.pgdraft_op = $1 AND w.pgdraft_act = 'I' ORDER BY {}",
        draft.relation.qualified(),
        columns("", &names),
        columns("w", &names),
        work_table(draft, sid),
        columns("w", key_columns(draft.relation))
    )
}

/// What one operation (`$1`) updated, in all columns but the key. `None` where the table has key
/// columns only.
pub fn update(draft: &Draft<'_>, sid: SessionId) -> Option<String> {
    let names: Vec<&str> = writable(draft.relation)
        .into_iter()
        .filter(|name| !key_columns(draft.relation).iter().any(|k| k == name))
        .filter(|name| {
            let column = draft.relation.column(name);
            column.is_some_and(|c| c.identity != catalog::Identity::Always)
        })
        .collect();
    if names.is_empty() {
        return None;
    }
    let assignments = crate::text::join(", ", &names, |name| {
        format!("{} = {}", quote_identifier(name), column("w", name))
    });
    Some(format!(
        "UPDATE {} b SET {assignments} FROM {} w WHERE w.pgdraft_op = $1 AND w.pgdraft_act = 'U' AND {}",
        draft.relation.only(),
        work_table(draft, sid),
        same_base(draft.relation, "b", "w")
    ))
}

/// What one operation (`$1`) deleted.
pub fn delete(draft: &Draft<'_>, sid: SessionId) -> String {
    format!(
        "DELETE FROM {} b USING {} w WHERE w.pgdraft_op = $1 AND w.pgdraft_act = 'D' AND {}",
        draft.relation.only(),
        work_table(draft, sid),
        same_base(draft.relation, "b", "w")
    )
}

/// The same statements as one, in that order. A row of how many rows each wrote: bigint columns.
pub fn together(statements: &[String]) -> String {
    let parts: Vec<String> = statements
        .iter()
        .enumerate()
        .map(|(i, text)| format!("s{i} AS ({text} RETURNING 1)"))
        .collect();
    let counts: Vec<String> = (0..parts.len())
        .map(|i| format!("(SELECT count(*) FROM s{i})"))
        .collect();
    format!("WITH {} SELECT {}", parts.join(", "), counts.join(", "))
}

/// How many of the rows that one operation (`$1`) deleted are still there: a bigint column.
pub fn not_deleted(draft: &Draft<'_>, sid: SessionId) -> String {
    format!(
        "SELECT count(*) FROM {} b JOIN {} w ON {} WHERE w.pgdraft_op = $1 AND w.pgdraft_act = 'D'",
        draft.relation.only(),
        work_table(draft, sid),
        same_base(draft.relation, "b", "w")
    )
}

/// How many rows one operation (`$1`) inserts, updates and deletes: three bigint columns.
pub fn counts(draft: &Draft<'_>, sid: SessionId) -> String {
    format!(
        "SELECT count(*) FILTER (WHERE pgdraft_act = 'I'), count(*) FILTER (WHERE pgdraft_act = 'U'), count(*) FILTER (WHERE pgdraft_act = 'D') FROM {} WHERE pgdraft_op = $1",
        work_table(draft, sid)
    )
}

fn work_table(draft: &Draft<'_>, sid: SessionId) -> String {
    format!("{}_replay_{}", draft.table(), sid.0)
}

/// A head's value as the log has it: a domain's as the type it is made of.
fn plain(alias: &str, draft: &Draft<'_>, name: &str) -> String {
    let value = column(alias, name);
    match draft
        .relation
        .column(name)
        .and_then(|c| c.base_type.as_ref())
    {
        Some(base) => format!("{value}::{base}"),
        None => value,
    }
}
