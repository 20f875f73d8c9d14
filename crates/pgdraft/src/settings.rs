//! What `serve` runs with. A flag goes before the environment, that before the file, that before
//! the default; flags and environment are clap's, the rest is here.

mod document;
pub(crate) mod keys;
mod limits;
pub(crate) mod recording;
pub(crate) mod values;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use session::{Limits, PoolSettings};
use wire::keepalive::Keepalive;
use wire::startup::Verifier;
use wire::tls::ClientAuth;

pub(crate) use document::ConfigError;
use document::{Document, Found};
use recording::RecordingSettings;
use values::{LogFormat, TlsMode, VerifierFile};

use crate::cli::{ConfigFile, LogFlags, Operator, PoolFlags, ServeFlags};

/// The file that is read where it exists and no other is named.
pub(crate) const DEFAULT_FILE: &str = "config/pgdraft.toml";

/// A text that may hold a password: no `Display`, and `Debug` says nothing.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// Takes it over.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that needs it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Somebody who may connect.
#[derive(Clone)]
pub(crate) struct Member {
    /// Name.
    pub(crate) name: String,
    /// What its password is checked against.
    pub(crate) verifier: Verifier,
}

/// TLS towards clients.
#[derive(Debug, Clone)]
pub(crate) struct TlsSettings {
    /// Whether.
    pub(crate) mode: TlsMode,
    /// Certificate chain and key; both set unless the mode is off.
    pub(crate) files: Option<(PathBuf, PathBuf)>,
    /// Authorities of client certificates.
    pub(crate) client_ca: Option<PathBuf>,
    /// What client certificates are good for.
    pub(crate) client_auth: ClientAuth,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogSettings {
    /// Form.
    pub(crate) format: LogFormat,
    /// Least level that is written.
    pub(crate) level: tracing::Level,
}

/// The private PostgreSQL.
#[derive(Debug, Clone, Default)]
pub(crate) struct EmbeddedSettings {
    /// Start one.
    pub(crate) enabled: bool,
    /// Its folder.
    pub(crate) data_dir: Option<PathBuf>,
    /// Where the binaries are.
    pub(crate) pg_bin: Option<PathBuf>,
    /// Its port; 0 = any free one.
    pub(crate) port: u16,
}

/// How drafts merge.
#[derive(Debug, Clone)]
pub(crate) struct MergeSettings {
    /// How long the rows of committed ones are kept.
    pub(crate) history: Duration,
    /// Columns that merge as differences: schema, table, column.
    pub(crate) delta: Vec<[String; 3]>,
}

/// The life of sessions and how they merge.
#[derive(Debug, Clone)]
pub(crate) struct SessionSettings {
    /// When one that nobody goes on with expires; `None` = never.
    pub(crate) ttl: Option<Duration>,
    /// How they merge.
    pub(crate) merge: MergeSettings,
    /// Between looks at what can be removed.
    pub(crate) clean: Duration,
    /// Columns that tell the rows of tables without a key apart: schema, table, column.
    pub(crate) keys: Vec<[String; 3]>,
    /// BEFORE triggers that run in drafts: schema, table, trigger, each of which may be `*`.
    pub(crate) triggers: Vec<[String; 3]>,
}

/// Everything `serve` runs with.
pub(crate) struct Settings {
    /// The file that was read.
    pub(crate) file: Option<PathBuf>,
    /// Where clients connect.
    pub(crate) listen: SocketAddr,
    /// The database.
    pub(crate) upstream_url: Option<Secret>,
    /// TLS towards clients.
    pub(crate) tls: TlsSettings,
    /// Clear text on a network is accepted.
    pub(crate) insecure_no_tls: bool,
    /// Several processes may listen on the address.
    pub(crate) reuse_port: bool,
    /// Most clients at the same time.
    pub(crate) connections_max: usize,
    /// Bounds of one client.
    pub(crate) limits: Limits,
    /// How long a peer may be gone without a word.
    pub(crate) keepalive: Keepalive,
    /// Most live sessions of one agent; 0 = no bound.
    pub(crate) sessions_per_agent: u64,
    /// Most bytes of one agent's live drafts; 0 = no bound.
    pub(crate) bytes_per_agent: u64,
    /// Time for startup, TLS and password together.
    pub(crate) authentication_timeout: Duration,
    /// Between looks at production's schema.
    pub(crate) catalog_poll: Duration,
    /// The life of sessions and how they merge.
    pub(crate) sessions: SessionSettings,
    /// What is recorded of operations.
    pub(crate) recording: RecordingSettings,
    /// How long a start waits for a database that is not there yet.
    pub(crate) upstream_wait: Duration,
    /// How long a shutdown waits for transactions.
    pub(crate) drain_timeout: Duration,
    /// Threads; 0 = one a core.
    pub(crate) worker_threads: usize,
    /// Where metrics are served.
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// Log lines.
    pub(crate) log: LogSettings,
    /// Where traces are sent; empty for nowhere.
    pub(crate) otlp_endpoint: String,
    /// Functions that agents may call besides the safe ones.
    pub(crate) functions_allow: Vec<String>,
    /// Agents.
    pub(crate) agents: Vec<Member>,
    /// Reviewers.
    pub(crate) reviewers: Vec<Member>,
    /// How server connections are shared.
    pub(crate) pool: PoolSettings,
    /// The private PostgreSQL.
    pub(crate) embedded: EmbeddedSettings,
}

type Result<T> = std::result::Result<T, Box<ConfigError>>;

fn functions(flags: &ServeFlags, d: &mut Document<'_>) -> Result<Vec<String>> {
    let from_file = d.read_array("functions.allow", values::function_name)?;
    let named = flags.functions_allow.clone().or(from_file);
    Ok(named.unwrap_or_default())
}

impl Settings {
    /// Reads the file and puts everything together.
    ///
    /// # Errors
    /// Whatever is wrong, with its place.
    pub(crate) fn load(flags: &ServeFlags) -> Result<Self> {
        let (file, text) = read_file(&flags.config)?;
        let path = file.clone().unwrap_or_default();
        let mut document = Document::parse(&path, &text)?;
        let settings = Self::from_document(flags, &mut document, file)?;
        document.finish()?;
        settings.check()?;
        Ok(settings)
    }

