//! What is demanded of the upstream's certificate, by `sslmode`.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use crate::{SslMode, UpstreamError};

/// `sslrootcert` for the system's roots.
const SYSTEM: &str = "system";

/// Whom we believe.
#[derive(Debug)]
enum Trust {
    /// Anyone: the line is encrypted, the peer is not known.
    Anyone,
    /// A server whose certificate comes from one of these roots, or is one of them.
    Roots {
        store: RootCertStore,
        given: Vec<CertificateDer<'static>>,
        /// Whether the certificate has to be for the host name.
        name: bool,
    },
}

/// Checks the certificate as far as `sslmode` says.
#[derive(Debug)]
struct Verifier {
    trust: Trust,
    algorithms: WebPkiSupportedAlgorithms,
}

/// The TLS side of our connections in this `sslmode`, with these roots.
pub(crate) fn client_config(
    mode: SslMode,
    root_cert: Option<&Path>,
) -> Result<ClientConfig, UpstreamError> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier {
        trust: trust(mode, root_cert)?,
        algorithms: provider.signature_verification_algorithms,
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(UpstreamError::TlsSetup)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![wire::tls::ALPN.to_vec()];
    Ok(config)
}

fn trust(mode: SslMode, root_cert: Option<&Path>) -> Result<Trust, UpstreamError> {
    let name = mode == SslMode::VerifyFull;
    match (mode, root_cert) {
        // As libpq: with a root certificate at hand, require is verify-ca.
        (SslMode::VerifyCa | SslMode::VerifyFull, None) => system_roots(name),
        (SslMode::VerifyCa | SslMode::VerifyFull | SslMode::Require, Some(path)) => {
            if path == Path::new(SYSTEM) {
                // A public authority signs for anyone: without the name it proves nothing.
                system_roots(true)
            } else {
                file_roots(path, name)
            }
        }
        (SslMode::Disable | SslMode::Allow | SslMode::Prefer, _) | (SslMode::Require, None) => {
            Ok(Trust::Anyone)
        }
    }
}

fn system_roots(name: bool) -> Result<Trust, UpstreamError> {
    let mut store = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "a system root certificate could not be read");
    }
    store.add_parsable_certificates(found.certs);
    if store.is_empty() {
        return Err(UpstreamError::NoRoots);
    }
    Ok(Trust::Roots {
        store,
        given: Vec::new(),
        name,
    })
}

fn file_roots(path: &Path, name: bool) -> Result<Trust, UpstreamError> {
    let unusable = |reason: String| UpstreamError::RootFile {
        path: path.to_owned(),
        reason,
    };
    let given = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(error.to_string()))?;
    if given.is_empty() {
        return Err(unusable("it holds no certificate".to_owned()));
    }
    let mut store = RootCertStore::empty();
    for certificate in &given {
        store
            .add(certificate.clone())
            .map_err(|error| unusable(error.to_string()))?;
    }
    Ok(Trust::Roots { store, given, name })
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Trust::Roots { store, given, name } = &self.trust else {
            return Ok(ServerCertVerified::assertion());
        };
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let chain = verify_server_cert_signed_by_trust_anchor(
            &certificate,
            store,
            intermediates,
            now,
            self.algorithms.all,
        );
        match chain {
            Ok(()) => {}
            // A self-signed server certificate that is itself the root given, as `openssl req
            // -x509` makes it: webpki will not take an authority's certificate for a server's,
            // libpq does. Its dates were checked before its kind.
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(_)))
                if given
                    .iter()
                    .any(|root| root.as_ref() == end_entity.as_ref()) => {}
            Err(error) => return Err(error),
        }
        if *name {
            verify_server_name(&certificate, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
