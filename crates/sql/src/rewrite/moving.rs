//! UPDATE of a primary key: the row leaves a tombstone under its old key and lives under its new
//! one, both written by one INSERT.
//!
//! Where keys are shifted over each other (`id = id + 1`) one key can be left and taken in the same
//! statement: then it has no tombstone. Two rows that come to one key are PostgreSQL's 23505.

use catalog::{quote_identifier as q, quote_literal};
use report::Report;

use crate::merge;
use crate::rewrite::assign::Assignment;
use crate::rewrite::change::{Work, list, mismatch};
use crate::rewrite::returning::Returning;
use crate::rewrite::update::image;
use crate::splice::Splice;

/// Appends everything behind the source.
pub(crate) fn finish(
    work: &Work<'_>,
    assignments: &[Assignment],
    returning: &Returning,
    splice: &mut Splice<'_>,
) -> Result<(), Box<Report>> {
    let changed = &work.changed;
    let writable = changed.writable();
    let key = changed.relation.primary_key.as_ref().ok_or_else(mismatch)?;
    let new = |i: usize| image(&writable, assignments, i);
    // `new = old` over the key, by the key's own equality
    let (mut same, mut left, mut taken, mut targets) = (vec![], vec![], vec![], vec![]);
    for (n, column) in key.columns.iter().enumerate() {
        let i = writable
            .iter()
            .position(|c| c.name == *column)
            .ok_or_else(mismatch)?;
        let equals = merge::equals(key, n);
        same.push(format!("{} {equals} o{i}", new(i)));
        left.push((format!("s.o{i} {equals} "), q(column)));
        taken.push(format!("t.{} {equals} pgdraft_src.o{i}", new(i)));
        targets.push(new(i));
    }
    let same = same.join(" AND ");
    let was_left = |row: &str| {
        let parts: Vec<String> = left.iter().map(|(l, c)| format!("{l}{row}.{c}")).collect();
        parts.join(" AND ")
    };
    let names = list(writable.iter().map(|c| q(&c.name)));
    let images = |of: &dyn Fn(usize) -> String| {
        list(
            writable
                .iter()
                .enumerate()
                .map(|(i, c)| format!("{} AS {}", of(i), q(&c.name))),
        )
    };
    let keys = list(key.columns.iter().map(|k| q(k)));
    let duplicate = |values: &str| {
        format!(
            "pgdraft.dup_guard(true, {}, {}, {}, pg_catalog.concat({}, {values}, ') already exists.'))",
            quote_literal(&changed.relation.schema),
            quote_literal(&changed.relation.name),
            quote_literal(&key.name),
            quote_literal(&format!("Key ({})=(", key.columns.join(", "))),
        )
    };
    splice.ours(&format!(
        "pgdraft_image AS (\
         SELECT CASE WHEN pg_catalog.count(*) OVER (PARTITION BY {targets}) > 1 THEN {duplicate} ELSE true END AS pgdraft_live, \
         CASE WHEN {same} THEN pgdraft_new ELSE true END AS pgdraft_new, {new_images} FROM pgdraft_src \
         UNION ALL SELECT false, pgdraft_new, {old_images} FROM pgdraft_src WHERE NOT ({same}) AND NOT EXISTS (SELECT 1 FROM pgdraft_src t WHERE {taken})), \
         pgdraft_log AS (INSERT INTO {log}(pgdraft_sid, pgdraft_op, pgdraft_kind, {names}) \
         SELECT pgdraft.sid(), pgdraft.op(), (CASE WHEN {same} THEN 'U' ELSE 'D' END)::\"char\", {old} FROM pgdraft_src ON CONFLICT DO NOTHING), ",
        targets = targets.join(", "),
        taken = taken.join(" AND "),
        duplicate = duplicate(&targets.join(", ', ', ")),
        new_images = images(&new),
        old_images = images(&|i| format!("o{i}")),
        log = changed.head.log(),
        old = list((0..writable.len()).map(|i| format!("o{i}"))),
    ));
    let detail = key
        .columns
        .iter()
        .map(|k| format!("h.{}", q(k)))
        .collect::<Vec<_>>()
        .join(", ', ', ");
    splice.ours(&format!(
        "pgdraft_row AS (INSERT INTO {head} AS h({names}, pgdraft_live, pgdraft_moved, pgdraft_new) \
         SELECT {names}, pgdraft_live, NOT pgdraft_live, CASE WHEN EXISTS (SELECT 1 FROM pgdraft_src s WHERE {left_new} AND NOT s.pgdraft_new) THEN false ELSE pgdraft_new END FROM pgdraft_image e \
         ON CONFLICT (pgdraft_sid, {keys}) DO UPDATE SET pgdraft_op = EXCLUDED.pgdraft_op, pgdraft_moved = EXCLUDED.pgdraft_moved, \
         pgdraft_live = CASE WHEN EXCLUDED.pgdraft_live AND h.pgdraft_live AND NOT EXISTS (SELECT 1 FROM pgdraft_src s WHERE {left_head}) \
         THEN {duplicate} ELSE EXCLUDED.pgdraft_live END{assign} RETURNING h.*)",
        head = changed.head.table(),
        left_new = was_left("e"),
        left_head = was_left("h"),
        duplicate = duplicate(&detail),
        assign = writable
            .iter()
            .map(|c| format!(", {c} = EXCLUDED.{c}", c = q(&c.name)))
            .collect::<String>(),
    ));
    returning.select(
        work,
        splice,
        "(SELECT * FROM pgdraft_row WHERE pgdraft_live)",
        new,
    )
}
