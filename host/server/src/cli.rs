//! The command line's shape: what clap reads and documents.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::settings::SettingsInput;

/// A database that runs your code next to your data.
///
/// Without a command it serves. `config`, `restore` and `check` work on files; all others talk to a server over HTTP.
#[derive(Debug, Parser)]
#[command(
    name = "mantisdb",
    version,
    args_conflicts_with_subcommands = true,
    after_help = EXIT_CODES,
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What `serve` takes.
    #[command(flatten)]
    pub serve: ServeArgs,
}

impl Cli {
    /// Whether answers and failures are to be written as JSON.
    #[must_use]
    pub fn as_json(&self) -> bool {
        let Some(command) = &self.command else { return false };
        match command {
            Command::Serve(_) | Command::Config(_) => false,
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
                | PluginCommand::Put { server, .. }
                | PluginCommand::Remove { server, .. }
                | PluginCommand::Call { server, .. } => server.json,
            },
        }
    }
}

const EXIT_CODES: &str = "Exit codes:
  0  done
  1  there is no such key, bucket, plugin or function, or a condition did not hold
  2  the command line or the configuration is wrong
  3  the server refused, failed, or could not be reached
  4  a local file or stream failed, or its contents are not what they should be

With --json a failure is a JSON object on standard error: the server's problem document, or one with `detail` and `hint`, and `exit_code`.";

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve a database
    Serve(Box<ServeArgs>),
    /// Show the configuration that `serve` would use, as TOML
    Config(Box<ConfigArgs>),
    /// Write a key's value to standard output
    Get(GetArgs),
    /// Give a key a value
    Put(PutArgs),
    /// Delete a key
    Delete(DeleteArgs),
    /// List keys, or keys and values, in order
    Scan(ScanArgs),
    /// Read records from a file or standard input
    Import(ImportArgs),
    /// Write a bucket to standard output or a file
    Export(ExportArgs),
    /// Copy a server's whole database into a file, while it is at work
    Backup(BackupArgs),
    /// Put a backup into a directory that holds no database
    Restore(RestoreArgs),
    /// Look at every file of a database that no server uses, and repair what can be repaired
    Check(CheckArgs),
    /// List and drop buckets
    Bucket(BucketArgs),
    /// Install, list, remove and call plugins
    Plugin(PluginArgs),
    /// Show the server's figures
    Stats(StatsArgs),
    /// Follow changes as they happen
    Watch(WatchArgs),
}

/// Options of `serve`.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeArgs {
    /// Keep the data in memory and nothing on disk: it ends with the process
    #[arg(long, conflicts_with_all = ["data", "durability"])]
    pub memory: bool,
    /// Listen beyond this machine although there is no authentication
    #[arg(long, env = "MANTISDB_INSECURE_NO_AUTH", hide_env = true)]
    pub insecure_no_auth: bool,
    /// Where settings come from.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// Where settings come from.
#[derive(Debug, Clone, Default, Args)]
pub struct ConfigArgs {
    /// Configuration file (TOML); flags and environment variables outrank it
    #[arg(long, value_name = "FILE", env = "MANTISDB_CONFIG", hide_env = true)]
    pub config: Option<PathBuf>,
    /// The settings.
    #[command(flatten)]
    pub settings: SettingsInput,
}

/// Which server, and how to show its answers.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Server and output")]
pub struct ServerArgs {
    /// The server
    #[arg(long, value_name = "URL", env = "MANTISDB_URL", default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// Seconds to wait for an answer
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: u64,
    /// Write JSON instead of plain text
    #[arg(long)]
    pub json: bool,
}

/// Which bucket.
#[derive(Debug, Clone, Args)]
pub struct BucketName {
    /// The bucket
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub bucket: String,
}

/// How keys are written on the command line.
#[derive(Debug, Clone, Args)]
pub struct KeyForm {
    /// Read \n, \t, \\ and \xNN in keys as the bytes they stand for, as `scan` writes them
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
    /// The value; @FILE for a file's contents, - or nothing for standard input
    pub value: Option<OsString>,
    /// Take VALUE as it is, even if it is - or begins with @
    #[arg(long)]
    pub literal: bool,
    /// Seconds until the value expires
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub ttl: Option<f64>,
    /// The value's media type
    #[arg(long, visible_alias = "content-type", value_name = "TYPE", default_value = "application/octet-stream")]
    pub media_type: String,
    /// Only if the key has no value
    #[arg(long, conflicts_with = "if_version")]
    pub if_absent: bool,
    /// Only if the key's value has this version
    #[arg(long, value_name = "VERSION")]
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
    #[arg(required_unless_present = "prefix")]
    pub key: Option<OsString>,
    /// Delete all keys that begin with this instead
    #[arg(long, value_name = "PREFIX", conflicts_with_all = ["key", "if_version"])]
    pub prefix: Option<OsString>,
    /// Only if the key's value has this version
    #[arg(long, value_name = "VERSION")]
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
    /// Only keys that begin with this
    #[arg(long, value_name = "PREFIX", conflicts_with_all = ["start", "end"])]
    pub prefix: Option<OsString>,
    /// The first key
    #[arg(long, value_name = "KEY")]
    pub start: Option<OsString>,
    /// The first key that is not listed
    #[arg(long, value_name = "KEY")]
    pub end: Option<OsString>,
    /// From the last key to the first
    #[arg(long)]
    pub reverse: bool,
    /// List at most this many; without it all
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// List values too
    #[arg(long)]
    pub values: bool,
    #[command(flatten)]
    pub form: KeyForm,
    #[command(flatten)]
    pub bucket: BucketName,
    #[command(flatten)]
    pub server: ServerArgs,
}

