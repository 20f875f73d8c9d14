//! Assignment to a part of a value: `a[1] = v`, `a[2:3] = v`, `place.street = v`, `places[1].no = v`,
//! `document['key'] = v`, and several of them to one column.
//!
//! PostgreSQL does this only where a column is assigned, and what is assigned here goes through a
//! query first. So it is written as an expression: a row is built anew from its fields, arrays and
//! jsonb go through functions of schema `pgdraft` in which the server itself assigns to a variable.

use std::ops::Range;
use std::sync::Arc;

use catalog::{Catalog, Column, Relation, quote_identifier as q};
use pg_query::NodeEnum;
use pg_query::protobuf::{Node, RowExpr, Token as Kind};
use report::Report;

use crate::classify::unsupported;
use crate::rewrite::change::{list, mismatch};
use crate::rewrite::storing::{assigned, plain, stored, stored_as};
use crate::rewrite::work::Work;
use crate::splice::Edit;

/// PostgreSQL's most dimensions of an array; as many keys into jsonb are enough.
const SUBSCRIPTS_MAX: usize = 6;

/// One value that goes to a part.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// The column, and where the client names it.
    pub(crate) column: (String, usize),
    /// The way to it, outermost first.
    pub(crate) steps: Vec<Step>,
    /// An expression, in brackets.
    pub(crate) value: String,
}

impl Part {
    fn no_field(&self, row: &Relation, name: &str, at: usize) -> Box<Report> {
        let before = at.checked_sub(1).and_then(|before| self.steps.get(before));
        let of = match before {
            Some(Step::Field(before)) => before,
            _ => &self.column.0,
        };
        let message = format!(
            "cannot assign to field \"{name}\" of column \"{of}\" because there is no such column in data type {}",
            row.name
        );
        let report = Report::error("42703", message).position(self.column.1 + 1);
        Box::new(report.hint("check the field's name"))
    }
}

/// One step of the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Field(String),
    /// All subscripts that stand side by side.
    Subscripts(Vec<Subscript>),
}

/// `[upper]` or `[lower:upper]`, the texts in brackets; `None` is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscript {
    slice: bool,
    lower: Option<String>,
    upper: Option<String>,
}

/// A change and what replaces pieces of its expressions.
pub(crate) type Edited<'a> = (&'a Work<'a>, &'a [Edit]);

/// The steps of an assignment's target, whose tokens behind the column's name are these.
pub(crate) fn steps(
    (work, edits): Edited<'_>,
    indirection: &[Node],
    tokens: Range<usize>,
) -> Result<Vec<Step>, Box<Report>> {
    let all = &work.statement.tokens;
    let mut at = tokens.start;
    let mut steps: Vec<Step> = Vec::new();
    for node in indirection {
        match node.node.as_ref() {
            Some(NodeEnum::String(name)) => {
                steps.push(Step::Field(name.sval.clone()));
                at += 2;
            }
            Some(NodeEnum::AIndices(indices)) => {
                let open = all.get(at).filter(|t| t.is(Kind::Ascii91));
                let depth = open.ok_or_else(mismatch)?.depth;
                let close = all
                    .find(at + 1..tokens.end, depth, |_, t| t.is(Kind::Ascii93))
                    .ok_or_else(mismatch)?;
                let inside = at + 1..close;
                let colon = all.find(inside.clone(), depth + 1, |_, t| t.is(Kind::Ascii58));
                let (lower, upper) = match (indices.is_slice, colon) {
                    (true, Some(colon)) => (inside.start..colon, colon + 1..close),
                    (false, _) => (close..close, inside),
                    (true, None) => return Err(mismatch()),
                };
                let subscript = Subscript {
                    slice: indices.is_slice,
                    lower: expression((work, edits), lower)?,
                    upper: expression((work, edits), upper)?,
                };
                match steps.last_mut() {
                    Some(Step::Subscripts(list)) => list.push(subscript),
                    _ => steps.push(Step::Subscripts(vec![subscript])),
                }
                at = close + 1;
            }
            _ => return Err(mismatch()),
        }
    }
    if at == tokens.end {
        Ok(steps)
    } else {
        Err(mismatch())
    }
}

fn expression(
    (work, edits): Edited<'_>,
    tokens: Range<usize>,
) -> Result<Option<String>, Box<Report>> {
    if tokens.is_empty() {
        return Ok(None);
    }
    Ok(Some(format!("({})", work.text(tokens, edits)?)))
}

