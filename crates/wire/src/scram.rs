//! Passwords: SCRAM-SHA-256 on both sides, stored verifiers, and PostgreSQL's MD5 for old upstreams.
//!
//! The server's exchange is pgwire's state machine, with the checks it leaves out made here; the
//! client's is our own, because pgwire's has no channel binding.
//!
//! Source: RFC 5802, RFC 7677, and <https://www.postgresql.org/docs/current/sasl-authentication.html>.

mod client;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pgwire::api::auth::sasl::scram as pg;
use pgwire::error::PgWireError;
use ring::rand::SecureRandom as _;
use ring::{digest, hmac};

pub use client::{Channel, Client, Proven};

/// The mechanism spoken.
pub const MECHANISM: &str = "SCRAM-SHA-256";
/// The same, bound to the TLS connection under it.
pub const MECHANISM_PLUS: &str = "SCRAM-SHA-256-PLUS";
/// PostgreSQL's default number of iterations.
pub const ITERATIONS_DEFAULT: u32 = 4096;
/// Bytes of a new salt, as PostgreSQL makes them.
const SALT_LEN: usize = 16;

/// What is stored of a password: enough to check it, not enough to know or to use it.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    /// Number of PBKDF2 iterations.
    pub iterations: u32,
    /// Salt.
    pub salt: Vec<u8>,
    /// `SHA256(ClientKey)`.
    pub stored_key: [u8; 32],
    /// `HMAC(SaltedPassword, "Server Key")`.
    pub server_key: [u8; 32],
}

/// Why there is no verifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifierError {
    /// The text is not in PostgreSQL's form.
    #[error("not a verifier of the form SCRAM-SHA-256$iterations:salt$stored key:server key")]
    Form,
    /// Zero iterations.
    #[error("the number of iterations is zero")]
    Iterations,
    /// The system gave no random bytes.
    #[error("the system gives no random bytes")]
    Random,
}

impl Verifier {
    /// Makes a verifier of a password (prepared by SASLprep) with a new random salt.
    ///
    /// # Errors
    /// No random bytes, or zero iterations.
    pub fn from_password(password: &str, iterations: u32) -> Result<Self, VerifierError> {
        let mut salt = vec![0; SALT_LEN];
        ring::rand::SystemRandom::new()
            .fill(&mut salt)
            .map_err(|_| VerifierError::Random)?;
        Self::with_salt(password, iterations, salt)
    }

    /// As [`Verifier::from_password`] with this salt.
    ///
    /// # Errors
    /// Zero iterations.
    pub fn with_salt(
        password: &str,
        iterations: u32,
        salt: Vec<u8>,
    ) -> Result<Self, VerifierError> {
        let rounds = usize::try_from(iterations).map_err(|_| VerifierError::Iterations)?;
        if rounds == 0 {
            return Err(VerifierError::Iterations);
        }
        let salted = pg::gen_salted_password(password, &salt, rounds);
        let client_key = hmac_sha256(&salted, b"Client Key");
        Ok(Self {
            iterations,
            salt,
            stored_key: sha256(&client_key),
            server_key: hmac_sha256(&salted, b"Server Key"),
        })
    }

    /// Reads PostgreSQL's form, as in `pg_authid.rolpassword`.
    ///
    /// # Errors
    /// [`VerifierError::Form`] or [`VerifierError::Iterations`].
    pub fn parse(text: &str) -> Result<Self, VerifierError> {
        fn key(text: &str) -> Option<[u8; 32]> {
            STANDARD.decode(text).ok()?.try_into().ok()
        }
        fn fields(text: &str) -> Option<Verifier> {
            let (mechanism, rest) = text.split_once('$')?;
            let (head, keys) = rest.split_once('$')?;
            let (iterations, salt) = head.split_once(':')?;
            let (stored_key, server_key) = keys.split_once(':')?;
            let digits = iterations.bytes().all(|byte| byte.is_ascii_digit());
            (mechanism == MECHANISM && digits).then_some(())?;
            Some(Verifier {
                iterations: iterations.parse().ok()?,
                salt: STANDARD.decode(salt).ok().filter(|salt| !salt.is_empty())?,
                stored_key: key(stored_key)?,
                server_key: key(server_key)?,
            })
        }
        let verifier = fields(text).ok_or(VerifierError::Form)?;
        if verifier.iterations == 0 {
            return Err(VerifierError::Iterations);
        }
        Ok(verifier)
    }

