//! Where log messages go: standard error, as lines for people or as JSON for machines.

use std::io::IsTerminal;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;

use crate::settings::{LogFormat, LogLevel, LogSettings};

/// Sends the log of this process to standard error. Does nothing when the process has a log already.
pub(crate) fn init(settings: &LogSettings) {
    let level = match settings.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let builder = fmt().with_max_level(level).with_writer(std::io::stderr);
    let _ = match settings.format {
        LogFormat::Plain => builder.with_target(false).with_ansi(std::io::stderr().is_terminal()).try_init(),
        // A machine picks events by their target, as `mantisdb::request`.
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}
