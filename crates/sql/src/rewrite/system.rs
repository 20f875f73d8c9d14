//! System columns and TABLESAMPLE of merged reads. A derived table has neither, so the merged read
//! gives the system columns that the statement asks for under names of ours, and draws the sample.

use std::cell::LazyCell;

use catalog::{Relation, RelationKind, quote_identifier, quote_literal};
use pg_query::protobuf::Token as Kind;
use report::Report;

use crate::classify::unsupported;
use crate::facts::{Block, ColumnUse};
use crate::merge::System;
use crate::parse::Statement;
use crate::plan::Context;
use crate::resolve::Merged;
use crate::rewrite::{grouped, lost, quoted_columns};
use crate::splice::Edit;

const NAMES: [&str; 6] = ["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"];

/// The system columns of a reference that the statement asks for.
pub(crate) fn wanted(statement: &Statement, context: &Context<'_>, item: &Merged) -> System {
    let mut system = System {
        names: Vec::new(),
        mark: item.reference.location,
        table: table_of(context, &item.relation),
        ..System::default()
    };
    for column in &statement.facts.columns {
        if let Some(name) = name_of(statement, column, item)
            && !system.names.contains(&name)
        {
            system.names.push(name);
        }
    }
    system
}

/// Which table has a row, by its values.
pub(crate) fn table_of(context: &Context<'_>, relation: &Relation) -> String {
    let root = context.catalog.drafted_as(relation.id);
    let root = context.catalog.relations.get(&root);
    let Some(root) = root.filter(|_| relation.kind == RelationKind::Partitioned) else {
        return format!("{}::pg_catalog.oid", relation.id.0);
    };
    let leaves = root.leaves.iter().map(|leaf| {
        let name = format!(
            "{}.{}",
            quote_identifier(&leaf.schema),
            quote_identifier(&leaf.table)
        );
        let bound = leaf.bound.as_deref().unwrap_or("true");
        format!(
            " WHEN {bound} THEN {}::pg_catalog.regclass::pg_catalog.oid",
            quote_literal(&name)
        )
    });
    match leaves.collect::<String>() {
        none if none.is_empty() => "NULL::pg_catalog.oid".to_owned(),
        whens => format!("CASE{whens} END"),
    }
}

/// The system column of that reference which a column reference means.
pub(crate) fn name_of(
    statement: &Statement,
    column: &ColumnUse,
    item: &Merged,
) -> Option<&'static str> {
    let (last, before) = column.fields.split_last()?;
    let name = *NAMES.iter().find(|name| *name == last)?;
    let of_item = match before.last() {
        Some(table) => table == item.reference.label() && reaches(statement, column, item, table),
        None => column.block == item.reference.block,
    };
    (of_item && item.relation.column(last).is_none()).then_some(name)
}

/// Whether a qualifier means that reference: one in the column's own block goes before.
pub(crate) fn reaches(
    statement: &Statement,
    column: &ColumnUse,
    item: &Merged,
    label: &str,
) -> bool {
    let tables = &statement.facts.relations;
    column.block == item.reference.block
        || !tables
            .iter()
            .any(|r| r.block == column.block && r.label() == label)
}

