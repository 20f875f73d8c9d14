//! `GROUP BY primary key` makes the other columns of a table depend on it. A derived table has no key,
//! so the columns in use are added to the GROUP BY. What has no equality to be grouped by (json, xml,
//! a point), and the row as a whole, is looked up by the key where the groups are made already.

use catalog::{Catalog, Relation, quote_identifier as q};
use report::Report;

use crate::classify::unsupported;
use crate::facts::{Block, ColumnUse, TableRef};
use crate::merge::{self, Scan, Wanted, equals};
use crate::parse::Statement;
use crate::plan::Context;
use crate::resolve::{self, Merged, Resolved};
use crate::rewrite::change::{list, mismatch};
use crate::rewrite::{lost, parts, system};
use crate::splice::Edit;
use crate::volatile::Risk;

/// Types of PostgreSQL that cannot be grouped by.
const WITHOUT_EQUALITY: [&str; 11] = [
    "box",
    "circle",
    "json",
    "jsonpath",
    "line",
    "lseg",
    "path",
    "pg_snapshot",
    "point",
    "polygon",
    "xml",
];

/// Adds what a merged table needs in the GROUP BY of its block.
pub(crate) fn edit(
    statement: &Statement,
    context: &Context<'_>,
    item: &Merged,
    edits: &mut Vec<Edit>,
) -> Result<(), Box<Report>> {
    let Some(block) = statement.facts.blocks.get(item.reference.block) else {
        return Ok(());
    };
    let (Some(location), Some(key)) = (block.group_location, &item.relation.primary_key) else {
        return Ok(());
    };
    let grouping = Grouping {
        statement,
        context,
        item,
        block,
        location,
    };
    if !key.columns.iter().all(|c| grouping.grouped(c)) {
        return Ok(());
    }
    let lookups = grouping.lookups()?;
    let replaced = |e: &Edit| lookups.iter().any(|l| overlap(l, e));
    edits.retain(|e| !replaced(e));
    edits.extend(lookups);
    let label = q(item.reference.label());
    let columns = item.relation.columns.iter();
    let added: String = columns
        .filter(|c| !grouping.grouped(&c.name) && !grouping.in_sets(&c.name))
        .filter(|c| grouping.used(&c.name))
        .filter(|c| has_equality(context.catalog, &c.declared))
        .map(|c| format!("{label}.{}, ", q(&c.name)))
        .collect();
    if !added.is_empty() {
        edits.push(Edit::new(location..location, added));
    }
    Ok(())
}

fn overlap(a: &Edit, b: &Edit) -> bool {
    a.range.start < b.range.end && b.range.start < a.range.end
}

/// A table under a GROUP BY.
struct Grouping<'a> {
    statement: &'a Statement,
    context: &'a Context<'a>,
    item: &'a Merged,
    block: &'a Block,
    location: usize,
}

