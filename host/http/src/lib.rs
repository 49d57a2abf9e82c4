//! The HTTP surface: requests become calls of `mantis_db` and `mantis_plugin`, and what these say becomes answers.
//!
//! A request is let in by its head ([`App`]), matched against one table of routes, and handed to the handler of its operation. The
//! table also says which parameters, headers and bodies an operation takes and what it answers; requests are checked against it and
//! the OpenAPI document is written from it, so that the two cannot disagree.
//!
//! | module | holds |
//! |---|---|
//! | `app` | [`App`]: the path of a request |
//! | `config`, `metrics`, `request_log` | what the owner decides, and what happened |
//! | `routes`, `operation`, `router` | the table, its words, and matching |
//! | `request`, `query`, `path`, `json` | reading what was sent |
//! | `respond`, `body`, `problem` | writing what is answered |
//! | `errors` | every code and its status |
//! | `accept`, `conditions`, `range`, `compress`, `cors`, `hosts`, `request_id`, `deadline` | one rule of HTTP each |
//! | `sessions`, `registry` | sessions for requests, and transactions that span several |
//! | `kv`, `buckets`, `transactions`, `changes`, `plugins`, `service` | the handlers |
//! | `openapi` | the document |
//!
//! It opens no socket and no file, keeps no state of the database's, and decides nothing that `mantis_db` could decide: limits,
//! grants and errors are the same on every surface.
#![deny(missing_docs)]

mod accept;
mod app;
mod backup;
mod blocking;
mod body;
mod buckets;
mod changes;
mod compress;
mod conditions;
mod config;
mod cors;
mod deadline;
pub mod errors;
mod hosts;
mod json;
mod kv;
mod metrics;
mod openapi;
mod operation;
mod path;
mod plugins;
mod problem;
mod query;
mod range;
mod registry;
mod request;
mod request_id;
mod request_log;
mod respond;
mod retries;
mod router;
mod routes;
mod service;
mod sessions;
mod streams;
mod transactions;

pub use app::App;
pub use body::{Body, BodyError};
pub use config::{AppConfig, BODY_BYTES_MAX, HostGuard};
pub use metrics::HttpMetrics;
