//! The row-level security of a table, as far as it holds for agents.

use crate::{Function, Relation, RelationId, quote_identifier};

/// What a policy is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// FOR SELECT: which rows can be read.
    Select,
    /// FOR INSERT: which rows can be added.
    Insert,
    /// FOR UPDATE: which rows can be changed, and to what.
    Update,
    /// FOR DELETE: which rows can be removed.
    Delete,
}

/// `pg_policy`: one that holds for the agents' role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// Permissive ones give rows, restrictive ones take some of them away.
    pub permissive: bool,
    /// What it is for; `None` is FOR ALL.
    pub command: Option<Command>,
    /// USING, as `pg_get_expr` gives it with an empty search_path.
    pub using: Option<String>,
    /// WITH CHECK, where it says another thing than USING.
    pub check: Option<String>,
    /// Other tables and views that it reads.
    pub reads: Vec<RelationId>,
    /// Functions outside `pg_catalog` that it calls.
    pub functions: Vec<Function>,
}

/// A condition that rows must meet, with the restrictive policy that asks for it; of the permissive
/// ones, of which one must hold, there is one condition without a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The policy an error names.
    pub policy: Option<String>,
    /// Over the table's columns.
    pub text: String,
}

impl Policy {
    fn is_for(&self, command: Command) -> bool {
        self.command.is_none_or(|own| own == command)
    }

    /// Its condition; a policy without one is as if it were not there: a permissive one gives nothing, a
    /// restrictive one takes nothing.
    fn text(&self, check: bool) -> Option<&str> {
        let given = self.check.as_deref().filter(|_| check);
        given.or(self.using.as_deref())
    }

    /// It is a permissive one that gives all rows to whatever it is for.
    pub fn is_open(&self) -> bool {
        let all = Some("true");
        let reads = self.command == Some(Command::Insert) || self.text(false) == all;
        self.permissive && self.reads.is_empty() && reads && self.text(true) == all
    }
}

impl Relation {
    /// What a row that is there must meet to be read, changed or removed; empty where nothing is asked.
    pub fn using(&self, command: Command) -> Vec<Condition> {
        self.conditions_for(command, false)
    }

    /// What a new row must meet.
    pub fn with_check(&self, command: Command) -> Vec<Condition> {
        self.conditions_for(command, true)
    }

    /// In PostgreSQL's order: the permissive policies together, then each restrictive one by its name.
    fn conditions_for(&self, command: Command, check: bool) -> Vec<Condition> {
        if !self.row_security {
            return Vec::new();
        }
        let own = || self.policies.iter().filter(|p| p.is_for(command));
        let open: Vec<&str> = own()
            .filter(|p| p.permissive)
            .filter_map(|p| p.text(check))
            .collect();
        let open = match open.as_slice() {
            // without one nothing is given
            [] => "false".to_owned(),
            open => open.join(" OR "),
        };
        let mut all = vec![Condition {
            policy: None,
            text: open,
        }];
        let mut others: Vec<&Policy> = own().filter(|p| !p.permissive).collect();
        others.sort_by(|a, b| a.name.cmp(&b.name));
        all.extend(others.into_iter().filter_map(|p| {
            Some(Condition {
                policy: Some(p.name.clone()),
                text: p.text(check)?.to_owned(),
            })
        }));
        all
    }

    /// A condition of a policy, for the row whose columns `value` names: over the row by itself, so that
    /// no name in the condition means anything else.
    pub fn of_row(&self, condition: &str, value: impl Fn(&str) -> String) -> String {
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|c| format!("{} AS {}", value(&c.name), quote_identifier(&c.name)))
            .collect();
        format!(
            "(SELECT {condition} FROM (SELECT {}) AS {})",
            columns.join(", "),
            quote_identifier(&self.name)
        )
    }
}
