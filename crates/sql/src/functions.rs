//! Which functions an agent's statement may call.
//!
//! A function can do anything its owner can: a volatile one may write production, a stable one
//! reads base tables behind the draft's back. So only functions that can do neither run; the
//! configuration allows others by name.

use catalog::{Catalog, Function, ReferentialAction, Relation, RelationId, Running, Volatility};
use report::Report;

use crate::facts::{Call, Facts};
use crate::plan::{Context, DraftView, FunctionPolicy, Temporary};
use crate::rewrite::{inlined, sequences};

mod source;

pub(crate) use source::is_quiet;

/// Volatile functions of `pg_catalog` without an effect outside the connection.
const SAFE_VOLATILE: [&str; 65] = [
    "pg_partition_ancestors",
    "pg_partition_tree",
    "pg_partition_root",
    "pg_sequence_last_value",
    "pg_collation_actual_version",
    "pg_database_collation_actual_version",
    "pg_current_wal_lsn",
    "pg_current_wal_insert_lsn",
    "pg_last_wal_receive_lsn",
    "pg_last_wal_replay_lsn",
    "pg_last_xact_replay_timestamp",
    "pg_xact_commit_timestamp",
    "txid_status",
    "pg_xact_status",
    "pg_get_publication_tables",
    "pg_stat_clear_snapshot",
    "pg_extension_update_paths",
    "pg_control_system",
    "pg_control_init",
    "random",
    "random_normal",
    "setseed",
    "clock_timestamp",
    "timeofday",
    // of timetz, by mistake, before PostgreSQL 15
    "timezone",
    "gen_random_uuid",
    "uuidv4",
    "uuidv7",
    "nextval",
    "currval",
    "lastval",
    "pg_sleep",
    "pg_sleep_for",
    "pg_sleep_until",
    "set_config",
    "pg_advisory_lock",
    "pg_advisory_lock_shared",
    "pg_advisory_unlock",
    "pg_advisory_unlock_shared",
    "pg_advisory_unlock_all",
    "pg_advisory_xact_lock",
    "pg_advisory_xact_lock_shared",
    "pg_try_advisory_lock",
    "pg_try_advisory_lock_shared",
    "pg_try_advisory_xact_lock",
    "pg_try_advisory_xact_lock_shared",
    "pg_relation_size",
    "pg_table_size",
    "pg_indexes_size",
    "pg_total_relation_size",
    "pg_database_size",
    "pg_tablespace_size",
    "pg_column_size",
    "pg_is_in_recovery",
    "pg_listening_channels",
    "pg_blocking_pids",
    "pg_lock_status",
    "pg_show_all_settings",
    "pg_timezone_names",
    "pg_timezone_abbrevs",
    "pg_is_wal_replay_paused",
    "pg_notification_queue_usage",
    "pg_my_temp_schema",
    "pg_prepared_statement",
    "pg_cursor",
];

/// Functions that are not volatile but read tables named in a string or through a cursor, past the
/// draft, or show other connections' statements.
const READS_BY_NAME: [&str; 20] = [
    "query_to_xml",
    "query_to_xmlschema",
    "query_to_xml_and_xmlschema",
    "table_to_xml",
    "table_to_xmlschema",
    "table_to_xml_and_xmlschema",
    "schema_to_xml",
    "schema_to_xmlschema",
    "schema_to_xml_and_xmlschema",
    "database_to_xml",
    "database_to_xmlschema",
    "database_to_xml_and_xmlschema",
    "cursor_to_xml",
    "cursor_to_xmlschema",
    "ts_stat",
    "ts_rewrite",
    "binary_upgrade_set_next_pg_type_oid",
    "pg_stat_get_activity",
    "pg_stat_get_backend_activity",
    "pg_stat_statements",
];

