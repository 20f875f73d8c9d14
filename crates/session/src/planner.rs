//! Parsing and planning with caches for the whole process.
//!
//! A text is parsed once. A plan is kept under all it depended on: text, catalog epoch, search
//! path and what the session has changed, whichever session that is.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};
use std::ops::Range;
use std::sync::{Arc, Mutex};

use catalog::Catalog;
use report::Report;
use sql::{Context, ParseFailure, Plan, Temporary};

use crate::fix::Described;
use crate::keeping::Keeping;
use crate::patterns::{Patterns, Variant};
use crate::shared::{Version, lock};

/// One statement of a client's text.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    /// Where it stands in the text, in bytes.
    pub(crate) range: Range<usize>,
    /// Its own text.
    pub(crate) text: Arc<str>,
    /// What the parser made of it; of its pattern where it was not parsed itself.
    pub(crate) parsed: Option<Arc<sql::Statement>>,
    /// Where it differs from a parsed one in constants only.
    pub(crate) pattern: Option<Arc<Variant>>,
}

impl Piece {
    /// What is known of it is kept under this text: its own, or its pattern's.
    fn key(&self) -> &Arc<str> {
        self.pattern.as_ref().map_or(&self.text, |v| &v.known.key)
    }

    /// Whether nothing need be asked before it is planned. PostgreSQL takes some of these only while
    /// the transaction has had no query, and what we ask is one.
    pub(crate) fn names_nothing(&self) -> bool {
        self.parsed.as_ref().is_some_and(|s| s.names_nothing())
    }

    /// The prepared statement that an EXECUTE runs.
    pub(crate) fn executes(&self) -> Option<&str> {
        self.parsed.as_ref()?.executes()
    }

    /// Whether an EXECUTE gives back what the prepared statement does.
    pub(crate) fn returns_executed(&self) -> bool {
        self.parsed.as_ref().is_some_and(|s| s.returns_executed())
    }

    /// The name and the statement of a PREPARE.
    pub(crate) fn prepares(&self) -> Option<(&str, Self)> {
        let (name, inner) = self.parsed.as_ref()?.prepares()?;
        let piece = Self {
            range: inner.range.clone(),
            text: inner.text.as_str().into(),
            parsed: Some(Arc::clone(inner)),
            pattern: None,
        };
        Some((name, piece))
    }
}

/// The statements of one text.
pub(crate) type Script = Arc<[Piece]>;

/// The seam to crate `sql`, so that the data plane can be tested without a rewriter.
pub(crate) trait Planner: Send + Sync {
    /// Takes a text apart.
    fn parse(&self, text: &str) -> Result<Vec<Piece>, ParseFailure>;
    /// Plans one statement of it.
    fn plan(&self, piece: &Piece, context: Context<'_>) -> Result<Plan, Box<Report>>;
}

/// The real one.
pub(crate) struct SqlPlanner;

impl Planner for SqlPlanner {
    fn parse(&self, text: &str) -> Result<Vec<Piece>, ParseFailure> {
        if text
            .bytes()
            .all(|byte| byte.is_ascii_whitespace() || byte == 0x0b)
        {
            return Ok(Vec::new());
        }
        let script = sql::parse(text)?;
        let pieces = script.statements.into_iter().map(|statement| Piece {
            range: statement.range.clone(),
            text: statement.text.as_str().into(),
            parsed: Some(statement),
            pattern: None,
        });
        Ok(pieces.collect())
    }

    fn plan(&self, piece: &Piece, context: Context<'_>) -> Result<Plan, Box<Report>> {
        match &piece.parsed {
            Some(statement) => sql::plan(statement, context),
            None => Err(Box::new(
                Report::error("XX000", "statement was not parsed")
                    .hint("This is an error in pgdraft; please report it with the statement."),
            )),
        }
    }
}

/// What a plan depends on besides the text. Equal stamps, equal plans.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Stamp {
    /// Catalog epoch.
    pub(crate) epoch: u64,
    /// Effective search path.
    pub(crate) path: Arc<[String]>,
    /// Names of the connection's temporary relations.
    pub(crate) temporary: Arc<Temporary>,
    /// Stands for these relations themselves and their columns, on which no plan depends: what PostgreSQL
    /// says of a text does.
    pub(crate) shapes: i64,
    /// What the session has changed; 0 while nothing is.
    pub(crate) draft: Version,
}

impl Stamp {
    /// A stamp that no plan has.
    pub(crate) fn never() -> Self {
        Self {
            epoch: u64::MAX,
            path: Arc::default(),
            temporary: Arc::default(),
            shapes: 0,
            draft: 0,
        }
    }

    /// Names may mean something else than under the other one.
    pub(crate) fn means_otherwise(&self, other: &Self) -> bool {
        let names = |stamp: &Self| (stamp.epoch, stamp.shapes);
        names(self) != names(other)
            || (&self.path, &self.temporary) != (&other.path, &other.temporary)
    }

