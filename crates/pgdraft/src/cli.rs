//! The command line. Every flag has a variable `PGDRAFT_*`; the flags of `serve` have keys in the
//! configuration file as well (see [`crate::settings::keys`]).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use session::PoolMode;
use wire::tls::ClientAuth;

use crate::failure::EXIT_CODES;
use crate::review::Review;
use crate::settings::recording::RecordingFlags;
use crate::settings::values::{self, LogFormat, TlsMode, VerifierFile};

const EXAMPLES: &str = "\
Examples:
  pgdraft demo --keep                          try it, no database needed
  pgdraft init --upstream-url postgres://postgres@db/shop
                                               prepare a database, once
  pgdraft hash-password                        make a verifier for the configuration
  pgdraft serve --upstream-url postgres://postgres@db/shop
                                               stand between agents and that database
  pgdraft diff tidy-up                         see what a session has changed
  pgdraft commit tidy-up                       let it happen
  pgdraft revert tidy-up --as undo             make a session that takes it back";

/// A PostgreSQL proxy that keeps what agents write in drafts until a person commits them.
///
/// An agent connects to pgdraft as to any PostgreSQL. What it writes goes into the draft of its
/// session, what it reads is production plus its draft, and production stays as it is until a
/// reviewer commits the session.
#[derive(Debug, Parser)]
#[command(name = "pgdraft", version, max_term_width = 100)]
#[command(after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Prepare a database: the schema pgdraft and its roles
    ///
    /// Safe to run again: what is there already is left alone, and an older version is brought
    /// up to date. Nothing outside the schema pgdraft changes, except that the agents' role is
    /// given SELECT on the tables.
    #[command(after_help = "\
Examples:
  pgdraft init --upstream-url postgres://postgres@db/shop
  pgdraft init --upstream-url postgres://postgres@db/shop --dry-run > review.sql")]
    Init(Init),
    /// Remove everything that init and the drafts have put into a database
    ///
    /// Open drafts are lost. The tables, rows and grants of the database itself stay as they are.
    #[command(after_help = "\
Examples:
  pgdraft uninstall --upstream-url postgres://postgres@db/shop
  pgdraft uninstall --upstream-url postgres://postgres@db/shop --yes   without asking
  pgdraft uninstall --upstream-url postgres://postgres@db/shop --dry-run > review.sql")]
    Uninstall(Uninstall),
    /// Stand between agents and a database
    #[command(after_help = "\
Examples:
  pgdraft serve --upstream-url postgres://postgres@db/shop --agent bot=bot.verifier
  pgdraft serve --config /etc/pgdraft/pgdraft.toml
  pgdraft serve --embedded              with a private PostgreSQL, to try it

Precedence: flag, then PGDRAFT_* variable, then configuration file, then default.")]
    Serve(Box<ServeFlags>),
    /// Make a password verifier for the configuration
    ///
    /// Asks for the password on a terminal without showing it, or reads one line from standard
    /// input. Never from an argument: those can be seen by every user of the machine.
    #[command(after_help = "\
Examples:
  pgdraft hash-password
  printf '%s' \"$PASSWORD\" | pgdraft hash-password > bot.verifier")]
    HashPassword(HashPassword),
    /// Show the whole idea on a private PostgreSQL: a shop, a good agent and a bad one
    #[command(after_help = "\
Examples:
  pgdraft demo            the story, then everything is stopped and removed
  pgdraft demo --keep     leave it running and print the URLs to connect with")]
    Demo(Demo),
    /// Show what a session has changed, row by row
    #[command(after_help = "\
Examples:
  pgdraft diff tidy-up
  pgdraft diff tidy-up --table shop.stock --rows 20
  pgdraft diff tidy-up --summary              counts and clusters first, for large drafts
  pgdraft diff tidy-up --operation restock    what one operation did
  pgdraft diff tidy-up --table shop.stock --key 7 --steps
                                              the story of one row
  pgdraft diff tidy-up --json | jq '.rows[] | select(.diff_type == \"removed\")'")]
    Diff(Diff),
    #[command(flatten)]
    Review(Review),
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// `pgdraft config …`
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check the configuration without starting anything
    ///
    /// Takes the flags of serve, reads the file and says what would hold.
    Check(Box<ServeFlags>),
}

