//! Patterns: the mask agrees with PostgreSQL's lexer, and a filled plan is the plan.

use std::path::Path;
use std::sync::Arc;

use pg_query::protobuf::Token as Kind;

use super::{Dice, PIECES, in_context, inputs};
use crate::mask::{Hole, HoleKind};
use crate::{Mask, Pattern, Plan, mask, parse, plan};

fn files(folder: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = std::fs::read_dir(&folder).expect("folder");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("entry").path()).collect();
    paths.sort();
    let read = |path| std::fs::read_to_string(path).expect("file");
    paths.iter().map(read).collect()
}

fn cases() -> Vec<String> {
    let files = files("tests/cases");
    let texts: Vec<String> = files
        .iter()
        .flat_map(|f| inputs(f))
        .map(str::to_owned)
        .collect();
    assert!(texts.len() > 100, "the case files are there");
    texts
}

/// And what the differential scripts send.
fn texts() -> Vec<String> {
    let mut texts = cases();
    for script in files("../../tests/differential") {
        texts.extend(script.split(";\n").map(str::to_owned));
    }
    assert!(texts.len() > 1_000, "the scripts are there");
    texts
}

/// Constants as clients may write them, and some that no lexer takes for one.
const CONSTANTS: [&str; 40] = [
    "0",
    "7",
    "007",
    "2147483647",
    "2147483648",
    "2147483649",
    "9223372036854775807",
    "9223372036854775808",
    "99999999999999999999999",
    "1.5",
    "1.",
    ".5",
    "1e5",
    "1.5E-3",
    "1e",
    "1_000",
    "0x1F",
    "1..2",
    "1a",
    "''",
    "'a'",
    "'it''s'",
    "'\\'",
    "'a\\''",
    "'a' 'b'",
    "'a'\n'b'",
    "'a' -- c\n 'b'",
    "'a' -- c\n",
    "/* a /* b */ ' */",
    "-- '\n",
    "E'a\\'b'",
    "e'\\\\'",
    "E'\\x41'",
    "B'01'",
    "N'a'",
    "U&'a'",
    "$$a$$",
    "$a$ ' $a$",
    "'é''ü'",
    "\"a'b\"",
];

/// A text with something done to it.
fn mutant(dice: &mut Dice, text: &str) -> String {
    let mut words: Vec<&str> = text.split_inclusive([' ', '(', ',', '=']).collect();
    for _ in 0..=dice.roll(3) {
        let at = dice.roll(words.len() + 1);
        let piece = if dice.roll(4) == 0 {
            PIECES.get(dice.roll(PIECES.len()))
        } else {
            CONSTANTS.get(dice.roll(CONSTANTS.len()))
        };
        match dice.roll(3) {
            0 if at < words.len() => {
                words.remove(at);
            }
            _ => words.insert(at, piece.copied().unwrap_or_default()),
        }
    }
    words.concat()
}

fn matches(hole: &Hole, kind: i32) -> bool {
    let expected = match hole.kind {
        HoleKind::Int4 => Kind::Iconst,
        HoleKind::Int8 | HoleKind::Numeric => Kind::Fconst,
        HoleKind::String | HoleKind::Escaped => Kind::Sconst,
        HoleKind::LineComment => Kind::SqlComment,
        HoleKind::BlockComment => Kind::CComment,
    };
    kind == expected as i32
}

