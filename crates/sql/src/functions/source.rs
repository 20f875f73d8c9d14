//! What a function's own text says that it may do.
//!
//! A function in SQL or PL/pgSQL can do what the words of its text can say. One that has no word for
//! writing, nothing that is put together as it runs, no name of a table that the session has changed, and
//! leads only to what may run, gives in a draft what it gives without one. The text is not understood:
//! any doubt is a no.

use std::cell::OnceCell;
use std::collections::HashSet;

use catalog::{Catalog, Function, Relation, RelationId, Volatility};

use crate::functions;
use crate::plan::Context;
use crate::resolve;

/// Words that write, that change the connection, or whose meaning is only known as the function runs.
const ACTS: [&str; 34] = [
    "temp",
    "temporary",
    "insert",
    "update",
    "delete",
    "merge",
    "truncate",
    "copy",
    "create",
    "alter",
    "drop",
    "grant",
    "revoke",
    "execute",
    "prepare",
    "call",
    "do",
    "lock",
    "share",
    "notify",
    "listen",
    "unlisten",
    "set",
    "reset",
    "discard",
    "import",
    "refresh",
    "reindex",
    "cluster",
    "vacuum",
    "analyze",
    "comment",
    "security",
    "setval",
];

/// Functions that are the session's own in a draft, or change the connection.
const OWN: [&str; 5] = ["currval", "lastval", "set_config", "dblink", "refcursor"];

/// What a function that is IMMUTABLE by its own word puts together as it runs, in PL/pgSQL and other languages.
const PUT_TOGETHER: [&str; 5] = ["execute", "prepare", "cursor", "spi", "refcursor"];

/// Whether a function reads nothing that the session has changed, and writes nothing; nor does anything that it
/// leads to by a name, an operator, a type or a relation of its text. Each is looked at once, so circles end.
pub(crate) fn is_quiet(context: &Context<'_>, function: &Function) -> bool {
    let mut look = Look {
        context,
        names: OnceCell::new(),
        functions: vec![function],
        relations: Vec::new(),
    };
    let mut functions: HashSet<*const Function> = HashSet::new();
    let mut relations: HashSet<RelationId> = HashSet::new();
    loop {
        let fine = if let Some(function) = look.functions.pop() {
            !functions.insert(function) || look.function(function)
        } else if let Some(relation) = look.relations.pop() {
            !relations.insert(relation.id) || look.relation(relation)
        } else {
            return true;
        };
        if !fine {
            return false;
        }
    }
}

/// What is still to be looked at.
struct Look<'c> {
    context: &'c Context<'c>,
    /// Every relation with its name in small letters, once a text may read one.
    names: OnceCell<Vec<(String, &'c Relation)>>,
    functions: Vec<&'c Function>,
    relations: Vec<&'c Relation>,
}

impl<'c> Look<'c> {
    /// Whether a function is fine by itself; what it leads to is looked at later.
    fn function(&mut self, function: &'c Function) -> bool {
        if functions::is_allowed(self.context.functions, function) {
            return true;
        }
        let Some(source) = &function.source else {
            return functions::is_harmless(function);
        };
        let text = source.to_lowercase();
        let words: HashSet<&str> = words(&text).collect();
        // PostgreSQL itself keeps one that is IMMUTABLE by its own word from writing, but not from reading
        let pure = function.volatility == Volatility::Immutable && !function.security_definer;
        let says = match pure {
            true => !self.is_put_together(&words),
            false => self.says_nothing(function, &words),
        };
        says && !text.contains("u&") && self.leads((function, &text), &words, pure)
    }

    fn is_put_together(&self, words: &HashSet<&str>) -> bool {
        let says = |word: &&str| PUT_TOGETHER.contains(word) || word.starts_with("spi_");
        !self.context.draft.dirty.is_empty() && words.iter().any(says)
    }

