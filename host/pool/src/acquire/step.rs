//! Runs a step of the manager (create, recycle, validate) under its timeout.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    runtime::Handle,
    time::{Sleep, sleep},
};

use crate::{Error, Manager, Step, errors::Failure, state::shared::Shared};

/// How long a caller waits for what is not ready at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeoutPolicy {
    /// As long as the config allows for each step.
    Configured,
    /// Not at all: a future that would suspend is dropped.
    NoWait,
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
    policy: TimeoutPolicy,
    future: Pin<&'a mut F>,
) -> RunStep<'a, M, F> {
    RunStep { shared, step, policy, future, has_suspended: false, alarm: None }
}

/// The future of [`run_step`].
pub(crate) struct RunStep<'a, M: Manager, F> {
    shared: &'a Shared<M>,
    step: Step,
    policy: TimeoutPolicy,
    future: Pin<&'a mut F>,
    has_suspended: bool,
    /// Made when the step suspends for the first time.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl<M: Manager, F: Future> Future for RunStep<'_, M, F> {
    type Output = Result<Ran<F::Output>, Failure<M>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.policy == TimeoutPolicy::NoWait && self.shared.is_known_to_suspend(self.step) {
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
        if self.policy == TimeoutPolicy::NoWait {
            return Poll::Ready(None);
        }
        let Some(limit) = shared.config.step_timeout(step) else { return Poll::Pending };
        let alarm = match &mut self.alarm {
            Some(alarm) => alarm,
            None if Handle::try_current().is_err() => return Poll::Ready(Some(Box::new(Error::NoRuntime { step }))),
            none => none.insert(Box::pin(sleep(limit))),
        };
        ready!(alarm.as_mut().poll(cx));
        shared.with_core(|core| core.counters.count_timeout(step));
        Poll::Ready(Some(Box::new(Error::Timeout { step, limit, last_failure: None })))
    }
}