    /// What a plan is kept under.
    pub(crate) fn of_plan(&self) -> Self {
        Self {
            shapes: 0,
            ..self.clone()
        }
    }
}

/// PostgreSQL's longest name.
const NAME_BYTES_MAX: usize = 63;

/// Texts longer than this are not kept.
const KEPT_BYTES_MAX: usize = 64 << 10;
const SHARDS: usize = 16;

/// A map of bounded size, in shards. A full shard is emptied: what is in use comes back at once.
pub(crate) struct Cache<K, V> {
    shards: Vec<Mutex<Shard<K, V>>>,
    weight_max: usize,
}

/// Values with their weights, and the sum of these.
struct Shard<K, V> {
    values: HashMap<K, (V, usize)>,
    weight: usize,
}

impl<K, V> Default for Shard<K, V> {
    fn default() -> Self {
        Self {
            values: HashMap::new(),
            weight: 0,
        }
    }
}

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    pub(crate) fn new(weight_max: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            weight_max: weight_max / SHARDS,
        }
    }

    fn shard<Q: Hash + ?Sized>(&self, key: &Q) -> Option<&Mutex<Shard<K, V>>> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
        let index = usize::try_from(hash % SHARDS as u64).unwrap_or(0);
        self.shards.get(index)
    }

    pub(crate) fn get<Q>(&self, key: &Q) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let shard = lock(self.shard(key)?);
        shard.values.get(key).map(|(value, _)| value.clone())
    }

    /// Keeps a value that weighs so many bytes.
    pub(crate) fn put(&self, key: K, value: V, weight: usize) {
        let Some(shard) = self.shard(&key) else {
            return;
        };
        let mut shard = lock(shard);
        if shard.weight + weight > self.weight_max {
            *shard = Shard::default();
        }
        let old = shard.values.insert(key, (value, weight));
        shard.weight = shard.weight + weight - old.map_or(0, |(_, weight)| weight);
    }
}

pub(crate) type PlanKey = (Arc<str>, Stamp);
type DescribedKey = (Arc<str>, Vec<u32>, u64, Arc<[String]>, Arc<Temporary>, i64);

/// The planner with its caches.
pub(crate) struct Plans {
    planner: Arc<dyn Planner>,
    scripts: Cache<Arc<str>, Script>,
    plans: Cache<PlanKey, Arc<Plan>>,
    described: Cache<DescribedKey, Arc<Described>>,
    patterns: Patterns,
    /// What a server connection may keep prepared for simple queries.
    pub(crate) kept: Cache<PlanKey, Keeping>,
}

impl Plans {
    pub(crate) fn new(planner: Box<dyn Planner>) -> Self {
        Self {
            planner: Arc::from(planner),
            scripts: Cache::new(4 << 20),
            plans: Cache::new(32 << 20),
            described: Cache::new(8 << 20),
            patterns: Patterns::new(),
            kept: Cache::new(16 << 20),
        }
    }

    /// The text of one statement is sent again and again: from now on it is of a pattern.
    pub(crate) fn learn_again(&self, text: &str, script: &Script) -> Option<Arc<Variant>> {
        self.patterns.learn(text, script);
        let found = self.patterns.find(text)?;
        self.scripts
            .put(text.into(), Arc::clone(&found), text.len() + 64);
        found.first()?.pattern.clone()
    }

    /// The statements of a text if it was seen before, or texts that differ only in constants.
    pub(crate) fn parsed(&self, text: &str) -> Option<Script> {
        self.scripts.get(text).or_else(|| self.patterns.find(text))
    }

    /// Parses a text on this thread.
    pub(crate) fn parse(&self, text: &str) -> Result<Script, ParseFailure> {
        let script: Script = self.planner.parse(text)?.into();
        self.keep(text, &script);
        Ok(script)
    }

    /// Parses a long text elsewhere, so that other connections go on.
    pub(crate) async fn parse_long(&self, text: &str) -> Result<Script, ParseFailure> {
        let planner = Arc::clone(&self.planner);
        let owned = text.to_owned();
        let parsed = tokio::task::spawn_blocking(move || planner.parse(&owned)).await;
        match parsed {
            Ok(parsed) => {
                let script: Script = parsed?.into();
                self.keep(text, &script);
                Ok(script)
            }
            Err(error) => {
                tracing::error!(%error, "the parser failed");
                Err(ParseFailure::Refused(Box::new(
                    Report::error("XX000", "the statement could not be parsed")
                        .hint("This is an error in pgdraft; please report it with the statement."),
                )))
            }
        }
    }

    fn keep(&self, text: &str, script: &Script) {
        if text.len() <= KEPT_BYTES_MAX {
            self.scripts
                .put(text.into(), Arc::clone(script), text.len() + 64);
        }
        self.patterns.learn(text, script);
    }

