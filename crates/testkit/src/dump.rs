//! What a database holds, as text that changes when anything in it does.
//!
//! `pg_dump` says it best and is used where it comes with the server. The servers of the version
//! matrix come without it: there the catalog's own words for each object are put together.

use crate::wire::Connection;

/// Everything outside the system's and pgdraft's schemas: definitions first, then rows in the
/// order they lie in.
pub(crate) fn by_sql(connection: &mut Connection) -> String {
    let mut lines = Vec::new();
    for query in DEFINITIONS {
        lines.extend(connection.run(query).table());
    }
    let tables = connection.run(TABLES).table();
    for table in tables {
        lines.push(format!("rows of {table}"));
        lines.extend(
            connection
                .run(&format!("SELECT row_::text FROM ONLY {table} AS row_"))
                .table(),
        );
    }
    lines.join("\n")
}

const TABLES: &str = "SELECT c.oid::regclass FROM pg_class c WHERE c.relkind = 'r' \
    AND c.relnamespace::regnamespace::text !~ '^(pg_|information_schema$|pgdraft$)' ORDER BY 1";

const DEFINITIONS: [&str; 6] = [
    "SELECT n.nspname, n.nspacl FROM pg_namespace n WHERE n.nspname !~ '^(pg_|information_schema$|pgdraft$)' ORDER BY 1",
    "SELECT c.oid::regclass, c.relkind, c.relpersistence, c.relacl, c.reloptions, c.relrowsecurity, \
     CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) WHEN c.relkind = 'i' THEN pg_get_indexdef(c.oid) END \
     FROM pg_class c WHERE c.relnamespace::regnamespace::text !~ '^(pg_|information_schema$|pgdraft$)' \
     ORDER BY c.relnamespace, c.relname",
    "SELECT a.attrelid::regclass, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, \
     a.attidentity, a.attgenerated, a.attacl, pg_get_expr(d.adbin, d.adrelid) \
     FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum) \
     WHERE a.attnum > 0 AND c.relnamespace::regnamespace::text !~ '^(pg_|information_schema$|pgdraft$)' \
     ORDER BY c.relnamespace, c.relname, a.attnum",
    "SELECT k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid) FROM pg_constraint k \
     WHERE k.connamespace::regnamespace::text !~ '^(pg_|information_schema$|pgdraft$)' ORDER BY k.connamespace, k.conrelid, k.conname",
    "SELECT t.tgrelid::regclass, pg_get_triggerdef(t.oid), t.tgenabled FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid \
     WHERE NOT t.tgisinternal AND c.relnamespace::regnamespace::text !~ '^(pg_|information_schema$|pgdraft$)' ORDER BY 1, 2",
    "SELECT p.oid::regprocedure, p.prosrc, p.proacl, p.prosecdef, p.proconfig FROM pg_proc p \
     WHERE p.pronamespace::regnamespace::text !~ '^(pg_|information_schema$|pgdraft$)' ORDER BY p.pronamespace, p.proname, p.oid",
];
