//! The functions that the host offers to guests: the interfaces of `wit/`.
//!
//! | file | holds |
//! |---|---|
//! | `kv`, `transactions`, `system` | one interface each, implemented for [`Context`] |
//! | `context` | [`Context`]: an instance's session, open handles, and what its run has used up |
//! | `log` | guests' log lines, bounded |
//! | `convert` | between the types of `wit/` and those of the database |
//! | `resources`, `handles` | what guests hold handles to, and the table of them |
//! | `error` | how a host function fails |
//! | `bindings` | the interfaces as Rust traits, generated |
//!
//! Nothing here decides what a guest may see: the database checks each operation against the session's grants.

pub(crate) mod bindings;
mod context;
mod convert;
mod error;
mod handles;
mod kv;
mod log;
mod resources;
mod system;
mod transactions;

pub(crate) use context::{Context, Until, call_error};
pub(crate) use error::Stop;
