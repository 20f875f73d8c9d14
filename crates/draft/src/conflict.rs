//! What production did to the rows of a draft since the draft first touched them, as far as the two
//! cannot be merged: three ways, column by column, by identity.

use std::sync::Arc;

use catalog::{
    Column, ForeignKey, ReferentialAction, Relation, RelationId, SessionId, quote_literal,
};

use crate::apply::{merges, ours, stays};
use crate::keys::{Elements, merged_row};
use crate::rebase::Target;
use crate::text::{
    EQUAL, as_json, column, columns, differ, equal, filled, head_table, key_columns, object,
    operator, plain, reference_operators, referring, same, same_base, same_key, shown_key,
    truncated,
};
use crate::{Draft, Own};

/// Columns of every query of this module, in this order: `key` (as PostgreSQL's details have it),
/// `primary_key` (JSON), `kind`, `name` (of a column or constraint), `base`, `ours`, `theirs` (JSON),
/// `changed_by` (text); then `total` bigint, the rows without the limit.
const COLUMNS: &str =
    "key, primary_key, kind, name, base, ours, theirs, changed_by, count(*) OVER () AS total";

/// Conflicts of one table: what they are about and the query that finds them.
#[derive(Debug)]
pub struct Query<'a> {
    /// The table whose rows are listed.
    pub relation: &'a Relation,
    /// Its rows have the columns that a conflict is told in.
    pub text: String,
}

/// Locks base rows of a draft in key order until the transaction ends; one count comes back. Where
/// other tables follow by CASCADE, SET NULL or SET DEFAULT, so that nobody can refer to the rows any
/// more.
pub fn lock(own: &Own<'_>, removed_only: bool) -> String {
    let draft = own.draft;
    let strength = if followed(draft.relation) {
        "UPDATE"
    } else {
        "NO KEY UPDATE"
    };
    let which = if removed_only {
        " AND NOT h.pgdraft_live"
    } else {
        ""
    };
    format!(
        "SELECT count(*) FROM (SELECT FROM {} b JOIN {} h ON h.pgdraft_sid = {} AND NOT h.pgdraft_new{which} AND {} ORDER BY {} FOR {strength} OF b) q",
        draft.relation.only(),
        draft.table(),
        own.sid.0,
        same_base(draft.relation, "b", "h"),
        columns("h", key_columns(draft.relation)),
    )
}

/// A removal or key change of this table takes rows of others along.
pub fn followed(relation: &Relation) -> bool {
    relation
        .referenced_by
        .iter()
        .any(|key| acts(key.on_delete) || acts(key.on_update))
}

/// A change of a key that is no removal takes rows of others along.
pub fn followed_on_update(relation: &Relation) -> bool {
    relation.referenced_by.iter().any(|key| acts(key.on_update))
}

/// Every query that finds conflicts of this table's draft.
pub fn all<'a>(own: &Own<'a>, rows_max: usize) -> Vec<Query<'a>> {
    let relation = own.draft.relation;
    let mut all: Vec<Query<'a>> = std::iter::once(rows(own, rows_max))
        .chain(forbidden(own, rows_max))
        .map(|text| Query { relation, text })
        .collect();
    all.extend(followers(own, rows_max, false));
    all
}

/// Rows of the draft that a constraint forbids beside production's: queries with [`COLUMNS`].
pub(crate) fn forbidden(own: &Own<'_>, rows_max: usize) -> Vec<String> {
    let relation = own.draft.relation;
    let mut texts: Vec<String> = Elements::all(relation)
        .map(|of| taken(own, &of, rows_max))
        .collect();
    texts.extend(
        relation
            .foreign_keys
            .iter()
            .filter_map(|key| orphans(own, key, rows_max)),
    );
    texts.extend(unchecked(own, rows_max));
    texts
}

