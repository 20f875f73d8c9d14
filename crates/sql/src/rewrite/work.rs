//! One change of a statement on its way to its rewritten text: where it stands, what its clauses
//! are, and what it becomes. The outermost change and one under WITH go the same way; only the
//! names of what is put before them differ by a number.

use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;

use catalog::{RelationKind, quote_identifier as q};
use pg_query::protobuf::Token as Kind;
use report::Report;

use crate::facts::{Change, ColumnUse, Part, TableRef};
use crate::merge::Scan;
use crate::parse::Statement;
use crate::plan::{Context, KeyName, Plan};
use crate::resolve::{self, Merged, Resolved};
use crate::rewrite::change::{Changed, Found, list, mismatch, target};
use crate::rewrite::inherited::{self, Children};
use crate::rewrite::own_row::Label;
use crate::rewrite::through::Verb;
use crate::rewrite::{Edits, cursor, merging, system, unqualify};
use crate::sought;
use crate::splice::{Edit, Splice};
use crate::tokens::Token;
use crate::volatile::{self, Risk};
use crate::walk::byte;

/// Where a change stands in its statement.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Its tokens, its own WITH included.
    pub(crate) tokens: Range<usize>,
    /// Brackets around it.
    pub(crate) depth: usize,
    /// Its block: index into the facts' blocks.
    pub(crate) block: usize,
    /// 0 for the outermost change, else its number among those under WITH.
    pub(crate) number: usize,
    /// 0 for the table that is named, else the number of the child that is changed with it.
    pub(crate) child: usize,
}

impl Place {
    /// The outermost change.
    pub(crate) fn outermost(statement: &Statement) -> Self {
        Self {
            tokens: 0..statement.tokens.len(),
            depth: 0,
            block: statement.facts.own_block.unwrap_or(usize::MAX),
            number: 0,
            child: 0,
        }
    }

    /// A change under WITH: what stands in the brackets of its CTE.
    pub(crate) fn under_with(statement: &Statement, part: &Part, number: usize) -> Option<Self> {
        let tokens = &statement.tokens;
        let name = tokens.at(part.name)?;
        let depth = tokens.get(name)?.depth;
        let after =
            |from: usize, kind: Kind| tokens.find(from..tokens.len(), depth, |_, t| t.is(kind));
        let open = after(after(name + 1, Kind::As)?, Kind::Ascii40)?;
        let close = after(open, Kind::Ascii41)?;
        Some(Self {
            tokens: open + 1..close,
            depth: depth + 1,
            block: part.block,
            number,
            child: 0,
        })
    }
}

/// Clauses of a change by token index.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clauses {
    /// UPDATE, INSERT or DELETE itself.
    pub(crate) verb: usize,
    /// Behind the target's name.
    pub(crate) target_end: usize,
    pub(crate) set: Option<usize>,
    /// FROM of an UPDATE, USING of a DELETE.
    pub(crate) from: Option<usize>,
    pub(crate) filter: Option<usize>,
    pub(crate) returning: Option<usize>,
    pub(crate) end: usize,
}

impl Clauses {
    fn find(
        statement: &Statement,
        place: &Place,
        name: usize,
        (verb, from): (Kind, Kind),
    ) -> Option<Self> {
        let tokens = &statement.tokens;
        let end = place.tokens.end;
        let first = tokens.at(name)?;
        let updates = verb == Kind::Update;
        let verb = (place.tokens.start..first).rev().find(|&i| {
            tokens
                .get(i)
                .is_some_and(|t| t.is(verb) && t.depth == place.depth)
        })?;
        let (_, target_end) = tokens.name_at(name)?;
        let within = |start: usize, kind: Kind| {
            tokens.find(start..end, place.depth, |before: Option<&Token>, t| {
                // IS DISTINCT FROM is no clause
                t.is(kind) && !before.is_some_and(|b| b.is(Kind::Distinct))
            })
        };
        let set = updates.then(|| within(target_end, Kind::Set)).flatten();
        let start = set.unwrap_or(target_end);
        Some(Self {
            verb,
            target_end,
            set,
            from: within(start, from),
            filter: within(start, Kind::Where),
            returning: within(start, Kind::Returning),
            end,
        })
    }

    /// Token range of a clause's content: from behind its keyword to the next clause.
    pub(crate) fn content(&self, keyword: usize) -> Range<usize> {
        let next = [self.set, self.from, self.filter, self.returning]
            .into_iter()
            .flatten()
            .filter(|k| *k > keyword)
            .min()
            .unwrap_or(self.end);
        keyword + 1..next
    }
}

