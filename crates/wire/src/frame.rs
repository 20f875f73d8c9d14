//! Messages cut out of bytes, without I/O.
//!
//! A message after the startup is one type byte, a length of four bytes that counts itself, and
//! a body. [`header`] reads the first five bytes; [`frontend`] and [`backend`] read bodies. Each
//! reader takes exactly one body and demands that it ends where the message ends, so what we read
//! is what PostgreSQL would read.
//!
//! Source: <https://www.postgresql.org/docs/current/protocol-message-formats.html>.

pub mod backend;
pub mod frontend;
mod reader;
#[cfg(test)]
mod tests;

use report::Report;

pub(crate) use reader::Reader;

/// Longest message PostgreSQL itself takes, its four length bytes included.
pub const LENGTH_MAX: usize = 0x3fff_ffff;

/// Why bytes are not a message: always answered with 08P01 and the connection closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The length field is below 4 or above [`LENGTH_MAX`].
    #[error("invalid message length {length}")]
    Length {
        /// The length field as sent.
        length: u32,
    },
    /// No message has this type byte.
    #[error("invalid message type {0}")]
    Type(u8),
    /// The body is short, has bytes left over, or holds what the message cannot hold.
    #[error("invalid message format: {message}")]
    Body {
        /// Name of the message, as in PostgreSQL's documentation.
        message: &'static str,
    },
    /// The message is well formed but longer than is allowed at this point.
    #[error("message of {length} bytes is too long")]
    TooLong {
        /// Bytes of its body.
        length: usize,
        /// Most bytes allowed.
        limit: usize,
    },
}

impl Malformed {
    /// The FATAL error (08P01) that the peer is told before the connection is closed.
    #[must_use]
    pub fn report(&self) -> Report {
        let report = Report::fatal("08P01", self.to_string());
        match self {
            Self::Length { .. } | Self::Type(_) => report
                .detail("The bytes received are not a message of PostgreSQL's protocol 3.")
                .hint("Check the client driver, and that nothing between it and here changes the bytes; then connect again."),
            Self::Body { message } => report
                .detail(format!("The body of a {message} message does not have the form the protocol gives it."))
                .hint("Check the client driver; then connect again."),
            Self::TooLong { limit, .. } => report
                .detail(format!("At most {limit} bytes are taken here."))
                .hint("Send the data in smaller parts, for example with COPY; then connect again."),
        }
    }
}

/// The first five bytes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Type byte, see [`frontend`] and [`backend`].
    pub tag: u8,
    /// Bytes that follow the header; the four length bytes are not counted.
    pub body_len: usize,
}

impl Header {
    /// Bytes of the whole message: type, length and body.
    #[must_use]
    pub fn message_len(&self) -> usize {
        self.body_len + HEADER_LEN
    }
}

/// Bytes of a [`Header`].
pub const HEADER_LEN: usize = 5;

/// Reads the header of the message that begins here, `None` while there are fewer than five bytes.
///
/// The type byte is not judged: [`frontend::check_tag`] does that for what clients send.
///
/// # Errors
/// [`Malformed::Length`] for a length below 4 or above [`LENGTH_MAX`].
pub fn header(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let Some((&[tag, a, b, c, d], _)) = bytes.split_first_chunk::<HEADER_LEN>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes([a, b, c, d]);
    match usize::try_from(length) {
        Ok(len) if (4..=LENGTH_MAX).contains(&len) => Ok(Some(Header {
            tag,
            body_len: len - 4,
        })),
        _ => Err(Malformed::Length { length }),
    }
}
