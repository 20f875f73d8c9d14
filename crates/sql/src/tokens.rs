//! PostgreSQL's own tokens of a statement, to find where the clauses and names of the tree lie.
//!
//! The tree knows where a node starts, never where it ends; tokens know both. Depth counts
//! brackets, so that a clause of the outermost statement is told from one inside a subquery.

use std::ops::Range;

use pg_query::protobuf::Token as Kind;

/// One token, comments left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    /// First byte.
    pub(crate) start: usize,
    /// Byte behind the last.
    pub(crate) end: usize,
    /// `pg_query`'s token number.
    pub(crate) kind: i32,
    /// Brackets open before it; a bracket itself has the depth outside of it.
    pub(crate) depth: usize,
}

impl Token {
    /// Whether it is that keyword or character.
    pub(crate) fn is(&self, kind: Kind) -> bool {
        self.kind == kind as i32
    }
}

/// Words that begin a clause, and are names behind AS.
const CLAUSES: [Kind; 20] = [
    Kind::Conflict,
    Kind::Except,
    Kind::Fetch,
    Kind::For,
    Kind::From,
    Kind::GroupP,
    Kind::Having,
    Kind::Intersect,
    Kind::Into,
    Kind::Limit,
    Kind::Offset,
    Kind::On,
    Kind::Order,
    Kind::Returning,
    Kind::Set,
    Kind::Union,
    Kind::Using,
    Kind::When,
    Kind::Where,
    Kind::Window,
];

/// Whether a word is a name where it stands, keyword or not: behind a dot, or AS and no statement.
fn is_name(text: &str, before: &Token, (start, kind): (usize, i32)) -> bool {
    let first = text.as_bytes().get(start);
    let is_word = first.is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_');
    let clause = || CLAUSES.iter().any(|k| *k as i32 == kind);
    is_word && (before.is(Kind::Ascii46) || before.is(Kind::As) && clause())
}

/// What stands before a bracket that holds one value of a list.
const BEFORE_VALUES: [Kind; 7] = [
    Kind::Select,
    Kind::Returning,
    Kind::Distinct,
    Kind::All,
    Kind::Ascii40,
    Kind::Ascii41,
    Kind::Ascii44,
];

/// The longest are those like `CREATE TEXT SEARCH DICTIONARY`.
const WORDS_MAX: usize = 4;

/// All tokens of one text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tokens {
    list: Vec<Token>,
    /// The deepest bracket.
    pub(crate) depth_max: usize,
}

impl Tokens {
    /// The words that name a command, for people: `VACUUM`, `CREATE MATERIALIZED VIEW`.
    pub(crate) fn command(&self, text: &str) -> String {
        let mut words: Vec<String> = Vec::new();
        for token in &self.list {
            let word = text.get(token.start..token.end).unwrap_or_default();
            let word = word.to_ascii_uppercase();
            let named = token.is(Kind::Ident) || !word.bytes().all(|b| b.is_ascii_uppercase());
            if named || matches!(word.as_str(), "IF" | "ON" | "ONLY" | "OR" | "REPLACE") {
                break;
            }
            let more = matches!(
                word.as_str(),
                "CREATE" | "ALTER" | "DROP" | "REFRESH" | "LOCK"
            );
            words.push(word);
            if words.len() == WORDS_MAX || (words.len() == 1 && !more) {
                break;
            }
        }
        words.join(" ")
    }

    /// Scans a text with PostgreSQL's lexer.
    ///
    /// # Errors
    /// The lexer's message (an unterminated string, for example).
    pub(crate) fn scan(text: &str) -> Result<Self, String> {
        // the library makes a slice of a null pointer where there is no token at all
        if text.bytes().all(|b| matches!(b, b' ' | b'\t'..=b'\r')) {
            return Ok(Self::default());
        }
        let scanned = pg_query::scan_tokens(text).map_err(|e| e.to_string())?;
        let mut list = Vec::with_capacity(scanned.len());
        let (mut depth, mut depth_max) = (0usize, 0usize);
        for token in scanned {
            if token.token == Kind::SqlComment as i32 || token.token == Kind::CComment as i32 {
                continue;
            }
            if [Kind::Ascii41 as i32, Kind::Ascii93 as i32].contains(&token.token) {
                depth = depth.saturating_sub(1);
            }
            let start = usize::try_from(token.start).unwrap_or(0);
            let kind = match list.last() {
                Some(before) if is_name(text, before, (start, token.token)) => Kind::Ident as i32,
                _ => token.token,
            };
            list.push(Token {
                start,
                end: usize::try_from(token.end).unwrap_or(0),
                kind,
                depth,
            });
            if [Kind::Ascii40 as i32, Kind::Ascii91 as i32].contains(&token.token) {
                depth += 1;
                depth_max = depth_max.max(depth);
            }
        }
        Ok(Self { list, depth_max })
    }

