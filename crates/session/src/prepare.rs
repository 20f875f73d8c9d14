//! Prepared statements whose text upstream is not the client's.

use std::sync::Arc;

use report::Report;
use sql::Plan;
use tokio::io::AsyncWrite;

use crate::conn::Failure;
use crate::fix::{Described, Positions};
use crate::own::{capture, silent};
use crate::pipeline::as_error;
use crate::planner::{Piece, Stamp};
use crate::prepared::{Kind, Name, Prepared, Undo};
use crate::queue::{Captured, Fix, Want};
use crate::request::Requests;

/// Settings under which PostgreSQL reads the constants of a text as it is prepared: one prepared under others
/// is another statement.
const READ_UNDER: [&str; 5] = [
    "client_encoding",
    "DateStyle",
    "IntervalStyle",
    "standard_conforming_strings",
    "TimeZone",
];

/// The name under which a client's own text is described.
const DESCRIBED: &[u8] = b"pgdraft_described";

/// A message that has not the form it must have: only it fails.
pub(crate) fn malformed(error: wire::frame::Malformed) -> Failure {
    as_error(error.report()).into()
}

impl<W: AsyncWrite + Unpin> Requests<'_, W> {
    /// What PostgreSQL says of the client's own text.
    pub(crate) async fn described(
        &mut self,
        piece: &Piece,
        (text, types, positions): (&str, &[u32], Positions),
        stamp: &Stamp,
    ) -> Result<Arc<Described>, Failure> {
        if let Some(described) = self.executed(piece) {
            return Ok(described);
        }
        let shared = &self.conn.shared;
        if let Some(described) = shared.plans.described(piece, types, stamp) {
            return Ok(described);
        }
        let timer = shared.metrics.describe.start_timer();
        let _phase = self.conn.phase("describe");
        let (capture, answer) = capture();
        self.parse_aside(text, types, positions);
        let fix = Fix {
            capture: Some(capture),
            ..silent()
        };
        if self.expect(Want::Describe, Some(fix)) {
            wire::encode::describe_statement(&mut self.out, DESCRIBED);
        }
        if self.expect(Want::Close, Some(silent())) {
            wire::encode::close_statement(&mut self.out, DESCRIBED);
        }
        wire::encode::flush(&mut self.out);
        let Some(got) = self.answer(answer).await? else {
            return Err(Failure::Told);
        };
        timer.observe_duration();
        let described = Arc::new(description(&got)?);
        self.conn
            .shared
            .plans
            .keep_described(piece, types, stamp, &described);
        Ok(described)
    }

    /// Lets PostgreSQL say what is wrong with a text, before anything else that may be.
    pub(crate) fn check_text(&mut self, text: &str, types: &[u32], positions: Positions) {
        self.parse_aside(text, types, positions);
        if self.expect(Want::Close, Some(silent())) {
            wire::encode::close_statement(&mut self.out, DESCRIBED);
        }
    }

    /// Prepares a text under a name of our own; an error in it is the client's.
    fn parse_aside(&mut self, text: &str, types: &[u32], positions: Positions) {
        if self.expect(Want::Close, Some(silent())) {
            wire::encode::close_statement(&mut self.out, DESCRIBED);
        }
        let fix = Fix {
            swallow: true,
            positions,
            ..Fix::default()
        };
        if self.expect(Want::Parse, Some(fix)) {
            wire::encode::parse(&mut self.out, DESCRIBED, text, types);
        }
    }

    /// The statement as it has to run now: planned anew, and prepared anew where that made a
    /// difference.
    pub(crate) async fn up_to_date(
        &mut self,
        name: &[u8],
        prepared: Arc<Prepared>,
    ) -> Result<Arc<Prepared>, Failure> {
        let Kind::Sql {
            piece,
            shift,
            plan: old,
            stamp: old_stamp,
            lost,
            ..
        } = &prepared.kind
        else {
            return Ok(prepared);
        };
        self.count_statement(kind_of(old), &piece.text);
        let (plan, stamp) = self.decide_alone(piece).await?;
        let shared = self.conn.pooled && prepared.is_shared();
        // where others use it too its name says what the names in it mean
        let alike = is_relayed_alike(old, &plan) && (!shared || stamp.path == old_stamp.path);
        if (stamp == *old_stamp || alike) && !lost {
            return Ok(prepared);
        }
        if stamp.means_otherwise(old_stamp) {
            self.same_result(&prepared, &stamp).await?;
        }
        let same = !lost && upstream_text(&plan, piece) == upstream_text(old, piece);
        // found in the cache unless the names in it may mean something else now
        let described = match plan.as_ref() {
            Plan::Read(_) | Plan::Write(_) => {
                let text = (&*piece.text, &*prepared.types, Positions::Keep);
                Some(self.described(piece, text, &stamp).await?)
            }
            _ => None,
        };
        let types = described
            .as_ref()
            .map_or_else(|| prepared.types.clone(), |found| found.parameters.clone());
        let renewed = Arc::new(Prepared {
            types: prepared.types.clone(),
            name: if shared {
                self.upstream_name(name, upstream_text(&plan, piece), &types)
            } else {
                name.to_vec()
            },
            // a statement without a name is known upstream by its number
            number: Some(prepared.number)
                .filter(|_| same)
                .unwrap_or_else(|| self.conn.shared.number()),
            made_by: prepared.made_by.clone(),
            kind: Kind::Sql {
                piece: piece.clone(),
                shift: *shift,
                plan: Arc::clone(&plan),
                stamp,
                described,
                lost: false,
            },
        });
        let undo = {
            let mut lane = self.conn.lane();
            if lane.replies.skipping() {
                // what came before has failed meanwhile, a Parse of this name perhaps: the name is
                // what it was again
                return Err(Failure::Told);
            }
            if !same && !shared {
                // should the new text not be taken, upstream has none under this name
                lane.install(name, Some(prepared.lost(name)));
            }
            lane.install(name, Some(Arc::clone(&renewed)))
        };
        if same || shared {
            // nothing was sent, so nothing can fail
            return Ok(renewed);
        }
        let text = upstream_text(&plan, piece);
        self.prepare_again(name, (text, &types), positions(&plan, *shift), undo);
        Ok(renewed)
    }

    /// The client knows what columns to expect from when the statement was prepared, so it fails where
    /// the names in it mean something else now that has others
    /// ([caching of plans](https://www.postgresql.org/docs/current/sql-prepare.html)).
    async fn same_result(&mut self, prepared: &Prepared, stamp: &Stamp) -> Result<(), Failure> {
        let Kind::Sql {
            piece,
            described,
            stamp: old,
            ..
        } = &prepared.kind
        else {
            return Ok(());
        };
        let plans = &self.conn.shared.plans;
        let kept = || plans.described(piece, &prepared.types, old);
        let before = match described.clone().or_else(kept) {
            Some(before) => before,
            None if self.is_upstream(prepared) => self.described_upstream(&prepared.name).await?,
            None => return Ok(()),
        };
        let text = (&*piece.text, &*prepared.types, Positions::Keep);
        let now = self.described(piece, text, stamp).await?;
        if before.has_columns_of(&now) {
            return Ok(());
        }
        let told = "cached plan must not change result type";
        Err(Report::error("0A000", told)
            .hint("The tables it names are others now, or their columns changed: prepare it again.")
            .into())
    }

    /// What upstream says of a statement that it has.
    pub(crate) async fn described_upstream(
        &mut self,
        name: &[u8],
    ) -> Result<Arc<Described>, Failure> {
        let (capture, answer) = capture();
        let fix = Fix {
            capture: Some(capture),
            swallow: true,
            ..Fix::default()
        };
        if self.expect(Want::Describe, Some(fix)) {
            wire::encode::describe_statement(&mut self.out, name);
        }
        wire::encode::flush(&mut self.out);
        match self.answer(answer).await? {
            Some(got) => Ok(Arc::new(description(&got)?)),
            None => Err(Failure::Told),
        }
    }

    fn prepare_again(
        &mut self,
        name: &[u8],
        (text, types): (&str, &[u32]),
        positions: Positions,
        undo: Undo,
    ) {
        if self.expect(Want::Close, Some(silent())) {
            wire::encode::close_statement(&mut self.out, name);
        }
        let fix = Fix {
            swallow: true,
            positions,
            undo: vec![undo],
            ..Fix::default()
        };
        if self.expect(Want::Parse, Some(fix)) {
            wire::encode::parse(&mut self.out, name, text, types);
        }
    }
}

