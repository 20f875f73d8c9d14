//! Rewritten statements that the server keeps prepared for simple queries (ADR 33).
//!
//! PostgreSQL reads and plans the text of a simple query each time; that of a merged read or a change
//! costs more than running it. A rewritten statement that comes again is prepared under a name made
//! from its text, with the client's constants as parameters where they mean the same ([`sql::Bound`]),
//! and from then on bound and executed. The client sees a simple query's replies.

use std::sync::Arc;

use sql::{Bound, Effect, Locks, Plan};
use tokio::io::AsyncWrite;

use crate::conn::Failure;
use crate::fix::{Described, Positions};
use crate::own::silent;
use crate::planner::{Piece, PlanKey, Plans, Script, Stamp, has_long_name};
use crate::prepare::{positions, upstream_text};
use crate::prepared::{Name, Undo, upstream_name};
use crate::queue::{Fix, Rows, Want};
use crate::request::Requests;

/// What is known of a text, under the conditions of one plan.
#[derive(Debug, Clone)]
pub(crate) enum Keeping {
    /// It came so often.
    Seen(u32),
    /// It cannot be kept.
    Never,
    /// It can.
    As(Arc<Kept>),
}

/// A statement as servers keep it.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Its name there.
    name: Name,
    /// The name of the client's own text, which is kept to be described: by it PostgreSQL says whether the
    /// columns are still those that the statement was made for.
    described_as: Name,
    /// Its text with parameters.
    piece: Piece,
    plan: Arc<Plan>,
    described: Arc<Described>,
}

/// A kept statement and the values of one query.
pub(crate) type Binding = (Arc<Kept>, Arc<Bound>);

impl<W: AsyncWrite + Unpin> Requests<'_, W> {
    /// What to bind for a statement of a Query instead of sending its rewritten text.
    pub(crate) async fn kept(
        &mut self,
        (text, script): (&str, &Script),
        (piece, shift): (&Piece, usize),
        (plan, stamp): (&Plan, &Stamp),
    ) -> Result<Option<Binding>, Failure> {
        let Some(statement) = piece.parsed.as_ref().filter(|_| may_stay(plan)) else {
            return Ok(None);
        };
        let (shared, after) = (&self.conn.shared, self.conn.prepare_after);
        if after == 0 || !statement.can_stay(&shared.control.catalog()) {
            return Ok(None);
        }
        let plans = &shared.plans;
        let bound = match &piece.pattern {
            Some(variant) => variant.bound(&piece.text),
            None => statement.unbound(),
        };
        let key = |text: &str| (Arc::from(text), stamp.clone());
        let bound = match bound {
            None if piece.pattern.is_none() && plans.comes_often(&key(&piece.text), after) => {
                let variant = plans.learn_again(text, script);
                plans.kept.put(key(&piece.text), Keeping::Never, 256);
                variant.and_then(|variant| variant.bound(&piece.text))
            }
            bound => bound,
        };
        let Some(bound) = bound else {
            return Ok(None);
        };
        let key = key(&bound.text);
        if let Some(Keeping::As(kept)) = plans.kept.get(&key) {
            let takes = bound.takes(&kept.described.parameters);
            return Ok(takes.then(|| (kept, Arc::new(bound))));
        }
        if !plans.comes_often(&key, after) {
            return Ok(None);
        }
        let bound = Arc::new(bound);
        let kept = self.make_kept(&bound, shift, (plan, stamp)).await?;
        let (keeping, weight) = match &kept {
            Some(kept) => (Keeping::As(Arc::clone(kept)), 1024 + 3 * kept.bytes()),
            None => (Keeping::Never, 256 + bound.text.len()),
        };
        self.conn.shared.plans.kept.put(key, keeping, weight);
        let kept = kept.filter(|kept| bound.takes(&kept.described.parameters));
        Ok(kept.map(|kept| (kept, bound)))
    }

    /// Plans the text with parameters, and asks the server for their types.
    async fn make_kept(
        &mut self,
        bound: &Arc<Bound>,
        shift: usize,
        (plan, stamp): (&Plan, &Stamp),
    ) -> Result<Option<Arc<Kept>>, Failure> {
        if has_long_name(&bound.text) {
            // PostgreSQL tells of it each time it reads the text
            return Ok(None);
        }
        let script = self.parse(&bound.text).await?;
        let piece = match script.as_ref().map(AsRef::as_ref) {
            Ok([piece]) => piece.clone(),
            _ => return Ok(None),
        };
        let Ok((own, own_stamp)) = self.plan(&piece, false).await else {
            return Ok(None);
        };
        if own_stamp != *stamp || !same_but_text(&own, plan) {
            return Ok(None);
        }
        let to_client = Positions::Bound(Box::new(Positions::Keep), Arc::clone(bound), shift);
        let described = self
            .described(&piece, (&bound.text, &bound.types, to_client), stamp)
            .await?;
        let text = upstream_text(&own, &piece);
        Ok(Some(Arc::new(Kept {
            name: name_of(text, &described),
            described_as: name_of(&bound.text, &described),
            piece,
            plan: own,
            described,
        })))
    }

    /// PostgreSQL describes the client's own text, as far as that returns rows.
    pub(crate) fn describe_kept(&mut self, (kept, bound): &Binding, shift: usize) {
        if kept.described.fields.is_none() {
            return;
        }
        let positions = Positions::Bound(Box::new(Positions::Keep), Arc::clone(bound), shift);
        let text = (kept.piece.text.as_ref(), positions.clone());
        self.prepare_kept(&kept.described_as, text, &kept.described);
        let fix = Fix {
            swallow: true,
            rows: Rows::Keep,
            positions,
            ..Fix::default()
        };
        if self.expect(Want::Describe, Some(fix)) {
            wire::encode::describe_statement(&mut self.out, &kept.described_as);
        }
    }

    /// Binds and executes a kept statement.
    pub(crate) fn run_kept(&mut self, (kept, bound): &Binding, shift: usize, execute: Fix) {
        let inner = Box::new(positions(&kept.plan, 0));
        let positions = Positions::Bound(inner, Arc::clone(bound), shift);
        let text = upstream_text(&kept.plan, &kept.piece);
        self.prepare_kept(&kept.name, (text, positions.clone()), &kept.described);
        let bind = Fix {
            swallow: true,
            tell_rows: execute.note.is_none(),
            positions: positions.clone(),
            ..Fix::default()
        };
        if self.expect(Want::Bind, Some(bind)) {
            let values: Vec<Option<&str>> = bound.values.iter().map(|v| Some(v.as_str())).collect();
            wire::encode::bind_text(&mut self.out, b"", &kept.name, &values);
        }
        let execute = Fix {
            positions,
            tell_rows: execute.note.is_some(),
            ..execute
        };
        if self.expect(Want::Execute, Some(execute)) {
            wire::encode::execute(&mut self.out, b"", 0);
        }
    }

    /// Prepares a text where the server connection does not have it.
    fn prepare_kept(
        &mut self,
        name: &Name,
        (text, positions): (&str, Positions),
        described: &Described,
    ) {
        if self.conn.lane().held.has(name) {
            return;
        }
        let fix = Fix {
            swallow: true,
            positions,
            undo: self.make_room(name),
            ..Fix::default()
        };
        if self.expect(Want::Parse, Some(fix)) {
            wire::encode::parse(&mut self.out, name, text, &described.parameters);
        }
    }

    /// The server connection is about to get this statement, and gives up another where it has too many.
    pub(crate) fn make_room(&mut self, name: &Name) -> Vec<Undo> {
        let limit = self.conn.statements_max;
        let evicted = self.conn.lane().held.add(name, limit);
        for name in evicted.iter().chain([name]) {
            // it may be there all the same, after a request that was taken back
            if self.expect(Want::Close, Some(silent())) {
                wire::encode::close_statement(&mut self.out, name);
            }
        }
        vec![Undo::Held(name.clone())]
    }
}

