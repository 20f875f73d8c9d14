//! The program as a user runs it: what it prints, and the exit code. None of it needs a database.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::io::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

fn pgdraft(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgdraft"));
    // Nothing of the surroundings: neither PGDRAFT_* nor a config/pgdraft.toml.
    command
        .args(words)
        .env_clear()
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn ends_with(mut command: Command, code: i32, says: &[&str]) -> Output {
    let output = command.output().unwrap();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for piece in says {
        assert!(said.contains(piece), "{piece:?} is not in:\n{said}");
    }
    output
}

fn file(name: &str, content: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).unwrap();
    path
}

fn hash(password: &str) -> Output {
    let mut command = pgdraft(&["hash-password"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(password.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

#[test]
fn help_teaches_and_names_the_exit_codes() {
    ends_with(
        pgdraft(&["--help"]),
        0,
        &["Examples:", "Exit codes:", "pgdraft demo"],
    );
    for command in ["init", "uninstall", "serve", "hash-password", "demo"] {
        ends_with(pgdraft(&[command, "--help"]), 0, &["Examples:", "PGDRAFT_"]);
    }
    for command in [
        "sessions",
        "operations",
        "diff",
        "dependencies",
        "conflicts",
        "resolve",
        "rebase",
        "rehearse",
        "commit",
        "discard",
        "revert",
        "rewind",
        "fork",
        "propose",
        "reopen",
    ] {
        let says = ["Examples:", &format!("pgdraft {command}"), "--json"];
        ends_with(pgdraft(&[command, "--help"]), 0, &says);
    }
}

/// The sub-commands that a help lists.
fn commands(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

fn help_of(words: &[&str]) -> String {
    let mut command = pgdraft(words);
    let lines = text(&command.arg("--help").output().unwrap().stdout);
    let lines: Vec<&str> = lines.lines().map(str::trim_end).collect();
    lines.join("\n")
}

/// `docs/cli.md` is what `--help` says, of every command. `REWRITE=1` writes it anew.
#[test]
fn the_page_of_the_command_line_is_what_help_says() {
    let mut page = String::from(
        "<!-- Generated from --help: REWRITE=1 cargo test --workspace --test cli -->\n\n# Command line\n\n\
         Each flag can be given as the variable beside it. `--json` prints one JSON object, whose\n\
         rows have the columns of the [admin statement](admin-sql.md) of the same name. Colours are\n\
         for terminals only, and `NO_COLOR` turns them off. Errors go to standard error, with the\n\
         SQLSTATE, a detail and a hint. The flags of `pgdraft serve` are the keys of the\n\
         [configuration](configuration.md).\n",
    );
    let mut chapter = |words: &[&str]| {
        let help = help_of(words);
        let title = ["pgdraft"].iter().chain(words).copied().collect::<Vec<_>>();
        page += &format!(
            "\n## {}\n\n```text\n{}\n```\n",
            title.join(" "),
            help.trim()
        );
        commands(&help)
    };
    // The flags of serve, which config check takes too, are the keys of configuration.md.
    for name in chapter(&[]) {
        if !matches!(name.as_str(), "serve" | "config") {
            chapter(&[&name]);
        }
    }
    let path = testkit::root().join("docs/cli.md");
    if testkit::environment("REWRITE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/cli.md is not what --help says; REWRITE=1 writes it anew"
    );
}

#[test]
fn arguments_that_do_not_go_together_are_2() {
    for words in [
        &["commit", "s", "--cascade"][..],
        &["revert", "s", "--agent", "a", "--since", "now"],
        &["resolve", "s"],
        &["resolve", "s", "--take", "ours", "--value", "x"],
    ] {
        ends_with(
            pgdraft(words),
            2,
            &["do not go together", "hint: ", "--help"],
        );
    }
}

#[test]
fn wrong_usage_is_2() {
    ends_with(pgdraft(&["srve"]), 2, &["serve"]);
    ends_with(
        pgdraft(&["serve", "--listen", "x"]),
        2,
        &["\"x\" is not an address"],
    );
    let mut both = pgdraft(&["serve", "--embedded", "--config", "none"]);
    both.env("PGDRAFT_UPSTREAM_URL", "postgres://u@h/d");
    ends_with(both, 2, &["do not go together"]);
}

#[test]
fn wrong_configuration_is_3_with_its_place() {
    let path = file("wrong.toml", "listen = \"127.0.0.1:0\"\nlissten = 1\n");
    ends_with(
        pgdraft(&["config", "check", "--config", path.to_str().unwrap()]),
        3,
        &[
            "wrong.toml:2:1: key \"lissten\"",
            "did you mean \"listen\"?",
        ],
    );
    ends_with(
        pgdraft(&["init"]),
        3,
        &["no database is named", "PGDRAFT_UPSTREAM_URL"],
    );
    ends_with(
        pgdraft(&["serve", "--config", "gone.toml"]),
        3,
        &["gone.toml"],
    );
    let url = ["serve", "--upstream-url", "postgres://u@127.0.0.1:1/d"];
    ends_with(pgdraft(&url), 3, &["nobody may connect", "hash-password"]);
}

#[test]
fn the_url_is_never_shown() {
    for words in [
        &[
            "init",
            "--upstream-url",
            "postgres://u:hunter2@127.0.0.1:1/d",
        ][..],
        &[
            "init",
            "--upstream-url",
            "postgres://u:hunter2@127.0.0.1:1/d?sslmode=x",
        ],
        &["init", "--upstream-url", "mysql://u:hunter2@127.0.0.1:1/d"],
        &[
            "sessions",
            "--upstream-url",
            "postgres://u:hunter2@127.0.0.1:99999/d",
        ],
    ] {
        let output = pgdraft(words).output().unwrap();
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(!said.contains("hunter2"), "{said}");
    }
    let mut help = pgdraft(&["serve", "--help"]);
    help.env("PGDRAFT_UPSTREAM_URL", "postgres://u:hunter2@h/d");
    assert!(!text(&help.output().unwrap().stdout).contains("hunter2"));
}

#[test]
fn no_upstream_is_4() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("postgres://u@{closed}/d");
    for words in [
        &["init"][..],
        &["sessions"],
        &["diff", "s"],
        &["conflicts", "s"],
    ] {
        let mut command = pgdraft(words);
        command.env("PGDRAFT_UPSTREAM_URL", &url);
        ends_with(command, 4, &["could not connect", "hint:"]);
    }
}

#[test]
fn a_taken_port_is_6() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let verifier = text(&hash("secret\n").stdout);
    let path = file("bot.verifier", &verifier);
    let agent = format!("bot={}", path.display());
    ends_with(
        pgdraft(&[
            "serve",
            "--upstream-url",
            "postgres://u@127.0.0.1:1/d",
            "--agent",
            &agent,
            "--listen",
            &address,
        ]),
        6,
        &[&address, "--listen"],
    );
}

#[test]
fn passwords_become_verifiers() {
    let one = hash("pässword");
    let other = hash("pässword\n");
    assert!(one.status.success());
    assert!(text(&one.stdout).starts_with("SCRAM-SHA-256$4096:"));
    assert_ne!(one.stdout, other.stdout, "the salt is new each time");
    for refused in ["", "\n", &"x".repeat(5000)] {
        assert_eq!(hash(refused).status.code(), Some(2));
    }
}

#[test]
fn config_check_says_what_holds() {
    let verifier = text(&hash("secret\n").stdout);
    let content = format!(
        "upstream_url = \"postgres://u@h/d\"\n[[agents]]\nname = \"bot\"\nverifier = \"{}\"\n",
        verifier.trim()
    );
    let path = file("good.toml", &content);
    let words = [
        "config",
        "check",
        "--config",
        path.to_str().unwrap(),
        "--metrics-listen",
        "off",
    ];
    ends_with(
        pgdraft(&words),
        0,
        &["agents    bot", "metrics   off", "is good"],
    );
    let tls = [
        "--tls",
        "require",
        "--tls-cert",
        "none.crt",
        "--tls-key",
        "none.key",
    ];
    ends_with(pgdraft(&[&words[..], &tls[..]].concat()), 3, &["none.crt"]);
}
