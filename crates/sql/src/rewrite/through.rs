//! Views that are written through, by PostgreSQL's rules: a view of one table (or of another such
//! view) without anything that would make its rows more or less than that table's.
//!
//! The target of the change is then the view's own text over the merged table, which carries the
//! table's columns along under names of ours (`pgdraft_b0, …`). What RETURNING and the check options
//! look at is the same text over the rows written.

use std::ops::Range;
use std::sync::Arc;

use catalog::{CheckOption, Command, Relation, RelationKind, quote_identifier as q, quote_literal};
use pg_query::NodeEnum;
use pg_query::protobuf::{ColumnRef, Node, SelectStmt, SetOperation, Token as Kind, TypeCast};
use report::Report;

use crate::classify::unsupported;
use crate::facts::TableRef;
use crate::merge::{OWN, System};
use crate::parse::{Body, Statement, parse};
use crate::plan::{Context, Temporary};
use crate::resolve::{self, Merged, Resolved};
use crate::rewrite::change::list;
use crate::rewrite::{Edits, system};
use crate::splice::{Edit, Splice};
use crate::tokens::Tokens;
use crate::volatile::{self, Risk};
use crate::walk::byte;

/// What a client's word does to a view, for PostgreSQL's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Insert,
    Update,
    Delete,
    Merge {
        /// One of its clauses adds rows.
        adds: bool,
        /// What the first clause that does something does.
        first: Command,
    },
}

impl Verb {
    /// The command whose policies are asked for the rows it finds: MERGE finds those that can be read.
    pub(crate) fn command(self) -> Command {
        match self {
            Self::Insert => Command::Insert,
            Self::Update => Command::Update,
            Self::Delete => Command::Delete,
            Self::Merge { .. } => Command::Select,
        }
    }
}

/// A view down to its table.
#[derive(Debug, Clone)]
pub(crate) struct Through {
    /// The view the client names.
    pub(crate) view: Arc<Relation>,
    /// The table at the end.
    pub(crate) table: Arc<Relation>,
    /// Outermost first.
    levels: Vec<Level>,
    /// Further columns of the table's merged read that go all the way.
    pub(crate) carried: Vec<String>,
    /// The table's merged read tells its own rows from those of what inherits from it.
    pub(crate) tells_own: bool,
}

