//! Two reviewers and the agent at the same time, many times over: one of them wins, the others get its
//! answer or a clear error, and nothing is done by half.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::sync::{Arc, Barrier};
use std::thread;

use testkit::cluster::Database;
use testkit::proxy::{Proxy, over};
use testkit::wire::{Failure, Reply};

const SETUP: &str = "\
CREATE TABLE stock (id int PRIMARY KEY, n int NOT NULL, note text);
INSERT INTO stock SELECT n, 0, 'base' FROM generate_series(1, 40) n;
CREATE TABLE line (id int PRIMARY KEY, stock int NOT NULL REFERENCES stock);
";

const ROUNDS: usize = 12;

/// What two commands may answer that came too late, or met somebody's lock.
const LATE: [&str; 4] = ["ZD002", "ZD022", "ZD003", "55P03"];

type Told = Result<Reply, Failure>;

/// Sends both commands at once, while the agent goes on writing until it is refused or both are done.
fn at_once(proxy: &Proxy, session: &str, commands: [&str; 2], row: usize) -> ([Told; 2], usize) {
    let start = Arc::new(Barrier::new(3));
    let reviewers = commands.map(|command| {
        let (mut reviewer, start) = (proxy.connect_reviewer(), Arc::clone(&start));
        let command = command.to_owned();
        thread::spawn(move || {
            start.wait();
            let exchange = reviewer.simple(&command).unwrap();
            match exchange.error() {
                None => Ok(exchange.last().clone()),
                Some(failure) => Err(failure.clone()),
            }
        })
    });
    let mut agent = proxy.connect(session);
    start.wait();
    let mut written = 0;
    while !reviewers.iter().all(thread::JoinHandle::is_finished) {
        let text = format!("UPDATE stock SET n = n + 1 WHERE id = {row}");
        match agent.simple(&text).unwrap().error() {
            None => written += 1,
            Some(failure) => {
                assert!(["ZD002", "55P03"].contains(&failure.code()), "{failure}");
                break;
            }
        }
    }
    (reviewers.map(|r| r.join().unwrap()), written)
}

/// Everybody has been answered, and those who lost were told why and what to do.
#[track_caller]
fn sensible(commands: [&str; 2], told: &[Told; 2]) {
    for (command, told) in commands.iter().zip(told) {
        if let Err(failure) = told {
            assert!(LATE.contains(&failure.code()), "{command}: {failure}");
            assert!(!failure.field('H').is_empty(), "{command}: {failure}");
        }
    }
    assert!(told.iter().any(Result::is_ok), "{commands:?}: {told:?}");
}

struct Race {
    database: Database,
    proxy: Proxy,
}

impl Race {
    fn new() -> Self {
        let (database, proxy) = over(SETUP);
        Self { database, proxy }
    }

    /// A session in two operations that have nothing to do with each other, on rows of its own.
    fn session(&self, round: usize) -> String {
        let name = format!("s{round}");
        let mut agent = self.proxy.connect(&name);
        let row = round * 3;
        for (operation, text) in [
            (
                "one",
                format!("UPDATE stock SET note = '{name}' WHERE id = {}", row + 1),
            ),
            (
                "two",
                format!("INSERT INTO line VALUES ({row}, {})", row + 2),
            ),
        ] {
            agent.run(&format!(
                "BEGIN; SET LOCAL pgdraft.operation = '{operation}'; {text}; COMMIT"
            ));
        }
        name
    }

    fn value(&self, text: &str) -> String {
        self.database.connect().value(text)
    }

    /// The state of a session, and what production has of its two operations.
    fn outcome(&self, name: &str, round: usize) -> (String, bool, bool) {
        let row = round * 3;
        (
            self.value(&format!(
                "SELECT state FROM pgdraft.sessions WHERE name = '{name}'"
            )),
            self.value(&format!(
                "SELECT note = '{name}' FROM stock WHERE id = {}",
                row + 1
            )) == "t",
            self.value(&format!("SELECT count(*) FROM line WHERE id = {row}")) == "1",
        )
    }
}

