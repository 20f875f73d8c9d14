//! What INSERT, UPDATE and DELETE have in common: target, heads, log, the upsert into the head.

use std::sync::Arc;

use catalog::{
    Catalog, Column, Command, Head, ROW_COLUMN, Relation, RelationId, RelationKind,
    quote_identifier as q, quote_literal,
};
use pg_query::protobuf::RangeVar;
use report::Report;

use crate::facts::TableRef;
use crate::merge::{self, Member, Scan, System, Wanted};
use crate::plan::{Context, Plan};
use crate::policies;
use crate::resolve::{self, Target};
use crate::rewrite::assign::default_of;
use crate::rewrite::before;
use crate::rewrite::storing::cast_type;
use crate::rewrite::through::{self, Followed, Through, Verb};
use crate::rewrite::views::permitted;
use crate::shadowed;
use crate::volatile::Risk;
use crate::walk::byte;

/// The target of a change, resolved, with its head.
#[derive(Debug, Clone)]
pub(crate) struct Changed {
    pub(crate) relation: Arc<Relation>,
    /// The table whose head it is: itself, or the root of its partition tree.
    pub(crate) drafted: Arc<Relation>,
    pub(crate) head: Arc<Head>,
    /// The name the client's expressions know the target by, unquoted.
    pub(crate) label: String,
    /// Where the client names a view: the way from it to the table.
    pub(crate) through: Option<Arc<Through>>,
    /// Its alias where another table has its name.
    pub(crate) renamed: Option<String>,
    /// As a reference, for `schema.table.column`.
    pub(crate) reference: TableRef,
    /// What inherits from it is meant too.
    pub(crate) with_children: bool,
    /// The tables of its tree, itself first, where a new row is one that none of them has.
    pub(crate) rivals: Vec<Member>,
    /// Its system columns that the change names.
    pub(crate) system: System,
    /// What policies are asked for its rows.
    pub(crate) command: Command,
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
    view: Option<Verb>,
) -> Result<Found, Box<Report>> {
    let Some(name) = relation else {
        return Err(Box::new(
            Report::error("0A000", "a change without a table").hint("name the table"),
        ));
    };
    let schema = (!name.schemaname.is_empty()).then_some(name.schemaname.as_str());
    let mut way = None;
    let command = view.map(Verb::command);
    let relation = match resolve::target(context, schema, &name.relname, command)? {
        Target::Table(relation) => match view {
            Some(verb) if relation.kind == RelationKind::View => {
                match through::follow(context, &relation, verb)? {
                    Followed::Unknown => return Ok(Found::Instead(Plan::NeedsCatalog)),
                    Followed::Through(found) => {
                        let table = resolve::drafted(Arc::clone(&found.table), command)?;
                        way = Some(Arc::new(found));
                        table
                    }
                }
            }
            _ => relation,
        },
        Target::Unknown if context.fresh => return Err(missing_relation(name)),
        Target::Unknown => return Ok(Found::Instead(Plan::NeedsCatalog)),
    };
    if let Some(way) = way.as_ref().filter(|_| relation.row_security) {
        policies::as_owner(&way.view)?;
    }
    policies::settled(context, &relation)?;
    if relation.kind == RelationKind::Partitioned && !name.inh && view.is_some() {
        return Err(Box::new(
            crate::classify::unsupported("ONLY of a partitioned table")
                .hint("leave ONLY out: the rows are in the partitions"),
        ));
    }
    let head = match head_of(context, &relation)? {
        Headed::Head(head) => head,
        Headed::Instead(plan) => return Ok(Found::Instead(plan)),
    };
    if view.is_some_and(|verb| verb.command() != Command::Delete) {
        before::none_of_partitions(context, &drafted(context, &relation))?;
    }
    let alias = name.alias.as_ref().map(|a| a.aliasname.clone());
    let with_children = match &way {
        Some(way) => way.with_children(),
        None => name.inh,
    };
    Ok(Found::Changed(Box::new(Changed {
        head,
        drafted: drafted(context, &relation),
        rivals: Vec::new(),
        with_children: with_children && !relation.children.is_empty(),
        through: way,
        renamed: None,
        system: System::default(),
        command: view.map_or(Command::Select, Verb::command),
        label: alias.clone().unwrap_or_else(|| name.relname.clone()),
        reference: TableRef {
            block: usize::MAX,
            location: byte(name.location),
            schema: schema.map(str::to_owned),
            name: name.relname.clone(),
            alias,
            only: false,
            sampled: false,
            renamed: Vec::new(),
        },
        relation,
    })))
}

