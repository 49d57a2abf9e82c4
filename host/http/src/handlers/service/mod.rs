//! For operators: health, statistics, documents.
//!
//! | file | what |
//! |---|---|
//! | `health`, `stats`, `docs` | what each of these paths answers |
//! | `metrics` | `/metrics`: which figures there are |
//! | `exposition` | the text formats of Prometheus and `OpenMetrics` |
//! | `process` | the figures of the process |

pub(crate) mod docs;
mod exposition;
pub(crate) mod health;
pub(crate) mod metrics;
mod process;
pub(crate) mod stats;
