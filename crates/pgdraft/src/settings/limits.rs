//! Bounds of one client.

use std::time::Duration;

use session::Limits;
use wire::keepalive::Keepalive;

use super::document::Document;
use super::{Result, values};
use crate::cli::ServeFlags;

/// Reads them.
pub(super) fn read(flags: &ServeFlags, document: &mut Document<'_>) -> Result<Limits> {
    let (d, default) = (document, Limits::default());
    let timeout = |limit: Duration| Some(limit).filter(|limit| !limit.is_zero());
    let flag = &flags.limits;
    let none = Duration::ZERO;
    let connections = d.choose(
        flag.connections_per_agent,
        "limits.connections_per_agent",
        values::connections_or_none,
        default.connections_per_agent,
    )?;
    let changes = "limits.changes_per_session";
    let rows = "limits.rows_per_statement";
    let statement = "limits.statement_timeout_ms";
    let writer = "limits.writer_wait_ms";
    let idle = "client_idle_timeout_ms";
    let idle_transaction = "idle_transaction_timeout_ms";
    let long = values::long_milliseconds;
    Ok(Limits {
        statement_bytes_max: d.choose(
            flags.message_bytes_max,
            "message_bytes_max",
            values::message_bytes,
            default.statement_bytes_max,
        )?,
        connection_bytes_max: d.choose(
            flag.connection_bytes,
            "limits.connection_bytes",
            values::connection_bytes,
            default.connection_bytes_max,
        )?,
        connections_per_agent: connections,
        rows_per_statement: d.choose(flag.rows_per_statement, rows, values::count, 0)?,
        changes_per_session: d.choose(flag.changes_per_session, changes, values::count, 0)?,
        statement_timeout: timeout(d.choose(flag.statement_timeout_ms, statement, long, none)?),
        writer_wait: timeout(d.choose(
            flag.writer_wait_ms,
            writer,
            long,
            default.writer_wait.unwrap_or_default(),
        )?),
        client_idle_timeout: timeout(d.choose(flag.client_idle_timeout_ms, idle, long, none)?),
        idle_transaction_timeout: timeout(d.choose(
            flag.idle_transaction_timeout_ms,
            idle_transaction,
            long,
            none,
        )?),
        ..default
    })
}

/// Most live sessions of one agent; 0 = no bound.
pub(super) fn sessions(flags: &ServeFlags, document: &mut Document<'_>) -> Result<u64> {
    let (flag, name) = (flags.limits.sessions_per_agent, "limits.sessions_per_agent");
    document.choose(flag, name, values::count, 0)
}

/// Most bytes of one agent's live drafts; 0 = no bound.
pub(super) fn bytes(flags: &ServeFlags, document: &mut Document<'_>) -> Result<u64> {
    let (flag, name) = (flags.limits.bytes_per_agent, "limits.bytes_per_agent");
    document.choose(flag, name, values::count, 0)
}

/// TCP keepalive on both sides.
pub(super) fn keepalive(flags: &ServeFlags, document: &mut Document<'_>) -> Result<Keepalive> {
    let (d, flag, default) = (document, &flags.limits, Keepalive::default());
    Ok(Keepalive {
        idle: d.choose(
            flag.tcp_keepidle_ms,
            "tcp_keepidle_ms",
            values::long_milliseconds,
            default.idle,
        )?,
        interval: d.choose(
            flag.tcp_keepintvl_ms,
            "tcp_keepintvl_ms",
            values::milliseconds,
            default.interval,
        )?,
        count: d.choose(
            flag.tcp_keepcnt,
            "tcp_keepcnt",
            values::keepalive_count,
            default.count,
        )?,
        user_timeout: d.choose(
            flag.tcp_user_timeout_ms,
            "tcp_user_timeout_ms",
            values::long_milliseconds,
            default.user_timeout,
        )?,
    })
}

/// Keys and values for people.
pub(super) fn shown(limits: &Limits) -> Vec<(&'static str, String)> {
    let ms = |limit: Option<Duration>| limit.unwrap_or_default().as_millis().to_string();
    vec![
        ("message_bytes_max", limits.statement_bytes_max.to_string()),
        ("client_idle_timeout_ms", ms(limits.client_idle_timeout)),
        (
            "idle_transaction_timeout_ms",
            ms(limits.idle_transaction_timeout),
        ),
        (
            "limits.connections_per_agent",
            limits.connections_per_agent.to_string(),
        ),
        (
            "limits.changes_per_session",
            limits.changes_per_session.to_string(),
        ),
        (
            "limits.rows_per_statement",
            limits.rows_per_statement.to_string(),
        ),
        ("limits.statement_timeout_ms", ms(limits.statement_timeout)),
        ("limits.writer_wait_ms", ms(limits.writer_wait)),
        (
            "limits.connection_bytes",
            limits.connection_bytes_max.to_string(),
        ),
    ]
}
