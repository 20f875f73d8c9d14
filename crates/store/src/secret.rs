//! The database's secret key, and what is derived from it.

use catalog::SessionId;
use ring::{digest, hmac};
use tokio_postgres::GenericClient;

use crate::Error;

/// `pgdraft.secret.key`. Its `Debug` shows nothing.
#[derive(Clone)]
pub struct Secret {
    key: Vec<u8>,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    /// Reads the key; the connection must have the control role.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn load(client: &impl GenericClient) -> Result<Self, Error> {
        let row = client
            .query_typed_one("SELECT key FROM pgdraft.secret", &[])
            .await?;
        Ok(Self {
            key: row.try_get(0)?,
        })
    }

    /// The token that binds an upstream backend to a session, for `pgdraft.bind`:
    /// `<sid>.<backend pid>.<hex(sha256(key || sha256(key || '<sid>.<pid>')))>`.
    pub fn token(&self, sid: SessionId, upstream_pid: i32) -> String {
        let said = format!("{}.{upstream_pid}", sid.0);
        let inner = self.keyed_hash(said.as_bytes());
        let mac = self.keyed_hash(inner.as_ref());
        format!("{said}.{}", hex(mac.as_ref()))
    }

    /// The agent role's password: `hex(HMAC-SHA256(key, "agent role password"))`.
    pub fn agent_password(&self) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.key);
        hex(hmac::sign(&key, b"agent role password").as_ref())
    }

    fn keyed_hash(&self, text: &[u8]) -> digest::Digest {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&self.key);
        context.update(text);
        context.finish()
    }
}

/// Lower-case hexadecimal, as PostgreSQL's `encode(…, 'hex')`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
