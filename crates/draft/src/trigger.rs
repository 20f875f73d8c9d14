//! Triggers of a head: keys against the base, foreign keys and their actions, the log of inserts.
//!
//! They are statement-level AFTER triggers that see the changed rows as two tables, `pgdraft_o`
//! (old) and `pgdraft_n` (new). In up to three stages, in this order:
//!
//! 1. `keys`: logs inserted rows, checks the primary and unique keys against the base.
//! 2. `actions`: ON DELETE / ON UPDATE CASCADE, SET NULL and SET DEFAULT on the children's heads.
//!    It runs with the agent's own rights: a head's CHECK, domain and default expressions may call
//!    functions of production, and those must never run as a role that can write to it.
//! 3. `references`: what must be true at the end of the statement, as parent and as child.
//!
//! `keys` and `references` run as the control role, because they look at all of the base; they
//! evaluate nothing but the equality and the output functions of types. They see a session's rows
//! only, by `pgdraft_sid` of the changed rows, which row-level security has checked.

use std::collections::HashMap;
use std::fmt::Write as _;

use catalog::{ForeignKey, ReferentialAction, Relation, RelationId, quote_literal};

use crate::Draft;

mod action;
mod child;
mod keys;
mod parent;

/// Up to so many changed rows the checks run as static SQL with cached plans (all-dynamic costs
/// about 1 ms a statement); above, they are planned anew with the real row count, because the
/// cached plan keeps the row count of the first execution (measured: 100,000 rows never ended).
const STATIC_ROWS_MAX: u32 = 100;

/// Where an operation writes. The control plane moves rows that were checked already from one
/// session to another, or back to what they were, with no operation set.
const OPERATION: &str = "pg_catalog.current_setting('pgdraft.op', true) <> ''";

/// What the trigger is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Insert,
    Update,
}

impl Event {
    fn word(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
        }
    }
}

/// One thing a trigger function does.
enum Step {
    /// Runs a statement.
    Run(String),
    /// Raises an error if the query, of one text value, is not NULL; the value is the detail.
    Refuse { query: String, error: Raise },
    /// A step about removed and moved rows alone, left out where a few rows have none of them.
    Gone(Box<Step>),
}

/// Fields of an error, as PostgreSQL would raise it for the base.
struct Raise {
    code: &'static str,
    message: String,
    hint: Option<&'static str>,
    constraint: String,
    schema: String,
    table: String,
}

/// One trigger function.
struct Stage {
    name: &'static str,
    definer: bool,
    steps: [Vec<Step>; 2],
}

const EVENTS: [Event; 2] = [Event::Insert, Event::Update];
const STAGES: [&str; 3] = ["keys", "actions", "references"];

/// The trigger functions of a head, as CREATE OR REPLACE: run it again when a neighbour by foreign
/// key gets its head. The functions are for the role that runs this; it must be the control role.
pub fn functions(draft: &Draft<'_>) -> String {
    let mut out = String::new();
    for stage in stages(draft) {
        for (event, steps) in EVENTS.iter().zip(&stage.steps) {
            let name = function_name(draft, *event, stage.name);
            let rights = if stage.definer { "DEFINER" } else { "INVOKER" };
            let _ = writeln!(
                out,
                "CREATE OR REPLACE FUNCTION {name}() RETURNS trigger\nLANGUAGE plpgsql SECURITY {rights} SET search_path = pg_catalog, pg_temp AS {};\nREVOKE ALL ON FUNCTION {name}() FROM PUBLIC;",
                crate::text::dollar_quoted(&body(steps))
            );
        }
    }
    out
}

