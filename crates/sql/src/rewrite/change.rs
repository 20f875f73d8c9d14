//! What INSERT, UPDATE and DELETE have in common: target, heads, log, the upsert into the head.

use std::ops::Range;
use std::sync::Arc;

use catalog::{Column, Head, Relation, RelationId, quote_identifier as q, quote_literal};
use pg_query::protobuf::{RangeVar, Token as Kind};
use report::Report;

use crate::classify::unsupported;
use crate::facts::{ColumnUse, TableRef};
use crate::merge::{self, Wanted};
use crate::parse::Statement;
use crate::plan::{Context, Effect, KeyName, Plan, Rewritten, Verb, Write};
use crate::resolve::{self, Merged, Resolved, Target};
use crate::rewrite::{Edits, unqualify};
use crate::splice::{Edit, Splice};
use crate::tokens::Token;
use crate::walk::byte;

/// The target of a change, resolved, with its head.
#[derive(Debug)]
pub(crate) struct Changed {
    pub(crate) relation: Arc<Relation>,
    pub(crate) head: Arc<Head>,
    /// The name the client's expressions know the target by, unquoted.
    pub(crate) label: String,
    /// As a reference, for `schema.table.column`.
    reference: TableRef,
}

/// What resolving a target leads to.
#[derive(Debug)]
pub(crate) enum Found {
    /// Go on.
    Changed(Box<Changed>),
    /// This plan instead (heads or catalog missing, or PostgreSQL's own error by relaying).
    Instead(Plan),
}

/// Resolves the target and its heads.
pub(crate) fn target(
    context: &Context<'_>,
    relation: Option<&RangeVar>,
) -> Result<Found, Box<Report>> {
    let Some(name) = relation else {
        return Err(Box::new(
            Report::error("0A000", "a change without a table").hint("name the table"),
        ));
    };
    let schema = (!name.schemaname.is_empty()).then_some(name.schemaname.as_str());
    let relation = match resolve::target(context, schema, &name.relname)? {
        Target::Table(relation) => relation,
        Target::Unknown if context.fresh => {
            return Err(Box::new(
                Report::error(
                    "42P01",
                    format!("relation \"{}\" does not exist", written(name)),
                )
                .position(byte(name.location) + 1)
                .hint("check the table's name, its schema and search_path"),
            ));
        }
        Target::Unknown => return Ok(Found::Instead(Plan::NeedsCatalog)),
    };
    let Some(head) = context.catalog.head(relation.id) else {
        if context.draft.dirty.contains_key(&relation.id) {
            return Err(Box::new(resolve::schema_moved(&relation)));
        }
        return Ok(Found::Instead(Plan::NeedsDraft(vec![relation.id])));
    };
    let missing = resolve::without_head(context.catalog, &head.cascades);
    if !missing.is_empty() {
        return Ok(Found::Instead(Plan::NeedsDraft(missing)));
    }
    let alias = name.alias.as_ref().map(|a| a.aliasname.clone());
    Ok(Found::Changed(Box::new(Changed {
        head: Arc::clone(head),
        label: alias.clone().unwrap_or_else(|| name.relname.clone()),
        reference: TableRef {
            block: usize::MAX,
            location: byte(name.location),
            schema: schema.map(str::to_owned),
            name: name.relname.clone(),
            alias,
            only: false,
            sampled: false,
        },
        relation,
    })))
}

/// The name as PostgreSQL prints it in 42P01.
fn written(name: &RangeVar) -> String {
    if name.schemaname.is_empty() {
        name.relname.clone()
    } else {
        format!("{}.{}", name.schemaname, name.relname)
    }
}

/// Clauses of a change by token index, found at the outermost level.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clauses {
    /// UPDATE, INSERT or DELETE itself.
    pub(crate) verb: usize,
    pub(crate) set: Option<usize>,
    /// FROM of an UPDATE, USING of a DELETE.
    pub(crate) from: Option<usize>,
    pub(crate) filter: Option<usize>,
    pub(crate) returning: Option<usize>,
    pub(crate) end: usize,
}

