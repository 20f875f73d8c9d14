//! The configuration: each wrong file gives the place, the key and what is expected.

use clap::{CommandFactory as _, Parser as _};

use super::*;
use crate::cli::{Cli, Command};

const VERIFIER: &str = "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn load(text: &str, flags: &[&str]) -> Result<Settings> {
    let flags = parse(flags);
    let path = Path::new("pgdraft.toml");
    let mut document = Document::parse(path, text)?;
    let settings = Settings::from_document(&flags, &mut document, None)?;
    document.finish()?;
    settings.check()?;
    Ok(settings)
}

fn parse(flags: &[&str]) -> ServeFlags {
    let words = ["pgdraft", "serve"].iter().chain(flags);
    match Cli::try_parse_from(words).unwrap().command {
        Command::Serve(flags) => *flags,
        other => panic!("not serve: {other:?}"),
    }
}

fn error(text: &str) -> String {
    match load(text, &[]) {
        Ok(_) => panic!("taken: {text}"),
        Err(error) => format!("{error} | {}", error.expected),
    }
}

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn flag_before_file_before_default() {
    let file = "listen = \"127.0.0.1:1\"\ndrain_timeout_ms = 5\n";
    let settings = load(
        file,
        &["--listen", "localhost:2", "--functions-allow", "A,b.c"],
    )
    .unwrap();
    assert_eq!(settings.listen.to_string(), "127.0.0.1:2");
    assert_eq!(settings.drain_timeout, Duration::from_millis(5));
    assert_eq!(settings.catalog_poll, Duration::from_millis(2000));
    assert_eq!(settings.functions_allow, ["a", "b.c"]);
    assert_eq!(
        load(file, &["--metrics-listen", "off"])
            .unwrap()
            .metrics_listen,
        None
    );
}

