//! One side of a comparison: its connections and what they have prepared.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Result;

use super::case::{Expect, Step};
use crate::wire::{Connection, Exchange, Format, Login, Prepared};

/// How statements are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Simple protocol.
    Simple,
    /// Extended protocol, unnamed statement, one flight, text results.
    Text,
    /// Extended protocol, Describe first, binary parameters and results.
    Binary,
    /// Named statements, prepared at the first use of a text and kept; what does not insert is
    /// executed twice.
    Prepared,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Simple, Self::Text, Self::Binary, Self::Prepared];

    /// Its name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Text => "text",
            Self::Binary => "binary",
            Self::Prepared => "prepared",
        }
    }
}

/// What a step gave: an exchange for each time it was run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome(pub Vec<Exchange>);

/// The connections of one side.
#[derive(Debug)]
pub struct Lane {
    login: Login,
    role: Option<&'static str>,
    connections: HashMap<usize, Peer>,
}

#[derive(Debug)]
struct Peer {
    connection: Connection,
    prepared: HashMap<String, Prepared>,
    /// How often a text was prepared: one that could not be described has its name all the same.
    tries: HashMap<String, usize>,
}

impl Lane {
    /// A side whose connections are all made with this login.
    pub fn new(login: Login) -> Self {
        Self {
            login,
            role: None,
            connections: HashMap::new(),
        }
    }

    /// The same with that role's rights.
    pub fn as_role(mut self, role: &'static str) -> Self {
        self.role = Some(role);
        self
    }

    /// Closes all connections.
    pub fn close(&mut self) {
        for (_, mut peer) in self.connections.drain() {
            let _ = peer.connection.send(b'X', crate::wire::Body::new());
            peer.connection.shut_write();
            peer.connection
                .set_patience(std::time::Duration::from_secs(10));
            let _ = peer.connection.drain();
        }
    }

    /// Runs a step.
    ///
    /// # Errors
    /// Where the connection is lost or gives no answer in time.
    pub fn run(&mut self, step: &Step, mode: Mode) -> Result<Outcome> {
        let peer = self.peer(step.connection)?;
        let simple = step.batch || step.copy.is_some() || starts_with(&step.text, &["COPY"]);
        let mode = match mode {
            _ if simple => Mode::Simple,
            Mode::Simple if !step.parameters.is_empty() => Mode::Text,
            other => other,
        };
        let outcome = match mode {
            Mode::Simple => vec![
                peer.connection
                    .simple_with(&step.text, step.copy.as_deref())?,
            ],
            Mode::Text => vec![peer.connection.extended(&step.text, &step.parameters)?],
            Mode::Binary => match peer.connection.prepare("", &step.text)? {
                Err(refused) => vec![refused],
                Ok(prepared) => {
                    vec![
                        peer.connection
                            .execute(&prepared, &step.parameters, Format::Binary)?,
                    ]
                }
            },
            Mode::Prepared => peer.run_prepared(step)?,
        };
        Ok(Outcome(outcome))
    }

    /// Transaction status of a connection; idle where there is none yet.
    pub fn status(&self, connection: usize) -> u8 {
        self.connections
            .get(&connection)
            .map_or(b'I', |peer| peer.connection.status)
    }

    /// Makes the transaction fail that a connection is in.
    ///
    /// # Errors
    /// Where the connection is lost.
    pub fn fail_transaction(&mut self, connection: usize) -> Result<()> {
        self.peer(connection)?.connection.simple("SELECT 1 / 0")?;
        Ok(())
    }

    fn peer(&mut self, number: usize) -> Result<&mut Peer> {
        if !self.connections.contains_key(&number) {
            let mut connection = Connection::open(&self.login)?;
            if let Some(role) = self.role {
                connection.simple(&format!("SET ROLE {role}"))?;
            }
            let peer = Peer {
                connection,
                prepared: HashMap::new(),
                tries: HashMap::new(),
            };
            self.connections.insert(number, peer);
        }
        Ok(self.connections.get_mut(&number).expect("just made"))
    }
}

impl Peer {
    fn run_prepared(&mut self, step: &Step) -> Result<Vec<Exchange>> {
        let prepared = match self.prepared.get(&step.text) {
            Some(prepared) => prepared.clone(),
            None => {
                let tries = self.tries.entry(step.text.clone()).or_default();
                *tries += 1;
                // the same where steps before it were not asked of both sides
                let mut hasher = DefaultHasher::new();
                step.text.hash(&mut hasher);
                let name = format!("s{:x}_{tries}", hasher.finish());
                match self.connection.prepare(&name, &step.text)? {
                    Err(refused) => return Ok(vec![refused]),
                    Ok(prepared) => {
                        self.prepared.insert(step.text.clone(), prepared.clone());
                        prepared
                    }
                }
            }
        };
        let again = ["SELECT", "VALUES", "TABLE", "WITH", "UPDATE", "DELETE"];
        // Where a refusal is let through each run has to be asked for by itself.
        let twice = step.expect != Expect::AnyOrRefusal;
        let times = if twice && starts_with(&step.text, &again) {
            2
        } else {
            1
        };
        if starts_with(&step.text, &["DISCARD", "DEALLOCATE"]) {
            self.prepared.clear();
        }
        (0..times)
            .map(|_| {
                self.connection
                    .execute(&prepared, &step.parameters, Format::Text)
            })
            .collect()
    }
}

fn starts_with(text: &str, words: &[&str]) -> bool {
    let first = text
        .trim_start_matches(['(', ' '])
        .split(|c: char| !c.is_ascii_alphabetic())
        .next()
        .unwrap_or("");
    words.iter().any(|w| w.eq_ignore_ascii_case(first))
}
