//! The admin console: the virtual database `pgdraft`, and every connection of a reviewer.
//!
//! There is no upstream connection behind it. One request after the other is answered, simple and
//! extended, so that any driver can use it; drivers' small talk (SET, SHOW, BEGIN,
//! `SELECT version()`) is answered too, everything else is refused.

mod smalltalk;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf as _, BytesMut};
use report::Report;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use wire::frame::frontend::{self as tag, Target};
use wire::startup::Client;

use crate::admin::console_only;
use crate::answer;
use crate::api::{AdminCommand, Answer, AnswerColumn, Identity};
use crate::cancel::{CancelSlot, Given};
use crate::conn::End;
use crate::pipeline::as_error;
use crate::shared::Shared;

/// Longest message of a console client, in bytes.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Steps of a running command that wait to be told.
const STEPS_MAX: usize = 64;

/// After so long without a new step the last one is told again.
const STILL: Duration = Duration::from_secs(5);

/// What a text asks of the console.
#[derive(Debug, Clone)]
enum Asked {
    Admin(Arc<AdminCommand>),
    Small(Arc<Answer>),
    Begin,
    End(&'static str),
    Empty,
}

impl Asked {
    fn columns(&self) -> &[AnswerColumn] {
        match self {
            Self::Admin(command) => &command.columns,
            Self::Small(answer) => &answer.columns,
            Self::Begin | Self::End(_) | Self::Empty => &[],
        }
    }
}

/// One console connection.
struct Console<'c> {
    shared: &'c Shared,
    identity: &'c Identity,
    session: Option<String>,
    statements: HashMap<Vec<u8>, Asked>,
    portals: HashMap<Vec<u8>, (Asked, Vec<i16>)>,
    /// `I`, `T` or `E`.
    status: u8,
    skipping: bool,
    /// Read from the client, not yet looked at.
    bytes: BytesMut,
    out: Vec<u8>,
    /// For those who want to cancel.
    slot: Arc<CancelSlot>,
}

/// Serves a console client from AuthenticationOk to its end.
pub(crate) async fn serve(
    client: &mut Client,
    shared: &Arc<Shared>,
    identity: &Identity,
    session: Option<String>,
) -> End {
    let mut console = Console {
        shared,
        identity,
        session,
        statements: HashMap::new(),
        portals: HashMap::new(),
        status: b'I',
        skipping: false,
        bytes: std::mem::take(&mut client.early),
        out: Vec::new(),
        slot: Arc::default(),
    };
    let mut greeting = Vec::new();
    for (name, setting) in smalltalk::settings(shared) {
        wire::encode::parameter_status(&mut greeting, name, &setting);
    }
    let given = Given::new(shared, Arc::clone(&console.slot), client.protocol_minor);
    if let Some(Given { key, .. }) = &given {
        wire::encode::backend_key(&mut greeting, key.pid, &key.key);
    }
    wire::encode::ready(&mut greeting, b'I');
    if wire::startup::welcome(client, &greeting).await.is_err() {
        return End::Lost;
    }
    console.run(client).await.unwrap_or(End::Lost)
}