/// A constant may stand for the moment in which it is read, which is nobody else's: `date 'today'`. What
/// stands behind a dollar that is no parameter's counts as quoted to the end of the text.
fn tells_of_now(text: &str) -> bool {
    const MOMENTS: [&str; 4] = ["now", "today", "tomorrow", "yesterday"];
    let text = text.to_ascii_lowercase();
    let tells = |quoted: &str| MOMENTS.iter().any(|moment| quoted.contains(moment));
    let parameter = |at: usize| text.as_bytes().get(at + 1).is_some_and(u8::is_ascii_digit);
    let mut dollars = text.match_indices('$').map(|(at, _)| at);
    let (plain, dollar_quoted) =
        text.split_at(dollars.find(|at| !parameter(*at)).unwrap_or(text.len()));
    tells(dollar_quoted) || plain.split('\'').skip(1).step_by(2).any(tells)
}

/// What a captured Describe of a statement says.
fn description(got: &[Captured]) -> Result<Described, Failure> {
    let mut described = Described {
        parameters: Vec::new(),
        fields: None,
    };
    for message in got {
        match message.tag {
            b't' => {
                described.parameters = wire::frame::backend::parameter_description(&message.body)
                    .map_err(malformed)?;
            }
            b'T' => {
                let fields = wire::frame::backend::row_description(&message.body);
                described.fields = Some(fields.map_err(malformed)?);
            }
            _ => {}
        }
    }
    Ok(described)
}

