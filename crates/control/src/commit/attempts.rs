//! How often a commit is begun: others can be in its way, and the schema can move under it.

use std::sync::Arc;

use catalog::Catalog;

use crate::{Control, ControlError};

/// How often a commit is begun again because the schema moved under it.
const MOVED_MAX: usize = 5;

/// How often it is begun where a lock was not free in time, or a deadlock ended it. It lets go of all
/// its locks in between, so that the others can go on.
const CROSSED_MAX: usize = 3;

/// The attempts of one commit.
#[derive(Default)]
pub(crate) struct Attempts {
    moved: usize,
    crossed: usize,
}

impl Attempts {
    /// The catalog to work with: first the one at hand, because the commit proves that it is the
    /// present one, and looking twice would be the dearest part of a small commit.
    pub(crate) async fn snapshot(&self, control: &Control) -> Result<Arc<Catalog>, ControlError> {
        if self.moved + self.crossed == 0 {
            return Ok(control.catalog());
        }
        control.refresh_catalog().await
    }

    /// An error under a snapshot that was not the present one says nothing.
    pub(crate) async fn stale<T>(
        &self,
        control: &Control,
        used: &Catalog,
        tried: Result<Option<T>, ControlError>,
    ) -> Result<Result<Option<T>, ControlError>, ControlError> {
        if self.moved + self.crossed > 0 || tried.is_ok() {
            return Ok(tried);
        }
        let now = control.refresh_catalog().await?;
        Ok(if now.mark == used.mark {
            tried
        } else {
            Ok(None)
        })
    }

    /// What came of one: `None` where it is to be done again. It returns `None` itself where the
    /// catalog snapshot was not the present one.
    pub(crate) fn judge<T>(
        &mut self,
        tried: Result<Option<T>, ControlError>,
    ) -> Result<Option<T>, ControlError> {
        match tried {
            Ok(None) => {
                self.moved += 1;
                if self.moved == MOVED_MAX {
                    return Err(ControlError::Busy(
                        "production's schema kept changing".into(),
                    ));
                }
                tracing::info!("production's schema moved under a commit: once more");
                Ok(None)
            }
            Err(error) if error.others_in_the_way() => {
                self.crossed += 1;
                if self.crossed == CROSSED_MAX {
                    return Err(error.after(self.crossed));
                }
                tracing::info!(%error, "others are in the way of a commit: once more");
                Ok(None)
            }
            done => done,
        }
    }
}
