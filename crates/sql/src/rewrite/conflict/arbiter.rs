//! The keys that decide what a conflict is, found as PostgreSQL infers them, and what they compare.

use catalog::{Key, Relation, quote_identifier as q};
use pg_query::NodeEnum;
use pg_query::protobuf::{IndexElem, InferClause, Node};
use report::Report;

use super::proposed;
use super::similar::{Form, implied};
use crate::classify::unsupported;
use crate::merge;
use crate::rewrite::change::{list, mismatch};
use crate::rewrite::work::Work;

/// One of these keys.
pub(super) struct Arbiter<'a> {
    pub(super) key: &'a Key,
    /// Tells the names of its elements from those of another.
    number: usize,
    /// It is an exclusion constraint: its operators need not be equalities.
    pub(super) excludes: bool,
    relation: &'a Relation,
}

/// The keys that the clause names or means.
pub(super) fn find<'a>(
    work: &'a Work<'_>,
    infer: Option<&InferClause>,
    updates: bool,
) -> Result<Vec<Arbiter<'a>>, Box<Report>> {
    let relation = &work.changed.relation;
    let unique = || relation.primary_key.iter().chain(&relation.unique);
    let found: Vec<&Key> = match infer {
        None => {
            let all: Vec<&Key> = unique().chain(&relation.exclusions).collect();
            if all.iter().any(|k| k.deferrable.is_some()) {
                return Err(Box::new(
                    unsupported("ON CONFLICT without a target on a table with a DEFERRABLE key")
                        .hint("name the columns of a key that is not deferrable"),
                ));
            }
            all
        }
        Some(infer) if !infer.conname.is_empty() => {
            let named = |k: &&Key| k.name == infer.conname;
            let found: Vec<&Key> = unique().chain(&relation.exclusions).filter(named).collect();
            if found.is_empty() {
                return Err(Box::new(no_index(relation, &infer.conname)));
            }
            found
        }
        Some(infer) => inferred(work, infer, unique())?,
    };
    if infer.is_some() && found.is_empty() {
        return Err(no_arbiter());
    }
    let excludes = |key: &Key| relation.exclusions.iter().any(|k| k.name == key.name);
    if updates && found.iter().any(|k| excludes(k)) {
        return Err(Box::new(
            Report::error(
                "42809",
                "ON CONFLICT DO UPDATE not supported with exclusion constraints",
            )
            .hint("use ON CONFLICT DO NOTHING, or name a unique key"),
        ));
    }
    if let Some(key) = found.iter().find(|k| k.deferrable.is_some()) {
        return Err(Box::new(deferrable(relation, key)));
    }
    let arbiters = found.into_iter().enumerate().map(|(number, key)| Arbiter {
        key,
        number,
        excludes: excludes(key),
        relation,
    });
    let arbiters: Vec<Arbiter<'_>> = arbiters.collect();
    if work.changed.through.is_some() && updates && arbiters.iter().any(|a| a.key.special) {
        return Err(Box::new(
            unsupported("ON CONFLICT through a view on a key that is not of plain columns")
                .hint("name the table behind the view"),
        ));
    }
    Ok(arbiters)
}

fn no_arbiter() -> Box<Report> {
    Box::new(Report::error(
        "42P10",
        "there is no unique or exclusion constraint matching the ON CONFLICT specification",
    ))
}

/// PostgreSQL's error for the name of a constraint that is no index, or of none.
fn no_index(relation: &Relation, name: &str) -> Report {
    let without = relation.checks.iter().any(|c| c.name == name)
        || relation
            .foreign_keys
            .iter()
            .any(|f| f.child == relation.id && f.name == name);
    if without {
        return Report::error(
            "42809",
            "constraint in ON CONFLICT clause has no associated index",
        );
    }
    Report::error(
        "42704",
        format!(
            "constraint \"{name}\" for table \"{}\" does not exist",
            relation.name
        ),
    )
}

fn deferrable(relation: &Relation, key: &Key) -> Report {
    let mut report = Report::error(
        "55000",
        "ON CONFLICT does not support deferrable unique constraints/exclusion constraints as arbiters",
    );
    report.schema = Some(relation.schema.clone());
    report.table = Some(relation.name.clone());
    report.constraint = Some(key.name.clone());
    report
}

