//! Names to relations, against the catalog snapshot.

use std::sync::Arc;

use catalog::{Catalog, Command, Relation, RelationId, RelationKind};
use report::Report;

use crate::facts::TableRef;
use crate::parse::Statement;
use crate::plan::Context;
use crate::policies;
use crate::shadowed;

/// What a name in a FROM stands for.
#[derive(Debug, Clone)]
pub(crate) enum Resolved {
    /// `pg_catalog`, `information_schema`: read directly.
    System,
    /// A temporary relation of the connection.
    Temporary,
    /// A relation of the snapshot.
    Known(Arc<Relation>),
    /// Nothing the snapshot knows.
    Unknown,
}

/// System views that show what other agents' connections run: they share one upstream role.
const OTHERS_STATEMENTS: [&str; 2] = ["pg_stat_statements", "pg_stat_statements_info"];

/// Resolves a possibly qualified name as PostgreSQL does.
///
/// # Errors
/// 42501 for pgdraft's own schema and for views of other connections' statements.
pub(crate) fn resolve(
    context: &Context<'_>,
    schema: Option<&str>,
    name: &str,
) -> Result<Resolved, Report> {
    if schema == Some("pgdraft") || context.search_path.iter().any(|s| s == "pgdraft") {
        return Err(
            Report::error("42501", "permission denied for schema pgdraft")
                .detail("The schema holds the drafts of all sessions.")
                .hint("read the tables themselves, and SHOW DIFF for what this session changed"),
        );
    }
    if OTHERS_STATEMENTS.contains(&name) {
        return Err(Report::error("42501", format!("permission denied for view {name}"))
            .detail("It shows the statements of other agents' connections.")
            .hint("SHOW OPERATIONS lists what this session did; a person can look at the server's activity"));
    }
    if is_temporary(context, schema, name) {
        return Ok(Resolved::Temporary);
    }
    Ok(match schema {
        Some("pg_catalog" | "information_schema") => Resolved::System,
        Some(schema) => known(context, context.catalog.relation(schema, name)),
        None => match context.catalog.resolve(context.search_path, name) {
            Some(relation) => known(context, Some(relation)),
            None if name.starts_with("pg_") => Resolved::System,
            None => Resolved::Unknown,
        },
    })
}

/// Whether a name means a temporary relation: they are found first, unless the search path says
/// where to look for them.
pub(crate) fn is_temporary(context: &Context<'_>, schema: Option<&str>, name: &str) -> bool {
    let of_session = |schema: &str| schema == "pg_temp" || schema.starts_with("pg_temp_");
    match schema {
        Some(schema) => of_session(schema),
        None if !context.temporary.contains_key(name) => false,
        None => {
            let place = context.search_path.iter().position(|s| of_session(s));
            let before = context.search_path.get(..place.unwrap_or(0));
            context
                .catalog
                .resolve(before.unwrap_or_default(), name)
                .is_none()
        }
    }
}

fn known(context: &Context<'_>, relation: Option<&Arc<Relation>>) -> Resolved {
    relation.map_or(Resolved::Unknown, |r| {
        Resolved::Known(shadowed::relation(r, context.temporary))
    })
}

/// A relation that a read has to merge, with where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Merged {
    pub(crate) reference: TableRef,
    pub(crate) relation: Arc<Relation>,
}

/// The relations of a statement's reads that this session has changed.
///
/// # Errors
/// Refusals for what cannot be merged; `Ok(None)` where the snapshot must be refreshed first.
pub(crate) fn dirty_reads(
    context: &Context<'_>,
    references: &[TableRef],
) -> Result<Option<Vec<Merged>>, Report> {
    let mut merged = Vec::new();
    for reference in references {
        match resolve(context, reference.schema.as_deref(), &reference.name)? {
            Resolved::System | Resolved::Temporary => {}
            Resolved::Unknown if context.fresh => {}
            Resolved::Unknown => return Ok(None),
            Resolved::Known(relation) => {
                let members = context.catalog.members(relation.id, reference.only);
                if !context.fresh && members.iter().any(|id| is_outdated(context, *id)) {
                    return Ok(None);
                }
                policies::settled(context, &relation)?;
                if must_merge(context, reference, &relation)? {
                    merged.push(Merged {
                        reference: reference.clone(),
                        relation,
                    });
                }
            }
        }
    }
    Ok(Some(merged))
}

