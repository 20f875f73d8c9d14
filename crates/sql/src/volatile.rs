//! Volatile functions: a rewritten statement calls them as often as the client's does by itself.

use catalog::{Relation, RelationKind, Volatility};
use report::Report;

use crate::classify::unsupported;
use crate::facts::{Call, Called, Facts, TableRef};
use crate::functions;
use crate::parse::parse;
use crate::plan::{Context, Temporary};
use crate::resolve::{self, Resolved};
use crate::rewrite::inlined;

/// Volatile functions of `pg_catalog` of which nobody sees how often they were called. `random` is none of
/// them: after `setseed` each call decides what the next one gives.
const UNCOUNTED: [&str; 11] = [
    "clock_timestamp",
    "timeofday",
    "timezone",
    "gen_random_uuid",
    "uuidv4",
    "uuidv7",
    "currval",
    "lastval",
    "pg_column_size",
    "pg_relation_size",
    "pg_total_relation_size",
];

/// What a block's conditions could do with base rows that the draft hides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Risk {
    /// Nothing.
    #[default]
    None,
    /// One of them, which is about no column, would be asked once more for each of them, unless they are
    /// told apart by a join: PostgreSQL asks it of the joined row.
    Asked,
    /// One of them could fail for such a row, or call a function for it.
    Failing,
}

/// What the conditions of these blocks could do.
pub(crate) fn risk(
    context: &Context<'_>,
    facts: &Facts,
    blocks: impl Iterator<Item = usize>,
) -> Risk {
    let blocks = blocks.filter_map(|at| facts.blocks.get(at));
    let risks = blocks.flat_map(|block| {
        let called = block
            .called
            .iter()
            .map(|called| of_call(context, facts, called));
        called.chain(block.risky.then_some(Risk::Failing))
    });
    risks.max().unwrap_or_default()
}

fn of_call(context: &Context<'_>, facts: &Facts, called: &Called) -> Risk {
    let call = facts.calls.get(called.call);
    let counts = call
        .is_some_and(|call| is_volatile(context, call) && !UNCOUNTED.contains(&call.name.as_str()));
    match (counts, called.columns) {
        (false, _) => Risk::None,
        (true, false) => Risk::Asked,
        (true, true) => Risk::Failing,
    }
}

/// Whether a call may give another value each time.
fn is_volatile(context: &Context<'_>, call: &Call) -> bool {
    functions::candidates(context, call).any(|f| f.volatility == Volatility::Volatile)
}

/// Whether one of these calls may give another value each time whatever it reads: it is no function in SQL that
/// can be written out.
pub(crate) fn unread(context: &Context<'_>, calls: &[Call]) -> bool {
    let mut calls = calls.iter();
    calls.any(|call| is_volatile(context, call) && inlined::function(context, call).is_none())
}

/// The name of a volatile function among these calls, or in a view among these relations.
pub(crate) fn find<'f>(
    context: &Context<'_>,
    calls: impl IntoIterator<Item = &'f Call>,
    relations: impl IntoIterator<Item = &'f TableRef>,
) -> Option<String> {
    called(context, (calls, relations), is_volatile)
}

/// What a cursor must not call: a volatile function that reads tables. It sees what its transaction writes
/// between DECLARE and FETCH; written out, or run beside the draft, it would not.
///
/// # Errors
/// 0A000 with the name of one.
pub(crate) fn declarable(context: &Context<'_>, facts: &Facts) -> Result<(), Box<Report>> {
    if facts.declares.is_none() {
        return Ok(());
    }
    let reads = |context: &Context<'_>, call: &Call| {
        let function = inlined::function(context, call);
        function.is_some_and(|f| {
            f.volatility == Volatility::Volatile && functions::permit(context, f).is_err()
        })
    };
    match called(context, (&facts.calls, &facts.relations), reads) {
        Some(name) => Err(Box::new(
            unsupported(&format!("{name}() in a cursor"))
                .detail("It is volatile: in each FETCH it would have to see what was written since the DECLARE.")
                .hint("call it in a query without a cursor; or ask for the function to be STABLE"),
        )),
        None => Ok(()),
    }
}

/// The name of such a function among these calls, or in a view among these relations.
fn called<'f>(
    context: &Context<'_>,
    (calls, relations): (
        impl IntoIterator<Item = &'f Call>,
        impl IntoIterator<Item = &'f TableRef>,
    ),
    wanted: impl Fn(&Context<'_>, &Call) -> bool + Copy,
) -> Option<String> {
    let mut calls = calls.into_iter();
    if let Some(call) = calls.find(|call| wanted(context, call)) {
        return Some(call.name.clone());
    }
    relations.into_iter().find_map(|reference| {
        let found = resolve::resolve(context, reference.schema.as_deref(), &reference.name);
        match found {
            Ok(Resolved::Known(view)) if view.kind == RelationKind::View => {
                in_view(context, &view, wanted)
            }
            _ => None,
        }
    })
}

/// The name of one that a view calls, or a view behind it.
fn in_view(
    context: &Context<'_>,
    view: &Relation,
    wanted: impl Fn(&Context<'_>, &Call) -> bool + Copy,
) -> Option<String> {
    let script = parse(&view.view.as_ref()?.definition).ok()?;
    let none = Temporary::new();
    let inside = context.qualified(&none);
    let mut texts = script.statements.iter();
    texts.find_map(|text| {
        let facts = &text.facts;
        called(&inside, (&facts.calls, &facts.relations), wanted)
    })
}
