//! One call: its transaction, where it runs, and how often.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mantis_db::{Committed, Database, Isolation, Kind, Retry, SessionManager};
use mantis_pool::Object;
use serde_json::Value;
use tokio::sync::oneshot;
use wasmtime::component::Val;

use crate::engine::{Ticker, clock};
use crate::host::Inner;
use crate::host_functions::{Stop, Until};
use crate::instance::{Finished, GuestInstance, Outcome};
use crate::json;
use crate::plugin::Plugin;
use crate::{CallError, FunctionInfo, PluginHost};

/// How long after its deadline a call is answered although its run has not ended: a host function may still be at work.
const GRACE: Duration = Duration::from_millis(50);
/// The longest first pause before a call that lost against another commit is run again. It doubles with each loss.
const BACKOFF_US: u64 = 100;

/// What a call came to that did not fail.
#[derive(Debug, Clone, PartialEq)]
pub struct Called {
    /// What the function returned, as JSON; null for nothing.
    pub value: Value,
    /// The call's commit; the newest one that was seen where it wrote nothing, 0 before there is any.
    ///
    /// A plugin that runs its own transactions learns of each of their commits itself. This is the newest of all commits when it
    /// returned: all of its own are at or before it, and durable when this one is.
    pub committed: Committed,
}

/// One call under way.
struct Call<'h> {
    host: &'h Arc<Inner>,
    plugin: &'h Arc<Plugin>,
    function: usize,
    arguments: Arc<[Val]>,
    deadline: Instant,
    /// Set when the caller goes away.
    abandoned: Abandoned,
}

/// What one attempt came to.
enum Attempt {
    Done(Called),
    /// Another commit came first. With what was lost, where the host noticed and not the guest.
    Lost(Option<Retry>),
}

type Session = Object<SessionManager>;

impl PluginHost {
    pub(crate) async fn call_plugin(
        &self,
        plugin: &Arc<Plugin>,
        function: &str,
        arguments: Value,
    ) -> Result<Called, CallError> {
        let begun = clock::now();
        let _active = Active::new(&self.0.calls_active);
        let place = *plugin.by_name.get(function).ok_or_else(|| CallError::FunctionNotFound(function.into()))?;
        let mut noted = Noted { plugin, begun, ended: false };
        let limits = &plugin.blueprint.limits;
        let outcome = match json::arguments(&plugin.functions[place].params, arguments, limits.value_bytes_max) {
            Err(bad) => Err(CallError::ArgumentsInvalid { place: bad.place, reason: bad.reason }),
            Ok(arguments) => {
                let call = Call {
                    host: &self.0,
                    plugin,
                    function: place,
                    arguments: arguments.into(),
                    deadline: begun + Duration::from_millis(limits.call_deadline_ms),
                    abandoned: Abandoned::default(),
                };
                call.run().await
            }
        };
        noted.end(&outcome);
        outcome
    }
}

