//! Plugins: sandboxed WebAssembly components that run next to the data.
//!
//! A [`PluginHost`] compiles components, checks their imports and exports, and calls their functions: each call in one transaction,
//! with its own memory, a deadline, and no more rights than its grants name.
//!
//! From top to bottom; each room uses only those below it:
//!
//! | room | holds |
//! |---|---|
//! | `host` | [`PluginHost`]: install, remove, list, call; plugins from a folder, and those that the database keeps |
//! | `call` | a call: its transaction, its thread, and its repetition after conflicts |
//! | `plugin` | an installed plugin: everything that a call needs, looked up once |
//! | `instance` | an instance of it, made for one call or kept warm |
//! | `host_functions` | the interfaces of `wit/` for guests, and the state of an instance on the host |
//! | `json` | between JSON and components' values |
//! | `component` | what a component may be, its functions and their types, and the compiler |
//! | `engine` | the WebAssembly engine, its epoch and its clock |
//! | `manifest`, `options` | a plugin's grants, limits and way of running, in a file and in Rust |
//! | `limits`, `config` | every limit on plugins; the configuration of the host |
//! | `stats`, `error`, `text` | counters; why an install or a call failed; text from components, cut |
//!
//! # Invariants
//!
//! - A guest that traps, spins or hoards harms neither the store nor its neighbours: its writes are undone, its instance is
//!   dropped, and no thread of the runtime waits for it for longer than a slice of 2 ms.
//! - Only code that this process compiled from WebAssembly is run, or that it finds in a cache directory to which no other user may
//!   write.
//! - No lock is held while a guest runs.
//!
//! Nothing here knows HTTP. Guests reach data only through `wit/`, and the database checks each of their operations.
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
pub use config::COMPONENT_BYTES_MAX_DEFAULT;
pub use config::HostConfig;
pub use error::{CallError, Error, KeepError, Limit, LoadError};
pub use host::{Expected, KeptPlugin, PluginHost, check_name, component_files, orphan_manifests};
pub use json::{F32_MAX, Json};
pub use limits::{LimitRange, NAME_BYTES_MAX, PluginLimits};
pub use manifest::{Manifest, ManifestAccess};
pub use options::{OptionsChange, PluginOptions};
pub use plugin::{KeptVersions, PluginInfo, PluginSource, PluginState, VersionInfo};
pub use stats::{PluginStats, Statistics};
