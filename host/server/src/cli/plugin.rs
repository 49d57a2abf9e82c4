//! The options of the commands on plugins.

use std::path::PathBuf;

use clap::Args;

use crate::units;

/// What a plugin may do, and how it runs. What is not given stays as it was in the version before.
#[derive(Debug, Default, Args)]
#[allow(missing_docs, reason = "the help texts are on the arguments")]
pub struct PluginOptionArgs {
    /// Grant access to a bucket or table, as in players:read, scores:write (read and write), table/orders:write, or table/*:read (every
    /// table); *:write grants all, none nothing; repeatable. In place of all grants of the version before
    #[arg(long, value_name = "BUCKET:ACCESS", value_delimiter = ',')]
    pub grant: Vec<String>,
    /// Let an instance serve several calls; --reuse=false ends that
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub reuse: Option<bool>,
    /// How long a call may take: milliseconds, or as in 2s
    #[arg(long, value_name = "TIME", value_parser = units::plain_milliseconds)]
    pub call_deadline_ms: Option<u64>,
    /// Bytes of memory of an instance, or as in 32MiB
    #[arg(long, value_name = "SIZE", value_parser = units::bytes)]
    pub memory_bytes_max: Option<u64>,
    /// Resource handles that an instance holds at once
    #[arg(long, value_name = "COUNT", value_parser = units::whole)]
    pub handles_max: Option<u64>,
    /// Bytes that a call takes in and gives out, or as in 8MiB
    #[arg(long, value_name = "SIZE", value_parser = units::bytes)]
    pub transfer_bytes_max: Option<u64>,
    /// Log lines of a call that are kept
    #[arg(long, value_name = "COUNT", value_parser = units::whole)]
    pub log_lines_max: Option<u64>,
    /// Begin without grants and with the default limits and settings, instead of those of the version before
    #[arg(long)]
    pub reset: bool,
    /// A manifest (.toml or .json) that says all of this, as beside the files of --plugins
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = [
            "grant", "reuse", "call_deadline_ms", "memory_bytes_max", "handles_max", "transfer_bytes_max", "log_lines_max", "reset",
        ]
    )]
    pub manifest: Option<PathBuf>,
}

/// The revision that a change expects.
#[derive(Debug, Default, Args)]
#[allow(missing_docs, reason = "the help texts are on the arguments")]
pub struct RevisionArgs {
    /// Only if the plugin has this revision, as `plugin show` names it
    #[arg(long, value_name = "REVISION")]
    pub if_revision: Option<String>,
}
