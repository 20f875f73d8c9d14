//! The client's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, towards an upstream.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pgwire::api::auth::sasl::scram::gen_salted_password;
use ring::rand::SecureRandom as _;

use super::{MECHANISM, MECHANISM_PLUS, ScramError, hmac_sha256, sha256};

/// Bytes of a nonce, as libpq makes them.
const NONCE_LEN: usize = 18;
/// Most iterations a server may ask of us: some seconds of computing.
const ITERATIONS_MAX: u32 = 10_000_000;

/// What is known of the line under the exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channel {
    /// No TLS, or a certificate that has no end-point hash: nothing to bind to.
    Unbound,
    /// TLS, and the server does not offer to be bound to it. It is told that we could: a server that
    /// did offer it finds out that somebody took the offer away.
    NotOffered,
    /// TLS with this hash of the server's certificate ([`crate::tls::end_point`]).
    EndPoint(Vec<u8>),
}

impl Channel {
    /// The mechanism to choose.
    #[must_use]
    pub fn mechanism(&self) -> &'static str {
        match self {
            Self::Unbound | Self::NotOffered => MECHANISM,
            Self::EndPoint(_) => MECHANISM_PLUS,
        }
    }

    fn header(&self) -> &'static str {
        match self {
            Self::Unbound => "n,,",
            Self::NotOffered => "y,,",
            Self::EndPoint(_) => "p=tls-server-end-point,,",
        }
    }
}

/// After the client's first message.
pub struct Client {
    password: String,
    channel: Channel,
    nonce: String,
}

/// After the client's proof.
pub struct Proven {
    signature: [u8; 32],
}

impl Client {
    /// Begins with this password; gives the client's first message. The user name in it is empty,
    /// as PostgreSQL takes the one of the startup.
    ///
    /// # Errors
    /// [`ScramError::Malformed`] if the system gives no random bytes.
    pub fn begin(password: &str, channel: Channel) -> Result<(Self, String), ScramError> {
        let mut random = [0; NONCE_LEN];
        ring::rand::SystemRandom::new()
            .fill(&mut random)
            .map_err(|_| ScramError::Malformed)?;
        let client = Self {
            password: password.to_owned(),
            channel,
            nonce: STANDARD.encode(random),
        };
        let first = format!("{}{}", client.channel.header(), client.bare());
        Ok((client, first))
    }

    fn bare(&self) -> String {
        format!("n=,r={}", self.nonce)
    }

    /// Takes the server's first message, gives the client's final one.
    ///
    /// # Errors
    /// [`ScramError::Malformed`] where the nonce does not continue ours (a replay), or where the
    /// number of iterations is zero or out of all reason.
    pub fn prove(&self, server_first: &[u8]) -> Result<(Proven, String), ScramError> {
        let server_first = std::str::from_utf8(server_first).map_err(|_| ScramError::Malformed)?;
        let (nonce, salt, iterations) = self.read(server_first).ok_or(ScramError::Malformed)?;
        let mut bound = self.channel.header().as_bytes().to_vec();
        if let Channel::EndPoint(hash) = &self.channel {
            bound.extend_from_slice(hash);
        }
        let without_proof = format!("c={},r={nonce}", STANDARD.encode(bound));
        let said = format!("{},{server_first},{without_proof}", self.bare());
        let salted = gen_salted_password(&self.password, &salt, iterations);
        let client_key = hmac_sha256(&salted, b"Client Key");
        let signature = hmac_sha256(&sha256(&client_key), said.as_bytes());
        let proof: Vec<u8> = client_key
            .iter()
            .zip(signature)
            .map(|(k, s)| k ^ s)
            .collect();
        let server_key = hmac_sha256(&salted, b"Server Key");
        let proven = Proven {
            signature: hmac_sha256(&server_key, said.as_bytes()),
        };
        Ok((
            proven,
            format!("{without_proof},p={}", STANDARD.encode(proof)),
        ))
    }

    /// Nonce, salt and number of iterations.
    fn read<'m>(&self, server_first: &'m str) -> Option<(&'m str, Vec<u8>, usize)> {
        let mut parts = server_first.split(',');
        let nonce = parts.next()?.strip_prefix("r=")?;
        let salt = STANDARD.decode(parts.next()?.strip_prefix("s=")?).ok()?;
        let iterations: u32 = parts.next()?.strip_prefix("i=")?.parse().ok()?;
        let own = nonce.strip_prefix(self.nonce.as_str())?;
        let payable = (1..=ITERATIONS_MAX).contains(&iterations);
        (payable && !own.is_empty()).then_some(())?;
        Some((nonce, salt, usize::try_from(iterations).ok()?))
    }
}

impl Proven {
    /// Checks the server's final message.
    ///
    /// # Errors
    /// [`ScramError::Server`] where its signature is not of this password.
    pub fn check(&self, server_final: &[u8]) -> Result<(), ScramError> {
        let text = std::str::from_utf8(server_final).map_err(|_| ScramError::Server)?;
        let signature = text
            .split(',')
            .next()
            .and_then(|part| part.strip_prefix("v="));
        let signature = signature.and_then(|signature| STANDARD.decode(signature).ok());
        match signature {
            Some(signature) if signature == self.signature => Ok(()),
            _ => Err(ScramError::Server),
        }
    }
}
