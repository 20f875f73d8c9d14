//! Which operations of a session need which: found in the images that heads and logs hold, when
//! somebody asks. A write costs nothing for it.
//!
//! Every text gives rows of `op` bigint, `needs` bigint (an operation, which another one needs), and
//! `reason` text.

use catalog::{ForeignKey, Key, SessionId};

use crate::Draft;
use crate::diff::Images;
use crate::text::{
    NOT_IDENTICAL, collated, column, columns, differ, equal, key_columns, key_detail, operator,
    record, reference_operators, shown_key,
};

/// Why an operation needs another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// They changed the same row, one after the other.
    SameRow,
    /// A row and the row that it refers to.
    ForeignKey,
    /// A unique value that had to be free.
    UniqueKey,
    /// Rows of a table that it read.
    Read,
    /// Rows that it looked for, to change them. Where it changed them too, that is the reason.
    Sought,
    /// The whole table was removed.
    Truncate,
    /// A conflict of a value that it wrote was settled with another one.
    Settled,
}

impl Why {
    /// As it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SameRow => "same row",
            Self::ForeignKey => "foreign key",
            Self::UniqueKey => "unique key",
            Self::Read | Self::Sought => "read",
            Self::Truncate => "truncate",
            Self::Settled => "conflict",
        }
    }
}

