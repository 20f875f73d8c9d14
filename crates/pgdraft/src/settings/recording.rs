//! What is recorded of operations.

use clap::Args;
use control::{Keeping, Key};

use super::document::{ConfigError, Document};
use super::{Result, Secret};

/// What is done with an operation id that an earlier transaction used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// The write is refused.
    Refuse,
    /// The operation gets a number after its id.
    Suffix,
}

/// Whether constants and parameters of statements are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parameters {
    /// They are not.
    Redacted,
    /// They are, sealed with the key.
    Encrypted,
    /// They are.
    Full,
}

/// What is recorded of operations.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RecordingFlags {
    /// An operation id used again in another transaction: suffix (#2, #3, …) or refuse [default: suffix]
    #[arg(long, value_name = "WAY", env = "PGDRAFT_OPERATIONS_REUSE", value_parser = reuse)]
    pub(crate) operations_reuse: Option<Reuse>,
    /// Constants and parameters of statements: redacted, encrypted or full [default: redacted]
    #[arg(long, value_name = "WAY", env = "PGDRAFT_OPERATIONS_PARAMETERS", value_parser = parameters)]
    pub(crate) operations_parameters: Option<Parameters>,
    /// What they are encrypted with: 64 hexadecimal digits; better in PGDRAFT_OPERATIONS_KEY than here
    #[arg(
        long,
        value_name = "KEY",
        env = "PGDRAFT_OPERATIONS_KEY",
        hide_env_values = true
    )]
    pub(crate) operations_key: Option<String>,
    /// Agents whose reads of production are recorded, or * for all [default: none]
    #[arg(long, value_name = "AGENTS", env = "PGDRAFT_OPERATIONS_READS", value_delimiter = ',',
          num_args = 1.., value_parser = text)]
    pub(crate) operations_reads: Option<Vec<String>>,
}

/// What is recorded of operations.
#[derive(Debug, Clone)]
pub(crate) struct RecordingSettings {
    /// An operation id that an earlier transaction used.
    pub(crate) reuse: Reuse,
    /// Constants and parameters of statements.
    pub(crate) parameters: Parameters,
    /// How they are kept.
    pub(crate) keeping: Keeping,
    /// Agents whose reads are recorded.
    pub(crate) reads: Vec<String>,
}

impl RecordingSettings {
    /// From flags, variables and the file.
    ///
    /// # Errors
    /// A wrong value; statements to be encrypted, and no key.
    pub(super) fn read(flags: &RecordingFlags, d: &mut Document<'_>) -> Result<Self> {
        let reuse = d.choose(
            flags.operations_reuse,
            "operations.reuse",
            reuse,
            Reuse::Suffix,
        )?;
        let parameters = d.choose(
            flags.operations_parameters,
            "operations.parameters",
            parameters,
            Parameters::Redacted,
        )?;
        let key = d
            .optional(flags.operations_key.clone(), "operations.key", text)?
            .map(Secret::new);
        let keeping = match parameters {
            Parameters::Redacted => Keeping::Redacted,
            Parameters::Full => Keeping::Full,
            Parameters::Encrypted => Keeping::Sealed(sealing(key.as_ref())?),
        };
        let reads = d.read_array("operations.reads", text)?;
        Ok(Self {
            reads: flags.operations_reads.clone().or(reads).unwrap_or_default(),
            reuse,
            parameters,
            keeping,
        })
    }
}

impl Reuse {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Suffix => "suffix",
        }
    }
}

impl Parameters {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Redacted => "redacted",
            Self::Encrypted => "encrypted",
            Self::Full => "full",
        }
    }
}

fn reuse(text: &str) -> std::result::Result<Reuse, String> {
    [Reuse::Refuse, Reuse::Suffix]
        .into_iter()
        .find(|way| way.as_str() == text)
        .ok_or_else(|| format!("\"{text}\" is not a way to use an id again"))
}

fn parameters(text: &str) -> std::result::Result<Parameters, String> {
    [
        Parameters::Redacted,
        Parameters::Encrypted,
        Parameters::Full,
    ]
    .into_iter()
    .find(|way| way.as_str() == text)
    .ok_or_else(|| format!("\"{text}\" is not a way to keep parameters"))
}

fn text(text: &str) -> std::result::Result<String, String> {
    Ok(text.to_owned())
}

/// The key is never shown, also where it is wrong.
fn sealing(key: Option<&Secret>) -> Result<Key> {
    const EXPECTED: &str = "set PGDRAFT_OPERATIONS_KEY to 64 hexadecimal digits, for example those of `openssl rand -hex 32`, and keep them: nothing else opens what they seal";
    let wrong = |message: &str| ConfigError::setting("operations.key", message, EXPECTED);
    let digits = key.ok_or_else(|| wrong("statements are to be encrypted, and there is no key"))?;
    let bytes = bytes(digits.reveal().trim()).ok_or_else(|| wrong("this is no key"))?;
    Key::new(&bytes).ok_or_else(|| wrong("this is no key"))
}

fn bytes(digits: &str) -> Option<[u8; 32]> {
    if digits.len() != 64 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (n, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * n..2 * n + 2)?, 16).ok()?;
    }
    Some(bytes)
}
