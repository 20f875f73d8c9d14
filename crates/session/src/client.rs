//! The whole life of one client connection after its password was checked.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use report::{Report, code};
use tokio::io::AsyncWriteExt as _;
use wire::startup::Client;

use crate::admin::not_open;
use crate::api::{Identity, OpenedSession, Role, SessionState};
use crate::cancel::random;
use crate::conn::{Conn, End};
use crate::handover::Settings;
use crate::ids::{CONSOLE_DATABASE, Wishes, generated, wishes};
use crate::lane::Lane;
use crate::limits::{Place, no_session};
use crate::queue::StatementLimits;
use crate::request::{ClientSession, Requests};
use crate::seat::Seat;
use crate::servers::Wish;
use crate::shared::Shared;

/// Most time for what a client is told last.
pub(crate) const GOODBYE: std::time::Duration = std::time::Duration::from_secs(5);

/// Serves one client from AuthenticationOk to its end. Never fails: whatever goes wrong is told to
/// the client, logged and counted.
pub async fn serve_client(mut client: Box<Client>, shared: Arc<Shared>) {
    shared.metrics.connections.inc();
    let outcome = Box::pin(serve(&mut client, &shared)).await;
    shared.metrics.connections.dec();
    let how = match outcome {
        Ok(End::Closed) => "closed",
        Ok(End::Lost) => "lost",
        Ok(End::Upstream) => "upstream",
        Ok(End::Told) => "told",
        Ok(End::Drained | End::Free) => "drained",
        Err(report) => {
            shared.metrics.error(&report.code, true);
            tracing::info!(
                agent = client.identity,
                peer = %client.peer,
                sqlstate = report.code,
                reason = report.message,
                "connection refused"
            );
            Box::pin(wire::startup::refuse(&mut client, &report)).await;
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
    // behind a pointer: futures keep the place of what they were given to their end
    let wishes = Box::new(wishes(
        &client.parameters,
        &client.options,
        client.user_session.as_deref(),
    )?);
    // said once: an idle client holds nothing that is not needed any more
    (client.parameters, client.options, client.user_session) = (Vec::new(), Vec::new(), None);
    if *shared.drain.borrow() {
        return Err(Box::new(
            Report::fatal("57P03", "the proxy is shutting down").hint("Connect again in a moment."),
        ));
    }
    let console = wishes.database.as_deref() == Some(CONSOLE_DATABASE);
    if console || identity.role == Role::Reviewer {
        tracing::info!(agent = identity.name, peer = %client.peer, "console opened");
        let console = crate::console::serve(client, shared, &identity, wishes.session);
        let end = Box::pin(console).await;
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
    wishes: Box<Wishes>,
) -> Result<End, Box<Report>> {
    let _place = Place::take(shared, &identity.name)?;
    let session = open_session(shared, &identity, &wishes).await?;
    let presence = shared.enter(&identity.name, &session.name, client.peer);
    let number = presence.number;
    let conn = Conn::new(
        Arc::clone(shared),
        identity,
        presence,
        Lane::new(wishes.operation.clone()),
    );
    conn.lane().replies.limits = StatementLimits {
        rows: conn.limits.rows_per_statement,
        time: conn.limits.statement_timeout,
    };
    conn.sid.store(session.sid, Ordering::Relaxed);
    let early = std::mem::take(&mut client.early);
    let mut requests = Requests::new(&conn, session, &early);
    drop(early);
    let wish = wish(&conn, wishes, &mut requests.settings);
    let slot = Arc::clone(&conn.presence.slot);
    let mut seat = Seat::new(shared, (wish, slot), client.protocol_minor)?;
    if !Box::pin(seat.greet(client, &mut requests)).await? {
        return Ok(End::Lost);
    }
    tracing::info!(
        agent = conn.identity.name,
        session = requests.session.name,
        peer = %client.peer,
        tls = client.tls,
        client = number,
        "connection opened"
    );
    let end = Box::pin(seat.relay(client, &mut requests)).await;
    let in_flight = conn.lane().replies.len();
    tracing::info!(
        agent = conn.identity.name,
        session = requests.session.name,
        peer = %client.peer,
        statements = conn.presence.statements.load(Ordering::Relaxed),
        in_flight,
        ?end,
        "connection closed"
    );
    drop(requests);
    Box::pin(seat.leave(&conn, end)).await;
    let sid = catalog::SessionId(conn.sid.load(Ordering::Relaxed));
    drop(conn);
    shared.leave_draft(sid);
    Ok(end)
}

/// What the client needs of a server connection. An application name does not make it another one:
/// it is set when the connection changes hands.
#[expect(
    clippy::boxed_local,
    reason = "it is freed here; the caller would keep it as long as the client stays"
)]
fn wish(conn: &Conn, wishes: Box<Wishes>, settings: &mut Settings) -> Wish {
    let mut key = wishes.parameters;
    // what the client says itself holds; the watch ends it where that is more
    let says =
        |(name, value): &(String, String)| format!("{name} {value}").contains("statement_timeout");
    if let Some(limit) = conn.limits.statement_timeout
        && !key.iter().any(says)
    {
        key.push((
            "statement_timeout".to_owned(),
            limit.as_millis().to_string(),
        ));
    }
    if !key.iter().any(|(name, _)| name == "pgdraft.row_security") {
        key.push(("pgdraft.row_security".to_owned(), "on".to_owned()));
    }
    key.push(("row_security".to_owned(), "on".to_owned()));
    if conn.pooled {
        key.retain(|(name, value)| {
            let is_name = name == "application_name";
            if is_name {
                settings.values.insert(name.clone(), value.clone());
                settings.own_name = Some(value.clone());
            }
            !is_name
        });
    }
    Wish {
        agent: conn.identity.name.as_str().into(),
        key: key.into(),
        client: conn.number,
        home: std::thread::current().id(),
    }
}

/// The session a client asks for, or a new name for one that has no row until its first change: where
/// that may stand in a transaction of one snapshot the row is to be there before.
async fn open_session(
    shared: &Shared,
    identity: &Identity,
    wishes: &Wishes,
) -> Result<ClientSession, Box<Report>> {
    let name = match &wishes.session {
        Some(name) => name.clone(),
        None => generated(&identity.name, &random_name()?),
    };
    let parameters = &wishes.parameters;
    let one_snapshot = || {
        parameters
            .iter()
            .any(|(_, value)| sql::names_one_snapshot(value))
    };
    if wishes.session.is_none() && !one_snapshot() {
        return Ok(ClientSession {
            name,
            sid: 0,
            draft: Arc::default(),
        });
    }
    let opened = shared
        .control
        .open_session(&name, &identity.name, true)
        .await
        .map_err(|report| no_session(shared, report))?
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
        sid: opened.sid.0,
        draft,
    })
}

fn random_name() -> Result<[u8; 6], Box<Report>> {
    let told = "the system gives no random bytes";
    random::<6>().ok_or_else(|| Box::new(Report::fatal("58000", told).hint("Try again.")))
}

/// What a session has changed; nothing once it has ended.
pub(crate) fn open_draft(opened: Option<&OpenedSession>) -> sql::DraftView {
    match opened {
        Some(opened) if opened.state == SessionState::Open => sql::DraftView {
            dirty: opened.touched.iter().copied().collect(),
            truncated: opened.truncated.iter().copied().collect(),
            sequences: opened.sequences,
        },
        _ => sql::DraftView::default(),
    }
}
