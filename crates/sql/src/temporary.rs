//! Statements that make, change or drop relations. Only temporary relations are an agent's own, so
//! only for these there is a way; what the statement would do to any other is refused.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    AlterTableStmt, AlterTableType as Alter, ColumnDef, Constraint, CreateStmt, CreateTableAsStmt,
    DropStmt, IndexStmt, IntoClause, Node, ObjectType, RangeVar, RenameStmt, VacuumStmt,
};

use crate::facts::Unknown;
use crate::skipped::Skipped;
use crate::walk::{Walker, byte, string_fields};

/// A name as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
    /// Byte where it starts; `None` where the tree does not say.
    pub(crate) location: Option<usize>,
}

impl Name {
    pub(crate) fn of(relation: &RangeVar) -> Self {
        Self {
            schema: (!relation.schemaname.is_empty()).then(|| relation.schemaname.clone()),
            name: relation.relname.clone(),
            location: Some(byte(relation.location)),
        }
    }
}

/// A statement about relations themselves.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Definition {
    /// Its words, for a refusal.
    pub(crate) what: &'static str,
    /// It makes a relation that its text calls temporary.
    pub(crate) creates: bool,
    /// Relations that have to be temporary.
    pub(crate) targets: Vec<Name>,
    /// Relations whose defaults and checks are copied.
    pub(crate) likes: Vec<Name>,
    /// The prepared statement that fills the new table.
    pub(crate) executes: Option<String>,
    /// Something of another relation that may be there already.
    pub(crate) skipped: Option<Skipped>,
    /// It keeps the names of what its query reads: a view.
    pub(crate) views: bool,
    /// It keeps its expressions, which run whenever the relation is used.
    pub(crate) keeps: bool,
}

type Found = Result<Option<Definition>, Unknown>;

/// The definition that a node is; `None` for what is none, or has no temporary form.
pub(crate) fn sort(node: &NodeEnum, walker: &mut Walker) -> Found {
    let about = |what, relation: Option<&RangeVar>| Definition {
        what,
        targets: relation.map(Name::of).into_iter().collect(),
        ..Definition::default()
    };
    let created = |what| Definition {
        what,
        creates: true,
        ..Definition::default()
    };
    Ok(match node {
        NodeEnum::CreateStmt(create) if is_temporary(create.relation.as_ref()) => {
            let definition = Definition {
                keeps: true,
                ..created("CREATE TABLE")
            };
            Some(table(create, walker, definition)?)
        }
        NodeEnum::CreateTableAsStmt(create) if into_temporary(create.into.as_deref()) => {
            table_as(create, walker, created("CREATE TABLE AS"))?
        }
        NodeEnum::SelectStmt(select) if into_temporary(leftmost_into(select)) => {
            walker.select(select)?;
            Some(created("SELECT INTO"))
        }
        NodeEnum::CreateSeqStmt(create) if is_temporary(create.sequence.as_ref()) => {
            Some(created("CREATE SEQUENCE"))
        }
        NodeEnum::ViewStmt(view) if is_temporary(view.view.as_ref()) => {
            match view.query.as_deref().and_then(|n| n.node.as_ref()) {
                Some(NodeEnum::SelectStmt(select)) => walker.select(select)?,
                _ => return Ok(None),
            };
            walker.facts.parts.is_empty().then(|| Definition {
                views: true,
                keeps: true,
                ..created("CREATE VIEW")
            })
        }
        NodeEnum::IndexStmt(index) => {
            walk_index(index, walker)?;
            Some(Definition {
                skipped: Skipped::of(node),
                keeps: true,
                ..about("CREATE INDEX", index.relation.as_ref())
            })
        }
        NodeEnum::AlterTableStmt(alter) => walk_alter(alter, walker)?.then(|| Definition {
            skipped: Skipped::of(node),
            keeps: true,
            ..about("ALTER TABLE", alter.relation.as_ref())
        }),
        NodeEnum::RenameStmt(rename) => {
            is_relation(rename).then(|| about("ALTER … RENAME", rename.relation.as_ref()))
        }
        NodeEnum::DropStmt(drop) => dropped(drop),
        NodeEnum::VacuumStmt(vacuum) if !vacuum.is_vacuumcmd => analyzed(vacuum),
        _ => None,
    })
}

