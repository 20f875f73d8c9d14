//! SKIP LOCKED and NOWAIT, row by row.
//!
//! Rows of production cannot be locked, so each row that such a SELECT comes to is locked in the
//! session: by `pgdraft.hold_row`, in the order of its ORDER BY and until its LIMIT is reached, as
//! PostgreSQL does. The SELECT stands in its own text a second time for that: the inner one finds the
//! rows and holds them, the outer one reads those.

use std::ops::Range;

use catalog::{Relation, RelationKind, quote_identifier as q, quote_literal};
use pg_query::protobuf::Token as Kind;
use report::Report;

use crate::facts::{Locking, TableRef, Wait};
use crate::merge::equals;
use crate::parse::Statement;
use crate::plan::Context;
use crate::resolve::{self, Merged, Resolved};
use crate::rewrite::{Edits, lost, merged_text, system, table_edit};
use crate::splice::{Edit, Splice};

/// The table whose rows a statement locks without waiting.
pub(crate) fn target(
    statement: &Statement,
    context: &Context<'_>,
) -> Result<Option<(Merged, Wait)>, Box<Report>> {
    let [locking] = statement.facts.lockings.as_slice() else {
        return Ok(None);
    };
    let Some(reference) = reference(statement, locking) else {
        return Ok(None);
    };
    let found = resolve::resolve(context, reference.schema.as_deref(), &reference.name)?;
    let Resolved::Known(relation) = found else {
        return Ok(None);
    };
    let kind = matches!(
        relation.kind,
        RelationKind::Table | RelationKind::Partitioned
    );
    // rows of a tree of tables have no key in common
    let alone = reference.only || relation.children.is_empty();
    if !kind || !alone || relation.key().is_none() || locking.wait == Wait::Block {
        return Ok(None);
    }
    let reference = reference.clone();
    Ok(Some((
        Merged {
            reference,
            relation,
        },
        locking.wait,
    )))
}

/// The one table that a locking clause means.
fn reference<'a>(statement: &'a Statement, locking: &Locking) -> Option<&'a TableRef> {
    let block = statement.facts.blocks.get(locking.block)?;
    let relations = statement.facts.relations.iter();
    let mut own = relations.filter(|r| {
        r.block == locking.block
            && !r.sampled
            && !r.only
            && locking.of.first().is_none_or(|name| name == r.label())
    });
    let first = own.next()?;
    let one = own.next().is_none() && (locking.of.len() == 1 || !block.derived);
    (one && locking.of.len() < 2).then_some(first)
}

/// Makes the read of that table one of the rows that could be held.
pub(crate) fn restrict(
    statement: &Statement,
    context: &Context<'_>,
    (item, wait): &(Merged, Wait),
    edits: &mut Edits,
) -> Result<(), Box<Report>> {
    let clauses = Clauses::of(statement, item).ok_or_else(lost)?;
    let head = context.catalog.head(item.relation.id).ok_or_else(lost)?;
    let mut outer = system::wanted(statement, context, item);
    let mut inner = outer.clone();
    inner.names.push("op");
    let body = merged_text(statement, context, item, &inner)?;
    let found = table_edit(statement, &item.reference, &body)?;
    let place = found.range.clone();

    let label = q(item.reference.label());
    let names = &item.relation.key().ok_or_else(lost)?.columns;
    let keys: String = names
        .iter()
        .enumerate()
        .map(|(i, name)| format!(", {label}.{} AS pgdraft_k{i}", q(name)))
        .collect();
    let seen = format!("{keys}, {label}.{} AS pgdraft_seen ", inner.alias("op"));
    let seen = if clauses.lists_nothing {
        seen.trim_start_matches(',').to_owned()
    } else {
        seen
    };
    let mut list: Vec<Edit> = edits.list.clone();
    list.retain(|e| e.range != place);
    list.push(found);
    list.push(Edit::new(clauses.from..clauses.from, seen));
    list.sort_by_key(|e| (e.range.start, e.range.end));
    let mut copy = Splice::new(&statement.text);
    copy.copy_edited(clauses.select..clauses.end, &list);

    let held = held(&item.relation, head.id.0, *wait);
    let picked: Vec<String> = (0..names.len())
        .map(|i| format!("f.pgdraft_k{i}"))
        .collect();
    let picked = format!(
        "SELECT {} FROM ({} OFFSET 0) AS f WHERE {held}{}",
        picked.join(", "),
        copy.finish().0,
        clauses.limit(statement)?
    );
    outer.only = only(&item.relation, &picked);
    let body = merged_text(statement, context, item, &outer)?;
    edits.list.retain(|e| e.range != place);
    edits
        .list
        .push(table_edit(statement, &item.reference, &body)?);
    Ok(())
}

