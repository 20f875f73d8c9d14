//! Cuts upstream's byte stream into messages without copying what goes through.

use super::{Desync, Event, Names, Replies, Stop, Verdict, Want};
use crate::limits::Bound;

/// Where in a message the last chunk ended.
#[derive(Debug, Default)]
pub(super) struct Gather {
    /// Bytes of a message still to be let through.
    passing: usize,
    /// Bytes of a message still to be dropped.
    dropping: usize,
    /// The beginning of a message that is needed whole, header included.
    held: Vec<u8>,
}

impl Gather {
    pub(super) fn at_boundary(&self) -> bool {
        self.passing == 0
    }
}

/// How the bytes of a message are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Let through unseen.
    Pass,
    /// Dropped unseen.
    Drop,
    /// Needed whole.
    Whole,
}

const HEADER: usize = wire::frame::HEADER_LEN;

/// A control message of upstream longer than this is not believed.
const CONTROL_MAX: usize = 64 << 20;

/// What to write to the client after a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forward {
    /// The chunk as it is.
    Chunk,
    /// What was appended to the output.
    Output,
}

/// The chunk being walked.
struct Walk<'a> {
    chunk: &'a [u8],
    /// Next byte.
    at: usize,
    /// `chunk[run..at]` goes through but is not yet in the output.
    run: usize,
    out: &'a mut Vec<u8>,
}

impl Walk<'_> {
    fn left(&self) -> usize {
        self.chunk.len() - self.at
    }

    fn peek(&self, len: usize) -> &[u8] {
        self.chunk.get(self.at..self.at + len).unwrap_or_default()
    }

    /// Moves what may go through into the output.
    fn cut(&mut self) {
        let run = self.chunk.get(self.run..self.at).unwrap_or_default();
        self.out.extend_from_slice(run);
        self.run = self.at;
    }

    /// Steps over bytes that do not go through.
    fn leave_out(&mut self, len: usize) {
        self.at += len;
        self.run = self.at;
    }
}

impl Replies {
    /// An answer that is the proxy's own has reached the head.
    pub(crate) fn answers(&self) -> bool {
        let head = self.queue.front().map(|entry| entry.want);
        matches!(head, Some(Want::Local | Want::CopyEnd))
    }

    /// Appends the answers that are the proxy's own and have reached the head.
    pub(crate) fn answer_locals(&mut self, out: &mut Vec<u8>) {
        while let Some(entry) = self
            .queue
            .pop_front_if(|entry| matches!(entry.want, Want::Local | Want::CopyEnd))
        {
            if let Some(fix) = entry.fix {
                self.local_bytes -= fix.local.len();
                if self.stop != Stop::Told {
                    out.extend_from_slice(&fix.local);
                }
            }
        }
    }

    /// Takes what upstream sent. `out` must be empty; it gets what the client is to be told
    /// unless that is the chunk itself.
    ///
    /// # Errors
    /// Upstream said something nobody asked for, or no message at all.
    pub(crate) fn receive(
        &mut self,
        chunk: &[u8],
        out: &mut Vec<u8>,
        events: &mut Vec<Event>,
        names: Names<'_>,
    ) -> Result<Forward, Desync> {
        if self.gather.passing == 0 && self.gather.dropping == 0 {
            // pushed since the last chunk
            self.answer_locals(out);
        }
        let mut walk = Walk {
            chunk,
            at: 0,
            run: 0,
            out,
        };
        while walk.left() > 0 || self.gather.held.len() >= HEADER {
            if self.gather.passing > 0 {
                let step = self.gather.passing.min(walk.left());
                walk.at += step;
                self.gather.passing -= step;
            } else if self.gather.dropping > 0 {
                let step = self.gather.dropping.min(walk.left());
                walk.leave_out(step);
                self.gather.dropping -= step;
            } else if !self.gather.held.is_empty() || walk.left() < HEADER {
                if !self.gathered(&mut walk, events, names)? {
                    break;
                }
            } else {
                self.next(&mut walk, events, names)?;
            }
        }
        if walk.run == 0 && walk.out.is_empty() && walk.at > 0 {
            return Ok(Forward::Chunk);
        }
        walk.cut();
        Ok(Forward::Output)
    }

    /// Tells the row description that was kept back until its statement has run.
    fn tell_late(&mut self, tag: u8, walk: &mut Walk<'_>) {
        if self.rows.is_empty() || !matches!(tag, b'D' | b'C') {
            return;
        }
        let Some(entry) = self.queue.front() else {
            return;
        };
        let told = entry.fix.as_ref().is_some_and(|fix| fix.tell_rows);
        if told && entry.want == Want::Execute {
            self.told_columns = super::columns(&self.rows);
            walk.cut();
            walk.out.append(&mut self.rows);
        }
    }

    /// The first row's number of columns, beside what the client was told.
    fn compare(&mut self, columns: &[u8]) {
        if let Some(told) = self.told_columns.take()
            && told != *columns
            && self.stop == Stop::No
        {
            self.stop = Stop::Shape;
        }
    }

