//! Everything that is not let in, and what it is told.

use super::peer::refused;
use super::*;
use crate::scram;

/// Sends this as the first bytes; gives code and message of the FATAL error that must follow.
async fn told(bytes: &[u8]) -> (String, String) {
    let (mut peer, server) = serve(acceptor()).await;
    peer.send(bytes).await;
    let error = peer.error().await;
    peer.ended().await;
    drop(peer);
    assert_eq!(error.get(&b'S').unwrap(), "FATAL");
    assert!(error.contains_key(&b'H'), "no hint: {error:?}");
    let report = refused(server).await.report();
    assert_eq!(&report.code, error.get(&b'C').unwrap());
    assert_eq!(&report.message, error.get(&b'M').unwrap());
    (report.code, report.message)
}

fn startup(parameters: &[u8]) -> Vec<u8> {
    let mut packet = vec![0, 0, 0, 0, 0, 3, 0, 0];
    packet.extend_from_slice(parameters);
    let length = u32::try_from(packet.len()).unwrap();
    packet[..4].copy_from_slice(&length.to_be_bytes());
    packet
}

/// PostgreSQL tells such a peer nothing: one that says goodbye before it began is no error.
#[tokio::test]
async fn packets_of_a_bad_length() {
    let lengths = [0_u32, 4, 7, 10_001, 0x8000_0000, u32::MAX];
    let mut packets: Vec<Vec<u8>> = lengths.map(|l| l.to_be_bytes().to_vec()).to_vec();
    packets.push(b"GET / HTTP/1.1\r\n\r\n".to_vec());
    packets.push(startup(&[b'x'; 20_000]));
    packets.push(b"X\0\0\0\x04".to_vec());
    for packet in packets {
        let (mut peer, server) = serve(acceptor()).await;
        peer.send(&packet).await;
        peer.ended().await;
        drop(peer);
        let report = refused(server).await.report();
        assert_eq!(
            (report.code.as_str(), report.message.as_str()),
            ("08P01", "invalid length of startup packet")
        );
    }
}

#[tokio::test]
async fn packets_of_a_bad_layout() {
    for parameters in [
        &b""[..],
        b"user\0agent\0",
        b"user\0agent",
        b"user\0",
        b"user\0agent\0\0\0",
        b"user\0agent\0\0x\0y\0\0",
    ] {
        let (code, message) = told(&startup(parameters)).await;
        assert_eq!(
            (code.as_str(), message.as_str()),
            ("08P01", "invalid startup packet layout")
        );
    }
    // An encryption request with something in it.
    told(&[0, 0, 0, 9, 4, 210, 22, 47, 0]).await;
    // A cancel request without a key, with a short one, with a long one.
    for len in [0, 3, 257] {
        let mut request = Vec::new();
        encode::cancel_request(&mut request, 1, &vec![1; len]);
        assert_eq!(told(&request).await.0, "08P01");
    }
}

#[tokio::test]
async fn parameters_that_are_refused() {
    let cases: [(&[u8], &str, &str); 12] = [
        (
            b"\0",
            "28000",
            "no PostgreSQL user name specified in startup packet",
        ),
        (
            b"database\0x\0\0",
            "28000",
            "no PostgreSQL user name specified in startup packet",
        ),
        (
            b"user\0\0\0",
            "28000",
            "no PostgreSQL user name specified in startup packet",
        ),
        (
            b"user\0a\0user\0b\0\0",
            "08P01",
            "startup parameter \"user\" is given more than once",
        ),
        (
            b"user\0a\0_pq_.x\0on\0_pq_.x\0off\0\0",
            "08P01",
            "startup parameter \"_pq_.x\" is given more than once",
        ),
        (
            b"user\0a\xff\0\0",
            "08P01",
            "startup parameters are not valid UTF-8",
        ),
        (
            b"user\0a\0\xff\0b\0\0",
            "08P01",
            "startup parameters are not valid UTF-8",
        ),
        (
            b"user\0a\0replication\0true\0\0",
            "0A000",
            "replication connections are not supported",
        ),
        (
            b"user\0a\0replication\0database\0\0",
            "0A000",
            "replication connections are not supported",
        ),
        (
            b"user\0a\0replication\0\0\0",
            "0A000",
            "replication connections are not supported",
        ),
        (
            b"user\0a\0options\0-c a.b\0\0",
            "42601",
            "-c a.b requires a value",
        ),
        (
            b"user\0a\0options\0-d 5\0\0",
            "42601",
            "invalid command-line argument for server process: -d",
        ),
    ];
    for (parameters, code, message) in cases {
        assert_eq!(
            told(&startup(parameters)).await,
            (code.to_owned(), message.to_owned())
        );
    }
}

#[tokio::test]
async fn other_protocols() {
    for (version, shown) in [
        ([0, 2, 0, 0], "2.0"),
        ([0, 4, 0, 1], "4.1"),
        ([4, 210, 22, 40], "1234.5672"),
    ] {
        let (code, message) = told(&[&[0, 0, 0, 8][..], &version].concat()).await;
        assert_eq!(code, "0A000");
        assert!(message.contains(shown), "{message}");
    }
}