fn is_temporary(relation: Option<&RangeVar>) -> bool {
    relation.is_some_and(|r| r.relpersistence == "t" || r.schemaname == "pg_temp")
}

fn into_temporary(into: Option<&IntoClause>) -> bool {
    into.is_some_and(|into| is_temporary(into.rel.as_ref()))
}

/// INTO stands in the first arm of a set operation.
fn leftmost_into(select: &pg_query::protobuf::SelectStmt) -> Option<&IntoClause> {
    let mut select = select;
    while let Some(left) = select.larg.as_deref() {
        select = left;
    }
    select.into_clause.as_deref()
}

fn table(
    create: &CreateStmt,
    walker: &mut Walker,
    mut definition: Definition,
) -> Result<Definition, Unknown> {
    /// CONSTRAINTS, DEFAULTS and GENERATED of LIKE … INCLUDING.
    const EXPRESSIONS: u32 = 1 << 2 | 1 << 3 | 1 << 4;
    for parent in &create.inh_relations {
        match parent.node.as_ref() {
            Some(NodeEnum::RangeVar(parent)) => definition.targets.push(Name::of(parent)),
            _ => {
                return Err(Unknown {
                    what: "these parents of a temporary table".into(),
                });
            }
        }
    }
    walker.open_block();
    if let Some(spec) = &create.partspec {
        for element in &spec.part_params {
            if let Some(NodeEnum::PartitionElem(element)) = element.node.as_ref() {
                walker.pushed(element.expr.as_deref())?;
            }
        }
    }
    if let Some(bound) = &create.partbound {
        for values in [&bound.listdatums, &bound.lowerdatums, &bound.upperdatums] {
            walker.pushed_all(values)?;
        }
    }
    for element in &create.table_elts {
        match element.node.as_ref() {
            Some(NodeEnum::ColumnDef(column)) => walk_column(column, walker)?,
            Some(NodeEnum::Constraint(constraint)) => walk_constraint(constraint, walker)?,
            Some(NodeEnum::TableLikeClause(like)) => {
                let copies = like.options & EXPRESSIONS != 0;
                let like = like.relation.as_ref().filter(|_| copies);
                definition.likes.extend(like.map(Name::of));
            }
            _ => {
                return Err(Unknown {
                    what: "this element of a temporary table".into(),
                });
            }
        }
    }
    walker.close_block();
    Ok(definition)
}

fn walk_column(column: &ColumnDef, walker: &mut Walker) -> Result<(), Unknown> {
    walker.pushed(column.raw_default.as_deref())?;
    constraints(&column.constraints, walker)
}

fn constraints(nodes: &[Node], walker: &mut Walker) -> Result<(), Unknown> {
    for node in nodes {
        match node.node.as_ref() {
            Some(NodeEnum::Constraint(constraint)) => walk_constraint(constraint, walker)?,
            Some(NodeEnum::CollateClause(_)) => {}
            _ => {
                return Err(Unknown {
                    what: "this constraint of a temporary table".into(),
                });
            }
        }
    }
    Ok(())
}

fn walk_constraint(constraint: &Constraint, walker: &mut Walker) -> Result<(), Unknown> {
    if !constraint.exclusions.is_empty() {
        return Err(Unknown {
            what: "an exclusion constraint of a temporary table".into(),
        });
    }
    walker.pushed(constraint.raw_expr.as_deref())?;
    walker.pushed(constraint.where_clause.as_deref())
}

