//! PREPARE and EXECUTE as statements of SQL.
//!
//! They share their names with the protocol's prepared statements, here as upstream: a PREPARE goes
//! upstream as it is, and from then on the statement is one of [`Kind::Sql`] like those that a Parse
//! made. Before an EXECUTE what it runs is brought up to date, prepared anew under its name where a
//! table has been changed meanwhile; the client's EXECUTE then goes upstream as it is.

use std::sync::Arc;

use report::Report;
use sql::{Effect, Plan};
use tokio::io::AsyncWrite;

use crate::api::Statement;
use crate::conn::Failure;
use crate::extended::not_reserved;
use crate::fix::{Described, Positions};
use crate::planner::{Piece, Stamp};
use crate::prepare::positions;
use crate::prepared::{Kind, Prepared};
use crate::queue::{Fix, Rows, Want};
use crate::request::Requests;

impl<W: AsyncWrite + Unpin> Requests<'_, W> {
    /// The plan of an EXECUTE: that of what it runs, with the EXECUTE's text.
    pub(crate) async fn decide_execute(
        &mut self,
        piece: &Piece,
        name: &str,
    ) -> Result<(Arc<Plan>, Stamp), Failure> {
        let own = self.decide_own(piece).await?;
        not_reserved(name.as_bytes())?;
        let known = self.conn.lane().statements.get(name.as_bytes()).cloned();
        let Some(known) = known else {
            // upstream does not know it either, and says so when it is run
            return Ok(own);
        };
        if let Kind::Sql { piece: inner, .. } = &known.kind
            && inner.executes().is_some()
        {
            return Err(executes_another(name).into());
        }
        let known = self.adopt(name, known);
        let prepared = self.up_to_date(name.as_bytes(), known).await?;
        match &prepared.kind {
            Kind::Sql { plan, stamp, .. } => {
                let own = piece.parsed.as_ref().map(|s| s.executing(plan));
                Ok((own.unwrap_or_else(|| Arc::clone(plan)), stamp.clone()))
            }
            Kind::Empty => Ok(own),
            Kind::Admin(_) => Err(
                Report::error("0A000", "EXECUTE cannot run an admin command")
                    .hint("send the command itself")
                    .into(),
            ),
        }
    }

    /// A statement that upstream has under a name made from its text gets the client's name, which
    /// the EXECUTE says. It stays on this server connection from now on, and the client with it.
    fn adopt(&mut self, name: &str, known: Arc<Prepared>) -> Arc<Prepared> {
        if !self.conn.pooled || !known.is_shared() || known.is_local() {
            return known;
        }
        let own = known.lost(name.as_bytes());
        let mut lane = self.conn.lane();
        lane.pinned = lane.pinned.or(Some("PREPARE"));
        lane.install(name.as_bytes(), Some(Arc::clone(&own)));
        own
    }

    /// PREPARE went upstream: what came of it is learned, and kept under its name.
    pub(crate) async fn note_prepared(
        &mut self,
        name: &str,
        made_by: &Arc<str>,
        inner: &Piece,
    ) -> Result<(), Failure> {
        let described = self.described_upstream(name.as_bytes()).await?;
        let relay = Plan::Relay(sql::Relay {
            effect: Effect::None,
        });
        let prepared = Prepared {
            types: described.parameters.clone(),
            name: name.as_bytes().to_vec(),
            number: self.conn.shared.number(),
            made_by: Some(Arc::clone(made_by)),
            kind: Kind::Sql {
                piece: inner.clone(),
                shift: 0,
                // upstream has the client's text, made under no conditions of ours
                plan: Arc::new(relay),
                stamp: Stamp::never(),
                described: None,
                lost: false,
            },
        };
        self.conn
            .lane()
            .install(name.as_bytes(), Some(Arc::new(prepared)));
        Ok(())
    }

    /// What an EXECUTE returns, where what it runs was rewritten.
    pub(crate) fn executed(&self, piece: &Piece) -> Option<Arc<Described>> {
        let name = piece.executes().filter(|_| piece.returns_executed())?;
        let known = self.conn.lane().statements.get(name.as_bytes()).cloned();
        match &known?.kind {
            Kind::Sql {
                described: Some(described),
                ..
            } => Some(Arc::new(Described {
                parameters: Vec::new(),
                fields: described.fields.clone(),
            })),
            _ => None,
        }
    }

    /// An EXECUTE and, as a comment, what it runs.
    fn executed_text(&self, piece: &Piece) -> String {
        let name = piece.executes().unwrap_or_default();
        let known = self.conn.lane().statements.get(name.as_bytes()).cloned();
        match known.as_ref().map(|known| &known.kind) {
            Some(Kind::Sql { piece: inner, .. }) => format!("{} /* {} */", piece.text, inner.text),
            _ => piece.text.to_string(),
        }
    }

    /// Sends an EXECUTE of a rewritten statement for a Query.
    pub(crate) fn run_prepared(&mut self, piece: &Piece, plan: &Arc<Plan>, shift: usize) {
        let execute = match plan.as_ref() {
            Plan::Write(write) => {
                self.count_statement("write", &piece.text);
                let tables = self.head_numbers(&write.changes);
                let text = self.executed_text(piece);
                self.begin_write(write, &tables, &Statement::whole(&text));
                self.written(write)
            }
            Plan::Read(read) => {
                self.count_statement("read", &piece.text);
                Fix {
                    undo: self.take_effect(&read.effect),
                    ..Fix::default()
                }
            }
            _ => Fix::default(),
        };
        let fix = || Fix {
            swallow: true,
            positions: positions(plan, shift),
            ..Fix::default()
        };
        if self.expect(Want::Parse, Some(fix())) {
            wire::encode::parse(&mut self.out, b"", &piece.text, &[]);
        }
        if self.expect(Want::Bind, Some(fix())) {
            wire::encode::bind_text(&mut self.out, b"", b"", &[]);
        }
        let rows = match self.executed(piece) {
            Some(described) if described.fields.is_none() => None,
            Some(described) => Some(Rows::Portal(described)),
            None => Some(Rows::NoNoData),
        };
        if let Some(rows) = rows {
            let fix = Fix {
                rows,
                positions: Positions::Drop,
                ..Fix::default()
            };
            if self.expect(Want::Describe, Some(fix)) {
                wire::encode::describe_portal(&mut self.out, b"");
            }
        }
        let execute = Fix {
            positions: positions(plan, shift),
            ..execute
        };
        if self.expect(Want::Execute, Some(execute)) {
            wire::encode::execute(&mut self.out, b"", 0);
        }
    }
}

/// A Parse, other than PREPARE, may hold an EXECUTE: of others without end, of itself even.
fn executes_another(name: &str) -> Report {
    Report::error("0A000", "EXECUTE of a prepared EXECUTE is not supported")
        .detail(format!(
            "Prepared statement \"{name}\" executes another one."
        ))
        .hint("Prepare the statement itself, not an EXECUTE of it.")
}
