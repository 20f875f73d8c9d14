//! What a commit did, and how that is kept with its session.

use super::net;

/// What a commit did to one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// Rows inserted.
    pub inserted: u64,
    /// Rows updated.
    pub updated: u64,
    /// Rows deleted.
    pub deleted: u64,
}

/// What a commit did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Tables that changed, by schema and name.
    pub tables: Vec<Applied>,
}

impl Committed {
    /// Rows of all tables.
    pub fn rows(&self) -> u64 {
        let sum = |t: &Applied| t.inserted + t.updated + t.deleted;
        self.tables.iter().map(sum).sum()
    }

    /// Rows deleted from a table.
    pub(crate) fn deleted_from(&self, schema: &str, table: &str) -> u64 {
        let found = self
            .tables
            .iter()
            .find(|t| t.schema == schema && t.table == table);
        found.map_or(0, |t| t.deleted)
    }

    /// With rows that were deleted before all else.
    pub(super) fn with(mut self, emptied: Vec<Applied>) -> Self {
        for more in emptied {
            match self
                .tables
                .iter_mut()
                .find(|t| t.schema == more.schema && t.table == more.table)
            {
                Some(table) => table.deleted += more.deleted,
                None => self.tables.push(more),
            }
        }
        net::finished(self.tables)
    }

    /// As it is kept with the session.
    pub(super) fn record(&self) -> serde_json::Value {
        let table = |t: &Applied| {
            serde_json::json!({
                "schema": t.schema, "table": t.table,
                "inserted": t.inserted, "updated": t.updated, "deleted": t.deleted,
            })
        };
        self.tables.iter().map(table).collect()
    }

    /// What was kept.
    pub(crate) fn recorded(applied: Option<&serde_json::Value>) -> Self {
        let table = |value: &serde_json::Value| {
            let text = |key: &str| value.get(key)?.as_str().map(str::to_owned);
            let number = |key: &str| value.get(key)?.as_u64();
            Some(Applied {
                schema: text("schema")?,
                table: text("table")?,
                inserted: number("inserted")?,
                updated: number("updated")?,
                deleted: number("deleted")?,
            })
        };
        let all = applied.and_then(serde_json::Value::as_array);
        Self {
            tables: all.into_iter().flatten().filter_map(table).collect(),
        }
    }
}
