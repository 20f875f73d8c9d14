//! UPDATE of a primary key, and MERGE: a row whose key changes leaves a tombstone under its old key
//! and lives under its new one, both written by one INSERT.
//!
//! Where keys are shifted over each other (`id = id + 1`) one key can be left and taken in the same
//! statement: then it has no tombstone. Two rows that come to one key are PostgreSQL's 23505.

use catalog::{Command, quote_identifier as q};
use report::Report;

use crate::merge;
use crate::resolve;
use crate::rewrite::change::{list, mismatch};
use crate::rewrite::returning::Returning;
use crate::rewrite::work::{Work, Written};

/// What the rows of a source are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    /// All of them are updated.
    Updated,
    /// Column `pgdraft_kind` says it of each: `I`, `U` or `D`; `pgdraft_once` is true, or raises.
    Mixed,
}

/// Appends everything behind the source; `new` names the source's columns with the new images.
pub(crate) fn finish(
    work: &Work<'_>,
    kind: Rows,
    new: impl Fn(usize) -> String,
    returning: &Returning,
    out: &mut Written<'_>,
) -> Result<(), Box<Report>> {
    if !work.changed.drafted.instead.is_empty() {
        // committed, it can be a row that goes and one that comes
        return Err(Box::new(resolve::done_instead(&work.changed.drafted)));
    }
    let keys = Keys::of(work, &new).ok_or_else(mismatch)?;
    out.cte().ours(&images(work, kind, &keys, &new));
    out.cte().ours(&log(work, kind, &keys));
    out.cte().ours(&rows(work, kind, &keys));
    out.counted = work.clauses.returning.is_none();
    let filter = match kind {
        Rows::Updated => "pgdraft_live",
        Rows::Mixed => "NOT pgdraft_moved",
    };
    let rows = format!("(SELECT * FROM {} WHERE {filter})", work.name("row"));
    returning.select(work, &mut out.body, &rows, new)
}

/// Conditions over old and new keys, by the key's own equality.
struct Keys {
    /// Quoted key columns.
    columns: Vec<String>,
    /// The source's columns with the new key.
    new: Vec<String>,
    /// A row keeps its key.
    same: String,
    /// Another row `t` takes the key that a row of the source leaves.
    taken: String,
    /// `s.o<i> =` per key column: what row `s` of the source left.
    left: Vec<String>,
}

impl Keys {
    fn of(work: &Work<'_>, new: impl Fn(usize) -> String) -> Option<Self> {
        let (key, src) = (work.changed.relation.key()?, work.src());
        let writable = work.changed.writable();
        let (mut same, mut taken) = (Vec::new(), Vec::new());
        let (mut left, mut targets) = (Vec::new(), Vec::new());
        for (n, column) in key.columns.iter().enumerate() {
            let i = writable.iter().position(|c| c.name == *column)?;
            let equals = merge::equals(key, n);
            same.push(format!("{} {equals} o{i}", new(i)));
            taken.push(format!("t.{} {equals} {src}.o{i}", new(i)));
            left.push(format!("s.o{i} {equals}"));
            targets.push(new(i));
        }
        Some(Self {
            columns: key.columns.iter().map(|k| q(k)).collect(),
            new: targets,
            same: same.join(" AND "),
            taken: taken.join(" AND "),
            left,
        })
    }

    /// The new key has no NULL in it.
    fn given(&self) -> String {
        let parts = self
            .new
            .iter()
            .map(|n| format!("{n} IS DISTINCT FROM NULL"));
        parts.collect::<Vec<_>>().join(" AND ")
    }

    /// Whether row `s` of the source left the key of that row.
    fn was_left(&self, row: &str) -> String {
        let pairs = self.left.iter().zip(&self.columns);
        let parts: Vec<String> = pairs.map(|(l, c)| format!("{l} {row}.{c}")).collect();
        parts.join(" AND ")
    }
}

