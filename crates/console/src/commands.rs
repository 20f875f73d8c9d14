//! The table of commands: words, arguments, privilege, columns, handler. A command exists by
//! standing here, and cannot stand here without saying what it needs.

use crate::changes;
use crate::handlers::{self, Handler};
use crate::process;
use crate::tokens::{Kind, Token};

/// A piece of a command's form.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// A word, in upper case.
    Word(&'static str),
    /// A session name: a string constant.
    Session,
    /// A table name, schema optional.
    Table,
    /// Operations: one or more string constants with commas between them.
    Operations,
    /// One operation.
    Operation,
    /// Values of a primary key: constants in parentheses, in the key's order.
    Key,
    /// A number of rows.
    Rows,
    /// The fingerprint of a diff: a string constant.
    Fingerprint,
    /// The id of a client: a string constant.
    Client,
    /// A text that is none of the others, by what it is: `name`, `value`, …
    Text(&'static str),
    /// Name of a column.
    Column,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// What may be left out; begins with a word. Several in a row come in any order, each once.
    Optional(&'static [Piece]),
}

/// What a caller must be for a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    /// Anyone who is connected; the handler shows agents their own sessions only.
    Anyone,
    /// A reviewer, or the agent whose session it is.
    SessionOwner,
    /// A reviewer; the command is about one session.
    Reviewer,
    /// A reviewer; the command is about the process.
    Operator,
    /// A reviewer; the command is about no single session.
    AnyReviewer,
}

/// Type of a result column, as `pg_type.oid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// `text`
    Text,
    /// `int8`
    Int8,
    /// `jsonb`
    Jsonb,
    /// `timestamptz`
    Timestamp,
    /// `text[]`
    TextArray,
}

impl ColumnType {
    /// `pg_type.oid`.
    pub fn oid(self) -> u32 {
        match self {
            Self::Text => 25,
            Self::Int8 => 20,
            Self::Jsonb => 3802,
            Self::Timestamp => 1184,
            Self::TextArray => 1009,
        }
    }
}

/// A result column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Name.
    pub name: &'static str,
    /// Type.
    pub kind: ColumnType,
}

/// One command.
#[derive(Debug)]
pub struct Spec {
    /// Its form; the first two pieces are always words.
    pub pieces: &'static [Piece],
    /// Who may run it.
    pub privilege: Privilege,
    /// Its result columns; empty where it returns no rows.
    pub columns: &'static [Column],
    /// Command tag.
    pub tag: &'static str,
    /// What it does, one sentence for `SHOW PGDRAFT COMMANDS` and the documentation.
    pub about: &'static str,
    /// Runs it; privilege has been checked before.
    pub(crate) handler: Handler,
}

const fn column(name: &'static str, kind: ColumnType) -> Column {
    Column { name, kind }
}

const IN_SESSION: Piece =
    Piece::Optional(&[Piece::Word("IN"), Piece::Word("SESSION"), Piece::Session]);

const CASCADE: Piece = Piece::Optional(&[Piece::Word("CASCADE")]);
const FINGERPRINT: Piece = Piece::Optional(&[Piece::Word("FINGERPRINT"), Piece::Fingerprint]);
const OPERATION: Piece = Piece::Optional(&[Piece::Word("OPERATION"), Piece::Operation]);
const TABLE: Piece = Piece::Optional(&[Piece::Word("TABLE"), Piece::Table]);
const KIND: Piece = Piece::Optional(&[
    Piece::Word("KIND"),
    Piece::OneOf(&["ADDED", "MODIFIED", "REMOVED"]),
]);

const AS_SESSION: Piece = Piece::Optional(&[Piece::Word("AS"), Piece::Text("new session")]);

const TABLE_OF: Piece = Piece::Optional(&[Piece::Word("TABLE"), Piece::Table]);
const KEY_OF: Piece = Piece::Optional(&[Piece::Word("KEY"), Piece::Key]);
const COLUMN_OF: Piece = Piece::Optional(&[Piece::Word("COLUMN"), Piece::Column]);

