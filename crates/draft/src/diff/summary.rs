//! A diff in few lines: how many rows of each kind, and which values became which.

use catalog::{Column, SessionId, quote_literal};

use super::{Filter, Hidden, Images, Kind, SHORT_TYPES, is_key, json};
use crate::Draft;
use crate::text::{column, filled};

/// Values of more characters are shortened before they are counted.
const VALUE_CHARS_MAX: usize = 100;

/// Outliers of a column that are shown one by one.
const OUTLIERS_MAX: usize = 20;

/// `int2`, `int4`, `int8`, `float4`, `float8`, `numeric`.
const NUMBERS: [u32; 6] = [21, 23, 20, 700, 701, 1700];

/// The summary of one table. Columns: `diff_type` text, `what` text, `column_name` text,
/// `from_value` text, `to_value` text, `difference` text, `rows` bigint, `changes` bigint (how many
/// different changes of the value the line stands for), `primary_key` text (of one such row).
///
/// `what` is `rows` (a count of the kind, first), `cluster` (a change that at least a twentieth of
/// the column's changed rows share, or one of at most five), `outlier` (one of the few where
/// clusters hold nine tenths) or `others`. Numbers of which nine tenths moved by the same difference,
/// and those that no cluster holds, are clustered by their difference. Of added and removed rows only what many share is told.
pub fn summary(draft: &Draft<'_>, sid: SessionId, filter: &Filter) -> String {
    let sid = sid.0.to_string();
    let images = Images::of(draft, &sid, filter);
    let cells: Vec<String> = draft
        .relation
        .writable()
        .enumerate()
        .map(|(place, c)| cell(draft, &images, place + 1, c))
        .collect();
    let numbers = numbers(draft);
    let key = json(
        draft.relation.writable().filter(|c| is_key(draft, c)),
        |c| column(images.key, &c.name),
    );
    let (with, comma) = if images.with.is_empty() {
        ("WITH ", "")
    } else {
        (images.with.trim_end(), ",\n")
    };
    format!(
        "{with}{comma}d AS MATERIALIZED (SELECT {kind} AS diff_type, k.key, c.* FROM {from} CROSS JOIN LATERAL (SELECT {key}::text COLLATE \"C\" AS key OFFSET 0) k CROSS JOIN LATERAL (SELECT 0 AS place, NULL::text COLLATE \"C\" AS name, NULL::text COLLATE \"C\" AS f, NULL::text COLLATE \"C\" AS t, NULL::text COLLATE \"C\" AS delta{cells}) c WHERE {which}{hidden}),
g AS (SELECT diff_type, place, name, f, t, delta, count(*)::int AS n, min(key) AS key FROM d WHERE place > 0 GROUP BY 1, 2, 3, 4, 5, 6),
s AS (SELECT diff_type, place, sum(n) AS total, count(*) AS changes FROM g GROUP BY 1, 2),
l AS (SELECT diff_type, place, delta, sum(n) AS alike FROM g WHERE delta IS NOT NULL GROUP BY 1, 2, 3),
m AS (SELECT g.*, total, changes, n > 1 AND n * 20::bigint >= total AS big, alike FROM g JOIN s USING (diff_type, place) LEFT JOIN l USING (diff_type, place, delta)),
c AS (SELECT diff_type, place, coalesce(sum(n) FILTER (WHERE big), 0) AS in_clusters, max(alike) AS alike_most FROM m GROUP BY 1, 2),
k AS (SELECT m.*, in_clusters * 10 >= total * 9 AS clear, coalesce(changes > 1 AND alike_most * 10 >= total * 9, false) AS moved, alike = alike_most AS most FROM m JOIN c USING (diff_type, place)),
v AS (SELECT k.*, CASE
        WHEN diff_type <> 'modified' THEN CASE WHEN big AND changes * 2 <= total THEN 'cluster' END
        WHEN moved AND most THEN 'others'
        WHEN moved THEN 'outlier'
        WHEN big OR changes <= 5 AND NOT clear THEN 'cluster'
        WHEN clear THEN 'outlier'
        ELSE 'others' END AS may FROM k),
w AS (SELECT v.*, may AS what FROM v WHERE may <> 'outlier'
    UNION ALL SELECT v.*, CASE WHEN row_number() OVER (PARTITION BY place ORDER BY n, key) <= {OUTLIERS_MAX} THEN 'outlier' ELSE 'others' END FROM v WHERE may = 'outlier'),
o AS (SELECT w.*, coalesce(delta IS NOT NULL AND sum(n) OVER alike > 1 AND sum(n) OVER alike * 20 >= total, false) AS together FROM w WHERE what = 'others' WINDOW alike AS (PARTITION BY diff_type, place, delta))
SELECT q.diff_type, q.what, q.name AS column_name, q.f AS from_value, q.t AS to_value, q.delta AS difference, q.n::bigint AS rows, q.changes::bigint AS changes, q.key AS primary_key
FROM (SELECT diff_type, 0 AS place, 'rows' AS what, NULL AS name, NULL AS f, NULL AS t, NULL AS delta, count(*) AS n, NULL::bigint AS changes, NULL AS key FROM d WHERE place = 0 GROUP BY diff_type
UNION ALL SELECT diff_type, place, what, name, f, t, NULL, n, 1, key FROM w WHERE what IN ('cluster', 'outlier')
UNION ALL SELECT diff_type, place, 'cluster', name, NULL, NULL, {one_delta}, sum(n), count(*), min(key) FROM o WHERE together GROUP BY diff_type, place, name, delta
UNION ALL SELECT diff_type, place, 'others', name, {all_from}, {all_to}, {all_delta}, n, changes, key
FROM (SELECT diff_type, place, name, sum(n) AS n, count(*) AS changes, min(key) AS key{bounds} FROM o WHERE NOT together GROUP BY diff_type, place, name) r) q
ORDER BY q.place > 0, q.diff_type, q.place, q.what = 'others', q.what = 'outlier', q.n DESC, q.f, q.t, q.key",
        kind = images.kind(),
        from = images.from,
        cells = cells.concat(),
        which = images.which(filter),
        hidden = hidden(draft, &sid, filter),
        one_delta = signed("delta"),
        all_from = range("f", str::to_owned),
        all_to = range("t", str::to_owned),
        all_delta = range("delta", signed),
        bounds = ["f", "t", "delta"].map(|value| bounds(value, &numbers)).concat(),
    )
}