/// Volatile functions in C of extensions that come with PostgreSQL, without an effect outside the
/// connection: random values, and encryption, which takes a random salt.
const SAFE_OF_EXTENSIONS: [&str; 12] = [
    "gen_random_bytes",
    "gen_random_uuid",
    "gen_salt",
    "pgp_sym_encrypt",
    "pgp_sym_encrypt_bytea",
    "pgp_pub_encrypt",
    "pgp_pub_encrypt_bytea",
    "uuid_generate_v1",
    "uuid_generate_v1mc",
    "uuid_generate_v4",
    "normal_rand",
    "set_limit",
];

/// Functions of extensions that run a query given as text.
const RUNS_TEXT: [&str; 6] = [
    "crosstab",
    "crosstab2",
    "crosstab3",
    "crosstab4",
    "connectby",
    "xpath_table",
];

/// Input functions that take the type as a number: a way around its name. Nothing but PostgreSQL
/// itself has a use for them.
const INPUT_BY_NUMBER: [&str; 6] = [
    "domain_in",
    "array_in",
    "record_in",
    "range_in",
    "multirange_in",
    "anyarray_in",
];

/// What the calls of a statement lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// They may run.
    Fine,
    /// One of them is not in the snapshot: refresh it.
    Unknown,
}

/// Refuses a text that names a type which runs a function that may not run: a cast, a literal, a
/// definition, or a table with a column of it. The text is searched, not the tree, since types stand in
/// many places and such types are rare: no place can be forgotten.
///
/// # Errors
/// 0A000 with the hint how to allow it.
pub(crate) fn check_text(context: &Context<'_>, text: &str) -> Result<(), Report> {
    if context.catalog.types.is_empty() {
        return Ok(());
    }
    let text = text.to_lowercase();
    let used = types_in(context.catalog, &text);
    implied(context, used)
}

/// The types that run a function by themselves which a text in small letters may name.
pub(crate) fn types_in<'c>(catalog: &'c Catalog, text: &str) -> impl Iterator<Item = &'c Running> {
    let types = catalog.types.iter();
    types.filter(move |t| t.id == 0 || names(text, &t.name))
}

/// Refuses a change of a table which runs a function that may not run: by the type of a column, or by an
/// expression of the table's own. A default runs where the statement says so, or leaves a column out.
///
/// # Errors
/// 0A000 with the hint how to allow it.
pub(crate) fn check_changes(
    context: &Context<'_>,
    (text, changed): (&str, &[RelationId]),
) -> Result<(), Report> {
    let catalog = context.catalog;
    let own = |id: RelationId| changed.contains(&catalog.drafted_as(id));
    let types = catalog.types.iter();
    implied(context, types.filter(|t| t.relation.is_some_and(own)))?;
    let text = text.to_lowercase();
    let takes = ["insert", "copy", "default"];
    let takes = takes.iter().any(|word| names(&text, word));
    for expressed in catalog.expressed.iter().filter(|e| own(e.relation)) {
        let Some(relation) = catalog.relations.get(&expressed.relation) else {
            continue;
        };
        let runs = !expressed.default || takes || cascades_to_default(relation);
        if runs && !may_run(context, &expressed.function) {
            let what = format!("a change of table \"{}\"", relation.name);
            let how = "in the table's own expressions";
            return Err(refusal(&what, how, &expressed.function));
        }
    }
    Ok(())
}

fn cascades_to_default(relation: &Relation) -> bool {
    let mut keys = relation.foreign_keys.iter();
    keys.any(|key| [key.on_delete, key.on_update].contains(&ReferentialAction::SetDefault))
}

/// Refuses parameters of such a type, which a client gives by number; of one whose function reads any table,
/// too, since the draft at hand is not known yet.
///
/// # Errors
/// 0A000 with the hint how to allow it.
pub fn check_parameters(
    catalog: &Catalog,
    policy: &FunctionPolicy,
    types: &[u32],
) -> Result<(), Report> {
    let used = catalog.types.iter();
    let mut used = used
        .filter(|t| t.id != 0 && types.contains(&t.id))
        .peekable();
    if used.peek().is_none() {
        return Ok(());
    }
    let draft = DraftView::of_all(catalog);
    let none = Temporary::new();
    let context = Context::of_client((catalog, &draft), (&[], &none), policy, true);
    implied(&context, used)
}