#[test]
fn mistakes_say_where_and_what() {
    for (text, expected) in [
        (
            "listen = \"nowhere\"",
            "pgdraft.toml:1:10: key \"listen\": \"nowhere\" is not an address with a port | expected an address with a port, such as \"127.0.0.1:6432\"; the default is \"127.0.0.1:6432\"",
        ),
        (
            "# é\n  lissten = 1",
            "pgdraft.toml:2:3: key \"lissten\": there is no such key | did you mean \"listen\"?",
        ),
        (
            "[embedded]\nport = \"x\"",
            "pgdraft.toml:2:8: key \"embedded.port\": this is a string | expected a port, 0 to 65535; 0 = any free one; the default is 0",
        ),
        (
            "[embedded]\nprot = 1",
            "pgdraft.toml:2:1: key \"embedded.prot\": there is no such key | did you mean \"embedded.port\"?",
        ),
        (
            "connections_max = 0",
            "pgdraft.toml:1:19: key \"connections_max\": 0 is not between 1 and 100000 | expected a number of connections, 1 to 100000; the default is 200",
        ),
        (
            "listen = ",
            "pgdraft.toml:1:10: not TOML: string values must be quoted, expected literal string | config/pgdraft.toml of the source shows every key",
        ),
        (
            "tls = \"yes\"",
            "pgdraft.toml:1:7: key \"tls\": \"yes\" is not a TLS mode | expected \"off\", \"allow\" or \"require\"; the default is \"off\"",
        ),
        (
            "[functions]\nallow = [\"ok\", \"a b\"]",
            "pgdraft.toml:2:16: key \"functions.allow\": \"a b\" is not the name of a function | expected names of functions, such as [\"slugify\", \"app.total\"]; the default is []",
        ),
        (
            "zebra = 1",
            "pgdraft.toml:1:1: key \"zebra\": there is no such key | docs/configuration.md and config/pgdraft.toml list every key",
        ),
        (
            "[[agents]]\nname = \"bot\"",
            "pgdraft.toml:1:1: key \"agents\": the key verifier is missing | expected [[agents]] with the keys name and verifier",
        ),
        (
            "[[agents]]\nname = \"bot\"\npassword = \"x\"",
            "pgdraft.toml:3:1: key \"password\": there is no such key | expected [[agents]] with the keys name and verifier",
        ),
        (
            "[[agents]]\nname = \"a+b\"\nverifier = \"x\"",
            "pgdraft.toml:2:8: key \"agents.name\": \"a+b\" has a \"+\" or a control character | expected a name of 1 to 63 bytes without \"+\"",
        ),
        (
            "tls = \"require\"",
            "key \"tls\": TLS is on, and tls_cert or tls_key is missing | set both: tls_cert = \"server.crt\", tls_key = \"server.key\"",
        ),
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
}

#[test]
fn a_plain_password_is_refused_and_never_shown() {
    let text = "[[agents]]\nname = \"bot\"\nverifier = \"hunter2\"\n";
    let said = error(text);
    assert!(
        said.starts_with("pgdraft.toml:3:12: key \"agents.verifier\""),
        "{said}"
    );
    assert!(said.contains("pgdraft hash-password"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn members_are_read_and_are_different_people() {
    let member = |kind: &str, name: &str| {
        format!("[[{kind}]]\nname = \"{name}\"\nverifier = \"{VERIFIER}\"\n")
    };
    let settings = load(&(member("agents", "a") + &member("reviewers", "r")), &[]).unwrap();
    assert_eq!(settings.agents.len(), 1);
    assert_eq!(settings.reviewers.len(), 1);
    let twice = error(&(member("agents", "a") + &member("agents", "a")));
    assert!(twice.contains("a second time"), "{twice}");
    let both = error(&(member("agents", "a") + &member("reviewers", "a")));
    assert!(both.contains("is an agent and a reviewer"), "{both}");
}

#[test]
fn clear_text_on_a_network_needs_a_word() {
    let said = error("listen = \"0.0.0.0:6432\"");
    assert!(said.contains("insecure_no_tls"), "{said}");
    assert!(load("listen = \"*:6432\"\ninsecure_no_tls = true", &[]).is_ok());
    assert!(load("listen = \"*:6432\"", &["--insecure-no-tls"]).is_ok());
}

/// The file that is handed out shows every key with its default, and is good with every key in it
/// switched on.
#[test]
fn the_sample_file_shows_every_key() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = std::fs::read_to_string(root.join("config/pgdraft.toml")).unwrap();
    let docs = std::fs::read_to_string(root.join("docs/configuration.md")).unwrap();
    let mut section = "";
    let mut shown = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            section = name;
        }
        let Some((name, value)) = line.strip_prefix('#').and_then(|l| l.split_once(" = ")) else {
            continue;
        };
        let path = match section {
            "" => name.to_owned(),
            section => format!("{section}.{name}"),
        };
        shown.push((path, value.to_owned()));
    }
    let help = Cli::command()
        .find_subcommand_mut("serve")
        .unwrap()
        .render_long_help()
        .to_string();
    for key in keys::KEYS {
        let found = shown.iter().find(|(name, _)| name == key.name);
        let (_, value) = found.unwrap_or_else(|| panic!("{} is not shown", key.name));
        if !key.default.is_empty() {
            assert_eq!(value, key.default, "{}", key.name);
        }
        assert!(
            docs.contains(&format!("`{}`", key.name)),
            "docs: {}",
            key.name
        );
        let variable = format!("PGDRAFT_{}", key.name.replace('.', "_").to_uppercase());
        assert!(
            help.contains(&variable),
            "{variable} is no variable of serve"
        );
        assert!(docs.contains(&variable), "docs: {variable}");
    }
}

#[test]
fn every_flag_has_a_variable() {
    fn walk(command: &clap::Command) {
        for argument in command.get_arguments() {
            let id = argument.get_id().as_str();
            if matches!(id, "help" | "version") {
                continue;
            }
            let variable = argument.get_env().and_then(|v| v.to_str());
            assert!(
                variable.is_some_and(|v| v.starts_with("PGDRAFT_")),
                "{} {id}",
                command.get_name()
            );
        }
        command.get_subcommands().for_each(walk);
    }
    walk(&Cli::command());
}
