//! What a change read of rows that its session had changed, noted for the operations it depends on.
//!
//! Where the conditions of a block compare a table's columns with constants, only operations count that
//! had a row meet them: before it, or after. An operation that moved a row out of the condition is
//! among them, since the row was in it before. The note is a part of the changing statement, so it has
//! its parameters and its snapshot. Where no condition says it, all changed rows count.

use std::sync::Arc;

use catalog::{Key, ROW_COLUMN, Relation, RelationId, RelationKind, quote_identifier as q};
use report::Report;

use crate::facts::{Block, Piece, Test};
use crate::parse::Statement;
use crate::plan::Context;
use crate::resolve::{self, Merged};
use crate::rewrite::work::Work;
use crate::splice::Splice;
use crate::tokens::Token;
use pg_query::protobuf::Token as Kind;

/// The notes of one statement.
#[derive(Debug)]
pub(crate) struct Notes<'a> {
    statement: &'a Statement,
    /// Items of a WITH list.
    pub(crate) ctes: Splice<'a>,
    count: usize,
    /// Tables of which all changed rows count.
    whole: Vec<RelationId>,
    narrow: Vec<RelationId>,
}

impl<'a> Notes<'a> {
    /// Those of the tables that a statement reads besides the rows it changes.
    pub(crate) fn of_reads(
        statement: &'a Statement,
        context: &Context<'_>,
    ) -> Result<Self, Box<Report>> {
        let mut notes = Self {
            statement,
            ctes: Splice::new(&statement.text),
            count: 0,
            whole: Vec::new(),
            narrow: Vec::new(),
        };
        let read = resolve::dirty_reads(context, &statement.facts.relations)?;
        for item in read.unwrap_or_default() {
            notes.read(context, &item);
        }
        Ok(notes)
    }

    /// The tables of which all changed rows count, among those that are merged.
    pub(crate) fn whole(&self, merged: &[RelationId]) -> Vec<RelationId> {
        let by_rows = |id: &RelationId| self.narrow.contains(id) && !self.whole.contains(id);
        merged.iter().copied().filter(|id| !by_rows(id)).collect()
    }

    fn read(&mut self, context: &Context<'_>, item: &Merged) {
        let reference = &item.reference;
        let members = resolve::dirty_members(context, item.relation.id, reference.only);
        if item.relation.kind == RelationKind::View {
            let behind = item.relation.view.iter().flat_map(|v| &v.relations);
            self.whole.extend(behind);
            return;
        }
        let block = self.statement.facts.blocks.get(reference.block);
        for id in members {
            let images = Images::of(context, id);
            let asked = block.map_or_else(Vec::new, |block| {
                self.asked(block, (reference.label(), images.as_ref()))
            });
            match images {
                Some(images) if !asked.is_empty() => {
                    self.note((&images, false), &asked);
                    self.narrow.push(id);
                }
                _ => self.whole.push(id),
            }
        }
    }

    /// An UPDATE or DELETE, which finds its own rows by a condition: a row that another operation had
    /// moved out of it, or removed, it did not find. Rows that it names by their key it found, or
    /// changed nothing.
    pub(crate) fn target(&mut self, work: &Work<'_>) {
        let changed = &work.changed;
        let context = work.context;
        let block = self.statement.facts.blocks.get(work.place.block);
        let (Some(block), None) = (block, &changed.through) else {
            return;
        };
        if !resolve::is_dirty(context, changed.relation.id) || work.is_positioned() {
            return;
        }
        let images = Images::of(context, changed.relation.id);
        let asked = self.asked(block, (&changed.label, images.as_ref()));
        let (Some(images), Some(key)) = (images, changed.relation.key()) else {
            return;
        };
        let all = work.clauses.filter.is_none() && work.clauses.from.is_none();
        if all || !asked.is_empty() && !is_named(key, &asked) {
            self.note((&images, true), &asked);
        }
    }

