//! Temporary relations are the connection's own: what is done to them is done directly. Their names
//! get the schema `pg_temp`, so that no other relation can be meant, whatever becomes of them.

use std::sync::Arc;

use catalog::Relation;
use pg_query::NodeEnum;
use pg_query::protobuf::Token as Kind;
use report::Report;

use crate::classify::unsupported;
use crate::facts::Change;
use crate::functions::{self, Verdict};
use crate::parse::{Body, Statement, parse};
use crate::plan::{
    Context, DraftView, Effect, Locks, Plan, PositionMap, Relay, Rewritten, Temporary,
};
use crate::resolve::{self, Resolved, is_temporary};
use crate::rewrite::change::mismatch;
use crate::rewrite::{Edits, inlined};
use crate::skipped::Skipped;
use crate::splice::{Edit, Splice};
use crate::temporary::{Definition, Name};

/// The plan of a change of a temporary table; `None` for every other statement.
pub(crate) fn change(
    statement: &Statement,
    context: &Context<'_>,
) -> Result<Option<Plan>, Box<Report>> {
    let mut effect = Effect::None;
    let parts = statement.facts.parts.iter().map(|part| &part.change);
    let changed = |change: &Change| change.relation().map(Name::of);
    let targets: Vec<Name> = match &statement.body {
        Body::Query => parts.filter_map(changed).collect(),
        Body::Change(change) => parts.chain([change]).filter_map(changed).collect(),
        Body::Copy(copy) => {
            effect = match copy.from {
                true => Effect::CopyIn,
                false => Effect::CopyOut,
            };
            let name = copy.relation.iter().map(|(schema, name, location)| Name {
                schema: schema.clone(),
                name: name.clone(),
                location: Some(*location),
            });
            name.collect()
        }
        Body::Truncate(tree) => {
            let names = tree.relations.iter().filter_map(|n| match n.node.as_ref() {
                Some(NodeEnum::RangeVar(name)) => Some(Name::of(name)),
                _ => None,
            });
            names.collect()
        }
        _ => return Ok(None),
    };
    let own = |name: &Name| is_temporary(context, name.schema.as_deref(), &name.name);
    if !targets.iter().any(own) {
        return Ok(None);
    }
    if !targets.iter().all(own) {
        return match &statement.body {
            Body::Truncate(_) => Err(Box::new(
                unsupported("TRUNCATE of temporary and other tables at once")
                    .hint("truncate them in statements of their own"),
            )),
            // each part goes its own way
            _ => Ok(None),
        };
    }
    direct(statement, &targets, effect, context).map(Some)
}

/// What becomes of one change among others where its target is temporary; `None` where it is not.
pub(crate) fn part(change: &Change, context: &Context<'_>) -> Option<Option<Edit>> {
    let target = Name::of(change.relation()?);
    is_temporary(context, target.schema.as_deref(), &target.name).then(|| qualified(&target))
}

/// The schema before a name that has none.
fn qualified(target: &Name) -> Option<Edit> {
    let at = target.location.filter(|_| target.schema.is_none())?;
    Some(Edit::new(at..at, "pg_temp."))
}

/// Whether the functions of a definition may run. What it keeps runs whenever the relation is used, unseen
/// by then and over whatever the session has changed until then: so they are asked as if it had
/// changed every table.
pub(crate) fn check(
    statement: &Statement,
    definition: &Definition,
    context: &Context<'_>,
) -> Result<Verdict, Report> {
    if !definition.keeps {
        // a query is read as any other; the parameters of EXECUTE are not
        let reads = definition.creates && definition.executes.is_none();
        return functions::check(context, &statement.facts, reads && !definition.views);
    }
    let draft = DraftView {
        dirty: DraftView::of_all(context.catalog).dirty,
        ..context.draft.clone()
    };
    let later = Context {
        draft: &draft,
        ..*context
    };
    functions::check_text(&later, &statement.text)?;
    for like in &definition.likes {
        if let Resolved::Known(relation) =
            resolve::resolve(context, like.schema.as_deref(), &like.name)?
        {
            copied(&relation, &later)?;
        }
    }
    functions::check(&later, &statement.facts, false)
}

/// What LIKE … INCLUDING copies from a table.
fn copied(relation: &Relation, later: &Context<'_>) -> Result<(), Report> {
    let defaults = relation.columns.iter().filter_map(|c| c.default.clone());
    let checks = relation.checks.iter().map(|c| c.definition.clone());
    let checks = checks.map(|text| text.trim_start_matches("CHECK ").to_owned());
    let none = Temporary::new();
    let refused = || with_expressions(relation);
    for expression in defaults.chain(checks) {
        let text = expression.trim_end_matches(" NOT VALID").to_owned();
        let script = parse(&format!("SELECT {text}")).map_err(|_| refused())?;
        let inside = later.qualified(&none);
        for statement in &script.statements {
            match functions::check(&inside, &statement.facts, false) {
                Ok(Verdict::Unknown) => return Err(refused()),
                Ok(_) => {}
                Err(report) => {
                    let detail = "The copy would keep it, and call it when the draft has changed what it reads.";
                    return Err(report.detail(detail));
                }
            }
        }
    }
    Ok(())
}

fn with_expressions(relation: &Relation) -> Report {
    unsupported(&format!("LIKE \"{}\" with its expressions", relation.name))
        .hint("leave INCLUDING out, or name the columns")
}

