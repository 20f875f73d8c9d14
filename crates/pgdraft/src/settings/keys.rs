//! Every key of the configuration file: what it is, what is expected, what holds without it.
//!
//! The flag `--listen`, the variable `PGDRAFT_LISTEN` and the key `listen` are one setting; a key
//! of a section, `embedded.port`, is `--embedded-port` and `PGDRAFT_EMBEDDED_PORT`.

/// TOML type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A string.
    Text,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// An array of strings.
    TextArray,
}

/// One key.
#[derive(Debug)]
pub(crate) struct Key {
    /// As in the file, section first: `embedded.port`.
    pub(crate) name: &'static str,
    /// TOML type.
    pub(crate) kind: Kind,
    /// What holds without it, as it would stand in the file; empty = nothing is set.
    pub(crate) default: &'static str,
    /// What is expected, as the hint of an error.
    pub(crate) expected: &'static str,
}

impl Key {
    /// What is expected, and what holds without the key: the hint of an error.
    pub(crate) fn hint(&self) -> String {
        if self.default.is_empty() {
            return self.expected.to_owned();
        }
        format!("{}; the default is {}", self.expected, self.default)
    }
}

const fn key(name: &'static str, kind: Kind, default: &'static str, expected: &'static str) -> Key {
    Key {
        name,
        kind,
        default,
        expected,
    }
}

const ADDRESS: &str = "expected an address with a port, such as \"127.0.0.1:6432\"";
const LONG_MILLISECONDS: &str = "expected milliseconds, 0 to 316224000000";
const COUNT: &str = "expected a number, 0 to 1000000000000; 0 = no limit";
const TIMEOUT: &str = "expected milliseconds, 0 to 316224000000; 0 = no limit";
const MILLISECONDS: &str = "expected milliseconds, 1 to 86400000";

