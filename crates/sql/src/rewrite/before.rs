//! BEFORE triggers of production that run in drafts: a row on its way to the head goes through a
//! function that fires them (`draft::before`).

use catalog::{Before, Column, Generated, Relation, quote_identifier as q, quote_literal};
use report::Report;

use crate::classify::unsupported;
use crate::plan::Context;
use crate::rewrite::assign::Assignment;
use crate::rewrite::change::{Changed, list};

/// What one part of a statement fires.
#[derive(Debug)]
pub(crate) struct Fires<'a> {
    changed: &'a Changed,
    insert: bool,
    /// The columns that an UPDATE names, where a trigger fires for them.
    update: Option<Vec<String>>,
}

/// Whether all triggers that would fire are those of the table itself: a partition may have others of its own,
/// and which partition a row goes to is known only when it is written.
///
/// # Errors
/// 0A000 where a partition has one.
pub(crate) fn none_of_partitions(context: &Context<'_>, drafted: &Relation) -> Result<(), Report> {
    let inherited = |b: &Before| drafted.before.iter().any(|root| root.name == b.name);
    for leaf in &drafted.leaves {
        let found = context.catalog.relation(&leaf.schema, &leaf.table);
        let Some(partition) = found.filter(|p| p.id != drafted.id) else {
            continue;
        };
        if let Some(own) = partition.before.iter().find(|b| !inherited(b)) {
            return Err(unsupported(&format!(
                "changing \"{}\", whose partition \"{}\" has a BEFORE trigger of its own that runs in drafts, \"{}\",",
                drafted.name, partition.name, own.name
            ))
            .hint("ask for the trigger on the partitioned table itself, or leave this change to a person"));
        }
    }
    Ok(())
}

/// The columns that an UPDATE changes which names these: where there are BEFORE triggers all generated ones are
/// among them, in which they see no value.
fn with_generated(drafted: &Relation, mut names: Vec<String>) -> Vec<String> {
    let columns = drafted.columns.iter();
    let generated = columns.filter(|c| c.generated != Generated::No);
    names.extend(generated.map(|c| c.name.clone()));
    names
}

impl<'a> Fires<'a> {
    /// Of an INSERT; none where no trigger fires.
    pub(crate) fn of_insert(changed: &'a Changed) -> Option<Self> {
        Self::of(changed, true, None)
    }

    /// Of an UPDATE.
    pub(crate) fn of_update(changed: &'a Changed, assigned: &[Assignment]) -> Option<Self> {
        let names = assigned.iter().map(|a| a.column.clone()).collect();
        Self::of(changed, false, Some(names))
    }

    /// Of a part that may do both.
    pub(crate) fn of(
        changed: &'a Changed,
        inserts: bool,
        updates: Option<Vec<String>>,
    ) -> Option<Self> {
        let before = &changed.drafted.before;
        let fires = |b: &Before, names: &[String]| {
            b.update && (b.columns.is_empty() || b.columns.iter().any(|c| names.contains(c)))
        };
        let insert = inserts && before.iter().any(|b| b.insert);
        let update = updates.map(|names| with_generated(&changed.drafted, names));
        let update = update.filter(|names| before.iter().any(|b| fires(b, names)));
        (insert || update.is_some()).then_some(Self {
            changed,
            insert,
            update,
        })
    }

    fn function(&self, event: &str) -> String {
        format!("{}_{event}_before", self.changed.head.table())
    }

    /// A row of these values of the writable columns, by place and name.
    pub(crate) fn row(&self, value: impl Fn(usize, &Column) -> String) -> String {
        self.row_with(value, |_, _| "NULL".to_owned())
    }

    fn row_with(
        &self,
        value: impl Fn(usize, &Column) -> String,
        generated: impl Fn(usize, &Column) -> String,
    ) -> String {
        let writable = self.changed.writable();
        let columns = self.changed.drafted.columns.iter().enumerate();
        let values = columns.map(
            |(n, c)| match writable.iter().position(|w| w.name == c.name) {
                Some(i) => value(i, c),
                None => generated(n, c),
            },
        );
        format!(
            "CAST(ROW({}) AS {}_row)",
            list(values),
            self.changed.head.table()
        )
    }

    /// What the triggers make of a new row.
    pub(crate) fn inserted(&self, value: impl Fn(usize, &Column) -> String) -> String {
        let row = self.row(value);
        if !self.insert {
            return row;
        }
        format!("{}({row})", self.function("insert"))
    }

    /// What they make of the row `o0, o1, …` with new values.
    pub(crate) fn updated(&self, value: impl Fn(usize, &Column) -> String) -> String {
        let after = self.row(value);
        let Some(names) = &self.update else {
            return after;
        };
        let old = self.row_with(
            |i, _| format!("o{i}"),
            |n, c| match c.generated {
                Generated::No => "NULL".to_owned(),
                Generated::Stored | Generated::Virtual => format!("pgdraft_g{n}"),
            },
        );
        format!(
            "{}({old}, {after}, ARRAY[{}]::pg_catalog.text[])",
            self.function("update"),
            list(names.iter().map(|n| quote_literal(n)))
        )
    }

    /// `, alias.column AS pgdraft_g<n>`: the generated columns of the row as it was. A view does not
    /// carry them.
    pub(crate) fn generated(&self) -> String {
        let columns = self.changed.drafted.columns.iter().enumerate();
        columns
            .filter(|(_, c)| c.generated != Generated::No)
            .map(|(n, c)| match self.changed.through {
                None => format!(", {} AS pgdraft_g{n}", self.changed.column(&c.name)),
                Some(_) => format!(", CAST(NULL AS {}) AS pgdraft_g{n}", c.declared),
            })
            .collect()
    }

    /// Rows of `rows` with what the triggers, `fired` over the row `s`, made of them; those that they kept
    /// away are left out.
    pub(crate) fn source(&self, rows: &str, fired: &str) -> String {
        format!(
            "SELECT b.*{} FROM (SELECT s.*, {fired} AS pgdraft_f FROM {rows} AS s OFFSET 0) AS b WHERE b.pgdraft_f IS DISTINCT FROM NULL",
            self.fields()
        )
    }

    /// `, (b.pgdraft_f)."a" AS pgdraft_w0, …`: the row that they made.
    pub(crate) fn fields(&self) -> String {
        let writable = self.changed.writable();
        let fields = writable.iter().enumerate();
        fields
            .map(|(i, c)| format!(", (b.pgdraft_f).{} AS pgdraft_w{i}", q(&c.name)))
            .collect()
    }
}
