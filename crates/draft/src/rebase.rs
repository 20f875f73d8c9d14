//! Bringing rows of a draft onto today's base: what production changed meanwhile becomes what the
//! draft began with. A conflict is resolved in the same way, by a person's word for the value: the
//! row is no conflict any more until the base moves again.
//!
//! The heads' triggers do not see these statements, because no operation is set.

use catalog::{Column, Relation, quote_identifier, quote_literal};

use crate::Own;
use crate::apply::{merged, ours, stays};
use crate::conflict::{clash, moved};
use crate::text::{
    as_json, column, columns, differ, key_columns, object, plain, same, same_base, same_key,
    truncated,
};

/// What becomes of a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take<'a> {
    /// It stays one; everything else of the row is merged.
    Nothing,
    /// The draft's value.
    Ours,
    /// Production's value.
    Theirs,
    /// This value, as text.
    Value(&'a str),
}

/// Which rows and columns are meant.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Values of the primary key as text, in the key's order; `None` = every row.
    pub key: Option<&'a [String]>,
    /// One column; `None` = every column.
    pub column: Option<&'a str>,
}

impl Target<'_> {
    /// Everything.
    pub const ALL: Self = Self {
        key: None,
        column: None,
    };

    /// ` AND …` for the row `h`.
    pub(crate) fn rows(&self, own: &Own<'_>) -> String {
        self.rows_of(own.draft.relation, "h")
    }

    /// The same for the row `alias` of a table.
    pub(crate) fn rows_of(&self, relation: &Relation, alias: &str) -> String {
        let Some(values) = self.key else {
            return String::new();
        };
        let Some(key) = relation.key() else {
            return " AND false".to_owned();
        };
        key.columns
            .iter()
            .zip(values)
            .enumerate()
            .filter_map(|(i, (name, value))| {
                let declared = &relation.column(name)?.declared;
                let value = format!("{}::{declared}", quote_literal(value));
                let operator = crate::text::operator(key, i);
                Some(format!(
                    " AND {}",
                    crate::text::equal(operator, &column(alias, name), &value)
                ))
            })
            .collect()
    }

    fn take<'a>(&self, of: &Column, take: Take<'a>) -> Take<'a> {
        if self.column.is_none_or(|name| name == of.name) {
            take
        } else {
            Take::Nothing
        }
    }
}

/// What a rebase would change, in key order: `primary_key` (JSON text), `name` of the column, `was`
/// and `now` (JSON text), `conflict` boolean (the draft changed the column too, so that it stays as
/// it is). Rows that are gone in the base and in the draft have no name.
pub fn changes(own: &Own<'_>, rows_max: usize) -> String {
    let relation = own.draft.relation;
    let key = key_columns(relation);
    let mut branches: Vec<String> = relation
        .writable()
        .map(|c| {
            let json = |alias| as_json(&column(alias, &c.name), c);
            format!(
                "SELECT {}, {}, {}, NOT h.pgdraft_live OR {} WHERE {b} AND NOT ({})",
                quote_literal(&c.name),
                json("f"),
                json("b"),
                clash(own, c),
                stays(c),
                b = there(own),
            )
        })
        .collect();
    branches.push(format!(
        "SELECT NULL, {}, NULL, h.pgdraft_live WHERE NOT ({})",
        object("f", relation.writable().map(|c| &c.name)),
        there(own)
    ));
    format!(
        "WITH f AS ({first})
SELECT {primary}::text AS primary_key, x.name::text AS name, x.was::text AS was, x.now::text AS now, x.conflict
FROM {head} h JOIN f ON {first_same} LEFT JOIN {base} b ON {base_same}
CROSS JOIN LATERAL ({branches}) x (name, was, now, conflict)
WHERE h.pgdraft_sid = {sid} AND NOT h.pgdraft_new AND {moved}
ORDER BY {order} LIMIT {rows_max}",
        first = own.first(),
        primary = object("h", key),
        head = own.draft.table(),
        first_same = same_key(relation, "f", "h"),
        base = relation.only(),
        base_same = same_base(relation, "b", "h"),
        branches = branches.join(" UNION ALL "),
        sid = own.sid.0,
        moved = moved(own),
        order = columns("h", key),
    )
}

