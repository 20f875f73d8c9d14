//! Rows that wait for one another: each is written when its unique values are free, its parents are
//! there and its children have gone. In a circle none ever is; there the rows leave their values first, for
//! NULL or one that nobody has, and their parents where these can be NULL.

use std::sync::Arc;

use catalog::{Column, ForeignKey, Generated, Key, ReferentialAction, Relation, quote_identifier};

use crate::apply::{
    Hold, agrees, count_made, count_modified, delete, insert_where, merged, not_deleted, ours,
    places_made, update_modified,
};
use crate::keys::Elements;
use crate::text::{
    column, columns, equal, equal_in, filled, head_table, join, key_columns, reference_operators,
    same_base, same_key,
};
use crate::{Own, rekey};

/// Unique keys over plain columns of all rows besides the primary key, which are checked at once.
fn keys(relation: &Relation) -> impl Iterator<Item = &Key> {
    let own = key_columns(relation);
    relation.unique.iter().filter(move |key| {
        let whole = !key.columns.is_empty() && key.predicate.is_none();
        whole && key.columns != own && key.deferrable.is_none()
    })
}

fn same(key: &Key, left: &str, right: &str) -> String {
    let parts: Vec<String> = key
        .columns
        .iter()
        .enumerate()
        .map(|(i, name)| equal_in(key, i, &column(left, name), &column(right, name)))
        .collect();
    parts.join(" AND ")
}

/// What a row of the draft waits for: [`Free::insert`], [`Free::update`] and [`Free::delete`] write the
/// rows that break no key now, again and again until all are as they are to be. For a draft that has
/// been brought onto the base of today, with its rows locked.
#[derive(Debug)]
pub struct Free<'a, 'b> {
    own: &'b Own<'a>,
    /// Stored columns that updates change.
    set: &'b [String],
}

impl<'a, 'b> Free<'a, 'b> {
    /// Of one table; `set` are the columns that its updates change.
    pub fn of(own: &'b Own<'a>, set: &'b [String]) -> Self {
        Self { own, set }
    }

    /// Inserts the rows whose values nobody has and whose parents are there; `later` columns as in
    /// [`crate::apply::insert`].
    pub fn insert(&self, later: &[String]) -> String {
        insert_where(self.own, later, &self.free(later))
    }

    /// Where in the head some of these rows are, for [`Own::slice`]: one text column, NULL where there are none. A
    /// table with rules asks an INSERT's query anew for each of them, when the rows are not absent any more.
    pub fn insertable(&self, later: &[String]) -> String {
        places_made(self.own, &self.free(later))
    }

    fn free(&self, later: &[String]) -> String {
        self.absent() + &self.values_free() + &self.parents_there(later)
    }

    /// Updates the rows whose values nobody else has, whose parents are there, and whose children are
    /// not in the way.
    pub fn update(&self) -> String {
        self.update_open()
            + &self.values_free()
            + &self.parents_there(&[])
            + &self.children_gone(true)
    }

    /// All that is still to be written, free or not, as parts of one statement: rows that require each
    /// other. Inserts, updates, deletes.
    pub fn rest(&self) -> [String; 3] {
        [
            insert_where(self.own, &[], &self.absent()),
            self.update_open(),
            delete(self.own, Hold::Locked),
        ]
    }

    /// Updates the rows that are not as they are to be.
    fn update_open(&self) -> String {
        let assign = |c: &Column| {
            format!(
                "{} = CASE WHEN {} THEN {} ELSE {} END",
                quote_identifier(&c.name),
                ours(c),
                merged(self.own, c),
                column("b", &c.name)
            )
        };
        let assignments: Vec<String> = self.stored().map(assign).collect();
        update_modified(self.own, &assignments.join(", ")) + &self.open()
    }

    /// Deletes the rows to which nobody refers.
    pub fn delete(&self) -> String {
        delete(self.own, Hold::Locked) + &self.children_gone(false)
    }

    /// How many rows are still to be written: one bigint column of each statement, and one more of how
    /// many of them are free.
    pub fn left(&self) -> [(String, String); 3] {
        let made = self.absent();
        let modified = count_modified(self.own) + &self.open();
        let removed = not_deleted(self.own);
        let free = self.values_free() + &self.parents_there(&[]);
        [
            (
                count_made(self.own, &made),
                count_made(self.own, &format!("{made}{free}")),
            ),
            (
                modified.clone(),
                modified + &free + &self.children_gone(true),
            ),
            (removed.clone(), removed + &self.children_gone(false)),
        ]
    }

