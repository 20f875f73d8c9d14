//! What clients send.

use report::Report;

use super::{Malformed, Reader};

/// Simple query.
pub const QUERY: u8 = b'Q';
/// Parse a prepared statement.
pub const PARSE: u8 = b'P';
/// Bind a portal.
pub const BIND: u8 = b'B';
/// Describe a statement or portal.
pub const DESCRIBE: u8 = b'D';
/// Execute a portal.
pub const EXECUTE: u8 = b'E';
/// Close a statement or portal.
pub const CLOSE: u8 = b'C';
/// End of an extended query.
pub const SYNC: u8 = b'S';
/// Send what is waiting.
pub const FLUSH: u8 = b'H';
/// Function call.
pub const FUNCTION_CALL: u8 = b'F';
/// Data of a COPY.
pub const COPY_DATA: u8 = b'd';
/// Good end of a COPY.
pub const COPY_DONE: u8 = b'c';
/// Bad end of a COPY.
pub const COPY_FAIL: u8 = b'f';
/// Password, SASL and GSS answers.
pub const PASSWORD: u8 = b'p';
/// End of the connection.
pub const TERMINATE: u8 = b'X';

/// Whether clients may send this type at all.
///
/// # Errors
/// [`Malformed::Type`] where no frontend message has the type byte.
pub fn check_tag(tag: u8) -> Result<(), Malformed> {
    match tag {
        QUERY | PARSE | BIND | DESCRIBE | EXECUTE | CLOSE | SYNC | FLUSH | FUNCTION_CALL
        | COPY_DATA | COPY_DONE | COPY_FAIL | PASSWORD | TERMINATE => Ok(()),
        _ => Err(Malformed::Type(tag)),
    }
}

/// Why a message with statement text in it cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The body is not such a message; the connection ends.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The text is not UTF-8; only the statement fails.
    #[error("invalid byte sequence for encoding \"UTF8\": {}", hex(.bytes))]
    Encoding {
        /// Bytes of the text that are good.
        valid_up_to: usize,
        /// The first bytes that are not, one to four.
        bytes: Vec<u8>,
    },
}

impl QueryError {
    /// FATAL 08P01 for a malformed message, ERROR 22021 for text that is not UTF-8.
    #[must_use]
    pub fn report(&self) -> Report {
        match self {
            Self::Malformed(malformed) => malformed.report(),
            Self::Encoding { valid_up_to, .. } => Report::error("22021", self.to_string())
                .detail(format!(
                    "The statement text is not UTF-8 after its first {valid_up_to} bytes."
                ))
                .hint("Set client_encoding to UTF8 and send statements in UTF-8."),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let parts: Vec<String> = bytes.iter().map(|byte| format!("0x{byte:02x}")).collect();
    parts.join(" ")
}

fn utf8(bytes: &[u8]) -> Result<&str, QueryError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let from = error.valid_up_to();
        let len = error.error_len().unwrap_or(bytes.len() - from);
        QueryError::Encoding {
            valid_up_to: from,
            bytes: bytes.iter().skip(from).take(len).copied().collect(),
        }
    })
}

/// Text of a Query.
///
/// # Errors
/// Malformed unless the body is text and one NUL at its very end; [`QueryError::Encoding`] where
/// the text is not UTF-8.
pub fn query(body: &[u8]) -> Result<&str, QueryError> {
    let mut reader = Reader::new("Query", body);
    let text = reader.text()?;
    reader.end()?;
    utf8(text)
}

/// A Parse message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parse<'a> {
    /// Name of the statement, empty for the unnamed one.
    pub name: &'a [u8],
    /// Its text.
    pub text: &'a str,
    /// Parameter types the client gave, 0 for unspecified.
    pub types: Vec<u32>,
}

/// Reads a Parse.
///
/// # Errors
/// Malformed where counts or ends do not fit; [`QueryError::Encoding`] where the text is not UTF-8.
pub fn parse(body: &[u8]) -> Result<Parse<'_>, QueryError> {
    let mut reader = Reader::new("Parse", body);
    let name = reader.text()?;
    let text = reader.text()?;
    let count = reader.count()?;
    let types = (0..count)
        .map(|_| reader.u32())
        .collect::<Result<Vec<_>, _>>()?;
    reader.end()?;
    Ok(Parse {
        name,
        text: utf8(text)?,
        types,
    })
}