/// Where the configuration is.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ConfigFile {
    /// Configuration file, or none; config/pgdraft.toml is read where it exists
    #[arg(long, value_name = "FILE", env = "PGDRAFT_CONFIG")]
    pub(crate) config: Option<PathBuf>,
}

/// Which database, as its operator.
#[derive(Debug, Clone, Args)]
pub(crate) struct UpstreamFlag {
    /// The database: postgres://user:password@host:5432/database?sslmode=verify-full
    ///
    /// Put a password into PGDRAFT_UPSTREAM_URL or the configuration file: arguments can be seen
    /// by every user of the machine.
    #[arg(
        long,
        value_name = "URL",
        env = "PGDRAFT_UPSTREAM_URL",
        hide_env_values = true
    )]
    pub(crate) upstream_url: Option<String>,
    #[command(flatten)]
    pub(crate) config: ConfigFile,
}

/// `pgdraft init`
#[derive(Debug, Args)]
pub(crate) struct Init {
    #[command(flatten)]
    pub(crate) upstream: UpstreamFlag,
    /// Print the SQL instead of running it
    #[arg(long, env = "PGDRAFT_DRY_RUN")]
    pub(crate) dry_run: bool,
    /// Make an event trigger too, by which drafts give way to migrations that drop a type or a function
    /// in the transaction that ends its use; needs a superuser
    #[arg(long, env = "PGDRAFT_EVENT_TRIGGER")]
    pub(crate) event_trigger: bool,
}

/// `pgdraft uninstall`
#[derive(Debug, Args)]
pub(crate) struct Uninstall {
    #[command(flatten)]
    pub(crate) upstream: UpstreamFlag,
    /// Do not ask
    #[arg(long, env = "PGDRAFT_YES")]
    pub(crate) yes: bool,
    /// End the agents' connections instead of refusing while there are any
    #[arg(long, env = "PGDRAFT_FORCE")]
    pub(crate) force: bool,
    /// Print the SQL instead of running it
    #[arg(long, env = "PGDRAFT_DRY_RUN")]
    pub(crate) dry_run: bool,
}

/// `pgdraft hash-password`
#[derive(Debug, Args)]
pub(crate) struct HashPassword {
    /// Rounds of PBKDF2; more make guessing from a stolen verifier slower, and each login too
    #[arg(long, value_name = "N", default_value_t = 4096, env = "PGDRAFT_ITERATIONS",
          value_parser = clap::value_parser!(u32).range(4096..=1_000_000))]
    pub(crate) iterations: u32,
}

/// `pgdraft demo`
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Leave everything running and print the URLs to connect with
    #[arg(long, env = "PGDRAFT_KEEP")]
    pub(crate) keep: bool,
    /// Python with psycopg 3, for the scripted agent
    #[arg(
        long,
        value_name = "FILE",
        default_value = "python3",
        env = "PGDRAFT_PYTHON"
    )]
    pub(crate) python: PathBuf,
    /// Order lines in the shop
    #[arg(long, value_name = "N", default_value_t = 120_000, env = "PGDRAFT_ORDER_LINES",
          value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
    pub(crate) order_lines: u32,
    /// Where to listen; port 0 = any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0", env = "PGDRAFT_LISTEN",
          value_parser = values::address)]
    pub(crate) listen: SocketAddr,
    /// Folder with initdb, postgres and pg_ctl; looked for where none is given
    #[arg(long, value_name = "DIR", env = "PGDRAFT_EMBEDDED_PG_BIN")]
    pub(crate) pg_bin: Option<PathBuf>,
}

