//! Statements over the simple and the extended protocol.

use std::io::{ErrorKind, Result};

use super::reply::{self, Exchange, Failure, Reply};
use super::{Body, Connection};

/// Format of parameters or results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Format code 0.
    Text,
    /// Format code 1.
    Binary,
}

impl Format {
    fn code(self) -> i16 {
        match self {
            Self::Text => 0,
            Self::Binary => 1,
        }
    }
}

/// What Parse and Describe answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// Its name.
    pub name: String,
    /// Types of its parameters.
    pub parameters: Vec<u32>,
    /// Columns of its rows; `None` for NoData.
    pub columns: Option<Vec<super::Column>>,
}

impl Connection {
    /// Sends one Query and reads all its replies.
    ///
    /// # Errors
    /// Those of the socket. A FATAL error that closes the connection is a reply with status 0.
    pub fn simple(&mut self, text: &str) -> Result<Exchange> {
        self.simple_with(text, None)
    }

    /// As [`Connection::simple`]; `copy` answers a CopyInResponse.
    ///
    /// # Errors
    /// As [`Connection::simple`].
    pub fn simple_with(&mut self, text: &str, copy: Option<&[u8]>) -> Result<Exchange> {
        self.send(b'Q', Body::new().text(text))?;
        self.collect(copy)
    }

    /// Runs a script by one Query and returns the last reply.
    ///
    /// # Panics
    /// Where a statement fails.
    #[track_caller]
    pub fn run(&mut self, script: &str) -> Reply {
        let exchange = self.simple(script).expect("the connection lives");
        if let Some(failure) = exchange.error() {
            panic!("{failure}\nin: {script}");
        }
        exchange.replies.last().cloned().unwrap_or_default()
    }

    /// Runs a statement that must fail, and returns its error.
    ///
    /// # Panics
    /// Where it succeeds.
    #[track_caller]
    pub fn fail(&mut self, text: &str) -> Failure {
        let exchange = self.simple(text).expect("the connection lives");
        match exchange.error() {
            Some(failure) => failure.clone(),
            None => panic!("this succeeded and should not: {text}\n{exchange:?}"),
        }
    }

    /// The one value of a one-row, one-column text result.
    ///
    /// # Panics
    /// Where it is NULL or the statement fails.
    #[track_caller]
    pub fn value(&mut self, text: &str) -> String {
        self.run(text).value(0, 0).expect("not NULL")
    }

    /// Parse, Describe, Sync.
    ///
    /// # Errors
    /// Those of the socket; the server's refusal is the inner error.
    pub fn prepare(
        &mut self,
        name: &str,
        text: &str,
    ) -> Result<std::result::Result<Prepared, Exchange>> {
        let mut flight = parse(name, text);
        flight.extend(Body::new().byte(b'S').text(name).tagged(b'D'));
        flight.extend(Body::new().tagged(b'S'));
        self.send_raw(&flight)?;
        let exchange = self.collect(None)?;
        let reply = exchange.last();
        if reply.error.is_some() || exchange.status == 0 {
            return Ok(Err(exchange));
        }
        Ok(Ok(Prepared {
            name: name.to_owned(),
            parameters: reply.parameters.clone().unwrap_or_default(),
            columns: reply.columns.clone(),
        }))
    }

    /// Bind, Describe portal, Execute, Sync of a prepared statement. Parameters are given in
    /// text form; with [`Format::Binary`] those of the common types are sent in binary form.
    ///
    /// # Errors
    /// As [`Connection::simple`].
    pub fn execute(
        &mut self,
        prepared: &Prepared,
        values: &[Option<String>],
        format: Format,
    ) -> Result<Exchange> {
        let encoded: Vec<(Format, Option<Vec<u8>>)> = values
            .iter()
            .enumerate()
            .map(|(n, value)| {
                let type_id = prepared.parameters.get(n).copied().unwrap_or(0);
                encode(value.as_deref(), type_id, format)
            })
            .collect();
        let mut flight = bind(&prepared.name, &encoded, format);
        flight.extend(Body::new().byte(b'P').text("").tagged(b'D'));
        flight.extend(Body::new().text("").int32(0).tagged(b'E'));
        flight.extend(Body::new().tagged(b'S'));
        self.send_raw(&flight)?;
        let mut exchange = self.collect(None)?;
        if let Some(reply) = exchange.replies.first_mut() {
            reply.parameters = Some(prepared.parameters.clone());
            reply.described.clone_from(&prepared.columns);
        }
        Ok(exchange)
    }

    /// Parse, Bind, Describe portal, Execute and Sync in one flight, all in text form.
    ///
    /// # Errors
    /// As [`Connection::simple`].
    pub fn extended(&mut self, text: &str, values: &[Option<String>]) -> Result<Exchange> {
        let encoded: Vec<(Format, Option<Vec<u8>>)> = values
            .iter()
            .map(|v| (Format::Text, v.clone().map(String::into_bytes)))
            .collect();
        let mut flight = parse("", text);
        flight.extend(bind("", &encoded, Format::Text));
        flight.extend(Body::new().byte(b'P').text("").tagged(b'D'));
        flight.extend(Body::new().text("").int32(0).tagged(b'E'));
        flight.extend(Body::new().tagged(b'S'));
        self.send_raw(&flight)?;
        self.collect(None)
    }

