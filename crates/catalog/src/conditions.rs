//! NOT NULL and CHECK of a table in words of ours: the base's conditions, with the base's errors.
//!
//! A head is under row-level security, and PostgreSQL tells no values of such a row. So a head's
//! checks end in a function that raises PostgreSQL's own error with its DETAIL, which costs nothing
//! while the condition holds. A row that is only proposed (ON CONFLICT) is looked at in the same words.

use std::fmt::Write as _;

use crate::{Check, Generated, Leaf, Relation, Route, quote_identifier, quote_literal};

/// PostgreSQL passes at most 100 arguments to a function.
const ARGUMENTS_MAX: usize = 100;

impl Relation {
    /// What holds for every row, over bare column names: true, or PostgreSQL's error. They come in
    /// the order in which PostgreSQL looks at them.
    pub fn conditions(&self) -> impl Iterator<Item = String> {
        let routes = self.routes.iter().map(route);
        let checks = self.checks.iter().filter_map(|c| check(self, c));
        routes
            .chain(not_null(self))
            .chain(key_missing(self))
            .chain(checks)
    }
}

/// A row finds a partition: as PostgreSQL, which looks for it before anything else.
fn route(route: &Route) -> String {
    let within = route.bound.as_ref();
    let mut ways: Vec<String> = within
        .map(|b| format!("({b}) IS NOT TRUE"))
        .into_iter()
        .collect();
    ways.extend(route.parts.iter().map(|part| format!("({part})")));
    ways.push(format!(
        "pgdraft.no_partition({}, {}, {}, ROW({})::pg_catalog.text)",
        quote_literal(&route.schema),
        quote_literal(&route.table),
        quote_literal(&route.key),
        route.key
    ));
    ways.join(" OR ")
}

/// Schema and name of the table that holds the row, as arguments: PostgreSQL's errors name the
/// partition.
fn holder(relation: &Relation) -> String {
    let case = |own: &str, name: fn(&Leaf) -> &str| {
        let mut whens = String::new();
        for leaf in relation.leaves.iter().filter(|leaf| leaf.bound.is_some()) {
            let bound = leaf.bound.as_deref().unwrap_or("true");
            let _ = write!(whens, " WHEN {bound} THEN {}", quote_literal(name(leaf)));
        }
        // What no other partition has is in the one without a bound.
        let rest = relation.leaves.iter().find(|leaf| leaf.bound.is_none());
        let rest = quote_literal(rest.map_or(own, name));
        if whens.is_empty() {
            rest
        } else {
            format!("CASE{whens} ELSE {rest} END")
        }
    };
    format!(
        "{}, {}",
        case(&relation.schema, |leaf| &leaf.schema),
        case(&relation.name, |leaf| &leaf.table)
    )
}

/// No required column is NULL. By `num_nulls`, because a composite value of NULLs `IS NULL`.
fn not_null(relation: &Relation) -> Option<String> {
    let required: Vec<&str> = relation
        .columns
        .iter()
        .filter(|c| c.not_null)
        .map(|c| c.name.as_str())
        .collect();
    if required.is_empty() {
        return None;
    }
    let filled: Vec<String> = required
        .chunks(ARGUMENTS_MAX)
        .map(|names| {
            format!(
                "pg_catalog.num_nulls({}) = 0",
                list(names.iter().copied(), quote_identifier)
            )
        })
        .collect();
    Some(format!(
        "{} OR pgdraft.not_null_failed({}, {}, {}, {})",
        filled.join(" AND "),
        holder(relation),
        names(relation.columns.iter().map(|c| c.name.as_str())),
        names(required.iter().copied()),
        row(relation)
    ))
}

/// A key that the configuration names is not NULL.
fn key_missing(relation: &Relation) -> Option<String> {
    let key = relation.key().filter(|key| !key.is_declared())?;
    Some(format!(
        "pg_catalog.num_nulls({}) = 0 OR pgdraft.key_missing({}, {}, {})",
        list(key.columns.iter().map(String::as_str), quote_identifier),
        quote_literal(&relation.schema),
        quote_literal(&relation.name),
        quote_literal(&key.label)
    ))
}

fn check(relation: &Relation, check: &Check) -> Option<String> {
    let mut definition = check.definition.as_str();
    if definition.ends_with(" NOT ENFORCED") {
        return None;
    }
    for suffix in [" NOT VALID", " NO INHERIT"] {
        definition = definition.strip_suffix(suffix).unwrap_or(definition);
    }
    let expression = definition.strip_prefix("CHECK ").unwrap_or(definition);
    Some(format!(
        "{expression} IS NOT FALSE OR pgdraft.check_failed({}, {}, {})",
        holder(relation),
        quote_literal(&check.name),
        row(relation)
    ))
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    format!("ARRAY[{}]", list(names, quote_literal))
}

/// The whole row as PostgreSQL shows it: a virtual column is not computed for an error.
fn row(relation: &Relation) -> String {
    let values: Vec<String> = relation
        .columns
        .iter()
        .map(|c| match c.generated {
            Generated::Virtual => "'virtual'::text".to_owned(),
            Generated::No | Generated::Stored => quote_identifier(&c.name),
        })
        .collect();
    format!("ROW({})::pg_catalog.text", values.join(", "))
}

fn list<'a>(names: impl IntoIterator<Item = &'a str>, text: fn(&str) -> String) -> String {
    let parts: Vec<String> = names.into_iter().map(text).collect();
    parts.join(", ")
}
