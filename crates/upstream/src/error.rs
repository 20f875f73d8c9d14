//! Why the upstream cannot be reached.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use report::Report;
use wire::frame::Malformed;
use wire::scram::ScramError;

/// Why the upstream cannot be reached. No variant holds a password.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The URL cannot be used.
    #[error("the upstream URL cannot be used: {0}")]
    Url(String),
    /// No connection: nobody listens, no route, no such socket.
    #[error("could not connect to the upstream at {address}: {source}")]
    Unreachable {
        /// `host:port` or path of the socket.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// The host name has no address.
    #[error("could not find the address of the upstream host \"{host}\": {source}")]
    Unresolved {
        /// Host name.
        host: String,
        /// What the system says.
        source: io::Error,
    },
    /// No answer in time.
    #[error("the upstream at {address} did not answer within {} seconds", .after.as_secs())]
    Timeout {
        /// `host:port` or path of the socket.
        address: String,
        /// How long we waited.
        after: Duration,
    },
    /// The connection broke during the handshake.
    #[error("the connection to the upstream at {address} was lost: {source}")]
    Lost {
        /// `host:port` or path of the socket.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// `sslmode` demands TLS and the server has none.
    #[error("the upstream at {address} does not support TLS, but sslmode={mode} was required")]
    NoTls {
        /// `host:port`.
        address: String,
        /// The `sslmode`.
        mode: &'static str,
    },
    /// `channel_binding=require`, and the server does not bind the password to the connection.
    #[error("channel binding is required, but the upstream does not offer it")]
    NotBound,
    /// The TLS handshake failed, for example over the certificate.
    #[error("the TLS handshake with the upstream at {address} failed: {source}")]
    Tls {
        /// `host:port`.
        address: String,
        /// What is wrong.
        source: io::Error,
    },
    /// The file of `sslrootcert` cannot be used.
    #[error("could not read the root certificates in {path:?}: {reason}")]
    RootFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The system has no root certificates, and none were given.
    #[error("the system has no root certificates")]
    NoRoots,
    /// Our side of TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    TlsSetup(rustls::Error),
    /// The server refused with an ErrorResponse; all its fields, in their order.
    #[error("the upstream refused the connection: {}", message(.0))]
    Server(Vec<(u8, Vec<u8>)>),
    /// The server asks for a password, and the URL has none.
    #[error(
        "the upstream at {address} asks for the password of user \"{user}\", and none is configured"
    )]
    NoPassword {
        /// `host:port` or path of the socket.
        address: String,
        /// User.
        user: String,
    },
    /// The server asks for an authentication that we do not speak.
    #[error("the upstream asks for an authentication method that is not supported: {0}")]
    Method(String),
    /// The password exchange failed on our side.
    #[error("password exchange with the upstream failed: {0}")]
    Scram(#[from] ScramError),
    /// What the server sent is not a message.
    #[error("the upstream sent what is not a PostgreSQL message: {0}")]
    Malformed(#[from] Malformed),
    /// A message that has no place in the handshake.
    #[error("the upstream sent an unexpected message of type {0} during the handshake")]
    Unexpected(u8),
    /// Something else that tokio-postgres says.
    #[error("could not open a control connection to the upstream at {address}: {source}")]
    Control {
        /// `host:port` or path of the socket.
        address: String,
        /// What it says.
        source: tokio_postgres::Error,
    },
}

impl UpstreamError {
    /// It may be gone in a moment: nobody listens, the server starts or is full.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } | Self::Lost { .. } => true,
            Self::Server(fields) => {
                matches!(
                    field(fields, b'C').as_deref(),
                    Some("57P03" | "53300" | "57P01")
                )
            }
            _ => false,
        }
    }
}

fn field(fields: &[(u8, Vec<u8>)], code: u8) -> Option<String> {
    let (_, text) = fields.iter().find(|(known, _)| *known == code)?;
    Some(String::from_utf8_lossy(text).into_owned())
}

fn message(fields: &[(u8, Vec<u8>)]) -> String {
    field(fields, b'M').unwrap_or_else(|| "no message".to_owned())
}

