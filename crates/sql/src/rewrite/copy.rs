//! COPY: a changed table is copied out of its merged read; COPY FROM goes into the head's inlet.

use std::sync::Arc;

use catalog::{Generated, Relation, RelationKind, quote_identifier as q};
use pg_query::protobuf::{RangeVar, Token as Kind};
use report::Report;

use crate::facts::TableRef;
use crate::merge::{self, Scan, Wanted};
use crate::parse::{Copy, Statement};
use crate::plan::{Context, Doubled, Effect, KeyName, Locks, Plan, Relay, Rewritten, Verb, Write};
use crate::policies;
use crate::resolve::{self, Resolved};
use crate::rewrite::Edits;
use crate::rewrite::before::{self, Fires};
use crate::rewrite::change::{self, Changed, Found, list, mismatch};
use crate::splice::{Edit, Splice};
use crate::tokens::Token;
use crate::volatile::Risk;

pub(crate) fn plan(
    statement: &Statement,
    copy: &Copy,
    context: &Context<'_>,
) -> Result<Plan, Box<Report>> {
    if statement.facts.locking > 0 {
        return Err(Box::new(crate::classify::unsupported(
            "COPY of a query with FOR UPDATE or FOR SHARE",
        )));
    }
    match &copy.relation {
        Some((schema, name, location)) if copy.from => from(
            statement,
            copy,
            context,
            (schema.as_deref(), name, *location),
        ),
        Some((schema, name, location)) => to(
            statement,
            copy,
            context,
            (schema.as_deref(), name, *location),
        ),
        None => query(statement, context),
    }
}

type Name<'a> = (Option<&'a str>, &'a String, usize);

fn query(statement: &Statement, context: &Context<'_>) -> Result<Plan, Box<Report>> {
    let Some(edits) = Edits::of_reads(statement, context)? else {
        return Ok(Plan::NeedsCatalog);
    };
    if edits.list.is_empty() {
        return Ok(Plan::Relay(Relay {
            effect: Effect::CopyOut,
        }));
    }
    Ok(rewritten(statement, &edits.list, edits.merged))
}

fn rewritten(statement: &Statement, edits: &[Edit], merged: Vec<catalog::RelationId>) -> Plan {
    let mut splice = Splice::new(&statement.text);
    splice.copy_edited(0..statement.text.len(), edits);
    let (text, positions) = splice.finish();
    Plan::Read(Arc::new(Rewritten {
        text,
        positions,
        merged,
        effect: Effect::CopyOut,
        locks: Locks::of(statement),
    }))
}

/// The columns that COPY takes: those that are named, else all that are not generated.
fn columns(relation: &Relation, named: &[String]) -> Result<Vec<String>, Box<Report>> {
    for (place, name) in named.iter().enumerate() {
        let refused = match relation.column(name) {
            None => Report::error(
                "42703",
                format!(
                    "column \"{name}\" of relation \"{}\" does not exist",
                    relation.name
                ),
            ),
            Some(column) if column.generated != Generated::No => {
                Report::error("42P10", format!("column \"{name}\" is a generated column"))
                    .detail("Generated columns cannot be used in COPY.")
            }
            Some(_) if named.iter().take(place).any(|before| before == name) => Report::error(
                "42701",
                format!("column \"{name}\" specified more than once"),
            ),
            Some(_) => continue,
        };
        return Err(Box::new(refused));
    }
    if !named.is_empty() {
        return Ok(named.to_vec());
    }
    let stored = relation
        .columns
        .iter()
        .filter(|c| c.generated == Generated::No);
    Ok(stored.map(|c| c.name.clone()).collect())
}

/// The bytes of `table [(columns)]`.
fn table_and_columns(
    statement: &Statement,
    copy: &Copy,
    location: usize,
) -> Option<std::ops::Range<usize>> {
    let tokens = &statement.tokens;
    let (mut range, next) = tokens.name_at(location)?;
    if !copy.columns.is_empty() {
        let close = tokens.find(next..tokens.len(), 0, |_, t| t.is(Kind::Ascii41))?;
        range.end = tokens.get(close)?.end;
    }
    Some(range)
}

fn to(
    statement: &Statement,
    copy: &Copy,
    context: &Context<'_>,
    (schema, name, location): Name<'_>,
) -> Result<Plan, Box<Report>> {
    let reference = TableRef {
        block: usize::MAX,
        location,
        schema: schema.map(str::to_owned),
        name: name.clone(),
        alias: None,
        // COPY takes the rows of the table alone, and a partitioned table has none
        only: true,
        sampled: false,
        renamed: Vec::new(),
    };
    let Some(dirty) = resolve::dirty_reads(context, &[reference])? else {
        return Ok(Plan::NeedsCatalog);
    };
    let Some(item) = dirty.first() else {
        return Ok(Plan::Relay(Relay {
            effect: Effect::CopyOut,
        }));
    };
    if item.relation.view.is_some() {
        // PostgreSQL says that it copies from tables alone
        return Ok(Plan::Relay(Relay {
            effect: Effect::CopyOut,
        }));
    }
    let head = context
        .catalog
        .head(item.relation.id)
        .ok_or_else(mismatch)?;
    let wanted = Wanted {
        rows: 0,
        risk: Risk::None,
        bare_count: false,
        scan: Scan::Whole,
        with_new: false,
        truncated: context.draft.truncated.contains(&item.relation.id),
        hidden: false,
    };
    let source = merge::merged(&item.relation, head, wanted).ok_or_else(mismatch)?;
    let select = list(columns(&item.relation, &copy.columns)?.iter().map(|c| q(c)));
    let edit = Edit::new(
        table_and_columns(statement, copy, location).ok_or_else(mismatch)?,
        format!("(SELECT {select} FROM {source} AS {})", q(name)),
    );
    Ok(rewritten(statement, &[edit], vec![item.relation.id]))
}

