//! The handshake over a real socket, against a client written by hand.

mod peer;
mod refusals;
mod tls;

use super::*;
use crate::frame::backend;
use peer::{Peer, acceptor, arrive, serve};

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[tokio::test]
async fn a_client_comes_in_and_is_welcomed() {
    let (mut peer, server) = serve(acceptor()).await;
    peer.startup(
        0,
        &[
            ("user", "agent"),
            ("database", "shop"),
            ("options", r"-c pgdraft.session=s1 --search-path=a\ b"),
            ("application_name", "ä"),
            ("replication", "off"),
            ("client_encoding", ""),
        ],
    )
    .await;
    peer.scram("right", b"Q\0\0\0\x06;\0").await.unwrap();
    let mut client = arrive(server).await;
    assert_eq!(
        (client.user.as_str(), client.identity.as_str()),
        ("agent", "agent")
    );
    assert_eq!(client.user_session, None);
    assert_eq!(
        client.parameters,
        pairs(&[
            ("database", "shop"),
            ("application_name", "ä"),
            ("client_encoding", "")
        ])
    );
    assert_eq!(
        client.options,
        pairs(&[("pgdraft.session", "s1"), ("search_path", "a b")])
    );
    assert_eq!((client.protocol_minor, client.tls), (0, false));
    assert_eq!(&client.early[..], b"Q\0\0\0\x06;\0");

    welcome(&mut client, b"Z\0\0\0\x05I").await.unwrap();
    assert_eq!(peer.message().await, (b'R', vec![0; 4]));
    assert_eq!(peer.message().await, (b'Z', b"I".to_vec()));
}

#[tokio::test]
async fn a_client_can_be_refused_after_its_password() {
    let (mut peer, server) = serve(acceptor()).await;
    peer.startup(0, &[("user", "agent")]).await;
    peer.scram("right", b"").await.unwrap();
    let mut client = arrive(server).await;
    let down = Report::error("08001", "the upstream is down").hint("Start it.");
    let told = tokio::spawn(async move { refuse(&mut client, &down).await });
    let error = peer.error().await;
    assert_eq!(error.get(&b'S').unwrap(), "FATAL");
    assert_eq!(error.get(&b'C').unwrap(), "08001");
    peer.ended().await;
    drop(peer);
    told.await.unwrap();
}

#[tokio::test]
async fn the_user_name_may_carry_a_session() {
    for (user, identity, session) in [
        ("agent+s1", "agent", Some("s1")),
        ("agent+", "agent", Some("")),
        ("a+b", "a+b", None),
        ("a+b+s 1", "a+b", Some("s 1")),
    ] {
        let (mut peer, server) = serve(acceptor()).await;
        peer.startup(0, &[("user", user)]).await;
        peer.scram("right", b"").await.unwrap();
        let client = arrive(server).await;
        assert_eq!(client.user, user);
        assert_eq!(client.identity, identity);
        assert_eq!(client.user_session.as_deref(), session);
    }
}

#[tokio::test]
async fn the_version_is_negotiated_with_every_option_listed() {
    let cases: [(u16, &[&str], Option<u16>, u16); 6] = [
        (0, &[], None, 0),
        (2, &[], None, 2),
        (1, &[], Some(0), 0),
        (3, &[], Some(2), 2),
        (
            9999,
            &["_pq_.test_protocol_negotiation", "_pq_.b"],
            Some(2),
            2,
        ),
        (0, &["_pq_.x"], Some(0), 0),
    ];
    for (asked, options, answered, spoken) in cases {
        let (mut peer, server) = serve(acceptor()).await;
        let mut parameters = vec![("user", "agent")];
        parameters.extend(options.iter().map(|option| (*option, "on")));
        peer.startup(asked, &parameters).await;
        if let Some(minor) = answered {
            let (tag, body) = peer.message().await;
            assert_eq!(tag, backend::NEGOTIATE_PROTOCOL_VERSION);
            let mut expected = Vec::new();
            let options: Vec<String> = options.iter().map(ToString::to_string).collect();
            encode::negotiate_protocol_version(&mut expected, minor, &options);
            assert_eq!(body, expected[5..]);
        }
        peer.scram("right", b"").await.unwrap();
        let client = arrive(server).await;
        assert_eq!(client.protocol_minor, spoken);
        assert!(client.parameters.is_empty());
    }
}

#[tokio::test]
async fn encryption_is_declined_in_either_order_once_each() {
    for order in [[SSL_REQUEST, GSSENC_REQUEST], [GSSENC_REQUEST, SSL_REQUEST]] {
        let (mut peer, server) = serve(acceptor()).await;
        for code in order {
            peer.request(code).await;
            assert_eq!(peer.byte().await, b'N');
        }
        peer.startup(0, &[("user", "agent")]).await;
        peer.scram("right", b"").await.unwrap();
        assert!(!arrive(server).await.tls);
    }
}

#[tokio::test]
async fn a_cancel_request_is_taken_with_short_and_long_keys_and_not_answered() {
    for key in [vec![7; 4], vec![9; 32], vec![1; 256]] {
        for ssl_first in [false, true] {
            let (mut peer, server) = serve(acceptor()).await;
            if ssl_first {
                peer.request(SSL_REQUEST).await;
                assert_eq!(peer.byte().await, b'N');
            }
            let mut request = Vec::new();
            encode::cancel_request(&mut request, -5, &key);
            peer.send(&request).await;
            match server.await.unwrap().unwrap() {
                Some(Arrival::Cancel {
                    pid: -5, key: sent, ..
                }) => assert_eq!(sent, key),
                _ => panic!("no cancel"),
            }
            peer.ended().await;
        }
    }
}

#[tokio::test]
async fn who_goes_away_without_a_word_is_no_error() {
    for said in [&b""[..], b"\0", b"\0\0\0\x20\0\x03\0\0user\0"] {
        let (mut peer, server) = serve(acceptor()).await;
        peer.send(said).await;
        drop(peer);
        assert!(matches!(server.await.unwrap(), Ok(None)));
    }
    // Nor one that looks at the offer and leaves, with or without a word.
    for farewell in [&b""[..], b"X\0\0\0\x04"] {
        let (mut peer, server) = serve(acceptor()).await;
        peer.startup(0, &[("user", "agent")]).await;
        peer.message().await;
        peer.send(farewell).await;
        drop(peer);
        assert!(matches!(server.await.unwrap(), Ok(None)));
    }
}

#[test]
fn random_packets_never_panic() {
    let mut state = 1_u64;
    let mut random = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33).to_le_bytes()[0]
    };
    for round in 0..100_000 {
        let mut body = match round % 4 {
            0 => vec![0, 3, 0, 0],
            1 => CANCEL_REQUEST.to_be_bytes().to_vec(),
            2 => SSL_REQUEST.to_be_bytes().to_vec(),
            _ => Vec::new(),
        };
        for _ in 0..random() % 24 {
            body.push(b"\0\0\0au-c= \\\xc3\xa4"[usize::from(random()) % 12]);
        }
        if let Ok(Packet::Startup(startup)) = Packet::parse(&body) {
            let _ = startup.accept();
        }
    }
}
