//! `pgdraft serve`: check, listen, serve, drain.
//!
//! A connection is one task on one of the threads that serve clients. What goes wrong in it is its own: a panic ends that client's
//! connection, is logged and counted, and the others go on.

mod listener;
mod signals;
mod workers;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use control::Options;
use prometheus::{IntGauge, Opts, Registry};
use session::{Setup, Shared};
use sql::FunctionPolicy;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;
use wire::keepalive::Keepalive;
use wire::startup::{Acceptor, Verifier};
use wire::tls::ServerTls;

use crate::bridge::{self, Bridge};
use crate::cli::ServeFlags;
use crate::commits::Commits;
use crate::database;
use crate::embedded::{self, Embedded, random_word};
use crate::failure::Failure;
use crate::process::{Members, Process};
use crate::settings::recording::Reuse;
use crate::settings::values::TlsMode;
use crate::settings::{ConfigError, Member, Secret, Settings, TlsSettings, no_upstream};
use crate::space::Space;
use crate::{logs, runtime};

pub(crate) use signals::Signals;

/// Threads of the control plane, the listener and the metrics.
const CONTROL_THREADS: usize = 2;
/// Connections that wait to be accepted, as in PostgreSQL's and tokio's own.
const BACKLOG: u32 = 1024;
/// Between looks at whether the database answers, for `/readyz`.
const HEALTH_POLL: std::time::Duration = std::time::Duration::from_secs(5);

/// Runs `pgdraft serve`, from the flags to the exit.
pub(crate) fn run(flags: &ServeFlags) -> Result<(), Failure> {
    let mut settings = Settings::load(flags)?;
    logs::install(settings.log, &settings.otlp_endpoint);
    // clients are served by threads of their own
    let served = runtime(CONTROL_THREADS)?.block_on(async {
        let mut signals = Signals::install()?;
        let embedded = start_embedded(&mut settings).await?;
        let server = tokio::select! {
            server = Server::start(&settings, Some(flags)) => server?,
            // it may wait for its database
            _ = signals.next() => return Ok(()),
        };
        println!("{}", server.greeting(&settings));
        let served = server.serve(&mut signals, std::future::pending()).await;
        drop(embedded);
        served
    });
    #[cfg(feature = "otel")]
    crate::traces::flush();
    served
}

/// Starts the private PostgreSQL where one is wanted, and points the settings at it.
async fn start_embedded(settings: &mut Settings) -> Result<Option<Embedded>, Failure> {
    if !settings.embedded.enabled {
        return Ok(None);
    }
    if settings.upstream_url.is_some() {
        return Err(Failure::Usage {
            message: "--embedded and --upstream-url do not go together".into(),
            hint: "leave one out: --embedded starts a database of its own".into(),
        });
    }
    let embedded = Embedded::start(&settings.embedded, settings.connections_max)?;
    let url = embedded.url(embedded::DATABASE);
    prepare(&embedded, embedded::DATABASE).await?;
    println!("private PostgreSQL in {}", embedded.dir().display());
    println!("  as its superuser: psql '{}'", url.reveal());
    settings.upstream_url = Some(url);
    if settings.agents.is_empty() && settings.reviewers.is_empty() {
        for (role, members) in [
            ("agent", &mut settings.agents),
            ("reviewer", &mut settings.reviewers),
        ] {
            let (member, password) = generated(role)?;
            println!("  {role} \"{role}\" has the password {}", password.reveal());
            members.push(member);
        }
    }
    Ok(Some(embedded))
}

/// Makes the database if it is missing, and initialises it.
async fn prepare(embedded: &Embedded, name: &str) -> Result<(), Failure> {
    let administration = database::connect(&embedded.url("postgres")).await?;
    let exists = administration
        .client
        .query_opt("SELECT FROM pg_database WHERE datname = $1", &[&name])
        .await
        .map_err(|e| store::database_report(&e))?;
    if exists.is_none() {
        let create = format!("CREATE DATABASE {}", catalog::quote_identifier(name));
        administration
            .client
            .batch_execute(&create)
            .await
            .map_err(|e| store::database_report(&e))?;
    }
    initialise(&embedded.url(name)).await
}