fn from(
    statement: &Statement,
    copy: &Copy,
    context: &Context<'_>,
    (schema, name, location): Name<'_>,
) -> Result<Plan, Box<Report>> {
    if let Resolved::System = resolve::resolve(context, schema, name)? {
        return Err(Box::new(
            Report::error("42501", format!("permission denied for table {name}"))
                .hint("the system catalogs cannot be changed"),
        ));
    }
    let relation = RangeVar {
        schemaname: schema.unwrap_or_default().to_owned(),
        relname: name.clone(),
        location: i32::try_from(location).unwrap_or(0),
        ..RangeVar::default()
    };
    // COPY is not analysed before it runs, so its errors have no position
    let found = change::target(context, Some(&relation), None).map_err(|mut report| {
        report.position = None;
        report.hint = report.hint.filter(|_| report.code != "42P01");
        report
    });
    let changed = match found? {
        Found::Changed(changed) => changed,
        Found::Instead(plan) => return Ok(plan),
    };
    takes_copy(context, &changed)?;
    let names = list(
        columns(&changed.relation, &copy.columns)?
            .iter()
            .map(|c| q(c)),
    );
    let edit = Edit::new(
        table_and_columns(statement, copy, location).ok_or_else(mismatch)?,
        format!("{}({names})", changed.head.inlet()),
    );
    let mut edits = vec![edit];
    // nothing is left of it where the name is right
    let mut conditions = vec![merge::is_same(&changed.relation)];
    if let Some(edit) = unfrozen(statement, copy, context, &changed)? {
        edits.push(edit);
        conditions.push(format!("pgdraft.may_freeze({})", changed.head.id.0));
    }
    conditions.extend(bound(&changed.relation));
    edits.extend(restricted(statement, &conditions)?);
    edits.sort_by_key(|e| (e.range.start, e.range.end));
    let mut splice = Splice::new(&statement.text);
    splice.copy_edited(0..statement.text.len(), &edits);
    let (text, positions) = splice.finish();
    Ok(Plan::Write(Arc::new(Write {
        rewritten: Rewritten {
            text,
            positions,
            merged: Vec::new(),
            effect: Effect::None,
            locks: Locks::No,
        },
        changes: vec![changed.drafted.id],
        reads: Vec::new(),
        verb: Verb::Copy,
        redacted: change::redact(&statement.text),
        returning: false,
        doubled: match changed.relation.key() {
            Some(key) => Doubled::Key(KeyName {
                schema: changed.relation.schema.clone(),
                table: changed.relation.name.clone(),
                constraint: key.name.clone(),
            }),
            None => Doubled::Same,
        },
        counted: false,
        sequences: false,
    })))
}

/// Tables whose new rows go another way.
fn takes_copy(context: &Context<'_>, changed: &Changed) -> Result<(), Report> {
    policies::no_copy(&changed.relation)?;
    before::none_of_partitions(context, &changed.drafted)?;
    if Fires::of_insert(changed).is_none() {
        return Ok(());
    }
    Err(crate::classify::unsupported(&format!(
        "COPY into \"{}\", whose BEFORE triggers run in drafts,",
        changed.relation.name
    ))
    .hint("use INSERT with several rows"))
}

/// Takes FREEZE away where PostgreSQL may take it: of rows in a head there is nothing to freeze.
fn unfrozen(
    statement: &Statement,
    copy: &Copy,
    context: &Context<'_>,
    changed: &Changed,
) -> Result<Option<Edit>, Box<Report>> {
    let Some(at) = copy.freeze else {
        return Ok(None);
    };
    if changed.relation.kind == RelationKind::Partitioned {
        let message = "cannot perform COPY FREEZE on a partitioned table";
        return Err(Box::new(Report::error("0A000", message)));
    }
    // of a table that was not truncated the server says the same of the inlet
    if !context.draft.truncated.contains(&changed.drafted.id) {
        return Ok(None);
    }
    let tokens = &statement.tokens;
    let first = tokens.at(at).ok_or_else(mismatch)?;
    let option = tokens.get(first).ok_or_else(mismatch)?;
    if option.depth == 0 {
        return Ok(Some(Edit::new(option.start..option.end, "")));
    }
    let ends = |t: &Token| t.depth < option.depth || t.is(Kind::Ascii44);
    let mut behind = first..tokens.len();
    let end = behind.find(|&i| tokens.get(i).is_some_and(ends));
    let bytes = tokens.bytes(first..end.ok_or_else(mismatch)?);
    Ok(Some(Edit::new(bytes.ok_or_else(mismatch)?, "FREEZE false")))
}

/// COPY into a partition takes its rows alone.
fn bound(relation: &Relation) -> Option<String> {
    let bound = relation.partition.as_ref()?.bound.as_ref()?;
    Some(change::within(relation, bound))
}

/// Behind the client's own WHERE, conditions that raise where they do not hold.
fn restricted(statement: &Statement, conditions: &[String]) -> Result<Vec<Edit>, Box<Report>> {
    let conditions = conditions.join(" AND ");
    let tokens = &statement.tokens;
    let end = tokens.bytes(0..tokens.len()).ok_or_else(mismatch)?.end;
    let Some(filter) = tokens.find(0..tokens.len(), 0, |_, t| t.is(Kind::Where)) else {
        return Ok(vec![Edit::new(end..end, format!(" WHERE {conditions}"))]);
    };
    let start = tokens.get(filter + 1).ok_or_else(mismatch)?.start;
    Ok(vec![
        Edit::new(start..start, "("),
        Edit::new(end..end, format!(") AND ({conditions})")),
    ])
}
