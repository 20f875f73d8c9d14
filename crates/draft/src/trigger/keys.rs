//! Stage `keys`: the log of inserted rows; primary and unique keys against the base.

use catalog::{Key, quote_literal};

use super::{Event, Raise, Step};
use crate::Draft;
use crate::text::{column, columns, equal, key_columns, key_detail, operator, same_key, truncated};

/// Inserted rows are logged with their key: rows that are new, and removed ones that came back.
pub(super) fn log(draft: &Draft<'_>, event: Event) -> Vec<Step> {
    let key = key_columns(draft.relation);
    let from = match event {
        Event::Insert => "pgdraft_n n WHERE n.pgdraft_new AND n.pgdraft_live".into(),
        Event::Update => format!(
            "{} WHERE n.pgdraft_live AND NOT o.pgdraft_live",
            draft.pairs(event)
        ),
    };
    vec![Step::Run(format!(
        "INSERT INTO {} (pgdraft_sid, pgdraft_op, pgdraft_kind, {}) SELECT n.pgdraft_sid, n.pgdraft_op, 'I', {} FROM {from} ON CONFLICT DO NOTHING",
        draft.log(),
        columns("", key),
        columns("n", key)
    ))]
}

/// No base row outside the draft has the key of a new row.
pub(super) fn unique(draft: &Draft<'_>, event: Event) -> Vec<Step> {
    let mut steps = Vec::new();
    if let (Event::Insert, Some(key)) = (event, &draft.relation.primary_key) {
        // A row that is new must not exist in the base; a later change cannot make it so.
        let query = format!(
            "SELECT pg_catalog.min({}) FROM pgdraft_n n JOIN {} b ON {} WHERE n.pgdraft_new AND NOT {}",
            exists_detail(key, "n"),
            draft.relation.qualified(),
            same_key(draft.relation, "b", "n"),
            truncated(draft.id, "n.pgdraft_sid")
        );
        steps.push(refusal(draft, key, query));
    }
    for key in &draft.relation.unique {
        let changed: Vec<String> = pairs(key)
            .map(|(op, name)| {
                let same = equal(op, &column("o", name), &column("n", name));
                format!("({same}) IS NOT TRUE")
            })
            .collect();
        let matches: Vec<String> = pairs(key)
            .map(|(op, name)| equal(op, &column("b", name), &column("c", name)))
            .collect();
        let query = format!(
            "WITH c AS MATERIALIZED (SELECT n.pgdraft_sid, {} FROM {} WHERE n.pgdraft_live AND ({} OR {})) SELECT pg_catalog.min({}) FROM c JOIN {} b ON {}{}",
            columns("n", &key.columns),
            draft.pairs(event),
            Draft::fresh(event),
            changed.join(" OR "),
            exists_detail(key, "c"),
            draft.relation.qualified(),
            matches.join(" AND "),
            draft.not_shadowed(draft.relation, "b", "c")
        );
        steps.push(refusal(draft, key, query));
    }
    steps
}

fn pairs(key: &Key) -> impl Iterator<Item = (&str, &str)> {
    key.columns
        .iter()
        .enumerate()
        .map(|(place, name)| (operator(key, place), name.as_str()))
}

fn exists_detail(key: &Key, alias: &str) -> String {
    let values: Vec<String> = key.columns.iter().map(|c| column(alias, c)).collect();
    key_detail(&key.columns, &values, "Key ", " already exists.")
}

fn refusal(draft: &Draft<'_>, key: &Key, query: String) -> Step {
    Step::Refuse {
        query,
        error: Raise {
            code: "23505",
            message: format!(
                "duplicate key value violates unique constraint \"{}\"",
                key.name
            ),
            hint: None,
            constraint: key.name.clone(),
            schema: draft.relation.schema.clone(),
            table: draft.relation.name.clone(),
        },
    }
}

/// `pgdraft.dup_guard(…)` for the primary key of a relation.
pub(super) fn guard(relation: &catalog::Relation, key: &Key) -> String {
    format!(
        "pgdraft.dup_guard(h.pgdraft_live, {}, {}, {}, {})",
        quote_literal(&relation.schema),
        quote_literal(&relation.name),
        quote_literal(&key.name),
        exists_detail(key, "h")
    )
}