    fn from_document(
        flags: &ServeFlags,
        document: &mut Document<'_>,
        file: Option<PathBuf>,
    ) -> Result<Self> {
        let millis = |n| Duration::from_millis(n);
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let d = document;
        Ok(Self {
            file,
            listen: d.choose(flags.listen, "listen", values::address, local(6432))?,
            upstream_url: d
                .optional(flags.upstream_url.clone(), "upstream_url", values::text)?
                .map(Secret::new),
            tls: tls(flags, d)?,
            insecure_no_tls: d.choose(
                flags.insecure_no_tls,
                "insecure_no_tls",
                values::boolean,
                false,
            )?,
            reuse_port: d.choose(flags.reuse_port, "reuse_port", values::boolean, false)?,
            connections_max: d.choose(
                flags.connections_max,
                "connections_max",
                values::connections,
                200,
            )?,
            limits: limits::read(flags, d)?,
            sessions_per_agent: limits::sessions(flags, d)?,
            bytes_per_agent: limits::bytes(flags, d)?,
            keepalive: limits::keepalive(flags, d)?,
            authentication_timeout: d.choose(
                flags.authentication_timeout_ms,
                "authentication_timeout_ms",
                values::milliseconds,
                millis(30_000),
            )?,
            catalog_poll: d.choose(
                flags.catalog_poll_ms,
                "catalog_poll_ms",
                values::milliseconds,
                millis(2_000),
            )?,
            sessions: sessions(flags, d)?,
            recording: RecordingSettings::read(&flags.recording, d)?,
            upstream_wait: d.choose(
                flags.upstream_wait_ms,
                "upstream_wait_ms",
                values::long_milliseconds,
                Duration::ZERO,
            )?,
            drain_timeout: d.choose(
                flags.drain_timeout_ms,
                "drain_timeout_ms",
                values::milliseconds,
                millis(10_000),
            )?,
            worker_threads: d.choose(flags.worker_threads, "worker_threads", values::threads, 0)?,
            metrics_listen: d.choose(
                flags.metrics_listen,
                "metrics_listen",
                values::address_or_off,
                Some(local(6433)),
            )?,
            log: log(&flags.log, d)?,
            otlp_endpoint: collector(&flags.log, d)?,
            functions_allow: functions(flags, d)?,
            agents: members(d, "agents", &flags.agents)?,
            reviewers: members(d, "reviewers", &flags.reviewers)?,
            pool: pool(&flags.pool, d)?,
            embedded: embedded(flags, d)?,
        })
    }

