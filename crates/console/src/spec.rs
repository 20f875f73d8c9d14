//! What a command is made of.

use crate::handlers::Handler;
use crate::tokens::{Kind, Token};

/// A piece of a command's form.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// A word, in upper case.
    Word(&'static str),
    /// A session name: a string constant.
    Session,
    /// A table name, schema optional.
    Table,
    /// Operations: one or more string constants with commas between them.
    Operations,
    /// One operation.
    Operation,
    /// Values of a primary key: constants in parentheses, in the key's order.
    Key,
    /// A number of rows.
    Rows,
    /// The fingerprint of a diff: a string constant.
    Fingerprint,
    /// The id of a client: a string constant.
    Client,
    /// A text that is none of the others, by what it is: `name`, `value`, …
    Text(&'static str),
    /// Name of a column.
    Column,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// What may be left out; begins with a word. Several in a row come in any order, each once.
    Optional(&'static [Piece]),
}

/// What a caller must be for a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    /// Anyone who is connected; the handler shows agents their own sessions only.
    Anyone,
    /// A reviewer, or the agent whose session it is.
    SessionOwner,
    /// A reviewer; the command is about one session.
    Reviewer,
    /// A reviewer; the command is about the process.
    Operator,
    /// A reviewer; the command is about no single session.
    AnyReviewer,
}

/// Type of a result column, as `pg_type.oid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// `text`
    Text,
    /// `int8`
    Int8,
    /// `jsonb`
    Jsonb,
    /// `timestamptz`
    Timestamp,
    /// `text[]`
    TextArray,
}

impl ColumnType {
    /// `pg_type.oid`.
    pub fn oid(self) -> u32 {
        match self {
            Self::Text => 25,
            Self::Int8 => 20,
            Self::Jsonb => 3802,
            Self::Timestamp => 1184,
            Self::TextArray => 1009,
        }
    }
}

/// A result column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Name.
    pub name: &'static str,
    /// Type.
    pub kind: ColumnType,
}

/// One command.
#[derive(Debug)]
pub struct Spec {
    /// Its form; the first two pieces are always words.
    pub pieces: &'static [Piece],
    /// Who may run it.
    pub privilege: Privilege,
    /// Its result columns; empty where it returns no rows.
    pub columns: &'static [Column],
    /// Command tag.
    pub tag: &'static str,
    /// What it does, one sentence for `SHOW PGDRAFT COMMANDS` and the documentation.
    pub about: &'static str,
    /// Runs it; privilege has been checked before.
    pub(crate) handler: Handler,
}

pub(crate) const fn column(name: &'static str, kind: ColumnType) -> Column {
    Column { name, kind }
}

impl Spec {
    /// Its form in words, for example `SHOW OPERATIONS [IN SESSION 'name']`.
    pub fn usage(&self) -> String {
        usage(self.pieces)
    }

    /// Whether it ends a session or changes its draft.
    pub fn changes(&self) -> bool {
        matches!(
            self.privilege,
            Privilege::SessionOwner | Privilege::Reviewer
        ) && self.tag != "SHOW"
    }

    /// The two words it begins with; the second one is empty where it has only one.
    pub fn leading_words(&self) -> (&'static str, &'static str) {
        let word = |i: usize| match self.pieces.get(i) {
            Some(Piece::Word(word)) => *word,
            _ => "",
        };
        (word(0), word(1))
    }

    /// Whether these tokens begin with its two words.
    pub(crate) fn leads_with(&self, tokens: &[Token]) -> bool {
        let (verb, object) = self.leading_words();
        [verb, object].iter().zip(tokens).all(
            |(word, token)| matches!(&token.kind, Kind::Word(w) if w.eq_ignore_ascii_case(word)),
        )
    }
}

fn usage(pieces: &[Piece]) -> String {
    let words: Vec<String> = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Word(word) => (*word).to_owned(),
            Piece::Session => "'name'".to_owned(),
            Piece::Table => "table".to_owned(),
            Piece::Operations => "'operation', …".to_owned(),
            Piece::Operation => "'operation'".to_owned(),
            Piece::Key => "('value', …)".to_owned(),
            Piece::Rows => "rows".to_owned(),
            Piece::Fingerprint => "'fingerprint'".to_owned(),
            Piece::Client => "'id'".to_owned(),
            Piece::Text(what) => format!("'{what}'"),
            Piece::Column => "column".to_owned(),
            Piece::OneOf(words) => words.join("|"),
            Piece::Optional(inner) => format!("[{}]", usage(inner)),
        })
        .collect();
    words.join(" ")
}