/// What a change becomes: CTEs, comma separated, and the statement behind them.
#[derive(Debug)]
pub(crate) struct Written<'a> {
    pub(crate) ctes: Splice<'a>,
    pub(crate) body: Splice<'a>,
    pub(crate) returning: bool,
    /// A key that children may reference goes or changes.
    pub(crate) cascades: bool,
    /// Its rows are only there to be counted.
    pub(crate) counted: bool,
    /// Its log notes what it did not find.
    pub(crate) noted: bool,
    /// What the server's 21000 (a row of the head touched twice) means here.
    pub(crate) twice: Twice,
}

/// What it means that one INSERT comes to a row of the head a second time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Twice {
    /// Cannot happen.
    Never,
    /// Two of the statement's own rows have the same primary key.
    Duplicate(KeyName),
    /// The same as in PostgreSQL.
    Cardinality,
}

impl<'a> Written<'a> {
    /// An item of the WITH list.
    pub(crate) fn cte(&mut self) -> &mut Splice<'a> {
        if !self.ctes.is_empty() {
            self.ctes.ours(", ");
        }
        &mut self.ctes
    }
}

/// A change being rewritten: what every step of it looks at.
#[derive(Debug)]
pub(crate) struct Work<'a> {
    pub(crate) statement: &'a Statement,
    pub(crate) context: &'a Context<'a>,
    pub(crate) place: Place,
    pub(crate) changed: Changed,
    pub(crate) clauses: Clauses,
    /// Merged reads and the target's own edits, sorted.
    pub(crate) edits: Vec<Edit>,
    /// What its log notes of a row that it names and does not find.
    pub(crate) unfound: Option<Splice<'a>>,
    /// A CTE with the head's rows of the key that it names.
    pub(crate) own: Option<Splice<'a>>,
    /// Where the statement has the target's name, once it was asked.
    pub(super) label: OnceCell<Label>,
}

/// What beginning a change leads to.
#[derive(Debug)]
pub(crate) enum Begun<'a> {
    /// Go on: with the table that is named, then with its children.
    Works(Vec<Work<'a>>),
    /// This plan instead.
    Instead(Plan),
}

impl<'a> Work<'a> {
    /// Rows of a table without a key can be added, but not told apart.
    pub(crate) fn needs_key(&self) -> Result<(), Box<Report>> {
        let relation = &self.changed.relation;
        if relation.key().is_some() {
            return Ok(());
        }
        Err(Box::new(
            Report::error(
                "0A000",
                format!("rows of table \"{}\" cannot be changed or removed in a draft", relation.name),
            )
            .detail(format!(
                "{} has no primary key and no unique key over NOT NULL columns, so its rows cannot be told apart.",
                relation.qualified()
            ))
            .hint("add rows only; or ask for a primary key, for a unique index over NOT NULL columns, or for the columns that tell its rows apart in tables.key of pgdraft's configuration"),
        ))
    }

    /// Resolves target and clauses of a change; `reads` are the edits that merge the statement's reads.
    pub(crate) fn begin(
        (statement, context): (&'a Statement, &'a Context<'a>),
        place: Place,
        change: &Change,
        reads: &Edits,
    ) -> Result<Begun<'a>, Box<Report>> {
        let (relation, keywords, verb) = match change {
            Change::Insert(tree) => {
                let keywords = (Kind::Insert, Kind::Using);
                (tree.relation.as_ref(), keywords, Verb::Insert)
            }
            Change::Update(tree) => {
                let keywords = (Kind::Update, Kind::From);
                (tree.relation.as_ref(), keywords, Verb::Update)
            }
            Change::Delete(tree) => {
                let keywords = (Kind::DeleteP, Kind::Using);
                (tree.relation.as_ref(), keywords, Verb::Delete)
            }
            Change::Merge(tree) => {
                merging::refuse_view(context, tree.relation.as_ref())?;
                let keywords = (Kind::Merge, Kind::Using);
                (tree.relation.as_ref(), keywords, merging::verb(tree))
            }
        };
        let mut changed = match target(context, relation, Some(verb))? {
            Found::Changed(changed) => *changed,
            Found::Instead(plan) => return Ok(Begun::Instead(plan)),
        };
        let mut children = Vec::new();
        if changed.with_children && !matches!(verb, Verb::Insert) {
            match inherited::children(context, &changed)? {
                Children::All(all) => children = all,
                Children::Instead(plan) => return Ok(Begun::Instead(plan)),
            }
            if matches!(verb, Verb::Merge { adds: true, .. }) {
                inherited::rivals(context, &mut changed, &children);
            }
        }
        let targets = std::iter::once(changed).chain(children);
        let name = relation.map_or(0, |r| byte(r.location));
        let clauses = Clauses::find(statement, &place, name, keywords).ok_or_else(mismatch)?;
        let works = targets.enumerate().map(|(child, changed)| {
            let work = Self {
                statement,
                context,
                place: Place {
                    child,
                    ..place.clone()
                },
                changed,
                clauses: clauses.clone(),
                edits: Vec::new(),
                unfound: None,
                own: None,
                label: OnceCell::new(),
            };
            work.prepare(reads)
        });
        let works = works.collect::<Result<Vec<_>, _>>()?;
        inherited::refuse_position(&works)?;
        inherited::refuse_repeated(&works)?;
        Ok(Begun::Works(works))
    }

