//! A snapshot of the upstream database's catalog, as plain data.
//!
//! `store` fills it, `sql` resolves names against it, `draft` generates DDL and merge statements
//! from it. Nothing here does I/O. A snapshot is immutable: when production's schema moves, a new
//! one with a higher [`Catalog::epoch`] replaces it whole.

use std::collections::HashMap;
use std::sync::Arc;

mod conditions;
mod defaults;
mod functions;
mod policies;
mod quote;

pub use conditions::Demand;
pub use functions::{Expressed, Function, FunctionBody, Gives, Running, Volatility};
pub use policies::{Command, Condition, Policy};
pub use quote::{array_text, quote_identifier, quote_literal, quote_qualified, shown_table};

/// `pg_class.oid` of a base relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct RelationId(pub u32);

/// Number of a drafted table (`pgdraft.tables.id`); its head is `pgdraft.d<id>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DraftTableId(pub i32);

/// The numeric key of a session in `pgdraft.sessions.sid`, not its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub i64);

/// Rows of one table in a draft from which on probing its head beats hashing it. Of the number of rows
/// plans depend on no more than whether it is reached.
pub const LARGE_DRAFT: u64 = 10_000;

/// Everything the proxy knows of the upstream database at one moment.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// Grows by one with every snapshot of one process; part of every plan cache key.
    pub epoch: u64,
    /// What `store::catalog_mark` said when this snapshot was read.
    pub mark: Mark,
    /// `server_version_num`, for example 150018.
    pub server_version: u32,
    /// Relations outside `pg_catalog`, `information_schema`, `pg_toast*` and `pgdraft`.
    pub relations: HashMap<RelationId, Arc<Relation>>,
    /// Schema, then relation name.
    pub names: HashMap<String, HashMap<String, RelationId>>,
    /// Every function of the database by its bare name, `pg_catalog` included.
    pub functions: HashMap<String, Vec<Function>>,
    /// Operators outside `pg_catalog` by their symbol, with the function behind each.
    pub operators: HashMap<String, Vec<Function>>,
    /// Types whose values run a function without a call by name.
    pub types: Vec<Running>,
    /// Functions outside `pg_catalog`, with their caller's rights, that tables' own expressions call.
    pub expressed: Vec<Expressed>,
    /// Domains by name, as [`Column::declared`] has it, with the type that each is made of at last.
    pub domains: HashMap<String, String>,
    /// The tables that have a head, by base relation.
    pub heads: HashMap<RelationId, Arc<Head>>,
}

/// Two short texts that tell whether a snapshot is the present one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mark {
    /// Of production's schema: all of a snapshot but its heads.
    pub schema: String,
    /// Of the list of heads.
    pub heads: String,
}

/// `pg_class.relkind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RelationKind {
    /// Ordinary table.
    #[default]
    Table,
    /// Partitioned table.
    Partitioned,
    /// View.
    View,
    /// Materialised view.
    MaterializedView,
    /// Foreign table.
    Foreign,
    /// Sequence.
    Sequence,
    /// Composite type and whatever else can stand in `pg_class`.
    Other,
}

