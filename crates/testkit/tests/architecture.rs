//! The folders are the architecture: what each crate may depend on and name, as
//! docs/ARCHITECTURE.md says.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Crate → direct dependencies, from the manifests.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(crates()).expect("crates") {
        let folder = entry.expect("entry").path();
        let name = folder
            .file_name()
            .expect("name")
            .to_string_lossy()
            .into_owned();
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).expect("manifest");
        let mut section = "";
        let mut own = BTreeSet::new();
        for line in manifest.lines() {
            if line.starts_with('[') {
                section = line;
            } else if section == "[dependencies]"
                && let Some((dependency, _)) = line.split_once(['.', ' ', '='])
            {
                own.insert(dependency.trim().to_owned());
            }
        }
        all.insert(name, own);
    }
    all
}

/// Everything a crate of ours reaches, through crates of ours.
fn reached(all: &BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut todo = vec![from.to_owned()];
    while let Some(name) = todo.pop() {
        for dependency in all.get(&name).into_iter().flatten() {
            if seen.insert(dependency.clone()) {
                todo.push(dependency.clone());
            }
        }
    }
    seen
}

#[test]
fn pure_crates_do_no_input_or_output() {
    let all = dependencies();
    for pure in ["report", "catalog", "sql", "draft"] {
        let reached = reached(&all, pure);
        for forbidden in [
            "tokio",
            "tokio-postgres",
            "wire",
            "upstream",
            "store",
            "session",
        ] {
            assert!(!reached.contains(forbidden), "{pure} reaches {forbidden}");
        }
    }
}

#[test]
fn the_planes_do_not_import_each_other() {
    let all = dependencies();
    let session = reached(&all, "session");
    for control_plane in ["store", "control", "console", "web", "tokio-postgres"] {
        let allowed =
            control_plane == "tokio-postgres" && reached(&all, "upstream").contains(control_plane);
        assert!(
            allowed || !session.contains(control_plane),
            "session reaches {control_plane}"
        );
    }
    for control_plane in ["store", "control", "console"] {
        assert!(
            !reached(&all, control_plane).contains("session"),
            "{control_plane} reaches session"
        );
    }
}

#[test]
fn libraries_are_named_in_one_place() {
    let all = dependencies();
    let users = |library: &str| -> Vec<&str> {
        all.iter()
            .filter(|(_, own)| own.contains(library))
            .map(|(name, _)| name.as_str())
            .collect()
    };
    assert_eq!(users("sqlparser"), ["sql"]);
    assert_eq!(users("pg_query"), ["sql"]);
    assert_eq!(users("pgwire"), ["wire"]);
    assert_eq!(users("clap"), ["pgdraft"]);
}

/// Every source file below `src`, with its text.
/// What `git` keeps at the top, dotfiles apart.
#[test]
fn the_top_level_is_what_it_is_to_be() {
    let listed = std::process::Command::new("git")
        .args(["ls-files", "--full-name", ":/"])
        .current_dir(crates())
        .output()
        .expect("git");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let tops: BTreeSet<&str> = listed
        .lines()
        .filter_map(|path| path.split('/').next())
        .filter(|top| !top.starts_with('.'))
        .collect();
    let wanted = [
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE",
        "Makefile",
        "README.md",
        "config",
        "crates",
        "docker",
        "docs",
        "tests",
    ];
    assert_eq!(tops, BTreeSet::from(wanted));
}

fn sources(folder: &Path, out: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path).expect("source");
            out.push((path, text));
        }
    }
}

#[test]
fn sources_are_tidy() {
    for name in dependencies().keys() {
        let mut files = Vec::new();
        sources(&crates().join(name).join("src"), &mut files);
        for (path, text) in files {
            let shown = path.display();
            assert!(
                path.file_name().is_none_or(|n| n != "mod.rs"),
                "{shown}: use foo.rs beside foo/"
            );
            let todo = ["TO", "DO"].concat();
            assert!(
                !text.contains(&todo) && !text.contains("#[ignore]") && !text.contains("dbg!("),
                "{shown}: leftovers"
            );
            let lines = text.lines().count();
            // scenarios of tests may be longer than what they test
            let most = if shown.to_string().contains("tests") {
                900
            } else {
                650
            };
            assert!(lines <= most, "{shown}: {lines} lines; split it");
        }
    }
}
