//! TLS towards clients: certificate and key from files, and what certificates say.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use report::Report;
use ring::digest;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::scram::Binding;

/// The protocol name clients give in ALPN.
pub const ALPN: &[u8] = b"postgresql";

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate file cannot be read.
    #[error("could not read the TLS certificate file {path:?}: {source}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// The certificate file has no certificate in it.
    #[error("the TLS certificate file {path:?} holds no certificate")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The key file cannot be read or has no key in it.
    #[error("could not read the TLS key file {path:?}: {source}")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// The file of authorities for client certificates cannot be used.
    #[error("the file of authorities {path:?} cannot be used: {reason}")]
    Authority {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Certificate and key do not fit, or are of a kind that is not supported.
    #[error("the TLS certificate {certificate:?} cannot be used with the key {key:?}: {source}")]
    Unusable {
        /// The certificate file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
        /// What rustls says.
        source: rustls::Error,
    },
}

impl TlsError {
    /// FATAL F0000 (config_file_error), with what to do.
    #[must_use]
    pub fn report(&self) -> Report {
        let hint = match self {
            Self::Certificate { .. } | Self::NoCertificate { .. } => {
                "Give a PEM file that pgdraft may read, the server's certificate first, then the intermediate ones."
            }
            Self::Key { .. } => {
                "Give a PEM file that pgdraft may read, with one private key (PKCS#8, PKCS#1 or SEC1) and no passphrase."
            }
            Self::Authority { .. } => {
                "Give a PEM file with the certificates of the authorities that sign client certificates."
            }
            Self::Unusable { .. } => {
                "Give the private key that the first certificate of the file was made for: RSA, ECDSA P-256 or P-384, or Ed25519."
            }
        };
        Report::fatal("F0000", self.to_string()).hint(hint)
    }
}

/// What client certificates are good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAuth {
    /// None is asked for.
    #[default]
    Off,
    /// One of a trusted authority is demanded, beside the password.
    VerifyCa,
    /// It has to be the user's, too.
    VerifyFull,
    /// The user's certificate stands for the password.
    Cert,
}

/// The TLS side of the listener.
#[derive(Clone)]
pub struct ServerTls {
    /// TLS itself.
    pub config: Arc<ServerConfig>,
    /// What passwords are bound to; `None` where the certificate has no end-point hash.
    pub binding: Option<Binding>,
    /// What is demanded of clients.
    pub client_auth: ClientAuth,
}

/// The TLS side of the listener: TLS 1.2 and 1.3, ALPN `postgresql`; with an authority's file, client
/// certificates of that authority.
///
/// # Errors
/// A file that cannot be read or used; the error names it.
pub fn server_config(
    cert_pem_path: &Path,
    key_pem_path: &Path,
    clients: Option<(&Path, ClientAuth)>,
) -> Result<ServerTls, TlsError> {
    let chain = certificates(cert_pem_path)?;
    let key = PrivateKeyDer::from_pem_file(key_pem_path).map_err(|source| TlsError::Key {
        path: key_pem_path.to_owned(),
        source,
    })?;
    let unusable = |source| TlsError::Unusable {
        certificate: cert_pem_path.to_owned(),
        key: key_pem_path.to_owned(),
        source,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let builder = match clients {
        Some((authorities, _)) => {
            builder.with_client_cert_verifier(verifier(authorities, provider)?)
        }
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key).map_err(unusable)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    let text = std::fs::read(cert_pem_path).unwrap_or_default();
    Ok(ServerTls {
        config: Arc::new(config),
        binding: Binding::of(&text),
        client_auth: clients.map_or(ClientAuth::Off, |(_, auth)| auth),
    })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |source| TlsError::Certificate {
        path: path.to_owned(),
        source,
    };
    let chain = CertificateDer::pem_file_iter(path)
        .map_err(unreadable)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable)?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate {
            path: path.to_owned(),
        });
    }
    Ok(chain)
}

/// Takes certificates of these authorities. One without any is let through here, to be told in words
/// after its startup packet.
fn verifier(
    authorities: &Path,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let unusable = |reason: String| TlsError::Authority {
        path: authorities.to_owned(),
        reason,
    };
    let mut roots = RootCertStore::empty();
    for authority in certificates(authorities)? {
        roots.add(authority).map_err(|e| unusable(e.to_string()))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .allow_unauthenticated()
        .build()
        .map_err(|e| unusable(e.to_string()))
}

/// The hash of a certificate that a password is bound to (`tls-server-end-point`, RFC 5929): by the
/// hash of its signature, SHA-256 instead of MD5 and SHA-1. `None` for a signature without one.
#[must_use]
pub fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let parsed = Certificate::from_der(certificate).ok()?;
    let algorithm = match parsed.signature_algorithm.oid.to_string().as_str() {
        // md5, sha1 and sha256 with RSA; SHA-1 and SHA-256 with ECDSA
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.1"
        | "1.2.840.10045.4.3.2" => &digest::SHA256,
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => &digest::SHA384,
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => &digest::SHA512,
        _ => return None,
    };
    Some(digest::digest(algorithm, certificate).as_ref().to_vec())
}

/// The names in a certificate: its common names, and its alternative names that are host names, mail
/// addresses or URIs.
pub(crate) fn names(certificate: &[u8]) -> Option<Vec<String>> {
    const COMMON_NAME: &str = "2.5.4.3";
    let parsed = Certificate::from_der(certificate).ok()?.tbs_certificate;
    let parts = parsed.subject.0.iter().flat_map(|part| part.0.iter());
    let mut names: Vec<String> = parts
        .filter(|part| part.oid.to_string() == COMMON_NAME)
        .filter_map(|part| String::from_utf8(part.value.value().to_vec()).ok())
        .collect();
    if let Some((_, alternatives)) = parsed.get::<SubjectAltName>().ok()? {
        names.extend(alternatives.0.iter().filter_map(|name| match name {
            GeneralName::DnsName(text) => Some(text.to_string()),
            GeneralName::Rfc822Name(text) => Some(text.to_string()),
            GeneralName::UniformResourceIdentifier(text) => Some(text.to_string()),
            _ => None,
        }));
    }
    Some(names)
}
