//! From upstream to the client. The only side that writes to the client.

use std::time::Instant;

use bytes::BytesMut;
use report::Report;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

use crate::conn::{Conn, End};
use crate::limits::Bound;
use crate::pool;
use crate::queue::{Desync, Event, Forward};

/// Relays replies until one of the peers is gone or the connection is told to end.
pub(crate) async fn run<R, W>(conn: &Conn, mut from: R, mut to: W, read_ahead: BytesMut) -> End
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut drain = conn.shared.drain.clone();
    let mut out = Vec::new();
    if !read_ahead.is_empty()
        && let Some(end) = pass(conn, &read_ahead, &mut to, &mut out).await
    {
        return end;
    }
    loop {
        let ends = own_words(conn, *drain.borrow_and_update(), &mut out);
        if !out.is_empty() && write(conn, &mut to, &out).await.is_err() {
            return End::Lost;
        }
        out = Vec::new();
        if let Some(end) = ends {
            return end;
        }
        tokio::select! {
            chunk = pool::read(&mut from) => {
                let end = match chunk {
                    Ok(chunk) if !chunk.is_empty() => pass(conn, &chunk, &mut to, &mut out).await,
                    _ => Some(upstream_gone(conn, &mut to).await),
                };
                if let Some(end) = end {
                    return end;
                }
            }
            () = conn.to_reply.notified() => {}
            Ok(()) = drain.changed() => {}
            () = conn.presence.ordered.notified() => conn.obey().await,
        }
    }
}

/// What is told without upstream: answers at the head of the queue, and the end.
fn own_words(conn: &Conn, draining: bool, out: &mut Vec<u8>) -> Option<End> {
    let mut lane = conn.lane();
    if !lane.replies.at_boundary() {
        return lane.last_words.is_some().then_some(End::Told);
    }
    lane.replies.answer_locals(out);
    conn.to_request.notify_one();
    if let Some(words) = lane.last_words.take() {
        out.extend_from_slice(&words);
        return Some(End::Told);
    }
    if conn.pooled && lane.is_free() {
        return Some(End::Free);
    }
    if draining && lane.quiet() && !lane.copy_waits {
        wire::encode::error(out, &shutting_down());
        return Some(End::Drained);
    }
    None
}

/// What a client is told that an administrator disconnects.
pub(crate) fn killed() -> Report {
    Report::fatal(
        "57P01",
        "terminating connection due to administrator command",
    )
    .detail("An administrator sent KILL CLIENT.")
    .hint("Connect again: the draft keeps everything that was committed in its session.")
}

/// What a client is told whose connection ends because the process does.
pub(crate) fn shutting_down() -> Report {
    Report::fatal(
        "57P01",
        "terminating connection due to administrator command",
    )
    .hint("pgdraft is shutting down; connect again in a moment.")
}

/// Takes one chunk of upstream's bytes.
async fn pass<W: AsyncWrite + Unpin>(
    conn: &Conn,
    chunk: &[u8],
    to: &mut W,
    out: &mut Vec<u8>,
) -> Option<End> {
    let mut events = Vec::new();
    let (taken, stops) = {
        let mut lane = conn.lane();
        let names = || conn.shared.control.catalog();
        let ended = lane.replies.ended();
        let taken = lane.replies.receive(chunk, out, &mut events, &names);
        if lane.replies.ended() != ended
            && let Some(since) = lane.running.take()
        {
            conn.shared
                .metrics
                .upstream
                .observe(since.elapsed().as_secs_f64());
            lane.rested = lane.rested.map(|_| Instant::now());
            lane.running = (!lane.replies.idle()).then(Instant::now);
            lane.upstream_rests();
        }
        let stops = note(conn, &mut lane, &mut events);
        (taken, stops)
    };
    if stops {
        conn.stop().await;
    }
    conn.to_request.notify_one();
    let written = match taken {
        Ok(Forward::Chunk) => write(conn, to, chunk).await,
        Ok(Forward::Output) if out.is_empty() => Ok(()),
        Ok(Forward::Output) => write(conn, to, out).await,
        Err(desync) => return Some(lost_track(conn, &desync, to).await),
    };
    out.clear();
    written.is_err().then_some(End::Lost)
}