/// Rows that production and the draft changed, each in its own way.
fn rows(own: &Own<'_>, rows_max: usize) -> String {
    let (draft, relation) = (own.draft, own.draft.relation);
    let key = key_columns(relation);
    let there = |alias| there(relation, alias);
    let stored: Vec<&Column> = relation.writable().collect();
    let moved = join_or(stored.iter().map(|c| format!("NOT ({})", stays(c))));
    let branches = branches(own);
    format!(
        "WITH f AS ({first})
SELECT {COLUMNS} FROM (
SELECT {text} AS key, {primary}::text AS primary_key, x.kind, x.name, x.base::text, x.ours::text, x.theirs::text, x.changed_by, {order}
FROM {head} h LEFT JOIN f ON {first_same} LEFT JOIN {base} b ON {base_same}
CROSS JOIN LATERAL ({branches}) x (kind, name, base, ours, theirs, changed_by)
WHERE h.pgdraft_sid = {sid} AND NOT (h.pgdraft_new AND {truncated})
    AND CASE WHEN h.pgdraft_new THEN h.pgdraft_live AND {b} WHEN {b} THEN {moved} ELSE h.pgdraft_live END) q
ORDER BY {sort}, name NULLS FIRST LIMIT {rows_max}",
        first = own.first(),
        text = key_text("h", key),
        primary = object("h", key),
        order = crate::text::aliased("h", key, "pgdraft_k"),
        head = draft.table(),
        first_same = same_key(relation, "f", "h"),
        base = relation.only(),
        base_same = same_base(relation, "b", "h"),
        branches = branches.join("\nUNION ALL "),
        sid = own.sid.0,
        truncated = truncated(draft.id, &own.sid.0.to_string()),
        b = there("b"),
        sort = (1..=key.len()).map(|i| format!("pgdraft_k{i}")).collect::<Vec<_>>().join(", "),
    )
}

/// The kinds of conflict that one row can have, as SELECTs of `kind`, `name`, `base`, `ours`,
/// `theirs`, `changed_by` over `h`, `f` and `b`.
fn branches(own: &Own<'_>) -> Vec<String> {
    let relation = own.draft.relation;
    let stored: Vec<&Column> = relation.writable().collect();
    let there = |alias| there(relation, alias);
    let image = |alias| object(alias, stored.iter().map(|c| &c.name));
    let moved = join_or(stored.iter().map(|c| format!("NOT ({})", stays(c))));
    let changed = join_or(stored.iter().map(|c| ours(c)));
    let mut branches: Vec<String> = stored
        .iter()
        .map(|c| {
            let json = |alias| as_json(&column(alias, &c.name), c);
            format!(
                "SELECT 'both modified', {}, {}, {}, {}, {} WHERE h.pgdraft_live AND NOT h.pgdraft_new AND {} AND {} AND NOT ({})",
                quote_literal(&c.name), json("f"), json("h"), json("b"),
                changed_by(own, &sets(own, c), &same(c, &column("z", &c.name), &column("b", &c.name))),
                there("b"), ours(c), merges(own, c)
            )
        })
        .collect();
    let whole: Vec<String> = stored
        .iter()
        .map(|c| same(c, &column("z", &c.name), &column("b", &c.name)))
        .collect();
    let as_it_is = format!("z.pgdraft_live AND {}", whole.join(" AND "));
    let by_image = changed_by(own, "", &as_it_is);
    branches.push(format!(
        "SELECT 'deleted by us', NULL, {}, NULL, {}, {by_image} WHERE NOT h.pgdraft_live AND NOT h.pgdraft_new AND {} AND ({moved})",
        image("f"), image("b"), there("b")
    ));
    branches.push(format!(
        "SELECT 'deleted by them', NULL, {}, {}, NULL, {} WHERE h.pgdraft_live AND NOT h.pgdraft_new AND NOT ({}) AND ({changed})",
        image("f"), image("h"), changed_by(own, "", "NOT z.pgdraft_live"), there("b")
    ));
    branches.push(format!(
        "SELECT 'both added', NULL, NULL, {}, {}, {by_image} WHERE h.pgdraft_live AND h.pgdraft_new AND {}",
        image("h"), image("b"), there("b")
    ));
    branches
}

