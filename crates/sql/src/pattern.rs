//! What texts that differ only in their constants have in common: one parse, one plan, filled with
//! each text's own constants.
//!
//! A pattern is made of a text that was parsed in full. Only constants in places where nothing here
//! looks at their value ([`Facts::constants`](crate::facts::Facts)) may differ; all others belong to
//! the pattern. Its plan is made of the text with other constants in these places, and is only
//! used if it gives, filled with the text's own constants, the plan that the text itself has. So a
//! decision that does depend on a constant makes a pattern without use, not a wrong plan.

use std::ops::Range;
use std::sync::Arc;

use report::Report;

use crate::facts::Facts;
use crate::mask::{Hole, HoleKind, Mask, mask};
use crate::parse::{Body, Statement, parse};
use crate::plan::{Context, Copied, Plan, PositionMap, Rewritten, Write};
use crate::rewrite;
use crate::rewrite::change::redact;

/// A statement with places for constants.
#[derive(Debug)]
pub struct Pattern {
    /// With constants of ours in the places.
    model: Arc<Statement>,
    /// Its holes; offsets in its text.
    holes: Vec<Hole>,
    /// Constants that all texts of this pattern have, by number of their hole.
    fixed: Vec<(usize, String)>,
    /// The text it was made of, and its holes.
    example: Arc<Statement>,
    example_holes: Vec<Hole>,
}

/// A plan of a pattern, ready to be filled.
#[derive(Debug)]
pub struct Filling {
    plan: Arc<Plan>,
    /// Where holes stand in the rewritten text: bytes, characters, number of the hole.
    places: Vec<Place>,
    /// A record of a change has its comments, which differ.
    comments: bool,
}

impl Filling {
    /// The plan with the constants of the pattern itself: what it needs, and which kind it is.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// About how many bytes it holds.
    pub fn bytes(&self) -> usize {
        512 + match self.plan.as_ref() {
            Plan::Read(read) => read.text.len() * 2,
            Plan::Write(write) => write.rewritten.text.len() * 2 + write.redacted.len(),
            _ => 0,
        }
    }
}

#[derive(Debug)]
struct Place {
    bytes: Range<usize>,
    character: usize,
    hole: usize,
}

impl Pattern {
    /// The pattern of a parsed text of one statement; `None` where there is nothing to vary, or
    /// where the parser and the mask see anything differently.
    pub fn of(masked: &Mask, statement: &Arc<Statement>) -> Option<Self> {
        let varies = matches!(statement.body, Body::Query | Body::Change(_));
        if !varies || statement.range != masked.range {
            return None;
        }
        let text = statement.text.as_str();
        let holes = inside(masked);
        let free = free(text, &holes, &statement.facts);
        if !free.contains(&true) {
            return None;
        }
        let (mut model, mut at) = (String::with_capacity(text.len()), 0);
        let mut fixed = Vec::new();
        for (index, hole) in holes.iter().enumerate() {
            let own = text.get(hole.range.clone())?;
            model.push_str(text.get(at..hole.range.start)?);
            if free.get(index) == Some(&true) {
                model.push_str(&stand_in(hole.kind, index, text)?);
            } else {
                model.push_str(own);
                fixed.push((index, own.to_owned()));
            }
            at = hole.range.end;
        }
        model.push_str(text.get(at..)?);
        let model_mask = mask(&model)?;
        let script = parse(&model).ok()?;
        let [parsed] = script.statements.as_slice() else {
            return None;
        };
        let kinds = |holes: &[Hole]| holes.iter().map(|hole| hole.kind).collect::<Vec<_>>();
        let same = parsed.text == model
            && kinds(&model_mask.holes) == kinds(&holes)
            && parsed.leaves == statement.leaves
            && same_kind(&parsed.body, &statement.body)
            && parsed.facts.constants.len() == statement.facts.constants.len();
        same.then(|| Self {
            model: Arc::clone(parsed),
            holes: model_mask.holes,
            fixed,
            example: Arc::clone(statement),
            example_holes: holes,
        })
    }

    /// Whether a text of the same shape is of this pattern.
    pub fn fits(&self, text: &str, masked: &Mask) -> bool {
        let holes = holes_inside(masked);
        self.fixed.iter().all(|(index, fixed)| {
            let own = holes.get(*index).and_then(|h| text.get(h.range.clone()));
            own == Some(fixed)
        })
    }

    /// The statement of the pattern itself. What it says beside its text holds for all texts.
    pub fn statement(&self) -> &Arc<Statement> {
        &self.model
    }

    /// Its holes; offsets in its statement's text.
    pub(crate) fn holes(&self) -> &[Hole] {
        &self.holes
    }

