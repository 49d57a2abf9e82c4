//! What the benches share: interleaved rounds, medians, CPU time of processes, tables.
//!
//! | module | holds |
//! |---|---|
//! | `rounds` | A B B A rounds, medians, spreads, ratios |
//! | `process` | servers as pinned child processes, and the CPU time that they used |
//! | `load` | a closed-loop HTTP/1.1 load generator that checks every answer |
//! | `table` | Markdown tables |
#![deny(missing_docs)]

pub mod load;
pub mod process;
pub mod rounds;
pub mod table;
