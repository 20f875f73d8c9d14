//! Walks PostgreSQL's tree of one statement, by scope, over an allow-list of nodes.
//!
//! Every node that can hold a relation, a function or a subquery is visited explicitly; a node
//! that is not listed is an [`Unknown`] and the statement is refused. A CTE hides a table of the
//! same name in its scope only, which is why no generic visitor is used.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    AConst, BoolExprType, CommonTableExpr, FuncCall, GroupingSet, GroupingSetKind, JoinType,
    LockClauseStrength, LockWaitPolicy, Node, RangeFunction, RangeVar, SelectStmt, SetOperation,
    WindowDef, WithClause,
};

use crate::facts::{
    Block, Call, Called, Change, Cte, CteUse, Facts, Locking, Source, TableRef, Under, Unknown,
    Wait,
};

mod bindable;
mod change;
mod expression;
mod given;
mod joined;
mod sought;
mod tested;

pub(crate) use expression::Shape;
pub(crate) use expression::string_fields;

/// Names of CTEs visible at one place, innermost last, with their index in [`Facts::ctes`].
type Scope = Vec<(String, usize)>;

/// Walks one statement and gathers its facts.
#[derive(Debug, Default)]
pub(crate) struct Walker {
    pub(crate) facts: Facts,
    /// A WITH has been walked: only the outermost one may hold changes.
    inside: bool,
    ctes: Scope,
    /// Blocks being walked, innermost last.
    stack: Vec<usize>,
    /// Where the next block stands.
    under: Under,
}

type Walked = Result<(), Unknown>;

fn unknown(what: impl Into<String>) -> Unknown {
    Unknown { what: what.into() }
}

pub(crate) fn byte(location: i32) -> usize {
    usize::try_from(location).unwrap_or(0)
}

impl Walker {
    /// Opens a block for a statement that is not a SELECT (UPDATE, DELETE, INSERT).
    pub(crate) fn open_block(&mut self) -> usize {
        self.facts.blocks.push(Block {
            under: self.under,
            ..Block::default()
        });
        let block = self.facts.blocks.len() - 1;
        self.stack.push(block);
        block
    }

    pub(crate) fn close_block(&mut self) {
        self.stack.pop();
    }

    fn block(&self) -> usize {
        self.stack.last().copied().unwrap_or(0)
    }

    fn mark_risky(&mut self, shape: Shape) {
        let block = self.block();
        if shape.fallible
            && let Some(b) = self.facts.blocks.get_mut(block)
        {
            b.risky = true;
        }
    }

    /// A clause that may be evaluated below the merge, each of its conditions by itself.
    pub(crate) fn pushed(&mut self, node: Option<&Node>) -> Walked {
        let Some(node) = node else { return Ok(()) };
        if let Some(NodeEnum::BoolExpr(both)) = &node.node
            && both.boolop == BoolExprType::AndExpr as i32
        {
            return self.pushed_all(&both.args);
        }
        let first = self.facts.calls.len();
        let shape = self.expression(node)?;
        self.mark_risky(shape);
        let columns = shape.columns;
        let called = (first..self.facts.calls.len()).map(|call| Called { call, columns });
        let block = self.block();
        if let Some(block) = self.facts.blocks.get_mut(block) {
            block.called.extend(called);
        }
        Ok(())
    }

    pub(crate) fn pushed_all(&mut self, nodes: &[Node]) -> Walked {
        nodes.iter().try_for_each(|n| self.pushed(Some(n)))
    }

