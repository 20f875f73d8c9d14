//! Connections that nobody uses: are they alive, are they too old.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};

use super::{Server, Servers};

/// Between looks at idle connections.
const EVERY: Duration = Duration::from_secs(1);
/// Most time for an answer to a question of ours.
const ANSWER: Duration = Duration::from_secs(5);

impl Server {
    /// Nothing came on it while it was idle: what comes then is its end, or news that only a new
    /// connection tells in order.
    pub(super) fn is_alive(&mut self) -> bool {
        let Some(stream) = &mut self.stream else {
            return false;
        };
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        let mut context = Context::from_waker(Waker::noop());
        Pin::new(stream)
            .poll_read(&mut context, &mut buffer)
            .is_pending()
    }

    /// Runs a text outside a transaction; its first value, where it gives one.
    async fn run(&mut self, text: &str) -> io::Result<Option<String>> {
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let mut out = Vec::new();
        wire::encode::query(&mut out, text);
        let exchange = async {
            stream.write_all(&out).await?;
            stream.flush().await?;
            let (mut failed, mut value) = (false, None);
            loop {
                let kind = stream.read_u8().await?;
                let len = stream.read_u32().await?.saturating_sub(4);
                let mut body = vec![0; usize::try_from(len).unwrap_or(usize::MAX).min(1 << 20)];
                stream.read_exact(&mut body).await?;
                match kind {
                    b'E' => failed = true,
                    b'Z' if failed || body != [b'I'] => return Err(io::ErrorKind::Other.into()),
                    b'Z' => return Ok(value),
                    b'D' => value = first(&body),
                    _ => {}
                }
            }
        };
        tokio::time::timeout(ANSWER, exchange).await?
    }

    /// Process id of the backend as the server itself knows it.
    pub(super) async fn backend(&mut self) -> io::Result<i32> {
        let value = self.run("SELECT pg_catalog.pg_backend_pid()").await?;
        let pid = value.and_then(|value| value.parse().ok());
        pid.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Makes it as it was when it was opened.
    pub(crate) async fn reset(&mut self) -> io::Result<()> {
        self.run("DISCARD ALL").await?;
        self.held = super::Held::default();
        Ok(())
    }
}

/// The first value of a row.
fn first(row: &[u8]) -> Option<String> {
    let values = wire::frame::backend::data_row(row).ok()?;
    let value = values.into_iter().next()??;
    String::from_utf8(value.to_vec()).ok()
}

impl Servers {
    /// Closes idle connections that are too old, idle for too long or dead. Never ends.
    pub(crate) async fn upkeep(self: Arc<Self>) {
        loop {
            tokio::time::sleep(EVERY).await;
            for mut server in self.sweep(Instant::now()) {
                // an empty query costs the server nothing
                if server.run("").await.is_ok() {
                    server.checked = Instant::now();
                    let mut state = self.state();
                    state.idle.insert(0, server);
                } else {
                    self.metrics.upstream_errors.inc();
                    tracing::warn!(
                        upstream_pid = server.pid,
                        "an idle server connection is dead"
                    );
                    self.state().open -= 1;
                }
                self.state().dispatch(&self);
            }
        }
    }

    /// Closes what is to be closed; returned are those to be asked.
    fn sweep(self: &Arc<Self>, now: Instant) -> Vec<Server> {
        let mut state = self.state();
        let settings = state.settings.clone();
        let mut asked = Vec::new();
        for mut server in std::mem::take(&mut state.idle) {
            let keeps = state.keeps(&server, now)
                && now.duration_since(server.used) < settings.idle_timeout
                && server.is_alive();
            if !keeps {
                state.open -= 1;
            } else if now.duration_since(server.checked) >= settings.check_after {
                asked.push(server);
            } else {
                state.idle.push(server);
            }
        }
        state.dispatch(self);
        asked
    }
}
