//! Texts with parameters in place of their constants.

use crate::{Bound, Pattern, mask, parse};

/// The bound text of a statement and its values; the statement itself is what its pattern is made of.
fn bound(text: &str) -> Option<Bound> {
    let script = parse(text).unwrap();
    let masked = mask(text).unwrap();
    let pattern = Pattern::of(&masked, &script.statements[0])?;
    pattern.bound(&script.statements[0].text, &masked)
}

fn shown(text: &str) -> String {
    match bound(text) {
        Some(bound) => format!("{} {:?} {:?}", bound.text, bound.types, bound.values),
        None => "none".to_owned(),
    }
}

#[test]
fn constants_beside_columns_become_parameters() {
    for (text, expected) in [
        (
            "SELECT a FROM t WHERE id = 5 AND b IN (1, 20000000000, 1.5)",
            "SELECT a FROM t WHERE id = $1 AND b IN ($2, $3, $4) [23, 23, 20, 1700] [\"5\", \"1\", \"20000000000\", \"1.5\"]",
        ),
        (
            "SELECT a FROM t WHERE id = - 5 AND b -3 > c - -4",
            "SELECT a FROM t WHERE id = $1 AND b -3 > c - -4 [23] [\"-5\"]",
        ),
        (
            "UPDATE t SET n = 'it''s', k = k + -5, m = 3 * 4 WHERE 'x'=a AND'y'=b",
            "UPDATE t SET n = $1, k = k + $2, m = 3 * 4 WHERE $3=a AND $4=b [0, 23, 0, 0] [\"it's\", \"-5\", \"x\", \"y\"]",
        ),
        (
            "INSERT INTO t VALUES (1, 'a', now()), (-2, 'b'::text, 3 + 4)",
            "INSERT INTO t VALUES ($1, $2, now()), ($3, $4::text, 3 + 4) [23, 0, 23, 0] [\"1\", \"a\", \"-2\", \"b\"]",
        ),
        (
            "SELECT a + 1 FROM t /* c */ WHERE b BETWEEN 1 AND 2 GROUP BY a + 1 ORDER BY 1 LIMIT 7",
            "SELECT a + 1 FROM t   WHERE b BETWEEN $1 AND $2 GROUP BY a + 1 ORDER BY 1 LIMIT 7 [23, 23] [\"1\", \"2\"]",
        ),
    ] {
        assert_eq!(shown(text), expected);
    }
}

#[test]
fn what_is_read_when_a_text_is_prepared_keeps_it_from_that() {
    for text in [
        "SELECT a FROM t WHERE a LIKE 'x%' AND id = 1",
        "SELECT a FROM t WHERE d = date '2024-01-01'",
        "SELECT (SELECT a FROM t WHERE n = 'x') FROM u WHERE id = 1",
        "SELECT a FROM t WHERE n = E'x'",
        "SELECT a FROM t WHERE id = 1e400",
    ] {
        assert_eq!(shown(text), "none", "{text}");
    }
}

#[test]
fn only_values_that_no_setting_matters_to_are_bound() {
    let uuid = bound("SELECT a FROM t WHERE u = '0190b5a2-7b1c-7def-8000-0123456789ab'").unwrap();
    assert!(uuid.takes(&[2950]) && uuid.takes(&[25]));
    let other = bound("SELECT a FROM t WHERE u = '0190b5a27b1c-7def-8000-0123456789ab1'").unwrap();
    assert!(!other.takes(&[2950]) && other.takes(&[1043]));
    // a date is read under DateStyle, an enum has an error of its own
    assert!(!other.takes(&[1082]) && !other.takes(&[16_400]) && !other.takes(&[]));
}

#[test]
fn positions_lead_to_the_clients_text() {
    let text = "SELECT x FROM t WHERE é = 'long one' AND id = 12345 AND nothing = 1";
    let bound = bound(text).unwrap();
    let at = |text: &str| {
        let (before, _) = text.split_once("nothing").unwrap();
        before.chars().count() + 1
    };
    assert_eq!(bound.to_client(at(&bound.text)), Some(at(text)));
    assert_eq!(bound.to_client(3), Some(3));
}
