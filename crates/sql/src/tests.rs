//! Case files: text in, plan out. `REWRITE=1 cargo test --workspace sql` accepts new output, which is
//! then read in review.
#![allow(
    clippy::too_many_lines,
    reason = "a scenario is read from top to bottom"
)]

use std::fmt::Write as _;
use std::path::Path;

use crate::{Context, DraftView, FunctionPolicy, ParseFailure, Plan, parse, plan};

mod bound;
mod pattern;
mod shop;

use shop::shop;

/// Hands on a case's text and what it is planned in. The first line may be
/// `-- dirty: users 5, teams 20000`, then `-- sequences` of a session that has its own.
fn in_context<T>(case: &str, then: impl FnOnce(&str, Context<'_>) -> T) -> T {
    let catalog = shop();
    let mut draft = DraftView::default();
    let text = match case
        .strip_prefix("-- dirty: ")
        .and_then(|rest| rest.split_once('\n'))
    {
        Some((list, text)) => {
            for item in list.split(',') {
                let (name, rows) = item.trim().split_once(' ').expect("table rows");
                let relation = catalog
                    .resolve(&["public".into(), "app".into()], name)
                    .expect("table");
                draft.dirty.insert(relation.id, rows.parse().expect("rows"));
            }
            text
        }
        None => case,
    };
    let after = text.strip_prefix("-- sequences\n");
    draft.sequences = after.is_some();
    let text = after.unwrap_or(text);
    let path = ["public".to_owned()];
    let policy = FunctionPolicy::default();
    let temporary = crate::Temporary::from([("mine".to_owned(), 2)]);
    then(
        text,
        Context::of_client((&catalog, &draft), (&path, &temporary), &policy, true),
    )
}

/// What a case shows for one text.
fn show(case: &str) -> String {
    in_context(case, show_plans)
}

fn show_plans(text: &str, context: Context<'_>) -> String {
    let mut out = String::new();
    match parse(text) {
        Err(ParseFailure::Syntax(message)) => {
            let _ = writeln!(out, "syntax: {message}");
        }
        Err(ParseFailure::Refused(report)) => {
            let _ = writeln!(out, "refused: {report}");
        }
        Ok(script) => {
            for statement in &script.statements {
                match plan(statement, context) {
                    Err(report) => {
                        let _ = writeln!(out, "refused: {report}");
                    }
                    Ok(Plan::Read(read)) => {
                        let _ = writeln!(out, "read: {}", read.text);
                    }
                    Ok(Plan::Write(write)) => {
                        let _ = writeln!(
                            out,
                            "write {:?} {:?} returning {}: {}",
                            write.verb,
                            write.changes.iter().map(|r| r.0).collect::<Vec<_>>(),
                            write.returning,
                            write.rewritten.text
                        );
                    }
                    Ok(other) => {
                        let _ = writeln!(out, "{other:?}");
                    }
                }
            }
        }
    }
    out
}

/// The texts of a case file.
fn inputs(content: &str) -> impl Iterator<Item = &str> {
    let blocks = content.split("\n====\n");
    let inputs = blocks.map(|block| block.split("\n----\n").next().unwrap_or_default().trim());
    inputs.filter(|input| !input.is_empty())
}

#[test]
fn case_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let rewrite = option_env!("REWRITE").is_some() || std::env::vars().any(|(k, _)| k == "REWRITE");
    let mut failures = Vec::new();
    for entry in std::fs::read_dir(&folder).expect("cases") {
        let path = entry.expect("entry").path();
        let content = std::fs::read_to_string(&path).expect("case file");
        let mut fresh = String::new();
        for block in content.split("\n====\n") {
            let input = block.split("\n----\n").next().unwrap_or_default().trim();
            if input.is_empty() {
                continue;
            }
            let _ = write!(fresh, "{input}\n----\n{}\n====\n", show(input).trim_end());
        }
        if rewrite {
            std::fs::write(&path, &fresh).expect("write case file");
        } else if fresh != content {
            failures.push(format!("{}:\n{fresh}", path.display()));
        }
    }
    assert!(
        failures.is_empty(),
        "cases differ:\n{}",
        failures.join("\n")
    );
}

