//! Stage `actions`: CASCADE, SET NULL and SET DEFAULT on the children's heads.

use catalog::{ForeignKey, ROW_COLUMN, ReferentialAction, Relation, RelationId, quote_literal};

use super::parent::{Change, changes_in_place, gone, left_with_the_key, refers};
use super::{Event, Step, acts, child_head, keys};
use crate::Draft;
use crate::text::{
    aliased, column, columns, equal, head_table, key_columns, log_table, same_key, writable,
};

/// CASCADE, SET NULL and SET DEFAULT on the children's heads.
pub(super) fn actions(draft: &Draft<'_>, event: Event) -> Vec<Step> {
    let mut steps = Vec::new();
    for key in ordered(draft) {
        let Some((child, id)) = child_head(draft, key) else {
            let child = draft.relation(key.child);
            let acts = acts(key.on_delete) || acts(key.on_update);
            if acts && child.is_some_and(|c| crate::check(c).is_ok()) {
                // The trigger is there before the child's head, whose making then takes no lock on this one.
                steps.push(Step::Nothing);
            }
            continue;
        };
        for change in [Change::Removed, Change::Updated, Change::Moved] {
            let action = match change {
                Change::Removed => key.on_delete,
                Change::Updated | Change::Moved => key.on_update,
            };
            if !acts(action) || (change == Change::Updated && !changes_in_place(draft, key)) {
                continue;
            }
            let write = Write {
                draft,
                event,
                key,
                child,
                id,
                action,
                change,
            };
            let step = Step::Run(write.text());
            steps.push(match change {
                Change::Updated => step,
                Change::Removed | Change::Moved => Step::Gone(Box::new(step)),
            });
        }
    }
    steps
}

/// PostgreSQL does what all foreign keys of a table ask for before the rows that this changed act on
/// others. Here an action is followed to its end, so a table that refers to another one goes first.
fn ordered<'a>(draft: &Draft<'a>) -> Vec<&'a ForeignKey> {
    let mut left: Vec<&ForeignKey> = draft.relation.referenced_by.iter().map(|k| &**k).collect();
    let mut found = Vec::with_capacity(left.len());
    let refers = |from: RelationId, to: RelationId| {
        let child = draft.relation(from);
        from != to && child.is_some_and(|c| c.foreign_keys.iter().any(|k| k.parent == to))
    };
    while !left.is_empty() {
        let free = |key: &&ForeignKey| !left.iter().any(|other| refers(other.child, key.child));
        // of a circle the oldest goes first
        let next = left.iter().position(free).unwrap_or(0);
        found.push(left.remove(next));
    }
    found
}

/// Moved rows and the rows they became. Which is which is not recorded, so only what is certain
/// counts: rows that the same statement wrote (the same transaction and command), and of these
///
/// * in an agent's statement, the one live row, if one row moved and one live row was written;
/// * in a statement of a parent's action, which changes the columns of one foreign key only, the
///   row with the same values in the rest of the key, if there is one such pair.
fn moved(draft: &Draft<'_>, event: Event, key: &ForeignKey) -> String {
    let was_live = if event == Event::Update {
        "o.pgdraft_live AND "
    } else {
        ""
    };
    let from = match event {
        Event::Insert => "pgdraft_n n".to_owned(),
        Event::Update => draft.pairs(event),
    };
    let head = draft.table();
    let primary = key_columns(draft.relation);
    let rest: String = rest_of_key(draft)
        .iter()
        .map(|(op, name)| format!(" AND {}", equal(op, &column("p", name), &column("h", name))))
        .collect();
    format!(
        "SELECT m.* FROM (SELECT n.pgdraft_sid, n.pgdraft_op, {}, {}, pg_catalog.count(*) OVER () AS pgdraft_pairs, pg_catalog.count(*) OVER (PARTITION BY {}) AS pgdraft_became, pg_catalog.count(*) OVER (PARTITION BY {}) AS pgdraft_was FROM {from} JOIN {head} h ON h.pgdraft_sid = n.pgdraft_sid AND {} JOIN {head} p ON p.pgdraft_sid = n.pgdraft_sid AND p.pgdraft_live AND p.xmin = h.xmin AND p.cmin = h.cmin AND (pg_catalog.pg_trigger_depth() = 1 OR (true{rest})) WHERE {was_live}NOT n.pgdraft_live AND n.pgdraft_moved{}) m WHERE CASE WHEN pg_catalog.pg_trigger_depth() = 1 THEN m.pgdraft_pairs = 1 ELSE m.pgdraft_became = 1 AND m.pgdraft_was = 1 END",
        aliased("n", &key.parent_columns, "pgdraft_k"),
        aliased("p", &key.parent_columns, "pgdraft_w"),
        columns("h", primary),
        columns("p", primary),
        same_key(draft.relation, "h", "n"),
        left_with_the_key(draft, key)
    )
}

