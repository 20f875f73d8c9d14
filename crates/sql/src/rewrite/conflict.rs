//! INSERT … ON CONFLICT: the proposed rows are joined with the merged read by the arbiter's key;
//! hits become changed images, misses new rows, in one INSERT into the head.

use std::ops::Range;

use catalog::{Column, Command, quote_identifier as q};
use pg_query::NodeEnum as Node;
use pg_query::protobuf::{InsertStmt, OnConflictAction, OnConflictClause, Token as Kind};
use report::Report;

use crate::classify::unsupported;
use crate::merge::Scan;
use crate::rewrite::assign::{Assignment, assignments};
use crate::rewrite::before::Fires;
use crate::rewrite::change::{list, mismatch};
use crate::rewrite::moving::{self, Rows};
use crate::rewrite::noted;
use crate::rewrite::returning::{Does, Returning};
use crate::rewrite::storing::assigned;
use crate::rewrite::work::{Twice, Work, Written};
use crate::splice::{Edit, Splice};
use crate::volatile::Risk;

/// Several rows whose keys change: each meets what the one before it left.
const ALONE: &str = "CASE WHEN pgdraft_hit AND pg_catalog.count(*) OVER () > 1 THEN pgdraft.moved_among_others() ELSE true END";

mod arbiter;
mod bounds;
mod proposed;
mod similar;

use arbiter::Arbiter;

pub(crate) fn write<'a>(
    work: &Work<'a>,
    tree: &InsertStmt,
    clause: &OnConflictClause,
) -> Result<Written<'a>, Box<Report>> {
    let updates = clause.action != OnConflictAction::OnconflictNothing as i32;
    let arbiters = arbiter::find(work, clause.infer.as_deref(), updates)?;
    let places = Places::find(work, tree).ok_or_else(mismatch)?;
    let mut out = work.written();
    proposed::write(work, tree, (&places, &arbiters), out.cte())?;
    // a row that DO UPDATE changes is its own reason
    if !updates || places.filter.is_some() {
        let ways = arbiters.iter();
        let ways = ways.map(|a| |row: &str| a.matches("i", |name| format!("{row}.{}", q(name))));
        let ways: Vec<_> = ways.collect();
        out.ctes
            .ours(&noted::met(work, &work.name("in"), &ways, updates));
    }
    let does = if updates { Does::Upsert } else { Does::Insert };
    let returning = Returning::find(work, tree.returning_clause.as_ref(), (does, &[]))?;
    if updates {
        update(work, clause, (&arbiters, &places), &returning, &mut out)?;
        return Ok(out);
    }
    let insert = nothing(work, &arbiters, &mut out)?;
    returning.close(work, &mut out, &insert, true)?;
    Ok(out)
}

/// An INSERT without ON CONFLICT whose values are not simply those that it names: written as its rows,
/// none of which may meet another.
pub(crate) fn rows<'a>(work: &Work<'a>, tree: &InsertStmt) -> Result<Written<'a>, Box<Report>> {
    let places = Places::find(work, tree).ok_or_else(mismatch)?;
    let mut out = work.written();
    proposed::write(work, tree, (&places, &[]), out.cte())?;
    let returning = Returning::find(work, tree.returning_clause.as_ref(), (Does::Insert, &[]))?;
    let insert = nothing(work, &[], &mut out)?;
    out.twice = work.key_name();
    returning.close(work, &mut out, &insert, true)?;
    Ok(out)
}

/// Where the parts of the statement lie, by token index.
struct Places {
    /// The source: VALUES or SELECT, up to ON CONFLICT; empty for DEFAULT VALUES.
    source: Range<usize>,
    /// Behind DO UPDATE SET.
    set: Option<Range<usize>>,
    /// Behind the WHERE of DO UPDATE.
    filter: Option<Range<usize>>,
}

