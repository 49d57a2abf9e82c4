//! The host: the installed plugins, and the parts that they share.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use mantis_db::{Database, Grants, SessionManager};
use mantis_pool::Pool;
use parking_lot::RwLock;
use serde_json::Value;

use super::expected::{Expected, ExpectedNames};
use super::kept_states::Kept;
use crate::call::Executor;
use crate::component::Compiler;
use crate::engine::{self, Ticker};
use crate::host_functions::linker;
use crate::instance::WarmPlaces;
use crate::limits::{self, LimitRange, Limits, NAME_BYTES_MAX};
use crate::plugin::{Plugin, PluginSource, Shared, Source};
use crate::stats::Retired;
use crate::{CallError, Called, Error, HostConfig, Json, PluginInfo, PluginOptions, PluginStats, Statistics};

/// Compiles, keeps and calls plugins. Cloning gives another handle to the same host; the last one dropped ends its threads.
///
/// ```
/// use std::sync::Arc;
/// use mantis_db::{Database, Limits, ManualClock, SeededRandom, SessionManager};
/// use mantis_plugin::{HostConfig, PluginHost};
/// use mantis_pool::Pool;
///
/// let database = Database::in_memory_with(Limits::default(), Arc::new(ManualClock::new(0)), Arc::new(SeededRandom::new(7)))?;
/// let sessions = Pool::new(SessionManager::new(database.clone()), Default::default())?;
/// let config = HostConfig { instances_max: 16, ..HostConfig::default() };
/// let host = PluginHost::new(database, sessions, config)?;
/// assert!(host.list().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct PluginHost(pub(super) Arc<Inner>);

pub(super) struct Inner {
    config: HostConfig,
    executor: Executor,
    /// Those that can be called.
    pub(super) plugins: RwLock<HashMap<String, Arc<Plugin>>>,
    /// Names that files of a folder have.
    from_files: RwLock<HashSet<String>>,
    /// Those that the database keeps. Changed under the lock of `plugins`.
    pub(super) kept: Kept,
    expected: ExpectedNames,
    /// Plugins installed so far: the number of the next one.
    installed: AtomicU64,
    retired: Retired,
    compiler: Compiler,
    pub(super) shared: Shared,
}

impl std::fmt::Debug for PluginHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PluginHost").field("plugins", &self.0.plugins.read().len()).finish_non_exhaustive()
    }
}

impl PluginHost {
    /// Starts the engine and its threads.
    ///
    /// # Errors
    /// [`Error::Engine`], as when the machine has not enough address space: an instance reserves 4 GiB of it.
    pub fn new(database: Database, sessions: Pool<SessionManager>, config: HostConfig) -> Result<Self, Error> {
        let engine = engine::new(&config)?;
        let ticker = Arc::new(Ticker::start(engine.clone())?);
        let shared = Shared {
            linker: linker(&engine)?,
            database,
            ticks: ticker.ticks(),
            // The rest stays free for calls that need a fresh instance.
            warm_places: Arc::new(WarmPlaces::new(config.instances_max as usize / 2)),
            warm_instances_max: config.warm_instances_max,
            instance_idle_timeout: Duration::from_millis(config.instance_idle_timeout_ms.max(1)),
            engine,
        };
        Ok(Self(Arc::new(Inner {
            executor: Executor::start(sessions, ticker, &config)?,
            compiler: Compiler::new(shared.engine.clone(), &config),
            plugins: RwLock::default(),
            from_files: RwLock::default(),
            kept: Kept::default(),
            expected: ExpectedNames::default(),
            installed: AtomicU64::new(0),
            retired: Retired::default(),
            config,
            shared,
        })))
    }

    /// Compiles a component and makes its functions callable under `name`, in place of a plugin of that name: calls under way
    /// end with the old one, new ones get the new one. It is gone when the process ends: [`keep`](Self::keep) is for one that is to stay.
    /// Needs a tokio runtime with timers.
    ///
    /// # Errors
    /// [`Error`]. An installed plugin of that name is kept.
    pub async fn install(&self, name: &str, component: Bytes, options: PluginOptions) -> Result<PluginInfo, Error> {
        let plugin = self.prepare(name, component, options).await?;
        self.put(name, plugin)
    }

    /// As [`install`](Self::install), for a file of a folder, which takes the place of a plugin of its name that the database keeps.
    pub(super) async fn install_from_file(
        &self,
        name: &str,
        component: Bytes,
        options: PluginOptions,
    ) -> Result<PluginInfo, Error> {
        let plugin = self.prepare(name, component, options).await?;
        let is_claimed_here = self.0.from_files.write().insert(name.to_owned());
        let info = self.put(name, plugin).inspect_err(|_| {
            if is_claimed_here {
                self.release_name_of_file(name);
            }
        })?;
        self.0.kept.remove(name);
        Ok(PluginInfo { source: PluginSource::File, ..info })
    }