/// `pgdraft init` on a private database.
pub(crate) async fn initialise(url: &Secret) -> Result<(), Failure> {
    let database = database::connect(url).await?;
    store::install(&database.client, &store::InstallOptions::default())
        .await
        .map_err(|e| e.report())?;
    Ok(())
}

/// Somebody with a password made here.
pub(crate) fn generated(name: &str) -> Result<(Member, Secret), Failure> {
    let password = random_word(18)?;
    let verifier = Verifier::from_password(&password, wire::scram::ITERATIONS_DEFAULT)
        .map_err(|e| Failure::unexpected(e.to_string(), "try again"))?;
    let member = Member {
        name: name.to_owned(),
        verifier,
    };
    Ok((member, Secret::new(password)))
}

/// The TLS side of the listener.
pub(crate) fn tls_config(settings: &TlsSettings) -> Result<Option<ServerTls>, Failure> {
    let Some((cert, key)) = &settings.files else {
        return Ok(None);
    };
    let clients = settings.client_ca.as_deref();
    let clients = clients.map(|authorities| (authorities, settings.client_auth));
    let made = wire::tls::server_config(cert, key, clients).map_err(|error| {
        let report = error.report();
        ConfigError::setting("tls", report.message, report.hint.unwrap_or_default())
    })?;
    if made.binding.is_none() {
        tracing::warn!(
            "the TLS certificate's signature has no hash for channel binding: it is not offered"
        );
    }
    Ok(Some(made))
}

/// Everything up and checked, not yet accepting.
pub(crate) struct Server {
    process: Arc<Process>,
    listener: TcpListener,
    address: SocketAddr,
    metrics: Option<(TcpListener, SocketAddr)>,
    acceptor: Acceptor,
    shared: Arc<Shared>,
    bridge: Arc<Bridge>,
    space: Space,
    registry: Registry,
    drain: watch::Sender<bool>,
    connections_max: usize,
    keepalive: Keepalive,
    worker_threads: usize,
    drain_timeout: std::time::Duration,
    database: String,
}

impl Server {
    /// Takes the ports, checks the database, loads its catalog.
    ///
    /// # Errors
    /// Each with its exit code and what to do.
    /// `flags`: what the configuration can be read again with.
    pub(crate) async fn start(
        settings: &Settings,
        flags: Option<&ServeFlags>,
    ) -> Result<Self, Failure> {
        let url = settings.upstream_url.as_ref().ok_or_else(no_upstream)?;
        if settings.agents.is_empty() && settings.reviewers.is_empty() {
            return Err(ConfigError::setting(
                "agents",
                "nobody may connect: there are no agents and no reviewers",
                "run `pgdraft hash-password > bot.verifier`, then add --agent bot=bot.verifier or [[agents]] to the configuration file",
            )
            .into());
        }
        let target = database::parse(url)?.with_keepalive(settings.keepalive);
        let members = Members::of(settings);
        let acceptor = acceptor(settings, &members)?;
        let (listener, address) = listen(settings.listen, "--listen", settings.reuse_port)?;
        let metrics = match settings.metrics_listen {
            Some(wanted) => Some(listen(wanted, "--metrics-listen", settings.reuse_port)?),
            None => None,
        };
        let options = control_options(settings);
        let control = bridge::connect_within(&target, options, settings.upstream_wait).await?;
        let registry = Registry::new();
        let (drain, draining) = watch::channel(false);
        let commits = Commits::new(&registry).map_err(fault)?;
        let space = Space::new(&registry).map_err(fault)?;
        let bridge = Arc::new(Bridge::new(control, commits));
        let known = members.clone();
        let setup = Setup {
            control: bridge.clone(),
            identities: Arc::new(move |name| known.identity(name)),
            upstream: bridge.agent_target(),
            database: target.database().to_owned(),
            limits: settings.limits,
            pool: settings.pool.clone(),
            functions: FunctionPolicy {
                allowed: settings.functions_allow.clone(),
            },
            registry: registry.clone(),
            drain: draining,
        };
        let shared = Shared::new(setup)
            .and_then(|shared| build_info(&registry).map(|()| shared))
            .map_err(fault)?;
        fit(&shared).await?;
        let process = Process::new(
            (Arc::clone(&shared), bridge.control()),
            members,
            settings,
            flags.cloned(),
            target.database(),
        );
        let process = bridge.serves(process);
        Ok(Self {
            process,
            listener,
            address,
            metrics,
            acceptor,
            shared,
            bridge,
            space,
            registry,
            drain,
            connections_max: settings.connections_max,
            keepalive: settings.keepalive,
            worker_threads: settings.worker_threads,
            drain_timeout: settings.drain_timeout,
            database: target.database().to_owned(),
        })
    }

