//! Parent side of foreign keys: actions on the children, and what may not be left behind.

use catalog::{ForeignKey, ReferentialAction, Relation};

use super::child::plain_quotes;
use super::{Event, Raise, Step, acts, child_head, keys};
use crate::Draft;
use crate::text::{
    NOT_IDENTICAL, column, columns, equal, head_table, key_columns, key_detail, log_table, record,
    reference_operators, same_key, writable,
};

/// Which of the changed parent rows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    /// Removed: ON DELETE.
    Removed,
    /// Its referenced columns changed in place: ON UPDATE.
    Updated,
    /// Its primary key changed, so the old key is a tombstone: ON UPDATE.
    Moved,
}

/// CASCADE, SET NULL and SET DEFAULT on the children's heads.
pub(super) fn actions(draft: &Draft<'_>, event: Event) -> Vec<Step> {
    let mut steps = Vec::new();
    for key in &draft.relation.referenced_by {
        let Some((child, id)) = child_head(draft, key) else {
            continue;
        };
        for change in [Change::Removed, Change::Updated, Change::Moved] {
            let action = match change {
                Change::Removed => key.on_delete,
                Change::Updated | Change::Moved => key.on_update,
            };
            if !acts(action) || (change == Change::Updated && in_primary_key(draft, key)) {
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
            steps.push(Step::Run(write.text()));
        }
    }
    steps
}

/// What the end of the statement may not leave behind.
pub(super) fn checks(draft: &Draft<'_>, event: Event) -> Vec<Step> {
    let mut steps = Vec::new();
    for key in &draft.relation.referenced_by {
        let Some(child) = draft.relation(key.child) else {
            continue;
        };
        let drafted = child_head(draft, key).is_some();
        for (action, changes) in [
            (key.on_delete, &[Change::Removed][..]),
            (key.on_update, &[Change::Updated, Change::Moved][..]),
        ] {
            let changes: Vec<Change> = changes
                .iter()
                .copied()
                .filter(|c| *c != Change::Updated || !in_primary_key(draft, key))
                .filter(|c| {
                    // An action has been done for all but keys that moved in a way it cannot follow.
                    !acts(action)
                        || !drafted
                        // The default can be the very key that is gone.
                        || action == ReferentialAction::SetDefault
                        || (*c == Change::Moved && action == ReferentialAction::Cascade)
                })
                .collect();
            if changes.is_empty() {
                continue;
            }
            let query = left_behind(draft, event, key, child, action, &changes);
            steps.push(Step::Refuse {
                query,
                error: refusal(draft, key, child, action, drafted),
            });
        }
        if drafted && key.on_update == ReferentialAction::Cascade {
            steps.extend(kept_unique(draft, key, child));
        }
    }
    steps
}

/// A row whose primary key changes while others follow it and a unique key of it stays could not
/// be committed: production can have neither both rows at once, nor the new one after the removal
/// of the old one, which would take the followers along.
fn kept_unique(draft: &Draft<'_>, key: &ForeignKey, child: &Relation) -> Vec<Step> {
    let Some(id) = draft.heads.get(&child.id) else {
        return Vec::new();
    };
    let head = draft.table();
    let follows: Vec<String> = reference_operators(Some(draft.relation), key)
        .iter()
        .zip(key.parent_columns.iter().zip(&key.child_columns))
        .map(|(op, (p, c))| equal(op, &column("r", p), &column("c", c)))
        .collect();
    let primary = key_columns(draft.relation);
    let values: Vec<String> = primary.iter().map(|c| column("n", c)).collect();
    let unique = draft.relation.unique.iter();
    unique
        .map(|unique| {
            let same: Vec<String> = unique
                .columns
                .iter()
                .enumerate()
                .map(|(i, name)| {
                    let op = crate::text::operator(unique, i);
                    equal(op, &column("r", name), &column("n", name))
                })
                .collect();
            let after = format!(
                " is followed by table {}, and {} stays the same.",
                plain_quotes(&child.name),
                plain_quotes(&unique.name)
            );
            let query = format!(
                "SELECT pg_catalog.min({}) FROM pgdraft_n n JOIN {head} r ON r.pgdraft_sid = n.pgdraft_sid AND r.pgdraft_live AND {} JOIN {} c ON c.pgdraft_sid = n.pgdraft_sid AND c.pgdraft_live AND {} WHERE NOT n.pgdraft_live AND n.pgdraft_moved",
                key_detail(primary, &values, "Key ", &after),
                same.join(" AND "),
                head_table(*id),
                follows.join(" AND ")
            );
            let message = format!(
                "key of table {} that others follow cannot change in a draft while a unique key stays",
                plain_quotes(&draft.relation.name)
            );
            Step::Refuse {
                query,
                error: Raise {
                    code: "0A000",
                    message,
                    hint: Some("Change the unique value in the same statement and set it back in a later transaction."),
                    constraint: key.name.clone(),
                    schema: child.schema.clone(),
                    table: child.name.clone(),
                },
            }
        })
        .collect()
}

/// The referenced columns are all part of the primary key, which changes only by moving.
fn in_primary_key(draft: &Draft<'_>, key: &ForeignKey) -> bool {
    let primary = key_columns(draft.relation);
    key.parent_columns.iter().all(|c| primary.contains(c))
}

/// Changed parent rows: session, operation, old referenced values `pgdraft_k<n>`, new ones
/// `pgdraft_w<n>` where they are known.
fn gone(draft: &Draft<'_>, event: Event, key: &ForeignKey, change: Change) -> String {
    let old = match (event, change) {
        // A tombstone that is the first trace of its row has the base's image.
        (Event::Insert, Change::Removed | Change::Moved) => "n",
        (Event::Insert, Change::Updated) | (Event::Update, _) => "o",
    };
    let from = if old == "n" {
        "pgdraft_n n".to_owned()
    } else {
        draft.pairs(event)
    };
    let was_live = if event == Event::Update {
        "o.pgdraft_live AND "
    } else {
        ""
    };
    let row = |alias| record(&[columns(alias, &key.parent_columns)]);
    let condition = match change {
        Change::Removed => "NOT n.pgdraft_live AND NOT n.pgdraft_moved".to_owned(),
        Change::Moved => format!(
            "NOT n.pgdraft_live AND n.pgdraft_moved{}",
            left_with_the_key(draft, key)
        ),
        Change::Updated => {
            let touched = if event == Event::Insert {
                "NOT n.pgdraft_new AND "
            } else {
                ""
            };
            format!(
                "n.pgdraft_live AND {touched}{} {NOT_IDENTICAL} {}",
                row("o"),
                row("n")
            )
        }
    };
    let olds = aliased(old, &key.parent_columns, "pgdraft_k");
    let news = aliased("n", &key.parent_columns, "pgdraft_w");
    format!(
        "SELECT n.pgdraft_sid, n.pgdraft_op, {olds}, {news} FROM {from} WHERE {was_live}{condition}"
    )
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

/// A row that moved to another primary key has the referenced columns of a unique key still,
/// unless they changed with it: then nothing is gone.
fn left_with_the_key(draft: &Draft<'_>, key: &ForeignKey) -> String {
    if in_primary_key(draft, key) {
        return String::new();
    }
    let parts: Vec<String> = reference_operators(Some(draft.relation), key)
        .iter()
        .zip(&key.parent_columns)
        .map(|(op, name)| equal(op, &column("r", name), &column("n", name)))
        .collect();
    format!(
        " AND NOT EXISTS (SELECT FROM {} r WHERE r.pgdraft_sid = n.pgdraft_sid AND r.pgdraft_live AND {})",
        draft.table(),
        parts.join(" AND ")
    )
}

/// Key columns that no parent's action changes, with their equality.
fn rest_of_key<'a>(draft: &Draft<'a>) -> Vec<(&'a str, &'a str)> {
    let Some(key) = &draft.relation.primary_key else {
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

fn aliased(alias: &str, names: &[String], prefix: &str) -> String {
    let parts: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(i, name)| format!("{} AS {prefix}{}", column(alias, name), i + 1))
        .collect();
    parts.join(", ")
}

/// `c` refers to the old key of `g`.
fn refers(draft: &Draft<'_>, key: &ForeignKey) -> String {
    let parts: Vec<String> = reference_operators(Some(draft.relation), key)
        .iter()
        .zip(&key.child_columns)
        .enumerate()
        .map(|(i, (op, name))| equal(op, &format!("g.pgdraft_k{}", i + 1), &column("c", name)))
        .collect();
    parts.join(" AND ")
}

fn left_behind(
    draft: &Draft<'_>,
    event: Event,
    key: &ForeignKey,
    child: &Relation,
    action: ReferentialAction,
    changes: &[Change],
) -> String {
    let arms: Vec<String> = changes
        .iter()
        .map(|change| gone(draft, event, key, *change))
        .collect();
    let refers = refers(draft, key);
    let mut children = format!(
        "SELECT g.* FROM g JOIN {} c ON {refers}{}",
        Draft::base(child),
        draft.not_shadowed(child, "c", "g")
    );
    if let Some(id) = draft.heads.get(&child.id) {
        children.push_str(&format!(
            " UNION ALL SELECT g.* FROM g JOIN {} c ON c.pgdraft_sid = g.pgdraft_sid AND c.pgdraft_live AND {refers}",
            head_table(*id)
        ));
    }
    // NO ACTION: another row may have taken the key over.
    let taken = if matches!(
        action,
        ReferentialAction::NoAction | ReferentialAction::SetDefault
    ) {
        still_there(draft, key)
    } else {
        String::new()
    };
    let values: Vec<String> = (1..=key.parent_columns.len())
        .map(|i| format!("x.pgdraft_k{i}"))
        .collect();
    let still = if restricts(draft, action) {
        ""
    } else {
        "still "
    };
    let after = format!(
        " is {still}referenced from table {}.",
        plain_quotes(&child.name)
    );
    format!(
        "WITH g AS MATERIALIZED ({}) SELECT pg_catalog.min({}) FROM ({children}) x{taken}",
        arms.join(" UNION ALL "),
        key_detail(&key.parent_columns, &values, "Key ", &after)
    )
}

/// ` WHERE` no parent row has the key `x` any more.
fn still_there(draft: &Draft<'_>, key: &ForeignKey) -> String {
    let parent = draft.relation;
    let parts: Vec<String> = reference_operators(Some(parent), key)
        .iter()
        .zip(&key.parent_columns)
        .enumerate()
        .map(|(i, (op, name))| equal(op, &column("p", name), &format!("x.pgdraft_k{}", i + 1)))
        .collect();
    let same = parts.join(" AND ");
    format!(
        " WHERE NOT EXISTS (SELECT FROM {} p WHERE p.pgdraft_sid = x.pgdraft_sid AND p.pgdraft_live AND {same}) AND NOT EXISTS (SELECT FROM {} p WHERE {same}{})",
        draft.table(),
        parent.qualified(),
        draft.not_shadowed(parent, "p", "x")
    )
}

/// PostgreSQL 18 says RESTRICT in words and with a SQLSTATE of its own.
fn restricts(draft: &Draft<'_>, action: ReferentialAction) -> bool {
    action == ReferentialAction::Restrict && draft.catalog.server_version >= 180_000
}

fn refusal(
    draft: &Draft<'_>,
    key: &ForeignKey,
    child: &Relation,
    action: ReferentialAction,
    drafted: bool,
) -> Raise {
    let parent = plain_quotes(&draft.relation.name);
    let (name, table) = (plain_quotes(&key.name), plain_quotes(&child.name));
    let plain = !acts(action) || (drafted && action == ReferentialAction::SetDefault);
    let (code, message, hint) = if plain {
        let (code, what) = if restricts(draft, action) {
            ("23001", "RESTRICT setting of foreign key constraint")
        } else {
            ("23503", "foreign key constraint")
        };
        let text =
            format!("update or delete on table {parent} violates {what} {name} on table {table}");
        (code, text, None)
    } else if drafted {
        let text = format!(
            "keys of table {parent} that table {table} follows changed in several rows at once"
        );
        let hint = "Change the key of one row in each statement.";
        ("0A000", text, Some(hint))
    } else {
        let text = format!(
            "foreign key constraint {name} would change table {table}, which cannot be drafted"
        );
        let hint = "Leave this row as it is, or change its references outside pgdraft first.";
        ("0A000", text, Some(hint))
    };
    Raise {
        code,
        message,
        hint,
        constraint: key.name.clone(),
        schema: child.schema.clone(),
        table: child.name.clone(),
    }
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
        let names = writable(self.child);
        let refers = refers(self.draft, self.key);
        let news: Vec<String> = (1..=self.key.parent_columns.len())
            .map(|i| format!("g.pgdraft_w{i}"))
            .collect();
        let (own, news) = (columns("c", &names), news.join(", "));
        let k = format!(
            "SELECT g.pgdraft_sid, g.pgdraft_op, false AS pgdraft_new, {own}, {news} FROM g JOIN {} c ON {refers}{} UNION ALL SELECT g.pgdraft_sid, g.pgdraft_op, c.pgdraft_new, {own}, {news} FROM g JOIN {head} c ON c.pgdraft_sid = g.pgdraft_sid AND c.pgdraft_live AND {refers}",
            Draft::base(self.child),
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
        crate::text::join(", ", writable(self.child), |name| {
            set.iter()
                .find(|(column, _)| column == name)
                .map_or_else(|| column("k", name), |(_, value)| format!("({value})"))
        })
    }

    fn change_rows(&self, set: &[(String, String)], removes: bool) -> String {
        let primary = key_columns(self.child);
        let names = writable(self.child);
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
        let guard = self
            .child
            .primary_key
            .as_ref()
            .map_or_else(|| "true".to_owned(), |key| keys::guard(self.child, key));
        format!(
            "INSERT INTO {} AS h ({list}, pgdraft_sid, pgdraft_op, pgdraft_live, pgdraft_moved, pgdraft_new) SELECT {}, k.pgdraft_sid, k.pgdraft_op, true, false, true FROM k UNION ALL SELECT {}, k.pgdraft_sid, k.pgdraft_op, false, true, k.pgdraft_new FROM k ON CONFLICT (pgdraft_sid, {}) DO UPDATE SET pgdraft_op = EXCLUDED.pgdraft_op, pgdraft_live = CASE WHEN EXCLUDED.pgdraft_live THEN {guard} ELSE false END, pgdraft_moved = EXCLUDED.pgdraft_moved{updates}",
            head_table(self.id),
            self.images(set),
            columns("k", &names),
            columns("", primary)
        )
    }
}