    /// The plan if one was made under the same conditions.
    pub(crate) fn planned(&self, piece: &Piece, stamp: &Stamp) -> Option<Arc<Plan>> {
        if let Some(variant) = &piece.pattern {
            return self.patterns.planned(variant, &piece.text, stamp);
        }
        self.plans.get(&(Arc::clone(&piece.text), stamp.of_plan()))
    }

    /// Plans and keeps the plan, unless something has to be fetched first.
    pub(crate) fn plan(
        &self,
        piece: &Piece,
        stamp: &Stamp,
        (catalog, draft, fresh): (&Catalog, &sql::DraftView, bool),
        functions: &sql::FunctionPolicy,
    ) -> Result<Arc<Plan>, Box<Report>> {
        let names = (&stamp.path[..], &*stamp.temporary);
        let context = Context::of_client((catalog, draft), names, functions, fresh);
        if let Some(variant) = &piece.pattern {
            if let Some(plan) = self.patterns.plan(variant, &piece.text, stamp, context) {
                return Ok(plan);
            }
            return self.plan_itself(piece, context);
        }
        let plan = Arc::new(self.planner.plan(piece, context)?);
        let Some(key) = kept_under(&plan, stamp) else {
            return Ok(plan);
        };
        // a name that did not exist may exist by the next time
        if !fresh && piece.text.len() <= KEPT_BYTES_MAX {
            let weight = piece.text.len() + 256 + rewritten_bytes(&plan);
            self.plans
                .put((Arc::clone(&piece.text), key), Arc::clone(&plan), weight);
        }
        Ok(plan)
    }

    /// A text whose pattern is of no use, parsed and planned by itself.
    fn plan_itself(&self, piece: &Piece, context: Context<'_>) -> Result<Arc<Plan>, Box<Report>> {
        let parsed = self.planner.parse(&piece.text);
        match parsed.as_ref().map(Vec::as_slice) {
            Ok([own]) => Ok(Arc::new(self.planner.plan(own, context)?)),
            Err(ParseFailure::Refused(report)) => Err(report.clone()),
            _ => Err(Box::new(
                Report::error(
                    "0A000",
                    "the statement is not of the form that it seems to be",
                )
                .hint("Write its constants in another form."),
            )),
        }
    }

    /// What PostgreSQL said of a text with these parameter types.
    pub(crate) fn described(
        &self,
        piece: &Piece,
        types: &[u32],
        stamp: &Stamp,
    ) -> Option<Arc<Described>> {
        self.described.get(&described_key(piece, types, stamp))
    }

    /// Keeps what PostgreSQL said.
    pub(crate) fn keep_described(
        &self,
        piece: &Piece,
        types: &[u32],
        stamp: &Stamp,
        described: &Arc<Described>,
    ) {
        if has_long_name(&piece.text) {
            // PostgreSQL tells of it each time it reads the text
            return;
        }
        let columns = described.fields.as_ref().map_or(0, Vec::len);
        self.described.put(
            described_key(piece, types, stamp),
            Arc::clone(described),
            piece.text.len() + 256 + columns * 64,
        );
    }
}

/// The conditions under which a plan is the same; `None` for what has to be fetched first.
pub(crate) fn kept_under(plan: &Plan, stamp: &Stamp) -> Option<Stamp> {
    let asks = matches!(plan, Plan::NeedsDraft(_) | Plan::NeedsCatalog);
    (!asks).then(|| stamp.of_plan())
}

fn described_key(piece: &Piece, types: &[u32], stamp: &Stamp) -> DescribedKey {
    (
        Arc::clone(piece.key()),
        types.to_vec(),
        stamp.epoch,
        Arc::clone(&stamp.path),
        Arc::clone(&stamp.temporary),
        stamp.shapes,
    )
}

/// Whether a name may be longer than PostgreSQL stores it.
pub(crate) fn has_long_name(text: &str) -> bool {
    let letter = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
    let too_long = |name: &str| name.len() > NAME_BYTES_MAX;
    let outside_strings = text.split('\'').step_by(2);
    outside_strings
        .flat_map(|piece| piece.split('"').enumerate())
        .any(|(i, piece)| match i % 2 {
            1 => too_long(piece),
            _ => piece.split(|c| !letter(c)).any(too_long),
        })
}

fn rewritten_bytes(plan: &Plan) -> usize {
    match plan {
        Plan::Read(read) => read.text.len(),
        Plan::Write(write) => write.rewritten.text.len() + write.redacted.len(),
        Plan::Relay(_)
        | Plan::NeedsDraft(_)
        | Plan::NeedsCatalog
        | Plan::SetOperation { .. }
        | Plan::ShowOwn { .. } => 0,
    }
}
