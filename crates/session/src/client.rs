//! The whole life of one client connection after its password was checked.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use report::{Report, code};
use tokio::io::AsyncWriteExt as _;
use wire::startup::Client;

use crate::admin::not_open;
use crate::api::{Identity, OpenedSession, Role, SessionState};
use crate::cancel::{CancelKey, CancelTarget, random, upstream_cancel};
use crate::conn::{Conn, End};
use crate::ids::{CONSOLE_DATABASE, Wishes, generated, wishes};
use crate::lane::Lane;
use crate::request::{ClientSession, Requests};
use crate::shared::Shared;

/// Most time for what a client is told last.
const GOODBYE: std::time::Duration = std::time::Duration::from_secs(5);

/// Cancels sent for a client that is gone; the waits between them double from 50 ms, 12 s in all.
const WIND_UP_TURNS: u32 = 8;

/// Serves one client from AuthenticationOk to its end. Never fails: whatever goes wrong is told to
/// the client, logged and counted.
pub async fn serve_client(mut client: Client, shared: Arc<Shared>) {
    shared.metrics.connections.inc();
    let outcome = Box::pin(serve(&mut client, &shared)).await;
    shared.metrics.connections.dec();
    let how = match outcome {
        Ok(End::Closed) => "closed",
        Ok(End::Lost) => "lost",
        Ok(End::Upstream) => "upstream",
        Ok(End::Told) => "told",
        Ok(End::Drained) => "drained",
        Err(report) => {
            shared.metrics.error(&report.code, true);
            tracing::info!(
                agent = client.identity,
                peer = %client.peer,
                sqlstate = report.code,
                reason = report.message,
                "connection refused"
            );
            wire::startup::refuse(&mut client, &report).await;
            "refused"
        }
    };
    shared
        .metrics
        .connections_ended
        .with_label_values(&[how])
        .inc();
    drop(tokio::time::timeout(GOODBYE, client.stream.shutdown()).await);
}

async fn serve(client: &mut Client, shared: &Arc<Shared>) -> Result<End, Box<Report>> {
    let identity = (shared.identities)(&client.identity).ok_or_else(|| {
        Report::fatal(
            "28000",
            format!("\"{}\" is not in the configuration", client.identity),
        )
        .hint("Ask the administrator for an entry in pgdraft.toml.")
    })?;
    let wishes = wishes(
        &client.parameters,
        &client.options,
        client.user_session.as_deref(),
    )?;
    if *shared.drain.borrow() {
        return Err(Box::new(
            Report::fatal("57P03", "the proxy is shutting down").hint("Connect again in a moment."),
        ));
    }
    let console = wishes.database.as_deref() == Some(CONSOLE_DATABASE);
    if console || identity.role == Role::Reviewer {
        tracing::info!(agent = identity.name, peer = %client.peer, "console opened");
        let end = crate::console::serve(client, shared, &identity, wishes.session).await;
        tracing::info!(agent = identity.name, peer = %client.peer, "console closed");
        return Ok(end);
    }
    right_database(client, &wishes, shared)?;
    Box::pin(serve_agent(client, shared, identity, wishes)).await
}

fn right_database(client: &Client, wishes: &Wishes, shared: &Shared) -> Result<(), Box<Report>> {
    // libpq and others send the user's name where no database is given
    let named = wishes.database.as_deref().unwrap_or(&shared.database);
    if named == shared.database || named == client.user || named == client.identity {
        return Ok(());
    }
    Err(Box::new(
        Report::fatal("3D000", format!("database \"{named}\" is not served here")).hint(format!(
            "Connect to the database \"{}\", or to \"{CONSOLE_DATABASE}\" for admin commands.",
            shared.database
        )),
    ))
}

async fn serve_agent(
    client: &mut Client,
    shared: &Arc<Shared>,
    identity: Identity,
    wishes: Wishes,
) -> Result<End, Box<Report>> {
    let mut session = open_session(shared, &identity, wishes.session).await?;
    session.address = client.peer.ip().to_string();
    let timer = shared.metrics.connect.start_timer();
    let upstream = upstream::connect(&shared.upstream, &wishes.parameters)
        .await
        .map_err(|error| {
            shared.metrics.upstream_errors.inc();
            tracing::warn!(%error, "upstream refused a connection");
            error.report()
        })?;
    timer.observe_duration();
    let key = CancelKey::new(shared, client.protocol_minor).ok_or_else(|| {
        Report::fatal("58000", "the system gives no random bytes").hint("Try again.")
    })?;
    let target = CancelTarget {
        pid: upstream.pid,
        key: upstream.key.clone(),
    };
    let mut lane = Lane::new(wishes.operation);
    for (name, value) in &upstream.parameters {
        lane.parameter(name.as_bytes(), value.as_bytes());
    }
    let greeting = greeting(&upstream, &key);
    let registered = Registered::new(shared, key, target);
    if wire::startup::welcome(client, &greeting).await.is_err() {
        return Ok(End::Lost);
    }
    tracing::info!(
        agent = identity.name,
        session = session.name,
        peer = %client.peer,
        tls = client.tls,
        upstream_pid = upstream.pid,
        "connection opened"
    );
    let name = session.name.clone();
    let conn = Conn::new(Arc::clone(shared), identity, lane);
    conn.sid.store(session.sid, Ordering::Relaxed);
    let mut upstream = upstream;
    let end = Box::pin(relay(client, &mut upstream, &conn, session)).await;
    let in_flight = conn.lane().replies.len();
    tracing::info!(
        agent = conn.identity.name,
        session = name,
        peer = %client.peer,
        statements = conn.statements.load(Ordering::Relaxed),
        in_flight,
        ?end,
        "connection closed"
    );
    if in_flight > 0 && matches!(end, End::Lost | End::Told) {
        Box::pin(wind_up(shared, &registered.target, upstream.stream)).await;
    }
    let sid = catalog::SessionId(conn.sid.load(Ordering::Relaxed));
    drop(conn);
    shared.leave_draft(sid);
    Ok(end)
}

