//! Where a run takes place: on the caller's thread while the function has proved quick, else on a guest thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::oneshot;
use wasmtime::component::Val;

use super::session::{Call, Session};
use crate::CallError;
use crate::engine::{Ticker, clock};
use crate::host_functions::{Caller, Stop, Until};
use crate::instance::{Finished, GuestInstance, Outcome};
use crate::plugin::Plugin;

/// The time after its deadline at which a call is answered although its run has not ended: a host function may still be at work.
const GRACE: Duration = Duration::from_millis(50);

impl Call<'_> {
    /// Runs the function on this thread while it has proved quick. Runs it on a guest thread if it has not, or if this run is not
    /// quick after all.
    ///
    /// A run that reached a limit in a reused instance, to which earlier runs may have added, is run again in a new one: what one
    /// call leaves behind is no other call's fault.
    pub(super) async fn run_where_it_fits(&self, session: Session) -> Result<(Finished, Option<Session>), CallError> {
        let (finished, session) = self.run_once(session, true).await?;
        if !finished.is_worn_out {
            return Ok((finished, session));
        }
        self.plugin.counters.worn_out_retried.add(1);
        let session = self.begin_anew(session).await?;
        self.run_once(session, false).await
    }

    async fn run_once(&self, session: Session, reuse: bool) -> Result<(Finished, Option<Session>), CallError> {
        let history = &self.plugin.histories[self.function];
        // The commits of a plugin with transactions of its own cannot be undone, so its run cannot start again elsewhere.
        let mut finished = if history.is_quick() && !self.plugin.own_transactions {
            match self.run_inline(session, reuse).await? {
                Ok(finished) => finished,
                Err(session) => self.run_on_thread(session, reuse).await?,
            }
        } else {
            self.run_on_thread(session, reuse).await?
        };
        let session = finished.session.take();
        Ok((finished, session))
    }

    /// Gives the session back, in a new transaction, when the slice was too short.
    async fn run_inline(&self, session: Session, reuse: bool) -> Result<Result<Finished, Session>, CallError> {
        self.plugin.counters.inline_runs.add(1);
        let slice_end = Some(clock::thread_cpu() + self.executor.inline_slice);
        let until = Until { at: self.deadline, slice_end, abandoned: self.abandoned() };
        let finished = run(
            &self.executor.ticker,
            self.plugin,
            self.function,
            &self.arguments,
            session,
            until,
            self.caller.clone(),
            reuse,
        );
        if !matches!(finished.outcome, Outcome::Stopped(Stop::Slice)) {
            return Ok(Ok(finished));
        }
        self.plugin.histories[self.function].note_overrun();
        self.plugin.counters.inline_interrupted.add(1);
        self.begin_anew(finished.session).await.map(Err)
    }

    /// Undoes what a run wrote, and begins another attempt's transaction.
    async fn begin_anew(&self, session: Option<Session>) -> Result<Session, CallError> {
        let mut session = if let Some(session) = session {
            session
        } else {
            let mut session = self.session().await?;
            session.set_grants(Arc::clone(&self.plugin.grants));
            session
        };
        let retry = session.restart();
        self.begin(session, retry).await
    }

    async fn run_on_thread(&self, session: Session, reuse: bool) -> Result<Finished, CallError> {
        let (reply, answer) = oneshot::channel();
        let (plugin, ticker) = (Arc::clone(self.plugin), Arc::clone(&self.executor.ticker));
        let (function, arguments, caller) = (self.function, Arc::clone(&self.arguments), self.caller.clone());
        let until = Until { at: self.deadline, slice_end: None, abandoned: self.abandoned() };
        let submitted = self.executor.threads.submit(self.plugin.number, move || {
            if until.abandoned.load(Ordering::Relaxed) {
                return;
            }
            plugin.counters.thread_runs.add(1);
            let finished = run(&ticker, &plugin, function, &arguments, session, until, caller, reuse);
            // Before the reply: a caller that then removes the plugin has its instances gone at once.
            drop(plugin);
            // If the caller has gone away, the session goes with the reply.
            let _ = reply.send(finished);
        });
        if !submitted {
            return Err(CallError::Busy("the queue for guest threads is full"));
        }
        match tokio::time::timeout_at((self.deadline + GRACE).into(), answer).await {
            Ok(Ok(finished)) => Ok(finished),
            Ok(Err(_)) => Err(CallError::Trap { reason: "the host failed to run it".into() }),
            Err(_) => Err(self.deadline_reached()),
        }
    }
}

/// Runs a function on this thread, in a warm instance if there is one and `reuse` allows it.
#[allow(clippy::too_many_arguments, reason = "the parts of a run, which two threads hand over")]
fn run(
    ticker: &Ticker,
    plugin: &Arc<Plugin>,
    function: usize,
    arguments: &[Val],
    session: Session,
    until: Until,
    caller: Caller,
    reuse: bool,
) -> Finished {
    let _awake = ticker.keep_awake();
    let begun = clock::thread_used();
    let blueprint = &plugin.blueprint;
    let warm = plugin.warm.as_ref().filter(|_| reuse).and_then(|pool| pool.try_acquire().ok().flatten());
    let finished = match warm {
        Some(mut warm) => warm.instance.run(blueprint, function, arguments, session, until, caller),
        None => GuestInstance::new(blueprint).run(blueprint, function, arguments, session, until, caller),
    };
    if !matches!(finished.outcome, Outcome::Stopped(_)) {
        plugin.histories[function].note(clock::thread_used().saturating_sub(begun));
    }
    finished
}
