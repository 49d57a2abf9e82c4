//! How a run of a function ends.

use mantis_db::SessionManager;
use mantis_pool::Object;
use wasmtime::component::Val;

use crate::host_functions::{Context, Stop};
use crate::{CallError, Limit};

/// How a run ended.
pub(crate) struct Finished {
    pub(crate) outcome: Outcome,
    pub(crate) session: Option<Object<SessionManager>>,
    /// Whether the guest got a conflict as an error.
    pub(crate) conflict_seen: bool,
    /// Whether a limit was reached to which earlier runs of the instance may have added, and nothing was committed: the run may do in
    /// a new instance.
    pub(crate) is_worn_out: bool,
    pub(crate) log_lines_dropped: u64,
}

pub(crate) enum Outcome {
    /// The function returned.
    Returned(Option<Val>),
    /// The guest was stopped from outside.
    Stopped(Stop),
    /// The guest failed.
    Failed(CallError),
}

/// The error of a run that the engine ended, or why the run was stopped.
pub(super) fn failure(error: &wasmtime::Error, context: &Context) -> Result<CallError, Stop> {
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return match stop {
            Stop::Limit(limit, reason) => Ok(CallError::Limit { limit: *limit, reason: reason.clone() }),
            Stop::Misuse(_) | Stop::Exit(_) => Ok(CallError::Trap { reason: stop.to_string() }),
            stop => Err(stop.clone()),
        };
    }
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return Ok(CallError::Busy("all instances are in use"));
    }
    let reason = error.root_cause().to_string();
    if context.memory_refused {
        let max = context.limits.memory_bytes_max;
        return Ok(CallError::Limit { limit: Limit::Memory, reason: format!("it wanted more than {max} bytes") });
    }
    if error.downcast_ref() == Some(&wasmtime::Trap::StackOverflow) {
        return Ok(CallError::Limit { limit: Limit::Stack, reason });
    }
    // The engine's error for this has no public type.
    if reason.contains("fuel allocated for hostcalls") {
        return Ok(CallError::Limit { limit: Limit::Value, reason: "a value that it handed over is too large".into() });
    }
    Ok(CallError::Trap { reason })
}
