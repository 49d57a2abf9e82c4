//! For tests: disks that fail or lose power, and what fuzzing checks. Only with the feature `testing`.

mod failing;
#[doc(hidden)]
pub mod fuzz;
mod power_cut;

pub use failing::{FailingDisk, Fault, Operation};
pub use power_cut::{PowerCutDisk, Tearing, Wreck};
