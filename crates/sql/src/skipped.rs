//! CREATE … IF NOT EXISTS and ADD COLUMN IF NOT EXISTS. Programs say them each time they begin: where
//! the thing is there PostgreSQL says so and goes on, and so does a draft. The server looks, for it
//! knows all that there is at this moment; where the thing is not there the statement is refused.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    AlterTableCmd, AlterTableStmt, AlterTableType, CreateTableAsStmt, IndexStmt, ObjectType,
    RangeVar,
};
use report::Report;

use catalog::quote_literal;

/// What is to be there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Skipped {
    /// How `pgdraft.already` calls it.
    kind: &'static str,
    /// The command tag.
    pub(crate) tag: &'static str,
    schema: Option<String>,
    /// Table and name of an index or column; otherwise one name.
    names: Vec<String>,
}

impl Skipped {
    /// What a statement makes unless it is there; `None` where it makes it in any case.
    pub(crate) fn of(node: &NodeEnum) -> Option<Self> {
        match node {
            NodeEnum::CreateStmt(s) if s.if_not_exists => {
                Self::relation("CREATE TABLE", s.relation.as_ref()?)
            }
            NodeEnum::CreateTableAsStmt(s) if s.if_not_exists => Self::relation(
                table_as(s),
                s.into.as_ref().and_then(|into| into.rel.as_ref())?,
            ),
            NodeEnum::CreateSeqStmt(s) if s.if_not_exists => {
                Self::relation("CREATE SEQUENCE", s.sequence.as_ref()?)
            }
            NodeEnum::CreateSchemaStmt(s) if s.if_not_exists && !s.schemaname.is_empty() => {
                Some(Self::named("schema", "CREATE SCHEMA", &s.schemaname))
            }
            NodeEnum::CreateExtensionStmt(s) if s.if_not_exists => {
                Some(Self::named("extension", "CREATE EXTENSION", &s.extname))
            }
            NodeEnum::IndexStmt(s) => Self::index(s),
            NodeEnum::AlterTableStmt(s) => Self::column(s),
            _ => None,
        }
    }

    fn named(kind: &'static str, tag: &'static str, name: &str) -> Self {
        Self {
            kind,
            tag,
            schema: None,
            names: vec![name.to_owned()],
        }
    }

    fn relation(tag: &'static str, relation: &RangeVar) -> Option<Self> {
        (relation.catalogname.is_empty()).then(|| Self {
            schema: schema(relation),
            ..Self::named("relation", tag, &relation.relname)
        })
    }

    fn index(index: &IndexStmt) -> Option<Self> {
        let table = index.relation.as_ref()?;
        (index.if_not_exists && !index.idxname.is_empty()).then(|| Self {
            kind: "index",
            tag: "CREATE INDEX",
            schema: schema(table),
            names: vec![table.relname.clone(), index.idxname.clone()],
        })
    }

    /// ADD COLUMN IF NOT EXISTS, alone.
    fn column(alter: &AlterTableStmt) -> Option<Self> {
        let table = alter.relation.as_ref()?;
        let [only] = alter.cmds.as_slice() else {
            return None;
        };
        let Some(NodeEnum::AlterTableCmd(command)) = only.node.as_ref() else {
            return None;
        };
        let column = added(command).filter(|_| alter.objtype == ObjectType::ObjectTable as i32)?;
        Some(Self {
            kind: "column",
            tag: "ALTER TABLE",
            schema: schema(table),
            names: vec![table.relname.clone(), column],
        })
    }

    /// The call that looks: its notice is PostgreSQL's, its error the refusal.
    pub(crate) fn call(&self, refusal: &Report) -> String {
        let text = |value: Option<&str>| value.map_or("NULL".to_owned(), quote_literal);
        let names: Vec<String> = self.names.iter().map(|n| quote_literal(n)).collect();
        format!(
            "CALL pgdraft.already({kind}, {tag}, {schema}, ARRAY[{names}], {message}, {detail}, {hint})",
            kind = quote_literal(self.kind),
            tag = quote_literal(self.tag),
            schema = text(self.schema.as_deref()),
            names = names.join(", "),
            message = quote_literal(&refusal.message),
            detail = text(refusal.detail.as_deref()),
            hint = text(refusal.hint.as_deref()),
        )
    }
}

fn schema(relation: &RangeVar) -> Option<String> {
    (!relation.schemaname.is_empty()).then(|| relation.schemaname.clone())
}

fn table_as(create: &CreateTableAsStmt) -> &'static str {
    if create.objtype == ObjectType::ObjectMatview as i32 {
        "CREATE MATERIALIZED VIEW"
    } else {
        "CREATE TABLE AS"
    }
}

fn added(command: &AlterTableCmd) -> Option<String> {
    let adds = command.subtype == AlterTableType::AtAddColumn as i32 && command.missing_ok;
    match command.def.as_deref()?.node.as_ref()? {
        NodeEnum::ColumnDef(column) if adds => Some(column.colname.clone()),
        _ => None,
    }
}
