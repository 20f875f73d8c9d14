//! Triggers of a head: keys against the base, foreign keys and their actions, the log of inserts.
//!
//! Most are statement-level AFTER triggers that see the changed rows as two tables, `pgdraft_o`
//! (old) and `pgdraft_n` (new). In up to five stages, in this order:
//!
//! 1. `keys`: logs inserted rows, checks keys over plain columns.
//! 2. `expressions`: checks keys over expressions, partial ones and exclusion constraints.
//! 3. `forbidden`: what may not refer to the rows, before an action goes on to other tables.
//! 4. `actions`: ON DELETE / ON UPDATE CASCADE, SET NULL and SET DEFAULT on the children's heads.
//! 5. `references`: what must be true at the end of the statement, as parent and as child.
//!
//! `expressions` and `actions` run with the agent's own rights, as the agent's own changes do, unless
//! row-level security hides rows of production from it that they have to see. The
//! others run as the keeper role, which owns heads and so is not under their row-level
//! security; it can write nothing of production either. They see a session's rows only, by
//! `pgdraft_sid` of the changed rows, which row-level security has checked.
//!
//! A DEFERRABLE constraint has row-level constraint triggers of its own, which look at the row as it
//! is when they run. A table of which nothing but the log and its primary key is to be kept has
//! row-level triggers as well, which a row that is neither new nor back does not start.

use std::collections::HashMap;
use std::fmt::Write as _;

use catalog::{ForeignKey, ReferentialAction, Relation, RelationId, deferrable_trigger};

use crate::Draft;

mod action;
mod body;
mod child;
mod keys;
mod parent;

pub(crate) use keys::guard;

/// Where an operation writes. The control plane moves rows that were checked already from one
/// session to another, or back to what they were, with no operation set.
const OPERATION: &str = "pg_catalog.current_setting('pgdraft.op', true) <> ''";

/// What the trigger is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Insert,
    Update,
}

/// One thing a trigger function does.
enum Step {
    /// Runs a statement.
    Run(String),
    /// Runs a statement that is written one way for few rows and another one for many.
    RunFewOrMany(String, String),
    /// Has nothing to do yet, where the trigger has to be there.
    Nothing,
    /// Raises an error if the query, of one text value, is not NULL; the value is the detail.
    Refuse { query: String, error: Raise },
    /// A step about removed and moved rows alone, left out where a few rows have none of them.
    Gone(Box<Step>),
    /// A step about rows that are new to the table alone, left out in the same way.
    New(Box<Step>),
    /// A step that refuses none of a few new rows `n` for which the condition does not hold: one look at
    /// all of them spares the steps themselves.
    Doubt(String, Box<Step>),
}

impl Step {
    /// In a statement of new rows alone, only where that may hold of one of them.
    fn where_in_doubt(self, event: Event, condition: String) -> Self {
        match event {
            Event::Insert => Self::Doubt(condition, Box::new(self)),
            Event::Update => self,
        }
    }
}

/// Fields of an error, as PostgreSQL would raise it for the base.
struct Raise {
    code: &'static str,
    message: String,
    hint: Option<&'static str>,
    constraint: String,
    schema: String,
    table: String,
    placed: Option<Box<Placed>>,
}

/// An error about a row of a partitioned table names the row's partition. Its query gives an array of
/// the detail and the row; in its message `%1$s` is the table and `%2$s` the constraint.
struct Placed {
    /// The partitioned table.
    schema: String,
    table: String,
    /// The foreign key, if it is none of the table's own keys.
    reference: Option<u32>,
    /// The table of the error is the partition, and not the other one of the foreign key.
    own: bool,
    /// The columns of the row.
    names: String,
}

/// How the triggers of a stage are fired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fires {
    /// Once a statement.
    Statement,
    /// For each row that is new or back to life.
    NewRow,
    /// For each row, at the end of the statement or of the transaction.
    Constraint { constraint: u32, deferred: bool },
}

/// One pair of trigger functions, for INSERT and for UPDATE; one without steps has no trigger.
struct Stage {
    name: String,
    definer: bool,
    fires: Fires,
    steps: [Vec<Step>; 2],
}

const EVENTS: [Event; 2] = [Event::Insert, Event::Update];

impl Stage {
    /// The functions' bodies; `None` stands for both events.
    fn bodies(&self, draft: &Draft<'_>) -> Vec<(Option<Event>, String)> {
        let [insert, update] = &self.steps;
        if matches!(self.fires, Fires::Constraint { .. }) {
            let either = body::either(draft, insert, update);
            return either.map(|body| (None, body)).into_iter().collect();
        }
        let events = EVENTS.into_iter().zip(&self.steps);
        events
            .filter(|(_, steps)| !steps.is_empty())
            .map(|(event, steps)| {
                let body = match self.fires {
                    Fires::NewRow => body::new_row(steps),
                    Fires::Statement | Fires::Constraint { .. } => body::statement(event, steps),
                };
                (Some(event), body)
            })
            .collect()
    }