/// A Bind message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind<'a> {
    /// Name of the portal, empty for the unnamed one.
    pub portal: &'a [u8],
    /// Name of the statement.
    pub statement: &'a [u8],
    /// From the count of parameter formats to the end, well formed: can be sent on as it is.
    pub rest: &'a [u8],
    /// Result formats: none = all text, one = for all columns, else one a column.
    pub result_formats: Vec<i16>,
    /// Number of parameter values.
    pub parameters: usize,
}

/// Reads a Bind.
///
/// That the number of formats fits the number of values is left to PostgreSQL to say.
///
/// # Errors
/// Malformed where counts, lengths or the end do not fit.
pub fn bind(body: &[u8]) -> Result<Bind<'_>, Malformed> {
    let mut reader = Reader::new("Bind", body);
    let portal = reader.text()?;
    let statement = reader.text()?;
    let rest = reader.rest();
    let formats = reader.count()?;
    reader.bytes(formats * 2)?;
    let parameters = reader.count()?;
    for _ in 0..parameters {
        reader.value()?;
    }
    let count = reader.count()?;
    let result_formats = (0..count)
        .map(|_| reader.i16())
        .collect::<Result<Vec<_>, _>>()?;
    reader.end()?;
    Ok(Bind {
        portal,
        statement,
        rest,
        result_formats,
        parameters,
    })
}

/// A parameter's value: whether it is in binary form, and its bytes (`None` = NULL).
pub type Value<'a> = (bool, Option<&'a [u8]>);

/// The parameter values of a [`Bind::rest`].
///
/// # Errors
/// As [`bind`].
pub fn values(rest: &[u8]) -> Result<Vec<Value<'_>>, Malformed> {
    let mut reader = Reader::new("Bind", rest);
    let formats = (0..reader.count()?)
        .map(|_| reader.i16())
        .collect::<Result<Vec<_>, _>>()?;
    let binary = |n: usize| match formats.as_slice() {
        [] => false,
        [all] => *all == 1,
        each => each.get(n) == Some(&1),
    };
    (0..reader.count()?)
        .map(|n| Ok((binary(n), reader.value()?)))
        .collect()
}

/// What a Describe or Close names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// A prepared statement.
    Statement(&'a [u8]),
    /// A portal.
    Portal(&'a [u8]),
}

fn target<'a>(message: &'static str, body: &'a [u8]) -> Result<Target<'a>, Malformed> {
    let mut reader = Reader::new(message, body);
    let kind = reader.u8()?;
    let name = reader.text()?;
    let target = match kind {
        b'S' => Target::Statement(name),
        b'P' => Target::Portal(name),
        _ => return Err(reader.malformed()),
    };
    reader.end()?;
    Ok(target)
}

/// Reads a Describe.
///
/// # Errors
/// Malformed where it is not `S` or `P`, a name and nothing more.
pub fn describe(body: &[u8]) -> Result<Target<'_>, Malformed> {
    target("Describe", body)
}

/// Reads a Close.
///
/// # Errors
/// As [`describe`].
pub fn close(body: &[u8]) -> Result<Target<'_>, Malformed> {
    target("Close", body)
}

/// An Execute message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Execute<'a> {
    /// Name of the portal.
    pub portal: &'a [u8],
    /// Most rows to return; 0 and below for all.
    pub max_rows: i32,
}

/// Reads an Execute.
///
/// # Errors
/// Malformed where it is not a name, a number and nothing more.
pub fn execute(body: &[u8]) -> Result<Execute<'_>, Malformed> {
    let mut reader = Reader::new("Execute", body);
    let portal = reader.text()?;
    let max_rows = reader.i32()?;
    reader.end()?;
    Ok(Execute { portal, max_rows })
}

/// Reads a message without a body: Sync, Flush, Terminate, CopyDone.
///
/// # Errors
/// Malformed where there is a body.
pub fn empty(body: &[u8]) -> Result<(), Malformed> {
    Reader::new("Sync, Flush, Terminate or CopyDone", body).end()
}