/// `container` with the parts assigned, one after the other, as a value of the column.
pub(crate) fn assign(
    catalog: &Catalog,
    column: &Column,
    container: &str,
    parts: &[Part],
) -> Result<String, Box<Report>> {
    let parts: Vec<&Part> = parts.iter().collect();
    Type::of(catalog, &column.declared).put(catalog, container, &parts, 0)
}

/// A new value of the column of which only parts are given.
pub(crate) fn of_nothing(
    catalog: &Catalog,
    column: &Column,
    parts: &[Part],
) -> Result<String, Box<Report>> {
    let kind = Type::of(catalog, &column.declared);
    let parts: Vec<&Part> = parts.iter().collect();
    let base = kind.base();
    let nothing = format!("CAST(NULL AS {})", base.name());
    let value = base.put(catalog, &nothing, &parts, 0)?;
    Ok(kind.in_domain(catalog, value))
}

/// The type that a part of the column has, as declared.
pub(crate) fn leaf(
    catalog: &Catalog,
    column: &Column,
    steps: &[Step],
) -> Result<String, Box<Report>> {
    let mut kind = Type::of(catalog, &column.declared);
    for step in steps {
        kind = kind.part(catalog, step)?;
    }
    Ok(kind.declared)
}

/// A type as far as its parts can be assigned to.
struct Type {
    /// As a column is declared of it.
    declared: String,
    shape: Shape,
}

enum Shape {
    /// An array of that type.
    Array(String),
    Json,
    Row(Arc<Relation>),
    Domain(Box<Type>),
    Other,
}

impl Type {
    fn of(catalog: &Catalog, declared: &str) -> Self {
        let shape = if let Some(element) = declared.strip_suffix("[]") {
            Shape::Array(element.to_owned())
        } else if declared == "jsonb" {
            Shape::Json
        } else if let Some(base) = catalog.domains.get(declared) {
            Shape::Domain(Box::new(Self::of(catalog, base)))
        } else if let Some(row) = row_type(catalog, declared) {
            Shape::Row(row)
        } else {
            Shape::Other
        };
        Self {
            declared: declared.to_owned(),
            shape,
        }
    }

    /// As a cast takes it, without a modifier.
    fn name(&self) -> String {
        plain(&self.declared)
    }

    /// What a domain is made of.
    fn base(&self) -> &Self {
        match &self.shape {
            Shape::Domain(base) => base,
            _ => self,
        }
    }

    /// A value of the base as one of the domain.
    fn in_domain(&self, catalog: &Catalog, value: String) -> String {
        match &self.shape {
            Shape::Domain(_) => {
                let (open, close) = stored_as(catalog, &self.declared);
                format!("{open}{value}{close}")
            }
            _ => value,
        }
    }

    fn refused(&self) -> Box<Report> {
        Box::new(
            unsupported(&format!(
                "assigning to a part of a value of type {}",
                self.name()
            ))
            .hint("assign the whole value"),
        )
    }

    /// A value of it in an array: the array's column looks at the lengths, but not at a domain's.
    fn stored(&self, catalog: &Catalog) -> (String, String) {
        match &self.shape {
            Shape::Domain(_) => stored_as(catalog, &self.declared),
            _ => assigned(catalog, &self.declared),
        }
    }

    /// The type of a part.
    fn part(&self, catalog: &Catalog, step: &Step) -> Result<Self, Box<Report>> {
        let base = self.base();
        match (&base.shape, step) {
            (Shape::Row(row), Step::Field(name)) => {
                let field = row.column(name).ok_or_else(|| self.refused())?;
                Ok(Self::of(catalog, &field.declared))
            }
            (Shape::Array(_), Step::Subscripts(list)) if list.iter().any(|s| s.slice) => {
                Ok(Self::of(catalog, &base.declared))
            }
            (Shape::Array(element), Step::Subscripts(_)) => Ok(Self::of(catalog, element)),
            (Shape::Json, Step::Subscripts(_)) => Ok(Self::of(catalog, &base.declared)),
            _ => Err(self.refused()),
        }
    }

