//! A configuration file, read key by key, with the place of everything in it.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{self, Key, Kind};

/// What is wrong with the configuration, and where.
#[derive(Debug, thiserror::Error)]
#[error("{}{}{message}", place(.file, *.line, *.column), key_words(.key))]
pub(crate) struct ConfigError {
    /// The file; empty where the value came from a flag or the environment, or is missing.
    pub(crate) file: PathBuf,
    /// Line, from 1; 0 = no place.
    pub(crate) line: usize,
    /// Column in characters, from 1.
    pub(crate) column: usize,
    /// The key.
    pub(crate) key: String,
    /// What is wrong.
    pub(crate) message: String,
    /// What is expected.
    pub(crate) expected: String,
}

fn place(file: &Path, line: usize, column: usize) -> String {
    match (file.as_os_str().is_empty(), line) {
        (true, _) => String::new(),
        (false, 0) => format!("{}: ", file.display()),
        (false, _) => format!("{}:{line}:{column}: ", file.display()),
    }
}

fn key_words(key: &str) -> String {
    if key.is_empty() {
        String::new()
    } else {
        format!("key \"{key}\": ")
    }
}

impl ConfigError {
    /// An error without a place in a file.
    pub(crate) fn setting(
        key: impl Into<String>,
        message: impl Into<String>,
        expected: impl Into<String>,
    ) -> Box<Self> {
        Box::new(Self {
            file: PathBuf::new(),
            line: 0,
            column: 0,
            key: key.into(),
            message: message.into(),
            expected: expected.into(),
        })
    }
}

/// A parsed file, and which of its keys have been read.
pub(crate) struct Document<'a> {
    file: &'a Path,
    text: &'a str,
    table: DeTable<'a>,
    read: BTreeSet<String>,
}

/// A value with its place.
pub(crate) struct Found<T> {
    /// The value.
    pub(crate) value: T,
    /// Bytes of the file.
    pub(crate) span: Range<usize>,
}

type Result<T> = std::result::Result<T, Box<ConfigError>>;

impl<'a> Document<'a> {
    /// Parses a text.
    pub(crate) fn parse(file: &'a Path, text: &'a str) -> Result<Self> {
        match DeTable::parse(text) {
            Ok(table) => Ok(Self {
                file,
                text,
                table: table.into_inner(),
                read: BTreeSet::new(),
            }),
            Err(error) => {
                let (line, column) = line_column(text, error.span().unwrap_or(0..0).start);
                Err(Box::new(ConfigError {
                    file: file.to_owned(),
                    line,
                    column,
                    key: String::new(),
                    message: format!("not TOML: {}", error.message()),
                    expected: "config/pgdraft.toml of the source shows every key".into(),
                }))
            }
        }
    }

    /// An error about a place.
    pub(crate) fn error(
        &self,
        span: &Range<usize>,
        key: &str,
        message: impl Into<String>,
        expected: impl Into<String>,
    ) -> Box<ConfigError> {
        let (line, column) = line_column(self.text, span.start);
        Box::new(ConfigError {
            file: self.file.to_owned(),
            line,
            column,
            key: key.to_owned(),
            message: message.into(),
            expected: expected.into(),
        })
    }

    /// Reads one key of [`keys::KEYS`].
    pub(crate) fn read<T>(
        &mut self,
        name: &'static str,
        parse: fn(&str) -> std::result::Result<T, String>,
    ) -> Result<Option<Found<T>>> {
        let (key, Some(value)) = self.lookup(name)? else {
            return Ok(None);
        };
        let span = value.span();
        let text = scalar(value.get_ref(), key.kind).ok_or_else(|| {
            let message = format!("this is {}", a_type(value.get_ref()));
            self.error(&span, name, message, key.hint())
        })?;
        let value = parse(&text).map_err(|m| self.error(&span, name, m, key.hint()))?;
        self.read.insert(name.to_owned());
        Ok(Some(Found { value, span }))
    }

    /// A setting from its flag or variable, else from the file.
    pub(crate) fn optional<T>(
        &mut self,
        flag: Option<T>,
        name: &'static str,
        parse: fn(&str) -> std::result::Result<T, String>,
    ) -> Result<Option<T>> {
        // The file is read in any case: a wrong value is wrong even where a flag goes before it.
        let from_file = self.read(name, parse)?.map(|found| found.value);
        Ok(flag.or(from_file))
    }

    /// A setting from its flag or variable, else from the file, else the default.
    pub(crate) fn choose<T>(
        &mut self,
        flag: Option<T>,
        name: &'static str,
        parse: fn(&str) -> std::result::Result<T, String>,
        default: T,
    ) -> Result<T> {
        Ok(self.optional(flag, name, parse)?.unwrap_or(default))
    }

