//! What each command does, once its words are read and its privilege is checked.

use std::future::Future;
use std::pin::Pin;

use control::{Chosen, OperationSummary, Separated, StaleRead};
use report::{Report, Severity, code};

use crate::commands::{COMMANDS, Privilege};
use crate::drafts::{Asked, Drafts, Ended};
use crate::grammar::Request;
use crate::{Caller, Fact, Rows, shown_table};

/// What a handler has to work with.
pub(crate) struct Call<'a> {
    pub(crate) drafts: &'a dyn Drafts,
    pub(crate) caller: &'a Caller<'a>,
    pub(crate) request: &'a Request,
    /// The session named, or the caller's own; set wherever the command is about one session.
    pub(crate) session: &'a str,
}

/// Rows of the result, and notices.
pub(crate) type Outcome<'a> = Pin<Box<dyn Future<Output = Result<Rows, Report>> + Send + 'a>>;

/// A row of the table of commands points at one of these.
pub(crate) type Handler = for<'a> fn(Call<'a>) -> Outcome<'a>;

/// Checks the privilege, then runs the command.
pub(crate) async fn run(
    drafts: &dyn Drafts,
    caller: &Caller<'_>,
    request: &Request,
) -> Result<Rows, Report> {
    let spec = request.spec;
    let named = request.session.as_deref().or(caller.own_session);
    let session = match (spec.privilege, named) {
        (Privilege::AnyReviewer, _) if !caller.reviewer => return Err(not_a_reviewer(request)),
        (Privilege::Anyone | Privilege::AnyReviewer, _) => "",
        (Privilege::Operator, _) if caller.reviewer => "",
        (Privilege::Operator, _) => return Err(not_an_operator(request)),
        (Privilege::SessionOwner | Privilege::Reviewer, None) => return Err(no_session(request)),
        (Privilege::SessionOwner, Some(name)) => {
            let owner = drafts.owner(name).await?;
            // A session without an id of its own is written down with its first change: until
            // then its own connection sees it as what it is, an empty draft.
            let not_begun = owner.is_none() && caller.own_session == Some(name);
            if not_begun && !spec.columns.is_empty() {
                return Ok(Rows::default());
            }
            check_owner(owner.as_deref(), caller, name)?;
            name
        }
        (Privilege::Reviewer, Some(name)) => {
            if !caller.reviewer {
                return Err(not_a_reviewer(request));
            }
            name
        }
    };
    (spec.handler)(Call {
        drafts,
        caller,
        request,
        session,
    })
    .await
}

/// A reviewer may; an agent may where the session is its own. Another agent's session is answered
/// as if it did not exist, so that names do not leak.
fn check_owner(owner: Option<&str>, caller: &Caller<'_>, session: &str) -> Result<(), Report> {
    match owner {
        Some(owner) if caller.reviewer || owner == caller.name => Ok(()),
        Some(_) | None => Err(no_such_session(session)),
    }
}

/// ZD003.
pub(crate) fn no_such_session(session: &str) -> Report {
    Report::error(
        code::NO_SUCH_SESSION,
        format!("session \"{session}\" does not exist"),
    )
    .hint("SHOW SESSIONS lists the sessions")
}

fn no_session(request: &Request) -> Report {
    Report::error(code::NO_SUCH_SESSION, "no session is named")
        .detail("This connection works in no session of its own.")
        .hint(format!(
            "name one: {}; SHOW SESSIONS lists them",
            request.spec.usage().replace(['[', ']'], "")
        ))
}

fn not_an_operator(request: &Request) -> Report {
    Report::error(
        "42501",
        format!("permission denied for {}", request.spec.usage()),
    )
    .detail("It is about the drafts or the clients of all agents.")
    .hint("connect as a reviewer")
}

/// 42501.
fn not_a_reviewer(request: &Request) -> Report {
    let report = Report::error(
        "42501",
        format!("permission denied for {}", request.spec.tag),
    );
    if request.spec.tag == "SHOW" {
        return report
            .detail("It shows what statements were sent with, which is for reviewers alone.")
            .hint("SHOW OPERATIONS without FULL shows them with their constants replaced");
    }
    report.detail(
        "An agent's credential never commits a draft, settles its conflicts or undoes a commit.",
    )
    .hint("a reviewer commits: ask one to look at SHOW DIFF and to run COMMIT SESSION")
}

