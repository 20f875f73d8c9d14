//! RETURNING: from the head's row where it only names the target, joined back to the source where
//! it also names FROM or USING items.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use catalog::{Relation, quote_identifier as q};
use pg_query::NodeEnum;
use pg_query::protobuf::{Node, RangeVar, ReturningClause, Token as Kind};
use report::Report;

use crate::classify::unsupported;
use crate::facts::ColumnUse;
use crate::merge;
use crate::parse::Statement;
use crate::resolve::{Resolved, resolve};
use crate::rewrite::change::{Changed, list, mismatch};
use crate::rewrite::system;
use crate::rewrite::work::{Work, Written};
use crate::splice::{Edit, Splice};
use crate::walk::byte;

mod versions;

pub(crate) use versions::{Does, Versions};

/// The RETURNING of one change.
#[derive(Debug, Default)]
pub(crate) struct Returning {
    /// Replacements inside RETURNING: stars written out, columns of FROM items from the source.
    edits: Vec<Edit>,
    /// Columns of FROM or USING items, computed in the source as `f0, f1, …`.
    lifted: Vec<String>,
    /// Labels of FROM items whose columns are wanted as one row, `pgdraft_l0, pgdraft_l1, …`.
    rows: Vec<String>,
    /// The change has FROM or USING and RETURNING: it ends in a join with the source.
    joined: bool,
    /// `*` gives the items' columns before the target's.
    items_first: bool,
    /// It names the row as it was, which the source has.
    joins_old: bool,
    /// Of ON CONFLICT DO UPDATE: the source has rows that were proposed and rows that they met.
    upserts: bool,
    versions: Option<Versions>,
}

impl Returning {
    /// Looks through the client's list; `items` are the FROM or USING items.
    pub(crate) fn find(
        work: &Work<'_>,
        clause: Option<&ReturningClause>,
        (does, items): (Does, &[Node]),
    ) -> Result<Self, Box<Report>> {
        let mut returning = Self {
            upserts: does == Does::Upsert,
            versions: Versions::of(work, clause, does)?,
            ..Self::default()
        };
        returning.look(work, clause, items)?;
        Ok(returning)
    }

    /// The same for MERGE: its source's columns come first, and `merge_action()` is `action`.
    pub(crate) fn find_merge(
        work: &Work<'_>,
        clause: Option<&ReturningClause>,
        source: &[Node],
        action: &str,
    ) -> Result<Self, Box<Report>> {
        let mut returning = Self {
            items_first: true,
            versions: Versions::of(work, clause, Does::Any(action.to_owned()))?,
            ..Self::default()
        };
        let Some(bytes) = returning.look(work, clause, source)? else {
            return Ok(returning);
        };
        let tokens = &work.statement.tokens;
        for location in &work.statement.facts.merge_actions {
            if bytes.contains(location) {
                let first = tokens.at(*location).ok_or_else(mismatch)?;
                let lifted = returning.lift(action.to_owned());
                let label = if is_whole_target(work, first, 3) {
                    " AS merge_action"
                } else {
                    ""
                };
                let text = format!("pgdraft_src.{lifted}{label}");
                returning
                    .edits
                    .push(Edit::new(work.bytes(first..first + 3)?, text));
            }
        }
        Ok(returning)
    }

    /// Gives the bytes of the client's list.
    fn look(
        &mut self,
        work: &Work<'_>,
        clause: Option<&ReturningClause>,
        items: &[Node],
    ) -> Result<Option<Range<usize>>, Box<Report>> {
        let (Some(_), Some(keyword)) = (clause, work.clauses.returning) else {
            return Ok(None);
        };
        self.joined = !items.is_empty();
        let range = work.bytes(versions::behind_with(work, keyword))?;
        for column in work.columns_in(range.clone()) {
            match work.system_column(column) {
                Some(_) if self.upserts && column.fields.last().is_some_and(|f| f == "xmax") => {
                    // the way to ask which rows are new: those that were updated were locked before
                    let met = self.was(work.changed.met());
                    let locked = "pg_catalog.pg_current_xact_id()::pg_catalog.xid";
                    let text =
                        format!("CASE WHEN {met} THEN {locked} ELSE '0'::pg_catalog.xid END");
                    self.put(work, column, text);
                }
                Some(text) => self.put(work, column, text),
                None => self.column(work, column, items)?,
            }
        }
        Ok(Some(range))
    }

