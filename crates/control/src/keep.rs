//! Statements kept with their constants and parameters: as they were, or sealed with a key that only
//! the configuration has (ChaCha20-Poly1305, a nonce for each).

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::{Value, json};
use store::{sessions, statements};
use tokio_postgres::types::{Format, IsNull, ToSql, Type, private::BytesMut};

use crate::sessions::existing;
use crate::{Control, ControlError};

/// Longest text that is kept whole, in bytes.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// What a sealed text is bound to, besides its key.
const PURPOSE: &[u8] = b"pgdraft statement";

/// A key of 256 bits. Its `Debug` shows nothing.
#[derive(Clone)]
pub struct Key(Arc<LessSafeKey>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    /// Of these bytes.
    pub fn new(bytes: &[u8; 32]) -> Option<Self> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, bytes).ok()?;
        Some(Self(Arc::new(LessSafeKey::new(key))))
    }

    fn seal(&self, mut content: Vec<u8>) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let unique = Nonce::assume_unique_for_key(nonce);
        let (key, purpose) = (&self.0, Aad::from(PURPOSE));
        key.seal_in_place_append_tag(unique, purpose, &mut content)
            .ok()?;
        Some([nonce.as_slice(), &content].concat())
    }

    fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, content) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut content = content.to_vec();
        let opened = self
            .0
            .open_in_place(nonce, Aad::from(PURPOSE), &mut content);
        opened.ok().map(|text| text.to_vec())
    }
}

/// How statements are kept.
#[derive(Debug, Clone, Default)]
pub enum Keeping {
    /// Constants and parameters are not kept.
    #[default]
    Redacted,
    /// They are kept, sealed.
    Sealed(Key),
    /// They are kept.
    Full,
}

/// The value of a parameter, as the client sent it.
#[derive(Debug, Clone, Copy)]
pub struct Parameter<'a> {
    /// Its type.
    pub type_id: u32,
    /// In the type's binary form, else as text.
    pub binary: bool,
    /// `None` = NULL.
    pub value: Option<&'a [u8]>,
}

