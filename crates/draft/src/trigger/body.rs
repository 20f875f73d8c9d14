//! The bodies of trigger functions.

use catalog::quote_literal;

use super::keys::same_head_row;
use super::{Event, OPERATION, Placed, Raise, Step};
use crate::Draft;

/// Up to so many changed rows the checks run as static SQL with cached plans (all-dynamic costs
/// about 1 ms a statement); above, they are planned anew with the real row count, because the
/// cached plan keeps the row count of the first execution (measured: 100,000 rows never ended).
const STATIC_ROWS_MAX: u32 = 100;

/// For each row, under a condition; the steps are about NEW.
pub(super) fn new_row(steps: &[Step]) -> String {
    let steps: String = steps.iter().map(static_step).collect();
    row(&format!(
        "    IF ({OPERATION}) IS NOT TRUE THEN
        RETURN NULL;
    END IF;
{steps}"
    ))
}

/// For each row, at the end of the statement or of the transaction: by then the row may have
/// changed again, and what counts is what it is. `None` where there is nothing to do.
pub(super) fn either(draft: &Draft<'_>, insert: &[Step], update: &[Step]) -> Option<String> {
    if insert.is_empty() && update.is_empty() {
        return None;
    }
    let now = format!(
        "SELECT pgdraft_h.* FROM {} pgdraft_h WHERE {}",
        draft.table(),
        same_head_row(draft, "pgdraft_h", "NEW")
    );
    Some(row(&format!(
        "    IF TG_OP = 'INSERT' THEN
{}        NULL;
    ELSE
{}        NULL;
    END IF;
",
        row_steps(Event::Insert, &now, insert),
        row_steps(Event::Update, &now, update)
    )))
}

fn row_steps(event: Event, new: &str, steps: &[Step]) -> String {
    let tables = row_tables(event, new);
    steps.iter().map(|step| row_step(&tables, step)).collect()
}

/// The tables of a statement-level trigger, of one row.
fn row_tables(event: Event, new: &str) -> String {
    let old = match event {
        Event::Insert => "",
        Event::Update => ", pgdraft_o AS (SELECT OLD.*)",
    };
    format!("WITH pgdraft_n AS ({new}){old}")
}

/// Expressions of indexes name columns as they are: one may be called `old`.
const COLUMNS_FIRST: &str = "#variable_conflict use_column";

fn row(steps: &str) -> String {
    format!(
        "
{COLUMNS_FIRST}
DECLARE
    pgdraft_detail text;
    pgdraft_at record;
BEGIN
{steps}    RETURN NULL;
END
"
    )
}

fn row_step(tables: &str, step: &Step) -> String {
    match step {
        Step::Run(text) | Step::RunFewOrMany(text, _) => format!("    {tables} {text};\n"),
        Step::Nothing => static_step(step),
        Step::Refuse { query, error } => format!(
            "    pgdraft_detail := ({tables} SELECT * FROM ({query}) pgdraft_q);\n{}\n",
            raise(error)
        ),
        Step::Gone(step) | Step::New(step) | Step::Doubt(_, step) => row_step(tables, step),
    }
}

/// What a statement-level trigger does before anything else. An UPDATE that changes nothing the steps look at
/// has said so: its own time tells it from the next statement. TRUNCATE makes tombstones that no other table
/// follows.
///
/// All up to the change of `search_path` runs under the client's own, and mostly with the keeper's rights: each
/// type, function and operator has its schema, and nothing may stand there whose operator PostgreSQL looks for
/// by its name alone (NULLIF, IN, BETWEEN, IS DISTINCT FROM, CASE with a value). A `search_path` of the function
/// would be set and reset for each statement, those that leave nothing to do among them.
const LOOKS_FIRST: &str = "
DECLARE
    pgdraft_count pg_catalog.int8;
    pgdraft_gone pg_catalog.bool;
    pgdraft_fresh pg_catalog.bool;
    pgdraft_doubt pg_catalog.bool;
    pgdraft_detail pg_catalog.text;
    pgdraft_at pg_catalog.record;
    pgdraft_path pg_catalog.text;
    pgdraft_set pg_catalog.text;
BEGIN
    IF pg_catalog.current_setting('pgdraft.plain', true) OPERATOR(pg_catalog.=) pg_catalog.statement_timestamp()::pg_catalog.text
        OR (pg_catalog.current_setting('pgdraft.op', true) OPERATOR(pg_catalog.<>) '') IS NOT TRUE
        OR pg_catalog.current_setting('pgdraft.truncating', true) OPERATOR(pg_catalog.=) 'on' THEN
        RETURN NULL;
    END IF;
";

/// An INSERT nearly always leaves nothing to the trigger for UPDATE, which fires for its ON CONFLICT.
const NO_ROWS: &str = "    IF NOT EXISTS (SELECT FROM pgdraft_n) THEN
        RETURN NULL;
    END IF;
";