impl Clauses {
    pub(crate) fn find(statement: &Statement, verb: Kind, from: Kind) -> Option<Self> {
        let tokens = &statement.tokens;
        let end = tokens.len();
        let verb = tokens.find(0..end, 0, |_, t| t.is(verb))?;
        let set = tokens.find(verb..end, 0, |_, t| t.is(Kind::Set));
        // IS DISTINCT FROM is no clause; DELETE FROM is the verb's own
        let start = set.unwrap_or(verb + 2);
        let clause = |kind: Kind| {
            tokens.find(start..end, 0, |before: Option<&Token>, t| {
                t.is(kind) && !before.is_some_and(|b| b.is(Kind::Distinct))
            })
        };
        Some(Self {
            verb,
            set,
            from: clause(from),
            filter: clause(Kind::Where),
            returning: clause(Kind::Returning),
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

impl Changed {
    /// Quoted label.
    pub(crate) fn alias(&self) -> String {
        q(&self.label)
    }

    /// `"label"."column"`.
    pub(crate) fn column(&self, name: &str) -> String {
        format!("{}.{}", self.alias(), q(name))
    }

    pub(crate) fn key(&self) -> &[String] {
        self.relation
            .primary_key
            .as_ref()
            .map_or(&[], |k| k.columns.as_slice())
    }

    pub(crate) fn is_key(&self, column: &str) -> bool {
        self.key().iter().any(|k| k == column)
    }

    pub(crate) fn writable(&self) -> Vec<&Column> {
        self.relation.writable().collect()
    }

    /// Quoted writable columns, comma separated.
    pub(crate) fn writable_list(&self) -> String {
        list(self.writable().iter().map(|c| q(&c.name)))
    }

    /// The target as the source of its own change.
    pub(crate) fn source(
        &self,
        context: &Context<'_>,
        fenced: bool,
        whole: bool,
    ) -> Option<String> {
        // always merged: another connection of the session may write the table just before us
        let rows = context.draft.dirty.get(&self.relation.id);
        let wanted = Wanted {
            rows: rows.copied().unwrap_or(0),
            fenced,
            bare_count: false,
            whole,
            with_new: true,
            truncated: context.draft.truncated.contains(&self.relation.id),
        };
        merge::merged(&self.relation, &self.head, context.sid, wanted)
    }

    /// ON CONFLICT … DO UPDATE of an UPDATE or DELETE.
    pub(crate) fn upsert(&self, live: bool) -> String {
        let assignments = self
            .writable()
            .iter()
            .filter(|c| !self.is_key(&c.name))
            .map(|c| format!(", {c} = EXCLUDED.{c}", c = q(&c.name)))
            .collect::<String>();
        format!(
            " ON CONFLICT (pgdraft_sid, {}) DO UPDATE SET pgdraft_op = EXCLUDED.pgdraft_op, pgdraft_moved = false, pgdraft_live = {live}{assignments}",
            list(self.key().iter().map(|k| q(k))),
        )
    }

    /// ON CONFLICT … DO UPDATE of a plain INSERT: raises 23505 over a live row, revives a tombstone.
    pub(crate) fn guard(&self) -> String {
        let proposed = self.key().iter().map(|k| format!("EXCLUDED.{}", q(k)));
        let proposed: Vec<String> = proposed.collect();
        let live = format!("{}.pgdraft_live", self.alias());
        // the key too: 1.0 and 1.00 are equal, and the new row has its own
        let assignments = self
            .writable()
            .iter()
            .map(|c| format!(", {c} = EXCLUDED.{c}", c = q(&c.name)))
            .collect::<String>();
        format!(
            " ON CONFLICT (pgdraft_sid, {key}) DO UPDATE SET pgdraft_op = EXCLUDED.pgdraft_op, pgdraft_moved = false, pgdraft_live = {duplicate}{assignments}",
            key = list(self.key().iter().map(|k| q(k))),
            duplicate = self.duplicate(&live, &proposed),
        )
    }

    /// A call that raises PostgreSQL's 23505 on the primary key if `live`, else gives true;
    /// `values` are expressions of the key.
    pub(crate) fn duplicate(&self, live: &str, values: &[String]) -> String {
        let constraint = self
            .relation
            .primary_key
            .as_ref()
            .map_or("", |k| k.name.as_str());
        format!(
            "pgdraft.dup_guard({live}, {schema}, {table}, {constraint}, pg_catalog.concat({opening}, {values}, ') already exists.'))",
            schema = quote_literal(&self.relation.schema),
            table = quote_literal(&self.relation.name),
            constraint = quote_literal(constraint),
            opening = quote_literal(&format!("Key ({})=(", self.key().join(", "))),
            values = values.join(", ', ', "),
        )
    }

    /// The log of before-images, from the columns `o0, o1, …` of the source.
    pub(crate) fn log(&self, kind: char) -> String {
        self.log_where(kind, "")
    }

    /// The same of some rows of the source. Session and operation come from the log's defaults:
    /// `pgdraft.sid()` verifies the token, which is too dear to do for every row.
    pub(crate) fn log_where(&self, kind: char, filter: &str) -> String {
        let images = list((0..self.writable().len()).map(|i| format!("o{i}")));
        format!(
            "pgdraft_log AS (INSERT INTO {log}(pgdraft_kind, {columns}) \
             SELECT '{kind}', {images} FROM pgdraft_src{filter} ON CONFLICT DO NOTHING)",
            log = self.head.log(),
            columns = self.writable_list(),
        )
    }

    /// The images of the target's row as it was, named `o0, o1, …`, and `pgdraft_new`.
    pub(crate) fn images(&self) -> String {
        let mut out: Vec<String> = self
            .writable()
            .iter()
            .enumerate()
            .map(|(i, c)| format!("{} AS o{i}", self.column(&c.name)))
            .collect();
        out.push(format!("{}.pgdraft_new AS pgdraft_new", self.alias()));
        out.join(", ")
    }

    /// `DISTINCT ON (key) ` where a join could give a row twice.
    pub(crate) fn distinct(&self, joined: bool) -> String {
        if joined {
            format!(
                "DISTINCT ON ({}) ",
                list(self.key().iter().map(|k| self.column(k)))
            )
        } else {
            String::new()
        }
    }

    /// `schema.table.column` of the target loses its schema: the target has an alias now.
    pub(crate) fn own_edits(&self, statement: &Statement) -> Vec<Edit> {
        let item = Merged {
            reference: self.reference.clone(),
            relation: Arc::clone(&self.relation),
        };
        statement
            .facts
            .columns
            .iter()
            .filter_map(|c| unqualify(statement, &item, c).or_else(|| self.whole_row(statement, c)))
            .collect()
    }

    /// A second table under the target's name: PostgreSQL refuses it too, unless the two are of
    /// different schemas, which a derived table cannot be.
    fn no_twin(&self, statement: &Statement, context: &Context<'_>) -> Result<(), Box<Report>> {
        let facts = &statement.facts;
        let twin = facts
            .relations
            .iter()
            .find(|r| Some(r.block) == facts.own_block && r.label() == self.label);
        let Some(twin) = twin else { return Ok(()) };
        let other = resolve::resolve(context, twin.schema.as_deref(), &twin.name)?;
        let plain = twin.alias.is_none() && self.reference.alias.is_none();
        let report = match other {
            Resolved::Known(other) if plain && other.id != self.relation.id => {
                unsupported(&format!("naming two tables \"{}\"", self.label))
            }
            _ => Report::error(
                "42712",
                format!("table name \"{}\" specified more than once", self.label),
            ),
        };
        Err(Box::new(report.hint("give one of the tables an alias")))
    }

    /// The target as a value: the head has columns that the base's row type does not.
    fn whole_row(&self, statement: &Statement, column: &ColumnUse) -> Option<Edit> {
        let [name] = column.fields.as_slice() else {
            return None;
        };
        let facts = &statement.facts;
        let is_own = Some(column.block) == facts.own_block
            || facts.blocks.len() == 1
            || !facts.relations.iter().any(|r| r.label() == name);
        if *name != self.label || self.relation.column(name).is_some() || !is_own {
            return None;
        }
        let columns = list(self.relation.columns.iter().map(|c| self.column(&c.name)));
        let first = statement.tokens.at(column.location)?;
        Some(Edit {
            range: statement.tokens.bytes(first..first + 1)?,
            text: format!("ROW({columns})::{}", self.relation.qualified()),
        })
    }

    /// Relations that become dirty: itself and, where keys go, what it cascades to.
    fn changes(&self, cascades: bool) -> Vec<RelationId> {
        let mut changes = vec![self.relation.id];
        if cascades {
            let others = self
                .head
                .cascades
                .iter()
                .filter(|id| **id != self.relation.id);
            changes.extend(others);
        }
        changes
    }

    /// Whether a foreign key of another table points at that column.
    pub(crate) fn is_referenced(&self, column: &str) -> bool {
        self.relation
            .referenced_by
            .iter()
            .any(|f| f.parent_columns.iter().any(|c| c == column))
    }

    /// The finished write.
    pub(crate) fn write(&self, statement: &Statement, splice: Splice<'_>, parts: Parts) -> Plan {
        let (text, positions) = splice.finish();
        Plan::Write(Arc::new(Write {
            rewritten: Rewritten {
                text,
                positions,
                merged: parts.merged,
                effect: Effect::None,
                locks: false,
            },
            changes: self.changes(parts.cascades),
            verb: parts.verb,
            redacted: redact(&statement.text),
            returning: parts.returning,
            counted: parts.counted,
            key: parts.key,
        }))
    }
}

/// What differs between finished writes.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) verb: Verb,
    pub(crate) returning: bool,
    pub(crate) merged: Vec<RelationId>,
    /// A key that children may reference goes or changes.
    pub(crate) cascades: bool,
    /// Its rows are only there to be counted.
    pub(crate) counted: bool,
    /// See [`Write::key`].
    pub(crate) key: Option<KeyName>,
}

/// A change being rewritten: what every step of it looks at.
#[derive(Debug)]
pub(crate) struct Work<'a> {
    pub(crate) statement: &'a Statement,
    pub(crate) context: &'a Context<'a>,
    pub(crate) changed: Changed,
    pub(crate) clauses: Clauses,
    /// Merged reads and the target's own edits, sorted.
    pub(crate) edits: Edits,
}

/// What beginning a change leads to.
#[derive(Debug)]
pub(crate) enum Begun<'a> {
    /// Go on.
    Work(Box<Work<'a>>),
    /// This plan instead.
    Instead(Plan),
}

impl<'a> Work<'a> {
    /// Resolves target, clauses and reads. `from` is the keyword of the join list.
    pub(crate) fn begin(
        statement: &'a Statement,
        context: &'a Context<'a>,
        relation: Option<&RangeVar>,
        (verb, from): (Kind, Kind),
    ) -> Result<Begun<'a>, Box<Report>> {
        let changed = match target(context, relation)? {
            Found::Changed(changed) => *changed,
            Found::Instead(plan) => return Ok(Begun::Instead(plan)),
        };
        let clauses = Clauses::find(statement, verb, from).ok_or_else(mismatch)?;
        let Some(mut edits) = Edits::of_reads(statement, context)? else {
            return Ok(Begun::Instead(Plan::NeedsCatalog));
        };
        changed.no_twin(statement, context)?;
        edits.list.extend(changed.own_edits(statement));
        edits.list.sort_by_key(|e| (e.range.start, e.range.end));
        edits.list.dedup();
        Ok(Begun::Work(Box::new(Self {
            statement,
            context,
            changed,
            clauses,
            edits,
        })))
    }

    /// Whether the tree has the clauses that the tokens show.
    pub(crate) fn agrees(&self, from: bool, filter: bool, returning: bool) -> bool {
        self.clauses.from.is_some() == from
            && self.clauses.filter.is_some() == filter
            && self.clauses.returning.is_some() == returning
    }

    /// Appends the client's text of a clause, reads merged.
    fn clause(&self, splice: &mut Splice<'_>, keyword: usize) -> Result<(), Box<Report>> {
        let content = self.clauses.content(keyword);
        let range = self.statement.tokens.bytes(content).ok_or_else(mismatch)?;
        splice.copy_edited(range, &self.edits.list);
        Ok(())
    }

    /// `WITH …, pgdraft_src AS MATERIALIZED (SELECT images, … FROM target, joins WHERE …), `: the
    /// rows an UPDATE or DELETE finds, as they were; `more` adds columns.
    pub(crate) fn source(
        &self,
        splice: &mut Splice<'_>,
        more: impl FnOnce(&mut Splice<'_>),
    ) -> Result<(), Box<Report>> {
        match self.statement.tokens.bytes(0..self.clauses.verb) {
            Some(with) => {
                splice.copy_edited(with, &self.edits.list);
                splice.ours(", ");
            }
            None => splice.ours("WITH "),
        }
        let changed = &self.changed;
        splice.ours(&format!(
            "pgdraft_src AS MATERIALIZED (SELECT {}{}",
            changed.distinct(self.clauses.from.is_some()),
            changed.images(),
        ));
        more(splice);
        let whole = self.clauses.filter.is_none();
        let source = changed
            .source(self.context, self.risky(), whole)
            .ok_or_else(mismatch)?;
        splice.ours(&format!(" FROM {source} AS {}", changed.alias()));
        if let Some(from) = self.clauses.from {
            splice.ours(", ");
            self.clause(splice, from)?;
        }
        if let Some(filter) = self.clauses.filter {
            splice.ours(" WHERE ");
            self.clause(splice, filter)?;
        }
        splice.ours("), ");
        Ok(())
    }

    /// Whether the change's own WHERE holds an expression that can fail on a hidden row.
    fn risky(&self) -> bool {
        let facts = &self.statement.facts;
        let own = facts.own_block.and_then(|i| facts.blocks.get(i));
        own.is_some_and(|b| b.risky)
    }

    /// The finished write.
    pub(crate) fn finish(&self, splice: Splice<'_>, verb: Verb, cascades: bool) -> Plan {
        self.changed
            .write(self.statement, splice, self.parts(verb, cascades))
    }

    /// The same for a statement that ends in a SELECT of one empty row per changed row.
    pub(crate) fn finish_counted(&self, splice: Splice<'_>, verb: Verb, cascades: bool) -> Plan {
        let parts = Parts {
            counted: self.clauses.returning.is_none(),
            ..self.parts(verb, cascades)
        };
        self.changed.write(self.statement, splice, parts)
    }

    fn parts(&self, verb: Verb, cascades: bool) -> Parts {
        Parts {
            verb,
            returning: self.clauses.returning.is_some(),
            merged: self.edits.merged.clone(),
            cascades,
            counted: false,
            key: None,
        }
    }

    /// The same for a plain INSERT.
    pub(crate) fn finish_insert(&self, splice: Splice<'_>) -> Plan {
        let relation = &self.changed.relation;
        let parts = Parts {
            key: relation.primary_key.as_ref().map(|key| KeyName {
                schema: relation.schema.clone(),
                table: relation.name.clone(),
                constraint: key.name.clone(),
            }),
            ..self.parts(Verb::Insert, false)
        };
        self.changed.write(self.statement, splice, parts)
    }
}

/// Constants become `$n`: statement texts are kept without values.
pub(crate) fn redact(text: &str) -> String {
    pg_query::normalize(text).unwrap_or_else(|_| "(statement could not be redacted)".to_owned())
}

pub(crate) fn list(items: impl IntoIterator<Item = String>) -> String {
    items.into_iter().collect::<Vec<_>>().join(", ")
}

/// A clause the tree has and the tokens do not, or the other way round.
pub(crate) fn mismatch() -> Box<Report> {
    Box::new(
        Report::error(
            "0A000",
            "the clauses of this statement could not be told apart",
        )
        .hint("write it in a plainer form: quote names that are keywords"),
    )
}
