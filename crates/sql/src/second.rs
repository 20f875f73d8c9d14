//! The second opinion: sqlparser reads the same text, and a disagreement is refused.
//!
//! sqlparser's own limits are not held against the client: what it cannot parse at all was still
//! read by PostgreSQL's grammar. What it parses must be one statement of the same kind that names
//! the same tables.

use std::collections::HashSet;
use std::ops::ControlFlow;

use report::Report;
use sqlparser::ast::{ObjectName, ObjectNamePart, Statement as Ast, Visit, Visitor};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::{Parser, ParserOptions};
use sqlparser::tokenizer::Token;

use crate::facts::{Change, Facts};
use crate::parse::Body;

/// Nesting sqlparser may follow; deeper texts are left to PostgreSQL's grammar.
const RECURSION_LIMIT: usize = 64;

/// Compares both readings.
///
/// # Errors
/// 0A000 where sqlparser understood the text in another way.
pub(crate) fn agree(text: &str, body: &Body, facts: &Facts) -> Result<(), Report> {
    if !matches!(body, Body::Query | Body::Change(_)) {
        return Ok(());
    }
    let Some(ast) = parse_strictly(text) else {
        return Ok(());
    };
    let same_kind = match body {
        Body::Change(Change::Insert(_)) => matches!(&ast, Ast::Insert(_) | Ast::Query(_)),
        Body::Change(Change::Update(_)) => matches!(&ast, Ast::Update(_) | Ast::Query(_)),
        Body::Change(Change::Merge(_)) => matches!(&ast, Ast::Merge(_) | Ast::Query(_)),
        Body::Change(Change::Delete(_)) => matches!(&ast, Ast::Delete(_) | Ast::Query(_)),
        _ => !matches!(
            &ast,
            Ast::Insert(_) | Ast::Update(_) | Ast::Delete(_) | Ast::Merge(_)
        ),
    };
    if !same_kind {
        return Err(disagreement("what kind of statement this is"));
    }
    // ONLY, TABLE and reserved words as names are known blind spots of the second reader
    let blind = facts.only_target
        || facts.relations.iter().any(|r| r.only)
        || text.to_ascii_lowercase().contains("table");
    let mut names = Names::default();
    let _ = ast.visit(&mut names);
    let unseen = facts
        .names
        .iter()
        .find(|name| !blind && !names.seen.contains(name.as_str()));
    match unseen {
        Some(name) => Err(disagreement(&format!(
            "whether it uses relation \"{name}\""
        ))),
        None => Ok(()),
    }
}

fn disagreement(about: &str) -> Report {
    Report::error("0A000", "statement is ambiguous to the parsers")
        .detail(format!("The two parsers disagree about {about}."))
        .hint("write it in a plainer form: no keywords as bare column labels, one statement at a time")
}

/// One statement, or nothing where sqlparser does not take it whole.
fn parse_strictly(text: &str) -> Option<Ast> {
    let dialect = PostgreSqlDialect {};
    let mut parser = Parser::new(&dialect)
        .with_recursion_limit(RECURSION_LIMIT)
        .with_options(ParserOptions::new().with_unescape(false))
        .try_with_sql(text)
        .ok()?;
    let statement = parser.parse_statement().ok()?;
    while parser.consume_token(&Token::SemiColon) {}
    (parser.peek_token_ref().token == Token::EOF).then_some(statement)
}

/// Relation names as PostgreSQL would store them.
#[derive(Debug, Default)]
struct Names {
    seen: HashSet<String>,
}

impl Visitor for Names {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        if let Some(ObjectNamePart::Identifier(last)) = relation.0.last() {
            let name = match last.quote_style {
                Some(_) => last.value.replace("\"\"", "\""),
                None => last.value.to_ascii_lowercase(),
            };
            self.seen.insert(truncate(&name));
        }
        ControlFlow::Continue(())
    }
}

/// PostgreSQL cuts names at 63 bytes, at a character border.
fn truncate(name: &str) -> String {
    let mut end = name.len().min(63);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).unwrap_or(name).to_owned()
}