    /// `container` of this type with parts assigned whose ways go on at `at`.
    fn put(
        &self,
        catalog: &Catalog,
        container: &str,
        parts: &[&Part],
        at: usize,
    ) -> Result<String, Box<Report>> {
        match &self.shape {
            Shape::Row(row) => return self.put_fields((catalog, row), container, parts, at),
            Shape::Domain(base) => {
                let container = format!("CAST({container} AS {})", base.name());
                return Ok(self.in_domain(catalog, base.put(catalog, &container, parts, at)?));
            }
            Shape::Array(_) | Shape::Json | Shape::Other => {}
        }
        let mut value = container.to_owned();
        for part in parts {
            let Some(Step::Subscripts(list)) = part.steps.get(at) else {
                return Err(self.refused());
            };
            value = match &self.shape {
                Shape::Json if part.steps.len() == at + 1 => self.put_key(&value, list, part)?,
                Shape::Array(_) if list.iter().any(|s| s.slice) => {
                    self.put_slice((catalog, &value), list, part, at)?
                }
                Shape::Array(element) => {
                    let element = Self::of(catalog, element);
                    put_element((catalog, &element), &value, list, part, at)?
                }
                _ => return Err(self.refused()),
            };
        }
        Ok(value)
    }

    /// A row with new values in some of its fields. The old one is computed once.
    fn put_fields(
        &self,
        (catalog, row): (&Catalog, &Relation),
        container: &str,
        parts: &[&Part],
        at: usize,
    ) -> Result<String, Box<Report>> {
        for part in parts {
            match part.steps.get(at) {
                Some(Step::Field(name)) if row.column(name).is_some() => {}
                Some(Step::Field(name)) => return Err(part.no_field(row, name, at)),
                _ => return Err(self.refused()),
            }
        }
        let mut fields = Vec::with_capacity(row.columns.len());
        for column in &row.columns {
            let own: Vec<&Part> = parts
                .iter()
                .filter(|p| matches!(p.steps.get(at), Some(Step::Field(n)) if *n == column.name))
                .copied()
                .collect();
            let old = format!("(pgdraft_x.pgdraft_c).{}", q(&column.name));
            fields.push(match own.as_slice() {
                [] => old,
                [part] if part.steps.len() == at + 1 => stored(catalog, &part.value, column),
                own => {
                    let kind = Self::of(catalog, &column.declared);
                    stored(catalog, &kind.put(catalog, &old, own, at + 1)?, column)
                }
            });
        }
        Ok(format!(
            "(SELECT CAST(ROW({}) AS {}) FROM (SELECT {container} AS pgdraft_c OFFSET 0) AS pgdraft_x)",
            list(fields),
            self.name()
        ))
    }

    fn put_slice(
        &self,
        (catalog, container): (&Catalog, &str),
        list: &[Subscript],
        part: &Part,
        at: usize,
    ) -> Result<String, Box<Report>> {
        let whole = list
            .iter()
            .all(|s| s.upper.is_some() && (!s.slice || s.lower.is_some()));
        if part.steps.len() != at + 1 || list.len() > SUBSCRIPTS_MAX || !(whole || list.len() == 1)
        {
            return Err(self.refused());
        }
        let bounds = |of: &dyn Fn(&Subscript) -> Option<String>| {
            self::list(list.iter().map(|s| {
                let bound = of(s).unwrap_or_else(|| "NULL".to_owned());
                format!("CAST({bound} AS pg_catalog.int4)")
            }))
        };
        // beside a slice a lone subscript means the slice from 1 on
        let lower = bounds(&|s| {
            s.lower
                .clone()
                .or_else(|| (!s.slice).then(|| "1".to_owned()))
        });
        let upper = bounds(&|s| s.upper.clone());
        let given = |bound: fn(&Subscript) -> bool| list.iter().all(bound);
        let (open, close) = assigned(catalog, &self.declared);
        Ok(format!(
            "pgdraft.put_slice({container}, ARRAY[{lower}], ARRAY[{upper}], {}, {}, {open}{}{close})",
            given(|s| !s.slice || s.lower.is_some()),
            given(|s| s.upper.is_some()),
            part.value,
        ))
    }

