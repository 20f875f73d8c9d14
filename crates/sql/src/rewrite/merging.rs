//! MERGE: the source is joined with the merged read of the target, each pair of rows gets the first
//! clause whose condition holds, and what the clauses do is written like an UPDATE of keys.
//!
//! PostgreSQL lets a clause for rows without a target see the source alone (and one for rows
//! without a source the target alone), so that a name both have is not ambiguous there. Here such
//! an expression stands in a subquery over the row it may see, which hides the other.

use std::ops::Range;

use catalog::{Column, Command};
use pg_query::protobuf::{MergeMatchKind, MergeStmt, Node};
use report::Report;

use crate::merge::OWN;
use crate::rewrite::before::Fires;
use crate::rewrite::change::{list, mismatch};
use crate::rewrite::insert;
use crate::rewrite::moving::{self, Rows};
use crate::rewrite::parts::{self, Part};
use crate::rewrite::returning::Returning;
use crate::rewrite::storing::fitted;
use crate::rewrite::work::{Work, Written};
use crate::splice::{Edit, Splice};

mod clauses;
mod source;

use clauses::{Action, Found, Given};
use source::Source;
pub(crate) use {clauses::verb, source::refuse_view};

const TWICE: &str = "pgdraft.second_time('MERGE', 'Ensure that not more than one source row matches any one target row.')";

pub(crate) fn write<'a>(work: &Work<'a>, tree: &MergeStmt) -> Result<Written<'a>, Box<Report>> {
    work.needs_key()?;
    let changed = &work.changed;
    let merge = Merge::of(work, tree)?;
    let action = merge.actions("pg_catalog.text", ["INSERT", "UPDATE", "DELETE"]);
    let returning =
        Returning::find_merge(work, tree.returning_clause.as_ref(), &merge.node, &action)?;
    let mut out = work.written();
    out.cascades = merge.found.clauses.iter().any(|c| match &c.action {
        Action::Delete => true,
        Action::Update(set) => set.iter().any(|a| changed.is_referenced(&a.column)),
        Action::Insert(_) | Action::Nothing => false,
    });
    let assigned = merge.found.clauses.iter().filter_map(|c| match &c.action {
        Action::Update(set) => Some(set.iter().map(|a| a.column.clone())),
        Action::Insert(_) | Action::Delete | Action::Nothing => None,
    });
    let fires = Fires::of(changed, true, Some(assigned.flatten().collect()));
    let src = match fires {
        Some(_) => work.name("raw"),
        None => work.src(),
    };
    let generated = fires.as_ref().map_or_else(String::new, Fires::generated);
    merge.source(work, &src, (&returning, &generated), out.cte())?;
    if let Some(fires) = fires {
        let fired = format!(
            "CASE pgdraft_kind WHEN 'I' THEN {} WHEN 'U' THEN {} ELSE {} END",
            fires.inserted(|i, _| format!("n{i}")),
            fires.updated(|i, _| format!("n{i}")),
            fires.row(|i, _| format!("o{i}")),
        );
        out.cte().ours(&format!(
            "{} AS MATERIALIZED ({})",
            work.src(),
            fires.source(&src, &fired)
        ));
        let new = |i: usize| format!("pgdraft_w{i}");
        moving::finish(work, Rows::Mixed, new, &returning, &mut out)?;
        return Ok(out);
    }
    moving::finish(work, Rows::Mixed, |i| format!("n{i}"), &returning, &mut out)?;
    Ok(out)
}

/// The rows of a table without a key that a MERGE comes to.
pub(crate) fn rows(
    work: &Work<'_>,
    tree: &MergeStmt,
    splice: &mut Splice<'_>,
) -> Result<(), Box<Report>> {
    let merge = Merge::of(work, tree)?;
    merge.source(work, &work.src(), (&Returning::default(), ""), splice)
}

/// A MERGE taken apart.
struct Merge {
    found: Found,
    /// The source, with the name that it gets where it has none.
    node: [Node; 1],
    /// ` AS …`, that name.
    label: &'static str,
    join: &'static str,
    side: Source,
}

/// What an expression of a clause can see.
enum Sees<'a> {
    Both,
    Source(&'a Source),
    Target,
}

impl Merge {
    fn of(work: &Work<'_>, tree: &MergeStmt) -> Result<Self, Box<Report>> {
        let mut node = tree
            .source_relation
            .as_deref()
            .ok_or_else(mismatch)?
            .clone();
        let label = source::name(work.context, &mut node);
        let side = Source::of(work, &node)?;
        let found = clauses::find(work, tree, &side)?;
        let has = |kind: MergeMatchKind| found.clauses.iter().any(|c| c.on == kind);
        let join = match (
            has(MergeMatchKind::MergeWhenNotMatchedByTarget),
            has(MergeMatchKind::MergeWhenNotMatchedBySource),
        ) {
            (true, true) => "FULL JOIN",
            (true, false) => "LEFT JOIN",
            (false, true) => "RIGHT JOIN",
            (false, false) => "JOIN",
        };
        Ok(Self {
            found,
            join,
            side,
            node: [node],
            label,
        })
    }