impl Places {
    fn find(work: &Work<'_>, tree: &InsertStmt) -> Option<Self> {
        let tokens = &work.statement.tokens;
        let depth = work.place.depth;
        let end = work.clauses.returning.unwrap_or(work.clauses.end);
        let conflict = tokens.find(work.clauses.verb..end, depth, |before, t| {
            t.is(Kind::Conflict) && before.is_some_and(|b| b.is(Kind::On))
        });
        let source_end = match (conflict, &tree.on_conflict_clause) {
            (Some(conflict), Some(_)) => conflict - 1,
            (_, None) => end,
            (None, Some(_)) => return None,
        };
        let name = crate::walk::byte(tree.relation.as_ref()?.location);
        let (_, mut from) = tokens.name_at(name)?;
        if tokens.get(from).is_some_and(|t| t.is(Kind::As)) {
            from += 2;
        }
        if !tree.cols.is_empty() {
            from = tokens.find(from..source_end, depth, |_, t| t.is(Kind::Ascii41))? + 1;
        }
        if tokens.get(from).is_some_and(|t| t.is(Kind::Overriding)) {
            from += 3;
        }
        let action = tokens.find(source_end..end, depth, |_, t| t.is(Kind::Do));
        let set = action.and_then(|a| tokens.find(a..end, depth, |_, t| t.is(Kind::Set)));
        let filter = set.and_then(|s| tokens.find(s..end, depth, |_, t| t.is(Kind::Where)));
        Some(Self {
            source: from..source_end,
            set: set.map(|s| s + 1..filter.unwrap_or(end)),
            filter: filter.map(|f| f + 1..end),
        })
    }
}

/// Whether a proposed row meets a row of the merged table by that key.
fn meets(work: &Work<'_>, arbiter: &Arbiter<'_>, input: &str) -> Result<String, Box<Report>> {
    let target = work.changed.table(work.context, Risk::None, Scan::Sought);
    let target = target.ok_or_else(mismatch)?;
    let same = arbiter.matches(input, |column| format!("t.{}", q(column)));
    Ok(format!("EXISTS (SELECT 1 FROM {target} AS t WHERE {same})"))
}

/// DO NOTHING: rows that meet no key of the merged table, the first of each key among them. Over
/// several keys that is PostgreSQL's choice as long as each row left out meets one that is kept; where
/// it only meets rows that are left out themselves, the statement is refused as it runs.
fn nothing<'a>(
    work: &Work<'a>,
    arbiters: &[Arbiter<'_>],
    out: &mut Written<'a>,
) -> Result<Splice<'a>, Box<Report>> {
    let (absent, chosen) = (work.name("absent"), work.name("first"));
    let mut conditions = Vec::new();
    for arbiter in arbiters {
        conditions.push(format!("NOT {}", meets(work, arbiter, "i")?));
    }
    let first = arbiters.iter().map(|a| first(a, &absent));
    let met = arbiters.iter().map(|a| met(a, &chosen));
    let wanted = if arbiters.len() < 2 && !arbiters.iter().any(|a| a.excludes) {
        "pgdraft_first"
    } else {
        "CASE WHEN pgdraft_first OR pgdraft_met THEN pgdraft_first ELSE pgdraft.entangled() END"
    };
    out.cte().ours(&format!(
        "{absent} AS MATERIALIZED (SELECT i.* FROM {} AS i WHERE {})",
        work.name("in"),
        joined(conditions, " AND ", "true"),
    ));
    out.cte().ours(&format!(
        "{chosen} AS MATERIALIZED (SELECT i.*, {} AS pgdraft_first FROM {absent} AS i)",
        joined(first, " AND ", "true")
    ));
    let writable = work.changed.writable().len();
    let images = list((0..writable).map(|i| format!("pgdraft_i{i}")));
    let mut insert = work.splice();
    insert.ours(&format!(
        "INSERT INTO {head} AS {alias}({columns}) SELECT {images} FROM (SELECT i.*, {met} AS pgdraft_met FROM {chosen} AS i) AS f WHERE {wanted} ORDER BY pgdraft_n{guard}",
        head = work.changed.head.table(),
        alias = work.changed.alias(),
        columns = work.changed.writable_list(),
        met = joined(met, " OR ", "false"),
        guard = work.changed.guard(),
    ));
    Ok(insert)
}

/// Row `i` is the first of those that meet by that key.
fn first(arbiter: &Arbiter<'_>, rows: &str) -> String {
    if arbiter.excludes {
        return format!(
            "NOT EXISTS (SELECT 1 FROM {rows} AS e WHERE e.pgdraft_n < i.pgdraft_n AND {})",
            arbiter.meet("e", "i")
        );
    }
    format!(
        "({} OR row_number() OVER (PARTITION BY {} ORDER BY i.pgdraft_n) = 1)",
        arbiter.never("i"),
        arbiter.partition("i")
    )
}