/// A difference with its sign.
fn signed(delta: &str) -> String {
    format!("CASE WHEN {delta} LIKE '-%' THEN {delta} ELSE '+' || {delta} END")
}

/// `, … AS f_low, … AS f_high`: the smallest and the largest of many values; those of `numbers`, which are
/// places of columns, by what they are, and not at all where one of them was shortened.
fn bounds(value: &str, numbers: &str) -> String {
    let whole = format!("{value} NOT LIKE '%…%'");
    [("min", "low"), ("max", "high")]
        .map(|(most, name)| {
            format!(
                ", CASE WHEN place NOT IN ({numbers}) THEN {most}({value}) WHEN bool_and({whole}) THEN {most}(CASE WHEN place IN ({numbers}) AND {whole} THEN {value}::numeric END)::text END AS {value}_{name}"
            )
        })
        .concat()
}

/// `1 … 99`, or the one value.
fn range(value: &str, shown: impl Fn(&str) -> String) -> String {
    let (low, high) = (format!("{value}_low"), format!("{value}_high"));
    format!(
        "CASE WHEN {low} = {high} THEN {} ELSE {0} || ' … ' || {} END",
        shown(&low),
        shown(&high)
    )
}

/// Rows of a truncated base are counted.
fn hidden(draft: &Draft<'_>, sid: &str, filter: &Filter) -> String {
    if filter.kind.is_some_and(|kind| kind != Kind::Removed) {
        return String::new();
    }
    let hidden = Hidden::of(draft, sid, filter);
    format!(
        " UNION ALL SELECT 'removed', NULL, 0, NULL, NULL, NULL, NULL FROM {} WHERE {}",
        hidden.from, hidden.which
    )
}

/// One column of a row, if it is told: its place, its name, its values, their difference. As parts of
/// a UNION, because PostgreSQL prepares the expressions of VALUES anew for each row (it cost half of
/// the summary); the values compared as bytes, because the database's collation cost a third.
fn cell(draft: &Draft<'_>, images: &Images<'_, '_>, place: usize, of: &Column) -> String {
    let (before, after) = (images.before(of), images.after(of));
    let delta = if is_number(of) {
        format!(
            "CASE WHEN x.before AND x.after THEN nullif(nullif(({after})::numeric - ({before})::numeric, 0), 'NaN')::text END"
        )
    } else {
        "NULL".to_owned()
    };
    let alone = if is_key(draft, of) {
        "false".to_owned()
    } else {
        format!(
            "CASE WHEN x.before THEN {} ELSE {} END",
            filled(&format!("({before})")),
            filled(&format!("({after})"))
        )
    };
    format!(
        " UNION ALL SELECT {place}, {}, CASE WHEN x.before THEN {} END, CASE WHEN x.after THEN {} END, {delta} WHERE CASE WHEN x.before AND x.after THEN {} ELSE {alone} END",
        quote_literal(&of.name),
        short(&before, of),
        short(&after, of),
        images.differs(of),
    )
}

/// The places of a table's numbers, `1, 4`; 0 is the place of no column.
fn numbers(draft: &Draft<'_>) -> String {
    let places = draft.relation.writable().zip(1..);
    let numbers = places.filter(|(column, _)| is_number(column));
    std::iter::once("0".to_owned())
        .chain(numbers.map(|(_, place)| place.to_string()))
        .collect::<Vec<_>>()
        .join(", ")
}

fn is_number(column: &Column) -> bool {
    NUMBERS.contains(&column.type_id) && column.base_type.is_none()
}

fn short(value: &str, of: &Column) -> String {
    let text = format!("({value})::text");
    if SHORT_TYPES.contains(&of.type_id) {
        return text;
    }
    format!(
        "CASE WHEN length({text}) > {VALUE_CHARS_MAX} THEN left({text}, {VALUE_CHARS_MAX}) || '… (' || length({text}) || ' characters)' ELSE {text} END"
    )
}
