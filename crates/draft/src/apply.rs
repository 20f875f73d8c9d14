//! Applying the net changes of a draft to its base tables, set by set.
//!
//! Each change is bound to what the draft saw: a row is updated where the columns that the draft
//! changed still are what they were (others may have moved: they stay as production has them), and
//! deleted where it is unchanged. What was changed meanwhile is not written, which the counts show;
//! [`crate::conflict`] then says what it is. So no pass over the rows is needed before the write.
//!
//! Rows come in the order of their keys, so that two commits wait for each other and never both.
//!
//! A statement that writes to a base table begins without WITH: PostgreSQL takes none where rules add
//! statements (<https://www.postgresql.org/docs/current/rules-update.html>).

use std::fmt::Write as _;

use catalog::{
    Column, Identity, ROW_COLUMN, Relation, RelationId, SessionId, quote_identifier, quote_literal,
};

use crate::text::{
    EQUAL, column, columns, differ, filled, join, key_columns, operator, plain, same, same_base,
    same_key, writable,
};
use crate::{Draft, Own};

/// What there is to do, in one pass: number of inserts, updates and deletes (bigint), and for each
/// stored column the number of rows whose update changes it (bigint[]).
pub fn summary(own: &Own<'_>) -> String {
    let stored: Vec<&Column> = own.draft.relation.writable().collect();
    let replaced = replaced(own);
    let tests: String = stored
        .iter()
        .enumerate()
        .map(|(i, c)| {
            format!(
                ", h.pgdraft_live AND NOT h.pgdraft_new AND NOT {replaced} AND {} AS pgdraft_c{i}",
                ours(c)
            )
        })
        .collect();
    let names: Vec<String> = (0..stored.len()).map(|i| format!("pgdraft_c{i}")).collect();
    let each = join(", ", &names, |c| format!("count(*) FILTER (WHERE {c})"));
    format!(
        "WITH f AS ({first})
SELECT count(*) FILTER (WHERE pgdraft_live AND (pgdraft_new OR pgdraft_replaced)), count(*) FILTER (WHERE {any}), count(*) FILTER (WHERE NOT pgdraft_new AND (NOT pgdraft_live OR pgdraft_replaced)), ARRAY[{each}]::bigint[]
FROM (SELECT h.pgdraft_live, h.pgdraft_new, NOT h.pgdraft_new AND {replaced} AS pgdraft_replaced{tests} FROM {head} h LEFT JOIN f ON {same} WHERE h.pgdraft_sid = {sid} OFFSET 0) q",
        first = own.first(),
        any = names.join(" OR "),
        head = own.draft.table(),
        same = same_key(own.draft.relation, "f", "h"),
        sid = own.sid.0,
    )
}

/// What one look at a head tells of a session: its first and its last operation there, the lowest and
/// the highest value of the first key column among rows that the base has (text; NULL for types that are
/// not PostgreSQL's own), and how many rows there are in all, to insert, that the draft keeps, and to
/// delete.
pub fn look(draft: &Draft<'_>, sid: SessionId) -> String {
    let operation = |order: &str| {
        format!(
            "(SELECT l.pgdraft_op FROM {} l WHERE l.pgdraft_sid = {} ORDER BY l.pgdraft_op{order} LIMIT 1)",
            draft.log(),
            sid.0
        )
    };
    let end = |order: &str| match first_key(draft.relation) {
        None => "NULL::text".to_owned(),
        Some(first) => format!(
            "(SELECT {name}::text FROM {} h WHERE h.pgdraft_sid = {} AND NOT h.pgdraft_new ORDER BY {name}{order} LIMIT 1)",
            draft.table(),
            sid.0,
            name = column("h", &first.name),
        ),
    };
    let kind = |live, new| format!("count(*) FILTER (WHERE {live} AND {new})");
    format!(
        "SELECT {}, {}, {}, {}, count(*), {}, {}, {} FROM {} WHERE pgdraft_sid = {}",
        operation(""),
        operation(" DESC"),
        end(""),
        end(" DESC"),
        kind("pgdraft_live", "pgdraft_new"),
        kind("pgdraft_live", "NOT pgdraft_new"),
        kind("NOT pgdraft_live", "NOT pgdraft_new"),
        draft.table(),
        sid.0
    )
}