/// The text names a column that the snapshot does not know of a table which is to be merged:
/// production may just have added it. Where several tables or query blocks could have it, only a
/// qualified name tells; the rest is left to the next look at the catalog.
pub(crate) fn names_new_column(statement: &Statement, merged: &[Merged]) -> bool {
    let facts = &statement.facts;
    let alone = facts.relations.len() == 1 && facts.blocks.len() == 1 && facts.ctes.is_empty();
    let lacks = |item: &Merged, name: &str| {
        let system = SYSTEM_COLUMNS.contains(&name) || name == "*" || name.starts_with("pgdraft_");
        !system && item.relation.column(name).is_none()
    };
    let text = || statement.text.to_lowercase();
    facts
        .columns
        .iter()
        .any(|column| match column.fields.as_slice() {
            [.., table, name] => merged
                .iter()
                .any(|item| item.reference.label() == table && lacks(item, name)),
            [name] if alone => merged.iter().any(|item| {
                // the table as a value, or a name that the select list gives
                item.reference.label() != name
                    && lacks(item, name)
                    && !text().contains(&format!(" as {}", name.to_lowercase()))
            }),
            _ => false,
        })
}

/// What every table has besides its columns.
pub(crate) const SYSTEM_COLUMNS: [&str; 6] = ["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"];

/// The session has changed the table and its head is of another shape: it may just have followed.
pub(crate) fn is_outdated(context: &Context<'_>, id: RelationId) -> bool {
    is_dirty(context, id) && context.catalog.head(id).is_none()
}

fn must_merge(
    context: &Context<'_>,
    reference: &TableRef,
    relation: &Arc<Relation>,
) -> Result<bool, Report> {
    if relation.kind == RelationKind::View {
        return view_is_dirty(context, relation);
    }
    if reference.only && relation.kind == RelationKind::Partitioned {
        // It holds no rows of its own.
        return Ok(false);
    }
    let dirty = dirty_members(context, relation.id, reference.only);
    for id in &dirty {
        if context.catalog.head(*id).is_none() {
            let moved = context.catalog.relations.get(id);
            return Err(schema_moved(context.catalog, moved.unwrap_or(relation)));
        }
    }
    if !dirty.is_empty() && !reference.only {
        one_security(context, relation)?;
    }
    Ok(!dirty.is_empty())
}

/// PostgreSQL asks the policies of the table that is named, for the rows of its children too; a merge
/// reads each table by itself.
pub(crate) fn one_security(context: &Context<'_>, parent: &Relation) -> Result<(), Report> {
    let mut members = parent.children.iter();
    let secured = |id: &RelationId| {
        let relation = context.catalog.relations.get(id);
        relation.is_some_and(|r| r.row_security)
    };
    let tree = !parent.children.is_empty();
    if !tree || !parent.row_security && !members.any(secured) {
        return Ok(());
    }
    Err(crate::classify::unsupported(&format!(
        "\"{}\" with the tables that inherit from it, some of which have row-level security and some changes of this session,",
        parent.name
    ))
    .hint("name each of the tables after ONLY"))
}

/// The tables of a reference that the session has changed.
pub(crate) fn dirty_members(context: &Context<'_>, id: RelationId, only: bool) -> Vec<RelationId> {
    let mut members = context.catalog.members(id, only);
    members.retain(|id| is_dirty(context, *id));
    members
}

pub(crate) fn is_dirty(context: &Context<'_>, id: RelationId) -> bool {
    let drafted = context.catalog.drafted_as(id);
    context.draft.dirty.contains_key(&drafted)
}

