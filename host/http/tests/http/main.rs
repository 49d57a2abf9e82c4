//! The HTTP surface from outside: requests go in by [`mantis_http::App::handle_with_body`], without sockets.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod acknowledged;
mod backup;
mod batch;
mod browsers;
mod changes;
mod conditions;
mod described;
mod documents;
mod harness;
mod keys;
mod limits;
mod listing;
mod log;
mod long_work;
mod memory;
mod metrics;
mod operations;
mod order_book;
mod plugins;
mod rpc;
mod service;
mod stats;
mod streams;
mod tables;
mod transactions;
mod writes;
