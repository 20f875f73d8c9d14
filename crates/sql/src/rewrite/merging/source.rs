//! The source of a MERGE: what its items are called, and what the columns are that a join has in
//! common, by USING or NATURAL.

use catalog::{RelationKind, quote_identifier as q};
use pg_query::NodeEnum;
use pg_query::protobuf::{Alias, JoinExpr, JoinType, Node, RangeSubselect, RangeVar};
use report::Report;

use crate::classify::unsupported;
use crate::plan::Context;
use crate::resolve::{self, Resolved};
use crate::rewrite::change::mismatch;
use crate::rewrite::returning::label_of;
use crate::rewrite::work::Work;
use crate::splice::Edit;
use crate::walk::{byte, string_fields};

/// A source, or one side of a join in it.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// Its items.
    pub(crate) items: Vec<Item>,
    /// Columns that a join has in common, with what each is.
    pub(crate) shared: Vec<(String, String)>,
}

/// One item of a source.
#[derive(Debug)]
pub(crate) struct Item {
    /// Its label, quoted.
    pub(crate) label: String,
    /// Names of its columns, where the catalog has them.
    pub(crate) columns: Option<Vec<String>>,
    /// A whole row of it is NULL where it has none.
    pub(crate) tells_absence: bool,
}

impl Source {
    pub(crate) fn of(work: &Work<'_>, item: &Node) -> Result<Self, Box<Report>> {
        if let Some(label) = label_of(item) {
            return Ok(Self {
                items: vec![Item {
                    label: q(label),
                    columns: columns(work, item)?,
                    tells_absence: !matches!(item.node.as_ref(), Some(NodeEnum::JoinExpr(_))),
                }],
                shared: Vec::new(),
            });
        }
        match item.node.as_ref() {
            Some(NodeEnum::JoinExpr(join)) => Self::join(work, join),
            Some(NodeEnum::RangeSubselect(_)) => Err(nameless(work)),
            _ => Err(refused()),
        }
    }

    fn join(work: &Work<'_>, join: &JoinExpr) -> Result<Self, Box<Report>> {
        let side = |node: &Option<Box<Node>>| {
            let node = node.as_deref().ok_or_else(refused)?;
            Self::of(work, node)
        };
        let (left, right) = (side(&join.larg)?, side(&join.rarg)?);
        let names = if join.is_natural {
            let (left, right) = (left.names(), right.names());
            let (left, right) = (left.ok_or_else(refused)?, right.ok_or_else(refused)?);
            left.into_iter().filter(|n| right.contains(n)).collect()
        } else {
            string_fields(&join.using_clause)
        };
        let mut shared = Vec::with_capacity(names.len());
        for name in &names {
            let (left, right) = (left.column(name)?, right.column(name)?);
            let column = match JoinType::try_from(join.jointype) {
                Ok(JoinType::JoinFull) => format!("coalesce({left}, {right})"),
                Ok(JoinType::JoinRight) => right,
                _ => left,
            };
            shared.push((name.clone(), column));
        }
        let others = left.shared.into_iter().chain(right.shared);
        shared.extend(others.filter(|(name, _)| !names.contains(name)));
        let mut items = left.items;
        items.extend(right.items);
        // its columns are those that the join has in common, and never absent as a row
        items.extend(join.join_using_alias.as_ref().map(|alias| Item {
            label: q(&alias.aliasname),
            columns: Some(Vec::new()),
            tells_absence: false,
        }));
        Ok(Self { items, shared })
    }

    /// The labels of its items.
    pub(crate) fn labels(&self) -> Vec<String> {
        self.items.iter().map(|item| item.label.clone()).collect()
    }

    /// A condition that there is a row of the source.
    pub(crate) fn present(&self) -> Result<String, Box<Report>> {
        let telling: Vec<String> = self
            .items
            .iter()
            .filter(|item| item.tells_absence)
            .map(|item| format!("{} IS DISTINCT FROM NULL", item.label))
            .collect();
        if telling.is_empty() {
            return Err(refused());
        }
        Ok(telling.join(" OR "))
    }

    /// All columns of the item with that label.
    pub(crate) fn star(&self, label: &str) -> Option<Vec<String>> {
        let label = q(label);
        let item = self.items.iter().find(|item| item.label == label)?;
        let columns = item.columns.as_ref()?;
        Some(
            columns
                .iter()
                .map(|c| format!("{label}.{}", q(c)))
                .collect(),
        )
    }

    /// What replaces the bare names of shared columns among these references.
    pub(crate) fn edits(&self, work: &Work<'_>, bytes: std::ops::Range<usize>) -> Vec<Edit> {
        let own = work
            .columns_in(bytes)
            .filter(|c| c.block == work.place.block);
        own.filter_map(|column| {
            let [name] = column.fields.as_slice() else {
                return None;
            };
            let (_, text) = self.shared.iter().find(|(shared, _)| shared == name)?;
            let first = work.statement.tokens.at(column.location)?;
            let range = work.statement.tokens.bytes(first..first + 1)?;
            Some(Edit::new(range, text.clone()))
        })
        .collect()
    }

