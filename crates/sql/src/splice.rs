//! Builds a new text out of pieces of the client's text and text of ours, and remembers which is
//! which, so that error positions lead back to what the client wrote.

use std::ops::Range;

use crate::plan::{Copied, PositionMap};
use crate::tokens::Tokens;

/// The text being built.
#[derive(Debug)]
pub(crate) struct Splice<'a> {
    client: &'a str,
    text: String,
    chars: usize,
    copied: Vec<Copied>,
    /// A byte of the client's text and the characters before it: pieces mostly go forward.
    counted: (usize, usize),
}

impl<'a> Splice<'a> {
    pub(crate) fn new(client: &'a str) -> Self {
        Self {
            client,
            text: String::with_capacity(client.len() + 512),
            chars: 0,
            copied: Vec::new(),
            counted: (0, 0),
        }
    }

    /// Appends a byte range of the client's text as it stands.
    pub(crate) fn copy(&mut self, range: Range<usize>) {
        let Some(piece) = self.client.get(range.clone()) else {
            return;
        };
        let length = piece.chars().count();
        let old_start = self.characters_before(range.start);
        self.copied.push(Copied {
            new_start: self.chars,
            old_start,
            length,
        });
        self.text.push_str(piece);
        self.chars += length;
    }

    fn characters_before(&mut self, byte: usize) -> usize {
        let (from, before) = if self.counted.0 <= byte {
            self.counted
        } else {
            (0, 0)
        };
        let between = self.client.get(from..byte).unwrap_or_default();
        self.counted = (byte, before + between.chars().count());
        self.counted.1
    }

    /// Appends text of ours.
    pub(crate) fn ours(&mut self, text: &str) {
        self.chars += text.chars().count();
        self.text.push_str(text);
    }

    /// Appends what another splice of the same client text has built.
    pub(crate) fn append(&mut self, other: &Splice<'_>) {
        self.take(&other.text, &other.copied);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    fn take(&mut self, text: &str, copied: &[Copied]) {
        let moved = copied.iter().map(|c| Copied {
            new_start: c.new_start + self.chars,
            ..*c
        });
        self.copied.extend(moved);
        self.ours(text);
    }

    /// Appends a byte range of the client's text with edits applied: each edit replaces a byte
    /// range inside it. Edits must be sorted and must not overlap.
    pub(crate) fn copy_edited(&mut self, range: Range<usize>, edits: &[Edit]) {
        let mut at = range.start;
        for edit in edits {
            if edit.range.start < at || edit.range.end > range.end {
                continue;
            }
            self.copy(at..edit.range.start);
            self.take(&edit.text, &edit.copied);
            at = edit.range.end;
        }
        self.copy(at..range.end);
    }

    pub(crate) fn finish(self) -> (String, PositionMap) {
        (
            self.text,
            PositionMap {
                copied: self.copied,
            },
        )
    }
}

/// One replacement in the client's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    /// Bytes that go.
    pub(crate) range: Range<usize>,
    /// What comes in their place.
    pub(crate) text: String,
    /// Pieces of that which are the client's own, by character of `text`.
    pub(crate) copied: Vec<Copied>,
}

impl Edit {
    /// Text of ours in the place of these bytes.
    pub(crate) fn new(range: Range<usize>, text: impl Into<String>) -> Self {
        Self {
            range,
            text: text.into(),
            copied: Vec::new(),
        }
    }

    /// The name of an output column that stood for itself at these bytes, behind the brackets around it.
    pub(crate) fn named(tokens: &Tokens, bytes: &Range<usize>, name: &str) -> Self {
        let end = tokens.with_brackets(bytes.clone()).end;
        Self::new(end..end, format!(" AS {name}"))
    }

    /// Whether it replaces all that the other one replaces.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.range.start <= other.range.start && other.range.end <= self.range.end
    }

    /// What a splice built in the place of these bytes.
    pub(crate) fn built(range: Range<usize>, splice: Splice<'_>) -> Self {
        Self {
            range,
            text: splice.text,
            copied: splice.copied,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_lead_back() {
        let client = "SELECT é FROM t WHERE x";
        let mut splice = Splice::new(client);
        let at = client.find('t').expect("t");
        splice.copy_edited(0..client.len(), &[Edit::new(at..at + 1, "(merged) AS t")]);
        let (text, map) = splice.finish();
        assert_eq!(text, "SELECT é FROM (merged) AS t WHERE x");
        assert_eq!(map.to_client(8), Some(8));
        let x = text.chars().position(|c| c == 'x').expect("x") + 1;
        assert_eq!(map.to_client(x), Some(23));
        assert_eq!(map.to_client(18), None);
    }
}
