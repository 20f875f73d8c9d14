//! From a text to a [`Request`], to a near miss, or to nothing (then it is PostgreSQL's).

use report::Report;

use crate::commands::{COMMANDS, Piece, Spec};
use crate::edits::edits;
use crate::tokens::{Kind, TEXT_BYTES_MAX, Token, first_word, tokenize};

/// A table named by a client, as PostgreSQL would fold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName {
    /// Schema, if it was written.
    pub schema: Option<String>,
    /// Name.
    pub name: String,
}

impl std::fmt::Display for TableName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// An admin command as written.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its row in the table of commands.
    pub spec: &'static Spec,
    /// The session it names.
    pub session: Option<String>,
    /// The table it names.
    pub table: Option<TableName>,
    /// The operations it names.
    pub operations: Vec<String>,
    /// Values of the primary key it names, in the key's order.
    pub key: Vec<String>,
    /// How many rows it asks for.
    pub rows: Option<u32>,
    /// The client it names.
    pub client: Option<String>,
    /// The fingerprint it is bound to.
    pub fingerprint: Option<String>,
    /// The column it names.
    pub column: Option<String>,
    /// Other texts, by what they are.
    pub texts: Vec<(&'static str, String)>,
    /// The words it chose where there was a choice, and the first words of what it did not leave
    /// out.
    pub words: Vec<&'static str>,
}

impl Request {
    /// A command without its arguments.
    pub fn new(spec: &'static Spec) -> Self {
        Self {
            spec,
            session: None,
            table: None,
            operations: Vec::new(),
            key: Vec::new(),
            rows: None,
            client: None,
            fingerprint: None,
            column: None,
            texts: Vec::new(),
            words: Vec::new(),
        }
    }

    /// A text, by what it is.
    pub fn text(&self, what: &str) -> Option<&str> {
        let found = self.texts.iter().find(|(name, _)| *name == what);
        found.map(|(_, text)| text.as_str())
    }

    /// Whether a word that may be left out, or be another one, was written.
    pub fn has(&self, word: &str) -> bool {
        self.words.contains(&word)
    }
}

/// What a text is to the console.
#[derive(Debug)]
pub enum Recognised {
    /// A command.
    Command(Request),
    /// Begins like a command, is none, and cannot be valid PostgreSQL: the answer to give.
    NearMiss(Report),
}

/// Finds out whether a text is an admin command. Cheap for texts that are not.
pub fn recognise(text: &str) -> Option<Recognised> {
    let word = first_word(text);
    let is_sql = |verb: &&str| word.eq_ignore_ascii_case(verb);
    if text.len() > TEXT_BYTES_MAX || SQL.iter().any(is_sql) {
        return None;
    }
    let word = word.to_ascii_lowercase();
    if !VERBS.iter().any(|verb| is_near(&word, verb)) {
        return None;
    }
    let tokens = tokenize(text);
    let mut furthest: Option<(&'static Spec, Failure)> = None;
    for spec in COMMANDS {
        match parse(spec, &tokens) {
            Ok(request) => return Some(Recognised::Command(request)),
            Err(failure) => {
                if furthest.as_ref().is_none_or(|(_, f)| failure.at > f.at) {
                    furthest = Some((spec, failure));
                }
            }
        }
    }
    let meant = meant(&tokens)?;
    let (spec, failure) = match furthest {
        // Both leading words were right, so the place where the parse stopped is the mistake.
        Some((spec, failure)) if failure.at >= 2 && spec.leads_with(&tokens) => (spec, failure),
        _ => (meant, first_difference(meant, &tokens)),
    };
    Some(Recognised::NearMiss(explain(spec, &failure, &tokens)))
}

/// What to say to a text that ends before its command does, where nothing but commands is
/// understood: how it may go on.
pub fn unfinished(text: &str) -> Option<Report> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let tokens: Vec<Token> = tokenize(text)
        .into_iter()
        .filter(|token| token.kind != Kind::Semicolon)
        .collect();
    let begun = |spec: &&Spec| {
        tokens.len() < spec.pieces.len()
            && tokens.iter().zip(spec.pieces).all(
                |(token, piece)| matches!(piece, Piece::Word(word) if is_word(Some(&token.kind), word)),
            )
    };
    let last = tokens.last()?;
    let forms: Vec<String> = COMMANDS.iter().filter(begun).map(Spec::usage).collect();
    let hint = match forms.as_slice() {
        [] => return None,
        several if several.len() > FORMS_MAX => "SHOW PGDRAFT COMMANDS lists them".to_owned(),
        some => format!("write it as: {}", some.join(", or ")),
    };
    Some(
        Report::error("42601", "unfinished admin command at end of input")
            .detail("An admin command begins so and goes on.")
            .hint(hint)
            .position(last.position + last.raw.chars().count()),
    )
}

