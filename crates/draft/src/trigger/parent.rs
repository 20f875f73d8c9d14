//! Stage `references`, parent side: what a changed or removed parent may not leave behind.

use catalog::{ForeignKey, Key, ReferentialAction, Relation};

use super::child::plain_quotes;
use super::keys::first_of;
use super::{Event, Raise, Step, acts, child_head};
use crate::Draft;
use crate::text::{
    NOT_IDENTICAL, aliased, column, columns, equal, equal_in, head_table, is_identity, key_columns,
    key_detail, record, reference_operators, referring, same_key,
};

/// Which of the changed parent rows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Removed: ON DELETE.
    Removed,
    /// Its referenced columns changed in place: ON UPDATE.
    Updated,
    /// Its primary key changed, so the old key is a tombstone: ON UPDATE.
    Moved,
}

/// What the end of the statement may not leave behind.
pub(super) fn checks(draft: &Draft<'_>, event: Event) -> Vec<Step> {
    of_keys(draft, event, false)
}

/// What may not refer to changed rows before any action of theirs goes on to other tables: PostgreSQL
/// looks at all foreign keys of a table before it follows the actions of one.
pub(super) fn forbidden(draft: &Draft<'_>, event: Event) -> Vec<Step> {
    of_keys(draft, event, true)
}

fn of_keys(draft: &Draft<'_>, event: Event, forbidding: bool) -> Vec<Step> {
    let keys = draft.relation.referenced_by.iter();
    let keys = keys.filter(|key| forbids(draft, key) == forbidding);
    keys.flat_map(|key| of_key(draft, event, key, false))
        .collect()
}

/// A foreign key without actions, of a table that no other one of the same parent acts on.
fn forbids(draft: &Draft<'_>, key: &ForeignKey) -> bool {
    let does = |key: &ForeignKey| acts(key.on_delete) || acts(key.on_update);
    let others = draft.relation.referenced_by.iter();
    let mut others = others.filter(|other| does(other)).peekable();
    others.peek().is_some() && !does(key) && others.all(|other| other.child != key.child)
}

/// What a DEFERRABLE foreign key checks at the end: NO ACTION. Its actions are not deferred.
pub(super) fn deferred(draft: &Draft<'_>, event: Event, key: &ForeignKey) -> Vec<Step> {
    of_key(draft, event, key, true)
}

fn of_key(draft: &Draft<'_>, event: Event, key: &ForeignKey, deferred: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Some(child) = draft.relation(key.child) {
        let drafted = child_head(draft, key).is_some();
        for (action, changes) in [
            (key.on_delete, &[Change::Removed][..]),
            (key.on_update, &[Change::Updated, Change::Moved][..]),
        ] {
            let changes: Vec<Change> = changes
                .iter()
                .copied()
                .filter(|c| *c != Change::Updated || changes_in_place(draft, key))
                .filter(|c| {
                    // An action has been done for all but keys that moved in a way it cannot follow.
                    !acts(action)
                        || !drafted
                        // The default can be the very key that is gone.
                        || action == ReferentialAction::SetDefault
                        || (*c == Change::Moved && action == ReferentialAction::Cascade)
                })
                .collect();
            let at_the_end = key.deferrable && action == ReferentialAction::NoAction;
            if changes.is_empty() || at_the_end != deferred {
                continue;
            }
            let query = left_behind(draft, event, key, child, (action, &changes));
            let step = Step::Refuse {
                query,
                error: refusal(draft, key, child, action, drafted),
            };
            steps.push(if changes.contains(&Change::Updated) {
                step.where_in_doubt(event, "false".to_owned())
            } else {
                Step::Gone(Box::new(step))
            });
        }
        let follows = drafted && acts(key.on_update);
        if (follows || key.on_update == ReferentialAction::Restrict) && !deferred {
            steps.push(taken_over(draft, event, key, child));
        }
        if drafted && !deferred && key.on_update == ReferentialAction::Cascade {
            steps.extend(kept_unique(draft, key, child));
        }
    }
    steps
}

