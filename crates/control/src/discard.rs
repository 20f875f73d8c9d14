//! Throwing a draft away.

use store::sessions::{self, Ending, SessionState};
use store::tables;
use tokio_postgres::Transaction;

use crate::commit::open_session;
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
    /// Removes all changes of a session and ends it. Production is not touched. One transaction.
    ///
    /// # Errors
    /// [`ControlError::NoSuchSession`], [`ControlError::Ended`], [`ControlError::Busy`], and what
    /// PostgreSQL says.
    pub async fn discard(&self, session: &str, who: &str) -> Result<Discarded, ControlError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        transaction.batch_execute(&self.lock_timeout()).await?;
        let session = open_session(&transaction, session).await?;
        let discarded = clear(&transaction, session.sid).await?;
        let ending = Ending {
            state: SessionState::Discarded,
            who,
            tables: i64::try_from(discarded.tables).unwrap_or(i64::MAX),
            rows: i64::try_from(discarded.rows).unwrap_or(i64::MAX),
        };
        sessions::end(&transaction, session.sid, &ending).await?;
        transaction.commit().await?;
        tracing::info!(
            session = session.sid.0,
            rows = discarded.rows,
            "session discarded"
        );
        Ok(discarded)
    }
}

/// Removes a session's rows from heads and logs; its operations keep their counts.
pub(crate) async fn clear(
    transaction: &Transaction<'_>,
    sid: catalog::SessionId,
) -> Result<Discarded, ControlError> {
    tables::keep_operation_rows(transaction, sid).await?;
    let mut discarded = Discarded { rows: 0, tables: 0 };
    for (id, _) in tables::touched(transaction, sid).await? {
        let rows = count(tables::delete_rows(transaction, id, sid).await?);
        discarded.rows += rows;
        discarded.tables += usize::from(rows > 0);
    }
    Ok(discarded)
}
