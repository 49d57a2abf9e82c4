//! An object and what the pool knows about it.

use tokio::time::Instant;

use crate::{CloseReason, Config, Manager, Metrics, leaks::HolderId};

/// An object and its bookkeeping, in one box for the object's life.
///
/// The box is the permit: while an object exists, its box is in exactly one place (the idle list, a grant of the queue,
/// the outbox, or a guard), and nothing else says who owns the object.
pub(crate) struct Entry<M: Manager> {
    pub(crate) object: M::Object,
    pub(crate) metrics: Metrics,
    /// What the guard's drop does with the object.
    pub(crate) on_drop: ReleaseAction,
    /// The end of its lifetime, jitter included; `None` is never.
    expires_at: Option<Instant>,
    /// When it was last created, handed out or validated.
    known_good_at: Instant,
    /// When it was released, if releases are timed; otherwise when maintenance first found it idle since its last use.
    idle_since: Option<Instant>,
    /// Its place among the holders, while it is on loan and holders are recorded.
    pub(crate) holder: Option<HolderId>,
}

/// What a guard's drop does with its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReleaseAction {
    /// The caller used it: reset it and make it idle.
    Reset,
    /// The pool took it out and nobody used it: make it idle.
    PutBack,
    /// The same, and hand it out after all others.
    PutBackColdest,
    Close(CloseReason),
}

impl<M: Manager> Entry<M> {
    pub(crate) fn new(object: M::Object, metrics: Metrics, config: &Config) -> Self {
        let created_at = metrics.created_at();
        let expires_at = lifetime(config).and_then(|lifetime| created_at.checked_add(lifetime));
        Self {
            object,
            metrics,
            on_drop: ReleaseAction::Close(CloseReason::Abandoned),
            expires_at,
            known_good_at: created_at,
            idle_since: Some(created_at),
            holder: None,
        }
    }

    /// A new object is handed out.
    pub(crate) fn note_first_use(&mut self) {
        let now = self.metrics.created_at();
        self.metrics.note_use(now);
        self.idle_since = None;
    }

    /// An idle object is handed out.
    pub(crate) fn note_reuse(&mut self, now: Instant) {
        self.metrics.note_recycled_use(now);
        self.known_good_at = now;
        self.idle_since = None;
    }

    pub(crate) fn note_healthy(&mut self, now: Instant) {
        self.known_good_at = now;
    }

    /// The object becomes or is seen idle; its idle time is counted from the first time since its last use.
    pub(crate) fn note_idle(&mut self, now: Instant) {
        self.idle_since.get_or_insert(now);
    }

    /// When maintenance has to close it, as far as that is known; `surplus` if idle times count.
    pub(crate) fn ends_at(&self, config: &Config, surplus: bool) -> Option<Instant> {
        let idle_until = self.idle_since.zip(config.idle_timeout).filter(|_| surplus);
        let idle_until = idle_until.and_then(|(since, timeout)| since.checked_add(timeout));
        idle_until.into_iter().chain(self.expires_at).min()
    }

    pub(crate) fn has_expired(&self, now: Instant) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }

    pub(crate) fn has_idled_for(&self, config: &Config, now: Instant) -> bool {
        let Some((since, timeout)) = self.idle_since.zip(config.idle_timeout) else { return false };
        now.saturating_duration_since(since) >= timeout
    }

    /// Whether the object has to be validated before it is handed out.
    pub(crate) fn needs_validation(&self, config: &Config, now: Instant) -> bool {
        config.validate_after_idle.is_some_and(|limit| now.saturating_duration_since(self.known_good_at) >= limit)
    }

    /// Whether maintenance has to validate the object.
    pub(crate) fn is_due_for_check(&self, config: &Config, now: Instant) -> bool {
        config.health_check_interval.is_some_and(|limit| now.saturating_duration_since(self.known_good_at) >= limit)
    }
}

/// How long an object created now lives: shortened at random, so that objects made together do not end together.
fn lifetime(config: &Config) -> Option<std::time::Duration> {
    let shortened = f64::from(config.lifetime_jitter_percent) / 100.0 * fastrand::f64();
    config.max_lifetime.map(|lifetime| lifetime.mul_f64(1.0 - shortened))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Object;

    struct Sessions;

    impl Manager for Sessions {
        type Object = [u8; 256];
        type Error = std::convert::Infallible;

        async fn create(&self) -> Result<[u8; 256], Self::Error> {
            Ok([0; 256])
        }
    }

    #[test]
    fn bookkeeping_stays_small() {
        let overhead = size_of::<Entry<Sessions>>() - 256;
        assert!(overhead <= 128, "bytes beside the object: {overhead}");
        assert_eq!(size_of::<Object<Sessions>>(), 16, "a guard is two pointers");
    }
}
