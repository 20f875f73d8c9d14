//! A statement that changes rows, in one place or in several: its parts are written one by one and
//! put together as one statement.
//!
//! PostgreSQL gives all parts the same snapshot; so do we, because every part reads the merged
//! tables of that one statement. What a part puts before itself goes into the WITH before the
//! part's own CTE, so that it sees the same CTEs.

use std::ops::Range;
use std::sync::Arc;

use catalog::RelationId;
use pg_query::protobuf::Token as Kind;
use report::Report;

use crate::classify::unsupported;
use crate::facts::{Change, Part, TableRef};
use crate::parse::Statement;
use crate::plan::{Context, Doubled, Effect, Locks, Plan, Rewritten, Verb, Write};
use crate::resolve;
use crate::rewrite::change::{mismatch, redact};
use crate::rewrite::noted::Notes;
use crate::rewrite::work::{Begun, Place, Twice, Work, Written};
use crate::rewrite::{
    Edits, delete, inherited, inlined, insert, merging, sequences, temporary, update,
};
use crate::splice::{Edit, Splice};

/// Plans a statement whose outermost part is `outermost`, or a query.
pub(crate) fn plan(
    statement: &Statement,
    outermost: Option<&Change>,
    context: &Context<'_>,
) -> Result<Plan, Box<Report>> {
    let Some(reads) = Edits::of_reads(statement, context)? else {
        return Ok(Plan::NeedsCatalog);
    };
    let mut parts = Parts {
        notes: Notes::of_reads(statement, context)?,
        targets: Vec::new(),
        changes: Vec::new(),
        twice: Vec::new(),
        undrafted: Vec::new(),
        instead: None,
    };
    let mut edits = Vec::new();
    for part in statement.facts.parts.iter().enumerate() {
        edits.extend(parts.under_with((statement, context), part, &reads)?);
    }
    let direct = outermost.and_then(|change| temporary::part(change, context));
    let own = match outermost.filter(|_| direct.is_none()) {
        None => None,
        Some(change) => {
            let place = Place::outermost(statement);
            let begun = Work::begin((statement, context), place, change, &reads)?;
            parts.take(begun, change)?
        }
    };
    let reached = resolve::without_head(context.catalog, &parts.changes);
    parts.undrafted.extend(reached);
    if let Some(plan) = parts.instead() {
        return Ok(plan);
    }
    inlined::refuse_fresh(&reads, |id| {
        id.is_none_or(|id| parts.changes.contains(&context.catalog.drafted_as(id)))
    })?;
    if let Some(first) = statement.facts.parts.first()
        && !parts.notes.ctes.is_empty()
    {
        let mut notes = Splice::new(&statement.text);
        notes.append(&parts.notes.ctes);
        notes.ours(", ");
        edits.insert(0, Edit::built(first.name..first.name, notes));
    }
    edits.extend(direct.flatten());
    let inside = |e: &&Edit| !edits.iter().any(|part: &Edit| part.covers(e));
    let mut all: Vec<Edit> = reads.list.iter().filter(inside).cloned().collect();
    all.extend(edits);
    all.sort_by_key(|e| (e.range.start, e.range.end));
    let mut splice = Splice::new(&statement.text);
    match &own {
        None => splice.copy_edited(0..statement.text.len(), &all),
        Some((work, written)) => {
            let notes = &parts.notes.ctes;
            let noted = statement.facts.parts.is_empty() && !notes.is_empty();
            outer((work, written), noted.then_some(notes), &all, &mut splice);
        }
    }
    let own = own.as_ref().map(|(_, written)| written);
    let verb = outermost.map_or(Verb::Select, Change::verb);
    Ok(parts.finish(statement, splice, reads, (verb, own)))
}

/// The outermost change behind its WITH.
fn outer(
    (work, written): (&Work<'_>, &Written<'_>),
    notes: Option<&Splice<'_>>,
    edits: &[Edit],
    splice: &mut Splice<'_>,
) {
    if let Some(with) = work.statement.tokens.bytes(0..work.clauses.verb) {
        splice.copy_edited(with, edits);
    }
    let own = Some(&written.ctes).filter(|ctes| !ctes.is_empty());
    for ctes in notes.into_iter().chain(own) {
        splice.ours(if splice.is_empty() { "WITH " } else { ", " });
        splice.append(ctes);
    }
    if !splice.is_empty() {
        splice.ours(" ");
    }
    splice.append(&written.body);
}

fn write<'a>(work: &Work<'a>, change: &Change) -> Result<Written<'a>, Box<Report>> {
    match change {
        Change::Insert(tree) => insert::write(work, tree),
        Change::Update(tree) => update::write(work, tree),
        Change::Delete(tree) => delete::write(work, tree),
        Change::Merge(tree) => merging::write(work, tree),
    }
}

/// What the parts of a statement have in common.
#[derive(Debug)]
struct Parts<'n> {
    /// What the statement read of rows that were changed before.
    notes: Notes<'n>,
    /// Tables each part changes itself.
    targets: Vec<RelationId>,
    changes: Vec<RelationId>,
    twice: Vec<Twice>,
    /// Tables without a head.
    undrafted: Vec<RelationId>,
    instead: Option<Plan>,
}

type Done<'a> = (Work<'a>, Written<'a>);