/// From here on names mean what they mean to PostgreSQL itself. Where the function ends in an error its
/// transaction, or what it was to undo of it, takes the setting back.
const OWN_PATH: &str = "    pgdraft_path := pg_catalog.current_setting('search_path');
    pgdraft_set := pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
";

/// Every step twice, static and dynamic.
pub(super) fn statement(event: Event, steps: &[Step]) -> String {
    let small: String = steps.iter().map(static_step).collect();
    let large: String = steps.iter().map(dynamic_step).collect();
    let look = look(steps);
    let no_rows = match event {
        Event::Insert => "",
        Event::Update => NO_ROWS,
    };
    format!(
        "
{COLUMNS_FIRST}{LOOKS_FIRST}{no_rows}{OWN_PATH}    SELECT count(*), bool_or(NOT n.pgdraft_live), bool_or(n.pgdraft_new){look}
    FROM (SELECT n.* FROM pgdraft_n n LIMIT {}) n;
    IF pgdraft_count = 0 THEN
        NULL;
    ELSIF pgdraft_count <= {STATIC_ROWS_MAX} THEN
{small}    ELSE
{large}    END IF;
    pgdraft_set := pg_catalog.set_config('search_path', pgdraft_path, true);
    RETURN NULL;
END
",
        STATIC_ROWS_MAX + 1
    )
}

/// The end of the query that looks at a few rows: whether a step may refuse one of them, and where its
/// answers go. A row that is not new a step may always refuse.
fn look(steps: &[Step]) -> String {
    let mut doubts = Vec::new();
    for step in steps {
        let step = match step {
            Step::New(step) => step,
            other => other,
        };
        if let Step::Doubt(condition, _) = step {
            doubts.push(condition.as_str());
        }
    }
    let said = "pgdraft_count, pgdraft_gone, pgdraft_fresh";
    if doubts.is_empty() {
        return format!(" INTO {said}");
    }
    doubts.retain(|condition| *condition != "false");
    doubts.insert(0, "NOT (n.pgdraft_new AND n.pgdraft_live)");
    format!(
        ", bool_or({}) INTO {said}, pgdraft_doubt",
        doubts.join(" OR ")
    )
}

fn static_step(step: &Step) -> String {
    match step {
        Step::Run(text) | Step::RunFewOrMany(text, _) => format!("        {text};\n"),
        Step::Nothing => "        NULL;\n".to_owned(),
        Step::Refuse { query, error } => {
            format!("        pgdraft_detail := ({query});\n{}\n", raise(error))
        }
        Step::Gone(step) => format!(
            "        IF pgdraft_gone THEN\n{}        END IF;\n",
            static_step(step)
        ),
        Step::New(step) => format!(
            "        IF pgdraft_fresh THEN\n{}        END IF;\n",
            static_step(step)
        ),
        Step::Doubt(_, step) => format!(
            "        IF pgdraft_doubt THEN\n{}        END IF;\n",
            static_step(step)
        ),
    }
}

fn dynamic_step(step: &Step) -> String {
    match step {
        Step::Run(text) | Step::RunFewOrMany(_, text) => {
            format!("        EXECUTE {};\n", quote_literal(text))
        }
        Step::Nothing => static_step(step),
        Step::Refuse { query, error } => format!(
            "        EXECUTE {} INTO pgdraft_detail;\n{}\n",
            quote_literal(query),
            raise(error)
        ),
        Step::Gone(step) | Step::New(step) | Step::Doubt(_, step) => dynamic_step(step),
    }
}

fn raise(error: &Raise) -> String {
    let hint = error
        .hint
        .map(|text| format!(", HINT = {}", quote_literal(text)))
        .unwrap_or_default();
    if let Some(placed) = &error.placed {
        return raise_placed(error, placed, &hint);
    }
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

fn raise_placed(error: &Raise, placed: &Placed, hint: &str) -> String {
    let (schema, table) = match placed.own {
        true => (
            "pgdraft_at.schema_name".to_owned(),
            "pgdraft_at.table_name".to_owned(),
        ),
        false => (quote_literal(&error.schema), quote_literal(&error.table)),
    };
    format!(
        "        IF pgdraft_detail IS NOT NULL THEN
            SELECT * INTO pgdraft_at FROM pgdraft.placed({}, {}, {}, {}, {}, pgdraft.fields((pgdraft_detail::text[])[2]));
            RAISE EXCEPTION USING ERRCODE = {}, MESSAGE = format({}, pgdraft_at.table_name, pgdraft_at.constraint_name),
                DETAIL = (pgdraft_detail::text[])[1]{hint}, SCHEMA = {schema}, TABLE = {table}, CONSTRAINT = pgdraft_at.constraint_name;
        END IF;",
        quote_literal(&placed.schema),
        quote_literal(&placed.table),
        quote_literal(&error.constraint),
        placed
            .reference
            .map_or_else(|| "NULL".to_owned(), |id| id.to_string()),
        quote_literal(&placed.names),
        quote_literal(error.code),
        quote_literal(&error.message),
    )
}
