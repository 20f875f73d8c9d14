//! Puts statements together to a workload: transactions, connections, sessions, production.

use super::schema::Schema;
use crate::differential::{Errors, Expect, Order, Step};
use crate::random::Random;

/// What a workload is like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flavour {
    /// Two sessions take turns.
    pub(super) sessions: bool,
    /// Production writes rows of its own in between.
    pub(super) production: bool,
}

pub(super) struct Maker<'s> {
    pub(super) random: &'s mut Random,
    pub(super) schema: &'s Schema,
    pub(super) flavour: Flavour,
    pub(super) steps: Vec<Step>,
    /// Names of open savepoints; `None` outside a transaction.
    pub(super) savepoints: Option<Vec<String>>,
    /// A table has been truncated in this transaction: others would wait for it.
    pub(super) truncated: bool,
    pub(super) aliases: usize,
    /// Values of the statement that is being made.
    pub(super) parameters: Vec<Option<String>>,
    pub(super) parameters_allowed: bool,
    /// Subqueries may be made (one level deep).
    pub(super) queries_allowed: bool,
    session: usize,
    connection: usize,
    pub(super) produced: u64,
}

impl<'s> Maker<'s> {
    pub(super) fn new(random: &'s mut Random, schema: &'s Schema, flavour: Flavour) -> Self {
        Self {
            random,
            schema,
            flavour,
            steps: Vec::new(),
            savepoints: None,
            truncated: false,
            aliases: 0,
            parameters: Vec::new(),
            parameters_allowed: true,
            queries_allowed: true,
            session: 1,
            connection: 1,
            produced: 0,
        }
    }

    /// Makes the statements of a workload.
    pub(super) fn run(&mut self, length: usize) {
        while self.steps.len() < length {
            self.step();
        }
        self.end_transaction();
        for session in 1..=1 + usize::from(self.flavour.sessions) {
            self.session = session;
            for table in self.schema.tables.clone() {
                self.look(&table);
            }
        }
    }

    fn step(&mut self) {
        self.parameters_allowed = true;
        match self.random.below(100) {
            0..46 => self.change(),
            46..74 => self.ask(),
            74..86 => self.transaction(),
            86..89 => self.copy_out(),
            89..92 => self.cursor(),
            92..94 => self.prepare(),
            94..97 if self.flavour.production => self.produce(),
            _ => self.turn(),
        }
    }

    /// Adds a statement.
    pub(super) fn say(&mut self, text: String) {
        let mut step = Step::new(self.steps.len() + 1, &text);
        step.expect = Expect::AnyOrRefusal;
        step.errors = Errors::Data;
        step.order = Order::Unordered;
        step.session = self.session;
        step.connection = self.connection;
        step.parameters = std::mem::take(&mut self.parameters);
        // Rows of a cursor come without the tables of their columns.
        step.origin = !text.starts_with("FETCH");
        self.steps.push(step);
    }

    fn ask(&mut self) {
        let query = self.query();
        // Rows may be locked where no other session's statement on this copy waits for them.
        let alone = self.connection == 1 && self.savepoints.is_none();
        let simple = !query.text.contains("GROUP BY")
            && query.text.starts_with("SELECT x")
            && !query.ordered;
        let lock = if alone && simple && self.random.percent(8) {
            " FOR UPDATE"
        } else {
            ""
        };
        let plain = !query.text.contains("OVER") && !query.text.contains("JOIN");
        self.say(format!("{}{}", query.text, if plain { lock } else { "" }));
        if query.ordered
            && let Some(step) = self.steps.last_mut()
        {
            step.order = Order::Ordered;
        }
    }

    fn copy_out(&mut self) {
        self.parameters_allowed = false;
        let query = self.query();
        let options = *self.random.pick(&[
            "",
            " (FORMAT csv)",
            " (FORMAT csv, HEADER, DELIMITER ';')",
            " (FORMAT binary)",
        ]);
        // Rows of the binary format are not lines that could be sorted.
        let options = if query.ordered {
            options
        } else {
            options.trim_start_matches(" (FORMAT binary)")
        };
        self.say(format!("COPY ({}) TO STDOUT{options}", query.text));
        if query.ordered
            && let Some(step) = self.steps.last_mut()
        {
            step.order = Order::Ordered;
        }
    }

