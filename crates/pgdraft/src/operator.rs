//! `pgdraft diff`, which shows rows as they come, and the connection of every command of the
//! operator.

use std::io::Write as _;

use control::{Control, DiffFilter, DiffRow, DiffType, Options, SummaryRow};

use crate::cli::{Diff, Kind, Operator};
use crate::database;
use crate::failure::Failure;
use crate::render::{self, JsonObject, Paint};
use crate::review::table_name;
use crate::{bridge, settings};

/// `pgdraft diff`: row by row as they come, however many there are.
pub(crate) async fn diff(arguments: &Diff) -> Result<(), Failure> {
    let session = &arguments.session.session;
    let (control, _) = connect(&arguments.session.operator).await?;
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

/// The control plane, and the name that endings are recorded under.
pub(crate) async fn connect(operator: &Operator) -> Result<(Control, String), Failure> {
    let flag = &operator.upstream;
    let url = settings::upstream_url(&flag.config, flag.upstream_url.as_ref())?;
    let merge = settings::merging(operator)?;
    let target = database::parse(&url)?;
    let me = format!("operator {}", target.user());
    let options = Options {
        history: merge.history,
        merge_delta: merge.delta.into(),
        ..Options::default()
    };
    Ok((bridge::connect(&target, options).await?, me))
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
pub(crate) fn print(text: &str) -> Result<(), Failure> {
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
