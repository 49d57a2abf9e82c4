//! What the benches share: interleaved rounds, medians, CPU time of processes, tables.
//!
//! | module | holds |
//! |---|---|
//! | `rounds` | A B B A rounds, medians, spreads, ratios |
//! | `process` | servers as pinned child processes, and the CPU time that they used |
//! | `load` | a closed-loop HTTP/1.1 load generator that checks every answer |
//! | `paced` | the same open-loop: requests at fixed times, and histograms of their latency |
//! | `kv` | keys, values, requests and filling, the same for MantisDB, Redis and webdis |
//! | `client` | a blocking client that sets servers up |
//! | `table` | Markdown tables |
#![deny(missing_docs)]

pub mod client;
pub mod kv;
pub mod load;
pub mod paced;
pub mod process;
pub mod rounds;
pub mod table;
