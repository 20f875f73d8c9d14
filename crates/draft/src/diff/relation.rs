//! A diff as relations of SQL: functions of each drafted table that `pgdraft.diff` and people call.
//!
//! They are functions and not views, because the session has to be known before the log is read:
//! each session is looked up by name once, and whether the caller may see it is decided there
//! (`pgdraft.readable`).

use std::fmt::Write as _;

use catalog::{Column, DraftTableId, Relation, quote_identifier, quote_literal};

use super::{Filter, Hidden, Images};
use crate::Draft;
use crate::text::{columns, dollar_quoted, head_table};

/// PostgreSQL's names have at most so many bytes.
const NAME_BYTES_MAX: usize = 63;

/// Above so many columns the two images do not fit into one result (PostgreSQL allows 1664).
const COLUMNS_MAX: usize = 800;

/// What `pgdraft.diff` calls: `pgdraft.d7_diff`.
fn rows_function(id: DraftTableId) -> String {
    format!("{}_diff", head_table(id))
}

/// Quoted, qualified name of the function for people, by what is free: `pgdraft.diff_orders`,
/// `pgdraft.diff_shop_orders`, `pgdraft.diff_d7`.
pub fn function_name(draft: &Draft<'_>) -> String {
    let others = || {
        let drafted = draft.heads.keys().filter(|id| **id != draft.relation.id);
        drafted.filter_map(|id| draft.catalog.relations.get(id))
    };
    let free = candidates(draft.relation).into_iter().find(|name| {
        name.len() <= NAME_BYTES_MAX && others().all(|other| !candidates(other).contains(name))
    });
    let name = free.unwrap_or_else(|| format!("diff_d{}", draft.id.0));
    format!("pgdraft.{}", quote_identifier(&name))
}

fn candidates(relation: &Relation) -> [String; 2] {
    [
        format!("diff_{}", relation.name),
        format!("diff_{}_{}", relation.schema, relation.name),
    ]
}

/// By what [`drop_functions`] knows the functions of a head: their names follow the table's.
fn comment(id: DraftTableId) -> String {
    quote_literal(&format!("the diff of {}", head_table(id)))
}

/// The functions of one table; `agent` is the agents' role, quoted.
pub fn functions(draft: &Draft<'_>, agent: &str) -> String {
    let mut out = String::new();
    let (rows, comment) = (rows_function(draft.id), comment(draft.id));
    let _ = writeln!(
        out,
        "CREATE FUNCTION {rows}(sid bigint) RETURNS TABLE (operation text, \"table\" text, diff_type text, primary_key jsonb, \"from\" jsonb, \"to\" jsonb, changed_columns text[])
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS {};
REVOKE ALL ON FUNCTION {rows}(bigint) FROM PUBLIC;
COMMENT ON FUNCTION {rows}(bigint) IS {comment};",
        dollar_quoted(&rows_body(draft))
    );
    if draft.relation.writable().count() <= COLUMNS_MAX {
        let typed = function_name(draft);
        // one of a table that had this name before, and is gone or has another name by now
        let _ = writeln!(
            out,
            "DROP FUNCTION IF EXISTS {typed}(text);
CREATE FUNCTION {typed}(session text) RETURNS TABLE (operation text, diff_type text, {}, {})
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS {};
REVOKE ALL ON FUNCTION {typed}(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {typed}(text) TO {agent};
COMMENT ON FUNCTION {typed}(text) IS {comment};",
            result_columns(draft, "from_"),
            result_columns(draft, "to_"),
            dollar_quoted(&typed_body(draft))
        );
    }
    out
}

/// Takes the functions of a head away, whichever there are.
pub fn drop_functions(id: DraftTableId) -> String {
    let body = format!(
        "
DECLARE
    found text;
BEGIN
    FOR found IN SELECT p.oid::regprocedure::text FROM pg_catalog.pg_proc p
        WHERE p.pronamespace = 'pgdraft'::regnamespace AND pg_catalog.obj_description(p.oid, 'pg_proc') = {} LOOP
        EXECUTE 'DROP FUNCTION ' || found;
    END LOOP;
END ",
        comment(id)
    );
    format!("DO {};\n", dollar_quoted(&body))
}

/// `"from_id" bigint, "from_name" text`; the number of the column where its name is too long.
fn result_columns(draft: &Draft<'_>, prefix: &str) -> String {
    let list: Vec<String> = draft
        .relation
        .writable()
        .map(|c| {
            let mut name = format!("{prefix}{}", c.name);
            if name.len() > NAME_BYTES_MAX {
                name = format!("{prefix}{}", c.number);
            }
            let kind = c.base_type.as_ref().unwrap_or(&c.type_name);
            format!("{} {kind}", quote_identifier(&name))
        })
        .collect();
    list.join(", ")
}

fn rows_body(draft: &Draft<'_>) -> String {
    let filter = Filter {
        whole: true,
        ..Filter::default()
    };
    let table = catalog::shown_table(&draft.relation.schema, &draft.relation.name);
    format!(
        "SELECT r.operation, {}::text, r.diff_type, r.primary_key::jsonb, r.from_row::jsonb, r.to_row::jsonb, r.changed_columns FROM ({}) r",
        quote_literal(&table),
        super::rows_of(draft, "$1", &filter)
    )
}

fn typed_body(draft: &Draft<'_>) -> String {
    let sid = "(SELECT pgdraft.readable($1))";
    let images = Images::net(draft, sid);
    let side = |exists: &str, value: &dyn Fn(&Column) -> String| {
        let list = draft.relation.writable();
        list.map(|c| format!("CASE WHEN {exists} THEN {} END", value(c)))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let hidden = Hidden::of(draft, sid, &Filter::default());
    let stored = || draft.relation.writable();
    format!(
        "{with}SELECT coalesce(p.name, x.op::text), {kind}, {before}, {after} FROM {from} LEFT JOIN pgdraft.operations p ON p.sid = {sid} AND p.op = x.op WHERE {which}
UNION ALL SELECT coalesce(p.name, x.op::text), 'removed', {base}, {nothing} FROM {hidden_from} LEFT JOIN pgdraft.operations p ON p.sid = {sid} AND p.op = x.op WHERE {hidden_which}",
        with = images.with,
        kind = images.kind(),
        before = side("x.before", &|c| images.before(c)),
        after = side("x.after", &|c| images.after(c)),
        from = images.from,
        which = images.which(&Filter::default()),
        base = columns("b", stored().map(|c| &c.name)),
        nothing = stored().map(|_| "NULL").collect::<Vec<_>>().join(", "),
        hidden_from = hidden.from,
        hidden_which = hidden.which,
    )
}
