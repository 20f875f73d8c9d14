//! A PostgreSQL client that hides nothing: every backend message can be looked at.
//!
//! Blocking and small on purpose. Written from the protocol chapter of PostgreSQL's manual
//! (<https://www.postgresql.org/docs/current/protocol.html>), sharing no code with the proxy.

mod body;
mod query;
mod reply;
mod scram;

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::time::Duration;

pub use body::Body;
pub use query::{Format, Prepared};
pub(crate) use reply::show_row;
pub use reply::{Column, Exchange, Failure, Reply};

/// Where and as whom to connect.
#[derive(Debug, Clone)]
pub struct Login {
    /// Port on 127.0.0.1.
    pub port: u16,
    /// `user` of the startup message.
    pub user: String,
    /// Answer to a SCRAM or cleartext request.
    pub password: String,
    /// `database` of the startup message.
    pub database: String,
    /// Minor version of the protocol: 0 or 2.
    pub minor: u8,
    /// Further startup parameters.
    pub parameters: Vec<(String, String)>,
    /// How long a read may take before it is an error.
    pub patience: Duration,
}

impl Login {
    /// A login without password or further parameters.
    pub fn new(port: u16, user: &str, database: &str) -> Self {
        Self {
            port,
            user: user.to_owned(),
            password: String::new(),
            database: database.to_owned(),
            minor: 0,
            parameters: Vec::new(),
            patience: Duration::from_secs(240),
        }
    }

    /// With this password.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        password.clone_into(&mut self.password);
        self
    }

    /// With this startup parameter.
    #[must_use]
    pub fn parameter(mut self, name: &str, value: &str) -> Self {
        self.parameters.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With `-c name=value` in `options`, escaped as PostgreSQL wants it.
    #[must_use]
    pub fn option(mut self, name: &str, value: &str) -> Self {
        let escaped = value.replace('\\', "\\\\").replace(' ', "\\ ");
        let setting = format!("-c {name}={escaped}");
        match self.parameters.iter_mut().find(|(n, _)| n == "options") {
            Some((_, all)) => {
                all.push(' ');
                all.push_str(&setting);
            }
            None => self.parameters.push(("options".to_owned(), setting)),
        }
        self
    }

    /// In this session of pgdraft.
    #[must_use]
    pub fn session(self, session: &str) -> Self {
        self.option("pgdraft.session", session)
    }

    /// The startup message, length included.
    pub fn startup_packet(&self) -> Vec<u8> {
        let mut body = Body::new().int32(196_608 + i32::from(self.minor));
        let own = [("user", &self.user), ("database", &self.database)];
        let further = self.parameters.iter().map(|(n, v)| (n.as_str(), v));
        for (name, value) in own.into_iter().chain(further) {
            body = body.text(name).text(value);
        }
        body.byte(0).untagged()
    }
}

/// A message as it came: type byte and body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The type byte.
    pub tag: u8,
    /// What follows the length.
    pub body: Vec<u8>,
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Parameters reported by the server, the newest value of each.
    pub reported: BTreeMap<String, String>,
    /// Process id and secret for cancelling.
    pub key: (i32, Vec<u8>),
    /// Transaction status of the last ReadyForQuery: `I`, `T` or `E`.
    pub status: u8,
    /// Notices and notifications that came while nothing was asked.
    pub aside: Vec<Message>,
    port: u16,
}

impl Connection {
    /// Connects, authenticates and reads up to the first ReadyForQuery.
    ///
    /// # Errors
    /// A server's ErrorResponse comes as [`ErrorKind::ConnectionRefused`] with its text.
    pub fn open(login: &Login) -> Result<Self> {
        match Self::try_open(login)? {
            Ok(connection) => Ok(connection),
            Err(failure) => Err(Error::new(
                ErrorKind::ConnectionRefused,
                failure.to_string(),
            )),
        }
    }

    /// As [`Connection::open`], with the server's refusal as a value.
    ///
    /// # Errors
    /// Only those of the socket.
    pub fn try_open(login: &Login) -> Result<std::result::Result<Self, Failure>> {
        let mut connection = Self::socket(login.port, login.patience)?;
        connection.send_raw(&login.startup_packet())?;
        let mut scram = None;
        loop {
            let message = connection.receive()?;
            match message.tag {
                b'E' => return Ok(Err(Failure::parse(&message.body))),
                b'R' => connection.authenticate(login, &message.body, &mut scram)?,
                b'Z' => {
                    connection.status = message.body[0];
                    return Ok(Ok(connection));
                }
                b'K' => {
                    let pid = i32::from_be_bytes(message.body[..4].try_into().unwrap());
                    connection.key = (pid, message.body[4..].to_vec());
                }
                b'S' => connection.note_parameter(&message.body),
                b'N' => connection.aside.push(message),
                other => {
                    return Err(unexpected("startup", other));
                }
            }
        }
    }

