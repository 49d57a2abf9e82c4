//! The command line's shape: what clap reads and documents.
//!
//! | module | holds |
//! |---|---|
//! | this one | the program, the server's options, and the commands on keys, buckets and plugins |
//! | `plugin` | the options of the commands on plugins |
//! | `table` | the commands on tables |

mod plugin;
mod table;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::settings::{ModeSetting, SettingsInput};
use crate::units::{self, Seconds};
pub use plugin::{PluginOptionArgs, RevisionArgs};
pub use table::{
    RowFormat, TableArgs, TableCommand, TableCreateArgs, TableExportArgs, TableImportArgs, TableSelectArgs,
};

/// A database that runs your code next to your data.
///
/// Without a command it starts the server, as `serve` does. `config`, `restore` and `check` work on local files, `completions` and
/// `man` on nothing; the other commands talk to a server over HTTP.
#[derive(Debug, Parser)]
#[command(
    name = "mantisdb",
    version,
    args_conflicts_with_subcommands = true,
    after_help = EXIT_CODES,
)]
pub struct Cli {
    /// The command.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The options of `serve`.
    #[command(flatten)]
    pub serve: ServeArgs,
}

impl Cli {
    /// Whether it starts the server.
    #[must_use]
    pub fn is_server(&self) -> bool {
        matches!(self.command, None | Some(Command::Serve(_)))
    }

    /// Whether results and failures are printed as JSON.
    #[must_use]
    pub fn as_json(&self) -> bool {
        let Some(command) = &self.command else { return false };
        match command {
            Command::Serve(_) | Command::Config(_) | Command::Completions { .. } | Command::Man(_) => false,
            Command::Get(GetArgs { server, .. })
            | Command::Put(PutArgs { server, .. })
            | Command::Delete(DeleteArgs { server, .. })
            | Command::Scan(ScanArgs { server, .. })
            | Command::Import(ImportArgs { server, .. })
            | Command::Export(ExportArgs { server, .. })
            | Command::Backup(BackupArgs { server, .. })
            | Command::Stats(StatsArgs { server })
            | Command::Watch(WatchArgs { server, .. }) => server.json,
            Command::Restore(RestoreArgs { data, .. }) | Command::Check(CheckArgs { data, .. }) => data.json,
            Command::Bucket(BucketArgs { command }) => match command {
                BucketCommand::List { server } | BucketCommand::Drop { server, .. } => server.json,
            },
            Command::Plugin(PluginArgs { command }) => match command {
                PluginCommand::List { server }
                | PluginCommand::Show { server, .. }
                | PluginCommand::Put { server, .. }
                | PluginCommand::Rollback { server, .. }
                | PluginCommand::Remove { server, .. }
                | PluginCommand::Call { server, .. } => server.json,
            },
            Command::Table(args) => args.server().json,
        }
    }
}

const EXIT_CODES: &str = "Exit codes:
  0  done
  1  the key, bucket, table, plugin or function was not found, or a condition was not met
  2  the command line or the configuration is invalid
  3  the server refused the request, failed, or could not be reached
  4  a local file or stream failed, or its contents are invalid
  5  all keys and rows are there, and components of plugins are missing or damaged