/// What a shared server connection has of the client's statements.
impl<W: AsyncWrite + Unpin> Requests<'_, W> {
    /// The name upstream of the client's statement.
    pub(crate) fn upstream_name(&self, name: &[u8], text: &str, types: &[u32]) -> Name {
        if self.conn.pooled {
            let lane = self.conn.lane();
            let value = |setting| lane.replies.known.get(setting).unwrap_or_default();
            let path = self.path.iter().map(String::as_str);
            let client = self.conn.number.to_string();
            let unreported = sql::READ_UNREPORTED
                .iter()
                .any(|&name| self.settings.values.contains_key(name) || lane.learn.contains(name));
            let own = (unreported || tells_of_now(text)).then_some(client.as_str());
            let under = READ_UNDER.into_iter().map(value).chain(own).chain(path);
            let under: Vec<&str> = under.collect();
            crate::prepared::upstream_name(name, text, types, &under)
        } else {
            name.to_vec()
        }
    }

    /// The server connection is about to be sent this statement; returned is what takes that back.
    pub(crate) fn hold(&mut self, prepared: &Prepared) -> Vec<Undo> {
        if !self.conn.pooled {
            return Vec::new();
        }
        if prepared.name.is_empty() {
            self.conn.lane().held.unnamed = prepared.number;
            return vec![Undo::Unnamed];
        }
        self.make_room(&prepared.name)
    }

    /// Whether the server connection has this statement.
    fn is_upstream(&self, prepared: &Prepared) -> bool {
        if matches!(prepared.kind, Kind::Sql { lost: true, .. }) {
            return false;
        }
        if !self.conn.pooled || !prepared.is_shared() {
            return true;
        }
        let held = &mut self.conn.lane().held;
        match prepared.name.as_slice() {
            [] => held.unnamed == prepared.number,
            name => held.has(name),
        }
    }

    /// Prepares the client's statement of that name again where the server connection does not have it:
    /// under the name that it would be given now, since others will take it for what it is then.
    pub(crate) fn ensure(&mut self, name: &[u8], prepared: Arc<Prepared>) -> Arc<Prepared> {
        if prepared.is_local() || self.is_upstream(&prepared) {
            return prepared;
        }
        let (text, types, positions) = match &prepared.kind {
            Kind::Sql {
                piece,
                shift,
                plan,
                described,
                ..
            } => {
                let described = described.as_ref();
                let types = described.map_or(&prepared.types, |found| &found.parameters);
                (upstream_text(plan, piece), types, positions(plan, *shift))
            }
            Kind::Empty | Kind::Admin(_) => ("", &prepared.types, Positions::Keep),
        };
        let now = match prepared.is_shared() {
            true => self.upstream_name(&prepared.name, text, types),
            false => prepared.name.clone(),
        };
        if now != prepared.name {
            let renamed = prepared.named(&now, false);
            self.conn.lane().install(name, Some(Arc::clone(&renamed)));
            return self.ensure(name, renamed);
        }
        let undo = self.hold(&prepared);
        let fix = Fix {
            swallow: true,
            positions,
            undo,
            ..Fix::default()
        };
        if self.expect(Want::Parse, Some(fix)) {
            wire::encode::parse(&mut self.out, &prepared.name, text, types);
        }
        prepared
    }

    /// DEALLOCATE of a statement whose name upstream is another: upstream gets one of that name to
    /// take away.
    pub(crate) fn lend_name(&mut self, name: &str) {
        let known = self.conn.lane().statements.get(name.as_bytes()).cloned();
        if known.is_none_or(|known| known.name == name.as_bytes()) {
            return;
        }
        let unsynced = self.conn.lane().unsynced;
        if self.expect(Want::Close, Some(silent())) {
            wire::encode::close_statement(&mut self.out, name.as_bytes());
        }
        if self.expect(Want::Parse, Some(silent())) {
            wire::encode::parse(&mut self.out, name.as_bytes(), "", &[]);
        }
        if !unsynced && self.expect(Want::Sync, Some(silent())) {
            wire::encode::sync(&mut self.out);
        }
    }
}

