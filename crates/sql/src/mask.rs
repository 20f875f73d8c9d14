//! Finds a text's constants and comments without a parser, so that texts that differ in nothing
//! else are recognised as of one shape.
//!
//! The rules are PostgreSQL's lexer's (`scan.l`), as far as they are simple: what is not simple
//! gives no mask, and the text is parsed. Where there is a mask, the constants are exactly the
//! tokens that PostgreSQL's lexer of each version sees there: a test compares them.

use std::ops::Range;

/// A constant or a comment of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hole {
    /// Its bytes.
    pub(crate) range: Range<usize>,
    pub(crate) kind: HoleKind,
}

/// What stands there. Texts of one shape agree in it: it decides the type of a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HoleKind {
    /// A number without point that is an `int4`.
    Int4,
    /// One that is an `int8`.
    Int8,
    /// Any other number.
    Numeric,
    /// `'…'`.
    String,
    /// `E'…'`.
    Escaped,
    /// `-- …`.
    LineComment,
    /// `/* … */`.
    BlockComment,
}

impl HoleKind {
    /// How it stands in a shape.
    fn mark(self) -> char {
        match self {
            Self::Int4 => '\u{1}',
            Self::Int8 => '\u{2}',
            Self::Numeric => '\u{3}',
            Self::String => '\u{4}',
            Self::Escaped => '\u{5}',
            Self::LineComment => '\u{6}',
            Self::BlockComment => '\u{7}',
        }
    }

    pub(crate) fn is_comment(self) -> bool {
        matches!(self, Self::LineComment | Self::BlockComment)
    }
}

/// A text with its constants and comments found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    /// The text with a mark for each of them: equal shapes, equal tokens.
    pub shape: String,
    pub(crate) holes: Vec<Hole>,
    /// From the first to the last token, semicolons at both ends left out.
    pub(crate) range: Range<usize>,
}

impl Mask {
    /// From the first to the last token of the text, semicolons at both ends left out.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }
}

/// Longest text that is masked: longer ones are parsed off the I/O thread anyway.
const BYTES_MAX: usize = 8 << 10;
/// Most holes.
const HOLES_MAX: usize = 256;

/// Masks a text; `None` where it is not simple enough.
pub fn mask(text: &str) -> Option<Mask> {
    if text.len() > BYTES_MAX {
        return None;
    }
    let mut masking = Masking {
        bytes: text.as_bytes(),
        at: 0,
        holes: Vec::new(),
        first: None,
        last: 0,
    };
    masking.run()?;
    let Masking {
        holes, first, last, ..
    } = masking;
    if holes.is_empty() || holes.len() > HOLES_MAX {
        return None;
    }
    let mut shape = String::with_capacity(text.len());
    let mut at = 0;
    for hole in &holes {
        shape.push_str(text.get(at..hole.range.start)?);
        shape.push(hole.kind.mark());
        at = hole.range.end;
    }
    shape.push_str(text.get(at..)?);
    Some(Mask {
        shape,
        holes,
        range: first?..last,
    })
}

struct Masking<'a> {
    bytes: &'a [u8],
    at: usize,
    holes: Vec<Hole>,
    /// Where the first token starts and the last one ends.
    first: Option<usize>,
    last: usize,
}

/// Letters that begin a name; every byte above ASCII counts as one.
fn begins_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_in_name(byte: u8) -> bool {
    begins_name(byte) || byte.is_ascii_digit() || byte == b'$'
}

