//! From a classified statement to its plan: one module per kind of statement, all shaped the same.

use std::sync::Arc;

use catalog::{Relation, RelationId, RelationKind, quote_identifier as q};
use pg_query::protobuf::Token as Kind;
use report::Report;

use crate::classify::unsupported;
use crate::facts::{ColumnUse, TableRef};
use crate::functions::{self, Verdict};
use crate::invariants;
use crate::merge::{self, Member, System, Wanted};
use crate::nested::{self, Copied, Explain, Prepare};
use crate::parse::{Body, Setting, Statement};
use crate::plan::{Context, Effect, Locks, Plan, Relay, Rewritten};
use crate::policies;
use crate::resolve::{self, Merged, Resolved};
use crate::sought;
use crate::splice::{Edit, Splice};
use crate::volatile::{self, Risk};

mod advisory;
mod assign;
mod before;
pub(crate) mod catalogs;
pub(crate) mod change;
mod changes;
mod conflict;
mod constraints;
mod copy;
mod cursor;
mod delete;
mod grouped;
mod inherited;
pub(crate) mod inlined;
mod insert;
pub(crate) mod lock;
mod merging;
mod moving;
pub(crate) mod noted;
mod nullable;
mod own_row;
mod parts;
mod plain;
mod returning;
mod rows;
mod secured;
pub(crate) mod security;
pub(crate) mod sequences;

mod settings;
mod storing;
mod system;
mod temporary;
mod through;
mod truncate;
mod update;
mod views;
mod width;
mod work;

pub use change::redact;

/// Plans one statement. Pure.
///
/// # Errors
/// A [`Report`] with SQLSTATE, detail and hint where the statement is refused.
pub fn plan(statement: &Statement, context: Context<'_>) -> Result<Plan, Box<Report>> {
    functions::check_text(&context, &statement.text)?;
    let plan = match choose(statement, &context) {
        // production may just have added the column, the index or the constraint
        Err(report) if !context.fresh && ["42703", "42P10", "42704"].contains(&&*report.code) => {
            return Ok(Plan::NeedsCatalog);
        }
        plan => plan?,
    };
    if let Plan::Write(write) = &plan {
        functions::check_changes(&context, (&statement.text, &write.changes))?;
    }
    invariants::check(&plan)?;
    Ok(plan)
}

fn choose(statement: &Statement, context: &Context<'_>) -> Result<Plan, Box<Report>> {
    if let Body::Refused(report) = &statement.body {
        return Err(report.clone());
    }
    let verdict = match &statement.body {
        Body::Definition(definition) => temporary::check(statement, definition, context)?,
        body => {
            let reads = match body {
                Body::Query | Body::Change(_) => true,
                Body::Copy(copy) => !copy.from,
                _ => false,
            };
            functions::check(context, &statement.facts, reads)?
        }
    };
    if verdict == Verdict::Unknown {
        return Ok(Plan::NeedsCatalog);
    }
    sequences::check(statement, context)?;
    if let Some(plan) = temporary::change(statement, context)? {
        return Ok(plan);
    }
    match &statement.body {
        Body::Query if statement.facts.parts.is_empty() => match read(statement, context)? {
            plan if sequences::sets(statement) => sequences::set(statement, plan),
            plan => Ok(plan),
        },
        Body::Query => changes::plan(statement, None, context),
        Body::Change(change) => changes::plan(statement, Some(change), context),
        Body::Copy(tree) => copy::plan(statement, tree, context),
        Body::Truncate(tree) => truncate::plan(statement, tree, context),
        Body::Prepare(prepare) => prepared(statement, prepare, context),
        Body::Explain(explain) => explained(statement, explain, context),
        Body::Copied(copied) => nested_copy(statement, copied, context),
        Body::Skipped(skipped, refusal) => Ok(temporary::skip(skipped, refusal)),
        Body::Definition(definition) => temporary::define(statement, definition, context),
        Body::Lock(lock) => lock::plan(statement, lock, context),
        Body::Execute(_) if settings::computed(statement) => Err(Box::new(
            unsupported("set_config of a computed name among the parameters of EXECUTE")
                .hint("set it by a statement of its own"),
        )),
        Body::Execute(_) if advisory::locks(statement) => Err(Box::new(
            unsupported("an advisory lock among the parameters of EXECUTE")
                .hint("take the lock by a statement of its own"),
        )),
        // what it runs is planned by itself
        Body::Execute(_) => Ok(relay(Effect::None)),
        Body::Transaction => Ok(relay(Effect::Transaction)),
        Body::Set(setting) => Ok(security::set(statement, setting).unwrap_or_else(|| set(setting))),
        Body::Show(name) => Ok(match name.as_str() {
            "pgdraft.session" => Plan::ShowOwn {
                name: "pgdraft.session",
            },
            "pgdraft.operation" => Plan::ShowOwn {
                name: "pgdraft.operation",
            },
            security::NAME => security::show(),
            _ => relay(Effect::None),
        }),
        Body::Deallocate(name) => Ok(relay(Effect::Deallocate(name.clone()))),
        Body::DiscardAll => Ok(relay(Effect::Discard)),
        Body::Constraints(names) => constraints::plan(statement, names, context),
        Body::DiscardTemp => Ok(relay(Effect::Temporary)),
        Body::DiscardSequences => Ok(relay(Effect::Unbind)),
        Body::Harmless => Ok(relay(Effect::None)),
        Body::Refused(report) => Err(report.clone()),
    }
}