With --json, a failure is a JSON object on standard error: the server's problem document, or one with `detail` and `hint`; both with `exit_code`.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the server
    Serve(Box<ServeArgs>),
    /// Show the configuration that `serve` would use, as TOML
    Config(Box<ConfigArgs>),
    /// Write a key's value to standard output
    Get(GetArgs),
    /// Set a key's value
    Put(PutArgs),
    /// Delete a key, all keys with a prefix, or all keys
    Delete(DeleteArgs),
    /// List keys, or keys and values, in key order
    Scan(ScanArgs),
    /// Import records from a file or standard input
    Import(ImportArgs),
    /// Export a bucket to standard output or a file
    Export(ExportArgs),
    /// Back up a running server's database to a file
    Backup(BackupArgs),
    /// Restore a backup into a directory that has no database
    Restore(RestoreArgs),
    /// Check every file of a database that no server has open, and repair it if asked to
    Check(CheckArgs),
    /// List and drop buckets
    Bucket(BucketArgs),
    /// Create, show, import, export and query tables
    Table(TableArgs),
    /// Install, list, show, roll back, remove and call plugins
    Plugin(PluginArgs),
    /// Show the server's statistics
    Stats(StatsArgs),
    /// Write a shell's completions to standard output
    ///
    /// For bash: mantisdb completions bash > ~/.local/share/bash-completion/completions/mantisdb
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual page, or that of a command, to standard output
    ///
    /// To read it: mantisdb man table import | man -l -
    Man(ManArgs),
    /// Follow changes as they happen
    Watch(WatchArgs),
}

/// Options of `serve`.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeArgs {
    /// Keep the data in memory only: it is lost when the process exits; not with --data or --durability
    #[arg(long)]
    pub memory: bool,
    /// Listen on an address that other machines can reach, although there is no authentication
    #[arg(long, env = "MANTISDB_INSECURE_NO_AUTH", hide_env = true)]
    pub insecure_no_auth: bool,
    /// Where settings come from.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// Where settings come from.
#[derive(Debug, Clone, Default, Args)]
pub struct ConfigArgs {
    /// Configuration file (TOML); flags and environment variables take precedence
    #[arg(long, value_name = "FILE", env = "MANTISDB_CONFIG", hide_env = true)]
    pub config: Option<PathBuf>,
    /// The settings.
    #[command(flatten)]
    pub settings: SettingsInput,
}

/// The server, and how its answers are printed.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Server and output")]
pub struct ServerArgs {
    /// The server's URL; http:// and the port 8080 may be left out, as in localhost or db.example:80
    #[arg(long, value_name = "URL", env = "MANTISDB_URL", default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// Time to wait for an answer: seconds, or as in 500ms or 2m
    #[arg(long, value_name = "TIME", default_value = "60")]
    pub timeout: Seconds,
    /// Print JSON instead of plain text
    #[arg(long)]
    pub json: bool,
}

/// The bucket that a command works on.
#[derive(Debug, Clone, Args)]
pub struct BucketName {
    /// The bucket
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub bucket: String,
}

/// The notation of keys on the command line.
#[derive(Debug, Clone, Args)]
pub struct KeyForm {
    /// Decode the escapes \n, \r, \t, \\ and \xNN in keys, which `scan` prints
    #[arg(long, short = 'e')]
    pub escapes: bool,
}

