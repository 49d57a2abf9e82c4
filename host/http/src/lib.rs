//! The HTTP surface: requests become calls of `mantis_db` and `mantis_plugin`, and their results become responses.
//!
//! A request is admitted by its head ([`App`]), matched against one table of routes, and passed to the handler of its operation. The
//! table also lists the parameters, headers and bodies that an operation takes and its responses; requests are checked against it and
//! the OpenAPI document is generated from it, so the two cannot disagree.
//!
//! Each room uses only the rooms below it:
//!
//! | room | holds |
//! |---|---|
//! | `app`, `routes`, `router`, `request_log` | the path of a request: admit, match, answer, log |
//! | `starting` | answers before there is a database |
//! | `handlers` | the handlers, a folder or file per resource |
//! | `openapi` | the document, generated from the table of routes |
//! | `state` | what lives longer than a request: configuration, sessions, open transactions, streams, metrics |
//! | `wire` | JSON shapes of requests and responses |
//! | `api` | what an operation is, the request, its captures and query |
//! | `protocol` | one rule of HTTP a file |
//! | `limits` | the bounds that no configuration changes |
//!
//! It opens no socket and no file except `/proc/self/status`, keeps none of the database's state, and decides nothing
//! that `mantis_db` could decide: limits, grants and errors are the same on every surface.
#![deny(missing_docs)]

mod api;
mod app;
mod handlers;
mod limits;
mod openapi;
mod protocol;
mod request_log;
mod router;
mod routes;
mod starting;
mod state;
mod wire;

pub use app::App;
pub use protocol::body::{Body, BodyError};
pub use protocol::errors;
pub use protocol::hosts::HostGuard;
pub use starting::Starting;
pub use state::configuration::{AppConfig, BODY_BYTES_MAX, TablesConfig};
pub use state::metrics::HttpMetrics;
