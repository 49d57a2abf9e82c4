//! A thread that waits for an outcome, a time, or a token.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::timer;
use super::token::{Token, canceled};
use crate::failure::Failure;

/// How a wait ended.
#[derive(Debug)]
pub(crate) enum Waited<T> {
    Done(T),
    TimeUp,
    Canceled,
}

/// Wakes a thread.
struct Signal {
    thread: Thread,
    is_woken: AtomicBool,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_woken.swap(true, Ordering::AcqRel) {
            self.thread.unpark();
        }
    }
}

/// The outcome of work that the embedded engine does without waiting.
///
/// # Errors
/// Never of an embedded engine: it would have to wait.
pub(crate) fn at_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Waits for an outcome for as long as it takes.
///
/// # Errors
/// The library's thread cannot be started.
pub(crate) fn wait<F: Future>(future: F) -> Result<F::Output, Failure> {
    match wait_until(future, None, None)? {
        Waited::Done(output) => Ok(output),
        Waited::TimeUp | Waited::Canceled => unreachable!("without a time and a token only the outcome ends a wait"),
    }
}

/// Waits for an outcome at most for so many milliseconds: negative for as long as it takes.
///
/// # Errors
/// As [`wait`].
pub(crate) fn wait_for<F: Future>(
    future: F,
    timeout_ms: i64,
    token: Option<&Token>,
) -> Result<Waited<F::Output>, Failure> {
    // A time that no clock reaches is none.
    let end = u64::try_from(timeout_ms).ok().and_then(|ms| now().checked_add(Duration::from_millis(ms)));
    wait_until(future, end, token)
}

fn wait_until<F: Future>(future: F, end: Option<Instant>, token: Option<&Token>) -> Result<Waited<F::Output>, Failure> {
    // What waits with a timer needs somebody who runs it.
    let _entered = timer::handle()?.enter();
    let mut future = pin!(future);
    // Most outcomes are there at once, and then nothing is allocated.
    if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        return Ok(Waited::Done(output));
    }
    let signal = Arc::new(Signal { thread: thread::current(), is_woken: AtomicBool::new(false) });
    let waker = Waker::from(Arc::clone(&signal));
    let mut context = Context::from_waker(&waker);
    let mut canceled = pin!(canceled(token));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Ok(Waited::Done(output));
        }
        if canceled.as_mut().poll(&mut context).is_ready() {
            return Ok(Waited::Canceled);
        }
        while !signal.is_woken.swap(false, Ordering::AcqRel) {
            let Some(end) = end else {
                thread::park();
                continue;
            };
            let left = end.saturating_duration_since(now());
            if left.is_zero() {
                return Ok(Waited::TimeUp);
            }
            thread::park_timeout(left);
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "a C program waits by the machine's clock")]
fn now() -> Instant {
    Instant::now()
}