/// More forms than that are not told one by one.
const FORMS_MAX: usize = 4;

/// First words of PostgreSQL's statements that come again and again: no command is looked for behind
/// them, be its first word ever so near.
const SQL: [&str; 7] = [
    "select", "insert", "update", "delete", "with", "begin", "end",
];

/// First words of all commands.
const VERBS: [&str; 15] = [
    "show", "commit", "discard", "pause", "resume", "reload", "kill", "propose", "reopen",
    "resolve", "rebase", "rehearse", "revert", "rewind", "fork",
];

/// Where and why a parse stopped.
#[derive(Debug)]
struct Failure {
    /// Index of the token.
    at: usize,
    /// What should stand there.
    expected: Expected,
}

#[derive(Debug, Clone, Copy)]
enum Expected {
    Word,
    SessionName,
    OperationName,
    TableName,
    Key,
    Rows,
    Text,
    End,
}

fn parse(spec: &'static Spec, tokens: &[Token]) -> Result<Request, Failure> {
    let mut parser = Parser {
        tokens,
        at: 0,
        request: Request::new(spec),
    };
    parser.pieces(spec.pieces)?;
    parser.end()?;
    Ok(parser.request)
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    request: Request,
}

impl Parser<'_> {
    fn kind(&self) -> Option<&Kind> {
        self.tokens.get(self.at).map(|t| &t.kind)
    }

    fn fail<T>(&self, expected: Expected) -> Result<T, Failure> {
        Err(Failure {
            at: self.at,
            expected,
        })
    }

    fn pieces(&mut self, pieces: &'static [Piece]) -> Result<(), Failure> {
        let mut rest = pieces;
        while let Some((piece, after)) = rest.split_first() {
            if matches!(piece, Piece::Optional(_)) {
                let run = rest
                    .iter()
                    .take_while(|p| matches!(p, Piece::Optional(_)))
                    .count();
                let (options, after) = rest.split_at(run);
                self.options(options)?;
                rest = after;
            } else {
                self.piece(piece)?;
                rest = after;
            }
        }
        Ok(())
    }

    /// Pieces that may be left out, in any order, each once.
    fn options(&mut self, options: &'static [Piece]) -> Result<(), Failure> {
        let mut left: Vec<&'static [Piece]> = options
            .iter()
            .filter_map(|piece| match piece {
                Piece::Optional(inner) => Some(*inner),
                _ => None,
            })
            .collect();
        loop {
            let found = left.iter().position(|inner| {
                matches!(inner.first(), Some(Piece::Word(word)) if is_word(self.kind(), word))
            });
            let Some(found) = found else { return Ok(()) };
            let inner = left.remove(found);
            if let Some(Piece::Word(word)) = inner.first() {
                self.request.words.push(word);
            }
            self.pieces(inner)?;
        }
    }

    fn piece(&mut self, piece: &'static Piece) -> Result<(), Failure> {
        match piece {
            Piece::Word(word) => {
                if !is_word(self.kind(), word) {
                    return self.fail(Expected::Word);
                }
                self.at += 1;
            }
            Piece::OneOf(words) => {
                let found = words.iter().find(|word| is_word(self.kind(), word));
                let Some(word) = found else {
                    return self.fail(Expected::Word);
                };
                self.request.words.push(word);
                self.at += 1;
            }
            Piece::Session => {
                let name = self.text(Expected::SessionName)?;
                self.request.session = Some(name);
            }
            Piece::Fingerprint => {
                let text = self.text(Expected::Text)?;
                self.request.fingerprint = Some(text);
            }
            Piece::Client => {
                let id = self.text(Expected::Text)?;
                self.request.client = Some(id);
            }
            Piece::Text(what) => {
                let text = self.text(Expected::Text)?;
                self.request.texts.push((what, text));
            }
            Piece::Column => {
                let name = self.identifier()?;
                self.request.column = Some(name);
            }
            Piece::Operation => {
                let name = self.text(Expected::OperationName)?;
                self.request.operations.push(name);
            }
            Piece::Operations => loop {
                let name = self.text(Expected::OperationName)?;
                self.request.operations.push(name);
                if !self.comma() {
                    break;
                }
            },
            Piece::Table => self.table()?,
            Piece::Key => self.key()?,
            Piece::Rows => {
                let number = match self.kind() {
                    Some(Kind::Number(digits)) => digits.parse().ok(),
                    _ => None,
                };
                let Some(number) = number else {
                    return self.fail(Expected::Rows);
                };
                self.request.rows = Some(number);
                self.at += 1;
            }
            Piece::Optional(inner) => self.pieces(inner)?,
        }
        Ok(())
    }

    /// A string constant.
    fn text(&mut self, expected: Expected) -> Result<String, Failure> {
        match self.kind() {
            Some(Kind::Text(text)) => {
                let text = text.clone();
                self.at += 1;
                Ok(text)
            }
            _ => self.fail(expected),
        }
    }

    /// Steps over a comma, if one stands here.
    fn comma(&mut self) -> bool {
        let here = self.kind() == Some(&Kind::Comma);
        self.at += usize::from(here);
        here
    }

    fn key(&mut self) -> Result<(), Failure> {
        if self.kind() != Some(&Kind::Open) {
            return self.fail(Expected::Key);
        }
        self.at += 1;
        loop {
            match self.kind() {
                Some(Kind::Text(value) | Kind::Number(value)) => {
                    let value = value.clone();
                    self.request.key.push(value);
                    self.at += 1;
                }
                _ => return self.fail(Expected::Key),
            }
            if !self.comma() {
                break;
            }
        }
        if self.kind() != Some(&Kind::Close) {
            return self.fail(Expected::Key);
        }
        self.at += 1;
        Ok(())
    }

    fn table(&mut self) -> Result<(), Failure> {
        let first = self.identifier()?;
        let table = if self.kind() == Some(&Kind::Dot) {
            self.at += 1;
            TableName {
                schema: Some(first),
                name: self.identifier()?,
            }
        } else {
            TableName {
                schema: None,
                name: first,
            }
        };
        self.request.table = Some(table);
        Ok(())
    }

    fn identifier(&mut self) -> Result<String, Failure> {
        match self.kind() {
            Some(Kind::Word(name) | Kind::Quoted(name)) if !name.is_empty() => {
                let name = name.clone();
                self.at += 1;
                Ok(name)
            }
            _ => self.fail(Expected::TableName),
        }
    }

    fn end(&mut self) -> Result<(), Failure> {
        while self.kind() == Some(&Kind::Semicolon) {
            self.at += 1;
        }
        if self.kind().is_some() {
            return self.fail(Expected::End);
        }
        Ok(())
    }
}

