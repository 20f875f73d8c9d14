//! What can be done to a session beside its commit and discard, as one list: the console's words and
//! the command line say the same.

use catalog::{Relation, RelationId};

use crate::error::ConflictRow;
use crate::merge::BaseChange;
use crate::rehearse::Rehearsal;
use crate::{Control, ControlError};

/// Which conflicts are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Which {
    /// Of one table.
    pub table: Option<RelationId>,
    /// Of the row with this key: one text for each column; of every row where it is empty.
    pub key: Vec<String>,
    /// Of one column.
    pub column: Option<String>,
}

impl Which {
    /// Whether a table has such a key and such a column.
    pub(crate) fn fits(&self, relation: &Relation) -> Result<(), ControlError> {
        let columns = relation.key().map_or(&[][..], |key| &key.columns);
        if !self.key.is_empty() && (self.table.is_none() || self.key.len() != columns.len()) {
            return Err(ControlError::BadKey {
                values: self.key.len(),
                table: self.table.map(|_| relation.name.clone()),
                columns: columns.to_vec(),
            });
        }
        match &self.column {
            Some(name) if relation.column(name).is_none() => Err(ControlError::NoSuchColumn {
                table: relation.name.clone(),
                column: name.clone(),
            }),
            _ => Ok(()),
        }
    }
}

/// What a conflict is resolved with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// The draft's value.
    Ours,
    /// Production's value.
    Theirs,
    /// Another one, as text.
    Given(String),
}

/// What is undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undone {
    /// A committed session.
    Session(String),
    /// One operation of a committed session.
    Operation {
        /// The session.
        session: String,
        /// The operation.
        operation: String,
    },
    /// Everything that was committed of one agent since a time.
    Agent {
        /// The agent.
        agent: String,
        /// The time, as PostgreSQL reads it.
        since: String,
    },
}

/// A change of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// See [`Control::propose`].
    Propose,
    /// See [`Control::reopen`].
    Reopen,
    /// See [`Control::conflicts`].
    Conflicts,
    /// See [`Control::rebase`].
    Rebase,
    /// See [`Control::resolve`].
    Resolve(Which, Value),
    /// See [`Control::rehearse`].
    Rehearse,
    /// See [`Control::revert`]; the new session's name.
    Revert(Undone, Option<String>),
    /// See [`Control::rewind`]; the operation.
    Rewind(String),
    /// See [`Control::fork`]; the new session's name, and the operation up to which.
    Fork(String, Option<String>),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// Nothing that has to be told.
    Done,
    /// Conflicts.
    Conflicts(Vec<ConflictRow>),
    /// Conflicts were resolved.
    Left {
        /// So many are left.
        left: usize,
        /// In so many rows something was settled.
        settled: u64,
    },
    /// A draft is on today's base.
    Rebased {
        /// What production had changed.
        changes: Vec<BaseChange>,
        /// So many conflicts are left.
        left: usize,
    },
    /// What a commit would do.
    Rehearsed(Rehearsal),
    /// A session was made, with so many rows.
    Made {
        /// Its name.
        session: String,
        /// Rows of its draft.
        rows: u64,
    },
    /// So many operations are gone.
    Rewound(u64),
}

impl Control {
    /// Does it.
    ///
    /// # Errors
    /// As of the function that [`Change`] names.
    pub async fn change(
        &self,
        session: &str,
        who: &str,
        change: &Change,
    ) -> Result<Changed, ControlError> {
        Ok(match change {
            Change::Propose => {
                self.propose(session).await?;
                Changed::Done
            }
            Change::Reopen => {
                self.reopen(session).await?;
                Changed::Done
            }
            Change::Conflicts => Changed::Conflicts(self.conflicts(session).await?),
            Change::Rebase => self.rebase(session).await?,
            Change::Resolve(which, value) => self.resolve(session, who, which, value).await?,
            Change::Rehearse => Changed::Rehearsed(self.rehearse(session, who).await?),
            Change::Revert(undone, name) => self.revert(undone, who, name.as_deref()).await?,
            Change::Rewind(operation) => Changed::Rewound(self.rewind(session, operation).await?),
            Change::Fork(name, operation) => self.fork(session, name, operation.as_deref()).await?,
        })
    }
}