#[test]
fn commit_and_commit() {
    let mut race = Race::new();
    for round in 0..ROUNDS {
        let name = race.session(round);
        let commit = format!("COMMIT SESSION '{name}'");
        let row = round * 3 + 3;
        let commands = [commit.as_str(); 2];
        let (told, written) = at_once(&race.proxy, &name, commands, row);
        sensible(commands, &told);
        let [first, second] = told.map(|t| t.unwrap().notices[0].message().to_owned());
        assert_eq!(first, second, "the same commit has the same answer");
        assert_eq!(
            race.outcome(&name, round),
            ("committed".to_owned(), true, true)
        );
        let held = race.value(&format!("SELECT n FROM stock WHERE id = {row}"));
        assert_eq!(
            held,
            written.to_string(),
            "what the agent wrote is all there"
        );
    }
    race.proxy.assert_sound();
}

#[test]
fn commit_and_discard() {
    let mut race = Race::new();
    for round in 0..ROUNDS {
        let name = race.session(round);
        let row = round * 3 + 3;
        let texts = [
            format!("COMMIT SESSION '{name}'"),
            format!("DISCARD SESSION '{name}'"),
        ];
        let commands = [texts[0].as_str(), texts[1].as_str()];
        let (told, written) = at_once(&race.proxy, &name, commands, row);
        sensible(commands, &told);
        let committed = told[0].is_ok();
        assert_ne!(committed, told[1].is_ok(), "{told:?}");
        let state = if committed { "committed" } else { "discarded" };
        assert_eq!(
            race.outcome(&name, round),
            (state.to_owned(), committed, committed)
        );
        let held = race.value(&format!("SELECT n FROM stock WHERE id = {row}"));
        assert_eq!(
            held,
            if committed {
                written.to_string()
            } else {
                "0".to_owned()
            }
        );
    }
    race.proxy.assert_sound();
}

#[test]
fn a_part_is_committed_and_the_session_rebased() {
    let mut race = Race::new();
    for round in 0..ROUNDS {
        let name = race.session(round);
        let mut production = race.database.connect();
        production.run(&format!(
            "UPDATE stock SET n = 100 WHERE id = {}",
            round * 3 + 1
        ));
        let texts = [
            format!("COMMIT OPERATIONS 'one' IN SESSION '{name}'"),
            format!("REBASE SESSION '{name}'"),
        ];
        let commands = [texts[0].as_str(), texts[1].as_str()];
        let (told, written) = at_once(&race.proxy, &name, commands, round * 3 + 3);
        sensible(commands, &told);
        assert!(told.iter().all(Result::is_ok), "{told:?}");
        assert_eq!(race.outcome(&name, round), ("open".to_owned(), true, false));
        let mut agent = race.proxy.connect(&name);
        let row = format!("SELECT n FROM stock WHERE id = {}", round * 3 + 3);
        assert!(agent.value(&row).parse::<usize>().unwrap() >= written);
        race.proxy.review(&format!("COMMIT SESSION '{name}'"));
        assert_eq!(
            race.outcome(&name, round),
            ("committed".to_owned(), true, true)
        );
        let kept = race.value(&format!("SELECT n FROM stock WHERE id = {}", round * 3 + 1));
        assert_eq!(kept, "100");
    }
    race.proxy.assert_sound();
}

#[test]
fn a_conflict_is_settled_while_another_commits() {
    let mut race = Race::new();
    for round in 0..ROUNDS {
        let name = race.session(round);
        let at = round * 3 + 1;
        let mut production = race.database.connect();
        production.run(&format!("UPDATE stock SET note = 'theirs' WHERE id = {at}"));
        let texts = [
            format!("RESOLVE CONFLICT IN SESSION '{name}' TAKE OURS"),
            format!("COMMIT SESSION '{name}'"),
        ];
        let commands = [texts[0].as_str(), texts[1].as_str()];
        let (told, _) = at_once(&race.proxy, &name, commands, round * 3 + 3);
        assert!(told[0].is_ok(), "{told:?}");
        // either the commit came first and met the conflict, or it found it settled
        if let Err(failure) = &told[1] {
            assert!(["ZD001", "55P03"].contains(&failure.code()), "{failure}");
            assert_eq!(
                race.outcome(&name, round),
                ("open".to_owned(), false, false)
            );
            race.proxy.review(&format!("COMMIT SESSION '{name}'"));
        }
        assert_eq!(
            race.outcome(&name, round),
            ("committed".to_owned(), true, true)
        );
    }
    race.proxy.assert_sound();
}

