//! What PostgreSQL sends.

use super::{Malformed, Reader};

/// Authentication requests.
pub const AUTHENTICATION: u8 = b'R';
/// Cancellation key.
pub const BACKEND_KEY_DATA: u8 = b'K';
/// Bind done.
pub const BIND_COMPLETE: u8 = b'2';
/// Close done.
pub const CLOSE_COMPLETE: u8 = b'3';
/// A command ended well.
pub const COMMAND_COMPLETE: u8 = b'C';
/// Data of a COPY.
pub const COPY_DATA: u8 = b'd';
/// End of a COPY out.
pub const COPY_DONE: u8 = b'c';
/// The server waits for COPY data.
pub const COPY_IN_RESPONSE: u8 = b'G';
/// The server will send COPY data.
pub const COPY_OUT_RESPONSE: u8 = b'H';
/// Both ways, replication only.
pub const COPY_BOTH_RESPONSE: u8 = b'W';
/// A row.
pub const DATA_ROW: u8 = b'D';
/// The statement text was empty.
pub const EMPTY_QUERY_RESPONSE: u8 = b'I';
/// An error.
pub const ERROR_RESPONSE: u8 = b'E';
/// Result of a FunctionCall.
pub const FUNCTION_CALL_RESPONSE: u8 = b'V';
/// Another protocol version than asked for.
pub const NEGOTIATE_PROTOCOL_VERSION: u8 = b'v';
/// The statement returns no rows.
pub const NO_DATA: u8 = b'n';
/// A notice.
pub const NOTICE_RESPONSE: u8 = b'N';
/// A NOTIFY of another backend.
pub const NOTIFICATION_RESPONSE: u8 = b'A';
/// Types of a statement's parameters.
pub const PARAMETER_DESCRIPTION: u8 = b't';
/// A reported setting.
pub const PARAMETER_STATUS: u8 = b'S';
/// Parse done.
pub const PARSE_COMPLETE: u8 = b'1';
/// Execute stopped at its row limit.
pub const PORTAL_SUSPENDED: u8 = b's';
/// Ready for the next query.
pub const READY_FOR_QUERY: u8 = b'Z';
/// Columns of the rows to come.
pub const ROW_DESCRIPTION: u8 = b'T';

/// One column of a RowDescription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Name, in the client's encoding.
    pub name: Vec<u8>,
    /// Object id of the table it comes from, or 0.
    pub table: u32,
    /// Attribute number in that table, or 0.
    pub column: i16,
    /// Object id of its type.
    pub type_id: u32,
    /// Size of the type in bytes, negative for variable ones.
    pub type_len: i16,
    /// Type modifier, -1 for none.
    pub type_modifier: i32,
    /// 0 text, 1 binary.
    pub format: i16,
}

/// Reads a RowDescription.
///
/// # Errors
/// Malformed where counts or ends do not fit.
pub fn row_description(body: &[u8]) -> Result<Vec<Field>, Malformed> {
    let mut reader = Reader::new("RowDescription", body);
    let count = reader.count()?;
    let mut fields = Vec::new();
    for _ in 0..count {
        fields.push(Field {
            name: reader.text()?.to_vec(),
            table: reader.u32()?,
            column: reader.i16()?,
            type_id: reader.u32()?,
            type_len: reader.i16()?,
            type_modifier: reader.i32()?,
            format: reader.i16()?,
        });
    }
    reader.end()?;
    Ok(fields)
}

/// Reads the type ids of a ParameterDescription.
///
/// # Errors
/// Malformed where the count does not fit.
pub fn parameter_description(body: &[u8]) -> Result<Vec<u32>, Malformed> {
    let mut reader = Reader::new("ParameterDescription", body);
    let count = reader.count()?;
    let types = (0..count)
        .map(|_| reader.u32())
        .collect::<Result<Vec<_>, _>>()?;
    reader.end()?;
    Ok(types)
}

/// Reads the values of a DataRow, `None` for NULL.
///
/// # Errors
/// Malformed where counts or lengths do not fit.
pub fn data_row(body: &[u8]) -> Result<Vec<Option<&[u8]>>, Malformed> {
    let mut reader = Reader::new("DataRow", body);
    let count = reader.count()?;
    let values = (0..count)
        .map(|_| reader.value())
        .collect::<Result<Vec<_>, _>>()?;
    reader.end()?;
    Ok(values)
}

/// Reads the fields of an ErrorResponse or NoticeResponse, in their order.
///
/// # Errors
/// Malformed where a field has no end, or the list none.
pub fn error_fields(body: &[u8]) -> Result<Vec<(u8, Vec<u8>)>, Malformed> {
    let mut reader = Reader::new("ErrorResponse", body);
    let mut fields = Vec::new();
    loop {
        match reader.u8()? {
            0 => break,
            code => fields.push((code, reader.text()?.to_vec())),
        }
    }
    reader.end()?;
    Ok(fields)
}

/// Reads the tag of a CommandComplete.
///
/// # Errors
/// Malformed where it is not text and one NUL at its end, or not UTF-8.
pub fn command_tag(body: &[u8]) -> Result<&str, Malformed> {
    let mut reader = Reader::new("CommandComplete", body);
    let tag = reader.text()?;
    let tag = std::str::from_utf8(tag).map_err(|_| reader.malformed())?;
    reader.end()?;
    Ok(tag)
}

/// Reads name and value of a ParameterStatus.
///
/// # Errors
/// Malformed where it is not two texts.
pub fn parameter_status(body: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let mut reader = Reader::new("ParameterStatus", body);
    let name = reader.text()?;
    let value = reader.text()?;
    reader.end()?;
    Ok((name, value))
}

/// Reads process id and key of a BackendKeyData.
///
/// # Errors
/// Malformed where the key is not 4 to 256 bytes.
pub fn backend_key_data(body: &[u8]) -> Result<(i32, &[u8]), Malformed> {
    let mut reader = Reader::new("BackendKeyData", body);
    let pid = reader.i32()?;
    let key = reader.rest();
    if (4..=256).contains(&key.len()) {
        Ok((pid, key))
    } else {
        Err(reader.malformed())
    }
}

/// Reads the transaction status of a ReadyForQuery: `I`, `T` or `E`.
///
/// # Errors
/// Malformed where it is not one such byte.
pub fn ready_for_query(body: &[u8]) -> Result<u8, Malformed> {
    match body {
        [status @ (b'I' | b'T' | b'E')] => Ok(*status),
        _ => Err(Malformed::Body {
            message: "ReadyForQuery",
        }),
    }
}
