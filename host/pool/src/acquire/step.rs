//! A step of the manager (create, recycle, validate), run within its time.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    runtime::Handle,
    time::{Sleep, sleep},
};

use crate::{Error, Manager, Step, state::shared::Shared};

/// Whether a caller waits for what is not there at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    Wait,
    /// Nothing is awaited: a future that would suspend is ready, with word of that.
    Never,
}

/// An error inside the pool: boxed, so that the results handed up on the fast path fit registers.
pub(crate) type Failure<M> = Box<Error<<M as Manager>::Error>>;

/// How far a step got.
pub(crate) enum Ran<T> {
    Done(T),
    /// The caller does not wait, and the step suspended the last time.
    NotStarted,
    /// The caller does not wait, and the step suspended.
    CutShort,
}

/// Runs `future`, the manager's part of `step`. It is polled in place first: one that is ready costs neither a timer
/// nor a look at the clock.
pub(crate) fn run_step<'a, M: Manager, F: Future>(
    shared: &'a Shared<M>,
    step: Step,
    patience: Patience,
    future: Pin<&'a mut F>,
) -> RunStep<'a, M, F> {
    RunStep { shared, step, patience, future, has_suspended: false, alarm: None }
}

/// The future of [`run_step`].
pub(crate) struct RunStep<'a, M: Manager, F> {
    shared: &'a Shared<M>,
    step: Step,
    patience: Patience,
    future: Pin<&'a mut F>,
    has_suspended: bool,
    /// Made when the step suspends for the first time.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl<M: Manager, F: Future> Future for RunStep<'_, M, F> {
    type Output = Result<Ran<F::Output>, Failure<M>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.patience == Patience::Never && self.shared.is_known_to_suspend(self.step) {
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
    /// Ready when there is no more time: with an error, or with `None` if the caller never had any.
    #[cold]
    fn poll_suspended(&mut self, cx: &mut Context<'_>) -> Poll<Option<Failure<M>>> {
        let (shared, step) = (self.shared, self.step);
        if !self.has_suspended {
            self.has_suspended = true;
            shared.note_suspension(step);
        }
        if self.patience == Patience::Never {
            return Poll::Ready(None);
        }
        let Some(limit) = shared.config.step_timeout(step) else { return Poll::Pending };
        let alarm = match &mut self.alarm {
            Some(alarm) => alarm,
            None if Handle::try_current().is_err() => return Poll::Ready(Some(Box::new(Error::NoRuntime { step }))),
            none => none.insert(Box::pin(sleep(limit))),
        };
        ready!(alarm.as_mut().poll(cx));
        shared.with_core(|locked| locked.core.counters.count_timeout(step));
        Poll::Ready(Some(Box::new(Error::Timeout { step, limit, last_failure: None })))
    }
}