    /// Walks a WITH clause; the names stay visible until the caller truncates to the returned mark.
    pub(crate) fn with(&mut self, with: Option<&WithClause>) -> Result<usize, Unknown> {
        let mark = self.ctes.len();
        let outermost = !std::mem::replace(&mut self.inside, true);
        let Some(with) = with else { return Ok(mark) };
        let ctes: Vec<&CommonTableExpr> = with
            .ctes
            .iter()
            .filter_map(|n| match n.node.as_ref() {
                Some(NodeEnum::CommonTableExpr(c)) => Some(c.as_ref()),
                _ => None,
            })
            .collect();
        let numbers = self.facts.ctes.len()..;
        self.facts.ctes.extend(ctes.iter().map(|cte| Cte {
            name: cte.ctename.clone(),
            location: byte(cte.location),
            columns: given::columns(cte),
        }));
        let named = |(cte, number): (&&CommonTableExpr, usize)| (cte.ctename.clone(), number);
        if with.recursive {
            self.ctes
                .extend(ctes.iter().zip(numbers.clone()).map(named));
        }
        for (cte, number) in ctes.iter().zip(numbers) {
            self.cte(cte, outermost)?;
            if !with.recursive {
                self.ctes.push(named((cte, number)));
            }
        }
        Ok(mark)
    }

    pub(crate) fn leave(&mut self, mark: usize) {
        self.ctes.truncate(mark);
    }

    fn cte(&mut self, cte: &CommonTableExpr, outermost: bool) -> Walked {
        if let Some(cycle) = &cte.cycle_clause {
            for value in [&cycle.cycle_mark_value, &cycle.cycle_mark_default] {
                self.pushed(value.as_deref())?;
            }
        }
        match cte.ctequery.as_deref().and_then(|n| n.node.as_ref()) {
            Some(NodeEnum::SelectStmt(select)) => {
                self.select_under(Under::With, select).map(|_| ())
            }
            Some(node) if outermost => {
                let change =
                    Change::of(node).ok_or_else(|| unknown("this kind of statement under WITH"))?;
                self.part(change, byte(cte.location))
            }
            Some(node) if Change::of(node).is_some() => {
                self.facts.misplaced.get_or_insert(byte(cte.location));
                Ok(())
            }
            _ => Err(unknown("this kind of statement under WITH")),
        }
    }

    /// Walks a query that stands in that place.
    pub(crate) fn select_under(
        &mut self,
        under: Under,
        select: &SelectStmt,
    ) -> Result<Shape, Unknown> {
        let outside = std::mem::replace(&mut self.under, under);
        let shape = self.select(select);
        self.under = outside;
        shape
    }

    /// Walks a query; the shape says whether evaluating it can fail.
    pub(crate) fn select(&mut self, select: &SelectStmt) -> Result<Shape, Unknown> {
        let mark = self.with(select.with_clause.as_ref())?;
        self.facts.into |= select.into_clause.is_some();
        self.facts.locking += select.locking_clause.len();
        let shape = if select.op == SetOperation::SetopNone as i32 {
            self.simple_select(select)
        } else {
            let mut shape = Shape::default();
            for arm in [&select.larg, &select.rarg] {
                let arm = arm
                    .as_deref()
                    .ok_or_else(|| unknown("this set operation"))?;
                // a row there is of one type with the other arm's
                let items = arm
                    .target_list
                    .iter()
                    .filter_map(|t| match t.node.as_ref() {
                        Some(NodeEnum::ResTarget(item)) => item.val.as_deref(),
                        _ => None,
                    });
                items.for_each(|item| self.argument(item));
                shape = shape.and(self.select(arm)?);
            }
            self.open_block();
            let tail = self.tail(select);
            self.close_block();
            tail.map(|()| shape)
        };
        self.leave(mark);
        shape
    }

