//! Why a client did not come in.

use std::io;

use report::Report;

use super::options::OptionsError;
use crate::frame::Malformed;

/// Why a client did not come in.
#[derive(Debug, thiserror::Error)]
pub enum StartupError {
    /// A message after the startup packet is not one.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The length of the startup packet is out of bounds.
    #[error("invalid length of startup packet")]
    PacketLength(u32),
    /// The startup packet is not pairs of names and values with one end.
    #[error("invalid startup packet layout")]
    Layout,
    /// A parameter is not UTF-8.
    #[error("startup parameters are not valid UTF-8")]
    NotUtf8,
    /// A parameter came twice.
    #[error("startup parameter \"{0}\" is given more than once")]
    Duplicate(String),
    /// Not protocol 3.
    #[error("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.2")]
    Protocol {
        /// Major version asked for.
        major: u16,
        /// Minor version asked for.
        minor: u16,
    },
    /// An encryption request came a second time, or under encryption.
    #[error("unexpected {0}")]
    Repeated(&'static str),
    /// Bytes came between an encryption request and its answer.
    #[error("received unencrypted data after {0}")]
    Plaintext(&'static str),
    /// The TLS handshake failed.
    #[error("could not accept TLS connection: {0}")]
    Tls(io::Error),
    /// A TLS hello without SSLRequest, and TLS is off.
    #[error("received a direct TLS connection request, and TLS is off")]
    DirectTls,
    /// A TLS hello without SSLRequest, and without ALPN `postgresql`.
    #[error("received a direct TLS connection request without ALPN protocol \"postgresql\"")]
    Alpn,
    /// Only TLS connections are taken.
    #[error("connections without TLS are not accepted")]
    TlsRequired,
    /// No user name.
    #[error("no PostgreSQL user name specified in startup packet")]
    NoUser,
    /// A replication connection.
    #[error("replication connections are not supported")]
    Replication,
    /// The parameter `options` cannot be read.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// The client chose another mechanism than it was offered.
    #[error("client selected an invalid SASL authentication mechanism")]
    Mechanism,
    /// A message of the password exchange is not one.
    #[error("malformed SCRAM message")]
    Scram,
    /// Wrong password or unknown user; nobody outside learns which.
    #[error("password authentication failed for user \"{user}\"")]
    Password {
        /// User name as sent.
        user: String,
    },
    /// A client certificate is wanted, and there is none.
    #[error("connection requires a valid client certificate")]
    NoCertificate,
    /// The client certificate cannot be read.
    #[error("the client certificate could not be read")]
    BadCertificate,
    /// The client certificate is not this user's.
    #[error("certificate authentication failed for user \"{user}\"")]
    Certificate {
        /// User name as sent.
        user: String,
    },
    /// The handshake took too long.
    #[error("canceling authentication due to timeout")]
    Timeout,
}

impl StartupError {
    /// Whether the peer can be told: not in the middle of TLS, not what is no client of ours, and not who
    /// sent no startup packet: PostgreSQL says nothing then, and a driver may only be saying goodbye early.
    pub(super) fn is_told(&self) -> bool {
        !matches!(
            self,
            Self::Tls(_) | Self::DirectTls | Self::Alpn | Self::PacketLength(_)
        )
    }

    /// The FATAL error that is logged, and that the client was told.
    #[must_use]
    pub fn report(&self) -> Report {
        let (code, hint) = match self {
            Self::Malformed(malformed) => return malformed.report(),
            Self::Options(options) => return options.report(),
            Self::PacketLength(_) | Self::Layout | Self::Scram | Self::Mechanism => (
                "08P01",
                "Check that the client speaks PostgreSQL's protocol 3, with SCRAM-SHA-256 passwords.",
            ),
            Self::NotUtf8 => (
                "08P01",
                "Send user, database and all other startup parameters in UTF-8.",
            ),
            Self::Duplicate(_) => ("08P01", "Give each startup parameter once."),
            Self::Repeated(_) => (
                "08P01",
                "Ask for encryption once, then send the startup packet.",
            ),
            Self::Plaintext(_) => (
                "08P01",
                "This is a fault of the client or an attack on the connection: check what lies between it and here.",
            ),
            Self::Protocol { .. } => ("0A000", "Use a client that speaks protocol 3."),
            Self::Tls(_) => (
                "08P01",
                "Check that the client trusts the certificate and speaks TLS 1.2 or 1.3, or connect with sslmode=disable if that is allowed.",
            ),
            Self::DirectTls => (
                "08P01",
                "Connect with sslmode=disable, or turn TLS on in the configuration.",
            ),
            Self::Alpn => (
                "08P01",
                "Connect with sslnegotiation=postgres, or with a client that sends ALPN.",
            ),
            Self::TlsRequired => ("28000", "Connect with sslmode=require or stricter."),
            Self::NoUser => ("28000", "Give a user name in the connection URL."),
            Self::Replication => (
                "0A000",
                "Connect without the parameter replication, or take replication from PostgreSQL directly.",
            ),
            Self::Password { .. } => (
                "28P01",
                "Check user name and password; a session id is added to the user name after a \"+\".",
            ),
            Self::NoCertificate => (
                "28000",
                "Connect with sslcert and sslkey, a certificate of an authority in tls_client_ca.",
            ),
            Self::BadCertificate => ("28000", "Use an X.509 certificate with DER encoding."),
            Self::Certificate { .. } => (
                "28000",
                "The certificate's common name, or one of its alternative names, has to be the user name without what follows a \"+\".",
            ),
            Self::Timeout => (
                "57014",
                "Connect again and answer the password request sooner.",
            ),
        };
        let report = Report::fatal(code, self.to_string()).hint(hint);
        match self {
            Self::PacketLength(length) => report.detail(format!(
                "The packet claims {length} bytes; 8 to {} are taken.",
                super::link::PACKET_MAX
            )),
            _ => report,
        }
    }
}
