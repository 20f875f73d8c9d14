//! From a client's text to statements: limits, PostgreSQL's grammar, the allow-list walk and the
//! second opinion.
//!
//! `pg_query` is PostgreSQL's own grammar, so its tree is what the server will run; everything is
//! decided on it. `sqlparser` reads the text too, and where the two disagree the text is refused.

use std::ops::Range;
use std::sync::Arc;

use pg_query::NodeEnum;
use pg_query::protobuf::{LockStmt, RangeVar, Token as Kind, TruncateStmt};
use report::Report;

use crate::facts::{Change, Facts};
use crate::leaves::{self, Leaves};
use crate::nested::{self, Copied, Explain, Prepare};
use crate::plan::TableLock;
use crate::rewrite::{catalogs, lock};
use crate::skipped::Skipped;
use crate::temporary::Definition;
use crate::tokens::Tokens;
use crate::{classify, second};

/// Deepest nesting of brackets.
const DEPTH_MAX: usize = 300;
/// Most operators in one expression without a comma or bracket between them.
const CHAIN_MAX: usize = 10_000;
/// Most semicolons in a text: each statement is parsed by itself, and a text of some megabytes can
/// hold a million. What a client may send is less and is the caller's to say.
const SEMICOLONS_MAX: usize = 10_000;
/// Most steps of PostgreSQL's lexer over rows of operators' characters, [`row_steps`]; some ten milliseconds.
const ROW_STEPS_MAX: usize = 10_000_000;
/// Above these the parser runs on a thread with a large stack.
const SMALL_DEPTH: usize = 24;
const SMALL_CHAIN: usize = 48;
/// That stack, in bytes; only touched pages cost memory.
const LARGE_STACK: usize = 512 << 20;

/// One parsed client text: a simple Query may hold several statements.
#[derive(Debug, Clone)]
pub struct Script {
    /// Its statements in order; empty for an empty query.
    pub statements: Vec<Arc<Statement>>,
}

/// One statement with all that can be known from its text alone.
#[derive(Debug)]
pub struct Statement {
    /// Byte range in the client's text, without the semicolon.
    pub range: Range<usize>,
    /// Its own text.
    pub text: String,
    /// What it leaves behind on its server connection.
    pub leaves: Leaves,
    pub(crate) body: Body,
    pub(crate) facts: Facts,
    pub(crate) tokens: Tokens,
}

/// What kind of statement it is, with the tree where rewriting needs it.
#[derive(Debug)]
pub(crate) enum Body {
    /// SELECT, VALUES, TABLE; also under EXPLAIN or DECLARE CURSOR. Changes may stand under its WITH.
    Query,
    /// INSERT, UPDATE, DELETE or MERGE.
    Change(Change),
    Copy(Copy),
    Truncate(TruncateStmt),
    Lock(LockStmt),
    Prepare(Prepare),
    /// EXPLAIN of anything but a plain query.
    Explain(Explain),
    /// COPY of a statement that changes rows.
    Copied(Copied),
    /// What makes, changes or drops a relation: only temporary ones.
    Definition(Definition),
    /// EXECUTE of the prepared statement of that name.
    Execute(String),
    /// BEGIN, COMMIT and their kin.
    Transaction,
    Set(Setting),
    Show(String),
    Deallocate(Option<String>),
    DiscardAll,
    /// SET CONSTRAINTS with names.
    Constraints(Vec<RangeVar>),
    /// DISCARD TEMPORARY.
    DiscardTemp,
    DiscardSequences,
    /// FETCH, CLOSE, LISTEN, DISCARD PLANS, …: of no interest.
    Harmless,
    /// CREATE … IF NOT EXISTS, with the refusal where it does not.
    Skipped(Skipped, Box<Report>),
    /// Refused whatever the catalog says.
    Refused(Box<Report>),
}

impl Statement {
    /// What PostgreSQL calls it where it locks rows.
    pub fn locking_command(&self) -> &'static str {
        let first = self.facts.lockings.first();
        first.map_or("SELECT FOR UPDATE", |l| l.command)
    }

    /// Whether it uses no relation, so that neither search path nor draft matter to it: BEGIN, SET, …
    pub fn names_nothing(&self) -> bool {
        matches!(
            self.body,
            Body::Transaction
                | Body::Set(_)
                | Body::Show(_)
                | Body::Deallocate(_)
                | Body::DiscardAll
                | Body::DiscardTemp
                | Body::DiscardSequences
                | Body::Harmless
        )
    }

    /// Whether it makes one snapshot serve a whole transaction that may change something, and that then knows
    /// nothing that is made later.
    pub fn keeps_snapshot(&self) -> bool {
        matches!(self.body, Body::Transaction | Body::Set(_))
            && names_one_snapshot(&self.text)
            && !self.text.to_ascii_lowercase().contains("only")
    }

    /// Whether it reads the connection's prepared statements, cursors or activity: what the client knows
    /// of them is to be in the settings `pgdraft.statements`, `pgdraft.cursors` and `pgdraft.query` then.
    pub fn shows_texts(&self) -> bool {
        let relations = &self.facts.relations;
        relations.iter().any(|r| catalogs::shows_texts(&r.name))
    }

    /// The cursor that it declares.
    pub fn declares(&self) -> Option<&str> {
        self.facts.declares.as_deref()
    }

    /// What LOCK TABLE keeps other connections of the session from.
    pub fn table_lock(&self) -> Option<TableLock> {
        match &self.body {
            Body::Lock(lock) => lock::wanted(lock),
            _ => None,
        }
    }

    /// A table that it reads, where its FOR UPDATE must not wait: NOWAIT.
    pub fn locks_now(&self) -> Option<&str> {
        let table = self.facts.relations.first()?;
        let now = self.facts.locking > 0 && self.tokens.iter().any(|(_, t)| t.is(Kind::Nowait));
        now.then_some(table.name.as_str())
    }
}

