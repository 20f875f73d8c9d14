//! The handshake under TLS, with a certificate made for the test.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::peer::refused;
use super::*;
use crate::tls::{TlsError, server_config};

/// A folder with a certificate for `localhost` and its key; removed when dropped.
struct Files(PathBuf);

impl Files {
    fn make() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("pgdraft-wire-{}-{number}", std::process::id());
        let files = Self(std::env::temp_dir().join(name));
        std::fs::create_dir_all(&files.0).unwrap();
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"])
            .args([
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-subj",
                "/CN=localhost",
            ])
            .args(["-addext", "subjectAltName=DNS:localhost"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(files.key())
            .arg("-out")
            .arg(files.certificate())
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        files
    }

    fn certificate(&self) -> PathBuf {
        self.0.join("server.crt")
    }

    fn key(&self) -> PathBuf {
        self.0.join("server.key")
    }

    fn acceptor(&self) -> Acceptor {
        Acceptor {
            tls: Some(server_config(&self.certificate(), &self.key(), None).unwrap()),
            ..acceptor()
        }
    }

    async fn connect(
        &self,
        socket: TcpStream,
        alpn: &[&[u8]],
    ) -> std::io::Result<Peer<TlsStream<TcpStream>>> {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_file(self.certificate()).unwrap();
        roots.add(certificate).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, socket).await.map(Peer)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn a_client_comes_in_under_tls() {
    let files = Files::make();
    for gss_first in [false, true] {
        let acceptor = Acceptor {
            tls_required: true,
            ..files.acceptor()
        };
        let (mut peer, server) = serve(acceptor).await;
        if gss_first {
            peer.request(GSSENC_REQUEST).await;
            assert_eq!(peer.byte().await, b'N');
        }
        peer.request(SSL_REQUEST).await;
        assert_eq!(peer.byte().await, b'S');
        let mut peer = files.connect(peer.0, &[]).await.unwrap();
        peer.startup(2, &[("user", "agent")]).await;
        peer.scram("right", b"").await.unwrap();
        let mut client = arrive(server).await;
        assert!(client.tls);
        assert_eq!(client.stream.socket().peer_addr().unwrap(), client.peer);
        welcome(&mut client, b"").await.unwrap();
        assert_eq!(peer.message().await, (b'R', vec![0; 4]));
    }
}

#[tokio::test]
async fn direct_tls_needs_alpn() {
    let files = Files::make();
    let (peer, server) = serve(files.acceptor()).await;
    let mut peer = files.connect(peer.0, &[b"postgresql"]).await.unwrap();
    peer.startup(0, &[("user", "agent")]).await;
    peer.scram("right", b"").await.unwrap();
    assert!(arrive(server).await.tls);

    let (peer, server) = serve(files.acceptor()).await;
    if let Ok(mut peer) = files.connect(peer.0, &[]).await {
        peer.ended().await;
    }
    assert!(matches!(refused(server).await, StartupError::Alpn));

    let (peer, server) = serve(files.acceptor()).await;
    assert!(files.connect(peer.0, &[b"h2"]).await.is_err());
    assert!(matches!(refused(server).await, StartupError::Tls(_)));

    let (peer, server) = serve(acceptor()).await;
    assert!(files.connect(peer.0, &[b"postgresql"]).await.is_err());
    assert!(matches!(refused(server).await, StartupError::DirectTls));
}

#[tokio::test]
async fn plaintext_is_refused_where_tls_is_required() {
    let files = Files::make();
    let acceptor = Acceptor {
        tls_required: true,
        ..files.acceptor()
    };
    let (mut peer, server) = serve(acceptor).await;
    peer.startup(0, &[("user", "agent")]).await;
    assert_eq!(peer.error().await.get(&b'C').unwrap(), "28000");
    drop(peer);
    assert!(matches!(refused(server).await, StartupError::TlsRequired));
}

#[tokio::test]
async fn plaintext_is_never_taken_for_tls() {
    let files = Files::make();
    let mut stuffing = Vec::new();
    encode::startup(&mut stuffing, 0, [("user", "mallory")]);

    // In one packet with the request: refused before TLS begins.
    let (mut peer, server) = serve(files.acceptor()).await;
    let mut request = Vec::new();
    encode::ssl_request(&mut request);
    peer.send(&[request.as_slice(), &stuffing].concat()).await;
    assert_eq!(peer.error().await.get(&b'C').unwrap(), "08P01");
    drop(peer);
    assert!(matches!(refused(server).await, StartupError::Plaintext(_)));

    // After the answer: it is no TLS, and the handshake fails.
    let (mut peer, server) = serve(files.acceptor()).await;
    peer.send(&request).await;
    assert_eq!(peer.byte().await, b'S');
    peer.send(&stuffing).await;
    assert!(matches!(refused(server).await, StartupError::Tls(_)));

    // And under TLS, no second request for encryption.
    for code in [SSL_REQUEST, GSSENC_REQUEST] {
        let (mut peer, server) = serve(files.acceptor()).await;
        peer.send(&request).await;
        assert_eq!(peer.byte().await, b'S');
        let mut peer = files.connect(peer.0, &[]).await.unwrap();
        peer.request(code).await;
        assert_eq!(peer.error().await.get(&b'C').unwrap(), "08P01");
        drop(peer);
        assert!(matches!(refused(server).await, StartupError::Repeated(_)));
    }
}

#[test]
fn errors_name_the_file() {
    let files = Files::make();
    let (certificate, key) = (files.certificate(), files.key());
    let missing = files.0.join("missing.pem");
    let empty = files.0.join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let other = Files::make();

    let error = server_config(&missing, &key, None).map(drop).unwrap_err();
    assert!(matches!(error, TlsError::Certificate { .. }), "{error}");
    assert!(error.report().message.contains("missing.pem"));
    let error = server_config(&empty, &key, None).map(drop).unwrap_err();
    assert!(matches!(error, TlsError::NoCertificate { .. }), "{error}");
    for file in [&missing, &empty, &certificate] {
        let error = server_config(&certificate, file, None)
            .map(drop)
            .unwrap_err();
        assert!(matches!(error, TlsError::Key { .. }), "{error}");
    }
    let error = server_config(&certificate, &other.key(), None)
        .map(drop)
        .unwrap_err();
    assert!(matches!(error, TlsError::Unusable { .. }), "{error}");
    assert!(error.report().hint.is_some());
}
