//! Defaults as a draft evaluates them.

use crate::{Column, Generated, Identity, Relation, quote_literal};

impl Relation {
    /// The expression that gives `column` its value in a draft where a statement does not: `None`
    /// means NULL (or a generated column). It is the base's own default, with three differences:
    /// a sequence is named by text, so that nothing of ours depends on it and production can drop
    /// it; a session that has restarted it draws from its own; and what could write to production raises 0A000 instead
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
                "pgdraft.next_value(({}::pg_catalog.text)::pg_catalog.regclass)",
                quote_literal(sequence)
            )),
            _ => column.default.as_deref().map(in_drafts),
        }
    }
}

/// `'x'::regclass` → `('x'::text)::regclass`: the first is a constant that PostgreSQL notes as a
/// dependency, the second is looked up when it runs.
fn in_drafts(expression: &str) -> String {
    const CAST: &str = "::regclass";
    let mut out = String::with_capacity(expression.len() + 16);
    let mut rest = expression;
    while let Some(at) = rest.find(['\'', '"']) {
        let (before, from) = rest.split_at(at);
        let length = quoted_length(from);
        let (quoted, after) = from.split_at(length);
        // E'…' has backslash escapes; pg_get_expr writes it only for texts with a backslash.
        if quoted.starts_with('\'') && after.starts_with(CAST) && !before.ends_with(['E', 'e']) {
            push_code(&mut out, before);
            out.push('(');
            out.push_str(quoted);
            out.push_str("::pg_catalog.text)");
        } else {
            push_code(&mut out, before);
            out.push_str(quoted);
        }
        rest = after;
    }
    push_code(&mut out, rest);
    out
}

/// Appends a piece between quotes, with PostgreSQL's own `nextval` as ours. `pg_get_expr` was asked with
/// an empty `search_path`: another one's name has its schema before it.
fn push_code(out: &mut String, code: &str) {
    const CALL: &str = "nextval(";
    let mut rest = code;
    while let Some(at) = rest.find(CALL) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '.' | '"');
        let own = !out.ends_with(part);
        out.push_str(if own { "pgdraft.next_value(" } else { CALL });
        rest = from.get(CALL.len()..).unwrap_or_default();
    }
    out.push_str(rest);
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
                "pgdraft.next_value(('app.\"Dept_id_seq\"'::pg_catalog.text)::regclass)",
            ),
            ("'it''s'::text", "'it''s'::text"),
            (
                "\"a'b\"('x''y'::regclass)",
                "\"a'b\"(('x''y'::pg_catalog.text)::regclass)",
            ),
            ("now()", "now()"),
            (
                "('I-' || nextval('app.i'::regclass)) || app.nextval(1) || \"nextval(\"()",
                "('I-' || pgdraft.next_value(('app.i'::pg_catalog.text)::regclass)) || app.nextval(1) || \"nextval(\"()",
            ),
            ("'unfinished", "'unfinished"),
        ] {
            assert_eq!(in_drafts(from), to);
        }
    }
}