/// A table's head, or the plan that leads to it.
pub(crate) enum Headed {
    Head(Arc<Head>),
    Instead(Plan),
}

pub(crate) fn head_of(context: &Context<'_>, relation: &Relation) -> Result<Headed, Box<Report>> {
    let drafted = context.catalog.drafted_as(relation.id);
    let Some(head) = context.catalog.head(drafted) else {
        if resolve::is_outdated(context, relation.id) {
            if !context.fresh {
                return Ok(Headed::Instead(Plan::NeedsCatalog));
            }
            return Err(Box::new(resolve::schema_moved(context.catalog, relation)));
        }
        return Ok(Headed::Instead(Plan::NeedsDraft(vec![drafted])));
    };
    Ok(Headed::Head(Arc::clone(head)))
}

fn drafted(context: &Context<'_>, relation: &Arc<Relation>) -> Arc<Relation> {
    let id = context.catalog.drafted_as(relation.id);
    let found = context.catalog.relations.get(&id);
    shadowed::relation(found.unwrap_or(relation), context.temporary)
}

fn missing_relation(name: &RangeVar) -> Box<Report> {
    let message = format!("relation \"{}\" does not exist", written(name));
    Box::new(Report::error("42P01", message).position(byte(name.location) + 1))
}

/// The name as PostgreSQL prints it in 42P01.
fn written(name: &RangeVar) -> String {
    if name.schemaname.is_empty() {
        name.relname.clone()
    } else {
        format!("{}.{}", name.schemaname, name.relname)
    }
}

impl Changed {
    /// Quoted label.
    pub(crate) fn alias(&self) -> String {
        q(self.renamed.as_ref().unwrap_or(&self.label))
    }

    /// Whether a column reference is qualified as the target's.
    pub(crate) fn names(&self, fields: &[String]) -> bool {
        match fields {
            [.., schema, table, _] => {
                *table == self.label
                    && self.reference.alias.is_none()
                    && *schema == self.shown().schema
            }
            [table, _] => *table == self.label,
            _ => false,
        }
    }

    /// `"label"."column"`.
    pub(crate) fn column(&self, name: &str) -> String {
        format!("{}.{}", self.alias(), q(name))
    }

    /// The `i`th writable column, of that name, of the row as it was.
    pub(crate) fn old(&self, i: usize, name: &str) -> String {
        match self.through {
            Some(_) => format!("{}.pgdraft_b{i}", self.alias()),
            None => self.column(name),
        }
    }

    /// The relation that the client names: the table, or a view of it.
    pub(crate) fn shown(&self) -> &Arc<Relation> {
        self.through.as_ref().map_or(&self.relation, |t| &t.view)
    }

    /// The table's column behind a name that the client assigns to.
    pub(crate) fn assigned(
        &self,
        name: &str,
        (does, at): (&str, usize),
    ) -> Result<&Column, Box<Report>> {
        let shown = self.shown();
        let system = does == "update" && resolve::SYSTEM_COLUMNS.contains(&name);
        if system && shown.column(name).is_none() {
            let message = format!("cannot assign to system column \"{name}\"");
            return Err(Box::new(Report::error("0A000", message).position(at + 1)));
        }
        // a column that does not exist is PostgreSQL's to report, on the original statement
        if shown.column(name).is_none() {
            return Err(Box::new(
                Report::error(
                    "42703",
                    format!(
                        "column \"{name}\" of relation \"{}\" does not exist",
                        shown.name
                    ),
                )
                .position(at + 1),
            ));
        }
        let own = match &self.through {
            None => Some(name),
            Some(through) => {
                through.writable(&[name], self.doing(does))?;
                through.column(name)
            }
        };
        let own = own.and_then(|name| self.relation.column(name));
        own.ok_or_else(mismatch)
    }

    /// That all of these columns, each with its place, are there and that the view the client names, if
    /// it is one, lets them be written.
    pub(crate) fn all_assigned(
        &self,
        names: &[(&str, usize)],
        does: &str,
    ) -> Result<(), Box<Report>> {
        let missing = |(name, _): &&(&str, usize)| self.shown().column(name).is_none();
        if let Some((name, at)) = names.iter().find(missing) {
            self.assigned(name, (does, *at))?;
        }
        let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        let way = self.through.as_ref();
        way.map_or(Ok(()), |way| way.writable(&names, self.doing(does)))
    }

