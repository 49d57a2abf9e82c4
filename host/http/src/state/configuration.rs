//! The configuration of an [`App`](crate::App).

use crate::protocol::hosts::HostGuard;

/// Bytes of a request's body by default: the largest value under default limits fits, even in base64 within JSON.
pub const BODY_BYTES_MAX: usize = 24 << 20;

const _: () = assert!(BODY_BYTES_MAX >= mantis_db::Limits::DEFAULT.value_bytes_max / 3 * 4 + (1 << 20));

/// The bounds and rules of the HTTP surface. Every duration and size has its unit in its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppConfig {
    /// Bytes of a request's body: `body-too-large`. Default 24 MiB, [`BODY_BYTES_MAX`].
    pub body_bytes_max: usize,
    /// Bytes of a plugin's component, in place of `body_bytes_max`. Default 32 MiB, as that of the plugin host.
    pub component_bytes_max: usize,
    /// How long a body may take to arrive, in milliseconds: `body-timeout`. Default 30,000.
    pub body_timeout_ms: u64,
    /// How long a request may take in all, streams and long polls excepted, in milliseconds: `request-timeout`. Default 60,000.
    pub request_timeout_ms: u64,
    /// Requests under way at once; more are refused at once: `overloaded`. Default 10,000.
    pub concurrent_requests_max: usize,
    /// Origins whose pages may use the API, as in `https://example.com`; `*` for all. Default none.
    pub cors_origins: Vec<String>,
    /// The hosts that are answered to.
    pub allowed_hosts: HostGuard,
    /// Transactions open at once, and at most three quarters of the pool's sessions: `transactions-too-many`. Default 1,000.
    pub transactions_max: usize,
    /// How long a transaction may lie unused before it is rolled back, in milliseconds. Default 30,000.
    pub transaction_idle_ms: u64,
    /// Listings, change streams and backups open at once: `streams-too-many`. Default 1,000.
    pub streams_max: usize,
    /// The rules of the tables' dialect.
    pub tables: TablesConfig,
    /// Whether answers are compressed for clients that ask for it. Default true.
    pub compression: bool,
    /// The server's version, for documents.
    pub version: String,
}

/// What of the tables' dialect the owner decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TablesConfig {
    /// Whether an update or delete without a filter is refused: 21000. Default true.
    pub safe_update: bool,
    /// Rows of a page at most, whatever a request asks for; none for no bound. Default none.
    pub rows_max: Option<u64>,
    /// Whether aggregates are allowed: PGRST123. Default true.
    pub aggregates: bool,
    /// Whether `Prefer: tx=rollback` is heard. Default true.
    pub transaction_end: bool,
}

impl Default for TablesConfig {
    fn default() -> Self {
        Self { safe_update: true, rows_max: None, aggregates: true, transaction_end: true }
    }
}

impl Default for AppConfig {
    fn default() -> Self {
        Self {
            body_bytes_max: BODY_BYTES_MAX,
            component_bytes_max: mantis_plugin::COMPONENT_BYTES_MAX_DEFAULT,
            body_timeout_ms: 30_000,
            request_timeout_ms: 60_000,
            concurrent_requests_max: 10_000,
            cors_origins: Vec::new(),
            allowed_hosts: HostGuard::Loopback { also: Vec::new() },
            transactions_max: 1_000,
            transaction_idle_ms: 30_000,
            streams_max: 1_000,
            tables: TablesConfig::default(),
            compression: true,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}
