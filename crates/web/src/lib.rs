//! The HTTP endpoint for operators: `/metrics`, `/healthz` and `/readyz` on a port of its own.
//!
//! Must not touch a draft, a session or the database: what it says is handed in by the binary.
//! It serves short answers to short requests, so it reads one request per connection, within
//! fixed limits of size and time, and closes. Start at [`serve`].

mod request;

use std::sync::Arc;
use std::time::Duration;

use prometheus::{Encoder, Registry, TextEncoder};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use request::{Head, Rejected, parse_head};

/// Longest request head that is read, in bytes; longer ones are answered with 431.
pub const REQUEST_BYTES_MAX: usize = 8 * 1024;
/// Time for one whole exchange; a client that is slower is dropped.
pub const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections served at the same time; more are closed at once.
pub const CONNECTIONS_MAX: usize = 32;

/// Whether the proxy can serve clients now; `Err` says why not, in words without secrets.
pub type Readiness = dyn Fn() -> Result<(), String> + Send + Sync;

/// What the endpoint shows.
#[derive(Clone)]
pub struct Endpoint {
    /// Metrics of the process; gathered on each request.
    pub registry: Registry,
    /// Answers `/readyz`.
    pub readiness: Arc<Readiness>,
}

/// Serves until the task is dropped or aborted. Errors of single connections are theirs alone.
pub async fn serve(listener: TcpListener, endpoint: Endpoint) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let socket = match listener.accept().await {
            Ok((socket, _)) => socket,
            Err(error) => {
                // Out of file descriptors, mostly: wait instead of spinning.
                tracing::warn!(%error, "metrics endpoint could not accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            continue;
        };
        let endpoint = endpoint.clone();
        tokio::spawn(async move {
            let _ = tokio::time::timeout(EXCHANGE_TIMEOUT, exchange(socket, &endpoint)).await;
            drop(place);
        });
    }
}

/// One request, one answer, close.
async fn exchange<S>(mut socket: S, endpoint: &Endpoint) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let answer = match read_head(&mut socket).await? {
        Some(Ok(head)) => answer(&head, endpoint),
        Some(Err(rejected)) => Answer::text(rejected.status(), rejected.to_string()),
        None => return Ok(()),
    };
    socket.write_all(&answer.bytes()).await?;
    socket.shutdown().await?;
    // Closing with unread input would reset the connection before the client has read the answer.
    let mut rest = [0_u8; 1024];
    let mut drained = 0_usize;
    while drained < REQUEST_BYTES_MAX {
        match socket.read(&mut rest).await? {
            0 => break,
            n => drained += n,
        }
    }
    Ok(())
}

/// Reads up to the empty line; `None` where the client went away before it.
async fn read_head<S>(socket: &mut S) -> std::io::Result<Option<Result<Head, Rejected>>>
where
    S: AsyncRead + Unpin,
{
    let mut buffer = Vec::with_capacity(1024);
    let mut chunk = [0_u8; 1024];
    loop {
        let n = socket.read(&mut chunk).await?;
        if n == 0 {
            return Ok(None);
        }
        buffer.extend_from_slice(chunk.get(..n).unwrap_or_default());
        if buffer.windows(4).any(|w| w == b"\r\n\r\n") || buffer.windows(2).any(|w| w == b"\n\n") {
            return Ok(Some(parse_head(&buffer)));
        }
        if buffer.len() >= REQUEST_BYTES_MAX {
            return Ok(Some(Err(Rejected::TooLarge)));
        }
    }
}

/// One HTTP answer.
struct Answer {
    status: u16,
    content_type: &'static str,
    body: Vec<u8>,
    /// HEAD: the length is told, the body is not sent.
    head_only: bool,
}

impl Answer {
    fn text(status: u16, body: impl Into<String>) -> Self {
        let mut body = body.into();
        body.push('\n');
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body: body.into_bytes(),
            head_only: false,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let reason = match self.status {
            200 => "OK",
            400 => "Bad Request",
            404 => "Not Found",
            405 => "Method Not Allowed",
            431 => "Request Header Fields Too Large",
            505 => "HTTP Version Not Supported",
            503 => "Service Unavailable",
            _ => "Internal Server Error",
        };
        let allow = if self.status == 405 {
            "Allow: GET, HEAD\r\n"
        } else {
            ""
        };
        let mut out = format!(
            "HTTP/1.1 {} {reason}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{allow}Cache-Control: no-store\r\nConnection: close\r\n\r\n",
            self.status,
            self.content_type,
            self.body.len()
        )
        .into_bytes();
        if !self.head_only {
            out.extend_from_slice(&self.body);
        }
        out
    }
}

fn answer(head: &Head, endpoint: &Endpoint) -> Answer {
    if head.method != "GET" && head.method != "HEAD" {
        return Answer::text(405, "only GET and HEAD are served here");
    }
    let mut answer = match head.path.as_str() {
        "/metrics" => metrics(&endpoint.registry),
        "/healthz" => Answer::text(200, "ok"),
        "/readyz" => match (endpoint.readiness)() {
            Ok(()) => Answer::text(200, "ready"),
            Err(why) => Answer::text(503, why),
        },
        _ => Answer::text(404, "not found; try /metrics, /healthz or /readyz"),
    };
    answer.head_only = head.method == "HEAD";
    answer
}

fn metrics(registry: &Registry) -> Answer {
    let encoder = TextEncoder::new();
    let mut body = Vec::new();
    match encoder.encode(&registry.gather(), &mut body) {
        Ok(()) => Answer {
            status: 200,
            content_type: "text/plain; version=0.0.4; charset=utf-8",
            body,
            head_only: false,
        },
        Err(error) => {
            tracing::error!(%error, "metrics could not be encoded");
            Answer::text(500, "metrics could not be encoded")
        }
    }
}

#[cfg(test)]
mod tests;
