//! Errors and notices in the client's own terms.

use std::sync::Arc;

use catalog::{Catalog, Head, Relation};

use super::Positions;
use crate::prepared::Name;

type Fields = Vec<(u8, Vec<u8>)>;

/// Words that PostgreSQL writes before a relation's or constraint's name in its messages.
const BEFORE_NAME: [&str; 10] = [
    "relation ",
    "table ",
    "constraint ",
    "index ",
    "view ",
    "sequence ",
    "COPY ",
    "into ",
    "on ",
    "for ",
];

/// Puts the client's name of a statement in the place of upstream's; true if it was there.
pub(crate) fn lead_statement(fields: &mut Fields, (upstream, client): &(Name, Name)) -> bool {
    let upstream = String::from_utf8_lossy(upstream);
    let client = String::from_utf8_lossy(client);
    let message = fields.iter_mut().find(|(code, _)| *code == b'M');
    let Some((_, message)) = message else {
        return false;
    };
    let text = String::from_utf8_lossy(message);
    let found = text.contains(upstream.as_ref());
    if found {
        *message = text.replace(upstream.as_ref(), &client).into_bytes();
    }
    found
}

/// Puts an error's or notice's fields into the client's terms; true if anything changed.
pub(crate) fn mend(fields: &mut Fields, positions: &Positions, catalog: &Catalog) -> bool {
    let mut changed = lead_position(fields, positions);
    changed |= own_duplicate(fields, positions);
    changed |= read_only(fields, positions);
    let ours = |value: &[u8]| contains(value, b"pgdraft") || names_head(value);
    let names_ours = fields.iter().any(|(code, value)| {
        matches!(
            code,
            b'M' | b'D' | b'H' | b'W' | b'q' | b's' | b't' | b'n' | b'c'
        ) && ours(value)
    });
    if names_ours {
        changed |= lead_names(fields, catalog);
    }
    changed |= super::secured::hide(fields, catalog);
    changed |= super::waiting::tell(fields, catalog);
    if !names_ours {
        return changed;
    }
    let checks = fields.iter().any(|(c, v)| *c == b'C' && v == b"44000");
    for (code, value) in fields.iter_mut() {
        let Ok(text) = std::str::from_utf8(value) else {
            continue;
        };
        let new = match code {
            b'M' | b'H' => replace_names(text, catalog),
            // the row of a view's check option is told as it is
            b'D' if checks => continue,
            b'D' => replace_names(&own_values(text), catalog),
            b'W' => replace_names(&context(text), catalog),
            b'q' if ours(value) => String::new(),
            _ => continue,
        };
        if new.as_bytes() != value.as_slice() {
            *value = new.into_bytes();
            changed = true;
        }
    }
    if changed {
        let no_query = fields.iter().any(|(code, v)| *code == b'q' && v.is_empty());
        fields.retain(|(code, value)| match code {
            b'q' | b'W' | b'D' | b'H' | b'c' | b's' | b't' | b'n' => !value.is_empty(),
            b'p' => !no_query,
            _ => true,
        });
    }
    changed
}

/// A change in a read-only transaction: what stopped was our writing of it.
fn read_only(fields: &mut Fields, positions: &Positions) -> bool {
    let name = match positions.of_text() {
        Positions::Announce(name) => *name,
        Positions::Write(write, _) => super::command_name(write.verb),
        _ => return false,
    };
    let Some(name) = name else {
        return false;
    };
    if !fields.iter().any(|(c, v)| *c == b'C' && v == b"25006") {
        return false;
    }
    fields.retain(|(code, _)| matches!(code, b'S' | b'V' | b'C' | b'F' | b'L' | b'R'));
    let message = super::not_in_read_only(name);
    fields.push((b'M', message.into_bytes()));
    true
}