    /// The rows of source and target that something is done to, each with its clause, as they were and
    /// as they will be.
    fn source(
        &self,
        work: &Work<'_>,
        name: &str,
        (returning, generated): (&Returning, &str),
        splice: &mut Splice<'_>,
    ) -> Result<(), Box<Report>> {
        let changed = &work.changed;
        splice.ours(&format!(
            "{name} AS MATERIALIZED (SELECT q.*, {once} AS pgdraft_once FROM (SELECT {images}{generated}{lifted}, {kinds} AS pgdraft_kind",
            once = self.once(work),
            images = changed.images(),
            lifted = returning.lifted(),
            kinds = self.actions("pg_catalog.text", ["I", "U", "D"]),
        ));
        for (i, column) in changed.writable().into_iter().enumerate() {
            splice.ours(", ");
            self.image(work, (i, column), splice)?;
            splice.ours(&format!(" AS n{i}"));
        }
        splice.ours(" FROM ");
        splice.copy_edited(work.bytes(self.found.source.clone())?, &work.edits);
        splice.ours(self.label);
        let target = changed
            .source(work.context, work.risk(), work.scan())
            .ok_or_else(mismatch)?;
        splice.ours(&format!(
            "{} {} {target} AS {} ON (",
            returning.rows(),
            self.join,
            changed.alias()
        ));
        splice.copy_edited(work.bytes(self.found.on.clone())?, &work.edits);
        splice.ours(") CROSS JOIN LATERAL (SELECT ");
        self.choose(work, splice)?;
        splice.ours(
            " AS pgdraft_clause OFFSET 0) AS pgdraft_c WHERE pgdraft_c.pgdraft_clause IS NOT NULL) AS q)",
        );
        Ok(())
    }

    /// True of a row, or PostgreSQL's error: of one that several rows of the source come to, of one that
    /// policies show and keep from this change.
    fn once(&self, work: &Work<'_>) -> String {
        let mut arms = Vec::new();
        let keys = self.old_key(work);
        if !keys.is_empty() {
            arms.push(format!(
                " WHEN pgdraft_kind <> 'I' AND pg_catalog.count(*) OVER (PARTITION BY pgdraft_kind = 'I', {}) > 1 THEN {TWICE}",
                list(keys)
            ));
        }
        for (kind, command) in [('U', Command::Update), ('D', Command::Delete)] {
            let asked = work.target_row(command).join(" AND ");
            if !asked.is_empty() {
                arms.push(format!(" WHEN pgdraft_kind = '{kind}' THEN {asked}"));
            }
        }
        match arms.is_empty() {
            true => "true".to_owned(),
            false => format!("CASE{} ELSE true END", arms.concat()),
        }
    }

    /// What is done to the row, in these words for INSERT, UPDATE and DELETE.
    fn actions(&self, type_name: &str, [insert, update, delete]: [&str; 3]) -> String {
        let arms: String = self
            .found
            .clauses
            .iter()
            .enumerate()
            .filter_map(|(n, c)| {
                let word = match c.action {
                    Action::Update(_) => update,
                    Action::Delete => delete,
                    Action::Insert(_) => insert,
                    Action::Nothing => return None,
                };
                Some(format!(" WHEN {n} THEN '{word}'"))
            })
            .collect();
        if arms.is_empty() {
            format!("NULL::{type_name}")
        } else {
            format!("(CASE pgdraft_c.pgdraft_clause{arms} END)::{type_name}")
        }
    }

    /// The columns of the source with the key that the row had.
    fn old_key(&self, work: &Work<'_>) -> Vec<String> {
        let writable = work.changed.writable();
        let key = work.changed.key().iter();
        key.filter_map(|k| writable.iter().position(|c| c.name == *k))
            .map(|i| format!("o{i}"))
            .collect()
    }

    /// The number of the clause that a row gets; NULL where nothing is done.
    fn choose(&self, work: &Work<'_>, splice: &mut Splice<'_>) -> Result<(), Box<Report>> {
        let found = work.changed.met();
        let sides = [
            (MergeMatchKind::MergeWhenNotMatchedBySource, Sees::Target),
            (MergeMatchKind::MergeWhenMatched, Sees::Both),
            (
                MergeMatchKind::MergeWhenNotMatchedByTarget,
                Sees::Source(&self.side),
            ),
        ];
        splice.ours("CASE");
        if !work.changed.rivals.is_empty() {
            // it is another part's
            let others = format!(" WHEN NOT {}.{OWN} THEN NULL", work.changed.alias());
            splice.ours(&others);
        }
        for (kind, sees) in sides {
            let clauses = self.found.clauses.iter().enumerate();
            let clauses: Vec<_> = clauses.filter(|(_, c)| c.on == kind).collect();
            if clauses.is_empty() && kind == MergeMatchKind::MergeWhenNotMatchedBySource {
                continue;
            }
            let when = match sees {
                Sees::Target => format!("NOT ({})", self.side.present()?),
                Sees::Both => found.clone(),
                Sees::Source(_) => "true".to_owned(),
            };
            splice.ours(&format!(" WHEN {when} THEN CASE"));
            for (n, clause) in clauses {
                splice.ours(" WHEN ");
                match &clause.condition {
                    None => splice.ours("true"),
                    Some(condition) => seeing(work, condition, &sees, splice)?,
                }
                match clause.action {
                    Action::Nothing => splice.ours(" THEN NULL"),
                    _ => splice.ours(&format!(" THEN {n}")),
                }
            }
            splice.ours(" WHEN false THEN 0 END");
        }
        splice.ours(" END");
        Ok(())
    }

