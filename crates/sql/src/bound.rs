//! A statement's text with parameters in place of its constants, so that the server can keep it
//! prepared for all texts that differ in nothing else.

use catalog::Catalog;

use crate::facts::Change;
use crate::mask::{Hole, HoleKind, Mask};
use crate::parse::{Body, Statement};
use crate::pattern::{Pattern, inside};

/// A text with parameters, and their values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// The text.
    pub text: String,
    /// Types of the parameters; 0 where the server is to say.
    pub types: Vec<u32>,
    /// Their values as text.
    pub values: Vec<String>,
    /// Characters of the text behind which positions in the client's text are so much later.
    moves: Vec<(usize, isize)>,
}

/// Most parameters: longer lists of values are seldom of the same length twice.
const VALUES_MAX: usize = 64;
/// Longest number: none of these is too large for `numeric`.
const DIGITS_MAX: usize = 100;
/// `int4`, `int8`, `numeric`.
const NUMBERS: [u32; 3] = [23, 20, 1700];
/// `text`, `bpchar`, `varchar`.
const TEXTS: [u32; 3] = [25, 1042, 1043];
const UUID: u32 = 2950;
/// The statements that can be prepared and mean the same.
const VERBS: [&str; 5] = ["select", "with", "insert", "update", "delete"];

impl Statement {
    /// Whether it may be prepared and run later, and then gives what it would have given if it had been
    /// planned then: nothing in it is computed while it is planned but by PostgreSQL's own functions.
    pub fn can_stay(&self, catalog: &Catalog) -> bool {
        let plain = match &self.body {
            Body::Query => true,
            Body::Change(change) => !matches!(change, Change::Merge(_)),
            _ => false,
        };
        let verb = self.text.split(|c: char| !c.is_ascii_alphabetic()).next();
        let verb = verb.unwrap_or_default().to_ascii_lowercase();
        let own = |name: &String| {
            let known = catalog.functions.get(name);
            known.is_none_or(|found| found.iter().all(|f| f.schema == "pg_catalog"))
        };
        plain
            && VERBS.contains(&verb.as_str())
            && !self.facts.into
            && !self.shows_texts()
            && self.facts.parameters == 0
            && self.facts.calls.iter().all(|call| own(&call.name))
    }

    /// The text itself, without parameters. A string would be read when it is prepared, under the settings
    /// of that moment: there must be none.
    pub fn unbound(&self) -> Option<Bound> {
        (!self.text.contains(['\'', '$'])).then(|| Bound {
            text: self.text.clone(),
            types: Vec::new(),
            values: Vec::new(),
            moves: Vec::new(),
        })
    }
}

impl Pattern {
    /// A text of this pattern with parameters; `text` is the statement's own. None where a string
    /// constant would stay in it.
    pub fn bound(&self, text: &str, masked: &Mask) -> Option<Bound> {
        let bindable = &self.statement().facts.bindable;
        let mut bound = Bound {
            text: String::with_capacity(text.len()),
            types: Vec::new(),
            values: Vec::new(),
            moves: Vec::new(),
        };
        let (mut at, mut place, mut moved) = (0, 0, 0);
        for (hole, model) in inside(masked).iter().zip(self.holes()) {
            let minus = minus_before(&self.statement().text, model.range.start);
            let from = [Some(model.range.start), minus]
                .into_iter()
                .flatten()
                .find(|start| bindable.contains(start));
            let Some(from) = from.or_else(|| hole.kind.is_comment().then_some(model.range.start))
            else {
                if matches!(hole.kind, HoleKind::String | HoleKind::Escaped) {
                    return None;
                }
                continue;
            };
            // a minus and what stands behind it are the same in both texts
            let start = hole.range.start.checked_sub(model.range.start - from)?;
            let before = text.get(at..start)?;
            bound.text.push_str(before);
            place += before.chars().count();
            let own = text.get(start..hole.range.end)?;
            let new = if hole.kind.is_comment() {
                " ".to_owned()
            } else {
                let parameter = bound.bind(hole, own)?;
                // a quote ends a name, a dollar sign goes on with it
                let space = |side: Option<char>| match side {
                    Some(c) if c.is_alphanumeric() || c == '_' => " ",
                    _ => "",
                };
                let after = text.get(hole.range.end..)?.chars().next();
                let before = before.chars().next_back();
                format!("{}{parameter}{}", space(before), space(after))
            };
            moved += signed(own.chars().count())? - signed(new.len())?;
            place += new.len();
            bound.text.push_str(&new);
            bound.moves.push((place, moved));
            at = hole.range.end;
        }
        bound.text.push_str(text.get(at..)?);
        Some(bound)
    }
}

impl Bound {
    /// Adds a value; returned is its parameter.
    fn bind(&mut self, hole: &Hole, own: &str) -> Option<String> {
        let (type_id, value) = match hole.kind {
            HoleKind::Int4 => (NUMBERS[0], number(own)),
            HoleKind::Int8 => (NUMBERS[1], number(own)),
            HoleKind::Numeric => (NUMBERS[2], number(own)),
            HoleKind::String => (
                0,
                own.strip_prefix('\'')?
                    .strip_suffix('\'')?
                    .replace("''", "'"),
            ),
            HoleKind::Escaped | HoleKind::LineComment | HoleKind::BlockComment => return None,
        };
        let large = type_id != 0 && (value.len() > DIGITS_MAX || value.contains(['e', 'E']));
        if large || self.values.len() >= VALUES_MAX {
            return None;
        }
        self.types.push(type_id);
        self.values.push(value);
        Some(format!("${}", self.values.len()))
    }

    /// Whether each value is one that its type takes, whatever the settings: a constant that it does not
    /// take is an error at its place in the client's text.
    pub fn takes(&self, types: &[u32]) -> bool {
        types.len() == self.types.len()
            && self.types.iter().zip(types).zip(&self.values).all(
                |((own, found), value)| match *own {
                    0 => TEXTS.contains(found) || *found == UUID && is_uuid(value),
                    own => own == *found,
                },
            )
    }

    /// The character in the client's text (from 1) for one of this text.
    pub fn to_client(&self, position: usize) -> Option<usize> {
        let before = self.moves.iter().rev().find(|(at, _)| *at < position);
        position.checked_add_signed(before.map_or(0, |(_, by)| *by))
    }
}

/// A number with its sign, without what stands between them.
fn number(own: &str) -> String {
    own.chars().filter(|c| !c.is_whitespace()).collect()
}

/// The usual form, 8-4-4-4-12.
fn is_uuid(value: &str) -> bool {
    value.len() == 36
        && value.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Where the minus right before a constant stands.
fn minus_before(text: &str, at: usize) -> Option<usize> {
    let before = text.get(..at)?.trim_end();
    before.strip_suffix('-').map(str::len)
}

fn signed(count: usize) -> Option<isize> {
    isize::try_from(count).ok()
}
