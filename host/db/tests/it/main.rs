//! Tests of the database, a module for each promise. The scenarios of `mantis-tests` cover what all surfaces have in common; these tests
//! cover what only this crate shows.
//!
//! Every operation is polled once (`support::now`): all of them check that it is ready then.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "tests are native programs with threads")]

mod acknowledged;
mod allocations;
mod blocking;
mod buckets;
mod changes;
mod cursors;
mod drop_races;
mod expiry;
mod former_names;
mod grants;
mod handle;
mod interrupts;
mod isolation;
mod limits;
mod model;
mod on_disk;
mod one_door;
mod plugins;
mod pooled;
mod sessions;
mod support;
#[cfg(feature = "tables")]
mod tables;
mod turns;
mod values;
mod waits;