    fn transaction(&mut self) {
        if self.connection != 1 {
            return;
        }
        let text = match self.savepoints.take() {
            None => {
                self.savepoints = Some(Vec::new());
                self.truncated = false;
                (*self.random.pick(&[
                    "BEGIN",
                    "BEGIN",
                    "START TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                    "BEGIN ISOLATION LEVEL SERIALIZABLE",
                ]))
                .to_owned()
            }
            Some(mut names) => match self.random.below(10) {
                0..3 => "COMMIT".to_owned(),
                3 => "ROLLBACK".to_owned(),
                kind if kind < 7 || names.is_empty() => {
                    let name = format!("s{}", names.len());
                    names.push(name.clone());
                    self.savepoints = Some(names);
                    format!("SAVEPOINT {name}")
                }
                kind => {
                    let at = self.random.below(names.len() as u64) as usize;
                    let name = names[at].clone();
                    let back = kind < 9;
                    names.truncate(if back { at + 1 } else { at });
                    self.savepoints = Some(names);
                    if back {
                        format!("ROLLBACK TO {name}")
                    } else {
                        format!("RELEASE {name}")
                    }
                }
            },
        };
        // The other session's snapshot is not this one's: their transactions do not overlap.
        self.say(text);
    }

    fn end_transaction(&mut self) {
        if self.savepoints.take().is_some() {
            self.connection = 1;
            let end = if self.random.percent(80) {
                "COMMIT"
            } else {
                "ROLLBACK"
            };
            self.say(end.to_owned());
        }
    }

    /// Another connection of the session looks, or the other session has its turn.
    fn turn(&mut self) {
        if self.flavour.sessions && self.random.percent(50) {
            self.end_transaction();
            self.session = 3 - self.session;
            return;
        }
        if self.truncated {
            return;
        }
        self.connection = 2;
        self.ask();
        self.connection = 1;
    }

    fn cursor(&mut self) {
        self.parameters_allowed = false;
        if self.random.percent(40) {
            self.end_transaction();
            return self.at_cursor();
        }
        let query = self.query();
        if !query.ordered {
            return self.ask();
        }
        self.end_transaction();
        let kind = *self.random.pick(&[
            "CURSOR",
            "SCROLL CURSOR",
            "NO SCROLL CURSOR",
            "CURSOR WITH HOLD",
        ]);
        let scroll = kind.starts_with("SCROLL");
        self.say("BEGIN".to_owned());
        self.say(format!("DECLARE cur {kind} FOR {}", query.text));
        let mut moves = vec![
            "FETCH 2 FROM cur",
            "FETCH cur",
            "MOVE 1 IN cur",
            "FETCH ALL cur",
        ];
        if scroll {
            moves.extend([
                "FETCH LAST FROM cur",
                "FETCH BACKWARD 2 FROM cur",
                "FETCH ABSOLUTE 1 FROM cur",
            ]);
        }
        for _ in 0..2 {
            let text = (*self.random.pick(&moves)).to_owned();
            self.say(text);
        }
        self.say("COMMIT".to_owned());
        if kind.ends_with("HOLD") {
            self.say("FETCH 3 FROM cur".to_owned());
            self.say("CLOSE cur".to_owned());
        }
    }

    fn prepare(&mut self) {
        self.end_transaction();
        self.parameters_allowed = false;
        let query = self.query();
        let name = format!("p{}", self.steps.len());
        self.say(format!("PREPARE {name} AS {}", query.text));
        for _ in 0..2 {
            self.say(format!("EXECUTE {name}"));
            self.change();
        }
        self.say(format!("DEALLOCATE {name}"));
    }
}
