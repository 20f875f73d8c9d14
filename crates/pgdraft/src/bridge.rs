//! Where the two planes meet: the data plane's [`ControlPlane`] over `control` and `console`.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use catalog::{Catalog, RelationId, SessionId};
use console::{Caller, Recognised};
use control::{Control, ControlError, Options, Parameter};
use report::Report;
use session::{
    AdminCommand, Answer, AnswerColumn, ControlPlane, Identity, Kept, OpenedSession, Recording,
    Role, SessionState, Shared, Statement,
};
use tokio::sync::Notify;
use tokio::sync::mpsc::Sender;
use upstream::Target;

use crate::commits::Commits;
use crate::database;
use crate::failure::Failure;
use crate::process::Process;

/// Between looks for cancel requests that other processes left, where there are any.
const CANCELS_POLL: Duration = Duration::from_millis(200);

/// First and longest wait between attempts to reach the database.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// Connects the control plane.
///
/// # Errors
/// The database is down (exit code 4), not initialised or of another version (5), or refuses (7).
pub(crate) async fn connect(target: &Target, options: Options) -> Result<Control, Failure> {
    connect_within(target, options, Duration::ZERO).await
}

/// As [`connect`], again and again for so long while the database is not there.
///
/// # Errors
/// As [`connect`].
pub(crate) async fn connect_within(
    target: &Target,
    options: Options,
    time: Duration,
) -> Result<Control, Failure> {
    let until = Instant::now() + time;
    let mut wait = BACK_OFF.0;
    loop {
        match Control::connect(target.clone(), options.clone()).await {
            Err(ControlError::Upstream(error))
                if error.may_pass() && Instant::now() + wait < until =>
            {
                tracing::warn!(%error, "the database is not there yet");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(BACK_OFF.1);
            }
            Ok(control) => return Ok(control),
            Err(ControlError::Upstream(error)) => return Err(database::failure(&error)),
            Err(error) => return Err(explain(target, &error).await),
        }
    }
}

/// What stands in the way of the control plane, with what to do about it.
async fn explain(target: &Target, error: &ControlError) -> Failure {
    let name = target.database();
    let init = format!(
        "run `pgdraft init` with the same --upstream-url, once for the database \"{name}\""
    );
    if matches!(error, ControlError::Store(store::Error::NotInstalled)) {
        let message = match older_version(target).await {
            Some(version) => format!(
                "the schema pgdraft in database \"{name}\" is at version {version}, this program works with {}",
                store::VERSION
            ),
            None => format!("pgdraft is not installed in database \"{name}\""),
        };
        return Failure::NotInitialised {
            message,
            hint: init,
        };
    }
    let mut report = error.report();
    // SET ROLE failed: this user did not run init.
    if report.code == "42501" && report.hint.is_none() {
        report.hint = Some(format!(
            "use the user that ran `pgdraft init`, or run it again as \"{}\"",
            target.user()
        ));
    }
    report.into()
}

async fn older_version(target: &Target) -> Option<i32> {
    let database = database::Database::connect(target).await.ok()?;
    match store::status(&database.client).await.ok()? {
        store::Status::Version(version) => Some(version),
        store::Status::NotInstalled | store::Status::Newer(_) => None,
    }
}

/// The control plane as client connections see it.
pub(crate) struct Bridge {
    control: Control,
    /// Why the database did not answer the last time it was asked.
    trouble: Mutex<Option<String>>,
    commits: Commits,
    /// The process, once it serves.
    process: OnceLock<Arc<Process>>,
}

impl Bridge {
    /// Over a connected control plane.
    pub(crate) fn new(control: Control, commits: Commits) -> Self {
        Self {
            control,
            commits,
            trouble: Mutex::new(None),
            process: OnceLock::new(),
        }
    }

    /// The process that admin commands are about.
    pub(crate) fn serves(&self, process: Process) -> Arc<Process> {
        Arc::clone(self.process.get_or_init(|| Arc::new(process)))
    }

    /// The control plane itself.
    pub(crate) fn control(&self) -> Control {
        self.control.clone()
    }

    /// Where agents' upstream connections go.
    pub(crate) fn agent_target(&self) -> Target {
        self.control.agent_target()
    }

    /// Whether the database answered the last time it was asked.
    pub(crate) fn readiness(&self) -> Result<(), String> {
        lock(&self.trouble).clone().map_or(Ok(()), Err)
    }

    /// Takes cancel requests that other processes got for clients of this one.
    pub(crate) async fn take_cancels(self: Arc<Self>, shared: Arc<Shared>) {
        loop {
            tokio::time::sleep(CANCELS_POLL).await;
            if self.control.is_alone() {
                continue;
            }
            for (pid, digest) in self.control.forwarded_cancels().await.unwrap_or_default() {
                if session::cancel_forwarded(&shared, pid, &digest).await
                    && let Err(error) = self.control.take_cancel(pid, &digest).await
                {
                    tracing::warn!(%error, "a cancel request that was taken could not be removed");
                }
            }
        }
    }