    /// Compiles a plugin, and checks that it can run here.
    pub(super) async fn prepare(
        &self,
        name: &str,
        component: Bytes,
        options: PluginOptions,
    ) -> Result<Arc<Plugin>, Error> {
        check_name(name)?;
        let limits = Limits::new(&self.0.config, &options.limits)?;
        self.check_count(name)?;
        let component_bytes = component.len();
        let (component, hash) = self.0.compiler.compile(component).await?;
        let number = self.0.installed.fetch_add(1, Ordering::Relaxed);
        let source = Source { number, name: name.into(), component, hash, component_bytes, options, limits };
        Ok(Arc::new(Plugin::new(source, &self.0.shared)?))
    }

    /// Makes a plugin callable.
    fn put(&self, name: &str, plugin: Arc<Plugin>) -> Result<PluginInfo, Error> {
        let info = plugin.info();
        let replaced = {
            let mut plugins = self.0.plugins.write();
            let max = self.0.config.plugins_max;
            // Others may have been installed while this one compiled.
            if plugins.len() >= max && !plugins.contains_key(name) {
                return Err(Error::PluginsTooMany { max });
            }
            plugins.insert(name.into(), plugin)
        };
        self.retire(replaced);
        Ok(info)
    }

    /// Takes leave of a plugin that can no longer be called: keeps its counters, and gives its code back unless another plugin has the same.
    pub(super) fn retire(&self, plugin: Option<Arc<Plugin>>) {
        let Some(plugin) = plugin else { return };
        self.0.retired.add(Arc::clone(&plugin.counters));
        if self.0.plugins.read().values().all(|other| other.hash != plugin.hash) {
            self.0.compiler.forget(&plugin.hash);
        }
    }

    pub(super) fn is_from_file(&self, name: &str) -> bool {
        self.0.from_files.read().contains(name)
    }

    /// Lets a name go that a file had.
    pub(super) fn release_name_of_file(&self, name: &str) {
        self.0.from_files.write().remove(name);
    }

    /// How many plugins the database may keep: the limit is that of all.
    pub(super) fn kept_max(&self) -> usize {
        self.0.config.plugins_max.saturating_sub(self.0.from_files.read().len())
    }

    /// Removes a plugin; calls under way end as they would. False when there was none. One that the database keeps is back after a restart:
    /// [`forget`](Self::forget) is for one that is to go.
    #[must_use = "false says that there was no such plugin"]
    pub fn remove(&self, name: &str) -> bool {
        let removed = self.0.plugins.write().remove(name);
        let was_there = removed.is_some();
        self.retire(removed);
        was_there
    }

    /// Announces that a plugin of this name will be installed from a file: until the answer is dropped, calls to one that is not there yet
    /// fail with [`CallError::Expected`]. It takes the place of a plugin of its name that the database keeps.
    #[must_use = "it is expected until this is dropped"]
    pub fn expect(&self, name: &str) -> Expected {
        self.0.from_files.write().insert(name.to_owned());
        self.0.expected.announce(name)
    }

    /// The plugins that are expected, by name.
    #[must_use]
    pub fn expected(&self) -> Vec<String> {
        self.0.expected.names()
    }

    /// All plugins, by name.
    #[must_use]
    pub fn list(&self) -> Vec<PluginInfo> {
        let plugins: BTreeMap<_, _> =
            self.0.plugins.read().iter().map(|(name, plugin)| (name.clone(), Arc::clone(plugin))).collect();
        let mut described: BTreeMap<_, _> =
            plugins.into_iter().map(|(name, plugin)| (name, Some(plugin.info()))).collect();
        for name in self.0.kept.names() {
            described.entry(name).or_default();
        }
        described.into_iter().filter_map(|(name, info)| self.described(&name, info)).collect()
    }

    /// The description of a plugin.
    #[must_use]
    pub fn info(&self, name: &str) -> Option<PluginInfo> {
        self.described(name, self.plugin(name).map(|plugin| plugin.info()))
    }

    fn described(&self, name: &str, callable: Option<PluginInfo>) -> Option<PluginInfo> {
        let info = self.kept_info(name, callable)?;
        Some(if self.is_from_file(name) { PluginInfo { source: PluginSource::File, ..info } } else { info })
    }

    /// Calls a function with JSON arguments: an array in the parameters' order, or an object by their names. Needs a tokio
    /// runtime with timers.
    ///
    /// The call is one transaction, which commits when the function returns. A call that lost against another commit is run
    /// again, so a function may run several times before it counts once.
    ///
    /// Dropping the future abandons the call: a function under way is stopped, and its writes are undone.
    ///
    /// # Errors
    /// [`CallError`]. The call wrote nothing then, unless the plugin runs its own transactions.
    pub async fn call(&self, plugin: &str, function: &str, arguments: impl Into<Json>) -> Result<Called, CallError> {
        self.call_if(plugin, function, arguments, &|_| true, &|_| true).await
    }