/// Every key, in the order of the file.
pub(crate) static KEYS: &[Key] = &[
    key("listen", Kind::Text, "\"127.0.0.1:6432\"", ADDRESS),
    key(
        "upstream_url",
        Kind::Text,
        "",
        "expected a URL such as \"postgres://user:password@host:5432/database?sslmode=verify-full\"",
    ),
    key(
        "tls",
        Kind::Text,
        "\"off\"",
        "expected \"off\", \"allow\" or \"require\"",
    ),
    key(
        "tls_cert",
        Kind::Text,
        "",
        "expected the path of a PEM file with the certificate chain",
    ),
    key(
        "tls_key",
        Kind::Text,
        "",
        "expected the path of a PEM file with the private key",
    ),
    key(
        "tls_client_ca",
        Kind::Text,
        "",
        "expected the path of a PEM file with the authorities of client certificates",
    ),
    key(
        "tls_client_auth",
        Kind::Text,
        "",
        "expected \"off\", \"verify-ca\", \"verify-full\" or \"cert\"",
    ),
    key(
        "insecure_no_tls",
        Kind::Boolean,
        "false",
        "expected true or false",
    ),
    key(
        "reuse_port",
        Kind::Boolean,
        "false",
        "expected true or false",
    ),
    key(
        "connections_max",
        Kind::Integer,
        "200",
        "expected a number of connections, 1 to 100000",
    ),
    key(
        "message_bytes_max",
        Kind::Integer,
        "16777216",
        "expected a number of bytes, 65536 to 1073741824",
    ),
    key(
        "authentication_timeout_ms",
        Kind::Integer,
        "30000",
        MILLISECONDS,
    ),
    key(
        "pool_mode",
        Kind::Text,
        "\"session\"",
        "expected \"session\" or \"transaction\"",
    ),
    key(
        "pool_size",
        Kind::Integer,
        "200",
        "expected a number of connections, 1 to 100000",
    ),
    key(
        "pool_size_per_agent",
        Kind::Integer,
        "0",
        "expected a number of connections, 0 to 100000; 0 = no limit of its own",
    ),
    key("pool_wait_timeout_ms", Kind::Integer, "30000", MILLISECONDS),
    key("server_lifetime_ms", Kind::Integer, "3600000", MILLISECONDS),
    key(
        "server_idle_timeout_ms",
        Kind::Integer,
        "600000",
        MILLISECONDS,
    ),
    key("server_check_ms", Kind::Integer, "30000", MILLISECONDS),
    key(
        "server_statements_max",
        Kind::Integer,
        "500",
        "expected a number of statements, 1 to 100000",
    ),
    key(
        "prepare_after",
        Kind::Integer,
        "2",
        "expected a number of times, 0 to 1000000",
    ),
    key("catalog_poll_ms", Kind::Integer, "2000", MILLISECONDS),
    key("upstream_wait_ms", Kind::Integer, "0", TIMEOUT),
    key("drain_timeout_ms", Kind::Integer, "10000", MILLISECONDS),
    key(
        "worker_threads",
        Kind::Integer,
        "0",
        "expected a number of threads, 0 to 256; 0 = one a core",
    ),
    key(
        "metrics_listen",
        Kind::Text,
        "\"127.0.0.1:6433\"",
        "expected an address with a port, such as \"127.0.0.1:6433\", or \"off\"",
    ),
    key(
        "log_format",
        Kind::Text,
        "\"text\"",
        "expected \"text\" or \"json\"",
    ),
    key(
        "log_level",
        Kind::Text,
        "\"info\"",
        "expected \"error\", \"warn\", \"info\", \"debug\" or \"trace\"",
    ),
    key(
        "otlp_endpoint",
        Kind::Text,
        "\"\"",
        "expected a URL such as \"http://127.0.0.1:4318\", in a build with the feature otel",
    ),
    key(
        "functions.allow",
        Kind::TextArray,
        "[]",
        "expected names of functions, such as [\"slugify\", \"app.total\"]",
    ),
    key(
        "tcp_keepidle_ms",
        Kind::Integer,
        "60000",
        "expected milliseconds, 0 to 316224000000; 0 = never",
    ),
    key("tcp_keepintvl_ms", Kind::Integer, "10000", MILLISECONDS),
    key(
        "tcp_keepcnt",
        Kind::Integer,
        "6",
        "expected a number of questions, 1 to 127",
    ),
    key("tcp_user_timeout_ms", Kind::Integer, "0", TIMEOUT),
    key("client_idle_timeout_ms", Kind::Integer, "0", TIMEOUT),
    key("idle_transaction_timeout_ms", Kind::Integer, "0", TIMEOUT),
    key("limits.connections_per_agent", Kind::Integer, "0", COUNT),
    key("limits.sessions_per_agent", Kind::Integer, "0", COUNT),
    key("limits.bytes_per_agent", Kind::Integer, "0", COUNT),
    key("limits.changes_per_session", Kind::Integer, "0", COUNT),
    key("limits.rows_per_statement", Kind::Integer, "0", COUNT),
    key("limits.statement_timeout_ms", Kind::Integer, "0", TIMEOUT),
    key("limits.writer_wait_ms", Kind::Integer, "60000", TIMEOUT),
    key(
        "limits.connection_bytes",
        Kind::Integer,
        "268435456",
        "expected a number of bytes, 1048576 to 1099511627776",
    ),
    key("sessions.ttl_ms", Kind::Integer, "0", LONG_MILLISECONDS),
    key(
        "sessions.history_ms",
        Kind::Integer,
        "604800000",
        LONG_MILLISECONDS,
    ),
    key("sessions.clean_ms", Kind::Integer, "5000", MILLISECONDS),
    key(
        "operations.reuse",
        Kind::Text,
        "\"suffix\"",
        "expected \"suffix\" or \"refuse\"",
    ),
    key(
        "operations.parameters",
        Kind::Text,
        "\"redacted\"",
        "expected \"redacted\", \"encrypted\" or \"full\"",
    ),
    key(
        "operations.key",
        Kind::Text,
        "",
        "expected 64 hexadecimal digits",
    ),
    key(
        "tables.key",
        Kind::TextArray,
        "[]",
        "expected columns, such as [\"public.readings.sensor\", \"public.readings.at\"]",
    ),
    key(
        "triggers.draft",
        Kind::TextArray,
        "[]",
        "expected triggers, such as [\"public.articles.set_slug\", \"*.*.set_updated_at\"]",
    ),
    key(
        "operations.reads",
        Kind::TextArray,
        "[]",
        "expected names of agents, such as [\"bot\"], or [\"*\"]",
    ),
    key(
        "merge.delta",
        Kind::TextArray,
        "[]",
        "expected columns, such as [\"public.stock.quantity\"]",
    ),
    key(
        "embedded.enabled",
        Kind::Boolean,
        "false",
        "expected true or false",
    ),
    key(
        "embedded.data_dir",
        Kind::Text,
        "",
        "expected the path of a folder",
    ),
    key(
        "embedded.pg_bin",
        Kind::Text,
        "",
        "expected the folder that holds initdb, postgres and pg_ctl",
    ),
    key(
        "embedded.port",
        Kind::Integer,
        "0",
        "expected a port, 0 to 65535; 0 = any free one",
    ),
];

/// The key of that name.
pub(crate) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|k| k.name == name)
}

/// The name nearest to a misspelt one, if it is near at all.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (word.len() / 3).clamp(1, 4);
    known
        .into_iter()
        .map(|k| (console::edits(word, k), k))
        .filter(|(d, k)| *d <= allowed || k.starts_with(word) || word.starts_with(k))
        .min_by_key(|(d, _)| *d)
        .map(|(_, k)| k)
}
