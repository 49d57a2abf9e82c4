//! The pool's state: what exists, who holds it, who waits for it.

pub(crate) mod backoff;
pub(crate) mod core;
pub(crate) mod idle;
pub(crate) mod shared;
pub(crate) mod slot;
