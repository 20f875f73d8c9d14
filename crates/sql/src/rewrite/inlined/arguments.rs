//! What a call gives to a function's parameters.

use std::ops::Range;

use catalog::FunctionBody;
use pg_query::protobuf::Token as Kind;

use crate::facts::Call;
use crate::functions::{self, Verdict};
use crate::parse::{Statement, parse};
use crate::plan::Context;
use crate::splice::Edit;

/// The brackets of a call, with what belongs to it behind them.
pub(super) struct Brackets {
    /// The whole call.
    pub(super) bytes: Range<usize>,
    /// The tokens of each argument.
    list: Vec<Range<usize>>,
}

pub(super) fn brackets(statement: &Statement, call: &Call) -> Option<Brackets> {
    let tokens = &statement.tokens;
    let (name, open) = tokens.name_at(call.location)?;
    let depth = tokens.get(open).filter(|t| t.is(Kind::Ascii40))?.depth;
    let close = tokens.find(open + 1..tokens.len(), depth, |_, t| t.is(Kind::Ascii41))?;
    // WITH ORDINALITY goes with the call
    let counted = call.source.as_ref().is_some_and(|s| s.ordinality);
    let last = tokens.get(close + if counted { 2 } else { 0 })?;
    if counted && !last.is(Kind::Ordinality) {
        return None;
    }
    Some(Brackets {
        bytes: name.start..last.end,
        list: match close == open + 1 {
            true => Vec::new(),
            false => tokens.split_commas(open + 1..close, depth + 1),
        },
    })
}

/// One argument.
#[derive(Debug, Clone)]
pub(super) enum Argument {
    /// These tokens of the call.
    Given(Range<usize>),
    /// The parameter's default.
    Default(String),
}

/// The arguments of a call.
pub(super) struct Arguments {
    /// The whole call.
    pub(super) bytes: Range<usize>,
    /// One for each parameter.
    pub(super) list: Vec<Argument>,
}

/// The arguments in the order of the parameters, `Some(None)` where they are not what the function takes.
pub(super) fn of(
    statement: &Statement,
    call: &Call,
    body: &FunctionBody,
) -> Option<Option<Arguments>> {
    let brackets = brackets(statement, call)?;
    let mut places: Vec<Option<Argument>> = vec![None; body.parameters.len()];
    for (i, tokens) in brackets.list.into_iter().enumerate() {
        let (place, tokens) = match name(statement, &tokens) {
            None => (Some(i), tokens),
            Some(name) => {
                let mut parameters = body.parameters.iter();
                let place = parameters.position(|(n, _)| *n == name);
                (place, tokens.start + 2..tokens.end)
            }
        };
        match place.and_then(|place| places.get_mut(place)) {
            Some(free @ None) => *free = Some(Argument::Given(tokens)),
            _ => return Some(None),
        }
    }
    let required = body.parameters.len() - body.defaults.len();
    let list = places.into_iter().enumerate().map(|(i, given)| {
        let default = i.checked_sub(required).and_then(|i| body.defaults.get(i));
        given.or_else(|| default.cloned().map(Argument::Default))
    });
    let list: Option<Vec<Argument>> = list.collect();
    Some(list.map(|list| Arguments {
        bytes: brackets.bytes,
        list,
    }))
}

/// The call's arguments as a select list of the parameters, `CAST((…) AS type) AS name, …`, each evaluated once,
/// between what stands before and behind it. They stay where they are, so what becomes of a part of them does.
pub(super) fn around(
    statement: &Statement,
    given: &Arguments,
    body: &FunctionBody,
    (before, after): (String, String),
) -> Option<Vec<Edit>> {
    let ends = |i: usize| {
        let (_, kind) = body.parameters.get(i)?;
        Some(format!(") AS {kind}) AS {}", super::body::column(body, i)))
    };
    let mut written = Vec::new();
    let mut defaults = Vec::new();
    for (i, argument) in given.list.iter().enumerate() {
        match argument {
            Argument::Given(tokens) => written.push((statement.tokens.bytes(tokens.clone())?, i)),
            Argument::Default(text) => defaults.push(format!("CAST(({text}{}", ends(i)?)),
        }
    }
    written.sort_by_key(|(bytes, _)| bytes.start);
    let (mut at, mut text, mut comma) = (given.bytes.start, before, "");
    let mut edits = Vec::new();
    for (bytes, i) in written {
        edits.push(Edit::new(at..bytes.start, format!("{text}{comma}CAST((")));
        (at, text, comma) = (bytes.end, ends(i)?, ", ");
    }
    for default in defaults {
        text = format!("{text}{comma}{default}");
        comma = ", ";
    }
    edits.push(Edit::new(at..given.bytes.end, text + &after));
    Some(edits)
}

/// The name of `name => value`.
fn name(statement: &Statement, tokens: &Range<usize>) -> Option<String> {
    let list = &statement.tokens;
    let arrow = list.get(tokens.start + 1)?;
    if !arrow.is(Kind::EqualsGreater) && !arrow.is(Kind::ColonEquals) {
        return None;
    }
    let token = list.get(tokens.start)?;
    let text = statement.text.get(token.start..token.end)?;
    Some(match text.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"')?.replace("\"\"", "\""),
        None => text.to_ascii_lowercase(),
    })
}

/// That the defaults which stand in for arguments read nothing and call nothing that may not run.
pub(super) fn check_defaults(context: &Context<'_>, given: &Arguments) -> Option<()> {
    for argument in &given.list {
        let Argument::Default(text) = argument else {
            continue;
        };
        let script = parse(&format!("SELECT {text}")).ok()?;
        let [inner] = script.statements.as_slice() else {
            return None;
        };
        let fine = super::only_reads(inner)
            && inner.facts.relations.is_empty()
            && functions::check(context, &inner.facts, false) == Ok(Verdict::Fine);
        if !fine {
            return None;
        }
    }
    Some(())
}
