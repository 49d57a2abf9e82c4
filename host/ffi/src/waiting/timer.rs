//! The one thread of the library: it runs timers, the pools' upkeep, connections to servers, and what was started on a queue. It
//! never works for long.

use std::future::pending;
use std::sync::OnceLock;
use std::thread;

use tokio::runtime::{Builder, Handle};

use crate::abi::status;
use crate::failure::Failure;

static TIMER: OnceLock<Handle> = OnceLock::new();

/// Starts the thread, if it does not run.
///
/// # Errors
/// The system refuses a thread, or what a runtime needs.
pub(crate) fn start() -> Result<&'static Handle, Failure> {
    if let Some(handle) = TIMER.get() {
        return Ok(handle);
    }
    let failed = |error: std::io::Error| {
        Failure::new(status::MANTIS_E_OPEN, "threads", format!("cannot start a thread: {error}"))
    };
    let mut builder = Builder::new_current_thread();
    builder.enable_time();
    // Connections to servers; names of hosts are looked up on a thread of their own.
    #[cfg(feature = "remote")]
    builder.enable_io().max_blocking_threads(2);
    let runtime = builder.build().map_err(failed)?;
    // A second caller at the same moment keeps the first one's.
    let mut runtime = Some(runtime);
    let handle =
        TIMER.get_or_init(|| runtime.as_ref().map_or_else(|| unreachable!("it was just made"), |r| r.handle().clone()));
    if let Some(runtime) = runtime.take().filter(|runtime| runtime.handle().id() == handle.id()) {
        let run = move || runtime.block_on(pending::<()>());
        thread::Builder::new().name("mantis-timer".into()).spawn(run).map_err(failed)?;
    }
    Ok(handle)
}

/// The thread's runtime.
pub(crate) fn handle() -> Result<&'static Handle, Failure> {
    start()
}