/// Whether the draft can remove a row and make another one with its key: then the head alone does not
/// tell what there is to do.
pub fn replaces(own: &Own<'_>) -> bool {
    replaced(own) != "false"
}

/// Whether the draft removes any row of the base: one boolean column.
pub fn removes(own: &Own<'_>) -> String {
    let removed = match replaced(own).as_str() {
        "false" => "NOT h.pgdraft_live",
        // a row may have been made again
        _ => "true",
    };
    format!(
        "SELECT EXISTS (SELECT FROM {} h WHERE h.pgdraft_sid = {} AND NOT h.pgdraft_new AND {removed})",
        own.draft.table(),
        own.sid.0
    )
}

/// Which columns updates change in so many of the first and of the last rows of a draft: text[] of names
/// in column order, one row for each set of columns.
pub fn some_sets(own: &Own<'_>, rows: u64) -> String {
    let keys = key_columns(own.draft.relation);
    let end = |order: &str| {
        format!(
            "(SELECT h.* FROM {} h WHERE {} ORDER BY {} LIMIT {rows})",
            own.draft.table(),
            modified(own),
            join(", ", keys, |name| column("h", name) + order)
        )
    };
    format!(
        // a join would be planned for one row of the log, and go through all of it for each
        "SELECT DISTINCT {} FROM ({} UNION ALL {}) h CROSS JOIN LATERAL (SELECT * FROM ({}) f WHERE {} OFFSET 0) f",
        changed_array(own),
        end(""),
        end(" DESC"),
        own.first(),
        same_key(own.draft.relation, "f", "h"),
    )
}

/// ` AND …`: the base's row is between these ends, as [`look`] tells them.
pub fn within(relation: &Relation, lowest: &str, highest: &str) -> String {
    let Some(first) = first_key(relation) else {
        return String::new();
    };
    let value = column("b", &first.name);
    format!(
        " AND {value} OPERATOR(pg_catalog.>=) {} AND {value} OPERATOR(pg_catalog.<=) {}",
        quote_literal(lowest),
        quote_literal(highest)
    )
}

/// Whether the first column of the key is a whole number and all of the key: then a range of it has no
/// more rows than numbers.
pub fn numbered(relation: &Relation) -> bool {
    let whole = first_key(relation).is_some_and(|c| [20, 21, 23].contains(&c.type_id));
    whole && key_columns(relation).len() == 1
}

pub(crate) fn first_key(relation: &Relation) -> Option<&Column> {
    let usual = |c: &&Column| c.type_id < FIRST_USER_OID && c.collation.is_none();
    let key = relation.key().filter(|key| operator(key, 0) == EQUAL)?;
    relation.column(key.columns.first()?).filter(usual)
}

/// Oids below are of what PostgreSQL comes with.
const FIRST_USER_OID: u32 = 16_384;

/// Which columns updates change: text[] of names in column order, and the number of rows, one row
/// for each set of columns.
pub fn update_sets(own: &Own<'_>) -> String {
    format!(
        "WITH f AS ({}) SELECT x.changed, count(*) FROM {} h JOIN f ON {} CROSS JOIN LATERAL (SELECT {} AS changed) x WHERE {} AND x.changed <> '{{}}' GROUP BY 1 ORDER BY 1",
        own.first(),
        own.draft.table(),
        same_key(own.draft.relation, "f", "h"),
        changed_array(own),
        modified(own)
    )
}

/// Which rows an update is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Every changed row changes in each column of the set.
    All,
    /// Those that change in just the columns of the set.
    Exact,
    /// The same, where every row is thought to be one of them.
    Alike,
    /// Every changed row; each gets the columns that it changes.
    Union,
}

/// How production's rows are known to be what the draft saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold<'a> {
    /// The write looks at each; the condition narrows down where the base has them ([`within`]).
    Seen(&'a str),
    /// They are locked and the draft has been brought onto them: only what foreign keys of the
    /// commit itself did to them is new.
    Locked,
}

impl Hold<'_> {
    fn within(&self) -> &str {
        match self {
            Self::Seen(within) => within,
            Self::Locked => "",
        }
    }
}

