//! How the operations of a session depend on each other.

/// An operation that cannot be without another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The later operation.
    pub operation: String,
    /// The one it needs.
    pub depends_on: String,
    /// `same row`, `foreign key`, `unique key`, `read` or `truncate`.
    pub kind: String,
    /// `schema.table`.
    pub table: String,
    /// Why, in words, with the row.
    pub reason: String,
}
