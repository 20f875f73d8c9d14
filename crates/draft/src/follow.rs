//! Heads that follow their tables: a head is made anew and takes its rows along.
//!
//! Columns are known by their number, so a rename is no loss. A column that is new gets what the
//! base has in the row, or the column's default in a row of the draft's own. A value that does not
//! fit any more stops all: then the head stays as it was, and statements are refused.

use catalog::{Column, DraftTableId, Relation, quote_identifier};

use crate::Draft;
use crate::text::{column, columns, equal, head_table, log_table, operator, writable};

/// A column as it was when the head was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldColumn {
    /// `attnum` in the base.
    pub number: i16,
    /// Its name in the head.
    pub name: String,
    /// Its declared type.
    pub declared: String,
}

/// `FirstNormalObjectId`: PostgreSQL's own types lie below.
const FIRST_OWN_OID: u32 = 16_384;

/// How values get to the type that their column has now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Casts {
    /// By the cast between the two types.
    Direct,
    /// By their text, where there is no such cast: from one enum to another.
    ByText,
}

/// What is to be noted of a relation's columns for the next time.
pub fn noted(relation: &Relation) -> Vec<OldColumn> {
    let stored = relation.writable().map(|c| OldColumn {
        number: c.number,
        name: c.name.clone(),
        declared: c.declared.clone(),
    });
    stored.collect()
}

/// Puts the rows of a head and its log aside.
pub fn keep(id: DraftTableId) -> String {
    let (head, log) = (head_table(id), log_table(id));
    format!(
        "CREATE TABLE {head}_was AS SELECT * FROM {head};\nCREATE TABLE {log}_was AS SELECT * FROM {log};\n"
    )
}

/// Brings them into the new head and log, before those have triggers. `None` where rows are not told
/// apart in the way they were: then nothing says which row is which.
pub fn restore(draft: &Draft<'_>, old: &[OldColumn], casts: Casts) -> Option<String> {
    let relation = draft.relation;
    let mut own: Vec<String> = catalog::HEAD_COLUMNS
        .iter()
        .map(|c| (*c).to_owned())
        .collect();
    let mut own_log: Vec<String> = ["pgdraft_sid", "pgdraft_op", "pgdraft_kind", "pgdraft_at"]
        .map(str::to_owned)
        .to_vec();
    let mut same = Vec::new();
    match relation.key() {
        Some(key) => {
            for (place, name) in key.columns.iter().enumerate() {
                let value = kept(relation, (old, casts), name)?;
                same.push(equal(operator(key, place), &column("b", name), &value));
            }
        }
        None => {
            own.push(catalog::ROW_COLUMN.to_owned());
            own_log.push(catalog::ROW_COLUMN.to_owned());
            same.push("false".to_owned());
        }
    }
    let values = |exists: &str| {
        let list: Vec<String> = relation
            .writable()
            .map(|c| {
                kept(relation, (old, casts), &c.name).unwrap_or_else(|| {
                    let (value, own) = (column("b", &c.name), added(relation, c));
                    format!("CASE WHEN {exists} THEN {value} ELSE {own} END")
                })
            })
            .collect();
        list.join(", ")
    };
    let base = relation.only();
    let list = columns("", writable(relation));
    let (head, log) = (draft.table(), draft.log());
    let same = same.join(" AND ");
    Some(format!(
        "INSERT INTO {head} ({list}, {own}) SELECT {of_head}, {own_values} FROM {head}_was o LEFT JOIN {base} b ON NOT o.pgdraft_new AND {same};
INSERT INTO {log} ({list}, {own_log}) SELECT {of_log}, {own_log_values} FROM {log}_was o LEFT JOIN {base} b ON o.pgdraft_kind <> 'I' AND {same};
DROP TABLE {head}_was, {log}_was;
",
        own = columns("", &own),
        own_log = columns("", &own_log),
        own_values = columns("o", &own),
        own_log_values = columns("o", &own_log),
        // A row of the base has its system columns, whatever is NULL in it.
        of_head = values("b.tableoid IS NOT NULL"),
        of_log = values("b.tableoid IS NOT NULL"),
    ))
}

/// What a new column has in a row of the draft's own: what PostgreSQL gave to rows that were there when
/// the column was added, which the default need not be any more; else the default.
fn added(relation: &Relation, now: &Column) -> String {
    let default = relation.draft_default(now);
    format!(
        "coalesce((SELECT CAST((a.attmissingval::pg_catalog.text::pg_catalog.text[])[1] AS {}) FROM pg_catalog.pg_attribute a WHERE a.attrelid = {} AND a.attnum = {} AND a.atthasmissing), {})",
        now.type_name,
        relation.id.0,
        now.number,
        default.as_deref().unwrap_or("NULL")
    )
}

/// The old value of a column, in its present type; `None` for a new column.
fn kept(relation: &Relation, (old, casts): (&[OldColumn], Casts), name: &str) -> Option<String> {
    let now = relation.column(name)?;
    let was = old.iter().find(|o| o.number == now.number)?;
    let value = format!("o.{}", quote_identifier(&was.name));
    // A type of production's own may have given its name to another.
    if was.declared == now.declared && now.type_id < FIRST_OWN_OID {
        return Some(value);
    }
    // Without the modifier: too long a text is refused when it is stored, not cut.
    let cast = match casts {
        Casts::Direct => format!("CAST({value} AS {})", now.type_name),
        Casts::ByText => format!("CAST({value}::pg_catalog.text AS {})", now.type_name),
    };
    // A log has NULL for what it does not know, which a domain may forbid.
    Some(match &now.base_type {
        Some(_) => {
            format!("CASE WHEN pg_catalog.num_nulls({value}) = 0 THEN {cast} END")
        }
        None => cast,
    })
}