    /// One column reference: of the target it stays, a star is written out, of a FROM item it is
    /// computed in the source.
    fn column(
        &mut self,
        work: &Work<'_>,
        column: &ColumnUse,
        items: &[Node],
    ) -> Result<(), Box<Report>> {
        let changed = &work.changed;
        let is_star = column.fields.last().is_some_and(|f| f == "*");
        if let Some(version) = self.version_of(work, column) {
            return self.of_version(work, column, version);
        }
        if self.joined && is_inside(column, work, items)? {
            return Ok(());
        }
        let spread = is_star && work.statement.facts.spread.contains(&column.location);
        let text = match column.fields.as_slice() {
            [_] if is_star => {
                let mut parts = Vec::with_capacity(items.len() + 1);
                for item in items {
                    parts.push(self.star_of(work, item, true)?);
                }
                let own = if self.items_first { parts.len() } else { 0 };
                parts.insert(own, own_columns(changed));
                parts.join(", ")
            }
            fields if changed.names(fields) => {
                if !spread {
                    return Ok(());
                }
                own_columns(changed)
            }
            [.., table, _] if is_star && !spread && is_of_items(column, work, items) => {
                let row = system::replaced(work.statement, &work.edits, column);
                let row = row.map_or_else(|| q(table), str::to_owned);
                format!("pgdraft_src.{}", self.lift(row))
            }
            [.., table, _] if is_star => match labelled(items.iter(), table) {
                Some(item) => self.star_of(work, item, begins_target(work, column))?,
                None if self.joined && column.block == work.place.block => {
                    return Err(star_refused());
                }
                None => return Ok(()),
            },
            // the row itself, which has an edit of its own
            [name] if changed.shown().column(name).is_some() => return Ok(()),
            [name] if *name == changed.label && !work.is_beside(column)? => return Ok(()),
            _ if !self.joined || !is_of_items(column, work, items) => return Ok(()),
            fields => {
                // a derived table has no schema
                let from = fields.len().saturating_sub(2);
                let fields = fields.get(from..).unwrap_or(fields);
                let read = system::replaced(work.statement, &work.edits, column);
                let read = read.map_or_else(|| path(fields), str::to_owned);
                format!("pgdraft_src.{}", self.lift(read))
            }
        };
        self.put(work, column, text);
        Ok(())
    }

    /// Replaces a column reference, whose name an item keeps.
    fn put(&mut self, work: &Work<'_>, column: &ColumnUse, text: String) {
        let replaced = replace(work.statement, column, &text);
        let name = column.fields.last().filter(|name| *name != "*");
        if let (Some(name), true, Some(edit)) = (name, column.bare, &replaced) {
            let named = Edit::named(&work.statement.tokens, &edit.range, &q(name));
            self.edits.push(named);
        }
        self.edits.extend(replaced);
    }

    fn lift(&mut self, expression: String) -> String {
        self.lifted.push(expression);
        format!("f{}", self.lifted.len() - 1)
    }

    /// All columns of a plain table in FROM, lifted one by one; `named` as outputs, not inside a row.
    fn star_of(
        &mut self,
        work: &Work<'_>,
        item: &Node,
        named: bool,
    ) -> Result<String, Box<Report>> {
        if let Some(NodeEnum::JoinExpr(join)) = item.node.as_ref()
            && join.using_clause.is_empty()
            && !join.is_natural
            && join.alias.is_none()
        {
            let (Some(left), Some(right)) = (&join.larg, &join.rarg) else {
                return Err(star_refused());
            };
            let left = self.star_of(work, left, named)?;
            return Ok(format!("{left}, {}", self.star_of(work, right, named)?));
        }
        if let Some(NodeEnum::RangeVar(table)) = item.node.as_ref()
            && let Some(relation) = self.table(work, table)?
        {
            let label = label_of(item).map_or(&table.relname, |l| l);
            let mut parts = Vec::with_capacity(relation.columns.len());
            for column in &relation.columns {
                let lifted = self.lift(format!("{}.{}", q(label), q(&column.name)));
                let name = named.then(|| format!(" AS {}", q(&column.name)));
                parts.push(format!("pgdraft_src.{lifted}{}", name.unwrap_or_default()));
            }
            return Ok(parts.join(", "));
        }
        let label = q(label_of(item).ok_or_else(star_refused)?);
        // a whole row keeps the names and types of its columns; a function's may be no row
        let row = if let Some(NodeEnum::RangeFunction(_)) = item.node.as_ref() {
            self.rows.push(label);
            format!("pgdraft_l{}", self.rows.len() - 1)
        } else {
            label
        };
        Ok(format!("(pgdraft_src.{}).*", self.lift(row)))
    }

