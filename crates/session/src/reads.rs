//! What a statement reads from production is recorded before it runs, for agents whose reads the
//! configuration says to record. For all others this costs a look at an empty list.

use catalog::quote_literal;
use sql::{Asked, Context, Reading};
use tokio::io::AsyncWrite;
use wire::frame::frontend::Value;

use crate::conn::Failure;
use crate::own::{NOTE_READ, silent};
use crate::planner::Piece;
use crate::prepared::Kind;
use crate::queue::Want;
use crate::request::Requests;

const STATEMENT: &[u8] = b"pgdraft_reading";

/// The parameters of a Bind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Values<'b> {
    /// Their types, as far as they are known.
    pub(crate) types: &'b [u32],
    /// The values; `None` where they are streamed.
    pub(crate) given: Option<&'b [Value<'b>]>,
}

impl<W: AsyncWrite + Unpin> Requests<'_, W> {
    /// Whether the reads of this client are recorded.
    pub(crate) fn records_reads(&self) -> bool {
        let control = &self.conn.shared.control;
        control.records_reads(&self.conn.identity.name)
    }

    /// Whether a statement reads anything that is recorded.
    pub(crate) fn reads(&self, piece: &Piece) -> bool {
        self.records_reads() && !self.readings(piece).is_empty()
    }

    /// Records what a statement reads; before it is sent.
    pub(crate) async fn record_reads(
        &mut self,
        piece: &Piece,
        values: Values<'_>,
    ) -> Result<(), Failure> {
        if !self.records_reads() {
            return Ok(());
        }
        let readings = self.readings(piece);
        let stopped = {
            let lane = self.conn.lane();
            lane.status == b'E' || lane.replies.skipping()
        };
        if readings.is_empty() || stopped {
            return Ok(());
        }
        if self.session.sid == 0 {
            self.open_session().await?;
        }
        self.bind_session().await?;
        let statement = sql::redact(&piece.text);
        let whole = self.conn.shared.control.recording().conditions;
        for reading in readings {
            match query(&reading, (&statement, whole), &values) {
                Some((text, given)) => self.run_reading(&text, values.types, given),
                None => {
                    let relation = reading.relation().0.to_string();
                    let params = [Some(relation.as_str()), Some(statement.as_str())];
                    self.run_own(&NOTE_READ, &params, false, (None, Vec::new()));
                }
            }
        }
        Ok(())
    }

    fn readings(&self, piece: &Piece) -> Vec<Reading> {
        let shared = &self.conn.shared;
        let (_, view) = self.session.draft.view();
        let catalog = shared.control.catalog();
        let names = (&self.path[..], &*self.temporary);
        let context = Context::of_client((&catalog, &view), names, &shared.functions, true);
        let Some(name) = piece.executes() else {
            return sql::readings(&piece.text, &context);
        };
        let known = self.conn.lane().statements.get(name.as_bytes()).cloned();
        let readings = match known.as_ref().map(|known| &known.kind) {
            Some(Kind::Sql { piece: inner, .. }) => sql::readings(&inner.text, &context),
            _ => Vec::new(),
        };
        // its parameters stand in the EXECUTE
        readings
            .iter()
            .map(|reading| Reading::Table(reading.relation()))
            .collect()
    }

    fn run_reading(&mut self, text: &str, types: &[u32], values: &[Value<'_>]) {
        if self.expect(Want::Close, Some(silent())) {
            wire::encode::close_statement(&mut self.out, STATEMENT);
        }
        if self.expect(Want::Parse, Some(silent())) {
            wire::encode::parse(&mut self.out, STATEMENT, text, types);
        }
        if self.expect(Want::Bind, Some(silent())) {
            wire::encode::bind_values(&mut self.out, STATEMENT, STATEMENT, values);
        }
        if self.expect(Want::Execute, Some(silent())) {
            wire::encode::execute(&mut self.out, STATEMENT, 0);
        }
        if self.expect(Want::Close, Some(silent())) {
            wire::encode::close_portal(&mut self.out, STATEMENT);
        }
    }
}

/// The statement that records the rows, and by which condition they were found if that is kept; `None`
/// where they cannot be told: the table is noted then.
fn query<'b>(
    reading: &Reading,
    (statement, whole): (&str, bool),
    values: &Values<'b>,
) -> Option<(String, &'b [Value<'b>])> {
    let Reading::Rows {
        relation,
        text,
        key,
        stored,
        asked,
        parameters,
    } = reading
    else {
        return None;
    };
    let given = values.given?;
    let typed = values.types.len() >= given.len() && !values.types.contains(&0);
    if !parameters && !typed {
        return None;
    }
    let names = |prefix: &str, count: usize| -> Vec<String> {
        (0..count).map(|n| format!("{prefix}{n}")).collect()
    };
    let (keys, marks) = (names("k", *key).join(", "), names("s", *stored).join(", "));
    let asked = match whole {
        true => {
            let pieces: Vec<String> = asked.iter().map(piece).collect();
            format!("ARRAY[{}]", pieces.join(", "))
        }
        false => "NULL".to_owned(),
    };
    let text = format!(
        "SELECT pgdraft.note_read({}::pg_catalog.oid, {}, coalesce(pg_catalog.array_agg(r.k), '{{}}'), coalesce(pg_catalog.array_agg(r.m), '{{}}'), {asked}::pg_catalog.text[]) \
         FROM (SELECT pg_catalog.jsonb_build_array({keys}) AS k, pg_catalog.sha256(pg_catalog.record_send(ROW({marks}))) AS m \
         FROM ({text}) x ({keys}, {marks})) r",
        relation.0,
        quote_literal(statement),
    );
    Some((text, given))
}

/// A piece of the condition as `pgdraft.read_sets` has it. What stands in FROM comes first, so a parameter
/// has the type that the client's own condition gives it.
fn piece(asked: &Asked) -> String {
    match asked {
        Asked::Ours(text) => quote_literal(&format!("o{text}")),
        Asked::Column(name) => quote_literal(&format!("c{name}")),
        Asked::Value(text) => {
            format!("('v' OPERATOR(pg_catalog.||) ({text})::pg_catalog.text)")
        }
    }
}
