//! Progress bars on a terminal.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use mantis_db::OnProgress;

/// The time between two steps of a spinner.
const TICK: Duration = Duration::from_millis(100);

/// A bar over `total` bytes on standard error, or a count of bytes where the total is not known. Hidden unless that is a terminal.
pub(crate) fn bar(total: Option<u64>) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left"),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes}, {bytes_per_sec}"),
    };
    let bar = match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    };
    // Shown even if the work ends at once.
    bar.tick();
    bar
}

/// A count of bytes for what is written to standard output. Hidden where that is a terminal too: the data itself shows there.
pub(crate) fn output_bar() -> ProgressBar {
    if std::io::stdout().is_terminal() { ProgressBar::hidden() } else { bar(None) }
}

/// A spinner with the time elapsed. Hidden unless that is a terminal.
pub(crate) fn wait(what: &'static str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner().with_message(what);
    let bar = match ProgressStyle::with_template("{spinner} {msg}, {elapsed}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    };
    bar.tick();
    bar.enable_steady_tick(TICK);
    bar
}

/// Runs work that reports how many bytes of how many it has read, and shows a bar meanwhile.
pub(crate) fn watch<T>(work: impl FnOnce(OnProgress) -> T) -> T {
    watch_with(|_, _| (), work)
}

/// The same, and tells `also`.
pub(crate) fn watch_with<T>(also: impl Fn(u64, u64) + Send + Sync + 'static, work: impl FnOnce(OnProgress) -> T) -> T {
    let bar = bar(Some(0));
    let shown = bar.clone();
    let done = work(Arc::new(move |done, total| {
        also(done, total);
        shown.set_length(total);
        shown.set_position(done);
    }));
    bar.finish_and_clear();
    done
}
