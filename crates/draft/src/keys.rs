//! Rows as a commit would leave them, and the unique keys and exclusion constraints over them: those over
//! expressions, of some rows only and DEFERRABLE ones too.
//!
//! Expressions are production's own, over bare column names. So each stands in a subquery whose FROM has
//! one item with these names.

use catalog::{Generated, Key, Relation, quote_identifier};

use crate::Own;
use crate::apply::{merged, ours};
use crate::conflict::there;
use crate::text::{
    EQUAL, NOT_IDENTICAL, column, columns, equal, equal_in, filled, join, key_columns, operator,
    record, same_base,
};

/// One key over the rows of a relation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Elements<'a> {
    pub(crate) relation: &'a Relation,
    pub(crate) key: &'a Key,
    /// An exclusion constraint.
    pub(crate) excludes: bool,
}

impl<'a> Elements<'a> {
    /// Every unique key besides the primary one, and every exclusion constraint.
    pub(crate) fn all(relation: &'a Relation) -> impl Iterator<Item = Self> {
        let of = move |excludes| {
            move |key| Self {
                relation,
                key,
                excludes,
            }
        };
        let unique = relation.unique.iter().map(of(false));
        unique.chain(relation.exclusions.iter().map(of(true)))
    }

    fn texts(&self) -> Vec<String> {
        match self.key.elements.as_slice() {
            [] => self
                .key
                .columns
                .iter()
                .map(|c| quote_identifier(c))
                .collect(),
            elements => elements.iter().map(|e| format!("({e})")).collect(),
        }
    }

    /// `pgdraft_e1`, …
    fn names(&self) -> Vec<String> {
        (1..=self.texts().len())
            .map(|i| format!("pgdraft_e{i}"))
            .collect()
    }

    fn predicate(&self, before: &str) -> String {
        let condition = self.key.predicate.as_ref();
        condition.map_or_else(String::new, |p| format!("{before}({p})"))
    }

    /// A query of the elements, as `pgdraft_e<n>`, of the one row that `row` selects; of none where the key
    /// is not about it.
    pub(crate) fn of_row(&self, row: &str) -> String {
        let values: Vec<String> = self
            .texts()
            .iter()
            .zip(self.names())
            .map(|(text, name)| format!("{text} AS {name}"))
            .collect();
        format!(
            "SELECT {} FROM ({row}) AS {}{}",
            values.join(", "),
            quote_identifier(&self.relation.name),
            self.predicate(" WHERE "),
        )
    }

    /// A query of the base's rows, called `b` in it, that are in the way of these elements of `row`.
    pub(crate) fn in_base(&self, row: &str) -> String {
        let matches = self.texts().into_iter().zip(self.names()).enumerate();
        let matches: Vec<String> = matches
            .map(|(i, (text, name))| equal_in(self.key, i, &text, &column(row, &name)))
            .collect();
        format!(
            "SELECT b.* FROM {} b WHERE {}{}",
            self.relation.only(),
            matches.join(" AND "),
            self.predicate(" AND "),
        )
    }

    /// The elements of two rows of [`Elements::of_row`] are in each other's way.
    fn clash(&self, left: &str, right: &str) -> String {
        let names = self.names();
        let parts = names
            .iter()
            .enumerate()
            .map(|(i, name)| equal_in(self.key, i, &column(left, name), &column(right, name)));
        parts.collect::<Vec<_>>().join(" AND ")
    }

