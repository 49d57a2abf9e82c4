//! The scenarios in `../scenarios` run on every surface: the crate `mantis-db`, HTTP and its clients in Python, TypeScript and Go, plugins, a
//! browser page, and the C interface, from Rust and from Go (`../README.md` has the list). Each must answer as the scenario says, so that
//! all of them mean the same.
//!
//! | module | holds |
//! |---|---|
//! | `scenario` | the form of the data: scenarios, steps, operations |
//! | `data` | keys and values as the data writes them |
//! | `answer` | the outcome of an operation, in a form that every surface can produce |
//! | `absent` | what a surface lacks, and why |
//! | `surface`, `surfaces` | how a scenario is run on each |
//! | `run` | runs the scenarios, compares, and writes `target/transcripts` |
//! | `isolation` | concurrent histories through the crate, checked for isolation; independent of the scenarios |
//! | `coverage`, `data_model` | no error code and no limit is forgotten |
//! | `documents` | links and paths in the documents have existing targets |
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod absent;
mod answer;
mod coverage;
mod data;
mod data_model;
mod documents;
mod isolation;
mod isolation_of_rows;
mod run;
mod scenario;
mod surface;
mod surfaces;