#[tokio::test]
async fn a_second_encryption_request() {
    for code in [SSL_REQUEST, GSSENC_REQUEST] {
        let (mut peer, server) = serve(acceptor()).await;
        peer.request(code).await;
        assert_eq!(peer.byte().await, b'N');
        peer.request(code).await;
        assert_eq!(peer.error().await.get(&b'C').unwrap(), "08P01");
        drop(peer);
        assert!(matches!(refused(server).await, StartupError::Repeated(_)));
    }
}

#[tokio::test]
async fn what_is_stuffed_behind_an_encryption_request() {
    for code in [SSL_REQUEST, GSSENC_REQUEST] {
        let mut bytes = vec![0, 0, 0, 8];
        bytes.extend_from_slice(&code.to_be_bytes());
        bytes.extend_from_slice(&startup(b"user\0mallory\0\0"));
        let (code, message) = told(&bytes).await;
        assert_eq!(code, "08P01");
        assert!(
            message.starts_with("received unencrypted data after"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_look_the_same() {
    let mut answers = Vec::new();
    for user in ["agent", "nobody", "agent+s", "nobody+s", "+", "a\"b"] {
        let (mut peer, server) = serve(acceptor()).await;
        peer.startup(0, &[("user", user)]).await;
        let mut error = peer.scram("wrong", b"").await.unwrap_err();
        peer.ended().await;
        drop(peer);
        let message = error.remove(&b'M').unwrap();
        assert_eq!(
            message,
            format!("password authentication failed for user \"{user}\"")
        );
        assert_eq!(error.get(&b'C').unwrap(), "28P01");
        assert!(matches!(
            refused(server).await,
            StartupError::Password { .. }
        ));
        answers.push(error);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");

    // Nor do the challenges tell: same shape, same salt every time, also over session suffixes.
    let mut salts = Vec::new();
    for user in ["agent", "agent+x", "nobody", "nobody", "nobody+x"] {
        let (mut peer, _server) = serve(acceptor()).await;
        peer.startup(0, &[("user", user)]).await;
        let first = String::from_utf8(peer.challenge("n,,n=,r=abc").await).unwrap();
        let (nonce, rest) = first.split_once(',').unwrap();
        assert_eq!(nonce.len(), "r=abc".len() + 24);
        assert!(rest.ends_with(",i=4096"));
        salts.push(rest.to_owned());
    }
    assert_eq!(salts[0].len(), salts[2].len());
    assert_eq!((&salts[0], &salts[2]), (&salts[1], &salts[3]));
    assert_eq!(salts[3], salts[4]);
}

#[tokio::test]
async fn messages_that_are_no_answer_to_the_password_request() {
    let sasl = |mechanism: &str, data: &[u8]| {
        let mut out = Vec::new();
        encode::sasl_initial_response(&mut out, mechanism, data);
        out
    };
    let mut cut = sasl(scram::MECHANISM, b"n,,n=,r=abc");
    cut[4] -= 1;
    let cases = [
        (b"p\0\0\0\x03".to_vec(), "invalid message length 3"),
        (
            b"p\0\0\0\x04".to_vec(),
            "invalid message format: SASLInitialResponse",
        ),
        (
            b"p\0\0\x40\x00".to_vec(),
            "message of 16380 bytes is too long",
        ),
        (
            b"p\x3f\xff\xff\xff".to_vec(),
            "message of 1073741819 bytes is too long",
        ),
        (b"Q\0\0\0\x0dselect 1\0".to_vec(), "invalid message type 81"),
        (
            b"p\0\0\0\x0bsecret\0".to_vec(),
            "client selected an invalid SASL authentication mechanism",
        ),
        (
            sasl("SCRAM-SHA-256-PLUS", b"p=tls-server-end-point,,n=,r=abc"),
            "client selected an invalid SASL authentication mechanism",
        ),
        (
            b"p\0\0\0\x16SCRAM-SHA-256\0\xff\xff\xff\xff".to_vec(),
            "invalid message format: SASLInitialResponse",
        ),
        (cut, "invalid message format: SASLInitialResponse"),
        (sasl(scram::MECHANISM, b""), "malformed SCRAM message"),
        (
            sasl(scram::MECHANISM, b"y,,n=,q=abc"),
            "malformed SCRAM message",
        ),
    ];
    for (bytes, message) in cases {
        let (mut peer, server) = serve(acceptor()).await;
        peer.startup(0, &[("user", "agent")]).await;
        peer.message().await;
        peer.send(&bytes).await;
        let error = peer.error().await;
        assert_eq!(error.get(&b'M').unwrap(), message);
        assert_eq!(error.get(&b'C').unwrap(), "08P01");
        drop(peer);
        refused(server).await;
    }
}

#[tokio::test]
async fn a_client_that_dawdles() {
    let impatient = || Acceptor {
        timeout: Duration::from_millis(50),
        ..acceptor()
    };
    // Nothing, half a packet, and all but the password.
    let packets = [&b""[..], b"\0\0\0\x10\0\x03", &startup(b"user\0agent\0\0")];
    for said in packets {
        let (mut peer, server) = serve(impatient()).await;
        peer.send(said).await;
        let mut message = peer.message().await;
        if message.0 == b'R' {
            message = peer.message().await;
        }
        assert_eq!(message.0, b'E');
        peer.ended().await;
        drop(peer);
        assert!(matches!(refused(server).await, StartupError::Timeout));
    }
}
