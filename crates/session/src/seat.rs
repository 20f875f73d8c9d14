//! The place of one client: the server connection that it has at times, and its cancel key.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use report::Report;
use tokio::io::AsyncWriteExt as _;
use upstream::UpstreamStream;
use wire::startup::Client;

use crate::cancel::{CancelSlot, CancelTarget, Given, upstream_cancel};
use crate::client::GOODBYE;
use crate::conn::{Conn, End};
use crate::lane::Bound;
use crate::pool;
use crate::queue::Known;
use crate::request::Requests;
use crate::servers::{Lease, Reported, Wish};
use crate::shared::Shared;

/// Cancels sent for a client that is gone; the waits between them double from 50 ms, 12 s in all.
const WIND_UP_TURNS: u32 = 8;
/// A frame up to this size has to be there whole before a server connection is asked for.
const WHOLE_BYTES_MAX: usize = 64 << 10;

/// The request side, writing to a server connection.
type ToServer<'c> = Requests<'c, tokio::io::WriteHalf<UpstreamStream>>;

/// The place.
pub(crate) struct Seat {
    shared: Arc<Shared>,
    wish: Wish,
    lease: Option<Lease>,
    given: Given,
}

impl Seat {
    /// For a client that speaks this minor version of the protocol.
    pub(crate) fn new(
        shared: &Arc<Shared>,
        (wish, slot): (Wish, Arc<CancelSlot>),
        protocol_minor: u16,
    ) -> Result<Self, Box<Report>> {
        let given = Given::new(shared, slot, protocol_minor).ok_or_else(|| {
            Report::fatal("58000", "the system gives no random bytes").hint("Try again.")
        })?;
        Ok(Self {
            shared: Arc::clone(shared),
            wish,
            lease: None,
            given,
        })
    }

    /// Tells the client the settings it begins with, and that it may begin; false where it is gone.
    /// A server connection is needed for it in session mode, and to know the settings.
    pub(crate) async fn greet(
        &mut self,
        client: &mut Client,
        requests: &mut ToServer<'_>,
    ) -> Result<bool, Box<Report>> {
        let conn = requests.conn;
        let known = self.shared.servers.known(&self.wish.key);
        let mut notices = Vec::new();
        let reported = match known {
            Some((key, known)) if conn.pooled => {
                self.wish.key = key;
                known
            }
            _ => {
                let mut lease = tokio::select! {
                    biased;
                    lease = Box::pin(self.shared.servers.acquire(&self.wish, false)) => lease?,
                    () = gone(client, requests) => return Ok(false),
                };
                let (reported, said) = lease.server().map_or_else(
                    || (Reported::from([]), Vec::new()),
                    |server| {
                        (
                            Arc::clone(&server.reported),
                            std::mem::take(&mut server.notices),
                        )
                    },
                );
                notices = said;
                if conn.pooled {
                    lease.release();
                } else {
                    self.lease = Some(lease);
                }
                reported
            }
        };
        let mut out = Vec::new();
        {
            let mut lane = conn.lane();
            let mut known = Known::new(Arc::clone(&reported));
            for (name, value) in reported.iter() {
                let own = requests.settings.values.get(name).unwrap_or(value);
                known.tell(name.as_bytes(), own.as_bytes());
                wire::encode::parameter_status(&mut out, name, own);
                lane.parameter(name.as_bytes(), own.as_bytes());
            }
            lane.replies.known = known;
        }
        out.extend_from_slice(&notices);
        wire::encode::backend_key(&mut out, self.given.key.pid, &self.given.key.key);
        wire::encode::ready(&mut out, b'I');
        Ok(wire::startup::welcome(client, &out).await.is_ok())
    }

