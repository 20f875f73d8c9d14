//! Production's BEFORE triggers that run in drafts: each fires on a table that is always empty.
//!
//! A trigger function reads NEW and OLD of the table that it is a trigger of, so there is one of the
//! base's columns for each event. A function of ours puts the row into it, takes out what the triggers
//! made of it, and gives NULL where they kept it away.
//!
//! The functions have the rights of their caller and no search_path of their own: what they fire is
//! production's code, which runs as the agent and finds names as it does in production.

use std::fmt::Write as _;

use catalog::{Before, DraftTableId, quote_identifier};

use crate::Draft;
use crate::text::{dollar_quoted, head_table};

/// DDL of the tables, their triggers and functions, where there were others before; `agent` is the
/// agent role, quoted.
pub fn ddl(draft: &Draft<'_>, agent: &str) -> String {
    let relation = draft.relation;
    let mut out = drop(draft.id);
    if relation.before.is_empty() {
        return out;
    }
    let columns: Vec<String> = relation
        .columns
        .iter()
        .map(|column| {
            let collation = column.collation.as_ref();
            let collation = collation.map_or_else(String::new, |c| format!(" COLLATE {c}"));
            format!(
                "{} {}{collation}",
                quote_identifier(&column.name),
                column.declared
            )
        })
        .collect();
    let head = head_table(draft.id);
    let _ = writeln!(out, "CREATE TYPE {head}_row AS ({});", columns.join(", "));
    for (event, wanted) in [
        ("insert", (|b| b.insert) as fn(&Before) -> bool),
        ("update", |b| b.update),
    ] {
        let triggers: Vec<&Before> = relation.before.iter().filter(|b| wanted(b)).collect();
        if triggers.is_empty() {
            continue;
        }
        let table = format!("{head}_{event}");
        let _ = writeln!(out, "CREATE UNLOGGED TABLE {table} OF {head}_row;");
        for trigger in &triggers {
            let _ = writeln!(
                out,
                "CREATE TRIGGER {} BEFORE {}{} ON {table}{};",
                quote_identifier(&trigger.name),
                event.to_uppercase(),
                of_columns(trigger, event),
                trigger.rest
            );
        }
        out.push_str(&match event {
            "insert" => insert(&head),
            _ => update(draft, &head, &triggers),
        });
        let _ = writeln!(
            out,
            "REVOKE ALL ON {table} FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {agent};
REVOKE ALL ON FUNCTION {table}_before FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {table}_before TO {agent};"
        );
    }
    out
}

/// Removes them, if there are any.
pub fn drop(id: DraftTableId) -> String {
    let head = head_table(id);
    format!(
        "DROP TABLE IF EXISTS {head}_insert, {head}_update CASCADE;\nDROP TYPE IF EXISTS {head}_row CASCADE;\n"
    )
}

fn of_columns(trigger: &Before, event: &str) -> String {
    if trigger.columns.is_empty() || event == "insert" {
        return String::new();
    }
    format!(" OF {}", crate::text::columns("", &trigger.columns))
}

fn insert(head: &str) -> String {
    function(
        head,
        "insert",
        "pgdraft_after",
        &format!(
            "
DECLARE
    pgdraft_place tid;
    pgdraft_fired {head}_row;
BEGIN
    INSERT INTO {head}_insert AS t SELECT (pgdraft_after).* RETURNING t.ctid INTO pgdraft_place;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    DELETE FROM {head}_insert t WHERE t.ctid OPERATOR(pg_catalog.=) pgdraft_place RETURNING t.* INTO pgdraft_fired;
    RETURN pgdraft_fired;
END "
        ),
    )
}

/// Where a trigger is one of UPDATE OF, the UPDATE names the columns that the client's did.
fn update(draft: &Draft<'_>, head: &str, triggers: &[&Before]) -> String {
    let update = if triggers.iter().all(|t| t.columns.is_empty()) {
        let columns = draft.relation.columns.iter();
        let set =
            columns.map(|c| format!("{n} = (pgdraft_after).{n}", n = quote_identifier(&c.name)));
        format!(
            "UPDATE {head}_update t SET {} WHERE t.ctid OPERATOR(pg_catalog.=) pgdraft_from RETURNING t.ctid INTO pgdraft_place;",
            set.collect::<Vec<_>>().join(", ")
        )
    } else {
        format!(
            "EXECUTE pg_catalog.format('UPDATE {head}_update t SET %s WHERE t.ctid OPERATOR(pg_catalog.=) $2 RETURNING t.ctid',
        (SELECT pg_catalog.string_agg(pg_catalog.format('%1$I = ($1).%1$I', n), ', ') FROM pg_catalog.unnest(pgdraft_named) n))
        INTO pgdraft_place USING pgdraft_after, pgdraft_from;"
        )
    };
    function(
        head,
        "update",
        &format!("pgdraft_before {head}_row, pgdraft_after"),
        &format!(
            "
DECLARE
    pgdraft_from tid;
    pgdraft_place tid;
    pgdraft_fired {head}_row;
BEGIN
    INSERT INTO {head}_update AS t SELECT (pgdraft_before).* RETURNING t.ctid INTO pgdraft_from;
    {update}
    IF pgdraft_place IS NULL THEN
        DELETE FROM {head}_update t WHERE t.ctid OPERATOR(pg_catalog.=) pgdraft_from;
        RETURN NULL;
    END IF;
    DELETE FROM {head}_update t WHERE t.ctid OPERATOR(pg_catalog.=) pgdraft_place RETURNING t.* INTO pgdraft_fired;
    RETURN pgdraft_fired;
END "
        ),
    )
}

fn function(head: &str, event: &str, rows: &str, body: &str) -> String {
    let named = if event == "update" {
        ", pgdraft_named pg_catalog.text[]"
    } else {
        ""
    };
    format!(
        "CREATE FUNCTION {head}_{event}_before({rows} {head}_row{named}) RETURNS {head}_row\nLANGUAGE plpgsql SECURITY INVOKER AS {};\n",
        dollar_quoted(body)
    )
}
