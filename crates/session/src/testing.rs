//! What the tests of this crate share: a throwaway PostgreSQL with a small draft schema, a control
//! plane for it, a server that takes clients without passwords, and a client that speaks frames.

mod client;
mod cluster;
mod control;
mod server;

pub(crate) use client::{Frames, field, summary};
pub(crate) use cluster::Cluster;
pub(crate) use control::{FakeControl, relation};
pub(crate) use server::Server;
