//! The control plane: sessions, drafting tables, diff, commit and discard.
//!
//! It talks to the upstream database through a few connections of its own, with the control role,
//! and never to a client. It holds the catalog snapshot that statements are planned against and
//! keeps it fresh. The data plane does not know this crate; the binary joins the two.
//!
//! Invariant: production's tables are written by [`Control::commit`] alone, in one transaction.
//!
//! Start at [`Control`].

mod change;
mod commit;
mod connector;
mod control;
mod dependencies;
mod diff;
mod discard;
mod drafting;
mod error;
mod keep;
mod life;
mod merge;
mod peers;
mod pool;
mod progress;
mod quota;
mod rehearse;
mod running;
mod separate;
mod sessions;
mod stale;
mod summary;
mod undo;

pub use change::{Change, Changed, Undone, Value, Which};
pub use commit::{Applied, Committed};
pub use connector::Target;
pub use control::{Control, Options};
pub use dependencies::Dependency;
pub use diff::{Diff, DiffFilter, DiffRow, DiffType};
pub use discard::Discarded;
pub use error::{ConflictRow, ControlError};
pub use keep::{Keeping, Key, Parameter};
pub use merge::BaseChange;
pub use progress::{Progress, Step};
pub use rehearse::{Effect, Failed, Rehearsal};
pub use separate::{Chosen, Separated};
pub use sessions::{OpenedSession, OperationSummary, SessionSummary};
pub use stale::StaleRead;
pub use store::sessions::SessionState;
pub use store::space::Space;
pub use summary::{Summary, SummaryRow};

#[cfg(test)]
mod tests;