/// Merges the rows whose base has moved, unless a CHECK forbids what would come of it, and gives
/// conflicts of the target what is taken. `op` is
/// the operation that a changed value of the draft belongs to. One row, without columns, for each row
/// of the draft in which something was merged or settled.
pub fn merge(own: &Own<'_>, target: &Target<'_>, take: Take<'_>, op: Option<i64>) -> String {
    let relation = own.draft.relation;
    let stored: Vec<&Column> = relation.writable().collect();
    let assign = |value: &dyn Fn(&Column) -> String| {
        let parts: Vec<String> = stored
            .iter()
            .map(|c| format!("{} = {}", quote_identifier(&c.name), value(c)))
            .collect();
        parts.join(", ")
    };
    let taken = |c: &Column| target.take(c, take);
    let (logged, new_op) = match (take, op) {
        (Take::Theirs | Take::Value(_), Some(op)) => chosen(own, target, take, op),
        _ => Default::default(),
    };
    format!(
        "WITH f AS MATERIALIZED ({first}),
m AS MATERIALIZED (SELECT {keys} FROM {head} h JOIN f ON {fh} JOIN {base} b ON {bh} WHERE h.pgdraft_sid = {sid} AND NOT h.pgdraft_new AND h.pgdraft_live AND {moved}{rows}){logged},
hw AS (UPDATE {head} h SET {head_values}{new_op} FROM m JOIN f ON {fm} JOIN {base} b ON {bm} WHERE h.pgdraft_sid = {sid} AND {hm}),
lg AS (UPDATE {log} l SET {log_values} FROM m JOIN f ON {fm} JOIN {base} b ON {bm} JOIN {head} h ON h.pgdraft_sid = {sid} AND {hm} WHERE l.pgdraft_sid = {sid} AND l.pgdraft_kind <> 'I' AND {lm})
SELECT FROM m",
        first = own.first(),
        keys = columns("h", key_columns(relation)),
        head = own.draft.table(),
        fh = same_key(relation, "f", "h"),
        base = relation.only(),
        bh = same_base(relation, "b", "h"),
        sid = own.sid.0,
        moved = any(stored.iter().map(|c| match taken(c) {
            // where both changed the column it stays a conflict, and the row is not another one
            Take::Nothing => format!("(NOT ({}) AND NOT ({}))", stays(c), clash(own, c)),
            Take::Ours | Take::Theirs | Take::Value(_) => format!("NOT ({})", stays(c)),
        })),
        rows = target.rows(own) + &crate::settle::checked(own),
        head_values = assign(&|c| head_value(own, c, taken(c))),
        fm = same_key(relation, "f", "m"),
        bm = same_base(relation, "b", "m"),
        hm = same_key(relation, "h", "m"),
        log = own.draft.log(),
        log_values = assign(&|c| log_value(own, c, taken(c))),
        lm = same_key(relation, "l", "m"),
    )
}

/// A value that a person chose is an operation of its own, so that none before it seems to have
/// written it: its log rows, as a part of WITH, and what the head's operation becomes.
fn chosen(own: &Own<'_>, target: &Target<'_>, take: Take<'_>, op: i64) -> (String, String) {
    let relation = own.draft.relation;
    let stored: Vec<&Column> = relation.writable().collect();
    let changes = any(stored.iter().map(|c| {
        differ(
            c,
            &head_value(own, c, target.take(c, take)),
            &head_value(own, c, Take::Nothing),
        )
    }));
    let values: Vec<String> = stored
        .iter()
        .map(|c| head_value(own, c, Take::Nothing))
        .collect();
    let logged = format!(
        ",
lw AS (INSERT INTO {log} (pgdraft_sid, pgdraft_op, pgdraft_kind, {names}) SELECT h.pgdraft_sid, {op}, 'U', {values} FROM m JOIN {head} h ON h.pgdraft_sid = {sid} AND {hm} JOIN f ON {fm} JOIN {base} b ON {bm} WHERE {changes})",
        names = columns("", stored.iter().map(|c| &c.name)),
        values = values.join(", "),
        log = own.draft.log(),
        head = own.draft.table(),
        sid = own.sid.0,
        hm = same_key(relation, "h", "m"),
        fm = same_key(relation, "f", "m"),
        base = relation.only(),
        bm = same_base(relation, "b", "m"),
    );
    let new_op = format!(", pgdraft_op = CASE WHEN {changes} THEN {op} ELSE h.pgdraft_op END");
    (logged, new_op)
}