impl Call<'_> {
    /// Runs the call until it counts.
    async fn run(&self) -> Result<Called, CallError> {
        let attempts_max = self.host.config.conflict_retries_max.saturating_add(1);
        let mut loss = None;
        for attempt in 1..=attempts_max {
            match self.attempt(loss.take()).await? {
                Attempt::Done(called) => return Ok(called),
                Attempt::Lost(lost) => loss = lost,
            }
            if attempt < attempts_max {
                self.plugin.counters.conflicts_retried.add(1);
                // Who has what to queue with gets a turn in the end; a pause is for who has not.
                if loss.is_none() {
                    let pause = backoff(&self.plugin.blueprint.database, attempt);
                    tokio::time::sleep(pause).await;
                }
            }
        }
        Err(CallError::Conflict { attempts: attempts_max })
    }

    async fn attempt(&self, mut loss: Option<Retry>) -> Result<Attempt, CallError> {
        if let Some(lost) = loss.take() {
            // Who waits for a turn holds no session.
            let turn = self.plugin.blueprint.database.wait_for_turn(lost);
            let turn = tokio::time::timeout_at(self.deadline.into(), turn).await;
            loss = Some(turn.map_err(|_| self.deadline_reached())?);
        }
        let mut session = self.session().await?;
        session.set_grants(Arc::clone(&self.plugin.grants));
        let session = self.begin(session, loss).await?;
        let (finished, session) = self.run_where_it_fits(session).await?;
        self.plugin.counters.log_lines_dropped.add(finished.log_lines_dropped);
        let returned = match finished.outcome {
            Outcome::Returned(returned) => returned,
            Outcome::Failed(error) => return Err(error),
            Outcome::Stopped(_) => return Err(self.deadline_reached()),
        };
        let info = &self.plugin.functions[self.function];
        let lost = finished.conflict_seen || says_conflict(info, returned.as_ref());
        match answer(info, returned) {
            // What it had lost before counts on.
            Err(_) if lost && !self.plugin.own_transactions => {
                Ok(Attempt::Lost(session.and_then(|mut session| session.restart())))
            }
            Err(error) => Err(CallError::Plugin(error)),
            Ok(value) if self.plugin.own_transactions => {
                Ok(Attempt::Done(Called { value, committed: newest(&self.plugin.blueprint.database) }))
            }
            Ok(value) => self.commit(session, value).await,
        }
    }

    async fn session(&self) -> Result<Session, CallError> {
        if let Ok(Some(session)) = self.host.sessions.try_acquire() {
            return Ok(session);
        }
        let acquired = tokio::time::timeout_at(self.deadline.into(), self.host.sessions.acquire()).await;
        let acquired = acquired.map_err(|_| self.deadline_reached())?;
        acquired.map_err(|_| CallError::Busy("no session came free"))
    }

    async fn commit(&self, session: Option<Session>, value: Value) -> Result<Attempt, CallError> {
        let Some(mut session) = session else {
            return Err(CallError::Trap { reason: "the call lost its session".into() });
        };
        match session.commit().await {
            Ok(committed) => Ok(Attempt::Done(Called { value, committed })),
            Err(error) if error.kind() == Kind::Conflict => Ok(Attempt::Lost(session.take_retry())),
            Err(error) => Err(CallError::Db(error)),
        }
    }

    /// Runs the function on this thread while it has proved quick, else, or when it was not quick after all, on a guest thread.
    async fn run_where_it_fits(&self, session: Session) -> Result<(Finished, Option<Session>), CallError> {
        let history = &self.plugin.histories[self.function];
        // What a plugin commits on its own cannot be undone, so it cannot be run again elsewhere.
        let run = if history.is_quick() && !self.plugin.own_transactions {
            match self.run_inline(session).await? {
                Ok(finished) => finished,
                Err(session) => self.run_on_thread(session).await?,
            }
        } else {
            self.run_on_thread(session).await?
        };
        let mut finished = run;
        let session = finished.session.take();
        Ok((finished, session))
    }

    /// Begins the call's transaction, in its turn if it has lost often.
    async fn begin(&self, mut session: Session, loss: Option<Retry>) -> Result<Session, CallError> {
        if self.plugin.own_transactions {
            return Ok(session);
        }
        let begun = match loss {
            None => session.begin(Isolation::Serializable).await,
            Some(loss) => {
                let begun = session.begin_again(Isolation::Serializable, loss);
                let begun = tokio::time::timeout_at(self.deadline.into(), begun).await;
                begun.map_err(|_| self.deadline_reached())?
            }
        };
        begun.map_err(CallError::Db)?;
        Ok(session)
    }

    /// Gives the session back, in a new transaction, when the slice was too short.
    async fn run_inline(&self, session: Session) -> Result<Result<Finished, Session>, CallError> {
        self.plugin.counters.inline_runs.add(1);
        let slice_end = clock::now() + Duration::from_millis(self.host.config.inline_slice_ms);
        let (at, reason) =
            if slice_end < self.deadline { (slice_end, Stop::Slice) } else { (self.deadline, Stop::Deadline) };
        let until = Until { at, reason, abandoned: self.abandoned.flag() };
        let finished = run(&self.host.ticker, self.plugin, self.function, &self.arguments, session, until);
        if !matches!(finished.outcome, Outcome::Stopped(Stop::Slice)) {
            return Ok(Ok(finished));
        }
        self.plugin.histories[self.function].note_overrun();
        self.plugin.counters.inline_interrupted.add(1);
        let mut session = match finished.session {
            Some(session) => session,
            None => self.session().await?,
        };
        let loss = session.restart();
        self.begin(session, loss).await.map(Err)
    }

    async fn run_on_thread(&self, session: Session) -> Result<Finished, CallError> {
        let (reply, answer) = oneshot::channel();
        let (plugin, ticker) = (Arc::clone(self.plugin), Arc::clone(&self.host.ticker));
        let (function, arguments) = (self.function, Arc::clone(&self.arguments));
        let until = Until { at: self.deadline, reason: Stop::Deadline, abandoned: self.abandoned.flag() };
        let submitted = self.host.threads.submit(self.plugin.number, move || {
            if until.abandoned.load(Ordering::Relaxed) {
                return;
            }
            plugin.counters.thread_runs.add(1);
            let finished = run(&ticker, &plugin, function, &arguments, session, until);
            // Before the caller hears of it: who then removes the plugin has its instances gone at once.
            drop(plugin);
            // Who went away in between lets go of the session with the reply.
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

    fn deadline_reached(&self) -> CallError {
        CallError::Deadline { deadline_ms: self.plugin.blueprint.limits.call_deadline_ms }
    }
}

/// Runs a function on this thread, in a warm instance where there is one.
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

/// The newest commit that can be seen.
fn newest(database: &Database) -> Committed {
    let version = database.version();
    Committed { version, durable: version > 0 && database.store().is_durable(version) }
}

/// The JSON of what a function returned, its own error as `Err`.
fn answer(info: &FunctionInfo, returned: Option<Val>) -> Result<Value, Value> {
    let plain = |value: Option<Box<Val>>, value_type: Option<&crate::ValueType>| match (value, value_type) {
        (Some(value), Some(value_type)) => json::to_json(*value, value_type),
        _ => Value::Null,
    };
    match (returned, &info.error) {
        (Some(Val::Result(Ok(value))), Some(_)) => Ok(plain(value, info.result.as_ref())),
        (Some(Val::Result(Err(value))), Some(error)) => Err(plain(value, error.as_ref())),
        (value, _) => Ok(plain(value.map(Box::new), info.result.as_ref())),
    }
}

/// Whether a function returned the error by which the database tells of a conflict.
fn says_conflict(info: &FunctionInfo, returned: Option<&Val>) -> bool {
    match returned {
        Some(Val::Result(Err(Some(error)))) => {
            matches!(&**error, Val::Variant(case, _) if case == "conflict") && info.tells_of_conflicts()
        }
        _ => false,
    }
}

/// A random pause, so that those who lost together do not meet again.
fn backoff(database: &Database, attempt: u32) -> Duration {
    let mut random = [0; 8];
    database.random(&mut random);
    let longest_us = BACKOFF_US << attempt.min(8);
    Duration::from_micros(u64::from_le_bytes(random) % longest_us)
}

/// Tells the run that its caller is gone.
#[derive(Default)]
struct Abandoned(Arc<AtomicBool>);

impl Abandoned {
    fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Counts a call while it is under way.
struct Active<'c>(&'c AtomicUsize);

impl<'c> Active<'c> {
    fn new(count: &'c AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Notes a call in the plugin's figures, also one whose caller goes away.
struct Noted<'p> {
    plugin: &'p Plugin,
    begun: Instant,
    ended: bool,
}

impl Noted<'_> {
    fn end(&mut self, outcome: &Result<Called, CallError>) {
        self.ended = true;
        let counters = &self.plugin.counters;
        match outcome {
            Ok(_) => {}
            Err(CallError::Deadline { .. }) => counters.deadlines.add(1),
            Err(CallError::Trap { .. }) => counters.traps.add(1),
            Err(CallError::Limit { .. }) => counters.limits.add(1),
            Err(CallError::Busy(_)) => counters.busy.add(1),
            Err(CallError::Conflict { .. }) => counters.conflicts.add(1),
            Err(_) => counters.errors.add(1),
        }
    }
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.plugin.counters.abandoned.add(1);
        }
        self.plugin.counters.note_call(clock::now().saturating_duration_since(self.begun));
    }
}
