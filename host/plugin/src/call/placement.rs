//! Where a run takes place: on the caller's thread while the function has proved quick, else on a guest thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::oneshot;
use wasmtime::component::Val;

use super::session::{Call, Session};
use crate::CallError;
use crate::engine::{Ticker, clock};
use crate::host_functions::{Stop, Until};
use crate::instance::{Finished, GuestInstance, Outcome};
use crate::plugin::Plugin;

/// The time after its deadline at which a call is answered although its run has not ended: a host function may still be at work.
const GRACE: Duration = Duration::from_millis(50);

impl Call<'_> {
    /// Runs the function on this thread while it has proved quick. Runs it on a guest thread if it has not, or if this run is not
    /// quick after all.
    pub(super) async fn run_where_it_fits(&self, session: Session) -> Result<(Finished, Option<Session>), CallError> {
        let history = &self.plugin.histories[self.function];
        // The commits of a plugin with transactions of its own cannot be undone, so its run cannot start again elsewhere.
        let mut finished = if history.is_quick() && !self.plugin.own_transactions {
            match self.run_inline(session).await? {
                Ok(finished) => finished,
                Err(session) => self.run_on_thread(session).await?,
            }
        } else {
            self.run_on_thread(session).await?
        };
        let session = finished.session.take();
        Ok((finished, session))
    }

    /// Gives the session back, in a new transaction, when the slice was too short.
    async fn run_inline(&self, session: Session) -> Result<Result<Finished, Session>, CallError> {
        self.plugin.counters.inline_runs.add(1);
        let slice_end = clock::now() + self.executor.inline_slice;
        let (at, reason) =
            if slice_end < self.deadline { (slice_end, Stop::Slice) } else { (self.deadline, Stop::Deadline) };
        let until = Until { at, reason, abandoned: self.abandoned() };
        let finished = run(&self.executor.ticker, self.plugin, self.function, &self.arguments, session, until);
        if !matches!(finished.outcome, Outcome::Stopped(Stop::Slice)) {
            return Ok(Ok(finished));
        }
        self.plugin.histories[self.function].note_overrun();
        self.plugin.counters.inline_interrupted.add(1);
        let mut session = match finished.session {
            Some(session) => session,
            None => self.session().await?,
        };
        let retry = session.restart();
        self.begin(session, retry).await.map(Err)
    }

    async fn run_on_thread(&self, session: Session) -> Result<Finished, CallError> {
        let (reply, answer) = oneshot::channel();
        let (plugin, ticker) = (Arc::clone(self.plugin), Arc::clone(&self.executor.ticker));
        let (function, arguments) = (self.function, Arc::clone(&self.arguments));
        let until = Until { at: self.deadline, reason: Stop::Deadline, abandoned: self.abandoned() };
        let submitted = self.executor.threads.submit(self.plugin.number, move || {
            if until.abandoned.load(Ordering::Relaxed) {
                return;
            }
            plugin.counters.thread_runs.add(1);
            let finished = run(&ticker, &plugin, function, &arguments, session, until);
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

/// Runs a function on this thread, in a warm instance if there is one.
fn run(
    ticker: &Ticker,
    plugin: &Arc<Plugin>,
    function: usize,
    arguments: &[Val],
    session: Session,
    until: Until,
) -> Finished {
    let _awake = ticker.keep_awake();
    let begun = clock::now();
    let blueprint = &plugin.blueprint;
    let warm = plugin.warm.as_ref().and_then(|pool| pool.try_acquire().ok().flatten());
    let finished = match warm {
        Some(mut warm) => warm.instance.run(blueprint, function, arguments, session, until),
        None => GuestInstance::new(blueprint).run(blueprint, function, arguments, session, until),
    };
    if !matches!(finished.outcome, Outcome::Stopped(_)) {
        plugin.histories[function].note(clock::now().saturating_duration_since(begun));
    }
    finished
}
