//! A diff in few lines.

use crate::diff::{View, fingerprint, head_numbers, reading};
use crate::sessions::count;
use crate::{Control, ControlError, DiffFilter, DiffType};

/// One line of a summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummaryRow {
    /// Schema of the table.
    pub schema: String,
    /// The table.
    pub table: String,
    /// What happened to the rows.
    pub diff_type: DiffType,
    /// `rows` (their number), `cluster` (a change that many share), `outlier` (one that few have),
    /// `others` (all the rest).
    pub what: String,
    /// The column; `None` for `rows`.
    pub column: Option<String>,
    /// Its value before, as text.
    pub from: Option<String>,
    /// Its value after, as text.
    pub to: Option<String>,
    /// The difference of the two, where that is what the rows share.
    pub difference: Option<String>,
    /// How many rows.
    pub rows: u64,
    /// How many different changes of the value.
    pub changes: Option<u64>,
    /// Key of one of the rows, a JSON object.
    pub primary_key: Option<String>,
}

/// A summary, and the fingerprint of the draft it was made of.
#[derive(Debug, Clone)]
pub struct Summary {
    /// By schema and table, counts first.
    pub rows: Vec<SummaryRow>,
    /// As [`crate::Diff::fingerprint`].
    pub fingerprint: String,
}

impl Control {
    /// The diff of an open session, counted and clustered.
    ///
    /// # Errors
    /// As [`Control::diff`].
    pub async fn summary(
        &self,
        session: &str,
        asked: &DiffFilter,
    ) -> Result<Summary, ControlError> {
        let catalog = self.refresh_catalog().await?;
        let heads = head_numbers(&catalog);
        let mut client = self.client().await?;
        let transaction = reading(&mut client).await?;
        let view = View::of(&transaction, &catalog, &heads, session).await?;
        let filter = view.filter(&transaction, asked).await?;
        // it groups and sorts every changed value
        transaction
            .batch_execute("SET LOCAL work_mem = '32MB'")
            .await?;
        let mut rows = Vec::new();
        for draft in view.tables(asked.table) {
            let text = draft::diff::summary(draft, view.session.sid, &filter);
            for row in transaction.query_typed(&text, &[]).await? {
                rows.push(summary_row(&row, draft.relation)?);
            }
        }
        let fingerprint = fingerprint(&transaction, view.session.sid, &view.drafts).await?;
        transaction.commit().await?;
        Ok(Summary { rows, fingerprint })
    }
}

fn summary_row(
    row: &tokio_postgres::Row,
    relation: &catalog::Relation,
) -> Result<SummaryRow, ControlError> {
    Ok(SummaryRow {
        schema: relation.schema.clone(),
        table: relation.name.clone(),
        diff_type: DiffType::named(row.try_get("diff_type")?),
        what: row.try_get("what")?,
        column: row.try_get("column_name")?,
        from: row.try_get("from_value")?,
        to: row.try_get("to_value")?,
        difference: row.try_get("difference")?,
        rows: count(row.try_get("rows")?),
        changes: row.try_get::<_, Option<i64>>("changes")?.map(count),
        primary_key: row.try_get("primary_key")?,
    })
}
