//! In which order the tables of a draft are written.
//!
//! A step is one kind of change in one table. Foreign keys order the steps: a parent is there before
//! its children come or are moved to it, and goes after they went. Unique values that are used again
//! order them too, but nobody asks for these beforehand: inserts come first, and a step that breaks a
//! key tells after which other ones it has to come. Where both together make a circle, the foreign
//! keys inside of it give way, in one way after the other.

use std::collections::BTreeSet;

use catalog::Relation;
use draft::places;

/// What is done to rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Insert, Self::Update, Self::Delete];
}

/// One kind of change in one table, by its place among the tables, parents first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Step {
    /// The table's place.
    pub(crate) table: usize,
    /// What is done.
    pub(crate) kind: Kind,
}

/// What gives way where foreign keys and unique keys make a circle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The circle is entered with the first of these kinds.
    Circle([Kind; 3]),
    /// Children have left the parents that go, before all else.
    Leave([Kind; 3]),
    /// All tables in this order of kinds.
    All([Kind; 3]),
}

const INSERTS: [Kind; 3] = Kind::ALL;
const UPDATES: [Kind; 3] = [Kind::Update, Kind::Delete, Kind::Insert];
const DELETES: [Kind; 3] = [Kind::Delete, Kind::Update, Kind::Insert];

/// In the order they are tried.
const WAYS: [Way; 6] = [
    Way::Circle(UPDATES),
    Way::Circle(DELETES),
    Way::Leave(UPDATES),
    Way::Leave(DELETES),
    Way::All(UPDATES),
    Way::All(DELETES),
];

/// A way to write all tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The steps that have something to do.
    pub(crate) steps: Vec<Step>,
    /// Children leave the parents that go ([`places::leave_parents`]) before these.
    pub(crate) leave: bool,
}

/// A foreign key between tables of the draft, by their places.
struct Link {
    parent: usize,
    child: usize,
    /// Its children can be without a parent for a while.
    leaves: bool,
}

/// Finds the way.
pub(crate) struct Planner {
    links: Vec<Link>,
    /// The second step waits for the first.
    learned: BTreeSet<(Step, Step)>,
    way: usize,
    /// What failed already.
    tried: Vec<Plan>,
}

impl Planner {
    /// For tables in the order of [`draft::apply::parents_first`].
    pub(crate) fn new(relations: &[&Relation]) -> Self {
        let place = |id| relations.iter().position(|r| r.id == id);
        let links = relations.iter().enumerate().flat_map(|(child, relation)| {
            relation.references().filter_map(move |key| {
                Some(Link {
                    parent: place(key.parent)?,
                    child,
                    leaves: !places::leaving(relation, key).is_empty(),
                })
            })
        });
        Self::over(links.collect())
    }

    fn over(links: Vec<Link>) -> Self {
        Self {
            links,
            learned: BTreeSet::new(),
            way: 0,
            tried: Vec::new(),
        }
    }

    /// The way to go now, for the steps that have something to do.
    pub(crate) fn plan(&self, there: &BTreeSet<Step>) -> Plan {
        let way = WAYS.get(self.way).copied().unwrap_or(Way::All(DELETES));
        let steps = match way {
            Way::Circle(kinds) | Way::Leave(kinds) => {
                self.sorted(there, kinds, matches!(way, Way::Leave(_)))
            }
            Way::All(kinds) => {
                let mut steps: Vec<Step> = there.iter().copied().collect();
                steps.sort_by_key(|step| rank(*step, kinds));
                steps
            }
        };
        Plan {
            steps,
            leave: matches!(way, Way::Leave(_)),
        }
    }

    /// Takes note that `failed` did so under a plan, for this reason. Whether there is another one.
    pub(crate) fn another(
        &mut self,
        plan: Plan,
        failed: Option<Step>,
        state: Option<&str>,
        there: &BTreeSet<Step>,
    ) -> bool {
        self.tried.push(plan);
        let learned = failed.is_some_and(|step| self.learn(step, state, there));
        if learned && !self.tried.contains(&self.plan(there)) {
            return true;
        }
        while self.way + 1 < WAYS.len() {
            self.way += 1;
            if !self.tried.contains(&self.plan(there)) {
                return true;
            }
        }
        false
    }

