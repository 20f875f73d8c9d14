//! The words of the admin language: identifiers, string constants, punctuation, comments.
//!
//! Lexical rules are PostgreSQL's (section 4.1), less what the language does not need: escape
//! strings, dollar quotes and operators become [`Kind::Other`] and match nothing.

/// Longest text that is looked at, in bytes; an admin command is far shorter.
pub(crate) const TEXT_BYTES_MAX: usize = 16 * 1024;

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Unquoted word, folded to lower case (ASCII).
    Word(String),
    /// Quoted identifier, quotes undone.
    Quoted(String),
    /// String constant, quotes undone.
    Text(String),
    /// A string constant or quoted identifier that does not end.
    Unterminated,
    /// `;`
    Semicolon,
    /// `.`
    Dot,
    /// `,`
    Comma,
    /// `(`
    Open,
    /// `)`
    Close,
    /// Number as it was written.
    Number(String),
    /// Anything else.
    Other,
}

/// A token and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// What it is.
    pub(crate) kind: Kind,
    /// As the client wrote it.
    pub(crate) raw: String,
    /// Character position in the text, from 1.
    pub(crate) position: usize,
}

/// Cuts a text into tokens, comments and white space left out.
pub(crate) fn tokenize(text: &str) -> Vec<Token> {
    let mut reader = Reader {
        chars: text.chars().collect(),
        at: 0,
    };
    let mut tokens = Vec::new();
    while reader.skip_blank() {
        let start = reader.at;
        let kind = reader.token();
        let raw = reader
            .chars
            .get(start..reader.at)
            .unwrap_or_default()
            .iter()
            .collect();
        tokens.push(Token {
            kind,
            raw,
            position: start + 1,
        });
    }
    tokens
}

/// The first word of a text, without allocating: enough to see that it is not for us.
pub(crate) fn first_word(text: &str) -> &str {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(is_blank);
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once('\n').map_or("", |(_, after)| after);
        } else if rest.starts_with("/*") {
            match block_comment_end(rest) {
                Some(after) => rest = after,
                None => return "",
            }
        } else {
            break;
        }
    }
    let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default()
}

/// What stands after a (nested) block comment that opens `text`.
fn block_comment_end(text: &str) -> Option<&str> {
    let mut depth = 0_usize;
    let mut rest = text;
    loop {
        if let Some(inner) = rest.strip_prefix("/*") {
            depth += 1;
            rest = inner;
        } else if let Some(outer) = rest.strip_prefix("*/") {
            depth -= 1;
            rest = outer;
            if depth == 0 {
                return Some(rest);
            }
        } else {
            let mut chars = rest.chars();
            chars.next()?;
            rest = chars.as_str();
        }
    }
}

/// PostgreSQL's white space: ASCII only.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()
}

struct Reader {
    chars: Vec<char>,
    at: usize,
}

impl Reader {
    fn peek(&self, offset: usize) -> Option<char> {
        self.chars.get(self.at + offset).copied()
    }

    /// Skips white space and comments; false at the end. An unclosed comment is skipped to the end.
    fn skip_blank(&mut self) -> bool {
        loop {
            match (self.peek(0), self.peek(1)) {
                (None, _) => return false,
                (Some(c), _) if is_blank(c) => self.at += 1,
                (Some('-'), Some('-')) => {
                    while self.peek(0).is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                (Some('/'), Some('*')) => self.skip_block_comment(),
                _ => return true,
            }
        }
    }

    fn skip_block_comment(&mut self) {
        let mut depth = 0_usize;
        loop {
            match (self.peek(0), self.peek(1)) {
                (None, _) => return,
                (Some('/'), Some('*')) => {
                    depth += 1;
                    self.at += 2;
                }
                (Some('*'), Some('/')) => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.at += 1,
            }
        }
    }

    fn token(&mut self) -> Kind {
        let Some(first) = self.peek(0) else {
            return Kind::Other;
        };
        match first {
            '\'' => self.quoted('\'').map_or(Kind::Unterminated, Kind::Text),
            '"' => self.quoted('"').map_or(Kind::Unterminated, Kind::Quoted),
            ';' => self.mark(Kind::Semicolon),
            '.' => self.mark(Kind::Dot),
            ',' => self.mark(Kind::Comma),
            '(' => self.mark(Kind::Open),
            ')' => self.mark(Kind::Close),
            '-' if self.peek(1).is_some_and(|c| c.is_ascii_digit()) => self.number(),
            c if is_word(c) && !c.is_ascii_digit() && c != '$' => {
                let mut word = String::new();
                while let Some(c) = self.peek(0).filter(|&c| is_word(c)) {
                    word.push(c.to_ascii_lowercase());
                    self.at += 1;
                }
                Kind::Word(word)
            }
            c if c.is_ascii_digit() => self.number(),
            c if is_word(c) => {
                while self.peek(0).is_some_and(is_word) {
                    self.at += 1;
                }
                Kind::Other
            }
            _ => {
                self.at += 1;
                Kind::Other
            }
        }
    }

    /// One character that is a token.
    fn mark(&mut self, kind: Kind) -> Kind {
        self.at += 1;
        kind
    }

    /// `12`, `-3.5`; letters in it make it something else.
    fn number(&mut self) -> Kind {
        let mut out = String::new();
        let mut plain = true;
        while let Some(c) = self
            .peek(0)
            .filter(|&c| is_word(c) || c == '.' || (c == '-' && out.is_empty()))
        {
            plain &= !is_word(c) || c.is_ascii_digit();
            out.push(c);
            self.at += 1;
        }
        if plain && out.matches('.').count() < 2 && !out.ends_with('.') {
            Kind::Number(out)
        } else {
            Kind::Other
        }
    }

    /// Reads a quoted piece with the quote doubled inside; `None` where it does not end.
    fn quoted(&mut self, quote: char) -> Option<String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let c = self.peek(0)?;
            self.at += 1;
            if c != quote {
                out.push(c);
            } else if self.peek(0) == Some(quote) {
                out.push(quote);
                self.at += 1;
            } else {
                return Some(out);
            }
        }
    }
}
