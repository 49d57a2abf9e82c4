//! A fair, bounded pool of objects that are worth keeping: sessions, connections, warm instances.
//!
//! A [`Manager`] says how an object is made, checked and reset; a [`Pool`] keeps the objects, lends each to one
//! caller at a time, and takes it back when the guard is dropped.
//!
//! ```
//! use std::{convert::Infallible, time::Duration};
//! use mantis_pool::{Config, Manager, Metrics, Object, Pool};
//!
//! /// Buffers that come back empty.
//! struct Buffers;
//!
//! impl Manager for Buffers {
//!     type Object = Vec<u8>;
//!     type Error = Infallible;
//!
//!     async fn create(&self) -> Result<Vec<u8>, Infallible> {
//!         Ok(Vec::with_capacity(4096))
//!     }
//!
//!     fn release(&self, buffer: &mut Vec<u8>, _metrics: &Metrics) -> Result<(), Infallible> {
//!         buffer.clear();
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config { min_idle: 2, max: 8, wait_timeout: Some(Duration::from_secs(1)), ..Config::default() };
//! let pool = Pool::new(Buffers, config)?;
//! let maintenance = pool.spawn_maintenance(); // keeps `min_idle`, ends idle and old objects
//!
//! let mut buffer = pool.acquire().await?; // waits its turn, at most a second
//! buffer.extend_from_slice(b"hello");
//! assert_eq!(Object::metrics(&buffer).recycled_count(), 0);
//! drop(buffer); // back in the pool, emptied by `release`
//!
//! let again = pool.try_acquire()?.expect("an object is idle"); // never waits
//! assert!(again.is_empty());
//! drop(again);
//!
//! let stats = pool.stats();
//! assert_eq!(stats.acquisitions(), 2);
//! assert_eq!(stats.total(), stats.active + stats.idle + stats.creating);
//!
//! pool.drain().await; // refuses newcomers, waits for what is lent out
//! maintenance.await?; // ends with the pool
//! # Ok(())
//! # }
//! ```
//!
//! # What holds
//!
//! - There are never more than `max` objects, those being made or closed included. (After `max` was lowered, those
//!   above it go as soon as they are idle. An object that a caller detached is not the pool's any more.)
//! - Waiters are served first come, first served. An object or the permission to make one is handed to the first
//!   waiter directly; a newcomer cannot take it.
//! - Any future may be dropped at any point: the object or the permit it held goes on to the next in line.
//! - Releasing an object needs no runtime, spawns nothing, and never panics.
//! - Every duration in [`Config`] is applied, and a timeout names the [`Step`] that was too slow.
//!
//! # How it works
//!
//! The pool is a fixed row of slots. Whoever owns a slot's index owns the slot, and that is the only permit there
//! is: an index is at any time in exactly one place (the list of vacant slots, the idle stack, a guard, a creation,
//! the queue's grants), so there is no semaphore that could come to disagree with the queue.
//!
//! Taking and returning an idle object are one compare-and-swap each on the idle stack's head. That word also holds
//! a *gate*. Everything that is not this fast path (waiting, making, closing, resizing, reporting) takes the core's
//! mutex and shuts the gate, so that it sees the pool at rest and can be read as a sequential program. The gate
//! stays shut for as long as anyone waits, which is what keeps newcomers from barging. Under that mutex no method of
//! the manager and no hook runs, and nothing of theirs is dropped; wakers are woken after it.
//!
//! # Map
//!
//! | module | what |
//! |---|---|
//! | `config` | every setting, its default, and the check that names what is wrong |
//! | `manager` | the trait a user implements |
//! | `pool` | [`Pool`], its builder and weak handle: what callers see |
//! | `object` | [`Object`], the guard, and its [`Metrics`] |
//! | `acquire` | the path of one acquisition: claim, check or create, hand out |
//! | `acquire::create` | the permission to create an object, and what follows from success and failure |
//! | `acquire::step` | a step of the manager, within its time |
//! | `acquire::wait` | a place in the queue as a future, and the queue itself |
//! | `state::shared` | the pool's state, and the way into the core |
//! | `state::core` | what happens under the mutex: who gets what |
//! | `state::idle` | the lock-free idle stack and its gate |
//! | `state::slot` | a slot, its state word, and what it holds |
//! | `clock` | the time, to within what the settings need |
//! | `state::backoff` | one attempt at a time while creation fails |
//! | `maintenance` | reaping, health checks, keeping `min_idle` |
//! | `hooks`, `stats`, `leaks`, `errors` | as they say |
//!
//! # What it does not do
//!
//! - It spawns nothing on its own: who wants `min_idle`, idle timeouts and health checks runs
//!   [`Pool::run_maintenance`] or calls [`Pool::maintain`].
//! - Hooks are synchronous. What has to wait belongs in the [`Manager`].
//! - Closing is dropping: an object that wants to say goodbye over the network does so in the background or not.
//! - No keys: one pool holds one kind of object. A map of pools is a map of pools.
//! - It does not retry for the caller: a failed creation is reported, and the pool decides only how soon the
//!   backend may be asked again.

#![deny(missing_docs)]

mod acquire;
mod clock;
mod config;
mod errors;
mod hooks;
mod leaks;
mod maintenance;
mod manager;
mod object;
mod pool;
mod state;
mod stats;

pub use config::{Config, ConfigError, IdleOrder, MAX_CEILING};
pub use errors::{Error, SharedError, Step};
pub use hooks::{HookError, HookResult};
pub use leaks::Leak;
pub use maintenance::MaintenanceReport;
pub use manager::Manager;
pub use object::{Metrics, Object};
pub use pool::{Builder, Pool, PoolState, WeakPool};
pub use stats::{CloseReason, Stats, Timeouts};
