//! A reviewer at a shell, over a database with drafts in it: each command, its JSON, its exit code.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::process::{Command, Output, Stdio};

use serde_json::Value;
use testkit::Database;
use testkit::proxy::over;

const SETUP: &str = "\
CREATE TABLE stock (id int PRIMARY KEY, name text, n int NOT NULL);
INSERT INTO stock SELECT n, 'item ' || n, 10 FROM generate_series(1, 20) n;
";

struct Shell(String);

impl Shell {
    fn run(&self, words: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pgdraft"));
        command
            .args(words.split(' '))
            .env_clear()
            .env("PGDRAFT_UPSTREAM_URL", &self.0)
            .current_dir(env!("CARGO_TARGET_TMPDIR"))
            .stdin(Stdio::null());
        command.output().unwrap()
    }

    #[track_caller]
    fn says(&self, words: &str) -> String {
        let output = self.run(words);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn json(&self, words: &str) -> Value {
        let said = self.says(&format!("{words} --json"));
        serde_json::from_str(&said).unwrap_or_else(|e| panic!("{words}: {e}:\n{said}"))
    }

    #[track_caller]
    fn refused(&self, words: &str) -> String {
        let output = self.run(words);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(7), "{words}: {error}");
        assert!(error.contains("hint: "), "{error}");
        error
    }
}

fn started() -> (Database, testkit::Proxy, Shell) {
    let (database, proxy) = over(SETUP);
    let shell = Shell(database.url());
    (database, proxy, shell)
}

#[test]
fn a_session_from_its_first_look_to_its_undo() {
    let (database, mut proxy, shell) = started();
    let mut production = database.connect();
    let mut agent = proxy.connect("tidy-up");
    agent.run("SET pgdraft.operation = 'restock'; UPDATE stock SET n = n + 5 WHERE id < 4");
    agent.run(
        "SET pgdraft.operation = 'close'; UPDATE stock SET name = 'closed' WHERE id IN (1, 9)",
    );
    agent.run("SET pgdraft.operation = 'drop'; DELETE FROM stock WHERE id = 20");

    assert!(shell.says("sessions").contains("tidy-up"));
    assert_eq!(shell.json("sessions")["sessions"][0]["rows"], 5);
    let operations = shell.json("operations tidy-up");
    assert_eq!(operations["session"], "tidy-up");
    assert_eq!(operations["operations"][0]["operation"], "restock");
    assert_eq!(operations["operations"][0]["tables"][0], "public.stock");
    let edges = shell.json("dependencies tidy-up");
    assert_eq!(edges["dependencies"][0]["depends_on"], "restock");
    assert_eq!(
        shell.json("conflicts tidy-up")["conflicts"],
        Value::Array(vec![])
    );
    let rehearsal = shell.json("rehearse tidy-up");
    assert_eq!(rehearsal["can_be_committed"], true);
    assert_eq!(rehearsal["rehearsal"][0]["kind"], "commit");

    let fork = shell.json("fork tidy-up --as then --at restock");
    assert_eq!((&fork["made"], &fork["rows"]), (&"then".into(), &3.into()));
    assert_eq!(shell.json("diff then")["rows"].as_array().unwrap().len(), 3);
    assert_eq!(shell.json("propose tidy-up")["state"], "proposed");
    assert_eq!(agent.fail("DELETE FROM stock").code(), "ZD002");
    assert_eq!(shell.json("reopen tidy-up")["state"], "open");

    assert!(
        shell
            .refused("commit tidy-up --operation close")
            .contains("ZD022")
    );
    let part = shell.json("commit tidy-up --operation drop");
    assert_eq!(
        (&part["part"], &part["rows"]),
        (&"tidy-up#1".into(), &1.into())
    );
    let fingerprint = shell.json("diff tidy-up")["fingerprint"]
        .as_str()
        .unwrap()
        .to_owned();
    agent.run("SET pgdraft.operation = 'late'; UPDATE stock SET n = 0 WHERE id = 15");
    let moved = shell.refused(&format!("commit tidy-up --fingerprint {fingerprint}"));
    assert!(moved.contains("ZD021"), "{moved}");
    assert_eq!(
        shell.json("rewind tidy-up --to close")["removed_operations"],
        1
    );
    let done = shell.json(&format!("commit tidy-up --fingerprint {fingerprint}"));
    assert_eq!(
        (&done["state"], &done["rows"]),
        (&"committed".into(), &4.into())
    );
    assert_eq!(
        production.value("SELECT n || name FROM stock WHERE id = 1"),
        "15closed"
    );

    assert_eq!(shell.json("revert tidy-up --as undo")["made"], "undo");
    assert_eq!(shell.json("commit undo")["rows"], 4);
    assert_eq!(
        production.value("SELECT count(*) FROM stock WHERE n = 10"),
        "19"
    );
    shell.says("revert --agent agent --since 2020-01-01 --as all");
    assert_eq!(shell.json("discard all")["state"], "discarded");
    proxy.assert_sound();
}

