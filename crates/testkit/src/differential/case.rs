//! Case files: plain SQL scripts with directives in comments.
//!
//! ```sql
//! -- setup
//! CREATE TABLE t (id int PRIMARY KEY);
//! -- script
//! INSERT INTO t VALUES (1);
//! -- params: 1, NULL, 'a b'
//! SELECT * FROM t WHERE id = $1;
//! ```
//! Lines before the script: `-- needs: PostgreSQL 15` keeps the case from older servers;
//! `-- as writer` lets the plain side work as a role that may read and write all tables of schema public
//! and that row-level security holds for, instead of a superuser;
//! `-- config: …` is a line of pgdraft's configuration; `-- shows: …` and `-- differs: …` go into docs/COMPATIBILITY.md ([`crate::compatibility`]).
//!
//! Directives stand on lines of their own before a statement and hold for it alone, but
//! `-- connection N` and `-- session N`, which hold until the next one:
//!
//! * `-- params: 1, NULL, 'a'`: run by the extended protocol with these values, always
//! * `-- ordered`, `-- unordered`: otherwise order counts where ORDER BY stands in the text
//! * `-- expect error 23505`: it must fail on plain PostgreSQL too (and equally), or where versions
//!   of it differ `-- expect error 23503 or 23001`; a statement
//!   without it must succeed there
//! * `-- expect any`: both must do the same, whatever it is; `-- expect any or refused`: pgdraft
//!   may also refuse it with 0A000, which is counted, and plain PostgreSQL is not asked then
//! * `-- expect refused 0A000`: pgdraft refuses it with a hint; plain PostgreSQL is not asked
//! * `-- values vary`: values are not compared, only their number and the columns
//! * `-- origin differs`: table oid and attnum of the columns are not compared
//! * `-- origins differ`: the same from here on (temporary tables have oids of their own)
//! * `-- error class`: two errors of one SQLSTATE class are equal
//! * `-- error data`: two errors that tell of wrong values are equal (which of several is told
//!   depends on the order of rows)
//! * `-- production`: production does it, not an agent; with `-- session` each session has a draft
//!   and a plain copy of its own, and the first one's is what a commit is compared with
//! * `-- batch` … `-- end`: all lines between go as one simple Query
//! * after `COPY … FROM STDIN;` (or `STDOUT`, which says the same) the data follows up to a line `\.`

use super::split::split;

/// Whether the order of rows is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Rows must come in the same order.
    Ordered,
    /// Rows may come in any order.
    Unordered,
}

/// What a statement must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// Succeed on plain PostgreSQL.
    Success,
    /// Fail there with this SQLSTATE.
    Failure(String),
    /// Whatever it does there.
    Any,
    /// As `Any`, or be refused by pgdraft with 0A000: then plain PostgreSQL is not asked.
    AnyOrRefusal,
    /// Be refused by pgdraft with this SQLSTATE and a hint.
    Refusal(String),
}

/// Which two errors are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errors {
    /// Those with the same fields.
    Same,
    /// Those of one SQLSTATE class (its first two characters).
    Class,
    /// As `Class`, and all that tell of wrong values (classes 21, 22, 23 and 44).
    Data,
}

/// One statement of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Line in the case file.
    pub line: usize,
    /// What is sent.
    pub text: String,
    /// Which session it is of.
    pub session: usize,
    /// Which connection of the session sends it.
    pub connection: usize,
    /// Production does it.
    pub production: bool,
    /// Values of its parameters in text form.
    pub parameters: Vec<Option<String>>,
    /// Whether order counts.
    pub order: Order,
    /// What it must do.
    pub expect: Expect,
    /// It may hold several statements and goes by the simple protocol in all modes.
    pub batch: bool,
    /// Values are compared.
    pub values: bool,
    /// Table oids and column numbers are compared.
    pub origin: bool,
    /// Which errors are equal.
    pub errors: Errors,
    /// Data for COPY … FROM STDIN.
    pub copy: Option<Vec<u8>>,
}

impl Step {
    /// A statement on the first connection that must succeed.
    pub fn new(line: usize, text: &str) -> Self {
        let upper = text.to_ascii_uppercase();
        Self {
            line,
            text: text.to_owned(),
            session: 1,
            connection: 1,
            production: false,
            parameters: Vec::new(),
            order: if upper.contains("ORDER BY") {
                Order::Ordered
            } else {
                Order::Unordered
            },
            expect: Expect::Success,
            batch: false,
            values: true,
            origin: true,
            errors: Errors::Same,
            copy: None,
        }
    }
}

/// A script with its setup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its name: the file's without `.sql`.
    pub name: String,
    /// Run on both databases before anything else.
    pub setup: String,
    /// Oldest major version of PostgreSQL that has all it uses.
    pub needs: u32,
    /// The plain side is no superuser.
    pub as_writer: bool,
    /// Lines of pgdraft's configuration.
    pub config: String,
    /// The script.
    pub steps: Vec<Step>,
}