/// One relation of the base.
#[derive(Debug, Clone, Default)]
pub struct Relation {
    /// Its oid.
    pub id: RelationId,
    /// Its schema, unquoted.
    pub schema: String,
    /// Its name, unquoted.
    pub name: String,
    /// What it is.
    pub kind: RelationKind,
    /// Live columns in `attnum` order; dropped ones are left out.
    pub columns: Vec<Column>,
    /// The primary key, if it has one.
    pub primary_key: Option<Key>,
    /// Where there is no primary key: the unique key that tells rows apart all the same. It is in
    /// `unique` too.
    pub stand_in: Option<Key>,
    /// Unique constraints and unique indexes other than the primary key, oldest first: the order
    /// PostgreSQL checks them in.
    pub unique: Vec<Key>,
    /// Operator class and collation of each element of the unique indexes, by their names.
    pub classes: HashMap<String, Vec<(String, String)>>,
    /// Exclusion constraints; their operators need not be equalities.
    pub exclusions: Vec<Key>,
    /// Plain (not unique) indexes, as far as a head needs them.
    pub indexes: Vec<Index>,
    /// CHECK constraints in name order, the order PostgreSQL checks them in.
    pub checks: Vec<Check>,
    /// Foreign keys of this table (it is the child).
    pub foreign_keys: Vec<Arc<ForeignKey>>,
    /// Foreign keys that point at this table (it is the parent).
    pub referenced_by: Vec<Arc<ForeignKey>>,
    /// It has inheritance parents or children, or is a partition.
    pub inherits: bool,
    /// Tables that inherit from it, over any number of steps. None of a partitioned table.
    pub children: Vec<RelationId>,
    /// Of a partition: where it belongs.
    pub partition: Option<Partition>,
    /// Of the root of a partition tree: where a row can find no partition.
    pub routes: Vec<Route>,
    /// Of the root of a partition tree: the tables that hold its rows.
    pub leaves: Vec<Leaf>,
    /// Of the root of a partition tree: the foreign keys that its partitions have of their own. What they forbid a
    /// new row to refer to is found at commit.
    pub foreign_keys_of_partitions: Vec<Arc<ForeignKey>>,
    /// It has user triggers or rules besides a view's own.
    pub triggers: bool,
    /// BEFORE triggers that run in drafts.
    pub before: Vec<Before>,
    /// BEFORE triggers of new and changed rows that do not.
    pub waiting: Vec<String>,
    /// It has rules of changes: a command that writes to it is several, which ask the same query each.
    pub rules: bool,
    /// Commands that write something else than its rows, by rules `DO INSTEAD` or `INSTEAD OF` triggers. Rules
    /// `DO ALSO` count where a commit writes another table than the one that the statement named: of views, and
    /// of tables in a tree. <https://www.postgresql.org/docs/current/rules-update.html>
    pub instead: Vec<Command>,
    /// Row-level security is enabled on it.
    pub row_security: bool,
    /// Its policies that hold for agents.
    pub policies: Vec<Policy>,
    /// Row-level security holds for pgdraft's own roles too, which would then not see what they commit.
    pub secured_from_us: bool,
    /// For views: what stands behind them, transitively.
    pub view: Option<View>,
    /// A fingerprint of all that a head depends on; a head made for another is out of date.
    pub fingerprint: String,
}

/// A BEFORE … FOR EACH ROW trigger that the configuration lets run in drafts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    /// Its name.
    pub name: String,
    /// It fires before an INSERT.
    pub insert: bool,
    /// It fires before an UPDATE.
    pub update: bool,
    /// The columns of UPDATE OF; empty means any.
    pub columns: Vec<String>,
    /// Its definition from FOR EACH ROW on, every name qualified.
    pub rest: String,
}

/// A table's place in a partition tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// The root of the tree, which has the head.
    pub root: RelationId,
    /// What holds for its rows, over bare column names; `None` where all rows of the root are its.
    pub bound: Option<String>,
}

/// A partitioned table without a default partition: a row that reaches it may find no way on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// What holds for the rows that reach it.
    pub bound: Option<String>,
    /// Its partition key as PostgreSQL writes it in a DETAIL, for example `k, lower(v)`.
    pub key: String,
    /// What holds for the rows of each of its partitions.
    pub parts: Vec<String>,
}

/// A partition that holds rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// What holds for its rows; `None` where it is the only one.
    pub bound: Option<String>,
    /// Its NOT NULL columns in its own order.
    pub required: Vec<String>,
    /// Its CHECK constraints, those that it inherits too.
    pub checks: Vec<Check>,
}

/// What a view or materialised view reads.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// Tables read through it, transitively (views expanded).
    pub relations: Vec<RelationId>,
    /// Functions outside `pg_catalog` that it calls, transitively.
    pub functions: Vec<Function>,
    /// `pg_get_viewdef` with an empty search_path; empty where it is not known.
    pub definition: String,
    /// The view has the option `security_barrier`.
    pub security_barrier: bool,
    /// The view has the option `security_invoker`: who reads it needs the rights, not its owner.
    pub security_invoker: bool,
    /// No policy holds for its owner, who is a superuser or has BYPASSRLS.
    pub owner_bypasses: bool,
    /// WITH CHECK OPTION.
    pub check_option: CheckOption,
}