/// Key columns that no parent's action changes, with their equality.
fn rest_of_key<'a>(draft: &Draft<'a>) -> Vec<(&'a str, &'a str)> {
    let Some(key) = draft.relation.key() else {
        return Vec::new();
    };
    let changes = |name: &String| {
        draft
            .relation
            .foreign_keys
            .iter()
            .any(|k| acts(k.on_update) && k.child_columns.contains(name))
    };
    key.columns
        .iter()
        .enumerate()
        .filter(|(_, name)| !changes(name))
        .map(|(i, name)| (crate::text::operator(key, i), name.as_str()))
        .collect()
}

/// One action on the merged children of the changed parent rows.
struct Write<'a, 'b> {
    draft: &'b Draft<'a>,
    event: Event,
    key: &'b ForeignKey,
    child: &'a Relation,
    id: catalog::DraftTableId,
    action: ReferentialAction,
    change: Change,
}

impl Write<'_, '_> {
    fn text(&self) -> String {
        let g = if self.change == Change::Moved && self.action == ReferentialAction::Cascade {
            moved(self.draft, self.event, self.key)
        } else {
            gone(self.draft, self.event, self.key, self.change)
        };
        let head = head_table(self.id);
        let names = self.stored();
        let refers = refers(self.draft, self.key);
        let news: Vec<String> = (1..=self.key.parent_columns.len())
            .map(|i| format!("g.pgdraft_w{i}"))
            .collect();
        let (own, news) = (columns("c", &names), news.join(", "));
        let base = self.of_base();
        let k = format!(
            "SELECT g.pgdraft_sid, g.pgdraft_op, false AS pgdraft_new, {base}, {news} FROM g JOIN {} c ON {refers}{} UNION ALL SELECT g.pgdraft_sid, g.pgdraft_op, c.pgdraft_new, {own}, {news} FROM g JOIN {head} c ON c.pgdraft_sid = g.pgdraft_sid AND c.pgdraft_live AND {refers}",
            self.child.only(),
            self.draft.not_shadowed(self.child, "c", "g")
        );
        let set = self.values();
        let removes = self.action == ReferentialAction::Cascade && self.change == Change::Removed;
        let moves = set
            .iter()
            .any(|(name, _)| key_columns(self.child).contains(name));
        let kind = if removes || moves { 'D' } else { 'U' };
        let write = if moves {
            self.move_rows(&set)
        } else {
            self.change_rows(&set, removes)
        };
        let list = columns("", &names);
        format!(
            "WITH g AS MATERIALIZED ({g}), k AS MATERIALIZED ({k}), l AS (INSERT INTO {} (pgdraft_sid, pgdraft_op, pgdraft_kind, {list}) SELECT k.pgdraft_sid, k.pgdraft_op, '{kind}', {} FROM k ON CONFLICT DO NOTHING) {write}",
            log_table(self.id),
            columns("k", &names)
        )
    }

    /// Columns of the child's head that are written.
    fn stored(&self) -> Vec<&str> {
        let mut names = writable(self.child);
        if self.child.key().is_none() {
            names.push(ROW_COLUMN);
        }
        names
    }

    /// The same of a row `c` of the base, which cannot be changed where it has no key.
    fn of_base(&self) -> String {
        let own = columns("c", writable(self.child));
        match self.child.key() {
            Some(_) => own,
            None => format!(
                "{own}, pgdraft.keyless_row({}, {}) AS {ROW_COLUMN}",
                quote_literal(&self.child.schema),
                quote_literal(&self.child.name)
            ),
        }
    }

