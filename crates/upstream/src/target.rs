//! Where the upstream is and who we are there.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::ClientConfig;
use wire::keepalive::Keepalive;

use crate::{UpstreamError, tls, url};

/// PostgreSQL's port.
const PORT_DEFAULT: u16 = 5432;
/// Longest handshake, where the URL has no `connect_timeout`.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// How much TLS, in libpq's words and with libpq's meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// Never.
    Disable,
    /// Only where the server refuses without.
    Allow,
    /// Where the server offers it; the default.
    Prefer,
    /// Always; the certificate is checked only if `sslrootcert` is given.
    Require,
    /// Always, with a certificate of a trusted authority.
    VerifyCa,
    /// Always, with a trusted certificate for this host name.
    VerifyFull,
}

impl SslMode {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "disable" => Self::Disable,
            "allow" => Self::Allow,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => return None,
        })
    }

    /// The word in a URL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// Whether a password is bound to the TLS connection, in libpq's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChannelBinding {
    /// Never.
    Disable,
    /// Where the server offers it; the default.
    Prefer,
    /// Always: a server that does not offer it is not trusted with the password.
    Require,
}

/// A connection URL after reading. Neither `Debug` nor `Display` shows its password.
#[derive(Clone)]
pub struct Target {
    host: String,
    port: u16,
    user: String,
    password: Option<String>,
    database: String,
    ssl_mode: SslMode,
    ssl_root_cert: Option<PathBuf>,
    connect_timeout: Duration,
    application_name: Option<String>,
    channel_binding: ChannelBinding,
    keepalive: Keepalive,
    /// Made on first need: reading the system's roots takes milliseconds.
    tls: Arc<OnceLock<Arc<ClientConfig>>>,
}

impl Target {
    /// Reads `postgres://user:password@host:port/database?…` with the parameters `host`, `port`,
    /// `user`, `password`, `dbname`, `sslmode`, `sslrootcert` (a PEM file, or `system`),
    /// `connect_timeout` (seconds, 0 for no limit) and `application_name`. A host that begins with
    /// `/`, also percent-encoded, is the folder of a Unix socket. What comes later wins.
    ///
    /// # Errors
    /// [`UpstreamError::Url`]: anything else in it, several hosts, or no user.
    pub fn parse(text: &str) -> Result<Self, UpstreamError> {
        let mut target = Self {
            host: "localhost".to_owned(),
            port: PORT_DEFAULT,
            user: String::new(),
            password: None,
            database: String::new(),
            ssl_mode: SslMode::Prefer,
            ssl_root_cert: None,
            connect_timeout: TIMEOUT_DEFAULT,
            application_name: None,
            channel_binding: ChannelBinding::Prefer,
            keepalive: Keepalive::default(),
            tls: Arc::default(),
        };
        for (name, value) in url::parse(text)?.pairs {
            target.set(&name, value)?;
        }
        if target.user.is_empty() {
            return Err(UpstreamError::Url("it names no user".to_owned()));
        }
        if target.database.is_empty() {
            target.database.clone_from(&target.user);
        }
        Ok(target)
    }

    fn set(&mut self, name: &str, value: String) -> Result<(), UpstreamError> {
        let bad = |message: &str| UpstreamError::Url(message.to_owned());
        match name {
            "host" if value.contains(',') => return Err(url::several()),
            "host" => self.host = value,
            "port" if value.contains(',') => return Err(url::several()),
            "port" => {
                self.port = value
                    .parse()
                    .ok()
                    .filter(|port| *port != 0)
                    .ok_or_else(|| bad("its port is not a number from 1 to 65535"))?;
            }
            "user" => self.user = value,
            "password" => self.password = Some(value),
            "dbname" => self.database = value,
            "sslmode" => {
                self.ssl_mode = SslMode::parse(&value).ok_or_else(|| {
                    bad("its sslmode is none of disable, allow, prefer, require, verify-ca, verify-full")
                })?;
            }
            "sslrootcert" => self.ssl_root_cert = Some(PathBuf::from(value)),
            "connect_timeout" => {
                let seconds: u64 = value
                    .parse()
                    .map_err(|_| bad("its connect_timeout is not a number of seconds"))?;
                self.connect_timeout = match seconds {
                    0 => Duration::MAX,
                    _ => Duration::from_secs(seconds),
                };
            }
            "application_name" => self.application_name = Some(value),
            "channel_binding" => {
                self.channel_binding = match value.as_str() {
                    "disable" => ChannelBinding::Disable,
                    "prefer" => ChannelBinding::Prefer,
                    "require" => ChannelBinding::Require,
                    _ => {
                        return Err(bad(
                            "its channel_binding is none of disable, prefer, require",
                        ));
                    }
                };
            }
            _ => {
                return Err(UpstreamError::Url(format!(
                    "it has the parameter \"{}\", which is none of host, port, user, password, \
                     dbname, sslmode, sslrootcert, connect_timeout, application_name, \
                     channel_binding",
                    name.escape_debug()
                )));
            }
        }
        Ok(())
    }

    /// The same server and database as another user.
    #[must_use]
    pub fn with_user(&self, user: &str, password: &str) -> Self {
        Self {
            user: user.to_owned(),
            password: Some(password.to_owned()),
            ..self.clone()
        }
    }

    /// The same, with connections that are kept alive like this.
    #[must_use]
    pub fn with_keepalive(self, keepalive: Keepalive) -> Self {
        Self { keepalive, ..self }
    }

    pub(crate) fn keepalive(&self) -> Keepalive {
        self.keepalive
    }

    /// Host name, address, or folder of the Unix socket.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Port; part of the socket's name for a Unix socket.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Database.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }

    /// User.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// How much TLS.
    #[must_use]
    pub fn ssl_mode(&self) -> SslMode {
        self.ssl_mode
    }

    /// Path of the Unix socket, if the host is a folder.
    #[must_use]
    pub fn socket_path(&self) -> Option<PathBuf> {
        self.host
            .starts_with('/')
            .then(|| Path::new(&self.host).join(format!(".s.PGSQL.{}", self.port)))
    }

    /// `host:port` or the path of the socket, for messages.
    #[must_use]
    pub fn address(&self) -> String {
        match self.socket_path() {
            Some(path) => path.display().to_string(),
            None if self.host.contains(':') => format!("[{}]:{}", self.host, self.port),
            None => format!("{}:{}", self.host, self.port),
        }
    }

    pub(crate) fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    pub(crate) fn channel_binding(&self) -> ChannelBinding {
        self.channel_binding
    }

    pub(crate) fn application_name(&self) -> Option<&str> {
        self.application_name.as_deref()
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    #[cfg(test)]
    pub(crate) fn with_timeout(self, connect_timeout: Duration) -> Self {
        Self {
            connect_timeout,
            ..self
        }
    }

    /// The TLS side, made on first need.
    pub(crate) fn tls(&self) -> Result<Arc<ClientConfig>, UpstreamError> {
        if let Some(config) = self.tls.get() {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(tls::client_config(
            self.ssl_mode,
            self.ssl_root_cert.as_deref(),
        )?);
        Ok(Arc::clone(self.tls.get_or_init(|| config)))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}@{}/{} (sslmode={})",
            self.user,
            self.address(),
            self.database,
            self.ssl_mode.as_str()
        )
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&self.to_string()).finish()
    }
}