impl Parts<'_> {
    /// What becomes of a change under WITH: what is put before its CTE, and what stands in it.
    fn under_with<'a>(
        &mut self,
        (statement, context): (&'a Statement, &'a Context<'a>),
        (i, part): (usize, &Part),
        reads: &Edits,
    ) -> Result<Vec<Edit>, Box<Report>> {
        if let Some(named) = temporary::part(&part.change, context) {
            return Ok(named.into_iter().collect());
        }
        let place = Place::under_with(statement, part, i + 1).ok_or_else(mismatch)?;
        let bytes = statement.tokens.bytes(place.tokens.clone());
        let bytes = bytes.ok_or_else(mismatch)?;
        let begun = Work::begin((statement, context), place, &part.change, reads)?;
        let Some((work, written)) = self.take(begun, &part.change)? else {
            return Ok(Vec::new());
        };
        let mut before = work.splice();
        if let Some(own) = own_with(&work)? {
            before.copy_edited(own, &work.edits);
            before.ours(", ");
        }
        if !written.ctes.is_empty() {
            before.append(&written.ctes);
            before.ours(", ");
        }
        Ok(vec![
            Edit::built(part.name..part.name, before),
            Edit::built(bytes, written.body),
        ])
    }

    /// Writes one part, or notes what it needs first.
    fn take<'a>(
        &mut self,
        begun: Begun<'a>,
        change: &Change,
    ) -> Result<Option<Done<'a>>, Box<Report>> {
        let works = match begun {
            Begun::Works(works) => works,
            Begun::Instead(Plan::NeedsDraft(tables)) => {
                self.undrafted.extend(tables);
                return Ok(None);
            }
            Begun::Instead(plan) => {
                self.instead = Some(plan);
                return Ok(None);
            }
        };
        let tree = works.len() > 1;
        let (mut parts, mut keyless) = (Vec::new(), Vec::new());
        for mut work in works {
            if tree && work.changed.relation.key().is_none() && work.changed.rivals.is_empty() {
                keyless.push(work);
                continue;
            }
            if let Change::Update(_) | Change::Delete(_) = change {
                work.own = self.notes.own(&work);
                work.changed.system.own = work.own.is_some().then(|| work.name("own"));
                work.unfound = self.notes.unfound(&work);
            }
            let written = write(&work, change)?;
            match change {
                Change::Update(_) | Change::Delete(_) if !written.noted => self.notes.target(&work),
                Change::Merge(_) => self.notes.joined(&work),
                Change::Insert(_) | Change::Update(_) | Change::Delete(_) => {}
            }
            self.note(&work, &written);
            parts.push((work, written));
        }
        if tree {
            return inherited::together(change, parts, &keyless).map(Some);
        }
        Ok(parts.pop())
    }

    fn note(&mut self, work: &Work<'_>, written: &Written<'_>) {
        self.targets.push(work.changed.drafted.id);
        for id in work.changed.changes(written.cascades) {
            if !self.changes.contains(&id) {
                self.changes.push(id);
            }
        }
        self.twice.push(written.twice.clone());
    }

    fn instead(&mut self) -> Option<Plan> {
        if self.instead.is_none() && !self.undrafted.is_empty() {
            let mut tables = std::mem::take(&mut self.undrafted);
            tables.sort_unstable();
            tables.dedup();
            return Some(Plan::NeedsDraft(tables));
        }
        self.instead.take()
    }

    /// What 21000 from upstream means.
    fn doubled(&self) -> Doubled {
        let shared = self
            .targets
            .iter()
            .enumerate()
            .any(|(i, id)| self.targets.iter().skip(i + 1).any(|other| other == id));
        if shared {
            return Doubled::Parts;
        }
        let mut possible = self.twice.iter().filter(|t| **t != Twice::Never);
        match (possible.next(), possible.next()) {
            (Some(Twice::Duplicate(key)), None) => Doubled::Key(key.clone()),
            _ => Doubled::Same,
        }
    }

    fn finish(
        self,
        statement: &Statement,
        splice: Splice<'_>,
        reads: Edits,
        (verb, own): (Verb, Option<&Written<'_>>),
    ) -> Plan {
        let (text, positions) = splice.finish();
        let whole = self.notes.whole(&reads.merged);
        Plan::Write(Arc::new(Write {
            rewritten: Rewritten {
                text,
                positions,
                merged: reads.merged,
                effect: Effect::None,
                locks: if reads.by_row { Locks::Rows } else { Locks::No },
            },
            doubled: self.doubled(),
            changes: self.changes,
            reads: whole,
            verb,
            redacted: redact(&statement.text),
            returning: own.is_none_or(|o| o.returning),
            counted: own.is_some_and(|o| o.counted),
            sequences: sequences::sets(statement),
        }))
    }
}

/// The list of the change's own WITH, if it stands under one: it moves to the outermost WITH.
fn own_with(work: &Work<'_>) -> Result<Option<Range<usize>>, Box<Report>> {
    let (place, facts) = (&work.place, &work.statement.facts);
    if place.number == 0 || work.clauses.verb == place.tokens.start {
        return Ok(None);
    }
    let tokens = &work.statement.tokens;
    let list = place.tokens.start + 1..work.clauses.verb;
    let recursive = tokens
        .get(list.start)
        .is_some_and(|t| t.is(Kind::Recursive));
    let bytes = work.bytes(list)?;
    let own = facts.ctes.iter().filter(|c| bytes.contains(&c.location));
    let clash = own.clone().any(|own| {
        let others = facts.ctes.iter().filter(|c| c.name == own.name).count();
        let unqualified = |r: &&TableRef| r.schema.is_none() && r.name == own.name;
        others > 1 || facts.relations.iter().any(|r| unqualified(&r))
    });
    if recursive || clash {
        return Err(Box::new(
            unsupported("this WITH inside a change under WITH")
                .hint("move its parts to the outermost WITH, under names of their own"),
        ));
    }
    Ok(Some(bytes))
}
