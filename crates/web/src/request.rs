//! The request line of an HTTP/1.x request; header fields are not needed and not kept.

/// Method and path of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// For example `GET`.
    pub(crate) method: String,
    /// Without the query string.
    pub(crate) path: String,
}

/// Why a request is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Rejected {
    /// No HTTP request line.
    #[error("this is not an HTTP request")]
    Malformed,
    /// Longer than the limit.
    #[error("the request head is too large")]
    TooLarge,
    /// Not HTTP/1.0 or HTTP/1.1.
    #[error("only HTTP/1.0 and HTTP/1.1 are served here")]
    Version,
}

impl Rejected {
    /// HTTP status.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::TooLarge => 431,
            Self::Version => 505,
        }
    }
}

/// Takes the request line apart (RFC 9112, section 3).
pub(crate) fn parse_head(bytes: &[u8]) -> Result<Head, Rejected> {
    let line = bytes
        .split(|&b| b == b'\n')
        .next()
        .and_then(|l| std::str::from_utf8(l).ok())
        .ok_or(Rejected::Malformed)?
        .trim_end_matches('\r');
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Rejected::Malformed);
    };
    if method.is_empty() || !method.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err(Rejected::Malformed);
    }
    if !version.starts_with("HTTP/") {
        return Err(Rejected::Malformed);
    }
    if version != "HTTP/1.1" && version != "HTTP/1.0" {
        return Err(Rejected::Version);
    }
    if !target.starts_with('/') || target.bytes().any(|b| b.is_ascii_control()) {
        return Err(Rejected::Malformed);
    }
    let path = target.split('?').next().unwrap_or(target);
    Ok(Head {
        method: method.to_owned(),
        path: path.to_owned(),
    })
}
