//! What is to be done with the replies of one entry.

use std::sync::Arc;

use report::Report;
use tokio::sync::oneshot;

use super::{Event, Verdict};
use crate::fix::{Described, Positions};
use crate::prepared::{Name, Note, Undo};

/// How the row description of a reply is treated.
#[derive(Debug, Clone, Default)]
pub(crate) enum Rows {
    /// As it comes.
    #[default]
    AsIs,
    /// T goes through, NoData does not exist in the simple protocol.
    NoNoData,
    /// T is kept back until the rewritten statement is bound; the rest is dropped.
    Keep,
    /// Describe of a statement: the client's own text was described before.
    Statement(Arc<Described>),
    /// Describe of a portal: formats as upstream says, all else from the client's own text.
    Portal(Arc<Described>),
}

/// What is to be done with an entry's replies. The default does nothing.
#[derive(Debug, Default)]
pub(crate) struct Fix {
    /// Success is not told to the client.
    pub(crate) swallow: bool,
    /// Nor is an error: the whole group up to its Sync is our own.
    pub(crate) private: bool,
    /// It makes the server connection the client's: if it fails nothing after it may be told.
    pub(crate) hands_over: bool,
    /// Replies are handed to the request side; implies `swallow`.
    pub(crate) capture: Option<Capture>,
    /// The error that upstream must give is replaced by this one.
    pub(crate) poison: Option<Box<Report>>,
    /// Its command tag is told when the transaction has ended, unless that fails: so does PostgreSQL
    /// for the last statement of a Query.
    pub(crate) waits: bool,
    /// Rows are not told: they are only there to be counted.
    pub(crate) drop_rows: bool,
    /// First words of the command tag the client must see.
    pub(crate) verb: Option<sql::Verb>,
    /// Row descriptions.
    pub(crate) rows: Rows,
    /// The kept row description is told when this entry succeeds: a Bind, or an Execute, whose first row
    /// or end it then precedes.
    pub(crate) tell_rows: bool,
    /// The statement's name upstream and the client's, for errors.
    pub(crate) statement: Option<Box<(Name, Name)>>,
    /// Where positions in errors lead.
    pub(crate) positions: Positions,
    /// The client's answer of a `Want::Local`.
    pub(crate) local: Vec<u8>,
    /// What to take back if the entry fails or is skipped.
    pub(crate) undo: Vec<Undo>,
    /// What to tell the connection when the command completes.
    pub(crate) note: Option<Note>,
}

/// Where captured replies go. Dropped without being sent if the entry fails or is skipped.
#[derive(Debug)]
pub(crate) struct Capture {
    /// The waiting side.
    pub(crate) to: oneshot::Sender<Vec<Captured>>,
    /// What came so far.
    pub(crate) got: Vec<Captured>,
}

/// One captured reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Captured {
    /// Message type.
    pub(crate) tag: u8,
    /// Message body.
    pub(crate) body: Vec<u8>,
}

impl Fix {
    /// What the client gets for a good reply.
    pub(super) fn apply(
        &mut self,
        tag: u8,
        body: &[u8],
        (out, kept): (&mut Vec<u8>, &mut Vec<u8>),
        events: &mut Vec<Event>,
    ) -> Verdict {
        if tag == b'C'
            && let Some(note) = self.note.take()
        {
            let tag = wire::frame::backend::command_tag(body).unwrap_or_default();
            events.push(Event::Done {
                note,
                tag: tag.to_owned(),
            });
        }
        if let Some(capture) = &mut self.capture {
            capture.got.push(Captured {
                tag,
                body: body.to_vec(),
            });
            return Verdict::Replace;
        }
        match (&self.rows, tag) {
            (Rows::Keep, b'T') => {
                kept.clear();
                wire::encode::raw(kept, tag, body);
                return Verdict::Replace;
            }
            (Rows::Keep, b't' | b'n') | (Rows::NoNoData, b'n') => return Verdict::Replace,
            (Rows::Statement(described), b't') => {
                wire::encode::parameter_description(out, &described.parameters);
                return Verdict::Replace;
            }
            (Rows::Statement(described), b'T' | b'n') => {
                described.statement(out);
                return Verdict::Replace;
            }
            (Rows::Portal(described), b'T' | b'n') => {
                described.portal(tag, body, out);
                return Verdict::Replace;
            }
            _ => {}
        }
        if let (Some(verb), b'C') = (self.verb, tag) {
            let upstream = wire::frame::backend::command_tag(body).unwrap_or_default();
            wire::encode::command_complete(out, &crate::fix::command_tag(verb, upstream));
            return Verdict::Replace;
        }
        if self.swallow {
            if self.tell_rows {
                out.append(kept);
            }
            return Verdict::Replace;
        }
        Verdict::Keep
    }
}