/// Whether a name stands in a text in small letters as a word, or may be hidden in escapes.
fn names(text: &str, name: &str) -> bool {
    let name = name.to_lowercase().replace('"', "\"\"");
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    text.contains("u&")
        || text.match_indices(&name).any(|(at, found)| {
            let before = text.get(..at).and_then(|t| t.chars().next_back());
            let after = text.get(at + found.len()..).and_then(|t| t.chars().next());
            !before.is_some_and(is_word) && !after.is_some_and(is_word)
        })
}

fn implied<'c>(
    context: &Context<'_>,
    mut used: impl Iterator<Item = &'c Running>,
) -> Result<(), Report> {
    let refused = used.find(|t| {
        let allowed = is_allowed(context.functions, &t.function);
        !allowed && (t.writes || !may_run(context, &t.function))
    });
    let Some(Running { name, function, .. }) = refused else {
        return Ok(());
    };
    let what = if name.is_empty() {
        "a cast between types of PostgreSQL's own".to_owned()
    } else {
        format!("type \"{name}\"")
    };
    Err(refusal(&what, "by itself", function))
}

fn refusal(what: &str, how: &str, function: &Function) -> Report {
    let qualified = format!("{}.{}", function.schema, function.name);
    Report::error("0A000", format!("{what} is not allowed in a draft"))
        .detail(format!(
            "It runs function {qualified} {how}, which may read or write tables behind the draft's back."
        ))
        .hint(format!(
            "do without it, or ask the operator to add \"{qualified}\" to functions.allow in pgdraft's configuration"
        ))
}

/// Checks every call, operator and field that may be a call in disguise.
///
/// # Errors
/// 0A000 for a function that may read or write tables and is not allowed by name.
///
/// `written_out`: a call of a function in SQL can be, and what it calls is looked at then.
pub(crate) fn check(
    context: &Context<'_>,
    facts: &Facts,
    written_out: bool,
) -> Result<Verdict, Report> {
    let mut verdict = Verdict::Fine;
    for call in &facts.calls {
        if written_out && inlined::function(context, call).is_some() {
            continue;
        }
        if check_call(context, call)? == Verdict::Unknown && !context.fresh {
            verdict = Verdict::Unknown;
        }
    }
    for operator in &facts.operators {
        for function in context
            .catalog
            .operators
            .get(operator)
            .into_iter()
            .flatten()
        {
            permit(context, function)?;
        }
    }
    // `(row).f` and `t.f` call f(row) where no such column exists
    let dotted = facts
        .columns
        .iter()
        .filter(|c| c.fields.len() > 1)
        .filter_map(|c| c.fields.last())
        .chain(&facts.fields);
    for name in dotted {
        let is_column = context
            .catalog
            .relations
            .values()
            .any(|r| r.column(name).is_some());
        let candidates = context.catalog.functions.get(name);
        if !is_column && let Some(functions) = candidates {
            functions
                .iter()
                .filter(|f| f.schema != "pg_catalog")
                .try_for_each(|f| permit(context, f))?;
        }
    }
    Ok(verdict)
}

fn check_call(context: &Context<'_>, call: &Call) -> Result<Verdict, Report> {
    if call.name == "set_config" {
        check_set_config(call)?;
    }
    if call.schema.as_deref() == Some("pgdraft") {
        // These show a session to itself; the database decides whose it is.
        if call.name == "diff" || call.name.starts_with("diff_") {
            return Ok(Verdict::Fine);
        }
        return Err(Report::error(
            "42501",
            format!("permission denied for function {}", call.name),
        )
        .hint("functions of schema pgdraft are called by the proxy alone"));
    }
    if sequences::is_setval(call) {
        return Ok(Verdict::Fine);
    }
    let mut found = false;
    for function in candidates(context, call) {
        found = true;
        permit(context, function)?;
    }
    Ok(if found {
        Verdict::Fine
    } else {
        Verdict::Unknown
    })
}

