//! From the client to upstream. The only side that writes upstream.
//!
//! Frames are taken one after the other; all that one read brought goes out in one write. What a
//! frame leads to is in [`pipeline`](crate::pipeline) (simple protocol) and
//! [`extended`](crate::extended). Nothing is read from the client before the last write is done.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use report::Report;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use wire::frame::frontend as tag;

use crate::conn::{Conn, End, Failure};
use crate::copy::Rest;
use crate::handover::Settings;
use crate::lane::Lane;
use crate::limits::{self, Bound};
use crate::own::Begun;
use crate::pool;
use crate::queue::{Fix, Want};
use crate::shared::SessionDraft;

/// A client's session as its connection knows it.
pub(crate) struct ClientSession {
    /// Its name.
    pub(crate) name: String,
    /// Its numeric id; 0 while it has no row.
    pub(crate) sid: i64,
    /// Its draft.
    pub(crate) draft: Arc<SessionDraft>,
}

/// The request side of a connection.
pub(crate) struct Requests<'c, W> {
    pub(crate) conn: &'c Conn,
    /// Where upstream is, while there is one.
    pub(crate) to: Option<W>,
    /// Bytes of the client that are no whole frame yet, or were not taken yet.
    pub(crate) held: Vec<u8>,
    /// A frame whose bytes are streamed, and how many are still to come.
    open: Option<(Stream, usize)>,
    /// What the client has set.
    pub(crate) settings: Settings,
    /// Bytes for upstream, not yet written.
    pub(crate) out: Vec<u8>,
    pub(crate) session: ClientSession,
    /// Process id of the upstream backend.
    pub(crate) upstream_pid: i32,
    /// Effective search path.
    pub(crate) path: Arc<[String]>,
    /// Names of the connection's temporary relations.
    pub(crate) temporary: Arc<sql::Temporary>,
    /// Another number for other ones of these names, or other columns.
    pub(crate) shapes: i64,
    /// The catalog epoch and number of schemas that the search path was read under.
    pub(crate) schemas: (u64, usize),
    /// What is sent now is the last statement of a Query.
    pub(crate) last_of_query: bool,
    /// The rest of a Query after a COPY.
    pub(crate) rest: Option<Box<Rest>>,
    /// What the session had changed when other processes were asked last.
    pub(crate) draft_mark: Option<String>,
    /// What begin_write has done in the open transaction.
    pub(crate) begun: Option<Box<Begun>>,
    /// Texts of the cursors that were declared, by name.
    pub(crate) cursors: BTreeMap<String, Arc<str>>,
}

/// What most clients have for their whole life, once for all of them.
static NOTHING_TEMPORARY: LazyLock<Arc<sql::Temporary>> = LazyLock::new(Arc::default);
/// Longest body of a frame without statement text or data: names and numbers.
const CONTROL_BYTES_MAX: usize = 1 << 20;
/// Most time to say goodbye to upstream for a client that is gone.
const ABANDON: std::time::Duration = std::time::Duration::from_secs(1);
/// A Bind up to this size is looked at whole; a longer one is streamed.
const BIND_BYTES_WHOLE: usize = 64 << 10;

/// What becomes of a frame that is not there wholly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Its bytes go upstream as they come.
    Pass,
    /// Its bytes are thrown away as they come.
    Discard,
    /// So many bytes were replaced, the others go upstream as they come.
    Tail(usize),
}

impl<'c, W: AsyncWrite + Unpin> Requests<'c, W> {
    /// The request side of `conn`, with the bytes that came with the startup.
    pub(crate) fn new(conn: &'c Conn, session: ClientSession, early: &[u8]) -> Self {
        Self {
            conn,
            to: None,
            held: early.to_vec(),
            open: None,
            settings: Settings::default(),
            out: Vec::new(),
            session,
            upstream_pid: 0,
            path: Arc::default(),
            temporary: Arc::clone(&NOTHING_TEMPORARY),
            shapes: 0,
            schemas: (0, 0),
            last_of_query: false,
            rest: None,
            draft_mark: None,
            begun: None,
            cursors: BTreeMap::new(),
        }
    }

    /// Takes requests until the client goes, or one of the peers does. May be dropped while the
    /// lane is resting, and be called again.
    pub(crate) async fn run<R: AsyncRead + Unpin>(&mut self, from: R) -> End {
        match Box::pin(self.take_all(from)).await {
            Ok(end) | Err(Failure::Gone(end)) => end,
            Err(Failure::Fatal(report) | Failure::Refused(report)) => {
                let metrics = &self.conn.shared.metrics;
                metrics.error(&report.code, true);
                tracing::info!(sqlstate = report.code, "connection refused to go on");
                self.conn.say_last(&report);
                // the reply side ends the connection once it has told that
                std::future::pending().await
            }
            Err(Failure::Told) => std::future::pending().await,
        }
    }

