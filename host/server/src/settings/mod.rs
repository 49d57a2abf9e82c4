//! The server's settings: names, defaults and sources.
//!
//! One table (`table`) names every setting once: its place in the file, its flag, its variable, its default and its meaning. A flag
//! takes precedence over the environment, the environment over the file, and the file over the default.
//!
//! | module | holds |
//! |---|---|
//! | `table` | every setting |
//! | `check` | the ranges of settings |
//! | `define` | the macro that makes a section's types from the table |
//! | `durability` | the durability setting as text |
//! | `file` | reading the file, with errors that name the line |
//! | `guard` | the addresses that may be listened on, and the hosts that requests may name |
//! | `listen` | the address to listen on as text |
//! | `log` | the log's form and level as text |
//! | `mode` | the permissions of the data directory as text |
//! | `reference` | the settings as a document |

mod check;
mod define;
mod durability;
mod file;
mod guard;
mod listen;
mod log;
mod mode;
mod reference;
mod table;

pub use check::SettingInvalid;
pub use define::{Given, Setting};
pub use durability::DurabilitySetting;
pub use file::FileError;
pub use guard::{ListenRefused, host_guard};
pub use listen::ListenAddress;
pub use log::{LogFormat, LogLevel};
pub use mode::ModeSetting;
pub use reference::reference;
pub use table::{
    ConnectionInput, ConnectionSettings, HttpInput, HttpSettings, LimitInput, LimitSettings, LogInput, LogSettings,
    PluginInput, PluginSettings, PoolInput, PoolSettings, ServerInput, ServerSettings, Settings, SettingsInput,
    StorageInput, StorageSettings, TableInput, TableSettings,
};
