//! What an operator reads: lists and diffs as text, with colour on a terminal only.
//!
//! Everything shown here may come from an agent, so nothing of it can steer the terminal or hide
//! text: control characters and marks that change the reading direction are written as escapes.

mod json;

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use control::{DiffRow, DiffType, Summary};

pub(crate) use json::{JsonObject, members};

/// Longest value that is shown, in characters.
const VALUE_CHARS_MAX: usize = 60;

/// Colour, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paint(bool);

impl Paint {
    /// Colour where standard output is a terminal and `NO_COLOR` is not set.
    pub(crate) fn for_stdout() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        Self(wanted && std::io::stdout().is_terminal())
    }

    fn code(self, code: &str, text: &str) -> String {
        if self.0 {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// A summary, table by table: counts, then clusters, then what stands out.
pub(crate) fn summary(summary: &Summary, paint: Paint) -> String {
    let mut out = String::new();
    let mut table = None;
    for row in &summary.rows {
        let name = safe(&console::shown_table(&row.schema, &row.table));
        if table.as_ref() != Some(&name) {
            let _ = writeln!(out, "{}", paint.code("1", &name));
            table = Some(name);
        }
        let kind = row.diff_type.as_str();
        let Some(column) = &row.column else {
            let _ = writeln!(out, "  {} {kind}", row.rows);
            continue;
        };
        let value = |v: &Option<String>| v.as_deref().map_or("NULL".to_owned(), |v| clip(&safe(v)));
        let from = || paint.code("31", &value(&row.from));
        let to = || paint.code("32", &value(&row.to));
        let change = match (&row.difference, row.what.as_str(), row.diff_type) {
            (difference, "others", _) => {
                let changes = row.changes.unwrap_or_default();
                let by = difference
                    .as_deref()
                    .map_or_else(String::new, |by| format!(" ({})", safe(by)));
                format!("{} → {}{by}, {changes} different changes,", from(), to())
            }
            (Some(difference), _, _) => safe(difference),
            (None, _, DiffType::Added) => to(),
            (None, _, DiffType::Removed) => from(),
            (None, _, DiffType::Modified) => format!("{} → {}", from(), to()),
        };
        let outlier = match (&row.primary_key, row.what.as_str()) {
            (Some(key), "outlier") => format!("  outlier {}", clip(&safe(key))),
            _ => String::new(),
        };
        let _ = writeln!(
            out,
            "    {kind} {}  {change} ×{}{outlier}",
            safe(column),
            row.rows
        );
    }
    if out.is_empty() {
        out.push_str("no changes\n");
    }
    let _ = writeln!(out, "fingerprint {}", summary.fingerprint);
    out
}

/// A diff on its way out, row by row in the order of the tables; holds nothing but counts.
#[derive(Debug)]
pub(crate) struct DiffText {
    rows_max: usize,
    paint: Paint,
    table: Option<(String, String)>,
    /// Added, modified and removed rows of the table.
    counts: [usize; 3],
    tables: usize,
}

impl DiffText {
    /// Shows at most so many rows of each table.
    pub(crate) fn new(rows_max: usize, paint: Paint) -> Self {
        Self {
            rows_max,
            paint,
            table: None,
            counts: [0; 3],
            tables: 0,
        }
    }

    /// The text of the next row.
    pub(crate) fn row(&mut self, row: &DiffRow) -> String {
        let table = (row.schema.clone(), row.table.clone());
        let mut out = String::new();
        if self.table.as_ref() != Some(&table) {
            out = self.end_of_table();
            let name = safe(&console::shown_table(&row.schema, &row.table));
            let _ = writeln!(out, "{}", self.paint.code("1", &name));
            self.table = Some(table);
            self.tables += 1;
        }
        let [added, modified, removed] = &mut self.counts;
        let shown = *added + *modified + *removed;
        match row.diff_type {
            DiffType::Added => *added += 1,
            DiffType::Modified => *modified += 1,
            DiffType::Removed => *removed += 1,
        }
        if shown < self.rows_max {
            changed_row(&mut out, row, self.paint);
        }
        out
    }

    /// What follows the last row.
    pub(crate) fn finish(mut self) -> String {
        if self.tables == 0 {
            return "no changes\n".to_owned();
        }
        self.end_of_table()
    }

    fn end_of_table(&mut self) -> String {
        if self.table.take().is_none() {
            return String::new();
        }
        let counts = std::mem::take(&mut self.counts);
        let all: usize = counts.iter().sum();
        let words: Vec<String> = counts
            .iter()
            .zip(["added", "modified", "removed"])
            .filter(|(n, _)| **n > 0)
            .map(|(n, word)| format!("{n} {word}"))
            .collect();
        let more = match all.saturating_sub(self.rows_max) {
            0 => String::new(),
            n => format!(" ({n} not shown)"),
        };
        format!("  {}{more}\n", words.join(", "))
    }
}

fn changed_row(out: &mut String, row: &DiffRow, paint: Paint) {
    let (sign, colour) = match row.diff_type {
        DiffType::Added => ("+", "32"),
        DiffType::Removed => ("-", "31"),
        DiffType::Modified => ("~", "33"),
    };
    let key: Vec<String> = members(&row.primary_key)
        .into_iter()
        .map(|(name, value)| format!("{}={}", safe(&name), clip(&safe(&value))))
        .collect();
    let line = paint.code(colour, &format!("{sign} {}", key.join(" ")));
    let _ = writeln!(out, "  {line}  ({})", safe(&row.operation));
    let from = members(row.from.as_deref().unwrap_or("{}"));
    let to = members(row.to.as_deref().unwrap_or("{}"));
    match row.diff_type {
        DiffType::Added => image(out, &to),
        DiffType::Removed => image(out, &from),
        DiffType::Modified => {
            let width = row.changed_columns.iter().map(|c| c.chars().count()).max();
            for column in &row.changed_columns {
                let value = |image: &[(String, String)]| {
                    let found = image.iter().find(|(name, _)| name == column);
                    found.map_or("?".into(), |(_, value)| clip(&safe(value)))
                };
                let _ = writeln!(
                    out,
                    "      {:<width$}  {} → {}",
                    safe(column),
                    paint.code("31", &value(&from)),
                    paint.code("32", &value(&to)),
                    width = width.unwrap_or(0)
                );
            }
        }
    }
}

/// A whole row, on lines of about a terminal's width.
fn image(out: &mut String, members: &[(String, String)]) {
    const LINE_CHARS: usize = 90;
    let mut line = String::new();
    for (name, value) in members {
        let piece = format!("{}={}", safe(name), clip(&safe(value)));
        if !line.is_empty() && line.chars().count() + piece.chars().count() > LINE_CHARS {
            let _ = writeln!(out, "      {line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&piece);
    }
    if !line.is_empty() {
        let _ = writeln!(out, "      {line}");
    }
}

/// Lines of cells under a head, each column as wide as its widest cell.
pub(crate) fn columns(head: &[&str], lines: Vec<Vec<String>>, paint: Paint) -> String {
    let widths: Vec<usize> = head
        .iter()
        .enumerate()
        .map(|(i, name)| {
            let cells = lines
                .iter()
                .filter_map(|l| l.get(i))
                .map(|c| c.chars().count());
            cells.chain([name.chars().count()]).max().unwrap_or(0)
        })
        .collect();
    let titles: Vec<String> = head.iter().map(|h| (*h).to_owned()).collect();
    let mut out = String::new();
    for line in std::iter::once(&titles).chain(&lines) {
        let padded: Vec<String> = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        let line = padded.join("  ");
        if out.is_empty() {
            out.push_str(&paint.code("1", line.trim_end()));
        } else {
            out.push_str(line.trim_end());
        }
        out.push('\n');
    }
    out
}

/// A text that cannot steer a terminal: control characters and direction marks as escapes.
pub(crate) fn safe(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if hidden(c) {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// The beginning of a text that is too long for a line.
pub(crate) fn clip(text: &str) -> String {
    if text.chars().nth(VALUE_CHARS_MAX).is_none() {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(VALUE_CHARS_MAX - 1).collect();
    out.push('…');
    out
}
