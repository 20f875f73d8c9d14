//! Random changes. What PostgreSQL leaves open is not asked: no row has two sources, and unique
//! values are moved one row at a time.

use super::expression::Source;
use super::maker::Maker;
use super::schema::{Filled, PRODUCTION, Shape, Table, names};
use super::value::Kind;

impl Maker<'_> {
    /// A change of one table.
    pub(super) fn change(&mut self) {
        let table = self.random.pick(&self.schema.tables).clone();
        match self.random.below(100) {
            0..28 => self.insert(&table),
            28..36 => self.upsert(&table),
            36..62 => self.update(&table),
            62..74 => self.delete(&table),
            74..82 => self.merge(&table),
            82..90 => self.change_in_with(),
            90..96 => self.copy_in(&table),
            _ => self.truncate(&table),
        }
        if self.random.percent(70) {
            self.look(&table);
        }
    }

    /// The whole table, as it is now.
    pub(super) fn look(&mut self, table: &Table) {
        self.say(format!("SELECT * FROM {}", table.name));
    }

    fn source(&mut self, table: &Table) -> Source {
        let bare = table
            .name
            .rsplit('.')
            .next()
            .unwrap_or(&table.name)
            .to_owned();
        Source {
            alias: bare,
            columns: table
                .columns
                .iter()
                .map(|c| (c.name.clone(), c.kind))
                .collect(),
            key: table.key.clone(),
        }
    }

    /// One row by its key, or any condition; never a row of production's.
    fn which(&mut self, table: &Table, source: &Source, single: bool) -> String {
        let mut text = if single && !table.key.is_empty() {
            table
                .key
                .iter()
                .map(|n| {
                    let (name, kind) = &source.columns[*n];
                    format!("{}.{name} = {}", source.alias, self.value(*kind))
                })
                .collect::<Vec<_>>()
                .join(" AND ")
        } else {
            self.condition(std::slice::from_ref(source), 2)
        };
        if self.flavour.production {
            text = format!(
                "({text}) AND {}.{} < {PRODUCTION}",
                source.alias, table.columns[0].name
            );
        }
        text
    }

    fn returning(&mut self, source: &Source) -> String {
        match self.random.below(6) {
            0 => " RETURNING *".to_owned(),
            1 => {
                let kind = *self.random.pick(&[Kind::Int, Kind::Text]);
                self.queries_allowed = false;
                let text = format!(
                    " RETURNING {}, {} AS \"again\"",
                    self.scalar(kind, std::slice::from_ref(source), 1),
                    source.columns[0].0
                );
                self.queries_allowed = true;
                text
            }
            _ => String::new(),
        }
    }

    /// A value for each of these columns.
    pub(super) fn row(&mut self, table: &Table, which: &[usize]) -> Vec<String> {
        which
            .iter()
            .map(|n| {
                let column = &table.columns[*n];
                let counted = matches!(column.filled, Filled::Serial | Filled::Identity);
                if counted && self.random.percent(80) || self.random.percent(4) {
                    "DEFAULT".to_owned()
                } else if column.reference.is_some() && !column.not_null && self.random.percent(35)
                {
                    "NULL".to_owned()
                } else {
                    self.given(column.kind)
                }
            })
            .collect()
    }

    /// Columns of an INSERT: all that may be given, or without some that need not be.
    fn targets(&mut self, table: &Table) -> Vec<usize> {
        let all = table.writable();
        if self.random.percent(60) {
            return all;
        }
        all.into_iter()
            .filter(|n| {
                table.key.contains(n) || table.columns[*n].not_null || self.random.percent(70)
            })
            .collect()
    }

    fn insert(&mut self, table: &Table) {
        let source = self.source(table);
        let returning = self.returning(&source);
        let targets = self.targets(table);
        let list = names(&table.columns, &targets);
        let text = match self.random.below(12) {
            0 => format!("INSERT INTO {} DEFAULT VALUES{returning}", table.name),
            1 | 2 if !targets.is_empty() && !table.counts_up() => {
                let kinds: Vec<Kind> = targets.iter().map(|n| table.columns[*n].kind).collect();
                let query = self.typed_query(&kinds);
                format!(
                    "INSERT INTO {} ({list}) {}{returning}",
                    table.name, query.text
                )
            }
            3 if table
                .columns
                .iter()
                .any(|c| c.filled == Filled::IdentityAlways) =>
            {
                let word = *self.random.pick(&["SYSTEM", "USER"]);
                format!(
                    "INSERT INTO {} ({}) OVERRIDING {word} VALUE VALUES ({}){returning}",
                    table.name,
                    table.columns[0].name,
                    20 + self.random.below(20)
                )
            }
            4 if table.columns.iter().all(|c| c.filled == Filled::Plainly) => {
                let all: Vec<usize> = (0..table.columns.len()).collect();
                format!(
                    "INSERT INTO {} VALUES ({}){returning}",
                    table.name,
                    self.row(table, &all).join(", ")
                )
            }
            _ if targets.is_empty() => format!("INSERT INTO {} DEFAULT VALUES", table.name),
            kind => {
                // A failing statement of several rows may have taken more numbers in a draft.
                let rows = if kind < 9 || table.counts_up() { 1 } else { 3 };
                let rows: Vec<String> = (0..rows)
                    .map(|_| format!("({})", self.row(table, &targets).join(", ")))
                    .collect();
                format!(
                    "INSERT INTO {} ({list}) VALUES {}{returning}",
                    table.name,
                    rows.join(", ")
                )
            }
        };
        self.say(text);
    }

    fn upsert(&mut self, table: &Table) {
        if table.arbiters.is_empty() || table.counts_up() {
            return self.insert(table);
        }
        let source = self.source(table);
        let targets = table.writable();
        if targets.is_empty() {
            return;
        }
        let list = names(&table.columns, &targets);
        let arbiter = self.random.pick(&table.arbiters).clone();
        let one = format!("({})", self.row(table, &targets).join(", "));
        let two = format!("({})", self.row(table, &targets).join(", "));
        let free: Vec<usize> = targets
            .iter()
            .copied()
            .filter(|n| !table.columns[*n].unique)
            .collect();
        let action = if arbiter.is_empty() || free.is_empty() || self.random.percent(35) {
            "NOTHING".to_owned()
        } else {
            let at = *self.random.pick(&free);
            let name = &table.columns[at].name;
            let set = match self.random.below(4) {
                0 => format!("({name}) = ROW (excluded.{name})"),
                1 => format!(
                    "{name} = coalesce({}.{name}, excluded.{name})",
                    source.alias
                ),
                _ => format!("{name} = excluded.{name}"),
            };
            let wanted = if self.random.percent(25) {
                format!(
                    " WHERE {}",
                    self.condition(std::slice::from_ref(&source), 1)
                )
            } else {
                String::new()
            };
            format!("UPDATE SET {set}{wanted}")
        };
        let returning = self.returning(&source);
        self.say(format!(
            "INSERT INTO {} ({list}) VALUES {one}, {two} ON CONFLICT {arbiter} DO {action}{returning}",
            table.name
        ));
    }

    /// `SET …` for one row or for many.
    pub(super) fn assignments(
        &mut self,
        table: &Table,
        scope: &[Source],
        single: bool,
    ) -> Option<String> {
        let may = |n: &usize| {
            let column = &table.columns[*n];
            if column.filled == Filled::IdentityAlways || column.filled == Filled::Generated {
                return false;
            }
            single || !column.unique
        };
        let free: Vec<usize> = (0..table.columns.len()).filter(may).collect();
        if free.is_empty() {
            return None;
        }
        let at = *self.random.pick(&free);
        let other = *self.random.pick(&free);
        let (name, kind) = (table.columns[at].name.clone(), table.columns[at].kind);
        let (second, second_kind) = (table.columns[other].name.clone(), table.columns[other].kind);
        Some(match self.random.below(12) {
            0 => format!("{name} = DEFAULT"),
            1 if at != other => {
                format!(
                    "({name}, {second}) = ({}, {})",
                    self.scalar(kind, scope, 1),
                    self.scalar(second_kind, scope, 1)
                )
            }
            2 if at != other => format!(
                "({name}, {second}) = (SELECT {}, {})",
                self.scalar(kind, scope, 0),
                self.scalar(second_kind, scope, 0)
            ),
            3 if at != other => {
                format!(
                    "{name} = {}, {second} = {}",
                    self.scalar(kind, scope, 1),
                    self.value(second_kind)
                )
            }
            4 if kind == Kind::Ints => format!("{name}[2] = {}", self.random.below(9)),
            5 if kind == Kind::Pair => format!("{name}.a = {}", self.random.below(9)),
            6 | 7 => format!("{name} = {}", self.given(kind)),
            _ => format!("{name} = {}", self.scalar(kind, scope, 2)),
        })
    }

    pub(super) fn update(&mut self, table: &Table) {
        let mut source = self.source(table);
        let single = self.random.percent(55) && !table.key.is_empty();
        let only = if table.shape == Shape::Inherited && self.random.percent(25) {
            "ONLY "
        } else {
            ""
        };
        let mut head = format!("UPDATE {only}{}", table.name);
        if self.random.percent(30) {
            source.alias = self.alias();
            head = format!("{head} AS {}", source.alias);
        }
        let mut scope = vec![source.clone()];
        let mut from = String::new();
        let mut join = String::new();
        if self.random.percent(20)
            && let Some((text, other, condition)) = self.joined(&source)
        {
            from = format!(" FROM {text}");
            join = format!("{condition} AND ");
            scope.push(other);
        }
        let Some(set) = self.assignments(table, &scope, single) else {
            return;
        };
        let which = self.which(table, &source, single);
        let returning = if from.is_empty() {
            self.returning(&source)
        } else {
            String::new()
        };
        self.say(format!(
            "{head} SET {set}{from} WHERE {join}{which}{returning}"
        ));
    }

    /// Another table of which at most one row goes with each row of this one.
    /// Changes of the row that a cursor is on; it has one row at most, so its order does not count.
    pub(super) fn at_cursor(&mut self) {
        let table = self.random.pick(&self.schema.tables).clone();
        let source = self.source(&table);
        // where its plan leaves a partition out, or all because nothing is equal to NULL, PostgreSQL says
        // that it cannot be updated at all
        if table.key.is_empty() || table.shape == Shape::Partitioned {
            return self.delete(&table);
        }
        let which = self.which(&table, &source, true);
        if which.contains("NULL") {
            return self.say(format!("DELETE FROM {} WHERE {which}", table.name));
        }
        let lock = *self.random.pick(&["", "", " FOR UPDATE"]);
        self.say("BEGIN".to_owned());
        self.say(format!(
            "DECLARE place CURSOR FOR SELECT * FROM {} WHERE {which}{lock}",
            table.name
        ));
        self.say("MOVE 1 IN place".to_owned());
        for _ in 0..2 {
            let returning = self.returning(&source);
            let change = match self.assignments(&table, std::slice::from_ref(&source), true) {
                Some(set) if self.random.percent(75) => format!("UPDATE {} SET {set}", table.name),
                _ => format!("DELETE FROM {}", table.name),
            };
            self.say(format!("{change} WHERE CURRENT OF place{returning}"));
        }
        self.say("COMMIT".to_owned());
        self.look(&table);
    }

    fn joined(&mut self, to: &Source) -> Option<(String, Source, String)> {
        let keyed: Vec<Table> = self
            .schema
            .tables
            .iter()
            .filter(|t| !t.key.is_empty() && t.shape != Shape::Inherited)
            .cloned()
            .collect();
        if keyed.is_empty() {
            return None;
        }
        let table = self.random.pick(&keyed).clone();
        let (text, other) = self.source_of(&table);
        let mut conditions = Vec::new();
        for n in &other.key {
            let (name, kind) = &other.columns[*n];
            let value = match self.column(*kind, std::slice::from_ref(to)) {
                Some(column) => column,
                None => kind.literal(self.random),
            };
            conditions.push(format!("{}.{name} = {value}", other.alias));
        }
        Some((text, other, conditions.join(" AND ")))
    }

    fn delete(&mut self, table: &Table) {
        let mut source = self.source(table);
        let mut head = format!("DELETE FROM {}", table.name);
        if self.random.percent(30) {
            source.alias = self.alias();
            head = format!("{head} AS {}", source.alias);
        }
        let single = self.random.percent(70);
        if self.random.percent(20)
            && let Some((text, other, condition)) = self.joined(&source)
        {
            let more = self.condition(&[source.clone(), other], 1);
            let which = self.which(table, &source, single);
            let returning = self.returning(&source);
            let returning = if returning.contains('*') {
                String::new()
            } else {
                returning
            };
            // Both tables may have columns of one name.
            let returning = returning.replace(", id AS", &format!(", {}.id AS", source.alias));
            let returning = if returning.contains(", code AS") {
                String::new()
            } else {
                returning
            };
            self.say(format!(
                "{head} USING {text} WHERE {condition} AND {more} AND {which}{returning}"
            ));
            return;
        }
        let which = self.which(table, &source, single);
        let returning = self.returning(&source);
        self.say(format!("{head} WHERE {which}{returning}"));
    }

    /// A change in WITH beside a query or another change; the tables have nothing to do with each
    /// other, because which of two changes of one row wins is left open.
    fn change_in_with(&mut self) {
        let first = self.random.pick(&self.schema.tables).clone();
        let unrelated: Vec<Table> = self
            .schema
            .tables
            .iter()
            .filter(|t| t.name != first.name && !self.related(t, &first))
            .cloned()
            .collect();
        let source = self.source(&first);
        let single = self.random.percent(60);
        let which = self.which(&first, &source, single);
        let inner = match self.random.below(3) {
            0 => format!("DELETE FROM {} WHERE {which} RETURNING *", first.name),
            1 => {
                let Some(set) = self.assignments(
                    &first,
                    std::slice::from_ref(&source),
                    single && !first.key.is_empty(),
                ) else {
                    return;
                };
                format!("UPDATE {} SET {set} WHERE {which} RETURNING *", first.name)
            }
            _ => {
                let targets = first.writable();
                if targets.is_empty() {
                    return;
                }
                format!(
                    "INSERT INTO {} ({}) VALUES ({}) RETURNING *",
                    first.name,
                    names(&first.columns, &targets),
                    self.row(&first, &targets).join(", ")
                )
            }
        };
        let outer = match unrelated.first() {
            Some(other) if self.random.percent(55) => {
                let targets = other.writable();
                let cte = Source {
                    alias: "w".to_owned(),
                    columns: source.columns.clone(),
                    key: Vec::new(),
                };
                let list: Vec<String> = targets
                    .iter()
                    .map(|n| self.scalar(other.columns[*n].kind, std::slice::from_ref(&cte), 0))
                    .collect();
                if targets.is_empty() || other.counts_up() {
                    "SELECT * FROM w".to_owned()
                } else {
                    format!(
                        "INSERT INTO {} ({}) SELECT {} FROM w",
                        other.name,
                        names(&other.columns, &targets),
                        list.join(", ")
                    )
                }
            }
            _ => match self.random.below(3) {
                0 => "SELECT count(*) FROM w".to_owned(),
                1 => format!(
                    "SELECT (SELECT count(*) FROM w), (SELECT count(*) FROM {})",
                    first.name
                ),
                _ => "SELECT * FROM w".to_owned(),
            },
        };
        self.say(format!("WITH w AS ({inner}) {outer}"));
    }

    /// Whether a foreign key leads from one to the other, or both are one table by other names.
    fn related(&self, a: &Table, b: &Table) -> bool {
        let at = |t: &Table| self.schema.tables.iter().position(|x| x.name == t.name);
        let refers = |t: &Table, to: Option<usize>| {
            t.columns
                .iter()
                .any(|c| c.reference.is_some() && c.reference == to)
        };
        a.shape == Shape::View || b.shape == Shape::View || refers(a, at(b)) || refers(b, at(a))
            // A common child ties them together too.
            || self.schema.tables.iter().any(|t| refers(t, at(a)) && refers(t, at(b)))
            || a.columns.iter().any(|c| c.reference.is_some() && b.columns.iter().any(|d| d.reference == c.reference))
    }

    fn truncate(&mut self, table: &Table) {
        if self.flavour.production || table.shape == Shape::View {
            return self.delete(table);
        }
        if self.savepoints.is_some() {
            self.truncated = true;
        }
        let more = *self
            .random
            .pick(&["", " RESTART IDENTITY", " CASCADE", " CASCADE"]);
        // Numbers that start again belong to the base's sequence.
        let more = if table.counts_up() && more.contains("RESTART") {
            ""
        } else {
            more
        };
        self.say(format!("TRUNCATE {}{more}", table.name));
    }

    fn copy_in(&mut self, table: &Table) {
        if self
            .savepoints
            .as_ref()
            .is_some_and(|_| self.random.percent(50))
            || table.shape == Shape::View
        {
            return self.insert(table);
        }
        let targets: Vec<usize> = table
            .writable()
            .into_iter()
            .filter(|n| !matches!(table.columns[*n].filled, Filled::Serial | Filled::Identity))
            .collect();
        if targets.is_empty() {
            return;
        }
        let csv = self.random.percent(40);
        let mut data = String::new();
        for _ in 0..1 + self.random.below(3) {
            let fields: Vec<String> = targets
                .iter()
                .map(|n| {
                    let column = &table.columns[*n];
                    if !column.not_null && self.random.percent(20) {
                        return if csv { String::new() } else { "\\N".to_owned() };
                    }
                    let text = column.kind.given(self.random);
                    if csv {
                        format!("\"{}\"", text.replace('"', "\"\""))
                    } else {
                        text.replace('\\', "\\\\")
                    }
                })
                .collect();
            data.push_str(&fields.join(if csv { "," } else { "\t" }));
            data.push('\n');
        }
        let options = if csv { " (FORMAT csv)" } else { "" };
        self.say(format!(
            "COPY {} ({}) FROM STDIN{options}",
            table.name,
            names(&table.columns, &targets)
        ));
        if let Some(step) = self.steps.last_mut() {
            step.copy = Some(data.into_bytes());
        }
    }
}
