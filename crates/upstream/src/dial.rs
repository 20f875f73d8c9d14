//! Opens the socket and settles TLS, before anything of PostgreSQL is said.

use std::io;
use std::net::SocketAddr;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::{SslMode, Target, UpstreamError, UpstreamStream};

/// One way to try a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Try {
    /// No TLS.
    Plain,
    /// TLS if the server offers it.
    Offered,
    /// TLS or nothing.
    Tls,
}

/// The ways to try, in order. A later one is for a server that refuses the earlier before it asks
/// for a password.
pub(crate) fn tries(target: &Target) -> &'static [Try] {
    if target.socket_path().is_some() {
        // As libpq: a Unix socket needs no TLS, and PostgreSQL offers none there.
        return &[Try::Plain];
    }
    match target.ssl_mode() {
        SslMode::Disable => &[Try::Plain],
        SslMode::Allow => &[Try::Plain, Try::Tls],
        SslMode::Prefer => &[Try::Offered, Try::Plain],
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => &[Try::Tls],
    }
}

/// A socket without TLS.
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Opens the socket.
pub(crate) async fn socket(target: &Target) -> Result<Socket, UpstreamError> {
    let unreachable = |source| UpstreamError::Unreachable {
        address: target.address(),
        source,
    };
    if let Some(path) = target.socket_path() {
        return UnixStream::connect(path)
            .await
            .map(Socket::Unix)
            .map_err(unreachable);
    }
    let found = tokio::net::lookup_host((target.host(), target.port())).await;
    let addresses: Vec<SocketAddr> = found
        .map_err(|source| UpstreamError::Unresolved {
            host: target.host().to_owned(),
            source,
        })?
        .collect();
    let socket = TcpStream::connect(addresses.as_slice())
        .await
        .map_err(unreachable)?;
    socket.set_nodelay(true).map_err(unreachable)?;
    target.keepalive().apply(&socket).map_err(unreachable)?;
    Ok(Socket::Tcp(socket))
}

/// Opens a connection in this way.
pub(crate) async fn dial(target: &Target, attempt: Try) -> Result<UpstreamStream, UpstreamError> {
    let mut socket = match socket(target).await? {
        Socket::Unix(socket) => return Ok(UpstreamStream::Unix(socket)),
        Socket::Tcp(socket) => socket,
    };
    if attempt == Try::Plain {
        return Ok(UpstreamStream::Tcp(socket));
    }
    let offered = ask(&mut socket)
        .await
        .map_err(|source| UpstreamError::Lost {
            address: target.address(),
            source,
        })?;
    match (offered, attempt) {
        (b'S', _) => secure(target, socket).await,
        (_, Try::Tls) => Err(UpstreamError::NoTls {
            address: target.address(),
            mode: target.ssl_mode().as_str(),
        }),
        (b'N', _) => Ok(UpstreamStream::Tcp(socket)),
        (other, _) => Err(UpstreamError::Unexpected(other)),
    }
}

/// Sends SSLRequest and reads its answer: one byte and nothing more, so that no plaintext sent
/// after it can be taken for what came under TLS.
async fn ask(socket: &mut TcpStream) -> io::Result<u8> {
    let mut request = Vec::new();
    wire::encode::ssl_request(&mut request);
    socket.write_all(&request).await?;
    socket.read_u8().await
}

async fn secure(target: &Target, socket: TcpStream) -> Result<UpstreamStream, UpstreamError> {
    let failed = |source| UpstreamError::Tls {
        address: target.address(),
        source,
    };
    let name = ServerName::try_from(target.host().to_owned())
        .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
    let stream = TlsConnector::from(target.tls()?)
        .connect(name, socket)
        .await
        .map_err(failed)?;
    Ok(UpstreamStream::Tls(Box::new(stream)))
}