    /// Asks the database again and again whether it answers.
    pub(crate) async fn poll(self: Arc<Self>, every: Duration) {
        loop {
            tokio::time::sleep(every).await;
            let found = self.control.refresh_catalog().await.err();
            let mut trouble = lock(&self.trouble);
            let was = trouble.is_some();
            *trouble = found
                .as_ref()
                .map(|_| "the database does not answer".to_owned());
            match (was, &found) {
                (false, Some(error)) => {
                    tracing::warn!(
                        sqlstate = error.report().code,
                        "the database does not answer"
                    );
                }
                (true, None) => tracing::info!("the database answers again"),
                _ => {}
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl ControlPlane for Bridge {
    fn catalog(&self) -> Arc<Catalog> {
        self.control.catalog()
    }

    async fn refresh_catalog(&self) -> Result<Arc<Catalog>, Report> {
        Ok(self.control.refresh_catalog().await?)
    }

    async fn catch_up(&self, pause: Duration) {
        // where the database does not answer the statement will tell
        drop(self.control.catch_up(pause).await);
    }

    async fn open_session(
        &self,
        name: &str,
        agent: &str,
        create: bool,
    ) -> Result<Option<OpenedSession>, Report> {
        let found = self.control.open_session(name, agent, create).await?;
        Ok(found.map(|opened| OpenedSession {
            sid: opened.sid,
            state: match opened.state {
                // A proposed draft is still what its agent sees.
                control::SessionState::Open | control::SessionState::Proposed => SessionState::Open,
                control::SessionState::Committed | control::SessionState::Reverted => {
                    SessionState::Committed
                }
                control::SessionState::Discarded | control::SessionState::Expired => {
                    SessionState::Discarded
                }
            },
            touched: opened.touched,
            truncated: opened.truncated,
            sequences: opened.sequences,
        }))
    }

    async fn draft_tables(&self, tables: &[RelationId]) -> Result<Arc<Catalog>, Report> {
        Ok(self.control.draft_tables(tables).await?)
    }

    fn token(&self, sid: SessionId, upstream_pid: i32) -> String {
        self.control.token(sid, upstream_pid)
    }

    fn is_alone(&self) -> bool {
        self.control.is_alone()
    }

    fn recording(&self) -> Recording {
        Recording {
            refuse_reuse: self.control.refuses_reuse(),
            statements: self.control.keeps_statements(),
            conditions: self.control.keeps_conditions(),
        }
    }

    fn records_reads(&self, agent: &str) -> bool {
        self.control.records_reads(agent)
    }

    fn keep(&self, statement: &Statement<'_>) -> Option<Kept> {
        let parameters: Option<Vec<Parameter<'_>>> = statement.parameters.map(|all| {
            all.iter()
                .map(|p| Parameter {
                    type_id: p.type_id,
                    binary: p.binary,
                    value: p.value,
                })
                .collect()
        });
        let kept = self.control.keep(statement.text, parameters.as_deref());
        kept.map(|(sealed, content)| Kept { sealed, content })
    }

    async fn forward_cancel(&self, pid: i32, digest: &[u8]) {
        if let Err(error) = self.control.forward_cancel(pid, digest).await {
            tracing::warn!(%error, "a cancel request could not be passed to the other processes");
        }
    }

    fn recognise(&self, text: &str) -> Option<AdminCommand> {
        let (columns, changes): (&[console::Column], _) = match console::recognise(text)? {
            Recognised::Command(request) => (request.spec.columns, request.spec.changes()),
            // It has no columns; running it gives the error.
            Recognised::NearMiss(_) => (&[], false),
        };
        Some(AdminCommand {
            text: text.to_owned(),
            columns: columns.iter().map(answer_column).collect(),
            changes,
        })
    }

    fn no_room(&self, agent: &str) -> Option<Report> {
        let room = self.control.room_for_rows(agent);
        room.err().map(|error| error.report())
    }

    fn unfinished(&self, text: &str) -> Option<Report> {
        console::unfinished(text)
    }

    async fn admin(
        &self,
        who: &Identity,
        own_session: Option<&str>,
        command: &AdminCommand,
        (progress, stop): (&Sender<Report>, &Notify),
    ) -> Result<Answer, Report> {
        let request = match console::recognise(&command.text) {
            Some(Recognised::Command(request)) => request,
            Some(Recognised::NearMiss(report)) => return Err(report),
            None => {
                return Err(Report::error("42601", "this is no admin command")
                    .hint("SHOW PGDRAFT COMMANDS lists them"));
            }
        };
        let caller = Caller {
            name: &who.name,
            reviewer: who.role == Role::Reviewer,
            own_session,
            process: self.process.get().map(|process| process.as_ref() as _),
        };
        let (progress, _watched) = self.commits.watch(progress);
        let control = self.control.telling(progress).stoppable();
        let work = console::run(&control, &caller, &request);
        let rows = control.unless(stop.notified(), work).await?;
        tracing::info!(
            who = who.name,
            command = request.spec.usage(),
            session = request.session,
            "admin command"
        );
        Ok(Answer {
            columns: command.columns.clone(),
            rows: rows.rows,
            tag: request.spec.tag.to_owned(),
            notices: rows.notices,
        })
    }
}

fn answer_column(column: &console::Column) -> AnswerColumn {
    AnswerColumn {
        name: column.name.to_owned(),
        type_id: column.kind.oid(),
    }
}