    fn simple_select(&mut self, select: &SelectStmt) -> Result<Shape, Unknown> {
        let block = self.open_block();
        self.locking(block, select);
        for item in &select.from_clause {
            self.join_item(item, false)?;
        }
        let mut shape = Shape::default();
        for row in &select.values_lists {
            self.constant(Some(row));
            if let Some(NodeEnum::List(row)) = row.node.as_ref() {
                self.spread(&row.items);
                row.items.iter().for_each(|item| self.argument(item));
            }
            shape = shape.and(self.expression(row)?);
        }
        for target in &select.target_list {
            shape = shape.and(self.expression(target)?);
        }
        // sorting and grouping expressions may stand in the target list and be pushed below
        let sorts = !select.sort_clause.is_empty()
            || !select.group_clause.is_empty()
            || !select.distinct_clause.is_empty();
        if sorts {
            self.mark_risky(shape);
        }
        self.filter(select.where_clause.as_deref())?;
        for item in &select.distinct_clause {
            if item.node.is_some() {
                self.pushed(Some(item))?;
            }
        }
        self.group_by(block, select)?;
        self.pushed(select.having_clause.as_deref())?;
        for window in &select.window_clause {
            let Some(NodeEnum::WindowDef(window)) = window.node.as_ref() else {
                return Err(unknown("this window clause"));
            };
            self.window(window)?;
        }
        self.tail(select)?;
        self.first_of(select);
        self.note_joins(block, select);
        let is_count = select.target_list.len() == 1
            && select.from_clause.len() == 1
            && select.where_clause.is_none()
            && select.group_clause.is_empty()
            && select.having_clause.is_none()
            && select.sort_clause.is_empty()
            && select.target_list.iter().all(is_count_star);
        let derived =
            select.from_clause.len() > 1 || select.from_clause.iter().any(holds_more_than_tables);
        let risky = self.facts.blocks.get_mut(block).is_some_and(|b| {
            b.derived = derived;
            b.bare_count = is_count;
            b.selective |= select.limit_count.is_some();
            b.risky
        });
        self.close_block();
        shape.fallible |= risky;
        Ok(shape)
    }

    fn locking(&mut self, block: usize, select: &SelectStmt) {
        for clause in &select.locking_clause {
            let Some(NodeEnum::LockingClause(clause)) = clause.node.as_ref() else {
                continue;
            };
            let of = clause
                .locked_rels
                .iter()
                .filter_map(|n| match n.node.as_ref() {
                    Some(NodeEnum::RangeVar(table)) => Some(table.relname.clone()),
                    _ => None,
                });
            self.facts.lockings.push(Locking {
                block,
                of: of.collect(),
                wait: match LockWaitPolicy::try_from(clause.wait_policy) {
                    Ok(LockWaitPolicy::LockWaitSkip) => Wait::Skip,
                    Ok(LockWaitPolicy::LockWaitError) => Wait::Error,
                    _ => Wait::Block,
                },
                command: match LockClauseStrength::try_from(clause.strength) {
                    Ok(LockClauseStrength::LcsForkeyshare) => "SELECT FOR KEY SHARE",
                    Ok(LockClauseStrength::LcsForshare) => "SELECT FOR SHARE",
                    Ok(LockClauseStrength::LcsFornokeyupdate) => "SELECT FOR NO KEY UPDATE",
                    _ => "SELECT FOR UPDATE",
                },
            });
        }
    }

    fn group_by(&mut self, block: usize, select: &SelectStmt) -> Walked {
        let mut uses = Vec::new();
        let mut some = Vec::new();
        let constants = self.facts.constants.len();
        for item in &select.group_clause {
            self.pushed(Some(item))?;
            match item.node.as_ref() {
                Some(NodeEnum::ColumnRef(c)) => uses.push(string_fields(&c.fields)),
                Some(NodeEnum::AConst(place)) => uses.extend(target_at(select, place)),
                Some(NodeEnum::GroupingSet(sets)) => {
                    uses.extend(in_all(sets));
                    named_in(&sets.content, &mut some);
                }
                _ => {}
            }
        }
        // `(1, 2)` are places in the select list
        self.facts.constants.truncate(constants);
        // what stands beside grouping sets is in all of them
        let location = select.group_clause.iter().find_map(first_location);
        if let Some(b) = self.facts.blocks.get_mut(block) {
            b.grouped = !select.group_clause.is_empty();
            b.group_aliases = uses.iter().filter_map(|u| alias(select, u)).collect();
            b.sources = select.from_clause.iter().map(|f| tables(f, true)).sum();
            b.tables = select.from_clause.iter().map(|f| tables(f, false)).sum();
            b.group_by = uses;
            b.group_some = some;
            b.group_location = location;
        }
        Ok(())
    }

