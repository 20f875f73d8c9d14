//! The draft that undoes a commit: for each row that it changed, back from the image after to the
//! image before. It is a draft as any other: what production did since stands in its way as a
//! conflict, and it is reviewed before it is committed.
//!
//! The heads' triggers do not see these statements, because no operation is set.

use catalog::{Relation, SessionId, quote_identifier};

use crate::Draft;
use crate::apply::ours;
use crate::rekey::staying;
use crate::text::{
    column, columns, differ, equal, join, key_columns, plain, reference_operators, same_key,
    writable,
};

/// What is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undo {
    /// The whole session.
    Session,
    /// One of its operations.
    Operation(i64),
}

/// Rows that the draft `to` and the session `from` both have, where `to` does not go on from what
/// `from` left: somebody else wrote in between. One bigint column.
pub fn gaps(draft: &Draft<'_>, from: SessionId, what: Undo, to: SessionId) -> String {
    let relation = draft.relation;
    let apart: Vec<String> = relation
        .writable()
        .map(|c| {
            differ(
                c,
                &plain("t", c),
                &format!("u.{}", after(relation, &c.name)),
            )
        })
        .collect();
    format!(
        "WITH u AS ({}) SELECT count(*) FROM u JOIN {} t ON t.pgdraft_sid = {} AND {} WHERE t.pgdraft_live <> u.pgdraft_after OR (t.pgdraft_live AND ({}))",
        changes(draft, from, what),
        draft.table(),
        to.0,
        same_key(relation, "t", "u"),
        apart.join(" OR ")
    )
}

/// Rows that the commit left, made or changed: one bigint column. Where no key tells them apart
/// nobody can go back from them.
pub fn left(draft: &Draft<'_>, from: SessionId, what: Undo) -> String {
    format!(
        "SELECT count(*) FROM ({}) u WHERE u.pgdraft_after",
        changes(draft, from, what)
    )
}

/// Writes the way back from `from` into the draft `to`, as its operation `op`: one statement
/// that counts the rows.
pub fn write(draft: &Draft<'_>, from: SessionId, what: Undo, to: SessionId, op: i64) -> String {
    let relation = draft.relation;
    let mut names = writable(relation);
    if relation.key().is_none() {
        names.push(catalog::ROW_COLUMN);
    }
    let list = columns("", &names);
    let key = key_columns(relation);
    // Several commits may be undone at once, each with rows of the same numbers.
    let number = || {
        format!(
            "{} - ({op}::bigint << 32)",
            column("u", catalog::ROW_COLUMN)
        )
    };
    let log_values = join(", ", &names, |name| match name {
        catalog::ROW_COLUMN => number(),
        _ => format!("u.{}", after(relation, name)),
    });
    // A row that does not come back keeps its last image as a tombstone. Keys that are equal need not be
    // the same: theirs go back too.
    let head_values = join(", ", &names, |name| match name {
        catalog::ROW_COLUMN => number(),
        _ => format!(
            "CASE WHEN u.pgdraft_before THEN u.{} ELSE u.{} END",
            before(relation, name),
            after(relation, name)
        ),
    });
    let assignments = join(", ", &names, |name| {
        format!("{0} = EXCLUDED.{0}", quote_identifier(name))
    });
    format!(
        "WITH u AS MATERIALIZED ({changes}),
lg AS (INSERT INTO {log} (pgdraft_sid, pgdraft_op, pgdraft_kind, {list})
    SELECT {to}, {op}, CASE WHEN NOT u.pgdraft_after THEN 'I' WHEN u.pgdraft_before THEN 'U' ELSE 'D' END, {log_values} FROM u)
INSERT INTO {head} (pgdraft_sid, pgdraft_op, pgdraft_live, pgdraft_new, pgdraft_moved, {list})
SELECT {to}, {op}, u.pgdraft_before, NOT u.pgdraft_after, {moved}, {head_values} FROM u
ON CONFLICT (pgdraft_sid, {keys}) DO UPDATE SET pgdraft_op = EXCLUDED.pgdraft_op, pgdraft_live = EXCLUDED.pgdraft_live, pgdraft_moved = EXCLUDED.pgdraft_moved, {assignments}",
        moved = moved(draft, from),
        changes = changes(draft, from, what),
        log = draft.log(),
        to = to.0,
        head = draft.table(),
        keys = columns("", key),
    )
}