/// Where positions in errors about this plan's text lead.
pub(crate) fn positions(plan: &Arc<Plan>, shift: usize) -> Positions {
    match plan.as_ref() {
        Plan::Read(read) => Positions::Read(Arc::clone(read), shift),
        Plan::Write(write) => Positions::Write(Arc::clone(write), shift),
        _ => Positions::Keep,
    }
}

/// The text that upstream has to have for this plan.
pub(crate) fn upstream_text<'a>(plan: &'a Plan, piece: &'a Piece) -> &'a str {
    match plan {
        Plan::Read(read) => &read.text,
        Plan::Write(write) => &write.rewritten.text,
        _ => &piece.text,
    }
}

/// Upstream has the client's text before and after, and looks itself what the names in it mean. What it
/// was prepared under stays the measure: upstream may find that its columns are others.
fn is_relayed_alike(old: &Plan, plan: &Plan) -> bool {
    matches!((old, plan), (Plan::Relay(old), Plan::Relay(new)) if old == new)
}

fn kind_of(plan: &Plan) -> &'static str {
    match plan {
        Plan::Read(_) => "read",
        Plan::Write(_) => "write",
        Plan::SetOperation { .. } | Plan::ShowOwn { .. } => "setting",
        Plan::Relay(_) | Plan::NeedsDraft(_) | Plan::NeedsCatalog => "relay",
    }
}

#[cfg(test)]
mod tests {
    use super::tells_of_now;

    #[test]
    fn a_moment_is_told_of_by_a_constant() {
        for own in [
            "SELECT timestamptz ' NOW '",
            "SELECT 'a', date'tomorrow'",
            "SELECT $1, $$today$$",
            "SELECT $q$ ' $q$, 'yesterday'",
        ] {
            assert!(tells_of_now(own), "{own}");
        }
        for shared in [
            "SELECT now() WHERE a = $1 AND b = 'x'",
            "SELECT $1, now(), $2 FROM today",
            "SELECT 'x' AS now",
            "",
        ] {
            assert!(!tells_of_now(shared), "{shared}");
        }
    }

    /// The longest text that a client may send, of nothing but such words, is read once.
    #[test]
    fn long_texts_are_read_once() {
        let text = format!("SELECT {}", "now, ''".repeat((16 << 20) / 7));
        assert!(!tells_of_now(&text));
    }
}