/// A key that one row left and another took in the same statement has no tombstone, so nothing
/// tells its followers where to go, and RESTRICT does not ask whether the key is there again. It is
/// known by its log row, which says that the row left.
fn taken_over(draft: &Draft<'_>, event: Event, key: &ForeignKey, child: &Relation) -> Step {
    let news = aliased("n", &key.parent_columns, "pgdraft_k");
    let from = match event {
        Event::Insert => "pgdraft_n n".to_owned(),
        Event::Update => draft.pairs(event),
    };
    let before = match event {
        Event::Insert => "NOT n.pgdraft_new",
        Event::Update => "o.pgdraft_live",
    };
    let gone = format!(
        "SELECT n.pgdraft_sid, {news}{} FROM {from} JOIN {} l ON l.pgdraft_sid = n.pgdraft_sid AND l.pgdraft_op = n.pgdraft_op AND {} WHERE n.pgdraft_live AND {before} AND l.pgdraft_kind = 'D'",
        draft.image("n"),
        draft.log(),
        same_key(draft.relation, "l", "n")
    );
    let still = still(draft, key.on_update);
    let step = Step::Refuse {
        query: children_of(draft, key, child, &gone, (still, "")),
        error: refusal(draft, key, child, key.on_update, true),
    };
    step.where_in_doubt(event, "false".to_owned())
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
        .map(|(op, (p, c))| {
            let child = referring((draft.relation, p), (child, c), "c");
            equal(op, &column("r", p), &child)
        })
        .collect();
    let primary = key_columns(draft.relation);
    let values: Vec<String> = primary.iter().map(|c| column("n", c)).collect();
    let unique = draft.relation.unique.iter();
    unique
        .map(|unique| {
            let same = both_have(unique, "r", "n");
            let after = format!(
                " is followed by table {}, and {} stays the same.",
                plain_quotes(&child.name),
                plain_quotes(&unique.name)
            );
            let query = format!(
                "SELECT pg_catalog.min({}) FROM pgdraft_n n JOIN {head} r ON r.pgdraft_sid = n.pgdraft_sid AND r.pgdraft_live AND {} JOIN {} c ON c.pgdraft_sid = n.pgdraft_sid AND c.pgdraft_live AND {} WHERE NOT n.pgdraft_live AND n.pgdraft_moved",
                key_detail(primary, &values, "Key ", &after),
                same,
                head_table(*id),
                follows.join(" AND ")
            );
            let message = format!(
                "key of table {} that others follow cannot change in a draft while a unique key stays",
                plain_quotes(&draft.relation.name)
            );
            Step::Gone(Box::new(Step::Refuse {
                query,
                error: Raise {
                    code: "0A000",
                    message,
                    hint: Some("Change the unique value in the same statement and set it back in a later transaction."),
                    constraint: key.name.clone(),
                    schema: child.schema.clone(),
                    table: child.name.clone(),
                    placed: None,
                },
            }))
        })
        .collect()
}

/// Two rows have the same values by a unique key, and are both in its index.
fn both_have(unique: &Key, left: &str, right: &str) -> String {
    let over = |alias: &str, expression: &str| {
        format!("(SELECT ({expression}) FROM (SELECT {alias}.*) AS pgdraft_e)")
    };
    let elements = |alias: &str| -> Vec<String> {
        match unique.elements.is_empty() {
            true => unique.columns.iter().map(|c| column(alias, c)).collect(),
            false => unique.elements.iter().map(|e| over(alias, e)).collect(),
        }
    };
    let pairs = elements(left).into_iter().zip(elements(right));
    let mut parts: Vec<String> = pairs
        .enumerate()
        .map(|(i, (left, right))| equal_in(unique, i, &left, &right))
        .collect();
    if let Some(predicate) = &unique.predicate {
        parts.extend([over(left, predicate), over(right, predicate)]);
    }
    parts.join(" AND ")
}

/// The referenced columns may change while the row keeps its primary key: they are not all part of it,
/// or two of its values are equal and look different (`1.0` and `1.00`).
pub(super) fn changes_in_place(draft: &Draft<'_>, key: &ForeignKey) -> bool {
    let same = |name: &String| draft.relation.column(name).is_some_and(is_identity);
    !in_primary_key(draft, key) || !key.parent_columns.iter().all(same)
}

