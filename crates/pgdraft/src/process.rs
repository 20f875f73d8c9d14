//! What administrators see of the running process, and may do to it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::UNIX_EPOCH;

use console::{Order, Shown};
use control::Control;
use report::Report;
use session::{Identity, Role, Shared};
use wire::startup::{Verifier, Verifiers};

use crate::cli::ServeFlags;
use crate::settings::keys::KEYS;
use crate::settings::{Member, Settings};

/// Agents and reviewers of the configuration, as it was read last.
#[derive(Clone, Default)]
pub(crate) struct Members(Arc<RwLock<Vec<(Member, Role)>>>);

impl Members {
    pub(crate) fn of(settings: &Settings) -> Self {
        let members = Self::default();
        members.replace(settings);
        members
    }

    fn replace(&self, settings: &Settings) {
        let with = |members: &[Member], role| -> Vec<(Member, Role)> {
            members.iter().map(|m| (m.clone(), role)).collect()
        };
        let mut all = with(&settings.agents, Role::Agent);
        all.extend(with(&settings.reviewers, Role::Reviewer));
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = all;
    }

    fn find<T>(&self, name: &str, found: impl Fn(&Member, Role) -> T) -> Option<T> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (member, role) = all.iter().find(|(member, _)| member.name == name)?;
        Some(found(member, *role))
    }

    /// Who that is.
    pub(crate) fn identity(&self, name: &str) -> Option<Identity> {
        self.find(name, |member, role| Identity {
            name: member.name.clone(),
            role,
        })
    }
}

impl Verifiers for Members {
    fn verifier(&self, user: &str) -> Option<Verifier> {
        self.find(user, |member, _| member.verifier.clone())
    }
}

/// The process.
pub(crate) struct Process {
    shared: Arc<Shared>,
    control: Control,
    members: Members,
    database: String,
    /// What it was started with; `None` where it cannot be read again.
    flags: Option<ServeFlags>,
    shown: Mutex<Vec<(&'static str, String)>>,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Process")
    }
}

type Row = Vec<Option<String>>;

impl Process {
    pub(crate) fn new(
        (shared, control): (Arc<Shared>, Control),
        members: Members,
        settings: &Settings,
        flags: Option<ServeFlags>,
        database: &str,
    ) -> Self {
        Self {
            shared,
            control,
            members,
            database: database.to_owned(),
            flags,
            shown: Mutex::new(settings.shown()),
        }
    }

    /// Reads the configuration again. Agents, reviewers, the pool and the limits
    /// change; nobody is dropped.
    ///
    /// # Errors
    /// What is wrong with it; then nothing has changed.
    pub(crate) fn reload(&self) -> Result<(), Report> {
        let flags = self.flags.as_ref().ok_or_else(|| {
            Report::error("0A000", "this process has no configuration to read again")
                .hint("start pgdraft serve with a configuration file")
        })?;
        let settings = Settings::load(flags).map_err(|error| {
            Report::error("F0000", "the configuration could not be read")
                .detail(error.to_string())
                .hint("mend it and send RELOAD again; the old configuration holds until then")
        })?;
        self.members.replace(&settings);
        self.shared.set_pool(settings.pool.clone());
        self.shared.set_limits(settings.limits);
        self.control.bound_sessions(settings.sessions_per_agent);
        self.control.bound_bytes(settings.bytes_per_agent);
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = settings.shown();
        tracing::info!("configuration read again");
        Ok(())
    }

    fn pools(&self) -> Vec<Row> {
        let (pools, idle, paused, settings) = self.shared.pool_state();
        let row = |agent: &str, active: usize, waiting: usize| {
            vec![
                Some(self.database.clone()),
                Some(agent.to_owned()),
                Some(active.to_string()),
                Some(waiting.to_string()),
                Some(active.to_string()),
                Some(idle.len().to_string()),
                Some(settings.size.to_string()),
                Some(settings.mode.as_str().to_owned()),
                Some(if paused { "yes" } else { "no" }.to_owned()),
            ]
        };
        if pools.is_empty() {
            return vec![row("", 0, 0)];
        }
        let rows = pools.iter();
        rows.map(|pool| row(&pool.agent, pool.active, pool.waiting))
            .collect()
    }