/// Updates rows in one set of columns.
pub fn update(own: &Own<'_>, set: &[String], which: Which, hold: Hold<'_>) -> String {
    let stored = set.iter().filter_map(|c| own.draft.relation.column(c));
    let assignments: Vec<String> = stored
        .map(|c| {
            let mut value = merged(own, c);
            if which == Which::Union {
                value = format!(
                    "CASE WHEN {} THEN {value} ELSE {} END",
                    ours(c),
                    column("b", &c.name)
                );
            }
            format!("{} = {value}", quote_identifier(&c.name))
        })
        .collect();
    update_modified(own, &assignments.join(", ")) + &updated(own, set, which, hold)
}

/// ` AND …`: the rows of such an update, beside those of [`update_modified`].
pub(crate) fn updated(own: &Own<'_>, set: &[String], which: Which, hold: Hold<'_>) -> String {
    let relation = own.draft.relation;
    let stored: Vec<&Column> = set.iter().filter_map(|c| relation.column(c)).collect();
    let compared: &[&Column] = match hold {
        Hold::Seen(_) => &stored,
        Hold::Locked => &[],
    };
    let unmoved: String = compared
        .iter()
        .map(|c| match which {
            Which::All | Which::Exact | Which::Alike => format!(" AND ({})", as_seen(own, c)),
            Which::Union => format!(" AND (NOT ({}) OR {})", ours(c), as_seen(own, c)),
        })
        .collect();
    let rows = match which {
        Which::All => stored
            .first()
            .map_or_else(|| "false".to_owned(), |c| ours(c)),
        Which::Exact => {
            let names: Vec<String> = set.iter().map(|n| quote_literal(n)).collect();
            format!(
                "{} = ARRAY[{}]::text[]",
                changed_array(own),
                names.join(", ")
            )
        }
        Which::Alike => {
            let tests = relation.writable().map(|c| match set.contains(&c.name) {
                true => format!("({})", ours(c)),
                false => format!("NOT ({})", ours(c)),
            });
            tests.collect::<Vec<_>>().join(" AND ")
        }
        Which::Union => {
            let any: Vec<String> = stored.iter().map(|c| ours(c)).collect();
            format!("({})", any.join(" OR "))
        }
    };
    format!(
        " AND {rows}{unmoved}{within}{part}",
        within = hold.within(),
        part = own.within("b"),
    )
}

/// Inserts the new rows in the order they were made, in each part; `later` columns are left NULL for
/// [`fill_later`].
pub fn insert(own: &Own<'_>, later: &[String]) -> String {
    insert_where(own, later, "")
}

/// The same for those of a further condition.
pub(crate) fn insert_where(own: &Own<'_>, later: &[String], which: &str) -> String {
    let relation = own.draft.relation;
    let names = writable(relation);
    let values = join(", ", &names, |name| {
        if later.iter().any(|l| l == name) {
            "NULL".to_owned()
        } else {
            column("h", name)
        }
    });
    format!(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {values}{}{which} ORDER BY h.pgdraft_op, {}",
        relation.qualified(),
        columns("", &names),
        from_made(own),
        columns("h", key_columns(relation))
    )
}

/// How many new rows of a further condition there are: one bigint column.
pub(crate) fn count_made(own: &Own<'_>, which: &str) -> String {
    format!("SELECT count(*){}{which}", from_made(own))
}

/// So many places are asked for at once.
const PLACES_MAX: usize = 10_000;

/// The places of some of these rows in the head, as [`Own::slice`] has them; NULL where there are none.
pub(crate) fn places_made(own: &Own<'_>, which: &str) -> String {
    format!(
        "SELECT string_agg('\"' || q.ctid::text || '\"', ',') FROM (SELECT h.ctid{}{which} LIMIT {PLACES_MAX}) q",
        from_made(own)
    )
}

fn from_made(own: &Own<'_>) -> String {
    format!(
        " FROM {} h{} WHERE h.pgdraft_sid = {} AND {}",
        own.head(),
        first_if_replaced(own),
        own.sid.0,
        made(own),
    )
}

/// Gives inserted rows the columns that [`insert`] left out.
pub fn fill_later(own: &Own<'_>, later: &[String]) -> String {
    let relation = own.draft.relation;
    let assignments = join(", ", later, |name| {
        format!("{} = {}", quote_identifier(name), column("h", name))
    });
    let any = join(" OR ", later, |name| filled(&column("h", name)));
    format!(
        "UPDATE {} b SET {assignments} FROM {} h{} WHERE {} AND h.pgdraft_sid = {} AND {} AND ({any})",
        relation.only(),
        own.draft.table(),
        first_if_replaced(own),
        same_base(relation, "b", "h"),
        own.sid.0,
        made(own),
    )
}

