//! Texts that differ only in their constants: parsed and planned once for the whole process.
//!
//! Clients that write values into their texts never send the same text twice. A text is first looked
//! for by its shape, which a lexer finds; the second text of a shape makes a pattern, and from then
//! on texts of it cost no parse, and its plan is filled with their constants ([`sql::Pattern`]).

use std::sync::Arc;

use sql::{Context, Filling, Mask, Pattern, Plan};

use crate::planner::{Cache, Piece, PlanKey, Script, Stamp, kept_under};

/// Most patterns of one shape: they differ in constants that decide something.
const PATTERNS_MAX: usize = 8;

/// A text of a known pattern.
#[derive(Debug)]
pub(crate) struct Variant {
    pub(crate) known: Arc<Known>,
    mask: Mask,
}

impl Variant {
    /// The text with parameters in place of its constants.
    pub(crate) fn bound(&self, text: &str) -> Option<sql::Bound> {
        self.known.pattern.bound(text, &self.mask)
    }
}

/// A pattern, and the text under which what is known of it is kept.
#[derive(Debug)]
pub(crate) struct Known {
    pattern: Pattern,
    pub(crate) key: Arc<str>,
}

/// The patterns of one shape; `None` where it has none.
type Shape = Option<Arc<[Arc<Known>]>>;

/// All patterns and their plans.
pub(crate) struct Patterns {
    shapes: Cache<String, Shape>,
    /// `None`: the plan depends on constants.
    fillings: Cache<PlanKey, Option<Arc<Filling>>>,
}

impl Patterns {
    pub(crate) fn new() -> Self {
        Self {
            shapes: Cache::new(32 << 20),
            fillings: Cache::new(16 << 20),
        }
    }

    /// A text of a pattern that is known.
    pub(crate) fn find(&self, text: &str) -> Option<Script> {
        let mask = sql::mask(text)?;
        let patterns = self.shapes.get(&mask.shape)??;
        let known = patterns.iter().find(|k| k.pattern.fits(text, &mask))?;
        let range = mask.range();
        let piece = Piece {
            text: text.get(range.clone())?.into(),
            range,
            parsed: Some(Arc::clone(known.pattern.statement())),
            pattern: Some(Arc::new(Variant {
                known: Arc::clone(known),
                mask,
            })),
        };
        Some(Arc::from([piece]))
    }

    /// Learns from a text that was parsed: its shape, and the second time its pattern.
    pub(crate) fn learn(&self, text: &str, script: &Script) {
        let [piece] = script.as_ref() else { return };
        let (Some(statement), Some(mask)) = (&piece.parsed, sql::mask(text)) else {
            return;
        };
        let shape: Shape = match self.shapes.get(&mask.shape) {
            // no text of it was seen before
            None => Some(Arc::from([])),
            Some(Some(patterns)) if patterns.len() < PATTERNS_MAX => Pattern::of(&mask, statement)
                .map(|pattern| {
                    let key = pattern.statement().text.as_str().into();
                    let new = Arc::new(Known { pattern, key });
                    patterns.iter().cloned().chain([new]).collect()
                }),
            Some(_) => return,
        };
        let patterns = shape.as_ref().map_or(0, |patterns| patterns.len());
        let weight = 128 + mask.shape.len() + patterns * (4096 + 64 * mask.shape.len());
        self.shapes.put(mask.shape, shape, weight);
    }

    /// The plan of a text if its pattern was planned under the same conditions.
    pub(crate) fn planned(
        &self,
        variant: &Variant,
        text: &str,
        stamp: &Stamp,
    ) -> Option<Arc<Plan>> {
        let filling = self.filling(variant, stamp)??;
        variant.known.pattern.filled(&filling, text, &variant.mask)
    }

    fn filling(&self, variant: &Variant, stamp: &Stamp) -> Option<Option<Arc<Filling>>> {
        let key = (Arc::clone(&variant.known.key), stamp.of_plan());
        self.fillings.get(&key)
    }

    /// Plans the pattern and keeps that; `None` where the text has to be planned by itself.
    pub(crate) fn plan(
        &self,
        variant: &Variant,
        text: &str,
        stamp: &Stamp,
        context: Context<'_>,
    ) -> Option<Arc<Plan>> {
        // these are searched for in the whole text, constants included
        if !context.catalog.types.is_empty() || self.filling(variant, stamp).is_some() {
            return None;
        }
        let pattern = &variant.known.pattern;
        let filling = pattern.plan(context).ok()?.map(Arc::new);
        let key = match &filling {
            Some(filling) => kept_under(filling.plan(), stamp),
            None => Some(stamp.of_plan()),
        };
        if let Some(key) = key.filter(|_| !context.fresh) {
            let weight = filling.as_ref().map_or(512, |filling| filling.bytes());
            let key = (Arc::clone(&variant.known.key), key);
            self.fillings.put(key, filling.clone(), weight);
        }
        pattern.filled(filling.as_deref()?, text, &variant.mask)
    }
}