    /// Rows of the draft that take a value of the key beside another row that a commit would leave:
    /// `pgdraft_k<n>` are their keys, `pgdraft_theirs` is production's row as `their` gives it of `b`, NULL
    /// where the other one is the draft's too. A list of CTEs, of which `t` has the rows; `unknown` is true
    /// of rows `b` that the draft does not know.
    pub(crate) fn taken(&self, own: &Own<'_>, their: &str, unknown: &str) -> String {
        let keys = key_columns(self.relation);
        let key = |alias: &str| {
            let names = (1..=keys.len()).map(|i| format!("{alias}.pgdraft_k{i}"));
            names.collect::<Vec<_>>().join(", ")
        };
        let is = |alias: &str, other: &dyn Fn(usize, &str) -> String| {
            let parts = keys.iter().enumerate().map(|(i, name)| {
                let op = self.relation.key().map_or(EQUAL, |key| operator(key, i));
                equal(op, &format!("{alias}.pgdraft_k{}", i + 1), &other(i, name))
            });
            parts.collect::<Vec<_>>().join(" AND ")
        };
        let of_base = match self.relation.key() {
            Some(_) => is("w", &|_, name| column("b", name)),
            None => "false".to_owned(),
        };
        let elements = |alias| {
            let names = self.names();
            let values: Vec<String> = names.iter().map(|name| column(alias, name)).collect();
            record(&values)
        };
        let base_row = columns("b", self.relation.columns.iter().map(|c| &c.name));
        format!(
            "w AS MATERIALIZED (SELECT {head_keys}, h.pgdraft_new OR {after} {NOT_IDENTICAL} {before} AS pgdraft_changed, NOT h.pgdraft_new AND {there} AND {moved} AS pgdraft_moved, e.*
FROM {head} h LEFT JOIN f ON {first_same} LEFT JOIN {base} b ON {base_same} CROSS JOIN LATERAL ({values}) e LEFT JOIN LATERAL ({was}) x ON true WHERE h.pgdraft_sid = {sid} AND h.pgdraft_live),
t AS (SELECT {w}, {their} AS pgdraft_theirs FROM w CROSS JOIN LATERAL ({in_base}) b WHERE w.pgdraft_changed AND NOT ({of_base}){unknown}
UNION ALL {among})",
            head_keys = crate::text::aliased("h", keys, "pgdraft_k"),
            after = elements("e"),
            before = elements("x"),
            was = self.of_row(&format!("SELECT {base_row}")),
            there = there(self.relation, "b"),
            moved = crate::conflict::moved(own),
            head = own.draft.table(),
            first_same = crate::text::same_key(self.relation, "f", "h"),
            base = self.relation.only(),
            base_same = same_base(self.relation, "b", "h"),
            values = self.of_row(&merged_row(own)),
            sid = own.sid.0,
            w = key("w"),
            in_base = self.in_base("w"),
            among = self.among(&key("w"), &is("w", &|i, _| format!("o.pgdraft_k{}", i + 1))),
        )
    }

    /// Rows of the draft that are in the way of others of it. An exclusion constraint is looked at only
    /// where the base has moved: no order of rows finds them.
    fn among(&self, key: &str, itself: &str) -> String {
        if self.excludes {
            let clash = self.clash("o", "w");
            return format!(
                "SELECT {key}, NULL FROM w JOIN w o ON o.pgdraft_moved AND {clash} AND NOT ({itself}) WHERE w.pgdraft_changed
UNION ALL SELECT {key}, NULL FROM w JOIN w o ON NOT o.pgdraft_moved AND {clash} AND NOT ({itself}) WHERE w.pgdraft_changed AND w.pgdraft_moved"
            );
        }
        let there = match self.key.nulls_not_distinct {
            true => String::new(),
            false => format!(
                " WHERE {}",
                join(" AND ", self.names(), |name| filled(&column("w", name)))
            ),
        };
        format!(
            "SELECT {key}, NULL FROM (SELECT w.*, count(*) OVER (PARTITION BY {}) AS pgdraft_rows FROM w{there}) w WHERE w.pgdraft_changed AND w.pgdraft_rows > 1",
            columns("w", self.names()),
        )
    }
}

/// A query of one row: what becomes of the row `h` of the draft beside its row `b` of the base, with
/// generated columns.
pub(crate) fn merged_row(own: &Own<'_>) -> String {
    let relation = own.draft.relation;
    let values: Vec<String> = relation
        .writable()
        .map(|c| {
            format!(
                "CASE WHEN h.pgdraft_new OR NOT ({}) THEN {} WHEN {} THEN {} ELSE {} END AS {}",
                there(relation, "b"),
                column("h", &c.name),
                ours(c),
                merged(own, c),
                column("b", &c.name),
                quote_identifier(&c.name)
            )
        })
        .collect();
    let row = format!("SELECT {}, b.tableoid AS tableoid", values.join(", "));
    let generated: String = relation
        .columns
        .iter()
        .filter(|c| c.generated != Generated::No)
        .map(|c| {
            let expression = c.default.as_deref().unwrap_or("NULL");
            let name = quote_identifier(&c.name);
            format!(", ({expression})::{} AS {name}", c.declared)
        })
        .collect();
    if generated.is_empty() {
        return row;
    }
    let name = quote_identifier(&relation.name);
    format!("SELECT {name}.*{generated} FROM ({row}) AS {name}")
}
