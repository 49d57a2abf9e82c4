//! The server's settings: what they are called, what they default to, and where they come from.
//!
//! One table (`table`) names every setting once: its place in the file, its flag, its variable, its default and its meaning. A flag
//! outranks the environment, which outranks the file, which outranks the default.
//!
//! | module | holds |
//! |---|---|
//! | `table` | every setting |
//! | `check` | what settings must be |
//! | `define` | the macro that makes a section's types from the table |
//! | `durability` | when a write is acknowledged, as text |
//! | `file` | reading the file, with errors that name the line |
//! | `guard` | what may listen where, and the hosts that are answered to |
//! | `reference` | the settings as a document |

mod check;
mod define;
mod durability;
mod file;
mod guard;
mod reference;
mod table;

pub use check::SettingInvalid;
pub use define::Setting;
pub use durability::DurabilitySetting;
pub use file::FileError;
pub use guard::{ListenRefused, host_guard};
pub use reference::reference;
pub use table::{
    ConnectionInput, ConnectionSettings, LimitInput, LimitSettings, LogFormat, LogInput, LogLevel, LogSettings,
    PluginInput, PluginSettings, PoolInput, PoolSettings, ServerInput, ServerSettings, Settings, SettingsInput,
    StorageInput, StorageSettings,
};
