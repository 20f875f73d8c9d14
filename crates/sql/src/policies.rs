//! Row-level security of production's tables, over what a draft made of their rows.
//!
//! PostgreSQL itself keeps the agents' role to the policies of a base table. What it cannot know is the
//! session's own rows: of these the merged read shows those that the policies show, and a new row has to
//! meet them before it is written. The conditions are the policies' own, with the agent's settings.

use catalog::{
    Command, Condition, Function, Relation, RelationId, RelationKind, Volatility,
    quote_identifier as q, quote_literal,
};
use report::Report;

use crate::classify::unsupported;
use crate::functions;
use crate::parse::Statement;
use crate::plan::Context;
use crate::resolve::{self, Resolved};

/// What a row is checked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checked {
    /// It is new, or has new values.
    New,
    /// It is there, and ON CONFLICT would change it.
    Met,
    /// It is there, and MERGE would change it.
    Target,
}

/// ` AND …` over the merged row `m`: of rows that do not come from the base (`m.pgdraft_shown`, whose
/// policies PostgreSQL looks at) those that can be read.
pub(crate) fn seen(relation: &Relation) -> String {
    match all(relation, &relation.using(Command::Select)) {
        Some(condition) => format!(" AND (m.pgdraft_shown OR {condition})"),
        None => String::new(),
    }
}

/// ` AND …` over the merged row `m`: rows that can be changed as well as read.
pub(crate) fn changeable(relation: &Relation, command: Command) -> String {
    if is_read_alike(relation, command) {
        return String::new();
    }
    let condition = all(relation, &relation.using(command));
    condition.map_or_else(String::new, |condition| format!(" AND {condition}"))
}

/// Whether the rows that can be read are those that the command finds.
pub(crate) fn is_read_alike(relation: &Relation, command: Command) -> bool {
    relation.using(Command::Select) == relation.using(command)
}

fn all(relation: &Relation, conditions: &[Condition]) -> Option<String> {
    let asked = conditions.iter().filter(|c| c.text != "true");
    let asked: Vec<String> = asked.map(|c| over_merged(relation, &c.text)).collect();
    (!asked.is_empty()).then(|| asked.join(" AND "))
}

/// A condition over `m`, the only row there is: its own columns are bare, unless there are subqueries.
fn over_merged(relation: &Relation, condition: &str) -> String {
    let qualified = [
        format!("{}.", relation.name),
        format!("{}.", q(&relation.name)),
    ];
    if condition.contains("SELECT") || qualified.iter().any(|name| condition.contains(name)) {
        relation.of_row(condition, |name| format!("m.{}", q(name)))
    } else {
        format!("({condition})")
    }
}

/// What is true of a row, or raises PostgreSQL's error: one condition for each policy that errors name.
pub(crate) fn checks(
    relation: &Relation,
    conditions: &[Condition],
    checked: Checked,
    value: impl Fn(&str) -> String,
) -> Vec<String> {
    let asked = conditions.iter().filter(|c| c.text != "true");
    let of_row = relation.writable().next().map_or("", |c| c.name.as_str());
    asked
        .map(|condition| {
            let policy = condition.policy.as_deref();
            let failed = format!(
                "pgdraft.policy_failed({}, {}, {}, {}, pg_catalog.num_nulls({}))",
                match checked {
                    Checked::New | Checked::Met => "'new'",
                    Checked::Target => "'target'",
                },
                checked != Checked::New,
                policy.map_or_else(|| "NULL".to_owned(), quote_literal),
                quote_literal(&relation.name),
                q(of_row),
            );
            let held = format!("CASE WHEN {} THEN true ELSE {failed} END", condition.text);
            relation.of_row(&held, &value)
        })
        .collect()
}

/// What a new row of the change has to meet; `reads`: the statement reads columns of the table too.
pub(crate) fn of_new(relation: &Relation, command: Command, reads: bool) -> Vec<Condition> {
    let mut conditions = relation.with_check(command);
    if reads {
        conditions.extend(relation.using(Command::Select));
    }
    conditions.dedup();
    conditions
}

/// What the row that ON CONFLICT met has to meet.
pub(crate) fn of_met(relation: &Relation) -> Vec<Condition> {
    let mut conditions = relation.using(Command::Update);
    conditions.extend(relation.using(Command::Select));
    conditions.dedup();
    conditions
}

/// Whether policies of a table can be looked at in this draft: a table that they read, or that a function
/// of theirs may read, is one that the session has not changed.
///
/// # Errors
/// 0A000 with the hint what to do.
pub(crate) fn settled(context: &Context<'_>, relation: &Relation) -> Result<(), Report> {
    visit(context, relation, &mut Vec::new())
}