    /// The table that a FROM item names, if it is one: not a CTE.
    fn table(
        &self,
        work: &Work<'_>,
        table: &RangeVar,
    ) -> Result<Option<Arc<Relation>>, Box<Report>> {
        let location = byte(table.location);
        let relations = &work.statement.facts.relations;
        if !relations.iter().any(|r| r.location == location) {
            return Ok(None);
        }
        let schema = (!table.schemaname.is_empty()).then_some(table.schemaname.as_str());
        match resolve(work.context, schema, &table.relname)? {
            Resolved::Known(relation) => Ok(Some(relation)),
            Resolved::System | Resolved::Temporary | Resolved::Unknown => Ok(None),
        }
    }

    /// Items for the source's FROM.
    pub(crate) fn rows(&self) -> String {
        self.rows
            .iter()
            .enumerate()
            .map(|(i, label)| format!(", LATERAL (SELECT {label}.*) AS pgdraft_l{i}"))
            .collect()
    }

    /// `, expr AS f0, …` for the source's select list.
    pub(crate) fn lifted(&self) -> String {
        self.lifted
            .iter()
            .enumerate()
            .map(|(i, e)| format!(", {e} AS f{i}"))
            .collect()
    }

    /// `, f0, …` where they are computed already.
    pub(crate) fn lifted_names(&self) -> String {
        (0..self.lifted.len()).map(|i| format!(", f{i}")).collect()
    }

    /// Ends a change with its INSERT into the head: RETURNING of that INSERT itself, or the join of
    /// its rows with the source. `Live` rows are new ones, which a view may have to check.
    pub(crate) fn close(
        &self,
        work: &Work<'_>,
        out: &mut Written<'_>,
        insert: &Splice<'_>,
        live: bool,
    ) -> Result<(), Box<Report>> {
        let check = self.check(work, live)?;
        let keyword = work.clauses.returning;
        let through = work.changed.through.is_some() && keyword.is_some();
        let system = work.changed.system.returned(&work.changed.alias());
        let alone = !self.joined && !self.joins_old && !through;
        if alone && check.is_empty() && system.is_empty() {
            out.body.append(insert);
            let Some(keyword) = keyword else {
                return Ok(());
            };
            out.body.ours(" RETURNING ");
            return self.items(work, &mut out.body, keyword);
        }
        let row = work.name("row");
        let cte = out.cte();
        cte.ours(&format!("{row} AS ("));
        cte.append(insert);
        cte.ours(&format!(" RETURNING *{system})"));
        out.counted = keyword.is_none();
        out.body.ours("SELECT ");
        if let Some(keyword) = keyword {
            self.items(work, &mut out.body, keyword)?;
        }
        if self.joined || self.joins_old {
            self.join(work, &mut out.body, &row, |i| match self.upserts {
                true => format!("CASE WHEN pgdraft_hit THEN o{i} ELSE pgdraft_i{i} END"),
                false => format!("o{i}"),
            });
        } else {
            let rows = work.changed.rows(&row);
            let from = format!(" FROM {rows} AS {}", work.changed.alias());
            out.body.ours(&from);
        }
        out.body.ours(&check);
        Ok(())
    }

    /// ` WHERE` the view written through takes the new rows.
    fn check(&self, work: &Work<'_>, live: bool) -> Result<String, Box<Report>> {
        if !live {
            return Ok(String::new());
        }
        let alias = work.changed.alias();
        let through = work.changed.through.as_ref();
        let view = through.and_then(|t| t.check(&alias));
        let checks: Vec<String> = work.changed.bound(&alias).into_iter().chain(view).collect();
        if checks.is_empty() {
            return Ok(String::new());
        }
        let check = checks.join(" AND ");
        if work.place.number > 0 {
            return Err(Box::new(
                unsupported("a change under WITH of a partition or of a view with a check option")
                    .hint("use a statement of its own"),
            ));
        }
        Ok(format!(" WHERE {check}"))
    }

