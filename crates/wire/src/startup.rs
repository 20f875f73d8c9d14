//! The handshake with a client: TLS, the startup packet, SCRAM, or a cancel request.
//!
//! Everything before the startup packet is untrusted and unencrypted, so nothing of it outlives
//! the TLS handshake; everything before the password is short, strict and under one timeout.
//!
//! [`accept`] stops just before AuthenticationOk. The caller opens the upstream and then says
//! [`welcome`] or [`refuse`], so that a failure behind us is still told as a failed connection.
//!
//! Source: <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP>.

mod authenticate;
mod error;
mod link;
mod options;
mod packet;
mod stream;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::BytesMut;
use report::{Report, Severity};
use ring::rand::SecureRandom as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

pub use crate::scram::Verifier;
pub use error::StartupError;
use link::{Link, Stop};
pub use options::{OptionsError, split as split_options};
use packet::Packet;
pub use stream::Stream;

use crate::encode;
use crate::tls::ServerTls;

/// Code of an SSLRequest.
pub const SSL_REQUEST: u32 = 80_877_103;
/// Code of a GSSENCRequest.
pub const GSSENC_REQUEST: u32 = 80_877_104;
/// Code of a CancelRequest.
pub const CANCEL_REQUEST: u32 = 80_877_102;
/// Whole handshake, where the configuration names no other.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// How clients are taken in.
#[derive(Clone)]
pub struct Acceptor {
    /// TLS, if it is on (see [`crate::tls::server_config`]).
    pub tls: Option<ServerTls>,
    /// Whether clients without TLS are refused.
    pub tls_required: bool,
    /// Who may come in.
    pub verifiers: Arc<dyn Verifiers>,
    /// Most time for the whole handshake, see [`TIMEOUT_DEFAULT`].
    pub timeout: Duration,
}

/// Who may come in.
pub trait Verifiers: Send + Sync {
    /// The verifier stored for this identity.
    fn verifier(&self, user: &str) -> Option<Verifier>;

    /// What an unknown user is asked with, so that it cannot be told from a known one: always the
    /// same for the same name. By default derived from a secret of this process; derive it from a
    /// stored secret ([`Verifier::for_unknown`]) and it is the same after a restart, too.
    fn unknown(&self, user: &str) -> Verifier {
        static SECRET: OnceLock<[u8; 32]> = OnceLock::new();
        let secret = SECRET.get_or_init(|| {
            let mut secret = [0; 32];
            if ring::rand::SystemRandom::new().fill(&mut secret).is_err() {
                tracing::error!("the system gives no random bytes");
            }
            secret
        });
        Verifier::for_unknown(secret, user)
    }
}

/// What a new connection turned out to be.
pub enum Arrival {
    /// A client whose password is right.
    Client(Box<Client>),
    /// Someone who asks for a statement to be cancelled, and waits for the end of the connection to know
    /// that it was.
    Cancel {
        /// Process id as given in BackendKeyData.
        pid: i32,
        /// Key as given there, 4 to 256 bytes.
        key: Vec<u8>,
        /// Its connection, to be dropped once that is done.
        stream: Stream,
    },
}

/// A client that is authenticated and waits to be told so.
pub struct Client {
    /// Its connection.
    pub stream: Stream,
    /// Bytes already read after the startup.
    pub early: BytesMut,
    /// User name as sent, with its session suffix.
    pub user: String,
    /// Whose password was checked: the user name, or the part of it before its last `+`.
    pub identity: String,
    /// The part of the user name after its last `+`, where that was not part of the identity.
    pub user_session: Option<String>,
    /// Startup parameters in the client's order; without `user`, `options`, `replication` and
    /// those of the protocol (`_pq_.`).
    pub parameters: Vec<(String, String)>,
    /// Settings from `options`, in the client's order.
    pub options: Vec<(String, String)>,
    /// Minor version spoken with it: 0 or 2.
    pub protocol_minor: u16,
    /// Its address.
    pub peer: SocketAddr,
    /// Whether the connection is under TLS.
    pub tls: bool,
}