    /// Relays until the client's end: with a server connection while there is work for it.
    pub(crate) async fn relay(&mut self, client: &mut Client, requests: &mut ToServer<'_>) -> End {
        let conn = requests.conn;
        loop {
            if conn.pooled
                && let Err(end) = idle(client, requests).await
            {
                return end;
            }
            let taken = {
                let _phase = self.lease.is_none().then(|| conn.phase("wait"));
                tokio::select! {
                    biased;
                    taken = Box::pin(self.lease()) => taken,
                    () = gone(client, requests) => return End::Lost,
                }
            };
            if let Err(report) = taken {
                conn.shared.metrics.error(&report.code, true);
                tracing::info!(
                    sqlstate = report.code,
                    reason = report.message,
                    "connection ended"
                );
                let mut out = Vec::new();
                wire::encode::error(&mut out, &report);
                drop(client.stream.write_all(&out).await);
                return End::Told;
            }
            self.take_server(requests);
            match Box::pin(self.busy(client, requests)).await {
                End::Free => self.give_back(requests).await,
                end => return end,
            }
        }
    }

    /// Gets a server connection where there is none.
    async fn lease(&mut self) -> Result<(), Box<Report>> {
        if self.lease.is_none() {
            self.lease = Some(self.shared.servers.acquire(&self.wish, true).await?);
        }
        Ok(())
    }

    /// The server connection works for this client from now on.
    fn take_server(&mut self, requests: &mut ToServer<'_>) {
        let Some(server) = self.lease.as_mut().and_then(Lease::server) else {
            return;
        };
        requests.conn.presence.slot.set(CancelTarget {
            pid: server.pid,
            key: server.secret.clone(),
        });
        requests.upstream_pid = server.pid;
        let presence = &requests.conn.presence;
        presence.server.store(server.pid, Ordering::Relaxed);
        let mut lane = requests.conn.lane();
        lane.held = std::mem::take(&mut server.held);
        let own = lane.held.client == requests.conn.number;
        let sid = requests.session.sid;
        lane.bound = if own && sid != 0 && lane.held.sid == sid {
            Bound::Yes
        } else {
            Bound::No
        };
    }

    /// Both directions, until one of them ends or the server connection is not needed.
    async fn busy(&mut self, client: &mut Client, requests: &mut ToServer<'_>) -> End {
        let Some(server) = self.lease.as_mut().and_then(Lease::server) else {
            return End::Upstream;
        };
        let Some(stream) = server.take_stream() else {
            return End::Upstream;
        };
        let read_ahead = std::mem::take(&mut server.read_ahead);
        let conn = requests.conn;
        let (from_client, to_client) = tokio::io::split(&mut client.stream);
        let (mut from_upstream, to_upstream) = tokio::io::split(stream);
        requests.to = Some(to_upstream);
        let end = {
            let replies = crate::reply::run(conn, &mut from_upstream, to_client, read_ahead);
            let mut replies = Box::pin(replies);
            tokio::select! {
                end = &mut replies => end,
                // what upstream says last is still passed on
                end = Box::pin(requests.run(from_client)) => match end {
                    End::Upstream => tokio::time::timeout(GOODBYE, replies).await.unwrap_or(end),
                    other => other,
                },
            }
        };
        if let Some(to_upstream) = requests.to.take() {
            server.stream = Some(from_upstream.unsplit(to_upstream));
        }
        end
    }

    /// The transaction is over: others may have the server connection.
    async fn give_back(&mut self, requests: &mut ToServer<'_>) {
        requests.conn.presence.slot.clear().await;
        requests.conn.presence.server.store(0, Ordering::Relaxed);
        let Some(mut lease) = self.lease.take() else {
            return;
        };
        if let Some(server) = lease.server() {
            let mut lane = requests.conn.lane();
            lane.held.sid = match lane.bound {
                Bound::Yes => requests.session.sid,
                Bound::No | Bound::In(_) => 0,
            };
            lane.bound = Bound::No;
            server.held = std::mem::take(&mut lane.held);
        }
        lease.release();
    }

