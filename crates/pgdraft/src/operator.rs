//! `pgdraft sessions`, `operations`, `diff`, `dependencies`, `commit` and `discard`: the control plane from a
//! shell, straight to the database, as its operator.

use std::io::Write as _;

use console::{Drafts, Ended, TableName};
use control::{
    Chosen, Control, Dependency, DiffFilter, DiffRow, DiffType, OperationSummary, Options,
    Separated, SessionSummary, SummaryRow,
};

use crate::cli::{Choice, Diff, Kind, Operator, OperatorSession, UpstreamFlag};
use crate::database;
use crate::failure::Failure;
use crate::render::{self, JsonObject, Paint, safe};
use crate::{bridge, settings};

/// `pgdraft sessions`
pub(crate) async fn sessions(arguments: &Operator) -> Result<(), Failure> {
    let (drafts, _) = connect(&arguments.upstream).await?;
    let rows = Drafts::sessions(&drafts, None).await?;
    print(&if arguments.json {
        let items = rows.iter().map(session_json);
        JsonObject::default().array("sessions", items).finish()
    } else {
        render::sessions(&rows)
    })
}

/// `pgdraft operations`
pub(crate) async fn operations(arguments: &OperatorSession) -> Result<(), Failure> {
    let (drafts, _) = connect(&arguments.operator.upstream).await?;
    known(&drafts, &arguments.session).await?;
    let rows = Drafts::operations(&drafts, &arguments.session).await?;
    print(&if arguments.operator.json {
        let items = rows.iter().map(operation_json);
        JsonObject::default()
            .text("session", &arguments.session)
            .array("operations", items)
            .finish()
    } else {
        render::operations(&rows)
    })
}

/// `pgdraft diff`: row by row as they come, however many there are.
pub(crate) async fn diff(arguments: &Diff) -> Result<(), Failure> {
    let session = &arguments.session.session;
    let (control, _) = connect(&arguments.session.operator.upstream).await?;
    let filter = filter(&control, arguments)?;
    if arguments.summary {
        return summary(&control, arguments, &filter).await;
    }
    let mut diff = control
        .diff(session, &filter)
        .await
        .map_err(|e| Failure::from(e.report()))?;
    let rows_max = arguments.rows.unwrap_or(usize::MAX);
    let mut text = render::DiffText::new(rows_max, Paint::for_stdout());
    let json = arguments.session.operator.json;
    if json {
        let head = JsonObject::default()
            .text("session", session)
            .text("fingerprint", diff.fingerprint())
            .finish();
        print(&format!("{}, \"rows\": [", head.trim_end_matches('}')))?;
    }
    let mut first = true;
    while let Some(row) = diff.next().await.map_err(|e| Failure::from(e.report()))? {
        let comma = if first { "  " } else { ", " };
        first = false;
        print(&if json {
            format!("{comma}{}\n", diff_json(&row))
        } else {
            text.row(&row)
        })?;
    }
    let fingerprint = format!("fingerprint {}\n", diff.fingerprint());
    print(&if json {
        "]}\n".to_owned()
    } else {
        text.finish() + &fingerprint
    })
}

fn filter(control: &Control, arguments: &Diff) -> Result<DiffFilter, Failure> {
    let table = arguments.table.as_deref().map(table_name);
    Ok(DiffFilter {
        table: table
            .map(|name| console::find_table(control, &name))
            .transpose()?,
        operation: arguments.operation.clone(),
        steps: arguments.steps,
        kind: arguments.kind.map(|kind| match kind {
            Kind::Added => DiffType::Added,
            Kind::Modified => DiffType::Modified,
            Kind::Removed => DiffType::Removed,
        }),
        key: arguments.key.clone(),
        rows_max: arguments.limit,
        whole: arguments.full,
    })
}

async fn summary(control: &Control, arguments: &Diff, filter: &DiffFilter) -> Result<(), Failure> {
    let session = &arguments.session.session;
    let summary = control
        .summary(session, filter)
        .await
        .map_err(|e| Failure::from(e.report()))?;
    print(&if arguments.session.operator.json {
        JsonObject::default()
            .text("session", session)
            .text("fingerprint", &summary.fingerprint)
            .array("summary", summary.rows.iter().map(summary_json))
            .finish()
    } else {
        render::summary(&summary, Paint::for_stdout())
    })
}

/// `pgdraft dependencies`
pub(crate) async fn dependencies(arguments: &OperatorSession) -> Result<(), Failure> {
    let (drafts, _) = connect(&arguments.operator.upstream).await?;
    let edges = Drafts::dependencies(&drafts, &arguments.session).await?;
    print(&if arguments.operator.json {
        JsonObject::default()
            .text("session", &arguments.session)
            .array("dependencies", edges.iter().map(dependency_json))
            .finish()
    } else {
        render::dependencies(&edges)
    })
}

/// `pgdraft commit`
pub(crate) async fn commit(arguments: &Choice) -> Result<(), Failure> {
    let session = &arguments.session;
    let (drafts, me) = connect(&session.operator.upstream).await?;
    if arguments.operations.is_empty() {
        let fingerprint = arguments.fingerprint.as_deref();
        let ended = Drafts::commit(&drafts, &session.session, &me, fingerprint).await?;
        return print(&told(session, "committed", ended));
    }
    let done = Drafts::commit_operations(&drafts, &chosen(arguments), &me).await?;
    print(&separated(session, "committed", &done))
}

