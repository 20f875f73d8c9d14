//! The replies that are expected from upstream, in order, and what has to be done to each.
//!
//! Pure: bytes in, bytes and [`Event`]s out, no I/O, so it is tested with every split point.
//! Whatever is sent upstream has an entry here first. The entry at the head says which replies
//! come next; most entries need nothing and their bytes go through untouched.
//!
//! The rules were each seen against PostgreSQL: `1` `2` `3` end their entry; `t` ends nothing; `T`
//! and `n` end a Describe; `C` `I` `s` end an Execute and nothing in a Query; `Z` ends Sync and
//! Query. After an error in the extended protocol the server throws away all requests (a Query
//! too) up to the next Sync. Syncs sent between a COPY FROM STDIN and its CopyDone are never
//! answered.

mod errors;
mod fix;
mod known;
mod receive;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use catalog::Catalog;
use report::Report;

use crate::fix::Positions;
use crate::limits::{self, Bound};
use crate::prepared::{Note, Undo};
use receive::Gather;

pub(crate) use fix::{Capture, Captured, Fix, Rows};
pub(crate) use known::Known;
pub(crate) use receive::Forward;

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// Simple query.
    Query,
    /// Parse.
    Parse,
    /// Bind.
    Bind,
    /// Describe.
    Describe,
    /// Execute.
    Execute,
    /// Close.
    Close,
    /// Sync.
    Sync,
    /// Nothing: the proxy answers by itself when this reaches the head.
    Local,
    /// CopyDone or CopyFail went upstream: Syncs after it are answered again.
    CopyEnd,
}

/// One expected reply.
#[derive(Debug)]
struct Entry {
    want: Want,
    group: u64,
    fix: Option<Box<Fix>>,
}

/// What the queue saw and the connection has to know.
#[derive(Debug)]
pub(crate) enum Event {
    /// ReadyForQuery: the group of that number ended.
    Ready {
        /// Number of the Sync or Query.
        group: u64,
        /// `I`, `T` or `E`.
        status: u8,
    },
    /// An error; what was pushed for entries that will never be answered is taken back, in this order.
    Failed {
        /// SQLSTATE told to the client; empty where nothing was told.
        code: String,
        /// It was pgdraft's refusal, not upstream's error.
        refused: bool,
        /// Changes to take back, newest first.
        undo: Vec<Undo>,
    },
    /// The client met a bound.
    Met(Bound),
    /// The client was told that its transaction failed; upstream does not know it yet.
    Doomed,
    /// The connection has changed hands: what it runs from now on is the client's.
    TakenOver,
    /// Upstream ends the connection (FATAL or PANIC, already on its way to the client).
    Fatal,
    /// A command with a note completed.
    Done {
        /// Its note.
        note: Note,
        /// Its command tag, as upstream gave it.
        tag: String,
    },
    /// ParameterStatus.
    Parameter {
        /// Name.
        name: Vec<u8>,
        /// Value.
        value: Vec<u8>,
    },
}

/// Upstream said something that nothing asked for: the connection cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unexpected message {tag:?} from upstream while waiting for {want:?}")]
pub(crate) struct Desync {
    /// The message type.
    pub(crate) tag: char,
    /// What the head of the queue was.
    pub(crate) want: Option<Want>,
    /// The server connection did not become the client's.
    pub(crate) hand_over: bool,
}

/// The statement at the head is being stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stop {
    /// It is not.
    #[default]
    No,
    /// It ran too long.
    Time,
    /// It returned too many rows; the others are not told.
    Rows,
    /// Its rows are not what the client was told they are; none is told.
    Shape,
    /// It had ended before it could be stopped, and the client was told the error: nothing is told
    /// up to the next ReadyForQuery.
    Told,
}

/// Bounds on a statement.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StatementLimits {
    /// Most rows; 0 = no bound.
    pub(crate) rows: u64,
    /// Longest time.
    pub(crate) time: Option<Duration>,
}