impl Grouping<'_> {
    fn label(&self) -> &str {
        self.item.reference.label()
    }

    fn names(&self, fields: &[String], column: &str) -> bool {
        match fields {
            [only] => only == column,
            [.., table, last] => table == self.label() && last == column,
            [] => false,
        }
    }

    /// Whether the GROUP BY names the column, or an alias that the select list gives it.
    fn grouped(&self, column: &str) -> bool {
        let meant = |fields: &[String]| match fields {
            [only] => self
                .block
                .group_aliases
                .iter()
                .find(|(alias, _)| alias == only)
                .filter(|(alias, _)| {
                    let block = self.item.reference.block;
                    !is_column(self.statement, self.context, block, alias)
                }),
            _ => None,
        };
        self.block.group_by.iter().any(|fields| {
            let fields = meant(fields).map_or(fields, |(_, column)| column);
            self.names(fields, column)
        })
    }

    fn in_sets(&self, column: &str) -> bool {
        let named = &self.block.group_some;
        named.iter().any(|fields| self.names(fields, column))
    }

    fn is_star(&self, column: &ColumnUse) -> bool {
        match column.fields.as_slice() {
            [star] => star == "*" && column.block == self.item.reference.block,
            [.., table, star] => star == "*" && table == self.label(),
            [] => false,
        }
    }

    fn is_use(&self, column: &ColumnUse, name: &str) -> bool {
        let own = column.block == self.item.reference.block || column.fields.len() > 1;
        own && self.names(&column.fields, name)
    }

    fn used(&self, name: &str) -> bool {
        let columns = &self.statement.facts.columns;
        columns
            .iter()
            .any(|c| self.is_star(c) || self.is_use(c, name))
    }

    /// What stands for the columns that cannot be grouped by, and for the whole row.
    fn lookups(&self) -> Result<Vec<Edit>, Box<Report>> {
        let relation = &self.item.relation;
        let without: Vec<&str> = relation
            .columns
            .iter()
            .filter(|c| !has_equality(self.context.catalog, &c.declared))
            .map(|c| c.name.as_str())
            .collect();
        let mut edits = Vec::new();
        for column in self
            .statement
            .facts
            .columns
            .iter()
            .filter(|c| self.outside(c))
        {
            let text = if self.is_star(column) {
                if without.is_empty() || (column.fields.len() == 1 && self.block.tables != Some(1))
                {
                    continue;
                }
                self.written_out(&without)?
            } else if let Some(name) = without.iter().find(|name| self.is_use(column, name)) {
                self.lookup(&format!("pgdraft_g.{}", q(name)))?
            } else if self.is_row(column) {
                let fields = relation.columns.iter();
                let fields = list(fields.map(|c| format!("pgdraft_g.{}", q(&c.name))));
                let label = q(self.label());
                self.lookup(&format!(
                    "ROW({fields})::{} AS {label}",
                    relation.qualified()
                ))?
            } else {
                continue;
            };
            let tokens = &self.statement.tokens;
            let first = tokens.at(column.location).ok_or_else(mismatch)?;
            if self.is_alone_in_order(first, column) {
                // nothing can be ordered by such a column: it is a name that the select list gives
                continue;
            }
            let bytes = tokens.bytes(first..first + 2 * column.fields.len() - 1);
            edits.push(Edit::new(bytes.ok_or_else(mismatch)?, text));
        }
        Ok(edits)
    }

    /// Whether a reference stands where the groups are made: before FROM, or behind GROUP BY.
    fn outside(&self, column: &ColumnUse) -> bool {
        let own = self.statement.facts.relations.iter();
        let from = own
            .filter(|r| r.block == self.item.reference.block)
            .map(|r| r.location)
            .min();
        let before = from.is_some_and(|from| column.location < from);
        (before || column.location > self.location)
            && (column.fields.len() == 1
                || system::reaches(self.statement, column, self.item, self.label()))
    }

    fn is_row(&self, column: &ColumnUse) -> bool {
        let [name] = column.fields.as_slice() else {
            return false;
        };
        name == self.label()
            && column.block == self.item.reference.block
            && !is_column(self.statement, self.context, column.block, name)
    }

    fn is_alone_in_order(&self, first: usize, column: &ColumnUse) -> bool {
        use pg_query::protobuf::Token as Kind;
        let tokens = &self.statement.tokens;
        let before = first.checked_sub(1).and_then(|i| tokens.get(i));
        let opens = before.is_some_and(|t| t.is(Kind::By) || t.is(Kind::Ascii44));
        let closes = tokens.get(first + 1).is_none_or(|t| {
            [
                Kind::Ascii44,
                Kind::Ascii41,
                Kind::Ascii59,
                Kind::Asc,
                Kind::Desc,
                Kind::NullsLa,
                Kind::Limit,
                Kind::Offset,
                Kind::Fetch,
            ]
            .iter()
            .any(|k| t.is(*k))
        });
        column.location > self.location && column.fields.len() == 1 && opens && closes
    }

    fn written_out(&self, without: &[&str]) -> Result<String, Box<Report>> {
        let label = q(self.label());
        let mut items = Vec::new();
        for column in &self.item.relation.columns {
            let name = q(&column.name);
            items.push(if without.contains(&column.name.as_str()) {
                self.lookup(&format!("pgdraft_g.{name}"))?
            } else {
                format!("{label}.{name}")
            });
        }
        Ok(list(items))
    }

    /// Of the row with the group's key.
    fn lookup(&self, what: &str) -> Result<String, Box<Report>> {
        let relation: &Relation = &self.item.relation;
        if !self.item.reference.only && !relation.children.is_empty() {
            return Err(Box::new(
                unsupported(&format!(
                    "GROUP BY the key of \"{}\", from which others inherit, beside columns without an equality",
                    relation.name
                ))
                .hint("group by all columns that are wanted, or name the table after ONLY"),
            ));
        }
        let key = relation.primary_key.as_ref().ok_or_else(lost)?;
        let label = q(self.label());
        let same: Vec<String> = key
            .columns
            .iter()
            .enumerate()
            .map(|(i, c)| format!("pgdraft_g.{c} {} {label}.{c}", equals(key, i), c = q(c)))
            .collect();
        let draft = self.context.draft;
        let head = self.context.catalog.head(relation.id).ok_or_else(lost)?;
        // nothing of the client's stands in it, so it needs no fence and is found by the key
        let wanted = Wanted {
            rows: draft.dirty.get(&relation.id).copied().unwrap_or(0),
            risk: Risk::None,
            bare_count: false,
            scan: Scan::Sought,
            with_new: false,
            truncated: draft.truncated.contains(&relation.id),
            hidden: false,
        };
        let rows = merge::merged(relation, head, wanted).ok_or_else(lost)?;
        let same = same.join(" AND ");
        Ok(format!(
            "(SELECT {what} FROM {rows} AS pgdraft_g WHERE {same})"
        ))
    }
}

