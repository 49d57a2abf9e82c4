//! The handlers, a folder or file per resource.

pub(crate) mod backup;
pub(crate) mod batch;
pub(crate) mod buckets;
pub(crate) mod changes;
pub(crate) mod console;
pub(crate) mod kv;
pub(crate) mod plugins;
pub(crate) mod service;
pub(crate) mod tables;
pub(crate) mod transactions;