/// Every command.
pub static COMMANDS: &[Spec] = &[
    Spec {
        pieces: &[Piece::Word("SHOW"), Piece::Word("SESSIONS")],
        privilege: Privilege::Anyone,
        columns: &[
            column("session", ColumnType::Text),
            column("agent", ColumnType::Text),
            column("state", ColumnType::Text),
            column("operations", ColumnType::Int8),
            column("tables", ColumnType::Int8),
            column("rows", ColumnType::Int8),
            column("created_at", ColumnType::Timestamp),
            column("ended_at", ColumnType::Timestamp),
            column("ended_by", ColumnType::Text),
        ],
        tag: "SHOW",
        about: "Lists the sessions: an agent sees its own, a reviewer all.",
        handler: handlers::show_sessions,
    },
    Spec {
        pieces: &[Piece::Word("SHOW"), Piece::Word("OPERATIONS"), IN_SESSION],
        privilege: Privilege::SessionOwner,
        columns: &[
            column("operation", ColumnType::Text),
            column("agent", ColumnType::Text),
            column("client_address", ColumnType::Text),
            column("started_at", ColumnType::Timestamp),
            column("duration_ms", ColumnType::Int8),
            column("state", ColumnType::Text),
            column("inserted", ColumnType::Int8),
            column("updated", ColumnType::Int8),
            column("deleted", ColumnType::Int8),
            column("tables", ColumnType::TextArray),
            column("statement", ColumnType::Text),
        ],
        tag: "SHOW",
        about: "Lists the operations of a session in their order.",
        handler: handlers::show_operations,
    },
    Spec {
        pieces: &[
            Piece::Word("SHOW"),
            Piece::Word("DIFF"),
            IN_SESSION,
            OPERATION,
            TABLE,
            KIND,
            Piece::Optional(&[Piece::Word("KEY"), Piece::Key]),
            Piece::Optional(&[Piece::Word("STEP"), Piece::Word("BY"), Piece::Word("STEP")]),
            Piece::Optional(&[Piece::Word("FULL")]),
            Piece::Optional(&[Piece::Word("LIMIT"), Piece::Rows]),
        ],
        privilege: Privilege::SessionOwner,
        columns: &[
            column("operation", ColumnType::Text),
            column("table", ColumnType::Text),
            column("diff_type", ColumnType::Text),
            column("primary_key", ColumnType::Jsonb),
            column("from", ColumnType::Jsonb),
            column("to", ColumnType::Jsonb),
            column("changed_columns", ColumnType::TextArray),
            column("fingerprint", ColumnType::Text),
        ],
        tag: "SHOW",
        about: "Shows every row that a session has added, modified or removed, before and after.",
        handler: handlers::show_diff,
    },
    Spec {
        pieces: &[
            Piece::Word("SHOW"),
            Piece::Word("DIFF"),
            IN_SESSION,
            OPERATION,
            TABLE,
            KIND,
            Piece::Word("SUMMARY"),
        ],
        privilege: Privilege::SessionOwner,
        columns: &[
            column("table", ColumnType::Text),
            column("diff_type", ColumnType::Text),
            column("what", ColumnType::Text),
            column("column", ColumnType::Text),
            column("from", ColumnType::Text),
            column("to", ColumnType::Text),
            column("difference", ColumnType::Text),
            column("rows", ColumnType::Int8),
            column("changes", ColumnType::Int8),
            column("primary_key", ColumnType::Jsonb),
            column("fingerprint", ColumnType::Text),
        ],
        tag: "SHOW",
        about: "Counts the rows of a diff and clusters their changes, outliers listed.",
        handler: handlers::show_summary,
    },
    Spec {
        pieces: &[Piece::Word("SHOW"), Piece::Word("DEPENDENCIES"), IN_SESSION],
        privilege: Privilege::SessionOwner,
        columns: &[
            column("operation", ColumnType::Text),
            column("depends_on", ColumnType::Text),
            column("kind", ColumnType::Text),
            column("table", ColumnType::Text),
            column("reason", ColumnType::Text),
        ],
        tag: "SHOW",
        about: "Shows which operations of a session need which, and why.",
        handler: handlers::show_dependencies,
    },
    Spec {
        pieces: &[
            Piece::Word("COMMIT"),
            Piece::Word("OPERATIONS"),
            Piece::Operations,
            Piece::Word("IN"),
            Piece::Word("SESSION"),
            Piece::Session,
            CASCADE,
            FINGERPRINT,
        ],
        privilege: Privilege::Reviewer,
        columns: &[],
        tag: "COMMIT OPERATIONS",
        about: "Applies some operations of a session to production; the session goes on with the others.",
        handler: handlers::commit_operations,
    },
    Spec {
        pieces: &[
            Piece::Word("DISCARD"),
            Piece::Word("OPERATIONS"),
            Piece::Operations,
            IN_SESSION,
            CASCADE,
            FINGERPRINT,
        ],
        privilege: Privilege::SessionOwner,
        columns: &[],
        tag: "DISCARD OPERATIONS",
        about: "Throws some operations of a session away; the session goes on with the others.",
        handler: handlers::discard_operations,
    },
    Spec {
        pieces: &[
            Piece::Word("COMMIT"),
            Piece::Word("SESSION"),
            Piece::Session,
            FINGERPRINT,
        ],
        privilege: Privilege::Reviewer,
        columns: &[],
        tag: "COMMIT SESSION",
        about: "Applies the whole draft of a session to production in one transaction.",
        handler: handlers::commit_session,
    },
    Spec {
        pieces: &[
            Piece::Word("DISCARD"),
            Piece::Word("SESSION"),
            Piece::Session,
        ],
        privilege: Privilege::SessionOwner,
        columns: &[],
        tag: "DISCARD SESSION",
        about: "Throws the draft of a session away.",
        handler: handlers::discard_session,
    },
    Spec {
        pieces: &[
            Piece::Word("PROPOSE"),
            Piece::Word("SESSION"),
            Piece::Session,
        ],
        privilege: Privilege::SessionOwner,
        columns: &[],
        tag: "PROPOSE SESSION",
        about: "Says that a session is done: it waits for review and takes no writes until it is reopened.",
        handler: changes::propose,
    },
    Spec {
        pieces: &[
            Piece::Word("REOPEN"),
            Piece::Word("SESSION"),
            Piece::Session,
        ],
        privilege: Privilege::SessionOwner,
        columns: &[],
        tag: "REOPEN SESSION",
        about: "Lets a proposed session take writes again.",
        handler: changes::reopen,
    },
    Spec {
        pieces: &[Piece::Word("SHOW"), Piece::Word("CONFLICTS"), IN_SESSION],
        privilege: Privilege::SessionOwner,
        columns: &[
            column("table", ColumnType::Text),
            column("primary_key", ColumnType::Jsonb),
            column("kind", ColumnType::Text),
            column("name", ColumnType::Text),
            column("base", ColumnType::Jsonb),
            column("ours", ColumnType::Jsonb),
            column("theirs", ColumnType::Jsonb),
            column("changed_by", ColumnType::Text),
            column("what", ColumnType::Text),
        ],
        tag: "SHOW",
        about: "Lists everything that production changed and that stops the commit, with the three values of each.",
        handler: changes::show_conflicts,
    },
    Spec {
        pieces: &[
            Piece::Word("RESOLVE"),
            Piece::Word("CONFLICT"),
            IN_SESSION,
            TABLE_OF,
            KEY_OF,
            COLUMN_OF,
            Piece::Word("TAKE"),
            Piece::OneOf(&["OURS", "THEIRS"]),
        ],
        privilege: Privilege::Reviewer,
        columns: &[],
        tag: "RESOLVE CONFLICT",
        about: "Settles conflicts, of all tables or of the one, the row, the column that is named, with the draft's values or production's.",
        handler: changes::resolve,
    },
    Spec {
        pieces: &[
            Piece::Word("RESOLVE"),
            Piece::Word("CONFLICT"),
            IN_SESSION,
            TABLE_OF,
            KEY_OF,
            COLUMN_OF,
            Piece::Word("TAKE"),
            Piece::Word("VALUE"),
            Piece::Text("value"),
        ],
        privilege: Privilege::Reviewer,
        columns: &[],
        tag: "RESOLVE CONFLICT",
        about: "Settles the conflict of a column with another value.",
        handler: changes::resolve,
    },
    Spec {
        pieces: &[
            Piece::Word("REBASE"),
            Piece::Word("SESSION"),
            Piece::Session,
        ],
        privilege: Privilege::SessionOwner,
        columns: &[
            column("table", ColumnType::Text),
            column("primary_key", ColumnType::Jsonb),
            column("column", ColumnType::Text),
            column("was", ColumnType::Jsonb),
            column("now", ColumnType::Jsonb),
            column("state", ColumnType::Text),
        ],
        tag: "REBASE SESSION",
        about: "Brings a draft onto today's rows and shows what production had changed; conflicts stay.",
        handler: changes::rebase,
    },
    Spec {
        pieces: &[
            Piece::Word("REHEARSE"),
            Piece::Word("SESSION"),
            Piece::Session,
        ],
        privilege: Privilege::Reviewer,
        columns: &[
            column("kind", ColumnType::Text),
            column("table", ColumnType::Text),
            column("primary_key", ColumnType::Jsonb),
            column("drafted", ColumnType::Jsonb),
            column("result", ColumnType::Jsonb),
            column("what", ColumnType::Text),
        ],
        tag: "REHEARSE SESSION",
        about: "Runs the commit and rolls it back: shows what it would do, what production itself would add, and what would stop it.",
        handler: changes::rehearse,
    },
    Spec {
        pieces: &[
            Piece::Word("REVERT"),
            Piece::Word("SESSION"),
            Piece::Session,
            AS_SESSION,
        ],
        privilege: Privilege::Reviewer,
        columns: &[],
        tag: "REVERT SESSION",
        about: "Makes a new session whose draft undoes a commit, to be reviewed and committed as any other.",
        handler: changes::revert,
    },
    Spec {
        pieces: &[
            Piece::Word("REVERT"),
            Piece::Word("OPERATION"),
            Piece::Operation,
            Piece::Word("IN"),
            Piece::Word("SESSION"),
            Piece::Session,
            AS_SESSION,
        ],
        privilege: Privilege::Reviewer,
        columns: &[],
        tag: "REVERT OPERATION",
        about: "The same for one operation of a committed session.",
        handler: changes::revert,
    },
    Spec {
        pieces: &[
            Piece::Word("REVERT"),
            Piece::Word("AGENT"),
            Piece::Text("agent"),
            Piece::Word("SINCE"),
            Piece::Text("time"),
            AS_SESSION,
        ],
        privilege: Privilege::AnyReviewer,
        columns: &[],
        tag: "REVERT AGENT",
        about: "The same for everything of an agent that was committed since a time.",
        handler: changes::revert,
    },
    Spec {
        pieces: &[
            Piece::Word("REWIND"),
            Piece::Word("SESSION"),
            Piece::Session,
            Piece::Word("TO"),
            Piece::Word("OPERATION"),
            Piece::Operation,
        ],
        privilege: Privilege::SessionOwner,
        columns: &[],
        tag: "REWIND SESSION",
        about: "Takes a session back to what it was after an operation; those after it are gone.",
        handler: changes::rewind,
    },
    Spec {
        pieces: &[
            Piece::Word("FORK"),
            Piece::Word("SESSION"),
            Piece::Session,
            Piece::Word("AS"),
            Piece::Text("new session"),
            Piece::Optional(&[
                Piece::Word("AT"),
                Piece::Word("OPERATION"),
                Piece::Operation,
            ]),
        ],
        privilege: Privilege::SessionOwner,
        columns: &[],
        tag: "FORK SESSION",
        about: "Copies a session to a new one, whole or as it was after an operation.",
        handler: changes::fork,
    },
    Spec {
        pieces: &[
            Piece::Word("SHOW"),
            Piece::Word("PGDRAFT"),
            Piece::Word("VERSION"),
        ],
        privilege: Privilege::Anyone,
        columns: &[column("pgdraft_version", ColumnType::Text)],
        tag: "SHOW",
        about: "Shows the version of pgdraft.",
        handler: handlers::show_version,
    },
    Spec {
        pieces: &[
            Piece::Word("SHOW"),
            Piece::Word("PGDRAFT"),
            Piece::Word("COMMANDS"),
        ],
        privilege: Privilege::Anyone,
        columns: &[
            column("command", ColumnType::Text),
            column("who", ColumnType::Text),
            column("about", ColumnType::Text),
        ],
        tag: "SHOW",
        about: "Lists the admin commands.",
        handler: handlers::show_commands,
    },
    Spec {
        pieces: &[Piece::Word("SHOW"), Piece::Word("POOLS")],
        privilege: Privilege::Operator,
        columns: &[
            column("database", ColumnType::Text),
            column("user", ColumnType::Text),
            column("cl_active", ColumnType::Int8),
            column("cl_waiting", ColumnType::Int8),
            column("sv_active", ColumnType::Int8),
            column("sv_idle", ColumnType::Int8),
            column("pool_size", ColumnType::Int8),
            column("pool_mode", ColumnType::Text),
            column("paused", ColumnType::Text),
        ],
        tag: "SHOW",
        about: "Shows how many clients of each agent hold or wait for server connections.",
        handler: process::show_pools,
    },
    Spec {
        pieces: &[Piece::Word("SHOW"), Piece::Word("CLIENTS")],
        privilege: Privilege::Operator,
        columns: &[
            column("type", ColumnType::Text),
            column("user", ColumnType::Text),
            column("database", ColumnType::Text),
            column("state", ColumnType::Text),
            column("addr", ColumnType::Text),
            column("port", ColumnType::Int8),
            column("connect_time", ColumnType::Timestamp),
            column("link", ColumnType::Int8),
            column("id", ColumnType::Int8),
            column("session", ColumnType::Text),
            column("statements", ColumnType::Int8),
        ],
        tag: "SHOW",
        about: "Lists the clients; link is the process id of the server connection that one holds.",
        handler: process::show_clients,
    },
    Spec {
        pieces: &[Piece::Word("SHOW"), Piece::Word("SERVERS")],
        privilege: Privilege::Operator,
        columns: &[
            column("type", ColumnType::Text),
            column("user", ColumnType::Text),
            column("database", ColumnType::Text),
            column("state", ColumnType::Text),
            column("remote_pid", ColumnType::Int8),
            column("age_s", ColumnType::Int8),
            column("link", ColumnType::Int8),
            column("prepared_statements", ColumnType::Int8),
        ],
        tag: "SHOW",
        about: "Lists the server connections; link is the client that has one, or had it last.",
        handler: process::show_servers,
    },
    Spec {
        pieces: &[Piece::Word("SHOW"), Piece::Word("STATS")],
        privilege: Privilege::Operator,
        columns: &[
            column("database", ColumnType::Text),
            column("total_query_count", ColumnType::Int8),
            column("total_received", ColumnType::Int8),
            column("total_sent", ColumnType::Int8),
            column("total_wait_time_us", ColumnType::Int8),
            column("cache_hits", ColumnType::Int8),
            column("cache_misses", ColumnType::Int8),
            column("errors", ColumnType::Int8),
        ],
        tag: "SHOW",
        about: "Shows what the process has done since its start.",
        handler: process::show_stats,
    },
    Spec {
        pieces: &[Piece::Word("SHOW"), Piece::Word("CONFIG")],
        privilege: Privilege::Operator,
        columns: &[
            column("key", ColumnType::Text),
            column("value", ColumnType::Text),
            column("default", ColumnType::Text),
            column("changeable", ColumnType::Text),
        ],
        tag: "SHOW",
        about: "Shows the configuration, without secrets, and what RELOAD can change.",
        handler: process::show_config,
    },
    Spec {
        pieces: &[Piece::Word("SHOW"), Piece::Word("MEM")],
        privilege: Privilege::Operator,
        columns: &[
            column("name", ColumnType::Text),
            column("bytes", ColumnType::Int8),
        ],
        tag: "SHOW",
        about: "Shows the memory of the process.",
        handler: process::show_mem,
    },
    Spec {
        pieces: &[Piece::Word("PAUSE")],
        privilege: Privilege::Operator,
        columns: &[],
        tag: "PAUSE",
        about: "Keeps clients from getting server connections; those that have one finish.",
        handler: process::pause,
    },
    Spec {
        pieces: &[Piece::Word("RESUME")],
        privilege: Privilege::Operator,
        columns: &[],
        tag: "RESUME",
        about: "Ends a PAUSE.",
        handler: process::resume,
    },
    Spec {
        pieces: &[Piece::Word("RELOAD")],
        privilege: Privilege::Operator,
        columns: &[],
        tag: "RELOAD",
        about: "Reads the configuration again, as SIGHUP does.",
        handler: process::reload,
    },
    Spec {
        pieces: &[Piece::Word("KILL"), Piece::Word("CLIENT"), Piece::Client],
        privilege: Privilege::Operator,
        columns: &[],
        tag: "KILL CLIENT",
        about: "Disconnects a client, named by its id in SHOW CLIENTS.",
        handler: process::kill,
    },
];

