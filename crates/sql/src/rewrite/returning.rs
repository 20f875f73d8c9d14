//! RETURNING: from the head's row where it only names the target, joined back to the source where
//! it also names FROM or USING items.

use catalog::quote_identifier as q;
use pg_query::NodeEnum;
use pg_query::protobuf::{Node, ReturningClause};
use report::Report;

use crate::classify::unsupported;
use crate::facts::ColumnUse;
use crate::parse::Statement;
use crate::plan::Context;
use crate::resolve::{Resolved, resolve};
use crate::rewrite::change::{Changed, Clauses, list, mismatch};
use crate::splice::{Edit, Splice};
use crate::walk::byte;

/// `RETURNING` of a change without FROM or USING: the client's list, stars written out.
pub(crate) fn simple(
    statement: &Statement,
    clauses: &Clauses,
    clause: Option<&ReturningClause>,
    changed: &Changed,
    splice: &mut Splice<'_>,
    edits: &[Edit],
) -> Result<(), Box<Report>> {
    let (Some(keyword), Some(_)) = (clauses.returning, clause) else {
        return Ok(());
    };
    let content = clauses.content(keyword);
    let range = statement.tokens.bytes(content).ok_or_else(mismatch)?;
    let mut all = edits.to_vec();
    for column in stars(statement, &range) {
        let own = match column.fields.as_slice() {
            [_] => true,
            [.., table, _] => *table == changed.label,
            [] => false,
        };
        if own {
            all.extend(star_edit(statement, column, &own_columns(changed)));
        }
    }
    all.sort_by_key(|e| (e.range.start, e.range.end));
    splice.ours(" RETURNING ");
    splice.copy_edited(range, &all);
    Ok(())
}

fn own_columns(changed: &Changed) -> String {
    list(
        changed
            .relation
            .columns
            .iter()
            .map(|c| changed.column(&c.name)),
    )
}

/// Star references inside a byte range.
fn stars<'a>(
    statement: &'a Statement,
    range: &std::ops::Range<usize>,
) -> impl Iterator<Item = &'a ColumnUse> {
    let range = range.clone();
    statement
        .facts
        .columns
        .iter()
        .filter(move |c| range.contains(&c.location) && c.fields.last().is_some_and(|f| f == "*"))
}

fn star_edit(statement: &Statement, column: &ColumnUse, text: &str) -> Option<Edit> {
    let first = statement.tokens.at(column.location)?;
    let tokens = 2 * column.fields.len() - 1;
    Some(Edit {
        range: statement.tokens.bytes(first..first + tokens)?,
        text: text.to_owned(),
    })
}

/// Columns of FROM or USING items that RETURNING needs: computed in the source as `f0, f1, …`.
#[derive(Debug, Default)]
pub(crate) struct Lifted {
    /// Replacements inside RETURNING.
    edits: Vec<Edit>,
    /// Expressions for the source.
    expressions: Vec<String>,
    /// The change has FROM or USING and RETURNING: it ends in a join with the source.
    joined: bool,
}

impl Lifted {
    pub(crate) fn find(
        statement: &Statement,
        clause: Option<&ReturningClause>,
        changed: &Changed,
        items: &[Node],
        context: &Context<'_>,
    ) -> Result<Self, Box<Report>> {
        let Some(clause) = clause.filter(|_| !items.is_empty()) else {
            return Ok(Self::default());
        };
        let start = clause
            .exprs
            .first()
            .and_then(target_location)
            .ok_or_else(mismatch)?;
        let mut lifted = Self {
            joined: true,
            ..Self::default()
        };
        for column in statement
            .facts
            .columns
            .iter()
            .filter(|c| c.location >= start)
        {
            lifted.lift(statement, column, changed, items, context)?;
        }
        Ok(lifted)
    }

    fn lift(
        &mut self,
        statement: &Statement,
        column: &ColumnUse,
        changed: &Changed,
        items: &[Node],
        context: &Context<'_>,
    ) -> Result<(), Box<Report>> {
        let is_star = column.fields.last().is_some_and(|f| f == "*");
        let text = match column.fields.as_slice() {
            [_] if is_star => {
                let mut parts = vec![own_columns(changed)];
                for item in items {
                    parts.push(self.star_of(item, context)?);
                }
                parts.join(", ")
            }
            [.., table, _] if *table == changed.label => {
                if !is_star {
                    return Ok(());
                }
                own_columns(changed)
            }
            [.., table, _] if is_star => {
                let item = items
                    .iter()
                    .find(|i| label_of(i) == Some(table))
                    .ok_or_else(|| {
                        Box::new(
                            unsupported("RETURNING a star of this FROM item")
                                .hint("name the columns"),
                        )
                    })?;
                self.star_of(item, context)?
            }
            [name] if changed.relation.column(name).is_some() => return Ok(()),
            fields => {
                let expression = list_path(fields);
                format!("pgdraft_src.{}", self.push(expression))
            }
        };
        let bare_column = !is_star && is_whole_target(statement, column);
        let text = if bare_column {
            format!(
                "{text} AS {}",
                q(column.fields.last().map_or("", String::as_str))
            )
        } else {
            text
        };
        self.edits.extend(star_edit(statement, column, &text));
        Ok(())
    }

    fn push(&mut self, expression: String) -> String {
        self.expressions.push(expression);
        format!("f{}", self.expressions.len() - 1)
    }