/// PostgreSQL's message at the end of statement_timeout.
const TIMED_OUT: &[u8] = b"canceling statement due to statement timeout";
/// About how many bytes an entry takes.
const ENTRY_BYTES: usize = size_of::<Entry>() + size_of::<Fix>();

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    queue: VecDeque<Entry>,
    /// Number of the last Sync or Query pushed.
    group: u64,
    /// Number of the last Sync or Query answered.
    done: u64,
    /// Upstream throws everything away until the next Sync.
    skipping: bool,
    /// The head is a COPY FROM STDIN that waits for data, and its end was not sent yet.
    asks_data: bool,
    /// Row description kept back.
    rows: Vec<u8>,
    /// The command tag of a Query's last statement, kept back until its transaction has ended.
    waiting: Vec<u8>,
    /// The error of a private statement, until whoever asked takes it or the client is told.
    unsaid: Vec<(u8, Vec<u8>)>,
    /// Settings as the client was told them.
    pub(crate) known: Known,
    gather: Gather,
    /// Bounds on each statement.
    pub(crate) limits: StatementLimits,
    /// Rows told of the statement at the head.
    told_rows: u64,
    stop: Stop,
    /// How many columns the client was told of, until the first row has come: as in the messages.
    told_columns: Option<[u8; 2]>,
    /// Statements that have ended.
    ended: u64,
    /// Bytes of answers of our own.
    local_bytes: usize,
}

/// Where names in errors are looked up.
pub(crate) type Names<'a> = &'a dyn Fn() -> Arc<Catalog>;

/// What becomes of a whole message.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Goes through as it is.
    Keep,
    /// Does not; what the client gets instead was appended to the output.
    Replace,
}

impl Replies {
    /// Adds what is about to be sent. `Err` gives the undo list back: upstream will throw the
    /// request away, so nothing was added and nothing need be sent.
    pub(crate) fn push(&mut self, want: Want, fix: Option<Box<Fix>>) -> Result<(), Vec<Undo>> {
        if self.skipping {
            if want != Want::Sync {
                return Err(fix.map(|fix| fix.undo).unwrap_or_default());
            }
            self.skipping = false;
        }
        match want {
            // in an extended COPY upstream passes over it
            Want::Sync if self.asks_data && !self.runs_query() => return Ok(()),
            Want::CopyEnd => self.asks_data = false,
            Want::Sync | Want::Query => self.group += 1,
            Want::Parse
            | Want::Bind
            | Want::Describe
            | Want::Execute
            | Want::Close
            | Want::Local => {}
        }
        let group = self.group;
        self.local_bytes += fix.as_ref().map_or(0, |fix| fix.local.len());
        self.queue.push_back(Entry { want, group, fix });
        Ok(())
    }

    /// Upstream waits for the client's data, so nothing that was sent later is answered before.
    pub(crate) fn asks_data(&self) -> bool {
        self.asks_data
    }

    /// Upstream throws requests away until the next Sync.
    pub(crate) fn skipping(&self) -> bool {
        self.skipping
    }

    /// Nothing is expected.
    pub(crate) fn idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// About how many bytes what waits takes.
    pub(crate) fn bytes(&self) -> usize {
        self.queue.len() * ENTRY_BYTES + self.local_bytes
    }

    /// Statements that have ended.
    pub(crate) fn ended(&self) -> u64 {
        self.ended
    }

    /// The statement at the head runs too long: its error will say so.
    pub(crate) fn stop(&mut self) {
        if self.stop == Stop::No {
            self.stop = Stop::Time;
        }
    }

    /// The statement at the head is being stopped.
    pub(crate) fn stops(&self) -> bool {
        matches!(self.stop, Stop::Time | Stop::Rows)
    }

    /// Why a private statement failed. Where that made the client's transaction fail it is kept: it is
    /// told for the first thing that upstream refuses because of it.
    pub(crate) fn unsaid(&mut self, in_transaction: bool) -> Option<Report> {
        let of = |code: u8| {
            let found = self.unsaid.iter().find(|(c, _)| *c == code);
            found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        };
        let report = Report::error(of(b'C')?, of(b'M')?);
        if !in_transaction {
            self.unsaid.clear();
        }
        Some(report)
    }

    /// Entries waiting.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Number of the last Sync or Query pushed.
    pub(crate) fn group(&self) -> u64 {
        self.group
    }

    /// Number of the last Sync or Query answered.
    pub(crate) fn done(&self) -> u64 {
        self.done
    }

    /// Between two messages to the client: own bytes may be written now.
    pub(crate) fn at_boundary(&self) -> bool {
        self.gather.at_boundary()
    }

    /// Takes back what a message was to tell the client, also what of it is kept for later.
    fn untell(&mut self, out: &mut Vec<u8>, start: usize) {
        out.truncate(start);
        self.waiting.clear();
    }