/// The draft's value after the merge; rows `h`, `f`, `b`.
fn head_value(own: &Own<'_>, c: &Column, take: Take<'_>) -> String {
    let (now, mine) = (column("b", &c.name), column("h", &c.name));
    let clashing = match take {
        Take::Nothing | Take::Ours => mine.clone(),
        Take::Theirs => now.clone(),
        Take::Value(value) => format!("{}::{}", quote_literal(value), c.declared),
    };
    let free = if own.is_delta(&c.name) {
        merged(own, c)
    } else {
        mine
    };
    format!(
        "CASE WHEN {stays} THEN {own_value} WHEN NOT ({ours}) THEN {now} WHEN {clash} THEN {clashing} ELSE {free} END",
        stays = stays(c),
        own_value = column("h", &c.name),
        ours = ours(c),
        clash = clash(own, c),
    )
}

/// An image before an operation `l`: where it had the old base's value, it has today's.
fn log_value(own: &Own<'_>, c: &Column, take: Take<'_>) -> String {
    let (now, then) = (plain("b", c), column("l", &c.name));
    let stays_clash = match take {
        Take::Nothing => format!(" OR {}", clash(own, c)),
        Take::Ours | Take::Theirs | Take::Value(_) => String::new(),
    };
    let moved = if own.is_delta(&c.name) {
        let was = column("f", &c.name);
        format!(
            "CASE WHEN {} THEN {now} ELSE coalesce({now} + ({then} - {was}), {then}) END",
            same(c, &then, &was)
        )
    } else {
        now
    };
    let keeps = if own.is_delta(&c.name) {
        String::new()
    } else {
        format!(" OR NOT ({})", same(c, &then, &column("f", &c.name)))
    };
    format!(
        "CASE WHEN {}{stays_clash}{keeps} THEN {then} ELSE {moved} END",
        stays(c)
    )
}

/// Removed rows of the draft whose base moved: today's row becomes what the draft removed. Rows that
/// production has removed too are left to [`forget`].
pub fn remove_still(own: &Own<'_>, target: &Target<'_>) -> String {
    let relation = own.draft.relation;
    let assignments: Vec<String> = relation
        .writable()
        .map(|c| format!("{} = {}", quote_identifier(&c.name), column("b", &c.name)))
        .collect();
    format!(
        "WITH f AS MATERIALIZED ({first}) UPDATE {log} l SET {assignments} FROM f JOIN {head} h ON {fh} JOIN {base} b ON {bh} WHERE h.pgdraft_sid = {sid} AND NOT h.pgdraft_new AND NOT h.pgdraft_live AND l.pgdraft_sid = {sid} AND l.pgdraft_op = f.pgdraft_op AND {lh} AND {moved}{rows}",
        first = own.first(),
        log = own.draft.log(),
        assignments = assignments.join(", "),
        head = own.draft.table(),
        fh = same_key(relation, "f", "h"),
        base = relation.only(),
        bh = same_base(relation, "b", "h"),
        sid = own.sid.0,
        lh = same_key(relation, "l", "h"),
        moved = moved(own),
        rows = target.rows(own),
    )
}

/// Rows that the draft changed and production removed become rows that the draft makes.
pub fn make_again(own: &Own<'_>, target: &Target<'_>) -> String {
    let relation = own.draft.relation;
    format!(
        "WITH f AS MATERIALIZED ({first}),
m AS MATERIALIZED (SELECT {keys}, f.pgdraft_op FROM {head} h JOIN f ON {fh} LEFT JOIN {base} b ON {bh} WHERE h.pgdraft_sid = {sid} AND h.pgdraft_live AND NOT h.pgdraft_new AND NOT ({there}){rows}),
hw AS (UPDATE {head} h SET pgdraft_new = true FROM m WHERE h.pgdraft_sid = {sid} AND {hm})
UPDATE {log} l SET pgdraft_kind = 'I' FROM m WHERE l.pgdraft_sid = {sid} AND l.pgdraft_op = m.pgdraft_op AND {lm}",
        first = own.first(),
        keys = columns("h", key_columns(relation)),
        head = own.draft.table(),
        fh = same_key(relation, "f", "h"),
        base = relation.only(),
        bh = same_base(relation, "b", "h"),
        sid = own.sid.0,
        there = there(own),
        rows = target.rows(own),
        hm = same_key(relation, "h", "m"),
        log = own.draft.log(),
        lm = same_key(relation, "l", "m"),
    )
}

