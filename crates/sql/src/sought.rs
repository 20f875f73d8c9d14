//! How a block reads its tables: whether an index finds the rows that it wants.
//!
//! Nothing but the form of the merged read depends on it, so a wrong answer costs time only.

use std::sync::Arc;

use catalog::Relation;

use crate::facts::Block;
use crate::merge::Scan;
use crate::parse::Statement;
use crate::plan::Context;
use crate::resolve::{self, Resolved};

/// Tables of one block that are looked at; whoever joins more gets the form for all cases.
const TABLES_MAX: usize = 32;
/// Above so many merged tables in a block planning joins costs more than probing.
const JOINED_MAX: usize = 4;

/// A table under the name that its columns are qualified with.
struct Table {
    relation: Arc<Relation>,
    label: String,
    sought: bool,
}

/// How a block reads `relation`, which it calls `label`.
pub(crate) fn scan(
    statement: &Statement,
    context: &Context<'_>,
    (block, relation, label): (usize, &Arc<Relation>, &str),
) -> Scan {
    let Some(facts) = statement.facts.blocks.get(block) else {
        return Scan::Whole;
    };
    let part = if facts.selective {
        Scan::Part
    } else {
        Scan::Whole
    };
    let mut tables = tables(statement, context, block);
    let is_it = |table: &Table| table.relation.id == relation.id && table.label == label;
    // the target of a change stands in no FROM
    if !tables.iter().any(is_it) {
        tables.push(Table {
            relation: Arc::clone(relation),
            label: label.to_owned(),
            sought: false,
        });
    }
    let dirty = |table: &&Table| context.draft.dirty.contains_key(&table.relation.id);
    if tables.len() > TABLES_MAX {
        return part;
    }
    let joined = tables.iter().filter(dirty).count();
    find(&mut tables, facts);
    let found = tables.iter().any(|table| is_it(table) && table.sought);
    let in_order = |table: &Table| {
        let column = facts.ordered.as_ref().and_then(|by| table.column(by));
        column.is_some_and(|column| leads(relation, column))
    };
    if found || facts.selective && joined > JOINED_MAX {
        Scan::Sought
    } else if tables.iter().any(|table| is_it(table) && in_order(table)) {
        Scan::First
    } else {
        part
    }
}

fn tables(statement: &Statement, context: &Context<'_>, block: usize) -> Vec<Table> {
    let references = statement.facts.relations.iter();
    let own = references.filter(|reference| reference.block == block);
    own.filter_map(|reference| {
        let found = resolve::resolve(context, reference.schema.as_deref(), &reference.name);
        let Ok(Resolved::Known(relation)) = found else {
            return None;
        };
        Some(Table {
            relation,
            label: reference.label().to_owned(),
            sought: false,
        })
    })
    .collect()
}

/// Marks the tables whose rows are found by an index, from constants on to what is joined with them.
fn find(tables: &mut [Table], block: &Block) {
    loop {
        let found = tables.iter().position(|table| {
            !table.sought
                && block.sought.iter().any(|sought| {
                    let by_found = |by: &Vec<String>| {
                        let mut others = tables.iter().filter(|other| other.sought);
                        others.any(|other| other.column(by).is_some())
                    };
                    let column = table.column(&sought.column);
                    column.is_some_and(|column| leads(&table.relation, column))
                        && sought.by.as_ref().is_none_or(by_found)
                })
        });
        match found.and_then(|found| tables.get_mut(found)) {
            Some(table) => table.sought = true,
            None => return,
        }
    }
}

impl Table {
    /// The column that a reference means, if it is this table's.
    fn column<'f>(&self, fields: &'f [String]) -> Option<&'f String> {
        let (column, qualifiers) = fields.split_last()?;
        let named = qualifiers.last().is_none_or(|label| *label == self.label);
        (named && self.relation.column(column).is_some()).then_some(column)
    }
}

/// Whether an index of the table begins with the column.
fn leads(relation: &Relation, column: &str) -> bool {
    let first = |columns: &[String]| columns.first().is_some_and(|first| first == column);
    relation.key().is_some_and(|key| first(&key.columns))
        || relation.unique.iter().any(|key| first(&key.columns))
        || relation.indexes.iter().any(|index| first(&index.columns))
}