/// The triggers themselves; once a head.
pub fn triggers(draft: &Draft<'_>) -> String {
    let mut out = String::new();
    let head = draft.table();
    for (number, stage) in stages(draft).iter().enumerate() {
        for event in EVENTS {
            let (word, tables) = match event {
                Event::Insert => ("INSERT", "NEW TABLE AS pgdraft_n"),
                Event::Update => ("UPDATE", "OLD TABLE AS pgdraft_o NEW TABLE AS pgdraft_n"),
            };
            let function = function_name(draft, event, stage.name);
            let _ = writeln!(
                out,
                "CREATE TRIGGER pgdraft_{}_{} AFTER {word} ON {head} REFERENCING {tables} FOR EACH STATEMENT WHEN ({OPERATION}) EXECUTE FUNCTION {function}();",
                number + 1,
                event.word(),
            );
        }
    }
    out
}

/// Takes all triggers and their functions away, whichever there are; for a head that stays while
/// its foreign keys changed.
pub fn drop(draft: &Draft<'_>) -> String {
    let mut out = String::new();
    for event in EVENTS {
        for stage in STAGES {
            let name = function_name(draft, event, stage);
            let _ = writeln!(out, "DROP FUNCTION IF EXISTS {name}() CASCADE;");
        }
    }
    out
}

