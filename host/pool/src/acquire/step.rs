//! Runs a step of the manager (create, recycle, validate) under the limits of time that hold for it.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    time::{Instant, Sleep, sleep_until},
};

use crate::{
    Config, Error, Manager, Step,
    errors::{Exceeded, Failure},
    state::shared::Shared,
};

/// How long a caller waits for what is not ready at once.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Patience {
    /// Each step as long as the config allows, and the whole no longer than its own limit.
    Limited(Limits),
    /// Not at all: a future that would suspend is dropped.
    NoWait,
}

/// The limits of one acquisition that no single step has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Counted from here.
    begin: Instant,
    /// For the acquisition as a whole.
    acquire: Option<Duration>,
    /// For its waits in the queue together.
    pub(crate) wait: Option<Duration>,
}

impl Limits {
    /// Those of the config, for an acquisition that begins now.
    pub(crate) fn configured(config: &Config, begin: Instant) -> Self {
        Self { begin, acquire: config.acquire_timeout, wait: config.wait_timeout }
    }

    /// One limit of the caller's in place of the config's two.
    pub(crate) fn of_call(limit: Duration, begin: Instant) -> Self {
        Self { begin, acquire: Some(limit), wait: None }
    }

    /// The end of the whole, and which limit sets it.
    pub(crate) fn end(&self) -> Option<(Instant, Exceeded)> {
        self.acquire.and_then(|limit| Some((self.begin.checked_add(limit)?, Exceeded::Acquire(limit))))
    }
}

impl Patience {
    /// Only the steps' own limits hold.
    pub(crate) fn of_steps() -> Self {
        Self::Limited(Limits { begin: Instant::now(), acquire: None, wait: None })
    }

    pub(crate) fn waits(&self) -> bool {
        matches!(self, Self::Limited(_))
    }

    fn end(&self) -> Option<(Instant, Exceeded)> {
        match self {
            Self::Limited(limits) => limits.end(),
            Self::NoWait => None,
        }
    }

    /// The error of an acquisition that is over its limit as a whole, if it is.
    #[cold]
    pub(crate) fn overdue<M: Manager>(&self, shared: &Shared<M>, during: Step) -> Option<Failure<M>> {
        let (_, exceeded) = self.end().filter(|(at, _)| *at <= Instant::now())?;
        Some(fail(exceeded, shared, during))
    }
}

/// Counts that a limit was exceeded, and makes the error.
#[allow(clippy::unnecessary_box_returns, reason = "errors are boxed throughout, see `Failure`")]
fn fail<M: Manager>(exceeded: Exceeded, shared: &Shared<M>, step: Step) -> Failure<M> {
    shared.with_core(|core| core.counters.count_timeout(step, exceeded));
    Box::new(exceeded.error(step, None))
}

/// How far a step got.
pub(crate) enum Ran<T> {
    Done(T),
    /// The caller does not wait, and the step suspended the last time.
    NotStarted,
    /// The caller does not wait, and the step suspended.
    CutShort,
}

/// Runs `future`, the manager's part of `step`. It is polled in place first: one that is ready costs neither a timer
/// nor a clock call.
pub(crate) fn run_step<'a, M: Manager, F: Future>(
    shared: &'a Shared<M>,
    step: Step,
    patience: &'a Patience,
    future: Pin<&'a mut F>,
) -> RunStep<'a, M, F> {
    RunStep { shared, step, patience, future, has_suspended: false, alarm: None }
}

/// The future of [`run_step`].
pub(crate) struct RunStep<'a, M: Manager, F> {
    shared: &'a Shared<M>,
    step: Step,
    patience: &'a Patience,
    future: Pin<&'a mut F>,
    has_suspended: bool,
    /// Made when the step suspends for the first time.
    alarm: Option<Alarm>,
}

impl<M: Manager, F: Future> Future for RunStep<'_, M, F> {
    type Output = Result<Ran<F::Output>, Failure<M>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.patience.waits() && self.shared.is_known_to_suspend(self.step) {
            return Poll::Ready(Ok(Ran::NotStarted));
        }
        match self.future.as_mut().poll(cx) {
            Poll::Ready(output) => {
                if !self.has_suspended {
                    self.shared.note_no_suspension(self.step);
                }
                Poll::Ready(Ok(Ran::Done(output)))
            }
            Poll::Pending => self.poll_suspended(cx).map(|stopped| match stopped {
                None => Ok(Ran::CutShort),
                Some(failure) => Err(failure),
            }),
        }
    }
}

impl<M: Manager, F> RunStep<'_, M, F> {
    /// Ready when the time is over: with an error, or with `None` if the caller does not wait.
    #[cold]
    fn poll_suspended(&mut self, cx: &mut Context<'_>) -> Poll<Option<Failure<M>>> {
        let (shared, step) = (self.shared, self.step);
        if !self.has_suspended {
            self.has_suspended = true;
            shared.note_suspension(step);
        }
        if !self.patience.waits() {
            return Poll::Ready(None);
        }
        let patience = self.patience;
        let end = || {
            let limit = shared.config.step_timeout(step);
            let own = limit.and_then(|limit| Some((Instant::now().checked_add(limit)?, Exceeded::Step(limit))));
            Exceeded::first(own, patience.end())
        };
        poll_alarm(&mut self.alarm, shared, step, end, cx).map(Some)
    }
}

/// What ends a step that takes too long.
pub(crate) struct Alarm {
    sleep: Pin<Box<Sleep>>,
    exceeded: Exceeded,
}

/// Ready with the error when `end` is over, which is asked for once; never, if there is none.
pub(crate) fn poll_alarm<M: Manager>(
    alarm: &mut Option<Alarm>,
    shared: &Shared<M>,
    step: Step,
    end: impl FnOnce() -> Option<(Instant, Exceeded)>,
    cx: &mut Context<'_>,
) -> Poll<Failure<M>> {
    let alarm = match alarm {
        Some(alarm) => alarm,
        none => {
            let Some((at, exceeded)) = end() else { return Poll::Pending };
            if Handle::try_current().is_err() {
                return Poll::Ready(Box::new(Error::NoRuntime { step }));
            }
            none.insert(Alarm { sleep: Box::pin(sleep_until(at)), exceeded })
        }
    };
    ready!(alarm.sleep.as_mut().poll(cx));
    Poll::Ready(fail(alarm.exceeded, shared, step))
}
