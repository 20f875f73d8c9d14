//! The walk-through of docs/operations.md: its commands are run, and what they answer is what it shows.
//! `REWRITE=1` writes the answers anew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::process::Command;

use testkit::Database;
use testkit::proxy::{Proxy, over};

const DOCUMENT: &str = "docs/operations.md";

/// Who a prompt stands for.
fn url(prompt: &str, database: &Database, proxy: &Proxy) -> Option<String> {
    match prompt {
        "production" => Some(database.url()),
        "agent" => Some(proxy.url("tidy-up")),
        "reviewer" => Some(proxy.reviewer_url()),
        _ => None,
    }
}

/// What psql prints, notices in their place.
fn answer(psql: &std::path::Path, url: &str, command: &str) -> Vec<String> {
    let output = Command::new(psql)
        .args(["-X", "-v", "VERBOSITY=default", "-d", url, "-c", command])
        .env("PGTZ", "UTC")
        .output()
        .unwrap();
    let text =
        String::from_utf8(output.stderr).unwrap() + &String::from_utf8(output.stdout).unwrap();
    text.trim_end()
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

/// A line without what is another one each time: times, durations, fingerprints, the widths of columns.
fn lasting(line: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut before = "";
    for word in line.split_whitespace() {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        let time = digits >= 6 && word.contains([':', '-']);
        let fingerprint = word.len() == 32 && word.chars().all(|c| c.is_ascii_hexdigit());
        let rule = word.len() > 1 && word.chars().all(|c| c == '-' || c == '+');
        words.push(match () {
            () if time || fingerprint => "…".to_owned(),
            () if rule => "-".to_owned(),
            // the cell after a time is a duration where it is a number
            () if before == "time" && word.parse::<u64>().is_ok() => "…".to_owned(),
            () => word.to_owned(),
        });
        before = match (time, word, before) {
            (true, _, _) | (_, "|", "time") => "time",
            _ => "",
        };
    }
    words.join(" ")
}

#[test]
fn the_walk_through_is_true() {
    let (database, proxy) = over("");
    let psql = database.cluster().program("psql");
    let path = testkit::root().join(DOCUMENT);
    let document = std::fs::read_to_string(&path).unwrap();
    let (mut written, mut inside, mut commands) = (Vec::new(), false, 0);
    for line in document.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        }
        let command = line.split_once("=> ").filter(|_| inside);
        let whose = command.and_then(|(prompt, _)| url(prompt, &database, &proxy));
        match (whose, command) {
            (Some(url), Some((_, command))) => {
                commands += 1;
                written.push(line.to_owned());
                written.extend(answer(&psql, &url, command));
            }
            // what the document has it answer
            _ if inside && !line.starts_with("```") => {}
            _ => written.push(line.to_owned()),
        }
    }
    assert!(commands > 15, "{DOCUMENT} has lost its walk-through");
    if testkit::environment("REWRITE").is_some() {
        std::fs::write(&path, written.join("\n") + "\n").unwrap();
        return;
    }
    let (is, says): (Vec<_>, Vec<_>) = (
        written.iter().map(|line| lasting(line)).collect(),
        document.lines().map(lasting).collect(),
    );
    assert_eq!(
        is, says,
        "{DOCUMENT} is not what happens; REWRITE=1 writes it anew"
    );
}
