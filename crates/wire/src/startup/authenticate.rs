//! The ways in: SASL with SCRAM-SHA-256, bound to the TLS connection where the client can, and
//! client certificates beside the password or instead of it.

use super::link::{Link, Stop};
use super::{StartupError, Verifiers};
use crate::encode;
use crate::frame::frontend::PASSWORD;
use crate::frame::{Malformed, Reader};
use crate::scram::{self, ScramError, Verifier};
use crate::tls::{ClientAuth, ServerTls};

const AUTHENTICATION_SASL: i32 = 10;
const AUTHENTICATION_SASL_CONTINUE: i32 = 11;
const AUTHENTICATION_SASL_FINAL: i32 = 12;

/// Whom a user name stands for.
struct Claim {
    identity: String,
    session: Option<String>,
    verifier: Verifier,
    known: bool,
}

/// The whole name first, then the part before its last `+`; else someone no password fits.
fn claim(verifiers: &dyn Verifiers, user: &str) -> Claim {
    if let Some(verifier) = verifiers.verifier(user) {
        return Claim {
            identity: user.to_owned(),
            session: None,
            verifier,
            known: true,
        };
    }
    let (identity, session) = match user.rsplit_once('+') {
        Some((identity, session)) => (identity, Some(session.to_owned())),
        None => (user, None),
    };
    let found = session.as_ref().and_then(|_| verifiers.verifier(identity));
    Claim {
        identity: identity.to_owned(),
        session,
        known: found.is_some(),
        // The fake is of the identity, as a real one is: else the same salt for two session
        // suffixes would tell that the identity is known.
        verifier: found.unwrap_or_else(|| verifiers.unknown(identity)),
    }
}

/// Checks the certificate where one is wanted, asks for the password and checks it; gives the identity and the session suffix of the name.
pub(super) async fn authenticate(
    link: &mut Link,
    verifiers: &dyn Verifiers,
    user: &str,
    tls: Option<&ServerTls>,
) -> Result<(String, Option<String>), Stop> {
    let binding = tls.and_then(|tls| tls.binding.as_ref());
    let certificates = tls.map_or(ClientAuth::Off, |tls| tls.client_auth);
    let claim = claim(verifiers, user);
    let failed = |error: ScramError| match error {
        ScramError::Malformed => StartupError::Scram,
        ScramError::Password | ScramError::Server => StartupError::Password {
            user: user.to_owned(),
        },
    };

    if certificates != ClientAuth::Off {
        let names = link.client_names()?.ok_or(StartupError::NoCertificate)?;
        let own = names.contains(&claim.identity);
        if certificates != ClientAuth::VerifyCa && !(own && claim.known) {
            return Err(StartupError::Certificate {
                user: user.to_owned(),
            }
            .into());
        }
        if certificates == ClientAuth::Cert {
            return Ok((claim.identity, claim.session));
        }
    }

    let mut offer = Vec::new();
    if binding.is_some() {
        offer.extend_from_slice(scram::MECHANISM_PLUS.as_bytes());
        offer.push(0);
    }
    offer.extend_from_slice(scram::MECHANISM.as_bytes());
    offer.extend_from_slice(&[0, 0]);
    request(link, AUTHENTICATION_SASL, &offer).await?;

    let body = link.message(PASSWORD).await?;
    let (first, bound) = client_first(&body)?;
    if bound && binding.is_none() {
        return Err(StartupError::Mechanism.into());
    }
    let (server_first, challenge) =
        scram::challenge(first, &claim.verifier, (binding, bound)).map_err(failed)?;
    request(link, AUTHENTICATION_SASL_CONTINUE, server_first.as_bytes()).await?;

    let body = link.message(PASSWORD).await?;
    let server_final = challenge.verify(&body).map_err(failed)?;
    if !claim.known {
        return Err(failed(ScramError::Password).into());
    }
    request(link, AUTHENTICATION_SASL_FINAL, server_final.as_bytes()).await?;
    Ok((claim.identity, claim.session))
}

async fn request(link: &mut Link, kind: i32, data: &[u8]) -> Result<(), Stop> {
    let mut out = Vec::new();
    encode::authentication(&mut out, kind, data);
    link.send(&out).await
}

/// The client's first SCRAM message out of a SASLInitialResponse, and whether it is to be bound to
/// the TLS connection.
fn client_first(body: &[u8]) -> Result<(&[u8], bool), StartupError> {
    let mut reader = Reader::new("SASLInitialResponse", body);
    let mechanism = reader.text()?;
    let bound = mechanism == scram::MECHANISM_PLUS.as_bytes();
    if !bound && mechanism != scram::MECHANISM.as_bytes() {
        return Err(StartupError::Mechanism);
    }
    let data = reader.value()?.ok_or(Malformed::Body {
        message: "SASLInitialResponse",
    })?;
    reader.end()?;
    Ok((data, bound))
}
