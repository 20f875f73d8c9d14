//! Reads of system catalogs: schema `pgdraft` is not the client's and is not shown to it, and what
//! the server says of the connection itself is told as the client knows it.

use report::Report;

use crate::facts::TableRef;
use crate::parse::Statement;
use crate::plan::Context;
use crate::resolve::{self, Resolved, SYSTEM_COLUMNS};
use crate::splice::Edit;

use super::{table_edit, without_schema};

const STANDARD: &str = "information_schema";

/// The client's prepared statements, which the server knows by other names and texts …
const STATEMENTS: &str = "pg_prepared_statements";
/// … its cursors …
const CURSORS: &str = "pg_cursors";
/// … and what it is doing.
const ACTIVITY: &str = "pg_stat_activity";

/// Whether a relation shows texts of the client's.
pub(crate) fn shows_texts(name: &str) -> bool {
    [STATEMENTS, CURSORS, ACTIVITY].contains(&name)
}

/// Where a catalog or view says which schema a thing is in: by its oid …
const BY_OID: [(&str, &str); 6] = [
    ("pg_namespace", "oid"),
    ("pg_class", "relnamespace"),
    ("pg_type", "typnamespace"),
    ("pg_proc", "pronamespace"),
    ("pg_constraint", "connamespace"),
    ("pg_default_acl", "defaclnamespace"),
];

/// … by the oid of its relation …
const BY_RELATION: [(&str, &str); 4] = [
    ("pg_rewrite", "ev_class"),
    ("pg_trigger", "tgrelid"),
    ("pg_policy", "polrelid"),
    ("pg_locks", "relation"),
];

/// … by its name, in `schemaname` …
const BY_NAME: [&str; 18] = [
    "pg_tables",
    "pg_views",
    "pg_indexes",
    "pg_sequences",
    "pg_policies",
    "pg_stats",
    "pg_stat_all_tables",
    "pg_stat_user_tables",
    "pg_stat_xact_all_tables",
    "pg_stat_xact_user_tables",
    "pg_statio_all_tables",
    "pg_statio_user_tables",
    "pg_stat_all_indexes",
    "pg_stat_user_indexes",
    "pg_statio_all_indexes",
    "pg_statio_user_indexes",
    "pg_statio_all_sequences",
    "pg_statio_user_sequences",
];

/// … or by the standard's names.
const INFORMATION_SCHEMA: [(&str, &str); 11] = [
    ("schemata", "schema_name"),
    ("tables", "table_schema"),
    ("columns", "table_schema"),
    ("key_column_usage", "table_schema"),
    ("table_privileges", "table_schema"),
    ("role_table_grants", "table_schema"),
    ("column_privileges", "table_schema"),
    ("role_column_grants", "table_schema"),
    ("sequences", "sequence_schema"),
    ("parameters", "specific_schema"),
    ("routine_privileges", "routine_schema"),
];

/// Those of the standard's that show more to who may write than to who reads: schema `pgdraft` has them
/// as a writer sees them, since in its draft an agent is one.
const AS_WRITER: [(&str, &str); 13] = [
    ("views", "table_schema"),
    ("table_constraints", "table_schema"),
    ("constraint_column_usage", "table_schema"),
    ("constraint_table_usage", "table_schema"),
    ("referential_constraints", "constraint_schema"),
    ("check_constraints", "constraint_schema"),
    ("triggers", "trigger_schema"),
    ("triggered_update_columns", "trigger_schema"),
    ("view_table_usage", "view_schema"),
    ("view_column_usage", "view_schema"),
    ("column_domain_usage", "table_schema"),
    ("column_udt_usage", "table_schema"),
    ("routines", "routine_schema"),
];

/// The edits of one reference that stands for a system catalog.
pub(crate) fn edits(
    statement: &Statement,
    context: &Context<'_>,
    reference: &TableRef,
) -> Result<Vec<Edit>, Box<Report>> {
    let found = resolve::resolve(context, reference.schema.as_deref(), &reference.name)?;
    if !matches!(found, Resolved::System) {
        return Ok(Vec::new());
    }
    let system = system_columns(statement, reference);
    let Some(system) = system.filter(|_| can_be_derived(statement, reference)) else {
        return as_it_is(&reference.name);
    };
    let (home, shown) = match reference.schema.as_deref() {
        Some(STANDARD) => (STANDARD, of_standard(&reference.name)),
        _ => ("pg_catalog", of_catalog(&reference.name)),
    };
    let Some((columns, rest)) = shown else {
        return Ok(Vec::new());
    };
    let body = format!("(SELECT {system}{columns} FROM {rest})");
    let mut edits = vec![table_edit(statement, reference, &body)?];
    let columns = statement.facts.columns.iter();
    edits.extend(columns.filter_map(|c| without_schema(statement, (home, reference), c)));
    Ok(edits)
}