/// Whether values of a type can be grouped by. Types of the user are taken to.
fn has_equality(catalog: &Catalog, declared: &str) -> bool {
    let declared = catalog
        .domains
        .get(declared)
        .map_or(declared, String::as_str);
    let element = declared.strip_suffix("[]").unwrap_or(declared);
    if element != declared {
        return has_equality(catalog, element);
    }
    if WITHOUT_EQUALITY.contains(&element) {
        return false;
    }
    parts::row_type(catalog, element).is_none_or(|row| {
        let columns = row.columns.iter();
        columns
            .map(|c| &c.declared)
            .all(|d| d != element && has_equality(catalog, d))
    })
}

/// Whether a table of the block has, or may have, a column of that name.
pub(crate) fn is_column(
    statement: &Statement,
    context: &Context<'_>,
    block: usize,
    name: &str,
) -> bool {
    let references = statement.facts.relations.iter();
    let own: Vec<_> = references.filter(|r| r.block == block).collect();
    let block = statement.facts.blocks.get(block);
    resolve::SYSTEM_COLUMNS.contains(&name)
        || block.and_then(|b| b.sources) != Some(own.len())
        || block.is_some_and(|b| has_target(context, b, name))
        || own.iter().any(|r| has_table(context, r, name))
}

/// The same of any block.
pub(crate) fn is_column_anywhere(statement: &Statement, context: &Context<'_>, name: &str) -> bool {
    let facts = &statement.facts;
    let mut own = vec![0; facts.blocks.len()];
    for reference in &facts.relations {
        if let Some(own) = own.get_mut(reference.block) {
            *own += 1;
        }
    }
    let mut blocks = facts.blocks.iter().zip(own);
    resolve::SYSTEM_COLUMNS.contains(&name)
        || blocks.any(|(b, own)| b.sources != Some(own) || has_target(context, b, name))
        || facts.relations.iter().any(|r| has_table(context, r, name))
}

fn has_target(context: &Context<'_>, block: &Block, name: &str) -> bool {
    let target = block.target.as_ref();
    target.is_some_and(|t| has(context, (t.schema.as_deref(), &t.name), &[], name))
}

fn has_table(context: &Context<'_>, reference: &TableRef, name: &str) -> bool {
    let table = (reference.schema.as_deref(), reference.name.as_str());
    has(context, table, &reference.renamed, name)
}

/// Whether the table has such a column, or is not known.
fn has(
    context: &Context<'_>,
    (schema, table): (Option<&str>, &str),
    renamed: &[String],
    name: &str,
) -> bool {
    let kept = |relation: &Relation| {
        let mut columns = relation.columns.iter().skip(renamed.len());
        columns.any(|c| c.name == name)
    };
    let found = resolve::resolve(context, schema, table);
    !matches!(found, Ok(Resolved::Known(relation)) if !kept(&relation))
        || renamed.iter().any(|r| r == name)
}