/// ` AND …`: the commit of `z` changed the column.
fn sets(own: &Own<'_>, of: &Column) -> String {
    format!(
        " AND (SELECT l.pgdraft_kind = 'I' OR {} FROM {} l WHERE l.pgdraft_sid = z.pgdraft_sid AND {} ORDER BY l.pgdraft_op LIMIT 1)",
        differ(of, &plain("z", of), &column("l", &of.name)),
        own.draft.log(),
        same_key(own.draft.relation, "l", "z"),
    )
}

/// The last commit of the row, or of those that are `such`, where it left production's row as it is,
/// was one of ours and is remembered.
fn changed_by(own: &Own<'_>, such: &str, matches: &str) -> String {
    format!(
        "(SELECT CASE WHEN {matches} THEN pg_catalog.concat('session \"', s.name, '\", committed by ', s.ended_by, ' at ', s.ended_at) END FROM pgdraft.touched t JOIN pgdraft.sessions s ON s.sid = t.sid AND s.applied IS NOT NULL JOIN {} z ON z.pgdraft_sid = s.sid AND {} WHERE t.table_id = {} AND s.sid <> {}{such} ORDER BY s.ended_at DESC LIMIT 1)",
        own.draft.table(),
        same_key(own.draft.relation, "z", "h"),
        own.draft.id.0,
        own.sid.0
    )
}

/// Rows of a truncated table that the truncation did not know: they appeared or changed since. One
/// of a table without a key is called by its place.
pub fn appeared(draft: &Draft<'_>, sid: SessionId, rows_max: usize) -> String {
    let relation = draft.relation;
    let place = ["ctid".to_owned()];
    let key = relation.key().map_or(&place[..], |_| key_columns(relation));
    format!(
        "SELECT {COLUMNS} FROM (SELECT {text} AS key, {primary}::text AS primary_key, 'truncated by us' AS kind, NULL::text AS name, NULL::text AS base, NULL::text AS ours, {image}::text AS theirs, NULL::text AS changed_by, {order}
FROM (SELECT x.horizon, x.running FROM pgdraft.truncations x WHERE x.sid = {sid} AND x.table_id = {id} ORDER BY x.op LIMIT 1) x
JOIN {base} b ON pgdraft.appeared(b.xmin, x.horizon, x.running)
WHERE NOT EXISTS (SELECT FROM {head} h WHERE h.pgdraft_sid = {sid} AND NOT h.pgdraft_new AND {same})) q
ORDER BY {sort} LIMIT {rows_max}",
        text = key_text("b", key),
        primary = object("b", key),
        image = object("b", relation.writable().map(|c| &c.name)),
        order = crate::text::aliased("b", key, "pgdraft_k"),
        sid = sid.0,
        id = draft.id.0,
        base = relation.only(),
        head = draft.table(),
        same = same_base(relation, "h", "b"),
        sort = (1..=key.len()).map(|i| format!("pgdraft_k{i}")).collect::<Vec<_>>().join(", "),
    )
}

/// Rows of production that refer to a row whose removal or key change the draft has, and that the
/// draft does not know: they appeared since. By CASCADE, SET NULL or SET DEFAULT they would be taken
/// along unseen (`acting`); else PostgreSQL refuses.
pub fn followers<'a>(own: &Own<'a>, rows_max: usize, acting: bool) -> Vec<Query<'a>> {
    let relation = own.draft.relation;
    relation
        .referenced_by
        .iter()
        .filter(|key| !acting || acts(key.on_delete) || acts(key.on_update))
        .filter_map(|key| {
            let child = own.draft.relation(key.child)?;
            let text = followers_by(own, rows_max, (key, child), "");
            Some(Query {
                relation: child,
                text,
            })
        })
        .collect()
}

