//! One client connection's life, from accepted socket to goodbye: the data plane.
//!
//! Must not know how drafts are stored, committed or reviewed: it asks through [`ControlPlane`].
//! Must not know what SQL means: it asks crate `sql` for a plan and carries it out.
//!
//! A connection is two futures over two sockets. `request` reads the client, decides and writes
//! upstream; `reply` reads upstream and writes the client. Between them stands the queue of
//! expected replies (`queue`): whatever is sent has an entry there, and an entry says what becomes
//! of its replies. Neither direction buffers more than it is working on.
//!
//! Invariant: nothing is written to the client but by `reply`, in the order of the queue.
//!
//! Start at [`serve_client`]; the way of one statement is in `pipeline`.

mod admin;
mod answer;
mod api;
mod cancel;
mod client;
mod conn;
mod console;
mod copy;
mod decide;
mod execute;
mod extended;
mod fix;
mod handover;
mod ids;
mod keeping;
mod lane;
mod limits;
#[cfg(feature = "measure")]
pub mod measure;
mod metrics;
mod own;
mod patterns;
mod pipeline;
mod planner;
mod pool;
mod prepare;
mod prepared;
mod presence;
mod queue;
mod reads;
mod refuse;
mod reply;
mod request;
mod seat;
mod servers;
mod shared;
mod shown;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod trace;
mod watch;

pub use api::*;
pub use cancel::{cancel, cancel_forwarded};
pub use client::serve_client;
pub use ids::utc;
pub use limits::Limits;
pub use presence::{IdleServer, PoolState, Presence, Sums};
pub use servers::{PoolMode, PoolSettings};
pub use shared::{Identities, Setup, Shared};
pub use trace::TRACES;
