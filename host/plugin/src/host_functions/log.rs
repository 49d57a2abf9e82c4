//! Guests' log lines: bounded in number and length, and on one line each.

use super::bindings::system::Level;
use crate::limits::LOG_LINE_BYTES_MAX;

/// Where a line comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub(crate) plugin: &'a str,
    pub(crate) function: &'a str,
    /// The request that called the plugin, by the name that its answer has.
    pub(crate) request_id: Option<&'a str>,
}

/// The log of one run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RunLog {
    kept: u32,
    dropped: u64,
}

impl RunLog {
    /// Writes a line to the host's log, unless the run has written `lines_max` of them.
    pub(crate) fn write(&mut self, origin: Origin<'_>, lines_max: u32, level: Level, message: &str) {
        if self.kept >= lines_max {
            self.dropped += 1;
            return;
        }
        self.kept += 1;
        let message = one_line(message);
        let Origin { plugin, function, request_id } = origin;
        match level {
            Level::Debug => tracing::debug!(target: "plugin", plugin, function, request_id, "{message}"),
            Level::Info => tracing::info!(target: "plugin", plugin, function, request_id, "{message}"),
            Level::Warn => tracing::warn!(target: "plugin", plugin, function, request_id, "{message}"),
            Level::Error => tracing::error!(target: "plugin", plugin, function, request_id, "{message}"),
        }
    }

    /// Writes a line to the host's log that does not count.
    pub(super) fn write_beyond(origin: Origin<'_>, level: Level, message: &str) {
        Self::default().write(origin, 1, level, message);
    }

    /// The number of lines above the limit.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Logs that number, once for the run.
    pub(crate) fn report_dropped(&self, origin: Origin<'_>) {
        let dropped = self.dropped;
        if dropped > 0 {
            let Origin { plugin, function, request_id } = origin;
            tracing::warn!(target: "plugin", plugin, function, request_id, "{dropped} more log lines of this call were dropped");
        }
    }
}

/// Cut to the limit, and without characters that would begin a new line or steer a terminal.
fn one_line(message: &str) -> String {
    let cut = message.floor_char_boundary(LOG_LINE_BYTES_MAX);
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
        assert_eq!(one_line(&"x".repeat(LOG_LINE_BYTES_MAX)).len(), LOG_LINE_BYTES_MAX);
        assert!(one_line(&"ä".repeat(LOG_LINE_BYTES_MAX)).len() <= LOG_LINE_BYTES_MAX + '…'.len_utf8());
    }
}
