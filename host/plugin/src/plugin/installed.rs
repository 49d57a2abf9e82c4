//! One installed plugin.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use mantis_db::{Database, Grants};
use mantis_pool::{Config as PoolConfig, Pool};
use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, Linker};

use super::history::History;
use crate::component::{Hash, Reader};
use crate::engine::Ticks;
use crate::engine::{MEMORIES_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX};
use crate::host_functions::Context;
use crate::host_functions::bindings::{kv, system, transactions, types};
use crate::instance::{Blueprint, WarmInstances, WarmPlaces};
use crate::limits::{Limits, PAGE_BYTES};
use crate::stats::Counters;
use crate::{Error, FunctionInfo, PluginInfo, PluginOptions, SkippedFunction};

const PACKAGE: &str = "mantis:db/";
const TRANSACTIONS: &str = "mantis:db/transactions@";

/// A plugin with everything that a call needs, looked up once.
pub(crate) struct Plugin {
    /// Tells it from every other plugin of the host, also from one of the same name before or after it.
    pub(crate) number: u64,
    pub(crate) blueprint: Arc<Blueprint>,
    pub(crate) grants: Arc<Grants>,
    pub(crate) functions: Arc<[FunctionInfo]>,
    pub(crate) by_name: HashMap<String, usize>,
    pub(crate) histories: Vec<History>,
    pub(crate) own_transactions: bool,
    pub(crate) warm: Option<Pool<WarmInstances>>,
    pub(crate) counters: Arc<Counters>,
    skipped: Arc<[SkippedFunction]>,
    imports: Vec<String>,
    component_bytes: usize,
    sha256: String,
}

/// What all plugins of a host share.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<Context>,
    pub(crate) database: Database,
    pub(crate) ticks: Ticks,
    pub(crate) warm_places: Arc<WarmPlaces>,
    pub(crate) warm_instances_max: usize,
    pub(crate) instance_idle_timeout: Duration,
    pub(crate) fuel: usize,
}

/// The interfaces that plugins may import.
pub(crate) fn linker(engine: &Engine) -> Result<Linker<Context>, Error> {
    type Own = wasmtime::component::HasSelf<Context>;
    let mut linker = Linker::new(engine);
    let linked = types::add_to_linker::<_, Own>(&mut linker, |context| context)
        .and_then(|()| kv::add_to_linker::<_, Own>(&mut linker, |context| context))
        .and_then(|()| transactions::add_to_linker::<_, Own>(&mut linker, |context| context))
        .and_then(|()| system::add_to_linker::<_, Own>(&mut linker, |context| context));
    linked.map_err(|error| Error::Engine(format!("cannot offer the interfaces: {error:#}")))?;
    Ok(linker)
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
        let imports = imports(&component, &shared.engine)?;
        check_requirements(&component, &limits)?;
        let pre = shared.linker.instantiate_pre(&component);
        let pre = pre.map_err(|error| Error::ImportMismatch(shortened(&format!("{error:#}"))))?;
        let exports = exports(&component, &shared.engine)?;
        let own_transactions = imports.iter().any(|import| import.starts_with(TRANSACTIONS));
        let answers = exports.functions.iter().map(|info| info.result.is_some() || info.error.is_some()).collect();
        let blueprint = Arc::new(Blueprint {
            name,
            database: shared.database.clone(),
            pre,
            limits,
            ticks: shared.ticks.clone(),
            exports: exports.places,
            answers,
            fuel: shared.fuel,
        });
        let warm = options.reuse.then(|| warm_pool(&blueprint, shared)).transpose()?;
        Ok(Self {
            number,
            by_name: exports.functions.iter().enumerate().map(|(place, info)| (info.name.clone(), place)).collect(),
            histories: exports.functions.iter().map(|_| History::default()).collect(),
            functions: exports.functions.into(),
            skipped: exports.skipped.into(),
            grants: Arc::new(options.grants),
            sha256: hexadecimal(&hash),
            counters: Arc::default(),
            blueprint,
            own_transactions,
            warm,
            imports,
            component_bytes,
        })
    }

    pub(crate) fn info(&self) -> PluginInfo {
        let mut statistics = self.counters.read();
        statistics.instances_warm = self.warm.as_ref().map_or(0, |pool| pool.stats().idle as u64);
        PluginInfo {
            name: self.blueprint.name.to_string(),
            component_bytes: self.component_bytes,
            sha256: self.sha256.clone(),
            imports: self.imports.clone(),
            functions: Arc::clone(&self.functions),
            skipped: Arc::clone(&self.skipped),
            own_transactions: self.own_transactions,
            grants: (*self.grants).clone(),
            limits: self.blueprint.limits.shown(),
            reuse: self.warm.is_some(),
            statistics,
        }
    }
}

