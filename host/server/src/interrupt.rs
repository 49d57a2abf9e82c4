//! SIGINT and SIGTERM while a command runs: nothing unfinished is left.
//!
//! Most commands end at once, without the files that they were writing. Work that has to tidy up by itself takes the signal (`Polite`) and
//! asks for it (`check`) between its steps; a second signal, or a few seconds, end it all the same.

use std::io;
use std::process::ExitCode;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::files;

/// Exit code of a process that a signal ended, less the signal's number.
pub(crate) const SIGNAL_EXIT: i32 = 128;

/// How long work that ends by itself may take for it.
const POLITE_MAX: Duration = Duration::from_secs(3);

/// The signal that came; 0 for none.
static SIGNAL: AtomicI32 = AtomicI32::new(0);
/// Works under way that end by themselves.
static POLITE: AtomicUsize = AtomicUsize::new(0);

/// Begins to watch for signals, for a command and not for a server. Call it within a runtime.
///
/// # Errors
/// The system takes no handler.
pub(crate) fn watch() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // A task of its own: the command may not be waiting for anything.
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = terminate.recv() => SignalKind::terminate(),
                _ = interrupt.recv() => SignalKind::interrupt(),
            }
        };
        let number = next().await.as_raw_value();
        SIGNAL.store(number, Ordering::SeqCst);
        if POLITE.load(Ordering::SeqCst) > 0 {
            // It may be waiting for a pipe that says nothing.
            let _ = tokio::time::timeout(POLITE_MAX, next()).await;
        }
        files::remove_all();
        std::process::exit(SIGNAL_EXIT + number);
    });
    Ok(())
}

/// Work that ends by itself after a signal, while this lives.
#[derive(Debug)]
pub(crate) struct Polite(());

impl Polite {
    pub(crate) fn new() -> Self {
        POLITE.fetch_add(1, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for Polite {
    fn drop(&mut self) {
        POLITE.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Fails after a signal.
pub(crate) fn check() -> io::Result<()> {
    if is_interrupted() { Err(io::Error::other("interrupted")) } else { Ok(()) }
}

/// Whether a signal came.
pub(crate) fn is_interrupted() -> bool {
    SIGNAL.load(Ordering::SeqCst) != 0
}

/// The exit code after a signal, if one came.
#[must_use]
pub fn exit_code() -> Option<ExitCode> {
    let number = SIGNAL.load(Ordering::SeqCst);
    (number != 0).then(|| ExitCode::from(u8::try_from(SIGNAL_EXIT + number).unwrap_or(u8::MAX)))
}
