//! The trait a user implements: how an object is made, checked and reset.

use std::future::{Future, ready};

use crate::Metrics;

/// Makes, checks and resets the objects of a [`Pool`](crate::Pool).
///
/// One object's life, in call order:
///
/// ```text
/// create ─► on loan ─► release ─► idle ─► (validate) ─► recycle ─► on loan ─► …
///                         │                   │            │
///                         └── an error at any of these closes (drops) the object
/// ```
///
/// - [`release`](Self::release) runs at once, in the guard's drop: undo what must not outlive the use.
/// - [`recycle`](Self::recycle) runs at every hand-out of an idle object.
/// - [`validate`](Self::validate) runs first, but only on objects that were not used or validated for
///   [`Config::validate_after_idle`](crate::Config::validate_after_idle), and in maintenance.
///
/// Futures are polled in place first: one that is ready at its first poll costs no timer. A
/// manager whose futures are all like that serves [`Pool::try_acquire`](crate::Pool::try_acquire) too.
///
/// A panic in a future reaches whoever awaits it; a panic in `release` is caught. The object is closed either way
/// and its place is free again. No method is called while the pool holds its lock, so all may use the pool.
pub trait Manager: Send + Sync + 'static {
    /// What the pool lends out.
    type Object: Send + 'static;
    /// Why an object could not be made, or is not fit for use.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Makes an object.
    ///
    /// The future is dropped when [`Config::create_timeout`](crate::Config::create_timeout) is over or when the
    /// caller gives up.
    fn create(&self) -> impl Future<Output = Result<Self::Object, Self::Error>> + Send;

    /// Makes an idle object ready for its next use. An error closes it, and the caller gets another.
    ///
    /// The future is dropped after [`Config::recycle_timeout`](crate::Config::recycle_timeout) or when the caller
    /// gives up; the object is then closed, as nobody knows its state.
    fn recycle(
        &self,
        object: &mut Self::Object,
        metrics: &Metrics,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = (object, metrics);
        ready(Ok(()))
    }

    /// Asks whether an object that has been idle is still fit for use. An error closes it.
    ///
    /// Dropped after [`Config::validate_timeout`](crate::Config::validate_timeout), like
    /// [`recycle`](Self::recycle).
    fn validate(
        &self,
        object: &mut Self::Object,
        metrics: &Metrics,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = (object, metrics);
        ready(Ok(()))
    }

    /// Resets an object at the moment it is released, as in rolling back a transaction. An error closes it.
    ///
    /// Runs in the guard's drop, on any thread, perhaps outside a runtime: it must not block.
    fn release(&self, object: &mut Self::Object, metrics: &Metrics) -> Result<(), Self::Error> {
        let _ = (object, metrics);
        Ok(())
    }
}
