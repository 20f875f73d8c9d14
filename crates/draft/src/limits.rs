//! What cannot be drafted, and why.

use catalog::{Relation, RelationKind};
use report::Report;

use crate::text::key_columns;

/// A head has five columns more than its base, a log four; PostgreSQL allows 1600.
const COLUMNS_MAX: usize = 1590;

/// PostgreSQL allows 32 columns in an index; ours begin with the session.
const KEY_COLUMNS_MAX: usize = 31;

/// Columns of ours begin like this.
const PREFIX: &str = "pgdraft_";

/// Why a table cannot be drafted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// A full sentence.
    pub detail: String,
    /// What an agent or its owner can do.
    pub hint: String,
}

impl Refusal {
    /// SQLSTATE 0A000.
    pub fn report(&self) -> Report {
        let mut report = Report::error(
            "0A000",
            format!("table \"{}\" cannot be changed in a draft", self.table),
        )
        .detail(self.detail.clone())
        .hint(self.hint.clone());
        report.schema = Some(self.schema.clone());
        report.table = Some(self.table.clone());
        report
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.report().fmt(f)
    }
}

impl std::error::Error for Refusal {}

/// Whether a table can have a head.
///
/// # Errors
/// A [`Refusal`] with the first reason found.
pub fn check(relation: &Relation) -> Result<(), Refusal> {
    let Some((detail, hint)) = reason(relation) else {
        return Ok(());
    };
    let name = format!("\"{}\".\"{}\"", relation.schema, relation.name);
    Err(Refusal {
        schema: relation.schema.clone(),
        table: relation.name.clone(),
        detail: detail.replace("{}", &name),
        hint: hint.into(),
    })
}

/// Queries that give a row where the key that the configuration names does not tell a table's rows
/// apart, each with what that means.
pub fn doubts(relation: &Relation) -> Vec<(String, String)> {
    let Some(key) = relation.key().filter(|key| !key.is_declared()) else {
        return Vec::new();
    };
    let (base, list) = (relation.only(), crate::text::columns("", &key.columns));
    let named = format!(
        "The key ({}) that the configuration names for \"{}\".\"{}\"",
        key.label, relation.schema, relation.name
    );
    vec![
        (
            format!("SELECT FROM {base} WHERE pg_catalog.num_nulls({list}) > 0 LIMIT 1"),
            format!("{named} is NULL in some rows."),
        ),
        (
            format!("SELECT FROM {base} GROUP BY {list} HAVING pg_catalog.count(*) > 1 LIMIT 1"),
            format!("{named} is the same in several rows."),
        ),
    ]
}

fn reason(relation: &Relation) -> Option<(String, &'static str)> {
    kind(relation)
        .or_else(|| columns(relation))
        .or_else(|| constraints(relation))
}

fn kind(relation: &Relation) -> Option<(String, &'static str)> {
    let what = match relation.kind {
        RelationKind::Table | RelationKind::Partitioned if relation.partition.is_some() => {
            return Some((
                "{} is a partition; a draft keeps the rows of all partitions together.".into(),
                "Change the partitioned table it belongs to.",
            ));
        }
        RelationKind::Table | RelationKind::Partitioned if relation.secured_from_us => {
            return Some((
                "{} has row-level security, which pgdraft's own roles cannot look past: a commit would not see all of its rows."
                    .into(),
                "Ask the operator to run pgdraft init as a superuser, or to give BYPASSRLS to pgdraft_control_… and pgdraft_keeper_… of this database.",
            ));
        }
        RelationKind::Table | RelationKind::Partitioned => return None,
        RelationKind::View => "a view",
        RelationKind::MaterializedView => "a materialized view",
        RelationKind::Foreign => "a foreign table",
        RelationKind::Sequence => "a sequence",
        RelationKind::Other => "not a table",
    };
    Some((
        format!("{{}} is {what}."),
        "Change the ordinary tables behind it instead.",
    ))
}

fn columns(relation: &Relation) -> Option<(String, &'static str)> {
    let count = relation.columns.len();
    if count == 0 {
        return Some((
            "{} has no columns, and its rows nothing to be told apart by.".into(),
            "Add a column.",
        ));
    }
    if count > COLUMNS_MAX {
        return Some((
            format!("{{}} has {count} columns; at most {COLUMNS_MAX} fit beside those of a draft."),
            "Leave this table to the application that owns it.",
        ));
    }
    let taken = relation
        .columns
        .iter()
        .find(|c| c.name.starts_with(PREFIX))?;
    Some((
        format!(
            "Column \"{}\" of {{}} has a name that pgdraft keeps for itself.",
            taken.name
        ),
        "Rename the column: names that begin with pgdraft_ are reserved.",
    ))
}

fn constraints(relation: &Relation) -> Option<(String, &'static str)> {
    if key_columns(relation).len() > KEY_COLUMNS_MAX {
        return Some((
            format!("The key of {{}} has more than {KEY_COLUMNS_MAX} columns."),
            "Leave this table to the application that owns it.",
        ));
    }
    let stored = |name: &String| relation.writable().any(|c| c.name == *name);
    if let Some((policy, column)) = policy_of_computed(relation) {
        return Some((
            format!("Policy \"{policy}\" of {{}} reads the generated column \"{column}\"."),
            "Leave this table to the application that owns it.",
        ));
    }
    if let Some(key) = relation.key().filter(|key| !key.columns.iter().all(stored)) {
        return Some((
            format!("The key \"{}\" of {{}} has a generated column.", key.name),
            "Leave this table to the application that owns it.",
        ));
    }
    let of_parts = relation.leaves.iter().flat_map(|leaf| &leaf.checks);
    let mut checks = relation.checks.iter().chain(of_parts);
    let check = checks.find(|c| c.definer)?;
    Some((
        format!(
            "CHECK constraint \"{}\" of {{}} calls a volatile function that runs with its owner's rights, so it could change production before commit.",
            check.name
        ),
        "Declare the function STABLE or IMMUTABLE if it changes nothing.",
    ))
}

/// A policy that reads a generated column, or the whole row: what a draft checks are values about to be
/// written.
fn policy_of_computed(relation: &Relation) -> Option<(&str, String)> {
    let computed = relation.columns.iter();
    let computed = computed.filter(|c| c.generated != catalog::Generated::No);
    let mut names: Vec<String> = computed.map(|c| c.name.clone()).collect();
    names.extend([
        format!("{}.*", relation.name),
        format!("{}\".*", relation.name),
    ]);
    relation.policies.iter().find_map(|policy| {
        let texts = [policy.using.as_deref(), policy.check.as_deref()];
        let says = |name: &&String| texts.iter().flatten().any(|text| names_word(text, name));
        let name = names.iter().find(says)?;
        Some((policy.name.as_str(), name.clone()))
    })
}

/// Whether the name stands in the text, quoted or not, and is not a part of another one.
fn names_word(text: &str, name: &str) -> bool {
    let name = name.replace('"', "\"\"");
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    text.match_indices(&name).any(|(at, found)| {
        let before = text.get(..at).and_then(|t| t.chars().next_back());
        let after = text.get(at + found.len()..).and_then(|t| t.chars().next());
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}