    /// ORDER BY, LIMIT, OFFSET.
    fn tail(&mut self, select: &SelectStmt) -> Walked {
        self.pushed_all(&select.sort_clause)?;
        self.constant(select.limit_offset.as_deref());
        self.constant(select.limit_count.as_deref());
        self.pushed(select.limit_offset.as_deref())?;
        self.pushed(select.limit_count.as_deref())
    }

    pub(crate) fn window(&mut self, window: &WindowDef) -> Walked {
        self.pushed_all(&window.partition_clause)?;
        self.pushed_all(&window.order_clause)?;
        self.pushed(window.start_offset.as_deref())?;
        self.pushed(window.end_offset.as_deref())
    }

    /// One item of a FROM list.
    pub(crate) fn join_item(&mut self, item: &Node, sampled: bool) -> Walked {
        self.facts.labels.extend(label(item));
        match item.node.as_ref() {
            Some(NodeEnum::RangeVar(relation)) => {
                self.relation(relation, sampled);
                Ok(())
            }
            Some(NodeEnum::RangeSubselect(sub)) => {
                match sub.subquery.as_deref().and_then(|n| n.node.as_ref()) {
                    Some(NodeEnum::SelectStmt(select)) => {
                        let shape = self.select_under(Under::From(self.block()), select)?;
                        if sub.lateral {
                            self.mark_risky(shape);
                        }
                        Ok(())
                    }
                    _ => Err(unknown("this kind of subquery")),
                }
            }
            Some(NodeEnum::JoinExpr(join)) => {
                if join.jointype != JoinType::JoinInner as i32 {
                    self.joins_outside();
                }
                for side in [&join.larg, &join.rarg] {
                    let side = side.as_deref().ok_or_else(|| unknown("this join"))?;
                    self.join_item(side, false)?;
                }
                self.joined_by(&join.using_clause);
                self.condition(join.quals.as_deref())
            }
            Some(NodeEnum::RangeFunction(function)) => {
                let first = self.facts.calls.len();
                for item in &function.functions {
                    // a list of column definitions, with nothing but types, may stand behind the call
                    let call = match &item.node {
                        Some(NodeEnum::List(list)) => list.items.first(),
                        _ => Some(item),
                    };
                    self.pushed(call)?;
                }
                if let Some(call) = self.facts.calls.get_mut(first) {
                    call.source = Some(source(function));
                }
                Ok(())
            }
            Some(NodeEnum::RangeTableSample(sample)) => {
                let relation = sample
                    .relation
                    .as_deref()
                    .ok_or_else(|| unknown("this TABLESAMPLE"))?;
                self.join_item(relation, true)?;
                self.pushed_all(&sample.args)?;
                self.pushed(sample.repeatable.as_deref())
            }
            Some(NodeEnum::RangeTableFunc(table)) => self.xml_table(table),
            Some(NodeEnum::JsonTable(table)) => self.json_table(table),
            _ => Err(unknown("this kind of FROM item")),
        }
    }

    fn relation(&mut self, relation: &RangeVar, sampled: bool) {
        self.facts.names.push(relation.relname.clone());
        let alias = relation.alias.as_ref();
        let renamed = alias.map_or_else(Vec::new, |a| string_fields(&a.colnames));
        let mut ctes = self.ctes.iter().rev();
        let cte =
            ctes.find(|(name, _)| relation.schemaname.is_empty() && *name == relation.relname);
        if let Some((_, cte)) = cte {
            let (block, cte) = (self.block(), *cte);
            let cte_use = CteUse {
                block,
                cte,
                renamed,
            };
            return self.facts.cte_uses.push(cte_use);
        }
        self.facts.relations.push(TableRef {
            block: self.block(),
            location: byte(relation.location),
            schema: (!relation.schemaname.is_empty()).then(|| relation.schemaname.clone()),
            name: relation.relname.clone(),
            alias: relation.alias.as_ref().map(|a| a.aliasname.clone()),
            only: !relation.inh,
            sampled,
            renamed,
        });
    }

