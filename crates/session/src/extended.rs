//! The extended protocol: Parse, Bind, Describe, Execute, Close of the client.
//!
//! Names are the client's own, one to one. A statement that is relayed goes through byte for
//! byte. For one that is rewritten PostgreSQL first describes the client's own text (once, then it
//! is cached), and the rewritten text is prepared with the parameter types found. What a plan
//! depended on is remembered; where it moved by the time of Bind, the statement is prepared again
//! behind the client's back.

use std::sync::Arc;

use report::Report;
use sql::{Effect, ParseFailure, Plan};
use tokio::io::AsyncWrite;
use wire::frame::frontend::{self, Target};

use crate::answer;
use crate::api::{AnswerColumn, Parameter, Statement};
use crate::conn::Failure;
use crate::fix::Positions;
use crate::limits::room;
use crate::limits::{self, Bound};
use crate::own::{RESERVED, silent};
use crate::pipeline::as_error;
use crate::planner::Piece;
use crate::prepare::{malformed, positions, upstream_text};
use crate::prepared::{Kind, Note, Portal, Prepared};
use crate::queue::{Fix, Rows, Want};
use crate::reads::Values;
use crate::request::{Requests, Stream};

fn local(local: Vec<u8>) -> Fix {
    Fix {
        local,
        ..Fix::default()
    }
}

pub(crate) fn not_reserved(name: &[u8]) -> Result<(), Failure> {
    if !name.starts_with(RESERVED) {
        return Ok(());
    }
    Err(
        Report::error("42602", "names beginning with pgdraft_ are reserved")
            .hint("Choose another name for the statement or portal.")
            .into(),
    )
}

