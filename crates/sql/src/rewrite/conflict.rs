//! INSERT … ON CONFLICT: the proposed rows are joined with the merged read by the arbiter's key;
//! hits become changed images, misses new rows, in one INSERT into the head.

use std::ops::Range;

use catalog::{Key, quote_identifier as q};
use pg_query::NodeEnum;
use pg_query::protobuf::{
    InferClause, InsertStmt, OnConflictAction, OnConflictClause, OverridingKind, Token as Kind,
};
use report::Report;

use crate::classify::unsupported;
use crate::merge;
use crate::plan::Verb;
use crate::rewrite::assign::{assignments, cast_type};
use crate::rewrite::change::{list, mismatch};
use crate::rewrite::returning::Returning;
use crate::rewrite::work::{Twice, Work, Written};
use crate::splice::{Edit, Splice};

mod proposed;

pub(crate) fn write<'a>(
    work: &Work<'a>,
    tree: &InsertStmt,
    clause: &OnConflictClause,
) -> Result<Written<'a>, Box<Report>> {
    if work.changed.through.is_some() {
        return Err(Box::new(
            unsupported("ON CONFLICT through a view").hint("name the table behind the view"),
        ));
    }
    if tree.r#override == OverridingKind::OverridingUserValue as i32 {
        return Err(Box::new(
            unsupported("OVERRIDING USER VALUE with ON CONFLICT")
                .hint("leave the identity column out"),
        ));
    }
    let arbiters = arbiters(work, clause.infer.as_deref())?;
    let places = Places::find(work, tree).ok_or_else(mismatch)?;
    let mut out = work.written(Verb::Insert);
    proposed::write(work, tree, &places, out.cte())?;
    let insert = if clause.action == OnConflictAction::OnconflictNothing as i32 {
        nothing(work, &arbiters)?
    } else {
        out.twice = Twice::Cardinality;
        update(work, clause, &arbiters, &places, &mut out)?
    };
    let returning = Returning::find(work, tree.returning_clause.as_ref(), &[])?;
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
        })?;
        let name = crate::walk::byte(tree.relation.as_ref()?.location);
        let (_, mut from) = tokens.name_at(name)?;
        if tokens.get(from).is_some_and(|t| t.is(Kind::As)) {
            from += 2;
        }
        if !tree.cols.is_empty() {
            from = tokens.find(from..conflict, depth, |_, t| t.is(Kind::Ascii41))? + 1;
        }
        let action = tokens.find(conflict..end, depth, |_, t| t.is(Kind::Do))?;
        let set = tokens.find(action..end, depth, |_, t| t.is(Kind::Set));
        let filter = set.and_then(|s| tokens.find(s..end, depth, |_, t| t.is(Kind::Where)));
        Some(Self {
            source: from..conflict - 1,
            set: set.map(|s| s + 1..filter.unwrap_or(end)),
            filter: filter.map(|f| f + 1..end),
        })
    }
}

/// The keys that decide what a conflict is.
fn arbiters<'a>(
    work: &'a Work<'_>,
    infer: Option<&InferClause>,
) -> Result<Vec<&'a Key>, Box<Report>> {
    let relation = &work.changed.relation;
    let keys = || relation.primary_key.iter().chain(&relation.unique);
    let Some(infer) = infer else {
        if keys().any(|k| k.special) || !relation.exclusions.is_empty() {
            return Err(Box::new(
                unsupported("ON CONFLICT without a target on a table whose unique keys are not all plain columns")
                    .hint("name the columns of a plain unique key"),
            ));
        }
        return Ok(keys().collect());
    };
    let found: Vec<&Key> = if infer.conname.is_empty() {
        let mut wanted = Vec::new();
        for element in &infer.index_elems {
            match element.node.as_ref() {
                Some(NodeEnum::IndexElem(e))
                    if e.expr.is_none() && infer.where_clause.is_none() =>
                {
                    wanted.push(e.name.as_str());
                }
                _ => {
                    return Err(Box::new(
                        unsupported("ON CONFLICT with an expression or a predicate")
                            .hint("name the columns of a plain unique key"),
                    ));
                }
            }
        }
        keys()
            .filter(|k| {
                !k.special
                    && k.columns.iter().all(|c| wanted.contains(&c.as_str()))
                    && wanted.iter().all(|w| k.columns.iter().any(|c| c == w))
            })
            .collect()
    } else {
        keys()
            .filter(|k| !k.special && k.name == infer.conname)
            .collect()
    };
    // PostgreSQL reports a missing arbiter itself, on the original statement
    if found.is_empty() && keys().any(|k| k.special) {
        return Err(Box::new(
            unsupported("ON CONFLICT on a unique key that is not of plain columns")
                .hint("name the columns of a plain unique key"),
        ));
    }
    if found.is_empty() {
        return Err(Box::new(
            Report::error(
                "42P10",
                "there is no unique or exclusion constraint matching the ON CONFLICT specification",
            )
            .hint("name the columns of a unique key of the table"),
        ));
    }
    Ok(found)
}

/// The merged target, as the arbiters see it.
fn merged_target(work: &Work<'_>) -> Result<String, Box<Report>> {
    work.changed
        .source(work.context, false, false)
        .ok_or_else(mismatch)
}

