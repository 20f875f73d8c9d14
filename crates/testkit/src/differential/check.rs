//! Runs a case in all modes and checks the base before, after, and at the end of the session.

use std::fmt::Write as _;

use super::case::{Case, Expect, Step};
use super::compare::differences;
use super::lane::{Lane, Mode, Outcome};
use crate::cluster::{Cluster, Database};
use crate::proxy::Proxy;
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

impl<'a> Bench<'a> {
    fn new(case: &'a Case, template: &'a Database) -> Self {
        let base = Cluster::shared().copy_database(template.name(), "base");
        let proxy = environment("PGDRAFT_TEST_PLAIN")
            .is_none()
            .then(|| Proxy::start(&base));
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
        let plain = Cluster::shared().copy_database(self.template.name(), "plain");
        if self.proxy.is_none() && self.rounds > 1 {
            // Plain PostgreSQL on both sides: there is no draft to discard.
            self.base = Cluster::shared().copy_database(self.template.name(), "base");
        } else {
            reset_sequences(self.template, &self.base);
        }
        let session = format!("{}-{}-{}", self.case.name, mode.name(), self.rounds);
        let mut ours = Lane::new(Cluster::shared().login(plain.name()));
        let mut theirs = Lane::new(self.draft_login(&session));
        let ran = self.steps(mode, &mut ours, &mut theirs);
        ours.close();
        theirs.close();
        ran?;
        match &self.proxy {
            None => same_contents(&plain, &self.base),
            Some(proxy) => self.end(proxy, &session, ending, &plain),
        }
    }

    fn draft_login(&self, session: &str) -> Login {
        match &self.proxy {
            Some(proxy) => proxy.agent(session),
            None => Cluster::shared().login(self.base.name()),
        }
    }

