//! Where a pool is in its life, and why its objects leave it.

/// Where a pool is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum PoolState {
    /// Handing out.
    Open,
    /// Holding everything back until [`Pool::resume`](crate::Pool::resume).
    Paused,
    /// Serving those who waited already, refusing newcomers, closing what is released.
    Draining,
    /// Refusing everyone, closing what is released.
    Closed,
}

/// Why an object left the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// Idle for `idle_timeout`.
    IdleTimeout,
    /// Older than `max_lifetime`.
    Lifetime,
    /// Failed [`Manager::validate`](crate::Manager::validate), or took too long in it.
    Unhealthy,
    /// Failed [`Manager::recycle`](crate::Manager::recycle) or the hook before it, or took too long in it.
    RecycleFailed,
    /// [`Manager::release`](crate::Manager::release) failed or panicked.
    ReleaseFailed,
    /// The caller asked for it with [`Object::close`](crate::Object::close).
    Discarded,
    /// The caller keeps it; see [`Object::detach`](crate::Object::detach).
    Detached,
    /// The acquisition was dropped, or panicked, while the object was being checked or reset.
    Abandoned,
    /// Above `max` after a resize.
    Shrunk,
    /// Not wanted by [`Pool::retain`](crate::Pool::retain).
    NotRetained,
    /// The pool was drained or closed.
    Shutdown,
}

impl CloseReason {
    pub(crate) const ALL: [Self; 11] = [
        Self::IdleTimeout,
        Self::Lifetime,
        Self::Unhealthy,
        Self::RecycleFailed,
        Self::ReleaseFailed,
        Self::Discarded,
        Self::Detached,
        Self::Abandoned,
        Self::Shrunk,
        Self::NotRetained,
        Self::Shutdown,
    ];

    /// Its position in [`ALL`](Self::ALL).
    pub(crate) fn position(self) -> usize {
        self as usize
    }
}
