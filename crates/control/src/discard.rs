//! Throwing a draft away: the session is marked, its rows go in the background ([`crate::life`]).

use catalog::SessionId;
use std::time::Duration;
use store::sessions::{self, Ending, SessionState};
use store::tables;
use tokio_postgres::Transaction;

use crate::sessions::count;
use crate::{Control, ControlError};

/// What a discard threw away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Discarded {
    /// Rows of the draft.
    pub rows: u64,
    /// In so many tables.
    pub tables: usize,
}

impl Control {
    /// Ends a session without its changes. Production is not touched. One transaction, whose cost
    /// does not grow with what has to be removed.
    ///
    /// # Errors
    /// [`ControlError::NoSuchSession`], [`ControlError::Ended`], [`ControlError::Busy`], and what
    /// PostgreSQL says.
    pub async fn discard(&self, session: &str, who: &str) -> Result<Discarded, ControlError> {
        let ended = self
            .throw_away(session, who, SessionState::Discarded)
            .await?;
        tracing::info!(rows = ended.rows, "session discarded");
        Ok(ended)
    }

    /// [`Control::discard`], in that state.
    pub(crate) async fn throw_away(
        &self,
        session: &str,
        who: &str,
        state: SessionState,
    ) -> Result<Discarded, ControlError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let session = match self.locked(&transaction, session).await {
            // asked for again
            Err(ControlError::Ended(session)) if session.state == state => {
                return Ok(Discarded {
                    rows: count(session.ended_rows.unwrap_or(0)),
                    tables: usize::try_from(session.ended_tables.unwrap_or(0)).unwrap_or(0),
                });
            }
            found => found?,
        };
        let discarded = draft_size(&transaction, session.sid).await?;
        let ending = Ending {
            state,
            who,
            tables: i64::try_from(discarded.tables).unwrap_or(i64::MAX),
            rows: i64::try_from(discarded.rows).unwrap_or(i64::MAX),
            applied: None,
            keep: Duration::ZERO,
        };
        sessions::end(&transaction, session.sid, &ending).await?;
        transaction.commit().await?;
        Ok(discarded)
    }
}

/// How much a draft has.
async fn draft_size(
    transaction: &Transaction<'_>,
    sid: SessionId,
) -> Result<Discarded, ControlError> {
    let mut size = Discarded { rows: 0, tables: 0 };
    for (id, _) in tables::touched(transaction, sid).await? {
        let rows = count(tables::changed_rows(transaction, id, sid).await?);
        size.rows += rows;
        size.tables += usize::from(rows > 0);
    }
    Ok(size)
}