/// The questions about one table of a session; `drafts` are all its tables, `settling` its operations that
/// settled conflicts.
pub fn texts(
    draft: &Draft<'_>,
    drafts: &[Draft<'_>],
    (sid, settling): (SessionId, &[i64]),
) -> Vec<(Why, String)> {
    let mut all = vec![
        (Why::SameRow, same_row(draft, sid)),
        (Why::Read, read(draft, sid)),
        (Why::Sought, sought(draft, sid)),
        (Why::Truncate, truncate(draft, sid)),
    ];
    if !settling.is_empty() {
        all.push((Why::Settled, settled(draft, sid, settling)));
    }
    for key in draft.relation.references() {
        let parent = drafts.iter().find(|d| d.relation.id == key.parent);
        if let Some(parent) = parent {
            all.push((Why::ForeignKey, foreign_key(draft, parent, key, sid)));
        }
    }
    let relation = draft.relation;
    let own = relation.key().map(|key| &key.name);
    let keys = relation.primary_key.iter().chain(&relation.unique);
    let (plain, special): (Vec<&Key>, Vec<&Key>) = keys
        .filter(|key| Some(&key.name) != own)
        .partition(|key| !key.special && !key.columns.is_empty());
    for key in plain {
        all.push((Why::UniqueKey, unique_key(draft, key, sid)));
    }
    if !special.is_empty() || !relation.exclusions.is_empty() {
        all.push((Why::UniqueKey, any_row(draft, sid)));
    }
    all
}

/// One row for each pair, with one of the rows that are the reason.
fn pairs(reason: &str, from: &str) -> String {
    format!(
        "SELECT q.op, q.needs, {reason} AS reason FROM ({from}) q WHERE q.needs IS NOT NULL AND q.op <> q.needs GROUP BY q.op, q.needs"
    )
}

fn key_text(draft: &Draft<'_>, alias: &str) -> String {
    let names = key_columns(draft.relation);
    let values: Vec<String> = names.iter().map(|c| column(alias, c)).collect();
    match shown_key(draft.relation) {
        // The number of the row in the draft: the base has nothing to call it by.
        [] => key_detail(&["row".to_owned()], &values, "", ""),
        shown => key_detail(shown, &values, "", ""),
    }
}

/// The operation before on the same row.
fn same_row(draft: &Draft<'_>, sid: SessionId) -> String {
    let key = columns("l", key_columns(draft.relation));
    pairs(
        "'both change row ' || min(q.row) || CASE WHEN count(*) > 1 THEN ' and ' || count(*) - 1 || ' more' ELSE '' END",
        &format!(
            "SELECT l.pgdraft_op AS op, lag(l.pgdraft_op) OVER (PARTITION BY {key} ORDER BY l.pgdraft_op) AS needs, {} AS row FROM {} l WHERE l.pgdraft_sid = {}",
            key_text(draft, "l"),
            draft.log(),
            sid.0
        ),
    )
}

/// The operations that wrote a value in whose place somebody settled another one: without that one they
/// would write it over production's, which they never saw.
fn settled(draft: &Draft<'_>, sid: SessionId, settling: &[i64]) -> String {
    let all: Vec<_> = draft.relation.writable().collect();
    let names: Vec<String> = all.iter().map(|c| c.name.clone()).collect();
    let same: Vec<String> = all
        .iter()
        .zip(1..)
        .map(|(c, i)| {
            let changed =
                |alias: &str| differ(c, &format!("{alias}.f{i}"), &format!("{alias}.t{i}"));
            format!("({} AND {})", changed("o"), changed("s"))
        })
        .collect();
    let settling: Vec<String> = settling.iter().map(i64::to_string).collect();
    let from = format!(
        "SELECT o.op, s.op AS needs, s.row FROM c s JOIN c o ON o.row = s.row AND o.op < s.op WHERE s.op IN ({}) AND ({})",
        settling.join(", "),
        same.join(" OR ")
    );
    format!(
        "WITH c AS MATERIALIZED ({}) {}",
        changes(draft, sid, &names),
        pairs(
            "'a conflict of row ' || min(q.row) || ' was settled'",
            &from
        )
    )
}

/// What the operations did to chosen columns: `op`, `row` (the key as text), `f1`… before and `t1`…
/// after (NULL where the row is not there), where they changed.
fn changes(draft: &Draft<'_>, sid: SessionId, names: &[String]) -> String {
    let images = Images::steps(draft, &sid.0.to_string());
    let of: Vec<_> = names
        .iter()
        .filter_map(|name| draft.relation.column(name))
        .collect();
    let before: Vec<String> = of.iter().map(|c| images.before(c)).collect();
    let after: Vec<String> = of.iter().map(|c| images.after(c)).collect();
    let shown = |exists: &str, values: &[String], name: &str| {
        let list: Vec<String> = values
            .iter()
            .enumerate()
            .map(|(i, v)| format!("CASE WHEN {exists} THEN {v} END AS {name}{}", i + 1))
            .collect();
        list.join(", ")
    };
    format!(
        "SELECT x.op, {} AS row, {}, {} FROM {} WHERE CASE WHEN x.before AND x.after THEN {} {NOT_IDENTICAL} {} ELSE x.before OR x.after END",
        key_text(draft, images.key),
        shown("x.before", &before, "f"),
        shown("x.after", &after, "t"),
        images.from,
        record(&after),
        record(&before),
    )
}

/// `c.t1 = p.t1 AND …` with the operators of a key.
fn matches(operators: &[&str], left: &str, right: &str) -> String {
    let all: Vec<String> = operators
        .iter()
        .enumerate()
        .map(|(i, op)| {
            equal(
                op,
                &format!("{left}{}", i + 1),
                &format!("{right}{}", i + 1),
            )
        })
        .collect();
    all.join(" AND ")
}

/// A child needs its parent, which came or came back in the draft; what removes a parent needs
/// its children to have gone before. Of constraints that are checked at the end of a transaction the
/// parent may also come later in the same one.
fn foreign_key(child: &Draft<'_>, parent: &Draft<'_>, key: &ForeignKey, sid: SessionId) -> String {
    let operators = reference_operators(Some(parent.relation), key);
    let columns = key.parent_columns.iter().zip(&key.child_columns);
    let collated: Vec<String> = columns
        .map(|(p, c)| collated((parent.relation, p), (child.relation, c)))
        .collect();
    let refers = |which: &str| {
        let each = operators.iter().zip(&collated).enumerate();
        let each = each.map(|(i, (op, collated))| {
            let i = i + 1;
            equal(
                op,
                &format!("p.{which}{i}"),
                &format!("c.{which}{i}{collated}"),
            )
        });
        each.collect::<Vec<_>>().join(" AND ")
    };
    let later = if key.deferrable {
        format!(
            " OR EXISTS (SELECT FROM pgdraft.operations a JOIN pgdraft.operations b ON b.sid = a.sid AND b.xid = a.xid WHERE a.sid = {} AND a.op = c.op AND b.op = p.op)",
            sid.0
        )
    } else {
        String::new()
    };
    let name = catalog::quote_literal(&catalog::shown_table(
        &parent.relation.schema,
        &parent.relation.name,
    ));
    let from = format!(
        "SELECT c.op, max(p.op) AS needs, 'row ' || min(c.row) || ' refers to ' || {name} || ' ' || min(p.row) AS why FROM c JOIN p ON {} AND (p.op < c.op{later}) GROUP BY c.op, c.row
UNION ALL SELECT p.op, c.op, 'row ' || min(c.row) || ' referred to ' || {name} || ' ' || min(p.row) FROM c JOIN p ON {} AND c.op < p.op GROUP BY c.op, p.op",
        refers("t"),
        refers("f"),
    );
    format!(
        "WITH c AS MATERIALIZED ({}), p AS MATERIALIZED ({}) {}",
        changes(child, sid, &key.child_columns),
        changes(parent, sid, &key.parent_columns),
        pairs("min(q.why)", &from)
    )
}

/// A unique value that another row had before.
fn unique_key(draft: &Draft<'_>, key: &Key, sid: SessionId) -> String {
    let operators: Vec<&str> = (0..key.columns.len()).map(|i| operator(key, i)).collect();
    let values: Vec<String> = (1..=key.columns.len()).map(|i| format!("a.t{i}")).collect();
    let from = format!(
        "SELECT a.op, max(g.op) AS needs, {} AS why FROM c a JOIN c g ON {} AND g.op < a.op AND g.row <> a.row GROUP BY a.op, a.row, {}",
        key_detail(&key.columns, &values, "", " was free since then"),
        matches(&operators, "g.f", "a.t"),
        values.join(", "),
    );
    format!(
        "WITH c AS MATERIALIZED ({}) {}",
        changes(draft, sid, &key.columns),
        pairs("min(q.why)", &from)
    )
}

/// Keys whose values are not looked at here: every operation that leaves a row needs those that
/// changed or removed one before.
fn any_row(draft: &Draft<'_>, sid: SessionId) -> String {
    let log = draft.log();
    let sid = sid.0;
    pairs(
        "'a row that it may have made way for'::text",
        &format!(
            "SELECT a.op, g.op AS needs FROM (SELECT DISTINCT l.pgdraft_op AS op FROM {log} l WHERE l.pgdraft_sid = {sid} AND l.pgdraft_kind <> 'D') a JOIN (SELECT DISTINCT l.pgdraft_op AS op FROM {log} l WHERE l.pgdraft_sid = {sid} AND l.pgdraft_kind <> 'I') g ON g.op < a.op"
        ),
    )
}

/// Operations that read the table after others had changed it: of each row the last one before, which
/// needs the earlier ones itself. Where the statement's conditions said which rows it looked at, these
/// were noted when it ran.
fn read(draft: &Draft<'_>, sid: SessionId) -> String {
    let key = columns("l", key_columns(draft.relation));
    let changed = format!(
        "SELECT c.op, c.next, min(c.row) AS row, count(*) AS rows FROM (SELECT l.pgdraft_op AS op, lead(l.pgdraft_op) OVER (PARTITION BY {key} ORDER BY l.pgdraft_op) AS next, {} AS row FROM {} l
WHERE l.pgdraft_sid = {sid} AND EXISTS (SELECT FROM pgdraft.reads r WHERE r.sid = {sid} AND r.table_id = {id})) c GROUP BY c.op, c.next",
        key_text(draft, "l"),
        draft.log(),
        sid = sid.0,
        id = draft.id.0
    );
    pairs(
        "CASE WHEN min(q.row) IS NULL THEN 'it read the table, of which all rows had been removed' ELSE 'it read the table, in which row ' || min(q.row) || CASE WHEN sum(q.rows) > 1 THEN ' and ' || sum(q.rows) - 1 || ' more' ELSE '' END || ' had changed' END",
        &format!(
            "SELECT r.op, c.op AS needs, c.row, c.rows FROM pgdraft.reads r JOIN ({changed}) c ON c.op < r.op AND (c.next IS NULL OR c.next >= r.op) WHERE r.sid = {sid} AND r.table_id = {id}
UNION ALL SELECT r.op, x.op, NULL, 1 FROM pgdraft.reads r JOIN pgdraft.truncations x ON x.sid = r.sid AND x.table_id = r.table_id AND x.op < r.op WHERE r.sid = {sid} AND r.table_id = {id}
UNION ALL {}",
            noted(draft, sid, false),
            sid = sid.0,
            id = draft.id.0
        ),
    )
}