    fn relation(&self) -> &'b Relation {
        self.own.draft.relation
    }

    fn stored(&self) -> impl Iterator<Item = &'b Column> + use<'b> {
        let relation = self.relation();
        self.set.iter().filter_map(|name| relation.column(name))
    }

    /// The row is not there yet.
    fn absent(&self) -> String {
        let relation = self.relation();
        format!(
            " AND NOT EXISTS (SELECT FROM {} o WHERE {})",
            relation.only(),
            same_base(relation, "o", "h")
        )
    }

    /// The row is not as it is to be.
    fn open(&self) -> String {
        let open = |c: &Column| format!("({} AND NOT ({}))", ours(c), agrees(c));
        let open: Vec<String> = self.stored().map(open).collect();
        match open.as_slice() {
            [] => " AND false".to_owned(),
            open => format!(" AND ({})", open.join(" OR ")),
        }
    }

    /// No other row has its unique values, or is in its way by an exclusion constraint.
    fn values_free(&self) -> String {
        let relation = self.relation();
        let simple = |key: &Key| keys(relation).any(|k| k.name == key.name);
        let all = Elements::all(relation);
        let others = all.filter(|of| !simple(of.key) && of.key.deferrable.is_none());
        let row = format!(
            "SELECT {}",
            columns("h", relation.columns.iter().map(|c| &c.name))
        );
        let others = others.map(|of| {
            format!(
                " AND NOT EXISTS (SELECT FROM ({}) e CROSS JOIN LATERAL ({}) o WHERE NOT ({}))",
                of.of_row(&row),
                of.in_base("e"),
                same_base(relation, "o", "h")
            )
        });
        keys(relation)
            .map(|key| {
                format!(
                    " AND NOT EXISTS (SELECT FROM {} o WHERE {} AND NOT ({}))",
                    relation.only(),
                    same(key, "o", "h"),
                    same_base(relation, "o", "h")
                )
            })
            .chain(others)
            .collect()
    }

    /// The rows that it refers to are there, but for columns that are filled `later`.
    fn parents_there(&self, later: &[String]) -> String {
        let relation = self.relation();
        let at_once = |key: &&Arc<ForeignKey>| {
            !key.deferrable && !key.child_columns.iter().any(|c| later.contains(c))
        };
        let keys = relation.foreign_keys.iter().filter(at_once);
        keys.filter_map(|key| {
            let parent = self.own.draft.relation(key.parent)?;
            let mut met: Vec<String> = key
                .child_columns
                .iter()
                .map(|name| format!("NOT ({})", filled(&column("h", name))))
                .collect();
            if parent.id == relation.id {
                met.push(format!("({})", refers(parent, key, "h", "h")));
            }
            met.push(format!(
                "EXISTS (SELECT FROM {} p WHERE {}{})",
                parent.only(),
                refers(parent, key, "p", "h"),
                self.stays_parent(parent, key)
            ));
            Some(format!(" AND ({})", met.join(" OR ")))
        })
        .collect()
    }

    /// The parent `p` keeps the values by which it is referred to: another row may get them.
    fn stays_parent(&self, parent: &Relation, key: &ForeignKey) -> String {
        let draft = self.own.draft;
        draft.heads.get(&parent.id).map_or_else(String::new, |head| {
            format!(
                " AND NOT EXISTS (SELECT FROM {} x WHERE x.pgdraft_sid = {} AND {} AND (NOT x.pgdraft_live OR NOT ({})))",
                head_table(*head),
                self.own.sid.0,
                same_base(parent, "p", "x"),
                rekey::same(parent, key, "p", "x")
            )
        })
    }

    /// No row refers to what it was. An update that a foreign key passes on need not wait.
    fn children_gone(&self, update: bool) -> String {
        let relation = self.relation();
        let changes = |key: &ForeignKey| key.parent_columns.iter().any(|c| self.set.contains(c));
        let waits = |key: &&Arc<ForeignKey>| {
            !key.deferrable && (!update || changes(key) && holds(key.on_update))
        };
        let keys = relation.referenced_by.iter().filter(waits);
        keys.filter_map(|key| {
            let child = self.own.draft.relation(key.child)?;
            let mut which = refers(relation, key, "b", "c");
            if child.id == relation.id {
                // rows of one statement go together
                which.push_str(&format!(
                    " AND NOT EXISTS (SELECT FROM {} t WHERE t.pgdraft_sid = {} AND NOT t.pgdraft_live AND {})",
                    self.own.draft.table(),
                    self.own.sid.0,
                    same_base(relation, "c", "t"),
                ));
            }
            let gone = format!("NOT EXISTS (SELECT FROM {} c WHERE {which})", child.only());
            Some(match update {
                true => format!(" AND ({} OR {gone})", rekey::same(relation, key, "b", "h")),
                false => format!(" AND {gone}"),
            })
        })
        .collect()
    }
}

