//! The interfaces of WASI 0.2 that grant a guest nothing. Standard libraries import them whether or not a program uses them, and so
//! do interpreters: what it prints reaches the log, clocks and randomness are the database's, and there is nothing else to find.
//!
//! | file | holds |
//! |---|---|
//! | `linking` | defines what one component imports |
//! | `cli`, `streams`, `poll`, `clocks`, `random` | the packages that do something |
//! | `denied` | files and sockets, of which there are none |
//! | `printing` | what a guest prints, line by line on its way to the log |
//! | `handles` | handles in an instance |
//!
//! Only a component that imports any of it is linked with it. Functions that would need a handle which nobody can have are traps.

mod cli;
mod clocks;
mod denied;
mod handles;
mod linking;
mod poll;
mod printing;
mod random;
mod streams;

use wasmtime::component::LinkerInstance;

use super::context::Context;

pub(super) use linking::link;

/// One interface, whose functions are defined.
type Interface<'l> = LinkerInstance<'l, Context>;