    /// ` FROM rows JOIN source`: `image` names the source's column with the row's present key.
    fn join(
        &self,
        work: &Work<'_>,
        splice: &mut Splice<'_>,
        rows: &str,
        image: impl Fn(usize) -> String,
    ) {
        let columns = self.lifted_names();
        splice.ours(&format!(
            " FROM {rows} AS {alias} JOIN (SELECT {keys}{columns} FROM {src}) AS pgdraft_src ON {on}",
            rows = work.changed.rows(rows),
            src = work.src(),
            alias = work.changed.alias(),
            keys = key_columns(&work.changed, image),
            on = key_join(&work.changed),
        ));
    }

    /// The outermost SELECT of a change whose rows may have new keys: the client's list over the
    /// live rows, or one empty row for each row changed.
    pub(crate) fn select(
        &self,
        work: &Work<'_>,
        splice: &mut Splice<'_>,
        rows: &str,
        image: impl Fn(usize) -> String,
    ) -> Result<(), Box<Report>> {
        let check = self.check(work, true)?;
        let Some(keyword) = work.clauses.returning else {
            splice.ours(&if check.is_empty() {
                format!("SELECT FROM {}", work.src())
            } else {
                let rows = work.changed.rows(rows);
                format!("SELECT FROM {rows} AS {}{check}", work.changed.alias())
            });
            return Ok(());
        };
        splice.ours("SELECT ");
        self.items(work, splice, keyword)?;
        self.join(work, splice, rows, image);
        splice.ours(&check);
        Ok(())
    }

    /// The client's list with its replacements.
    fn items(
        &self,
        work: &Work<'_>,
        splice: &mut Splice<'_>,
        keyword: usize,
    ) -> Result<(), Box<Report>> {
        let range = work.bytes(versions::behind_with(work, keyword))?;
        let mut all = work.edits.clone();
        all.retain(|e| !overlaps(e, &self.edits));
        all.extend(self.edits.iter().cloned());
        all.sort_by_key(|e| (e.range.start, e.range.end));
        splice.copy_edited(range, &all);
        Ok(())
    }
}

fn star_refused() -> Box<Report> {
    Box::new(unsupported("RETURNING * over this FROM item").hint("name the columns"))
}

/// The item of that name: a joined one stands inside of another that has no name.
fn labelled<'n>(mut items: impl Iterator<Item = &'n Node>, label: &str) -> Option<&'n Node> {
    items.find_map(|item| match (label_of(item), item.node.as_ref()?) {
        (None, NodeEnum::JoinExpr(join)) => {
            let sides = [join.larg.as_deref(), join.rarg.as_deref()];
            sides
                .into_iter()
                .flatten()
                .find_map(|side| labelled(std::iter::once(side), label))
        }
        (own, _) => (own? == label).then_some(item),
    })
}

/// Whether a reference is to a FROM item and not to a subquery inside RETURNING.
fn is_of_items(column: &ColumnUse, work: &Work<'_>, items: &[Node]) -> bool {
    match column.fields.as_slice() {
        [.., table, _] => {
            labelled(items.iter(), table).is_some() || {
                // those of TABLESAMPLE have no label there
                work.joined().any(|r| r.label() == table)
            }
        }
        _ => column.block == work.place.block,
    }
}

/// Whether a subquery of RETURNING means an item of its own, which has the name of one of FROM.
fn is_inside(column: &ColumnUse, work: &Work<'_>, items: &[Node]) -> Result<bool, Box<Report>> {
    let [.., label, _] = column.fields.as_slice() else {
        return Ok(false);
    };
    if column.block == work.place.block || !is_of_items(column, work, items) {
        return Ok(false);
    }
    let facts = &work.statement.facts;
    let mut tables = facts.relations.iter();
    if tables.any(|r| r.block == column.block && r.label() == label) {
        return Ok(true);
    }
    let rows = facts.columns.iter().filter(|c| c.fields.len() == 1);
    let rows: HashSet<usize> = rows.map(|c| c.location).collect();
    let begins = work.clauses.returning.unwrap_or_default();
    let tokens = &work.statement.tokens;
    let said = tokens.iter().skip(begins).any(|(i, token)| {
        let text = work.statement.text.get(token.start..token.end);
        let text = text.unwrap_or_default();
        let same = text.trim_matches('"').eq_ignore_ascii_case(label);
        let escaped = text.starts_with("U&") || text.starts_with("u&");
        let qualifies = tokens.get(i + 1).is_some_and(|t| t.is(Kind::Ascii46));
        (same || escaped) && !qualifies && !rows.contains(&token.start)
    });
    if !said {
        return Ok(false);
    }
    let detail = format!("\"{label}\" may be an item of the subquery, or of the change.");
    Err(Box::new(
        unsupported("a subquery in RETURNING that names an item like one of FROM")
            .detail(detail)
            .hint("give it an alias that nothing else is called"),
    ))
}

