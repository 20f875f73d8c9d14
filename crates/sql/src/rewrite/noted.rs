//! What a change read of rows that its session had changed, noted for the operations it depends on.
//!
//! Where the conditions of a block compare a table's columns with constants, only operations count that
//! had a row meet them: before it, or after. An operation that moved a row out of the condition is
//! among them, since the row was in it before. The note is a part of the changing statement, so it has
//! its parameters and its snapshot. Where no condition says it, all changed rows count.

use std::sync::Arc;

use catalog::{Column, Key, ROW_COLUMN, Relation, RelationId, RelationKind, quote_identifier as q};
use report::Report;

use crate::facts::{Block, Piece, Test};
use crate::merge;
use crate::parse::Statement;
use crate::plan::Context;
use crate::resolve::{self, Merged};
use crate::rewrite::through::Through;
use crate::rewrite::work::Work;
use crate::splice::Splice;
use crate::tokens::Token;
use crate::volatile::Risk;
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
    /// Those that it changes and looks for rows in.
    searched: Vec<RelationId>,
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
            searched: Vec::new(),
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
        let read = merged.iter().copied().filter(|id| !by_rows(id));
        let mut whole: Vec<RelationId> = read.chain(self.searched.iter().copied()).collect();
        whole.sort_unstable();
        whole.dedup();
        whole
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

    /// A MERGE, which finds its rows by its ON.
    pub(crate) fn joined(&mut self, work: &Work<'_>) {
        if resolve::is_dirty(work.context, work.changed.relation.id) {
            self.searched.push(work.changed.drafted.id);
        }
    }

    /// An UPDATE or DELETE, which finds its own rows by a condition: a row that another operation had
    /// moved out of it, or removed, it did not find. Of rows that it names by their key only these
    /// count: what it found it changed.
    pub(crate) fn target(&mut self, work: &Work<'_>) {
        let changed = &work.changed;
        let Some(block) = self.searches(work) else {
            return;
        };
        let Some(images) = Images::of(work.context, changed.relation.id) else {
            self.searched.push(changed.drafted.id);
            return;
        };
        let images = images.through(changed.through.clone());
        let Some(key) = changed.relation.key() else {
            return;
        };
        let asked = self.asked(block, (&changed.label, Some(&images)));
        let all = work.clauses.filter.is_none() && work.clauses.from.is_none();
        let (of_key, others) = images.divided(key, &asked);
        if !all && images.is_named(key, &of_key) {
            let told = !block.asks_more && asked.len() == block.tests.len();
            let said = images.through.is_none() && told;
            self.missed(&images, &of_key, said.then_some(others.as_slice()));
        } else if all || !asked.is_empty() {
            self.note((&images, true), &asked);
        }
    }

    /// The same of one that names a single row by its key, as a condition of what it logs, which always
    /// holds: the head is looked at where nothing was found, and written to where it has the row.
    pub(crate) fn unfound<'w>(&self, work: &Work<'w>) -> Option<Splice<'w>> {
        self.searches(work)?;
        let (images, of_key) = self.single(work)?;
        let mut splice = work.splice();
        splice.ours(&format!(
            "(SELECT pg_catalog.count(pgdraft.note_missed({number}, i.pgdraft_op, ARRAY[{keys}])) FROM {head} i \
             WHERE NOT EXISTS (SELECT FROM {src})",
            number = images.number,
            keys = images.shown_key("i"),
            head = work.changed.system.own.as_ref().unwrap_or(&images.head),
            src = work.src(),
        ));
        for test in of_key {
            splice.ours(" AND ");
            written(self.statement, (&images, test), &mut splice);
        }
        splice.ours(") IS NOT NULL");
        Some(splice)
    }

    /// `pgdraft_own AS MATERIALIZED (…)`: the rows that the head has of the key which a change names, so
    /// that the head, whose policy asks each time whether the session has ended, is opened once to read it.
    /// Only where equal keys are the same: then the head's row of a key that the base's row has meets
    /// whatever that meets.
    pub(crate) fn own<'w>(&self, work: &Work<'w>) -> Option<Splice<'w>> {
        let (changed, relation) = (&work.changed, &work.changed.relation);
        let exact = |name: &String| relation.column(name).is_some_and(Column::is_exact);
        let plain = changed.through.is_none()
            && changed.rivals.is_empty()
            && changed.system.names.is_empty()
            && changed.drafted.id == relation.id
            && !relation.row_security
            && work.risk() == Risk::None
            && !work.is_positioned()
            && relation.key().is_some_and(by_value)
            && changed.key().iter().all(exact);
        let (images, of_key) = self.single(work).filter(|_| plain)?;
        let mut splice = work.splice();
        splice.ours(&format!(
            "{} AS MATERIALIZED (SELECT i.* FROM {} i WHERE ",
            work.name("own"),
            images.head
        ));
        for (n, test) in of_key.into_iter().enumerate() {
            splice.ours(if n == 0 { "" } else { " AND " });
            written(self.statement, (&images, test), &mut splice);
        }
        splice.ours(")");
        Some(splice)
    }

    /// The conditions by which a change names a single row by its key.
    fn single(&self, work: &Work<'_>) -> Option<(Images, Vec<&'a Test>)> {
        let changed = &work.changed;
        let block = self.statement.facts.blocks.get(work.place.block)?;
        let images = Images::of(work.context, changed.relation.id)?;
        let images = images.through(changed.through.clone());
        let key = changed.relation.key()?;
        let asked = self.asked(block, (&changed.label, Some(&images)));
        let (mut of_key, _) = images.divided(key, &asked);
        of_key.retain(|test| gives_one(test));
        images.is_named(key, &of_key).then_some((images, of_key))
    }

    /// The block of a change that looks for its rows among those of the draft.
    fn searches(&self, work: &Work<'_>) -> Option<&'a Block> {
        let block = self.statement.facts.blocks.get(work.place.block);
        let is_dirty = resolve::is_dirty(work.context, work.changed.relation.id);
        block.filter(|_| is_dirty && !work.is_positioned())
    }

    /// The tests of a block that ask for nothing but columns of the table.
    fn asked(&self, block: &'a Block, (label, images): (&str, Option<&Images>)) -> Vec<&'a Test> {
        let Some(images) = images.filter(|_| !block.outer) else {
            return Vec::new();
        };
        let known = |piece: &Piece| match piece {
            Piece::Ours(_) => true,
            Piece::Column(fields) => images.column(label, fields).is_some(),
            Piece::Constant(at) => constant(self.statement, *at).is_some(),
        };
        let tests = block.tests.iter();
        tests.filter(|test| test.iter().all(known)).collect()
    }

    /// `sought`: rows that are looked for to change them.
    fn note(&mut self, (images, sought): (&Images, bool), tests: &[&Test]) {
        self.begin();
        self.ctes.ours(&images.before(self.count, sought));
        for test in tests {
            self.ctes.ours(" AND ");
            written(self.statement, (images, test), &mut self.ctes);
        }
        self.ctes.ours(&images.after());
    }

    /// Rows that are named by their key, which other operations had changed so that they were not
    /// found: `others` is what they were to be besides, if that can be asked. The head has each of them,
    /// and finds it by its key.
    fn missed(&mut self, images: &Images, of_key: &[&Test], others: Option<&[&Test]>) {
        self.begin();
        self.ctes.ours(&images.before_missed(self.count));
        for test in of_key {
            self.ctes.ours(" AND ");
            written(self.statement, (images, test), &mut self.ctes);
        }
        if let Some(others) = others {
            self.ctes.ours(" AND (i.pgdraft_live");
            for test in others {
                self.ctes.ours(" AND (");
                written(self.statement, (images, test), &mut self.ctes);
                self.ctes.ours(")");
            }
            self.ctes.ours(") IS NOT TRUE");
        }
        self.ctes
            .ours(" GROUP BY i.pgdraft_op ON CONFLICT DO NOTHING)");
    }

    fn begin(&mut self) {
        self.count += 1;
        if self.count > 1 {
            self.ctes.ours(", ");
        }
    }
}

/// The bytes of a constant or a parameter.
pub(crate) fn constant(statement: &Statement, at: usize) -> Option<std::ops::Range<usize>> {
    const KINDS: [Kind; 7] = [
        Kind::Sconst,
        Kind::Iconst,
        Kind::Fconst,
        Kind::Param,
        Kind::TrueP,
        Kind::FalseP,
        Kind::NullP,
    ];
    let tokens = &statement.tokens;
    let first = tokens.at(at)?;
    let minus = tokens.get(first)?.is(Kind::Ascii45);
    let last = tokens.get(first + usize::from(minus))?;
    let is = |token: &Token| KINDS.iter().any(|kind| token.is(*kind));
    is(last).then_some(at..last.end)
}

/// Appends a test of the row `i`.
fn written(statement: &Statement, (images, test): (&Images, &Test), splice: &mut Splice<'_>) {
    for piece in test {
        match piece {
            Piece::Ours(text) => splice.ours(text),
            Piece::Column(fields) => {
                let name = fields.last().and_then(|name| images.stored(name));
                splice.ours(&format!("i.{}", q(name.unwrap_or_default())));
            }
            Piece::Constant(at) => {
                if let Some(bytes) = constant(statement, *at) {
                    splice.copy(bytes);
                }
            }
        }
    }
}

/// Whether production has the key, by the usual equality of its columns' types.
fn by_value(key: &Key) -> bool {
    let usual = |operator: &String| operator.is_empty() || operator == "pg_catalog.=";
    key.is_declared() && key.operators.iter().all(usual)
}

/// Whether a test that gives a column its values gives it one.
fn gives_one(test: &Test) -> bool {
    matches!(test.get(1), Some(Piece::Ours(sign)) if sign == " = ")
}

/// `, …`: a CTE that notes the rows of the draft which proposed rows, those of `input`, meet in one of
/// these ways (of the row of the head, or of an image before it): what becomes of a proposed row is theirs
/// to say. Where a condition asks for the row as it is, `sought`, its last operation counts; else the one
/// since which it is met, and none where the base's own row was met already.
pub(crate) fn met(
    work: &Work<'_>,
    input: &str,
    ways: &[impl Fn(&str) -> String],
    sought: bool,
) -> String {
    let id = work.changed.drafted.id;
    let images = Images::kept(work.context, id).filter(|_| resolve::is_dirty(work.context, id));
    let Some(images) = images.filter(|_| !ways.is_empty()) else {
        return String::new();
    };
    let same = images.same_key("l", "h");
    let keys = images.shown_key("h");
    let each: Vec<String> = ways
        .iter()
        .map(|way| {
            let (head, log, now) = (&images.head, &images.log, way("h"));
            let found = format!("FROM {input} AS i JOIN {head} AS h ON {now}");
            if sought {
                return format!(
                    "SELECT h.pgdraft_op AS op, ARRAY[{keys}] AS keys {found} WHERE h.pgdraft_live"
                );
            }
            format!(
                "SELECT pg_catalog.max(l.pgdraft_op) AS op, ARRAY[{keys}] AS keys {found} JOIN {log} AS l ON {same} \
                 WHERE h.pgdraft_live AND (l.pgdraft_kind = 'I' OR ({before}) IS NOT TRUE) GROUP BY 2",
                // an expression of a key names columns of one row alone
                before = format_args!("SELECT {} FROM (SELECT l.*) AS e", way("e")),
            )
        })
        .collect();
    format!(
        ", {name} AS (INSERT INTO pgdraft.read_rows (table_id, needs, keys, rows, sought) \
         SELECT {number}, g.op, pg_catalog.min(g.keys), pg_catalog.count(*), {sought} FROM ({each}) g \
         WHERE g.op <> (SELECT pgdraft.op()) GROUP BY g.op ON CONFLICT DO NOTHING)",
        name = work.name("met"),
        number = images.number,
        each = each.join(" UNION "),
    )
}

/// The images that a session's operations made of rows of a table, and those before.
struct Images {
    relation: Arc<Relation>,
    number: i32,
    head: String,
    log: String,
    /// The view whose columns the tests name.
    through: Option<Arc<Through>>,
}

impl Images {
    /// None of a table that was truncated: what became of its rows is not in head and log.
    fn of(context: &Context<'_>, id: RelationId) -> Option<Self> {
        let drafted = context.catalog.drafted_as(id);
        let truncated = context.draft.truncated.contains(&drafted);
        Self::kept(context, id).filter(|_| !truncated)
    }

    /// Those that head and log hold, truncated or not.
    fn kept(context: &Context<'_>, id: RelationId) -> Option<Self> {
        let drafted = context.catalog.drafted_as(id);
        let head = context.catalog.head(drafted)?;
        Some(Self {
            relation: Arc::clone(context.catalog.relations.get(&drafted)?),
            number: head.id.0,
            head: head.table(),
            log: head.log(),
            through: None,
        })
    }

    fn through(self, through: Option<Arc<Through>>) -> Self {
        Self { through, ..self }
    }

    /// A column that heads and logs store, by its name alone or behind the table's.
    fn column<'s>(&'s self, label: &str, fields: &'s [String]) -> Option<&'s str> {
        match fields {
            [name] => self.stored(name),
            [table, name] if table == label => self.stored(name),
            _ => None,
        }
    }

    fn stored<'s>(&'s self, name: &'s str) -> Option<&'s str> {
        let name = match &self.through {
            Some(through) => through.column(name)?,
            None => name,
        };
        let mut writable = self.relation.writable();
        writable.any(|column| column.name == name).then_some(name)
    }

    /// Whether a test gives a column of the key its values.
    fn names(&self, key: &Key, test: &Test) -> bool {
        key.columns.iter().any(|name| self.gives(test, name))
    }

    /// The tests that give columns of the key their values, and the others.
    fn divided<'t>(&self, key: &Key, tests: &[&'t Test]) -> (Vec<&'t Test>, Vec<&'t Test>) {
        tests.iter().partition(|test| self.names(key, test))
    }

    /// Whether each column of the key is given: the rows are named, not searched for.
    fn is_named(&self, key: &Key, tests: &[&Test]) -> bool {
        let given = |name: &String| tests.iter().any(|test| self.gives(test, name));
        key.columns.iter().all(given)
    }

    fn gives(&self, test: &Test, name: &str) -> bool {
        match test.as_slice() {
            [Piece::Column(fields), Piece::Ours(sign), rest @ ..] => {
                fields.last().and_then(|f| self.stored(f)) == Some(name)
                    && (sign.starts_with(" = ") || sign.starts_with(" IN "))
                    && !rest.iter().any(|piece| matches!(piece, Piece::Column(_)))
            }
            _ => false,
        }
    }

    fn key(&self) -> Vec<String> {
        let names = match self.relation.key() {
            Some(key) => key.columns.clone(),
            None => vec![ROW_COLUMN.to_owned()],
        };
        names.iter().map(|name| q(name)).collect()
    }

    /// Two images are of one row.
    fn same_key(&self, left: &str, right: &str) -> String {
        match self.relation.key() {
            Some(key) => merge::key_equality(key, left, right),
            None => {
                let row = q(ROW_COLUMN);
                format!("{left}.{row} OPERATOR(pg_catalog.=) {right}.{row}")
            }
        }
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
        format!(
            "pgdraft_read{count} AS (INSERT INTO pgdraft.read_rows (table_id, needs, keys, rows, sought) \
             SELECT {number}, g.op, pg_catalog.min(g.keys), pg_catalog.count(*), {sought} FROM \
             (SELECT pg_catalog.max(i.pgdraft_op) AS op, ARRAY[{keys}] AS keys FROM \
             (SELECT {columns}, pgdraft_op FROM {log} WHERE pgdraft_kind <> 'I' \
             UNION ALL SELECT {columns}, pgdraft_op FROM {head} WHERE pgdraft_live) i \
             WHERE i.pgdraft_op <> (SELECT pgdraft.op())",
            number = self.number,
            keys = self.shown_key("i"),
            log = self.log,
            head = self.head,
        )
    }

    /// Up to the conditions on the key.
    fn before_missed(&self, count: usize) -> String {
        format!(
            "pgdraft_read{count} AS (INSERT INTO pgdraft.read_rows (table_id, needs, keys, rows, sought) \
             SELECT {number}, i.pgdraft_op, pg_catalog.min(ARRAY[{keys}]), pg_catalog.count(*), true FROM {head} i \
             WHERE i.pgdraft_op <> (SELECT pgdraft.op())",
            number = self.number,
            keys = self.shown_key("i"),
            head = self.head,
        )
    }

    fn shown_key(&self, alias: &str) -> String {
        let key = self.key();
        let keys: Vec<String> = key
            .iter()
            .map(|name| format!("{alias}.{name}::pg_catalog.text"))
            .collect();
        keys.join(", ")
    }

    fn after(&self) -> String {
        let key: Vec<String> = self.key().iter().map(|name| format!("i.{name}")).collect();
        format!(
            " GROUP BY {}) g GROUP BY g.op ON CONFLICT DO NOTHING)",
            key.join(", ")
        )
    }
}
