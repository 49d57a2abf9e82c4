//! Checks concurrent histories: whether clients' answers could have come from doing one thing after the other.
//!
//! | module | holds |
//! |---|---|
//! | [`history`] | what clients did, when, and their answers |
//! | [`linear`] | one key: calls take effect one by one, each between its call and its return |
//! | [`serial`] | all keys: transactions over lists that only grow, as a graph of necessary orders |
//! | [`graph`] | cycles in such a graph, and orders where there are none |
//! | [`replay`] | repeats a history in a given order: proves a verdict "fine" without trusting the graph |
//! | [`numbers`] | random numbers from a seed |
//! | [`verdict`] | all of these checks, and counts over many histories |
//! | [`workload`] | clients that do random things through a [`workload::Connection`] and note them |
//!
//! It knows nothing of MantisDB. A client's time is a count that all clients share: a call takes a number when it is made and another when
//! it returns, so that what returned before something else was called has the smaller number.
//!
//! ```
//! use mantis_isolation::history::{Operation, Transaction};
//! use mantis_isolation::serial;
//! // Two clients read an empty list and both append to it: one of the updates is lost.
//! let append = |element| vec![Operation::read(0, &[]), Operation::append(0, element)];
//! let history = [Transaction::done(append(1), 1, 4), Transaction::done(append(2), 2, 3)];
//! assert_eq!(serial::check(&history).unwrap_err().kind.as_str(), "lost update");
//! ```
#![deny(missing_docs)]

pub mod graph;
pub mod history;
pub mod linear;
pub mod numbers;
pub mod replay;
pub mod serial;
pub mod verdict;
pub mod workload;
