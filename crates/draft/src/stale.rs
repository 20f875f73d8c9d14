//! Whether rows that were read still are what they were.

use catalog::{Relation, quote_identifier};

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
