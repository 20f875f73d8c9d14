//! COPY FROM STDIN inside a Query that is sent as messages of the extended protocol.
//!
//! Nothing but the client's data may follow such a COPY until it is over, so the rest of the Query
//! waits for CopyDone, for CopyFail, or for an error, whichever comes first.

use std::sync::Arc;

use report::Report;
use sql::{Effect, Plan};
use tokio::io::AsyncWrite;

use crate::conn::Failure;
use crate::planner::Script;
use crate::queue::Want;
use crate::request::Requests;

/// What is left of a Query while its COPY runs.
pub(crate) struct Rest {
    pub(crate) text: Arc<str>,
    pub(crate) script: Script,
    pub(crate) next: usize,
}

impl<W: AsyncWrite + Unpin> Requests<'_, W> {
    /// The COPY that the rest of a Query waited for is over.
    pub(crate) async fn copy_over(&mut self) -> Result<(), Failure> {
        if !self.conn.lane().copy_over {
            return Ok(());
        }
        self.go_on().await
    }

    /// CopyDone or CopyFail.
    pub(crate) async fn copy_end(&mut self, frame: &[u8]) -> Result<(), Failure> {
        self.expect(Want::CopyEnd, None);
        self.out.extend_from_slice(frame);
        if self.rest.is_some() {
            self.go_on().await?;
        }
        Ok(())
    }

    /// The client sends something else while its COPY is open; upstream will say what it thinks.
    pub(crate) async fn end_copy_early(&mut self) -> Result<(), Failure> {
        if !self.conn.lane().copy_over {
            wire::encode::raw(&mut self.out, b'f', b"unexpected message\0");
            self.expect(Want::CopyEnd, None);
            tracing::info!(report = %broken_off(), "client broke off a COPY");
        }
        self.go_on().await
    }

    async fn go_on(&mut self) -> Result<(), Failure> {
        let Some(rest) = self.rest.take() else {
            return Ok(());
        };
        self.conn.lane().copy_waits = false;
        if self.conn.lane().replies.skipping() {
            self.end_script();
            return Ok(());
        }
        Box::pin(self.run_script(rest.text, rest.script, rest.next)).await
    }
}

/// Something else than data came while a COPY waits for it.
pub(crate) fn broken_off() -> Report {
    Report::fatal("08P01", "unexpected message during COPY from stdin")
        .hint("Send CopyDone or CopyFail before the next request.")
}

/// Whether the client's data must follow the statement.
pub(crate) fn copies_in(plan: &Plan) -> bool {
    match plan {
        Plan::Write(write) => write.verb == sql::Verb::Copy,
        Plan::Relay(relay) => relay.effect == Effect::CopyIn,
        Plan::Read(read) => read.effect == Effect::CopyIn,
        _ => false,
    }
}