fn own_columns(changed: &Changed) -> String {
    list(
        changed
            .shown()
            .columns
            .iter()
            .map(|c| changed.column(&c.name)),
    )
}

/// Replaces a whole column reference; of a star the label too, which PostgreSQL takes and forgets.
fn replace(statement: &Statement, column: &ColumnUse, text: &str) -> Option<Edit> {
    let tokens = &statement.tokens;
    let first = tokens.at(column.location)?;
    let mut end = first + 2 * column.fields.len() - 1;
    if column.fields.last().is_some_and(|f| f == "*") {
        let depth = tokens.get(first)?.depth;
        let ends = |i: usize| {
            let next = tokens.get(i).filter(|t| t.depth == depth);
            next.is_none_or(|t| t.is(Kind::Ascii44) || t.is(Kind::Ascii59))
        };
        let label = usize::from(tokens.get(end).is_some_and(|t| t.is(Kind::As))) + 1;
        if !ends(end) && ends(end + label) {
            end += label;
        }
    }
    let mut bytes = tokens.bytes(first..end)?;
    if statement.facts.spread.contains(&column.location) {
        bytes = tokens.with_brackets(bytes);
    }
    Some(Edit::new(bytes, text.to_owned()))
}

fn key_columns(changed: &Changed, image: impl Fn(usize) -> String) -> String {
    let writable = changed.writable();
    list(changed.key().iter().enumerate().filter_map(|(n, k)| {
        let i = writable.iter().position(|c| c.name == *k)?;
        Some(format!("{} AS pgdraft_k{n}", image(i)))
    }))
}

fn key_join(changed: &Changed) -> String {
    let Some(key) = changed.relation.key() else {
        return "false".to_owned();
    };
    let images = changed.key_images();
    key.columns
        .iter()
        .enumerate()
        .map(|(n, _)| {
            let equals = merge::equals(key, n);
            let image = images.get(n).map_or("", String::as_str);
            format!("pgdraft_src.pgdraft_k{n} {equals} {image}")
        })
        .collect::<Vec<_>>()
        .join(" AND ")
}

fn overlaps(edit: &Edit, others: &[Edit]) -> bool {
    others
        .iter()
        .any(|o| edit.range.start < o.range.end && o.range.start < edit.range.end)
}

fn path(fields: &[String]) -> String {
    fields.iter().map(|f| q(f)).collect::<Vec<_>>().join(".")
}

pub(crate) fn label_of(item: &Node) -> Option<&String> {
    match item.node.as_ref()? {
        NodeEnum::RangeVar(table) => Some(
            table
                .alias
                .as_ref()
                .map_or(&table.relname, |a| &a.aliasname),
        ),
        NodeEnum::RangeSubselect(sub) => sub.alias.as_ref().map(|a| &a.aliasname),
        NodeEnum::RangeFunction(function) => function.alias.as_ref().map(|a| &a.aliasname),
        NodeEnum::JoinExpr(join) => join.alias.as_ref().map(|a| &a.aliasname),
        _ => None,
    }
}

/// Whether a reference begins a RETURNING item.
fn begins_target(work: &Work<'_>, column: &ColumnUse) -> bool {
    let first = work.statement.tokens.at(column.location);
    first.is_some_and(|first| opens_target(work, first))
}

fn opens_target(work: &Work<'_>, first: usize) -> bool {
    let before = first
        .checked_sub(1)
        .and_then(|i| work.statement.tokens.get(i));
    before.is_some_and(|t| {
        t.depth == work.place.depth
            && [Kind::Returning, Kind::Ascii44, Kind::Ascii41]
                .iter()
                .any(|k| t.is(*k))
    })
}

/// Whether so many tokens are a whole RETURNING item without a label of its own, so that its name
/// must be kept.
fn is_whole_target(work: &Work<'_>, first: usize, count: usize) -> bool {
    let (tokens, depth) = (&work.statement.tokens, work.place.depth);
    let after = tokens.get(first + count);
    let closes = after.is_none_or(|t| {
        (t.depth == depth && t.is(Kind::Ascii44)) || (t.depth < depth && t.is(Kind::Ascii41))
    });
    opens_target(work, first) && closes
}