/// The row `u`, which goes, is what a row that comes back had become under another key: it goes back to
/// that key, with the rows that refer to it.
fn moved(draft: &Draft<'_>, from: SessionId) -> String {
    let relation = draft.relation;
    let Some(key) = staying(relation) else {
        return "false".to_owned();
    };
    let operators = reference_operators(Some(relation), key);
    let same = operators.iter().zip(&key.parent_columns).map(|(op, name)| {
        let was = format!("o.{}", before(relation, name));
        equal(op, &was, &format!("u.{}", after(relation, name)))
    });
    format!(
        "u.pgdraft_after AND NOT u.pgdraft_before AND EXISTS (SELECT FROM u o JOIN {} z ON z.pgdraft_sid = {} AND {} WHERE z.pgdraft_moved AND NOT z.pgdraft_live AND o.pgdraft_before AND NOT o.pgdraft_after AND {})",
        draft.table(),
        from.0,
        same_key(relation, "z", "o"),
        same.collect::<Vec<_>>().join(" AND ")
    )
}

/// Each row that changed: its key, whether it was there before and after, and both images.
fn changes(draft: &Draft<'_>, from: SessionId, what: Undo) -> String {
    let relation = draft.relation;
    let key = key_columns(relation);
    let (source, end) = match what {
        Undo::Session => (
            format!(
                "FROM {head} h JOIN ({first}) f ON {same} CROSS JOIN LATERAL (SELECT f.pgdraft_kind <> 'I' AS before, h.pgdraft_live AS after) x WHERE h.pgdraft_sid = {}",
                from.0,
                head = draft.table(),
                first = draft.first(from),
                same = same_key(relation, "f", "h"),
            ),
            "h",
        ),
        Undo::Operation(op) => (
            format!(
                "FROM {log} f JOIN {head} h ON h.pgdraft_sid = {sid} AND {same}
LEFT JOIN LATERAL (SELECT n.* FROM {log} n WHERE n.pgdraft_sid = {sid} AND n.pgdraft_op > {op} AND {next} ORDER BY n.pgdraft_op LIMIT 1) n ON true
CROSS JOIN LATERAL (SELECT f.pgdraft_kind <> 'I' AS before, CASE WHEN n.pgdraft_op IS NULL THEN h.pgdraft_live ELSE n.pgdraft_kind <> 'I' END AS after) x
WHERE f.pgdraft_sid = {sid} AND f.pgdraft_op = {op}",
                log = draft.log(),
                head = draft.table(),
                sid = from.0,
                same = same_key(relation, "f", "h"),
                next = same_key(relation, "n", "f"),
            ),
            "n",
        ),
    };
    let image = |c: &catalog::Column| match end {
        "h" => plain("h", c),
        _ => format!(
            "CASE WHEN n.pgdraft_op IS NULL THEN {} ELSE {} END",
            plain("h", c),
            column("n", &c.name)
        ),
    };
    let values: String = relation
        .writable()
        .map(|c| {
            format!(
                ", {} AS {}, {} AS {}",
                column("f", &c.name),
                before(relation, &c.name),
                image(c),
                after(relation, &c.name)
            )
        })
        .collect();
    let changed: Vec<String> = relation
        .writable()
        .map(|c| match end {
            "h" => ours(c),
            _ => differ(c, &image(c), &column("f", &c.name)),
        })
        .collect();
    format!(
        "SELECT {}, x.before AS pgdraft_before, x.after AS pgdraft_after{values} {source} AND (x.before <> x.after OR (x.before AND ({})))",
        columns("h", key),
        changed.join(" OR ")
    )
}

/// Names of a column's two images: by its place, because PostgreSQL cuts names at 63 bytes.
fn images(relation: &Relation, name: &str) -> [String; 2] {
    let place = relation
        .writable()
        .position(|c| c.name == name)
        .unwrap_or(0);
    [format!("pgdraft_b{place}"), format!("pgdraft_a{place}")]
}

fn before(relation: &Relation, name: &str) -> String {
    let [before, _] = images(relation, name);
    before
}

fn after(relation: &Relation, name: &str) -> String {
    let [_, after] = images(relation, name);
    after
}
