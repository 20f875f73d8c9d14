//! What we say to a client in PostgreSQL's place.

use report::{Report, Severity};

use super::{count16, message, text, value};
use crate::frame::backend::{self as tag, Field};

/// A message whose body is there already.
pub fn raw(out: &mut Vec<u8>, tag: u8, body: &[u8]) {
    message(out, tag, |out| out.extend_from_slice(body));
}

/// ErrorResponse. A report of severity notice is told as an error here.
pub fn error(out: &mut Vec<u8>, report: &Report) {
    let severity = match report.severity {
        Severity::Fatal => "FATAL",
        Severity::Error | Severity::Notice => "ERROR",
    };
    told(out, tag::ERROR_RESPONSE, severity, report);
}

/// NoticeResponse, whatever the severity of the report.
pub fn notice(out: &mut Vec<u8>, report: &Report) {
    told(out, tag::NOTICE_RESPONSE, "NOTICE", report);
}

fn told(out: &mut Vec<u8>, tag: u8, severity: &str, report: &Report) {
    let position = report.position.map(|position| position.to_string());
    let fields = [
        (b'S', Some(severity)),
        (b'V', Some(severity)),
        (b'C', Some(report.code.as_str())),
        (b'M', Some(report.message.as_str())),
        (b'D', report.detail.as_deref()),
        (b'H', report.hint.as_deref()),
        (b'P', position.as_deref()),
        (b's', report.schema.as_deref()),
        (b't', report.table.as_deref()),
        (b'n', report.constraint.as_deref()),
    ];
    message(out, tag, |out| {
        for (code, field) in fields {
            if let Some(field) = field {
                out.push(code);
                text(out, field.as_bytes());
            }
        }
        out.push(0);
    });
}

/// ErrorResponse or NoticeResponse (`tag`) from fields; one with the code 0 is left out, it would
/// end the list.
pub fn error_fields(out: &mut Vec<u8>, tag: u8, fields: &[(u8, Vec<u8>)]) {
    message(out, tag, |out| {
        for (code, field) in fields.iter().filter(|(code, _)| *code != 0) {
            out.push(*code);
            text(out, field);
        }
        out.push(0);
    });
}

/// ReadyForQuery with the transaction status `I`, `T` or `E`.
pub fn ready(out: &mut Vec<u8>, status: u8) {
    raw(out, tag::READY_FOR_QUERY, &[status]);
}

/// RowDescription.
pub fn row_description(out: &mut Vec<u8>, fields: &[Field]) {
    message(out, tag::ROW_DESCRIPTION, |out| {
        out.extend_from_slice(&count16(fields.len()));
        for field in fields {
            text(out, &field.name);
            out.extend_from_slice(&field.table.to_be_bytes());
            out.extend_from_slice(&field.column.to_be_bytes());
            out.extend_from_slice(&field.type_id.to_be_bytes());
            out.extend_from_slice(&field.type_len.to_be_bytes());
            out.extend_from_slice(&field.type_modifier.to_be_bytes());
            out.extend_from_slice(&field.format.to_be_bytes());
        }
    });
}

/// ParameterDescription.
pub fn parameter_description(out: &mut Vec<u8>, types: &[u32]) {
    message(out, tag::PARAMETER_DESCRIPTION, |out| {
        out.extend_from_slice(&count16(types.len()));
        for type_id in types {
            out.extend_from_slice(&type_id.to_be_bytes());
        }
    });
}

/// DataRow of values in text, `None` for NULL.
pub fn data_row_text(out: &mut Vec<u8>, values: &[Option<String>]) {
    message(out, tag::DATA_ROW, |out| {
        out.extend_from_slice(&count16(values.len()));
        for column in values {
            value(out, column.as_deref().map(str::as_bytes));
        }
    });
}

/// CommandComplete.
pub fn command_complete(out: &mut Vec<u8>, command_tag: &str) {
    message(out, tag::COMMAND_COMPLETE, |out| {
        text(out, command_tag.as_bytes());
    });
}

/// ParseComplete.
pub fn parse_complete(out: &mut Vec<u8>) {
    raw(out, tag::PARSE_COMPLETE, &[]);
}

/// BindComplete.
pub fn bind_complete(out: &mut Vec<u8>) {
    raw(out, tag::BIND_COMPLETE, &[]);
}

/// CloseComplete.
pub fn close_complete(out: &mut Vec<u8>) {
    raw(out, tag::CLOSE_COMPLETE, &[]);
}

/// NoData.
pub fn no_data(out: &mut Vec<u8>) {
    raw(out, tag::NO_DATA, &[]);
}

/// EmptyQueryResponse.
pub fn empty_query(out: &mut Vec<u8>) {
    raw(out, tag::EMPTY_QUERY_RESPONSE, &[]);
}

/// ParameterStatus.
pub fn parameter_status(out: &mut Vec<u8>, name: &str, setting: &str) {
    message(out, tag::PARAMETER_STATUS, |out| {
        text(out, name.as_bytes());
        text(out, setting.as_bytes());
    });
}

/// BackendKeyData; the key has 4 bytes in protocol 3.0, 4 to 256 from 3.2 on.
pub fn backend_key(out: &mut Vec<u8>, pid: i32, key: &[u8]) {
    message(out, tag::BACKEND_KEY_DATA, |out| {
        out.extend_from_slice(&pid.to_be_bytes());
        out.extend_from_slice(key);
    });
}

/// An Authentication message: its kind (0 Ok, 10 SASL, 11 SASLContinue, 12 SASLFinal) and data.
pub fn authentication(out: &mut Vec<u8>, kind: i32, data: &[u8]) {
    message(out, tag::AUTHENTICATION, |out| {
        out.extend_from_slice(&kind.to_be_bytes());
        out.extend_from_slice(data);
    });
}

/// NegotiateProtocolVersion: 3.`minor` is spoken, and these options are not known.
pub fn negotiate_protocol_version(out: &mut Vec<u8>, minor: u16, options: &[String]) {
    message(out, tag::NEGOTIATE_PROTOCOL_VERSION, |out| {
        out.extend_from_slice(&3_u16.to_be_bytes());
        out.extend_from_slice(&minor.to_be_bytes());
        let count = u32::try_from(options.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&count.to_be_bytes());
        for option in options {
            text(out, option.as_bytes());
        }
    });
}