    /// Where clients connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What is printed when it is up: where it listens, and a URL to connect with.
    fn greeting(&self, settings: &Settings) -> String {
        let tls = match settings.tls.mode {
            TlsMode::Off => "TLS off",
            TlsMode::Allow => "TLS allowed",
            TlsMode::Require => "TLS required",
        };
        let mut out = format!("pgdraft listens on {} ({tls})", self.address);
        if let Some((_, address)) = &self.metrics {
            out.push_str(&format!("\n  metrics http://{address}/metrics"));
        }
        for agent in settings.agents.iter().take(1) {
            let url = client_url(&agent.name, None, self.address, &self.database);
            out.push_str(&format!(
                "\n  DATABASE_URL={url}?options=-c%20pgdraft.session%3Dmy-session"
            ));
        }
        out
    }

    /// Serves until a signal comes or `until` ends, then drains.
    ///
    /// # Errors
    /// None of a client's: what happens to a client is that client's.
    pub(crate) async fn serve(
        self,
        signals: &mut Signals,
        until: impl Future<Output = ()>,
    ) -> Result<(), Failure> {
        let accepting = Arc::new(AtomicBool::new(true));
        // Dropped with this future, and the tasks with it.
        let mut tasks = JoinSet::new();
        if let Some((listener, _)) = self.metrics {
            let endpoint = endpoint(&self.registry, &accepting, &self.bridge);
            tasks.spawn(web::serve(listener, endpoint));
        }
        tasks.spawn(Arc::clone(&self.bridge).poll(HEALTH_POLL));
        tasks.spawn(self.space.watch(self.bridge.control()));
        tasks.spawn(Arc::clone(&self.shared).upkeep());
        tasks.spawn(Arc::clone(&self.bridge).take_cancels(Arc::clone(&self.shared)));
        let mut clients = listener::Clients::new(
            self.acceptor,
            self.shared,
            (self.connections_max, self.keepalive),
            workers::Workers::start(self.worker_threads)?,
            &self.registry,
        )
        .map_err(|e| Failure::unexpected(e.to_string(), "this is a fault of pgdraft"))?;
        signals.reload(self.process);
        let reason = clients.accept_until(self.listener, signals, until).await;
        tracing::info!(reason, clients = clients.len(), "draining");
        accepting.store(false, Ordering::Relaxed);
        self.drain.send_replace(true);
        let workers = clients.drain(self.drain_timeout, signals).await;
        tasks.shutdown().await;
        drop(workers);
        tracing::info!("stopped");
        Ok(())
    }
}

/// A metric that is there twice, or of no proper name.
fn fault(error: impl std::fmt::Display) -> Failure {
    Failure::unexpected(error.to_string(), "this is a fault of pgdraft")
}