impl UpstreamError {
    /// The FATAL error a client is told. The server's own errors keep code, message, detail and
    /// hint; ours are class 08 or 28 with what to check.
    #[must_use]
    pub fn report(&self) -> Report {
        if let Self::Server(fields) = self {
            return server_report(fields);
        }
        let (code, hint) = self.code_and_hint();
        Report::fatal(code, self.to_string()).hint(hint)
    }

    fn code_and_hint(&self) -> (&'static str, String) {
        match self {
            Self::Url(_) => (
                "22023",
                "Write it as postgres://user:password@host:port/database?sslmode=verify-full, with special characters percent-encoded.".to_owned(),
            ),
            Self::Unreachable { address, .. } => (
                "08001",
                format!("Check that PostgreSQL runs and listens at {address}, and that no firewall is in between."),
            ),
            Self::Unresolved { host, .. } => (
                "08001",
                format!("Check the host name \"{host}\" in the upstream URL, and the name service of this machine."),
            ),
            Self::Timeout { address, .. } => (
                "08001",
                format!("Check that {address} is right and that PostgreSQL there takes connections; connect_timeout in the upstream URL gives it more time."),
            ),
            Self::Lost { address, .. } => (
                "08006",
                format!("Check the log of PostgreSQL at {address}, and that it is PostgreSQL that listens there; then connect again."),
            ),
            Self::NoTls { .. } => (
                "08001",
                "Turn ssl on in PostgreSQL, or set sslmode=prefer or sslmode=disable in the upstream URL.".to_owned(),
            ),
            Self::Tls { .. } => (
                "08001",
                "Check that the server's certificate is valid, names this host in its subjectAltName, and comes from an authority in sslrootcert.".to_owned(),
            ),
            Self::NotBound => (
                "08001",
                "Check that the upstream has TLS and a SCRAM-SHA-256 password, and that nothing between takes TLS apart; or set channel_binding=prefer in the upstream URL.".to_owned(),
            ),
            Self::RootFile { .. } => (
                "F0000",
                "Give a PEM file that pgdraft may read, with the certificates of the authorities you trust.".to_owned(),
            ),
            Self::NoRoots => (
                "F0000",
                "Install the system's CA certificates, or give a PEM file in sslrootcert.".to_owned(),
            ),
            Self::TlsSetup(_) => ("58000", "Check sslmode and sslrootcert in the upstream URL.".to_owned()),
            Self::NoPassword { .. } => ("28000", "Put a password into the upstream URL.".to_owned()),
            Self::Method(_) => (
                "28000",
                "Let pg_hba.conf ask this user for scram-sha-256, md5, password or trust.".to_owned(),
            ),
            Self::Scram(ScramError::Server) => (
                "08001",
                "The server could not prove that it knows the password: check that it is the right server.".to_owned(),
            ),
            Self::Scram(_) | Self::Malformed(_) | Self::Unexpected(_) => (
                "08P01",
                "Check that it is PostgreSQL that listens at the upstream's address.".to_owned(),
            ),
            Self::Control { address, .. } => (
                "08001",
                format!("Check that PostgreSQL at {address} runs and takes connections."),
            ),
            Self::Server(_) => ("08004", "Check the upstream's log.".to_owned()),
        }
    }
}

fn server_report(fields: &[(u8, Vec<u8>)]) -> Report {
    let code = field(fields, b'C').unwrap_or_else(|| "08004".to_owned());
    let mut report = Report::fatal(code.clone(), message(fields));
    report.detail = field(fields, b'D');
    report.hint = field(fields, b'H').or_else(|| {
        Some(match code.as_str() {
            "28P01" => "Check user and password in the upstream URL.".to_owned(),
            "28000" => "Check user, database and pg_hba.conf of the upstream.".to_owned(),
            "3D000" => "Check the database in the upstream URL.".to_owned(),
            "53300" => {
                "Raise max_connections of the upstream, or open fewer connections.".to_owned()
            }
            "57P03" => "Connect again in a moment: the upstream is starting up or shutting down."
                .to_owned(),
            _ => "This is what the upstream PostgreSQL says; its log may say more.".to_owned(),
        })
    });
    report
}
