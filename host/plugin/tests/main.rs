//! Plugins through the public API of the host. `cargo xtask guests` builds the guests.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod before_tables;
mod calls;
mod examples;
mod faults;
mod grants;
mod guests;
mod install;
mod json;
mod kept;
mod logs;
mod nesting;
mod reuse;
mod support;
mod tables;
mod tasks;
mod wasi;
