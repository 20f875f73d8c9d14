//! Runs a case in all modes and checks the base before, after, and at the end of the session.

use std::fmt::Write as _;

use super::case::{Case, Expect, Step};
use super::compare::differences;
use super::contents::{reset_sequences, same_contents, text_difference};
use super::lane::{Lane, Mode, Outcome};
use super::refusals;
use crate::cluster::{Cluster, Database};
use crate::proxy::{Proxy, Settings};
use crate::wire::{Connection, Login};
use crate::{environment, root};

/// Reads all case files of `tests/differential`, in name order.
///
/// # Panics
/// Where a file cannot be read or understood.
pub fn cases() -> Vec<Case> {
    let folder = root().join("tests/differential");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "sql"))
        .collect();
    files.sort();
    files
        .iter()
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy();
            Case::parse(&name, &std::fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// Runs a case in these modes, each ending with DISCARD SESSION, and once more in the mode
/// `committed` ending with COMMIT SESSION.
///
/// # Errors
/// Text that says what differs, for people.
pub fn check(case: &Case, modes: &[Mode], committed: &[Mode]) -> Result<(), String> {
    let template = Cluster::shared().create_database("template");
    template.run(&case.setup);
    if case.as_writer {
        template.run(WRITER);
    }
    let mut faults: Vec<(String, String)> = Vec::new();
    {
        let mut bench = Bench::new(case, &template);
        for mode in modes {
            if let Err(why) = bench.round(*mode, Ending::Discard) {
                faults.push((format!("{}, then discard", mode.name()), why));
                // What is wrong may have spoilt the base: the next mode begins anew.
                drop(bench);
                bench = Bench::new(case, &template);
            }
        }
        for (n, mode) in committed.iter().enumerate() {
            if n > 0 {
                drop(bench);
                bench = Bench::new(case, &template);
            }
            if let Err(why) = bench.round(*mode, Ending::Commit) {
                faults.push((format!("{}, then commit", mode.name()), why));
            }
        }
        if let Some(proxy) = &bench.proxy
            && proxy.log().contains("panicked")
        {
            faults.push((
                "log".to_owned(),
                format!("pgdraft panicked:\n{}", proxy.log()),
            ));
        }
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(together(faults))
    }
}

/// The same fault in several modes is told once.
fn together(faults: Vec<(String, String)>) -> String {
    let mut grouped: Vec<(Vec<String>, String)> = Vec::new();
    for (mode, why) in faults {
        match grouped.iter_mut().find(|(_, w)| *w == why) {
            Some((modes, _)) => modes.push(mode),
            None => grouped.push((vec![mode], why)),
        }
    }
    let mut report = String::new();
    for (modes, why) in grouped {
        let _ = writeln!(report, "[{}] {why}", modes.join("; "));
    }
    report
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Discard,
    Commit,
}

/// The draft's side: a copy of the template with a pgdraft over it, used by several rounds as
/// long as they leave the base as it was.
struct Bench<'a> {
    case: &'a Case,
    template: &'a Database,
    base: Database,
    proxy: Option<Proxy>,
    untouched: String,
    rounds: usize,
}

/// One session of a round: its draft, and the plain copy that is to be like it.
struct Pair {
    session: String,
    copy: Database,
    plain: Lane,
    draft: Lane,
}

/// Production of a round: it writes to the base and to every copy of it.
struct Production {
    lanes: Vec<Lane>,
    /// A copy that only production has written to.
    alone: Database,
}

impl<'a> Bench<'a> {
    fn new(case: &'a Case, template: &'a Database) -> Self {
        let base = Cluster::shared().copy_database(template.name(), "base");
        let proxy = environment("PGDRAFT_TEST_PLAIN").is_none().then(|| {
            let config = case.config.clone();
            let settings = Settings {
                config,
                ..Settings::default()
            };
            Proxy::start_with(&base, &settings)
        });
        let untouched = base.dump();
        Self {
            case,
            template,
            base,
            proxy,
            untouched,
            rounds: 0,
        }
    }

    fn round(&mut self, mode: Mode, ending: Ending) -> Result<(), String> {
        self.rounds += 1;
        let sessions = self.case.steps.iter().map(|s| s.session).max().unwrap_or(1);
        if self.proxy.is_none() && self.rounds > 1 {
            // Plain PostgreSQL on both sides: there is no draft to discard.
            self.base = Cluster::shared().copy_database(self.template.name(), "base");
        } else {
            reset_sequences(self.template, &self.base);
        }
        let mut pairs: Vec<Pair> = (1..=sessions).map(|n| self.pair(mode, n)).collect();
        let mut production = self.production(&pairs);
        let ran = self.steps(mode, &mut pairs, production.as_mut());
        for pair in &mut pairs {
            pair.plain.close();
            pair.draft.close();
        }
        ran?;
        match &self.proxy {
            None => pairs
                .iter()
                .try_for_each(|p| same_contents(&p.copy, &self.base)),
            Some(proxy) => self.end(proxy, &pairs, ending, production.as_ref()),
        }
    }

