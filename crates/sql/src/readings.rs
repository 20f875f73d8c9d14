//! What a statement reads from production, for the record of what a decision was made on.

use std::collections::BTreeSet;

use catalog::{Relation, RelationId, RelationKind, quote_identifier as q};
use pg_query::NodeEnum;
use pg_query::protobuf::SelectStmt;

use crate::facts::Piece;
use crate::parse::{Body, Statement};
use crate::plan::Context;
use crate::resolve::{Resolved, resolve};
use crate::rewrite::noted::constant;

/// Rows of one read that are told apart; a longer one counts as a read of the table.
pub(crate) const ROWS_MAX: usize = 1_000;
/// A condition of more pieces is not kept.
const ASKED_MAX: usize = 2_000;
/// `FirstNormalObjectId`: types below it are PostgreSQL's.
const FIRST_USER_TYPE: u32 = 16_384;

/// One table that a statement reads from production.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// Rows that a query finds: its text gives the key columns, then the stored ones.
    Rows {
        /// The table.
        relation: RelationId,
        /// A query over the one table under the client's own condition, parameters with their
        /// numbers.
        text: String,
        /// How many key columns.
        key: usize,
        /// How many stored columns.
        stored: usize,
        /// The client's condition, as far as it compares columns with constants and parameters.
        asked: Vec<Asked>,
        /// It has every parameter of the client's text, in the places where that has them: the
        /// server finds the same types.
        parameters: bool,
    },
    /// Anything of the table.
    Table(RelationId),
}

/// A piece of a condition that can be asked of rows that come later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// An operator, a bracket or a type.
    Ours(String),
    /// A column of the table.
    Column(String),
    /// A constant or a parameter, in the client's words.
    Value(String),
}

impl Reading {
    /// The table.
    pub fn relation(&self) -> RelationId {
        match self {
            Self::Rows { relation, .. } | Self::Table(relation) => *relation,
        }
    }
}

/// What a statement reads. A query over one table gives its rows; of everything else (joins,
/// subqueries, volatile functions, tables that the session has changed, what a change reads besides
/// its own rows) the tables are told. The text of a refused statement reads nothing.
pub fn readings(text: &str, context: &Context<'_>) -> Vec<Reading> {
    let Ok(script) = crate::parse(text) else {
        return Vec::new();
    };
    let [statement] = script.statements.as_slice() else {
        return Vec::new();
    };
    if !matches!(
        statement.body,
        Body::Query | Body::Change(_) | Body::Copy(_)
    ) {
        return Vec::new();
    }
    let select = select(&statement.text);
    if matches!(statement.body, Body::Query) && select.is_none() && explains(&statement.text) {
        return Vec::new();
    }
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for relation in relations(statement, context) {
        for id in base_tables(&relation) {
            if seen.insert(id) {
                all.push(Reading::Table(id));
            }
        }
        if let Some(select) = &select
            && let Some(rows) = rows(statement, context, &relation, select)
        {
            return vec![rows];
        }
    }
    all
}

fn relations(statement: &Statement, context: &Context<'_>) -> Vec<std::sync::Arc<Relation>> {
    let references = statement.facts.relations.iter();
    references
        .filter_map(|r| match resolve(context, r.schema.as_deref(), &r.name) {
            Ok(Resolved::Known(relation)) => Some(relation),
            _ => None,
        })
        .collect()
}

fn base_tables(relation: &Relation) -> Vec<RelationId> {
    match (&relation.view, relation.kind) {
        (Some(view), _) => view.relations.clone(),
        (None, RelationKind::Table | RelationKind::Partitioned) => {
            let all = std::iter::once(&relation.id).chain(&relation.children);
            all.copied().collect()
        }
        (None, _) => Vec::new(),
    }
}

/// The tree of a plain SELECT.
fn select(text: &str) -> Option<Box<SelectStmt>> {
    match pg_query::parse(text, pg_query::ParserOptions::default())
        .ok()?
        .protobuf
        .stmts
        .pop()?
        .stmt?
        .node?
    {
        NodeEnum::SelectStmt(select) => Some(select),
        _ => None,
    }
}

fn explains(text: &str) -> bool {
    let word = text.trim_start().get(..7).unwrap_or_default();
    word.eq_ignore_ascii_case("explain")
}