    async fn take_all<R: AsyncRead + Unpin>(&mut self, mut from: R) -> Result<End, Failure> {
        self.conn.lane().resting = false;
        self.take_over();
        if !self.conn.pooled {
            self.prepare().await?;
        }
        let mut fresh = true;
        loop {
            if fresh && !self.held.is_empty() {
                let mut held = std::mem::take(&mut self.held);
                let (taken, more) = self.frames_watched(&held, &mut from).await;
                held.extend_from_slice(&more);
                match taken? {
                    Taken::Bytes(used) => self.keep(held, used),
                    Taken::Goodbye => return self.goodbye().await,
                }
                self.send().await?;
                if !more.is_empty() {
                    continue;
                }
            }
            fresh = false;
            let learns = self.rests();
            tokio::select! {
                chunk = pool::read(&mut from) => {
                    self.conn.works();
                    let Some(chunk) = chunk.ok().filter(|chunk| !chunk.is_empty()) else {
                        return self.abandon().await;
                    };
                    self.conn.shared.metrics.from_client.inc_by(chunk.len() as u64);
                    self.trace();
                    if self.held.is_empty() {
                        let (taken, more) = self.frames_watched(&chunk, &mut from).await;
                        match taken? {
                            Taken::Bytes(used) => {
                                self.held.extend_from_slice(chunk.get(used..).unwrap_or_default());
                                self.held.extend_from_slice(&more);
                                fresh = !more.is_empty();
                            }
                            Taken::Goodbye => return self.goodbye().await,
                        }
                        self.send().await?;
                    } else {
                        self.held.extend_from_slice(&chunk);
                        fresh = true;
                    }
                }
                () = self.conn.to_request.notified(), if self.rest.is_some() || learns => {
                    self.conn.lane().resting = false;
                    if self.rest.is_some() {
                        self.copy_over().await?;
                    } else if self.conn.lane().quiet() {
                        self.learn_settings().await?;
                    }
                    self.send().await?;
                }
            }
        }
    }

    /// Takes frames. While one of them is an admin command the client is listened to: where it goes,
    /// the command is stopped. What it sends meanwhile is given back.
    async fn frames_watched<R: AsyncRead + Unpin>(
        &mut self,
        bytes: &[u8],
        from: &mut R,
    ) -> (Result<Taken, Failure>, Vec<u8>) {
        let slot = Arc::clone(&self.conn.presence.slot);
        let mut more = Vec::new();
        let taken = tokio::select! {
            biased;
            taken = self.frames(bytes) => taken,
            () = slot.stopped_without(from, &mut more) => Err(Failure::Gone(End::Lost)),
        };
        let received = &self.conn.shared.metrics.from_client;
        received.inc_by(more.len() as u64);
        (taken, more)
    }

    /// The client is waited for, in the middle of nothing; true where settings have to be learned
    /// once its transaction is over.
    fn rests(&mut self) -> bool {
        let mut lane = self.conn.lane();
        lane.resting = self.open.is_none() && self.rest.is_none();
        lane.end_exchange();
        self.conn.mark(&lane);
        let learns = lane.resting && !lane.learn.is_empty();
        // the reply side may have seen the end of the transaction before
        let tells = lane.replies.answers() || self.conn.pooled && lane.is_free();
        drop(lane);
        if tells {
            self.conn.to_reply.notify_one();
        }
        learns
    }

    /// Keeps what was not taken yet; nothing at all is held where there is nothing.
    fn keep(&mut self, mut held: Vec<u8>, used: usize) {
        held.drain(..used);
        if !held.is_empty() {
            self.held = held;
        }
    }

    /// The client said Terminate: upstream finishes what it has, as it would for the client.
    async fn goodbye(&mut self) -> Result<End, Failure> {
        self.wait(|lane| lane.replies.done() >= lane.replies.group())
            .await?;
        Ok(End::Closed)
    }

    /// The client is gone without a word: upstream need not wait for it.
    async fn abandon(&mut self) -> Result<End, Failure> {
        if self.conn.lane().quiet() {
            return Ok(End::Closed);
        }
        self.conn.lane().fatal = true;
        wire::encode::terminate(&mut self.out);
        let sent = tokio::time::timeout(ABANDON, self.send()).await;
        sent.unwrap_or(Ok(())).map(|()| End::Lost)
    }

