//! A private PostgreSQL from the installed binaries: `serve --embedded` and `demo`.
//!
//! It lives in a folder of its own, listens on 127.0.0.1 only, asks for a password, and never
//! runs as root: PostgreSQL refuses that, so a process that is root gives the folder to another
//! user and starts the programs as that user.

mod binaries;
mod owner;

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::failure::Failure;
use crate::settings::{EmbeddedSettings, Secret};
use owner::Owner;

/// Its superuser.
const SUPERUSER: &str = "postgres";
/// The database that agents work on under `serve --embedded`.
pub(crate) const DATABASE: &str = "app";

/// How often a port is chosen where each is taken by somebody else before PostgreSQL has it.
const PORTS_TRIED: u32 = 4;

/// A running private PostgreSQL; dropping it stops it.
pub(crate) struct Embedded {
    bin: PathBuf,
    dir: PathBuf,
    owner: Option<Owner>,
    port: u16,
    password: Secret,
    /// Held as long as it runs: a second process must not take the folder.
    _lock: fs::File,
    /// The folder goes with it.
    temporary: bool,
    running: bool,
}

impl Embedded {
    /// Makes the cluster if the folder has none, and starts it. Blocks for some seconds.
    ///
    /// # Errors
    /// No binaries, no folder, no start; with the next step.
    pub(crate) fn start(
        settings: &EmbeddedSettings,
        connections_max: usize,
    ) -> Result<Self, Failure> {
        let owner = Owner::needed()?;
        let dir = match &settings.data_dir {
            Some(dir) => dir.clone(),
            None => default_dir(owner.as_ref())?,
        };
        Self::start_in(settings, dir, owner, connections_max)
    }

    /// The same in a new folder that is removed with it.
    ///
    /// # Errors
    /// As [`Embedded::start`].
    pub(crate) fn start_temporary(
        settings: &EmbeddedSettings,
        connections_max: usize,
    ) -> Result<Self, Failure> {
        let owner = Owner::needed()?;
        let name = format!("pgdraft-{}", random_word(9)?);
        let dir = std::env::temp_dir().join(name);
        let mut embedded = Self::start_in(settings, dir, owner, connections_max)?;
        embedded.temporary = true;
        Ok(embedded)
    }

    fn start_in(
        settings: &EmbeddedSettings,
        dir: PathBuf,
        owner: Option<Owner>,
        connections_max: usize,
    ) -> Result<Self, Failure> {
        let bin = binaries::find(settings.pg_bin.as_deref(), &dir.join("data/PG_VERSION"))?;
        make_dir(&dir, owner.as_ref())?;
        let dir = dir.canonicalize().map_err(|e| folder(&dir, &e))?;
        let mut embedded = Self {
            bin,
            port: settings.port,
            password: password(&dir)?,
            _lock: lock(&dir)?,
            dir,
            owner,
            temporary: false,
            running: false,
        };
        if !embedded.data().join("PG_VERSION").exists() {
            embedded.initdb()?;
        }
        embedded.end_of_before()?;
        match settings.port {
            0 => embedded.launch_anywhere(connections_max)?,
            _ => embedded.launch(connections_max)?,
        }
        Ok(embedded)
    }

    /// The URL of a database on it, as its superuser.
    pub(crate) fn url(&self, database: &str) -> Secret {
        let password = self.password.reveal();
        let port = self.port;
        Secret::new(format!(
            "postgres://{SUPERUSER}:{password}@127.0.0.1:{port}/{database}?sslmode=disable"
        ))
    }

    /// Its folder.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Stops it, and removes its folder if that is temporary.
    ///
    /// # Errors
    /// It did not stop.
    pub(crate) fn stop(mut self) -> Result<(), Failure> {
        self.shut_down()
    }