    fn pair(&self, mode: Mode, number: usize) -> Pair {
        let copy = Cluster::shared().copy_database(self.template.name(), "plain");
        let session = format!(
            "{}-{}-{}-{number}",
            self.case.name,
            mode.name(),
            self.rounds
        );
        let mut plain = Lane::new(Cluster::shared().login(copy.name()));
        if self.case.as_writer {
            plain = plain.as_role("testkit_writer");
        }
        Pair {
            plain,
            draft: Lane::new(self.draft_login(&session)),
            session,
            copy,
        }
    }

    fn production(&self, pairs: &[Pair]) -> Option<Production> {
        if !self.case.steps.iter().any(|s| s.production) {
            return None;
        }
        let alone = Cluster::shared().copy_database(self.template.name(), "alone");
        let databases = pairs.iter().map(|p| &p.copy).chain([&self.base, &alone]);
        let lanes = databases
            .map(|d| Lane::new(Cluster::shared().login(d.name())))
            .collect();
        Some(Production { lanes, alone })
    }

    fn draft_login(&self, session: &str) -> Login {
        match &self.proxy {
            Some(proxy) => proxy.agent(session),
            None => Cluster::shared().login(self.base.name()),
        }
    }

    fn steps(
        &self,
        mode: Mode,
        pairs: &mut [Pair],
        mut production: Option<&mut Production>,
    ) -> Result<(), String> {
        let mut told = Vec::new();
        for step in &self.case.steps {
            let at = || format!("line {}: {}\n    ", step.line, step.text);
            if let (true, Some(production)) = (step.production, production.as_deref_mut()) {
                for lane in &mut production.lanes {
                    let outcome = lane
                        .run(step, Mode::Simple)
                        .map_err(|e| format!("{}production: {e}", at()))?;
                    expectation(step, &outcome).map_err(|e| at() + &e)?;
                }
                continue;
            }
            let pair = &mut pairs[step.session - 1];
            let Some((a, b)) = self.both(step, mode, pair).map_err(|e| at() + &e)? else {
                continue;
            };
            let mut found = differences(step, &a, &b);
            // Every difference but the origin of columns is one in any case.
            if !found.is_empty() && environment("ORIGIN").as_deref() == Some("0") {
                let mut lenient = step.clone();
                lenient.origin = false;
                found = differences(&lenient, &a, &b);
            }
            if found.is_empty() {
                continue;
            }
            told.push(at() + &found.join("\n    "));
            // Where only what was told differs, the rest of the script can still be compared.
            if told.len() >= DIFFERENCES_MAX || diverged(step, &a, &b) {
                break;
            }
        }
        if told.is_empty() {
            Ok(())
        } else {
            Err(told.join("\n  "))
        }
    }

    /// What both sides say to a step; nothing where the draft refused it, as it may.
    fn both(
        &self,
        step: &Step,
        mode: Mode,
        pair: &mut Pair,
    ) -> Result<Option<(Outcome, Outcome)>, String> {
        let Pair { plain, draft, .. } = pair;
        let mut draft = || draft.run(step, mode).map_err(|e| format!("draft: {e}"));
        match &step.expect {
            Expect::Refusal(code) => {
                if self.proxy.is_some() {
                    refusal(&draft()?, code)?;
                }
                return Ok(None);
            }
            Expect::AnyOrRefusal if plain.status(step.connection) != b'E' => {
                let b = draft()?;
                if refusals::note(step, &b) {
                    if plain.status(step.connection) == b'T' {
                        plain
                            .fail_transaction(step.connection)
                            .map_err(|e| format!("plain: {e}"))?;
                    }
                    return Ok(None);
                }
                let a = plain.run(step, mode).map_err(|e| format!("plain: {e}"))?;
                return Ok(Some((a, b)));
            }
            Expect::Success | Expect::Failure(_) | Expect::Any | Expect::AnyOrRefusal => {}
        }
        let a = plain.run(step, mode).map_err(|e| format!("plain: {e}"))?;
        if mode == Mode::Simple {
            expectation(step, &a)?;
        }
        Ok(Some((a, draft()?)))
    }