/// The plan of a definition.
pub(crate) fn define(
    statement: &Statement,
    definition: &Definition,
    context: &Context<'_>,
) -> Result<Plan, Box<Report>> {
    let (mut own, mut unknown) = (Vec::new(), Vec::new());
    for target in located(statement, definition)? {
        match resolve::resolve(context, target.schema.as_deref(), &target.name)? {
            Resolved::Temporary => own.push(target),
            Resolved::Unknown if !context.fresh => return Ok(Plan::NeedsCatalog),
            // PostgreSQL says that it does not exist
            Resolved::Unknown => unknown.push(target),
            Resolved::Known(_) | Resolved::System => {
                let refusal = refusal(definition, &target);
                let skipped = definition.skipped.as_ref().ok_or_else(|| refusal.clone())?;
                return Ok(skip(skipped, &refusal));
            }
        }
    }
    // a name with another schema cannot be said to be temporary
    let elsewhere = unknown.iter().any(|name| name.schema.is_some());
    if elsewhere {
        own.clear();
    } else if !own.is_empty() {
        own.append(&mut unknown);
    }
    if definition.views {
        match viewed(statement, context)? {
            Some(names) => own.extend(names),
            None => return Ok(Plan::NeedsCatalog),
        }
    }
    for like in &definition.likes {
        if let Resolved::Known(relation) =
            resolve::resolve(context, like.schema.as_deref(), &like.name)?
            && (relation.columns.iter().any(|c| c.definer_default)
                || relation.checks.iter().any(|c| c.definer))
        {
            return Err(Box::new(with_expressions(&relation)));
        }
    }
    direct(statement, &own, Effect::Temporary, context)
}

/// What a temporary view reads: temporary relations alone. PostgreSQL keeps what a view's text names from
/// being altered, so a view of an agent's would stand in the way of production's own schema changes, and
/// would show production without the draft.
fn viewed(statement: &Statement, context: &Context<'_>) -> Result<Option<Vec<Name>>, Box<Report>> {
    let mut own = Vec::new();
    for reference in &statement.facts.relations {
        match resolve::resolve(context, reference.schema.as_deref(), &reference.name)? {
            Resolved::Temporary => own.push(Name {
                schema: reference.schema.clone(),
                name: reference.name.clone(),
                location: Some(reference.location),
            }),
            // PostgreSQL says that it does not exist
            Resolved::Unknown if context.fresh => {}
            Resolved::Unknown => return Ok(None),
            Resolved::Known(_) | Resolved::System => {
                return Err(Box::new(
                    unsupported(&format!("a temporary view of \"{}\"", reference.name))
                        .detail("It is production's. A view would keep production from altering it, and would show it without the draft.")
                        .hint("write the query where it is needed, as a subquery or under WITH; or copy its rows (CREATE TEMPORARY TABLE … AS) and make the view of the copy"),
                ));
            }
        }
    }
    Ok(Some(own))
}

/// Looks whether what the statement would make is there.
pub(crate) fn skip(skipped: &Skipped, refusal: &Report) -> Plan {
    Plan::Read(Arc::new(Rewritten {
        text: skipped.call(refusal),
        positions: PositionMap::default(),
        merged: Vec::new(),
        effect: Effect::Skip(skipped.tag),
        locks: Locks::No,
    }))
}

fn refusal(definition: &Definition, target: &Name) -> Box<Report> {
    Box::new(
        unsupported(definition.what)
            .detail(format!("\"{}\" is production's.", target.name))
            .hint("work on temporary tables of your own (CREATE TEMPORARY TABLE), or ask a person to run it on the database itself"),
    )
}

/// Finds the names in the text where the tree does not say where they are: DROP.
fn located(statement: &Statement, definition: &Definition) -> Result<Vec<Name>, Box<Report>> {
    let tokens = &statement.tokens;
    let mut next = match tokens.get(2) {
        Some(word) if word.is(Kind::IfP) => 4,
        _ => 2,
    };
    let mut names = definition.targets.clone();
    for name in names.iter_mut().filter(|n| n.location.is_none()) {
        let start = tokens.get(next).ok_or_else(mismatch)?.start;
        let (_, behind) = tokens.name_at(start).ok_or_else(mismatch)?;
        name.location = Some(start);
        next = behind + 1;
    }
    Ok(names)
}

/// The client's text, its reads merged, the names of its own tables qualified.
fn direct(
    statement: &Statement,
    targets: &[Name],
    effect: Effect,
    context: &Context<'_>,
) -> Result<Plan, Box<Report>> {
    let Some(mut edits) = Edits::of_reads(statement, context)? else {
        return Ok(Plan::NeedsCatalog);
    };
    inlined::refuse_fresh(&edits, |id| id.is_none() && !targets.is_empty())?;
    edits.list.extend(targets.iter().filter_map(qualified));
    if edits.list.is_empty() {
        return Ok(Plan::Relay(Relay { effect }));
    }
    edits.list.sort_by_key(|e| (e.range.start, e.range.end));
    let mut splice = Splice::new(&statement.text);
    splice.copy_edited(0..statement.text.len(), &edits.list);
    let (text, positions) = splice.finish();
    Ok(Plan::Read(Arc::new(Rewritten {
        text,
        positions,
        merged: edits.merged,
        effect,
        locks: Locks::of(statement),
    })))
}