/// Options of `get`.
#[derive(Debug, Args)]
#[allow(missing_docs, reason = "the help texts are on the arguments")]
pub struct GetArgs {
    /// The key
    pub key: OsString,
    #[command(flatten)]
    pub form: KeyForm,
    #[command(flatten)]
    pub bucket: BucketName,
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Options of `put`.
#[derive(Debug, Args)]
#[allow(missing_docs, reason = "the help texts are on the arguments")]
pub struct PutArgs {
    /// The key
    pub key: OsString,
    /// The value; @FILE reads a file, - or no value reads standard input
    pub value: Option<OsString>,
    /// Use VALUE literally, even if it is - or starts with @
    #[arg(long)]
    pub literal: bool,
    /// Time until the value expires: seconds, or as in 90s, 12h or 7d
    #[arg(long, value_name = "TIME", allow_negative_numbers = true)]
    pub ttl: Option<String>,
    /// The value's media type
    #[arg(long, visible_alias = "content-type", value_name = "TYPE", default_value = "application/octet-stream")]
    pub media_type: String,
    /// Only if the key does not exist
    #[arg(long, conflicts_with = "if_version")]
    pub if_absent: bool,
    /// Only if the key is at this version
    #[arg(long, value_name = "VERSION", value_parser = units::whole)]
    pub if_version: Option<u64>,
    #[command(flatten)]
    pub form: KeyForm,
    #[command(flatten)]
    pub bucket: BucketName,
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Options of `delete`.
#[derive(Debug, Args)]
#[allow(missing_docs, reason = "the help texts are on the arguments")]
pub struct DeleteArgs {
    /// The key
    #[arg(required_unless_present_any = ["prefix", "all"])]
    pub key: Option<OsString>,
    /// Delete all keys with this prefix instead
    #[arg(long, value_name = "PREFIX", conflicts_with_all = ["key", "if_version"])]
    pub prefix: Option<OsString>,
    /// Delete all keys of the bucket instead
    #[arg(long, conflicts_with_all = ["key", "prefix", "if_version"])]
    pub all: bool,
    /// Only if the key is at this version
    #[arg(long, value_name = "VERSION", value_parser = units::whole)]
    pub if_version: Option<u64>,
    #[command(flatten)]
    pub form: KeyForm,
    #[command(flatten)]
    pub bucket: BucketName,
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Options of `scan`.
#[derive(Debug, Args)]
#[allow(missing_docs, reason = "the help texts are on the arguments")]
pub struct ScanArgs {
    /// Only keys with this prefix
    #[arg(long, value_name = "PREFIX", conflicts_with_all = ["start", "end"])]
    pub prefix: Option<OsString>,
    /// Start of the range (inclusive)
    #[arg(long, value_name = "KEY")]
    pub start: Option<OsString>,
    /// End of the range (exclusive)
    #[arg(long, value_name = "KEY")]
    pub end: Option<OsString>,
    /// In descending order
    #[arg(long)]
    pub reverse: bool,
    /// List at most this many [default: all]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = units::positive)]
    pub limit: Option<u64>,
    /// Print values too
    #[arg(long)]
    pub values: bool,
    #[command(flatten)]
    pub form: KeyForm,
    #[command(flatten)]
    pub bucket: BucketName,
    #[command(flatten)]
    pub server: ServerArgs,
}

/// The formats of a file of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One record per line: the line is both key and value
    Lines,
    /// Records of columns, one of which is the key
    Csv,
    /// One JSON object per line
    Ndjson,
}

/// The formats of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// Each value and a line end
    Lines,
    /// A header and the columns key and value
    Csv,
    /// One JSON object per line
    Ndjson,
    /// The file that was imported, byte for byte and in its order, as far as its records are still there
    Imported,
}

/// Options of `import`.
#[derive(Debug, Args)]
#[allow(missing_docs, reason = "the help texts are on the arguments")]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct ImportArgs {
    /// The file, which may be compressed with gzip or zstd; - or no file reads standard input
    pub file: Option<PathBuf>,
    /// The file's format [default: by its name (.csv, .tsv, .ndjson, .jsonl), or csv with --key, or ndjson if its first line is one of an
    /// export, or lines]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// The key's column (csv: its name, or its number from 1) or member (ndjson); the value is the whole record
    #[arg(long, value_name = "COLUMN")]
    pub key: Option<String>,
    /// csv: use this column as the value instead of the whole record
    #[arg(long, value_name = "COLUMN", requires = "key")]
    pub value: Option<String>,
    /// csv: the character that separates columns, or \t
    #[arg(long, value_name = "CHARACTER")]
    pub delimiter: Option<String>,
    /// csv: the first record is data, not column names
    #[arg(long)]
    pub no_header: bool,
    /// Take the file's bytes as they are, also if it is no UTF-8 text
    #[arg(long)]
    pub bytes: bool,
    /// Add this prefix to each key
    #[arg(long, value_name = "PREFIX")]
    pub key_prefix: Option<OsString>,
    /// Time until the records expire: seconds, or as in 90s, 12h or 7d
    #[arg(long, value_name = "TIME", allow_negative_numbers = true)]
    pub ttl: Option<String>,
    /// Skip records whose key occurred before, instead of reporting them
    #[arg(long)]
    pub skip_duplicates: bool,
    /// Do not record the file's order; `export` then writes in key order
    #[arg(long)]
    pub no_order: bool,
    #[command(flatten)]
    pub bucket: BucketName,
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Options of `export`.
#[derive(Debug, Args)]
#[allow(missing_docs, reason = "the help texts are on the arguments")]
pub struct ExportArgs {
    /// Write to this file instead of standard output; one named .gz or .zst is compressed
    #[arg(long, short = 'o', value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long, requires = "output")]
    pub force: bool,
    /// The output's format [default: by the file's name (.csv, .tsv, .ndjson, .jsonl), or ndjson]
    #[arg(long, value_enum)]
    pub format: Option<ExportFormat>,
    /// Write in key order: what every format but `imported` does
    #[arg(long, hide = true)]
    pub by_key: bool,
    /// Only keys with this prefix, in key order
    #[arg(long, value_name = "PREFIX")]
    pub prefix: Option<OsString>,
    #[command(flatten)]
    pub form: KeyForm,
    #[command(flatten)]
    pub bucket: BucketName,
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Options of `backup`.
#[derive(Debug, Args)]
#[allow(missing_docs, reason = "the help texts are on the arguments")]
pub struct BackupArgs {
    /// The file to write, compressed if it is named .gz or .zst; - writes to standard output
    pub file: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub server: ServerArgs,
}

/// The directory that a command works on.
#[derive(Debug, Clone, Args)]
pub struct DataDir {
    /// Data directory
    #[arg(long, value_name = "DIR", env = "MANTISDB_DATA", default_value = "mantis-data")]
    pub data: PathBuf,
    /// Permissions of a directory that is created, as in 0750; its files have the same without x
    #[arg(long = "data-mode", value_name = "MODE", env = "MANTISDB_DATA_MODE", default_value_t = ModeSetting::OWNER)]
    pub mode: ModeSetting,
    /// Print JSON instead of plain text
    #[arg(long)]
    pub json: bool,
}

/// Options of `restore`.
#[derive(Debug, Args)]
#[allow(missing_docs, reason = "the help texts are on the arguments")]
pub struct RestoreArgs {
    /// The backup file, also compressed with gzip or Zstandard; - reads standard input
    pub file: PathBuf,
    #[command(flatten)]
    pub data: DataDir,
}

/// Options of `check`.
#[derive(Debug, Args)]
#[allow(missing_docs, reason = "the help texts are on the arguments")]
pub struct CheckArgs {
    #[command(flatten)]
    pub data: DataDir,
    /// If the database is damaged, write one with what can be recovered: the longest unbroken run of commits from the first
    #[arg(long, requires = "where_to")]
    pub repair: bool,
    /// Write the repaired database to this directory, which must not contain one
    #[arg(long, value_name = "NEWDIR", requires = "repair", group = "where_to")]
    pub into: Option<PathBuf>,
    /// Replace DIR with the repaired database; the damaged one is kept as DIR.damaged-TIME
    #[arg(long, requires = "repair", group = "where_to")]
    pub in_place: bool,
}

/// Options of `bucket`.
#[derive(Debug, Args)]
#[allow(missing_docs, reason = "the help texts are on the arguments")]
pub struct BucketArgs {
    #[command(subcommand)]
    pub command: BucketCommand,
}

/// The commands on buckets.
#[derive(Debug, Subcommand)]
#[allow(missing_docs, reason = "the help texts are on the arguments")]
pub enum BucketCommand {
    /// List the buckets with their sizes
    List {
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Drop a bucket with all its keys, and the recorded order of its import
    Drop {
        /// The bucket
        name: String,
        #[command(flatten)]
        server: ServerArgs,
    },
}

/// Options of `plugin`.
#[derive(Debug, Args)]
#[allow(missing_docs, reason = "the help texts are on the arguments")]
pub struct PluginArgs {
    #[command(subcommand)]
    pub command: PluginCommand,
}

/// The commands on plugins.
#[derive(Debug, Subcommand)]
#[allow(missing_docs, reason = "the help texts are on the arguments")]
pub enum PluginCommand {
    /// List the plugins with their functions
    List {
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Show a plugin: its functions, what it may do, and the versions that are kept
    Show {
        /// The plugin's name
        name: String,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Install a component as the next version of the plugin of that name. Grants, limits and settings that are not given stay
    Put {
        /// The plugin's name
        name: String,
        /// The component file; - reads standard input
        component: PathBuf,
        #[command(flatten)]
        options: Box<PluginOptionArgs>,
        #[command(flatten)]
        revision: RevisionArgs,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Return to an earlier version of a plugin, with what it might do then
    Rollback {
        /// The plugin's name
        name: String,
        /// The number of the version; without it, the newest one before the current one
        #[arg(long, value_name = "VERSION", value_parser = units::whole)]
        to: Option<u64>,
        #[command(flatten)]
        revision: RevisionArgs,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Remove a plugin with all its versions
    Remove {
        /// The plugin's name
        name: String,
        #[command(flatten)]
        revision: RevisionArgs,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Call a plugin's function
    Call {
        /// The plugin's name
        name: String,
        /// The function, as in `checkout` or `orders.submit`
        function: String,
        /// The arguments in order, each as JSON; what is not JSON is passed as text
        #[arg(value_name = "ARGUMENT", allow_negative_numbers = true)]
        arguments: Vec<String>,
        /// All arguments at once: a JSON array in order, or an object by parameter name
        #[arg(long, value_name = "JSON", conflicts_with = "arguments")]
        arguments_json: Option<String>,
        #[command(flatten)]
        server: ServerArgs,
    },
}

/// Options of `man`.
#[derive(Debug, Args)]
#[allow(missing_docs, reason = "the help texts are on the arguments")]
pub struct ManArgs {
    /// The command, as in `table import`
    #[arg(conflicts_with = "all")]
    pub command: Vec<String>,
    /// Write the pages of all commands into this directory instead, as mantisdb.1, mantisdb-put.1 and so on
    #[arg(long, value_name = "DIR")]
    pub all: Option<PathBuf>,
}

/// Options of `stats`.
#[derive(Debug, Args)]
#[allow(missing_docs, reason = "the help texts are on the arguments")]
pub struct StatsArgs {
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Options of `watch`.
#[derive(Debug, Args)]
#[allow(missing_docs, reason = "the help texts are on the arguments")]
pub struct WatchArgs {
    /// Only changes in this bucket
    #[arg(long, value_name = "NAME")]
    pub bucket: Option<String>,
    /// Only keys with this prefix
    #[arg(long, value_name = "PREFIX")]
    pub prefix: Option<OsString>,
    /// Only changes of this table: of its rows and of its definition
    #[arg(long, value_name = "NAME", conflicts_with_all = ["bucket", "prefix"])]
    pub table: Option<String>,
    /// Only rows that match before or after the change, as in `status=eq.paid`; repeatable
    #[arg(long = "filter", value_name = "COLUMN=OPERATOR.VALUE", requires = "table")]
    pub filters: Vec<String>,
    /// What to show of each row, as in `id,status`
    #[arg(long, value_name = "COLUMNS", requires = "table")]
    pub select: Option<String>,
    /// Start after this cursor, or at the earliest retained change
    #[arg(long, value_name = "CURSOR|earliest")]
    pub since: Option<String>,
    /// How long to try to reach the server again after the connection was lost; 0 gives up at once
    #[arg(long, value_name = "TIME", default_value = "60")]
    pub reconnect: Seconds,
    /// Stop after this many changes
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = units::positive)]
    pub limit: Option<u64>,
    #[command(flatten)]
    pub form: KeyForm,
    #[command(flatten)]
    pub server: ServerArgs,
}
