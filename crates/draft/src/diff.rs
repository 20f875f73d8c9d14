//! What a session changed: one row a changed row, before and after.

use catalog::{Column, SessionId, quote_identifier};

use crate::Draft;
use crate::text::{
    aliased, as_json, column, columns, equal, has_negative_zero, image, join, key_columns,
    operator, record,
};

mod fingerprint;
mod images;
mod relation;
mod summary;

pub use fingerprint::fingerprint;
pub use images::key_values;
pub(crate) use images::{Hidden, Images};
pub use relation::{drop_functions, function_name, functions};
pub use summary::summary;

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The draft made it.
    Added,
    /// The draft changed it.
    Modified,
    /// The draft removed it.
    Removed,
}

impl Kind {
    /// What [`Kind::as_str`] gives.
    pub fn named(text: &str) -> Self {
        match text {
            "added" => Self::Added,
            "removed" => Self::Removed,
            _ => Self::Modified,
        }
    }

    /// `added`, `modified` or `removed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Modified => "modified",
            Self::Removed => "removed",
        }
    }
}

/// Which rows of a diff, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// What this operation did, not what is left of it in the end.
    pub operation: Option<i64>,
    /// What each operation did, one row for each operation on a row.
    pub steps: bool,
    /// Rows of this kind.
    pub kind: Option<Kind>,
    /// The row with this primary key: one text for each column; other keys where it is empty.
    pub key: Vec<String>,
    /// At most so many rows of a table.
    pub rows_max: Option<u32>,
    /// Long values too are shown whole.
    pub whole: bool,
}

/// The diff of one table in key order, step by step in the order of the operations. Columns:
/// `operation` text (step by step the one that changed the row, otherwise the last one), `op`
/// bigint (its number), `diff_type` text (`added`, `modified`, `removed`), `primary_key`, `from_row`,
/// `to_row` (JSON objects as text; the last two may be NULL), `changed_columns` text[].
///
/// A truncated table's rows are read from the base and appear as removed; a key that the draft gave
/// a new row appears twice then. Rows that ended as they were, or were added and removed again, do
/// not appear. A row of the head without a log row (which no statement of ours leaves) appears, so
/// that nothing that a commit would apply is hidden.
pub fn rows(draft: &Draft<'_>, sid: SessionId, filter: &Filter) -> String {
    rows_of(draft, &sid.0.to_string(), filter)
}

fn rows_of(draft: &Draft<'_>, sid: &str, filter: &Filter) -> String {
    let images = Images::of(draft, sid, filter);
    let stored = || draft.relation.writable();
    let image = |value: &dyn Fn(&Column) -> String| {
        json(stored(), |c| {
            if filter.whole && !has_negative_zero(c) {
                value(c)
            } else {
                shortened(&value(c), c)
            }
        })
    };
    let mut rows = Select {
        draft,
        alias: images.key,
        kind: images.kind(),
        from_row: format!(
            "CASE WHEN x.before THEN {} END",
            image(&|c| images.before(c))
        ),
        to_row: format!("CASE WHEN x.after THEN {} END", image(&|c| images.after(c))),
        changed: images.changed_columns(),
        from: &images.from,
        which: images.which(filter),
    }
    .text(sid);
    if filter.kind.is_none_or(|kind| kind == Kind::Removed) {
        let hidden = Hidden::of(draft, sid, filter);
        let of_base = Select {
            draft,
            alias: "b",
            kind: "'removed'".to_owned(),
            from_row: image(&|c| column("b", &c.name)),
            to_row: "NULL".to_owned(),
            changed: format!("ARRAY[{}]::text[]", names(draft)),
            from: &hidden.from,
            which: hidden.which,
        };
        rows = format!("{rows}\nUNION ALL\n{}", of_base.text(sid));
    }
    let keys = 1..=key_columns(draft.relation).len();
    let mut order: Vec<String> = keys.map(|i| format!("pgdraft_k{i}")).collect();
    if filter.steps {
        order.insert(0, "op".to_owned());
    }
    let limit = filter
        .rows_max
        .map(|rows| format!(" LIMIT {rows}"))
        .unwrap_or_default();
    format!(
        "{}{rows}\nORDER BY {}{limit}",
        images.with,
        order.join(", ")
    )
}

