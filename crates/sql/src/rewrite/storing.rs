//! What an assignment does to a value, as an expression.
//!
//! A cast is not the same: where a type has a length, CAST cuts what an assignment refuses (22001,
//! 22026). Casts of ours therefore leave lengths out, and the type's own function checks them, also
//! in a domain and in an array of domains.

use catalog::{Catalog, Column};

/// What stands before a value and what behind it.
type Around = (String, String);

/// The column's type without its modifier; of a domain over a type with a length, that type.
pub(crate) fn cast_type(catalog: &Catalog, column: &Column) -> String {
    let declared = &column.declared;
    match catalog.domains.get(declared) {
        Some(base) if Length::of(base).is_some() => plain(base),
        _ => plain(declared),
    }
}

/// A value of that type, lengths apart: what the head's column does not find out by itself is
/// looked at here.
pub(crate) fn assigned(catalog: &Catalog, declared: &str) -> Around {
    if let Some(element) = checked_element(catalog, declared) {
        return each(&element, declared);
    }
    let base = catalog.domains.get(declared);
    if let Some(base) = base
        && checked_element(catalog, base).is_some()
    {
        return within_cast(assigned(catalog, base), declared);
    }
    let kind = match base {
        Some(base) if Length::of(base).is_some() => plain(base),
        _ => plain(declared),
    };
    ("CAST(".to_owned(), format!(" AS {kind})"))
}

/// A value that is assigned, of whatever type: where it is made of constants, PostgreSQL finds while it plans
/// that its column does not take it, whether a row comes or not.
pub(crate) fn fitted(catalog: &Catalog, column: &Column) -> Around {
    let declared = &column.declared;
    let base = catalog.domains.get(declared);
    let declared = base.filter(|b| b.ends_with(')')).unwrap_or(declared);
    if let Some(length) = Length::of(declared).filter(|l| !l.array) {
        return length.around();
    }
    match declared.strip_suffix(')') {
        Some(_) if declared.starts_with("numeric(") => {
            ("CAST(".to_owned(), format!(" AS {declared})"))
        }
        _ => assigned(catalog, &column.declared),
    }
}

/// A value as a column of that type stores it.
pub(crate) fn stored_as(catalog: &Catalog, declared: &str) -> Around {
    if let Some(base) = catalog.domains.get(declared) {
        return within_cast(stored_as(catalog, base), declared);
    }
    if let Some(element) = checked_element(catalog, declared) {
        return each(&element, declared);
    }
    let fitted = match Length::of(declared) {
        Some(length) => length.around(),
        None => ("CAST(".to_owned(), format!(" AS {})", plain(declared))),
    };
    if plain(declared) == qualified(declared) {
        fitted
    } else {
        within_cast(fitted, declared)
    }
}

/// A value as its column stores it.
pub(crate) fn stored(catalog: &Catalog, value: &str, column: &Column) -> String {
    let (open, close) = stored_as(catalog, &column.declared);
    let value = format!("{open}{value}{close}");
    match &column.collation {
        Some(collation) => format!("{value} COLLATE {collation}"),
        None => value,
    }
}

fn within_cast((open, close): Around, declared: &str) -> Around {
    (
        format!("CAST({open}"),
        format!("{close} AS {})", qualified(declared)),
    )
}

/// Of an array of domains over a type with a length: that type.
fn checked_element(catalog: &Catalog, declared: &str) -> Option<Length> {
    let domain = declared.strip_suffix("[]")?;
    let length = Length::of(catalog.domains.get(domain)?)?;
    (!length.array).then_some(length)
}

/// Every element fits, before the array is cast.
fn each(element: &Length, declared: &str) -> Around {
    let (open, close) = element.in_array();
    (
        format!("CAST({open}"),
        format!("{close} AS {})", qualified(declared)),
    )
}

/// Types that the grammar itself knows, by their first word.
const IN_GRAMMAR: [&str; 12] = [
    "bigint",
    "bit",
    "boolean",
    "character",
    "double",
    "integer",
    "interval",
    "numeric",
    "real",
    "smallint",
    "time",
    "timestamp",
];

/// `text` is `pg_catalog.text`: a bare name may mean the type of a temporary table of that name.
fn qualified(type_name: &str) -> String {
    let word = type_name.split(['(', '[', ' ']).next().unwrap_or_default();
    if word.contains('.') || IN_GRAMMAR.contains(&word) {
        return type_name.to_owned();
    }
    format!("pg_catalog.{type_name}")
}

/// A declared type without its modifier: a cast with the modifier would cut a long string instead
/// of raising 22001.
pub(crate) fn plain(declared: &str) -> String {
    if let Some(length) = Length::of(declared) {
        let array = if length.array { "[]" } else { "" };
        return format!("pg_catalog.{}{array}", length.function);
    }
    let modifier = |text: &str| text.chars().all(|c| c.is_ascii_digit() || c == ',');
    match declared.split_once('(') {
        Some((name, rest)) if !name.contains('"') => match rest.split_once(')') {
            Some((inside, after)) if modifier(inside) => qualified(&format!("{name}{after}")),
            _ => qualified(declared),
        },
        _ => qualified(declared),
    }
}

/// A type that has a length, by the function that PostgreSQL assigns values of it with.
struct Length {
    function: &'static str,
    modifier: u32,
    array: bool,
}

impl Length {
    fn of(declared: &str) -> Option<Self> {
        let (element, array) = match declared.strip_suffix("[]") {
            Some(element) => (element, true),
            None => (declared, false),
        };
        let (name, length) = element.strip_suffix(')')?.split_once('(')?;
        let length: u32 = length.parse().ok()?;
        let (function, modifier) = match name {
            "character varying" => ("varchar", length + 4),
            "character" => ("bpchar", length + 4),
            "bit" => ("\"bit\"", length),
            "bit varying" => ("varbit", length),
            _ => return None,
        };
        Some(Self {
            function,
            modifier,
            array,
        })
    }

    fn around(&self) -> Around {
        if self.array {
            return self.in_array();
        }
        let Self {
            function, modifier, ..
        } = self;
        (
            format!("pg_catalog.{function}(CAST("),
            format!(" AS pg_catalog.{function}), {modifier}, false)"),
        )
    }

    fn in_array(&self) -> Around {
        let Self {
            function, modifier, ..
        } = self;
        (
            format!(
                "(SELECT CASE WHEN (SELECT pg_catalog.count(pg_catalog.{function}(e, {modifier}, false)) FROM pg_catalog.unnest(a.a) AS u(e)) >= 0 THEN a.a END FROM (SELECT CAST("
            ),
            format!(" AS pg_catalog.{function}[]) AS a OFFSET 0) AS a)"),
        )
    }
}