impl Case {
    /// Reads a case.
    ///
    /// # Panics
    /// Where a directive is not understood.
    pub fn parse(name: &str, text: &str) -> Self {
        let (setup, script) = text
            .split_once("\n-- script\n")
            .unwrap_or_else(|| panic!("{name}: no line `-- script`"));
        let setup = setup.replacen("-- setup\n", "", 1);
        let first_line = text[..text.len() - script.len()].matches('\n').count() + 1;
        let mut reader = Reader {
            name,
            session: 1,
            connection: 1,
            origins: true,
            steps: Vec::new(),
        };
        reader.script(script, first_line);
        let needs = setup
            .lines()
            .find_map(|l| l.strip_prefix("-- needs: PostgreSQL "));
        let config = setup.lines().filter_map(|l| l.strip_prefix("-- config: "));
        Self {
            name: name.to_owned(),
            as_writer: setup.lines().any(|l| l == "-- as writer"),
            config: config.map(|line| format!("{line}\n")).collect(),
            needs: needs.map_or(0, |version| {
                version.trim().parse().expect("a major version")
            }),
            setup,
            steps: reader.steps,
        }
    }

    /// The case as a file that [`Case::parse`] reads (for generated ones).
    pub fn print(&self) -> String {
        let mut text = format!("-- setup\n{}\n-- script\n", self.setup.trim_end());
        let (mut session, mut connection) = (1, 1);
        for step in &self.steps {
            if step.session != session {
                session = step.session;
                text.push_str(&format!("-- session {session}\n"));
            }
            if step.connection != connection {
                connection = step.connection;
                text.push_str(&format!("-- connection {connection}\n"));
            }
            step.print(&mut text);
        }
        text
    }
}

impl Step {
    fn print(&self, text: &mut String) {
        match &self.expect {
            Expect::Success => {}
            Expect::Any => text.push_str("-- expect any\n"),
            Expect::AnyOrRefusal => text.push_str("-- expect any or refused\n"),
            Expect::Failure(code) => text.push_str(&format!("-- expect error {code}\n")),
            Expect::Refusal(code) => text.push_str(&format!("-- expect refused {code}\n")),
        }
        match self.errors {
            Errors::Same => {}
            Errors::Class => text.push_str("-- error class\n"),
            Errors::Data => text.push_str("-- error data\n"),
        }
        let usual = Self::new(self.line, &self.text).order;
        match self.order {
            order if order == usual => {}
            Order::Ordered => text.push_str("-- ordered\n"),
            Order::Unordered => text.push_str("-- unordered\n"),
        }
        if !self.origin {
            text.push_str("-- origin differs\n");
        }
        if self.production {
            text.push_str("-- production\n");
        }
        if !self.parameters.is_empty() {
            let values: Vec<String> = self
                .parameters
                .iter()
                .map(|v| {
                    v.as_ref().map_or_else(
                        || "NULL".to_owned(),
                        |v| format!("'{}'", v.replace('\'', "''")),
                    )
                })
                .collect();
            text.push_str(&format!("-- params: {}\n", values.join(", ")));
        }
        text.push_str(&format!("{};\n", self.text));
        if let Some(copy) = &self.copy {
            text.push_str(&String::from_utf8_lossy(copy));
            text.push_str("\\.\n");
        }
    }
}

struct Reader<'a> {
    name: &'a str,
    session: usize,
    connection: usize,
    origins: bool,
    steps: Vec<Step>,
}