/// `label.column = input.iN AND …` over a key.
fn matches(work: &Work<'_>, key: &Key, input: &str, label: &str) -> Result<String, Box<Report>> {
    let writable = work.changed.writable();
    let mut parts = Vec::with_capacity(key.columns.len());
    for (n, column) in key.columns.iter().enumerate() {
        let i = writable
            .iter()
            .position(|c| c.name == *column)
            .ok_or_else(|| Box::new(unsupported("ON CONFLICT on a generated column")))?;
        let equals = merge::equals(key, n);
        parts.push(format!(
            "{label}.{} {equals} {input}.pgdraft_i{i}",
            q(column)
        ));
    }
    Ok(parts.join(" AND "))
}

/// DO NOTHING: rows that meet no key of the merged table, the first of each key among them. Over
/// several keys that is PostgreSQL's choice as long as each row left out meets one that is kept; where
/// it only meets rows that are left out themselves, the statement is refused as it runs.
fn nothing<'a>(work: &Work<'a>, arbiters: &[&Key]) -> Result<Splice<'a>, Box<Report>> {
    let target = merged_target(work)?;
    let writable = work.changed.writable();
    let (mut absent, mut first, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    for key in arbiters {
        let same = matches(work, key, "i", "t")?;
        absent.push(format!(
            "NOT EXISTS (SELECT 1 FROM {target} AS t WHERE {same})"
        ));
        let parts: Vec<String> = key
            .columns
            .iter()
            .filter_map(|c| writable.iter().position(|w| w.name == *c))
            .map(|i| format!("i.pgdraft_i{i}"))
            .collect();
        let nulls: Vec<String> = parts.iter().map(|p| format!("{p} IS NULL")).collect();
        let (null, partition) = (nulls.join(" OR "), parts.join(", "));
        first.push(format!(
            "({null} OR row_number() OVER (PARTITION BY {partition} ORDER BY i.pgdraft_n) = 1)"
        ));
        kept.push(format!(
            "NOT ({null}) AND first_value(i.pgdraft_first) OVER (PARTITION BY {partition} ORDER BY i.pgdraft_n)"
        ));
    }
    let first = format!(
        "SELECT i.*, {} AS pgdraft_first FROM {} AS i WHERE {}",
        all_of(&first),
        work.name("in"),
        all_of(&absent)
    );
    let (rows, wanted) = if arbiters.len() < 2 {
        (first, "pgdraft_first")
    } else {
        let kept = kept.join(" OR ");
        (
            format!("SELECT i.*, {kept} AS pgdraft_met FROM ({first}) AS i"),
            "CASE WHEN pgdraft_first OR pgdraft_met THEN pgdraft_first ELSE pgdraft.entangled() END",
        )
    };
    let images = list((0..writable.len()).map(|i| format!("pgdraft_i{i}")));
    let mut insert = work.splice();
    insert.ours(&format!(
        "INSERT INTO {head} AS {alias}({columns}) SELECT {images} FROM ({rows}) AS f WHERE {wanted} ORDER BY pgdraft_n{guard}",
        head = work.changed.head.table(),
        alias = work.changed.alias(),
        columns = work.changed.writable_list(),
        guard = work.changed.guard(),
    ));
    Ok(insert)
}

/// A table without keys has nothing to conflict with.
fn all_of(conditions: &[String]) -> String {
    if conditions.is_empty() {
        return "true".to_owned();
    }
    conditions.join(" AND ")
}