/// Rows that the draft made and production made too become rows that the draft changes.
pub fn change_instead(own: &Own<'_>, target: &Target<'_>) -> String {
    let relation = own.draft.relation;
    let assignments: Vec<String> = relation
        .writable()
        .map(|c| format!("{} = {}", quote_identifier(&c.name), column("b", &c.name)))
        .collect();
    format!(
        "WITH f AS MATERIALIZED ({first}),
m AS MATERIALIZED (SELECT {keys}, f.pgdraft_op FROM {head} h JOIN f ON {fh} JOIN {base} b ON {bh} WHERE h.pgdraft_sid = {sid} AND h.pgdraft_live AND h.pgdraft_new AND NOT {truncated}{rows}),
hw AS (UPDATE {head} h SET pgdraft_new = false FROM m WHERE h.pgdraft_sid = {sid} AND {hm})
UPDATE {log} l SET pgdraft_kind = 'U', {assignments} FROM m JOIN {base} b ON {bm} WHERE l.pgdraft_sid = {sid} AND l.pgdraft_op = m.pgdraft_op AND {lm}",
        first = own.first(),
        keys = columns("h", key_columns(relation)),
        head = own.draft.table(),
        fh = same_key(relation, "f", "h"),
        base = relation.only(),
        bh = same_base(relation, "b", "h"),
        sid = own.sid.0,
        truncated = truncated(own.draft.id, &own.sid.0.to_string()),
        rows = target.rows(own),
        hm = same_key(relation, "h", "m"),
        log = own.draft.log(),
        assignments = assignments.join(", "),
        bm = same_base(relation, "b", "m"),
        lm = same_key(relation, "l", "m"),
    )
}

/// Which rows leave the draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaving {
    /// Those that are removed there, and here removed too or not changed.
    Gone,
    /// Those with a conflict of the whole row: production's word holds.
    Theirs,
}

/// Rows leave the draft: as production has them is how the session sees them. One row,
/// without columns, for each.
pub fn forget(own: &Own<'_>, target: &Target<'_>, which: Leaving) -> String {
    let relation = own.draft.relation;
    let b = there(own);
    let which = match which {
        Leaving::Gone => {
            let ours: Vec<String> = relation.writable().map(crate::apply::ours).collect();
            format!(
                "NOT h.pgdraft_new AND NOT ({b}) AND (NOT h.pgdraft_live OR NOT ({}))",
                ours.join(" OR ")
            )
        }
        Leaving::Theirs => format!(
            "CASE WHEN h.pgdraft_new THEN h.pgdraft_live AND {b} AND NOT {} WHEN {b} THEN NOT h.pgdraft_live AND {} ELSE true END",
            truncated(own.draft.id, &own.sid.0.to_string()),
            moved(own)
        ),
    };
    format!(
        "WITH f AS MATERIALIZED ({first}),
m AS MATERIALIZED (SELECT {keys} FROM {head} h LEFT JOIN f ON {fh} LEFT JOIN {base} b ON {bh} WHERE h.pgdraft_sid = {sid} AND {which}{rows}),
hw AS (DELETE FROM {head} h USING m WHERE h.pgdraft_sid = {sid} AND {hm}),
lg AS (DELETE FROM {log} l USING m WHERE l.pgdraft_sid = {sid} AND {lm})
SELECT FROM m",
        first = own.first(),
        keys = columns("h", key_columns(relation)),
        head = own.draft.table(),
        fh = same_key(relation, "f", "h"),
        base = relation.only(),
        bh = same_base(relation, "b", "h"),
        sid = own.sid.0,
        rows = target.rows(own),
        hm = same_key(relation, "h", "m"),
        log = own.draft.log(),
        lm = same_key(relation, "l", "m"),
    )
}

/// The base has the row.
fn there(own: &Own<'_>) -> String {
    crate::conflict::there(own.draft.relation, "b")
}

fn any(parts: impl IntoIterator<Item = String>) -> String {
    let parts: Vec<String> = parts.into_iter().collect();
    format!("({})", parts.join(" OR "))
}