    /// The new image of one column: by clause, else as it was.
    fn image(
        &self,
        work: &Work<'_>,
        (i, column): (usize, &Column),
        splice: &mut Splice<'_>,
    ) -> Result<(), Box<Report>> {
        let kept = work.changed.old(i, &column.name);
        let (open, close) = fitted(work.context.catalog, column);
        let mut any = false;
        for (n, clause) in self.found.clauses.iter().enumerate() {
            let value: &dyn Fn(&mut Splice<'_>) -> Result<(), Box<Report>> = match &clause.action {
                Action::Nothing | Action::Delete => continue,
                Action::Update(set) => {
                    let Some(assignment) = set.iter().find(|a| a.column == column.name) else {
                        continue;
                    };
                    &|splice| {
                        assignment.value.write(splice, &work.edits);
                        Ok(())
                    }
                }
                Action::Insert(given) => &|splice| self.inserted(work, given, column, splice),
            };
            let word = if any {
                ""
            } else {
                "CASE pgdraft_c.pgdraft_clause"
            };
            splice.ours(&format!("{word} WHEN {n} THEN {open}"));
            value(splice)?;
            splice.ours(&close);
            any = true;
        }
        splice.ours(&if any {
            format!(" ELSE {kept} END")
        } else {
            kept
        });
        Ok(())
    }

    /// The value of one column of a new row.
    fn inserted(
        &self,
        work: &Work<'_>,
        given: &[(insert::Given, Given)],
        column: &Column,
        splice: &mut Splice<'_>,
    ) -> Result<(), Box<Report>> {
        let sees = Sees::Source(&self.side);
        let mut parts = Vec::new();
        for (target, value) in given.iter().filter(|(t, _)| t.name == column.name) {
            match value {
                Given::Default => {}
                Given::Text(range) if target.steps.is_empty() => {
                    return seeing(work, range, &sees, splice);
                }
                Given::Ours(text) => {
                    splice.ours(text);
                    return Ok(());
                }
                Given::Row(row, range) => {
                    let (open, close, _) = restricted(work, range, &sees)?;
                    let value = format!("{open}{row}{close}");
                    if target.steps.is_empty() {
                        splice.ours(&value);
                        return Ok(());
                    }
                    parts.push(Part {
                        column: (column.name.clone(), target.at),
                        steps: target.steps.clone(),
                        value,
                    });
                }
                Given::Text(range) => {
                    let mut text = work.splice();
                    seeing(work, range, &sees, &mut text)?;
                    parts.push(Part {
                        column: (column.name.clone(), target.at),
                        steps: target.steps.clone(),
                        value: text.finish().0,
                    });
                }
            }
        }
        splice.ours(&if parts.is_empty() {
            work.changed.default(work.context.catalog, column)
        } else {
            parts::of_nothing(work.context.catalog, column, &parts)?
        });
        Ok(())
    }
}

/// The client's expression, where it sees this alone.
fn seeing(
    work: &Work<'_>,
    range: &Range<usize>,
    sees: &Sees<'_>,
    splice: &mut Splice<'_>,
) -> Result<(), Box<Report>> {
    let bytes = work.bytes(range.clone())?;
    let (open, close, more) = restricted(work, range, sees)?;
    let mut edits = work.edits.clone();
    edits.extend(more);
    edits.sort_by_key(|e| (e.range.start, e.range.end));
    splice.ours(&open);
    splice.copy_edited(bytes, &edits);
    splice.ours(&close);
    Ok(())
}

/// What stands before and behind such an expression, and what is replaced in it.
fn restricted(
    work: &Work<'_>,
    range: &Range<usize>,
    sees: &Sees<'_>,
) -> Result<(String, String, Vec<Edit>), Box<Report>> {
    let bytes = work.bytes(range.clone())?;
    let unqualified = work.columns_in(bytes.clone()).any(|c| c.fields.len() == 1);
    let (labels, edits) = match sees {
        Sees::Target => (vec![work.changed.alias()], Vec::new()),
        Sees::Source(source) => (source.labels(), source.edits(work, bytes)),
        Sees::Both => (Vec::new(), Vec::new()),
    };
    if !unqualified || labels.is_empty() {
        return Ok(("(".to_owned(), ")".to_owned(), edits));
    }
    let items = labels.iter().map(|l| format!("(SELECT {l}.*) AS {l}"));
    let close = format!(" FROM {})", list(items));
    Ok(("(SELECT ".to_owned(), close, edits))
}
