//! One installed plugin.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use mantis_db::{Database, Grants};
use mantis_pool::{Config as PoolConfig, Pool};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use super::history::History;
use super::info::{PluginInfo, PluginSource, PluginState, hexadecimal};
use crate::component::{self, Exports, FunctionInfo, Hash, Imports, SkippedFunction};
use crate::engine::Ticks;
use crate::host_functions::{Context, linker_with_wasi};
use crate::instance::{Blueprint, WarmInstances, WarmPlaces};
use crate::limits::Limits;
use crate::stats::Counters;
use crate::text::shortened;
use crate::{Error, PluginOptions};

/// A plugin with everything that a call needs, looked up once.
pub(crate) struct Plugin {
    /// Unique among the plugins of the host, also among those of the same name.
    pub(crate) number: u64,
    pub(crate) blueprint: Arc<Blueprint>,
    pub(crate) grants: Arc<Grants>,
    pub(crate) functions: Arc<[FunctionInfo]>,
    pub(crate) by_name: HashMap<String, usize>,
    /// The names of the functions, for their log lines.
    pub(crate) names: Vec<Arc<str>>,
    pub(crate) histories: Vec<History>,
    pub(crate) own_transactions: bool,
    pub(crate) warm: Option<Pool<WarmInstances>>,
    pub(crate) counters: Arc<Counters>,
    skipped: Arc<[SkippedFunction]>,
    imports: Vec<String>,
    component_bytes: usize,
    pub(crate) hash: Hash,
    /// Bytes of memory of its compiled code.
    pub(crate) code_bytes: usize,
}

/// The parts that all plugins of a host share.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<Context>,
    pub(crate) database: Database,
    pub(crate) ticks: Ticks,
    pub(crate) warm_places: Arc<WarmPlaces>,
    pub(crate) warm_instances_max: usize,
    pub(crate) instance_idle_timeout: Duration,
}

/// A plugin before it is installed.
pub(crate) struct Source {
    pub(crate) number: u64,
    pub(crate) name: Arc<str>,
    pub(crate) component: Component,
    pub(crate) hash: Hash,
    pub(crate) component_bytes: usize,
    pub(crate) options: PluginOptions,
    pub(crate) limits: Limits,
}

impl Plugin {
    /// Checks that a component can run here, and looks up what calls need.
    pub(crate) fn new(source: Source, shared: &Shared) -> Result<Self, Error> {
        let Source { number, name, component, hash, component_bytes, options, limits } = source;
        let imports = Imports::read(&component, &shared.engine)?;
        component::check_requirements(&component, &limits)?;
        let pre = if imports.has_wasi() {
            linker_with_wasi(&shared.linker, &component)?.instantiate_pre(&component)
        } else {
            shared.linker.instantiate_pre(&component)
        };
        let pre = pre.map_err(|error| Error::ImportMismatch(shortened(&format!("{error:#}"))))?;
        let exports = Exports::read(&component, &shared.engine)?;
        let own_transactions = imports.has_transactions();
        let has_result = exports.functions.iter().map(|info| info.result.is_some() || info.error.is_some()).collect();
        let blueprint = Arc::new(Blueprint {
            name,
            database: shared.database.clone(),
            pre,
            queries: Arc::default(),
            limits,
            ticks: shared.ticks.clone(),
            exports: exports.places,
            has_result,
        });
        let counters = Arc::default();
        let warm = options.reuse.then(|| warm_pool(&blueprint, &counters, shared)).transpose()?;
        Ok(Self {
            number,
            by_name: exports.functions.iter().enumerate().map(|(place, info)| (info.name.clone(), place)).collect(),
            names: exports.functions.iter().map(|info| info.name.as_str().into()).collect(),
            histories: exports.functions.iter().map(|_| History::default()).collect(),
            functions: exports.functions.into(),
            skipped: exports.skipped.into(),
            grants: Arc::new(options.grants),
            hash,
            code_bytes: component::code_bytes(&component),
            counters,
            blueprint,
            own_transactions,
            warm,
            imports: imports.into_names(),
            component_bytes,
        })
    }

    pub(crate) fn info(&self) -> PluginInfo {
        let mut statistics = self.counters.read();
        statistics.instances_warm = self.warm.as_ref().map_or(0, |pool| pool.stats().idle as u64);
        PluginInfo {
            name: self.blueprint.name.to_string(),
            component_bytes: self.component_bytes,
            sha256: hexadecimal(&self.hash),
            imports: self.imports.clone(),
            functions: Arc::clone(&self.functions),
            skipped: Arc::clone(&self.skipped),
            own_transactions: self.own_transactions,
            grants: (*self.grants).clone(),
            limits: self.blueprint.limits.shown(),
            reuse: self.warm.is_some(),
            statistics,
            state: PluginState::Ready,
            source: PluginSource::Program,
            kept: None,
        }
    }
}

fn warm_pool(
    blueprint: &Arc<Blueprint>,
    counters: &Arc<Counters>,
    shared: &Shared,
) -> Result<Pool<WarmInstances>, Error> {
    let manager = WarmInstances::new(Arc::clone(blueprint), Arc::clone(&shared.warm_places), Arc::clone(counters));
    // No timeouts and no checks: making an instance never waits, and an idle one does not fail.
    let config = PoolConfig {
        min_idle: 0,
        max: shared.warm_instances_max.max(1),
        idle_timeout: Some(shared.instance_idle_timeout),
        create_timeout: None,
        recycle_timeout: None,
        validate_after_idle: None,
        health_check_interval: None,
        ..PoolConfig::default()
    };
    Pool::new(manager, config).map_err(|error| Error::Engine(format!("cannot keep instances: {error}")))
}
