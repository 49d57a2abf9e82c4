//! Plugins: sandboxed WebAssembly components that run next to the data.
//!
//! A [`PluginHost`] compiles components, checks what they import and export, and calls their functions: each call in one
//! transaction, with its own memory, a deadline, and no more rights than its grants name.
//!
//! | module | holds |
//! |---|---|
//! | `host` | [`PluginHost`]: install, remove, list |
//! | `call` | one call: its transaction, where it runs, and how often |
//! | `load` | plugins from a folder, and the form of their grants |
//! | `config`, `options`, `limits` | the host's bounds; a plugin's grants, limits and way of running |
//! | `plugin`, `signature` | an installed plugin; its functions and their types |
//! | `instance`, `context` | an instance; what belongs to it on the host |
//! | `kv`, `transactions`, `system`, `log` | the interfaces of `wit/` for guests |
//! | `bindings`, `convert`, `guest_error`, `resources`, `handles` | what these are made with |
//! | `json` | between JSON and components' values |
//! | `engine`, `compile` | how WebAssembly is compiled and run |
//! | `nesting`, `linking` | what would be too much for the compiler |
//! | `threads`, `history`, `ticker`, `clock` | where and how long guests run |
//! | `stats`, `error` | what happened so far; why an install or a call failed |
//!
//! # What holds
//!
//! - A guest that traps, spins or hoards harms neither the store nor its neighbours: its writes are undone, its instance is
//!   dropped, and no thread of the runtime waits for it for longer than a slice of 2 ms.
//! - Only code that this process compiled from WebAssembly is ever run.
//! - No lock is held while a guest runs.
//!
//! It knows nothing of HTTP. Guests reach data only through `wit/`, and the database checks each of their operations.
#![deny(missing_docs)]

mod bindings;
mod call;
mod clock;
mod compile;
mod config;
mod context;
mod convert;
mod engine;
mod error;
mod guest_error;
mod handles;
mod history;
mod host;
mod instance;
mod json;
mod kv;
mod limits;
mod linking;
mod load;
mod log;
mod nesting;
mod options;
mod plugin;
mod resources;
mod signature;
mod stats;
mod system;
mod threads;
mod ticker;
mod transactions;

pub use call::Called;
pub use config::HostConfig;
pub use error::{CallError, Error, Limit};
pub use host::{NAME_BYTES_MAX, PluginHost};
pub use limits::LimitRange;
pub use load::{Manifest, ManifestAccess};
pub use options::{PluginInfo, PluginLimits, PluginOptions, SkippedFunction};
pub use signature::{Case, Field, FunctionInfo, ValueType};
pub use stats::{PluginStats, Statistics};
