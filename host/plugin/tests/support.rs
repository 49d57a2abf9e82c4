//! A host with plugins, for tests.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mantis_db::{Access, Database, Grants, Limits, ManualClock, SeededRandom, SessionManager};
use mantis_plugin::{CallError, HostConfig, PluginHost, PluginInfo, PluginOptions};
use mantis_pool::Pool;
use serde_json::Value;

pub(crate) struct Fixture {
    pub(crate) host: PluginHost,
    pub(crate) database: Database,
    pub(crate) sessions: Pool<SessionManager>,
}

/// Small enough that many hosts fit into one process, with a deadline that a busy machine keeps.
pub(crate) fn config() -> HostConfig {
    HostConfig { instances_max: 32, guest_threads: 2, call_deadline_ms: 60_000, ..HostConfig::default() }
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with(config())
    }

    pub(crate) fn with(config: HostConfig) -> Self {
        let clock = Arc::new(ManualClock::new(NOW_MS));
        Self::over(Database::in_memory_with(Limits::default(), clock, Arc::new(SeededRandom::new(7))).unwrap(), config)
    }

    pub(crate) fn over(database: Database, config: HostConfig) -> Self {
        let pool = mantis_pool::Config { min_idle: 0, max: 64, ..mantis_pool::Config::default() };
        let sessions = Pool::new(SessionManager::new(database.clone()), pool).unwrap();
        let host = PluginHost::new(database.clone(), sessions.clone(), config).unwrap();
        Self { host, database, sessions }
    }

    /// A host with one guest, which may write to `buckets`.
    pub(crate) async fn with_guest(guest: &str, buckets: &[&str]) -> Self {
        let fixture = Self::new();
        fixture.install(guest, writing(buckets)).await;
        fixture
    }

    /// Installs a guest under its own name.
    pub(crate) async fn install(&self, guest: &str, options: PluginOptions) -> PluginInfo {
        self.install_as(guest, guest, options).await
    }

    pub(crate) async fn install_as(&self, name: &str, guest: &str, options: PluginOptions) -> PluginInfo {
        let installed = self.host.install(name, component(guest).into(), options).await;
        installed.unwrap_or_else(|error| panic!("installing {guest}: {error}"))
    }

    /// Calls `plugin/function`.
    pub(crate) async fn call(&self, function: &str, arguments: Value) -> Result<Value, CallError> {
        let (plugin, function) = function.split_once('/').expect("plugin/function");
        self.host.call(plugin, function, arguments).await.map(|called| called.value)
    }

    /// What a key of a bucket holds, as text.
    pub(crate) async fn text(&self, bucket: &str, key: &str) -> Option<String> {
        let mut session = self.database.session();
        let entry = session.kv(bucket).unwrap().get(key.as_bytes()).await.unwrap();
        entry.map(|entry| String::from_utf8(entry.value.to_vec()).unwrap())
    }

    pub(crate) async fn set(&self, bucket: &str, key: &str, value: &str) {
        let mut session = self.database.session();
        session.kv(bucket).unwrap().set(key.as_bytes(), value.as_bytes()).await.unwrap();
    }
}

/// What the fixture's clock says.
pub(crate) const NOW_MS: u64 = 1_700_000_000_000;

pub(crate) fn writing(buckets: &[&str]) -> PluginOptions {
    let grants = buckets.iter().fold(Grants::none(), |grants, bucket| grants.bucket(*bucket, Access::Write));
    PluginOptions::new(grants)
}

pub(crate) fn guest_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest")
}

pub(crate) fn component_path(guest: &str) -> PathBuf {
    guest_folder().join("target/components").join(guest).with_extension("wasm")
}

pub(crate) fn component(guest: &str) -> Vec<u8> {
    let path = component_path(guest);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask guests`", path.display()))
}
