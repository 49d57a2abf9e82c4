//! Instances of a plugin: made for one call, or kept warm in a pool.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mantis_db::{Database, SessionManager};
use mantis_pool::{Manager, Metrics, Object};
use wasmtime::component::{ComponentExportIndex, Func, Instance, InstancePre, Val};
use wasmtime::{AsContextMut, Store};

use crate::CallError;
use crate::engine::Ticks;
use crate::host_functions::{Context, Stop, Until, call_error};
use crate::limits::Limits;

/// What instances of one plugin are made from.
pub(crate) struct Blueprint {
    pub(crate) name: Arc<str>,
    pub(crate) database: Database,
    pub(crate) pre: InstancePre<Context>,
    pub(crate) limits: Limits,
    pub(crate) ticks: Ticks,
    /// The functions' places in the component, in the order of the plugin's list.
    pub(crate) exports: Vec<ComponentExportIndex>,
    /// Whether each answers something.
    pub(crate) answers: Vec<bool>,
    /// Host memory that values coming out of the plugin may take at once.
    pub(crate) fuel: usize,
}

/// One instance with its memory. It becomes real on its first run, under that run's deadline: instantiating may run guest code.
pub(crate) struct GuestInstance {
    store: Store<Context>,
    instance: Option<Instance>,
    functions: Vec<Option<Func>>,
    /// Stopped or trapped: its memory may be in any state.
    spoilt: bool,
}

/// How a run ended.
pub(crate) struct Finished {
    pub(crate) outcome: Outcome,
    pub(crate) session: Option<Object<SessionManager>>,
    /// Whether the guest was told of a conflict.
    pub(crate) conflict_seen: bool,
    pub(crate) log_lines_dropped: u64,
}

pub(crate) enum Outcome {
    /// What the function returned.
    Returned(Option<Val>),
    /// It was stopped from outside.
    Stopped(Stop),
    /// It failed.
    Failed(CallError),
}

impl GuestInstance {
    pub(crate) fn new(blueprint: &Blueprint) -> Self {
        let context = Context::new(
            Arc::clone(&blueprint.name),
            blueprint.database.clone(),
            blueprint.limits,
            blueprint.ticks.clone(),
        );
        let mut store = Store::new(blueprint.pre.engine(), context);
        store.limiter(|context| context);
        store.epoch_deadline_callback(|store| store.data().on_epoch());
        store.set_hostcall_fuel(blueprint.fuel);
        Self { store, instance: None, functions: vec![None; blueprint.exports.len()], spoilt: false }
    }

    /// Runs one function.
    pub(crate) fn run(
        &mut self,
        blueprint: &Blueprint,
        function: usize,
        arguments: &[Val],
        session: Object<SessionManager>,
        until: Until,
    ) -> Finished {
        self.store.data_mut().begin(session, until);
        self.store.set_epoch_deadline(1);
        // Spoilt until it has returned: also when the host panics in between.
        self.spoilt = true;
        let outcome = match self.call(blueprint, function, arguments) {
            Ok(returned) => {
                self.spoilt = false;
                Outcome::Returned(returned)
            }
            Err(error) => match call_error(&error, self.store.data()) {
                Ok(error) => Outcome::Failed(error),
                Err(stop) => Outcome::Stopped(stop),
            },
        };
        let context = self.store.data_mut();
        context.report_dropped_lines();
        let (conflict_seen, log_lines_dropped) = (context.conflict_seen, context.log.dropped);
        Finished { outcome, session: context.end(), conflict_seen, log_lines_dropped }
    }

    fn call(&mut self, blueprint: &Blueprint, function: usize, arguments: &[Val]) -> wasmtime::Result<Option<Val>> {
        let function_place = self.function(blueprint, function)?;
        if blueprint.answers[function] {
            let mut answer = [Val::Bool(false)];
            function_place.call(self.store.as_context_mut(), arguments, &mut answer)?;
            let [answer] = answer;
            Ok(Some(answer))
        } else {
            function_place.call(self.store.as_context_mut(), arguments, &mut [])?;
            Ok(None)
        }
    }

    fn function(&mut self, blueprint: &Blueprint, function: usize) -> wasmtime::Result<Func> {
        if let Some(found) = self.functions[function] {
            return Ok(found);
        }
        let instance = match self.instance {
            Some(instance) => instance,
            None => *self.instance.insert(blueprint.pre.instantiate(&mut self.store)?),
        };
        let found = instance.get_func(&mut self.store, blueprint.exports[function]);
        let found = found.ok_or_else(|| wasmtime::Error::msg("the component lost one of its exports"))?;
        self.functions[function] = Some(found);
        Ok(found)
    }
}

/// Makes instances for a plugin's pool of warm ones.
pub(crate) struct WarmInstances {
    blueprint: Arc<Blueprint>,
    places: Arc<WarmPlaces>,
}

/// An instance of a pool, and the place that it takes among the warm instances of all plugins.
pub(crate) struct WarmInstance {
    pub(crate) instance: GuestInstance,
    _place: WarmPlace,
}

/// How many instances all plugins together may keep, so that calls which need a fresh one find room.
pub(crate) struct WarmPlaces {
    taken: AtomicUsize,
    max: usize,
}

struct WarmPlace(Arc<WarmPlaces>);

/// Why a pool has no instance to give.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotWarm {
    #[error("other plugins keep as many instances as may be kept")]
    NoPlace,
    #[error("it was stopped or trapped")]
    Spoilt,
}

impl WarmPlaces {
    pub(crate) fn new(max: usize) -> Self {
        Self { taken: AtomicUsize::new(0), max }
    }

    fn take(self: &Arc<Self>) -> Option<WarmPlace> {
        let taken = self
            .taken
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |taken| (taken < self.max).then_some(taken + 1));
        taken.is_ok().then(|| WarmPlace(Arc::clone(self)))
    }
}

impl Drop for WarmPlace {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

impl WarmInstances {
    pub(crate) fn new(blueprint: Arc<Blueprint>, places: Arc<WarmPlaces>) -> Self {
        Self { blueprint, places }
    }
}

impl Manager for WarmInstances {
    type Object = WarmInstance;
    type Error = NotWarm;

    async fn create(&self) -> Result<WarmInstance, NotWarm> {
        let place = self.places.take().ok_or(NotWarm::NoPlace)?;
        Ok(WarmInstance { instance: GuestInstance::new(&self.blueprint), _place: place })
    }

    fn release(&self, warm: &mut WarmInstance, _: &Metrics) -> Result<(), NotWarm> {
        if warm.instance.spoilt { Err(NotWarm::Spoilt) } else { Ok(()) }
    }
}