/// One view on the way.
#[derive(Debug, Clone)]
struct Level {
    view: Arc<Relation>,
    statement: Arc<Statement>,
    /// Merged reads of its other tables.
    edits: Vec<Edit>,
    /// The name of what it reads, in its text.
    name: Range<usize>,
    /// The name its columns are qualified with, quoted.
    alias: String,
    /// Alias written out: the name has none of its own.
    bare: bool,
    /// No ONLY stands before it.
    with_children: bool,
    /// Byte of FROM.
    from: usize,
    /// Byte of WHERE and bytes of the condition.
    filter: Option<(usize, Range<usize>)>,
    /// Its columns: what they are called, and of which column of the next level they are, or why of none.
    columns: Vec<(String, Result<String, &'static str>)>,
    /// The condition can fail on a row that should not be seen.
    risk: Risk,
    /// The system columns of the next level that its text asks for.
    system: System,
}

impl Through {
    /// The way to a child of the table at the end of `way`, or of the one the client names: `seen` is
    /// the child as a view with the parent's columns.
    pub(crate) fn of_child(
        context: &Context<'_>,
        way: Option<&Self>,
        seen: &Arc<Relation>,
    ) -> Result<Self, Box<Report>> {
        let none = Temporary::new();
        let inside = context.qualified(&none);
        let (level, table) = level(&inside, seen, Verb::Update)?.ok_or_else(|| lost(seen))?;
        let mut levels = way.map_or_else(Vec::new, |way| way.levels.clone());
        levels.push(level);
        Ok(Self {
            view: Arc::clone(way.map_or(seen, |way| &way.view)),
            table,
            levels,
            carried: Vec::new(),
            tells_own: false,
        })
    }
}

/// What following a view leads to.
pub(crate) enum Followed {
    Through(Through),
    /// Refresh the catalog.
    Unknown,
}

/// Follows a view to its table.
pub(crate) fn follow(
    context: &Context<'_>,
    view: &Arc<Relation>,
    verb: Verb,
) -> Result<Followed, Box<Report>> {
    // pg_get_viewdef was asked with an empty search_path: every name is qualified
    let none = Temporary::new();
    let inside = context.qualified(&none);
    let mut levels = Vec::new();
    let mut at = Arc::clone(view);
    loop {
        if !at.instead.is_empty() {
            return Err(Box::new(
                unsupported(&format!("writing to view \"{}\"", at.name))
                    .detail(
                        "It has rules or INSTEAD OF triggers, which would run before the commit.",
                    )
                    .hint("change the tables behind it"),
            ));
        }
        for function in at.view.iter().flat_map(|v| &v.functions) {
            crate::functions::permit(context, function)?;
        }
        let Some((level, next)) = level(&inside, &at, verb)? else {
            return Ok(Followed::Unknown);
        };
        levels.push(level);
        if next.kind != RelationKind::View {
            return Ok(Followed::Through(Through {
                view: Arc::clone(view),
                table: next,
                levels,
                carried: Vec::new(),
                tells_own: false,
            }));
        }
        at = next;
    }
}

fn lost(view: &Relation) -> Box<Report> {
    Box::new(
        unsupported(&format!("writing to view \"{}\"", view.name))
            .hint("change the table behind it"),
    )
}

/// PostgreSQL's error for a view that no change can go through.
fn fixed(view: &Relation, verb: Verb, why: &str) -> Box<Report> {
    let command = match verb {
        Verb::Merge { first, .. } => first,
        other => other.command(),
    };
    let (does, doing, on) = match command {
        Command::Update => ("update", "updating", "UPDATE"),
        Command::Delete => ("delete from", "deleting from", "DELETE"),
        Command::Insert | Command::Select => ("insert into", "inserting into", "INSERT"),
    };
    let hint = match verb {
        Verb::Merge { .. } => {
            format!("To enable {doing} the view using MERGE, provide an INSTEAD OF {on} trigger.")
        }
        _ => format!(
            "To enable {doing} the view, provide an INSTEAD OF {on} trigger or an unconditional ON {on} DO INSTEAD rule."
        ),
    };
    Box::new(
        Report::error("55000", format!("cannot {does} view \"{}\"", view.name))
            .detail(format!("Views {why} are not automatically updatable."))
            .hint(hint),
    )
}

/// The text of a view and its one SELECT.
fn defined(view: &Relation) -> Option<(Arc<Statement>, Box<SelectStmt>)> {
    let definition = view.view.as_ref().map_or("", |v| v.definition.as_str());
    let script = parse(definition).ok()?;
    let [statement] = script.statements.as_slice() else {
        return None;
    };
    let parsed = pg_query::parse(&statement.text, 0).ok()?;
    let node = parsed.protobuf.stmts.into_iter().next();
    match node.and_then(|s| s.stmt).and_then(|n| n.node) {
        Some(NodeEnum::SelectStmt(select)) if matches!(statement.body, Body::Query) => {
            Some((Arc::clone(statement), select))
        }
        _ => None,
    }
}

fn level(
    inside: &Context<'_>,
    view: &Arc<Relation>,
    verb: Verb,
) -> Result<Option<(Level, Arc<Relation>)>, Box<Report>> {
    let refused = || lost(view);
    let (statement, select) = defined(view).ok_or_else(refused)?;
    let statement = &statement;
    if let Some(why) = obstacle(&select) {
        return Err(fixed(view, verb, why));
    }
    let [
        Node {
            node: Some(NodeEnum::RangeVar(from)),
        },
    ] = select.from_clause.as_slice()
    else {
        return Err(fixed(
            view,
            verb,
            "that do not select from a single table or view",
        ));
    };
    let schema = (!from.schemaname.is_empty()).then_some(from.schemaname.as_str());
    let next = match resolve::resolve(inside, schema, &from.relname)? {
        Resolved::Known(next) => next,
        Resolved::Unknown if !inside.fresh => return Ok(None),
        Resolved::Unknown | Resolved::System | Resolved::Temporary => return Err(refused()),
    };
    let Some(reads) = Edits::of_reads(statement, inside)? else {
        return Ok(None);
    };
    let tokens = &statement.tokens;
    let keyword = |kind: Kind| {
        let found = tokens.find(0..tokens.len(), 0, |before, t| {
            t.is(kind) && !before.is_some_and(|b| b.is(Kind::Distinct))
        })?;
        Some((found, tokens.get(found)?.start))
    };
    let name = name_with_only(tokens, byte(from.location)).ok_or_else(refused)?;
    let filter = match (keyword(Kind::Where), &select.where_clause) {
        (Some((at, start)), Some(_)) => {
            let end = keyword(Kind::Order).map_or(tokens.len(), |(order, _)| order);
            Some((start, tokens.bytes(at + 1..end).ok_or_else(refused)?))
        }
        (None, None) => None,
        _ => return Err(refused()),
    };
    let outside = |e: &Edit| e.range.start < name.start || name.end < e.range.end;
    let (system, mut asked) = system_columns(statement, inside, &next)?;
    let alias = from.alias.as_ref().map(|a| a.aliasname.as_str());
    let label = alias.unwrap_or(&from.relname);
    asked.extend(whole_rows(statement, &next, label));
    let read = |e: &Edit| !asked.iter().any(|own| own.range == e.range);
    let edits = reads.list.into_iter().filter(|e| outside(e) && read(e));
    let edits = edits.chain(asked.iter().cloned()).collect();
    let level = Level {
        view: Arc::clone(view),
        statement: Arc::clone(statement),
        edits,
        alias: q(label),
        bare: alias.is_none(),
        with_children: from.inh,
        name,
        from: keyword(Kind::From).ok_or_else(refused)?.1,
        filter,
        columns: columns(view, &select, &next),
        risk: volatile::risk(inside, &statement.facts, 0..statement.facts.blocks.len()),
        system,
    };
    Ok(Some((level, next)))
}

/// The system columns that a view's text asks of the table it is over, and the edits that take them
/// from the merged table.
fn system_columns(
    statement: &Statement,
    inside: &Context<'_>,
    table: &Arc<Relation>,
) -> Result<(System, Vec<Edit>), Box<Report>> {
    let of_view = |r: &&TableRef| r.block == 0;
    let Some(reference) = statement.facts.relations.iter().find(of_view) else {
        return Ok(Default::default());
    };
    if table.kind == RelationKind::View {
        return Ok(Default::default());
    }
    let item = Merged {
        reference: reference.clone(),
        relation: Arc::clone(table),
    };
    let wanted = system::wanted(statement, inside, &item);
    let edits = system::edits(statement, &item, &wanted)?;
    Ok((wanted, edits))
}

/// The rows of what a view reads, as values: the source has more columns. A view's definition has no other star.
fn whole_rows<'a>(
    statement: &'a Statement,
    next: &'a Relation,
    label: &'a str,
) -> impl Iterator<Item = Edit> + 'a {
    let stars = statement.facts.columns.iter();
    let stars = stars.filter(move |c| c.fields.as_slice() == [label, "*"]);
    stars.filter_map(move |column| {
        let (range, _) = statement.tokens.name_at(column.location)?;
        let names = next.columns.iter();
        let values = list(names.map(|c| format!("{}.{}", q(label), q(&c.name))));
        Some(Edit::new(
            range,
            format!("ROW({values})::{}", next.qualified()),
        ))
    })
}