    /// Reads messages up to ReadyForQuery, one [`Reply`] a statement.
    ///
    /// # Errors
    /// Those of the socket, unless an ErrorResponse came just before the connection ended.
    pub fn collect(&mut self, copy: Option<&[u8]>) -> Result<Exchange> {
        let mut replies = Vec::new();
        let mut reply = Reply::default();
        let mut begun = false;
        loop {
            let message = match self.receive() {
                Ok(message) => message,
                Err(e) if e.kind() == ErrorKind::TimedOut => return Err(e),
                Err(e) => {
                    if replies
                        .last()
                        .is_some_and(|r: &Reply| r.error.is_some() && !begun)
                    {
                        return Ok(Exchange { replies, status: 0 });
                    }
                    return Err(e);
                }
            };
            match message.tag {
                b'Z' => {
                    self.status = message.body[0];
                    if begun {
                        replies.push(reply);
                    }
                    return Ok(Exchange {
                        replies,
                        status: self.status,
                    });
                }
                b'S' => self.note_parameter(&message.body),
                b'A' => self.aside.push(message),
                b'G' => self.answer_copy(copy)?,
                tag => {
                    begun = true;
                    if note(&mut reply, tag, &message.body) {
                        replies.push(std::mem::take(&mut reply));
                        begun = false;
                    }
                }
            }
        }
    }

    fn answer_copy(&mut self, copy: Option<&[u8]>) -> Result<()> {
        match copy {
            Some(data) => {
                for chunk in data.chunks(32_768) {
                    self.send(b'd', Body::new().raw(chunk))?;
                }
                self.send(b'c', Body::new())
            }
            None => self.send(b'f', Body::new().text("no data in this script")),
        }
    }
}

/// Adds a message to the reply; true where it ends the statement.
fn note(reply: &mut Reply, tag: u8, body: &[u8]) -> bool {
    match tag {
        b'T' => reply.columns = Some(reply::columns(body)),
        b't' => reply.parameters = Some(reply::types(body)),
        b'D' => reply.rows.push(reply::row(body)),
        b'H' => reply.copied = Some(Vec::new()),
        b'd' => reply.copied.get_or_insert_default().extend(body),
        b'N' => reply.notices.push(Failure::parse(body)),
        b'C' => {
            let text = body.strip_suffix(b"\0").unwrap_or(body);
            reply.tag = Some(String::from_utf8_lossy(text).into_owned());
            return true;
        }
        b'I' => {
            reply.empty = true;
            return true;
        }
        b's' => {
            reply.suspended = true;
            return true;
        }
        b'E' => {
            reply.error = Some(Failure::parse(body));
            return true;
        }
        // ParseComplete, BindComplete, CloseComplete, NoData, CopyDone
        b'1' | b'2' | b'3' | b'n' | b'c' => {}
        other => panic!("unexpected message {:?}: {body:02x?}", other as char),
    }
    false
}

fn parse(name: &str, text: &str) -> Vec<u8> {
    Body::new().text(name).text(text).int16(0).tagged(b'P')
}

fn bind(name: &str, values: &[(Format, Option<Vec<u8>>)], results: Format) -> Vec<u8> {
    let count = i16::try_from(values.len()).unwrap();
    let mut body = Body::new().text("").text(name).int16(count);
    for (format, _) in values {
        body = body.int16(format.code());
    }
    body = body.int16(count);
    for (_, value) in values {
        body = match value {
            None => body.int32(-1),
            Some(bytes) => body.int32(i32::try_from(bytes.len()).unwrap()).raw(bytes),
        };
    }
    body.int16(1).int16(results.code()).tagged(b'B')
}

/// A text value in binary form, where the type has an easy one.
fn encode(value: Option<&str>, type_id: u32, format: Format) -> (Format, Option<Vec<u8>>) {
    let Some(text) = value else {
        return (format, None);
    };
    let binary = match (format, type_id) {
        (Format::Text, _) => None,
        (Format::Binary, 16) => Some(vec![u8::from(text.starts_with(['t', '1']))]),
        (Format::Binary, 20) => text.parse::<i64>().ok().map(|v| v.to_be_bytes().to_vec()),
        (Format::Binary, 21) => text.parse::<i16>().ok().map(|v| v.to_be_bytes().to_vec()),
        (Format::Binary, 23) => text.parse::<i32>().ok().map(|v| v.to_be_bytes().to_vec()),
        (Format::Binary, 700) => text.parse::<f32>().ok().map(|v| v.to_be_bytes().to_vec()),
        (Format::Binary, 701) => text.parse::<f64>().ok().map(|v| v.to_be_bytes().to_vec()),
        (Format::Binary, 25 | 1042 | 1043) => Some(text.as_bytes().to_vec()),
        (Format::Binary, _) => None,
    };
    match binary {
        Some(bytes) => (Format::Binary, Some(bytes)),
        None => (Format::Text, Some(text.as_bytes().to_vec())),
    }
}
