//! Random histories: agents work in several operations on a random schema, and whatever is done
//! with their drafts has to agree with plain copies on which the same statements were run.
//!
//! `SEED` runs one seed, `TRIALS` the number of them (24) from `FIRST` (1) on, `N` sets the
//! operations of a history (5). What a merge with production has to give is worked out here, from
//! three contents, without a look at how pgdraft does it.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test stops at the first surprise"
)]

mod histories {
    pub(crate) mod contents;
}

use std::process::ExitCode;

use histories::contents::{Contents, contents, difference, merge};
use testkit::cluster::Database;
use testkit::harness::{Trial, main as run};
use testkit::proxy::Proxy;
use testkit::random::Random;
use testkit::wire::Connection;
use testkit::workload::{History, history};
use testkit::{Cluster, environment};

/// Statements of an operation.
const STATEMENTS: usize = 3;

fn main() -> ExitCode {
    let number = |name: &str, default: u64| {
        environment(name)
            .and_then(|v| v.parse().ok())
            .unwrap_or(default)
    };
    let first = number("FIRST", 1);
    let operations = number("N", 5) as usize;
    let seeds: Vec<u64> = match environment("SEED").and_then(|v| v.parse().ok()) {
        Some(seed) => vec![seed],
        None => (first..first + number("TRIALS", 24)).collect(),
    };
    run(seeds
        .into_iter()
        .map(|seed| {
            let (name, scenario) = SCENARIOS[seed as usize % SCENARIOS.len()];
            Trial::new(format!("histories::{name}_{seed}"), move || {
                let mut world = World::new(seed, operations);
                scenario(&mut world).map_err(|why| world.told(&why))
            })
        })
        .collect())
}

type Scenario = fn(&mut World) -> Result<(), String>;

/// Triggers that change nothing, so that a commit goes the way of tables that have some.
const TRIGGERS: &str = "
CREATE FUNCTION watches() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
DO $$ DECLARE t regclass; BEGIN
    FOR t IN SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgdraft')
    LOOP
        EXECUTE format('CREATE TRIGGER watches AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION watches()', t);
    END LOOP;
END $$";

const SCENARIOS: [(&str, Scenario); 8] = [
    ("commit_and_revert", commit_and_revert),
    ("rewind", rewind),
    ("merge_with_production", merge_with_production),
    ("fork", fork),
    ("several_at_once", several_at_once),
    ("rebase", rebase),
    ("parts", parts),
    ("revert_of_operations", revert_of_operations),
];

/// A database behind pgdraft, and copies of it without.
struct World {
    seed: u64,
    random: Random,
    history: History,
    template: Database,
    database: Database,
    proxy: Proxy,
    /// What it held at the beginning.
    before: Contents,
    /// What went before, for the report.
    log: Vec<String>,
    /// The statements of each operation that the draft took.
    done: Vec<Vec<String>>,
    operations: usize,
}

impl World {
    fn new(seed: u64, operations: usize) -> Self {
        let history = history(seed, 2, operations * STATEMENTS);
        let cluster = Cluster::shared();
        let template = cluster.create_database("plain");
        template.run(&history.setup);
        let database = cluster.copy_database(template.name(), "draft");
        if (seed / 16) % 2 == 1 {
            database.run(TRIGGERS);
        }
        let proxy = Proxy::start(&database);
        let before = contents(&mut database.connect());
        Self {
            seed,
            random: Random::new(seed ^ 0xC0FFEE),
            history,
            template,
            database,
            proxy,
            before,
            log: Vec::new(),
            done: Vec::new(),
            operations,
        }
    }

    fn told(&self, why: &str) -> String {
        format!(
            "SEED={} N={}\n{why}\n{}\n{}",
            self.seed,
            self.operations,
            self.history.setup,
            self.log.join("\n")
        )
    }

    fn production(&self) -> Contents {
        contents(&mut self.database.connect())
    }

