//! The target of a change as a row: as a value, a star, or the argument of a function that is written
//! like a column. The head has columns that the base's row type does not.

use catalog::{Relation, quote_identifier as q};
use pg_query::protobuf::Token as Kind;
use report::Report;

use crate::classify::unsupported;
use crate::facts::{ColumnUse, CteUse, TableRef};
use crate::resolve::{self, Resolved};
use crate::rewrite::change::list;
use crate::rewrite::system;
use crate::rewrite::work::Work;
use crate::splice::Edit;

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
        // a change under WITH sees nothing of this one
        let under = facts.blocks.get(column.block).map(|b| b.target.is_some());
        if column.block != self.place.block && under == Some(true) {
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
        let facts = &self.statement.facts;
        let label = &self.changed.label;
        let seen = |block| block == column.block || block == self.place.block;
        let mut own = facts.relations.iter().filter(|r| seen(r.block));
        let mut ctes = facts.cte_uses.iter().filter(|c| seen(c.block));
        let gives = |c: &CteUse| c.columns.iter().flatten().any(|name| name == label);
        if own.any(|r| self.has_label(r) == Some(true)) || ctes.any(gives) {
            return Ok(true);
        }
        // a subquery may stand in another one, which gives names too
        let within = column.block != self.place.block;
        let mut blocks = facts.blocks.iter().enumerate();
        let known = blocks.all(|(number, block)| {
            let tables = || facts.relations.iter().filter(|r| r.block == number);
            let ctes = || facts.cte_uses.iter().filter(|c| c.block == number);
            let lacks = |r| self.has_label(r) == Some(false);
            let own = block.sources == Some(tables().count() + ctes().count())
                && tables().all(lacks)
                && ctes().all(|c| c.columns.is_some() && !gives(c));
            own || !within && number != column.block
        });
        if known || !self.is_label_elsewhere() {
            return Ok(false);
        }
        let detail = format!("\"{label}\" may be a column of another item, or the row as a whole.");
        Err(Box::new(
            unsupported("the row of a changed table beside another use of its name")
                .detail(detail)
                .hint("give the table an alias that nothing else is called"),
        ))
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
        let is_said = |(i, token): (usize, &crate::tokens::Token)| {
            let text = self.statement.text.get(token.start..token.end);
            let bare = text.unwrap_or_default().trim_matches('"');
            let qualifies = tokens.get(i + 1).is_some_and(|t| t.is(Kind::Ascii46));
            let target = i + 1 >= self.clauses.target_end && i <= self.clauses.target_end + 1;
            let row = facts.columns.iter().any(|c| {
                c.location == token.start
                    && c.fields.as_slice() == [label]
                    && c.block == self.place.block
            });
            let escaped = text.is_some_and(|t| t.starts_with("U&") || t.starts_with("u&"));
            (bare.eq_ignore_ascii_case(label) || escaped) && !qualifies && !target && !row
        };
        let mut tables = facts.relations.iter();
        tables.any(|r| self.has_label(r) == Some(true)) || tokens.iter().any(is_said)
    }
}
