//! Prepared statements and portals as the client knows them.
//!
//! Where the server connection belongs to this client alone names are the client's own, one to one,
//! and only texts differ. Where it is shared a name is made from the text, so that all clients that
//! prepare a text share it ([`upstream_name`]), and it is prepared again wherever it is missing.

use std::sync::Arc;

use catalog::RelationId;

use crate::api::AdminCommand;
use crate::fix::Described;
use crate::planner::{Piece, Stamp};
use crate::shared::SessionDraft;

/// Names of statements and portals are bytes: nobody says they are UTF-8.
pub(crate) type Name = Vec<u8>;

/// A statement that the client prepared.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Parameter types as the client gave them.
    pub(crate) types: Vec<u32>,
    /// Its name upstream.
    pub(crate) name: Name,
    /// Its number in this process.
    pub(crate) number: u64,
    /// The PREPARE that made it, where it was made by SQL.
    pub(crate) made_by: Option<Arc<str>>,
    /// What it is.
    pub(crate) kind: Kind,
}

/// What a prepared statement is.
#[derive(Debug)]
pub(crate) enum Kind {
    /// An empty text: upstream has it.
    Empty,
    /// A statement of SQL, and what upstream has under its name.
    Sql {
        /// The client's statement.
        piece: Piece,
        /// Characters before it in the text of the Parse.
        shift: usize,
        /// The plan that upstream's text was made by.
        plan: Arc<sql::Plan>,
        /// What that plan depended on.
        stamp: Stamp,
        /// The client's text as PostgreSQL describes it; where the text was rewritten.
        described: Option<Arc<Described>>,
        /// Upstream has nothing under its name: preparing it anew failed.
        lost: bool,
    },
    /// An admin command: upstream knows nothing of it.
    Admin(Arc<AdminCommand>),
}

impl Prepared {
    /// About how many bytes it takes, without what is shared by all clients.
    pub(crate) fn bytes(&self) -> usize {
        let texts = match &self.kind {
            Kind::Sql { piece, plan, .. } => {
                let rewritten = match plan.as_ref() {
                    sql::Plan::Read(read) => read.text.len(),
                    sql::Plan::Write(write) => write.rewritten.text.len(),
                    sql::Plan::Relay(_)
                    | sql::Plan::SetOperation { .. }
                    | sql::Plan::ShowOwn { .. }
                    | sql::Plan::NeedsDraft(_)
                    | sql::Plan::NeedsCatalog => 0,
                };
                piece.text.len() + rewritten
            }
            Kind::Admin(command) => command.text.len(),
            Kind::Empty => 0,
        };
        size_of::<Self>() + self.name.len() + texts
    }

    /// It runs on upstream, changes nothing there and locks nothing.
    pub(crate) fn is_read(&self) -> bool {
        match &self.kind {
            Kind::Sql { plan, .. } => match plan.as_ref() {
                sql::Plan::Relay(_) => true,
                sql::Plan::Read(read) => read.locks == sql::Locks::No,
                _ => false,
            },
            Kind::Empty | Kind::Admin(_) => false,
        }
    }

    /// The same where upstream does not have it under this name: prepared anew when it is bound.
    pub(crate) fn lost(&self, name: &[u8]) -> Arc<Self> {
        self.named(name, true)
    }

    /// The same under this name upstream, where it is or is not.
    pub(crate) fn named(&self, name: &[u8], is_lost: bool) -> Arc<Self> {
        let kind = match &self.kind {
            Kind::Sql {
                piece,
                shift,
                plan,
                stamp,
                described,
                ..
            } => Kind::Sql {
                piece: piece.clone(),
                shift: *shift,
                plan: Arc::clone(plan),
                stamp: stamp.clone(),
                described: described.clone(),
                lost: is_lost,
            },
            Kind::Empty => Kind::Empty,
            Kind::Admin(command) => Kind::Admin(Arc::clone(command)),
        };
        Arc::new(Self {
            types: self.types.clone(),
            name: name.to_vec(),
            number: self.number,
            made_by: self.made_by.clone(),
            kind,
        })
    }

    /// The text that the client prepared.
    pub(crate) fn text(&self) -> &str {
        match (&self.made_by, &self.kind) {
            (Some(text), _) => text,
            (None, Kind::Sql { piece, .. }) => &piece.text,
            (None, Kind::Admin(command)) => &command.text,
            (None, Kind::Empty) => "",
        }
    }

    /// Its name upstream is made from its text, so that others use it too; or it has none.
    pub(crate) fn is_shared(&self) -> bool {
        self.name.is_empty() || self.name.starts_with(crate::own::RESERVED)
    }

    /// Upstream does not have it: every message for it is answered by the proxy.
    pub(crate) fn is_local(&self) -> bool {
        match &self.kind {
            Kind::Admin(_) => true,
            Kind::Sql { plan, .. } => matches!(
                plan.as_ref(),
                sql::Plan::SetOperation { .. } | sql::Plan::ShowOwn { .. }
            ),
            Kind::Empty => false,
        }
    }
}

/// The name upstream of a statement on a shared connection: the same for the same text and types, read
/// under the same conditions. The unnamed statement stays unnamed.
pub(crate) fn upstream_name(client: &[u8], text: &str, types: &[u32], under: &[&str]) -> Name {
    if client.is_empty() {
        return Name::new();
    }
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    for condition in under {
        digest.update(&condition.len().to_be_bytes());
        digest.update(condition.as_bytes());
    }
    digest.update(b"\0");
    for type_id in types {
        digest.update(&type_id.to_be_bytes());
    }
    digest.update(text.as_bytes());
    let mut name = b"pgdraft_".to_vec();
    for byte in digest.finish().as_ref().iter().take(16) {
        name.extend_from_slice(format!("{byte:02x}").as_bytes());
    }
    name
}

/// A portal that the client bound.
#[derive(Debug, Clone)]
pub(crate) struct Portal {
    /// The statement as it was when bound.
    pub(crate) prepared: Arc<Prepared>,
    /// Result formats, for answers of the proxy's own.
    pub(crate) formats: Arc<[i16]>,
    /// The Sync group it was bound in.
    pub(crate) group: u64,
}

/// A change to the connection's state that is taken back where its request fails or is skipped.
#[derive(Debug)]
pub(crate) enum Undo {
    /// What the name stood for before.
    Statement(Name, Option<Arc<Prepared>>),
    /// What the name stood for before.
    Portal(Name, Option<Portal>),
    /// The statements with names before a DEALLOCATE ALL or DISCARD ALL.
    Statements(std::collections::BTreeMap<Name, Arc<Prepared>>),
    /// One of our own statements was not prepared after all.
    Own(&'static str),
    /// A client's statement was not prepared on the server connection after all.
    Held(Name),
    /// The unnamed statement on the server connection is not the client's after all.
    Unnamed,
    /// What kept the client on its server connection before.
    Pin(Option<&'static str>),
    /// The session token was not set after all.
    Unbind,
    /// The operation id before.
    Operation(crate::lane::Operation),
}

/// What to do when a command has completed.
#[derive(Debug)]
pub(crate) enum Note {
    /// A write changed so many rows of the draft.
    Wrote {
        /// The session's draft.
        draft: Arc<SessionDraft>,
        /// The changed tables; the first is the statement's own.
        relations: Vec<RelationId>,
    },
    /// BEGIN, COMMIT, ROLLBACK and their like.
    Transaction,
    /// A COPY inside a text of several statements is over without CopyDone.
    CopyOver,
}
