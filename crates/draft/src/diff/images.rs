//! Two images of a row, before and after: of the whole session, or of each operation on its own.

use catalog::{Column, Relation, quote_literal};

use super::{Filter, Kind, equal, first_of, image, operator, record};
use crate::Draft;
use crate::text::{NOT_IDENTICAL, column, columns, key_columns, same_base, same_key, truncated};

/// A FROM clause and what stands in it. `x` holds `op` (number of the operation), `before` and
/// `after` (whether the row exists then).
pub(crate) struct Images<'a, 'b> {
    draft: &'b Draft<'a>,
    steps: bool,
    /// `WITH …`, or nothing.
    pub(crate) with: String,
    /// Without the word FROM.
    pub(crate) from: String,
    /// Alias that has the key.
    pub(crate) key: &'static str,
    /// What always holds.
    holds: String,
}

impl<'a, 'b> Images<'a, 'b> {
    /// Those a filter asks for.
    pub(crate) fn of(draft: &'b Draft<'a>, sid: &str, filter: &Filter) -> Self {
        if filter.steps || filter.operation.is_some() {
            Self::steps(draft, sid)
        } else {
            Self::net(draft, sid)
        }
    }

    /// From the first image of a session to its last. `sid` is an expression.
    pub(crate) fn net(draft: &'b Draft<'a>, sid: &str) -> Self {
        Self {
            draft,
            steps: false,
            with: format!("WITH f AS ({})\n", first_of(draft, sid)),
            from: format!(
                "{} h LEFT JOIN f ON {} CROSS JOIN LATERAL (SELECT h.pgdraft_op AS op, NOT coalesce(f.pgdraft_kind = 'I', h.pgdraft_new) AS before, h.pgdraft_live AS after) x",
                draft.table(),
                same_key(draft.relation, "f", "h")
            ),
            key: "h",
            holds: format!("h.pgdraft_sid = {sid}"),
        }
    }

    /// What each operation did to each row. The after-image of an operation is the before-image of
    /// the next one on the row, or else the head.
    pub(crate) fn steps(draft: &'b Draft<'a>, sid: &str) -> Self {
        let key = columns("l", key_columns(draft.relation));
        Self {
            draft,
            steps: true,
            with: String::new(),
            from: format!(
                "(SELECT l.*, lead(l.pgdraft_op) OVER (PARTITION BY {key} ORDER BY l.pgdraft_op) AS pgdraft_next FROM {log} l WHERE l.pgdraft_sid = {sid}) l
JOIN {head} h ON h.pgdraft_sid = l.pgdraft_sid AND {same_head}
LEFT JOIN {log} n ON n.pgdraft_sid = l.pgdraft_sid AND n.pgdraft_op = l.pgdraft_next AND {same_next}
CROSS JOIN LATERAL (SELECT l.pgdraft_op AS op, l.pgdraft_kind <> 'I' AS before, CASE WHEN l.pgdraft_next IS NULL THEN h.pgdraft_live ELSE n.pgdraft_kind <> 'I' END AS after) x",
                log = draft.log(),
                head = draft.table(),
                same_head = same_key(draft.relation, "h", "l"),
                same_next = same_key(draft.relation, "n", "l"),
            ),
            key: "l",
            holds: "true".to_owned(),
        }
    }

    /// A column before.
    pub(crate) fn before(&self, of: &Column) -> String {
        column(if self.steps { "l" } else { "f" }, &of.name)
    }

    /// A column after; a domain's value as the type it is made of, as the log has it.
    pub(crate) fn after(&self, of: &Column) -> String {
        let head = match &of.base_type {
            Some(base) => format!("{}::{base}", column("h", &of.name)),
            None => column("h", &of.name),
        };
        if self.steps {
            let next = column("n", &of.name);
            format!("CASE WHEN l.pgdraft_next IS NULL THEN {head} ELSE {next} END")
        } else {
            head
        }
    }

    /// `added`, `modified` or `removed`.
    pub(crate) fn kind(&self) -> String {
        "CASE WHEN NOT x.before THEN 'added' WHEN x.after THEN 'modified' ELSE 'removed' END".into()
    }

    /// The column is not what it was.
    pub(crate) fn differs(&self, of: &Column) -> String {
        format!(
            "{} {NOT_IDENTICAL} {}",
            record(&[self.after(of)]),
            record(&[self.before(of)])
        )
    }

