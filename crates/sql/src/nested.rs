//! Statements that hold another statement: PREPARE, EXPLAIN, and COPY of a change. The inner one is read and planned as
//! a text of its own.

use std::ops::Range;
use std::sync::Arc;

use pg_query::NodeEnum;
use pg_query::protobuf::{CopyStmt, DefElem, ExplainStmt, Node, SelectStmt, Token as Kind};
use report::Report;

use crate::facts::Change;
use crate::parse::{Body, ParseFailure, Statement, refused, statement};
use crate::plan::{self, Effect, Plan, PositionMap, Relay, Rewritten, Verb, Write};
use crate::tokens::Tokens;

/// PREPARE.
#[derive(Debug)]
pub(crate) struct Prepare {
    pub(crate) name: String,
    pub(crate) inner: Arc<Statement>,
}

/// EXPLAIN.
#[derive(Debug)]
pub(crate) struct Explain {
    pub(crate) inner: Arc<Statement>,
    /// It runs what it explains.
    pub(crate) analyze: bool,
}

/// COPY of a statement that changes rows.
#[derive(Debug)]
pub(crate) struct Copied {
    pub(crate) inner: Arc<Statement>,
}

impl Statement {
    /// The name and the statement of a PREPARE.
    pub fn prepares(&self) -> Option<(&str, &Arc<Statement>)> {
        match &self.body {
            Body::Prepare(prepare) => Some((&prepare.name, &prepare.inner)),
            _ => None,
        }
    }

    /// The prepared statement that an EXECUTE runs, also under EXPLAIN or CREATE TABLE AS.
    pub fn executes(&self) -> Option<&str> {
        match &self.body {
            Body::Execute(name) => Some(name),
            Body::Explain(explain) => explain.inner.executes(),
            Body::Definition(definition) => definition.executes.as_deref(),
            _ => None,
        }
    }

    /// Whether an EXECUTE gives back what the prepared statement does.
    pub fn returns_executed(&self) -> bool {
        matches!(self.body, Body::Execute(_))
    }

    /// The plan of this EXECUTE, where `plan` is that of what it runs.
    pub fn executing(&self, plan: &Arc<Plan>) -> Arc<Plan> {
        let own = |rewritten: &Rewritten| Rewritten {
            text: self.text.clone(),
            positions: PositionMap::whole(&self.text),
            ..rewritten.clone()
        };
        let plan = match (plan.as_ref(), &self.body) {
            (Plan::Relay(_), Body::Definition(_)) => Plan::Relay(Relay {
                effect: Effect::Temporary,
            }),
            (Plan::Read(read), Body::Definition(_)) => Plan::Read(Arc::new(Rewritten {
                effect: Effect::Temporary,
                ..own(read)
            })),
            (Plan::Read(read), _) => Plan::Read(Arc::new(own(read))),
            (Plan::Write(write), Body::Explain(explain)) => {
                explained(write, own(&write.rewritten), explain.analyze)
            }
            (Plan::Write(write), _) => Plan::Write(Arc::new(Write {
                rewritten: own(&write.rewritten),
                ..write.as_ref().clone()
            })),
            _ => return Arc::clone(plan),
        };
        Arc::new(plan)
    }
}

/// The body of a statement that holds another; `None` for all others.
pub(crate) fn body(
    node: &NodeEnum,
    text: &str,
    tokens: &Tokens,
) -> Result<Option<Body>, ParseFailure> {
    Ok(match node {
        NodeEnum::PrepareStmt(prepare) => {
            // PREPARE and the name come first, and the name may be "as"
            let word = tokens.find(2..tokens.len(), 0, |_, t| t.is(Kind::As));
            Some(Body::Prepare(Prepare {
                name: prepare.name.clone(),
                inner: inner(text, tokens, word.map(|w| w + 1..tokens.len()))?,
            }))
        }
        NodeEnum::ExplainStmt(explain) if !is_query(explain.query.as_deref()) => {
            let word = tokens.find(1..tokens.len(), 0, |_, t| {
                EXPLAINED.iter().any(|kind| t.is(*kind))
            });
            Some(Body::Explain(Explain {
                inner: inner(text, tokens, word.map(|w| w..tokens.len()))?,
                analyze: analyzes(explain),
            }))
        }
        NodeEnum::CopyStmt(copy) if copies_change(copy) => {
            let close = tokens.find(2..tokens.len(), 0, |_, t| t.is(Kind::Ascii41));
            Some(Body::Copied(Copied {
                inner: inner(text, tokens, close.map(|close| 2..close))?,
            }))
        }
        _ => None,
    })
}

/// Whether it copies out what a change returns.
fn copies_change(copy: &CopyStmt) -> bool {
    let to_client = !copy.is_from && !copy.is_program && copy.filename.is_empty();
    to_client
        && match copy.query.as_deref().and_then(|n| n.node.as_ref()) {
            Some(NodeEnum::SelectStmt(select)) => changes_under_with(select),
            Some(node) => Change::of(node).is_some(),
            None => false,
        }
}

/// What EXPLAIN takes begins with one of these words.
const EXPLAINED: [Kind; 10] = [
    Kind::Select,
    Kind::Insert,
    Kind::Update,
    Kind::DeleteP,
    Kind::Merge,
    Kind::With,
    Kind::Execute,
    Kind::Declare,
    Kind::Create,
    Kind::Refresh,
];

fn is_query(node: Option<&Node>) -> bool {
    matches!(
        node.and_then(|n| n.node.as_ref()),
        Some(NodeEnum::SelectStmt(select))
            if select.into_clause.is_none() && !changes_under_with(select)
    )
}

