//! The values of settings: how each is written, on the command line, in the environment and in
//! the file. Errors say what is wrong with the value; what is expected stands beside the key.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use wire::tls::ClientAuth;

/// Whether clients can or must use TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TlsMode {
    /// SSLRequest is answered with `N`.
    Off,
    /// The client chooses.
    Allow,
    /// A connection without TLS is refused.
    Require,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Somebody who may connect, with a file that holds the verifier (`--agent name=file`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VerifierFile {
    /// Name.
    pub(crate) name: String,
    /// File whose first line is the verifier.
    pub(crate) file: PathBuf,
}

/// An address to listen on; `localhost` and `*` are understood.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    let numeric = match text.rsplit_once(':') {
        Some(("localhost", port)) => format!("127.0.0.1:{port}"),
        Some(("*" | "", port)) => format!("0.0.0.0:{port}"),
        Some(_) | None => text.to_owned(),
    };
    numeric
        .parse()
        .map_err(|_| format!("\"{text}\" is not an address with a port"))
}

/// An address, or `off`.
pub(crate) fn address_or_off(text: &str) -> Result<Option<SocketAddr>, String> {
    if text == "off" {
        return Ok(None);
    }
    address(text).map(Some)
}

/// `off`, `allow` or `require`.
pub(crate) fn tls_mode(text: &str) -> Result<TlsMode, String> {
    match text {
        "off" => Ok(TlsMode::Off),
        "allow" => Ok(TlsMode::Allow),
        "require" => Ok(TlsMode::Require),
        _ => Err(format!("\"{text}\" is not a TLS mode")),
    }
}

/// `off`, `verify-ca`, `verify-full` or `cert`, as in PostgreSQL's `pg_hba.conf`.
pub(crate) fn client_auth(text: &str) -> Result<ClientAuth, String> {
    match text {
        "off" => Ok(ClientAuth::Off),
        "verify-ca" => Ok(ClientAuth::VerifyCa),
        "verify-full" => Ok(ClientAuth::VerifyFull),
        "cert" => Ok(ClientAuth::Cert),
        _ => Err(format!("\"{text}\" says nothing of client certificates")),
    }
}

/// `text` or `json`.
pub(crate) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("\"{text}\" is not a log format")),
    }
}

/// `error`, `warn`, `info`, `debug` or `trace`.
pub(crate) fn log_level(text: &str) -> Result<tracing::Level, String> {
    let known = ["error", "warn", "info", "debug", "trace"];
    if !known.contains(&text) {
        return Err(format!("\"{text}\" is not a log level"));
    }
    tracing::Level::from_str(text).map_err(|e| e.to_string())
}

/// The URL of an OpenTelemetry collector, or an empty text.
pub(crate) fn otlp_endpoint(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Ok(String::new());
    }
    if !cfg!(feature = "otel") {
        return Err("this pgdraft was built without traces".to_owned());
    }
    if !text.starts_with("http://") {
        return Err("it does not begin with http://".to_owned());
    }
    Ok(text.to_owned())
}

/// Milliseconds, at most a day.
pub(crate) fn milliseconds(text: &str) -> Result<Duration, String> {
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    ranged(text, 1, DAY_MS).map(Duration::from_millis)
}

/// A time that may be long, up to ten years; 0 is one too.
pub(crate) fn long_milliseconds(text: &str) -> Result<Duration, String> {
    const YEARS_MS: u64 = 10 * 366 * 24 * 60 * 60 * 1000;
    ranged(text, 0, YEARS_MS).map(Duration::from_millis)
}

/// A column, `schema.table.column`.
pub(crate) fn column_name(text: &str) -> Result<[String; 3], String> {
    let parts: Vec<&str> = text.split('.').collect();
    match parts.as_slice() {
        [schema, table, column] if parts.iter().all(|p| !p.is_empty()) => {
            Ok([schema, table, column].map(|part| (*part).to_owned()))
        }
        _ => Err(format!("\"{text}\" is no column")),
    }
}

/// A trigger, `schema.table.trigger`; a part may be `*`.
pub(crate) fn trigger_name(text: &str) -> Result<[String; 3], String> {
    column_name(text).map_err(|_| format!("\"{text}\" is no trigger"))
}

/// A number of connections.
pub(crate) fn connections(text: &str) -> Result<usize, String> {
    ranged(text, 1, 100_000).and_then(narrow)
}

