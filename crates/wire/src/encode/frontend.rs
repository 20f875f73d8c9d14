//! What we send upstream in a client's place.

use super::{count16, message, text, untagged, value};
use crate::frame::frontend as tag;

/// Query.
pub fn query(out: &mut Vec<u8>, statement: &str) {
    message(out, tag::QUERY, |out| text(out, statement.as_bytes()));
}

/// Parse, with the parameter types the client gave (0 for unspecified).
pub fn parse(out: &mut Vec<u8>, name: &[u8], statement: &str, types: &[u32]) {
    message(out, tag::PARSE, |out| {
        text(out, name);
        text(out, statement.as_bytes());
        out.extend_from_slice(&count16(types.len()));
        for type_id in types {
            out.extend_from_slice(&type_id.to_be_bytes());
        }
    });
}

/// Bind; `rest` is [`crate::frame::frontend::Bind::rest`].
pub fn bind(out: &mut Vec<u8>, portal: &[u8], statement: &[u8], rest: &[u8]) {
    message(out, tag::BIND, |out| {
        text(out, portal);
        text(out, statement);
        out.extend_from_slice(rest);
    });
}

/// The beginning of a Bind up to its names; `rest` bytes have to follow.
pub fn bind_names(out: &mut Vec<u8>, portal: &[u8], statement: &[u8], rest: usize) {
    let start = out.len();
    bind(out, portal, statement, &[]);
    let length = out.len() - start - 1 + rest;
    let length = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    if let Some(field) = out.get_mut(start + 1..start + 5) {
        field.copy_from_slice(&length);
    }
}

/// Bind with all values and all results in text.
pub fn bind_text(out: &mut Vec<u8>, portal: &[u8], statement: &[u8], params: &[Option<&str>]) {
    message(out, tag::BIND, |out| {
        text(out, portal);
        text(out, statement);
        out.extend_from_slice(&count16(0));
        out.extend_from_slice(&count16(params.len()));
        for param in params {
            value(out, param.map(str::as_bytes));
        }
        out.extend_from_slice(&count16(0));
    });
}

/// Bind with values as another Bind had them; results as text.
pub fn bind_values(
    out: &mut Vec<u8>,
    portal: &[u8],
    statement: &[u8],
    values: &[crate::frame::frontend::Value<'_>],
) {
    message(out, tag::BIND, |out| {
        text(out, portal);
        text(out, statement);
        out.extend_from_slice(&count16(values.len()));
        for (binary, _) in values {
            out.extend_from_slice(&count16(usize::from(*binary)));
        }
        out.extend_from_slice(&count16(values.len()));
        for (_, bytes) in values {
            value(out, *bytes);
        }
        out.extend_from_slice(&count16(0));
    });
}

fn target(out: &mut Vec<u8>, tag: u8, kind: u8, name: &[u8]) {
    message(out, tag, |out| {
        out.push(kind);
        text(out, name);
    });
}

/// Describe of a prepared statement.
pub fn describe_statement(out: &mut Vec<u8>, name: &[u8]) {
    target(out, tag::DESCRIBE, b'S', name);
}

/// Describe of a portal.
pub fn describe_portal(out: &mut Vec<u8>, name: &[u8]) {
    target(out, tag::DESCRIBE, b'P', name);
}

/// Close of a prepared statement.
pub fn close_statement(out: &mut Vec<u8>, name: &[u8]) {
    target(out, tag::CLOSE, b'S', name);
}

/// Close of a portal.
pub fn close_portal(out: &mut Vec<u8>, name: &[u8]) {
    target(out, tag::CLOSE, b'P', name);
}

/// Execute; `max_rows` 0 for all.
pub fn execute(out: &mut Vec<u8>, portal: &[u8], max_rows: i32) {
    message(out, tag::EXECUTE, |out| {
        text(out, portal);
        out.extend_from_slice(&max_rows.to_be_bytes());
    });
}

/// Sync.
pub fn sync(out: &mut Vec<u8>) {
    message(out, tag::SYNC, |_| {});
}

/// Flush.
pub fn flush(out: &mut Vec<u8>) {
    message(out, tag::FLUSH, |_| {});
}

/// Terminate.
pub fn terminate(out: &mut Vec<u8>) {
    message(out, tag::TERMINATE, |_| {});
}

/// PasswordMessage, cleartext or MD5; also SASLResponse, which is the same without the NUL.
pub fn password(out: &mut Vec<u8>, password: &[u8], nul: bool) {
    message(out, tag::PASSWORD, |out| {
        out.extend_from_slice(password);
        if nul {
            out.push(0);
        }
    });
}

/// SASLInitialResponse.
pub fn sasl_initial_response(out: &mut Vec<u8>, mechanism: &str, data: &[u8]) {
    message(out, tag::PASSWORD, |out| {
        text(out, mechanism.as_bytes());
        value(out, Some(data));
    });
}

/// SSLRequest.
pub fn ssl_request(out: &mut Vec<u8>) {
    untagged(out, |out| {
        out.extend_from_slice(&crate::startup::SSL_REQUEST.to_be_bytes());
    });
}

/// CancelRequest.
pub fn cancel_request(out: &mut Vec<u8>, pid: i32, key: &[u8]) {
    untagged(out, |out| {
        out.extend_from_slice(&crate::startup::CANCEL_REQUEST.to_be_bytes());
        out.extend_from_slice(&pid.to_be_bytes());
        out.extend_from_slice(key);
    });
}

/// StartupMessage of protocol 3.`minor`. A parameter with an empty name is left out: it would end
/// the list.
pub fn startup<'a>(
    out: &mut Vec<u8>,
    minor: u16,
    parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
) {
    untagged(out, |out| {
        out.extend_from_slice(&3_u16.to_be_bytes());
        out.extend_from_slice(&minor.to_be_bytes());
        for (name, parameter) in parameters {
            if !name.is_empty() {
                text(out, name.as_bytes());
                text(out, parameter.as_bytes());
            }
        }
        out.push(0);
    });
}