/// Row `i` meets one before it that is inserted.
fn met(arbiter: &Arbiter<'_>, rows: &str) -> String {
    if arbiter.excludes {
        return format!(
            "EXISTS (SELECT 1 FROM {rows} AS e WHERE e.pgdraft_first AND e.pgdraft_n < i.pgdraft_n AND {})",
            arbiter.meet("e", "i")
        );
    }
    format!(
        "NOT ({}) AND first_value(i.pgdraft_first) OVER (PARTITION BY {} ORDER BY i.pgdraft_n)",
        arbiter.never("i"),
        arbiter.partition("i")
    )
}

fn joined(parts: impl IntoIterator<Item = String>, with: &str, nothing: &str) -> String {
    let parts: Vec<String> = parts.into_iter().collect();
    if parts.is_empty() {
        nothing.to_owned()
    } else {
        parts.join(with)
    }
}

/// DO UPDATE: hits with their new image, misses as they were proposed.
fn update<'a>(
    work: &Work<'a>,
    clause: &OnConflictClause,
    (arbiters, places): (&[Arbiter<'_>], &Places),
    returning: &Returning,
    out: &mut Written<'a>,
) -> Result<(), Box<Report>> {
    work.needs_key()?;
    let changed = &work.changed;
    let arbiter = arbiters.first().ok_or_else(mismatch)?;
    let content = places.set.clone().ok_or_else(mismatch)?;
    let edits = excluded_edits(work)?;
    let assignments = assignments((work, &edits), &clause.target_list, content)?;
    let own_key = changed.relation.key() == Some(arbiter.key);
    let kept = match own_key && changed.through.is_none() {
        true => proposed_to_themselves(clause),
        false => Vec::new(),
    };
    let assigned = || {
        assignments
            .iter()
            .map(|a| &a.column)
            .filter(|c| !kept.contains(&c.as_str()))
    };
    let keys = assigned().any(|column| changed.is_key(column));
    let fires = Fires::of_update(changed, &assignments);
    let moves = keys || fires.is_some();
    out.cascades = assigned().any(|column| changed.is_referenced(column));
    out.twice = Twice::Cardinality;
    let found = if moves { work.name("hit") } else { work.src() };
    hits(
        work,
        (&found, arbiter),
        (&assignments, fires.as_ref(), returning),
        (places, &edits),
        out.cte(),
    )?;
    if moves {
        let alone = if keys { ALONE } else { "true" };
        let once = once(arbiter, &found, alone);
        let assigned = (assignments.as_slice(), fires.as_ref());
        return move_keys(work, (&found, &once), assigned, returning, out);
    }
    let logged = " WHERE pgdraft_hit AND pgdraft_wanted";
    work.log(out, 'U', logged);
    let writable = changed.writable();
    let values = (0..writable.len()).map(|i| image(&writable, &assignments, i));
    let mut insert = work.splice();
    let mut checks = work.met_row();
    checks.extend(work.new_images(Command::Update, true, |i| image(&writable, &assignments, i)));
    let checked = of_hits(&checks);
    let live = live(work, own_key)?;
    insert.ours(&format!(
        "INSERT INTO {head} AS {alias}({columns}, pgdraft_live, pgdraft_new) SELECT {values}, {live}, CASE WHEN pgdraft_hit THEN pgdraft_new ELSE true END FROM {src} WHERE (NOT pgdraft_hit OR pgdraft_wanted){checked} ORDER BY pgdraft_n{upsert}",
        head = changed.head.table(),
        alias = changed.alias(),
        columns = changed.writable_list(),
        values = list(values),
        live = if own_key { live } else { once(arbiter, &found, &live) },
        src = work.src(),
        upsert = changed.upsert_with_key(),
    ));
    returning.close(work, out, &insert, true)
}

/// ` AND …`: of a row that is met these hold, or raise.
fn of_hits(checks: &[String]) -> String {
    match checks {
        [] => String::new(),
        checks => format!(
            " AND CASE WHEN pgdraft_hit THEN {} ELSE true END",
            checks.join(" AND ")
        ),
    }
}

/// Columns of `SET column = excluded.column`. Of those by which the row was found the value stays
/// equal: nothing moves.
fn proposed_to_themselves(clause: &OnConflictClause) -> Vec<&str> {
    let targets = clause
        .target_list
        .iter()
        .filter_map(|target| match &target.node {
            Some(Node::ResTarget(target)) => Some(target),
            _ => None,
        });
    let alike = targets.filter(|target| {
        let value = target.val.as_ref().and_then(|value| value.node.as_ref());
        let Some(Node::ColumnRef(column)) = value else {
            return false;
        };
        let names = column.fields.iter().map(|field| match &field.node {
            Some(Node::String(name)) => name.sval.as_str(),
            _ => "",
        });
        target.indirection.is_empty() && names.eq(["excluded", target.name.as_str()])
    });
    alike.map(|target| target.name.as_str()).collect()
}

/// The proposed rows beside those they meet: whether one is met, its image, what is assigned.
fn hits(
    work: &Work<'_>,
    (name, arbiter): (&str, &Arbiter<'_>),
    (assignments, fires, returning): (&[Assignment], Option<&Fires<'_>>, &Returning),
    (places, edits): (&Places, &[Edit]),
    splice: &mut Splice<'_>,
) -> Result<(), Box<Report>> {
    let changed = &work.changed;
    let hit = changed.met();
    splice.ours(&format!(
        "{name} AS MATERIALIZED (SELECT excluded.*, {}{}, {hit} AS pgdraft_hit",
        changed.images(),
        fires.map_or_else(String::new, Fires::generated),
    ));
    for (i, assignment) in assignments.iter().enumerate() {
        // a miss has no row to compute from, and must not fail on it
        // and the new image is one of several of the same type
        let column = changed.relation.column(&assignment.column);
        let declared = &column.ok_or_else(mismatch)?.declared;
        let (open, close) = assigned(work.context.catalog, declared);
        splice.ours(&format!(", CASE WHEN {hit} THEN {open}"));
        assignment.value.write(splice, edits);
        splice.ours(&format!("{close} END AS n{i}"));
    }
    splice.ours(&format!(", CASE WHEN {hit} THEN ("));
    match &places.filter {
        Some(filter) => splice.copy_edited(work.bytes(filter.clone())?, edits),
        None => splice.ours("true"),
    }
    let writable = changed.writable();
    let same = arbiter.matches("excluded", |name| {
        let i = writable.iter().position(|c| c.name == name);
        i.map_or_else(|| changed.column(name), |i| changed.old(i, name))
    });
    splice.ours(&format!(
        ") END AS pgdraft_wanted{lifted} FROM {input} AS excluded LEFT JOIN {source} AS {alias} ON {same})",
        lifted = returning.lifted(),
        input = work.name("in"),
        source = changed.any_row(work.context).ok_or_else(mismatch)?,
        alias = changed.alias(),
    ));
    Ok(())
}

/// The new image of the `i`th writable column.
fn image(writable: &[&Column], assignments: &[Assignment], i: usize) -> String {
    let name = writable.get(i).map(|c| &c.name);
    let hit = match assignments.iter().position(|a| Some(&a.column) == name) {
        Some(n) => format!("n{n}"),
        None => format!("o{i}"),
    };
    format!("CASE WHEN pgdraft_hit THEN {hit} ELSE pgdraft_i{i} END")
}

/// The key itself is assigned: what a row leaves and what it takes are written as by MERGE.
fn move_keys<'a>(
    work: &Work<'a>,
    (found, once): (&str, &str),
    (assignments, fires): (&[Assignment], Option<&Fires<'_>>),
    returning: &Returning,
    out: &mut Written<'a>,
) -> Result<(), Box<Report>> {
    let writable = work.changed.writable();
    let count = writable.len();
    let old = list((0..count).map(|i| format!("o{i}")));
    let new = list((0..count).map(|i| {
        let image = image(&writable, assignments, i);
        format!("{image} AS pgdraft_w{i}")
    }));
    let (of_fired, values, end) = match fires {
        Some(fires) => (
            format!("SELECT b.*{} FROM (", fires.fields()),
            format!(
                "CASE WHEN pgdraft_hit THEN {} ELSE {} END AS pgdraft_f",
                fires.updated(|i, _| image(&writable, assignments, i)),
                fires.row(|i, _| format!("pgdraft_i{i}")),
            ),
            " OFFSET 0) AS b WHERE b.pgdraft_f IS DISTINCT FROM NULL",
        ),
        None => (String::new(), new, ""),
    };
    out.cascades |= fires.is_some() && !work.changed.drafted.referenced_by.is_empty();
    out.cte().ours(&format!(
        "{src} AS MATERIALIZED ({of_fired}SELECT {old}, pgdraft_new, CASE WHEN pgdraft_hit THEN 'U' ELSE 'I' END AS pgdraft_kind, {once} AS pgdraft_once, {values}{lifted} FROM {found} WHERE (NOT pgdraft_hit OR pgdraft_wanted){checked}{end})",
        checked = of_hits(&work.met_row()),
        src = work.src(),
        lifted = returning.lifted_names(),
    ));
    moving::finish(
        work,
        Rows::Mixed,
        |i| format!("pgdraft_w{i}"),
        returning,
        out,
    )
}

/// Two proposed rows that are equal on the arbiter: the second meets what the first wrote. Where
/// the arbiter is the primary key the head says so itself, unless keys move.
fn once(arbiter: &Arbiter<'_>, found: &str, live: &str) -> String {
    format!(
        "CASE WHEN NOT ({}) AND row_number() OVER (PARTITION BY {} ORDER BY pgdraft_n) > 1 THEN pgdraft.second_time('ON CONFLICT DO UPDATE', 'Ensure that no rows proposed for insertion within the same command have duplicate constrained values.') ELSE {live} END",
        arbiter.never(found),
        arbiter.partition(found),
    )
}

/// A miss on the arbiter can still meet the primary key: that is 23505, as in PostgreSQL.
fn live(work: &Work<'_>, own_key: bool) -> Result<String, Box<Report>> {
    let relation = &work.changed.relation;
    let key = relation.key().ok_or_else(mismatch)?;
    if own_key {
        return Ok("true".to_owned());
    }
    let key = Arbiter::of_key(relation, key);
    let duplicate = work.changed.duplicate("true", &key.values(&work.src()));
    Ok(format!(
        "CASE WHEN pgdraft_hit OR NOT {} THEN true ELSE {duplicate} END",
        meets(work, &key, &work.src())?
    ))
}

/// `excluded.column` → `excluded.pgdraft_iN`: under their own names the proposed columns would be
/// ambiguous with the target's. `excluded` and `excluded.*` are a row of what the client names.
fn excluded_edits(work: &Work<'_>) -> Result<Vec<Edit>, Box<Report>> {
    let (tokens, shown) = (&work.statement.tokens, work.changed.shown());
    let mut edits = work.edits.clone();
    let bytes = work.bytes(work.place.tokens.clone())?;
    for column in work.columns_in(bytes) {
        let fields: Vec<&str> = column.fields.iter().map(String::as_str).collect();
        let (named, text) = match fields.as_slice() {
            ["excluded"] if shown.column("excluded").is_none() => (1, row(work)?),
            ["excluded", "*"] if work.statement.facts.spread.contains(&column.location) => {
                (3, format!("({}).*", row(work)?))
            }
            ["excluded", "*"] => (3, row(work)?),
            ["excluded", name] if shown.column(name).is_none() => {
                let message = format!("column excluded.{name} does not exist");
                let report = Report::error("42703", message);
                return Err(Box::new(report.position(column.location + 1)));
            }
            ["excluded", name] => (3, proposed(work, name)?),
            _ => continue,
        };
        let first = tokens.at(column.location).ok_or_else(mismatch)?;
        let range = tokens.bytes(first..first + named).ok_or_else(mismatch)?;
        edits.push(Edit::new(range, text));
    }
    edits.sort_by_key(|e| (e.range.start, e.range.end));
    Ok(edits)
}

/// The proposed value of a column of what the client names.
fn proposed(work: &Work<'_>, name: &str) -> Result<String, Box<Report>> {
    let own = match &work.changed.through {
        Some(through) => through.column(name),
        None => Some(name),
    };
    let mut columns = proposed::columns(&work.changed.relation);
    let i = columns.position(|c| Some(c.name.as_str()) == own);
    let i = i.ok_or_else(|| {
        Box::new(unsupported("an expression of a view in excluded").hint("name the view's columns"))
    })?;
    Ok(format!("excluded.pgdraft_i{i}"))
}

/// The proposed values as a row of its type.
fn row(work: &Work<'_>) -> Result<String, Box<Report>> {
    let shown = work.changed.shown();
    let values = shown.columns.iter().map(|c| proposed(work, &c.name));
    let values = list(values.collect::<Result<Vec<_>, _>>()?);
    Ok(format!("ROW({values})::{}", shown.qualified()))
}
