//! Tests that start the real program: its command line, its listener, its end.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod backup;
mod changes;
mod commands;
mod connections;
mod durability;
mod expiry;
mod files;
mod hostile;
mod isolation;
mod keys;
mod ledger;
mod malformed;
mod memory;
mod normalised;
mod place;
mod plugins;
mod reference;
mod refusals;
mod settings;
mod shutdown;
mod support;
mod tables;
mod terminal;
mod transfer;
mod turns;
mod upserts;
