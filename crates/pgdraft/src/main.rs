//! The `pgdraft` binary: command line, configuration, and the two planes put together.
//!
//! Only here is the environment read, and only here do the data plane (`session`) and the control
//! plane (`control`, `console`) meet. Start at [`run`].

mod bridge;
mod cli;
mod commits;
mod config_check;
mod database;
mod demo;
mod embedded;
mod failure;
mod hash_password;
mod install;
mod logs;
mod operator;
mod process;
mod render;
mod review;
mod serve;
mod settings;
mod space;
#[cfg(feature = "otel")]
mod traces;

use std::process::ExitCode;

use clap::Parser as _;

use cli::{Cli, Command, ConfigCommand};
use failure::Failure;

/// Stack of a thread that parses statements: the parsers recurse as deep as a statement nests.
const STACK_BYTES: usize = 64 << 20;

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
        Command::Serve(flags) => serve::run(&flags),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Init(arguments) => runtime(1)?.block_on(install::init(&arguments)),
        Command::Uninstall(arguments) => runtime(1)?.block_on(install::uninstall(&arguments)),
        Command::Diff(arguments) => runtime(1)?.block_on(operator::diff(&arguments)),
        Command::Review(arguments) => runtime(1)?.block_on(review::run(&arguments)),
    }
}

/// A run time; 0 threads = one a core.
fn runtime(threads: usize) -> Result<tokio::runtime::Runtime, Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if threads > 0 {
        builder.worker_threads(threads);
    }
    builder
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()
        .map_err(|e| Failure::unexpected(format!("could not start threads: {e}"), "try again"))
}
