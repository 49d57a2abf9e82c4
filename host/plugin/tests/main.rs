//! Plugins under a host, as others see them. The guests are built by `cargo xtask guests`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod calls;
mod examples;
mod faults;
mod grants;
mod guests;
mod install;
mod json;
mod logs;
mod nesting;
mod reuse;
mod support;
mod tasks;
