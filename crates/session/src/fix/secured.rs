//! PostgreSQL tells no values of rows of a table under row-level security, even of the row that was given.

use catalog::{Catalog, Relation};

type Fields = Vec<(u8, Vec<u8>)>;

/// Takes the values out of an error about a constraint; true if there were any.
pub(super) fn hide(fields: &mut Fields, catalog: &Catalog) -> bool {
    let text = |code: u8| {
        let found = fields.iter().find(|(c, _)| *c == code);
        found.and_then(|(_, value)| std::str::from_utf8(value).ok())
    };
    let (Some(state), Some(detail)) = (text(b'C'), text(b'D')) else {
        return false;
    };
    let (Some(schema), Some(table)) = (text(b's'), text(b't')) else {
        return false;
    };
    let Some(relation) = catalog.relation(schema, table) else {
        return false;
    };
    let told = match state {
        "23502" | "23505" | "23514" if relation.row_security => None,
        "23P01" if relation.row_security => Some("Key conflicts with existing key.".to_owned()),
        "23503" if checked(relation, text(b'M'), text(b'n'), catalog) => {
            match (detail.starts_with("Key ("), detail.rfind(") is ")) {
                (true, Some(at)) => detail.get(at + 1..).map(|rest| format!("Key{rest}")),
                _ => return false,
            }
        }
        _ => return false,
    };
    match told {
        Some(told) => {
            for (_, value) in fields.iter_mut().filter(|(code, _)| *code == b'D') {
                *value = told.clone().into_bytes();
            }
        }
        None => fields.retain(|(code, _)| *code != b'D'),
    }
    true
}

/// Of a foreign key, whether the table whose row was changed is under row-level security: the referencing
/// one, which the error names, or the referenced one.
fn checked(
    child: &Relation,
    message: Option<&str>,
    constraint: Option<&str>,
    catalog: &Catalog,
) -> bool {
    if message.is_some_and(|m| m.starts_with("insert or update")) {
        return child.row_security;
    }
    let key = child.foreign_keys.iter();
    let mut key = key.filter(|key| Some(key.name.as_str()) == constraint);
    let parent = key
        .next()
        .and_then(|key| catalog.relations.get(&key.parent));
    parent.is_some_and(|parent| parent.row_security)
}
