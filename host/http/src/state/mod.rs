//! What lives longer than a request: configuration, sessions, open transactions, streams, metrics.

pub(crate) mod configuration;
pub(crate) mod metrics;
pub(crate) mod retries;
pub(crate) mod sessions;
pub(crate) mod streams;
pub(crate) mod transactions;
