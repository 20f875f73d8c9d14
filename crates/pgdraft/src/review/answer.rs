//! What a command answered, for a person or for a program.

use console::{ColumnType, Fact, Request, Rows, Spec};

use crate::render::{JsonObject, Paint, clip, columns, safe};

/// Lines of columns, then what is told.
pub(crate) fn text(spec: &Spec, rows: &Rows, paint: Paint) -> String {
    let mut out = String::new();
    if !spec.columns.is_empty() && (!rows.rows.is_empty() || rows.notices.is_empty()) {
        let head: Vec<&str> = spec.columns.iter().map(|c| c.name).collect();
        let lines = rows.rows.iter().map(|row| {
            let last = row.len().saturating_sub(1);
            row.iter()
                .enumerate()
                .map(|(at, cell)| {
                    let cell = safe(cell.as_deref().unwrap_or_default());
                    // The last column has the rest of the line, and is a sentence where there is one.
                    if at == last { cell } else { clip(&cell) }
                })
                .collect()
        });
        out.push_str(&columns(&head, lines.collect(), paint));
    }
    for notice in &rows.notices {
        out.push_str(&safe(&notice.message));
        out.push('\n');
    }
    out
}

/// One object: the session, what was done, the rows with their columns' names.
pub(crate) fn json(request: &Request, list: &str, rows: &Rows) -> String {
    let mut object = JsonObject::default();
    if let Some(session) = &request.session {
        object = object.text("session", session);
    }
    for (name, fact) in &rows.facts {
        object = match fact {
            Fact::Number(number) => object.number(name, number),
            Fact::Text(text) => object.text(name, text),
            Fact::Texts(texts) => object.texts(name, texts),
            Fact::Truth(truth) => object.raw(name, if *truth { "true" } else { "false" }),
        };
    }
    if !request.spec.columns.is_empty() {
        let items = rows.rows.iter().map(|row| line(request.spec, row));
        object = object.array(list, items);
    }
    object.finish()
}

fn line(spec: &Spec, row: &[Option<String>]) -> String {
    let cells = spec.columns.iter().zip(row);
    cells
        .fold(JsonObject::default(), |object, (column, value)| {
            match (value, column.kind) {
                (None, _) => object.raw(column.name, "null"),
                (Some(value), ColumnType::Text | ColumnType::Timestamp) => {
                    object.text(column.name, value)
                }
                (Some(value), ColumnType::Int8 | ColumnType::Jsonb) => {
                    object.raw(column.name, value)
                }
                (Some(value), ColumnType::TextArray) => object.texts(column.name, &items(value)),
            }
        })
        .finish()
}

/// The items of a `text[]` as PostgreSQL writes it.
fn items(literal: &str) -> Vec<String> {
    let inner = literal.trim_start_matches('{').trim_end_matches('}');
    let (mut items, mut item, mut quoted, mut any) = (Vec::new(), String::new(), false, false);
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        any = true;
        match c {
            '\\' => item.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => items.push(std::mem::take(&mut item)),
            _ => item.push(c),
        }
    }
    if any {
        items.push(item);
    }
    items
}

#[cfg(test)]
mod tests {
    use super::items;

    #[test]
    fn arrays_are_read_back() {
        assert_eq!(items("{}"), Vec::<String>::new());
        assert_eq!(items("{a,b.c}"), ["a", "b.c"]);
        assert_eq!(items(r#"{"a,b","q\"\\{}"}"#), ["a,b", r#"q"\{}"#]);
        assert_eq!(items(r#"{""}"#), [""]);
    }
}
