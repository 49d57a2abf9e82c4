//! Closures that run at set points of an object's life.

use std::error::Error;

use crate::{CloseReason, Metrics, Step};

/// Why a hook refused an object.
pub type HookError = Box<dyn Error + Send + Sync>;

/// An error that no caller is given: the pool closed the object and went on, or nobody waited for it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct UnseenError<'a> {
    /// Where it arose. A refusal by a `pre_recycle` hook counts as [`Step::Recycle`].
    pub step: Step,
    /// What the manager or the hook returned, to look into with `downcast_ref`; or the pool's
    /// [`Error`](crate::Error) for a creation that nobody waited for, and for a check by maintenance that took too long.
    pub error: &'a (dyn Error + 'static),
    /// What the pool knows about the object; `None` if there is none yet.
    pub metrics: Option<&'a Metrics>,
}

/// `Ok` lets the object pass, an error has it closed.
pub type HookResult = Result<(), HookError>;

type Check<T> = Box<dyn Fn(&mut T, &Metrics) -> HookResult + Send + Sync>;
type Sink = Box<dyn Fn(&UnseenError<'_>) + Send + Sync>;
type Farewell<T> = Box<dyn Fn(&mut T, &Metrics, CloseReason) + Send + Sync>;

/// The hooks of one pool, each kind run in the order of registration until one refuses.
pub(crate) struct Hooks<T> {
    pub(crate) post_create: Vec<Check<T>>,
    pub(crate) pre_recycle: Vec<Check<T>>,
    pub(crate) pre_close: Vec<Farewell<T>>,
    pub(crate) on_error: Vec<Sink>,
}

impl<T> Default for Hooks<T> {
    fn default() -> Self {
        Self { post_create: Vec::new(), pre_recycle: Vec::new(), pre_close: Vec::new(), on_error: Vec::new() }
    }
}

pub(crate) fn run<T>(hooks: &[Check<T>], object: &mut T, metrics: &Metrics) -> HookResult {
    hooks.iter().try_for_each(|hook| hook(object, metrics))
}
