//! The `pgdraft` binary: command line, configuration, and the two planes put together.
//!
//! Only here is the environment read, and only here do the data plane (`session`) and the control
//! plane (`control`, `console`) meet. Start at [`run`].

mod cli;
mod config_check;
mod failure;
mod hash_password;
mod logs;
mod serve;
mod settings;

use std::process::ExitCode;

use clap::Parser as _;

use cli::{Cli, Command, ConfigCommand};
use failure::Failure;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}", failure.lines());
            failure.exit_code()
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::HashPassword(arguments) => hash_password::run(&arguments),
        Command::Config(ConfigCommand::Check(flags)) => config_check::run(&flags),
        _ => Ok(()),
    }
}
