//! Logs a panic before it traps: the host sees only the trap.

use std::panic::PanicHookInfo;

use crate::system::{Level, log};

/// Runs before the first export does.
#[used]
#[unsafe(link_section = ".init_array")]
static INSTALL: extern "C" fn() = install;

extern "C" fn install() {
    std::panic::set_hook(Box::new(report));
}

fn report(panic: &PanicHookInfo<'_>) {
    log(Level::Error, &panic.to_string());
}
