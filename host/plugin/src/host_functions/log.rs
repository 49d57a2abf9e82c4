//! Guests' log lines: bounded in number and length, and on one line each.

use super::bindings::system::Level;
use super::context::Context;

/// Bytes of a line; what is over is cut off.
const LINE_BYTES_MAX: usize = 4_096;

/// Lines of a run so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LogMeter {
    kept: u32,
    pub(crate) dropped: u64,
}

impl Context {
    pub(crate) fn write_log(&mut self, level: Level, message: &str) {
        if self.log.kept >= self.limits.log_lines_max {
            self.log.dropped += 1;
            return;
        }
        self.log.kept += 1;
        let plugin = &*self.plugin;
        let message = one_line(message);
        match level {
            Level::Debug => tracing::debug!(target: "plugin", plugin, "{message}"),
            Level::Info => tracing::info!(target: "plugin", plugin, "{message}"),
            Level::Warn => tracing::warn!(target: "plugin", plugin, "{message}"),
            Level::Error => tracing::error!(target: "plugin", plugin, "{message}"),
        }
    }

    /// Says once how many lines were too many.
    pub(crate) fn report_dropped_lines(&self) {
        let (plugin, dropped) = (&*self.plugin, self.log.dropped);
        if dropped > 0 {
            tracing::warn!(target: "plugin", plugin, "{dropped} more log lines of this call were dropped");
        }
    }
}

/// Cut to the limit, and without characters that would begin a new line or steer a terminal.
fn one_line(message: &str) -> String {
    let cut = message.floor_char_boundary(LINE_BYTES_MAX);
    let mut line: String = message[..cut].chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if cut < message.len() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_short_line() {
        assert_eq!(one_line("two\nlines \u{1b}[31m"), "two lines  [31m");
        assert_eq!(one_line(&"x".repeat(LINE_BYTES_MAX)).len(), LINE_BYTES_MAX);
        assert!(one_line(&"ä".repeat(LINE_BYTES_MAX)).len() <= LINE_BYTES_MAX + '…'.len_utf8());
    }
}
