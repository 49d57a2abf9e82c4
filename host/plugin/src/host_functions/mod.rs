//! The functions that the host offers to guests: the interfaces of `wit/`.
//!
//! | file | holds |
//! |---|---|
//! | `kv`, `tables`, `transactions`, `system` | one interface each, implemented for [`Context`] |
//! | `wasi` | the interfaces of WASI that grant a guest nothing |
//! | `wasi_handles`, `printed` | an instance's handles of them; what it prints until it is logged |
//! | `linker` | offers the interfaces to components |
//! | `convert` | between the types of `wit/` and those of the database |
//! | `values`, `answer_rows` | the same of the values of rows; rows on their way to a guest |
//! | `watch` | when and why a run ends |
//! | `context` | [`Context`]: an instance's session, open handles, and what its run has used up |
//! | `wait` | waits for a commit on the guest's thread |
//! | `log` | guests' log lines, bounded |
//! | `bindings` | the interfaces as Rust traits, generated |
//! | `resources` | the objects that guests hold handles to |
//! | `error` | how a host function fails |
//!
//! Nothing here decides what a guest may see: the database checks each operation against the session's grants.

mod answer_rows;
mod bindings;
mod context;
mod convert;
mod error;
mod kv;
mod linker;
mod log;
mod printed;
mod resources;
mod system;
mod tables;
mod transactions;
mod values;
mod wait;
mod wasi;
mod wasi_handles;
mod watch;

pub(crate) use context::{Caller, Context};
pub(crate) use error::Stop;
pub(crate) use linker::{linker, linker_with_wasi};
pub(crate) use watch::Until;
