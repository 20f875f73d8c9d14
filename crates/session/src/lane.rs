//! State of one connection that both of its directions look at.
//!
//! Behind a `std::sync::Mutex` held for moments only, never over an await.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use crate::fix::rows_of;
use crate::limits;
use crate::prepared::{Name, Note, Portal, Prepared, Undo};
use crate::queue::{Event, Fix, Replies, Want};
use crate::servers::Held;
use crate::trace::Trace;
use crate::watch::Doing;

/// The state.
#[derive(Debug)]
pub(crate) struct Lane {
    /// What is expected from upstream.
    pub(crate) replies: Replies,
    /// Prepared statements: confirmed and in flight.
    pub(crate) statements: BTreeMap<Name, Arc<Prepared>>,
    /// About how many bytes they take.
    statement_bytes: usize,
    /// Portals: confirmed and in flight.
    pub(crate) portals: BTreeMap<Name, Portal>,
    /// What the server connection has.
    pub(crate) held: Held,
    /// What keeps the client on its server connection between transactions.
    pub(crate) pinned: Option<&'static str>,
    /// Settings whose values are not known yet: a transaction that is over may have set them.
    pub(crate) learn: BTreeSet<String>,
    /// RESET ALL took the application name.
    pub(crate) reset: bool,
    /// The request side waits for the client and is in the middle of nothing.
    pub(crate) resting: bool,
    /// Transaction status of the last ReadyForQuery.
    pub(crate) status: u8,
    /// How often ReadyForQuery said that no transaction is open, or that it has failed.
    pub(crate) ended: u64,
    /// The last Sync group that began when everything before it was answered: `status` holds in it.
    settled: u64,
    /// Extended requests were sent that no Sync follows yet.
    pub(crate) unsynced: bool,
    /// One of them runs something.
    pub(crate) executing: bool,
    /// Whether upstream knows the session.
    pub(crate) bound: Bound,
    /// `search_path` has to be read again before the next statement is planned.
    pub(crate) settings_stale: bool,
    /// What is known of temporary relations.
    pub(crate) temporary: Temporary,
    /// A SET stands in this Sync group: the end of its transaction may take it back.
    pub(crate) set_in: Option<u64>,
    /// The operation id.
    pub(crate) operation: Operation,
    /// A setting under which statements cannot be read: name and value.
    pub(crate) unfit: BTreeMap<&'static str, String>,
    /// New transactions are read-only.
    pub(crate) read_only: bool,
    /// The rest of a Query waits for the end of a COPY.
    pub(crate) copy_waits: bool,
    /// The COPY that is waited for is over, or failed.
    pub(crate) copy_over: bool,
    /// What the client is told last, then the connection ends.
    pub(crate) last_words: Option<Vec<u8>>,
    /// Upstream said FATAL: its end is no surprise.
    pub(crate) fatal: bool,
    /// The server connection has changed hands; emptied by the reader.
    pub(crate) taken_over: bool,
    /// The client believes that its transaction has failed: upstream is to fail it too.
    pub(crate) doomed: bool,
    /// Since when upstream works at the statement at the head.
    pub(crate) running: Option<Instant>,
    /// When upstream was last seen to end a statement, or production's schema was looked at.
    pub(crate) rested: Option<Instant>,
    /// Upstream did not know what a statement was about.
    pub(crate) moved: bool,
    /// The spans of what the client waits for, where somebody wants them.
    pub(crate) trace: Option<Box<Trace>>,
    /// Bounds that were met; emptied by the reader.
    pub(crate) met: Vec<limits::Bound>,
    /// SQLSTATE and origin of errors told, for metrics; emptied by the reader.
    pub(crate) errors: Vec<(String, bool)>,
}

/// Whether the upstream connection carries the session's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// No.
    No,
    /// It was set in a transaction, whose rollback takes it back.
    In(u64),
    /// Yes.
    Yes,
}

/// Whether the connection has temporary relations, and when their names have to be read again.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Temporary {
    /// It made some: from now on the end of a transaction may change them.
    pub(crate) used: bool,
    /// Their names have to be read again before the next statement is planned.
    pub(crate) stale: bool,
    /// A statement that changed them stands in this Sync group.
    group: u64,
}

impl Temporary {
    /// A statement of that Sync group makes, changes or drops some.
    pub(crate) fn changes(&mut self, group: u64) {
        (self.used, self.stale, self.group) = (true, true, group);
    }

    /// A transaction or a part of it ends, or may have failed.
    pub(crate) fn ends(&mut self) {
        self.stale |= self.used;
    }
}

