//! NOT NULL and CHECK of a table in words of ours: the base's conditions, with the base's errors.
//!
//! A head is under row-level security, and PostgreSQL tells no values of such a row. So a head's
//! checks end in a function that raises PostgreSQL's own error with its DETAIL, which costs nothing
//! while the condition holds. A row that is only proposed (ON CONFLICT) is looked at in the same words.

use std::fmt::Write as _;

use crate::{
    Check, Column, Generated, Leaf, Relation, Route, array_text, quote_identifier, quote_literal,
};

/// PostgreSQL passes at most 100 arguments to a function.
const ARGUMENTS_MAX: usize = 100;

/// What holds for every row of a table, over bare column names.
#[derive(Debug)]
pub struct Condition {
    /// An expression that is true of a row for which it holds, and false of another.
    pub holds: String,
    /// A call that raises PostgreSQL's error for a row for which it does not.
    pub fails: String,
}

impl Condition {
    /// True, or PostgreSQL's error.
    pub fn whole(&self) -> String {
        format!("{} OR {}", self.holds, self.fails)
    }
}

impl Relation {
    /// What holds for every row, in the order in which PostgreSQL looks at it.
    pub fn conditions(&self) -> impl Iterator<Item = Condition> {
        self.conditions_of(None)
    }

    /// The same for a row of the head `head`, a bare name: the errors take the row as it is, not the names
    /// of all its columns. `None` where PostgreSQL would compute columns of a whole row just for an error.
    pub fn head_conditions(&self, head: &str) -> Option<Vec<Condition>> {
        let computed = |c: &Column| c.generated == Generated::Virtual;
        let whole = !self.columns.iter().any(computed);
        whole.then(|| self.conditions_of(Some(head)).collect())
    }

    fn conditions_of(&self, head: Option<&str>) -> impl Iterator<Item = Condition> {
        let routes = self.routes.iter().map(route);
        let checks = self.enforced().into_iter();
        let checks = checks.map(move |c| check(self, c, head));
        routes
            .chain(not_null(self, head))
            .chain(key_missing(self))
            .chain(checks)
    }

    /// A partition for the row, NOT NULL and CHECK one by one, in that order, but for what runs with the rights of
    /// a function's owner.
    pub fn demands(&self) -> Vec<Demand<'_>> {
        let routes = self.routes.iter().map(|of| Demand {
            kind: "partition",
            name: &of.table,
            holds: route(of).holds,
        });
        let filled = required(self).into_iter().flat_map(|(names, leaves)| {
            let elsewhere = elsewhere(self, &leaves);
            names.into_iter().map(move |name| Demand {
                kind: "not null",
                name,
                holds: format!("{elsewhere}{}", all_filled(&[name])),
            })
        });
        let checks = self.enforced().into_iter().filter(|e| !e.check.definer);
        let checks = checks.map(|e| Demand {
            kind: "check",
            name: &e.check.name,
            holds: e.condition,
        });
        routes.chain(filled).chain(checks).collect()
    }

    /// The CHECK constraints that PostgreSQL enforces, in the order in which it looks at them. Those of
    /// single partitions are among them, and hold for these partitions' rows.
    fn enforced(&self) -> Vec<Enforced<'_>> {
        let mut found: Vec<(&Check, &str, Vec<&Leaf>)> = Vec::new();
        for leaf in &self.leaves {
            for (check, text) in leaf.checks.iter().filter_map(|c| Some((c, expression(c)?))) {
                let known = |(c, t, _): &&mut (&Check, &str, Vec<&Leaf>)| {
                    c.name == check.name && *t == text
                };
                match found.iter_mut().find(known) {
                    Some((_, _, leaves)) => leaves.push(leaf),
                    None => found.push((check, text, vec![leaf])),
                }
            }
        }
        if self.leaves.is_empty() {
            let own = self.checks.iter();
            found.extend(own.filter_map(|c| Some((c, expression(c)?, Vec::new()))));
        }
        found.sort_by(|a, b| a.0.name.cmp(&b.0.name));
        found
            .into_iter()
            .map(|(check, text, leaves)| Enforced {
                check,
                condition: format!("{}{text} IS NOT FALSE", elsewhere(self, &leaves)),
            })
            .collect()
    }
}

/// What one constraint asks of every row of a table.
#[derive(Debug)]
pub struct Demand<'a> {
    /// As a conflict is told: `partition`, `not null` or `check`.
    pub kind: &'static str,
    /// Of the partitioned table, the column or the constraint.
    pub name: &'a str,
    /// An expression over bare column names that is true of a row for which it holds, and false of another.
    pub holds: String,
}

/// A CHECK constraint that PostgreSQL enforces.
struct Enforced<'a> {
    check: &'a Check,
    /// What it asks of every row of the table, over bare column names.
    condition: String,
}

/// The condition alone; `None` where nobody looks at it.
fn expression(check: &Check) -> Option<&str> {
    let mut definition = check.definition.as_str();
    if definition.ends_with(" NOT ENFORCED") {
        return None;
    }
    for suffix in [" NOT VALID", " NO INHERIT"] {
        definition = definition.strip_suffix(suffix).unwrap_or(definition);
    }
    Some(definition.strip_prefix("CHECK ").unwrap_or(definition))
}

