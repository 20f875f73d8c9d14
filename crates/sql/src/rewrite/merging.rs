//! MERGE: the source is joined with the merged read of the target, each pair of rows gets the first
//! clause whose condition holds, and what the clauses do is written like an UPDATE of keys.
//!
//! PostgreSQL lets a clause for rows without a target see the source alone (and one for rows
//! without a source the target alone), so that a name both have is not ambiguous there. Here such
//! an expression stands in a subquery over the row it may see, which hides the other.

use std::ops::Range;

use catalog::{Column, Generated, Identity};
use pg_query::NodeEnum;
use pg_query::protobuf::{
    CmdType, MergeMatchKind, MergeStmt, MergeWhenClause, Node, OverridingKind, Token as Kind,
};
use report::Report;

use crate::classify::unsupported;
use crate::plan::Verb;
use crate::policies;
use crate::rewrite::assign::{Assignment, assignments, default_of};
use crate::rewrite::before::Fires;
use crate::rewrite::change::{list, mismatch};
use crate::rewrite::insert;
use crate::rewrite::moving::{self, Rows};
use crate::rewrite::parts::{self, Part};
use crate::rewrite::returning::Returning;
use crate::rewrite::storing::assigned;
use crate::rewrite::work::{Work, Written};
use crate::splice::{Edit, Splice};
use crate::walk::string_fields;

mod source;

use source::Source;
pub(crate) use source::refuse_view;

const TWICE: &str = "pgdraft.second_time('MERGE', 'Ensure that not more than one source row matches any one target row.')";

pub(crate) fn write<'a>(work: &Work<'a>, tree: &MergeStmt) -> Result<Written<'a>, Box<Report>> {
    work.needs_key()?;
    let changed = &work.changed;
    let merge = Merge::of(work, tree)?;
    let source: Vec<Node> = tree.source_relation.iter().map(|n| (**n).clone()).collect();
    let action = merge.actions("pg_catalog.text", ["INSERT", "UPDATE", "DELETE"]);
    let returning = Returning::find_merge(work, tree.returning_clause.as_ref(), &source, &action)?;
    let mut out = work.written(Verb::Merge);
    out.cascades = merge.clauses.iter().any(|c| match &c.action {
        Action::Delete => true,
        Action::Update(set) => set.iter().any(|a| changed.is_referenced(&a.column)),
        Action::Insert(_) | Action::Nothing => false,
    });
    let assigned = merge.clauses.iter().filter_map(|c| match &c.action {
        Action::Update(set) => Some(set.iter().map(|a| a.column.clone())),
        Action::Insert(_) | Action::Delete | Action::Nothing => None,
    });
    let fires = Fires::of(changed, true, Some(assigned.flatten().collect()));
    let src = match fires {
        Some(_) => work.name("raw"),
        None => work.src(),
    };
    let splice = out.cte();
    splice.ours(&format!(
        "{src} AS MATERIALIZED (SELECT q.*, CASE WHEN pgdraft_kind <> 'I' AND pg_catalog.count(*) OVER (PARTITION BY pgdraft_kind = 'I', {keys}) > 1 THEN {TWICE} ELSE true END AS pgdraft_once FROM (SELECT {images}{generated}{lifted}, {kinds} AS pgdraft_kind",
        keys = list(merge.old_key(work)),
        images = changed.images(),
        generated = fires.as_ref().map_or_else(String::new, Fires::generated),
        lifted = returning.lifted(),
        kinds = merge.actions("pg_catalog.text", ["I", "U", "D"]),
    ));
    for (i, column) in changed.writable().into_iter().enumerate() {
        splice.ours(", ");
        merge.image(work, column, splice)?;
        splice.ours(&format!(" AS n{i}"));
    }
    splice.ours(" FROM ");
    splice.copy_edited(work.bytes(merge.source.clone())?, &work.edits);
    let target = changed
        .source(work.context, work.risky(), work.scan())
        .ok_or_else(mismatch)?;
    splice.ours(&format!(
        "{} {} {target} AS {} ON (",
        returning.rows(),
        merge.join,
        changed.alias()
    ));
    splice.copy_edited(work.bytes(merge.on.clone())?, &work.edits);
    splice.ours(") CROSS JOIN LATERAL (SELECT ");
    merge.choose(work, splice)?;
    splice.ours(
        " AS pgdraft_clause OFFSET 0) AS pgdraft_c WHERE pgdraft_c.pgdraft_clause IS NOT NULL) AS q)",
    );
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

/// A MERGE taken apart.
struct Merge {
    /// Tokens of the source.
    source: Range<usize>,
    /// Tokens of the join condition.
    on: Range<usize>,
    clauses: Vec<Clause>,
    join: &'static str,
    side: Source,
}