    /// An agent works in a session; what a plain copy holds after each operation.
    fn work(&mut self, session: &str, stream: usize) -> Result<Vec<Contents>, String> {
        let plain = Cluster::shared().copy_database(self.template.name(), "copy");
        let mut plain = plain.connect();
        let mut agent = self.proxy.connect(session);
        let mut after = Vec::new();
        let operations: Vec<Vec<String>> = self.history.streams[stream]
            .chunks(STATEMENTS)
            .take(self.operations)
            .map(<[String]>::to_vec)
            .collect();
        for (number, statements) in operations.iter().enumerate() {
            agent.run(&format!("BEGIN; SET LOCAL pgdraft.operation = 'o{number}'"));
            plain.run("BEGIN");
            // An operation without a change would not be there.
            let mut taken = Vec::new();
            for text in statements {
                let done = both(&mut agent, &mut plain, text)
                    .map_err(|why| format!("{session} o{number}: {why}"))?;
                if done {
                    self.log.push(format!("{session} o{number}: {text}"));
                    taken.push(text.clone());
                } else {
                    self.log
                        .push(format!("{session} o{number} -- refused: {text}"));
                }
            }
            self.done.push(taken);
            agent.run("COMMIT");
            plain.run("COMMIT");
            let now = contents(&mut plain);
            same(
                &format!("{session} after o{number}"),
                &now,
                &contents(&mut agent),
            )?;
            after.push(now);
        }
        Ok(after)
    }

    /// The operations that a session has, in their order, as numbers.
    fn operations_of(&self, session: &str) -> Vec<usize> {
        self.operations_in(session, None)
    }

    /// Those in one state.
    fn operations_in(&self, session: &str, state: Option<&str>) -> Vec<usize> {
        let shown = self
            .proxy
            .review(&format!("SHOW OPERATIONS IN SESSION '{session}'"));
        let columns = shown.columns.as_ref().unwrap();
        let at = columns.iter().position(|c| c.name == "state").unwrap();
        (0..shown.rows.len())
            .filter(|row| state.is_none_or(|s| shown.value(*row, at).as_deref() == Some(s)))
            .filter_map(|row| shown.value(row, 0)?.strip_prefix('o')?.parse().ok())
            .collect()
    }

    /// What a plain copy holds after some operations alone.
    fn replay(&self, operations: &[usize]) -> Result<Contents, String> {
        let plain = Cluster::shared().copy_database(self.template.name(), "replay");
        let mut plain = plain.connect();
        for number in operations {
            for text in &self.done[*number] {
                let exchange = plain.simple(text).map_err(|e| e.to_string())?;
                if let Some(failure) = exchange.error() {
                    return Err(format!("without others o{number} fails: {text}: {failure}"));
                }
            }
        }
        Ok(contents(&mut plain))
    }

    /// Production writes by itself.
    fn produce(&mut self, stream: usize) -> Contents {
        let mut production = self.database.connect();
        for text in self.history.streams[stream].iter().take(6) {
            if text.starts_with("TRUNCATE") {
                continue;
            }
            let done = production.simple(text).is_ok_and(|e| e.error().is_none());
            if done {
                self.log.push(format!("production: {text}"));
            }
        }
        contents(&mut production)
    }

    /// Undoes the commit of a session; a table without a key cannot be gone back in.
    fn revert(&mut self, session: &str, undo: &str) -> Result<bool, String> {
        match self.review(&format!("REVERT SESSION '{session}' AS '{undo}'")) {
            Ok(()) => self
                .review(&format!("COMMIT SESSION '{undo}'"))
                .map(|()| true),
            Err(why) if why.contains("has no key") && self.keyless_changed(session) => Ok(false),
            Err(why) => Err(why),
        }
    }

    /// A truncation is in the draft of a session.
    fn truncated(&self, session: &str) -> bool {
        let of = format!("{session} o");
        let mut log = self.log.iter().filter(|line| line.starts_with(&of));
        log.any(|line| line.contains(": TRUNCATE"))
    }

