//! Plugins: sandboxed WebAssembly components that run next to the data.
//!
//! A [`PluginHost`] compiles components, checks what they import and export, and calls their functions: each call in one
//! transaction, with its own memory, a deadline, and no more rights than its grants name.
//!
//! | module | holds |
//! |---|---|
//! | `host` | [`PluginHost`]: install, remove, list, call; plugins from a folder |
//! | `call` | one call: its transaction, where it runs, and how often |
//! | `plugin` | an installed plugin |
//! | `instance` | an instance of it, made for one call or kept warm |
//! | `host_functions` | the interfaces of `wit/` for guests |
//! | `component` | what a component may be, and how it is compiled |
//! | `json` | between JSON and components' values |
//! | `engine` | how WebAssembly is run, and stopped in time |
//! | `config`, `options`, `limits` | the host's bounds; a plugin's grants, limits and way of running |
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

mod call;
mod component;
mod config;
mod engine;
mod error;
mod host;
mod host_functions;
mod instance;
mod json;
mod limits;
mod manifest;
mod options;
mod plugin;
mod stats;
mod text;

pub use call::Called;
pub use component::{Case, Field, FunctionInfo, SkippedFunction, ValueType};
pub use config::HostConfig;
pub use error::{CallError, Error, Limit, LoadError};
pub use host::{PluginHost, component_files};
pub use limits::{LimitRange, NAME_BYTES_MAX, PluginLimits};
pub use manifest::{Manifest, ManifestAccess};
pub use options::PluginOptions;
pub use plugin::PluginInfo;
pub use stats::{PluginStats, Statistics};