/// The operation id with PostgreSQL's rules for SET.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Operation {
    /// What holds now.
    pub(crate) current: Option<String>,
    /// What holds after COMMIT.
    session: Option<String>,
    /// What holds after ROLLBACK.
    base: Option<String>,
    /// What RESET leads to.
    startup: Option<String>,
    /// The Sync group of the last change.
    group: u64,
    rolled_back: bool,
}

impl Operation {
    /// From the startup parameters.
    pub(crate) fn new(id: Option<String>) -> Self {
        Self {
            current: id.clone(),
            session: id.clone(),
            base: id.clone(),
            startup: id,
            ..Self::default()
        }
    }

    /// SET, SET LOCAL or RESET (`None`).
    pub(crate) fn set(&mut self, value: Option<String>, local: bool, group: u64) {
        let value = value.or_else(|| self.startup.clone());
        if !local {
            self.session.clone_from(&value);
        }
        self.current = value;
        self.group = group;
    }

    /// What the end of the transaction would change.
    pub(crate) fn is_local(&self) -> bool {
        self.current != self.session
    }

    fn completes(&mut self, tag: &str) {
        match tag {
            // also what ROLLBACK TO says; the status that follows tells them apart
            "ROLLBACK" => self.rolled_back = true,
            "COMMIT" => self.ends(false),
            _ => {}
        }
    }

    fn ready(&mut self, group: u64, status: u8) {
        let rolled_back = std::mem::take(&mut self.rolled_back);
        match status {
            b'I' if group >= self.group => self.ends(rolled_back),
            b'E' => self.rolled_back = true,
            _ => {}
        }
    }

    fn ends(&mut self, rolled_back: bool) {
        self.rolled_back = false;
        if rolled_back {
            self.session.clone_from(&self.base);
        }
        self.current.clone_from(&self.session);
        self.base.clone_from(&self.session);
    }
}