/// Children keep their parent from changing.
fn holds(action: ReferentialAction) -> bool {
    matches!(
        action,
        ReferentialAction::NoAction | ReferentialAction::Restrict
    )
}

/// The parent's row `parent` is the one that `child` refers to.
fn refers(relation: &Relation, key: &ForeignKey, parent: &str, child: &str) -> String {
    let parts: Vec<String> = reference_operators(Some(relation), key)
        .iter()
        .zip(key.parent_columns.iter().zip(&key.child_columns))
        .map(|(op, (up, down))| equal(op, &column(parent, up), &column(child, down)))
        .collect();
    parts.join(" AND ")
}

/// Takes from the rows that are still to be updated the unique values that others wait for: a
/// statement for each key with a column that can be NULL, or else can have a value that nobody has.
pub fn leave(own: &Own<'_>) -> Vec<String> {
    let relation = own.draft.relation;
    keys(relation)
        .filter_map(|key| {
            let columns = || key.columns.iter().filter_map(|name| relation.column(name));
            let empty = columns().find(|c| !c.not_null && !key.nulls_not_distinct);
            let empty = empty.map(|c| (c, "NULL".to_owned()));
            let mut others = columns().filter_map(|c| Some((c, fresh(own, c)?)));
            let (free, value) = empty.or_else(|| others.next())?;
            let changes: Vec<String> = columns()
                .map(|c| format!("({} AND NOT ({}))", ours(c), agrees(c)))
                .collect();
            Some(format!(
                "{} AND ({}) AND EXISTS (SELECT FROM {} w WHERE w.pgdraft_sid = {} AND w.pgdraft_live AND {} AND NOT ({}))",
                update_modified(own, &format!("{} = {value}", quote_identifier(&free.name))),
                changes.join(" OR "),
                own.draft.table(),
                own.sid.0,
                same(key, "w", "b"),
                same_key(relation, "w", "h"),
            ))
        })
        .collect()
}

/// A value for the row `b` that is another one for each of its values, and neither production nor the draft
/// has: of a type that has no end, or is large. `None` for other types, and where a value means more.
fn fresh(own: &Own<'_>, of: &Column) -> Option<String> {
    let relation = own.draft.relation;
    let mut refers = relation
        .foreign_keys
        .iter()
        .flat_map(|key| &key.child_columns);
    let means_more = of.generated != Generated::No
        || key_columns(relation).contains(&of.name)
        || refers.any(|c| *c == of.name);
    if means_more {
        return None;
    }
    let value = column("b", &of.name);
    let sum = |number, by: &str| {
        let by = format!("{value} OPERATOR(pg_catalog.+) {by}");
        Some(beyond(own, of, number, &by))
    };
    match of.type_name.as_str() {
        "smallint" => Some(below(own, of, i64::from(i16::MAX))),
        "integer" => Some(below(own, of, i64::from(i32::MAX))),
        "bigint" => Some(below(own, of, i64::MAX)),
        "numeric" | "real" | "double precision" => sum(NUMBER, "r.size"),
        "date" => sum(DAYS, "r.size::pg_catalog.int4"),
        "timestamp without time zone" | "timestamp with time zone" => sum(
            SECONDS,
            "pg_catalog.make_interval(secs => r.size::pg_catalog.float8)",
        ),
        "bytea" => Some(format!(
            "{value} OPERATOR(pg_catalog.||) pg_catalog.decode({RANDOM}, 'hex')"
        )),
        // of few characters: one that hardly anybody has, not one beside what the row has
        "character varying" | "character" | "bpchar" if of.type_modifier > LENGTH_OFFSET => {
            Some(format!(
                "pg_catalog.left({RANDOM}, {})",
                of.type_modifier - LENGTH_OFFSET
            ))
        }
        "text" | "character varying" => Some(format!(
            "{value} OPERATOR(pg_catalog.||) (SELECT pg_catalog.left({RANDOM}, 12))"
        )),
        "uuid" => Some("pg_catalog.gen_random_uuid()".to_owned()),
        _ => None,
    }
}