impl<W: AsyncWrite + Unpin> Requests<'_, W> {
    /// One message of the extended protocol; returned is what becomes of its bytes.
    pub(crate) async fn extended(&mut self, kind: u8, body: &[u8]) -> Result<Stream, Failure> {
        match kind {
            frontend::PARSE => Box::pin(self.parse_message(body)).await,
            frontend::BIND => {
                let bind = frontend::bind(body).map_err(malformed)?;
                let names = (bind.portal, bind.statement);
                let body = (body.len(), Some(bind.rest));
                self.bind(names, body, &bind.result_formats).await
            }
            frontend::DESCRIBE => match frontend::describe(body).map_err(malformed)? {
                Target::Statement(name) => self.describe_statement(name).await,
                Target::Portal(name) => self.describe_portal(name),
            },
            frontend::EXECUTE => {
                let execute = frontend::execute(body).map_err(malformed)?;
                self.execute(execute.portal).await
            }
            frontend::CLOSE => match frontend::close(body).map_err(malformed)? {
                Target::Statement(name) => self.close_statement(name),
                Target::Portal(name) => self.close_portal(name),
            },
            _ => Ok(Stream::Discard),
        }
    }

    fn passes(&self, expected: bool) -> Stream {
        if expected {
            Stream::Pass
        } else {
            Stream::Discard
        }
    }

    async fn parse_message(&mut self, body: &[u8]) -> Result<Stream, Failure> {
        let parse = frontend::parse(body).map_err(|error| as_error(error.report()))?;
        self.in_limits(parse.text.len())?;
        not_reserved(parse.name)?;
        self.fit()?;
        self.room_for(parse.name)?;
        if let Some(command) = self.conn.shared.control.recognise(parse.text) {
            let kind = Kind::Admin(Arc::new(command));
            return self.install_local(&parse, kind);
        }
        let script = match self.parse(parse.text).await? {
            Ok(script) => script,
            Err(ParseFailure::Refused(report)) => return Err(report.into()),
            Err(ParseFailure::Syntax(_)) => {
                self.let_server_refuse(parse.text, &parse.types);
                return Ok(Stream::Discard);
            }
        };
        let piece = match script.as_ref() {
            [] => {
                return self.install(&parse, Kind::Empty, ("", &parse.types), Positions::Keep);
            }
            [piece] => piece.clone(),
            // PostgreSQL has its own words for two statements in one Parse
            _ => {
                self.let_server_refuse(parse.text, &parse.types);
                return Ok(Stream::Discard);
            }
        };
        let shift = shift_of(&parse, &piece);
        let (plan, stamp) = match self.decide_text(&piece).await {
            Err(Failure::Refused(report)) => {
                self.refuse_planned((&piece.text, &parse.types), shift, *report);
                return Ok(Stream::Discard);
            }
            other => other?,
        };
        if parse.types.iter().any(|t| *t != 0) {
            let shared = &self.conn.shared;
            sql::check_parameters(&shared.control.catalog(), &shared.functions, &parse.types)?;
        }
        let kind = |described| Kind::Sql {
            piece: piece.clone(),
            shift,
            plan: Arc::clone(&plan),
            stamp: stamp.clone(),
            described,
            lost: false,
        };
        match plan.as_ref() {
            Plan::SetOperation { .. } | Plan::ShowOwn { .. } => {
                self.install_local(&parse, kind(None))
            }
            Plan::Read(_) | Plan::Write(_) => {
                let described = self
                    .described(&piece, (parse.text, &parse.types, Positions::Keep), &stamp)
                    .await?;
                let types = described.parameters.clone();
                let text = (upstream_text(&plan, &piece), types.as_slice());
                self.install(&parse, kind(Some(described)), text, positions(&plan, shift))
            }
            Plan::Relay(_) | Plan::NeedsDraft(_) | Plan::NeedsCatalog => {
                let text = (parse.text, parse.types.as_slice());
                self.install(&parse, kind(None), text, Positions::Keep)
            }
        }
    }

    pub(crate) fn room_for(&self, name: &[u8]) -> Result<(), Failure> {
        let limit = self.conn.limits.prepared_statements_max;
        let lane = self.conn.lane();
        if let Some(known) = lane.statements.get(name) {
            if !name.is_empty() && known.is_local() {
                return Err(exists(name));
            }
            return Ok(());
        }
        if lane.statements.len() < limit {
            return Ok(());
        }
        self.conn.shared.metrics.bound(Bound::PreparedStatements);
        Err(limits::too_many_prepared(limit).into())
    }

    /// Installs a statement that upstream has with this text and these types.
    fn install(
        &mut self,
        parse: &frontend::Parse<'_>,
        kind: Kind,
        (text, types): (&str, &[u32]),
        positions: Positions,
    ) -> Result<Stream, Failure> {
        if self.conn.pooled && !parse.name.is_empty() {
            // upstream cannot tell: the name it is given is another
            let known = self.conn.lane().statements.contains_key(parse.name);
            if known {
                self.check_text(text, types, positions);
                return Err(exists(parse.name));
            }
        }
        let name = self.upstream_name(parse.name, text, types);
        let prepared = Prepared {
            types: parse.types.clone(),
            name: name.clone(),
            number: self.conn.shared.number(),
            made_by: None,
            kind,
        };
        let mut undo = self.hold(&prepared);
        let installed = self
            .conn
            .lane()
            .install(parse.name, Some(Arc::new(prepared)));
        undo.push(installed);
        let fix = Fix {
            undo,
            positions,
            ..Fix::default()
        };
        if self.expect(Want::Parse, Some(fix)) {
            wire::encode::parse(&mut self.out, &name, text, types);
        }
        Ok(Stream::Discard)
    }

    /// Installs a statement that the proxy answers by itself.
    fn install_local(
        &mut self,
        parse: &frontend::Parse<'_>,
        kind: Kind,
    ) -> Result<Stream, Failure> {
        if !parse.name.is_empty() && self.conn.lane().statements.contains_key(parse.name) {
            return Err(exists(parse.name));
        }
        let mut told = Vec::new();
        wire::encode::parse_complete(&mut told);
        let prepared = Prepared {
            types: parse.types.clone(),
            name: parse.name.to_vec(),
            number: self.conn.shared.number(),
            made_by: None,
            kind,
        };
        let undo = vec![
            self.conn
                .lane()
                .install(parse.name, Some(Arc::new(prepared))),
        ];
        self.expect_local(Fix {
            undo,
            ..local(told)
        });
        Ok(Stream::Discard)
    }

    /// An answer of our own inside an extended group: the client may wait for it with Flush alone.
    fn expect_local(&mut self, fix: Fix) {
        self.expect(Want::Local, Some(fix));
    }

    /// A Bind: `formats` of its results matter for answers of our own alone.
    /// `length` is that of the message's body, `rest` what follows the names where that is there.
    pub(crate) async fn bind(
        &mut self,
        (portal, statement): (&[u8], &[u8]),
        (length, rest): (usize, Option<&[u8]>),
        formats: &[i16],
    ) -> Result<Stream, Failure> {
        not_reserved(portal)?;
        not_reserved(statement)?;
        let known = self.conn.lane().statements.get(statement).cloned();
        let Some(prepared) = known else {
            self.take_away(statement);
            let expected = self.expect(Want::Bind, None);
            return Ok(self.passes(expected));
        };
        if prepared.is_local() {
            let undo = vec![self.open_portal(portal, prepared, formats)];
            let mut told = Vec::new();
            wire::encode::bind_complete(&mut told);
            self.expect_local(Fix {
                undo,
                ..local(told)
            });
            return Ok(Stream::Discard);
        }
        let prepared = self.up_to_date(statement, prepared).await?;
        self.record_bound(&prepared, rest).await?;
        let prepared = self.ensure(statement, prepared);
        let name = prepared.name.clone();
        let mut fix = Fix::default();
        if let Kind::Sql {
            plan, shift, piece, ..
        } = &prepared.kind
        {
            let agent = &self.conn.identity.name;
            room(&self.conn.shared, agent, plan).map_err(Failure::Refused)?;
            if let Plan::Write(write) = plan.as_ref() {
                let tables = self.head_numbers(&write.changes);
                let parameters = rest.and_then(|rest| parameters(&prepared, rest));
                let statement = Statement {
                    text: &piece.text,
                    parameters: parameters.as_deref(),
                };
                self.begin_write(write, &tables, &statement);
            }
            fix.positions = positions(plan, *shift);
        }
        fix.undo = vec![self.open_portal(portal, prepared, formats)];
        if name != statement {
            fix.statement = Some(Box::new((name.clone(), statement.to_vec())));
        }
        if !self.expect(Want::Bind, Some(fix)) {
            return Ok(Stream::Discard);
        }
        if name == statement {
            return Ok(Stream::Pass);
        }
        let names = portal.len() + statement.len() + 2;
        wire::encode::bind_names(&mut self.out, portal, &name, length - names);
        Ok(Stream::Tail(wire::frame::HEADER_LEN + names))
    }

    /// Records what a statement reads with these parameters.
    async fn record_bound(
        &mut self,
        prepared: &Prepared,
        rest: Option<&[u8]>,
    ) -> Result<(), Failure> {
        let Kind::Sql { piece, .. } = &prepared.kind else {
            return Ok(());
        };
        if !self.records_reads() {
            return Ok(());
        }
        let given = rest.and_then(|rest| frontend::values(rest).ok());
        let values = Values {
            types: types(prepared),
            given: given.as_deref(),
        };
        self.record_reads(piece, values).await
    }

    fn open_portal(
        &self,
        name: &[u8],
        prepared: Arc<Prepared>,
        formats: &[i16],
    ) -> crate::prepared::Undo {
        let mut lane = self.conn.lane();
        let portal = Portal {
            prepared,
            formats: formats.into(),
            group: lane.replies.group() + 1,
        };
        lane.open(name, Some(portal))
    }

    async fn describe_statement(&mut self, name: &[u8]) -> Result<Stream, Failure> {
        not_reserved(name)?;
        let known = self.conn.lane().statements.get(name).cloned();
        let known = match known {
            // what its names mean may have changed; what writes or locks is planned again when it is bound
            Some(prepared) if prepared.is_read() => Some(self.up_to_date(name, prepared).await?),
            other => other,
        };
        let fix = match known.as_ref().map(|prepared| &prepared.kind) {
            Some(kind) if known.as_ref().is_some_and(|known| known.is_local()) => {
                let mut told = Vec::new();
                wire::encode::parameter_description(&mut told, &[]);
                answer::describe(&mut told, &local_columns(kind), &[]);
                self.expect_local(local(told));
                return Ok(Stream::Discard);
            }
            Some(Kind::Sql {
                described: Some(described),
                ..
            }) => Some(Fix {
                rows: Rows::Statement(Arc::clone(described)),
                ..Fix::default()
            }),
            _ => None,
        };
        if known.is_none() {
            self.take_away(name);
        }
        let known = known.map(|prepared| self.ensure(name, prepared));
        let name = known.as_ref().map_or(name, |prepared| &prepared.name);
        if self.expect(Want::Describe, fix) {
            wire::encode::describe_statement(&mut self.out, name);
        }
        Ok(Stream::Discard)
    }

    /// What we, or another client, left upstream without a name is not the client's.
    fn take_away(&mut self, name: &[u8]) {
        if name.is_empty() && self.expect(Want::Close, Some(silent())) {
            wire::encode::close_statement(&mut self.out, b"");
        }
    }

    fn describe_portal(&mut self, name: &[u8]) -> Result<Stream, Failure> {
        not_reserved(name)?;
        let known = self.conn.lane().portals.get(name).cloned();
        let fix = match &known {
            Some(portal) if portal.prepared.is_local() => {
                let mut told = Vec::new();
                let columns = local_columns(&portal.prepared.kind);
                answer::describe(&mut told, &columns, &portal.formats);
                self.expect_local(local(told));
                return Ok(Stream::Discard);
            }
            Some(portal) => match &portal.prepared.kind {
                Kind::Sql {
                    described: Some(described),
                    ..
                } => Some(Fix {
                    rows: Rows::Portal(Arc::clone(described)),
                    ..Fix::default()
                }),
                _ => None,
            },
            None => None,
        };
        let expected = self.expect(Want::Describe, fix);
        Ok(self.passes(expected))
    }

    async fn execute(&mut self, name: &[u8]) -> Result<Stream, Failure> {
        not_reserved(name)?;
        let portal = self.conn.lane().portals.get(name).cloned();
        let Some(portal) = portal else {
            let expected = self.expect(Want::Execute, None);
            return Ok(self.passes(expected));
        };
        let (plan, shift) = match &portal.prepared.kind {
            Kind::Admin(command) => {
                self.admin_execute(command, &portal.formats).await?;
                return Ok(Stream::Discard);
            }
            Kind::Empty => {
                let expected = self.expect(Want::Execute, None);
                return Ok(self.passes(expected));
            }
            Kind::Sql { plan, shift, .. } => (Arc::clone(plan), *shift),
        };
        let fix = match plan.as_ref() {
            Plan::SetOperation { value, local: here } => {
                let (undo, told) = self.set_operation(value.as_deref(), *here);
                let undo = vec![undo];
                self.expect_local(Fix {
                    undo,
                    ..local(told)
                });
                return Ok(Stream::Discard);
            }
            Plan::ShowOwn { name } => {
                let mut told = Vec::new();
                answer::rows(&mut told, &self.show_own(name), &portal.formats)?;
                self.expect_local(local(told));
                return Ok(Stream::Discard);
            }
            Plan::Relay(relay) if relay.effect == Effect::None => None,
            Plan::Relay(relay) => Some(Fix {
                undo: self.take_effect(&relay.effect),
                note: (relay.effect == Effect::Transaction).then_some(Note::Transaction),
                ..Fix::default()
            }),
            Plan::Write(write) => Some(Fix {
                positions: positions(&plan, shift),
                ..self.written(write)
            }),
            Plan::Read(read) => Some(Fix {
                positions: positions(&plan, shift),
                undo: self.take_effect(&read.effect),
                verb: read.effect.verb(),
                ..Fix::default()
            }),
            Plan::NeedsDraft(_) | Plan::NeedsCatalog => None,
        };
        let counted = matches!(plan.as_ref(), Plan::Write(write) if write.counted);
        let expected = self.expect(Want::Execute, fix);
        if let Kind::Sql { piece, .. } = &portal.prepared.kind
            && let Some((prepared, inner)) = piece.prepares()
        {
            if expected {
                wire::encode::execute(&mut self.out, name, 0);
            }
            self.note_prepared(prepared, &piece.text, &inner).await?;
            return Ok(Stream::Discard);
        }
        if expected && counted {
            // a row limit is for rows that the client sees; there are none
            wire::encode::execute(&mut self.out, name, 0);
            return Ok(Stream::Discard);
        }
        Ok(self.passes(expected))
    }

    fn close_statement(&mut self, name: &[u8]) -> Result<Stream, Failure> {
        not_reserved(name)?;
        let mut lane = self.conn.lane();
        if name.is_empty() {
            lane.held.unnamed = 0;
        }
        // others may use it on a shared connection, where its name is not the client's
        let stays = |known: &Arc<Prepared>| known.is_local() || known.name != name;
        let is_local = lane.statements.get(name).is_some_and(stays);
        let undo = vec![lane.install(name, None)];
        drop(lane);
        Ok(self.close(is_local, undo))
    }

    fn close_portal(&mut self, name: &[u8]) -> Result<Stream, Failure> {
        not_reserved(name)?;
        let mut lane = self.conn.lane();
        let known = lane.portals.get(name);
        let is_local = known.is_some_and(|portal| portal.prepared.is_local());
        let undo = vec![lane.open(name, None)];
        drop(lane);
        Ok(self.close(is_local, undo))
    }

    fn close(&mut self, is_local: bool, undo: Vec<crate::prepared::Undo>) -> Stream {
        if is_local {
            let mut told = Vec::new();
            wire::encode::close_complete(&mut told);
            self.expect_local(Fix {
                undo,
                ..local(told)
            });
            return Stream::Discard;
        }
        let fix = Fix {
            undo,
            ..Fix::default()
        };
        let expected = self.expect(Want::Close, Some(fix));
        self.passes(expected)
    }
}