/// What a view's WITH CHECK OPTION asks of rows written through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CheckOption {
    /// Nothing.
    #[default]
    None,
    /// To be rows of this view.
    Local,
    /// To be rows of this view and of those under it.
    Cascaded,
}

/// `pg_attribute`, one live column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// `attnum`.
    pub number: i16,
    /// Name, unquoted.
    pub name: String,
    /// `atttypid`.
    pub type_id: u32,
    /// `atttypmod`.
    pub type_modifier: i32,
    /// `format_type(atttypid, -1)`: the type without its modifier, schema-qualified where needed,
    /// fit for a cast that must not cut anything (`bpchar` and `"bit"`, since `character` and `bit`
    /// would mean a length of 1).
    pub type_name: String,
    /// `format_type(atttypid, atttypmod)`: the type as declared.
    pub declared: String,
    /// Quoted, qualified collation where it differs from the type's.
    pub collation: Option<String>,
    /// NOT NULL.
    pub not_null: bool,
    /// DEFAULT or generation expression, as `pg_get_expr` gives it with an empty search_path.
    pub default: Option<String>,
    /// `attgenerated`.
    pub generated: Generated,
    /// `attidentity`.
    pub identity: Identity,
    /// Quoted, qualified sequence behind a serial or identity column.
    pub sequence: Option<String>,
    /// For a domain, the type it is made of as declared: what a log column takes, because a
    /// domain may forbid the NULL that stands there for "not recorded".
    pub base_type: Option<String>,
    /// The default calls a volatile SECURITY DEFINER function outside `pg_catalog`: it could
    /// write to production, so it never runs in a draft.
    pub definer_default: bool,
}

/// Types of which equal values are the same value: int2, int4, int8, text, varchar, date, timestamp,
/// timestamptz, uuid.
const EXACT: [u32; 9] = [21, 23, 20, 25, 1043, 1082, 1114, 1184, 2950];

impl Column {
    /// Whether equal values of it are the same to whatever looks at them: 1.0 and 1.00 are not, nor is
    /// what a collation of its own calls equal.
    pub fn is_exact(&self) -> bool {
        EXACT.contains(&self.type_id) && self.collation.is_none()
    }
}

/// `attgenerated`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Generated {
    /// An ordinary column.
    #[default]
    No,
    /// GENERATED ALWAYS AS (…) STORED.
    Stored,
    /// GENERATED ALWAYS AS (…) VIRTUAL (PostgreSQL 18).
    Virtual,
}

/// `attidentity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Identity {
    /// Not an identity column.
    #[default]
    No,
    /// GENERATED ALWAYS AS IDENTITY.
    Always,
    /// GENERATED BY DEFAULT AS IDENTITY.
    ByDefault,
}

/// A primary key, unique constraint, unique index or exclusion constraint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Key {
    /// Name of the index (equal to the constraint's where there is one). Empty for a key that the
    /// configuration names: nothing in production says that its values are unique.
    pub name: String,
    /// Column names in key order; empty where one of the elements is an expression.
    pub columns: Vec<String>,
    /// Set for what is not simply unique columns: expression or partial indexes, NULLS NOT
    /// DISTINCT, deferrable constraints, another operator class or collation than the column's.
    pub special: bool,
    /// Type-equality operator for each element, for example `pg_catalog.=`; from the index's
    /// operator class. For an exclusion constraint, its operators.
    pub operators: Vec<String>,
    /// The elements as expressions over bare column names; empty means the columns themselves.
    pub elements: Vec<String>,
    /// The elements as PostgreSQL writes them in a DETAIL, for example `lower(email), "Id"`.
    pub label: String,
    /// The condition of a partial index, over bare column names.
    pub predicate: Option<String>,
    /// NULLS NOT DISTINCT.
    pub nulls_not_distinct: bool,
    /// `pg_constraint.oid` of a DEFERRABLE constraint.
    pub deferrable: Option<u32>,
    /// INITIALLY DEFERRED.
    pub deferred: bool,
    /// Of a partition: it is a part of a key of the table above.
    pub inherited: bool,
}

