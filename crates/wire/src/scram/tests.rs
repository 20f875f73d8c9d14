//! Verifiers in PostgreSQL's form, and the exchange between our own two sides.

use super::*;

/// Made by PostgreSQL 15 for the password `pencil`, as in its `pg_authid`.
const POSTGRESQL: &str = "SCRAM-SHA-256$4096:LgFEzdhhtNGikh+CkB0yvw==$\
    6Cx6S+aYHh7mJy6015Vr/fJk/mqCihybhpWi111QSq8=:9HHUqHjfRdCZDpMuDDJ+n0+PJGa2QQjkoRjFJHeH2JY=";
/// The example of RFC 7677, password `pencil`.
const STORED: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$\
    WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

fn exchange(password: &str, verifier: &Verifier) -> Result<(), ScramError> {
    let (client, first) = Client::begin(password, Channel::Unbound)?;
    let (server_first, challenge) = challenge(first.as_bytes(), verifier, (None, false))?;
    let (proven, client_final) = client.prove(server_first.as_bytes())?;
    let server_final = challenge.verify(client_final.as_bytes())?;
    proven.check(server_final.as_bytes())
}

#[test]
fn a_password_gives_the_keys_of_postgresql_and_of_rfc_7677() {
    for stored in [POSTGRESQL, STORED] {
        let read = Verifier::parse(stored).unwrap();
        assert_eq!(read.to_string(), stored);
        assert_eq!(stored.parse(), Ok(read.clone()));
        let made = Verifier::with_salt("pencil", 4096, read.salt.clone()).unwrap();
        assert_eq!(made, read);
    }
}

#[test]
fn a_new_verifier_takes_its_password_only() {
    let verifier = Verifier::from_password("hemlig lösen", 4096).unwrap();
    assert_eq!(verifier.salt.len(), 16);
    let again = Verifier::parse(&verifier.to_string()).unwrap();
    assert_eq!(again, verifier);
    assert_eq!(exchange("hemlig lösen", &again), Ok(()));
    assert_eq!(exchange("hemlig losen", &again), Err(ScramError::Password));
    assert_eq!(exchange("", &again), Err(ScramError::Password));
    let other = Verifier::from_password("hemlig lösen", 4096).unwrap();
    assert_ne!(other.salt, verifier.salt);
    assert!(Verifier::from_password("x", 0).is_err());
}

#[test]
fn passwords_are_prepared_by_saslprep() {
    // ROMAN NUMERAL NINE is "IX", SOFT HYPHEN is nothing.
    let verifier = Verifier::from_password("I\u{ad}X", 1).unwrap();
    assert_eq!(exchange("\u{2168}", &verifier), Ok(()));
}

#[test]
fn verifiers_of_another_form_are_refused() {
    for bad in [
        "",
        "secret",
        "md50123456789abcdef0123456789abcdef",
        "SCRAM-SHA-256$4096:$a:b",
        "SCRAM-SHA-1$4096:W22ZaJ0SNY7soEsUEjb6gQ==$x:y",
        "SCRAM-SHA-256$+1:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6",
    ] {
        assert_eq!(Verifier::parse(bad), Err(VerifierError::Form), "{bad}");
    }
    let zero = STORED.replace("4096", "0");
    assert_eq!(Verifier::parse(&zero), Err(VerifierError::Iterations));
}

#[test]
fn an_unknown_user_is_always_asked_the_same_and_never_right() {
    let unknown = Verifier::for_unknown(b"secret", "mallory");
    assert_eq!(unknown, Verifier::for_unknown(b"secret", "mallory"));
    assert_ne!(unknown.salt, Verifier::for_unknown(b"secret", "eve").salt);
    assert_ne!(
        unknown.salt,
        Verifier::for_unknown(b"other", "mallory").salt
    );
    assert_eq!((unknown.salt.len(), unknown.iterations), (16, 4096));
    assert_eq!(exchange("", &unknown), Err(ScramError::Password));
}

#[test]
fn keys_are_not_shown() {
    let verifier = Verifier::parse(STORED).unwrap();
    assert_eq!(format!("{verifier:?}"), "Verifier { iterations: 4096, .. }");
}