/// An operator's command.
#[derive(Debug, Args)]
pub(crate) struct Operator {
    #[command(flatten)]
    pub(crate) upstream: UpstreamFlag,
    /// As `serve` has it: whoever commits must merge alike
    #[arg(long, hide = true, env = "PGDRAFT_SESSIONS_HISTORY_MS", value_parser = values::long_milliseconds)]
    pub(crate) sessions_history_ms: Option<Duration>,
    /// As `serve` has it
    #[arg(long, hide = true, env = "PGDRAFT_MERGE_DELTA", value_delimiter = ',', num_args = 1..,
          value_parser = values::column_name)]
    pub(crate) merge_delta: Option<Vec<[String; 3]>>,
    /// Print JSON
    #[arg(long, env = "PGDRAFT_JSON")]
    pub(crate) json: bool,
}

/// An operator's command about one session.
#[derive(Debug, Args)]
pub(crate) struct OperatorSession {
    /// Name of the session
    #[arg(env = "PGDRAFT_SESSION")]
    pub(crate) session: String,
    #[command(flatten)]
    pub(crate) operator: Operator,
}

/// `pgdraft diff`
#[derive(Debug, Args)]
pub(crate) struct Diff {
    #[command(flatten)]
    pub(crate) session: OperatorSession,
    /// One table only: name, or schema.name
    #[arg(long, value_name = "TABLE", env = "PGDRAFT_TABLE")]
    pub(crate) table: Option<String>,
    /// What this operation did, not what is left of it in the end
    #[arg(long, value_name = "OPERATION", env = "PGDRAFT_OPERATION")]
    pub(crate) operation: Option<String>,
    /// Rows of this kind only
    #[arg(long, value_name = "KIND", env = "PGDRAFT_KIND")]
    pub(crate) kind: Option<Kind>,
    /// The row with this primary key; a composite key as VALUE,VALUE. Needs --table
    #[arg(
        long,
        value_name = "VALUE",
        value_delimiter = ',',
        requires = "table",
        env = "PGDRAFT_KEY"
    )]
    pub(crate) key: Vec<String>,
    /// What each operation did, one after the other
    #[arg(long, env = "PGDRAFT_STEPS")]
    pub(crate) steps: bool,
    /// Count the rows and cluster their changes instead of listing them
    #[arg(long, env = "PGDRAFT_SUMMARY", conflicts_with_all = ["key", "steps", "limit", "full"])]
    pub(crate) summary: bool,
    /// Long values too are given whole by --json
    #[arg(long, env = "PGDRAFT_FULL")]
    pub(crate) full: bool,
    /// Ask for at most so many rows
    #[arg(long, value_name = "N", env = "PGDRAFT_LIMIT")]
    pub(crate) limit: Option<u32>,
    /// Show at most so many rows of each table; --json always has them all
    #[arg(long, value_name = "N", env = "PGDRAFT_ROWS")]
    pub(crate) rows: Option<usize>,
}

/// What happened to a row.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Kind {
    /// The draft made it.
    Added,
    /// The draft changed it.
    Modified,
    /// The draft removed it.
    Removed,
}

/// The private PostgreSQL.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct EmbeddedFlags {
    /// Start a private PostgreSQL from the installed binaries [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
          require_equals = true, env = "PGDRAFT_EMBEDDED_ENABLED")]
    pub(crate) embedded: Option<bool>,
    /// Its folder [default: pgdraft/embedded in the user's state folder]
    #[arg(
        long = "data-dir",
        value_name = "DIR",
        env = "PGDRAFT_EMBEDDED_DATA_DIR"
    )]
    pub(crate) data_dir: Option<PathBuf>,
    /// Folder with initdb, postgres and pg_ctl [default: looked for]
    #[arg(long = "pg-bin", value_name = "DIR", env = "PGDRAFT_EMBEDDED_PG_BIN")]
    pub(crate) pg_bin: Option<PathBuf>,
    /// Its port; 0 = any free one [default: 0]
    #[arg(id = "embedded_port", long = "embedded-port", value_name = "PORT",
          env = "PGDRAFT_EMBEDDED_PORT", value_parser = values::port)]
    pub(crate) port: Option<u16>,
}