fn is_word(kind: Option<&Kind>, word: &str) -> bool {
    matches!(kind, Some(Kind::Word(w)) if w.eq_ignore_ascii_case(word))
}

/// The command that a text which is none of ours was meant to be; `None` where the text can be
/// valid PostgreSQL or is too far from every command.
fn meant(tokens: &[Token]) -> Option<&'static Spec> {
    let word = |i: usize| match tokens.get(i).map(|t| &t.kind) {
        Some(Kind::Word(w)) => w.as_str(),
        _ => "",
    };
    let (verb, object) = (word(0), word(1));
    if object.is_empty() || is_postgresql(tokens, verb, object) {
        return None;
    }
    COMMANDS
        .iter()
        // one word is too little to tell what was meant
        .filter(|spec| !spec.leading_words().1.is_empty())
        .filter_map(|spec| {
            let (v, o) = spec.leading_words();
            let (v, o) = (v.to_ascii_lowercase(), o.to_ascii_lowercase());
            let near = is_near(verb, &v) && is_near(object, &o);
            near.then(|| (edits(verb, &v) + edits(object, &o), spec))
        })
        .min_by_key(|(d, _)| *d)
        .map(|(_, spec)| spec)
}

/// PostgreSQL's own statements that begin with our verbs.
fn is_postgresql(tokens: &[Token], verb: &str, object: &str) -> bool {
    match verb {
        // SHOW name, SHOW a.b; SHOW TIME ZONE, TRANSACTION ISOLATION LEVEL, SESSION AUTHORIZATION.
        "show" => {
            let third = tokens.get(2).map(|t| &t.kind);
            let ours = |spec: &Spec| spec.leads_with(tokens);
            matches!(third, None | Some(Kind::Dot))
                || (third == Some(&Kind::Semicolon)
                    && (tokens.len() == 3 || !COMMANDS.iter().any(ours)))
                || matches!(object, "time" | "transaction")
                || (object == "session" && is_word(third, "authorization"))
        }
        "commit" => matches!(object, "work" | "transaction" | "and" | "prepared"),
        // One slip of the keyboard from ours, and PostgreSQL's own.
        "reset" | "release" | "revoke" | "reindex" | "refresh" | "reassign" | "prepare" => true,
        "discard" => matches!(object, "all" | "plans" | "sequences" | "temp" | "temporary"),
        _ => false,
    }
}