    /// Reads a key that is an array of strings.
    pub(crate) fn read_array<T>(
        &mut self,
        name: &'static str,
        parse: fn(&str) -> std::result::Result<T, String>,
    ) -> Result<Option<Vec<T>>> {
        let (key, Some(value)) = self.lookup(name)? else {
            return Ok(None);
        };
        let wrong = |value: &Spanned<DeValue<'_>>| {
            let message = format!("this is {}", a_type(value.get_ref()));
            self.error(&value.span(), name, message, key.hint())
        };
        let items = value.get_ref().as_array().ok_or_else(|| wrong(value))?;
        let mut out = Vec::new();
        for item in items.iter() {
            let text = item.get_ref().as_str().ok_or_else(|| wrong(item))?;
            out.push(parse(text).map_err(|m| self.error(&item.span(), name, m, key.hint()))?);
        }
        self.read.insert(name.to_owned());
        Ok(Some(out))
    }

    /// Reads an array of tables, `[[agents]]`, whose tables have these keys, all strings and all
    /// wanted. Gives for each table the values in the order of the keys.
    pub(crate) fn read_tables(
        &mut self,
        name: &str,
        fields: &[&'static str],
    ) -> Result<Vec<Vec<Found<String>>>> {
        self.read.insert(name.to_owned());
        let Some(value) = self.table.get(name) else {
            return Ok(Vec::new());
        };
        let expected = format!("expected [[{name}]] with the keys {}", fields.join(" and "));
        let items = value.get_ref().as_array().ok_or_else(|| {
            let message = format!("this is {}", a_type(value.get_ref()));
            self.error(&value.span(), name, message, &expected)
        })?;
        let mut out = Vec::new();
        for item in items.iter() {
            let table = item
                .get_ref()
                .as_table()
                .ok_or_else(|| self.error(&item.span(), name, "this is no table", &expected))?;
            if let Some((unknown, _)) = table
                .iter()
                .find(|(k, _)| !fields.contains(&k.get_ref().as_ref()))
            {
                let known = fields.iter().copied();
                return Err(self.unknown(&unknown.span(), unknown.get_ref(), known, &expected));
            }
            let mut row = Vec::new();
            for field in fields {
                let path = format!("{name}.{field}");
                let found = table.get(*field).ok_or_else(|| {
                    let message = format!("the key {field} is missing");
                    self.error(&item.span(), name, message, &expected)
                })?;
                let text = found.get_ref().as_str().ok_or_else(|| {
                    let message = format!("this is {}", a_type(found.get_ref()));
                    self.error(&found.span(), &path, message, "expected a string")
                })?;
                row.push(Found {
                    value: text.to_owned(),
                    span: found.span(),
                });
            }
            out.push(row);
        }
        Ok(out)
    }

    /// Refuses keys that nobody has read.
    pub(crate) fn finish(self) -> Result<()> {
        let tops = || {
            keys::KEYS
                .iter()
                .map(|k| k.name.split('.').next().unwrap_or(k.name))
        };
        for (name, value) in &self.table {
            let name_text = name.get_ref().as_ref();
            if self.read.contains(name_text) {
                continue;
            }
            let Some(section) = value.get_ref().as_table().filter(|_| is_section(name_text)) else {
                let known = tops().chain(["agents", "reviewers"]);
                return Err(self.unknown(&name.span(), name_text, known, ""));
            };
            for (field, _) in section {
                let path = format!("{name_text}.{}", field.get_ref());
                if !self.read.contains(&path) {
                    let known = keys::KEYS.iter().map(|k| k.name);
                    return Err(self.unknown(&field.span(), &path, known, ""));
                }
            }
        }
        Ok(())
    }

    fn unknown<'k>(
        &self,
        span: &Range<usize>,
        name: &str,
        known: impl IntoIterator<Item = &'k str>,
        expected: &str,
    ) -> Box<ConfigError> {
        let hint = match keys::nearest(name, known) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None if expected.is_empty() => {
                "docs/configuration.md and config/pgdraft.toml list every key".to_owned()
            }
            None => expected.to_owned(),
        };
        self.error(span, name, "there is no such key", hint)
    }

    fn lookup(&self, name: &'static str) -> Result<(&'static Key, Option<&Spanned<DeValue<'a>>>)> {
        let key = keys::find(name).ok_or_else(|| {
            ConfigError::setting(name, "not in the table of keys", "this is a bug in pgdraft")
        })?;
        let Some((section, field)) = name.split_once('.') else {
            return Ok((key, self.table.get(name)));
        };
        let Some(value) = self.table.get(section) else {
            return Ok((key, None));
        };
        let table = value.get_ref().as_table().ok_or_else(|| {
            let message = format!("this is {}", a_type(value.get_ref()));
            let expected = format!("expected a section, [{section}]");
            self.error(&value.span(), section, message, expected)
        })?;
        Ok((key, table.get(field)))
    }
}

fn is_section(name: &str) -> bool {
    keys::KEYS.iter().any(|k| {
        k.name
            .split_once('.')
            .is_some_and(|(section, _)| section == name)
    })
}

/// The text of a value of this kind; `None` where it is of another.
fn scalar(value: &DeValue<'_>, kind: Kind) -> Option<String> {
    match kind {
        Kind::Text => value.as_str().map(str::to_owned),
        Kind::Boolean => value.as_bool().map(|b| b.to_string()),
        Kind::Integer => {
            let integer = value.as_integer()?;
            let number = i128::from_str_radix(integer.as_str(), integer.radix()).ok()?;
            Some(number.to_string())
        }
        Kind::TextArray => None,
    }
}

fn a_type(value: &DeValue<'_>) -> String {
    let name = value.type_str();
    let article = if name.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {name}")
}

/// Line and column, from 1, in characters.
fn line_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |n| n + 1);
    let column = before.get(start..).map_or(0, |l| l.chars().count()) + 1;
    (line, column)
}
