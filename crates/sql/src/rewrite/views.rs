//! Views over changed tables: their definitions in their places, as long as that ends.

use catalog::{Relation, RelationId};
use report::Report;

use super::{Edits, inlined, risk};
use crate::parse::{Body, Statement, parse};
use crate::plan::{Context, Temporary};
use crate::policies;
use crate::resolve::Merged;
use crate::splice::Splice;
use crate::volatile::Risk;

/// Most bytes that are written in the place of what a statement reads. Views over views that each read the
/// one before twice double with each step, and PostgreSQL's parser takes hundreds of bytes for each of a text.
const WRITTEN_BYTES_MAX: usize = 512 << 10;

/// Refuses more than that.
pub(super) fn bounded(bytes: usize) -> Result<(), Box<Report>> {
    if bytes <= WRITTEN_BYTES_MAX {
        return Ok(());
    }
    let message = format!(
        "what the statement reads takes more than {} kB of text in a draft",
        WRITTEN_BYTES_MAX >> 10
    );
    Err(Box::new(
        Report::error("54001", message)
            .detail("Views and functions over changed tables are written out where they stand, each time they are read.")
            .hint("query the tables behind the views directly, or read them in several statements"),
    ))
}

/// A view's definition with the changed tables behind it merged.
pub(super) struct Expanded {
    pub(super) text: String,
    /// These tables.
    pub(super) merged: Vec<RelationId>,
}

/// Expands a view over changed tables, views behind it too; `None`: refresh the catalog.
pub(super) fn expanded(
    context: &Context<'_>,
    relation: &Relation,
) -> Result<Option<Expanded>, Box<Report>> {
    let refused = || {
        Box::new(
            Report::error(
                "0A000",
                format!(
                    "view \"{}\" reads a table this session changed",
                    relation.name
                ),
            )
            .detail("Its definition could not be expanded over the draft.")
            .hint("query the tables behind the view directly"),
        )
    };
    policies::expanded(context, relation)?;
    let definition = relation.view.as_ref().map_or("", |v| v.definition.as_str());
    let script = parse(definition).map_err(|_| refused())?;
    let [inner] = script.statements.as_slice() else {
        return Err(refused());
    };
    if !matches!(inner.body, Body::Query) {
        return Err(refused());
    }
    let none = Temporary::new();
    // pg_get_viewdef was asked with an empty search_path: every name is qualified
    let inside = Context {
        in_view: true,
        ..context.qualified(&none)
    };
    inlined::all_named(inner, relation, &inside)?;
    let Some(edits) = Edits::of_reads(inner, &inside)? else {
        return Ok(None);
    };
    let mut splice = Splice::new(&inner.text);
    splice.copy_edited(0..inner.text.len(), &edits.list);
    Ok(Some(Expanded {
        text: splice.finish().0,
        merged: edits.merged,
    }))
}

/// The rows of a view that was expanded, in brackets.
pub(super) fn rows(
    statement: &Statement,
    context: &Context<'_>,
    item: &Merged,
    text: &str,
) -> String {
    let barrier = item.relation.view.as_ref();
    let barrier = barrier.is_some_and(|v| v.security_barrier);
    let fenced = barrier || risk(statement, context, item) != Risk::None;
    match (permitted(context, &item.relation), fenced) {
        (None, false) => format!("({text})"),
        (permitted, fenced) => format!(
            "(SELECT * FROM ({text}) AS v{}{})",
            permitted.unwrap_or_default(),
            if fenced { " OFFSET 0" } else { "" }
        ),
    }
}

/// ` WHERE …`: true, and PostgreSQL looks whether the client may read the view, and the view's owner what
/// stands behind it. Of a view in a view it does so with the outer one.
pub(super) fn permitted(context: &Context<'_>, view: &Relation) -> Option<String> {
    let asked = || {
        let view = view.qualified();
        format!(" WHERE NOT EXISTS (SELECT * FROM {view} WHERE false)")
    };
    (!context.in_view).then(asked)
}