impl Plans {
    /// A text comes once more: whether that is often enough to be kept.
    fn comes_often(&self, key: &PlanKey, after: u32) -> bool {
        let before = match self.kept.get(key) {
            Some(Keeping::Seen(times)) => times,
            Some(Keeping::Never) => return false,
            Some(Keeping::As(_)) | None => 0,
        };
        let often = before + 1 >= after;
        if !often {
            let weight = 256 + key.0.len();
            self.kept
                .put(key.clone(), Keeping::Seen(before + 1), weight);
        }
        often
    }
}

impl Kept {
    fn bytes(&self) -> usize {
        self.piece.text.len() + upstream_text(&self.plan, &self.piece).len()
    }
}

/// A name for a text and what PostgreSQL says of it: a text that comes to mean something else has another.
fn name_of(text: &str, described: &Described) -> Name {
    let fields = described.fields.iter().flatten();
    let numbers = fields.clone().flat_map(|field| {
        let column = i32::from(field.column).cast_unsigned();
        let modifier = field.type_modifier.cast_unsigned();
        [field.table, column, field.type_id, modifier]
    });
    let types: Vec<u32> = described
        .parameters
        .iter()
        .copied()
        .chain(numbers)
        .collect();
    let names = fields.map(|field| String::from_utf8_lossy(&field.name));
    let text: String = [text.into()].into_iter().chain(names).collect();
    upstream_name(b"kept", &text, &types, &[])
}

fn may_stay(plan: &Plan) -> bool {
    match plan {
        Plan::Read(read) => read.locks == Locks::No && read.effect == Effect::None,
        Plan::Write(write) => write.rewritten.locks == Locks::No,
        _ => false,
    }
}

/// With parameters it does the same to the same tables.
fn same_but_text(one: &Plan, other: &Plan) -> bool {
    match (one, other) {
        (Plan::Read(one), Plan::Read(other)) => {
            one.merged == other.merged && one.locks == other.locks && one.effect == other.effect
        }
        (Plan::Write(one), Plan::Write(other)) => {
            one.changes == other.changes
                && one.verb == other.verb
                && one.returning == other.returning
                && one.doubled == other.doubled
                && one.counted == other.counted
                && one.reads == other.reads
                && one.rewritten.merged == other.rewritten.merged
                && one.rewritten.locks == other.rewritten.locks
        }
        _ => false,
    }
}