    /// A message whose header lies wholly in the chunk.
    fn next(
        &mut self,
        walk: &mut Walk<'_>,
        events: &mut Vec<Event>,
        names: Names<'_>,
    ) -> Result<(), Desync> {
        let (tag, total) = self.header(walk.peek(HEADER))?;
        self.tell_late(tag, walk);
        if tag == b'D' && walk.left() >= HEADER + 2 {
            self.compare(walk.peek(HEADER + 2).get(HEADER..).unwrap_or_default());
        }
        match self.counted(tag, total, events)? {
            Class::Pass => self.gather.passing = total,
            Class::Drop => {
                walk.cut();
                self.gather.dropping = total;
            }
            Class::Whole if walk.left() < total => {
                walk.cut();
                self.gather.held.extend_from_slice(walk.peek(walk.left()));
                walk.leave_out(walk.left());
            }
            Class::Whole => {
                let mut told = Vec::new();
                let body = walk.peek(total).get(HEADER..).unwrap_or_default();
                match self.whole(tag, body, (&mut told, events), names)? {
                    Verdict::Keep => walk.at += total,
                    Verdict::Replace => {
                        walk.cut();
                        walk.leave_out(total);
                    }
                }
                self.answer_locals(&mut told);
                if !told.is_empty() {
                    walk.cut();
                    walk.out.append(&mut told);
                }
            }
        }
        Ok(())
    }

    /// Goes on with a message that began in an earlier chunk or has no whole header here.
    /// False where the chunk is used up.
    fn gathered(
        &mut self,
        walk: &mut Walk<'_>,
        events: &mut Vec<Event>,
        names: Names<'_>,
    ) -> Result<bool, Desync> {
        walk.cut();
        self.fill(walk, HEADER);
        if self.gather.held.len() < HEADER {
            return Ok(false);
        }
        let (tag, total) = self.header(&self.gather.held)?;
        self.tell_late(tag, walk);
        match self.counted(tag, total, events)? {
            Class::Pass => {
                walk.out.append(&mut self.gather.held);
                self.gather.passing = total - HEADER;
            }
            Class::Drop => {
                self.gather.held.clear();
                self.gather.dropping = total - HEADER;
            }
            Class::Whole => {
                self.fill(walk, total);
                if self.gather.held.len() < total {
                    return Ok(false);
                }
                let held = std::mem::take(&mut self.gather.held);
                let body = held.get(HEADER..).unwrap_or_default();
                let start = walk.out.len();
                if self.whole(tag, body, (walk.out, events), names)? == Verdict::Keep {
                    walk.out.truncate(start);
                    walk.out.extend_from_slice(&held);
                }
                self.answer_locals(walk.out);
            }
        }
        Ok(true)
    }

    /// Moves bytes from the chunk until `len` are held.
    fn fill(&mut self, walk: &mut Walk<'_>, len: usize) {
        let step = len.saturating_sub(self.gather.held.len()).min(walk.left());
        self.gather.held.extend_from_slice(walk.peek(step));
        walk.leave_out(step);
    }

    fn header(&self, bytes: &[u8]) -> Result<(u8, usize), Desync> {
        match wire::frame::header(bytes) {
            Ok(Some(header)) => Ok((header.tag, header.message_len())),
            _ => Err(self.desync(bytes.first().copied().unwrap_or(b'?'))),
        }
    }

    /// How a message is taken that was not looked at before. Rows are counted here, by their headers.
    fn counted(&mut self, tag: u8, total: usize, events: &mut Vec<Event>) -> Result<Class, Desync> {
        let class = self.class(tag, total)?;
        if class != Class::Pass || tag == b'A' {
            return Ok(class);
        }
        if matches!(tag, b'D' | b'd') && self.limits.rows > 0 && self.stop == Stop::No {
            self.told_rows += 1;
            if self.told_rows > self.limits.rows {
                self.stop = Stop::Rows;
                events.push(Event::Met(Bound::RowsPerStatement));
            }
        }
        Ok(match (self.stop, tag) {
            (Stop::Rows | Stop::Shape, b'D' | b'd' | b'c') | (Stop::Told, _) => Class::Drop,
            (Stop::No | Stop::Time | Stop::Rows | Stop::Shape, _) => Class::Pass,
        })
    }

    fn class(&self, tag: u8, total: usize) -> Result<Class, Desync> {
        let fix = self.queue.front().and_then(|entry| entry.fix.as_ref());
        let class = match tag {
            b'A' => Class::Pass,
            b'D' | b'd' | b'c' | b'H' => match fix {
                Some(fix) if fix.capture.is_some() => Class::Whole,
                Some(fix) if fix.swallow || (fix.drop_rows && tag == b'D') => Class::Drop,
                _ => Class::Pass,
            },
            b'1' | b'2' | b'3' | b'C' | b'E' | b'G' | b'I' | b'N' | b'S' | b'T' | b'Z' | b'n'
            | b's' | b't' => Class::Whole,
            _ => return Err(self.desync(tag)),
        };
        if class == Class::Pass && tag != b'A' {
            let want = self.queue.front().map(|entry| entry.want);
            if !matches!(want, Some(Want::Query | Want::Execute)) {
                return Err(self.desync(tag));
            }
        }
        if class == Class::Whole && total > CONTROL_MAX {
            return Err(self.desync(tag));
        }
        Ok(class)
    }
}
