//! The connection URL, taken apart: `postgres://user:password@host:port/database?name=value&…`.
//!
//! Source: <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS>.

use crate::UpstreamError;

/// A URL in its decoded parts, in the order they were written.
pub(crate) struct Parts {
    pub(crate) pairs: Vec<(String, String)>,
}

fn bad(message: impl Into<String>) -> UpstreamError {
    UpstreamError::Url(message.into())
}

/// Takes a URL apart. Errors never repeat what stands in it, as that may be a password.
pub(crate) fn parse(url: &str) -> Result<Parts, UpstreamError> {
    let rest = url
        .strip_prefix("postgres://")
        .or_else(|| url.strip_prefix("postgresql://"))
        .ok_or_else(|| bad("it does not begin with postgres:// or postgresql://"))?;
    let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = before.split_once('/').unwrap_or((before, ""));
    let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let mut pairs = Vec::new();
    let mut add = |name: &str, text: &str| -> Result<(), UpstreamError> {
        if !text.is_empty() {
            pairs.push((name.to_owned(), decode(text)?));
        }
        Ok(())
    };
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    add("user", user)?;
    add("password", password)?;
    let (host, port) = host_and_port(hosts)?;
    add("host", host)?;
    add("port", port)?;
    add("dbname", database)?;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, text) = pair
            .split_once('=')
            .ok_or_else(|| bad("a parameter after \"?\" has no value"))?;
        pairs.push((decode(name)?, decode(text)?));
    }
    Ok(Parts { pairs })
}

fn host_and_port(hosts: &str) -> Result<(&str, &str), UpstreamError> {
    if hosts.contains(',') {
        return Err(several());
    }
    if let Some(bracketed) = hosts.strip_prefix('[') {
        let (host, rest) = bracketed
            .split_once(']')
            .ok_or_else(|| bad("the \"[\" of an IPv6 address is not closed"))?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, port)),
            None if rest.is_empty() => Ok((host, "")),
            None => Err(bad("something other than a port follows the IPv6 address")),
        };
    }
    match hosts.split_once(':') {
        Some((_, port)) if port.contains(':') => {
            Err(bad("an IPv6 address has to stand in \"[\" and \"]\""))
        }
        Some(parts) => Ok(parts),
        None => Ok((hosts, "")),
    }
}

/// The error for a list of hosts.
pub(crate) fn several() -> UpstreamError {
    bad("it names several hosts, and pgdraft works on one server")
}

/// Undoes percent encoding.
fn decode(text: &str) -> Result<String, UpstreamError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = rest.next().and_then(hex).zip(rest.next().and_then(hex));
        match digits {
            Some((0, 0)) => return Err(bad("it holds the forbidden character %00")),
            Some((high, low)) => bytes.push(high * 16 + low),
            None => return Err(bad("a \"%\" is not followed by two hexadecimal digits")),
        }
    }
    String::from_utf8(bytes).map_err(|_| bad("percent-encoded bytes in it are not UTF-8"))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}
