//! A short text that stands for everything a commit of the draft would apply.

use catalog::{Column, SessionId};

use crate::Draft;
use crate::text::{column, columns, key_columns, record};

/// The fingerprint of one table: one text, the same as long as no row of the session in it moves.
/// It is made of what the rows are, not of when they were written: whoever finds a way to write a
/// head past the proxy changes it too.
pub fn fingerprint(draft: &Draft<'_>, sid: SessionId) -> String {
    let mut values: Vec<String> = draft
        .relation
        .writable()
        .map(|c: &Column| column("h", &c.name))
        .collect();
    values.extend(["h.pgdraft_live".to_owned(), "h.pgdraft_new".to_owned()]);
    format!(
        "SELECT encode(sha256(coalesce(string_agg(sha256(convert_to({}::text, 'UTF8')), ''::bytea ORDER BY {}), ''::bytea)), 'hex') FROM {} h WHERE h.pgdraft_sid = {} AND (h.pgdraft_live OR NOT h.pgdraft_new)",
        record(&values),
        columns("h", key_columns(draft.relation)),
        draft.table(),
        sid.0
    )
}