/// Takes note of what the queue saw; true where the statement that runs is to be stopped.
fn note(conn: &Conn, lane: &mut crate::lane::Lane, events: &mut Vec<Event>) -> bool {
    lane.note(events);
    // the schema may have moved under the statement
    let of_schema = |(code, refused): &(String, bool)| {
        code == report::code::SCHEMA_MOVED || !refused && code.starts_with("42")
    };
    lane.moved |= lane.errors.iter().any(of_schema);
    for (code, refused) in lane.errors.drain(..) {
        conn.shared.metrics.error(&code, refused);
        if refused {
            tracing::info!(agent = conn.identity.name, sqlstate = code, "refused");
        }
    }
    if std::mem::take(&mut lane.taken_over) {
        conn.presence.slot.taken_over();
    }
    let mut stops = false;
    for bound in lane.met.drain(..) {
        conn.shared.metrics.bound(bound);
        stops |= bound == Bound::RowsPerStatement;
    }
    conn.mark(lane);
    stops && lane.replies.stops()
}

async fn write<W: AsyncWrite + Unpin>(
    conn: &Conn,
    to: &mut W,
    bytes: &[u8],
) -> std::io::Result<()> {
    let counter = &conn.shared.metrics.to_client;
    counter.inc_by(bytes.len() as u64);
    let _timer = conn.shared.metrics.relay.start_timer();
    let mut written = std::pin::pin!(async {
        to.write_all(bytes).await?;
        to.flush().await
    });
    loop {
        // a client that does not read can be sent away all the same
        tokio::select! {
            biased;
            done = &mut written => return done,
            () = conn.presence.ordered.notified() => {
                conn.obey().await;
                if conn.lane().last_words.is_some() {
                    return Err(std::io::ErrorKind::TimedOut.into());
                }
            }
        }
    }
}

/// Upstream closed or broke. If it said why (FATAL) the client knows already.
async fn upstream_gone<W: AsyncWrite + Unpin>(conn: &Conn, to: &mut W) -> End {
    let (told, boundary) = {
        let lane = conn.lane();
        (lane.fatal, lane.replies.at_boundary())
    };
    if !told {
        conn.shared.metrics.upstream_errors.inc();
        tracing::warn!(agent = conn.identity.name, "upstream closed the connection");
    }
    if !told && boundary {
        let report = Report::fatal(
            "08006",
            "the upstream server closed the connection unexpectedly",
        )
        .detail("A transaction that was open is rolled back.")
        .hint("Connect again: the draft keeps everything that was committed in its session.");
        let mut out = Vec::new();
        wire::encode::error(&mut out, &report);
        drop(write(conn, to, &out).await);
    }
    End::Upstream
}

async fn lost_track<W: AsyncWrite + Unpin>(conn: &Conn, desync: &Desync, to: &mut W) -> End {
    let report = if desync.hand_over {
        tracing::warn!(
            agent = conn.identity.name,
            "a server connection could not be handed over"
        );
        Report::fatal(
            "08006",
            "the server connection could not be made this client's",
        )
        .detail("The statement was not run, or was rolled back with the connection.")
        .hint("Connect again, and send the statement again.")
    } else {
        tracing::error!(agent = conn.identity.name, %desync, "lost track of the upstream connection");
        Report::fatal("XX000", "lost track of the upstream connection")
            .detail("The upstream server sent a message that no request had asked for.")
            .hint("Connect again; if it comes back, please report the statements before it.")
    };
    conn.shared.metrics.error(&report.code, true);
    let boundary = conn.lane().replies.at_boundary();
    if boundary {
        let mut out = Vec::new();
        wire::encode::error(&mut out, &report);
        drop(write(conn, to, &out).await);
    }
    End::Told
}