    /// Finds the edits within the change.
    fn prepare(self, reads: &Edits) -> Result<Self, Box<Report>> {
        let mut work = self;
        work.part_from_twin()?;
        work.part_from_proposed();
        if work.changed.shown().kind != RelationKind::View {
            let mut system = system::wanted(work.statement, work.context, &work.own_item());
            system.table = system::table_of(work.context, &work.changed.relation);
            if let Some(through) = &mut work.changed.through {
                let names = system.names.iter();
                Arc::make_mut(through).carried = names.map(|name| system.alias(name)).collect();
            }
            work.changed.system = system;
        } else if let Some(through) = &work.changed.through {
            let mut system = through.system();
            system.table = system::table_of(work.context, &work.changed.relation);
            work.changed.system = system;
        }
        let bytes = work.bytes(work.place.tokens.clone())?;
        let mut edits = work.own_edits(&bytes)?;
        let inside = |e: &&Edit| bytes.start <= e.range.start && e.range.end <= bytes.end;
        edits.extend(reads.list.iter().filter(inside).cloned());
        edits.sort_by_key(|e| (e.range.start, e.range.end));
        edits.dedup();
        work.edits = edits;
        Ok(work)
    }

    /// It changes the row that a cursor is on.
    pub(crate) fn is_positioned(&self) -> bool {
        let tokens = &self.statement.tokens;
        let is = |i: usize, kind: Kind| tokens.get(i).is_some_and(|t| t.is(kind));
        let content = self
            .clauses
            .filter
            .map(|filter| self.clauses.content(filter));
        content.is_some_and(|c| is(c.start, Kind::CurrentP) && is(c.start + 1, Kind::Of))
    }

    /// The bytes of these tokens.
    pub(crate) fn bytes(&self, tokens: Range<usize>) -> Result<Range<usize>, Box<Report>> {
        self.statement.tokens.bytes(tokens).ok_or_else(mismatch)
    }

    /// The text of these tokens with edits.
    pub(crate) fn text(&self, tokens: Range<usize>, edits: &[Edit]) -> Result<String, Box<Report>> {
        let mut splice = self.splice();
        splice.copy_edited(self.bytes(tokens)?, edits);
        Ok(splice.finish().0)
    }

    /// Whether the tree has the clauses that the tokens show.
    pub(crate) fn agrees(&self, from: bool, filter: bool, returning: bool) -> bool {
        self.clauses.from.is_some() == from
            && self.clauses.filter.is_some() == filter
            && self.clauses.returning.is_some() == returning
    }

    /// `pgdraft_src` and its kin: numbered under WITH.
    pub(crate) fn name(&self, what: &str) -> String {
        match (self.place.number, self.place.child) {
            (0, 0) => format!("pgdraft_{what}"),
            (n, 0) => format!("pgdraft_{what}{n}"),
            (n, child) => format!("pgdraft_{what}{n}_{child}"),
        }
    }

    /// The name of the CTE with the rows found.
    pub(crate) fn src(&self) -> String {
        self.name("src")
    }

