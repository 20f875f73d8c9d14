//! What a function in SQL runs, over a row `pgdraft_f` of its parameters.

use catalog::{Function, FunctionBody, quote_identifier as q};
use pg_query::protobuf::Token as Kind;

use crate::facts::ColumnUse;
use crate::parse::{Statement, parse};
use crate::plan::Context;
use crate::resolve::{self, Resolved};
use crate::splice::{Edit, Splice};

/// The name of a parameter's column.
pub(super) fn column(body: &FunctionBody, place: usize) -> String {
    match body.parameters.get(place) {
        Some((name, _)) if !name.is_empty() => q(name),
        _ => format!("pgdraft_p{}", place + 1),
    }
}

/// The body with columns of `pgdraft_f` for its parameters; `None` where they would mean something else.
///
/// PostgreSQL takes a name for a parameter where no column has it. A name that is a parameter's and may be a
/// column of a subquery or a CTE stays as it is: the columns of the body come before those of `pgdraft_f` too.
pub(super) fn substituted(
    context: &Context<'_>,
    function: &Function,
    body: &FunctionBody,
) -> Option<String> {
    let text = statement_text(body);
    let script = parse(&text).ok()?;
    let [inner] = script.statements.as_slice() else {
        return None;
    };
    let mut edits = Vec::new();
    let mut used = Vec::new();
    for (i, token) in inner.tokens.iter().filter(|(_, t)| t.is(Kind::Param)) {
        let number: usize = inner.text.get(token.start + 1..token.end)?.parse().ok()?;
        let name = column(body, number.checked_sub(1)?);
        used.push(token.start);
        // a field of it would be a column of that name otherwise
        let is_row = inner.tokens.get(i + 1).is_some_and(|t| t.is(Kind::Ascii46));
        let text = match is_row {
            true => format!("(pgdraft_f.{name})"),
            false => format!("pgdraft_f.{name}"),
        };
        edits.push(Edit::new(token.start..token.end, text));
    }
    let named = Named {
        inner,
        context,
        function,
        body,
    };
    for column in &inner.facts.columns {
        match named.meaning(column)? {
            Meaning::Column => {}
            Meaning::Either => used.push(column.location),
            Meaning::Parameter(tokens, text) => {
                used.push(column.location);
                let (name, end) = inner.tokens.name_at(column.location)?;
                let start = inner.tokens.at(column.location)?;
                let last = tokens.map_or(end - 1, |n| start + 2 * (n - 1));
                let end = inner.tokens.get(last)?.end;
                edits.push(Edit::new(name.start..end, text));
            }
        }
    }
    if !levels_hold(inner, context, &used) {
        return None;
    }
    edits.sort_by_key(|e| e.range.start);
    let mut splice = Splice::new(&inner.text);
    splice.copy_edited(0..inner.text.len(), &edits);
    Some(splice.finish().0)
}

/// What a name in a body means.
enum Meaning {
    /// A column, or something that is no parameter.
    Column,
    /// A column or a parameter, which PostgreSQL finds out as it would in the function.
    Either,
    /// A parameter: so many parts of the name, or all, give way to that text.
    Parameter(Option<usize>, String),
}

struct Named<'s, 'c> {
    inner: &'s Statement,
    context: &'s Context<'c>,
    function: &'s Function,
    body: &'s FunctionBody,
}

impl Named<'_, '_> {
    fn parameter(&self, name: &str) -> Option<String> {
        let mut parameters = self.body.parameters.iter();
        let place = parameters.position(|(n, _)| n == name)?;
        Some(format!("pgdraft_f.{}", column(self.body, place)))
    }

    fn labelled(&self, name: &str) -> bool {
        self.inner.facts.labels.iter().any(|l| l == name)
            || self.inner.facts.calls.iter().any(|call| {
                let source = call.source.as_ref();
                source.is_some_and(|s| s.alias.is_none()) && call.name == name
            })
    }

    /// `None` where it cannot be known.
    fn meaning(&self, column: &ColumnUse) -> Option<Meaning> {
        let [first, rest @ ..] = column.fields.as_slice() else {
            return Some(Meaning::Column);
        };
        let own = self.parameter(first);
        if rest.is_empty() {
            let Some(own) = own else {
                return Some(Meaning::Column);
            };
            return match () {
                () if self.in_block(column.block, first) => Some(Meaning::Column),
                // the row of that table comes before a parameter, but behind a column of `pgdraft_f`
                () if self.labelled(first) => None,
                () if self.is_no_column(first) => Some(Meaning::Parameter(None, own)),
                () => Some(Meaning::Either),
            };
        }
        if self.labelled(first) {
            return Some(Meaning::Column);
        }
        if *first == self.function.name
            && let Some(own) = rest.first().and_then(|name| self.parameter(name))
        {
            let text = if rest.len() > 1 {
                format!("({own})")
            } else {
                own
            };
            return Some(Meaning::Parameter(Some(2), text));
        }
        // a field of a parameter that is a row
        Some(match own {
            Some(own) => Meaning::Parameter(Some(1), format!("({own})")),
            None => Meaning::Column,
        })
    }

    /// Whether a table of that block has such a column: it comes first then.
    fn in_block(&self, block: usize, name: &str) -> bool {
        let mut own = self.inner.facts.relations.iter();
        own.any(|r| {
            r.block == block
                && matches!(resolve::resolve(self.context, r.schema.as_deref(), &r.name),
                    Ok(Resolved::Known(relation)) if relation.column(name).is_some())
        })
    }

    /// Whether no table of the body has such a column, nor anything else that could.
    fn is_no_column(&self, name: &str) -> bool {
        let facts = &self.inner.facts;
        facts.ctes.is_empty()
            && !facts.blocks.iter().any(|b| b.derived)
            && facts.relations.iter().all(|r| {
                matches!(resolve::resolve(self.context, r.schema.as_deref(), &r.name),
                    Ok(Resolved::Known(relation)) if relation.column(name).is_none())
            })
    }
}

/// An aggregate over columns of an outer query alone is one of that query: over parameters alone it must not stand.
fn levels_hold(inner: &Statement, context: &Context<'_>, used: &[usize]) -> bool {
    let calls = inner.facts.calls.iter().filter(|call| {
        let named = context.catalog.functions.get(&call.name);
        named.is_none_or(|all| all.iter().any(|f| f.aggregate))
    });
    calls.into_iter().all(|call| {
        let Some(brackets) = super::arguments::brackets(inner, call) else {
            return false;
        };
        let bytes = &brackets.bytes;
        !used.iter().any(|byte| bytes.contains(byte)) || {
            let mut columns = inner.facts.columns.iter();
            columns.any(|c| bytes.contains(&c.location) && !used.contains(&c.location))
        }
    })
}

/// The query of RETURN or BEGIN ATOMIC, or the text as it is.
fn statement_text(body: &FunctionBody) -> String {
    let text = body.text.trim();
    if !body.qualified {
        return text.to_owned();
    }
    if let Some(value) = text.strip_prefix("RETURN ") {
        return format!("SELECT {value}");
    }
    let inner = text.strip_prefix("BEGIN ATOMIC");
    let inner = inner.and_then(|t| t.strip_suffix("END"));
    inner.unwrap_or(text).to_owned()
}