/// A value `%` as a number.
const NUMBER: &str = "%::pg_catalog.numeric";
const DAYS: &str = "(% OPERATOR(pg_catalog.-) '2000-01-01'::pg_catalog.date)::pg_catalog.numeric";
const SECONDS: &str = "pg_catalog.date_part('epoch', %)::pg_catalog.numeric";
/// Thirty-two characters, others for each row.
const RANDOM: &str = "pg_catalog.md5(pg_catalog.random()::pg_catalog.text)";
/// `atttypmod` of character types is that much more than their length.
const LENGTH_OFFSET: i32 = 4;

/// The number of the row `b`, moved above all that are there, or below where these end above `largest`.
fn below(own: &Own<'_>, of: &Column, largest: i64) -> String {
    let now = NUMBER.replace('%', &column("b", &of.name));
    let value = format!(
        "CASE WHEN r.high OPERATOR(pg_catalog.+) r.size OPERATOR(pg_catalog.<=) {largest} THEN {now} OPERATOR(pg_catalog.+) r.size ELSE {now} OPERATOR(pg_catalog.-) r.size END"
    );
    beyond(own, of, NUMBER, &value)
}

/// A value made with `r.high`, the largest that is there as a `number`, and `r.size`, by which each is moved to where
/// none is.
fn beyond(own: &Own<'_>, of: &Column, number: &str, value: &str) -> String {
    let ends = |from: &str| {
        let value = column("z", &of.name);
        let number = |end: &str| number.replace('%', &format!("pg_catalog.{end}({value})"));
        format!(
            "SELECT {} AS low, {} AS high FROM {from}",
            number("min"),
            number("max")
        )
    };
    let base = ends(&format!("{} z", own.draft.relation.only()));
    let head = ends(&format!(
        "{} z WHERE z.pgdraft_sid = {}",
        own.draft.table(),
        own.sid.0
    ));
    format!(
        "(SELECT {value} FROM (SELECT pg_catalog.max(r.high) AS high, pg_catalog.max(r.high) OPERATOR(pg_catalog.-) pg_catalog.min(r.low) OPERATOR(pg_catalog.+) 1 AS size FROM ({base} UNION ALL {head}) r) r)"
    )
}

/// The columns of a foreign key that can be NULL while its row has no parent.
pub fn leaving<'a>(child: &Relation, key: &'a ForeignKey) -> Vec<&'a str> {
    let own = key_columns(child);
    let free = |name: &&String| {
        let column = child.writable().find(|c| c.name == **name);
        column.is_some_and(|c| !c.not_null) && !own.contains(name)
    };
    key.child_columns
        .iter()
        .filter(free)
        .map(String::as_str)
        .collect()
}

/// Takes the rows that the draft keeps from the parents that it removes: a statement for each foreign
/// key to `parent` that can be without one. They get their parents when the rows are updated, or from
/// [`settle`].
pub fn leave_parents(own: &Own<'_>, parent: &Own<'_>) -> Vec<String> {
    let (relation, above) = (own.draft.relation, parent.draft.relation);
    let keys = relation
        .foreign_keys
        .iter()
        .filter(|k| k.parent == above.id && !leaving(relation, k).is_empty());
    keys.map(|key| {
        let set = join(", ", leaving(relation, key), |name| {
            format!("{} = NULL", quote_identifier(name))
        });
        format!(
            "{} AND EXISTS (SELECT FROM {} p JOIN {} x ON {} WHERE x.pgdraft_sid = {} AND NOT x.pgdraft_live AND NOT x.pgdraft_new AND {})",
            update_modified(own, &set),
            above.only(),
            parent.draft.table(),
            same_base(above, "p", "x"),
            own.sid.0,
            refers(above, key, "p", "b"),
        )
    })
    .collect()
}

/// Gives the rows that the draft keeps the parents that it gave them, where foreign key actions of the
/// commit itself changed these. For a draft that has been brought onto the base of today, with its
/// rows locked. `None` where no foreign key could have.
pub fn settle(own: &Own<'_>) -> Option<String> {
    let relation = own.draft.relation;
    let refers = |name: &String| {
        let mut keys = relation.foreign_keys.iter();
        keys.any(|key| key.child_columns.contains(name)) && !key_columns(relation).contains(name)
    };
    let stored = || relation.writable().filter(|c| refers(&c.name));
    let open: Vec<String> = stored().map(|c| format!("NOT ({})", agrees(c))).collect();
    if open.is_empty() {
        return None;
    }
    let set = join(", ", stored().map(|c| &c.name), |name| {
        format!("{} = {}", quote_identifier(name), column("h", name))
    });
    Some(format!(
        "{} AND ({})",
        update_modified(own, &set),
        open.join(" OR "),
    ))
}