/// Whether a view has to be expanded; what it calls must be allowed either way, or be a function that can be
/// written out.
fn view_is_dirty(context: &Context<'_>, view: &Relation) -> Result<bool, Report> {
    let Some(behind) = &view.view else {
        return Ok(false);
    };
    let mut calls = false;
    for function in &behind.functions {
        match crate::functions::permit(context, function) {
            Err(_) if function.body.is_some() => calls = true,
            allowed => allowed?,
        }
    }
    for relation in behind
        .relations
        .iter()
        .filter_map(|id| context.catalog.relations.get(id))
    {
        policies::settled(context, relation)?;
    }
    let mut tables = behind.relations.iter();
    Ok(calls || tables.any(|id| !dirty_members(context, *id, false).is_empty()))
}

/// ZD006: the head was made for another shape of the table.
pub(crate) fn schema_moved(catalog: &Catalog, relation: &Relation) -> Report {
    let head = catalog.heads.get(&catalog.drafted_as(relation.id));
    let why = head.and_then(|head| head.stuck.as_deref());
    Report::error(
        report::code::SCHEMA_MOVED,
        format!("table \"{}\" changed its shape since this draft began", relation.name),
    )
    .detail(why.unwrap_or("Columns, keys or constraints were altered in production; the draft's rows have the old shape."))
    .hint("ask a reviewer to commit or discard the session, then begin a new one")
}

/// The base table a write names.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// It can be drafted.
    Table(Arc<Relation>),
    /// The snapshot does not know it.
    Unknown,
}

/// Resolves the target of a write; of a command that can go through a view.
///
/// # Errors
/// 0A000 for what is not a plain table.
pub(crate) fn target(
    context: &Context<'_>,
    schema: Option<&str>,
    name: &str,
    command: Option<Command>,
) -> Result<Target, Report> {
    match resolve(context, schema, name)? {
        Resolved::Unknown => Ok(Target::Unknown),
        // a change of it alone is planned before
        Resolved::Temporary => Err(crate::classify::unsupported(&format!(
            "a change of temporary table \"{name}\" together with other tables"
        ))
        .hint("change it in a statement of its own")),
        Resolved::System => Err(Report::error(
            "42501",
            format!("permission denied for table {name}"),
        )
        .hint("the system catalogs cannot be changed")),
        Resolved::Known(relation) if command.is_some() && relation.kind == RelationKind::View => {
            Ok(Target::Table(relation))
        }
        Resolved::Known(relation) => drafted(relation, command).map(Target::Table),
    }
}

/// A relation that a draft can change by that command, or by any.
///
/// # Errors
/// 0A000 for what it cannot.
pub(crate) fn drafted(
    relation: Arc<Relation>,
    command: Option<Command>,
) -> Result<Arc<Relation>, Report> {
    if let Some(report) = refusal(&relation) {
        return Err(report);
    }
    let instead = match command {
        // MERGE reads too, and does what its clauses say
        None | Some(Command::Select) => !relation.instead.is_empty(),
        Some(command) => relation.instead.contains(&command),
    };
    match instead {
        true => Err(done_instead(&relation)),
        false => Ok(relation),
    }
}

/// A command that a rule of the table replaces, or may replace when the draft is committed.
pub(crate) fn done_instead(relation: &Relation) -> Report {
    crate::classify::unsupported(&format!(
        "this change of \"{}\", where a rule does something else instead,",
        relation.name
    ))
    .detail("Rules act when the draft is committed; this one would write other rows than were reviewed.")
    .hint("leave this change to a person")
}

pub(crate) fn refusal(relation: &Relation) -> Option<Report> {
    let what = match relation.kind {
        RelationKind::Table | RelationKind::Partitioned => return None,
        RelationKind::View => "a view",
        RelationKind::MaterializedView => "a materialized view",
        RelationKind::Foreign => "a foreign table",
        RelationKind::Sequence => "a sequence",
        RelationKind::Other => "this kind of relation",
    };
    Some(
        Report::error(
            "0A000",
            format!(
                "cannot change \"{}\" in a draft: it is {what}",
                relation.name
            ),
        )
        .detail("Only ordinary tables are drafted.")
        .hint("change the tables behind it, or leave this change to a person"),
    )
}

/// Relation ids whose heads are missing.
pub(crate) fn without_head(catalog: &Catalog, ids: &[RelationId]) -> Vec<RelationId> {
    ids.iter()
        .copied()
        .filter(|id| catalog.head(*id).is_none())
        .collect()
}
