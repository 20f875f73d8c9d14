//! What one pass over a head tells of a session's draft of a table.

use catalog::{Relation, SessionId};
use draft::{Draft, Own, apply};
use tokio_postgres::GenericClient;

use crate::sessions::count;
use crate::{Control, ControlError};

/// Up to so many rows of a table any plan will do.
const SMALL_ROWS_MAX: u64 = 1_000;

/// How much there is, and where.
#[derive(Debug, Clone, Default)]
pub(crate) struct Look {
    /// The only operation that has written to the table, if there was but one.
    pub(crate) only: Option<i64>,
    /// Rows of the head.
    pub(crate) rows: u64,
    /// Rows to insert, that the draft keeps, and to delete, where the head alone tells
    /// ([`apply::replaces`]).
    pub(crate) kinds: (u64, u64, u64),
    /// The range of the key in which they are that the base has, as text.
    pub(crate) range: Option<(String, String)>,
}

impl Look {
    pub(crate) async fn at(
        client: &impl GenericClient,
        draft: &Draft<'_>,
        sid: SessionId,
    ) -> Result<Self, ControlError> {
        let row = client
            .query_typed_one(&apply::look(draft, sid), &[])
            .await?;
        let (first, last): (Option<i64>, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
        let ends: (Option<String>, Option<String>) = (row.try_get(2)?, row.try_get(3)?);
        let number = |at| row.try_get(at).map(count);
        Ok(Self {
            only: first.filter(|_| first == last),
            rows: number(4)?,
            kinds: (number(5)?, number(6)?, number(7)?),
            range: ends.0.zip(ends.1),
        })
    }

    /// It has so few rows that any plan will do.
    pub(crate) fn is_small(&self) -> bool {
        self.rows <= SMALL_ROWS_MAX
    }

    /// At most so many rows of production are in the range, if its ends are whole numbers.
    pub(crate) fn span(&self) -> Option<u64> {
        let (lowest, highest) = self.range.as_ref()?;
        let (lowest, highest): (i64, i64) = (lowest.parse().ok()?, highest.parse().ok()?);
        Some(highest.abs_diff(lowest).saturating_add(1))
    }
}

impl Control {
    /// A session's draft of a table, of which nothing is known yet.
    pub(crate) fn all_of<'a>(&'a self, draft: &'a Draft<'a>, sid: SessionId) -> Own<'a> {
        Own {
            draft,
            sid,
            only: None,
            prepared: false,
            delta: self.delta(draft.relation),
            slice: None,
            part: None,
        }
    }

    /// The counters of a table.
    fn delta(&self, relation: &Relation) -> &[String] {
        let found = self
            .inner
            .deltas
            .iter()
            .find(|d| d.schema == relation.schema && d.table == relation.name);
        found.map_or(&[], |d| &d.columns)
    }
}