    /// The client is gone. Its server connection is made as new where that can be, and stopped
    /// where it still works for the client.
    pub(crate) async fn leave(mut self, conn: &Conn, end: End) {
        let Some(mut lease) = self.lease.take() else {
            return;
        };
        let (quiet, in_flight, fatal) = {
            let lane = conn.lane();
            (lane.quiet(), lane.replies.len(), lane.fatal)
        };
        conn.presence.slot.clear().await;
        let Some(server) = lease.server() else {
            return;
        };
        if quiet && !fatal && matches!(end, End::Closed | End::Drained) {
            if server.reset().await.is_ok() {
                lease.release();
            }
            return;
        }
        let Some(stream) = server.stream.take() else {
            return;
        };
        let target = CancelTarget {
            pid: server.pid,
            key: server.secret.clone(),
        };
        wind_up(&self.shared, &target, stream, in_flight > 0).await;
    }
}

/// Waits for work that needs a server connection.
async fn idle(client: &mut Client, requests: &mut ToServer<'_>) -> Result<(), End> {
    let conn = requests.conn;
    let mut drain = conn.shared.drain.clone();
    while !has_work(&requests.held) {
        conn.rests();
        if *drain.borrow_and_update() {
            let report = crate::reply::shutting_down();
            let mut out = Vec::new();
            wire::encode::error(&mut out, &report);
            drop(client.stream.write_all(&out).await);
            return Err(End::Drained);
        }
        tokio::select! {
            heard = hear(client, requests) => if !heard {
                return Err(End::Lost);
            },
            Ok(()) = drain.changed() => {}
            () = conn.presence.ordered.notified() => {
                Box::pin(conn.obey()).await;
                let words = conn.lane().last_words.take();
                if let Some(words) = words {
                    drop(client.stream.write_all(&words).await);
                    return Err(End::Told);
                }
            }
        }
        if requests.held.first() == Some(&wire::frame::frontend::TERMINATE) {
            return Err(End::Closed);
        }
    }
    conn.works();
    requests.trace();
    Ok(())
}

/// Ends where the client is gone: who waits for a server connection in its stead would keep others from
/// it. What the client sends meanwhile is kept as far as it is not much; of one that sends more nobody
/// can tell.
async fn gone(client: &mut Client, requests: &mut ToServer<'_>) {
    while requests.held.len() < WHOLE_BYTES_MAX {
        if !hear(client, requests).await {
            return;
        }
    }
    std::future::pending().await
}

/// Keeps what the client sends next for when it is looked at; false where the client is gone.
async fn hear(client: &mut Client, requests: &mut ToServer<'_>) -> bool {
    let chunk = pool::read(&mut client.stream).await;
    let Some(chunk) = chunk.ok().filter(|chunk| !chunk.is_empty()) else {
        return false;
    };
    let metrics = &requests.conn.shared.metrics;
    metrics.from_client.inc_by(chunk.len() as u64);
    requests.held.extend_from_slice(&chunk);
    true
}

/// A whole frame is there, or the beginning of one that is not waited for, or of none at all.
fn has_work(held: &[u8]) -> bool {
    match wire::frame::header(held) {
        Ok(Some(header)) => held.len() >= header.message_len().min(WHOLE_BYTES_MAX),
        Ok(None) => false,
        Err(_) => true,
    }
}

/// Ends a server connection. A cancel that comes before the statement has begun does nothing, so it
/// is repeated until upstream has closed the connection.
async fn wind_up(shared: &Shared, target: &CancelTarget, mut stream: UpstreamStream, busy: bool) {
    let mut goodbye = Vec::new();
    wire::encode::terminate(&mut goodbye);
    drop(tokio::time::timeout(GOODBYE, stream.write_all(&goodbye)).await);
    if !busy {
        return;
    }
    let mut wait = std::time::Duration::from_millis(50);
    for _ in 0..WIND_UP_TURNS {
        upstream_cancel(shared, target).await;
        let closed = async {
            while pool::read(&mut stream)
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