    /// The tests of a block that ask for nothing but columns of the table.
    fn asked(&self, block: &'a Block, (label, images): (&str, Option<&Images>)) -> Vec<&'a Test> {
        let Some(images) = images.filter(|_| !block.outer) else {
            return Vec::new();
        };
        let known = |piece: &Piece| match piece {
            Piece::Ours(_) => true,
            Piece::Column(fields) => images.has(label, fields),
            Piece::Constant(at) => self.constant(*at).is_some(),
        };
        let tests = block.tests.iter();
        tests.filter(|test| test.iter().all(known)).collect()
    }

    /// The bytes of a constant or a parameter.
    fn constant(&self, at: usize) -> Option<std::ops::Range<usize>> {
        const KINDS: [Kind; 7] = [
            Kind::Sconst,
            Kind::Iconst,
            Kind::Fconst,
            Kind::Param,
            Kind::TrueP,
            Kind::FalseP,
            Kind::NullP,
        ];
        let tokens = &self.statement.tokens;
        let first = tokens.at(at)?;
        let minus = tokens.get(first)?.is(Kind::Ascii45);
        let last = tokens.get(first + usize::from(minus))?;
        let is = |token: &Token| KINDS.iter().any(|kind| token.is(*kind));
        is(last).then_some(at..last.end)
    }

    /// `sought`: rows that are looked for to change them.
    fn note(&mut self, (images, sought): (&Images, bool), tests: &[&Test]) {
        self.count += 1;
        if self.count > 1 {
            self.ctes.ours(", ");
        }
        self.ctes.ours(&images.before(self.count, sought));
        for test in tests {
            self.ctes.ours(" AND ");
            for piece in *test {
                match piece {
                    Piece::Ours(text) => self.ctes.ours(text),
                    Piece::Column(fields) => {
                        let name = fields.last().map_or("", String::as_str);
                        self.ctes.ours(&format!("i.{}", q(name)));
                    }
                    Piece::Constant(at) => {
                        if let Some(bytes) = self.constant(*at) {
                            self.ctes.copy(bytes);
                        }
                    }
                }
            }
        }
        self.ctes.ours(&images.after());
    }
}

/// Whether each column of the key is given: the rows are named, not searched for.
fn is_named(key: &Key, asked: &[&Test]) -> bool {
    let given = |name: &String| {
        asked.iter().any(|test| match test.as_slice() {
            [Piece::Column(fields), Piece::Ours(sign), rest @ ..] => {
                fields.last() == Some(name)
                    && (sign.starts_with(" = ") || sign.starts_with(" IN "))
                    && !rest.iter().any(|piece| matches!(piece, Piece::Column(_)))
            }
            _ => false,
        })
    };
    key.columns.iter().all(given)
}

/// The images that a session's operations made of rows of a table, and those before.
struct Images {
    relation: Arc<Relation>,
    number: i32,
    head: String,
    log: String,
}

impl Images {
    /// None of a table that was truncated: what became of its rows is not in head and log.
    fn of(context: &Context<'_>, id: RelationId) -> Option<Self> {
        let drafted = context.catalog.drafted_as(id);
        if context.draft.truncated.contains(&drafted) {
            return None;
        }
        let head = context.catalog.head(drafted)?;
        Some(Self {
            relation: Arc::clone(context.catalog.relations.get(&drafted)?),
            number: head.id.0,
            head: head.table(),
            log: head.log(),
        })
    }

    /// A column that heads and logs store, by its name alone or behind the table's.
    fn has(&self, label: &str, fields: &[String]) -> bool {
        let name = match fields {
            [name] => name,
            [table, name] if table == label => name,
            _ => return false,
        };
        self.relation.writable().any(|column| column.name == *name)
    }

    fn key(&self) -> Vec<String> {
        let names = match self.relation.key() {
            Some(key) => key.columns.clone(),
            None => vec![ROW_COLUMN.to_owned()],
        };
        names.iter().map(|name| q(name)).collect()
    }

    /// Up to its conditions. Of each row the last operation counts, which needs those before.
    fn before(&self, count: usize, sought: bool) -> String {
        let key = self.key();
        let mut columns = key.clone();
        for column in self.relation.writable() {
            let name = q(&column.name);
            if !columns.contains(&name) {
                columns.push(name);
            }
        }
        let columns = columns.join(", ");
        let keys: Vec<String> = key
            .iter()
            .map(|name| format!("i.{name}::pg_catalog.text"))
            .collect();
        format!(
            "pgdraft_read{count} AS (INSERT INTO pgdraft.read_rows (table_id, needs, keys, rows, sought) \
             SELECT {number}, g.op, pg_catalog.min(g.keys), pg_catalog.count(*), {sought} FROM \
             (SELECT pg_catalog.max(i.pgdraft_op) AS op, ARRAY[{keys}] AS keys FROM \
             (SELECT {columns}, pgdraft_op FROM {log} WHERE pgdraft_kind <> 'I' \
             UNION ALL SELECT {columns}, pgdraft_op FROM {head} WHERE pgdraft_live) i \
             WHERE i.pgdraft_op <> (SELECT pgdraft.op())",
            number = self.number,
            keys = keys.join(", "),
            log = self.log,
            head = self.head,
        )
    }

    fn after(&self) -> String {
        let key: Vec<String> = self.key().iter().map(|name| format!("i.{name}")).collect();
        format!(
            " GROUP BY {}) g GROUP BY g.op ON CONFLICT DO NOTHING)",
            key.join(", ")
        )
    }
}