/// PREPARE is refused where what it prepares is.
fn prepared(
    statement: &Statement,
    prepare: &Prepare,
    context: &Context<'_>,
) -> Result<Plan, Box<Report>> {
    let inner = choose(&prepare.inner, context)
        .map_err(|report| nested::refusal(statement, &prepare.inner, *report))?;
    Ok(match inner {
        Plan::NeedsCatalog => Plan::NeedsCatalog,
        _ => relay(Effect::Prepare(prepare.name.clone())),
    })
}

fn explained(
    statement: &Statement,
    explain: &Explain,
    context: &Context<'_>,
) -> Result<Plan, Box<Report>> {
    let inner = choose(&explain.inner, context)
        .map_err(|report| nested::refusal(statement, &explain.inner, *report))?;
    Ok(nested::explain(statement, explain, inner))
}

fn nested_copy(
    statement: &Statement,
    copied: &Copied,
    context: &Context<'_>,
) -> Result<Plan, Box<Report>> {
    let inner = choose(&copied.inner, context)
        .map_err(|report| nested::refusal(statement, &copied.inner, *report))?;
    nested::copied(statement, copied, (inner, context.catalog.server_version))
}

fn relay(effect: Effect) -> Plan {
    Plan::Relay(Relay { effect })
}

/// The client's text with one edit, where no table of it is merged.
fn edited(statement: &Statement, edit: Edit, locks: Locks) -> Plan {
    let mut splice = Splice::new(&statement.text);
    splice.copy_edited(0..statement.text.len(), &[edit]);
    let (text, positions) = splice.finish();
    Plan::Read(Arc::new(Rewritten {
        text,
        positions,
        merged: Vec::new(),
        effect: Effect::None,
        locks,
    }))
}

fn set(setting: &Setting) -> Plan {
    if setting.all {
        return relay(Effect::Reset);
    }
    match setting.name.as_str() {
        "pgdraft.operation" => Plan::SetOperation {
            value: setting.value.clone(),
            local: setting.local,
        },
        "search_path" => relay(Effect::Settings),
        _ => relay(Effect::None),
    }
}

/// The effect of a query that is otherwise only read.
fn query_effect(statement: &Statement) -> Effect {
    let sets_path = statement.facts.calls.iter().any(|c| {
        c.name == "set_config"
            && c.first_constant
                .as_deref()
                .is_none_or(|n| n.eq_ignore_ascii_case("search_path"))
    });
    if sets_path {
        Effect::Settings
    } else {
        Effect::None
    }
}

