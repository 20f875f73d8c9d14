//! Quoting of names and strings, always quoted so that no keyword list is needed.

/// `users` → `"users"`, `a"b` → `"a""b"`.
pub fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `"app"."users"`.
pub fn quote_qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quote_identifier(schema), quote_identifier(name))
}

/// `schema.table` as it is shown: quoted where it would have to be in a statement.
pub fn shown_table(schema: &str, table: &str) -> String {
    let plain = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    if plain(schema) && plain(table) {
        return format!("{schema}.{table}");
    }
    quote_qualified(schema, table)
}

/// A string constant that means the same whatever `standard_conforming_strings` says.
pub fn quote_literal(text: &str) -> String {
    let body = text.replace('\'', "''");
    if body.contains('\\') {
        format!(" E'{}'", body.replace('\\', "\\\\"))
    } else {
        format!("'{body}'")
    }
}

/// An array of texts in PostgreSQL's text form: `{"a","b\"c"}`.
pub fn array_text(elements: &[&str]) -> String {
    let quoted = |text: &&str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let quoted: Vec<String> = elements.iter().map(quoted).collect();
    format!("{{{}}}", quoted.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(quote_identifier("a\"b"), "\"a\"\"b\"");
        assert_eq!(quote_literal("it's"), "'it''s'");
        assert_eq!(quote_literal("a\\b"), " E'a\\\\b'");
        assert_eq!(quote_qualified("Shop", "Order"), "\"Shop\".\"Order\"");
    }
}