impl Spec {
    /// Its form in words, for example `SHOW OPERATIONS [IN SESSION 'name']`.
    pub fn usage(&self) -> String {
        usage(self.pieces)
    }

    /// The two words it begins with.
    pub(crate) fn leading_words(&self) -> (&'static str, &'static str) {
        let word = |i: usize| match self.pieces.get(i) {
            Some(Piece::Word(word)) => *word,
            _ => "",
        };
        (word(0), word(1))
    }

    /// Whether these tokens begin with its two words.
    pub(crate) fn leads_with(&self, tokens: &[Token]) -> bool {
        let (verb, object) = self.leading_words();
        [verb, object].iter().zip(tokens).all(
            |(word, token)| matches!(&token.kind, Kind::Word(w) if w.eq_ignore_ascii_case(word)),
        )
    }
}

fn usage(pieces: &[Piece]) -> String {
    let words: Vec<String> = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Word(word) => (*word).to_owned(),
            Piece::Session => "'name'".to_owned(),
            Piece::Table => "table".to_owned(),
            Piece::Operations => "'operation', …".to_owned(),
            Piece::Operation => "'operation'".to_owned(),
            Piece::Key => "('value', …)".to_owned(),
            Piece::Rows => "rows".to_owned(),
            Piece::Fingerprint => "'fingerprint'".to_owned(),
            Piece::Client => "'id'".to_owned(),
            Piece::Text(what) => format!("'{what}'"),
            Piece::Column => "column".to_owned(),
            Piece::OneOf(words) => words.join("|"),
            Piece::Optional(inner) => format!("[{}]", usage(inner)),
        })
        .collect();
    words.join(" ")
}