/// Whether agents can be served at all.
async fn fit(shared: &Shared) -> Result<(), Failure> {
    match shared.unfit_upstream().await {
        None => Ok(()),
        Some(report) => Err(Failure::Upstream {
            message: report.message,
            hint: report.hint.unwrap_or_default(),
        }),
    }
}

fn endpoint(
    registry: &Registry,
    accepting: &Arc<AtomicBool>,
    bridge: &Arc<Bridge>,
) -> web::Endpoint {
    let (accepting, bridge) = (Arc::clone(accepting), Arc::clone(bridge));
    web::Endpoint {
        registry: registry.clone(),
        readiness: Arc::new(move || {
            if !accepting.load(Ordering::Relaxed) {
                return Err("shutting down".to_owned());
            }
            bridge.readiness()
        }),
    }
}

fn acceptor(settings: &Settings, members: &Members) -> Result<Acceptor, Failure> {
    let tls = match settings.tls.mode {
        TlsMode::Off => None,
        TlsMode::Allow | TlsMode::Require => tls_config(&settings.tls)?,
    };
    Ok(Acceptor {
        tls,
        tls_required: settings.tls.mode == TlsMode::Require,
        verifiers: Arc::new(members.clone()),
        timeout: settings.authentication_timeout,
    })
}

fn listen(
    address: SocketAddr,
    flag: &str,
    reuse_port: bool,
) -> Result<(TcpListener, SocketAddr), Failure> {
    let bound = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        socket.set_reuseport(reuse_port)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        Ok::<_, std::io::Error>((listener, address))
    };
    bound().map_err(|error| Failure::PortTaken {
        message: format!("could not listen on {address}: {error}"),
        hint: format!(
            "is another pgdraft running? Otherwise give another address with {flag}, such as {flag} 127.0.0.1:0 for any free port"
        ),
    })
}

/// A URL for clients; wildcard addresses are written as loopback.
pub(crate) fn client_url(
    user: &str,
    password: Option<&Secret>,
    address: SocketAddr,
    database: &str,
) -> String {
    let host = match address {
        SocketAddr::V4(a) if a.ip().is_unspecified() => "127.0.0.1".to_owned(),
        SocketAddr::V6(a) if a.ip().is_unspecified() => "[::1]".to_owned(),
        SocketAddr::V4(a) => a.ip().to_string(),
        SocketAddr::V6(a) => format!("[{}]", a.ip()),
    };
    let password = password.map_or(String::new(), |p| format!(":{}", percent(p.reveal())));
    format!(
        "postgres://{}{password}@{host}:{}/{}",
        percent(user),
        address.port(),
        percent(database)
    )
}

/// Percent-encodes all but unreserved characters (RFC 3986, section 2.3).
fn percent(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn build_info(registry: &Registry) -> Result<(), prometheus::Error> {
    let opts = Opts::new("pgdraft_build_info", "Version, as a label.")
        .const_label("version", env!("CARGO_PKG_VERSION"));
    let info = IntGauge::with_opts(opts)?;
    info.set(1);
    registry.register(Box::new(info))
}

/// How the control plane works under these settings.
fn control_options(settings: &Settings) -> Options {
    Options {
        catalog_poll: settings.catalog_poll,
        session_ttl: settings.sessions.ttl,
        history: settings.sessions.merge.history,
        clean_every: Some(settings.sessions.clean),
        peers: true,
        sessions_per_agent: settings.sessions_per_agent,
        bytes_per_agent: settings.bytes_per_agent,
        merge_delta: settings.sessions.merge.delta.clone().into(),
        keeping: settings.recording.keeping.clone(),
        record_reads: settings.recording.reads.clone().into(),
        refuse_reuse: settings.recording.reuse == Reuse::Refuse,
        keys: Some(settings.sessions.keys.clone().into()),
        triggers: Some(settings.sessions.triggers.clone().into()),
        ..Options::default()
    }
}