    pub(crate) fn call(&mut self, call: &FuncCall) {
        let mut name = string_fields(&call.funcname);
        let Some(last) = name.pop() else { return };
        self.facts.calls.push(Call {
            schema: name.pop(),
            name: last,
            location: byte(call.location),
            first_constant: call.args.first().and_then(string_constant),
            second_constant: call.args.get(1).and_then(string_constant),
            plain: is_plain(call),
            bare: false,
            source: None,
            block: self.block(),
        });
    }
}

fn is_plain(call: &FuncCall) -> bool {
    let rest = [
        call.func_variadic,
        call.agg_star,
        call.agg_distinct,
        call.agg_within_group,
        call.over.is_some(),
        call.agg_filter.is_some(),
        !call.agg_order.is_empty(),
    ];
    !rest.contains(&true)
}

fn source(function: &RangeFunction) -> Source {
    let one = function.functions.len() == 1 && !function.is_rowsfrom;
    Source {
        alias: function.alias.as_ref().map(|a| a.aliasname.clone()),
        plain: one && function.coldeflist.is_empty(),
        ordinality: function.ordinality,
        lateral: function.lateral,
    }
}

/// What an item of a FROM is called; a call without an alias has its function's name.
fn label(item: &Node) -> Option<String> {
    let alias = match item.node.as_ref()? {
        NodeEnum::RangeVar(table) if table.alias.is_none() => return Some(table.relname.clone()),
        NodeEnum::RangeVar(table) => table.alias.as_ref(),
        NodeEnum::RangeSubselect(sub) => sub.alias.as_ref(),
        NodeEnum::RangeFunction(function) => function.alias.as_ref(),
        NodeEnum::RangeTableFunc(table) => table.alias.as_ref(),
        NodeEnum::JsonTable(table) => table.alias.as_ref(),
        NodeEnum::JoinExpr(join) => join.alias.as_ref().or(join.join_using_alias.as_ref()),
        _ => None,
    };
    alias.map(|a| a.aliasname.clone())
}

/// Whether a FROM item has columns of something that is no table by name.
fn holds_more_than_tables(item: &Node) -> bool {
    match item.node.as_ref() {
        Some(NodeEnum::RangeVar(_)) => false,
        Some(NodeEnum::RangeTableSample(sample)) => sample
            .relation
            .as_deref()
            .is_none_or(holds_more_than_tables),
        _ => true,
    }
}

fn is_count_star(target: &Node) -> bool {
    let Some(NodeEnum::ResTarget(target)) = target.node.as_ref() else {
        return false;
    };
    match target.val.as_deref().and_then(|v| v.node.as_ref()) {
        Some(NodeEnum::FuncCall(call)) => {
            call.agg_star
                && call.agg_filter.is_none()
                && call.over.is_none()
                && string_fields(&call.funcname).last().map(String::as_str) == Some("count")
        }
        _ => false,
    }
}

/// The text of a string constant, through casts.
pub(crate) fn string_constant(node: &Node) -> Option<String> {
    match node.node.as_ref()? {
        NodeEnum::AConst(constant) => match constant.val.as_ref()? {
            pg_query::protobuf::a_const::Val::Sval(s) => Some(s.sval.clone()),
            _ => None,
        },
        NodeEnum::TypeCast(cast) => string_constant(cast.arg.as_deref()?),
        _ => None,
    }
}