/// A number of connections; 0 = no limit.
pub(crate) fn connections_or_none(text: &str) -> Result<usize, String> {
    ranged(text, 0, 100_000).and_then(narrow)
}

/// Keepalive questions, as many as the system takes.
pub(crate) fn keepalive_count(text: &str) -> Result<u32, String> {
    ranged(text, 1, 127).and_then(|n| u32::try_from(n).map_err(|_| format!("{n} is out of range")))
}

/// A number; 0 = no limit.
pub(crate) fn count(text: &str) -> Result<u64, String> {
    ranged(text, 0, 1_000_000_000_000)
}

/// Bytes that a connection may need, from a mebibyte to a tebibyte.
pub(crate) fn connection_bytes(text: &str) -> Result<usize, String> {
    ranged(text, 1 << 20, 1 << 40).and_then(narrow)
}

/// A number of prepared statements.
pub(crate) fn statements(text: &str) -> Result<usize, String> {
    ranged(text, 1, 100_000).and_then(narrow)
}

/// A number of times; 0 for never.
pub(crate) fn times(text: &str) -> Result<u32, String> {
    let times = ranged(text, 0, 1_000_000)?;
    u32::try_from(times).map_err(|_| format!("{times} is out of range"))
}

/// `session` or `transaction`.
pub(crate) fn pool_mode(text: &str) -> Result<session::PoolMode, String> {
    [session::PoolMode::Session, session::PoolMode::Transaction]
        .into_iter()
        .find(|mode| mode.as_str() == text)
        .ok_or_else(|| format!("\"{text}\" is not a pool mode"))
}

/// A size of a message, in bytes: up to a gibibyte, as PostgreSQL.
pub(crate) fn message_bytes(text: &str) -> Result<usize, String> {
    ranged(text, 64 * 1024, 1 << 30).and_then(narrow)
}

/// A number of threads; 0 = one a core.
pub(crate) fn threads(text: &str) -> Result<usize, String> {
    ranged(text, 0, 256).and_then(narrow)
}

/// A port; 0 = any free one.
pub(crate) fn port(text: &str) -> Result<u16, String> {
    ranged(text, 0, u64::from(u16::MAX))
        .and_then(|n| u16::try_from(n).map_err(|_| format!("{n} is out of range")))
}

/// A path.
pub(crate) fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("the path is empty".to_owned());
    }
    Ok(PathBuf::from(text))
}

/// Any text.
pub(crate) fn text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

/// `true` or `false`.
pub(crate) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("\"{text}\" is not true or false")),
    }
}

/// A function: `name` or `schema.name`, folded to lower case as PostgreSQL does without quotes.
pub(crate) fn function_name(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.split('.').collect();
    let valid = |part: &&str| {
        !part.is_empty()
            && !part.starts_with(|c: char| c.is_ascii_digit())
            && part
                .chars()
                .all(|c| c.is_alphanumeric() || c == '_' || c == '$')
    };
    if parts.len() > 2 || !parts.iter().all(valid) {
        return Err(format!("\"{text}\" is not the name of a function"));
    }
    Ok(text.to_ascii_lowercase())
}

/// `name=file`.
pub(crate) fn verifier_file(text: &str) -> Result<VerifierFile, String> {
    let (name, file) = text
        .split_once('=')
        .ok_or_else(|| "there is no \"=\" between name and file".to_owned())?;
    Ok(VerifierFile {
        name: identity_name(name)?,
        file: path(file)?,
    })
}

/// Name of an agent or reviewer: PostgreSQL's length of a name; `+` separates the session in a
/// user name, so it cannot stand in one.
pub(crate) fn identity_name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 63 {
        return Err("a name has 1 to 63 bytes".to_owned());
    }
    if text.contains('+') || text.chars().any(char::is_control) {
        return Err(format!(
            "\"{}\" has a \"+\" or a control character",
            text.escape_debug()
        ));
    }
    Ok(text.to_owned())
}

fn ranged(text: &str, min: u64, max: u64) -> Result<u64, String> {
    let number: i128 = text
        .parse()
        .map_err(|_| format!("\"{text}\" is not a whole number"))?;
    match u64::try_from(number) {
        Ok(n) if (min..=max).contains(&n) => Ok(n),
        Ok(_) | Err(_) => Err(format!("{number} is not between {min} and {max}")),
    }
}

fn narrow(number: u64) -> Result<usize, String> {
    usize::try_from(number).map_err(|_| format!("{number} is out of range"))
}
