//! Compares what databases hold.

use std::fmt::Write as _;

use crate::cluster::Database;

const USER_RELATIONS: &str = "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.relkind \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgdraft') \
       AND n.nspname NOT LIKE 'pg\\_%' AND c.relkind IN ('r', 'S') ORDER BY 1";

/// All user tables of both databases hold the same rows, and sequences stand at the same value.
pub(super) fn same_contents(plain: &Database, base: &Database) -> Result<(), String> {
    let (mut a, mut b) = (plain.connect(), base.connect());
    let relations = a.run(USER_RELATIONS);
    let theirs = b.run(USER_RELATIONS);
    if relations.table() != theirs.table() {
        return Err(format!(
            "relations differ: plain {:?}, base {:?}",
            relations.table(),
            theirs.table()
        ));
    }
    for row in 0..relations.rows.len() {
        let name = relations.value(row, 0).unwrap_or_default();
        let query = if relations.value(row, 1).as_deref() == Some("S") {
            format!("SELECT last_value, is_called FROM {name}")
        } else {
            format!("SELECT row_::text FROM {name} AS row_ ORDER BY row_::text COLLATE \"C\"")
        };
        let (x, y) = (a.run(&query).table(), b.run(&query).table());
        if x != y {
            return Err(format!(
                "{name} differs from the plain copy:\n{}",
                text_difference(&x.join("\n"), &y.join("\n"))
            ));
        }
    }
    Ok(())
}

/// Sequences go on from where the template's stand: drafts of earlier rounds have moved them.
pub(super) fn reset_sequences(template: &Database, base: &Database) {
    let query = "SELECT format('SELECT setval(%L, %s, %L)', \
         quote_ident(schemaname) || '.' || quote_ident(sequencename), \
         coalesce(last_value, start_value), last_value IS NOT NULL) FROM pg_sequences \
         WHERE schemaname <> 'pgdraft'";
    let resets = template.connect().run(query);
    let mut connection = base.connect();
    for reset in resets.table() {
        connection.run(&reset);
    }
}

pub(super) fn text_difference(before: &str, after: &str) -> String {
    let a: Vec<&str> = before.lines().collect();
    let b: Vec<&str> = after.lines().collect();
    let mut text = String::new();
    let only = |x: &[&str], y: &[&str]| -> Vec<String> {
        let y: std::collections::HashSet<&str> = y.iter().copied().collect();
        x.iter()
            .filter(|l| !y.contains(**l))
            .take(20)
            .map(|l| (*l).to_owned())
            .collect()
    };
    for line in only(&a, &b) {
        let _ = writeln!(text, "      - {line}");
    }
    for line in only(&b, &a) {
        let _ = writeln!(text, "      + {line}");
    }
    if text.is_empty() {
        let _ = writeln!(
            text,
            "      the same lines in another order or number ({} and {})",
            a.len(),
            b.len()
        );
    }
    text
}
