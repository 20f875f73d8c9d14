//! A client written by hand, which can say anything.

use std::collections::BTreeMap;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;
use crate::scram;

pub(super) type Outcome = Result<Option<Arrival>, StartupError>;

/// `agent` and `a+b`, both with the password `right`.
struct Known;

impl Verifiers for Known {
    fn verifier(&self, user: &str) -> Option<Verifier> {
        let known = matches!(user, "agent" | "a+b");
        known.then(|| Verifier::with_salt("right", 4096, vec![5; 16]).unwrap())
    }
}

pub(super) fn acceptor() -> Acceptor {
    Acceptor {
        tls: None,
        tls_required: false,
        verifiers: Arc::new(Known),
        timeout: TIMEOUT_DEFAULT,
    }
}

/// A listener that takes in one connection, and that connection.
pub(super) async fn serve(acceptor: Acceptor) -> (Peer<TcpStream>, JoinHandle<Outcome>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        accept(socket, &acceptor).await
    });
    (Peer(TcpStream::connect(address).await.unwrap()), server)
}

/// The client that came in.
pub(super) async fn arrive(server: JoinHandle<Outcome>) -> Box<Client> {
    match server.await.unwrap().unwrap() {
        Some(Arrival::Client(client)) => client,
        _ => panic!("no client arrived"),
    }
}

/// Why no client came in.
pub(super) async fn refused(server: JoinHandle<Outcome>) -> StartupError {
    match server.await.unwrap() {
        Err(error) => error,
        Ok(_) => panic!("not refused"),
    }
}

pub(super) struct Peer<S>(pub(super) S);

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
        self.0.flush().await.unwrap();
    }

    pub(super) async fn request(&mut self, code: u32) {
        self.packet(&code.to_be_bytes()).await;
    }

    pub(super) async fn packet(&mut self, body: &[u8]) {
        let length = u32::try_from(body.len() + 4).unwrap();
        self.send(&[&length.to_be_bytes(), body].concat()).await;
    }

    pub(super) async fn startup(&mut self, minor: u16, parameters: &[(&str, &str)]) {
        let mut out = Vec::new();
        encode::startup(&mut out, minor, parameters.iter().copied());
        self.send(&out).await;
    }

    pub(super) async fn byte(&mut self) -> u8 {
        self.0.read_u8().await.unwrap()
    }

    pub(super) async fn message(&mut self) -> (u8, Vec<u8>) {
        let tag = self.0.read_u8().await.unwrap();
        let length = self.0.read_u32().await.unwrap();
        let mut body = vec![0; usize::try_from(length).unwrap() - 4];
        self.0.read_exact(&mut body).await.unwrap();
        (tag, body)
    }

    /// The fields of the ErrorResponse that has to come now.
    pub(super) async fn error(&mut self) -> BTreeMap<u8, String> {
        let (tag, body) = self.message().await;
        assert_eq!(tag, backend::ERROR_RESPONSE);
        error_of(&body)
    }

    /// Demands that the server says nothing more.
    pub(super) async fn ended(&mut self) {
        let mut rest = Vec::new();
        // A reset is an end, too.
        let _ = self.0.read_to_end(&mut rest).await;
        assert_eq!(rest, b"");
    }

    /// The AuthenticationSASLContinue in answer to a client's first message.
    pub(super) async fn challenge(&mut self, first: &str) -> Vec<u8> {
        let (tag, offer) = self.message().await;
        assert!(tag == b'R' && offer.starts_with(b"\0\0\0\x0aSCRAM-SHA-256"));
        assert!(offer.ends_with(b"\0SCRAM-SHA-256\0\0") || offer.len() == 19);
        let mut out = Vec::new();
        encode::sasl_initial_response(&mut out, scram::MECHANISM, first.as_bytes());
        self.send(&out).await;
        let (tag, body) = self.message().await;
        assert_eq!((tag, &body[..4]), (b'R', &[0, 0, 0, 11][..]));
        body[4..].to_vec()
    }

    /// Logs in, with `more` sent right behind the proof; or the fields of the refusal.
    pub(super) async fn scram(
        &mut self,
        password: &str,
        more: &[u8],
    ) -> Result<(), BTreeMap<u8, String>> {
        let (client, first) = scram::Client::begin(password, scram::Channel::Unbound).unwrap();
        let server_first = self.challenge(&first).await;
        let (proven, answer) = client.prove(&server_first).unwrap();
        let mut out = Vec::new();
        encode::password(&mut out, answer.as_bytes(), false);
        out.extend_from_slice(more);
        self.send(&out).await;
        match self.message().await {
            (b'R', body) => {
                assert_eq!(body[..4], [0, 0, 0, 12]);
                proven.check(&body[4..]).unwrap();
                Ok(())
            }
            (b'E', body) => Err(error_of(&body)),
            other => panic!("{other:?}"),
        }
    }
}

fn error_of(body: &[u8]) -> BTreeMap<u8, String> {
    backend::error_fields(body)
        .unwrap()
        .into_iter()
        .map(|(code, text)| (code, String::from_utf8(text).unwrap()))
        .collect()
}