/// The bytes of a table's name and of the ONLY before it.
fn name_with_only(tokens: &Tokens, location: usize) -> Option<Range<usize>> {
    let (mut name, _) = tokens.name_at(location)?;
    let before = tokens.at(name.start).and_then(|at| at.checked_sub(1));
    let only = before.and_then(|at| tokens.get(at));
    if let Some(only) = only.filter(|t| t.is(Kind::Only)) {
        name.start = only.start;
    }
    Some(name)
}

/// What keeps a view from being written through.
fn obstacle(select: &SelectStmt) -> Option<&'static str> {
    if !select.distinct_clause.is_empty() {
        Some("containing DISTINCT")
    } else if !select.group_clause.is_empty() {
        Some("containing GROUP BY")
    } else if select.having_clause.is_some() {
        Some("containing HAVING")
    } else if select.op != SetOperation::SetopNone as i32 {
        Some("containing UNION, INTERSECT, or EXCEPT")
    } else if select.with_clause.is_some() {
        Some("containing WITH")
    } else if select.limit_count.is_some() || select.limit_offset.is_some() {
        Some("containing LIMIT or OFFSET")
    } else {
        None
    }
}

/// The view's columns, each with the column behind it or what PostgreSQL says where it cannot be written.
fn columns(
    view: &Relation,
    select: &SelectStmt,
    next: &Relation,
) -> Vec<(String, Result<String, &'static str>)> {
    let behind = |target: &Node| {
        let value = match target.node.as_ref() {
            Some(NodeEnum::ResTarget(target)) => target.val.as_deref(),
            _ => None,
        };
        let column = match value.and_then(|v| v.node.as_ref()) {
            Some(NodeEnum::ColumnRef(column)) => column,
            // how a view's definition shows a whole row
            Some(NodeEnum::TypeCast(cast)) => match cast.arg.as_deref().map(|a| &a.node) {
                Some(Some(NodeEnum::ColumnRef(column)))
                    if is_star(column) && is_row_type(cast, next) =>
                {
                    return Err(WHOLE_ROW);
                }
                _ => return Err(NO_COLUMN),
            },
            _ => return Err(NO_COLUMN),
        };
        match crate::walk::string_fields(&column.fields).pop() {
            Some(name) if next.column(&name).is_some() => Ok(name),
            Some(name) if resolve::SYSTEM_COLUMNS.contains(&name.as_str()) => Err(SYSTEM_COLUMN),
            _ => Err(NO_COLUMN),
        }
    };
    let columns = view.columns.iter().zip(&select.target_list);
    columns
        .map(|(column, target)| (column.name.clone(), behind(target)))
        .collect()
}