/// Deletes the removed rows that are as the draft saw them.
pub fn delete(own: &Own<'_>, hold: Hold<'_>) -> String {
    let base = own.draft.relation.only();
    format!("DELETE FROM {base} b USING {}", removed(own, hold))
}

/// How many they are: one bigint column.
pub(crate) fn count_removed(own: &Own<'_>, hold: Hold<'_>) -> String {
    let base = own.draft.relation.only();
    format!("SELECT count(*) FROM {base} b, {}", removed(own, hold))
}

fn removed(own: &Own<'_>, hold: Hold<'_>) -> String {
    let relation = own.draft.relation;
    let unmoved: String = relation
        .writable()
        .filter(|_| hold != Hold::Locked)
        .map(|c| format!(" AND {}", stays(c)))
        .collect();
    format!(
        "{} h JOIN ({}) f ON {} WHERE {} AND h.pgdraft_sid = {} AND (NOT h.pgdraft_live OR {}) AND NOT h.pgdraft_new{}{unmoved}{within}{part}",
        own.head(),
        own.first(),
        same_key(relation, "f", "h"),
        same_base(relation, "b", "h"),
        own.sid.0,
        replaced(own),
        crate::rekey::goes(own),
        within = hold.within(),
        part = own.within("b"),
    )
}

/// How many of the removed rows are still there: one bigint column.
pub fn not_deleted(own: &Own<'_>) -> String {
    format!(
        "SELECT count(*) FROM {} b JOIN {} h ON {} WHERE h.pgdraft_sid = {} AND NOT h.pgdraft_live AND NOT h.pgdraft_new",
        own.draft.relation.only(),
        own.draft.table(),
        same_base(own.draft.relation, "b", "h"),
        own.sid.0
    )
}

/// How many rows there are that the draft keeps, and how many of them the base has: a removed parent
/// may have taken a child along that the draft made again just as it was. Two bigint columns.
pub fn kept(own: &Own<'_>) -> String {
    let relation = own.draft.relation;
    format!(
        "SELECT count(*), count(*) FILTER (WHERE EXISTS (SELECT FROM {} b WHERE {})) FROM {} h WHERE h.pgdraft_sid = {} AND h.pgdraft_live AND NOT h.pgdraft_new",
        relation.only(),
        same_base(relation, "b", "h"),
        own.draft.table(),
        own.sid.0
    )
}

/// Rows as the commit left them, where triggers of production had a say: the history that an undo
/// starts from.
pub fn keep_images(own: &Own<'_>) -> String {
    let relation = own.draft.relation;
    let stored: Vec<&Column> = relation.writable().collect();
    let assignments = join(", ", stored.iter().map(|c| &c.name), |name| {
        format!("{} = {}", quote_identifier(name), column("b", name))
    });
    let any: Vec<String> = stored
        .iter()
        .map(|c| differ(c, &column("h", &c.name), &column("b", &c.name)))
        .collect();
    format!(
        "UPDATE {} h SET {assignments} FROM {} b WHERE {} AND h.pgdraft_sid = {} AND h.pgdraft_live AND ({})",
        own.draft.table(),
        relation.only(),
        same_base(relation, "b", "h"),
        own.sid.0,
        any.join(" OR ")
    )
}

/// Keeps the rows that [`empty`] is about to remove, as the history that an undo starts from. Their
/// numbers are below those of the draft's own rows. Two statements.
pub fn keep_emptied(draft: &Draft<'_>, sid: SessionId) -> String {
    let names = writable(draft.relation);
    format!(
        "INSERT INTO {head} ({list}, {ROW_COLUMN}, pgdraft_sid, pgdraft_op, pgdraft_live, pgdraft_new)
SELECT {values}, row_number() OVER () - 2147483648, {sid}, x.op, false, false FROM {base} b
CROSS JOIN (SELECT min(x.op) AS op FROM pgdraft.truncations x WHERE x.sid = {sid} AND x.table_id = {id}) x;
INSERT INTO {log} ({list}, {ROW_COLUMN}, pgdraft_sid, pgdraft_op, pgdraft_kind)
SELECT {list}, {ROW_COLUMN}, {sid}, pgdraft_op, 'D' FROM {head}
WHERE pgdraft_sid = {sid} AND NOT pgdraft_live AND NOT pgdraft_new",
        head = draft.table(),
        list = columns("", &names),
        values = columns("b", &names),
        sid = sid.0,
        base = draft.relation.only(),
        id = draft.id.0,
        log = draft.log(),
    )
}

