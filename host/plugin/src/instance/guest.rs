//! One instance, and what it is made from.

use std::sync::Arc;

use mantis_db::tables::QueryTexts;
use mantis_db::{Database, SessionManager};
use mantis_pool::Object;
use wasmtime::component::{ComponentExportIndex, Func, Instance, InstancePre, Val};
use wasmtime::{AsContextMut, Store};

use super::outcome::{self, Finished, Outcome};
use crate::engine::Ticks;
use crate::host_functions::{Caller, Context, Until};
use crate::limits::Limits;

/// The parts that instances of one plugin are made from.
pub(crate) struct Blueprint {
    pub(crate) name: Arc<str>,
    pub(crate) database: Database,
    pub(crate) pre: InstancePre<Context>,
    /// Its queries on tables, parsed once for all instances.
    pub(crate) queries: Arc<QueryTexts>,
    pub(crate) limits: Limits,
    pub(crate) ticks: Ticks,
    /// The places of the functions in the component, in the order of the plugin's list.
    pub(crate) exports: Vec<ComponentExportIndex>,
    /// Whether each function returns something.
    pub(crate) has_result: Vec<bool>,
}

/// One instance with its memory. It is instantiated by its first run, under that run's deadline: instantiating may run guest code.
pub(crate) struct GuestInstance {
    store: Store<Context>,
    instance: Option<Instance>,
    functions: Vec<Option<Func>>,
    /// It was stopped or it trapped: its memory may be in any state.
    spoilt: bool,
    /// It has served a run to its end.
    used: bool,
}

impl GuestInstance {
    pub(crate) fn new(blueprint: &Blueprint) -> Self {
        let context = Context::new(
            Arc::clone(&blueprint.name),
            blueprint.database.clone(),
            Arc::clone(&blueprint.queries),
            blueprint.limits,
            blueprint.ticks.clone(),
        );
        let mut store = Store::new(blueprint.pre.engine(), context);
        store.limiter(|context| context);
        store.epoch_deadline_callback(|store| store.data().on_epoch());
        store.set_hostcall_fuel(blueprint.limits.value_bytes_max);
        Self { store, instance: None, functions: vec![None; blueprint.exports.len()], spoilt: false, used: false }
    }

    /// Runs one function.
    pub(crate) fn run(
        &mut self,
        blueprint: &Blueprint,
        function: usize,
        arguments: &[Val],
        session: Object<SessionManager>,
        until: Until,
        caller: Caller,
    ) -> Finished {
        self.store.data_mut().begin(session, until, caller);
        self.store.set_epoch_deadline(1);
        // Spoilt until it has returned: also if the host panics in between.
        self.spoilt = true;
        let outcome = match self.call(blueprint, function, arguments) {
            Ok(returned) => {
                self.spoilt = false;
                Outcome::Returned(returned)
            }
            Err(error) => match outcome::failure(&error, self.store.data()) {
                Ok(error) => Outcome::Failed(error),
                Err(stop) => Outcome::Stopped(stop),
            },
        };
        let context = self.store.data_mut();
        context.end_output(matches!(outcome, Outcome::Failed(_)));
        context.log.report_dropped(context.origin());
        let (conflict_seen, log_lines_dropped) = (context.conflict_seen, context.log.dropped());
        let limit_reached = context.handles_refused || context.memory_refused;
        let is_worn_out = self.used && limit_reached && !context.committed;
        self.used = true;
        Finished { outcome, session: context.end(), conflict_seen, is_worn_out, log_lines_dropped }
    }

    pub(super) fn is_spoilt(&self) -> bool {
        self.spoilt
    }

    /// Whether the next run would begin with less than it would in a new instance.
    pub(super) fn has_leftovers(&self) -> bool {
        self.store.data().has_leftovers()
    }

    fn call(&mut self, blueprint: &Blueprint, function: usize, arguments: &[Val]) -> wasmtime::Result<Option<Val>> {
        let function_place = self.function(blueprint, function)?;
        if blueprint.has_result[function] {
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
        let instance = if let Some(instance) = self.instance {
            instance
        } else {
            let instance = blueprint.pre.instantiate(&mut self.store)?;
            self.store.data_mut().note_instantiated();
            *self.instance.insert(instance)
        };
        let found = instance.get_func(&mut self.store, blueprint.exports[function]);
        let found = found.ok_or_else(|| wasmtime::Error::msg("the component lost one of its exports"))?;
        self.functions[function] = Some(found);
        Ok(found)
    }
}