fn read(statement: &Statement, context: &Context<'_>) -> Result<Plan, Box<Report>> {
    let mut context = *context;
    let mut draft = context.draft.clone();
    if let Some((item, _)) = rows::target(statement, &context)? {
        let drafted = context.catalog.drafted_as(item.relation.id);
        if context.catalog.head(item.relation.id).is_none() {
            return Ok(Plan::NeedsDraft(vec![drafted]));
        }
        draft.dirty.entry(drafted).or_insert(0);
        context.draft = &draft;
    }
    let Some(edits) = Edits::of_reads(statement, &context)? else {
        return Ok(Plan::NeedsCatalog);
    };
    let effect = query_effect(statement);
    if edits.list.is_empty() {
        return Ok(relay(effect));
    }
    let mut splice = Splice::new(&statement.text);
    splice.copy_edited(0..statement.text.len(), &edits.list);
    let (text, positions) = splice.finish();
    Ok(Plan::Read(Arc::new(Rewritten {
        text,
        positions,
        merged: edits.merged,
        effect,
        locks: if edits.by_row {
            Locks::Rows
        } else {
            Locks::of(statement)
        },
    })))
}

impl Locks {
    /// What a read locks.
    fn of(statement: &Statement) -> Self {
        if statement.facts.locking > 0 {
            Self::Writers
        } else if advisory::locks(statement) {
            Self::Own
        } else {
            Self::No
        }
    }
}

