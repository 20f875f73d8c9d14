//! Defaults as a draft evaluates them.

use crate::{Column, Generated, Identity, Relation, quote_literal};

impl Relation {
    /// The expression that gives `column` its value in a draft where a statement does not: `None`
    /// means NULL (or a generated column). It is the base's own default, with two differences:
    /// a sequence is named by text, so that nothing of ours depends on it and production can drop
    /// it; and what could write to production raises 0A000 instead
    /// ([`Column::definer_default`]).
    pub fn draft_default(&self, column: &Column) -> Option<String> {
        if column.generated != Generated::No {
            return None;
        }
        if column.definer_default {
            return Some(format!(
                "CAST(pgdraft.no_default({}, {}, {}) AS {})",
                quote_literal(&self.schema),
                quote_literal(&self.name),
                quote_literal(&column.name),
                column.declared
            ));
        }
        match (&column.identity, &column.sequence) {
            (Identity::Always | Identity::ByDefault, Some(sequence)) => Some(format!(
                "pg_catalog.nextval(({}::pg_catalog.text)::pg_catalog.regclass)",
                quote_literal(sequence)
            )),
            _ => column.default.as_deref().map(without_dependencies),
        }
    }
}

/// `'x'::regclass` → `('x'::text)::regclass`: the first is a constant that PostgreSQL notes as a
/// dependency, the second is looked up when it runs.
fn without_dependencies(expression: &str) -> String {
    const CAST: &str = "::regclass";
    let mut out = String::with_capacity(expression.len() + 16);
    let mut rest = expression;
    while let Some(at) = rest.find(['\'', '"']) {
        let (before, from) = rest.split_at(at);
        let length = quoted_length(from);
        let (quoted, after) = from.split_at(length);
        // E'…' has backslash escapes; pg_get_expr writes it only for texts with a backslash.
        if quoted.starts_with('\'') && after.starts_with(CAST) && !before.ends_with(['E', 'e']) {
            out.push_str(before);
            out.push('(');
            out.push_str(quoted);
            out.push_str("::pg_catalog.text)");
        } else {
            out.push_str(before);
            out.push_str(quoted);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Bytes of the quoted piece that `text` begins with; doubled quotes belong to it.
fn quoted_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let Some(quote) = bytes.first() else { return 0 };
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        if byte == quote {
            if bytes.get(at) == Some(quote) {
                at += 1;
            } else {
                return at;
            }
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_named_by_text() {
        for (from, to) in [
            (
                "nextval('app.\"Dept_id_seq\"'::regclass)",
                "nextval(('app.\"Dept_id_seq\"'::pg_catalog.text)::regclass)",
            ),
            ("'it''s'::text", "'it''s'::text"),
            (
                "\"a'b\"('x''y'::regclass)",
                "\"a'b\"(('x''y'::pg_catalog.text)::regclass)",
            ),
            ("now()", "now()"),
            ("'unfinished", "'unfinished"),
        ] {
            assert_eq!(without_dependencies(from), to);
        }
    }
}