/// Each of several sessions is committed by somebody else, all over the same rows, while production
/// writes: each ends wholly, and what cannot be merged is refused as a conflict.
#[test]
fn several_sessions_over_the_same_rows() {
    let mut race = Race::new();
    for round in 0..ROUNDS {
        let column = |agent: usize| {
            if agent == 0 {
                "n = n + 1"
            } else {
                "note = 'x'"
            }
        };
        let commits: Vec<_> = (0..2)
            .map(|number| {
                let name = format!("r{round}-{number}");
                let order = if number == 0 { "" } else { "DESC" };
                let mut agent = race.proxy.connect(&name);
                agent.run(&format!(
                    "UPDATE stock SET {} WHERE id IN (SELECT id FROM stock ORDER BY id {order})",
                    column(number)
                ));
                let mut reviewer = race.proxy.connect_reviewer();
                thread::spawn(move || {
                    reviewer
                        .simple(&format!("COMMIT SESSION '{name}'"))
                        .unwrap()
                })
            })
            .collect();
        let mut production = race.database.connect();
        for id in (1..=40).rev() {
            production.run(&format!("UPDATE stock SET id = id WHERE id = {id}"));
        }
        for commit in commits {
            let exchange = commit.join().unwrap();
            assert!(exchange.error().is_none(), "{exchange:?}");
        }
        let sum = (round + 1) * 40;
        assert_eq!(race.value("SELECT sum(n) FROM stock"), sum.to_string());
        race.database.run("UPDATE stock SET note = 'base'");
    }
    race.proxy.assert_sound();
}

/// Rows that change places are written the long way round, and meanwhile another one takes a key of the
/// draft: that is a conflict as every other, not an error of the draft's own.
#[test]
fn a_key_is_taken_on_the_long_way_round() {
    let mut race = Race::new();
    race.database.run(
        "CREATE TABLE seat (id int PRIMARY KEY, u int UNIQUE);
         CREATE TABLE ticket (id int PRIMARY KEY, seat int REFERENCES seat, code int UNIQUE);
         INSERT INTO seat VALUES (1, 1), (2, 2);
         INSERT INTO ticket VALUES (1, 1, 1)",
    );
    let mut agent = race.proxy.connect("seats");
    for text in [
        "UPDATE seat SET u = 3 WHERE id = 1",
        "UPDATE seat SET u = 1 WHERE id = 2",
        "UPDATE seat SET u = 2 WHERE id = 1",
        "UPDATE ticket SET code = 5",
    ] {
        agent.run(text);
    }
    let mut production = race.database.connect();
    production.run("BEGIN; INSERT INTO ticket VALUES (2, 2, 5)");
    let mut reviewer = race.proxy.connect_reviewer();
    let commit = thread::spawn(move || reviewer.simple("COMMIT SESSION 'seats'").unwrap());
    while race
        .value("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'")
        == "0"
    {
        assert!(!commit.is_finished(), "{:?}", commit.join());
    }
    production.run("COMMIT");
    let exchange = commit.join().unwrap();
    assert_eq!(
        exchange.error().map(Failure::code),
        Some("ZD001"),
        "{exchange:?}"
    );
    let shown = race.proxy.review("SHOW CONFLICTS IN SESSION 'seats'");
    assert_eq!(shown.value(0, 2).as_deref(), Some("unique"), "{shown:?}");
    race.proxy.assert_sound();
}