/// The forms of a file of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A record a line: the line is key and value
    Lines,
    /// Records of columns; the key is one of them
    Csv,
    /// A JSON object a line
    Ndjson,
}

/// Options of `import`.
#[derive(Debug, Args)]
#[allow(missing_docs, reason = "the help texts are on the arguments")]
pub struct ImportArgs {
    /// The file; - or nothing for standard input
    pub file: Option<PathBuf>,
    /// What the file is [default: by its name (.csv, .tsv, .ndjson, .jsonl), or csv with --key, or lines]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// The column (csv: its name, or its number from 1) or member (ndjson) that is the key; the value is the whole record
    #[arg(long, value_name = "COLUMN")]
    pub key: Option<String>,
    /// csv: take this column as the value instead of the whole record
    #[arg(long, value_name = "COLUMN", requires = "key")]
    pub value: Option<String>,
    /// csv: the character between columns, or \t
    #[arg(long, value_name = "CHARACTER")]
    pub delimiter: Option<String>,
    /// csv: the first record is data, not the columns' names
    #[arg(long)]
    pub no_header: bool,
    /// Put this before each key
    #[arg(long, value_name = "PREFIX")]
    pub key_prefix: Option<OsString>,
    /// Seconds until the records expire
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..))]
    pub ttl: Option<u64>,
    /// Leave out records whose key came before, instead of reporting them
    #[arg(long)]
    pub skip_duplicates: bool,
    /// Do not record the file's order: `export` will write by key
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
    /// Write to this file instead of standard output
    #[arg(long, short = 'o', value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace the file if there is one
    #[arg(long, requires = "output")]
    pub force: bool,
    /// What to write [default: the imported file again if its order is recorded, else ndjson]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// By key, even if the order of an import is recorded
    #[arg(long)]
    pub by_key: bool,
    /// Only keys that begin with this, by key
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
    /// The file to write; - for standard output
    pub file: PathBuf,
    /// Replace the file if there is one
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Which directory.
#[derive(Debug, Clone, Args)]
pub struct DataDir {
    /// Directory of the data
    #[arg(long, value_name = "DIR", env = "MANTISDB_DATA", default_value = "mantis-data")]
    pub data: PathBuf,
    /// Write JSON instead of plain text
    #[arg(long)]
    pub json: bool,
}

/// Options of `restore`.
#[derive(Debug, Args)]
#[allow(missing_docs, reason = "the help texts are on the arguments")]
pub struct RestoreArgs {
    /// The backup
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
    /// If something is damaged, make a database of what can be kept: the longest stretch of commits from the first on
    #[arg(long, requires = "where_to")]
    pub repair: bool,
    /// Repair into this directory, which must hold no database
    #[arg(long, value_name = "NEWDIR", requires = "repair", group = "where_to")]
    pub into: Option<PathBuf>,
    /// Repair into a directory that takes the place of DIR; DIR is kept as DIR.damaged-TIME
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

/// What can be done with buckets.
#[derive(Debug, Subcommand)]
#[allow(missing_docs, reason = "the help texts are on the arguments")]
pub enum BucketCommand {
    /// List the buckets with their sizes
    List {
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Drop a bucket with all its keys, and the order of its import
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

/// What can be done with plugins.
#[derive(Debug, Subcommand)]
#[allow(missing_docs, reason = "the help texts are on the arguments")]
pub enum PluginCommand {
    /// List the plugins with their functions
    List {
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Install a component, in place of a plugin of that name
    Put {
        /// The plugin's name
        name: String,
        /// The component; - for standard input
        component: PathBuf,
        /// Let it read, or read and write, a bucket, as in scores:write; *:write for all; repeatable
        #[arg(long, value_name = "BUCKET:ACCESS", value_delimiter = ',')]
        grant: Vec<String>,
        /// Let instances serve several calls
        #[arg(long)]
        reuse: bool,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Remove a plugin
    Remove {
        /// The plugin's name
        name: String,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Call a plugin's function
    Call {
        /// The plugin's name
        name: String,
        /// The function, as in `checkout` or `orders.submit`
        function: String,
        /// Its arguments in order, each as JSON; what is no JSON is taken as text
        #[arg(value_name = "ARGUMENT", allow_negative_numbers = true)]
        arguments: Vec<String>,
        /// All arguments at once: a JSON array of them in order, or an object by their names
        #[arg(long, value_name = "JSON", conflicts_with = "arguments")]
        arguments_json: Option<String>,
        #[command(flatten)]
        server: ServerArgs,
    },
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
    /// Only changes of this bucket
    #[arg(long, value_name = "NAME")]
    pub bucket: Option<String>,
    /// Only keys that begin with this
    #[arg(long, value_name = "PREFIX")]
    pub prefix: Option<OsString>,
    /// Begin behind this cursor, or with the earliest change that is kept
    #[arg(long, value_name = "CURSOR|earliest")]
    pub since: Option<String>,
    /// End after this many changes
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    #[command(flatten)]
    pub form: KeyForm,
    #[command(flatten)]
    pub server: ServerArgs,
}
