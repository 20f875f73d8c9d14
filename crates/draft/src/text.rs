//! Small pieces of SQL text. Every name is quoted.

use std::sync::LazyLock;

use catalog::{
    Column, DraftTableId, ForeignKey, Key, ROW_COLUMN, Relation, quote_identifier, quote_literal,
};

/// The operator where none is known; all built-in types have it.
pub(crate) const EQUAL: &str = "pg_catalog.=";

/// Identity of two rows: by the bytes of every value, so that nothing that changed is hidden
/// (a nondeterministic collation or `-0` = `0` would) and no type needs an equality (json has none).
pub(crate) const NOT_IDENTICAL: &str = "OPERATOR(pg_catalog.*<>)";

/// `d7`.
pub(crate) fn short_name(id: DraftTableId) -> String {
    format!("d{}", id.0)
}

/// `pgdraft.d7`.
pub(crate) fn head_table(id: DraftTableId) -> String {
    format!("pgdraft.d{}", id.0)
}

/// `pgdraft.d7_log`.
pub(crate) fn log_table(id: DraftTableId) -> String {
    format!("pgdraft.d{}_log", id.0)
}

/// `n."id"`.
pub(crate) fn column(alias: &str, name: &str) -> String {
    format!("{alias}.{}", quote_identifier(name))
}

/// `n."id", n."name"`; without the alias where it is empty.
pub(crate) fn columns<S: AsRef<str>>(alias: &str, names: impl IntoIterator<Item = S>) -> String {
    join(", ", names, |name| {
        if alias.is_empty() {
            quote_identifier(name)
        } else {
            column(alias, name)
        }
    })
}

/// Each item through `text`, put together with `separator`.
pub(crate) fn join<S: AsRef<str>>(
    separator: &str,
    items: impl IntoIterator<Item = S>,
    text: impl Fn(&str) -> String,
) -> String {
    let parts: Vec<String> = items.into_iter().map(|i| text(i.as_ref())).collect();
    parts.join(separator)
}

/// Columns of a head that tell its rows apart: the base's key, or the head's own number of the row
/// where the base has none.
pub(crate) fn key_columns(relation: &Relation) -> &[String] {
    static ROW: LazyLock<[String; 1]> = LazyLock::new(|| [ROW_COLUMN.to_owned()]);
    relation
        .key()
        .map_or(ROW.as_slice(), |key| key.columns.as_slice())
}

/// The base's key as people see it; empty where it has none.
pub(crate) fn shown_key(relation: &Relation) -> &[String] {
    relation.key().map_or(&[], |key| key.columns.as_slice())
}

/// Names of the columns a write stores.
pub(crate) fn writable(relation: &Relation) -> Vec<&str> {
    relation.writable().map(|c| c.name.as_str()).collect()
}

/// `a OPERATOR(pg_catalog.=) b`: the type's own equality, whatever the search path says.
pub(crate) fn equal(operator: &str, left: &str, right: &str) -> String {
    format!("{left} OPERATOR({operator}) {right}")
}

/// The value of a column that refers to one of `parent`.
pub(crate) fn referring(
    parent: (&Relation, &str),
    child: (&Relation, &str),
    alias: &str,
) -> String {
    column(alias, child.1) + &collated(parent, child)
}

/// ` COLLATE …` behind such a value: PostgreSQL compares by the collation of the column that is referred to
/// (ri_triggers.c), and where the two differ nothing else says which it is.
pub(crate) fn collated(parent: (&Relation, &str), child: (&Relation, &str)) -> String {
    let collation = |(relation, name): (&Relation, &str)| {
        let column = relation.column(name)?;
        column.collation.clone()
    };
    let wanted = collation(parent);
    if wanted == collation(child) {
        return String::new();
    }
    let wanted = wanted.unwrap_or_else(|| "pg_catalog.\"default\"".to_owned());
    format!(" COLLATE {wanted}")
}

/// Equality of two elements of a unique key.
pub(crate) fn equal_in(key: &Key, place: usize, left: &str, right: &str) -> String {
    key.same(equal(operator(key, place), left, right), left, right)
}

/// Equality of two rows of a head or log by the key.
pub(crate) fn same_key(relation: &Relation, left: &str, right: &str) -> String {
    let parts: Vec<String> = key_columns(relation)
        .iter()
        .enumerate()
        .map(|(i, name)| {
            let op = relation.key().map_or(EQUAL, |key| operator(key, i));
            equal(op, &column(left, name), &column(right, name))
        })
        .collect();
    parts.join(" AND ")
}

/// Equality of two rows of which one is the base's. A row of a table without a key is never the
/// same as another.
pub(crate) fn same_base(relation: &Relation, left: &str, right: &str) -> String {
    match relation.key() {
        Some(_) => same_key(relation, left, right),
        None => "false".into(),
    }
}

/// The equality of a key's column by place.
pub(crate) fn operator(key: &Key, place: usize) -> &str {
    key.operators.get(place).map_or(EQUAL, String::as_str)
}

/// The equalities by which a foreign key's columns match its parent's, in the key's order.
pub(crate) fn reference_operators<'a>(
    parent: Option<&'a Relation>,
    key: &ForeignKey,
) -> Vec<&'a str> {
    key.parent_columns
        .iter()
        .map(|name| {
            let parent = parent?;
            parent
                .primary_key
                .iter()
                .chain(&parent.unique)
                .filter(|k| k.predicate.is_none() && k.columns.len() == key.parent_columns.len())
                .filter(|k| k.columns.iter().all(|c| key.parent_columns.contains(c)))
                .find_map(|k| {
                    let place = k.columns.iter().position(|c| c == name)?;
                    k.operators.get(place)
                })
                .map(String::as_str)
        })
        .map(|found| found.unwrap_or(EQUAL))
        .collect()
}

