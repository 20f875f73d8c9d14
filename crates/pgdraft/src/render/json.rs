//! JSON text, taken apart and put together without touching a value: a `numeric` with thirty
//! digits stays one.

use std::fmt::Write as _;

/// The members of a JSON object as PostgreSQL prints it: names decoded, values as written.
/// What is not an object has none.
pub(crate) fn members(text: &str) -> Vec<(String, String)> {
    let mut rest = text.trim();
    let mut out = Vec::new();
    let Some(inner) = rest.strip_prefix('{') else {
        return out;
    };
    rest = inner.trim_start();
    while rest.starts_with('"') {
        let (name, after) = rest.split_at(value_end(rest));
        let Some(after) = after.trim_start().strip_prefix(':') else {
            break;
        };
        let after = after.trim_start();
        let (value, after) = after.split_at(value_end(after));
        let name = serde_json::from_str(name).unwrap_or_else(|_| name.to_owned());
        out.push((name, value.trim_end().to_owned()));
        match after.trim_start().strip_prefix(',') {
            Some(next) => rest = next.trim_start(),
            None => break,
        }
    }
    out
}

/// Where a JSON value at the beginning of a text ends, in bytes.
fn value_end(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if in_string {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => {
                    in_string = false;
                    if depth == 0 {
                        return at + 1;
                    }
                }
                _ => {}
            }
            continue;
        }
        match c {
            '"' => in_string = true,
            '{' | '[' => depth += 1,
            '}' | ']' if depth == 0 => return at,
            '}' | ']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            ',' if depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

/// A JSON object that is being written.
#[derive(Debug, Default)]
pub(crate) struct JsonObject(String);

impl JsonObject {
    /// Adds a member that is JSON already.
    #[must_use]
    pub(crate) fn raw(mut self, name: &str, json: &str) -> Self {
        let comma = if self.0.is_empty() { "" } else { ", " };
        let _ = write!(self.0, "{comma}{}: {json}", quoted(name));
        self
    }

    /// Adds a string.
    #[must_use]
    pub(crate) fn text(self, name: &str, value: &str) -> Self {
        self.raw(name, &quoted(value))
    }

    /// Adds a string, or null.
    #[must_use]
    pub(crate) fn maybe(self, name: &str, value: Option<&str>) -> Self {
        self.raw(name, &value.map_or("null".to_owned(), quoted))
    }

    /// Adds a number.
    #[must_use]
    pub(crate) fn number(self, name: &str, value: impl std::fmt::Display) -> Self {
        self.raw(name, &value.to_string())
    }

    /// Adds an array of objects or other JSON.
    #[must_use]
    pub(crate) fn array(self, name: &str, items: impl IntoIterator<Item = String>) -> Self {
        let items: Vec<String> = items.into_iter().collect();
        let json = if items.len() > 1 || items.iter().any(|i| i.starts_with('{')) {
            format!("[\n  {}\n]", items.join(",\n  "))
        } else {
            format!("[{}]", items.join(", "))
        };
        self.raw(name, &json)
    }

    /// Adds an array of strings.
    #[must_use]
    pub(crate) fn texts(self, name: &str, values: &[String]) -> Self {
        let items: Vec<String> = values.iter().map(|v| quoted(v)).collect();
        self.raw(name, &format!("[{}]", items.join(", ")))
    }

    /// The text.
    pub(crate) fn finish(self) -> String {
        format!("{{{}}}", self.0)
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
