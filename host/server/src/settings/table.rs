//! Every setting of the server.

use std::path::PathBuf;

use mantis_db::Limits;

use super::Setting;
use super::define::section;
use super::durability::DurabilitySetting;
use super::listen::ListenAddress;
use super::log::{LogFormat, LogLevel};
use super::mode::ModeSetting;
use crate::units::{Bytes, Milliseconds};

section! {
    /// Where the server listens and to whom it answers.
    ServerSettings, ServerInput, "Listener";
    listen: ListenAddress = ListenAddress::default(), "listen", "LISTEN",
        "Address and port to listen on, as in `localhost:8080`, or `:8080` for that of 127.0.0.1; port 0 picks a free one";
    allowed_hosts: Vec<String> = Vec::new(), "allowed-host", "ALLOWED_HOSTS",
        "Host names to accept in requests besides the loopback names, without a port; repeatable";
}

section! {
    /// Who may use the API from a page.
    HttpSettings, HttpInput, "HTTP";
    cors_origins: Vec<String> = Vec::new(), "cors-origin", "CORS_ORIGINS",
        "Origins whose pages may call the API, as in `https://example.com`, or `*`; repeatable";
}

section! {
    /// The tables' dialect.
    TableSettings, TableInput, "Tables";
    safe_update: bool = true, "tables-safe-update", "TABLES_SAFE_UPDATE",
        "Whether an update or delete of rows without a filter is refused";
    max_rows: u64 = 0, "tables-max-rows", "TABLES_MAX_ROWS",
        "Most rows of a page, whatever a request asks for; 0 means no limit";
    aggregates: bool = true, "tables-aggregates", "TABLES_AGGREGATES", "Whether requests may use aggregates";
    tx_rollback: bool = true, "tables-tx-rollback", "TABLES_TX_ROLLBACK",
        "Whether `Prefer: tx=rollback` undoes a request's writes at its end";
}

section! {
    /// Where the data is, and when a write is acknowledged.
    StorageSettings, StorageInput, "Storage";
    data: PathBuf = PathBuf::from("mantis-data"), "data", "DATA",
        "Data directory; created if it does not exist";
    data_mode: ModeSetting = ModeSetting::OWNER, "data-mode", "DATA_MODE",
        "Permissions of a data directory that is created, as in `0750`; its files have the same without `x`";
    durability: DurabilitySetting = DurabilitySetting::ALWAYS, "durability", "DURABILITY",
        "When a write is acknowledged: `always`, once it is on disk; `interval:MS`, at once, with a sync every MS milliseconds; `never`, at once, leaving syncs to the system";
    checkpoint_bytes: Bytes<u64> = 256 << 20, "checkpoint-bytes", "CHECKPOINT_BYTES",
        "Bytes of log that trigger a checkpoint; bounds the time that startup takes";
    feed_age_ms_max: Milliseconds = Limits::DEFAULT.feed_age_ms_max, "feed-age-ms-max", "FEED_AGE_MS_MAX",
        "How long the change feed retains history";
}

section! {
    /// What is logged, and how. Logs go to standard error.
    LogSettings, LogInput, "Log";
    format: LogFormat = LogFormat::Plain, "log", "LOG", "Plain lines, or one JSON object per line";
    level: LogLevel = LogLevel::Info, "log-level", "LOG_LEVEL", "The lowest severity that is logged";
}

section! {
    /// Bounds on connections.
    ConnectionSettings, ConnectionInput, "Connections";
    max: usize = 20_000, "connections-max", "CONNECTIONS_MAX",
        "Open connections; a connection above the limit is answered 503 and closed";
    header_bytes_max: Bytes<usize> = 32 << 10, "header-bytes-max", "HEADER_BYTES_MAX",
        "Bytes of a request's line and headers, at least 8192";
    header_timeout_ms: Milliseconds = 10_000, "header-timeout-ms", "HEADER_TIMEOUT_MS",
        "Time for a request's line and headers to arrive";
    idle_timeout_ms: Milliseconds = 75_000, "idle-timeout-ms", "IDLE_TIMEOUT_MS",
        "How long a connection may stay idle between requests";
    send_timeout_ms: Milliseconds = 60_000, "send-timeout-ms", "SEND_TIMEOUT_MS",
        "How long a client may go without reading any of its response; over HTTP/2 of each one";
    drain_timeout_ms: Milliseconds = 10_000, "drain-timeout-ms", "DRAIN_TIMEOUT_MS",
        "How long requests in progress may take to finish at shutdown";
    http2_streams_max: u32 = 128, "http2-streams-max", "HTTP2_STREAMS_MAX",
        "Concurrent requests on one HTTP/2 connection";
}

