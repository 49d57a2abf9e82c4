//! MantisDB's server and its command line.
//!
//! | module | holds |
//! |---|---|
//! | `cli`, `arguments` | the command line: its definition, and its errors |
//! | `command` | the commands, one a file |
//! | `settings` | the server's settings: defaults, file, environment, flags |
//! | `start` | startup: opens the database, builds the application, binds the listener |
//! | `listen` | connections: accepting, serving, ending them in time |
//! | `platform` | the machine's memory |
//! | `memory` | returning freed memory to the system |
//! | `files`, `interrupt` | files that commands write and read; signals while they do |
//! | `plugins_dir` | plugins from a directory |
//! | `client` | a small HTTP client for the commands |
//! | `variables` | environment variables that are misspelt |
//! | `units` | sizes and times as people write them |
//! | `transfer` | import and export |
//! | `progress` | the bar on a terminal |
//! | `failure`, `log`, `panics` | failures of commands, the log, reports of panics |
//!
//! It decides nothing about data and knows no route: requests go to [`mantis_http::App`] unchanged. The library exists so that
//! tests and benches can serve an application in their own process.
#![deny(missing_docs)]

pub mod arguments;
pub mod cli;
pub mod client;
pub mod command;
pub mod failure;
mod files;
pub mod interrupt;
mod listen;
mod log;
pub mod memory;
pub mod panics;
mod platform;
mod plugins_dir;
mod progress;
pub mod settings;
mod start;
mod transfer;
pub mod units;
pub mod variables;

pub use listen::{ConnectionLimits, Drained, serve};
pub use start::{Parts, bind, build, connection_limits};
