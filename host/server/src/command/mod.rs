//! The commands, one a file.

mod backup;
mod bucket;
mod check;
mod config;
mod context;
mod delete;
mod export;
mod file;
mod get;
mod import;
mod plugin;
mod put;
mod restore;
mod scan;
mod serve;
mod stats;
mod table;
mod watch;

use crate::cli::{Cli, Command};
use crate::failure::Outcome;

/// Does what the command line says.
///
/// # Errors
/// Why it could not be done, with the exit code.
pub async fn run(cli: Cli) -> Outcome {
    match cli.command {
        None => serve::run(cli.serve).await,
        Some(Command::Serve(args)) => serve::run(*args).await,
        Some(Command::Config(args)) => config::run(*args),
        Some(Command::Get(args)) => get::run(args).await,
        Some(Command::Put(args)) => put::run(args).await,
        Some(Command::Delete(args)) => delete::run(args).await,
        Some(Command::Scan(args)) => scan::run(args).await,
        Some(Command::Import(args)) => import::run(args).await,
        Some(Command::Export(args)) => export::run(args).await,
        Some(Command::Backup(args)) => backup::run(args).await,
        Some(Command::Restore(args)) => restore::run(&args),
        Some(Command::Check(args)) => check::run(&args),
        Some(Command::Bucket(args)) => bucket::run(args).await,
        Some(Command::Table(args)) => table::run(args).await,
        Some(Command::Plugin(args)) => plugin::run(args).await,
        Some(Command::Stats(args)) => stats::run(args).await,
        Some(Command::Watch(args)) => watch::run(args).await,
    }
}
