//! `old` and `new` in RETURNING (PostgreSQL 18): the row as it was, from the source, and as it is,
//! from the head. Where there is none its columns are NULL.

use catalog::{Column, quote_identifier as q};
use pg_query::NodeEnum;
use pg_query::protobuf::{ReturningClause, ReturningOptionKind, Token as Kind};
use report::Report;

use super::{Returning, is_whole_target, list};
use crate::facts::ColumnUse;
use crate::rewrite::change::mismatch;
use crate::rewrite::storing::plain;
use crate::rewrite::work::Work;
use crate::splice::Edit;

/// What the change does to a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Does {
    Insert,
    Update,
    Delete,
    /// INSERT … ON CONFLICT DO UPDATE: one of two.
    Upsert,
    /// MERGE: this expression over the source says `INSERT`, `UPDATE` or `DELETE`.
    Any(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Old,
    New,
}

/// The names of both versions.
#[derive(Debug)]
pub(crate) struct Versions {
    old: String,
    new: String,
    does: Does,
}

impl Versions {
    pub(super) fn of(
        work: &Work<'_>,
        clause: Option<&ReturningClause>,
        does: Does,
    ) -> Result<Option<Self>, Box<Report>> {
        let Some(clause) = clause else {
            return Ok(None);
        };
        if work.context.catalog.server_version < 180_000 {
            return match clause.options.is_empty() {
                true => Ok(None),
                false => Err(not_yet(work)),
            };
        }
        let mut versions = Self {
            old: "old".to_owned(),
            new: "new".to_owned(),
            does,
        };
        for option in &clause.options {
            let Some(NodeEnum::ReturningOption(option)) = option.node.as_ref() else {
                return Err(mismatch());
            };
            match ReturningOptionKind::try_from(option.option) {
                Ok(ReturningOptionKind::ReturningOptionOld) => versions.old = option.value.clone(),
                Ok(ReturningOptionKind::ReturningOptionNew) => versions.new = option.value.clone(),
                _ => return Err(mismatch()),
            }
        }
        Ok(Some(versions))
    }
}

/// The error of a server that does not know RETURNING WITH.
fn not_yet(work: &Work<'_>) -> Box<Report> {
    let with = work.clauses.returning.map(|r| r + 1);
    let Some(token) = with.and_then(|w| work.statement.tokens.get(w)) else {
        return mismatch();
    };
    let word = work.statement.text.get(token.start..token.end);
    let message = format!("syntax error at or near \"{}\"", word.unwrap_or("WITH"));
    Box::new(Report::error("42601", message).position(token.start + 1))
}

/// The tokens of the list itself: `WITH (OLD AS …)` left out.
pub(super) fn behind_with(work: &Work<'_>, keyword: usize) -> std::ops::Range<usize> {
    let content = work.clauses.content(keyword);
    let tokens = &work.statement.tokens;
    let with = tokens
        .get(content.start)
        .is_some_and(|t| [Kind::With, Kind::WithLa].iter().any(|k| t.is(*k)));
    let depth = work.place.depth;
    let close = tokens.find(content.clone(), depth, |_, t| t.is(Kind::Ascii41));
    match close {
        Some(close) if with => close + 1..content.end,
        _ => content,
    }
}

impl Returning {
    /// Which version of the target a reference is qualified with.
    pub(super) fn version_of(&self, work: &Work<'_>, column: &ColumnUse) -> Option<Version> {
        let versions = self.versions.as_ref()?;
        let name = match column.fields.as_slice() {
            [name] if work.changed.shown().column(name).is_none() => name,
            [table, _] => table,
            _ => return None,
        };
        // a table of that name goes before
        if *name == work.changed.label || work.joined().any(|r| r.label() == name) {
            return None;
        }
        if *name == versions.old {
            Some(Version::Old)
        } else if *name == versions.new {
            Some(Version::New)
        } else {
            None
        }
    }

    /// Replaces such a reference: a column, all columns, or the row.
    pub(super) fn of_version(
        &mut self,
        work: &Work<'_>,
        column: &ColumnUse,
        version: Version,
    ) -> Result<(), Box<Report>> {
        let shown = std::sync::Arc::clone(work.changed.shown());
        let tokens = &work.statement.tokens;
        let first = tokens.at(column.location).ok_or_else(mismatch)?;
        let count = 2 * column.fields.len() - 1;
        let whole = is_whole_target(work, first, count);
        let label = |name: &str| match whole {
            true => format!(" AS {}", q(name)),
            false => String::new(),
        };
        let text = match column.fields.as_slice() {
            [name] => {
                let columns = shown.columns.iter();
                let row = list(columns.map(|c| work.changed.column(&c.name)));
                let row = format!("ROW({row})::{}", shown.qualified());
                let row = self.value(work, (version, &row), &shown.qualified())?;
                format!("{row}{}", label(name))
            }
            [_, star] if star == "*" => {
                let mut all = Vec::with_capacity(shown.columns.len());
                for own in &shown.columns {
                    let value = self.column_of(work, version, own)?;
                    all.push(format!("{value} AS {}", q(&own.name)));
                }
                list(all)
            }
            [_, name] => {
                let Some(own) = shown.column(name) else {
                    // PostgreSQL says so, of the original
                    return Ok(());
                };
                format!("{}{}", self.column_of(work, version, own)?, label(name))
            }
            _ => return Err(mismatch()),
        };
        let bytes = tokens.bytes(first..first + count).ok_or_else(mismatch)?;
        self.edits.push(Edit::new(bytes, text));
        Ok(())
    }

    fn column_of(
        &mut self,
        work: &Work<'_>,
        version: Version,
        own: &Column,
    ) -> Result<String, Box<Report>> {
        let column = work.changed.column(&own.name);
        self.value(work, (version, &column), &plain(&own.declared))
    }

    /// An expression over the target, of that version of its row; `kind` is its type.
    fn value(
        &mut self,
        work: &Work<'_>,
        (version, expression): (Version, &str),
        kind: &str,
    ) -> Result<String, Box<Report>> {
        let does = self.versions.as_ref().map(|v| v.does.clone());
        let nothing = || format!("CAST(NULL AS {kind})");
        let present = expression.to_owned();
        Ok(match (does.ok_or_else(mismatch)?, version) {
            (Does::Insert, Version::Old) | (Does::Delete, Version::New) => nothing(),
            (Does::Insert | Does::Update | Does::Upsert, Version::New)
            | (Does::Delete, Version::Old) => present,
            (Does::Update, Version::Old) => self.was(present),
            (Does::Any(action), Version::New) => {
                let action = self.was(action);
                format!("CASE WHEN {action} <> 'DELETE' THEN {present} END")
            }
            (Does::Any(action), Version::Old) => {
                let old = format!("CASE WHEN {action} <> 'INSERT' THEN {present} END");
                self.was(old)
            }
            (Does::Upsert, Version::Old) => {
                let met = work.changed.met();
                self.was(format!("CASE WHEN {met} THEN {present} END"))
            }
        })
    }

    /// An expression computed in the source.
    pub(super) fn was(&mut self, expression: String) -> String {
        self.joins_old = true;
        format!("pgdraft_src.{}", self.lift(expression))
    }
}
