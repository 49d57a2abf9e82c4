//! Waits for an operation of the database on a guest's thread.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::error::Failed;

/// The outcome of an operation. Every operation is ready at the first poll, except a commit that must reach the disk first: the
/// thread waits for it, for a few milliseconds, because a guest's stack cannot be put aside.
pub(super) fn wait_for<T, E: Into<Failed>>(operation: impl Future<Output = Result<T, E>>) -> Result<T, Failed> {
    let mut operation = pin!(operation);
    if let Poll::Ready(outcome) = operation.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        return outcome.map_err(Into::into);
    }
    let thread = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match operation.as_mut().poll(&mut Context::from_waker(&thread)) {
            Poll::Ready(outcome) => return outcome.map_err(Into::into),
            Poll::Pending => std::thread::park(),
        }
    }
}

/// Wakes a thread that waits for a commit.
struct Unpark(std::thread::Thread);

impl std::task::Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
