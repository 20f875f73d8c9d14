//! What production does beside the drafts: rows of its own, which no draft changes.

use super::maker::Maker;
use super::schema::{Filled, PRODUCTION, Shape, Table, names};
use super::value::Kind;
use crate::differential::Expect;

impl Maker<'_> {
    /// Production inserts a row of its own, or changes one.
    pub(super) fn produce(&mut self) {
        let tables = self.schema.tables.iter().enumerate();
        let fitting: Vec<usize> = tables.filter(|(_, t)| fits(t)).map(|(n, _)| n).collect();
        if fitting.is_empty() {
            return;
        }
        let at = *self.random.pick(&fitting);
        let table = self.schema.tables[at].clone();
        let text = if self.random.percent(60) {
            self.produced += 1;
            Some(self.production_row(&table, PRODUCTION + at as u64 * 10_000 + self.produced))
        } else {
            self.production_update(&table)
        };
        let Some(text) = text else { return };
        self.say(text);
        if let Some(step) = self.steps.last_mut() {
            step.production = true;
            step.expect = Expect::Success;
        }
    }

    fn production_row(&mut self, table: &Table, id: u64) -> String {
        let writable = table.writable();
        let values: Vec<String> = writable
            .iter()
            .map(|n| {
                let column = &table.columns[*n];
                if *n == 0 || column.unique && column.kind == Kind::Int {
                    id.to_string()
                } else if column.reference.is_some() || column.unique && !table.key.contains(n) {
                    "NULL".to_owned()
                } else {
                    column.kind.literal(self.random)
                }
            })
            .collect();
        format!(
            "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT DO NOTHING",
            table.name,
            names(&table.columns, &writable),
            values.join(", ")
        )
    }

    fn production_update(&mut self, table: &Table) -> Option<String> {
        let column = table.columns.iter().find(|c| {
            !c.unique
                && c.reference.is_none()
                && c.filled == Filled::Plainly
                // These may be under a CHECK.
                && !matches!(c.kind, Kind::Text | Kind::Int)
        })?;
        Some(format!(
            "UPDATE {} SET {} = {} WHERE {} >= {PRODUCTION}",
            table.name,
            column.name,
            column.kind.literal(self.random),
            table.columns[0].name
        ))
    }
}

/// Whether rows can be made that nothing in the draft meets: told apart by the first column,
/// without references, without values that must be unique.
fn fits(table: &Table) -> bool {
    let told_apart = &table.columns[0];
    let own = |c: &super::schema::Column| !c.unique || !c.not_null || c.kind == Kind::Int;
    table.shape != Shape::View
        && told_apart.kind == Kind::Int
        && told_apart.filled == Filled::Plainly
        && table
            .columns
            .iter()
            .skip(1)
            .all(|c| c.reference.is_none() || !c.not_null)
        && table.columns.iter().skip(table.key.len()).all(own)
        // NULL is a value as any other under NULLS NOT DISTINCT
        && !table.arbiters.iter().any(|a| a.starts_with("ON CONSTRAINT"))
}