    fn keyless_changed(&self, session: &str) -> bool {
        let diff = self
            .proxy
            .review(&format!("SHOW DIFF IN SESSION '{session}'"));
        (0..diff.rows.len()).any(|row| {
            let table = diff.value(row, 1).unwrap_or_default();
            let bare = |name: &str| name.replace('"', "");
            let named = |name: &str| bare(name) == bare(&table);
            self.before.iter().any(|(name, t)| !t.keyed && named(name))
        })
    }

    fn review(&mut self, text: &str) -> Result<(), String> {
        self.log.push(format!("reviewer: {text}"));
        let mut reviewer = Connection::open(&self.proxy.reviewer()).unwrap();
        let exchange = reviewer.simple(text).unwrap();
        match exchange.error() {
            None => Ok(()),
            Some(failure) => Err(format!("{text}: {failure}")),
        }
    }
}

/// Runs a statement in the draft and on the copy, if the draft takes it.
fn both(agent: &mut Connection, plain: &mut Connection, text: &str) -> Result<bool, String> {
    agent.run("SAVEPOINT s");
    let drafted = agent.simple(text).map_err(|e| e.to_string())?;
    if drafted.error().is_some() {
        agent.run("ROLLBACK TO s");
        return Ok(false);
    }
    let tag = drafted.last().tag.as_deref();
    let unused = text.starts_with("MERGE") || tag.is_some_and(|tag| tag.ends_with(" 0"));
    plain.run("SAVEPOINT s");
    match plain.simple(text).map_err(|e| e.to_string())?.error() {
        None => Ok(true),
        // PostgreSQL makes constants fit when it plans, if there is no row for them too
        Some(failure) if failure.code().starts_with("22") && unused => {
            agent.run("ROLLBACK TO s");
            plain.run("ROLLBACK TO s");
            Ok(false)
        }
        Some(failure) => Err(format!("the copy refuses {text}: {failure}")),
    }
}

fn same(what: &str, expected: &Contents, found: &Contents) -> Result<(), String> {
    match difference(expected, found) {
        None => Ok(()),
        Some(text) => Err(format!("{what}:\n{text}")),
    }
}

fn commit_and_revert(world: &mut World) -> Result<(), String> {
    let after = world.work("s", 0)?;
    world.review("COMMIT SESSION 's'")?;
    same("commit", after.last().unwrap(), &world.production())?;
    world.review("COMMIT SESSION 's'")?;
    same("commit again", after.last().unwrap(), &world.production())?;
    if !world.revert("s", "undo")? {
        return Ok(());
    }
    same("revert", &world.before, &world.production())?;
    // what the undo put back into a table without a key cannot be taken out again
    if !world.revert("undo", "redo")? {
        return Ok(());
    }
    same(
        "revert of the revert",
        after.last().unwrap(),
        &world.production(),
    )
}

fn rewind(world: &mut World) -> Result<(), String> {
    let after = world.work("s", 0)?;
    let mut operations = world.operations_of("s");
    while operations.len() > 1 {
        let at = world.random.below(operations.len() as u64 - 1) as usize;
        operations.truncate(at + 1);
        let number = operations[at];
        world.review(&format!("REWIND SESSION 's' TO OPERATION 'o{number}'"))?;
        let mut agent = world.proxy.connect("s");
        same(
            &format!("rewound to o{number}"),
            &after[number],
            &contents(&mut agent),
        )?;
    }
    let Some(last) = operations.last() else {
        return Ok(());
    };
    world.review("COMMIT SESSION 's'")?;
    same("commit after rewind", &after[*last], &world.production())
}