/// Takes in one connection, up to the password and not further.
///
/// `None` where the peer went away without asking for anything (a port scan, a health check).
///
/// # Errors
/// The peer did something it may not, and was told so where that is possible.
pub async fn accept(
    socket: TcpStream,
    acceptor: &Acceptor,
) -> Result<Option<Arrival>, StartupError> {
    let Ok(peer) = socket.peer_addr() else {
        return Ok(None);
    };
    if socket.set_nodelay(true).is_err() {
        return Ok(None);
    }
    let mut link = Link::new(socket);
    let handshake = Box::pin(handshake(&mut link, acceptor, peer));
    let outcome = tokio::time::timeout(acceptor.timeout, handshake)
        .await
        .unwrap_or(Err(Stop::Refused(StartupError::Timeout)));
    match outcome {
        Ok(arrival) => Ok(Some(arrival)),
        Err(Stop::Gone) => Ok(None),
        Err(Stop::Refused(error)) => {
            if error.is_told() {
                link.tell(&error.report()).await;
            }
            Err(error)
        }
    }
}

/// Says AuthenticationOk and then `greeting`: ParameterStatus, BackendKeyData, ReadyForQuery.
///
/// # Errors
/// The client went away.
pub async fn welcome(client: &mut Client, greeting: &[u8]) -> io::Result<()> {
    let mut out = Vec::with_capacity(9 + greeting.len());
    encode::authentication(&mut out, 0, &[]);
    out.extend_from_slice(greeting);
    client.stream.write_all(&out).await?;
    client.stream.flush().await
}

/// Says why the client cannot come in after all, as a FATAL error, and ends the connection.
pub async fn refuse(client: &mut Client, report: &Report) {
    let report = Report {
        severity: Severity::Fatal,
        ..report.clone()
    };
    link::tell(&mut client.stream, &report).await;
}

async fn handshake(
    link: &mut Link,
    acceptor: &Acceptor,
    peer: SocketAddr,
) -> Result<Arrival, Stop> {
    if link.begins_with_tls().await? {
        let tls = acceptor.tls.as_ref().ok_or(StartupError::DirectTls)?;
        link.secure(Arc::clone(&tls.config)).await?;
        if !link.speaks_postgresql() {
            return Err(StartupError::Alpn.into());
        }
    }
    let startup = match negotiate(link, acceptor).await? {
        Packet::Startup(startup) => startup,
        Packet::Cancel { pid, key } => {
            let (stream, _) = link.take().ok_or(Stop::Gone)?;
            return Ok(Arrival::Cancel { pid, key, stream });
        }
        Packet::Ssl | Packet::Gssenc => return Err(StartupError::Layout.into()),
    };
    if acceptor.tls_required && !link.is_tls() {
        return Err(StartupError::TlsRequired.into());
    }
    let accepted = startup.accept()?;
    if let Some(unknown) = &accepted.negotiate {
        let mut out = Vec::new();
        encode::negotiate_protocol_version(&mut out, accepted.protocol_minor, unknown);
        link.send(&out).await?;
    }
    let verifiers = acceptor.verifiers.as_ref();
    let tls = acceptor.tls.as_ref().filter(|_| link.is_tls());
    let (identity, user_session) =
        authenticate::authenticate(link, verifiers, &accepted.user, tls).await?;
    let tls = link.is_tls();
    let (stream, early) = link.take().ok_or(Stop::Gone)?;
    Ok(Arrival::Client(Box::new(Client {
        stream,
        early,
        user: accepted.user,
        identity,
        user_session,
        parameters: accepted.parameters,
        options: accepted.options,
        protocol_minor: accepted.protocol_minor,
        peer,
        tls,
    })))
}

/// Answers encryption requests, each at most once and in either order, until the packet after them.
async fn negotiate(link: &mut Link, acceptor: &Acceptor) -> Result<Packet, Stop> {
    let (mut ssl_done, mut gss_done) = (link.is_tls(), link.is_tls());
    loop {
        match Packet::parse(&link.packet().await?)? {
            Packet::Ssl if ssl_done => return Err(StartupError::Repeated("SSLRequest").into()),
            Packet::Gssenc if gss_done => {
                return Err(StartupError::Repeated("GSSENCRequest").into());
            }
            Packet::Ssl => {
                link.demand_silence("SSL request")?;
                ssl_done = true;
                if let Some(tls) = &acceptor.tls {
                    gss_done = true;
                    link.send(b"S").await?;
                    link.secure(Arc::clone(&tls.config)).await?;
                } else {
                    link.send(b"N").await?;
                }
            }
            Packet::Gssenc => {
                link.demand_silence("GSSAPI encryption request")?;
                gss_done = true;
                link.send(b"N").await?;
            }
            packet @ (Packet::Startup(_) | Packet::Cancel { .. }) => return Ok(packet),
        }
    }
}
