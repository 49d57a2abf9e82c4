//! The commands, one a file.

mod backup;
mod bucket;
mod check;
mod config;
mod context;
mod delete;
mod export;
mod get;
mod import;
mod pages;
mod plugin;
mod put;
mod restore;
mod scan;
mod serve;
mod stats;
mod table;
mod watch;

use crate::cli::{Cli, Command};
use crate::failure::{Exit, Failure, Outcome};
use crate::interrupt;

/// Does what the command line says.
///
/// # Errors
/// Why it could not be done, with the exit code.
pub async fn run(cli: Cli) -> Outcome {
    let command = match cli.command {
        None => return serve::run(cli.serve).await,
        Some(Command::Serve(args)) => return serve::run(*args).await,
        Some(command) => command,
    };
    interrupt::watch().map_err(|error| Failure::new(Exit::Local, error))?;
    run_command(command).await
}

async fn run_command(command: Command) -> Outcome {
    match command {
        Command::Serve(args) => serve::run(*args).await,
        Command::Config(args) => config::run(*args),
        Command::Get(args) => get::run(args).await,
        Command::Put(args) => put::run(args).await,
        Command::Delete(args) => delete::run(args).await,
        Command::Scan(args) => scan::run(args).await,
        Command::Import(args) => import::run(args).await,
        Command::Export(args) => export::run(args).await,
        Command::Backup(args) => backup::run(args).await,
        Command::Restore(args) => restore::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Bucket(args) => bucket::run(args).await,
        Command::Table(args) => table::run(args).await,
        Command::Plugin(args) => plugin::run(args).await,
        Command::Completions { shell } => pages::completions(shell),
        Command::Man(args) => pages::man(&args),
        Command::Stats(args) => stats::run(args).await,
        Command::Watch(args) => watch::run(args).await,
    }
}
