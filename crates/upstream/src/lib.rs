//! Connections to the PostgreSQL behind us.
//!
//! [`connect()`] opens a raw one for an agent: we do the handshake, and from then on `session` reads
//! and writes its bytes. [`control()`] opens one for the control plane, driven by tokio-postgres.
//! [`cancel()`] stops what a raw connection runs. All three dial the same way: TCP or Unix socket,
//! and every `sslmode` up to `verify-full`.
//!
//! Start at [`Target`], which is a connection URL after reading. Its password is shown nowhere.

mod connect;
mod control;
mod dial;
mod error;
mod stream;
mod target;
#[cfg(test)]
mod tests;
mod tls;
mod url;

pub use connect::{Connection, cancel, connect};
pub use control::{ControlConnection, control};
pub use error::UpstreamError;
pub use stream::UpstreamStream;
pub use target::{SslMode, Target};