    /// Names of the columns that differ; of an added or removed row all.
    pub(crate) fn changed_columns(&self) -> String {
        let stored: Vec<&Column> = self.draft.relation.writable().collect();
        let all = super::names(self.draft);
        let changed: Vec<String> = stored
            .iter()
            .map(|c| {
                format!(
                    "CASE WHEN {} THEN {} END",
                    self.differs(c),
                    quote_literal(&c.name)
                )
            })
            .collect();
        format!(
            "CASE WHEN x.before AND x.after THEN array_remove(ARRAY[{}]::text[], NULL) ELSE ARRAY[{all}]::text[] END",
            changed.join(", ")
        )
    }

    /// The rows that appear, and of those the ones asked for.
    pub(crate) fn which(&self, filter: &Filter) -> String {
        let mut all = vec![self.holds.clone(), self.appears()];
        all.extend(filter.operation.map(|op| format!("x.op = {op}")));
        all.extend(filter.kind.map(|kind| {
            match kind {
                Kind::Added => "NOT x.before",
                Kind::Modified => "x.before AND x.after",
                Kind::Removed => "NOT x.after",
            }
            .to_owned()
        }));
        all.extend(has_key(self.draft, self.key, &filter.key));
        all.join(" AND ")
    }

    /// Something is not as it was.
    fn appears(&self) -> String {
        let stored = || self.draft.relation.writable();
        let differs = if self.steps {
            let after: Vec<String> = stored().map(|c| self.after(c)).collect();
            format!(
                "{} {NOT_IDENTICAL} {}",
                record(&after),
                image("l", stored(), false)
            )
        } else {
            format!(
                "(f.pgdraft_kind IS NULL OR {} {NOT_IDENTICAL} {})",
                image("h", stored(), true),
                image("f", stored(), false)
            )
        };
        format!("CASE WHEN x.before AND x.after THEN {differs} ELSE x.before OR x.after END")
    }
}

/// Rows of a base that a session has truncated away and not changed before: they are in no head.
/// `b` is the base, `x.op` the operation.
pub(crate) struct Hidden {
    /// Without the word FROM.
    pub(crate) from: String,
    pub(crate) which: String,
}

impl Hidden {
    pub(crate) fn of(draft: &Draft<'_>, sid: &str, filter: &Filter) -> Self {
        let mut which = vec![
            truncated(draft.id, sid),
            format!(
                "NOT EXISTS (SELECT FROM {} h WHERE h.pgdraft_sid = {sid} AND NOT h.pgdraft_new AND {})",
                draft.table(),
                same_base(draft.relation, "h", "b")
            ),
        ];
        which.extend(filter.operation.map(|op| format!("x.op = {op}")));
        which.extend(has_key(draft, "b", &filter.key));
        Self {
            from: format!(
                "{} b CROSS JOIN (SELECT min(x.op) AS op FROM pgdraft.truncations x WHERE x.sid = {sid} AND x.table_id = {}) x",
                draft.relation.only(),
                draft.id.0
            ),
            which: which.join(" AND "),
        }
    }
}

/// The row has this key, by the equality of the key's types.
fn has_key(draft: &Draft<'_>, alias: &str, key: &[String]) -> Vec<String> {
    let Some(primary) = draft.relation.key() else {
        return Vec::new();
    };
    let typed = typed(draft.relation, key).enumerate();
    typed
        .map(|(place, (name, value))| equal(operator(primary, place), &column(alias, name), &value))
        .collect()
}

/// The values of a key, `SELECT '7'::integer`: an error where one is not a value of its column.
pub fn key_values(relation: &Relation, key: &[String]) -> String {
    let values: Vec<String> = typed(relation, key).map(|(_, value)| value).collect();
    format!("SELECT {}", values.join(", "))
}

/// Columns of the primary key and the values that a key gives them.
fn typed<'a>(
    relation: &'a Relation,
    key: &'a [String],
) -> impl Iterator<Item = (&'a String, String)> {
    let columns = relation.key().map_or(&[][..], |primary| &primary.columns);
    columns.iter().zip(key).map(|(name, value)| {
        let kind = relation
            .column(name)
            .map_or("text", |c| c.base_type.as_deref().unwrap_or(&c.type_name));
        (name, format!("{}::{kind}", quote_literal(value)))
    })
}