    /// The names of all its columns.
    fn names(&self) -> Option<Vec<String>> {
        let mut names: Vec<String> = self.shared.iter().map(|(name, _)| name.clone()).collect();
        for item in &self.items {
            for name in item.columns.as_ref()? {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
        }
        Some(names)
    }

    /// The column of that name.
    fn column(&self, name: &str) -> Result<String, Box<Report>> {
        if let Some((_, column)) = self.shared.iter().find(|(shared, _)| shared == name) {
            return Ok(column.clone());
        }
        if let [item] = self.items.as_slice() {
            return Ok(format!("{}.{}", item.label, q(name)));
        }
        for item in &self.items {
            let columns = item.columns.as_ref().ok_or_else(refused)?;
            if columns.iter().any(|c| c == name) {
                return Ok(format!("{}.{}", item.label, q(name)));
            }
        }
        Err(refused())
    }
}

/// Names a subquery that has no name, which PostgreSQL takes since 16.
pub(super) fn name(context: &Context<'_>, item: &mut Node) -> &'static str {
    let named = context.catalog.server_version < 160_000;
    match item.node.as_mut() {
        Some(NodeEnum::RangeSubselect(sub)) if sub.alias.is_none() && !named => {
            sub.alias = Some(Alias {
                aliasname: "pgdraft_source".to_owned(),
                ..Alias::default()
            });
            " AS pgdraft_source"
        }
        _ => "",
    }
}

/// The names of a subquery's columns, as far as its text says them.
fn of_query(work: &Work<'_>, sub: &RangeSubselect) -> Result<Option<Vec<String>>, Box<Report>> {
    let given = sub.alias.as_ref().map(|a| string_fields(&a.colnames));
    let given = given.unwrap_or_default();
    let mut select = match sub.subquery.as_deref().and_then(|n| n.node.as_ref()) {
        Some(NodeEnum::SelectStmt(select)) => select.as_ref(),
        _ => return Ok(None),
    };
    while let Some(left) = select.larg.as_deref() {
        select = left;
    }
    let mut names = Vec::new();
    for target in &select.target_list {
        let Some(NodeEnum::ResTarget(target)) = target.node.as_ref() else {
            return Ok(None);
        };
        let value = target.val.as_deref().and_then(|v| v.node.as_ref());
        match value {
            _ if !target.name.is_empty() => names.push(target.name.clone()),
            Some(NodeEnum::ColumnRef(column)) => match string_fields(&column.fields).as_slice() {
                [.., name] if name != "*" => names.push(name.clone()),
                [_] => {
                    for item in &select.from_clause {
                        let Some(of_item) = columns(work, item)? else {
                            return Ok(None);
                        };
                        names.extend(of_item);
                    }
                }
                _ => return Ok(None),
            },
            _ => return Ok(None),
        }
    }
    if let Some(NodeEnum::List(row)) = select.values_lists.first().and_then(|n| n.node.as_ref()) {
        names.extend((1..=row.items.len()).map(|i| format!("column{i}")));
    }
    for (name, given) in names.iter_mut().zip(given) {
        *name = given;
    }
    let twice = |(i, name): (usize, &String)| names.iter().skip(i + 1).any(|n| n == name);
    Ok((!names.iter().enumerate().any(twice)).then_some(names))
}

/// The columns of an item that is a table, a view or a subquery.
fn columns(work: &Work<'_>, item: &Node) -> Result<Option<Vec<String>>, Box<Report>> {
    if let Some(NodeEnum::RangeSubselect(sub)) = item.node.as_ref() {
        return of_query(work, sub);
    }
    let Some(NodeEnum::RangeVar(table)) = item.node.as_ref() else {
        return Ok(None);
    };
    let location = byte(table.location);
    let relations = &work.statement.facts.relations;
    if !relations.iter().any(|r| r.location == location) {
        // a CTE
        return Ok(None);
    }
    let schema = (!table.schemaname.is_empty()).then_some(table.schemaname.as_str());
    let Resolved::Known(relation) = resolve::resolve(work.context, schema, &table.relname)? else {
        return Ok(None);
    };
    let mut names: Vec<String> = relation.columns.iter().map(|c| c.name.clone()).collect();
    let given = table
        .alias
        .as_ref()
        .map(|a: &Alias| string_fields(&a.colnames));
    for (name, given) in names.iter_mut().zip(given.unwrap_or_default()) {
        *name = given;
    }
    Ok(Some(names))
}

/// MERGE into a view, which PostgreSQL has since 17.
pub(crate) fn refuse_view(
    context: &Context<'_>,
    relation: Option<&RangeVar>,
) -> Result<(), Box<Report>> {
    let Some(name) = relation.filter(|_| context.catalog.server_version < 170_000) else {
        return Ok(());
    };
    let schema = (!name.schemaname.is_empty()).then_some(name.schemaname.as_str());
    match resolve::resolve(context, schema, &name.relname)? {
        Resolved::Known(relation) if relation.kind == RelationKind::View => Err(Box::new(
            Report::error(
                "0A000",
                format!("cannot execute MERGE on relation \"{}\"", relation.name),
            )
            .detail("This operation is not supported for views."),
        )),
        _ => Ok(()),
    }
}

/// A subquery without an alias, which PostgreSQL takes since 16.
fn nameless(work: &Work<'_>) -> Box<Report> {
    let at = || {
        let using = work.clauses.from?;
        Some(work.statement.tokens.get(using + 1)?.start)
    };
    if work.context.catalog.server_version >= 160_000 {
        return refused();
    }
    let Some(at) = at() else { return mismatch() };
    Box::new(
        Report::error("42601", "subquery in FROM must have an alias")
            .hint("For example, FROM (SELECT ...) [AS] foo.")
            .position(at + 1),
    )
}

fn refused() -> Box<Report> {
    Box::new(unsupported("this source of MERGE").hint("give it an alias, or use a subquery"))
}
