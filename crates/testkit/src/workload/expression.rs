//! Random expressions over the columns that are in scope.

use super::maker::Maker;
use super::value::Kind;

/// A relation in FROM, by the name its columns are reached by.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) alias: String,
    pub(super) columns: Vec<(String, Kind)>,
    /// Columns that together are unique, if known.
    pub(super) key: Vec<usize>,
}

pub(super) type Scope = [Source];

/// Operators that every type has.
const COMPARISONS: [&str; 8] = [
    "=",
    "=",
    "<>",
    "<",
    "<=",
    ">",
    "IS DISTINCT FROM",
    "IS NOT DISTINCT FROM",
];

impl Maker<'_> {
    /// A column of that type.
    pub(super) fn column(&mut self, kind: Kind, scope: &Scope) -> Option<String> {
        let found: Vec<String> = scope
            .iter()
            .flat_map(|s| s.columns.iter().map(move |c| (s, c)))
            .filter(|(_, (_, k))| *k == kind)
            .map(|(s, (name, _))| format!("{}.{name}", s.alias))
            .collect();
        (!found.is_empty()).then(|| self.random.pick(&found).clone())
    }

    /// Any column with its type.
    pub(super) fn any_column(&mut self, scope: &Scope) -> Option<(String, Kind)> {
        let found: Vec<(String, Kind)> = scope
            .iter()
            .flat_map(|s| {
                s.columns
                    .iter()
                    .map(move |(name, kind)| (format!("{}.{name}", s.alias), *kind))
            })
            .collect();
        (!found.is_empty()).then(|| self.random.pick(&found).clone())
    }

    /// A value that takes its type from where it stands: a literal, a parameter or NULL.
    pub(super) fn value(&mut self, kind: Kind) -> String {
        let text = kind.text(self.random);
        self.spoken(kind, text)
    }

    /// A value for a column, now and then one that it cannot take.
    pub(super) fn given(&mut self, kind: Kind) -> String {
        let text = kind.given(self.random);
        self.spoken(kind, text)
    }

    fn spoken(&mut self, kind: Kind, text: String) -> String {
        if self.random.percent(4) {
            return "NULL".to_owned();
        }
        if self.parameters_allowed && self.random.percent(25) {
            self.parameters.push(Some(text));
            return format!("${}", self.parameters.len());
        }
        kind.quote(&text)
    }

    /// An expression of that type that never fails and is of the type wherever it stands.
    pub(super) fn scalar(&mut self, kind: Kind, scope: &Scope, depth: u32) -> String {
        let leaf = depth == 0 || self.random.percent(55);
        if leaf {
            return match self.column(kind, scope) {
                Some(column) if self.random.percent(80) => column,
                _ => kind.typed(self.random),
            };
        }
        let down = depth - 1;
        match self.random.below(6) {
            0 => format!(
                "coalesce({}, {})",
                self.scalar(kind, scope, down),
                self.scalar(kind, scope, down)
            ),
            1 => format!(
                "CASE WHEN {} THEN {} ELSE {} END",
                self.condition(scope, down),
                self.scalar(kind, scope, down),
                self.scalar(kind, scope, down)
            ),
            2 if self.queries_allowed => self.scalar_query(kind, scope),
            _ => self.particular(kind, scope, down),
        }
    }

    fn particular(&mut self, kind: Kind, scope: &Scope, down: u32) -> String {
        let n = self.random.below(4);
        match kind {
            Kind::Int => match n {
                0 => format!(
                    "({} + {}) % 19",
                    self.scalar(kind, scope, down),
                    self.scalar(kind, scope, down)
                ),
                1 => format!("length({})", self.scalar(Kind::Text, scope, down)),
                2 => format!("abs({} - 5)", self.scalar(kind, scope, down)),
                _ => format!("cardinality({})", self.scalar(Kind::Ints, scope, down)),
            },
            Kind::Text => match n {
                0 => format!("{} || '+'", self.scalar(kind, scope, down)),
                1 => format!("upper({})", self.scalar(kind, scope, down)),
                2 => format!("substr({}, 1, 3)", self.scalar(kind, scope, down)),
                _ => match self.any_column(scope) {
                    Some((column, _)) => format!("({column})::text"),
                    None => kind.typed(self.random),
                },
            },
            Kind::Bool => self.condition(scope, down),
            Kind::Date => format!("({} + 1)", self.scalar(kind, scope, 0)),
            Kind::Numeric => format!("round({} * 1.5, 2)", self.scalar(kind, scope, 0)),
            Kind::Ints => format!("{} || 9", self.scalar(kind, scope, 0)),
            Kind::Json => format!(
                "jsonb_build_object('k', {})",
                self.scalar(Kind::Int, scope, 0)
            ),
            Kind::Mood => format!("greatest({}, 'ok')", self.scalar(kind, scope, 0)),
            _ => format!(
                "nullif({}, {})",
                self.scalar(kind, scope, 0),
                self.scalar(kind, scope, 0)
            ),
        }
    }

    /// A condition that never fails, so that it may be evaluated in any order.
    pub(super) fn condition(&mut self, scope: &Scope, depth: u32) -> String {
        if depth > 0 && self.random.percent(35) {
            let (a, b) = (
                self.condition(scope, depth - 1),
                self.condition(scope, depth - 1),
            );
            return match self.random.below(3) {
                0 => format!("({a} AND {b})"),
                1 => format!("({a} OR {b})"),
                _ => format!("NOT ({a})"),
            };
        }
        let Some((column, kind)) = self.any_column(scope) else {
            return "TRUE".to_owned();
        };
        match self.random.below(12) {
            0 => format!("{column} IS NULL"),
            1 => format!("{column} IS NOT NULL"),
            2 => format!(
                "{column} IN ({}, {})",
                kind.literal(self.random),
                self.value(kind)
            ),
            3 => format!(
                "{column} BETWEEN {} AND {}",
                kind.literal(self.random),
                self.value(kind)
            ),
            4 if self.queries_allowed => self.subquery_condition(&column, kind, scope),
            5 if matches!(kind, Kind::Text | Kind::Varchar | Kind::Mail) => {
                format!(
                    "{column} LIKE '%{}%'",
                    self.random.pick(&["o", "n", "1", "@"])
                )
            }
            6 if kind.counts() => format!("{column} = ANY ('{{1,3,5,7}}')"),
            7 if kind == Kind::Json => format!("{column} @> '{{\"a\": 1}}'"),
            8 if kind == Kind::Range => format!("{column} @> 3"),
            9 => match self.column(kind, scope) {
                Some(other) => format!("{column} {} {other}", self.random.pick(&COMPARISONS)),
                None => format!("{column} IS NULL"),
            },
            _ => {
                let operator = *self.random.pick(&COMPARISONS);
                format!("{column} {operator} {}", self.value(kind))
            }
        }
    }

    fn subquery_condition(&mut self, column: &str, kind: Kind, scope: &Scope) -> String {
        self.queries_allowed = false;
        let source = self.base_source();
        let text = match self.column(kind, std::slice::from_ref(&source.1)) {
            Some(inner) if self.random.percent(60) => {
                let condition = self.condition(std::slice::from_ref(&source.1), 1);
                let not = if self.random.percent(25) { "NOT " } else { "" };
                format!(
                    "{column} {not}IN (SELECT {inner} FROM {} WHERE {condition})",
                    source.0
                )
            }
            _ => {
                let both: Vec<Source> = scope.iter().cloned().chain([source.1]).collect();
                let condition = self.condition(&both, 2);
                format!("EXISTS (SELECT 1 FROM {} WHERE {condition})", source.0)
            }
        };
        self.queries_allowed = true;
        text
    }

    fn scalar_query(&mut self, kind: Kind, scope: &Scope) -> String {
        self.queries_allowed = false;
        let (from, source) = self.base_source();
        let found = self.column(kind, std::slice::from_ref(&source));
        let both: Vec<Source> = scope.iter().cloned().chain([source]).collect();
        let condition = self.condition(&both, 1);
        self.queries_allowed = true;
        match (kind, found) {
            (
                Kind::Int | Kind::Numeric | Kind::Text | Kind::Date | Kind::Small | Kind::Stamp,
                Some(column),
            ) => {
                let function = *self.random.pick(&["max", "min"]);
                format!("(SELECT {function}({column}) FROM {from} WHERE {condition})")
            }
            (Kind::Int, None) => format!("(SELECT count(*)::int FROM {from} WHERE {condition})"),
            _ => kind.typed(self.random),
        }
    }
}