impl Console<'_> {
    async fn run(&mut self, client: &mut Client) -> io::Result<End> {
        let mut drain = self.shared.drain.clone();
        loop {
            loop {
                let header = match wire::frame::header(&self.bytes) {
                    Ok(Some(header)) if header.body_len <= MESSAGE_BYTES_MAX => header,
                    Ok(None) => break,
                    Ok(Some(header)) => {
                        let error = wire::frame::Malformed::TooLong {
                            length: header.body_len,
                            limit: MESSAGE_BYTES_MAX,
                        };
                        return self.end(client, &error.report(), End::Told).await;
                    }
                    Err(error) => return self.end(client, &error.report(), End::Told).await,
                };
                if let Err(error) = tag::check_tag(header.tag) {
                    return self.end(client, &error.report(), End::Told).await;
                }
                if self.bytes.len() < header.message_len() {
                    break;
                }
                self.bytes.advance(wire::frame::HEADER_LEN);
                let body = self.bytes.split_to(header.body_len);
                if header.tag == tag::TERMINATE {
                    return Ok(End::Closed);
                }
                Box::pin(self.message(client, header.tag, &body)).await;
                if self.out.len() > MESSAGE_BYTES_MAX {
                    self.flush(client).await?;
                }
            }
            self.flush(client).await?;
            if *drain.borrow_and_update() && self.status == b'I' {
                let report = crate::reply::shutting_down();
                return self.end(client, &report, End::Drained).await;
            }
            tokio::select! {
                read = read(client, &mut self.bytes) => if read? == 0 {
                    return Ok(End::Lost);
                },
                Ok(()) = drain.changed() => {}
            }
        }
    }

    async fn flush(&mut self, client: &mut Client) -> io::Result<()> {
        client.stream.write_all(&self.out).await?;
        self.out.clear();
        client.stream.flush().await
    }

    async fn end(&mut self, client: &mut Client, report: &Report, end: End) -> io::Result<End> {
        wire::encode::error(&mut self.out, report);
        self.flush(client).await?;
        Ok(end)
    }

    async fn message(&mut self, client: &mut Client, kind: u8, body: &[u8]) {
        match kind {
            tag::SYNC => {
                self.skipping = false;
                if self.status == b'I' {
                    self.portals.clear();
                }
                return wire::encode::ready(&mut self.out, self.status);
            }
            _ if self.skipping => return,
            _ => {}
        }
        let done = match kind {
            tag::QUERY => {
                if let Err(report) = Box::pin(self.query(client, body)).await {
                    self.fail(&report);
                }
                return wire::encode::ready(&mut self.out, self.status);
            }
            tag::FUNCTION_CALL => {
                self.fail(&console_only());
                return wire::encode::ready(&mut self.out, self.status);
            }
            tag::PARSE => self.parse(body),
            tag::BIND => self.bind(body),
            tag::DESCRIBE => self.describe(body),
            tag::EXECUTE => Box::pin(self.execute(client, body)).await,
            tag::CLOSE => self.close(body),
            _ => Ok(()),
        };
        if let Err(report) = done {
            self.fail(&report);
            self.skipping = true;
        }
    }

    fn fail(&mut self, report: &Report) {
        self.shared.metrics.error(&report.code, true);
        tracing::info!(
            agent = self.identity.name,
            sqlstate = report.code,
            "refused"
        );
        wire::encode::error(&mut self.out, &as_error(report.clone()));
        if self.status == b'T' {
            self.status = b'E';
        }
    }

    /// What a text asks.
    fn asked(&self, text: &str) -> Result<Asked, Box<Report>> {
        if let Some(command) = self.shared.control.recognise(text) {
            return Ok(Asked::Admin(Arc::new(command)));
        }
        smalltalk::asked(text, self.shared, self.session.as_deref()).ok_or_else(|| {
            let unfinished = self.shared.control.unfinished(text);
            Box::new(unfinished.unwrap_or_else(console_only))
        })
    }

    async fn query(&mut self, client: &mut Client, body: &[u8]) -> Result<(), Box<Report>> {
        let text = tag::query(body).map_err(|error| Box::new(error.report()))?;
        let texts = self.texts(text);
        if texts.is_empty() {
            wire::encode::empty_query(&mut self.out);
        }
        for text in texts {
            let asked = self.asked(&text)?;
            let answer = self.run_asked(client, &asked).await?;
            answer::notices(&mut self.out, &answer);
            if !asked.columns().is_empty() {
                answer::describe(&mut self.out, asked.columns(), &[]);
            }
            answer::rows(&mut self.out, &answer, &[])?;
        }
        Ok(())
    }

    /// The statements of a Query. Beside a command that changes something there may only be small talk;
    /// commands that change nothing may come together.
    fn texts(&self, text: &str) -> Vec<String> {
        let control = &self.shared.control;
        let command = control.recognise(text);
        let parts = smalltalk::split(text);
        let commands: Vec<_> = parts.iter().filter_map(|p| control.recognise(p)).collect();
        let whole = command.is_some_and(|c| c.changes || !c.columns.is_empty());
        if whole || commands.len() > 1 && commands.iter().any(|c| c.changes) {
            return vec![text.to_owned()];
        }
        parts
    }

    async fn run_asked(
        &mut self,
        client: &mut Client,
        asked: &Asked,
    ) -> Result<Answer, Box<Report>> {
        if self.status == b'E' && !matches!(asked, Asked::End(_)) {
            return Err(Box::new(
                Report::error("25P02", "current transaction is aborted, commands ignored until end of transaction block")
                    .hint("Send ROLLBACK first."),
            ));
        }
        let tag = |tag: &str| Answer {
            tag: tag.to_owned(),
            ..Answer::default()
        };
        match asked {
            Asked::Admin(command) => {
                self.shared.metrics.statements.count("admin");
                self.run_admin(client, command).await
            }
            Asked::Small(answer) => Ok(answer.as_ref().clone()),
            Asked::Begin => {
                self.status = b'T';
                Ok(tag("BEGIN"))
            }
            Asked::End(word) => {
                let failed = self.status == b'E';
                self.status = b'I';
                Ok(tag(if failed { "ROLLBACK" } else { word }))
            }
            Asked::Empty => Ok(Answer::default()),
        }
    }

    /// Runs a command to its end, and tells the client how far it is. It is stopped where the client
    /// cancels it, or is gone.
    async fn run_admin(
        &mut self,
        client: &mut Client,
        command: &AdminCommand,
    ) -> Result<Answer, Box<Report>> {
        let (progress, mut steps) = mpsc::channel(STEPS_MAX);
        let control = Arc::clone(&self.shared.control);
        let session = self.session.clone();
        let slot = Arc::clone(&self.slot);
        let running = slot.command();
        let around = (&progress, &*running.stop);
        let mut done = control.admin(self.identity, session.as_deref(), command, around);
        let mut last: Option<Report> = None;
        let mut gone = false;
        let begun = Instant::now();
        let mut step_begun = begun;
        loop {
            tokio::select! {
                biased;
                Some(step) = steps.recv() => {
                    wire::encode::notice(&mut self.out, &step);
                    last = Some(step);
                    step_begun = Instant::now();
                }
                done = &mut done => return Ok(done?),
                () = tokio::time::sleep(STILL), if last.is_some() => {
                    if let Some(step) = &last {
                        let detail = format!(
                            "The command runs for {} seconds, this step for {}.",
                            begun.elapsed().as_secs(),
                            step_begun.elapsed().as_secs()
                        );
                        wire::encode::notice(&mut self.out, &step.clone().detail(detail));
                    }
                }
                read = read(client, &mut self.bytes), if !gone && self.bytes.len() < MESSAGE_BYTES_MAX => {
                    if read.map_or(true, |read| read == 0) {
                        gone = true;
                        running.stop.notify_one();
                    }
                }
            }
            // where the client is gone the answer is lost
            drop(self.flush(client).await);
        }
    }

    fn parse(&mut self, body: &[u8]) -> Result<(), Box<Report>> {
        let parse = tag::parse(body).map_err(|error| Box::new(error.report()))?;
        let asked = self.asked(parse.text)?;
        if self.statements.len() >= self.shared.limits().prepared_statements_max {
            return Err(Box::new(
                Report::error("54000", "too many prepared statements")
                    .hint("Close statements that are not needed any more."),
            ));
        }
        self.statements.insert(parse.name.to_vec(), asked);
        wire::encode::parse_complete(&mut self.out);
        Ok(())
    }

    fn bind(&mut self, body: &[u8]) -> Result<(), Box<Report>> {
        let bind = tag::bind(body).map_err(|error| Box::new(error.report()))?;
        let asked = self.statement(bind.statement)?.clone();
        self.portals
            .insert(bind.portal.to_vec(), (asked, bind.result_formats));
        wire::encode::bind_complete(&mut self.out);
        Ok(())
    }

    fn statement(&self, name: &[u8]) -> Result<&Asked, Box<Report>> {
        self.statements.get(name).ok_or_else(|| {
            let name = String::from_utf8_lossy(name);
            Box::new(
                Report::error(
                    "26000",
                    format!("prepared statement \"{name}\" does not exist"),
                )
                .hint("Prepare the statement first."),
            )
        })
    }

    fn portal(&self, name: &[u8]) -> Result<&(Asked, Vec<i16>), Box<Report>> {
        self.portals.get(name).ok_or_else(|| {
            let name = String::from_utf8_lossy(name);
            Box::new(
                Report::error("34000", format!("portal \"{name}\" does not exist"))
                    .hint("Bind the portal first."),
            )
        })
    }

    fn describe(&mut self, body: &[u8]) -> Result<(), Box<Report>> {
        let target = tag::describe(body).map_err(|error| Box::new(error.report()))?;
        let mut told = Vec::new();
        match target {
            Target::Statement(name) => {
                wire::encode::parameter_description(&mut told, &[]);
                answer::describe(&mut told, self.statement(name)?.columns(), &[]);
            }
            Target::Portal(name) => {
                let (asked, formats) = self.portal(name)?;
                answer::describe(&mut told, asked.columns(), formats);
            }
        }
        self.out.append(&mut told);
        Ok(())
    }

    async fn execute(&mut self, client: &mut Client, body: &[u8]) -> Result<(), Box<Report>> {
        let execute = tag::execute(body).map_err(|error| Box::new(error.report()))?;
        let (asked, formats) = self.portal(execute.portal)?.clone();
        if matches!(asked, Asked::Empty) {
            wire::encode::empty_query(&mut self.out);
            return Ok(());
        }
        let answer = self.run_asked(client, &asked).await?;
        answer::notices(&mut self.out, &answer);
        answer::rows(&mut self.out, &answer, &formats)
    }

    fn close(&mut self, body: &[u8]) -> Result<(), Box<Report>> {
        match tag::close(body).map_err(|error| Box::new(error.report()))? {
            Target::Statement(name) => drop(self.statements.remove(name)),
            Target::Portal(name) => drop(self.portals.remove(name)),
        }
        wire::encode::close_complete(&mut self.out);
        Ok(())
    }
}

async fn read(client: &mut Client, bytes: &mut BytesMut) -> io::Result<usize> {
    bytes.reserve(4096);
    client.stream.read_buf(bytes).await
}
