//! Closures that run at set points of an object's life.

use crate::{CloseReason, Metrics};

/// Why a hook refused an object.
pub type HookError = Box<dyn std::error::Error + Send + Sync>;

/// `Ok` lets the object pass, an error has it closed.
pub type HookResult = Result<(), HookError>;

type Check<T> = Box<dyn Fn(&mut T, &Metrics) -> HookResult + Send + Sync>;
type Farewell<T> = Box<dyn Fn(&mut T, &Metrics, CloseReason) + Send + Sync>;

/// The hooks of one pool, each kind run in the order of registration until one refuses.
pub(crate) struct Hooks<T> {
    pub(crate) post_create: Vec<Check<T>>,
    pub(crate) pre_recycle: Vec<Check<T>>,
    pub(crate) pre_close: Vec<Farewell<T>>,
}

impl<T> Default for Hooks<T> {
    fn default() -> Self {
        Self { post_create: Vec::new(), pre_recycle: Vec::new(), pre_close: Vec::new() }
    }
}

pub(crate) fn run<T>(hooks: &[Check<T>], object: &mut T, metrics: &Metrics) -> HookResult {
    hooks.iter().try_for_each(|hook| hook(object, metrics))
}
