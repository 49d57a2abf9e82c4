//! A pool: a database in this process or a server, and the links that its connections are.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mantis_db::tables::QueryTexts;
use mantis_db::{Database, Durability, Limits, OpenOptions, SessionManager, StorageOptions};
use mantis_pool::Object;
use tokio::sync::Notify;

use crate::abi::status;
use crate::abi::types::flags::{
    MANTIS_DURABILITY_ALWAYS, MANTIS_DURABILITY_INTERVAL, MANTIS_DURABILITY_NEVER, MANTIS_POOL_READ_ONLY,
};
use crate::abi::types::mantis_pool_config;
use crate::failure::Failure;
use crate::far::{FarPool, Later};
use crate::handles::Handles;
use crate::link::LinkManager;
use crate::opening;
use crate::waiting::block::{self, Waited};
use crate::waiting::timer;
use crate::waiting::token::Token;

/// The pools of the process.
pub(crate) static POOLS: Handles<Arc<Pool>> = Handles::new(1);

/// More connections than a table of handles has room for would be no help.
const CONNECTIONS_MAX: u32 = 65_536;
/// How long an answer of a server may take, unless the settings say it.
const REQUEST_TIMEOUT_MS: u64 = 60_000;
/// Bytes of an answer of a server, unless the settings say it.
const ANSWER_BYTES_MAX: u64 = 256 << 20;
/// The bit of `users` that says that the pool is destroyed.
const DESTROYED: u64 = 1 << 63;

/// A connection's link to the database.
pub(crate) type PooledLink = Object<LinkManager>;

/// What the connections of a pool are to.
pub(crate) enum Base {
    /// A database in this process.
    Near(Database),
    /// A server.
    Far(Arc<dyn FarPool>),
}

/// A pool.
pub(crate) struct Pool {
    pub(crate) links: mantis_pool::Pool<LinkManager>,
    pub(crate) base: Base,
    /// Queries that were parsed lately.
    pub(crate) texts: QueryTexts,
    /// Ends what waits for something of this pool.
    pub(crate) end: Token,
    connection_timeout_ms: u64,
    /// Connections that are out, and callers that wait for one.
    users: AtomicU64,
    /// The last user is gone.
    unused: Notify,
}

/// A use of a pool, during which it is not destroyed.
pub(crate) struct Use(pub(crate) Arc<Pool>);

impl Default for mantis_pool_config {
    fn default() -> Self {
        let pool = mantis_pool::Config::default();
        let storage = StorageOptions::default();
        let ms = |duration: Option<Duration>| {
            duration.map_or(0, |duration| u64::try_from(duration.as_millis()).unwrap_or(0))
        };
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            size: 0,
            flags: 0,
            min_connections: count(pool.min_idle),
            max_connections: count(pool.max),
            max_waiters: count(pool.max_waiters),
            durability: MANTIS_DURABILITY_ALWAYS,
            connection_timeout_ms: ms(pool.wait_timeout),
            max_idle_ms: ms(pool.idle_timeout),
            max_lifetime_ms: ms(pool.max_lifetime),
            durability_interval_ms: 100,
            checkpoint_bytes: storage.checkpoint_bytes,
            store_bytes_max: 0,
            request_timeout_ms: REQUEST_TIMEOUT_MS,
            answer_bytes_max: ANSWER_BYTES_MAX,
        }
    }
}

impl Pool {
    /// Opens a database, or names a server, and makes its pool.
    ///
    /// # Errors
    /// Misuse, or why it cannot be opened.
    pub(crate) fn open(location: &str, config: &mantis_pool_config) -> Result<Arc<Self>, Failure> {
        if opening::is_url(location) {
            check_flags(config)?;
            return Self::of_base(Base::Far(opening::server(location, config)?), config);
        }
        let storage = storage_of(config)?;
        let is_read_only = config.flags & MANTIS_POOL_READ_ONLY != 0;
        let options = OpenOptions::new().limits(limits_of(config)).storage(storage).read_only(is_read_only);
        Self::over(opening::open(location, &options, is_read_only)?, config)
    }

    /// A pool of sessions of an open database.
    ///
    /// # Errors
    /// Misuse: settings that contradict each other.
    pub(crate) fn over(database: Database, config: &mantis_pool_config) -> Result<Arc<Self>, Failure> {
        Self::of_base(Base::Near(database), config)
    }