fn table_as(create: &CreateTableAsStmt, walker: &mut Walker, definition: Definition) -> Found {
    if create.objtype != ObjectType::ObjectTable as i32 {
        return Ok(None);
    }
    match create.query.as_deref().and_then(|n| n.node.as_ref()) {
        Some(NodeEnum::SelectStmt(select)) => {
            walker.select(select)?;
            Ok(Some(definition))
        }
        Some(NodeEnum::ExecuteStmt(execute)) => {
            walker.expressions(&execute.params)?;
            Ok(Some(Definition {
                executes: Some(execute.name.clone()),
                ..definition
            }))
        }
        _ => Ok(None),
    }
}

fn walk_index(index: &IndexStmt, walker: &mut Walker) -> Result<(), Unknown> {
    walker.open_block();
    for element in &index.index_params {
        if let Some(NodeEnum::IndexElem(element)) = element.node.as_ref() {
            walker.pushed(element.expr.as_deref())?;
        }
    }
    walker.pushed(index.where_clause.as_deref())?;
    walker.close_block();
    Ok(())
}

/// Whether all of it is something that an agent may do to its own table.
fn walk_alter(alter: &AlterTableStmt, walker: &mut Walker) -> Result<bool, Unknown> {
    const ALLOWED: [Alter; 10] = [
        Alter::AtAddColumn,
        Alter::AtColumnDefault,
        Alter::AtDropNotNull,
        Alter::AtSetNotNull,
        Alter::AtSetStatistics,
        Alter::AtSetStorage,
        Alter::AtDropColumn,
        Alter::AtAddConstraint,
        Alter::AtDropConstraint,
        Alter::AtAlterColumnType,
    ];
    walker.open_block();
    for command in &alter.cmds {
        let Some(NodeEnum::AlterTableCmd(command)) = command.node.as_ref() else {
            return Ok(false);
        };
        if !ALLOWED.iter().any(|a| *a as i32 == command.subtype) {
            return Ok(false);
        }
        match command.def.as_deref().and_then(|d| d.node.as_ref()) {
            Some(NodeEnum::ColumnDef(column)) => walk_column(column, walker)?,
            Some(NodeEnum::Constraint(constraint)) => walk_constraint(constraint, walker)?,
            _ => walker.pushed(command.def.as_deref())?,
        }
    }
    walker.close_block();
    Ok(alter.objtype == ObjectType::ObjectTable as i32)
}

fn is_relation(rename: &RenameStmt) -> bool {
    let kinds = [
        ObjectType::ObjectTable as i32,
        ObjectType::ObjectView as i32,
        ObjectType::ObjectColumn as i32,
        ObjectType::ObjectIndex as i32,
        ObjectType::ObjectSequence as i32,
        ObjectType::ObjectTabconstraint as i32,
    ];
    kinds.contains(&rename.rename_type)
}

fn dropped(drop: &DropStmt) -> Option<Definition> {
    let kinds = [
        ObjectType::ObjectTable as i32,
        ObjectType::ObjectView as i32,
        ObjectType::ObjectIndex as i32,
        ObjectType::ObjectSequence as i32,
    ];
    if !kinds.contains(&drop.remove_type) || drop.concurrent {
        return None;
    }
    let targets = drop.objects.iter().map(|object| {
        let Some(NodeEnum::List(list)) = object.node.as_ref() else {
            return None;
        };
        let mut fields = string_fields(&list.items);
        let name = fields.pop()?;
        Some(Name {
            schema: fields.pop(),
            name,
            location: None,
        })
    });
    Some(Definition {
        what: "DROP",
        targets: targets.collect::<Option<_>>()?,
        ..Definition::default()
    })
}

fn analyzed(vacuum: &VacuumStmt) -> Option<Definition> {
    let targets = vacuum.rels.iter().map(|rel| match rel.node.as_ref() {
        Some(NodeEnum::VacuumRelation(rel)) => rel.relation.as_ref().map(Name::of),
        _ => None,
    });
    let targets: Vec<Name> = targets.collect::<Option<_>>()?;
    (!targets.is_empty()).then_some(Definition {
        what: "ANALYZE",
        targets,
        ..Definition::default()
    })
}