/// Keys over exactly these columns and expressions whose condition, if any, follows from the WHERE.
fn inferred<'a>(
    work: &Work<'_>,
    infer: &InferClause,
    keys: impl Iterator<Item = &'a Key>,
) -> Result<Vec<&'a Key>, Box<Report>> {
    let (mut columns, mut expressions) = (Vec::new(), Vec::new());
    // columns with a collation or an operator class of their own
    let mut special = Vec::new();
    let mut unclear_class = false;
    for element in &infer.index_elems {
        let Some(NodeEnum::IndexElem(element)) = element.node.as_ref() else {
            return Err(mismatch());
        };
        match element.expr.as_deref() {
            Some(expression) => {
                unclear_class |= is_special(element);
                expressions.push(Form::of(expression));
            }
            None => {
                let column = own_column(work, infer, &element.name)?;
                if is_special(element) {
                    special.push((column.clone(), element));
                }
                columns.push(column);
            }
        }
    }
    let relation = &work.changed.relation;
    let is_number = |name: &str| {
        let column = relation.column(name);
        column.is_some_and(|c| NUMBERS.contains(&c.type_id))
    };
    let condition = infer.where_clause.as_deref();
    let mut found = Vec::new();
    let mut unclear = false;
    for key in keys {
        let Some((own_columns, own_expressions)) = elements(key) else {
            unclear = true;
            continue;
        };
        let same_columns = own_columns.iter().all(|c| columns.contains(c))
            && columns.iter().all(|c| own_columns.contains(c));
        let same = Form::same_sets(&expressions, &own_expressions);
        if !same_columns || same == Some(false) {
            continue;
        }
        let holds = match (&key.predicate, condition) {
            (None, _) => Some(true),
            (Some(_), None) => Some(false),
            (Some(predicate), Some(condition)) => implied(predicate, condition, &is_number),
        };
        let classes = special.iter().map(|(column, element)| {
            let elements = relation.classes.get(&key.name)?;
            has_class(element, column_places(key, column).map(|i| elements.get(i)))
        });
        let classes: Vec<Option<bool>> = classes.collect();
        if classes.contains(&Some(false)) {
            continue;
        }
        let clear = !unclear_class && !classes.contains(&None);
        match (same, holds) {
            (_, Some(false)) => {}
            (Some(true), Some(true)) if clear => found.push(key),
            _ => unclear = true,
        }
    }
    // those without a condition stand for those with one
    found.sort_by_key(|key| key.predicate.is_some());
    if found.is_empty() && unclear {
        return Err(Box::new(
            unsupported("an ON CONFLICT target whose key cannot be told")
                .detail("Whether the target means a key of the table depends on a proof that only the server makes.")
                .hint("write expressions and predicate as the index has them, or name the constraint"),
        ));
    }
    Ok(found)
}

/// The table's column of that name.
fn own_column(work: &Work<'_>, infer: &InferClause, name: &str) -> Result<String, Box<Report>> {
    if work.changed.shown().column(name).is_none() {
        let report = Report::error("42703", format!("column \"{name}\" does not exist"))
            .position(crate::walk::byte(infer.location) + 1)
            .hint("check the column's name");
        return Err(Box::new(report));
    }
    Ok(work
        .changed
        .assigned(name, ("insert into", 0))?
        .name
        .clone())
}

/// `int8`, `int2`, `int4`, `numeric`.
const NUMBERS: [u32; 4] = [20, 21, 23, 1700];

/// Where a plain column stands among the elements of a key.
fn column_places<'a>(key: &'a Key, column: &'a str) -> impl Iterator<Item = usize> + 'a {
    let plain = |element: &String| -> Option<String> {
        let mut node: Node = Form::parse(element)?;
        if let Some(NodeEnum::CollateClause(collated)) = node.node {
            node = *collated.arg?;
        }
        match node.node? {
            NodeEnum::ColumnRef(column) => crate::walk::string_fields(&column.fields).pop(),
            _ => None,
        }
    };
    let names: Vec<Option<String>> = if key.columns.is_empty() {
        key.elements.iter().map(plain).collect()
    } else {
        key.columns.iter().map(|c| Some(c.clone())).collect()
    };
    let places = names.into_iter().enumerate();
    places
        .filter(move |(_, name)| name.as_deref() == Some(column))
        .map(|(place, _)| place)
}

/// Whether one of these elements of an index has the collation and the operator class that the
/// client names; `None`: classes of two names may be of one family.
fn has_class<'a>(
    wanted: &IndexElem,
    elements: impl Iterator<Item = Option<&'a (String, String)>>,
) -> Option<bool> {
    let last = |names: &[Node]| crate::walk::string_fields(names).pop();
    let (class, collation) = (last(&wanted.opclass), last(&wanted.collation));
    let mut unclear = false;
    for (own_class, own_collation) in elements.flatten() {
        if collation.as_ref().is_some_and(|c| c != own_collation) {
            continue;
        }
        if class.as_ref().is_none_or(|c| c == own_class) {
            return Some(true);
        }
        unclear = true;
    }
    if unclear { None } else { Some(false) }
}

/// A collation or an operator class of its own.
fn is_special(element: &IndexElem) -> bool {
    !element.collation.is_empty() || !element.opclass.is_empty()
}