/// The edits that make a statement use the system columns which the merged read gives.
pub(crate) fn edits(
    statement: &Statement,
    item: &Merged,
    system: &System,
) -> Result<Vec<Edit>, Box<Report>> {
    let mut edits = Vec::new();
    if system.names.is_empty() {
        return Ok(edits);
    }
    let label = quote_identifier(item.reference.label());
    for column in &statement.facts.columns {
        let first = statement.tokens.at(column.location).ok_or_else(lost)?;
        if let Some(name) = name_of(statement, column, item) {
            let (range, _) = statement.tokens.name_at(column.location).ok_or_else(lost)?;
            edits.extend(
                column
                    .bare
                    .then(|| Edit::named(&statement.tokens, &range, name)),
            );
            edits.push(Edit::new(range, format!("{label}.{}", system.alias(name))));
            continue;
        }
        let all = quoted_columns(&item.relation, &label);
        match column.fields.as_slice() {
            [star] if star == "*" && column.block == item.reference.block => {
                let tables = &statement.facts.relations;
                let alone = tables.iter().filter(|r| r.block == column.block).count() == 1;
                let simple = statement.facts.blocks.get(column.block);
                if !alone || simple.is_some_and(|b| b.derived) {
                    return Err(Box::new(
                        unsupported("* beside a system column of a changed table in a join")
                            .hint("write the columns, or table.* for each table"),
                    ));
                }
                let range = statement.tokens.bytes(first..first + 1).ok_or_else(lost)?;
                edits.push(Edit::new(range, all));
            }
            [.., table, star]
                if star == "*"
                    && table == item.reference.label()
                    && reaches(statement, column, item, table) =>
            {
                let (range, _) = statement.tokens.name_at(column.location).ok_or_else(lost)?;
                edits.push(match statement.facts.spread.contains(&column.location) {
                    true => Edit::new(statement.tokens.with_brackets(range), all),
                    false => Edit::new(range, row(item, &all)),
                });
            }
            _ => {}
        }
    }
    Ok(edits)
}

/// The row of the table itself: the merged read has more columns.
pub(crate) fn row(item: &Merged, columns: &str) -> String {
    format!("ROW({columns})::{}", item.relation.qualified())
}

/// The whole row as an argument is of the table's own row type; of a derived table it would be some
/// record, and with system columns it would have too many of them. NULL (under an outer join) stays NULL.
pub(crate) fn row_edits(
    statement: &Statement,
    context: &Context<'_>,
    item: &Merged,
    system: &System,
) -> Vec<Edit> {
    let facts = &statement.facts;
    let name = item.reference.label();
    let own = item.reference.block;
    let more = !system.names.is_empty();
    let grouped = |b: &Block| b.group_by.iter().any(|fields| fields.as_slice() == [name]);
    let grouped = !more && facts.blocks.get(own).is_some_and(grouped);
    if grouped || grouped::is_column(statement, context, own, name) {
        return Vec::new();
    }
    let label = quote_identifier(name);
    let whole = if more {
        row(item, &quoted_columns(&item.relation, &label))
    } else {
        format!("CAST({label} AS {})", item.relation.qualified())
    };
    // before 15 the row as a whole has the names that its alias gives to its columns
    if !item.reference.renamed.is_empty() && context.catalog.server_version < 150_000 {
        return Vec::new();
    }
    let text = format!("CASE WHEN {label} IS DISTINCT FROM NULL THEN {whole} END");
    let alone = LazyCell::new(|| is_named_once(statement, item));
    let column_too = LazyCell::new(|| grouped::is_column_anywhere(statement, context, name));
    // a subquery means the row where nothing else in the statement can have its name
    let meant = |column: &ColumnUse| {
        column.block == own || *alone && (column.fields.len() == 2 || !*column_too)
    };
    let written = |column: &ColumnUse| {
        let argument = || facts.arguments.contains(&column.location);
        match column.fields.as_slice() {
            [bare] if bare == name && (more || argument()) => Some((text.clone(), Some(&label))),
            [table, field] if table == name => match field.as_str() {
                // not one that stands for the columns one by one
                "*" if argument() && !facts.spread.contains(&column.location) => {
                    Some((text.clone(), Some(&label)))
                }
                "*" => None,
                // a function of the row
                _ if lacks(item, field) => {
                    Some((format!("({text}).{}", quote_identifier(field)), None))
                }
                _ => None,
            },
            _ => None,
        }
    };
    let uses = facts.columns.iter().filter_map(|column| {
        let (text, name) = written(column).filter(|_| meant(column))?;
        let (range, _) = statement.tokens.name_at(column.location)?;
        let name = name.filter(|_| column.bare);
        let name = name.map(|name| Edit::named(&statement.tokens, &range, name));
        Some([Some(Edit::new(range, text)), name])
    });
    uses.flatten().flatten().collect()
}