section! {
    /// Bounds on requests and on what is stored.
    LimitSettings, LimitInput, "Limits";
    body_bytes_max: Bytes<usize> = mantis_http::BODY_BYTES_MAX, "body-bytes-max", "BODY_BYTES_MAX",
        "Bytes of a request's body; base64 makes a value a third larger";
    body_timeout_ms: Milliseconds = 30_000, "body-timeout-ms", "BODY_TIMEOUT_MS", "Time for a request's body to arrive";
    request_timeout_ms: Milliseconds = 60_000, "request-timeout-ms", "REQUEST_TIMEOUT_MS", "Total time for a request";
    requests_max: usize = 10_000, "requests-max", "REQUESTS_MAX",
        "Concurrent requests; a request above the limit is answered 503";
    transactions_max: usize = 1_000, "transactions-max", "TRANSACTIONS_MAX",
        "Open transactions; at most three quarters of the pool's sessions, whatever this says";
    transaction_idle_ms: Milliseconds = 30_000, "transaction-idle-ms", "TRANSACTION_IDLE_MS",
        "Idle time after which a transaction is rolled back";
    streams_max: usize = 1_000, "streams-max", "STREAMS_MAX", "Concurrent streamed listings, change feeds and backups";
    key_bytes_max: Bytes<usize> = Limits::DEFAULT.key_bytes_max, "key-bytes-max", "KEY_BYTES_MAX", "Bytes of a key, at most 4096";
    value_bytes_max: Bytes<usize> = Limits::DEFAULT.value_bytes_max, "value-bytes-max", "VALUE_BYTES_MAX",
        "Bytes of a value; it must fit into a request's body";
    store_bytes_max: Bytes<u64> = 0, "store-bytes-max", "STORE_BYTES_MAX",
        "Bytes of all keys and values; 0 means no limit but the machine's memory";
    in_flight_bytes_max: Bytes<usize> = 0, "in-flight-bytes-max", "IN_FLIGHT_BYTES_MAX",
        "Bytes of bodies, answers under construction and uncommitted writes in sum; beyond it requests are answered 503. 0 means a quarter of the machine's memory, 256 MiB to 4 GiB";
    feed_bytes_max: Bytes<usize> = Limits::DEFAULT.feed_bytes_max, "feed-bytes-max", "FEED_BYTES_MAX",
        "Bytes of history that the change feed retains";
}

section! {
    /// The pool of sessions that requests share.
    PoolSettings, PoolInput, "Session pool";
    min_idle: usize = 10, "pool-min-idle", "POOL_MIN_IDLE", "Idle sessions kept ready";
    max: usize = 1_000, "pool-max", "POOL_MAX", "Most sessions at once";
    wait_timeout_ms: Milliseconds = 10_000, "pool-wait-timeout-ms", "POOL_WAIT_TIMEOUT_MS",
        "How long a request waits for a session";
    acquire_timeout_ms: Milliseconds = 30_000, "pool-acquire-timeout-ms", "POOL_ACQUIRE_TIMEOUT_MS",
        "Total time for a request to get a session, with all its waits; beyond it the request is answered 503";
    idle_timeout_ms: Milliseconds = 300_000, "pool-idle-timeout-ms", "POOL_IDLE_TIMEOUT_MS",
        "Idle time after which a session above the minimum is closed";
    lifetime_ms: Milliseconds = 3_600_000, "pool-lifetime-ms", "POOL_LIFETIME_MS", "Age at which a session is replaced";
}