    fn shut_down(&mut self) -> Result<(), Failure> {
        if self.running {
            let mut command = self.command("pg_ctl");
            command
                .args(["stop", "-w", "-t", "60", "-m", "fast", "-D"])
                .arg(self.data());
            run(command, "stop the private PostgreSQL")?;
            self.running = false;
        }
        if self.temporary {
            let _ = fs::remove_dir_all(&self.dir);
        }
        Ok(())
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn initdb(&self) -> Result<(), Failure> {
        // initdb reads the password from a file that its own user can read.
        let file = self.dir.join("initdb.password");
        write_private(&file, self.password.reveal(), self.owner.as_ref())?;
        let mut outcome = Ok(());
        for locale in ["C.UTF-8", "C"] {
            let mut command = self.command("initdb");
            command
                .args([
                    "-U",
                    SUPERUSER,
                    "-A",
                    "scram-sha-256",
                    "-E",
                    "UTF8",
                    "--no-instructions",
                ])
                .arg(format!("--locale={locale}"))
                .arg(format!("--pwfile={}", file.display()))
                .arg("-D")
                .arg(self.data());
            outcome = run(command, "make the private PostgreSQL");
            if outcome.is_ok() {
                break;
            }
        }
        let _ = fs::remove_file(&file);
        outcome
    }

    /// Ends one that a killed process left behind, which still has the folder.
    fn end_of_before(&mut self) -> Result<(), Failure> {
        let mut status = self.command("pg_ctl");
        status.args(["status", "-D"]).arg(self.data());
        if status.status().is_ok_and(|s| s.success()) {
            self.running = true;
            let temporary = std::mem::replace(&mut self.temporary, false);
            self.shut_down()?;
            self.temporary = temporary;
        }
        Ok(())
    }

    /// Starts it on a free port. Somebody else may take that before PostgreSQL does: then on another.
    fn launch_anywhere(&mut self, connections_max: usize) -> Result<(), Failure> {
        let mut tried = 0;
        loop {
            self.port = free_port()?;
            tried += 1;
            match self.launch(connections_max) {
                Err(_) if tried < PORTS_TRIED && is_taken(self.port) => {}
                done => return done,
            }
        }
    }

    fn launch(&mut self, connections_max: usize) -> Result<(), Failure> {
        let options = format!(
            "-c listen_addresses=127.0.0.1 -c port={} -c unix_socket_directories='' -c max_connections={}",
            self.port,
            connections_max.saturating_add(30)
        );
        let log = self.dir.join("server.log");
        let mut command = self.command("pg_ctl");
        command
            .args(["start", "-w", "-t", "60", "-D"])
            .arg(self.data())
            .arg("-l")
            .arg(&log)
            .args(["-o", &options]);
        run(command, "start the private PostgreSQL").map_err(|failure| match failure {
            Failure::Unexpected { message, .. } => {
                let hint = format!("{} says why", log.display());
                Failure::unexpected(message, hint)
            }
            other => other,
        })?;
        self.running = true;
        Ok(())
    }

    /// A program of PostgreSQL, as the folder's owner, with an environment that does not mislead.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command
            .current_dir(&self.dir)
            .env_remove("PGDATA")
            .env_remove("PGPORT")
            .env_remove("PGHOST")
            .env("LC_MESSAGES", "C")
            // pg_ctl's child inherits them and must not hold our own open.
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some(owner) = &self.owner {
            owner.become_in(&mut command);
        }
        command
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if let Err(failure) = self.shut_down() {
            tracing::error!(%failure, "the private PostgreSQL did not stop");
        }
    }
}

/// Runs a program to its end; what it said is part of the failure.
fn run(mut command: Command, what: &str) -> Result<(), Failure> {
    // A file and not a pipe: pg_ctl's child keeps the descriptor, and a pipe would never end.
    let hint = "the message is PostgreSQL's own; `--data-dir` names another folder, `--pg-bin` other binaries";
    let output = captured(&mut command)
        .map_err(|e| Failure::unexpected(format!("could not {what}: {e}"), hint))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim();
    let said = if said.is_empty() { "no message" } else { said };
    Err(Failure::unexpected(
        format!("could not {what}: {said}"),
        hint,
    ))
}