/// The referenced columns are all part of the primary key.
fn in_primary_key(draft: &Draft<'_>, key: &ForeignKey) -> bool {
    let primary = key_columns(draft.relation);
    key.parent_columns.iter().all(|c| primary.contains(c))
}

/// Changed parent rows: session, operation, old referenced values `pgdraft_k<n>`, new ones
/// `pgdraft_w<n>` where they are known.
pub(super) fn gone(draft: &Draft<'_>, event: Event, key: &ForeignKey, change: Change) -> String {
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
        "SELECT n.pgdraft_sid, n.pgdraft_op, {olds}, {news}{} FROM {from} WHERE {was_live}{condition}",
        draft.image("n")
    )
}

/// A row that moved to another primary key has the referenced columns of a unique key still,
/// unless they changed with it: then nothing is gone.
pub(super) fn left_with_the_key(draft: &Draft<'_>, key: &ForeignKey) -> String {
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

/// `c` refers to the old key of `g`.
pub(super) fn refers(draft: &Draft<'_>, key: &ForeignKey) -> String {
    let columns = key.parent_columns.iter().zip(&key.child_columns);
    let child = draft.relation(key.child);
    let parts: Vec<String> = reference_operators(Some(draft.relation), key)
        .iter()
        .zip(columns)
        .enumerate()
        .map(|(i, (op, (p, c)))| {
            let child = match child {
                Some(child) => referring((draft.relation, p), (child, c), "c"),
                None => column("c", c),
            };
            equal(op, &format!("g.pgdraft_k{}", i + 1), &child)
        })
        .collect();
    parts.join(" AND ")
}

fn left_behind(
    draft: &Draft<'_>,
    event: Event,
    key: &ForeignKey,
    child: &Relation,
    (action, changes): (ReferentialAction, &[Change]),
) -> String {
    let arms: Vec<String> = changes
        .iter()
        .map(|change| gone(draft, event, key, *change))
        .collect();
    // NO ACTION: another row may have taken the key over.
    let taken = if matches!(
        action,
        ReferentialAction::NoAction | ReferentialAction::SetDefault
    ) {
        still_there(draft, key)
    } else {
        String::new()
    };
    let arms = arms.join(" UNION ALL ");
    children_of(draft, key, child, &arms, (still(draft, action), &taken))
}

/// What PostgreSQL says before "referenced from".
fn still(draft: &Draft<'_>, action: ReferentialAction) -> &'static str {
    if restricts(draft, action) {
        ""
    } else {
        "still "
    }
}

/// The detail for the first of the merged children of `gone`, a query of sessions and keys.
fn children_of(
    draft: &Draft<'_>,
    key: &ForeignKey,
    child: &Relation,
    gone: &str,
    (still, condition): (&str, &str),
) -> String {
    let refers = refers(draft, key);
    let mut children = format!(
        "SELECT g.* FROM g JOIN {} c ON {refers}{}",
        child.only(),
        draft.not_shadowed(child, "c", "g")
    );
    if let Some(id) = draft.head_of(child) {
        let bound = child.partition.as_ref().and_then(|p| p.bound.as_ref());
        let within =
            bound.map(|bound| format!(" AND (SELECT {bound} FROM (SELECT c.*) pgdraft_e)"));
        children.push_str(&format!(
            " UNION ALL SELECT g.* FROM g JOIN {} c ON c.pgdraft_sid = g.pgdraft_sid AND c.pgdraft_live AND {refers}{}",
            head_table(id),
            within.unwrap_or_default()
        ));
    }
    let values: Vec<String> = (1..=key.parent_columns.len())
        .map(|i| format!("x.pgdraft_k{i}"))
        .collect();
    let after = format!(
        " is {still}referenced from table {}.",
        plain_quotes(&child.name)
    );
    format!(
        "WITH g AS MATERIALIZED ({gone}) SELECT {} FROM ({children}) x{condition}",
        first_of(&draft.told(
            &key_detail(&key.parent_columns, &values, "Key ", &after),
            "x.pgdraft_image"
        ))
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
        parent.only(),
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
    let (parent, name) = draft.message_names(&draft.relation.name, &key.name);
    let (parent, name) = (plain_quotes(&parent), plain_quotes(&name));
    let table = plain_quotes(&child.name);
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
        placed: draft.placed(Some(key.id), false),
    }
}