    fn steps(&self, mode: Mode, plain: &mut Lane, draft: &mut Lane) -> Result<(), String> {
        let mut told = Vec::new();
        for step in &self.case.steps {
            let at = || format!("line {}: {}\n    ", step.line, step.text);
            if let Expect::Refusal(code) = &step.expect {
                if self.proxy.is_some() {
                    let outcome = draft.run(step, mode).map_err(|e| at() + &e.to_string())?;
                    refusal(&outcome, code).map_err(|e| at() + &e)?;
                }
                continue;
            }
            let a = plain
                .run(step, mode)
                .map_err(|e| format!("{}plain: {e}", at()))?;
            if mode == Mode::Simple {
                expectation(step, &a).map_err(|e| at() + &e)?;
            }
            let b = draft
                .run(step, mode)
                .map_err(|e| format!("{}draft: {e}", at()))?;
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

    fn end(
        &self,
        proxy: &Proxy,
        session: &str,
        ending: Ending,
        plain: &Database,
    ) -> Result<(), String> {
        self.unchanged("before the session ended")?;
        let known = self.base.connect().value(&format!(
            "SELECT count(*) FROM pgdraft.sessions WHERE name = '{session}'"
        ));
        if known == "0" {
            // A session begins with its first write: there is no draft to end.
            return same_contents(plain, &self.base);
        }
        if environment("ENDING").as_deref() == Some("none") {
            return Ok(());
        }
        admin(proxy, &format!("SHOW DIFF IN SESSION '{session}'"))?;
        match ending {
            Ending::Discard => {
                admin(proxy, &format!("DISCARD SESSION '{session}'"))?;
                self.unchanged("after DISCARD SESSION")?;
            }
            Ending::Commit => {
                admin(proxy, &format!("COMMIT SESSION '{session}'"))?;
                same_contents(plain, &self.base)
                    .map_err(|e| format!("after COMMIT SESSION: {e}"))?;
            }
        }
        self.draft_is_empty(session)
    }

    fn unchanged(&self, when: &str) -> Result<(), String> {
        let now = self.base.dump();
        if now == self.untouched {
            return Ok(());
        }
        Err(format!(
            "the base has changed {when}:\n{}",
            text_difference(&self.untouched, &now)
        ))
    }

    /// No head keeps a row of a session that has ended.
    fn draft_is_empty(&self, session: &str) -> Result<(), String> {
        let mut connection = self.base.connect();
        let heads = connection.run(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = 'pgdraft' AND c.relkind = 'r' AND c.relname ~ '^d[0-9]+$'",
        );
        for head in heads.table() {
            let left = connection.value(&format!(
                "SELECT count(*) FROM pgdraft.{head} JOIN pgdraft.sessions s ON s.sid = pgdraft_sid \
                 WHERE s.name = '{session}'"
            ));
            if left != "0" {
                return Err(format!("{left} rows are left in pgdraft.{head}"));
            }
        }
        Ok(())
    }
}

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
        (Expect::Any | Expect::Refusal(_), _) | (Expect::Success, None) => Ok(()),
        (Expect::Success, Some(failure)) => Err(format!(
            "the case is wrong, plain PostgreSQL fails: {failure}"
        )),
        (Expect::Failure(code), Some(failure)) if failure.code() == code => Ok(()),
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

const USER_RELATIONS: &str = "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.relkind \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgdraft') \
       AND n.nspname NOT LIKE 'pg\\_%' AND c.relkind IN ('r', 'S') ORDER BY 1";

/// All user tables of both databases hold the same rows, and sequences stand at the same value.
pub(crate) fn same_contents(plain: &Database, base: &Database) -> Result<(), String> {
    let (mut a, mut b) = (plain.connect(), base.connect());
    let relations = a.run(USER_RELATIONS);
    let theirs = b.run(USER_RELATIONS);
    if relations.table() != theirs.table() {
        return Err(format!(
            "relations differ: plain {:?}, base {:?}",
            relations.table(),
            theirs.table()
        ));
    }
    for row in 0..relations.rows.len() {
        let name = relations.value(row, 0).unwrap_or_default();
        let query = if relations.value(row, 1).as_deref() == Some("S") {
            format!("SELECT last_value, is_called FROM {name}")
        } else {
            format!("SELECT row_::text FROM {name} AS row_ ORDER BY row_::text COLLATE \"C\"")
        };
        let (x, y) = (a.run(&query).table(), b.run(&query).table());
        if x != y {
            return Err(format!(
                "{name} differs from the plain copy:\n{}",
                text_difference(&x.join("\n"), &y.join("\n"))
            ));
        }
    }
    Ok(())
}

/// Sequences go on from where the template's stand: drafts of earlier rounds have moved them.
fn reset_sequences(template: &Database, base: &Database) {
    let query = "SELECT format('SELECT setval(%L, %s, %L)', \
         quote_ident(schemaname) || '.' || quote_ident(sequencename), \
         coalesce(last_value, start_value), last_value IS NOT NULL) FROM pg_sequences \
         WHERE schemaname <> 'pgdraft'";
    let resets = template.connect().run(query);
    let mut connection = base.connect();
    for reset in resets.table() {
        connection.run(&reset);
    }
}

fn text_difference(before: &str, after: &str) -> String {
    let a: Vec<&str> = before.lines().collect();
    let b: Vec<&str> = after.lines().collect();
    let mut text = String::new();
    let only = |x: &[&str], y: &[&str]| -> Vec<String> {
        let y: std::collections::HashSet<&str> = y.iter().copied().collect();
        x.iter()
            .filter(|l| !y.contains(**l))
            .take(20)
            .map(|l| (*l).to_owned())
            .collect()
    };
    for line in only(&a, &b) {
        let _ = writeln!(text, "      - {line}");
    }
    for line in only(&b, &a) {
        let _ = writeln!(text, "      + {line}");
    }
    if text.is_empty() {
        let _ = writeln!(
            text,
            "      the same lines in another order or number ({} and {})",
            a.len(),
            b.len()
        );
    }
    text
}
