//! From a classified statement to its plan: one module per kind of statement, all shaped the same.

use std::sync::Arc;

use catalog::{RelationId, quote_identifier as q};
use pg_query::protobuf::Token as Kind;
use report::Report;

use crate::classify::unsupported;
use crate::facts::ColumnUse;
use crate::functions::{self, Verdict};
use crate::invariants;
use crate::merge::{self, Wanted};
use crate::parse::{Body, Setting, Statement};
use crate::plan::{Context, Effect, Plan, Relay, Rewritten};
use crate::resolve::{self, Merged};
use crate::splice::{Edit, Splice};

mod assign;
mod change;
mod conflict;
mod copy;
mod delete;
mod insert;
mod returning;
mod update;

/// Plans one statement. Pure.
///
/// # Errors
/// A [`Report`] with SQLSTATE, detail and hint where the statement is refused.
pub fn plan(statement: &Statement, context: Context<'_>) -> Result<Plan, Box<Report>> {
    let plan = choose(statement, &context)?;
    invariants::check(&plan)?;
    Ok(plan)
}

fn choose(statement: &Statement, context: &Context<'_>) -> Result<Plan, Box<Report>> {
    if let Body::Refused(report) = &statement.body {
        return Err(report.clone());
    }
    if functions::check(context, &statement.facts)? == Verdict::Unknown {
        return Ok(Plan::NeedsCatalog);
    }
    match &statement.body {
        Body::Query => read(statement, context),
        Body::Insert(tree) => insert::plan(statement, tree, context),
        Body::Update(tree) => update::plan(statement, tree, context),
        Body::Delete(tree) => delete::plan(statement, tree, context),
        Body::Copy(tree) => copy::plan(statement, tree, context),
        Body::Transaction => Ok(relay(Effect::Transaction)),
        Body::Set(setting) => Ok(set(setting)),
        Body::Show(name) => Ok(match name.as_str() {
            "pgdraft.session" => Plan::ShowOwn {
                name: "pgdraft.session",
            },
            "pgdraft.operation" => Plan::ShowOwn {
                name: "pgdraft.operation",
            },
            _ => relay(Effect::None),
        }),
        Body::Deallocate(name) => Ok(relay(Effect::Deallocate(name.clone()))),
        Body::DiscardAll => Ok(relay(Effect::Reset)),
        Body::Harmless => Ok(relay(Effect::None)),
        Body::Refused(report) => Err(report.clone()),
    }
}

fn relay(effect: Effect) -> Plan {
    Plan::Relay(Relay { effect })
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
                .is_some_and(|n| n.eq_ignore_ascii_case("search_path"))
    });
    if sets_path {
        Effect::Settings
    } else {
        Effect::None
    }
}

fn read(statement: &Statement, context: &Context<'_>) -> Result<Plan, Box<Report>> {
    if statement.facts.locking > 0 {
        return Err(Box::new(
            unsupported("FOR UPDATE or FOR SHARE")
                .hint("leave it out: writers of one session already wait for each other, and other sessions cannot see the draft"),
        ));
    }
    let Some(edits) = Edits::of_reads(statement, context)? else {
        return Ok(Plan::NeedsCatalog);
    };
    let effect = query_effect(statement);
    if edits.merged.is_empty() {
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
    })))
}

/// All replacements that merge a statement's reads, sorted by place.
#[derive(Debug, Default)]
pub(crate) struct Edits {
    pub(crate) list: Vec<Edit>,
    pub(crate) merged: Vec<RelationId>,
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
        let mut edits = Self::default();
        for item in &merged {
            edits.list.extend(table_edits(statement, context, item)?);
            edits.list.extend(group_edit(statement, item));
            if !edits.merged.contains(&item.relation.id) {
                edits.merged.push(item.relation.id);
            }
        }
        for item in &merged {
            let of_item = column_edits(statement, item)?;
            edits.list.extend(of_item);
        }
        edits.list.sort_by_key(|e| (e.range.start, e.range.end));
        edits.list.dedup();
        Ok(Some(edits))
    }
}

fn lost() -> Box<Report> {
    Box::new(
        Report::error(
            "0A000",
            "a table name could not be found in the statement's text",
        )
        .hint("write the statement in a plainer form"),
    )
}