/// A truncation stops at rows that came since, and so at those that a revert brought back: only the last
/// fork is committed then.
fn fork(world: &mut World) -> Result<(), String> {
    let after = world.work("s", 0)?;
    let truncated = world.truncated("s");
    let operations = world.operations_of("s");
    let Some(last) = operations.last().copied() else {
        return Ok(());
    };
    for number in operations {
        world.review(&format!(
            "FORK SESSION 's' AS 'at {number}' AT OPERATION 'o{number}'"
        ))?;
        let mut agent = world.proxy.connect(&format!("at {number}"));
        same(
            &format!("fork at o{number}"),
            &after[number],
            &contents(&mut agent),
        )?;
        drop(agent);
        if truncated {
            continue;
        }
        world.review(&format!("COMMIT SESSION 'at {number}'"))?;
        same(
            &format!("fork at o{number} committed"),
            &after[number],
            &world.production(),
        )?;
        if !world.revert(&format!("at {number}"), &format!("undo {number}"))? {
            return Ok(());
        }
        same(
            &format!("fork at o{number} reverted"),
            &world.before,
            &world.production(),
        )?;
    }
    world.review("FORK SESSION 's' AS 'twin'")?;
    world.review("COMMIT SESSION 'twin'")?;
    same("the whole fork", &after[last], &world.production())
}

/// What a choice of operations leaves is what the others alone give, what it commits is what it alone
/// gives.
fn parts(world: &mut World) -> Result<(), String> {
    world.work("s", 0)?;
    for _ in 0..2 {
        let open = world.operations_in("s", Some("open"));
        if open.is_empty() {
            return Ok(());
        }
        let number = *world.random.pick(&open);
        let verb = *world.random.pick(&["COMMIT", "DISCARD"]);
        world.review(&format!(
            "{verb} OPERATIONS 'o{number}' IN SESSION 's' CASCADE"
        ))?;
        let committed = world.operations_in("s", Some("committed"));
        let mut both = [committed.clone(), world.operations_in("s", Some("open"))].concat();
        both.sort_unstable();
        let what = |of: &str| format!("{verb} o{number}: {of}, of o{committed:?} and o{both:?}");
        same(
            &what("production"),
            &world.replay(&committed)?,
            &world.production(),
        )?;
        let mut agent = world.proxy.connect("s");
        same(
            &what("the draft"),
            &world.replay(&both)?,
            &contents(&mut agent),
        )?;
    }
    let mut both = [
        world.operations_in("s", Some("committed")),
        world.operations_in("s", Some("open")),
    ]
    .concat();
    both.sort_unstable();
    world.review("COMMIT SESSION 's'")?;
    same("the rest", &world.replay(&both)?, &world.production())
}

/// Undoing an operation is merging what it did, the other way round, with what came after.
fn revert_of_operations(world: &mut World) -> Result<(), String> {
    let after = world.work("s", 0)?;
    let operations = world.operations_of("s");
    if operations.is_empty() {
        return Ok(());
    }
    world.review("COMMIT SESSION 's'")?;
    let number = *world.random.pick(&operations);
    let before = number
        .checked_sub(1)
        .map_or(&world.before, |before| &after[before]);
    let expected = merge(&after[number], before, after.last().unwrap());
    let undone = world
        .review(&format!(
            "REVERT OPERATION 'o{number}' IN SESSION 's' AS 'undo'"
        ))
        .and_then(|()| world.review("COMMIT SESSION 'undo'"));
    match (expected, undone) {
        (Ok(expected), Ok(())) => same("undone", &expected, &world.production()),
        (Err(conflict), Ok(())) => Err(format!("undone over a conflict: {conflict}")),
        (expected, Err(why)) => {
            same(
                "what is not undone",
                after.last().unwrap(),
                &world.production(),
            )?;
            let keyless = why.contains("has no key") && world.keyless_changed("s");
            let constraint = why.contains("ZD001") && !conflicts(world, "undo").is_empty();
            match expected {
                Err(_) => Ok(()),
                Ok(_) if constraint || keyless || world.truncated("s") => Ok(()),
                Ok(_) => Err(why),
            }
        }
    }
}