fn exists(name: &[u8]) -> Failure {
    let name = String::from_utf8_lossy(name);
    Report::error(
        "42P05",
        format!("prepared statement \"{name}\" already exists"),
    )
    .hint("Close the statement first, or use another name.")
    .into()
}

/// Characters before the statement in the client's text.
fn shift_of(parse: &frontend::Parse<'_>, piece: &Piece) -> usize {
    let before = parse.text.get(..piece.range.start).unwrap_or_default();
    before.chars().count()
}

/// Columns of what the proxy answers by itself.
fn local_columns(kind: &Kind) -> Vec<AnswerColumn> {
    match kind {
        Kind::Admin(command) => command.columns.clone(),
        Kind::Sql { plan, .. } => match plan.as_ref() {
            Plan::ShowOwn { name } => crate::admin::own_columns(name),
            _ => Vec::new(),
        },
        Kind::Empty => Vec::new(),
    }
}

/// The values of a Bind with their types.
fn parameters<'b>(prepared: &Prepared, rest: &'b [u8]) -> Option<Vec<Parameter<'b>>> {
    let types = types(prepared);
    let values = frontend::values(rest).ok()?;
    let typed = values.into_iter().enumerate();
    Some(
        typed
            .map(|(n, (binary, value))| Parameter {
                type_id: types.get(n).copied().unwrap_or(0),
                binary,
                value,
            })
            .collect(),
    )
}

/// Types of its parameters, as far as they are known.
fn types(prepared: &Prepared) -> &[u32] {
    match &prepared.kind {
        Kind::Sql {
            described: Some(described),
            ..
        } => &described.parameters,
        _ => &prepared.types,
    }
}
