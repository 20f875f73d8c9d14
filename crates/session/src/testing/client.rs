//! A client that sends frames and shows what comes back.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use wire::encode;
use wire::frame::backend;

/// One connection.
pub(crate) struct Frames {
    socket: TcpStream,
    bytes: Vec<u8>,
    /// Frames to be sent.
    pub(crate) out: Vec<u8>,
    pub(crate) pid: i32,
    pub(crate) key: Vec<u8>,
    pub(crate) parameters: Vec<(String, String)>,
}

/// A message: type and body.
pub(crate) type Message = (u8, Vec<u8>);

/// `1 2 T D C=SELECT 1 E=42601 Z=I`.
pub(crate) fn summary(messages: &[Message]) -> String {
    let words: Vec<String> = messages
        .iter()
        .map(|(tag, body)| match tag {
            b'E' => format!("E={}", field(body, b'C').unwrap_or_default()),
            b'C' => format!("C={}", backend::command_tag(body).unwrap()),
            b'Z' => format!("Z={}", char::from(body[0])),
            b'D' => {
                let row = backend::data_row(body).unwrap();
                let text = |value: Option<&[u8]>| {
                    value.map_or("NULL".into(), |value| {
                        String::from_utf8_lossy(value).into_owned()
                    })
                };
                format!(
                    "D({})",
                    row.into_iter().map(text).collect::<Vec<_>>().join(",")
                )
            }
            0 => "EOF".to_owned(),
            1 => "TIMEOUT".to_owned(),
            tag => char::from(*tag).to_string(),
        })
        .collect();
    words.join(" ")
}

/// A field of an ErrorResponse.
pub(crate) fn field(body: &[u8], code: u8) -> Option<String> {
    let fields = backend::error_fields(body).unwrap();
    let (_, value) = fields.into_iter().find(|(known, _)| *known == code)?;
    Some(String::from_utf8(value).unwrap())
}

impl Frames {
    /// Connects as `user` and waits until it may ask.
    pub(crate) fn connect(address: SocketAddr, parameters: &[(&str, &str)]) -> Self {
        Self::try_connect(address, parameters).unwrap()
    }

    /// The error's fields if refused.
    pub(crate) fn try_connect(
        address: SocketAddr,
        parameters: &[(&str, &str)],
    ) -> Result<Self, Vec<u8>> {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        let mut out = Vec::new();
        encode::startup(&mut out, 0, parameters.iter().copied());
        socket.write_all(&out).unwrap();
        let mut client = Self {
            socket,
            bytes: Vec::new(),
            out: Vec::new(),
            pid: 0,
            key: Vec::new(),
            parameters: Vec::new(),
        };
        for (tag, body) in client.read_until(b'Z', 1) {
            match tag {
                b'E' => return Err(body),
                b'K' => {
                    let (pid, key) = backend::backend_key_data(&body).unwrap();
                    (client.pid, client.key) = (pid, key.to_vec());
                }
                b'S' => {
                    let (name, value) = backend::parameter_status(&body).unwrap();
                    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                    client.parameters.push((text(name), text(value)));
                }
                b'R' | b'Z' | b'N' => {}
                other => panic!("{}", char::from(other)),
            }
        }
        Ok(client)
    }

    pub(crate) fn send(&mut self) -> &mut Self {
        let out = std::mem::take(&mut self.out);
        self.socket.write_all(&out).unwrap();
        self
    }

    /// Sends; false where the other side is gone.
    pub(crate) fn try_send(&mut self) -> bool {
        let out = std::mem::take(&mut self.out);
        self.socket.write_all(&out).is_ok()
    }

    /// Sends and goes away.
    pub(crate) fn vanish(mut self) {
        self.send();
    }

    /// Reads up to and with the `count`th message of this type, the end, or a timeout.
    pub(crate) fn read_until(&mut self, tag: u8, count: usize) -> Vec<Message> {
        self.read_for(tag, count, Duration::from_secs(20))
    }

    pub(crate) fn read_for(&mut self, tag: u8, count: usize, wait: Duration) -> Vec<Message> {
        self.socket.set_read_timeout(Some(wait)).unwrap();
        let mut messages = Vec::new();
        let mut left = count;
        loop {
            while let Ok(Some(header)) = wire::frame::header(&self.bytes) {
                if self.bytes.len() < header.message_len() {
                    break;
                }
                let frame: Vec<u8> = self.bytes.drain(..header.message_len()).collect();
                messages.push((header.tag, frame[5..].to_vec()));
                if header.tag == tag {
                    left -= 1;
                }
                if left == 0 {
                    return messages;
                }
            }
            let mut chunk = [0; 65536];
            match self.socket.read(&mut chunk) {
                Ok(0) => {
                    messages.push((0, Vec::new()));
                    return messages;
                }
                Ok(read) => self.bytes.extend_from_slice(&chunk[..read]),
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                    ) =>
                {
                    messages.push((1, Vec::new()));
                    return messages;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => {
                    messages.push((0, Vec::new()));
                    return messages;
                }
            }
        }
    }

    /// Sends what was gathered and shows what comes up to the `ready`th ReadyForQuery.
    pub(crate) fn shown(&mut self, ready: usize) -> String {
        summary(&self.send().read_until(b'Z', ready))
    }

    /// A simple query.
    pub(crate) fn query(&mut self, text: &str) -> String {
        encode::query(&mut self.out, text);
        self.shown(1)
    }

    /// A simple query and the fields of its error.
    pub(crate) fn error(&mut self, text: &str) -> Vec<(char, String)> {
        encode::query(&mut self.out, text);
        let messages = self.send().read_until(b'Z', 1);
        let (_, body) = messages.iter().find(|(tag, _)| *tag == b'E').unwrap();
        backend::error_fields(body)
            .unwrap()
            .into_iter()
            .map(|(code, value)| (char::from(code), String::from_utf8(value).unwrap()))
            .collect()
    }

    pub(crate) fn parse(&mut self, name: &str, text: &str) -> &mut Self {
        encode::parse(&mut self.out, name.as_bytes(), text, &[]);
        self
    }

    pub(crate) fn bind(&mut self, portal: &str, name: &str, params: &[Option<&str>]) -> &mut Self {
        encode::bind_text(&mut self.out, portal.as_bytes(), name.as_bytes(), params);
        self
    }

    pub(crate) fn describe(&mut self, kind: u8, name: &str) -> &mut Self {
        match kind {
            b'S' => encode::describe_statement(&mut self.out, name.as_bytes()),
            _ => encode::describe_portal(&mut self.out, name.as_bytes()),
        }
        self
    }

    pub(crate) fn execute(&mut self, portal: &str, max_rows: i32) -> &mut Self {
        encode::execute(&mut self.out, portal.as_bytes(), max_rows);
        self
    }

    pub(crate) fn sync(&mut self) -> &mut Self {
        encode::sync(&mut self.out);
        self
    }

    pub(crate) fn flush(&mut self) -> &mut Self {
        encode::flush(&mut self.out);
        self
    }

    pub(crate) fn raw(&mut self, tag: u8, body: &[u8]) -> &mut Self {
        encode::raw(&mut self.out, tag, body);
        self
    }

    /// P B D E S of an unnamed statement.
    pub(crate) fn extended(&mut self, text: &str, params: &[Option<&str>]) -> String {
        self.parse("", text)
            .bind("", "", params)
            .describe(b'P', "")
            .execute("", 0)
            .sync();
        self.shown(1)
    }
}