#[test]
fn deep_and_long_texts_are_refused_or_parsed_without_harm() {
    let deep = format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000));
    assert!(parse(&deep).is_err());
    let nested = format!("SELECT {}1{}", "(SELECT ".repeat(90), ")".repeat(90));
    assert!(parse(&nested).is_ok());
    let chain = format!("SELECT 1{}", "+1".repeat(500));
    assert!(parse(&chain).is_ok());
    let refused = format!("SELECT 1{}", "+1".repeat(5_000));
    assert!(matches!(parse(&refused), Err(ParseFailure::Refused(_))));
    let ors = format!("SELECT 1 WHERE true{}", " OR 1 = 2".repeat(3_000));
    assert!(parse(&ors).is_ok());
    let too_long = format!("SELECT 1{}", "+1".repeat(50_000));
    assert!(parse(&too_long).is_err());
    for row in [
        "+".repeat(1_000_000),
        "+-".repeat(50_000),
        "/**/".repeat(50_000),
    ] {
        assert!(matches!(
            parse(&format!("SELECT {row}1")),
            Err(ParseFailure::Refused(_))
        ));
    }
    let (signs, lines, stars) = ("+".repeat(2_000), "-".repeat(50_000), "*".repeat(50_000));
    let underlined =
        format!("SELECT '{signs}' -- {lines}\n, + + -1 /{stars}/, '{lines}', '{stars}'");
    assert!(parse(&underlined).is_ok());
    let unions = vec!["SELECT 1"; 900].join(" UNION ALL ");
    assert!(parse(&unions).is_ok());
    let list = format!("SELECT 1 WHERE 1 IN ({})", vec!["1"; 20_000].join(","));
    assert!(parse(&list).is_ok());
    let spread = parse(" ;; SELECT 1 ; ;SELECT 2 -- x\n;").expect("parses");
    let texts: Vec<&str> = spread.statements.iter().map(|s| s.text.as_str()).collect();
    assert_eq!(texts, ["SELECT 1", "SELECT 2"]);
    assert!(parse(&"SELECT 1;".repeat(500_000)).is_err());
    let many = "SELECT 1;".repeat(1_000);
    assert_eq!(parse(&many).map(|s| s.statements.len()).ok(), Some(1_000));
}

/// Pieces that mutation puts into statements: keywords, names, brackets, quotes.
const PIECES: [&str; 40] = [
    "SELECT",
    "FROM",
    "WHERE",
    "users",
    "public.users",
    "ONLY",
    "TABLE",
    "(",
    ")",
    ",",
    ";",
    "'",
    "\"",
    "--",
    "/*",
    "*/",
    "$$",
    "E'\\''",
    "AND",
    "OR",
    "INTO",
    "interval",
    "END",
    "UNION",
    "DELETE FROM users",
    "UPDATE users SET age = 1",
    "RETURNING *",
    "WITH x AS (",
    "AS",
    "x",
    "USING",
    "LATERAL",
    "::int",
    "$1",
    "[1]",
    ".",
    "*",
    "NATURAL JOIN",
    "COLLATE",
    "1e9",
];

/// A linear congruential generator: the same seed gives the same statements.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % sides.max(1)
    }
}

#[test]
fn mutants_never_panic_and_never_write_a_base_table() {
    let mut texts = Vec::new();
    for name in ["read.txt", "write.txt", "parts.txt", "merge.txt"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/cases")
            .join(name);
        let content = std::fs::read_to_string(path).expect("case file");
        for block in content.split("\n====\n") {
            let input = block
                .split("\n----\n")
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned();
            if !input.is_empty() {
                texts.push(input);
            }
        }
    }
    let mut dice = Dice(20_261_122);
    for _ in 0..4_000 {
        let text = texts
            .get(dice.roll(texts.len()))
            .cloned()
            .unwrap_or_default();
        let (head, body) = text
            .split_once('\n')
            .filter(|(h, _)| h.starts_with("-- dirty"))
            .unwrap_or(("", &text));
        let mut words: Vec<&str> = body.split(' ').collect();
        for _ in 0..=dice.roll(3) {
            let at = dice.roll(words.len() + 1);
            match dice.roll(3) {
                0 if !words.is_empty() => {
                    words.remove(at.min(words.len() - 1));
                }
                1 => words.insert(
                    at,
                    PIECES.get(dice.roll(PIECES.len())).copied().unwrap_or(""),
                ),
                _ => {
                    let other = dice
                        .roll(words.len().max(1))
                        .min(words.len().saturating_sub(1));
                    if !words.is_empty() && at < words.len() {
                        words.swap(at, other);
                    }
                }
            }
        }
        let shown = show(&format!("{head}\n{}", words.join(" ")));
        // the plan's own check must never be what stops a text
        assert!(!shown.contains("XX000"), "{}\n{shown}", words.join(" "));
    }
}
