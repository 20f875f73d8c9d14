//! Admin commands and the proxy's own settings on an agent's connection.

use report::{Report, code};
use tokio::io::AsyncWrite;

use crate::answer;
use crate::api::{AdminCommand, Answer, AnswerColumn};
use crate::conn::Failure;
use crate::prepared::Undo;
use crate::queue::{Fix, Want};
use crate::request::Requests;

impl<W: AsyncWrite + Unpin> Requests<'_, W> {
    /// An admin command by a Query.
    pub(crate) async fn admin_query(&mut self, command: &AdminCommand) -> Result<(), Failure> {
        let answer = self.run_admin(command).await?;
        let mut local = Vec::new();
        answer::notices(&mut local, &answer);
        if !command.columns.is_empty() {
            answer::describe(&mut local, &command.columns, &[]);
        }
        answer::rows(&mut local, &answer, &[])?;
        self.expect(
            Want::Local,
            Some(Fix {
                local,
                ..Fix::default()
            }),
        );
        if self.expect(Want::Sync, None) {
            wire::encode::sync(&mut self.out);
        }
        Ok(())
    }

    /// An admin command by Execute.
    pub(crate) async fn admin_execute(
        &mut self,
        command: &AdminCommand,
        formats: &[i16],
    ) -> Result<(), Failure> {
        let answer = self.run_admin(command).await?;
        let mut local = Vec::new();
        answer::notices(&mut local, &answer);
        answer::rows(&mut local, &answer, formats)?;
        self.expect(
            Want::Local,
            Some(Fix {
                local,
                ..Fix::default()
            }),
        );
        Ok(())
    }

    /// Runs it once all before it has been answered, so that it sees what they did.
    async fn run_admin(&mut self, command: &AdminCommand) -> Result<Answer, Failure> {
        self.settle().await?;
        self.count("admin");
        let (status, skipping) = {
            let lane = self.conn.lane();
            (lane.status, lane.replies.skipping())
        };
        if skipping {
            return Err(Failure::Told);
        }
        let ends = command.changes;
        if status == b'E' {
            // upstream says so itself, and its error stands
            return Err(Report::error(
                "25P02",
                "current transaction is aborted, commands ignored until end of transaction block",
            )
            .hint("Send ROLLBACK first.")
            .into());
        }
        if ends && status == b'T' {
            return Err(Report::error(
                "25001",
                "this command cannot run inside a transaction block",
            )
            .hint("Send COMMIT or ROLLBACK first, then this command.")
            .into());
        }
        let own = Some(self.session.name.as_str());
        let control = &self.conn.shared.control;
        // what agents may do is over soon
        let (progress, _) = tokio::sync::mpsc::channel(1);
        let running = self.conn.presence.slot.command();
        let answer = control
            .admin(
                &self.conn.identity,
                own,
                command,
                (&progress, &running.stop),
            )
            .await?;
        drop(running);
        if ends && self.session.sid != 0 {
            self.learn_again().await?;
        }
        Ok(answer)
    }

    /// After a session or operations of it ended, the draft is what the control plane says.
    async fn learn_again(&mut self) -> Result<(), Failure> {
        let (name, agent) = (&self.session.name, &self.conn.identity.name);
        let control = &self.conn.shared.control;
        let opened = control.open_session(name, agent, false).await?;
        let sid = catalog::SessionId(self.session.sid);
        let draft = crate::client::open_draft(opened.as_ref());
        self.conn.shared.replace_draft(sid, draft);
        Ok(())
    }

    /// SET pgdraft.operation; what takes it back, and the answer.
    pub(crate) fn set_operation(&mut self, value: Option<&str>, local: bool) -> (Undo, Vec<u8>) {
        let mut lane = self.conn.lane();
        let before = lane.operation.clone();
        let group = lane.replies.group() + 1;
        lane.operation
            .set(value.map(ToOwned::to_owned), local, group);
        let mut told = Vec::new();
        let tag = if value.is_some() { "SET" } else { "RESET" };
        wire::encode::command_complete(&mut told, tag);
        (Undo::Operation(before), told)
    }

    /// SHOW pgdraft.session or pgdraft.operation.
    pub(crate) fn show_own(&self, name: &str) -> Answer {
        let value = match name {
            "pgdraft.session" => Some(self.session.name.clone()),
            _ => self.conn.lane().operation.current.clone(),
        };
        Answer {
            columns: own_columns(name),
            rows: vec![vec![Some(value.unwrap_or_default())]],
            tag: "SHOW".to_owned(),
            notices: Vec::new(),
        }
    }
}

/// Demands an operation id that can be stored.
pub(crate) fn good_operation(value: Option<&str>) -> Result<(), Failure> {
    let Some(value) = value else {
        return Ok(());
    };
    match crate::ids::id("operation", value) {
        Ok(_) => Ok(()),
        Err(report) => Err(crate::pipeline::as_error(report).into()),
    }
}

/// The column of a SHOW of our own.
pub(crate) fn own_columns(name: &str) -> Vec<AnswerColumn> {
    let name = name.to_owned();
    vec![AnswerColumn { name, type_id: 25 }]
}

/// What is said where a reviewer or the console is asked for SQL.
pub(crate) fn console_only() -> Report {
    Report::error("0A000", "only admin commands run here")
        .detail("This connection is the admin console: it does not reach any table.")
        .hint("SHOW PGDRAFT COMMANDS lists them, with who may use each; for SQL connect as an agent to the served database.")
}

/// The session's name is not free.
pub(crate) fn not_open(name: &str) -> Report {
    Report::fatal(
        code::NO_SUCH_SESSION,
        format!("session \"{name}\" could not be opened"),
    )
    .hint("Connect again, or with another session id.")
}