    /// What an error about a view's column calls it.
    fn doing<'a>(&self, does: &'a str) -> &'a str {
        match self.command {
            Command::Select => "merge into",
            _ => does,
        }
    }

    /// Rows of the head as rows of what the client names.
    pub(crate) fn rows(&self, rows: &str) -> String {
        match &self.through {
            Some(through) => through.written(rows),
            None => rows.to_owned(),
        }
    }

    /// What raises where the row `alias` of the head is not one of the partition that the client
    /// names; none where it names no partition.
    pub(crate) fn bound(&self, alias: &str) -> Option<String> {
        let bound = self.relation.partition.as_ref()?.bound.as_ref()?;
        let columns = self.relation.columns.iter();
        let columns = columns.map(|c| format!("{alias}.{n} AS {n}", n = q(&c.name)));
        Some(format!(
            "(SELECT {} FROM (SELECT {}) AS pgdraft_p)",
            within(&self.relation, bound),
            list(columns)
        ))
    }

    pub(crate) fn key(&self) -> &[String] {
        self.relation.key().map_or(&[], |k| k.columns.as_slice())
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
    pub(crate) fn source(&self, context: &Context<'_>, risk: Risk, scan: Scan) -> Option<String> {
        let way = self.through.as_ref().map_or(Risk::None, |t| t.risk());
        let table = self.table(context, risk.max(way), scan)?;
        Some(match &self.through {
            Some(through) => {
                let rows = through.over(&table);
                let view = Some(self.shown()).filter(|v| v.kind == RelationKind::View);
                match view.and_then(|view| permitted(context, view)) {
                    Some(permitted) => format!("(SELECT * FROM {rows} AS v{permitted})"),
                    None => rows,
                }
            }
            None => table,
        })
    }

    /// Rows of a key, those that a view does not show too: ON CONFLICT meets them.
    pub(crate) fn any_row(&self, context: &Context<'_>) -> Option<String> {
        Some(self.rows(&self.table(context, Risk::None, Scan::Sought)?))
    }

    /// The merged table.
    pub(crate) fn table(&self, context: &Context<'_>, risk: Risk, scan: Scan) -> Option<String> {
        // always merged: another connection of the session may write the table just before us
        let rows = context.draft.dirty.get(&self.drafted.id);
        let wanted = Wanted {
            rows: rows.copied().unwrap_or(0),
            risk,
            bare_count: false,
            scan,
            with_new: true,
            truncated: context.draft.truncated.contains(&self.drafted.id),
            // a new row meets rows that nobody is shown
            hidden: self.command == Command::Insert,
        };
        let only = match self.command {
            Command::Update | Command::Delete => policies::changeable(&self.relation, self.command),
            Command::Select | Command::Insert => String::new(),
        };
        let system = System {
            only,
            ..self.system.clone()
        };
        if !self.rivals.is_empty() {
            let tree = merge::tree(&self.relation, &self.rivals, (wanted, &system));
            return Some(tree);
        }
        merge::merged_with(&self.relation, &self.head, (wanted, &system))
    }

    /// What a column gets where nothing is given: a view's own default goes before the table's.
    pub(crate) fn default(&self, catalog: &Catalog, column: &Column) -> String {
        let of_view = self.through.as_ref().and_then(|through| {
            let shown = through.view.columns.iter();
            shown
                .filter(|c| through.column(&c.name) == Some(&column.name))
                .find_map(|c| through.default(&c.name))
        });
        match of_view {
            Some(default) => format!("CAST({default} AS {})", cast_type(catalog, column)),
            None => default_of(catalog, &self.relation, column),
        }
    }

    /// ON CONFLICT … DO UPDATE of an UPDATE or DELETE.
    pub(crate) fn upsert(&self, live: bool) -> String {
        self.upsert_of(live, |name| !self.is_key(name))
    }

    /// The same of rows that may be new ones, with keys of their own: 1.0 and 1.00 are equal.
    pub(crate) fn upsert_with_key(&self) -> String {
        self.upsert_of(true, |_| true)
    }

    fn upsert_of(&self, live: bool, wanted: impl Fn(&str) -> bool) -> String {
        let assignments = self
            .writable()
            .iter()
            .filter(|c| wanted(&c.name))
            .map(|c| format!(", {c} = EXCLUDED.{c}", c = q(&c.name)))
            .collect::<String>();
        format!(
            " ON CONFLICT (pgdraft_sid, {}) DO UPDATE SET pgdraft_op = EXCLUDED.pgdraft_op, pgdraft_moved = false, pgdraft_live = {live}{assignments}",
            list(self.key().iter().map(|k| q(k))),
        )
    }

    /// ON CONFLICT … DO UPDATE of a plain INSERT: raises 23505 over a live row, revives a tombstone.
    pub(crate) fn guard(&self) -> String {
        if self.relation.key().is_none() {
            // no two rows have one number: what is said here is looked at where the statement is planned
            return format!(
                " ON CONFLICT (pgdraft_sid, {ROW_COLUMN}) DO UPDATE SET pgdraft_moved = NOT {}",
                merge::is_same(&self.relation)
            );
        }
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
            " ON CONFLICT (pgdraft_sid, {key}) DO UPDATE SET pgdraft_op = EXCLUDED.pgdraft_op, pgdraft_moved = NOT {same}, pgdraft_live = {duplicate}{assignments}",
            same = merge::is_same(&self.relation),
            key = list(self.key().iter().map(|k| q(k))),
            duplicate = self.duplicate(&live, &proposed),
        )
    }

    /// A call that raises PostgreSQL's 23505 on the primary key if `live`, else gives true;
    /// `values` are expressions of the key.
    pub(crate) fn duplicate(&self, live: &str, values: &[String]) -> String {
        let key = self.relation.key();
        let constraint = key.map_or("", |k| k.name.as_str());
        let label = key.map_or("", |k| k.label.as_str());
        format!(
            "pgdraft.dup_guard({live}, {schema}, {table}, {constraint}, pg_catalog.concat({opening}, {values}, ') already exists.'){row})",
            schema = quote_literal(&self.relation.schema),
            table = quote_literal(&self.relation.name),
            constraint = quote_literal(constraint),
            opening = quote_literal(&format!("Key ({label})=(")),
            values = values.join(", ', ', "),
            row = key.map_or_else(String::new, |key| self.relation.placing(key, values)),
        )
    }

    /// Whether an outer join with the target found a row of it.
    pub(crate) fn met(&self) -> String {
        format!("{}.pgdraft_new IS NOT NULL", self.alias())
    }

    /// The images of the target's row as it was, named `o0, o1, …`, and `pgdraft_new`.
    pub(crate) fn images(&self) -> String {
        let mut out: Vec<String> = self
            .writable()
            .iter()
            .enumerate()
            .map(|(i, c)| format!("{} AS o{i}", self.old(i, &c.name)))
            .collect();
        out.push(format!("{}.pgdraft_new AS pgdraft_new", self.alias()));
        out.join(", ")
    }

    /// `DISTINCT ON (key) ` where a join could give a row twice.
    pub(crate) fn distinct(&self, joined: bool) -> String {
        if joined && !self.key().is_empty() {
            format!("DISTINCT ON ({}) ", list(self.key_images()))
        } else {
            String::new()
        }
    }

    /// The key of the row as it was.
    pub(crate) fn key_images(&self) -> Vec<String> {
        let writable = self.writable();
        let images = self.key().iter().map(|k| {
            let i = writable.iter().position(|c| c.name == *k);
            i.map_or_else(|| self.column(k), |i| self.old(i, k))
        });
        images.collect()
    }

    /// Relations that become dirty: itself and, where keys go, what it cascades to.
    pub(crate) fn changes(&self, cascades: bool) -> Vec<RelationId> {
        let mut changes = vec![self.drafted.id];
        if cascades {
            let others = self
                .head
                .cascades
                .iter()
                .filter(|id| **id != self.drafted.id);
            changes.extend(others);
        }
        changes
    }

    /// Whether a foreign key of another table points at that column.
    pub(crate) fn is_referenced(&self, column: &str) -> bool {
        self.drafted
            .referenced_by
            .iter()
            .any(|f| f.parent_columns.iter().any(|c| c == column))
    }
}

/// A condition over bare column names: the row is one of the partition, or PostgreSQL's error.
pub(crate) fn within(partition: &Relation, bound: &str) -> String {
    let columns = partition.columns.iter().map(|c| q(&c.name));
    format!(
        "({bound}) IS NOT FALSE OR pgdraft.outside_partition({}, {}, ROW({})::pg_catalog.text)",
        quote_literal(&partition.schema),
        quote_literal(&partition.name),
        list(columns)
    )
}

/// Constants become `$n`: statement texts are kept without values.
pub fn redact(text: &str) -> String {
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