/// One row of a head written twice by one statement: the head's ON CONFLICT fails where a plain
/// table's key does, or where PostgreSQL would silently drop one of two changes.
fn own_duplicate(fields: &mut Fields, positions: &Positions) -> bool {
    let Positions::Write(write, _) = positions.of_text() else {
        return false;
    };
    let is = |code: u8, value: &[u8]| fields.iter().any(|(c, v)| *c == code && v == value);
    if !is(b'C', b"21000") || !is(b'R', b"ExecOnConflictUpdate") {
        return false;
    }
    let instead: Vec<(u8, String)> = match &write.doubled {
        sql::Doubled::Same => return false,
        sql::Doubled::Key(key) if key.constraint.is_empty() => vec![
            (b'C', "0A000".to_owned()),
            (
                b'M',
                format!(
                    "two rows of table \"{}\" cannot have the same key in a draft",
                    key.table
                ),
            ),
            (
                b'H',
                "The configuration (tables.key) names it as what tells the rows apart.".to_owned(),
            ),
            (b's', key.schema.clone()),
            (b't', key.table.clone()),
        ],
        sql::Doubled::Key(key) => vec![
            (b'C', "23505".to_owned()),
            (
                b'M',
                format!(
                    "duplicate key value violates unique constraint \"{}\"",
                    key.constraint
                ),
            ),
            (b's', key.schema.clone()),
            (b't', key.table.clone()),
            (b'n', key.constraint.clone()),
        ],
        sql::Doubled::Parts => vec![
            (b'C', "0A000".to_owned()),
            (
                b'M',
                "one row cannot be changed by two parts of a statement in a draft".to_owned(),
            ),
            (
                b'D',
                "PostgreSQL would apply one of the changes and not say which.".to_owned(),
            ),
            (
                b'H',
                "change the row once, or use two statements".to_owned(),
            ),
        ],
    };
    fields.retain(|(code, _)| matches!(code, b'S' | b'V' | b'F' | b'L' | b'R'));
    fields.extend(instead.into_iter().map(|(c, v)| (c, v.into_bytes())));
    true
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Whether something like `d7` stands in the text.
fn names_head(text: &[u8]) -> bool {
    text.windows(2).enumerate().any(|(at, pair)| match *pair {
        [b'd', digit] if digit.is_ascii_digit() => {
            let before = at.checked_sub(1).and_then(|i| text.get(i));
            before.is_none_or(|b| !b.is_ascii_alphanumeric() && *b != b'_')
        }
        _ => false,
    })
}

fn lead_position(fields: &mut Fields, positions: &Positions) -> bool {
    let Some(index) = fields.iter().position(|(code, _)| *code == b'P') else {
        return false;
    };
    let Some((_, value)) = fields.get_mut(index) else {
        return false;
    };
    let old = std::str::from_utf8(value).ok().and_then(|p| p.parse().ok());
    match old.and_then(|old: usize| positions.lead(old)) {
        Some(new) if Some(new) == old => false,
        Some(new) => {
            *value = new.to_string().into_bytes();
            true
        }
        None => {
            fields.remove(index);
            true
        }
    }
}

/// The fields that hold a name and nothing else.
fn lead_names(fields: &mut Fields, catalog: &Catalog) -> bool {
    let text = |code: u8| {
        let found = fields.iter().find(|(c, _)| *c == code);
        found.and_then(|(_, value)| std::str::from_utf8(value).ok())
    };
    if text(b's') != Some("pgdraft") {
        return false;
    }
    let found = text(b't').and_then(|table| lookup(table, catalog));
    for (code, value) in fields.iter_mut() {
        let name = String::from_utf8_lossy(value).into_owned();
        let base = found.as_ref().map(|found| &found.relation);
        match code {
            b's' => *value = base.map_or_else(Vec::new, |r| r.schema.clone().into_bytes()),
            b't' => *value = base.map_or_else(Vec::new, |r| r.name.clone().into_bytes()),
            b'n' => {
                if let Some(constraint) = constraint(&name, catalog) {
                    *value = constraint.into_bytes();
                } else if name.starts_with("pgdraft") {
                    value.clear();
                }
            }
            b'c' if name.starts_with("pgdraft_") => value.clear(),
            _ => {}
        }
    }
    true
}

struct Found {
    relation: Arc<Relation>,
    head: Arc<Head>,
}

/// The base table behind `d7`, `d7_log` or `d7_in`.
fn lookup(name: &str, catalog: &Catalog) -> Option<Found> {
    let number = name.strip_prefix('d')?;
    let number = ["_log", "_in"]
        .iter()
        .find_map(|suffix| number.strip_suffix(suffix))
        .unwrap_or(number);
    let number: i32 = number.parse().ok()?;
    let head = catalog.heads.values().find(|head| head.id.0 == number)?;
    Some(Found {
        relation: Arc::clone(catalog.relations.get(&head.relation)?),
        head: Arc::clone(head),
    })
}

/// The base's name for a head's index or constraint.
fn constraint(name: &str, catalog: &Catalog) -> Option<String> {
    let (table, _) = name.split_once('_')?;
    let found = lookup(table, catalog)?;
    if let Some(base) = found.head.constraints.get(name) {
        return Some(base.clone());
    }
    let key = found.relation.key();
    key.filter(|_| name.ends_with("_pkey"))
        .map(|key| key.name.clone())
}

/// Replaces names of heads and their constraints where PostgreSQL writes names.
fn replace_names(text: &str, catalog: &Catalog) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('d') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let end = from
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        let boundary = !out
            .chars()
            .next_back()
            .is_some_and(|c| c.is_alphanumeric() || c == '_');
        match new_name(&mut out, word, boundary, catalog) {
            Some(name) => {
                out.push_str(&name);
                rest = after;
            }
            None => {
                out.push('d');
                rest = from.strip_prefix('d').unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    out
}

/// The base's name for this word if what was written so far calls for a name. Takes a schema
/// `pgdraft.` that was written before it back.
fn new_name(out: &mut String, word: &str, boundary: bool, catalog: &Catalog) -> Option<String> {
    if !boundary || !names_head(word.as_bytes()) {
        return None;
    }
    let name = lookup(word, catalog)
        .map(|found| found.relation.name.clone())
        .or_else(|| constraint(word, catalog))?;
    let quoted = out.ends_with('"');
    let plain = out.strip_suffix('"').unwrap_or(out.as_str());
    if let Some(kept) = plain
        .strip_suffix("pgdraft.")
        .or_else(|| plain.strip_suffix("\"pgdraft\"."))
    {
        let kept = kept.len();
        out.truncate(kept);
        if quoted {
            out.push('"');
        }
        return Some(name);
    }
    BEFORE_NAME
        .iter()
        .any(|words| plain.ends_with(words))
        .then_some(name)
}

/// Takes the head's own columns out of a DETAIL.
fn own_values(detail: &str) -> String {
    if let Some((before, after)) = detail.split_once("Key (pgdraft_sid, ")
        && let Some((columns, values)) = after.split_once(")=(")
        && let Some((sid, values)) = values.split_once(", ")
        && sid.bytes().all(|b| b.is_ascii_digit())
    {
        return format!("{before}Key ({columns})=({values}");
    }
    if detail.contains("pgdraft") {
        return String::new();
    }
    detail.to_owned()
}

/// A CONTEXT without what is pgdraft's own: told whole or not at all, since a quoted statement in
/// it may have many lines. What COPY says of its place in the stream stands last.
fn context(text: &str) -> String {
    if !text.contains("pgdraft") {
        return text.to_owned();
    }
    let place = text
        .match_indices("COPY d")
        .map(|(at, _)| text.split_at(at));
    let mut place = place.filter(|(before, _)| before.is_empty() || before.ends_with('\n'));
    let place = place.find(|(_, place)| {
        let inlet = place.split_once("_in, line ").unwrap_or_default().0;
        let number = inlet.strip_prefix("COPY d").unwrap_or_default();
        !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
    });
    place.map_or_else(String::new, |(_, place)| place.to_owned())
}
