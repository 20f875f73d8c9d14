//! SASL with SCRAM-SHA-256, the one way in.

use super::link::{Link, Stop};
use super::{StartupError, Verifiers};
use crate::encode;
use crate::frame::frontend::PASSWORD;
use crate::frame::{Malformed, Reader};
use crate::scram::{self, ScramError, Verifier};

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

/// Asks for the password and checks it; gives the identity and the session suffix of the name.
pub(super) async fn authenticate(
    link: &mut Link,
    verifiers: &dyn Verifiers,
    user: &str,
) -> Result<(String, Option<String>), Stop> {
    let claim = claim(verifiers, user);
    let failed = |error: ScramError| match error {
        ScramError::Malformed => StartupError::Scram,
        ScramError::Password | ScramError::Server => StartupError::Password {
            user: user.to_owned(),
        },
    };

    let mut offer = scram::MECHANISM.as_bytes().to_vec();
    offer.extend_from_slice(&[0, 0]);
    request(link, AUTHENTICATION_SASL, &offer).await?;

    let body = link.message(PASSWORD).await?;
    let (server_first, challenge) =
        scram::challenge(client_first(&body)?, &claim.verifier).map_err(failed)?;
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

/// The client's first SCRAM message out of a SASLInitialResponse.
fn client_first(body: &[u8]) -> Result<&[u8], StartupError> {
    let mut reader = Reader::new("SASLInitialResponse", body);
    if reader.text()? != scram::MECHANISM.as_bytes() {
        return Err(StartupError::Mechanism);
    }
    let data = reader.value()?.ok_or(Malformed::Body {
        message: "SASLInitialResponse",
    })?;
    reader.end()?;
    Ok(data)
}
