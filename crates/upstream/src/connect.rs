//! A raw connection: the handshake as a client, and then only bytes.

use std::io;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wire::encode;
use wire::frame::{self, Malformed, backend};
use wire::scram::{self, Channel};

use crate::dial::{Try, dial, tries};
use crate::target::ChannelBinding;
use crate::{Target, UpstreamError, UpstreamStream};

/// Longest message taken during the handshake, in bytes.
const MESSAGE_MAX: usize = 1 << 20;

/// Bytes read at once; PostgreSQL greets with some hundred.
const BUFFER: usize = 1024;

/// A connection that is ready for queries.
#[derive(Debug)]
pub struct Connection {
    /// Its bytes.
    pub stream: UpstreamStream,
    /// Process id of the backend.
    pub pid: i32,
    /// Key to cancel with.
    pub key: Vec<u8>,
    /// What ParameterStatus told, in order.
    pub parameters: Vec<(String, String)>,
    /// NoticeResponse messages of the handshake, whole.
    pub notices: Vec<u8>,
    /// Bytes read after ReadyForQuery.
    pub read_ahead: BytesMut,
}

/// Opens a raw connection with these startup parameters. `user`, `database` and `replication`
/// among them are left out: those are the target's to say. Protocol 3.0 is spoken.
///
/// # Errors
/// See [`UpstreamError`]; what the server refuses is [`UpstreamError::Server`] with all fields.
pub async fn connect(
    target: &Target,
    parameters: &[(String, String)],
) -> Result<Connection, UpstreamError> {
    within(target, Box::pin(try_each(target, parameters))).await
}

/// Asks the server to stop what this backend runs, and waits until the server has taken it.
///
/// # Errors
/// See [`UpstreamError`]. Whether there was something to stop, PostgreSQL does not say.
pub async fn cancel(target: &Target, pid: i32, key: &[u8]) -> Result<(), UpstreamError> {
    let mut request = Vec::new();
    encode::cancel_request(&mut request, pid, key);
    let attempt = async {
        let mut stream = match tries(target) {
            // Nothing can refuse a cancel over TLS, so the later way is for its handshake only.
            [first, rest @ ..] => match (dial(target, *first).await, rest) {
                (Err(UpstreamError::Tls { .. }), [second, ..]) => dial(target, *second).await?,
                (outcome, _) => outcome?,
            },
            [] => dial(target, Try::Plain).await?,
        };
        let lost = |source| lost(target, source);
        stream.write_all(&request).await.map_err(lost)?;
        stream.flush().await.map_err(lost)?;
        // The server closes once the signal is sent. How it closes does not matter.
        let _ = stream.read(&mut [0; 16]).await;
        Ok(())
    };
    within(target, Box::pin(attempt)).await
}

/// Runs under the target's timeout.
pub(crate) async fn within<T>(
    target: &Target,
    work: impl Future<Output = Result<T, UpstreamError>>,
) -> Result<T, UpstreamError> {
    let after = target.connect_timeout();
    tokio::time::timeout(after, work).await.unwrap_or_else(|_| {
        Err(UpstreamError::Timeout {
            address: target.address(),
            after,
        })
    })
}

pub(crate) fn lost(target: &Target, source: io::Error) -> UpstreamError {
    UpstreamError::Lost {
        address: target.address(),
        source,
    }
}

async fn try_each(
    target: &Target,
    parameters: &[(String, String)],
) -> Result<Connection, UpstreamError> {
    let (last, earlier) = tries(target).split_last().unwrap_or((&Try::Plain, &[]));
    for attempt in earlier {
        match try_one(target, *attempt, parameters).await {
            Ok(connection) => return Ok(connection),
            Err(Failure { error, settled }) if settled || !is_about_tls(&error) => {
                return Err(error);
            }
            Err(Failure { error, .. }) => tracing::debug!(%error, "trying another TLS level"),
        }
    }
    let outcome = try_one(target, *last, parameters).await;
    outcome.map_err(|failure| failure.error)
}

/// Whether another TLS level may help, as libpq sees it: the handshake failed, or the server
/// refused before it asked for anything.
pub(crate) fn is_about_tls(error: &UpstreamError) -> bool {
    matches!(error, UpstreamError::Tls { .. } | UpstreamError::Server(_))
}

