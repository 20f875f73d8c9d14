//! The inlet of a head: where `COPY … FROM STDIN` goes.
//!
//! PostgreSQL refuses COPY FROM into a table under row-level security, and COPY knows no
//! ON CONFLICT, which a key that the session removed before needs. So rows are copied into a table
//! without rules, in which nobody ever finds a row: when the statement ends a trigger moves
//! them into the head, as a plain INSERT would have written them.

use std::fmt::Write as _;

use catalog::{DraftTableId, Key, Relation, quote_identifier};

use crate::head;
use crate::text::{columns, dollar_quoted, head_table, short_name, writable};
use crate::trigger::guard;

/// Quoted, qualified inlet table; its trigger function has the same name.
pub(crate) fn inlet_table(id: DraftTableId) -> String {
    format!("pgdraft.d{}_in", id.0)
}

/// DDL of the inlet; `agent` is the agent role, quoted.
///
/// The session is verified once a statement: the function runs with the rights of the heads'
/// owner, whom row-level security does not hold.
pub(crate) fn ddl(relation: &Relation, id: DraftTableId, agent: &str) -> String {
    let inlet = inlet_table(id);
    let mut out = format!("CREATE UNLOGGED TABLE {inlet} (\n");
    let columns = relation.columns.iter();
    let columns = columns.map(|column| head::head_column(relation, column));
    // A row that breaks one is refused where it stands in the stream, before the next one takes a number
    // from a sequence.
    let checks = head::checks(relation, id, &format!("{}_in", short_name(id)), "");
    let list: Vec<String> = columns.chain(checks).map(|l| format!("    {l}")).collect();
    let _ = writeln!(out, "{}\n);", list.join(",\n"));
    let _ = writeln!(
        out,
        "CREATE OR REPLACE FUNCTION {inlet}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS {};
CREATE TRIGGER pgdraft_in AFTER INSERT ON {inlet} REFERENCING NEW TABLE AS pgdraft_n FOR EACH STATEMENT EXECUTE FUNCTION {inlet}();
REVOKE ALL ON FUNCTION {inlet}() FROM PUBLIC;
GRANT SELECT, INSERT ON {inlet} TO {agent};",
        dollar_quoted(&body(relation, id)),
    );
    out
}

fn body(relation: &Relation, id: DraftTableId) -> String {
    let (head, inlet) = (head_table(id), inlet_table(id));
    let names = writable(relation);
    // `old` and `new` are variables of the function
    let (list, values) = (columns("", &names), columns("n", &names));
    let assignments: String = names
        .iter()
        .map(|name| format!(", {n} = EXCLUDED.{n}", n = quote_identifier(name)))
        .collect();
    let insert = format!(
        "    INSERT INTO {head} AS h ({list}, pgdraft_sid) SELECT {values}, pgdraft_own FROM pgdraft_n n"
    );
    // A row that was removed comes back; a row without a key is always another one. Mostly the session has
    // none of the keys, and ON CONFLICT costs as much as all else that is done for a row: it comes where the
    // head's own key says so. Errors of production's keys bear the names of production's schemas.
    let insert = match relation.key() {
        None => format!("{insert};"),
        Some(key) => format!(
            "    BEGIN
    {insert};
    EXCEPTION WHEN unique_violation THEN
        GET STACKED DIAGNOSTICS pgdraft_schema = SCHEMA_NAME;
        IF pgdraft_schema <> 'pgdraft' THEN
            RAISE;
        END IF;
        BEGIN
    {insert}
        ON CONFLICT (pgdraft_sid, {}) DO UPDATE SET pgdraft_op = EXCLUDED.pgdraft_op, pgdraft_moved = false,
            pgdraft_live = {}{assignments};
        EXCEPTION WHEN cardinality_violation THEN
        {}
            RAISE;
        END;
    END;",
            columns("", &key.columns),
            guard(relation, key, "h.pgdraft_live", "EXCLUDED"),
            twins(relation, key),
        ),
    };
    format!(
        "
DECLARE
    pgdraft_own bigint := pgdraft.sid();
    pgdraft_schema text;
BEGIN
    IF pgdraft_own = 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'ZD003', MESSAGE = 'no session', HINT = 'Connect through pgdraft.';
    END IF;
{insert}
    DELETE FROM {inlet};
    RETURN NULL;
END "
    )
}

/// Two of the rows have one key, and ON CONFLICT does not say which: PostgreSQL's error for the first
/// that meets one before it.
fn twins(relation: &Relation, key: &Key) -> String {
    let list = columns("n", &key.columns);
    format!(
        "PERFORM {} FROM (
            SELECT * FROM (SELECT n.*, row_number() OVER (PARTITION BY {list} ORDER BY n.pgdraft_place) AS pgdraft_same
                FROM (SELECT n.*, row_number() OVER () AS pgdraft_place FROM pgdraft_n n) n) n
            WHERE n.pgdraft_same > 1 ORDER BY n.pgdraft_place LIMIT 1) n;",
        guard(relation, key, "true", "n")
    )
}

/// Removes the inlet; its function stays and is replaced by the next one.
pub(crate) fn drop(id: DraftTableId) -> String {
    format!("DROP TABLE IF EXISTS {};\n", inlet_table(id))
}