fn visit(
    context: &Context<'_>,
    relation: &Relation,
    seen: &mut Vec<RelationId>,
) -> Result<(), Report> {
    if !relation.row_security || seen.contains(&relation.id) {
        return Ok(());
    }
    seen.push(relation.id);
    for policy in &relation.policies {
        for function in &policy.functions {
            quiet(context, relation, function)?;
        }
        for id in &policy.reads {
            let Some(read) = context.catalog.relations.get(id) else {
                continue;
            };
            let behind = read
                .view
                .as_ref()
                .map_or(&[] as &[RelationId], |v| &v.relations);
            for id in std::iter::once(id).chain(behind) {
                if !resolve::dirty_members(context, *id, false).is_empty() {
                    return Err(moved(relation, &policy.name, read));
                }
                if let Some(read) = context.catalog.relations.get(id) {
                    visit(context, read, seen)?;
                }
            }
        }
    }
    Ok(())
}

fn moved(relation: &Relation, policy: &str, read: &Relation) -> Report {
    unsupported(&format!(
        "table \"{}\", whose policy \"{policy}\" reads \"{}\", which this session changed,",
        relation.name, read.name
    ))
    .detail("PostgreSQL looks at a table's policies by production's rows, not by the draft's.")
    .hint("work with this table in a session that did not change the other one, or ask a reviewer to commit first; where agents may see all rows, the operator can give their role a policy with USING (true)")
}

/// A function of a policy: its owner wrote both, so it runs, unless it could write production, or could
/// read what the session has changed.
fn quiet(context: &Context<'_>, relation: &Relation, function: &Function) -> Result<(), Report> {
    let writes = function.volatility == Volatility::Volatile && function.security_definer;
    let untouched = context.draft.dirty.is_empty() && !writes;
    if untouched || functions::is_quiet(context, function) {
        return Ok(());
    }
    functions::permit(context, function).map_err(|report| {
        report.detail(format!(
            "A policy of table \"{}\" calls it, and it may read or write tables behind the draft's back.",
            relation.name
        ))
    })
}

/// What a view reads it reads with its owner's rights, whom other policies hold for, or none; a draft reads
/// with the agent's.
///
/// # Errors
/// 0A000 where the view does not have the option `security_invoker`.
pub(crate) fn as_owner(view: &Relation) -> Result<(), Report> {
    if view.view.as_ref().is_some_and(|v| v.security_invoker) {
        return Ok(());
    }
    Err(unsupported(&format!(
        "view \"{}\" over a table with row-level security, which it reads with its owner's rights,",
        view.name
    ))
    .hint("use the tables behind it; or ask for the view's option security_invoker"))
}

/// The agents' role sees all rows of the table.
fn all_seen(relation: &Relation) -> bool {
    let conditions = relation.using(Command::Select);
    conditions.iter().all(|c| c.text == "true")
}

/// The view cannot be written out with the agent's rights.
///
/// # Errors
/// As [`as_owner`], where a table behind it has row-level security.
pub(crate) fn expanded(context: &Context<'_>, view: &Relation) -> Result<(), Report> {
    let mut behind = view.view.iter().flat_map(|v| &v.relations);
    let bypasses = view.view.as_ref().is_some_and(|v| v.owner_bypasses);
    // where both see all rows, it does not matter whose rights they are read with
    let secured = |id: &RelationId| {
        let relation = context.catalog.relations.get(id);
        relation.is_some_and(|r| r.row_security && !(bypasses && all_seen(r)))
    };
    match behind.any(secured) {
        true => as_owner(view),
        false => Ok(()),
    }
}

/// A row that is locked must be one that can be changed, too.
///
/// # Errors
/// 0A000 where the policies for UPDATE ask for more than those for SELECT.
pub(crate) fn lockable(statement: &Statement, context: &Context<'_>) -> Result<(), Report> {
    if statement.facts.locking == 0 {
        return Ok(());
    }
    for reference in &statement.facts.relations {
        let found = resolve::resolve(context, reference.schema.as_deref(), &reference.name)?;
        if let Resolved::Known(relation) = &found
            && statement.facts.locks(reference)
        {
            has_rows_to_lock(relation)?;
        }
        if let Resolved::Known(relation) = found
            && !is_read_alike(&relation, Command::Update)
        {
            return Err(unsupported(&format!(
                "FOR UPDATE or FOR SHARE of \"{}\", whose policies for UPDATE and SELECT differ,",
                relation.name
            ))
            .hint(
                "read the rows without a lock: writers of one session wait for each other anyway",
            ));
        }
    }
    Ok(())
}

/// PostgreSQL's error of relations whose rows are not locked; it comes as the statement begins to run.
fn has_rows_to_lock(relation: &Relation) -> Result<(), Report> {
    let kind = match relation.kind {
        RelationKind::MaterializedView => "materialized view",
        RelationKind::Sequence => "sequence",
        RelationKind::Table
        | RelationKind::Partitioned
        | RelationKind::View
        | RelationKind::Foreign
        | RelationKind::Other => return Ok(()),
    };
    let message = format!("cannot lock rows in {kind} \"{}\"", relation.name);
    Err(Report::error("42809", message))
}

/// COPY FROM as PostgreSQL refuses it itself.
pub(crate) fn no_copy(relation: &Relation) -> Result<(), Report> {
    if !relation.row_security {
        return Ok(());
    }
    let message = "COPY FROM not supported with row-level security";
    Err(Report::error("0A000", message).hint("Use INSERT statements instead."))
}