fn rows(
    statement: &Statement,
    context: &Context<'_>,
    relation: &Relation,
    select: &SelectStmt,
) -> Option<Reading> {
    let facts = &statement.facts;
    let ([reference], [_]) = (facts.relations.as_slice(), facts.blocks.as_slice()) else {
        return None;
    };
    let plain = relation.kind == RelationKind::Table
        && relation.children.is_empty()
        && !reference.only
        && !reference.sampled
        && select.from_clause.len() == 1
        && select.with_clause.is_none()
        && facts.parts.is_empty()
        && facts.fields.is_empty()
        && !facts.into
        && !context.draft.dirty.contains_key(&relation.id)
        && facts.calls.iter().all(|call| is_harmless(&call.name));
    let key = relation.key().filter(|_| plain)?;
    let label = q(reference.label());
    let columns = |names: &mut dyn Iterator<Item = &String>| -> Vec<String> {
        names.map(|name| format!("{label}.{}", q(name))).collect()
    };
    let mut names = columns(&mut key.columns.iter());
    let stored = columns(&mut relation.writable().map(|c| &c.name));
    let (key, stored_count) = (names.len(), stored.len());
    names.extend(stored);
    let targets = self::select(&format!("SELECT {}", names.join(", ")))?.target_list;
    let record = SelectStmt {
        target_list: targets,
        from_clause: select.from_clause.clone(),
        where_clause: select.where_clause.clone(),
        limit_option: pg_query::protobuf::LimitOption::Default.into(),
        op: pg_query::protobuf::SetOperation::SetopNone.into(),
        ..SelectStmt::default()
    };
    let text = NodeEnum::SelectStmt(Box::new(record))
        .deparse(pg_query::DeparseOptions::default())
        .ok()?;
    let parameters = marks(&text) == marks(&statement.text);
    Some(Reading::Rows {
        relation: relation.id,
        text: format!("{text} LIMIT {}", ROWS_MAX + 1),
        key,
        stored: stored_count,
        asked: asked(statement, relation, reference.label()),
        parameters,
    })
}

/// The conditions of a statement's one block that compare columns of types of PostgreSQL's own: those have
/// their operators in `pg_catalog`. Each has to hold of what is read; where one is left out more rows hold.
fn asked(statement: &Statement, relation: &Relation, label: &str) -> Vec<Asked> {
    let tests = statement.facts.blocks.iter().flat_map(|block| &block.tests);
    let mut all = Vec::new();
    for test in tests {
        let pieces = test.iter().map(|piece| match piece {
            Piece::Ours(text) => Some(Asked::Ours(text.clone())),
            Piece::Column(fields) => {
                let (name, qualifiers) = fields.split_last()?;
                let own = qualifiers.last().is_none_or(|last| last == label);
                let column = relation.column(name).filter(|_| own)?;
                (column.type_id < FIRST_USER_TYPE).then(|| Asked::Column(name.clone()))
            }
            Piece::Constant(at) => {
                let bytes = constant(statement, *at)?;
                Some(Asked::Value(statement.text.get(bytes)?.to_owned()))
            }
        });
        let Some(pieces) = pieces.collect::<Option<Vec<Asked>>>() else {
            continue;
        };
        if !all.is_empty() {
            all.push(Asked::Ours(" AND ".to_owned()));
        }
        all.extend(pieces);
    }
    match all.len() > ASKED_MAX {
        true => Vec::new(),
        false => all,
    }
}

/// The parameters of a text, each time it stands there, in the order of their numbers.
fn marks(text: &str) -> Option<Vec<String>> {
    let tokens = pg_query::scan(text).ok()?.tokens;
    let param = pg_query::protobuf::Token::Param as i32;
    let mut found: Vec<String> = Vec::new();
    for token in tokens.iter().filter(|t| t.token == param) {
        let (start, end) = (
            usize::try_from(token.start).ok()?,
            usize::try_from(token.end).ok()?,
        );
        found.push(text.get(start..end)?.to_owned());
    }
    found.sort();
    Some(found)
}

/// Functions that may run twice: they change nothing and give the same the second time.
fn is_harmless(name: &str) -> bool {
    const KNOWN: [&str; 31] = [
        "abs",
        "avg",
        "btrim",
        "ceil",
        "char_length",
        "concat",
        "count",
        "date_trunc",
        "floor",
        "greatest",
        "least",
        "left",
        "length",
        "lower",
        "ltrim",
        "max",
        "md5",
        "min",
        "mod",
        "now",
        "nullif",
        "position",
        "replace",
        "right",
        "round",
        "rtrim",
        "substring",
        "sum",
        "to_char",
        "trim",
        "upper",
    ];
    KNOWN.contains(&name)
}