fn warm_pool(blueprint: &Arc<Blueprint>, shared: &Shared) -> Result<Pool<WarmInstances>, Error> {
    let manager = WarmInstances::new(Arc::clone(blueprint), Arc::clone(&shared.warm_places));
    // Neither timeouts nor checks: making an instance never waits, and an idle one does not go bad.
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

/// What a component imports, all of which must be on offer.
fn imports(component: &Component, engine: &Engine) -> Result<Vec<String>, Error> {
    let offered = ["kv", "system", "transactions", "types"];
    let component_type = component.component_type();
    let is_offered = |import: &str| {
        let interface = import.strip_prefix(PACKAGE).and_then(|rest| rest.split('@').next());
        interface.is_some_and(|interface| offered.contains(&interface))
    };
    let mut imports = component_type.imports(engine).map(|(name, item)| (name.to_owned(), item.ty)).collect::<Vec<_>>();
    // A plugin's own interface of types is an import that nobody has to provide.
    imports.retain(|(name, item)| is_offered(name) || !holds_only_types(item, engine));
    let imports: Vec<String> = imports.into_iter().map(|(name, _)| name).collect();
    match imports.iter().find(|import| !is_offered(import)) {
        None => Ok(imports),
        Some(import) => {
            let offered = offered.map(|interface| format!("{PACKAGE}{interface}@0.1.0")).join(", ");
            Err(Error::ImportUnknown { import: shortened(import), offered })
        }
    }
}

fn holds_only_types(item: &ComponentItem, engine: &Engine) -> bool {
    match item {
        ComponentItem::Type(_) => true,
        ComponentItem::ComponentInstance(instance) => {
            instance.exports(engine).all(|(_, item)| matches!(item.ty, ComponentItem::Type(_)))
        }
        _ => false,
    }
}

fn check_requirements(component: &Component, limits: &Limits) -> Result<(), Error> {
    let too_large = |reason: String| Err(Error::RequirementsTooLarge(reason));
    let Some(needed) = component.resources_required() else { return Ok(()) };
    if needed.num_memories > MEMORIES_MAX || needed.num_tables > TABLES_MAX {
        let (memories, tables) = (needed.num_memories, needed.num_tables);
        return too_large(format!("{memories} memories of {MEMORIES_MAX} and {tables} tables of {TABLES_MAX}"));
    }
    let memory = needed.max_initial_memory_size.unwrap_or(0).saturating_mul(PAGE_BYTES);
    let max = limits.memory_bytes_max;
    if memory > u64::try_from(max).unwrap_or(u64::MAX) {
        return too_large(format!("it begins with {memory} bytes of memory; memory_bytes_max is {max}"));
    }
    let elements = needed.max_initial_table_size.unwrap_or(0);
    if elements > TABLE_ELEMENTS_MAX as u64 {
        return too_large(format!("it begins with {elements} table elements; the limit is {TABLE_ELEMENTS_MAX}"));
    }
    Ok(())
}

/// Functions that a plugin may export.
const FUNCTIONS_MAX: usize = 1_000;

struct Exports {
    reader: Reader,
    functions: Vec<FunctionInfo>,
    places: Vec<ComponentExportIndex>,
    skipped: Vec<SkippedFunction>,
}

fn exports(component: &Component, engine: &Engine) -> Result<Exports, Error> {
    let mut exports = Exports { reader: Reader::new(), functions: Vec::new(), places: Vec::new(), skipped: Vec::new() };
    let component_type = component.component_type();
    for (name, item) in component_type.exports(engine) {
        match item.ty {
            ComponentItem::ComponentFunc(function) => {
                exports.add(name.into(), &function, component.get_export_index(None, name))?;
            }
            ComponentItem::ComponentInstance(interface) => {
                let place = component.get_export_index(None, name);
                for (function_name, item) in interface.exports(engine) {
                    let ComponentItem::ComponentFunc(function) = item.ty else { continue };
                    let function_place = component.get_export_index(place.as_ref(), function_name);
                    exports.add(format!("{}.{function_name}", short_name(name)), &function, function_place)?;
                }
            }
            _ => {}
        }
    }
    if exports.functions.is_empty() {
        let reasons: Vec<_> =
            exports.skipped.iter().map(|skipped| format!("{}: {}", skipped.name, skipped.reason)).collect();
        let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join("; ")) };
        return Err(Error::NothingToCall(shortened(&reasons)));
    }
    Ok(exports)
}

impl Exports {
    fn add(
        &mut self,
        name: String,
        function: &wasmtime::component::types::ComponentFunc,
        place: Option<ComponentExportIndex>,
    ) -> Result<(), Error> {
        if self.functions.len() + self.skipped.len() >= FUNCTIONS_MAX {
            return Err(Error::RequirementsTooLarge(format!("it exports more than {FUNCTIONS_MAX} functions")));
        }
        let taken = self.functions.iter().any(|other| other.name == name);
        let read = if taken {
            Err("another interface has a function of this name".into())
        } else {
            FunctionInfo::read(name.clone(), function, &mut self.reader)
        };
        match (read, place) {
            (Ok(info), Some(place)) => {
                self.functions.push(info);
                self.places.push(place);
            }
            (Ok(_), None) => self.skipped.push(SkippedFunction { name, reason: "it cannot be found".into() }),
            (Err(reason), _) => self.skipped.push(SkippedFunction { name, reason }),
        }
        Ok(())
    }
}

/// Names in a component may be long; what is said about them need not be.
pub(crate) fn shortened(text: &str) -> String {
    const TEXT_BYTES_MAX: usize = 1_000;
    let cut = text.floor_char_boundary(TEXT_BYTES_MAX);
    if cut < text.len() { format!("{}…", &text[..cut]) } else { text.into() }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let digit = |half: u8| char::from_digit(half.into(), 16).unwrap_or_default();
        text.extend([digit(byte >> 4), digit(byte & 0xf)]);
        text
    })
}

/// `math` of `examples:tools/math@1.0.0`.
fn short_name(interface: &str) -> &str {
    let unversioned = interface.split('@').next().unwrap_or(interface);
    unversioned.rsplit('/').next().unwrap_or(unversioned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_is_known_by_its_last_name() {
        for (full, short) in [("examples:tools/math@1.0.0", "math"), ("examples:tools/math", "math"), ("math", "math")]
        {
            assert_eq!(short_name(full), short, "{full}");
        }
    }
}
