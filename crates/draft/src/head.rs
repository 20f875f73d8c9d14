//! The head and the log of a table: columns, keys, indexes, isolation.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use catalog::{
    Column, DraftTableId, Generated, ROW_COLUMN, Relation, quote_identifier, quote_literal,
};

use crate::text::{columns, dollar_quoted, head_table, key_columns, log_table, short_name};
use crate::{before, inlet};

/// A session sees and writes its own rows only, and none once it has ended. The subselect is
/// evaluated once a statement, not once a row (measured: 1.1 against 2.9 times the cost on 1,000
/// rows).
const OWN_ROWS: &str = "pgdraft_sid = (SELECT l.sid FROM pgdraft.live_session l)";

/// The session of a new row; row-level security compares it with the one the backend is bound to.
const SESSION: &str = "pgdraft_sid bigint NOT NULL DEFAULT pgdraft.sid()";

/// The operation of a new row; `begin_write` has set it for this transaction.
const OPERATION: &str =
    "pgdraft_op bigint NOT NULL DEFAULT nullif(current_setting('pgdraft.op', true), '')::bigint";

/// When a row was changed: how long an operation took is read from its last one.
const CHANGED_AT: &str = "pgdraft_at timestamptz NOT NULL DEFAULT clock_timestamp()";

/// What is said before a condition that a tombstone need not fulfil.
const ALIVE: &str = "NOT pgdraft_live OR ";

/// Rows of ended sessions go in small steps; their space is for others to use soon after, also where
/// the draft of one large session keeps the table large.
const VACUUM: &str = "autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.02";

/// DDL of the head, the log and the inlet of `relation`; `agent` is the agent role, quoted. Triggers come
/// from [`crate::trigger`].
pub fn ddl(relation: &Relation, id: DraftTableId, agent: &str) -> String {
    let checks = checks(relation, id, &short_name(id), ALIVE).into_iter();
    let checks: String = checks.map(|check| format!(",\n    {check}")).collect();
    with_checks(relation, id, agent, &checks)
}

/// The same for rows that were there before it: conditions that they need not fulfil come afterwards, by
/// [`late_checks`].
pub fn unchecked_ddl(relation: &Relation, id: DraftTableId, agent: &str) -> String {
    with_checks(relation, id, agent, "")
}

/// The conditions for rows that are yet to come; what they say of the others a commit looks at.
pub fn late_checks(relation: &Relation, id: DraftTableId) -> String {
    let mut out = String::new();
    for check in checks(relation, id, &short_name(id), ALIVE) {
        let _ = writeln!(out, "ALTER TABLE {} ADD {check} NOT VALID;", head_table(id));
    }
    out
}

fn with_checks(relation: &Relation, id: DraftTableId, agent: &str, checks: &str) -> String {
    let (head, log) = (head_table(id), log_table(id));
    let mut out = failed(relation, id, agent);
    let _ = writeln!(out, "CREATE TABLE {head} (");
    for column in &relation.columns {
        let _ = writeln!(out, "    {},", head_column(relation, column));
    }
    let _ = writeln!(
        out,
        "    {SESSION},
    {OPERATION},
    pgdraft_live boolean NOT NULL DEFAULT true,
    pgdraft_new boolean NOT NULL DEFAULT true,
    pgdraft_moved boolean NOT NULL DEFAULT false{}{}
) WITH (fillfactor = 85, {VACUUM});",
        row_number(relation),
        checks
    );
    let key = columns("", key_columns(relation));
    // No PRIMARY KEY, whose NOT NULL would fail before our own checks can say why. Without one
    // PostgreSQL needs to be told how an UPDATE is published, should everything be.
    let _ = writeln!(
        out,
        "CREATE UNIQUE INDEX {} ON {head} (pgdraft_sid, {key});
ALTER TABLE {head} REPLICA IDENTITY FULL;",
        primary_name(id)
    );
    out.push_str(&statistics(relation, &head));
    for index in indexes(relation, id) {
        let list = index.elements.join(", ");
        let _ = writeln!(
            out,
            "CREATE INDEX {} ON {head} (pgdraft_sid, {list}){};",
            index.name, index.filter
        );
    }
    out.push_str(&log_ddl(relation, id));
    for (table, rights) in [(head, "SELECT, INSERT, UPDATE"), (log, "SELECT, INSERT")] {
        let _ = writeln!(
            out,
            "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
CREATE POLICY pgdraft ON {table} TO {agent} USING ({OWN_ROWS}) WITH CHECK ({OWN_ROWS});
GRANT {rights} ON {table} TO {agent};"
        );
    }
    out.push_str(&inlet::ddl(relation, id, agent));
    out
}

