//! What the commands ask of the control plane; a trait, so that they are tested without one.

use std::collections::HashMap;

use async_trait::async_trait;
use catalog::RelationId;
use control::{
    Change, Changed, Chosen, Control, Dependency, DiffFilter, DiffRow, DiffType, OperationSummary,
    Separated, SessionSummary, Space, StaleRead, Summary,
};
use report::Report;

use crate::grammar::{Request, TableName};

/// Most bytes of rows that one SHOW DIFF answers with: an answer is held whole until it is sent.
const DIFF_BYTES_MAX: usize = 128 << 20;

/// What ending a session did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Rows applied to production, or rows of the draft thrown away.
    pub rows: u64,
    /// In so many tables.
    pub tables: usize,
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plural = |one: bool| if one { "" } else { "s" };
        write!(
            f,
            "{} row{} in {} table{}",
            self.rows,
            plural(self.rows == 1),
            self.tables,
            plural(self.tables == 1)
        )
    }
}

/// Which part of a diff.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// One table.
    pub table: Option<TableName>,
    /// Everything else.
    pub filter: DiffFilter,
}

impl Asked {
    pub(crate) fn of(request: &Request) -> Self {
        let kinds = [DiffType::Added, DiffType::Modified, DiffType::Removed];
        Self {
            table: request.table.clone(),
            filter: DiffFilter {
                table: None,
                operation: request.operations.first().cloned(),
                steps: request.has("STEP"),
                kind: kinds
                    .into_iter()
                    .find(|kind| request.has(&kind.as_str().to_ascii_uppercase())),
                key: request.key.clone(),
                rows_max: request.rows,
                whole: request.has("FULL"),
            },
        }
    }

    fn filter(&self, control: &Control) -> Result<DiffFilter, Report> {
        let table = self.table.as_ref();
        Ok(DiffFilter {
            table: table.map(|name| find_table(control, name)).transpose()?,
            ..self.filter.clone()
        })
    }
}

/// The control plane as the commands need it. Errors are ready for the client.
#[async_trait]
pub trait Drafts: Send + Sync {
    /// The agent that owns a session; `None` where there is no such session.
    async fn owner(&self, session: &str) -> Result<Option<String>, Report>;

    /// All sessions, or one agent's, oldest first.
    async fn sessions(&self, agent: Option<&str>) -> Result<Vec<SessionSummary>, Report>;

    /// Operations of a session in their order.
    async fn operations(&self, session: &str) -> Result<Vec<OperationSummary>, Report>;

    /// What its operations ran, with constants and parameters, where that is kept; by operation.
    async fn kept_statements(&self, session: &str) -> Result<HashMap<String, String>, Report>;

    /// Changed rows of a session, and the fingerprint of its draft.
    async fn diff(&self, session: &str, asked: &Asked) -> Result<(Vec<DiffRow>, String), Report>;

    /// The same, counted and clustered.
    async fn summary(&self, session: &str, asked: &Asked) -> Result<Summary, Report>;

    /// What it read from production and production has changed since.
    async fn stale_reads(&self, session: &str) -> Result<Vec<StaleRead>, Report>;

    /// The same in a sentence, if there is anything.
    async fn stale(&self, session: &str) -> Result<Option<String>, Report>;

    /// Which operations of a session need which.
    async fn dependencies(&self, session: &str) -> Result<Vec<Dependency>, Report>;

