//! Messages written as bytes, each appended to the buffer given.
//!
//! Plain code and not pgwire's encoders: those take owned messages, and most of what is written
//! here lies in someone else's buffer.
//!
//! Text that goes out as a C string loses its NUL bytes, so no value can cut a message short.

mod backend;
mod frontend;
#[cfg(test)]
mod tests;

pub use backend::{
    authentication, backend_key, bind_complete, close_complete, command_complete, data_row_text,
    empty_query, error, error_fields, negotiate_protocol_version, no_data, notice,
    parameter_description, parameter_status, parse_complete, raw, ready, row_description,
};
pub use frontend::{
    bind, bind_names, bind_text, bind_values, cancel_request, close_portal, close_statement,
    describe_portal, describe_statement, execute, flush, parse, password, query,
    sasl_initial_response, ssl_request, startup, sync, terminate,
};

/// Appends one message: the tag, the length, and what `body` writes.
fn message(out: &mut Vec<u8>, tag: u8, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    untagged(out, body);
}

/// Appends one message of the startup, which has no tag.
fn untagged(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    let length = out.len() - start;
    if let Some(field) = out.get_mut(start..start + 4) {
        field.copy_from_slice(&len32(length).to_be_bytes());
    }
}

/// A C string.
fn text(out: &mut Vec<u8>, text: &[u8]) {
    if memchr::memchr(0, text).is_none() {
        out.extend_from_slice(text);
    } else {
        out.extend(text.iter().filter(|byte| **byte != 0));
    }
    out.push(0);
}

/// A length or count of four bytes. Longer than 2 GiB is no message at all; the peer refuses it.
fn len32(len: usize) -> i32 {
    i32::try_from(len).unwrap_or(i32::MAX)
}

/// A count of two bytes, read unsigned by PostgreSQL. More than 65,535 is no message at all.
fn count16(count: usize) -> [u8; 2] {
    u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes()
}

/// A value with its length before it.
fn value(out: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        Some(bytes) => {
            out.extend_from_slice(&len32(bytes.len()).to_be_bytes());
            out.extend_from_slice(bytes);
        }
        None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
    }
}
