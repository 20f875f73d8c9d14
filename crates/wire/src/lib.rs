//! PostgreSQL's wire protocol between a client and us: framing, handshake, TLS, SCRAM, encoding.
//!
//! Knows bytes and messages, and nothing of what a statement means. No connection to the upstream
//! is opened here (that is `upstream`), and no message is relayed here (that is `session`).
//!
//! Every body is parsed strictly: a message that is short, that lies about a count or a length, or
//! that has bytes left over is [`frame::Malformed`] and ends the connection; nothing a peer sends
//! can make these functions panic.
//!
//! Start at [`startup::accept`] for how a client gets in and at [`frame`] for what it then sends.
//!
//! Source: <https://www.postgresql.org/docs/current/protocol.html>.

pub mod encode;
pub mod frame;
pub mod keepalive;
pub mod scram;
pub mod startup;
pub mod tls;
