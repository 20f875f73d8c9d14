//! Statements that change rows: the outermost one, and those under its WITH.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    DeleteStmt, InsertStmt, MergeStmt, Node, RangeVar, ReturningClause, UpdateStmt,
};

use super::{Walked, Walker, unknown};
use crate::facts::{Change, Part, Target, Under, Unknown};
use crate::plan::Verb;

impl Change {
    /// The change that a node is.
    pub(crate) fn of(node: &NodeEnum) -> Option<Self> {
        Some(match node {
            NodeEnum::InsertStmt(tree) => Self::Insert(tree.clone()),
            NodeEnum::UpdateStmt(tree) => Self::Update(tree.clone()),
            NodeEnum::DeleteStmt(tree) => Self::Delete(tree.clone()),
            NodeEnum::MergeStmt(tree) => Self::Merge(tree.clone()),
            _ => return None,
        })
    }

    /// The word of its command tag.
    pub(crate) fn verb(&self) -> Verb {
        match self {
            Self::Insert(_) => Verb::Insert,
            Self::Update(_) => Verb::Update,
            Self::Delete(_) => Verb::Delete,
            Self::Merge(_) => Verb::Merge,
        }
    }

    /// It has a RETURNING.
    pub(crate) fn returns(&self) -> bool {
        match self {
            Self::Insert(tree) => tree.returning_clause.is_some(),
            Self::Update(tree) => tree.returning_clause.is_some(),
            Self::Delete(tree) => tree.returning_clause.is_some(),
            Self::Merge(tree) => tree.returning_clause.is_some(),
        }
    }

    /// The table it changes.
    pub(crate) fn relation(&self) -> Option<&RangeVar> {
        match self {
            Self::Insert(tree) => tree.relation.as_ref(),
            Self::Update(tree) => tree.relation.as_ref(),
            Self::Delete(tree) => tree.relation.as_ref(),
            Self::Merge(tree) => tree.relation.as_ref(),
        }
    }
}

impl Walker {
    /// Walks the outermost statement.
    pub(crate) fn change(&mut self, change: &Change) -> Walked {
        let block = self.parts_of(change)?;
        self.facts.own_block = Some(block);
        Ok(())
    }

    /// Walks a change under WITH whose CTE has its name at that byte.
    pub(super) fn part(&mut self, change: Change, name: usize) -> Walked {
        let outside = std::mem::replace(&mut self.under, Under::With);
        let block = self.parts_of(&change);
        self.under = outside;
        self.facts.parts.push(Part {
            change,
            name,
            block: block?,
        });
        Ok(())
    }

    /// Gives the change's own block.
    fn parts_of(&mut self, change: &Change) -> Result<usize, Unknown> {
        match change {
            Change::Insert(tree) => self.insert(tree),
            Change::Update(tree) => self.update(tree),
            Change::Delete(tree) => self.delete(tree),
            Change::Merge(tree) => self.merge(tree),
        }
    }

    fn target(&mut self, relation: Option<&RangeVar>) -> Walked {
        let relation = relation.ok_or_else(|| unknown("a change without a table"))?;
        self.facts.only_target |= !relation.inh;
        self.facts.names.push(relation.relname.clone());
        Ok(())
    }

    /// Notes what the names of columns in a change may be of: its target, and these items.
    fn stands_beside(&mut self, block: usize, target: Option<&RangeVar>, items: &[Node]) {
        let target = target.map(|table| Target {
            schema: (!table.schemaname.is_empty()).then(|| table.schemaname.clone()),
            name: table.relname.clone(),
            label: table
                .alias
                .as_ref()
                .map_or(&table.relname, |a| &a.aliasname)
                .clone(),
        });
        if let Some(b) = self.facts.blocks.get_mut(block) {
            b.target = target;
            b.sources = items.iter().map(|item| super::tables(item, true)).sum();
        }
    }

    fn insert(&mut self, insert: &InsertStmt) -> Result<usize, Unknown> {
        self.target(insert.relation.as_ref())?;
        let mark = self.with(insert.with_clause.as_ref())?;
        let block = self.open_block();
        match insert.select_stmt.as_deref().and_then(|n| n.node.as_ref()) {
            Some(NodeEnum::SelectStmt(select)) => {
                self.bind_inserted(select);
                self.select(select)?;
            }
            None => {}
            Some(_) => return Err(unknown("this source of an INSERT")),
        }
        self.stands_beside(block, insert.relation.as_ref(), &[]);
        self.expressions(&insert.cols)?;
        if let Some(conflict) = insert.on_conflict_clause.as_deref() {
            self.expressions(&conflict.target_list)?;
            self.pushed(conflict.where_clause.as_deref())?;
        }
        self.returning(insert.returning_clause.as_ref())?;
        self.close_block();
        self.leave(mark);
        Ok(block)
    }

    fn update(&mut self, update: &UpdateStmt) -> Result<usize, Unknown> {
        self.target(update.relation.as_ref())?;
        let mark = self.with(update.with_clause.as_ref())?;
        let block = self.open_block();
        for item in &update.from_clause {
            self.join_item(item, false)?;
        }
        self.stands_beside(block, update.relation.as_ref(), &update.from_clause);
        self.bind_assigned(update);
        self.expressions(&update.target_list)?;
        self.own_filter(update.where_clause.as_deref())?;
        self.returning(update.returning_clause.as_ref())?;
        self.close_block();
        self.leave(mark);
        Ok(block)
    }

    fn delete(&mut self, delete: &DeleteStmt) -> Result<usize, Unknown> {
        self.target(delete.relation.as_ref())?;
        let mark = self.with(delete.with_clause.as_ref())?;
        let block = self.open_block();
        for item in &delete.using_clause {
            self.join_item(item, false)?;
        }
        self.stands_beside(block, delete.relation.as_ref(), &delete.using_clause);
        self.own_filter(delete.where_clause.as_deref())?;
        self.returning(delete.returning_clause.as_ref())?;
        self.close_block();
        self.leave(mark);
        Ok(block)
    }

    /// WHERE, which may be CURRENT OF a cursor.
    fn own_filter(&mut self, node: Option<&Node>) -> Walked {
        match node.and_then(|n| n.node.as_ref()) {
            Some(NodeEnum::CurrentOfExpr(of)) if of.cursor_param == 0 => {
                self.selects();
                Ok(())
            }
            _ => self.filter(node),
        }
    }

    fn merge(&mut self, merge: &MergeStmt) -> Result<usize, Unknown> {
        self.target(merge.relation.as_ref())?;
        let mark = self.with(merge.with_clause.as_ref())?;
        let block = self.open_block();
        if let Some(source) = merge.source_relation.as_deref() {
            self.join_item(source, false)?;
            self.stands_beside(block, merge.relation.as_ref(), std::slice::from_ref(source));
        }
        self.joins_outside();
        self.filter(merge.join_condition.as_deref())?;
        for clause in &merge.merge_when_clauses {
            let Some(NodeEnum::MergeWhenClause(clause)) = clause.node.as_ref() else {
                return Err(unknown("this clause of MERGE"));
            };
            self.pushed(clause.condition.as_deref())?;
            self.expressions(&clause.target_list)?;
            self.expressions(&clause.values)?;
        }
        self.returning(merge.returning_clause.as_ref())?;
        self.close_block();
        self.leave(mark);
        Ok(block)
    }

    fn returning(&mut self, clause: Option<&ReturningClause>) -> Walked {
        let Some(clause) = clause else { return Ok(()) };
        self.expressions(&clause.exprs).map(|_| ())
    }
}