/// DO UPDATE: hits with their new image, misses as they were proposed.
fn update<'a>(
    work: &Work<'a>,
    clause: &OnConflictClause,
    arbiters: &[&Key],
    places: &Places,
    out: &mut Written<'a>,
) -> Result<Splice<'a>, Box<Report>> {
    let changed = &work.changed;
    let arbiter = arbiters.first().ok_or_else(mismatch)?;
    let content = places.set.clone().ok_or_else(mismatch)?;
    let edits = excluded_edits(work)?;
    let assignments = assignments((work, &edits), &clause.target_list, content)?;
    if let Some(key) = assignments.iter().find(|a| changed.is_key(&a.column)) {
        return Err(Box::new(unsupported(&format!(
            "changing primary key column \"{}\" by ON CONFLICT DO UPDATE",
            key.column
        ))));
    }
    let first_key = changed.key().first().ok_or_else(mismatch)?;
    let hit = format!("{} IS NOT NULL", changed.column(first_key));
    let splice = out.cte();
    splice.ours(&format!(
        "{} AS MATERIALIZED (SELECT excluded.*, {}, {hit} AS pgdraft_hit",
        work.src(),
        changed.images(),
    ));
    for (i, assignment) in assignments.iter().enumerate() {
        // a miss has no row to compute from, and must not fail on it
        // and the new image is one of several of the same type
        let column = changed.relation.column(&assignment.column);
        let type_name = cast_type(column.ok_or_else(mismatch)?);
        splice.ours(&format!(", CASE WHEN {hit} THEN CAST("));
        assignment.value.write(splice, &edits);
        splice.ours(&format!(" AS {type_name}) END AS n{i}"));
    }
    splice.ours(&format!(", CASE WHEN {hit} THEN ("));
    match &places.filter {
        Some(filter) => {
            let range = work
                .statement
                .tokens
                .bytes(filter.clone())
                .ok_or_else(mismatch)?;
            splice.copy_edited(range, &edits);
        }
        None => splice.ours("true"),
    }
    splice.ours(") END");
    let source = changed
        .source(work.context, false, false)
        .ok_or_else(mismatch)?;
    splice.ours(&format!(
        " AS pgdraft_wanted FROM {input} AS excluded LEFT JOIN {source} AS {alias} ON {on})",
        input = work.name("in"),
        alias = changed.alias(),
        on = matches(work, arbiter, "excluded", &changed.alias())?,
    ));
    let logged = " WHERE pgdraft_hit AND pgdraft_wanted";
    out.cte().ours(&work.log('U', logged));
    let writable = changed.writable();
    let values = writable.iter().enumerate().map(|(i, column)| {
        let hit = match assignments.iter().position(|a| a.column == column.name) {
            Some(n) => format!("n{n}"),
            None => format!("o{i}"),
        };
        format!("CASE WHEN pgdraft_hit THEN {hit} ELSE pgdraft_i{i} END")
    });
    let mut insert = work.splice();
    insert.ours(&format!(
        "INSERT INTO {head} AS {alias}({columns}, pgdraft_live, pgdraft_new) SELECT {values}, {live}, CASE WHEN pgdraft_hit THEN pgdraft_new ELSE true END FROM {src} WHERE NOT pgdraft_hit OR pgdraft_wanted ORDER BY pgdraft_n{upsert}",
        head = changed.head.table(),
        alias = changed.alias(),
        columns = changed.writable_list(),
        values = list(values),
        live = once(work, arbiter, &live(work, arbiter)?),
        src = work.src(),
        upsert = changed.upsert_with_key(),
    ));
    Ok(insert)
}

/// Two proposed rows that are equal on the arbiter: the second meets what the first wrote. Where
/// the arbiter is the primary key the head says so itself.
fn once(work: &Work<'_>, arbiter: &Key, live: &str) -> String {
    if work.changed.relation.key() == Some(arbiter) {
        return live.to_owned();
    }
    let writable = work.changed.writable();
    let columns: Vec<String> = arbiter
        .columns
        .iter()
        .filter_map(|c| writable.iter().position(|w| w.name == *c))
        .map(|i| format!("pgdraft_i{i}"))
        .collect();
    let known: Vec<String> = columns.iter().map(|c| format!("{c} IS NOT NULL")).collect();
    format!(
        "CASE WHEN {} AND row_number() OVER (PARTITION BY {} ORDER BY pgdraft_n) > 1 THEN pgdraft.second_time('ON CONFLICT DO UPDATE', 'Ensure that no rows proposed for insertion within the same command have duplicate constrained values.') ELSE {live} END",
        known.join(" AND "),
        columns.join(", "),
    )
}

/// A miss on the arbiter can still meet the primary key: that is 23505, as in PostgreSQL.
fn live(work: &Work<'_>, arbiter: &Key) -> Result<String, Box<Report>> {
    let relation = &work.changed.relation;
    let key = relation.key().ok_or_else(mismatch)?;
    if key == arbiter {
        return Ok("true".to_owned());
    }
    let target = merged_target(work)?;
    let same = matches(work, key, &work.src(), "t")?;
    let writable = work.changed.writable();
    let values: Vec<String> = key
        .columns
        .iter()
        .filter_map(|c| writable.iter().position(|w| w.name == *c))
        .map(|i| format!("pgdraft_i{i}"))
        .collect();
    let duplicate = work.changed.duplicate("true", &values);
    Ok(format!(
        "CASE WHEN pgdraft_hit OR NOT EXISTS (SELECT 1 FROM {target} AS t WHERE {same}) THEN true ELSE {duplicate} END"
    ))
}

/// `excluded.column` → `excluded.pgdraft_iN`: under their own names the proposed columns would be
/// ambiguous with the target's.
fn excluded_edits(work: &Work<'_>) -> Result<Vec<Edit>, Box<Report>> {
    let tokens = &work.statement.tokens;
    let columns: Vec<_> = proposed::columns(&work.changed.relation).collect();
    let mut edits = work.edits.clone();
    let bytes = work.bytes(work.place.tokens.clone())?;
    for column in work.columns_in(bytes) {
        let [table, name] = column.fields.as_slice() else {
            continue;
        };
        if table != "excluded" {
            continue;
        }
        let Some(i) = columns.iter().position(|c| c.name == *name) else {
            return Err(Box::new(unsupported("excluded.*").hint("name the columns")));
        };
        let first = tokens.at(column.location).ok_or_else(mismatch)?;
        edits.push(Edit::new(
            tokens.bytes(first..first + 3).ok_or_else(mismatch)?,
            format!("excluded.pgdraft_i{i}"),
        ));
    }
    edits.sort_by_key(|e| (e.range.start, e.range.end));
    Ok(edits)
}
