//! Types that a temporary table of the connection hides: expressions of the catalog (defaults, checks,
//! conditions, views) name those of `pg_catalog` bare, and a table's row type is found first.

use std::borrow::Cow;
use std::sync::Arc;

use catalog::{Check, Key, Relation, quote_identifier as q};

use crate::plan::Temporary;

/// The relation with such types named in full.
pub(crate) fn relation(relation: &Arc<Relation>, temporary: &Temporary) -> Arc<Relation> {
    if temporary.is_empty() {
        return Arc::clone(relation);
    }
    // PostgreSQL quotes a name where it has to
    let names = temporary.keys().flat_map(|name| [name.clone(), q(name)]);
    let names: Vec<String> = names.collect();
    let mut own = relation.as_ref().clone();
    let mut changed = false;
    let mut mend = |text: &mut String| {
        if let Cow::Owned(full) = named_in_full(text, &names) {
            *text = full;
            changed = true;
        }
    };
    own.columns
        .iter_mut()
        .filter_map(|c| c.default.as_mut())
        .for_each(&mut mend);
    own.view
        .iter_mut()
        .for_each(|view| mend(&mut view.definition));
    let keys = own.primary_key.iter_mut().chain(&mut own.stand_in);
    for key in keys.chain(&mut own.unique).chain(&mut own.exclusions) {
        texts_of_key(key).for_each(&mut mend);
    }
    texts_of_checks(&mut own.checks).for_each(&mut mend);
    own.partition
        .iter_mut()
        .filter_map(|p| p.bound.as_mut())
        .for_each(&mut mend);
    for route in &mut own.routes {
        route
            .bound
            .iter_mut()
            .chain(&mut route.parts)
            .for_each(&mut mend);
    }
    for leaf in &mut own.leaves {
        leaf.bound
            .iter_mut()
            .chain(texts_of_checks(&mut leaf.checks))
            .for_each(&mut mend);
    }
    if changed {
        Arc::new(own)
    } else {
        Arc::clone(relation)
    }
}

fn texts_of_key(key: &mut Key) -> impl Iterator<Item = &mut String> {
    key.elements.iter_mut().chain(&mut key.predicate)
}

fn texts_of_checks(checks: &mut [Check]) -> impl Iterator<Item = &mut String> {
    checks.iter_mut().map(|check| &mut check.definition)
}

/// `'x'::text` as `'x'::pg_catalog.text` where `text` is one of these names.
fn named_in_full<'a>(text: &'a str, names: &[String]) -> Cow<'a, str> {
    let mut out = Cow::Borrowed(text);
    for name in names {
        let bare = format!("::{name}");
        if !out.contains(&bare) {
            continue;
        }
        let mut full = String::with_capacity(out.len() + 16);
        let mut rest = out.as_ref();
        while let Some((before, after)) = rest.split_once(&bare) {
            let ends = !after.starts_with(|c: char| c.is_alphanumeric() || "_$.\"".contains(c));
            // in a string it is no cast, and stays
            full.push_str(before);
            full.push_str(if ends && quotes(&full).is_multiple_of(2) {
                "::pg_catalog."
            } else {
                "::"
            });
            full.push_str(name);
            rest = after;
        }
        full.push_str(rest);
        out = Cow::Owned(full);
    }
    out
}

fn quotes(text: &str) -> usize {
    text.matches('\'').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cast_is_named_in_full_and_nothing_else() {
        let names = ["text".to_owned(), "\"Odd\"".to_owned()];
        let full = |text| named_in_full(text, &names).into_owned();
        assert_eq!(full("'x'::text"), "'x'::pg_catalog.text");
        assert_eq!(full("'x'::text[]"), "'x'::pg_catalog.text[]");
        assert_eq!(full("'a::text'::text"), "'a::text'::pg_catalog.text");
        assert_eq!(full("x::textual"), "x::textual");
        assert_eq!(full("x::text.y"), "x::text.y");
        assert_eq!(full("(n)::integer"), "(n)::integer");
        assert_eq!(full("'x'::\"Odd\""), "'x'::pg_catalog.\"Odd\"");
    }
}