    /// Keys and values for people; of a secret only that it is set.
    pub(crate) fn shown(&self) -> Vec<(&'static str, String)> {
        let pool = &self.pool;
        let sessions = self.sessions_per_agent.to_string();
        let ms = |duration: Duration| duration.as_millis().to_string();
        let url = self.upstream_url.as_ref().map_or("", |_| "(set)");
        let mut shown = limits::shown(&self.limits);
        shown.extend([
            ("limits.sessions_per_agent", sessions),
            ("limits.bytes_per_agent", self.bytes_per_agent.to_string()),
            ("listen", self.listen.to_string()),
            ("upstream_url", url.to_owned()),
            ("reuse_port", self.reuse_port.to_string()),
            ("connections_max", self.connections_max.to_string()),
            ("pool_mode", pool.mode.as_str().to_owned()),
            ("pool_size", pool.size.to_string()),
            ("pool_size_per_agent", pool.size_per_agent.to_string()),
            ("pool_wait_timeout_ms", ms(pool.wait_timeout)),
            ("server_lifetime_ms", ms(pool.lifetime)),
            ("server_idle_timeout_ms", ms(pool.idle_timeout)),
            ("server_check_ms", ms(pool.check_after)),
            ("server_statements_max", pool.statements_max.to_string()),
            ("prepare_after", pool.prepare_after.to_string()),
            ("catalog_poll_ms", ms(self.catalog_poll)),
            ("upstream_wait_ms", ms(self.upstream_wait)),
            ("drain_timeout_ms", ms(self.drain_timeout)),
            ("operations.reuse", self.recording.reuse.as_str().to_owned()),
            ("operations.reads", self.recording.reads.join(", ")),
            (
                "operations.parameters",
                self.recording.parameters.as_str().to_owned(),
            ),
            ("functions.allow", self.functions_allow.join(", ")),
        ]);
        shown.sort_by_key(|(name, _)| keys::KEYS.iter().position(|key| key.name == *name));
        shown
    }