    /// Number of tokens.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// The token with that index.
    pub(crate) fn get(&self, index: usize) -> Option<&Token> {
        self.list.get(index)
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Token)> {
        self.list.iter().enumerate()
    }

    /// The bytes from the first to the last token of a byte range, semicolons around them left out.
    pub(crate) fn trimmed(&self, bytes: Range<usize>) -> Option<Range<usize>> {
        let from = self.list.partition_point(|t| t.start < bytes.start);
        let to = self.list.partition_point(|t| t.end <= bytes.end);
        let inside = self.list.get(from..to)?;
        let first = inside.iter().find(|t| !t.is(Kind::Ascii59))?;
        let last = inside.iter().rfind(|t| !t.is(Kind::Ascii59))?;
        Some(first.start..last.end)
    }

    /// Index of the token that starts at that byte.
    pub(crate) fn at(&self, byte: usize) -> Option<usize> {
        self.list.binary_search_by_key(&byte, |t| t.start).ok()
    }

    /// Index of the first token at that depth, from `from` on and before `to`, for which `wanted`
    /// holds; `wanted` gets the token before it too.
    pub(crate) fn find(
        &self,
        range: Range<usize>,
        depth: usize,
        wanted: impl Fn(Option<&Token>, &Token) -> bool,
    ) -> Option<usize> {
        range.clone().find(|&i| {
            self.list.get(i).is_some_and(|t| {
                let before = i.checked_sub(1).and_then(|b| self.list.get(b));
                t.depth == depth && wanted(before, t)
            })
        })
    }

    /// Byte range from the first to the last token of an index range; empty range → `None`.
    pub(crate) fn bytes(&self, range: Range<usize>) -> Option<Range<usize>> {
        let first = self.list.get(range.start)?;
        let last = self.list.get(range.end.checked_sub(1)?)?;
        (range.start < range.end).then_some(first.start..last.end)
    }

    /// A byte range with the brackets that stand directly around it, `((…))`, and are none of a call or a row.
    pub(crate) fn with_brackets(&self, bytes: Range<usize>) -> Range<usize> {
        let mut first = self.list.partition_point(|t| t.start < bytes.start);
        let mut behind = self.list.partition_point(|t| t.start < bytes.end);
        let mut all = bytes;
        let is = |at: Option<usize>, kinds: &[Kind]| {
            let token = at.and_then(|at| self.list.get(at));
            token.filter(|t| kinds.iter().any(|kind| t.is(*kind)))
        };
        while let (Some(open), Some(close), Some(_)) = (
            is(first.checked_sub(1), &[Kind::Ascii40]),
            is(Some(behind), &[Kind::Ascii41]),
            is(first.checked_sub(2), &BEFORE_VALUES),
        ) {
            (first, behind) = (first - 1, behind + 1);
            all = open.start..close.end;
        }
        all
    }

    /// Splits an index range at commas of that depth.
    pub(crate) fn split_commas(&self, range: Range<usize>, depth: usize) -> Vec<Range<usize>> {
        let mut pieces = Vec::new();
        let mut from = range.start;
        for i in range.clone() {
            let Some(token) = self.list.get(i) else { break };
            if token.depth == depth && token.is(Kind::Ascii44) {
                pieces.push(from..i);
                from = i + 1;
            }
        }
        pieces.push(from..range.end);
        pieces
    }

    /// The bytes of a possibly qualified relation name that starts at that byte: `a`, `a.b`,
    /// `a.b.c`; also the index behind its last token.
    pub(crate) fn name_at(&self, byte: usize) -> Option<(Range<usize>, usize)> {
        let mut last = self.at(byte)?;
        let start = self.list.get(last)?.start;
        while self.list.get(last + 1).is_some_and(|t| t.is(Kind::Ascii46)) {
            last += 2;
        }
        Some((start..self.list.get(last)?.end, last + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_tells_the_outer_clause() {
        let tokens = Tokens::scan("SELECT (SELECT 1 FROM a) /* FROM */ FROM b").expect("scans");
        let from = tokens
            .find(0..tokens.len(), 0, |_, t| t.is(Kind::From))
            .and_then(|i| tokens.get(i).copied())
            .expect("has FROM");
        assert_eq!(from.start, 36);
    }

    #[test]
    fn a_qualified_name_is_one_range() {
        let text = "SELECT * FROM \"My\" . users u";
        let tokens = Tokens::scan(text).expect("scans");
        let (range, next) = tokens.name_at(14).expect("name");
        assert_eq!(text.get(range), Some("\"My\" . users"));
        assert_eq!(tokens.get(next).map(|t| t.start), Some(27));
    }
}