impl Lane {
    /// A fresh connection.
    pub(crate) fn new(operation: Option<String>) -> Self {
        Self {
            replies: Replies::default(),
            statements: BTreeMap::new(),
            statement_bytes: 0,
            portals: BTreeMap::new(),
            held: Held::default(),
            pinned: None,
            learn: BTreeSet::new(),
            reset: false,
            resting: false,
            status: b'I',
            ended: 0,
            settled: 0,
            unsynced: false,
            executing: false,
            bound: Bound::No,
            settings_stale: true,
            set_in: None,
            temporary: Temporary::default(),
            operation: Operation::new(operation),
            unfit: BTreeMap::new(),
            read_only: false,
            copy_waits: false,
            copy_over: false,
            last_words: None,
            fatal: false,
            taken_over: false,
            doomed: false,
            running: None,
            rested: None,
            moved: false,
            trace: None,
            met: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// Expects a reply; false where upstream will throw the request away.
    pub(crate) fn expect(&mut self, want: Want, fix: Option<Box<Fix>>) -> bool {
        if self.replies.idle() {
            self.settled = self.replies.group() + 1;
        }
        match self.replies.push(want, fix) {
            Ok(()) => {
                match want {
                    Want::Sync => {
                        self.unsynced = false;
                        self.executing = false;
                    }
                    Want::Parse | Want::Bind | Want::Describe | Want::Execute | Want::Close => {
                        self.unsynced = true;
                        self.executing |= want == Want::Execute;
                    }
                    Want::Query | Want::Local | Want::CopyEnd => {}
                }
                true
            }
            Err(mut undo) => {
                undo.reverse();
                self.take_back(undo);
                false
            }
        }
    }

    /// The present Sync group stands in a transaction that was open when the group began.
    pub(crate) fn in_transaction(&self) -> bool {
        let group = self.replies.group() + 1;
        self.status == b'T' && (self.replies.idle() || self.settled == group)
    }

    /// Nothing is in flight and nothing open: own messages may go in a group of their own.
    pub(crate) fn quiet(&self) -> bool {
        self.replies.idle() && self.status == b'I' && !self.unsynced
    }

    /// The server connection can serve others meanwhile.
    pub(crate) fn is_free(&self) -> bool {
        self.resting
            && self.pinned.is_none()
            && self.learn.is_empty()
            && !self.copy_waits
            && self.quiet()
            && self.replies.at_boundary()
    }

    /// What the client does.
    pub(crate) fn doing(&self) -> Doing {
        match (self.replies.idle(), self.resting) {
            (false, _) => Doing::Statement,
            (true, false) => Doing::Other,
            (true, true) if self.status == b'I' && !self.unsynced => Doing::Idle,
            (true, true) => Doing::InTransaction,
        }
    }

    /// Binds the name; the undo is for the entry that does it upstream.
    pub(crate) fn install(&mut self, name: &[u8], prepared: Option<Arc<Prepared>>) -> Undo {
        self.statement_bytes += prepared.as_ref().map_or(0, |prepared| prepared.bytes());
        let before = match prepared {
            Some(prepared) => self.statements.insert(name.to_vec(), prepared),
            None => self.statements.remove(name),
        };
        self.statement_bytes -= before.as_ref().map_or(0, |prepared| prepared.bytes());
        Undo::Statement(name.to_vec(), before)
    }

    /// Forgets all statements; the undo is for the entry that does it upstream.
    pub(crate) fn forget_statements(&mut self) -> Undo {
        let unnamed = self.statements.remove_entry(&b""[..]);
        self.statement_bytes = unnamed.iter().map(|(_, prepared)| prepared.bytes()).sum();
        let kept = unnamed.into_iter().collect();
        Undo::Statements(std::mem::replace(&mut self.statements, kept))
    }

    /// About how many bytes are kept for the client: its statements, and requests and answers that
    /// wait for their turn.
    pub(crate) fn bytes(&self) -> usize {
        self.statement_bytes + self.replies.bytes()
    }

    /// Opens or closes a portal; the undo is for the entry that does it upstream.
    pub(crate) fn open(&mut self, name: &[u8], portal: Option<Portal>) -> Undo {
        let before = match portal {
            Some(portal) => self.portals.insert(name.to_vec(), portal),
            None => self.portals.remove(name),
        };
        Undo::Portal(name.to_vec(), before)
    }

    fn take_back(&mut self, undo: Vec<Undo>) {
        for undo in undo {
            match undo {
                Undo::Statement(name, before) => {
                    self.install(&name, before);
                }
                Undo::Portal(name, before) => {
                    self.open(&name, before);
                }
                Undo::Statements(before) => {
                    self.statement_bytes += before.values().map(|p| p.bytes()).sum::<usize>();
                    self.statements.extend(before);
                }
                Undo::Own(name) => {
                    self.held.own.remove(name);
                }
                Undo::Held(name) => self.held.remove(&name),
                Undo::Unnamed => self.held.unnamed = 0,
                Undo::Pin(before) => self.pinned = before,
                Undo::Unbind => self.bound = Bound::No,
                Undo::Operation(before) => self.operation = before,
            }
        }
    }

    /// Takes note of what the queue saw.
    pub(crate) fn note(&mut self, events: &mut Vec<Event>) {
        for event in events.drain(..) {
            match event {
                Event::Ready { group, status } => self.ready(group, status),
                Event::Failed {
                    code,
                    refused,
                    undo,
                } => {
                    self.take_back(undo);
                    self.temporary.ends();
                    self.copy_over |= self.copy_waits;
                    if !code.is_empty() {
                        self.errors.push((code, refused));
                    }
                }
                Event::Met(bound) => self.met.push(bound),
                Event::Doomed => self.doomed = true,
                Event::TakenOver => self.taken_over = true,
                Event::Fatal => self.fatal = true,
                Event::Done { note, tag } => self.done(note, &tag),
                Event::Parameter { name, value } => self.parameter(&name, &value),
            }
        }
    }

    fn ready(&mut self, group: u64, status: u8) {
        self.status = status;
        self.operation.ready(group, status);
        self.ended += u64::from(status != b'T');
        if status != b'I' {
            return;
        }
        if self.temporary.group >= group {
            self.temporary.ends();
        }
        self.portals.retain(|_, portal| portal.group > group);
        if matches!(self.bound, Bound::In(set) if set <= group) {
            self.bound = Bound::No;
        }
        if self.set_in.is_some_and(|set| set <= group) {
            self.set_in = None;
            self.settings_stale = true;
        }
    }

    fn done(&mut self, note: Note, tag: &str) {
        match note {
            Note::Wrote { draft, relations } => draft.grow(&relations, rows_of(tag)),
            Note::Transaction => self.operation.completes(tag),
            Note::CopyOver => self.copy_over |= self.copy_waits,
        }
    }

    /// A reported setting.
    pub(crate) fn parameter(&mut self, name: &[u8], value: &[u8]) {
        let (name, good) = match name {
            b"standard_conforming_strings" => ("standard_conforming_strings", value == b"on"),
            // PostgreSQL keeps this old name of it as it was set
            b"client_encoding" => (
                "client_encoding",
                [&b"UTF8"[..], b"UNICODE"].contains(&value),
            ),
            b"default_transaction_read_only" => {
                self.read_only = value == b"on";
                return;
            }
            _ => return,
        };
        if good {
            self.unfit.remove(name);
        } else {
            self.unfit
                .insert(name, String::from_utf8_lossy(value).into_owned());
        }
    }
}