/// Removes the rows that a truncation hides where no key tells them apart, as a table without one has
/// it: nothing refers to them, and none came since. How many there are, what removes them, and the mark.
pub fn empty(draft: &Draft<'_>, sid: SessionId) -> [String; 3] {
    let base = draft.relation.only();
    [
        format!("SELECT count(*) FROM {base}"),
        format!("DELETE FROM {base}"),
        format!(
            "DELETE FROM pgdraft.truncations WHERE sid = {} AND table_id = {}",
            sid.0, draft.id.0
        ),
    ]
}

/// Takes the rows that a truncation hides into the draft, as removed ones: from then on it is a
/// draft as any other. Three statements.
pub fn unfold(draft: &Draft<'_>, sid: SessionId) -> String {
    let relation = draft.relation;
    let names = writable(relation);
    let list = columns("", &names);
    let values = columns("b", &names);
    let key = columns("", key_columns(relation));
    let images = join(", ", &names, |name| {
        format!("{0} = EXCLUDED.{0}", quote_identifier(name))
    });
    let mark = format!(
        "(SELECT min(x.op) AS op FROM pgdraft.truncations x WHERE x.sid = {} AND x.table_id = {}) x",
        sid.0, draft.id.0
    );
    format!(
        "INSERT INTO {log} (pgdraft_sid, pgdraft_op, pgdraft_kind, {list})
SELECT {sid}, x.op, 'D', {values} FROM {base} b CROSS JOIN {mark}
WHERE NOT EXISTS (SELECT FROM {head} h WHERE h.pgdraft_sid = {sid} AND NOT h.pgdraft_new AND {same})
ON CONFLICT (pgdraft_sid, pgdraft_op, {key}) DO UPDATE SET pgdraft_kind = EXCLUDED.pgdraft_kind, {images};
INSERT INTO {head} ({list}, pgdraft_sid, pgdraft_op, pgdraft_live, pgdraft_new)
SELECT {values}, {sid}, x.op, false, false FROM {base} b CROSS JOIN {mark}
WHERE NOT EXISTS (SELECT FROM {head} h WHERE h.pgdraft_sid = {sid} AND NOT h.pgdraft_new AND {same})
ON CONFLICT (pgdraft_sid, {key}) DO UPDATE SET pgdraft_new = false;
DELETE FROM pgdraft.truncations WHERE sid = {sid} AND table_id = {id}",
        log = draft.log(),
        sid = sid.0,
        base = relation.only(),
        head = draft.table(),
        same = same_base(relation, "h", "b"),
        id = draft.id.0,
    )
}

/// Tables in an order in which parents come before their children. In a circle of foreign keys
/// somebody has to be first; the columns that refer to tables after it are [`back_columns`].
pub fn parents_first<'a>(relations: &[&'a Relation]) -> Vec<&'a Relation> {
    let mut left: Vec<&Relation> = relations.to_vec();
    left.sort_by(|a, b| (&a.schema, &a.name).cmp(&(&b.schema, &b.name)));
    let mut order: Vec<&Relation> = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let free = left.iter().position(|relation| {
            let mut parents = relation.references().map(|k| k.parent);
            parents.all(|p| p == relation.id || !left.iter().any(|other| other.id == p))
        });
        order.push(left.remove(free.unwrap_or(0)));
    }
    order
}

/// Columns of `relation` that can be NULL and refer to one of the tables that come `after` it.
pub fn back_columns(relation: &Relation, after: &[RelationId]) -> Vec<String> {
    let mut found = Vec::new();
    for key in &relation.foreign_keys {
        if !after.contains(&key.parent) {
            continue;
        }
        for name in &key.child_columns {
            let free = relation.column(name).is_some_and(|c| !c.not_null);
            if free && !key_columns(relation).contains(name) && !found.contains(name) {
                found.push(name.clone());
            }
        }
    }
    found
}