/// Whether a text names an isolation level of one snapshot: `BEGIN ISOLATION LEVEL SERIALIZABLE`,
/// `-c default_transaction_isolation=repeatable\ read`.
pub fn names_one_snapshot(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["repeatable", "serializable"]
        .iter()
        .any(|level| text.contains(level))
}

/// COPY.
#[derive(Debug)]
pub(crate) struct Copy {
    /// The table, if it is not a query: schema, name, byte.
    pub(crate) relation: Option<(Option<String>, String, usize)>,
    pub(crate) columns: Vec<String>,
    pub(crate) from: bool,
    /// Byte of FREEZE where it is on.
    pub(crate) freeze: Option<usize>,
}

/// SET and RESET.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    /// Lower-case name; empty for RESET ALL.
    pub(crate) name: String,
    /// The value where it is one string or word; `None` for DEFAULT and RESET.
    pub(crate) value: Option<String>,
    pub(crate) local: bool,
    pub(crate) all: bool,
}

/// Why a text was not taken.
#[derive(Debug, Clone)]
pub enum ParseFailure {
    /// The server will reject it as well.
    Syntax(String),
    /// pgdraft refuses it.
    Refused(Box<Report>),
}

/// Parses a client text: limits, PostgreSQL's grammar, allow-list walk, second opinion.
/// The answer depends on the text alone: cache it by text.
///
/// # Errors
/// [`ParseFailure::Syntax`]: PostgreSQL's grammar rejects it, so the server will too; let it say
/// so by *parsing* (never executing) the text. [`ParseFailure::Refused`]: not understood, refused.
pub fn parse(text: &str) -> Result<Script, ParseFailure> {
    if text.contains('\0') {
        return Err(refused(
            "08P01",
            "a statement cannot contain a NUL byte",
            "remove it",
        ));
    }
    if row_steps(text) > ROW_STEPS_MAX {
        return Err(refused(
            "54001",
            "a statement has too many operators or comments in a row",
            "put spaces between them, or send long texts as parameters",
        ));
    }
    let tokens = Tokens::scan(text).map_err(ParseFailure::Syntax)?;
    let chain = longest_chain(&tokens);
    if tokens.depth_max > DEPTH_MAX {
        return Err(refused(
            "54001",
            format!("statement is nested more than {DEPTH_MAX} brackets deep"),
            "split it, or use WITH to give parts of it names",
        ));
    }
    if chain > CHAIN_MAX {
        return Err(refused(
            "54001",
            format!("an expression or set operation has more than {CHAIN_MAX} operators in a row"),
            "use IN (…), = ANY(array) or VALUES instead of a long chain",
        ));
    }
    if tokens.iter().filter(|(_, t)| t.is(Kind::Ascii59)).count() > SEMICOLONS_MAX {
        return Err(refused(
            "54000",
            "too many statements in one query",
            "send the statements in several queries",
        ));
    }
    if tokens.depth_max <= SMALL_DEPTH && chain <= SMALL_CHAIN {
        return parse_here(text, &tokens);
    }
    let on_thread = std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(LARGE_STACK)
            .spawn_scoped(scope, || parse_here(text, &tokens))
            .ok()
            .and_then(|thread| thread.join().ok())
    });
    on_thread.unwrap_or_else(|| Err(too_complex()))
}

/// What rows of operators' characters cost: PostgreSQL's lexer reads a row to its end for each sign in it, which
/// could begin a long operator, and for each `/*`. Two `-` begin a comment, which is read once.
fn row_steps(text: &str) -> usize {
    let (mut steps, mut row, mut next) = (0_usize, 0_usize, b' ');
    for &byte in text.as_bytes().iter().rev() {
        row = match b"~!@#^&|`?+-*/%<>=".contains(&byte) {
            true => row + 1,
            false => 0,
        };
        if matches!((byte, next), (b'+', _) | (b'/', b'*')) || byte == b'-' && next != b'-' {
            steps = steps.saturating_add(row);
        }
        next = byte;
    }
    steps
}

fn too_complex() -> ParseFailure {
    refused(
        "54001",
        "statement is too complex to be parsed safely",
        "split it into simpler statements, or use IN (…) or VALUES instead of a long chain of operators",
    )
}