/// Replaces one table name (with its ONLY or TABLE) by the merged read.
fn table_edits(
    statement: &Statement,
    context: &Context<'_>,
    item: &Merged,
) -> Result<Vec<Edit>, Box<Report>> {
    let tokens = &statement.tokens;
    let reference = &item.reference;
    let first = tokens.at(reference.location).ok_or_else(lost)?;
    let (mut range, mut next) = tokens.name_at(reference.location).ok_or_else(lost)?;
    let mut prefix = "";
    let before = first.checked_sub(1).and_then(|i| tokens.get(i));
    match before {
        Some(t) if t.is(Kind::Only) => range.start = t.start,
        Some(t) if t.is(Kind::Table) => {
            range.start = t.start;
            prefix = "SELECT * FROM ";
        }
        _ if reference.only => {
            return Err(Box::new(
                unsupported("ONLY (table)").hint("write ONLY table, without brackets"),
            ));
        }
        _ => {}
    }
    if let Some(star) = tokens.get(next).filter(|t| t.is(Kind::Ascii42)) {
        range.end = star.end;
        next += 1;
    }
    let _ = next;
    let block = statement
        .facts
        .blocks
        .get(reference.block)
        .cloned()
        .unwrap_or_default();
    let head = context.catalog.head(item.relation.id).ok_or_else(lost)?;
    let wanted = Wanted {
        rows: context
            .draft
            .dirty
            .get(&item.relation.id)
            .copied()
            .unwrap_or(0),
        fenced: block.risky,
        bare_count: block.bare_count,
        whole: !block.selective,
        with_new: false,
    };
    let body = merge::merged(&item.relation, head, context.sid, wanted).ok_or_else(lost)?;
    let alias = match &reference.alias {
        Some(_) => String::new(),
        None => format!(" AS {}", q(&reference.name)),
    };
    Ok(vec![Edit {
        range,
        text: format!("{prefix}{body}{alias}"),
    }])
}

/// `GROUP BY primary key` makes the other columns of a table depend on it; a derived table has no
/// key, so the columns in use are added to the GROUP BY.
fn group_edit(statement: &Statement, item: &Merged) -> Option<Edit> {
    let reference = &item.reference;
    let block = statement.facts.blocks.get(reference.block)?;
    let location = block.group_location?;
    let label = reference.label();
    let names = |fields: &[String], column: &str| match fields {
        [only] => only == column,
        [.., table, last] => table == label && last == column,
        [] => false,
    };
    let key = item.relation.primary_key.as_ref()?;
    let grouped = |column: &str| block.group_by.iter().any(|fields| names(fields, column));
    if !key.columns.iter().all(|c| grouped(c)) {
        return None;
    }
    let star = |use_: &ColumnUse| match use_.fields.as_slice() {
        [star] => star == "*" && use_.block == reference.block,
        [.., table, star] => star == "*" && table == label,
        [] => false,
    };
    let all = statement.facts.columns.iter().any(star);
    let used =
        |column: &str| {
            all || statement.facts.columns.iter().any(|u| {
                names(&u.fields, column) && (u.block == reference.block || u.fields.len() > 1)
            })
        };
    let added: String = item
        .relation
        .columns
        .iter()
        .filter(|c| !grouped(&c.name) && used(&c.name))
        .map(|c| format!("{}.{}, ", q(label), q(&c.name)))
        .collect();
    (!added.is_empty()).then_some(Edit {
        range: location..location,
        text: added,
    })
}

/// System columns of a head are not the base's; `schema.table.column` has no schema any more.
fn column_edits(statement: &Statement, item: &Merged) -> Result<Vec<Edit>, Box<Report>> {
    const SYSTEM: [&str; 6] = ["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"];
    let reference = &item.reference;
    let mut edits = Vec::new();
    for column in &statement.facts.columns {
        let Some(last) = column.fields.last() else {
            continue;
        };
        let qualifier = column
            .fields
            .len()
            .checked_sub(2)
            .and_then(|i| column.fields.get(i));
        let of_item = match qualifier {
            Some(table) => table == reference.label(),
            None => column.block == reference.block,
        };
        if of_item && SYSTEM.contains(&last.as_str()) && item.relation.column(last).is_none() {
            return Err(Box::new(
                unsupported(&format!(
                    "system column \"{last}\" of a table this session changed"
                ))
                .hint("use the primary key to tell rows apart"),
            ));
        }
        if let Some(edit) = unqualify(statement, item, column) {
            edits.push(edit);
        }
    }
    Ok(edits)
}

/// `public.users.id` → `users.id`.
pub(crate) fn unqualify(statement: &Statement, item: &Merged, column: &ColumnUse) -> Option<Edit> {
    let [schema, table, _, ..] = column.fields.as_slice() else {
        return None;
    };
    let reference = &item.reference;
    let same =
        reference.alias.is_none() && *schema == item.relation.schema && *table == reference.name;
    let first = statement.tokens.at(column.location)?;
    let second = statement.tokens.get(first + 2)?;
    same.then(|| Edit {
        range: column.location..second.start,
        text: String::new(),
    })
}