/// `NOT (…) OR `: the row is in none of these partitions; empty where they are all there are.
fn elsewhere(relation: &Relation, leaves: &[&Leaf]) -> String {
    if leaves.len() == relation.leaves.len() {
        return String::new();
    }
    let bounds = leaves.iter().filter_map(|leaf| leaf.bound.as_deref());
    let bounds: Vec<&str> = bounds.collect();
    format!("({}) IS NOT TRUE OR ", bounds.join(" OR "))
}

/// A row finds a partition: as PostgreSQL, which looks for it before anything else.
fn route(route: &Route) -> Condition {
    let within = route.bound.as_ref();
    let mut ways: Vec<String> = within
        .map(|b| format!("({b}) IS NOT TRUE"))
        .into_iter()
        .collect();
    ways.extend(route.parts.iter().map(|part| format!("({part})")));
    let fails = format!(
        "pgdraft.no_partition({}, {}, {}, ROW({})::pg_catalog.text)",
        quote_literal(&route.schema),
        quote_literal(&route.table),
        quote_literal(&route.key),
        route.key
    );
    let holds = match ways.is_empty() {
        true => "false".to_owned(),
        false => ways.join(" OR "),
    };
    Condition { holds, fails }
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

/// No required column is NULL. PostgreSQL looks at them in the order of the table that holds the row.
fn not_null(relation: &Relation, head: Option<&str>) -> Vec<Condition> {
    required(relation)
        .iter()
        .map(|(required, leaves)| {
            let (filled, fails) = filled(relation, required, head);
            let holds = format!("{}{filled}", elsewhere(relation, leaves));
            Condition { holds, fails }
        })
        .collect()
}

/// The columns that are filled in every row, or in those of these partitions.
fn required(relation: &Relation) -> Vec<(Vec<&str>, Vec<&Leaf>)> {
    let own = relation.columns.iter().filter(|c| c.not_null);
    let own: Vec<&str> = own.map(|c| c.name.as_str()).collect();
    let mut groups: Vec<(Vec<&str>, Vec<&Leaf>)> = Vec::new();
    for leaf in &relation.leaves {
        let required: Vec<&str> = leaf.required.iter().map(String::as_str).collect();
        match groups.iter_mut().find(|(other, _)| *other == required) {
            Some((_, leaves)) => leaves.push(leaf),
            None => groups.push((required, vec![leaf])),
        }
    }
    if relation.leaves.is_empty() {
        groups.push((own, Vec::new()));
    }
    groups.retain(|(required, _)| !required.is_empty());
    groups
}

/// The condition, and what says which column is not filled.
fn filled(relation: &Relation, required: &[&str], head: Option<&str>) -> (String, String) {
    let filled = all_filled(required);
    let place = |name: &&str| relation.columns.iter().position(|c| c.name == *name);
    let in_order = required.is_sorted_by_key(place);
    if let Some(head) = head.filter(|_| in_order) {
        let fails = format!(
            "pgdraft.not_null_failed({}, {}, {head}.*)",
            holder(relation),
            quote_literal(&array_text(required))
        );
        return (filled, fails);
    }
    let missing = if in_order {
        names(required.iter().copied())
    } else {
        let mut whens = String::new();
        for name in required {
            let (column, name) = (quote_identifier(name), quote_literal(name));
            let _ = write!(
                whens,
                " WHEN pg_catalog.num_nulls({column}) > 0 THEN {name}"
            );
        }
        format!("ARRAY[CASE{whens} END]")
    };
    let fails = format!(
        "pgdraft.not_null_failed({}, {}, {missing}, {})",
        holder(relation),
        names(relation.columns.iter().map(|c| c.name.as_str())),
        row(relation)
    );
    (filled, fails)
}

/// By `num_nulls`, because a composite value of NULLs `IS NULL`.
fn all_filled(names: &[&str]) -> String {
    let parts = names.chunks(ARGUMENTS_MAX).map(|names| {
        let names = list(names.iter().copied(), quote_identifier);
        format!("pg_catalog.num_nulls({names}) = 0")
    });
    parts.collect::<Vec<_>>().join(" AND ")
}

/// A key that the configuration names is not NULL.
fn key_missing(relation: &Relation) -> Option<Condition> {
    let key = relation.key().filter(|key| !key.is_declared())?;
    let columns = list(key.columns.iter().map(String::as_str), quote_identifier);
    Some(Condition {
        holds: format!("pg_catalog.num_nulls({columns}) = 0"),
        fails: format!(
            "pgdraft.key_missing({}, {}, {})",
            quote_literal(&relation.schema),
            quote_literal(&relation.name),
            quote_literal(&key.label)
        ),
    })
}

fn check(relation: &Relation, enforced: Enforced<'_>, head: Option<&str>) -> Condition {
    let image = head.map_or_else(|| row(relation), |head| format!("{head}.*"));
    Condition {
        fails: format!(
            "pgdraft.check_failed({}, {}, {image})",
            holder(relation),
            quote_literal(&enforced.check.name),
        ),
        holds: enforced.condition,
    }
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