/// Log lines.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct LogFlags {
    /// Form of log lines: text or json [default: text]
    #[arg(long, value_name = "FORMAT", env = "PGDRAFT_LOG_FORMAT", value_parser = values::log_format)]
    pub(crate) log_format: Option<LogFormat>,
    /// Least level of log lines: error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL", env = "PGDRAFT_LOG_LEVEL", value_parser = values::log_level)]
    pub(crate) log_level: Option<tracing::Level>,
    /// OpenTelemetry collector that takes traces of statements by OTLP over HTTP, for example http://127.0.0.1:4318; needs a build with the feature otel
    #[arg(long, value_name = "URL", env = "PGDRAFT_OTLP_ENDPOINT", value_parser = values::otlp_endpoint)]
    pub(crate) otlp_endpoint: Option<String>,
}

/// `pgdraft serve`
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ServeFlags {
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// The database: postgres://user:password@host:5432/database?sslmode=verify-full
    ///
    /// Put a password into PGDRAFT_UPSTREAM_URL or the configuration file: arguments can be seen
    /// by every user of the machine.
    #[arg(
        long,
        value_name = "URL",
        env = "PGDRAFT_UPSTREAM_URL",
        hide_env_values = true
    )]
    pub(crate) upstream_url: Option<String>,
    /// Where clients connect [default: 127.0.0.1:6432]
    #[arg(long, value_name = "ADDRESS", env = "PGDRAFT_LISTEN", value_parser = values::address)]
    pub(crate) listen: Option<SocketAddr>,
    /// An agent and the file with its verifier; instead of those of the configuration file
    #[arg(long = "agent", value_name = "NAME=FILE", env = "PGDRAFT_AGENTS", value_delimiter = ',',
          value_parser = values::verifier_file)]
    pub(crate) agents: Vec<VerifierFile>,
    /// A reviewer and the file with its verifier; instead of those of the configuration file
    #[arg(long = "reviewer", value_name = "NAME=FILE", env = "PGDRAFT_REVIEWERS", value_delimiter = ',',
          value_parser = values::verifier_file)]
    pub(crate) reviewers: Vec<VerifierFile>,
    /// TLS towards clients: off, allow or require [default: off]
    #[arg(long, value_name = "MODE", env = "PGDRAFT_TLS", value_parser = values::tls_mode)]
    pub(crate) tls: Option<TlsMode>,
    /// PEM file with the certificate chain
    #[arg(long, value_name = "FILE", env = "PGDRAFT_TLS_CERT")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// PEM file with the private key
    #[arg(long, value_name = "FILE", env = "PGDRAFT_TLS_KEY")]
    pub(crate) tls_key: Option<PathBuf>,
    /// PEM file with the authorities of client certificates
    #[arg(long, value_name = "FILE", env = "PGDRAFT_TLS_CLIENT_CA", value_parser = values::path)]
    pub(crate) tls_client_ca: Option<PathBuf>,
    /// What a client certificate is good for: off, verify-ca, verify-full or cert [default: verify-full with --tls-client-ca]
    #[arg(long, value_name = "MODE", env = "PGDRAFT_TLS_CLIENT_AUTH", value_parser = values::client_auth)]
    pub(crate) tls_client_auth: Option<ClientAuth>,
    /// Listen beyond loopback without TLS: rows travel in clear text [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
          require_equals = true, env = "PGDRAFT_INSECURE_NO_TLS")]
    pub(crate) insecure_no_tls: Option<bool>,
    /// Let several processes listen on the same address [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
          require_equals = true, env = "PGDRAFT_REUSE_PORT")]
    pub(crate) reuse_port: Option<bool>,
    /// Most clients at the same time [default: 200]
    #[arg(long, value_name = "N", env = "PGDRAFT_CONNECTIONS_MAX", value_parser = values::connections)]
    pub(crate) connections_max: Option<usize>,
    /// Longest statement, in bytes [default: 16777216]
    #[arg(long, value_name = "BYTES", env = "PGDRAFT_MESSAGE_BYTES_MAX", value_parser = values::message_bytes)]
    pub(crate) message_bytes_max: Option<usize>,
    /// Time for a client's startup, TLS and password [default: 30000]
    #[arg(long, value_name = "MS", env = "PGDRAFT_AUTHENTICATION_TIMEOUT_MS", value_parser = values::milliseconds)]
    pub(crate) authentication_timeout_ms: Option<Duration>,
    /// Time between looks at production's schema [default: 2000]
    #[arg(long, value_name = "MS", env = "PGDRAFT_CATALOG_POLL_MS", value_parser = values::milliseconds)]
    pub(crate) catalog_poll_ms: Option<Duration>,
    /// When a session that nobody goes on with expires; 0 = never [default: 0]
    #[arg(long, value_name = "MS", env = "PGDRAFT_SESSIONS_TTL_MS", value_parser = values::long_milliseconds)]
    pub(crate) sessions_ttl_ms: Option<Duration>,
    /// Time between looks at what ended sessions have left [default: 5000]
    #[arg(long, value_name = "MS", env = "PGDRAFT_SESSIONS_CLEAN_MS", value_parser = values::milliseconds)]
    pub(crate) sessions_clean_ms: Option<Duration>,
    /// Columns that tell the rows of tables without a key apart: schema.table.column [default: none]
    #[arg(long, value_name = "COLUMNS", env = "PGDRAFT_TABLES_KEY", value_delimiter = ',',
          num_args = 1.., value_parser = values::column_name)]
    pub(crate) tables_key: Option<Vec<[String; 3]>>,
    /// BEFORE triggers that run in drafts: schema.table.trigger, each part may be * [default: none]
    #[arg(long, value_name = "TRIGGERS", env = "PGDRAFT_TRIGGERS_DRAFT", value_delimiter = ',',
          num_args = 1.., value_parser = values::trigger_name)]
    pub(crate) triggers_draft: Option<Vec<[String; 3]>>,
    /// How long committed rows are kept, to undo a commit from [default: 604800000, 7 days]
    #[arg(long, value_name = "MS", env = "PGDRAFT_SESSIONS_HISTORY_MS", value_parser = values::long_milliseconds)]
    pub(crate) sessions_history_ms: Option<Duration>,
    /// Counters, whose changes add up when a draft is merged: schema.table.column [default: none]
    #[arg(long, value_name = "COLUMNS", env = "PGDRAFT_MERGE_DELTA", value_delimiter = ',',
          num_args = 1.., value_parser = values::column_name)]
    pub(crate) merge_delta: Option<Vec<[String; 3]>>,
    #[command(flatten)]
    pub(crate) recording: RecordingFlags,
    /// How long a start waits for a database that is not there yet, 0 for not at all [default: 0]
    #[arg(long, value_name = "MS", env = "PGDRAFT_UPSTREAM_WAIT_MS", value_parser = values::long_milliseconds)]
    pub(crate) upstream_wait_ms: Option<Duration>,
    /// How long a shutdown waits for transactions to end [default: 10000]
    #[arg(long, value_name = "MS", env = "PGDRAFT_DRAIN_TIMEOUT_MS", value_parser = values::milliseconds)]
    pub(crate) drain_timeout_ms: Option<Duration>,
    /// Threads; 0 = one a core [default: 0]
    #[arg(long, value_name = "N", env = "PGDRAFT_WORKER_THREADS", value_parser = values::threads)]
    pub(crate) worker_threads: Option<usize>,
    /// Where /metrics, /healthz and /readyz are served, or off [default: 127.0.0.1:6433]
    #[arg(long, value_name = "ADDRESS", env = "PGDRAFT_METRICS_LISTEN", value_parser = values::address_or_off)]
    pub(crate) metrics_listen: Option<MaybeAddress>,
    /// Functions that agents may call besides the safe ones: name or schema.name [default: none]
    #[arg(long, value_name = "NAMES", env = "PGDRAFT_FUNCTIONS_ALLOW", value_delimiter = ',',
          num_args = 1.., value_parser = values::function_name)]
    pub(crate) functions_allow: Option<Vec<String>>,
    #[command(flatten)]
    pub(crate) log: LogFlags,
    #[command(flatten)]
    pub(crate) pool: PoolFlags,
    #[command(flatten)]
    pub(crate) limits: LimitFlags,
    #[command(flatten)]
    pub(crate) embedded: EmbeddedFlags,
}

