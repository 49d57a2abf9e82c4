//! Waits for the outcome of a commit.

use std::sync::atomic::{Ordering, fence};
use std::task::Poll;

use crate::durability::Durable;
#[cfg(not(target_family = "wasm"))]
use crate::durability::is_log_thread;
use crate::engine::{Inner, Store};
use crate::types::{Durability, Error, Version};

impl Store {
    /// Waits until the commit `version` is as durable as the store's policy promises, and visible. Ready at once in memory.
    ///
    /// # Errors
    /// [`Error::DiskFull`] and, if nobody writes the log, `NoLogThread`: the commit did not happen.
    /// [`Error::StorageFailed`] and, for a commit of long ago, `ReasonForgotten`: it is not visible, and its outcome is unknown until
    /// the store is reopened.
    pub async fn settled(&self, version: Version) -> Result<(), Error> {
        self.0.settled(version, false).await
    }

    /// As [`settled`](Self::settled), for a transaction that has lost against the commit `version`: woken before the winner.
    ///
    /// # Errors
    /// As for [`settled`](Self::settled).
    pub async fn settled_rival(&self, version: Version) -> Result<(), Error> {
        self.0.settled(version, true).await
    }
}

impl Inner {
    /// The outcome of the commit `version`, as soon as it is known.
    pub(crate) async fn settled(&self, version: Version, has_lost: bool) -> Result<(), Error> {
        let Some(durable) = self.durable() else { return Ok(()) };
        let settled = if has_lost { &durable.lost } else { &durable.settled };
        let mut has_yielded = false;
        loop {
            if let Some(outcome) = durable.outcome(version, self.visible.load(Ordering::Acquire)) {
                return outcome;
            }
            let mut notified = std::pin::pin!(settled.notified());
            notified.as_mut().enable();
            fence(Ordering::SeqCst);
            if let Some(outcome) = durable.outcome(version, self.visible.load(Ordering::Acquire)) {
                return outcome;
            }
            #[cfg(not(target_family = "wasm"))]
            if durable.durability == Durability::Always && is_log_thread() && !has_yielded {
                // A commit of the owner's callback, which would wait for itself.
                self.write_and_sync(durable);
                has_yielded = true;
                continue;
            }
            if durable.durability == Durability::Always && !durable.is_driven() {
                if has_yielded {
                    return self.refuse_undriven(durable, version);
                }
                // A caller that polls by hand gets a chance to flush.
                has_yielded = true;
                yield_now().await;
                continue;
            }
            notified.await;
        }
    }

    /// The outcome of the commit `version` if nobody writes the log: it did not happen, nor did any other pending one.
    fn refuse_undriven(&self, durable: &Durable, version: Version) -> Result<(), Error> {
        // A child of the process that opened the store cannot write, and may have been made while another thread held the lock.
        if !durable.driver.is_in_child() {
            let _end = durable.log.lock();
            // The previous holder of the log may have written it.
            if !durable.is_driven() && durable.outcome(version, self.visible.load(Ordering::Acquire)).is_none() {
                self.undo_pending(durable, durable.check().err().unwrap_or(Error::NoLogThread));
            }
        }
        durable.outcome(version, self.visible.load(Ordering::Acquire)).unwrap_or(Err(Error::NoLogThread))
    }
}

/// Pending once, then polled again at once by its executor.
async fn yield_now() {
    let mut has_yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