impl Masking<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&wanted) {
            self.at += 1;
        }
    }

    fn run(&mut self) -> Option<()> {
        while let Some(byte) = self.peek(0) {
            let start = self.at;
            if self.blank()? {
                continue;
            }
            match byte {
                b';' => {
                    self.at += 1;
                    continue;
                }
                b'\'' => self.string(start, false)?,
                // a name has a letter
                b'"' if self.peek(1) == Some(b'"') && self.peek(2) != Some(b'"') => return None,
                b'"' => self.quoted(b'"')?,
                b'$' => self.parameter()?,
                b'0'..=b'9' => self.number()?,
                _ if begins_name(byte) => self.name()?,
                b'.' if self.peek(1).is_some_and(|next| next.is_ascii_digit()) => return None,
                b'+' | b'-' | b'*' | b'/' | b'<' | b'>' | b'=' | b'~' | b'!' | b'@' | b'#'
                | b'%' | b'^' | b'&' | b'|' | b'`' | b'?' | b'(' | b')' | b'[' | b']' | b','
                | b':' | b'.' => self.at += 1,
                _ => return None,
            }
            self.first.get_or_insert(start);
            self.last = self.at;
        }
        Some(())
    }

    /// Takes white space or a comment; false where there is a token.
    fn blank(&mut self) -> Option<bool> {
        let start = self.at;
        match (self.peek(0), self.peek(1)) {
            (Some(b' ' | b'\t' | b'\n' | b'\r' | 0x0c), _) => self.at += 1,
            (Some(b'-'), Some(b'-')) => {
                self.skip_while(|byte| byte != b'\n' && byte != b'\r');
                self.hole(start, HoleKind::LineComment);
            }
            (Some(b'/'), Some(b'*')) => {
                self.block_comment()?;
                self.hole(start, HoleKind::BlockComment);
            }
            _ => return Some(false),
        }
        Some(true)
    }

    fn block_comment(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match (self.peek(0)?, self.peek(1)) {
                (b'/', Some(b'*')) => {
                    depth += 1;
                    self.at += 2;
                }
                (b'*', Some(b'/')) => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return Some(());
                    }
                }
                _ => self.at += 1,
            }
        }
    }

    fn hole(&mut self, start: usize, kind: HoleKind) {
        self.holes.push(Hole {
            range: start..self.at,
            kind,
        });
    }

    /// From the opening quote behind the closing one; two quotes are one inside.
    fn quoted(&mut self, quote: u8) -> Option<()> {
        self.at += 1;
        loop {
            let byte = self.peek(0)?;
            self.at += 1;
            if byte == quote {
                if self.peek(0) != Some(quote) {
                    return Some(());
                }
                self.at += 1;
            }
        }
    }

    /// A string constant that starts at `start`; the quote is next.
    fn string(&mut self, start: usize, escapes: bool) -> Option<()> {
        if escapes {
            self.escaped()?;
        } else {
            self.quoted(b'\'')?;
        }
        let kind = if escapes {
            HoleKind::Escaped
        } else {
            HoleKind::String
        };
        self.hole(start, kind);
        // behind a new line a second one would go on with it
        let (end, found) = (self.at, self.holes.len());
        while self.peek(0).is_some() && self.blank()? {}
        let goes_on = self.peek(0) == Some(b'\'');
        self.at = end;
        self.holes.truncate(found);
        (!goes_on).then_some(())
    }

    /// As `quoted`, with the backslash escapes that cannot make an invalid string.
    fn escaped(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            let byte = self.peek(0)?;
            self.at += 1;
            match byte {
                b'\'' if self.peek(0) == Some(b'\'') => self.at += 1,
                b'\'' => return Some(()),
                b'\\' => match self.peek(0)? {
                    b'\\' | b'\'' | b'"' | b'n' | b'r' | b't' | b'b' | b'f' => self.at += 1,
                    _ => return None,
                },
                _ => {}
            }
        }
    }

    /// `$1`; a dollar sign otherwise quotes.
    fn parameter(&mut self) -> Option<()> {
        self.at += 1;
        let digits = self.at;
        self.skip_while(|byte| byte.is_ascii_digit());
        let junk = self.peek(0).is_some_and(is_in_name);
        ((1..=5).contains(&(self.at - digits)) && !junk).then_some(())
    }

    fn name(&mut self) -> Option<()> {
        let start = self.at;
        self.skip_while(is_in_name);
        let next = self.peek(0);
        match (self.bytes.get(start..self.at)?, next) {
            ([b'e' | b'E'], Some(b'\'')) => self.string(start, true),
            ([b'b' | b'B' | b'x' | b'X' | b'n' | b'N'], Some(b'\'')) => None,
            ([b'u' | b'U'], Some(b'&')) => None,
            _ => Some(()),
        }
    }

    fn number(&mut self) -> Option<()> {
        let start = self.at;
        self.skip_while(|byte| byte.is_ascii_digit());
        let whole = self.at;
        if self.peek(0) == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(0), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(0), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        if self
            .peek(0)
            .is_some_and(|byte| is_in_name(byte) || byte == b'.')
        {
            return None;
        }
        let kind = if self.at > whole {
            HoleKind::Numeric
        } else {
            whole_number(self.bytes.get(start..whole)?)?
        };
        self.hole(start, kind);
        Some(())
    }

    /// At least one digit.
    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        self.skip_while(|byte| byte.is_ascii_digit());
        (self.at > start).then_some(())
    }
}

/// The type of a number without point. The two whose type depends on a minus before them: none.
fn whole_number(digits: &[u8]) -> Option<HoleKind> {
    let digits = std::str::from_utf8(digits).ok()?;
    let Ok(value) = digits.parse::<u64>() else {
        return Some(HoleKind::Numeric);
    };
    if i32::try_from(value).is_ok() {
        Some(HoleKind::Int4)
    } else if value == u64::from(i32::MIN.unsigned_abs()) || value == i64::MIN.unsigned_abs() {
        None
    } else if i64::try_from(value).is_ok() {
        Some(HoleKind::Int8)
    } else {
        Some(HoleKind::Numeric)
    }
}