/// The parts of one SELECT of a diff.
struct Select<'a, 'b> {
    draft: &'b Draft<'a>,
    /// What has the key.
    alias: &'b str,
    kind: String,
    from_row: String,
    to_row: String,
    changed: String,
    from: &'b str,
    which: String,
}

impl Select<'_, '_> {
    fn text(&self, sid: &str) -> String {
        let key = || {
            self.draft
                .relation
                .writable()
                .filter(|c| is_key(self.draft, c))
        };
        format!(
            "SELECT coalesce(p.name, x.op::text) AS operation, x.op,
    {} AS diff_type,
    {}::text AS primary_key,
    {}::text AS from_row,
    {}::text AS to_row,
    {} AS changed_columns,
    {}
FROM {}
LEFT JOIN pgdraft.operations p ON p.sid = {sid} AND p.op = x.op
WHERE {}",
            self.kind,
            json(key(), |c| column(self.alias, &c.name)),
            self.from_row,
            self.to_row,
            self.changed,
            match self.draft.relation.key() {
                // A base row without a key has no number either.
                None if self.alias == "b" => "NULL".to_owned(),
                _ => aliased(self.alias, key_columns(self.draft.relation), "pgdraft_k"),
            },
            self.from,
            self.which,
        )
    }
}

/// `'id', 'name'`.
fn names(draft: &Draft<'_>) -> String {
    join(
        ", ",
        draft.relation.writable().map(|c| &c.name),
        catalog::quote_literal,
    )
}

/// The same where the session is an expression.
fn first_of(draft: &Draft<'_>, sid: &str) -> String {
    let key = columns("l", key_columns(draft.relation));
    format!(
        "SELECT DISTINCT ON ({key}) l.* FROM {} l WHERE l.pgdraft_sid = {sid} ORDER BY {key}, l.pgdraft_op",
        draft.log()
    )
}

fn is_key(draft: &Draft<'_>, column: &Column) -> bool {
    key_columns(draft.relation).contains(&column.name)
}

/// A JSON object of columns; a subselect, because functions take 100 arguments at most.
fn json<'a>(
    columns: impl IntoIterator<Item = &'a Column>,
    value: impl Fn(&Column) -> String,
) -> String {
    let list: Vec<String> = columns
        .into_iter()
        .map(|c| format!("{} AS {}", value(c), quote_identifier(&c.name)))
        .collect();
    format!(
        "(SELECT to_jsonb(pgdraft_row) FROM (SELECT {}) pgdraft_row)",
        list.join(", ")
    )
}

/// Values of more characters than this are shortened.
const VALUE_CHARS_MAX: usize = 1000;

/// What is left of them, before their length.
const SHORTENED_CHARS: usize = 200;

/// Types whose values are never long, by `pg_type.oid`.
const SHORT_TYPES: [u32; 17] = [
    16, 18, 19, 20, 21, 23, 26, 700, 701, 790, 1082, 1083, 1114, 1184, 1186, 1266, 2950,
];

/// A value as JSON; a long one as its beginning and its length.
fn shortened(value: &str, column: &Column) -> String {
    if has_negative_zero(column) {
        return as_json(value, column);
    }
    if SHORT_TYPES.contains(&column.type_id) {
        return value.to_owned();
    }
    format!(
        "(SELECT CASE WHEN length(s.t) > {VALUE_CHARS_MAX} THEN to_jsonb(left(s.t, {SHORTENED_CHARS}) || '… (' || length(s.t) || ' characters)') ELSE to_jsonb(s.v) END FROM (SELECT v.v, v.v::text AS t FROM (SELECT {value} AS v) v) s)"
    )
}