    /// What an unknown user is asked with: always the same for the same secret and name, of the
    /// form of a real one, and met by no password.
    #[must_use]
    pub fn for_unknown(secret: &[u8], user: &str) -> Self {
        let derive = |what: &str| hmac_sha256(secret, format!("{what}\0{user}").as_bytes());
        let mut salt = derive("salt").to_vec();
        salt.truncate(SALT_LEN);
        Self {
            iterations: ITERATIONS_DEFAULT,
            salt,
            stored_key: derive("stored key"),
            server_key: derive("server key"),
        }
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{MECHANISM}${}:{}${}:{}",
            self.iterations,
            STANDARD.encode(&self.salt),
            STANDARD.encode(self.stored_key),
            STANDARD.encode(self.server_key)
        )
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

impl FromStr for Verifier {
    type Err = VerifierError;

    fn from_str(text: &str) -> Result<Self, VerifierError> {
        Self::parse(text)
    }
}

/// Why an exchange failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    /// The peer's message is not one of SCRAM, or asks for what we do not speak.
    #[error("malformed SCRAM message")]
    Malformed,
    /// The proof is wrong.
    #[error("password does not match")]
    Password,
    /// The server could not prove that it knows the password.
    #[error("the server does not know the password it asked for")]
    Server,
}

fn refused(error: &PgWireError) -> ScramError {
    // Only the kind is kept: pgwire's texts repeat what the peer sent.
    if matches!(error, PgWireError::InvalidPassword(_)) {
        ScramError::Password
    } else {
        ScramError::Malformed
    }
}

/// The server's side after its first message.
pub(crate) struct Challenge {
    state: pg::ScramServerAuthWaitingForClientFinal,
}

/// What the server's side can be bound to: its certificate.
#[derive(Clone)]
pub struct Binding(pg::ScramServerAuth);

impl Binding {
    /// To the first certificate of this PEM text; `None` where its kind of signature has no hash.
    #[must_use]
    pub fn of(certificates: &[u8]) -> Option<Self> {
        let mut server = pg::ScramServerAuth::new();
        server.configure_certificate(certificates).ok()?;
        Some(Self(server))
    }
}

/// Takes the client's first message, gives the server's first. With a binding the client may choose
/// it (`bound`), and may not say that it was not offered.
pub(crate) fn challenge(
    client_first: &[u8],
    verifier: &Verifier,
    (binding, bound): (Option<&Binding>, bool),
) -> Result<(String, Challenge), ScramError> {
    if bound != client_first.starts_with(b"p=") {
        return Err(ScramError::Malformed);
    }
    let secret = pg::ScramSecret::Verifier {
        salt: verifier.salt.clone(),
        iterations: usize::try_from(verifier.iterations).map_err(|_| ScramError::Malformed)?,
        stored_key: verifier.stored_key.to_vec(),
        server_key: verifier.server_key.to_vec(),
    };
    let server = binding.map_or_else(pg::ScramServerAuth::new, |binding| binding.0.clone());
    let (server_first, state) = server
        .on_client_first_message_with_secret(client_first, secret)
        .map_err(|error| refused(&error))?;
    Ok((server_first, Challenge { state }))
}

impl Challenge {
    /// Takes the client's final message, gives the server's final if the proof is right.
    pub(crate) fn verify(&self, client_final: &[u8]) -> Result<String, ScramError> {
        self.state
            .on_client_final_message(client_final)
            .map_err(|error| refused(&error))
    }
}

/// The answer to PostgreSQL's MD5 password request, without the NUL of its message.
#[must_use]
pub fn md5_answer(user: &str, password: &str, salt: [u8; 4]) -> String {
    pgwire::api::auth::md5pass::hash_md5_password(user, password, &salt)
}

fn hmac_sha256(key: &[u8], data: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data);
    let mut out = [0; 32];
    out.copy_from_slice(tag.as_ref());
    out
}

fn sha256(data: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, data).as_ref());
    out
}
