//! The `mantisdb` program.

use std::process::ExitCode;

use clap::Parser;
use mantisdb::cli::Cli;
use mantisdb::failure::{Exit, Failure};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report(&Failure::new(Exit::Local, format!("cannot start threads: {error}"))),
    };
    let outcome = runtime.block_on(mantisdb::command::run(cli));
    // A thread that still reads a terminal does not hold up the end.
    runtime.shutdown_background();
    outcome.map_or_else(|failure| report(&failure), |()| ExitCode::SUCCESS)
}

fn report(failure: &Failure) -> ExitCode {
    failure.report();
    ExitCode::from(failure.exit as u8)
}