/// No column of it has that name.
pub(crate) fn lacks(item: &Merged, name: &str) -> bool {
    let renamed = &item.reference.renamed;
    let mut kept = item.relation.columns.iter().skip(renamed.len());
    !NAMES.contains(&name)
        && !name.starts_with("pgdraft_")
        && !renamed.iter().any(|r| r == name)
        && !kept.any(|c| c.name == name)
}

/// Whether no other table of the statement has its name, and nothing in it whose name is not known.
fn is_named_once(statement: &Statement, item: &Merged) -> bool {
    let facts = &statement.facts;
    let label = item.reference.label();
    let targets = facts.blocks.iter().filter_map(|b| b.target.as_ref());
    let mut blocks = facts.blocks.iter();
    facts.ctes.is_empty()
        && !targets.into_iter().any(|t| t.label == label)
        && facts
            .relations
            .iter()
            .filter(|r| r.label() == label)
            .count()
            == 1
        && blocks.all(|b| b.sources.is_some() || !b.derived)
}

/// What those edits put for a whole column reference: a system column, the row as a value, a function of it.
pub(crate) fn replaced<'e>(
    statement: &Statement,
    edits: &'e [Edit],
    column: &ColumnUse,
) -> Option<&'e str> {
    let (range, _) = statement.tokens.name_at(column.location)?;
    let edit = edits.iter().find(|e| e.range == range)?;
    Some(&edit.text)
}

/// The derived table that draws a sample from `body`, and the edit that takes the TABLESAMPLE away.
pub(crate) fn sample(
    statement: &Statement,
    item: &Merged,
    body: &str,
) -> Result<(String, Edit), Box<Report>> {
    let tokens = &statement.tokens;
    let is = |i: usize, kind: Kind| tokens.get(i).is_some_and(|t| t.is(kind));
    let (_, behind) = tokens.name_at(item.reference.location).ok_or_else(lost)?;
    let word = (behind..tokens.len().min(behind + 4))
        .find(|i| is(*i, Kind::Tablesample))
        .ok_or_else(lost)?;
    let method = tokens.bytes(word + 1..word + 2).ok_or_else(lost)?;
    let method = statement.text.get(method).unwrap_or_default();
    if !["bernoulli", "system"].contains(&method.to_ascii_lowercase().as_str()) {
        return Err(Box::new(
            unsupported("TABLESAMPLE of this method on a table this session changed")
                .hint("use BERNOULLI or SYSTEM"),
        ));
    }
    let inside = |open: usize| {
        let depth = tokens.get(open)?.depth;
        let close = tokens.find(open + 1..tokens.len(), depth, |_, t| t.is(Kind::Ascii41))?;
        let range = tokens.bytes(open + 1..close)?;
        Some((statement.text.get(range)?, close))
    };
    let (percent, mut end) = inside(word + 2).ok_or_else(lost)?;
    let drawn = if is(end + 1, Kind::Repeatable) {
        let (seed, close) = inside(end + 2).ok_or_else(lost)?;
        end = close;
        format!(
            "(pg_catalog.hashtextextended(s::pg_catalog.text, coalesce(pg_catalog.hashtext(({seed})::pg_catalog.text), 0)) & 2147483647) / 2147483648.0::pg_catalog.float8"
        )
    } else {
        "pg_catalog.random()".to_owned()
    };
    let range = tokens.bytes(word..end + 1).ok_or_else(lost)?;
    // a sample of another table raises what PostgreSQL has to say of the percentage and the seed
    let asked = format!(
        "(SELECT pg_catalog.count(*) FROM pg_catalog.pg_am {}) >= 0",
        statement.text.get(range.clone()).unwrap_or_default()
    );
    let text = format!(
        "(SELECT * FROM {body} AS s WHERE {asked} AND {drawn} < coalesce(({percent})::pg_catalog.float8, 0) / 100)"
    );
    Ok((text, Edit::new(range, String::new())))
}
