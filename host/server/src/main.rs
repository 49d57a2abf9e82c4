//! The `mantisdb` program.

use std::process::ExitCode;

use clap::Parser;
use mantisdb::cli::Cli;
use mantisdb::failure::{Exit, Failure};

/// Batches, plugins and listings allocate much and briefly (docs/decisions.md, 19).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Threads for clients' long work, such as large batches. A write looks at what every thread that has ever been there is
/// reading, so there are no more than keep some cores and a disk at work.
const LONG_WORK_THREADS_MAX: usize = 16;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(LONG_WORK_THREADS_MAX)
        .on_thread_park(mantisdb::memory::give_back_if_due)
        .build()
    {
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
