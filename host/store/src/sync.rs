//! Locks, and values that are replaced as a whole.
//!
//! A page has one thread: its locks are the standard library's, which are flags there, and it downloads no code for waiting.

#[cfg(not(target_family = "wasm"))]
pub(crate) use arc_swap::ArcSwapAny as Swap;
#[cfg(not(target_family = "wasm"))]
pub use parking_lot::{Mutex, MutexGuard, RwLock};

#[cfg(target_family = "wasm")]
pub(crate) use page::Swap;
#[cfg(target_family = "wasm")]
pub use page::{Mutex, MutexGuard, RwLock};

/// The same names for a page.
#[cfg(target_family = "wasm")]
mod page {
    use std::sync::PoisonError;

    pub use std::sync::MutexGuard;

    /// A lock without waiting.
    #[derive(Debug, Default)]
    pub struct Mutex<T>(std::sync::Mutex<T>);

    impl<T> Mutex<T> {
        /// A lock of `value`.
        pub fn new(value: T) -> Self {
            Self(std::sync::Mutex::new(value))
        }

        /// The value. Panics if the lock is held: one thread cannot wait for itself.
        pub fn lock(&self) -> MutexGuard<'_, T> {
            // A panic aborts the page's store: no lock is ever poisoned.
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        /// The value, if the lock is not held.
        pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }

        /// The value, without locking.
        pub fn get_mut(&mut self) -> &mut T {
            self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
        }
    }

    /// A [`Mutex`]: one thread has one reader at a time.
    #[derive(Debug, Default)]
    pub struct RwLock<T>(Mutex<T>);

    impl<T> RwLock<T> {
        /// The value, to read.
        pub fn read(&self) -> MutexGuard<'_, T> {
            self.0.lock()
        }

        /// The value, to change.
        pub fn write(&self) -> MutexGuard<'_, T> {
            self.0.lock()
        }
    }

    /// A value that is replaced as a whole; readers keep the one that they have loaded.
    #[derive(Debug)]
    pub(crate) struct Swap<T>(Mutex<T>);

    impl<T: Clone> Swap<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(Mutex::new(value))
        }

        pub(crate) fn load(&self) -> T {
            self.0.lock().clone()
        }

        pub(crate) fn store(&self, value: T) {
            *self.0.lock() = value;
        }
    }
}