    fn end(
        &self,
        proxy: &Proxy,
        pairs: &[Pair],
        ending: Ending,
        production: Option<&Production>,
    ) -> Result<(), String> {
        self.unchanged("before the session ended", production)?;
        if environment("ENDING").as_deref() == Some("none") {
            return Ok(());
        }
        // The other sessions go first: what is committed is compared with one copy.
        for (n, pair) in pairs.iter().enumerate().rev() {
            let session = &pair.session;
            let known = self.base.connect().value(&format!(
                "SELECT count(*) FROM pgdraft.sessions WHERE name = '{session}'"
            ));
            let commit = n == 0 && ending == Ending::Commit;
            if known != "0" {
                admin(proxy, &format!("SHOW DIFF IN SESSION '{session}'"))?;
                let word = if commit { "COMMIT" } else { "DISCARD" };
                admin(proxy, &format!("{word} SESSION '{session}'"))?;
                self.rows_are_due(session)?;
            }
            if commit || known == "0" && pairs.len() == 1 {
                // A session begins with its first write: without one the copy is as the base too.
                same_contents(&pair.copy, &self.base)
                    .map_err(|e| format!("after COMMIT SESSION: {e}"))?;
            } else {
                self.unchanged("after DISCARD SESSION", production)?;
            }
        }
        Ok(())
    }

    fn unchanged(&self, when: &str, production: Option<&Production>) -> Result<(), String> {
        if let Some(production) = production {
            return same_contents(&production.alone, &self.base)
                .map_err(|e| format!("the base has changed {when}: {e}"));
        }
        let now = self.base.dump();
        if now == self.untouched {
            return Ok(());
        }
        Err(format!(
            "the base has changed {when}:\n{}",
            text_difference(&self.untouched, &now)
        ))
    }

    /// The rows of a session that has ended are due to go: the background work takes them.
    fn rows_are_due(&self, session: &str) -> Result<(), String> {
        let due = self.base.connect().value(&format!(
            "SELECT forget_at IS NOT NULL FROM pgdraft.sessions WHERE name = '{session}'"
        ));
        if due == "t" {
            return Ok(());
        }
        Err(format!("the rows of session {session} are kept for ever"))
    }
}

/// The role of `-- as writer`: it is the whole cluster's, so another case may just have made it.
const WRITER: &str = "DO $$ BEGIN CREATE ROLE testkit_writer; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
GRANT ALL ON SCHEMA public TO testkit_writer;
GRANT ALL ON ALL TABLES IN SCHEMA public TO testkit_writer;
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO testkit_writer;";

/// Differences of one round that are told.
const DIFFERENCES_MAX: usize = 10;

/// Whether the two databases may hold different rows, or be in different transactions, from now on.
fn diverged(step: &Step, plain: &Outcome, draft: &Outcome) -> bool {
    let outcome = |o: &Outcome| {
        o.0.iter()
            .map(|e| (e.error().is_some(), e.status))
            .collect::<Vec<_>>()
    };
    outcome(plain) != outcome(draft)
        && !(step
            .text
            .trim_start()
            .to_ascii_uppercase()
            .starts_with("SELECT")
            && plain
                .0
                .iter()
                .map(|e| e.status)
                .eq(draft.0.iter().map(|e| e.status)))
}

fn admin(proxy: &Proxy, statement: &str) -> Result<(), String> {
    let mut connection =
        Connection::open(&proxy.reviewer()).map_err(|e| format!("reviewer: {e}"))?;
    let exchange = connection
        .simple(statement)
        .map_err(|e| format!("{statement}: {e}"))?;
    match exchange.error() {
        Some(failure) => Err(format!("{statement}: {failure}")),
        None => Ok(()),
    }
}

fn expectation(step: &Step, plain: &Outcome) -> Result<(), String> {
    let error = plain.0.iter().find_map(|e| e.error());
    match (&step.expect, error) {
        (Expect::Any | Expect::AnyOrRefusal | Expect::Refusal(_), _) | (Expect::Success, None) => {
            Ok(())
        }
        (Expect::Success, Some(failure)) => Err(format!(
            "the case is wrong, plain PostgreSQL fails: {failure}"
        )),
        (Expect::Failure(codes), Some(failure))
            if codes.split(" or ").any(|c| c == failure.code()) =>
        {
            Ok(())
        }
        (Expect::Failure(code), Some(failure)) => Err(format!(
            "the case is wrong, {code} was expected, plain PostgreSQL says {failure}"
        )),
        (Expect::Failure(code), None) => Err(format!(
            "the case is wrong, {code} was expected, plain PostgreSQL succeeds"
        )),
    }
}

fn refusal(draft: &Outcome, code: &str) -> Result<(), String> {
    let Some(failure) = draft.0.iter().find_map(|e| e.error()) else {
        return Err(format!("{code} was expected, the draft took it: {draft:?}"));
    };
    if failure.code() != code {
        return Err(format!("{code} was expected, the draft says {failure}"));
    }
    if failure.field('H').is_empty() {
        return Err(format!("the refusal has no hint: {failure}"));
    }
    Ok(())
}
