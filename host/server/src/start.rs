//! Startup: opens the database, builds the application, binds the listener.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use mantis_db::disk::DirectoryDisk;
use mantis_db::{
    Database, DiskEvent, DiskThreads, OpenError, Recovered, SessionManager, StorageOptions, SystemClock, SystemRandom,
};
use mantis_http::{App, AppConfig, HostGuard, TablesConfig};
use mantis_plugin::{HostConfig, PluginHost};
use mantis_pool::Pool;
use tokio::net::{TcpListener, TcpSocket};

use crate::failure::{Exit, Failure, NEWER_VERSION};
use crate::listen::ConnectionLimits;
use crate::progress;
use crate::settings::{ConnectionSettings, Settings};

/// The remedy for a directory that cannot be used.
const OTHER_PLACE: &str = "choose a directory with --data, or run with --memory";
/// The folder in the data directory for compiled plugins.
const PLUGIN_CACHE: &str = "plugin-cache";
/// Connections that the system queues for the accept loop.
const BACKLOG: u32 = 4_096;
/// File descriptors reserved from connections.
const DESCRIPTORS_KEPT: u64 = 64;

/// The parts of a running server.
#[derive(Clone)]
pub struct Parts {
    /// The data.
    pub database: Database,
    /// The sessions that requests share.
    pub sessions: Pool<SessionManager>,
    /// The plugins.
    pub plugins: PluginHost,
    /// What answers requests.
    pub app: App,
}

/// A database, and its disk's threads.
pub(crate) struct Storage {
    /// The data.
    pub(crate) database: Database,
    /// What was found on the disk; none in memory.
    pub(crate) recovered: Option<Recovered>,
    /// None in memory. Dropping it writes what is pending.
    pub(crate) threads: Option<DiskThreads>,
}

/// Opens the database in the configured directory, or an empty one in memory. `on_progress` hears how many bytes of how many were read.
///
/// # Errors
/// The directory cannot be used, or what is in it cannot be trusted: then nothing was changed.
pub(crate) fn open(
    settings: &Settings,
    in_memory: bool,
    on_progress: impl Fn(u64, u64) + Send + Sync + 'static,
) -> Result<Storage, Failure> {
    let (limits, clock, random) = (settings.database_limits(), Arc::new(SystemClock), Arc::new(SystemRandom));
    if in_memory {
        let database = Database::in_memory_with(limits, clock, random)
            .map_err(|invalid| Failure::new(Exit::Local, format!("cannot create a database: {invalid}")))?;
        return Ok(Storage { database, recovered: None, threads: None });
    }
    let (given, path) = (&settings.storage, settings.storage.data.display());
    let disk = DirectoryDisk::with_modes(&given.data, given.data_mode.modes())
        .map_err(|error| Failure::new(Exit::Local, format!("cannot use {path}: {error}")).hint(OTHER_PLACE))?;
    let storage = StorageOptions { durability: given.durability.0, checkpoint_bytes: given.checkpoint_bytes };
    let open = |tell| Database::open_watched(limits, clock, random, Arc::new(disk), storage, Some(tell));
    let opened = progress::watch_with(on_progress, open);
    let (database, recovered) = opened.map_err(|error| {
        let failure = Failure::new(Exit::Local, format!("cannot open {path}: {error}"));
        match error {
            OpenError::InUse => failure.hint("stop the other server, or choose a directory with --data"),
            OpenError::Newer { .. } => failure.hint(NEWER_VERSION),
            error if error.is_half_restored() => {
                failure.hint(format!("nothing was changed; run it again: mantisdb restore FILE --data {path}"))
            }
            OpenError::Damaged { .. } => failure.hint(format!(
                "nothing was changed; restore a backup, or recover what is intact: mantisdb check --data {path} --repair --into NEW"
            )),
            _ => failure.hint(OTHER_PLACE),
        }
    })?;
    let threads = DiskThreads::start(database.store(), Box::new(log_event))
        .map_err(|error| Failure::new(Exit::Local, format!("cannot start threads: {error}")))?;
    Ok(Storage { database, recovered: Some(recovered), threads: Some(threads) })
}

/// Logs the disk's events. The system's own error text is only in the log; clients get the remedy.
fn log_event(event: DiskEvent) {
    match event {
        DiskEvent::Checkpoint(Ok(done)) => {
            tracing::info!(version = done.version, entries = done.entries, bytes = done.bytes, "checkpoint");
        }
        DiskEvent::Checkpoint(Err(error)) => tracing::error!(%error, "a checkpoint failed; it will be retried"),
        DiskEvent::Failed(error) => {
            tracing::error!(error, "the disk failed; writes are refused until the server is restarted");
        }
        DiskEvent::Full(error) => tracing::error!(error, "the disk is full; writes are refused until there is space"),
        DiskEvent::Resumed => tracing::info!("the disk has space again; writes are accepted"),
        DiskEvent::SegmentRefused(error) => {
            tracing::error!(
                error,
                "cannot start the log's next segment; the current one is extended, and the start is retried"
            );
        }
    }
}