    /// Child columns that get another value, with the expression.
    fn values(&self) -> Vec<(String, String)> {
        let chosen = |name: &String| {
            self.change != Change::Removed
                || self.key.set_columns.is_empty()
                || self.key.set_columns.contains(name)
        };
        self.key
            .child_columns
            .iter()
            .enumerate()
            .filter_map(|(i, name)| {
                let value = match self.action {
                    ReferentialAction::NoAction | ReferentialAction::Restrict => return None,
                    ReferentialAction::Cascade if self.change == Change::Removed => return None,
                    ReferentialAction::Cascade => format!("k.pgdraft_w{}", i + 1),
                    ReferentialAction::SetNull | ReferentialAction::SetDefault if !chosen(name) => {
                        return None;
                    }
                    ReferentialAction::SetNull => self.null(name),
                    ReferentialAction::SetDefault => self
                        .child
                        .column(name)
                        .and_then(|c| self.child.draft_default(c))
                        .unwrap_or_else(|| self.null(name)),
                };
                Some((name.clone(), value))
            })
            .collect()
    }

    fn null(&self, name: &str) -> String {
        let declared = self.child.column(name).map(|c| c.declared.as_str());
        format!("NULL::{}", declared.unwrap_or("text"))
    }

    /// The rows' images after the action, in the order of the writable columns.
    fn images(&self, set: &[(String, String)]) -> String {
        crate::text::join(", ", self.stored(), |name| {
            set.iter()
                .find(|(column, _)| column == name)
                .map_or_else(|| column("k", name), |(_, value)| format!("({value})"))
        })
    }

    fn change_rows(&self, set: &[(String, String)], removes: bool) -> String {
        let primary = key_columns(self.child);
        let names = self.stored();
        let updates: String = names
            .iter()
            .filter(|n| !primary.iter().any(|p| p == *n))
            .map(|n| format!(", {0} = EXCLUDED.{0}", catalog::quote_identifier(n)))
            .collect();
        format!(
            "INSERT INTO {} ({}, pgdraft_sid, pgdraft_op, pgdraft_live, pgdraft_new) SELECT {}, k.pgdraft_sid, k.pgdraft_op, {}, k.pgdraft_new FROM k ON CONFLICT (pgdraft_sid, {}) DO UPDATE SET pgdraft_op = EXCLUDED.pgdraft_op, pgdraft_live = EXCLUDED.pgdraft_live, pgdraft_moved = false{updates}",
            head_table(self.id),
            columns("", &names),
            self.images(set),
            !removes,
            columns("", primary)
        )
    }

    /// The action changes the child's primary key: a tombstone for the old one, a row for the new.
    fn move_rows(&self, set: &[(String, String)]) -> String {
        let primary = key_columns(self.child);
        let names = writable(self.child);
        let list = columns("", &names);
        let updates: String = names
            .iter()
            .filter(|n| !primary.iter().any(|p| p == *n))
            .map(|n| format!(", {0} = EXCLUDED.{0}", catalog::quote_identifier(n)))
            .collect();
        let guard = self.child.key().map_or_else(
            || "true".to_owned(),
            |key| keys::guard(self.child, key, "h.pgdraft_live", "h"),
        );
        format!(
            "INSERT INTO {} AS h ({list}, pgdraft_sid, pgdraft_op, pgdraft_live, pgdraft_moved, pgdraft_new) SELECT {}, k.pgdraft_sid, k.pgdraft_op, true, false, true FROM k UNION ALL SELECT {}, k.pgdraft_sid, k.pgdraft_op, false, true, k.pgdraft_new FROM k ON CONFLICT (pgdraft_sid, {}) DO UPDATE SET pgdraft_op = EXCLUDED.pgdraft_op, pgdraft_live = CASE WHEN EXCLUDED.pgdraft_live THEN {guard} ELSE false END, pgdraft_moved = EXCLUDED.pgdraft_moved{updates}",
            head_table(self.id),
            self.images(set),
            columns("k", &names),
            columns("", primary)
        )
    }
}