/// `pgdraft discard`
pub(crate) async fn discard(arguments: &Choice) -> Result<(), Failure> {
    let session = &arguments.session;
    let (drafts, me) = connect(&session.operator.upstream).await?;
    if arguments.operations.is_empty() {
        if arguments.fingerprint.is_some() {
            return Err(Failure::unexpected(
                "--fingerprint binds a discard of operations only".to_owned(),
                "leave it out, or choose operations with --operation",
            ));
        }
        let ended = Drafts::discard(&drafts, &session.session, &me).await?;
        return print(&told(session, "discarded", ended));
    }
    let done = Drafts::discard_operations(&drafts, &chosen(arguments)).await?;
    print(&separated(session, "discarded", &done))
}

fn chosen(arguments: &Choice) -> Chosen<'_> {
    Chosen {
        session: &arguments.session.session,
        operations: &arguments.operations,
        cascade: arguments.cascade,
        fingerprint: arguments.fingerprint.as_deref(),
    }
}

fn separated(arguments: &OperatorSession, what: &str, done: &Separated) -> String {
    if arguments.operator.json {
        return JsonObject::default()
            .text("session", &arguments.session)
            .text("state", what)
            .texts("operations", &done.operations)
            .maybe("part", done.part.as_deref())
            .number("rows", done.rows)
            .number("tables", done.tables)
            .finish();
    }
    safe(&console::separated(&arguments.session, what, done)) + "\n"
}

fn dependency_json(edge: &Dependency) -> String {
    JsonObject::default()
        .text("operation", &edge.operation)
        .text("depends_on", &edge.depends_on)
        .text("kind", &edge.kind)
        .text("table", &console::shown_table(&edge.schema, &edge.table))
        .text("reason", &edge.reason)
        .finish()
}

/// The control plane, and the name that endings are recorded under.
async fn connect(flag: &UpstreamFlag) -> Result<(Control, String), Failure> {
    let url = settings::upstream_url(&flag.config, flag.upstream_url.as_ref())?;
    let target = database::parse(&url)?;
    let me = format!("operator {}", target.user());
    Ok((bridge::connect(&target, Options::default()).await?, me))
}

async fn known(drafts: &dyn Drafts, session: &str) -> Result<(), Failure> {
    if drafts.owner(session).await?.is_some() {
        return Ok(());
    }
    Err(console::no_such_session(session).into())
}

/// `name` or `schema.name`; a dot inside a name cannot be written here.
fn table_name(text: &str) -> TableName {
    match text.split_once('.') {
        Some((schema, name)) => TableName {
            schema: Some(schema.to_owned()),
            name: name.to_owned(),
        },
        None => TableName {
            schema: None,
            name: text.to_owned(),
        },
    }
}

fn told(arguments: &OperatorSession, state: &str, ended: Ended) -> String {
    if arguments.operator.json {
        return JsonObject::default()
            .text("session", &arguments.session)
            .text("state", state)
            .number("rows", ended.rows)
            .number("tables", ended.tables)
            .finish();
    }
    let session = safe(&arguments.session);
    format!("session \"{session}\" {state}: {ended}\n")
}

fn session_json(row: &SessionSummary) -> String {
    JsonObject::default()
        .text("session", &row.name)
        .text("agent", &row.agent)
        .text("state", row.state.as_str())
        .number("operations", row.operations)
        .number("tables", row.tables)
        .number("rows", row.rows)
        .text("created_at", &row.created_at)
        .maybe("ended_at", row.ended_at.as_deref())
        .maybe("ended_by", row.ended_by.as_deref())
        .finish()
}

fn operation_json(row: &OperationSummary) -> String {
    JsonObject::default()
        .text("operation", &row.name)
        .text("agent", &row.agent)
        .maybe("client_address", row.client_address.as_deref())
        .text("started_at", &row.started_at)
        .raw(
            "duration_ms",
            &row.duration_ms
                .map_or("null".to_owned(), |ms| ms.to_string()),
        )
        .text("state", row.state.as_str())
        .number("inserted", row.inserted)
        .number("updated", row.updated)
        .number("deleted", row.deleted)
        .texts("tables", &row.tables)
        .text("statement", &row.statement)
        .finish()
}

fn diff_json(row: &DiffRow) -> String {
    JsonObject::default()
        .text("operation", &row.operation)
        .text("table", &console::shown_table(&row.schema, &row.table))
        .text("diff_type", row.diff_type.as_str())
        .raw("primary_key", &row.primary_key)
        .raw("from", row.from.as_deref().unwrap_or("null"))
        .raw("to", row.to.as_deref().unwrap_or("null"))
        .texts("changed_columns", &row.changed_columns)
        .finish()
}

fn summary_json(row: &SummaryRow) -> String {
    JsonObject::default()
        .text("table", &console::shown_table(&row.schema, &row.table))
        .text("diff_type", row.diff_type.as_str())
        .text("what", &row.what)
        .maybe("column", row.column.as_deref())
        .maybe("from", row.from.as_deref())
        .maybe("to", row.to.as_deref())
        .maybe("difference", row.difference.as_deref())
        .number("rows", row.rows)
        .raw(
            "changes",
            &row.changes.map_or("null".to_owned(), |n| n.to_string()),
        )
        .raw("primary_key", row.primary_key.as_deref().unwrap_or("null"))
        .finish()
}

/// A closed pipe (`| head`) is not an error.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let end = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    match write!(out, "{text}{end}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            let message = format!("could not write: {error}");
            Err(Failure::unexpected(message, "check standard output"))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