/// Why an attempt failed.
struct Failure {
    error: UpstreamError,
    /// No other TLS level can help: the server had asked for a password, or TLS was not offered.
    settled: bool,
}

async fn try_one(
    target: &Target,
    attempt: Try,
    parameters: &[(String, String)],
) -> Result<Connection, Failure> {
    let stream = dial(target, attempt).await.map_err(|error| Failure {
        error,
        settled: false,
    })?;
    let not_offered = attempt == Try::Offered && matches!(stream, UpstreamStream::Tcp(_));
    let mut greeting = Greeting::new(target, stream);
    match greeting.run(parameters).await {
        Ok(()) => Ok(greeting.connection),
        Err(error) => Err(Failure {
            error,
            settled: greeting.asked || not_offered,
        }),
    }
}

/// The state of the handshake.
struct Greeting<'t> {
    target: &'t Target,
    connection: Connection,
    asked: bool,
    scram: Scram,
}

enum Scram {
    None,
    Begun(scram::Client),
    Proven(scram::Proven),
    Done,
}

impl<'t> Greeting<'t> {
    fn new(target: &'t Target, stream: UpstreamStream) -> Self {
        Self {
            target,
            connection: Connection {
                stream,
                pid: 0,
                key: Vec::new(),
                parameters: Vec::new(),
                notices: Vec::new(),
                read_ahead: BytesMut::with_capacity(BUFFER),
            },
            asked: false,
            scram: Scram::None,
        }
    }

