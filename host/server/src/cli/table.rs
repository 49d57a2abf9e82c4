//! The commands on tables.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};

use super::ServerArgs;

/// Options of `table`.
#[derive(Debug, Args)]
#[allow(missing_docs, reason = "the help texts are on the arguments")]
pub struct TableArgs {
    #[command(subcommand)]
    pub command: TableCommand,
}

/// The commands on tables.
#[derive(Debug, Subcommand)]
#[allow(missing_docs, reason = "the help texts are on the arguments")]
pub enum TableCommand {
    /// Create a table, or confirm that it exists with this schema
    Create(TableCreateArgs),
    /// List the tables
    List {
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Show a table's columns, keys and indexes; --json shows the schema document
    Describe {
        /// The table
        name: String,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Change a table: add, drop and rename columns, keys and indexes
    Alter {
        /// The table
        name: String,
        /// The change as JSON; - reads standard input
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Drop a table with all its rows
    Drop {
        /// The table
        name: String,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Write TypeScript types of all tables, as supabase-js reads them
    Types {
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Insert the rows of a CSV or JSON file
    Import(TableImportArgs),
    /// Write a table's rows to standard output or a file
    ///
    /// The rows are those of one moment. A snapshot is kept for a minute: an export that takes longer goes on by primary key in a newer one,
    /// and says so at its end. If the query says which columns, order or page, it is one answer, whose snapshot is kept while it is taken;
    /// where the server caps answers, such an export goes on by offset, and fails if its snapshot ends before the rows do.
    Export(TableExportArgs),
    /// Show rows
    Select(TableSelectArgs),
}

/// Options of `table create`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("schema").args(["file", "column"]).required(true))]
#[allow(missing_docs, reason = "the help texts are on the arguments")]
pub struct TableCreateArgs {
    /// The table
    pub name: String,
    /// The schema as JSON; - reads standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["primary_key", "foreign_key"])]
    pub file: Option<PathBuf>,
    /// A column, as in id:bigint:identity, name:text:not-null or `made:timestamptz:default=now()`; repeatable
    #[arg(long, value_name = "NAME:TYPE[:OPTION..]")]
    pub column: Vec<String>,
    /// The columns of the primary key
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub primary_key: Vec<String>,
    /// A column that references another table's, as in country=countries.code; repeatable
    #[arg(long, value_name = "COLUMN=TABLE.COLUMN")]
    pub foreign_key: Vec<String>,
    #[command(flatten)]
    pub server: ServerArgs,
}

/// The formats of a file of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RowFormat {
    /// Columns, named in the first line
    Csv,
    /// One JSON object per line
    Ndjson,
    /// A JSON list of objects
    Json,
}

/// Options of `table import`.
#[derive(Debug, Args)]
#[allow(missing_docs, reason = "the help texts are on the arguments")]
pub struct TableImportArgs {
    /// The table
    pub name: String,
    /// The file; - or no file reads standard input
    pub file: Option<PathBuf>,
    /// The file's format [default: by its name (.csv, .tsv, .json, .ndjson, .jsonl), or csv]
    #[arg(long, value_enum)]
    pub format: Option<RowFormat>,
    /// Create the table, with types inferred from the file; of standard input, from its first 8 MiB
    #[arg(long)]
    pub create: bool,
    /// With --create: the columns of the primary key
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', requires = "create")]
    pub primary_key: Vec<String>,
    /// Replace the columns of rows that exist already with the same primary key
    #[arg(long)]
    pub upsert: bool,
    /// With --upsert: the columns that tell which rows are the same, of a unique key
    #[arg(long, value_name = "COLUMNS", requires = "upsert")]
    pub on_conflict: Option<String>,
    /// Go on after rows that do not fit, and keep them in this new file, with line and reason
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,
    /// csv: the columns' names, for a file whose first line is a row
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub columns: Vec<String>,
    /// csv: the character that separates columns, or \t
    #[arg(long, value_name = "CHARACTER")]
    pub delimiter: Option<String>,
    /// csv: what stands for null without quotes, such as NULL, or '' for an empty field even where the column is text
    #[arg(long, value_name = "TEXT")]
    pub null: Option<String>,
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Options of `table export`.
#[derive(Debug, Args)]
#[allow(missing_docs, reason = "the help texts are on the arguments")]
pub struct TableExportArgs {
    /// The table
    pub name: String,
    /// The output's format [default: by the file's name, or ndjson]
    #[arg(long, value_enum)]
    pub format: Option<RowFormat>,
    /// Which rows and columns, in which order, as in 'select=id,name&id=gt.5&order=name' [default: all by primary key]
    #[arg(long, value_name = "QUERY")]
    pub query: Option<String>,
    /// Write to this file instead of standard output
    #[arg(long, short = 'o', value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long, requires = "output")]
    pub force: bool,
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Options of `table select`.
#[derive(Debug, Args)]
#[allow(missing_docs, reason = "the help texts are on the arguments")]
pub struct TableSelectArgs {
    /// The table
    pub name: String,
    /// Columns, filters, order and limit, as in 'select=id,name&id=gt.5' 'order=name' limit=10; %26 is an ampersand in a value
    #[arg(value_name = "QUERY")]
    pub query: Vec<String>,
    /// Print CSV instead of an aligned table
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    #[command(flatten)]
    pub server: ServerArgs,
}

impl TableArgs {
    /// The server of the command.
    #[must_use]
    pub fn server(&self) -> &ServerArgs {
        match &self.command {
            TableCommand::Create(TableCreateArgs { server, .. })
            | TableCommand::List { server }
            | TableCommand::Describe { server, .. }
            | TableCommand::Alter { server, .. }
            | TableCommand::Drop { server, .. }
            | TableCommand::Types { server }
            | TableCommand::Import(TableImportArgs { server, .. })
            | TableCommand::Export(TableExportArgs { server, .. })
            | TableCommand::Select(TableSelectArgs { server, .. }) => server,
        }
    }
}
