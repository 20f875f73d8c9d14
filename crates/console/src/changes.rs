//! Commands that change a session beside its commit and discard: conflicts, rehearsal, undo, rewind,
//! fork, and the states on the way.

use control::{BaseChange, Change, Changed, ConflictRow, Rehearsal, Undone, Value, Which};
use report::Report;

use crate::handlers::{Call, Outcome, told};
use crate::{Fact, Rows, shown_table};

pub(crate) fn propose(call: Call<'_>) -> Outcome<'_> {
    run(call, Change::Propose)
}

pub(crate) fn reopen(call: Call<'_>) -> Outcome<'_> {
    run(call, Change::Reopen)
}

pub(crate) fn show_conflicts(call: Call<'_>) -> Outcome<'_> {
    run(call, Change::Conflicts)
}

pub(crate) fn rebase(call: Call<'_>) -> Outcome<'_> {
    run(call, Change::Rebase)
}

pub(crate) fn rehearse(call: Call<'_>) -> Outcome<'_> {
    run(call, Change::Rehearse)
}

pub(crate) fn resolve(call: Call<'_>) -> Outcome<'_> {
    Box::pin(async move {
        let request = call.request;
        let table = request.table.as_ref();
        let which = Which {
            table: table.map(|name| call.drafts.table(name)).transpose()?,
            key: request.key.clone(),
            column: request.column.clone(),
        };
        let value = match request.text("value") {
            Some(value) => Value::Given(value.to_owned()),
            None if request.has("THEIRS") => Value::Theirs,
            None => Value::Ours,
        };
        if matches!(value, Value::Given(_)) && (which.column.is_none() || which.table.is_none()) {
            return Err(Report::error("42601", "a value is taken for one column of a table")
                .detail("The command names no table or no column.")
                .hint("write it as: RESOLVE CONFLICT IN SESSION 'name' TABLE table KEY ('value', …) COLUMN column TAKE VALUE 'value'"));
        }
        answer(&call, &Change::Resolve(which, value)).await
    })
}

pub(crate) fn revert(call: Call<'_>) -> Outcome<'_> {
    let request = call.request;
    let undone = match (request.text("agent"), request.text("time")) {
        (Some(agent), Some(since)) => Undone::Agent {
            agent: agent.to_owned(),
            since: since.to_owned(),
        },
        _ => match request.operations.first() {
            Some(operation) => Undone::Operation {
                session: call.session.to_owned(),
                operation: operation.clone(),
            },
            None => Undone::Session(call.session.to_owned()),
        },
    };
    let name = request.text("new session").map(str::to_owned);
    run(call, Change::Revert(undone, name))
}

pub(crate) fn rewind(call: Call<'_>) -> Outcome<'_> {
    let operation = call.request.operations.first().cloned();
    run(call, Change::Rewind(operation.unwrap_or_default()))
}

pub(crate) fn fork(call: Call<'_>) -> Outcome<'_> {
    let name = call
        .request
        .text("new session")
        .unwrap_or_default()
        .to_owned();
    let operation = call.request.operations.first().cloned();
    run(call, Change::Fork(name, operation))
}

fn run(call: Call<'_>, change: Change) -> Outcome<'_> {
    Box::pin(async move { answer(&call, &change).await })
}

async fn answer(call: &Call<'_>, change: &Change) -> Result<Rows, Report> {
    let done = call
        .drafts
        .change(call.session, call.caller.name, change)
        .await?;
    Ok(match (done, change) {
        (Changed::Done, Change::Propose) => {
            told(format!("session \"{}\" waits for review", call.session)).fact("state", "proposed")
        }
        (Changed::Done, _) => {
            told(format!("session \"{}\" takes writes again", call.session)).fact("state", "open")
        }
        (Changed::Conflicts(rows), _) => rows.into_iter().map(conflict).collect(),
        (Changed::Left { left, settled }, _) => told(match (left, settled) {
            (0, _) => conflicts_left(0),
            (_, 0) => format!("nothing was settled by this: {}", conflicts_left(left)),
            _ => conflicts_left(left),
        })
        .fact("left", left),
        (Changed::Rebased { changes, left }, _) => rebased(call.session, changes, left),
        (Changed::Rehearsed(rehearsal), _) => rehearsed(call.session, rehearsal),
        (Changed::Made { session, rows }, _) => {
            let word = if rows == 1 { "row" } else { "rows" };
            told(format!("session \"{session}\" made with {rows} {word}"))
                .fact("made", session.as_str())
                .fact("rows", rows)
        }
        (Changed::Rewound(gone), _) => told(format!(
            "session \"{}\" rewound: {gone} {} gone",
            call.session,
            if gone == 1 {
                "operation is"
            } else {
                "operations are"
            }
        ))
        .fact("removed_operations", gone),
    })
}

fn conflict(row: ConflictRow) -> Vec<Option<String>> {
    let what = row.what();
    vec![
        Some(shown_table(&row.schema, &row.table)),
        Some(row.primary_key),
        Some(row.kind),
        row.name,
        row.base,
        row.ours,
        row.theirs,
        row.changed_by,
        Some(what),
    ]
}

fn conflicts_left(left: usize) -> String {
    match left {
        0 => "no conflict is left".to_owned(),
        1 => "1 conflict is left".to_owned(),
        _ => format!("{left} conflicts are left"),
    }
}

fn rebased(session: &str, rows: Vec<BaseChange>, left: usize) -> Rows {
    let merged = rows.iter().filter(|r| !r.conflict).count();
    let values = if merged == 1 { "value" } else { "values" };
    let mut out = told(format!(
        "session \"{session}\" is on today's rows: {merged} {values} came, {}",
        conflicts_left(left)
    ))
    .fact("merged", merged)
    .fact("conflicts", left);
    out.rows = rows
        .into_iter()
        .map(|r| {
            let state = if r.conflict { "conflict" } else { "merged" };
            vec![
                Some(shown_table(&r.schema, &r.table)),
                Some(r.primary_key),
                r.column,
                r.was,
                r.now,
                Some(state.to_owned()),
            ]
        })
        .collect();
    out
}

fn rehearsed(session: &str, rehearsal: Rehearsal) -> Rows {
    let mut rows = Vec::new();
    for t in rehearsal.committed.iter().flat_map(|c| &c.tables) {
        rows.push(vec![
            Some("commit".to_owned()),
            Some(shown_table(&t.schema, &t.table)),
            None,
            None,
            None,
            Some(format!(
                "{} inserted, {} updated, {} deleted",
                t.inserted, t.updated, t.deleted
            )),
        ]);
    }
    for e in rehearsal.effects {
        let what = if e.removed > 0 {
            let rows = if e.removed == 1 { "row" } else { "rows" };
            format!(
                "{} {rows} removed by the database, not by the agent",
                e.removed
            )
        } else {
            "written by the database, not by the agent".to_owned()
        };
        rows.push(vec![
            Some("side effect".to_owned()),
            Some(shown_table(&e.schema, &e.table)),
            e.primary_key,
            e.drafted,
            e.result,
            Some(what),
        ]);
    }
    for c in rehearsal.conflicts {
        let what = c.what();
        rows.push(vec![
            Some("conflict".to_owned()),
            Some(shown_table(&c.schema, &c.table)),
            Some(c.primary_key),
            c.ours,
            c.theirs,
            Some(what),
        ]);
    }
    for failed in rehearsal.errors {
        let table = failed
            .table
            .map(|(schema, table)| shown_table(&schema, &table));
        let what = format!("{}: {}", failed.code, failed.message);
        rows.push(vec![
            Some("error".to_owned()),
            table,
            failed.primary_key,
            None,
            None,
            Some(what),
        ]);
    }
    let mut out = told(if rehearsal.committed.is_some() {
        format!("session \"{session}\" can be committed")
    } else {
        format!("session \"{session}\" cannot be committed")
    })
    .fact(
        "can_be_committed",
        Fact::Truth(rehearsal.committed.is_some()),
    );
    out.rows = rows;
    out
}