    fn of_base(base: Base, config: &mantis_pool_config) -> Result<Arc<Self>, Failure> {
        if config.max_connections > CONNECTIONS_MAX {
            return Err(Failure::misuse(format!("`max_connections` is at most {CONNECTIONS_MAX}")));
        }
        let manager = match &base {
            Base::Near(database) => LinkManager::Near(SessionManager::new(database.clone())),
            Base::Far(server) => LinkManager::Far(Arc::clone(server)),
        };
        let links =
            mantis_pool::Pool::new(manager, pool_config(config)).map_err(|error| Failure::misuse(error.to_string()))?;
        timer::start()?.spawn(links.run_maintenance());
        Ok(Arc::new(Self {
            links,
            base,
            texts: QueryTexts::default(),
            end: Token::new(),
            connection_timeout_ms: config.connection_timeout_ms,
            users: AtomicU64::new(0),
            unused: Notify::new(),
        }))
    }

    /// The pool of a handle.
    ///
    /// # Errors
    /// The handle is stale.
    pub(crate) fn of(handle: u64) -> Result<Arc<Self>, Failure> {
        POOLS.get(handle).ok_or_else(|| Failure::stale("pool"))
    }

    /// A use of the pool.
    ///
    /// # Errors
    /// It is destroyed.
    pub(crate) fn begin_use(self: Arc<Self>) -> Result<Use, Failure> {
        // Few billion callers cannot wait at once.
        if self.users.fetch_add(1, Ordering::AcqRel) & DESTROYED != 0 {
            self.users.fetch_sub(1, Ordering::AcqRel);
            return Err(Failure::stale("pool"));
        }
        Ok(Use(self))
    }

    /// Refuses newcomers, and waits until nobody uses it.
    pub(crate) async fn close(&self) {
        self.links.close();
        loop {
            let mut unused = pin!(self.unused.notified());
            unused.as_mut().enable();
            if self.users.load(Ordering::Acquire) & !DESTROYED == 0 {
                return;
            }
            unused.await;
        }
    }

    /// Whether nobody uses it; nobody will from then on.
    pub(crate) fn end_uses(&self) -> bool {
        self.users.compare_exchange(0, DESTROYED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// How long an acquisition waits that says so: negative for the configured time.
    pub(crate) fn timeout(&self, timeout_ms: i64) -> Duration {
        Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(self.connection_timeout_ms))
    }

    /// Ends what waits, and closes the database: its directory is free after that, also where another thread has the pool for the rest of
    /// a call.
    ///
    /// # Errors
    /// The disk failed to take the last commits.
    pub(crate) fn end(&self) -> Result<(), Failure> {
        self.end.cancel();
        self.links.close();
        match &self.base {
            Base::Near(database) => Ok(database.close()?),
            Base::Far(_) => Ok(()),
        }
    }

    /// Whether a commit is durable, once it is final, and the newest commit that is known to be visible then.
    pub(crate) fn settled(&self, version: u64) -> Later<(bool, u64)> {
        match &self.base {
            Base::Near(database) => {
                let database = database.clone();
                Box::pin(async move {
                    let is_durable = database.settled(version).await?;
                    Ok((is_durable, database.version().max(version)))
                })
            }
            Base::Far(server) => {
                let settled = Arc::clone(server).settled(version);
                Box::pin(async move { Ok((settled.await?, version)) })
            }
        }
    }

    /// The newest commit, once it is newer than `after`.
    pub(crate) fn newer(&self, after: u64) -> Later<u64> {
        match &self.base {
            Base::Near(database) => {
                let mut newest = database.watch();
                Box::pin(async move {
                    let newer = newest.wait_for(|newest| *newest > after).await;
                    newer.map(|newest| *newest).map_err(|_| Failure::closed())
                })
            }
            Base::Far(server) => Arc::clone(server).newer(after),
        }
    }
}

impl Use {
    /// A link, now or after a wait.
    ///
    /// # Errors
    /// Those of the pool.
    pub(crate) fn acquire(&self, timeout_ms: i64, token: Option<&Token>) -> Result<PooledLink, Failure> {
        if let Some(link) = self.0.links.try_acquire().map_err(|error| failure_of(&error))? {
            return Ok(link);
        }
        let wait = self.0.links.acquire_timeout(self.0.timeout(timeout_ms));
        match block::wait_for(wait, -1, token)? {
            Waited::Done(acquired) => acquired.map_err(|error| failure_of(&error)),
            Waited::Canceled | Waited::TimeUp => Err(Failure::canceled()),
        }
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        if self.0.users.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.unused.notify_waiters();
        }
    }
}