    /// Takes whole frames, and the beginning of one that may be streamed.
    async fn frames(&mut self, bytes: &[u8]) -> Result<Taken, Failure> {
        let mut at = 0;
        loop {
            let left = bytes.get(at..).unwrap_or_default();
            if let Some((stream, remaining)) = self.open.take() {
                let step = remaining.min(left.len());
                if stream == Stream::Pass {
                    self.out
                        .extend_from_slice(left.get(..step).unwrap_or_default());
                }
                at += step;
                if step < remaining {
                    self.open = Some((stream, remaining - step));
                    return Ok(Taken::Bytes(at));
                }
                continue;
            }
            let malformed =
                |error: wire::frame::Malformed| Failure::Fatal(Box::new(error.report()));
            let Some(header) = wire::frame::header(left).map_err(malformed)? else {
                return Ok(Taken::Bytes(at));
            };
            tag::check_tag(header.tag).map_err(malformed)?;
            let total = header.message_len();
            if let Some(frame) = left.get(..total) {
                if header.tag == tag::TERMINATE {
                    return Ok(Taken::Goodbye);
                }
                Box::pin(self.frame(header.tag, frame)).await?;
                at += total;
                continue;
            }
            match self.part(header, left).await? {
                None => return Ok(Taken::Bytes(at)),
                Some(Stream::Tail(names)) => {
                    at += names;
                    self.open = Some((Stream::Pass, total - names));
                }
                Some(stream) => self.open = Some((stream, total)),
            }
        }
    }

    /// A frame whose end has not come yet. `None`: wait for it.
    async fn part(
        &mut self,
        header: wire::frame::Header,
        bytes: &[u8],
    ) -> Result<Option<Stream>, Failure> {
        let too_long = |limit| {
            let error = wire::frame::Malformed::TooLong {
                length: header.body_len,
                limit,
            };
            Failure::Fatal(Box::new(error.report()))
        };
        let limit = self.conn.limits.statement_bytes_max;
        match header.tag {
            tag::COPY_DATA => Ok(Some(self.copy_data())),
            tag::QUERY | tag::PARSE if header.body_len > limit => {
                self.statement_too_long(header.tag, header.body_len).await?;
                Ok(Some(Stream::Discard))
            }
            tag::QUERY | tag::PARSE => Ok(None),
            tag::BIND if header.body_len > BIND_BYTES_WHOLE => {
                let body = bytes.get(wire::frame::HEADER_LEN..).unwrap_or_default();
                let mut names = body.splitn(3, |byte| *byte == 0);
                match (names.next(), names.next(), names.next()) {
                    (Some(portal), Some(statement), Some(_)) => {
                        let (portal, statement) = (portal.to_vec(), statement.to_vec());
                        let passed = Box::pin(self.bind(
                            (&portal, &statement),
                            (header.body_len, None),
                            &[],
                        ))
                        .await;
                        Ok(Some(self.streamed(passed)?))
                    }
                    _ if body.len() > CONTROL_BYTES_MAX => Err(too_long(CONTROL_BYTES_MAX)),
                    _ => Ok(None),
                }
            }
            tag::FUNCTION_CALL => {
                self.function_call();
                Ok(Some(Stream::Discard))
            }
            _ if header.body_len > CONTROL_BYTES_MAX => Err(too_long(CONTROL_BYTES_MAX)),
            _ => Ok(None),
        }
    }

    /// What becomes of the bytes of a frame that was judged.
    pub(crate) fn streamed(&mut self, passed: Result<Stream, Failure>) -> Result<Stream, Failure> {
        match passed {
            Err(Failure::Refused(report)) => {
                self.poison(&report);
                Ok(Stream::Discard)
            }
            Err(Failure::Told) => Ok(Stream::Discard),
            other => other,
        }
    }

    /// One whole frame.
    async fn frame(&mut self, kind: u8, frame: &[u8]) -> Result<(), Failure> {
        let body = frame.get(wire::frame::HEADER_LEN..).unwrap_or_default();
        self.in_bounds()?;
        self.fail_doomed();
        let stream = match kind {
            tag::COPY_DATA => self.copy_data(),
            tag::COPY_DONE | tag::COPY_FAIL => return self.copy_end(frame).await,
            // ignored while data is expected, as PostgreSQL does
            tag::SYNC | tag::FLUSH if self.rest.is_some() && !self.conn.lane().copy_over => {
                return Ok(());
            }
            _ => {
                if self.rest.is_some() {
                    self.end_copy_early().await?;
                }
                let passed = match kind {
                    tag::QUERY => self.query(body).await.map(|()| Stream::Discard),
                    tag::SYNC => self.sync().map(|()| Stream::Discard),
                    tag::FLUSH => Ok(Stream::Pass),
                    tag::PASSWORD => {
                        let error = wire::frame::Malformed::Type(kind);
                        Err(Failure::Fatal(Box::new(error.report())))
                    }
                    // upstream throws everything away up to the next Sync
                    _ if self.conn.lane().replies.skipping() => Ok(Stream::Discard),
                    tag::FUNCTION_CALL => {
                        self.function_call();
                        Ok(Stream::Discard)
                    }
                    _ => self.extended(kind, body).await,
                };
                self.streamed(passed)?
            }
        };
        let from = match stream {
            Stream::Pass => 0,
            Stream::Tail(names) => names,
            Stream::Discard => return Ok(()),
        };
        self.out
            .extend_from_slice(frame.get(from..).unwrap_or_default());
        Ok(())
    }

