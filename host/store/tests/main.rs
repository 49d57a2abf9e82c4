//! What could go wrong with the engine, one module per hazard.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests are native programs with threads, files and patience")]

mod durability;
mod expiry;
mod feed;
mod isolation;
mod model;
mod races;
mod readers_beside_a_writer;
mod skiplist_defects;
mod snapshots;
mod support;
mod validation;
