//! What an operator reads.

use super::*;

fn diff(rows: &[DiffRow], rows_max: usize, paint: Paint) -> String {
    let mut text = DiffText::new(rows_max, paint);
    let shown: String = rows.iter().map(|row| text.row(row)).collect();
    shown + &text.finish()
}

fn row(diff_type: DiffType, from: Option<&str>, to: Option<&str>, changed: &[&str]) -> DiffRow {
    DiffRow {
        operation: "restock".into(),
        schema: "shop".into(),
        table: "stock".into(),
        diff_type,
        primary_key: "{\"id\": 7, \"at\": \"a\"}".into(),
        from: from.map(str::to_owned),
        to: to.map(str::to_owned),
        changed_columns: changed.iter().map(|c| (*c).to_owned()).collect(),
    }
}

#[test]
fn a_diff_reads_as_a_diff() {
    let rows = [
        row(
            DiffType::Modified,
            Some("{\"q\": 1, \"price\": 12345678901234567890.10, \"same\": null}"),
            Some("{\"q\": 2, \"price\": 12345678901234567890.20, \"same\": null}"),
            &["q", "price"],
        ),
        row(
            DiffType::Added,
            None,
            Some("{\"q\": {\"a\": [1, \"}\"]}, \"t\": \"x\"}"),
            &[],
        ),
        row(DiffType::Removed, Some("{\"q\": true}"), None, &[]),
    ];
    assert_eq!(
        diff(&rows, 10, Paint(false)),
        "shop.stock
  ~ id=7 at=\"a\"  (restock)
      q      1 → 2
      price  12345678901234567890.10 → 12345678901234567890.20
  + id=7 at=\"a\"  (restock)
      q={\"a\": [1, \"}\"]} t=\"x\"
  - id=7 at=\"a\"  (restock)
      q=true
  1 added, 1 modified, 1 removed
"
    );
    let cut = diff(&rows, 1, Paint(false));
    assert!(
        cut.ends_with("  1 added, 1 modified, 1 removed (2 not shown)\n"),
        "{cut}"
    );
    assert_eq!(diff(&[], 1, Paint(false)), "no changes\n");
    assert!(diff(&rows, 1, Paint(true)).contains("\x1b[33m~"));
}

#[test]
fn nothing_an_agent_wrote_steers_the_terminal() {
    assert_eq!(
        safe("a\x1b[2Jb\u{9b}c\u{202e}d\n"),
        "a\\u{1b}[2Jb\\u{9b}c\\u{202e}d\\u{a}"
    );
    assert_eq!(safe("é → ✓"), "é → ✓");
    let mut hostile = row(
        DiffType::Modified,
        Some("{\"a\": 1}"),
        Some("{\"a\": 2}"),
        &["a"],
    );
    hostile.operation = "x\r\x1b[8m".into();
    hostile.table = "\u{202e}t".into();
    let shown = diff(&[hostile], 1, Paint(false));
    assert!(!shown.contains(['\x1b', '\r', '\u{202e}']), "{shown:?}");
}

#[test]
fn members_of_strange_texts() {
    for text in [
        "",
        "null",
        "{",
        "{\"",
        "{\"a\"",
        "{\"a\":",
        "[1]",
        "{]}",
        "{\"a\": \"\\",
    ] {
        let _ = members(text);
    }
    assert_eq!(
        members("{ \"a\\\"b\" : [1,{\"x\":2}] , \"c\":null}"),
        [
            ("a\"b".into(), "[1,{\"x\":2}]".into()),
            ("c".into(), "null".into())
        ]
    );
}

#[test]
fn json_keeps_values_as_they_are() {
    let text = JsonObject::default()
        .text("s", "a\"b\n")
        .maybe("n", None)
        .raw("v", "1.10")
        .texts("l", &["x".into()])
        .finish();
    assert_eq!(
        text,
        "{\"s\": \"a\\\"b\\n\", \"n\": null, \"v\": 1.10, \"l\": [\"x\"]}"
    );
}

#[test]
fn lists_are_aligned() {
    let lines = || {
        vec![
            vec!["tidy-up".into(), "4".into()],
            vec!["é".into(), String::new()],
        ]
    };
    assert_eq!(
        columns(&["session", "n"], lines(), Paint(false)),
        "session  n\ntidy-up  4\né\n"
    );
    assert!(columns(&["session"], lines(), Paint(true)).starts_with("\x1b[1msession"));
}