    fn trigger(&self, draft: &Draft<'_>, number: usize, event: Option<Event>) -> String {
        let (head, function) = (draft.table(), function_name(draft, event, &self.name));
        let (upper, word) = match event {
            Some(Event::Insert) => ("INSERT", "insert"),
            Some(Event::Update) => ("UPDATE", "update"),
            None => ("INSERT OR UPDATE", "either"),
        };
        let how = match (self.fires, event) {
            (
                Fires::Constraint {
                    constraint,
                    deferred,
                },
                _,
            ) => {
                let name = deferrable_trigger(constraint);
                let when = if deferred { "DEFERRED" } else { "IMMEDIATE" };
                return format!(
                    "CREATE CONSTRAINT TRIGGER {name} AFTER {upper} ON {head} DEFERRABLE INITIALLY {when} FOR EACH ROW WHEN ({OPERATION}) EXECUTE FUNCTION {function}();"
                );
            }
            // PostgreSQL reads the condition from its text in each statement: the operation is asked for by
            // the function
            (Fires::NewRow, Some(Event::Update)) => {
                "FOR EACH ROW WHEN (NEW.pgdraft_live AND NOT OLD.pgdraft_live)".to_owned()
            }
            (Fires::NewRow, _) => {
                "FOR EACH ROW WHEN (NEW.pgdraft_new AND NEW.pgdraft_live)".to_owned()
            }
            (Fires::Statement, Some(Event::Update)) => {
                "REFERENCING OLD TABLE AS pgdraft_o NEW TABLE AS pgdraft_n FOR EACH STATEMENT"
                    .to_owned()
            }
            (Fires::Statement, _) => {
                "REFERENCING NEW TABLE AS pgdraft_n FOR EACH STATEMENT".to_owned()
            }
        };
        format!(
            "CREATE TRIGGER pgdraft_{number}_{word} AFTER {upper} ON {head} {how} EXECUTE FUNCTION {function}();"
        )
    }
}

/// The trigger functions of a head, as CREATE OR REPLACE: run it again when a neighbour by foreign
/// key gets its head. The functions are for the role that runs this; it must be the keeper role.
pub fn functions(draft: &Draft<'_>) -> String {
    let mut out = String::new();
    for stage in stages(draft) {
        for (event, body) in stage.bodies(draft) {
            let name = function_name(draft, event, &stage.name);
            let rights = if stage.definer { "DEFINER" } else { "INVOKER" };
            let path = match stage.fires {
                // looks first, see there
                Fires::Statement => "",
                Fires::NewRow | Fires::Constraint { .. } => {
                    " SET search_path = pg_catalog, pg_temp"
                }
            };
            let _ = writeln!(
                out,
                "CREATE OR REPLACE FUNCTION {name}() RETURNS trigger\nLANGUAGE plpgsql SECURITY {rights}{path} AS {};\nREVOKE ALL ON FUNCTION {name}() FROM PUBLIC;",
                crate::text::dollar_quoted(&body)
            );
        }
    }
    out
}

/// The triggers themselves, after [`drop`] where there were others.
pub fn triggers(draft: &Draft<'_>) -> String {
    let mut out = String::new();
    for (number, stage) in stages(draft).iter().enumerate() {
        for (event, _) in stage.bodies(draft) {
            let _ = writeln!(out, "{}", stage.trigger(draft, number + 1, event));
        }
    }
    out
}

/// Takes all triggers and their functions away, whichever there are.
pub fn drop(draft: &Draft<'_>) -> String {
    // The functions are found by name, because which there were depends on what the table was.
    format!(
        "DO $pgdraft$
DECLARE
    name regprocedure;
BEGIN
    FOR name IN SELECT p.oid::regprocedure FROM pg_catalog.pg_proc p
        WHERE p.pronamespace = 'pgdraft'::regnamespace AND p.proname ~ '^{}_(insert|update|either)_' LOOP
        EXECUTE format('DROP FUNCTION %s CASCADE', name);
    END LOOP;
END $pgdraft$;
",
        crate::text::short_name(draft.id)
    )
}