impl Reader<'_> {
    fn script(&mut self, script: &str, first_line: usize) {
        let mut lines = script.lines().enumerate().peekable();
        let mut directives: Vec<String> = Vec::new();
        let mut pending = String::new();
        let mut begun = first_line;
        while let Some((n, line)) = lines.next() {
            let number = first_line + n;
            if pending.trim().is_empty() {
                pending.clear();
                begun = number;
                if line.trim() == "-- batch" {
                    let mut batch = Vec::new();
                    for (_, inner) in lines.by_ref() {
                        if inner.trim() == "-- end" {
                            break;
                        }
                        batch.push(inner);
                    }
                    self.push(number, &batch.join("\n"), &mut directives, true);
                    continue;
                }
                if let Some(directive) = line.strip_prefix("-- ") {
                    directives.push(directive.trim().to_owned());
                    continue;
                }
            }
            pending.push_str(line);
            pending.push('\n');
            // Complete where a probe behind it becomes a piece of its own.
            let pieces = split(&format!("{pending}probe"), begun);
            if pieces.last().is_some_and(|p| p.text == "probe") && pending.trim_end().ends_with(';')
            {
                for piece in split(&pending, begun) {
                    self.push(piece.line, &piece.text, &mut directives, false);
                }
                pending.clear();
                self.copy_data(&mut lines);
            }
        }
        assert!(
            pending.trim().is_empty(),
            "{}: the last statement has no semicolon",
            self.name
        );
    }

    fn copy_data<'b>(&mut self, lines: &mut impl Iterator<Item = (usize, &'b str)>) {
        let Some(step) = self.steps.last_mut() else {
            return;
        };
        let upper = step.text.to_ascii_uppercase();
        if !upper.starts_with("COPY") || !upper.contains("FROM STD") || step.copy.is_some() {
            return;
        }
        let mut data = Vec::new();
        for (_, line) in lines {
            if line == "\\." {
                break;
            }
            data.extend_from_slice(line.as_bytes());
            data.push(b'\n');
        }
        step.copy = Some(data);
    }

    fn push(&mut self, line: usize, text: &str, directives: &mut Vec<String>, batch: bool) {
        let mut step = Step::new(line, text);
        step.batch = batch;
        if batch {
            step.expect = Expect::Any;
        }
        for directive in directives.drain(..) {
            self.apply(&mut step, &directive);
        }
        step.origin &= self.origins;
        step.session = self.session;
        step.connection = self.connection;
        self.steps.push(step);
    }

    fn apply(&mut self, step: &mut Step, directive: &str) {
        let words: Vec<&str> = directive.split_whitespace().collect();
        match words.as_slice() {
            ["params:", ..] => step.parameters = parameters(&directive["params:".len()..]),
            ["connection", n] => self.connection = n.parse().unwrap(),
            ["session", n] => self.session = n.parse().unwrap(),
            ["production"] => step.production = true,
            ["ordered"] => step.order = Order::Ordered,
            ["unordered"] => step.order = Order::Unordered,
            ["values", "vary"] => step.values = false,
            ["error", "class"] => step.errors = Errors::Class,
            ["error", "data"] => step.errors = Errors::Data,
            ["origin", "differs"] => step.origin = false,
            ["origins", "differ"] => self.origins = false,
            ["expect", "any", "or", "refused"] => step.expect = Expect::AnyOrRefusal,
            ["expect", "any"] => step.expect = Expect::Any,
            ["expect", "error", code] => step.expect = Expect::Failure((*code).to_owned()),
            // Versions of PostgreSQL have two codes for it.
            ["expect", "error", code, "or", other] => {
                step.expect = Expect::Failure(format!("{code} or {other}"));
            }
            ["expect", "refused", code] => step.expect = Expect::Refusal((*code).to_owned()),
            // Anything else is a comment for the reader; a word that looks like a directive with
            // a slip of the pen must not pass for one.
            [word, ..]
                if [
                    "params",
                    "expect",
                    "ordered",
                    "unordered",
                    "batch",
                    "end",
                    "setup",
                    "script",
                ]
                .contains(&word.trim_end_matches(':')) =>
            {
                panic!("{}:{}: directive {directive:?}", self.name, step.line)
            }
            _ => {}
        }
    }
}

fn parameters(list: &str) -> Vec<Option<String>> {
    let mut values = Vec::new();
    let mut current = String::new();
    let mut quoted = false;
    let mut was_quoted = false;
    let mut characters = list.trim().chars().peekable();
    let finish = |current: &mut String, was_quoted: &mut bool| {
        let text = if *was_quoted {
            current.clone()
        } else {
            current.trim().to_owned()
        };
        let value = (*was_quoted || text != "NULL").then_some(text);
        current.clear();
        *was_quoted = false;
        value
    };
    while let Some(c) = characters.next() {
        match c {
            '\'' if quoted && characters.peek() == Some(&'\'') => {
                characters.next();
                current.push('\'');
            }
            '\'' => {
                if !quoted {
                    current.clear();
                    was_quoted = true;
                }
                quoted = !quoted;
            }
            ',' if !quoted => values.push(finish(&mut current, &mut was_quoted)),
            _ if was_quoted && !quoted => {}
            _ => current.push(c),
        }
    }
    values.push(finish(&mut current, &mut was_quoted));
    values
}

#[cfg(test)]
mod tests {
    use super::{Case, Expect, Order};

    #[test]
    fn directives_belong_to_the_next_statement() {
        let case = Case::parse(
            "x",
            "-- setup\nCREATE TABLE t ();\n-- script\n-- a remark\n-- params: 1, NULL, 'a, ''b'\n\
             SELECT $1;\n-- connection 2\n-- expect error 42601\nSELEC\n  ';' ;\n-- batch\nSELECT 1;\n\
             SELECT 2\n-- end\nCOPY t FROM STDIN;\n1\t2\n\\.\nSELECT 1 ORDER BY 1;\n",
        );
        assert_eq!(case.setup.trim(), "CREATE TABLE t ();");
        assert_eq!(case.steps.len(), 5);
        let first = &case.steps[0];
        assert_eq!(
            first.parameters,
            [Some("1".into()), None, Some("a, 'b".into())]
        );
        assert_eq!((first.line, first.connection), (6, 1));
        assert_eq!(case.steps[1].expect, Expect::Failure("42601".into()));
        assert_eq!(case.steps[1].connection, 2);
        assert_eq!(case.steps[2].text, "SELECT 1;\nSELECT 2");
        assert!(case.steps[2].batch);
        assert_eq!(case.steps[3].copy.as_deref(), Some(b"1\t2\n".as_slice()));
        assert_eq!(case.steps[4].order, Order::Ordered);
    }
}