    /// A socket on which nothing has been said yet.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn socket(port: u16, patience: Duration) -> Result<Self> {
        let stream = loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
            reported: BTreeMap::new(),
            key: (0, Vec::new()),
            status: b'I',
            aside: Vec::new(),
            port,
        })
    }

    fn authenticate(
        &mut self,
        login: &Login,
        body: &[u8],
        scram: &mut Option<scram::Exchange>,
    ) -> Result<()> {
        let kind = i32::from_be_bytes(body[..4].try_into().unwrap());
        let rest = &body[4..];
        match kind {
            0 => Ok(()),
            3 => self.send(b'p', Body::new().text(&login.password)),
            10 => {
                let exchange = scram::Exchange::new(&login.password);
                let first = exchange.client_first();
                *scram = Some(exchange);
                let length = i32::try_from(first.len()).unwrap();
                self.send(
                    b'p',
                    Body::new()
                        .text("SCRAM-SHA-256")
                        .int32(length)
                        .raw(first.as_bytes()),
                )
            }
            11 => {
                let exchange = scram.as_mut().ok_or_else(|| unexpected("SASL", b'R'))?;
                let last = exchange.client_final(&String::from_utf8_lossy(rest))?;
                self.send(b'p', Body::new().raw(last.as_bytes()))
            }
            12 => {
                let exchange = scram.as_ref().ok_or_else(|| unexpected("SASL", b'R'))?;
                exchange.verify(&String::from_utf8_lossy(rest))
            }
            other => Err(Error::other(format!("authentication kind {other}"))),
        }
    }

    pub(crate) fn note_parameter(&mut self, body: &[u8]) {
        let mut reader = body::Reader::new(body);
        let name = reader.text();
        let value = reader.text();
        self.reported.insert(name, value);
    }

    /// Sends one message.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn send(&mut self, tag: u8, body: Body) -> Result<()> {
        self.stream.write_all(&body.tagged(tag))
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn send_raw(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes)
    }

    /// Says no more; the other side sees the end of the stream.
    pub fn shut_write(&self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
    }

    /// How long a read may take from now on.
    pub fn set_patience(&self, patience: Duration) {
        let _ = self.stream.set_read_timeout(Some(patience));
    }

    /// Reads one byte that stands before any message (the answer to an SSLRequest).
    ///
    /// # Errors
    /// Those of the socket; the end of the stream is [`ErrorKind::UnexpectedEof`].
    pub fn receive_byte(&mut self) -> Result<u8> {
        while self.buffer.is_empty() {
            self.fill()?;
        }
        Ok(self.buffer.remove(0))
    }

    /// Reads one message.
    ///
    /// # Errors
    /// Those of the socket; the end of the stream is [`ErrorKind::UnexpectedEof`], no answer in
    /// time is [`ErrorKind::TimedOut`].
    pub fn receive(&mut self) -> Result<Message> {
        loop {
            if self.buffer.len() >= 5 {
                let length = u32::from_be_bytes(self.buffer[1..5].try_into().unwrap()) as usize;
                if length < 4 {
                    return Err(Error::other(format!("message with length {length}")));
                }
                if self.buffer.len() > length {
                    let tag = self.buffer[0];
                    let body = self.buffer[5..=length].to_vec();
                    self.buffer.drain(..=length);
                    return Ok(Message { tag, body });
                }
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> Result<()> {
        let mut chunk = vec![0; 65_536];
        match self.stream.read(&mut chunk) {
            Ok(0) => Err(Error::new(
                ErrorKind::UnexpectedEof,
                "the server closed the connection",
            )),
            Ok(n) => {
                self.buffer.extend_from_slice(&chunk[..n]);
                Ok(())
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => Ok(()),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err(Error::new(ErrorKind::TimedOut, "no answer in time"))
            }
            Err(e) => Err(e),
        }
    }

    /// Reads until the server closes; what came before, and whether it closed in time.
    pub fn drain(&mut self) -> (Vec<Message>, bool) {
        let mut messages = Vec::new();
        loop {
            match self.receive() {
                Ok(message) => messages.push(message),
                Err(e) => return (messages, e.kind() != ErrorKind::TimedOut),
            }
        }
    }

    /// Asks the server to cancel what this connection is doing.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn cancel(&self) -> Result<()> {
        cancel(self.port, self.key.0, &self.key.1)
    }

    /// What another thread needs to cancel this connection: port, process id, secret.
    pub fn cancel_key(&self) -> (u16, i32, Vec<u8>) {
        (self.port, self.key.0, self.key.1.clone())
    }
}

/// Sends a CancelRequest and waits until the server closes.
///
/// # Errors
/// Those of the socket.
pub fn cancel(port: u16, pid: i32, secret: &[u8]) -> Result<()> {
    let mut connection = Connection::socket(port, Duration::from_secs(20))?;
    let packet = Body::new()
        .int32(80_877_102)
        .int32(pid)
        .raw(secret)
        .untagged();
    connection.send_raw(&packet)?;
    let (_, closed) = connection.drain();
    if closed {
        Ok(())
    } else {
        Err(Error::new(
            ErrorKind::TimedOut,
            "the server keeps a cancel connection open",
        ))
    }
}

fn unexpected(at: &str, tag: u8) -> Error {
    Error::other(format!("unexpected message {:?} in {at}", tag as char))
}
