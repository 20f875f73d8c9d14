//! Commands about the process that serves the clients, not about drafts.

use std::fmt::Debug;

use report::Report;

use crate::Rows;
use crate::handlers::{Call, Outcome};

/// What can be shown of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// SHOW POOLS
    Pools,
    /// SHOW CLIENTS
    Clients,
    /// SHOW SERVERS
    Servers,
    /// SHOW STATS
    Stats,
    /// SHOW CONFIG
    Config,
    /// SHOW MEM
    Mem,
}

/// What can be asked of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order<'a> {
    /// No client gets a server connection any more.
    Pause,
    /// They do again.
    Resume,
    /// The configuration is read again.
    Reload,
    /// The client of this number is disconnected.
    Kill(&'a str),
}

/// The process that serves clients.
pub trait Process: Debug + Send + Sync {
    /// One value for each column of the command.
    fn show(&self, what: Shown) -> Vec<Vec<Option<String>>>;

    /// Does it; returned is what the caller is told.
    ///
    /// # Errors
    /// A configuration that cannot be read, a client that is not there.
    fn order(&self, order: Order<'_>) -> Result<String, Report>;
}

fn show(call: &Call<'_>, what: Shown) -> Result<Rows, Report> {
    let process = call.caller.process.ok_or_else(no_process)?;
    Ok(process.show(what).into_iter().collect())
}

fn order(call: &Call<'_>, order: Order<'_>) -> Result<Rows, Report> {
    let process = call.caller.process.ok_or_else(no_process)?;
    process.order(order).map(crate::handlers::told)
}

fn no_process() -> Report {
    Report::error("0A000", "no clients are served here")
        .hint("send the command to the port of a running pgdraft")
}

pub(crate) fn show_pools(call: Call<'_>) -> Outcome<'_> {
    Box::pin(async move { show(&call, Shown::Pools) })
}

pub(crate) fn show_clients(call: Call<'_>) -> Outcome<'_> {
    Box::pin(async move { show(&call, Shown::Clients) })
}

pub(crate) fn show_servers(call: Call<'_>) -> Outcome<'_> {
    Box::pin(async move { show(&call, Shown::Servers) })
}

pub(crate) fn show_stats(call: Call<'_>) -> Outcome<'_> {
    Box::pin(async move { show(&call, Shown::Stats) })
}

pub(crate) fn show_config(call: Call<'_>) -> Outcome<'_> {
    Box::pin(async move { show(&call, Shown::Config) })
}

pub(crate) fn show_mem(call: Call<'_>) -> Outcome<'_> {
    Box::pin(async move { show(&call, Shown::Mem) })
}

pub(crate) fn pause(call: Call<'_>) -> Outcome<'_> {
    Box::pin(async move { order(&call, Order::Pause) })
}

pub(crate) fn resume(call: Call<'_>) -> Outcome<'_> {
    Box::pin(async move { order(&call, Order::Resume) })
}

pub(crate) fn reload(call: Call<'_>) -> Outcome<'_> {
    Box::pin(async move { order(&call, Order::Reload) })
}

pub(crate) fn kill(call: Call<'_>) -> Outcome<'_> {
    Box::pin(async move {
        let client = call.request.client.as_deref().unwrap_or_default();
        order(&call, Order::Kill(client))
    })
}
