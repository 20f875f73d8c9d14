//! A row that misses what a trigger of production would have filled in: the error says which trigger that may be.

use catalog::Catalog;

type Fields = Vec<(u8, Vec<u8>)>;

/// Gives an error about the values of a row a hint, where BEFORE triggers of its table wait for the commit; true if
/// it did.
pub(super) fn tell(fields: &mut Fields, catalog: &Catalog) -> bool {
    let text = |code: u8| {
        let found = fields.iter().find(|(c, _)| *c == code);
        found.and_then(|(_, value)| std::str::from_utf8(value).ok())
    };
    let of_values = match text(b'C') {
        Some("23502" | "23514") => true,
        Some("23503") => text(b'M').is_some_and(|m| m.starts_with("insert or update")),
        _ => false,
    };
    let (Some(schema), Some(table)) = (text(b's'), text(b't')) else {
        return false;
    };
    if !of_values || text(b'H').is_some() {
        return false;
    }
    let Some(relation) = catalog.relation(schema, table) else {
        return false;
    };
    let [first, rest @ ..] = relation.waiting.as_slice() else {
        return false;
    };
    let others = match rest.len() {
        0 => String::new(),
        n => format!(" (and {n} more)"),
    };
    let hint = format!(
        "Trigger \"{first}\"{others} of production fires at the commit, not in the draft. Do yourself what it would do for this row, or ask the operator to name it in triggers.draft."
    );
    fields.push((b'H', hint.into_bytes()));
    true
}
