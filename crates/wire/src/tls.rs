//! TLS towards clients: certificate and key from files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use report::Report;
use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

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
            Self::Unusable { .. } => {
                "Give the private key that the first certificate of the file was made for: RSA, ECDSA P-256 or P-384, or Ed25519."
            }
        };
        Report::fatal("F0000", self.to_string()).hint(hint)
    }
}

/// The TLS side of the listener: TLS 1.2 and 1.3, no client certificates, ALPN `postgresql`.
///
/// # Errors
/// A file that cannot be read or used; the error names it.
pub fn server_config(
    cert_pem_path: &Path,
    key_pem_path: &Path,
) -> Result<Arc<ServerConfig>, TlsError> {
    let unreadable = |source| TlsError::Certificate {
        path: cert_pem_path.to_owned(),
        source,
    };
    let chain = CertificateDer::pem_file_iter(cert_pem_path)
        .map_err(unreadable)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable)?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate {
            path: cert_pem_path.to_owned(),
        });
    }
    let key = PrivateKeyDer::from_pem_file(key_pem_path).map_err(|source| TlsError::Key {
        path: key_pem_path.to_owned(),
        source,
    })?;
    let unusable = |source| TlsError::Unusable {
        certificate: cert_pem_path.to_owned(),
        key: key_pem_path.to_owned(),
        source,
    };
    let mut config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(unusable)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(config))
}
