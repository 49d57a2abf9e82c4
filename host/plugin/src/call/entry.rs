//! A call from its JSON arguments to its result, counted in the plugin's statistics.

use std::sync::Arc;
use std::time::Instant;

use super::answer::Called;
use super::executor::Executor;
use super::session::{Accepts, Call};
use crate::CallError;
use crate::engine::clock;
use crate::host_functions::Caller;
use crate::json::{self, Json};
use crate::plugin::Plugin;

impl Executor {
    /// Calls a function of a plugin.
    pub(crate) async fn call(
        &self,
        plugin: &Arc<Plugin>,
        function: &str,
        arguments: Json,
        request_id: Option<&str>,
        accepts: &Accepts<'_>,
    ) -> Result<Called, CallError> {
        let begun = clock::now();
        let _active = self.enter();
        let place = *plugin.by_name.get(function).ok_or_else(|| CallError::FunctionNotFound(function.into()))?;
        let mut counted = Counted { plugin, begun, ended: false };
        let bytes_max = plugin.blueprint.limits.value_bytes_max;
        let outcome = match json::arguments(&plugin.functions[place].params, arguments, bytes_max) {
            Err(bad) => Err(CallError::ArgumentsInvalid { place: bad.place, reason: bad.reason }),
            Ok(arguments) => {
                let name = Arc::clone(&plugin.names[place]);
                let caller = Caller { function: name, request_id: request_id.map(Arc::from) };
                Call::new(self, plugin, place, arguments.into(), begun, caller).run(accepts).await
            }
        };
        counted.end(&outcome);
        outcome
    }
}

/// Counts a call in the plugin's statistics, also one whose caller goes away.
struct Counted<'p> {
    plugin: &'p Plugin,
    begun: Instant,
    ended: bool,
}

impl Counted<'_> {
    fn end(&mut self, outcome: &Result<Called, CallError>) {
        self.ended = true;
        let counters = &self.plugin.counters;
        match outcome {
            Ok(_) | Err(CallError::Declined) => {}
            Err(CallError::Deadline { .. }) => counters.deadlines.add(1),
            Err(CallError::Trap { .. }) => counters.traps.add(1),
            Err(CallError::Limit { .. }) => counters.limits.add(1),
            Err(CallError::Busy(_)) => counters.busy.add(1),
            Err(CallError::Conflict { .. }) => counters.conflicts.add(1),
            Err(_) => counters.errors.add(1),
        }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.plugin.counters.abandoned.add(1);
        }
        self.plugin.counters.note_call(clock::now().saturating_duration_since(self.begun));
    }
}
