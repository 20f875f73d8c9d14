//! Whether rows that were read still are what they were.

use catalog::{Relation, quote_identifier, quote_literal};

use crate::text::{column, join, operator};

/// Of rows by their keys ($1, jsonb[]) and hashes ($2, bytea[]): how many differ, how many are gone,
/// and the keys of both as a JSON array.
pub fn rows(relation: &Relation) -> String {
    let stored: Vec<&str> = relation.writable().map(|c| c.name.as_str()).collect();
    let values = join(", ", &stored, |name| column("b", name));
    let same = relation.key().map_or_else(String::new, |key| {
        let columns: Vec<String> = key
            .columns
            .iter()
            .enumerate()
            .map(|(n, name)| {
                let kind = relation
                    .column(name)
                    .map_or("text", |c| c.type_name.as_str());
                format!(
                    "b.{} OPERATOR({}) (r.k ->> {n})::{kind}",
                    quote_identifier(name),
                    operator(key, n)
                )
            })
            .collect();
        columns.join(" AND ")
    });
    format!(
        "SELECT count(*) FILTER (WHERE x.m <> r.m), count(*) FILTER (WHERE x.m IS NULL),
       coalesce(jsonb_agg(r.k ORDER BY r.k) FILTER (WHERE x.m IS DISTINCT FROM r.m), '[]')::text
FROM unnest($1::jsonb[], $2::bytea[]) r (k, m)
LEFT JOIN LATERAL (SELECT sha256(record_send(ROW({values}))) AS m FROM {base} b WHERE {same}) x ON true",
        base = relation.only(),
    )
}

/// Of a table: how many rows came or changed since a snapshot ($1 bigint, $2 bigint[]).
pub fn table(relation: &Relation) -> String {
    format!(
        "SELECT count(*), 0::bigint, NULL::text FROM {} b WHERE pgdraft.appeared(b.xmin, $1, $2)",
        relation.only()
    )
}

/// Words of a condition besides columns, values and types. Whoever may note a read may note anything, and it
/// is asked with the rights of control: so only these are, and never the text that was noted.
const WORDS: [&str; 31] = [
    "(",
    ")",
    ", ",
    "]",
    "ARRAY[",
    "(NOT ",
    " AND ",
    " OR ",
    " = ",
    " <> ",
    " != ",
    " < ",
    " <= ",
    " > ",
    " >= ",
    " IN ",
    " NOT IN ",
    " BETWEEN ",
    " NOT BETWEEN ",
    " BETWEEN SYMMETRIC ",
    " NOT BETWEEN SYMMETRIC ",
    " IS DISTINCT FROM ",
    " IS NOT DISTINCT FROM ",
    " IS NULL",
    " IS NOT NULL",
    " IS TRUE",
    " IS NOT TRUE",
    " IS FALSE",
    " IS NOT FALSE",
    " IS UNKNOWN",
    " IS NOT UNKNOWN",
];
/// Types of PostgreSQL's own that a constant may be cast to, and arrays of them.
const TYPES: [&str; 12] = [
    "bool",
    "int2",
    "int4",
    "int8",
    "numeric",
    "float8",
    "text",
    "varchar",
    "date",
    "timestamp",
    "timestamptz",
    "uuid",
];

fn word(noted: &str) -> Option<String> {
    let known = |word: &str| WORDS.into_iter().find(|known| *known == word);
    if let Some(cast) = noted.strip_prefix("::") {
        let name = cast.trim_end_matches("[]");
        let own = name.strip_prefix("\"pg_catalog\".").unwrap_or(name);
        let kind = TYPES
            .into_iter()
            .find(|kind| own == format!("\"{kind}\""))?;
        let array = if cast.ends_with("[]") { "[]" } else { "" };
        return Some(format!("::pg_catalog.{kind}{array}"));
    }
    for end in ["ANY (", "ALL ("] {
        if let Some(sign) = noted.strip_suffix(end) {
            return Some(format!("{}{end}", known(sign)?));
        }
    }
    known(noted).map(str::to_owned)
}

/// A condition of the row `b`, of its pieces, each with its kind in front (`o` a word or a type, `c` a column,
/// `v` a value, or NULL). `None` where one is none of these: nothing can be asked then.
pub fn condition(relation: &Relation, asked: &[Option<String>]) -> Option<String> {
    asked
        .iter()
        .map(|piece| {
            let Some(piece) = piece else {
                return Some("NULL".to_owned());
            };
            let (kind, text) = piece.split_at_checked(1)?;
            match kind {
                "o" => word(text),
                "c" => relation.column(text).map(|c| column("b", &c.name)),
                "v" => Some(quote_literal(text)),
                _ => None,
            }
        })
        .collect()
}

/// How many rows that meet the condition came since a snapshot ($1 bigint, $2 bigint[]) and are not among those
/// of these keys ($3, jsonb[]), and the first of their keys, behind those of a JSON array ($4, text).
pub fn came(relation: &Relation, condition: &str) -> String {
    let keys = join(", ", crate::text::key_columns(relation), |name| {
        column("b", name)
    });
    let condition = if condition.is_empty() {
        "true"
    } else {
        condition
    };
    format!(
        "SELECT coalesce(max(x.total), 0), ($4::text::jsonb || coalesce(jsonb_agg(x.k ORDER BY x.k), '[]'))::text
FROM (SELECT jsonb_build_array({keys}) AS k, count(*) OVER () AS total FROM {base} b
WHERE pgdraft.appeared(b.xmin, $1, $2) AND ({condition}) AND jsonb_build_array({keys}) <> ALL ($3::jsonb[]) ORDER BY {keys} LIMIT 1000) x",
        base = relation.only(),
    )
}