#[test]
fn hostile_client_messages_are_malformed() {
    let verifier = Verifier::parse(STORED).unwrap();
    for bad in [
        &b""[..],
        b"n",
        b"n,,",
        b"n,,n=",
        b"n,,r=abc",
        b"x,,n=,r=abc",
        b"n,a=admin,n=,r=abc",
        b"p=tls-server-end-point,,n=,r=abc",
        b"n,,m=ext,n=,r=abc",
        b"n,,n=,r=\xff",
    ] {
        let outcome = challenge(bad, &verifier, (None, false)).map(|_| ());
        assert_eq!(outcome, Err(ScramError::Malformed), "{bad:?}");
    }
    let (server_first, challenge) = challenge(b"n,,n=,r=abc", &verifier, (None, false)).unwrap();
    let nonce = server_first.split(',').next().unwrap().to_owned();
    for bad in [
        String::new(),
        "c=biws".to_owned(),
        format!("c=biws,{nonce}"),
        format!("c=biws,{nonce},p="),
        format!("c=biws,{nonce},p=!!!!"),
        format!("c=biws,{nonce},p=AAAA"),
        format!("c=eSws,{nonce},p=AAAA"),
        format!("c=biws,r=abc,p={}", STANDARD.encode([0; 32])),
    ] {
        let outcome = challenge.verify(bad.as_bytes());
        assert_eq!(outcome, Err(ScramError::Malformed), "{bad}");
    }
    let wrong = format!("c=biws,{nonce},p={}", STANDARD.encode([0; 32]));
    let outcome = challenge.verify(wrong.as_bytes());
    assert_eq!(outcome, Err(ScramError::Password));
}

#[test]
fn hostile_server_messages_are_malformed() {
    let (client, first) = Client::begin("pencil", Channel::Unbound).unwrap();
    let nonce = first.rsplit_once("r=").unwrap().1;
    for bad in [
        String::new(),
        "r=other,s=AAAA,i=4096".to_owned(),
        format!("r={nonce},s=AAAA,i=4096"),
        format!("r={nonce}x,s=AAAA,i=0"),
        format!("r={nonce}x,s=AAAA,i=4294967296"),
        format!("r={nonce}x,s=AAAA,i=4000000000"),
        format!("r={nonce}x,s=AAAA"),
        format!("r={nonce}x,s=!,i=4096"),
        format!("r={nonce}x,i=4096,s=AAAA"),
    ] {
        let outcome = client.prove(bad.as_bytes()).map(|_| ());
        assert_eq!(outcome, Err(ScramError::Malformed), "{bad}");
    }
    let (proven, _) = client
        .prove(format!("r={nonce}x,s=AAAA,i=1").as_bytes())
        .unwrap();
    for bad in [&b""[..], b"e=other-error", b"v=AAAA", b"v="] {
        assert_eq!(proven.check(bad), Err(ScramError::Server));
    }
}

#[test]
fn md5_is_as_postgresql_computes_it() {
    assert_eq!(
        md5_answer("zmjiang", "themanwhochangedchina", [20, 247, 107, 249]),
        "md521fe459d77d3e3ea9c9fcd5c11030d30"
    );
}

#[test]
fn random_messages_never_panic() {
    let verifier = Verifier::parse(STORED).unwrap();
    let (_, challenge_sent) = challenge(b"n,,n=,r=abc", &verifier, (None, false)).unwrap();
    let (client, _) = Client::begin("pencil", Channel::Unbound).unwrap();
    let mut state = 3_u64;
    let mut random = |bound: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).unwrap() % bound
    };
    let pieces: [&[u8]; 14] = [
        b",",
        b",",
        b"=",
        b"n",
        b"y",
        b"p",
        b"r=",
        b"s=",
        b"i=1",
        b"c=biws",
        b",p=",
        b"AAAA",
        "ä".as_bytes(),
        b"\xff",
    ];
    for _ in 0..50_000 {
        let message: Vec<u8> = (0..random(12))
            .flat_map(|_| pieces[random(pieces.len())])
            .copied()
            .collect();
        let _ = challenge(&message, &verifier, (None, false));
        assert!(challenge_sent.verify(&message).is_err());
        assert!(client.prove(&message).is_err());
    }
}