/// The column that stands at this place of the select list.
fn target_at(select: &SelectStmt, place: &AConst) -> Option<Vec<String>> {
    let Some(pg_query::protobuf::a_const::Val::Ival(place)) = &place.val else {
        return None;
    };
    let before = usize::try_from(place.ival).ok()?.checked_sub(1)?;
    let column = |target: &Node| match target.node.as_ref()? {
        NodeEnum::ResTarget(target) => match target.val.as_deref()?.node.as_ref()? {
            NodeEnum::ColumnRef(c) => Some(string_fields(&c.fields)),
            _ => Some(Vec::new()),
        },
        _ => None,
    };
    let mut fields = Vec::new();
    for target in select.target_list.get(..=before)? {
        fields = column(target)?;
        if fields.last().is_some_and(|last| last == "*") {
            // how many places it takes is not known here
            return None;
        }
    }
    Some(fields).filter(|f| !f.is_empty())
}

/// A constant of SET: a string, a word or a whole number.
pub(crate) fn constant(node: &Node) -> Option<String> {
    match node.node.as_ref()? {
        NodeEnum::AConst(constant) => match constant.val.as_ref()? {
            pg_query::protobuf::a_const::Val::Ival(i) => Some(i.ival.to_string()),
            _ => string_constant(node),
        },
        _ => string_constant(node),
    }
}

/// The column that the select list gives this name, if it gives it once.
fn alias(select: &SelectStmt, fields: &[String]) -> Option<(String, Vec<String>)> {
    let [name] = fields else {
        return None;
    };
    let targets = select.target_list.iter();
    let mut named = targets.filter_map(|target| match target.node.as_ref()? {
        NodeEnum::ResTarget(target) if target.name == *name => target.val.as_deref(),
        _ => None,
    });
    match (named.next()?.node.as_ref()?, named.next()) {
        (NodeEnum::ColumnRef(c), None) => Some((name.clone(), string_fields(&c.fields))),
        _ => None,
    }
}

/// How many tables an item of FROM is made of, if of nothing else and, unless `renamed`, their columns
/// keep their names.
fn tables(item: &Node, renamed: bool) -> Option<usize> {
    match item.node.as_ref()? {
        NodeEnum::RangeVar(table) => {
            let alias = table.alias.as_ref();
            (renamed || alias.is_none_or(|a| a.colnames.is_empty())).then_some(1)
        }
        NodeEnum::JoinExpr(join) if join.alias.is_none() => {
            let (left, right) = (join.larg.as_deref()?, join.rarg.as_deref()?);
            Some(tables(left, renamed)? + tables(right, renamed)?)
        }
        _ => None,
    }
}

/// The columns that grouping sets name.
fn named_in(nodes: &[Node], out: &mut Vec<Vec<String>>) {
    for node in nodes {
        match node.node.as_ref() {
            Some(NodeEnum::ColumnRef(c)) => out.push(string_fields(&c.fields)),
            Some(NodeEnum::RowExpr(row)) => named_in(&row.args, out),
            Some(NodeEnum::GroupingSet(sets)) => named_in(&sets.content, out),
            _ => {}
        }
    }
}

/// The columns that all sets of GROUPING SETS have.
fn in_all(sets: &GroupingSet) -> Vec<Vec<String>> {
    let columns = |node: &Node| -> Vec<Vec<String>> {
        let items = match node.node.as_ref() {
            Some(NodeEnum::RowExpr(row)) => row.args.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let column = |item: &Node| match item.node.as_ref() {
            Some(NodeEnum::ColumnRef(c)) => Some(string_fields(&c.fields)),
            _ => None,
        };
        items.iter().filter_map(column).collect()
    };
    if sets.kind != GroupingSetKind::GroupingSetSets as i32 {
        return Vec::new();
    }
    let mut sets = sets.content.iter().map(columns);
    let mut all = sets.next().unwrap_or_default();
    for set in sets {
        all.retain(|column| set.contains(column));
    }
    all
}

fn first_location(node: &Node) -> Option<usize> {
    match node.node.as_ref()? {
        NodeEnum::GroupingSet(sets) => Some(byte(sets.location)),
        NodeEnum::ColumnRef(c) => Some(byte(c.location)),
        NodeEnum::AConst(c) => Some(byte(c.location)),
        NodeEnum::FuncCall(c) => Some(byte(c.location)),
        _ => None,
    }
}