    /// The client was told that its transaction failed: upstream's must fail before anything else.
    fn fail_doomed(&mut self) {
        if !std::mem::take(&mut self.conn.lane().doomed) {
            return;
        }
        let fix = Fix {
            private: true,
            ..crate::own::silent()
        };
        if self.expect(Want::Query, Some(fix)) {
            wire::encode::query(&mut self.out, crate::pipeline::POISON);
        }
    }

    fn in_bounds(&self) -> Result<(), Failure> {
        let limits = &self.conn.limits;
        let (requests, bytes) = {
            let lane = self.conn.lane();
            (lane.replies.len(), lane.bytes())
        };
        let (bound, report) = if requests > limits.requests_in_flight_max {
            let report = limits::too_many_requests(limits.requests_in_flight_max);
            (Bound::RequestsInFlight, report)
        } else if bytes > limits.connection_bytes_max {
            let report = limits::too_many_bytes(limits.connection_bytes_max);
            (Bound::ConnectionBytes, report)
        } else {
            return Ok(());
        };
        self.conn.shared.metrics.bound(bound);
        Err(Failure::Fatal(Box::new(report)))
    }

    fn sync(&mut self) -> Result<(), Failure> {
        if self.expect(Want::Sync, None) {
            wire::encode::sync(&mut self.out);
        }
        Ok(())
    }

    fn copy_data(&self) -> Stream {
        Stream::Pass
    }

    /// FunctionCall runs functions without any text that could be looked at.
    fn function_call(&mut self) {
        let report = Report::error("0A000", "function calls by protocol message are not supported")
            .detail("A FunctionCall message names a function by its number; what it does cannot be checked.")
            .hint("Call the function in a SELECT; large objects are not available in a draft.");
        self.poison_query(&report);
    }

    /// Expects a reply; false (and nothing may be sent) where upstream throws the request away.
    pub(crate) fn expect(&mut self, want: Want, mut fix: Option<Fix>) -> bool {
        if want == Want::Execute && self.last_of_query {
            let fix = fix.get_or_insert_default();
            fix.waits = !fix.swallow && fix.capture.is_none();
        }
        self.conn.lane().expect(want, fix.map(Box::new))
    }

    /// Writes what has been gathered for upstream.
    pub(crate) async fn send(&mut self) -> Result<(), Failure> {
        if self.conn.lane().replies.answers() {
            self.conn.to_reply.notify_one();
        }
        if self.out.is_empty() {
            return Ok(());
        }
        {
            let mut lane = self.conn.lane();
            lane.running.get_or_insert_with(Instant::now);
            lane.upstream_works();
        }
        let gone = |_| Failure::Gone(End::Upstream);
        let Some(to) = &mut self.to else {
            return Err(Failure::Gone(End::Upstream));
        };
        let written = async {
            to.write_all(&self.out).await?;
            to.flush().await
        };
        written.await.map_err(gone)?;
        if self.out.capacity() > 1 << 16 {
            self.out = Vec::new();
        }
        self.out.clear();
        Ok(())
    }

    /// Sends, and waits until this holds. The client is not listened to meanwhile: where its own
    /// COPY waits for data it has sent something else, and neither would ever go on.
    pub(crate) async fn wait(&mut self, until: impl Fn(&Lane) -> bool) -> Result<(), Failure> {
        self.send().await?;
        loop {
            {
                let lane = self.conn.lane();
                if until(&lane) {
                    break;
                }
                if lane.replies.asks_data() {
                    return Err(Failure::Fatal(Box::new(crate::copy::broken_off())));
                }
            }
            self.conn.to_request.notified().await;
        }
        Ok(())
    }

    /// Waits until everything sent is answered, so that the transaction's state is known.
    pub(crate) async fn settle(&mut self) -> Result<(), Failure> {
        if self.conn.lane().replies.idle() {
            return Ok(());
        }
        if self.conn.lane().unsynced {
            wire::encode::flush(&mut self.out);
        }
        self.wait(|lane| lane.replies.idle()).await
    }
}

/// How far the frames of a read were taken.
enum Taken {
    /// So many bytes.
    Bytes(usize),
    /// Up to a Terminate.
    Goodbye,
}
