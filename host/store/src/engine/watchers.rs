//! Watchers: receivers of the newest commit's version.

#[cfg(not(target_family = "wasm"))]
pub(crate) use native::Watchers;

/// Empty: a page reads the change feed after its own writes.
#[cfg(target_family = "wasm")]
#[derive(Debug, Default)]
pub(crate) struct Watchers {}

#[cfg(target_family = "wasm")]
impl Watchers {
    #[allow(clippy::unused_self, reason = "a page has no watchers")]
    pub(crate) fn announce(&self, _: crate::types::Version) {}
}

#[cfg(not(target_family = "wasm"))]
mod native {
    use std::sync::atomic::{Ordering, fence};

    use tokio::sync::watch;

    use crate::types::Version;

    /// The receivers that [`Store::watch`](crate::Store::watch) has handed out.
    #[derive(Debug, Default)]
    pub(crate) struct Watchers(watch::Sender<Version>);

    impl Watchers {
        /// Adds one, which sees the commit that `newest` reads.
        pub(crate) fn add(&self, newest: impl FnOnce() -> Version) -> watch::Receiver<Version> {
            let receiver = self.0.subscribe();
            // Either the next commit sees the receiver, or `newest` sees the commit; pairs with the fence in `announce`.
            fence(Ordering::SeqCst);
            self.send(newest());
            receiver
        }

        /// Announces that the commit `version` is visible.
        pub(crate) fn announce(&self, version: Version) {
            // Pairs with the fence in `add`.
            fence(Ordering::SeqCst);
            if self.0.receiver_count() > 0 {
                self.send(version);
            }
        }

        /// Wakes all of them, although there is no new commit.
        pub(crate) fn wake(&self) {
            self.0.send_modify(|_| ());
        }

        fn send(&self, version: Version) {
            self.0.send_if_modified(|newest| {
                let newer = version > *newest;
                *newest = version.max(*newest);
                newer
            });
        }
    }
}