/// The log: before-images, append-only.
fn log_ddl(relation: &Relation, id: DraftTableId) -> String {
    let (log, key) = (log_table(id), columns("", key_columns(relation)));
    let mut out = String::new();
    let _ = writeln!(
        out,
        "CREATE TABLE {log} (
    {SESSION},
    {OPERATION},
    pgdraft_kind \"char\" NOT NULL,
    {CHANGED_AT},"
    );
    for column in relation.writable() {
        let _ = writeln!(out, "    {},", log_column(column));
    }
    if relation.key().is_none() {
        let _ = writeln!(out, "    {ROW_COLUMN} bigint,");
    }
    // A key of the configuration can be missing; the head says so better than the log would.
    let kind = match relation.key() {
        Some(key) if !key.is_declared() => "UNIQUE",
        _ => "PRIMARY KEY",
    };
    let _ = writeln!(
        out,
        "    CONSTRAINT {}_log_pkey {kind} (pgdraft_sid, pgdraft_op, {key})\n) WITH ({VACUUM});",
        short_name(id)
    );
    // Without WHEN: PostgreSQL reads a condition from the catalog's text each time, which costs more than
    // the function that asks the same.
    let _ = writeln!(
        out,
        "CREATE TRIGGER pgdraft_count AFTER INSERT ON {log} REFERENCING NEW TABLE AS pgdraft_n FOR EACH STATEMENT
    EXECUTE FUNCTION pgdraft.count_statement();"
    );
    out
}

/// What the planner is to think of sessions: each has a tenth of the head's rows, whatever the head
/// holds now or held at the last ANALYZE, so that a session that grew is not planned as an empty one,
/// a single row is looked for by its key, and the rows of others are not read to find one's own.
/// Statistics cannot be written, so they are taken of a few rows that go again; should production's
/// own expressions not take these, PostgreSQL's default (a two hundredth) only costs time.
fn statistics(relation: &Relation, head: &str) -> String {
    let writable = relation.writable().map(|c| quote_identifier(&c.name));
    let names: Vec<String> = writable.collect();
    let nulls = vec!["NULL"; names.len()];
    let body = format!(
        "
BEGIN
    INSERT INTO {head} ({names}, pgdraft_sid, pgdraft_op, pgdraft_live)
        SELECT {nulls}, -n, 0, false FROM generate_series(1, 10) n;
    ANALYZE {head} (pgdraft_sid);
    TRUNCATE {head};
EXCEPTION WHEN OTHERS THEN
    NULL;
END ",
        names = names.join(", "),
        nulls = nulls.join(", ")
    );
    let column = format!("ALTER TABLE {head} ALTER COLUMN pgdraft_sid");
    format!(
        "{column} SET (n_distinct = 10);
{column} SET STATISTICS 1;
DO {};
{column} SET STATISTICS 0;\n",
        dollar_quoted(&body)
    )
}

/// Says in the catalog whose a head and a log are. Apart from [`ddl`], because a head stays when its
/// table is renamed.
pub fn comments(relation: &Relation, id: DraftTableId) -> String {
    let of = |what: &str| quote_literal(&format!("{what} of {}", relation.qualified()));
    format!(
        "COMMENT ON TABLE {} IS {};\nCOMMENT ON TABLE {} IS {};\n",
        head_table(id),
        of("changed rows"),
        log_table(id),
        of("rows before each change")
    )
}

/// Removes a head, its log and (with them) its triggers. The trigger functions stay and are
/// replaced by the next ones.
pub fn drop(id: DraftTableId) -> String {
    let heads = format!("DROP TABLE {}, {};\n", head_table(id), log_table(id));
    let failed = format!(
        "DROP FUNCTION IF EXISTS {}(integer, anyelement);\n",
        failed_name(id)
    );
    heads + &inlet::drop(id) + &failed + &before::drop(id)
}

/// Head index name → base index or constraint name, to map names in errors back.
pub fn constraints(relation: &Relation, id: DraftTableId) -> BTreeMap<String, String> {
    let primary = relation
        .key()
        .map(|key| (primary_name(id), key.name.clone()));
    let others = indexes(relation, id)
        .into_iter()
        .map(|index| (index.name, index.base));
    primary.into_iter().chain(others).collect()
}

/// One index of a head besides the key's.
struct HeadIndex {
    name: String,
    base: String,
    /// As they stand in CREATE INDEX.
    elements: Vec<String>,
    /// `` or ` WHERE …`.
    filter: String,
}

