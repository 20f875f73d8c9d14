//! Connections to a real PostgreSQL, to servers that lie, and to our own listener.

mod cluster;
mod fake;
mod live;
mod ours;
mod urls;