    /// Plans the pattern; `None` where its plan depends on the constants.
    ///
    /// # Errors
    /// As [`rewrite::plan`].
    pub fn plan(&self, context: Context<'_>) -> Result<Option<Filling>, Box<Report>> {
        let plan = rewrite::plan(&self.model, context)?;
        let Some(filling) = self.filling(plan) else {
            return Ok(None);
        };
        let own = rewrite::plan(&self.example, context)?;
        let filled = self.fill(&filling, &self.example.text, &self.example_holes);
        Ok(filled
            .is_some_and(|plan| same(&plan, &own))
            .then_some(filling))
    }

    /// The plan of a text of this pattern, given a plan of the pattern; `text` is the statement's
    /// own, without what stands around it.
    pub fn filled(&self, filling: &Filling, text: &str, masked: &Mask) -> Option<Arc<Plan>> {
        self.fill(filling, text, &inside(masked))
    }

    fn filling(&self, plan: Plan) -> Option<Filling> {
        let places = match &plan {
            Plan::Relay(_) | Plan::NeedsCatalog | Plan::NeedsDraft(_) => Vec::new(),
            Plan::Read(read) => self.places(read)?,
            Plan::Write(write) => self.places(&write.rewritten)?,
            Plan::SetOperation { .. } | Plan::ShowOwn { .. } => return None,
        };
        Some(Filling {
            plan: Arc::new(plan),
            places,
            comments: self.holes.iter().any(|hole| hole.kind.is_comment()),
        })
    }

    /// Where the holes stand in a rewritten text, in order; each in a piece that was copied.
    fn places(&self, rewritten: &Rewritten) -> Option<Vec<Place>> {
        let mut places = Vec::new();
        let mut counted = Counted::new(&rewritten.text);
        let mut pieces: Vec<&Copied> = rewritten.positions.copied.iter().collect();
        pieces.sort_by_key(|piece| piece.new_start);
        let mut own = Counted::new(&self.model.text);
        let holes: Vec<Range<usize>> = self
            .holes
            .iter()
            .map(|hole| Some(own.characters(hole.range.start)?..own.characters(hole.range.end)?))
            .collect::<Option<_>>()?;
        for piece in pieces {
            let end = piece.old_start + piece.length;
            for (index, hole) in holes.iter().enumerate() {
                if hole.end <= piece.old_start || hole.start >= end {
                    continue;
                }
                if hole.start < piece.old_start || hole.end > end {
                    return None;
                }
                let character = piece.new_start + (hole.start - piece.old_start);
                let start = counted.byte(character)?;
                let length = self.holes.get(index)?.range.len();
                places.push(Place {
                    bytes: start..start + length,
                    character,
                    hole: index,
                });
            }
        }
        Some(places)
    }

    fn fill(&self, filling: &Filling, text: &str, holes: &[Hole]) -> Option<Arc<Plan>> {
        let plan = match filling.plan.as_ref() {
            Plan::Read(read) => Plan::Read(Arc::new(self.fill_text(filling, read, text, holes)?)),
            Plan::Write(write) => Plan::Write(Arc::new(Write {
                rewritten: self.fill_text(filling, &write.rewritten, text, holes)?,
                changes: write.changes.clone(),
                reads: write.reads.clone(),
                redacted: if filling.comments {
                    redact(text)
                } else {
                    write.redacted.clone()
                },
                doubled: write.doubled.clone(),
                ..*write.as_ref()
            })),
            _ => return Some(Arc::clone(&filling.plan)),
        };
        Some(Arc::new(plan))
    }

    fn fill_text(
        &self,
        filling: &Filling,
        rewritten: &Rewritten,
        text: &str,
        holes: &[Hole],
    ) -> Option<Rewritten> {
        // how many characters each constant is longer than the one it replaces
        let mut own = Counted::new(&self.model.text);
        let mut new = Vec::with_capacity(holes.len());
        let mut longer = Vec::with_capacity(holes.len());
        for (hole, replaced) in holes.iter().zip(&self.holes) {
            let constant = text.get(hole.range.clone())?;
            let was = self.model.text.get(replaced.range.clone())?;
            new.push(constant);
            longer.push((
                own.characters(replaced.range.start)?,
                signed(constant.chars().count())? - signed(was.chars().count())?,
            ));
        }
        let mut filled = String::with_capacity(rewritten.text.len() + text.len());
        let mut at = 0;
        let mut moved = Vec::with_capacity(filling.places.len());
        for place in &filling.places {
            filled.push_str(rewritten.text.get(at..place.bytes.start)?);
            filled.push_str(new.get(place.hole)?);
            at = place.bytes.end;
            moved.push((place.character, longer.get(place.hole)?.1));
        }
        filled.push_str(rewritten.text.get(at..)?);
        Some(Rewritten {
            text: filled,
            positions: moved_positions(&rewritten.positions, &longer, &moved)?,
            merged: rewritten.merged.clone(),
            effect: rewritten.effect.clone(),
            locks: rewritten.locks,
        })
    }
}