/// An UPDATE `b` of those rows of the draft, `h`, up to its further conditions.
pub(crate) fn update_modified(own: &Own<'_>, assignments: &str) -> String {
    format!(
        "UPDATE {} b SET {assignments} FROM {}",
        own.draft.relation.only(),
        beside_base(own)
    )
}

/// How many of them there are, up to their further conditions: one bigint column.
pub(crate) fn count_modified(own: &Own<'_>) -> String {
    format!(
        "SELECT count(*) FROM {} b, {}",
        own.draft.relation.only(),
        beside_base(own)
    )
}

/// Those rows beside the base's `b`, and `f`, as the draft saw them first.
fn beside_base(own: &Own<'_>) -> String {
    let relation = own.draft.relation;
    format!(
        "{} h JOIN ({}) f ON {} WHERE {} AND {}",
        own.head(),
        own.first(),
        same_key(relation, "f", "h"),
        same_base(relation, "b", "h"),
        modified(own),
    )
}

/// Rows of the draft that the base has and that it keeps.
fn modified(own: &Own<'_>) -> String {
    format!(
        "h.pgdraft_sid = {} AND h.pgdraft_live AND NOT h.pgdraft_new AND NOT {}",
        own.sid.0,
        replaced(own)
    )
}

/// The draft removed the row and made another one with its key, which shows in a column that no
/// UPDATE can change: GENERATED ALWAYS AS IDENTITY. It is removed and made in production as well.
fn replaced(own: &Own<'_>) -> String {
    let always: Vec<String> = own
        .draft
        .relation
        .writable()
        .filter(|c| c.identity == Identity::Always)
        .map(ours)
        .collect();
    if always.is_empty() {
        return "false".to_owned();
    }
    format!("({})", always.join(" OR "))
}

/// Rows of the draft that are inserted.
fn made(own: &Own<'_>) -> String {
    format!(
        "h.pgdraft_live AND (h.pgdraft_new{} OR {})",
        crate::rekey::came(own),
        replaced(own)
    )
}

/// The first images, where [`replaced`] looks at them.
fn first_if_replaced(own: &Own<'_>) -> String {
    if replaced(own) == "false" {
        return String::new();
    }
    format!(
        " LEFT JOIN ({}) f ON {}",
        own.first(),
        same_key(own.draft.relation, "f", "h")
    )
}

/// The draft changed the column: the head `h` is not the first image `f`.
pub(crate) fn ours(of: &Column) -> String {
    differ(of, &plain("h", of), &column("f", &of.name))
}

/// The base `b` is what the draft saw.
pub(crate) fn stays(of: &Column) -> String {
    same(of, &plain("b", of), &column("f", &of.name))
}

/// The base has the draft's value already.
pub(crate) fn agrees(of: &Column) -> String {
    same(of, &column("b", &of.name), &column("h", &of.name))
}

/// The draft's change of a column can be applied to the base `b`.
pub(crate) fn merges(own: &Own<'_>, of: &Column) -> String {
    format!("{} OR {}", as_seen(own, of), agrees(of))
}

/// The same, and it is the draft that changes it: where others made the same change, it is theirs,
/// and an undo of the commit leaves it.
fn as_seen(own: &Own<'_>, of: &Column) -> String {
    let mut out = stays(of);
    if own.is_delta(&of.name) {
        let known = ["b", "f", "h"].map(|alias| format!("{} IS NOT NULL", column(alias, &of.name)));
        let _ = write!(out, " OR {}", known.join(" AND "));
    }
    out
}

/// What a changed column becomes: the draft's value, or the base's with the draft's difference.
pub(crate) fn merged(own: &Own<'_>, of: &Column) -> String {
    let value = column("h", &of.name);
    if !own.is_delta(&of.name) {
        return value;
    }
    let (now, then) = (column("b", &of.name), column("f", &of.name));
    format!("coalesce({now} + ({value} - {then}), {value})")
}

fn changed_array(own: &Own<'_>) -> String {
    let parts: Vec<String> = own
        .draft
        .relation
        .writable()
        .map(|c| format!("CASE WHEN {} THEN {} END", ours(c), quote_literal(&c.name)))
        .collect();
    format!("array_remove(ARRAY[{}]::text[], NULL)", parts.join(", "))
}