/// A plain index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Index name.
    pub name: String,
    /// Column names in key order.
    pub columns: Vec<String>,
}

/// A CHECK constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Constraint name.
    pub name: String,
    /// `pg_get_constraintdef`, for example `CHECK ((price >= 0))`.
    pub definition: String,
    /// It calls a volatile SECURITY DEFINER function outside `pg_catalog`.
    pub definer: bool,
}

/// What happens to children when the parent's key goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferentialAction {
    /// NO ACTION.
    NoAction,
    /// RESTRICT.
    Restrict,
    /// CASCADE.
    Cascade,
    /// SET NULL.
    SetNull,
    /// SET DEFAULT.
    SetDefault,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// `pg_constraint.oid`.
    pub id: u32,
    /// Constraint name.
    pub name: String,
    /// The referencing table.
    pub child: RelationId,
    /// The referenced table.
    pub parent: RelationId,
    /// Referencing columns.
    pub child_columns: Vec<String>,
    /// Referenced columns, same order.
    pub parent_columns: Vec<String>,
    /// ON DELETE.
    pub on_delete: ReferentialAction,
    /// ON UPDATE.
    pub on_update: ReferentialAction,
    /// MATCH FULL.
    pub match_full: bool,
    /// DEFERRABLE.
    pub deferrable: bool,
    /// INITIALLY DEFERRED.
    pub deferred: bool,
    /// The columns of `ON DELETE SET NULL (…)` / `SET DEFAULT (…)`; empty means all of them.
    pub set_columns: Vec<String>,
}

/// A drafted table: where its changes are kept.
#[derive(Debug, Clone)]
pub struct Head {
    /// Its number.
    pub id: DraftTableId,
    /// The base table.
    pub relation: RelationId,
    /// Its schema and name when the head was made or followed it last.
    pub name: (String, String),
    /// [`Relation::fingerprint`] it was made for.
    pub fingerprint: String,
    /// Head index name → base index or constraint name, to map names in errors back.
    pub constraints: HashMap<String, String>,
    /// Why it could not follow its table, as a sentence.
    pub stuck: Option<String>,
    /// Tables that a write to this one can also change through ON DELETE / ON UPDATE actions,
    /// transitively, as far as they can be drafted. One without a head gets it before the first such write.
    pub cascades: Vec<RelationId>,
}

impl Head {
    /// Quoted, qualified head table: `pgdraft.d7`.
    pub fn table(&self) -> String {
        format!("pgdraft.d{}", self.id.0)
    }

    /// Quoted, qualified inlet of COPY FROM: `pgdraft.d7_in`.
    pub fn inlet(&self) -> String {
        format!("pgdraft.d{}_in", self.id.0)
    }

    /// Quoted, qualified log table: `pgdraft.d7_log`.
    pub fn log(&self) -> String {
        format!("pgdraft.d{}_log", self.id.0)
    }
}

/// Columns that every head has after the base's own, in this order.
pub const HEAD_COLUMNS: [&str; 5] = [
    "pgdraft_sid",
    "pgdraft_op",
    "pgdraft_live",
    "pgdraft_new",
    "pgdraft_moved",
];

/// The key of heads whose base has none; it stands behind [`HEAD_COLUMNS`].
pub const ROW_COLUMN: &str = "pgdraft_number";

/// Name of the triggers on heads that check a DEFERRABLE constraint of that oid.
pub fn deferrable_trigger(constraint: u32) -> String {
    format!("pgdraft_c{constraint}")
}

impl Key {
    /// Production has a constraint or an index for it.
    pub fn is_declared(&self) -> bool {
        !self.name.is_empty()
    }

    /// Whether two elements are the same to the key, by `equal` over `left` and `right`.
    pub fn same(&self, equal: String, left: &str, right: &str) -> String {
        match self.nulls_not_distinct {
            // IS NULL holds for a row of nulls too, which is a value to an index
            true => format!(
                "({equal} OR pg_catalog.num_nulls({left}, {right}) OPERATOR(pg_catalog.=) 2)"
            ),
            false => equal,
        }
    }
}