#[test]
fn conflicts_are_settled_from_a_shell() {
    let (database, mut proxy, shell) = started();
    let mut production = database.connect();
    let mut agent = proxy.connect("s");
    agent.run("UPDATE stock SET n = 1, name = 'ours' WHERE id < 4");
    production.run("UPDATE stock SET n = 2 WHERE id < 4; UPDATE stock SET name = 'x' WHERE id = 3");
    assert_eq!(
        shell.json("conflicts s")["conflicts"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
    assert!(shell.refused("commit s").contains("ZD001"));
    assert_eq!(
        shell.json("resolve s --take theirs --table stock --key 1")["left"],
        3
    );
    let value = "resolve s --table stock --key 2 --column n --value 3";
    assert_eq!(shell.json(value)["left"], 2);
    let rebased = shell.json("rebase s");
    assert_eq!(rebased["conflicts"], 2);
    assert!(
        rebased["changes"]
            .as_array()
            .unwrap()
            .iter()
            .any(|c| c["state"] == "conflict")
    );
    assert_eq!(shell.json("resolve s --take ours")["left"], 0);
    assert!(shell.says("commit s").contains("committed"));
    assert_eq!(
        production
            .run("SELECT n, name FROM stock WHERE id < 4 ORDER BY id")
            .table(),
        ["2|ours", "3|ours", "1|ours"]
    );
    assert!(shell.refused("conflicts nobody").contains("ZD003"));
    proxy.assert_sound();
}

/// A program that asked for JSON reads on standard error how far a large command is.
#[test]
fn large_commands_tell_how_far_they_are() {
    let (_database, proxy, shell) = started();
    let mut agent = proxy.connect("large");
    agent.run("INSERT INTO stock SELECT n, 'new', 0 FROM generate_series(100, 12099) n");
    agent.run("UPDATE stock SET n = 1 WHERE id <= 20");
    for (words, doing) in [
        ("rehearse large", "inserting into"),
        ("commit large", "inserting into"),
        ("revert large --as undo", "going back in"),
        ("commit undo", "deleting from"),
    ] {
        let output = shell.run(&format!("{words} --json"));
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{words}: {error}");
        let steps: Vec<Value> = error
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let step = steps.iter().find(|step| step["doing"] == doing);
        let step = step.unwrap_or_else(|| panic!("{words}: {error}"));
        assert_eq!(step["table"], "public.stock");
        assert_eq!(step["total"], 12_020);
    }
    let plain = shell.run("discard nothing");
    assert!(
        !String::from_utf8(plain.stderr)
            .unwrap()
            .contains("\"rows\"")
    );
}

/// What `serve` knows of counters a shell knows from the same variable or file.
#[test]
fn counters_merge_from_a_shell_too() {
    let (database, proxy, shell) = started();
    let mut production = database.connect();
    proxy
        .connect("s")
        .run("UPDATE stock SET n = n + 5 WHERE id = 1");
    production.run("UPDATE stock SET n = n - 2 WHERE id = 1");
    shell.refused("commit s");
    shell.says("commit s --merge-delta public.stock.n");
    assert_eq!(production.value("SELECT n FROM stock WHERE id = 1"), "13");
}
