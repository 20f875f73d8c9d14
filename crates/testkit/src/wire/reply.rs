//! What came back for a statement.

use std::collections::BTreeMap;

use super::body::Reader;

/// One column of a RowDescription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Oid of the table it comes from, or 0.
    pub table: u32,
    /// `attnum` there, or 0.
    pub number: i16,
    /// Oid of its type.
    pub type_id: u32,
    /// `typlen`.
    pub size: i16,
    /// Type modifier.
    pub modifier: i32,
    /// 0 text, 1 binary.
    pub format: i16,
}

/// An ErrorResponse or NoticeResponse: its fields by their letters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Failure(pub BTreeMap<char, String>);

impl Failure {
    /// Reads the body of the message.
    pub fn parse(body: &[u8]) -> Self {
        let mut reader = Reader::new(body);
        let mut fields = BTreeMap::new();
        while !reader.is_empty() {
            let letter = reader.byte();
            if letter == 0 {
                break;
            }
            fields.insert(letter as char, reader.text());
        }
        Self(fields)
    }

    /// A field, empty where it is missing.
    pub fn field(&self, letter: char) -> &str {
        self.0.get(&letter).map_or("", String::as_str)
    }

    /// SQLSTATE.
    pub fn code(&self) -> &str {
        self.field('C')
    }

    /// The message.
    pub fn message(&self) -> &str {
        self.field('M')
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.code(), self.message())?;
        for (letter, name) in [
            ('D', "detail"),
            ('H', "hint"),
            ('P', "position"),
            ('s', "schema"),
            ('t', "table"),
            ('c', "column"),
            ('d', "type"),
            ('n', "constraint"),
        ] {
            if let Some(value) = self.0.get(&letter) {
                write!(f, " | {name}: {value}")?;
            }
        }
        Ok(())
    }
}

/// Everything that came back for one statement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// Types of the parameters, where they were described.
    pub parameters: Option<Vec<u32>>,
    /// The statement's own description, where it was asked for; its formats are 0.
    pub described: Option<Vec<Column>>,
    /// The description that came before the rows.
    pub columns: Option<Vec<Column>>,
    /// The rows, values in the format of their column.
    pub rows: Vec<Vec<Option<Vec<u8>>>>,
    /// What COPY … TO STDOUT sent.
    pub copied: Option<Vec<u8>>,
    /// The command tag.
    pub tag: Option<String>,
    /// EmptyQueryResponse came.
    pub empty: bool,
    /// PortalSuspended came.
    pub suspended: bool,
    /// The error that ended it.
    pub error: Option<Failure>,
    /// Notices that came meanwhile.
    pub notices: Vec<Failure>,
}

impl Reply {
    /// SQLSTATE of the error, or an empty text.
    pub fn code(&self) -> &str {
        self.error.as_ref().map_or("", Failure::code)
    }

    /// A value of a text result; `None` for NULL.
    ///
    /// # Panics
    /// Where there is no such row or column.
    pub fn value(&self, row: usize, column: usize) -> Option<String> {
        assert!(
            row < self.rows.len() && column < self.rows[row].len(),
            "no value at row {row}, column {column}: {self:?}"
        );
        self.rows[row][column]
            .as_ref()
            .map(|v| String::from_utf8_lossy(v).into_owned())
    }

    /// All rows of a text result, columns joined by `|`, NULL as `∅`.
    pub fn table(&self) -> Vec<String> {
        self.rows.iter().map(|row| show_row(row)).collect()
    }
}

/// A row for people.
pub(crate) fn show_row(row: &[Option<Vec<u8>>]) -> String {
    row.iter()
        .map(|value| match value {
            None => "∅".to_owned(),
            Some(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) if !text.chars().any(|c| c.is_control() && c != '\n') => text.to_owned(),
                _ => bytes.iter().map(|b| format!("{b:02x}")).collect(),
            },
        })
        .collect::<Vec<_>>()
        .join("|")
}

/// The replies up to a ReadyForQuery.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exchange {
    /// One for each statement that was answered; at least one unless nothing was asked.
    pub replies: Vec<Reply>,
    /// Transaction status after it: `I`, `T`, `E`; 0 if the connection ended.
    pub status: u8,
}

impl Exchange {
    /// The last reply.
    ///
    /// # Panics
    /// Where there is none.
    pub fn last(&self) -> &Reply {
        self.replies.last().expect("a reply")
    }

    /// The first error.
    pub fn error(&self) -> Option<&Failure> {
        self.replies.iter().find_map(|r| r.error.as_ref())
    }
}

pub(super) fn columns(body: &[u8]) -> Vec<Column> {
    let mut reader = Reader::new(body);
    (0..reader.int16())
        .map(|_| Column {
            name: reader.text(),
            table: reader.int32() as u32,
            number: reader.int16(),
            type_id: reader.int32() as u32,
            size: reader.int16(),
            modifier: reader.int32(),
            format: reader.int16(),
        })
        .collect()
}

pub(super) fn row(body: &[u8]) -> Vec<Option<Vec<u8>>> {
    let mut reader = Reader::new(body);
    (0..reader.int16())
        .map(|_| {
            let length = reader.int32();
            (length >= 0).then(|| reader.take(length as usize).to_vec())
        })
        .collect()
}

pub(super) fn types(body: &[u8]) -> Vec<u32> {
    let mut reader = Reader::new(body);
    (0..reader.int16()).map(|_| reader.int32() as u32).collect()
}