/// Why an acquisition failed.
pub(crate) fn failure_of(error: &mantis_pool::Error<std::convert::Infallible>) -> Failure {
    use mantis_pool::Error;
    match error {
        Error::Closed => Failure::closed(),
        Error::QueueFull { .. } => Failure::new(status::MANTIS_E_QUEUE_FULL, "queue-full", error.to_string()),
        Error::Timeout { .. } | Error::AcquireTimeout { .. } => {
            Failure::new(status::MANTIS_E_TIMEOUT, "acquire-timeout", "no connection became free in time")
                .with_hint("Release connections sooner, or raise max_connections.")
        }
        _ => Failure::new(status::MANTIS_E_OTHER, "acquire-failed", error.to_string()),
    }
}

fn pool_config(config: &mantis_pool_config) -> mantis_pool::Config {
    let some = |ms: u64| (ms > 0).then(|| Duration::from_millis(ms));
    mantis_pool::Config {
        min_idle: config.min_connections as usize,
        max: config.max_connections as usize,
        max_waiters: config.max_waiters as usize,
        // Making a session takes no time, so that the wait is all there is, and each acquisition says how long that is.
        acquire_timeout: None,
        wait_timeout: None,
        idle_timeout: some(config.max_idle_ms),
        max_lifetime: some(config.max_lifetime_ms),
        // An idle session does not go bad.
        validate_after_idle: None,
        health_check_interval: None,
        ..mantis_pool::Config::default()
    }
}

fn limits_of(config: &mantis_pool_config) -> Limits {
    let mut limits = Limits::default();
    if config.store_bytes_max > 0 {
        limits.store_bytes_max = config.store_bytes_max;
    }
    limits
}

fn check_flags(config: &mantis_pool_config) -> Result<(), Failure> {
    if config.flags & !MANTIS_POOL_READ_ONLY != 0 {
        return Err(Failure::misuse(format!("`flags` has {:#x}, which this release does not know", config.flags)));
    }
    Ok(())
}

fn storage_of(config: &mantis_pool_config) -> Result<StorageOptions, Failure> {
    check_flags(config)?;
    let durability = match config.durability {
        MANTIS_DURABILITY_ALWAYS => Durability::Always,
        MANTIS_DURABILITY_INTERVAL => Durability::Interval { ms: config.durability_interval_ms.max(1) },
        MANTIS_DURABILITY_NEVER => Durability::Never,
        other => return Err(Failure::misuse(format!("`durability` is {other}"))),
    };
    Ok(StorageOptions { durability, checkpoint_bytes: config.checkpoint_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_reaches_the_pool_the_database_or_its_disk() {
        let config = mantis_pool_config {
            min_connections: 3,
            max_connections: 5,
            max_waiters: 7,
            durability: MANTIS_DURABILITY_INTERVAL,
            connection_timeout_ms: 11,
            max_idle_ms: 13,
            max_lifetime_ms: 17,
            durability_interval_ms: 19,
            checkpoint_bytes: 23,
            store_bytes_max: 29,
            ..mantis_pool_config::default()
        };
        let sizes = pool_config(&config);
        assert_eq!((sizes.min_idle, sizes.max, sizes.max_waiters), (3, 5, 7));
        let ms = |ms| Some(Duration::from_millis(ms));
        assert_eq!((sizes.idle_timeout, sizes.max_lifetime), (ms(13), ms(17)));
        let storage = storage_of(&config).unwrap();
        assert_eq!((storage.durability, storage.checkpoint_bytes), (Durability::Interval { ms: 19 }, 23));
        assert_eq!(limits_of(&config).store_bytes_max, 29);
        let pool = Pool::open(":memory:", &config).unwrap();
        assert_eq!(
            (pool.timeout(-1).as_millis(), pool.timeout(0).as_millis(), pool.timeout(31).as_millis()),
            (11, 0, 31)
        );
        pool.end().unwrap();

        let none = mantis_pool_config { max_idle_ms: 0, max_lifetime_ms: 0, store_bytes_max: 0, ..config };
        assert_eq!((pool_config(&none).idle_timeout, pool_config(&none).max_lifetime), (None, None));
        assert_eq!(limits_of(&none).store_bytes_max, Limits::default().store_bytes_max);
        let durability = |durability, durability_interval_ms| {
            let config = mantis_pool_config { durability, durability_interval_ms, ..config };
            storage_of(&config).map(|storage| storage.durability).map_err(|failure| failure.status)
        };
        assert_eq!(durability(MANTIS_DURABILITY_ALWAYS, 19), Ok(Durability::Always));
        assert_eq!(durability(MANTIS_DURABILITY_NEVER, 19), Ok(Durability::Never));
        assert_eq!(durability(MANTIS_DURABILITY_INTERVAL, 0), Ok(Durability::Interval { ms: 1 }));
        assert_eq!(durability(3, 19), Err(status::MANTIS_E_MISUSE));
    }
}
