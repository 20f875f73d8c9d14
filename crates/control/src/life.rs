//! The life of a session beside commit and discard: proposed and reopened by its agent, expired when
//! nobody goes on with it; and the removal of what ended sessions leave, in small steps.

use std::sync::Weak;
use std::time::Duration;

use catalog::SessionId;
use store::sessions::{self, SessionState};
use store::space::{self, Space};
use store::{history, tables};

use crate::control::Inner;
use crate::{Control, ControlError};

/// Rows of a head, and of its log, that one step removes.
const STEP_ROWS_MAX: i64 = 2_000;

/// Between two steps, so that production's own work goes before.
const STEP_PAUSE: Duration = Duration::from_millis(20);

impl Control {
    /// The agent says that it is done: the draft stays as it is until it is committed, discarded or
    /// reopened. Saying it again changes nothing.
    ///
    /// # Errors
    /// [`ControlError::NoSuchSession`], [`ControlError::Ended`], [`ControlError::Busy`], and what
    /// PostgreSQL says.
    pub async fn propose(&self, session: &str) -> Result<(), ControlError> {
        self.set_state(session, SessionState::Proposed).await
    }

    /// A proposed session takes writes again.
    ///
    /// # Errors
    /// As of [`Control::propose`].
    pub async fn reopen(&self, session: &str) -> Result<(), ControlError> {
        self.set_state(session, SessionState::Open).await
    }

    async fn set_state(&self, session: &str, state: SessionState) -> Result<(), ControlError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let session = self.locked(&transaction, session).await?;
        sessions::set_state(&transaction, session.sid, state).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// What drafts occupy in the database, table by table.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub async fn space(&self) -> Result<Vec<Space>, ControlError> {
        let client = self.client().await?;
        Ok(space::list(&*client).await?)
    }

    /// Expires what is idle and removes what ended sessions left. Nothing is done where another
    /// process is at it.
    ///
    /// # Errors
    /// What PostgreSQL says; the next call goes on.
    pub async fn clean(&self) -> Result<(), ControlError> {
        let client = self.client().await?;
        if !history::try_lock(&*client).await? {
            return Ok(());
        }
        let done = self.expire().await;
        let done = match done {
            Ok(()) => self.forget().await,
            Err(error) => Err(error),
        };
        // The lock belongs to the connection: where that broke, so did the lock.
        match history::unlock(&*client).await {
            Ok(()) => done,
            Err(error) => {
                client.discard();
                done.and(Err(error.into()))
            }
        }
    }

    async fn expire(&self) -> Result<(), ControlError> {
        let Some(ttl) = self.inner.options.session_ttl else {
            return Ok(());
        };
        let client = self.client().await?;
        let idle = history::idle(&*client, ttl.as_secs_f64()).await?;
        drop(client);
        for name in idle {
            match self
                .throw_away(&name, "pgdraft", SessionState::Expired)
                .await
            {
                Ok(gone) => tracing::info!(rows = gone.rows, "session expired"),
                // Somebody works with it after all, or has ended it.
                Err(ControlError::Busy(_) | ControlError::InUse(_) | ControlError::Ended(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn forget(&self) -> Result<(), ControlError> {
        loop {
            let client = self.client().await?;
            let Some(sid) = history::due(&*client).await? else {
                return Ok(());
            };
            drop(client);
            self.forget_one(sid).await?;
        }
    }

    async fn forget_one(&self, sid: SessionId) -> Result<(), ControlError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        history::keep_counts(&transaction, sid).await?;
        transaction.commit().await?;
        for (id, _) in tables::touched(&*client, sid).await? {
            while history::remove_some(&*client, id, sid, STEP_ROWS_MAX).await? > 0 {
                tokio::time::sleep(STEP_PAUSE).await;
            }
        }
        history::forgotten(&*client, sid).await?;
        Ok(())
    }
}

/// The background work, until the control plane is gone.
pub(crate) async fn keep_clean(inner: Weak<Inner>, every: Duration) {
    let mut failing = false;
    loop {
        tokio::time::sleep(every).await;
        let Some(inner) = inner.upgrade() else { return };
        match Control::of(inner).clean().await {
            Ok(()) => failing = false,
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(%error, "rows of ended sessions cannot be removed");
            }
            Err(_) => {}
        }
    }
}