/// Operations that looked for rows under conditions which others' rows met, before or after them.
fn sought(draft: &Draft<'_>, sid: SessionId) -> String {
    pairs(
        "'it looked for rows by a condition which row ' || min(q.row) || CASE WHEN sum(q.rows) > 1 THEN ' and ' || sum(q.rows) - 1 || ' more' ELSE '' END || ' met, before or after'",
        &noted(draft, sid, true),
    )
}

/// What was noted when a statement ran, as far as the other operation is still there.
fn noted(draft: &Draft<'_>, sid: SessionId, sought: bool) -> String {
    let names = match shown_key(draft.relation) {
        [] => "row".to_owned(),
        shown => shown.join(", "),
    };
    format!(
        "SELECT r.op, r.needs, concat({}, array_to_string(r.keys, ', '), ')') AS row, r.rows FROM pgdraft.read_rows r WHERE r.sid = {sid} AND r.table_id = {} AND r.sought = {sought} AND EXISTS (SELECT FROM {} l WHERE l.pgdraft_sid = {sid} AND l.pgdraft_op = r.needs)",
        catalog::quote_literal(&format!("({names})=(")),
        draft.id.0,
        draft.log(),
        sid = sid.0,
    )
}

/// A truncation is a change of every row.
fn truncate(draft: &Draft<'_>, sid: SessionId) -> String {
    pairs(
        "'all rows of the table were removed'::text",
        &format!(
            "SELECT greatest(x.op, l.op) AS op, least(x.op, l.op) AS needs FROM pgdraft.truncations x CROSS JOIN (SELECT l.pgdraft_op AS op FROM {} l WHERE l.pgdraft_sid = {sid} UNION SELECT t.op FROM pgdraft.truncations t WHERE t.sid = {sid} AND t.table_id = {id}) l WHERE x.sid = {sid} AND x.table_id = {id}",
            draft.log(),
            sid = sid.0,
            id = draft.id.0
        ),
    )
}