/// One WHEN clause.
struct Clause {
    on: MergeMatchKind,
    /// Tokens of its condition.
    condition: Option<Range<usize>>,
    action: Action,
}

enum Action {
    Update(Vec<Assignment>),
    Delete,
    /// What each column named gets, whole or in parts.
    Insert(Vec<(insert::Given, Given)>),
    Nothing,
}

/// One value of an INSERT.
enum Given {
    Default,
    /// Tokens of the client's expression.
    Text(Range<usize>),
    /// `ROW(…)` with every field as it is assigned, and its tokens.
    Row(String, Range<usize>),
    /// A column that a star stands for.
    Ours(String),
}

/// What an expression of a clause can see.
enum Sees<'a> {
    Both,
    Source(&'a Source),
    Target,
}

impl Merge {
    fn of(work: &Work<'_>, tree: &MergeStmt) -> Result<Self, Box<Report>> {
        policies::no_merge(&work.changed.relation)?;
        let tokens = &work.statement.tokens;
        let using = work.clauses.from.ok_or_else(mismatch)?;
        let end = work.clauses.returning.unwrap_or(work.clauses.end);
        let whens = whens(work, using..end);
        let first = whens.first().copied().ok_or_else(mismatch)?;
        let on = (using..first).rev().find(|&i| {
            tokens
                .get(i)
                .is_some_and(|t| t.depth == work.place.depth && t.is(Kind::On))
        });
        let on = on.ok_or_else(mismatch)?;
        if whens.len() != tree.merge_when_clauses.len() {
            return Err(mismatch());
        }
        let side = tree.source_relation.as_deref().ok_or_else(mismatch)?;
        let side = Source::of(work, side)?;
        let mut clauses = Vec::with_capacity(whens.len());
        for (n, node) in tree.merge_when_clauses.iter().enumerate() {
            let Some(NodeEnum::MergeWhenClause(clause)) = node.node.as_ref() else {
                return Err(mismatch());
            };
            let from = whens.get(n).copied().unwrap_or(end);
            let to = whens.get(n + 1).copied().unwrap_or(end);
            clauses.push(self::clause(work, clause, from..to, &side)?);
        }
        let has = |kind: MergeMatchKind| clauses.iter().any(|c| c.on == kind);
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
            source: using + 1..on,
            on: on + 1..first,
            clauses,
            join,
            side,
        })
    }

    /// What is done to the row, in these words for INSERT, UPDATE and DELETE.
    fn actions(&self, type_name: &str, [insert, update, delete]: [&str; 3]) -> String {
        let arms: String = self
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
        let found = format!("{}.pgdraft_new IS NOT NULL", work.changed.alias());
        let sides = [
            (MergeMatchKind::MergeWhenNotMatchedBySource, Sees::Target),
            (MergeMatchKind::MergeWhenMatched, Sees::Both),
            (
                MergeMatchKind::MergeWhenNotMatchedByTarget,
                Sees::Source(&self.side),
            ),
        ];
        splice.ours("CASE");
        for (kind, sees) in sides {
            let clauses = self.clauses.iter().enumerate();
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
        column: &Column,
        splice: &mut Splice<'_>,
    ) -> Result<(), Box<Report>> {
        let kept = work.changed.column(&column.name);
        let (open, close) = assigned(work.context.catalog, &column.declared);
        let mut any = false;
        for (n, clause) in self.clauses.iter().enumerate() {
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
            default_of(work.context.catalog, &work.changed.relation, column)
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

/// The WHEN tokens of the clauses, not those of CASE.
fn whens(work: &Work<'_>, range: Range<usize>) -> Vec<usize> {
    outside_case(work, range)
        .filter(|(_, kind)| *kind == Kind::When as i32)
        .map(|(i, _)| i)
        .collect()
}

/// Tokens at the change's own level that are not inside CASE … END.
fn outside_case<'a>(
    work: &'a Work<'_>,
    range: Range<usize>,
) -> impl Iterator<Item = (usize, i32)> + 'a {
    let mut open = 0usize;
    range.filter_map(move |i| {
        let token = work.statement.tokens.get(i)?;
        if token.depth != work.place.depth {
            return None;
        }
        if token.is(Kind::Case) {
            open += 1;
        } else if token.is(Kind::EndP) {
            open = open.saturating_sub(1);
        }
        (open == 0).then_some((i, token.kind))
    })
}

/// One clause between its WHEN and the next.
fn clause(
    work: &Work<'_>,
    tree: &MergeWhenClause,
    range: Range<usize>,
    side: &Source,
) -> Result<Clause, Box<Report>> {
    let find = |kind: Kind| {
        outside_case(work, range.clone())
            .find(|(_, k)| *k == kind as i32)
            .map(|(i, _)| i)
    };
    let then = find(Kind::Then).ok_or_else(mismatch)?;
    let condition = match (&tree.condition, find(Kind::And)) {
        (None, _) => None,
        (Some(_), Some(and)) => Some(and + 1..then),
        (Some(_), None) => return Err(mismatch()),
    };
    let action = match CmdType::try_from(tree.command_type) {
        Ok(CmdType::CmdUpdate) => {
            let set = find(Kind::Set).ok_or_else(mismatch)?;
            Action::Update(assignments(
                (work, &work.edits),
                &tree.target_list,
                set + 1..range.end,
            )?)
        }
        Ok(CmdType::CmdDelete) => Action::Delete,
        Ok(CmdType::CmdInsert) => Action::Insert(given(work, tree, then..range.end, side)?),
        Ok(CmdType::CmdNothing) => Action::Nothing,
        _ => return Err(mismatch()),
    };
    Ok(Clause {
        on: MergeMatchKind::try_from(tree.match_kind).map_err(|_| mismatch())?,
        condition,
        action,
    })
}

/// What an INSERT clause gives each column it names.
fn given(
    work: &Work<'_>,
    tree: &MergeWhenClause,
    range: Range<usize>,
    side: &Source,
) -> Result<Vec<(insert::Given, Given)>, Box<Report>> {
    if tree.values.is_empty() {
        return Ok(Vec::new());
    }
    let (tokens, depth) = (&work.statement.tokens, work.place.depth);
    let relation = &work.changed.relation;
    let names = if tree.target_list.is_empty() {
        insert::all_columns(relation)
    } else {
        let list = tokens.find(range.clone(), depth, |_, t| t.is(Kind::Ascii40));
        let list = list.ok_or_else(mismatch)?;
        let end = tokens.find(list..range.end, depth, |_, t| t.is(Kind::Ascii41));
        let items = tokens.split_commas(list + 1..end.ok_or_else(mismatch)?, depth + 1);
        insert::targets(work, &tree.target_list, items)?
    };
    let open = tokens
        .find(range.clone(), depth, |before, t| {
            t.is(Kind::Ascii40) && before.is_some_and(|b| b.is(Kind::Values))
        })
        .ok_or_else(mismatch)?;
    let close = tokens
        .find(open..range.end, depth, |_, t| t.is(Kind::Ascii41))
        .ok_or_else(mismatch)?;
    let items = tokens.split_commas(open + 1..close, depth + 1);
    if items.len() != tree.values.len() {
        return Err(mismatch());
    }
    let mut names = names.into_iter();
    let user = tree.r#override == OverridingKind::OverridingUserValue as i32;
    let mut out = Vec::with_capacity(items.len());
    for (item, node) in items.into_iter().zip(&tree.values) {
        if let Some(stars) = star(node, side)? {
            for text in stars {
                let target = names.next().ok_or_else(mismatch)?;
                let column = relation.column(&target.name).ok_or_else(mismatch)?;
                if column.generated == Generated::No {
                    out.push((target, Given::Ours(text)));
                }
            }
            continue;
        }
        let target = names.next().ok_or_else(mismatch)?;
        let column = relation.column(&target.name).ok_or_else(mismatch)?;
        let value = match node.node.as_ref() {
            Some(NodeEnum::SetToDefault(_)) => Given::Default,
            _ if user && column.identity != Identity::No => Given::Default,
            Some(NodeEnum::RowExpr(row)) => {
                let declared = parts::leaf(work.context.catalog, column, &target.steps)?;
                match parts::row_value((work, &work.edits), &declared, row, item.clone())? {
                    Some(text) => Given::Row(text, item),
                    None => Given::Text(item),
                }
            }
            _ => Given::Text(item),
        };
        if column.generated == Generated::No {
            out.push((target, value));
        }
    }
    Ok(out)
}

/// The columns that a star among the values stands for; `None` where the value is no star.
fn star(node: &Node, side: &Source) -> Result<Option<Vec<String>>, Box<Report>> {
    let Some(NodeEnum::ColumnRef(column)) = node.node.as_ref() else {
        return Ok(None);
    };
    let Some(NodeEnum::AStar(_)) = column.fields.last().and_then(|f| f.node.as_ref()) else {
        return Ok(None);
    };
    let fields = string_fields(&column.fields);
    let columns = match fields.as_slice() {
        [.., label, _] => side.star(label),
        _ => None,
    };
    let columns = columns.ok_or_else(|| {
        unsupported("this star among the values of MERGE").hint("name the columns")
    })?;
    Ok(Some(columns))
}
