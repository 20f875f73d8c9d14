//! Writing a large part of a draft in several statements, so that people see how far it is.

use draft::Own;
use draft::part::{self, Part};

use super::Work;
use super::net::NESTED_LOOP;
use crate::ControlError;

/// Rows of one statement, about.
const PART_ROWS: u64 = 20_000;

impl Work<'_> {
    /// Runs a statement that writes so many rows, or the same for one part after the other where
    /// production cannot tell the difference.
    pub(super) async fn write_parts(
        &self,
        join: &str,
        own: &Own<'_>,
        (doing, rows): (&'static str, u64),
        text: impl Fn(&Own<'_>) -> String + Send + Sync,
    ) -> Result<u64, ControlError> {
        if rows < 2 * PART_ROWS || !part::divides(own.draft.relation) {
            return self.write_whole(join, own, doing, &text(own)).await;
        }
        let mut written = 0;
        let mut above = None;
        loop {
            let up_to = self.end_of_part(own, above.as_deref()).await?;
            let part = Part { above, up_to };
            let own = Own {
                part: Some(&part),
                ..*own
            };
            written += self.write_whole(join, &own, doing, &text(&own)).await?;
            above = part.up_to;
            if above.is_none() {
                return Ok(written);
            }
        }
    }

    /// One statement, told before and counted after.
    async fn write_whole(
        &self,
        join: &str,
        own: &Own<'_>,
        doing: &'static str,
        text: &str,
    ) -> Result<u64, ControlError> {
        self.tell(doing, own.draft.relation);
        let written = self.write(join, text, own.draft).await?;
        self.told(written);
        Ok(written)
    }

    async fn end_of_part(
        &self,
        own: &Own<'_>,
        above: Option<&str>,
    ) -> Result<Option<String>, ControlError> {
        let Some(text) = part::end(own, above, PART_ROWS) else {
            return Ok(None);
        };
        // by the index, whatever the planner thinks of a head without statistics
        self.transaction.batch_execute(NESTED_LOOP).await?;
        let row = self.transaction.query_typed_opt(&text, &[]).await?;
        Ok(match row {
            Some(row) => row.try_get(0)?,
            None => None,
        })
    }
}