    /// A whole message that is not a row.
    fn whole(
        &mut self,
        tag: u8,
        body: &[u8],
        (out, events): (&mut Vec<u8>, &mut Vec<Event>),
        names: Names<'_>,
    ) -> Result<Verdict, Desync> {
        let (start, stop) = (out.len(), self.stop);
        let verdict = self.understood(tag, body, (out, events), names)?;
        if matches!(tag, b'C' | b'I' | b's' | b'E') {
            self.ended += 1;
            self.told_rows = 0;
            self.told_columns = None;
            if stop != Stop::Told {
                self.stop = Stop::No;
            }
        }
        match (stop, tag) {
            (Stop::Rows | Stop::Shape, b'C' | b'I' | b's') => {
                // it had ended before it could be stopped
                self.untell(out, start);
                let report = match stop {
                    Stop::Shape => errors::shape_moved(),
                    _ => limits::too_many_rows(self.limits.rows),
                };
                wire::encode::error(out, &report);
                events.push(Event::Failed {
                    code: report.code,
                    refused: true,
                    undo: Vec::new(),
                });
                self.stop = Stop::Told;
                Ok(Verdict::Replace)
            }
            (Stop::Told, b'Z') => {
                self.stop = Stop::No;
                if let Some(Event::Ready { status, .. }) = events.last_mut()
                    && *status == b'T'
                {
                    *status = b'E';
                    wire::encode::ready(out, b'E');
                    events.push(Event::Doomed);
                    return Ok(Verdict::Replace);
                }
                Ok(verdict)
            }
            (Stop::Told, tag) if !matches!(tag, b'N' | b'S') => {
                self.untell(out, start);
                Ok(Verdict::Replace)
            }
            _ => Ok(verdict),
        }
    }

    fn understood(
        &mut self,
        tag: u8,
        body: &[u8],
        output: (&mut Vec<u8>, &mut Vec<Event>),
        names: Names<'_>,
    ) -> Result<Verdict, Desync> {
        let (out, events) = output;
        match tag {
            b'N' => Ok(self.notice(body, out, names)),
            b'E' => {
                self.waiting.clear();
                self.asks_data = false;
                let verdict = self.error(body, out, events, names);
                verdict.ok_or_else(|| Desync {
                    hand_over: true,
                    ..self.desync(b'E')
                })
            }
            b'Z' => {
                let verdict = self.ready(body, events)?;
                if self.waiting.is_empty() || verdict == Verdict::Replace {
                    return Ok(verdict);
                }
                out.append(&mut self.waiting);
                wire::encode::raw(out, tag, body);
                Ok(Verdict::Replace)
            }
            b'S' => {
                if let Ok((name, value)) = wire::frame::backend::parameter_status(body) {
                    events.push(Event::Parameter {
                        name: name.to_vec(),
                        value: value.to_vec(),
                    });
                    if self.known.tell(name, value) {
                        return Ok(Verdict::Keep);
                    }
                    return Ok(Verdict::Replace);
                }
                Ok(Verdict::Keep)
            }
            b'G' => {
                self.copy_begins();
                Ok(Verdict::Keep)
            }
            _ => self.reply(tag, body, out, events),
        }
    }

    fn notice(&self, body: &[u8], out: &mut Vec<u8>, names: Names<'_>) -> Verdict {
        let Ok(mut fields) = wire::frame::backend::error_fields(body) else {
            return Verdict::Replace;
        };
        let keep = Positions::Keep;
        let fix = self.queue.front().and_then(|entry| entry.fix.as_ref());
        let positions = fix.map_or(&keep, |fix| &fix.positions);
        // of a name that is too long: told of the client's own text
        if matches!(positions, Positions::Read(..) | Positions::Write(..))
            && fields.iter().any(|(c, v)| *c == b'C' && v == b"42622")
        {
            return Verdict::Replace;
        }
        if crate::fix::mend(&mut fields, positions, &names()) {
            wire::encode::error_fields(out, b'N', &fields);
            return Verdict::Replace;
        }
        Verdict::Keep
    }

    /// The head is a Query.
    fn runs_query(&self) -> bool {
        matches!(self.queue.front(), Some(entry) if entry.want == Want::Query)
    }

    fn copy_begins(&mut self) {
        let end = self
            .queue
            .iter()
            .position(|entry| entry.want == Want::CopyEnd);
        self.asks_data = end.is_none();
        if self.runs_query() {
            return;
        }
        let mut index = 0;
        let end = end.unwrap_or(usize::MAX);
        self.queue.retain(|entry| {
            let unanswered = entry.want == Want::Sync && index < end;
            index += 1;
            !unanswered
        });
    }

