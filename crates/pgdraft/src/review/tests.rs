//! The table of sub-commands against the console's.

use clap::{CommandFactory as _, FromArgMatches as _};
use console::{COMMANDS, Privilege};

use super::*;
use crate::cli::Cli;

fn request(words: &[&str]) -> Result<Request, String> {
    let command = Cli::command().color(clap::ColorChoice::Never);
    let matches = command
        .try_get_matches_from([&["pgdraft"], words].concat())
        .map_err(|e| e.to_string())?;
    Review::from_arg_matches(&matches)
        .map_err(|e| e.to_string())?
        .request
}

/// A command of the admin language that is about drafts can be typed in a shell too: put it into
/// `VERBS`.
#[test]
fn every_command_about_drafts_is_a_sub_command() {
    for spec in COMMANDS {
        let form = spec.leading_words();
        let of_the_process = spec.privilege == Privilege::Operator
            || matches!(form, ("SHOW", "PGDRAFT" | "VERSION"));
        let there = VERBS.iter().any(|verb| verb.forms.contains(&form));
        assert!(
            of_the_process || there || form == ("SHOW", "DIFF"),
            "no sub-command for {}",
            spec.usage()
        );
    }
    for verb in VERBS {
        for form in verb.forms {
            assert!(
                COMMANDS.iter().any(|s| s.leading_words() == *form),
                "{} names {form:?}, which is no command",
                verb.name
            );
        }
    }
}

/// Each argument of a command has a name in the shell.
#[test]
fn every_argument_has_a_flag() {
    fn count(pieces: &[Piece]) -> usize {
        let of = |piece: &Piece| match piece {
            Piece::Word("FULL") => 1,
            Piece::Word(_) => 0,
            Piece::Optional([Piece::Word(_)]) => 1,
            Piece::Optional(inner) => count(inner),
            _ => 1,
        };
        pieces.iter().map(of).sum()
    }
    for verb in VERBS {
        for spec in verb.specs() {
            assert_eq!(
                arguments(spec).len(),
                count(spec.pieces),
                "{}",
                spec.usage()
            );
        }
    }
}

#[test]
fn arguments_choose_the_command() {
    let tag = |words: &[&str]| request(words).map(|r| r.spec.tag);
    assert_eq!(tag(&["commit", "s"]), Ok("COMMIT SESSION"));
    assert_eq!(
        tag(&["commit", "s", "--fingerprint", "f"]),
        Ok("COMMIT SESSION")
    );
    assert_eq!(
        tag(&["discard", "s", "--operation", "a", "--cascade"]),
        Ok("DISCARD OPERATIONS")
    );
    assert_eq!(tag(&["revert", "s", "--as", "u"]), Ok("REVERT SESSION"));
    assert_eq!(
        tag(&["revert", "s", "--operation", "a"]),
        Ok("REVERT OPERATION")
    );
    assert_eq!(
        tag(&["revert", "--agent", "a", "--since", "now"]),
        Ok("REVERT AGENT")
    );
    assert!(tag(&["revert", "s", "--agent", "a", "--since", "now"]).is_err());
    assert!(tag(&["commit", "s", "--cascade"]).is_err());
    assert!(tag(&["commit"]).is_err());
    assert!(tag(&["resolve", "s"]).is_err());
    assert!(tag(&["resolve", "s", "--take", "mine"]).is_err());
}

#[test]
fn arguments_arrive() {
    let words = [
        "resolve", "s", "--table", "shop.t", "--key", "7,a", "--column", "c", "--value", "x",
    ];
    let asked = request(&words).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(asked.session.as_deref(), Some("s"));
    assert_eq!(asked.table, Some(table_name("shop.t")));
    assert_eq!(asked.key, ["7", "a"]);
    assert_eq!(asked.column.as_deref(), Some("c"));
    assert_eq!(asked.text("value"), Some("x"));
    let asked = request(&["resolve", "s", "--take", "Theirs"]).unwrap_or_else(|e| panic!("{e}"));
    assert!(asked.has("THEIRS"));
    let asked = request(&["fork", "s", "--as", "t", "--at", "o"]).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(asked.text("new session"), Some("t"));
    assert_eq!(asked.operations, ["o"]);
    let asked = request(&["discard", "s", "--operation", "a", "--operation", "b"]);
    assert_eq!(
        asked.map(|r| r.operations),
        Ok(vec!["a".into(), "b".into()])
    );
}