/// The functions that a call may mean: which of them it does depends on types.
pub(crate) fn candidates<'a>(
    context: &Context<'a>,
    call: &Call,
) -> impl Iterator<Item = &'a Function> {
    let named = context.catalog.functions.get(&call.name);
    named.into_iter().flatten().filter(|f| match &call.schema {
        Some(schema) => f.schema == *schema,
        None => f.schema == "pg_catalog" || context.search_path.contains(&f.schema),
    })
}

/// Whether one function may run.
///
/// # Errors
/// 0A000 with the hint how to allow it.
pub(crate) fn permit(context: &Context<'_>, function: &Function) -> Result<(), Report> {
    let Function { schema, name, .. } = function;
    if is_allowed(context.functions, function) {
        return Ok(());
    }
    if may_run(context, function) {
        return permit_types(context, function);
    }
    let qualified = format!("{schema}.{name}");
    Err(
        Report::error("0A000", format!("function {qualified} is not allowed in a draft"))
            .detail("It may read or write tables behind the draft's back.")
            .hint(format!(
                "do without it, or ask the operator to add \"{qualified}\" to functions.allow in pgdraft's configuration"
            )),
    )
}

/// Whether it is listed, or has its caller's rights and gives what it gives without a draft.
fn may_run(context: &Context<'_>, function: &Function) -> bool {
    is_allowed(context.functions, function)
        || !function.security_definer && is_quiet(context, function)
}

/// Whether what the catalog says of a function is enough to run it.
fn is_harmless(function: &Function) -> bool {
    let Function { schema, name, .. } = function;
    match (schema.as_str(), function.volatility) {
        ("pg_catalog", Volatility::Volatile) => SAFE_VOLATILE.contains(&name.as_str()),
        ("pg_catalog", _) => {
            !READS_BY_NAME.contains(&name.as_str()) && !INPUT_BY_NUMBER.contains(&name.as_str())
        }
        (_, Volatility::Immutable) => !function.security_definer,
        // C functions of extensions: stable ones read settings, not tables
        (_, Volatility::Stable) => {
            schema == "information_schema"
                || in_extension(function) && !RUNS_TEXT.contains(&name.as_str())
        }
        (_, Volatility::Volatile) => {
            in_extension(function) && SAFE_OF_EXTENSIONS.contains(&name.as_str())
        }
    }
}

/// In C, with the caller's rights, and made by CREATE EXTENSION.
fn in_extension(function: &Function) -> bool {
    function.extension && function.language == "c" && !function.security_definer
}

/// Whether a function may be called as far as its types go, of which one may run something by itself.
///
/// # Errors
/// 0A000 with the hint how to allow it.
pub(crate) fn permit_types(context: &Context<'_>, function: &Function) -> Result<(), Report> {
    let types = context.catalog.types.iter();
    implied(context, types.filter(|t| function.types.contains(&t.id)))
}

/// Whether the configuration names it.
pub(crate) fn is_allowed(policy: &FunctionPolicy, function: &Function) -> bool {
    let Function { schema, name, .. } = function;
    let qualified = format!("{schema}.{name}");
    let any = format!("{schema}.*");
    schema != "pgdraft"
        && policy
            .allowed
            .iter()
            .any(|a| *a == *name || *a == qualified || *a == any)
}

fn check_set_config(call: &Call) -> Result<(), Report> {
    let Some(name) = call.first_constant.as_deref() else {
        // looked at where it is known
        return Ok(());
    };
    let name = name.to_ascii_lowercase();
    let refusal = match (name.as_str(), &call.second_constant) {
        ("client_encoding" | "standard_conforming_strings", Some(value)) => {
            crate::classify::pinned(&name, Some(value))
        }
        ("row_security", _) => Some(
            Report::error(
                "0A000",
                "row_security cannot be set by set_config in a draft",
            )
            .hint("use SET row_security"),
        ),
        ("pgdraft.operation", _) => Some(
            Report::error("0A000", "pgdraft.operation cannot be set by set_config")
                .hint("use SET pgdraft.operation = '…'"),
        ),
        _ => crate::classify::pinned(&name, Some("")),
    };
    refusal.map_or(Ok(()), Err)
}