/// `ROW(h."a", h."b")` for comparisons by identity. `plain` takes a domain's values as the type it
/// is made of, as the log has them.
pub(crate) fn image<'a>(
    alias: &str,
    columns: impl IntoIterator<Item = &'a Column>,
    plain: bool,
) -> String {
    let parts: Vec<String> = columns
        .into_iter()
        .map(|c| {
            let value = column(alias, &c.name);
            match &c.base_type {
                Some(base) if plain => format!("{value}::{base}"),
                _ => value,
            }
        })
        .collect();
    record(&parts)
}

/// Values as one record. The cast matters: `ROW(…) *<> ROW(…)` would be taken apart into columns.
pub(crate) fn record<S: AsRef<str>>(values: &[S]) -> String {
    let parts: Vec<&str> = values.iter().map(AsRef::as_ref).collect();
    format!("ROW({})::pg_catalog.record", parts.join(", "))
}

/// The text `(a, b)=(1, x)` of PostgreSQL's own details as an argument list of `concat`, which
/// prints each value with its type's output function, as PostgreSQL does.
pub(crate) fn key_detail(names: &[String], values: &[String], before: &str, after: &str) -> String {
    let start = quote_literal(&format!("{before}({})=(", names.join(", ")));
    let end = quote_literal(&format!("){after}"));
    format!(
        "pg_catalog.concat({start}, {}, {end})",
        values.join(", ', ', ")
    )
}

/// `n."id" AS k1, n."no" AS k2` with the prefix `k`.
pub(crate) fn aliased(alias: &str, names: &[String], prefix: &str) -> String {
    let parts: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(i, name)| format!("{} AS {prefix}{}", column(alias, name), i + 1))
        .collect();
    parts.join(", ")
}

/// The session `sid` has truncated that table: its base is hidden.
pub(crate) fn truncated(id: DraftTableId, sid: &str) -> String {
    format!(
        "EXISTS (SELECT FROM pgdraft.truncations pgdraft_t WHERE pgdraft_t.sid = {sid} AND pgdraft_t.table_id = {})",
        id.0
    )
}

/// Types whose equality is identity: two values that are equal are the same bytes.
const IDENTITY_TYPES: [u32; 15] = [
    16, 17, 18, 19, 20, 21, 23, 26, // bool, bytea, "char", name, int8, int2, int4, oid
    829, 1082, 1083, 1114, 1184, 2950,
    3220, // macaddr, date, time, timestamp, timestamptz, uuid, pg_lsn
];

/// `text` and `varchar`: equal is the same where the collation is the type's own, which is
/// deterministic.
const TEXT_TYPES: [u32; 2] = [25, 1043];

/// The two values of one column are not the very same. By bytes, unless the type's own equality
/// says as much: it is three times as fast.
pub(crate) fn differ(column: &Column, left: &str, right: &str) -> String {
    if is_identity(column) {
        format!("{left} IS DISTINCT FROM {right}")
    } else {
        format!("{} {NOT_IDENTICAL} {}", record(&[left]), record(&[right]))
    }
}

/// The value is no NULL. A composite value with NULLs in it is none, and `IS NOT NULL` does not hold of it.
pub(crate) fn filled(value: &str) -> String {
    format!("{value} IS DISTINCT FROM NULL")
}

/// The two values of one column are the very same.
pub(crate) fn same(column: &Column, left: &str, right: &str) -> String {
    if is_identity(column) {
        format!("{left} IS NOT DISTINCT FROM {right}")
    } else {
        format!("NOT ({})", differ(column, left, right))
    }
}

pub(crate) fn is_identity(column: &Column) -> bool {
    IDENTITY_TYPES.contains(&column.type_id)
        || (TEXT_TYPES.contains(&column.type_id) && column.collation.is_none())
}

/// A column's value as the log has it: a domain's as the type that it is made of.
pub(crate) fn plain(alias: &str, of: &Column) -> String {
    let value = column(alias, &of.name);
    match &of.base_type {
        Some(base) => format!("{value}::{base}"),
        None => value,
    }
}

/// Whether a column's values can be -0, which is no number of JSON.
pub(crate) fn has_negative_zero(of: &Column) -> bool {
    let base = of.base_type.as_deref();
    matches!(of.type_id, 700 | 701) || matches!(base, Some("real" | "double precision"))
}

/// A column's value as JSON; -0 as a string, as infinity is.
pub(crate) fn as_json(value: &str, of: &Column) -> String {
    let json = format!("pg_catalog.to_jsonb({value})");
    match has_negative_zero(of) {
        true => format!(
            "CASE {value}::pg_catalog.text WHEN '-0' THEN pg_catalog.to_jsonb('-0'::pg_catalog.text) ELSE {json} END"
        ),
        false => json,
    }
}

/// A JSON object of columns; a subselect, because functions take 100 arguments at most.
pub(crate) fn object<S: AsRef<str>>(alias: &str, names: impl IntoIterator<Item = S>) -> String {
    let list = join(", ", names, |name| {
        format!("{} AS {}", column(alias, name), quote_identifier(name))
    });
    format!("(SELECT pg_catalog.to_jsonb(pgdraft_row) FROM (SELECT {list}) pgdraft_row)")
}

/// The body of a function as a dollar-quoted string whose tag does not occur in it.
pub(crate) fn dollar_quoted(body: &str) -> String {
    let mut tag = String::from("$pgdraft$");
    let mut number = 0;
    while body.contains(&tag) {
        number += 1;
        tag = format!("$pgdraft{number}$");
    }
    format!("{tag}{body}{tag}")
}