    /// All columns of a plain table in FROM, lifted one by one.
    fn star_of(&mut self, item: &Node, context: &Context<'_>) -> Result<String, Box<Report>> {
        let Some(NodeEnum::RangeVar(table)) = item.node.as_ref() else {
            return Err(Box::new(
                unsupported("RETURNING * over this FROM item").hint("name the columns"),
            ));
        };
        let schema = (!table.schemaname.is_empty()).then_some(table.schemaname.as_str());
        let Resolved::Known(relation) = resolve(context, schema, &table.relname)? else {
            return Err(Box::new(
                unsupported("RETURNING * over this FROM item").hint("name the columns"),
            ));
        };
        let label = table
            .alias
            .as_ref()
            .map_or(&table.relname, |a| &a.aliasname);
        let parts: Vec<String> = relation
            .columns
            .iter()
            .map(|c| {
                let lifted = self.push(format!("{}.{}", q(label), q(&c.name)));
                format!("pgdraft_src.{lifted} AS {}", q(&c.name))
            })
            .collect();
        Ok(parts.join(", "))
    }

    /// `, expr AS f0, …` for the source's select list.
    pub(crate) fn columns(&self) -> String {
        self.expressions
            .iter()
            .enumerate()
            .map(|(i, e)| format!(", {e} AS f{i}"))
            .collect()
    }

    /// Begins the CTE around the head's INSERT where the result is a join.
    pub(crate) fn open(&self) -> String {
        if self.joined {
            ", pgdraft_row AS (".to_owned()
        } else {
            String::new()
        }
    }
}

/// Ends a change: RETURNING of the INSERT itself, or the join with the source.
pub(crate) fn finish(
    statement: &Statement,
    clauses: &Clauses,
    clause: Option<&ReturningClause>,
    changed: &Changed,
    lifted: &Lifted,
    splice: &mut Splice<'_>,
    edits: &[Edit],
) -> Result<(), Box<Report>> {
    if !lifted.joined {
        return simple(statement, clauses, clause, changed, splice, edits);
    }
    let keyword = clauses.returning.ok_or_else(mismatch)?;
    let range = statement
        .tokens
        .bytes(clauses.content(keyword))
        .ok_or_else(mismatch)?;
    let mut all = edits.to_vec();
    all.retain(|e| !range.contains(&e.range.start) || !overlaps(e, &lifted.edits));
    all.extend(lifted.edits.iter().cloned());
    all.sort_by_key(|e| (e.range.start, e.range.end));
    splice.ours(" RETURNING *) SELECT ");
    splice.copy_edited(range, &all);
    let lifted_columns: String = (0..lifted.expressions.len())
        .map(|i| format!(", f{i}"))
        .collect();
    splice.ours(&format!(
        " FROM pgdraft_row AS {alias} JOIN (SELECT {keys}{lifted_columns} FROM pgdraft_src) AS pgdraft_src ON {on}",
        alias = changed.alias(),
        keys = key_columns(changed),
        on = key_join(changed),
    ));
    Ok(())
}

fn key_columns(changed: &Changed) -> String {
    let writable = changed.writable();
    list(changed.key().iter().enumerate().filter_map(|(n, k)| {
        let i = writable.iter().position(|c| c.name == *k)?;
        Some(format!("o{i} AS pgdraft_k{n}"))
    }))
}

fn key_join(changed: &Changed) -> String {
    changed
        .key()
        .iter()
        .enumerate()
        .map(|(n, k)| format!("pgdraft_src.pgdraft_k{n} = {}", changed.column(k)))
        .collect::<Vec<_>>()
        .join(" AND ")
}

fn overlaps(edit: &Edit, others: &[Edit]) -> bool {
    others
        .iter()
        .any(|o| edit.range.start < o.range.end && o.range.start < edit.range.end)
}

fn list_path(fields: &[String]) -> String {
    fields.iter().map(|f| q(f)).collect::<Vec<_>>().join(".")
}

fn target_location(node: &Node) -> Option<usize> {
    match node.node.as_ref()? {
        NodeEnum::ResTarget(target) => Some(byte(target.location)),
        _ => None,
    }
}

fn label_of(item: &Node) -> Option<&String> {
    match item.node.as_ref()? {
        NodeEnum::RangeVar(table) => Some(
            table
                .alias
                .as_ref()
                .map_or(&table.relname, |a| &a.aliasname),
        ),
        NodeEnum::RangeSubselect(sub) => sub.alias.as_ref().map(|a| &a.aliasname),
        _ => None,
    }
}

/// Whether a column reference is a whole RETURNING item without a label of its own, so that its
/// name must be kept.
fn is_whole_target(statement: &Statement, column: &ColumnUse) -> bool {
    use pg_query::protobuf::Token as Kind;
    let tokens = &statement.tokens;
    let Some(first) = tokens.at(column.location) else {
        return false;
    };
    let before = first.checked_sub(1).and_then(|i| tokens.get(i));
    let after = tokens.get(first + 2 * column.fields.len() - 1);
    let opens =
        before.is_some_and(|t| t.depth == 0 && (t.is(Kind::Returning) || t.is(Kind::Ascii44)));
    let closes = after.is_none_or(|t| t.depth == 0 && t.is(Kind::Ascii44));
    opens && closes
}
