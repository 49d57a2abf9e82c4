//! One call under way, and the session that each of its attempts runs in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mantis_db::{Isolation, Retry, SessionManager};
use mantis_pool::Object;
use serde_json::Value;
use wasmtime::component::Val;

use super::executor::Executor;
use crate::CallError;
use crate::host_functions::Caller;
use crate::plugin::Plugin;

pub(super) type Session = Object<SessionManager>;

/// Whether the caller takes a result; otherwise its call is undone.
pub(crate) type Accepts<'a> = dyn Fn(&Value) -> bool + Send + Sync + 'a;

/// One call under way.
pub(super) struct Call<'e> {
    pub(super) executor: &'e Executor,
    pub(super) plugin: &'e Arc<Plugin>,
    /// The index of the function in the plugin's list.
    pub(super) function: usize,
    pub(super) arguments: Arc<[Val]>,
    pub(super) deadline: Instant,
    pub(super) caller: Caller,
    abandoned: Abandoned,
}

impl<'e> Call<'e> {
    pub(super) fn new(
        executor: &'e Executor,
        plugin: &'e Arc<Plugin>,
        function: usize,
        arguments: Arc<[Val]>,
        begun: Instant,
        caller: Caller,
    ) -> Self {
        let deadline = begun + Duration::from_millis(plugin.blueprint.limits.call_deadline_ms);
        Self { executor, plugin, function, arguments, deadline, caller, abandoned: Abandoned::default() }
    }

    /// Set when the caller goes away.
    pub(super) fn abandoned(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.abandoned.0)
    }

    pub(super) fn deadline_reached(&self) -> CallError {
        CallError::Deadline { deadline_ms: self.plugin.blueprint.limits.call_deadline_ms }
    }

    /// Takes a session from the pool, and waits for one until the deadline.
    pub(super) async fn session(&self) -> Result<Session, CallError> {
        let sessions = &self.executor.sessions;
        if let Ok(Some(session)) = sessions.try_acquire() {
            return Ok(session);
        }
        let acquired = tokio::time::timeout_at(self.deadline.into(), sessions.acquire()).await;
        let acquired = acquired.map_err(|_| self.deadline_reached())?;
        acquired.map_err(|_| CallError::Busy("no session came free"))
    }

    /// Begins the attempt's transaction, in its turn after losses. A plugin that runs its own transactions gets none.
    pub(super) async fn begin(&self, mut session: Session, retry: Option<Retry>) -> Result<Session, CallError> {
        if self.plugin.own_transactions {
            return Ok(session);
        }
        let begun = match retry {
            None => session.begin(Isolation::Serializable).await,
            Some(retry) => {
                let begun = session.begin_again(Isolation::Serializable, retry);
                let begun = tokio::time::timeout_at(self.deadline.into(), begun).await;
                begun.map_err(|_| self.deadline_reached())?
            }
        };
        begun.map_err(CallError::Db)?;
        Ok(session)
    }
}

/// Signals to the run that its caller has gone away.
#[derive(Default)]
struct Abandoned(Arc<AtomicBool>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