/// Tables whose trigger functions name the head of `relation` and have a head themselves.
pub fn neighbours(relation: &Relation) -> Vec<RelationId> {
    let own = relation.foreign_keys.iter();
    let parents = own.chain(&relation.foreign_keys_of_partitions);
    let parents = parents.map(|k| k.parent);
    let children = relation.referenced_by.iter().map(|k| k.child);
    let mut all: Vec<RelationId> = parents
        .chain(children)
        .filter(|id| *id != relation.id)
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn function_name(draft: &Draft<'_>, event: Option<Event>, stage: &str) -> String {
    let word = match event {
        Some(Event::Insert) => "insert",
        Some(Event::Update) => "update",
        None => "either",
    };
    format!("{}_{word}_{stage}", draft.table())
}

fn stages(draft: &Draft<'_>) -> Vec<Stage> {
    let mut keys = EVENTS.map(|event| {
        let of_new = keys::log(draft, event)
            .into_iter()
            .chain(keys::primary(draft, event));
        let mut steps: Vec<Step> = match event {
            Event::Insert => of_new.map(|step| Step::New(Box::new(step))).collect(),
            // a removed row that comes back is none
            Event::Update => of_new.collect(),
        };
        steps.extend(keys::ambiguous(draft, event));
        steps
    });
    // whoever checks a key must see the rows that policies hide
    let secured = draft.relation.row_security;
    let mut expressions = [Vec::new(), Vec::new()];
    let mut deferrable = Vec::new();
    for (key, excludes) in keys::others(draft) {
        let steps = EVENTS.map(|event| vec![keys::check(draft, event, key, excludes)]);
        let evaluates = keys::evaluates(key, excludes);
        match key.deferrable {
            Some(constraint) => {
                deferrable.push(constraint_stage(
                    constraint,
                    key.deferred,
                    !evaluates || secured,
                    steps,
                ));
            }
            None if evaluates => extend(&mut expressions, steps),
            None => extend(&mut keys, steps),
        }
    }
    let actions = EVENTS.map(|event| action::actions(draft, event));
    let forbidden = EVENTS.map(|event| parent::forbidden(draft, event));
    let references = EVENTS.map(|event| {
        let mut steps = parent::checks(draft, event);
        steps.extend(child::checks(draft, event));
        steps
    });
    deferrable.extend(deferrable_references(draft));
    let mut all = Vec::new();
    let simple = expressions
        .iter()
        .chain(&actions)
        .chain(&forbidden)
        .chain(&references)
        .all(Vec::is_empty)
        && draft.relation.key().is_none_or(catalog::Key::is_declared);
    if simple && keys::others(draft).all(|(key, _)| key.deferrable.is_some()) {
        let rows = EVENTS.map(|event| keys::of_row(draft, event));
        all.push(stage("keys", true, Fires::NewRow, rows));
    } else if actions.iter().chain(&expressions).all(Vec::is_empty) {
        // One function is cheaper than two.
        extend(&mut keys, forbidden);
        extend(&mut keys, references);
        all.push(stage("keys", true, Fires::Statement, keys));
    } else {
        all.push(stage("keys", true, Fires::Statement, keys));
        all.push(stage("expressions", secured, Fires::Statement, expressions));
        all.push(stage("forbidden", true, Fires::Statement, forbidden));
        let acted = draft.relation.referenced_by.iter();
        let hides = acted.filter_map(|key| draft.relation(key.child));
        let hides = hides.into_iter().any(|child| child.row_security);
        all.push(stage("actions", hides, Fires::Statement, actions));
        all.push(stage("references", true, Fires::Statement, references));
    }
    all.extend(deferrable);
    all
}

/// The DEFERRABLE foreign keys of a table, as child and as parent.
fn deferrable_references(draft: &Draft<'_>) -> Vec<Stage> {
    let relation = draft.relation;
    let mut keys: Vec<_> = relation
        .foreign_keys
        .iter()
        .chain(&relation.referenced_by)
        .collect();
    keys.retain(|key| key.deferrable);
    keys.sort_by_key(|key| key.id);
    // A table that refers to itself has the key on both sides.
    keys.dedup_by_key(|key| key.id);
    keys.into_iter()
        .map(|key| {
            let steps = EVENTS.map(|event| {
                let mut steps = Vec::new();
                if key.parent == relation.id {
                    steps.extend(parent::deferred(draft, event, key));
                }
                if key.child == relation.id {
                    steps.extend(child::of_key(draft, event, key));
                }
                steps
            });
            constraint_stage(key.id, key.deferred, true, steps)
        })
        .collect()
}

fn extend(all: &mut [Vec<Step>; 2], more: [Vec<Step>; 2]) {
    for (steps, more) in all.iter_mut().zip(more) {
        steps.extend(more);
    }
}

fn stage(name: &str, definer: bool, fires: Fires, steps: [Vec<Step>; 2]) -> Stage {
    Stage {
        name: name.to_owned(),
        definer,
        fires,
        steps,
    }
}

fn constraint_stage(
    constraint: u32,
    deferred: bool,
    definer: bool,
    steps: [Vec<Step>; 2],
) -> Stage {
    let fires = Fires::Constraint {
        constraint,
        deferred,
    };
    stage(&format!("c{constraint}"), definer, fires, steps)
}

impl<'a> Draft<'a> {
    /// A neighbour, as far as it is in the snapshot.
    pub(crate) fn relation(&self, id: RelationId) -> Option<&'a Relation> {
        self.catalog.relations.get(&id).map(|r| &**r)
    }

    /// The head that has the rows of a table: of a partition, that of its root.
    pub(crate) fn head_of(&self, relation: &Relation) -> Option<catalog::DraftTableId> {
        self.heads
            .get(&self.catalog.drafted_as(relation.id))
            .copied()
    }

    /// ` AND NOT EXISTS (…)`: the base row `alias` is not replaced, removed or truncated away by the
    /// session of the row `by`; empty where the table has no head.
    fn not_shadowed(&self, relation: &Relation, alias: &str, by: &str) -> String {
        self.head_of(relation)
            .map(|id| {
                format!(
                    " AND NOT EXISTS (SELECT FROM {} z WHERE z.pgdraft_sid = {by}.pgdraft_sid AND {}) AND NOT {}",
                    crate::text::head_table(id),
                    crate::text::same_base(relation, "z", alias),
                    crate::text::truncated(id, &format!("{by}.pgdraft_sid"))
                )
            })
            .unwrap_or_default()
    }

    /// `, … AS pgdraft_image`: the row `alias` of the head as text, where errors name its partition.
    fn image(&self, alias: &str) -> String {
        match self.is_placed() {
            true => format!(", {} AS pgdraft_image", row_text(alias)),
            false => String::new(),
        }
    }

    /// The detail of an error about a row, with the row where errors name its partition.
    fn told(&self, detail: &str, image: &str) -> String {
        match self.is_placed() {
            true => format!("ARRAY[{detail}, {image}]::pg_catalog.text"),
            false => detail.to_owned(),
        }
    }

    fn is_placed(&self) -> bool {
        self.relation.kind == catalog::RelationKind::Partitioned
    }

    fn placed(&self, reference: Option<u32>, own: bool) -> Option<Box<Placed>> {
        self.is_placed().then(|| {
            Box::new(Placed {
                schema: self.relation.schema.clone(),
                table: self.relation.name.clone(),
                reference,
                own,
                names: catalog::array_text(
                    &self
                        .relation
                        .columns
                        .iter()
                        .map(|c| c.name.as_str())
                        .collect::<Vec<_>>(),
                ),
            })
        })
    }

    /// A name in the message of an error: of the table, or of the constraint.
    fn message_names(&self, table: &str, constraint: &str) -> (String, String) {
        match self.is_placed() {
            true => ("%1$s".to_owned(), "%2$s".to_owned()),
            false => (table.to_owned(), constraint.to_owned()),
        }
    }

    /// The FROM clause that pairs each new row `n` with its row before: `ob` (the base's, for a
    /// first touch) or `o` (the head's).
    fn pairs(&self, event: Event) -> String {
        match event {
            Event::Insert => format!(
                "pgdraft_n n LEFT JOIN {} o ON NOT n.pgdraft_new AND {}",
                self.relation.only(),
                crate::text::same_base(self.relation, "o", "n")
            ),
            Event::Update => format!(
                "pgdraft_n n JOIN pgdraft_o o ON o.pgdraft_sid = n.pgdraft_sid AND {}",
                crate::text::same_key(self.relation, "o", "n")
            ),
        }
    }

    /// Whether the row's value counts as new to the table: nothing was there to compare with.
    fn fresh(event: Event) -> &'static str {
        match event {
            Event::Insert => "n.pgdraft_new",
            Event::Update => "NOT o.pgdraft_live",
        }
    }
}

/// A row as text.
pub(crate) fn row_text(alias: &str) -> String {
    format!("ROW({alias}.*)::pg_catalog.text")
}

fn acts(action: ReferentialAction) -> bool {
    match action {
        ReferentialAction::NoAction | ReferentialAction::Restrict => false,
        ReferentialAction::Cascade | ReferentialAction::SetNull | ReferentialAction::SetDefault => {
            true
        }
    }
}

/// The child's head, if the child can be drafted and has one: it gets it before the first change that
/// reaches it.
fn child_head<'a>(
    draft: &Draft<'a>,
    key: &ForeignKey,
) -> Option<(&'a Relation, catalog::DraftTableId)> {
    let child = draft.relation(key.child)?;
    let heads: &HashMap<_, _> = draft.heads;
    crate::check(child).ok()?;
    Some((child, *heads.get(&key.child)?))
}