/// The pieces where the constants inside and before them have other lengths.
fn moved_positions(
    positions: &PositionMap,
    old: &[(usize, isize)],
    new: &[(usize, isize)],
) -> Option<PositionMap> {
    let before = |at: usize, moves: &[(usize, isize)]| {
        let sum: isize = moves.iter().filter(|m| m.0 < at).map(|m| m.1).sum();
        at.checked_add_signed(sum)
    };
    let copied = positions.copied.iter().map(|piece| {
        let old_start = before(piece.old_start, old)?;
        Some(Copied {
            new_start: before(piece.new_start, new)?,
            old_start,
            length: before(piece.old_start + piece.length, old)? - old_start,
        })
    });
    Some(PositionMap {
        copied: copied.collect::<Option<_>>()?,
    })
}

fn signed(count: usize) -> Option<isize> {
    isize::try_from(count).ok()
}

/// Characters before a byte and bytes before a character of one text, mostly asked in order.
struct Counted<'a> {
    text: &'a str,
    byte: usize,
    character: usize,
}

impl<'a> Counted<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            byte: 0,
            character: 0,
        }
    }

    fn from(&mut self, begin: bool) {
        if begin {
            (self.byte, self.character) = (0, 0);
        }
    }

    fn characters(&mut self, byte: usize) -> Option<usize> {
        self.from(byte < self.byte);
        self.character += self.text.get(self.byte..byte)?.chars().count();
        self.byte = byte;
        Some(self.character)
    }

    fn byte(&mut self, character: usize) -> Option<usize> {
        self.from(character < self.character);
        let rest = self.text.get(self.byte..)?;
        let step: usize = rest
            .chars()
            .take(character - self.character)
            .map(char::len_utf8)
            .sum();
        (self.byte, self.character) = (self.byte + step, character);
        Some(self.byte)
    }
}

/// The holes inside the statement, with offsets in its own text.
pub(crate) fn inside(masked: &Mask) -> Vec<Hole> {
    let from = masked.range.start;
    let holes = holes_inside(masked).iter();
    let shifted = holes.map(|hole| Hole {
        range: hole.range.start - from..hole.range.end - from,
        kind: hole.kind,
    });
    shifted.collect()
}

/// Comments before the first and behind the last token are no part of the statement.
fn holes_inside(masked: &Mask) -> &[Hole] {
    let range = &masked.range;
    let from = masked
        .holes
        .partition_point(|h| h.range.start < range.start);
    let to = masked.holes.partition_point(|h| h.range.end <= range.end);
    masked.holes.get(from..to).unwrap_or_default()
}

/// Which of the holes may differ from text to text.
fn free(statement: &str, holes: &[Hole], facts: &Facts) -> Vec<bool> {
    let noted = |hole: &Hole| {
        let minus = statement
            .get(..hole.range.start)
            .and_then(|before| before.trim_end().strip_suffix('-'))
            .map(str::len);
        facts
            .constants
            .iter()
            .any(|at| *at == hole.range.start || Some(*at) == minus)
    };
    holes
        .iter()
        .map(|hole| hole.kind.is_comment() || noted(hole))
        .collect()
}

/// A constant of that kind that the text does not have.
fn stand_in(kind: HoleKind, index: usize, text: &str) -> Option<String> {
    let constant = match kind {
        HoleKind::Int4 => format!("{}", 1_900_000_000 + index),
        HoleKind::Int8 => format!("{}", 7_900_000_000_000 + index),
        HoleKind::Numeric => format!("{}.5", 1_800_000_000 + index),
        HoleKind::String => format!("'constant {index} of the pattern'"),
        HoleKind::Escaped => format!("E'escaped constant {index} of the pattern'"),
        HoleKind::LineComment => format!("-- comment {index}"),
        HoleKind::BlockComment => format!("/* comment {index} */"),
    };
    (!text.contains(&constant)).then_some(constant)
}

fn same_kind(one: &Body, other: &Body) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
}

fn same(one: &Plan, other: &Plan) -> bool {
    match (one, other) {
        (Plan::Relay(a), Plan::Relay(b)) => a == b,
        (Plan::Read(a), Plan::Read(b)) => a == b,
        (Plan::Write(a), Plan::Write(b)) => a == b,
        (Plan::NeedsDraft(a), Plan::NeedsDraft(b)) => a == b,
        (Plan::NeedsCatalog, Plan::NeedsCatalog) => true,
        _ => false,
    }
}
