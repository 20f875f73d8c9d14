//! Random queries. Whatever PostgreSQL leaves open is not asked: LIMIT stands on a total order only.

use super::expression::{Scope, Source};
use super::maker::Maker;
use super::schema::{Shape, Table};
use super::value::Kind;

/// A query and what it gives.
#[derive(Debug, Clone)]
pub(super) struct Query {
    pub(super) text: String,
    /// The order of its rows is fixed.
    pub(super) ordered: bool,
}

const KINDS: [Kind; 6] = [
    Kind::Int,
    Kind::Text,
    Kind::Date,
    Kind::Bool,
    Kind::Numeric,
    Kind::Mood,
];

impl Maker<'_> {
    /// A table or view with a fresh alias: its text in FROM, and its columns.
    pub(super) fn base_source(&mut self) -> (String, Source) {
        let count = self.schema.tables.len() + self.schema.views.len();
        let at = self.random.below(count as u64) as usize;
        let table = match self.schema.tables.get(at) {
            Some(table) => table.clone(),
            None => self.schema.views[at - self.schema.tables.len()].clone(),
        };
        self.source_of(&table)
    }

    /// A relation with a fresh alias.
    pub(super) fn source_of(&mut self, table: &Table) -> (String, Source) {
        let alias = self.alias();
        let only = if table.shape == Shape::Inherited && self.random.percent(30) {
            "ONLY "
        } else {
            ""
        };
        let source = Source {
            alias: alias.clone(),
            columns: table
                .columns
                .iter()
                .map(|c| (c.name.clone(), c.kind))
                .collect(),
            // rows of a parent and of its children may have the same key
            key: match (table.shape, only) {
                (Shape::Inherited, "") => Vec::new(),
                _ => table.key.clone(),
            },
        };
        (format!("{only}{} AS {alias}", table.name), source)
    }

    pub(super) fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("x{}", self.aliases)
    }

    /// A FROM list and what it brings into scope.
    fn from(&mut self, outer: &Scope) -> (String, Vec<Source>) {
        let (mut text, first) = self.base_source();
        let mut scope = vec![first];
        while self.random.percent(35) && scope.len() < 3 {
            let (right, source) = match self.random.below(10) {
                0 => self.derived(&[]),
                1 => {
                    let visible: Vec<Source> = outer.iter().chain(&scope).cloned().collect();
                    let (right, source) = self.derived(&visible);
                    text = format!("{text} CROSS JOIN LATERAL {right}");
                    scope.push(source);
                    continue;
                }
                2 => self.made_up(),
                _ => self.base_source(),
            };
            let both: Vec<Source> = scope.iter().cloned().chain([source.clone()]).collect();
            let equal = self.join_condition(&scope, &source);
            // A full join needs a condition that can be merged or hashed.
            let mergeable = equal.is_some();
            let on = equal.unwrap_or_else(|| self.condition(&both, 1));
            let join = match self.random.below(8) {
                0 | 1 => "LEFT JOIN",
                2 => "RIGHT JOIN",
                3 if mergeable => "FULL JOIN",
                4 => {
                    text = format!("{text}, {right}");
                    scope.push(source);
                    continue;
                }
                _ => "JOIN",
            };
            text = format!("{text} {join} {right} ON {on}");
            scope.push(source);
        }
        (text, scope)
    }

    /// `a.x = b.y` of one type.
    fn join_condition(&mut self, left: &Scope, right: &Source) -> Option<String> {
        if self.random.percent(15) {
            return None;
        }
        for _ in 0..4 {
            let (column, kind) = self.any_column(std::slice::from_ref(right))?;
            if kind == Kind::Json {
                continue;
            }
            if let Some(other) = self.column(kind, left) {
                return Some(format!("{other} = {column}"));
            }
        }
        None
    }

    /// A subquery in FROM.
    fn derived(&mut self, outer: &Scope) -> (String, Source) {
        let (from, inner) = self.base_source();
        let visible: Vec<Source> = outer.iter().cloned().chain([inner.clone()]).collect();
        let condition = self.condition(&visible, 1);
        let mut columns = Vec::new();
        let mut list = Vec::new();
        for n in 0..2 {
            let kind = *self.random.pick(&KINDS);
            list.push(self.scalar(kind, std::slice::from_ref(&inner), 1));
            columns.push((format!("c{n}"), kind));
        }
        let alias = self.alias();
        let text = format!(
            "(SELECT {} FROM {from} WHERE {condition}) AS {alias} (c0, c1)",
            list.join(", ")
        );
        (
            text,
            Source {
                alias,
                columns,
                key: Vec::new(),
            },
        )
    }

    /// Rows that come from no table.
    fn made_up(&mut self) -> (String, Source) {
        let alias = self.alias();
        let (text, columns) = match self.random.below(3) {
            0 => (
                format!("generate_series(1, 4) AS {alias} (g)"),
                vec![("g".to_owned(), Kind::Int)],
            ),
            1 => (
                format!("(VALUES (1, 'Bonn'), (2, 'Ulm'), (7, NULL)) AS {alias} (g, w)"),
                vec![("g".to_owned(), Kind::Int), ("w".to_owned(), Kind::Text)],
            ),
            _ => (
                format!("unnest(ARRAY[3, 1, 2]) WITH ORDINALITY AS {alias} (g, o)"),
                vec![("g".to_owned(), Kind::Int), ("o".to_owned(), Kind::Big)],
            ),
        };
        (
            text,
            Source {
                alias,
                columns,
                key: Vec::new(),
            },
        )
    }

    /// A query of any shape.
    pub(super) fn query(&mut self) -> Query {
        match self.random.below(100) {
            0..30 => self.rows_query(),
            30..45 => self.grouped(),
            45..55 => self.windowed(),
            55..65 => self.set_operation(),
            65..72 => self.with_query(),
            72..80 => self.small_shapes(),
            80..86 => self.distinct_on(),
            86..91 => self.by_primary_key(),
            _ => self.fallible(),
        }
    }

    /// Rows with the given types; ordered by all columns where LIMIT asks for it.
    pub(super) fn typed_query(&mut self, kinds: &[Kind]) -> Query {
        let (from, scope) = self.from(&[]);
        let list: Vec<String> = kinds.iter().map(|k| self.scalar(*k, &scope, 1)).collect();
        let condition = self.condition(&scope, 2);
        let mut text = format!("SELECT {} FROM {from} WHERE {condition}", list.join(", "));
        let ordered = kinds.iter().all(|k| k.exact());
        if ordered {
            text.push_str(&total_order(kinds.len()));
            if self.random.percent(60) {
                text.push_str(&format!(" LIMIT {}", 1 + self.random.below(4)));
            }
        }
        Query { text, ordered }
    }

    fn rows_query(&mut self) -> Query {
        let (from, scope) = self.from(&[]);
        let (list, kinds) = match self.random.below(4) {
            0 => ("*".to_owned(), None),
            1 => (format!("{}.*", self.random.pick(&scope).alias), None),
            _ => {
                let kinds: Vec<Kind> = (0..1 + self.random.below(3))
                    .map(|_| *self.random.pick(&Kind::ALL))
                    .collect();
                let list: Vec<String> = kinds.iter().map(|k| self.scalar(*k, &scope, 2)).collect();
                (list.join(", "), Some(kinds))
            }
        };
        let distinct = if kinds.as_ref().is_some_and(|k| k.iter().all(|k| k.exact()))
            && self.random.percent(15)
        {
            "DISTINCT "
        } else {
            ""
        };
        let mut text = format!("SELECT {distinct}{list} FROM {from}");
        if self.random.percent(80) {
            let condition = self.condition(&scope, 2);
            text.push_str(&format!(" WHERE {condition}"));
        }
        let mut ordered = false;
        if let Some(kinds) = kinds
            && kinds.iter().all(|k| k.exact())
            && self.random.percent(50)
        {
            text.push_str(&total_order(kinds.len()));
            ordered = true;
            const LIMITS: [&str; 5] = [
                "",
                "",
                " LIMIT 3",
                " LIMIT 5 OFFSET 2",
                " FETCH FIRST 2 ROWS WITH TIES",
            ];
            let limit = *self.random.pick(&LIMITS);
            text.push_str(limit);
        }
        Query { text, ordered }
    }

    fn aggregate(&mut self, scope: &Scope) -> String {
        let filter = if self.random.percent(20) {
            format!(" FILTER (WHERE {})", self.condition(scope, 0))
        } else {
            String::new()
        };
        let call = match self.random.below(7) {
            0 => "count(*)".to_owned(),
            1 => match self.any_column(scope) {
                Some((column, kind)) if kind != Kind::Json => format!("count(DISTINCT {column})"),
                _ => "count(*)".to_owned(),
            },
            2 => format!("sum({})", self.scalar(Kind::Int, scope, 1)),
            3 => format!("max({})", self.scalar(Kind::Date, scope, 1)),
            4 => {
                let text = self.scalar(Kind::Text, scope, 1);
                format!("string_agg({text}, ',' ORDER BY {text})")
            }
            5 => {
                let kind = *self.random.pick(&KINDS);
                let value = self.scalar(kind, scope, 0);
                format!("array_agg({value} ORDER BY {value})")
            }
            _ => format!("bool_or({})", self.condition(scope, 0)),
        };
        format!("{call}{filter}")
    }

    fn grouped(&mut self) -> Query {
        let (from, scope) = self.from(&[]);
        let count = 1 + self.random.below(2) as usize;
        let mut groups = Vec::new();
        let mut exact = true;
        for _ in 0..count {
            if let Some((column, kind)) = self.any_column(&scope)
                && kind.exact()
                && !groups.contains(&column)
            {
                exact &= kind.exact();
                groups.push(column);
            }
        }
        let aggregates: Vec<String> = (0..1 + self.random.below(2))
            .map(|_| self.aggregate(&scope))
            .collect();
        let condition = self.condition(&scope, 1);
        let mut list = groups.clone();
        list.extend(aggregates);
        let by = match (groups.is_empty(), self.random.below(6)) {
            (true, _) => String::new(),
            (_, 0) => format!(" GROUP BY ROLLUP ({})", groups.join(", ")),
            (_, 1) => format!(" GROUP BY CUBE ({})", groups.join(", ")),
            (_, 2) => format!(" GROUP BY GROUPING SETS (({}), ())", groups.join(", ")),
            _ => format!(" GROUP BY {}", groups.join(", ")),
        };
        let having = if !by.is_empty() && self.random.percent(25) {
            " HAVING count(*) > 1"
        } else {
            ""
        };
        let order = if exact && !groups.is_empty() {
            total_order(list.len())
        } else {
            String::new()
        };
        Query {
            ordered: !order.is_empty(),
            text: format!(
                "SELECT {} FROM {from} WHERE {condition}{by}{having}{order}",
                list.join(", ")
            ),
        }
    }

    fn windowed(&mut self) -> Query {
        let (from, source) = self.base_source();
        let scope = [source.clone()];
        let key: Vec<String> = source
            .key
            .iter()
            .map(|n| format!("{}.{}", source.alias, source.columns[*n].0))
            .collect();
        let by = self
            .any_column(&scope)
            .map_or_else(|| "1".to_owned(), |c| c.0);
        let partition = if self.random.percent(60) {
            format!("PARTITION BY {by} ")
        } else {
            String::new()
        };
        let mut calls = vec![
            format!("count(*) OVER ({}ORDER BY {by})", partition),
            format!("rank() OVER (ORDER BY {by})"),
            format!("dense_rank() OVER w"),
        ];
        if !key.is_empty() && source.key.iter().all(|n| source.columns[*n].1.exact()) {
            let order = key.join(", ");
            calls.push(format!("row_number() OVER ({partition}ORDER BY {order})"));
            calls.push(format!("lag({by}) OVER ({partition}ORDER BY {order} DESC)"));
            calls.push(format!(
                "count({by}) OVER (ORDER BY {order} ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING)"
            ));
        }
        let call = self.random.pick(&calls).clone();
        let condition = self.condition(&scope, 1);
        let named = if call.ends_with(" w") {
            format!(" WINDOW w AS (ORDER BY {by} NULLS FIRST)")
        } else {
            String::new()
        };
        Query {
            text: format!(
                "SELECT {}.*, {call} FROM {from} WHERE {condition}{named}",
                source.alias
            ),
            ordered: false,
        }
    }

    fn set_operation(&mut self) -> Query {
        let kinds: Vec<Kind> = (0..1 + self.random.below(2))
            .map(|_| *self.random.pick(&KINDS))
            .collect();
        let mut parts = Vec::new();
        for _ in 0..2 + self.random.below(2) {
            let (from, scope) = self.from(&[]);
            let list: Vec<String> = kinds.iter().map(|k| self.scalar(*k, &scope, 1)).collect();
            let condition = self.condition(&scope, 1);
            parts.push(format!(
                "SELECT {} FROM {from} WHERE {condition}",
                list.join(", ")
            ));
        }
        let mut text = parts.remove(0);
        for part in parts {
            let operator = *self.random.pick(&[
                "UNION",
                "UNION ALL",
                "EXCEPT",
                "EXCEPT ALL",
                "INTERSECT",
                "INTERSECT ALL",
            ]);
            text = format!("{text} {operator} {part}");
        }
        text.push_str(&total_order(kinds.len()));
        if self.random.percent(30) {
            text.push_str(" LIMIT 4");
        }
        Query {
            text,
            ordered: true,
        }
    }

    fn with_query(&mut self) -> Query {
        if self.random.percent(35) {
            let (from, source) = self.base_source();
            let scope = [source];
            let start = self.scalar(Kind::Int, &scope, 0);
            return Query {
                text: format!(
                    "WITH RECURSIVE r (n) AS (SELECT {start} FROM {from} UNION SELECT n + 3 FROM r WHERE n < 15) \
                     SELECT n, (SELECT count(*) FROM {} AS inner_ WHERE r.n = 4) FROM r ORDER BY 1, 2",
                    self.schema.tables[0].name
                ),
                ordered: true,
            };
        }
        let kinds = [*self.random.pick(&KINDS), Kind::Int];
        let inner = self.typed_query(&kinds);
        let hint = *self
            .random
            .pick(&["", "MATERIALIZED ", "NOT MATERIALIZED "]);
        let (from, scope) = self.base_source();
        let cte = Source {
            alias: "q".to_owned(),
            columns: vec![("p".to_owned(), kinds[0]), ("i".to_owned(), Kind::Int)],
            key: Vec::new(),
        };
        let condition = self.condition(&[cte, scope], 2);
        Query {
            text: format!(
                "WITH q (p, i) AS {hint}({}) SELECT q.*, count(*) FROM q, {from} WHERE {condition} GROUP BY q.p, q.i ORDER BY 1, 2, 3",
                inner.text
            ),
            ordered: kinds.iter().all(|k| k.exact()),
        }
    }

    fn small_shapes(&mut self) -> Query {
        let (from, source) = self.base_source();
        let alias = source.alias.clone();
        let name = from
            .split(" AS ")
            .next()
            .unwrap_or(&from)
            .trim_start_matches("ONLY ")
            .to_owned();
        let condition = self.condition(std::slice::from_ref(&source), 1);
        let text = match self.random.below(9) {
            0 => format!("TABLE {name}"),
            1 => format!("SELECT {alias} FROM {from} WHERE {condition}"),
            2 => format!("SELECT {alias}::text, {alias} IS NULL FROM {from}"),
            3 => format!("SELECT to_jsonb({alias}) FROM {from} WHERE {condition}"),
            4 => format!("SELECT count({alias}) FROM {from} WHERE {condition}"),
            5 => format!("SELECT * FROM {from} NATURAL JOIN {name} AS other"),
            6 => format!("SELECT ({alias}).* FROM {from} WHERE {condition}"),
            7 => format!(
                "SELECT EXISTS (SELECT FROM {from} WHERE {condition}), ARRAY(SELECT 1 FROM {from})"
            ),
            _ => format!("SELECT count(*) FROM {name}"),
        };
        Query {
            text,
            ordered: false,
        }
    }

    fn distinct_on(&mut self) -> Query {
        let kinds: Vec<Kind> = (0..3).map(|_| *self.random.pick(&KINDS)).collect();
        let (from, scope) = self.from(&[]);
        let list: Vec<String> = kinds
            .iter()
            .enumerate()
            .map(|(n, k)| format!("{} AS o{n}", self.scalar(*k, &scope, 1)))
            .collect();
        Query {
            text: format!(
                "SELECT DISTINCT ON (o0) * FROM (SELECT {} FROM {from}) AS s ORDER BY o0, o1, o2",
                list.join(", ")
            ),
            ordered: true,
        }
    }

    /// Columns that the grouping by a primary key determines.
    fn by_primary_key(&mut self) -> Query {
        let keyed: Vec<Table> = self
            .schema
            .tables
            .iter()
            .filter(|t| !t.key.is_empty() && t.shape == Shape::Plain)
            .cloned()
            .collect();
        if keyed.is_empty() {
            return self.rows_query();
        }
        let table = self.random.pick(&keyed).clone();
        let (from, source) = self.source_of(&table);
        let key: Vec<String> = source
            .key
            .iter()
            .map(|n| format!("{}.{}", source.alias, source.columns[*n].0))
            .collect();
        let (join, other) = self.base_source();
        let condition = self.condition(&[source.clone(), other], 1);
        Query {
            text: format!(
                "SELECT {}.*, count(*) FROM {from} LEFT JOIN {join} ON {condition} GROUP BY {}",
                source.alias,
                key.join(", ")
            ),
            ordered: false,
        }
    }

    /// An expression that fails on some values, alone in its place: it must meet exactly the rows
    /// that PostgreSQL would evaluate it on.
    fn fallible(&mut self) -> Query {
        let (from, source) = self.base_source();
        let scope = [source];
        let text = match (
            self.column(Kind::Int, &scope),
            self.column(Kind::Text, &scope),
        ) {
            (Some(int), _) if self.random.percent(70) => {
                let n = self.random.below(20);
                match self.random.below(2) {
                    0 => format!("SELECT {int} FROM {from} WHERE 10 / ({int} - {n}) > 0"),
                    _ => format!("SELECT 10 / ({int} - {n}) FROM {from}"),
                }
            }
            (_, Some(text)) => format!("SELECT {text}::int FROM {from} WHERE {text} = 'Bonn'"),
            _ => format!("SELECT count(*) FROM {from}"),
        };
        Query {
            text,
            ordered: false,
        }
    }
}

/// ORDER BY every output column.
fn total_order(columns: usize) -> String {
    let all: Vec<String> = (1..=columns).map(|n| n.to_string()).collect();
    format!(" ORDER BY {}", all.join(", "))
}