section! {
    /// Plugins and their bounds.
    PluginSettings, PluginInput, "Plugins";
    dir: PathBuf = PathBuf::new(), "plugins", "PLUGINS",
        "Directory whose NAME.wasm files are installed at startup, each as its NAME.toml or NAME.json says";
    call_deadline_ms: Milliseconds = 1_000, "plugin-call-deadline-ms", "PLUGIN_CALL_DEADLINE_MS", "Total time for a plugin call";
    memory_bytes_max: Bytes<usize> = 64 << 20, "plugin-memory-bytes-max", "PLUGIN_MEMORY_BYTES_MAX",
        "Bytes of memory of one plugin instance";
    core_instances_max: u32 = 128, "plugin-core-instances-max", "PLUGIN_CORE_INSTANCES_MAX",
        "Core instances of a plugin's component; interpreters have some dozens";
    memories_max: u32 = 8, "plugin-memories-max", "PLUGIN_MEMORIES_MAX", "Linear memories of a plugin's component";
    tables_max: u32 = 16, "plugin-tables-max", "PLUGIN_TABLES_MAX", "WebAssembly tables of a plugin's component";
    table_elements_max: usize = 20_000, "plugin-table-elements-max", "PLUGIN_TABLE_ELEMENTS_MAX",
        "Elements of a WebAssembly table of a plugin's component";
    instance_idle_timeout_ms: Milliseconds = 300_000, "plugin-instance-idle-timeout-ms", "PLUGIN_INSTANCE_IDLE_TIMEOUT_MS",
        "Idle time after which a plugin instance is closed";
    component_bytes_max: Bytes<usize> = mantis_plugin::COMPONENT_BYTES_MAX_DEFAULT, "plugin-component-bytes-max", "PLUGIN_COMPONENT_BYTES_MAX",
        "Bytes of a component";
    compile_timeout_ms: Milliseconds = 60_000, "plugin-compile-timeout-ms", "PLUGIN_COMPILE_TIMEOUT_MS",
        "How long an installation waits for the compiler, which goes on after that";
    cache: PathBuf = PathBuf::new(), "plugin-cache", "PLUGIN_CACHE",
        "Directory for compiled plugins; empty means `plugin-cache` in the data directory, if there is one";
    max: usize = 100, "plugins-max", "PLUGINS_MAX", "Most plugins installed at once";
}

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Settings {
    /// Where the server listens.
    #[serde(flatten)]
    pub server: ServerSettings,
    /// `[http]`
    pub http: HttpSettings,
    /// `[tables]`
    pub tables: TableSettings,
    /// `[storage]`
    pub storage: StorageSettings,
    /// `[log]`
    pub log: LogSettings,
    /// `[connections]`
    pub connections: ConnectionSettings,
    /// `[limits]`
    pub limits: LimitSettings,
    /// `[pool]`
    pub pool: PoolSettings,
    /// `[plugins]`
    pub plugins: PluginSettings,
}

/// What one source gives of [`Settings`].
#[derive(Debug, Clone, Default, clap::Args)]
pub struct SettingsInput {
    #[command(flatten)]
    pub(super) server: ServerInput,
    #[command(flatten)]
    pub(super) http: HttpInput,
    #[command(flatten)]
    pub(super) tables: TableInput,
    #[command(flatten)]
    pub(super) storage: StorageInput,
    #[command(flatten)]
    pub(super) log: LogInput,
    #[command(flatten)]
    pub(super) connections: ConnectionInput,
    #[command(flatten)]
    pub(super) limits: LimitInput,
    #[command(flatten)]
    pub(super) pool: PoolInput,
    #[command(flatten)]
    pub(super) plugins: PluginInput,
}

impl SettingsInput {
    /// This, and where it says nothing, `below`.
    #[must_use]
    pub fn or(self, below: Self) -> Self {
        Self {
            server: self.server.or(below.server),
            http: self.http.or(below.http),
            tables: self.tables.or(below.tables),
            storage: self.storage.or(below.storage),
            log: self.log.or(below.log),
            connections: self.connections.or(below.connections),
            limits: self.limits.or(below.limits),
            pool: self.pool.or(below.pool),
            plugins: self.plugins.or(below.plugins),
        }
    }

    /// This, and where it says nothing, the defaults.
    #[must_use]
    pub fn resolve(self) -> Settings {
        Settings {
            server: self.server.resolve(),
            http: self.http.resolve(),
            tables: self.tables.resolve(),
            storage: self.storage.resolve(),
            log: self.log.resolve(),
            connections: self.connections.resolve(),
            limits: self.limits.resolve(),
            pool: self.pool.resolve(),
            plugins: self.plugins.resolve(),
        }
    }
}

impl Settings {
    /// Every setting, in the order of the file.
    pub(super) fn all() -> Vec<Setting> {
        [
            ServerSettings::settings(""),
            HttpSettings::settings("http."),
            TableSettings::settings("tables."),
            StorageSettings::settings("storage."),
            LogSettings::settings("log."),
            ConnectionSettings::settings("connections."),
            LimitSettings::settings("limits."),
            PoolSettings::settings("pool."),
            PluginSettings::settings("plugins."),
        ]
        .concat()
    }
}
