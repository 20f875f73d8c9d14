//! The client side of SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding.

use std::io::{Error, Result};
use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SecureRandom;
use ring::{digest, hmac, pbkdf2, rand};

/// One authentication.
pub(super) struct Exchange {
    password: String,
    nonce: String,
    server_signature: Vec<u8>,
}

impl Exchange {
    pub(super) fn new(password: &str) -> Self {
        let mut bytes = [0; 18];
        rand::SystemRandom::new().fill(&mut bytes).unwrap();
        Self {
            password: password.to_owned(),
            nonce: STANDARD.encode(bytes),
            server_signature: Vec::new(),
        }
    }

    pub(super) fn client_first(&self) -> String {
        format!("n,,n=,r={}", self.nonce)
    }

    pub(super) fn client_final(&mut self, server_first: &str) -> Result<String> {
        let field = |name: &str| {
            server_first
                .split(',')
                .find_map(|part| part.strip_prefix(name))
                .ok_or_else(|| Error::other(format!("SCRAM server-first lacks {name}")))
        };
        let nonce = field("r=")?;
        if !nonce.starts_with(&self.nonce) {
            return Err(Error::other("SCRAM nonce is not ours"));
        }
        let salt = STANDARD.decode(field("s=")?).map_err(Error::other)?;
        let rounds: u32 = field("i=")?.parse().map_err(Error::other)?;
        let mut salted = [0; 32];
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            NonZeroU32::new(rounds).ok_or_else(|| Error::other("SCRAM without rounds"))?,
            &salt,
            self.password.as_bytes(),
            &mut salted,
        );
        let client_key = sign(&salted, b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, &client_key);
        let without_proof = format!("c=biws,r={nonce}");
        let message = format!("n=,r={},{server_first},{without_proof}", self.nonce);
        let signature = sign(stored_key.as_ref(), message.as_bytes());
        let proof: Vec<u8> = client_key
            .iter()
            .zip(&signature)
            .map(|(a, b)| a ^ b)
            .collect();
        self.server_signature = sign(&sign(&salted, b"Server Key"), message.as_bytes());
        Ok(format!("{without_proof},p={}", STANDARD.encode(proof)))
    }

    pub(super) fn verify(&self, server_final: &str) -> Result<()> {
        let expected = format!("v={}", STANDARD.encode(&self.server_signature));
        if server_final == expected {
            Ok(())
        } else {
            Err(Error::other("the server does not know the password"))
        }
    }
}

fn sign(key: &[u8], message: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, message).as_ref().to_vec()
}
