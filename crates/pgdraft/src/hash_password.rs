//! `pgdraft hash-password`: a password in, a SCRAM-SHA-256 verifier out.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::process::{Command, Stdio};

use wire::startup::Verifier;

use crate::cli::HashPassword;
use crate::failure::Failure;
use crate::settings::Secret;

/// Longest password that is read, in bytes.
const PASSWORD_BYTES_MAX: u64 = 1024;

/// Runs the command.
pub(crate) fn run(arguments: &HashPassword) -> Result<(), Failure> {
    let password = if io::stdin().is_terminal() {
        ask_twice()?
    } else {
        read_line()?
    };
    if password.reveal().is_empty() {
        return Err(Failure::Usage {
            message: "the password is empty".into(),
            hint: "type it when asked, or write it to standard input".into(),
        });
    }
    let verifier = Verifier::from_password(password.reveal(), arguments.iterations)
        .map_err(|e| Failure::unexpected(e.to_string(), "try again"))?;
    println!("{verifier}");
    Ok(())
}

/// One line of standard input, without its end.
fn read_line() -> Result<Secret, Failure> {
    let mut line = String::new();
    io::stdin()
        .lock()
        .take(PASSWORD_BYTES_MAX + 1)
        .read_line(&mut line)
        .map_err(|e| {
            let message = format!("could not read the password: {e}");
            Failure::unexpected(message, "write it to standard input as one line of UTF-8")
        })?;
    let text = line.trim_end_matches(['\r', '\n']);
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > PASSWORD_BYTES_MAX {
        return Err(Failure::Usage {
            message: format!("the password is longer than {PASSWORD_BYTES_MAX} bytes"),
            hint: "take a shorter one".into(),
        });
    }
    Ok(Secret::new(text))
}

fn ask_twice() -> Result<Secret, Failure> {
    // Ctrl-C must not leave a terminal behind that shows nothing.
    let signals = crate::runtime(1)?;
    signals.spawn(async {
        if tokio::signal::ctrl_c().await.is_ok() {
            stty("echo");
            eprintln!();
            std::process::exit(130);
        }
    });
    let first = ask("Password: ")?;
    let second = ask("Again: ")?;
    if first != second {
        return Err(Failure::Usage {
            message: "the two passwords differ".into(),
            hint: "run it again".into(),
        });
    }
    Ok(first)
}

fn ask(prompt: &str) -> Result<Secret, Failure> {
    eprint!("{prompt}");
    let _ = io::stderr().flush();
    let echo = NoEcho::begin();
    let answer = read_line();
    drop(echo);
    eprintln!();
    answer
}

/// While it lives the terminal does not show what is typed.
struct NoEcho;

impl NoEcho {
    fn begin() -> Self {
        stty("-echo");
        Self
    }
}

impl Drop for NoEcho {
    fn drop(&mut self) {
        stty("echo");
    }
}

/// `stty` works on its standard input, which is our terminal.
fn stty(mode: &str) {
    let _ = Command::new("stty")
        .arg(mode)
        .stdin(Stdio::inherit())
        .stderr(Stdio::null())
        .status();
}