/// What cannot be replaced shows schema `pgdraft`, which is no secret; what others do is one.
fn as_it_is(name: &str) -> Result<Vec<Edit>, Box<Report>> {
    if name != ACTIVITY {
        return Ok(Vec::new());
    }
    Err(Box::new(
        Report::error("42501", format!("permission denied for view {name}"))
            .detail("In this form it would show the statements of other agents' connections.")
            .hint("select columns by name or *, from the view alone"),
    ))
}

fn of_standard(name: &str) -> Option<(&'static str, String)> {
    let of = |views: &'static [(&str, &str)]| views.iter().find(|(view, _)| *view == name);
    let (source, column) = match of(&AS_WRITER) {
        Some((view, column)) => (format!("pgdraft.{STANDARD}_{view}"), column),
        None => {
            let (view, column) = of(&INFORMATION_SCHEMA)?;
            (format!("{STANDARD}.{view}"), column)
        }
    };
    let rest = format!("{source} WHERE {column} OPERATOR(pg_catalog.<>) 'pgdraft'");
    Some(("*", rest))
}

fn of_catalog(name: &str) -> Option<(&'static str, String)> {
    const SCHEMA: &str = "'pgdraft'::pg_catalog.regnamespace::pg_catalog.oid";
    if let Some((catalog, column)) = BY_OID.iter().find(|(catalog, _)| *catalog == name) {
        let rest = format!("pg_catalog.{catalog} WHERE {column} OPERATOR(pg_catalog.<>) {SCHEMA}");
        return Some(("*", rest));
    }
    if let Some((catalog, column)) = BY_RELATION.iter().find(|(catalog, _)| *catalog == name) {
        let rest = format!(
            "pg_catalog.{catalog} AS t WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c \
             WHERE c.oid OPERATOR(pg_catalog.=) t.{column} AND c.relnamespace OPERATOR(pg_catalog.=) {SCHEMA})"
        );
        return Some(("*", rest));
    }
    if BY_NAME.contains(&name) {
        let rest = format!("pg_catalog.{name} WHERE schemaname OPERATOR(pg_catalog.<>) 'pgdraft'");
        return Some(("*", rest));
    }
    Some(match name {
        STATEMENTS => (
            // what the server does not have at the moment has neither time nor types
            "(pg_catalog.jsonb_populate_record(s, c)).*",
            "pg_catalog.jsonb_array_elements(pg_catalog.current_setting('pgdraft.statements', true)::pg_catalog.jsonb) AS j (c) \
             LEFT JOIN pg_catalog.pg_prepared_statements AS s ON s.name OPERATOR(pg_catalog.=) pg_catalog.jsonb_extract_path_text(c, 'upstream')"
                .to_owned(),
        ),
        CURSORS => (
            "(pg_catalog.jsonb_populate_record(k, pg_catalog.jsonb_build_object('statement', \
             coalesce(pg_catalog.jsonb_extract_path_text(pg_catalog.current_setting('pgdraft.cursors', true)::pg_catalog.jsonb, k.name), k.statement)))).*",
            "pg_catalog.pg_cursors AS k WHERE k.name OPERATOR(pg_catalog.!~) '^(pgdraft_.*)?$'".to_owned(),
        ),
        // others' would show what other agents do
        ACTIVITY => (
            "(pg_catalog.jsonb_populate_record(a, pg_catalog.jsonb_build_object('query', \
             coalesce(pg_catalog.current_setting('pgdraft.query', true), a.query)))).*",
            "pg_catalog.pg_stat_activity AS a WHERE a.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()".to_owned(),
        ),
        _ => return None,
    })
}

/// Whether a derived table can stand in its place: it has neither key nor row type.
fn can_be_derived(statement: &Statement, reference: &TableRef) -> bool {
    let facts = &statement.facts;
    let label = reference.label();
    let block = facts.blocks.get(reference.block);
    let by_key = block.is_some_and(|b| {
        let mut names = b.group_by.iter().filter_map(|fields| fields.last());
        names.any(|name| name == "oid")
    });
    let whole = facts.columns.iter().any(|c| c.fields.as_slice() == [label]);
    facts.locking == 0 && !reference.only && !reference.sampled && !by_key && !whole
}

/// The system columns that the statement asks of it, to stand before the others; `None` where they
/// would show in a `*`.
fn system_columns(statement: &Statement, reference: &TableRef) -> Option<String> {
    let own = statement.facts.columns.iter().filter_map(|c| {
        let (last, before) = c.fields.split_last()?;
        let meant = match before.last() {
            Some(table) => table == reference.label(),
            None => c.block == reference.block,
        };
        meant.then_some(last.as_str())
    });
    let mut names: Vec<&str> = own.collect();
    names.sort_unstable();
    names.dedup();
    let star = names.contains(&"*");
    names.retain(|name| SYSTEM_COLUMNS.contains(name));
    if star && !names.is_empty() {
        return None;
    }
    Some(names.iter().map(|name| format!("{name}, ")).collect())
}