    /// Applies some operations of a draft to production.
    async fn commit_operations(&self, chosen: &Chosen<'_>, by: &str) -> Result<Separated, Report>;

    /// Throws some operations of a draft away.
    async fn discard_operations(&self, chosen: &Chosen<'_>) -> Result<Separated, Report>;

    /// Applies a draft to production, if its fingerprint is still the one given.
    async fn commit(
        &self,
        session: &str,
        by: &str,
        fingerprint: Option<&str>,
    ) -> Result<Ended, Report>;

    /// Throws a draft away.
    async fn discard(&self, session: &str, by: &str) -> Result<Ended, Report>;

    /// Any other change of a session.
    async fn change(&self, session: &str, by: &str, change: &Change) -> Result<Changed, Report>;

    /// What drafts occupy in the database, table by table.
    async fn space(&self) -> Result<Vec<Space>, Report>;

    /// The number of a table.
    fn table(&self, name: &TableName) -> Result<RelationId, Report>;
}

#[async_trait]
impl Drafts for Control {
    async fn owner(&self, session: &str) -> Result<Option<String>, Report> {
        Ok(self.session_owner(session).await?)
    }

    async fn sessions(&self, agent: Option<&str>) -> Result<Vec<SessionSummary>, Report> {
        let mut all = Self::sessions(self).await?;
        all.retain(|session| agent.is_none_or(|a| a == session.agent));
        Ok(all)
    }

    async fn operations(&self, session: &str) -> Result<Vec<OperationSummary>, Report> {
        Ok(Self::operations(self, session).await?)
    }

    async fn kept_statements(&self, session: &str) -> Result<HashMap<String, String>, Report> {
        Ok(Self::kept_statements(self, session).await?)
    }

    async fn diff(&self, session: &str, asked: &Asked) -> Result<(Vec<DiffRow>, String), Report> {
        let mut diff = Self::diff(self, session, &asked.filter(self)?).await?;
        let mut rows = Vec::new();
        let mut bytes = 0_usize;
        while let Some(row) = diff.next().await? {
            bytes += row.from.as_ref().map_or(0, String::len);
            bytes += row.to.as_ref().map_or(0, String::len);
            if bytes > DIFF_BYTES_MAX {
                return Err(too_large(session));
            }
            rows.push(row);
        }
        Ok((rows, diff.fingerprint().to_owned()))
    }

    async fn stale_reads(&self, session: &str) -> Result<Vec<StaleRead>, Report> {
        Ok(Self::stale_reads(self, session).await?)
    }

    async fn stale(&self, session: &str) -> Result<Option<String>, Report> {
        Ok(Self::stale(self, session).await?)
    }

    async fn space(&self) -> Result<Vec<Space>, Report> {
        Ok(Self::space(self).await?)
    }

    async fn dependencies(&self, session: &str) -> Result<Vec<Dependency>, Report> {
        Ok(Self::dependencies(self, session).await?)
    }

    async fn commit_operations(&self, chosen: &Chosen<'_>, by: &str) -> Result<Separated, Report> {
        Ok(Self::commit_operations(self, chosen, by).await?)
    }

    async fn discard_operations(&self, chosen: &Chosen<'_>) -> Result<Separated, Report> {
        Ok(Self::discard_operations(self, chosen).await?)
    }

    async fn summary(&self, session: &str, asked: &Asked) -> Result<Summary, Report> {
        Ok(Self::summary(self, session, &asked.filter(self)?).await?)
    }

    async fn commit(
        &self,
        session: &str,
        by: &str,
        fingerprint: Option<&str>,
    ) -> Result<Ended, Report> {
        let committed = Self::commit_bound(self, session, by, fingerprint).await?;
        Ok(Ended {
            rows: committed.rows(),
            tables: committed.tables.len(),
        })
    }

    async fn discard(&self, session: &str, by: &str) -> Result<Ended, Report> {
        let discarded = Self::discard(self, session, by).await?;
        Ok(Ended {
            rows: discarded.rows,
            tables: discarded.tables,
        })
    }

    async fn change(&self, session: &str, by: &str, change: &Change) -> Result<Changed, Report> {
        Ok(Self::change(self, session, by, change).await?)
    }

    fn table(&self, name: &TableName) -> Result<RelationId, Report> {
        find_table(self, name)
    }
}

/// 54000.
fn too_large(session: &str) -> Report {
    Report::error("54000", format!("the diff of session \"{session}\" is too large for one answer"))
        .detail(format!("Its rows have more than {} MiB.", DIFF_BYTES_MAX >> 20))
        .hint("ask for a part of it: SUMMARY, TABLE table, OPERATION 'operation' or LIMIT rows; or run `pgdraft diff`, which has no limit")
}

/// The table of that name; without a schema it has to be the only one.
///
/// # Errors
/// 42P01 where there is none, 42P09 where there are several.
pub fn find_table(control: &Control, name: &TableName) -> Result<RelationId, Report> {
    let catalog = control.catalog();
    let found: Vec<(&String, RelationId)> = catalog
        .names
        .iter()
        .filter(|(schema, _)| name.schema.as_ref().is_none_or(|s| s == *schema))
        .filter_map(|(schema, names)| Some((schema, *names.get(&name.name)?)))
        .collect();
    match found.as_slice() {
        [(_, id)] => Ok(*id),
        [] => Err(
            Report::error("42P01", format!("relation \"{name}\" does not exist"))
                .hint("SHOW DIFF without TABLE shows which tables there are in the draft"),
        ),
        several => {
            let mut names: Vec<String> = several
                .iter()
                .map(|(schema, _)| format!("{schema}.{}", name.name))
                .collect();
            names.sort();
            Err(
                Report::error("42P09", format!("table name \"{name}\" is ambiguous"))
                    .detail(format!("There are {}.", names.join(", ")))
                    .hint("write the schema in front of it"),
            )
        }
    }
}