    fn clients(&self) -> Vec<Row> {
        let clients = self.shared.clients();
        let row = |client: &Arc<session::Presence>| {
            let state = if client.server().is_some() {
                "active"
            } else {
                "idle"
            };
            let since = client.since.duration_since(UNIX_EPOCH);
            vec![
                Some("C".to_owned()),
                Some(client.agent.clone()),
                Some(self.database.clone()),
                Some(state.to_owned()),
                Some(client.peer.ip().to_string()),
                Some(client.peer.port().to_string()),
                since.ok().map(|since| timestamp(since.as_secs())),
                client.server().map(|pid| pid.to_string()),
                Some(client.number.to_string()),
                Some(client.session.clone()),
                Some(client.statements().to_string()),
            ]
        };
        clients.iter().map(row).collect()
    }

    fn servers(&self) -> Vec<Row> {
        let (_, idle, _, _) = self.shared.pool_state();
        let active = self.shared.clients();
        let row =
            |state: &str, pid: i32, age: Option<u64>, client: u64, statements: Option<usize>| {
                vec![
                    Some("S".to_owned()),
                    Some("pgdraft".to_owned()),
                    Some(self.database.clone()),
                    Some(state.to_owned()),
                    Some(pid.to_string()),
                    age.map(|age| age.to_string()),
                    (client != 0).then(|| client.to_string()),
                    statements.map(|count| count.to_string()),
                ]
            };
        let active = active
            .iter()
            .filter_map(|client| Some(row("active", client.server()?, None, client.number, None)));
        let idle = idle.iter().map(|server| {
            let (age, statements) = (Some(server.age_s), Some(server.statements));
            row("idle", server.pid, age, server.client, statements)
        });
        active.chain(idle).collect()
    }

    fn stats(&self) -> Row {
        let sums = self.shared.sums();
        let numbers = [
            sums.statements.to_string(),
            sums.received.to_string(),
            sums.sent.to_string(),
            format!("{:.0}", sums.waited_s * 1_000_000.0),
            sums.hits.to_string(),
            sums.misses.to_string(),
            sums.errors.to_string(),
        ];
        let mut row = vec![Some(self.database.clone())];
        row.extend(numbers.map(Some));
        row
    }

    fn config(&self) -> Vec<Row> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = shown.iter().map(|(name, value)| {
            let key = KEYS.iter().find(|key| key.name == *name);
            let reloads = [
                "pool_",
                "server_",
                "limits.",
                "client_idle",
                "idle_",
                "message_",
            ];
            let changeable = reloads.iter().any(|begin| name.starts_with(begin));
            vec![
                Some((*name).to_owned()),
                Some(value.clone()),
                key.map(|key| key.default.trim_matches('"').to_owned()),
                Some(if changeable { "yes" } else { "no" }.to_owned()),
            ]
        });
        rows.collect()
    }
}

/// The memory of the process as the system counts it.
fn memory() -> Vec<Row> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let fields = [
        ("VmRSS:", "resident"),
        ("VmHWM:", "resident_max"),
        ("VmData:", "data"),
    ];
    let rows = fields.into_iter().filter_map(|(field, name)| {
        let line = status.lines().find_map(|line| line.strip_prefix(field))?;
        let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(vec![
            Some(name.to_owned()),
            Some((kilobytes * 1024).to_string()),
        ])
    });
    rows.collect()
}

/// Seconds since 1970 as PostgreSQL prints a timestamp in UTC.
fn timestamp(seconds: u64) -> String {
    session::utc(seconds)
}

impl console::Process for Process {
    fn show(&self, what: Shown) -> Vec<Row> {
        match what {
            Shown::Pools => self.pools(),
            Shown::Clients => self.clients(),
            Shown::Servers => self.servers(),
            Shown::Stats => vec![self.stats()],
            Shown::Config => self.config(),
            Shown::Mem => memory(),
        }
    }

    fn order(&self, order: Order<'_>) -> Result<String, Report> {
        match order {
            Order::Pause => {
                self.shared.pause(true);
                Ok("clients wait until RESUME; transactions that have begun go on".to_owned())
            }
            Order::Resume => {
                self.shared.pause(false);
                Ok("clients get server connections again".to_owned())
            }
            Order::Reload => {
                self.reload()?;
                Ok(
                    "agents, reviewers, the pool and the limits are as in the configuration"
                        .to_owned(),
                )
            }
            Order::Kill(id) => {
                let number = id.parse().ok();
                if number.is_some_and(|number| self.shared.kill(number)) {
                    return Ok(format!("client {id} is disconnected"));
                }
                Err(
                    Report::error("42704", format!("there is no client \"{id}\""))
                        .hint("SHOW CLIENTS lists them with their ids"),
                )
            }
        }
    }
}
