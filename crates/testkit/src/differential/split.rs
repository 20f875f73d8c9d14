//! Cuts a script at its top-level semicolons, as psql does.

/// A statement and the line it begins on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The text without its semicolon and without blanks around it.
    pub text: String,
    /// Line number in the script, from 1.
    pub line: usize,
}

/// Splits a script; quotes, dollar quotes and comments are respected.
pub fn split(script: &str, first_line: usize) -> Vec<Piece> {
    let bytes = script.as_bytes();
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b';' {
            push(&mut pieces, script, start..at, first_line);
            start = at + 1;
            at += 1;
        } else {
            at = skip(script, at);
        }
    }
    push(&mut pieces, script, start..bytes.len(), first_line);
    pieces
}

fn push(pieces: &mut Vec<Piece>, script: &str, range: std::ops::Range<usize>, first_line: usize) {
    let raw = &script[range.clone()];
    let text = raw.trim();
    if text.is_empty() {
        return;
    }
    let begin = range.start + (raw.len() - raw.trim_start().len());
    pieces.push(Piece {
        text: text.to_owned(),
        line: first_line + script[..begin].matches('\n').count(),
    });
}

/// Position after the token that begins at `at`.
fn skip(script: &str, at: usize) -> usize {
    let rest = &script[at..];
    let bytes = rest.as_bytes();
    let end = script.len();
    match bytes[0] {
        b'-' if rest.starts_with("--") => rest.find('\n').map_or(end, |n| at + n),
        b'/' if rest.starts_with("/*") => at + comment(bytes),
        b'\'' => {
            let word_before = &script.as_bytes()[..at];
            let escapes = matches!(word_before.last(), Some(b'e' | b'E'))
                && !matches!(
                    word_before.len().checked_sub(2).map(|n| word_before[n]),
                    Some(b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_')
                );
            at + quoted(bytes, b'\'', escapes)
        }
        b'"' => at + quoted(bytes, b'"', false),
        b'$' => dollar(rest).map_or(at + 1, |length| at + length),
        _ => at + rest.chars().next().map_or(1, char::len_utf8),
    }
}

fn quoted(bytes: &[u8], quote: u8, escapes: bool) -> usize {
    let mut at = 1;
    while at < bytes.len() {
        if escapes && bytes[at] == b'\\' {
            at += 2;
        } else if bytes[at] == quote {
            return at + 1;
        } else {
            at += 1;
        }
    }
    bytes.len()
}

fn comment(bytes: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => {
                depth += 1;
                at += 2;
            }
            b"*/" => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

fn dollar(rest: &str) -> Option<usize> {
    let close = rest[1..].find('$')? + 1;
    let tag = &rest[..=close];
    let name = &tag[1..tag.len() - 1];
    if name.starts_with(|c: char| c.is_ascii_digit())
        || !name.chars().all(|c| c.is_alphanumeric() || c == '_')
    {
        return None;
    }
    let body = rest[tag.len()..].find(tag)?;
    Some(tag.len() + body + tag.len())
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn semicolons_inside_quotes_and_comments_do_not_split() {
        let script = "SELECT ';', \";\", E'\\';', $$;$$, $a$ $$; $a$ -- ;\n/* ; /* ; */ ; */ ;\n\n SELECT $1; ;";
        let texts: Vec<_> = split(script, 1)
            .into_iter()
            .map(|p| (p.text, p.line))
            .collect();
        assert_eq!(texts.len(), 2);
        assert_eq!(texts[1], ("SELECT $1".to_owned(), 4));
    }
}
