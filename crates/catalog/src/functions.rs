//! Functions, and what a call of one in SQL runs.

use std::sync::Arc;

use crate::RelationId;

/// `pg_proc.provolatile`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Volatility {
    /// Depends on its arguments alone.
    Immutable,
    /// May read the database.
    Stable,
    /// May do anything.
    Volatile,
}

/// A type that runs a function by itself: in a domain's check, a cast, an input function, or in a
/// part of it that does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// `pg_type.oid`; 0 where the types are PostgreSQL's own and any statement may run it.
    pub id: u32,
    /// Its name, without schema.
    pub name: String,
    /// The relation whose rows it describes.
    pub relation: Option<RelationId>,
    /// What it runs.
    pub function: Function,
    /// That function, or one that it calls, may write with its owner's rights.
    pub writes: bool,
}

/// A function that a change of a table calls by an expression of the table's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expressed {
    /// The table, or the partition.
    pub relation: RelationId,
    /// In the default of a column alone.
    pub default: bool,
    /// What it calls.
    pub function: Function,
}

/// One function, or the function behind an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its volatility.
    pub volatility: Volatility,
    /// SECURITY DEFINER.
    pub security_definer: bool,
    /// `lanname`, for example `c`, `internal`, `sql`, `plpgsql`; of an aggregate `sql` where its source is all there is.
    pub language: String,
    /// It belongs to an extension.
    pub extension: bool,
    /// It is an aggregate.
    pub aggregate: bool,
    /// It gives a set of rows.
    pub rows: bool,
    /// Types outside `pg_catalog` that it takes or gives.
    pub types: Vec<u32>,
    /// The text of one that has a text, outside of PostgreSQL's own schemas, with the defaults of its arguments; of
    /// an aggregate, those of its functions.
    pub source: Option<Arc<str>>,
    /// What it runs, where a call of it can be written out.
    pub body: Option<Arc<FunctionBody>>,
}

/// A function in SQL that a query can stand for: all of its arguments have a type, it has no settings but a
/// `search_path`, and not its owner's rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionBody {
    /// Its one statement.
    pub text: String,
    /// The names in `text` are qualified (BEGIN ATOMIC, RETURN); else the caller's `search_path` finds them.
    pub qualified: bool,
    /// The `search_path` that it sets for itself: where it has one, that finds the names.
    pub path: Option<Vec<String>>,
    /// Name (empty for none) and type of each parameter.
    pub parameters: Vec<(String, String)>,
    /// The defaults of the last parameters, as expressions.
    pub defaults: Vec<String>,
    /// STRICT.
    pub strict: bool,
    /// What it gives.
    pub gives: Gives,
}

/// What a function gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gives {
    /// Any number of rows; else one.
    pub rows: bool,
    /// The type of what it gives; `None` for a record that only the function's own parameters describe.
    pub kind: Option<String>,
    /// That type is one of rows.
    pub composite: bool,
    /// Names and types of its columns; a name is empty where it is the function's own.
    pub columns: Vec<(String, String)>,
}