fn merge_with_production(world: &mut World) -> Result<(), String> {
    merged(world, false)
}

fn rebase(world: &mut World) -> Result<(), String> {
    merged(world, true)
}

fn merged(world: &mut World, rebase: bool) -> Result<(), String> {
    let ours = world.work("s", 0)?.pop().unwrap();
    let theirs = world.produce(1);
    let expected = merge(&world.before, &ours, &theirs);
    if rebase {
        world.review("REBASE SESSION 's'")?;
    }
    let outcome = world.review("COMMIT SESSION 's'");
    match (expected, outcome) {
        (Ok(expected), Ok(())) => {
            same("three-way merge", &expected, &world.production())?;
            if !world.revert("s", "undo")? {
                return Ok(());
            }
            same(
                "only what the commit did is undone",
                &theirs,
                &world.production(),
            )
        }
        (Err(conflict), Ok(())) => Err(format!("committed over a conflict: {conflict}")),
        (expected, Err(why)) => {
            same(
                "a refused commit changes nothing",
                &theirs,
                &world.production(),
            )?;
            let kinds = conflicts(world, "s");
            let constraints = ["unique", "foreign key", "check"];
            let of_rows = kinds.iter().any(|k| !constraints.contains(&k.as_str()));
            // whatever came to a table since its truncation is a conflict, other rows too
            if kinds.iter().any(|k| k == "truncated by us") && world.truncated("s") {
                return Ok(());
            }
            match expected {
                _ if !why.contains("ZD001") || kinds.is_empty() => Err(why),
                Ok(_) if of_rows => Err(format!("{why}: no such conflict: {kinds:?}")),
                Err(what) if !of_rows => Err(format!("{what} is not among {kinds:?}")),
                _ => Ok(()),
            }
        }
    }
}

fn conflicts(world: &World, session: &str) -> Vec<String> {
    let shown = world
        .proxy
        .review(&format!("SHOW CONFLICTS IN SESSION '{session}'"));
    (0..shown.rows.len())
        .filter_map(|row| shown.value(row, 2))
        .collect()
}

/// Two sessions and a writer of production at the same time: the base is what some order of those
/// that were committed gives.
fn several_at_once(world: &mut World) -> Result<(), String> {
    let drafts = [
        world.work("s0", 0)?.pop().unwrap(),
        world.work("s1", 1)?.pop().unwrap(),
    ];
    let commits: Vec<_> = (0..2)
        .map(|number| {
            let login = world.proxy.reviewer();
            std::thread::spawn(move || {
                let text = format!("COMMIT SESSION 's{number}'");
                let mut reviewer = Connection::open(&login).unwrap();
                let exchange = reviewer.simple(&text).unwrap();
                exchange.error().map(|f| f.code().to_owned())
            })
        })
        .collect();
    let outcomes: Vec<Option<String>> = commits.into_iter().map(|c| c.join().unwrap()).collect();
    world.log.push(format!("both commit: {outcomes:?}"));
    let may = |o: &Option<String>| matches!(o.as_deref(), None | Some("ZD001" | "40P01" | "55P03"));
    if !outcomes.iter().all(may) {
        return Err(format!("unexpected: {outcomes:?}"));
    }
    let now = world.production();
    let serial = |order: [usize; 2]| {
        let mut state = world.before.clone();
        for number in order {
            if outcomes[number].is_none() {
                state = merge(&world.before, &drafts[number], &state).ok()?;
            }
        }
        Some(state)
    };
    let possible: Vec<Contents> = [[0, 1], [1, 0]].into_iter().filter_map(serial).collect();
    if possible
        .iter()
        .any(|state| difference(state, &now).is_none())
    {
        return Ok(());
    }
    let found = possible.first().and_then(|state| difference(state, &now));
    Err(format!(
        "no order of the commits gives this: {}",
        found.unwrap_or_default()
    ))
}