/// Tables whose trigger functions name the head of `relation` and have a head themselves.
pub fn neighbours(relation: &Relation) -> Vec<RelationId> {
    let parents = relation.foreign_keys.iter().map(|k| k.parent);
    let children = relation.referenced_by.iter().map(|k| k.child);
    let mut all: Vec<RelationId> = parents
        .chain(children)
        .filter(|id| *id != relation.id)
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn function_name(draft: &Draft<'_>, event: Event, stage: &str) -> String {
    format!("{}_{}_{stage}", draft.table(), event.word())
}

fn stages(draft: &Draft<'_>) -> Vec<Stage> {
    let keys = EVENTS.map(|event| {
        let mut steps = keys::log(draft, event);
        steps.extend(keys::unique(draft, event));
        steps
    });
    let actions = EVENTS.map(|event| action::actions(draft, event));
    let references = EVENTS.map(|event| {
        let mut steps = parent::checks(draft, event);
        steps.extend(child::checks(draft, event));
        steps
    });
    if actions.iter().all(Vec::is_empty) {
        // One function is cheaper than two.
        let [mut insert, mut update] = keys;
        let [more_insert, more_update] = references;
        insert.extend(more_insert);
        update.extend(more_update);
        return vec![stage("keys", true, [insert, update])];
    }
    let all = vec![
        stage("keys", true, keys),
        stage("actions", false, actions),
        stage("references", true, references),
    ];
    all.into_iter()
        .filter(|s| s.steps.iter().any(|steps| !steps.is_empty()))
        .collect()
}

fn stage(name: &'static str, definer: bool, steps: [Vec<Step>; 2]) -> Stage {
    Stage {
        name,
        definer,
        steps,
    }
}

/// The body of a trigger function: every step twice, static and dynamic.
fn body(steps: &[Step]) -> String {
    if steps.is_empty() {
        return "\nBEGIN\n    RETURN NULL;\nEND\n".into();
    }
    // TRUNCATE makes tombstones that no other table follows.
    let small: String = steps.iter().map(static_step).collect();
    let large: String = steps.iter().map(dynamic_step).collect();
    format!(
        "
DECLARE
    pgdraft_count bigint;
    pgdraft_gone boolean;
    pgdraft_detail text;
BEGIN
    IF current_setting('pgdraft.truncating', true) = 'on' THEN
        RETURN NULL;
    END IF;
    SELECT count(*), bool_or(NOT n.pgdraft_live) INTO pgdraft_count, pgdraft_gone FROM (SELECT n.pgdraft_live FROM pgdraft_n n LIMIT {}) n;
    IF pgdraft_count = 0 THEN
        RETURN NULL;
    END IF;
    IF pgdraft_count <= {STATIC_ROWS_MAX} THEN
{small}    ELSE
{large}    END IF;
    RETURN NULL;
END
",
        STATIC_ROWS_MAX + 1
    )
}

fn static_step(step: &Step) -> String {
    match step {
        Step::Run(text) => format!("        {text};\n"),
        Step::Refuse { query, error } => {
            format!("        pgdraft_detail := ({query});\n{}\n", raise(error))
        }
        Step::Gone(step) => format!(
            "        IF pgdraft_gone THEN\n{}        END IF;\n",
            static_step(step)
        ),
    }
}

fn dynamic_step(step: &Step) -> String {
    match step {
        Step::Run(text) => format!("        EXECUTE {};\n", quote_literal(text)),
        Step::Refuse { query, error } => format!(
            "        EXECUTE {} INTO pgdraft_detail;\n{}\n",
            quote_literal(query),
            raise(error)
        ),
        Step::Gone(step) => dynamic_step(step),
    }
}

fn raise(error: &Raise) -> String {
    let hint = error
        .hint
        .map(|text| format!(", HINT = {}", quote_literal(text)))
        .unwrap_or_default();
    format!(
        "        IF pgdraft_detail IS NOT NULL THEN
            RAISE EXCEPTION USING ERRCODE = {}, MESSAGE = {}, DETAIL = pgdraft_detail{hint},
                SCHEMA = {}, TABLE = {}, CONSTRAINT = {};
        END IF;",
        quote_literal(error.code),
        quote_literal(&error.message),
        quote_literal(&error.schema),
        quote_literal(&error.table),
        quote_literal(&error.constraint)
    )
}

impl<'a> Draft<'a> {
    /// A neighbour, as far as it is in the snapshot.
    pub(crate) fn relation(&self, id: RelationId) -> Option<&'a Relation> {
        self.catalog.relations.get(&id).map(|r| &**r)
    }

    /// A table of this schema as it stands in a FROM clause; foreign keys of an inheritance parent
    /// are about its own rows, those of a partitioned table about its partitions'.
    pub(crate) fn base(relation: &Relation) -> String {
        let only = if relation.inherits && relation.kind == catalog::RelationKind::Table {
            "ONLY "
        } else {
            ""
        };
        format!("{only}{}", relation.qualified())
    }

    /// ` AND NOT EXISTS (…)`: the base row `alias` is not replaced, removed or truncated away by the
    /// session of the row `by`; empty where the table has no head.
    fn not_shadowed(&self, relation: &Relation, alias: &str, by: &str) -> String {
        self.heads
            .get(&relation.id)
            .map(|id| {
                format!(
                    " AND NOT EXISTS (SELECT FROM {} z WHERE z.pgdraft_sid = {by}.pgdraft_sid AND {}) AND NOT {}",
                    crate::text::head_table(*id),
                    crate::text::same_key(relation, "z", alias),
                    crate::text::truncated(*id, &format!("{by}.pgdraft_sid"))
                )
            })
            .unwrap_or_default()
    }

    /// The FROM clause that pairs each new row `n` with its row before: `ob` (the base's, for a
    /// first touch) or `o` (the head's).
    fn pairs(&self, event: Event) -> String {
        match event {
            Event::Insert => format!(
                "pgdraft_n n LEFT JOIN {} o ON NOT n.pgdraft_new AND {}",
                self.relation.qualified(),
                crate::text::same_key(self.relation, "o", "n")
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

fn acts(action: ReferentialAction) -> bool {
    match action {
        ReferentialAction::NoAction | ReferentialAction::Restrict => false,
        ReferentialAction::Cascade | ReferentialAction::SetNull | ReferentialAction::SetDefault => {
            true
        }
    }
}

/// The child's head, if the child can be drafted (it is drafted together with its parent).
fn child_head<'a>(
    draft: &Draft<'a>,
    key: &ForeignKey,
) -> Option<(&'a Relation, catalog::DraftTableId)> {
    let child = draft.relation(key.child)?;
    let heads: &HashMap<_, _> = draft.heads;
    crate::check(child).ok()?;
    Some((child, *heads.get(&key.child)?))
}
