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
//! pool.drain().await; // refuses newcomers, waits for what is on loan
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
//! - Any future may be dropped at any point: what it held goes to the next in line, and a creation under way goes on.
//! - Releasing an object needs no runtime, spawns nothing, and never panics. An object's age is judged by the clock,
//!   at each hand-out.
//! - Every duration in [`Config`] is applied, and a timeout names the [`Step`] that was too slow. One acquisition has a
//!   limit as a whole, so that slow steps do not add up.
//! - No error is lost: what no caller is given goes to [`Builder::on_error`], and is counted.
//!
//! # How it works
//!
//! One mutex guards the pool's state: idle objects, callers who wait, counts. Each change is recorded under it and then
//! settled: what is free goes to the first who waits. The permit to use an object is the box that holds it, which is in
//! one place at a time, so there is no semaphore that could disagree with the list. Under the mutex no method of the
//! manager and no hook runs, and none of their values is dropped; wakers are woken after it.
//!
//! # Map
//!
//! | module | what |
//! |---|---|
//! | `config` | every setting, its default, and the check that names what is wrong |
//! | `manager` | the trait a user implements |
//! | `hooks`, `lifecycle`, `metrics`, `stats`, `leaks`, `errors` | the vocabulary of the API, a file each |
//! | `state` | which objects exist, who holds them, who waits: one mutex |
//! | `object` | [`Object`], the guard |
//! | `acquire` | the path of one acquisition: claim, check or create, hand out |
//! | `maintenance` | reaping, health checks, keeping `min_idle` |
//! | `retain` | closing idle objects by a predicate |
//! | `pool` | [`Pool`], its builder and weak handle: the API |
//!
//! # What it does not do
//!
//! - It spawns one thing on its own, in whatever runtime the caller is: the rest of a creation whose caller gave up. Who
//!   wants `min_idle`, idle timeouts and health checks runs [`Pool::run_maintenance`] or calls [`Pool::maintain`].
//! - Hooks are synchronous. What has to wait belongs in the [`Manager`].
//! - Closing is dropping: an object that has to take leave over the network does so in the background or not at all.
//! - No keys: one pool holds one kind of object. A map of pools is a map of pools.
//! - It does not retry for the caller: a failed creation is reported, and the pool decides only how soon the next
//!   attempt may start.

#![deny(missing_docs)]

mod acquire;
mod config;
mod errors;
mod hooks;
mod leaks;
mod lifecycle;
mod maintenance;
mod manager;
mod metrics;
mod object;
mod pool;
mod retain;
mod state;
mod stats;

pub use config::{Config, ConfigError, IdleOrder};
pub use errors::{Error, SharedError, Step};
pub use hooks::{HookError, HookResult, UnseenError};
pub use leaks::Leak;
pub use lifecycle::{CloseReason, PoolState};
pub use maintenance::MaintenanceReport;
pub use manager::Manager;
pub use metrics::Metrics;
pub use object::Object;
pub use pool::{Builder, Pool, WeakPool};
pub use retain::Retained;
pub use stats::{Stats, StepErrors, Timeouts, WaitTimes};