    async fn run(&mut self, parameters: &[(String, String)]) -> Result<(), UpstreamError> {
        let mut out = Vec::new();
        encode::startup(&mut out, 0, startup_parameters(self.target, parameters));
        self.send(&out).await?;
        loop {
            let (tag, body) = self.message().await?;
            match tag {
                backend::AUTHENTICATION => self.authenticate(&body).await?,
                backend::ERROR_RESPONSE => {
                    return Err(UpstreamError::Server(backend::error_fields(&body)?));
                }
                backend::NOTICE_RESPONSE => {
                    encode::raw(&mut self.connection.notices, tag, &body);
                }
                backend::PARAMETER_STATUS => {
                    let (name, value) = backend::parameter_status(&body)?;
                    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
                    self.connection.parameters.push((text(name), text(value)));
                }
                backend::BACKEND_KEY_DATA => {
                    let (pid, key) = backend::backend_key_data(&body)?;
                    self.connection.pid = pid;
                    self.connection.key = key.to_vec();
                }
                backend::READY_FOR_QUERY => {
                    if self.connection.read_ahead.is_empty() {
                        // An idle connection should not hold the memory of its handshake.
                        self.connection.read_ahead = BytesMut::new();
                    }
                    return Ok(());
                }
                _ => return Err(UpstreamError::Unexpected(tag)),
            }
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), UpstreamError> {
        let stream = &mut self.connection.stream;
        let sent = async {
            stream.write_all(bytes).await?;
            stream.flush().await
        };
        sent.await.map_err(|source| lost(self.target, source))
    }

    async fn fill(&mut self, len: usize) -> Result<(), UpstreamError> {
        let Connection {
            stream, read_ahead, ..
        } = &mut self.connection;
        while read_ahead.len() < len {
            let read = stream.read_buf(read_ahead).await;
            if read.map_err(|source| lost(self.target, source))? == 0 {
                let source = io::Error::from(io::ErrorKind::UnexpectedEof);
                return Err(lost(self.target, source));
            }
        }
        Ok(())
    }

    async fn message(&mut self) -> Result<(u8, BytesMut), UpstreamError> {
        self.fill(frame::HEADER_LEN).await?;
        let header =
            frame::header(&self.connection.read_ahead)?.ok_or(Malformed::Length { length: 0 })?;
        if header.body_len > MESSAGE_MAX {
            return Err(UpstreamError::Malformed(Malformed::TooLong {
                length: header.body_len,
                limit: MESSAGE_MAX,
            }));
        }
        self.fill(header.message_len()).await?;
        self.connection.read_ahead.advance(frame::HEADER_LEN);
        let body = self.connection.read_ahead.split_to(header.body_len);
        Ok((header.tag, body))
    }

    async fn authenticate(&mut self, body: &[u8]) -> Result<(), UpstreamError> {
        let (kind, data) = body.split_first_chunk::<4>().ok_or(Malformed::Body {
            message: "Authentication",
        })?;
        let mut out = Vec::new();
        match i32::from_be_bytes(*kind) {
            // A server that began SCRAM and then skips its own proof is not the one we know.
            0 => {
                let bound = self.target.channel_binding() == ChannelBinding::Require;
                return match self.scram {
                    Scram::None if bound => Err(UpstreamError::NotBound),
                    Scram::None | Scram::Done => Ok(()),
                    Scram::Begun(_) | Scram::Proven(_) => Err(scram::ScramError::Server.into()),
                };
            }
            3 | 5 if self.target.channel_binding() == ChannelBinding::Require => {
                return Err(UpstreamError::NotBound);
            }
            3 => encode::password(&mut out, self.password()?.as_bytes(), true),
            5 => {
                let salt = <[u8; 4]>::try_from(data).map_err(|_| Malformed::Body {
                    message: "AuthenticationMD5Password",
                })?;
                let answer = scram::md5_answer(self.target.user(), self.password()?, salt);
                encode::password(&mut out, answer.as_bytes(), true);
            }
            10 => {
                let channel = self.channel(data)?;
                let mechanism = channel.mechanism();
                let (client, first) = scram::Client::begin(self.password()?, channel)?;
                encode::sasl_initial_response(&mut out, mechanism, first.as_bytes());
                self.scram = Scram::Begun(client);
            }
            11 => {
                let Scram::Begun(client) = &self.scram else {
                    return Err(scram::ScramError::Malformed.into());
                };
                let (proven, answer) = client.prove(data)?;
                encode::password(&mut out, answer.as_bytes(), false);
                self.scram = Scram::Proven(proven);
            }
            12 => {
                let Scram::Proven(proven) = &self.scram else {
                    return Err(scram::ScramError::Malformed.into());
                };
                proven.check(data)?;
                self.scram = Scram::Done;
                return Ok(());
            }
            kind => return Err(UpstreamError::Method(method(kind))),
        }
        self.asked = true;
        self.send(&out).await
    }

    /// How the password is bound to the connection, by what the server offers.
    fn channel(&self, offer: &[u8]) -> Result<Channel, UpstreamError> {
        let offers = |name: &str| offer.split(|byte| *byte == 0).any(|n| n == name.as_bytes());
        let wanted = self.target.channel_binding();
        let hash = self.connection.stream.end_point();
        let channel = match hash.filter(|_| wanted != ChannelBinding::Disable) {
            Some(hash) if offers(scram::MECHANISM_PLUS) => Channel::EndPoint(hash),
            Some(_) => Channel::NotOffered,
            None => Channel::Unbound,
        };
        if wanted == ChannelBinding::Require && !matches!(channel, Channel::EndPoint(_)) {
            return Err(UpstreamError::NotBound);
        }
        if !offers(channel.mechanism()) {
            return Err(UpstreamError::Method(
                "SASL without SCRAM-SHA-256".to_owned(),
            ));
        }
        Ok(channel)
    }

    fn password(&self) -> Result<&'t str, UpstreamError> {
        let target = self.target;
        target.password().ok_or_else(|| UpstreamError::NoPassword {
            address: target.address(),
            user: target.user().to_owned(),
        })
    }
}

fn method(kind: i32) -> String {
    match kind {
        2 => "Kerberos V5".to_owned(),
        7 | 8 => "GSSAPI".to_owned(),
        9 => "SSPI".to_owned(),
        kind => format!("number {kind}"),
    }
}

fn startup_parameters<'a>(
    target: &'a Target,
    parameters: &'a [(String, String)],
) -> Vec<(&'a str, &'a str)> {
    let mut all = vec![("user", target.user()), ("database", target.database())];
    if let Some(name) = target.application_name()
        && !parameters
            .iter()
            .any(|(known, _)| known == "application_name")
    {
        all.push(("application_name", name));
    }
    all.extend(
        parameters
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, _)| !matches!(*name, "user" | "database" | "replication")),
    );
    all
}
