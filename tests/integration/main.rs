//! The scenarios in `../scenarios` are run on every surface: the crate `mantis-db`, HTTP, a plugin, and a browser page. What each
//! surface answers must be what the scenario says, and so all of them mean the same.
//!
//! | module | holds |
//! |---|---|
//! | `scenario` | the form of the data: scenarios, steps, operations |
//! | `data` | keys and values as the data writes them |
//! | `answer` | the outcome of an operation, in a form that every surface can produce |
//! | `absent` | what a surface does not have, and why |
//! | `surface`, `surfaces` | how a scenario is run on each |
//! | `run` | running, comparing, and writing `target/transcripts` |
//! | `isolation` | concurrent histories through the crate, checked for isolation; nothing to do with scenarios |
//! | `coverage`, `data_model` | that no error code and no limit is forgotten |
//! | `documents` | that links and paths in the documents lead somewhere |
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod absent;
mod answer;
mod coverage;
mod data;
mod data_model;
mod documents;
mod isolation;
mod run;
mod scenario;
mod surface;
mod surfaces;