impl Relation {
    /// What its rows may refer to: its foreign keys, and those that partitions have of their own, of which several may
    /// say the same.
    pub fn references(&self) -> impl Iterator<Item = &Arc<ForeignKey>> {
        let own = &self.foreign_keys_of_partitions;
        let same = |a: &ForeignKey, b: &ForeignKey| {
            (a.parent, &a.child_columns, &a.parent_columns)
                == (b.parent, &b.child_columns, &b.parent_columns)
        };
        let first = own.iter().enumerate();
        let first =
            first.filter(move |(i, key)| !own.iter().take(*i).any(|other| same(other, key)));
        self.foreign_keys.iter().chain(first.map(|(_, key)| key))
    }

    /// Quoted, qualified name.
    pub fn qualified(&self) -> String {
        quote_qualified(&self.schema, &self.name)
    }

    /// The table alone, as FROM, UPDATE and DELETE take it: without what inherits from it. Of a
    /// partitioned table all of it.
    pub fn only(&self) -> String {
        let inherits = self.inherits && self.kind == RelationKind::Table;
        let only = if inherits && self.partition.is_none() {
            "ONLY "
        } else {
            ""
        };
        format!("{only}{}", self.qualified())
    }

    /// What tells an error about a row with these values of a key which partition has it: two more
    /// arguments of `pgdraft.dup_guard`. None where the table holds its rows itself.
    pub fn placing(&self, key: &Key, values: &[String]) -> String {
        if self.kind != RelationKind::Partitioned {
            return String::new();
        }
        let names: Vec<&str> = key.columns.iter().map(String::as_str).collect();
        let values: Vec<String> = values
            .iter()
            .map(|value| format!("({value})::pg_catalog.text"))
            .collect();
        format!(
            ", {}::pg_catalog.text[], ARRAY[{}]",
            quote_literal(&array_text(&names)),
            values.join(", ")
        )
    }

    /// The column of that (unquoted) name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// The key by which rows are told apart: the primary key, or what stands in for it.
    pub fn key(&self) -> Option<&Key> {
        self.primary_key.as_ref().or(self.stand_in.as_ref())
    }

    /// Columns that are stored by a write, that is all but the generated ones.
    pub fn writable(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|c| c.generated == Generated::No)
    }
}

impl Catalog {
    /// The relation of that schema and name.
    pub fn relation(&self, schema: &str, name: &str) -> Option<&Arc<Relation>> {
        let id = self.names.get(schema)?.get(name)?;
        self.relations.get(id)
    }

    /// Resolves an unqualified name along a search path, as PostgreSQL does: first match wins.
    /// `pg_catalog` is searched first unless the path names it; `None` where it is a system
    /// relation or unknown.
    pub fn resolve(&self, search_path: &[String], name: &str) -> Option<&Arc<Relation>> {
        search_path.iter().find_map(|s| self.relation(s, name))
    }

    /// The table that has the head for this one: itself, or the root of its partition tree.
    pub fn drafted_as(&self, id: RelationId) -> RelationId {
        let relation = self.relations.get(&id);
        let partition = relation.and_then(|r| r.partition.as_ref());
        partition.map_or(id, |p| p.root)
    }

    /// The tables whose rows a reference to this one gives: itself and, without ONLY, what inherits
    /// from it.
    pub fn members(&self, id: RelationId, only: bool) -> Vec<RelationId> {
        let relation = self.relations.get(&id).filter(|_| !only);
        let children = relation.map_or(&[] as &[RelationId], |r| r.children.as_slice());
        std::iter::once(id)
            .chain(children.iter().copied())
            .collect()
    }

    /// The head of a relation, if it has been drafted for its present shape.
    pub fn head(&self, id: RelationId) -> Option<&Arc<Head>> {
        let id = self.drafted_as(id);
        let head = self.heads.get(&id)?;
        let relation = self.relations.get(&id)?;
        (head.fingerprint == relation.fingerprint).then_some(head)
    }
}