/// The holes of a mask are the constants and comments that PostgreSQL's lexer sees, all of them.
fn agrees(text: &str, masked: &Mask) {
    let tokens = match pg_query::scan_tokens(text) {
        Ok(tokens) => tokens,
        // a name stays as it is, so no text that PostgreSQL takes has this mask
        Err(e) if e.to_string().contains("zero-length delimited identifier") => return,
        Err(e) => panic!("{text}: {e}"),
    };
    let varying = [
        Kind::Iconst,
        Kind::Fconst,
        Kind::Sconst,
        Kind::Bconst,
        Kind::Xconst,
        Kind::Usconst,
        Kind::SqlComment,
        Kind::CComment,
    ];
    let mut holes = masked.holes.iter();
    for token in &tokens {
        if !varying.iter().any(|kind| *kind as i32 == token.token) {
            continue;
        }
        let hole = holes.next().unwrap_or_else(|| panic!("no hole: {text}"));
        let start = usize::try_from(token.start).expect("start");
        let end = usize::try_from(token.end).expect("end");
        assert_eq!(text.get(hole.range.clone()), text.get(start..end), "{text}");
        assert!(matches(hole, token.token), "{text}: {hole:?}");
    }
    assert_eq!(holes.next(), None, "{text}");
}

#[test]
fn masks_agree_with_the_lexer() {
    let cases = texts();
    let mut dice = Dice(20_261_123);
    let (mut masked, mut texts) = (0, 0);
    let mutants = (0..30_000).map(|i| {
        let case = cases.get(i % cases.len()).expect("case").as_str();
        if i < cases.len() {
            case.to_owned()
        } else {
            mutant(&mut dice, case)
        }
    });
    for text in mutants {
        texts += 1;
        if let Some(found) = mask(&text) {
            masked += 1;
            agrees(&text, &found);
        }
    }
    assert!(masked > texts / 4, "{masked} of {texts} have a mask");
}

