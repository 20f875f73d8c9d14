//! Statements that hold another statement: PREPARE and EXPLAIN. The inner one is read and planned as
//! a text of its own.

use std::sync::Arc;

use pg_query::NodeEnum;
use pg_query::protobuf::{DefElem, ExplainStmt, Node, SelectStmt, Token as Kind};
use report::Report;

use crate::parse::{Body, ParseFailure, Statement, refused, statement};
use crate::plan::{Effect, Plan, PositionMap, Relay, Rewritten, Verb, Write};
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
                inner: inner(text, tokens, word.map(|w| w + 1))?,
            }))
        }
        NodeEnum::ExplainStmt(explain) if !is_query(explain.query.as_deref()) => {
            let word = tokens.find(1..tokens.len(), 0, |_, t| {
                EXPLAINED.iter().any(|kind| t.is(*kind))
            });
            Some(Body::Explain(Explain {
                inner: inner(text, tokens, word)?,
                analyze: analyzes(explain),
            }))
        }
        _ => None,
    })
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

fn is_off(option: &DefElem) -> bool {
    match option.arg.as_deref().and_then(|a| a.node.as_ref()) {
        Some(NodeEnum::String(word)) => {
            ["off", "false"].contains(&word.sval.to_ascii_lowercase().as_str())
        }
        Some(NodeEnum::Integer(number)) => number.ival == 0,
        Some(NodeEnum::Boolean(value)) => !value.boolval,
        _ => false,
    }
}

/// The statement from that token on.
fn inner(
    text: &str,
    tokens: &Tokens,
    first: Option<usize>,
) -> Result<Arc<Statement>, ParseFailure> {
    let lost = || {
        refused(
            "0A000",
            "the statement inside this one could not be found",
            "send it by itself",
        )
    };
    let start = first.and_then(|f| tokens.get(f)).ok_or_else(lost)?.start;
    let own = text.get(start..).ok_or_else(lost)?;
    let parsed = pg_query::parse(own, 0).map_err(|e| ParseFailure::Syntax(e.to_string()))?;
    let mut nodes = parsed.protobuf.stmts.into_iter();
    match (nodes.next().and_then(|s| s.stmt?.node), nodes.next()) {
        (Some(node), None) => Ok(Arc::new(statement(
            start..text.len(),
            own.to_owned(),
            node,
        )?)),
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
    let prefix = outer
        .text
        .get(..explain.inner.range.start)
        .unwrap_or_default();
    let shift = before(outer, &explain.inner);
    let behind = |rewritten: &Rewritten| {
        let mut positions = PositionMap::whole(prefix);
        positions.copied.extend(
            rewritten
                .positions
                .copied
                .iter()
                .map(|c| crate::plan::Copied {
                    new_start: c.new_start + shift,
                    old_start: c.old_start + shift,
                    length: c.length,
                }),
        );
        Rewritten {
            text: format!("{prefix}{}", rewritten.text),
            positions,
            ..rewritten.clone()
        }
    };
    match plan {
        Plan::Read(read) => Plan::Read(Arc::new(behind(&read))),
        Plan::Write(write) => explained(&write, behind(&write.rewritten), explain.analyze),
        other => other,
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
