//! The first packets of a connection, read strictly.

use super::{CANCEL_REQUEST, GSSENC_REQUEST, SSL_REQUEST, StartupError, options};
use crate::frame::{Malformed, Reader};

/// Newest minor version of protocol 3 that we speak. 3.1 was never released.
const MINOR_MAX: u16 = 2;

/// A packet without a type byte.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet {
    Ssl,
    Gssenc,
    Cancel { pid: i32, key: Vec<u8> },
    Startup(Startup),
}

/// A startup packet as sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Startup {
    minor: u16,
    /// Every pair, names unique.
    pairs: Vec<(String, String)>,
}

/// What a startup packet asks for, after the rules.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    pub(super) user: String,
    pub(super) parameters: Vec<(String, String)>,
    pub(super) options: Vec<(String, String)>,
    pub(super) protocol_minor: u16,
    /// The protocol options not known, if NegotiateProtocolVersion has to be sent.
    pub(super) negotiate: Option<Vec<String>>,
}

fn layout(_: Malformed) -> StartupError {
    StartupError::Layout
}

impl Packet {
    /// Reads what follows the length of a packet.
    pub(super) fn parse(body: &[u8]) -> Result<Self, StartupError> {
        let mut reader = Reader::new("StartupMessage", body);
        let code = reader.u32().map_err(layout)?;
        match code {
            SSL_REQUEST => reader.end().map_err(layout).map(|()| Self::Ssl),
            GSSENC_REQUEST => reader.end().map_err(layout).map(|()| Self::Gssenc),
            CANCEL_REQUEST => {
                let pid = reader.i32().map_err(layout)?;
                let key = reader.rest().to_vec();
                if (4..=256).contains(&key.len()) {
                    Ok(Self::Cancel { pid, key })
                } else {
                    Err(StartupError::Layout)
                }
            }
            _ => {
                let [a, b, c, d] = code.to_be_bytes();
                let (major, minor) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
                if major != 3 {
                    return Err(StartupError::Protocol { major, minor });
                }
                let pairs = pairs(reader)?;
                Ok(Self::Startup(Startup { minor, pairs }))
            }
        }
    }
}

fn pairs(mut reader: Reader<'_>) -> Result<Vec<(String, String)>, StartupError> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    loop {
        let name = reader.text().map_err(layout)?;
        if name.is_empty() {
            break;
        }
        let value = reader.text().map_err(layout)?;
        let (Ok(name), Ok(value)) = (std::str::from_utf8(name), std::str::from_utf8(value)) else {
            return Err(StartupError::NotUtf8);
        };
        if pairs.iter().any(|(known, _)| known == name) {
            return Err(StartupError::Duplicate(name.to_owned()));
        }
        pairs.push((name.to_owned(), value.to_owned()));
    }
    reader.end().map_err(layout)?;
    Ok(pairs)
}

impl Startup {
    /// Applies the rules: a user, no replication, a version we speak, options we can read.
    pub(super) fn accept(self) -> Result<Accepted, StartupError> {
        let mut user = String::new();
        let mut options = Vec::new();
        let mut parameters = Vec::new();
        let mut unknown = Vec::new();
        for (name, value) in self.pairs {
            match name.as_str() {
                "user" => user = value,
                "options" => options = options::split(&value)?,
                "replication" if is_false(&value) => {}
                "replication" => return Err(StartupError::Replication),
                protocol if protocol.starts_with("_pq_.") => unknown.push(name),
                _ => parameters.push((name, value)),
            }
        }
        if user.is_empty() {
            return Err(StartupError::NoUser);
        }
        let protocol_minor = if self.minor >= MINOR_MAX {
            MINOR_MAX
        } else {
            0
        };
        let negotiate = (self.minor != protocol_minor || !unknown.is_empty()).then_some(unknown);
        Ok(Accepted {
            user,
            parameters,
            options,
            protocol_minor,
            negotiate,
        })
    }
}

/// PostgreSQL's words for a boolean that is false, in any case and cut short where still clear.
fn is_false(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    let short = |word: &str, len: usize| value.len() >= len && word.starts_with(&value);
    value == "0" || short("false", 1) || short("no", 1) || short("off", 2)
}
