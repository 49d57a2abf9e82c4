//! The `mantisdb` program.

use std::num::NonZero;
use std::ops::RangeInclusive;
use std::process::ExitCode;

use mantisdb::arguments;
use mantisdb::failure::{Exit, Failure};

/// Batches, plugins and listings allocate much and briefly (docs/decisions.md, 19).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Threads for clients' long work, such as large batches: per core, and the least and most of all. Work that waits for the disk takes
/// none. More threads would compete for the cores and their caches, and each write looks at what every thread is reading.
const LONG_WORK_THREADS_PER_CORE: usize = 2;
const LONG_WORK_THREADS: RangeInclusive<usize> = 4..=16;

fn main() -> ExitCode {
    mantisdb::panics::report_load_address();
    let cli = match arguments::read() {
        Ok(cli) => cli,
        Err(end) => return end,
    };
    let as_json = cli.as_json();
    // A server says it in its log.
    if !cli.is_server() {
        for warning in mantisdb::variables::unknown(false) {
            if as_json {
                eprintln!("{}", serde_json::json!({ "warning": warning }));
            } else {
                eprintln!("warning: {warning}");
            }
        }
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(long_work_threads())
        .on_thread_park(mantisdb::memory::give_back_if_due)
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return report(Failure::new(Exit::Local, format!("cannot start threads: {error}")), as_json),
    };
    let outcome = runtime.block_on(mantisdb::command::run(cli));
    // A thread that still reads a terminal does not delay the exit.
    runtime.shutdown_background();
    let code = outcome.map_or_else(|failure| report(failure, as_json), |()| ExitCode::SUCCESS);
    mantisdb::interrupt::exit_code().unwrap_or(code)
}

fn long_work_threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    (LONG_WORK_THREADS_PER_CORE * cores).clamp(*LONG_WORK_THREADS.start(), *LONG_WORK_THREADS.end())
}

fn report(failure: Failure, as_json: bool) -> ExitCode {
    let exit = failure.exit;
    failure.report(as_json);
    ExitCode::from(exit as u8)
}
