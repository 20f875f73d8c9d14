//! Types of generated columns and the small pools their values come from.

use crate::random::Random;

/// A type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Int,
    Big,
    Small,
    Text,
    Varchar,
    Char,
    Numeric,
    Float,
    Bool,
    Date,
    Stamp,
    Interval,
    Uuid,
    Json,
    Ints,
    Texts,
    Mood,
    Positive,
    Mail,
    Pair,
    Bytes,
    Range,
    Inet,
    Bits,
    NoCase,
}

/// Types that every workload needs, made before its tables.
pub(super) const TYPES: &str = "\
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN mail AS text CHECK (VALUE LIKE '%@%');
CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
";

impl Kind {
    /// All but those that need a word of their own.
    pub(super) const ALL: [Self; 25] = [
        Self::Int,
        Self::Big,
        Self::Small,
        Self::Text,
        Self::Varchar,
        Self::Char,
        Self::Numeric,
        Self::Float,
        Self::Bool,
        Self::Date,
        Self::Stamp,
        Self::Interval,
        Self::Uuid,
        Self::Json,
        Self::Ints,
        Self::Texts,
        Self::Mood,
        Self::Positive,
        Self::Mail,
        Self::Pair,
        Self::Bytes,
        Self::Range,
        Self::Inet,
        Self::Bits,
        Self::NoCase,
    ];

    /// Its name in a cast.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Big => "bigint",
            Self::Small => "smallint",
            Self::Text | Self::NoCase => "text",
            Self::Varchar => "varchar(12)",
            Self::Char => "char(4)",
            Self::Numeric => "numeric(8,2)",
            Self::Float => "float8",
            Self::Bool => "bool",
            Self::Date => "date",
            Self::Stamp => "timestamptz",
            Self::Interval => "interval",
            Self::Uuid => "uuid",
            Self::Json => "jsonb",
            Self::Ints => "int[]",
            Self::Texts => "text[]",
            Self::Mood => "mood",
            Self::Positive => "positive",
            Self::Mail => "mail",
            Self::Pair => "pair",
            Self::Bytes => "bytea",
            Self::Range => "int4range",
            Self::Inet => "inet",
            Self::Bits => "bit(4)",
        }
    }

    /// Its name in a column definition.
    pub(super) fn definition(self) -> String {
        match self {
            Self::NoCase => "text COLLATE nocase".to_owned(),
            other => other.name().to_owned(),
        }
    }

    /// Equal values are the same value, so that sorted rows have one order.
    pub(super) fn exact(self) -> bool {
        self != Self::NoCase
    }

    /// Written without quotes.
    fn number(self) -> bool {
        matches!(
            self,
            Self::Int | Self::Big | Self::Small | Self::Numeric | Self::Float | Self::Positive
        )
    }

    /// Arithmetic of int gives a value of it.
    pub(super) fn counts(self) -> bool {
        matches!(self, Self::Int | Self::Big | Self::Small)
    }

    /// A value in text form.
    pub(super) fn text(self, random: &mut Random) -> String {
        let n = random.below(8);
        match self {
            Self::Int => random.below(20).to_string(),
            Self::Big => [0, 1, 7, 4_000_000_000, 9_000_000_000_u64][n as usize % 5].to_string(),
            Self::Small => n.to_string(),
            Self::Positive => (1 + n).to_string(),
            Self::Text | Self::NoCase => {
                ["Bonn", "bonn", "Ulm", "Köln", "", "O'Brien", "a%b", "NULL"][n as usize].to_owned()
            }
            Self::Varchar => format!("note {n}"),
            Self::Char => ["ab", "abcd", "x", ""][n as usize % 4].to_owned(),
            Self::Numeric => {
                ["0", "0.50", "1", "12.25", "99.99", "-3", "1.005", "7"][n as usize].to_owned()
            }
            Self::Float => ["0.5", "1.25", "10000000000", "-2"][n as usize % 4].to_owned(),
            Self::Bool => ["true", "false"][n as usize % 2].to_owned(),
            Self::Date => format!("2024-02-2{n}"),
            Self::Stamp => format!("2024-03-1{n} 12:00:00+00"),
            Self::Interval => {
                ["1 day", "2 hours", "1 mon", "3 days 04:05:06"][n as usize % 4].to_owned()
            }
            Self::Uuid => format!("00000000-0000-0000-0000-00000000000{n}"),
            Self::Json => [
                "{\"a\": 1}",
                "{\"a\": 2, \"b\": [1, \"x\"]}",
                "[1, 2]",
                "\"x\"",
                "null",
                "7",
            ][n as usize % 6]
                .to_owned(),
            Self::Ints => ["{1,2,3}", "{}", "{NULL,4}", "{5}"][n as usize % 4].to_owned(),
            Self::Texts => ["{a,\"b c\"}", "{}", "{x}"][n as usize % 3].to_owned(),
            Self::Mood => ["sad", "ok", "happy"][n as usize % 3].to_owned(),
            Self::Mail => format!("m{n}@x"),
            Self::Pair => ["(1,x)", "(2,\"a, b\")", "(,)"][n as usize % 3].to_owned(),
            Self::Bytes => ["\\x0102", "\\x", "\\xff00"][n as usize % 3].to_owned(),
            Self::Range => ["[1,5)", "empty", "[3,9)", "(,4)"][n as usize % 4].to_owned(),
            Self::Inet => format!("10.0.0.{n}"),
            Self::Bits => ["1010", "0000", "1111"][n as usize % 3].to_owned(),
        }
    }

    /// A value for a column, now and then one that it cannot take.
    pub(super) fn given(self, random: &mut Random) -> String {
        if random.percent(3) {
            match self {
                Self::Positive => return "0".to_owned(),
                Self::Varchar | Self::Char => return "much too long for it".to_owned(),
                Self::Mail => return "nobody".to_owned(),
                Self::Small => return "40000".to_owned(),
                Self::Bits => return "10101".to_owned(),
                _ => {}
            }
        }
        self.text(random)
    }

    /// A literal that takes its type from where it stands.
    pub(super) fn literal(self, random: &mut Random) -> String {
        let text = self.text(random);
        self.quote(&text)
    }

    /// A text form as a literal.
    pub(super) fn quote(self, text: &str) -> String {
        if self.number() && !text.starts_with('-') || self == Self::Bool {
            text.to_owned()
        } else {
            format!("'{}'", text.replace('\'', "''"))
        }
    }

    /// A literal that is of this type wherever it stands.
    pub(super) fn typed(self, random: &mut Random) -> String {
        let literal = self.literal(random);
        match self {
            Self::Int if !literal.starts_with('\'') => literal,
            Self::Bool => literal,
            _ => format!("{literal}::{}", self.name()),
        }
    }
}