    pub(crate) fn splice(&self) -> Splice<'a> {
        Splice::new(&self.statement.text)
    }

    /// Nothing written yet.
    pub(crate) fn written(&self) -> Written<'a> {
        Written {
            ctes: self.splice(),
            body: self.splice(),
            returning: self.clauses.returning.is_some(),
            cascades: false,
            counted: false,
            noted: false,
            twice: Twice::Never,
        }
    }

    /// Appends the client's text of a clause, reads merged.
    pub(crate) fn clause(
        &self,
        splice: &mut Splice<'_>,
        keyword: usize,
    ) -> Result<(), Box<Report>> {
        let range = self.bytes(self.clauses.content(keyword))?;
        splice.copy_edited(range, &self.edits);
        Ok(())
    }

    /// `pgdraft_src AS MATERIALIZED (SELECT images, … FROM target, joins WHERE …)`: the rows an
    /// UPDATE or DELETE finds, as they were; `more` adds columns, `rows` items to FROM.
    pub(crate) fn source(
        &self,
        splice: &mut Splice<'_>,
        rows: &str,
        more: impl FnOnce(&mut Splice<'_>),
    ) -> Result<(), Box<Report>> {
        self.source_as(&self.src(), splice, rows, more)
    }

    /// The same under another name.
    pub(crate) fn source_as(
        &self,
        name: &str,
        splice: &mut Splice<'_>,
        rows: &str,
        more: impl FnOnce(&mut Splice<'_>),
    ) -> Result<(), Box<Report>> {
        let changed = &self.changed;
        let position = self.position()?;
        if let Some((at, _)) = &position {
            splice.ours(&format!("{at}, "));
        }
        if let Some(own) = &self.own {
            splice.append(own);
            splice.ours(", ");
        }
        splice.ours(&format!(
            "{name} AS MATERIALIZED (SELECT {}{}",
            changed.distinct(self.clauses.from.is_some()),
            changed.images(),
        ));
        more(splice);
        let source = changed
            .source(self.context, self.risk(), self.scan())
            .ok_or_else(mismatch)?;
        splice.ours(&format!(" FROM {source} AS {}", changed.alias()));
        if let Some(from) = self.clauses.from {
            splice.ours(", ");
            self.clause(splice, from)?;
            splice.ours(rows);
        }
        if let Some((_, condition)) = position {
            splice.ours(&format!(" WHERE {condition}"));
        } else if let Some(filter) = self.clauses.filter {
            splice.ours(" WHERE ");
            self.clause(splice, filter)?;
        }
        splice.ours(")");
        Ok(())
    }

    /// Of WHERE CURRENT OF: a CTE with the key of the cursor's row, and the condition on it.
    fn position(&self) -> Result<Option<(String, String)>, Box<Report>> {
        let Some(filter) = self.clauses.filter else {
            return Ok(None);
        };
        if !self.is_positioned() {
            return Ok(None);
        }
        let content = self.clauses.content(filter);
        cursor::position(self, content.start + 2..content.end).map(Some)
    }

    /// How the change looks for the rows it changes.
    pub(crate) fn scan(&self) -> Scan {
        let changed = (
            self.place.block,
            self.changed.shown(),
            self.changed.reference.label(),
        );
        sought::scan(self.statement, self.context, changed)
    }

    /// What the change's own WHERE could do with a hidden row.
    pub(crate) fn risk(&self) -> Risk {
        let own = std::iter::once(self.place.block);
        volatile::risk(self.context, &self.statement.facts, own)
    }

    /// Appends the log of before-images, from the columns `o0, o1, …` of the source. Session and operation
    /// come from the log's defaults: `pgdraft.sid()` verifies the token, which is too dear to do
    /// for every row.
    pub(crate) fn log(&self, out: &mut Written<'a>, kind: char, filter: &str) {
        let images = list((0..self.changed.writable().len()).map(|i| format!("o{i}")));
        let cte = out.cte();
        cte.ours(&format!(
            "{name} AS (INSERT INTO {log}(pgdraft_kind, {columns}) \
             SELECT '{kind}', {images} FROM {src}{filter}",
            name = self.name("log"),
            log = self.changed.head.log(),
            columns = self.changed.writable_list(),
            src = self.src(),
        ));
        if let Some(unfound) = &self.unfound {
            cte.ours(" WHERE ");
            cte.append(unfound);
        }
        cte.ours(" ON CONFLICT DO NOTHING)");
        out.noted = self.unfound.is_some();
    }

    /// The constraint that two rows of a plain INSERT with one key violate.
    pub(crate) fn key_name(&self) -> Twice {
        let relation = &self.changed.relation;
        match relation.key() {
            Some(key) => Twice::Duplicate(KeyName {
                schema: relation.schema.clone(),
                table: relation.name.clone(),
                constraint: key.name.clone(),
            }),
            None => Twice::Never,
        }
    }

    /// The relations of the change's own FROM.
    pub(crate) fn joined(&self) -> impl Iterator<Item = &TableRef> {
        let relations = &self.statement.facts.relations;
        relations.iter().filter(|r| r.block == self.place.block)
    }

    /// Column references within these bytes.
    pub(crate) fn columns_in(&self, bytes: Range<usize>) -> impl Iterator<Item = &'a ColumnUse> {
        let columns = &self.statement.facts.columns;
        columns.iter().filter(move |c| bytes.contains(&c.location))
    }

    /// `schema.table.column` of the target loses its schema: the target has an alias now; system
    /// columns have names of ours.
    fn own_edits(&self, bytes: &Range<usize>) -> Result<Vec<Edit>, Box<Report>> {
        let item = self.own_item();
        let system = |c: &ColumnUse| {
            let (range, _) = self.statement.tokens.name_at(c.location)?;
            Some(Edit::new(range, self.system_column(c)?))
        };
        let mut edits = Vec::new();
        for c in self.columns_in(bytes.clone()) {
            let edit = system(c)
                .or_else(|| self.own_name(c))
                .or_else(|| unqualify(self.statement, &item, c));
            match edit {
                Some(edit) => edits.push(edit),
                None => edits.extend(self.whole_row(c)?),
            }
        }
        Ok(edits)
    }

    /// What stands for a system column of the target.
    pub(crate) fn system_column(&self, column: &ColumnUse) -> Option<String> {
        let (changed, item) = (&self.changed, self.own_item());
        let name = system::name_of(self.statement, column, &item)?;
        let given = changed.system.names.contains(&name);
        given.then(|| format!("{}.{}", changed.alias(), changed.system.alias(name)))
    }

    /// The target as a reference in its own block.
    pub(super) fn own_item(&self) -> Merged {
        Merged {
            reference: TableRef {
                block: self.place.block,
                ..self.changed.reference.clone()
            },
            relation: Arc::clone(self.changed.shown()),
        }
    }

    /// `schema.table.column` or `table.column` of a target that has a name of its own.
    fn own_name(&self, column: &ColumnUse) -> Option<Edit> {
        let renamed = self.changed.renamed.as_ref()?;
        if !self.changed.names(&column.fields) {
            return None;
        }
        let first = self.statement.tokens.at(column.location)?;
        let qualifier = 2 * column.fields.len() - 3;
        let table = self.statement.tokens.bytes(first..first + qualifier)?;
        Some(Edit::new(table, q(renamed)))
    }

    /// A table of the name that the proposed row has in ON CONFLICT, which every write of a head has.
    fn part_from_proposed(&mut self) {
        if self.changed.label == "excluded" && self.changed.reference.alias.is_none() {
            self.changed.renamed = Some("pgdraft_target".to_owned());
        }
    }

    /// A second table of the target's name, of another schema: the target, which is a derived table
    /// now, gets a name of its own. PostgreSQL refuses all other tables of one name itself.
    fn part_from_twin(&mut self) -> Result<(), Box<Report>> {
        let changed = &self.changed;
        let twin = self.joined().find(|r| r.label() == changed.label);
        let Some(twin) = twin else { return Ok(()) };
        let other = resolve::resolve(self.context, twin.schema.as_deref(), &twin.name)?;
        let plain = twin.alias.is_none() && changed.reference.alias.is_none();
        match other {
            Resolved::Known(other) if plain && other.id != changed.shown().id => {
                self.changed.renamed = Some("pgdraft_target".to_owned());
                Ok(())
            }
            _ => {
                let message = format!("name \"{}\" specified more than once", changed.label);
                let verb = self.statement.tokens.get(self.clauses.verb);
                let report = if verb.is_some_and(|t| t.is(Kind::Merge)) {
                    Report::error("42712", message)
                        .detail("The name is used both as MERGE target table and data source.")
                } else {
                    Report::error("42712", format!("table {message}"))
                };
                Err(Box::new(report.hint("give one of the tables an alias")))
            }
        }
    }

    /// It stands in the query of an INSERT, which does not see the target.
    pub(crate) fn is_inserted(&self, column: &ColumnUse) -> bool {
        let (tokens, clauses) = (&self.statement.tokens, &self.clauses);
        let inserts = tokens.get(clauses.verb).is_some_and(|t| t.is(Kind::Insert));
        let rest = clauses.target_end..clauses.end;
        let conflict = tokens.find(rest, self.place.depth, |_, t| t.is(Kind::Conflict));
        let end = conflict.or(clauses.returning).unwrap_or(clauses.end);
        let end = tokens.get(end).map_or(usize::MAX, |t| t.start);
        inserts && column.location < end
    }
}
