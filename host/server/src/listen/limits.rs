//! The bounds on connections.

/// The bounds on connections, each with its unit in its name. Those on requests are the [`App`](mantis_http::App)'s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections open at once; one more is answered 503 and closed. Default 20,000.
    pub connections_max: usize,
    /// Bytes of a request's line and headers: 431. At least 8,192. Default 32 KiB, room for the longest key in percent-encoding.
    pub header_bytes_max: usize,
    /// How long the line and headers of a request may take to arrive, in milliseconds: 408. Default 10,000.
    pub header_timeout_ms: u64,
    /// How long a connection may wait for its next request, in milliseconds. Default 75,000.
    pub idle_timeout_ms: u64,
    /// How long a client may go without reading any byte of an answer, in milliseconds. Default 60,000.
    pub send_timeout_ms: u64,
    /// How long requests in progress may take to finish at shutdown, in milliseconds. Default 10,000.
    pub drain_timeout_ms: u64,
    /// Concurrent requests on one HTTP/2 connection. Default 128.
    pub streams_max: u32,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections_max: 20_000,
            header_bytes_max: 32 << 10,
            header_timeout_ms: 10_000,
            idle_timeout_ms: 75_000,
            send_timeout_ms: 60_000,
            drain_timeout_ms: 10_000,
            streams_max: 128,
        }
    }
}