    /// What no single key can say.
    fn check(&self) -> Result<()> {
        for agent in &self.agents {
            if self.reviewers.iter().any(|r| r.name == agent.name) {
                return Err(ConfigError::setting(
                    "reviewers",
                    format!("\"{}\" is an agent and a reviewer", agent.name),
                    "give the reviewer another name: an agent's credential never commits",
                ));
            }
        }
        // Passwords are safe under SCRAM, the rows are not.
        let clear = self.tls.mode == TlsMode::Off && !self.insecure_no_tls;
        if clear && !self.listen.ip().is_loopback() {
            return Err(ConfigError::setting(
                "listen",
                format!(
                    "{} is reachable from other machines, and TLS is off",
                    self.listen
                ),
                "set tls = \"require\" with tls_cert and tls_key, listen on 127.0.0.1, or accept clear text with insecure_no_tls = true",
            ));
        }
        Ok(())
    }
}

fn tls(flags: &ServeFlags, document: &mut Document<'_>) -> Result<TlsSettings> {
    let mode = document.choose(flags.tls, "tls", values::tls_mode, TlsMode::Off)?;
    let cert = document.optional(flags.tls_cert.clone(), "tls_cert", values::path)?;
    let key = document.optional(flags.tls_key.clone(), "tls_key", values::path)?;
    let files = cert.zip(key);
    if mode != TlsMode::Off && files.is_none() {
        return Err(ConfigError::setting(
            "tls",
            "TLS is on, and tls_cert or tls_key is missing",
            "set both: tls_cert = \"server.crt\", tls_key = \"server.key\"",
        ));
    }
    let (d, flag) = (document, flags.tls_client_auth);
    let client_ca = d.optional(flags.tls_client_ca.clone(), "tls_client_ca", values::path)?;
    let client_auth = d.optional(flag, "tls_client_auth", values::client_auth)?;
    let client_auth = client_auth.unwrap_or(match client_ca {
        Some(_) => ClientAuth::VerifyFull,
        None => ClientAuth::Off,
    });
    if client_auth != ClientAuth::Off && (client_ca.is_none() || mode != TlsMode::Require) {
        return Err(ConfigError::setting(
            "tls_client_auth",
            "client certificates are demanded, and tls is not \"require\" or tls_client_ca is missing",
            "set tls = \"require\" and tls_client_ca = \"authorities.crt\"",
        ));
    }
    let client_ca = client_ca.filter(|_| client_auth != ClientAuth::Off);
    Ok(TlsSettings {
        mode,
        files,
        client_ca,
        client_auth,
    })
}

fn log(flags: &LogFlags, document: &mut Document<'_>) -> Result<LogSettings> {
    Ok(LogSettings {
        format: document.choose(
            flags.log_format,
            "log_format",
            values::log_format,
            LogFormat::Text,
        )?,
        level: document.choose(
            flags.log_level,
            "log_level",
            values::log_level,
            tracing::Level::INFO,
        )?,
    })
}

/// Where traces are sent.
fn collector(flags: &LogFlags, document: &mut Document<'_>) -> Result<String> {
    let (flag, name) = (flags.otlp_endpoint.clone(), "otlp_endpoint");
    document.choose(flag, name, values::otlp_endpoint, String::new())
}

fn sessions(flags: &ServeFlags, document: &mut Document<'_>) -> Result<SessionSettings> {
    let d = document;
    let ttl = d.choose(
        flags.sessions_ttl_ms,
        "sessions.ttl_ms",
        values::long_milliseconds,
        Duration::ZERO,
    )?;
    let given = (flags.sessions_history_ms, flags.merge_delta.clone());
    let merge = merge(given, d)?;
    let keys = d.read_array("tables.key", values::column_name)?;
    let triggers = d.read_array("triggers.draft", values::trigger_name)?;
    Ok(SessionSettings {
        ttl: Some(ttl).filter(|ttl| !ttl.is_zero()),
        merge,
        clean: d.choose(
            flags.sessions_clean_ms,
            "sessions.clean_ms",
            values::milliseconds,
            Duration::from_secs(5),
        )?,
        keys: flags.tables_key.clone().or(keys).unwrap_or_default(),
        triggers: flags
            .triggers_draft
            .clone()
            .or(triggers)
            .unwrap_or_default(),
    })
}

/// Flags for how drafts merge: `sessions_history_ms` and `merge_delta`.
type MergeFlags = (Option<Duration>, Option<Vec<[String; 3]>>);

fn merge((history, delta): MergeFlags, document: &mut Document<'_>) -> Result<MergeSettings> {
    let from_file = document.read_array("merge.delta", values::column_name)?;
    Ok(MergeSettings {
        history: document.choose(
            history,
            "sessions.history_ms",
            values::long_milliseconds,
            Duration::from_hours(7 * 24),
        )?,
        delta: delta.or(from_file).unwrap_or_default(),
    })
}

fn pool(flags: &PoolFlags, document: &mut Document<'_>) -> Result<PoolSettings> {
    let d = document;
    let default = PoolSettings::default();
    Ok(PoolSettings {
        mode: d.choose(
            flags.pool_mode,
            "pool_mode",
            values::pool_mode,
            default.mode,
        )?,
        size: d.choose(
            flags.pool_size,
            "pool_size",
            values::connections,
            default.size,
        )?,
        size_per_agent: d.choose(
            flags.pool_size_per_agent,
            "pool_size_per_agent",
            values::connections_or_none,
            default.size_per_agent,
        )?,
        wait_timeout: d.choose(
            flags.pool_wait_timeout_ms,
            "pool_wait_timeout_ms",
            values::milliseconds,
            default.wait_timeout,
        )?,
        lifetime: d.choose(
            flags.server_lifetime_ms,
            "server_lifetime_ms",
            values::milliseconds,
            default.lifetime,
        )?,
        idle_timeout: d.choose(
            flags.server_idle_timeout_ms,
            "server_idle_timeout_ms",
            values::milliseconds,
            default.idle_timeout,
        )?,
        check_after: d.choose(
            flags.server_check_ms,
            "server_check_ms",
            values::milliseconds,
            default.check_after,
        )?,
        statements_max: d.choose(
            flags.server_statements_max,
            "server_statements_max",
            values::statements,
            default.statements_max,
        )?,
        prepare_after: d.choose(
            flags.prepare_after,
            "prepare_after",
            values::times,
            default.prepare_after,
        )?,
    })
}

fn embedded(flags: &ServeFlags, document: &mut Document<'_>) -> Result<EmbeddedSettings> {
    let (d, flags) = (document, &flags.embedded);
    Ok(EmbeddedSettings {
        enabled: d.choose(flags.embedded, "embedded.enabled", values::boolean, false)?,
        data_dir: d.optional(flags.data_dir.clone(), "embedded.data_dir", values::path)?,
        pg_bin: d.optional(flags.pg_bin.clone(), "embedded.pg_bin", values::path)?,
        port: d.choose(flags.port, "embedded.port", values::port, 0)?,
    })
}

/// Agents or reviewers: those of the flags where there are any, else those of the file.
fn members(
    document: &mut Document<'_>,
    section: &'static str,
    flags: &[VerifierFile],
) -> Result<Vec<Member>> {
    let mut members: Vec<Member> = Vec::new();
    for row in document.read_tables(section, &["name", "verifier"])? {
        let [name, verifier] = row.as_slice() else {
            continue;
        };
        let member = member_of_file(document, section, name, verifier)?;
        if members.iter().any(|m| m.name == member.name) {
            return Err(document.error(
                &name.span,
                &format!("{section}.name"),
                format!("\"{}\" stands here a second time", member.name),
                "give each its own name",
            ));
        }
        members.push(member);
    }
    if flags.is_empty() {
        return Ok(members);
    }
    flags
        .iter()
        .map(|flag| member_of_flag(section, flag))
        .collect()
}

fn member_of_file(
    document: &Document<'_>,
    section: &str,
    name: &Found<String>,
    verifier: &Found<String>,
) -> Result<Member> {
    let valid = values::identity_name(&name.value).map_err(|message| {
        let expected = "expected a name of 1 to 63 bytes without \"+\"";
        document.error(&name.span, &format!("{section}.name"), message, expected)
    })?;
    let parsed = Verifier::parse(verifier.value.trim()).map_err(|_| {
        let key = format!("{section}.verifier");
        document.error(&verifier.span, &key, NOT_A_VERIFIER, EXPECTED_VERIFIER)
    })?;
    Ok(Member {
        name: valid,
        verifier: parsed,
    })
}

fn member_of_flag(section: &str, flag: &VerifierFile) -> Result<Member> {
    let text = std::fs::read_to_string(&flag.file).map_err(|error| {
        let message = format!("could not read {}: {error}", flag.file.display());
        ConfigError::setting(
            section,
            message,
            "expected name=file, and a verifier in the file",
        )
    })?;
    let parsed = Verifier::parse(text.trim())
        .map_err(|_| ConfigError::setting(section, NOT_A_VERIFIER, EXPECTED_VERIFIER))?;
    Ok(Member {
        name: flag.name.clone(),
        verifier: parsed,
    })
}

// The value itself is never shown: it may be a password.
const NOT_A_VERIFIER: &str = "this is no SCRAM-SHA-256 verifier; passwords are not kept here";
const EXPECTED_VERIFIER: &str =
    "run `pgdraft hash-password` and paste what it prints: \"SCRAM-SHA-256$…\"";

/// The file named, or the default one where it exists.
fn read_file(flag: &ConfigFile) -> Result<(Option<PathBuf>, String)> {
    let path = match &flag.config {
        Some(path) if path.as_os_str() == "none" => return Ok((None, String::new())),
        Some(path) => path.clone(),
        None if Path::new(DEFAULT_FILE).is_file() => PathBuf::from(DEFAULT_FILE),
        None => return Ok((None, String::new())),
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok((Some(path), text)),
        Err(error) => Err(Box::new(ConfigError {
            file: path,
            line: 0,
            column: 0,
            key: String::new(),
            message: format!("could not read the configuration: {error}"),
            expected: "check --config and PGDRAFT_CONFIG".into(),
        })),
    }
}

/// Only where the database is: for the commands that are not `serve`.
///
/// # Errors
/// A file that cannot be read, or no URL at all.
pub(crate) fn upstream_url(config: &ConfigFile, flag: Option<&String>) -> Result<Secret> {
    if let Some(url) = flag {
        return Ok(Secret::new(url.clone()));
    }
    let (file, text) = read_file(config)?;
    let path = file.unwrap_or_default();
    let found = Document::parse(&path, &text)?.read("upstream_url", values::text)?;
    found.map(|f| Secret::new(f.value)).ok_or_else(no_upstream)
}

/// How drafts merge, for the commands that are not `serve`.
///
/// # Errors
/// What is wrong in the file.
pub(crate) fn merging(operator: &Operator) -> Result<MergeSettings> {
    let (file, text) = read_file(&operator.upstream.config)?;
    let path = file.unwrap_or_default();
    let given = (operator.sessions_history_ms, operator.merge_delta.clone());
    merge(given, &mut Document::parse(&path, &text)?)
}

/// No URL anywhere.
pub(crate) fn no_upstream() -> Box<ConfigError> {
    ConfigError::setting(
        "upstream_url",
        "no database is named",
        "give --upstream-url postgres://user@host:5432/database, set PGDRAFT_UPSTREAM_URL, or write upstream_url into the configuration file",
    )
}