/// Bounds of one client.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct LimitFlags {
    /// Idle time after which a peer is asked whether it is still there, 0 for never [default: 60000]
    #[arg(long, value_name = "MS", env = "PGDRAFT_TCP_KEEPIDLE_MS", value_parser = values::long_milliseconds)]
    pub(crate) tcp_keepidle_ms: Option<Duration>,
    /// Time between such questions [default: 10000]
    #[arg(long, value_name = "MS", env = "PGDRAFT_TCP_KEEPINTVL_MS", value_parser = values::milliseconds)]
    pub(crate) tcp_keepintvl_ms: Option<Duration>,
    /// Such questions without an answer after which the connection is lost [default: 6]
    #[arg(long, value_name = "N", env = "PGDRAFT_TCP_KEEPCNT", value_parser = values::keepalive_count)]
    pub(crate) tcp_keepcnt: Option<u32>,
    /// How long sent bytes may stay without acknowledgement before the connection is lost, 0 for the system's own time [default: 0]
    #[arg(long, value_name = "MS", env = "PGDRAFT_TCP_USER_TIMEOUT_MS", value_parser = values::long_milliseconds)]
    pub(crate) tcp_user_timeout_ms: Option<Duration>,
    /// Longest time that a client does nothing, 0 for no limit [default: 0]
    #[arg(long, value_name = "MS", env = "PGDRAFT_CLIENT_IDLE_TIMEOUT_MS", value_parser = values::long_milliseconds)]
    pub(crate) client_idle_timeout_ms: Option<Duration>,
    /// Longest time that a client leaves a transaction open without a statement, 0 for no limit [default: 0]
    #[arg(long, value_name = "MS", env = "PGDRAFT_IDLE_TRANSACTION_TIMEOUT_MS", value_parser = values::long_milliseconds)]
    pub(crate) idle_transaction_timeout_ms: Option<Duration>,
    /// Most clients of one agent at a time, 0 for no limit [default: 0]
    #[arg(long = "limits-connections-per-agent", value_name = "N", env = "PGDRAFT_LIMITS_CONNECTIONS_PER_AGENT", value_parser = values::connections_or_none)]
    pub(crate) connections_per_agent: Option<usize>,
    /// Most open sessions of one agent, 0 for no limit [default: 0]
    #[arg(long = "limits-sessions-per-agent", value_name = "N", env = "PGDRAFT_LIMITS_SESSIONS_PER_AGENT", value_parser = values::count)]
    pub(crate) sessions_per_agent: Option<u64>,
    /// Most bytes of the open drafts of one agent, 0 for no limit [default: 0]
    #[arg(long = "limits-bytes-per-agent", value_name = "BYTES", env = "PGDRAFT_LIMITS_BYTES_PER_AGENT", value_parser = values::count)]
    pub(crate) bytes_per_agent: Option<u64>,
    /// Most rows that one session changes, 0 for no limit [default: 0]
    #[arg(long = "limits-changes-per-session", value_name = "N", env = "PGDRAFT_LIMITS_CHANGES_PER_SESSION", value_parser = values::count)]
    pub(crate) changes_per_session: Option<u64>,
    /// Most rows that one statement returns, 0 for no limit [default: 0]
    #[arg(long = "limits-rows-per-statement", value_name = "N", env = "PGDRAFT_LIMITS_ROWS_PER_STATEMENT", value_parser = values::count)]
    pub(crate) rows_per_statement: Option<u64>,
    /// Longest time of one statement, 0 for no limit [default: 0]
    #[arg(long = "limits-statement-timeout-ms", value_name = "MS", env = "PGDRAFT_LIMITS_STATEMENT_TIMEOUT_MS", value_parser = values::long_milliseconds)]
    pub(crate) statement_timeout_ms: Option<Duration>,
    /// Longest wait for another connection of the same session that has written in an open transaction, 0 for no limit [default: 60000]
    #[arg(long = "limits-writer-wait-ms", value_name = "MS", env = "PGDRAFT_LIMITS_WRITER_WAIT_MS", value_parser = values::long_milliseconds)]
    pub(crate) writer_wait_ms: Option<Duration>,
    /// Most bytes kept for one connection [default: 268435456]
    #[arg(long = "limits-connection-bytes", value_name = "BYTES", env = "PGDRAFT_LIMITS_CONNECTION_BYTES", value_parser = values::connection_bytes)]
    pub(crate) connection_bytes: Option<usize>,
}