/// The base's indexes, unique ones too: what they say is checked by triggers, against the base as
/// well, but rows are found by them.
fn indexes(relation: &Relation, id: DraftTableId) -> Vec<HeadIndex> {
    let mut all: Vec<HeadIndex> = Vec::new();
    let quoted = |names: &[String]| names.iter().map(|n| quote_identifier(n)).collect();
    let unique = relation.unique.iter().map(|key| {
        if key.special && !key.elements.is_empty() {
            let elements = key.elements.iter().map(|e| format!("({e})")).collect();
            let condition = key.predicate.as_ref();
            let filter = condition.map_or_else(String::new, |p| format!(" WHERE {p}"));
            return (&key.name, elements, filter);
        }
        (&key.name, quoted(&key.columns), String::new())
    });
    let plain = relation.indexes.iter();
    let plain = plain.map(|index| (&index.name, quoted(&index.columns), String::new()));
    let primary: Vec<String> = quoted(key_columns(relation));
    for (base, elements, filter) in unique.chain(plain) {
        // 31 columns are the most that fit beside the session; a second index over the same
        // columns would only cost.
        let useless = elements.len() > 31
            || (filter.is_empty() && elements == primary)
            || all
                .iter()
                .any(|other| other.elements == elements && other.filter == filter);
        if !useless {
            all.push(HeadIndex {
                name: format!("{}_i{}", short_name(id), all.len() + 1),
                base: base.clone(),
                elements,
                filter,
            });
        }
    }
    all
}

/// `CONSTRAINT …` of what must hold of each row. Mostly one: PostgreSQL reads a CHECK anew from the catalog's
/// text in each statement, so it names no more than the conditions and, by its number, the one that failed
/// ([`failed`]). They are looked at in PostgreSQL's order, and once. A tombstone keeps its row as it was, so
/// it need not satisfy what is new (NOT VALID): `unless` says so, and is empty for the inlet. `table` is the
/// bare name of the table whose rows they are.
pub(crate) fn checks(
    relation: &Relation,
    id: DraftTableId,
    table: &str,
    unless: &str,
) -> Vec<String> {
    let named = |name: usize, condition: String| {
        format!("CONSTRAINT pgdraft_{name:04} CHECK ({unless}{condition})")
    };
    let Some(conditions) = relation.head_conditions(table) else {
        // named in that order
        let each = relation.conditions().enumerate();
        return each.map(|(n, c)| named(n, c.whole())).collect();
    };
    let each = conditions.iter().enumerate();
    let each = each.map(|(n, c)| format!("({} OR {}({n}, {table}.*))", c.holds, failed_name(id)));
    let all: Vec<String> = each.collect();
    match all.is_empty() {
        true => Vec::new(),
        false => vec![named(0, all.join(" AND "))],
    }
}

/// The function that raises the error of a condition of the head's CHECK, by its number. Of any type, since
/// a function of the head's own would keep the head from being dropped.
fn failed(relation: &Relation, id: DraftTableId, agent: &str) -> String {
    let (name, head) = (failed_name(id), short_name(id));
    let conditions = relation.head_conditions(&head).unwrap_or_default();
    if conditions.is_empty() {
        return String::new();
    }
    let mut whens = String::new();
    for (n, condition) in conditions.iter().enumerate() {
        let _ = write!(whens, "\n        WHEN {n} THEN {}", condition.fails);
    }
    let body = format!(
        "
#variable_conflict use_column
BEGIN
    RETURN (SELECT CASE $1{whens} END FROM pg_catalog.unnest(ARRAY[$2]) {head});
END "
    );
    let arguments = "(integer, anyelement)";
    format!(
        "CREATE OR REPLACE FUNCTION {name}{arguments} RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS {};
REVOKE ALL ON FUNCTION {name}{arguments} FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {name}{arguments} TO {agent};\n",
        dollar_quoted(&body)
    )
}

fn failed_name(id: DraftTableId) -> String {
    format!("{}_failed", head_table(id))
}

/// The number of a row whose base has no key.
fn row_number(relation: &Relation) -> String {
    match relation.key() {
        Some(_) => String::new(),
        None => format!(",\n    {ROW_COLUMN} bigint NOT NULL DEFAULT pgdraft.next_row()"),
    }
}

fn primary_name(id: DraftTableId) -> String {
    format!("{}_pkey", short_name(id))
}

pub(crate) fn head_column(relation: &Relation, column: &Column) -> String {
    let mut out = format!("{} {}", quote_identifier(&column.name), column.declared);
    if let Some(collation) = &column.collation {
        let _ = write!(out, " COLLATE {collation}");
    }
    let kind = match column.generated {
        Generated::No => None,
        Generated::Stored => Some("STORED"),
        Generated::Virtual => Some("VIRTUAL"),
    };
    if let (Some(kind), Some(expression)) = (kind, &column.default) {
        let _ = write!(out, " GENERATED ALWAYS AS ({expression}) {kind}");
    } else if let Some(default) = relation.draft_default(column) {
        let _ = write!(out, " DEFAULT {default}");
    }
    out
}

/// Before-images: every column may be missing, because an insert records its key only.
fn log_column(column: &Column) -> String {
    let kind = column.base_type.as_ref().unwrap_or(&column.declared);
    let mut out = format!("{} {kind}", quote_identifier(&column.name));
    if let Some(collation) = &column.collation {
        let _ = write!(out, " COLLATE {collation}");
    }
    out
}