/// The call that holds a row found.
fn held(relation: &Relation, head: i32, wait: Wait) -> String {
    let names: Vec<String> = relation
        .key()
        .iter()
        .flat_map(|key| &key.columns)
        .map(|name| quote_literal(name))
        .collect();
    let values: Vec<String> = (0..names.len())
        .map(|i| format!("f.pgdraft_k{i}::pg_catalog.text"))
        .collect();
    format!(
        "pgdraft.hold_row({head}, ARRAY[{}]::pg_catalog.text[], ARRAY[{}], f.pgdraft_seen, {})",
        names.join(", "),
        values.join(", "),
        match wait {
            Wait::Error => quote_literal(&relation.name),
            Wait::Skip | Wait::Block => "NULL".to_owned(),
        }
    )
}

/// The condition on the rows of the merged read. An array, so that an index finds them.
fn only(relation: &Relation, picked: &str) -> String {
    let Some(key) = relation.key() else {
        return String::new();
    };
    match key.columns.as_slice() {
        [name] => format!(
            " AND m.{} {} ANY (ARRAY({picked}))",
            q(name),
            equals(key, 0)
        ),
        names => {
            let names: Vec<String> = names.iter().map(|n| format!("m.{}", q(n))).collect();
            format!(" AND ({}) IN ({picked})", names.join(", "))
        }
    }
}

/// Where the clauses of a locking SELECT stand.
struct Clauses {
    /// Byte of SELECT.
    select: usize,
    /// Byte of FROM.
    from: usize,
    /// The select list is empty.
    lists_nothing: bool,
    /// Byte where the first of LIMIT, OFFSET, FETCH and FOR begins.
    end: usize,
    /// Token ranges of the expressions of LIMIT or FETCH, and of OFFSET.
    count: Option<Range<usize>>,
    offset: Option<Range<usize>>,
}

impl Clauses {
    fn of(statement: &Statement, item: &Merged) -> Option<Self> {
        let tokens = &statement.tokens;
        let table = tokens.at(item.reference.location)?;
        let is = |i: usize, kind: Kind| tokens.get(i).is_some_and(|t| t.is(kind));
        // the table may stand in brackets, in a join
        let (select, depth) = (0..table).rev().find_map(|i| {
            let t = tokens.get(i).filter(|t| t.is(Kind::Select))?;
            let inside = (i..table).all(|j| tokens.get(j).is_some_and(|o| o.depth >= t.depth));
            inside.then_some((i, t.depth))
        })?;
        let from = tokens.find(select..table, depth, |_, t| t.is(Kind::From))?;
        let close = (table..tokens.len())
            .find(|&i| {
                tokens
                    .get(i)
                    .is_some_and(|t| t.depth < depth || t.is(Kind::Ascii59))
            })
            .unwrap_or(tokens.len());
        let starts: Vec<usize> = (table..close)
            .filter(|&i| {
                let kinds = [Kind::Limit, Kind::Offset, Kind::Fetch, Kind::For];
                tokens.get(i).is_some_and(|t| t.depth == depth) && kinds.iter().any(|k| is(i, *k))
            })
            .collect();
        let mut out = Self {
            select: tokens.get(select)?.start,
            from: tokens.get(from)?.start,
            lists_nothing: (select + 1..from).all(|i| is(i, Kind::All)),
            end: tokens.get(*starts.first()?)?.start,
            count: None,
            offset: None,
        };
        for (n, &start) in starts.iter().enumerate() {
            let end = starts.get(n + 1).copied().unwrap_or(close);
            let rows = |i: usize| is(i, Kind::Row) || is(i, Kind::Rows);
            if is(start, Kind::Limit) && !is(start + 1, Kind::All) {
                out.count = Some(start + 1..end);
            } else if is(start, Kind::Fetch) {
                let last = (start..end).find(|&i| rows(i))?;
                out.count = Some(start + 2..last);
            } else if is(start, Kind::Offset) {
                let last = end - usize::from(rows(end - 1));
                out.offset = Some(start + 1..last);
            }
        }
        Some(out)
    }

    /// LIMIT of the rows to hold: those that OFFSET passes over are held as well.
    fn limit(&self, statement: &Statement) -> Result<String, Box<Report>> {
        let text = |range: &Range<usize>| {
            let bytes = statement.tokens.bytes(range.clone());
            bytes.and_then(|b| statement.text.get(b)).unwrap_or("1")
        };
        let Some(count) = &self.count else {
            return Ok(String::new());
        };
        if statement.facts.relations.iter().any(|r| {
            let at = statement.tokens.at(r.location);
            at.is_some_and(|at| count.contains(&at))
        }) {
            return Err(Box::new(
                crate::classify::unsupported(
                    "a LIMIT that reads a table, under SKIP LOCKED or NOWAIT",
                )
                .hint("give the number itself, or a parameter"),
            ));
        }
        let passed = self.offset.as_ref().map_or(String::new(), |offset| {
            format!(" + coalesce(({})::pg_catalog.int8, 0)", text(offset))
        });
        Ok(format!(" LIMIT ({})::pg_catalog.int8{passed}", text(count)))
    }
}