    fn put_key(
        &self,
        container: &str,
        list: &[Subscript],
        part: &Part,
    ) -> Result<String, Box<Report>> {
        let keys: Vec<&str> = list.iter().filter_map(|s| s.upper.as_deref()).collect();
        let [first, ..] = keys.as_slice() else {
            return Err(self.refused());
        };
        if keys.len() > SUBSCRIPTS_MAX || list.iter().any(|s| s.slice) {
            return Err(self.refused());
        }
        let texts = keys.iter().map(|k| format!("pgdraft.subscript({k})"));
        Ok(format!(
            "pgdraft.put_key({container}, pgdraft.is_number({first}), ARRAY[{}], CAST({} AS pg_catalog.jsonb))",
            self::list(texts),
            part.value
        ))
    }
}

fn put_element(
    (catalog, element): (&Catalog, &Type),
    container: &str,
    list: &[Subscript],
    part: &Part,
    at: usize,
) -> Result<String, Box<Report>> {
    let mut at_each = Vec::with_capacity(list.len());
    for subscript in list {
        let upper = subscript.upper.as_ref().ok_or_else(mismatch)?;
        at_each.push(format!("CAST({upper} AS pg_catalog.int4)"));
    }
    if list.len() > SUBSCRIPTS_MAX {
        return Err(element.refused());
    }
    let subscripts = self::list(at_each.clone());
    if part.steps.len() == at + 1 {
        let (open, close) = element.stored(catalog);
        return Ok(format!(
            "pgdraft.put_element({container}, ARRAY[{subscripts}], {open}{}{close})",
            part.value
        ));
    }
    let present: String = at_each.iter().map(|s| format!("[{s}]")).collect();
    let old = format!("(pgdraft_x.pgdraft_c){present}");
    let new = element.put(catalog, &old, &[part], at + 1)?;
    Ok(format!(
        "(SELECT pgdraft.put_element(pgdraft_x.pgdraft_c, ARRAY[{subscripts}], {new}) FROM (SELECT {container} AS pgdraft_c OFFSET 0) AS pgdraft_x)"
    ))
}

/// The row type of that name, quoted where it has to be.
pub(crate) fn row_type(catalog: &Catalog, name: &str) -> Option<Arc<Relation>> {
    let (schema, rest) = identifier(name)?;
    // a bare name is one of pg_catalog
    let (name, end) = identifier(rest.strip_prefix('.')?)?;
    end.is_empty().then_some(())?;
    catalog.relation(&schema, &name).cloned()
}

/// The first identifier of a text, unquoted, and what follows it.
fn identifier(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (name, _) = text.split_once('.').unwrap_or((text, ""));
        return Some((name.to_owned(), text.get(name.len()..)?));
    };
    let mut name = String::new();
    let mut rest = quoted;
    loop {
        let (piece, after) = rest.split_once('"')?;
        name.push_str(piece);
        match after.strip_prefix('"') {
            Some(after) => {
                name.push('"');
                rest = after;
            }
            None => return Some((name, after)),
        }
    }
}

/// `ROW(…)` as a value of a row type, every field as it is assigned; `None` where the type
/// is no row that the catalog knows.
pub(crate) fn row_value(
    (work, edits): Edited<'_>,
    declared: &str,
    row: &RowExpr,
    tokens: Range<usize>,
) -> Result<Option<String>, Box<Report>> {
    let catalog = work.context.catalog;
    let kind = Type::of(catalog, declared);
    let Shape::Row(relation) = &kind.base().shape else {
        return Ok(None);
    };
    let all = &work.statement.tokens;
    let open = tokens
        .clone()
        .find(|i| all.get(*i).is_some_and(|t| t.is(Kind::Ascii40)))
        .ok_or_else(mismatch)?;
    let depth = all.get(open).ok_or_else(mismatch)?.depth;
    let items = all.split_commas(open + 1..tokens.end.saturating_sub(1), depth + 1);
    if items.len() != row.args.len() || items.len() != relation.columns.len() {
        return Ok(None);
    }
    let mut fields = Vec::with_capacity(items.len());
    for ((item, node), field) in items.into_iter().zip(&row.args).zip(&relation.columns) {
        let inner = match node.node.as_ref() {
            Some(NodeEnum::RowExpr(inner)) => {
                row_value((work, edits), &field.declared, inner, item.clone())?
            }
            _ => None,
        };
        let value = match inner {
            Some(value) => value,
            None => format!("({})", work.text(item, edits)?),
        };
        fields.push(stored(catalog, &value, field));
    }
    Ok(Some(format!(
        "CAST(ROW({}) AS {})",
        list(fields),
        kind.base().name()
    )))
}