/// How server connections are shared.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PoolFlags {
    /// When a client holds a server connection: session or transaction [default: session]
    #[arg(long, value_name = "MODE", env = "PGDRAFT_POOL_MODE", value_parser = values::pool_mode)]
    pub(crate) pool_mode: Option<PoolMode>,
    /// Most server connections in all [default: 200]
    #[arg(long, value_name = "N", env = "PGDRAFT_POOL_SIZE", value_parser = values::connections)]
    pub(crate) pool_size: Option<usize>,
    /// Most server connections of one agent at a time, 0 for no limit [default: 0]
    #[arg(long, value_name = "N", env = "PGDRAFT_POOL_SIZE_PER_AGENT", value_parser = values::connections_or_none)]
    pub(crate) pool_size_per_agent: Option<usize>,
    /// Longest wait for a server connection [default: 30000]
    #[arg(long, value_name = "MS", env = "PGDRAFT_POOL_WAIT_TIMEOUT_MS", value_parser = values::milliseconds)]
    pub(crate) pool_wait_timeout_ms: Option<Duration>,
    /// Age at which an idle server connection is closed [default: 3600000]
    #[arg(long, value_name = "MS", env = "PGDRAFT_SERVER_LIFETIME_MS", value_parser = values::milliseconds)]
    pub(crate) server_lifetime_ms: Option<Duration>,
    /// Idle time after which a server connection is closed [default: 600000]
    #[arg(long, value_name = "MS", env = "PGDRAFT_SERVER_IDLE_TIMEOUT_MS", value_parser = values::milliseconds)]
    pub(crate) server_idle_timeout_ms: Option<Duration>,
    /// Idle time after which the server is asked whether it still answers [default: 30000]
    #[arg(long, value_name = "MS", env = "PGDRAFT_SERVER_CHECK_MS", value_parser = values::milliseconds)]
    pub(crate) server_check_ms: Option<Duration>,
    /// Most prepared statements kept on one server connection in transaction mode [default: 500]
    #[arg(long, value_name = "N", env = "PGDRAFT_SERVER_STATEMENTS_MAX", value_parser = values::statements)]
    pub(crate) server_statements_max: Option<usize>,
    /// Times that a text comes as a simple query over a draft until it is kept prepared, 0 = never [default: 2]
    #[arg(long, value_name = "N", env = "PGDRAFT_PREPARE_AFTER", value_parser = values::times)]
    pub(crate) prepare_after: Option<u32>,
}

/// An address, or off. An alias, so that clap does not take the inner `Option` for its own.
pub(crate) type MaybeAddress = Option<SocketAddr>;

impl ServeFlags {
    /// No flag, and no file either: every setting has its default.
    pub(crate) fn without_file() -> Self {
        Self {
            config: ConfigFile {
                config: Some(PathBuf::from("none")),
            },
            ..Self::default()
        }
    }
}
