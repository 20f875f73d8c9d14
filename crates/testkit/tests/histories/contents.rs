//! What a database holds, as texts, and the merge of two changes of it.

use std::collections::{BTreeMap, BTreeSet};

use testkit::wire::Connection;

type Row = Vec<Option<Vec<u8>>>;

/// One table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    columns: Vec<String>,
    /// Has a primary key.
    pub(crate) keyed: bool,
    /// By key; of a table without one by the row and its number among equals.
    rows: BTreeMap<Row, Row>,
}

/// All tables.
pub(crate) type Contents = BTreeMap<String, Table>;

/// Partitions are seen in their whole, generated columns come from the others.
const TABLES: &str = "\
SELECT format('%I.%I', n.nspname, c.relname),
    (SELECT string_agg(quote_ident(a.attname) || '::text', ', ' ORDER BY a.attnum) FROM pg_attribute a
     WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''),
    (SELECT string_agg(quote_ident(a.attname) || '::text', ', ' ORDER BY a.attnum) FROM pg_index i
     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey) WHERE i.indrelid = c.oid AND i.indisprimary),
    c.relkind = 'r'
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('public', 'far') AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1";

/// All that a connection sees.
pub(crate) fn contents(connection: &mut Connection) -> Contents {
    let tables = connection.run(TABLES);
    (0..tables.rows.len())
        .map(|at| {
            let name = tables.value(at, 0).unwrap();
            let columns = tables.value(at, 1).unwrap();
            let key = tables.value(at, 2);
            let only = if tables.value(at, 3).unwrap() == "t" {
                "ONLY "
            } else {
                ""
            };
            let shown = key.clone().map(|k| k + ", ").unwrap_or_default();
            let width = key.as_ref().map_or(0, |k| k.matches("::text").count());
            let reply = connection.run(&format!("SELECT {shown}{columns} FROM {only}{name}"));
            let mut rows = BTreeMap::new();
            for row in reply.rows {
                let (key, values) = row.split_at(width);
                let mut key = key.to_vec();
                if width == 0 {
                    key = values.to_vec();
                    key.push(None);
                    let mut number = 0;
                    while rows.contains_key(&key) {
                        number += 1;
                        *key.last_mut().unwrap() = Some(number.to_string().into_bytes());
                    }
                }
                rows.insert(key, values.to_vec());
            }
            let columns = columns.split(", ").map(str::to_owned).collect();
            (
                name,
                Table {
                    columns,
                    keyed: width > 0,
                    rows,
                },
            )
        })
        .collect()
}

/// What differs, for people.
pub(crate) fn difference(expected: &Contents, found: &Contents) -> Option<String> {
    let mut out = String::new();
    for (name, table) in expected {
        let other = &found[name];
        for key in keys(&[table, other]) {
            let (a, b) = (table.rows.get(&key), other.rows.get(&key));
            if a != b {
                out += &format!(
                    "  {name} {}:\n    expected {}\n    found    {}\n",
                    shown(Some(&key)),
                    shown(a),
                    shown(b)
                );
            }
        }
    }
    (!out.is_empty()).then_some(out)
}

fn shown(row: Option<&Row>) -> String {
    let value = |v: &Option<Vec<u8>>| {
        v.as_ref()
            .map_or("∅".into(), |b| String::from_utf8_lossy(b).into_owned())
    };
    row.map_or("nothing".into(), |r| {
        r.iter().map(value).collect::<Vec<_>>().join("|")
    })
}

fn keys(tables: &[&Table]) -> BTreeSet<Row> {
    tables.iter().flat_map(|t| t.rows.keys().cloned()).collect()
}

/// Both changes of a base; the first conflict where there is one.
pub(crate) fn merge(
    base: &Contents,
    ours: &Contents,
    theirs: &Contents,
) -> Result<Contents, String> {
    let mut merged = Contents::new();
    for (name, table) in base {
        let (o, t) = (&ours[name], &theirs[name]);
        let mut out = Table {
            rows: BTreeMap::new(),
            ..table.clone()
        };
        for key in keys(&[table, o, t]) {
            let sides = (table.rows.get(&key), o.rows.get(&key), t.rows.get(&key));
            let row = if table.keyed {
                one(sides)
            } else {
                Ok(either(sides))
            };
            let row = row.map_err(|what| format!("{name} {}: {what}", shown(Some(&key))))?;
            out.rows.extend(row.map(|row| (key, row)));
        }
        merged.insert(name.clone(), out);
    }
    Ok(merged)
}

type Sides<'a> = (Option<&'a Row>, Option<&'a Row>, Option<&'a Row>);

fn either((base, ours, theirs): Sides<'_>) -> Option<Row> {
    if ours == base { theirs } else { ours }.cloned()
}

fn one(sides: Sides<'_>) -> Result<Option<Row>, &'static str> {
    match sides {
        (b, o, t) if o == b || t == b => Ok(either(sides)),
        (None, Some(_), Some(_)) => Err("both added"),
        (Some(_), None, None) => Ok(None),
        (Some(_), None, Some(_)) => Err("deleted by us"),
        (Some(_), Some(_), None) => Err("deleted by them"),
        (Some(b), Some(o), Some(t)) => {
            let columns = b.iter().zip(o).zip(t);
            columns
                .map(|((b, o), t)| match (o == b, t == b) {
                    (true, _) => Ok(t.clone()),
                    (false, true) => Ok(o.clone()),
                    (false, false) if o == t => Ok(o.clone()),
                    (false, false) => Err("both modified"),
                })
                .collect::<Result<Row, _>>()
                .map(Some)
        }
        (None, None, _) | (None, _, None) => Ok(either(sides)),
    }
}