/// The first of the two leading words that is not the one meant, or what follows them.
fn first_difference(spec: &'static Spec, tokens: &[Token]) -> Failure {
    let (verb, object) = spec.leading_words();
    let kind = |i: usize| tokens.get(i).map(|t| &t.kind);
    let at = match (is_word(kind(0), verb), is_word(kind(1), object)) {
        (false, _) => 0,
        (true, false) => 1,
        (true, true) => 2,
    };
    Failure {
        at,
        expected: Expected::Word,
    }
}

fn explain(spec: &Spec, failure: &Failure, tokens: &[Token]) -> Report {
    let token = tokens.get(failure.at);
    let place = match token {
        Some(token) => format!("at or near \"{}\"", clip(&token.raw)),
        None => "at end of input".to_owned(),
    };
    let message = format!("syntax error in admin command {place}");
    let end = tokens
        .last()
        .map_or(1, |t| t.position + t.raw.chars().count());
    let detail = match (failure.expected, token.map(|t| &t.kind)) {
        (_, Some(Kind::Unterminated)) => "The quote is not closed.".to_owned(),
        _ if token.is_some_and(|t| t.raw.starts_with('$')) => {
            "An admin command takes no parameters: what it names is written in it, names and values as string constants in single quotes.".to_owned()
        }
        (Expected::SessionName, _) => {
            "The name of the session is a string constant in single quotes.".to_owned()
        }
        (Expected::OperationName, _) => {
            "The name of an operation is a string constant in single quotes.".to_owned()
        }
        (Expected::Key, _) => {
            "Here stand the values of the primary key in parentheses, as (7) or ('a', 7)."
                .to_owned()
        }
        (Expected::Rows, _) => "Here stands a number of rows.".to_owned(),
        (Expected::Text, _) => "Here stands a string constant in single quotes.".to_owned(),
        (Expected::TableName, _) => "Here stands the name of a table.".to_owned(),
        (Expected::End, _) => {
            "An admin command is sent alone, and nothing follows its last word.".to_owned()
        }
        (Expected::Word, _) => {
            "This is no command of pgdraft and no statement of PostgreSQL.".to_owned()
        }
    };
    Report::error("42601", message)
        .detail(detail)
        .hint(format!("write it as: {}", spec.usage()))
        .position(token.map_or(end, |t| t.position))
}

/// At most 40 characters of a token, for a message.
fn clip(raw: &str) -> String {
    let mut out: String = raw.chars().take(40).collect();
    if raw.chars().nth(40).is_some() {
        out.push('…');
    }
    out
}

/// The same word, or one slip of the keyboard away, with the same first letter.
fn is_near(word: &str, meant: &str) -> bool {
    let allowed = if meant.len() > 5 { 2 } else { 1 };
    word.len().abs_diff(meant.len()) <= allowed
        && word.chars().next() == meant.chars().next()
        && edits(word, meant) <= allowed
}