    /// Calls a function as [`call`](Self::call) does, if `permits` agrees to the grants of the plugin that has the name by now, and commits only
    /// a result that `accepts` agrees to. That is asked before the commit, for each result again where commits conflict; the last result counts.
    ///
    /// # Errors
    /// [`CallError`]; [`CallError::Declined`] where one of the two did not agree. The call wrote nothing then, unless the plugin runs its own
    /// transactions.
    pub async fn call_if(
        &self,
        plugin: &str,
        function: &str,
        arguments: impl Into<Json>,
        permits: &(dyn Fn(&Grants) -> bool + Send + Sync),
        accepts: &(dyn Fn(&Value) -> bool + Send + Sync),
    ) -> Result<Called, CallError> {
        self.call_for(None, plugin, function, arguments, permits, accepts).await
    }

    /// Calls a function as [`call_if`](Self::call_if) does. `request_id` is in the log lines that the plugin writes.
    ///
    /// # Errors
    /// As [`call_if`](Self::call_if).
    pub async fn call_for(
        &self,
        request_id: Option<&str>,
        plugin: &str,
        function: &str,
        arguments: impl Into<Json>,
        permits: &(dyn Fn(&Grants) -> bool + Send + Sync),
        accepts: &(dyn Fn(&Value) -> bool + Send + Sync),
    ) -> Result<Called, CallError> {
        let mut found = self.plugin(plugin);
        if found.is_none() && self.0.expected.has(plugin) {
            return Err(CallError::Expected(plugin.into()));
        }
        if found.is_none() {
            self.started(plugin).await?;
            found = self.plugin(plugin);
        }
        let found = found.ok_or_else(|| CallError::PluginNotFound(plugin.into()))?;
        if !permits(&found.grants) {
            return Err(CallError::Declined);
        }
        self.0.executor.call(&found, function, arguments.into(), request_id, accepts).await
    }

    /// Waits until a plugin that the database keeps is compiled after the start. Returns at once where it is, and for any other.
    ///
    /// # Errors
    /// [`CallError::Unavailable`]: it is still being compiled after 30 seconds, or cannot be called.
    pub async fn started(&self, name: &str) -> Result<(), CallError> {
        self.0.kept.wait_for(name).await
    }

    /// The ranges from which a plugin may choose its limits, each under the name of its field in [`PluginLimits`](crate::PluginLimits).
    #[must_use]
    pub fn limit_ranges(&self) -> [LimitRange; 5] {
        limits::ranges(&self.0.config)
    }

    /// The statistics of the host.
    #[must_use]
    pub fn stats(&self) -> PluginStats {
        let plugins: Vec<_> = self.0.plugins.read().values().map(Arc::clone).collect();
        let mut code_bytes = self.0.compiler.code_bytes();
        code_bytes.extend(plugins.iter().map(|plugin| (plugin.hash, plugin.code_bytes)));
        let mut total: Statistics = self.0.retired.read();
        for plugin in &plugins {
            total.add(&plugin.info().statistics);
        }
        PluginStats {
            plugins: plugins.len() as u64,
            calls_active: self.0.executor.active() as u64,
            calls_queued: self.0.executor.queued() as u64,
            compiled_bytes: code_bytes.into_values().map(|bytes| bytes as u64).sum(),
            total,
        }
    }

    /// Closes instances that have been idle for [`instance_idle_timeout_ms`](HostConfig::instance_idle_timeout_ms), counted from the
    /// first call of this that finds one idle. Call it about ten times a second, or as often as that time asks for: nobody else closes
    /// them, except those of a plugin that is removed or replaced.
    pub async fn maintain(&self) {
        let pools: Vec<_> = self.0.plugins.read().values().filter_map(|plugin| plugin.warm.clone()).collect();
        for pool in pools {
            pool.maintain().await;
        }
    }

    pub(crate) fn component_bytes_max(&self) -> usize {
        self.0.config.component_bytes_max
    }

    pub(super) fn plugin(&self, name: &str) -> Option<Arc<Plugin>> {
        self.0.plugins.read().get(name).map(Arc::clone)
    }

    fn check_count(&self, name: &str) -> Result<(), Error> {
        let plugins = self.0.plugins.read();
        let max = self.0.config.plugins_max;
        if plugins.len() >= max && !plugins.contains_key(name) { Err(Error::PluginsTooMany { max }) } else { Ok(()) }
    }
}

/// Whether a plugin can have this name.
///
/// # Errors
/// [`Error::NameInvalid`].
pub fn check_name(name: &str) -> Result<(), Error> {
    let first_fits = name.starts_with(|first: char| first.is_ascii_lowercase());
    let rest_fits = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if first_fits && rest_fits && name.len() <= NAME_BYTES_MAX {
        return Ok(());
    }
    Err(Error::NameInvalid(name.chars().take(NAME_BYTES_MAX).collect()))
}