    fn says_nothing(&self, function: &Function, words: &HashSet<&str>) -> bool {
        let known = matches!(function.language.as_str(), "sql" | "plpgsql");
        known
            && words.iter().all(|word| {
                // a sequence of the session's own stands in for production's in the client's statements alone
                let drawn = *word == "nextval" && self.context.draft.sequences;
                !drawn
                    && !ACTS.contains(word)
                    && !OWN.contains(word)
                    && !word.starts_with("pg_advisory")
                    && !word.starts_with("pg_try_advisory")
                    && !is_system(self.context.catalog, word)
            })
    }

    /// Notes what a function leads to; not to what writes with its owner's rights.
    fn leads(
        &mut self,
        (function, text): (&Function, &str),
        words: &HashSet<&str>,
        pure: bool,
    ) -> bool {
        let catalog = self.context.catalog;
        let called = words.iter().filter_map(|word| catalog.functions.get(*word));
        // ours of the same name, which the text does not qualify, are found by the path alone
        let path = self
            .context
            .client
            .map_or(self.context.search_path, |(path, _)| path);
        let found = |f: &&Function| f.schema != "pgdraft" || path.contains(&f.schema);
        self.functions.extend(called.flatten().filter(found));
        let operators = catalog.operators.iter();
        let operators = operators.filter(|(symbol, _)| text.contains(symbol.as_str()));
        self.functions.extend(operators.flat_map(|(_, all)| all));
        let own = catalog.types.iter();
        let own = own.filter(|t| function.types.contains(&t.id));
        for kind in functions::types_in(catalog, text).chain(own) {
            if kind.writes && !functions::is_allowed(self.context.functions, &kind.function) {
                return false;
            }
            self.functions.push(&kind.function);
        }
        // a table is read behind one of these words; elsewhere its name is a type's or a parameter's
        if !pure || words.contains("from") || words.contains("table") {
            let relations = || {
                catalog
                    .relations
                    .values()
                    .map(|r| (r.name.to_lowercase(), r.as_ref()))
            };
            let names = self.names.get_or_init(|| relations().collect());
            let named = names.iter().filter(|(name, _)| is_named(name, text, words));
            self.relations.extend(named.map(|(_, relation)| *relation));
        }
        true
    }

    /// Whether the session has left a relation as it is; what stands behind a view, and what policies ask, is
    /// looked at later.
    fn relation(&mut self, relation: &'c Relation) -> bool {
        let (catalog, draft) = (self.context.catalog, self.context.draft);
        let mut behind: Vec<RelationId> = Vec::new();
        if let Some(view) = &relation.view {
            behind.extend(&view.relations);
            self.functions.extend(&view.functions);
        }
        for policy in relation.policies.iter().filter(|_| relation.row_security) {
            behind.extend(&policy.reads);
            // as in a query of the client's own: PostgreSQL asks them whatever we say
            let asked = policy.functions.iter().filter(|f| {
                !draft.dirty.is_empty()
                    || f.security_definer && f.volatility == Volatility::Volatile
            });
            self.functions.extend(asked);
        }
        let behind = behind.iter().filter_map(|id| catalog.relations.get(id));
        self.relations.extend(behind.map(|r| r.as_ref()));
        resolve::dirty_members(self.context, relation.id, false).is_empty()
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let apart = |c: char| !c.is_alphanumeric() && c != '_' && c != '$';
    text.split(apart).filter(|word| !word.is_empty())
}

/// A system catalog, which shows what is pgdraft's own.
fn is_system(catalog: &Catalog, word: &str) -> bool {
    let known = word == "pg_catalog" || catalog.functions.contains_key(word);
    word == "information_schema" || word == "pgdraft" || word.starts_with("pg_") && !known
}

fn is_named(name: &str, text: &str, words: &HashSet<&str>) -> bool {
    match name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        true => words.contains(name),
        false => text.contains(&name.replace('"', "\"\"")),
    }
}