impl Keeping {
    /// A statement as it is kept: whether it is sealed, and the bytes. `parameters` are `None` where
    /// there were too many of them.
    pub fn keep(
        &self,
        text: &str,
        parameters: Option<&[Parameter<'_>]>,
    ) -> Option<(bool, Vec<u8>)> {
        let key = match self {
            Self::Redacted => return None,
            Self::Sealed(key) => Some(key),
            Self::Full => None,
        };
        let value =
            |p: &Parameter<'_>| json!([p.type_id, p.binary, p.value.map(|v| BASE64.encode(v))]);
        let values: Option<Vec<Value>> = parameters.map(|all| all.iter().map(value).collect());
        let content = json!({ "text": shortened(text), "parameters": values });
        let content = content.to_string().into_bytes();
        match key {
            Some(key) => Some((true, key.seal(content)?)),
            None => Some((false, content)),
        }
    }

    fn opened(&self, kept: &statements::Kept) -> Option<Value> {
        let content = match (kept.sealed, self) {
            (false, _) => kept.content.clone(),
            (true, Self::Sealed(key)) => key.open(&kept.content)?,
            (true, Self::Redacted | Self::Full) => return None,
        };
        serde_json::from_slice(&content).ok()
    }
}

fn shortened(text: &str) -> String {
    let end = text.floor_char_boundary(TEXT_BYTES_MAX);
    match text.get(..end) {
        Some(begin) if end < text.len() => format!("{begin}… ({} bytes)", text.len()),
        _ => text.to_owned(),
    }
}

impl Control {
    /// A statement as the configuration says to keep it.
    pub fn keep(
        &self,
        text: &str,
        parameters: Option<&[Parameter<'_>]>,
    ) -> Option<(bool, Vec<u8>)> {
        self.inner.options.keeping.keep(text, parameters)
    }

    /// Whether statements are kept with their constants and parameters.
    pub fn keeps_statements(&self) -> bool {
        !matches!(self.inner.options.keeping, Keeping::Redacted)
    }

    /// Whether what reads asked for is kept with its constants and parameters: the database asks it again, so
    /// it is never sealed.
    pub fn keeps_conditions(&self) -> bool {
        matches!(self.inner.options.keeping, Keeping::Full)
    }

    /// The kept statements of a session, one text for each operation that has any: the statements,
    /// each with its parameters as a comment.
    ///
    /// # Errors
    /// [`ControlError::NoSuchSession`]; [`ControlError::Sealed`] where the key is another or there is
    /// none; what PostgreSQL says.
    pub async fn kept_statements(
        &self,
        session: &str,
    ) -> Result<HashMap<String, String>, ControlError> {
        let client = self.client().await?;
        let found = existing(sessions::find(&*client, session).await?, session)?;
        let names: HashMap<i64, String> = sessions::operations(&*client, found.sid)
            .await?
            .into_iter()
            .map(|o| (o.op, o.name))
            .collect();
        let mut texts: HashMap<String, String> = HashMap::new();
        for kept in statements::list(&*client, found.sid).await? {
            let opened = self.inner.options.keeping.opened(&kept);
            let opened = opened.ok_or_else(|| ControlError::Sealed(session.to_owned()))?;
            let Some(name) = names.get(&kept.op) else {
                continue;
            };
            let shown = shown(&client, &opened).await;
            match texts.get_mut(name) {
                Some(text) => {
                    text.push_str(";\n");
                    text.push_str(&shown);
                }
                None => {
                    texts.insert(name.clone(), shown);
                }
            }
        }
        Ok(texts)
    }
}

/// A statement and its parameters, as PostgreSQL's own log has them.
async fn shown(client: &tokio_postgres::Client, opened: &Value) -> String {
    let mut text = opened
        .get("text")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let Some(parameters) = opened.get("parameters").and_then(Value::as_array) else {
        text.push_str(" /* parameters: too long to be kept */");
        return text;
    };
    for (n, parameter) in parameters.iter().enumerate() {
        text.push_str(if n == 0 { " /* parameters: " } else { ", " });
        let value = match read(parameter) {
            Some((type_id, binary, bytes)) => value(client, type_id, binary, &bytes).await,
            None => "NULL".to_owned(),
        };
        let _ = write!(text, "${} = {value}", n + 1);
    }
    if !parameters.is_empty() {
        text.push_str(" */");
    }
    text
}

/// `None` for NULL.
fn read(parameter: &Value) -> Option<(u32, bool, Vec<u8>)> {
    let bytes = BASE64.decode(parameter.get(2)?.as_str()?).ok()?;
    let type_id = u32::try_from(parameter.get(0)?.as_u64()?).ok()?;
    Some((type_id, parameter.get(1)?.as_bool()?, bytes))
}

/// As a constant. PostgreSQL itself says what a binary value of one of its own types is; a domain's
/// is that of its type, and no check of production's runs here.
async fn value(
    client: &tokio_postgres::Client,
    type_id: u32,
    binary: bool,
    bytes: &[u8],
) -> String {
    let text = if binary {
        binary_text(client, type_id, bytes).await
    } else {
        String::from_utf8(bytes.to_vec()).ok()
    };
    match text {
        Some(text) => catalog::quote_literal(&text),
        None => {
            let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
            format!("'\\x{hex}'")
        }
    }
}

async fn binary_text(
    client: &tokio_postgres::Client,
    type_id: u32,
    bytes: &[u8],
) -> Option<String> {
    let mut oid = type_id;
    let known = loop {
        if let Some(known) = Type::from_oid(oid) {
            break known;
        }
        let row = client
            .query_opt(
                "SELECT typtype::text, typbasetype FROM pg_catalog.pg_type WHERE oid = $1",
                &[&oid],
            )
            .await
            .ok()??;
        match row.try_get::<_, &str>(0).ok()? {
            "d" => oid = row.try_get(1).ok()?,
            // its binary form is its name
            "e" => return String::from_utf8(bytes.to_vec()).ok(),
            _ => return None,
        }
    };
    let rows = client
        .query_typed("SELECT $1::pg_catalog.text", &[(&Raw(bytes), known)])
        .await
        .ok()?;
    rows.first()?.try_get(0).ok()
}

/// A value that is in its type's binary form already.
#[derive(Debug)]
struct Raw<'a>(&'a [u8]);

impl ToSql for Raw<'_> {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(self.0);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Binary
    }

    tokio_postgres::types::to_sql_checked!();
}