pub(crate) fn refused(
    code: &str,
    message: impl Into<String>,
    hint: impl Into<String>,
) -> ParseFailure {
    ParseFailure::Refused(Box::new(Report::error(code, message).hint(hint)))
}

/// The longest run of operators that makes a left-deep tree: counted per bracket level between
/// commas.
fn longest_chain(tokens: &Tokens) -> usize {
    let mut counts: Vec<usize> = vec![0];
    let mut longest = 0;
    for (_, token) in tokens.iter() {
        counts.resize(token.depth + 1, 0);
        let Some(count) = counts.last_mut() else {
            continue;
        };
        if token.is(Kind::Ascii44) || token.is(Kind::Ascii59) {
            *count = 0;
        } else if is_operator(token.kind) {
            *count += 1;
            longest = longest.max(*count);
        }
    }
    longest
}

fn is_operator(kind: i32) -> bool {
    const OPERATORS: [Kind; 34] = [
        Kind::Ascii37,
        Kind::Ascii42,
        Kind::Ascii43,
        Kind::Ascii45,
        Kind::Ascii47,
        Kind::Ascii60,
        Kind::Ascii61,
        Kind::Ascii62,
        Kind::Ascii91,
        Kind::Ascii94,
        Kind::Ascii46,
        Kind::Op,
        Kind::Typecast,
        Kind::LessEquals,
        Kind::GreaterEquals,
        Kind::NotEquals,
        Kind::And,
        Kind::Or,
        Kind::Not,
        Kind::Is,
        Kind::Isnull,
        Kind::Notnull,
        Kind::Like,
        Kind::Ilike,
        Kind::Similar,
        Kind::Between,
        Kind::InP,
        Kind::Collate,
        Kind::At,
        Kind::Union,
        Kind::Intersect,
        Kind::Except,
        Kind::Join,
        Kind::Ascii63,
    ];
    OPERATORS.iter().any(|k| *k as i32 == kind)
}

fn parse_here(text: &str, tokens: &Tokens) -> Result<Script, ParseFailure> {
    let parsed = pg_query::parse(text, 0).map_err(|e| match e {
        // the parser's own limit, not the text's fault: the server's may be higher
        pg_query::Error::Parse(message) if message.contains("stack depth") => too_complex(),
        pg_query::Error::Parse(message) | pg_query::Error::Scan(message) => {
            ParseFailure::Syntax(message)
        }
        other => refused(
            "54001",
            "statement could not be read by the parser",
            format!("simplify the statement ({other})"),
        ),
    })?;
    let ranges = statement_ranges(text, tokens, &parsed.protobuf)?;
    let alone = ranges.len() == 1;
    let mut statements = Vec::with_capacity(ranges.len());
    for (range, raw) in ranges.into_iter().zip(parsed.protobuf.stmts) {
        let own = text.get(range.clone()).unwrap_or_default().to_owned();
        // locations count from the start of what was parsed, so a part is parsed by itself
        let node = if alone && range.start == 0 {
            raw.stmt
        } else {
            pg_query::parse(&own, 0)
                .map_err(|e| ParseFailure::Syntax(e.to_string()))?
                .protobuf
                .stmts
                .into_iter()
                .next()
                .and_then(|s| s.stmt)
        };
        let Some(node) = node.and_then(|n| n.node) else {
            continue;
        };
        statements.push(Arc::new(statement(range, own, node)?));
    }
    Ok(Script { statements })
}

/// Byte ranges of the statements, trimmed to their first and last token. Looked up, not searched:
/// a text can hold a million statements.
fn statement_ranges(
    text: &str,
    tokens: &Tokens,
    parsed: &pg_query::protobuf::ParseResult,
) -> Result<Vec<Range<usize>>, ParseFailure> {
    let mut ranges = Vec::with_capacity(parsed.stmts.len());
    for raw in &parsed.stmts {
        let start = usize::try_from(raw.stmt_location).unwrap_or(0);
        let end = match usize::try_from(raw.stmt_len) {
            Ok(0) | Err(_) => text.len(),
            Ok(length) => start + length,
        };
        ranges.push(tokens.trimmed(start..end).ok_or_else(|| {
            refused(
                "0A000",
                "the end of a statement could not be found",
                "send the statements one by one",
            )
        })?);
    }
    Ok(ranges)
}

pub(crate) fn statement(
    range: Range<usize>,
    text: String,
    node: NodeEnum,
) -> Result<Statement, ParseFailure> {
    let tokens = Tokens::scan(&text).map_err(ParseFailure::Syntax)?;
    let mut leaves = leaves::of_tree(&node);
    let (body, facts) = match nested::body(&node, &text, &tokens)? {
        Some(body) => (body, Facts::default()),
        None => classify::classify(node, &tokens.command(&text)),
    };
    leaves.add_calls(&facts);
    if !matches!(body, Body::Refused(_)) {
        second::agree(&text, &body, &facts).map_err(|r| ParseFailure::Refused(Box::new(r)))?;
    }
    Ok(Statement {
        range,
        text,
        leaves,
        body,
        facts,
        tokens,
    })
}