/// Plain columns and expressions of a key; `None`: one of them cannot be read.
fn elements(key: &Key) -> Option<(Vec<String>, Vec<Form>)> {
    if !key.columns.is_empty() {
        return Some((key.columns.clone(), Vec::new()));
    }
    let (mut columns, mut expressions) = (Vec::new(), Vec::new());
    for element in &key.elements {
        let mut node: Node = Form::parse(element)?;
        // a target that names no collation means an index of any
        if let Some(NodeEnum::CollateClause(collated)) = node.node {
            node = *collated.arg?;
        }
        match node.node.as_ref()? {
            NodeEnum::ColumnRef(column) => {
                columns.extend(crate::walk::string_fields(&column.fields).pop());
            }
            _ => expressions.push(Form::of(&node)),
        }
    }
    Some((columns, expressions))
}

impl<'a> Arbiter<'a> {
    /// The key by which rows are told apart.
    pub(super) fn of_key(relation: &'a Relation, key: &'a Key) -> Self {
        Self {
            key,
            number: 0,
            excludes: false,
            relation,
        }
    }

    /// Its elements over the bare names of the table's columns.
    fn elements(&self) -> Vec<String> {
        if self.key.elements.is_empty() {
            return self.key.columns.iter().map(|c| q(c)).collect();
        }
        self.key.elements.iter().map(|e| format!("({e})")).collect()
    }

    /// `, … AS pgdraft_k<n>_<e>, … AS pgdraft_p<n>`: what a proposed row has to be compared, where
    /// that is not simply its columns.
    pub(super) fn computed(&self) -> String {
        if !self.key.special {
            return String::new();
        }
        let n = self.number;
        let mut out: String = self
            .elements()
            .iter()
            .enumerate()
            .map(|(e, text)| format!(", {text} AS pgdraft_k{n}_{e}"))
            .collect();
        if let Some(predicate) = &self.key.predicate {
            out.push_str(&format!(", ({predicate}) IS TRUE AS pgdraft_p{n}"));
        }
        out
    }

    /// The elements of a proposed row.
    pub(super) fn values(&self, input: &str) -> Vec<String> {
        let n = self.number;
        if self.key.special {
            let count = self.elements().len();
            return (0..count)
                .map(|e| format!("{input}.pgdraft_k{n}_{e}"))
                .collect();
        }
        self.key
            .columns
            .iter()
            .filter_map(|c| proposed::columns(self.relation).position(|w| w.name == *c))
            .map(|i| format!("{input}.pgdraft_i{i}"))
            .collect()
    }

    /// Whether a proposed row meets a row of the table: its columns are named by `column`, and bare
    /// names mean it.
    pub(super) fn matches(&self, input: &str, column: impl Fn(&str) -> String) -> String {
        let theirs: Vec<String> = if self.key.special {
            self.elements()
        } else {
            self.key.columns.iter().map(|c| column(c)).collect()
        };
        let mut parts = self.pairs(&theirs, &self.values(input));
        if let Some(predicate) = &self.key.predicate {
            parts.push(format!(
                "({predicate}) AND {input}.pgdraft_p{}",
                self.number
            ));
        }
        parts.join(" AND ")
    }

    fn pairs(&self, left: &[String], right: &[String]) -> Vec<String> {
        let pairs = left.iter().zip(right).enumerate();
        pairs
            .map(|(n, (left, right))| {
                let equal = format!("{left} {} {right}", merge::equals(self.key, n));
                self.key.same(equal, left, right)
            })
            .collect()
    }

    /// Whether two proposed rows meet.
    pub(super) fn meet(&self, left: &str, right: &str) -> String {
        let mut parts = self.pairs(&self.values(left), &self.values(right));
        if self.key.predicate.is_some() {
            let n = self.number;
            parts.push(format!("{left}.pgdraft_p{n} AND {right}.pgdraft_p{n}"));
        }
        parts.join(" AND ")
    }

    /// What rows that meet have in common, for PARTITION BY.
    pub(super) fn partition(&self, input: &str) -> String {
        let mut values = self.values(input);
        if self.key.predicate.is_some() {
            values.push(format!("{input}.pgdraft_p{}", self.number));
        }
        list(values)
    }

    /// A proposed row that meets none.
    pub(super) fn never(&self, input: &str) -> String {
        let mut parts = Vec::new();
        if !self.key.nulls_not_distinct {
            let values = list(self.values(input));
            parts.push(format!(
                "pg_catalog.num_nulls({values}) OPERATOR(pg_catalog.>) 0"
            ));
        }
        if self.key.predicate.is_some() {
            parts.push(format!("NOT {input}.pgdraft_p{}", self.number));
        }
        if parts.is_empty() {
            "false".to_owned()
        } else {
            parts.join(" OR ")
        }
    }
}