pub(crate) fn show_sessions(call: Call<'_>) -> Outcome<'_> {
    Box::pin(async move {
        let agent = (!call.caller.reviewer).then_some(call.caller.name);
        let rows = call.drafts.sessions(agent).await?;
        Ok(Rows::from_iter(rows.into_iter().map(|r| {
            vec![
                Some(r.name),
                Some(r.agent),
                Some(r.state.as_str().to_owned()),
                Some(r.operations.to_string()),
                Some(r.tables.to_string()),
                Some(r.rows.to_string()),
                Some(r.created_at),
                r.ended_at,
                r.ended_by,
            ]
        })))
    })
}

pub(crate) fn show_operations(call: Call<'_>) -> Outcome<'_> {
    Box::pin(async move {
        let rows = call.drafts.operations(call.session).await?;
        Ok(rows.into_iter().map(operation).collect())
    })
}

pub(crate) fn show_operations_full(call: Call<'_>) -> Outcome<'_> {
    Box::pin(async move {
        let mut kept = call.drafts.kept_statements(call.session).await?;
        let rows = call.drafts.operations(call.session).await?;
        let whole = |row: OperationSummary| OperationSummary {
            statement: kept.remove(&row.name).unwrap_or(row.statement),
            ..row
        };
        Ok(rows.into_iter().map(whole).map(operation).collect())
    })
}

fn operation(r: OperationSummary) -> Vec<Option<String>> {
    vec![
        Some(r.name),
        Some(r.agent),
        r.client_address,
        Some(r.started_at),
        r.duration_ms.map(|ms| ms.to_string()),
        Some(r.state.as_str().to_owned()),
        Some(r.inserted.to_string()),
        Some(r.updated.to_string()),
        Some(r.deleted.to_string()),
        Some(array_literal(&r.tables)),
        Some(r.statement),
    ]
}

pub(crate) fn show_stale_reads(call: Call<'_>) -> Outcome<'_> {
    Box::pin(async move {
        let rows = call.drafts.stale_reads(call.session).await?;
        Ok(Rows {
            rows: rows.into_iter().map(stale_read).collect(),
            ..told(
                "reads are recorded for the agents of operations.reads, and not in a READ ONLY transaction"
                    .to_owned(),
            )
        })
    })
}

fn stale_read(r: StaleRead) -> Vec<Option<String>> {
    vec![
        r.operation,
        Some(shown_table(&r.schema, &r.table)),
        r.read.map(|n| n.to_string()),
        Some(r.changed.to_string()),
        r.read.map(|_| r.removed.to_string()),
        r.came.map(|n| n.to_string()),
        r.keys,
        Some(r.read_at),
        Some(r.statement),
    ]
}

/// What a reviewer of a diff is told besides.
async fn stale_notice(call: &Call<'_>) -> Result<Option<Report>, Report> {
    let stale = call.drafts.stale(call.session).await?;
    Ok(stale.map(|text| Report {
        severity: Severity::Notice,
        ..Report::error("00000", text).hint(format!(
            "SHOW STALE READS IN SESSION '{}'",
            call.session.replace('\'', "''")
        ))
    }))
}

pub(crate) fn show_diff(call: Call<'_>) -> Outcome<'_> {
    Box::pin(async move {
        let asked = Asked::of(call.request);
        let (rows, fingerprint) = call.drafts.diff(call.session, &asked).await?;
        let mut shown = told(format!(
            "fingerprint of session \"{}\": {fingerprint}",
            call.session
        ));
        shown.rows = rows
            .into_iter()
            .map(|r| {
                vec![
                    Some(r.operation),
                    Some(shown_table(&r.schema, &r.table)),
                    Some(r.diff_type.as_str().to_owned()),
                    Some(r.primary_key),
                    r.from,
                    r.to,
                    Some(array_literal(&r.changed_columns)),
                    Some(fingerprint.clone()),
                ]
            })
            .collect();
        shown.notices.extend(stale_notice(&call).await?);
        Ok(shown)
    })
}

pub(crate) fn show_summary(call: Call<'_>) -> Outcome<'_> {
    Box::pin(async move {
        let asked = Asked::of(call.request);
        let summary = call.drafts.summary(call.session, &asked).await?;
        let fingerprint = summary.fingerprint;
        let rows = summary.rows.into_iter().map(|r| {
            vec![
                Some(shown_table(&r.schema, &r.table)),
                Some(r.diff_type.as_str().to_owned()),
                Some(r.what),
                r.column,
                r.from,
                r.to,
                r.difference,
                Some(r.rows.to_string()),
                r.changes.map(|n| n.to_string()),
                r.primary_key,
                Some(fingerprint.clone()),
            ]
        });
        let mut shown = Rows::from_iter(rows);
        shown.notices.extend(stale_notice(&call).await?);
        Ok(shown)
    })
}

pub(crate) fn commit_session(call: Call<'_>) -> Outcome<'_> {
    Box::pin(async move {
        let fingerprint = call.request.fingerprint.as_deref();
        let ended = call
            .drafts
            .commit(call.session, call.caller.name, fingerprint)
            .await?;
        Ok(ending(call.session, "committed", ended))
    })
}

pub(crate) fn show_dependencies(call: Call<'_>) -> Outcome<'_> {
    Box::pin(async move {
        let edges = call.drafts.dependencies(call.session).await?;
        Ok(Rows::from_iter(edges.into_iter().map(|e| {
            vec![
                Some(e.operation),
                Some(e.depends_on),
                Some(e.kind),
                Some(shown_table(&e.schema, &e.table)),
                Some(e.reason),
            ]
        })))
    })
}

pub(crate) fn commit_operations(call: Call<'_>) -> Outcome<'_> {
    Box::pin(async move {
        let chosen = chosen(&call);
        let done = call
            .drafts
            .commit_operations(&chosen, call.caller.name)
            .await?;
        Ok(separated(call.session, "committed", &done))
    })
}

pub(crate) fn discard_operations(call: Call<'_>) -> Outcome<'_> {
    Box::pin(async move {
        let done = call.drafts.discard_operations(&chosen(&call)).await?;
        Ok(separated(call.session, "discarded", &done))
    })
}

fn chosen<'a>(call: &'a Call<'_>) -> Chosen<'a> {
    Chosen {
        session: call.session,
        operations: &call.request.operations,
        cascade: call.request.has("CASCADE"),
        fingerprint: call.request.fingerprint.as_deref(),
    }
}

/// What became of some operations.
fn separated(session: &str, what: &str, done: &Separated) -> Rows {
    let names: Vec<String> = done.operations.iter().map(|n| format!("\"{n}\"")).collect();
    let plural = if names.len() == 1 { "" } else { "s" };
    let part = done
        .part
        .as_ref()
        .map(|name| format!(" as session \"{name}\""))
        .unwrap_or_default();
    let size = Ended {
        rows: done.rows,
        tables: done.tables,
    };
    let told = told(format!(
        "operation{plural} {} of session \"{session}\" {what}{part}: {size}",
        names.join(", ")
    ))
    .fact("state", what)
    .fact("operations", Fact::Texts(done.operations.clone()))
    .fact("rows", done.rows)
    .fact("tables", done.tables);
    match &done.part {
        Some(part) => told.fact("part", part.as_str()),
        None => told,
    }
}

pub(crate) fn discard_session(call: Call<'_>) -> Outcome<'_> {
    Box::pin(async move {
        let ended = call.drafts.discard(call.session, call.caller.name).await?;
        Ok(ending(call.session, "discarded", ended))
    })
}

fn ending(session: &str, state: &str, ended: Ended) -> Rows {
    told(format!("session \"{session}\" {state}: {ended}"))
        .fact("state", state)
        .fact("rows", ended.rows)
        .fact("tables", ended.tables)
}

pub(crate) fn show_draft_tables(call: Call<'_>) -> Outcome<'_> {
    Box::pin(async move {
        let tables = call.drafts.space().await?;
        Ok(Rows::from_iter(tables.into_iter().map(|t| {
            vec![
                Some(catalog::shown_table(&t.schema, &t.table)),
                Some(t.head_bytes.to_string()),
                Some(t.log_bytes.to_string()),
                Some(t.rows.to_string()),
                Some(t.dead_rows.to_string()),
                t.vacuumed_at,
            ]
        })))
    })
}

pub(crate) fn show_version(_: Call<'_>) -> Outcome<'_> {
    Box::pin(async move {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Ok(Rows::from_iter([vec![Some(version)]]))
    })
}

pub(crate) fn show_commands(_: Call<'_>) -> Outcome<'_> {
    Box::pin(async move {
        Ok(Rows::from_iter(COMMANDS.iter().map(|spec| {
            let who = match spec.privilege {
                Privilege::Anyone => "anyone",
                Privilege::SessionOwner => "the session's agent, reviewers",
                Privilege::Reviewer | Privilege::AnyReviewer | Privilege::Operator => "reviewers",
            };
            vec![
                Some(spec.usage()),
                Some(who.to_owned()),
                Some(spec.about.to_owned()),
            ]
        })))
    })
}

/// No rows, one notice.
pub(crate) fn told(message: String) -> Rows {
    let mut notice = Report::error("00000", message);
    notice.severity = Severity::Notice;
    Rows {
        notices: vec![notice],
        ..Rows::default()
    }
}

/// PostgreSQL's text form of a `text[]` (section 8.15.6).
pub(crate) fn array_literal(items: &[String]) -> String {
    let quoted: Vec<String> = items
        .iter()
        .map(|item| {
            let plain = !item.is_empty()
                && !item.eq_ignore_ascii_case("null")
                && item
                    .chars()
                    .all(|c| !c.is_whitespace() && !matches!(c, '{' | '}' | ',' | '"' | '\\'));
            if plain {
                item.clone()
            } else {
                format!("\"{}\"", item.replace('\\', "\\\\").replace('"', "\\\""))
            }
        })
        .collect();
    format!("{{{}}}", quoted.join(","))
}
