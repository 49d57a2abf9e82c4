//! The log's settings as text.

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    Plain,
    /// One JSON object per line, for machines.
    Json,
}

/// The lowest severity that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Unexpected failures.
    Error,
    /// Conditions that need attention.
    Warn,
    /// Normal events of operation.
    Info,
    /// Details for troubleshooting.
    Debug,
    /// Everything.
    Trace,
}
