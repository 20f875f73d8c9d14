//! The connection during the handshake: reads packets, keeps what was read too far.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use report::Report;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::{StartupError, Stream};
use crate::encode;
use crate::frame::frontend::TERMINATE;
use crate::frame::{self, Header, Malformed};
use crate::tls::{self, ALPN};

/// Longest startup packet, as in PostgreSQL, and longest message before the password is checked.
pub(super) const PACKET_MAX: usize = 10_000;
/// Bytes read at once; a startup packet is some hundred.
const BUFFER: usize = 1024;
/// How long a refused peer has to take the error in.
const FAREWELL: Duration = Duration::from_secs(2);
/// Bytes of a refused peer that are still read, so that closing does not reset the connection
/// before the error has arrived.
const FAREWELL_BYTES: usize = 256 * 1024;

/// Why the handshake ends without an arrival.
pub(super) enum Stop {
    /// The peer went away.
    Gone,
    /// We end it.
    Refused(StartupError),
}

impl<E: Into<StartupError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

fn gone(_: io::Error) -> Stop {
    Stop::Gone
}

/// The connection; without a stream while the TLS handshake runs and after it failed.
pub(super) struct Link {
    stream: Option<Stream>,
    buffer: BytesMut,
}

impl Link {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self {
            stream: Some(Stream::Plain(socket)),
            buffer: BytesMut::with_capacity(BUFFER),
        }
    }

    pub(super) fn is_tls(&self) -> bool {
        matches!(self.stream, Some(Stream::Tls(_)))
    }

    /// Stream and bytes read too far, for what comes after the handshake.
    pub(super) fn take(&mut self) -> Option<(Stream, BytesMut)> {
        let stream = self.stream.take()?;
        let early = std::mem::take(&mut self.buffer);
        // An idle client should not hold the memory of its handshake.
        let early = if early.is_empty() {
            BytesMut::new()
        } else {
            early
        };
        Some((stream, early))
    }

    fn stream(&mut self) -> Result<&mut Stream, Stop> {
        self.stream.as_mut().ok_or(Stop::Gone)
    }

    /// Whether the peer begins with a TLS hello instead of a PostgreSQL packet. Reads nothing.
    pub(super) async fn begins_with_tls(&self) -> Result<bool, Stop> {
        let Some(Stream::Plain(socket)) = &self.stream else {
            return Ok(false);
        };
        let mut first = [0];
        match socket.peek(&mut first).await {
            Ok(1..) => Ok(first == [0x16]),
            Ok(0) | Err(_) => Err(Stop::Gone),
        }
    }

    /// Demands that the peer sent nothing after its encryption request: it would be plaintext that
    /// is later taken for what came under TLS.
    pub(super) fn demand_silence(&self, request: &'static str) -> Result<(), StartupError> {
        if self.buffer.is_empty() {
            Ok(())
        } else {
            Err(StartupError::Plaintext(request))
        }
    }

    /// Runs the TLS handshake. Bytes the peer sends too early become part of it and break it.
    pub(super) async fn secure(&mut self, config: Arc<rustls::ServerConfig>) -> Result<(), Stop> {
        let Some(Stream::Plain(socket)) = self.stream.take() else {
            return Err(Stop::Gone);
        };
        let stream = TlsAcceptor::from(config)
            .accept(socket)
            .await
            .map_err(StartupError::Tls)?;
        self.stream = Some(Stream::Tls(Box::new(stream)));
        Ok(())
    }

    /// Whether ALPN settled on PostgreSQL's protocol.
    pub(super) fn speaks_postgresql(&self) -> bool {
        match &self.stream {
            Some(Stream::Tls(stream)) => stream.get_ref().1.alpn_protocol() == Some(ALPN),
            Some(Stream::Plain(_)) | None => false,
        }
    }

    /// The names in the client's certificate, which one of our authorities signed; `None` without one.
    pub(super) fn client_names(&self) -> Result<Option<Vec<String>>, StartupError> {
        let Some(Stream::Tls(stream)) = &self.stream else {
            return Ok(None);
        };
        let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
        match certificates.first().map(|first| tls::names(first)) {
            Some(None) => Err(StartupError::BadCertificate),
            Some(names) => Ok(names),
            None => Ok(None),
        }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let stream = self.stream()?;
        stream.write_all(bytes).await.map_err(gone)?;
        stream.flush().await.map_err(gone)
    }

    /// Reads until `len` bytes are there.
    async fn fill(&mut self, len: usize) -> Result<(), Stop> {
        while self.buffer.len() < len {
            let stream = self.stream.as_mut().ok_or(Stop::Gone)?;
            if stream.read_buf(&mut self.buffer).await.map_err(gone)? == 0 {
                return Err(Stop::Gone);
            }
        }
        Ok(())
    }

    /// The next packet without a type byte: what follows its length.
    pub(super) async fn packet(&mut self) -> Result<BytesMut, Stop> {
        self.fill(4).await?;
        let length = self.buffer.get_u32();
        let len = usize::try_from(length).unwrap_or(usize::MAX);
        if !(8..=PACKET_MAX).contains(&len) {
            return Err(StartupError::PacketLength(length).into());
        }
        self.fill(len - 4).await?;
        Ok(self.buffer.split_to(len - 4))
    }

    /// The next message with a type byte, which must be this one: its body.
    pub(super) async fn message(&mut self, tag: u8) -> Result<BytesMut, Stop> {
        self.fill(frame::HEADER_LEN).await?;
        let Some(header) = frame::header(&self.buffer)? else {
            return Err(Stop::Gone);
        };
        if header.tag == TERMINATE {
            return Err(Stop::Gone);
        }
        if header.tag != tag {
            return Err(Malformed::Type(header.tag).into());
        }
        let Header { body_len, .. } = header;
        if body_len > PACKET_MAX {
            return Err(Malformed::TooLong {
                length: body_len,
                limit: PACKET_MAX,
            }
            .into());
        }
        self.fill(header.message_len()).await?;
        self.buffer.advance(frame::HEADER_LEN);
        Ok(self.buffer.split_to(body_len))
    }

    /// Says why, if there is still someone to say it to, and ends the connection.
    pub(super) async fn tell(&mut self, report: &Report) {
        if let Some(mut stream) = self.stream.take() {
            tell(&mut stream, report).await;
        }
    }
}

/// Says why and ends the connection. Never takes long, whatever the peer does.
pub(super) async fn tell(stream: &mut Stream, report: &Report) {
    let mut out = Vec::new();
    encode::error(&mut out, report);
    let farewell = async {
        stream.write_all(&out).await?;
        stream.shutdown().await?;
        let mut discarded = vec![0; 4096];
        let mut left = FAREWELL_BYTES;
        while left > 0 {
            match stream.read(&mut discarded).await? {
                0 => break,
                len => left = left.saturating_sub(len),
            }
        }
        Ok::<(), io::Error>(())
    };
    // A peer that does not listen is simply left.
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
}