/// Rows of the draft, as JSON objects of their keys, that such rows refer to: those of the table, if
/// one is named, and of the target.
pub(crate) fn followed_by(
    own: &Own<'_>,
    rows_max: usize,
    (table, target): (Option<RelationId>, &Target<'_>),
) -> Vec<String> {
    let relation = own.draft.relation;
    let of_table = |key: &&Arc<ForeignKey>| table.is_none_or(|id| id == key.child);
    relation
        .referenced_by
        .iter()
        .filter(of_table)
        .filter_map(|key| {
            let child = own.draft.relation(key.child)?;
            let such = target.rows_of(child, "c");
            let text = followers_by(own, rows_max, (key, child), &such);
            Some(format!("SELECT q.ours::jsonb FROM ({text}) q"))
        })
        .collect()
}

/// `such`: ` AND …` of the row `c`.
fn followers_by(
    own: &Own<'_>,
    rows_max: usize,
    (key, child): (&ForeignKey, &Relation),
    such: &str,
) -> String {
    let (draft, relation) = (own.draft, own.draft.relation);
    let parent: Vec<&Column> = key
        .parent_columns
        .iter()
        .filter_map(|name| relation.column(name))
        .collect();
    let gone = join_or(
        std::iter::once("NOT h.pgdraft_live".to_owned()).chain(parent.iter().map(|c| ours(c))),
    );
    let operators = reference_operators(Some(relation), key);
    let refers: Vec<String> = operators
        .iter()
        .zip(key.parent_columns.iter().zip(&key.child_columns))
        .map(|(op, (p, c))| {
            equal(
                op,
                &column("f", p),
                &referring((relation, p), (child, c), "c"),
            )
        })
        .collect();
    // another row of the draft may have taken the key over
    let kept: Vec<String> = operators
        .iter()
        .zip(key.parent_columns.iter().zip(&key.child_columns))
        .map(|(op, (p, c))| {
            equal(
                op,
                &column("y", p),
                &referring((relation, p), (child, c), "c"),
            )
        })
        .collect();
    let taken_over = if acts(key.on_delete) || acts(key.on_update) {
        String::new()
    } else {
        format!(
            " AND NOT EXISTS (SELECT FROM {} y WHERE y.pgdraft_sid = {} AND y.pgdraft_live AND {})",
            draft.table(),
            own.sid.0,
            kept.join(" AND ")
        )
    };
    let shown = match shown_key(child) {
        [] => key.child_columns.as_slice(),
        primary => primary,
    };
    format!(
        "WITH f AS ({})
SELECT {COLUMNS} FROM (SELECT {} AS key, {}::text AS primary_key, 'foreign key' AS kind, {}::text AS name, NULL::text AS base, {}::text AS ours, {}::text AS theirs, NULL::text AS changed_by
FROM {} h JOIN f ON {} JOIN {} c ON {}
WHERE h.pgdraft_sid = {} AND NOT h.pgdraft_new AND ({gone}){}{}{taken_over}{such}
ORDER BY {}) q LIMIT {rows_max}",
        own.first(),
        key_text("c", shown),
        object("c", shown),
        quote_literal(&key.name),
        object("h", key_columns(relation)),
        object("c", child.writable().map(|c| &c.name)),
        draft.table(),
        same_key(relation, "f", "h"),
        child.only(),
        refers.join(" AND "),
        own.sid.0,
        crate::rekey::goes_for(own, key),
        unknown(own, child, "c"),
        columns("c", shown),
    )
}

/// Rows of the draft that have a unique key which another row has too when both are merged, or that an
/// exclusion constraint forbids beside it.
fn taken(own: &Own<'_>, of: &Elements<'_>, rows_max: usize) -> String {
    let (draft, relation, key) = (own.draft, own.draft.relation, of.key);
    let keys = key_columns(relation);
    let theirs = object("b", relation.writable().map(|c| &c.name));
    let ours = match key.columns.as_slice() {
        [] => object("h", relation.writable().map(|c| &c.name)),
        columns => object("h", columns),
    };
    let same_row = keys.iter().enumerate().map(|(i, name)| {
        let operator = relation.key().map_or(EQUAL, |key| operator(key, i));
        equal(
            operator,
            &column("h", name),
            &format!("t.pgdraft_k{}", i + 1),
        )
    });
    format!(
        "WITH f AS ({first}),
{taken}
SELECT {COLUMNS} FROM (SELECT {text} AS key, {primary}::text AS primary_key, {kind}::text AS kind, {name}::text AS name, NULL::text AS base, {ours}::text AS ours, t.pgdraft_theirs::text AS theirs, NULL::text AS changed_by
FROM t JOIN {head} h ON h.pgdraft_sid = {sid} AND {same_row}
ORDER BY {order}) q LIMIT {rows_max}",
        first = own.first(),
        taken = of.taken(own, &theirs, &unknown(own, relation, "b")),
        text = key_text("h", keys),
        primary = object("h", keys),
        kind = quote_literal(if of.excludes { "exclusion" } else { "unique" }),
        name = quote_literal(&key.name),
        head = draft.table(),
        sid = own.sid.0,
        same_row = same_row.collect::<Vec<_>>().join(" AND "),
        order = columns("h", keys),
    )
}

/// Rows of the draft that refer to a row which production has removed meanwhile.
fn orphans(own: &Own<'_>, key: &ForeignKey, rows_max: usize) -> Option<String> {
    let (draft, relation) = (own.draft, own.draft.relation);
    let parent = draft.relation(key.parent)?;
    let refers = |alias: &str| -> String {
        let parts: Vec<String> = reference_operators(Some(parent), key)
            .iter()
            .zip(key.parent_columns.iter().zip(&key.child_columns))
            .map(|(op, (p, c))| {
                equal(
                    op,
                    &column(alias, p),
                    &referring((parent, p), (relation, c), "h"),
                )
            })
            .collect();
        parts.join(" AND ")
    };
    let full: String = key
        .child_columns
        .iter()
        .map(|c| format!(" AND {}", filled(&column("h", c))))
        .collect();
    let changed = join_or(
        key.child_columns
            .iter()
            .filter_map(|name| relation.column(name))
            .map(ours),
    );
    let drafted = draft.heads.get(&parent.id).map(|id| {
        format!(
            " AND NOT EXISTS (SELECT FROM {} y WHERE y.pgdraft_sid = {} AND y.pgdraft_live AND {})",
            head_table(*id),
            own.sid.0,
            refers("y")
        )
    });
    Some(format!(
        "WITH f AS ({first})
SELECT {COLUMNS} FROM (SELECT {text} AS key, {primary}::text AS primary_key, 'foreign key' AS kind, {name}::text AS name, NULL::text AS base, {ours}::text AS ours, NULL::text AS theirs, NULL::text AS changed_by
FROM {head} h LEFT JOIN f ON {first_same}
WHERE h.pgdraft_sid = {sid} AND h.pgdraft_live AND (h.pgdraft_new OR {changed}){full}
    AND NOT EXISTS (SELECT FROM {parent} p WHERE {refers}{unknown}){drafted}
ORDER BY {order}) q LIMIT {rows_max}",
        first = own.first(),
        text = key_text("h", key_columns(relation)),
        primary = object("h", key_columns(relation)),
        name = quote_literal(&key.name),
        ours = object("h", &key.child_columns),
        head = draft.table(),
        first_same = same_key(relation, "f", "h"),
        sid = own.sid.0,
        parent = parent.only(),
        refers = refers("p"),
        unknown = unknown(own, parent, "p"),
        drafted = drafted.unwrap_or_default(),
        order = columns("h", key_columns(relation)),
    ))
}

/// Rows that NOT NULL or a CHECK forbids, or that have no partition: these hold in the draft and in
/// production, and not when the two are merged; or production has them only since the draft's rows were
/// written, and its head has them for new rows only.
pub(crate) fn unchecked(own: &Own<'_>, rows_max: usize) -> Option<String> {
    let (draft, relation) = (own.draft, own.draft.relation);
    let demands: Vec<String> = relation
        .demands()
        .iter()
        .map(|demand| {
            let (kind, name) = (quote_literal(demand.kind), quote_literal(demand.name));
            format!("({kind}, {name}, {})", demand.holds)
        })
        .collect();
    if demands.is_empty() {
        return None;
    }
    let moved = join_or(relation.writable().map(|c| format!("NOT ({})", stays(c))));
    let image = |alias| object(alias, relation.writable().map(|c| &c.name));
    let before = |alias| format!("CASE WHEN NOT h.pgdraft_new THEN {} END", image(alias));
    Some(format!(
        "WITH f AS ({first}), late AS MATERIALIZED (SELECT FROM pg_catalog.pg_constraint p WHERE p.conrelid = {head_name}::pg_catalog.regclass AND NOT p.convalidated)
SELECT {COLUMNS} FROM (SELECT {text} AS key, {primary}::text AS primary_key, x.kind, x.name, {base_row}::text AS base, {our_row}::text AS ours, {their_row}::text AS theirs, NULL::text AS changed_by
FROM {head} h LEFT JOIN f ON {first_same} LEFT JOIN {base} b ON {base_same}
CROSS JOIN LATERAL (SELECT d.* FROM ({values}) AS {name} CROSS JOIN LATERAL (VALUES {demands}) d (kind, name, pgdraft_kept)) x
WHERE h.pgdraft_sid = {sid} AND h.pgdraft_live
    AND (h.pgdraft_new AND EXISTS (SELECT FROM late) OR NOT h.pgdraft_new AND {there} AND ({moved} OR EXISTS (SELECT FROM late)))
    AND NOT x.pgdraft_kept
ORDER BY {order}, x.kind DESC, x.name) q LIMIT {rows_max}",
        first = own.first(),
        head_name = quote_literal(&draft.table()),
        text = key_text("h", key_columns(relation)),
        primary = object("h", key_columns(relation)),
        base_row = before("f"),
        our_row = image("h"),
        their_row = before("b"),
        head = draft.table(),
        first_same = same_key(relation, "f", "h"),
        base = relation.only(),
        base_same = same_base(relation, "b", "h"),
        values = merged_row(own),
        name = catalog::quote_identifier(&relation.name),
        demands = demands.join(", "),
        sid = own.sid.0,
        there = there(relation, "b"),
        order = columns("h", key_columns(relation)),
    ))
}

/// The row is there.
pub(crate) fn there(relation: &Relation, alias: &str) -> String {
    let key = key_columns(relation).first();
    let known = key.filter(|name| relation.column(name).is_some());
    let first = known.or(relation.columns.first().map(|c| &c.name));
    first.map_or_else(|| "false".to_owned(), |name| filled(&column(alias, name)))
}

/// ` AND NOT EXISTS (…)`: the draft neither changes nor hides the base row `alias`.
fn unknown(own: &Own<'_>, relation: &Relation, alias: &str) -> String {
    let Some(id) = own.draft.head_of(relation) else {
        return String::new();
    };
    format!(
        " AND NOT EXISTS (SELECT FROM {} z WHERE z.pgdraft_sid = {} AND {}) AND NOT {}",
        head_table(id),
        own.sid.0,
        same_base(relation, "z", alias),
        truncated(id, &own.sid.0.to_string())
    )
}

/// `a OR b`; false where there is nothing.
fn join_or(parts: impl IntoIterator<Item = String>) -> String {
    let parts: Vec<String> = parts.into_iter().collect();
    if parts.is_empty() {
        return "false".to_owned();
    }
    format!("({})", parts.join(" OR "))
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

/// Columns `c` whose value the draft and the base have apart; for [`crate::rebase`].
pub(crate) fn clash(own: &Own<'_>, c: &Column) -> String {
    format!("({} AND NOT ({}))", ours(c), merges(own, c))
}

/// The base `b` is not what the draft saw, in any column.
pub(crate) fn moved(own: &Own<'_>) -> String {
    join_or(
        own.draft
            .relation
            .writable()
            .map(|c| differ(c, &plain("b", c), &column("f", &c.name))),
    )
}