/// Builds what serves a database. Call it within a tokio runtime.
///
/// # Errors
/// Settings that contradict each other, by name.
pub fn build(database: Database, settings: &Settings, allowed_hosts: HostGuard) -> anyhow::Result<Parts> {
    let sessions = Pool::new(SessionManager::new(database.clone()), pool_config(settings)).context("[pool]")?;
    let is_on_disk = database.store().disk_stats().is_some();
    let config = plugin_config(settings, is_on_disk);
    let plugins = PluginHost::new(database.clone(), sessions.clone(), config).context("[plugins]")?;
    let app = App::new(database.clone(), sessions.clone(), plugins.clone(), app_config(settings, allowed_hosts));
    Ok(Parts { database, sessions, plugins, app })
}

/// A listener with a long backlog.
///
/// # Errors
/// The address is in use or not this machine's.
pub fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart need not wait for old connections' TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The bounds on connections, lowered to what the limit on file descriptors leaves room for. Raises that limit first.
#[must_use]
pub fn connection_limits(settings: &Settings) -> ConnectionLimits {
    let given = &settings.connections;
    let room = usize::try_from(raise_descriptor_limit().saturating_sub(DESCRIPTORS_KEPT)).unwrap_or(usize::MAX);
    // The default is for machines with room for it; the start's message names the limit that holds.
    if room < given.max && given.max != ConnectionSettings::default().max {
        tracing::warn!(
            "the limit on open files leaves room for {room} connections, not {}; raise it with `ulimit -n` or LimitNOFILE",
            given.max
        );
    }
    ConnectionLimits {
        connections_max: given.max.min(room),
        header_bytes_max: given.header_bytes_max,
        header_timeout_ms: given.header_timeout_ms,
        idle_timeout_ms: given.idle_timeout_ms,
        send_timeout_ms: given.send_timeout_ms,
        drain_timeout_ms: given.drain_timeout_ms,
        streams_max: given.http2_streams_max,
    }
}

/// Raises the limit on open files to what the system allows this process, and returns it.
fn raise_descriptor_limit() -> u64 {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

fn pool_config(settings: &Settings) -> mantis_pool::Config {
    let given = &settings.pool;
    // No checks: an idle session does not go bad, and its manager leaves `validate` and `recycle` out.
    mantis_pool::Config {
        min_idle: given.min_idle,
        max: given.max,
        acquire_timeout: Some(Duration::from_millis(given.acquire_timeout_ms)),
        wait_timeout: Some(Duration::from_millis(given.wait_timeout_ms)),
        idle_timeout: Some(Duration::from_millis(given.idle_timeout_ms)),
        max_lifetime: Some(Duration::from_millis(given.lifetime_ms)),
        validate_after_idle: None,
        health_check_interval: None,
        ..mantis_pool::Config::default()
    }
}

fn plugin_config(settings: &Settings, is_on_disk: bool) -> HostConfig {
    let given = &settings.plugins;
    let cache_dir = if given.cache.as_os_str().is_empty() {
        is_on_disk.then(|| settings.storage.data.join(PLUGIN_CACHE))
    } else {
        Some(given.cache.clone())
    };
    HostConfig {
        call_deadline_ms: given.call_deadline_ms,
        memory_bytes_max: given.memory_bytes_max,
        core_instances_max: given.core_instances_max,
        memories_max: given.memories_max,
        tables_max: given.tables_max,
        table_elements_max: given.table_elements_max,
        instance_idle_timeout_ms: given.instance_idle_timeout_ms,
        component_bytes_max: given.component_bytes_max,
        compile_timeout_ms: given.compile_timeout_ms,
        cache_dir,
        plugins_max: given.max,
        ..HostConfig::default()
    }
}

fn app_config(settings: &Settings, allowed_hosts: HostGuard) -> AppConfig {
    let given = &settings.limits;
    AppConfig {
        body_bytes_max: given.body_bytes_max,
        component_bytes_max: settings.plugins.component_bytes_max,
        body_timeout_ms: given.body_timeout_ms,
        request_timeout_ms: given.request_timeout_ms,
        concurrent_requests_max: given.requests_max,
        cors_origins: settings.http.cors_origins.clone(),
        allowed_hosts,
        tables: TablesConfig {
            safe_update: settings.tables.safe_update,
            rows_max: Some(settings.tables.max_rows).filter(|&rows| rows > 0),
            aggregates: settings.tables.aggregates,
            transaction_end: settings.tables.tx_rollback,
        },
        transactions_max: given.transactions_max,
        transaction_idle_ms: given.transaction_idle_ms,
        streams_max: given.streams_max,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..AppConfig::default()
    }
}
