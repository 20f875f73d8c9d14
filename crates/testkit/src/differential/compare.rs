//! Says in which way two outcomes differ.

use super::case::{Errors, Order, Step};
use super::lane::Outcome;
use crate::wire::{Column, Exchange, Failure, Reply};

/// The differences between what plain PostgreSQL and the draft said, for people; empty if none.
pub fn differences(step: &Step, plain: &Outcome, draft: &Outcome) -> Vec<String> {
    let mut found = Vec::new();
    if plain.0.len() != draft.0.len() {
        let show = |o: &Outcome| {
            let all = o.0.iter().flat_map(|e| &e.replies);
            all.map(summary).collect::<Vec<_>>().join("; ")
        };
        found.push(line("times it ran", &show(plain), &show(draft)));
        return found;
    }
    for (a, b) in plain.0.iter().zip(&draft.0) {
        exchange(step, a, b, &mut found);
    }
    found
}

fn exchange(step: &Step, plain: &Exchange, draft: &Exchange, found: &mut Vec<String>) {
    if plain.replies.len() != draft.replies.len() {
        let show = |e: &Exchange| e.replies.iter().map(summary).collect::<Vec<_>>().join("; ");
        found.push(line("replies", &show(plain), &show(draft)));
        return;
    }
    for (a, b) in plain.replies.iter().zip(&draft.replies) {
        reply(step, a, b, found);
    }
    if plain.status != draft.status {
        found.push(line(
            "transaction status",
            &(plain.status as char).to_string(),
            &(draft.status as char).to_string(),
        ));
    }
}

/// Whether two errors need not have the same fields.
fn alike(errors: Errors, plain: &str, draft: &str) -> bool {
    let data = |code: &str| matches!(code.get(..2), Some("21" | "22" | "23" | "44"));
    match errors {
        Errors::Same => false,
        Errors::Class => plain.get(..2) == draft.get(..2),
        Errors::Data => data(plain) && data(draft),
    }
}

fn reply(step: &Step, plain: &Reply, draft: &Reply, found: &mut Vec<String>) {
    if let (Some(a), Some(b)) = (&plain.error, &draft.error)
        && alike(step.errors, a.code(), b.code())
    {
        return;
    }
    if plain.error.is_some() || draft.error.is_some() {
        // A hint where PostgreSQL has none does not make another answer of it.
        let hinted = plain.error.as_ref().is_some_and(|e| e.0.contains_key(&'H'));
        let untold = draft
            .error
            .as_ref()
            .is_some_and(|e| !e.0.contains_key(&'D'));
        let fields = |r: &Reply| {
            let Some(mut failure) = r.error.clone() else {
                return summary(r);
            };
            if !hinted {
                failure.0.remove(&'H');
            }
            // Two rows of one INSERT with one key: PostgreSQL finds it before the draft can say
            // which, as docs/COMPATIBILITY.md tells.
            if untold && failure.code() == "23505" {
                failure.0.remove(&'D');
            }
            show_failure(&failure)
        };
        if fields(plain) != fields(draft) {
            found.push(line("error", &fields(plain), &fields(draft)));
        }
        // What was described before the error depends on when it was found: at parse or later.
        return;
    }
    if plain.tag != draft.tag || plain.empty != draft.empty || plain.suspended != draft.suspended {
        found.push(line("tag", &summary(plain), &summary(draft)));
    }
    if plain.parameters != draft.parameters {
        found.push(line(
            "parameter types",
            &format!("{:?}", plain.parameters),
            &format!("{:?}", draft.parameters),
        ));
    }
    for (what, a, b) in [
        ("columns", &plain.columns, &draft.columns),
        ("described columns", &plain.described, &draft.described),
    ] {
        let (a, b) = (
            show_columns(a.as_deref(), step.origin),
            show_columns(b.as_deref(), step.origin),
        );
        if a != b {
            found.push(line(what, &a, &b));
        }
    }
    let notices = |r: &Reply| {
        r.notices
            .iter()
            .map(show_failure)
            .collect::<Vec<_>>()
            .join("; ")
    };
    if notices(plain) != notices(draft) {
        found.push(line("notices", &notices(plain), &notices(draft)));
    }
    if step.values {
        rows(step, plain, draft, found);
    } else if plain.rows.len() != draft.rows.len() {
        found.push(line(
            "number of rows",
            &plain.rows.len().to_string(),
            &draft.rows.len().to_string(),
        ));
    }
}

fn rows(step: &Step, plain: &Reply, draft: &Reply, found: &mut Vec<String>) {
    let lines = |r: &Reply| {
        let mut lines: Vec<Vec<u8>> = r
            .copied
            .as_deref()
            .unwrap_or_default()
            .split_inclusive(|b| *b == b'\n')
            .map(<[u8]>::to_vec)
            .collect();
        if step.order == Order::Unordered {
            lines.sort();
        }
        lines
    };
    if lines(plain) != lines(draft) {
        let show = |r: &Reply| String::from_utf8_lossy(&lines(r).concat()).into_owned();
        found.push(line("copied data", &show(plain), &show(draft)));
    }
    let (mut a, mut b) = (plain.rows.clone(), draft.rows.clone());
    if step.order == Order::Unordered {
        a.sort();
        b.sort();
    }
    if a == b {
        return;
    }
    let a: Vec<String> = a.iter().map(|r| crate::wire::show_row(r)).collect();
    let b: Vec<String> = b.iter().map(|r| crate::wire::show_row(r)).collect();
    let mut text = format!("rows: plain {}, draft {}", a.len(), b.len());
    let same = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let shown = 12;
    text.push_str(&format!(" (the first {same} are equal)"));
    for (side, all) in [("-", &a), ("+", &b)] {
        for row in all.iter().skip(same).take(shown) {
            text.push_str(&format!("\n      {side} {}", cut(row)));
        }
        if all.len() > same + shown {
            text.push_str(&format!("\n      {side} …"));
        }
    }
    found.push(text);
}

fn show_failure(failure: &Failure) -> String {
    format!("{} {failure}", failure.field('V'))
}

fn show_columns(columns: Option<&[Column]>, origin: bool) -> String {
    let Some(columns) = columns else {
        return "none".to_owned();
    };
    columns
        .iter()
        .map(|c| {
            let from = if origin {
                format!(" from {}.{}", c.table, c.number)
            } else {
                String::new()
            };
            format!(
                "{} {}({}) size {} format {}{from}",
                c.name, c.type_id, c.modifier, c.size, c.format
            )
        })
        .collect::<Vec<_>>()
        .join(", ")
}

fn summary(reply: &Reply) -> String {
    if let Some(failure) = &reply.error {
        return show_failure(failure);
    }
    match &reply.tag {
        Some(tag) => format!("{tag} ({} rows)", reply.rows.len()),
        None if reply.empty => "empty query".to_owned(),
        None if reply.suspended => "portal suspended".to_owned(),
        None => "no tag".to_owned(),
    }
}

fn line(what: &str, plain: &str, draft: &str) -> String {
    format!("{what}:\n      - {}\n      + {}", cut(plain), cut(draft))
}

fn cut(text: &str) -> String {
    let mut short: String = text.chars().take(1200).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
