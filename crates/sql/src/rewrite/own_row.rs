//! The target of a change as a row: as a value, a star, or the argument of a function that is written
//! like a column. The head has columns that the base's row type does not.

use std::collections::HashSet;

use catalog::{Relation, quote_identifier as q};
use pg_query::protobuf::Token as Kind;
use report::Report;

use crate::classify::unsupported;
use crate::facts::{ColumnUse, TableRef};
use crate::resolve::{self, Resolved};
use crate::rewrite::change::list;
use crate::rewrite::system;
use crate::rewrite::work::Work;
use crate::splice::Edit;

/// Where a statement has the target's name.
#[derive(Debug, Default)]
pub(crate) struct Label {
    /// Of each block: whether an item of its FROM has a column of that name, where that is known.
    given: Vec<Option<bool>>,
    /// The text can give the name to a column.
    elsewhere: bool,
}

impl Work<'_> {
    /// The row type's own row in the place of a reference that means the target.
    pub(super) fn whole_row(&self, column: &ColumnUse) -> Result<Vec<Edit>, Box<Report>> {
        let (facts, changed) = (&self.statement.facts, &self.changed);
        let star = column.fields.last().is_some_and(|f| f == "*") && changed.names(&column.fields);
        let label = &changed.label;
        let bare = column.fields.as_slice() == [label.as_str()];
        let is_own = column.block == self.place.block
            || facts.blocks.len() == 1
            || !facts.relations.iter().any(|r| r.label() == label);
        let block = facts.blocks.get(column.block);
        if column.block != self.place.block && block.is_some_and(|b| b.target.is_some()) {
            // a change under WITH sees nothing of this one
            return Ok(Vec::new());
        }
        let function = self.function_of_row(column);
        let row_itself = bare && changed.shown().column(label).is_none();
        let other = !star && !row_itself && function.is_none();
        if !is_own || other || self.is_inserted(column) || row_itself && self.is_beside(column)? {
            return Ok(Vec::new());
        }
        let shown = changed.shown().columns.iter();
        let columns = list(shown.map(|c| changed.column(&c.name)));
        let tokens = &self.statement.tokens;
        let Some((range, _)) = tokens.name_at(column.location) else {
            return Ok(Vec::new());
        };
        if star && facts.spread.contains(&column.location) {
            return Ok(vec![Edit::new(tokens.with_brackets(range), columns)]);
        }
        let row = format!("ROW({columns})::{}", changed.shown().qualified());
        let text = match function {
            Some(name) => format!("({row}).{}", q(name)),
            None => row,
        };
        // an output keeps its name
        let named = row_itself && column.bare;
        let named = named.then(|| Edit::named(tokens, &range, &q(label)));
        let edits = std::iter::once(Edit::new(range, text));
        Ok(edits.chain(named).collect())
    }

    /// The function of the target's row that is written like a column of it.
    fn function_of_row<'c>(&self, column: &'c ColumnUse) -> Option<&'c String> {
        let (item, facts) = (self.own_item(), &self.statement.facts);
        let label = &self.changed.label;
        // a subquery means the target where nothing else can have its name
        let alone = || {
            facts.ctes.is_empty()
                && !facts.relations.iter().any(|r| r.label() == label)
                && facts
                    .blocks
                    .iter()
                    .all(|b| b.sources.is_some() || !b.derived)
        };
        let own = column.block == self.place.block || alone();
        let name = column.fields.last().filter(|name| *name != "*")?;
        (own && self.changed.names(&column.fields) && system::lacks(&item, name)).then_some(name)
    }

    /// Whether the target's bare name is a column of another item, which goes before the row.
    pub(super) fn is_beside(&self, column: &ColumnUse) -> Result<bool, Box<Report>> {
        let label = self.label.get_or_init(|| self.looked_for());
        let gives = |block: usize| label.given.get(block).copied().unwrap_or(Some(false));
        if [column.block, self.place.block]
            .map(gives)
            .contains(&Some(true))
        {
            return Ok(true);
        }
        // a subquery may stand in another one, which gives names too
        let known = match column.block == self.place.block {
            true => gives(column.block) == Some(false),
            false => label.given.iter().all(|given| *given == Some(false)),
        };
        if known || !label.elsewhere {
            return Ok(false);
        }
        let label = &self.changed.label;
        let detail = format!("\"{label}\" may be a column of another item, or the row as a whole.");
        Err(Box::new(
            unsupported("the row of a changed table beside another use of its name")
                .detail(detail)
                .hint("give the table an alias that nothing else is called"),
        ))
    }

    /// Where the text has the target's name: once for all its columns, of which there can be as many as words.
    fn looked_for(&self) -> Label {
        let facts = &self.statement.facts;
        let tables = facts.relations.iter().map(|r| (r.block, self.has_label(r)));
        let last = |names: &Vec<String>| names.iter().rposition(|n| *n == self.changed.label);
        let ctes: Vec<_> = facts
            .ctes
            .iter()
            .map(|c| c.columns.as_ref().map(last))
            .collect();
        let ctes = facts.cte_uses.iter().map(|c| {
            let given = ctes.get(c.cte).copied().flatten();
            let kept = given.map(|at| at.is_some_and(|at| at >= c.renamed.len()));
            let renamed = c.renamed.contains(&self.changed.label);
            (c.block, if renamed { Some(true) } else { kept })
        });
        let mut items = vec![(0, Some(false)); facts.blocks.len()];
        for (block, gives) in tables.chain(ctes) {
            let Some((count, given)) = items.get_mut(block) else {
                continue;
            };
            *count += 1;
            *given = match (*given, gives) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            };
        }
        let blocks = facts.blocks.iter().zip(items);
        let given = blocks.map(|(block, (count, given))| match given {
            Some(false) if block.sources != Some(count) => None,
            given => given,
        });
        Label {
            given: given.collect(),
            elsewhere: self.is_label_elsewhere(),
        }
    }

    /// Whether a table has a column of the target's name, if that is known.
    fn has_label(&self, reference: &TableRef) -> Option<bool> {
        let (label, renamed) = (&self.changed.label, &reference.renamed);
        let has = |relation: &Relation| {
            let mut kept = relation.columns.iter().skip(renamed.len());
            kept.any(|c| c.name == *label)
        };
        let schema = reference.schema.as_deref();
        match resolve::resolve(self.context, schema, &reference.name) {
            Ok(Resolved::Known(relation)) => Some(renamed.contains(label) || has(&relation)),
            _ => None,
        }
    }

    /// Whether the text can give the target's name to a column: it says it of something else than the
    /// target, or reads a table that has such a column.
    fn is_label_elsewhere(&self) -> bool {
        let (tokens, facts) = (&self.statement.tokens, &self.statement.facts);
        let label = self.changed.label.as_str();
        let own = facts
            .columns
            .iter()
            .filter(|c| c.fields.as_slice() == [label] && c.block == self.place.block);
        let rows: HashSet<usize> = own.map(|c| c.location).collect();
        let is_said = |(i, token): (usize, &crate::tokens::Token)| {
            let text = self.statement.text.get(token.start..token.end);
            let bare = text.unwrap_or_default().trim_matches('"');
            let qualifies = tokens.get(i + 1).is_some_and(|t| t.is(Kind::Ascii46));
            let target = i + 1 >= self.clauses.target_end && i <= self.clauses.target_end + 1;
            let row = rows.contains(&token.start);
            let escaped = text.is_some_and(|t| t.starts_with("U&") || t.starts_with("u&"));
            (bare.eq_ignore_ascii_case(label) || escaped) && !qualifies && !target && !row
        };
        let mut tables = facts.relations.iter();
        tables.any(|r| self.has_label(r) == Some(true)) || tokens.iter().any(is_said)
    }
}