/// The images to be written, live ones and tombstones.
fn images(work: &Work<'_>, kind: Rows, keys: &Keys, new: impl Fn(usize) -> String) -> String {
    let changed = &work.changed;
    let writable = changed.writable();
    let named = |of: &dyn Fn(usize) -> String| {
        let columns = writable.iter().enumerate();
        list(columns.map(|(i, c)| format!("{} AS {}", of(i), q(&c.name))))
    };
    let same = &keys.same;
    let reads = work.reads_target(None);
    let checks = |command, reads| work.new_images(command, reads, &new).join(" AND ");
    let updated = checks(Command::Update, reads);
    let checked = match kind {
        Rows::Updated if updated.is_empty() => String::new(),
        Rows::Updated => format!(" WHERE {updated}"),
        Rows::Mixed => {
            // what a new row shows is asked where it is shown
            let shown = reads && work.clauses.returning.is_some();
            let kinds = [('U', updated), ('I', checks(Command::Insert, shown))];
            let arms = kinds.iter().filter(|(_, checks)| !checks.is_empty());
            let arms: String = arms
                .map(|(kind, checks)| format!(" WHEN '{kind}' THEN {checks}"))
                .collect();
            match arms.is_empty() {
                true => arms,
                false => format!(" AND CASE pgdraft_kind{arms} ELSE true END"),
            }
        }
    };
    let (once, stays, gone, moved, taker) = match kind {
        Rows::Updated => ("true", "", format!("NOT ({same})"), "true", ""),
        Rows::Mixed => (
            "pgdraft_once",
            " WHERE pgdraft_kind <> 'D'",
            format!("pgdraft_once AND (pgdraft_kind = 'D' OR pgdraft_kind = 'U' AND NOT ({same}))"),
            "pgdraft_kind = 'U'",
            "t.pgdraft_kind <> 'D' AND ",
        ),
    };
    format!(
        "{image} AS (\
         SELECT CASE WHEN pg_catalog.count(*) OVER (PARTITION BY {targets}) > 1 AND {given} THEN {duplicate} ELSE {once} END AS pgdraft_live, false AS pgdraft_moved, \
         CASE WHEN {same} THEN pgdraft_new ELSE true END AS pgdraft_new, {new_images} FROM {src}{stays}{checked} \
         UNION ALL SELECT false, {moved}, pgdraft_new, {old_images} FROM {src} WHERE {gone} AND NOT EXISTS (SELECT 1 FROM {src} t WHERE {taker}{taken}))",
        image = work.name("image"),
        src = work.src(),
        targets = keys.new.join(", "),
        // NULL is not a duplicate: the head says what PostgreSQL says of it
        given = keys.given(),
        duplicate = changed.duplicate("true", &keys.new),
        new_images = named(&new),
        old_images = named(&|i| format!("o{i}")),
        taken = keys.taken,
    )
}

fn log(work: &Work<'_>, kind: Rows, keys: &Keys) -> String {
    let changed = &work.changed;
    let same = &keys.same;
    let (letter, filter) = match kind {
        Rows::Updated => (format!("CASE WHEN {same} THEN 'U' ELSE 'D' END"), ""),
        Rows::Mixed => (
            format!("CASE WHEN pgdraft_kind = 'U' AND {same} THEN 'U' ELSE 'D' END"),
            " WHERE pgdraft_kind <> 'I'",
        ),
    };
    format!(
        "{name} AS (INSERT INTO {log}(pgdraft_kind, {names}) \
         SELECT ({letter})::\"char\", {old} FROM {src}{filter} ON CONFLICT DO NOTHING)",
        name = work.name("log"),
        log = changed.head.log(),
        names = changed.writable_list(),
        old = list((0..changed.writable().len()).map(|i| format!("o{i}"))),
        src = work.src(),
    )
}

/// The one INSERT of all images into the head, tombstones first: what they leave is free then.
fn rows(work: &Work<'_>, kind: Rows, keys: &Keys) -> String {
    let changed = &work.changed;
    let assign: String = changed
        .writable()
        .iter()
        .map(|c| format!(", {c} = EXCLUDED.{c}", c = q(&c.name)))
        .collect();
    let present: Vec<String> = keys.columns.iter().map(|c| format!("h.{c}")).collect();
    let found = match kind {
        Rows::Updated => "",
        Rows::Mixed => "s.pgdraft_kind <> 'I' AND ",
    };
    format!(
        "{row} AS (INSERT INTO {head} AS h({names}, pgdraft_live, pgdraft_moved, pgdraft_new) \
         SELECT {names}, pgdraft_live, pgdraft_moved, CASE WHEN EXISTS (SELECT 1 FROM {src} s WHERE {found}{left_new} AND NOT s.pgdraft_new) THEN false ELSE pgdraft_new END FROM {image} e ORDER BY pgdraft_live \
         ON CONFLICT (pgdraft_sid, {keys}) DO UPDATE SET pgdraft_op = EXCLUDED.pgdraft_op, pgdraft_moved = EXCLUDED.pgdraft_moved, \
         pgdraft_live = CASE WHEN EXCLUDED.pgdraft_live AND h.pgdraft_live AND NOT EXISTS (SELECT 1 FROM {src} s WHERE {found}{left_head}) \
         THEN {duplicate} ELSE EXCLUDED.pgdraft_live END{assign} RETURNING h.*{system})",
        row = work.name("row"),
        src = work.src(),
        image = work.name("image"),
        head = changed.head.table(),
        names = changed.writable_list(),
        left_new = keys.was_left("e"),
        keys = keys.columns.join(", "),
        left_head = keys.was_left("h"),
        duplicate = changed.duplicate("true", &present),
        system = changed.system.returned("h"),
    )
}
