//! Connections to a server, over HTTP: the functions of the header as requests of `docs/reference/http.md`.
//!
//! | module | holds |
//! |---|---|
//! | `url` | the server's address, paths and queries |
//! | `problem` | errors of the server, and of the way to it |
//! | `wire` | one network connection: a request, its answer, what may be sent again |
//! | `form` | bytes, versions and times in JSON |
//! | `session` | a connection of a pool, and its open transaction |
//! | `keys` | keys and values, spans, batches of keys, buckets |
//! | `dialect` | filters as parameters of a query |
//! | `tables` | definitions, statements on rows |
//! | `batch` | batches of operations on keys and rows |
//! | `changes` | pages of the change feed |
//! | `server` | what belongs to no connection: figures, backups, waiting for commits |
//!
//! A connection of a pool has one network connection of its own, made with its first request. A request that is safe is sent again, once,
//! over a new one if the kept one turns out to be closed; a write only if nothing of it was sent. A write whose answer does not come is
//! `outcome-unknown`; in a transaction, which can then only be rolled back, it has the code of what happened.

mod batch;
mod changes;
mod dialect;
mod form;
mod keys;
mod problem;
mod server;
mod session;
mod tables;
mod url;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use crate::abi::types::mantis_pool_config;
use crate::failure::Failure;
use crate::far::FarPool;

/// The longest time that settings give: a year.
const TIME_MS_MAX: u64 = 365 * 24 * 60 * 60 * 1_000;

/// The server at a URL.
///
/// # Errors
/// The URL cannot be used.
pub(crate) fn open(location: &str, config: &mantis_pool_config) -> Result<Arc<dyn FarPool>, Failure> {
    let base = url::Base::parse(location)?;
    if config.request_timeout_ms == 0 || config.answer_bytes_max == 0 {
        return Err(Failure::misuse("`request_timeout_ms` and `answer_bytes_max` are at least 1"));
    }
    let limits = wire::Limits {
        answer_time: Duration::from_millis(config.request_timeout_ms.min(TIME_MS_MAX)),
        answer_bytes_max: usize::try_from(config.answer_bytes_max).unwrap_or(usize::MAX),
    };
    Ok(Arc::new(server::Handle::new(base, limits)))
}
