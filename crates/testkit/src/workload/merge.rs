//! Random MERGE statements; the source has one row for each value of the target's key.

use super::expression::Source;
use super::maker::Maker;
use super::schema::{Table, names};
use super::value::Kind;

/// What the WHEN clauses need to know.
struct Merge<'t> {
    table: &'t Table,
    /// Position of the key's first column, which the source gives.
    lead: usize,
    /// The key's other columns with the constants they are compared with.
    rest: Vec<(usize, String)>,
    /// Type of the source's second column.
    value: Kind,
    /// Target and source.
    scope: [Source; 2],
}

impl Maker<'_> {
    pub(super) fn merge(&mut self, table: &Table) {
        let targets = table.writable();
        if table.key.is_empty() || !table.key.iter().all(|n| targets.contains(n)) {
            return self.update(table);
        }
        let alias = self.alias();
        let lead = table.key[0];
        let lead_kind = table.columns[lead].kind;
        let value = *self.random.pick(&[Kind::Int, Kind::Text]);
        let rest: Vec<(usize, String)> = table.key[1..]
            .iter()
            .map(|n| (*n, table.columns[*n].kind.literal(self.random)))
            .collect();
        let source = self.merge_source(lead_kind, value);
        let mut on = format!("{alias}.{} = s.k", table.columns[lead].name);
        for (n, constant) in &rest {
            on.push_str(&format!(
                " AND {alias}.{} = {constant}",
                table.columns[*n].name
            ));
        }
        let target = Source {
            alias: alias.clone(),
            columns: table
                .columns
                .iter()
                .map(|c| (c.name.clone(), c.kind))
                .collect(),
            key: table.key.clone(),
        };
        let given = Source {
            alias: "s".to_owned(),
            columns: vec![("k".to_owned(), lead_kind), ("v".to_owned(), value)],
            key: vec![0],
        };
        let merge = Merge {
            table,
            lead,
            rest,
            value,
            scope: [target, given],
        };
        let mut whens = self.when_matched(&merge);
        if whens.is_empty() || self.random.percent(60) {
            whens.push_str(&self.when_not_matched(&merge));
        }
        self.say(format!(
            "MERGE INTO {} AS {alias} USING {source} AS s (k, v) ON {on}{whens}",
            table.name
        ));
    }

    /// Rows of a key and a value, no key twice.
    fn merge_source(&mut self, key: Kind, value: Kind) -> String {
        if key.exact() && self.random.percent(40) {
            let query = self.typed_query(&[key, value]);
            return format!(
                "(SELECT DISTINCT ON (p) p, q FROM ({}) AS d (p, q) WHERE p IS NOT NULL ORDER BY p, q)",
                query.text
            );
        }
        let mut keys: Vec<String> = (0..4).map(|_| key.typed(self.random)).collect();
        keys.sort();
        keys.dedup();
        // Of a type whose equal values differ in text there is one only.
        keys.truncate(if key.exact() { 4 } else { 1 });
        let rows: Vec<String> = keys
            .iter()
            .map(|k| format!("({k}, {})", value.typed(self.random)))
            .collect();
        format!("(VALUES {})", rows.join(", "))
    }

    fn when_matched(&mut self, merge: &Merge<'_>) -> String {
        let mut text = String::new();
        if self.random.percent(40) {
            let what = *self.random.pick(&["DELETE", "DO NOTHING"]);
            let condition = self.condition(&merge.scope, 1);
            text.push_str(&format!(" WHEN MATCHED AND {condition} THEN {what}"));
        }
        if self.random.percent(70)
            && let Some(set) = self.assignments(merge.table, &merge.scope, false)
        {
            text.push_str(&format!(" WHEN MATCHED THEN UPDATE SET {set}"));
        }
        text
    }

    fn when_not_matched(&mut self, merge: &Merge<'_>) -> String {
        let guard = if self.random.percent(30) {
            format!(" AND {}", self.condition(&merge.scope[1..], 0))
        } else {
            String::new()
        };
        let targets = merge.table.writable();
        let row: Vec<String> = targets
            .iter()
            .map(|n| {
                let kind = merge.table.columns[*n].kind;
                match merge.rest.iter().find(|(at, _)| at == n) {
                    _ if *n == merge.lead => "s.k".to_owned(),
                    Some((_, constant)) => constant.clone(),
                    None if kind == merge.value => "s.v".to_owned(),
                    None => self.given(kind),
                }
            })
            .collect();
        format!(
            " WHEN NOT MATCHED{guard} THEN INSERT ({}) VALUES ({})",
            names(&merge.table.columns, &targets),
            row.join(", ")
        )
    }
}