fn captured(command: &mut Command) -> std::io::Result<Output> {
    let path = std::env::temp_dir().join(format!(
        "pgdraft-{}-{}.out",
        std::process::id(),
        random_word(6).map_err(|_| std::io::Error::other("no random bytes"))?
    ));
    let file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    let status = command.stderr(file).status();
    let stderr = fs::read(&path);
    let _ = fs::remove_file(&path);
    Ok(Output {
        status: status?,
        stdout: Vec::new(),
        stderr: stderr?,
    })
}

/// A word of letters and digits from so many random bytes.
pub(crate) fn random_word(bytes: usize) -> Result<String, Failure> {
    use base64::Engine as _;
    use ring::rand::SecureRandom as _;
    let mut random = vec![0_u8; bytes];
    ring::rand::SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| Failure::unexpected("the system gives no random bytes", "try again"))?;
    let word = base64::engine::general_purpose::STANDARD_NO_PAD.encode(random);
    Ok(word.replace(['+', '/'], "x"))
}

/// Where it lives without `--data-dir`. Root's own folders cannot be reached by another user.
fn default_dir(owner: Option<&Owner>) -> Result<PathBuf, Failure> {
    if owner.is_some() {
        return Ok(PathBuf::from("/var/lib/pgdraft/embedded"));
    }
    let folder = |name| {
        std::env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    let state = folder("XDG_STATE_HOME")
        .or_else(|| folder("HOME").map(|home| home.join(".local/state")))
        .ok_or_else(|| Failure::Usage {
            message: "there is no HOME to keep the private PostgreSQL in".into(),
            hint: "name a folder with --data-dir".into(),
        })?;
    Ok(state.join("pgdraft/embedded"))
}

fn make_dir(dir: &Path, owner: Option<&Owner>) -> Result<(), Failure> {
    fs::create_dir_all(dir)
        .and_then(|()| fs::set_permissions(dir, fs::Permissions::from_mode(0o700)))
        .map_err(|e| folder(dir, &e))?;
    owner.map_or(Ok(()), |owner| owner.give(dir))
}

fn lock(dir: &Path) -> Result<fs::File, Failure> {
    let path = dir.join("lock");
    let file = fs::File::create(&path).map_err(|e| folder(&path, &e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(Failure::unexpected(
            format!("another pgdraft runs a PostgreSQL in {}", dir.display()),
            "stop it, or name another folder with --data-dir",
        )),
        Err(fs::TryLockError::Error(error)) => Err(folder(&path, &error)),
    }
}

fn folder(dir: &Path, error: &std::io::Error) -> Failure {
    Failure::unexpected(
        format!("could not use the folder {}: {error}", dir.display()),
        "name another with --data-dir",
    )
}

/// The superuser's password: made once, kept beside the cluster for the next start.
fn password(dir: &Path) -> Result<Secret, Failure> {
    let file = dir.join("superuser.password");
    match fs::read_to_string(&file) {
        Ok(text) => Ok(Secret::new(text.trim())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let word = random_word(18)?;
            write_private(&file, &word, None)?;
            Ok(Secret::new(word))
        }
        Err(error) => Err(folder(&file, &error)),
    }
}

fn write_private(file: &Path, text: &str, owner: Option<&Owner>) -> Result<(), Failure> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options
        .open(file)
        .and_then(|mut f| f.write_all(text.as_bytes()))
        .map_err(|e| folder(file, &e))?;
    owner.map_or(Ok(()), |owner| owner.give(file))
}

fn is_taken(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_err()
}

fn free_port() -> Result<u16, Failure> {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|e| {
            Failure::unexpected(
                format!("could not find a free port: {e}"),
                "name one with --embedded-port",
            )
        })
}