/// Whether it locks rows of more than the client's own temporary tables, which PostgreSQL locks.
fn locks_drafts(statement: &Statement, context: &Context<'_>) -> Result<bool, Box<Report>> {
    let references = &statement.facts.relations;
    if statement.facts.locking == 0 || references.is_empty() {
        return Ok(statement.facts.locking > 0);
    }
    for reference in references {
        let found = resolve::resolve(context, reference.schema.as_deref(), &reference.name)?;
        if !matches!(found, Resolved::Temporary) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Takes out `FOR UPDATE` and its kin: rows of the base cannot be locked by a role that may not
/// write them, and rows of a draft are locked with their session.
fn locking_edits(statement: &Statement) -> Result<Vec<Edit>, Box<Report>> {
    let tokens = &statement.tokens;
    let is = |i: usize, kind: Kind| tokens.get(i).is_some_and(|t| t.is(kind));
    let mut edits = Vec::new();
    for (start, _) in tokens.iter().filter(|(_, t)| t.is(Kind::For)) {
        let mut at = start + 1;
        if is(at, Kind::No) {
            at += 1;
        }
        if is(at, Kind::Key) {
            at += 1;
        }
        if !is(at, Kind::Update) && !is(at, Kind::Share) {
            continue;
        }
        at += 1;
        if is(at, Kind::Of) {
            at += 2;
            while is(at, Kind::Ascii44) || is(at, Kind::Ascii46) {
                at += 2;
            }
        }
        if is(at, Kind::Nowait) {
            at += 1;
        } else if is(at, Kind::Skip) {
            at += 2;
        }
        edits.push(Edit::new(
            tokens.bytes(start..at).ok_or_else(lost)?,
            String::new(),
        ));
    }
    if edits.len() == statement.facts.locking {
        Ok(edits)
    } else {
        Err(lost())
    }
}

/// All replacements that merge a statement's reads, sorted by place.
#[derive(Debug, Default)]
pub(crate) struct Edits {
    pub(crate) list: Vec<Edit>,
    pub(crate) merged: Vec<RelationId>,
    /// Rows are locked one by one.
    pub(crate) by_row: bool,
    /// What volatile functions that are written out read, by their names: tables that the session has changed,
    /// and `None` for temporary ones. PostgreSQL shows them what their own statement has written so far.
    pub(crate) fresh: Vec<(String, Option<RelationId>)>,
}

impl Edits {
    /// The edits for every changed relation the statement reads; `None`: refresh the catalog.
    pub(crate) fn of_reads(
        statement: &Statement,
        context: &Context<'_>,
    ) -> Result<Option<Self>, Box<Report>> {
        let references = &statement.facts.relations;
        let Some(merged) = resolve::dirty_reads(context, references)? else {
            return Ok(None);
        };
        if !context.fresh && resolve::names_new_column(statement, &merged) {
            return Ok(None);
        }
        let mut edits = Self::default();
        let mut bytes = 0;
        for item in &merged {
            let system = system::wanted(statement, context, item);
            let mut body = match item.relation.kind {
                RelationKind::View => {
                    let Some(expanded) = views::expanded(context, &item.relation)? else {
                        return Ok(None);
                    };
                    edits.note(&expanded.merged);
                    views::rows(statement, context, item, &expanded.text)
                }
                _ => {
                    let only = item.reference.only;
                    edits.note(&resolve::dirty_members(context, item.relation.id, only));
                    merged_text(statement, context, item, &system)?
                }
            };
            if item.reference.sampled {
                let (drawn, edit) = system::sample(statement, item, &body)?;
                body = drawn;
                edits.list.push(edit);
            }
            bytes += body.len();
            views::bounded(bytes)?;
            edits
                .list
                .push(table_edit(statement, &item.reference, &body)?);
            edits.list.extend(column_edits(statement, item, &system)?);
            let rows = system::row_edits(statement, context, item, &system);
            edits.list.extend(rows);
            grouped::edit(statement, context, item, &mut edits.list)?;
        }
        volatile::declarable(context, &statement.facts)?;
        policies::lockable(statement, context)?;
        nullable::check(statement, context)?;
        for reference in references {
            edits
                .list
                .extend(catalogs::edits(statement, context, reference)?);
        }
        edits.list.extend(advisory::edits(statement)?);
        edits.list.extend(cursor::edits(statement, context)?);
        edits.list.extend(settings::edits(statement)?);
        edits.list.extend(sequences::edits(statement, context)?);
        if let Some(target) = rows::target(statement, context)?
            && edits.merged.contains(&target.0.relation.id)
        {
            rows::restrict(statement, context, &target, &mut edits)?;
            edits.by_row = true;
        }
        if locks_drafts(statement, context)? {
            edits.list.extend(locking_edits(statement)?);
        }
        edits.list.sort_by_key(|e| (e.range.start, e.range.end));
        edits.list.dedup();
        if !inlined::write_out(statement, context, &mut edits)? {
            return Ok(None);
        }
        views::bounded(edits.list.iter().map(|edit| edit.text.len()).sum())?;
        Ok(Some(edits))
    }

    fn note(&mut self, relations: &[RelationId]) {
        for id in relations {
            if !self.merged.contains(id) {
                self.merged.push(*id);
            }
        }
    }
}

pub(crate) fn lost() -> Box<Report> {
    Box::new(
        Report::error(
            "0A000",
            "a table name could not be found in the statement's text",
        )
        .hint("write the statement in a plainer form"),
    )
}

pub(crate) fn risk(statement: &Statement, context: &Context<'_>, item: &Merged) -> Risk {
    let facts = &statement.facts;
    volatile::risk(context, facts, facts.around(item.reference.block))
}

/// The merged read of one reference, in brackets.
fn merged_text(
    statement: &Statement,
    context: &Context<'_>,
    item: &Merged,
    system: &System,
) -> Result<String, Box<Report>> {
    let block = statement.facts.blocks.get(item.reference.block);
    let block = block.cloned().unwrap_or_default();
    let members = context
        .catalog
        .members(item.relation.id, item.reference.only);
    let rows = members.iter().filter_map(|id| context.draft.dirty.get(id));
    let wanted = Wanted {
        rows: rows.copied().max().unwrap_or(0),
        risk: risk(statement, context, item),
        bare_count: block.bare_count && !item.reference.sampled && system.names.is_empty(),
        scan: sought::scan(
            statement,
            context,
            (item.reference.block, &item.relation, item.reference.label()),
        ),
        with_new: false,
        truncated: context.draft.truncated.contains(&item.relation.id),
        hidden: false,
    };
    if members.len() > 1 {
        let members = members.iter().filter_map(|id| member(context, *id));
        let members: Vec<Member> = members.collect();
        return Ok(merge::tree(&item.relation, &members, (wanted, system)));
    }
    let head = context.catalog.head(item.relation.id).ok_or_else(lost)?;
    merge::merged_with(&item.relation, head, (wanted, system)).ok_or_else(lost)
}

fn member(context: &Context<'_>, id: RelationId) -> Option<Member> {
    let dirty = resolve::is_dirty(context, id);
    Some(Member {
        relation: Arc::clone(context.catalog.relations.get(&id)?),
        head: context.catalog.head(id).filter(|_| dirty).cloned(),
        truncated: context.draft.truncated.contains(&id),
    })
}

/// Replaces one table name (with its ONLY or TABLE) by a derived table.
fn table_edit(
    statement: &Statement,
    reference: &TableRef,
    body: &str,
) -> Result<Edit, Box<Report>> {
    let tokens = &statement.tokens;
    let first = tokens.at(reference.location).ok_or_else(lost)?;
    let (mut range, next) = tokens.name_at(reference.location).ok_or_else(lost)?;
    let mut prefix = "";
    match first.checked_sub(1).and_then(|i| tokens.get(i)) {
        Some(t) if t.is(Kind::Only) => {
            range.start = t.start;
            // TABLE ONLY name
            let before = first.checked_sub(2).and_then(|i| tokens.get(i));
            if let Some(table) = before.filter(|t| t.is(Kind::Table)) {
                range.start = table.start;
                prefix = "SELECT * FROM ";
            }
        }
        Some(t) if t.is(Kind::Table) => {
            range.start = t.start;
            prefix = "SELECT * FROM ";
        }
        _ => {}
    }
    // ONLY (name)
    let opened = first.checked_sub(2).and_then(|i| tokens.get(i));
    let closed = tokens.get(next).filter(|t| t.is(Kind::Ascii41));
    if let (true, Some(only), Some(close)) = (reference.only, opened, closed)
        && only.is(Kind::Only)
    {
        range = only.start..close.end;
    }
    if let Some(star) = tokens.get(next).filter(|t| t.is(Kind::Ascii42)) {
        range.end = star.end;
    }
    let alias = match &reference.alias {
        Some(_) => String::new(),
        None => format!(" AS {}", q(&reference.name)),
    };
    Ok(Edit::new(range, format!("{prefix}{body}{alias}")))
}

/// `label."column", …` of all columns.
pub(crate) fn quoted_columns(relation: &Relation, label: &str) -> String {
    let all = relation.columns.iter();
    all.map(|c| format!("{label}.{}", q(&c.name)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// `schema.table.column` has no schema any more; system columns have other names.
fn column_edits(
    statement: &Statement,
    item: &Merged,
    system: &System,
) -> Result<Vec<Edit>, Box<Report>> {
    let mut edits = system::edits(statement, item, system)?;
    let named: Vec<usize> = edits.iter().map(|e| e.range.start).collect();
    let columns = statement.facts.columns.iter();
    edits.extend(
        columns
            .filter(|c| !named.contains(&c.location))
            .filter_map(|column| unqualify(statement, item, column)),
    );
    Ok(edits)
}

/// `public.users.id` → `users.id`.
pub(crate) fn unqualify(statement: &Statement, item: &Merged, column: &ColumnUse) -> Option<Edit> {
    without_schema(statement, (&item.relation.schema, &item.reference), column)
}

/// As [`unqualify`], for a reference to a relation of a schema.
fn without_schema(
    statement: &Statement,
    (home, reference): (&str, &TableRef),
    column: &ColumnUse,
) -> Option<Edit> {
    let [schema, table, _, ..] = column.fields.as_slice() else {
        return None;
    };
    let same = reference.alias.is_none() && schema == home && *table == reference.name;
    let first = statement.tokens.at(column.location)?;
    let second = statement.tokens.get(first + 2)?;
    same.then(|| Edit::new(column.location..second.start, String::new()))
}
