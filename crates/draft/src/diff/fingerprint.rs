//! A short text that stands for everything a diff of the draft shows and a commit would apply.

use catalog::SessionId;

use crate::Draft;
use crate::text::{column, columns, key_columns, record};

/// The fingerprint of one table: one text, the same as long as no row of the session in it moves,
/// neither as it is nor as an operation found it, and no operation gets another name. So it stands for
/// what a commit applies, for what the diff says it changes, and for what each operation did.
/// It is made of what the rows are, not of when they were written: whoever finds a way to write a
/// head past the proxy changes it too.
pub fn fingerprint(draft: &Draft<'_>, sid: SessionId) -> String {
    let sid = sid.0;
    let hash = |alias: &str, others: [&str; 2], order: &str| {
        let stored = draft.relation.writable();
        let mut values: Vec<String> = stored.map(|c| column(alias, &c.name)).collect();
        values.extend(others.map(str::to_owned));
        format!(
            "SELECT coalesce(sha256(string_agg(sha256(convert_to({}::text, 'UTF8')), ''::bytea ORDER BY {}{order})), ''::bytea)",
            record(&values),
            columns(alias, key_columns(draft.relation)),
        )
    };
    format!(
        "SELECT encode(sha256(({head} FROM {table} h WHERE h.pgdraft_sid = {sid} AND (h.pgdraft_live OR NOT h.pgdraft_new))
    || ({log} FROM {log_table} l LEFT JOIN pgdraft.operations p ON p.sid = l.pgdraft_sid AND p.op = l.pgdraft_op WHERE l.pgdraft_sid = {sid})
    || (SELECT convert_to(coalesce(string_agg(p.name, '/' ORDER BY x.op), ''), 'UTF8') FROM pgdraft.truncations x LEFT JOIN pgdraft.operations p USING (sid, op) WHERE x.sid = {sid} AND x.table_id = {id})), 'hex')",
        head = hash("h", ["h.pgdraft_live", "h.pgdraft_new"], ""),
        table = draft.table(),
        log = hash("l", ["l.pgdraft_kind", "p.name"], ", l.pgdraft_op"),
        log_table = draft.log(),
        id = draft.id.0,
    )
}