fn is_star(column: &ColumnRef) -> bool {
    let last = column.fields.last().and_then(|field| field.node.as_ref());
    matches!(last, Some(NodeEnum::AStar(_)))
}

fn is_row_type(cast: &TypeCast, of: &Relation) -> bool {
    let named = cast.type_name.as_ref();
    let named = named.and_then(|t| crate::walk::string_fields(&t.names).pop());
    named.is_some_and(|name| name == of.name)
}

const NO_COLUMN: &str =
    "View columns that are not columns of their base relation are not updatable.";
const SYSTEM_COLUMN: &str = "View columns that refer to system columns are not updatable.";
const WHOLE_ROW: &str = "View columns that return whole-row references are not updatable.";

impl Through {
    /// Whether it reads what inherits from the table as well.
    pub(crate) fn with_children(&self) -> bool {
        self.levels.last().is_some_and(|level| level.with_children)
    }

    /// The system columns that the view over the table asks of it.
    pub(crate) fn system(&self) -> System {
        let innermost = self.levels.last();
        innermost.map_or_else(System::default, |level| level.system.clone())
    }

    /// The table's column behind a column of the view.
    pub(crate) fn column<'s>(&'s self, name: &'s str) -> Option<&'s str> {
        let mut at = name;
        for level in &self.levels {
            let (_, own) = level.columns.iter().find(|(n, _)| n == at)?;
            at = own.as_deref().ok()?;
        }
        Some(at)
    }

    /// That each of these columns of the view can be written: PostgreSQL looks at one view after the
    /// other, and at the columns of each in their order.
    pub(crate) fn writable(&self, names: &[&str], does: &str) -> Result<(), Box<Report>> {
        let mut names = names.to_vec();
        for level in &self.levels {
            let written = |(name, _): &&(String, _)| names.contains(&name.as_str());
            let mut below = Vec::new();
            for (name, own) in level.columns.iter().filter(written) {
                below.push(own.as_deref().map_err(|why| {
                    let view = &level.view.name;
                    let message = format!("cannot {does} column \"{name}\" of view \"{view}\"");
                    Box::new(Report::error("0A000", message).detail(*why))
                })?);
            }
            names = below;
        }
        Ok(())
    }

    /// The default that the view named by the client has for its column.
    pub(crate) fn own_default(&self, name: &str) -> Option<&str> {
        let named = self.levels.first()?;
        named.view.column(name)?.default.as_deref()
    }

    /// A default that a view of the way has for its column; the outermost counts.
    pub(crate) fn default(&self, name: &str) -> Option<&str> {
        let mut at = name;
        for level in &self.levels {
            let column = level.view.column(at)?;
            if let Some(default) = &column.default {
                return Some(default);
            }
            let (_, own) = level.columns.iter().find(|(n, _)| n == at)?;
            at = own.as_deref().ok()?;
        }
        None
    }

    /// What conditions of the way could do with a hidden row.
    pub(crate) fn risk(&self) -> Risk {
        let levels = self.levels.iter().map(|l| l.risk);
        levels.max().unwrap_or_default()
    }

    /// The view's rows, in brackets, over the merged table.
    pub(crate) fn over(&self, source: &str) -> String {
        self.text(source, true)
    }

    /// The view's rows, in brackets, over rows of the head, seen or not.
    pub(crate) fn written(&self, rows: &str) -> String {
        self.text(rows, false)
    }

