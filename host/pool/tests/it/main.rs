//! Tests of the pool, a module for each hazard.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod backoff;
mod cancellation;
mod config;
mod deadline;
mod ending;
mod fairness;
mod handed_on;
mod hooks;
mod lab;
mod leaks;
mod lifetime;
mod maintenance;
mod panics;
mod pausing;
mod release;
mod resize;
mod retain;
mod stats;
mod timeouts;
mod try_acquire;