    fn ready(&mut self, body: &[u8], events: &mut Vec<Event>) -> Result<Verdict, Desync> {
        let status = wire::frame::backend::ready_for_query(body).map_err(|_| self.desync(b'Z'))?;
        self.asks_data = false;
        let Some(entry) = self.queue.front() else {
            // a Sync that was taken for one inside a COPY
            self.skipping = false;
            events.push(Event::Ready {
                group: self.done,
                status,
            });
            return Ok(Verdict::Keep);
        };
        if !matches!(entry.want, Want::Sync | Want::Query) {
            return Err(self.desync(b'Z'));
        }
        self.done = entry.group;
        events.push(Event::Ready {
            group: entry.group,
            status,
        });
        let swallow = entry.fix.as_ref().is_some_and(|fix| fix.swallow);
        if entry.fix.as_ref().is_some_and(|fix| fix.hands_over) {
            events.push(Event::TakenOver);
        }
        self.queue.pop_front();
        if swallow {
            return Ok(Verdict::Replace);
        }
        if status == b'I' {
            self.unsaid.clear();
        }
        Ok(Verdict::Keep)
    }

    fn desync(&self, tag: u8) -> Desync {
        Desync {
            tag: char::from(tag),
            want: self.queue.front().map(|entry| entry.want),
            hand_over: false,
        }
    }

    /// Drops what the server throws away after an error at the head.
    fn skip(&mut self) -> Vec<Undo> {
        self.rows.clear();
        let mut undo = Vec::new();
        match self.queue.front().map(|entry| entry.want) {
            None | Some(Want::Sync) => return undo,
            Some(Want::Query) => {
                if let Some(fix) = self.queue.front_mut().and_then(|e| e.fix.as_mut()) {
                    undo.append(&mut fix.undo);
                    fix.note = None;
                }
                return undo;
            }
            Some(_) => {}
        }
        while let Some(entry) = self.queue.pop_front_if(|entry| entry.want != Want::Sync) {
            if let Some(fix) = entry.fix {
                self.local_bytes -= fix.local.len();
                undo.extend(fix.undo);
            }
        }
        self.skipping = self.queue.is_empty();
        undo.reverse();
        undo
    }

    /// A message that answers the head.
    fn reply(
        &mut self,
        tag: u8,
        body: &[u8],
        out: &mut Vec<u8>,
        events: &mut Vec<Event>,
    ) -> Result<Verdict, Desync> {
        let Some(entry) = self.queue.front_mut() else {
            return Err(self.desync(tag));
        };
        let ends = match (entry.want, tag) {
            (Want::Query, b'T' | b'C' | b'I')
            | (Want::Describe, b't')
            | (Want::Execute, b'D' | b'T' | b'd' | b'c' | b'H') => false,
            (Want::Parse, b'1')
            | (Want::Bind, b'2')
            | (Want::Close, b'3')
            | (Want::Describe, b'T' | b'n')
            | (Want::Execute, b'C' | b'I' | b's') => true,
            _ => return Err(self.desync(tag)),
        };
        let mut kept = std::mem::take(&mut self.rows);
        if tag == b'2' && entry.fix.as_ref().is_some_and(|fix| fix.tell_rows) {
            self.told_columns = columns(&kept);
        }
        let start = out.len();
        let mut verdict = match entry.fix.as_mut() {
            None => Verdict::Keep,
            Some(fix) => fix.apply(tag, body, (out, &mut kept), events),
        };
        self.rows = kept;
        if matches!(tag, b'C' | b'I') && entry.fix.as_ref().is_some_and(|fix| fix.waits) {
            self.waiting = out.split_off(start);
            if verdict == Verdict::Keep {
                wire::encode::raw(&mut self.waiting, tag, body);
                verdict = Verdict::Replace;
            }
        }
        if ends
            && let Some(entry) = self.queue.pop_front()
            && let Some(Fix {
                capture: Some(capture),
                ..
            }) = entry.fix.map(|fix| *fix)
        {
            // the waiting side may be gone; then nobody needs it
            drop(capture.to.send(capture.got));
        }
        Ok(verdict)
    }
}

/// The number of columns in a row description, as its bytes are.
fn columns(description: &[u8]) -> Option<[u8; 2]> {
    let count = description.get(wire::frame::HEADER_LEN..wire::frame::HEADER_LEN + 2)?;
    count.try_into().ok()
}

#[cfg(test)]
mod tests;