    /// In brackets.
    fn text(&self, source: &str, filtered: bool) -> String {
        let mut source = source.to_owned();
        let count = self.levels.len();
        for (n, level) in self.levels.iter().enumerate().rev() {
            let mut hidden: Vec<String> = self
                .table
                .writable()
                .enumerate()
                .map(|(i, c)| {
                    if n + 1 == count {
                        format!("{}.{} AS pgdraft_b{i}", level.alias, q(&c.name))
                    } else {
                        format!("{}.pgdraft_b{i}", level.alias)
                    }
                })
                .collect();
            hidden.push(format!("{}.pgdraft_new", level.alias));
            let carried = self.carried.iter();
            hidden.extend(carried.map(|name| format!("{}.{name}", level.alias)));
            if self.tells_own && filtered {
                hidden.push(format!("{}.{OWN}", level.alias));
            }
            if !filtered {
                let below =
                    (n + 1..count).filter(|m| self.levels.get(*m).is_some_and(Level::filters));
                hidden.push(self.shown(level, n + 1 == count));
                hidden.extend(below.map(|m| format!("{}.pgdraft_ok{m}", level.alias)));
            }
            let text = level.render(&source, &list(hidden), (!filtered).then_some(n));
            let view = level.view.view.as_ref();
            // what stands above a barrier meets no row that it hides
            source = match filtered && view.is_some_and(|v| v.security_barrier) {
                true => format!("(SELECT * FROM ({text}) AS v OFFSET 0)"),
                false => format!("({text})"),
            };
        }
        source
    }

    /// The row as an error shows it.
    fn shown(&self, level: &Level, innermost: bool) -> String {
        let alias = &level.alias;
        if !innermost {
            return format!("{alias}.pgdraft_shown");
        }
        // of a child the columns of the table it is seen as
        let names: Vec<&String> = match level.view.kind {
            RelationKind::View => self.table.columns.iter().map(|c| &c.name).collect(),
            _ => level.columns.iter().map(|(name, _)| name).collect(),
        };
        let values = names.into_iter().map(|name| {
            let column = format!("{alias}.{}", q(name));
            format!("CASE WHEN {column} IS NOT NULL THEN pg_catalog.concat({column}) END")
        });
        format!(
            "ARRAY[{}]::pg_catalog.text[] AS pgdraft_shown",
            list(values)
        )
    }

    /// What raises where a new row is not one of the view's, innermost view first; none: nothing
    /// has to be checked.
    pub(crate) fn check(&self, label: &str) -> Option<String> {
        let mut cascaded = false;
        let mut arms = Vec::new();
        for (n, level) in self.levels.iter().enumerate() {
            let option = level.view.view.as_ref().map(|v| v.check_option);
            cascaded |= option == Some(CheckOption::Cascaded);
            let checked = cascaded || option == Some(CheckOption::Local);
            if checked && level.filters() {
                arms.insert(
                    0,
                    format!(
                        " WHEN NOT {label}.pgdraft_ok{n} THEN pgdraft.outside_view({}, {label}.pgdraft_shown)",
                        quote_literal(&level.view.name)
                    ),
                );
            }
        }
        (!arms.is_empty()).then(|| format!("CASE{} ELSE true END", arms.concat()))
    }
}

impl Level {
    fn filters(&self) -> bool {
        self.filter.is_some()
    }

    /// The view's text over a source, with columns added; `check`: without its condition, which is
    /// a column of that number instead.
    fn render(&self, source: &str, hidden: &str, check: Option<usize>) -> String {
        let text = &self.statement.text;
        let alias = if self.bare {
            format!(" AS {}", self.alias)
        } else {
            String::new()
        };
        let mut splice = Splice::new(text);
        let mut edits = self.edits.clone();
        let mut more = format!(", {hidden}");
        let mut end = text.len();
        if let (Some(n), Some((start, condition))) = (check, &self.filter) {
            let mut ok = Splice::new(text);
            ok.copy_edited(condition.clone(), &self.edits);
            more.push_str(&format!(", ({}) IS TRUE AS pgdraft_ok{n}", ok.finish().0));
            end = *start;
        }
        edits.push(Edit::new(self.from..self.from, format!("{more} ")));
        edits.push(Edit::new(self.name.clone(), format!("{source}{alias}")));
        edits.sort_by_key(|e| (e.range.start, e.range.end));
        splice.copy_edited(0..end, &edits);
        splice.finish().0
    }
}