    /// What a step that broke a key has to wait for.
    fn learn(&mut self, failed: Step, state: Option<&str>, there: &BTreeSet<Step>) -> bool {
        let table = failed.table;
        let of = |table, kind| Step { table, kind };
        let children = || self.links.iter().filter(|l| l.parent == table);
        let parents = || self.links.iter().filter(|l| l.child == table);
        let before: Vec<Step> = match (state, failed.kind) {
            (Some("23505" | "23P01"), Kind::Insert) => {
                vec![of(table, Kind::Update), of(table, Kind::Delete)]
            }
            (Some("23505" | "23P01"), Kind::Update) => vec![of(table, Kind::Delete)],
            (Some("23503"), Kind::Insert) => {
                parents().map(|l| of(l.parent, Kind::Update)).collect()
            }
            (Some("23503" | "23001"), Kind::Update) => children()
                .flat_map(|l| [of(l.child, Kind::Update), of(l.child, Kind::Delete)])
                .collect(),
            _ => Vec::new(),
        };
        let before = before
            .into_iter()
            .filter(|s| *s != failed && there.contains(s));
        let waits: Vec<(Step, Step)> = before.map(|s| (s, failed)).collect();
        let known = self.learned.len();
        self.learned.extend(waits);
        self.learned.len() > known
    }

    /// Steps after those that they wait for.
    fn sorted(&self, there: &BTreeSet<Step>, kinds: [Kind; 3], leave: bool) -> Vec<Step> {
        let mut left: Vec<Step> = there.iter().copied().collect();
        left.sort_by_key(|step| rank(*step, INSERTS));
        let mut waits = self.by_keys(leave);
        waits.extend(&self.learned);
        waits.retain(|(first, then)| there.contains(first) && there.contains(then));
        let mut sorted = Vec::with_capacity(left.len());
        while !left.is_empty() {
            let free = |s: &Step| !waits.iter().any(|(_, then)| then == s);
            let next = left.iter().copied().find(free);
            let next = next.or_else(|| self.entry(&left, &waits, kinds));
            let Some(next) = next else { break };
            left.retain(|s| *s != next);
            waits.retain(|(first, then)| *first != next && *then != next);
            sorted.push(next);
        }
        sorted
    }

    /// What foreign keys demand.
    fn by_keys(&self, leave: bool) -> BTreeSet<(Step, Step)> {
        let mut waits = BTreeSet::new();
        for link in &self.links {
            let parent = |kind| Step {
                table: link.parent,
                kind,
            };
            let child = |kind| Step {
                table: link.child,
                kind,
            };
            waits.insert((parent(Kind::Insert), child(Kind::Update)));
            if !(leave && link.leaves) {
                waits.insert((child(Kind::Update), parent(Kind::Delete)));
            }
            // in a circle of tables the columns that refer back are filled later
            if link.parent < link.child {
                waits.insert((parent(Kind::Insert), child(Kind::Insert)));
                waits.insert((child(Kind::Delete), parent(Kind::Delete)));
            }
        }
        waits
    }

    /// Where a circle is entered: a step for which nothing outside of the circle is left to wait
    /// for, and if possible nothing that was learned.
    fn entry(
        &self,
        left: &[Step],
        waits: &BTreeSet<(Step, Step)>,
        kinds: [Kind; 3],
    ) -> Option<Step> {
        let inside = |step: Step| {
            let before = ancestors(step, waits);
            before.iter().all(|s| ancestors(*s, waits).contains(&step))
        };
        let held = |step: Step| {
            self.learned
                .iter()
                .any(|w| w.1 == step && waits.contains(w))
        };
        let circle = left.iter().copied().filter(|s| inside(*s));
        circle.min_by_key(|s| (held(*s), rank(*s, kinds)))
    }
}

/// All that a step waits for.
fn ancestors(step: Step, waits: &BTreeSet<(Step, Step)>) -> BTreeSet<Step> {
    let mut found = BTreeSet::new();
    let mut open = vec![step];
    while let Some(step) = open.pop() {
        for (first, _) in waits.iter().filter(|(_, then)| *then == step) {
            if found.insert(*first) {
                open.push(*first);
            }
        }
    }
    found
}

/// By kind; within one parents first, where rows go children first.
fn rank(step: Step, kinds: [Kind; 3]) -> (usize, usize) {
    let place = kinds.iter().position(|k| *k == step.kind).unwrap_or(0);
    let table = match step.kind {
        Kind::Delete => usize::MAX - step.table,
        Kind::Insert | Kind::Update => step.table,
    };
    (place, table)
}

#[cfg(test)]
mod tests;