fn changes_under_with(select: &SelectStmt) -> bool {
    let ctes = select.with_clause.iter().flat_map(|with| &with.ctes);
    ctes.filter_map(|cte| match cte.node.as_ref() {
        Some(NodeEnum::CommonTableExpr(cte)) => cte.ctequery.as_deref()?.node.as_ref(),
        _ => None,
    })
    .any(|query| !matches!(query, NodeEnum::SelectStmt(_)))
}

/// Whether ANALYZE is among the options and on; the last one counts.
pub(crate) fn analyzes(explain: &ExplainStmt) -> bool {
    let mut on = false;
    for option in &explain.options {
        if let Some(NodeEnum::DefElem(option)) = option.node.as_ref()
            && option.defname == "analyze"
        {
            on = !is_off(option);
        }
    }
    on
}

pub(crate) fn is_off(option: &DefElem) -> bool {
    match option.arg.as_deref().and_then(|a| a.node.as_ref()) {
        Some(NodeEnum::String(word)) => {
            ["off", "false"].contains(&word.sval.to_ascii_lowercase().as_str())
        }
        Some(NodeEnum::Integer(number)) => number.ival == 0,
        Some(NodeEnum::Boolean(value)) => !value.boolval,
        _ => false,
    }
}

/// The statement of these tokens.
fn inner(
    text: &str,
    tokens: &Tokens,
    range: Option<Range<usize>>,
) -> Result<Arc<Statement>, ParseFailure> {
    let lost = || {
        refused(
            "0A000",
            "the statement inside this one could not be found",
            "send it by itself",
        )
    };
    let bytes = range
        .and_then(|range| tokens.bytes(range))
        .ok_or_else(lost)?;
    let own = text.get(bytes.clone()).ok_or_else(lost)?;
    let parsed = pg_query::parse(own, 0).map_err(|e| ParseFailure::Syntax(e.to_string()))?;
    let mut nodes = parsed.protobuf.stmts.into_iter();
    match (nodes.next().and_then(|s| s.stmt?.node), nodes.next()) {
        (Some(node), None) => Ok(Arc::new(statement(bytes, own.to_owned(), node)?)),
        _ => Err(lost()),
    }
}

/// Characters of the outer statement before the inner one.
fn before(outer: &Statement, inner: &Statement) -> usize {
    let before = outer.text.get(..inner.range.start).unwrap_or_default();
    before.chars().count()
}

/// A refusal of the inner statement, its position counted in the outer one.
pub(crate) fn refusal(outer: &Statement, inner: &Statement, mut report: Report) -> Box<Report> {
    report.position = report.position.map(|p| p + before(outer, inner));
    Box::new(report)
}

/// EXPLAIN of a statement with that plan: what stands before it is the client's.
pub(crate) fn explain(outer: &Statement, explain: &Explain, plan: Plan) -> Plan {
    let around = |rewritten: &Rewritten| around(outer, &explain.inner, rewritten);
    match plan {
        Plan::Read(read) => Plan::Read(Arc::new(around(&read))),
        Plan::Write(write) => explained(&write, around(&write.rewritten), explain.analyze),
        other => other,
    }
}

/// COPY of a change with that plan.
///
/// # Errors
/// PostgreSQL's own, where the change gives no rows.
pub(crate) fn copied(
    outer: &Statement,
    copied: &Copied,
    (plan, server_version): (Plan, u32),
) -> Result<Plan, Box<Report>> {
    if let Body::Change(change) = &copied.inner.body {
        if matches!(change, Change::Merge(_)) && server_version < 170_000 {
            let message = "MERGE not supported in COPY";
            return Err(Box::new(Report::error("0A000", message)));
        }
        if !change.returns() && !matches!(plan, Plan::NeedsCatalog) {
            let message = "COPY query must have a RETURNING clause";
            return Err(Box::new(Report::error("0A000", message)));
        }
    }
    let effect = Effect::CopyOut;
    let around = |rewritten: &Rewritten| Rewritten {
        effect: effect.clone(),
        ..around(outer, &copied.inner, rewritten)
    };
    Ok(match plan {
        Plan::Relay(_) => Plan::Relay(Relay { effect }),
        Plan::Read(read) => Plan::Read(Arc::new(around(&read))),
        Plan::Write(write) => Plan::Write(Arc::new(Write {
            rewritten: around(&write.rewritten),
            ..write.as_ref().clone()
        })),
        other => other,
    })
}

/// The inner statement's new text, between what the client has before and behind it.
fn around(outer: &Statement, inner: &Statement, rewritten: &Rewritten) -> Rewritten {
    let part = |range: Range<usize>| outer.text.get(range).unwrap_or_default();
    let prefix = part(0..inner.range.start);
    let suffix = part(inner.range.end..outer.text.len());
    let shift = before(outer, inner);
    let mut positions = PositionMap::whole(prefix);
    let own = rewritten.positions.copied.iter();
    positions.copied.extend(own.map(|c| plan::Copied {
        new_start: c.new_start + shift,
        old_start: c.old_start + shift,
        length: c.length,
    }));
    positions.copied.push(plan::Copied {
        new_start: shift + rewritten.text.chars().count(),
        old_start: shift + inner.text.chars().count(),
        length: suffix.chars().count(),
    });
    Rewritten {
        text: format!("{prefix}{}{suffix}", rewritten.text),
        positions,
        ..rewritten.clone()
    }
}

fn explained(write: &Write, rewritten: Rewritten, analyze: bool) -> Plan {
    if !analyze {
        return Plan::Read(Arc::new(rewritten));
    }
    Plan::Write(Arc::new(Write {
        rewritten,
        verb: Verb::Explain,
        returning: true,
        counted: false,
        ..write.clone()
    }))
}