/// Both directions, until one of them ends.
async fn relay(
    client: &mut Client,
    upstream: &mut upstream::Connection,
    conn: &Conn,
    session: ClientSession,
) -> End {
    let early = std::mem::take(&mut client.early);
    let (from_client, to_client) = tokio::io::split(&mut client.stream);
    let (from_upstream, to_upstream) = tokio::io::split(&mut upstream.stream);
    let requests = Requests::new(conn, to_upstream, session, upstream.pid);
    let requests = Box::pin(requests.run(from_client, &early));
    let mut replies = Box::pin(crate::reply::run(
        conn,
        from_upstream,
        to_client,
        std::mem::take(&mut upstream.read_ahead),
    ));
    tokio::select! {
        end = &mut replies => end,
        // what upstream says last is still passed on
        end = requests => match end {
            End::Upstream => tokio::time::timeout(GOODBYE, replies).await.unwrap_or(end),
            End::Closed | End::Lost | End::Told | End::Drained => end,
        },
    }
}

/// Stops what a client that is gone left running. A cancel that comes before the statement has begun
/// does nothing, so it is repeated until upstream has closed the connection.
async fn wind_up(shared: &Shared, target: &CancelTarget, mut stream: upstream::UpstreamStream) {
    let mut goodbye = Vec::new();
    wire::encode::terminate(&mut goodbye);
    drop(tokio::time::timeout(GOODBYE, stream.write_all(&goodbye)).await);
    let mut wait = std::time::Duration::from_millis(50);
    for _ in 0..WIND_UP_TURNS {
        upstream_cancel(shared, target).await;
        let closed = async {
            while crate::pool::read(&mut stream)
                .await
                .is_ok_and(|chunk| !chunk.is_empty())
            {}
        };
        if tokio::time::timeout(wait, closed).await.is_ok() {
            return;
        }
        wait *= 2;
    }
    tracing::warn!(
        upstream_pid = target.pid,
        "a statement goes on without its client"
    );
}

/// ParameterStatus, notices, our own cancel key, ReadyForQuery.
fn greeting(upstream: &upstream::Connection, key: &CancelKey) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in &upstream.parameters {
        wire::encode::parameter_status(&mut out, name, value);
    }
    out.extend_from_slice(&upstream.notices);
    wire::encode::backend_key(&mut out, key.pid, &key.key);
    wire::encode::ready(&mut out, b'I');
    out
}

/// The session a client asks for, or a new name for one that has no row yet.
async fn open_session(
    shared: &Shared,
    identity: &Identity,
    named: Option<String>,
) -> Result<ClientSession, Box<Report>> {
    let Some(name) = named else {
        let random = random::<6>().ok_or_else(|| {
            Report::fatal("58000", "the system gives no random bytes").hint("Try again.")
        })?;
        return Ok(ClientSession {
            name: generated(&identity.name, &random),
            address: String::new(),
            sid: 0,
            draft: Arc::default(),
        });
    };
    let opened = shared
        .control
        .open_session(&name, &identity.name, true)
        .await?
        .ok_or_else(|| not_open(&name))?;
    if opened.sid.0 == 0 {
        return Err(Box::new(
            Report::fatal(code::CONTROL_UNAVAILABLE, "the session has no number")
                .hint("Try again."),
        ));
    }
    let draft = shared.draft(opened.sid);
    draft.learn(&open_draft(Some(&opened)));
    Ok(ClientSession {
        name,
        address: String::new(),
        sid: opened.sid.0,
        draft,
    })
}

/// What a session has changed; nothing once it has ended.
pub(crate) fn open_draft(opened: Option<&OpenedSession>) -> sql::DraftView {
    match opened {
        Some(opened) if opened.state == SessionState::Open => sql::DraftView {
            dirty: opened.touched.iter().copied().collect(),
            truncated: opened.truncated.iter().copied().collect(),
        },
        _ => sql::DraftView::default(),
    }
}

/// A cancel key for as long as its connection lives.
struct Registered<'s> {
    shared: &'s Shared,
    key: CancelKey,
    target: CancelTarget,
}

impl<'s> Registered<'s> {
    fn new(shared: &'s Shared, key: CancelKey, target: CancelTarget) -> Self {
        shared.cancels.insert(key.clone(), target.clone());
        Self {
            shared,
            key,
            target,
        }
    }
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.shared.cancels.remove(&self.key);
    }
}
