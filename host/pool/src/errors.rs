//! Why an acquisition failed.

use std::{fmt, sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::Manager;

/// An error that several callers share, with its type forgotten.
pub type SharedError = Arc<dyn std::error::Error + Send + Sync>;

/// An error inside the pool: boxed, so that the results handed up on the fast path fit registers.
pub(crate) type Failure<M> = Box<Error<<M as Manager>::Error>>;

/// A part of an acquisition that can take time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// In the queue, until an object or room for one is free.
    Wait,
    /// In [`Manager::create`](crate::Manager::create).
    Create,
    /// In [`Manager::recycle`](crate::Manager::recycle).
    Recycle,
    /// In [`Manager::validate`](crate::Manager::validate).
    Validate,
    /// In [`Manager::release`](crate::Manager::release), which has no limit of time.
    Release,
}

impl Step {
    fn remedy(self) -> &'static str {
        match self {
            Self::Wait => "raise `max` or `wait_timeout`, or check `Pool::leaks` for objects held too long",
            Self::Create => "raise `create_timeout`, or find out why the backend is slow to answer",
            Self::Recycle => "raise `recycle_timeout`; the object was closed, the next attempt takes another",
            Self::Validate => "raise `validate_timeout`; the object was closed, the next attempt takes another",
            Self::Release => "see that `Manager::release` does not block",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wait => "wait",
            Self::Create => "create",
            Self::Recycle => "recycle",
            Self::Validate => "validate",
            Self::Release => "release",
        })
    }
}

/// Why an acquisition failed. `E` is [`Manager::Error`](crate::Manager::Error).
///
/// Cheap to clone: one failed creation may answer many waiters.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error<E: std::error::Error + 'static> {
    /// A step took longer than the config allows.
    #[error("step `{step}` took longer than {limit:?}; {}", step.remedy())]
    Timeout {
        /// The step that was too slow.
        step: Step,
        /// The setting that it exceeded.
        limit: Duration,
        /// For [`Step::Wait`]: why the latest creation failed, if creation is failing now.
        #[source]
        last_failure: Option<SharedError>,
    },
    /// The acquisition as a whole took longer than [`Config::acquire_timeout`](crate::Config::acquire_timeout), or than
    /// the call of [`Pool::acquire_timeout`](crate::Pool::acquire_timeout) allows.
    #[error(
        "the acquisition took longer than {limit:?} and was in step `{during}` at its end; raise `acquire_timeout`, or \
         find out what makes that step slow"
    )]
    AcquireTimeout {
        /// The step that was under way.
        during: Step,
        /// The limit that was exceeded.
        limit: Duration,
        /// For [`Step::Wait`]: why the latest creation failed, if creation is failing now.
        #[source]
        last_failure: Option<SharedError>,
    },
    /// The manager failed to create an object. The pool pauses before it tries again. If no object is left that
    /// could be released to them, all waiters get the same error.
    #[error("step `create` failed; the source says why, and the pool backs off before it tries again")]
    Create(#[source] Arc<E>),
    /// A `post_create` hook refused the new object, which counts as a failed creation.
    #[error("step `create` failed in a `post_create` hook; the source says why")]
    Hook(#[source] SharedError),
    /// The pool is closed, or is being drained and takes no newcomers.
    #[error("the pool is closed; acquire before `close` or `drain`, or build a new pool")]
    Closed,
    /// The limit of waiting callers is reached.
    #[error("{max_waiters} callers wait already; try again later, or raise `max_waiters` or `max`")]
    QueueFull {
        /// The setting.
        max_waiters: usize,
    },
    /// A step has a timeout and there is no tokio runtime to time it.
    #[error("step `{step}` needs a timer; call from within a tokio runtime, or set its timeout to `None`")]
    NoRuntime {
        /// The step that did not finish at once.
        step: Step,
    },
}

impl<E: std::error::Error + Send + Sync + 'static> Error<E> {
    /// Whether the failure is the pool being busy, so that the same call may succeed a little later.
    #[must_use]
    pub fn is_overload(&self) -> bool {
        matches!(
            self,
            Self::Timeout { step: Step::Wait, .. }
                | Self::AcquireTimeout { during: Step::Wait, .. }
                | Self::QueueFull { .. }
        )
    }
}

/// The limit of time that was exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exceeded {
    Step(Duration),
    Acquire(Duration),
}

impl Exceeded {
    /// The limit that ends first.
    pub(crate) fn first(step: Option<(Instant, Self)>, whole: Option<(Instant, Self)>) -> Option<(Instant, Self)> {
        step.into_iter().chain(whole).min_by_key(|(at, _)| *at)
    }

    pub(crate) fn error<E: std::error::Error + 'static>(
        self,
        step: Step,
        last_failure: Option<SharedError>,
    ) -> Error<E> {
        match self {
            Self::Step(limit) => Error::Timeout { step, limit, last_failure },
            Self::Acquire(limit) => Error::AcquireTimeout { during: step, limit, last_failure },
        }
    }
}

// Derived, it would ask for `E: Clone`.
impl<E: std::error::Error + 'static> Clone for Error<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Timeout { step, limit, last_failure } => {
                Self::Timeout { step: *step, limit: *limit, last_failure: last_failure.clone() }
            }
            Self::AcquireTimeout { during, limit, last_failure } => {
                Self::AcquireTimeout { during: *during, limit: *limit, last_failure: last_failure.clone() }
            }
            Self::Create(source) => Self::Create(Arc::clone(source)),
            Self::Hook(source) => Self::Hook(Arc::clone(source)),
            Self::Closed => Self::Closed,
            Self::QueueFull { max_waiters } => Self::QueueFull { max_waiters: *max_waiters },
            Self::NoRuntime { step } => Self::NoRuntime { step: *step },
        }
    }
}