/// A text of the same shape, with other constants.
fn sibling(dice: &mut Dice, text: &str, masked: &Mask) -> String {
    let mut out = String::new();
    let mut at = 0;
    for hole in &masked.holes {
        let old = text.get(hole.range.clone()).unwrap_or_default();
        let candidates: &[&str] = match hole.kind {
            HoleKind::Int4 => &["0", "1", "2", "3", "2147483647", "007"],
            HoleKind::Int8 => &["2147483649", "9223372036854775807"],
            HoleKind::Numeric => &["0.0", "1e300", "99999999999999999999"],
            HoleKind::String => &[
                "''",
                "'search_path'",
                "'role'",
                "'public.users'",
                "'users; --'",
                "'it''s'",
                "'é/*'",
                "'1'",
                "'pgdraft.operation'",
                "'\\'",
            ],
            HoleKind::Escaped => &["E'\\\\'", "E'\\''", "e''"],
            HoleKind::LineComment => &["--", "-- users '", "--é"],
            HoleKind::BlockComment => &["/**/", "/* ' /* \" */ é */"],
        };
        let new = candidates.get(dice.roll(candidates.len() + 1));
        out.push_str(text.get(at..hole.range.start).unwrap_or_default());
        out.push_str(new.unwrap_or(&old));
        at = hole.range.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// Plans as text: everything in them.
fn shown(plan: &Plan) -> String {
    format!("{plan:#?}")
}

#[test]
fn a_filled_plan_is_the_plan_of_the_text() {
    let mut dice = Dice(20_261_124);
    let (mut filled, mut without, mut refused) = (0, 0, 0);
    for case in cases() {
        in_context(&case, |text, context| {
            let Some(masked) = mask(text) else { return };
            let Ok(script) = parse(text) else { return };
            let [statement] = script.statements.as_slice() else {
                return;
            };
            let Some(pattern) = Pattern::of(&masked, statement) else {
                without += 1;
                return;
            };
            for _ in 0..12 {
                let text = sibling(&mut dice, text, &masked);
                let Some(own) = mask(&text).filter(|own| own.shape == masked.shape) else {
                    panic!("another shape: {text}");
                };
                if !pattern.fits(&text, &own) {
                    continue;
                }
                let fresh =
                    parse(&text).map(|script| Arc::clone(script.statements.first().expect("one")));
                let fresh = fresh.unwrap_or_else(|e| panic!("{text}: {e:?}"));
                assert_eq!(fresh.leaves, pattern.statement().leaves, "{text}");
                assert_eq!(fresh.range, own.range, "{text}");
                match (pattern.plan(context), plan(&fresh, context)) {
                    (Ok(Some(filling)), Ok(fresh_plan)) => {
                        let plan = pattern.filled(&filling, &fresh.text, &own).expect("fills");
                        assert_eq!(shown(&plan), shown(&fresh_plan), "{text}");
                        filled += 1;
                    }
                    (Ok(None), _) => without += 1,
                    (Err(one), Err(other)) => {
                        assert_eq!(
                            (one.code, one.message),
                            (other.code, other.message),
                            "{text}"
                        );
                        refused += 1;
                    }
                    (one, other) => panic!("{text}: {one:?} {other:?}"),
                }
            }
        });
    }
    assert!(filled > 400, "{filled} filled");
    assert!(refused > 10, "{refused} refused");
    assert!(
        without * 5 < filled,
        "{without} without a pattern, {filled} filled"
    );
}

fn pattern(text: &str) -> Option<Pattern> {
    let masked = mask(text)?;
    let script = parse(text).ok()?;
    Pattern::of(&masked, script.statements.first()?)
}

fn fits(one: &str, other: &str) -> bool {
    let masked = mask(other).expect("masks");
    pattern(one).is_some_and(|pattern| pattern.fits(other, &masked))
}

#[test]
fn constants_that_decide_something_belong_to_the_pattern() {
    for (one, other) in [
        (
            "SELECT set_config('search_path', 'a', false), 1",
            "SELECT set_config('role', 'a', false), 1",
        ),
        (
            "SELECT set_config('work_mem', '1MB', false), 1",
            "SELECT set_config('work_mem', '2MB', false), 1",
        ),
        ("SELECT nextval('a'), 1", "SELECT nextval('b'), 1"),
        ("SELECT 'a'::regclass, 1", "SELECT 'b'::regclass, 1"),
        ("SELECT regclass 'a', 1", "SELECT regclass 'b', 1"),
        (
            "SELECT a, b, 1 FROM t ORDER BY 1",
            "SELECT a, b, 1 FROM t ORDER BY 2",
        ),
        (
            "SELECT a, b, 1 FROM t GROUP BY (1, 2)",
            "SELECT a, b, 1 FROM t GROUP BY (2, 1)",
        ),
        ("SELECT a[1], 1 FROM t", "SELECT a[2], 1 FROM t"),
        ("SELECT 1::numeric(5,1), 1", "SELECT 1::numeric(5,2), 1"),
        ("SELECT float(20) '1', 1", "SELECT float(40) '1', 1"),
    ] {
        assert!(fits(one, one), "{one}");
        assert!(!fits(one, other), "{one}: {other}");
    }
    for (one, other) in [
        ("SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b = 2"),
        (
            "SELECT a FROM t WHERE b = -1",
            "SELECT a FROM t WHERE b = -2",
        ),
        (
            "SELECT a FROM t WHERE b IN ('a', 'b')",
            "SELECT a FROM t WHERE b IN ('', 'é')",
        ),
        ("SELECT a FROM t LIMIT 10", "SELECT a FROM t LIMIT 20"),
        (
            "INSERT INTO t VALUES (1, '1'::jsonb)",
            "INSERT INTO t VALUES (2, '{}'::jsonb)",
        ),
        (
            "UPDATE t SET a = a + -5, b = E'\\''",
            "UPDATE t SET a = a + -6, b = E'\\\\'",
        ),
        (
            "SELECT 1 /* a */ + a FROM t",
            "SELECT 2 /* 'b */ + a FROM t",
        ),
    ] {
        assert!(fits(one, other), "{one}: {other}");
    }
    for none in [
        "SELECT 1; SELECT 2",
        "SET work_mem = '1MB'",
        "EXECUTE a(1)",
        "SELECT a FROM t",
    ] {
        assert!(pattern(none).is_none(), "{none}");
    }
}
