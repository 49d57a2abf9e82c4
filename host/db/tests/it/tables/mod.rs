//! Rows of tables: what statements write, and what holds of it.

mod actions;
mod batch;
mod changes;
mod concurrency;
mod constraints;
mod definitions;
mod feed;
mod fills;
mod model;
mod power_cut;
mod primary_keys;
mod races;
mod restart;
mod statements;
mod support;
mod type_changes;
